/**
 * Activations, with the signatures of `torch.nn.functional`. Gradients are kernels of their own
 * (activation-gradients.ts), so that training runs one kernel for each direction.
 */

import * as dt from "../dtype.ts";
import { NotImplementedError, RuntimeError, ValueError } from "../errors.ts";
import { constant, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor.ts";
import { activationGradient, type GradientOptions, thresholdBackward } from "./activation-gradients.ts";
import { type CallOptions, PointwiseOp, type PointwiseSpec, type Scalars } from "./define/pointwise.ts";
import { bind } from "./define/schema.ts";
import { onlyFloat } from "./kernels/guards.ts";
import { softplusTail } from "./kernels/log-exp.ts";
import { sigmoid } from "./special.ts";
import { tanh } from "./trigonometric.ts";

/** Options of most activations. */
export interface InplaceOption {
  /** Overwrite the input. Default false. */
  readonly inplace?: boolean;
}

interface Activation extends Pick<PointwiseSpec, "check" | "nodeName"> {
  readonly name: string;
  readonly scalars?: Scalars;
  readonly kernel: (x: Expr, scalars: Readonly<Record<string, Expr>>, variant: string) => Expr;
  readonly backward: (g: Tensor, x: Tensor, options?: GradientOptions) => Tensor;
}

function activation(spec: Activation): PointwiseOp {
  return new PointwiseOp({
    name: spec.name,
    nodeName: spec.nodeName,
    operands: 1,
    scalars: spec.scalars,
    kernel: ([x], scalars, { variant }) => spec.kernel(x, scalars, variant),
    gradients: [(g, c) => spec.backward(g, c.tensor(0), { scalars: c.scalars, variant: c.variant })],
    saves: [[0]],
    check: spec.check,
  });
}

function run(op: PointwiseOp, x: Tensor, inplace: boolean, options: CallOptions = {}): Tensor {
  return inplace ? op.callInplace([x], options) : op.call([x], options);
}

const logistic = (x: Expr): Expr => x.fn("sigmoid");
const zero = (x: Expr): Expr => constant(x.type, 0);
const one = (x: Expr): Expr => constant(x.type, 1);

function refuseBool(message: string) {
  return (dtype: dt.DType): void => {
    if (dtype === dt.bool) throw new NotImplementedError(message);
  };
}

const reluOp = new PointwiseOp({
  name: "relu",
  operands: 1,
  kernel: ([x]) => x.max(0),
  gradients: [(g, c) => thresholdBackward(g, c.result)],
  saves: [["result"]],
  check: refuseBool("Boolean inputs not supported for relu"),
});

/** `max(x, 0)`. */
export function relu(input: Tensor, inplace: boolean | InplaceOption = false): Tensor {
  if (inplace === false) return reluOp.call([input]);
  const [x, over] = bind("relu(Tensor input, bool inplace=False)", [input, inplace]) as [Tensor, boolean];
  return run(reluOp, x, over);
}
export function relu_(input: Tensor): Tensor {
  return relu(input, true);
}

const thresholdOp = activation({
  name: "threshold",
  scalars: { threshold: 0, value: 0 },
  kernel: (x, { threshold, value }) => x.le(threshold).select(value, x),
  backward: (g, x, options) => thresholdBackward(g, x, { scalars: { threshold: options?.scalars?.threshold ?? 0 } }),
  check: refuseBool(`"threshold_cpu" not implemented for 'Bool'`),
});

/** `x` where it is above the threshold, else `value`. */
export function threshold(
  input: Tensor,
  threshold: number | (InplaceOption & { threshold: number; value: number }),
  value?: number | (InplaceOption & { value: number }),
  inplace?: boolean | InplaceOption,
): Tensor {
  const [x, t, v, over] = bind("threshold(Tensor input, Scalar threshold, Scalar value, bool inplace=False)", [
    input,
    threshold,
    value,
    inplace,
  ]) as [Tensor, number, number, boolean];
  return run(thresholdOp, x, over, { scalars: { threshold: t, value: v } });
}
export function threshold_(input: Tensor, limit: number, value: number): Tensor {
  return threshold(input, limit, value, true);
}

const leakyReluBackward = activationGradient({
  name: "leaky_relu_backward",
  scalars: { slope: 0.01 },
  kernel: (g, x, { slope }) => x.gt(0).select(g, g.mul(slope)),
  curvature: null,
});
const leakyReluOp = activation({
  name: "leaky_relu",
  scalars: { slope: 0.01 },
  kernel: (x, { slope }) => x.gt(0).select(x, x.mul(slope)),
  backward: leakyReluBackward,
  check: onlyFloat("leaky_relu_cpu"),
});

/** `x` above 0, `negative_slope * x` below. */
export function leaky_relu(
  input: Tensor,
  negative_slope?: number | (InplaceOption & { negative_slope?: number }),
  inplace?: boolean | InplaceOption,
): Tensor {
  const [x, slope, over] = bind("leaky_relu(Tensor input, Scalar negative_slope=0.01, bool inplace=False)", [
    input,
    negative_slope,
    inplace,
  ]) as [Tensor, number, boolean];
  return run(leakyReluOp, x, over, { scalars: { slope } });
}
export function leaky_relu_(input: Tensor, negative_slope = 0.01): Tensor {
  return leaky_relu(input, negative_slope, true);
}

/** Scalars of ELU: below 0 it is `negative * (exp(inner * x) - 1)`, above `positive * x`. */
const eluScalars = { negative: 1, positive: 1, inner: 1 };
const eluBackward = activationGradient({
  name: "elu_backward",
  scalars: eluScalars,
  kernel: (g, x, { negative, positive, inner }) =>
    x.le(0).select(g.mul(inner).mul(negative).mul(x.mul(inner).exp()), g.mul(positive)),
  curvature: (x, { negative, inner }) =>
    x
      .mul(inner)
      .exp()
      .mul(Number(inner) ** 2 * Number(negative))
      // At 0 the slope is that from below, and its derivative that from above, as in PyTorch.
      .masked_fill(x.lt(0).logical_not(), 0),
});
const eluOp = activation({
  name: "elu",
  scalars: eluScalars,
  kernel: (x, { negative, positive, inner }) => x.le(0).select(x.mul(inner).fn("expm1").mul(negative), x.mul(positive)),
  backward: eluBackward,
  check: onlyFloat("elu_cpu"),
});

/** `x` above 0, `alpha * (exp(x) - 1)` below. Clevert et al., arXiv:1511.07289. */
export function elu(
  input: Tensor,
  alpha?: number | (InplaceOption & { alpha?: number }),
  inplace?: boolean | InplaceOption,
): Tensor {
  const [x, a, over] = bind("elu(Tensor input, Scalar alpha=1, bool inplace=False)", [input, alpha, inplace]) as [
    Tensor,
    number,
    boolean,
  ];
  return run(eluOp, x, over, { scalars: { negative: a, positive: 1, inner: 1 } });
}
export function elu_(input: Tensor, alpha = 1): Tensor {
  return elu(input, alpha, true);
}

/** ELU whose slope is continuous for every alpha. Barron, arXiv:1704.07483. */
export function celu(
  input: Tensor,
  alpha?: number | (InplaceOption & { alpha?: number }),
  inplace?: boolean | InplaceOption,
): Tensor {
  const [x, a, over] = bind("celu(Tensor input, Scalar alpha=1, bool inplace=False)", [input, alpha, inplace]) as [
    Tensor,
    number,
    boolean,
  ];
  if (a === 0) throw new RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU");
  return run(eluOp, x, over, { scalars: { negative: a, positive: 1, inner: 1 / a } });
}
export function celu_(input: Tensor, alpha = 1): Tensor {
  return celu(input, alpha, true);
}

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** Self-normalizing ELU. Klambauer et al., arXiv:1706.02515. */
export function selu(input: Tensor, inplace: boolean | InplaceOption = false): Tensor {
  const [x, over] = bind("selu(Tensor input, bool inplace=False)", [input, inplace]) as [Tensor, boolean];
  return run(eluOp, x, over, { scalars: { negative: SELU_ALPHA * SELU_SCALE, positive: SELU_SCALE, inner: 1 } });
}
export function selu_(input: Tensor): Tensor {
  return selu(input, true);
}

/** √(2/π) and the factor of x³ in the tanh form of GELU. */
const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBE = 0.044715;
const NORMAL_DENSITY = 1 / Math.sqrt(2 * Math.PI);

const geluInner = (x: Expr): Expr => x.add(x.mul(x).mul(x).mul(GELU_CUBE)).mul(GELU_SCALE);
const normalCdf = (x: Expr): Expr => x.mul(Math.SQRT1_2).fn("erf").add(1).mul(0.5);

const geluBackward = activationGradient({
  name: "gelu_backward",
  kernel: (g, x, _, variant) => {
    if (variant === "tanh") {
      const t = geluInner(x).tanh();
      const inner = x
        .mul(x)
        .mul(3 * GELU_CUBE)
        .add(1)
        .mul(GELU_SCALE);
      const slope = x
        .mul(0.5)
        .mul(one(x).sub(t.mul(t)))
        .mul(inner);
      return g.mul(t.add(1).mul(0.5).add(slope));
    }
    const density = x.mul(x).mul(-0.5).exp().mul(NORMAL_DENSITY);
    return g.mul(normalCdf(x).add(x.mul(density)));
  },
  curvature: (x, _, variant) => {
    const squared = x.pow(2);
    if (variant !== "tanh") {
      return squared.mul(-0.5).exp().mul(NORMAL_DENSITY).mul(squared.neg().add(2));
    }
    // With f = x (1 + t) / 2 and t = tanh(u): f'' = (1 - t²) (u' + x u'' / 2 - x t u'²).
    const t = tanh(squared.mul(GELU_CUBE).add(1).mul(x).mul(GELU_SCALE));
    const first = squared
      .mul(3 * GELU_CUBE)
      .add(1)
      .mul(GELU_SCALE);
    const second = x.mul(6 * GELU_CUBE * GELU_SCALE);
    return t
      .pow(2)
      .neg()
      .add(1)
      .mul(first.add(x.mul(second).mul(0.5)).sub(x.mul(t).mul(first.pow(2))));
  },
});
const geluOp = activation({
  name: "gelu",
  kernel: (x, _, variant) => {
    const half = x.mul(0.5);
    if (variant === "tanh") return half.mul(geluInner(x).tanh().add(1));
    // x/2 + |x|/2 · erf(|x|/√2): the magnitude spares erf the work with signs.
    const magnitude = half.abs();
    return magnitude.fma(magnitude.mul(Math.SQRT2).fn("erf"), half);
  },
  backward: geluBackward,
  check: onlyFloat("GeluKernelImpl"),
});

/** `x` times the normal distribution function of x, or its approximation by tanh. Hendrycks and Gimpel, arXiv:1606.08415. */
export function gelu(input: Tensor, options?: { approximate?: "none" | "tanh" } | "none" | "tanh"): Tensor {
  const [x, approximate] = bind('gelu(Tensor input, str approximate="none")', [input, options]) as [Tensor, string];
  if (approximate !== "none" && approximate !== "tanh") {
    throw new RuntimeError(`approximate argument must be either none or tanh.`);
  }
  return geluOp.call([x], { variant: approximate === "tanh" ? "tanh" : "" });
}

const siluBackward = activationGradient({
  name: "silu_backward",
  kernel: (g, x) => {
    const s = logistic(x);
    return g.mul(s).mul(x.mul(one(x).sub(s)).add(1));
  },
  // With s = sigmoid(x): s (1 - s) (2 + x (1 - 2s)).
  curvature: (x) => {
    const s = sigmoid(x);
    return s.mul(s.neg().add(1)).mul(s.mul(-2).add(1).mul(x).add(2));
  },
});
const siluOp = activation({
  name: "silu",
  kernel: (x) => x.mul(logistic(x)),
  backward: siluBackward,
  check: onlyFloat("silu_cpu"),
});

/** `x * sigmoid(x)`. */
export function silu(input: Tensor, inplace: boolean | InplaceOption = false): Tensor {
  const [x, over] = bind("silu(Tensor input, bool inplace=False)", [input, inplace]) as [Tensor, boolean];
  return run(siluOp, x, over);
}

/** log(1 + exp(x)) without overflow. */
const softplusOf = (x: Expr): Expr => x.max(0).add(softplusTail(x));

const mishBackward = activationGradient({
  name: "mish_backward",
  kernel: (g, x) => {
    const t = softplusOf(x).tanh();
    return g.mul(t.add(x.mul(logistic(x)).mul(one(x).sub(t.mul(t)))));
  },
  // With t = tanh(softplus(x)), s = sigmoid(x), q = 1 - t²: 2 q s + x q s (1 - s - 2 t s).
  curvature: (x) => {
    const s = sigmoid(x);
    const t = tanh(softplus(x));
    const qs = t.pow(2).neg().add(1).mul(s);
    return qs.mul(2).add(x.mul(qs).mul(s.neg().add(1).sub(t.mul(s).mul(2))));
  },
});
const mishOp = activation({
  name: "mish",
  // With e = exp(x) and n = e² + 2 e, tanh(log(1 + e)) = n / (n + 2), which is 1 from 20 on.
  kernel: (x) => {
    const e = x.min(20).exp();
    const n = e.fma(e, e.add(e));
    return x.mul(n.div(n.add(2)));
  },
  backward: mishBackward,
  check: onlyFloat("mish_cpu"),
});

/** `x * tanh(softplus(x))`. Misra, arXiv:1908.08681. */
export function mish(input: Tensor, inplace: boolean | InplaceOption = false): Tensor {
  const [x, over] = bind("mish(Tensor input, bool inplace=False)", [input, inplace]) as [Tensor, boolean];
  return run(mishOp, x, over);
}

const softplusScalars = { beta: 1, threshold: 20 };
const softplusBackward = activationGradient({
  name: "softplus_backward",
  scalars: softplusScalars,
  kernel: (g, x, { beta, threshold }) =>
    x
      .mul(beta)
      .gt(threshold)
      .select(g, g.mul(logistic(x.mul(beta)))),
  curvature: (x, { beta, threshold }) => {
    const scaled = x.mul(beta);
    const s = sigmoid(scaled);
    return s.mul(s.neg().add(1)).mul(beta).masked_fill(scaled.gt(threshold), 0);
  },
});
const softplusOp = activation({
  name: "softplus",
  scalars: softplusScalars,
  kernel: (x, { beta, threshold }) => {
    const scaled = x.mul(beta);
    return scaled.gt(threshold).select(x, scaled.exp().fn("log1p").div(beta));
  },
  backward: softplusBackward,
  check: onlyFloat("softplus_cpu"),
});

/** `log(1 + exp(beta * x)) / beta`; x itself where `beta * x` is above the threshold. */
export function softplus(
  input: Tensor,
  beta?: number | { beta?: number; threshold?: number },
  threshold?: number | { threshold?: number },
): Tensor {
  const [x, b, t] = bind("softplus(Tensor input, Scalar beta=1, Scalar threshold=20)", [input, beta, threshold]) as [
    Tensor,
    number,
    number,
  ];
  return softplusOp.call([x], { scalars: { beta: b, threshold: t } });
}

/** `x / (1 + |x|)`. */
export function softsign(input: Tensor): Tensor {
  return input.div(input.abs().add(1));
}

const hardtanhBackward = activationGradient({
  name: "hardtanh_backward",
  scalars: { min: -1, max: 1 },
  kernel: (g, x, { min, max }) => x.le(min).or(x.ge(max)).select(zero(g), g),
  curvature: null,
});
const hardtanhOp = activation({
  name: "hardtanh",
  scalars: { min: -1, max: 1 },
  kernel: (x, { min, max }) => x.max(min).min(max),
  backward: hardtanhBackward,
  check: refuseBool("Bool inputs not supported for hardtanh"),
});

/** `x` limited to [min_val, max_val]. */
export function hardtanh(
  input: Tensor,
  min_val?: number | (InplaceOption & { min_val?: number; max_val?: number }),
  max_val?: number | (InplaceOption & { max_val?: number }),
  inplace?: boolean | InplaceOption,
): Tensor {
  const [x, min, max, over] = bind("hardtanh(Tensor input, Scalar min_val=-1, Scalar max_val=1, bool inplace=False)", [
    input,
    min_val,
    max_val,
    inplace,
  ]) as [Tensor, number, number, boolean];
  if (min > max) throw new ValueError("min_val cannot be greater than max_val");
  if (x.dtype === dt.uint8 && (min < 0 || max < 0)) {
    throw new RuntimeError("cannot do hardtanh on an unsigned type with negative limits");
  }
  return run(hardtanhOp, x, over, { scalars: { min, max } });
}
export function hardtanh_(input: Tensor, min_val = -1, max_val = 1): Tensor {
  return hardtanh(input, min_val, max_val, true);
}

/** `min(max(x, 0), 6)`. */
export function relu6(input: Tensor, inplace: boolean | InplaceOption = false): Tensor {
  const [x, over] = bind("relu6(Tensor input, bool inplace=False)", [input, inplace]) as [Tensor, boolean];
  return run(hardtanhOp, x, over, { scalars: { min: 0, max: 6 } });
}

const hardswishBackward = activationGradient({
  name: "hardswish_backward",
  kernel: (g, x) => x.le(-3).select(zero(g), x.lt(3).select(g.mul(x.div(3).add(0.5)), g)),
  curvature: (x) => x.abs().lt(3).to(x.dtype).div(3),
});
const hardswishOp = activation({
  name: "hardswish",
  kernel: (x) => x.mul(x.add(3).max(0).min(6)).div(6),
  backward: hardswishBackward,
  check: onlyFloat("hardswish_cpu"),
});

/** `x * relu6(x + 3) / 6`. Howard et al., arXiv:1905.02244. */
export function hardswish(input: Tensor, inplace: boolean | InplaceOption = false): Tensor {
  const [x, over] = bind("hardswish(Tensor input, bool inplace=False)", [input, inplace]) as [Tensor, boolean];
  return run(hardswishOp, x, over);
}

const hardsigmoidBackward = activationGradient({
  name: "hardsigmoid_backward",
  kernel: (g, x) => x.gt(-3).and(x.lt(3)).select(g.div(6), zero(g)),
  curvature: null,
});
const hardsigmoidOp = activation({
  name: "hardsigmoid",
  kernel: (x) => x.add(3).max(0).min(6).div(6),
  backward: hardsigmoidBackward,
  check: onlyFloat("hardsigmoid_cpu"),
});

/** `relu6(x + 3) / 6`. */
export function hardsigmoid(input: Tensor, inplace: boolean | InplaceOption = false): Tensor {
  const [x, over] = bind("hardsigmoid(Tensor input, bool inplace=False)", [input, inplace]) as [Tensor, boolean];
  return run(hardsigmoidOp, x, over);
}

const logSigmoidBackward = activationGradient({
  name: "log_sigmoid_backward",
  kernel: (g, x) => g.mul(logistic(x.neg())),
  curvature: (x) => {
    const s = sigmoid(x);
    return s.mul(s.sub(1));
  },
});
const logSigmoidOp = activation({
  name: "log_sigmoid",
  kernel: (x) => x.min(0).sub(softplusTail(x)),
  backward: logSigmoidBackward,
  check: onlyFloat("log_sigmoid_cpu"),
});

/** `log(sigmoid(x))`, without overflow. */
export function logsigmoid(input: Tensor): Tensor {
  const [x] = bind("logsigmoid(Tensor input)", [input]) as [Tensor];
  return logSigmoidOp.call1(x);
}

/** `x - tanh(x)`. */
export function tanhshrink(input: Tensor): Tensor {
  return input.sub(tanh(input));
}

const shrinkBackward = (name: string) =>
  activationGradient({
    name,
    scalars: { lambd: 0.5 },
    kernel: (g, x, { lambd }) => x.ge(lambd.neg()).and(x.le(lambd)).select(zero(g), g),
    curvature: null,
  });
const hardshrinkOp = activation({
  name: "hardshrink",
  scalars: { lambd: 0.5 },
  kernel: (x, { lambd }) => x.ge(lambd.neg()).and(x.le(lambd)).select(zero(x), x),
  backward: shrinkBackward("hardshrink_backward"),
  check: onlyFloat("hardshrink_cpu"),
});
const softshrinkOp = activation({
  name: "softshrink",
  scalars: { lambd: 0.5 },
  // x * 0 keeps NaN.
  kernel: (x, { lambd }) => x.gt(lambd).select(x.sub(lambd), x.lt(lambd.neg()).select(x.add(lambd), x.mul(0))),
  backward: shrinkBackward("softshrink_backward"),
  check: onlyFloat("softshrink_check"),
});

/** `x`, but 0 within `lambd` of 0. */
export function hardshrink(input: Tensor, lambd?: number | { lambd?: number }): Tensor {
  const [x, l] = bind("hardshrink(Tensor input, Scalar lambd=0.5)", [input, lambd]) as [Tensor, number];
  return hardshrinkOp.call([x], { scalars: { lambd: l } });
}

/** `x` moved towards 0 by `lambd`, and 0 within it. */
export function softshrink(input: Tensor, lambd?: number | { lambd?: number }): Tensor {
  const [x, l] = bind("softshrink(Tensor input, Scalar lambd=0.5)", [input, lambd]) as [Tensor, number];
  if (l < 0) throw new RuntimeError(`lambda must be greater or equal to 0, but found to be ${l}.`);
  return softshrinkOp.call([x], { scalars: { lambd: l } });
}

const preluOp = new PointwiseOp({
  name: "_prelu_kernel",
  operands: 2,
  kernel: ([x, w]) => x.gt(0).select(x, w.mul(x)),
  gradients: [(g, c) => preluBackward(g, c.tensor(0), c.tensor(1)), (g, c) => preluWeightOp.call([g, c.tensor(0)])],
  saves: [[0, 1], [0]],
  check: onlyFloat("prelu_cpu"),
});

function preluBackward(g: Tensor, x: Tensor, w: Tensor): Tensor {
  return preluSlopeOp.call([g, x, w]);
}
const preluSlopeOp: PointwiseOp = new PointwiseOp({
  name: "_prelu_kernel_backward",
  operands: 3,
  kernel: ([g, x, w]) => x.gt(0).select(g, w.mul(g)),
  // The second derivatives count 0 among the positive numbers, as in PyTorch.
  gradients: [
    (gg, c) => gg.where(c.tensor(1).ge(0), gg.mul(c.tensor(2))),
    null,
    (gg, c) => gg.mul(c.tensor(0)).masked_fill(c.tensor(1).ge(0), 0),
  ],
  saves: [[1, 2], [], [0, 1]],
});
const preluWeightOp: PointwiseOp = new PointwiseOp({
  name: "_prelu_kernel_backward",
  operands: 2,
  kernel: ([g, x]) => x.gt(0).select(constant(g.type, 0), x.mul(g)),
  gradients: [
    (gg, c) => gg.mul(c.tensor(1)).masked_fill(c.tensor(1).ge(0), 0),
    (gg, c) => gg.mul(c.tensor(0)).masked_fill(c.tensor(1).ge(0), 0),
  ],
  saves: [[1], [0, 1]],
});

/** `x` above 0, `weight * x` below, with one weight or one for each channel (dimension 1). He et al., arXiv:1502.01852. */
export function prelu(input: Tensor, weight: Tensor): Tensor {
  const [x, w] = bind("prelu(Tensor input, Tensor weight)", [input, weight]) as [Tensor, Tensor];
  if (x.dtype !== w.dtype) throw new RuntimeError(`prelu: Type promoting not supported. Got ${x.dtype} and ${w.dtype}`);
  if (w.count !== 1) {
    if (x.sizes.length === 0) throw new RuntimeError("Not allow zero-dim input tensor.");
    const channels = x.sizes.length > 1 ? x.sizes[1] : 1;
    if (channels !== w.count) {
      throw new RuntimeError(
        `Mismatch of parameter numbers and input channel size. Found parameter numbers = ${w.count} and channel size = ${channels}.`,
      );
    }
  }
  if (w.sizes.length > 1) {
    throw new RuntimeError(`prelu: Expected \`weight\` to be a scalar or 1D tensor, but got: ndim = ${w.sizes.length}`);
  }
  const shape = x.sizes.map((_, d) => (d === 1 ? w.count : 1));
  return preluOp.call2(x, x.sizes.length < 2 ? w.reshape(x.sizes.map(() => 1)) : w.reshape(shape));
}

/** The first half of `dim` times the sigmoid of the second. Dauphin et al., arXiv:1612.08083. */
export function glu(input: Tensor, dim?: number | { dim?: number }): Tensor {
  const [x, d] = bind("glu(Tensor input, int dim=-1)", [input, dim]) as [Tensor, number];
  if (x.sizes.length === 0) {
    throw new RuntimeError("glu does not support scalars because halving size must be even");
  }
  const size = x.size(d);
  if (size % 2 !== 0) {
    const at = d < 0 ? d + x.sizes.length : d;
    throw new RuntimeError(`Halving dimension must be even, but dimension ${at} is size ${size}`);
  }
  return x.narrow(d, 0, size / 2).mul(sigmoid(x.narrow(d, size / 2, size / 2)));
}
