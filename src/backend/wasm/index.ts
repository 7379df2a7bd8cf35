/** The CPU backend: each kernel becomes a WebAssembly module of its own, generated when it is first needed. */
import type { Expr } from "../../ir/expr.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Backend, CompiledKernel } from "../backend.ts";
import type { MemoryLimits } from "./assembler.ts";
import { emitContraction } from "./contraction.ts";
import { chooseFeatures, type Features } from "./features.ts";
import { hostImports } from "./host.ts";
import { instantiate } from "./instantiate.ts";
import { emitRow } from "./row.ts";
import { emitScatter } from "./scatter.ts";
import { rowCost } from "./threads/cost.ts";
import type { ThreadPool } from "./threads/pool.ts";
import type { Run } from "./threads/protocol.ts";

export interface WasmBackendOptions {
  /** Instructions not to use although the engine has them. */
  readonly features?: Partial<Features>;
  /**
   * Gives the address, a multiple of 16, of `bytes` bytes that a contraction may use until it returns. By default the
   * memory grows by a region that is kept for this.
   */
  readonly scratch?: (bytes: number) => number;
  /** Threads that share the memory, for launches with enough work. */
  readonly pool?: ThreadPool;
}

/** Work, in estimated nanoseconds, below which a launch stays on the calling thread, and that of a chunk. */
const LEAST_WORK = 40_000;
const CHUNK_WORK = 20_000;
/** Chunks of maps are whole multiples of this many elements, so that no two threads write to one cache line. */
const CHUNK_ELEMENTS = 64;

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
    const shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
    this.limits = shared ? { minimum: 0, maximum: 65536, shared } : {};
    const scratch = options.scratch ?? growingScratch(memory);
    this.imports = { env: { memory, scratch }, host: hostImports };
    this.pool = options.pool ?? null;
    this.view = new DataView(memory.buffer);
  }

  compile(kernel: Kernel): CompiledKernel {
    // Asking decides about the compiler's flags, which must be the same for all modules.
    void this.features.wide;
    if (kernel.form === "contraction") {
      const { bytes, units, work, scratchBytes } = emitContraction(kernel, this.features, this.limits);
      const run = this.parallel(bytes, scratchBytes, 2, 1, (block) => work(this.reader(block)));
      return { kernel, run, units: (block) => units(this.reader(block)) };
    }
    const row = kernel.form === "row";
    const bytes = row ? emitRow(kernel, this.features, this.limits) : emitScatter(kernel, this.features, this.limits);
    const sizes = (row ? kernel.outer : kernel.axes).map((axis) => sizeReader(axis.size, kernel.buffers.length));
    let run: Run;
    if (kernel.form !== "row") run = instantiate(bytes, this.imports);
    else if (kernel.inner.length === 0) {
      const cost = rowCost(kernel);
      const least = Math.ceil(LEAST_WORK / cost);
      run = this.parallel(bytes, 0, least, CHUNK_ELEMENTS, (_, units) => cost * units);
    } else {
      const cost = rowCost(kernel);
      const inner = kernel.inner.map((axis) => sizeReader(axis.size, kernel.buffers.length));
      run = this.parallel(bytes, 0, 2, 1, (block, units) => {
        const read = this.reader(block);
        return inner.reduce((product, size) => product * size(read), cost * units);
      });
    }
    return {
      kernel,
      run,
      units: (block) => {
        const read = this.reader(block);
        let product = 1;
        for (const size of sizes) product *= Math.max(0, size(read));
        return product;
      },
    };
  }

  /**
   * The kernel's function, divided among threads where it pays: from `least` units on, if `work` estimates enough
   * nanoseconds. Chunks are multiples of `grain` units.
   */
  private parallel(
    bytes: Uint8Array<ArrayBuffer>,
    scratchBytes: number,
    least: number,
    grain: number,
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
      if (cost < LEAST_WORK) {
        run(block, begin, end);
        return;
      }
      const chunk = Math.max(1, Math.floor((units * CHUNK_WORK) / cost));
      pool.run(bytes, run, scratchBytes, block, begin, end, Math.ceil(chunk / grain) * grain);
    };
  }

  /** Reads the i32 in each slot of the parameter block at `block`. */
  private reader(block: number): (slot: number) => number {
    // The buffer is another one after the memory has grown.
    if (this.view.buffer !== this.memory.buffer) this.view = new DataView(this.memory.buffer);
    return (slot) => this.view.getInt32(block + 8 * slot, true);
  }
}

type Read = (slot: number) => number;

/** A function that computes the size of an axis from a parameter block. */
function sizeReader(e: Expr, buffers: number): (read: Read) => number {
  if (e.op === "const") return () => Number(e.value);
  if (e.op === "param") return (read) => read(buffers + e.slot);
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
