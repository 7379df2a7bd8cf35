/** Autograd's rules, compared with what real PyTorch does. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { plain, scenarios } from "./scenarios.ts";

const golden = JSON.parse(readFileSync(join(import.meta.dirname, "golden.json"), "utf8")) as Record<string, unknown[]>;

/** As deepEqual, but numbers may differ in the last digits of float32. */
function assertClose(actual: unknown, expected: unknown, where: string): void {
  if (Array.isArray(expected) && Array.isArray(actual) && actual.length === expected.length) {
    for (const [i, value] of expected.entries()) assertClose(actual[i], value, `${where}[${i}]`);
  } else if (typeof expected === "number" && typeof actual === "number") {
    assert.ok(Math.abs(actual - expected) <= 1e-6 + 1e-5 * Math.abs(expected), `${where}: ${actual}, not ${expected}`);
  } else assert.deepEqual(actual, expected, where);
}

for (const [name, scenario] of Object.entries(scenarios)) {
  test(name.replaceAll("_", " "), () => {
    const seen: unknown[] = [];
    scenario((...values) => {
      for (const value of values) seen.push(plain(value));
    });
    const expected = golden[name];
    assertClose(seen.slice(0, expected.length), expected, "log");
    assert.equal(seen.length, expected.length);
  });
}

test("every golden scenario is run", () => {
  assert.deepEqual(Object.keys(scenarios).sort(), Object.keys(golden).sort());
});
