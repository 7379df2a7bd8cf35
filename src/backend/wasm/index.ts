/** The CPU backend: each kernel becomes a WebAssembly module of its own, generated when it is first needed. */
import type { Axis, Expr } from "../../ir/expr.ts";
import type { Kernel, RowKernel, ScatterKernel, WinogradFilterKernel, WinogradKernel } from "../../ir/kernel.ts";
import { winogradFilterParams } from "../../ir/winograd.ts";
import type { Backend, CompiledKernel } from "../backend.ts";
import type { MemoryLimits } from "./assembler.ts";
import { emitContraction } from "./contraction.ts";
import { chooseFeatures, type Features } from "./features.ts";
import { hostImports } from "./host.ts";
import { instantiate, memoryLimits } from "./instantiate.ts";
import { TILE_ROWS } from "./outer.ts";
import { emitRow } from "./row.ts";
import { emitScatter } from "./scatter.ts";
import { rowCost } from "./threads/cost.ts";
import { LEAST_WORK, type ThreadPool } from "./threads/pool.ts";
import type { Run } from "./threads/protocol.ts";
import { emitFilters } from "./winograd/filters.ts";
import { emitWinograd } from "./winograd/index.ts";

export interface WasmBackendOptions {
  /** Instructions not to use although the engine has them. */
  readonly features?: Partial<Features>;
  /**
   * Gives the address, a multiple of 16, of `bytes` bytes that a contraction may use until it returns. By default the
   * memory grows by a region that is kept for this.
   */
  readonly scratch?: (bytes: number) => number;
  /** The address of FRAME_BYTES bytes, a multiple of 64, that kernels of this thread may use until they return. */
  readonly frame?: number;
  /** Threads that share the memory, for launches with enough work. */
  readonly pool?: ThreadPool;
}

/** Work of a chunk, in estimated nanoseconds. */
const CHUNK_WORK = 10_000;
/** Nanoseconds that a scatter takes for an element. */
const SCATTER_COST = 1.5;
/** Chunks of maps are whole multiples of this many elements, so that no two threads write to one cache line. */
const CHUNK_ELEMENTS = 64;
/** What is taken for the length of rows that have different ones. */
const TYPICAL_ROW = 4096;
/** Reductions beside each other, of rows as far apart as the tensor is wide, are divided in groups up to this wide. */
const WIDE_COLUMNS = 512;

/** Nanoseconds for the filters of one channel in a block of outputs. */
const FILTERS_TIME = 40;

export class WasmBackend implements Backend {
  readonly name = "wasm";
  readonly memory: WebAssembly.Memory;
  readonly features: Features;
  private readonly limits: MemoryLimits;
  private readonly imports: WebAssembly.Imports;
  private readonly pool: ThreadPool | null;
  private view: DataView<ArrayBufferLike>;

  constructor(memory: WebAssembly.Memory, options: WasmBackendOptions = {}) {
    this.memory = memory;
    this.features = chooseFeatures(options.features);
    this.limits = memoryLimits(memory);
    const scratch = options.scratch ?? growingScratch(memory);
    let frame = options.frame;
    const env = {
      memory,
      scratch,
      get frame() {
        frame ??= memory.grow(1) * 65536;
        return frame;
      },
    };
    this.imports = { env, host: hostImports };
    this.pool = options.pool ?? null;
    this.view = new DataView(memory.buffer);
  }

  compile(kernel: Kernel): CompiledKernel {
    // Asking decides about the compiler's flags, which must be the same for all modules.
    void this.features.wide;
    if (kernel.form === "contraction") {
      const { bytes, units, work, scratchBytes } = emitContraction(kernel, this.features, this.limits);
      const run = this.parallel(
        bytes,
        (block) => scratchBytes(this.reader(block)),
        2,
        () => 1,
        (block) => work(this.reader(block)),
      );
      return { kernel, run, units: (block) => units(this.reader(block)) };
    }
    if (kernel.form === "winograd") return this.compileWinograd(kernel);
    if (kernel.form === "winograd_filters") return this.compileWinogradFilters(kernel);
    return kernel.form === "row" ? this.compileRow(kernel) : this.compileScatter(kernel);
  }

  private compileRow(kernel: RowKernel): CompiledKernel {
    const { bytes, division } = emitRow(kernel, this.features, this.limits);
    const slots = kernel.buffers.length;
    const inner = kernel.inner.map((axis) => sizeReader(axis.size, slots));
    const perElement = rowCost(kernel);
    const work = (block: number, units: number): number => {
      if (inner.length === 0) return perElement * units;
      const read = this.reader(block);
      return inner.reduce((product, size) => product * size(read), perElement * units);
    };
    const last = kernel.outer.at(-1);
    const width = last ? sizeReader(last.size, slots) : () => 1;
    const grain = {
      elements: () => CHUNK_ELEMENTS,
      tiles: (block: number) => TILE_ROWS * width(this.reader(block)),
      columns: (_: number, units: number) => Math.min(WIDE_COLUMNS, roundUp(units / 8, CHUNK_ELEMENTS)),
      rows: () => 1,
    }[division];
    const least = inner.length === 0 ? Math.ceil(LEAST_WORK / perElement) : 2;
    const run = this.parallel(bytes, () => 0, least, grain, work);
    return { kernel, run, units: this.unitCounter(kernel.outer, slots) };
  }

  private compileWinograd(kernel: WinogradKernel): CompiledKernel {
    const { bytes, units, work, scratchBytes } = emitWinograd(kernel, this.features, this.limits);
    const run = this.parallel(
      bytes,
      (block) => scratchBytes(this.reader(block)),
      2,
      () => 1,
      (block) => work(this.reader(block)),
    );
    return { kernel, run, units: (block) => units(this.reader(block)) };
  }

  private compileWinogradFilters(kernel: WinogradFilterKernel): CompiledKernel {
    const { bytes, units } = emitFilters(kernel, this.limits);
    const channels = kernel.buffers.length + winogradFilterParams.indexOf("channels");
    const run = this.parallel(
      bytes,
      () => 0,
      2,
      () => 1,
      (block, count) => count * this.reader(block)(channels) * FILTERS_TIME,
    );
    return { kernel, run, units: (block) => units(this.reader(block)) };
  }

  private compileScatter(kernel: ScatterKernel): CompiledKernel {
    const bytes = emitScatter(kernel, this.features, this.limits);
    const units = this.unitCounter(kernel.axes, kernel.buffers.length);
    if (!kernel.disjoint) return { kernel, run: instantiate(bytes, this.imports), units };
    const each = this.unitCounter(kernel.axes.slice(1), kernel.buffers.length);
    const run = this.parallel(
      bytes,
      () => 0,
      Math.ceil(LEAST_WORK / SCATTER_COST),
      each,
      (_, count) => SCATTER_COST * count,
    );
    return { kernel, run, units };
  }

  private unitCounter(axes: readonly Axis[], slots: number): (block: number) => number {
    const sizes = axes.map((axis) => sizeReader(axis.size, slots));
    return (block) => {
      const read = this.reader(block);
      let product = 1;
      for (const size of sizes) product *= Math.max(0, size(read));
      return product;
    };
  }

  /**
   * The kernel's function, divided among threads where it pays: from `least` units on, if `work` estimates enough
   * nanoseconds. Chunks are multiples of `grain(…)` units.
   */
  private parallel(
    bytes: Uint8Array<ArrayBuffer>,
    scratchBytes: (block: number) => number,
    least: number,
    grain: (block: number, units: number) => number,
    work: (block: number, units: number) => number,
  ): Run {
    const run = instantiate(bytes, this.imports);
    const { pool } = this;
    if (pool === null) return run;
    return (block, begin, end) => {
      const units = end - begin;
      if (units < least || pool.size === 1) {
        run(block, begin, end);
        return;
      }
      const cost = work(block, units);
      if (!pool.pays(cost)) {
        run(block, begin, end);
        return;
      }
      const chunk = roundUp((units * CHUNK_WORK) / cost, grain(block, units));
      if (chunk < units) pool.run(bytes, run, scratchBytes(block), block, begin, end, chunk);
      else run(block, begin, end);
    };
  }

  /** Reads the i32 in each slot of the parameter block at `block`. */
  private reader(block: number): (slot: number) => number {
    // The buffer is another one after the memory has grown.
    if (this.view.buffer !== this.memory.buffer) this.view = new DataView(this.memory.buffer);
    return (slot) => this.view.getInt32(block + 8 * slot, true);
  }
}

/** The least multiple of `step` from `x` on; at least one step. */
function roundUp(x: number, step: number): number {
  return Math.max(1, Math.ceil(x / step)) * step;
}

type Read = (slot: number) => number;

/** A function that computes the size of an axis from a parameter block. */
function sizeReader(e: Expr, buffers: number): (read: Read) => number {
  if (e.op === "const") return () => Number(e.value);
  if (e.op === "param") return (read) => read(buffers + e.slot);
  // Rows of different lengths.
  if (e.op === "load") return () => TYPICAL_ROW;
  const [a, b] = e.args.map((x) => sizeReader(x, buffers));
  switch (e.op) {
    case "add":
      return (read) => (a(read) + b(read)) | 0;
    case "sub":
      return (read) => (a(read) - b(read)) | 0;
    case "mul":
      return (read) => Math.imul(a(read), b(read));
    case "div":
      return (read) => (b(read) === 0 ? 0 : (a(read) / b(read)) | 0);
    case "rem":
      return (read) => (b(read) === 0 ? 0 : (a(read) % b(read)) | 0);
    case "min":
      return (read) => Math.min(a(read), b(read));
    case "max":
      return (read) => Math.max(a(read), b(read));
    default:
      throw new Error(`IR: the size of an axis is ${e.op}`);
  }
}

/** One region at the end of the memory, replaced by a larger one when more is asked for. */
function growingScratch(memory: WebAssembly.Memory): (bytes: number) => number {
  const PAGE = 65536;
  let address = 0;
  let size = 0;
  return (bytes) => {
    if (bytes > size) {
      const pages = Math.ceil(bytes / PAGE);
      address = memory.grow(pages) * PAGE;
      size = pages * PAGE;
    }
    return address;
  };
}
