/** Exponentials and logarithms of each element. */
import { type Unary, unary } from "./define/unary.ts";

/** e to the power of each element. */
export const exp: Unary = unary("exp", {
  kernel: (x) => x.exp(),
  gradFromResult: (g, y) => g.mul(y),
  promote: "int_to_float",
});
/** 2 to the power of each element. */
export const exp2: Unary = unary("exp2", {
  kernel: (x) => x.fn("exp2"),
  gradFromResult: (g, y) => g.mul(y).mul(Math.LN2),
  promote: "int_to_float",
});
/** `exp(x) - 1`, exact also near 0. */
export const expm1: Unary = unary("expm1", {
  kernel: (x) => x.fn("expm1"),
  gradFromResult: (g, y) => g.mul(y.add(1)),
  promote: "int_to_float",
});
/** Natural logarithm. */
export const log: Unary = unary("log", {
  kernel: (x) => x.log(),
  grad: (g, x) => g.div(x),
  promote: "int_to_float",
});
/** Logarithm to base 2. */
export const log2: Unary = unary("log2", {
  kernel: (x) => x.fn("log2"),
  grad: (g, x) => g.div(x.mul(Math.LN2)),
  promote: "int_to_float",
});
/** Logarithm to base 10. */
export const log10: Unary = unary("log10", {
  kernel: (x) => x.fn("log10"),
  grad: (g, x) => g.div(x.mul(Math.LN10)),
  promote: "int_to_float",
});
/** `log(1 + x)`, exact also near 0. */
export const log1p: Unary = unary("log1p", {
  kernel: (x) => x.fn("log1p"),
  grad: (g, x) => g.div(x.add(1)),
  promote: "int_to_float",
});
