/** Sums and other reductions over dimensions. */

import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { normalizeDims, type Shape, sameShape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { primitive } from "./define/primitive.ts";
import { reduce } from "./define/reduction.ts";
import { bind } from "./define/schema.ts";

/** Keyword arguments of sums and means. */
export interface SumOptions {
  readonly dim?: number | readonly number[] | null;
  readonly keepdim?: boolean;
  /** The input is converted to this type first. */
  readonly dtype?: DType | null;
  readonly out?: Tensor;
}

interface ReduceAttrs {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
  readonly dtype: DType;
}

/** A gradient of a reduction, with the reduced dimensions put back with size 1. */
function restoreDims(g: Tensor, shape: Shape, { dims, keepdim }: Pick<ReduceAttrs, "dims" | "keepdim">): Tensor {
  if (keepdim || dims.length === 0) return g;
  return g.reshape(shape.map((s, d) => (dims.includes(d) ? 1 : s)));
}

const sumOp = primitive<ReduceAttrs>({
  name: "sum",
  compute: ([x], { dims, keepdim, dtype }) =>
    reduce(x, {
      name: "sum",
      dims,
      keepdim,
      // Booleans are counted, which needs an integer.
      compute: dtype === dt.bool ? dt.int64 : dtype,
      result: dtype,
      build: (v, row) => row.reduce("sum", v),
    }),
  gradient: (g, c) => [restoreDims(g, c.shape(0), c.attrs).expand(c.shape(0))],
});

/** Sum of all elements, or over `dim` (a number or a list). Integers and bool give int64. */
export function sum(
  self: Tensor,
  dim?: number | readonly number[] | null | SumOptions,
  keepdim?: boolean | SumOptions,
  options?: SumOptions,
): Tensor {
  const [x, d, keep, dtype, out] = bind(
    "sum(Tensor self, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)",
    [self, dim, keepdim, options],
  ) as [Tensor, number[] | null, boolean, DType | null, Tensor | null];
  const result = sumOp([x], {
    dims: normalizeDims(d, x.sizes.length),
    keepdim: keep,
    dtype: dtype ?? (x.dtype.is_floating_point ? x.dtype : dt.int64),
  });
  return out === null ? result : out.copyResult_(result);
}

/** The sum over the dimensions that broadcasting to this tensor's shape added or repeated. */
export function sum_to_size(self: Tensor, ...size: (number | Shape)[]): Tensor {
  const [x, wanted] = bind("sum_to_size(Tensor self, ints size)", [self, ...size]) as [Tensor, number[]];
  if (sameShape(x.sizes, wanted)) return x;
  const lead = x.sizes.length - wanted.length;
  const dims: number[] = [];
  x.sizes.forEach((s, d) => {
    if (d < lead || (wanted[d - lead] === 1 && s !== 1)) dims.push(d);
    else if (wanted[d - lead] !== s) {
      throw new RuntimeError(`size {${shapeText(wanted)}} is not expandable to size {${shapeText(x.sizes)}}.`);
    }
  });
  if (lead < 0)
    throw new RuntimeError(`size {${shapeText(wanted)}} is not expandable to size {${shapeText(x.sizes)}}.`);
  const summed = dims.length === 0 ? x : x.sum(dims, true);
  return lead > 0 ? summed.reshape(wanted) : summed;
}
