/** Memory of tensors. Views of a tensor share its storage. */
import { Cell, Heap, type MemoryStats, type Region } from "./heap.ts";

/** The heap of this realm. */
export const heap: Heap = new Heap();

/** Up to this size storages share slabs. */
const SMALL = 512;
const SLAB = 16384;

/** V8 does not see WebAssembly memory, so one storage in this many allocated bytes carries an untouched ArrayBuffer. */
const BALLAST = 16 * 2 ** 20;

/** After this many of them without a finalizer having run, a synchronous stretch is under way, and they become rarer. */
const PATIENCE = 8;

const finalizers = new FinalizationRegistry<Region>((region) => {
  idleBallasts = 0;
  heap.release(region);
});
let idleBallasts = 0;

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
  /** Only there to be seen by the garbage collector. */
  readonly ballast: object | null;

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
      this.ballast = null;
      return;
    }
    const region = heap.allocate(nbytes);
    this.cell = heap.track(region);
    this.offset = 0;
    finalizers.register(this, region, this);
    if (tracked !== null) tracked.push(this);
    sinceBallast += nbytes;
    if (sinceBallast >= (idleBallasts < PATIENCE ? BALLAST : PATIENCE * BALLAST)) {
      this.ballast = makeBallast(Math.min(sinceBallast, 2 ** 30));
      sinceBallast = 0;
      idleBallasts++;
    } else this.ballast = null;
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
    finalizers.unregister(this);
    finalizers.register(this, heap.restore(this.cell), this);
  }

  /** Whether the bytes are outside the heap just now. */
  get isSpilled(): boolean {
    return this.cell.address === 0;
  }

  /**
   * Gives the bytes back now. Only for the engine, and only where no tensor of the user's can share this storage;
   * the storage must not be used again.
   */
  free(): void {
    const region = this.cell.region;
    if (region !== null) {
      finalizers.unregister(this);
      heap.release(region);
    }
  }
}

/** Copies bytes within the heap or from outside into a storage. */
export function writeBytes(storage: Storage, byteOffset: number, bytes: Uint8Array): void {
  heap.u8.set(bytes, storage.address + byteOffset);
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
      if (keep(storage)) outer?.push(storage);
      else storage.free();
    }
  }
}
