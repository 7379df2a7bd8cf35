/** Helpers that build expressions for the decompositions in this folder. */
import type { ComputeType, Expr } from "../expr.ts";
import { constant } from "../expr.ts";

export const f32 = (value: number): Expr => constant("f32", value);
export const f64 = (value: number): Expr => constant("f64", value);
export const i32 = (value: number): Expr => constant("i32", value);

/** Σ c[i] x^i by Horner's rule. */
export function horner(x: Expr, c: readonly number[]): Expr {
  let sum = constant(x.type, c[c.length - 1] as number);
  for (let i = c.length - 2; i >= 0; i--) sum = sum.fma(x, c[i] as number);
  return sum;
}

/** min(x, limit) that keeps a NaN of x. Written as the comparison that SIMD's one-instruction `pmin` makes. */
export function atMost(x: Expr, limit: number): Expr {
  const c = constant(x.type, limit);
  return c.lt(x).select(c, x);
}

/** max(x, limit) that keeps a NaN of x. */
export function atLeast(x: Expr, limit: number): Expr {
  const c = constant(x.type, limit);
  return x.lt(c).select(c, x);
}

/**
 * Added to a float of modest size, this leaves the nearest integer in the sum's low bits: 1.5 · 2^23. Subtracted
 * again, it gives that integer as a float. Cheaper than `nearest` followed by a conversion.
 */
export const ROUND_F32 = 12582912;
/** The same for float64: 1.5 · 2^52. */
export const ROUND_F64 = 6755399441055744;

/** The sign bit of a float32, as i32 bits. */
export function signBit(x: Expr): Expr {
  return x.bitcast("i32").and(-(2 ** 31));
}

/** Applies the bits `sign` (0 or the sign bit) to a float32: negates where it is set. */
export function flipSign(x: Expr, sign: Expr): Expr {
  return x.bitcast("i32").xor(sign).bitcast("f32");
}

/** Whether `x` cannot be below 0, as its form shows. */
function isMagnitude(x: Expr): boolean {
  if (x.op === "abs") return true;
  if (x.op === "const") return Number(x.value) > 0;
  return x.op === "mul" && x.args.every(isMagnitude);
}

/** An odd function by its values for x ≥ 0. Keeps -0. */
export function odd(x: Expr, f: (magnitude: Expr) => Expr): Expr {
  if (isMagnitude(x)) return f(x);
  return flipSign(f(x.abs()), signBit(x));
}

export type Decomposition = (x: Expr, y: Expr) => Expr;

/** Evaluates `f` in float64 on float32 operands and rounds. */
export function inF64(f: Decomposition): Decomposition {
  const wide: ComputeType = "f64";
  return (x, y) => f(x.cast(wide), y?.cast(wide)).cast("f32");
}
