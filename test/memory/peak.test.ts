/** A training step needs no more than 1.2 times the memory that PyTorch's tensors take; LONG_TESTS=1 tries the large ones. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { peakOf, programs } from "./peak.ts";

const { peaks } = JSON.parse(readFileSync(new URL("./peaks.json", import.meta.url), "utf8")) as {
  peaks: Record<string, number>;
};
const QUICK = new Set(["LeNet, batch 4", "LeNet, batch 64", "MLP, batch 128"]);

for (const [name, program] of Object.entries(programs)) {
  test(name, { skip: !QUICK.has(name) && process.env.LONG_TESTS === undefined }, async () => {
    const { reachable } = await peakOf(program, 3);
    const ratio = reachable / peaks[name];
    assert.ok(ratio > 0.5 && ratio <= 1.2, `${reachable} bytes, ${ratio.toFixed(2)} times PyTorch's`);
  });
}
