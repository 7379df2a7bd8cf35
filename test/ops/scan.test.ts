/** Running sums, products and extreme values against loops, on shapes that take every path: rows, columns, their rests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const shapes = [[1], [7], [1001], [3, 37], [5, 19, 33], [4, 64], [130, 16], [3, 1, 5], [2, 40, 16]];
const dtypes = [torch.float32, torch.float64, torch.int64, torch.int32];

/** The lines along `dim`, each as an array. */
function lines(x: torch.Tensor, dim: number): number[][] {
  const list = x.movedim(dim, -1).reshape([-1, x.shape[dim]]).tolist();
  return (list as (number | bigint)[][]).map((line) => line.map(Number));
}

function scanned(line: readonly number[], step: (a: number, v: number) => number): number[] {
  let a = 0;
  return line.map((v, i) => (a = i === 0 ? v : step(a, v)));
}

for (const dtype of dtypes) {
  test(`scans of ${dtype.name}`, () => {
    torch.manual_seed(3);
    for (const shape of shapes) {
      const x = dtype.is_floating_point ? torch.randn(shape, { dtype }) : torch.randint(-3, 4, shape, { dtype });
      for (let dim = 0; dim < shape.length; dim++) {
        const rounded = (v: number): number => (dtype === torch.float32 ? Math.fround(v) : v);
        const compare = (name: string, actual: torch.Tensor, step: (a: number, v: number) => number): void => {
          const inputs = lines(x, dim);
          lines(actual, dim).forEach((line, i) => {
            const expected = scanned(inputs[i], step);
            line.forEach((v, k) => {
              const e = rounded(expected[k]);
              // Integers wrap where float64 does not.
              if (!dtype.is_floating_point && Math.abs(expected[k]) > 2 ** 30) return;
              assert.ok(Math.abs(v - e) <= 1e-6 * Math.max(1, Math.abs(e)), `${name} ${shape} ${dim}: ${v}, ${e}`);
            });
          });
        };
        compare("cumsum", x.cumsum(dim, { dtype }), (a, v) => a + v);
        compare("cumprod", x.cumprod(dim, { dtype }), (a, v) => a * v);
        const [most, where] = torch.cummax(x, dim);
        compare("cummax", most, Math.max);
        compare("cummin", torch.cummin(x, dim)[0], Math.min);
        if (x.numel() > 0) assert.ok(x.gather(dim, where).equal(most));
      }
    }
  });
}

test("the gradient of a running sum is one from the end", () => {
  for (const shape of shapes) {
    for (const dtype of [torch.float32, torch.float64]) {
      for (let dim = 0; dim < shape.length; dim++) {
        const x = torch.randn(shape, { dtype }).requires_grad_();
        const g = torch.randn(shape, { dtype });
        const [dx] = torch.autograd.grad(x.cumsum(dim), [x], g);
        assert.ok(torch.allclose(dx, g.flip(dim).cumsum(dim).flip(dim), { rtol: 1e-5, atol: 1e-5 }));
      }
    }
  }
});

test("NaN, infinities and equal extremes", () => {
  const values = [1, Number.NaN, 5, Number.POSITIVE_INFINITY, 2];
  for (const width of [1, 16, 19]) {
    const x = torch.tensor(values).unsqueeze(1).expand([5, width]).contiguous();
    const [most, where] = torch.cummax(x, 0);
    assert.deepEqual(lines(most, 0)[width - 1], [1, NaN, NaN, NaN, NaN]);
    assert.deepEqual(lines(where, 0)[width - 1], [0, 1, 1, 1, 1]);
    assert.deepEqual(
      lines(torch.cummax(torch.tensor([2, 2, 1, 2]).float().unsqueeze(1).expand([4, width]), 0)[1], 0)[0],
      [0, 1, 1, 3],
    );
  }
  const infinite = torch.tensor([1, Number.POSITIVE_INFINITY, 1, Number.NEGATIVE_INFINITY, 1, 1]).cumsum(0);
  assert.deepEqual(infinite.tolist(), [1, Infinity, Infinity, NaN, NaN, NaN]);
});

test("scans of nothing", () => {
  assert.deepEqual(torch.zeros(0, 3).cumsum(0).shape, [0, 3]);
  assert.deepEqual(torch.zeros(3, 0).cumsum(0).shape, [3, 0]);
  assert.equal(torch.tensor(2.5).cumsum(0).item(), 2.5);
});
