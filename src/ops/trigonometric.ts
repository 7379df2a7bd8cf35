/** Trigonometric and hyperbolic functions of each element, in radians. */
import { constant } from "../ir/expr.ts";
import type { Tensor } from "../tensor.ts";
import { tanhBackward } from "./activation-gradients.ts";
import { type Binary, binary } from "./define/binary.ts";
import { type Unary, type UnaryFunction, unary, withoutInplace } from "./define/unary.ts";
import { onlyFloat } from "./kernels/guards.ts";

const promote = "int_to_float";

export const sin: Unary = unary("sin", { kernel: (x) => x.fn("sin"), grad: (g, x) => g.mul(x.cos()), promote });
export const cos: Unary = unary("cos", { kernel: (x) => x.fn("cos"), grad: (g, x) => g.mul(x.sin().neg()), promote });
export const tan: Unary = unary("tan", {
  kernel: (x) => x.fn("tan"),
  gradFromResult: (g, y) => g.mul(y.mul(y).add(1)),
  promote,
});
/** Inverse sine; NaN outside of [-1, 1]. */
export const asin: Unary = unary("asin", {
  kernel: (x) => x.fn("asin"),
  grad: (g, x) => g.mul(x.mul(x).neg().add(1).rsqrt()),
  promote,
});
/** Inverse cosine; NaN outside of [-1, 1]. */
export const acos: Unary = unary("acos", {
  kernel: (x) => x.fn("acos"),
  grad: (g, x) => g.mul(x.mul(x).neg().add(1).rsqrt().neg()),
  promote,
});
/** Inverse tangent. */
export const atan: Unary = unary("atan", {
  kernel: (x) => x.fn("atan"),
  grad: (g, x) => g.div(x.mul(x).add(1)),
  promote,
});
export const sinh: Unary = unary("sinh", { kernel: (x) => x.fn("sinh"), grad: (g, x) => g.mul(x.cosh()), promote });
export const cosh: Unary = unary("cosh", { kernel: (x) => x.fn("cosh"), grad: (g, x) => g.mul(x.sinh()), promote });
export const tanh: Unary = unary("tanh", { kernel: (x) => x.tanh(), gradFromResult: tanhBackward, promote });
export const asinh: Unary = unary("asinh", {
  kernel: (x) => x.fn("asinh"),
  grad: (g, x) => g.mul(x.mul(x).add(1).rsqrt()),
  promote,
});
/** NaN below 1. */
export const acosh: Unary = unary("acosh", {
  kernel: (x) => x.fn("acosh"),
  grad: (g, x) => g.mul(x.mul(x).sub(1).rsqrt()),
  promote,
});
/** NaN outside of [-1, 1]. */
export const atanh: Unary = unary("atanh", {
  kernel: (x) => x.fn("atanh"),
  grad: (g, x) => g.div(x.mul(x).neg().add(1)),
  promote,
});
export const arcsin: Unary = asin;
export const arccos: Unary = acos;
export const arctan: Unary = atan;
export const arcsinh: Unary = asinh;
export const arccosh: Unary = acosh;
export const arctanh: Unary = atanh;

/** `sin(πx) / (πx)`, and 1 at 0. */
export const sinc: Unary = unary("sinc", {
  kernel: (x) => {
    const t = x.mul(Math.PI);
    return x.eq(0).select(constant(x.type, 1), t.fn("sin").div(t));
  },
  grad: (g, x) => {
    const t = x.mul(Math.PI);
    const slope = t.mul(t.cos()).sub(t.sin()).div(t).div(x);
    return g.mul(slope).masked_fill(x.eq(0), 0);
  },
  promote,
});

/** 1 over the squared length of (x, y), and 0 at the origin. */
function inverseSquare(x: Tensor, y: Tensor): Tensor {
  const squared = x.pow(2).add(y.pow(2));
  return squared.reciprocal().masked_fill(squared.eq(0), 0);
}

/** The angle of the point (other, self) in (-π, π]. */
export const atan2: Binary = binary("atan2", {
  kernel: (a, b) => a.fn("atan2", b),
  gradients: [
    (g, c) => g.mul(c.tensor(1).mul(inverseSquare(c.tensor(0), c.tensor(1)))),
    (g, c) =>
      g.mul(
        c
          .tensor(0)
          .neg()
          .mul(inverseSquare(c.tensor(0), c.tensor(1))),
      ),
  ],
  saves: [
    [0, 1],
    [0, 1],
  ],
  promote,
  tensorsOnly: true,
});
export const arctan2: Binary = atan2;

/** Length of the hypotenuse, without overflow. */
export const hypot: Binary = binary("hypot", {
  kernel: (a, b) => a.fn("hypot", b),
  gradients: [(g, c) => g.mul(c.tensor(0).div(c.result)), (g, c) => g.mul(c.tensor(1).div(c.result))],
  saves: [
    [0, "result"],
    [1, "result"],
  ],
  check: onlyFloat("hypot_cpu"),
  tensorsOnly: true,
});

/** The angle of each element in the complex plane: π for negative numbers, else 0. */
export const angle: UnaryFunction = withoutInplace(
  unary("angle", {
    kernel: (x) => x.isnan().select(x, x.lt(0).select(constant(x.type, Math.PI), 0)),
    grad: (g) => g.new_zeros(g.shape),
    promote: "int_to_float",
  }),
);
