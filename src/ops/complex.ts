/** Parts of complex numbers, for tensors that have none: complex dtypes are not implemented. */
import { RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { bind } from "./define/schema.ts";

/** The real part: this tensor. */
export function real(self: Tensor): Tensor {
  return (bind("real(Tensor self)", [self]) as [Tensor])[0];
}

/** The imaginary part, which real tensors do not have: always an error, as in PyTorch. */
export function imag(self: Tensor): Tensor {
  bind("imag(Tensor self)", [self]);
  throw new RuntimeError("imag is not implemented for tensors with non-complex dtypes.");
}

/** The conjugate: this tensor. */
export function conj(self: Tensor): Tensor {
  return (bind("conj(Tensor self)", [self]) as [Tensor])[0];
}
