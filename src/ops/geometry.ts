/** Parts of views: other geometry over the same memory. */
import type { Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { zerosLike } from "./copy.ts";

/** The memory of `x` with another geometry; `offset` counts from the storage's start. Not recorded. */
export function viewOf(x: Tensor, sizes: Shape, strides: Shape, offset = x.offset): Tensor {
  return new Tensor(x.storage, x.dtype, sizes, strides, offset);
}

/** A list without one entry. */
export function without(list: Shape, position: number): number[] {
  return list.filter((_, i) => i !== position);
}

/** Zeros with the dtype of `like`. */
export function zerosOf(like: Tensor, sizes: Shape): Tensor {
  return zerosLike(
    viewOf(
      like,
      sizes,
      sizes.map(() => 0),
    ),
  );
}
