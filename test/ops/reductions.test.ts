/** What golden samples do not reach: second derivatives, large inputs, results with names, running statistics, errors that change nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "../../src/index.ts";
import * as torch from "../../src/index.ts";

const { grad, gradcheck, gradgradcheck } = torch.autograd as unknown as {
  grad: (outputs: Tensor[], inputs: Tensor[], options?: object) => (Tensor | null)[];
  gradcheck: (fn: (...x: Tensor[]) => Tensor | Tensor[], inputs: Tensor[], options?: object) => boolean;
  gradgradcheck?: (fn: (...x: Tensor[]) => Tensor | Tensor[], inputs: Tensor[], options?: object) => boolean;
};

/** Values without ties, some negative, the same each time. */
function values(shape: number[], seed = 1): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const list = Array.from({ length: n }, (_, i) => Math.sin(12.9898 * (i + 1) * seed) * 1.7 + 0.05 * i);
  return torch.tensor(list, { dtype: torch.float64 }).reshape(shape).detach().requires_grad_();
}

/** First derivatives against differences; second ones as derivatives of a gradient made with create_graph. */
function check(fn: (...x: Tensor[]) => Tensor, inputs: Tensor[]): void {
  assert.ok(gradcheck(fn, inputs));
  if (gradgradcheck) {
    assert.ok(gradgradcheck(fn, inputs));
    return;
  }
  const first = (...x: Tensor[]): Tensor => {
    const y = fn(...x);
    const weights = torch
      .tensor(
        Array.from({ length: y.numel() }, (_, i) => 0.5 + Math.cos(i)),
        { dtype: torch.float64 },
      )
      .reshape([...y.shape]);
    const gs = grad([y], x, { grad_outputs: [weights], create_graph: true, allow_unused: true });
    return gs.reduce<Tensor>((sum, g) => (g === null ? sum : sum.add(g.mul(g).sum())), y.sum().mul(0));
  };
  assert.ok(gradcheck(first, inputs));
}

const smooth: [string, (x: Tensor) => Tensor][] = [
  ["sum", (x) => x.sum(1)],
  ["mean", (x) => x.mean([0, 1])],
  ["prod", (x) => x.prod()],
  ["prod(dim)", (x) => x.prod(1)],
  ["logsumexp", (x) => x.logsumexp(1)],
  ["var", (x) => x.var(1)],
  ["std", (x) => x.std()],
  ["var_mean", (x) => torch.add(torch.var_mean(x, 1)[0], torch.var_mean(x, 1)[1])],
  ["norm", (x) => x.norm(3, 1)],
  ["norm 1.5", (x) => x.norm(1.5)],
  ["norm inf", (x) => x.norm(Number.POSITIVE_INFINITY, 1)],
  ["softmax", (x) => x.softmax(1)],
  ["log_softmax", (x) => x.log_softmax(0)],
  ["cumsum", (x) => x.cumsum(1)],
  ["cumprod", (x) => x.cumprod(1)],
  ["logcumsumexp", (x) => x.logcumsumexp(1)],
  ["max", (x) => x.max()],
  ["amax", (x) => x.amax(1)],
];
for (const [name, fn] of smooth) test(`derivatives of ${name}`, () => check(fn, [values([3, 4])]));

test("derivatives of products with zeros", () => {
  for (const zeros of [[1], [1, 6], [0, 1, 2]]) {
    const list = values([2, 4]).detach().tolist() as number[][];
    for (const z of zeros) list[Math.floor(z / 4)][z % 4] = 0;
    const x = torch.tensor(list, { dtype: torch.float64 }).requires_grad_();
    check((t) => t.cumprod(1), [x]);
    check((t) => t.prod(1), [x]);
    if (zeros.length === 1) check((t) => t.prod(), [x]);
  }
});

test("derivatives of layer, batch and group norm", () => {
  const x = values([3, 4, 2]);
  check((t, w, b) => torch.layer_norm(t, [4, 2], w, b), [x, values([4, 2], 2), values([4, 2], 3)]);
  check((t) => torch.layer_norm(t, [2], null, null, 0.1), [x]);
  const [w, b] = [values([4], 2), values([4], 3)];
  check((t, u, v) => torch.batch_norm(t, u, v, null, null, true, 0.1, 1e-3), [x, w, b]);
  const [rm, rv] = [values([4], 5).detach(), values([4], 6).detach().mul(0).add(2)];
  check((t, u, v) => torch.batch_norm(t, u, v, rm, rv, false, 0.1, 1e-3), [x, w, b]);
  check((t, u, v) => torch.group_norm(t, 2, u, v, 1e-3), [x, w, b]);
  check((t, u) => torch.rms_norm(t, [2], u, 1e-3), [x, values([2], 2)]);
});

test("batch norm moves its running statistics", () => {
  const x = torch.tensor(
    [
      [1, 2],
      [3, 6],
      [8, 4],
    ],
    { dtype: torch.float64 },
  );
  const mean = torch.zeros([2], { dtype: torch.float64 });
  const variance = torch.ones([2], { dtype: torch.float64 });
  torch.batch_norm(x, null, null, mean, variance, true, 0.5, 1e-5);
  assert.deepEqual(mean.tolist(), [2, 2]);
  assert.deepEqual(variance.tolist(), [7, 2.5]);
  assert.equal(mean._version, 1);
  assert.throws(() => torch.batch_norm(x, null, null, mean, null, true, 0.5, 1e-5), { name: "ValueError" });
  assert.throws(() => torch.batch_norm(x, torch.ones([3]), null, mean, variance, true, 0.5, 1e-5), {
    message: "weight should contain 2 elements not 3",
  });
  assert.deepEqual(mean.tolist(), [2, 2]);
});

test("results have names and are arrays", () => {
  const x = torch.tensor([
    [1, 5, 3],
    [4, 0, 9],
  ]);
  const r = x.max(1);
  const [largest, where] = r;
  assert.ok(Array.isArray(r));
  assert.equal(r.values, largest);
  assert.equal(r.indices, where);
  assert.deepEqual(where.tolist(), [1, 2]);
  assert.deepEqual(torch.aminmax(x).min.tolist(), 0);
});

test("names of nodes", () => {
  const x = values([2, 3]);
  const name = (t: Tensor): string | undefined => t.grad_fn?.name();
  assert.equal(name(x.sum()), "SumBackward0");
  assert.equal(name(x.sum(1)), "SumBackward1");
  assert.equal(name(x.max()), "MaxBackward1");
  assert.equal(name(x.max(1).values), "MaxBackward0");
  assert.equal(name(torch.layer_norm(x, [3])), "NativeLayerNormBackward0");
  assert.equal(name(torch.batch_norm(x, null, null, null, null, true, 0.1, 1e-5)), "NativeBatchNormBackward0");
  assert.equal(x.max(1).indices.requires_grad, false);
});
