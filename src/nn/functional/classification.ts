/** Losses of classes: labels, class probabilities, yes-or-no probabilities. */

import * as dt from "../../dtype.ts";
import { RuntimeError, ValueError } from "../../errors.ts";
import { allValues } from "../../ops/define/batch.ts";
import { refuseGradient } from "../../ops/define/refuse-gradient.ts";
import { bind } from "../../ops/define/schema.ts";
import { int64Hint } from "../../ops/kernels/guards.ts";
import { binaryCrossEntropy, binaryCrossEntropyWithLogits } from "../../ops/losses.ts";
import { nllLoss } from "../../ops/nll-loss.ts";
import { type Shape, sameShape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { checked, legacyReduction, type Reduction, type ReductionOptions } from "./reduction.ts";

/** Keyword arguments of `nll_loss`. */
export interface NllLossOptions extends ReductionOptions {
  /** A weight for each class. */
  readonly weight?: Tensor | null;
  /** A label that counts for nothing; -100 by default. */
  readonly ignore_index?: number;
}

/** Keyword arguments of `cross_entropy`. */
export interface CrossEntropyOptions extends NllLossOptions {
  /** The share of the probability that goes evenly to all classes, from 0 (the default) to 1. */
  readonly label_smoothing?: number;
}

const size = (shape: Shape): string => `torch.Size(${shapeText(shape)})`;

function checkLabelDType(target: Tensor): void {
  if (target.dtype === dt.int64 || target.dtype === dt.uint8) return;
  const hint = target.dtype.is_floating_point ? ". Labels are whole numbers: convert them with .long()" : "";
  throw new RuntimeError(`expected target dtype to be Long or Byte, but got ${dt.scalarTypeName(target.dtype)}${hint}`);
}

function checkWeight(x: Tensor, weight: Tensor | null): void {
  if (weight === null) return;
  const classes = x.sizes[x.sizes.length === 1 ? 0 : 1];
  if (weight.sizes.length !== 1 || weight.count !== classes) {
    throw new RuntimeError(
      `weight tensor should be defined either for all ${classes} classes or no classes but got weight tensor of shape: ${shapeText(weight.sizes)}`,
    );
  }
  if (weight.dtype !== x.dtype) {
    const hint = int64Hint(weight.dtype);
    throw new RuntimeError(
      `expected scalar type ${dt.scalarTypeName(x.dtype)} but found ${dt.scalarTypeName(weight.dtype)}${hint}`,
    );
  }
}

function nll(x: Tensor, target: Tensor, weight: Tensor | null, reduction: Reduction, ignoreIndex: number): Tensor {
  const rank = x.sizes.length;
  if (rank === 0) throw new ValueError("Expected 1 or more dimensions (got 0)");
  if (rank === 1) {
    if (target.sizes.length > 1) throw new RuntimeError("0D or 1D target tensor expected, multi-target not supported");
    if (target.count !== 1) {
      throw new RuntimeError(`size mismatch (got input: ${shapeText(x.sizes)}, target: ${shapeText(target.sizes)})`);
    }
  } else {
    if (target.sizes.length === 0 || x.sizes[0] !== target.sizes[0]) {
      throw new ValueError(
        `Expected input batch_size (${x.sizes[0]}) to match target batch_size (${target.sizes[0] ?? 0}).`,
      );
    }
    if (rank === 2 && target.sizes.length !== 1) {
      throw new RuntimeError("0D or 1D target tensor expected, multi-target not supported");
    }
    const wanted = [x.sizes[0], ...x.sizes.slice(2)];
    if (rank > 2 && !sameShape(wanted, target.sizes)) {
      throw rank === 4
        ? target.sizes.length !== 3
          ? new RuntimeError(
              `only batches of spatial targets supported (3D tensors) but got targets of dimension: ${target.sizes.length}`,
            )
          : new RuntimeError(`size mismatch (got input: ${shapeText(x.sizes)} , target: ${shapeText(target.sizes)}`)
        : new RuntimeError(`Expected target size ${shapeText(wanted)}, got ${shapeText(target.sizes)}`);
    }
  }
  checkWeight(x, weight);
  if (!x.dtype.is_floating_point) {
    dt.notImplementedFor("nll_loss_out_frame", x.dtype);
  }
  checkLabelDType(target);
  // The label of an unbatched input may have shape [] or [1]; the result has no dimensions.
  const labels = rank === 1 && target.sizes.length === 1 && reduction === "none" ? target.reshape([]) : target;
  return nllLoss(x, labels, weight, { reduction, ignoreIndex });
}

/**
 * Negative log-likelihood: input [C], [N, C] or [N, C, d…] of log-probabilities, target [], [N] or [N, d…] of class numbers.
 * The mean is weighted by `weight`.
 */
export function nll_loss(
  input: Tensor,
  target: Tensor,
  weight?: Tensor | null | NllLossOptions,
  size_average?: boolean | null | NllLossOptions,
  ignore_index?: number | NllLossOptions,
  reduce?: boolean | null | NllLossOptions,
  reduction?: Reduction | NllLossOptions,
): Tensor {
  const [x, y, w, average, ignore, reduces, how] = bind(
    'nll_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction="mean")',
    [input, target, weight, size_average, ignore_index, reduce, reduction],
  ) as [Tensor, Tensor, Tensor | null, boolean | null, number, boolean | null, string];
  return nll(x, y, w, checked(legacyReduction(average, reduces, how)), ignore);
}

/**
 * Cross entropy: input [C], [N, C] or [N, C, d…] of unnormalized scores; target either class numbers ([], [N] or [N, d…]) or
 * probabilities of all classes (the input's shape, floating-point).
 */
export function cross_entropy(
  input: Tensor,
  target: Tensor,
  weight?: Tensor | null | CrossEntropyOptions,
  size_average?: boolean | null | CrossEntropyOptions,
  ignore_index?: number | CrossEntropyOptions,
  reduce?: boolean | null | CrossEntropyOptions,
  reduction?: Reduction | CrossEntropyOptions,
  label_smoothing?: number | CrossEntropyOptions,
): Tensor {
  const [x, y, w, average, ignore, reduces, how, smoothing] = bind(
    'cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction="mean", float label_smoothing=0)',
    [input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing],
  ) as [Tensor, Tensor, Tensor | null, boolean | null, number, boolean | null, string, number];
  const kind = checked(legacyReduction(average, reduces, how));
  if (smoothing < 0 || smoothing > 1) {
    throw new RuntimeError(`label_smoothing must be between 0.0 and 1.0. Got: ${smoothing}`);
  }
  const classDim = x.sizes.length === 1 ? 0 : 1;
  if (sameShape(x.sizes, y.sizes) && x.sizes.length > 0) {
    if (!y.dtype.is_floating_point) {
      throw new RuntimeError(
        `Expected floating point type for target with class probabilities, got ${dt.scalarTypeName(y.dtype)}`,
      );
    }
    if (ignore >= 0) throw new RuntimeError("ignore_index is not supported for floating point target");
    return probabilityEntropy(x, y, w, kind, smoothing, classDim);
  }
  if (x.sizes.length === 0) throw new ValueError("Expected 1 or more dimensions (got 0)");
  const scores = x.log_softmax(classDim);
  const own = nll(scores, y, w, kind, ignore);
  if (smoothing === 0) return own;
  const classes = x.sizes[classDim];
  const spread = smoothingLoss(scores, y, w, kind, ignore, classDim);
  return own.mul(1 - smoothing).add(spread.mul(smoothing / classes));
}

/** A weight for each class as a factor of x. */
function classFactor(x: Tensor, weight: Tensor, classDim: number): Tensor {
  return weight.view(x.sizes.map((_, d) => (d === classDim ? weight.count : 1)));
}

/** The loss of all classes alike, for the smoothed part of the labels. */
function smoothingLoss(
  scores: Tensor,
  target: Tensor,
  weight: Tensor | null,
  reduction: Reduction,
  ignore: number,
  classDim: number,
): Tensor {
  const all = weight === null ? scores : scores.mul(classFactor(scores, weight, classDim));
  const ignored = target.eq(ignore).reshape(all.sizes.filter((_, d) => d !== classDim));
  const losses = all.sum(classDim).neg().masked_fill(ignored, 0);
  if (reduction === "none") return losses;
  if (reduction === "sum") return losses.sum();
  if (weight === null) return losses.sum().div(ignored.logical_not().sum());
  // The sum of the labels' weights, as the plain loss divides by: that of "minus one" for every element.
  const minusOnes = scores.detach().new_ones(scores.sizes).neg();
  const total = nllLoss(minusOnes, target, weight, { reduction: "sum", ignoreIndex: ignore });
  return losses.sum().div(total);
}

function probabilityEntropy(
  x: Tensor,
  target: Tensor,
  weight: Tensor | null,
  reduction: Reduction,
  smoothing: number,
  classDim: number,
): Tensor {
  checkWeight(x, weight);
  const scores = x.log_softmax(classDim);
  const classes = x.sizes[classDim];
  const wanted = smoothing > 0 ? target.mul(1 - smoothing).add(smoothing / classes) : target;
  let terms = scores.mul(wanted);
  if (weight !== null) terms = terms.mul(classFactor(x, weight, classDim));
  if (reduction === "none") return terms.sum(classDim).neg();
  const total = terms.sum().neg();
  return reduction === "sum" ? total : total.div(x.count / classes);
}

/** Keyword arguments of `binary_cross_entropy`. */
export interface BinaryCrossEntropyOptions extends ReductionOptions {
  /** A factor of each element's loss; broadcast. */
  readonly weight?: Tensor | null;
}

/** Cross entropy of probabilities, input and target between 0 and 1, of one shape. Logarithms are at least -100. */
export function binary_cross_entropy(
  input: Tensor,
  target: Tensor,
  weight?: Tensor | null | BinaryCrossEntropyOptions,
  size_average?: boolean | null | BinaryCrossEntropyOptions,
  reduce?: boolean | null | BinaryCrossEntropyOptions,
  reduction?: Reduction | BinaryCrossEntropyOptions,
): Tensor {
  const [x, y, w, average, reduces, how] = bind(
    'binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction="mean")',
    [input, target, weight, size_average, reduce, reduction],
  ) as [Tensor, Tensor, Tensor | null, boolean | null, boolean | null, string];
  const kind = checked(legacyReduction(average, reduces, how));
  if (!sameShape(x.sizes, y.sizes)) {
    throw new ValueError(
      `Using a target size (${size(y.sizes)}) that is different to the input size (${size(x.sizes)}) is deprecated. Please ensure they have the same size.`,
    );
  }
  if (!x.dtype.is_floating_point) {
    dt.notImplementedFor("binary_cross_entropy", x.dtype);
  }
  for (const other of w === null ? [y] : [y, w]) {
    if (other.dtype !== x.dtype) {
      throw new RuntimeError(
        `Found dtype ${dt.scalarTypeName(other.dtype)} but expected ${dt.scalarTypeName(x.dtype)}${int64Hint(other.dtype)}`,
      );
    }
  }
  const plain = x.detach();
  if (
    x.count > 0 &&
    !allValues(plain.ge(0).logical_and(plain.le(1)))
      .all()
      .item()
  ) {
    throw new RuntimeError("all elements of input should be between 0 and 1");
  }
  refuseGradient("binary_cross_entropy", "weight", w);
  const factor = w === null ? [] : [w.expand(x.sizes)];
  return binaryCrossEntropy([x, y, ...factor], kind);
}

/** Keyword arguments of `binary_cross_entropy_with_logits`. */
export interface BinaryCrossEntropyWithLogitsOptions extends BinaryCrossEntropyOptions {
  /** A factor of the loss of positive examples; broadcast. */
  readonly pos_weight?: Tensor | null;
}

/** `binary_cross_entropy` of `sigmoid(input)`, in one step that does not overflow. */
export function binary_cross_entropy_with_logits(
  input: Tensor,
  target: Tensor,
  weight?: Tensor | null | BinaryCrossEntropyWithLogitsOptions,
  size_average?: boolean | null | BinaryCrossEntropyWithLogitsOptions,
  reduce?: boolean | null | BinaryCrossEntropyWithLogitsOptions,
  reduction?: Reduction | BinaryCrossEntropyWithLogitsOptions,
  pos_weight?: Tensor | null | BinaryCrossEntropyWithLogitsOptions,
): Tensor {
  const [x, y, w, average, reduces, how, positive] = bind(
    'binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction="mean", Tensor? pos_weight=None)',
    [input, target, weight, size_average, reduce, reduction, pos_weight],
  ) as [Tensor, Tensor, Tensor | null, boolean | null, boolean | null, string, Tensor | null];
  const kind = checked(legacyReduction(average, reduces, how));
  if (!sameShape(x.sizes, y.sizes)) {
    throw new ValueError(`Target size (${size(y.sizes)}) must be the same as input size (${size(x.sizes)})`);
  }
  if (!y.dtype.is_floating_point) {
    throw new RuntimeError(
      `result type Float can't be cast to the desired output type ${dt.scalarTypeName(y.dtype)}${int64Hint(y.dtype)}`,
    );
  }
  refuseGradient("binary_cross_entropy_with_logits", "weight", w);
  refuseGradient("binary_cross_entropy_with_logits", "pos_weight", positive);
  let dtype = dt.promote_types(x.dtype, y.dtype);
  for (const other of [w, positive]) if (other !== null) dtype = dt.promote_types(dtype, other.dtype);
  const operands = [x, y];
  if (w !== null || positive !== null) operands.push(w ?? x.new_ones([]));
  if (positive !== null) operands.push(positive);
  return binaryCrossEntropyWithLogits(
    operands.map((t) => t.to(dtype)),
    kind,
  );
}
