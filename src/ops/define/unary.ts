/** The unary kind: `unary("atan", { kernel: x => x.fn("atan"), … })` declares the function, the method and `atan_`. */
import type { DType } from "../../dtype.ts";
import type { ComputeType, Expr } from "../../ir/expr.ts";
import { describe } from "../../shape.ts";
import { Tensor } from "../../tensor.ts";
import { PointwiseOp, type PromoteRule } from "./pointwise.ts";
import { bind } from "./schema.ts";

export interface OutOption {
  /** Write the result into this tensor. */
  readonly out?: Tensor;
}

/** A function of one tensor, which is also a method. */
export interface UnaryFunction {
  (self: Tensor, options?: OutOption): Tensor;
  readonly op: PointwiseOp;
}

/** The same with an in-place form. */
export interface Unary extends UnaryFunction {
  readonly inplace: (self: Tensor) => Tensor;
}

export interface UnarySpec {
  /** The value at one element; `x` has the compute type of the dtype after promotion. */
  readonly kernel: (x: Expr, info: { readonly dtype: DType; readonly type: ComputeType }) => Expr;
  /** The gradient from that of the result, `g`, and the input. */
  readonly grad?: (g: Tensor, x: Tensor) => Tensor | null;
  /** The gradient from `g` and the result, which is then what is saved. */
  readonly gradFromResult?: (g: Tensor, y: Tensor) => Tensor | null;
  readonly promote?: PromoteRule;
  readonly check?: (dtype: DType, name: string) => void;
  readonly nodeName?: string;
}

/** Declares a unary op. */
export function unary(name: string, spec: UnarySpec): Unary {
  const { grad, gradFromResult } = spec;
  const op = new PointwiseOp({
    name,
    operands: 1,
    promote: spec.promote,
    kernel: ([x], _, info) => spec.kernel(x, info),
    check: spec.check,
    nodeName: spec.nodeName,
    gradients: gradFromResult
      ? [(g, c) => gradFromResult(g, c.result)]
      : grad
        ? [(g, c) => grad(g, grad.length < 2 ? g : (c.operand(0) as Tensor))]
        : undefined,
    saves: gradFromResult ? [["result"]] : [grad && grad.length >= 2 ? [0] : []],
  });
  const signature = `${name}(Tensor self, *, Tensor? out=None)`;
  const call = (self: Tensor, options?: OutOption): Tensor => {
    if (options === undefined && self instanceof Tensor) return op.call1(self);
    const [x, out] = bind(signature, [self, options]) as [Tensor, Tensor | null];
    return op.call([x], { out });
  };
  const inplace = (self: Tensor): Tensor => {
    if (!(self instanceof Tensor))
      throw new TypeError(`${name}_(): argument 'self' must be Tensor, not ${describe(self)}`);
    return op.callInplace1(self);
  };
  return Object.assign(call, { inplace, op });
}

/** The declared op without its in-place form, where PyTorch has none. */
export function withoutInplace<F>(f: F & { readonly inplace: unknown }): F {
  delete (f as { inplace?: unknown }).inplace;
  return f;
}
