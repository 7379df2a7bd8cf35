/** How samples, computed in float64, get into arrays of every element type. */
import { bfloat16, type DType, float16, float32, float64, int8, int16, int32, int64, uint8 } from "../dtype.ts";
import { type ElementArray, roundTo, toBFloat16, toFloat16 } from "../elements.ts";
import { RuntimeError } from "../errors.ts";

/** Where samples go: one contiguous array of the tensor's elements. A Uint16Array needs its `dtype` said, bool too. */
export type RandomArray = ElementArray;

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
    for (let i = 0; i < count; i++) out[start + i] = toFloat16(values[i]);
  } else if (dtype === bfloat16) {
    for (let i = 0; i < count; i++) out[start + i] = toBFloat16(values[i]);
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
  else if (dtype === float16) out[index] = toFloat16(Math.fround(oddDouble(value)));
  else if (dtype === bfloat16) out[index] = toBFloat16(Math.fround(oddDouble(value)));
  else if (dtype === float32) out[index] = oddDouble(value);
  else out[index] = Number(BigInt.asIntN(32, value));
}

/** What `int64 -> dtype -> int64` gives: the integer itself where `dtype` can hold it. */
export function throughFloat(dtype: DType, value: bigint): bigint {
  const rounded = dtype === float64 ? Number(value) : roundTo(dtype, Math.fround(oddDouble(value)));
  if (!(Math.abs(rounded) < 2 ** 63)) return -(2n ** 63n);
  return BigInt(rounded);
}
