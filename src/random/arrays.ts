/** How samples, computed in float64, get into arrays of every element type. */
import { bfloat16, bool, type DType, float16, float32, float64, int8, int16, int32, int64, uint8 } from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";

/**
 * Where samples go: one contiguous array of the tensor's elements. float16 and bfloat16 are the bit patterns in a
 * Uint16Array, bool is a Uint8Array of 0 and 1; these need their `dtype` said, the others know it.
 */
export type RandomArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint16Array;

/** The element type that an array has by itself. */
export function dtypeOf(out: RandomArray): DType {
  if (out instanceof Float32Array) return float32;
  if (out instanceof Float64Array) return float64;
  if (out instanceof Uint8Array) return uint8;
  if (out instanceof Int8Array) return int8;
  if (out instanceof Int16Array) return int16;
  if (out instanceof Int32Array) return int32;
  if (out instanceof BigInt64Array) return int64;
  throw new TypeError("a Uint16Array holds float16 or bfloat16: say which as dtype");
}

/** PyTorch's names of the types in errors of the form `"kernel" not implemented for 'Byte'`. */
const scalarTypeNames = new Map<DType, string>([
  [bool, "Bool"],
  [uint8, "Byte"],
  [int8, "Char"],
  [int16, "Short"],
  [int32, "Int"],
  [int64, "Long"],
  [float16, "Half"],
  [bfloat16, "BFloat16"],
  [float32, "Float"],
  [float64, "Double"],
]);

export function scalarTypeName(dtype: DType): string {
  return scalarTypeNames.get(dtype) as string;
}

/** Throws what PyTorch throws where a kernel has no code for an element type. */
export function notImplementedFor(kernel: string, dtype: DType): never {
  throw new NotImplementedError(`"${kernel}" not implemented for '${scalarTypeName(dtype)}'`);
}

/** A float64 in an error message: six significant digits, as C++ prints it. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [digits, exponentText] = value.toExponential(5).split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 6) return String(Number(value.toPrecision(6)));
  const sign = exponent < 0 ? "-" : "+";
  return `${Number(digits)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** Calls `check` as PyTorch's TORCH_CHECK does. */
export function check(condition: boolean, message: () => string): void {
  if (!condition) throw new RuntimeError(message());
}

const floatBox = new Float32Array(1);
const bitsBox = new Uint32Array(floatBox.buffer);

/** The float16 nearest to a float32, as bits; ties go to the even one. */
export function float16Bits(value: number): number {
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

/** The bfloat16 nearest to a float32, as bits; ties go to the even one. */
export function bfloat16Bits(value: number): number {
  floatBox[0] = value;
  const bits = bitsBox[0];
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Rounds a float64 to the values of a floating-point type; to 16-bit types it goes by way of float32, as in PyTorch. */
export function roundTo(dtype: DType, value: number): number {
  if (dtype === float64) return value;
  if (dtype === float16) return float16Value(float16Bits(value));
  if (dtype === bfloat16) {
    bitsBox[0] = bfloat16Bits(value) << 16;
    return floatBox[0];
  }
  return Math.fround(value);
}

function float16Value(bits: number): number {
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}

/** Converts the first `count` of `values` to `dtype` and puts them at `start`. int64 takes whole numbers below 2^53. */
export function storeDoubles(out: RandomArray, start: number, values: Float64Array, count: number, dtype: DType): void {
  if (out instanceof BigInt64Array) {
    const words = new Int32Array(out.buffer, out.byteOffset + 8 * start, 2 * count);
    for (let i = 0; i < count; i++) {
      const value = values[i];
      words[2 * i] = value;
      words[2 * i + 1] = Math.floor(value / 4294967296);
    }
  } else if (dtype === float16) {
    for (let i = 0; i < count; i++) out[start + i] = float16Bits(values[i]);
  } else if (dtype === bfloat16) {
    for (let i = 0; i < count; i++) out[start + i] = bfloat16Bits(values[i]);
  } else if (out instanceof Uint8Array) {
    for (let i = 0; i < count; i++) out[start + i] = values[i]; // `set` takes twice as long here
  } else {
    out.set(values.subarray(0, count), start);
  }
}

/** The float64 nearest to an integer, moved off the ties of float32, so that rounding on to float32 rounds once. */
function oddDouble(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  if (magnitude < 2n ** 53n) return Number(value);
  const sticky = (magnitude & 1023n) !== 0n ? 1n : 0n;
  const odd = Number(((magnitude >> 10n) | sticky) << 10n);
  return value < 0n ? -odd : odd;
}

/** Converts a 64-bit integer to `dtype`, rounding to float32 once, and puts it at `index`. */
export function storeInt64(out: RandomArray, index: number, value: bigint, dtype: DType): void {
  if (out instanceof BigInt64Array) out[index] = value;
  else if (dtype === float64) out[index] = Number(value);
  else if (dtype === float16) out[index] = float16Bits(Math.fround(oddDouble(value)));
  else if (dtype === bfloat16) out[index] = bfloat16Bits(Math.fround(oddDouble(value)));
  else if (dtype === float32) out[index] = oddDouble(value);
  else out[index] = Number(BigInt.asIntN(32, value));
}

/** What `int64 -> dtype -> int64` gives: the integer itself where `dtype` can hold it. */
export function throughFloat(dtype: DType, value: bigint): bigint {
  const rounded = dtype === float64 ? Number(value) : roundTo(dtype, Math.fround(oddDouble(value)));
  if (!(Math.abs(rounded) < 2 ** 63)) return -(2n ** 63n);
  return BigInt(rounded);
}
