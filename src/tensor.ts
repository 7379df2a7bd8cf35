/**
 * The tensor class: a storage, and how to read it. Operations are declared in `ops/`, which adds them to this class as
 * methods; the autograd fields are filled by `autograd/` and `dispatch.ts`.
 */
import type { Node } from "./autograd/node.ts";
import type { Tangent } from "./autograd/tangents.ts";
import { gradMode, INFERENCE } from "./context/grad-mode.ts";
import type { Device } from "./device.ts";
import { cpu } from "./device.ts";
import type { DType } from "./dtype.ts";
import { IndexError, RuntimeError } from "./errors.ts";
import type { TensorMethods } from "./ops/methods.ts";
import {
  channelsLastFormat,
  isChannelsLast,
  isContiguous,
  type MemoryFormat,
  normalizeDim,
  numelOf,
  type Shape,
} from "./shape.ts";
import type { Storage } from "./storage/storage.ts";

/** Counts in-place changes. Views share their base's counter, which is how autograd notices a change of what it saved. */
export interface VersionCounter {
  value: number;
  /** The tensors are inference tensors. */
  readonly inference?: true;
}

/** The counter of inference tensors, which says nothing: their changes are not counted. */
export const INFERENCE_VERSION: VersionCounter = { value: 0, inference: true };

/** How a differentiable view came from its base. */
export interface ViewInfo {
  /** The tensor that owns the history; never itself a view. */
  readonly base: Tensor;
  /** Why in-place changes of this view would lose its history, if they would. */
  readonly creation: "ordinary" | "multi_output" | "no_grad" | "inference_mode" | "custom_function";
}

/** One run of a transformation (see func/): tensors inside it stand for tensors of the level below. */
export interface TransformLevel {
  /** 1 for the outermost. */
  readonly number: number;
  readonly kind: "autograd" | "vmap" | "functionalize";
  /** Whether the transformation is still running. */
  alive: boolean;
}

/** What a tensor inside a transformation stands for. */
export interface Wrapping {
  readonly level: TransformLevel;
  /** The tensor of the level below. */
  readonly value: Tensor;
  /** Which dimension of `value` is the batch; -1 where there is none. */
  readonly batchDim: number;
}

export interface Tensor extends TensorMethods {}

/** An n-dimensional array with elements of one type. Make tensors with `torch.tensor`, `torch.zeros`, and so on. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods come from ops/, which is typed by TensorMethods.
export class Tensor {
  /** @internal */ storage: Storage;
  readonly dtype: DType;
  /** @internal Sizes; public as `shape`. */ sizes: Shape;
  /** @internal */ strides: Shape;
  /** @internal Position of the first element, in elements. */ offset: number;
  /** @internal Cached product of sizes. */ count: number;
  /** @internal Whether elements lie in row-major order without gaps. */ contiguousLayout: boolean;
  /** @internal */ version: VersionCounter;

  /** @internal What this tensor stands for inside a transformation; null for ordinary tensors. */
  wrapping: Wrapping | null = null;

  /** @internal */ leafRequiresGrad = false;
  /** @internal The node that made this tensor; for a view see `grad_fn`. */ gradFn: Node | null = null;
  /** @internal Which output of its node this is: PyTorch's `output_nr`. */ outputNumber = 0;
  /** @internal */ accumulator: Node | null = null;
  /** @internal */ gradient: Tensor | null = null;
  /** @internal Nobody has read `grad`, so nothing else can refer to its memory. */ gradientHidden = false;
  /** @internal */ viewInfo: ViewInfo | null = null;
  /** @internal Of forward mode. */ tangent: Tangent | null = null;
  /** @internal The version for which `gradFn` of a view was made. */ gradFnVersion = 0;
  /** @internal */ retainsGrad = false;
  /** @internal */ hooks: Map<number, (grad: Tensor) => Tensor | null | undefined> | null = null;

  /** @internal Tensors are made by ops. */
  constructor(storage: Storage, dtype: DType, sizes: Shape, strides: Shape, offset: number, contiguous?: boolean) {
    this.storage = storage;
    this.dtype = dtype;
    this.sizes = sizes;
    this.strides = strides;
    this.offset = offset;
    this.count = numelOf(sizes);
    this.contiguousLayout = contiguous ?? isContiguous(sizes, strides);
    this.version = (gradMode.get() & INFERENCE) === 0 ? { value: 0 } : INFERENCE_VERSION;
  }

  /** Sizes of the dimensions. */
  get shape(): readonly number[] {
    return this.sizes;
  }
  get device(): Device {
    return cpu;
  }
  /** The number of dimensions. */
  get ndim(): number {
    return this.sizes.length;
  }
  dim(): number {
    return this.sizes.length;
  }
  ndimension(): number {
    return this.sizes.length;
  }
  /** The number of elements. */
  numel(): number {
    return this.count;
  }
  nelement(): number {
    return this.count;
  }
  /** All sizes, or the size of dimension `dim`. */
  size(): readonly number[];
  size(dim: number): number;
  size(dim?: number): number | readonly number[] {
    return dim === undefined ? this.sizes : this.sizes[this.checkedDim(dim)];
  }
  /** All strides in elements, or that of dimension `dim`. */
  stride(): readonly number[];
  stride(dim: number): number;
  stride(dim?: number): number | readonly number[] {
    return dim === undefined ? this.strides : this.strides[this.checkedDim(dim)];
  }
  private checkedDim(dim: number): number {
    const rank = this.sizes.length;
    if (rank === 0) normalizeScalarDim(dim);
    return normalizeDim(dim, rank);
  }
  storage_offset(): number {
    return this.offset;
  }
  /** Bytes of one element. */
  element_size(): number {
    return this.dtype.itemsize;
  }
  get itemsize(): number {
    return this.dtype.itemsize;
  }
  get nbytes(): number {
    return this.count * this.dtype.itemsize;
  }
  /** Whether the elements lie without gaps in row-major order, or in the order of `memory_format`. */
  is_contiguous(options?: { readonly memory_format?: MemoryFormat }): boolean {
    const format = options?.memory_format;
    if (format !== "channels_last" && format !== "channels_last_3d") return this.contiguousLayout;
    return channelsLastFormat(this.sizes.length) === format && isChannelsLast(this.sizes, this.strides);
  }
  is_floating_point(): boolean {
    return this.dtype.is_floating_point;
  }
  is_complex(): boolean {
    return false;
  }
  is_signed(): boolean {
    return this.dtype.is_signed;
  }
  /** The size of the first dimension. */
  get length(): number {
    if (this.sizes.length === 0) throw new TypeError("len() of a 0-d tensor");
    return this.sizes[0];
  }
  /** How many in-place operations this tensor and its views have seen. */
  get _version(): number {
    if (this.version === INFERENCE_VERSION) {
      throw new RuntimeError("Inference tensors do not track version counter.");
    }
    return this.version.value;
  }
  /** Whether this tensor was made in `torch.inference_mode`: then autograd can neither save it nor see it change. */
  is_inference(): boolean {
    return this.version.inference === true;
  }
  /** Whether this is a differentiable view of another tensor. */
  _is_view(): boolean {
    return this.viewInfo !== null;
  }
  /** The tensor that this one is a view of, or null. */
  get _base(): Tensor | null {
    return this.viewInfo === null ? null : this.viewInfo.base;
  }
  /** Whether gradients flow to or through this tensor. */
  get requires_grad(): boolean {
    return this.leafRequiresGrad || this.gradFn !== null || this.viewOfHistory();
  }
  set requires_grad(value: boolean) {
    if (typeof value !== "boolean") throw new RuntimeError("requires_grad must be a bool");
    // A view whose base was changed is asked for no new history here.
    if (this.gradFn !== null) {
      const hint =
        " If you want to use a computed variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach().";
      throw new RuntimeError(`you can only change requires_grad flags of leaf variables.${value ? "" : hint}`);
    }
    if (value && !this.dtype.is_floating_point) {
      throw new RuntimeError(
        `only Tensors of floating point dtype can require gradients. This one is ${this.dtype}: make it with { dtype: torch.float32 }, or from numbers that are not all whole`,
      );
    }
    if (value && this.version.inference && (gradMode.get() & INFERENCE) === 0) {
      throw new RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
    }
    this.leafRequiresGrad = value;
  }
  private viewOfHistory(): boolean {
    return this.viewInfo !== null && this.dtype.is_floating_point && this.viewInfo.base.requires_grad;
  }
  /** Whether this tensor was made by the user rather than by a recorded operation. */
  get is_leaf(): boolean {
    return this.historyNode === null;
  }
  /** Whether backward keeps the gradient of this tensor, which is not a leaf, in `.grad`. */
  get retains_grad(): boolean {
    return this.retainsGrad;
  }
  get output_nr(): number {
    return this.outputNumber;
  }
}

function normalizeScalarDim(dim: number): never {
  throw new IndexError(`Dimension specified as ${dim} but tensor has no dimensions`);
}

/** Whether `x` is a tensor. */
export function is_tensor(x: unknown): x is Tensor {
  return x instanceof Tensor;
}
