/** Losses: https://pytorch.org/docs/stable/nn.html#loss-functions */
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import { type Arguments, layerArguments } from "../options.ts";
import {
  Loss,
  type LossOptions,
  REDUCTION,
  type Reduction,
  WeightedLoss,
  type WeightedLossOptions,
} from "./loss-base.ts";

/** `|x − y|`. */
export class L1Loss extends Loss {
  constructor(options: LossOptions = {}) {
    super(layerArguments<LossOptions>(`L1Loss.__init__(${REDUCTION})`, [options]));
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.l1_loss(input, target, { reduction: this.reduction });
  }
}

/** `(x − y)²`. */
export class MSELoss extends Loss {
  constructor(options: LossOptions = {}) {
    super(layerArguments<LossOptions>(`MSELoss.__init__(${REDUCTION})`, [options]));
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.mse_loss(input, target, { reduction: this.reduction });
  }
}

export interface SmoothL1LossOptions extends LossOptions {
  /** Default 1. */
  readonly beta?: number;
}

/** `½(x − y)²/β` where `|x − y| < β`, else `|x − y| − β/2`. Girshick, 2015. */
export class SmoothL1Loss extends Loss {
  beta: number;

  constructor(options: SmoothL1LossOptions = {}) {
    const bound = layerArguments<SmoothL1LossOptions>(`SmoothL1Loss.__init__(${REDUCTION}, float beta=1)`, [options]);
    super(bound);
    this.beta = bound.beta;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { beta, reduction } = this;
    return F.smooth_l1_loss(input, target, { beta, reduction });
  }
}

export interface HuberLossOptions {
  /** Default "mean". */
  readonly reduction?: Reduction;
  /** Default 1. */
  readonly delta?: number;
}

/** `½(x − y)²` where `|x − y| < δ`, else `δ(|x − y| − δ/2)`. */
export class HuberLoss extends Loss {
  delta: number;

  constructor(...args: Arguments<HuberLossOptions, [], [reduction?: Reduction, delta?: number]>) {
    const signature = 'HuberLoss.__init__(str reduction="mean", float delta=1)';
    const { reduction, delta } = layerArguments<HuberLossOptions>(signature, args);
    super({ reduction, size_average: null, reduce: null });
    this.delta = delta;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { delta, reduction } = this;
    return F.huber_loss(input, target, { delta, reduction });
  }
}

export interface NLLLossOptions extends WeightedLossOptions {
  /** Targets with this number do not count. Default -100. */
  readonly ignore_index?: number;
}

/** Minus the log-probability of the target class: input (N, C, …), target (N, …) with class numbers. */
export class NLLLoss extends WeightedLoss {
  ignore_index: number;

  constructor(...args: Arguments<NLLLossOptions, [], [weight?: Tensor | null]>) {
    const bound = layerArguments<NLLLossOptions>(
      `NLLLoss.__init__(Tensor? weight=None, ${REDUCTION}, int ignore_index=-100)`,
      args,
    );
    super(bound);
    this.ignore_index = bound.ignore_index;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignore_index, reduction } = this;
    return F.nll_loss(input, target, { weight, ignore_index, reduction });
  }
}

export interface CrossEntropyLossOptions extends WeightedLossOptions {
  /** Targets with this number do not count. Default -100. */
  readonly ignore_index?: number;
  /** How much of the target is spread over all classes. Default 0. Szegedy et al., 2015. */
  readonly label_smoothing?: number;
}

/**
 * The negative log-likelihood of the softmax of the input: input (N, C, …) with logits; target (N, …) with class
 * numbers, or (N, C, …) with probabilities.
 */
export class CrossEntropyLoss extends WeightedLoss {
  ignore_index: number;
  label_smoothing: number;

  constructor(...args: Arguments<CrossEntropyLossOptions, [], [weight?: Tensor | null]>) {
    const bound = layerArguments<CrossEntropyLossOptions>(
      `CrossEntropyLoss.__init__(Tensor? weight=None, ${REDUCTION}, int ignore_index=-100, float label_smoothing=0)`,
      args,
    );
    super(bound);
    this.ignore_index = bound.ignore_index;
    this.label_smoothing = bound.label_smoothing;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignore_index, label_smoothing, reduction } = this;
    return F.cross_entropy(input, target, { weight, ignore_index, label_smoothing, reduction });
  }
}

/** `−(y log x + (1 − y) log(1 − x))`, the logarithms not below -100: input probabilities. */
export class BCELoss extends WeightedLoss {
  constructor(...args: Arguments<WeightedLossOptions, [], [weight?: Tensor | null]>) {
    super(layerArguments<WeightedLossOptions>(`BCELoss.__init__(Tensor? weight=None, ${REDUCTION})`, args));
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, reduction } = this;
    return F.binary_cross_entropy(input, target, { weight, reduction });
  }
}

export interface BCEWithLogitsLossOptions extends WeightedLossOptions {
  /** Factors of the positive targets, one for each class; a buffer. */
  readonly pos_weight?: Tensor | null;
}

/** BCELoss of the sigmoid of the input, computed without overflow. */
export class BCEWithLogitsLoss extends WeightedLoss {
  declare pos_weight: Tensor | null;

  constructor(...args: Arguments<BCEWithLogitsLossOptions, [], [weight?: Tensor | null]>) {
    const bound = layerArguments<BCEWithLogitsLossOptions>(
      `BCEWithLogitsLoss.__init__(Tensor? weight=None, ${REDUCTION}, Tensor? pos_weight=None)`,
      args,
    );
    super(bound);
    this.register_buffer("pos_weight", bound.pos_weight);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, pos_weight, reduction } = this;
    return F.binary_cross_entropy_with_logits(input, target, { weight, pos_weight, reduction });
  }
}

export interface KLDivLossOptions extends LossOptions<Reduction | "batchmean"> {
  /** The target holds log-probabilities. Default false. */
  readonly log_target?: boolean;
}

/** The Kullback–Leibler divergence `y (log y − x)`: input log-probabilities. */
export class KLDivLoss extends Loss<Reduction | "batchmean"> {
  log_target: boolean;

  constructor(options: KLDivLossOptions = {}) {
    const bound = layerArguments<KLDivLossOptions>(`KLDivLoss.__init__(${REDUCTION}, bool log_target=False)`, [
      options,
    ]);
    super(bound);
    this.log_target = bound.log_target;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { log_target, reduction } = this;
    return F.kl_div(input, target, { log_target, reduction });
  }
}

export interface PoissonNLLLossOptions extends LossOptions {
  /** The input is the logarithm of the rate. Default true. */
  readonly log_input?: boolean;
  /** Add Stirling's approximation of `log y!`. Default false. */
  readonly full?: boolean;
  /** Keeps the logarithm of the rate finite. Default 1e-8. */
  readonly eps?: number;
}

/** The negative log-likelihood of a Poisson distribution: `eˣ − yx`. */
export class PoissonNLLLoss extends Loss {
  log_input: boolean;
  full: boolean;
  eps: number;

  constructor(...args: Arguments<PoissonNLLLossOptions, [], [log_input?: boolean, full?: boolean]>) {
    const bound = layerArguments<PoissonNLLLossOptions>(
      `PoissonNLLLoss.__init__(bool log_input=True, bool full=False, ${REDUCTION}, float eps=1e-8)`,
      args,
    );
    super(bound);
    this.log_input = bound.log_input;
    this.full = bound.full;
    this.eps = bound.eps;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { log_input, full, eps, reduction } = this;
    return F.poisson_nll_loss(input, target, { log_input, full, eps, reduction });
  }
}

export interface GaussianNLLLossOptions extends LossOptions {
  /** Add the constant `½ log 2π`. Default false. */
  readonly full?: boolean;
  /** The least variance. Default 1e-6. */
  readonly eps?: number;
}

/** The negative log-likelihood of a normal distribution: `½(log var + (x − y)²/var)`. `var` may be a number. */
export class GaussianNLLLoss extends Loss {
  full: boolean;
  eps: number;

  constructor(options: GaussianNLLLossOptions = {}) {
    const bound = layerArguments<GaussianNLLLossOptions>(
      `GaussianNLLLoss.__init__(${REDUCTION}, bool full=False, float eps=1e-6)`,
      [options],
    );
    super(bound);
    this.full = bound.full;
    this.eps = bound.eps;
  }
  override forward(input: Tensor, target: Tensor, variance: Tensor | number): Tensor {
    const { full, eps, reduction } = this;
    return F.gaussian_nll_loss(input, target, variance, { full, eps, reduction });
  }
}
