/** The Jacobian by forward mode: vmap over a standard basis of tangents. */
import { NotImplementedError, RuntimeError } from "../errors.ts";
import type { Tensors } from "./functional-tensors.ts";

export function forwardJacobian(
  _func: (...inputs: never[]) => Tensors,
  _inputs: Tensors,
  strict: boolean,
  vectorize: boolean,
): unknown {
  if (strict) {
    throw new RuntimeError(
      'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not supported together (yet). Please either set `strict=False` or `strategy="reverse-mode"`.',
    );
  }
  if (!vectorize) {
    throw new NotImplementedError(
      "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for `vectorize=True`.",
    );
  }
  throw new NotImplementedError('strategy="forward-mode" needs forward mode AD, which is not there yet');
}
