/** Linear layers: https://pytorch.org/docs/stable/nn.html#linear-layers */
import { ValueError } from "../../errors.ts";
import { empty } from "../../ops/creation.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { Parameter } from "../parameter.ts";

/** Returns its input. Takes any arguments, so that it can replace any layer. */
export class Identity extends Module {
  constructor(..._unused: unknown[]) {
    super();
  }
  override forward(input: Tensor): Tensor {
    return input;
  }
}

export interface LinearOptions extends FactoryOptions {
  readonly in_features: number;
  readonly out_features: number;
  /** Learn an additive bias. Default true. */
  readonly bias?: boolean;
}

/**
 * `y = x Aᵀ + b`: input (*, in_features) gives (*, out_features). Weight and bias start uniform in ±1/√in_features.
 */
export class Linear extends Module {
  in_features: number;
  out_features: number;
  /** Shape (out_features, in_features). */
  weight: Parameter;
  bias: Parameter | null;

  constructor(...args: Arguments<LinearOptions, [in_features: number, out_features: number], [bias?: boolean]>) {
    super();
    const { in_features, out_features, bias, ...factory } = layerArguments<LinearOptions>(
      `Linear.__init__(int in_features, int out_features, bool bias=True, ${FACTORY})`,
      args,
    );
    this.in_features = in_features;
    this.out_features = out_features;
    this.weight = new Parameter(empty([out_features, in_features], factory));
    this.bias = bias ? new Parameter(empty([out_features], factory)) : null;
    this.reset_parameters();
  }

  reset_parameters(): void {
    // sqrt(5) makes kaiming_uniform_ uniform in ±1/√fan_in.
    init.kaiming_uniform_(this.weight, { a: Math.sqrt(5) });
    if (this.bias !== null) {
      const [fanIn] = init._calculate_fan_in_and_fan_out(this.weight);
      const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
      init.uniform_(this.bias, -bound, bound);
    }
  }

  override forward(input: Tensor): Tensor {
    return F.linear(input, this.weight, this.bias);
  }

  override extra_repr(): string {
    const bias = pythonRepr(this.bias !== null);
    return `in_features=${this.in_features}, out_features=${this.out_features}, bias=${bias}`;
  }
}

export interface BilinearOptions extends FactoryOptions {
  readonly in1_features: number;
  readonly in2_features: number;
  readonly out_features: number;
  /** Learn an additive bias. Default true. */
  readonly bias?: boolean;
}

/** `y = x₁ᵀ A x₂ + b`, with a matrix A for each output. */
export class Bilinear extends Module {
  in1_features: number;
  in2_features: number;
  out_features: number;
  /** Shape (out_features, in1_features, in2_features). */
  weight: Parameter;
  bias: Parameter | null;

  constructor(
    ...args: Arguments<
      BilinearOptions,
      [in1_features: number, in2_features: number, out_features: number],
      [bias?: boolean]
    >
  ) {
    super();
    const { in1_features, in2_features, out_features, bias, ...factory } = layerArguments<BilinearOptions>(
      `Bilinear.__init__(int in1_features, int in2_features, int out_features, bool bias=True, ${FACTORY})`,
      args,
    );
    if (in1_features <= 0) throw new ValueError(`in1_features must be > 0, but got (in1_features=${in1_features})`);
    this.in1_features = in1_features;
    this.in2_features = in2_features;
    this.out_features = out_features;
    this.weight = new Parameter(empty([out_features, in1_features, in2_features], factory));
    this.bias = bias ? new Parameter(empty([out_features], factory)) : null;
    this.reset_parameters();
  }

  reset_parameters(): void {
    const bound = 1 / Math.sqrt(this.in1_features);
    init.uniform_(this.weight, -bound, bound);
    if (this.bias !== null) init.uniform_(this.bias, -bound, bound);
  }

  override forward(input1: Tensor, input2: Tensor): Tensor {
    return F.bilinear(input1, input2, this.weight, this.bias);
  }

  override extra_repr(): string {
    const bias = pythonRepr(this.bias !== null);
    return `in1_features=${this.in1_features}, in2_features=${this.in2_features}, out_features=${this.out_features}, bias=${bias}`;
  }
}
