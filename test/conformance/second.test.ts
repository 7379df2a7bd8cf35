/**
 * Second derivatives of the golden samples against PyTorch's own (test/golden/second.gz, made by tools/golden-second.py): some
 * of each op, all with `KINDLING_GRADCHECK=all`. `KINDLING_SECOND` names another file or a folder of files, KINDLING_GOLDEN
 * the folder of the samples that belong to it.
 */
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { callText } from "./format.ts";
import { loadGolden, loadOp } from "./golden.ts";
import { compareSecond, type SecondSample, secondExceptions } from "./second-derivatives.ts";
import { hasTarget, loadApi } from "./target.ts";

interface OpSeconds {
  op: string;
  samples: SecondSample[];
  blob: Uint8Array;
}

const path = process.env.KINDLING_SECOND ?? fileURLToPath(new URL("../golden/second.gz", import.meta.url));

function* seconds(): Generator<OpSeconds> {
  if (statSync(path).isDirectory()) {
    for (const file of readdirSync(path).sort()) yield loadGolden<OpSeconds>(`${path}/${file}`);
    return;
  }
  const all = loadGolden<{ ops: Omit<OpSeconds, "blob">[] }>(path);
  for (const op of all.ops) yield { ...op, blob: all.blob };
}

const api = await loadApi();
const SHOWN = 5;
const all = process.env.KINDLING_GRADCHECK === "all" || process.env.LONG_TESTS === "1";
const MOST = all ? Number.POSITIVE_INFINITY : 12;
let compared = 0;
const met = new Set<unknown>();

for (const { op, samples, blob } of seconds()) {
  test(`second derivatives of ${op}`, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    const golden = loadOp(op);
    const byId = new Map(golden.samples.map((s) => [s.id, s]));
    const wrong: string[] = [];
    const step = Math.max(1, samples.length / MOST);
    for (const expected of samples.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step))) {
      const sample = byId.get(expected.id);
      if (sample === undefined || sample.whole || !hasTarget(api, sample.fn)) continue;
      compared++;
      for (const d of compareSecond(api, golden, sample, expected, blob)) {
        if (d.note) continue;
        const exception = secondExceptions.find((e) => e.ops.includes(op) && e.excuses(sample, d.message));
        if (exception !== undefined) met.add(exception);
        else wrong.push(`  ${sample.id} (${sample.from}) ${callText(sample)}\n    ${d.message}`);
      }
    }
    const more = wrong.length > SHOWN ? `\n  … and ${wrong.length - SHOWN} more` : "";
    assert.equal(wrong.length, 0, `${wrong.length} differences\n${wrong.slice(0, SHOWN).join("\n")}${more}`);
  });
}

test("samples were compared, and each exception is needed", (t) => {
  assert.ok(compared > 3000, `only ${compared}`);
  t.diagnostic(`${compared} samples`);
  if (!all) return;
  for (const e of secondExceptions.filter((x) => !met.has(x))) assert.fail(`no sample needs "${e.reason}"`);
});
