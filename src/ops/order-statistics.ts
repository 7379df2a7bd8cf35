/** Medians, quantiles, the k-th smallest and the most frequent value. */

import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { normalizeDim } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";
import { copied } from "./copy.ts";
import { type Elements, requireNonEmpty, resultRows, rowsOf, selectedGradient, withElements } from "./define/axis.ts";
import { alongDims } from "./define/batch.ts";
import { intoAll, type ValuesIndices, valuesAndIndices } from "./define/named.ts";
import { intoOut } from "./define/out.ts";
import { primitive, primitiveMany, RESULT } from "./define/primitive.ts";
import { reducedShape } from "./define/reduction.ts";
import { bind, isOptions } from "./define/schema.ts";
import type { DimOptions } from "./extrema.ts";
import { RowSorter } from "./routines/order.ts";

interface ChooseAttrs {
  readonly dim: number;
  readonly keepdim: boolean;
}

/** Chooses a place in a sorted row: gets the row, where it starts, its length and its order; gives a position in `order`. */
type Chooser = (elements: Elements, start: number, length: number, order: Int32Array) => number;

/** One element of each row along `dim`, and its position. */
function chooseOfRows(x: Tensor, { dim, keepdim }: ChooseAttrs, choose: Chooser): [Tensor, Tensor] {
  const { tensor, rows, length } = rowsOf(x, dim);
  const shape = x.sizes.length === 0 ? [] : reducedShape(x.sizes, [dim], keepdim);
  // Reduced shapes have their rows in order whatever the dimension was.
  const values = resultRows(x.dtype, shape, Math.max(shape.length - 1, 0));
  const indices = resultRows(dt.int64, shape, Math.max(shape.length - 1, 0));
  withElements([tensor, values.tensor, indices.tensor], ([from, to, places]) => {
    const words = new Int32Array(places.buffer, places.byteOffset, 2 * places.length);
    const sorter = new RowSorter(from, length, false);
    for (let r = 0; r < rows; r++) {
      const start = r * length;
      sorter.sort(from, start, length);
      const position = sorter.order[choose(from, start, length, sorter.order)];
      to[r] = from[start + position];
      words[2 * r] = position;
      words[2 * r + 1] = 0;
    }
  });
  return [values.finish(), indices.finish()];
}

const isNaNAt = (elements: Elements, i: number): boolean => Number.isNaN(elements[i]);

/** How many elements are not NaN: in order, they come first. */
function countNumbers(elements: Elements, start: number, length: number, order: Int32Array): number {
  let n = length;
  while (n > 0 && isNaNAt(elements, start + order[n - 1])) n--;
  return n;
}

const middle = (n: number): number => (n - 1) >> 1;
const medianChooser: Chooser = (elements, start, length, order) => {
  const numbers = countNumbers(elements, start, length, order);
  return numbers < length ? numbers : middle(length);
};
const nanmedianChooser: Chooser = (elements, start, length, order) => {
  const numbers = countNumbers(elements, start, length, order);
  return numbers === 0 ? 0 : middle(numbers);
};

/** `median` and `nanmedian`: of all elements, or over a dimension, with indices. */
export interface Median {
  (self: Tensor): Tensor;
  (self: Tensor, dim: number, keepdim?: boolean | DimOptions, options?: DimOptions): ValuesIndices;
  (self: Tensor, options: DimOptions & { readonly dim: number }): ValuesIndices;
  readonly method: {
    (): Tensor;
    (dim: number, keepdim?: boolean | DimOptions): ValuesIndices;
    (options: DimOptions & { readonly dim: number }): ValuesIndices;
  };
}

function medianFunction(name: "median" | "nanmedian", choose: Chooser): Median {
  const title = name === "median" ? "Median" : "Nanmedian";
  const allOp = primitive<null>({
    name,
    nodeName: `${title}Backward0`,
    batch: ({ inputs, values, size }) => {
      if (inputs[0].count === 0) return values[0].new_full([size], emptyMedian(inputs[0]).item() as number);
      return dimOp([values[0].reshape([size, inputs[0].count])], { dim: 1, keepdim: false })[0];
    },
    compute: ([x]) => {
      const flat = rowsOf(x, Math.max(x.sizes.length - 1, 0)).tensor;
      if (x.count === 0) return emptyMedian(x);
      const line = new Tensor(flat.storage, flat.dtype, [x.count], [1], flat.offset);
      const [value] = chooseOfRows(line, { dim: 0, keepdim: false }, choose);
      return x.dtype === value.dtype ? value : copied(value, { dtype: x.dtype, format: "contiguous_format" });
    },
    gradient: (g, c) => {
      const x = c.input(0).detach();
      const result = c.output().detach();
      let mask: Tensor;
      if (isBatched(result)) mask = x.eq(result).logical_or(x.isnan().logical_and(result.isnan()));
      else mask = result.isnan().item() ? x.isnan() : x.eq(result);
      return [g.mul(mask).div(mask.sum())];
    },
    saves: [[0, RESULT]],
  });
  const dimOp = primitiveMany<ChooseAttrs>({
    name,
    nodeName: `${title}Backward1`,
    batch: alongDims("dim"),
    compute: ([x], attrs) => chooseOfRows(x, attrs, choose),
    gradient: (g, c) => [selectedGradient(g, c.shape(0), c.output(1), c.attrs.dim, c.attrs.keepdim)],
    saves: [[RESULT + 1]],
  });
  const named = valuesAndIndices(name);
  const call = (self: Tensor, dim?: unknown, keepdim?: unknown, options?: unknown): Tensor | ValuesIndices => {
    if (dim === undefined || (isOptions(dim) && dim.dim === undefined)) {
      const [x] = bind(`${name}(Tensor self)`, [self, dim, keepdim]) as [Tensor];
      refuseBool("median_cpu", x);
      return allOp([x], null);
    }
    const [x, d, keep, out] = bind(`${name}(Tensor self, int dim, bool keepdim=False, *, Tensor[]? out=None)`, [
      self,
      dim,
      keepdim,
      options,
    ]) as [Tensor, number, boolean, Tensor[] | null];
    refuseBool("median_out", x);
    const at = normalizeDim(d, x.sizes.length);
    requireNonEmpty(`${name}()`, x, x.sizes.length === 0 ? [] : [at]);
    return named(intoAll(out, dimOp([x], { dim: at, keepdim: keep })));
  };
  return call as Median;
}

/** The median of nothing is NaN, or the smallest number of an integer type. */
function emptyMedian(x: Tensor): Tensor {
  const value = resultRows(x.dtype, [], 0);
  withElements([value.tensor], ([to]) => {
    if (to instanceof BigInt64Array) to[0] = -(2n ** 63n);
    else to[0] = x.dtype.is_floating_point ? Number.NaN : x.dtype.is_signed ? -(2 ** (8 * x.dtype.itemsize - 1)) : 0;
  });
  return value.finish();
}

function refuseBool(kernel: string, x: Tensor): void {
  if (x.dtype === dt.bool) {
    dt.notImplementedFor(kernel, x.dtype);
  }
}

/** The median, the lower one of two; NaN where there is a NaN. Over `dim` also where it is. */
export const median: Median = medianFunction("median", medianChooser);
/** The median of what is not NaN. */
export const nanmedian: Median = medianFunction("nanmedian", nanmedianChooser);

interface KthAttrs extends ChooseAttrs {
  readonly k: number;
}
const kthvalueOp = primitiveMany<KthAttrs>({
  name: "kthvalue",
  batch: alongDims("dim"),
  compute: ([x], attrs) => chooseOfRows(x, attrs, () => attrs.k - 1),
  gradient: (g, c) => [selectedGradient(g, c.shape(0), c.output(1), c.attrs.dim, c.attrs.keepdim)],
  saves: [[RESULT + 1]],
});
const namedKthvalue = valuesAndIndices("kthvalue");

/** The `k`-th smallest element along `dim`, counted from 1, and where it is. */
export function kthvalue(
  self: Tensor,
  k: number | (DimOptions & { readonly k: number }),
  dim?: number | DimOptions,
  keepdim?: boolean | DimOptions,
  options?: DimOptions,
): ValuesIndices {
  const [x, count, d, keep, out] = bind(
    "kthvalue(Tensor self, int k, int dim=-1, bool keepdim=False, *, Tensor[]? out=None)",
    [self, k, dim, keepdim, options],
  ) as [Tensor, number, number, boolean, Tensor[] | null];
  const at = normalizeDim(d, x.sizes.length);
  requireNonEmpty("kthvalue()", x, x.sizes.length === 0 ? [] : [at]);
  const length = x.sizes.length === 0 ? 1 : x.sizes[at];
  if (count < 1 || count > length)
    throw new RuntimeError(`kthvalue(): selected number k out of range for dimension ${at}`);
  refuseBool("kthvalue_cpu", x);
  return namedKthvalue(intoAll(out, kthvalueOp([x], { k: count, dim: at, keepdim: keep })));
}

/** The last of the most frequent values; of several the smallest. */
const modeChooser: Chooser = (elements, start, length, order) => {
  let best = 0;
  let place = 0;
  let count = 0;
  for (let i = 0; i < length; i++) {
    count = i > 0 && elements[start + order[i]] === elements[start + order[i - 1]] ? count + 1 : 1;
    if (count > best) {
      best = count;
      place = i;
    }
  }
  return place;
};
const modeOp = primitiveMany<ChooseAttrs>({
  name: "mode",
  batch: alongDims("dim"),
  compute: ([x], attrs) => chooseOfRows(x, attrs, modeChooser),
  gradient: (g, c) => [selectedGradient(g, c.shape(0), c.output(1), c.attrs.dim, c.attrs.keepdim)],
  saves: [[RESULT + 1]],
});
const namedMode = valuesAndIndices("mode");

/** The most frequent value along `dim`, the smallest of several, and where it is last. */
export function mode(
  self: Tensor,
  dim?: number | DimOptions,
  keepdim?: boolean | DimOptions,
  options?: DimOptions,
): ValuesIndices {
  const [x, d, keep, out] = bind("mode(Tensor self, int dim=-1, bool keepdim=False, *, Tensor[]? out=None)", [
    self,
    dim,
    keepdim,
    options,
  ]) as [Tensor, number, boolean, Tensor[] | null];
  const at = normalizeDim(d, x.sizes.length);
  requireNonEmpty("mode()", x, x.sizes.length === 0 ? [] : [at]);
  return namedMode(intoAll(out, modeOp([x], { dim: at, keepdim: keep })));
}

export type Interpolation = "linear" | "lower" | "higher" | "midpoint" | "nearest";
const INTERPOLATIONS: readonly string[] = ["linear", "lower", "higher", "midpoint", "nearest"];

/** Keyword arguments of quantiles. */
export interface QuantileOptions {
  readonly q?: number | Tensor;
  readonly dim?: number | null;
  readonly keepdim?: boolean;
  /** What to give between two elements. */
  readonly interpolation?: Interpolation;
  readonly out?: Tensor;
}

function checkQuantile(name: string, x: Tensor, q: number | Tensor, interpolation: string): void {
  const fail = (message: string): never => {
    throw new RuntimeError(`${name}() ${message}`);
  };
  if (x.count === 0) fail("input tensor must be non-empty");
  if (x.dtype !== dt.float32 && x.dtype !== dt.float64) fail("input tensor must be either float or double dtype");
  if (!INTERPOLATIONS.includes(interpolation)) {
    fail(`interpolation must be one of linear, lower, higher, midpoint or nearest, but got ${interpolation}`);
  }
  if (typeof q === "number") {
    if (!(q >= 0 && q <= 1)) fail(`q must be in the range [0, 1] but got ${q}`);
    return;
  }
  if (q.sizes.length > 1) fail("q must be a scalar or 1D tensor");
  if (q.dtype !== x.dtype) fail("q tensor must be same dtype as the input tensor");
  if (!q.ge(0).logical_and(q.le(1)).all().item()) fail("q values must be in the range [0, 1]");
}

function quantileFunction(name: "quantile" | "nanquantile") {
  return (
    self: Tensor,
    q: number | Tensor | QuantileOptions,
    dim?: number | null | QuantileOptions,
    keepdim?: boolean | QuantileOptions,
    options?: QuantileOptions,
  ): Tensor => {
    const [x, wanted, d, keep, interpolation, out] = bind(
      `${name}(Tensor self, Operand q, int? dim=None, bool keepdim=False, *, str interpolation="linear", Tensor? out=None)`,
      [self, q, dim, keepdim, options],
    ) as [Tensor, number | Tensor, number | null, boolean, Interpolation, Tensor | null];
    checkQuantile(name, x, wanted, interpolation);
    const rank = x.sizes.length;
    const at = d === null ? null : normalizeDim(d, rank);
    const qs = wanted instanceof Tensor ? wanted : x.new_full([], wanted);
    // Rows last; the quantiles of a row become its last dimension.
    const rows = at === null ? x.reshape([-1]) : rank === 0 ? x.reshape([1]) : x.movedim(at, -1);
    const found = quantilesOf(rows, qs.reshape([-1]), interpolation, name === "nanquantile");
    let result = qs.sizes.length === 0 ? found.select(-1, 0) : found.movedim(-1, 0);
    if (keep) {
      const lead = qs.sizes.length;
      if (at === null) result = result.reshape([...result.sizes.slice(0, lead), ...x.sizes.map(() => 1)]);
      else if (rank > 0) result = result.unsqueeze(at + lead);
    }
    return intoOut(out, result);
  };
}

/** For rows [..., n] and quantiles [m]: values [..., m]. */
function quantilesOf(rows: Tensor, q: Tensor, interpolation: Interpolation, ignoreNaN: boolean): Tensor {
  const sorted = rows.sort(-1).values;
  const nan = rows.detach().isnan();
  let ranks: Tensor;
  if (ignoreNaN) ranks = q.mul(nan.logical_not().sum(-1, true).sub(1)).clamp_min(0);
  else {
    const last = rows.sizes[rows.sizes.length - 1] - 1;
    // A NaN comes last in its row, which is then the answer.
    ranks = q
      .mul(last)
      .add(rows.new_zeros([...rows.sizes.slice(0, -1), 1]))
      .masked_fill(nan.any(-1, true), last);
  }
  if (interpolation === "lower") ranks = ranks.floor();
  else if (interpolation === "higher") ranks = ranks.ceil();
  else if (interpolation === "nearest") ranks = ranks.round();
  const below = ranks.detach().long();
  const lower = sorted.gather(-1, below);
  if (interpolation !== "linear" && interpolation !== "midpoint") return lower;
  const upper = sorted.gather(-1, ranks.detach().ceil().long());
  return interpolation === "midpoint" ? lower.lerp(upper, 0.5) : lower.lerp(upper, ranks.sub(below));
}
type Quantile = ReturnType<typeof quantileFunction>;

/** The `q`-quantiles (q from 0 to 1) of all elements or along `dim`, interpolated between neighbours. */
export const quantile: Quantile = quantileFunction("quantile");
/** `quantile` of what is not NaN. */
export const nanquantile: Quantile = quantileFunction("nanquantile");
