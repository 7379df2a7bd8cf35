/** What losses have in common. */
import type { Tensor } from "../../tensor.ts";
import { Module } from "../module.ts";

/** What becomes of the losses of the elements. KLDivLoss also takes "batchmean". */
export type Reduction = "none" | "mean" | "sum";

export interface LossOptions<R extends string = Reduction> {
  /** Default "mean". */
  readonly reduction?: R;
  /** @deprecated Use `reduction`. */
  readonly size_average?: boolean | null;
  /** @deprecated Use `reduction`. */
  readonly reduce?: boolean | null;
}

/** The part of a signature that binds `LossOptions`: by keyword only, since PyTorch's order has the deprecated ones first. */
export const REDUCTION = '*, str reduction="mean", bool? size_average=None, bool? reduce=None';

export abstract class Loss<R extends string = Reduction> extends Module {
  reduction: R;

  protected constructor(options: Required<LossOptions<R>>) {
    super();
    const { reduction, size_average, reduce } = options;
    this.reduction =
      size_average === null && reduce === null
        ? reduction
        : ((reduce === false ? "none" : size_average === false ? "sum" : "mean") as R);
  }
}

export interface WeightedLossOptions extends LossOptions {
  /** Factors; a buffer of the module. */
  readonly weight?: Tensor | null;
}

export abstract class WeightedLoss extends Loss {
  declare weight: Tensor | null;

  protected constructor(options: Required<WeightedLossOptions>) {
    super(options);
    this.register_buffer("weight", options.weight);
  }
}
