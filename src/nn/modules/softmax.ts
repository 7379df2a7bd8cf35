/** Softmax and its kin: https://pytorch.org/docs/stable/nn.html#non-linear-activations-other */
import { ValueError } from "../../errors.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import { Module } from "../module.ts";
import { type Arguments, layerArguments } from "../options.ts";

export interface SoftmaxOptions {
  /** Without it PyTorch's old rule chooses: 0 for 0, 1 and 3 dimensions, else 1. */
  readonly dim?: number | null;
}

/** `eˣ` divided by its sum along `dim`. */
export class Softmax extends Module {
  dim: number | null;

  constructor(...args: Arguments<SoftmaxOptions, [], [dim?: number | null]>) {
    super();
    this.dim = layerArguments<SoftmaxOptions>("Softmax.__init__(int? dim=None)", args).dim;
  }

  override forward(input: Tensor): Tensor {
    return F.softmax(input, this.dim);
  }

  override extra_repr(): string {
    return `dim=${pythonRepr(this.dim)}`;
  }
}

export interface LogSoftmaxOptions {
  /** Without it PyTorch's old rule chooses: 0 for 0, 1 and 3 dimensions, else 1. */
  readonly dim?: number | null;
}

/** The logarithm of the softmax along `dim`. */
export class LogSoftmax extends Module {
  dim: number | null;

  constructor(...args: Arguments<LogSoftmaxOptions, [], [dim?: number | null]>) {
    super();
    this.dim = layerArguments<LogSoftmaxOptions>("LogSoftmax.__init__(int? dim=None)", args).dim;
  }

  override forward(input: Tensor): Tensor {
    return F.log_softmax(input, this.dim);
  }

  override extra_repr(): string {
    return `dim=${pythonRepr(this.dim)}`;
  }
}

export interface SoftminOptions {
  /** Without it PyTorch's old rule chooses: 0 for 0, 1 and 3 dimensions, else 1. */
  readonly dim?: number | null;
}

/** The softmax of `-x` along `dim`. */
export class Softmin extends Module {
  dim: number | null;

  constructor(...args: Arguments<SoftminOptions, [], [dim?: number | null]>) {
    super();
    this.dim = layerArguments<SoftminOptions>("Softmin.__init__(int? dim=None)", args).dim;
  }

  override forward(input: Tensor): Tensor {
    return F.softmin(input, this.dim);
  }

  override extra_repr(): string {
    return `dim=${pythonRepr(this.dim)}`;
  }
}

/** The softmax over channels: input (N, C, H, W) or (C, H, W). */
export class Softmax2d extends Module {
  override forward(input: Tensor): Tensor {
    if (input.dim() !== 3 && input.dim() !== 4) {
      throw new ValueError(`Softmax2d: expected input to be 3D or 4D, got ${input.dim()}D instead`);
    }
    return F.softmax(input, -3);
  }
}
