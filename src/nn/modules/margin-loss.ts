/** Losses with margins: https://pytorch.org/docs/stable/nn.html#loss-functions */
import { ValueError } from "../../errors.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import { type Arguments, layerArguments } from "../options.ts";
import { PairwiseDistance } from "./distance.ts";
import { Loss, type LossOptions, REDUCTION, WeightedLoss, type WeightedLossOptions } from "./loss-base.ts";

export interface HingeEmbeddingLossOptions extends LossOptions {
  /** Default 1. */
  readonly margin?: number;
}

/** `x` where the target is 1, `max(0, margin − x)` where it is -1. */
export class HingeEmbeddingLoss extends Loss {
  margin: number;

  constructor(...args: Arguments<HingeEmbeddingLossOptions, [], [margin?: number]>) {
    const bound = layerArguments<HingeEmbeddingLossOptions>(
      `HingeEmbeddingLoss.__init__(float margin=1, ${REDUCTION})`,
      args,
    );
    super(bound);
    this.margin = bound.margin;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return F.hinge_embedding_loss(input, target, { margin, reduction });
  }
}

export interface MarginRankingLossOptions extends LossOptions {
  /** Default 0. */
  readonly margin?: number;
}

/** `max(0, −y(x₁ − x₂) + margin)`, the target 1 or -1. */
export class MarginRankingLoss extends Loss {
  margin: number;

  constructor(...args: Arguments<MarginRankingLossOptions, [], [margin?: number]>) {
    const bound = layerArguments<MarginRankingLossOptions>(
      `MarginRankingLoss.__init__(float margin=0, ${REDUCTION})`,
      args,
    );
    super(bound);
    this.margin = bound.margin;
  }
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return F.margin_ranking_loss(input1, input2, target, { margin, reduction });
  }
}

export interface CosineEmbeddingLossOptions extends LossOptions {
  /** From -1 to 1. Default 0. */
  readonly margin?: number;
}

/** `1 − cos(x₁, x₂)` where the target is 1, `max(0, cos(x₁, x₂) − margin)` where it is -1. */
export class CosineEmbeddingLoss extends Loss {
  margin: number;

  constructor(...args: Arguments<CosineEmbeddingLossOptions, [], [margin?: number]>) {
    const bound = layerArguments<CosineEmbeddingLossOptions>(
      `CosineEmbeddingLoss.__init__(float margin=0, ${REDUCTION})`,
      args,
    );
    super(bound);
    this.margin = bound.margin;
  }
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return F.cosine_embedding_loss(input1, input2, target, { margin, reduction });
  }
}

/** `log(1 + e^(−yx))`, the target 1 or -1. */
export class SoftMarginLoss extends Loss {
  constructor(options: LossOptions = {}) {
    super(layerArguments<LossOptions>(`SoftMarginLoss.__init__(${REDUCTION})`, [options]));
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.soft_margin_loss(input, target, { reduction: this.reduction });
  }
}

export interface MultiMarginLossOptions extends WeightedLossOptions {
  /** 1 (default) or 2. */
  readonly p?: number;
  /** Default 1. */
  readonly margin?: number;
}

/** `Σ max(0, margin − x_y + x_i)ᵖ / C` over the other classes: input (N, C) or (C), target class numbers. */
export class MultiMarginLoss extends WeightedLoss {
  p: number;
  margin: number;

  constructor(...args: Arguments<MultiMarginLossOptions, [], [p?: number, margin?: number, weight?: Tensor | null]>) {
    const bound = layerArguments<MultiMarginLossOptions>(
      `MultiMarginLoss.__init__(int p=1, float margin=1, Tensor? weight=None, ${REDUCTION})`,
      args,
    );
    super(bound);
    if (bound.p !== 1 && bound.p !== 2) throw new ValueError("only p == 1 and p == 2 supported");
    if (bound.weight !== null && bound.weight.dim() !== 1) {
      throw new ValueError(
        `MultiMarginLoss: expected weight to be None or 1D tensor, got ${bound.weight.dim()}D instead`,
      );
    }
    this.p = bound.p;
    this.margin = bound.margin;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { p, margin, weight, reduction } = this;
    return F.multi_margin_loss(input, target, { p, margin, weight, reduction });
  }
}

/** A hinge loss for several classes: target has the class numbers in front, then -1. */
export class MultiLabelMarginLoss extends Loss {
  constructor(options: LossOptions = {}) {
    super(layerArguments<LossOptions>(`MultiLabelMarginLoss.__init__(${REDUCTION})`, [options]));
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.multilabel_margin_loss(input, target, { reduction: this.reduction });
  }
}

/** BCEWithLogitsLoss, averaged over the classes. */
export class MultiLabelSoftMarginLoss extends WeightedLoss {
  constructor(...args: Arguments<WeightedLossOptions, [], [weight?: Tensor | null]>) {
    super(
      layerArguments<WeightedLossOptions>(`MultiLabelSoftMarginLoss.__init__(Tensor? weight=None, ${REDUCTION})`, args),
    );
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, reduction } = this;
    return F.multilabel_soft_margin_loss(input, target, { weight, reduction });
  }
}

export interface TripletMarginLossOptions extends LossOptions {
  /** Default 1. */
  readonly margin?: number;
  /** The order of the norm. Default 2. */
  readonly p?: number;
  /** Added to differences. Default 1e-6. */
  readonly eps?: number;
  /** Use the distance of positive and negative where it is smaller. Default false. */
  readonly swap?: boolean;
}

/** `max(0, d(anchor, positive) − d(anchor, negative) + margin)`, `d` the distance in the p-norm. Balntas et al., 2016. */
export class TripletMarginLoss extends Loss {
  margin: number;
  p: number;
  eps: number;
  swap: boolean;

  constructor(
    ...args: Arguments<TripletMarginLossOptions, [], [margin?: number, p?: number, eps?: number, swap?: boolean]>
  ) {
    const bound = layerArguments<TripletMarginLossOptions>(
      `TripletMarginLoss.__init__(float margin=1, float p=2, float eps=1e-6, bool swap=False, ${REDUCTION})`,
      args,
    );
    super(bound);
    if (!(bound.margin > 0)) {
      throw new ValueError(
        `TripletMarginLoss: expected margin to be greater than 0, got ${pythonRepr(bound.margin)} instead`,
      );
    }
    this.margin = bound.margin;
    this.p = bound.p;
    this.eps = bound.eps;
    this.swap = bound.swap;
  }
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { margin, p, eps, swap, reduction } = this;
    return F.triplet_margin_loss(anchor, positive, negative, { margin, p, eps, swap, reduction });
  }
}

type Distance = (x1: Tensor, x2: Tensor) => Tensor;

export interface TripletMarginWithDistanceLossOptions extends LossOptions {
  /** Default: the Euclidean distance. */
  readonly distance_function?: Distance | null;
  /** Default 1. */
  readonly margin?: number;
  /** Use the distance of positive and negative where it is smaller. Default false. */
  readonly swap?: boolean;
}

/** TripletMarginLoss with a distance of one's own, which may be a module. */
export class TripletMarginWithDistanceLoss extends Loss {
  distance_function: Distance;
  margin: number;
  swap: boolean;

  constructor(options: TripletMarginWithDistanceLossOptions = {}) {
    const signature = `TripletMarginWithDistanceLoss.__init__(${REDUCTION}, any? distance_function=None, float margin=1, bool swap=False)`;
    const bound = layerArguments<TripletMarginWithDistanceLossOptions>(signature, [options]);
    super(bound);
    if (!(bound.margin > 0)) {
      throw new ValueError(
        `TripletMarginWithDistanceLoss: expected margin to be greater than 0, got ${pythonRepr(bound.margin)} instead`,
      );
    }
    this.distance_function = bound.distance_function ?? new PairwiseDistance();
    this.margin = bound.margin;
    this.swap = bound.swap;
  }
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { distance_function, margin, swap, reduction } = this;
    return F.triplet_margin_with_distance_loss(anchor, positive, negative, {
      distance_function,
      margin,
      swap,
      reduction,
    });
  }
}
