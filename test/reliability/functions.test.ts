/**
 * Every float32 function, as the ops compute it, within 2.5 ulp of the exact value over all sizes and both signs. A few are
 * made of several steps, as in PyTorch; where PyTorch's own value is worse, its error is the limit (tools/golden-ulps.py).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { floats, functions, ulps } from "./functions.ts";

const LIMIT = 2.5;
/** Every so many of all float32 numbers. Prime, so that all low bits occur. */
const STEP = process.env.LONG_TESTS === "1" ? 1021 : 65521;
const AT_ONCE = 2 ** 20;

/** By function and by the upper 9 bits of the argument. */
type Allowed = Readonly<Record<string, Readonly<Record<string, number | "inf">>>>;
const allowed: Allowed = JSON.parse(readFileSync(new URL("ulps.json", import.meta.url), "utf8"));

/** The largest error, by the upper 9 bits of the argument, and where it is. */
function worstErrors(compute: (x: torch.Tensor) => torch.Tensor, exact: (x: number) => number) {
  const worst = new Float64Array(512);
  const at = new Float32Array(512);
  for (let from = 0; from < 2 ** 32; from += STEP * AT_ONCE) {
    const x = floats(from, STEP, AT_ONCE);
    const y = compute(torch.tensor(x)).typed_array();
    for (let i = 0; i < x.length; i++) {
      const bucket = Math.floor((from + i * STEP) / 2 ** 23);
      const error = ulps(Number(y[i]), exact(x[i]));
      if (error <= worst[bucket]) continue;
      worst[bucket] = error;
      at[bucket] = x[i];
    }
  }
  return { worst, at };
}

for (const [name, { compute, exact }] of Object.entries(functions(torch))) {
  test(name, () => {
    const { worst, at } = worstErrors(compute, exact);
    worst.forEach((error, bucket) => {
      const limit = Math.max(LIMIT, Number(String(allowed[name]?.[bucket] ?? 0).replace("inf", "Infinity")));
      assert.ok(error <= limit, `${name}(${at[bucket]}) is off by ${error} ulp`);
    });
  });
}
