/** The checkpoints that PyTorch wrote (tools/golden-checkpoints.py), and the training that made some of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as torch from "../../src/index.ts";

export const folder: string = join(import.meta.dirname, "..", "golden", "checkpoints");

export function goldenPath(name: string): string {
  return join(folder, name);
}

export function goldenBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(goldenPath(name)));
}

interface Index {
  readonly files: Record<string, { value: unknown; storages: string[]; losses?: number[] }>;
  readonly refused: Record<string, { error: string; words: string[] }>;
}

export const index: Index = JSON.parse(gunzipSync(goldenBytes("index.json.gz")).toString()) as Index;

/** The network of the script. */
export function network(): torch.nn.Sequential {
  torch.manual_seed(0);
  return new torch.nn.Sequential(
    new torch.nn.Conv2d(1, 2, 3, { padding: 1 }),
    new torch.nn.BatchNorm2d(2),
    new torch.nn.ReLU(),
    new torch.nn.Flatten(),
    new torch.nn.Linear(32, 4),
  );
}

/** The pictures and labels of a step, as in the script. */
export function inputs(step: number, n = 8): [images: torch.Tensor, labels: torch.Tensor] {
  const images = Array.from({ length: n * 16 }, (_, i) => ((i * 37 + step * 101) % 64) / 32 - 1);
  const labels = Array.from({ length: n }, (_, i) => (i * 7 + step * 3) % 4);
  return [torch.tensor(images, { dtype: torch.float32 }).view(n, 1, 4, 4), torch.tensor(labels)];
}

/** Trains from step `start` to before `end`; returns the losses. */
export function train(
  model: torch.nn.Sequential,
  optimizer: { step(): void; zero_grad(): void },
  start: number,
  end: number,
  scheduler?: { step(): void },
): number[] {
  const losses: number[] = [];
  for (let step = start; step < end; step++) {
    const [images, labels] = inputs(step);
    optimizer.zero_grad();
    const loss = torch.nn.functional.cross_entropy(model(images.add(labels.view(-1, 1, 1, 1).mul(0.5))), labels);
    loss.backward();
    optimizer.step();
    scheduler?.step();
    losses.push(loss.item() as number);
  }
  return losses;
}
