/** The error function in float32. */
import type { Expr } from "../expr.ts";
import { atMost, f64, horner, odd } from "./build.ts";
import { ERF_F64, ERF_NEAR, ERFC_ROOT, ERFCX_F64 } from "./coefficients.ts";
import { exp64 } from "./float64.ts";

/** x P(x²) up to 1.1; beyond, 1 - Q(x)^8, where Q's errors count little. From 3.92 on, erf rounds to 1. */
export function erf(x: Expr): Expr {
  return odd(x, (a) => {
    const y = a.mul(a);
    const near = a.fma(horner(y, ERF_NEAR), a);
    const root = horner(atMost(a, 3.93), ERFC_ROOT);
    const square = root.mul(root);
    const fourth = square.mul(square);
    const far = fourth.neg().fma(fourth, 1);
    return a.lt(1.1).select(near, far);
  });
}

/** For an f64 operand; accurate to float32. 1 - erf near 0; e^-x² times a polynomial in (x - 2) / (x + 2) in the tails. */
export function erfc64(x: Expr): Expr {
  const a = atMost(x.abs(), 10.1); // erfc(10.1) rounds to 0 in float32
  const y = a.mul(a);
  const tail = exp64(y.neg()).mul(horner(a.sub(2).div(a.add(2)), ERFCX_F64));
  const near = f64(1).sub(x.mul(horner(y, ERF_F64)));
  return a.lt(0.5).select(near, x.lt(0).select(f64(2).sub(tail), tail));
}
