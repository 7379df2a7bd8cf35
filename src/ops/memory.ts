/** Elements of tensors as typed arrays over the heap, for ops that are JavaScript. */
import { type DType, float32, float64 } from "../dtype.ts";
import { type ElementArray, elementArray, toBFloat16, toFloat16 } from "../elements.ts";
import { RuntimeError } from "../errors.ts";
import { heap } from "../storage/storage.ts";
import type { Tensor } from "../tensor.ts";
import { copyInto } from "./copy.ts";
import { allocate } from "./row.ts";

/**
 * `count` elements of memory from the tensor's first one, not copied. bool is 0 and 1, half types are bits. Valid until
 * the next allocation or launch: an allocation may replace the heap's buffer.
 */
export function elementsOf(t: Tensor, count: number = t.count): ElementArray {
  // The address first: bringing spilled memory back may replace the heap's buffer.
  const start = t.storage.address + t.offset * t.dtype.itemsize;
  return elementArray(t.dtype, heap.memory.buffer, start, count);
}

/** A function that converts one value to `dtype`, as a cast in C does, and puts it into an array from `elementsOf`. */
export function elementWriter(
  array: ElementArray,
  dtype: DType,
): (index: number, value: number | bigint | boolean) => void {
  switch (dtype.name) {
    case "bool":
      return (i, v) => {
        array[i] = v ? 1 : Number.isNaN(v) ? 1 : 0;
      };
    case "int64":
      return (i, v) => {
        (array as BigInt64Array)[i] = typeof v === "bigint" ? v : BigInt(typeof v === "number" ? Math.trunc(v) : v);
      };
    case "float16":
      return (i, v) => {
        array[i] = toFloat16(Math.fround(Number(v)));
      };
    case "bfloat16":
      return (i, v) => {
        array[i] = toBFloat16(Math.fround(Number(v)));
      };
    default:
      return (i, v) => {
        array[i] = Number(v);
      };
  }
}

/** The least and the greatest value of each integer type. */
const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  uint8: [0n, 255n],
  int8: [-128n, 127n],
  int16: [-32768n, 32767n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** Whether a C cast of `value` to `dtype` would lose it. A negative number wraps around in uint8. */
export function overflows(value: number | bigint | boolean, dtype: DType): boolean {
  const range = RANGES[dtype.name];
  if (range === undefined || typeof value === "boolean") return false;
  if (typeof value === "number" && !Number.isFinite(value)) return true;
  const whole = typeof value === "bigint" ? value : BigInt(Math.trunc(value));
  const [min, max] = range;
  return whole > max || (min === 0n ? -whole > max : whole < min);
}

/** Throws PyTorch's error for a number that does not fit. `suffix` is `_t` where C++ names the type. */
export function checkOverflow(value: number | bigint | boolean, dtype: DType, suffix = "_t"): void {
  if (overflows(value, dtype)) {
    throw new RuntimeError(`value cannot be converted to type ${dtype.name}${suffix} without overflow`);
  }
}

/** The arrays of several tensors, taken together: taking one could bring back a spilled other and move the heap. */
export function elementsOfAll(...tensors: readonly Tensor[]): ElementArray[] {
  for (const t of tensors) void t.storage.address;
  return tensors.map((t) => elementsOf(t));
}

/** A copy of the elements in row-major order, as float64 for that type, else as float32. */
export function floatsOf(x: Tensor): Float32Array | Float64Array {
  const type = x.dtype === float64 ? float64 : float32;
  let source = x;
  if (!x.contiguousLayout || x.dtype !== type) {
    source = allocate(type, x.sizes);
    copyInto(source, x);
  }
  return elementsOf(source).slice() as Float32Array | Float64Array;
}

/** Adds one to a tensor of one float32 element and returns the sum. No kernel is launched for it. */
export function increment(counter: Tensor): number {
  const at = (counter.storage.address >>> 2) + counter.offset;
  heap.f32[at] += 1;
  counter.version.value++;
  return heap.f32[at];
}
