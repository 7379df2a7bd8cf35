/** The reduction kind: some dimensions become one element each, by one or more passes over them. */
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { type ComputeType, computeType, type Expr } from "../../ir/expr.ts";
import { contiguousStrides, type Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { allocate, type RowBuilder, type RowOperand, runRow } from "../row.ts";

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
  const { sizes, strides } = x;
  // Sizes and strides of the dimensions that are kept and of those that are reduced, the latter in the tensor's order
  // too: arg-reductions number the elements by it.
  const kept: number[] = [];
  const outer: number[] = [];
  const reduced: number[] = [];
  const inner: number[] = [];
  const shape: number[] = [];
  for (let d = 0; d < sizes.length; d++) {
    if (dims.includes(d)) {
      reduced.push(sizes[d]);
      inner.push(strides[d]);
      if (keepdim) shape.push(1);
    } else {
      kept.push(sizes[d]);
      outer.push(strides[d]);
      shape.push(sizes[d]);
    }
  }
  if (reduced.length === 0) {
    // Without dimensions to reduce there is still one element.
    reduced.push(1);
    inner.push(1);
  }
  const still = reduced.map(() => 0);
  const outStrides = contiguousStrides(kept);
  const operands: RowOperand[] = [{ tensor: x, outer, inner }];
  const outs: Tensor[] = [];
  for (const dtype of results) {
    const tensor = allocate(dtype, shape);
    outs.push(tensor);
    operands.push({ tensor, outer: outStrides, inner: still });
  }
  const type = computeType(call.compute.name);
  runRow({
    name: call.name,
    key: `${call.name}:${call.variant ?? ""}:${call.compute.id}`,
    outer: kept,
    inner: reduced,
    operands,
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
