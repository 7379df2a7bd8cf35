/** Memory of tensors. Views of a tensor share its storage. */
import { threadsAvailable } from "../backend/wasm/threads/pool.ts";
import { RuntimeError } from "../errors.ts";
import { Cell, Heap, type MemoryStats, type Region } from "./heap.ts";

/** The heap of this realm. */
export const heap: Heap = new Heap(undefined, undefined, threadsAvailable());

/** Up to this size storages share slabs. */
const SMALL = 512;
const SLAB = 16384;

/**
 * V8 does not see WebAssembly memory, so for this many allocated bytes an untouched buffer is made. It is a quarter as large,
 * which keeps a training loop's garbage between 100 and 250 MB. Half as many bytes take twice as many collections, at 20 to
 * 40 ms of processor time each (measured on a small transformer).
 */
const BALLAST = 128 * 2 ** 20;
const BALLAST_SHARE = 4;

/** After this many of them without a finalizer having run, a synchronous stretch is under way, and they become rarer. */
const PATIENCE = 4;

const finalizers = new FinalizationRegistry<Region>((region) => {
  idleBallasts = 0;
  ballasts.length = 0;
  heap.release(region);
});
let idleBallasts = 0;
/** Held until a finalizer runs: the collections of young objects would take them away, and they run no finalizers. */
const ballasts: object[] = [];

/** Memory that V8 counts and nobody touches. Node's `allocUnsafeSlow` does not clear it, `new ArrayBuffer` does. */
function makeBallast(bytes: number): object {
  const node = (globalThis as { Buffer?: { allocUnsafeSlow(size: number): object } }).Buffer;
  return node === undefined ? new ArrayBuffer(bytes) : node.allocUnsafeSlow(bytes);
}

let slab: Cell = newSlab();
let slabUsed = 0;
let sinceBallast = 0;
/** The large storages made since `trackStorages` was entered. */
let tracked: Storage[] | null = null;

function newSlab(): Cell {
  const region = heap.allocate(SLAB);
  // Slabs are not tracked: they are too small to be worth spilling. The slab lives as long as any storage in it.
  const cell = new Cell(region.address, null);
  finalizers.register(cell, region);
  return cell;
}

let serial = 0;

/** The serial number of the storage made last. */
export function lastStorageSerial(): number {
  return serial;
}

export class Storage {
  /** Counts storages, so that the engine can tell a fresh one. */
  readonly serial: number = ++serial;
  /** Size in bytes. */
  readonly nbytes: number;
  private readonly cell: Cell;
  private readonly offset: number;
  /** Something that outlives a scope holds it: a gradient, a parameter, an optimizer's state. */
  kept = false;

  /** Takes `nbytes` bytes, not cleared. */
  constructor(nbytes: number) {
    this.nbytes = nbytes;
    if (nbytes <= SMALL) {
      const size = nbytes === 0 ? 64 : (nbytes + 63) & ~63;
      if (slabUsed + size > SLAB) {
        slab = newSlab();
        slabUsed = 0;
      }
      this.cell = slab;
      this.offset = slabUsed;
      slabUsed += size;
      return;
    }
    const region = heap.allocate(nbytes);
    this.cell = heap.track(region);
    this.offset = 0;
    finalizers.register(this, region, this);
    if (tracked !== null) tracked.push(this);
    sinceBallast += nbytes;
    if (sinceBallast >= (idleBallasts < PATIENCE ? BALLAST : PATIENCE * BALLAST)) {
      if (ballasts.length === PATIENCE) ballasts.shift();
      ballasts.push(makeBallast(Math.min(sinceBallast / BALLAST_SHARE, 2 ** 30)));
      sinceBallast = 0;
      idleBallasts++;
    }
  }

  /**
   * Byte address of the first element, valid until the next launch or allocation outside the current launch.
   * Brings the bytes back if they were spilled.
   */
  get address(): number {
    const cell = this.cell;
    cell.lastUse = heap.epoch;
    if (cell.address === 0) this.restore();
    return cell.address + this.offset;
  }

  private restore(): void {
    if (this.cell.spilled === null) {
      throw new RuntimeError(
        "this tensor's memory was given back: it was made inside torch.scope() and is not part of its result, or it was disposed of",
      );
    }
    finalizers.unregister(this);
    finalizers.register(this, heap.restore(this.cell), this);
  }

  /**
   * Gives the bytes back now. Using the storage again is an error. Small storages share their block with others: for
   * them this does nothing.
   */
  free(): void {
    const { cell } = this;
    const { region } = cell;
    if (region === null) return;
    finalizers.unregister(this);
    heap.release(region);
    cell.region = null;
    cell.address = 0;
    sinceBallast -= this.nbytes;
  }
}

/**
 * What the heap holds, in PyTorch's words: `allocated` bytes in use, `reserved` bytes of WebAssembly memory,
 * and how much was spilled.
 */
export function memory_stats(): Readonly<MemoryStats> {
  return { ...heap.stats };
}

/**
 * Sets how many bytes of tensors the heap may hold before those used longest ago move to ordinary ArrayBuffers, and
 * how far it may grow at all (4 GiB at most).
 */
export function set_memory_limit(soft: number, hard?: number): void {
  heap.setLimits(soft, hard);
}

/**
 * Runs `body` and frees the storages that it allocated, except those that `keep` names. Only for code whose
 * intermediate tensors cannot have been kept by anyone else.
 */
export function trackStorages(body: () => void, keep: (storage: Storage) => boolean): void {
  const outer = tracked;
  const mine: Storage[] = [];
  tracked = mine;
  try {
    body();
  } finally {
    tracked = outer;
    for (const storage of mine) {
      if (storage.kept || keep(storage)) outer?.push(storage);
      else storage.free();
    }
  }
}
