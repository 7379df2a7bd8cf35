/** Checks of index tensors, before anything is read or written with them. */

import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { computeType } from "../ir/expr.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied } from "./copy.ts";
import { allValues } from "./define/batch.ts";
import { viewOf } from "./geometry.ts";
import { elementsOf } from "./memory.ts";
import { allocate, runRow } from "./row.ts";

/**
 * Calls `fail` with the first index outside of [0, size), or of [-size, size) if `negative` ones count from the end.
 * `fail` throws.
 */
export function checkIndices(index: Tensor, size: number, negative: boolean, fail: (value: number) => never): void {
  if (index.count === 0) return;
  const whole = index.wrapping === null ? index : allValues(index);
  const plain = whole.contiguousLayout ? whole : copied(whole, { dtype: whole.dtype, format: "contiguous_format" });
  if (plain.count >= LEAST_FOR_KERNEL && isIndexType(plain.dtype) && allInRange(plain, size, negative)) return;
  const array = elementsOf(plain);
  if (array instanceof BigInt64Array) {
    // The two halves of each number: bigints are slow. A small number's upper half is its sign.
    const words = new Int32Array(array.buffer, array.byteOffset, 2 * array.length);
    for (let i = 0; i < words.length; i += 2) {
      const low = words[i];
      const sign = words[i + 1];
      if (sign === 0 && low >= 0 && low < size) continue;
      if (negative && sign === -1 && low < 0 && low >= -size) continue;
      fail(Number(array[i >> 1]));
    }
    return;
  }
  for (let i = 0; i < array.length; i++) {
    const value = array[i] as number;
    if (value >= size || (value < 0 && !(negative && value >= -size))) fail(value);
  }
}

/** Fewer indices than this are checked one by one. */
const LEAST_FOR_KERNEL = 256;

let verdict: Tensor | undefined;

function allInRange(index: Tensor, size: number, negative: boolean): boolean {
  verdict ??= allocate(dt.bool, []);
  const type = computeType(index.dtype.name);
  runRow({
    name: "check_indices",
    key: "check_indices",
    outer: [],
    inner: [index.count],
    operands: [
      { tensor: index, outer: [], inner: [1] },
      { tensor: verdict, outer: [], inner: [0] },
    ],
    outputs: 1,
    scalars: type === "i64" ? [BigInt(negative ? -size : 0), BigInt(size)] : [negative ? -size : 0, size],
    scalarTypes: [type, type],
    build: ([at], row, [low, high]) => row.store(1, row.reduce("max", at.lt(low).or(at.ge(high)))),
  });
  return elementsOf(verdict)[0] === 0;
}

/** A tensor read as a vector if it has no dimensions. */
export function atLeast1(x: Tensor): Tensor {
  return x.sizes.length === 0 ? viewOf(x, [1], [1]) : x;
}

/** A list with a 0 at `dim`. */
export function zeroAt(list: Shape, dim: number): number[] {
  return list.map((s, d) => (d === dim ? 0 : s));
}

/** For `checkIndices`: throws the usual error. */
export function outOfBounds(dim: number, size: number): (value: number) => never {
  return (value) => {
    throw new RuntimeError(`index ${value} is out of bounds for dimension ${dim} with size ${size}`);
  };
}

export function isIndexType(dtype: DType): boolean {
  return dtype === dt.int64 || dtype === dt.int32;
}

/** The size of a dimension; 1 of a tensor without dimensions. */
export function sizeAt(x: Tensor, dim: number): number {
  return x.sizes.length === 0 ? 1 : x.sizes[dim];
}
