/**
 * Running error analysis: beside each value, a bound on how far a correct backend's value may be from it. Backends
 * may fuse multiply-adds, sum in another order and approximate functions within 2 ulp; these rules follow such
 * differences through the expression, so that comparison needs no tolerance chosen by hand and still knows
 * cancellation. Integers and booleans have bound 0 unless they come from floats.
 * (Wilkinson, "Rounding Errors in Algebraic Processes", 1963; Higham, "Accuracy and Stability", section 3.3.)
 */
import type { ComputeType, Expr } from "../../ir/expr.ts";
import type { Value } from "./elements.ts";

/** The bound of a node's value from its operands' values `v` and bounds `e`, and its own value. */
export type ErrorRule = (v: readonly Value[], e: readonly number[], result: Value) => number;

/** Half the distance between neighbouring numbers around 1, and the smallest subnormal number. */
export function unitRoundoff(type: ComputeType): number {
  return type === "f32" ? 2 ** -24 : type === "f64" ? 2 ** -53 : 0;
}
function tiniest(type: ComputeType): number {
  return type === "f32" ? 2 ** -149 : type === "f64" ? 2 ** -1074 : 0;
}

const size = (x: Value | undefined): number => {
  const a = Math.abs(Number(x));
  return Number.isNaN(a) ? 0 : a;
};
const distance = (x: Value | undefined, y: Value | undefined): number =>
  x === y || (Number.isNaN(x) && Number.isNaN(y)) ? 0 : Math.abs(Number(x) - Number(y));

/** 0 · ∞ counts as 0: an exact operand carries no error however large the other. */
const times = (x: number, error: number): number => (error === 0 ? 0 : x === 0 ? 0 : x * error);

/** The rule for an operation; `evaluate` computes it on given operands (used where the slope is not known). */
export function errorRule(node: Expr, evaluate: (v: readonly Value[]) => Value): ErrorRule {
  const { type } = node;
  const u = unitRoundoff(type);
  const least = tiniest(type);
  const e = (errors: readonly number[], i: number): number => errors[i] ?? 0;
  const exactWhereExact =
    (rule: ErrorRule): ErrorRule =>
    (v, errors, r) =>
      errors.every((x) => x === 0) ? 0 : rule(v, errors, r);
  switch (node.op) {
    case "add":
    case "sub":
      // Rounding counts even for exact operands: a backend may fuse or reorder what the reference does not.
      return (_, err, r) => e(err, 0) + e(err, 1) + (e(err, 0) + e(err, 1) > 0 ? u * size(r) : 0);
    case "mul":
      return exactWhereExact(
        (v, err, r) => times(size(v[1]), e(err, 0)) + times(size(v[0]), e(err, 1)) + u * size(r) + least,
      );
    case "fma":
      // Fused or not: the product's rounding is the difference.
      return (v, err, r) =>
        times(size(v[1]), e(err, 0)) +
        times(size(v[0]), e(err, 1)) +
        e(err, 2) +
        u * (size(v[0]) * size(v[1]) + size(r)) +
        least;
    case "div":
      return exactWhereExact((v, err, r) => {
        if (!node.isFloat) return Number.POSITIVE_INFINITY;
        const divisor = size(v[1]) - e(err, 1);
        if (!(divisor > 0)) return Number.POSITIVE_INFINITY;
        return (e(err, 0) + times(size(r), e(err, 1))) / divisor + u * size(r) + least;
      });
    case "neg":
    case "abs":
      return (_, err) => e(err, 0);
    case "min":
    case "max":
      return (_, err) => Math.max(e(err, 0), e(err, 1));
    case "select":
      return (v, err) => {
        const chosen = v[0] ? e(err, 1) : e(err, 2);
        return e(err, 0) === 0 ? chosen : chosen + Math.max(e(err, 1), e(err, 2)) + distance(v[1], v[2]);
      };
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge":
      // May come out the other way where the operands are closer than their errors.
      return exactWhereExact((v, err) => (distance(v[0], v[1]) <= e(err, 0) + e(err, 1) ? 1 : 0));
    case "and":
    case "or":
    case "xor":
    case "not":
      return type === "bool" ? (_, err) => Math.max(0, ...err) : exactWhereExact(() => Number.POSITIVE_INFINITY);
    case "cast":
      if (node.isFloat) return (_, err, r) => e(err, 0) + (e(err, 0) > 0 ? u * size(r) : 0);
      if (node.args[0].isFloat) return exactWhereExact((v, err, r) => bySampling(v, err, r, evaluate));
      // Between integers: to a narrower type it wraps.
      return node.args[0].type === "i64" ? exactWhereExact(() => Number.POSITIVE_INFINITY) : (_, err) => e(err, 0);
    case "sqrt":
    case "floor":
    case "ceil":
    case "trunc":
    case "nearest":
      return exactWhereExact((v, err, r) => bySampling(v, err, r, evaluate) + u * size(r) + least);
    case "function":
    case "host":
      return (v, err, r) => bySampling(v, err, r, evaluate) + 6 * u * size(r) + 3 * least;
    default:
      return exactWhereExact(() => Number.POSITIVE_INFINITY); // bits, shifts, remainders
  }
}

/** How much the value moves when the operands move by their errors. */
function bySampling(
  v: readonly Value[],
  err: readonly number[],
  r: Value,
  evaluate: (v: readonly Value[]) => Value,
): number {
  let bound = 0;
  err.forEach((error, i) => {
    if (error === 0) return;
    for (const moved of [Number(v[i]) - error, Number(v[i]) + error]) {
      const at = v.slice();
      at[i] = moved;
      const d = distance(evaluate(at), r);
      bound += Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
    }
  });
  return bound;
}

/** Collects the bound of a reduction's result. */
export class ReductionError {
  private terms = 0;
  private magnitudes = 0;
  private errors = 0;
  private largest = 0;
  private relative = 0;

  add(value: Value, error: number): void {
    this.terms++;
    this.magnitudes += size(value);
    this.errors += error;
    this.largest = Math.max(this.largest, error);
    if (error > 0) this.relative += error / size(value);
  }

  /** In a sum of n terms, roundings grow like √n times the sum of magnitudes in ordinary cases; 2√n leaves room. */
  sum(type: ComputeType): number {
    return this.errors + unitRoundoff(type) * this.magnitudes * (2 + 2 * Math.sqrt(this.terms));
  }

  prod(type: ComputeType, result: Value): number {
    return times(size(result), this.relative + unitRoundoff(type) * (this.terms + 2)) + tiniest(type) * this.terms;
  }

  /** Of a minimum or maximum. */
  extreme(): number {
    return this.largest;
  }
}
