/**
 * A fuzz driver for loaders of files: it damages valid files in many ways and loads them. Each must load, or throw one of
 * our errors, within a second, without taking more memory than the file could justify and without touching the
 * prototypes of JavaScript. Everything follows from a seed, so that a failure can be repeated.
 *
 *   const report = await fuzz({ name, seeds, load }, { count: 300, seed: 1 });
 *   assert.deepEqual(report.failures, []);
 *
 * A file here that ends in `-formats.ts` exports `formats`, which the long run takes too (long-fuzz.ts).
 */
import * as errors from "../../src/errors.ts";
import { heap } from "../../src/storage/storage.ts";

/** Random numbers that are the same everywhere: mulberry32. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed >>> 0;
  }
  /** A whole number in [0, n). */
  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

export type Mutator = (bytes: Uint8Array, random: Random) => Uint8Array;

export interface FuzzFormat {
  readonly name: string;
  /** Valid files. */
  readonly seeds: readonly Uint8Array[];
  /** Loads a file whole; an error of our classes is an answer. */
  readonly load: (bytes: Uint8Array) => unknown;
  /** Mutations that know the format, used for half of the files if there are any. */
  readonly mutators?: readonly Mutator[];
  /** How many bytes of tensors a file of this size may take; by default its own size and a little. */
  readonly justified?: (fileSize: number) => number;
}

export interface FuzzOptions {
  readonly count: number;
  readonly seed: number;
  /** Milliseconds that one file may take. */
  readonly limit?: number;
}

export interface FuzzFailure {
  /** With the same seed, the mutation of this number fails. */
  readonly index: number;
  readonly problem: string;
}

export interface FuzzReport {
  readonly loaded: number;
  /** How many were refused, by the name of the error. */
  readonly refused: Record<string, number>;
  readonly failures: FuzzFailure[];
  /** The longest time for one file, in milliseconds. */
  readonly slowest: number;
}

const ownErrors: readonly (new (message?: string) => Error)[] = Object.values(errors);

/** What a damaged file may throw: our own classes. A TypeError or RangeError of the engine is a bug of the loader. */
export function isCleanError(error: unknown): boolean {
  return ownErrors.some((type) => error instanceof type) && (error as Error).message.length < 5000;
}

const guarded: readonly object[] = [Object.prototype, Array.prototype, Function.prototype, Map.prototype];

function prototypeKeys(): string {
  return guarded.map((object) => Reflect.ownKeys(object).map(String).join()).join("|");
}

/** Bytes of ordinary memory (typed arrays) that one file may take, beyond those that it justifies. */
const SLACK = 32 * 2 ** 20;

/** Loads `count` damaged files. */
export async function fuzz(format: FuzzFormat, { count, seed, limit = 1000 }: FuzzOptions): Promise<FuzzReport> {
  const refused: Record<string, number> = {};
  const failures: FuzzFailure[] = [];
  const justified = format.justified ?? ((size: number) => 2 * size + 65536);
  const prototypes = prototypeKeys();
  let loaded = 0;
  let slowest = 0;
  for (let index = 0; index < count; index++) {
    const bytes = mutation(format, seed, index);
    const fail = (problem: string): void => {
      failures.push({ index, problem: `${format.name}: ${problem}` });
    };
    heap.stats.resetPeaks();
    const before = heap.stats.blockBytes.current;
    const ordinary = process.memoryUsage().arrayBuffers;
    const start = performance.now();
    try {
      await format.load(bytes);
      loaded++;
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error;
      refused[name] = (refused[name] ?? 0) + 1;
      if (!isCleanError(error)) fail(`threw ${error instanceof Error ? (error.stack ?? error) : String(error)}`);
    }
    const time = performance.now() - start;
    slowest = Math.max(slowest, time);
    if (time > limit) fail(`took ${time.toFixed(0)} ms`);
    const taken = heap.stats.blockBytes.peak - before;
    if (taken > justified(bytes.length)) fail(`a file of ${bytes.length} bytes took ${taken} bytes of tensors`);
    const more = process.memoryUsage().arrayBuffers - ordinary;
    if (more > justified(bytes.length) + SLACK) fail(`a file of ${bytes.length} bytes took ${more} bytes of memory`);
    if (prototypeKeys() !== prototypes) {
      fail("changed a prototype");
      break;
    }
    // A macrotask now and then, so that finalizers return the memory of tensors.
    if (index % 64 === 63) await new Promise((resolve) => setImmediate(resolve));
  }
  return { loaded, refused, failures, slowest };
}

/** The damaged file of this number. */
export function mutation(format: FuzzFormat, seed: number, index: number): Uint8Array {
  const random = new Random(seed * 1_000_003 + index);
  let bytes = random.pick(format.seeds);
  const own = format.mutators ?? [];
  if (own.length > 0 && random.below(2) === 0) {
    bytes = random.pick(own)(bytes, random);
    if (random.below(3) > 0) return bytes;
  }
  const rounds = random.pick([1, 1, 1, 2, 3, 8]);
  for (let i = 0; i < rounds; i++) {
    if (random.below(20) === 0) bytes = splice(bytes, random.pick(format.seeds), random);
    else bytes = random.pick(generalMutators)(bytes, random);
  }
  return bytes;
}

const INTERESTING = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

const truncate: Mutator = (bytes, random) => bytes.slice(0, random.below(bytes.length + 1));

const flipBits: Mutator = (bytes, random) => {
  const out = bytes.slice();
  for (let n = 1 + random.below(4); n > 0 && out.length > 0; n--) out[random.below(out.length)] ^= 1 << random.below(8);
  return out;
};

const setBytes: Mutator = (bytes, random) => {
  const out = bytes.slice();
  for (let n = 1 + random.below(4); n > 0 && out.length > 0; n--) {
    out[random.below(out.length)] = random.below(2) === 0 ? random.below(256) : random.pick(INTERESTING);
  }
  return out;
};

/** Writes an extreme value over 2, 4 or 8 bytes: sizes, offsets, counts. */
const setField: Mutator = (bytes, random) => {
  const out = bytes.slice();
  const width = random.pick([2, 4, 8]);
  if (out.length < width) return out;
  const view = new DataView(out.buffer);
  const at = random.below(out.length - width + 1);
  const little = random.below(4) > 0;
  const value = random.below(3) === 0 ? random.below(2 * out.length + 16) : random.pick(INTERESTING);
  if (width === 2) view.setUint16(at, value & 0xffff, little);
  else if (width === 4) view.setUint32(at, value, little);
  else view.setBigUint64(at, BigInt(value) << BigInt(random.pick([0, 0, 31, 32])), little);
  return out;
};

function range(length: number, random: Random): [number, number] {
  const start = random.below(length + 1);
  return [start, Math.min(length, start + 1 + random.below(random.pick([4, 64, 1024])))];
}

/** The parts one after the other. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const remove: Mutator = (bytes, random) => {
  const [start, end] = range(bytes.length, random);
  return concat(bytes.subarray(0, start), bytes.subarray(end));
};

const repeat: Mutator = (bytes, random) => {
  const [start, end] = range(bytes.length, random);
  const part = bytes.subarray(start, end);
  const times = random.pick([1, 2, 50]);
  return concat(bytes.subarray(0, end), ...new Array<Uint8Array>(times).fill(part), bytes.subarray(end));
};

const insert: Mutator = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const noise = Uint8Array.from({ length: 1 + random.below(16) }, () => random.below(256));
  return concat(bytes.subarray(0, at), noise, bytes.subarray(at));
};

/** Replaces digits of a number that is written as text, as headers have them. */
const editNumber: Mutator = (bytes, random) => {
  const out = bytes.slice();
  const start = random.below(out.length + 1);
  for (let i = 0; i < out.length; i++) {
    const at = (start + i) % out.length;
    if (out[at] < 0x30 || out[at] > 0x39) continue;
    const text = random.pick(["9", "0", "-1", "99999999999", "1e9", "4294967296", "9007199254740993", ""]);
    return concat(out.subarray(0, at), new TextEncoder().encode(text), out.subarray(at + 1));
  }
  return out;
};

/** Replaces a short word by a hostile one. */
const editWord: Mutator = (bytes, random) => {
  const word = random.pick(["__proto__", "constructor", "prototype", "toString", "\0", "../../etc/passwd", "\ufffd"]);
  const [start, end] = range(bytes.length, random);
  return concat(bytes.subarray(0, start), new TextEncoder().encode(word), bytes.subarray(Math.min(end, start + 9)));
};

function splice(a: Uint8Array, b: Uint8Array, random: Random): Uint8Array {
  return concat(a.subarray(0, random.below(a.length + 1)), b.subarray(random.below(b.length + 1)));
}

/** Damage that knows no format. */
export const generalMutators: readonly Mutator[] = [
  truncate,
  flipBits,
  flipBits,
  setBytes,
  setBytes,
  setField,
  setField,
  remove,
  repeat,
  insert,
  editNumber,
  editWord,
];
