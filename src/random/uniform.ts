/** Uniform samples: the base of every other distribution. */

import { bfloat16, type DType, float16, float32, float64, notImplementedFor } from "../dtype.ts";
import { roundTo } from "../elements.ts";
import { check, dtypeOf, formatDouble, type RandomArray, storeDoubles } from "./arrays.ts";
import { fma32, fma64 } from "./fma.ts";
import type { Generator } from "./generator.ts";
import { fillKernels } from "./kernels.ts";

const CHUNK = 1024;
const chunk = new Float64Array(CHUNK);

/** Fills with float32 samples in [low, low + span), by default [0, 1): 24 random bits, one word each. */
export function fillUniform24(
  out: Float32Array | Float64Array,
  start: number,
  end: number,
  generator: Generator,
  low = 0,
  span = 1,
): void {
  const { engine } = generator;
  const kernels = out instanceof Float32Array ? fillKernels(out, end - start) : null;
  if (kernels !== null) {
    kernels.uniform24(engine, out as Float32Array, start, end, low, span, Number.NaN);
    return;
  }
  const { block } = engine;
  let i = start;
  while (i < end) {
    if (engine.left === 1) engine.refill();
    const count = Math.min(engine.left - 1, end - i);
    const offset = engine.next - i;
    for (const stop = i + count; i < stop; i++) {
      out[i] = fma32((block[i + offset] & 0xffffff) * 2 ** -24, span, low);
    }
    engine.next += count;
    engine.left -= count;
  }
}

/** Fills with float64 samples in [0, 1): 53 random bits, two words each, the high bits first. */
export function fillUniform53(out: Float64Array, start: number, end: number, generator: Generator): void {
  const { engine } = generator;
  const kernels = fillKernels(out, end - start);
  if (kernels !== null) {
    kernels.uniform53(engine, out, start, end);
    return;
  }
  const { block } = engine;
  let i = start;
  while (i < end) {
    const pairs = Math.min((engine.left - 1) >> 1, end - i);
    if (pairs === 0) {
      out[i++] = generator.random53(); // the two words lie in different blocks
      continue;
    }
    let k = engine.next;
    for (const stop = i + pairs; i < stop; i++, k += 2) {
      out[i] = ((block[k] & 0x1fffff) * 4294967296 + (block[k + 1] >>> 0)) * 2 ** -53;
    }
    engine.next = k;
    engine.left -= 2 * pairs;
  }
}

/**
 * Fills `out` from float64 uniforms: `transform` turns the first `count` values of its array, each in [0, 1), into
 * samples in place. This is how PyTorch draws bernoulli, exponential, cauchy and geometric samples of every dtype.
 */
export function fillFromUniform53(
  out: RandomArray,
  generator: Generator,
  dtype: DType,
  transform: (values: Float64Array, count: number) => void,
): void {
  for (let start = 0; start < out.length; start += CHUNK) {
    const count = Math.min(CHUNK, out.length - start);
    fillUniform53(chunk, 0, count, generator);
    transform(chunk, count);
    storeDoubles(out, start, chunk, count, dtype);
  }
}

/** The largest finite value and PyTorch's names of each floating-point type. */
const floatLimits = new Map<DType, readonly [max: number, cppName: string, name: string]>([
  [float16, [65504, "c10::Half", "Half"]],
  [bfloat16, [3.3895313892515355e38, "c10::BFloat16", "BFloat16"]],
  [float32, [3.4028234663852886e38, "float", "Float"]],
  [float64, [Number.MAX_VALUE, "double", "Double"]],
]);

/** `Tensor.uniform_`: samples in [from, to). float64 takes two words a sample, the other types one. */
export function uniform_(out: RandomArray, generator: Generator, from = 0, to = 1, dtype: DType = dtypeOf(out)): void {
  const limits = floatLimits.get(dtype);
  if (limits === undefined) notImplementedFor("check_uniform_bounds", dtype);
  const [max, cppName, name] = limits;
  check(Math.abs(from) <= max, () => `from is out of bounds for ${cppName}`);
  check(Math.abs(to) <= max, () => `to is out of bounds for ${cppName}`);
  const bounds = () => `from=${formatDouble(from)} > to=${formatDouble(to)}`;
  check(from <= to, () => `uniform_ expects to return a [from, to) range, but found ${bounds()}`);
  check(
    to - from <= max,
    () =>
      `uniform_ expects to-from <= std::numeric_limits<${name}>::max(), but found to=${formatDouble(to)} and ` +
      `from=${formatDouble(from)} which result in to-from to exceed the limit`,
  );

  if (out instanceof Float64Array) {
    fillUniform53(out, 0, out.length, generator);
    if (from === 0 && to === 1) return;
    const span = to - from;
    for (let i = 0; i < out.length; i++) {
      const value = fma64(out[i], span, from);
      out[i] = value === to ? from : value;
    }
    return;
  }
  const low = Math.fround(from);
  const high = Math.fround(to);
  const span = Math.fround(high - low);
  if (out instanceof Float32Array) {
    const kernels = fillKernels(out, out.length);
    if (kernels !== null) {
      kernels.uniform24(generator.engine, out, 0, out.length, low, span, high);
      return;
    }
    fillUniform24(out, 0, out.length, generator, low, span);
    if (from === 0 && to === 1) return;
    for (let i = 0; i < out.length; i++) if (out[i] === high) out[i] = low;
    return;
  }
  const roundedLow = roundTo(dtype, from);
  const roundedHigh = roundTo(dtype, to);
  for (let start = 0; start < out.length; start += CHUNK) {
    const count = Math.min(CHUNK, out.length - start);
    fillUniform24(chunk, 0, count, generator, low, span);
    for (let i = 0; i < count; i++) {
      const value = roundTo(dtype, chunk[i]);
      chunk[i] = value === roundedHigh ? roundedLow : value;
    }
    storeDoubles(out, start, chunk, count, dtype);
  }
}
