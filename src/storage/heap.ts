/**
 * The heap: one WebAssembly memory in which all tensors live, with an allocator.
 *
 * Nobody frees tensors by hand, and JavaScript tells late or, in a stretch of code without a macrotask, never that an
 * object is dead. These keep memory bounded; `storage.ts` and `reachability.ts` have the rest:
 * - blocks go back to free lists by size class, and neighbours are joined only when room runs out;
 * - small storages share a slab, so that a hundred tensors are one block;
 * - where the engine can be asked what is reachable (`askReachable`), the heap asks each time that as much has been
 *   allocated as it has set itself, and sets that so that asking stays a small part of the time;
 * - when free memory is in pieces, live blocks move together: nobody keeps an address beyond a launch;
 * - when the heap would pass its soft limit, the blocks used longest ago are moved out to ordinary ArrayBuffers
 *   (`Cell.spilled`), which V8 collects by itself when their storage is dead, and which come back when used.
 *   Coming back soon shows that the limit was too low, so it rises; garbage never raises it.
 */
import { RuntimeError } from "../errors.ts";
import { classSize, FreeList } from "./free-list.ts";
import { HeapStats } from "./stats.ts";

const PAGE = 65536;
const MAX_PAGES = 65536;
const MEBI = 2 ** 20;
/** Addresses below are scratch of the engine: parameter blocks. 0 is never a valid address. */
const RESERVED = 65536;

/** Small blocks of the engine are parts of blocks of this size. */
const ARENA = 2 ** 20;

/** So many bytes are allocated, at least and at most, before the engine is asked what is reachable. */
const LEAST_WINDOW = 16 * MEBI;
const MOST_WINDOW = 128 * MEBI;
/** The part of the time that asking may take: above the first it is done less often, below the second more often. */
const MOST_SHARE = 0.03;
const LEAST_SHARE = 0.01;
/** Garbage of all ages is collected when the heap holds this much more than was alive the last time. */
const GROWTH = 1.5;

/** A block of the heap in use. */
export interface Region {
  /** Changes when the block moves. */
  address: number;
  readonly size: number;
  /** Its bytes were freed or moved out: a finalizer that comes later has nothing to do. */
  dead: boolean;
  /** What holds the storage's side of it; null for blocks that may not move. */
  cell: Cell | null;
}

/**
 * Where a storage's bytes are. The heap holds the cells of resident blocks, and a storage holds its cell; a spilled cell
 * is held by its storage alone, so that its bytes die with the storage.
 */
export class Cell {
  /** Byte address in the heap; 0 while spilled. */
  address: number;
  /** The launch that last used it. */
  lastUse = 0;
  spilled: Uint8Array | null = null;
  /** How much had been allocated when it was spilled. */
  spilledAt = 0;
  region: Region | null;
  /** Small storages share the block: too small to be worth spilling. */
  readonly slab: boolean;
  /** How many times it was found reachable, and the number of the last asking that found it. */
  age = 0;
  found = 0;
  constructor(region: Region, slab: boolean) {
    this.address = region.address;
    this.region = region;
    this.slab = slab;
  }
}

/** How the heap asks what is reachable; `storage.ts` knows the objects. */
export interface Asking {
  /** Sets `found` of reachable cells, of all or of those that are not old, to `stamp`. False if there was no answer. */
  ask(full: boolean, stamp: number): boolean;
  /** Whether an asking that is not full would have found the cell. */
  isYoung(cell: Cell): boolean;
}

/** Shared memory reserves addresses for all that it may become, of which some devices have fewer. */
function makeMemory(shared: boolean): WebAssembly.Memory {
  for (let maximum = MAX_PAGES; shared && maximum >= MAX_PAGES / 8; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: 64, maximum, shared });
    } catch {
      // A smaller one, or in the end one that is not shared.
    }
  }
  return new WebAssembly.Memory({ initial: 64, maximum: MAX_PAGES });
}

export class Heap {
  readonly memory: WebAssembly.Memory;
  /** Views of the whole memory, replaced when it grows. */
  u8!: Uint8Array;
  i32!: Int32Array;
  f32!: Float32Array;
  f64!: Float64Array;
  i64!: BigInt64Array;

  private top = RESERVED;
  private readonly free = new FreeList();
  private readonly live = new Set<Cell>();
  private softLimit: number;
  private hardLimit: number;
  /** Counts launches; cells used by the current one are never moved or freed. */
  epoch = 1;
  readonly stats: HeapStats = new HeapStats();

  private arenaAt = 0;
  private arenaLeft = 0;

  private asking: Asking | null = null;
  private stamp = 0;
  /** Bytes to allocate between two askings; what had been allocated at the last ones, when they were, and their cost. */
  private window = LEAST_WINDOW;
  private askedAt = 0;
  private askedTime = 0;
  private fullAt = 0;
  private fullTime = 0;
  private fullCost = 0;
  /** At so many allocated bytes garbage of all ages is collected. */
  private fullLimit = 2 * LEAST_WINDOW;

  /** With `shared`, threads can work on it. */
  constructor(softLimit = 384 * MEBI, hardLimit = MAX_PAGES * PAGE, shared = false) {
    this.softLimit = softLimit;
    this.hardLimit = hardLimit;
    this.memory = makeMemory(shared);
    this.refreshViews();
  }

  /** Limits in bytes. Over the soft one, blocks are spilled before memory grows; the hard one is never passed. */
  setLimits(soft: number, hard: number = MAX_PAGES * PAGE): void {
    this.softLimit = soft;
    this.hardLimit = Math.min(hard, MAX_PAGES * PAGE);
  }

  get limits(): { soft: number; hard: number } {
    return { soft: this.softLimit, hard: this.hardLimit };
  }

  /** From now on, `asking` says what is reachable; null: nobody does. */
  setAsking(asking: Asking | null): void {
    this.asking = asking;
  }

  private refreshViews(): void {
    const buffer = this.memory.buffer;
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    const reserved = this.stats.reservedBytes;
    reserved.add(buffer.byteLength - reserved.current);
  }

  /** Takes a block of at least `bytes` bytes (its contents are whatever was there). */
  allocate(bytes: number): Region {
    const size = classSize(bytes);
    const address = this.take(size);
    this.stats.blockBytes.add(size);
    this.stats.blocks.add(1);
    return { address, size, dead: false, cell: null };
  }

  /** Takes back a block that `reserve` gave, of the size that was asked for. Parts of larger blocks stay. */
  unreserve(address: number, bytes: number): void {
    if (bytes <= ARENA / 4) return;
    const size = classSize(bytes);
    this.stats.engineBytes -= size;
    this.free.add(address, size);
  }

  private take(size: number): number {
    const address = this.free.take(size);
    return address === 0 ? this.carve(size) : address;
  }

  /** Registers a block as one that may be moved, and spilled if it is not a slab. */
  track(region: Region, slab = false): Cell {
    const cell = new Cell(region, slab);
    region.cell = cell;
    cell.lastUse = this.epoch;
    this.live.add(cell);
    return cell;
  }

  /** Returns a block, once; later calls for the same block do nothing. */
  release(region: Region): void {
    if (region.dead) return;
    region.dead = true;
    if (region.cell !== null) this.live.delete(region.cell);
    // A finalizer still holds the region: the cell, and what was spilled, must not live by that.
    region.cell = null;
    this.stats.blockBytes.remove(region.size);
    this.stats.blocks.remove(1);
    this.free.add(region.address, region.size);
  }

  /** A block for the engine itself, never freed or moved. Small ones lie together, where they divide little. */
  reserve(bytes: number): number {
    if (bytes > ARENA / 4) {
      const block = classSize(bytes);
      this.stats.engineBytes += block;
      return this.take(block);
    }
    const size = (bytes + 63) & ~63;
    if (this.arenaLeft < size) {
      this.arenaAt = this.take(ARENA);
      this.arenaLeft = ARENA;
      this.stats.engineBytes += ARENA;
    }
    const address = this.arenaAt;
    this.arenaAt += size;
    this.arenaLeft -= size;
    return address;
  }

  /** A block where the free list has none of its class. */
  private carve(size: number): number {
    if (this.asking !== null && this.reclaim(size)) {
      const found = this.free.take(size);
      if (found !== 0) return found;
    }
    const resident = this.memory.buffer.byteLength;
    // Joining costs a sort of all free blocks, so there must be something to gain by it.
    if (this.top + size > resident && this.free.bytes >= Math.max(size, resident / 4)) {
      const found = this.joinAndTake(size);
      if (found !== 0) return found;
      if (this.free.bytes >= Math.max(size, resident / 2)) {
        const moved = this.compactAndTake(size);
        if (moved !== 0) return moved;
      }
    }
    if (this.top + size > Math.min(this.softLimit, this.hardLimit)) {
      this.stats.retries++;
      const found = this.makeRoom(size);
      if (found !== 0) return found;
    }
    return this.extend(size);
  }

  private joinAndTake(size: number): number {
    this.top = this.free.join(this.top);
    const found = this.free.take(size);
    if (found !== 0 || this.top + size > this.memory.buffer.byteLength) return found;
    const address = this.top;
    this.top += size;
    return address;
  }

  private extend(size: number): number {
    const end = this.top + size;
    const resident = this.memory.buffer.byteLength;
    if (end > resident) {
      if (end > this.hardLimit) this.outOfMemory(size);
      // Grow in big steps: growing replaces the ArrayBuffer and all views of it.
      const wanted = Math.min(this.hardLimit, Math.max(end, resident + Math.min(resident / 4, 64 * MEBI)));
      if (!this.grow(wanted - resident) && !this.grow(end - resident)) {
        // The machine has no more: from here on, room is made.
        this.hardLimit = resident;
        const found = this.makeRoom(size);
        if (found !== 0) return found;
        this.outOfMemory(size);
      }
    }
    const address = this.top;
    this.top = end;
    return address;
  }

  private grow(bytes: number): boolean {
    try {
      this.memory.grow(Math.ceil(bytes / PAGE));
    } catch {
      return false;
    }
    this.refreshViews();
    return true;
  }

  private outOfMemory(size: number): never {
    this.stats.outOfMemory++;
    const { blockBytes, reservedBytes } = this.stats;
    throw new RuntimeError(
      `Kindling: out of memory: tried to allocate ${size} bytes (allocated ${blockBytes.current} bytes, reserved ${reservedBytes.current} bytes, limit ${this.hardLimit} bytes)`,
    );
  }

  /** Asks what is reachable if it is time to. `size` bytes are about to be allocated. Whether anything was freed. */
  private reclaim(size: number): boolean {
    const { blockBytes } = this.stats;
    let freed = 0;
    if (blockBytes.allocated - this.askedAt >= this.window) freed = this.collect(false);
    if (blockBytes.current + size > this.fullLimit) {
      // Where full collections would take too much of the time, the heap may rather grow.
      const share = this.fullCost / (performance.now() - this.fullTime);
      if (share > MOST_SHARE && this.fullLimit < Math.min(this.softLimit, 4 * MOST_WINDOW)) this.fullLimit *= GROWTH;
      else freed += this.collect(true);
    }
    return freed > 0;
  }

  /** Frees what can no longer be reached: of all ages, or of what was made lately. Returns how many bytes. */
  collect(full: boolean): number {
    const { asking, stats } = this;
    if (asking === null) return 0;
    const start = performance.now();
    const allocated = stats.blockBytes.allocated;
    const before = stats.blockBytes.current;
    const answered = asking.ask(full, ++this.stamp);
    if (answered) {
      for (const cell of this.live) {
        if (cell.found === this.stamp) continue;
        // What the launch under way uses may be held by its address only.
        if (cell.lastUse === this.epoch || !(full || asking.isYoung(cell))) continue;
        this.release(cell.region as Region);
      }
    }
    stats.collections++;
    const end = performance.now();
    stats.collectionTime += end - start;
    const freed = before - stats.blockBytes.current;
    const share = (end - start) / (end - this.askedTime);
    if (full) {
      stats.fullCollections++;
      this.fullAt = allocated;
      this.fullTime = end;
      this.fullCost = end - start;
      const enough = Math.max(GROWTH * stats.blockBytes.current, stats.blockBytes.current + 2 * this.window);
      this.fullLimit = Math.max(enough, 0.9 * this.fullLimit);
    } else if (share > MOST_SHARE) this.window = Math.min(2 * this.window, MOST_WINDOW);
    else if (share < LEAST_SHARE) this.window = Math.max(this.window / 2, LEAST_WINDOW);
    this.askedAt = allocated;
    this.askedTime = end;
    return freed;
  }

  /** Frees and moves and, where that is not enough, spills, until `size` bytes in one piece are free; 0 if they cannot be. */
  private makeRoom(size: number): number {
    // If little was allocated since the last full collection, what fills the heap is alive.
    const since = this.stats.blockBytes.allocated - this.fullAt;
    if (since >= Math.min(this.window, this.softLimit / 4)) this.collect(true);
    const joined = this.joinAndTake(size);
    if (joined !== 0) return joined;
    const limit = Math.min(this.softLimit, this.hardLimit);
    if (this.free.bytes + limit - this.top >= size) {
      const found = this.compactAndTake(size);
      if (found !== 0) return found;
      if (this.top + size <= limit) return this.extend(size);
    }
    const cells = [...this.live].filter((cell) => !cell.slab && cell.lastUse !== this.epoch);
    cells.sort((a, b) => a.lastUse - b.lastUse);
    // A quarter of the limit at a time, so that the cost of sorting and joining is spread.
    let goal = Math.max(size, limit / 4);
    let next = 0;
    while (next < cells.length) {
      let moved = 0;
      while (next < cells.length && moved < goal) moved += this.spill(cells[next++]);
      const found = this.joinAndTake(size);
      if (found !== 0) return found;
      goal = size;
    }
    // Everything that can move is out: what is left is in the way.
    return this.compactAndTake(size);
  }

  /** Moves live blocks to lower addresses, so that free memory is in one piece but for blocks that may not move. */
  private compactAndTake(size: number): number {
    this.stats.compactions++;
    this.top = this.free.join(this.top);
    const cells = [...this.live].sort((a, b) => a.address - b.address);
    const gaps = this.free.takeRanges();
    if (gaps.length === 0) return 0;
    const free: { address: number; size: number }[] = [];
    // Free memory gathers in [to, from) while blocks move from above it to below it.
    let to = gaps[0].address;
    let from = to;
    let gap = 0;
    const first = cells.findIndex((cell) => cell.address >= to);
    const above = first < 0 ? [] : cells.slice(first);
    const close = (at: number): void => {
      if (from > to) free.push({ address: to, size: from - to });
      to = from = at;
    };
    const skipGaps = (until: number): void => {
      while (gap < gaps.length && gaps[gap].address < until) {
        // Memory between what is known to be free or movable belongs to the engine.
        if (gaps[gap].address > from) close(gaps[gap].address);
        from = gaps[gap].address + gaps[gap].size;
        gap++;
      }
    };
    for (const cell of above) {
      skipGaps(cell.address);
      if (cell.address > from) close(cell.address);
      const { size: bytes } = cell.region as Region;
      if (cell.lastUse === this.epoch) {
        from = cell.address;
        close(cell.address + bytes);
        continue;
      }
      if (to < cell.address) this.u8.copyWithin(to, cell.address, cell.address + bytes);
      from = cell.address + bytes;
      cell.address = to;
      (cell.region as Region).address = to;
      to += bytes;
    }
    skipGaps(this.top);
    if (from === this.top) this.top = to;
    else close(from);
    this.free.setRanges(free);
    return this.joinAndTake(size);
  }

  private spill(cell: Cell): number {
    const region = cell.region as Region;
    cell.spilled = this.u8.slice(region.address, region.address + region.size);
    cell.spilledAt = this.stats.blockBytes.allocated;
    cell.address = 0;
    cell.region = null;
    this.stats.spills++;
    this.stats.spilledBytes += region.size;
    this.release(region);
    return region.size;
  }

  /** Brings a spilled cell back. */
  restore(cell: Cell): Region {
    const bytes = cell.spilled as Uint8Array;
    // It was alive after all: the limit was too low. If twice the room would have kept it, much too low.
    const soon = this.stats.blockBytes.allocated - cell.spilledAt < this.softLimit;
    this.softLimit += soon ? Math.max(bytes.length, this.softLimit / 4) : bytes.length;
    this.stats.restoredBytes += bytes.length;
    const region = this.allocate(bytes.length);
    region.cell = cell;
    this.u8.set(bytes, region.address);
    cell.spilled = null;
    cell.address = region.address;
    cell.region = region;
    cell.lastUse = this.epoch;
    this.live.add(cell);
    return region;
  }
}
