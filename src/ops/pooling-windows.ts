/** What pooling kernels share: how windows are described, and their sizes. */
import { type ComputeType, constant, type Expr, param } from "../ir/expr.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** Windows of fixed size, or (with null) those that divide the input evenly among the outputs. */
export interface Windows {
  readonly kernel: Shape;
  readonly stride: Shape;
  readonly padding: Shape;
  readonly dilation: Shape;
}

/** Hands out parameters of a kernel, of type i32 unless told otherwise. */
export class Parameters {
  readonly types: ComputeType[] = [];
  next(type: ComputeType = "i32"): Expr {
    this.types.push(type);
    return param(type, this.types.length - 1);
  }
  list(count: number): Expr[] {
    return Array.from({ length: count }, () => this.next());
  }
}

/** Whether any window of a dimension reaches outside of the input. */
export const outsideIn = (w: Windows, d: number, inputs: Shape, outputs: Shape): boolean =>
  w.padding[d] > 0 || (outputs[d] - 1) * w.stride[d] + (w.kernel[d] - 1) * w.dilation[d] - w.padding[d] >= inputs[d];

/** Whether any window of the pooling does so. */
export const reachesOutside = (w: Windows, inputs: Shape, outputs: Shape): boolean =>
  inputs.some((_, d) => outsideIn(w, d, inputs, outputs));

export function planesOf(x: Tensor, dims: number): number {
  return x.sizes.slice(0, x.sizes.length - dims).reduce((n, s) => n * s, 1);
}

export const spatial = (x: Tensor, dims: number): number[] => x.sizes.slice(x.sizes.length - dims);

/** How an average is divided: by a given number, by the window with its padding, or by what exists of it. */
export interface AverageOptions {
  readonly countPadding: boolean;
  readonly divisor: number | null;
}

/** The divisor of window `o` in each dimension, as a product. */
export function windowSize(
  dims: number,
  o: (d: number) => Expr,
  g: Readonly<Record<"kernel" | "stride" | "padding" | "inputs", readonly Expr[]>>,
  countPadding: boolean,
): Expr {
  let product = constant("i32", 1);
  for (let d = 0; d < dims; d++) {
    const start = o(d).mul(g.stride[d]).sub(g.padding[d]);
    const end = start.add(g.kernel[d]).min(g.inputs[d].add(g.padding[d]));
    const size = countPadding ? end.sub(start) : end.min(g.inputs[d]).sub(start.max(0));
    product = product.mul(size.max(1));
  }
  return product;
}
