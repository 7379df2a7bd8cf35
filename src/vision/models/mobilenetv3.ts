/** MobileNetV3: searched blocks with hard swish and squeeze-and-excitation. Howard et al., 2019, https://arxiv.org/abs/1905.02244 */
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import type { Tensor } from "../../tensor.ts";
import { Conv2dNormActivation, SqueezeExcitation } from "../ops/index.ts";
import { type LayerMaker, makeLayer, type NormMaker } from "../ops/layer-maker.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { initializeMobile } from "./mobilenetv2.ts";
import { modelBuilder } from "./registry.ts";
import { _make_divisible, imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

/** One row of the tables 1 and 2 of the paper. */
export class InvertedResidualConfig {
  input_channels: number;
  kernel: number;
  expanded_channels: number;
  out_channels: number;
  use_se: boolean;
  use_hs: boolean;
  stride: number;
  dilation: number;

  constructor(
    input_channels: number,
    kernel: number,
    expanded_channels: number,
    out_channels: number,
    use_se: boolean,
    activation: "RE" | "HS",
    stride: number,
    dilation: number,
    width_mult: number,
  ) {
    const adjust = (channels: number): number => InvertedResidualConfig.adjust_channels(channels, width_mult);
    this.input_channels = adjust(input_channels);
    this.kernel = kernel;
    this.expanded_channels = adjust(expanded_channels);
    this.out_channels = adjust(out_channels);
    this.use_se = use_se;
    this.use_hs = activation === "HS";
    this.stride = stride;
    this.dilation = dilation;
  }

  static adjust_channels(channels: number, width_mult: number): number {
    return _make_divisible(channels * width_mult, 8);
  }
}

/** Makes a squeeze-and-excitation layer from the number of channels and of those in between. */
type SqueezeMaker = LayerMaker<[input_channels: number, squeeze_channels: number]>;

const hardSqueeze: SqueezeMaker = (channels, squeezed) =>
  new SqueezeExcitation(channels, squeezed, { scale_activation: nn.Hardsigmoid });

/** The block of section 5 of the paper: widen, filter each channel, weigh the channels, narrow. */
export class InvertedResidual extends nn.Module {
  use_res_connect: boolean;
  block: nn.Sequential;
  out_channels: number;

  constructor(cnf: InvertedResidualConfig, norm_layer: NormMaker, se_layer: SqueezeMaker = hardSqueeze) {
    super();
    if (cnf.stride < 1 || cnf.stride > 2) throw new ValueError("illegal stride value");
    const { input_channels, expanded_channels: expanded, out_channels, dilation } = cnf;
    const activation_layer = cnf.use_hs ? nn.Hardswish : nn.ReLU;
    const layers: Module[] = [];
    if (expanded !== input_channels) {
      layers.push(new Conv2dNormActivation(input_channels, expanded, { kernel_size: 1, norm_layer, activation_layer }));
    }
    layers.push(
      new Conv2dNormActivation(expanded, expanded, {
        kernel_size: cnf.kernel,
        // Dilation takes the place of the stride.
        stride: dilation > 1 ? 1 : cnf.stride,
        dilation,
        groups: expanded,
        norm_layer,
        activation_layer,
      }),
    );
    if (cnf.use_se) layers.push(makeLayer(se_layer, expanded, _make_divisible(Math.floor(expanded / 4), 8)));
    layers.push(
      new Conv2dNormActivation(expanded, out_channels, { kernel_size: 1, norm_layer, activation_layer: null }),
    );
    this.use_res_connect = cnf.stride === 1 && input_channels === out_channels;
    this.block = new nn.Sequential(...layers);
    this.out_channels = out_channels;
  }

  override forward(input: Tensor): Tensor {
    const result = this.block(input);
    return this.use_res_connect ? result.add_(input) : result;
  }
}

type InvertedResidualMaker = LayerMaker<[cnf: InvertedResidualConfig, norm_layer: NormMaker]>;

interface NetworkOptions {
  /** Default 1000. */
  readonly num_classes?: number;
  readonly block?: InvertedResidualMaker | null;
  /** Default BatchNorm2d with eps 0.001 and momentum 0.01. */
  readonly norm_layer?: NormMaker | null;
  /** Default 0.2. */
  readonly dropout?: number;
}

export interface MobileNetV3Options extends NetworkOptions {
  readonly inverted_residual_setting: readonly InvertedResidualConfig[];
  /** Channels of the classifier's hidden layer. */
  readonly last_channel: number;
}

const batchNorm: NormMaker = (channels) => new nn.BatchNorm2d(channels, { eps: 0.001, momentum: 0.01 });

/** Input (N, 3, H, W), output (N, num_classes). */
export class MobileNetV3 extends nn.Module {
  features: nn.Sequential;
  avgpool: nn.AdaptiveAvgPool2d;
  classifier: nn.Sequential;

  constructor(
    ...args: Arguments<
      MobileNetV3Options,
      [inverted_residual_setting: readonly InvertedResidualConfig[], last_channel: number],
      [num_classes?: number, block?: InvertedResidualMaker | null, norm_layer?: NormMaker | null, dropout?: number]
    >
  ) {
    super();
    const options = layerArguments<MobileNetV3Options>(
      "MobileNetV3.__init__(any inverted_residual_setting, int last_channel, int num_classes=1000, any? block=None, any? norm_layer=None, float dropout=0.2)",
      args,
    );
    const { inverted_residual_setting: setting, last_channel } = options;
    if (setting.length === 0) throw new ValueError("The inverted_residual_setting should not be empty");
    if (!Array.isArray(setting) || !setting.every((row) => row instanceof InvertedResidualConfig)) {
      throw new TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]");
    }
    const block = options.block ?? InvertedResidual;
    const norm_layer = options.norm_layer ?? batchNorm;
    const shared = { norm_layer, activation_layer: nn.Hardswish };
    const last = setting[setting.length - 1].out_channels;
    this.features = new nn.Sequential(
      new Conv2dNormActivation(3, setting[0].input_channels, { stride: 2, ...shared }),
      ...setting.map((cnf) => makeLayer(block, cnf, norm_layer)),
      new Conv2dNormActivation(last, 6 * last, { kernel_size: 1, ...shared }),
    );
    this.avgpool = new nn.AdaptiveAvgPool2d(1);
    this.classifier = new nn.Sequential(
      new nn.Linear(6 * last, last_channel),
      new nn.Hardswish(true),
      new nn.Dropout(options.dropout, true),
      new nn.Linear(last_channel, options.num_classes),
    );
    initializeMobile(this);
  }

  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)).flatten(1));
  }
}

/** Options of `mobilenet_v3_large` and `mobilenet_v3_small`. */
export interface MobileNetV3BuilderOptions extends NetworkOptions {
  /** Factor for the number of channels of all layers. Default 1. */
  readonly width_mult?: number;
  /** Half the channels in the last layers. Default false. */
  readonly reduced_tail?: boolean;
  /** Dilation instead of the last stride. Default false. */
  readonly dilated?: boolean;
}

type Row = [
  input: number,
  kernel: number,
  expanded: number,
  out: number,
  se: boolean,
  activation: "RE" | "HS",
  stride: number,
];

const LARGE: readonly Row[] = [
  [16, 3, 16, 16, false, "RE", 1],
  [16, 3, 64, 24, false, "RE", 2],
  [24, 3, 72, 24, false, "RE", 1],
  [24, 5, 72, 40, true, "RE", 2],
  [40, 5, 120, 40, true, "RE", 1],
  [40, 5, 120, 40, true, "RE", 1],
  [40, 3, 240, 80, false, "HS", 2],
  [80, 3, 200, 80, false, "HS", 1],
  [80, 3, 184, 80, false, "HS", 1],
  [80, 3, 184, 80, false, "HS", 1],
  [80, 3, 480, 112, true, "HS", 1],
  [112, 3, 672, 112, true, "HS", 1],
  [112, 5, 672, 160, true, "HS", 2],
  [160, 5, 960, 160, true, "HS", 1],
  [160, 5, 960, 160, true, "HS", 1],
];

const SMALL: readonly Row[] = [
  [16, 3, 16, 16, true, "RE", 2],
  [16, 3, 72, 24, false, "RE", 2],
  [24, 3, 88, 24, false, "RE", 1],
  [24, 5, 96, 40, true, "HS", 2],
  [40, 5, 240, 40, true, "HS", 1],
  [40, 5, 240, 40, true, "HS", 1],
  [40, 5, 120, 48, true, "HS", 1],
  [48, 5, 144, 48, true, "HS", 1],
  [48, 5, 288, 96, true, "HS", 2],
  [96, 5, 576, 96, true, "HS", 1],
  [96, 5, 576, 96, true, "HS", 1],
];

/** How many rows of a table `dilated` and `reduced_tail` change. */
const TAIL = 3;

function mobileNetV3(rows: readonly Row[], lastChannel: number, options: MobileNetV3BuilderOptions): MobileNetV3 {
  const { width_mult = 1, reduced_tail = false, dilated = false, ...rest } = options;
  const [divider, dilation] = [reduced_tail ? 2 : 1, dilated ? 2 : 1];
  const first = rows.length - TAIL;
  const setting = rows.map(([input, kernel, expanded, out, se, activation, stride], i) => {
    const reduce = (channels: number, from: number): number => (i >= from ? Math.floor(channels / divider) : channels);
    return new InvertedResidualConfig(
      reduce(input, first + 1),
      kernel,
      reduce(expanded, first + 1),
      reduce(out, first),
      se,
      activation,
      stride,
      i >= first ? dilation : 1,
      width_mult,
    );
  });
  const last_channel = InvertedResidualConfig.adjust_channels(Math.floor(lastChannel / divider), width_mult);
  return new MobileNetV3({ inverted_residual_setting: setting, last_channel, ...rest });
}

const COMMON_META = { min_size: [1, 1], categories: IMAGENET_CATEGORIES } as const;

export class MobileNet_V3_Large_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new MobileNet_V3_Large_Weights({
    url: "https://download.pytorch.org/models/mobilenet_v3_large-8738ca79.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 5483032,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#mobilenetv3-large--small",
      _metrics: imageNetMetrics(74.042, 91.34),
      _ops: 0.217,
      _file_size: 21.114,
    },
  });
  static readonly IMAGENET1K_V2 = new MobileNet_V3_Large_Weights({
    url: "https://download.pytorch.org/models/mobilenet_v3_large-5c1a4163.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 5483032,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe-with-reg-tuning",
      _metrics: imageNetMetrics(75.274, 92.566),
      _ops: 0.217,
      _file_size: 21.107,
    },
  });
  static readonly DEFAULT = MobileNet_V3_Large_Weights.IMAGENET1K_V2;
}

export class MobileNet_V3_Small_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new MobileNet_V3_Small_Weights({
    url: "https://download.pytorch.org/models/mobilenet_v3_small-047dcff4.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 2542856,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#mobilenetv3-large--small",
      _metrics: imageNetMetrics(67.668, 87.402),
      _ops: 0.057,
      _file_size: 9.829,
    },
  });
  static readonly DEFAULT = MobileNet_V3_Small_Weights.IMAGENET1K_V1;
}

export const mobilenet_v3_large = modelBuilder(
  "mobilenet_v3_large",
  MobileNet_V3_Large_Weights,
  (config: MobileNetV3BuilderOptions) => mobileNetV3(LARGE, 1280, config),
);

export const mobilenet_v3_small = modelBuilder(
  "mobilenet_v3_small",
  MobileNet_V3_Small_Weights,
  (config: MobileNetV3BuilderOptions) => mobileNetV3(SMALL, 1024, config),
);
