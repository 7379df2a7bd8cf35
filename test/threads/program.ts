/**
 * Programs that the tests run in a process of their own: `node program.ts NAME`. Each prints one line of JSON; that the
 * process ends is its own doing.
 */
import * as torch from "../../src/index.ts";
import { pool } from "../../src/ops/launch.ts";
import { memory_reserved } from "../../src/storage/memory.ts";
import { bitsOf } from "./computations.ts";

interface Internals {
  readonly threads: readonly { terminate(): Promise<number> }[];
}

const matrix = (): torch.Tensor => {
  torch.manual_seed(0);
  return torch.randn(400, 400);
};
/** Work enough for the pool to start, and its result. */
const work = (rounds = 20): string => {
  const a = matrix();
  let x = a;
  for (let i = 0; i < rounds; i++) x = a.matmul(x).mul(0.05).tanh();
  return bitsOf(x);
};
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

const programs: Readonly<Record<string, () => unknown>> = {
  "uses the pool": () => {
    torch.set_num_threads(3);
    return { result: work(), workers: pool.workers };
  },
  "has little to do": () => {
    torch.set_num_threads(4);
    const { nn, optim } = torch;
    const net = new nn.Sequential(new nn.Linear(8, 32), new nn.ReLU(), new nn.Linear(32, 2));
    const optimizer = new optim.Adam(net.parameters());
    for (let step = 0; step < 50; step++) {
      optimizer.zero_grad();
      net(torch.rand(16, 8)).square().mean().backward();
      optimizer.step();
    }
    return { workers: pool.workers };
  },
  "loses a worker": async () => {
    const warnings: string[] = [];
    console.warn = (text: string) => warnings.push(text);
    torch.set_num_threads(2);
    const before = work();
    const [thread] = (pool as unknown as Internals).threads;
    const ended = thread.terminate();
    // The worker is gone before its end is reported.
    const during = work();
    await ended;
    await pause(50);
    const threads = torch.get_num_threads();
    const after = work();
    torch.set_num_threads(2);
    const again = work();
    return { results: [before, during, after, again], warnings, threads, workers: pool.workers };
  },
  "grows the memory": () => {
    torch.set_num_threads(2);
    work();
    const before = memory_reserved();
    // The workers have not seen this memory yet.
    const large = torch.ones(40_000_000);
    const sum = large.add(large).sum().item();
    return { sum, grown: memory_reserved() - before, workers: pool.workers };
  },
  "is one of several busy processes": () => {
    torch.set_num_threads(2);
    const first = work(30);
    let wrong = 0;
    for (let i = 0; i < 5; i++) if (work(30) !== first) wrong++;
    return { result: work(), wrong };
  },
};

const name = process.argv[2];
console.log(JSON.stringify(await programs[name]()));
