/**
 * Dropout: in training, elements are zero with probability `p` and the others grow, so that the mean stays.
 * Source: G. Hinton et al., "Improving neural networks by preventing co-adaptation of feature detectors" (2012);
 * for alpha dropout G. Klambauer et al., "Self-normalizing neural networks" (2017). The masks are those of PyTorch.
 */

import { withGradMode } from "../autograd/mode.ts";
import { forSamples } from "../dispatch.ts";
import { bool as BOOL, float32, float64 } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { formatDouble } from "../random/arrays.ts";
import type { Tensor } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";
import { empty, empty_like, ones_like, zeros } from "./creation.ts";
import { bindAs, isOptions } from "./define/schema.ts";
import { bernoulli_, fillDropoutMask } from "./random-methods.ts";

/** The limit of SELU for negative inputs, with its sign changed: scale · alpha. */
const ALPHA = 1.7580993408473766;

interface Variant {
  readonly feature: boolean;
  readonly alpha: boolean;
  readonly inplace: boolean;
}

const maskOf = (x: Tensor, sizes: readonly number[]): Tensor =>
  sizes.length === x.sizes.length ? empty_like(x) : empty(sizes, { dtype: x.dtype });

/** Memory for one factor for each element, or one for each sample and channel. */
function emptyMask(x: Tensor, feature: boolean): Tensor {
  if (!feature) return isBatched(x) ? empty_like(x) : forSamples(x.sizes, (all) => maskOf(x, all));
  if (x.ndim < 2) throw new RuntimeError("Feature dropout requires at least 2 dimensions in the input");
  const sizes = x.shape.map((s, d) => (d < 2 ? s : 1));
  return forSamples(sizes, (all) => empty(all, { dtype: x.dtype }));
}

/** 1 / (1 - p) for kept elements, else 0. */
function scaledMask(x: Tensor, p: number, feature: boolean): Tensor {
  const out = emptyMask(x, feature);
  if (x.dtype === float32) return fillDropoutMask(out, 1 - p, Math.fround(1 / Math.fround(1 - p)));
  if (x.dtype === float64) return fillDropoutMask(out, 1 - p, 1 / (1 - p));
  return bernoulli_(out, 1 - p).div_(1 - p);
}

function dropped(name: string, args: readonly unknown[], { feature, alpha, inplace }: Variant): Tensor {
  const [x, p, train] = bindAs(name, "(Tensor input, float p, bool train)", args) as [Tensor, number, boolean];
  if (!(p >= 0 && p <= 1)) {
    throw new RuntimeError(`dropout probability has to be between 0 and 1, but got ${formatDouble(p)}`);
  }
  if (p === 0 || !train || x.numel() === 0) return x;
  const multiply = (factor: Tensor): Tensor => (inplace ? x.mul_(factor) : x.mul(factor));
  if (p === 1) return multiply(zeros([], { dtype: x.dtype }));
  let shift: Tensor | null = null;
  const noise = withGradMode(false, () => {
    if (!alpha) return scaledMask(x, p, feature);
    const kept = bernoulli_(emptyMask(x, feature), 1 - p);
    const a = 1 / Math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p));
    shift = kept
      .add(-1)
      .mul_(ALPHA * a)
      .add_(ALPHA * a * p);
    return kept.mul_(a);
  });
  const scaled = multiply(noise);
  if (shift === null) return scaled;
  return inplace ? scaled.add_(shift) : scaled.add(shift);
}

type Dropout = (input: Tensor, p: number, train: boolean) => Tensor;

function variant(name: string, kind: Variant): Dropout {
  return (input, p, train) => dropped(name, isOptions(p) ? [input, p] : [input, p, train], kind);
}

/** Zeroes elements with probability `p` and multiplies the others by 1 / (1 - p), if `train`. */
export const dropout: Dropout = variant("dropout", { feature: false, alpha: false, inplace: false });
/** `dropout` in place. */
export const dropout_: Dropout = variant("dropout_", { feature: false, alpha: false, inplace: true });
/** Zeroes whole channels (N, C, …). */
export const feature_dropout: Dropout = variant("feature_dropout", { feature: true, alpha: false, inplace: false });
/** `feature_dropout` in place. */
export const feature_dropout_: Dropout = variant("feature_dropout_", { feature: true, alpha: false, inplace: true });
/** Keeps mean and variance of inputs of mean 0 and variance 1: dropped elements become the lower limit of SELU. */
export const alpha_dropout: Dropout = variant("alpha_dropout", { feature: false, alpha: true, inplace: false });
/** `alpha_dropout` in place. */
export const alpha_dropout_: Dropout = variant("alpha_dropout_", { feature: false, alpha: true, inplace: true });
/** `alpha_dropout` of whole channels. */
export const feature_alpha_dropout: Dropout = variant("feature_alpha_dropout", {
  feature: true,
  alpha: true,
  inplace: false,
});
/** `feature_alpha_dropout` in place. */
export const feature_alpha_dropout_: Dropout = variant("feature_alpha_dropout_", {
  feature: true,
  alpha: true,
  inplace: true,
});

/** Dropout that also returns its bool mask of kept elements. */
export function native_dropout(input: Tensor, p: number, train: boolean | null): [output: Tensor, mask: Tensor] {
  if (train === false) return [input.clone(), ones_like(input, { dtype: BOOL })];
  const kept = bernoulli_(empty_like(input, { dtype: BOOL }), 1 - p);
  return [input.mul(kept).mul(p === 1 ? 0 : 1 / (1 - p)), kept];
}
