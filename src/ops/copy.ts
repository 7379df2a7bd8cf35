/** Copying and filling memory, without recording: what the ops above them are made of. */
import type { DType } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { computeType } from "../ir/expr.ts";
import {
  broadcastStrides,
  channelsLastFormat,
  channelsLastStrides,
  describe,
  type MemoryFormat,
  prefersChannelsLast,
  type Shape,
} from "../shape.ts";
import { Storage } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { isScalar, type Operand } from "./define/promote.ts";
import { allocate, runRow } from "./row.ts";

export type { MemoryFormat };

/** The strides of `sizes` in a format; undefined for row-major order. Throws for sizes that a format is not made for. */
export function formatStrides(sizes: Shape, format: MemoryFormat): number[] | undefined {
  if (format !== "channels_last" && format !== "channels_last_3d") return undefined;
  if (channelsLastFormat(sizes.length) !== format)
    throw new RuntimeError(`required rank ${format === "channels_last" ? 4 : 5} tensor to use ${format} format`);
  return channelsLastStrides(sizes);
}

/** The result of an op whose results have their channels last where an operand has: `result`, or a copy in that format. */
export function inFormatOf(result: Tensor, ...operands: readonly Tensor[]): Tensor {
  if (!operands.some((t) => prefersChannelsLast(t.sizes, t.strides))) return result;
  if (channelsLastFormat(result.sizes.length) === null) return result;
  const out = allocate(result.dtype, result.sizes, channelsLastStrides(result.sizes));
  copyInto(out, result);
  result.storage.free();
  return out;
}

/** Writes the elements of `source`, broadcast and converted, into `target`. Not recorded. */
export function copyInto(target: Tensor, source: Tensor): void {
  runRow({
    name: "copy",
    key: "copy",
    outer: target.sizes,
    inner: [],
    operands: [
      { tensor: source, outer: broadcastStrides(source.sizes, source.strides, target.sizes), inner: [] },
      { tensor: target, outer: target.strides, inner: [] },
    ],
    outputs: 1,
    build: ([x], row) => row.store(1, x.cast(computeType(target.dtype.name))),
  });
}

/** Whether the elements fill their memory without gaps or sharing, in some order of the dimensions. */
export function isDense(t: Tensor): boolean {
  const order = t.sizes.map((_, i) => i).filter((i) => t.sizes[i] !== 1);
  order.sort((a, b) => t.strides[a] - t.strides[b]);
  let step = 1;
  for (const i of order) {
    if (t.strides[i] !== step) return false;
    step *= t.sizes[i];
  }
  return true;
}

export interface CopyAttrs {
  readonly dtype: DType;
  readonly format: MemoryFormat;
}

export function copied(x: Tensor, { dtype, format }: CopyAttrs): Tensor {
  const keep = format === "preserve_format" && !x.contiguousLayout && x.count > 0 && isDense(x);
  const out = allocate(dtype, x.sizes, keep ? x.strides : formatStrides(x.sizes, format));
  copyInto(out, x);
  return out;
}

export function zerosLike(x: Tensor): Tensor {
  const out = allocate(x.dtype, x.sizes);
  fillWith(out, 0);
  return out;
}

/** Writes one number into every element. Not recorded. */
export function fillWith(target: Tensor, value: number | bigint | boolean): void {
  const type = computeType(target.dtype.name);
  runRow({
    name: "fill",
    key: "fill",
    outer: target.sizes,
    inner: [],
    operands: [{ tensor: target, outer: target.strides, inner: [] }],
    outputs: 1,
    scalars: [
      typeof value === "boolean" ? Number(value) : type === "bool" ? Number(value !== 0 && value !== 0n) : value,
    ],
    scalarTypes: [type === "bool" ? "i32" : type],
    build: (_, row, [value]) => row.store(0, value.cast(type)),
  });
}

/** Gives a tensor a new shape, with memory of its own where the old is too small. */
export function resize(self: Tensor, sizes: readonly number[]): void {
  const fresh = allocate(self.dtype, sizes);
  if (fresh.count + self.offset > self.storage.nbytes / self.dtype.itemsize) {
    self.storage = new Storage((fresh.count + self.offset) * self.dtype.itemsize);
  }
  self.sizes = sizes;
  self.strides = fresh.strides;
  self.count = fresh.count;
  self.contiguousLayout = true;
}

/** A tensor from a number, for ops that want tensors. 0-dimensional. */
export function scalarTensor(value: number | bigint | boolean, dtype: DType): Tensor {
  const out = allocate(dtype, []);
  fillWith(out, value);
  return out;
}

/** `x` as a tensor: a number becomes a 0-dimensional tensor of `dtype`. */
export function asTensor(x: Operand, dtype: DType): Tensor {
  if (x instanceof Tensor) return x;
  if (!isScalar(x)) throw new TypeError(`expected Tensor or Number, not ${describe(x)}`);
  return scalarTensor(x, dtype);
}
