/** RMSprop (Hinton's lecture 6e): https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html */
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

export interface RMSpropOptions extends CommonOptions {
  /** Learning rate. Default 1e-2. */
  lr?: number;
  momentum?: number;
  /** Decay rate of the average of the squared gradient. Default 0.99. */
  alpha?: number;
  eps?: number;
  /** Divide by an estimate of the variance rather than of the second moment. */
  centered?: boolean;
  weight_decay?: number;
  capturable?: boolean;
}

type Options = Required<RMSpropOptions>;

/** Variants: "m" maximize, "d" L2 penalty, "c" centered, "v" momentum; the last two have a state tensor each. */
function kernel(values: readonly Expr[], scalars: readonly Expr[], variant: string): readonly Expr[] {
  const [p, g, square, ...more] = values;
  const [lr, decay, alpha, oneMinusAlpha, eps, momentum] = scalars;
  let grad = variant.includes("m") ? g.neg() : g;
  if (variant.includes("d")) grad = grad.add(p.mul(decay));
  const nextSquare = square.mul(alpha).add(grad.mul(grad).mul(oneMinusAlpha));
  const results: Expr[] = [nextSquare];
  let variance = nextSquare;
  if (variant.includes("c")) {
    const mean = more[0];
    const nextMean = mean.add(oneMinusAlpha.mul(grad.sub(mean)));
    variance = nextSquare.sub(nextMean.mul(nextMean));
    results.push(nextMean);
  }
  let direction = grad.div(variance.sqrt().add(eps));
  if (variant.includes("v")) {
    direction = more[more.length - 1].mul(momentum).add(direction);
    results.push(direction);
  }
  return [p.sub(lr.mul(direction)), ...results];
}

const updates: readonly Update[] = [0, 1, 2].map((extra) =>
  update({ name: `rmsprop${extra}`, inputs: 3 + extra, writes: [0, 2, 3, 4].slice(0, 2 + extra), kernel }),
);

/** Divides the gradient by a running average of its size. */
export class RMSprop extends Optimizer<Options> {
  constructor(params: ParamsArgument<RMSpropOptions>, options: RMSpropOptions = {}) {
    super(
      params as ParamsArgument<Options>,
      withDefaults<Options>(
        "RMSprop",
        {
          lr: 1e-2,
          momentum: 0,
          alpha: 0.99,
          eps: 1e-8,
          centered: false,
          weight_decay: 0,
          capturable: false,
          foreach: null,
          maximize: false,
          differentiable: false,
        },
        options,
      ),
    );
  }

  protected override validate({ lr, momentum, alpha, eps, weight_decay }: Options): void {
    requireValid(lr >= 0, "learning rate", lr);
    requireValid(eps >= 0, "epsilon value", eps);
    requireValid(momentum >= 0, "momentum value", momentum);
    requireValid(weight_decay >= 0, "weight_decay value", weight_decay);
    requireValid(alpha >= 0, "alpha value", alpha);
  }

  protected override update(p: Tensor, grad: Tensor, group: ParamGroup<Options>, state: ParameterState): void {
    const { lr, momentum, alpha, eps, centered, weight_decay, maximize } = group;
    countStep(state, p);
    const tensors = [p, grad, zerosState(state, "square_avg", p)];
    let variant = `${maximize ? "m" : ""}${weight_decay !== 0 ? "d" : ""}`;
    if (momentum > 0) zerosState(state, "momentum_buffer", p);
    if (centered) {
      tensors.push(zerosState(state, "grad_avg", p));
      variant += "c";
    }
    if (momentum > 0) {
      tensors.push(zerosState(state, "momentum_buffer", p));
      variant += "v";
    }
    updates[tensors.length - 3](tensors, [lr, weight_decay, alpha, 1 - alpha, eps, momentum], variant);
  }
}
