/** Memory of tensors. Views of a tensor share its storage. */
import { threadsAvailable } from "../backend/wasm/threads/pool.ts";
import { RuntimeError } from "../errors.ts";
import { type Cell, Heap, type Region } from "./heap.ts";
import { Reachability, Tracked } from "./reachability.ts";

/** The heap of this realm. */
export const heap: Heap = new Heap(undefined, undefined, threadsAvailable());

/** Up to this size storages share slabs. */
const SMALL = 512;
const SLAB = 16384;

/** Knows what is reachable, where the engine can be asked; elsewhere finalizers tell, later. */
let reachability: Reachability | null = Reachability.likely ? new Reachability() : null;

if (reachability !== null) {
  heap.setAsking({ ask: askReachable, isYoung: (cell) => Reachability.isYoung(cell.age) });
  heap.setLimits(roomOfMachine());
}

/** Half of the memory that the process may use, but 4 GiB at most: beyond it, blocks are spilled. */
function roomOfMachine(): number {
  const { process } = globalThis as {
    process?: { constrainedMemory?(): number; getBuiltinModule?(name: string): unknown };
  };
  const os = process?.getBuiltinModule?.("node:os") as { totalmem(): number } | undefined;
  const total = os?.totalmem() ?? 2 ** 30;
  const constrained = process?.constrainedMemory?.() ?? 0;
  const half = (constrained > 0 ? Math.min(total, constrained) : total) / 2;
  return Math.max(384 * 2 ** 20, Math.min(half, 2 ** 32));
}

function askReachable(full: boolean, stamp: number): boolean {
  if (reachability === null) return false;
  if (!reachability.askable) {
    // What was made so far is spilled when room runs out, and what is made from now on has finalizers.
    reachability = null;
    heap.setAsking(null);
    return false;
  }
  return reachability.collect(full, (member) => {
    const { cell } = member as Storage | Slab;
    cell.found = stamp;
    cell.age = member.age + 1;
    // What was freed or spilled is watched again from when it comes back.
    return cell.region !== null;
  });
}

/**
 * V8 does not see WebAssembly memory, so where the engine cannot be asked, an untouched buffer is made for this many
 * allocated bytes. It is a quarter as large, which keeps a training loop's garbage between 100 and 250 MB. Half as many
 * bytes take twice as many collections, at 20 to 40 ms of processor time each (measured on a small transformer).
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
let sinceBallast = 0;

/** Makes a ballast if it is time for one, now that `bytes` more are allocated. */
function makeBallast(bytes: number): void {
  sinceBallast += bytes;
  if (sinceBallast < (idleBallasts < PATIENCE ? BALLAST : PATIENCE * BALLAST)) return;
  const size = Math.min(sinceBallast / BALLAST_SHARE, 2 ** 30);
  sinceBallast = 0;
  idleBallasts++;
  if (ballasts.length === PATIENCE) ballasts.shift();
  // Node's `allocUnsafeSlow` does not clear it, `new ArrayBuffer` does.
  const node = (globalThis as { Buffer?: { allocUnsafeSlow(size: number): object } }).Buffer;
  ballasts.push(node === undefined ? new ArrayBuffer(size) : node.allocUnsafeSlow(size));
}

/** Has the memory of `holder` given back when it can no longer be reached. */
function watch(holder: Tracked, region: Region): void {
  if (reachability !== null) reachability.add(holder);
  else finalizers.register(holder, region, holder);
}

/** A block that small storages share. It lives as long as any of them. */
class Slab extends Tracked {
  readonly cell: Cell;
  used = 0;
  constructor() {
    super();
    const region = heap.allocate(SLAB);
    this.cell = heap.track(region, true);
    watch(this, region);
  }
  protected override describe(): string {
    return `Slab(${SLAB} bytes)`;
  }
}

let slab = new Slab();
/** The large storages made since `trackStorages` was entered. */
let tracked: Storage[] | null = null;

let serial = 0;

/** The serial number of the storage made last. */
export function lastStorageSerial(): number {
  return serial;
}

export class Storage extends Tracked {
  /** Counts storages, so that the engine can tell a fresh one. */
  readonly serial: number = ++serial;
  /** Size in bytes. */
  readonly nbytes: number;
  /** @internal */ readonly cell: Cell;
  private readonly offset: number;
  /** Only there to keep alive the slab that this is a part of. */
  readonly slab: Slab | null;
  /** Something that outlives a scope holds it: a gradient, a parameter, an optimizer's state. */
  kept = false;

  /** Takes `nbytes` bytes, not cleared. */
  constructor(nbytes: number) {
    super();
    this.nbytes = nbytes;
    if (nbytes <= SMALL) {
      const size = nbytes === 0 ? 64 : (nbytes + 63) & ~63;
      if (slab.used + size > SLAB) slab = new Slab();
      this.cell = slab.cell;
      this.offset = slab.used;
      this.slab = slab;
      slab.used += size;
      return;
    }
    const region = heap.allocate(nbytes);
    this.cell = heap.track(region);
    this.offset = 0;
    watch(this, region);
    if (tracked !== null) tracked.push(this);
    this.slab = null;
    if (reachability === null) makeBallast(nbytes);
  }

  protected override describe(): string {
    return `Storage(${this.nbytes} bytes)`;
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
    watch(this, heap.restore(this.cell));
  }

  /**
   * Gives the bytes back now. Using the storage again is an error. Small storages share their block with others: for
   * them this does nothing.
   */
  free(): void {
    const { cell } = this;
    const { region } = cell;
    if (region === null || cell.slab) return;
    if (reachability === null) {
      finalizers.unregister(this);
      sinceBallast -= this.nbytes;
    }
    heap.release(region);
    cell.region = null;
    cell.address = 0;
  }
}

/** For tests: leaves it to finalizers to tell what is dead, as in a browser, or asks the engine again. */
export function askEngine(on: boolean): void {
  reachability = on && Reachability.likely ? new Reachability() : null;
  heap.setAsking(
    reachability === null ? null : { ask: askReachable, isYoung: (cell) => Reachability.isYoung(cell.age) },
  );
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

/** Runs `body`, whose storages live on, inside of what `trackStorages` runs. */
export function withoutTracking<R>(body: () => R): R {
  const outer = tracked;
  tracked = null;
  try {
    return body();
  } finally {
    tracked = outer;
  }
}
