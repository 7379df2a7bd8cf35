/** Few long rows, and narrow matrices reduced over their rows: kernels that are divided into parts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

/** Shapes and a dimension whose reduction is divided: with and without a rest, narrow ones, several inner loops, columns of a large matrix. */
const CASES: readonly (readonly [readonly number[], number])[] = [
  [[600_011], 0],
  [[2 ** 20], 0],
  [[4, 150_001], 1],
  [[3, 70_001, 3], 1],
  [[40_003, 3], 0],
  [[20_001, 8], 0],
  [[2, 30_000, 10], 1],
  [[1_031, 2_080], 0],
];

/** The elements along `dim`, for each index of the other dimensions. */
function rowsOf(x: torch.Tensor, dim: number): Float64Array[] {
  const n = x.shape[dim];
  const values = x.movedim(dim, -1).contiguous().double().typed_array() as Float64Array;
  return Array.from({ length: values.length / n }, (_, i) => values.subarray(i * n, (i + 1) * n));
}

function near(actual: torch.Tensor, expected: readonly number[], tolerance: number, what: string): void {
  const values = actual.double().reshape([-1]).tolist() as number[];
  assert.equal(values.length, expected.length, what);
  const scale = Math.max(...expected.map(Math.abs));
  values.forEach((v, i) => {
    assert.ok(Math.abs(v - expected[i]) <= tolerance * scale, `${what}: ${v}, not ${expected[i]}`);
  });
}

const total = (row: Float64Array): number => row.reduce((a, b) => a + b, 0);
const squares = (row: Float64Array): number => {
  const mean = total(row) / row.length;
  return row.reduce((a, b) => a + (b - mean) ** 2, 0) / (row.length - 1);
};

for (const [shape, dim] of CASES) {
  test(`reductions of ${shape.join(" × ")} over dimension ${dim}`, () => {
    torch.manual_seed(1);
    const x = torch.randn([...shape]).add(0.5);
    const rows = rowsOf(x, dim);
    near(x.sum(dim), rows.map(total), 1e-6, "sum");
    near(
      x.mean(dim),
      rows.map((r) => total(r) / r.length),
      1e-6,
      "mean",
    );
    near(x.var(dim), rows.map(squares), 1e-5, "var");
    near(
      x.norm(2, dim),
      rows.map((r) => Math.sqrt(r.reduce((a, b) => a + b * b, 0))),
      1e-6,
      "norm",
    );
    const lse = rows.map((r) => Math.log(r.reduce((a, b) => a + Math.exp(b), 0)));
    near(x.logsumexp(dim), lse, 1e-6, "logsumexp");
    const largest = rows.map((r) => r.reduce((a, b) => Math.max(a, b)));
    const places = rows.map((r, i) => r.indexOf(largest[i]));
    const [value, index] = x.max(dim);
    near(value, largest, 0, "max");
    near(index, places, 0, "index of max");
    near(x.argmax(dim), places, 0, "argmax");
    near(x.amax(dim), largest, 0, "amax");
    near(
      x.gt(1).sum(dim),
      rows.map((r) => r.filter((v) => v > 1).length),
      0,
      "count",
    );
    near(x.gt(100).any(dim), new Array<number>(rows.length).fill(0), 0, "any");
    near(x.gt(-100).all(dim), new Array<number>(rows.length).fill(1), 0, "all");
    // A softmax stores elements between its reductions, and after them.
    const soft = rowsOf(x.softmax(dim), dim);
    const logs = rowsOf(x.log_softmax(dim), dim);
    rows.forEach((r, i) => {
      for (let j = 0; j < r.length; j += 97) {
        assert.ok(Math.abs(soft[i][j] / Math.exp(r[j] - lse[i]) - 1) < 1e-5, "softmax");
        assert.ok(Math.abs(logs[i][j] - (r[j] - lse[i])) < 1e-5, "log_softmax");
      }
    });
  });
}

test("positions in divided rows: the first of equal values, and NaN before all", () => {
  const x = torch.zeros(700_000);
  assert.equal(x.argmax().item(), 0);
  for (const i of [650_000, 500_001, 600_000]) x.select(0, i).fill_(1);
  assert.equal(x.argmax().item(), 500_001);
  for (const i of [699_999, 650_001]) x.select(0, i).fill_(Number.NaN);
  assert.equal(x.argmax().item(), 650_001);
  assert.equal(x.argmin().item(), 650_001);
  assert.ok(Number.isNaN(x.max().item()));
  assert.ok(Number.isNaN(x.sum().item()));
});

test("positions in a transposed tensor are those of its own order", () => {
  torch.manual_seed(2);
  const x = torch.randn(900, 700).t();
  const values = x.contiguous().typed_array() as Float32Array;
  const largest = values.reduce((a, b) => Math.max(a, b));
  assert.equal(x.argmax().item(), values.indexOf(largest));
});

test("a divided layer norm and its gradients", () => {
  torch.manual_seed(3);
  const n = 300_000;
  const x = torch.randn([2, n]).requires_grad_();
  const w = torch.randn([n]).requires_grad_();
  const weights = torch.randn(2, n);
  const y = torch.nn.functional.layer_norm(x, [n], w);
  y.mul(weights).sum().backward();
  const xd = x.detach().double().requires_grad_();
  const wd = w.detach().double().requires_grad_();
  const deviation = xd.sub(xd.mean(1, true));
  const yd = deviation.div(deviation.square().mean(1, true).add(1e-5).sqrt()).mul(wd);
  yd.mul(weights).sum().backward();
  for (const [a, b] of [
    [y, yd],
    [x.grad, xd.grad],
    [w.grad, wd.grad],
  ]) {
    assert.ok(torch.allclose((a as torch.Tensor).detach().double(), (b as torch.Tensor).detach(), 1e-5, 1e-5));
  }
});
