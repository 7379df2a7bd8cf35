/**
 * Code for contractions, `C[b, m, n] = Σ_k A·B`, after Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication" (ACM TOMS 34(3), 2008): blocks of A are packed for the second-level cache, panels of B for the first,
 * and a micro-kernel keeps a tile of C in registers. Since operands are expressions of the indices, the packing is
 * generated from them, and convolutions need no intermediate matrix.
 */
import type { Axis, Expr } from "../../ir/expr.ts";
import type { ContractionKernel } from "../../ir/kernel.ts";
import { type Callable, type FunctionBuilder, type Local, type MemoryLimits, ModuleBuilder } from "./assembler.ts";
import { type AffineAccess, affineAccess, emitOffsets, Parameters, tableBytes } from "./contraction-affine.ts";
import { emitChunks, emitDotPanel, emitNeedsMask, emitPackDot, emitUseDot, mostChunks } from "./contraction-dot.ts";
import { emitStreamEpilogue, planStreams } from "./contraction-epilogue.ts";
import { type Lanes, lanesOf, TILE_GROUPS, TILE_ROW_BYTES } from "./contraction-lanes.ts";
import { type BSource, emitFinalPanel, emitPanel } from "./contraction-microkernel.ts";
import { emitAdjacent, emitPackA, emitPackB } from "./contraction-pack.ts";
import { emitScalarEpilogue, emitScalarPackA, emitScalarPackB } from "./contraction-scalar.ts";
import { rawElements } from "./elements.ts";
import type { Features } from "./features.ts";

/**
 * Rows and columns of a work unit, and the most values of k that are summed before they are added to the rest. An A block
 * of UNIT_ROWS × DEPTH floats fits the second-level cache, a B panel of DEPTH rows the first.
 */
const UNIT_ROWS = 192;
const UNIT_COLUMNS = 512;
const DEPTH = 384;
/** With at most this many rows, panels of B that are contiguous in memory are read there instead of being packed. */
const DIRECT_ROWS = 18;

export interface EmittedContraction {
  /**
   * A module that exports `run(block, begin, end)` and imports `env.memory` and `env.scratch(bytes)`, a function that gives
   * the address of that many bytes (a multiple of 16) for the duration of the run; threads need a scratch area each.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The number of work units of a launch; `read(slot)` is the i32 in the 8-byte slot of its parameter block. */
  readonly units: (read: (slot: number) => number) => number;
  /** How many bytes it asks of `env.scratch`. */
  readonly scratchBytes: number;
}

/** Makes the code of a contraction kernel. */
export function emitContraction(
  kernel: ContractionKernel,
  features: Features,
  memory: MemoryLimits = {},
): EmittedContraction {
  return new ContractionEmitter(orient(kernel), features, memory).emit();
}

/** Exchanges the roles of A and B where C is contiguous along m and not along n: vectors run along n. */
function orient(kernel: ContractionKernel): ContractionKernel {
  const contiguous = (axes: readonly Axis[]): boolean => {
    const axis = axes[axes.length - 1];
    const { index } = kernel.stores[0];
    return axis !== undefined && affineAccess(index, [axis], 0, 1)?.strides.get(axis)?.is(1) === true;
  };
  if (kernel.stores.length === 0 || contiguous(kernel.n) || !contiguous(kernel.m)) return kernel;
  return { ...kernel, m: kernel.n, n: kernel.m, a: kernel.b, b: kernel.a };
}

/** The access of an operand that is one unmasked load of the accumulated type, affine in all axes, else null. */
function plainLoad(kernel: ContractionKernel, e: Expr, lanes: Lanes): AffineAccess | null {
  if (e.op !== "load" || e.args.length > 1 || e.type !== lanes.type) return null;
  const bytes = rawElements[kernel.buffers[e.slot].dtype].size;
  if (bytes !== lanes.size) return null;
  return affineAccess(e.args[0], [...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k], e.slot, bytes);
}

class ContractionEmitter {
  private readonly kernel: ContractionKernel;
  private readonly lanes: Lanes;
  private readonly module = new ModuleBuilder();
  private readonly scratch: Callable;
  private scratchBytes = 0;

  constructor(kernel: ContractionKernel, features: Features, memory: MemoryLimits) {
    this.kernel = kernel;
    this.lanes = lanesOf(kernel.accumulate, features.relaxed);
    this.module.importMemory("env", "memory", memory);
    this.scratch = this.module.importFunction("env", "scratch", ["i32"], ["i32"]);
  }

  private reserve(bytes: number): number {
    const offset = this.scratchBytes;
    this.scratchBytes += (bytes + 63) & ~63;
    return offset;
  }

  private offsets(access: AffineAccess, group: readonly Axis[], withBatch: boolean): FunctionBuilder {
    const { kernel } = this;
    return emitOffsets(this.module, kernel.buffers.length, access, group, withBatch ? kernel.batch : null);
  }

  emit(): EmittedContraction {
    const { kernel, lanes, module } = this;
    const panelColumns = TILE_GROUPS * lanes.count;
    const f = module.function(["i32", "i32", "i32"], [], "run");
    const [block, begin, end] = [0, 1, 2].map((i) => f.parameter(i));

    const parameters = new Parameters(f, block, kernel.buffers.length);
    const m = parameters.product(kernel.m);
    const n = parameters.product(kernel.n);
    const k = parameters.product(kernel.k);
    const base = f.local("i32");
    const local = () => f.local("i32");
    const [mBlocks, nBlocks, depth] = [local(), local(), local()];
    const [batch, m0, rows, n0, columns, k0, kCount] = [local(), local(), local(), local(), local(), local(), local()];
    const [rowBlock, packedRowBlock, single, panel, count] = [local(), local(), local(), local(), local()];
    const [tileAt, bAt, columnAt, last] = [local(), local(), local(), local()];
    const [useDot, masked, chunks] = [local(), local(), local()];

    const tableA = plainLoad(kernel, kernel.a, lanes);
    const tableB = plainLoad(kernel, kernel.b, lanes);
    const plan = planStreams(kernel, lanes);

    // The scratch area.
    const aRows = this.reserve(tableBytes(UNIT_ROWS));
    const aDepth = this.reserve(tableBytes(DEPTH));
    const bColumns = this.reserve(tableBytes(UNIT_COLUMNS));
    const bDepth = this.reserve(tableBytes(DEPTH));
    const masks = this.reserve(16 * mostChunks(DEPTH));
    const streamCount = plan?.streams.length ?? 0;
    const tables = { rowStride: tableBytes(UNIT_ROWS), columnStride: tableBytes(UNIT_COLUMNS) };
    const streamRows = this.reserve(streamCount * tables.rowStride);
    const streamColumns = this.reserve(streamCount * tables.columnStride);
    const aPacked = this.reserve(UNIT_ROWS * DEPTH * lanes.size);
    const bPacked = this.reserve(DEPTH * TILE_ROW_BYTES);
    const tile = this.reserve((UNIT_COLUMNS / panelColumns) * UNIT_ROWS * TILE_ROW_BYTES);

    const at = (offset: number) => f.get(base).i32(offset).op("i32.add");
    const ceilDiv = (x: Local, by: number) =>
      f
        .get(x)
        .i32(by - 1)
        .op("i32.add")
        .i32(by)
        .op("i32.div_u");
    const minimum = (limit: number | Local, push: () => void, into: Local) => {
      push();
      f.set(into);
      const pushLimit = () => (typeof limit === "number" ? f.i32(limit) : f.get(limit));
      pushLimit();
      f.get(into);
      pushLimit();
      f.get(into).op("i32.lt_s").select().set(into);
    };

    f.get(begin)
      .get(end)
      .op("i32.ge_s")
      .if(() => f.return());
    const scratchBytes = this.scratchBytes;
    f.i32(scratchBytes).call(this.scratch).set(base);
    ceilDiv(m, UNIT_ROWS).set(mBlocks);
    ceilDiv(n, UNIT_COLUMNS).set(nBlocks);
    // Equal parts of k, in whole fours.
    ceilDiv(k, DEPTH).set(depth);
    f.get(depth).i32(1).op("i32.le_u").set(single);
    f.get(single).if(
      () => f.get(k).set(depth),
      () => {
        f.get(k).get(depth).op("i32.add").i32(1).op("i32.sub").get(depth).op("i32.div_u");
        f.i32(3).op("i32.add").i32(-4).op("i32.and").set(depth);
      },
    );
    f.i32(-1).set(packedRowBlock);

    const aRowOffsets = tableA && this.offsets(tableA, kernel.m, true);
    const aDepthOffsets = tableA && this.offsets(tableA, kernel.k, false);
    const bColumnOffsets = tableB && this.offsets(tableB, kernel.n, true);
    const bDepthOffsets = tableB && this.offsets(tableB, kernel.k, false);
    const streamOffsets = plan?.streams.map((s) => ({
      rows: this.offsets(s, kernel.m, false),
      columns: this.offsets(s, kernel.n, true),
    }));
    const packGroup = emitPackGroup(module, lanes);
    const packA = tableA ? emitPackA(module, lanes, packGroup) : emitScalarPackA(module, kernel, lanes);
    const epilogue = plan
      ? emitStreamEpilogue(module, kernel, lanes, plan, tables)
      : emitScalarEpilogue(module, kernel, lanes);

    const panelOf = (source: BSource) => {
      const partial = emitPanel(module, lanes, source);
      const final = plan && emitFinalPanel(module, kernel, lanes, source, plan, tables, partial, epilogue);
      return { partial, final };
    };
    const dot =
      lanes.type === "f32" && tableA && tableB && kernel.k.length > 0
        ? {
            chunks: emitChunks(module, kernel.buffers.length, [tableA, tableB], kernel.k),
            pack: emitPackDot(module),
            panel: emitDotPanel(module, lanes),
          }
        : null;
    if (dot && tableA && tableB) {
      emitUseDot(f, parameters, m, [tableA, tableB], kernel.k, kernel.n);
      f.set(useDot);
      emitNeedsMask(f, parameters, kernel.k);
      f.set(masked);
    }
    const packedPanel = panelOf("panel");
    const directPanel = tableB && panelOf("table");

    /** Fills a table along one index group. */
    const fill = (offsets: FunctionBuilder, start: Local, length: Local, table: number) => {
      f.get(block).get(batch).get(start).get(length);
      at(table);
      f.call(offsets);
    };

    f.loop((nextUnit) => {
      // Units count over n blocks fastest, then m blocks, then the batch.
      f.get(begin).get(nBlocks).op("i32.rem_u").i32(UNIT_COLUMNS).op("i32.mul").set(n0);
      f.get(begin).get(nBlocks).op("i32.div_u").tee(rowBlock).get(mBlocks).op("i32.div_u").set(batch);
      f.get(rowBlock).get(mBlocks).op("i32.rem_u").i32(UNIT_ROWS).op("i32.mul").set(m0);
      minimum(UNIT_ROWS, () => f.get(m).get(m0).op("i32.sub"), rows);
      minimum(UNIT_COLUMNS, () => f.get(n).get(n0).op("i32.sub"), columns);
      if (bColumnOffsets) fill(bColumnOffsets, n0, columns, bColumns);
      for (const [s, { columns: offsets }] of (streamOffsets ?? []).entries())
        fill(offsets, n0, columns, streamColumns + s * tables.columnStride);
      f.get(rowBlock).get(packedRowBlock).op("i32.ne");
      f.if(() => {
        if (aRowOffsets) fill(aRowOffsets, m0, rows, aRows);
        for (const [s, { rows: offsets }] of (streamOffsets ?? []).entries())
          fill(offsets, m0, rows, streamRows + s * tables.rowStride);
      });

      f.i32(0).set(k0);
      f.loop((nextDepth) => {
        minimum(depth, () => f.get(k).get(k0).op("i32.sub"), kCount);
        f.get(k0).get(kCount).op("i32.add").get(k).op("i32.eq").set(last);
        // With one block of k, A stays packed for all units of a row block.
        f.get(rowBlock).get(packedRowBlock).op("i32.ne").get(single).op("i32.eqz").op("i32.or");
        f.if(() => {
          const packRows = () => {
            if (aDepthOffsets) {
              fill(aDepthOffsets, k0, kCount, aDepth);
              at(aRows);
              at(aDepth);
              f.get(rows).get(kCount);
              at(aPacked);
            } else {
              f.get(block).get(batch).get(m0).get(rows).get(k0).get(kCount);
              at(aPacked);
            }
            f.call(packA);
          };
          if (dot) {
            f.get(useDot).if(() => {
              f.get(block).get(k0).get(kCount);
              for (const table of [aDepth, bDepth, masks]) at(table);
              f.call(dot.chunks).set(chunks);
              for (const table of [aRows, aDepth, masks]) at(table);
              f.get(chunks).get(rows);
              at(aPacked);
              f.call(dot.pack);
            }, packRows);
          } else packRows();
          f.get(rowBlock).set(packedRowBlock);
        });
        if (bDepthOffsets) {
          f.get(useDot)
            .op("i32.eqz")
            .if(() => fill(bDepthOffsets, k0, kCount, bDepth));
        }

        f.i32(0).set(panel);
        at(tile);
        f.set(tileAt);
        f.loop((nextPanel) => {
          minimum(panelColumns, () => f.get(columns).get(panel).op("i32.sub"), count);
          const finishTile = () => {
            if (plan) {
              f.get(block).get(rows).get(count).get(tileAt);
              at(streamRows);
              at(streamColumns);
              f.get(panel).i32(2).op("i32.shl").op("i32.add");
            } else {
              f.get(block).get(batch).get(m0).get(rows);
              f.get(n0).get(panel).op("i32.add").get(count).get(tileAt);
            }
            f.call(epilogue);
          };
          const computeDot = ({ panel: dotPanel }: { panel: FunctionBuilder }) => {
            at(aPacked);
            at(bColumns);
            f.get(panel).i32(2).op("i32.shl").op("i32.add");
            at(bDepth);
            at(masks);
            f.i32(0).get(masked).select();
            f.get(chunks).get(rows).get(tileAt).get(k0).i32(0).op("i32.ne").get(count).call(dotPanel);
            f.get(last).if(finishTile);
          };
          const compute = ({ partial, final }: ReturnType<typeof panelOf>, pushB: () => void) => {
            const pushArguments = () => {
              at(aPacked);
              pushB();
              f.get(kCount).get(rows).get(tileAt).get(k0).i32(0).op("i32.ne");
            };
            const computePartial = () => {
              pushArguments();
              f.call(partial);
            };
            if (final) {
              f.get(last).if(() => {
                pushArguments();
                f.get(block).get(count);
                at(streamRows);
                at(streamColumns);
                f.get(panel).i32(2).op("i32.shl").op("i32.add").call(final);
              }, computePartial);
            } else {
              computePartial();
              f.get(last).if(finishTile);
            }
          };
          const computePacked = () =>
            compute(packedPanel, () => {
              at(bPacked);
            });
          const computeOuter = () => {
            if (!directPanel || !packB) return;
          };
          if (dot) {
            f.get(useDot).if(() => computeDot(dot), computeOuter);
          } else computeOuter();

          // With one block of k, all panels use the same tile, which stays in the first-level cache.
          f.get(tileAt).get(rows).get(single).op("i32.eqz").op("i32.mul").i32(TILE_ROW_BYTES).op("i32.mul");
          f.op("i32.add").set(tileAt);
          f.get(panel).i32(panelColumns).op("i32.add").tee(panel).get(columns).op("i32.lt_s").br_if(nextPanel);
        });
        f.get(k0).get(depth).op("i32.add").tee(k0).get(k).op("i32.lt_s").br_if(nextDepth);
      });
      f.get(begin).i32(1).op("i32.add").tee(begin).get(end).op("i32.lt_s").br_if(nextUnit);
    });

    return { bytes: module.bytes(), units: this.units(), scratchBytes };
  }

  private units(): (read: (slot: number) => number) => number {
    const { kernel } = this;
    const sizes = (axes: readonly Axis[]) => axes.map((axis) => readSize(axis.size, kernel.buffers.length));
    const [batch, m, n] = [sizes(kernel.batch), sizes(kernel.m), sizes(kernel.n)];
    return (read) => {
      const product = (list: readonly SizeReader[]) => list.reduce((total, size) => total * size(read), 1);
      return product(batch) * Math.ceil(product(m) / UNIT_ROWS) * Math.ceil(product(n) / UNIT_COLUMNS);
    };
  }
}

type SizeReader = (read: (slot: number) => number) => number;

function readSize(size: Expr, bufferCount: number): SizeReader {
  if (size.op === "const") return () => size.value as number;
  if (size.op === "param") return (read) => read(bufferCount + size.slot);
  throw new Error(`contraction: an axis size must be a constant or a parameter, not ${size.op}`);
}
