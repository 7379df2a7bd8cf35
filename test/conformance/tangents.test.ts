/**
 * Forward mode of every op against reverse mode, at points of the samples in test/golden/ops. `KINDLING_TANGENTS=all` takes all
 * samples, `KINDLING_TANGENTS=12` at most twelve of an op.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { callText } from "./format.ts";
import { goldenOps, loadOp } from "./golden.ts";
import { gradientSamples } from "./gradients.ts";
import { checkForwardMode } from "./tangents.ts";
import { hasTarget, loadApi } from "./target.ts";

const wanted = process.env.KINDLING_TANGENTS ?? (process.env.LONG_TESTS === "1" ? "all" : undefined);
const most = wanted === "all" ? Number.POSITIVE_INFINITY : Number(wanted ?? 3);

const api = await loadApi();
let checks = 0;

for (const name of goldenOps()) {
  const golden = loadOp(name);
  if (!golden.samples.some((s) => s.grads && hasTarget(api, s.fn))) continue;
  test(`tangents of ${name}`, async (t) => {
    // One macrotask an op lets finalizers run.
    await new Promise((resolve) => setImmediate(resolve));
    const samples = gradientSamples(api, golden, most);
    if (samples.length === 0) return t.skip("no sample in float64");
    const report = checkForwardMode(api, golden, samples, wanted === "all" ? 1000 : 1);
    checks += report.checks;
    if (report.failures.length === 0) return;
    const lines = report.failures
      .slice(0, 3)
      .map((f) => `  ${f.form} · ${f.sample.id} · ${callText(f.sample)}\n${f.message}`);
    assert.fail(`${report.failures.length} of ${report.checks} checks of ${name} fail\n${lines.join("\n")}`);
  });
}

test("checks were made", () => {
  assert.ok(checks > 500, `only ${checks} checks were made`);
});
