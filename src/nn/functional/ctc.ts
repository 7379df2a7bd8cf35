/** Loss of sequences whose alignment is not known. */

import { tensor } from "../../ops/creation.ts";
import { ctcLosses } from "../../ops/ctc-loss.ts";
import { bind } from "../../ops/define/schema.ts";
import type { Tensor } from "../../tensor.ts";
import { checked, type Reduction } from "./reduction.ts";

/** Keyword arguments of `ctc_loss`. */
export interface CTCLossCallOptions {
  /** The class of the blank. Default 0. */
  readonly blank?: number;
  /** "mean" (the default) divides by the lengths of the targets before. */
  readonly reduction?: Reduction;
  /** Losses of targets that are too long for their input, which are infinite, count as 0. Default false. */
  readonly zero_infinity?: boolean;
}

/** How long the sequences are: a tensor, a list, or the number for one. */
export type Lengths = Tensor | readonly number[] | number;

/**
 * The negative logarithm of the probability of `targets` (N, S) or (ΣS) under `log_probs` (T, N, C), logarithms of
 * probabilities from `log_softmax`. Without a batch: (T, C) and (S).
 */
export function ctc_loss(
  log_probs: Tensor,
  targets: Tensor,
  input_lengths: Lengths,
  target_lengths: Lengths,
  blank?: number | CTCLossCallOptions,
  reduction?: Reduction | CTCLossCallOptions,
  zero_infinity?: boolean | CTCLossCallOptions,
): Tensor {
  const [lp, labels, steps, sizes, empty, how, zero] = bind(
    'ctc_loss(Tensor log_probs, Tensor targets, any input_lengths, any target_lengths, int blank=0, str reduction="mean", bool zero_infinity=False)',
    [log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity],
  ) as [Tensor, Tensor, Lengths, Lengths, number, string, boolean];
  const kind = checked(how);
  const single = lp.dim() === 2;
  const { losses, lengths } = ctcLosses(single ? lp.unsqueeze(1) : lp, labels, steps, sizes, empty, zero);
  const values = zero ? losses.masked_fill(losses.eq(Number.POSITIVE_INFINITY), 0) : losses;
  if (kind === "sum") return values.sum();
  if (kind === "none") return single ? values.squeeze(0) : values;
  const divisors = tensor(Float64Array.from(lengths, (n) => Math.max(n, 1))).to(values.dtype);
  return values.div(divisors).mean();
}
