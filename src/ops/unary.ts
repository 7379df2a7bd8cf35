/** Functions of one element. */

import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { type Unary, unary } from "./define/unary.ts";

/** Negative of each element. */
export const neg: Unary = unary("neg", {
  kernel: (x) => x.neg(),
  grad: (g) => g.neg(),
  check: (dtype) => {
    if (dtype === dt.bool) {
      throw new RuntimeError(
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
      );
    }
  },
});

/** e to the power of each element. */
export const exp: Unary = unary("exp", {
  kernel: (x) => x.exp(),
  gradFromResult: (g, y) => g.mul(y),
  promote: "int_to_float",
});

/** Inverse tangent of each element, in radians. */
export const atan: Unary = unary("atan", {
  kernel: (x) => x.fn("atan"),
  grad: (g, x) => g.mul(x.mul(x).add(1)),
  promote: "int_to_float",
});
