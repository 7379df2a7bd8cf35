/** GoogLeNet (Inception v1): Szegedy et al., "Going deeper with convolutions", https://arxiv.org/abs/1409.4842 */
import * as nn from "../../nn/index.ts";
import { type NamedTensors, namedTensors } from "../../ops/define/named.ts";
import { cat } from "../../ops/joining.ts";
import type { Tensor } from "../../tensor.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { BasicConv2d, initializeTruncated, normalizedByHalves, warnOfInitialization } from "./inception-parts.ts";
import { modelBuilder, overwriteNamedParam } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

/** What a GoogLeNet with auxiliary classifiers gives in training. */
export type GoogLeNetOutputs = NamedTensors<"logits" | "aux_logits2" | "aux_logits1">;

const outputsOf = namedTensors("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"]);

export interface GoogLeNetOptions {
  /** Default 1000. */
  readonly num_classes?: number;
  /** Have classifiers in the middle too, whose outputs training gets beside the main one. Default true; false with weights. */
  readonly aux_logits?: boolean;
  /** Take pictures normalized with ImageNet's statistics, and change them to what the weights want. Default false; true with weights. */
  readonly transform_input?: boolean;
  /** Draw truncated normals as initial weights; false: the layers' own. Default true, with a warning. */
  readonly init_weights?: boolean | null;
  /** Before the classifier. Default 0.2. */
  readonly dropout?: number;
  /** In the auxiliary classifiers. Default 0.7. */
  readonly dropout_aux?: number;
}

/** Four branches side by side: 1 × 1, 3 × 3 and 5 × 5 (published, and here, with a 3 × 3 convolution instead) and pooling. */
class Inception extends nn.Module {
  branch1: BasicConv2d;
  branch2: nn.Sequential;
  branch3: nn.Sequential;
  branch4: nn.Sequential;

  constructor(
    in_channels: number,
    ch1x1: number,
    ch3x3red: number,
    ch3x3: number,
    ch5x5red: number,
    ch5x5: number,
    pool_proj: number,
  ) {
    super();
    this.branch1 = new BasicConv2d(in_channels, ch1x1, { kernel_size: 1 });
    this.branch2 = new nn.Sequential(
      new BasicConv2d(in_channels, ch3x3red, { kernel_size: 1 }),
      new BasicConv2d(ch3x3red, ch3x3, { kernel_size: 3, padding: 1 }),
    );
    this.branch3 = new nn.Sequential(
      new BasicConv2d(in_channels, ch5x5red, { kernel_size: 1 }),
      new BasicConv2d(ch5x5red, ch5x5, { kernel_size: 3, padding: 1 }),
    );
    this.branch4 = new nn.Sequential(
      new nn.MaxPool2d(3, 1, 1, { ceil_mode: true }),
      new BasicConv2d(in_channels, pool_proj, { kernel_size: 1 }),
    );
  }

  override forward(x: Tensor): Tensor {
    return cat([this.branch1(x), this.branch2(x), this.branch3(x), this.branch4(x)], 1);
  }
}

/** A classifier on features from the middle of the network. */
class InceptionAux extends nn.Module {
  conv: BasicConv2d;
  fc1: nn.Linear;
  fc2: nn.Linear;
  dropout: nn.Dropout;

  constructor(in_channels: number, num_classes: number, dropout: number) {
    super();
    this.conv = new BasicConv2d(in_channels, 128, { kernel_size: 1 });
    this.fc1 = new nn.Linear(2048, 1024);
    this.fc2 = new nn.Linear(1024, num_classes);
    this.dropout = new nn.Dropout(dropout);
  }

  override forward(x: Tensor): Tensor {
    x = this.conv(nn.functional.adaptive_avg_pool2d(x, [4, 4])).flatten(1);
    x = nn.functional.relu(this.fc1(x), true);
    return this.fc2(this.dropout(x));
  }
}

/**
 * Input (N, 3, H, W) of at least 15 × 15, output (N, num_classes); in training with `aux_logits` also those of the
 * auxiliary classifiers: `net(x).logits`, `.aux_logits2` (the later one), `.aux_logits1`.
 */
export class GoogLeNet extends nn.Module {
  aux_logits: boolean;
  transform_input: boolean;
  conv1: BasicConv2d;
  maxpool1: nn.MaxPool2d;
  conv2: BasicConv2d;
  conv3: BasicConv2d;
  maxpool2: nn.MaxPool2d;
  inception3a: Inception;
  inception3b: Inception;
  maxpool3: nn.MaxPool2d;
  inception4a: Inception;
  inception4b: Inception;
  inception4c: Inception;
  inception4d: Inception;
  inception4e: Inception;
  maxpool4: nn.MaxPool2d;
  inception5a: Inception;
  inception5b: Inception;
  aux1: InceptionAux | null;
  aux2: InceptionAux | null;
  avgpool: nn.AdaptiveAvgPool2d;
  dropout: nn.Dropout;
  fc: nn.Linear;

  constructor({
    num_classes = 1000,
    aux_logits = true,
    transform_input = false,
    init_weights = null,
    dropout = 0.2,
    dropout_aux = 0.7,
  }: GoogLeNetOptions = {}) {
    super();
    if (init_weights === null) warnOfInitialization("GoogleNet");
    this.aux_logits = aux_logits;
    this.transform_input = transform_input;
    this.conv1 = new BasicConv2d(3, 64, { kernel_size: 7, stride: 2, padding: 3 });
    this.maxpool1 = new nn.MaxPool2d(3, 2, { ceil_mode: true });
    this.conv2 = new BasicConv2d(64, 64, { kernel_size: 1 });
    this.conv3 = new BasicConv2d(64, 192, { kernel_size: 3, padding: 1 });
    this.maxpool2 = new nn.MaxPool2d(3, 2, { ceil_mode: true });
    this.inception3a = new Inception(192, 64, 96, 128, 16, 32, 32);
    this.inception3b = new Inception(256, 128, 128, 192, 32, 96, 64);
    this.maxpool3 = new nn.MaxPool2d(3, 2, { ceil_mode: true });
    this.inception4a = new Inception(480, 192, 96, 208, 16, 48, 64);
    this.inception4b = new Inception(512, 160, 112, 224, 24, 64, 64);
    this.inception4c = new Inception(512, 128, 128, 256, 24, 64, 64);
    this.inception4d = new Inception(512, 112, 144, 288, 32, 64, 64);
    this.inception4e = new Inception(528, 256, 160, 320, 32, 128, 128);
    this.maxpool4 = new nn.MaxPool2d(2, 2, { ceil_mode: true });
    this.inception5a = new Inception(832, 256, 160, 320, 32, 128, 128);
    this.inception5b = new Inception(832, 384, 192, 384, 48, 128, 128);
    this.aux1 = aux_logits ? new InceptionAux(512, num_classes, dropout_aux) : null;
    this.aux2 = aux_logits ? new InceptionAux(528, num_classes, dropout_aux) : null;
    this.avgpool = new nn.AdaptiveAvgPool2d([1, 1]);
    this.dropout = new nn.Dropout(dropout);
    this.fc = new nn.Linear(1024, num_classes);
    if (init_weights ?? true) initializeTruncated(this, () => 0.01);
  }

  override forward(x: Tensor): Tensor | GoogLeNetOutputs {
    if (this.transform_input) x = normalizedByHalves(x);
    x = this.maxpool1(this.conv1(x));
    x = this.maxpool2(this.conv3(this.conv2(x)));
    x = this.maxpool3(this.inception3b(this.inception3a(x)));
    x = this.inception4a(x);
    const aux1 = this.training && this.aux1 !== null ? this.aux1(x) : null;
    x = this.inception4d(this.inception4c(this.inception4b(x)));
    const aux2 = this.training && this.aux2 !== null ? this.aux2(x) : null;
    x = this.maxpool4(this.inception4e(x));
    x = this.inception5b(this.inception5a(x));
    x = this.fc(this.dropout(this.avgpool(x).flatten(1)));
    return this.aux_logits && aux1 !== null && aux2 !== null ? outputsOf([x, aux2, aux1]) : x;
  }
}

export class GoogLeNet_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new GoogLeNet_Weights({
    url: "https://download.pytorch.org/models/googlenet-1378be20.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      num_params: 6624904,
      min_size: [15, 15],
      categories: IMAGENET_CATEGORIES,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#googlenet",
      _metrics: imageNetMetrics(69.778, 89.53),
      _ops: 1.498,
      _file_size: 49.731,
    },
  });
  static readonly DEFAULT = GoogLeNet_Weights.IMAGENET1K_V1;
}

/** With weights the auxiliary classifiers, which were not trained, are left out unless `aux_logits` is true. */
export const googlenet = modelBuilder(
  "googlenet",
  GoogLeNet_Weights,
  (config: GoogLeNetOptions, weights) => {
    if (weights === null) return new GoogLeNet(config);
    const { aux_logits, ...rest } = config;
    return new GoogLeNet({ transform_input: true, ...overwriteNamedParam(rest, "init_weights", false) });
  },
  {
    loaded: (model, { aux_logits = false }) => {
      if (aux_logits) {
        console.warn(
          "UserWarning: auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to train them",
        );
        return;
      }
      model.aux_logits = false;
      model.aux1 = null;
      model.aux2 = null;
    },
  },
);
