/** Moving blocks out of the heap and back changes no result. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { memory_stats, set_memory_limit } from "../../src/storage/storage.ts";
import { train } from "./network.ts";

const MEBI = 2 ** 20;

function run(): { losses: number[]; weights: string[] } {
  const { losses, weights } = train(20, 16);
  const bits = weights.map((w) => {
    const { buffer, byteOffset, byteLength } = w.detach().typed_array();
    return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
  });
  return { losses, weights: bits };
}

test("with blocks moved out of the heap all the time, losses and weights are bitwise the same", () => {
  // The run with little room comes first: memory that was once taken is used again before anything moves.
  set_memory_limit(2 * MEBI);
  const scarce = run();
  const stats = memory_stats();
  assert.ok(stats.spilled_bytes > 10 * MEBI, `${stats.spilled_bytes} bytes were moved out`);
  assert.ok(stats.restored_bytes > 0, "something came back");
  set_memory_limit(768 * MEBI);
  const plenty = run();
  assert.equal(memory_stats().spills, stats.spills, "with enough room nothing moves");
  assert.deepEqual(scarce, plenty);
});
