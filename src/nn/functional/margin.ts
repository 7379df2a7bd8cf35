/** Losses with a margin, and losses of distances. */

import { get_default_dtype } from "../../dtype.ts";
import { RuntimeError, ValueError } from "../../errors.ts";
import { logsigmoid } from "../../ops/activations.ts";
import { allValues } from "../../ops/define/batch.ts";
import { refuseGradient } from "../../ops/define/refuse-gradient.ts";
import { bind } from "../../ops/define/schema.ts";
import { softMarginLoss } from "../../ops/losses.ts";
import { nllLoss } from "../../ops/nll-loss.ts";
import { sameShape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { pairwise_distance } from "./distance.ts";
import { checked, legacyReduction, type Reduction, type ReductionOptions, reduced } from "./reduction.ts";

const REDUCTION = 'bool? size_average=None, bool? reduce=None, str reduction="mean"';

/** Keyword arguments of losses with a margin. */
export interface MarginOptions extends ReductionOptions {
  readonly margin?: number;
}

/** x where the target is 1, max(0, margin − x) where it is −1; the margin is 1 by default. */
export function hinge_embedding_loss(
  input: Tensor,
  target: Tensor,
  margin?: number | MarginOptions,
  size_average?: boolean | null | MarginOptions,
  reduce?: boolean | null | MarginOptions,
  reduction?: Reduction | MarginOptions,
): Tensor {
  const [x, y, m, average, reduces, how] = bind(
    `hinge_embedding_loss(Tensor input, Tensor target, float margin=1, ${REDUCTION})`,
    [input, target, margin, size_average, reduce, reduction],
  ) as [Tensor, Tensor, number, boolean | null, boolean | null, string];
  const far = x.neg().add(m).clamp_min(0).masked_fill(y.eq(1), 0);
  const near = x.masked_fill(y.eq(-1), 0);
  return reduced(far.add(near), checked(legacyReduction(average, reduces, how)));
}

/** max(0, −target · (input1 − input2) + margin); the margin is 0 by default. */
export function margin_ranking_loss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  margin?: number | MarginOptions,
  size_average?: boolean | null | MarginOptions,
  reduce?: boolean | null | MarginOptions,
  reduction?: Reduction | MarginOptions,
): Tensor {
  const [a, b, y, m, average, reduces, how] = bind(
    `margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, ${REDUCTION})`,
    [input1, input2, target, margin, size_average, reduce, reduction],
  ) as [Tensor, Tensor, Tensor, number, boolean | null, boolean | null, string];
  const kind = checked(legacyReduction(average, reduces, how));
  if (a.sizes.length !== b.sizes.length || a.sizes.length !== y.sizes.length) {
    const text = (t: Tensor): string => `torch.Size(${shapeText(t.sizes)})`;
    throw new RuntimeError(
      `margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: ${text(a)}, input2: ${text(b)}, target: ${text(y)} `,
    );
  }
  const signed = y.neg().mul(a.sub(b));
  // The margin is a float: integers become one.
  const values = signed.dtype.is_floating_point ? signed : signed.to(get_default_dtype());
  const distance = values.add(m);
  return reduced(positivePart(distance), kind);
}

/** max(0, x), whose gradient is 0 at 0 and at NaN. */
function positivePart(x: Tensor): Tensor {
  const plain = x.detach();
  const nan = plain.masked_fill(plain.eq(plain), 0);
  return x.masked_fill(plain.gt(0).logical_not(), 0).add(nan);
}

/** ln(1 + exp(−target · input)) */
export function soft_margin_loss(
  input: Tensor,
  target: Tensor,
  size_average?: boolean | null | ReductionOptions,
  reduce?: boolean | null | ReductionOptions,
  reduction?: Reduction | ReductionOptions,
): Tensor {
  const [x, y, average, reduces, how] = bind(`soft_margin_loss(Tensor input, Tensor target, ${REDUCTION})`, [
    input,
    target,
    size_average,
    reduce,
    reduction,
  ]) as [Tensor, Tensor, boolean | null, boolean | null, string];
  refuseGradient("soft_margin_loss", "target", y);
  return softMarginLoss([x, y.to(x.dtype)], checked(legacyReduction(average, reduces, how)));
}

/** 1 − cos(input1, input2) where the target is 1, max(0, cos − margin) where it is −1. */
export function cosine_embedding_loss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  margin?: number | MarginOptions,
  size_average?: boolean | null | MarginOptions,
  reduce?: boolean | null | MarginOptions,
  reduction?: Reduction | MarginOptions,
): Tensor {
  const [a, b, y, m, average, reduces, how] = bind(
    `cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, ${REDUCTION})`,
    [input1, input2, target, margin, size_average, reduce, reduction],
  ) as [Tensor, Tensor, Tensor, number, boolean | null, boolean | null, string];
  const kind = checked(legacyReduction(average, reduces, how));
  const rank = y.sizes.length;
  if (rank > 1) throw new RuntimeError("0D or 1D target tensor expected, multi-target not supported");
  if (a.sizes.length !== rank + 1 || b.sizes.length !== rank + 1) {
    const wanted =
      rank === 1 ? "1D target tensor expects 2D input tensors" : "0D target tensor expects 1D input tensors";
    throw new RuntimeError(`${wanted}, but found inputs with sizes ${shapeText(a.sizes)} and ${shapeText(b.sizes)}.`);
  }
  // PyTorch's epsilon for this loss, added to the squared norms.
  const epsilon = 1e-12;
  const product = a.mul(b).sum(rank);
  const norms = a.square().sum(rank).add(epsilon).mul(b.square().sum(rank).add(epsilon));
  const cosine = product.div(norms.sqrt());
  const near = cosine.neg().add(1).masked_fill(y.ne(1), 0);
  const far = cosine.sub(m).clamp_min(0).masked_fill(y.ne(-1), 0);
  return reduced(near.add(far), kind);
}

/** Keyword arguments of `triplet_margin_loss`. */
export interface TripletMarginOptions extends MarginOptions {
  /** The norm of the distance; 2 by default. */
  readonly p?: number;
  readonly eps?: number;
  /** Use the positive's distance to the negative where it is smaller than the anchor's. */
  readonly swap?: boolean;
}

/** max(0, d(anchor, positive) − d(anchor, negative) + margin), with distances of the last dimension. */
export function triplet_margin_loss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  margin?: number | TripletMarginOptions,
  p?: number | TripletMarginOptions,
  eps?: number | TripletMarginOptions,
  swap?: boolean | TripletMarginOptions,
  size_average?: boolean | null | TripletMarginOptions,
  reduce?: boolean | null | TripletMarginOptions,
  reduction?: Reduction | TripletMarginOptions,
): Tensor {
  const [a, b, c, m, norm, epsilon, swaps, average, reduces, how] = bind(
    `triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1, float p=2, float eps=1e-6, bool swap=False, ${REDUCTION})`,
    [anchor, positive, negative, margin, p, eps, swap, size_average, reduce, reduction],
  ) as [Tensor, Tensor, Tensor, number, number, number, boolean, boolean | null, boolean | null, string];
  if (m <= 0) throw new ValueError(`margin must be greater than 0, got ${m}`);
  const kind = checked(legacyReduction(average, reduces, how));
  const ranks = [a, b, c].map((t) => t.sizes.length);
  if (new Set(ranks).size > 1) {
    throw new RuntimeError(
      `The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor ${ranks[0]}D, positive ${ranks[1]}D, and negative ${ranks[2]}D inputs`,
    );
  }
  const distance = (x: Tensor, y: Tensor): Tensor => pairwise_distance(x, y, norm, epsilon);
  const near = distance(a, b);
  const far = swaps ? distance(a, c).minimum(distance(b, c)) : distance(a, c);
  return reduced(near.sub(far).add(m).clamp_min(0), kind);
}

/** Options of `triplet_margin_with_distance_loss`. */
export interface TripletDistanceOptions {
  /** Default: `pairwise_distance`. */
  readonly distance_function?: ((x: Tensor, y: Tensor) => Tensor) | null;
  readonly margin?: number;
  readonly swap?: boolean;
  readonly reduction?: Reduction;
}

/** `triplet_margin_loss` with a distance of one's own. */
export function triplet_margin_with_distance_loss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options?: TripletDistanceOptions,
): Tensor {
  const [a, b, c, given, m, swap, how] = bind(
    'triplet_margin_with_distance_loss(Tensor anchor, Tensor positive, Tensor negative, *, any? distance_function=None, float margin=1, bool swap=False, str reduction="mean")',
    [anchor, positive, negative, options],
  ) as [Tensor, Tensor, Tensor, ((x: Tensor, y: Tensor) => Tensor) | null, number, boolean, string];
  const kind = checked(how);
  if (m <= 0) throw new ValueError(`margin must be greater than 0, got ${m}`);
  const distance = given ?? ((x: Tensor, y: Tensor): Tensor => pairwise_distance(x, y));
  const near = distance(a, b);
  const far = swap ? distance(a, c).minimum(distance(b, c)) : distance(a, c);
  return reduced(near.sub(far).add(m).clamp_min(0), kind);
}

/** Keyword arguments of `multi_margin_loss`. */
export interface MultiMarginOptions extends MarginOptions {
  /** 1 or 2: the power of each term. */
  readonly p?: number;
  readonly weight?: Tensor | null;
}

/** Σ over the other classes of max(0, weight[y] (margin − x[y] + x[i]))^p, divided by the number of classes. */
export function multi_margin_loss(
  input: Tensor,
  target: Tensor,
  p?: number | MultiMarginOptions,
  margin?: number | MultiMarginOptions,
  weight?: Tensor | null | MultiMarginOptions,
  size_average?: boolean | null | MultiMarginOptions,
  reduce?: boolean | null | MultiMarginOptions,
  reduction?: Reduction | MultiMarginOptions,
): Tensor {
  const [x, y, power, m, w, average, reduces, how] = bind(
    `multi_margin_loss(Tensor input, Tensor target, int p=1, float margin=1, Tensor? weight=None, ${REDUCTION})`,
    [input, target, p, margin, weight, size_average, reduce, reduction],
  ) as [Tensor, Tensor, number, number, Tensor | null, boolean | null, boolean | null, string];
  const kind = checked(legacyReduction(average, reduces, how));
  if (power !== 1 && power !== 2) throw new ValueError("only p == 1 and p == 2 supported");
  if (w !== null && w.sizes.length !== 1) throw new ValueError("weight must be one-dimensional");
  refuseGradient("multi_margin_loss", "weight", w);
  const single = x.sizes.length <= 1;
  const scores = x.sizes.length === 0 ? x.reshape(1, 1) : single ? x.unsqueeze(0) : x;
  const [samples, classes] = scores.sizes;
  if (classes === 0 || scores.sizes.length !== 2) {
    throw new RuntimeError(
      `Expected non-empty vector or matrix with optional 0-dim batch size, but got: ${shapeText(x.sizes)}`,
    );
  }
  const labels = y.sizes.length === 0 ? y.reshape(1) : y;
  if (labels.sizes.length !== 1 || labels.count !== samples) {
    throw new RuntimeError(`inconsistent target size, expected ${samples} but got ${shapeText(y.sizes)}`);
  }
  for (const label of allValues(labels).typed_array()) {
    if (Number(label) < 0 || Number(label) >= classes) throw new RuntimeError("target out of range");
  }
  if (w !== null && w.count !== classes) {
    throw new RuntimeError(`inconsistent weight size, expected ${classes} but got ${shapeText(w.sizes)}`);
  }
  const pick = { reduction: "none" as const, ignoreIndex: -100 };
  const own = nllLoss(scores.neg(), labels, null, pick).unsqueeze(1);
  const margins = scores.sub(own).add(m);
  // NaN counts as "not above 0".
  let terms = margins.masked_fill(margins.gt(0).logical_not(), 0);
  if (power === 2) terms = terms.square();
  if (w !== null) terms = terms.mul(nllLoss(w.neg().expand(samples, classes), labels, null, pick).unsqueeze(1));
  const isLabel = classNumbers(scores).eq(labels.unsqueeze(1));
  const losses = terms.masked_fill(isLabel, 0).sum(1).div(classes);
  return reduced(single ? losses.squeeze(0) : losses, kind);
}

/** 0, 1, 2, … along the last dimension. */
function classNumbers(x: Tensor): Tensor {
  return x
    .new_ones([x.sizes[x.sizes.length - 1]])
    .cumsum(0)
    .sub(1);
}

/**
 * Σ over labels y and other classes i of max(0, 1 − x[y] + x[i]), divided by the number of classes. Each row of the target
 * lists its labels up to the first −1.
 */
export function multilabel_margin_loss(
  input: Tensor,
  target: Tensor,
  size_average?: boolean | null | ReductionOptions,
  reduce?: boolean | null | ReductionOptions,
  reduction?: Reduction | ReductionOptions,
): Tensor {
  const [x, y, average, reduces, how] = bind(`multilabel_margin_loss(Tensor input, Tensor target, ${REDUCTION})`, [
    input,
    target,
    size_average,
    reduce,
    reduction,
  ]) as [Tensor, Tensor, boolean | null, boolean | null, string];
  const kind = checked(legacyReduction(average, reduces, how));
  const rank = x.sizes.length;
  const classes = rank === 0 ? 1 : x.sizes[rank - 1];
  if (rank > 2 || classes === 0) {
    throw new RuntimeError(
      `Expected non-empty vector or matrix with optional 0-dim batch size, but got: ${shapeText(x.sizes)}`,
    );
  }
  const wanted = rank === 0 ? [y.sizes.length === 0 ? [] : [1]][0] : x.sizes;
  if (!sameShape(y.sizes, wanted)) {
    throw new RuntimeError(`inconsistent target size: ${shapeText(y.sizes)} for input of size: ${shapeText(x.sizes)}`);
  }
  const scores = x.reshape(-1, classes);
  const samples = scores.sizes[0];
  // A position of the list counts until the first −1.
  const list = y.reshape(-1, classes);
  const ended = list.lt(0).to(list.dtype).cumsum(1).gt(0);
  const labels = list.masked_fill(ended, 0);
  for (const label of allValues(labels).typed_array()) {
    if (Number(label) >= classes) throw new RuntimeError("target out of range");
  }
  const own = scores.gather(1, labels);
  const matches = classNumbers(scores).to(list.dtype).eq(labels.unsqueeze(2)).masked_fill(ended.unsqueeze(2), false);
  const isLabel = matches.any(1);
  const margins = own.unsqueeze(2).sub(scores.unsqueeze(1)).neg().add(1);
  // NaN counts as "not above 0".
  const terms = margins.masked_fill(margins.gt(0).logical_not(), 0);
  const counted = terms.masked_fill(ended.unsqueeze(2), 0).masked_fill(isLabel.unsqueeze(1), 0);
  const losses = counted.sum([1, 2]).div(classes);
  return reduced(rank < 2 && samples === 1 ? losses.squeeze(0) : losses, kind);
}

/** Keyword arguments of `multilabel_soft_margin_loss`. */
export interface MultilabelSoftMarginOptions extends ReductionOptions {
  readonly weight?: Tensor | null;
}

/** Binary cross entropy of each class with logits, averaged over the classes (the last dimension). */
export function multilabel_soft_margin_loss(
  input: Tensor,
  target: Tensor,
  weight?: Tensor | null | MultilabelSoftMarginOptions,
  size_average?: boolean | null | MultilabelSoftMarginOptions,
  reduce?: boolean | null | MultilabelSoftMarginOptions,
  reduction?: Reduction | MultilabelSoftMarginOptions,
): Tensor {
  const [x, y, w, average, reduces, how] = bind(
    `multilabel_soft_margin_loss(Tensor input, Tensor target, Tensor? weight=None, ${REDUCTION})`,
    [input, target, weight, size_average, reduce, reduction],
  ) as [Tensor, Tensor, Tensor | null, boolean | null, boolean | null, string];
  const kind = checked(legacyReduction(average, reduces, how));
  let losses = y
    .mul(logsigmoid(x))
    .add(y.neg().add(1).mul(logsigmoid(x.neg())))
    .neg();
  if (w !== null) losses = losses.mul(w);
  const dim = x.sizes.length - 1;
  const means = losses.sum(dim).div(x.sizes[dim]);
  return reduced(means, kind);
}
