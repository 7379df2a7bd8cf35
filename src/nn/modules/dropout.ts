/** Dropout: https://pytorch.org/docs/stable/nn.html#dropout-layers. All do nothing in evaluation mode. */
import { ValueError } from "../../errors.ts";
import { pythonFloat, pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import { Module } from "../module.ts";
import { type Arguments, layerArguments } from "../options.ts";

export interface DropoutOptions {
  /** The probability of an element (or channel) to become zero. Default 0.5. */
  readonly p?: number;
  /** Change the input itself. Default false. */
  readonly inplace?: boolean;
}

type DropoutArguments = Arguments<DropoutOptions, [], [p?: number, inplace?: boolean]>;

abstract class DropoutNd extends Module {
  p: number;
  inplace: boolean;

  constructor(...args: DropoutArguments) {
    super();
    const signature = `${new.target.name}.__init__(float p=0.5, bool inplace=False)`;
    const { p, inplace } = layerArguments<DropoutOptions>(signature, args);
    // Written so that NaN fails too.
    if (!(p >= 0 && p <= 1)) {
      throw new ValueError(`dropout probability has to be between 0 and 1, but got ${pythonRepr(p)}`);
    }
    this.p = p;
    this.inplace = inplace;
  }

  override extra_repr(): string {
    // A probability is a float: 0 reads 0.0.
    return `p=${pythonRepr(pythonFloat(this.p))}, inplace=${pythonRepr(this.inplace)}`;
  }
}

/** Zeroes elements at random, and scales the others by 1/(1−p). Srivastava et al., 2014. */
export class Dropout extends DropoutNd {
  override forward(input: Tensor): Tensor {
    return F.dropout(input, this.p, this.training, this.inplace);
  }
}

/** Zeroes whole channels of (N, C, L) or (C, L). */
export class Dropout1d extends DropoutNd {
  override forward(input: Tensor): Tensor {
    return F.dropout1d(input, this.p, this.training, this.inplace);
  }
}

/** Zeroes whole channels of (N, C, H, W) or (N, C, L). */
export class Dropout2d extends DropoutNd {
  override forward(input: Tensor): Tensor {
    return F.dropout2d(input, this.p, this.training, this.inplace);
  }
}

/** Zeroes whole channels of (N, C, D, H, W) or (C, D, H, W). */
export class Dropout3d extends DropoutNd {
  override forward(input: Tensor): Tensor {
    return F.dropout3d(input, this.p, this.training, this.inplace);
  }
}

/** Dropout that keeps zero mean and unit variance, for SELU networks. Klambauer et al., 2017. */
export class AlphaDropout extends DropoutNd {
  override forward(input: Tensor): Tensor {
    return F.alpha_dropout(input, this.p, this.training);
  }
}

/** AlphaDropout of whole channels. */
export class FeatureAlphaDropout extends DropoutNd {
  override forward(input: Tensor): Tensor {
    return F.feature_alpha_dropout(input, this.p, this.training);
  }
}
