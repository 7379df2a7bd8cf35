/**
 * EfficientNet: width, depth and resolution scaled together. Tan and Le, 2019, https://arxiv.org/abs/1905.11946; version 2
 * with fused blocks in the first stages: 2021, https://arxiv.org/abs/2104.00298
 */
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import type { Tensor } from "../../tensor.ts";
import { Conv2dNormActivation, SqueezeExcitation, StochasticDepth } from "../ops/index.ts";
import { type LayerMaker, makeLayer, type NormMaker } from "../ops/layer-maker.ts";
import * as weights from "./efficientnet-weights.ts";
import { resetNorm } from "./mobilenetv2.ts";
import { modelBuilder } from "./registry.ts";
import { _make_divisible } from "./utils.ts";

/** Makes a block of a stage. */
type BlockMaker = LayerMaker<[cnf: BlockConfig, stochastic_depth_prob: number, norm_layer: NormMaker]>;

/** A stage: how its blocks look and how many there are. */
export class BlockConfig {
  expand_ratio: number;
  kernel: number;
  stride: number;
  input_channels: number;
  out_channels: number;
  num_layers: number;
  block: BlockMaker;

  constructor(
    expand_ratio: number,
    kernel: number,
    stride: number,
    input_channels: number,
    out_channels: number,
    num_layers: number,
    block: BlockMaker,
  ) {
    this.expand_ratio = expand_ratio;
    this.kernel = kernel;
    this.stride = stride;
    this.input_channels = input_channels;
    this.out_channels = out_channels;
    this.num_layers = num_layers;
    this.block = block;
  }

  static adjust_channels(channels: number, width_mult: number, min_value: number | null = null): number {
    return _make_divisible(channels * width_mult, 8, min_value);
  }

  /** A block of this stage that is not its first. */
  following(): BlockConfig {
    const { expand_ratio, kernel, out_channels, num_layers, block } = this;
    return new BlockConfig(expand_ratio, kernel, 1, out_channels, out_channels, num_layers, block);
  }
}

/** How a model scales the stages. */
export interface ScalingOptions {
  /** Default 1. */
  readonly width_mult?: number;
  /** Default 1. */
  readonly depth_mult?: number;
  readonly block?: BlockMaker | null;
}

/** A stage of table 1 of the first paper, scaled; a stage of MBConv blocks of the second. */
export class MBConvConfig extends BlockConfig {
  constructor(
    expand_ratio: number,
    kernel: number,
    stride: number,
    input_channels: number,
    out_channels: number,
    num_layers: number,
    { width_mult = 1, depth_mult = 1, block = null }: ScalingOptions = {},
  ) {
    super(
      expand_ratio,
      kernel,
      stride,
      BlockConfig.adjust_channels(input_channels, width_mult),
      BlockConfig.adjust_channels(out_channels, width_mult),
      MBConvConfig.adjust_depth(num_layers, depth_mult),
      block ?? MBConv,
    );
  }

  static adjust_depth(num_layers: number, depth_mult: number): number {
    return Math.ceil(num_layers * depth_mult);
  }
}

/** A stage of fused blocks of the second paper. */
export class FusedMBConvConfig extends BlockConfig {
  constructor(
    expand_ratio: number,
    kernel: number,
    stride: number,
    input_channels: number,
    out_channels: number,
    num_layers: number,
    block: BlockMaker | null = null,
  ) {
    super(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block ?? FusedMBConv);
  }
}

type SqueezeMaker = LayerMaker<
  [input_channels: number, squeeze_channels: number, options: { activation: LayerMaker<[]> }]
>;

/** Both kinds of block: the input is added, or in training left alone at random, where the shapes allow. */
abstract class ResidualBlock extends nn.Module {
  use_res_connect: boolean;
  block: nn.Sequential;
  stochastic_depth: StochasticDepth;
  out_channels: number;

  protected constructor(cnf: BlockConfig, probability: number, layers: () => Module[]) {
    super();
    if (cnf.stride < 1 || cnf.stride > 2) throw new ValueError("illegal stride value");
    this.use_res_connect = cnf.stride === 1 && cnf.input_channels === cnf.out_channels;
    this.block = new nn.Sequential(...layers());
    this.stochastic_depth = new StochasticDepth(probability, "row");
    this.out_channels = cnf.out_channels;
  }

  override forward(input: Tensor): Tensor {
    const result = this.block(input);
    return this.use_res_connect ? this.stochastic_depth(result).add_(input) : result;
  }
}

/** Widens, filters each channel, weighs the channels, narrows. */
export class MBConv extends ResidualBlock {
  constructor(
    cnf: BlockConfig,
    stochastic_depth_prob: number,
    norm_layer: NormMaker,
    se_layer: SqueezeMaker = SqueezeExcitation,
  ) {
    super(cnf, stochastic_depth_prob, () => {
      const { input_channels, out_channels, kernel, stride } = cnf;
      const expanded = BlockConfig.adjust_channels(input_channels, cnf.expand_ratio);
      const shared = { norm_layer, activation_layer: nn.SiLU };
      const layers: Module[] = [];
      if (expanded !== input_channels) {
        layers.push(new Conv2dNormActivation(input_channels, expanded, { kernel_size: 1, ...shared }));
      }
      layers.push(
        new Conv2dNormActivation(expanded, expanded, { kernel_size: kernel, stride, groups: expanded, ...shared }),
        makeLayer(se_layer, expanded, Math.max(1, Math.floor(input_channels / 4)), {
          activation: () => new nn.SiLU(true),
        }),
        new Conv2dNormActivation(expanded, out_channels, { kernel_size: 1, norm_layer, activation_layer: null }),
      );
      return layers;
    });
  }
}

/** Widens and filters in one convolution, then narrows. */
export class FusedMBConv extends ResidualBlock {
  constructor(cnf: BlockConfig, stochastic_depth_prob: number, norm_layer: NormMaker) {
    super(cnf, stochastic_depth_prob, () => {
      const { input_channels, out_channels, kernel: kernel_size, stride } = cnf;
      const expanded = BlockConfig.adjust_channels(input_channels, cnf.expand_ratio);
      const shared = { kernel_size, stride, norm_layer, activation_layer: nn.SiLU };
      if (expanded === input_channels) return [new Conv2dNormActivation(input_channels, out_channels, shared)];
      return [
        new Conv2dNormActivation(input_channels, expanded, shared),
        new Conv2dNormActivation(expanded, out_channels, { kernel_size: 1, norm_layer, activation_layer: null }),
      ];
    });
  }
}

interface NetworkOptions {
  /** Probability that the last block is left out in training; the others' rises from 0 to it. Default 0.2. */
  readonly stochastic_depth_prob?: number;
  /** Default 1000. */
  readonly num_classes?: number;
  /** Default BatchNorm2d; some variants have their own. */
  readonly norm_layer?: NormMaker | null;
}

export interface EfficientNetOptions extends NetworkOptions {
  readonly inverted_residual_setting: readonly BlockConfig[];
  readonly dropout: number;
  /** Channels before the classifier. Default four times those of the last stage. */
  readonly last_channel?: number | null;
}

/** Input (N, 3, H, W), output (N, num_classes). */
export class EfficientNet extends nn.Module {
  features: nn.Sequential;
  avgpool: nn.AdaptiveAvgPool2d;
  classifier: nn.Sequential;

  constructor(
    ...args: Arguments<
      EfficientNetOptions,
      [inverted_residual_setting: readonly BlockConfig[], dropout: number],
      [
        stochastic_depth_prob?: number,
        num_classes?: number,
        norm_layer?: NormMaker | null,
        last_channel?: number | null,
      ]
    >
  ) {
    super();
    const options = layerArguments<EfficientNetOptions>(
      "EfficientNet.__init__(any inverted_residual_setting, float dropout, float stochastic_depth_prob=0.2, int num_classes=1000, any? norm_layer=None, int? last_channel=None)",
      args,
    );
    const { inverted_residual_setting: setting, stochastic_depth_prob } = options;
    if (setting.length === 0) throw new ValueError("The inverted_residual_setting should not be empty");
    if (!Array.isArray(setting) || !setting.every((stage) => stage instanceof BlockConfig)) {
      throw new TypeError("The inverted_residual_setting should be List[MBConvConfig]");
    }
    const norm_layer = options.norm_layer ?? nn.BatchNorm2d;
    const shared = { norm_layer, activation_layer: nn.SiLU };
    const total = setting.reduce((sum, stage) => sum + stage.num_layers, 0);
    let position = 0;
    const stageOf = (stage: BlockConfig): nn.Sequential => {
      const blocks: Module[] = [];
      for (let i = 0; i < stage.num_layers; i++) {
        const cnf = i === 0 ? stage : stage.following();
        blocks.push(makeLayer(cnf.block, cnf, (stochastic_depth_prob * position++) / total, norm_layer));
      }
      return new nn.Sequential(...blocks);
    };
    const last = setting[setting.length - 1].out_channels;
    const features = options.last_channel ?? 4 * last;
    this.features = new nn.Sequential<Module>(
      new Conv2dNormActivation(3, setting[0].input_channels, { kernel_size: 3, stride: 2, ...shared }),
      ...setting.map(stageOf),
      new Conv2dNormActivation(last, features, { kernel_size: 1, ...shared }),
    );
    this.avgpool = new nn.AdaptiveAvgPool2d(1);
    this.classifier = new nn.Sequential(
      new nn.Dropout(options.dropout, true),
      new nn.Linear(features, options.num_classes),
    );
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) {
        nn.init.kaiming_normal_(m.weight, { mode: "fan_out" });
        if (m.bias !== null) nn.init.zeros_(m.bias);
      } else if (m instanceof nn.BatchNorm2d || m instanceof nn.GroupNorm) resetNorm(m);
      else if (m instanceof nn.Linear) {
        const range = 1 / Math.sqrt(m.out_features);
        nn.init.uniform_(m.weight, -range, range);
        if (m.bias !== null) nn.init.zeros_(m.bias);
      }
    }
  }

  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)).flatten(1));
  }
}

/** Options of the functions that make a variant. */
export interface EfficientNetBuilderOptions extends NetworkOptions {
  /** Default: the variant's own. */
  readonly dropout?: number;
}

type Row = [expand: number, kernel: number, stride: number, input: number, out: number, layers: number];

/** Table 1 of the first paper. */
const BASE: readonly Row[] = [
  [1, 3, 1, 32, 16, 1],
  [6, 3, 2, 16, 24, 2],
  [6, 5, 2, 24, 40, 2],
  [6, 3, 2, 40, 80, 3],
  [6, 5, 1, 80, 112, 3],
  [6, 5, 2, 112, 192, 4],
  [6, 3, 1, 192, 320, 1],
];

/** Batch norm as the weights of the largest first-generation models and of the second generation need it. */
const norm =
  (eps: number, momentum: number): NormMaker =>
  (channels) =>
    new nn.BatchNorm2d(channels, { eps, momentum });

function scaled(width_mult: number, depth_mult: number, dropout: number, norm_layer: NormMaker | null = null) {
  return (config: EfficientNetBuilderOptions): EfficientNet => {
    const setting = BASE.map((row) => new MBConvConfig(...row, { width_mult, depth_mult }));
    return new EfficientNet({
      inverted_residual_setting: setting,
      dropout,
      ...config,
      norm_layer: config.norm_layer ?? norm_layer,
    });
  };
}

/** Channels before the classifier in the second generation. */
const LAST_CHANNEL = 1280;

function secondGeneration(fused: readonly Row[], separable: readonly Row[], dropout: number) {
  return (config: EfficientNetBuilderOptions): EfficientNet => {
    const setting = [
      ...fused.map((row) => new FusedMBConvConfig(...row)),
      ...separable.map((row) => new MBConvConfig(...row)),
    ];
    return new EfficientNet({
      inverted_residual_setting: setting,
      dropout,
      last_channel: LAST_CHANNEL,
      ...config,
      norm_layer: config.norm_layer ?? norm(1e-3, 0.1),
    });
  };
}

export const efficientnet_b0 = modelBuilder("efficientnet_b0", weights.EfficientNet_B0_Weights, scaled(1, 1, 0.2));
export const efficientnet_b1 = modelBuilder("efficientnet_b1", weights.EfficientNet_B1_Weights, scaled(1, 1.1, 0.2));
export const efficientnet_b2 = modelBuilder("efficientnet_b2", weights.EfficientNet_B2_Weights, scaled(1.1, 1.2, 0.3));
export const efficientnet_b3 = modelBuilder("efficientnet_b3", weights.EfficientNet_B3_Weights, scaled(1.2, 1.4, 0.3));
export const efficientnet_b4 = modelBuilder("efficientnet_b4", weights.EfficientNet_B4_Weights, scaled(1.4, 1.8, 0.4));
export const efficientnet_b5 = modelBuilder(
  "efficientnet_b5",
  weights.EfficientNet_B5_Weights,
  scaled(1.6, 2.2, 0.4, norm(0.001, 0.01)),
);
export const efficientnet_b6 = modelBuilder(
  "efficientnet_b6",
  weights.EfficientNet_B6_Weights,
  scaled(1.8, 2.6, 0.5, norm(0.001, 0.01)),
);
export const efficientnet_b7 = modelBuilder(
  "efficientnet_b7",
  weights.EfficientNet_B7_Weights,
  scaled(2, 3.1, 0.5, norm(0.001, 0.01)),
);

/** Table 4 of the second paper. */
export const efficientnet_v2_s = modelBuilder(
  "efficientnet_v2_s",
  weights.EfficientNet_V2_S_Weights,
  secondGeneration(
    [
      [1, 3, 1, 24, 24, 2],
      [4, 3, 2, 24, 48, 4],
      [4, 3, 2, 48, 64, 4],
    ],
    [
      [4, 3, 2, 64, 128, 6],
      [6, 3, 1, 128, 160, 9],
      [6, 3, 2, 160, 256, 15],
    ],
    0.2,
  ),
);

export const efficientnet_v2_m = modelBuilder(
  "efficientnet_v2_m",
  weights.EfficientNet_V2_M_Weights,
  secondGeneration(
    [
      [1, 3, 1, 24, 24, 3],
      [4, 3, 2, 24, 48, 5],
      [4, 3, 2, 48, 80, 5],
    ],
    [
      [4, 3, 2, 80, 160, 7],
      [6, 3, 1, 160, 176, 14],
      [6, 3, 2, 176, 304, 18],
      [6, 3, 1, 304, 512, 5],
    ],
    0.3,
  ),
);

export const efficientnet_v2_l = modelBuilder(
  "efficientnet_v2_l",
  weights.EfficientNet_V2_L_Weights,
  secondGeneration(
    [
      [1, 3, 1, 32, 32, 4],
      [4, 3, 2, 32, 64, 7],
      [4, 3, 2, 64, 96, 7],
    ],
    [
      [4, 3, 2, 96, 192, 10],
      [6, 3, 1, 192, 224, 19],
      [6, 3, 2, 224, 384, 25],
      [6, 3, 1, 384, 640, 7],
    ],
    0.4,
  ),
);
