/** Gradients of activations, as ops of their own: one kernel each, and differentiable again. */
import { constant, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor.ts";
import { zerosLike } from "./copy.ts";
import { PointwiseOp, type Scalars } from "./define/pointwise.ts";

export interface ActivationGradientSpec {
  readonly name: string;
  readonly scalars?: Scalars;
  /** The gradient at one element: `g` times the slope at `x`. */
  readonly kernel: (g: Expr, x: Expr, scalars: Readonly<Record<string, Expr>>, variant: string) => Expr;
  /** The second derivative at `x`, made of differentiable ops; null where it is 0. */
  readonly curvature: ((x: Tensor, scalars: Scalars, variant: string) => Tensor) | null;
  readonly nodeName?: string;
}

export interface GradientOptions {
  readonly scalars?: Scalars;
  readonly variant?: string;
}

/** Declares the gradient of an activation, a function of `g` and of the activation's input (or its result). */
export function activationGradient(
  spec: ActivationGradientSpec,
): (g: Tensor, x: Tensor, options?: GradientOptions) => Tensor {
  const { curvature } = spec;
  const op: PointwiseOp = new PointwiseOp({
    name: spec.name,
    operands: 2,
    scalars: spec.scalars,
    nodeName: spec.nodeName,
    kernel: ([g, x], scalars, { variant }) => spec.kernel(g, x, scalars, variant),
    gradients: [
      (gg, c) => op.call([gg, c.operand(1)], { scalars: c.scalars, variant: c.variant }),
      curvature === null
        ? (gg) => zerosLike(gg)
        : (gg, c) => gg.mul(c.operand(0)).mul(curvature(c.tensor(1), c.scalars, c.variant)),
    ],
    saves: [[1], curvature === null ? [] : [0, 1]],
  });
  return (g, x, options) => (options === undefined ? op.call2(g, x) : op.call([g, x], options));
}

/** From the result `y` of tanh. */
export const tanhBackward: (g: Tensor, y: Tensor) => Tensor = activationGradient({
  name: "tanh_backward",
  kernel: (g, y) => g.mul(y.mul(y).neg().add(1)),
  curvature: (y) => y.mul(-2),
});

/** From the result `y` of sigmoid. */
export const sigmoidBackward: (g: Tensor, y: Tensor) => Tensor = activationGradient({
  name: "sigmoid_backward",
  kernel: (g, y) => g.mul(y.neg().add(1)).mul(y),
  curvature: (y) => y.mul(-2).add(1),
});

/** 0 where `x` is not above the threshold. */
export const thresholdBackward: (g: Tensor, x: Tensor, options?: GradientOptions) => Tensor = activationGradient({
  name: "threshold_backward",
  scalars: { threshold: 0 },
  kernel: (g, x, { threshold }) => x.le(threshold).select(constant(g.type, 0), g),
  curvature: null,
});
