/** torch.memory_stats() and its companions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const MEBI = 2 ** 20;

test("what is allocated, its peak and its totals", () => {
  torch.empty_cache();
  torch.reset_peak_memory_stats();
  torch.reset_accumulated_memory_stats();
  const before = torch.memory_stats();
  assert.equal(before["allocated_bytes.all.allocated"], 0);
  assert.equal(before["allocated_bytes.all.freed"], 0);
  assert.equal(before["allocated_bytes.all.peak"], before["allocated_bytes.all.current"]);
  {
    using _ = torch.empty(2 * MEBI);
    const stats = torch.memory_stats();
    assert.equal(stats["allocated_bytes.all.current"] - before["allocated_bytes.all.current"], 8 * MEBI);
    assert.equal(stats["allocation.all.current"] - before["allocation.all.current"], 1);
    assert.equal(torch.memory_allocated(), stats["allocated_bytes.all.current"]);
    assert.equal(torch.memory_reserved(), stats["reserved_bytes.all.current"]);
    assert.ok(torch.memory_reserved() >= torch.memory_allocated());
  }
  const after = torch.memory_stats();
  assert.equal(after["allocated_bytes.all.current"], before["allocated_bytes.all.current"]);
  assert.equal(after["allocated_bytes.all.allocated"], 8 * MEBI);
  assert.equal(after["allocated_bytes.all.freed"], 8 * MEBI);
  assert.equal(torch.max_memory_allocated(), before["allocated_bytes.all.current"] + 8 * MEBI);
  assert.equal(torch.max_memory_reserved(), torch.memory_reserved());
  torch.reset_peak_memory_stats();
  assert.equal(torch.max_memory_allocated(), torch.memory_allocated());
});

test("an allocation that cannot be is counted", () => {
  const before = torch.memory_stats();
  assert.throws(() => torch.empty(2 ** 31), /out of memory/);
  const after = torch.memory_stats();
  assert.equal(after.num_ooms - before.num_ooms, 1);
  assert.equal(after.num_alloc_retries - before.num_alloc_retries, 1);
});

test("the summary is a table of them", () => {
  const lines = torch.memory_summary().split("\n");
  assert.match(lines[1], /^\| Metric +\| +Cur Usage \| +Peak Usage \| +Tot Alloc \| +Tot Freed \|$/);
  assert.match(lines[3], /^\| Allocated memory +\|( +\d+ ([KMG]i)?B \|){4}$/);
  assert.match(lines[4], /^\| Reserved memory/);
});
