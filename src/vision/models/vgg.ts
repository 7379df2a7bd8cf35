/** VGG: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", https://arxiv.org/abs/1409.1556 */
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

export interface VGGOptions {
  /** Default 1000. */
  readonly num_classes?: number;
  /** Draw the initial weights as the paper's successors did; else the layers keep their own. Default true. */
  readonly init_weights?: boolean;
  /** Default 0.5. */
  readonly dropout?: number;
}

/** Input (N, 3, H, W) of at least 32 × 32, output (N, num_classes). */
export class VGG extends nn.Module {
  features: nn.Sequential;
  avgpool: nn.AdaptiveAvgPool2d;
  classifier: nn.Sequential;

  constructor(features: nn.Sequential, { num_classes = 1000, init_weights = true, dropout = 0.5 }: VGGOptions = {}) {
    super();
    this.features = features;
    this.avgpool = new nn.AdaptiveAvgPool2d([7, 7]);
    this.classifier = new nn.Sequential(
      new nn.Linear(512 * 7 * 7, 4096),
      new nn.ReLU(true),
      new nn.Dropout(dropout),
      new nn.Linear(4096, 4096),
      new nn.ReLU(true),
      new nn.Dropout(dropout),
      new nn.Linear(4096, num_classes),
    );
    if (init_weights) this.initialize();
  }

  private initialize(): void {
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) {
        nn.init.kaiming_normal_(m.weight, { mode: "fan_out", nonlinearity: "relu" });
        if (m.bias !== null) nn.init.zeros_(m.bias);
      } else if (m instanceof nn.BatchNorm2d) m.reset_parameters();
      else if (m instanceof nn.Linear) {
        nn.init.normal_(m.weight, 0, 0.01);
        if (m.bias !== null) nn.init.zeros_(m.bias);
      }
    }
  }

  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)).flatten(1));
  }
}

/** Channels of the 3 × 3 convolutions, and "M" for pooling, for configurations A, B, D and E of the paper's table 1. */
const CONFIGURATIONS = {
  A: [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
  B: [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
  D: [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
  E: [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"],
} as const;

/** The convolutions and poolings of a configuration. */
function makeLayers(configuration: readonly (number | "M")[], batch_norm: boolean): nn.Sequential {
  const layers: Module[] = [];
  let channels = 3;
  for (const step of configuration) {
    if (step === "M") {
      layers.push(new nn.MaxPool2d(2, 2));
      continue;
    }
    layers.push(new nn.Conv2d(channels, step, 3, { padding: 1 }));
    if (batch_norm) layers.push(new nn.BatchNorm2d(step));
    layers.push(new nn.ReLU(true));
    channels = step;
  }
  return new nn.Sequential(...layers);
}

const COMMON_META = {
  min_size: [32, 32],
  categories: IMAGENET_CATEGORIES,
  recipe: "https://github.com/pytorch/vision/tree/main/references/classification#alexnet-and-vgg",
} as const;

export class VGG11_BN_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new VGG11_BN_Weights({
    url: "https://download.pytorch.org/models/vgg11_bn-6002323d.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 132868840,
      _metrics: imageNetMetrics(70.37, 89.81),
      _ops: 7.609,
      _file_size: 506.881,
    },
  });
  static readonly DEFAULT = VGG11_BN_Weights.IMAGENET1K_V1;
}

export class VGG11_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new VGG11_Weights({
    url: "https://download.pytorch.org/models/vgg11-8a719046.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 132863336,
      _metrics: imageNetMetrics(69.02, 88.628),
      _ops: 7.609,
      _file_size: 506.84,
    },
  });
  static readonly DEFAULT = VGG11_Weights.IMAGENET1K_V1;
}

export class VGG13_BN_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new VGG13_BN_Weights({
    url: "https://download.pytorch.org/models/vgg13_bn-abd245e5.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 133053736,
      _metrics: imageNetMetrics(71.586, 90.374),
      _ops: 11.308,
      _file_size: 507.59,
    },
  });
  static readonly DEFAULT = VGG13_BN_Weights.IMAGENET1K_V1;
}

export class VGG13_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new VGG13_Weights({
    url: "https://download.pytorch.org/models/vgg13-19584684.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 133047848,
      _metrics: imageNetMetrics(69.928, 89.246),
      _ops: 11.308,
      _file_size: 507.545,
    },
  });
  static readonly DEFAULT = VGG13_Weights.IMAGENET1K_V1;
}

export class VGG16_BN_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new VGG16_BN_Weights({
    url: "https://download.pytorch.org/models/vgg16_bn-6c64b313.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 138365992,
      _metrics: imageNetMetrics(73.36, 91.516),
      _ops: 15.47,
      _file_size: 527.866,
    },
  });
  static readonly DEFAULT = VGG16_BN_Weights.IMAGENET1K_V1;
}

export class VGG16_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new VGG16_Weights({
    url: "https://download.pytorch.org/models/vgg16-397923af.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 138357544,
      _metrics: imageNetMetrics(71.592, 90.382),
      _ops: 15.47,
      _file_size: 527.796,
    },
  });
  static readonly IMAGENET1K_FEATURES = new VGG16_Weights({
    url: "https://download.pytorch.org/models/vgg16_features-amdegroot-88682ab5.pth",
    transforms: imageClassification({
      crop_size: 224,
      mean: [0.48235, 0.45882, 0.40784],
      std: [1 / 255, 1 / 255, 1 / 255],
    }),
    meta: {
      ...COMMON_META,
      num_params: 138357544,
      categories: null,
      recipe: "https://github.com/amdegroot/ssd.pytorch#training-ssd",
      _metrics: imageNetMetrics(Number.NaN, Number.NaN),
      _ops: 15.47,
      _file_size: 527.802,
    },
  });
  static readonly DEFAULT = VGG16_Weights.IMAGENET1K_V1;
}

export class VGG19_BN_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new VGG19_BN_Weights({
    url: "https://download.pytorch.org/models/vgg19_bn-c79401a0.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 143678248,
      _metrics: imageNetMetrics(74.218, 91.842),
      _ops: 19.632,
      _file_size: 548.143,
    },
  });
  static readonly DEFAULT = VGG19_BN_Weights.IMAGENET1K_V1;
}

export class VGG19_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new VGG19_Weights({
    url: "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 143667240,
      _metrics: imageNetMetrics(72.376, 90.876),
      _ops: 19.632,
      _file_size: 548.051,
    },
  });
  static readonly DEFAULT = VGG19_Weights.IMAGENET1K_V1;
}

/** What makes the model of one configuration. Given weights, the initial ones are not drawn. */
const vgg =
  (configuration: keyof typeof CONFIGURATIONS, batch_norm: boolean) =>
  (config: VGGOptions, weights: WeightsEnum | null): VGG =>
    new VGG(
      makeLayers(CONFIGURATIONS[configuration], batch_norm),
      weights === null ? config : { ...config, init_weights: false },
    );

export const vgg11 = modelBuilder("vgg11", VGG11_Weights, vgg("A", false));
export const vgg11_bn = modelBuilder("vgg11_bn", VGG11_BN_Weights, vgg("A", true));
export const vgg13 = modelBuilder("vgg13", VGG13_Weights, vgg("B", false));
export const vgg13_bn = modelBuilder("vgg13_bn", VGG13_BN_Weights, vgg("B", true));
export const vgg16 = modelBuilder("vgg16", VGG16_Weights, vgg("D", false));
export const vgg16_bn = modelBuilder("vgg16_bn", VGG16_BN_Weights, vgg("D", true));
export const vgg19 = modelBuilder("vgg19", VGG19_Weights, vgg("E", false));
export const vgg19_bn = modelBuilder("vgg19_bn", VGG19_BN_Weights, vgg("E", true));
