/** The gradient of softmax, an op of its own: one kernel, and differentiable again. */

import { computeType, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor.ts";
import { alongDims } from "./define/batch.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { allocate, type RowBuilder, runRow } from "./row.ts";

export interface SoftmaxAttrs {
  readonly dim: number;
}

/**
 * Runs a kernel whose rows are the elements along `dim`; the result has the shape and dtype of the first input. The last of
 * the values is what the result holds already, for stages after a store.
 */
export function alongDim(
  name: string,
  inputs: readonly Tensor[],
  dim: number,
  build: (values: readonly Expr[], row: RowBuilder, store: (value: Expr) => void) => Expr,
): Tensor {
  const { sizes, dtype } = inputs[0];
  const out = allocate(dtype, sizes);
  const type = computeType(dtype.name);
  const scalar = sizes.length === 0;
  const split = (tensor: Tensor) => ({
    tensor,
    outer: scalar ? [] : tensor.strides.filter((_, d) => d !== dim),
    inner: [scalar ? 1 : tensor.strides[dim]],
  });
  runRow({
    name,
    key: name,
    outer: scalar ? [] : sizes.filter((_, d) => d !== dim),
    inner: [scalar ? 1 : sizes[dim]],
    operands: [...inputs.map(split), split(out), split(out)],
    outputs: 1,
    build: (values, row) => {
      const store = (value: Expr): void => row.store(inputs.length + 1, value);
      const cast = values.map((v) => v.cast(type));
      store(build(cast, row, store));
    },
  });
  return out;
}

/** From the gradient of a softmax and its result: `y · (g − Σ g·y)` along `dim`. */
export const softmaxBackward: PrimitiveCall<SoftmaxAttrs> = primitive<SoftmaxAttrs>({
  name: "_softmax_backward_data",
  batch: alongDims("dim"),
  compute: ([g, y], { dim }) =>
    alongDim("softmax_backward", [g, y], dim, ([dy, p], row) => p.mul(dy.sub(row.reduce("sum", dy.mul(p))))),
  gradient: (gg, c) => {
    const { dim } = c.attrs;
    const y = c.input(1);
    const g = c.input(0);
    const byOutput = c.needs(1)
      ? g
          .mul(gg)
          .sub(y.mul(g).sum(dim, true).mul(gg))
          .sub(g.mul(y.mul(gg).sum(dim, true)))
      : null;
    return [softmaxBackward([gg, y], c.attrs), byOutput];
  },
  saves: [[0, 1]],
});
