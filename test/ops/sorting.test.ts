/** Sorting of rows long enough for the radix sort, in every dtype, against JavaScript's own sort. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const N = 3000;
/** Many ties, both signs, extremes. */
function numbers(dtype: string): (number | bigint)[] {
  const list = Array.from({ length: N }, (_, i) => Math.round(1000 * Math.sin(i * i + 1)) / 8);
  if (dtype === "uint8") return list.map((x) => Math.abs(Math.trunc(x)));
  if (dtype === "int8") return list.map((x) => Math.trunc(x));
  if (dtype.startsWith("int")) {
    const scale = dtype === "int64" ? 2 ** 45 : dtype === "int32" ? 2 ** 23 : 2 ** 7;
    return list.map((x) => Math.trunc(x) * scale);
  }
  list[5] = Number.NaN;
  list[700] = Number.NaN;
  list[9] = Number.NEGATIVE_INFINITY;
  list[10] = Number.POSITIVE_INFINITY;
  list[11] = -0;
  list[12] = 0;
  return list;
}

/** NaN after everything; equal numbers compare as 0. */
function compare(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

const { uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64 } = torch;
for (const dtype of [uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64]) {
  test(`sort ${dtype.name}`, () => {
    const x = torch.tensor(numbers(dtype.name) as number[], { dtype });
    const list = x.tolist() as number[];
    for (const descending of [false, true]) {
      const order = list
        .map((_, i) => i)
        .sort((i, j) => (descending ? compare(list[j], list[i]) : compare(list[i], list[j])));
      const sorted = x.sort({ descending });
      assert.deepEqual(sorted.indices.tolist(), order);
      assert.deepEqual(
        sorted.values.tolist(),
        order.map((i) => list[i]),
      );
      const top = x.topk(7, { largest: descending });
      assert.deepEqual(
        top.values.tolist(),
        order.slice(0, 7).map((i) => list[i]),
      );
    }
    assert.deepEqual(x.kthvalue(100).values.item(), [...list].sort(compare)[99]);
    const { size } = new Set(list.filter((v) => !Number.isNaN(v)).map((v) => v + 0));
    const nans = list.filter((v) => Number.isNaN(v)).length;
    const [distinct, inverse, counts] = x.unique({ return_inverse: true, return_counts: true }) as torch.Tensor[];
    assert.equal(distinct.numel(), size + nans);
    assert.equal(counts.sum().item(), N);
    const found = distinct.tolist() as number[];
    (inverse.tolist() as number[]).forEach((k, i) => {
      assert.ok(compare(found[k], list[i]) === 0);
    });
  });
}

test("int64 beyond the safe integers", () => {
  const x = torch.tensor([9007199254740993n, 9007199254740992n, -9007199254740993n] as never, { dtype: torch.int64 });
  assert.deepEqual(x.sort().indices.tolist(), [2, 1, 0]);
  assert.deepEqual(x.cumsum(0).tolist(), [9007199254740993n, 18014398509481985n, 9007199254740992n]);
});

test("sorting along an inner dimension of a strided tensor", () => {
  const x = torch
    .tensor(Array.from({ length: 60 }, (_, i) => Math.sin(i)))
    .reshape([3, 4, 5])
    .transpose(0, 2);
  const { values, indices } = x.sort(1, true);
  assert.deepEqual([...values.shape], [5, 4, 3]);
  for (let i = 0; i < 5; i++) {
    for (let k = 0; k < 3; k++) {
      const line = x.select(0, i).select(1, k).tolist() as number[];
      const order = indices.select(0, i).select(1, k).tolist() as number[];
      const got = values.select(0, i).select(1, k).tolist() as number[];
      assert.deepEqual(
        got,
        [...line].sort((a, b) => b - a),
      );
      assert.deepEqual(
        got,
        order.map((p) => line[p]),
      );
    }
  }
});
