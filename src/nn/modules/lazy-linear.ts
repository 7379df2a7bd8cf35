/** A linear layer that takes its input features from the first input: https://pytorch.org/docs/stable/generated/torch.nn.LazyLinear.html */
import type { Tensor } from "../../tensor.ts";
import { become, has_uninitialized_params, materialize, shapesFrom } from "../lazy.ts";
import { type Arguments, FACTORY, layerArguments } from "../options.ts";
import { UninitializedParameter } from "../parameter.ts";
import { Linear, type LinearOptions } from "./linear.ts";

export type LazyLinearOptions = Omit<LinearOptions, "in_features">;

/** A `Linear` whose `in_features` is that of the first input. */
export class LazyLinear extends Linear {
  constructor(...args: Arguments<LazyLinearOptions, [out_features: number], [bias?: boolean]>) {
    const { out_features, bias, ...factory } = layerArguments<LazyLinearOptions>(
      `LazyLinear.__init__(int out_features, bool bias=True, ${FACTORY})`,
      args,
    );
    super(0, 0, false);
    this.weight = new UninitializedParameter(factory);
    this.out_features = out_features;
    if (bias) this.bias = new UninitializedParameter(factory);
  }

  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }

  override reset_parameters(): void {
    if (this.in_features !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }

  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    const fresh = has_uninitialized_params(this);
    this.in_features = input.size(-1);
    if (!fresh) return;
    materialize(this.weight, [this.out_features, this.in_features]);
    materialize(this.bias, [this.out_features]);
    this.reset_parameters();
  }

  override upgradeState(state: Record<string, unknown>, prefix: string): void {
    shapesFrom(this, state, prefix);
  }

  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, Linear);
    return this.forward(input);
  }
}
