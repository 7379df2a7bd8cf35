/** The CPU backend: each kernel becomes a WebAssembly module of its own, generated when it is first needed. */
import type { Expr } from "../../ir/expr.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Backend, CompiledKernel } from "../backend.ts";
import type { MemoryLimits } from "./assembler.ts";
import { emitContraction } from "./contraction.ts";
import { chooseFeatures, type Features } from "./features.ts";
import { hostImports } from "./host.ts";
import { emitRow } from "./row.ts";
import { emitScatter } from "./scatter.ts";

export interface WasmBackendOptions {
  /** Instructions not to use although the engine has them. */
  readonly features?: Partial<Features>;
  /**
   * Gives the address, a multiple of 16, of `bytes` bytes that a contraction may use until it returns. By default the
   * memory grows by a region that is kept for this.
   */
  readonly scratch?: (bytes: number) => number;
}

type Run = (block: number, begin: number, end: number) => void;

export class WasmBackend implements Backend {
  readonly name = "wasm";
  readonly memory: WebAssembly.Memory;
  readonly features: Features;
  private readonly limits: MemoryLimits;
  private readonly imports: WebAssembly.Imports;
  private view: DataView<ArrayBufferLike>;

  constructor(memory: WebAssembly.Memory, options: WasmBackendOptions = {}) {
    this.memory = memory;
    this.features = chooseFeatures(options.features);
    const shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
    this.limits = shared ? { minimum: 0, maximum: 65536, shared } : {};
    const scratch = options.scratch ?? growingScratch(memory);
    this.imports = { env: { memory, scratch }, host: hostImports };
    this.view = new DataView(memory.buffer);
  }

  compile(kernel: Kernel): CompiledKernel {
    // Asking decides about the compiler's flags, which must be the same for all modules.
    void this.features.wide;
    if (kernel.form === "contraction") {
      const { bytes, units } = emitContraction(kernel, this.features, this.limits);
      return { kernel, run: this.instantiate(bytes), units: (block) => units(this.reader(block)) };
    }
    const row = kernel.form === "row";
    const bytes = row ? emitRow(kernel, this.features, this.limits) : emitScatter(kernel, this.features, this.limits);
    const sizes = (row ? kernel.outer : kernel.axes).map((axis) => sizeReader(axis.size, kernel.buffers.length));
    return {
      kernel,
      run: this.instantiate(bytes),
      units: (block) => {
        const read = this.reader(block);
        let product = 1;
        for (const size of sizes) product *= Math.max(0, size(read));
        return product;
      },
    };
  }

  private instantiate(bytes: Uint8Array<ArrayBuffer>): Run {
    const module = new WebAssembly.Module(bytes);
    const run = new WebAssembly.Instance(module, this.imports).exports.run as Run;
    if (!WebAssembly.Module.imports(module).some((i) => i.module === "host")) return run;
    return (block, begin, end) => {
      leaveWideVectors();
      run(block, begin, end);
    };
  }

  /** Reads the i32 in each slot of the parameter block at `block`. */
  private reader(block: number): (slot: number) => number {
    // The buffer is another one after the memory has grown.
    if (this.view.buffer !== this.memory.buffer) this.view = new DataView(this.memory.buffer);
    return (slot) => this.view.getInt32(block + 8 * slot, true);
  }
}

const copied = new Uint8Array(4096);

/**
 * 256-bit code leaves the processor in a state in which the C code behind Math.exp and its kin is slow, which V8 does not end:
 * 300 ns a call instead of 20, measured on Zen 3. A copy of memory ends it, because C's memcpy cleans up behind its own vectors.
 */
function leaveWideVectors(): void {
  copied.copyWithin(0, 2048);
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
