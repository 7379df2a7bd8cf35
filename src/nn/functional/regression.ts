/** Losses of numbers and of distributions. */
import { wantsDerivative } from "../../autograd/wants-derivative.ts";
import * as dt from "../../dtype.ts";
import { NotImplementedError, RuntimeError, ValueError } from "../../errors.ts";
import { allValues } from "../../ops/define/batch.ts";
import { bind } from "../../ops/define/schema.ts";
import { int64Hint } from "../../ops/kernels/guards.ts";
import { huberLoss, type Loss, l1Loss, mseLoss, smoothL1Loss } from "../../ops/losses.ts";
import { broadcastShapes, sameShape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { checked, legacyReduction, type Reduction, type ReductionOptions, reduced } from "./reduction.ts";

/** Keyword arguments of `mse_loss` and `l1_loss`. */
export interface WeightedLossOptions extends ReductionOptions {
  /** A factor of each element's loss; the mean divides by its sum. */
  readonly weight?: Tensor | null;
}

const warned = new Set<string>();

/** PyTorch's warning about sizes that differ, once for each pair. */
function warnAboutSizes(x: Tensor, y: Tensor): void {
  if (sameShape(x.sizes, y.sizes)) return;
  const text = `Using a target size (torch.Size(${shapeText(y.sizes)})) that is different to the input size (torch.Size(${shapeText(x.sizes)})). This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.`;
  if (warned.has(text)) return;
  warned.add(text);
  console.warn(`UserWarning: ${text}`);
}

/** Both operands in their common dtype and shape. */
function paired(x: Tensor, y: Tensor): [Tensor, Tensor] {
  warnAboutSizes(x, y);
  const dtype = dt.promote_types(x.dtype, y.dtype);
  if (sameShape(x.sizes, y.sizes)) return [x.to(dtype), y.to(dtype)];
  const shape = broadcastShapes(x.sizes, y.sizes);
  return [x.expand(shape).to(dtype), y.expand(shape).to(dtype)];
}

function refuseIntegers(dtype: dt.DType, kernel: string): void {
  if (!dtype.is_floating_point) {
    throw new NotImplementedError(`"${kernel}" not implemented for '${dt.scalarTypeName(dtype)}'${int64Hint(dtype)}`);
  }
}

function applyLoss(
  loss: Loss,
  kernel: string,
  x: Tensor,
  y: Tensor,
  reduction: Reduction,
  weight: Tensor | null,
  scalars: readonly number[] = [],
): Tensor {
  const [a, b] = paired(x, y);
  refuseIntegers(a.dtype, kernel);
  if (weight === null) return loss([a, b], reduction, scalars);
  return weightedMean(loss([a, b], "none", scalars), weight, reduction);
}

function weightedMean(losses: Tensor, weight: Tensor, reduction: Reduction): Tensor {
  if (!sameShape(weight.sizes, losses.sizes)) throw new ValueError("Inputs and weight must have the same size.");
  const terms = losses.mul(weight);
  if (reduction === "none") return terms;
  return reduction === "sum" ? terms.sum() : terms.sum().div(weight.sum());
}

/** Mean of squared differences. */
export function mse_loss(
  input: Tensor,
  target: Tensor,
  size_average?: boolean | null | WeightedLossOptions,
  reduce?: boolean | null | WeightedLossOptions,
  reduction?: Reduction | WeightedLossOptions,
  weight?: Tensor | null | WeightedLossOptions,
): Tensor {
  const [x, y, average, reduces, how, w] = bind(
    'mse_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction="mean", Tensor? weight=None)',
    [input, target, size_average, reduce, reduction, weight],
  ) as [Tensor, Tensor, boolean | null, boolean | null, string, Tensor | null];
  return applyLoss(mseLoss, "mse_cpu", x, y, checked(legacyReduction(average, reduces, how)), w);
}

/** Mean of absolute differences. */
export function l1_loss(
  input: Tensor,
  target: Tensor,
  size_average?: boolean | null | WeightedLossOptions,
  reduce?: boolean | null | WeightedLossOptions,
  reduction?: Reduction | WeightedLossOptions,
  weight?: Tensor | null | WeightedLossOptions,
): Tensor {
  const [x, y, average, reduces, how, w] = bind(
    'l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction="mean", Tensor? weight=None)',
    [input, target, size_average, reduce, reduction, weight],
  ) as [Tensor, Tensor, boolean | null, boolean | null, string, Tensor | null];
  const kind = checked(legacyReduction(average, reduces, how));
  const [a, b] = paired(x, y);
  const recorded = wantsDerivative(a, b);
  if (w === null && !recorded && a.dtype.is_floating_point) return l1Loss([a, b], kind);
  const losses = a.sub(b).abs();
  return w === null ? reduced(losses, kind) : weightedMean(losses, w, kind);
}

/** Keyword arguments of `smooth_l1_loss`. */
export interface SmoothL1LossOptions extends ReductionOptions {
  /** Where the square meets the absolute value; 1 by default. 0 is `l1_loss`. */
  readonly beta?: number;
}

/** (x − y)² / 2β for differences below β, |x − y| − β/2 above. */
export function smooth_l1_loss(
  input: Tensor,
  target: Tensor,
  size_average?: boolean | null | SmoothL1LossOptions,
  reduce?: boolean | null | SmoothL1LossOptions,
  reduction?: Reduction | SmoothL1LossOptions,
  beta?: number | SmoothL1LossOptions,
): Tensor {
  const [x, y, average, reduces, how, width] = bind(
    'smooth_l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction="mean", float beta=1)',
    [input, target, size_average, reduce, reduction, beta],
  ) as [Tensor, Tensor, boolean | null, boolean | null, string, number];
  const kind = checked(legacyReduction(average, reduces, how));
  if (width < 0) throw new RuntimeError("smooth_l1_loss does not support negative values for beta.");
  if (width === 0) return l1_loss(x, y, { reduction: kind });
  return applyLoss(smoothL1Loss, "smooth_l1_cpu", x, y, kind, null, [width]);
}

/** Keyword arguments of `huber_loss`. */
export interface HuberLossOptions {
  readonly reduction?: Reduction;
  /** Where the square meets the absolute value; 1 by default. */
  readonly delta?: number;
  readonly weight?: Tensor | null;
}

/** (x − y)² / 2 for differences up to δ, δ (|x − y| − δ/2) above. */
export function huber_loss(
  input: Tensor,
  target: Tensor,
  reduction?: Reduction | HuberLossOptions,
  delta?: number | HuberLossOptions,
  weight?: Tensor | null | HuberLossOptions,
): Tensor {
  const [x, y, how, width, w] = bind(
    'huber_loss(Tensor input, Tensor target, str reduction="mean", float delta=1, Tensor? weight=None)',
    [input, target, reduction, delta, weight],
  ) as [Tensor, Tensor, string, number, Tensor | null];
  const kind = checked(how);
  if (width <= 0) throw new RuntimeError("huber_loss does not support non-positive values for delta.");
  return applyLoss(huberLoss, "huber_cpu", x, y, kind, w, [width]);
}

/** Keyword arguments of `kl_div`. */
export interface KLDivOptions {
  /** Also "batchmean": the sum divided by the first size, which is the divergence by definition. */
  readonly reduction?: Reduction | "batchmean";
  readonly size_average?: boolean | null;
  readonly reduce?: boolean | null;
  /** Whether the target is given as logarithms. */
  readonly log_target?: boolean;
}

/** Kullback–Leibler divergence of a target distribution from log-probabilities: target · (ln target − input). */
export function kl_div(
  input: Tensor,
  target: Tensor,
  size_average?: boolean | null | KLDivOptions,
  reduce?: boolean | null | KLDivOptions,
  reduction?: Reduction | "batchmean" | KLDivOptions,
  log_target?: boolean | KLDivOptions,
): Tensor {
  const [x, y, average, reduces, how, log] = bind(
    'kl_div(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction="mean", bool log_target=False)',
    [input, target, size_average, reduce, reduction, log_target],
  ) as [Tensor, Tensor, boolean | null, boolean | null, string, boolean];
  const kind = legacyReduction(average, reduces, how);
  // xlogy, because 0 · ln 0 is 0 here.
  const losses = log ? y.exp().mul(y.sub(x)) : y.xlogy(y).sub(y.mul(x));
  if (kind === "batchmean") {
    const total = losses.sum();
    return x.sizes.length === 0 ? total : total.div(x.sizes[0]);
  }
  return reduced(losses, checked(kind));
}

/** Keyword arguments of `poisson_nll_loss`. */
export interface PoissonNLLLossOptions extends ReductionOptions {
  /** Whether the input is the logarithm of the rate; true by default. */
  readonly log_input?: boolean;
  /** Add Stirling's approximation of ln(target!) for targets above 1. */
  readonly full?: boolean;
  /** Added to the rate before the logarithm; 1e-8 by default. */
  readonly eps?: number;
}

/** Negative log-likelihood of counts under a Poisson distribution. */
export function poisson_nll_loss(
  input: Tensor,
  target: Tensor,
  log_input?: boolean | PoissonNLLLossOptions,
  full?: boolean | PoissonNLLLossOptions,
  size_average?: boolean | null | PoissonNLLLossOptions,
  eps?: number | PoissonNLLLossOptions,
  reduce?: boolean | null | PoissonNLLLossOptions,
  reduction?: Reduction | PoissonNLLLossOptions,
): Tensor {
  const [x, y, log, stirling, average, epsilon, reduces, how] = bind(
    'poisson_nll_loss(Tensor input, Tensor target, bool log_input=True, bool full=False, bool? size_average=None, float eps=1e-8, bool? reduce=None, str reduction="mean")',
    [input, target, log_input, full, size_average, eps, reduce, reduction],
  ) as [Tensor, Tensor, boolean, boolean, boolean | null, number, boolean | null, string];
  const kind = checked(legacyReduction(average, reduces, how));
  let losses = log ? x.exp().sub(y.mul(x)) : x.sub(y.mul(x.add(epsilon).log()));
  if (stirling) {
    const term = y
      .mul(y.log())
      .sub(y)
      .add(
        y
          .mul(2 * Math.PI)
          .log()
          .mul(0.5),
      );
    losses = losses.add(term.masked_fill(y.le(1), 0));
  }
  return reduced(losses, kind);
}

/** Keyword arguments of `gaussian_nll_loss`. */
export interface GaussianNLLLossOptions {
  /** Add the constant ln(2π)/2. */
  readonly full?: boolean;
  /** The least variance; 1e-6 by default. */
  readonly eps?: number;
  readonly reduction?: Reduction;
}

/** Negative log-likelihood under normal distributions with means `input` and variances `var`. */
export function gaussian_nll_loss(
  input: Tensor,
  target: Tensor,
  variance: Tensor | number,
  full?: boolean | GaussianNLLLossOptions,
  eps?: number | GaussianNLLLossOptions,
  reduction?: Reduction | GaussianNLLLossOptions,
): Tensor {
  const [x, y, given, whole, epsilon, how] = bind(
    'gaussian_nll_loss(Tensor input, Tensor target, Operand var, bool full=False, float eps=1e-6, str reduction="mean")',
    [input, target, variance, full, eps, reduction],
  ) as [Tensor, Tensor, Tensor | number, boolean, number, string];
  let v: Tensor;
  if (typeof given === "number") {
    if (given < 0) throw new ValueError("var has negative entry/entries");
    v = x.detach().new_ones(x.sizes).mul(given);
  } else {
    if (allValues(given.detach().lt(0)).any().item()) throw new ValueError("var has negative entry/entries");
    v = given;
  }
  if (!sameShape(v.sizes, x.sizes)) {
    const lead = x.sizes.slice(0, -1);
    if (sameShape(v.sizes, lead)) v = v.unsqueeze(-1);
    else if (!sameShape(v.sizes, [...lead, 1]) && v.count !== 1) throw new ValueError("var is of incorrect size");
  }
  const kind = checked(how);
  // The bound keeps the loss finite; it does not enter the gradient.
  const bounded = v.add(v.detach().clamp_min(epsilon).sub(v.detach()));
  const losses = bounded.log().add(x.sub(y).square().div(bounded)).mul(0.5);
  return reduced(whole ? losses.add(0.5 * Math.log(2 * Math.PI)) : losses, kind);
}
