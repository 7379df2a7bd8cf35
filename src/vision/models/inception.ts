/** Inception v3: Szegedy et al., "Rethinking the Inception architecture for computer vision", https://arxiv.org/abs/1512.00567 */
import * as nn from "../../nn/index.ts";
import { type NamedTensors, namedTensors } from "../../ops/define/named.ts";
import { cat } from "../../ops/joining.ts";
import type { Tensor } from "../../tensor.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { BasicConv2d, initializeTruncated, normalizedByHalves, warnOfInitialization } from "./inception-parts.ts";
import { modelBuilder, overwriteNamedParam } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

/** What an Inception v3 with auxiliary classifier gives in training. */
export type InceptionOutputs = NamedTensors<"logits" | "aux_logits">;

const outputsOf = namedTensors("InceptionOutputs", ["logits", "aux_logits"]);

export interface Inception3Options {
  /** Default 1000. */
  readonly num_classes?: number;
  /** Have a classifier in the middle too, whose output training gets beside the main one. Default true. */
  readonly aux_logits?: boolean;
  /** Take pictures normalized with ImageNet's statistics, and change them to what the weights want. Default false; true with weights. */
  readonly transform_input?: boolean;
  /** Draw truncated normals as initial weights; false: the layers' own. Default true, with a warning. */
  readonly init_weights?: boolean | null;
  /** Before the classifier. Default 0.5. */
  readonly dropout?: number;
}

const pointwise = (from: number, to: number): BasicConv2d => new BasicConv2d(from, to, { kernel_size: 1 });

/** A convolution with an odd kernel of height h and width w that keeps the size. */
const spatial = (from: number, to: number, h: number, w = h): BasicConv2d =>
  new BasicConv2d(from, to, { kernel_size: [h, w], padding: [(h - 1) / 2, (w - 1) / 2] });

/** 3 × 3, stride 2, without padding. */
const halving = (from: number, to: number): BasicConv2d => new BasicConv2d(from, to, { kernel_size: 3, stride: 2 });

const averaged = (x: Tensor): Tensor => nn.functional.avg_pool2d(x, { kernel_size: 3, stride: 1, padding: 1 });

/** Figure 5 of the paper, for 35 × 35 positions. */
class InceptionA extends nn.Module {
  branch1x1: BasicConv2d;
  branch5x5_1: BasicConv2d;
  branch5x5_2: BasicConv2d;
  branch3x3dbl_1: BasicConv2d;
  branch3x3dbl_2: BasicConv2d;
  branch3x3dbl_3: BasicConv2d;
  branch_pool: BasicConv2d;

  constructor(in_channels: number, pool_features: number) {
    super();
    this.branch1x1 = pointwise(in_channels, 64);
    this.branch5x5_1 = pointwise(in_channels, 48);
    this.branch5x5_2 = spatial(48, 64, 5);
    this.branch3x3dbl_1 = pointwise(in_channels, 64);
    this.branch3x3dbl_2 = spatial(64, 96, 3);
    this.branch3x3dbl_3 = spatial(96, 96, 3);
    this.branch_pool = pointwise(in_channels, pool_features);
  }

  override forward(x: Tensor): Tensor {
    return cat(
      [
        this.branch1x1(x),
        this.branch5x5_2(this.branch5x5_1(x)),
        this.branch3x3dbl_3(this.branch3x3dbl_2(this.branch3x3dbl_1(x))),
        this.branch_pool(averaged(x)),
      ],
      1,
    );
  }
}

/** Figure 10: from 35 × 35 to 17 × 17 positions. */
class InceptionB extends nn.Module {
  branch3x3: BasicConv2d;
  branch3x3dbl_1: BasicConv2d;
  branch3x3dbl_2: BasicConv2d;
  branch3x3dbl_3: BasicConv2d;

  constructor(in_channels: number) {
    super();
    this.branch3x3 = halving(in_channels, 384);
    this.branch3x3dbl_1 = pointwise(in_channels, 64);
    this.branch3x3dbl_2 = spatial(64, 96, 3);
    this.branch3x3dbl_3 = halving(96, 96);
  }

  override forward(x: Tensor): Tensor {
    return cat(
      [
        this.branch3x3(x),
        this.branch3x3dbl_3(this.branch3x3dbl_2(this.branch3x3dbl_1(x))),
        nn.functional.max_pool2d(x, { kernel_size: 3, stride: 2 }),
      ],
      1,
    );
  }
}

/** Figure 6, for 17 × 17 positions: 7 × 7 convolutions as 1 × 7 and 7 × 1 ones. */
class InceptionC extends nn.Module {
  branch1x1: BasicConv2d;
  branch7x7_1: BasicConv2d;
  branch7x7_2: BasicConv2d;
  branch7x7_3: BasicConv2d;
  branch7x7dbl_1: BasicConv2d;
  branch7x7dbl_2: BasicConv2d;
  branch7x7dbl_3: BasicConv2d;
  branch7x7dbl_4: BasicConv2d;
  branch7x7dbl_5: BasicConv2d;
  branch_pool: BasicConv2d;

  constructor(in_channels: number, channels_7x7: number) {
    super();
    const c7 = channels_7x7;
    this.branch1x1 = pointwise(in_channels, 192);
    this.branch7x7_1 = pointwise(in_channels, c7);
    this.branch7x7_2 = spatial(c7, c7, 1, 7);
    this.branch7x7_3 = spatial(c7, 192, 7, 1);
    this.branch7x7dbl_1 = pointwise(in_channels, c7);
    this.branch7x7dbl_2 = spatial(c7, c7, 7, 1);
    this.branch7x7dbl_3 = spatial(c7, c7, 1, 7);
    this.branch7x7dbl_4 = spatial(c7, c7, 7, 1);
    this.branch7x7dbl_5 = spatial(c7, 192, 1, 7);
    this.branch_pool = pointwise(in_channels, 192);
  }

  override forward(x: Tensor): Tensor {
    const double = this.branch7x7dbl_3(this.branch7x7dbl_2(this.branch7x7dbl_1(x)));
    return cat(
      [
        this.branch1x1(x),
        this.branch7x7_3(this.branch7x7_2(this.branch7x7_1(x))),
        this.branch7x7dbl_5(this.branch7x7dbl_4(double)),
        this.branch_pool(averaged(x)),
      ],
      1,
    );
  }
}

/** From 17 × 17 to 8 × 8 positions. */
class InceptionD extends nn.Module {
  branch3x3_1: BasicConv2d;
  branch3x3_2: BasicConv2d;
  branch7x7x3_1: BasicConv2d;
  branch7x7x3_2: BasicConv2d;
  branch7x7x3_3: BasicConv2d;
  branch7x7x3_4: BasicConv2d;

  constructor(in_channels: number) {
    super();
    this.branch3x3_1 = pointwise(in_channels, 192);
    this.branch3x3_2 = halving(192, 320);
    this.branch7x7x3_1 = pointwise(in_channels, 192);
    this.branch7x7x3_2 = spatial(192, 192, 1, 7);
    this.branch7x7x3_3 = spatial(192, 192, 7, 1);
    this.branch7x7x3_4 = halving(192, 192);
  }

  override forward(x: Tensor): Tensor {
    const wide = this.branch7x7x3_3(this.branch7x7x3_2(this.branch7x7x3_1(x)));
    return cat(
      [
        this.branch3x3_2(this.branch3x3_1(x)),
        this.branch7x7x3_4(wide),
        nn.functional.max_pool2d(x, { kernel_size: 3, stride: 2 }),
      ],
      1,
    );
  }
}

/** Figure 7, for 8 × 8 positions: 1 × 3 and 3 × 1 convolutions side by side. */
class InceptionE extends nn.Module {
  branch1x1: BasicConv2d;
  branch3x3_1: BasicConv2d;
  branch3x3_2a: BasicConv2d;
  branch3x3_2b: BasicConv2d;
  branch3x3dbl_1: BasicConv2d;
  branch3x3dbl_2: BasicConv2d;
  branch3x3dbl_3a: BasicConv2d;
  branch3x3dbl_3b: BasicConv2d;
  branch_pool: BasicConv2d;

  constructor(in_channels: number) {
    super();
    this.branch1x1 = pointwise(in_channels, 320);
    this.branch3x3_1 = pointwise(in_channels, 384);
    this.branch3x3_2a = spatial(384, 384, 1, 3);
    this.branch3x3_2b = spatial(384, 384, 3, 1);
    this.branch3x3dbl_1 = pointwise(in_channels, 448);
    this.branch3x3dbl_2 = spatial(448, 384, 3);
    this.branch3x3dbl_3a = spatial(384, 384, 1, 3);
    this.branch3x3dbl_3b = spatial(384, 384, 3, 1);
    this.branch_pool = pointwise(in_channels, 192);
  }

  override forward(x: Tensor): Tensor {
    const single = this.branch3x3_1(x);
    const double = this.branch3x3dbl_2(this.branch3x3dbl_1(x));
    return cat(
      [
        this.branch1x1(x),
        cat([this.branch3x3_2a(single), this.branch3x3_2b(single)], 1),
        cat([this.branch3x3dbl_3a(double), this.branch3x3dbl_3b(double)], 1),
        this.branch_pool(averaged(x)),
      ],
      1,
    );
  }
}

/** A classifier on features from the middle of the network. */
class InceptionAux extends nn.Module {
  conv0: BasicConv2d;
  conv1: BasicConv2d;
  fc: nn.Linear;

  constructor(in_channels: number, num_classes: number) {
    super();
    this.conv0 = pointwise(in_channels, 128);
    this.conv1 = new BasicConv2d(128, 768, { kernel_size: 5 });
    this.fc = new nn.Linear(768, num_classes);
  }

  override forward(x: Tensor): Tensor {
    x = this.conv1(this.conv0(nn.functional.avg_pool2d(x, { kernel_size: 5, stride: 3 })));
    return this.fc(nn.functional.adaptive_avg_pool2d(x, [1, 1]).flatten(1));
  }
}

/**
 * Input (N, 3, H, W) of at least 75 × 75, made for 299 × 299; output (N, num_classes). In training with `aux_logits` also
 * those of the auxiliary classifier: `net(x).logits`, `net(x).aux_logits`.
 */
export class Inception3 extends nn.Module {
  aux_logits: boolean;
  transform_input: boolean;
  Conv2d_1a_3x3: BasicConv2d;
  Conv2d_2a_3x3: BasicConv2d;
  Conv2d_2b_3x3: BasicConv2d;
  maxpool1: nn.MaxPool2d;
  Conv2d_3b_1x1: BasicConv2d;
  Conv2d_4a_3x3: BasicConv2d;
  maxpool2: nn.MaxPool2d;
  Mixed_5b: InceptionA;
  Mixed_5c: InceptionA;
  Mixed_5d: InceptionA;
  Mixed_6a: InceptionB;
  Mixed_6b: InceptionC;
  Mixed_6c: InceptionC;
  Mixed_6d: InceptionC;
  Mixed_6e: InceptionC;
  AuxLogits: InceptionAux | null;
  Mixed_7a: InceptionD;
  Mixed_7b: InceptionE;
  Mixed_7c: InceptionE;
  avgpool: nn.AdaptiveAvgPool2d;
  dropout: nn.Dropout;
  fc: nn.Linear;

  constructor({
    num_classes = 1000,
    aux_logits = true,
    transform_input = false,
    init_weights = null,
    dropout = 0.5,
  }: Inception3Options = {}) {
    super();
    if (init_weights === null) warnOfInitialization("inception_v3");
    this.aux_logits = aux_logits;
    this.transform_input = transform_input;
    this.Conv2d_1a_3x3 = halving(3, 32);
    this.Conv2d_2a_3x3 = new BasicConv2d(32, 32, { kernel_size: 3 });
    this.Conv2d_2b_3x3 = spatial(32, 64, 3);
    this.maxpool1 = new nn.MaxPool2d(3, 2);
    this.Conv2d_3b_1x1 = pointwise(64, 80);
    this.Conv2d_4a_3x3 = new BasicConv2d(80, 192, { kernel_size: 3 });
    this.maxpool2 = new nn.MaxPool2d(3, 2);
    this.Mixed_5b = new InceptionA(192, 32);
    this.Mixed_5c = new InceptionA(256, 64);
    this.Mixed_5d = new InceptionA(288, 64);
    this.Mixed_6a = new InceptionB(288);
    this.Mixed_6b = new InceptionC(768, 128);
    this.Mixed_6c = new InceptionC(768, 160);
    this.Mixed_6d = new InceptionC(768, 160);
    this.Mixed_6e = new InceptionC(768, 192);
    this.AuxLogits = aux_logits ? new InceptionAux(768, num_classes) : null;
    this.Mixed_7a = new InceptionD(768);
    this.Mixed_7b = new InceptionE(1280);
    this.Mixed_7c = new InceptionE(2048);
    this.avgpool = new nn.AdaptiveAvgPool2d([1, 1]);
    this.dropout = new nn.Dropout(dropout);
    this.fc = new nn.Linear(2048, num_classes);
    // torchvision also notes 0.01 for AuxLogits.conv1, but on the block, where the initialization does not look.
    if (init_weights ?? true) initializeTruncated(this, (m) => (m === this.AuxLogits?.fc ? 0.001 : 0.1));
  }

  override forward(x: Tensor): Tensor | InceptionOutputs {
    if (this.transform_input) x = normalizedByHalves(x);
    x = this.Conv2d_2b_3x3(this.Conv2d_2a_3x3(this.Conv2d_1a_3x3(x)));
    x = this.Conv2d_4a_3x3(this.Conv2d_3b_1x1(this.maxpool1(x)));
    x = this.Mixed_5d(this.Mixed_5c(this.Mixed_5b(this.maxpool2(x))));
    x = this.Mixed_6c(this.Mixed_6b(this.Mixed_6a(x)));
    x = this.Mixed_6e(this.Mixed_6d(x));
    const aux = this.training && this.AuxLogits !== null ? this.AuxLogits(x) : null;
    x = this.Mixed_7c(this.Mixed_7b(this.Mixed_7a(x)));
    x = this.fc(this.dropout(this.avgpool(x)).flatten(1));
    return this.aux_logits && aux !== null ? outputsOf([x, aux]) : x;
  }
}

export class Inception_V3_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Inception_V3_Weights({
    url: "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
    transforms: imageClassification({ crop_size: 299, resize_size: 342 }),
    meta: {
      num_params: 27161264,
      min_size: [75, 75],
      categories: IMAGENET_CATEGORIES,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#inception-v3",
      _metrics: imageNetMetrics(77.294, 93.45),
      _ops: 5.713,
      _file_size: 103.903,
    },
  });
  static readonly DEFAULT = Inception_V3_Weights.IMAGENET1K_V1;
}

export const inception_v3 = modelBuilder(
  "inception_v3",
  Inception_V3_Weights,
  (config: Inception3Options, weights) => {
    if (weights === null) return new Inception3(config);
    const { aux_logits, ...rest } = config;
    return new Inception3({ transform_input: true, ...overwriteNamedParam(rest, "init_weights", false) });
  },
  {
    loaded: (model, { aux_logits = true }) => {
      if (aux_logits) return;
      model.aux_logits = false;
      model.AuxLogits = null;
    },
  },
);
