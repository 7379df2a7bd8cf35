/** Elements as they lie in memory: a typed array for each element type, and the bits of the 16-bit floats. */
import { bfloat16, type DType, float16, float64 } from "./dtype.ts";

/** Elements of one type: bool is 0 and 1 in a Uint8Array, float16 and bfloat16 are their bits in a Uint16Array. */
export type ElementArray =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** `count` elements of `buffer` from a byte offset on, not copied. */
export function elementArray(dtype: DType, buffer: ArrayBufferLike, byteOffset: number, count: number): ElementArray {
  switch (dtype.name) {
    case "bool":
    case "uint8":
      return new Uint8Array(buffer, byteOffset, count);
    case "int8":
      return new Int8Array(buffer, byteOffset, count);
    case "int16":
      return new Int16Array(buffer, byteOffset, count);
    case "int32":
      return new Int32Array(buffer, byteOffset, count);
    case "int64":
      return new BigInt64Array(buffer, byteOffset, count);
    case "float16":
    case "bfloat16":
      return new Uint16Array(buffer, byteOffset, count);
    case "float32":
      return new Float32Array(buffer, byteOffset, count);
    case "float64":
      return new Float64Array(buffer, byteOffset, count);
  }
}

const floatBox = new Float32Array(1);
const bitsBox = new Uint32Array(floatBox.buffer);

/** The value of IEEE half-precision bits. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The half-precision bits nearest to a float32; ties go to the even one. */
export function toFloat16(value: number): number {
  floatBox[0] = value;
  const bits = bitsBox[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // from 65520 on, infinity is nearest
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  // Subnormal: adding 0.5 lets float32 addition round to a multiple of 2^-24.
  floatBox[0] = Math.abs(value) + 0.5;
  return sign | (bitsBox[0] - 0x3f000000);
}

/** The value of bfloat16 bits: the upper half of a float32. */
export function fromBFloat16(bits: number): number {
  bitsBox[0] = bits << 16;
  return floatBox[0];
}

/** The bfloat16 bits nearest to a float32; ties go to the even one. */
export function toBFloat16(value: number): number {
  floatBox[0] = value;
  const bits = bitsBox[0];
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Rounds a float64 to the values of a floating-point type; to 16-bit types it goes by way of float32, as in PyTorch. */
export function roundTo(dtype: DType, value: number): number {
  if (dtype === float64) return value;
  if (dtype === float16) return fromFloat16(toFloat16(value));
  if (dtype === bfloat16) return fromBFloat16(toBFloat16(value));
  return Math.fround(value);
}
