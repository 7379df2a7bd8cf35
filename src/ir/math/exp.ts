/**
 * Exponentials in float32. e^x = s · s · e^r with s = 2^m, m = round(x / (2 ln 2)): the even power lets one shift make
 * the scale, which never leaves the normal range, while results reach from the subnormal numbers to overflow.
 */
import type { Expr } from "../expr.ts";
import { atLeast, atMost, f32, horner, i32, odd, ROUND_F32 } from "./build.ts";
import { EXP, EXP_HALF, EXP2, EXPM1, TANH } from "./coefficients.ts";

/** 2 ln 2 in two parts; the first has so few bits that its products with |m| < 2^8 are exact. */
const TWO_LN2_HIGH = 1.38623046875;
const TWO_LN2_LOW = 2 * Math.LN2 - TWO_LN2_HIGH;

interface Reduced {
  /** x - 2m ln 2, at most ln 2 in magnitude. */
  readonly r: Expr;
  /** 2^m */
  readonly scale: Expr;
}

function reduce(x: Expr): Reduced {
  // The exponent's bias rides on the rounding constant, so that the low bits of `t` are the biased exponent.
  const t = x.fma(0.5 / Math.LN2, ROUND_F32 + 127);
  const m = t.sub(ROUND_F32 + 127);
  const r = m.fma(-TWO_LN2_LOW, m.fma(-TWO_LN2_HIGH, x));
  return { r, scale: t.bitcast("i32").shl(23).bitcast("f32") };
}

/** e^r for the reduced argument. */
function expReduced(r: Expr): Expr {
  return horner(r, [1, 1, ...EXP]);
}

/** The x beyond which e^x is infinite or rounds to 0. */
const EXP_MAX = 89;
const EXP_MIN = -104;

export function exp(x: Expr): Expr {
  const { r, scale } = reduce(atLeast(atMost(x, EXP_MAX), EXP_MIN));
  return expReduced(r).mul(scale).mul(scale);
}

/** 2^x, exact for whole x. */
export function exp2(x: Expr): Expr {
  const clamped = atLeast(atMost(x, 129), -151);
  const t = clamped.add(ROUND_F32);
  const r = clamped.sub(t.sub(ROUND_F32));
  const n = t.bitcast("i32").sub(f32(ROUND_F32).bitcast("i32"));
  const half = n.shr(1);
  return horner(r, [1, ...EXP2])
    .mul(powerOfTwo(half))
    .mul(powerOfTwo(n.sub(half)));
}

/** 2^n for an i32 n in [-126, 127]. */
export function powerOfTwo(n: Expr): Expr {
  return n.add(127).shl(23).bitcast("f32");
}

export function expm1(x: Expr): Expr {
  const { r, scale } = reduce(atLeast(atMost(x, EXP_MAX), -20));
  const em1 = r.fma(r.mul(horner(r, EXPM1)), r);
  // e^x - 1 = s (s (e^r - 1) + (s - 1/s)): s² alone could overflow.
  const inverse = i32(254 << 23)
    .sub(scale.bitcast("i32"))
    .bitcast("f32");
  const result = scale.mul(scale.fma(em1, scale.sub(inverse)));
  // Keeps -0, and the smallest numbers from rounding twice.
  return x
    .abs()
    .lt(2 ** -25)
    .select(x, result);
}

/** ln 2 in two parts, as above. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = Math.LN2 - LN2_HIGH;

/** The same with the nearest power of two, |r| ≤ ln 2 / 2: more accurate, for results in the normal range only. */
function reduceNearest(x: Expr, exponentOffset = 0): Reduced {
  const bias = ROUND_F32 + 127;
  const t = x.fma(1 / Math.LN2, bias);
  const n = t.sub(bias);
  const r = n.fma(-LN2_LOW, n.fma(-LN2_HIGH, x));
  const bits = t.bitcast("i32").add(exponentOffset).shl(23);
  return { r, scale: bits.bitcast("f32") };
}

/** e^r for |r| ≤ ln 2 / 2. */
function expNearest(r: Expr): Expr {
  return r.mul(r).fma(horner(r, EXP_HALF), r).add(1);
}

/** 1 / (1 + e^-x), by way of e = e^-|x| ≤ 1: no overflow, and the small side e - e · e / (1 + e) stays accurate. */
export function sigmoid(x: Expr): Expr {
  const { r, scale } = reduceNearest(atLeast(x.abs().neg(), EXP_MIN), 64);
  const e = expNearest(r)
    .mul(scale)
    .mul(2 ** -64);
  const q = e.div(e.add(1));
  return x.lt(0).select(e.neg().fma(q, e), f32(1).sub(q));
}

/** Near 0 a polynomial, farther 1 - 2 / (e^2|x| + 1), where the error of the fraction counts less and less. */
export function tanh(x: Expr): Expr {
  return odd(x, (a) => {
    const y = a.mul(a);
    const near = a.fma(y.mul(horner(y, TANH)), a);
    const { r, scale } = reduceNearest(atMost(a, 9.02).mul(2)); // from 9.01 on, tanh rounds to 1
    const far = f32(1).sub(f32(2).div(expNearest(r).fma(scale, 1)));
    return a.lt(0.625).select(near, far);
  });
}
