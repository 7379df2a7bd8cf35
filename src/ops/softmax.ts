/** Softmax and its logarithm. */

import { type DType, scalarTypeName } from "../dtype.ts";
import { NotImplementedError } from "../errors.ts";
import { normalizeDim } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { alongDims } from "./define/batch.ts";
import { intoOut } from "./define/out.ts";
import { type PrimitiveCall, primitive, RESULT } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { alongDim, type SoftmaxAttrs, softmaxBackward } from "./softmax-gradient.ts";

const softmaxOp: PrimitiveCall<SoftmaxAttrs> = primitive<SoftmaxAttrs>({
  name: "_softmax",
  batch: alongDims("dim"),
  nodeName: "SoftmaxBackward",
  compute: ([x], { dim }) =>
    alongDim("softmax", [x], dim, ([v, stored], row, store) => {
      const e = v.sub(row.reduce("max", v)).exp();
      // Half precision would lose digits of the exponentials on their way through the result.
      if (x.dtype.itemsize === 2) return e.div(row.reduce("sum", e));
      store(e);
      return stored.div(row.reduce("sum", stored));
    }),
  gradient: (g, c) => [softmaxBackward([g, c.output()], c.attrs)],
  saves: [[RESULT]],
});

const logSoftmaxBackwardOp: PrimitiveCall<SoftmaxAttrs> = primitive<SoftmaxAttrs>({
  name: "_log_softmax_backward_data",
  batch: alongDims("dim"),
  compute: ([g, y], { dim }) =>
    alongDim("log_softmax_backward", [g, y], dim, ([dy, logp], row) => dy.sub(logp.exp().mul(row.reduce("sum", dy)))),
  gradient: (gg, c) => {
    const { dim } = c.attrs;
    const p = c.input(1).exp();
    const byOutput = c.needs(1) ? c.input(0).sum(dim, true).mul(p).mul(gg).neg() : null;
    return [gg.sub(gg.mul(p).sum(dim, true)), byOutput];
  },
  saves: [[0, 1]],
});

const logSoftmaxOp: PrimitiveCall<SoftmaxAttrs> = primitive<SoftmaxAttrs>({
  name: "_log_softmax",
  batch: alongDims("dim"),
  nodeName: "LogSoftmaxBackward",
  compute: ([x], { dim }) =>
    alongDim("log_softmax", [x], dim, ([v], row) => {
      const shifted = v.sub(row.reduce("max", v));
      return shifted.sub(row.keep(row.reduce("sum", shifted.exp()).log()));
    }),
  gradient: (g, c) => [logSoftmaxBackwardOp([g, c.output()], c.attrs)],
  saves: [[RESULT]],
});

/** Keyword arguments of `softmax`. */
export interface SoftmaxOptions {
  readonly dim?: number;
  /** The input is converted to this type first. */
  readonly dtype?: DType | null;
  readonly out?: Tensor;
}

type Softmax = (
  self: Tensor,
  dim: number | SoftmaxOptions,
  dtype?: DType | null | SoftmaxOptions,
  options?: SoftmaxOptions,
) => Tensor;

function softmaxFunction(name: "softmax" | "log_softmax", op: PrimitiveCall<SoftmaxAttrs>): Softmax {
  const signature = `${name}(Tensor self, int dim, dtype? dtype=None, *, Tensor? out=None)`;
  return (self, dim, dtype, options) => {
    const [input, d, type, out] = bind(signature, [self, dim, dtype, options]) as [
      Tensor,
      number,
      DType | null,
      Tensor | null,
    ];
    const x = type !== null && type !== input.dtype ? input.to(type) : input;
    const at = normalizeDim(d, x.sizes.length);
    if (!x.dtype.is_floating_point) {
      if (x.count === 0) return out === null ? x.clone() : intoOut(out, x);
      const kernel = at >= x.sizes.length - 1 ? "softmax_lastdim_kernel_impl" : "softmax_kernel_impl";
      throw new NotImplementedError(
        `"${name === "softmax" ? kernel : `log_${kernel}`}" not implemented for '${scalarTypeName(x.dtype)}'`,
      );
    }
    const result = op([x], { dim: at });
    return intoOut(out, result);
  };
}

/** exp(x) / Σ exp(x) along `dim`: positive numbers that add up to 1. */
export const softmax: Softmax = softmaxFunction("softmax", softmaxOp);
/** The logarithm of `softmax`, computed without under- or overflow. */
export const log_softmax: Softmax = softmaxFunction("log_softmax", logSoftmaxOp);
