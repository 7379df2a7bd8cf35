/** Memory of a plain synchronous training loop: it stays flat. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { memory_reserved, set_memory_limit } from "../../src/storage/memory.ts";
import { train, type Usage, usage } from "./network.ts";

const MEBI = 2 ** 20;
/** The default of storage/heap.ts. */
const DEFAULT_LIMIT = 768 * MEBI;

test("300 steps at batch 64 without an await: memory is flat after warm-up", () => {
  const limit = 128;
  set_memory_limit(limit * MEBI);
  const seen: Usage[] = [];
  try {
    train(300, 64, (step) => {
      if (step >= 100 && step % 10 === 0) seen.push(usage(memory_reserved()));
    });
  } finally {
    set_memory_limit(DEFAULT_LIMIT);
  }
  const first = seen.slice(0, 5);
  const last = seen.slice(-5);
  const most = (list: Usage[], key: keyof Usage): number => Math.max(...list.map((u) => u[key]));
  const text = JSON.stringify({ first, last });
  // 300 steps make about 1.5 GB of activations and gradients.
  assert.ok(most(last, "reserved") <= limit + 32, `WebAssembly memory: ${text}`);
  assert.ok(most(last, "rss") <= most(first, "rss") + 100, `RSS: ${text}`);
  assert.ok(most(last, "heap") <= most(first, "heap") + 30, `JavaScript heap: ${text}`);
});
