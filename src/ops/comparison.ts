/** Comparisons, and tests of each element. */
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { constant, type Expr } from "../ir/expr.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";
import { type Binary, binary } from "./define/binary.ts";
import { PointwiseOp } from "./define/pointwise.ts";
import { bind } from "./define/schema.ts";
import { type UnaryFunction, unary, withoutInplace } from "./define/unary.ts";

const tensorFirst = true;

/** Whether the elements are equal. */
export const eq: Binary = binary("eq", { promote: "bool", kernel: (a, b) => a.eq(b), tensorFirst });
export const ne: Binary = binary("ne", { promote: "bool", kernel: (a, b) => a.ne(b), tensorFirst });
export const lt: Binary = binary("lt", { promote: "bool", kernel: (a, b) => a.lt(b), tensorFirst });
export const le: Binary = binary("le", { promote: "bool", kernel: (a, b) => a.le(b), tensorFirst });
export const gt: Binary = binary("gt", { promote: "bool", kernel: (a, b) => a.gt(b), tensorFirst });
export const ge: Binary = binary("ge", { promote: "bool", kernel: (a, b) => a.ge(b), tensorFirst });
export const not_equal: Binary = ne;
export const less: Binary = lt;
export const less_equal: Binary = le;
export const greater: Binary = gt;
export const greater_equal: Binary = ge;

const never = constant("bool", 0);
const always = constant("bool", 1);
const infinite = (x: Expr): Expr => x.abs().eq(Number.POSITIVE_INFINITY);

/** Whether each element is NaN. */
export const isnan: UnaryFunction = withoutInplace(
  unary("isnan", { promote: "bool", kernel: (x) => (x.isFloat ? x.isnan() : never) }),
);
/** Whether each element is infinite, of either sign. */
export const isinf: UnaryFunction = withoutInplace(
  unary("isinf", { promote: "bool", kernel: (x) => (x.isFloat ? infinite(x) : never) }),
);
/** Neither infinite nor NaN. */
export const isfinite: UnaryFunction = withoutInplace(
  unary("isfinite", {
    promote: "bool",
    kernel: (x) => (x.isFloat ? x.abs().lt(Number.POSITIVE_INFINITY) : always),
  }),
);
/** Whether each element is +∞. */
export const isposinf: UnaryFunction = withoutInplace(
  unary("isposinf", {
    promote: "bool",
    kernel: (x) => (x.isFloat ? x.eq(Number.POSITIVE_INFINITY) : never),
  }),
);
/** Whether each element is -∞. */
export const isneginf: UnaryFunction = withoutInplace(
  unary("isneginf", {
    promote: "bool",
    kernel: (x) => (x.isFloat ? x.eq(Number.NEGATIVE_INFINITY) : never),
  }),
);
/** True everywhere: there are no complex tensors. */
export const isreal: UnaryFunction = withoutInplace(unary("isreal", { promote: "bool", kernel: () => always }));

/** Options of `isclose` and `allclose`. */
export interface CloseOptions {
  /** Allowed difference relative to `other`. Default 1e-5. */
  readonly rtol?: number;
  /** Allowed absolute difference. Default 1e-8. */
  readonly atol?: number;
  /** Whether NaN is close to NaN. Default false. */
  readonly equal_nan?: boolean;
}

const closeOp = new PointwiseOp({
  name: "isclose",
  operands: 2,
  promote: "bool",
  scalars: { rtol: 1e-5, atol: 1e-8 },
  kernel: ([a, b], { rtol, atol }, { variant }) => {
    const near = a.sub(b).abs().le(b.mul(rtol).abs().add(atol));
    const close = a.eq(b).or(a.sub(b).abs().lt(Number.POSITIVE_INFINITY).and(near));
    return variant === "equal_nan" ? close.or(a.isnan().and(b.isnan())) : close;
  },
});

/** Whether `|self - other| <= atol + rtol * |other|`, elementwise. */
export function isclose(
  self: Tensor,
  other: Tensor,
  rtol?: number | CloseOptions,
  atol?: number | CloseOptions,
  equal_nan?: boolean | CloseOptions,
  options?: CloseOptions,
): Tensor {
  const [a, b, relative, absolute, nan] = bind(
    "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False)",
    [self, other, rtol, atol, equal_nan, options],
  ) as [Tensor, Tensor, number, number, boolean];
  if (a.dtype !== b.dtype)
    throw new RuntimeError(`${dt.scalarTypeName(a.dtype)} did not match ${dt.scalarTypeName(b.dtype)}`);
  if (relative < 0) throw new RuntimeError(`rtol must be greater than or equal to zero, but got ${relative}`);
  if (absolute < 0) throw new RuntimeError(`atol must be greater than or equal to zero, but got ${absolute}`);
  const call = { scalars: { rtol: relative, atol: absolute }, variant: nan ? "equal_nan" : "" };
  if (a.dtype.is_floating_point) return closeOp.call([a, b], call);
  // Large integers that are equal stay so; the others are compared as floats.
  const compute = dt.get_default_dtype();
  return eq(a, b).logical_or(closeOp.call([a, b], { ...call, compute }));
}

/** Whether all elements are close. */
export function allclose(
  self: Tensor,
  other: Tensor,
  rtol?: number | CloseOptions,
  atol?: number | CloseOptions,
  equal_nan?: boolean | CloseOptions,
  options?: CloseOptions,
): boolean {
  return isclose(self, other, rtol, atol, equal_nan, options).all().item() === true;
}

/** Whether both tensors have the same shape and equal elements. */
export function equal(self: Tensor, other: Tensor): boolean {
  const [a, b] = bind("equal(Tensor input, Tensor other)", [self, other]) as [Tensor, Tensor];
  return sameShape(a.sizes, b.sizes) && eq(a, b).all().item() === true;
}

/** Whether the only element is not zero. */
export function is_nonzero(self: Tensor): boolean {
  const [x] = bind("is_nonzero(Tensor input)", [self]) as [Tensor];
  if (x.wrapping !== null && isBatched(x)) {
    throw new RuntimeError(
      "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that yet, please file an issue at https://github.com/pytorch/pytorch/issues .",
    );
  }
  if (x.count === 0) throw new RuntimeError("Boolean value of Tensor with no values is ambiguous");
  if (x.count > 1) throw new RuntimeError("Boolean value of Tensor with more than one value is ambiguous");
  return Number(x.item()) !== 0;
}
