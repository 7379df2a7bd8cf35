/**
 * Exponential and logarithm in float64 to about 40 bits, for float32 functions that would lose bits on the way.
 * They make no subnormal numbers and no overflow: the range of float32 is far inside that of float64.
 */
import { constant, type Expr } from "../expr.ts";
import { atLeast, atMost, f64, horner, ROUND_F64 } from "./build.ts";
import { EXP_F64, LOG_F64 } from "./coefficients.ts";

const LN2_HIGH = 0.6931471805598903; // its lower 20 bits are 0: products with exponents are exact
const LN2_LOW = 5.497923018708371e-14;

const i64 = (value: bigint): Expr => constant("i64", value);

/** e^x; beyond ±700 as at ±700. */
export function exp64(x: Expr, coefficients: readonly number[] = EXP_F64): Expr {
  const c = atLeast(atMost(x, 700), -700);
  const t = c.fma(Math.LOG2E, ROUND_F64 + 1023);
  const n = t.sub(ROUND_F64 + 1023);
  const r = n.fma(-LN2_LOW, n.fma(-LN2_HIGH, c));
  const scale = t.bitcast("i64").shl(i64(52n)).bitcast("f64");
  return horner(r, coefficients).mul(scale);
}

const SQRT_HALF_BITS = 0x3fe6a09e667f3bcdn;

/** log(x) for a positive finite x. Exponents turn into floats by way of the bits of 2^52 + k, which SIMD can do. */
export function log64(x: Expr, coefficients: readonly number[] = LOG_F64): Expr {
  const bits = x.bitcast("i64").sub(i64(SQRT_HALF_BITS));
  const mantissa = bits.and(i64(0xfffffffffffffn)).add(i64(SQRT_HALF_BITS)).bitcast("f64");
  const bias = 2048;
  const k = bits
    .shru(i64(52n))
    .add(i64(BigInt(bias)))
    .and(i64(4095n)) // the sum modulo 2^12, k + 2048
    .or(i64(0x4330000000000000n))
    .bitcast("f64")
    .sub(2 ** 52 + bias);
  // log(m) = 2 atanh(s) with s = (m - 1) / (m + 1).
  const s = mantissa.sub(1).div(mantissa.add(1));
  const y = s.mul(s);
  const atanh = s.fma(y.mul(horner(y, coefficients)), s);
  return k.fma(LN2_HIGH, k.fma(LN2_LOW, atanh.mul(2)));
}

/** `result` where x is an ordinary positive number; `atZero` at 0, x itself at ∞ and NaN. */
export function logSpecials(x: Expr, result: Expr, atZero: number): Expr {
  return x.eq(0).select(f64(atZero), x.lt(Number.POSITIVE_INFINITY).select(result, x));
}
