/** Whole numbers: `random_`, `randint` and `randperm`. */
import {
  bfloat16,
  bool,
  type DType,
  float16,
  float32,
  float64,
  INTEGRAL,
  int8,
  int16,
  int32,
  int64,
  notImplementedFor,
  uint8,
} from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { check, dtypeOf, type RandomArray, storeDoubles, storeInt64, throughFloat } from "./arrays.ts";
import type { Generator } from "./generator.ts";
import { fillKernels } from "./kernels.ts";

const CHUNK = 1024;
const chunk = new Float64Array(CHUNK);

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** C++'s names of the types, their least and greatest value, and the bits of a floating-point type's mantissa. */
const limits = new Map<DType, readonly [name: string, min: bigint, max: bigint, digits: bigint]>([
  [bool, ["bool", 0n, 1n, 1n]],
  [uint8, ["unsigned char", 0n, 255n, 8n]],
  [int8, ["signed char", -128n, 127n, 7n]],
  [int16, ["short int", -32768n, 32767n, 15n]],
  [int32, ["int", -(2n ** 31n), 2n ** 31n - 1n, 31n]],
  [int64, ["long int", INT64_MIN, INT64_MAX, 63n]],
  [float16, ["c10::Half", -65504n, 65504n, 11n]],
  [bfloat16, ["c10::BFloat16", INT64_MIN, INT64_MAX, 8n]],
  [float32, ["float", INT64_MIN, INT64_MAX, 24n]],
  [float64, ["double", INT64_MIN, INT64_MAX, 53n]],
]);

function limitsOf(dtype: DType): readonly [name: string, min: bigint, max: bigint, digits: bigint] {
  return limits.get(dtype) as readonly [string, bigint, bigint, bigint];
}

/**
 * `Tensor.random_` in its three forms; `to` is exclusive.
 * - no `from`: 0 to the greatest value of an integer type, 0 to 2^mantissa (2^24 for float32) of a floating-point type;
 * - `from` and `to`: [from, to). `random_(to)` is `from = 0`, and so is `torch.randint`;
 * - `from` and `to = null`: `from` to the greatest value as above; -2^63 gives all 64 bits.
 *
 * Ranges below 2^28 take one word a sample, greater ones two.
 */
export function random_(
  out: RandomArray,
  generator: Generator,
  from?: number | bigint,
  to: number | bigint | null = null,
  dtype: DType = dtypeOf(out),
): void {
  if (from === undefined) {
    if (out.length > 0) fillNonNegative(out, generator, dtype);
    return;
  }
  let low = BigInt(from);
  if (to !== null) {
    let high = BigInt(to);
    check(low < high, () => `random_ expects 'from' to be less than 'to', but got from=${low} >= to=${high}`);
    if (dtype.is_floating_point) {
      low = raiseToRepresentable(dtype, low);
      high = lowerToRepresentable(dtype, high);
      check(
        low < high,
        () =>
          `random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from=${low} >= to=${high}`,
      );
    }
    checkInRange(dtype, low, high - 1n);
    fillRange(out, generator, BigInt.asUintN(64, high - low), low, dtype);
  } else if (low !== INT64_MIN) {
    const [, , max, digits] = limitsOf(dtype);
    const high = dtype.is_floating_point ? 2n ** digits : max;
    if (dtype.is_floating_point) {
      low = raiseToRepresentable(dtype, low);
      check(
        low < high,
        () =>
          `random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got from=${low} > to_inc=${high}`,
      );
    }
    checkInRange(dtype, low, high);
    fillRange(out, generator, BigInt.asUintN(64, high - low + 1n), low, dtype);
  } else {
    if (dtype === bool || dtype === float16) notImplementedFor("random_full_64_bits_range_kernel_cpu", dtype);
    check(
      dtype === int64 || dtype.is_floating_point,
      () => "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16",
    );
    for (let i = 0; i < out.length; i++) storeInt64(out, i, BigInt.asIntN(64, random64(generator)), dtype);
  }
}

/** 64 random bits, the first word high. Only for the rare wide ranges: a bigint costs as much as dozens of words. */
function random64(generator: Generator): bigint {
  const high = generator.random();
  return (BigInt(high) << 32n) | BigInt(generator.random());
}

function checkInRange(dtype: DType, low: bigint, last: bigint): void {
  const [name, min, max] = limitsOf(dtype);
  check(low >= min && low <= max, () => `from is out of bounds for ${name}`);
  check(last >= min && last <= max, () => `to - 1 is out of bounds for ${name}`);
}

/** The spacing of a floating-point type's values near `value`, as PyTorch computes it. */
function spacing(dtype: DType, value: bigint): bigint {
  const magnitude = value < 0n ? -value : value;
  const exponent = BigInt(magnitude.toString(2).length - 1) - limitsOf(dtype)[3] + 1n;
  return 1n << (exponent > 0n ? exponent : 0n);
}

/** Moves `from` right to where no sample, rounded to `dtype`, falls below it. */
function raiseToRepresentable(dtype: DType, from: bigint): bigint {
  const next = throughFloat(dtype, from + 1n);
  return next < from ? next + spacing(dtype, from + 1n) : from;
}

/** Moves `to` left to where no sample, rounded to `dtype`, reaches it. */
function lowerToRepresentable(dtype: DType, to: bigint): bigint {
  const last = throughFloat(dtype, to - 1n);
  return last >= to ? last - spacing(dtype, to - 1n) : to;
}

/** `random_()`: one word a sample, or two for the 64-bit types, cut to the range by a remainder. */
function fillNonNegative(out: RandomArray, generator: Generator, dtype: DType): void {
  const { engine } = generator;
  const digits = limitsOf(dtype)[3];
  if (out instanceof BigInt64Array) {
    const words = new Int32Array(out.buffer, out.byteOffset, 2 * out.length);
    for (let i = 0; i < words.length; i += 2) {
      words[i + 1] = engine.random() & 0x7fffffff;
      words[i] = engine.random();
    }
  } else if (dtype === float64) {
    const range = 2n ** digits + 1n;
    for (let i = 0; i < out.length; i++) out[i] = Number(random64(generator) % range);
  } else {
    const range = dtype.is_floating_point ? 2 ** Number(digits) + 1 : 2 ** Number(digits);
    fillChunks(out, dtype, () => (engine.random() >>> 0) % range);
  }
}

function fillChunks(out: RandomArray, dtype: DType, sample: () => number): void {
  for (let start = 0; start < out.length; start += CHUNK) {
    const count = Math.min(CHUNK, out.length - start);
    for (let i = 0; i < count; i++) chunk[i] = sample();
    storeDoubles(out, start, chunk, count, dtype);
  }
}

/** `base + bits % range`, where `range` is from 1 to 2^64 - 1. */
function fillRange(out: RandomArray, generator: Generator, range: bigint, base: bigint, dtype: DType): void {
  const { engine } = generator;
  const safeBase = base > -(2n ** 52n) && base < 2n ** 52n;
  const offset = Number(base);
  const span = Number(range);
  if (range < 2n ** 28n && safeBase) {
    const kernels = out instanceof BigInt64Array && Math.abs(offset) < 2 ** 50 ? fillKernels(out, out.length) : null;
    if (kernels !== null) {
      kernels.remainders(engine, out as BigInt64Array, 0, out.length, span, offset);
      return;
    }
    const { block } = engine;
    for (let start = 0; start < out.length; start += CHUNK) {
      const count = Math.min(CHUNK, out.length - start);
      for (let i = 0; i < count; ) {
        if (engine.left === 1) engine.refill();
        const available = Math.min(engine.left - 1, count - i);
        const shift = engine.next - i;
        for (const stop = i + available; i < stop; i++) chunk[i] = uint32Remainder(block[i + shift], span) + offset;
        engine.next += available;
        engine.left -= available;
      }
      storeDoubles(out, start, chunk, count, dtype);
    }
  } else if (range >= 2n ** 28n && range <= 2n ** 37n && safeBase) {
    fillChunks(out, dtype, () => remainder64(engine.random() >>> 0, engine.random() >>> 0, span) + offset);
  } else {
    const words = range < 2n ** 28n ? () => BigInt(generator.random()) : () => random64(generator);
    for (let i = 0; i < out.length; i++) storeInt64(out, i, BigInt.asIntN(64, (words() % range) + base), dtype);
  }
}

/** The coercions to 32 bits let the engine divide integers, which is several times faster than a float64 remainder. */
function uint32Remainder(word: number, span: number): number {
  return ((word >>> 0) % (span >>> 0)) >>> 0;
}

/** (high * 2^32 + low) % span for span up to 2^37, 16 bits at a time so that every step is exact in float64. */
function remainder64(high: number, low: number, span: number): number {
  const first = ((high % span) * 65536 + (low >>> 16)) % span;
  return (first * 65536 + (low & 0xffff)) % span;
}

/** From this many elements on, `randperm` takes two words an element. */
const RANDPERM_WIDE = 214748364;

/**
 * `torch.randperm`: 0 to n - 1 in random order, where n is `out.length`. It takes n - 1 words. From 214,748,364 elements
 * on it is another algorithm and takes 2n words.
 */
export function randperm(out: RandomArray, generator: Generator, dtype: DType = dtypeOf(out)): void {
  const n = out.length;
  if (dtype === bool) notImplementedFor("randperm", dtype);
  const [, , max] = limitsOf(dtype);
  if (dtype.category === INTEGRAL && BigInt(n) > max + 1n) {
    throw new RuntimeError(`value cannot be converted to type ${dtype.name}_t without overflow`);
  }
  check(dtype !== float16 || n <= 2049, () => "n cannot be greater than 2049 for Half type.");
  check(dtype !== float32 || n <= 2 ** 24 + 1, () => "n cannot be greater than 2^24+1 for Float type.");
  // The shuffle runs in a type that holds every index; the result is rounded to the 16-bit types afterwards.
  // That of an int64 array fits into the second half of it.
  const order =
    out instanceof Int32Array || out instanceof Float64Array
      ? out
      : out instanceof BigInt64Array
        ? new Int32Array(out.buffer, out.byteOffset + 4 * n, n)
        : new Int32Array(n);
  if (n < RANDPERM_WIDE) shuffle(order, generator);
  else insideOutShuffle(order, generator);
  if (order === out) return;
  if (out instanceof BigInt64Array) {
    const words = new Int32Array(out.buffer, out.byteOffset, 2 * n);
    for (let i = 0; i < n; i++) {
      words[2 * i] = order[i];
      words[2 * i + 1] = 0;
    }
    return;
  }
  for (let start = 0; start < n; start += CHUNK) {
    const count = Math.min(CHUNK, n - start);
    chunk.set(order.subarray(start, start + count));
    storeDoubles(out, start, chunk, count, dtype);
  }
}

/** Fisher-Yates from the front: element i changes places with one at or after it. */
function shuffle(order: Int32Array | Float64Array, generator: Generator): void {
  const n = order.length;
  const { engine } = generator;
  for (let i = 0; i < n; i++) order[i] = i;
  const kernels = order instanceof Int32Array ? fillKernels(order, n) : null;
  if (kernels !== null) {
    kernels.shuffle(engine, order as Int32Array);
    return;
  }
  for (let i = 0; i < n - 1; i++) {
    const j = i + uint32Remainder(engine.random(), n - i);
    const value = order[i];
    order[i] = order[j];
    order[j] = value;
  }
}

/** The inside-out Fisher-Yates, on 64-bit remainders, which stay uniform for a large n. Exported for its test. */
export function insideOutShuffle(order: Int32Array | Float64Array, generator: Generator): void {
  const n = order.length;
  const { engine } = generator;
  for (let i = 0; i < n; i++) {
    const j = remainder64(engine.random() >>> 0, engine.random() >>> 0, i + 1);
    order[i] = order[j];
    order[j] = i;
  }
}
