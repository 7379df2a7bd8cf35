/** The activations that are also methods of Tensor and functions of `torch`. */
import type { Tensor } from "../tensor.ts";
import * as F from "./activations.ts";
import { intoOut } from "./define/out.ts";
import type { OutOption } from "./define/unary.ts";

interface Relu {
  (self: Tensor): Tensor;
  readonly inplace: (self: Tensor) => Tensor;
}

/** `max(x, 0)`. */
export const relu: Relu = Object.assign((self: Tensor): Tensor => F.relu(self), { inplace: F.relu_ });

/** `x`, but 0 within `lambd` of 0. */
export function hardshrink(
  self: Tensor,
  lambd?: number | (OutOption & { lambd?: number }),
  options?: OutOption,
): Tensor {
  const result = F.hardshrink(self, typeof lambd === "object" ? lambd.lambd : lambd);
  const out = (typeof lambd === "object" ? lambd : options)?.out;
  return intoOut(out, result);
}

/** `x` above 0, `weight * x` below. */
export function prelu(self: Tensor, weight: Tensor): Tensor {
  return F.prelu(self, weight);
}
