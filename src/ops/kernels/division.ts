/** Division as kernels: quotients rounded down or towards zero, and Python's remainder. */
import { constant, type Expr } from "../../ir/expr.ts";
import { withSignOf } from "./bits.ts";

/** The quotient rounded towards zero. */
export function truncatedQuotient(a: Expr, b: Expr): Expr {
  return a.isFloat ? a.div(b).trunc() : a.div(b);
}

/**
 * The quotient rounded down, such that `a = b * quotient + modulus(a, b)`: what CPython's float_floor_div computes. For
 * floats floor(a / b) is not the same, because a / b may round up to a whole number.
 */
export function floorDivide(a: Expr, b: Expr): Expr {
  const rest = a.rem(b);
  const opposite = rest.ne(0).and(b.lt(0).xor(rest.lt(0)));
  if (!a.isFloat) return a.div(b).sub(opposite.cast(a.type));
  const quotient = a.sub(rest).div(b);
  const adjusted = quotient.sub(opposite.cast(a.type));
  const whole = adjusted.floor();
  const nearest = whole.add(adjusted.sub(whole).gt(0.5).cast(a.type));
  const zero = withSignOf(constant(a.type, 0), a.div(b));
  return b.eq(0).select(a.div(b), adjusted.ne(0).select(nearest, zero));
}

/** The remainder with the sign of `b`. */
export function modulus(a: Expr, b: Expr): Expr {
  const rest = a.rem(b);
  const opposite = rest.ne(0).and(b.lt(0).xor(rest.lt(0)));
  return opposite.select(rest.add(b), rest);
}
