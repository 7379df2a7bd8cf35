/**
 * First and second derivatives of every op against finite differences, in float64, at points of the samples in test/golden/ops;
 * in-place forms too. `KINDLING_GRADCHECK=all` takes all samples, `KINDLING_GRADCHECK=12` at most twelve of an op;
 * `KINDLING_GRADCHECK_MORE=forward,batched` checks forward mode and gradients under vmap, too.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";
import type { Tensor } from "../../src/tensor.ts";
import { callText } from "./format.ts";
import { goldenOps, loadOp } from "./golden.ts";
import { type GradientException, gradientExceptions } from "./gradient-exceptions.ts";
import { checkDerivatives, checkGradients, gradientSamples } from "./gradients.ts";
import { hasTarget, loadApi } from "./target.ts";

const wanted = process.env.KINDLING_GRADCHECK ?? (process.env.LONG_TESTS === "1" ? "all" : undefined);
const all = wanted === "all";
const MOST = all ? Number.POSITIVE_INFINITY : Number(wanted ?? 10);
const SHOWN = 3;
const asked = process.env.KINDLING_GRADCHECK_MORE ?? "";
const more = { check_forward_ad: asked.includes("forward"), check_batched_grad: asked.includes("batched") };

const api = await loadApi();
const met = new Set<GradientException>();
let checks = 0;

for (const name of goldenOps()) {
  const golden = loadOp(name);
  if (!golden.samples.some((s) => s.grads && hasTarget(api, s.fn))) continue;
  test(`gradients of ${name}`, async (t) => {
    // One macrotask an op lets finalizers run.
    await new Promise((resolve) => setImmediate(resolve));
    const samples = gradientSamples(api, golden, MOST);
    // What turns into another type than float64 has no sample.
    if (samples.length === 0) return t.skip("no sample in float64");
    const report = checkGradients(api, golden, samples, all ? 1000 : 4, more);
    checks += report.checks;
    for (const exception of report.met) met.add(exception);
    if (report.failures.length === 0) return;
    const lines = report.failures
      .slice(0, SHOWN)
      .map((f) => `  ${f.form}, order ${f.order} · ${f.sample.id} · ${callText(f.sample)}\n${f.message}`);
    assert.fail(`${report.failures.length} of ${report.checks} checks of ${name} fail\n${lines.join("\n")}`);
  });
}

/** Ops without golden data, and forms that have none. */
const others: Record<string, [fn: (...x: Tensor[]) => unknown, ...shapes: number[][]]> = {
  alpha_dropout: [(x) => F.alpha_dropout(x, { p: 0.4, training: true }), [2, 3]],
  feature_alpha_dropout: [(x) => F.feature_alpha_dropout(x, { p: 0.4, training: true }), [2, 3, 2]],
  feature_dropout: [(x) => torch.feature_dropout(x, 0.4, true), [2, 3, 2]],
  feature_dropout_: [(x) => torch.feature_dropout_(x.clone(), 0.4, true), [2, 3, 2]],
  native_dropout: [(x) => torch.native_dropout(x, 0.4, true)[0], [2, 3]],
  dropout1d: [(x) => F.dropout1d(x, { p: 0.4, training: true }), [2, 3, 2]],
  dropout3d: [(x) => F.dropout3d(x, { p: 0.4, training: true }), [1, 3, 1, 2, 2]],
  rrelu: [(x) => F.rrelu(x), [2, 4]],
  "rrelu in training": [(x) => F.rrelu(x, { training: true }), [2, 4]],
  gumbel_softmax: [(x) => F.gumbel_softmax(x, { tau: 0.7 }), [2, 3]],
  chain_matmul: [(a, b, c) => torch.chain_matmul(a, b, c), [1, 2], [2, 2], [2, 2]],
  constant_pad_nd: [(x) => torch.constant_pad_nd(x, [1, -1, 0, 2], 1.5), [2, 3]],
  fold: [(x) => F.fold(x, { output_size: [3, 4], kernel_size: 2, padding: [1, 0] }), [1, 8, 12]],
  lp_pool1d: [(x) => F.lp_pool1d(x.square().add(0.5), 3, 2), [1, 2, 5]],
  lp_pool2d: [(x) => F.lp_pool2d(x, 2, 2, { ceil_mode: true }), [1, 1, 3, 4]],
  lp_pool3d: [(x) => F.lp_pool3d(x, 2, 2, 1), [1, 1, 2, 3, 2]],
  affine_grid: [(x) => F.affine_grid(x, [2, 1, 2, 3], true), [2, 2, 3]],
  "affine_grid of volumes": [(x) => F.affine_grid(x, [1, 1, 2, 1, 2]), [1, 3, 4]],
  "interpolate, trilinear": [(x) => F.interpolate(x, { size: [3, 2, 4], mode: "trilinear" }), [1, 1, 2, 3, 2]],
  "interpolate, lanczos": [(x) => F.interpolate(x, { size: [2, 3], mode: "lanczos", antialias: true }), [1, 1, 5, 4]],
  "interpolate, antialias": [(x) => F.interpolate(x, { size: [2, 6], mode: "bicubic", antialias: true }), [1, 1, 5, 4]],
  conv_transpose3d: [
    (x, w, b) => F.conv_transpose3d(x, w, b, { stride: 2, padding: 1, output_padding: 1 }),
    [1, 2, 1, 2, 1],
    [2, 1, 2, 1, 2],
    [1],
  ],
  "conv_transpose3d in groups": [
    (x, w) => F.conv_transpose3d(x, w, { groups: 2, dilation: 2 }),
    [1, 2, 1, 2, 1],
    [2, 1, 1, 2, 2],
  ],
  slice_scatter: [(x, s) => torch.slice_scatter(x, s, { dim: 0, start: 1, end: 4, step: 2 }), [4, 2], [2, 2]],
  as_strided_scatter: [(x, s) => x.as_strided_scatter(s, [2, 2], [2, 1], 1), [6], [2, 2]],
  adaptive_max_pool3d: [(x) => F.adaptive_max_pool3d(x, [1, 2, 1]), [1, 2, 3, 1]],
  max_pool1d_with_indices: [(x) => F.max_pool1d_with_indices(x, 2)[0], [1, 5]],
  max_pool2d_with_indices: [(x) => F.max_pool2d_with_indices(x, 2, { stride: 1 })[0], [1, 3, 3]],
  triplet_margin_with_distance_loss: [
    (a, p, n) => F.triplet_margin_with_distance_loss(a, p, n, { margin: 3, swap: true }),
    [2, 2],
    [2, 2],
    [2, 2],
  ],
  "copy_ into a view": [
    (x, y) => {
      const z = x.clone();
      z.select(0, 1).copy_(y);
      return z;
    },
    [2, 3],
    [1],
  ],
  "index_put_ with accumulation": [(x, y) => x.clone().index_put_([torch.tensor([0, 1, 0])], y, true), [2, 2], [3, 2]],
  "index_put_ with a mask": [(x, y) => x.clone().index_put_([torch.tensor([true, false, true])], y), [3], [2]],
  "as_strided_ to another size": [(x) => x.clone().as_strided_([2, 2], [1, 2], 0), [3, 3]],
};
for (const [name, [fn, ...shapes]] of Object.entries(others)) {
  test(`gradients of ${name}`, () => {
    let position = 0;
    const leaves = shapes.map((shape) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const values = Array.from({ length: count }, () => ((++position * 0.6180339887) % 1) * 2 - 0.95);
      return torch.tensor(values, { dtype: torch.float64 }).reshape(shape).requires_grad_();
    });
    checkDerivatives((...x) => {
      torch.manual_seed(3);
      return fn(...x);
    }, leaves);
  });
}

test("each exception is needed", (t) => {
  assert.ok(checks > 1000, `only ${checks} checks were made`);
  t.diagnostic(`${checks} checks`);
  for (const e of gradientExceptions.filter((x) => !met.has(x))) {
    const message = `no sample of ${e.op} needs the exception "${e.reason}"`;
    if (all) assert.fail(message);
    t.diagnostic(message);
  }
});

test("the checks find a wrong gradient, a missing one, and a missing second one", () => {
  const golden = loadOp("square");
  const samples = gradientSamples(api, golden, 3).filter((s) => s.fn === "torch.square");
  assert.ok(samples.length > 0);
  const orders = (square: (x: Tensor) => Tensor): number[] => {
    const broken = { ...api, torch: { ...api.torch, square } };
    return [...new Set(checkGradients(broken, golden, samples, 0).failures.map((f) => f.order))];
  };
  assert.deepEqual(
    orders((x) => x.mul(x)),
    [],
  );
  assert.deepEqual(
    orders((x) => x.mul(x.detach())),
    [1, 2],
  );
  assert.ok(orders((x) => x.detach().mul(x.detach())).includes(1));
  class OnceDifferentiable extends torch.autograd.Function {
    static forward(ctx: torch.autograd.FunctionCtx, x: Tensor): Tensor {
      ctx.save_for_backward(x);
      return x.mul(x);
    }
    static backward(ctx: torch.autograd.FunctionCtx, g: Tensor): Tensor {
      return g.mul(ctx.saved_tensors[0].detach().mul(2));
    }
  }
  assert.deepEqual(
    orders((x) => OnceDifferentiable.apply(x) as Tensor),
    [2],
  );
});
