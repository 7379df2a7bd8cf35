/** Ops along one dimension: checks, gradients, and elements as typed arrays for routines. */
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { IndexError } from "../../errors.ts";
import type { Shape } from "../../shape.ts";
import { heap } from "../../storage/storage.ts";
import { Tensor } from "../../tensor.ts";
import { copyInto } from "../copy.ts";
import { allocate } from "../row.ts";

/** Refuses to look for a value where there is none. */
export function requireNonEmpty(name: string, x: Tensor, dims: readonly number[]): void {
  for (const d of dims) {
    if (x.sizes[d] === 0) throw new IndexError(`${name}: Expected reduction dim ${d} to have non-zero size.`);
  }
}

/** The gradient of values chosen along `dim`: it goes to the places `indices` that they came from. */
export function selectedGradient(g: Tensor, shape: Shape, indices: Tensor, dim: number, keepdim: boolean): Tensor {
  if (shape.length === 0) return g;
  return g.new_zeros(shape).scatter(dim, keepdim ? indices : indices.unsqueeze(dim), keepdim ? g : g.unsqueeze(dim));
}

/** Typed arrays in which routines compute: half precision is widened to float32, bool is bytes. */
export type Elements = Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;

/** The type in which a routine sees elements of `dtype`. */
export function routineType(dtype: DType): DType {
  return dtype === dt.float16 || dtype === dt.bfloat16 ? dt.float32 : dtype;
}

/** The elements of a contiguous tensor in the heap. Valid until the next allocation or launch. */
export function elementsOf(x: Tensor): Elements {
  const at = x.storage.address + x.offset * x.dtype.itemsize;
  const buffer = heap.memory.buffer;
  switch (x.dtype) {
    case dt.int8:
      return new Int8Array(buffer, at, x.count);
    case dt.int16:
      return new Int16Array(buffer, at, x.count);
    case dt.int32:
      return new Int32Array(buffer, at, x.count);
    case dt.int64:
      return new BigInt64Array(buffer, at, x.count);
    case dt.float32:
      return new Float32Array(buffer, at, x.count);
    case dt.float64:
      return new Float64Array(buffer, at, x.count);
    case dt.bool:
    case dt.uint8:
      return new Uint8Array(buffer, at, x.count);
    default:
      throw new Error(`Kindling: routines do not compute in ${x.dtype}`);
  }
}

/** `x` with dimension `dim` last; a 0-dimensional tensor becomes a row of one. Not recorded. */
function axisLast(x: Tensor, dim: number): Tensor {
  const rank = x.sizes.length;
  if (rank === 0) return new Tensor(x.storage, x.dtype, [1], [1], x.offset);
  if (dim === rank - 1) return x;
  const sizes = x.sizes.filter((_, d) => d !== dim);
  const strides = x.strides.filter((_, d) => d !== dim);
  return new Tensor(x.storage, x.dtype, [...sizes, x.sizes[dim]], [...strides, x.strides[dim]], x.offset);
}

/** The elements along `dim` as rows: contiguous, `dim` last, in the type that routines compute in. */
export interface Rows {
  readonly tensor: Tensor;
  /** How many rows, and how long each is. */
  readonly rows: number;
  readonly length: number;
}

/** Reads `x` by rows along `dim`. Copies where it has to. */
export function rowsOf(x: Tensor, dim: number, dtype: DType = routineType(x.dtype)): Rows {
  let tensor = axisLast(x, dim);
  if (!tensor.contiguousLayout || tensor.dtype !== dtype) {
    const copy = allocate(dtype, tensor.sizes);
    copyInto(copy, tensor);
    tensor = copy;
  }
  const length = tensor.sizes[tensor.sizes.length - 1];
  return { tensor, rows: length === 0 ? 0 : tensor.count / length, length };
}

/** A result that a routine writes by rows along a dimension. */
export interface ResultRows {
  /** Contiguous, with the dimension last; what the routine writes. */
  readonly tensor: Tensor;
  /** The result in its proper shape and type, after the routine has written. */
  finish(): Tensor;
}

/** Room for a result of `shape`, written by rows along `dim` in the routine's type. */
export function resultRows(dtype: DType, shape: Shape, dim: number): ResultRows {
  const out = allocate(dtype, shape);
  const moved = axisLast(out, dim);
  const type = routineType(dtype);
  if (moved.contiguousLayout && type === dtype) return { tensor: moved, finish: () => out };
  const tensor = allocate(type, moved.sizes);
  return {
    tensor,
    finish: () => {
      if (out.count > 0) copyInto(moved, tensor);
      return out;
    },
  };
}

/**
 * Runs `body` with the elements of contiguous tensors. Their memory stays where it is while `body` runs, which must not
 * allocate tensors or call ops.
 */
export function withElements(tensors: readonly Tensor[], body: (elements: Elements[]) => void): void {
  heap.epoch++;
  // Bringing one back from where it was spilled may move memory, but not the others: they were used in this epoch.
  for (const t of tensors) void t.storage.address;
  body(tensors.map(elementsOf));
}
