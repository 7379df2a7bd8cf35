/** The `reduction` argument of losses, and the two arguments that it replaced. */
import { ValueError } from "../../errors.ts";
import type { Reduction } from "../../ops/losses.ts";
import type { Tensor } from "../../tensor.ts";

export type { Reduction };

/** Keyword arguments that every loss takes. */
export interface ReductionOptions {
  /** "mean" (the default), "sum" or "none". */
  readonly reduction?: Reduction;
  /** Deprecated: false is `reduction: "sum"`. */
  readonly size_average?: boolean | null;
  /** Deprecated: false is `reduction: "none"`. */
  readonly reduce?: boolean | null;
}

/** The reduction that the arguments mean. Other names are checked by `checked`. */
export function legacyReduction(sizeAverage: unknown, reduce: unknown, reduction: string): string {
  if ((sizeAverage === null || sizeAverage === undefined) && (reduce === null || reduce === undefined))
    return reduction;
  if (reduce === false) return "none";
  return sizeAverage === false ? "sum" : "mean";
}

/** A reduction as PyTorch accepts it. */
export function checked(reduction: string): Reduction {
  if (reduction === "none" || reduction === "mean" || reduction === "sum") return reduction;
  throw new ValueError(`${reduction} is not a valid value for reduction`);
}

/** Applies a reduction to the losses of all elements. */
export function reduced(losses: Tensor, reduction: Reduction): Tensor {
  return reduction === "none" ? losses : reduction === "sum" ? losses.sum() : losses.mean();
}
