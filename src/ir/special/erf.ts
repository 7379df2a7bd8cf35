/** The error function, its complement and their inverses, in float64. */
import { chebyshev } from "./chebyshev.ts";
import { ERF_SMALL, ERFCX } from "./coefficients.ts";

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);
/** The end of the series around 0; beyond it erfc comes from its scaled form. */
const SMALL = 0.75;

export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < SMALL) return x * chebyshev(ERF_SMALL, 0, 1, x * x);
  if (Number.isNaN(x)) return x;
  const value = a > 6 ? 1 : 1 - erfcTail(a);
  return x < 0 ? -value : value;
}

export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < -6) return 2;
  if (Math.abs(x) < SMALL) {
    const value = x * chebyshev(ERF_SMALL, 0, 1, x * x);
    // Above 1/4, 1 - erf loses bits that (1/2 - erf) + 1/2 keeps.
    return x > 0.25 ? 0.5 - value + 0.5 : 1 - value;
  }
  if (x < 0) return 2 - erfcTail(-x);
  return x > 28 ? 0 : erfcTail(x);
}

/** erfc on [0.75, 28] as exp(-x²) times the scaled function. */
function erfcTail(x: number): number {
  return expMinusSquare(x) * chebyshev(ERFCX, 4 / 32, 4 / 4.75, 4 / (4 + x));
}

/** exp(-x²) without the error that rounding x² would bring: x = h + r where h² is exact. */
function expMinusSquare(x: number): number {
  const h = Math.round(x * 16) / 16;
  const r = x - h;
  return Math.exp(-h * h) * Math.exp(-r * (x + h));
}

/** The x in (-1, 1)'s preimage: erf(erfinv(y)) = y. ±1 gives ±∞, beyond is NaN. */
export function erfinv(y: number): number {
  const a = Math.abs(y);
  if (a > 1 || Number.isNaN(y)) return Number.NaN;
  if (a === 1) return y * Number.POSITIVE_INFINITY;
  if (a < 1e-9) return y / TWO_OVER_SQRT_PI;
  const x = a < 0.5 ? refine(guess(a, 1 - a), (t) => erf(t) - a) : erfcinv(1 - a);
  return y < 0 ? -x : x;
}

/** The x with erfc(x) = q, for q in (0, 1]. */
function erfcinv(q: number): number {
  if (q > 1e-8) return refine(guess(1 - q, q), (t) => q - erfc(t));
  // In the tail, Newton's method on log(erfc), which is nearly a parabola there.
  let x = Math.sqrt(-Math.log(q * Math.sqrt(-Math.PI * Math.log(q))));
  for (let i = 0; i < 6; i++) {
    const ratio = erfc(x) / q;
    if (ratio === 0) return x;
    const scaled = chebyshev(ERFCX, 4 / 32, 4 / 4.75, 4 / (4 + x)); // erfc(x) / exp(-x²)
    const step = (Math.log(ratio) * scaled) / TWO_OVER_SQRT_PI;
    x += step;
    if (Math.abs(step) < 1e-16 * x) break;
  }
  return x;
}

/** A few digits of erfinv(y), for q = 1 - |y|: S. Winitzki, "A handy approximation for the error function" (2008). */
function guess(y: number, q: number): number {
  const a = 0.147;
  const log = Math.log(q * (1 + y));
  const half = 2 / (Math.PI * a) + log / 2;
  return Math.sqrt(Math.max(0, Math.sqrt(half * half - log / a) - half));
}

/** Halley's method for erf(x) = y, given erf(x) - y as `residual`. */
function refine(start: number, residual: (x: number) => number): number {
  let x = start;
  for (let i = 0; i < 5; i++) {
    const newton = residual(x) / (TWO_OVER_SQRT_PI * Math.exp(-x * x));
    const step = newton / (1 + x * newton);
    x -= step;
    if (Math.abs(step) < 1e-10 * Math.abs(x)) break; // the next step would be below the rounding error
  }
  return x;
}

/** Inverse of the normal distribution function: -√2 erfcinv(2p). 0 and 1 give ∓∞. */
export function ndtri(p: number): number {
  if (!(p >= 0 && p <= 1)) return Number.NaN;
  if (p === 0) return Number.NEGATIVE_INFINITY;
  if (p === 1) return Number.POSITIVE_INFINITY;
  if (p < 0.25) return -Math.SQRT2 * erfcinv(2 * p);
  if (p > 0.75) return Math.SQRT2 * erfcinv(2 * (1 - p));
  return Math.SQRT2 * erfinv(2 * p - 1);
}
