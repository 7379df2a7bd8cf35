/** The `out` argument: results written into a tensor of the caller's. */
import { tangentsMayExist } from "../../autograd/dual-level.ts";
import { checkInferenceWrite } from "../../autograd/record.ts";
import { tangentOf } from "../../autograd/tangents.ts";
import { checkWritable, dispatch, dispatchOut, type Primitive } from "../../dispatch.ts";
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { NotImplementedError, RuntimeError } from "../../errors.ts";
import { type Shape, sameShape } from "../../shape.ts";
import { INFERENCE_VERSION, type Tensor } from "../../tensor.ts";
import { isBatched } from "../../wrapping.ts";
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
  if ((out.wrapping !== null && isBatched(out)) || (result.wrapping !== null && isBatched(result))) {
    throw new RuntimeError(
      "Batching rule not implemented for an op with out=; the fallback path doesn't work on out= or view ops.",
    );
  }
  if (out.requires_grad || result.requires_grad) {
    throw new RuntimeError(
      "functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.",
    );
  }
  if (tangentsMayExist() && (tangentOf(out) !== null || tangentOf(result) !== null)) {
    throw new NotImplementedError(
      "Trying to use forward AD with an operation that does not support it because it is an out= function",
    );
  }
  if (out.version === INFERENCE_VERSION) checkInferenceWrite();
  requireCast(result.dtype, out.dtype);
  if (!sameShape(out.sizes, result.sizes)) resize(out, result.sizes);
  else checkWritable(out);
  copyInto(out, result);
  out.version.value++;
  return out;
}

/**
 * Calls an op whose result has the shape `sizes` and the dtype of its first input, and gives the result, or `out` with the
 * result in it: computed there where it fits and shares no memory with an input, else copied.
 */
export function computeInto<A>(
  op: Primitive<A>,
  inputs: readonly Tensor[],
  attrs: A,
  out: Tensor | null,
  sizes: Shape,
): Tensor {
  if (out === null) return dispatch(op, inputs, attrs);
  const fits = out.dtype === inputs[0].dtype && sameShape(out.sizes, sizes) && !out.requires_grad;
  if (
    fits &&
    inputs.every((t) => t.storage !== out.storage && !t.requires_grad) &&
    dispatchOut(op, inputs, attrs, out)
  ) {
    return out;
  }
  return intoOut(out, dispatch(op, inputs, attrs));
}
