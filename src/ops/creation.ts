/** New tensors filled with one value. */
import { type Device, requireCpu } from "../device.ts";
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { contiguousStrides, numelOf, type Shape, shapeText } from "../shape.ts";
import { Storage } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { fillWith, isDense, type MemoryFormat } from "./copy.ts";
import { allocateLike } from "./define/pointwise.ts";
import { type Scalar, scalarDType } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import { checkOverflow } from "./memory.ts";
import { allocate } from "./row.ts";

/** Keyword arguments of functions that make tensors. */
export interface TensorOptions {
  /** Default: the default float type, or what the values call for. */
  readonly dtype?: DType | null;
  readonly device?: string | Device | null;
  /** Record operations on the new tensor. */
  readonly requires_grad?: boolean;
}

/** Keyword arguments of `zeros_like` and its kin. */
export interface LikeOptions extends TensorOptions {
  /** "preserve_format" (default) keeps the order of the dimensions in memory. */
  readonly memory_format?: MemoryFormat | null;
}

/** @internal The part of a signature that binds `TensorOptions`. */
export const OPTIONS =
  "dtype? dtype=None, any? device=None, bool requires_grad=False, any? layout=None, bool pin_memory=False";

/** @internal What `OPTIONS` binds to. */
export type BoundOptions = [DType | null, string | Device | null, boolean];

export function checkSizes(sizes: Shape): void {
  for (const s of sizes) {
    if (s < 0) throw new RuntimeError(`Trying to create tensor with negative dimension ${s}: ${shapeText(sizes)}`);
  }
}

/** @internal Sets `requires_grad` of a new tensor. */
export function finish(x: Tensor, requiresGrad: boolean): Tensor {
  return requiresGrad ? x.requires_grad_() : x;
}

/** Sizes, and the options last. */
export type SizesAndOptions<O = TensorOptions> = (number | Shape | O)[];

function filled(name: string, args: SizesAndOptions, value: number | null): Tensor {
  const [sizes, dtype, device, requiresGrad] = bind(
    `${name}(ints size, *, ${OPTIONS}, any? memory_format=None)`,
    args,
  ) as [number[], ...BoundOptions];
  requireCpu(device);
  if (value !== null && sizes.some((s) => s < 0))
    throw new RuntimeError(`${name}: Dimension size must be non-negative.`);
  checkSizes(sizes);
  const out = allocate(dtype ?? dt.get_default_dtype(), sizes);
  if (value !== null) fillWith(out, value);
  return finish(out, requiresGrad);
}

/** A tensor of zeros: `zeros(2, 3)`, `zeros([2, 3], { dtype })`. */
export function zeros(...size: SizesAndOptions): Tensor {
  return filled("zeros", size, 0);
}

/** A tensor of ones. */
export function ones(...size: SizesAndOptions): Tensor {
  return filled("ones", size, 1);
}

/** A tensor whose elements are whatever was in memory. */
export function empty(...size: SizesAndOptions): Tensor {
  return filled("empty", size, null);
}

/** A tensor of `fill_value`; whole numbers give int64, fractions the default float type, booleans bool. */
export function full(size: number | Shape, fill_value: Scalar, options?: TensorOptions): Tensor {
  const [sizes, value, dtype, device, requiresGrad] = bind(`full(int[] size, Scalar fill_value, *, ${OPTIONS})`, [
    size,
    fill_value,
    options,
  ]) as [number[], Scalar, ...BoundOptions];
  requireCpu(device);
  if (sizes.some((s) => s < 0)) throw new RuntimeError("full: Dimension size must be non-negative.");
  const type = dtype ?? inferred([value], requiresGrad);
  checkOverflow(value, type);
  const out = allocate(type, sizes);
  fillWith(out, value);
  return finish(out, requiresGrad);
}

/** @internal The type that numbers call for: whole ones that are to have gradients mean floats. */
export function inferred(values: readonly Scalar[], requiresGrad: boolean): DType {
  let type: DType = dt.bool;
  for (const v of values) type = dt.promote_types(type, scalarDType(v));
  return requiresGrad && !type.is_floating_point ? dt.get_default_dtype() : type;
}

const LIKE = `${OPTIONS}, any? memory_format=None`;
type BoundLike = [...BoundOptions, unknown, boolean, MemoryFormat | null];

function like(x: Tensor, [dtype, device, , , , format]: BoundLike): Tensor {
  requireCpu(device);
  const type = dtype ?? x.dtype;
  if (format === "contiguous_format" || x.contiguousLayout) return allocate(type, x.sizes);
  if (format !== null && format !== "preserve_format") {
    throw new RuntimeError(`unsupported memory format option ${String(format)}`);
  }
  return isDense(x) ? allocate(type, x.sizes, x.strides) : allocateLike(type, x.sizes, [x]);
}

function filledLike(name: string, self: Tensor, options: LikeOptions | undefined, value: number | null): Tensor {
  const [x, ...rest] = bind(`${name}(Tensor self, *, ${LIKE})`, [self, options]) as [Tensor, ...BoundLike];
  const out = like(x, rest);
  if (value !== null) fillWith(out, value);
  return finish(out, rest[2]);
}

/** Zeros with the shape and the dtype of `input`. */
export function zeros_like(input: Tensor, options?: LikeOptions): Tensor {
  return filledLike("zeros_like", input, options, 0);
}

/** Ones with the shape and the dtype of `input`. */
export function ones_like(input: Tensor, options?: LikeOptions): Tensor {
  return filledLike("ones_like", input, options, 1);
}

/** A tensor with the shape and the dtype of `input` whose elements are whatever was in memory. */
export function empty_like(input: Tensor, options?: LikeOptions): Tensor {
  return filledLike("empty_like", input, options, null);
}

/** A tensor of `fill_value` with the shape and the dtype of `input`. */
export function full_like(input: Tensor, fill_value: Scalar, options?: LikeOptions): Tensor {
  const [x, value, ...rest] = bind(`full_like(Tensor self, Scalar fill_value, *, ${LIKE})`, [
    input,
    fill_value,
    options,
  ]) as [Tensor, Scalar, ...BoundLike];
  const out = like(x, rest);
  checkOverflow(value, out.dtype);
  fillWith(out, value);
  return finish(out, rest[2]);
}

/** A 0-dimensional tensor of the default float type, or of `dtype`. */
export function scalar_tensor(s: Scalar, options?: TensorOptions): Tensor {
  const [value, dtype, device, requiresGrad] = bind(`scalar_tensor(Scalar s, *, ${OPTIONS})`, [s, options]) as [
    Scalar,
    ...BoundOptions,
  ];
  requireCpu(device);
  const type = dtype ?? dt.get_default_dtype();
  checkOverflow(value, type);
  const out = allocate(type, []);
  fillWith(out, value);
  return finish(out, requiresGrad);
}

/** A tensor with the given strides (in elements), its memory not cleared. */
export function empty_strided(size: Shape, stride: Shape, options?: TensorOptions): Tensor {
  const [sizes, strides, dtype, device, requiresGrad] = bind(`empty_strided(int[] size, int[] stride, *, ${OPTIONS})`, [
    size,
    stride,
    options,
  ]) as [number[], number[], ...BoundOptions];
  requireCpu(device);
  if (sizes.length !== strides.length) {
    throw new RuntimeError(
      `dimensionality of sizes (${sizes.length}) must match dimensionality of strides (${strides.length})`,
    );
  }
  checkSizes(sizes);
  const type = dtype ?? dt.get_default_dtype();
  const last = sizes.includes(0) ? 0 : sizes.reduce((n, s, i) => n + (s - 1) * strides[i], 1);
  return finish(new Tensor(new Storage(last * type.itemsize), type, sizes, strides, 0), requiresGrad);
}

/** A tensor without gaps whose dimensions lie in memory in the order `physical_layout`, outermost first. */
export function empty_permuted(size: Shape, physical_layout: Shape, options?: TensorOptions): Tensor {
  const [sizes, order, ...rest] = bind(`empty_permuted(int[] size, int[] physical_layout, *, ${OPTIONS})`, [
    size,
    physical_layout,
    options,
  ]) as [number[], number[], ...BoundOptions];
  if (
    order.length !== sizes.length ||
    order
      .slice()
      .sort((a, b) => a - b)
      .some((d, i) => d !== i)
  ) {
    throw new RuntimeError("Dimensions of sizes and physical_layout must be the same, each appearing once");
  }
  checkSizes(sizes);
  const packed = contiguousStrides(order.map((d) => sizes[d]));
  const strides = new Array<number>(sizes.length);
  order.forEach((d, i) => {
    strides[d] = packed[i];
  });
  return empty_strided(sizes, strides, { dtype: rest[0], device: rest[1], requires_grad: rest[2] });
}

/** The identity matrix: ones on the diagonal of an `n` × `m` matrix (`m` = `n` by default), zeros elsewhere. */
export function eye(
  n: number,
  m?: number | null | (TensorOptions & { out?: Tensor }),
  options?: TensorOptions & { out?: Tensor },
): Tensor {
  const [rows, cols, dtype, device, requiresGrad, , , out] = bind(
    `eye(int n, int? m=None, *, ${OPTIONS}, Tensor? out=None)`,
    [n, m, options],
  ) as [number, number | null, ...BoundOptions, unknown, boolean, Tensor | null];
  requireCpu(device);
  const columns = cols ?? rows;
  if (rows < 0) throw new RuntimeError(`n must be greater or equal to 0, got ${rows}`);
  if (columns < 0) throw new RuntimeError(`m must be greater or equal to 0, got ${columns}`);
  const result = allocate(dtype ?? out?.dtype ?? dt.get_default_dtype(), [rows, columns]);
  fillWith(result, 0);
  const k = Math.min(rows, columns);
  if (numelOf([rows, columns]) > 0) fillWith(new Tensor(result.storage, result.dtype, [k], [columns + 1], 0), 1);
  return out === null ? finish(result, requiresGrad) : out.copyResult_(result);
}
