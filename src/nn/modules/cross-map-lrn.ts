/** The older form of local response normalization. */
import { ValueError } from "../../errors.ts";
import { tensor } from "../../ops/creation.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import { Module } from "../module.ts";
import { type Arguments, floatText, layerArguments } from "../options.ts";

export interface CrossMapLRN2dOptions {
  /** How many neighbouring channels count. */
  readonly size: number;
  /** Default 1e-4. */
  readonly alpha?: number;
  /** Default 0.75. */
  readonly beta?: number;
  /** Default 1. */
  readonly k?: number;
}

/** `x / (k + α/size · Σ x²)^β` over neighbouring channels of (N, C, H, W); LocalResponseNorm is the newer form. */
export class CrossMapLRN2d extends Module {
  size: number;
  alpha: number;
  beta: number;
  k: number;

  constructor(...args: Arguments<CrossMapLRN2dOptions, [size: number], [alpha?: number, beta?: number, k?: number]>) {
    super();
    const options = layerArguments<CrossMapLRN2dOptions>(
      "CrossMapLRN2d.__init__(int size, float alpha=1e-4, float beta=0.75, float k=1)",
      args,
    );
    this.size = options.size;
    this.alpha = options.alpha;
    this.beta = options.beta;
    this.k = options.k;
  }

  override forward(input: Tensor): Tensor {
    if (input.dim() !== 4) throw new ValueError(`CrossMapLRN2d: Expected input to be 4D, got ${input.dim()}D instead.`);
    const [n, channels, h, w] = input.shape;
    const reach = Math.trunc((this.size - 1) / 2 + 1);
    // PyTorch slides the window by adding and removing a channel, and never removes the first: so it counts everywhere.
    const counts = (c: number, other: number): boolean => other === 0 || (other > c - reach && other < c + reach);
    const band = Float64Array.from({ length: channels * channels }, (_, i) =>
      counts(Math.floor(i / channels), i % channels) ? 1 : 0,
    );
    const matrix = tensor(band).to(input.dtype).reshape([channels, channels]);
    const sums = matrix.matmul(input.square().reshape([n, channels, h * w])).reshape([n, channels, h, w]);
    return input.mul(
      sums
        .mul(this.alpha / this.size)
        .add(this.k)
        .pow(-this.beta),
    );
  }

  override extra_repr(): string {
    const { size, alpha, beta, k } = this;
    return `${size}, alpha=${pythonRepr(alpha)}, beta=${pythonRepr(beta)}, k=${floatText(k, Number.NaN)}`;
  }
}
