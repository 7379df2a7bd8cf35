/** Distances and angles between vectors, and scaling to length 1. */
import { get_default_dtype, promote_types } from "../../dtype.ts";
import { intoOut } from "../../ops/define/out.ts";
import { bind } from "../../ops/define/schema.ts";
import { broadcastShapes } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

/** Keyword arguments of `cosine_similarity`. */
export interface CosineSimilarityOptions {
  readonly dim?: number;
  readonly eps?: number;
}

/** The cosine of the angle between vectors along `dim` (1); lengths count as at least `eps` (1e-8). */
export function cosine_similarity(
  x1: Tensor,
  x2: Tensor,
  dim?: number | CosineSimilarityOptions,
  eps?: number | CosineSimilarityOptions,
): Tensor {
  const [a, b, d, epsilon] = bind("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-8)", [
    x1,
    x2,
    dim,
    eps,
  ]) as [Tensor, Tensor, number, number];
  const shape = broadcastShapes(a.sizes, b.sizes);
  const dtype = promote_types(a.dtype, b.dtype);
  const [u, v] = [a, b].map((x) => x.to(dtype).expand(shape));
  // Each factor is scaled first, so that no product overflows.
  const unit = (x: Tensor): Tensor => x.div(boundedNorm(x, d, epsilon));
  return unit(u).mul(unit(v)).sum(d);
}

/** The length along `dim`, at least `eps`; below that it is a constant for the gradient, as in PyTorch. */
function boundedNorm(x: Tensor, dim: number, eps: number): Tensor {
  const norm = x.norm(2, dim, true);
  return norm.add(norm.detach().clamp_min(eps).sub(norm.detach()));
}

/** Keyword arguments of `pairwise_distance`. */
export interface PairwiseDistanceOptions {
  readonly p?: number;
  readonly eps?: number;
  readonly keepdim?: boolean;
}

/** ‖x1 − x2 + eps‖ₚ over the last dimension; p is 2 and eps 1e-6 by default. */
export function pairwise_distance(
  x1: Tensor,
  x2: Tensor,
  p?: number | PairwiseDistanceOptions,
  eps?: number | PairwiseDistanceOptions,
  keepdim?: boolean | PairwiseDistanceOptions,
): Tensor {
  const [a, b, order, epsilon, keep] = bind(
    "pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-6, bool keepdim=False)",
    [x1, x2, p, eps, keepdim],
  ) as [Tensor, Tensor, number, number, boolean];
  const last = Math.max(a.sizes.length, b.sizes.length) - 1;
  const difference = a.sub(b);
  // Epsilon is a float: integers become one.
  const values = difference.dtype.is_floating_point ? difference : difference.to(get_default_dtype());
  return values.add(epsilon).norm(order, last, keep);
}

/** Keyword arguments of `normalize`. */
export interface NormalizeOptions {
  readonly p?: number;
  readonly dim?: number;
  readonly eps?: number;
  readonly out?: Tensor | null;
}

/** `input / max(‖input‖ₚ, eps)` along `dim` (1). */
export function normalize(
  input: Tensor,
  p?: number | NormalizeOptions,
  dim?: number | NormalizeOptions,
  eps?: number | NormalizeOptions,
  options?: NormalizeOptions,
): Tensor {
  const [x, order, d, epsilon, out] = bind(
    "normalize(Tensor input, float p=2, int dim=1, float eps=1e-12, Tensor? out=None)",
    [input, p, dim, eps, options],
  ) as [Tensor, number, number, number, Tensor | null];
  const result = x.div(x.norm(order, d, true).clamp_min(epsilon).expand_as(x));
  return intoOut(out, result);
}
