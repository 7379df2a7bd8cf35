/** Functions that are computed in float64 lanes: where float32 loses digits, and speed matters less. */
import { constant, type Expr } from "../expr.ts";
import { f32, f64, flipSign, odd, signBit } from "./build.ts";
import { EXP_POW, LOG_POW } from "./coefficients.ts";
import { exp64, log64, logSpecials } from "./float64.ts";

const INFINITY = Number.POSITIVE_INFINITY;
const NAN = Number.NaN;

/** C's pow: e^(y log |x|), with the sign of odd powers and the special cases of C99 F.9.4.4. */
export function pow(x: Expr, y: Expr): Expr {
  const base = x.abs().cast("f64");
  const exponent = y.cast("f64");
  const log = logSpecials(base, log64(base, LOG_POW), -INFINITY);
  const magnitude = exp64(exponent.mul(log), EXP_POW).cast("f32");
  const whole = y.floor().eq(y);
  const half = y.mul(0.5);
  const oddPower = whole.and(half.floor().ne(half)); // not at ∞, which is equal to its floor
  const signed = flipSign(magnitude, oddPower.select(signBit(x), 0));
  // A negative finite base has only whole powers; -∞ has all.
  const real = x.ge(0).or(whole).or(x.eq(-INFINITY)).or(x.isnan());
  const one = x
    .eq(1)
    .or(y.eq(0))
    .or(x.eq(-1).and(y.abs().eq(INFINITY)));
  return one.select(f32(1), real.select(signed, NAN));
}

/** √(x² + y²) without overflow; an infinity wins over a NaN, as in C. */
export function hypot(x: Expr, y: Expr): Expr {
  const a = x.cast("f64");
  const b = y.cast("f64");
  const length = a.mul(a).add(b.mul(b)).sqrt().cast("f32");
  const infinite = x.abs().eq(INFINITY).or(y.abs().eq(INFINITY));
  return infinite.select(f32(INFINITY), length);
}

/** (e^a - e^-a) / 2; near 0 three terms of the series. */
export function sinh(x: Expr): Expr {
  return odd(x, (magnitude) => {
    const a = magnitude.cast("f64");
    const y = a.mul(a);
    const near = a.fma(y.mul(y.fma(1 / 120, f64(1 / 6))), a);
    const e = exp64(a);
    const far = e.sub(f64(1).div(e)).mul(0.5);
    return a
      .lt(2 ** -5)
      .select(near, far)
      .cast("f32");
  });
}

export function cosh(x: Expr): Expr {
  const e = exp64(x.cast("f64"));
  return e.add(f64(1).div(e)).mul(0.5).cast("f32");
}

/** log(a + √(a² + 1)); near 0, where the sum rounds away what counts, two terms of the series. */
export function asinh(x: Expr): Expr {
  return odd(x, (magnitude) => {
    const a = magnitude.cast("f64");
    const square = a.mul(a);
    const far = log64(a.add(square.add(1).sqrt()));
    const near = a.sub(a.mul(square).mul(1 / 6));
    return a
      .lt(2 ** -12)
      .select(near, a.lt(INFINITY).select(far, a))
      .cast("f32");
  });
}

/** log(x + √(x² - 1)). Below 1 the root is NaN. */
export function acosh(x: Expr): Expr {
  const a = x.cast("f64");
  const far = log64(a.add(a.mul(a).sub(1).sqrt()));
  const valid = a.ge(1).and(a.lt(INFINITY));
  return valid.select(far, a.lt(1).select(f64(NAN), a)).cast("f32");
}

/** ½ log((1 + a) / (1 - a)); near 0 two terms of the series. */
export function atanh(x: Expr): Expr {
  return odd(x, (magnitude) => {
    const a = magnitude.cast("f64");
    const far = log64(a.add(1).div(f64(1).sub(a))).mul(0.5);
    const near = a.fma(a.mul(a).mul(1 / 3), a);
    const edge = a.eq(1).select(f64(INFINITY), a.gt(1).select(f64(NAN), a));
    return a
      .lt(2 ** -12)
      .select(near, a.lt(1).select(far, edge))
      .cast("f32");
  });
}

/** The next number after x in the direction of y. Away from zero the bit patterns grow. Works in f32 and f64. */
export function nextafter(x: Expr, y: Expr): Expr {
  const integer = x.type === "f32" ? "i32" : "i64";
  const int = (value: number | bigint): Expr => constant(integer, value);
  const bits = x.bitcast(integer);
  const outwards = x.lt(y).xor(bits.lt(0));
  const next = bits.add(outwards.select(int(1), -1)).bitcast(x.type);
  const signMask = x.type === "f32" ? int(-(2 ** 31)) : int(-(2n ** 63n));
  const smallest = y.bitcast(integer).and(signMask).or(int(1)).bitcast(x.type);
  const moved = x.eq(0).select(smallest, next);
  const same = x.eq(y).select(y, moved);
  return x.isnan().or(y.isnan()).select(constant(x.type, NAN), same);
}
