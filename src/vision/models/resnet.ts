/**
 * ResNet: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", https://arxiv.org/abs/1512.03385, with the
 * stride of bottlenecks in the 3 × 3 convolution ("ResNet V1.5"). ResNeXt: https://arxiv.org/abs/1611.05431. Wide ResNet:
 * https://arxiv.org/abs/1605.07146.
 */
import { NotImplementedError, ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Tensor } from "../../tensor.ts";
import { type Layer, makeLayer, type NormMaker } from "../ops/layer-maker.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

/** 3 × 3 convolution with padding. */
function conv3x3(in_planes: number, out_planes: number, stride = 1, groups = 1, dilation = 1): nn.Conv2d {
  return new nn.Conv2d(in_planes, out_planes, 3, { stride, padding: dilation, groups, bias: false, dilation });
}

/** 1 × 1 convolution. */
function conv1x1(in_planes: number, out_planes: number, stride = 1): nn.Conv2d {
  return new nn.Conv2d(in_planes, out_planes, 1, { stride, bias: false });
}

export interface BlockOptions {
  /** Default 1. */
  readonly stride?: number;
  /** What brings the input to the shape of the output; null, the default, where it has it. */
  readonly downsample?: Layer | null;
  /** Default 1. */
  readonly groups?: number;
  /** Channels of each group, where `planes` is 64. Default 64. */
  readonly base_width?: number;
  /** Default 1. */
  readonly dilation?: number;
  /** Default BatchNorm2d. */
  readonly norm_layer?: NormMaker | null;
}

/** Two 3 × 3 convolutions around which the input is led. */
export class BasicBlock extends nn.Module {
  static readonly expansion: number = 1;
  conv1: nn.Conv2d;
  bn1: Layer;
  relu: nn.ReLU;
  conv2: nn.Conv2d;
  bn2: Layer;
  downsample: Layer | null;
  stride: number;

  constructor(inplanes: number, planes: number, options: BlockOptions = {}) {
    super();
    const { stride = 1, downsample = null, groups = 1, base_width = 64, dilation = 1 } = options;
    const norm = options.norm_layer ?? nn.BatchNorm2d;
    if (groups !== 1 || base_width !== 64) {
      throw new ValueError("BasicBlock only supports groups=1 and base_width=64");
    }
    if (dilation > 1) throw new NotImplementedError("Dilation > 1 not supported in BasicBlock");
    // Both conv1 and downsample divide the size where stride is not 1.
    this.conv1 = conv3x3(inplanes, planes, stride);
    this.bn1 = makeLayer(norm, planes);
    this.relu = new nn.ReLU(true);
    this.conv2 = conv3x3(planes, planes);
    this.bn2 = makeLayer(norm, planes);
    this.downsample = downsample;
    this.stride = stride;
  }

  override forward(x: Tensor): Tensor {
    let out = this.relu(this.bn1(this.conv1(x)));
    out = this.bn2(this.conv2(out));
    const identity = this.downsample === null ? x : this.downsample(x);
    return this.relu(out.add_(identity));
  }
}

/** A 3 × 3 convolution between two of 1 × 1, which narrow and widen. */
export class Bottleneck extends nn.Module {
  static readonly expansion: number = 4;
  conv1: nn.Conv2d;
  bn1: Layer;
  conv2: nn.Conv2d;
  bn2: Layer;
  conv3: nn.Conv2d;
  bn3: Layer;
  relu: nn.ReLU;
  downsample: Layer | null;
  stride: number;

  constructor(inplanes: number, planes: number, options: BlockOptions = {}) {
    super();
    const { stride = 1, downsample = null, groups = 1, base_width = 64, dilation = 1 } = options;
    const norm = options.norm_layer ?? nn.BatchNorm2d;
    const width = Math.floor(planes * (base_width / 64)) * groups;
    const outputs = planes * Bottleneck.expansion;
    this.conv1 = conv1x1(inplanes, width);
    this.bn1 = makeLayer(norm, width);
    this.conv2 = conv3x3(width, width, stride, groups, dilation);
    this.bn2 = makeLayer(norm, width);
    this.conv3 = conv1x1(width, outputs);
    this.bn3 = makeLayer(norm, outputs);
    this.relu = new nn.ReLU(true);
    this.downsample = downsample;
    this.stride = stride;
  }

  override forward(x: Tensor): Tensor {
    let out = this.relu(this.bn1(this.conv1(x)));
    out = this.relu(this.bn2(this.conv2(out)));
    out = this.bn3(this.conv3(out));
    const identity = this.downsample === null ? x : this.downsample(x);
    return this.relu(out.add_(identity));
  }
}

/** A class of residual blocks. */
export type BlockClass = typeof BasicBlock | typeof Bottleneck;

export interface ResNetOptions {
  /** Default 1000. */
  readonly num_classes?: number;
  /** Start with residual blocks that change nothing: https://arxiv.org/abs/1706.02677. Default false. */
  readonly zero_init_residual?: boolean;
  /** Groups of the 3 × 3 convolutions of bottlenecks. Default 1. */
  readonly groups?: number;
  /** Channels of each group in the first stage. Default 64. */
  readonly width_per_group?: number;
  /** For each of the last three stages whether it dilates instead of halving the size. Default: none. */
  readonly replace_stride_with_dilation?: readonly boolean[] | null;
  /** Default BatchNorm2d. */
  readonly norm_layer?: NormMaker | null;
}

/** Input (N, 3, H, W), output (N, num_classes). `layers` says how many blocks each of the four stages has. */
export class ResNet extends nn.Module {
  inplanes: number;
  dilation: number;
  groups: number;
  base_width: number;
  conv1: nn.Conv2d;
  bn1: Layer;
  relu: nn.ReLU;
  maxpool: nn.MaxPool2d;
  layer1: nn.Sequential;
  layer2: nn.Sequential;
  layer3: nn.Sequential;
  layer4: nn.Sequential;
  avgpool: nn.AdaptiveAvgPool2d;
  /** The classifier: replace it to fine-tune on other labels. */
  fc: Layer;

  constructor(block: BlockClass, layers: readonly number[], options: ResNetOptions = {}) {
    super();
    const { num_classes = 1000, zero_init_residual = false, groups = 1, width_per_group = 64 } = options;
    const norm = options.norm_layer ?? nn.BatchNorm2d;
    const dilate = options.replace_stride_with_dilation ?? [false, false, false];
    if (dilate.length !== 3) {
      throw new ValueError(
        `replace_stride_with_dilation should be None or a 3-element tuple, got [${dilate.join(", ")}]`,
      );
    }
    this.inplanes = 64;
    this.dilation = 1;
    this.groups = groups;
    this.base_width = width_per_group;
    this.conv1 = new nn.Conv2d(3, this.inplanes, 7, { stride: 2, padding: 3, bias: false });
    this.bn1 = makeLayer(norm, this.inplanes);
    this.relu = new nn.ReLU(true);
    this.maxpool = new nn.MaxPool2d(3, 2, 1);
    this.layer1 = this.makeStage(block, 64, layers[0], 1, false, norm);
    this.layer2 = this.makeStage(block, 128, layers[1], 2, dilate[0], norm);
    this.layer3 = this.makeStage(block, 256, layers[2], 2, dilate[1], norm);
    this.layer4 = this.makeStage(block, 512, layers[3], 2, dilate[2], norm);
    this.avgpool = new nn.AdaptiveAvgPool2d([1, 1]);
    this.fc = new nn.Linear(512 * block.expansion, num_classes);
    this.initialize(zero_init_residual);
  }

  private initialize(zero_init_residual: boolean): void {
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) nn.init.kaiming_normal_(m.weight, { mode: "fan_out", nonlinearity: "relu" });
      else if (m instanceof nn.BatchNorm2d || m instanceof nn.GroupNorm) {
        if (m.weight !== null) nn.init.ones_(m.weight);
        if (m.bias !== null) nn.init.zeros_(m.bias);
      }
    }
    if (!zero_init_residual) return;
    for (const m of this.modules()) {
      const last = m instanceof Bottleneck ? m.bn3 : m instanceof BasicBlock ? m.bn2 : null;
      if (last instanceof nn.BatchNorm2d && last.weight !== null) nn.init.zeros_(last.weight);
    }
  }

  private makeStage(
    block: BlockClass,
    planes: number,
    count: number,
    stride: number,
    dilate: boolean,
    norm_layer: NormMaker,
  ): nn.Sequential {
    const { groups, base_width, dilation: before } = this;
    if (dilate) this.dilation *= stride;
    const first = dilate ? 1 : stride;
    const outputs = planes * block.expansion;
    let downsample: nn.Sequential | null = null;
    if (first !== 1 || this.inplanes !== outputs) {
      downsample = new nn.Sequential(conv1x1(this.inplanes, outputs, first), makeLayer(norm_layer, outputs));
    }
    const shared = { groups, base_width, norm_layer };
    const blocks = [new block(this.inplanes, planes, { ...shared, stride: first, downsample, dilation: before })];
    this.inplanes = outputs;
    for (let i = 1; i < count; i++) {
      blocks.push(new block(this.inplanes, planes, { ...shared, dilation: this.dilation }));
    }
    return new nn.Sequential(...blocks);
  }

  override forward(x: Tensor): Tensor {
    x = this.maxpool(this.relu(this.bn1(this.conv1(x))));
    x = this.layer4(this.layer3(this.layer2(this.layer1(x))));
    x = this.avgpool(x).flatten(1);
    return this.fc(x);
  }
}

const COMMON_META = { min_size: [1, 1], categories: IMAGENET_CATEGORIES } as const;
const RECIPES = "https://github.com/pytorch/vision";

export class ResNet18_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ResNet18_Weights({
    url: "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 11689512,
      recipe: `${RECIPES}/tree/main/references/classification#resnet`,
      _metrics: imageNetMetrics(69.758, 89.078),
      _ops: 1.814,
      _file_size: 44.661,
    },
  });
  static readonly DEFAULT = ResNet18_Weights.IMAGENET1K_V1;
}

export class ResNet34_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ResNet34_Weights({
    url: "https://download.pytorch.org/models/resnet34-b627a593.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 21797672,
      recipe: `${RECIPES}/tree/main/references/classification#resnet`,
      _metrics: imageNetMetrics(73.314, 91.42),
      _ops: 3.664,
      _file_size: 83.275,
    },
  });
  static readonly DEFAULT = ResNet34_Weights.IMAGENET1K_V1;
}

export class ResNet50_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ResNet50_Weights({
    url: "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 25557032,
      recipe: `${RECIPES}/tree/main/references/classification#resnet`,
      _metrics: imageNetMetrics(76.13, 92.862),
      _ops: 4.089,
      _file_size: 97.781,
    },
  });
  static readonly IMAGENET1K_V2 = new ResNet50_Weights({
    url: "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 25557032,
      recipe: `${RECIPES}/issues/3995#issuecomment-1013906621`,
      _metrics: imageNetMetrics(80.858, 95.434),
      _ops: 4.089,
      _file_size: 97.79,
    },
  });
  static readonly DEFAULT = ResNet50_Weights.IMAGENET1K_V2;
}

export class ResNet101_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ResNet101_Weights({
    url: "https://download.pytorch.org/models/resnet101-63fe2227.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 44549160,
      recipe: `${RECIPES}/tree/main/references/classification#resnet`,
      _metrics: imageNetMetrics(77.374, 93.546),
      _ops: 7.801,
      _file_size: 170.511,
    },
  });
  static readonly IMAGENET1K_V2 = new ResNet101_Weights({
    url: "https://download.pytorch.org/models/resnet101-cd907fc2.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 44549160,
      recipe: `${RECIPES}/issues/3995#new-recipe`,
      _metrics: imageNetMetrics(81.886, 95.78),
      _ops: 7.801,
      _file_size: 170.53,
    },
  });
  static readonly DEFAULT = ResNet101_Weights.IMAGENET1K_V2;
}

export class ResNet152_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ResNet152_Weights({
    url: "https://download.pytorch.org/models/resnet152-394f9c45.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 60192808,
      recipe: `${RECIPES}/tree/main/references/classification#resnet`,
      _metrics: imageNetMetrics(78.312, 94.046),
      _ops: 11.514,
      _file_size: 230.434,
    },
  });
  static readonly IMAGENET1K_V2 = new ResNet152_Weights({
    url: "https://download.pytorch.org/models/resnet152-f82ba261.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 60192808,
      recipe: `${RECIPES}/issues/3995#new-recipe`,
      _metrics: imageNetMetrics(82.284, 96.002),
      _ops: 11.514,
      _file_size: 230.474,
    },
  });
  static readonly DEFAULT = ResNet152_Weights.IMAGENET1K_V2;
}

export class ResNeXt50_32X4D_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ResNeXt50_32X4D_Weights({
    url: "https://download.pytorch.org/models/resnext50_32x4d-7cdf4587.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 25028904,
      recipe: `${RECIPES}/tree/main/references/classification#resnext`,
      _metrics: imageNetMetrics(77.618, 93.698),
      _ops: 4.23,
      _file_size: 95.789,
    },
  });
  static readonly IMAGENET1K_V2 = new ResNeXt50_32X4D_Weights({
    url: "https://download.pytorch.org/models/resnext50_32x4d-1a0047aa.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 25028904,
      recipe: `${RECIPES}/issues/3995#new-recipe`,
      _metrics: imageNetMetrics(81.198, 95.34),
      _ops: 4.23,
      _file_size: 95.833,
    },
  });
  static readonly DEFAULT = ResNeXt50_32X4D_Weights.IMAGENET1K_V2;
}

export class ResNeXt101_32X8D_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ResNeXt101_32X8D_Weights({
    url: "https://download.pytorch.org/models/resnext101_32x8d-8ba56ff5.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 88791336,
      recipe: `${RECIPES}/tree/main/references/classification#resnext`,
      _metrics: imageNetMetrics(79.312, 94.526),
      _ops: 16.414,
      _file_size: 339.586,
    },
  });
  static readonly IMAGENET1K_V2 = new ResNeXt101_32X8D_Weights({
    url: "https://download.pytorch.org/models/resnext101_32x8d-110c445d.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 88791336,
      recipe: `${RECIPES}/issues/3995#new-recipe-with-fixres`,
      _metrics: imageNetMetrics(82.834, 96.228),
      _ops: 16.414,
      _file_size: 339.673,
    },
  });
  static readonly DEFAULT = ResNeXt101_32X8D_Weights.IMAGENET1K_V2;
}

export class ResNeXt101_64X4D_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ResNeXt101_64X4D_Weights({
    url: "https://download.pytorch.org/models/resnext101_64x4d-173b62eb.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 83455272,
      recipe: `${RECIPES}/pull/5935`,
      _metrics: imageNetMetrics(83.246, 96.454),
      _ops: 15.46,
      _file_size: 319.318,
    },
  });
  static readonly DEFAULT = ResNeXt101_64X4D_Weights.IMAGENET1K_V1;
}

export class Wide_ResNet50_2_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Wide_ResNet50_2_Weights({
    url: "https://download.pytorch.org/models/wide_resnet50_2-95faca4d.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 68883240,
      recipe: `${RECIPES}/pull/912#issue-445437439`,
      _metrics: imageNetMetrics(78.468, 94.086),
      _ops: 11.398,
      _file_size: 131.82,
    },
  });
  static readonly IMAGENET1K_V2 = new Wide_ResNet50_2_Weights({
    url: "https://download.pytorch.org/models/wide_resnet50_2-9ba9bcbe.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 68883240,
      recipe: `${RECIPES}/issues/3995#new-recipe-with-fixres`,
      _metrics: imageNetMetrics(81.602, 95.758),
      _ops: 11.398,
      _file_size: 263.124,
    },
  });
  static readonly DEFAULT = Wide_ResNet50_2_Weights.IMAGENET1K_V2;
}

export class Wide_ResNet101_2_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Wide_ResNet101_2_Weights({
    url: "https://download.pytorch.org/models/wide_resnet101_2-32ee1156.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 126886696,
      recipe: `${RECIPES}/pull/912#issue-445437439`,
      _metrics: imageNetMetrics(78.848, 94.284),
      _ops: 22.753,
      _file_size: 242.896,
    },
  });
  static readonly IMAGENET1K_V2 = new Wide_ResNet101_2_Weights({
    url: "https://download.pytorch.org/models/wide_resnet101_2-d733dc28.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 126886696,
      recipe: `${RECIPES}/issues/3995#new-recipe`,
      _metrics: imageNetMetrics(82.51, 96.02),
      _ops: 22.753,
      _file_size: 484.747,
    },
  });
  static readonly DEFAULT = Wide_ResNet101_2_Weights.IMAGENET1K_V2;
}

/** What makes the model of one depth. */
const resNet =
  (block: BlockClass, layers: readonly number[], fixed: ResNetOptions = {}) =>
  (config: ResNetOptions): ResNet =>
    new ResNet(block, layers, { ...config, ...fixed });

export const resnet18 = modelBuilder("resnet18", ResNet18_Weights, resNet(BasicBlock, [2, 2, 2, 2]));
export const resnet34 = modelBuilder("resnet34", ResNet34_Weights, resNet(BasicBlock, [3, 4, 6, 3]));
export const resnet50 = modelBuilder("resnet50", ResNet50_Weights, resNet(Bottleneck, [3, 4, 6, 3]));
export const resnet101 = modelBuilder("resnet101", ResNet101_Weights, resNet(Bottleneck, [3, 4, 23, 3]));
export const resnet152 = modelBuilder("resnet152", ResNet152_Weights, resNet(Bottleneck, [3, 8, 36, 3]));
export const resnext50_32x4d = modelBuilder(
  "resnext50_32x4d",
  ResNeXt50_32X4D_Weights,
  resNet(Bottleneck, [3, 4, 6, 3], { groups: 32, width_per_group: 4 }),
);
export const resnext101_32x8d = modelBuilder(
  "resnext101_32x8d",
  ResNeXt101_32X8D_Weights,
  resNet(Bottleneck, [3, 4, 23, 3], { groups: 32, width_per_group: 8 }),
);
export const resnext101_64x4d = modelBuilder(
  "resnext101_64x4d",
  ResNeXt101_64X4D_Weights,
  resNet(Bottleneck, [3, 4, 23, 3], { groups: 64, width_per_group: 4 }),
);
export const wide_resnet50_2 = modelBuilder(
  "wide_resnet50_2",
  Wide_ResNet50_2_Weights,
  resNet(Bottleneck, [3, 4, 6, 3], { width_per_group: 128 }),
);
export const wide_resnet101_2 = modelBuilder(
  "wide_resnet101_2",
  Wide_ResNet101_2_Weights,
  resNet(Bottleneck, [3, 4, 23, 3], { width_per_group: 128 }),
);
