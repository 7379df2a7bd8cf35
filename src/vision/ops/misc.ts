/** Blocks that many vision models are built from: https://pytorch.org/vision/stable/ops.html#layers */
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { ones, zeros } from "../../ops/creation.ts";
import type { Tensor } from "../../tensor.ts";
import { type Layer, type LayerMaker, makeLayer, type NormMaker } from "./layer-maker.ts";

/** The activation of a block, which is told `inplace` unless that is null: `nn.ReLU`, `nn.GELU`. */
export type ActivationMaker = LayerMaker<[]> | LayerMaker<[options: { inplace?: boolean }]>;

function makeActivation(maker: ActivationMaker, inplace: boolean | null): Layer {
  if (inplace === null) return makeLayer(maker as LayerMaker<[], Layer>);
  return makeLayer(maker as LayerMaker<[options: { inplace?: boolean }], Layer>, { inplace });
}

/** A number for all dimensions, or one for each. */
type Sizes = number | readonly number[];

export interface ConvNormActivationOptions {
  /** Default 3. */
  readonly kernel_size?: Sizes;
  /** Default 1. */
  readonly stride?: Sizes;
  /** Default (null): as much as keeps the size at stride 1. */
  readonly padding?: Sizes | "valid" | "same" | null;
  /** Default 1. */
  readonly groups?: number;
  /** null for none. Default: batch norm. */
  readonly norm_layer?: NormMaker | null;
  /** null for none. Default ReLU. */
  readonly activation_layer?: ActivationMaker | null;
  /** Default 1. */
  readonly dilation?: Sizes;
  /** What the activation is told; null: nothing. Default true. */
  readonly inplace?: boolean | null;
  /** Default (null): where there is no norm. */
  readonly bias?: boolean | null;
}

type ConvMaker = (
  in_channels: number,
  out_channels: number,
  options: {
    kernel_size: Sizes;
    stride: Sizes;
    padding: Sizes | "valid" | "same";
    dilation: Sizes;
    groups: number;
    bias: boolean;
  },
) => Module;

/** Half of what the kernel reaches, so that an odd kernel keeps the size. */
function samePadding(kernel: Sizes, dilation: Sizes): Sizes {
  const half = (k: number, d: number): number => Math.floor((k - 1) / 2) * d;
  if (typeof kernel === "number" && typeof dilation === "number") return half(kernel, dilation);
  const dims = typeof kernel === "number" ? (dilation as readonly number[]).length : kernel.length;
  const at = (sizes: Sizes, i: number): number => (typeof sizes === "number" ? sizes : (sizes[i] as number));
  return Array.from({ length: dims }, (_, i) => half(at(kernel, i), at(dilation, i)));
}

/** A convolution, a norm and an activation, one after another. */
class ConvNormActivation extends nn.Sequential {
  out_channels: number;

  constructor(
    in_channels: number,
    out_channels: number,
    conv: ConvMaker,
    norm: NormMaker,
    {
      kernel_size = 3,
      stride = 1,
      dilation = 1,
      padding = null,
      groups = 1,
      norm_layer = norm,
      activation_layer = nn.ReLU,
      inplace = true,
      bias = null,
    }: ConvNormActivationOptions,
  ) {
    const layers = [
      conv(in_channels, out_channels, {
        kernel_size,
        stride,
        padding: padding ?? samePadding(kernel_size, dilation),
        dilation,
        groups,
        bias: bias ?? norm_layer === null,
      }),
    ];
    if (norm_layer !== null) layers.push(makeLayer(norm_layer, out_channels));
    if (activation_layer !== null) layers.push(makeActivation(activation_layer, inplace));
    super(...layers);
    this.out_channels = out_channels;
  }
}

type ConvOptionsOf<C extends abstract new (...args: never[]) => unknown> =
  Extract<ConstructorParameters<C>, [unknown]> extends [infer Keywords] ? Keywords : never;

/** Convolution of images, norm, activation. */
export class Conv2dNormActivation extends ConvNormActivation {
  constructor(in_channels: number, out_channels: number, options: ConvNormActivationOptions = {}) {
    const conv: ConvMaker = (i, o, rest) =>
      new nn.Conv2d({ in_channels: i, out_channels: o, ...rest } as ConvOptionsOf<typeof nn.Conv2d>);
    super(in_channels, out_channels, conv, nn.BatchNorm2d, options);
  }
}

/** Convolution of volumes or videos, norm, activation. */
export class Conv3dNormActivation extends ConvNormActivation {
  constructor(in_channels: number, out_channels: number, options: ConvNormActivationOptions = {}) {
    const conv: ConvMaker = (i, o, rest) =>
      new nn.Conv3d({ in_channels: i, out_channels: o, ...rest } as ConvOptionsOf<typeof nn.Conv3d>);
    super(in_channels, out_channels, conv, nn.BatchNorm3d, options);
  }
}

export interface SqueezeExcitationOptions {
  /** δ of the paper. Default ReLU. */
  readonly activation?: ActivationMaker;
  /** σ of the paper. Default Sigmoid. */
  readonly scale_activation?: ActivationMaker;
}

/**
 * Weighs the channels by what their means say: figure 1 and equation 3 of Hu, Shen, Sun, "Squeeze-and-excitation networks",
 * https://arxiv.org/abs/1709.01507. Input and output (N, C, H, W).
 */
export class SqueezeExcitation extends nn.Module {
  avgpool: nn.AdaptiveAvgPool2d;
  fc1: nn.Conv2d;
  fc2: nn.Conv2d;
  activation: Layer;
  scale_activation: Layer;

  constructor(
    input_channels: number,
    squeeze_channels: number,
    { activation = nn.ReLU, scale_activation = nn.Sigmoid }: SqueezeExcitationOptions = {},
  ) {
    super();
    this.avgpool = new nn.AdaptiveAvgPool2d(1);
    this.fc1 = new nn.Conv2d(input_channels, squeeze_channels, 1);
    this.fc2 = new nn.Conv2d(squeeze_channels, input_channels, 1);
    this.activation = makeActivation(activation, null);
    this.scale_activation = makeActivation(scale_activation, null);
  }

  override forward(input: Tensor): Tensor {
    const squeezed = this.activation(this.fc1(this.avgpool(input)));
    return this.scale_activation(this.fc2(squeezed)).mul(input);
  }
}

export interface MLPOptions {
  /** null for none, which is the default. */
  readonly norm_layer?: NormMaker | null;
  /** Default ReLU. */
  readonly activation_layer?: ActivationMaker;
  /** What activations and dropouts are told; null, the default: nothing. */
  readonly inplace?: boolean | null;
  /** Default true. */
  readonly bias?: boolean;
  /** Default 0. */
  readonly dropout?: number;
}

/** A perceptron with several layers: linear, norm, activation and dropout, and at the end linear and dropout. */
export class MLP extends nn.Sequential {
  constructor(
    in_channels: number,
    hidden_channels: readonly number[],
    { norm_layer = null, activation_layer = nn.ReLU, inplace = null, bias = true, dropout = 0 }: MLPOptions = {},
  ) {
    const layers: Module[] = [];
    let channels = in_channels;
    for (const [i, hidden] of hidden_channels.entries()) {
      layers.push(new nn.Linear(channels, hidden, { bias }));
      if (i < hidden_channels.length - 1) {
        if (norm_layer !== null) layers.push(makeLayer(norm_layer, hidden));
        layers.push(makeActivation(activation_layer, inplace));
      }
      layers.push(new nn.Dropout(dropout, inplace ?? false));
      channels = hidden;
    }
    super(...layers);
  }
}

/** `torch.permute` as a layer. */
export class Permute extends nn.Module {
  dims: readonly number[];

  constructor(dims: readonly number[]) {
    super();
    this.dims = dims;
  }

  override forward(x: Tensor): Tensor {
    return x.permute(this.dims);
  }
}

/** A batch norm whose statistics, scale and shift are constants. Input and output (N, C, H, W). */
export class FrozenBatchNorm2d extends nn.Module {
  eps: number;
  declare weight: Tensor;
  declare bias: Tensor;
  declare running_mean: Tensor;
  declare running_var: Tensor;

  constructor(num_features: number, { eps = 1e-5 }: { readonly eps?: number } = {}) {
    super();
    this.eps = eps;
    this.register_buffer("weight", ones([num_features]));
    this.register_buffer("bias", zeros([num_features]));
    this.register_buffer("running_mean", zeros([num_features]));
    this.register_buffer("running_var", ones([num_features]));
  }

  override upgradeState(state: Record<string, unknown>, prefix: string): void {
    // Checkpoints of trained batch norms count batches, which does not matter here.
    delete state[`${prefix}num_batches_tracked`];
  }

  override forward(x: Tensor): Tensor {
    const column = (t: Tensor): Tensor => t.reshape([1, -1, 1, 1]);
    const scale = column(this.weight).mul(column(this.running_var).add(this.eps).rsqrt());
    const shift = column(this.bias).sub(column(this.running_mean).mul(scale));
    return x.mul(scale).add(shift);
  }

  override extra_repr(): string {
    return `${this.weight.size(0)}, eps=${this.eps === 1e-5 ? "1e-05" : this.eps}`;
  }
}
