/** Powers. */

import { is_grad_enabled } from "../autograd/mode.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { constant, type Expr } from "../ir/expr.ts";
import { Tensor } from "../tensor.ts";
import { zerosLike } from "./copy.ts";
import { type PointwiseContext, PointwiseOp } from "./define/pointwise.ts";
import { isScalar, type Operand } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import type { OutOption } from "./define/unary.ts";
import { notBool } from "./kernels/guards.ts";

/** Exponents with a kernel of their own, which is also what PyTorch computes for them. */
const simpleExponents: Readonly<Record<string, (x: Expr) => Expr>> = {
  "2": (x) => x.mul(x),
  "3": (x) => x.mul(x).mul(x),
  "0.5": (x) => x.sqrt(),
  "-0.5": (x) => constant(x.type, 1).div(x.sqrt()),
  "-1": (x) => constant(x.type, 1).div(x),
  "-2": (x) => constant(x.type, 1).div(x.mul(x)),
};

/** Repeated squaring over all bits of the exponent; wraps around. A negative power of an integer is 0 unless it is ±1. */
function integerPower(base: Expr, exponent: Expr): Expr {
  const one = constant(base.type, 1);
  const bits = base.type === "i64" ? 63 : 31;
  let result = one;
  let square = base;
  for (let bit = 0; bit < bits; bit++) {
    const set = exponent.shr(bit).and(1).ne(0);
    result = set.select(bit === 0 ? square : result.mul(square), result);
    square = square.mul(square);
  }
  const odd = exponent.and(1).ne(0);
  const inverse = base.eq(1).or(base.eq(-1)).select(odd.select(base, one), 0);
  return exponent.lt(0).select(inverse, result);
}

function baseGradient(g: Tensor, c: PointwiseContext): Tensor {
  const x = c.tensor(0);
  const exponent = c.operand(1);
  if (exponent instanceof Tensor) {
    const slope = x.pow(exponent.sub(1)).mul(exponent);
    return g.mul(slope).masked_fill(exponent.eq(0), 0);
  }
  const n = Number(exponent);
  if (n === 0) return zerosLike(g);
  // What backward records is PyTorch's, so that the same derivatives have a history.
  if (is_grad_enabled()) return g.mul(x.pow(n - 1).mul(n));
  return n === 1 ? g : g.mul(n === 2 ? x.mul(2) : x.pow(n - 1).mul(n));
}

function exponentGradient(g: Tensor, c: PointwiseContext): Tensor {
  const base = c.operand(0);
  const exponent = c.tensor(1);
  if (base instanceof Tensor) {
    const zero = base.eq(0).logical_and(exponent.ge(0));
    return g.mul(c.result.mul(base.log()).masked_fill(zero, 0));
  }
  const slope = c.result.mul(Math.log(Number(base)));
  return g.mul(Number(base) === 0 ? slope.masked_fill(exponent.ge(0), 0) : slope);
}

const powOp = new PointwiseOp({
  name: "pow",
  operandNames: ["self", "exponent"],
  overload: ([base, exponent]) => (base ? 2 : exponent ? 0 : 1),
  operands: 2,
  kernel: ([x, y], _, { variant, type }) => {
    const simple = simpleExponents[variant];
    if (simple !== undefined) return simple(x);
    return type === "f32" || type === "f64" ? x.pow(y) : integerPower(x, y);
  },
  gradients: [baseGradient, exponentGradient],
  saves: [
    [0, 1],
    [0, 1, "result"],
  ],
  check: notBool("pow"),
});

/** The kernel's variant for a number as exponent. */
function exponentVariant(self: Operand, exponent: Operand): string {
  if (typeof exponent !== "number" || !(self instanceof Tensor)) return "";
  const text = String(exponent);
  if (simpleExponents[text] === undefined) return "";
  return exponent > 1 || self.dtype.is_floating_point ? text : "";
}

function checkPower(self: Operand, exponent: Operand): void {
  if (!(self instanceof Tensor) && !(exponent instanceof Tensor)) {
    throw new TypeError("pow(): at least one of the arguments must be a Tensor");
  }
  if (!isScalar(exponent) || !(self instanceof Tensor)) return;
  const negative = typeof exponent !== "boolean" && exponent < 0 && Number.isInteger(Number(exponent));
  if (negative && self.dtype.category === dt.INTEGRAL) {
    throw new RuntimeError("Integers to negative integer powers are not allowed.");
  }
}

function powCall(self: Operand, exponent: Operand, options?: OutOption): Tensor {
  const [x, y, out] = bind("pow(Operand input, Operand exponent, *, Tensor? out=None)", [self, exponent, options]) as [
    Operand,
    Operand,
    Tensor | null,
  ];
  checkPower(x, y);
  return powOp.call([x, y], { variant: exponentVariant(x, y), out });
}

function powInplace(self: Tensor, exponent: Operand): Tensor {
  const [x, y] = bind("pow_(Tensor self, Operand exponent)", [self, exponent]) as [Tensor, Operand];
  checkPower(x, y);
  return powOp.callInplace([x, y], { variant: exponentVariant(x, y) });
}

interface UnaryFunction {
  (self: Tensor, options?: OutOption): Tensor;
  readonly inplace: (self: Tensor) => Tensor;
}

interface Pow {
  (self: Operand, exponent: Operand, options?: OutOption): Tensor;
  readonly inplace: (self: Tensor, exponent: Operand) => Tensor;
}

/** Each element to the power of `exponent`; either may be a number. */
export const pow: Pow = Object.assign(powCall, { inplace: powInplace });

/** Each element times itself. */
export const square: UnaryFunction = Object.assign(
  (self: Tensor, options?: OutOption): Tensor => {
    const [x, out] = bind("square(Tensor input, *, Tensor? out=None)", [self, options]) as [Tensor, Tensor | null];
    return out === null ? powCall(x, 2) : powCall(x, 2, { out });
  },
  { inplace: (self: Tensor): Tensor => powInplace(self, 2) },
);

/** Power computed in float64. */
export const float_power: Pow = Object.assign(
  (self: Operand, exponent: Operand, options?: OutOption): Tensor => {
    const [x, y, out] = bind("float_power(Operand input, Operand exponent, *, Tensor? out=None)", [
      self,
      exponent,
      options,
    ]) as [Operand, Operand, Tensor | null];
    if (!(x instanceof Tensor) && !(y instanceof Tensor)) {
      throw new TypeError("float_power(): at least one of the arguments must be a Tensor");
    }
    if (out !== null && out.dtype !== dt.float64) {
      throw new RuntimeError(
        `the output given to float_power has dtype ${dt.scalarTypeName(out.dtype)} but the operation's result requires dtype Double`,
      );
    }
    return powOp.call([inFloat64(x), inFloat64(y)], { compute: dt.float64, variant: exponentVariant(x, y), out });
  },
  {
    inplace: (self: Tensor, exponent: Operand): Tensor => {
      const [x, y] = bind("float_power_(Tensor self, Operand exponent)", [self, exponent]) as [Tensor, Operand];
      if (x.dtype !== dt.float64) {
        throw new RuntimeError(
          `the base given to float_power_ has dtype ${dt.scalarTypeName(x.dtype)} but the operation's result requires dtype Double`,
        );
      }
      return powInplace(x, inFloat64(y));
    },
  },
);

function inFloat64(x: Operand): Operand {
  return x instanceof Tensor ? x.to(dt.float64) : x;
}

/** For whole exponents. */
const ldexpOp: PointwiseOp = new PointwiseOp({
  name: "ldexp",
  operands: 2,
  promote: "int_to_float",
  kernel: ([x, y]) => x.mul(y.fn("exp2")),
  gradients: [(g, c) => ldexpOp.call([g, c.tensor(1)]), null],
  saves: [[1], []],
});

/** The same with the power of two, of the exponent's type, as a third operand. */
const ldexpFloatOp: PointwiseOp = new PointwiseOp({
  name: "ldexp",
  operands: 3,
  promote: "int_to_float",
  kernel: ([x, , power]) => x.mul(power),
  gradients: [(g, c) => g.mul(pow(2, c.tensor(1))), (g, c) => g.mul(c.result).mul(Math.LN2), null],
  saves: [[1], ["result"], []],
});
const powerOfTwo = (y: Tensor): Tensor => pow(2, y.detach());

/** `self * 2 ** other`. */
export const ldexp: Pow = Object.assign(
  (self: Operand, other: Operand, options?: OutOption): Tensor => {
    const [x, y, out] = bind("ldexp(Tensor input, Tensor other, *, Tensor? out=None)", [self, other, options]) as [
      Tensor,
      Tensor,
      Tensor | null,
    ];
    return y.dtype.is_floating_point
      ? ldexpFloatOp.call([x, y, powerOfTwo(y)], { out })
      : ldexpOp.call([x, y], { out });
  },
  {
    inplace: (self: Tensor, other: Operand): Tensor => {
      const [x, y] = bind("ldexp_(Tensor self, Tensor other)", [self, other]) as [Tensor, Tensor];
      return y.dtype.is_floating_point ? ldexpFloatOp.callInplace([x, y, powerOfTwo(y)]) : ldexpOp.callInplace([x, y]);
    },
  },
);
