/** log(1 + exp(-|x|)), the part of softplus and log-sigmoid that is not linear. */
import type { Expr } from "../../ir/expr.ts";
import { horner } from "../../ir/math/build.ts";

/** Taylor's coefficients of (atanh(s) / s - 1) / s² in s². For s² ≤ 1/9 what is left out is below 2^-27. */
const ATANH = [1 / 3, 1 / 5, 1 / 7, 1 / 9, 1 / 11, 1 / 13, 1 / 15];

/**
 * With z = exp(-|x|), which is at most 1, and s = z / (z + 2): log(1 + z) = 2 atanh(s). In float32 that is half the work of
 * a logarithm that must take any number.
 */
export function softplusTail(x: Expr): Expr {
  const z = x.abs().neg().exp();
  if (x.type !== "f32") return z.fn("log1p");
  const share = z.div(z.add(2));
  const square = share.mul(share);
  // 2s = z - z s: what is added to z is a third of it at most, and so are its rounding errors.
  const curved = share.mul(2).mul(square.mul(horner(square, ATANH)));
  return z.add(curved.sub(z.mul(share)));
}
