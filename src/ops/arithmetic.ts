/** Arithmetic of two operands. */

import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import type { Expr } from "../ir/expr.ts";
import { Tensor } from "../tensor.ts";
import { type Binary, binary } from "./define/binary.ts";
import { type Operand, resultType } from "./define/promote.ts";
import type { OutOption } from "./define/unary.ts";

/** Options of `add` and `sub`. */
export interface AlphaOption extends OutOption {
  /** A factor of `other`; 1 by default. */
  readonly alpha?: number | bigint;
}

function validateAlpha(self: Operand, other: Operand, { alpha }: Readonly<Record<string, number | bigint>>): void {
  if (typeof alpha === "number" && !Number.isInteger(alpha)) {
    if (!resultType([self, other]).is_floating_point) {
      throw new RuntimeError("For integral input tensors, argument alpha must not be a floating point number.");
    }
  }
}

const isOne = (x: Expr): boolean => x.is(1);

/** Sum: `self + alpha * other`. */
export const add: Binary<AlphaOption> = binary<AlphaOption>("add", {
  scalars: { alpha: 1 },
  validate: validateAlpha,
  kernel: (a, b, { alpha }, { type }) =>
    type === "bool" ? a.or(b.and(alpha)) : a.add(isOne(alpha) ? b : b.mul(alpha)),
  gradients: [(g) => g, (g, c) => scaled(g, c.scalars.alpha)],
});

/** Difference: `self - alpha * other`. */
export const sub: Binary<AlphaOption> = binary<AlphaOption>("sub", {
  scalars: { alpha: 1 },
  validate: (self, other, scalars) => {
    for (const x of [self, other]) {
      if (typeof x === "boolean" || (x instanceof Tensor && x.dtype === dt.bool)) refuseBool(self, other);
    }
    validateAlpha(self, other, scalars);
  },
  kernel: (a, b, { alpha }) => a.sub(isOne(alpha) ? b : b.mul(alpha)),
  gradients: [(g) => g, (g, c) => scaled(g, c.scalars.alpha).neg()],
});

function refuseBool(self: Operand, other: Operand): void {
  const bool = (x: Operand): boolean => typeof x === "boolean" || (x instanceof Tensor && x.dtype === dt.bool);
  if (bool(self) && bool(other)) {
    throw new RuntimeError(
      "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.",
    );
  }
  throw new RuntimeError(
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
  );
}

function scaled(g: Tensor, alpha: number | bigint): Tensor {
  return Number(alpha) === 1 ? g : g.mul(alpha);
}

/** Product. */
export const mul: Binary = binary("mul", {
  kernel: (a, b, _, { type }) => (type === "bool" ? a.and(b) : a.mul(b)),
  gradients: [(g, c) => g.mul(c.operand(1)), (g, c) => g.mul(c.operand(0))],
  saves: [[1], [0]],
});

/** The other name of `mul`. */
export const multiply: Binary = mul;
export const subtract: Binary<AlphaOption> = sub;

export type { DType };
