/** The logarithm of the gamma function and its derivatives, in float64. */
import { chebyshev } from "./chebyshev.ts";
import { LGAMMA_NEAR_1, LGAMMA_NEAR_2 } from "./coefficients.ts";

/** sin(πx), exact at integers. */
function sinPi(x: number): number {
  const r = x - 2 * Math.round(x / 2); // in [-1, 1]
  const a = Math.abs(r);
  const value =
    a <= 0.25 ? Math.sin(Math.PI * a) : a <= 0.75 ? Math.cos(Math.PI * (0.5 - a)) : Math.sin(Math.PI * (1 - a));
  return r < 0 ? -value : value;
}

/** log |Γ(x)|. Poles (0, -1, -2, …) and ±∞ give ∞. */
export function lgamma(x: number): number {
  if (Number.isNaN(x)) return x;
  if (!Number.isFinite(x) || (x <= 0 && Number.isInteger(x))) return Number.POSITIVE_INFINITY;
  if (x < 0) {
    // Reflection: Γ(x) Γ(1 - x) = π / sin(πx), with Γ(1 - x) = -x Γ(-x).
    if (x > -1e-20) return -Math.log(-x);
    return Math.log(Math.PI / Math.abs(sinPi(x) * x)) - lgamma(-x);
  }
  if (x < 0.5) return x < 1e-20 ? -Math.log(x) : lgamma1(1 + x, x) - Math.log(x);
  if (x < 1.5) return lgamma1(x, x - 1);
  if (x < 3) return (x - 2) * chebyshev(LGAMMA_NEAR_2, 1.5, 3, x);
  if (x < 10) {
    let product = 1;
    let y = x;
    while (y >= 3) product *= --y;
    return (y - 2) * chebyshev(LGAMMA_NEAR_2, 1.5, 3, y) + Math.log(product);
  }
  return stirling(x);
}

/** lgamma near 1, given x - 1 exactly. */
function lgamma1(x: number, fromOne: number): number {
  return fromOne === 0 ? 0 : fromOne * chebyshev(LGAMMA_NEAR_1, 0.5, 1.5, x);
}

/** Stirling's series, for x ≥ 10: Abramowitz and Stegun 6.1.41. */
function stirling(x: number): number {
  const main = (x - 0.5) * (Math.log(x) - 1) - 0.5 + 0.5 * Math.log(2 * Math.PI);
  if (x > 1e17) return x * (Math.log(x) - 1);
  const r = 1 / x;
  const s = r * r;
  const series =
    1 / 12 + s * (-1 / 360 + s * (1 / 1260 + s * (-1 / 1680 + s * (1 / 1188 + s * (-691 / 360360 + s / 156)))));
  return main + series * r;
}

/** d/dx log Γ(x). The poles give NaN, ±0 gives ∓∞. */
export function digamma(x: number): number {
  if (x === 0) return -1 / x;
  if (x === Number.NEGATIVE_INFINITY) return Number.NaN;
  if (x < 0) {
    if (Number.isInteger(x)) return Number.NaN;
    // ψ(x) = ψ(1 - x) - π cot(πx); the fraction keeps its accuracy near integers.
    const fraction = x - Math.round(x);
    return digamma(1 - x) - Math.PI / Math.tan(Math.PI * fraction);
  }
  let shift = 0;
  let y = x;
  for (; y < 10; y++) shift += 1 / y;
  const s = 1 / (y * y);
  // Abramowitz and Stegun 6.3.18.
  const series =
    s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132 - s * (691 / 32760 - s / 12))))));
  return Math.log(y) - 0.5 / y - series - shift;
}

/** d²/dx² log Γ(x). */
export function trigamma(x: number): number {
  if (x < 0.5) {
    // Reflection: ψ'(x) + ψ'(1 - x) = π² / sin²(πx).
    const s = sinPi(x);
    return (Math.PI / s) ** 2 - trigamma(1 - x);
  }
  let shift = 0;
  let y = x;
  for (; y < 10; y++) shift += 1 / (y * y);
  const s = 1 / (y * y);
  // Abramowitz and Stegun 6.4.12.
  const series =
    s * (1 / 6 - s * (1 / 30 - s * (1 / 42 - s * (1 / 30 - s * (5 / 66 - s * (691 / 2730 - (s * 7) / 6))))));
  return 1 / y + 0.5 * s + series / y + shift;
}
