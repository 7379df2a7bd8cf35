/**
 * First and second derivatives of every op against finite differences, in float64, at points of the samples in test/golden/ops;
 * in-place forms too. `KINDLING_GRADCHECK=all` takes all samples, `KINDLING_GRADCHECK=12` at most twelve of an op.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import type { Tensor } from "../../src/tensor.ts";
import { callText } from "./format.ts";
import { goldenOps, loadOp } from "./golden.ts";
import { type GradientException, gradientExceptions } from "./gradient-exceptions.ts";
import { checkGradients, gradientSamples } from "./gradients.ts";
import { hasTarget, loadApi } from "./target.ts";

const wanted = process.env.KINDLING_GRADCHECK;
const all = wanted === "all";
const MOST = all ? Number.POSITIVE_INFINITY : Number(wanted ?? 16);
const SHOWN = 3;

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
    const report = checkGradients(api, golden, samples, all ? 1000 : 4);
    checks += report.checks;
    for (const exception of report.met) met.add(exception);
    if (report.failures.length === 0) return;
    const lines = report.failures
      .slice(0, SHOWN)
      .map((f) => `  ${f.form}, order ${f.order} · ${f.sample.id} · ${callText(f.sample)}\n${f.message}`);
    assert.fail(`${report.failures.length} of ${report.checks} checks of ${name} fail\n${lines.join("\n")}`);
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
    static forward(ctx: torch.autograd.FunctionContext, x: Tensor): Tensor {
      ctx.save_for_backward(x);
      return x.mul(x);
    }
    static backward(ctx: torch.autograd.FunctionContext, g: Tensor): Tensor {
      return g.mul(ctx.saved_tensors[0].detach().mul(2));
    }
  }
  assert.deepEqual(
    orders((x) => OnceDifferentiable.apply(x) as Tensor),
    [2],
  );
});
