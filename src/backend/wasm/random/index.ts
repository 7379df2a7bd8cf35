/** Vector code for random fills: a module of its own, which keeps the stream of the JavaScript in random/. */
import type { FillKernels } from "../../../random/kernels.ts";
import { BLOCK_WORDS as BLOCK, type Mt19937 } from "../../../random/mt19937.ts";
import { type MemoryLimits, ModuleBuilder } from "../assembler.ts";
import { detectFeatures } from "../features.ts";
import { memoryLimits } from "../instantiate.ts";
import { emitBoxMuller } from "./box-muller.ts";
import { emitBernoulli, emitRemainders, emitUniform24, emitUniform53 } from "./samples.ts";
import { emitShuffle } from "./shuffle.ts";
import { emitTwist, ROW_WORDS } from "./twister.ts";

interface Exports {
  readonly twist: (state: number, tempered: number) => void;
  readonly uniform24: (words: number, out: number, count: number, low: number, span: number, high: number) => void;
  readonly uniform53: (words: number, out: number, count: number) => void;
  readonly bernoulli: (words: number, out: number, count: number, threshold: bigint, value: number) => void;
  readonly remainders: (words: number, out: number, count: number, span: number, base: number) => void;
  readonly boxMuller: (data: number, end: number, mean: number, std: number) => void;
  readonly shuffle: (words: number, order: number, index: number, count: number, n: number) => void;
}

function randomModule(limits: MemoryLimits): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", limits);
  emitTwist(module);
  emitUniform24(module);
  emitUniform53(module);
  emitBernoulli(module);
  emitRemainders(module);
  emitBoxMuller(module);
  emitShuffle(module);
  return module.bytes();
}

/** Whether `relaxed_madd` rounds once: it may also round twice, where the processor has no such instruction. */
function fusesMultiplyAdd(): boolean {
  const module = new ModuleBuilder();
  const f = module.function(["f32", "f32", "f32"], ["f32"], "run");
  for (const i of [0, 1, 2]) f.get(f.parameter(i)).op("f32x4.splat");
  f.op("f32x4.relaxed_madd").lane("f32x4.extract_lane", 0);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()));
  const run = instance.exports.run as (a: number, b: number, c: number) => number;
  return run(1 + 2 ** -12, 1 + 2 ** -12, -1 - 2 ** -11) === 2 ** -24;
}

/** Samples that a kernel makes at a time, and the bytes that so many take at most. */
const STEP = 8;
const STEP_BYTES = 64;

/** Null where the engine lacks the instructions. `reserve` gives bytes that stay ours. */
export function randomKernels(memory: WebAssembly.Memory, reserve: (bytes: number) => number): FillKernels | null {
  const features = detectFeatures();
  if (!features.relaxed || !fusesMultiplyAdd()) return null;
  // Asking decides about the compiler's flags, which must be the same for all modules.
  void features.wide;
  return new RandomKernels(memory, reserve);
}

class RandomKernels implements FillKernels {
  private readonly memory: WebAssembly.Memory;
  private readonly run: Exports;
  /** Addresses: the rows of untempered and of tempered words, and room for the samples of one step. */
  private readonly state: number;
  private readonly tempered: number;
  private readonly step: number;

  constructor(memory: WebAssembly.Memory, reserve: (bytes: number) => number) {
    this.memory = memory;
    const module = new WebAssembly.Module(randomModule(memoryLimits(memory)));
    this.run = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
    this.state = reserve(8 * ROW_WORDS + STEP_BYTES);
    this.tempered = this.state + 4 * ROW_WORDS;
    this.step = this.tempered + 4 * ROW_WORDS;
  }

  reaches(array: ArrayBufferView): boolean {
    return array.buffer === this.memory.buffer;
  }

  uniform24(engine: Mt19937, out: Float32Array, start: number, end: number, low: number, span: number, high: number) {
    this.fill(engine, out, start, end, 1, (words, at, n) => this.run.uniform24(words, at, n, low, span, high));
  }
  uniform53(engine: Mt19937, out: Float64Array, start: number, end: number): void {
    this.fill(engine, out, start, end, 2, (words, at, n) => this.run.uniform53(words, at, n));
  }
  bernoulli(engine: Mt19937, out: Float32Array, start: number, end: number, p: number, value: number): void {
    // bits · 2^-53 < p, in whole numbers.
    const threshold = BigInt(Math.ceil(p * 2 ** 53));
    this.fill(engine, out, start, end, 2, (words, at, n) => this.run.bernoulli(words, at, n, threshold, value));
  }
  remainders(engine: Mt19937, out: BigInt64Array, start: number, end: number, span: number, base: number): void {
    this.fill(engine, out, start, end, 1, (words, at, n) => this.run.remainders(words, at, n, span, base));
  }
  boxMuller(data: Float32Array, start: number, end: number, mean: number, std: number): void {
    if (end > start) this.run.boxMuller(data.byteOffset + 4 * start, data.byteOffset + 4 * end, mean, std);
  }
  shuffle(engine: Mt19937, order: Int32Array): void {
    const n = order.length;
    this.draw(engine, n - 1, 1, (words, index, count) => this.run.shuffle(words, order.byteOffset, index, count, n));
  }

  /** Fills in whole steps; what is left of a run of words is made beside and copied. */
  private fill(
    engine: Mt19937,
    out: Float32Array | Float64Array | BigInt64Array,
    start: number,
    end: number,
    wordsEach: 1 | 2,
    kernel: (words: number, out: number, count: number) => void,
  ): void {
    const size = out.BYTES_PER_ELEMENT;
    const bytes = new Uint8Array(this.memory.buffer);
    this.draw(engine, end - start, wordsEach, (words, done, count) => {
      const at = out.byteOffset + size * (start + done);
      const whole = count - (count % STEP);
      kernel(words, at, whole);
      if (whole === count) return;
      kernel(words + 4 * wordsEach * whole, this.step, STEP);
      bytes.copyWithin(at + size * whole, this.step, this.step + size * (count - whole));
    });
  }

  /** Calls `use` with runs of words, `wordsEach` for each of `total` samples. */
  private draw(
    engine: Mt19937,
    total: number,
    wordsEach: 1 | 2,
    use: (words: number, done: number, count: number) => void,
  ): void {
    const state = new Int32Array(this.memory.buffer, this.state, 2 * BLOCK);
    const tempered = new Int32Array(this.memory.buffer, this.tempered, 2 * BLOCK);
    state.set(engine.state, BLOCK);
    tempered.set(engine.block, BLOCK);
    let done = 0;
    let next = BLOCK + engine.next;
    let last = next + engine.left - 1;
    while (done < total) {
      if (last - next < wordsEach) {
        this.run.twist(this.state, this.tempered);
        // What was left of the block is now just before the next one.
        next = last === next ? BLOCK : next - BLOCK;
        last = 2 * BLOCK;
      }
      const count = Math.min(total - done, Math.floor((last - next) / wordsEach));
      use(this.tempered + 4 * next, done, count);
      done += count;
      next += count * wordsEach;
    }
    engine.state.set(state.subarray(BLOCK));
    engine.block.set(tempered.subarray(BLOCK));
    engine.next = next - BLOCK;
    engine.left = last - next + 1;
  }
}
