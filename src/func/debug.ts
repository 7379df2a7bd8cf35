/** Looking into transformations. */
import { is_tensor, type Tensor } from "../tensor.ts";

/**
 * The tensor that one inside a transformation stands for: the ordinary one at the bottom or, with `recurse: false`, that
 * of the level below. Only for debugging: what is computed with it is not part of the transformation.
 */
export function debug_unwrap(tensor: Tensor, options: { readonly recurse?: boolean } = {}): Tensor {
  if (!is_tensor(tensor)) throw new TypeError("debug_unwrap(): argument 'tensor' must be a Tensor");
  let t = tensor;
  while (t.wrapping !== null) {
    t = t.wrapping.value;
    if (options.recurse === false) break;
  }
  return t;
}
