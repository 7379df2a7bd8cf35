/** Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019): https://pytorch.org/docs/stable/generated/torch.optim.Adam.html */
import type { Expr } from "../ir/expr.ts";
import { type Update, update } from "../ops/update.ts";
import type { Tensor } from "../tensor.ts";
import {
  type CommonOptions,
  countStep,
  Optimizer,
  type ParameterState,
  type ParamGroup,
  type ParamsArgument,
  requireValid,
  withDefaults,
  zerosState,
} from "./optimizer.ts";

export interface AdamOptions extends CommonOptions {
  /** Learning rate. Default 1e-3. */
  lr?: number;
  /** Decay rates of the averages of the gradient and of its square. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps?: number;
  /** Default 0, in AdamW 0.01. */
  weight_decay?: number;
  /** Use the maximum of all averages of the square so far. */
  amsgrad?: boolean;
  capturable?: boolean;
  fused?: boolean | null;
  /** Decay the weights themselves (AdamW) rather than add to the gradient. */
  decoupled_weight_decay?: boolean;
}

type Options = Required<AdamOptions>;

/** Variants: "m" maximize, "d" L2 penalty, "w" decoupled decay, "a" amsgrad. */
function kernel(values: readonly Expr[], scalars: readonly Expr[], variant: string): readonly Expr[] {
  const [p, g, average, square, largest] = values;
  const [stepSize, decay, oneMinusBeta1, beta2, oneMinusBeta2, rootCorrection2, eps] = scalars;
  let grad = variant.includes("m") ? g.neg() : g;
  let weight = p;
  if (variant.includes("w")) weight = p.mul(decay);
  else if (variant.includes("d")) grad = grad.add(p.mul(decay));
  const nextAverage = average.add(oneMinusBeta1.mul(grad.sub(average)));
  const nextSquare = square.mul(beta2).add(grad.mul(grad).mul(oneMinusBeta2));
  const nextLargest = variant.includes("a") ? largest.max(nextSquare) : nextSquare;
  const denominator = nextLargest.sqrt().div(rootCorrection2).add(eps);
  const next = weight.sub(stepSize.mul(nextAverage.div(denominator)));
  return variant.includes("a") ? [next, nextAverage, nextSquare, nextLargest] : [next, nextAverage, nextSquare];
}

const adam: Update = update({ name: "adam", inputs: 4, writes: [0, 2, 3], kernel });
const adamMaximum: Update = update({ name: "adam_amsgrad", inputs: 5, writes: [0, 2, 3, 4], kernel });

/** Adam. With `decoupled_weight_decay` it is AdamW. */
export class Adam extends Optimizer<Options> {
  constructor(params: ParamsArgument<AdamOptions>, options: AdamOptions = {}) {
    super(params as ParamsArgument<Options>, withDefaults<Options>("Adam", adamDefaults(), options));
  }

  protected override validate({ lr, betas, eps, weight_decay }: Options): void {
    requireValid(lr >= 0, "learning rate", lr);
    requireValid(eps >= 0, "epsilon value", eps);
    requireValid(betas[0] >= 0 && betas[0] < 1, "beta parameter at index 0", betas[0]);
    requireValid(betas[1] >= 0 && betas[1] < 1, "beta parameter at index 1", betas[1]);
    requireValid(weight_decay >= 0, "weight_decay value", weight_decay);
  }

  protected override update(p: Tensor, grad: Tensor, group: ParamGroup<Options>, state: ParameterState): void {
    const { lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay } = group;
    const [beta1, beta2] = betas;
    const step = countStep(state, p);
    const average = zerosState(state, "exp_avg", p);
    const square = zerosState(state, "exp_avg_sq", p);
    let variant = maximize ? "m" : "";
    if (weight_decay !== 0) variant += decoupled_weight_decay ? "w" : "d";
    const scalars = [
      lr / (1 - beta1 ** step),
      decoupled_weight_decay ? 1 - lr * weight_decay : weight_decay,
      1 - beta1,
      beta2,
      1 - beta2,
      Math.sqrt(1 - beta2 ** step),
      eps,
    ];
    if (amsgrad) {
      adamMaximum([p, grad, average, square, zerosState(state, "max_exp_avg_sq", p)], scalars, `${variant}a`);
    } else adam([p, grad, average, square], scalars, variant);
  }
}

/** Adam whose weight decay acts on the weights themselves; 0.01 by default. */
export class AdamW extends Adam {
  constructor(params: ParamsArgument<AdamOptions>, options: AdamOptions = {}) {
    super(params, { weight_decay: 1e-2, ...options, decoupled_weight_decay: true });
  }
}

function adamDefaults(): Options {
  return {
    lr: 1e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weight_decay: 0,
    amsgrad: false,
    maximize: false,
    foreach: null,
    capturable: false,
    differentiable: false,
    fused: null,
    decoupled_weight_decay: false,
  };
}
