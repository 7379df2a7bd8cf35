/**
 * Second derivatives of sampling at the positions of a grid, made of ordinary ops and thus differentiable again. A result is
 * a sum of elements, each with a product of weights, one for each dimension, that are functions of the position.
 */
import * as dt from "../dtype.ts";
import type { Tensor } from "../tensor.ts";
import type { SamplingOptions } from "./grid-sample-kernels.ts";
import { stack } from "./joining.ts";

/** One element that a result reads along one dimension, for every sample (rows) and position (columns). */
interface Tap {
  /** Number of the element, 0 where there is none. */
  readonly index: Tensor;
  readonly valid: Tensor;
  /** The weight, and its first and second derivatives by the position in the grid; null for 0. */
  readonly weight: Tensor;
  readonly slope: Tensor;
  readonly curvature: Tensor | null;
}

/** Element coordinates, and their derivative by the position: both as the kernels have them. */
interface Located {
  readonly at: Tensor;
  readonly slope: Tensor;
}

function clipped({ at, slope }: Located, size: number): Located {
  const inside = at.gt(0).logical_and(at.lt(size - 1));
  return { at: at.nan_to_num(0).clamp(0, size - 1), slope: slope.masked_fill(inside.logical_not(), 0) };
}

function reflected({ at, slope }: Located, size: number, align: boolean): Located {
  const low = align ? 0 : -0.5;
  const span = 2 * (align ? size - 1 : size);
  if (span === 0) return { at: at.mul(0), slope: slope.mul(0) };
  const shifted = at.sub(low);
  const distance = shifted.abs();
  const extra = distance.sub(distance.detach().div(span).trunc().mul(span));
  const rest = extra.neg().add(span);
  const back = rest.lt(extra);
  const sign = shifted.detach().lt(0).logical_xor(back).to(at.dtype).mul(-2).add(1);
  return { at: rest.where(back, extra).add(low), slope: slope.mul(sign) };
}

function padded(located: Located, size: number, { padding, alignCorners }: SamplingOptions): Located {
  if (padding === "zeros") return located;
  return clipped(padding === "border" ? located : reflected(located, size, alignCorners), size);
}

const A = -0.75;
/** Keys' cubic convolution at distances |x| ≤ 1 and 1 < |x| < 2 by its coefficients, the constant one first. */
const NEAR = [1, 0, -(A + 3), A + 2];
const FAR = [-4 * A, 8 * A, -5 * A, A];
const derived = (coefficients: readonly number[]): number[] => coefficients.map((c, k) => c * k).slice(1);

function polynomial(x: Tensor, coefficients: readonly number[]): Tensor {
  return coefficients
    .slice(0, -1)
    .reduceRight((sum, c) => sum.mul(x).add(c), x.mul(0).add(coefficients[coefficients.length - 1]));
}

function tapsAlong(position: Tensor, size: number, options: SamplingOptions): Tap[] {
  const { mode, padding, alignCorners } = options;
  const scale = (alignCorners ? size - 1 : size) / 2;
  const scaled = position.add(1).mul(scale);
  const raw = { at: alignCorners ? scaled : scaled.sub(0.5), slope: position.detach().mul(0).add(scale) };
  const tap = (coordinate: Tensor, weight: Tensor, slope: Tensor, curvature: Tensor | null): Tap => {
    const valid = coordinate.ge(0).logical_and(coordinate.lt(size));
    return { index: coordinate.where(valid, 0).to(dt.int64), valid, weight, slope, curvature };
  };
  if (mode === "bicubic") {
    const floor = raw.at.detach().floor();
    const t = raw.at.sub(floor);
    return [-1, 0, 1, 2].map((k) => {
      const sign = k > 0 ? -1 : 1;
      const distance = t.sub(k).mul(sign);
      const weight = k === 0 || k === 1 ? NEAR : FAR;
      const { at } = padded({ at: floor.add(k), slope: raw.slope }, size, { ...options, padding });
      const value = (coefficients: readonly number[], factor: number): Tensor =>
        polynomial(distance, coefficients).mul(factor);
      return tap(
        at,
        value(weight, 1),
        value(derived(weight), sign * scale),
        value(derived(derived(weight)), scale * scale),
      );
    });
  }
  const { at, slope } = padded(raw, size, options);
  const floor = at.detach().floor();
  const after = at.sub(floor);
  return [tap(floor, after.neg().add(1), slope.neg(), null), tap(floor.add(1), after, slope, null)];
}

/** All ways to choose one tap in each dimension. */
function combinations(taps: readonly (readonly Tap[])[]): Tap[][] {
  return taps.reduce<Tap[][]>((lists, own) => lists.flatMap((list) => own.map((t) => [...list, t])), [[]]);
}

const product = (factors: readonly Tensor[]): Tensor => factors.slice(1).reduce((p, f) => p.mul(f), factors[0]);
const sum = (terms: readonly (Tensor | null)[]): Tensor | null =>
  terms.reduce((total, t) => (total === null ? t : t === null ? total : total.add(t)), null);

/**
 * Gradients of the gradient of a grid, `gridSampleGridBackward(g, x, grid)`, with `gg` coming in: of `g`, of `x`, and of
 * the grid. null where not wanted.
 */
export function gridSampleGridDoubleBackward(
  gg: Tensor,
  [g, x, grid]: readonly Tensor[],
  options: SamplingOptions,
  wanted: readonly boolean[],
): (Tensor | null)[] {
  const dims = x.sizes.length - 2;
  if (options.mode === "nearest" || g.count === 0 || x.count === 0) {
    return [g, x, grid].map((t, i) => (wanted[i] ? t.new_zeros(t.sizes) : null));
  }
  const [samples, channels] = x.sizes;
  const inputs = x.sizes.slice(2);
  const size = inputs.reduce((a, b) => a * b, 1);
  const places = grid.sizes.slice(1, -1).reduce((a, b) => a * b, 1);
  const flatGrid = grid.reshape([samples, places, dims]);
  const flatTangent = gg.reshape([samples, places, dims]);
  // The grid has x, the last dimension, first.
  const along = (t: Tensor, d: number): Tensor => t.select(2, dims - 1 - d);
  const tangents = inputs.map((_, d) => along(flatTangent, d));
  const taps = inputs.map((n, d) => tapsAlong(along(flatGrid, d), n, options));
  const values = x.reshape([samples, channels, size]);
  const incoming = g.reshape([samples, channels, places]);

  let toG: Tensor | null = null;
  let toX: Tensor | null = null;
  const toGrid: (Tensor | null)[] = inputs.map(() => null);
  for (const chosen of combinations(taps)) {
    const place = chosen.reduce((at, t, d) => at.mul(inputs[d]).add(t.index), chosen[0].index.mul(0));
    const wide = place.unsqueeze(1).expand([samples, channels, places]);
    const valid = chosen.map((t) => t.valid).reduce((a, b) => a.logical_and(b));
    const picked = values.gather(2, wide).masked_fill(valid.logical_not().unsqueeze(1), 0);
    const factors = (d: number, factor: Tensor, e = -1, other: Tensor | null = null): Tensor =>
      product(chosen.map((t, k) => (k === d ? factor : k === e ? (other as Tensor) : t.weight)));
    const tangent = sum(tangents.map((v, d) => v.mul(factors(d, chosen[d].slope)))) as Tensor;
    const weight = tangent.masked_fill(valid.logical_not(), 0).unsqueeze(1);
    if (wanted[0]) toG = sum([toG, picked.mul(weight)]);
    if (wanted[1]) {
      toX ??= values.new_zeros(values.sizes);
      toX = toX.scatter_add(2, wide, incoming.mul(weight));
    }
    if (!wanted[2]) continue;
    const both = picked.mul(incoming).sum(1);
    for (const d of inputs.keys()) {
      const second = sum(
        tangents.map((v, e) => {
          if (e !== d) return v.mul(factors(d, chosen[d].slope, e, chosen[e].slope));
          const { curvature } = chosen[d];
          return curvature === null ? null : v.mul(factors(d, curvature));
        }),
      );
      if (second !== null) toGrid[d] = sum([toGrid[d], both.mul(second)]);
    }
  }
  const gridParts = wanted[2] ? toGrid.map((t) => t ?? flatGrid.new_zeros([samples, places])) : [];
  return [
    toG?.reshape(g.sizes) ?? null,
    toX?.reshape(x.sizes) ?? null,
    wanted[2] ? stack(gridParts.reverse(), 2).reshape(grid.sizes) : null,
  ];
}
