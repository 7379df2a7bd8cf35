/** Distances: https://pytorch.org/docs/stable/nn.html#distance-functions */
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import { Module } from "../module.ts";
import { type Arguments, layerArguments } from "../options.ts";

export interface CosineSimilarityOptions {
  /** Default 1. */
  readonly dim?: number;
  /** Keeps the divisor away from zero. Default 1e-8. */
  readonly eps?: number;
}

/** `x₁·x₂ / max(‖x₁‖‖x₂‖, eps)` along dimension `dim`. */
export class CosineSimilarity extends Module {
  dim: number;
  eps: number;

  constructor(...args: Arguments<CosineSimilarityOptions, [], [dim?: number, eps?: number]>) {
    super();
    const signature = "CosineSimilarity.__init__(int dim=1, float eps=1e-8)";
    const { dim, eps } = layerArguments<CosineSimilarityOptions>(signature, args);
    this.dim = dim;
    this.eps = eps;
  }

  override forward(x1: Tensor, x2: Tensor): Tensor {
    return F.cosine_similarity(x1, x2, this.dim, this.eps);
  }
}

export interface PairwiseDistanceOptions {
  /** The order of the norm. Default 2. */
  readonly p?: number;
  /** Added to the difference. Default 1e-6. */
  readonly eps?: number;
  /** Keep the last dimension, with size 1. Default false. */
  readonly keepdim?: boolean;
}

/** `‖x₁ − x₂ + eps‖ₚ` along the last dimension. */
export class PairwiseDistance extends Module {
  norm: number;
  eps: number;
  keepdim: boolean;

  constructor(...args: Arguments<PairwiseDistanceOptions, [], [p?: number, eps?: number, keepdim?: boolean]>) {
    super();
    const signature = "PairwiseDistance.__init__(float p=2, float eps=1e-6, bool keepdim=False)";
    const { p, eps, keepdim } = layerArguments<PairwiseDistanceOptions>(signature, args);
    this.norm = p;
    this.eps = eps;
    this.keepdim = keepdim;
  }

  override forward(x1: Tensor, x2: Tensor): Tensor {
    return F.pairwise_distance(x1, x2, this.norm, this.eps, this.keepdim);
  }
}
