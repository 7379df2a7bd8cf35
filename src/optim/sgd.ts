/** Stochastic gradient descent: https://pytorch.org/docs/stable/generated/torch.optim.SGD.html */
import { ValueError } from "../errors.ts";
import { type Update, update } from "../ops/update.ts";
import type { Tensor } from "../tensor.ts";
import {
  type CommonOptions,
  Optimizer,
  type ParameterState,
  type ParamGroup,
  type ParamsArgument,
  requireValid,
  withDefaults,
} from "./optimizer.ts";

export interface SGDOptions extends CommonOptions {
  /** Learning rate. Default 1e-3. */
  lr?: number;
  momentum?: number;
  /** How much of the gradient the momentum leaves out. */
  dampening?: number;
  /** L2 penalty: adds `weight_decay · parameter` to the gradient. */
  weight_decay?: number;
  nesterov?: boolean;
  fused?: boolean | null;
}

const plain: Update = update({
  name: "sgd",
  inputs: 2,
  writes: [0],
  kernel: ([p, g], [lr, decay, sign], variant) => {
    const grad = gradient(p, g, decay, sign, variant);
    return [p.sub(lr.mul(grad))];
  },
});

/** With momentum: variants "n" nesterov, "f" first step. */
const withMomentum: Update = update({
  name: "sgd_momentum",
  inputs: 3,
  writes: [2, 0],
  kernel: ([p, g, buffer], [lr, decay, sign, momentum, undamped], variant) => {
    const grad = gradient(p, g, decay, sign, variant);
    const next = variant.includes("f") ? grad : buffer.mul(momentum).add(grad.mul(undamped));
    const direction = variant.includes("n") ? grad.add(next.mul(momentum)) : next;
    return [next, p.sub(lr.mul(direction))];
  },
});

type E = Parameters<Parameters<typeof update>[0]["kernel"]>[0][number];

function gradient(p: E, g: E, decay: E, sign: E, variant: string): E {
  const grad = variant.includes("m") ? g.mul(sign) : g;
  return variant.includes("d") ? grad.add(p.mul(decay)) : grad;
}

/** `v ← momentum·v + (1 - dampening)·g`, `p ← p - lr·v`; the first v is g itself. */
export class SGD extends Optimizer<Required<SGDOptions>> {
  constructor(params: ParamsArgument<SGDOptions>, options: SGDOptions = {}) {
    super(
      params as ParamsArgument<Required<SGDOptions>>,
      withDefaults<Required<SGDOptions>>(
        "SGD",
        {
          lr: 1e-3,
          momentum: 0,
          dampening: 0,
          weight_decay: 0,
          nesterov: false,
          maximize: false,
          foreach: null,
          differentiable: false,
          fused: null,
        },
        options,
      ),
    );
  }

  protected override validate({ lr, momentum, dampening, weight_decay, nesterov }: Required<SGDOptions>): void {
    requireValid(lr >= 0, "learning rate", lr);
    requireValid(momentum >= 0, "momentum value", momentum);
    requireValid(weight_decay >= 0, "weight_decay value", weight_decay);
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new ValueError("Nesterov momentum requires a momentum and zero dampening");
    }
  }

  protected override update(
    p: Tensor,
    grad: Tensor,
    group: ParamGroup<Required<SGDOptions>>,
    state: ParameterState,
  ): void {
    const { lr, momentum, dampening, weight_decay, nesterov, maximize } = group;
    let variant = `${maximize ? "m" : ""}${weight_decay !== 0 ? "d" : ""}`;
    const sign = maximize ? -1 : 1;
    if (momentum === 0) {
      plain([p, grad], [lr, weight_decay, sign], variant);
      return;
    }
    if (nesterov) variant += "n";
    let buffer = state.momentum_buffer as Tensor | null | undefined;
    if (buffer === undefined || buffer === null) {
      state.momentum_buffer = buffer = p.detach().clone();
      variant += "f";
    }
    withMomentum([p, grad, buffer], [lr, weight_decay, sign, momentum, 1 - dampening], variant);
  }
}
