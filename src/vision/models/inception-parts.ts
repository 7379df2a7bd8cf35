/** What GoogLeNet and Inception v3 share. */
import * as nn from "../../nn/index.ts";
import { cat } from "../../ops/joining.ts";
import type { Tensor } from "../../tensor.ts";

export interface BasicConvOptions {
  readonly kernel_size: number | readonly [number, number];
  /** Default 1. */
  readonly stride?: number;
  /** Default 0. */
  readonly padding?: number | readonly [number, number];
}

/** A convolution without bias, a batch norm, and ReLU. */
export class BasicConv2d extends nn.Module {
  conv: nn.Conv2d;
  bn: nn.BatchNorm2d;

  constructor(in_channels: number, out_channels: number, { kernel_size, stride = 1, padding = 0 }: BasicConvOptions) {
    super();
    this.conv = new nn.Conv2d(in_channels, out_channels, kernel_size, { stride, padding, bias: false });
    this.bn = new nn.BatchNorm2d(out_channels, { eps: 0.001 });
  }

  override forward(x: Tensor): Tensor {
    return nn.functional.relu(this.bn(this.conv(x)), true);
  }
}

/** ImageNet's means and deviations by channel, with which pictures for most models are normalized. */
const MEANS = [0.485, 0.456, 0.406] as const;
const DEVIATIONS = [0.229, 0.224, 0.225] as const;

/** Pictures normalized for ImageNet, as if they were normalized to [-1, 1], as the published weights want them. */
export function normalizedByHalves(x: Tensor): Tensor {
  const channels = DEVIATIONS.map((deviation, i) =>
    x
      .select(1, i)
      .unsqueeze(1)
      .mul(deviation / 0.5)
      .add((MEANS[i] - 0.5) / 0.5),
  );
  return cat(channels, 1);
}

const warned = new Set<string>();

/** Says once, as torchvision does, that `init_weights` should be given. */
export function warnOfInitialization(model: string): void {
  if (warned.has(model)) return;
  warned.add(model);
  console.warn(
    `FutureWarning: The default weight initialization of ${model} will be changed in future releases of torchvision. ` +
      "If you wish to keep the old behavior (which leads to long initialization times due to scipy/scipy#11299), " +
      "please set init_weights=True.",
  );
}

/** Initial weights: truncated normals, with a deviation for each layer. */
export function initializeTruncated(model: nn.Module, deviation: (layer: nn.Conv2d | nn.Linear) => number): void {
  for (const m of model.modules()) {
    if (m instanceof nn.Conv2d || m instanceof nn.Linear) {
      nn.init.trunc_normal_(m.weight, { mean: 0, std: deviation(m), a: -2, b: 2 });
    } else if (m instanceof nn.BatchNorm2d) {
      if (m.weight !== null) nn.init.ones_(m.weight);
      if (m.bias !== null) nn.init.zeros_(m.bias);
    }
  }
}
