/** Modified Bessel functions of the first kind, in float64: Chebyshev series on [0, 8] and, in 8/x, beyond. */
import { chebyshev } from "./chebyshev.ts";
import { I0_LARGE, I0_SMALL, I1_LARGE, I1_SMALL } from "./coefficients.ts";

/** exp(-|x|) I0(x). */
export function i0e(x: number): number {
  const a = Math.abs(x);
  return a <= 8 ? chebyshev(I0_SMALL, 0, 8, a) : chebyshev(I0_LARGE, 0, 1, 8 / a) / Math.sqrt(a);
}

/** exp(-|x|) I1(x). */
export function i1e(x: number): number {
  const a = Math.abs(x);
  const value = a <= 8 ? a * chebyshev(I1_SMALL, 0, 8, a) : chebyshev(I1_LARGE, 0, 1, 8 / a) / Math.sqrt(a);
  return x < 0 ? -value : value;
}

export function i0(x: number): number {
  return scale(i0e(x), Math.abs(x));
}

export function i1(x: number): number {
  return scale(i1e(x), Math.abs(x));
}

/** `value` times exp(a), in two steps, since exp(a) overflows before the product does. ±∞ gives NaN, as in PyTorch. */
function scale(value: number, a: number): number {
  if (a < 700) return value * Math.exp(a);
  const half = Math.exp(a / 2);
  return value * half * half;
}
