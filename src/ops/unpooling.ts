/** Max unpooling: elements back at the places where a max pooling found them. */

import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { numelOf, type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied, fillWith } from "./copy.ts";
import { sameForAll } from "./define/batch.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { scatterInto } from "./define/scatter.ts";
import { checkIndices } from "./index-check.ts";
import { allocate } from "./row.ts";

interface UnpoolAttrs {
  /** Sizes of the result's planes. */
  readonly output: Shape;
}

const compact = (x: Tensor): Tensor =>
  x.contiguousLayout ? x : copied(x, { dtype: x.dtype, format: "contiguous_format" });

function unpoolOp(dims: number): PrimitiveCall<UnpoolAttrs> {
  return primitive<UnpoolAttrs>({
    name: `max_unpool${dims}d`,
    batch: sameForAll,
    nodeName: `MaxUnpool${dims}DBackward`,
    compute: ([x, indices], { output }) => {
      const out = allocate(x.dtype, [...x.sizes.slice(0, x.sizes.length - dims), ...output]);
      fillWith(out, 0);
      if (x.count === 0 || out.count === 0) return out;
      const size = numelOf(output);
      const each = numelOf(x.sizes.slice(x.sizes.length - dims));
      const access = {
        shape: [x.count / each, each],
        strides: [size, 0],
        indices: [{ tensor: compact(indices), strides: [each, 1], size, stride: 1 }],
      };
      // Of several elements for one place the last one stays.
      scatterInto(out, compact(x), [each, 1], access, "set");
      return out;
    },
    saves: [[1]],
    gradient: (g, c) => {
      const indices = c.input(1);
      const lead = indices.sizes.slice(0, indices.sizes.length - dims);
      const flat = [...lead, numelOf(indices.sizes.slice(indices.sizes.length - dims))];
      const read = g.reshape([...lead, numelOf(c.attrs.output)]).gather(-1, indices.reshape(flat));
      return [read.reshape(indices.sizes), null];
    },
  });
}

const ops: Readonly<Record<number, PrimitiveCall<UnpoolAttrs>>> = { 2: unpoolOp(2), 3: unpoolOp(3) };

/** @internal `x` (N, C, …) or (C, …) at places `indices` of planes of size `output`, zeros elsewhere. */
export function maxUnpool(x: Tensor, indices: Tensor, output: Shape): Tensor {
  const dims = output.length;
  const rank = x.sizes.length;
  if (indices.dtype !== dt.int64) {
    throw new RuntimeError(`elements in indices should be type int64 but got: ${dt.scalarTypeName(indices.dtype)}`);
  }
  if (rank !== dims + 1 && rank !== dims + 2) {
    throw new RuntimeError(
      `Input to max_unpooling${dims}d should be a ${dims + 1}d or ${dims + 2}d Tensor, but got a tensor with ${rank} dimensions.`,
    );
  }
  if (indices.sizes.length !== rank || indices.sizes.some((s, d) => s !== x.sizes[d])) {
    throw new RuntimeError(
      `Expected shape of indices to be same as that of the input tensor (${shapeText(x.sizes)}) but got indices tensor with shape: ${shapeText(indices.sizes)}`,
    );
  }
  x.sizes.slice(rank - dims).forEach((size, i) => {
    if (size === 0) {
      throw new RuntimeError(
        `max_unpooling${dims}d(): Expected input to have non-zero size for non-batch dimensions, but got ${shapeText(x.sizes)} with dimension ${rank - dims + i} being empty.`,
      );
    }
  });
  checkIndices(indices, numelOf(output), false, (value) => {
    throw new RuntimeError(`Found an invalid max index: ${value} (output volumes are of size ${output.join("x")})`);
  });
  return ops[dims]([x, indices], { output });
}
