/** Variances and standard deviations, alone or with the mean: one kernel with two passes over the elements. */

import { RuntimeError } from "../../errors.ts";
import type { Expr } from "../../ir/expr.ts";
import { normalizeDims } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import type { RowBuilder } from "../row.ts";
import { alongDims } from "./batch.ts";
import { primitive, primitiveMany, RESULT } from "./primitive.ts";
import { type ReducedDims, reduce, reducedCount, reduceMany, restoreDims } from "./reduction.ts";
import { bind, bindAs, isOptions } from "./schema.ts";

/** Keyword arguments of variances. */
export interface VarianceOptions {
  readonly dim?: number | readonly number[] | null;
  /** The divisor is the number of elements less this; 1 by default. */
  readonly correction?: number | null;
  /** The older way to say `correction`: true for 1, false for 0. */
  readonly unbiased?: boolean;
  readonly keepdim?: boolean;
  readonly out?: Tensor;
}

export interface VarianceAttrs extends ReducedDims {
  readonly correction: number;
  /** No dimensions were given. */
  readonly all: boolean;
}

export interface VarianceCall {
  readonly x: Tensor;
  readonly attrs: VarianceAttrs;
  readonly out: Tensor | null;
}

/**
 * Binds `f(self, dim, *, correction, keepdim)` and the older `f(self, unbiased)` and `f(self, dim, unbiased, keepdim)`.
 */
export function bindVariance(name: string, args: readonly unknown[], allowOut: boolean): VarianceCall {
  const keywords = args.find(isOptions);
  const out = allowOut ? ", *, Tensor? out=None" : "";
  let values: unknown[];
  if (typeof args[1] === "boolean") {
    const [x, unbiased] = bindAs(name, "(Tensor self, bool unbiased)", args);
    values = [x, null, unbiased ? 1 : 0, false, null];
  } else if (typeof args[2] === "boolean" || (keywords !== undefined && "unbiased" in keywords)) {
    const [x, d, unbiased, keepdim, into] = bind(
      `${name}(Tensor self, int[]? dim=None, bool unbiased=True, bool keepdim=False${out})`,
      args,
    );
    values = [x, d, unbiased ? 1 : 0, keepdim, into ?? null];
  } else {
    values = bind(
      `${name}(Tensor self, int[]? dim=None, *, float? correction=1, bool keepdim=False${allowOut ? ", Tensor? out=None" : ""})`,
      args,
    );
  }
  const [x, d, correction, keepdim] = values as [Tensor, number[] | null, number | null, boolean];
  if (!x.dtype.is_floating_point) {
    throw new RuntimeError(
      name.endsWith("_mean")
        ? `${name} only support floating point and complex dtypes`
        : "std and var only support floating point and complex dtypes",
    );
  }
  const dims = normalizeDims(d, x.sizes.length);
  return {
    x,
    attrs: { dims, keepdim, correction: correction ?? 1, all: d === null || x.sizes.length === 0 },
    out: (values[4] as Tensor | null | undefined) ?? null,
  };
}

/** Mean and variance of a row. The deviations are taken from the mean, so that nothing cancels. */
function moments(v: Expr, row: RowBuilder, correction: Expr): { mean: Expr; variance: Expr } {
  const n = row.innerCount.cast(v.type);
  const mean = row.reduce("sum", v).div(n);
  const d = v.sub(mean);
  return { mean, variance: row.reduce("sum", d.mul(d)).div(n.sub(correction).max(0)) };
}

function varianceGradient(g: Tensor, x: Tensor, attrs: VarianceAttrs): Tensor {
  const { dims, correction } = attrs;
  const restored = restoreDims(g, x.sizes, attrs);
  const freedom = reducedCount(x.sizes, dims) - correction;
  const deviation = x.sub(x.mean(dims, true));
  if (attrs.all && freedom <= 0) {
    // 2 / (n - correction) is infinite, times 0 where an element is the mean.
    const factor = x.new_full(x.sizes, Number.POSITIVE_INFINITY).masked_fill(deviation.detach().eq(0), Number.NaN);
    return restored.mul(factor);
  }
  return restored.mul(2 / freedom).mul(deviation);
}

function deviationGradient(g: Tensor, std: Tensor, x: Tensor, attrs: VarianceAttrs): Tensor {
  return varianceGradient(g.div(std.mul(2)).masked_fill(std.eq(0), 0), x, attrs);
}

function meanGradient(g: Tensor, shape: readonly number[], attrs: VarianceAttrs): Tensor {
  return restoreDims(g, shape, attrs).expand(shape).div(reducedCount(shape, attrs.dims));
}

/** `var` or `std`. */
export function varianceOp(name: "var" | "std"): (x: Tensor, attrs: VarianceAttrs) => Tensor {
  const op = primitive<VarianceAttrs>({
    name,
    batch: alongDims("dims"),
    compute: ([x], { dims, keepdim, correction }) =>
      reduce(x, {
        name,
        dims,
        keepdim,
        compute: x.dtype,
        result: x.dtype,
        scalars: [correction],
        build: (v, row, [c]) => {
          const { variance } = moments(v, row, c);
          return name === "std" ? variance.sqrt() : variance;
        },
      }),
    gradient: (g, c) => [
      name === "std" ? deviationGradient(g, c.output(), c.input(0), c.attrs) : varianceGradient(g, c.input(0), c.attrs),
    ],
    saves: [name === "std" ? [0, RESULT] : [0]],
  });
  return (x, attrs) => op([x], attrs);
}

/** `var_mean` or `std_mean`: the variance or deviation, and the mean. */
export function varianceMeanOp(name: "var_mean" | "std_mean"): (x: Tensor, attrs: VarianceAttrs) => Tensor[] {
  const std = name === "std_mean";
  const op = primitiveMany<VarianceAttrs>({
    name,
    batch: alongDims("dims"),
    compute: ([x], { dims, keepdim, correction }) =>
      reduceMany(x, {
        name,
        dims,
        keepdim,
        compute: x.dtype,
        results: [x.dtype, x.dtype],
        scalars: [correction],
        build: (v, row, [c]) => {
          const { mean: rough, variance } = moments(v, row, c);
          // The mean of the deviations is what rounding took from the mean. It is NaN where the mean is infinite, as in PyTorch.
          const mean = rough.add(row.reduce("sum", v.sub(rough)).div(row.innerCount.cast(v.type)));
          return [std ? variance.sqrt() : variance, mean];
        },
      }),
    gradient: (_, c, [g, gm]) => {
      const parts: Tensor[] = [];
      if (g !== null) {
        parts.push(
          std ? deviationGradient(g, c.output(), c.input(0), c.attrs) : varianceGradient(g, c.input(0), c.attrs),
        );
      }
      if (gm !== null) parts.push(meanGradient(gm, c.shape(0), c.attrs));
      return [parts.length === 2 ? parts[0].add(parts[1]) : (parts[0] ?? null)];
    },
    saves: [std ? [0, RESULT] : [0]],
  });
  return (x, attrs) => op([x], attrs);
}
