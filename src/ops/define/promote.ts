/** Type promotion as PyTorch does it: https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc */
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { Tensor } from "../../tensor.ts";

/** A JavaScript value in the place of a tensor: Python's number. A whole number is an int, any other a float. */
export type Scalar = number | bigint | boolean;
export type Operand = Tensor | Scalar;

export function isScalar(x: unknown): x is Scalar {
  return typeof x === "number" || typeof x === "bigint" || typeof x === "boolean";
}

/** The type that a number has on its own. */
export function scalarDType(x: Scalar): DType {
  if (typeof x === "boolean") return dt.bool;
  if (typeof x === "bigint" || Number.isInteger(x)) return dt.int64;
  return dt.get_default_dtype();
}

/**
 * The common type of operands. Tensors with dimensions decide; a 0-dimensional tensor changes the result only if its
 * category (bool, integer, float) is higher, a number only if its is higher still.
 */
export function resultType(operands: readonly Operand[]): DType {
  let withDims: DType | null = null;
  let zeroDim: DType | null = null;
  let wrapped: DType | null = null;
  for (const x of operands) {
    if (x instanceof Tensor) {
      if (x.sizes.length > 0) withDims = withDims === null ? x.dtype : dt.promote_types(withDims, x.dtype);
      else zeroDim = zeroDim === null ? x.dtype : dt.promote_types(zeroDim, x.dtype);
    } else {
      const d = scalarDType(x);
      wrapped = wrapped === null ? d : dt.promote_types(wrapped, d);
    }
  }
  return higher(higher(withDims, zeroDim), wrapped) as DType;
}

function higher(first: DType | null, second: DType | null): DType | null {
  if (first === null) return second;
  if (second === null || second.category <= first.category) return first;
  // A lower-priority operand of a higher category brings its category.
  return dt.promote_types(first, second);
}
