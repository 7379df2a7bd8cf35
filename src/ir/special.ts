/**
 * The transcendental functions in float64, in plain JavaScript: what a `host` node of the IR calls, and the reference
 * for the float32 decompositions in `math.ts`. JavaScript's own functions are used where engines compute them within
 * 1 ulp (V8 ports fdlibm).
 */
import type { FunctionName } from "./expr.ts";
import { i0, i0e, i1, i1e } from "./special/bessel.ts";
import { erf, erfc, erfinv, ndtri } from "./special/erf.ts";
import { digamma, lgamma, trigamma } from "./special/gamma.ts";
import { nextafter } from "./special/nextafter.ts";
import { zeta } from "./special/zeta.ts";

export { nextafterFloat32 } from "./special/nextafter.ts";

/** 1 / (1 + exp(-x)), without overflow for large negative x. */
function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** C's pow: unlike JavaScript's, 1 to any power is 1, and so is -1 to ±∞. */
function pow(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY)) return 1;
  return x ** y;
}

/** By function name. Functions of one argument ignore the second. */
export const hostFunctions: Readonly<Record<FunctionName, (x: number, y: number) => number>> = {
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  erf,
  erfc,
  erfinv,
  lgamma,
  digamma,
  trigamma,
  zeta,
  ndtri,
  i0,
  i0e,
  i1,
  i1e,
  sigmoid,
  pow,
  atan2: Math.atan2,
  hypot: (x, y) => Math.hypot(x, y),
  nextafter,
};
