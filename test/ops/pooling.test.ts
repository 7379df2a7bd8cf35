/** Pooling against its definition, for windows inside of the input and across its edges. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";

type Pair = [number, number];

interface Geometry {
  readonly size: Pair;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly ceil: boolean;
}

function* geometries(): Generator<Geometry> {
  for (const size of [
    [7, 9],
    [1, 1],
    [2, 3],
    [5, 33],
    [8, 4],
  ] as Pair[]) {
    for (const kernel of [
      [3, 3],
      [2, 2],
      [1, 3],
      [3, 1],
      [5, 4],
    ] as Pair[]) {
      for (const stride of [[1, 1], [2, 2], [3, 2], kernel] as Pair[]) {
        for (const reach of [0, 1]) {
          const padding = kernel.map((k) => Math.min(reach, k >> 1)) as Pair;
          if (size.some((s, d) => s + 2 * padding[d] < kernel[d])) continue;
          for (const ceil of [false, true]) yield { size, kernel, stride, padding, ceil };
        }
      }
    }
  }
}

/** For each window of a plane the rows and columns [from, to), those of the padding included. */
function windowsOf(
  { size, kernel, stride, padding }: Geometry,
  outputs: readonly number[],
): { from: Pair; to: Pair }[] {
  const windows: { from: Pair; to: Pair }[] = [];
  for (let i = 0; i < outputs[0]; i++) {
    for (let j = 0; j < outputs[1]; j++) {
      const from = [i, j].map((o, d) => o * stride[d] - padding[d]) as Pair;
      windows.push({ from, to: from.map((f, d) => Math.min(f + kernel[d], size[d] + padding[d])) as Pair });
    }
  }
  return windows;
}

/** Positions in the plane, in order, that exist. */
function elementsIn({ from, to }: { from: Pair; to: Pair }, [rows, columns]: Pair): number[] {
  const positions: number[] = [];
  for (let r = Math.max(from[0], 0); r < Math.min(to[0], rows); r++) {
    for (let c = Math.max(from[1], 0); c < Math.min(to[1], columns); c++) positions.push(r * columns + c);
  }
  return positions;
}

test("max pooling: values and positions, with ties, NaN and infinities", () => {
  torch.manual_seed(0);
  for (const g of geometries()) {
    const x = torch.randint(-3, 3, [2, ...g.size]).to(torch.float32);
    const data = x.flatten().tolist() as number[];
    data.forEach((_, i) => {
      if (i % 11 === 3) data[i] = Number.NaN;
      else if (i % 5 === 0) data[i] = Number.NEGATIVE_INFINITY;
    });
    const input = torch.tensor(data, { dtype: torch.float32 }).reshape([1, 2, ...g.size]);
    const [values, indices] = F.max_pool2d_with_indices(input, g.kernel, g.stride, g.padding, 1, g.ceil);
    const windows = windowsOf(g, values.shape.slice(2));
    const plane = g.size[0] * g.size[1];
    const expected = [0, 1].flatMap((p) =>
      windows.map((window) => {
        const positions = elementsIn(window, g.size);
        let [at] = positions;
        for (const q of positions) {
          const v = data[p * plane + q];
          if (v > data[p * plane + at] || Number.isNaN(v)) at = q;
        }
        return { value: data[p * plane + at], at };
      }),
    );
    const what = JSON.stringify(g);
    assert.deepEqual(
      values.flatten().tolist(),
      expected.map((e) => e.value),
      what,
    );
    assert.deepEqual(
      indices.flatten().tolist(),
      expected.map((e) => e.at),
      what,
    );
  }
});

test("average pooling and its gradient, with every way to divide", () => {
  torch.manual_seed(0);
  for (const g of geometries()) {
    const plane = g.size[0] * g.size[1];
    const x = torch.randn(1, 2, ...g.size).requires_grad_(true);
    const data = x.flatten().tolist() as number[];
    for (const { countPadding, divisor } of [
      { countPadding: true, divisor: null },
      { countPadding: false, divisor: null },
      { countPadding: true, divisor: 5 },
    ]) {
      const y = F.avg_pool2d(x, g.kernel, g.stride, g.padding, g.ceil, countPadding, divisor);
      const weights = torch.randn(...y.shape);
      x.grad = null;
      y.backward(weights);
      const given = weights.flatten().tolist() as number[];
      const windows = windowsOf(g, y.shape.slice(2));
      const values: number[] = [];
      const gradient = new Array<number>(data.length).fill(0);
      for (const p of [0, 1]) {
        for (const window of windows) {
          const positions = elementsIn(window, g.size).map((q) => p * plane + q);
          const padded = (window.to[0] - window.from[0]) * (window.to[1] - window.from[1]);
          const size = divisor ?? (countPadding ? padded : positions.length);
          for (const q of positions) gradient[q] += given[values.length] / size;
          values.push(positions.reduce((sum, q) => sum + data[q], 0) / size);
        }
      }
      const what = JSON.stringify({ ...g, countPadding, divisor });
      const near = (a: torch.Tensor | null, b: number[]): boolean =>
        torch.allclose(a?.flatten() as torch.Tensor, torch.tensor(b, { dtype: torch.float32 }), 1e-5, 1e-5);
      assert.ok(near(y.detach(), values), what);
      assert.ok(near(x.grad, gradient), `gradient: ${what}`);
    }
  }
});

test("adaptive averages and their gradients: even, uneven and growing shares", () => {
  for (const [h, w, oh, ow] of [
    [8, 12, 4, 3],
    [13, 13, 6, 6],
    [7, 7, 7, 7],
    [3, 5, 7, 5],
    [5, 6, 10, 4],
    [6, 1, 2, 3],
  ]) {
    const x = torch.randn(2, 3, h, w, { dtype: torch.float64 }).requires_grad_();
    const y = F.adaptive_avg_pool2d(x, [oh, ow]);
    for (let i = 0; i < oh; i++) {
      for (let j = 0; j < ow; j++) {
        const [top, left] = [Math.floor((i * h) / oh), Math.floor((j * w) / ow)];
        const [bottom, right] = [Math.ceil(((i + 1) * h) / oh), Math.ceil(((j + 1) * w) / ow)];
        const mean = x.index(["...", new torch.Slice(top, bottom), new torch.Slice(left, right)]).mean([2, 3]);
        assert.ok(torch.allclose(y.index(["...", i, j]), mean));
      }
    }
    assert.ok(torch.autograd.gradcheck((t: torch.Tensor) => F.adaptive_avg_pool2d(t, [oh, ow]), [x]));
  }
});
