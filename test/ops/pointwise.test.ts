/** Pointwise ops where sampled data says little: integer division, ties, promotion, errors, double backward. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as F from "../../src/ops/activations.ts";
import type { Tensor } from "../../src/tensor.ts";

const leaf = (values: number[]): Tensor => torch.tensor(values, { dtype: torch.float64, requires_grad: true });
const gradients = (y: Tensor, inputs: Tensor[]): unknown[] =>
  torch.autograd.grad(y.sum(), inputs).map((g) => (g as Tensor).tolist());

test("integer division rounds as asked and refuses zero without writing", () => {
  const a = torch.tensor([-7, 7, -8]);
  assert.deepEqual(a.div(2, { rounding_mode: "floor" }).tolist(), [-4, 3, -4]);
  assert.deepEqual(a.div(2, { rounding_mode: "trunc" }).tolist(), [-3, 3, -4]);
  assert.deepEqual(a.remainder(3).tolist(), [2, 1, 1]);
  assert.deepEqual(a.fmod(3).tolist(), [-1, 1, -2]);
  assert.throws(() => a.remainder_(torch.tensor([1, 0, 2])), { name: "RuntimeError", message: "ZeroDivisionError" });
  assert.deepEqual(a.tolist(), [-7, 7, -8]);
});

test("numbers promote by category only, and narrow integers wrap", () => {
  const bytes = torch.tensor([255, 1], { dtype: torch.uint8 });
  assert.equal(bytes.add(1).dtype, torch.uint8);
  assert.deepEqual(bytes.add(1).tolist(), [0, 2]);
  assert.deepEqual(bytes.eq(-1).tolist(), [true, false]);
  assert.equal(bytes.mul(1.5).dtype, torch.float32);
  assert.throws(() => bytes.mul_(1.5), /result type Float can't be cast to the desired output type Byte/);
});

test("add with alpha, in place and out", () => {
  const x = torch.tensor([1.5, 2.5]);
  const y = torch.tensor([2.5, 4.5]);
  assert.deepEqual(x.add(y, { alpha: 2 }).tolist(), [6.5, 11.5]);
  const out = torch.empty(0);
  assert.equal(torch.sub(x, y, { alpha: 3, out }), out);
  assert.deepEqual(out.tolist(), [-6, -11]);
  assert.deepEqual(x.add_(y).add_(1).tolist(), [5, 8]);
  assert.throws(() => torch.tensor([1]).add(torch.tensor([1]), { alpha: 0.5 }), /alpha must not be a floating point/);
});

test("powers: edge cases of values and gradients", () => {
  assert.deepEqual(
    torch
      .tensor([2, -3])
      .pow(torch.tensor([62, 3]))
      .tolist(),
    [2n ** 62n, -27],
  );
  assert.throws(() => torch.tensor([2]).pow(-1), /Integers to negative integer powers are not allowed/);
  const base = leaf([0, 0, 2]);
  const exponent = leaf([0, 1, 3]);
  assert.deepEqual(gradients(base.pow(exponent), [base, exponent]), [
    [0, 1, 12],
    [0, 0, 8 * Math.LN2],
  ]);
});

test("shares of the gradient at ties", () => {
  const a = leaf([1, 0, 2]);
  const b = leaf([1, 1, 1]);
  assert.deepEqual(gradients(torch.maximum(a, b), [a, b]), [
    [0.5, 0, 1],
    [0.5, 1, 0],
  ]);
  assert.deepEqual(gradients(a.clamp(0, 1), [a]), [[0, 0, 0]]);
  assert.deepEqual(gradients(a.clamp_min(b), [a, b]), [
    [0.5, 0, 1],
    [0.5, 1, 0],
  ]);
});

test("where, masks and fill", () => {
  const x = torch.tensor([1.5, -2.5, 3.5]);
  const positive = x.gt(0);
  assert.deepEqual(x.where(positive, 0).tolist(), [1.5, 0, 3.5]);
  assert.equal(torch.where(positive, 1, 2).dtype, torch.int64);
  assert.deepEqual(x.masked_fill(positive, -1).tolist(), [-1, -2.5, -1]);
  assert.throws(
    () => torch.tensor([1, 2, 3]).fill_(Number.NaN),
    /cannot be converted to type int64_t without overflow/,
  );
  const z = leaf([1, 2]);
  const w = z.mul(2);
  w.fill_(3);
  assert.deepEqual(gradients(w.add(z), [z]), [[1, 1]]);
});

test("second derivatives agree with differences of first ones", () => {
  const functions: Record<string, (x: Tensor) => Tensor> = {
    tanh: (x) => x.tanh(),
    sigmoid: (x) => x.sigmoid(),
    atan: (x) => x.atan(),
    rsqrt: (x) => x.add(2).rsqrt(),
    digamma: (x) => x.add(2).digamma(),
    i0: (x) => x.i0(),
    logit: (x) => x.mul(0.1).add(0.5).logit(),
    atan2: (x) => torch.atan2(x, x.add(3)),
    hypot: (x) => torch.hypot(x, x.add(3)),
    logaddexp: (x) => torch.logaddexp(x, x.mul(2)),
    division: (x) => x.div(x.add(3)),
    selu: (x) => torch.selu(x),
    elu: (x) => F.elu(x, 0.7),
    celu: (x) => F.celu(x, 0.7),
    gelu: (x) => F.gelu(x),
    "gelu, tanh": (x) => F.gelu(x, "tanh"),
    silu: (x) => F.silu(x),
    mish: (x) => F.mish(x),
    softplus: (x) => F.softplus(x, 2, 2),
    logsigmoid: (x) => F.logsigmoid(x),
    hardswish: (x) => F.hardswish(x),
    glu: (x) => F.glu(torch.cat([x, x.mul(2)])),
    prelu: (x) => F.prelu(x, x.sum().mul(0.2).reshape(1)),
  };
  const points = [0.3, -0.7, 1.1];
  for (const [name, f] of Object.entries(functions)) {
    const first = (values: number[]): number[] => {
      const x = leaf(values);
      return gradients(f(x), [x])[0] as number[];
    };
    const x = leaf(points);
    const [g] = torch.autograd.grad(f(x).sum(), [x], { create_graph: true });
    const second = gradients(g as Tensor, [x])[0] as number[];
    const h = 1e-5;
    const up = first(points.map((v) => v + h));
    const down = first(points.map((v) => v - h));
    second.forEach((value, i) => {
      const wanted = (up[i] - down[i]) / (2 * h);
      assert.ok(
        Math.abs(value - wanted) < 1e-6 * (1 + Math.abs(wanted)),
        `${name} at ${points[i]}: ${value}, ${wanted}`,
      );
    });
  }
});

test("the zeta function behind polygamma, left of zero too", () => {
  const x = torch.tensor([0.25, -0.25, -7.5, 30.5], { dtype: torch.float64 });
  const n2 = torch.polygamma(2, x).tolist() as number[];
  const h = 1e-4;
  const up = torch.polygamma(1, x.add(h)).tolist() as number[];
  const down = torch.polygamma(1, x.sub(h)).tolist() as number[];
  n2.forEach((value, i) => {
    const wanted = (up[i] - down[i]) / (2 * h);
    assert.ok(Math.abs(value - wanted) < 1e-4 * Math.abs(wanted), `${value} and ${wanted}`);
  });
});
