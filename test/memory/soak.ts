/**
 * Long trainings in plain synchronous loops, without a single await, and whether memory stays flat:
 *
 *   npm run test:long -- soak
 *   node test/memory/soak.ts [LeNet steps] [ResNet steps]
 *
 * By default 10,000 steps of LeNet and 500 of ResNet-18. The most memory in the last quarter may be a few per cent above that
 * in the second one; the first is warm-up. Exits with 1 where it is more, or where a loss is not finite.
 */
import * as torch from "../../src/index.ts";
import { memory_reserved } from "../../src/storage/memory.ts";
import * as vision from "../../src/vision/index.ts";
import { train, type Usage, usage } from "./network.ts";

/** Of memory, relative and in MiB; V8 collects when it likes to. */
const GROWTH = 1.05;
const SLACK = 16;

const [lenetSteps = 10_000, resnetSteps = 500] = process.argv.slice(2).map(Number);

function soak(title: string, steps: number, body: (afterStep: (step: number, loss: number) => void) => void): void {
  const quarters: Usage[][] = [[], [], [], []];
  let finite = true;
  const start = performance.now();
  body((step, loss) => {
    if (!Number.isFinite(loss)) finite = false;
    if (step % Math.ceil(steps / 400) === 0) quarters[Math.floor((4 * step) / steps)].push(usage(memory_reserved()));
  });
  console.log(`${title}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  for (const key of ["rss", "reserved", "heap", "external"] as const) {
    const peaks = quarters.map((seen) => Math.max(...seen.map((u) => u[key])));
    const grows = peaks[3] > GROWTH * peaks[1] + SLACK;
    console.log(`  ${key.padEnd(8)} peaks of the quarters: ${peaks.join(", ")} MiB${grows ? ": it grows" : ""}`);
    if (grows) process.exitCode = 1;
  }
  if (!finite) {
    console.log("  a loss is not finite");
    process.exitCode = 1;
  }
}

soak(`${lenetSteps} steps of LeNet at batch 16`, lenetSteps, (afterStep) => {
  train(lenetSteps, 16, afterStep);
});

soak(`${resnetSteps} steps of ResNet-18 at batch 2`, resnetSteps, (afterStep) => {
  torch.manual_seed(0);
  const net = vision.models.resnet18({ num_classes: 10 });
  const optimizer = new torch.optim.SGD(net.parameters(), { lr: 0.001, momentum: 0.9 });
  const criterion = new torch.nn.CrossEntropyLoss();
  for (let step = 0; step < resnetSteps; step++) {
    const images = torch.randn(2, 3, 32, 32);
    const targets = torch.randint(10, [2]);
    optimizer.zero_grad();
    const loss = criterion(net(images), targets) as torch.Tensor;
    loss.backward();
    optimizer.step();
    afterStep(step, loss.item() as number);
  }
});
