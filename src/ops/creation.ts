/** New tensors filled with one value. */
import { requireCpu } from "../device.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { contiguousStrides, numelOf, type Shape } from "../shape.ts";
import { Storage } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { freshLike } from "../wrapping.ts";
import { fillWith, formatStrides, isDense, type MemoryFormat } from "./copy.ts";
import { allocateLike } from "./define/layout.ts";
import { intoOut } from "./define/out.ts";
import type { Scalar } from "./define/promote.ts";
import { bind, bindAs } from "./define/schema.ts";
import { checkOverflow } from "./memory.ts";
import { allocate } from "./row.ts";
import { type BoundOptions, checkSizes, finish, inferred, OPTIONS, type TensorOptions } from "./tensor-options.ts";

export {
  as_tensor,
  asarray,
  BFloat16Tensor,
  BoolTensor,
  ByteTensor,
  CharTensor,
  DoubleTensor,
  FloatTensor,
  frombuffer,
  HalfTensor,
  IntTensor,
  LongTensor,
  ShortTensor,
  type TensorData,
  tensor,
} from "./from-values.ts";
export type { TensorOptions };

/** Keyword arguments of `zeros_like` and its kin. */
export interface LikeOptions extends TensorOptions {
  /** "preserve_format" (default) keeps the order of the dimensions in memory. */
  readonly memory_format?: MemoryFormat | null;
}

/** Options of functions that can write their result into an existing tensor. */
export interface OutOptions extends TensorOptions {
  readonly memory_format?: MemoryFormat;
  readonly out?: Tensor;
}

/** Sizes, and the options last. */
export type SizesAndOptions<O = TensorOptions> = (number | Shape | O)[];

// Composed once: a text made in each call would cost more than the rest of binding.
const SIZE = `(ints size, *, ${OPTIONS}, Tensor? out=None, any? memory_format=None)`;
const FULL = `full(int[] size, Scalar fill_value, *, ${OPTIONS}, Tensor? out=None)`;

function filled(name: string, args: SizesAndOptions<OutOptions>, value: number | null): Tensor {
  const [sizes, dtype, device, requiresGrad, , , out, format] = bindAs(name, SIZE, args) as [
    number[],
    ...BoundOptions,
    unknown,
    boolean,
    Tensor | null,
    MemoryFormat | null,
  ];
  requireCpu(device);
  if (value !== null && sizes.some((s) => s < 0))
    throw new RuntimeError(`${name}: Dimension size must be non-negative.`);
  checkSizes(sizes);
  if (format === "preserve_format") throw new RuntimeError("unsupported memory format Preserve");
  const strides = format === null ? undefined : formatStrides(sizes, format);
  const result = allocate(dtype ?? out?.dtype ?? dt.get_default_dtype(), sizes, strides);
  if (value !== null) fillWith(result, value);
  return out === null ? finish(result, requiresGrad) : intoOut(out, result);
}

/** A tensor of zeros: `zeros(2, 3)`, `zeros([2, 3], { dtype })`. */
export function zeros(...size: SizesAndOptions<OutOptions>): Tensor {
  return filled("zeros", size, 0);
}

/** A tensor of ones. */
export function ones(...size: SizesAndOptions<OutOptions>): Tensor {
  return filled("ones", size, 1);
}

/** A tensor whose elements are whatever was in memory. */
export function empty(...size: SizesAndOptions<OutOptions>): Tensor {
  return filled("empty", size, null);
}

/** A tensor of `fill_value`; whole numbers give int64, fractions the default float type, booleans bool. */
export function full(size: number | Shape, fill_value: Scalar, options?: OutOptions): Tensor {
  const [sizes, value, dtype, device, requiresGrad, , , out] = bind(FULL, [size, fill_value, options]) as [
    number[],
    Scalar,
    ...BoundOptions,
    unknown,
    boolean,
    Tensor | null,
  ];
  requireCpu(device);
  if (sizes.some((s) => s < 0)) throw new RuntimeError("full: Dimension size must be non-negative.");
  const type = dtype ?? out?.dtype ?? inferred([value], requiresGrad);
  checkOverflow(value, type);
  const result = allocate(type, sizes);
  fillWith(result, value);
  return out === null ? finish(result, requiresGrad) : intoOut(out, result);
}

const LIKE = `${OPTIONS}, any? memory_format=None`;
const SELF_LIKE = `(Tensor self, *, ${LIKE})`;
const FULL_LIKE = `(Tensor self, Scalar fill_value, *, ${LIKE})`;
type BoundLike = [...BoundOptions, unknown, boolean, MemoryFormat | null];

function like(x: Tensor, [dtype, device, , , , format]: BoundLike): Tensor {
  requireCpu(device);
  const type = dtype ?? x.dtype;
  if (format === "channels_last" || format === "channels_last_3d")
    return allocate(type, x.sizes, formatStrides(x.sizes, format));
  if (format === "contiguous_format" || x.contiguousLayout) return allocate(type, x.sizes);
  if (format !== null && format !== "preserve_format") {
    throw new RuntimeError(`unsupported memory format option ${String(format)}`);
  }
  return isDense(x) ? allocate(type, x.sizes, x.strides) : allocateLike(type, x.sizes, [x]);
}

/** `like`, filled; inside transformations a tensor that can be overwritten wherever `x` can. */
function filledAs(x: Tensor, options: BoundLike, value: Scalar | null): Tensor {
  const make = (plain: Tensor): Tensor => {
    const out = like(plain, options);
    if (value !== null) fillWith(out, value);
    return out;
  };
  if (x.wrapping === null) return make(x);
  return freshLike(x, x.sizes, (sizes) => make(meta(x.dtype, sizes)));
}

/** A tensor without memory, for its shape and dtype. */
function meta(dtype: dt.DType, sizes: Shape): Tensor {
  return new Tensor(new Storage(0), dtype, sizes, contiguousStrides(sizes), 0, true);
}

function filledLike(name: string, self: Tensor, options: LikeOptions | undefined, value: number | null): Tensor {
  const [x, ...rest] = bindAs(name, SELF_LIKE, [self, options]) as [Tensor, ...BoundLike];
  return finish(filledAs(x, rest, value), rest[2]);
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
  const [x, value, ...rest] = bindAs("full_like", FULL_LIKE, [input, fill_value, options]) as [
    Tensor,
    Scalar,
    ...BoundLike,
  ];
  checkOverflow(value, rest[0] ?? x.dtype);
  return finish(filledAs(x, rest, value), rest[2]);
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
export function eye(n: number, m?: number | null | OutOptions, options?: OutOptions): Tensor {
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
  return out === null ? finish(result, requiresGrad) : intoOut(out, result);
}
