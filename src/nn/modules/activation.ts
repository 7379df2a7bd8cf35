/** Activations: https://pytorch.org/docs/stable/nn.html#non-linear-activations-weighted-sum-nonlinearity */
import { ValueError } from "../../errors.ts";
import { empty } from "../../ops/creation.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, floatText, layerArguments } from "../options.ts";
import { Parameter } from "../parameter.ts";

export interface InplaceOptions {
  /** Change the input itself. Default false. */
  readonly inplace?: boolean;
}

/** An activation whose only argument is `inplace`. */
abstract class InplaceActivation extends Module {
  inplace: boolean;

  constructor(...args: Arguments<InplaceOptions, [], [inplace?: boolean]>) {
    super();
    const signature = `${new.target.name}.__init__(bool inplace=False)`;
    this.inplace = layerArguments<InplaceOptions>(signature, args).inplace;
  }

  override extra_repr(): string {
    return this.inplace ? "inplace=True" : "";
  }
}

function inplaceText(inplace: boolean): string {
  return inplace ? ", inplace=True" : "";
}

/** `max(x, 0)`. */
export class ReLU extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.relu(input, this.inplace);
  }
}

/** `min(max(x, 0), 6)`. */
export class ReLU6 extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.relu6(input, this.inplace);
  }
}

/** A scaled ELU that keeps mean and variance. Klambauer et al., 2017. */
export class SELU extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.selu(input, this.inplace);
  }
}

/** `x·σ(x)`, also known as swish. */
export class SiLU extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.silu(input, this.inplace);
  }
}

/** `x·tanh(softplus(x))`. Misra, 2019. */
export class Mish extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.mish(input, this.inplace);
  }
}

/** `relu6(x + 3) / 6`. */
export class Hardsigmoid extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.hardsigmoid(input, this.inplace);
  }

  // PyTorch's text does not show it here.
  override extra_repr(): string {
    return "";
  }
}

/** `x·relu6(x + 3) / 6`. Howard et al., 2019. */
export class Hardswish extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return F.hardswish(input, this.inplace);
  }

  // PyTorch's text does not show it here.
  override extra_repr(): string {
    return "";
  }
}

/** `1 / (1 + e⁻ˣ)`. */
export class Sigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return F.sigmoid(input);
  }
}

/** `log σ(x)`. */
export class LogSigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return F.logsigmoid(input);
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    return F.tanh(input);
  }
}

/** `x − tanh(x)`. */
export class Tanhshrink extends Module {
  override forward(input: Tensor): Tensor {
    return F.tanhshrink(input);
  }
}

/** `x / (1 + |x|)`. */
export class Softsign extends Module {
  override forward(input: Tensor): Tensor {
    return F.softsign(input);
  }
}

export interface ELUOptions extends InplaceOptions {
  /** Default 1. */
  readonly alpha?: number;
}

/** `x` where positive, else `α(eˣ − 1)`. Clevert et al., 2015. */
export class ELU extends Module {
  alpha: number;
  inplace: boolean;

  constructor(...args: Arguments<ELUOptions, [], [alpha?: number, inplace?: boolean]>) {
    super();
    const signature = "ELU.__init__(float alpha=1, bool inplace=False)";
    const { alpha, inplace } = layerArguments<ELUOptions>(signature, args);
    this.alpha = alpha;
    this.inplace = inplace;
  }

  override forward(input: Tensor): Tensor {
    return F.elu(input, this.alpha, this.inplace);
  }

  override extra_repr(): string {
    return `alpha=${floatText(this.alpha, 1)}${inplaceText(this.inplace)}`;
  }
}

export interface CELUOptions extends InplaceOptions {
  /** Default 1. */
  readonly alpha?: number;
}

/** `max(0, x) + min(0, α(e^(x/α) − 1))`. Barron, 2017. */
export class CELU extends Module {
  alpha: number;
  inplace: boolean;

  constructor(...args: Arguments<CELUOptions, [], [alpha?: number, inplace?: boolean]>) {
    super();
    const signature = "CELU.__init__(float alpha=1, bool inplace=False)";
    const { alpha, inplace } = layerArguments<CELUOptions>(signature, args);
    this.alpha = alpha;
    this.inplace = inplace;
  }

  override forward(input: Tensor): Tensor {
    return F.celu(input, this.alpha, this.inplace);
  }

  override extra_repr(): string {
    return `alpha=${floatText(this.alpha, 1)}${inplaceText(this.inplace)}`;
  }
}

export interface LeakyReLUOptions extends InplaceOptions {
  /** Default 0.01. */
  readonly negative_slope?: number;
}

/** `x` where positive, else `negative_slope · x`. */
export class LeakyReLU extends Module {
  negative_slope: number;
  inplace: boolean;

  constructor(...args: Arguments<LeakyReLUOptions, [], [negative_slope?: number, inplace?: boolean]>) {
    super();
    const signature = "LeakyReLU.__init__(float negative_slope=0.01, bool inplace=False)";
    const { negative_slope, inplace } = layerArguments<LeakyReLUOptions>(signature, args);
    this.negative_slope = negative_slope;
    this.inplace = inplace;
  }

  override forward(input: Tensor): Tensor {
    return F.leaky_relu(input, this.negative_slope, this.inplace);
  }

  override extra_repr(): string {
    return `negative_slope=${pythonRepr(this.negative_slope)}${inplaceText(this.inplace)}`;
  }
}

export interface RReLUOptions extends InplaceOptions {
  /** Default 1/8. */
  readonly lower?: number;
  /** Default 1/3. */
  readonly upper?: number;
}

/** A leaky ReLU whose slope is drawn from [lower, upper) in training, and is their mean in evaluation. Xu et al., 2015. */
export class RReLU extends Module {
  lower: number;
  upper: number;
  inplace: boolean;

  constructor(...args: Arguments<RReLUOptions, [], [lower?: number, upper?: number, inplace?: boolean]>) {
    super();
    const signature = "RReLU.__init__(float lower=0.125, float upper=0.3333333333333333, bool inplace=False)";
    const { lower, upper, inplace } = layerArguments<RReLUOptions>(signature, args);
    this.lower = lower;
    this.upper = upper;
    this.inplace = inplace;
  }

  override forward(input: Tensor): Tensor {
    return F.rrelu(input, this.lower, this.upper, this.training, this.inplace);
  }

  override extra_repr(): string {
    return `lower=${pythonRepr(this.lower)}, upper=${pythonRepr(this.upper)}${inplaceText(this.inplace)}`;
  }
}

export interface HardtanhOptions extends InplaceOptions {
  /** Default -1. */
  readonly min_val?: number;
  /** Default 1. */
  readonly max_val?: number;
}

/** `x` clamped to [min_val, max_val]. */
export class Hardtanh extends Module {
  min_val: number;
  max_val: number;
  inplace: boolean;

  constructor(...args: Arguments<HardtanhOptions, [], [min_val?: number, max_val?: number, inplace?: boolean]>) {
    super();
    const signature = "Hardtanh.__init__(float min_val=-1, float max_val=1, bool inplace=False)";
    const { min_val, max_val, inplace } = layerArguments<HardtanhOptions>(signature, args);
    if (max_val <= min_val) {
      throw new ValueError(`max_val (${pythonRepr(max_val)}) must be greater than min_val (${pythonRepr(min_val)})`);
    }
    this.min_val = min_val;
    this.max_val = max_val;
    this.inplace = inplace;
  }

  override forward(input: Tensor): Tensor {
    return F.hardtanh(input, this.min_val, this.max_val, this.inplace);
  }

  override extra_repr(): string {
    return `min_val=${floatText(this.min_val, -1)}, max_val=${floatText(this.max_val, 1)}${inplaceText(this.inplace)}`;
  }
}

export interface ThresholdOptions extends InplaceOptions {
  /** Where to cut. */
  readonly threshold: number;
  /** What to put in place of smaller elements. */
  readonly value: number;
}

/** `x` where it exceeds `threshold`, else `value`. */
export class Threshold extends Module {
  threshold: number;
  value: number;
  inplace: boolean;

  constructor(...args: Arguments<ThresholdOptions, [threshold: number, value: number], [inplace?: boolean]>) {
    super();
    const signature = "Threshold.__init__(float threshold, float value, bool inplace=False)";
    const { threshold, value, inplace } = layerArguments<ThresholdOptions>(signature, args);
    this.threshold = threshold;
    this.value = value;
    this.inplace = inplace;
  }

  override forward(input: Tensor): Tensor {
    return F.threshold(input, this.threshold, this.value, this.inplace);
  }

  override extra_repr(): string {
    return `threshold=${pythonRepr(this.threshold)}, value=${pythonRepr(this.value)}${inplaceText(this.inplace)}`;
  }
}

export interface SoftplusOptions {
  /** Default 1. */
  readonly beta?: number;
  /** Default 20. */
  readonly threshold?: number;
}

/** `log(1 + e^(βx)) / β`; the identity where `βx` exceeds `threshold`. */
export class Softplus extends Module {
  beta: number;
  threshold: number;

  constructor(...args: Arguments<SoftplusOptions, [], [beta?: number, threshold?: number]>) {
    super();
    const signature = "Softplus.__init__(float beta=1, float threshold=20)";
    const { beta, threshold } = layerArguments<SoftplusOptions>(signature, args);
    this.beta = beta;
    this.threshold = threshold;
  }

  override forward(input: Tensor): Tensor {
    return F.softplus(input, this.beta, this.threshold);
  }

  override extra_repr(): string {
    return `beta=${floatText(this.beta, 1)}, threshold=${floatText(this.threshold, 20)}`;
  }
}

export interface HardshrinkOptions {
  /** Default 0.5. */
  readonly lambd?: number;
}

/** `x` where `|x| > λ`, else 0. */
export class Hardshrink extends Module {
  lambd: number;

  constructor(...args: Arguments<HardshrinkOptions, [], [lambd?: number]>) {
    super();
    this.lambd = layerArguments<HardshrinkOptions>("Hardshrink.__init__(float lambd=0.5)", args).lambd;
  }

  override forward(input: Tensor): Tensor {
    return F.hardshrink(input, this.lambd);
  }

  override extra_repr(): string {
    return pythonRepr(this.lambd);
  }
}

export interface SoftshrinkOptions {
  /** Default 0.5. */
  readonly lambd?: number;
}

/** `x` moved towards 0 by λ. */
export class Softshrink extends Module {
  lambd: number;

  constructor(...args: Arguments<SoftshrinkOptions, [], [lambd?: number]>) {
    super();
    this.lambd = layerArguments<SoftshrinkOptions>("Softshrink.__init__(float lambd=0.5)", args).lambd;
  }

  override forward(input: Tensor): Tensor {
    return F.softshrink(input, this.lambd);
  }

  override extra_repr(): string {
    return pythonRepr(this.lambd);
  }
}

export interface GELUOptions {
  /** "tanh" approximates Φ. Default "none". */
  readonly approximate?: "none" | "tanh";
}

/** `x·Φ(x)`, Φ the normal distribution function. Hendrycks and Gimpel, 2016. */
export class GELU extends Module {
  approximate: "none" | "tanh";

  constructor(...args: Arguments<GELUOptions, [], [approximate?: "none" | "tanh"]>) {
    super();
    this.approximate = layerArguments<GELUOptions>('GELU.__init__(str approximate="none")', args).approximate;
  }

  override forward(input: Tensor): Tensor {
    return F.gelu(input, this.approximate);
  }

  override extra_repr(): string {
    return `approximate='${this.approximate}'`;
  }
}

export interface GLUOptions {
  /** Default -1. */
  readonly dim?: number;
}

/** The first half of dimension `dim` times the sigmoid of the second. Dauphin et al., 2016. */
export class GLU extends Module {
  dim: number;

  constructor(...args: Arguments<GLUOptions, [], [dim?: number]>) {
    super();
    this.dim = layerArguments<GLUOptions>("GLU.__init__(int dim=-1)", args).dim;
  }

  override forward(input: Tensor): Tensor {
    return F.glu(input, this.dim);
  }

  override extra_repr(): string {
    return `dim=${this.dim}`;
  }
}

export interface PReLUOptions extends FactoryOptions {
  /** 1, or the number of channels. Default 1. */
  readonly num_parameters?: number;
  /** Default 0.25. */
  readonly init?: number;
}

/** A leaky ReLU that learns its slope, for all channels or for each. He et al., 2015. */
export class PReLU extends Module {
  num_parameters: number;
  init: number;
  weight: Parameter;

  constructor(...args: Arguments<PReLUOptions, [], [num_parameters?: number, init?: number]>) {
    super();
    const signature = `PReLU.__init__(int num_parameters=1, float init=0.25, ${FACTORY})`;
    const { num_parameters, init, ...factory } = layerArguments<PReLUOptions>(signature, args);
    this.num_parameters = num_parameters;
    this.init = init;
    this.weight = new Parameter(empty([num_parameters], factory));
    this.reset_parameters();
  }

  reset_parameters(): void {
    init.constant_(this.weight, this.init);
  }

  override forward(input: Tensor): Tensor {
    return F.prelu(input, this.weight);
  }

  override extra_repr(): string {
    return `num_parameters=${this.num_parameters}`;
  }
}
