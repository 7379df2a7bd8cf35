/** The Jacobian by forward mode: vmap over a standard basis of tangents. */
import { NotImplementedError, RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { list, type Tensors, unnested } from "./functional-tensors.ts";
import { jvpOf } from "./jvp.ts";
import { standardBasis } from "./standard-basis.ts";
import { vmap } from "./vmap.ts";

/** One product for each element of the inputs, all at once. */
export function forwardJacobian(
  func: (...inputs: Tensor[]) => Tensors,
  inputs: Tensors,
  strict: boolean,
  vectorize: boolean,
): unknown {
  if (strict) {
    throw new RuntimeError(
      'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not supported together (yet). Please either set `strict=False` or `strategy="reverse-mode"`.',
    );
  }
  const given = list(inputs, "inputs", "jacobian");
  if (!vectorize) {
    throw new NotImplementedError(
      "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for `vectorize=True`.",
    );
  }
  const xs = given.tensors;
  const all = xs.map((_, i) => i);
  let several = false;
  const products = vmap((...tangents: Tensor[]) => {
    const directions = tangents.map((t, i) => t.view(xs[i].sizes));
    const { tangent } = jvpOf(
      (...duals: Tensor[]) => {
        const outputs = list(func(...duals), "outputs", "jacobian");
        several = outputs.several;
        return outputs.tensors;
      },
      xs,
      directions,
      all,
      {},
    );
    return tangent as Tensor[];
  })(...standardBasis(xs));
  const counts = xs.map((t) => t.count);
  const rows = products.map((whole) =>
    whole.split(counts, 0).map((part, i) => part.movedim(0, -1).reshape([...whole.sizes.slice(1), ...xs[i].sizes])),
  );
  return unnested(rows, several, given.several);
}
