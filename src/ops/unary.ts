/** Signs, magnitudes, rounding, and roots of each element. */
import * as dt from "../dtype.ts";
import { NotImplementedError } from "../errors.ts";
import { constant, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor.ts";
import { zerosLike } from "./copy.ts";
import { PointwiseOp } from "./define/pointwise.ts";
import { bind } from "./define/schema.ts";
import { type OutOption, type Unary, type UnaryFunction, unary, withoutInplace } from "./define/unary.ts";
import { signBit } from "./kernels/bits.ts";
import { notBool, onlyFloat } from "./kernels/guards.ts";

/** Negative of each element. */
export const neg: Unary = unary("neg", {
  kernel: (x) => x.neg(),
  grad: (g) => g.neg(),
  check: (dtype) => {
    if (dtype === dt.bool) {
      throw new NotImplementedError(
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
      );
    }
  },
});
export const negative: Unary = neg;

/** This tensor. */
export function positive(self: Tensor): Tensor {
  const [x] = bind("positive(Tensor input)", [self]) as [Tensor];
  if (x.dtype === dt.bool) throw new NotImplementedError("The `+` operator, on a bool tensor is not supported.");
  return x;
}

/** Magnitude of each element. */
export const abs: Unary = unary("abs", {
  kernel: (x) => x.abs(),
  grad: (g, x) => g.mul(x.sgn()),
  check: notBool("abs_cpu"),
});
export const absolute: Unary = abs;

function signOf(x: Expr): Expr {
  if (x.type === "bool") return x;
  const one = constant(x.type, 1);
  return x.gt(0).select(one, x.lt(0).select(one.neg(), 0));
}

/** -1, 0 or 1. */
export const sign: Unary = unary("sign", { kernel: signOf, grad: (g) => zerosLike(g) });
/** The same as `sign` for real numbers. */
export const sgn: Unary = unary("sgn", { kernel: signOf, grad: (g) => zerosLike(g) });

/** Whether the sign bit is set, which negative zero has too. */
export const signbit: UnaryFunction = withoutInplace(
  unary("signbit", {
    kernel: (x) => (x.type === "bool" ? constant("bool", 0) : signBit(x)),
    promote: "bool",
  }),
);

/** The greatest whole number that is not greater. */
export const floor: Unary = unary("floor", {
  kernel: (x) => x.floor(),
  grad: (g) => zerosLike(g),
  check: notBool("floor_vml_cpu"),
});
/** The smallest whole number that is not smaller. */
export const ceil: Unary = unary("ceil", {
  kernel: (x) => x.ceil(),
  grad: (g) => zerosLike(g),
  check: notBool("ceil_vml_cpu"),
});
/** The whole part: rounds towards zero. */
export const trunc: Unary = unary("trunc", {
  kernel: (x) => x.trunc(),
  grad: (g) => zerosLike(g),
  check: notBool("trunc_vml_cpu"),
});
export const fix: Unary = trunc;
/** What `trunc` cuts off. */
export const frac: Unary = unary("frac", {
  kernel: (x) => x.sub(x.trunc()),
  grad: (g) => g,
  check: onlyFloat("frac_cpu"),
});

const roundOp = unary("round", {
  kernel: (x) => x.nearest(),
  grad: (g) => zerosLike(g),
  check: notBool("round_vml_cpu"),
});

const roundDecimals = new PointwiseOp({
  name: "round",
  operands: 1,
  scalars: { scale: 1 },
  // The scale is a power of ten: multiplied by for decimals, divided by for tens, hundreds, …
  kernel: ([x], { scale }, { variant }) =>
    variant === "decimals" ? x.mul(scale).nearest().div(scale) : x.div(scale).nearest().mul(scale),
  gradients: [(g) => zerosLike(g)],
  check: onlyFloat("round_cpu"),
});

/** Options of `round`. */
export interface RoundOptions extends OutOption {
  /** How many decimal places; a negative number rounds to tens, hundreds and so on. Default 0. */
  readonly decimals?: number;
}

function decimalCall(decimals: number) {
  return { scalars: { scale: 10 ** Math.abs(decimals) }, variant: decimals > 0 ? "decimals" : "tens" };
}

interface Round {
  (self: Tensor, options?: RoundOptions): Tensor;
  readonly inplace: (self: Tensor, options?: Omit<RoundOptions, "out">) => Tensor;
}

/** Rounds to the nearest whole number, ties to the even one. */
export const round: Round = Object.assign(
  (self: Tensor, options?: RoundOptions): Tensor => {
    if (options === undefined) return roundOp(self);
    const [x, decimals, out] = bind("round(Tensor input, *, int decimals=0, Tensor? out=None)", [self, options]) as [
      Tensor,
      number,
      Tensor | null,
    ];
    if (decimals === 0) return out === null ? roundOp(x) : roundOp(x, { out });
    return roundDecimals.call([x], { ...decimalCall(decimals), out });
  },
  {
    inplace: (self: Tensor, options?: Omit<RoundOptions, "out">): Tensor => {
      const [x, decimals] = bind("round_(Tensor self, *, int decimals=0)", [self, options]) as [Tensor, number];
      return decimals === 0 ? roundOp.inplace(x) : roundDecimals.callInplace([x], decimalCall(decimals));
    },
  },
);

/** Square root. */
export const sqrt: Unary = unary("sqrt", {
  kernel: (x) => x.sqrt(),
  gradFromResult: (g, y) => g.div(y.mul(2)),
  promote: "int_to_float",
});
/** One over the square root. */
export const rsqrt: Unary = unary("rsqrt", {
  kernel: (x) => constant(x.type, 1).div(x.sqrt()),
  gradFromResult: (g, y) => g.mul(y.pow(3)).mul(-0.5),
  promote: "int_to_float",
});
/** One over each element. */
export const reciprocal: Unary = unary("reciprocal", {
  kernel: (x) => constant(x.type, 1).div(x),
  gradFromResult: (g, y) => g.neg().mul(y.mul(y)),
  promote: "int_to_float",
});

const degree = Math.PI / 180;
/** Degrees to radians. */
export const deg2rad: Unary = unary("deg2rad", {
  kernel: (x) => x.mul(degree),
  grad: (g) => g.mul(degree),
  promote: "int_to_float",
});
/** Radians to degrees. */
export const rad2deg: Unary = unary("rad2deg", {
  kernel: (x) => x.mul(180 / Math.PI),
  grad: (g) => g.mul(180 / Math.PI),
  promote: "int_to_float",
});
