/** Histograms and counts of integers. */
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { resultRows, rowsOf, withElements } from "./define/axis.ts";
import { intoOut } from "./define/out.ts";
import { primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";

interface HistogramAttrs {
  readonly bins: number;
  readonly min: number;
  readonly max: number;
}

const histcOp = primitive<HistogramAttrs>({
  name: "histc",
  compute: ([x], { bins, min, max }) => {
    const { tensor } = rowsOf(x, Math.max(x.sizes.length - 1, 0));
    const counts = resultRows(x.dtype, [bins], 0);
    withElements([tensor, counts.tensor], ([from, to]) => {
      const round = from instanceof Float32Array ? Math.fround : (v: number): number => v;
      let low = round(min);
      let high = round(max);
      if (low === high && from.length > 0) {
        low = Number.POSITIVE_INFINITY;
        high = Number.NEGATIVE_INFINITY;
        for (let i = 0; i < from.length; i++) {
          low = Math.min(low, from[i] as number);
          high = Math.max(high, from[i] as number);
        }
      }
      if (low === high) {
        low -= 1;
        high += 1;
      }
      if (!Number.isFinite(low) || !Number.isFinite(high)) {
        throw new RuntimeError(`torch.histc: range of [${rangeText(low)}, ${rangeText(high)}] is not finite`);
      }
      if (!(low < high)) throw new RuntimeError("torch.histc: max must be larger than min");
      const width = round(high - low);
      const found = new Float64Array(bins);
      for (let i = 0; i < from.length; i++) {
        const v = from[i] as number;
        if (!(v >= low && v <= high)) continue;
        const bin = Math.trunc(round(round(round(v - low) * bins) / width));
        found[Math.min(bin, bins - 1)]++;
      }
      to.set(found as never);
    });
    return counts.finish();
  },
});

function rangeText(x: number): string {
  if (Number.isNaN(x)) return "nan";
  return Number.isFinite(x) ? String(x) : x > 0 ? "inf" : "-inf";
}

/** Keyword arguments of `histc`. */
export interface HistcOptions {
  readonly bins?: number;
  readonly min?: number;
  readonly max?: number;
  readonly out?: Tensor;
}

/**
 * How many elements lie in each of `bins` (100) parts of equal width from `min` to `max`; where these are equal, from the smallest to the
 * largest element.
 */
export function histc(
  self: Tensor,
  bins?: number | HistcOptions,
  min?: number | HistcOptions,
  max?: number | HistcOptions,
  options?: HistcOptions,
): Tensor {
  const [x, count, low, high, out] = bind(
    "histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0, *, Tensor? out=None)",
    [self, bins, min, max, options],
  ) as [Tensor, number, number, number, Tensor | null];
  if (!x.dtype.is_floating_point) {
    dt.notImplementedFor("histogram_cpu", x.dtype);
  }
  if (count <= 0) throw new RuntimeError(`torch.histogram(): bins must be > 0, but got ${count} for dimension 0`);
  const result = histcOp([x], { bins: count, min: Number(low), max: Number(high) });
  return intoOut(out, result);
}

const bincountOp = primitive<{ readonly minlength: number }>({
  name: "bincount",
  compute: ([x, weights], { minlength }) => {
    const { tensor } = rowsOf(x, 0, dt.int64);
    let largest = -1;
    withElements([tensor], ([from]) => {
      for (let i = 0; i < from.length; i++) {
        const v = Number(from[i]);
        if (v < 0) throw new RuntimeError("bincount only supports 1-d non-negative integral inputs.");
        if (v > largest) largest = v;
      }
    });
    const size = Math.max(largest + 1, minlength);
    const type = weights === undefined ? dt.int64 : weights.dtype === dt.float32 ? dt.float32 : dt.float64;
    const counts = resultRows(type, [size], 0);
    const scale = weights === undefined ? tensor : rowsOf(weights, 0, type).tensor;
    withElements([tensor, scale, counts.tensor], ([from, by, to]) => {
      if (to instanceof BigInt64Array) {
        const found = new Float64Array(size);
        for (let i = 0; i < from.length; i++) found[Number(from[i])]++;
        for (let i = 0; i < size; i++) to[i] = BigInt(found[i]);
        return;
      }
      to.fill(0);
      for (let i = 0; i < from.length; i++) to[Number(from[i])] += by[i] as number;
    });
    return counts.finish();
  },
});

/** Keyword arguments of `bincount`. */
export interface BincountOptions {
  readonly weights?: Tensor | null;
  readonly minlength?: number;
}

/** How often each of 0, 1, 2, … occurs among integers, or the sum of the `weights` at its places. At least `minlength` results. */
export function bincount(
  self: Tensor,
  weights?: Tensor | null | BincountOptions,
  minlength?: number | BincountOptions,
): Tensor {
  const [x, w, least] = bind("bincount(Tensor self, Tensor? weights=None, int minlength=0)", [
    self,
    weights,
    minlength,
  ]) as [Tensor, Tensor | null, number];
  if (least < 0) throw new RuntimeError("minlength should be >= 0");
  if (x.dtype.is_floating_point || x.dtype === dt.bool) {
    dt.notImplementedFor("bincount_cpu", x.dtype);
  }
  if (x.sizes.length !== 1) throw new RuntimeError("bincount only supports 1-d non-negative integral inputs.");
  if (w !== null && (w.sizes.length !== 1 || w.count !== x.count)) {
    throw new RuntimeError("weights should be 1-d and have the same length as input");
  }
  return bincountOp(w === null || x.count === 0 ? [x] : [x, w.detach()], { minlength: least });
}
