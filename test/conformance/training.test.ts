/** 200 steps of the notes' network follow the losses of the same run in PyTorch (tools/golden-training.py). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { TensorLike } from "./target.ts";
import { loadApi } from "./target.ts";

interface GoldenTraining {
  weights_sha256: string;
  first_images_sha256: string;
  labels_sha256: string;
  losses: number[];
}

interface Values extends TensorLike {
  view(...shape: number[]): Values;
  tolist(): number[];
  backward(): void;
  item(): number;
  at(index: number): Values;
  narrow(dim: number, start: number, length: number): Values;
  add_(value: number): Values;
}

type Layer = ((x: Values) => Values) & {
  state_dict(): Iterable<[string, Values]> | Record<string, Values>;
  parameters(): unknown;
};

const digest = (tensors: Iterable<TensorLike>): string => {
  const sha = createHash("sha256");
  for (const t of tensors) {
    const { buffer, byteOffset, byteLength } = t.contiguous().typed_array() as Float32Array;
    sha.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return sha.digest("hex");
};

test("200 training steps follow PyTorch's losses", async () => {
  const golden = JSON.parse(
    readFileSync(new URL("../golden/training.json", import.meta.url), "utf8"),
  ) as GoldenTraining;
  const { torch } = await loadApi();
  type New = new (...args: unknown[]) => unknown;
  const nn = torch.nn as Record<string, New> | undefined;
  assert.ok(nn, "torch.nn is missing");
  const layer = (name: string, ...args: unknown[]): Layer => new nn[name](...args) as Layer;
  (torch.manual_seed as (s: number) => void)(0);
  // The order of construction is that of the script, for it draws the weights.
  const net = layer(
    "Sequential",
    ...[layer("Conv2d", 1, 6, 5), layer("ReLU"), layer("MaxPool2d", 2, 2)],
    ...[layer("Conv2d", 6, 16, 5), layer("ReLU"), layer("MaxPool2d", 2, 2), layer("Flatten")],
    ...[layer("Linear", 400, 120), layer("ReLU"), layer("Linear", 120, 84), layer("ReLU"), layer("Linear", 84, 10)],
  );
  const state = net.state_dict();
  const weights =
    Symbol.iterator in state ? [...(state as Iterable<[string, Values]>)].map(([, t]) => t) : Object.values(state);
  assert.equal(digest(weights), golden.weights_sha256, "the initial weights are PyTorch's");
  const { SGD } = torch.optim as Record<string, New>;
  const optimizer = new SGD(net.parameters(), { lr: 0.01, momentum: 0.9 }) as { step(): void; zero_grad(): void };
  const criterion = new nn.CrossEntropyLoss() as (a: Values, b: Values) => Values;
  const randint = torch.randint as (low: number, high: number, size: number[]) => Values;
  const rand = torch.rand as (size: number[]) => Values;
  const allLabels: Values[] = [];
  const apart = golden.losses.map((expected, step) => {
    const labels = randint(0, 10, [16]);
    const images = rand([16, 1, 32, 32]);
    allLabels.push(labels);
    labels.tolist().forEach((label, i) => {
      images
        .at(i)
        .at(0)
        .narrow(0, 3 * label, 3)
        .add_(0.75);
    });
    if (step === 0) assert.equal(digest([images]), golden.first_images_sha256, "the first batch is PyTorch's");
    optimizer.zero_grad();
    const loss = criterion(net(images), labels);
    loss.backward();
    optimizer.step();
    const got = loss.item();
    if (step < 50)
      assert.ok(Math.abs(got - expected) <= 1e-4 * expected, `step ${step}: loss ${got}, expected ${expected}`);
    // A small loss of a float32 run wanders from its own float64 twin by a few percent; the curve must stay the same.
    assert.ok(Math.abs(got - expected) <= 0.15 * expected + 0.01, `step ${step}: loss ${got}, expected ${expected}`);
    return Math.abs(got - expected) / expected;
  });
  assert.equal(digest(allLabels), golden.labels_sha256, "the labels are PyTorch's");
  assert.equal(apart.length, 200);
});
