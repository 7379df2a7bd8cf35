/** Pooling: https://pytorch.org/docs/stable/nn.html#pooling-layers */
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

export interface MaxPoolOptions<N extends readonly number[]> {
  readonly kernel_size: Size<N>;
  /** Default `kernel_size`. */
  readonly stride?: Size<N> | null;
  /** Minus infinity, added to both sides. Default 0. */
  readonly padding?: Size<N>;
  /** Distance between the elements of a window. Default 1. */
  readonly dilation?: Size<N>;
  /** Return [output, indices], for MaxUnpool. Default false. */
  readonly return_indices?: boolean;
  /** Let the last window reach beyond the edge. Default false. */
  readonly ceil_mode?: boolean;
}

type MaxPoolArguments<N extends readonly number[]> = Arguments<
  MaxPoolOptions<N>,
  [kernel_size: Size<N>],
  [stride?: Size<N> | null, padding?: Size<N>, dilation?: Size<N>, return_indices?: boolean, ceil_mode?: boolean]
>;

abstract class MaxPoolNd<N extends readonly number[]> extends Module {
  kernel_size: Size<N>;
  stride: Size<N>;
  padding: Size<N>;
  dilation: Size<N>;
  return_indices: boolean;
  ceil_mode: boolean;

  constructor(...args: MaxPoolArguments<N>) {
    super();
    const signature = `${new.target.name}.__init__(any kernel_size, any? stride=None, any padding=0, any dilation=1, bool return_indices=False, bool ceil_mode=False)`;
    const options = layerArguments<MaxPoolOptions<N>>(signature, args);
    this.kernel_size = options.kernel_size;
    this.stride = options.stride ?? options.kernel_size;
    this.padding = options.padding;
    this.dilation = options.dilation;
    this.return_indices = options.return_indices;
    this.ceil_mode = options.ceil_mode;
  }

  override extra_repr(): string {
    const { kernel_size, stride, padding, dilation, ceil_mode } = this;
    return `kernel_size=${pythonRepr(kernel_size)}, stride=${pythonRepr(stride)}, padding=${pythonRepr(padding)}, dilation=${pythonRepr(dilation)}, ceil_mode=${pythonRepr(ceil_mode)}`;
  }
}

/**
 * The maximum of each window: input (N, C, L) or (C, L). With `return_indices` the result is [output, indices], though
 * typed as a tensor, since that is what almost every caller has.
 */
export class MaxPool1d extends MaxPoolNd<Single> {
  override forward(input: Tensor): Tensor {
    const { kernel_size, stride, padding, dilation, ceil_mode, return_indices } = this;
    return F.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices) as Tensor;
  }
}

/** The maximum of each window: input (N, C, H, W) or (C, H, W). See MaxPool1d about `return_indices`. */
export class MaxPool2d extends MaxPoolNd<Pair> {
  override forward(input: Tensor): Tensor {
    const { kernel_size, stride, padding, dilation, ceil_mode, return_indices } = this;
    return F.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices) as Tensor;
  }
}

/** The maximum of each window: input (N, C, D, H, W) or (C, D, H, W). See MaxPool1d about `return_indices`. */
export class MaxPool3d extends MaxPoolNd<Triple> {
  override forward(input: Tensor): Tensor {
    const { kernel_size, stride, padding, dilation, ceil_mode, return_indices } = this;
    return F.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices) as Tensor;
  }
}

export interface AvgPool1dOptions {
  readonly kernel_size: Size<Single>;
  /** Default `kernel_size`. */
  readonly stride?: Size<Single> | null;
  /** Zeros, added to both sides. Default 0. */
  readonly padding?: Size<Single>;
  /** Let the last window reach beyond the edge. Default false. */
  readonly ceil_mode?: boolean;
  /** Count the padding in the mean. Default true. */
  readonly count_include_pad?: boolean;
}

/** The mean of each window: input (N, C, L) or (C, L). */
export class AvgPool1d extends Module {
  kernel_size: Single;
  stride: Single;
  padding: Single;
  ceil_mode: boolean;
  count_include_pad: boolean;

  constructor(
    ...args: Arguments<
      AvgPool1dOptions,
      [kernel_size: Size<Single>],
      [stride?: Size<Single> | null, padding?: Size<Single>, ceil_mode?: boolean, count_include_pad?: boolean]
    >
  ) {
    super();
    const signature =
      "AvgPool1d.__init__(int[] kernel_size, int[]? stride=None, int[] padding=0, bool ceil_mode=False, bool count_include_pad=True)";
    const options = layerArguments<AvgPool1dOptions>(signature, args);
    this.kernel_size = expandSize<Single>(options.kernel_size, 1, "kernel_size");
    this.stride = expandSize<Single>(options.stride ?? options.kernel_size, 1, "stride");
    this.padding = expandSize<Single>(options.padding, 1, "padding");
    this.ceil_mode = options.ceil_mode;
    this.count_include_pad = options.count_include_pad;
  }

  override forward(input: Tensor): Tensor {
    const { kernel_size, stride, padding, ceil_mode, count_include_pad } = this;
    return F.avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad);
  }

  override extra_repr(): string {
    return windowText(this);
  }
}

function windowText(pool: { kernel_size: unknown; stride: unknown; padding: unknown }): string {
  return `kernel_size=${pythonRepr(pool.kernel_size)}, stride=${pythonRepr(pool.stride)}, padding=${pythonRepr(pool.padding)}`;
}

export interface AvgPoolOptions<N extends readonly number[]> {
  readonly kernel_size: Size<N>;
  /** Default `kernel_size`. */
  readonly stride?: Size<N> | null;
  /** Zeros, added to both sides. Default 0. */
  readonly padding?: Size<N>;
  /** Let the last window reach beyond the edge. Default false. */
  readonly ceil_mode?: boolean;
  /** Count the padding in the mean. Default true. */
  readonly count_include_pad?: boolean;
  /** Divide by this instead of the number of elements. */
  readonly divisor_override?: number | null;
}

type AvgPoolArguments<N extends readonly number[]> = Arguments<
  AvgPoolOptions<N>,
  [kernel_size: Size<N>],
  [
    stride?: Size<N> | null,
    padding?: Size<N>,
    ceil_mode?: boolean,
    count_include_pad?: boolean,
    divisor_override?: number | null,
  ]
>;

abstract class AvgPoolNd<N extends readonly number[]> extends Module {
  kernel_size: Size<N>;
  stride: Size<N>;
  padding: Size<N>;
  ceil_mode: boolean;
  count_include_pad: boolean;
  divisor_override: number | null;

  constructor(...args: AvgPoolArguments<N>) {
    super();
    const signature = `${new.target.name}.__init__(any kernel_size, any? stride=None, any padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None)`;
    const options = layerArguments<AvgPoolOptions<N>>(signature, args);
    this.kernel_size = options.kernel_size;
    this.stride = options.stride ?? options.kernel_size;
    this.padding = options.padding;
    this.ceil_mode = options.ceil_mode;
    this.count_include_pad = options.count_include_pad;
    this.divisor_override = options.divisor_override;
  }

  override extra_repr(): string {
    return windowText(this);
  }
}

/** The mean of each window: input (N, C, H, W) or (C, H, W). */
export class AvgPool2d extends AvgPoolNd<Pair> {
  override forward(input: Tensor): Tensor {
    const { kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override } = this;
    return F.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
  }
}

/** The mean of each window: input (N, C, D, H, W) or (C, D, H, W). */
export class AvgPool3d extends AvgPoolNd<Triple> {
  override forward(input: Tensor): Tensor {
    const { kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override } = this;
    return F.avg_pool3d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
  }
}

/** A size for each dimension, where null keeps that of the input. */
type OutputSize<N extends readonly number[]> = number | null | { readonly [I in keyof N]: N[I] | null };

export interface AdaptiveAvgPoolOptions<N extends readonly number[]> {
  /** A number stands for all dimensions; null keeps the size of the input. */
  readonly output_size: OutputSize<N>;
}

abstract class AdaptiveAvgPoolNd<N extends readonly number[]> extends Module {
  output_size: OutputSize<N>;

  constructor(...args: Arguments<AdaptiveAvgPoolOptions<N>, [output_size: OutputSize<N>]>) {
    super();
    const signature = `${new.target.name}.__init__(any? output_size)`;
    this.output_size = layerArguments<AdaptiveAvgPoolOptions<N>>(signature, args).output_size;
  }

  override extra_repr(): string {
    return `output_size=${pythonRepr(this.output_size)}`;
  }
}

/** Means of windows that divide the input evenly: (N, C, L) gives (N, C, output_size). */
export class AdaptiveAvgPool1d extends AdaptiveAvgPoolNd<Single> {
  override forward(input: Tensor): Tensor {
    return F.adaptive_avg_pool1d(input, this.output_size as Size<Single>);
  }
}

/** Means of windows that divide the input evenly: (N, C, H, W) gives (N, C, …output_size). */
export class AdaptiveAvgPool2d extends AdaptiveAvgPoolNd<Pair> {
  override forward(input: Tensor): Tensor {
    return F.adaptive_avg_pool2d(input, this.output_size as Size<Pair>);
  }
}

/** Means of windows that divide the input evenly: (N, C, D, H, W) gives (N, C, …output_size). */
export class AdaptiveAvgPool3d extends AdaptiveAvgPoolNd<Triple> {
  override forward(input: Tensor): Tensor {
    return F.adaptive_avg_pool3d(input, this.output_size as Size<Triple>);
  }
}

export interface AdaptiveMaxPoolOptions<N extends readonly number[]> extends AdaptiveAvgPoolOptions<N> {
  /** Return [output, indices]. Default false. */
  readonly return_indices?: boolean;
}

abstract class AdaptiveMaxPoolNd<N extends readonly number[]> extends Module {
  output_size: OutputSize<N>;
  return_indices: boolean;

  constructor(...args: Arguments<AdaptiveMaxPoolOptions<N>, [output_size: OutputSize<N>], [return_indices?: boolean]>) {
    super();
    const signature = `${new.target.name}.__init__(any? output_size, bool return_indices=False)`;
    const { output_size, return_indices } = layerArguments<AdaptiveMaxPoolOptions<N>>(signature, args);
    this.output_size = output_size;
    this.return_indices = return_indices;
  }

  override extra_repr(): string {
    return `output_size=${pythonRepr(this.output_size)}`;
  }
}

/** Maxima of windows that divide the input evenly. See MaxPool1d about `return_indices`. */
export class AdaptiveMaxPool1d extends AdaptiveMaxPoolNd<Single> {
  override forward(input: Tensor): Tensor {
    return F.adaptive_max_pool1d(input, this.output_size as Size<Single>, this.return_indices) as Tensor;
  }
}

/** Maxima of windows that divide the input evenly. See MaxPool1d about `return_indices`. */
export class AdaptiveMaxPool2d extends AdaptiveMaxPoolNd<Pair> {
  override forward(input: Tensor): Tensor {
    return F.adaptive_max_pool2d(input, this.output_size as Size<Pair>, this.return_indices) as Tensor;
  }
}

/** Maxima of windows that divide the input evenly. See MaxPool1d about `return_indices`. */
export class AdaptiveMaxPool3d extends AdaptiveMaxPoolNd<Triple> {
  override forward(input: Tensor): Tensor {
    return F.adaptive_max_pool3d(input, this.output_size as Size<Triple>, this.return_indices) as Tensor;
  }
}
