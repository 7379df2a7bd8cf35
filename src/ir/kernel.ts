/**
 * The forms of kernel. A kernel says what is computed, for which indices, from and into which buffers; a backend
 * makes a program of it. Kernels know no tensor and no op.
 *
 * A kernel is launched with a block of parameters, 8 bytes a slot, little-endian: first the byte address of each
 * buffer's first element (i32), in the order of `buffers`, then the scalars in the order of `params`.
 */
import type { DTypeName } from "../dtype.ts";
import type { Axis, ComputeType, Expr } from "./expr.ts";
import type { WinogradTile } from "./winograd.ts";

export interface BufferDecl {
  readonly dtype: DTypeName;
  readonly access: "read" | "write" | "readwrite";
}

interface KernelBase {
  /** For error messages and profiles: the op that made it. */
  readonly name: string;
  readonly buffers: readonly BufferDecl[];
  /** Types of the scalars: sizes and strides are i32. `param(type, i)` refers to entry i. */
  readonly params: readonly ComputeType[];
}

export type ReduceOp = "sum" | "prod" | "min" | "max" | "argmin" | "argmax";

/** Reduces `value` over the inner axes to one scalar, `stageValue(type, position)`, for each outer index. */
export interface ReduceStage {
  readonly kind: "reduce";
  readonly op: ReduceOp;
  /**
   * What is reduced. min and max give NaN where any value is NaN; on bool they are all and any. arg-reductions take the
   * first of equal values, and a NaN counts as the extreme one.
   */
  readonly value: Expr;
}

/** Writes `value` for each outer index (`over: "outer"`) or for each outer and inner index. */
export interface StoreStage {
  readonly kind: "store";
  readonly over: "outer" | "inner";
  readonly buffer: number;
  /** Position in elements from the buffer's start. Different indices must not write the same element. */
  readonly index: Expr;
  readonly value: Expr;
}

export type Stage = ReduceStage | StoreStage;

/**
 * For each index of the outer axes: the stages in order, each over all inner indices. Without inner axes a store is a
 * pointwise map. A stage sees the scalars of the reductions before it: `stageValue(type, i)` where i counts stages from
 * 0; arg-reductions give the flattened inner index (i32) as component 1 and the value as component 0.
 * Consecutive stores over the same indices are one step: all their values are computed before any is written.
 * A launch covers the flattened outer indices in [begin, end). A store may overwrite a buffer that the same kernel
 * loads only at the very same element (in-place maps).
 */
export interface RowKernel extends KernelBase {
  readonly form: "row";
  readonly outer: readonly Axis[];
  readonly inner: readonly Axis[];
  readonly stages: readonly Stage[];
}

/**
 * `C[b, m, n] = Σ_k A(b, m, k) · B(b, k, n)`. A and B are expressions of the indices (usually one load with an affine
 * index, and a mask where there is padding); each of the index groups may have several axes, so that a convolution's
 * k is (channel, kernel row, kernel column). The stores see the sum as `accumulator(type)`.
 * A launch covers work units in [begin, end); `CompiledKernel.units` tells how many there are. The result does not
 * depend on how the units are divided.
 */
export interface ContractionKernel extends KernelBase {
  readonly form: "contraction";
  readonly batch: readonly Axis[];
  readonly m: readonly Axis[];
  readonly n: readonly Axis[];
  readonly k: readonly Axis[];
  readonly a: Expr;
  readonly b: Expr;
  readonly accumulate: ComputeType;
  readonly stores: readonly { readonly buffer: number; readonly index: Expr; readonly value: Expr }[];
}

export type ScatterMode = "set" | "add" | "mul" | "min" | "max";

/**
 * For each index of the axes, in order: `buffer[index] = mode(buffer[index], value)`. The index may be any expression,
 * loads included, and the same element may be written many times. Indices in range are the op's duty.
 * A launch covers the flattened indices in [begin, end).
 */
export interface ScatterKernel extends KernelBase {
  readonly form: "scatter";
  readonly axes: readonly Axis[];
  /** Different indices of the first axis write to different elements, so that a launch may be divided between them. */
  readonly disjoint?: boolean;
  readonly mode: ScatterMode;
  readonly buffer: number;
  readonly index: Expr;
  readonly value: Expr;
}

/**
 * A convolution of float32 images with 3 × 3 filters and stride 1 by Winograd's algorithm (winograd.ts has its formulas, its
 * parameters and how transformed filters are packed): buffers are the images, the transformed filters, the bias if `biased`,
 * and the output, whose elements are contiguous in each row, as those of the images.
 * A launch covers work units in [begin, end): `unitTiles` tiles each, counted over samples, strips, rows and columns, and for
 * each of these runs of tiles, fastest, `unitBlocks` blocks of filters.
 */
export interface WinogradKernel extends KernelBase {
  readonly form: "winograd";
  readonly tile: WinogradTile;
  readonly biased: boolean;
}

/**
 * The transformed and packed filters of a Winograd kernel, from filters of 3 × 3 with any strides: buffers are these and those.
 * A launch covers blocks of outputs (`filterBlocks` of winograd.ts) in [begin, end).
 */
export interface WinogradFilterKernel extends KernelBase {
  readonly form: "winograd_filters";
  readonly tile: WinogradTile;
}

export type Kernel = RowKernel | ContractionKernel | ScatterKernel | WinogradKernel | WinogradFilterKernel;
