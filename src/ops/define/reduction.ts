/** The reduction kind: some dimensions become one element each, by one or more passes over them. */
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { type ComputeType, computeType, type Expr } from "../../ir/expr.ts";
import type { Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { allocate, type RowBuilder, runRow, splitStrides } from "../row.ts";

interface ReductionBase {
  readonly name: string;
  /** Normalized dimensions to reduce. */
  readonly dims: readonly number[];
  readonly keepdim: boolean;
  /** The type computed in; the input is converted to it. */
  readonly compute: DType;
  /** What `build` depends on besides dtypes. */
  readonly variant?: string;
  readonly scalars?: readonly (number | bigint)[];
  readonly keepInnerOrder?: boolean;
}

export interface ReductionCall extends ReductionBase {
  readonly result: DType;
  /** The result from the elements; `row.innerCount` is how many there are. It is converted to the compute type of `result`. */
  readonly build: (x: Expr, row: RowBuilder, scalars: readonly Expr[], type: ComputeType) => Expr;
}

export interface SeveralReductionsCall extends ReductionBase {
  readonly results: readonly DType[];
  readonly build: (x: Expr, row: RowBuilder, scalars: readonly Expr[], type: ComputeType) => readonly Expr[];
}

/** Which dimensions a recorded reduction took. */
export interface ReducedDims {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
}

/** The shape after reducing `dims`. */
export function reducedShape(shape: Shape, dims: readonly number[], keepdim: boolean): number[] {
  if (keepdim) return shape.map((s, d) => (dims.includes(d) ? 1 : s));
  return shape.filter((_, d) => !dims.includes(d));
}

/** A reduced tensor (a result, or its gradient) with the reduced dimensions put back with size 1. `shape` is the input's. */
export function restoreDims(reduced: Tensor, shape: Shape, { dims, keepdim }: ReducedDims): Tensor {
  if (keepdim || dims.length === 0) return reduced;
  return reduced.reshape(shape.map((s, d) => (dims.includes(d) ? 1 : s)));
}

/** How many elements are reduced into one. */
export function reducedCount(shape: Shape, dims: readonly number[]): number {
  return dims.reduce((n, d) => n * shape[d], 1);
}

/** The type in which extreme values of `dtype` are looked for: arg-reductions do not take booleans. */
export function orderedCompute(dtype: DType): DType {
  return dtype === dt.bool ? dt.int32 : dtype;
}

/** Computes a reduction of `x` into a new tensor. Not recorded: ops made of it declare their gradients. */
export function reduce(x: Tensor, call: ReductionCall): Tensor {
  const { build, result } = call;
  return reduceMany(x, {
    ...call,
    results: [result],
    build: (v, row, scalars, type) => [build(v, row, scalars, type)],
  })[0];
}

/** The same with several results, which one kernel computes together. */
export function reduceMany(x: Tensor, call: SeveralReductionsCall): Tensor[] {
  const { dims, keepdim, results } = call;
  const shape = reducedShape(x.sizes, dims, keepdim);
  const outs = results.map((dtype) => allocate(dtype, shape));
  const { outer, inner } = splitStrides(x, dims);
  const kept = x.sizes.filter((_, d) => !dims.includes(d));
  const outStrides = keepdim ? outs[0].strides.filter((_, d) => !dims.includes(d)) : outs[0].strides;
  // In the order given: arg-reductions number the elements by it.
  const reduced = x.sizes.filter((_, d) => dims.includes(d));
  const none = reduced.length === 0;
  const still = none ? [0] : reduced.map(() => 0);
  const type = computeType(call.compute.name);
  runRow({
    name: call.name,
    key: `${call.name}:${call.variant ?? ""}:${call.compute.id}`,
    outer: kept,
    // Without dimensions to reduce there is still one element.
    inner: none ? [1] : reduced,
    operands: [
      { tensor: x, outer, inner: none ? [1] : inner },
      ...outs.map((tensor) => ({ tensor, outer: outStrides, inner: still })),
    ],
    outputs: outs.length,
    scalars: call.scalars,
    scalarTypes: call.scalars?.map(() => type),
    keepInnerOrder: call.keepInnerOrder,
    build: ([value], row, scalars) => {
      const built = call.build(value.cast(type), row, scalars, type);
      built.forEach((result, i) => {
        row.store(i + 1, result.cast(computeType(results[i].name)));
      });
    },
  });
  return outs;
}
