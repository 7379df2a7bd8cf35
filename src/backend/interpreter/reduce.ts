/** The reductions of row kernels. */
import type { ComputeType } from "../../ir/expr.ts";
import type { ReduceOp } from "../../ir/kernel.ts";
import { binaryFunction } from "./arithmetic.ts";
import type { Value } from "./elements.ts";

/** Collects values; `result` gives the reduced value and, for arg-reductions, the index where it was. */
export interface Reducer {
  add(value: Value, index: number): void;
  result(): readonly Value[];
}

export function reducer(op: ReduceOp, type: ComputeType): Reducer {
  if (op === "argmin" || op === "argmax") return argReducer(op, type);
  if (type === "bool") return boolReducer(op);
  if (op === "sum" || op === "prod") {
    // float32 accumulates in float64 and rounds once: the reference that other orders of summation are measured by.
    const wide = type === "f32" ? "f64" : type;
    const combine = binaryFunction(op === "sum" ? "add" : "mul", wide);
    return folding(
      identity(type, op === "sum" ? 0 : 1),
      combine,
      type === "f32" ? (x) => Math.fround(x as number) : null,
    );
  }
  const ends = extremes(type);
  return folding(op === "min" ? ends[1] : ends[0], binaryFunction(op, type), null);
}

function folding(start: Value, combine: (x: Value, y: Value) => Value, finish: ((x: Value) => Value) | null): Reducer {
  let total = start;
  return {
    add(value) {
      total = combine(total, value);
    },
    result: () => [finish ? finish(total) : total],
  };
}

function boolReducer(op: ReduceOp): Reducer {
  if (op === "min") return folding(1, (x, y) => (x && y ? 1 : 0), null); // all
  if (op === "max") return folding(0, (x, y) => (x || y ? 1 : 0), null); // any
  throw new Error(`IR: ${op} of bool`);
}

function argReducer(op: "argmin" | "argmax", type: ComputeType): Reducer {
  let best: Value | null = null;
  let at = 0;
  return {
    add(value, index) {
      if (
        best === null ||
        (!Number.isNaN(best) && (Number.isNaN(value) || (op === "argmin" ? value < best : value > best)))
      ) {
        best = value;
        at = index;
      }
    },
    result: () => [best ?? identity(type, 0), at],
  };
}

function identity(type: ComputeType, value: number): Value {
  return type === "i64" ? BigInt(value) : value;
}

/** The least and the greatest value of a type. */
function extremes(type: ComputeType): [Value, Value] {
  if (type === "i32") return [-(2 ** 31), 2 ** 31 - 1];
  if (type === "i64") return [-(2n ** 63n), 2n ** 63n - 1n];
  return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
}
