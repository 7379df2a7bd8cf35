/** `scatter_reduce` and `index_reduce`: reductions of the elements that go to one place. */

import { isRecording } from "../context/grad-mode.ts";
import { dispatchInplace } from "../dispatch.ts";
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import type { ScatterMode } from "../ir/kernel.ts";
import { normalizeDim, type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied, copyInto, fillWith, scalarTensor } from "./copy.ts";
import { allValues, sameRanks } from "./define/batch.ts";
import { intoOut } from "./define/out.ts";
import { type PrimitiveSpec, primitive, RESULT, toPrimitive } from "./define/primitive.ts";
import { type Access, scatterInto } from "./define/scatter.ts";
import { bind } from "./define/schema.ts";
import { viewOf } from "./geometry.ts";
import { checkIndices } from "./index-check.ts";
import { allocate, runRow } from "./row.ts";

export type ScatterReduction = "sum" | "prod" | "mean" | "amax" | "amin";

interface ReduceAttrs {
  readonly dim: number;
  readonly reduce: ScatterReduction;
  readonly includeSelf: boolean;
  /** Called as `index_reduce`. */
  readonly byIndex: boolean;
}

const MODES: Readonly<Record<ScatterReduction, ScatterMode>> = {
  sum: "add",
  mean: "add",
  prod: "mul",
  amax: "max",
  amin: "min",
};

/** The value that a reduction leaves as it is. */
function identity(reduce: ScatterReduction, dtype: DType): number | bigint {
  if (reduce === "prod") return 1;
  if (reduce === "sum" || reduce === "mean") return 0;
  const sign = reduce === "amax" ? -1 : 1;
  if (dtype.is_floating_point) return sign * Number.POSITIVE_INFINITY;
  if (dtype === dt.bool) return sign < 0 ? 0 : 1;
  const bits = BigInt(8 * dtype.itemsize - (dtype.is_signed ? 1 : 0));
  if (sign > 0) return 2n ** bits - 1n;
  return dtype.is_signed ? -(2n ** bits) : 0n;
}

function reduceInto(target: Tensor, index: Tensor, src: Tensor, { dim, reduce, includeSelf }: ReduceAttrs): void {
  if (index.count === 0) return;
  const one = (t: Tensor): Tensor => (t.sizes.length === 0 ? viewOf(t, [1], [1]) : t);
  const [x, at, source] = [one(target), one(index), one(src)];
  const access = (t: Tensor): Access => ({
    shape: at.sizes,
    strides: t.strides.map((s, d) => (d === dim ? 0 : s)),
    indices: [{ tensor: at, strides: at.strides, size: t.sizes[dim], stride: t.strides[dim] }],
  });
  const none = at.sizes.map(() => 0);
  if (!includeSelf) scatterInto(x, scalarTensor(identity(reduce, x.dtype), x.dtype), none, access(x), "set");
  scatterInto(x, source, source.strides, access(x), MODES[reduce]);
  if (reduce !== "mean") return;
  const counts = allocate(dt.int32, x.sizes);
  fillWith(counts, includeSelf ? 1 : 0);
  scatterInto(counts, scalarTensor(1, dt.int32), none, access(counts), "add");
  divideByCounts(x, counts);
}

/** Means from sums: integers round down. */
function divideByCounts(x: Tensor, counts: Tensor): void {
  const quotient = allocate(x.dtype, x.sizes);
  runRow({
    name: "scatter_mean",
    key: "scatter_mean",
    outer: x.sizes,
    inner: [],
    operands: [
      { tensor: x, outer: x.strides, inner: [] },
      { tensor: counts, outer: counts.strides, inner: [] },
      { tensor: quotient, outer: quotient.strides, inner: [] },
    ],
    outputs: 1,
    build: ([sum, count], row) => {
      const n = count.max(1);
      if (sum.type === "bool") {
        row.store(2, sum);
        return;
      }
      const divisor = n.cast(sum.type);
      if (sum.isFloat) {
        row.store(2, sum.div(divisor));
        return;
      }
      const truncated = sum.div(divisor);
      const below = sum.rem(divisor).lt(0);
      row.store(2, below.select(truncated.sub(1), truncated));
    },
  });
  copyInto(x, quotient);
}

/** A copy whose gradient is an error. */
const onceDifferentiable = primitive<ReduceAttrs>({
  name: "Error",
  nodeName: "Error",
  compute: ([x]) => copied(x, { dtype: x.dtype, format: "preserve_format" }),
  gradient: (_, c) => {
    const [name, source] = c.attrs.byIndex ? ["index_reduce", "source"] : ["scatter_reduce", "src"];
    throw new RuntimeError(
      `${name}(): Double backward is unsupported for ${source} when >1 zeros in ${source} are scattered to the same position in self`,
    );
  },
});

const spec: PrimitiveSpec<ReduceAttrs> = {
  name: "scatter_reduce",
  batch: sameRanks(),
  compute: ([self, index, src], attrs, out) => {
    const target = out ?? copied(self, { dtype: self.dtype, format: "preserve_format" });
    const apart = (t: Tensor): Tensor =>
      t.storage === target.storage ? copied(t, { dtype: t.dtype, format: "contiguous_format" }) : t;
    reduceInto(target, apart(index), apart(src), attrs);
    return target;
  },
  saves: [
    [0, 1, 2, RESULT],
    [0, 1, 2, RESULT],
    [0, 1, 2, RESULT],
  ],
  gradient: (g, c) => {
    const { dim, reduce, includeSelf } = c.attrs;
    const index = c.input(1);
    let self: Tensor;
    let source: Tensor;
    if (reduce === "sum") {
      self = g;
      source = g.gather(dim, index);
    } else if (reduce === "mean") {
      const src = c.input(2);
      const start = includeSelf ? g.new_ones(g.shape) : g.new_zeros(g.shape);
      let counts = start.scatter_add(dim, index, src.new_ones(src.shape));
      counts = counts.masked_fill(counts.eq(0), 1);
      self = g.div(counts);
      source = g.gather(dim, index).div(counts.gather(dim, index));
    } else if (reduce === "prod") {
      const x = c.input(0);
      const src = c.input(2);
      const result = c.output();
      const filled = x.masked_fill(x.eq(0), 1);
      self = g.mul(filled.scatter_reduce(dim, index, src, reduce, includeSelf)).div(filled);
      const zero = src.eq(0);
      const zeros = x.new_zeros(x.shape).scatter_add(dim, index, zero.to(x.dtype)).gather(dim, index);
      const single = zero.logical_and(zeros.eq(1));
      const replaced = x.scatter_reduce(dim, index, src.masked_fill(single, 1), reduce, includeSelf);
      // The derivative at the only zero among the factors is the product of the others.
      const ordinary = g.mul(result).gather(dim, index).div(src.masked_fill(zero, 1));
      source = ordinary
        .masked_fill(single, 0)
        .add(g.mul(replaced).gather(dim, index).masked_fill(single.logical_not(), 0));
      // With two zeros this gradient is right, but not its derivative by one of them, which the other product has.
      const several = (): boolean =>
        Boolean(
          allValues(zero.logical_and(zeros.gt(1)))
            .any()
            .item(),
        );
      if (isRecording() && c.needs(2) && several()) {
        source = onceDifferentiable([source], c.attrs);
      }
    } else {
      const x = c.input(0);
      const src = c.input(2);
      const result = c.output();
      const selfIs = x.eq(result).to(g.dtype);
      const sourceIs = src.eq(result.gather(dim, index)).to(g.dtype);
      const share = g.div(selfIs.scatter_add(dim, index, sourceIs));
      self = selfIs.mul(share);
      source = sourceIs.mul(share.gather(dim, index));
    }
    if (!includeSelf) self = self.scatter(dim, index, 0);
    return [c.needs(0) ? self : null, null, c.needs(2) ? padded(source, c.shape(2)) : null];
  },
};
const reduceOp = toPrimitive(spec);
const reduceCall = primitive(spec);

function padded(g: Tensor, shape: Shape): Tensor {
  if (g.shape.length === shape.length && g.shape.every((s, i) => s === shape[i])) return g;
  const whole = g.new_zeros(shape);
  return whole.as_strided_scatter(g, g.shape, whole.stride(), 0);
}

type ReduceOptions = { include_self?: boolean; out?: Tensor };

function bindReduce(args: readonly unknown[]) {
  const [x, d, index, src, reduce, includeSelf, out] = bind(
    "scatter_reduce(Tensor self, int dim, Tensor index, Tensor src, str reduce, bool include_self=True, *, Tensor? out=None)",
    args,
  ) as [Tensor, number, Tensor, Tensor, string, boolean, Tensor | null];
  const dim = normalizeDim(d, x.sizes.length);
  if (!(reduce in MODES)) {
    throw new RuntimeError(`reduce argument must be either sum, prod, mean, amax or amin, got ${reduce}`);
  }
  if (index.dtype !== dt.int64 && index.dtype !== dt.int32) {
    throw new RuntimeError("scatter(): Expected dtype int32/int64 for index");
  }
  if (src.dtype !== x.dtype) throw new RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype");
  if (index.count > 0) {
    const rank = Math.max(1, x.ndim);
    if (Math.max(1, index.ndim) !== rank) {
      throw new RuntimeError("Index tensor must have the same number of dimensions as self tensor");
    }
    if (Math.max(1, src.ndim) !== rank) {
      throw new RuntimeError("Index tensor must have the same number of dimensions as src tensor");
    }
    const size = (t: Tensor, k: number): number => (t.ndim === 0 ? 1 : t.sizes[k]);
    for (let k = 0; k < rank; k++) {
      if ((k !== dim && size(index, k) > size(x, k)) || size(index, k) > size(src, k)) {
        throw new RuntimeError(
          `Expected index ${shapeText(index.sizes)} to be no larger than self ${shapeText(x.sizes)} apart from dimension ${dim} and to be no larger size than src ${shapeText(src.sizes)}`,
        );
      }
    }
    checkIndices(index, size(x, dim), false, (value) => {
      throw new RuntimeError(`index ${value} is out of bounds for dimension ${dim} with size ${size(x, dim)}`);
    });
  }
  return {
    inputs: [x, index, src],
    attrs: { dim, reduce: reduce as ScatterReduction, includeSelf, byIndex: false },
    out,
  };
}

/**
 * A copy of `self` with the elements of `src` reduced into the places that `index` says along `dim`: their sum, product,
 * mean, maximum or minimum, with the element of `self` itself unless `include_self` is false.
 */
export function scatter_reduce(
  self: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
  reduce: ScatterReduction,
  include_self?: boolean | ReduceOptions,
  options?: { out?: Tensor },
): Tensor {
  const { inputs, attrs, out } = bindReduce([self, dim, index, src, reduce, include_self, options]);
  const result = reduceCall(inputs, attrs);
  return intoOut(out, result);
}

/** `scatter_reduce` in place. */
export function scatter_reduce_(
  self: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
  reduce: ScatterReduction,
  include_self?: boolean | { include_self?: boolean },
): Tensor {
  const { inputs, attrs } = bindReduce([self, dim, index, src, reduce, include_self]);
  return dispatchInplace(reduceOp, inputs, attrs);
}

function bindIndexReduce(args: readonly unknown[]) {
  const [x, d, index, source, reduce, includeSelf, out] = bind(
    "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True, Tensor? out=None)",
    args,
  ) as [Tensor, number, Tensor, Tensor, string, boolean, Tensor | null];
  if (!["prod", "mean", "amax", "amin"].includes(reduce)) {
    throw new RuntimeError(`index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got ${reduce}.`);
  }
  const dim = normalizeDim(d, x.ndim);
  if (index.ndim > 1) throw new RuntimeError("index_reduce_(): Index is supposed to be a vector");
  if (source.dtype !== x.dtype) {
    throw new RuntimeError(
      `index_reduce_(): self (${dt.scalarTypeName(x.dtype)}) and source (${dt.scalarTypeName(source.dtype)}) must have the same scalar type`,
    );
  }
  const count = source.ndim === 0 ? 1 : source.sizes[dim];
  if (index.numel() !== count) {
    throw new RuntimeError(
      `index_reduce_(): Number of indices (${index.numel()}) should be equal to source.size(dim): (${count}), for dim: ${dim}`,
    );
  }
  const places = index.reshape(source.shape.map((s, k) => (k === dim ? s : 1))).expand(source.shape);
  return { x, dim, places, source, reduce: reduce as ScatterReduction, includeSelf, out };
}

type IndexReduceOptions = { include_self?: boolean; out?: Tensor };

/** A copy of `self` with the slices of `source` reduced ("prod", "mean", "amax", "amin") into the numbered slices of `dim`. */
export function index_reduce(
  self: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  reduce: Exclude<ScatterReduction, "sum">,
  options?: IndexReduceOptions,
): Tensor {
  const b = bindIndexReduce([self, dim, index, source, reduce, options]);
  const { inputs, attrs } = bindReduce([b.x, b.dim, b.places, b.source, b.reduce, b.includeSelf]);
  const result = reduceCall(inputs, { ...attrs, byIndex: true });
  return intoOut(b.out, result);
}

/** `index_reduce` in place. */
export function index_reduce_(
  self: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  reduce: Exclude<ScatterReduction, "sum">,
  options?: { include_self?: boolean },
): Tensor {
  const b = bindIndexReduce([self, dim, index, source, reduce, options]);
  const { inputs, attrs } = bindReduce([b.x, b.dim, b.places, b.source, b.reduce, b.includeSelf]);
  return dispatchInplace(reduceOp, inputs, { ...attrs, byIndex: true });
}
