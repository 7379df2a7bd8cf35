/**
 * Hurwitz's zeta function: the sum of (q + k)^-s over k ≥ 0. The first terms are summed, the rest is the Euler-Maclaurin
 * formula (Johansson, "Rigorous high-precision computation of the Hurwitz zeta function", arXiv:1309.2877, equation 5).
 */

/** B(2j) / (2j)! for j = 1, 2, … */
const BERNOULLI_OVER_FACTORIAL = [
  1 / 12,
  -1 / 720,
  1 / 30240,
  -1 / 1209600,
  1 / 47900160,
  -691 / 1307674368000,
  1 / 74724249600,
  -3617 / 10670622842880000,
  43867 / 5109094217170944000,
  -174611 / 802857662698291200000,
];

/** For s > 1. A q that is not positive is a pole at whole numbers, and otherwise needs a whole s, or gives NaN. */
export function zeta(s: number, q: number): number {
  if (s === 1) return Number.POSITIVE_INFINITY;
  // At infinity PyTorch gives NaN too, for all that the sum tends to 0.
  if (!(s > 1) || Number.isNaN(q) || q === Number.POSITIVE_INFINITY) return Number.NaN;
  if (q <= 0) {
    if (q === Math.floor(q)) return Number.POSITIVE_INFINITY;
    if (!Number.isInteger(s)) return Number.NaN;
    // The terms below zero are, up to the sign, a difference of two such sums on the other side.
    const f = q - Math.floor(q);
    const below = zeta(s, 1 - f) - zeta(s, 1 - q);
    return zeta(s, f) + (s % 2 === 0 ? below : -below);
  }
  let sum = 0;
  let a = q;
  let term = 0;
  for (let k = 0; k < 10 || a < 10; k++) {
    term = a ** -s;
    sum += term;
    a += 1;
    if (a > 0 && Math.abs(term) < Number.EPSILON * 1e-3 * Math.abs(sum)) return sum;
  }
  sum += a ** (1 - s) / (s - 1) + 0.5 * a ** -s;
  let factor = s * a ** (-s - 1);
  for (let j = 0; j < BERNOULLI_OVER_FACTORIAL.length; j++) {
    const correction = BERNOULLI_OVER_FACTORIAL[j] * factor;
    sum += correction;
    if (Math.abs(correction) < Number.EPSILON * 1e-2 * Math.abs(sum)) break;
    factor *= ((s + 2 * j + 1) * (s + 2 * j + 2)) / (a * a);
  }
  return sum;
}
