/**
 * Losses that compare two tensors element by element: one kernel computes and reduces, one gives the gradient. Where the
 * gradient is itself to be differentiated, it is written with ordinary ops instead.
 */

import { isRecording } from "../context/grad-mode.ts";
import type { Expr } from "../ir/expr.ts";
import { computeType, constant } from "../ir/expr.ts";
import { broadcastShapes, broadcastStrides, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { again, withRank } from "./define/batch.ts";
import { allocateLike } from "./define/layout.ts";
import { PointwiseOp } from "./define/pointwise.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { softplusTail } from "./kernels/log-exp.ts";
import { allocate, type RowOperand, runRow } from "./row.ts";

export type Reduction = "none" | "mean" | "sum";

interface LossAttrs {
  readonly reduction: Reduction;
  readonly scalars: readonly number[];
}

interface LossSpec {
  readonly name: string;
  readonly nodeName?: string;
  /** The loss of one element, from one element of each operand. */
  readonly kernel: (operands: readonly Expr[], scalars: readonly Expr[]) => Expr;
  /** Its derivative by the first operand. */
  readonly slope: (operands: readonly Expr[], scalars: readonly Expr[]) => Expr;
  /** The same with tensors. */
  readonly slopeOf: (operands: readonly Tensor[], scalars: readonly number[]) => Tensor;
  /** The derivative by the second operand; absent where it is the first's negative, null where there is none. */
  readonly targetSlopeOf?: ((operands: readonly Tensor[], scalars: readonly number[]) => Tensor) | null;
}

/** A loss as a function of tensors of one dtype, which are broadcast. */
export type Loss = (operands: readonly Tensor[], reduction: Reduction, scalars?: readonly number[]) => Tensor;

function shapeOf(operands: readonly Tensor[]): Shape {
  return operands.reduce<Shape>((shape, x) => broadcastShapes(shape, x.sizes), []);
}

const map = (tensor: Tensor, shape: Shape): RowOperand => ({
  tensor,
  outer: broadcastStrides(tensor.sizes, tensor.strides, shape),
  inner: [],
});
const summed = (tensor: Tensor, shape: Shape): RowOperand => ({
  tensor,
  outer: [],
  inner: broadcastStrides(tensor.sizes, tensor.strides, shape),
});

/** Declares a loss. */
export function loss(spec: LossSpec): Loss {
  const forward: PrimitiveCall<LossAttrs> = primitive<LossAttrs>({
    name: spec.name,
    nodeName: spec.nodeName,
    batch: (call) => {
      const { attrs, batched, inputs, values } = call;
      const rank = Math.max(...inputs.map((t) => t.sizes.length));
      const aligned = values.map((t, i) => (batched[i] ? withRank(t, rank + 1) : t));
      const each = again<LossAttrs>(call, { ...attrs, reduction: "none" }, aligned) as Tensor;
      if (attrs.reduction === "none" || rank === 0) return each;
      const dims = each.sizes.slice(1).map((_, d) => d + 1);
      return attrs.reduction === "mean" ? each.mean(dims) : each.sum(dims);
    },
    compute: (operands, attrs) => computeLoss(spec, operands, attrs),
    gradient: (g, c) => {
      const operands = Array.from({ length: c.inputCount }, (_, i) => c.input(i));
      const { attrs } = c;
      const own = c.needs(0) || spec.targetSlopeOf === undefined ? ownGradient(spec, g, operands, attrs) : null;
      let target: Tensor | null = null;
      if (c.needs(1)) {
        if (spec.targetSlopeOf === undefined) target = (own as Tensor).neg();
        else if (spec.targetSlopeOf !== null) target = weighted(g, spec.targetSlopeOf(operands, attrs.scalars), attrs);
      }
      return [own, target, ...operands.slice(2).map(() => null)];
    },
    saves: [[0, 1, 2, 3]],
  });
  return (operands, reduction, scalars = []) => forward(operands, { reduction, scalars });
}

function weighted(g: Tensor, slope: Tensor, { reduction }: LossAttrs): Tensor {
  const product = slope.mul(g);
  return reduction === "mean" ? product.div(slope.count) : product;
}

function ownGradient(spec: LossSpec, g: Tensor, operands: readonly Tensor[], attrs: LossAttrs): Tensor {
  // The kernel below is no op that a transformation could see.
  const transformed = g.wrapping !== null || operands.some((t) => t.wrapping !== null);
  if (transformed || isRecording()) return weighted(g, spec.slopeOf(operands, attrs.scalars), attrs);
  const shape = shapeOf(operands);
  const out = allocate(operands[0].dtype, shape);
  const type = computeType(out.dtype.name);
  runRow({
    name: `${spec.name}_backward`,
    key: `${spec.name}_backward:${attrs.reduction}:${operands.length}`,
    outer: shape,
    inner: [],
    operands: [map(g, shape), ...operands.map((x) => map(x, shape)), map(out, shape)],
    outputs: 1,
    scalars: [...attrs.scalars, ...(attrs.reduction === "mean" ? [1 / out.count] : [])],
    scalarTypes: new Array(attrs.scalars.length + (attrs.reduction === "mean" ? 1 : 0)).fill(type),
    build: ([upstream, ...values], row, scalars) => {
      const slope = spec.slope(values, scalars).mul(upstream);
      row.store(operands.length + 1, attrs.reduction === "mean" ? slope.mul(scalars[scalars.length - 1]) : slope);
    },
  });
  return out;
}

function computeLoss(spec: LossSpec, operands: readonly Tensor[], { reduction, scalars }: LossAttrs): Tensor {
  const shape = shapeOf(operands);
  const { dtype } = operands[0];
  const type = computeType(dtype.name);
  const out = reduction === "none" ? allocateLike(dtype, shape, operands) : allocate(dtype, []);
  const common = {
    name: spec.name,
    key: `${spec.name}:${reduction}:${operands.length}`,
    outputs: 1,
    scalars,
    scalarTypes: scalars.map(() => type),
  };
  const at = operands.length;
  if (reduction === "none") {
    runRow({
      ...common,
      outer: shape,
      inner: [],
      operands: [...operands, out].map((x) => map(x, shape)),
      build: (values, row, params) => row.store(at, spec.kernel(values, params)),
    });
    return out;
  }
  const inner = shape.length === 0 ? [1] : shape;
  const flat = (x: Tensor): RowOperand =>
    shape.length === 0 ? { tensor: x, outer: [], inner: [0] } : summed(x, shape);
  runRow({
    ...common,
    outer: [],
    inner,
    operands: [...operands.map(flat), { tensor: out, outer: [], inner: inner.map(() => 0) }],
    build: (values, row, params) => {
      const sum = row.reduce("sum", spec.kernel(values, params));
      row.store(at, reduction === "mean" ? sum.div(row.innerCount.cast(type)) : sum);
    },
  });
  return out;
}

const difference = ([x, y]: readonly Expr[]): Expr => x.sub(y);
const differenceOf = ([x, y]: readonly Tensor[]): Tensor => x.sub(y);

/** (x − y)² */
export const mseLoss: Loss = loss({
  name: "mse_loss",
  kernel: (v) => difference(v).mul(difference(v)),
  slope: (v) => difference(v).mul(2),
  slopeOf: (v) => differenceOf(v).mul(2),
});

/** |x − y|, where no gradient is wanted: with one it is made of ordinary ops, as in PyTorch. */
export const l1Loss: Loss = loss({
  name: "l1_loss",
  kernel: (v) => difference(v).abs(),
  slope: (v) => {
    const d = difference(v);
    return d.gt(0).select(constant(d.type, 1), d.lt(0).select(constant(d.type, -1), d));
  },
  slopeOf: (v) => differenceOf(v).sgn(),
});

/** (x − y)² / 2β where |x − y| < β, else |x − y| − β / 2. */
export const smoothL1Loss: Loss = loss({
  name: "smooth_l1_loss",
  nodeName: "SmoothL1LossBackward",
  kernel: (v, [beta]) => {
    const z = difference(v).abs();
    return z.lt(beta).select(z.mul(z).mul(0.5).div(beta), z.sub(beta.mul(0.5)));
  },
  slope: (v, [beta]) => {
    const d = difference(v);
    const { type } = d;
    const sign = d.gt(0).select(constant(type, 1), d.lt(0).select(constant(type, -1), constant(type, 0)));
    return d.isnan().select(d, d.abs().lt(beta).select(d.div(beta), sign));
  },
  slopeOf: (v, [beta]) => differenceOf(v).div(beta).clamp(-1, 1),
});

/** (x − y)² / 2 where |x − y| ≤ δ, else δ (|x − y| − δ / 2). */
export const huberLoss: Loss = loss({
  name: "huber_loss",
  kernel: (v, [delta]) => {
    const z = difference(v).abs();
    return z.le(delta).select(z.mul(z).mul(0.5), delta.mul(z.sub(delta.mul(0.5))));
  },
  slope: (v, [delta]) => {
    const d = difference(v);
    return d.isnan().select(d, d.max(delta.neg()).min(delta));
  },
  slopeOf: (v, [delta]) => differenceOf(v).clamp(-delta, delta),
});

const LOG_FLOOR = -100;
const CROSS_ENTROPY_EPS = 1e-12;

/** (x − y) / (x (1 − x)). PyTorch keeps this from a division by 0 in one way, its derivative in another. */
const crossEntropySlope: PointwiseOp = new PointwiseOp({
  name: "binary_cross_entropy_backward",
  operands: 2,
  kernel: ([x, y]) => {
    const one = constant(x.type, 1);
    return x.sub(y).div(one.sub(x).mul(x).max(constant(x.type, CROSS_ENTROPY_EPS)));
  },
  gradients: [
    (g, c) => {
      const [x, y] = [c.tensor(0), c.tensor(1)];
      const denominator = x.add(CROSS_ENTROPY_EPS).mul(x.neg().add(1).add(CROSS_ENTROPY_EPS)).square();
      return g.mul(x.square().sub(x.mul(y).mul(2)).add(y).div(denominator));
    },
    (g, c) => {
      const x = c.tensor(0);
      return g.neg().div(x.neg().add(1).mul(x).clamp_min(CROSS_ENTROPY_EPS));
    },
  ],
  saves: [[0, 1], [0]],
});

/** −w (y ln x + (1 − y) ln(1 − x)), the logarithms at least −100. A third operand is the weight. */
export const binaryCrossEntropy: Loss = loss({
  name: "binary_cross_entropy",
  kernel: ([x, y, w]) => {
    const floor = constant(x.type, LOG_FLOOR);
    const value = y
      .sub(1)
      .mul(x.neg().fn("log1p").max(floor))
      .sub(y.mul(x.log().max(floor)));
    return w === undefined ? value : value.mul(w);
  },
  slope: ([x, y, w]) => {
    const one = constant(x.type, 1);
    const value = x.sub(y).div(one.sub(x).mul(x).max(constant(x.type, 1e-12)));
    return w === undefined ? value : value.mul(w);
  },
  slopeOf: ([x, y, w]) => {
    const value = crossEntropySlope.call([x, y]);
    return w === undefined ? value : value.mul(w);
  },
  targetSlopeOf: ([x, , w]) => {
    const value = x.neg().log1p().clamp_min(LOG_FLOOR).sub(x.log().clamp_min(LOG_FLOOR));
    return w === undefined ? value : value.mul(w);
  },
});

/** ln σ(x), without overflow. */
const logSigmoid = (x: Expr): Expr => x.min(constant(x.type, 0)).sub(softplusTail(x));
const logSigmoidOf = (x: Tensor): Tensor => x.clamp_max(0).sub(x.abs().neg().exp().log1p());

/**
 * −w (p y ln σ(x) + (1 − y) ln(1 − σ(x))). Operands x and y, the weight w of each element, and p, the weight of positive
 * examples; without p the formulas are shorter, and finite for more numbers.
 */
export const binaryCrossEntropyWithLogits: Loss = loss({
  name: "binary_cross_entropy_with_logits",
  kernel: ([x, y, w, p]) => {
    const one = constant(x.type, 1);
    const rest = one.sub(y).mul(x);
    const value = p === undefined ? rest.sub(logSigmoid(x)) : rest.sub(p.sub(1).mul(y).add(1).mul(logSigmoid(x)));
    return w === undefined ? value : value.mul(w);
  },
  slope: ([x, y, w, p]) => {
    const sigmoid = x.fn("sigmoid");
    const value = p === undefined ? sigmoid.sub(y) : p.mul(y).add(1).sub(y).mul(sigmoid).sub(p.mul(y));
    return w === undefined ? value : value.mul(w);
  },
  slopeOf: ([x, y, w, p]) => {
    const sigmoid = x.sigmoid();
    const value = p === undefined ? sigmoid.sub(y) : p.mul(y).add(1).sub(y).mul(sigmoid).sub(p.mul(y));
    return w === undefined ? value : value.mul(w);
  },
  targetSlopeOf: ([x, , w, p]) => {
    const value = p === undefined ? x.neg() : logSigmoidOf(x.neg()).sub(p.mul(logSigmoidOf(x)));
    return w === undefined ? value : value.mul(w);
  },
});

/** ln(1 + exp(−y x)) */
export const softMarginLoss: Loss = loss({
  name: "soft_margin_loss",
  kernel: ([x, y]) => x.mul(y.neg()).exp().fn("log1p"),
  slope: ([x, y]) => {
    const z = x.mul(y.neg()).exp();
    return y.neg().mul(z).div(z.add(1));
  },
  slopeOf: ([x, y]) => y.neg().mul(x.mul(y.neg()).sigmoid()),
  targetSlopeOf: null,
});
