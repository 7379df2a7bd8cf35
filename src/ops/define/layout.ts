/** The memory layout of results of pointwise ops. */
import type { DType } from "../../dtype.ts";
import { broadcastStrides, contiguousStrides, sameShape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { allocate } from "../row.ts";

/**
 * A result with the memory layout PyTorch gives it: dimensions are ordered as in the operands, the first operand first,
 * so that the result of a transposed tensor is transposed too.
 */
export function allocateLike(dtype: DType, shape: readonly number[], inputs: readonly Tensor[]): Tensor {
  let plain = true;
  for (const t of inputs) if (!(t.contiguousLayout && (t.sizes.length === shape.length || t.count <= 1))) plain = false;
  if (plain) return allocate(dtype, shape);
  const strides = inputs.map((t) => broadcastStrides(t.sizes, t.strides, shape));
  const rank = shape.length;
  const order: number[] = Array.from({ length: rank }, (_, i) => rank - 1 - i); // fastest first
  // PyTorch's TensorIterator: insertion sort, swapping only where an operand's strides clearly say so.
  const shouldSwap = (a: number, b: number): number => {
    for (const s of strides) {
      if (s[a] === 0 || s[b] === 0) continue;
      if (s[a] < s[b]) return -1;
      if (s[a] > s[b]) return 1;
      if (shape[a] > shape[b]) return 1;
    }
    return 0;
  };
  for (let i = 1; i < rank; i++) {
    let at = i;
    for (let j = i - 1; j >= 0; j--) {
      const comparison = shouldSwap(order[j], order[at]);
      if (comparison > 0) {
        const t = order[j];
        order[j] = order[at];
        order[at] = t;
        at = j;
      } else if (comparison < 0) break;
    }
  }
  const out = new Array<number>(rank);
  let step = 1;
  for (const d of order) {
    out[d] = step;
    step *= Math.max(shape[d], 1);
  }
  return sameShape(out, contiguousStrides(shape)) ? allocate(dtype, shape) : allocate(dtype, shape, out);
}

/** `t` itself if it reads exactly the elements that `out` writes, else a copy made before they are overwritten. */
export function disjoint(t: Tensor, out: Tensor): Tensor {
  if (t === out || t.storage !== out.storage) return t;
  const same = t.offset === out.offset && t.dtype === out.dtype;
  if (same && sameShape(t.sizes, out.sizes) && sameShape(t.strides, out.strides)) return t;
  return t.detach().clone();
}
