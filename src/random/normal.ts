/**
 * Normal samples by the Box-Muller transform. PyTorch has two paths that give different numbers: 16 samples at a time
 * for 16 or more contiguous elements, and one at a time, in float64 with the second of each pair kept for later.
 * Source: G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates" (1958).
 */
import { type DType, notImplementedFor } from "../dtype.ts";
import { check, dtypeOf, formatDouble, type RandomArray, storeDoubles } from "./arrays.ts";
import { fma64 } from "./fma.ts";
import type { Generator } from "./generator.ts";
import { fillKernels } from "./kernels.ts";
import { fillUniform24, fillUniform53 } from "./uniform.ts";

const { fround } = Math;

const CHUNK = 1024;
const chunk = new Float64Array(CHUNK);
/** A multiple of 16. */
const VECTOR_PART = 16384;
const sixteen = new Float32Array(16);

/**
 * `Tensor.normal_`. `contiguous` says whether the tensor is: it is `tensor.is_contiguous()` in PyTorch and decides, with
 * 16 elements or more, between the two paths. For a tensor that is not, `out` holds the elements in the order in which
 * they lie in memory.
 */
export function normal_(
  out: RandomArray,
  generator: Generator,
  mean = 0,
  std = 1,
  dtype: DType = dtypeOf(out),
  contiguous = true,
): void {
  check(std >= 0, () => `normal expects std >= 0.0, but found std ${formatDouble(std)}`);
  if (out.length === 0) return;
  if (!dtype.is_floating_point) notImplementedFor("normal_kernel_cpu", dtype);
  if (out.length < 16 || !contiguous) fillSerial(out, generator, dtype, (z) => fma64(z, std, mean));
  else if (out instanceof Float64Array) fillVector64(out, generator, mean, std);
  else if (out instanceof Float32Array) fillVector32(out, generator, fround(mean), fround(std));
  else fillVector16(out, generator, fround(mean), fround(std), dtype);
}

/** `Tensor.log_normal_`: the exponential of a normal sample; it always takes the one-at-a-time path. */
export function log_normal_(
  out: RandomArray,
  generator: Generator,
  mean = 1,
  std = 2,
  dtype: DType = dtypeOf(out),
): void {
  check(std > 0, () => `log_normal_ expects std > 0.0, but found std=${formatDouble(std)}`);
  if (out.length === 0) return;
  if (!dtype.is_floating_point) notImplementedFor("log_normal_cpu", dtype);
  fillSerial(out, generator, dtype, (z) => Math.exp(fma64(z, std, mean)));
}

/** One sample of mean 0 and deviation 1: the one kept from the last pair, or the first of a new pair. */
export function standardNormal(generator: Generator): number {
  const kept = generator.nextNormal;
  if (kept !== null) {
    generator.nextNormal = null;
    return kept;
  }
  const u1 = generator.random53();
  const u2 = generator.random53();
  const radius = Math.sqrt(-2 * Math.log1p(-u2));
  const theta = 2 * Math.PI * u1;
  generator.nextNormal = radius * Math.sin(theta);
  return radius * Math.cos(theta);
}

function fillSerial(out: RandomArray, generator: Generator, dtype: DType, transform: (z: number) => number): void {
  for (let start = 0; start < out.length; start += CHUNK) {
    const count = Math.min(CHUNK, out.length - start);
    for (let i = 0; i < count; i++) chunk[i] = transform(standardNormal(generator));
    storeDoubles(out, start, chunk, count, dtype);
  }
}

/**
 * Every full group of 16 uniforms becomes 16 normals. Then, where elements are left over, the last 16 elements are drawn
 * once more and overwritten, because the kernel works on 16 at a time only.
 */
function fillVector64(out: Float64Array, generator: Generator, mean: number, std: number): void {
  const size = out.length;
  fillUniform53(out, 0, size, generator);
  for (let i = 0; i + 16 <= size; i += 16) boxMuller64(out, i, mean, std);
  if (size % 16 === 0) return;
  fillUniform53(out, size - 16, size, generator);
  boxMuller64(out, size - 16, mean, std);
}

function fillVector32(out: Float32Array, generator: Generator, mean: number, std: number): void {
  const size = out.length;
  const whole = size - (size % 16);
  const kernels = fillKernels(out, size);
  if (kernels !== null) {
    // In parts that stay in the cache.
    for (let start = 0; start < size; start += VECTOR_PART) {
      const end = Math.min(start + VECTOR_PART, size);
      kernels.uniform24(generator.engine, out, start, end, 0, 1, 1);
      kernels.boxMuller(out, start, Math.min(end, whole), mean, std);
    }
  } else {
    fillUniform24(out, 0, size, generator);
    boxMuller32(out, 0, whole, mean, std);
  }
  if (size === whole) return;
  fillUniform24(out, size - 16, size, generator);
  boxMuller32(out, size - 16, size, mean, std);
}

/** As for float32, but the elements left over are drawn once only: they never hold uniforms. */
function fillVector16(out: RandomArray, generator: Generator, mean: number, std: number, dtype: DType): void {
  const size = out.length;
  const fill = (start: number) => {
    fillUniform24(sixteen, 0, 16, generator);
    boxMuller32(sixteen, 0, 16, mean, std);
    chunk.set(sixteen);
    storeDoubles(out, start, chunk, 16, dtype);
  };
  for (let i = 0; i + 16 <= size; i += 16) fill(i);
  if (size % 16 !== 0) fill(size - 16);
}

function boxMuller64(data: Float64Array, start: number, mean: number, std: number): void {
  for (let j = start; j < start + 8; j++) {
    const radius = Math.sqrt(-2 * Math.log(1 - data[j]));
    const theta = 2 * Math.PI * data[j + 8];
    data[j] = fma64(radius * Math.cos(theta), std, mean);
    data[j + 8] = fma64(radius * Math.sin(theta), std, mean);
  }
}

// The float32 path repeats, operation for operation, the vectorized kernel that PyTorch uses on every x86 CPU with AVX2
// (with AVX-512 too), whose logarithm, sine and cosine are the polynomials of Cephes (S. L. Moshier) in float32. Where
// the compiler fused a multiplication and an addition, the code below rounds the two once. On other CPUs PyTorch calls
// the C library instead and differs from this in the last bits.

const TWO_PI = fround(2 * Math.PI);
const FOUR_OVER_PI = fround(4 / Math.PI);
/** The square root of 1/2, in units of 2^-24. */
const SQRT_HALF_24 = 11863283;
const [LOG_P0, LOG_P1, LOG_P2, LOG_P3, LOG_P4, LOG_P5, LOG_P6, LOG_P7, LOG_P8] = Float32Array.of(
  7.0376836292e-2,
  -1.151461031e-1,
  1.167699874e-1,
  -1.2420140846e-1,
  1.4249322787e-1,
  -1.6668057665e-1,
  2.0000714765e-1,
  -2.4999993993e-1,
  3.3333331174e-1,
);
/** ln 2 in two parts: the second is exact when multiplied by a small integer. */
const LN2_LOW = fround(-2.1219444e-4);
const LN2_HIGH = 0.693359375;
/** -pi/4 in three parts. */
const MINUS_PI4_A = -0.78515625;
const MINUS_PI4_B = -2.4187564849853516e-4;
const MINUS_PI4_C = fround(-3.774894977445941e-8);
const [SIN_P0, SIN_P1, SIN_P2] = Float32Array.of(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1);
const [COS_P0, COS_P1, COS_P2] = Float32Array.of(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2);
/** Turns the uniforms in [start, end), a multiple of 16 of them, into normals. */
function boxMuller32(data: Float32Array, start: number, end: number, mean: number, std: number): void {
  for (let group = start; group < end; group += 16) {
    for (let j = group; j < group + 8; j++) {
      // log(1 - u) with 1 - u = mantissa * 2^-24 * 2^e, the first factor in [sqrt(1/2), sqrt(2)). The choices here and
      // below are made by arithmetic, since branches on random bits are mispredicted half of the time.
      const integer = 16777216 - data[j] * 16777216;
      const leadingZeros = Math.clz32(integer);
      const mantissa = (integer << leadingZeros) >>> 8;
      const small = (mantissa - SQRT_HALF_24) >>> 31;
      const e = 8 - leadingZeros - small;
      let x = mantissa * (2 ** -24 + small * 2 ** -24) - 1;
      let z = fround(x * x);
      let y = fround(LOG_P0 * x + LOG_P1);
      y = fround(y * x + LOG_P2);
      y = fround(y * x + LOG_P3);
      y = fround(y * x + LOG_P4);
      y = fround(y * x + LOG_P5);
      y = fround(y * x + LOG_P6);
      y = fround(y * x + LOG_P7);
      y = fround(y * x + LOG_P8);
      y = fround(y * x);
      y = fround(y * z + fround(e * LN2_LOW));
      y = fround(y - z * 0.5);
      const log = fround(e * LN2_HIGH + fround(x + y));
      const radius = fround(Math.sqrt(-2 * log));

      // sin and cos of theta = x + k * pi/4, k even, |x| <= pi/4.
      const theta = fround(TWO_PI * data[j + 8]);
      const k = (fround(theta * FOUR_OVER_PI) + 1) & ~1;
      x = fround(k * MINUS_PI4_A + theta);
      x = fround(k * MINUS_PI4_B + x);
      x = fround(k * MINUS_PI4_C + x);
      z = fround(x * x);
      let c = fround(COS_P0 * z + COS_P1);
      c = fround(c * z + COS_P2);
      c = fround(c * z);
      c = fround(fround(c * z - z * 0.5) + 1);
      let s = fround(SIN_P0 * z + SIN_P1);
      s = fround(s * z + SIN_P2);
      s = fround(s * z);
      s = fround(s * x + x);
      const swap = (k & 2) >> 1;
      const keep = 1 - swap;
      const sine = (s * keep + c * swap) * (1 - ((k & 4) >> 1));
      const cosine = (c * keep + s * swap) * (1 - (((k + 2) & 4) >> 1));
      data[j] = fround(radius * cosine) * std + mean;
      data[j + 8] = fround(radius * sine) * std + mean;
    }
  }
}
