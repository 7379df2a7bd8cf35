import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { FunctionName } from "../../src/ir/expr.ts";
import { hostFunctions } from "../../src/ir/special.ts";

interface Golden {
  /** By function: x, the exact value, PyTorch's. */
  values: Record<string, [number, number, number][]>;
  /** By function: the operands and PyTorch's value, as Python prints them. */
  specials: Record<string, string[][]>;
}

const golden = JSON.parse(readFileSync(new URL("golden/math.json", import.meta.url), "utf8")) as Golden;

const fromPython = (text: string): number =>
  text.endsWith("inf") ? (text.startsWith("-") ? -1 : 1) * Number.POSITIVE_INFINITY : Number(text); // "nan" is NaN

/** Relative errors that PyTorch's own algorithms have, where they are above 1e-13: its erfinv near ±1, its short series. */
const ofPyTorch: Record<string, number> = { erfinv: 1e-4, trigamma: 1e-9 };

const relative = (got: number, want: number): number => (got === want ? 0 : Math.abs(got / want - 1));

describe("float64 functions", () => {
  for (const [name, rows] of Object.entries(golden.values)) {
    it(`${name}: exact to 1e-14, and PyTorch's`, () => {
      const f = hostFunctions[name as FunctionName];
      for (const [x, exact, torch] of rows) {
        const got = f(x, 0);
        const error = relative(got, exact);
        assert.ok(error <= 1e-14, `${name}(${x}) = ${got}, not ${exact}: ${error}`);
        const difference = relative(got, torch);
        assert.ok(difference <= (ofPyTorch[name] ?? 1e-13), `${name}(${x}) = ${got}, PyTorch ${torch}: ${difference}`);
      }
    });
  }

  for (const [name, rows] of Object.entries(golden.specials)) {
    it(`${name}: zeros, ones, infinities and NaN as in PyTorch`, () => {
      const f = hostFunctions[name as FunctionName];
      for (const row of rows) {
        const numbers = row.map(fromPython);
        const want = numbers.pop() as number;
        const [x, y] = numbers as [number, number];
        const got = f(x, y ?? 0);
        // At its poles PyTorch's trigamma gives about 10^33, the square of 1 / sin(π) as rounded.
        if (name === "trigamma" && x < 0 && got === Number.POSITIVE_INFINITY && want > 1e30) continue;
        const near = got !== 0 && relative(got, want) <= (ofPyTorch[name] ?? 1e-13);
        assert.ok(Object.is(got, want) || near, `${name}(${row.slice(0, -1)}) = ${got}, PyTorch ${want}`);
      }
    });
  }
});
