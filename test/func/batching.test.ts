/** Batching rules: golden calls of all ops under vmap and vmap(grad) against calls one by one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { callText } from "../conformance/format.ts";
import { goldenOps, loadOp } from "../conformance/golden.ts";
import { loadApi } from "../conformance/target.ts";
import { checkBatching, suitable } from "./batching.ts";
import { ONE_BY_ONE, REFUSED } from "./batching-expected.ts";

/** How many samples of an op; all of them in the long run. */
const SAMPLES = process.env.LONG_TESTS ? Number.POSITIVE_INFINITY : 2;

const api = await loadApi();

test("calls on stacked inputs are the stacked results of calls one by one", async () => {
  const warned = new Set<string>();
  const warn = console.warn;
  console.warn = (text: unknown) => warned.add(/batching rule for aten::(\w+)/.exec(String(text))?.[1] ?? String(text));
  const wrong: string[] = [];
  const refused = new Set<string>();
  let checks = 0;
  try {
    for (const name of goldenOps()) {
      await new Promise((resolve) => setImmediate(resolve));
      const golden = loadOp(name);
      const usable = golden.samples.filter((s) => suitable(api, s));
      const step = Math.max(1, Math.floor(usable.length / SAMPLES));
      const samples = usable.filter((_, i) => i % step === 0);
      const report = checkBatching(api, golden, samples, process.env.LONG_TESTS ? 8 : 4);
      checks += report.checks;
      for (const f of report.failures) {
        if (REFUSED[name]?.test(f.message)) refused.add(name);
        else wrong.push(`${f.form} ${JSON.stringify(f.dims)} ${callText(f.sample)}: ${f.message}`);
      }
    }
  } finally {
    console.warn = warn;
  }
  assert.deepEqual(wrong.slice(0, 10), []);
  assert.ok(checks > 2000, `${checks} checks`);
  assert.deepEqual([...warned].filter((op) => !ONE_BY_ONE.includes(op)).sort(), []);
  if (process.env.LONG_TESTS) {
    assert.deepEqual([...warned].sort(), [...ONE_BY_ONE].sort(), "ops that run one by one");
    assert.deepEqual([...refused].sort(), Object.keys(REFUSED).sort(), "ops that refuse");
  }
});
