/** Adagrad (Duchi et al., 2011): https://pytorch.org/docs/stable/generated/torch.optim.Adagrad.html */
import { withGradMode } from "../autograd/mode.ts";
import { float32 } from "../dtype.ts";
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
} from "./optimizer.ts";

export interface AdagradOptions extends CommonOptions {
  /** Learning rate. Default 1e-2. */
  lr?: number;
  lr_decay?: number;
  weight_decay?: number;
  /** What the sums of squares start at. Default 0. */
  initial_accumulator_value?: number;
  eps?: number;
  fused?: boolean | null;
}

type Options = Required<AdagradOptions>;

const adagrad: Update = update({
  name: "adagrad",
  inputs: 3,
  writes: [0, 2],
  kernel: ([p, g, sum], [lr, decay, eps], variant) => {
    let grad = variant.includes("m") ? g.neg() : g;
    if (variant.includes("d")) grad = grad.add(p.mul(decay));
    const nextSum = sum.add(grad.mul(grad));
    return [p.sub(lr.mul(grad.div(nextSum.sqrt().add(eps)))), nextSum];
  },
});

/** Divides the gradient by the root of the sum of all its squares so far. */
export class Adagrad extends Optimizer<Options> {
  constructor(params: ParamsArgument<AdagradOptions>, options: AdagradOptions = {}) {
    super(
      params as ParamsArgument<Options>,
      withDefaults<Options>(
        "Adagrad",
        {
          lr: 1e-2,
          lr_decay: 0,
          eps: 1e-10,
          weight_decay: 0,
          initial_accumulator_value: 0,
          foreach: null,
          maximize: false,
          differentiable: false,
          fused: null,
        },
        options,
      ),
    );
    // PyTorch makes this state here rather than at the first step.
    for (const group of this.param_groups) for (const p of group.params) this.state.set(p, this.initialState(p, group));
  }

  private initialState(p: Tensor, group: Options): ParameterState {
    return withGradMode(false, () => ({
      step: p.new_zeros([], { dtype: float32 }),
      sum: p.detach().mul(0).fill_(group.initial_accumulator_value),
    }));
  }

  protected override validate({ lr, lr_decay, weight_decay, initial_accumulator_value, eps }: Options): void {
    requireValid(lr >= 0, "learning rate", lr);
    requireValid(lr_decay >= 0, "lr_decay value", lr_decay);
    requireValid(weight_decay >= 0, "weight_decay value", weight_decay);
    requireValid(initial_accumulator_value >= 0, "initial_accumulator_value value", initial_accumulator_value);
    requireValid(eps >= 0, "epsilon value", eps);
  }

  protected override update(p: Tensor, grad: Tensor, group: ParamGroup<Options>, state: ParameterState): void {
    if (state.sum === undefined) Object.assign(state, this.initialState(p, group));
    const step = countStep(state, p);
    const rate = group.lr / (1 + (step - 1) * group.lr_decay);
    const variant = `${group.maximize ? "m" : ""}${group.weight_decay !== 0 ? "d" : ""}`;
    adagrad([p, grad, state.sum as Tensor], [rate, group.weight_decay, group.eps], variant);
  }
}
