/** Variance or deviation together with the mean: functions of the torch namespace that are not methods. */
import type { Tensor } from "../tensor.ts";
import { bindVariance, type VarianceOptions, varianceMeanOp } from "./define/variance.ts";
import type { Dims } from "./reductions.ts";

function momentsFunction(name: "var_mean" | "std_mean") {
  const op = varianceMeanOp(name);
  return (
    self: Tensor,
    dim?: Dims | boolean | VarianceOptions,
    unbiased?: boolean | VarianceOptions,
    keepdim?: boolean | VarianceOptions,
    options?: VarianceOptions,
  ): [Tensor, Tensor] => {
    const { x, attrs } = bindVariance(name, [self, dim, unbiased, keepdim, options], false);
    return op(x, attrs) as [Tensor, Tensor];
  };
}
type Moments = ReturnType<typeof momentsFunction>;

/** Variance and mean of all elements or over `dim`; see `var`. */
export const var_mean: Moments = momentsFunction("var_mean");
/** Standard deviation and mean of all elements or over `dim`; see `std`. */
export const std_mean: Moments = momentsFunction("std_mean");
