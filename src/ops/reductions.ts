/** Sums and other reductions over dimensions. Extreme values are in extrema.ts, variances in statistics.ts. */
import { isRecording } from "../context/grad-mode.ts";
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { constant } from "../ir/expr.ts";
import { normalizeDims, type Shape, sameShape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";
import { again, alongDims } from "./define/batch.ts";
import { intoOut } from "./define/out.ts";
import { primitive, RESULT } from "./define/primitive.ts";
import { type ReducedDims, reduce, reducedCount, restoreDims } from "./define/reduction.ts";
import { bind, bindAs } from "./define/schema.ts";
import { cat } from "./joining.ts";

/** Dimensions to reduce: a number, a list, or null for all. */
export type Dims = number | readonly number[] | null;

/** Keyword arguments of sums and means. */
export interface SumOptions {
  readonly dim?: Dims;
  readonly keepdim?: boolean;
  /** The input is converted to this type first. */
  readonly dtype?: DType | null;
  readonly out?: Tensor;
}

interface SumAttrs extends ReducedDims {
  readonly dtype: DType;
}

/** A reduction whose input may be converted first: binds the arguments of sum, nansum and mean. */
function bindSum(name: string, args: readonly unknown[]) {
  const [x, d, keepdim, dtype, out] = bindAs(
    name,
    "(Tensor self, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)",
    args,
  ) as [Tensor, number[] | null, boolean, DType | null, Tensor | null];
  return { x, d, keepdim, dtype, out, dims: normalizeDims(d, x.sizes.length) };
}

/** Integers and bool are summed in int64. */
const summedIn = (x: Tensor, dtype: DType | null): DType => dtype ?? (x.dtype.is_floating_point ? x.dtype : dt.int64);

function sumPrimitive(nodeName: string) {
  return primitive<SumAttrs>({
    name: "sum",
    forward: "linear",
    batch: alongDims("dims"),
    nodeName,
    compute: ([x], { dims, keepdim, dtype }) =>
      reduce(x, {
        name: "sum",
        dims,
        keepdim,
        // Booleans are counted, which needs an integer.
        compute: dtype === dt.bool ? dt.int64 : dtype,
        result: dtype,
        build: (v, row) => row.reduce("sum", v),
      }),
    gradient: (g, c) => [restoreDims(g, c.shape(0), c.attrs).expand(c.shape(0))],
  });
}
const sumAllOp = sumPrimitive("SumBackward0");
const sumDimsOp = sumPrimitive("SumBackward1");

/** Sum of all elements, or over `dim` (a number or a list). Integers and bool give int64. */
export function sum(
  self: Tensor,
  dim?: Dims | SumOptions,
  keepdim?: boolean | SumOptions,
  options?: SumOptions,
): Tensor {
  const { x, d, dims, keepdim: keep, dtype, out } = bindSum("sum", [self, dim, keepdim, options]);
  const op = d === null && !keep ? sumAllOp : sumDimsOp;
  const result = op([x], { dims, keepdim: keep, dtype: summedIn(x, dtype) });
  return intoOut(out, result);
}

const nansumOp = primitive<SumAttrs>({
  name: "nansum",
  batch: alongDims("dims"),
  compute: ([x], { dims, keepdim, dtype }) =>
    reduce(x, {
      name: "nansum",
      dims,
      keepdim,
      compute: dtype,
      result: dtype,
      build: (v, row, _, type) => row.reduce("sum", v.isnan().select(constant(type, 0), v)),
    }),
  gradient: (g, c) => [restoreDims(g, c.shape(0), c.attrs).expand(c.shape(0)).mul(c.input(0).isnan().logical_not())],
  saves: [[0]],
});

/** Sum in which NaN counts as 0. */
export function nansum(
  self: Tensor,
  dim?: Dims | SumOptions,
  keepdim?: boolean | SumOptions,
  options?: SumOptions,
): Tensor {
  const { x, dims, keepdim: keep, dtype, out } = bindSum("nansum", [self, dim, keepdim, options]);
  const type = summedIn(x, dtype);
  const attrs = { dims, keepdim: keep, dtype: type };
  const result = x.dtype.is_floating_point ? nansumOp([x], attrs) : sumDimsOp([x], attrs);
  return intoOut(out, result);
}

function meanPrimitive(nodeName: string) {
  return primitive<SumAttrs>({
    name: "mean",
    forward: "linear",
    batch: alongDims("dims"),
    nodeName,
    compute: ([x], { dims, keepdim, dtype }) =>
      reduce(x, {
        name: "mean",
        dims,
        keepdim,
        compute: dtype,
        result: dtype,
        build: (v, row, _, type) => row.reduce("sum", v).div(row.innerCount.cast(type)),
      }),
    gradient: (g, c) => {
      const shape = c.shape(0);
      const n = reducedCount(shape, c.attrs.dims);
      return [restoreDims(g, shape, c.attrs).expand(shape).div(n)];
    },
  });
}
const meanAllOp = meanPrimitive("MeanBackward0");
const meanDimsOp = meanPrimitive("MeanBackward1");

/** Mean of all elements, or over `dim`. For floating-point tensors, or with a floating-point `dtype`. */
export function mean(
  self: Tensor,
  dim?: Dims | SumOptions,
  keepdim?: boolean | SumOptions,
  options?: SumOptions,
): Tensor {
  const { x, d, dims, keepdim: keep, dtype, out } = bindSum("mean", [self, dim, keepdim, options]);
  const type = dtype ?? x.dtype;
  if (!type.is_floating_point) {
    const what = dtype === null ? "Input" : "Optional";
    throw new RuntimeError(
      `mean(): could not infer output dtype. ${what} dtype must be either a floating point or complex dtype. Got: ${dt.scalarTypeName(type)}`,
    );
  }
  const op = d === null && !keep ? meanAllOp : meanDimsOp;
  const result = op([x], { dims, keepdim: keep, dtype: type });
  return intoOut(out, result);
}

/** Mean in which NaN does not count. */
export function nanmean(
  self: Tensor,
  dim?: Dims | SumOptions,
  keepdim?: boolean | SumOptions,
  options?: SumOptions,
): Tensor {
  const { x, d, keepdim: keep, dtype, out } = bindSum("nanmean", [self, dim, keepdim, options]);
  if (!x.dtype.is_floating_point) {
    throw new RuntimeError(
      `nanmean(): expected input to have floating point or complex dtype but got ${dt.scalarTypeName(x.dtype)}`,
    );
  }
  const count = sum(x.detach().isnan().logical_not(), d, keep);
  const result = nansum(x, d, keep, { dtype }).div(count);
  return intoOut(out, result);
}

interface ProdAttrs extends SumAttrs {
  /** All elements, which is another formula. */
  readonly all: boolean;
}

/**
 * Gradient of products where factors may be 0: the product of the other factors, by products from the left and from
 * the right.
 */
function productOfOthers(x: Tensor, dim: number): Tensor {
  const n = x.sizes[dim];
  if (n <= 1) return x.new_ones(x.sizes);
  const one = x.new_ones(x.sizes.map((s, d) => (d === dim ? 1 : s)));
  const before = cat([one, x.narrow(dim, 0, n - 1)], dim).cumprod(dim);
  const after = cat([one, x.narrow(dim, 1, n - 1).flip(dim)], dim)
    .cumprod(dim)
    .flip(dim);
  return before.mul(after);
}

function prodPrimitive(nodeName: string) {
  return primitive<ProdAttrs>({
    name: "prod",
    nodeName,
    batch: (call) => {
      const { attrs, values } = call;
      if (!attrs.all) return alongDims<ProdAttrs>("dims")(call);
      return again(call, { ...attrs, all: false, dims: [1] }, [values[0].reshape([call.size, call.inputs[0].count])]);
    },
    compute: ([x], { dims, keepdim, dtype }) =>
      reduce(x, {
        name: "prod",
        dims,
        keepdim,
        compute: dtype === dt.bool ? dt.int64 : dtype,
        result: dtype,
        build: (v, row) => row.reduce("prod", v),
      }),
    gradient: (g, c) => {
      const x = c.input(0).to(g.dtype);
      if (x.sizes.length === 0) return [g];
      const zeros = isBatched(x) ? null : x.detach().eq(0).sum().item();
      const restored = restoreDims(g, x.sizes, c.attrs);
      if (zeros === 0) return [restored.mul(restoreDims(c.output(), x.sizes, c.attrs).div(x))];
      if (!c.attrs.all) return [restored.mul(productOfOthers(x, c.attrs.dims[0]))];
      // With two zeros the gradient is 0, but not its derivative.
      if (zeros !== null && Number(zeros) > 1 && !isRecording()) return [x.new_zeros(x.sizes)];
      return [restored.mul(productOfOthers(x.reshape([-1]), 0).reshape(x.sizes))];
    },
    saves: [[0, RESULT]],
  });
}
const prodAllOp = prodPrimitive("ProdBackward0");
const prodDimOp = prodPrimitive("ProdBackward1");

/** Keyword arguments of `prod`. */
export interface ProdOptions {
  readonly dim?: number | null;
  readonly keepdim?: boolean;
  readonly dtype?: DType | null;
  readonly out?: Tensor;
}

/** Product of all elements, or over one dimension. Integers and bool give int64. */
export function prod(
  self: Tensor,
  dim?: number | null | ProdOptions,
  keepdim?: boolean | ProdOptions,
  options?: ProdOptions,
): Tensor {
  const [x, d, keep, dtype, out] = bind(
    "prod(Tensor self, int? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)",
    [self, dim, keepdim, options],
  ) as [Tensor, number | null, boolean, DType | null, Tensor | null];
  const attrs = {
    dims: normalizeDims(d, x.sizes.length),
    keepdim: keep,
    dtype: summedIn(x, dtype),
    all: d === null,
  };
  const result = (d === null ? prodAllOp : prodDimOp)([x], attrs);
  return intoOut(out, result);
}

/** Keyword arguments of `all` and `any`. */
export interface DimsOptions {
  readonly dim?: Dims;
  readonly keepdim?: boolean;
  readonly out?: Tensor;
}

function logical(name: "all" | "any") {
  const op = primitive<ReducedDims>({
    name,
    batch: alongDims("dims"),
    compute: ([x], { dims, keepdim }) =>
      reduce(x, {
        name,
        dims,
        keepdim,
        compute: x.dtype,
        // As in PyTorch, whose uint8 once was its bool.
        result: x.dtype === dt.uint8 ? dt.uint8 : dt.bool,
        build: (v, row) => row.reduce(name === "all" ? "min" : "max", v.cast("bool")),
      }),
  });
  return (
    self: Tensor,
    dim?: Dims | DimsOptions,
    keepdim?: boolean | DimsOptions,
    options?: { readonly out?: Tensor },
  ): Tensor => {
    const [x, d, keep, out] = bindAs(name, "(Tensor self, int[]? dim=None, bool keepdim=False, *, Tensor? out=None)", [
      self,
      dim,
      keepdim,
      options,
    ]) as [Tensor, number[] | null, boolean, Tensor | null];
    // An empty list reduces nothing here, unlike in sum.
    const dims = d !== null && d.length === 0 ? [] : normalizeDims(d, x.sizes.length);
    const result = op([x], { dims, keepdim: keep });
    return intoOut(out, result);
  };
}
type Logical = ReturnType<typeof logical>;

/** Whether all elements are true (not 0), or all along `dim`. */
export const all: Logical = logical("all");
/** Whether any element is true (not 0), or any along `dim`. */
export const any: Logical = logical("any");

const countNonzeroOp = primitive<ReducedDims>({
  name: "count_nonzero",
  batch: alongDims("dims"),
  compute: ([x], { dims, keepdim }) =>
    reduce(x, {
      name: "count_nonzero",
      dims,
      keepdim,
      compute: x.dtype,
      result: dt.int64,
      build: (v, row) => row.reduce("sum", v.cast("bool").cast("i64")),
    }),
});

/** How many elements are not 0, in all or along `dim`. */
export function count_nonzero(self: Tensor, dim?: Dims | { dim?: Dims }, options?: { dim?: Dims }): Tensor {
  const [x, d] = bind("count_nonzero(Tensor self, int[]? dim=None)", [self, dim, options]) as [Tensor, number[] | null];
  return countNonzeroOp([x], { dims: normalizeDims(d, x.sizes.length), keepdim: false });
}

const logsumexpOp = primitive<SumAttrs>({
  name: "logsumexp",
  batch: alongDims("dims"),
  compute: ([x], { dims, keepdim, dtype }) =>
    reduce(x, {
      name: "logsumexp",
      dims,
      keepdim,
      compute: dtype,
      result: dtype,
      build: (v, row, _, type) => {
        const largest = row.reduce("max", v);
        // An infinite maximum would give inf - inf.
        const shift = largest.abs().eq(Number.POSITIVE_INFINITY).select(constant(type, 0), largest);
        return row.reduce("sum", v.sub(shift).exp()).log().add(shift);
      },
    }),
  gradient: (g, c) => {
    const shape = c.shape(0);
    const difference = c.input(0).sub(restoreDims(c.output(), shape, c.attrs));
    return [restoreDims(g, shape, c.attrs).mul(difference.exp())];
  },
  saves: [[0, RESULT]],
});

/** log(sum(exp(self))) over `dim`, computed without overflow. */
export function logsumexp(
  self: Tensor,
  dim: Dims | DimsOptions,
  keepdim?: boolean | DimsOptions,
  options?: { readonly out?: Tensor },
): Tensor {
  const [x, d, keep, out] = bind("logsumexp(Tensor self, int[] dim, bool keepdim=False, *, Tensor? out=None)", [
    self,
    dim,
    keepdim,
    options,
  ]) as [Tensor, number[], boolean, Tensor | null];
  const dtype = x.dtype.is_floating_point ? x.dtype : dt.get_default_dtype();
  const input = x.dtype === dtype ? x : x.to(dtype);
  const dims = d.length === 0 ? normalizeDims(null, x.sizes.length) : normalizeDims(d, x.sizes.length);
  const result = logsumexpOp([input], { dims, keepdim: keep, dtype });
  return intoOut(out, result);
}

/** The sum over the dimensions that broadcasting to this tensor's shape added or repeated. */
export function sum_to_size(self: Tensor, ...size: (number | Shape)[]): Tensor {
  const [x, wanted] = bind("sum_to_size(Tensor self, ints size)", [self, ...size]) as [Tensor, number[]];
  if (wanted.length === 0) return x.sum();
  if (sameShape(x.sizes, wanted)) return x;
  const lead = x.sizes.length - wanted.length;
  const dims: number[] = [];
  x.sizes.forEach((s, d) => {
    if (d < lead || (wanted[d - lead] === 1 && s !== 1)) dims.push(d);
    else if (wanted[d - lead] !== s) {
      throw new RuntimeError(`size {${shapeText(wanted)}} is not expandable to size {${shapeText(x.sizes)}}.`);
    }
  });
  if (lead < 0)
    throw new RuntimeError(`size {${shapeText(wanted)}} is not expandable to size {${shapeText(x.sizes)}}.`);
  const summed = dims.length === 0 ? x : x.sum(dims, true);
  return lead > 0 ? summed.reshape(wanted) : summed;
}
