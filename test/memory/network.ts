/** The notes' network, and a plain synchronous loop that trains it: nothing is awaited, so no finalizer ever runs. */
import * as torch from "../../src/index.ts";
import * as nn from "../../src/nn/index.ts";
import { SGD } from "../../src/optim/index.ts";

type Tensor = torch.Tensor;

export function makeNetwork(): nn.Sequential {
  return new nn.Sequential(
    ...[new nn.Conv2d(1, 6, 5), new nn.ReLU(), new nn.MaxPool2d(2, 2)],
    ...[new nn.Conv2d(6, 16, 5), new nn.ReLU(), new nn.MaxPool2d(2, 2), new nn.Flatten()],
    ...[new nn.Linear(400, 120), new nn.ReLU(), new nn.Linear(120, 84), new nn.ReLU(), new nn.Linear(84, 10)],
  );
}

export interface Training {
  losses: number[];
  weights: Tensor[];
}

/** Trains on batches of random images of 32 × 32 whose class is the brightest of ten columns. */
export function train(steps: number, batch: number, afterStep?: (step: number, loss: number) => void): Training {
  torch.manual_seed(0);
  const net = makeNetwork();
  const optimizer = new SGD(net.parameters(), { lr: 0.01, momentum: 0.9 });
  const criterion = new nn.CrossEntropyLoss();
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const images = torch.randn(batch, 1, 32, 32);
    const labels = images.select(1, 0).slice(2, 0, 10).mean(1).argmax(1);
    optimizer.zero_grad();
    const loss = criterion(net(images), labels) as Tensor;
    loss.backward();
    optimizer.step();
    const value = loss.item() as number;
    losses.push(value);
    afterStep?.(step, value);
  }
  return { losses, weights: [...net.parameters()] };
}

export interface Usage {
  /** Resident memory of the process, the engine's WebAssembly memory, and JavaScript's heap, in MiB. */
  readonly rss: number;
  readonly reserved: number;
  readonly heap: number;
  readonly external: number;
}

export function usage(reserved: number): Usage {
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const mebi = (bytes: number): number => Math.round(bytes / 2 ** 20);
  return { rss: mebi(rss), reserved: mebi(reserved), heap: mebi(heapUsed), external: mebi(arrayBuffers) };
}
