/**
 * The heap: one WebAssembly memory in which all tensors live, with an allocator.
 *
 * Nobody frees tensors by hand, and JavaScript tells late or, in a stretch of code without a macrotask, never that an
 * object is dead. Three mechanisms together keep memory bounded; `storage.ts` has the other two:
 * - blocks go back to free lists by size class, and neighbours are joined only when room runs out;
 * - small storages share a slab, so that one finalizer serves a hundred tensors;
 * - when the heap would pass its soft limit, the blocks used longest ago are moved out to ordinary ArrayBuffers
 *   (`Cell.spilled`), which V8 collects by itself when their storage is dead, and which come back when used.
 *   Coming back shows that the data was alive, so the soft limit rises with it; garbage never raises it.
 */
import { RuntimeError } from "../errors.ts";
import { classSize, FreeList } from "./free-list.ts";

const PAGE = 65536;
const MAX_PAGES = 65536;
/** Addresses below are scratch of the engine: parameter blocks. 0 is never a valid address. */
const RESERVED = 65536;

/** A block of the heap in use. */
export interface Region {
  readonly address: number;
  readonly size: number;
  /** Its bytes were freed or moved out: a finalizer that comes later has nothing to do. */
  dead: boolean;
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
  region: Region | null;
  constructor(address: number, region: Region | null) {
    this.address = address;
    this.region = region;
  }
}

export interface MemoryStats {
  /** Bytes in blocks that are not known to be dead. */
  allocated: number;
  /** The size of the WebAssembly memory in bytes. */
  reserved: number;
  allocated_peak: number;
  /** How many times blocks were moved out of the heap, and how many bytes. */
  spills: number;
  spilled_bytes: number;
  /** Bytes that came back. */
  restored_bytes: number;
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
  private readonly live = new Map<number, Cell>();
  private softLimit: number;
  private hardLimit: number;
  /** Counts launches; cells used by the current one are never moved. */
  epoch = 1;
  readonly stats: MemoryStats = {
    allocated: 0,
    reserved: 0,
    allocated_peak: 0,
    spills: 0,
    spilled_bytes: 0,
    restored_bytes: 0,
  };

  /** With `shared`, threads can work on it. */
  constructor(softLimit = 384 * 2 ** 20, hardLimit = MAX_PAGES * PAGE, shared = false) {
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

  private refreshViews(): void {
    const buffer = this.memory.buffer;
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.stats.reserved = buffer.byteLength;
  }

  /** Takes a block of at least `bytes` bytes (its contents are whatever was there). */
  allocate(bytes: number): Region {
    const size = classSize(bytes);
    let address = this.free.take(size);
    if (address === 0) address = this.carve(size);
    const stats = this.stats;
    stats.allocated += size;
    if (stats.allocated > stats.allocated_peak) stats.allocated_peak = stats.allocated;
    return { address, size, dead: false };
  }

  /** Registers a block as one that may be spilled. */
  track(region: Region): Cell {
    const cell = new Cell(region.address, region);
    cell.lastUse = this.epoch;
    this.live.set(region.address, cell);
    return cell;
  }

  /** Returns a block, once; later calls for the same block do nothing. */
  release(region: Region): void {
    if (region.dead) return;
    region.dead = true;
    this.live.delete(region.address);
    this.stats.allocated -= region.size;
    this.free.add(region.address, region.size);
  }

  /** A block for the engine itself, never freed. */
  reserve(bytes: number): number {
    return this.allocate(bytes).address;
  }

  /** A block where the free list has none of its class. */
  private carve(size: number): number {
    const resident = this.memory.buffer.byteLength;
    // Joining costs a sort of all free blocks, so there must be something to gain by it.
    if (this.top + size > resident && this.free.bytes >= Math.max(size, resident / 4)) {
      const found = this.joinAndTake(size);
      if (found !== 0) return found;
    }
    if (this.top + size > Math.min(this.softLimit, this.hardLimit)) {
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
      const wanted = Math.min(this.hardLimit, Math.max(end, resident + Math.min(resident, 64 * 2 ** 20)));
      try {
        this.memory.grow(Math.ceil((wanted - resident) / PAGE));
      } catch {
        this.outOfMemory(size);
      }
      this.refreshViews();
    }
    const address = this.top;
    this.top = end;
    return address;
  }

  private outOfMemory(size: number): never {
    throw new RuntimeError(
      `Kindling: out of memory: tried to allocate ${size} bytes (allocated ${this.stats.allocated} bytes, reserved ${this.stats.reserved} bytes, limit ${this.hardLimit} bytes)`,
    );
  }

  /** Spills the blocks used longest ago until `size` bytes in one piece are free, or nothing is left to spill. */
  private makeRoom(size: number): number {
    const cells = [...this.live.values()].filter((cell) => cell.lastUse !== this.epoch);
    cells.sort((a, b) => a.lastUse - b.lastUse);
    // A quarter of the limit at a time, so that the cost of sorting and joining is spread.
    let goal = Math.max(size, Math.min(this.softLimit, this.hardLimit) / 4);
    let next = 0;
    while (next < cells.length) {
      let moved = 0;
      while (next < cells.length && moved < goal) moved += this.spill(cells[next++]);
      const found = this.joinAndTake(size);
      if (found !== 0) return found;
      goal = size;
    }
    return 0;
  }

  private spill(cell: Cell): number {
    const region = cell.region as Region;
    cell.spilled = this.u8.slice(region.address, region.address + region.size);
    cell.address = 0;
    cell.region = null;
    this.stats.spills++;
    this.stats.spilled_bytes += region.size;
    this.release(region);
    return region.size;
  }

  /** Brings a spilled cell back. */
  restore(cell: Cell): Region {
    const bytes = cell.spilled as Uint8Array;
    // It was alive after all: the limit was too low for what the program needs.
    this.softLimit += bytes.length;
    this.stats.restored_bytes += bytes.length;
    const region = this.allocate(bytes.length);
    this.u8.set(bytes, region.address);
    cell.spilled = null;
    cell.address = region.address;
    cell.region = region;
    cell.lastUse = this.epoch;
    this.live.set(region.address, cell);
    return region;
  }
}
