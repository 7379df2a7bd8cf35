/** What a row kernel over strided tensors is made from. */
import type { ComputeType, Expr } from "../ir/expr.ts";
import { stageValue } from "../ir/expr.ts";
import type { ReduceOp, Stage } from "../ir/kernel.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** A tensor with its strides along the outer and the inner loops (0 where it does not vary). */
export interface RowOperand {
  readonly tensor: Tensor;
  readonly outer: readonly number[];
  readonly inner: readonly number[];
}

/** Builds the stages of a row kernel. Positions of loads and stores are those of the current outer and inner index. */
export class RowBuilder {
  readonly stages: Stage[] = [];
  /** The number of inner elements, as i32. */
  readonly innerCount: Expr;
  private readonly indices: readonly Expr[];
  private readonly innerVaries: readonly boolean[];

  constructor(indices: readonly Expr[], innerVaries: readonly boolean[], innerCount: Expr) {
    this.indices = indices;
    this.innerVaries = innerVaries;
    this.innerCount = innerCount;
  }
  /** Reduces over the inner loops. */
  reduce(op: ReduceOp, value: Expr): Expr {
    this.stages.push({ kind: "reduce", op, value });
    return stageValue(value.type, this.stages.length - 1);
  }
  /** The position of the first extreme value, in flattened inner indices. */
  argReduce(op: "argmin" | "argmax", value: Expr): { index: Expr; value: Expr } {
    this.stages.push({ kind: "reduce", op, value });
    const at = this.stages.length - 1;
    return { index: stageValue("i32", at, 1), value: stageValue(value.type, at) };
  }
  /** A value made of the results of reductions, which is not to be computed anew for each element of the row. */
  keep(value: Expr): Expr {
    return value;
  }
  /** Writes to operand number `operand`. */
  store(operand: number, value: Expr): void {
    this.stages.push({
      kind: "store",
      over: this.innerVaries[operand] ? "inner" : "outer",
      buffer: operand,
      index: this.indices[operand],
      value,
    });
  }
}

export interface RowSpec {
  readonly name: string;
  /** Everything that `build` depends on besides dtypes and layout. */
  readonly key: string;
  /** Sizes of the outer and the inner loops. */
  readonly outer: Shape;
  readonly inner: Shape;
  /** Inputs first, then `outputs` tensors that are written. */
  readonly operands: readonly RowOperand[];
  readonly outputs: number;
  /** Scalars, with their compute types. */
  readonly scalars?: readonly (number | bigint)[];
  readonly scalarTypes?: readonly ComputeType[];
  /** Inner dimensions keep their order, because flattened inner indices are results: for arg-reductions. */
  readonly keepInnerOrder?: boolean;
  readonly build: (values: readonly Expr[], row: RowBuilder, scalars: readonly Expr[]) => void;
}

/** Nested loops, the last one innermost. */
export interface Loops {
  readonly sizes: readonly number[];
  /** For each operand its stride along each loop. */
  readonly strides: readonly (readonly number[])[];
}
