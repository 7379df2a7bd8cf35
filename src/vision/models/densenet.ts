/** DenseNet: Huang, Liu, van der Maaten, Weinberger, "Densely connected convolutional networks", https://arxiv.org/abs/1608.06993 */
import * as nn from "../../nn/index.ts";
import type { StateDict } from "../../nn/state-dict.ts";
import { cat } from "../../ops/joining.ts";
import type { Tensor } from "../../tensor.ts";
import { checkpoint } from "../../utils/checkpoint.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

export interface DenseNetOptions {
  /** Channels that each layer adds: k of the paper. Default 32. */
  readonly growth_rate?: number;
  /** Layers of each of the four blocks. Default [6, 12, 24, 16]. */
  readonly block_config?: readonly number[];
  /** Channels of the first convolution. Default 64. */
  readonly num_init_features?: number;
  /** The 1 × 1 convolution of a layer has this times `growth_rate` channels. Default 4. */
  readonly bn_size?: number;
  /** Dropout after each layer. Default 0. */
  readonly drop_rate?: number;
  /** Default 1000. */
  readonly num_classes?: number;
  /** Have backward compute the concatenations, their norms and the bottlenecks again, rather than keep them. Default false. */
  readonly memory_efficient?: boolean;
}

/** Sees all features before it in its block, and adds `growth_rate` ones. */
class _DenseLayer extends nn.Module {
  norm1: nn.BatchNorm2d;
  relu1: nn.ReLU;
  conv1: nn.Conv2d;
  norm2: nn.BatchNorm2d;
  relu2: nn.ReLU;
  conv2: nn.Conv2d;
  drop_rate: number;
  memory_efficient: boolean;

  constructor(
    num_input_features: number,
    growth_rate: number,
    bn_size: number,
    drop_rate: number,
    memory_efficient: boolean,
  ) {
    super();
    this.norm1 = new nn.BatchNorm2d(num_input_features);
    this.relu1 = new nn.ReLU(true);
    this.conv1 = new nn.Conv2d(num_input_features, bn_size * growth_rate, 1, { bias: false });
    this.norm2 = new nn.BatchNorm2d(bn_size * growth_rate);
    this.relu2 = new nn.ReLU(true);
    this.conv2 = new nn.Conv2d(bn_size * growth_rate, growth_rate, 3, { padding: 1, bias: false });
    this.drop_rate = drop_rate;
    this.memory_efficient = memory_efficient;
  }

  private bottleneck(features: readonly Tensor[]): Tensor {
    return this.conv1(this.relu1(this.norm1(cat([...features], 1))));
  }

  override forward(features: readonly Tensor[]): Tensor {
    const bottleneck =
      this.memory_efficient && features.some((x) => x.requires_grad)
        ? checkpoint((...inputs: Tensor[]) => this.bottleneck(inputs), ...features, { use_reentrant: false })
        : this.bottleneck(features);
    const added = this.conv2(this.relu2(this.norm2(bottleneck)));
    return this.drop_rate > 0 ? nn.functional.dropout(added, this.drop_rate, this.training) : added;
  }
}

class _DenseBlock extends nn.ModuleDict {
  constructor(
    count: number,
    num_input_features: number,
    bn_size: number,
    growth_rate: number,
    drop_rate: number,
    memory_efficient: boolean,
  ) {
    super();
    for (let i = 0; i < count; i++) {
      const inputs = num_input_features + i * growth_rate;
      const layer = new _DenseLayer(inputs, growth_rate, bn_size, drop_rate, memory_efficient);
      this.add_module(`denselayer${i + 1}`, layer);
    }
  }

  override forward(init_features: Tensor): Tensor {
    const features = [init_features];
    for (const layer of this.values()) features.push((layer as _DenseLayer)(features));
    return cat(features, 1);
  }
}

/** Halves the channels and the size. */
class _Transition extends nn.Sequential {
  constructor(num_input_features: number, num_output_features: number) {
    super({
      norm: new nn.BatchNorm2d(num_input_features),
      relu: new nn.ReLU(true),
      conv: new nn.Conv2d(num_input_features, num_output_features, 1, { bias: false }),
      pool: new nn.AvgPool2d(2, 2),
    });
  }
}

/** Input (N, 3, H, W) of at least 29 × 29, output (N, num_classes). */
export class DenseNet extends nn.Module {
  features: nn.Sequential;
  classifier: nn.Linear;

  constructor({
    growth_rate = 32,
    block_config = [6, 12, 24, 16],
    num_init_features = 64,
    bn_size = 4,
    drop_rate = 0,
    num_classes = 1000,
    memory_efficient = false,
  }: DenseNetOptions = {}) {
    super();
    this.features = new nn.Sequential({
      conv0: new nn.Conv2d(3, num_init_features, 7, { stride: 2, padding: 3, bias: false }),
      norm0: new nn.BatchNorm2d(num_init_features),
      relu0: new nn.ReLU(true),
      pool0: new nn.MaxPool2d(3, 2, 1),
    });
    let channels = num_init_features;
    for (const [i, count] of block_config.entries()) {
      const block = new _DenseBlock(count, channels, bn_size, growth_rate, drop_rate, memory_efficient);
      this.features.add_module(`denseblock${i + 1}`, block);
      channels += count * growth_rate;
      if (i === block_config.length - 1) continue;
      this.features.add_module(`transition${i + 1}`, new _Transition(channels, Math.floor(channels / 2)));
      channels = Math.floor(channels / 2);
    }
    this.features.add_module("norm5", new nn.BatchNorm2d(channels));
    this.classifier = new nn.Linear(channels, num_classes);
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) nn.init.kaiming_normal_(m.weight);
      else if (m instanceof nn.BatchNorm2d) m.reset_parameters();
      else if (m instanceof nn.Linear && m.bias !== null) nn.init.zeros_(m.bias);
    }
  }

  override forward(x: Tensor): Tensor {
    const features = nn.functional.relu(this.features(x), true);
    return this.classifier(nn.functional.adaptive_avg_pool2d(features, [1, 1]).flatten(1));
  }
}

const COMMON_META = {
  min_size: [29, 29],
  categories: IMAGENET_CATEGORIES,
  recipe: "https://github.com/pytorch/vision/pull/116",
} as const;

export class DenseNet121_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new DenseNet121_Weights({
    url: "https://download.pytorch.org/models/densenet121-a639ec97.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 7978856,
      _metrics: imageNetMetrics(74.434, 91.972),
      _ops: 2.834,
      _file_size: 30.845,
    },
  });
  static readonly DEFAULT = DenseNet121_Weights.IMAGENET1K_V1;
}

export class DenseNet161_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new DenseNet161_Weights({
    url: "https://download.pytorch.org/models/densenet161-8d451a50.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 28681000,
      _metrics: imageNetMetrics(77.138, 93.56),
      _ops: 7.728,
      _file_size: 110.369,
    },
  });
  static readonly DEFAULT = DenseNet161_Weights.IMAGENET1K_V1;
}

export class DenseNet169_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new DenseNet169_Weights({
    url: "https://download.pytorch.org/models/densenet169-b2777c0a.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 14149480,
      _metrics: imageNetMetrics(75.6, 92.806),
      _ops: 3.36,
      _file_size: 54.708,
    },
  });
  static readonly DEFAULT = DenseNet169_Weights.IMAGENET1K_V1;
}

export class DenseNet201_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new DenseNet201_Weights({
    url: "https://download.pytorch.org/models/densenet201-c1103571.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 20013928,
      _metrics: imageNetMetrics(76.896, 93.37),
      _ops: 4.291,
      _file_size: 77.373,
    },
  });
  static readonly DEFAULT = DenseNet201_Weights.IMAGENET1K_V1;
}

/** The files have a dot in the names of a layer's parts, which PyTorch no longer allows: `norm.1` is `norm1`. */
function convert(state: StateDict): StateDict {
  const pattern = /^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$/;
  return Object.fromEntries(Object.entries(state).map(([key, value]) => [key.replace(pattern, "$1$2"), value]));
}

/** What makes the model of one depth. */
const denseNet =
  (growth_rate: number, block_config: readonly number[], num_init_features: number) =>
  (config: DenseNetOptions): DenseNet =>
    new DenseNet({ ...config, growth_rate, block_config, num_init_features });

export const densenet121 = modelBuilder("densenet121", DenseNet121_Weights, denseNet(32, [6, 12, 24, 16], 64), {
  convert,
});
export const densenet161 = modelBuilder("densenet161", DenseNet161_Weights, denseNet(48, [6, 12, 36, 24], 96), {
  convert,
});
export const densenet169 = modelBuilder("densenet169", DenseNet169_Weights, denseNet(32, [6, 12, 32, 32], 64), {
  convert,
});
export const densenet201 = modelBuilder("densenet201", DenseNet201_Weights, denseNet(32, [6, 12, 48, 32], 64), {
  convert,
});
