/** Derivatives by forward mode. */
import { NotImplementedError } from "../../errors.ts";
import type { Tensor } from "../../tensor.ts";
import type { ListFunction } from "./inputs.ts";

const missing = (): never => {
  throw new NotImplementedError("check_forward_ad: forward-mode automatic differentiation is not there yet");
};

/** The Jacobians of all floating-point outputs (inner list) for each input with a gradient. */
export function forwardJacobians(
  _fn: ListFunction,
  _inputs: readonly unknown[],
  _outputs: readonly Tensor[],
): Tensor[][] {
  return missing();
}

/** `J · u` of all floating-point outputs (inner list) for each input with a gradient. */
export function forwardDerivatives(
  _fn: ListFunction,
  _inputs: readonly unknown[],
  _outputs: readonly Tensor[],
  _us: readonly Tensor[],
): Tensor[][] {
  return missing();
}
