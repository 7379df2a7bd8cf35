/** Sums, products, quotients, remainders and powers of two operands. */
import * as dt from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import type { Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor.ts";
import { zerosLike } from "./copy.ts";
import { type Binary, type BinaryFunction, binary } from "./define/binary.ts";
import { type PointwiseAttrs, PointwiseOp } from "./define/pointwise.ts";
import type { Operand } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import { type OutOption, withoutInplace } from "./define/unary.ts";
import { floorDivide, modulus, truncatedQuotient } from "./kernels/division.ts";
import { notBool, refuseZeroDivisor } from "./kernels/guards.ts";

/** Options of `add` and `sub`. */
export interface AlphaOption extends OutOption {
  /** A factor of `other`; 1 by default. */
  readonly alpha?: number | bigint;
}

function guardAlpha(_: readonly Tensor[], { scalars }: PointwiseAttrs, common: dt.DType): void {
  const { alpha } = scalars;
  if (typeof alpha === "number" && !Number.isInteger(alpha) && !common.is_floating_point) {
    throw new RuntimeError("For integral input tensors, argument alpha must not be a floating point number.");
  }
}

/** Sum: `self + alpha * other`. */
export const add: Binary<AlphaOption> = binary<AlphaOption>("add", {
  scalars: { alpha: 1 },
  guard: guardAlpha,
  kernel: (a, b, { alpha }, { type }) => (type === "bool" ? a.or(b.and(alpha)) : a.add(times(b, alpha))),
  gradients: [(g) => g, (g, c) => scaled(g, c.scalars.alpha)],
});

function guardSub(inputs: readonly Tensor[], attrs: PointwiseAttrs, common: dt.DType): void {
  let bools = 0;
  for (const x of inputs) if (x.dtype === dt.bool) bools++;
  for (const n of attrs.numbers) if (typeof n === "boolean") bools++;
  if (bools === 2) {
    throw new NotImplementedError(
      "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.",
    );
  }
  if (bools === 1) {
    throw new NotImplementedError(
      "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
    );
  }
  guardAlpha(inputs, attrs, common);
}

/** Difference: `self - alpha * other`. */
export const sub: Binary<AlphaOption> = binary<AlphaOption>("sub", {
  scalars: { alpha: 1 },
  guard: guardSub,
  kernel: (a, b, { alpha }) => a.sub(times(b, alpha)),
  gradients: [(g) => g, (g, c) => scaled(g, c.scalars.alpha).neg()],
});

/** The reverse difference: `other - alpha * self`. */
export const rsub: BinaryFunction<AlphaOption> = withoutInplace(
  binary<AlphaOption>("rsub", {
    overload: ([, number]) => (number ? 1 : 0),
    tensorFirst: true,
    scalars: { alpha: 1 },
    guard: guardSub,
    kernel: (a, b, { alpha }) => b.sub(times(a, alpha)),
    gradients: [(g, c) => scaled(g, c.scalars.alpha).neg(), (g) => g],
  }),
);

function times(x: Expr, alpha: Expr): Expr {
  return alpha.is(1) ? x : x.mul(alpha);
}

function scaled(g: Tensor, alpha: number | bigint): Tensor {
  return Number(alpha) === 1 ? g : g.mul(alpha);
}

/** Product. */
export const mul: Binary = binary("mul", {
  kernel: (a, b, _, { type }) => (type === "bool" ? a.and(b) : a.mul(b)),
  gradients: [(g, c) => g.mul(c.operand(1)), (g, c) => g.mul(c.operand(0))],
  saves: [[1], [0]],
  keepsNumbers: true,
});

export const subtract: Binary<AlphaOption> = sub;
/** The other name of `mul`. */
export const multiply: Binary = mul;

const trueDivide = binary("div", {
  promote: "int_to_float",
  kernel: (a, b) => a.div(b),
  gradients: [
    (g, c) => g.div(c.operand(1)),
    (g, c) => g.neg().mul(divide(divide(c.operand(0), c.operand(1)), c.operand(1))),
  ],
  saves: [[1], [0, 1]],
  keepsNumbers: true,
});

/** A quotient rounded to a whole number, in the common type of the operands. Its gradient is 0. */
const roundedDivide = new PointwiseOp({
  name: "div",
  nodeName: "DivBackward2",
  operands: 2,
  kernel: ([a, b], _, { variant }) => (variant === "floor" ? floorDivide(a, b) : truncatedQuotient(a, b)),
  gradients: [(g) => zerosLike(g), (g) => zerosLike(g)],
  check: notBool("div_floor_cpu"),
  guard: refuseZeroDivisor,
});

/** Options of `div`. */
export interface DivOptions extends OutOption {
  /** null: the true quotient. "trunc": rounded towards zero. "floor": rounded down, as Python's `//`. */
  readonly rounding_mode?: "trunc" | "floor" | null;
}

interface Div {
  (self: Operand, other: Operand, options?: DivOptions): Tensor;
  readonly inplace: (self: Tensor, other: Operand, options?: Omit<DivOptions, "out">) => Tensor;
}

function checkRounding(mode: string): void {
  if (mode !== "trunc" && mode !== "floor") {
    throw new RuntimeError(`div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '${mode}'`);
  }
}

function divCall(self: Operand, other: Operand, options?: DivOptions): Tensor {
  if (options === undefined) return trueDivide(self, other);
  const [a, b, mode, out] = bind("div(Operand input, Operand other, *, str? rounding_mode=None, Tensor? out=None)", [
    self,
    other,
    options,
  ]) as [Operand, Operand, string | null, Tensor | null];
  if (mode === null) return out === null ? trueDivide(a, b) : trueDivide(a, b, { out });
  checkRounding(mode);
  return roundedDivide.call([a, b], { variant: mode, out });
}

function divInplace(self: Tensor, other: Operand, options?: Omit<DivOptions, "out">): Tensor {
  if (options === undefined) return trueDivide.inplace(self, other);
  const [a, b, mode] = bind("div_(Tensor self, Operand other, *, str? rounding_mode=None)", [self, other, options]) as [
    Tensor,
    Operand,
    string | null,
  ];
  if (mode === null) return trueDivide.inplace(a, b);
  checkRounding(mode);
  return roundedDivide.callInplace([a, b], { variant: mode });
}

/** Quotient. Integers give floats unless `rounding_mode` is "trunc" or "floor". */
export const div: Div = Object.assign(divCall, { inplace: divInplace });
export const divide: Div = div;
/** The quotient as a float. */
export const true_divide: Binary = trueDivide;

/** Quotient rounded down, as Python's `//`. */
export const floor_divide: Binary = binary("floor_divide", {
  kernel: (a, b) => floorDivide(a, b),
  check: notBool("div_floor_cpu"),
  guard: refuseZeroDivisor,
});

/** Remainder with the sign of the divisor, as Python's `%`. */
export const remainder: Binary = binary("remainder", {
  overload: ([, number]) => (number ? 0 : 1),
  kernel: (a, b) => modulus(a, b),
  gradients: [(g) => g, (g, c) => g.neg().mul(divide(c.operand(0), c.operand(1), { rounding_mode: "floor" }))],
  saves: [[], [0, 1]],
  check: notBool("remainder_cpu"),
  guard: refuseZeroDivisor,
});

/** Remainder with the sign of the dividend, as C's `fmod`. */
export const fmod: Binary = binary("fmod", {
  overload: ([, number]) => (number ? 0 : 1),
  kernel: (a, b) => a.rem(b),
  gradients: [(g) => g, (g, c) => g.neg().mul(divide(c.operand(0), c.operand(1), { rounding_mode: "trunc" }))],
  saves: [[], [0, 1]],
  check: notBool("fmod_cpu"),
  tensorFirst: true,
  guard: refuseZeroDivisor,
});
