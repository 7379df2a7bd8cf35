/** MobileNetV2: inverted residuals with linear bottlenecks. Sandler et al., 2018, https://arxiv.org/abs/1801.04381 */
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import { Conv2dNormActivation } from "../ops/index.ts";
import { type LayerMaker, makeLayer, type NormMaker } from "../ops/layer-maker.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder } from "./registry.ts";
import { _make_divisible, imageNetMetrics, roundHalfEven } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

/** Widens by a 1 × 1 convolution, filters each channel, and narrows again; the input is added where the shapes allow. */
export class InvertedResidual extends nn.Module {
  stride: number;
  use_res_connect: boolean;
  conv: nn.Sequential;
  out_channels: number;

  constructor(
    inp: number,
    oup: number,
    stride: number,
    { expand_ratio, norm_layer = nn.BatchNorm2d }: { expand_ratio: number; norm_layer?: NormMaker | null },
  ) {
    super();
    if (stride !== 1 && stride !== 2) throw new ValueError(`stride should be 1 or 2 instead of ${stride}`);
    const norm = norm_layer ?? nn.BatchNorm2d;
    const hidden = roundHalfEven(inp * expand_ratio);
    const shared = { norm_layer: norm, activation_layer: nn.ReLU6 };
    const layers: Module[] = [];
    if (expand_ratio !== 1) layers.push(new Conv2dNormActivation(inp, hidden, { kernel_size: 1, ...shared }));
    layers.push(
      new Conv2dNormActivation(hidden, hidden, { stride, groups: hidden, ...shared }),
      new nn.Conv2d(hidden, oup, 1, { bias: false }),
      makeLayer(norm, oup),
    );
    this.stride = stride;
    this.use_res_connect = stride === 1 && inp === oup;
    this.conv = new nn.Sequential(...layers);
    this.out_channels = oup;
  }

  override forward(x: Tensor): Tensor {
    return this.use_res_connect ? x.add(this.conv(x)) : this.conv(x);
  }
}

type InvertedResidualMaker = LayerMaker<
  [inp: number, oup: number, stride: number, options: { expand_ratio: number; norm_layer: NormMaker }]
>;

export interface MobileNetV2Options {
  /** Default 1000. */
  readonly num_classes?: number;
  /** Factor for the number of channels of all layers. Default 1. */
  readonly width_mult?: number;
  /** For each group of blocks: expansion, channels, how many blocks, stride of the first. */
  readonly inverted_residual_setting?: readonly (readonly number[])[] | null;
  /** Numbers of channels are rounded to multiples of this. Default 8. */
  readonly round_nearest?: number;
  readonly block?: InvertedResidualMaker | null;
  /** Default BatchNorm2d. */
  readonly norm_layer?: NormMaker | null;
  /** Default 0.2. */
  readonly dropout?: number;
}

/** Table 2 of the paper. */
const SETTING: readonly (readonly number[])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

const SIGNATURE =
  "MobileNetV2.__init__(int num_classes=1000, float width_mult=1, any? inverted_residual_setting=None, int round_nearest=8, any? block=None, any? norm_layer=None, float dropout=0.2)";

/** Input (N, 3, H, W), output (N, num_classes). */
export class MobileNetV2 extends nn.Module {
  last_channel: number;
  features: nn.Sequential;
  classifier: nn.Sequential;

  constructor(
    ...args: Arguments<
      MobileNetV2Options,
      [],
      [
        num_classes?: number,
        width_mult?: number,
        inverted_residual_setting?: readonly (readonly number[])[] | null,
        round_nearest?: number,
        block?: InvertedResidualMaker | null,
        norm_layer?: NormMaker | null,
        dropout?: number,
      ]
    >
  ) {
    super();
    const options = layerArguments<MobileNetV2Options>(SIGNATURE, args);
    const setting = options.inverted_residual_setting ?? SETTING;
    if (setting.length === 0 || setting[0].length !== 4) {
      throw new ValueError(
        `inverted_residual_setting should be non-empty or a 4-element list, got ${pythonRepr(setting)}`,
      );
    }
    const { width_mult } = options;
    const divisible = (channels: number): number => _make_divisible(channels, options.round_nearest);
    const block = options.block ?? InvertedResidual;
    const norm_layer = options.norm_layer ?? nn.BatchNorm2d;
    const shared = { norm_layer, activation_layer: nn.ReLU6 };
    let channels = divisible(32 * width_mult);
    this.last_channel = divisible(1280 * Math.max(1, width_mult));
    const features: Module[] = [new Conv2dNormActivation(3, channels, { stride: 2, ...shared })];
    for (const [expand_ratio, width, count, stride] of setting) {
      const out = divisible(width * width_mult);
      for (let i = 0; i < count; i++) {
        features.push(makeLayer(block, channels, out, i === 0 ? stride : 1, { expand_ratio, norm_layer }));
        channels = out;
      }
    }
    features.push(new Conv2dNormActivation(channels, this.last_channel, { kernel_size: 1, ...shared }));
    this.features = new nn.Sequential(...features);
    this.classifier = new nn.Sequential(
      new nn.Dropout(options.dropout),
      new nn.Linear(this.last_channel, options.num_classes),
    );
    initializeMobile(this);
  }

  override forward(x: Tensor): Tensor {
    const pooled = nn.functional.adaptive_avg_pool2d(this.features(x), [1, 1]);
    return this.classifier(pooled.flatten(1));
  }
}

/** The initial weights of MobileNets: He's for convolutions, norms that change nothing, and a small classifier. */
export function initializeMobile(model: Module): void {
  for (const m of model.modules()) {
    if (m instanceof nn.Conv2d) {
      nn.init.kaiming_normal_(m.weight, { mode: "fan_out" });
      if (m.bias !== null) nn.init.zeros_(m.bias);
    } else if (m instanceof nn.BatchNorm2d || m instanceof nn.GroupNorm) resetNorm(m);
    else if (m instanceof nn.Linear) {
      nn.init.normal_(m.weight, 0, 0.01);
      if (m.bias !== null) nn.init.zeros_(m.bias);
    }
  }
}

/** A norm that changes nothing after it has normalized. */
export function resetNorm(norm: nn.BatchNorm2d | nn.GroupNorm): void {
  if (norm.weight !== null) nn.init.ones_(norm.weight);
  if (norm.bias !== null) nn.init.zeros_(norm.bias);
}

const COMMON_META = { min_size: [1, 1], categories: IMAGENET_CATEGORIES } as const;

export class MobileNet_V2_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new MobileNet_V2_Weights({
    url: "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 3504872,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#mobilenetv2",
      _metrics: imageNetMetrics(71.878, 90.286),
      _ops: 0.301,
      _file_size: 13.555,
    },
  });
  static readonly IMAGENET1K_V2 = new MobileNet_V2_Weights({
    url: "https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 3504872,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe-with-reg-tuning",
      _metrics: imageNetMetrics(72.154, 90.822),
      _ops: 0.301,
      _file_size: 13.598,
    },
  });
  static readonly DEFAULT = MobileNet_V2_Weights.IMAGENET1K_V2;
}

export const mobilenet_v2 = modelBuilder(
  "mobilenet_v2",
  MobileNet_V2_Weights,
  (config: MobileNetV2Options) => new MobileNetV2(config),
);
