/** The linear layer. */
import { bind } from "../../ops/define/schema.ts";
import { numelOf, viewStrides } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

/** `input · weightᵀ + bias`: input [*, in], weight [out, in] or [in], bias [out] or []; gives [*, out]. */
export function linear(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null | { readonly bias?: Tensor | null },
): Tensor {
  const [x, w, b] = bind("linear(Tensor input, Tensor weight, Tensor? bias=None)", [input, weight, bias]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  if (b === null) return x.matmul(w.t());
  const rank = x.sizes.length;
  if (rank === 2) return b.addmm(x, w.t());
  // The bias is added in the product's kernel where the leading dimensions can be viewed as one.
  const lead = x.sizes.slice(0, -1);
  const matrix = [numelOf(lead), x.sizes[rank - 1]];
  if (
    (rank > 1 || (rank === 1 && x.contiguousLayout)) &&
    w.sizes.length === 2 &&
    viewStrides(x.sizes, x.strides, matrix) !== null
  ) {
    return b.addmm(x.view(matrix), w.t()).view([...lead, w.sizes[0]]);
  }
  return x.matmul(w.t()).add_(b);
}
