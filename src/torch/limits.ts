/** The ranges of element types: https://pytorch.org/docs/stable/type_info.html */
import { DType } from "../dtype.ts";

/** Limits of a floating-point type. */
export interface FloatInfo {
  readonly bits: number;
  /** The distance from 1 to the next number. */
  readonly eps: number;
  readonly max: number;
  readonly min: number;
  /** The smallest positive number with full precision. */
  readonly smallest_normal: number;
  readonly tiny: number;
  /** The precision in decimal digits, as a power of ten. */
  readonly resolution: number;
  readonly dtype: string;
}

/** Fraction and exponent bits of the floating-point types. */
const formats: Readonly<Record<string, readonly [fraction: number, exponent: number, resolution: number]>> = {
  float16: [10, 5, 1e-3],
  bfloat16: [7, 8, 1e-2],
  float32: [23, 8, 1e-6],
  float64: [52, 11, 1e-15],
};

/** Limits of a floating-point type. */
export function finfo(dtype: DType): FloatInfo {
  if (!(dtype instanceof DType) || !dtype.is_floating_point) {
    throw new TypeError("torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'");
  }
  const [fraction, exponent, resolution] = formats[dtype.name];
  const bias = 2 ** (exponent - 1) - 1;
  const eps = 2 ** -fraction;
  const max = (2 - eps) * 2 ** bias;
  const smallest = 2 ** (1 - bias);
  return {
    bits: 8 * dtype.itemsize,
    eps,
    max,
    min: -max,
    smallest_normal: smallest,
    tiny: smallest,
    resolution,
    dtype: dtype.name,
  };
}

/** Limits of an integer type; bigints for int64. */
export interface IntInfo {
  readonly bits: number;
  readonly max: number | bigint;
  readonly min: number | bigint;
  readonly dtype: string;
}

/** Limits of an integer type. */
export function iinfo(dtype: DType): IntInfo {
  if (!(dtype instanceof DType) || dtype.is_floating_point || dtype.name === "bool") {
    throw new TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'");
  }
  const bits = 8 * dtype.itemsize;
  const [min, max] = dtype.is_signed
    ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n]
    : [0n, 2n ** BigInt(bits) - 1n];
  const plain = (x: bigint): number | bigint => (bits < 64 ? Number(x) : x);
  return { bits, max: plain(max), min: plain(min), dtype: dtype.name };
}
