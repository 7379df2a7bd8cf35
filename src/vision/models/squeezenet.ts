/** SqueezeNet: Iandola et al., "AlexNet-level accuracy with 50x fewer parameters", https://arxiv.org/abs/1602.07360 */
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { cat } from "../../ops/joining.ts";
import type { Tensor } from "../../tensor.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

/** Squeezes the channels by a 1 × 1 convolution, then expands them by 1 × 1 and 3 × 3 ones side by side. */
export class Fire extends nn.Module {
  inplanes: number;
  squeeze: nn.Conv2d;
  squeeze_activation: nn.ReLU;
  expand1x1: nn.Conv2d;
  expand1x1_activation: nn.ReLU;
  expand3x3: nn.Conv2d;
  expand3x3_activation: nn.ReLU;

  constructor(inplanes: number, squeeze_planes: number, expand1x1_planes: number, expand3x3_planes: number) {
    super();
    this.inplanes = inplanes;
    this.squeeze = new nn.Conv2d(inplanes, squeeze_planes, 1);
    this.squeeze_activation = new nn.ReLU(true);
    this.expand1x1 = new nn.Conv2d(squeeze_planes, expand1x1_planes, 1);
    this.expand1x1_activation = new nn.ReLU(true);
    this.expand3x3 = new nn.Conv2d(squeeze_planes, expand3x3_planes, 3, { padding: 1 });
    this.expand3x3_activation = new nn.ReLU(true);
  }

  override forward(x: Tensor): Tensor {
    const squeezed = this.squeeze_activation(this.squeeze(x));
    return cat(
      [this.expand1x1_activation(this.expand1x1(squeezed)), this.expand3x3_activation(this.expand3x3(squeezed))],
      1,
    );
  }
}

/** Which of the two published networks: 1_1 needs 2.4 times less computation for the same accuracy. */
export type SqueezeNetVersion = "1_0" | "1_1";

export interface SqueezeNetOptions {
  /** Default 1000. */
  readonly num_classes?: number;
  /** Default 0.5. */
  readonly dropout?: number;
}

const pool = (): Module => new nn.MaxPool2d(3, 2, { ceil_mode: true });

/** The layers of each version: a first convolution, then pooling ("pool") and fire modules (their channels). */
function featuresOf(version: SqueezeNetVersion): Module[] {
  const stem = (channels: number, kernel: number): Module[] => [
    new nn.Conv2d(3, channels, kernel, { stride: 2 }),
    new nn.ReLU(true),
    pool(),
  ];
  if (version === "1_0") {
    return [
      ...stem(96, 7),
      new Fire(96, 16, 64, 64),
      new Fire(128, 16, 64, 64),
      new Fire(128, 32, 128, 128),
      pool(),
      new Fire(256, 32, 128, 128),
      new Fire(256, 48, 192, 192),
      new Fire(384, 48, 192, 192),
      new Fire(384, 64, 256, 256),
      pool(),
      new Fire(512, 64, 256, 256),
    ];
  }
  if (version === "1_1") {
    return [
      ...stem(64, 3),
      new Fire(64, 16, 64, 64),
      new Fire(128, 16, 64, 64),
      pool(),
      new Fire(128, 32, 128, 128),
      new Fire(256, 32, 128, 128),
      pool(),
      new Fire(256, 48, 192, 192),
      new Fire(384, 48, 192, 192),
      new Fire(384, 64, 256, 256),
      new Fire(512, 64, 256, 256),
    ];
  }
  throw new ValueError(`Unsupported SqueezeNet version ${version}: 1_0 or 1_1 expected`);
}

/** Input (N, 3, H, W), output (N, num_classes). */
export class SqueezeNet extends nn.Module {
  num_classes: number;
  features: nn.Sequential;
  classifier: nn.Sequential;

  constructor(version: SqueezeNetVersion = "1_0", { num_classes = 1000, dropout = 0.5 }: SqueezeNetOptions = {}) {
    super();
    this.num_classes = num_classes;
    this.features = new nn.Sequential(...featuresOf(version));
    // The last convolution starts out small, unlike all others.
    const last = new nn.Conv2d(512, num_classes, 1);
    this.classifier = new nn.Sequential(
      new nn.Dropout(dropout),
      last,
      new nn.ReLU(true),
      new nn.AdaptiveAvgPool2d([1, 1]),
    );
    for (const m of this.modules()) {
      if (!(m instanceof nn.Conv2d)) continue;
      if (m === last) nn.init.normal_(m.weight, 0, 0.01);
      else nn.init.kaiming_uniform_(m.weight);
      if (m.bias !== null) nn.init.zeros_(m.bias);
    }
  }

  override forward(x: Tensor): Tensor {
    return this.classifier(this.features(x)).flatten(1);
  }
}

const COMMON_META = {
  categories: IMAGENET_CATEGORIES,
  recipe: "https://github.com/pytorch/vision/pull/49#issuecomment-277560717",
} as const;

export class SqueezeNet1_0_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new SqueezeNet1_0_Weights({
    url: "https://download.pytorch.org/models/squeezenet1_0-b66bff10.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      min_size: [21, 21],
      num_params: 1248424,
      _metrics: imageNetMetrics(58.092, 80.42),
      _ops: 0.819,
      _file_size: 4.778,
    },
  });
  static readonly DEFAULT = SqueezeNet1_0_Weights.IMAGENET1K_V1;
}

export class SqueezeNet1_1_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new SqueezeNet1_1_Weights({
    url: "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      min_size: [17, 17],
      num_params: 1235496,
      _metrics: imageNetMetrics(58.178, 80.624),
      _ops: 0.349,
      _file_size: 4.729,
    },
  });
  static readonly DEFAULT = SqueezeNet1_1_Weights.IMAGENET1K_V1;
}

export const squeezenet1_0 = modelBuilder(
  "squeezenet1_0",
  SqueezeNet1_0_Weights,
  (config: SqueezeNetOptions) => new SqueezeNet("1_0", config),
);
export const squeezenet1_1 = modelBuilder(
  "squeezenet1_1",
  SqueezeNet1_1_Weights,
  (config: SqueezeNetOptions) => new SqueezeNet("1_1", config),
);
