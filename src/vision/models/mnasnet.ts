/** MnasNet (variant B1): a network searched for phones. Tan et al., 2019, https://arxiv.org/abs/1807.11626 */
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { resetNorm } from "./mobilenetv2.ts";
import { modelBuilder } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

/** The paper gives 0.9997, as TensorFlow counts it; PyTorch's momentum is the rest to 1. */
const BN_MOMENTUM = 1 - 0.9997;

function convolution(input: number, output: number, options: { kernel?: number; stride?: number; groups?: number }) {
  const { kernel = 1, stride = 1, groups = 1 } = options;
  return new nn.Conv2d(input, output, kernel, { padding: (kernel - 1) / 2, stride, groups, bias: false });
}

function norm(channels: number, momentum: number = BN_MOMENTUM): nn.BatchNorm2d {
  return new nn.BatchNorm2d(channels, { momentum });
}

/** Widens, filters each channel, and narrows. The text shows the name that torchvision gives it. */
class _InvertedResidual extends nn.Module {
  apply_residual: boolean;
  layers: nn.Sequential;

  constructor(
    in_ch: number,
    out_ch: number,
    kernel_size: number,
    stride: number,
    expansion_factor: number,
    bn_momentum = 0.1,
  ) {
    super();
    if (stride !== 1 && stride !== 2) throw new ValueError(`stride should be 1 or 2 instead of ${stride}`);
    if (kernel_size !== 3 && kernel_size !== 5) {
      throw new ValueError(`kernel_size should be 3 or 5 instead of ${kernel_size}`);
    }
    const middle = in_ch * expansion_factor;
    this.apply_residual = in_ch === out_ch && stride === 1;
    this.layers = new nn.Sequential<Module>(
      convolution(in_ch, middle, {}),
      norm(middle, bn_momentum),
      new nn.ReLU(true),
      convolution(middle, middle, { kernel: kernel_size, stride, groups: middle }),
      norm(middle, bn_momentum),
      new nn.ReLU(true),
      convolution(middle, out_ch, {}),
      norm(out_ch, bn_momentum),
    );
  }

  override forward(input: Tensor): Tensor {
    return this.apply_residual ? this.layers(input).add(input) : this.layers(input);
  }
}

/** Blocks of one size; the first one has the stride and changes the number of channels. */
interface Stack {
  readonly kernel: number;
  readonly stride: number;
  readonly expansion: number;
  readonly repeats: number;
}

const STACKS: readonly Stack[] = [
  { kernel: 3, stride: 2, expansion: 3, repeats: 3 },
  { kernel: 5, stride: 2, expansion: 3, repeats: 3 },
  { kernel: 5, stride: 2, expansion: 6, repeats: 3 },
  { kernel: 3, stride: 1, expansion: 6, repeats: 2 },
  { kernel: 5, stride: 2, expansion: 6, repeats: 4 },
  { kernel: 3, stride: 1, expansion: 6, repeats: 1 },
];

function stackOf(input: number, output: number, { kernel, stride, expansion, repeats }: Stack): nn.Sequential {
  const blocks: Module[] = [];
  for (let i = 0; i < repeats; i++) {
    const [channels, step] = i === 0 ? [input, stride] : [output, 1];
    blocks.push(new _InvertedResidual(channels, output, kernel, step, expansion, BN_MOMENTUM));
  }
  return new nn.Sequential(...blocks);
}

/** The multiple of 8 that is nearest to `value`; the next one where that would be less than 90 % of it. */
function roundedChannels(value: number): number {
  const nearest = Math.max(8, Math.floor(Math.trunc(value + 4) / 8) * 8);
  return nearest >= 0.9 * value ? nearest : nearest + 8;
}

function depthsOf(alpha: number): number[] {
  return [32, 16, 24, 40, 80, 96, 192, 320].map((depth) => roundedChannels(depth * alpha));
}

/** The layers before the stacks, whose numbers in `layers` are 0 to 7. */
function stem(first: number, second: number): Module[] {
  return [
    convolution(3, first, { kernel: 3, stride: 2 }),
    norm(first),
    new nn.ReLU(true),
    convolution(first, first, { kernel: 3, groups: first }),
    norm(first),
    new nn.ReLU(true),
    convolution(first, second, {}),
    norm(second),
  ];
}

export interface MNASNetOptions {
  /** Factor for the number of channels. */
  readonly alpha: number;
  /** Default 1000. */
  readonly num_classes?: number;
  /** Default 0.2. */
  readonly dropout?: number;
}

/** Input (N, 3, H, W), output (N, num_classes). */
export class MNASNet extends nn.Module {
  /** Version 2 scales the first layers with `alpha` too. */
  static override readonly stateVersion: number = 2;
  alpha: number;
  num_classes: number;
  layers: nn.Sequential;
  classifier: nn.Sequential;
  private readonly version: { number: number };

  constructor(...args: Arguments<MNASNetOptions, [alpha: number], [num_classes?: number, dropout?: number]>) {
    super();
    const { alpha, num_classes, dropout } = layerArguments<MNASNetOptions>(
      "MNASNet.__init__(float alpha, int num_classes=1000, float dropout=0.2)",
      args,
    );
    if (alpha <= 0) throw new ValueError(`alpha should be greater than 0.0 instead of ${pythonRepr(alpha)}`);
    const depths = depthsOf(alpha);
    this.version = { number: MNASNet.stateVersion };
    this.alpha = alpha;
    this.num_classes = num_classes;
    this.layers = new nn.Sequential(
      ...stem(depths[0], depths[1]),
      ...STACKS.map((stack, i) => stackOf(depths[i + 1], depths[i + 2], stack)),
      convolution(depths[7], 1280, {}),
      norm(1280),
      new nn.ReLU(true),
    );
    this.classifier = new nn.Sequential(new nn.Dropout(dropout, true), new nn.Linear(1280, num_classes));
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) nn.init.kaiming_normal_(m.weight, { mode: "fan_out", nonlinearity: "relu" });
      else if (m instanceof nn.BatchNorm2d) resetNorm(m);
      else if (m instanceof nn.Linear) {
        nn.init.kaiming_uniform_(m.weight, { mode: "fan_out", nonlinearity: "sigmoid" });
        if (m.bias !== null) nn.init.zeros_(m.bias);
      }
    }
  }

  override forward(x: Tensor): Tensor {
    return this.classifier(this.layers(x).mean([2, 3]));
  }

  override currentStateVersion(): number {
    return this.version.number;
  }

  /** A state of version 1 makes this a network of version 1, whose first layers have the same size for every `alpha`. */
  override upgradeState(_state: Record<string, unknown>, _prefix: string, version: number | null): void {
    if (version !== 1 && version !== 2) {
      throw new ValueError(`version should be set to 1 or 2 instead of ${version ?? "None"}`);
    }
    if (version === 2 || this.alpha === 1) return;
    const old = [...stem(32, 16), stackOf(16, depthsOf(this.alpha)[2], STACKS[0])];
    for (const [i, layer] of old.entries()) this.layers[i] = layer;
    this.version.number = 1;
    console.warn(
      "UserWarning: this checkpoint is of the first version of MNASNet, whose first layers do not depend on alpha. The model is now of that version too.",
    );
  }
}

const COMMON_META = { min_size: [1, 1], categories: IMAGENET_CATEGORIES } as const;

export class MNASNet0_5_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new MNASNet0_5_Weights({
    url: "https://download.pytorch.org/models/mnasnet0.5_top1_67.823-3ffadce67e.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 2218512,
      recipe: "https://github.com/1e100/mnasnet_trainer",
      _metrics: imageNetMetrics(67.734, 87.49),
      _ops: 0.104,
      _file_size: 8.591,
    },
  });
  static readonly DEFAULT = MNASNet0_5_Weights.IMAGENET1K_V1;
}

export class MNASNet0_75_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new MNASNet0_75_Weights({
    url: "https://download.pytorch.org/models/mnasnet0_75-7090bc5f.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 3170208,
      recipe: "https://github.com/pytorch/vision/pull/6019",
      _metrics: imageNetMetrics(71.18, 90.496),
      _ops: 0.215,
      _file_size: 12.303,
    },
  });
  static readonly DEFAULT = MNASNet0_75_Weights.IMAGENET1K_V1;
}

export class MNASNet1_0_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new MNASNet1_0_Weights({
    url: "https://download.pytorch.org/models/mnasnet1.0_top1_73.512-f206786ef8.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 4383312,
      recipe: "https://github.com/1e100/mnasnet_trainer",
      _metrics: imageNetMetrics(73.456, 91.51),
      _ops: 0.314,
      _file_size: 16.915,
    },
  });
  static readonly DEFAULT = MNASNet1_0_Weights.IMAGENET1K_V1;
}

export class MNASNet1_3_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new MNASNet1_3_Weights({
    url: "https://download.pytorch.org/models/mnasnet1_3-a4c69d6f.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 6282256,
      recipe: "https://github.com/pytorch/vision/pull/6019",
      _metrics: imageNetMetrics(76.506, 93.522),
      _ops: 0.526,
      _file_size: 24.246,
    },
  });
  static readonly DEFAULT = MNASNet1_3_Weights.IMAGENET1K_V1;
}

type BuilderOptions = Omit<MNASNetOptions, "alpha">;

const builder =
  (alpha: number) =>
  (config: BuilderOptions): MNASNet =>
    new MNASNet({ alpha, ...config });

export const mnasnet0_5 = modelBuilder("mnasnet0_5", MNASNet0_5_Weights, builder(0.5));
export const mnasnet0_75 = modelBuilder("mnasnet0_75", MNASNet0_75_Weights, builder(0.75));
export const mnasnet1_0 = modelBuilder("mnasnet1_0", MNASNet1_0_Weights, builder(1));
export const mnasnet1_3 = modelBuilder("mnasnet1_3", MNASNet1_3_Weights, builder(1.3));
