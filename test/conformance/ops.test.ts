/**
 * Every op against PyTorch's own values and gradients: one test an op, walking the samples in test/golden/ops.
 * `npx node test/conformance/report.ts [pattern]` shows the same as a table, with more to see for whom has to mend an op.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { callText } from "./format.ts";
import { goldenOps, loadOp } from "./golden.ts";
import type { Api } from "./target.ts";
import { checkKernels, loadApi } from "./target.ts";
import type { OpReport } from "./walk.ts";
import { walkOp } from "./walk.ts";

const SHOWN = 5;

let api: Api | undefined;
let reason: unknown;
let kernels: Awaited<ReturnType<typeof checkKernels>> | undefined;
try {
  api = await loadApi();
  kernels = await checkKernels();
} catch (error) {
  reason = error;
}

const reports: OpReport[] = [];

test("golden files of all ops are there", () => {
  assert.ok(goldenOps().length > 200);
});

for (const name of goldenOps()) {
  test(`golden ${name}`, async (t) => {
    // One macrotask an op lets finalizers run.
    await new Promise((resolve) => setImmediate(resolve));
    if (!api) throw new Error("src/index.ts does not load", { cause: reason });
    const golden = loadOp(name);
    const report = walkOp(api, golden);
    reports.push(report);
    if (report.missing) {
      if (report.extra) return t.skip(`${report.missing} is not there`);
      assert.fail(`${report.missing} is missing`);
    }
    for (const id of report.stale) t.diagnostic(`known failure ${id} passes now`);
    if (report.failures.length === 0) return;
    const failing = new Set(report.failures.map((f) => f.sample.id)).size;
    const lines = report.failures
      .slice(0, SHOWN)
      .map((f) => `  ${f.check} · ${f.sample.id} (${f.sample.from})\n    ${callText(f.sample)}\n    ${f.message}`);
    if (report.failures.length > SHOWN) lines.push(`  … and ${report.failures.length - SHOWN} more differences`);
    assert.fail(`${failing} of ${report.samples} samples of ${name} fail\n${lines.join("\n")}`);
  });
}

test("every kernel that ran agrees with the interpreter", (t) => {
  assert.ok(kernels !== undefined && kernels.backend.statistics.checked > 1000);
  t.diagnostic(JSON.stringify(kernels.backend.statistics));
  const first = kernels.mismatches.slice(0, SHOWN).map((error) => error.message);
  assert.equal(kernels.mismatches.length, 0, first.join("\n"));
});

after(() => {
  const failing = reports.filter((r) => r.failures.length > 0 || (r.missing && !r.extra));
  const sum = (field: "samples" | "passed" | "skipped" | "known" | "checks"): number =>
    reports.reduce((total, r) => total + (r.missing ? 0 : r[field]), 0);
  console.log(
    `golden ops: ${reports.length - failing.length} of ${reports.length} ops, ${sum("passed")} of ${sum("samples")} samples, ` +
      `${sum("checks")} checks, ${sum("known")} known differences, ${sum("skipped")} skipped (whole floats)`,
  );
  for (const r of failing) {
    const first = r.missing ? `${r.missing} is missing` : `${r.passed}/${r.samples} ${r.failures[0].message}`;
    console.log(`  ${r.op.padEnd(32)} ${first.slice(0, 140)}`);
  }
});
