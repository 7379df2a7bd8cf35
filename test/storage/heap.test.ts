import assert from "node:assert/strict";
import { test } from "node:test";
import { type Cell, Heap, type Region } from "../../src/storage/heap.ts";

const MB = 2 ** 20;

/** A small deterministic generator of numbers in [0, 1). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test("blocks never overlap, whatever the order of allocation and release", () => {
  const heap = new Heap(64 * MB, 256 * MB);
  const random = numbers(1);
  const live: { region: Region; mark: number }[] = [];
  const check = (): void => {
    const sorted = live.map((b) => b.region).sort((a, b) => a.address - b.address);
    for (let i = 1; i < sorted.length; i++) {
      assert.ok(sorted[i - 1].address + sorted[i - 1].size <= sorted[i].address);
    }
  };
  for (let i = 0; i < 4000; i++) {
    if (live.length > 100 || (live.length > 0 && random() < 0.45)) {
      const [block] = live.splice(Math.floor(random() * live.length), 1);
      assert.equal(heap.u8[block.region.address], block.mark);
      assert.equal(heap.u8[block.region.address + block.region.size - 1], block.mark);
      heap.release(block.region);
    } else {
      const region = heap.allocate(1 + Math.floor(2 ** (random() * 19)));
      assert.equal(region.address % 64, 0);
      const mark = i & 255;
      heap.u8.fill(mark, region.address, region.address + region.size);
      live.push({ region, mark });
    }
    if (i % 500 === 0) check();
  }
  check();
  assert.ok(heap.stats.reservedBytes.current <= 64 * MB, `reserved ${heap.stats.reservedBytes.current}`);
});

test("a block is reused at once, and releasing it twice does nothing", () => {
  const heap = new Heap();
  const first = heap.allocate(1000);
  heap.release(first);
  heap.release(first);
  const second = heap.allocate(1000);
  assert.equal(second.address, first.address);
  assert.notEqual(heap.allocate(1000).address, first.address);
});

test("no block wastes more than an eighth beyond its alignment", () => {
  const heap = new Heap();
  for (let bytes = 1; bytes < 300000; bytes = Math.ceil(bytes * 1.07)) {
    const { size } = heap.allocate(bytes);
    assert.ok(size >= bytes && size <= Math.max(bytes + 64, bytes * 1.126), `${bytes} → ${size}`);
  }
});

test("over the soft limit the blocks used longest ago move out, and come back with their bytes", () => {
  const heap = new Heap(8 * MB, 64 * MB);
  const cells: Cell[] = [];
  for (let i = 0; i < 30; i++) {
    heap.epoch++;
    const region = heap.allocate(MB);
    const cell = heap.track(region);
    heap.u8.fill(i, region.address, region.address + MB);
    cells.push(cell);
  }
  assert.ok(heap.stats.spills >= 20, `${heap.stats.spills} spills`);
  assert.ok(heap.stats.reservedBytes.current <= 9 * MB, `${heap.stats.reservedBytes.current} bytes reserved`);
  assert.equal(cells[29].spilled, null, "the newest block stays");
  for (const [i, cell] of cells.entries()) {
    heap.epoch++;
    if (cell.address === 0) heap.restore(cell);
    assert.equal(heap.u8[cell.address], i);
    assert.equal(heap.u8[cell.address + MB - 1], i);
  }
  assert.ok(heap.limits.soft > 8 * MB, "data that came back was alive, so the limit rose");
});

test("blocks of the current launch are never moved", () => {
  const heap = new Heap(4 * MB, 64 * MB);
  heap.epoch++;
  const pinned = heap.track(heap.allocate(2 * MB));
  for (let i = 0; i < 10; i++) {
    pinned.lastUse = heap.epoch;
    heap.track(heap.allocate(2 * MB)).lastUse = heap.epoch - 1;
    assert.notEqual(pinned.address, 0);
  }
});

test("past the hard limit there is a helpful error and nothing is lost", () => {
  const heap = new Heap(MB, 4 * MB);
  const region = heap.allocate(1000);
  heap.u8[region.address] = 7;
  assert.throws(() => heap.allocate(16 * MB), /out of memory: tried to allocate 16777216 bytes .* limit 4194304 bytes/);
  assert.equal(heap.u8[region.address], 7);
  heap.allocate(1000);
});

test("free memory in pieces is made one by moving blocks, which keep their bytes; blocks of the engine stay", () => {
  const heap = new Heap(64 * MB, 64 * MB);
  const random = numbers(3);
  const cells: { cell: Cell; mark: number; bytes: number }[] = [];
  const fixed: { address: number; mark: number }[] = [];
  for (let i = 0; i < 3000; i++) {
    const bytes = 512 + Math.floor(random() * 30000);
    if (i === 100 || i === 300) {
      const address = heap.reserve(bytes);
      heap.u8[address] = i & 255;
      fixed.push({ address, mark: i & 255 });
      continue;
    }
    const region = heap.allocate(bytes);
    const cell = heap.track(region, i % 3 === 0);
    heap.u8.fill(i & 255, region.address, region.address + bytes);
    cells.push({ cell, mark: i & 255, bytes });
  }
  heap.epoch++;
  // Every other block dies: half of the memory is free, and no piece is large.
  const alive = cells.filter((entry, i) => {
    if (i % 2 === 0) heap.release(entry.cell.region as Region);
    return i % 2 === 1;
  });
  alive[0].cell.lastUse = heap.epoch;
  const pinned = alive[0].cell.address;
  const large = heap.track(heap.allocate(32 * MB));
  heap.u8.fill(255, large.address, large.address + 32 * MB);
  assert.equal(heap.stats.compactions, 1);
  assert.equal(heap.stats.spills, 0);
  assert.equal(alive[0].cell.address, pinned);
  for (const { cell, mark, bytes } of alive) {
    assert.equal(cell.region?.address, cell.address);
    assert.ok(heap.u8.subarray(cell.address, cell.address + bytes).every((b) => b === mark));
  }
  for (const { address, mark } of fixed) assert.equal(heap.u8[address], mark);
  // The freed memory is known: no two blocks overlap.
  const blocks = alive.map(({ cell }) => cell.region as Region);
  for (let i = 0; i < 300; i++) blocks.push(heap.allocate(1000 + i));
  blocks.push(large.region as Region);
  blocks.sort((a, b) => a.address - b.address);
  for (let i = 1; i < blocks.length; i++) assert.ok(blocks[i - 1].address + blocks[i - 1].size <= blocks[i].address);
});
