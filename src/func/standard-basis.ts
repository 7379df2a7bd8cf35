/** The vectors that Jacobians are products with. */
import type { Tensor } from "../tensor.ts";

/** The rows of an identity matrix whose columns are all elements of `list`, divided among them. */
export function standardBasis(list: readonly Tensor[]): Tensor[] {
  const total = list.reduce((sum, t) => sum + t.count, 0);
  let before = 0;
  return list.map((t) => {
    const part = t.detach().new_zeros([total, t.count]);
    part.diagonal(-before).fill_(1);
    before += t.count;
    return part;
  });
}
