/** How gradients and tangents lie in memory beside the tensors that they belong to. */
import type { Tensor } from "../tensor.ts";

/** The dimensions from the outermost in memory to the innermost; null where elements have gaps or share memory. */
export function denseOrder(t: Tensor): number[] | null {
  const order = t.sizes.map((_, d) => d).sort((a, b) => t.strides[b] - t.strides[a] || a - b);
  let step = 1;
  for (let i = order.length - 1; i >= 0; i--) {
    const d = order[i];
    if (t.sizes[d] === 1) continue;
    if (t.strides[d] !== step) return null;
    step *= t.sizes[d];
  }
  return order;
}

/** Whether two tensors of one shape have the same strides where they matter. */
export function sameLayout(a: Tensor, b: Tensor): boolean {
  for (let d = 0; d < a.sizes.length; d++) if (a.sizes[d] !== 1 && a.strides[d] !== b.strides[d]) return false;
  return true;
}
