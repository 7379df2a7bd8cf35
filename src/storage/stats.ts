/** Counts of what the heap holds, under PyTorch's names. */

/** A quantity now, at its highest, and how much of it ever came and went. */
class Count {
  current = 0;
  peak = 0;
  allocated = 0;
  /** The amount at which the shown totals began. */
  private allocatedBefore = 0;
  private freedBefore = 0;

  add(n: number): void {
    this.allocated += n;
    this.current += n;
    if (this.current > this.peak) this.peak = this.current;
  }

  remove(n: number): void {
    this.current -= n;
  }

  /** Totals begin now. */
  resetAccumulated(): void {
    this.allocatedBefore = this.allocated;
    this.freedBefore = this.allocated - this.current;
  }

  entriesInto(stats: Record<string, number>, name: string): void {
    stats[`${name}.current`] = this.current;
    stats[`${name}.peak`] = this.peak;
    stats[`${name}.allocated`] = this.allocated - this.allocatedBefore;
    stats[`${name}.freed`] = this.allocated - this.current - this.freedBefore;
  }
}

export class HeapStats {
  /** Blocks that are not known to be dead. */
  readonly blocks: Count = new Count();
  readonly blockBytes: Count = new Count();
  /** The WebAssembly memory. */
  readonly reservedBytes: Count = new Count();
  /** The engine's own memory: scratch for packed operands, kernels for worker threads. */
  engineBytes = 0;
  /** Allocations that did not find room before garbage was looked for, blocks moved, or blocks spilled. */
  retries = 0;
  outOfMemory = 0;
  collections = 0;
  fullCollections = 0;
  /** Milliseconds spent in both. */
  collectionTime = 0;
  compactions = 0;
  spills = 0;
  spilledBytes = 0;
  restoredBytes = 0;

  /** All of them, under the names of `torch.accelerator.memory_stats()`; the last ones have no counterpart there. */
  snapshot(): Record<string, number> {
    const stats: Record<string, number> = {};
    this.blockBytes.entriesInto(stats, "allocated_bytes.all");
    this.reservedBytes.entriesInto(stats, "reserved_bytes.all");
    this.blocks.entriesInto(stats, "allocation.all");
    stats.num_alloc_retries = this.retries;
    stats.num_ooms = this.outOfMemory;
    stats.engine_bytes = this.engineBytes;
    stats.num_collections = this.collections;
    stats.num_full_collections = this.fullCollections;
    stats.collection_ms = Math.round(this.collectionTime);
    stats.num_compactions = this.compactions;
    stats.num_spills = this.spills;
    stats.spilled_bytes = this.spilledBytes;
    stats.restored_bytes = this.restoredBytes;
    return stats;
  }

  /** Peaks start again at what is there now. */
  resetPeaks(): void {
    for (const count of [this.blocks, this.blockBytes, this.reservedBytes]) count.peak = count.current;
  }

  /** Totals start again at zero. */
  resetAccumulated(): void {
    for (const count of [this.blocks, this.blockBytes, this.reservedBytes]) count.resetAccumulated();
    this.retries = this.outOfMemory = 0;
  }
}
