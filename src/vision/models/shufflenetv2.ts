/** ShuffleNet V2: half of the channels pass each block unchanged. Ma et al., 2018, https://arxiv.org/abs/1807.11164 */
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { cat } from "../../ops/joining.ts";
import type { Tensor } from "../../tensor.ts";
import { type LayerMaker, makeLayer } from "../ops/layer-maker.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

/** Channel i · n + j becomes channel j · groups + i: the channels of all groups in turn. */
export function channel_shuffle(x: Tensor, groups: number): Tensor {
  const [samples, channels, height, width] = x.shape;
  return x
    .view([samples, groups, channels / groups, height, width])
    .transpose(1, 2)
    .contiguous()
    .view([samples, channels, height, width]);
}

function depthwise(channels: number, stride: number): nn.Conv2d {
  return new nn.Conv2d(channels, channels, 3, { stride, padding: 1, groups: channels, bias: false });
}

function pointwise(input: number, output: number): Module[] {
  return [new nn.Conv2d(input, output, 1, { bias: false }), new nn.BatchNorm2d(output), new nn.ReLU(true)];
}

/** With stride 1 one half of the channels is filtered; with stride 2 both branches see all channels. */
export class InvertedResidual extends nn.Module {
  stride: number;
  branch1: nn.Sequential;
  branch2: nn.Sequential;

  constructor(inp: number, oup: number, stride: number) {
    super();
    if (stride < 1 || stride > 3) throw new ValueError("illegal stride value");
    const half = Math.floor(oup / 2);
    if (stride === 1 && inp !== 2 * half) {
      throw new ValueError(
        `Invalid combination of stride ${stride}, inp ${inp} and oup ${oup} values. If stride == 1 then inp should be equal to oup // 2 << 1.`,
      );
    }
    this.stride = stride;
    this.branch1 =
      stride > 1
        ? new nn.Sequential(depthwise(inp, stride), new nn.BatchNorm2d(inp), ...pointwise(inp, half))
        : new nn.Sequential();
    this.branch2 = new nn.Sequential(
      ...pointwise(stride > 1 ? inp : half, half),
      depthwise(half, stride),
      new nn.BatchNorm2d(half),
      ...pointwise(half, half),
    );
  }

  override forward(x: Tensor): Tensor {
    if (this.stride > 1) return channel_shuffle(cat([this.branch1(x), this.branch2(x)], 1), 2);
    const [kept, filtered] = x.chunk(2, 1);
    return channel_shuffle(cat([kept, this.branch2(filtered)], 1), 2);
  }
}

type InvertedResidualMaker = LayerMaker<[inp: number, oup: number, stride: number]>;

interface NetworkOptions {
  /** Default 1000. */
  readonly num_classes?: number;
  readonly inverted_residual?: InvertedResidualMaker;
}

export interface ShuffleNetV2Options extends NetworkOptions {
  /** How many blocks each of the three stages has. */
  readonly stages_repeats: readonly number[];
  /** Channels of the first convolution, of the stages, and of the last convolution. */
  readonly stages_out_channels: readonly number[];
}

/** Input (N, 3, H, W), output (N, num_classes). */
export class ShuffleNetV2 extends nn.Module {
  conv1: nn.Sequential;
  maxpool: nn.MaxPool2d;
  stage2: nn.Sequential;
  stage3: nn.Sequential;
  stage4: nn.Sequential;
  conv5: nn.Sequential;
  fc: nn.Linear;

  constructor(
    ...args: Arguments<
      ShuffleNetV2Options,
      [stages_repeats: readonly number[], stages_out_channels: readonly number[]],
      [num_classes?: number, inverted_residual?: InvertedResidualMaker]
    >
  ) {
    super();
    const options = layerArguments<ShuffleNetV2Options>(
      "ShuffleNetV2.__init__(any stages_repeats, any stages_out_channels, int num_classes=1000, any? inverted_residual=None)",
      args,
    );
    const { stages_repeats: repeats, stages_out_channels: channels } = options;
    if (repeats.length !== 3) throw new ValueError("expected stages_repeats as list of 3 positive ints");
    if (channels.length !== 5) throw new ValueError("expected stages_out_channels as list of 5 positive ints");
    const block = options.inverted_residual ?? InvertedResidual;
    const stage = (i: number): nn.Sequential =>
      new nn.Sequential(
        makeLayer(block, channels[i], channels[i + 1], 2),
        ...Array.from({ length: repeats[i] - 1 }, () => makeLayer(block, channels[i + 1], channels[i + 1], 1)),
      );
    this.conv1 = new nn.Sequential(
      new nn.Conv2d(3, channels[0], 3, { stride: 2, padding: 1, bias: false }),
      new nn.BatchNorm2d(channels[0]),
      new nn.ReLU(true),
    );
    this.maxpool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
    this.stage2 = stage(0);
    this.stage3 = stage(1);
    this.stage4 = stage(2);
    this.conv5 = new nn.Sequential(...pointwise(channels[3], channels[4]));
    this.fc = new nn.Linear(channels[4], options.num_classes);
  }

  override forward(x: Tensor): Tensor {
    const stem = this.maxpool(this.conv1(x));
    const filtered = this.conv5(this.stage4(this.stage3(this.stage2(stem))));
    return this.fc(filtered.mean([2, 3]));
  }
}

const COMMON_META = { min_size: [1, 1], categories: IMAGENET_CATEGORIES } as const;

export class ShuffleNet_V2_X0_5_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ShuffleNet_V2_X0_5_Weights({
    url: "https://download.pytorch.org/models/shufflenetv2_x0.5-f707e7126e.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 1366792,
      recipe: "https://github.com/ericsun99/Shufflenet-v2-Pytorch",
      _metrics: imageNetMetrics(60.552, 81.746),
      _ops: 0.04,
      _file_size: 5.282,
    },
  });
  static readonly DEFAULT = ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1;
}

export class ShuffleNet_V2_X1_0_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ShuffleNet_V2_X1_0_Weights({
    url: "https://download.pytorch.org/models/shufflenetv2_x1-5666bf0f80.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 2278604,
      recipe: "https://github.com/ericsun99/Shufflenet-v2-Pytorch",
      _metrics: imageNetMetrics(69.362, 88.316),
      _ops: 0.145,
      _file_size: 8.791,
    },
  });
  static readonly DEFAULT = ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1;
}

export class ShuffleNet_V2_X1_5_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ShuffleNet_V2_X1_5_Weights({
    url: "https://download.pytorch.org/models/shufflenetv2_x1_5-3c479a10.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 3503624,
      recipe: "https://github.com/pytorch/vision/pull/5906",
      _metrics: imageNetMetrics(72.996, 91.086),
      _ops: 0.296,
      _file_size: 13.557,
    },
  });
  static readonly DEFAULT = ShuffleNet_V2_X1_5_Weights.IMAGENET1K_V1;
}

export class ShuffleNet_V2_X2_0_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ShuffleNet_V2_X2_0_Weights({
    url: "https://download.pytorch.org/models/shufflenetv2_x2_0-8be3c8ee.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 7393996,
      recipe: "https://github.com/pytorch/vision/pull/5906",
      _metrics: imageNetMetrics(76.23, 93.006),
      _ops: 0.583,
      _file_size: 28.433,
    },
  });
  static readonly DEFAULT = ShuffleNet_V2_X2_0_Weights.IMAGENET1K_V1;
}

const builder =
  (stages_out_channels: readonly number[]) =>
  (config: NetworkOptions): ShuffleNetV2 =>
    new ShuffleNetV2({ stages_repeats: [4, 8, 4], stages_out_channels, ...config });

export const shufflenet_v2_x0_5 = modelBuilder(
  "shufflenet_v2_x0_5",
  ShuffleNet_V2_X0_5_Weights,
  builder([24, 48, 96, 192, 1024]),
);

export const shufflenet_v2_x1_0 = modelBuilder(
  "shufflenet_v2_x1_0",
  ShuffleNet_V2_X1_0_Weights,
  builder([24, 116, 232, 464, 1024]),
);

export const shufflenet_v2_x1_5 = modelBuilder(
  "shufflenet_v2_x1_5",
  ShuffleNet_V2_X1_5_Weights,
  builder([24, 176, 352, 704, 1024]),
);

export const shufflenet_v2_x2_0 = modelBuilder(
  "shufflenet_v2_x2_0",
  ShuffleNet_V2_X2_0_Weights,
  builder([24, 244, 488, 976, 2048]),
);
