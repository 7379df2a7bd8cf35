/**
 * Sine, cosine and tangent in float32. The argument is reduced by the nearest multiple of π (sine, cosine) or π/2
 * (tangent). Up to 10^5 the multiple is subtracted in pieces with so few bits that all large products are exact,
 * fused or not; beyond, the reduction runs in float64 with 1/π to 196 bits, which is correct for every float32.
 */
import type { Expr } from "../expr.ts";
import { f32, f64, flipSign, horner, ROUND_F32, signBit } from "./build.ts";
import { SIN, TAN } from "./coefficients.ts";

/** π in pieces of at most 8 bits (Cody and Waite), and what is left. */
const PI_PIECES = [201 / 2 ** 6, 2 ** -10, -37 / 2 ** 22, -94 / 2 ** 30, 33 / 2 ** 38] as const;
const PI_REST = 1.4887094960973246e-12;

/** 1/π = Σ digit[i] · 2^(-28 (i + 1)). A digit's product with a float32 is exact in float64. */
const INVERSE_PI_DIGITS = [85445659, 120005130, 156229946, 199817882, 116262619, 21679262, 35422735];

/** From this digit on, products with any float32 are below 2^-10 periods. */
const FIRST_SMALL_DIGIT = 5;

/** Up to here the multiples have at most 16 bits, so that their products with the pieces are exact. */
const FAST_LIMIT = 1e5;

interface Reduced {
  /** What remains, in radians, at most half a period in magnitude (or a little more). */
  readonly r: Expr;
  /** What the rounding of r lost. */
  readonly lost: Expr;
  /** In its lowest bit: whether an odd number of periods was subtracted. i32. */
  readonly parity: Expr;
}

/** |x| modulo `period`, which is π or π/2. With `shift` the multiples are the half-integer ones: cosine's zeros. */
function reduce(x: Expr, period: 1 | 0.5, shift: 0 | 0.5): Reduced {
  const fast = reducePieces(x, period, shift);
  const slow = reduceDigits(x.cast("f64"), period, shift);
  const large = x.gt(FAST_LIMIT);
  return {
    r: large.select(slow.r, fast.r),
    lost: large.select(slow.lost, fast.lost),
    parity: large.select(slow.parity, fast.parity),
  };
}

function reducePieces(x: Expr, period: number, shift: number): Reduced {
  const turns = x.mul(1 / (Math.PI * period));
  const t = (shift ? turns.add(shift) : turns).add(ROUND_F32);
  const whole = t.sub(ROUND_F32);
  const m = shift ? whole.sub(shift) : whole;
  const less = (from: Expr, piece: number): Expr => m.fma(-piece * period, from);
  const c = less(less(less(x, PI_PIECES[0]), PI_PIECES[1]), PI_PIECES[2]); // exact
  // The next two differences may round; what they lose is found as in Dekker's Fast2Sum.
  const d = less(c, PI_PIECES[3]);
  const lostByD = less(c.sub(d), PI_PIECES[3]);
  const e = less(d, PI_PIECES[4]);
  const lostByE = less(d.sub(e), PI_PIECES[4]);
  const rest = less(lostByD.add(lostByE), PI_REST);
  const r = e.add(rest);
  return { r, lost: e.sub(r).add(rest), parity: t.bitcast("i32") };
}

/**
 * Payne and Hanek's reduction, with floats for digits: of each product only what is left modulo 2 periods counts, and
 * that is exact. Sums are exact too whenever they cancel, since the digits come largest first.
 */
function reduceDigits(x: Expr, period: number, shift: number): Reduced {
  let s = f64(shift);
  let periods = f64(0);
  INVERSE_PI_DIGITS.forEach((digit, i) => {
    const weight = (digit * 2 ** (-28 * (i + 1))) / period;
    if (i >= FIRST_SMALL_DIGIT) {
      s = s.add(x.mul(weight));
      return;
    }
    const pairs = x.mul(weight / 2);
    s = pairs.sub(pairs.nearest()).mul(2).add(s);
    const whole = s.nearest();
    s = s.sub(whole);
    periods = periods.add(whole);
  });
  const radians = s.mul(Math.PI * period);
  const r = radians.cast("f32");
  return { r, lost: radians.sub(r.cast("f64")).cast("f32"), parity: periods.cast("i32") };
}

/** sin(r) for |r| ≤ π/2. */
function sinPolynomial(r: Expr): Expr {
  const y = r.mul(r);
  return r.fma(y.mul(horner(y, SIN)), r);
}

export function sin(x: Expr): Expr {
  const { r, parity } = reduce(x.abs(), 1, 0);
  return flipSign(sinPolynomial(r), parity.shl(31).xor(signBit(x)));
}

/** cos(x) = sin(x + π/2). */
export function cos(x: Expr): Expr {
  const { r, parity } = reduce(x.abs(), 1, 0.5);
  return flipSign(sinPolynomial(r), parity.shl(31));
}

/** tan(r), or -1 / tan(r) where an odd number of quarter turns was subtracted. */
export function tan(x: Expr): Expr {
  const { r, lost, parity } = reduce(x.abs(), 0.5, 0);
  const y = r.mul(r);
  // tan' = 1 + tan², for which 1 + r² is near enough.
  const excess = r.mul(y).fma(horner(y, TAN), lost.fma(y, lost));
  const t = r.add(excess);
  return flipSign(parity.and(1).ne(0).select(f32(-1).div(t), t), signBit(x));
}
