/** Signs of floats, by their bits, which also zeros and NaN have. */
import type { Expr } from "../../ir/expr.ts";

/** Whether the sign bit is set; for integers whether the value is negative. */
export function signBit(x: Expr): Expr {
  if (x.type === "f32") return x.bitcast("i32").lt(0);
  if (x.type === "f64") return x.bitcast("i64").lt(0);
  return x.lt(0);
}

/** `x` with the sign of `sign`, both floats of one type. */
export function withSignOf(x: Expr, sign: Expr): Expr {
  const magnitude = x.abs();
  return signBit(sign).select(magnitude.neg(), magnitude);
}
