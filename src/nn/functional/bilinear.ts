/** The bilinear layer. */

import { RuntimeError } from "../../errors.ts";
import { bind } from "../../ops/define/schema.ts";
import { einsum } from "../../ops/einsum.ts";
import { sameShape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

/** y[o] = Σᵢⱼ x1[i] · weight[o, i, j] · x2[j] + bias[o], for inputs [*, in1] and [*, in2]. */
export function bilinear(
  input1: Tensor,
  input2: Tensor,
  weight: Tensor,
  bias?: Tensor | null | { readonly bias?: Tensor | null },
): Tensor {
  const [a, b, w, c] = bind("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None)", [
    input1,
    input2,
    weight,
    bias,
  ]) as [Tensor, Tensor, Tensor, Tensor | null];
  if (a.sizes.length !== b.sizes.length) {
    throw new RuntimeError(`bilinear(): input dimensions do not match: got ${a.sizes.length} and ${b.sizes.length}`);
  }
  if (!sameShape(a.sizes.slice(0, -1), b.sizes.slice(0, -1))) {
    throw new RuntimeError(
      `bilinear(): input batch dimensions do not match: got ${shapeText(a.sizes)} and ${shapeText(b.sizes)}`,
    );
  }
  const [outputs, m, n] = w.sizes;
  if (w.sizes.length !== 3 || a.sizes[a.sizes.length - 1] !== m || b.sizes[b.sizes.length - 1] !== n) {
    throw new RuntimeError(
      `bilinear(): inputs of sizes ${shapeText(a.sizes)} and ${shapeText(b.sizes)} do not match the weight's size ${shapeText(w.sizes)}`,
    );
  }
  if (c !== null && (c.sizes.length !== 1 || c.count !== outputs)) {
    throw new RuntimeError(`bilinear(): bias size does not match weight size: got ${c.count} but expected ${outputs}`);
  }
  const y = einsum("...i,oij,...j->...o", a, w, b);
  return c === null ? y : y.add(c);
}
