/** Logical and bitwise operations. */
import type { DType } from "../dtype.ts";
import { constant, type Expr } from "../ir/expr.ts";
import { type Binary, binary } from "./define/binary.ts";
import { type Unary, unary } from "./define/unary.ts";
import { notFloat, onlyIntegers } from "./kernels/guards.ts";

/** Whether both are true; a number is true if it is not 0. */
export const logical_and: Binary = binary("logical_and", {
  promote: "bool",
  kernel: (a, b) => a.cast("bool").and(b.cast("bool")),
  tensorsOnly: true,
});
/** Whether at least one of two elements is nonzero. */
export const logical_or: Binary = binary("logical_or", {
  promote: "bool",
  kernel: (a, b) => a.cast("bool").or(b.cast("bool")),
  tensorsOnly: true,
});
/** Whether exactly one of two elements is nonzero. */
export const logical_xor: Binary = binary("logical_xor", {
  promote: "bool",
  kernel: (a, b) => a.cast("bool").xor(b.cast("bool")),
  tensorsOnly: true,
});
/** Whether the element is zero. */
export const logical_not: Unary = unary("logical_not", { promote: "bool", kernel: (x) => x.cast("bool").not() });

/** Bitwise and of integers or bools. */
export const bitwise_and: Binary = binary("bitwise_and", {
  kernel: (a, b) => a.and(b),
  check: notFloat("bitwise_and_cpu"),
});
/** Bitwise or of integers or bools. */
export const bitwise_or: Binary = binary("bitwise_or", {
  kernel: (a, b) => a.or(b),
  check: notFloat("bitwise_or_cpu"),
});
/** Bitwise exclusive or of integers or bools. */
export const bitwise_xor: Binary = binary("bitwise_xor", {
  kernel: (a, b) => a.xor(b),
  check: notFloat("bitwise_xor_cpu"),
});
/** Inverts all bits; logical for bool. */
export const bitwise_not: Unary = unary("bitwise_not", {
  kernel: (x) => x.not(),
  check: notFloat("bitwise_not_cpu"),
});

/** Whether `count` is no shift within the width of the element type. */
function outside(count: Expr, width: number): Expr {
  return count.lt(0).or(count.ge(width));
}

/** Shifts by `other` bits; by more than there are, or by a negative count, gives 0. */
export const bitwise_left_shift: Binary = binary("bitwise_left_shift", {
  kernel: (a, b, _, { dtype }) => outside(b, 8 * dtype.itemsize).select(constant(a.type, 0), a.shl(b)),
  check: onlyIntegers("lshift_cpu"),
});

/** Shifts by `other` bits, keeping the sign; by more than there are, or by a negative count, leaves 0 or -1. */
export const bitwise_right_shift: Binary = binary("bitwise_right_shift", {
  kernel: (a, b, _, { dtype }) => {
    const most = signedWidth(dtype);
    return a.shr(outside(b, most).select(constant(b.type, most), b));
  },
  check: onlyIntegers("rshift_cpu"),
});

function signedWidth(dtype: DType): number {
  return 8 * dtype.itemsize - (dtype.is_signed ? 1 : 0);
}
