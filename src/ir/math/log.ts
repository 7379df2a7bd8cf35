/**
 * Logarithms in float32: x = 2^k (1 + f) with 1 + f in [√½, √2), and log(1 + f) = f - f²/2 + f³ P(f).
 */
import type { Expr } from "../expr.ts";
import { f32, horner, i32 } from "./build.ts";
import { LOG } from "./coefficients.ts";

const SQRT_HALF_BITS = 0x3f3504f3;
const LOG10_E = Math.LOG10E;
const LOG10_2 = Math.LOG10E * Math.LN2;

interface Split {
  /** The exponent, as a float. */
  readonly k: Expr;
  readonly f: Expr;
}

/** Splits a positive normal number. */
function split(x: Expr, exponentOffset: Expr = i32(0)): Split {
  const bits = x.bitcast("i32").sub(SQRT_HALF_BITS);
  const k = bits.shr(23).sub(exponentOffset).cast("f32");
  const mantissa = bits.and(0x7fffff).add(SQRT_HALF_BITS).bitcast("f32");
  return { k, f: mantissa.sub(1) };
}

/** Splits a positive number that may be subnormal. */
function splitAny(x: Expr): Split {
  const subnormal = x.lt(2 ** -126);
  const scaled = subnormal.select(x.mul(2 ** 24), x);
  return split(scaled, subnormal.select(i32(24), 0));
}

/** log(1 + f) - f, which is small beside f. */
function tail(f: Expr): Expr {
  const square = f.mul(f);
  return square.fma(-0.5, square.mul(f.mul(horner(f, LOG))));
}

/** Puts in the values at 0 (-∞), at negative numbers (NaN), at ∞ and NaN. */
function withSpecials(x: Expr, result: Expr): Expr {
  const infinity = Number.POSITIVE_INFINITY;
  const special = x.eq(0).select(f32(-infinity), x.lt(0).select(f32(Number.NaN), x));
  return x.gt(0).and(x.lt(infinity)).select(result, special);
}

/** ln 2 in two parts; products of the first with an exponent are exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = Math.LN2 - LN2_HIGH;

function combine({ k, f }: Split, correction?: Expr): Expr {
  const small = k.fma(LN2_LOW, tail(f));
  return k.fma(LN2_HIGH, f.add(correction ? small.add(correction) : small));
}

export function log(x: Expr): Expr {
  return withSpecials(x, combine(splitAny(x)));
}

/** log2(1 + f) = f + (f (log2(e) - 1) + tail log2(e)): the largest part is exact. */
export function log2(x: Expr): Expr {
  const { k, f } = splitAny(x);
  const rest = f.fma(Math.LOG2E - 1, tail(f).mul(Math.LOG2E));
  return withSpecials(x, k.add(f.add(rest)));
}

/** The constants are split so that the leading products are exact or nearly so. */
export function log10(x: Expr): Expr {
  const { k, f } = splitAny(x);
  const high = 0.4375; // 7/16, near log10(e) = 0.4343
  const small = k.fma(LOG10_2 - 0.30078125, f.fma(LOG10_E - high, tail(f).mul(LOG10_E)));
  return withSpecials(x, k.fma(0.30078125, f.fma(high, small)));
}

/** log(1 + x) = log(u) + (x - (u - 1)) / u, where u is 1 + x rounded. */
export function log1p(x: Expr): Expr {
  const u = x.add(1);
  const result = combine(split(u), x.sub(u.sub(1)).div(u));
  const infinity = Number.POSITIVE_INFINITY;
  const special = x.eq(-1).select(f32(-infinity), x.lt(-1).select(f32(Number.NaN), x));
  const ordinary = x
    .gt(-1)
    .and(x.lt(infinity))
    .and(x.abs().ge(2 ** -25));
  return ordinary.select(result, special);
}
