/** Checks of operands that several ops share. */
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import type { Tensor } from "../../tensor.ts";
import type { PointwiseAttrs } from "../define/pointwise.ts";
import { reduce } from "../define/reduction.ts";

/** Refuses integer division by zero, which has no result. */
export function refuseZeroDivisor(inputs: readonly Tensor[], attrs: PointwiseAttrs, common: DType): void {
  if (common.is_floating_point) return;
  const number = attrs.numbers[1];
  const zero = number !== null ? Number(number) === 0 : hasZero(inputs[inputs.length - 1]);
  if (zero) throw new RuntimeError("ZeroDivisionError");
}

function hasZero(x: Tensor): boolean {
  if (x.count === 0) return false;
  const found = reduce(x, {
    name: "has_zero",
    dims: x.sizes.map((_, i) => i),
    keepdim: false,
    compute: x.dtype,
    result: dt.bool,
    build: (v, row) => row.reduce("max", v.eq(0)),
  });
  return found.item() === true;
}

/** Refuses bool: for ops that PyTorch has for numbers only. */
export function refuseBool(common: DType, name: string): void {
  if (common === dt.bool) throw new RuntimeError(`"${name}" not implemented for 'Bool'`);
}
