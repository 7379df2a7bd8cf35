/** Gradients of what nothing depends on. */
import { Storage } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import type { InputMetadata } from "./node.ts";

/** Zeros that look like a gradient. */
export function zerosFor({ shape, dtype }: InputMetadata): Tensor {
  return new Tensor(new Storage(0), dtype, [0], [1], 0, true).new_zeros(shape);
}
