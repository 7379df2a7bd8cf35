/** What functions that make tensors have in common: their keyword arguments and checks. */
import type { Device } from "../device.ts";
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { type Scalar, scalarDType } from "./define/promote.ts";

/** Keyword arguments of functions that make tensors. */
export interface TensorOptions {
  /** Default: the default float type, or what the values call for. */
  readonly dtype?: DType | null;
  readonly device?: string | Device | null;
  /** Record operations on the new tensor. */
  readonly requires_grad?: boolean;
}

/** The part of a signature that binds `TensorOptions`. */
export const OPTIONS =
  "dtype? dtype=None, any? device=None, bool requires_grad=False, any? layout=None, bool pin_memory=False";

/** What `OPTIONS` binds to. */
export type BoundOptions = [DType | null, string | Device | null, boolean];

export function checkSizes(sizes: Shape): void {
  for (const s of sizes) {
    if (s < 0) throw new RuntimeError(`Trying to create tensor with negative dimension ${s}: ${shapeText(sizes)}`);
  }
}

/** Sets `requires_grad` of a new tensor. */
export function finish(x: Tensor, requiresGrad: boolean): Tensor {
  if (requiresGrad) x.requires_grad = true;
  return x;
}

/** The type that numbers call for: whole ones that are to have gradients mean floats. */
export function inferred(values: readonly Scalar[], requiresGrad: boolean): DType {
  let type: DType = dt.bool;
  for (const v of values) type = dt.promote_types(type, scalarDType(v));
  return requiresGrad && !type.is_floating_point ? dt.get_default_dtype() : type;
}
