/** The `out` argument: results written into a tensor of the caller's. */
import { checkWritable } from "../../dispatch.ts";
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import { sameShape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { copyInto, resize } from "../copy.ts";

/** PyTorch's error for results that do not fit the tensor they are written to. */
export function requireCast(from: DType, to: DType): void {
  if (!dt.can_cast(from, to)) {
    throw new RuntimeError(
      `result type ${dt.scalarTypeName(from)} can't be cast to the desired output type ${dt.scalarTypeName(to)}`,
    );
  }
}

/** `result`, or `out` with the result in it; `out` takes the result's shape and keeps its own dtype. */
export function intoOut(out: Tensor | null | undefined, result: Tensor): Tensor {
  if (out === null || out === undefined) return result;
  if (out.requires_grad || result.requires_grad) {
    throw new RuntimeError(
      "functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.",
    );
  }
  requireCast(result.dtype, out.dtype);
  if (!sameShape(out.sizes, result.sizes)) resize(out, result.sizes);
  else checkWritable(out);
  copyInto(out, result);
  out.version.value++;
  return out;
}
