/** Inverse trigonometric functions in float32. */
import type { Expr } from "../expr.ts";
import { f32, flipSign, horner, odd, signBit } from "./build.ts";
import { ASIN, ATAN } from "./coefficients.ts";

/** π/2 = HALF_PI + HALF_PI_LOW, the first part a float32. */
const HALF_PI = Math.fround(Math.PI / 2);
const HALF_PI_LOW = Math.PI / 2 - HALF_PI;

/** atan(x) for 0 ≤ x ≤ 1. */
function atanPolynomial(x: Expr): Expr {
  const y = x.mul(x);
  return x.fma(y.mul(horner(y, ATAN)), x);
}

/** π/2 - angle */
function complement(angle: Expr): Expr {
  return f32(HALF_PI).sub(angle.sub(HALF_PI_LOW));
}

export function atan(x: Expr): Expr {
  return odd(x, (a) => {
    const steep = a.gt(1);
    const angle = atanPolynomial(steep.select(f32(1).div(a), a));
    return steep.select(complement(angle), angle);
  });
}

/** The angle of the point (x, y), for `atan2(y, x)`; zeros and infinities as in C. */
export function atan2(y: Expr, x: Expr): Expr {
  const ax = x.abs();
  const ay = y.abs();
  const steep = ay.gt(ax);
  const small = steep.select(ax, ay);
  const large = steep.select(ay, ax);
  // Equal operands, 0/0 and ∞/∞ among them: the diagonal, except at the origin. A NaN is equal to nothing.
  const ratio = ax.eq(ay).select(ax.eq(0).select(f32(0), 1), small.div(large));
  // In the left half-plane the angle is π less, and near the negative axis π itself: keep both parts of π.
  const angle = atanPolynomial(ratio);
  const first = steep.select(complement(angle), angle);
  const left = x.bitcast("i32").lt(0);
  const second = steep.select(
    f32(HALF_PI).add(angle.add(HALF_PI_LOW)),
    f32(2 * HALF_PI).sub(angle.sub(2 * HALF_PI_LOW)),
  );
  const result = left.select(second, first);
  // A NaN operand may have lost the comparisons above.
  return flipSign(ax.add(ay).isnan().select(f32(Number.NaN), result), signBit(y));
}

/** asin(x) - x, over x, for |x| ≤ 1/2, given y = x². */
function asinExcess(y: Expr): Expr {
  return y.mul(horner(y, ASIN));
}

/** Beyond 1/2: asin(x) = π/2 - 2 asin(√((1 - x) / 2)). Outside [-1, 1] the root is NaN. */
export function asin(x: Expr): Expr {
  return odd(x, (a) => {
    const far = a.gt(0.5);
    const z = f32(0.5).sub(a.mul(0.5)); // exact where it is used
    const s = far.select(z.sqrt(), a);
    const angle = s.fma(asinExcess(far.select(z, a.mul(a))), s);
    return far.select(complement(angle.mul(2)), angle);
  });
}

export function acos(x: Expr): Expr {
  const a = x.abs();
  const far = a.gt(0.5);
  const z = f32(0.5).sub(a.mul(0.5));
  const s = far.select(z.sqrt(), x);
  const angle = s.fma(asinExcess(far.select(z, a.mul(a))), s);
  const twice = angle.mul(2);
  const left = f32(2 * HALF_PI).sub(twice.sub(2 * HALF_PI_LOW));
  return far.select(x.lt(0).select(left, twice), complement(angle));
}
