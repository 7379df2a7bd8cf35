/** Variance, standard deviation and norms as functions and methods. */
import type { DType } from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { describe } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { intoOut } from "./define/out.ts";
import { bind } from "./define/schema.ts";
import { bindVariance, type VarianceOptions, varianceOp } from "./define/variance.ts";
import type { Dims } from "./reductions.ts";
import { vector_norm } from "./vector-norm.ts";

const varOp = varianceOp("var");
const stdOp = varianceOp("std");

function variance(name: "var" | "std", op: typeof varOp) {
  return (
    self: Tensor,
    dim?: Dims | boolean | VarianceOptions,
    unbiased?: boolean | VarianceOptions,
    keepdim?: boolean | VarianceOptions,
    options?: VarianceOptions,
  ): Tensor => {
    const { x, attrs, out } = bindVariance(name, [self, dim, unbiased, keepdim, options], true);
    const result = op(x, attrs);
    return intoOut(out, result);
  };
}
type Variance = ReturnType<typeof variance>;

const variances: Variance = variance("var", varOp);

/** Standard deviation of all elements or over `dim`, with the divisor n - `correction` (1 by default). */
export const std: Variance = variance("std", stdOp);

// `var` is a reserved word, so that it can be exported under that name only so.
export {
  /** Variance of all elements or over `dim`, with the divisor n - `correction` (1 by default). */
  variances as var,
};

/** Keyword arguments of `norm`. */
export interface NormOptions {
  readonly p?: number | "fro" | "nuc" | null;
  readonly dim?: Dims;
  readonly keepdim?: boolean;
  readonly dtype?: DType | null;
  readonly out?: Tensor;
}

/**
 * The vector norm of all elements or over `dim`: (Σ|x|^p)^(1/p), the largest or smallest absolute value for p = ±Infinity, the
 * number of elements that are not 0 for p = 0. "fro" is 2.
 */
export function norm(
  self: Tensor,
  p?: number | "fro" | "nuc" | null | NormOptions,
  dim?: Dims | NormOptions,
  keepdim?: boolean | NormOptions,
  options?: NormOptions,
): Tensor {
  const [x, order, d, keep, dtype, out] = bind(
    'norm(Tensor self, any? p="fro", int[]? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)',
    [self, p, dim, keepdim, options],
  ) as [Tensor, unknown, number[] | null, boolean, DType | null, Tensor | null];
  if (order === "nuc") {
    throw new NotImplementedError(
      "norm(): the nuclear norm needs a singular value decomposition, which is not there yet",
    );
  }
  if (typeof order === "string" && order !== "fro") throw new RuntimeError(`unknown norm type ${order}`);
  if (order !== null && order !== "fro" && typeof order !== "number") {
    throw new TypeError(`norm(): argument 'p' must be Number or str, not ${describe(order)}`);
  }
  const result = vector_norm(x, typeof order === "number" ? order : 2, d, keep, { dtype });
  return intoOut(out, result);
}
