/** The reduction kind: some dimensions become one element each, by one or more passes over them. */
import type { DType } from "../../dtype.ts";
import { type ComputeType, computeType, type Expr } from "../../ir/expr.ts";
import type { Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { allocate, type RowBuilder, runRow, splitStrides } from "../row.ts";

export interface ReductionCall {
  readonly name: string;
  /** Normalized dimensions to reduce. */
  readonly dims: readonly number[];
  readonly keepdim: boolean;
  /** The type computed in; the input is converted to it. */
  readonly compute: DType;
  readonly result: DType;
  /** What `build` depends on besides dtypes. */
  readonly variant?: string;
  readonly scalars?: readonly (number | bigint)[];
  readonly keepInnerOrder?: boolean;
  /** The result from the elements; `row.innerCount` is how many there are. Its type is the compute type of `result`. */
  readonly build: (x: Expr, row: RowBuilder, scalars: readonly Expr[], type: ComputeType) => Expr;
}

/** The shape after reducing `dims`. */
export function reducedShape(shape: Shape, dims: readonly number[], keepdim: boolean): number[] {
  if (keepdim) return shape.map((s, d) => (dims.includes(d) ? 1 : s));
  return shape.filter((_, d) => !dims.includes(d));
}

/** Computes a reduction of `x` into a new tensor. Not recorded: ops made of it declare their gradients. */
export function reduce(x: Tensor, call: ReductionCall): Tensor {
  const out = allocate(call.result, reducedShape(x.sizes, call.dims, call.keepdim));
  const { outer, inner } = splitStrides(x, call.dims);
  const kept = x.sizes.filter((_, d) => !call.dims.includes(d));
  const outStrides = call.keepdim ? out.strides.filter((_, d) => !call.dims.includes(d)) : out.strides;
  // In the order given: arg-reductions number the elements by it.
  const reduced = x.sizes.filter((_, d) => call.dims.includes(d));
  const type = computeType(call.compute.name);
  runRow({
    name: call.name,
    key: `${call.name}:${call.variant ?? ""}:${call.compute.id}`,
    outer: kept,
    // Without dimensions to reduce there is still one element.
    inner: reduced.length === 0 ? [1] : reduced,
    operands: [
      { tensor: x, outer, inner: reduced.length === 0 ? [1] : inner },
      { tensor: out, outer: outStrides, inner: reduced.length === 0 ? [0] : reduced.map(() => 0) },
    ],
    outputs: 1,
    scalars: call.scalars,
    scalarTypes: call.scalars?.map(() => type),
    keepInnerOrder: call.keepInnerOrder,
    build: ([value], row, scalars) => {
      row.store(1, call.build(value.cast(type), row, scalars, type).cast(computeType(call.result.name)));
    },
  });
  return out;
}
