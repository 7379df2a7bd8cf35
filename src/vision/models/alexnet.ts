/** AlexNet, in the form of Krizhevsky, "One weird trick for parallelizing convolutional neural networks", https://arxiv.org/abs/1404.5997 */
import * as nn from "../../nn/index.ts";
import type { Tensor } from "../../tensor.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

export interface AlexNetOptions {
  /** Default 1000. */
  readonly num_classes?: number;
  /** Default 0.5. */
  readonly dropout?: number;
}

/** Input (N, 3, H, W) of at least 63 × 63, output (N, num_classes). */
export class AlexNet extends nn.Module {
  features: nn.Sequential;
  avgpool: nn.AdaptiveAvgPool2d;
  classifier: nn.Sequential;

  constructor({ num_classes = 1000, dropout = 0.5 }: AlexNetOptions = {}) {
    super();
    this.features = new nn.Sequential(
      new nn.Conv2d(3, 64, 11, { stride: 4, padding: 2 }),
      new nn.ReLU(true),
      new nn.MaxPool2d(3, 2),
      new nn.Conv2d(64, 192, 5, { padding: 2 }),
      new nn.ReLU(true),
      new nn.MaxPool2d(3, 2),
      new nn.Conv2d(192, 384, 3, { padding: 1 }),
      new nn.ReLU(true),
      new nn.Conv2d(384, 256, 3, { padding: 1 }),
      new nn.ReLU(true),
      new nn.Conv2d(256, 256, 3, { padding: 1 }),
      new nn.ReLU(true),
      new nn.MaxPool2d(3, 2),
    );
    this.avgpool = new nn.AdaptiveAvgPool2d([6, 6]);
    this.classifier = new nn.Sequential(
      new nn.Dropout(dropout),
      new nn.Linear(256 * 6 * 6, 4096),
      new nn.ReLU(true),
      new nn.Dropout(dropout),
      new nn.Linear(4096, 4096),
      new nn.ReLU(true),
      new nn.Linear(4096, num_classes),
    );
  }

  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)).flatten(1));
  }
}

export class AlexNet_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new AlexNet_Weights({
    url: "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      min_size: [63, 63],
      num_params: 61100840,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#alexnet-and-vgg",
      _metrics: imageNetMetrics(56.522, 79.066),
      _ops: 0.714,
      _file_size: 233.087,
    },
  });
  static readonly DEFAULT = AlexNet_Weights.IMAGENET1K_V1;
}

export const alexnet = modelBuilder("alexnet", AlexNet_Weights, (config: AlexNetOptions) => new AlexNet(config));
