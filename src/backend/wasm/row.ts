/**
 * Row kernels. The flattened outer indices [begin, end) are walked in runs along the last outer axis; each run is a loop
 * of four-lane vectors in several copies, then one copy, then single indices. What is vectorized is the last outer axis
 * (maps, and reductions over other dimensions) or the innermost inner axis (reductions of contiguous rows).
 *
 * Where an expression stands does not change its value: vector and scalar code round alike, and the order of a
 * reduction depends on the sizes only. So the result does not depend on how a launch is divided.
 */
import type { RowKernel } from "../../ir/kernel.ts";
import type { FunctionBuilder } from "./assembler.ts";
import { type Local, type MemoryLimits, ModuleBuilder } from "./assembler.ts";
import type { Features } from "./features.ts";
import { importFrame } from "./frame.ts";
import { ROW } from "./graph.ts";
import { importHost } from "./host.ts";
import { outerRuns, TILE_ROWS } from "./outer.ts";
import { type Accumulator, accumulator, type ReduceStyle } from "./reduce.ts";
import { type Prepared, type PreparedReduce, type PreparedStore, prepare } from "./stages.ts";
import { LANES, VectorEmitter } from "./vector.ts";

/** Steps after which float sums go into float64. */
const BLOCK = 256;

/** How the outer indices of a kernel are best divided among threads. */
export type Division =
  /** A map: anywhere. */
  | "elements"
  /** A map of transposed operands: in groups of TILE_ROWS whole rows. */
  | "tiles"
  /** Reductions beside each other, in the lanes of vectors: in wide groups. */
  | "columns"
  /** A row each: anywhere. */
  | "rows";

export interface EmittedRow {
  /** A module that exports `run(block, begin, end)`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly division: Division;
}

/** Makes the code of a row kernel. */
export function emitRow(kernel: RowKernel, features: Features, memory: MemoryLimits = {}): EmittedRow {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", memory);
  const host = importHost(module);
  const prepared = prepare(kernel, features);
  const f = module.function(["i32", "i32", "i32"], [], "run");
  const emitter = new VectorEmitter({
    f,
    graph: prepared.graph,
    buffers: kernel.buffers,
    features,
    block: f.parameter(0),
    host,
    frame: importFrame(module),
  });
  new RowGenerator(prepared, emitter).emit(f.parameter(1), f.parameter(2));
  return { bytes: module.bytes(), division: division(prepared) };
}

function division({ inner, outer, vectorAxis, transposed }: Prepared): Division {
  if (transposed) return "tiles";
  if (inner === 0) return "elements";
  return vectorAxis === outer - 1 ? "columns" : "rows";
}

class RowGenerator {
  private readonly prepared: Prepared;
  private readonly emitter: VectorEmitter;
  private readonly f: FunctionBuilder;

  constructor(prepared: Prepared, emitter: VectorEmitter) {
    this.prepared = prepared;
    this.emitter = emitter;
    this.f = emitter.f;
    for (let i = 0; i < prepared.sizes.length; i++) emitter.indices.push(this.f.local("i32"));
  }

  emit(begin: Local, end: Local): void {
    const { outer, sizes } = this.prepared;
    const { emitter } = this;
    const tile = (): void => {
      emitter.vectorAxis = outer - 2;
      this.row(TILE_ROWS / LANES);
      emitter.vectorAxis = -1;
    };
    const tiles = this.prepared.transposed ? tile : undefined;
    outerRuns(emitter, sizes.slice(0, outer), begin, end, (limit) => this.run(limit), tiles);
  }

  /** The last outer axis from its index up to `limit`. */
  private run(limit: Local): void {
    const { outer, vectorAxis } = this.prepared;
    this.tiers(outer - 1, limit, vectorAxis === outer - 1, (copies) => this.row(copies), ROW);
  }
  /** Loops of vectors in several copies, of vectors in one, and of single indices (copies 0); or the last only. */
  private tiers(axis: number, limit: Local, vectors: boolean, body: (copies: number) => void, known = 0): void {
    const { emitter } = this;
    if (vectors) {
      const { copies } = this.prepared;
      emitter.vectorAxis = axis;
      if (copies > 1) emitter.loop(axis, limit, LANES * copies, () => body(copies), known);
      emitter.loop(axis, limit, LANES, () => body(1), known);
      emitter.vectorAxis = -1;
    }
    emitter.loop(axis, limit, 1, () => body(0), known);
  }

  /** All stages for one outer index, or for those in `copies` copies. */
  private row(copies: number): void {
    for (const group of this.prepared.groups) {
      if (group.kind === "reduce") this.reduce(group.stages, copies);
      else if (group.over === "outer") this.store(group.stages, copies);
      else this.inner(0, (axis, limit) => this.storeInner(group.stages, axis, limit, copies));
    }
  }

  private store(stages: readonly PreparedStore[], copies: number): void {
    const { emitter } = this;
    const roots = stages.flatMap((s) => [s.value, s.index]);
    if (this.prepared.lockstep && copies > 0) emitter.inLockstep(roots, copies);
    else emitter.loadFirst(roots, copies);
    // All values before the first store.
    const values = stages.map(({ value }) =>
      copies > 0 ? emitter.vectorLocals(value, copies) : [emitter.scalarLocal(value)],
    );
    stages.forEach(({ buffer, index, value }, i) => {
      if (copies > 0) emitter.vectorStore(buffer, index, value.type, values[i], copies);
      else emitter.scalarStore(buffer, index, values[i][0]);
    });
  }
  private storeInner(stages: readonly PreparedStore[], axis: number, limit: Local, copies: number): void {
    if (copies > 0) this.emitter.loop(axis, limit, 1, () => this.store(stages, copies));
    else this.tiers(axis, limit, this.prepared.vectorAxis === axis, (n) => this.store(stages, n));
  }

  /** Nested loops over the inner axes from `j` on; `leaf` emits the innermost one. */
  private inner(j: number, leaf: (axis: number, limit: Local) => void): void {
    const { f, emitter } = this;
    const { outer, inner, sizes } = this.prepared;
    const axis = outer + j;
    f.i32(0).set(emitter.indices[axis]);
    const limit = emitter.scalarLocal(sizes[axis]);
    emitter.beforeLoop();
    if (j === inner - 1) leaf(axis, limit);
    else emitter.loop(axis, limit, 1, () => this.inner(j + 1, leaf));
  }

  private reduce(stages: readonly PreparedReduce[], copies: number): void {
    const { f, emitter } = this;
    const { outer, inner, vectorAxis, innerIndex } = this.prepared;
    const style: ReduceStyle = copies > 0 ? "lanes" : vectorAxis >= outer ? "across" : "scalar";
    const paired = emitter.features.wide && !this.prepared.rereads;
    const accumulators = stages.map((stage) =>
      accumulator(
        { emitter, style, copies: copies || this.prepared.copies, blocked: vectorAxis >= 0, innerIndex, paired },
        stage,
      ),
    );
    for (const a of accumulators) a.init();
    if (inner === 0) {
      this.step(accumulators, copies);
    } else {
      const folded = accumulators.some((a) => a.fold);
      const count = folded ? emitter.temporary("i32") : undefined;
      if (count) f.i32(0).set(count);
      this.inner(0, (axis, limit) => {
        if (style === "across") {
          emitter.vectorAxis = axis;
          const main = this.prepared.copies;
          this.blocks(axis, limit, LANES * main, accumulators, count, () => this.step(accumulators, main));
          if (main > 1) {
            f.get(limit)
              .i32(LANES * main)
              .op("i32.ge_s");
            f.if(() => {
              for (const a of accumulators) a.settle?.();
              if (count) f.i32(0).set(count);
            });
            emitter.loop(axis, limit, LANES, () => this.step(accumulators, 1));
          }
          emitter.vectorAxis = -1;
          emitter.loop(axis, limit, 1, () => this.step(accumulators, 0));
        } else this.blocks(axis, limit, 1, accumulators, count, () => this.step(accumulators, copies));
      });
      if (count) emitter.free(count);
    }
    for (const a of accumulators) a.finish();
  }
  private step(accumulators: readonly Accumulator[], copies: number): void {
    for (const a of accumulators) a.step(copies);
  }
  /**
   * A loop in blocks of BLOCK steps. `count`, if any accumulator folds, counts the steps since the last fold, over
   * all innermost loops of the row.
   */
  private blocks(
    axis: number,
    limit: Local,
    step: number,
    accumulators: readonly Accumulator[],
    count: Local | undefined,
    body: () => void,
  ): void {
    const { f, emitter } = this;
    if (!count) {
      emitter.loop(axis, limit, step, body);
      return;
    }
    const index = emitter.indices[axis];
    const blockEnd = emitter.temporary("i32");
    f.loop((again) => {
      f.get(count).get(index).op("i32.sub").set(count);
      f.get(index)
        .i32(BLOCK * step)
        .op("i32.add")
        .set(blockEnd);
      f.get(blockEnd).get(limit).get(blockEnd).get(limit).op("i32.lt_s").select().set(blockEnd);
      emitter.loop(axis, blockEnd, step, body);
      f.get(count).get(index).op("i32.add").set(count);
      f.get(count)
        .i32(BLOCK * step)
        .op("i32.ge_s");
      f.if(() => {
        for (const a of accumulators) a.fold?.();
        f.i32(0).set(count);
      });
      f.get(index).i32(step).op("i32.add").get(limit).op("i32.le_s").br_if(again);
    });
    emitter.free(blockEnd);
  }
}
