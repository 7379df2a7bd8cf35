/** The loops of a contraction: over work units, blocks of k and panels of columns, and the scratch memory they use. */
import type { Axis, Expr } from "../../ir/expr.ts";
import type { ContractionKernel } from "../../ir/kernel.ts";
import { type Callable, type FunctionBuilder, type Local, type MemoryLimits, ModuleBuilder } from "./assembler.ts";
import { type AffineAccess, affineAccess, emitOffsets, Parameters, tableBytes } from "./contraction-affine.ts";
import { emitChunks, emitDotPanel, emitNeedsMask, emitPackDot, emitUseDot } from "./contraction-dot.ts";
import { emitStreamEpilogue, planStreams, type StreamPlan } from "./contraction-epilogue.ts";
import type { ScalarEnvironment } from "./contraction-expression.ts";
import { type Lanes, lanesOf, TILE_GROUPS } from "./contraction-lanes.ts";
import { emitMaskedPackGroup, maskConditions, maskPeriodAxes } from "./contraction-mask.ts";
import { emitPanel } from "./contraction-microkernel.ts";
import { emitGroupAdjacent, emitPackA, emitPackGroup } from "./contraction-pack.ts";
import { emitScalarEpilogue, emitScalarPackA, emitScalarPackB } from "./contraction-scalar.ts";
import { rawElements } from "./elements.ts";
import type { Features } from "./features.ts";
import { importHost } from "./host.ts";

/**
 * The most rows and columns of a work unit, and the most values of k that are summed before they are added to the rest. An
 * A block of UNIT_ROWS × DEPTH floats fits the second-level cache, a B panel of DEPTH rows the first.
 */
const UNIT_ROWS = 192;
const UNIT_COLUMNS = 512;
const DEPTH = 384;
/** Rows of a unit are a multiple of the micro-kernel's. */
const ROW_STEP = 6;
/** Columns of a unit are a multiple of this many. */
const COLUMN_STEP = 64;
/** So many units are wanted where the shape allows it, so that several threads have something to do. */
const WANTED_UNITS = 8;

const ceilDivide = (x: number, by: number): number => Math.ceil(x / by);

/** How a contraction is divided into work units: by its shape alone, so that results do not depend on who runs them. */
export function unitGrid(batch: number, m: number, n: number): { rows: number; columns: number; units: number } {
  const mBlocks = ceilDivide(m, UNIT_ROWS);
  const rows = ceilDivide(ceilDivide(m, mBlocks), ROW_STEP) * ROW_STEP;
  const parts = ceilDivide(WANTED_UNITS, batch * mBlocks);
  const columns = Math.min(UNIT_COLUMNS, ceilDivide(ceilDivide(n, parts), COLUMN_STEP) * COLUMN_STEP);
  return { rows, columns, units: batch * mBlocks * ceilDivide(n, columns) };
}

/** With at most this many rows, groups of B that are contiguous in memory are read there instead of being packed. */
const DIRECT_ROWS = 36;

/** An operand that tables can describe. */
interface TableOperand {
  readonly access: AffineAccess;
  /** What must be ≥ 0 for the element to count; empty where there is no mask. */
  readonly conditions: readonly AffineAccess[];
}

/** An operand that is one load of the accumulated type, affine in all axes, with an affine mask or none; else null. */
function tableOperand(kernel: ContractionKernel, e: Expr, lanes: Lanes): TableOperand | null {
  if (e.op !== "load" || e.type !== lanes.type) return null;
  const bytes = rawElements[kernel.buffers[e.slot].dtype].size;
  const axes = [...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k];
  const access = bytes === lanes.size ? affineAccess(e.args[0], axes, e.slot, bytes) : null;
  const conditions = maskConditions(e.args[1], axes);
  if (access === null || conditions === null || (conditions.length > 0 && lanes.count !== 4)) return null;
  return { access, conditions };
}

/** Writes the module of one contraction kernel. */
export class ContractionLaunch {
  private readonly kernel: ContractionKernel;
  private readonly lanes: Lanes;
  private readonly module = new ModuleBuilder();
  private readonly environment: ScalarEnvironment;
  private readonly scratch: Callable;
  private readonly f: FunctionBuilder;
  /** Bytes of scratch memory that a run needs. */
  scratchBytes = 0;

  private readonly a: TableOperand | null;
  private readonly b: TableOperand | null;
  private readonly plan: StreamPlan | null;
  private readonly memory;
  private readonly variables;
  private readonly functions;

  constructor(kernel: ContractionKernel, features: Features, memory: MemoryLimits) {
    this.kernel = kernel;
    this.lanes = lanesOf(kernel.accumulate, features);
    this.module.importMemory("env", "memory", memory);
    this.scratch = this.module.importFunction("env", "scratch", ["i32"], ["i32"]);
    this.environment = { features, host: importHost(this.module) };
    this.f = this.module.function(["i32", "i32", "i32"], [], "run");
    this.a = tableOperand(kernel, kernel.a, this.lanes);
    this.b = tableOperand(kernel, kernel.b, this.lanes);
    this.plan = planStreams(kernel, this.lanes);
    this.memory = this.layOutScratch();
    this.variables = this.declareVariables();
    this.functions = this.declareFunctions();
  }

  private get panelColumns(): number {
    return TILE_GROUPS * this.lanes.groupColumns;
  }

  /** Byte offsets within the scratch area. */
  private layOutScratch() {
    const reserve = (bytes: number): number => {
      const offset = this.scratchBytes;
      this.scratchBytes += (bytes + 63) & ~63;
      return offset;
    };
    const streamCount = this.plan?.streams.length ?? 0;
    const tables = { rowStride: tableBytes(UNIT_ROWS), columnStride: tableBytes(UNIT_COLUMNS) };
    return {
      tables,
      aRows: reserve(tableBytes(UNIT_ROWS)),
      aDepth: reserve(tableBytes(DEPTH)),
      bColumns: reserve(tableBytes(UNIT_COLUMNS)),
      bDepth: reserve(tableBytes(DEPTH)),
      /** The depth table of packed panels. */
      panelDepth: reserve(tableBytes(DEPTH)),
      /** Masks of chunks, or of one period of k. */
      masks: reserve(16 * DEPTH),
      aConditions: reserve((this.a?.conditions.length ?? 0) * tableBytes(UNIT_ROWS)),
      aConditionDepth: reserve((this.a?.conditions.length ?? 0) * tableBytes(DEPTH)),
      bConditions: reserve((this.b?.conditions.length ?? 0) * tableBytes(UNIT_COLUMNS)),
      bConditionDepth: reserve((this.b?.conditions.length ?? 0) * tableBytes(DEPTH)),
      streamRows: reserve(streamCount * tables.rowStride),
      streamColumns: reserve(streamCount * tables.columnStride),
      aPacked: reserve(UNIT_ROWS * DEPTH * this.lanes.size + 16),
      bPacked: reserve(DEPTH * this.lanes.rowBytes),
      tile: reserve((UNIT_COLUMNS / this.panelColumns) * UNIT_ROWS * this.lanes.rowBytes),
    };
  }

  private declareVariables() {
    const i32 = () => this.f.local("i32");
    return {
      block: this.f.parameter(0),
      unit: this.f.parameter(1),
      end: this.f.parameter(2),
      base: i32(),
      mBlocks: i32(),
      nBlocks: i32(),
      unitRows: i32(),
      unitColumns: i32(),
      /** Values of k in a block, and whether there is only one block. */
      depth: i32(),
      single: i32(),
      batch: i32(),
      m0: i32(),
      rows: i32(),
      n0: i32(),
      columns: i32(),
      k0: i32(),
      kCount: i32(),
      /** Whether this is the last block of k. */
      last: i32(),
      /** Batch and m block, flattened: that of the unit, and that whose tables (and A) are in the scratch area. */
      rowBlock: i32(),
      packedRowBlock: i32(),
      /** First column of the panel within the unit, its number of columns, its tile. */
      panel: i32(),
      count: i32(),
      tile: i32(),
      columnTable: i32(),
      bAddresses: [i32(), i32()] as const,
      bTables: [i32(), i32()] as const,
      useDot: i32(),
      masked: i32(),
      chunks: i32(),
      /** After how many values of k the masks repeat. */
      aPeriod: i32(),
      bPeriod: i32(),
    };
  }

  private declareFunctions() {
    const { kernel, lanes, module, a, b, plan, environment } = this;
    const { tables } = this.memory;
    const offsets = (access: AffineAccess, group: readonly Axis[], withBatch: boolean) =>
      emitOffsets(module, kernel.buffers.length, access, group, withBatch ? kernel.batch : null);
    const packGroup = emitPackGroup(module, lanes);
    const epilogue = plan
      ? emitStreamEpilogue(module, kernel, lanes, plan, tables)
      : emitScalarEpilogue(module, kernel, lanes, environment);
    const stores = plan && { kernel, plan, tables, epilogue };
    const conditions = (operand: TableOperand | null, group: readonly Axis[]) =>
      (operand?.conditions ?? []).map((access) => ({
        group: offsets(access, group, true),
        depth: offsets(access, kernel.k, false),
      }));
    /** The function that packs a group of rows or columns of an operand. */
    const groupPacker = (operand: TableOperand | null, groupSize: number) => {
      const count = operand?.conditions.length ?? 0;
      if (count === 0) return packGroup;
      return emitMaskedPackGroup(module, lanes, count, tableBytes(groupSize), tableBytes(DEPTH));
    };
    return {
      aRows: a && offsets(a.access, kernel.m, true),
      aDepth: a && offsets(a.access, kernel.k, false),
      bColumns: b && offsets(b.access, kernel.n, true),
      bDepth: b && offsets(b.access, kernel.k, false),
      aConditions: conditions(a, kernel.m),
      bConditions: conditions(b, kernel.n),
      streams: (plan?.streams ?? []).map((stream) => ({
        rows: offsets(stream, kernel.m, false),
        columns: offsets(stream, kernel.n, true),
      })),
      packA: a
        ? emitPackA(module, lanes, groupPacker(a, UNIT_ROWS))
        : emitScalarPackA(module, kernel, lanes, environment),
      packGroup: groupPacker(b, UNIT_COLUMNS),
      packB: b ? null : emitScalarPackB(module, kernel, lanes, environment),
      packedPanel: emitPanel(module, lanes, "panel", stores),
      directPanel: b && emitPanel(module, lanes, "table", stores),
      epilogue,
      dot:
        lanes.type === "f32" && a?.conditions.length === 0 && b?.conditions.length === 0 && kernel.k.length > 0
          ? {
              accesses: [a.access, b.access] as const,
              chunks: emitChunks(module, kernel.buffers.length, [a.access, b.access], kernel.k),
              pack: emitPackDot(module),
              panel: emitDotPanel(module, lanes),
            }
          : null,
    };
  }

  /** Pushes the address of a part of the scratch area. */
  private at(offset: number): FunctionBuilder {
    return this.f.get(this.variables.base).i32(offset).op("i32.add");
  }
  /** Pushes ⌈x / by⌉. */
  private ceilDiv(x: Local, by: number): FunctionBuilder {
    const { f } = this;
    f.get(x)
      .i32(by - 1)
      .op("i32.add");
    return f.i32(by).op("i32.div_u");
  }
  /** Pushes min(limit, x − y). */
  private rest(limit: number | Local, x: Local, y: Local): FunctionBuilder {
    const { f } = this;
    const pushLimit = () => (typeof limit === "number" ? f.i32(limit) : f.get(limit));
    const pushRest = () => f.get(x).get(y).op("i32.sub");
    pushLimit();
    pushRest();
    pushLimit();
    pushRest();
    return f.op("i32.lt_s").select();
  }
  /** Fills a table along one index group. */
  private fill(offsets: FunctionBuilder, start: Local, length: Local, table: number): void {
    const { block, batch } = this.variables;
    this.f.get(block).get(batch).get(start).get(length);
    this.at(table).call(offsets);
  }

  emit(): Uint8Array<ArrayBuffer> {
    const { f, kernel } = this;
    const { block, unit, end, batch, m0, rows, n0, columns, k0, kCount, last, depth, rowBlock } = this.variables;
    const { panel, mBlocks, nBlocks, packedRowBlock, unitRows, unitColumns } = this.variables;
    f.get(unit)
      .get(end)
      .op("i32.ge_s")
      .if(() => f.return());
    const parameters = new Parameters(f, block, kernel.buffers.length);
    const [m, n, k] = [kernel.m, kernel.n, kernel.k].map((axes) => parameters.product(axes)) as [Local, Local, Local];
    this.emitStart(parameters, m, n, k);
    f.loop((nextUnit) => {
      // Units count over n blocks fastest, then m blocks, then the batch.
      f.get(unit).get(nBlocks).op("i32.rem_u").get(unitColumns).op("i32.mul").set(n0);
      f.get(unit).get(nBlocks).op("i32.div_u").tee(rowBlock).get(mBlocks).op("i32.div_u").set(batch);
      f.get(rowBlock).get(mBlocks).op("i32.rem_u").get(unitRows).op("i32.mul").set(m0);
      this.rest(unitRows, m, m0).set(rows);
      this.rest(unitColumns, n, n0).set(columns);
      this.emitUnitTables();
      f.i32(0).set(k0);
      f.loop((nextDepth) => {
        this.rest(depth, k, k0).set(kCount);
        f.get(k0).get(kCount).op("i32.add").get(k).op("i32.eq").set(last);
        this.emitPack();
        f.get(rowBlock).set(packedRowBlock);
        f.i32(0).set(panel);
        this.at(this.memory.tile).set(this.variables.tile);
        f.loop((nextPanel) => {
          this.rest(this.panelColumns, columns, panel).set(this.variables.count);
          this.emitPanel();
          f.get(panel).i32(this.panelColumns).op("i32.add").tee(panel).get(columns).op("i32.lt_s").br_if(nextPanel);
        });
        f.get(k0).get(depth).op("i32.add").tee(k0).get(k).op("i32.lt_s").br_if(nextDepth);
      });
      f.get(unit).i32(1).op("i32.add").tee(unit).get(end).op("i32.lt_s").br_if(nextUnit);
    });
    return this.module.bytes();
  }

  /** What is the same for all units. */
  private emitStart(parameters: Parameters, m: Local, n: Local, k: Local): void {
    const { f, kernel } = this;
    const { base, mBlocks, nBlocks, depth, single, packedRowBlock, useDot, masked } = this.variables;
    const { dot, directPanel } = this.functions;
    f.i32(this.scratchBytes).call(this.scratch).set(base);
    this.ceilDiv(m, UNIT_ROWS).set(mBlocks);
    // As in unitGrid.
    const { unitRows, unitColumns } = this.variables;
    const ceilBy = (pushX: () => void, by: Local): FunctionBuilder => {
      pushX();
      return f.get(by).op("i32.add").i32(1).op("i32.sub").get(by).op("i32.div_u");
    };
    const upTo = (step: number): FunctionBuilder =>
      f
        .i32(step - 1)
        .op("i32.add")
        .i32(step)
        .op("i32.div_u")
        .i32(step)
        .op("i32.mul");
    const parts = f.local("i32");
    ceilBy(() => f.get(m), mBlocks);
    upTo(ROW_STEP).set(unitRows);
    f.get(parameters.product(kernel.batch)).get(mBlocks).op("i32.mul").set(parts);
    ceilBy(() => f.i32(WANTED_UNITS), parts).set(parts);
    ceilBy(() => f.get(n), parts);
    upTo(COLUMN_STEP).set(unitColumns);
    f.get(unitColumns).i32(UNIT_COLUMNS).get(unitColumns).i32(UNIT_COLUMNS).op("i32.lt_s").select().set(unitColumns);
    ceilBy(() => f.get(n), unitColumns).set(nBlocks);
    f.release(parts);
    // Equal parts of k, in whole fours.
    this.ceilDiv(k, DEPTH).set(depth);
    f.get(depth).i32(1).op("i32.le_u").tee(single);
    f.if(
      () => f.get(k).set(depth),
      () => {
        f.get(k).get(depth).op("i32.add").i32(1).op("i32.sub").get(depth).op("i32.div_u");
        f.i32(3).op("i32.add").i32(-4).op("i32.and").set(depth);
      },
    );
    f.i32(-1).set(packedRowBlock);
    for (const [operand, period] of [
      [this.a, this.variables.aPeriod],
      [this.b, this.variables.bPeriod],
    ] as const)
      f.get(parameters.product(maskPeriodAxes(operand?.conditions ?? [], kernel.k))).set(period);
    if (dot) {
      emitUseDot(f, this.lanes, parameters, m, dot.accesses, kernel.k, kernel.n);
      f.set(useDot);
      emitNeedsMask(f, parameters, kernel.k);
      f.set(masked);
    }
    if (directPanel) {
      const at = f.local("i32");
      const offset = f.local("i32");
      const end = f.local("i32");
      this.at(this.memory.panelDepth).tee(at).get(depth).i32(2).op("i32.shl").op("i32.add").set(end);
      f.get(at).get(end).op("i32.lt_u").get(useDot).op("i32.eqz").op("i32.and");
      f.if(() => {
        f.loop((again) => {
          f.get(at).get(offset).memory("i32.store");
          f.get(offset).i32(this.lanes.rowBytes).op("i32.add").set(offset);
          f.get(at).i32(4).op("i32.add").tee(at).get(end).op("i32.lt_u").br_if(again);
        });
      });
    }
  }

  /** The tables of a unit's rows and columns. */
  private emitUnitTables(): void {
    const { f, functions, memory } = this;
    const { m0, rows, n0, columns, rowBlock, packedRowBlock } = this.variables;
    const { tables } = memory;
    if (functions.bColumns) this.fill(functions.bColumns, n0, columns, memory.bColumns);
    for (const [s, stream] of functions.streams.entries())
      this.fill(stream.columns, n0, columns, memory.streamColumns + s * tables.columnStride);
    for (const [c, condition] of functions.bConditions.entries())
      this.fill(condition.group, n0, columns, memory.bConditions + c * tables.columnStride);
    f.get(rowBlock).get(packedRowBlock).op("i32.ne");
    f.if(() => {
      for (const [c, condition] of functions.aConditions.entries())
        this.fill(condition.group, m0, rows, memory.aConditions + c * tables.rowStride);
      if (functions.aRows) this.fill(functions.aRows, m0, rows, memory.aRows);
      for (const [s, stream] of functions.streams.entries())
        this.fill(stream.rows, m0, rows, memory.streamRows + s * tables.rowStride);
    });
  }

  /** The packed A of a block of k, and the depth table of B. */
  private emitPack(): void {
    const { f, functions, memory } = this;
    const { block, batch, m0, rows, k0, kCount, rowBlock, packedRowBlock, single, useDot, chunks } = this.variables;
    const { dot } = functions;
    const packRows = () => {
      if (functions.aDepth) {
        this.fill(functions.aDepth, k0, kCount, memory.aDepth);
        for (const [c, condition] of functions.aConditions.entries())
          this.fill(condition.depth, k0, kCount, memory.aConditionDepth + c * tableBytes(DEPTH));
        this.at(memory.aRows);
        this.at(memory.aDepth);
        f.get(rows).get(kCount);
        this.at(memory.aPacked);
        if (functions.aConditions.length > 0) {
          this.at(memory.aConditions);
          this.at(memory.aConditionDepth);
          this.at(memory.masks);
          f.get(this.variables.aPeriod);
        }
        f.call(functions.packA);
        return;
      }
      f.get(block).get(batch).get(m0).get(rows).get(k0).get(kCount);
      this.at(memory.aPacked).call(functions.packA);
    };
    // With one block of k, A stays packed for all units of a row block.
    f.get(rowBlock).get(packedRowBlock).op("i32.ne").get(single).op("i32.eqz").op("i32.or");
    f.if(() => {
      if (dot === null) packRows();
      else {
        f.get(useDot).if(() => {
          f.get(block).get(k0).get(kCount);
          for (const table of [memory.aDepth, memory.bDepth, memory.masks]) this.at(table);
          f.call(dot.chunks).set(chunks);
          for (const table of [memory.aRows, memory.aDepth, memory.masks]) this.at(table);
          f.get(chunks).get(rows);
          this.at(memory.aPacked).call(dot.pack);
        }, packRows);
      }
      const { bDepth } = functions;
      if (bDepth) {
        f.get(useDot)
          .op("i32.eqz")
          .if(() => {
            this.fill(bDepth, k0, kCount, memory.bDepth);
            for (const [c, condition] of functions.bConditions.entries())
              this.fill(condition.depth, k0, kCount, memory.bConditionDepth + c * tableBytes(DEPTH));
          });
      }
    });
  }

  /** One panel of columns: its sums over the block of k and, after the last block, its stores. */
  private emitPanel(): void {
    const { f, functions } = this;
    const { rows, tile, single, useDot } = this.variables;
    const { dot } = functions;
    const outer = () => {
      if (functions.packB) this.emitScalarPanel(functions.packB);
      else if (functions.directPanel) this.emitTablePanel(functions.directPanel);
    };
    if (dot) f.get(useDot).if(() => this.emitDotPanel(dot.panel), outer);
    else outer();
    // With one block of k, all panels use the same tile, which stays in the first-level cache.
    f.get(tile).get(rows).get(single).op("i32.eqz").op("i32.mul").i32(this.lanes.rowBytes).op("i32.mul");
    f.op("i32.add").set(tile);
  }

  private emitDotPanel(dotPanel: FunctionBuilder): void {
    const { f, memory } = this;
    const { panel, masked, chunks, rows, tile, k0, count, last } = this.variables;
    this.at(memory.aPacked);
    this.at(memory.bColumns).get(panel).i32(2).op("i32.shl").op("i32.add");
    this.at(memory.bDepth);
    this.at(memory.masks).i32(0).get(masked).select();
    f.get(chunks).get(rows).get(tile).get(k0).i32(0).op("i32.ne").get(count).call(dotPanel);
    f.get(last).if(() => this.emitFinishTile());
  }

  private emitScalarPanel(packB: FunctionBuilder): void {
    const { f, memory } = this;
    const { block, batch, n0, panel, count, k0, kCount } = this.variables;
    f.get(block).get(batch).get(n0).get(panel).op("i32.add").get(count).get(k0).get(kCount);
    this.at(memory.bPacked).call(packB);
    this.emitCompute(this.functions.packedPanel, () => this.at(memory.bPacked));
  }

  /** Each group of columns is read in place where it can be, else packed. */
  private emitTablePanel(directPanel: FunctionBuilder): void {
    const { f, memory, lanes } = this;
    const { panel, count, rows, kCount, columnTable, bAddresses, bTables } = this.variables;
    const masked = this.functions.bConditions.length > 0;
    for (let g = 0; g < TILE_GROUPS; g++) {
      const [address, table] = [bAddresses[g], bTables[g]] as [Local, Local];
      const firstColumn = g * lanes.groupColumns;
      const panelOffset = 16 * g * lanes.groupVectors;
      const pushTable = (offset: number, column: number) =>
        this.at(offset).get(panel).i32(column).op("i32.add").i32(2).op("i32.shl").op("i32.add");
      const packVector = (v: number) => {
        const column = firstColumn + v * lanes.count;
        pushTable(memory.bColumns, column);
        this.at(memory.bDepth).get(kCount);
        this.at(memory.bPacked + panelOffset + 16 * v).i32(lanes.rowBytes);
        f.get(count).i32(column).op("i32.sub");
        if (masked) {
          pushTable(memory.bConditions, column);
          this.at(memory.bConditionDepth);
          this.at(memory.masks);
          f.get(this.variables.bPeriod);
        }
        f.call(this.functions.packGroup);
      };
      const setGroup = () => {
        pushTable(memory.bColumns, firstColumn).set(columnTable);
        f.get(rows)
          .i32(masked ? 0 : DIRECT_ROWS)
          .op("i32.le_s");
        f.get(count)
          .i32(firstColumn + lanes.groupColumns)
          .op("i32.ge_s")
          .op("i32.and");
        f.if(
          () => emitGroupAdjacent(f, lanes, columnTable),
          () => f.i32(0),
          "i32",
        );
        f.if(
          () => {
            f.get(columnTable).memory("i32.load").set(address);
            this.at(memory.bDepth).set(table);
          },
          () => {
            packVector(0);
            for (let v = 1; v < lanes.groupVectors; v++) {
              // A vector without columns is left as it is: nobody reads its sums.
              f.get(count)
                .i32(firstColumn + v * lanes.count)
                .op("i32.gt_s")
                .if(() => packVector(v));
            }
            this.at(memory.bPacked + panelOffset).set(address);
            this.at(memory.panelDepth).set(table);
          },
        );
      };
      if (g === 0) setGroup();
      else {
        // A group without columns repeats the first.
        f.get(count).i32(firstColumn).op("i32.gt_s");
        f.if(setGroup, () => f.get(bAddresses[0]).set(address).get(bTables[0]).set(table));
      }
    }
    f.i32(1);
    for (const [g, address] of bAddresses.entries()) {
      f.get(address);
      this.at(memory.bPacked + 16 * g * lanes.groupVectors)
        .op("i32.eq")
        .op("i32.and");
    }
    f.if(
      () => this.emitCompute(this.functions.packedPanel, () => this.at(memory.bPacked)),
      () =>
        this.emitCompute(directPanel, () => [0, 1].map((g) => f.get(bAddresses[g] as Local).get(bTables[g] as Local))),
    );
  }

  private emitCompute(panelFunction: FunctionBuilder, pushB: () => void): void {
    const { f, memory } = this;
    const { block, panel, kCount, rows, tile, k0, count, last } = this.variables;
    this.at(memory.aPacked);
    pushB();
    f.get(kCount).get(rows).get(tile).get(k0).i32(0).op("i32.ne");
    if (this.plan) {
      f.get(last).get(block).get(count);
      this.at(memory.streamRows);
      this.at(memory.streamColumns).get(panel).i32(2).op("i32.shl").op("i32.add").call(panelFunction);
    } else {
      f.call(panelFunction);
      f.get(last).if(() => this.emitFinishTile());
    }
  }

  /** The stores from the tile. */
  private emitFinishTile(): void {
    const { f, memory } = this;
    const { block, batch, m0, rows, n0, panel, count, tile } = this.variables;
    if (this.plan) {
      f.get(block).get(rows).get(count).get(tile);
      this.at(memory.streamRows);
      this.at(memory.streamColumns).get(panel).i32(2).op("i32.shl").op("i32.add");
    } else {
      f.get(block).get(batch).get(m0).get(rows);
      f.get(n0).get(panel).op("i32.add").get(count).get(tile);
    }
    f.call(this.functions.epilogue);
  }
}
