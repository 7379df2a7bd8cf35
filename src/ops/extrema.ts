/** Largest and smallest values, and where they are. A NaN counts as both; of equal values the first is taken. */

import * as dt from "../dtype.ts";
import { IndexError, RuntimeError } from "../errors.ts";
import { normalizeDim, normalizeDims } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";
import { requireNonEmpty, selectedGradient } from "./define/axis.ts";
import { alongDims } from "./define/batch.ts";
import { intoAll, type NamedTensors, namedTensors, type ValuesIndices, valuesAndIndices } from "./define/named.ts";
import { intoOut } from "./define/out.ts";
import { primitive, primitiveMany, RESULT } from "./define/primitive.ts";
import { orderedCompute, type ReducedDims, reduce, reduceMany, restoreDims } from "./define/reduction.ts";
import { bind, bindAs, isOptions } from "./define/schema.ts";
import type { Dims, DimsOptions } from "./reductions.ts";

/** Keyword arguments of reductions over one dimension that also give indices. */
export interface DimOptions {
  readonly dim?: number;
  readonly keepdim?: boolean;
  /** Values and indices. */
  readonly out?: readonly Tensor[];
}

/** PyTorch keeps sets of dimensions in 64 bits. */
function checkRank(x: Tensor): void {
  if (x.sizes.length > 64) throw new RuntimeError("only tensors with up to 64 dims are supported");
}

function requireElements(name: string, x: Tensor): void {
  if (x.count === 0) {
    throw new RuntimeError(
      `${name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.`,
    );
  }
}

/** The gradient spread evenly over all places that have the extreme value. */
function spread(g: Tensor, input: Tensor, result: Tensor, attrs: ReducedDims, nans: boolean): Tensor {
  const x = input.detach();
  const extreme = restoreDims(result.detach(), x.sizes, attrs);
  let mask = x.eq(extreme);
  // Only `max()` and `min()` of all elements find a NaN again; the others give a NaN gradient, as PyTorch does.
  if (nans && (extreme.count > 1 || isBatched(extreme))) mask = mask.logical_or(x.isnan().logical_and(extreme.isnan()));
  else if (nans && extreme.isnan().item()) mask = x.isnan();
  const share = restoreDims(g, x.sizes, attrs).mul(mask);
  return attrs.dims.length === 0 ? share : share.div(mask.sum(attrs.dims, true));
}

type Which = "max" | "min";

interface AxisAttrs {
  readonly dim: number;
  readonly keepdim: boolean;
}

function extremeFunction(which: Which) {
  const title = which === "max" ? "Max" : "Min";
  const other = which === "max" ? "maximum" : "minimum";
  const allOp = primitive<ReducedDims>({
    name: which,
    nodeName: `${title}Backward1`,
    batch: alongDims("dims"),
    compute: ([x], attrs) => extreme(x, which, attrs),
    gradient: (g, c) => [spread(g, c.input(0), c.output(), c.attrs, true)],
    saves: [[0, RESULT]],
  });
  const dimOp = primitiveMany<AxisAttrs>({
    name: which,
    nodeName: `${title}Backward0`,
    batch: alongDims("dim"),
    compute: ([x], { dim, keepdim }) =>
      reduceMany(x, {
        name: `${which}_dim`,
        dims: x.sizes.length === 0 ? [] : [dim],
        keepdim,
        compute: orderedCompute(x.dtype),
        results: [x.dtype, dt.int64],
        keepInnerOrder: true,
        build: (v, row) => {
          const { value, index } = row.argReduce(`arg${which}`, v);
          return [value, index];
        },
      }),
    gradient: (g, c) => [selectedGradient(g, c.shape(0), c.output(1), c.attrs.dim, c.attrs.keepdim)],
    saves: [[RESULT + 1]],
  });
  const named = valuesAndIndices(which);
  const call = (self: Tensor, dim?: unknown, keepdim?: unknown, options?: unknown): Tensor | ValuesIndices => {
    if (dim instanceof Tensor || (isOptions(dim) && dim.other instanceof Tensor)) {
      const [x, y, out] = bindAs(which, "(Tensor self, Tensor other, *, Tensor? out=None)", [
        self,
        dim,
        keepdim,
        options,
      ]) as [Tensor, Tensor, Tensor | null];
      const result = x[other](y);
      return intoOut(out, result);
    }
    if (dim === undefined || (isOptions(dim) && dim.dim === undefined)) {
      const [x, out] = bindAs(which, "(Tensor self, *, Tensor? out=None)", [self, dim]) as [Tensor, Tensor | null];
      requireElements(which, x);
      const result = allOp([x], { dims: normalizeDims(null, x.sizes.length), keepdim: false });
      return intoOut(out, result);
    }
    const [x, d, keep, out] = bindAs(which, "(Tensor self, int dim, bool keepdim=False, *, Tensor[]? out=None)", [
      self,
      dim,
      keepdim,
      options,
    ]) as [Tensor, number, boolean, Tensor[] | null];
    const at = normalizeDim(d, x.sizes.length);
    requireNonEmpty(`${which}()`, x, x.sizes.length === 0 ? [] : [at]);
    return named(intoAll(out, dimOp([x], { dim: at, keepdim: keep })));
  };
  return call as Extreme;
}

/** The extreme value over dimensions. */
function extreme(x: Tensor, which: Which, { dims, keepdim }: ReducedDims): Tensor {
  return reduce(x, {
    name: which,
    dims,
    keepdim,
    compute: x.dtype,
    result: x.dtype,
    build: (v, row) => row.reduce(which, v),
  });
}

/** `max` and `min`: of all elements; over a dimension, with indices; or of two tensors, elementwise. */
export interface Extreme {
  (self: Tensor): Tensor;
  (self: Tensor, other: Tensor, options?: { readonly out?: Tensor }): Tensor;
  (self: Tensor, dim: number, keepdim?: boolean | DimOptions, options?: DimOptions): ValuesIndices;
  (self: Tensor, options: DimOptions & { readonly dim: number }): ValuesIndices;
  readonly method: {
    (): Tensor;
    (other: Tensor): Tensor;
    (dim: number, keepdim?: boolean | DimOptions): ValuesIndices;
    (options: DimOptions & { readonly dim: number }): ValuesIndices;
  };
}

/**
 * The largest value. `max(x)` is that of all elements, whose gradient is spread evenly over ties; `max(x, dim)` gives values and
 * indices along a dimension; `max(x, other)` is `maximum`.
 */
export const max: Extreme = extremeFunction("max");
/** The smallest value; see `max`. */
export const min: Extreme = extremeFunction("min");

function extremeOverDims(name: "amax" | "amin", which: Which) {
  const op = primitive<ReducedDims>({
    name,
    batch: alongDims("dims"),
    compute: ([x], attrs) => extreme(x, which, attrs),
    gradient: (g, c) => [spread(g, c.input(0), c.output(), c.attrs, false)],
    saves: [[0, RESULT]],
  });
  return (
    self: Tensor,
    dim?: Dims | DimsOptions,
    keepdim?: boolean | DimsOptions,
    options?: { readonly out?: Tensor },
  ): Tensor => {
    const [x, d, keep, out] = bindAs(name, "(Tensor self, int[] dim=[], bool keepdim=False, *, Tensor? out=None)", [
      self,
      dim,
      keepdim,
      options,
    ]) as [Tensor, number[], boolean, Tensor | null];
    checkRank(x);
    const dims = normalizeDims(d, x.sizes.length);
    if (d.length === 0) requireElements(name, x);
    else requireNonEmpty(`${name}()`, x, dims);
    const result = op([x], { dims, keepdim: keep });
    return intoOut(out, result);
  };
}
type ExtremeOverDims = ReturnType<typeof extremeOverDims>;

/** The largest value over `dim` (all by default). The gradient is spread evenly over ties. */
export const amax: ExtremeOverDims = extremeOverDims("amax", "max");
/** The smallest value over `dim` (all by default). The gradient is spread evenly over ties. */
export const amin: ExtremeOverDims = extremeOverDims("amin", "min");

const aminmaxOp = primitiveMany<ReducedDims>({
  name: "aminmax",
  batch: alongDims("dims"),
  compute: ([x], { dims, keepdim }) =>
    reduceMany(x, {
      name: "aminmax",
      dims,
      keepdim,
      compute: x.dtype,
      results: [x.dtype, x.dtype],
      build: (v, row) => [row.reduce("min", v), row.reduce("max", v)],
    }),
  gradient: (_, c, grads) => {
    const parts = grads.flatMap((g, i) => (g === null ? [] : [spread(g, c.input(0), c.output(i), c.attrs, false)]));
    return [parts.length === 2 ? parts[0].add(parts[1]) : (parts[0] ?? null)];
  },
  saves: [[0, RESULT, RESULT + 1]],
});
const minMax = namedTensors("aminmax", ["min", "max"]);

/** The smallest and the largest value, of all elements or along one dimension. */
export function aminmax(
  self: Tensor,
  options?: { readonly dim?: number | null; readonly keepdim?: boolean; readonly out?: readonly Tensor[] },
): NamedTensors<"min" | "max"> {
  const [x, d, keepdim, out] = bind("aminmax(Tensor self, *, int? dim=None, bool keepdim=False, Tensor[]? out=None)", [
    self,
    options,
  ]) as [Tensor, number | null, boolean, Tensor[] | null];
  checkRank(x);
  const dims = normalizeDims(d, x.sizes.length);
  if (d !== null) requireNonEmpty("aminmax", x, dims);
  else if (x.count === 0) {
    throw new RuntimeError(
      "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.",
    );
  }
  return minMax(intoAll(out, aminmaxOp([x], { dims, keepdim })));
}

function argExtreme(name: "argmax" | "argmin") {
  const op = primitive<ReducedDims>({
    name,
    batch: alongDims("dims"),
    compute: ([x], { dims, keepdim }) =>
      reduce(x, {
        name,
        dims,
        keepdim,
        compute: x.dtype,
        result: dt.int64,
        keepInnerOrder: true,
        build: (v, row) => row.argReduce(name, v).index,
      }),
  });
  return (
    self: Tensor,
    dim?: number | null | { readonly dim?: number | null; readonly keepdim?: boolean; readonly out?: Tensor },
    keepdim?: boolean | { readonly keepdim?: boolean; readonly out?: Tensor },
    options?: { readonly out?: Tensor },
  ): Tensor => {
    const [x, d, keep, out] = bindAs(name, "(Tensor self, int? dim=None, bool keepdim=False, *, Tensor? out=None)", [
      self,
      dim,
      keepdim,
      options,
    ]) as [Tensor, number | null, boolean, Tensor | null];
    if (x.dtype === dt.bool) throw new RuntimeError(`${name}(): does not support bool input`);
    const dims = normalizeDims(d, x.sizes.length);
    if (d !== null) requireNonEmpty(`${name}()`, x, dims);
    else if (x.count === 0) {
      throw new IndexError(`${name}(): Expected reduction dim to be specified for input.numel() == 0.`);
    }
    const result = op([x], { dims, keepdim: keep });
    return intoOut(out, result);
  };
}
type ArgExtreme = ReturnType<typeof argExtreme>;

/** The position of the largest value: in the flattened tensor, or along `dim`. int64. */
export const argmax: ArgExtreme = argExtreme("argmax");
/** The position of the smallest value: in the flattened tensor, or along `dim`. int64. */
export const argmin: ArgExtreme = argExtreme("argmin");
