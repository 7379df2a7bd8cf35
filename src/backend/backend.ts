/** What the engine asks of a backend. A backend knows kernels and bytes; it knows no op and no tensor. */
import type { Kernel } from "../ir/kernel.ts";

/** A kernel ready to run. */
export interface CompiledKernel {
  readonly kernel: Kernel;
  /**
   * Runs the work units in [begin, end) with the parameter block at byte address `block` of the memory (see
   * `ir/kernel.ts` for its layout).
   */
  readonly run: (block: number, begin: number, end: number) => void;
  /** How many work units the launch described by the block at `block` has. */
  readonly units: (block: number) => number;
}

/** A CPU backend: its kernels work on one WebAssembly memory. */
export interface Backend {
  readonly name: string;
  readonly memory: WebAssembly.Memory;
  /** Makes a kernel runnable. The caller caches the result. */
  compile(kernel: Kernel): CompiledKernel;
}
