/** ConvNeXt: a convolutional network designed like a vision transformer. Liu et al., 2022, https://arxiv.org/abs/2201.03545 */
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { full } from "../../ops/creation.ts";
import type { Tensor } from "../../tensor.ts";
import { Conv2dNormActivation, Permute, StochasticDepth } from "../ops/index.ts";
import { type LayerMaker, makeLayer, type NormMaker } from "../ops/layer-maker.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

const EPS = 1e-6;

/** Layer norm over the channels of a picture (N, C, H, W). */
export class LayerNorm2d extends nn.LayerNorm {
  override forward(x: Tensor): Tensor {
    return super.forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
  }
}

/** A depthwise 7 × 7 convolution and two layers for each position, scaled and added to the input. */
export class CNBlock extends nn.Module {
  block: nn.Sequential;
  layer_scale: nn.Parameter;
  stochastic_depth: StochasticDepth;

  constructor(dim: number, layer_scale: number, stochastic_depth_prob: number, norm_layer: NormMaker | null = null) {
    super();
    const norm = norm_layer ?? ((channels: number) => new nn.LayerNorm(channels, { eps: EPS }));
    this.block = new nn.Sequential<Module>(
      new nn.Conv2d(dim, dim, 7, { padding: 3, groups: dim, bias: true }),
      new Permute([0, 2, 3, 1]),
      makeLayer(norm, dim),
      new nn.Linear(dim, 4 * dim, true),
      new nn.GELU(),
      new nn.Linear(4 * dim, dim, true),
      new Permute([0, 3, 1, 2]),
    );
    this.layer_scale = new nn.Parameter(full([dim, 1, 1], layer_scale));
    this.stochastic_depth = new StochasticDepth(stochastic_depth_prob, "row");
  }

  override forward(input: Tensor): Tensor {
    return this.stochastic_depth(this.layer_scale.mul(this.block(input))).add_(input);
  }
}

/** A stage: its width, that of the next (null after the last), and how many blocks it has. */
export class CNBlockConfig {
  input_channels: number;
  out_channels: number | null;
  num_layers: number;

  constructor(input_channels: number, out_channels: number | null, num_layers: number) {
    this.input_channels = input_channels;
    this.out_channels = out_channels;
    this.num_layers = num_layers;
  }

  toString(): string {
    const { input_channels, out_channels, num_layers } = this;
    return `CNBlockConfig(input_channels=${input_channels}, out_channels=${out_channels ?? "None"}, num_layers=${num_layers})`;
  }
}

type BlockMaker = LayerMaker<[dim: number, layer_scale: number, stochastic_depth_prob: number]>;

interface NetworkOptions {
  /** Probability that the last block is left out in training; the others' rises from 0 to it. Default 0. */
  readonly stochastic_depth_prob?: number;
  /** What `layer_scale` of the blocks starts as. Default 1e-6. */
  readonly layer_scale?: number;
  /** Default 1000. */
  readonly num_classes?: number;
  readonly block?: BlockMaker | null;
  /** For pictures (N, C, H, W). Default LayerNorm2d with eps 1e-6. */
  readonly norm_layer?: NormMaker | null;
}

export interface ConvNeXtOptions extends NetworkOptions {
  readonly block_setting: readonly CNBlockConfig[];
}

/** Input (N, 3, H, W), output (N, num_classes). */
export class ConvNeXt extends nn.Module {
  features: nn.Sequential;
  avgpool: nn.AdaptiveAvgPool2d;
  classifier: nn.Sequential;

  constructor(
    ...args: Arguments<
      ConvNeXtOptions,
      [block_setting: readonly CNBlockConfig[]],
      [
        stochastic_depth_prob?: number,
        layer_scale?: number,
        num_classes?: number,
        block?: BlockMaker | null,
        norm_layer?: NormMaker | null,
      ]
    >
  ) {
    super();
    const options = layerArguments<ConvNeXtOptions>(
      "ConvNeXt.__init__(any block_setting, float stochastic_depth_prob=0, float layer_scale=1e-6, int num_classes=1000, any? block=None, any? norm_layer=None)",
      args,
    );
    const { block_setting: setting, layer_scale, stochastic_depth_prob } = options;
    if (!Array.isArray(setting) || !setting.every((stage) => stage instanceof CNBlockConfig)) {
      throw new TypeError("The block_setting should be List[CNBlockConfig]");
    }
    if (setting.length === 0) throw new ValueError("The block_setting should not be empty");
    const block = options.block ?? CNBlock;
    const norm_layer = options.norm_layer ?? ((channels: number) => new LayerNorm2d(channels, { eps: EPS }));
    const last = setting.reduce((sum, stage) => sum + stage.num_layers, 0) - 1;
    const layers: Module[] = [
      new Conv2dNormActivation(3, setting[0].input_channels, {
        kernel_size: 4,
        stride: 4,
        padding: 0,
        norm_layer,
        activation_layer: null,
        bias: true,
      }),
    ];
    let position = 0;
    for (const { input_channels, out_channels, num_layers } of setting) {
      const blocks: Module[] = [];
      for (let i = 0; i < num_layers; i++) {
        blocks.push(makeLayer(block, input_channels, layer_scale, (stochastic_depth_prob * position++) / last));
      }
      layers.push(new nn.Sequential(...blocks));
      if (out_channels === null) continue;
      const norm = makeLayer(norm_layer, input_channels);
      layers.push(new nn.Sequential(norm, new nn.Conv2d(input_channels, out_channels, 2, { stride: 2 })));
    }
    const final = setting[setting.length - 1];
    const channels = final.out_channels ?? final.input_channels;
    this.features = new nn.Sequential(...layers);
    this.avgpool = new nn.AdaptiveAvgPool2d(1);
    this.classifier = new nn.Sequential(
      makeLayer(norm_layer, channels),
      new nn.Flatten(1),
      new nn.Linear(channels, options.num_classes),
    );
    for (const m of this.modules()) {
      if (!(m instanceof nn.Conv2d || m instanceof nn.Linear)) continue;
      nn.init.trunc_normal_(m.weight, { std: 0.02 });
      if (m.bias !== null) nn.init.zeros_(m.bias);
    }
  }

  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)));
  }
}

const COMMON_META = { min_size: [32, 32], categories: IMAGENET_CATEGORIES } as const;

export class ConvNeXt_Tiny_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ConvNeXt_Tiny_Weights({
    url: "https://download.pytorch.org/models/convnext_tiny-983f1562.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 236 }),
    meta: {
      ...COMMON_META,
      num_params: 28589128,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#convnext",
      _metrics: imageNetMetrics(82.52, 96.146),
      _ops: 4.456,
      _file_size: 109.119,
    },
  });
  static readonly DEFAULT = ConvNeXt_Tiny_Weights.IMAGENET1K_V1;
}

export class ConvNeXt_Small_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ConvNeXt_Small_Weights({
    url: "https://download.pytorch.org/models/convnext_small-0c510722.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 230 }),
    meta: {
      ...COMMON_META,
      num_params: 50223688,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#convnext",
      _metrics: imageNetMetrics(83.616, 96.65),
      _ops: 8.684,
      _file_size: 191.703,
    },
  });
  static readonly DEFAULT = ConvNeXt_Small_Weights.IMAGENET1K_V1;
}

export class ConvNeXt_Base_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ConvNeXt_Base_Weights({
    url: "https://download.pytorch.org/models/convnext_base-6075fbad.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 88591464,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#convnext",
      _metrics: imageNetMetrics(84.062, 96.87),
      _ops: 15.355,
      _file_size: 338.064,
    },
  });
  static readonly DEFAULT = ConvNeXt_Base_Weights.IMAGENET1K_V1;
}

export class ConvNeXt_Large_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ConvNeXt_Large_Weights({
    url: "https://download.pytorch.org/models/convnext_large-ea097f82.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 197767336,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#convnext",
      _metrics: imageNetMetrics(84.414, 96.976),
      _ops: 34.361,
      _file_size: 754.537,
    },
  });
  static readonly DEFAULT = ConvNeXt_Large_Weights.IMAGENET1K_V1;
}

function variant(widths: readonly number[], depths: readonly number[], stochastic_depth_prob: number) {
  return (config: NetworkOptions): ConvNeXt => {
    const setting = widths.map((width, i) => new CNBlockConfig(width, widths[i + 1] ?? null, depths[i]));
    return new ConvNeXt({ block_setting: setting, stochastic_depth_prob, ...config });
  };
}

export const convnext_tiny = modelBuilder(
  "convnext_tiny",
  ConvNeXt_Tiny_Weights,
  variant([96, 192, 384, 768], [3, 3, 9, 3], 0.1),
);

export const convnext_small = modelBuilder(
  "convnext_small",
  ConvNeXt_Small_Weights,
  variant([96, 192, 384, 768], [3, 3, 27, 3], 0.4),
);

export const convnext_base = modelBuilder(
  "convnext_base",
  ConvNeXt_Base_Weights,
  variant([128, 256, 512, 1024], [3, 3, 27, 3], 0.5),
);

export const convnext_large = modelBuilder(
  "convnext_large",
  ConvNeXt_Large_Weights,
  variant([192, 384, 768, 1536], [3, 3, 27, 3], 0.5),
);
