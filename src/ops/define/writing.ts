/** Ops that overwrite a part of their first input: one declaration gives the copying and the in-place form. */
import { dispatchInplace } from "../../dispatch.ts";
import type { Tensor } from "../../tensor.ts";
import { copied } from "../copy.ts";
import { type PrimitiveSpec, primitive, toPrimitive } from "./primitive.ts";

/** Declares an op with an out-of-place and an in-place form. Its `compute` writes into `target`, a copy or `self`. */
export function writing<A>(
  spec: Omit<PrimitiveSpec<A>, "compute">,
  write: (target: Tensor, inputs: readonly Tensor[], attrs: A) => void,
): {
  call: (inputs: readonly Tensor[], attrs: A) => Tensor;
  inplace: (inputs: readonly Tensor[], attrs: A) => Tensor;
} {
  const full: PrimitiveSpec<A> = {
    ...spec,
    compute: (inputs, attrs, out) => {
      const target = out ?? copied(inputs[0], { dtype: inputs[0].dtype, format: "preserve_format" });
      write(
        target,
        inputs.map((x, i) =>
          i > 0 && out && x.storage === out.storage ? copied(x, { dtype: x.dtype, format: "contiguous_format" }) : x,
        ),
        attrs,
      );
      return target;
    },
  };
  const op = toPrimitive(full);
  return { call: primitive(full), inplace: (inputs, attrs) => dispatchInplace(op, inputs, attrs) };
}
