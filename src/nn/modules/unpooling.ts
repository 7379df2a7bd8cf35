/** Max unpooling, power-average pooling, fractional max pooling: https://pytorch.org/docs/stable/nn.html#pooling-layers */
import { ValueError } from "../../errors.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import { Module } from "../module.ts";
import {
  type Arguments,
  expandSize,
  layerArguments,
  type Pair,
  type Single,
  type Size,
  type Triple,
} from "../options.ts";

export interface MaxUnpoolOptions<N extends readonly number[]> {
  readonly kernel_size: Size<N>;
  /** Default `kernel_size`. */
  readonly stride?: Size<N> | null;
  /** Default 0. */
  readonly padding?: Size<N>;
}

type MaxUnpoolArguments<N extends readonly number[]> = Arguments<
  MaxUnpoolOptions<N>,
  [kernel_size: Size<N>],
  [stride?: Size<N> | null, padding?: Size<N>]
>;

abstract class MaxUnpoolNd<N extends readonly number[]> extends Module {
  kernel_size: N;
  stride: N;
  padding: N;

  protected constructor(name: string, rank: number, args: readonly unknown[]) {
    super();
    const options = layerArguments<MaxUnpoolOptions<N>>(
      `${name}.__init__(any kernel_size, any? stride=None, any padding=0)`,
      args,
    );
    this.kernel_size = expandSize<N>(options.kernel_size, rank, "kernel_size");
    this.stride = expandSize<N>(options.stride ?? options.kernel_size, rank, "stride");
    this.padding = expandSize<N>(options.padding, rank, "padding");
  }

  override extra_repr(): string {
    const { kernel_size, stride, padding } = this;
    return `kernel_size=${pythonRepr(kernel_size)}, stride=${pythonRepr(stride)}, padding=${pythonRepr(padding)}`;
  }
}

/** The partial inverse of MaxPool1d: maxima (N, C, L) at their places `indices`, zeros elsewhere. */
export class MaxUnpool1d extends MaxUnpoolNd<Single> {
  constructor(...args: MaxUnpoolArguments<Single>) {
    super("MaxUnpool1d", 1, args);
  }
  override forward(input: Tensor, indices: Tensor, output_size: readonly number[] | null = null): Tensor {
    return F.max_unpool1d(input, indices, this.kernel_size, this.stride, this.padding, output_size);
  }
}

/** The partial inverse of MaxPool2d: maxima (N, C, H, W) at their places `indices`, zeros elsewhere. */
export class MaxUnpool2d extends MaxUnpoolNd<Pair> {
  constructor(...args: MaxUnpoolArguments<Pair>) {
    super("MaxUnpool2d", 2, args);
  }
  override forward(input: Tensor, indices: Tensor, output_size: readonly number[] | null = null): Tensor {
    return F.max_unpool2d(input, indices, this.kernel_size, this.stride, this.padding, output_size);
  }
}

/** The partial inverse of MaxPool3d: maxima (N, C, D, H, W) at their places `indices`, zeros elsewhere. */
export class MaxUnpool3d extends MaxUnpoolNd<Triple> {
  constructor(...args: MaxUnpoolArguments<Triple>) {
    super("MaxUnpool3d", 3, args);
  }
  override forward(input: Tensor, indices: Tensor, output_size: readonly number[] | null = null): Tensor {
    return F.max_unpool3d(input, indices, this.kernel_size, this.stride, this.padding, output_size);
  }
}

export interface LPPoolOptions<N extends readonly number[]> {
  /** The power; Infinity for maxima. */
  readonly norm_type: number;
  readonly kernel_size: Size<N>;
  /** Default `kernel_size`. */
  readonly stride?: Size<N> | null;
  /** Let the last window reach beyond the edge. Default false. */
  readonly ceil_mode?: boolean;
}

abstract class LPPoolNd<N extends readonly number[]> extends Module {
  norm_type: number;
  kernel_size: Size<N>;
  stride: Size<N> | null;
  ceil_mode: boolean;

  constructor(
    ...args: Arguments<
      LPPoolOptions<N>,
      [norm_type: number, kernel_size: Size<N>],
      [stride?: Size<N> | null, ceil_mode?: boolean]
    >
  ) {
    super();
    const options = layerArguments<LPPoolOptions<N>>(
      `${new.target.name}.__init__(float norm_type, any kernel_size, any? stride=None, bool ceil_mode=False)`,
      args,
    );
    if (options.norm_type === 0) {
      throw new ValueError(`norm_type must be a non-zero value, but got ${options.norm_type}`);
    }
    this.norm_type = options.norm_type;
    this.kernel_size = options.kernel_size;
    this.stride = options.stride;
    this.ceil_mode = options.ceil_mode;
  }

  override extra_repr(): string {
    const { norm_type, kernel_size, stride, ceil_mode } = this;
    return `norm_type=${pythonRepr(norm_type)}, kernel_size=${pythonRepr(kernel_size)}, stride=${pythonRepr(stride)}, ceil_mode=${pythonRepr(ceil_mode)}`;
  }
}

/** (Σ xᵖ)^(1/p) of each window: input (N, C, L) or (C, L). */
export class LPPool1d extends LPPoolNd<Single> {
  override forward(input: Tensor): Tensor {
    return F.lp_pool1d(input, this.norm_type, this.kernel_size, this.stride, this.ceil_mode);
  }
}

/** (Σ xᵖ)^(1/p) of each window: input (N, C, H, W) or (C, H, W). */
export class LPPool2d extends LPPoolNd<Pair> {
  override forward(input: Tensor): Tensor {
    return F.lp_pool2d(input, this.norm_type, this.kernel_size, this.stride, this.ceil_mode);
  }
}

/** (Σ xᵖ)^(1/p) of each window: input (N, C, D, H, W) or (C, D, H, W). */
export class LPPool3d extends LPPoolNd<Triple> {
  override forward(input: Tensor): Tensor {
    return F.lp_pool3d(input, this.norm_type, this.kernel_size, this.stride, this.ceil_mode);
  }
}

export interface FractionalMaxPoolOptions<N extends readonly number[]> {
  readonly kernel_size: Size<N>;
  /** Either this, */
  readonly output_size?: Size<N> | null;
  /** or this: shares of the input's size, between 0 and 1. */
  readonly output_ratio?: Size<N> | null;
  /** Return [output, indices]. Default false. */
  readonly return_indices?: boolean;
  /** Numbers in [0, 1) (N, C, dims) instead of random ones; a buffer of the module. */
  readonly _random_samples?: Tensor | null;
}

type FractionalArguments<N extends readonly number[]> = Arguments<
  FractionalMaxPoolOptions<N>,
  [kernel_size: Size<N>],
  [output_size?: Size<N> | null, output_ratio?: Size<N> | null, return_indices?: boolean]
>;

abstract class FractionalMaxPoolNd<N extends readonly number[]> extends Module {
  kernel_size: N;
  return_indices: boolean;
  declare _random_samples: Tensor | null;
  output_size: N | null;
  output_ratio: N | null;

  protected constructor(name: string, rank: number, args: readonly unknown[]) {
    super();
    const { kernel_size, output_size, output_ratio, return_indices, _random_samples } = layerArguments<
      FractionalMaxPoolOptions<N>
    >(
      `${name}.__init__(any kernel_size, any? output_size=None, any? output_ratio=None, bool return_indices=False, Tensor? _random_samples=None)`,
      args,
    );
    const ratio = (value: Size<N>): N =>
      (typeof value === "number" ? new Array<number>(rank).fill(value) : value) as unknown as N;
    this.kernel_size = expandSize<N>(kernel_size, rank, "kernel_size");
    this.return_indices = return_indices;
    this.register_buffer("_random_samples", _random_samples);
    this.output_size = output_size === null ? null : expandSize<N>(output_size, rank, "output_size");
    this.output_ratio = output_ratio === null ? null : ratio(output_ratio);
    if (output_size === null && output_ratio === null) {
      throw new ValueError(`${name} requires specifying either an output size, or a pooling ratio`);
    }
    if (output_size !== null && output_ratio !== null) {
      throw new ValueError("only one of output_size and output_ratio may be specified");
    }
    if (this.output_ratio?.some((r) => !(r > 0 && r < 1))) {
      throw new ValueError(`output_ratio must be between 0 and 1 (got ${pythonRepr(output_ratio)})`);
    }
  }
}

/** Maxima of windows at random distances (Graham, 2014): input (N, C, H, W) or (C, H, W). */
export class FractionalMaxPool2d extends FractionalMaxPoolNd<Pair> {
  constructor(...args: FractionalArguments<Pair>) {
    super("FractionalMaxPool2d", 2, args);
  }
  override forward(input: Tensor): Tensor {
    const { kernel_size, output_size, output_ratio, return_indices, _random_samples } = this;
    return F.fractional_max_pool2d(input, kernel_size, output_size, output_ratio, return_indices, _random_samples);
  }
}

/** Maxima of windows at random distances: input (N, C, D, H, W) or (C, D, H, W). */
export class FractionalMaxPool3d extends FractionalMaxPoolNd<Triple> {
  constructor(...args: FractionalArguments<Triple>) {
    super("FractionalMaxPool3d", 3, args);
  }
  override forward(input: Tensor): Tensor {
    const { kernel_size, output_size, output_ratio, return_indices, _random_samples } = this;
    return F.fractional_max_pool3d(input, kernel_size, output_size, output_ratio, return_indices, _random_samples);
  }
}
