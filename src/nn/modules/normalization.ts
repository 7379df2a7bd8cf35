/** Layer, group and other norms: https://pytorch.org/docs/stable/nn.html#normalization-layers */
import { ValueError } from "../../errors.ts";
import { empty } from "../../ops/creation.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, floatText, layerArguments } from "../options.ts";
import { Parameter } from "../parameter.ts";

export interface LayerNormOptions extends FactoryOptions {
  /** The sizes of the last dimensions. */
  readonly normalized_shape: number | readonly number[];
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Learn a factor and an offset for each element. Default true. */
  readonly elementwise_affine?: boolean;
  /** Learn the offset. Default true. */
  readonly bias?: boolean;
}

/** `(x − mean) / √(var + eps) · weight + bias` over the last dimensions. Ba et al., 2016. */
export class LayerNorm extends Module {
  normalized_shape: readonly number[];
  eps: number;
  elementwise_affine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(
    ...args: Arguments<
      LayerNormOptions,
      [normalized_shape: number | readonly number[]],
      [eps?: number, elementwise_affine?: boolean, bias?: boolean]
    >
  ) {
    super();
    const signature = `LayerNorm.__init__(int[] normalized_shape, float eps=1e-5, bool elementwise_affine=True, bool bias=True, ${FACTORY})`;
    const options = layerArguments<LayerNormOptions & { normalized_shape: readonly number[] }>(signature, args);
    const { normalized_shape, eps, elementwise_affine, bias, ...factory } = options;
    this.normalized_shape = normalized_shape;
    this.eps = eps;
    this.elementwise_affine = elementwise_affine;
    this.weight = elementwise_affine ? new Parameter(empty(normalized_shape, factory)) : null;
    this.bias = elementwise_affine && bias ? new Parameter(empty(normalized_shape, factory)) : null;
    this.reset_parameters();
  }

  reset_parameters(): void {
    if (this.weight !== null) init.ones_(this.weight);
    if (this.bias !== null) init.zeros_(this.bias);
  }

  override forward(input: Tensor): Tensor {
    return F.layer_norm(input, this.normalized_shape, this.weight, this.bias, this.eps);
  }

  override extra_repr(): string {
    return `${pythonRepr(this.normalized_shape)}, eps=${pythonRepr(this.eps)}, elementwise_affine=${pythonRepr(this.elementwise_affine)}, bias=${pythonRepr(this.bias !== null)}`;
  }
}

export interface RMSNormOptions extends FactoryOptions {
  /** The sizes of the last dimensions. */
  readonly normalized_shape: number | readonly number[];
  /** Added to the mean square. Default: the machine epsilon of the input's dtype. */
  readonly eps?: number | null;
  /** Learn a factor for each element. Default true. */
  readonly elementwise_affine?: boolean;
}

/** `x / √(mean(x²) + eps) · weight` over the last dimensions. Zhang and Sennrich, 2019. */
export class RMSNorm extends Module {
  normalized_shape: readonly number[];
  eps: number | null;
  elementwise_affine: boolean;
  weight: Parameter | null;

  constructor(
    ...args: Arguments<
      RMSNormOptions,
      [normalized_shape: number | readonly number[]],
      [eps?: number | null, elementwise_affine?: boolean]
    >
  ) {
    super();
    const signature = `RMSNorm.__init__(int[] normalized_shape, float? eps=None, bool elementwise_affine=True, ${FACTORY})`;
    const options = layerArguments<RMSNormOptions & { normalized_shape: readonly number[] }>(signature, args);
    const { normalized_shape, eps, elementwise_affine, ...factory } = options;
    this.normalized_shape = normalized_shape;
    this.eps = eps;
    this.elementwise_affine = elementwise_affine;
    this.weight = elementwise_affine ? new Parameter(empty(normalized_shape, factory)) : null;
    this.reset_parameters();
  }

  reset_parameters(): void {
    if (this.weight !== null) init.ones_(this.weight);
  }

  override forward(x: Tensor): Tensor {
    return F.rms_norm(x, this.normalized_shape, this.weight, this.eps);
  }

  override extra_repr(): string {
    return `${pythonRepr(this.normalized_shape)}, eps=${pythonRepr(this.eps)}, elementwise_affine=${pythonRepr(this.elementwise_affine)}`;
  }
}

export interface GroupNormOptions extends FactoryOptions {
  readonly num_groups: number;
  /** The channels; a multiple of the number of groups. */
  readonly num_channels: number;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Learn a factor and an offset for each channel. Default true. */
  readonly affine?: boolean;
  /** Learn the offset. Default true. */
  readonly bias?: boolean;
}

/** Normalizes each group of channels of each sample: input (N, C, *). Wu and He, 2018. */
export class GroupNorm extends Module {
  num_groups: number;
  num_channels: number;
  eps: number;
  affine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(
    ...args: Arguments<GroupNormOptions, [num_groups: number, num_channels: number], [eps?: number, affine?: boolean]>
  ) {
    super();
    const signature = `GroupNorm.__init__(int num_groups, int num_channels, float eps=1e-5, bool affine=True, ${FACTORY}, *, bool bias=True)`;
    const { num_groups, num_channels, eps, affine, bias, ...factory } = layerArguments<GroupNormOptions>(
      signature,
      args,
    );
    if (num_channels % num_groups !== 0) {
      throw new ValueError(`num_channels (${num_channels}) must be divisible by num_groups (${num_groups})`);
    }
    this.num_groups = num_groups;
    this.num_channels = num_channels;
    this.eps = eps;
    this.affine = affine;
    this.weight = affine ? new Parameter(empty([num_channels], factory)) : null;
    this.bias = affine && bias ? new Parameter(empty([num_channels], factory)) : null;
    this.reset_parameters();
  }

  reset_parameters(): void {
    if (this.weight !== null) init.ones_(this.weight);
    if (this.bias !== null) init.zeros_(this.bias);
  }

  override forward(input: Tensor): Tensor {
    return F.group_norm(input, this.num_groups, this.weight, this.bias, this.eps);
  }

  override extra_repr(): string {
    return `${this.num_groups}, ${this.num_channels}, eps=${pythonRepr(this.eps)}, affine=${pythonRepr(this.affine)}, bias=${pythonRepr(this.bias !== null)}`;
  }
}

export interface LocalResponseNormOptions {
  /** How many neighbouring channels count. */
  readonly size: number;
  /** Default 1e-4. */
  readonly alpha?: number;
  /** Default 0.75. */
  readonly beta?: number;
  /** Default 1. */
  readonly k?: number;
}

/** `x / (k + α/size · Σ x²)^β`, the sum over `size` neighbouring channels. Krizhevsky et al., 2012. */
export class LocalResponseNorm extends Module {
  size: number;
  alpha: number;
  beta: number;
  k: number;

  constructor(
    ...args: Arguments<LocalResponseNormOptions, [size: number], [alpha?: number, beta?: number, k?: number]>
  ) {
    super();
    const signature = "LocalResponseNorm.__init__(int size, float alpha=1e-4, float beta=0.75, float k=1)";
    const { size, alpha, beta, k } = layerArguments<LocalResponseNormOptions>(signature, args);
    this.size = size;
    this.alpha = alpha;
    this.beta = beta;
    this.k = k;
  }

  override forward(input: Tensor): Tensor {
    return F.local_response_norm(input, this.size, this.alpha, this.beta, this.k);
  }

  override extra_repr(): string {
    return `${this.size}, alpha=${pythonRepr(this.alpha)}, beta=${pythonRepr(this.beta)}, k=${floatText(this.k, 1)}`;
  }
}
