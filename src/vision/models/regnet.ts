/**
 * RegNet: networks whose widths follow a quantized line. Radosavovic et al., Designing Network Design Spaces, 2020,
 * https://arxiv.org/abs/2003.13678
 */
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import type { Tensor } from "../../tensor.ts";
import { type ActivationMaker, Conv2dNormActivation, SqueezeExcitation } from "../ops/index.ts";
import { type Layer, type LayerMaker, makeLayer, type NormMaker } from "../ops/layer-maker.ts";
import { resetNorm } from "./mobilenetv2.ts";
import { modelBuilder } from "./registry.ts";
import * as weights from "./regnet-weights.ts";
import { _make_divisible, roundHalfEven } from "./utils.ts";

/** What all parts of a network are made with. */
interface Layers {
  readonly norm_layer: NormMaker;
  readonly activation_layer: ActivationMaker;
}

/** What the blocks of a network have in common. */
interface BlockOptions extends Layers {
  readonly group_width: number;
  readonly bottleneck_multiplier: number;
  /** Channels in squeeze-and-excitation relative to those of the block's input; null for none. */
  readonly se_ratio: number | null;
}

/** The stem of ImageNet models: a 3 × 3 convolution with stride 2. */
export class SimpleStemIN extends Conv2dNormActivation {
  constructor(width_in: number, width_out: number, layers: Layers) {
    super(width_in, width_out, { kernel_size: 3, stride: 2, ...layers });
  }
}

/** 1 × 1, grouped 3 × 3 and 1 × 1 convolutions, with squeeze-and-excitation before the last. */
export class BottleneckTransform extends nn.Sequential {
  constructor(width_in: number, width_out: number, stride: number, options: BlockOptions) {
    const { norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio } = options;
    const inner = roundHalfEven(width_out * bottleneck_multiplier);
    const groups = Math.floor(inner / group_width);
    const layers = { norm_layer, activation_layer };
    const parts: Record<string, Module> = {};
    parts.a = new Conv2dNormActivation(width_in, inner, { kernel_size: 1, stride: 1, ...layers });
    parts.b = new Conv2dNormActivation(inner, inner, { kernel_size: 3, stride, groups, ...layers });
    if (se_ratio) {
      // Relative to the input of the block, as in the paper's code.
      const squeezed = roundHalfEven(se_ratio * width_in);
      parts.se = new SqueezeExcitation(inner, squeezed, { activation: activation_layer });
    }
    parts.c = new Conv2dNormActivation(inner, width_out, {
      kernel_size: 1,
      stride: 1,
      norm_layer,
      activation_layer: null,
    });
    super(parts);
  }

  override className(): string {
    return "BottleneckTransform";
  }
}

/** A bottleneck and its input, projected where the shapes differ. */
export class ResBottleneckBlock extends nn.Module {
  proj: Conv2dNormActivation | null;
  f: BottleneckTransform;
  activation: Layer;

  constructor(width_in: number, width_out: number, stride: number, options: BlockOptions) {
    super();
    const { norm_layer, activation_layer } = options;
    const projects = width_in !== width_out || stride !== 1;
    this.proj = projects
      ? new Conv2dNormActivation(width_in, width_out, { kernel_size: 1, stride, norm_layer, activation_layer: null })
      : null;
    this.f = new BottleneckTransform(width_in, width_out, stride, options);
    this.activation = makeLayer(activation_layer, { inplace: true });
  }

  override forward(x: Tensor): Tensor {
    const shortcut = this.proj === null ? x : this.proj(x);
    return this.activation(shortcut.add(this.f(x)));
  }
}

type BlockMaker = LayerMaker<[width_in: number, width_out: number, stride: number, options: BlockOptions]>;

/** Blocks of one width; the first has the stride. */
export class AnyStage extends nn.Sequential {
  constructor(
    width_in: number,
    width_out: number,
    stride: number,
    depth: number,
    block_constructor: BlockMaker,
    options: BlockOptions,
    stage_index = 0,
  ) {
    super();
    for (let i = 0; i < depth; i++) {
      const [from, step] = i === 0 ? [width_in, stride] : [width_out, 1];
      this.add_module(`block${stage_index}-${i}`, makeLayer(block_constructor, from, width_out, step, options));
    }
  }
}

export interface BlockParamsOptions {
  readonly bottleneck_multiplier?: number;
  readonly se_ratio?: number | null;
}

/** Numbers of channels are multiples of this. */
const QUANTUM = 8;
const STRIDE = 2;

/** One entry for each stage. */
export class BlockParams {
  depths: readonly number[];
  widths: readonly number[];
  group_widths: readonly number[];
  bottleneck_multipliers: readonly number[];
  strides: readonly number[];
  se_ratio: number | null;

  constructor(
    depths: readonly number[],
    widths: readonly number[],
    group_widths: readonly number[],
    bottleneck_multipliers: readonly number[],
    strides: readonly number[],
    se_ratio: number | null = null,
  ) {
    this.depths = depths;
    this.widths = widths;
    this.group_widths = group_widths;
    this.bottleneck_multipliers = bottleneck_multipliers;
    this.strides = strides;
    this.se_ratio = se_ratio;
  }

  /**
   * The stages of the paper's formula: block j has width w_0 + w_a · j, quantized to the nearest w_0 · w_m^s and then to a
   * multiple of 8; blocks of equal width are a stage. Widths are then made to fit the groups.
   */
  static from_init_params(
    depth: number,
    w_0: number,
    w_a: number,
    w_m: number,
    group_width: number,
    { bottleneck_multiplier = 1, se_ratio = null }: BlockParamsOptions = {},
  ): BlockParams {
    if (w_a < 0 || w_0 <= 0 || w_m <= 1 || w_0 % QUANTUM !== 0) throw new ValueError("Invalid RegNet settings");
    const widths: number[] = [];
    const depths: number[] = [];
    for (let j = 0; j < depth; j++) {
      const power = roundHalfEven(Math.log((w_0 + w_a * j) / w_0) / Math.log(w_m));
      const width = QUANTUM * roundHalfEven((w_0 * w_m ** power) / QUANTUM);
      if (width === widths[widths.length - 1]) depths[depths.length - 1]++;
      else {
        widths.push(width);
        depths.push(1);
      }
    }
    const inner = widths.map((width) => Math.trunc(width * bottleneck_multiplier));
    const groups = inner.map((width) => Math.min(group_width, width));
    const fitted = inner.map((width, i) => Math.trunc(_make_divisible(width, groups[i]) / bottleneck_multiplier));
    const each = (value: number): number[] => widths.map(() => value);
    return new BlockParams(depths, fitted, groups, each(bottleneck_multiplier), each(STRIDE), se_ratio);
  }
}

type StemMaker = LayerMaker<[width_in: number, width_out: number, layers: Layers]>;

export interface RegNetOptions {
  readonly block_params: BlockParams;
  /** Default 1000. */
  readonly num_classes?: number;
  /** Default 32. */
  readonly stem_width?: number;
  readonly stem_type?: StemMaker | null;
  readonly block_type?: BlockMaker | null;
  /** Default BatchNorm2d. */
  readonly norm_layer?: NormMaker | null;
  /** Default ReLU. */
  readonly activation?: ActivationMaker | null;
}

const SIGNATURE =
  "RegNet.__init__(any block_params, int num_classes=1000, int stem_width=32, any? stem_type=None, any? block_type=None, any? norm_layer=None, any? activation=None)";

/** Input (N, 3, H, W), output (N, num_classes). */
export class RegNet extends nn.Module {
  stem: Layer;
  trunk_output: nn.Sequential;
  avgpool: nn.AdaptiveAvgPool2d;
  fc: nn.Linear;

  constructor(
    ...args: Arguments<
      RegNetOptions,
      [block_params: BlockParams],
      [
        num_classes?: number,
        stem_width?: number,
        stem_type?: StemMaker | null,
        block_type?: BlockMaker | null,
        norm_layer?: NormMaker | null,
        activation?: ActivationMaker | null,
      ]
    >
  ) {
    super();
    const options = layerArguments<RegNetOptions>(SIGNATURE, args);
    const { block_params: params, stem_width } = options;
    const layers: Layers = {
      norm_layer: options.norm_layer ?? nn.BatchNorm2d,
      activation_layer: options.activation ?? nn.ReLU,
    };
    const stem: StemMaker = options.stem_type ?? SimpleStemIN;
    this.stem = makeLayer(stem, 3, stem_width, layers);
    const stages: Record<string, Module> = {};
    let width = stem_width;
    for (const [i, next] of params.widths.entries()) {
      const blocks: BlockOptions = {
        ...layers,
        group_width: params.group_widths[i],
        bottleneck_multiplier: params.bottleneck_multipliers[i],
        se_ratio: params.se_ratio,
      };
      const block = options.block_type ?? ResBottleneckBlock;
      stages[`block${i + 1}`] = new AnyStage(width, next, params.strides[i], params.depths[i], block, blocks, i + 1);
      width = next;
    }
    this.trunk_output = new nn.Sequential(stages);
    this.avgpool = new nn.AdaptiveAvgPool2d([1, 1]);
    this.fc = new nn.Linear(width, options.num_classes);
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) {
        // He's initialization for the outputs that one input reaches; biases stay as they are.
        const fanOut = m.kernel_size[0] * m.kernel_size[1] * m.out_channels;
        nn.init.normal_(m.weight, 0, Math.sqrt(2 / fanOut));
      } else if (m instanceof nn.BatchNorm2d) resetNorm(m);
      else if (m instanceof nn.Linear) {
        nn.init.normal_(m.weight, 0, 0.01);
        if (m.bias !== null) nn.init.zeros_(m.bias);
      }
    }
  }

  override forward(x: Tensor): Tensor {
    return this.fc(this.avgpool(this.trunk_output(this.stem(x))).flatten(1));
  }
}

/** Options of the functions that make a variant. */
export type RegNetBuilderOptions = Omit<RegNetOptions, "block_params"> & BlockParamsOptions;

/** Squeeze-and-excitation of the variants Y. */
const Y = 0.25;
const X = null;

/** Tables of appendix D of the paper: depth, w_0, w_a, w_m and group width. */
function variant(se: number | null, depth: number, w_0: number, w_a: number, w_m: number, group_width: number) {
  return (config: RegNetBuilderOptions): RegNet => {
    const { bottleneck_multiplier, se_ratio = se, ...rest } = config;
    const blocks = BlockParams.from_init_params(depth, w_0, w_a, w_m, group_width, { bottleneck_multiplier, se_ratio });
    return new RegNet({
      block_params: blocks,
      ...rest,
      norm_layer: rest.norm_layer ?? ((channels) => new nn.BatchNorm2d(channels, { eps: 1e-5, momentum: 0.1 })),
    });
  };
}

export const regnet_y_400mf = modelBuilder(
  "regnet_y_400mf",
  weights.RegNet_Y_400MF_Weights,
  variant(Y, 16, 48, 27.89, 2.09, 8),
);
export const regnet_y_800mf = modelBuilder(
  "regnet_y_800mf",
  weights.RegNet_Y_800MF_Weights,
  variant(Y, 14, 56, 38.84, 2.4, 16),
);
export const regnet_y_1_6gf = modelBuilder(
  "regnet_y_1_6gf",
  weights.RegNet_Y_1_6GF_Weights,
  variant(Y, 27, 48, 20.71, 2.65, 24),
);
export const regnet_y_3_2gf = modelBuilder(
  "regnet_y_3_2gf",
  weights.RegNet_Y_3_2GF_Weights,
  variant(Y, 21, 80, 42.63, 2.66, 24),
);
export const regnet_y_8gf = modelBuilder(
  "regnet_y_8gf",
  weights.RegNet_Y_8GF_Weights,
  variant(Y, 17, 192, 76.82, 2.19, 56),
);
export const regnet_y_16gf = modelBuilder(
  "regnet_y_16gf",
  weights.RegNet_Y_16GF_Weights,
  variant(Y, 18, 200, 106.23, 2.48, 112),
);
export const regnet_y_32gf = modelBuilder(
  "regnet_y_32gf",
  weights.RegNet_Y_32GF_Weights,
  variant(Y, 20, 232, 115.89, 2.53, 232),
);
export const regnet_y_128gf = modelBuilder(
  "regnet_y_128gf",
  weights.RegNet_Y_128GF_Weights,
  variant(Y, 27, 456, 160.83, 2.52, 264),
);
export const regnet_x_400mf = modelBuilder(
  "regnet_x_400mf",
  weights.RegNet_X_400MF_Weights,
  variant(X, 22, 24, 24.48, 2.54, 16),
);
export const regnet_x_800mf = modelBuilder(
  "regnet_x_800mf",
  weights.RegNet_X_800MF_Weights,
  variant(X, 16, 56, 35.73, 2.28, 16),
);
export const regnet_x_1_6gf = modelBuilder(
  "regnet_x_1_6gf",
  weights.RegNet_X_1_6GF_Weights,
  variant(X, 18, 80, 34.01, 2.25, 24),
);
export const regnet_x_3_2gf = modelBuilder(
  "regnet_x_3_2gf",
  weights.RegNet_X_3_2GF_Weights,
  variant(X, 25, 88, 26.31, 2.25, 48),
);
export const regnet_x_8gf = modelBuilder(
  "regnet_x_8gf",
  weights.RegNet_X_8GF_Weights,
  variant(X, 23, 80, 49.56, 2.88, 120),
);
export const regnet_x_16gf = modelBuilder(
  "regnet_x_16gf",
  weights.RegNet_X_16GF_Weights,
  variant(X, 22, 216, 55.59, 2.1, 128),
);
export const regnet_x_32gf = modelBuilder(
  "regnet_x_32gf",
  weights.RegNet_X_32GF_Weights,
  variant(X, 23, 320, 69.86, 2.0, 168),
);
