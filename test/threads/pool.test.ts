/** The life of the pool: when it starts, how it ends, and what happens when something goes wrong. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { ModuleBuilder } from "../../src/backend/wasm/assembler.ts";
import { ThreadPool } from "../../src/backend/wasm/threads/pool.ts";
import * as torch from "../../src/index.ts";
import { bitsOf } from "./computations.ts";

const program = join(import.meta.dirname, "program.ts");
/** For each process. Some seconds are usual. */
const TIME_LIMIT = 120_000;
const long = process.env.LONG_TESTS === "1";

/** What the program prints, if it ends by itself. */
async function resultOf<T>(name: string): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, name], {
    timeout: TIME_LIMIT,
    killSignal: "SIGKILL",
  });
  return JSON.parse(stdout);
}

/** What `work()` of the programs computes, on one thread. */
function expected(rounds = 20): string {
  torch.set_num_threads(1);
  torch.manual_seed(0);
  const a = torch.randn(400, 400);
  let x = a;
  for (let i = 0; i < rounds; i++) x = a.matmul(x).mul(0.05).tanh();
  return bitsOf(x);
}

test("a process that used the pool ends by itself", async () => {
  assert.deepEqual(await resultOf("uses the pool"), { result: expected(), workers: 2 });
});

test("small work starts no worker", async () => {
  assert.deepEqual(await resultOf("has little to do"), { workers: 0 });
});

test("the loss of an idle worker is reported, and work goes on", async () => {
  const { results, warnings, threads, workers } = await resultOf<{
    results: string[];
    warnings: string[];
    threads: number;
    workers: number;
  }>("loses a worker");
  assert.deepEqual(results, new Array(4).fill(expected()));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /a worker thread ended: exit code \d+\. Work goes on with one thread/);
  assert.equal(threads, 1);
  assert.equal(workers, 1, "set_num_threads starts another one");
});

test("workers see memory that was taken after they started", async () => {
  const { sum, grown, workers } = await resultOf<{ sum: number; grown: number; workers: number }>("grows the memory");
  assert.equal(sum, 80_000_000);
  assert.ok(grown > 300e6, `${grown} bytes`);
  assert.equal(workers, 1);
});

test("beside processes that keep every processor busy", async () => {
  const others: ChildProcess[] = [0, 1].map(() => spawn(process.execPath, ["-e", "for (;;);"]));
  try {
    const { result, wrong } = await resultOf<{ result: string; wrong: number }>("is one of several busy processes");
    assert.equal(wrong, 0);
    assert.equal(result, expected());
  } finally {
    for (const other of others) other.kill("SIGKILL");
  }
});

test("in a worker thread", async () => {
  const worker = new Worker(program, { argv: ["uses the pool"], stdout: true });
  let printed = "";
  worker.stdout.setEncoding("utf8").on("data", (text) => {
    printed += text;
  });
  const code = await new Promise((resolve, reject) => worker.on("exit", resolve).on("error", reject));
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(printed), { result: expected(), workers: 2 });
});

test("two instances of the library in one process", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kindling-second-"));
  try {
    const root = join(import.meta.dirname, "..", "..");
    await cp(join(root, "src"), join(folder, "src"), { recursive: true });
    await cp(join(root, "package.json"), join(folder, "package.json"));
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    const second = (await import(pathToFileURL(join(folder, "src", "index.ts")).href)) as typeof torch;
    assert.notEqual(second.Tensor, torch.Tensor);
    const results = [torch, second, torch, second].map((library) => {
      library.set_num_threads(2);
      library.manual_seed(0);
      const a = library.randn(400, 400);
      let x = a;
      for (let i = 0; i < 20; i++) x = a.matmul(x).mul(0.05).tanh();
      return bitsOf(x);
    });
    assert.deepEqual(results, new Array(4).fill(expected()));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("set_num_threads takes positive integers, and says what PyTorch says", () => {
  const before = torch.get_num_threads();
  const set = torch.set_num_threads as (threads: unknown) => void;
  for (const [wrong, message] of [
    [0, "set_num_threads expects a positive integer"],
    [-1, "set_num_threads expects a positive integer"],
    [1.5, "set_num_threads expects an int, but got float"],
    [true, "set_num_threads expects an int, but got bool"],
    ["2", "set_num_threads expects an int, but got str"],
    [null, "set_num_threads expects an int, but got NoneType"],
  ] as const)
    assert.throws(() => set(wrong), { name: "RuntimeError", message });
  assert.throws(() => set(2 ** 31), { name: "ValueError", message: "Overflow when unpacking long" });
  assert.equal(torch.get_num_threads(), before);
});

/** A kernel that adds 1 to the i32 at 4 · unit for each of its units, or does something else first. */
function kernel(first: (f: ReturnType<ModuleBuilder["function"]>) => void = () => {}): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { minimum: 0, maximum: 65536, shared: true });
  const f = module.function(["i32", "i32", "i32"], [], "run");
  const [block, begin, end] = [0, 1, 2].map((i) => f.parameter(i));
  first(f);
  f.loop((again) => {
    const address = (): typeof f => f.get(begin).i32(4).op("i32.mul").get(block).op("i32.add");
    address();
    address().memory("i32.load").i32(1).op("i32.add").memory("i32.store");
    f.get(begin).i32(1).op("i32.add").tee(begin).get(end).op("i32.lt_s").br_if(again);
  });
  return module.bytes();
}

const UNITS = 400;
const DATA = 65536;

/** A pool with a memory of its own, and a function that runs `bytes` in it while the calling thread does `own`. */
function ownPool() {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
  let top = 1024;
  const pool = new ThreadPool(memory, (bytes) => {
    top = (top + 63) & ~63;
    const address = top;
    top += bytes;
    assert.ok(top < DATA);
    return address;
  });
  pool.size = 2;
  const data = new Int32Array(memory.buffer, DATA, UNITS);
  const clock = new Int32Array(new SharedArrayBuffer(4));
  /** The calling thread's kernel: slow, so that the worker has its share. */
  const own = (_: number, begin: number, end: number): void => {
    Atomics.wait(clock, 0, 0, 2);
    for (let i = begin; i < end; i++) data[i]++;
  };
  return { pool, data, run: (bytes: Uint8Array, mine = own) => pool.run(bytes, mine, 0, DATA, 0, UNITS, 10) };
}

test("a kernel that fails in a worker is an error, and later work is done", () => {
  const { data, run } = ownPool();
  const good = kernel();
  // The first jobs: the worker is still starting.
  for (let i = 0; i < 20; i++) run(good);
  assert.deepEqual([...data], new Array(UNITS).fill(20));
  const bad = kernel((f) => f.i32(-8).memory("i32.load").drop());
  assert.throws(() => run(bad), { name: "RuntimeError", message: /a kernel failed in a worker thread.*not valid/ });
  data.fill(0);
  for (let i = 0; i < 5; i++) run(good);
  assert.deepEqual([...data], new Array(UNITS).fill(5));
});

test("a kernel that fails in the calling thread is its own error, and does not wait for anything", () => {
  const { data, run } = ownPool();
  const start = performance.now();
  const broken = (): never => {
    throw new TypeError("mine");
  };
  for (let i = 0; i < 3; i++) assert.throws(() => run(kernel(), broken), new TypeError("mine"));
  assert.ok(performance.now() - start < 10_000);
  data.fill(0);
  run(kernel());
  assert.deepEqual([...data], new Array(UNITS).fill(1));
});

test("a worker that never finishes is an error after half a minute", { skip: !long && "LONG_TESTS=1" }, () => {
  const { pool, data, run } = ownPool();
  for (let i = 0; i < 20; i++) run(kernel());
  const endless = kernel((f) => {
    f.loop((again) => f.i32(1).br_if(again));
  });
  assert.throws(() => run(endless), { name: "RuntimeError", message: /a worker thread has not finished its work/ });
  assert.equal(pool.size, 1);
  pool.size = 2;
  data.fill(0);
  for (let i = 0; i < 20; i++) run(kernel());
  assert.deepEqual([...data], new Array(UNITS).fill(20));
  assert.equal(pool.workers, 1);
});
