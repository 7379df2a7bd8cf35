/** Indexing, embeddings, in-place changes of metadata. Expected values were computed with PyTorch 2.14. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const slice = (start?: number | null, end?: number | null, step?: number | null) => new torch.Slice(start, end, step);

test("numbers, slices and null give views, tensors and masks copies", () => {
  const x = torch.arange(24).reshape(2, 3, 4);
  const view = x.index([1, slice(0, 2), "...", null]);
  assert.deepEqual(view.shape, [2, 4, 1]);
  view.fill_(-1);
  assert.equal(x.index([1, 1, 3]).item(), -1);
  const copy = x.index([slice(), torch.tensor([0, 2]), slice(1, 3)]);
  assert.deepEqual(copy.tolist(), [
    [
      [1, 2],
      [9, 10],
    ],
    [
      [-1, -1],
      [21, 22],
    ],
  ]);
  copy.fill_(7);
  assert.equal(x.index([0, 0, 1]).item(), 1);
});

test("index tensors with a slice between them come first in the result", () => {
  const x = torch.arange(24).reshape(2, 3, 4);
  const y = x.index([torch.tensor([0, 1]), slice(), torch.tensor([[0], [1]])]);
  assert.deepEqual(y.tolist(), [
    [
      [0, 4, 8],
      [12, 16, 20],
    ],
    [
      [1, 5, 9],
      [13, 17, 21],
    ],
  ]);
  assert.deepEqual(
    x.index([slice(), [0, -1], [1, 0]]).tolist(),
    [
      [1, 8],
      [13, 20],
    ],
    "neighbours stay in place; negative numbers count from the end",
  );
});

test("booleans and masks", () => {
  const x = torch.arange(6).reshape(2, 3);
  assert.deepEqual(x.index(true).shape, [1, 2, 3]);
  assert.deepEqual(x.index(false).shape, [0, 2, 3]);
  assert.deepEqual(x.index(x.gt(2)).tolist(), [3, 4, 5]);
  assert.deepEqual(x.index([slice(), torch.tensor([true, false, true])]).tolist(), [
    [0, 2],
    [3, 5],
  ]);
  assert.deepEqual(x.index([[]]).shape, [0, 3]);
});

test("errors of indexing", () => {
  const x = torch.zeros(2, 3);
  assert.throws(() => x.index(5), {
    name: "IndexError",
    message: "index 5 is out of bounds for dimension 0 with size 2",
  });
  assert.throws(() => x.index([0, 0, 0]), {
    name: "IndexError",
    message: "too many indices for tensor of dimension 2",
  });
  assert.throws(() => x.index([torch.tensor([0, -3])]), {
    name: "IndexError",
    message: "index -3 is out of bounds for dimension 0 with size 2",
  });
  assert.throws(() => x.index(slice(null, null, -1)), {
    name: "ValueError",
    message: "step must be greater than zero",
  });
  assert.throws(() => x.index([torch.tensor([0.5])]), { name: "IndexError" });
  assert.throws(() => x.index([slice(), torch.tensor([true, false])]), {
    name: "IndexError",
    message: "The shape of the mask [2] at index 0 does not match the shape of the indexed tensor [2, 3] at index 1",
  });
});

test("a failing write changes nothing", () => {
  const x = torch.zeros(2, 3);
  assert.throws(() => x.index_put_([torch.tensor([0, 5])], torch.ones(3)), { name: "IndexError" });
  assert.throws(() => x.scatter_(0, torch.tensor([[0, 7]]), 1), { name: "RuntimeError" });
  assert.throws(() => x.put_(torch.tensor([0, 6]), torch.ones(2)), { name: "IndexError" });
  assert.throws(() => x.index_copy_(0, torch.tensor([0, 2]), torch.ones(2, 3)), { name: "IndexError" });
  assert.deepEqual(x.flatten().tolist(), [0, 0, 0, 0, 0, 0]);
  assert.equal(x._version, 0);
});

test("index_put_ through views, and its gradient", () => {
  const x = torch.arange(12, { dtype: torch.float32 }).reshape(2, 2, 3).requires_grad_();
  const y = x.mul(1);
  y.index_put_([0], y.index(1));
  y.index_put_([slice(), torch.tensor([true, false])], 0);
  assert.deepEqual(y.flatten().tolist(), [0, 0, 0, 9, 10, 11, 0, 0, 0, 9, 10, 11]);
  y.sum().backward();
  assert.deepEqual(x.grad?.flatten().tolist(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2]);
  const counts = torch.zeros(3);
  counts.index_put_([torch.tensor([0, 2, 0, 0])], 1, { accumulate: true });
  assert.deepEqual(counts.tolist(), [3, 0, 1]);
});

test("embedding: padding, frequencies, norms", () => {
  const indices = torch.tensor([
    [0, 1, 1],
    [3, 1, 2],
  ]);
  const gradient = (padding_idx: number, scale_grad_by_freq: boolean): unknown => {
    const w = torch.arange(12, { dtype: torch.float32 }).reshape(4, 3).requires_grad_();
    const upstream = torch.arange(18, { dtype: torch.float32 }).reshape(2, 3, 3);
    torch.embedding(w, indices, { padding_idx, scale_grad_by_freq }).mul(upstream).sum().backward();
    return w.grad?.tolist();
  };
  const [first, third, last] = [
    [0, 1, 2],
    [15, 16, 17],
    [9, 10, 11],
  ];
  assert.deepEqual(gradient(-1, false), [first, [21, 24, 27], third, last]);
  assert.deepEqual(gradient(1, false), [first, [0, 0, 0], third, last]);
  assert.deepEqual(gradient(2, true), [first, [7, 8, 9], [0, 0, 0], last]);
  const w = torch.arange(12, { dtype: torch.float32 }).reshape(4, 3);
  torch.embedding_renorm_(w, torch.tensor([1, 2]), 5, 2);
  assert.deepEqual(
    (w.tolist() as number[][]).map((row) => row.map((v) => v.toFixed(4))),
    [
      ["0.0000", "1.0000", "2.0000"],
      ["2.1213", "2.8284", "3.5355"],
      ["2.4577", "2.8673", "3.2769"],
      ["9.0000", "10.0000", "11.0000"],
    ],
  );
  assert.throws(() => torch.embedding(w, torch.tensor([-1])), {
    name: "IndexError",
    message: "index out of range in self",
  });
});

test("changes of metadata in place keep history and count as changes", () => {
  const x = torch.ones(2, 3, { requires_grad: true });
  const y = x.mul(1);
  y.t_();
  assert.equal(y.grad_fn?.name(), "TBackward1");
  assert.deepEqual(
    [y.shape, y.stride()],
    [
      [3, 2],
      [1, 3],
    ],
  );
  y.mul_(3);
  y.sum().backward();
  assert.deepEqual(x.grad?.flatten().tolist(), [3, 3, 3, 3, 3, 3]);
  const z = x.detach().mul(2);
  z.unsqueeze_(0).squeeze_();
  assert.equal(z._version, 2);
  assert.throws(() => x.t_(), { name: "RuntimeError" });
  const base = x.mul(1);
  const row = base.select(0, 0);
  row.unsqueeze_(0);
  row.mul_(5);
  x.grad = null;
  base.sum().backward();
  assert.deepEqual((x.grad as unknown as torch.Tensor).flatten().tolist(), [5, 5, 5, 1, 1, 1]);
});

test("view(dtype) reads the same bits", () => {
  const x = torch.tensor([1, 2], { dtype: torch.float32 });
  assert.deepEqual(x.view(torch.int32).tolist(), [0x3f800000, 0x40000000]);
  assert.deepEqual(x.view(torch.uint8).shape, [8]);
  x.view(torch.int32).fill_(0);
  assert.deepEqual(x.tolist(), [0, 0]);
  assert.throws(() => torch.ones(3).view(torch.float64), {
    message: "self.size(-1) must be divisible by 2 to view Float as Double (different element sizes), but got 3",
  });
});

test("one bad index among many is found and named", () => {
  const x = torch.randn(50, 3);
  for (const bad of [50, -1, 2 ** 31, -(2 ** 40)]) {
    const index = torch.arange(1000).remainder(50);
    index.index_put_([torch.tensor([777])], torch.tensor([bad]));
    assert.throws(() => x.index_select(0, index), /index out of range in self/);
    assert.throws(() => x.index_add_(0, index, torch.ones(1000, 3)), /index/);
    const wide = index.unsqueeze(1).expand([1000, 3]);
    assert.throws(() => x.gather(0, wide), new RegExp(`index ${bad} is out of bounds for dimension 0 with size 50`));
    if (bad !== -1) assert.throws(() => x.index([index]), new RegExp(`index ${bad} is out of bounds`));
  }
  const fine = torch.arange(1000).remainder(100).sub(50);
  assert.ok(x.index([fine]).equal(x.index_select(0, fine.remainder(50))));
});

test("rows of many widths, gathered and added", () => {
  for (const width of [1, 3, 4, 17, 40]) {
    const x = torch.randn(20, width);
    const index = torch.randint(0, 20, [300]);
    const rows = x.index_select(0, index);
    const numbers = index.tolist() as number[];
    const list = x.tolist() as number[][];
    assert.deepEqual(
      rows.tolist(),
      numbers.map((i) => list[i]),
    );
    const sums = list.map((row) => row.map(() => 0));
    for (const i of numbers) sums[i] = sums[i].map((v, c) => Math.fround(v + list[i][c]));
    assert.deepEqual(torch.zeros(20, width).index_add_(0, index, rows).tolist(), sums);
  }
});
