/**
 * A backend that checks another one: it runs kernels on both it and the interpreter and compares what they wrote. For
 * test suites: everything a test does is then also a test of the code generator.
 *
 * How far values may differ is not a fixed tolerance. The interpreter follows the errors that a correct backend may
 * make (another order of summation, 2 ulp in a function, a fused multiply-add) through each kernel; four times that
 * bound is allowed, and nothing where the result is exact.
 */
import { RuntimeError } from "../errors.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { Backend, CompiledKernel } from "./backend.ts";
import { elementAccess, type Value } from "./interpreter/elements.ts";
import type { Journal, JournalEntry } from "./interpreter/evaluate.ts";
import { type InterpretedKernel, InterpreterBackend } from "./interpreter/interpreter.ts";

export interface CheckingOptions {
  /** How many element evaluations a launch may cost to be checked whole; of larger ones some units are checked. Default 20,000. */
  readonly maxEvaluations?: number;
  /** How many launches of each kernel are checked one after the other; then every power of two. Default 4. */
  readonly launches?: number;
  /** Called with each mismatch. Default: throws it. */
  readonly onMismatch?: (error: KernelMismatch) => void;
}

/** Two backends disagree about an element. */
export class KernelMismatch extends RuntimeError {
  override name = "KernelMismatch";
  readonly kernel: Kernel;

  constructor(kernel: Kernel, message: string) {
    super(message);
    this.kernel = kernel;
  }
}

/** How often the checks ran. */
export interface CheckingStatistics {
  kernels: number;
  launches: number;
  checked: number;
  /** Launches that were due but too large to check even in part. */
  tooLarge: number;
  elements: number;
}

/** The units of the reference that are run for a launch. */
interface Part {
  readonly ranges: readonly [number, number][];
  readonly whole: boolean;
}

/** Bytes before and after the written range that must stay as they are, and the largest range that is watched. */
const MARGIN = 64;
const MAX_WATCHED = 2 ** 22;
/** How many times `maxEvaluations` a single unit may cost. */
const UNIT_PATIENCE = 5;

export class CheckingBackend implements Backend {
  readonly name: string;
  readonly memory: WebAssembly.Memory;
  readonly statistics: CheckingStatistics = { kernels: 0, launches: 0, checked: 0, tooLarge: 0, elements: 0 };
  private readonly fast: Backend;
  private readonly reference: InterpreterBackend;
  private readonly maxEvaluations: number;
  private readonly launches: number;
  private readonly onMismatch: (error: KernelMismatch) => void;

  constructor(fast: Backend, options: CheckingOptions = {}) {
    this.fast = fast;
    this.memory = fast.memory;
    this.name = `${fast.name}, checked`;
    this.reference = new InterpreterBackend(fast.memory, { trackErrors: true });
    this.maxEvaluations = options.maxEvaluations ?? 20_000;
    this.launches = options.launches ?? 4;
    this.onMismatch =
      options.onMismatch ??
      ((error) => {
        throw error;
      });
  }

  compile(kernel: Kernel): CompiledKernel {
    const fast = this.fast.compile(kernel);
    const reference = this.reference.compile(kernel);
    this.statistics.kernels++;
    let launch = 0;
    return {
      kernel,
      units: fast.units,
      run: (block, begin, end) => {
        launch++;
        this.statistics.launches++;
        const due = launch <= this.launches || (launch & (launch - 1)) === 0;
        const part = due ? this.part(fast, reference, block, begin, end) : null;
        if (part === null) fast.run(block, begin, end);
        else this.runBoth(fast, reference, block, begin, end, part);
      },
    };
  }

  /** The units of the reference to compare for a launch of the fast kernel's units [begin, end): all, or some of them. */
  private part(
    fast: CompiledKernel,
    reference: InterpretedKernel,
    block: number,
    begin: number,
    end: number,
  ): Part | null {
    let [first, last] = [begin, end];
    if (fast.kernel.form === "contraction" || fast.kernel.form === "winograd") {
      // The backends divide these differently: only whole launches correspond.
      if (begin !== 0 || end !== fast.units(block)) return null;
      [first, last] = [0, reference.units(block)];
    }
    const count = last - first;
    if (count <= 0) return null;
    const unitSize = Math.max(1, reference.unitSize(block));
    if (count * unitSize <= this.maxEvaluations) return { ranges: [[first, last]], whole: true };
    // The writes of a scatter meet, so that a part of them has no result of its own.
    if (fast.kernel.form === "scatter" || unitSize > UNIT_PATIENCE * this.maxEvaluations) {
      this.statistics.tooLarge++;
      return null;
    }
    // Both ends, where vector code has its special cases, and a run in the middle.
    const length = Math.max(1, Math.floor(this.maxEvaluations / unitSize / 3));
    const middle = Math.max(first + length, first + Math.floor((count - length) / 2));
    return {
      ranges: [
        [first, Math.min(last, first + length)],
        [middle, Math.min(middle + length, last)],
        [Math.max(middle + length, last - length), last],
      ],
      whole: false,
    };
  }

  private runBoth(
    fast: CompiledKernel,
    reference: InterpretedKernel,
    block: number,
    begin: number,
    end: number,
    { ranges, whole }: Part,
  ): void {
    const { kernel } = fast;
    const journal: Journal = new Map();
    try {
      for (const [from, to] of ranges) reference.record(block, from, to, journal);
    } finally {
      this.restore(journal);
    }
    const watched = whole ? this.watch(kernel, journal) : [];
    fast.run(block, begin, end);
    this.statistics.checked++;
    this.statistics.elements += journal.size;
    this.compare(kernel, block, journal);
    for (const { start, bytes, buffer } of watched) this.compareUnwritten(kernel, journal, start, bytes, buffer);
  }

  private restore(journal: Journal): void {
    const view = new DataView(this.memory.buffer);
    for (const [address, entry] of journal) elementAccess[entry.dtype].write(view, address, entry.before);
  }

  private compare(kernel: Kernel, block: number, journal: Journal): void {
    const view = new DataView(this.memory.buffer);
    let wrong = 0;
    let first = "";
    for (const [address, entry] of journal) {
      const got = elementAccess[entry.dtype].read(view, address);
      if (agrees(got, entry)) continue;
      if (wrong++ > 0) continue;
      const start = view.getUint32(block + 8 * entry.buffer, true);
      const index = (address - start) / elementAccess[entry.dtype].size;
      first = `buffer ${entry.buffer} (${entry.dtype}) at element ${index} (byte ${address}): ${this.fast.name} gives ${show(got)}, the reference ${show(entry.after)}, allowed difference ${4 * entry.error}`;
    }
    if (wrong > 0) {
      const params = readParams(kernel, view, block);
      this.onMismatch(
        new KernelMismatch(
          kernel,
          `kernel "${kernel.name}" (${kernel.form}): ${wrong} of ${journal.size} compared elements differ; first ${first}; parameters [${params}]`,
        ),
      );
    }
  }

  /** Copies of the ranges around what a whole launch writes, by buffer. */
  private watch(kernel: Kernel, journal: Journal): { start: number; bytes: Uint8Array; buffer: number }[] {
    const memory = new Uint8Array(this.memory.buffer);
    return kernel.buffers.flatMap((_, buffer) => {
      let low = Number.POSITIVE_INFINITY;
      let high = 0;
      for (const [address, entry] of journal) {
        if (entry.buffer !== buffer) continue;
        low = Math.min(low, address);
        high = Math.max(high, address + elementAccess[entry.dtype].size);
      }
      if (high === 0 || high - low > MAX_WATCHED) return [];
      const start = Math.max(0, low - MARGIN);
      return [{ start, bytes: memory.slice(start, Math.min(memory.length, high + MARGIN)), buffer }];
    });
  }

  /** Bytes around and between the written elements must be as before. */
  private compareUnwritten(kernel: Kernel, journal: Journal, start: number, before: Uint8Array, buffer: number): void {
    const now = new Uint8Array(this.memory.buffer, start, before.length);
    const written = new Uint8Array(before.length);
    for (const [address, { dtype }] of journal) {
      const from = address - start;
      if (from >= 0) written.fill(1, from, from + elementAccess[dtype].size);
    }
    for (let i = 0; i < before.length; i++) {
      if (written[i] || now[i] === before[i]) continue;
      this.onMismatch(
        new KernelMismatch(
          kernel,
          `kernel "${kernel.name}" (${kernel.form}): ${this.fast.name} wrote byte ${start + i} near buffer ${buffer}, which belongs to no element that it should write`,
        ),
      );
      return;
    }
  }
}

/** Whether a value is as near to the reference as a correct backend's must be. NaN agrees with NaN, -0 with 0. */
export function agrees(got: Value, { after, error, dtype }: JournalEntry): boolean {
  if (got === after || (Number.isNaN(got) && Number.isNaN(after))) return true;
  if (error === 0) return false;
  if (error === Number.POSITIVE_INFINITY || Number.isNaN(error)) return true;
  const difference = Math.abs(Number(got) - Number(after));
  return difference <= 4 * error + spacing(dtype, Number(after));
}

/** Two values within their error may still round to neighbouring 16-bit floats. */
function spacing(dtype: string, x: number): number {
  if (dtype !== "float16" && dtype !== "bfloat16") return 0;
  const [digits, smallest] = dtype === "float16" ? [10, 2 ** -24] : [7, 2 ** -133];
  return Math.max(smallest, 2 ** (Math.floor(Math.log2(Math.abs(x))) - digits));
}

function show(x: Value): string {
  return typeof x === "bigint" ? `${x}n` : Object.is(x, -0) ? "-0" : String(x);
}

function readParams(kernel: Kernel, view: DataView, block: number): string {
  return kernel.params
    .map((type, i) => {
      const address = block + 8 * (kernel.buffers.length + i);
      if (type === "i64") return view.getBigInt64(address, true);
      if (type === "f32") return view.getFloat32(address, true);
      return type === "f64" ? view.getFloat64(address, true) : view.getInt32(address, true);
    })
    .join(", ");
}
