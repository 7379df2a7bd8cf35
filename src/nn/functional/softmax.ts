/** Softmax and its relatives, with the `dim` that may be left out. */

import { withGradMode } from "../../autograd/mode.ts";
import type { DType } from "../../dtype.ts";
import { bind } from "../../ops/define/schema.ts";
import * as ops from "../../ops/softmax.ts";
import { normalizeDim } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

/** Keyword arguments of `softmax`, `log_softmax` and `softmin`. */
export interface SoftmaxOptions {
  /** The dimension whose elements compete. Leaving it out is deprecated: it is then 0 for tensors of rank 0, 1 and 3, else 1. */
  readonly dim?: number | null;
  /** The input is converted to this type first. */
  readonly dtype?: DType | null;
}

const warned = new Set<string>();

function implicitDim(name: string, rank: number): number {
  if (!warned.has(name)) {
    warned.add(name);
    console.warn(
      `UserWarning: Implicit dimension choice for ${name} has been deprecated. Change the call to include dim=X as an argument.`,
    );
  }
  return rank === 0 || rank === 1 || rank === 3 ? 0 : 1;
}

type Arguments = readonly [
  dim?: number | null | SoftmaxOptions,
  stacklevel?: number | SoftmaxOptions,
  dtype?: DType | null | SoftmaxOptions,
];

function bound(name: string, input: Tensor, args: Arguments): { x: Tensor; dim: number; dtype: DType | null } {
  const [x, dim, , dtype] = bind(`${name}(Tensor input, int? dim=None, int _stacklevel=3, dtype? dtype=None)`, [
    input,
    ...args,
  ]) as [Tensor, number | null, number, DType | null];
  return { x, dim: dim ?? implicitDim(name, x.sizes.length), dtype };
}

/** exp(x) / Σ exp(x) along `dim`. */
export function softmax(input: Tensor, ...args: [...Arguments]): Tensor {
  const { x, dim, dtype } = bound("softmax", input, args);
  return ops.softmax(x, dim, dtype);
}

/** The logarithm of `softmax`, without its overflow. */
export function log_softmax(input: Tensor, ...args: [...Arguments]): Tensor {
  const { x, dim, dtype } = bound("log_softmax", input, args);
  return ops.log_softmax(x, dim, dtype);
}

/** `softmax(-x)` */
export function softmin(input: Tensor, ...args: [...Arguments]): Tensor {
  const { x, dim, dtype } = bound("softmin", input, args);
  return ops.softmax(x.neg(), dim, dtype);
}

/** Keyword arguments of `gumbel_softmax`. */
export interface GumbelSoftmaxOptions {
  readonly tau?: number;
  readonly hard?: boolean;
  readonly eps?: number;
  readonly dim?: number;
}

/**
 * A sample of the Gumbel-softmax distribution (https://arxiv.org/abs/1611.01144): `softmax((logits + noise) / tau)`. With `hard` the
 * result is one-hot, and its gradient that of the soft sample.
 */
export function gumbel_softmax(
  logits: Tensor,
  tau?: number | GumbelSoftmaxOptions,
  hard?: boolean | GumbelSoftmaxOptions,
  eps?: number | GumbelSoftmaxOptions,
  dim?: number | GumbelSoftmaxOptions,
): Tensor {
  const [x, temperature, oneHot, , d] = bind(
    "gumbel_softmax(Tensor logits, float tau=1, bool hard=False, float eps=1e-10, int dim=-1)",
    [logits, tau, hard, eps, dim],
  ) as [Tensor, number, boolean, number, number];
  const noise = withGradMode(false, () => x.detach().clone().exponential_().log().neg());
  const soft = ops.softmax(x.add(noise).div(temperature), d);
  if (!oneHot) return soft;
  const axis = normalizeDim(d, x.sizes.length);
  // The first of equal elements is the one.
  const best = soft.detach().argmax(axis, true);
  const shape = x.sizes.map((s, i) => (i === axis ? s : 1));
  const numbers = best.new_ones([x.sizes[axis]]).cumsum(0).sub(1).view(shape);
  const chosen = numbers.eq(best).to(soft.dtype);
  return chosen.sub(soft.detach()).add(soft);
}
