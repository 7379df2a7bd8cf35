/** The reductions of row kernels, and the sums of contractions. */
import type { ComputeType } from "../../ir/expr.ts";
import type { ReduceOp } from "../../ir/kernel.ts";
import { binaryFunction } from "./arithmetic.ts";
import type { Value } from "./elements.ts";
import { ReductionError } from "./error-bound.ts";
import type { Tracked } from "./evaluate.ts";

/** Collects values; `result` gives the reduced value and, for arg-reductions, the index where it was. */
export interface Reducer {
  add(value: Value, index: number, error: number): void;
  result(): readonly Tracked[];
}

/** A reducer for values of `type`. Bounds on the errors are made only where they are tracked. */
export function reducer(op: ReduceOp, type: ComputeType, trackErrors: boolean): Reducer {
  if (op === "argmin" || op === "argmax") return argReducer(op, type);
  if (type === "bool")
    return folding(
      boolStart(op),
      boolCombine(op),
      trackErrors,
      (x) => x,
      (e) => e.extreme(),
    );
  if (op === "sum" || op === "prod") {
    // float32 accumulates in float64 and rounds once: the reference that other orders of summation are measured by.
    const combine = binaryFunction(op === "sum" ? "add" : "mul", type === "f32" ? "f64" : type);
    const finish = type === "f32" ? (x: Value) => Math.fround(x as number) : (x: Value) => x;
    const bound = op === "sum" ? (e: ReductionError) => e.sum(type) : (e: ReductionError, r: Value) => e.prod(type, r);
    return folding(identity(type, op === "sum" ? 0 : 1), combine, trackErrors, finish, bound);
  }
  const [least, greatest] = extremes(type);
  const start = op === "min" ? greatest : least;
  return folding(
    start,
    binaryFunction(op, type),
    trackErrors,
    (x) => x,
    (e) => e.extreme(),
  );
}

function folding(
  start: Value,
  combine: (x: Value, y: Value) => Value,
  trackErrors: boolean,
  finish: (x: Value) => Value,
  bound: (errors: ReductionError, result: Value) => number,
): Reducer {
  let total = start;
  const errors = trackErrors ? new ReductionError() : undefined;
  return {
    add(value, _, error) {
      total = combine(total, value);
      errors?.add(value, error);
    },
    result() {
      const value = finish(total);
      return [{ value, error: errors ? bound(errors, value) : 0 }];
    },
  };
}

function boolStart(op: ReduceOp): number {
  if (op === "min") return 1; // all
  if (op === "max") return 0; // any
  throw new Error(`IR: ${op} of bool`);
}

function boolCombine(op: ReduceOp): (x: Value, y: Value) => Value {
  return op === "min" ? (x, y) => (x && y ? 1 : 0) : (x, y) => (x || y ? 1 : 0);
}

function argReducer(op: "argmin" | "argmax", type: ComputeType): Reducer {
  let best: Tracked | null = null;
  let at = 0;
  // Values that might be the extreme one if errors fell out otherwise, for the bound of the index.
  let largestError = 0;
  const seen: Value[] = [];
  const better = (x: Value, y: Value) => (op === "argmin" ? x < y : x > y);
  return {
    add(value, index, error) {
      largestError = Math.max(largestError, error);
      seen.push(value);
      if (best === null || (!Number.isNaN(best.value) && (Number.isNaN(value) || better(value, best.value)))) {
        best = { value, error };
        at = index;
      }
    },
    result() {
      const value = best?.value ?? identity(type, 0);
      const near = (x: Value) => Math.abs(Number(x) - Number(value)) <= 2 * largestError;
      const uncertain = largestError > 0 && seen.filter(near).length > 1;
      return [
        { value, error: largestError },
        { value: at, error: uncertain ? Number.POSITIVE_INFINITY : 0 },
      ];
    },
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
