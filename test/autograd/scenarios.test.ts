/** Autograd's rules, compared with what real PyTorch does: every area in scenarios/ with its log in golden/. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { plain, type Scenarios } from "./scenarios/common.ts";

const here = import.meta.dirname;

/** As deepEqual, but numbers may differ in the last digits of float32. */
function assertClose(actual: unknown, expected: unknown, where: string): void {
  if (Array.isArray(expected) && Array.isArray(actual) && actual.length === expected.length) {
    for (const [i, value] of expected.entries()) assertClose(actual[i], value, `${where}[${i}]`);
  } else if (typeof expected === "number" && typeof actual === "number") {
    const close = Object.is(actual, expected) || Math.abs(actual - expected) <= 1e-6 + 1e-5 * Math.abs(expected);
    assert.ok(close, `${where}: ${actual}, not ${expected}`);
  } else assert.deepEqual(actual, expected, where);
}

/** Python writes NaN and infinities, which JSON has not, as bare words: they come as these strings. */
const SPECIAL: Record<string, number> = { "@NaN": NaN, "@Infinity": Infinity, "@-Infinity": -Infinity };

function readGolden(area: string): Record<string, unknown[]> {
  const text = readFileSync(join(here, "golden", `${area}.json`), "utf8");
  return JSON.parse(text, (_, v: unknown) => (typeof v === "string" ? (SPECIAL[v] ?? v) : v)) as Record<
    string,
    unknown[]
  >;
}

const areas = readdirSync(join(here, "scenarios"))
  .filter((file) => file !== "common.ts")
  .map((file) => file.replace(/\.ts$/, ""));

for (const area of areas) {
  const { scenarios } = (await import(`./scenarios/${area}.ts`)) as { scenarios: Scenarios };
  const golden = readGolden(area);
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(`${area}: ${name.replaceAll("_", " ")}`, async () => {
      const seen: unknown[] = [];
      await scenario((...values) => {
        for (const value of values) seen.push(plain(value));
      });
      const expected = golden[name];
      assertClose(seen.slice(0, expected.length), expected, "log");
      assert.equal(seen.length, expected.length);
    });
  }
  test(`${area}: every golden scenario is run`, () => {
    assert.deepEqual(Object.keys(scenarios).sort(), Object.keys(golden).sort());
  });
}
