/** Moving blocks out of the heap and back changes no result. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { memory_stats, set_memory_limit } from "../../src/storage/memory.ts";
import { askEngine } from "../../src/storage/storage.ts";
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

test("with blocks moved, moved out and freed all the time, losses and weights are bitwise the same", () => {
  // The runs with little room come first: memory that was once taken is used again before anything moves.
  askEngine(false);
  set_memory_limit(2 * MEBI);
  const spilling = run();
  const stats = memory_stats();
  assert.ok(stats.spilled_bytes > 4 * MEBI, `${stats.spilled_bytes} bytes were moved out`);
  assert.ok(stats.restored_bytes > 0, "something came back");
  askEngine(true);
  set_memory_limit(2 * MEBI);
  const collecting = run();
  assert.ok(memory_stats().num_collections > stats.num_collections, "dead blocks were looked for");
  set_memory_limit(768 * MEBI);
  const before = memory_stats().num_spills;
  const plenty = run();
  assert.equal(memory_stats().num_spills, before, "with enough room nothing is moved out");
  assert.deepEqual(spilling, plenty);
  assert.deepEqual(collecting, plenty);
});
