/** Asking the engine what is reachable, and what the heap makes of the answers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import * as torch from "../../src/index.ts";
import { type Asking, type Cell, Heap } from "../../src/storage/heap.ts";
import { Reachability, Tracked } from "../../src/storage/reachability.ts";
import { askEngine } from "../../src/storage/storage.ts";

const MB = 2 ** 20;

class Thing extends Tracked {
  readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
  protected override describe(): string {
    return this.name;
  }
}

function addMany(reachability: Reachability, prefix: string, every: number): Thing[] {
  const kept: Thing[] = [];
  for (let i = 0; i < 500; i++) {
    const thing = new Thing(`${prefix}${i}`);
    reachability.add(thing);
    if (i % every === 0) kept.push(thing);
  }
  return kept;
}

function found(reachability: Reachability, full: boolean): string[] {
  const names: string[] = [];
  assert.ok(reachability.collect(full, (member) => names.push((member as Thing).name) > 0));
  return names.sort();
}

test("reachable objects are found at once, others are not, without a macrotask", () => {
  const reachability = new Reachability();
  assert.ok(reachability.askable);
  const young = addMany(reachability, "a", 10);
  assert.deepEqual(found(reachability, false), young.map((t) => t.name).sort());
  const more = addMany(reachability, "b", 50);
  assert.equal(found(reachability, false).length, young.length + more.length);
  young.length = 3;
  assert.equal(found(reachability, true).length, young.length + more.length);
});

test("objects that were found often count as old: only a full collection asks for them", async () => {
  const reachability = new Reachability();
  const kept = addMany(reachability, "c", 100);
  for (let i = 0; i < 3; i++) assert.equal(found(reachability, false).length, kept.length);
  assert.deepEqual(found(reachability, false), []);
  assert.equal(found(reachability, true).length, kept.length);
  kept.length = 0;
  // A collection that was under way already may have seen them alive, and so may stale slots of the stack: they go in the end.
  let left = found(reachability, true);
  for (let i = 0; i < 10 && left.length > 0; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    left = found(reachability, true);
  }
  assert.deepEqual(left, []);
});

test("where the stack is full there is no answer, rather than a wrong one", () => {
  const reachability = new Reachability();
  assert.ok(reachability.askable);
  const kept = addMany(reachability, "d", 1);
  let complete = 0;
  let refused = 0;
  const wrong: number[] = [];
  const ask = (): void => {
    const names: string[] = [];
    if (!reachability.collect(false, (member) => names.push((member as Thing).name) > 0)) refused++;
    // Old ones are not asked for after the third time.
    else if (++complete <= 3 && names.length !== kept.length) wrong.push(names.length);
  };
  const deep = (): void => {
    try {
      deep();
    } catch {
      // On the way back there is a little more room at each return.
      if (complete > 10) return;
      try {
        ask();
      } catch {
        refused++;
      }
      throw new RangeError();
    }
  };
  deep();
  assert.deepEqual(wrong, []);
  assert.ok(refused > 0 && complete > 0, `${refused} refused, ${complete} complete`);
});

test("a storage inspects as what it is, also while a tensor's values are printed", () => {
  assert.match(inspect(torch.ones(1000).storage), /^Storage\(4000 bytes\)$/);
});

test("a synchronous loop keeps the heap small: what it dropped is given back", () => {
  const kept = torch.arange(0, 100_000, { dtype: torch.float32 });
  const before = torch.memory_stats();
  for (let i = 0; i < 2000; i++) kept.add(i);
  const after = torch.memory_stats();
  assert.ok(after["allocated_bytes.all.allocated"] - before["allocated_bytes.all.allocated"] >= 8e8);
  assert.ok(after["reserved_bytes.all.current"] <= 400 * MB, `${after["reserved_bytes.all.current"]} bytes reserved`);
  assert.equal(after.num_spills, before.num_spills);
  assert.equal(kept.select(0, 99_999).item(), 99_999);
});

test("empty_cache() frees all that is dead, also what is old", () => {
  const hold: torch.Tensor[] = [];
  for (let i = 0; i < 10; i++) hold.push(torch.ones(MB / 4));
  for (let i = 0; i < 4; i++) torch.empty_cache();
  const full = torch.memory_allocated();
  hold.length = 2;
  torch.empty_cache();
  const left = full - torch.memory_allocated();
  assert.ok(left >= 7 * MB && left <= 9 * MB, `${left} bytes were freed`);
  assert.equal(hold[1].sum().item(), MB / 4);
});

test("what the launch under way uses is not freed, even if nothing refers to it", () => {
  const own = new Heap(64 * MB, 256 * MB);
  const none: Asking = { ask: () => true, isYoung: () => true };
  own.setAsking(none);
  const used: Cell = own.track(own.allocate(MB));
  const other = own.track(own.allocate(MB));
  own.epoch++;
  used.lastUse = own.epoch;
  own.collect(true);
  assert.equal(used.region?.dead, false);
  assert.equal(other.region?.dead, true);
});

test("without an answer nothing is freed", () => {
  const own = new Heap(64 * MB, 256 * MB);
  own.setAsking({ ask: () => false, isYoung: () => true });
  const cell = own.track(own.allocate(MB));
  own.epoch++;
  assert.equal(own.collect(true), 0);
  assert.equal(cell.region?.dead, false);
});

test("where the engine cannot be asked, finalizers tell after a macrotask", async () => {
  askEngine(false);
  try {
    const freedBytes = (): number => torch.memory_stats()["allocated_bytes.all.freed"];
    const before = freedBytes();
    for (let round = 0; round < 100 && freedBytes() === before; round++) {
      torch.ones(8 * MB);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(freedBytes() > before, "something was finalized");
  } finally {
    askEngine(true);
  }
});
