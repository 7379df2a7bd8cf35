/** The loops of a contraction: over work units, blocks of k and panels of columns, and the scratch memory they use. */
import type { Axis } from "../../ir/expr.ts";
import type { ContractionKernel } from "../../ir/kernel.ts";
import { type Callable, type FunctionBuilder, type Local, type MemoryLimits, ModuleBuilder } from "./assembler.ts";
import { type AffineAccess, emitOffsets, Parameters, tableBytes } from "./contraction-affine.ts";
import { emitChunks, emitDotPanel, emitNeedsMask, emitPackDot, emitUseDot } from "./contraction-dot.ts";
import { emitStreamEpilogue, planStreams, type StreamPlan } from "./contraction-epilogue.ts";
import type { ScalarEnvironment } from "./contraction-expression.ts";
import { type Lanes, lanesOf, TILE_GROUPS } from "./contraction-lanes.ts";
import { emitMaskedPackGroup, maskPeriodAxes } from "./contraction-mask.ts";
import { emitPanel, PACKED_STEP } from "./contraction-microkernel.ts";
import {
  A_PACKED,
  A_ROWS,
  DIRECT_TABLE_ROWS,
  emitChooseA,
  emitChooseB,
  emitIsRun,
  emitStep,
  type TableOperand,
  tableOperand,
} from "./contraction-operand.ts";
import { emitGroupAdjacent, emitPackA, emitPackGroup, emitPackPanel } from "./contraction-pack.ts";
import { emitScalarEpilogue, emitScalarPackA, emitScalarPackB } from "./contraction-scalar.ts";
import { emitThinPanels, emitWideDotPanel } from "./contraction-thin.ts";
import { DEPTH, emitUnitGrid, MOST_COLUMNS, THIN_ROWS, UNIT_ROWS } from "./contraction-units.ts";
import type { Features } from "./features.ts";
import { importHost } from "./host.ts";

const PAGE_BITS = 16;
/** What `useDot` is where dot products have 256-bit vectors, else 1. */
const WIDE_DOT = 2;
/** With few rows, a B of at most so many bytes is read panel by panel. */
const THIN_BYTES = 256 * 1024;

/** Writes the module of one contraction kernel. */
export class ContractionLaunch {
  private readonly kernel: ContractionKernel;
  private readonly module = new ModuleBuilder();
  private readonly environment: ScalarEnvironment;
  private readonly scratch: Callable;
  private readonly f: FunctionBuilder;
  readonly lanes: Lanes;
  /** Bytes of scratch memory that every run needs; what `unitGrid` says comes on top. */
  scratchBytes = 0;

  private readonly a: TableOperand | null;
  private readonly b: TableOperand | null;
  private readonly plan: StreamPlan | null;
  private readonly memory;
  private readonly variables;
  /** What was found out about the operands at the start of a run. */
  private readonly choices: { aRun?: Local; aStep?: Local; bRun?: Local; bStep?: Local } = {};
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

  /** Whether B is read, or packed, at a fixed step for each k: one axis of k and no mask. */
  private get stepped(): boolean {
    return this.b !== null && this.b.conditions.length === 0 && this.kernel.k.length <= 1;
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
    const tables = { rowStride: tableBytes(UNIT_ROWS), columnStride: tableBytes(MOST_COLUMNS) };
    return {
      tables,
      aRows: reserve(tableBytes(UNIT_ROWS)),
      aDepth: reserve(tableBytes(DEPTH)),
      bColumns: reserve(tableBytes(MOST_COLUMNS)),
      bDepth: reserve(tableBytes(DEPTH)),
      /** The depth table of packed panels. */
      panelDepth: reserve(tableBytes(DEPTH)),
      /** Masks of chunks, or of one period of k. */
      masks: reserve(16 * DEPTH),
      aConditions: reserve((this.a?.conditions.length ?? 0) * tableBytes(UNIT_ROWS)),
      aConditionDepth: reserve((this.a?.conditions.length ?? 0) * tableBytes(DEPTH)),
      bConditions: reserve((this.b?.conditions.length ?? 0) * tableBytes(MOST_COLUMNS)),
      bConditionDepth: reserve((this.b?.conditions.length ?? 0) * tableBytes(DEPTH)),
      streamRows: reserve(streamCount * tables.rowStride),
      streamColumns: reserve(streamCount * tables.columnStride),
    };
  }

  private declareVariables() {
    const i32 = () => this.f.local("i32");
    return {
      block: this.f.parameter(0),
      unit: this.f.parameter(1),
      end: this.f.parameter(2),
      begin: i32(),
      base: i32(),
      m: i32(),
      n: i32(),
      k: i32(),
      mBlocks: i32(),
      nBlocks: i32(),
      unitRows: i32(),
      unitColumns: i32(),
      depth: i32(),
      single: i32(),
      keepA: i32(),
      keepB: i32(),
      aPacked: i32(),
      bPacked: i32(),
      tiles: i32(),
      scratchBytes: i32(),
      batch: i32(),
      m0: i32(),
      rows: i32(),
      n0: i32(),
      columns: i32(),
      k0: i32(),
      kCount: i32(),
      /** Whether this is the last block of k. */
      last: i32(),
      /** Whether the unit before left its tables of rows, of columns, of k, its packed A, its packed B. */
      keptRows: i32(),
      keptColumns: i32(),
      keptDepth: i32(),
      keptA: i32(),
      keptB: i32(),
      /** Where the current block of A and panel of B are packed. */
      aAt: i32(),
      bAt: i32(),
      /** First column of the panel within the unit, its number of columns, its tile. */
      panel: i32(),
      count: i32(),
      tile: i32(),
      columnTable: i32(),
      bAddresses: [i32(), i32()] as const,
      bTables: [i32(), i32()] as const,
      aMode: i32(),
      directB: i32(),
      memoryEnd: i32(),
      useDot: i32(),
      thin: i32(),
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
    const groupB = groupPacker(b, MOST_COLUMNS);
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
      packGroup: groupB,
      packPanel: this.stepped ? emitPackPanel(module, lanes, groupB) : null,
      packB: b ? null : emitScalarPackB(module, kernel, lanes, environment),
      panel: emitPanel(module, lanes, "step", "step", stores),
      thinPanels: this.stepped && a?.conditions.length === 0 ? emitThinPanels(module, lanes) : null,
      rowsPanel: this.stepped && a?.conditions.length === 0 ? emitPanel(module, lanes, "rows", "step", stores) : null,
      tablePanel: b && !this.stepped ? emitPanel(module, lanes, "step", "table", stores) : null,
      epilogue,
      dot:
        lanes.type === "f32" && a?.conditions.length === 0 && b?.conditions.length === 0 && kernel.k.length > 0
          ? {
              accesses: [a.access, b.access] as const,
              chunks: emitChunks(module, kernel.buffers.length, [a.access, b.access], kernel.k),
              pack: emitPackDot(module),
              panel: emitDotPanel(module, lanes),
              widePanel: lanes.groupVectors === 2 ? emitWideDotPanel(module, lanes) : null,
            }
          : null,
    };
  }

  /** Pushes the address of a part of the scratch area. */
  private at(offset: number): FunctionBuilder {
    return this.f.get(this.variables.base).i32(offset).op("i32.add");
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
    const { f } = this;
    const { unit, end, begin, batch, m, n, k, m0, rows, n0, columns, k0, kCount, last, depth } = this.variables;
    const { panel, mBlocks, nBlocks, unitRows, unitColumns } = this.variables;
    f.get(unit)
      .get(end)
      .op("i32.ge_s")
      .if(() => f.return());
    f.get(unit).set(begin);
    this.emitStart();
    f.loop((nextUnit) => {
      // Units count over m blocks fastest, so that a packed B serves as many as possible, then n blocks, then the batch.
      f.get(unit).get(mBlocks).op("i32.rem_u").get(unitRows).op("i32.mul").set(m0);
      f.get(unit).get(mBlocks).op("i32.div_u").tee(n0).get(nBlocks).op("i32.div_u").set(batch);
      f.get(n0).get(nBlocks).op("i32.rem_u").get(unitColumns).op("i32.mul").set(n0);
      this.rest(unitRows, m, m0).set(rows);
      this.rest(unitColumns, n, n0).set(columns);
      this.emitKept();
      this.emitUnitTables();
      f.i32(0).set(k0);
      f.loop((nextDepth) => {
        this.rest(depth, k, k0).set(kCount);
        f.get(k0).get(kCount).op("i32.add").get(k).op("i32.eq").set(last);
        this.emitPackBlock();
        f.i32(0).set(panel);
        f.get(this.variables.tiles).set(this.variables.tile);
        if (this.functions.thinPanels) this.emitThin(this.functions.thinPanels);
        f.block((done) => {
          f.loop((nextPanel) => {
            f.get(panel).get(columns).op("i32.ge_s").br_if(done);
            this.rest(this.panelColumns, columns, panel).set(this.variables.count);
            this.emitPanel();
            f.get(panel).i32(this.panelColumns).op("i32.add").set(panel).br(nextPanel);
          });
        });
        f.get(k0).get(depth).op("i32.add").tee(k0).get(k).op("i32.lt_s").br_if(nextDepth);
      });
      f.get(unit).i32(1).op("i32.add").tee(unit).get(end).op("i32.lt_s").br_if(nextUnit);
    });
    return this.module.bytes();
  }

  /** What is the same for all units. */
  private emitStart(): void {
    const { f, kernel, variables } = this;
    const { m, n, k, base, depth, useDot, masked } = variables;
    const { dot, tablePanel } = this.functions;
    const parameters = new Parameters(f, variables.block, kernel.buffers.length);
    for (const [axes, size] of [
      [kernel.m, m],
      [kernel.n, n],
      [kernel.k, k],
    ] as const)
      f.get(parameters.product(axes)).set(size);
    emitUnitGrid(f, this.lanes, this.scratchBytes, [parameters.product(kernel.batch), m, n, k], variables);
    f.get(variables.scratchBytes).call(this.scratch).set(base);
    for (const part of [variables.aPacked, variables.bPacked, variables.tiles])
      f.get(part).get(base).op("i32.add").set(part);
    for (const [operand, period] of [
      [this.a, variables.aPeriod],
      [this.b, variables.bPeriod],
    ] as const)
      f.get(parameters.product(maskPeriodAxes(operand?.conditions ?? [], kernel.k))).set(period);
    if (dot) {
      emitUseDot(f, this.lanes, parameters, m, dot.accesses, kernel.k, kernel.n);
      f.set(useDot);
      emitNeedsMask(f, parameters, kernel.k);
      f.set(masked);
    }
    this.emitChoices(parameters);
    if (dot?.widePanel) {
      const { aRun, bRun } = this.choices;
      f.get(aRun as Local)
        .get(bRun as Local)
        .op("i32.and")
        .get(useDot)
        .op("i32.and");
      // Partial sums in the lanes of 8 vectors: nothing is gained by blocks of k.
      f.if(() => f.i32(WIDE_DOT).set(useDot).get(k).set(depth).i32(1).set(variables.single));
    }
    if (tablePanel) {
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
      f.release(at, offset, end);
    }
  }

  /** Decides what is packed. */
  private emitChoices(parameters: Parameters): void {
    const { f, kernel, a, b, choices } = this;
    const { m, n, k, aMode, directB, memoryEnd } = this.variables;
    if (a) choices.aRun = emitIsRun(f, parameters, a.access, kernel.k);
    if (this.functions.rowsPanel && a && choices.aRun) {
      choices.aStep = emitStep(f, parameters, a.access, kernel.k);
      const mRun = emitIsRun(f, parameters, a.access, kernel.m);
      emitChooseA(f, this.lanes, [m, n, k], { run: choices.aRun, mRun, step: choices.aStep, mode: aMode });
      f.release(mRun);
      if (this.functions.dot) f.get(this.variables.useDot).if(() => f.i32(A_PACKED).set(aMode));
    }
    if (b) choices.bRun = emitIsRun(f, parameters, b.access, kernel.k);
    if (this.stepped && b) {
      choices.bStep = emitStep(f, parameters, b.access, kernel.k);
      const nRun = emitIsRun(f, parameters, b.access, kernel.n);
      emitChooseB(f, [m, k], { nRun, step: choices.bStep });
      f.set(directB);
      if (this.functions.thinPanels) {
        f.get(m).i32(THIN_ROWS).op("i32.le_u").get(nRun).op("i32.and").get(this.variables.useDot);
        f.op("i32.eqz").op("i32.and");
        f.get(k).get(choices.bStep).op("i32.mul").i32(THIN_BYTES).op("i32.gt_u").op("i32.and").set(this.variables.thin);
      }
      f.release(nRun);
      // The last address of a row of a panel.
      f.memory_size().i32(PAGE_BITS).op("i32.shl").i32(this.lanes.rowBytes).op("i32.sub").set(memoryEnd);
    }
  }

  /** What is still there from other units of this run. */
  private emitKept(): void {
    const { f } = this;
    const v = this.variables;
    f.get(v.unit).get(v.begin).op("i32.gt_s").tee(v.keptDepth).get(v.single).op("i32.and").set(v.keptDepth);
    // The unit before had the same columns, unless this one is in the first block of rows.
    f.get(v.unit).get(v.begin).op("i32.gt_s").get(v.m0).i32(0).op("i32.ne").op("i32.and").tee(v.keptColumns);
    f.get(v.keepB).op("i32.and").set(v.keptB);
    // The same rows came mBlocks units ago, unless this one is in the first block of columns.
    f.get(v.unit).get(v.begin).op("i32.sub").get(v.mBlocks).op("i32.ge_s").get(v.n0).i32(0).op("i32.ne").op("i32.and");
    f.tee(v.keptA).get(v.mBlocks).i32(1).op("i32.eq").op("i32.and").set(v.keptRows);
    if (this.functions.dot) {
      // Dot products pack A in another way, and only keep it if there is nothing else.
      f.get(v.keptRows).get(v.single).op("i32.and").get(v.keptA).get(v.keepA).op("i32.and");
      f.get(v.useDot).select().set(v.keptA);
    } else f.get(v.keptA).get(v.keepA).op("i32.and").set(v.keptA);
  }

  /** The tables of a unit's rows and columns. */
  private emitUnitTables(): void {
    const { f, functions, memory } = this;
    const { m0, rows, n0, columns, keptRows, keptColumns } = this.variables;
    const { tables } = memory;
    f.get(keptColumns).op("i32.eqz");
    f.if(() => {
      if (functions.bColumns) this.fill(functions.bColumns, n0, columns, memory.bColumns);
      for (const [s, stream] of functions.streams.entries())
        this.fill(stream.columns, n0, columns, memory.streamColumns + s * tables.columnStride);
      for (const [c, condition] of functions.bConditions.entries())
        this.fill(condition.group, n0, columns, memory.bConditions + c * tables.columnStride);
    });
    f.get(keptRows).op("i32.eqz");
    f.if(() => {
      for (const [c, condition] of functions.aConditions.entries())
        this.fill(condition.group, m0, rows, memory.aConditions + c * tables.rowStride);
      if (functions.aRows) this.fill(functions.aRows, m0, rows, memory.aRows);
      for (const [s, stream] of functions.streams.entries())
        this.fill(stream.rows, m0, rows, memory.streamRows + s * tables.rowStride);
    });
  }

  /** The depth tables and the packed A of a block of k. */
  private emitPackBlock(): void {
    const { f, functions, memory } = this;
    const v = this.variables;
    const { dot } = functions;
    // Where the block of A is, or will be: with all others, or alone.
    f.get(v.aPacked).get(v.m0).get(v.k).op("i32.mul").get(v.k0).get(v.rows).op("i32.mul").op("i32.add");
    f.get(v.keepA).op("i32.mul").i32(this.lanes.size).op("i32.mul").op("i32.add").set(v.aAt);
    f.get(v.keptDepth).op("i32.eqz");
    if (dot) f.get(v.useDot).op("i32.eqz").op("i32.and");
    f.if(() => {
      if (functions.aDepth) {
        this.fill(functions.aDepth, v.k0, v.kCount, memory.aDepth);
        for (const [c, condition] of functions.aConditions.entries())
          this.fill(condition.depth, v.k0, v.kCount, memory.aConditionDepth + c * tableBytes(DEPTH));
      }
      if (functions.bDepth) {
        this.fill(functions.bDepth, v.k0, v.kCount, memory.bDepth);
        for (const [c, condition] of functions.bConditions.entries())
          this.fill(condition.depth, v.k0, v.kCount, memory.bConditionDepth + c * tableBytes(DEPTH));
      }
    });
    f.get(v.keptA).op("i32.eqz").get(v.aMode).i32(A_PACKED).op("i32.eq").op("i32.and");
    f.get(v.useDot).i32(WIDE_DOT).op("i32.ne").op("i32.and");
    f.if(() => {
      if (dot === null) this.emitPackA();
      else {
        f.get(v.useDot).if(
          () => {
            f.get(v.aPacked).set(v.aAt);
            f.get(v.block).get(v.k0).get(v.kCount);
            for (const table of [memory.aDepth, memory.bDepth, memory.masks]) this.at(table);
            f.call(dot.chunks).set(v.chunks);
            for (const table of [memory.aRows, memory.aDepth, memory.masks]) this.at(table);
            f.get(v.chunks).get(v.rows).get(v.aAt).call(dot.pack);
          },
          () => this.emitPackA(),
        );
      }
    });
  }

  private emitPackA(): void {
    const { f, functions, memory, choices } = this;
    const v = this.variables;
    if (functions.aDepth && choices.aRun) {
      this.at(memory.aRows);
      this.at(memory.aDepth);
      f.get(choices.aRun).get(v.rows).get(v.kCount).get(v.aAt);
      if (functions.aConditions.length > 0) {
        this.at(memory.aConditions);
        this.at(memory.aConditionDepth);
        this.at(memory.masks);
        f.get(v.aPeriod);
      }
    } else f.get(v.block).get(v.batch).get(v.m0).get(v.rows).get(v.k0).get(v.kCount).get(v.aAt);
    f.call(functions.packA);
  }

  /** One panel of columns: its sums over the block of k and, after the last block, its stores. */
  private emitPanel(): void {
    const { f, functions } = this;
    const v = this.variables;
    const { dot } = functions;
    const outer = () => {
      // Where the panel of B is, or will be: with all others, or alone.
      f.get(v.bPacked).get(v.k0).get(v.unitColumns).op("i32.mul").get(v.panel).get(v.kCount).op("i32.mul");
      f.op("i32.add").get(v.keepB).op("i32.mul").i32(this.lanes.size).op("i32.mul").op("i32.add").set(v.bAt);
      if (this.stepped) this.emitSteppedPanel();
      else if (functions.tablePanel) this.emitTablePanel(functions.tablePanel);
      else this.emitScalarPanel();
    };
    if (dot) {
      const { widePanel } = dot;
      f.get(v.useDot).if(() => {
        if (widePanel === null) this.emitDotPanel(dot.panel);
        else {
          f.get(v.useDot).i32(WIDE_DOT).op("i32.eq");
          f.if(
            () => this.emitWideDotPanel(widePanel),
            () => this.emitDotPanel(dot.panel),
          );
        }
      }, outer);
    } else outer();
    // With one block of k, all panels use the same tile, which stays in the first-level cache.
    f.get(v.tile).get(v.rows).get(v.single).op("i32.eqz").op("i32.mul").i32(this.lanes.rowBytes).op("i32.mul");
    f.op("i32.add").set(v.tile);
  }

  /** The whole panels of a unit with few rows; `panel` and `tile` are then those of the rest. */
  private emitThin(thinPanels: FunctionBuilder): void {
    const { f, memory, choices } = this;
    const { thin, columns, panel, k0, kCount, rows, tile, count, last } = this.variables;
    f.get(thin).if(() => {
      this.at(memory.aRows);
      this.at(memory.aDepth);
      this.at(memory.bColumns)
        .memory("i32.load")
        .get(k0)
        .get(choices.bStep as Local)
        .op("i32.mul")
        .op("i32.add");
      f.get(choices.bStep as Local)
        .get(kCount)
        .get(rows)
        .get(tile);
      f.get(columns).i32(this.panelColumns).op("i32.div_u").get(k0).i32(0).op("i32.ne").call(thinPanels);
      f.i32(this.panelColumns).set(count);
      f.block((done) => {
        f.loop((next) => {
          f.get(columns).get(panel).op("i32.sub").i32(this.panelColumns).op("i32.lt_s").br_if(done);
          f.get(last).if(() => this.emitFinishTile());
          f.get(panel).i32(this.panelColumns).op("i32.add").set(panel);
          f.get(tile).get(rows).i32(this.lanes.rowBytes).op("i32.mul").op("i32.add").set(tile).br(next);
        });
      });
    });
  }

  private emitWideDotPanel(dotPanel: FunctionBuilder): void {
    const { f, memory } = this;
    const { panel, rows, tile, count, k, aPacked } = this.variables;
    this.at(memory.aRows);
    this.at(memory.bColumns).get(panel).i32(2).op("i32.shl").op("i32.add");
    f.get(count).get(k).get(rows).get(tile).get(aPacked).call(dotPanel);
    this.emitFinishTile();
  }

  private emitDotPanel(dotPanel: FunctionBuilder): void {
    const { f, memory } = this;
    const { panel, masked, chunks, rows, tile, k0, count, last, aPacked } = this.variables;
    f.get(aPacked);
    this.at(memory.bColumns).get(panel).i32(2).op("i32.shl").op("i32.add");
    this.at(memory.bDepth);
    this.at(memory.masks).i32(0).get(masked).select();
    f.get(chunks).get(rows).get(tile).get(k0).i32(0).op("i32.ne").get(count).call(dotPanel);
    f.get(last).if(() => this.emitFinishTile());
  }

  private emitScalarPanel(): void {
    const { f } = this;
    const { block, batch, n0, panel, count, k0, kCount, keptB, bAt } = this.variables;
    f.get(keptB).op("i32.eqz");
    f.if(() => {
      f.get(block).get(batch).get(n0).get(panel).op("i32.add").get(count).get(k0).get(kCount).get(bAt);
      f.call(this.functions.packB as FunctionBuilder);
    });
    this.emitCompute(() => f.get(bAt).i32(this.lanes.rowBytes));
  }

  /** A panel of an operand with a fixed step for each k, in place or packed. */
  private emitSteppedPanel(): void {
    const { f, memory, lanes, choices } = this;
    const v = this.variables;
    const [address] = v.bAddresses;
    const [step] = v.bTables;
    const bStep = choices.bStep as Local;
    const pushColumns = () => this.at(memory.bColumns).get(v.panel).i32(2).op("i32.shl").op("i32.add");
    pushColumns();
    f.memory("i32.load").get(v.k0).get(bStep).op("i32.mul").op("i32.add").set(address);
    f.get(bStep).set(step);
    // The last panel is read beyond its columns: where that is memory, it does not matter what is there.
    f.get(v.directB);
    f.get(v.count).i32(this.panelColumns).op("i32.eq");
    f.get(address).get(v.memoryEnd).op("i32.le_u");
    f.get(address).get(v.kCount).i32(1).op("i32.sub").get(bStep).op("i32.mul").op("i32.add");
    f.get(v.memoryEnd).op("i32.le_u").op("i32.and").op("i32.or").op("i32.and").op("i32.eqz");
    f.if(() => {
      f.get(v.bAt).set(address);
      f.i32(lanes.rowBytes).set(step);
      f.get(v.keptB).op("i32.eqz");
      f.if(() => {
        pushColumns();
        this.at(memory.bDepth);
        f.get(choices.bRun as Local)
          .get(v.kCount)
          .get(v.bAt)
          .get(v.count);
        f.call(this.functions.packPanel as FunctionBuilder);
      });
    });
    this.emitCompute(() => f.get(address).get(step));
  }

  /** Each group of columns is read in place where it can be, else packed. */
  private emitTablePanel(tablePanel: FunctionBuilder): void {
    const { f, memory, lanes } = this;
    const { panel, count, rows, kCount, columnTable, bAddresses, bTables, bAt, keptB } = this.variables;
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
        f.get(bAt)
          .i32(panelOffset + 16 * v)
          .op("i32.add")
          .i32(lanes.rowBytes);
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
          .i32(masked ? 0 : DIRECT_TABLE_ROWS)
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
            f.get(keptB).op("i32.eqz");
            f.if(() => {
              packVector(0);
              for (let v = 1; v < lanes.groupVectors; v++) {
                // A vector without columns is left as it is: nobody reads its sums.
                f.get(count)
                  .i32(firstColumn + v * lanes.count)
                  .op("i32.gt_s")
                  .if(() => packVector(v));
              }
            });
            f.get(bAt).i32(panelOffset).op("i32.add").set(address);
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
      f.get(address)
        .get(bAt)
        .i32(16 * g * lanes.groupVectors)
        .op("i32.add")
        .op("i32.eq")
        .op("i32.and");
    }
    f.if(
      () => this.emitCompute(() => f.get(bAt).i32(lanes.rowBytes)),
      () => {
        this.pushPackedA();
        for (const g of [0, 1]) f.get(bAddresses[g] as Local).get(bTables[g] as Local);
        this.emitPanelCall(tablePanel);
      },
    );
  }

  /** Pushes the parameters of a packed A; the micro-kernel knows the step of packed rows. */
  private pushPackedA(): void {
    this.f.get(this.variables.aAt).i32(PACKED_STEP).get(this.variables.kCount).i32(this.lanes.size).op("i32.mul");
  }

  /** The sums of a panel whose address and step `pushB` pushes. */
  private emitCompute(pushB: () => void): void {
    const { f, memory, functions, choices } = this;
    const { aMode, k0 } = this.variables;
    const packed = () => {
      this.pushPackedA();
      pushB();
      this.emitPanelCall(functions.panel);
    };
    const { rowsPanel } = functions;
    const aStep = choices.aStep as Local;
    if (rowsPanel === null) packed();
    else {
      f.get(aMode).i32(A_PACKED).op("i32.eq");
      f.if(packed, () => {
        f.get(aMode).i32(A_ROWS).op("i32.eq");
        f.if(
          () => {
            this.at(memory.aRows).get(k0).i32(this.lanes.size).op("i32.mul").i32(4);
            pushB();
            this.emitPanelCall(rowsPanel);
          },
          () => {
            this.at(memory.aRows).memory("i32.load").get(k0).get(aStep).op("i32.mul").op("i32.add");
            f.get(aStep).i32(this.lanes.size);
            pushB();
            this.emitPanelCall(functions.panel);
          },
        );
      });
    }
  }

  /** Calls a panel function, whose operands are on the stack. */
  private emitPanelCall(panelFunction: FunctionBuilder): void {
    const { f, memory } = this;
    const { block, panel, kCount, rows, tile, k0, count, last } = this.variables;
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
