/** Writing into a part of a tensor that is given by its geometry: the gradients of `as_strided` and of views. */

import type { BatchedCall } from "../dispatch.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param } from "../ir/expr.ts";
import type { Kernel, ScatterMode } from "../ir/kernel.ts";
import type { Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copyInto } from "./copy.ts";
import { again, allBatched } from "./define/batch.ts";
import { primitive } from "./define/primitive.ts";
import { KernelCache, launch } from "./launch.ts";

interface GeometryAttrs {
  readonly size: Shape;
  readonly stride: Shape;
  readonly offset: number;
}

const cache = new KernelCache<string>();

/** For each element of `source`, in order: `target[Σ index·stride] = mode(…, source)`. */
function scatterGeometry(target: Tensor, source: Tensor, stride: Shape, mode: ScatterMode): void {
  const rank = stride.length;
  const make = (): Kernel => {
    const types: ComputeType[] = [];
    const next = (): Expr => {
      types.push("i32");
      return param("i32", types.length - 1);
    };
    const axes = source.sizes.map((_, i) => new Axis(`i${i}`, next()));
    const linear = (): Expr => axes.reduce((sum, a) => sum.add(a.index.mul(next())), constant("i32", 0));
    const from = linear();
    const index = linear();
    const value = load(computeType(source.dtype.name), 0, from);
    return {
      form: "scatter",
      name: "as_strided",
      buffers: [
        { dtype: source.dtype.name, access: "read" },
        { dtype: target.dtype.name, access: "readwrite" },
      ],
      params: types,
      axes,
      mode,
      buffer: 1,
      index,
      value: value.cast(computeType(target.dtype.name)),
    };
  };
  const kernel = cache.get(`${mode}:${rank}:${source.dtype.id}:${target.dtype.id}`, make);
  launch(kernel, [source, target], [...source.sizes, ...source.strides, ...stride]);
}

/** All samples, whose copies lie one after another. */
function batchedGeometry(call: BatchedCall<GeometryAttrs>): Tensor | Tensor[] {
  const { size, stride, offset } = call.attrs;
  const attrs = { size: [call.size, ...size], stride: [call.inputs[0].count, ...stride], offset };
  return again(call, attrs, allBatched(call));
}

const addOp = primitive<GeometryAttrs>({
  name: "_as_strided_add",
  batch: batchedGeometry,
  compute: ([x, source], { stride, offset }) => {
    const out = x.detach().clone({ memory_format: "contiguous_format" });
    if (source.count > 0)
      scatterGeometry(new Tensor(out.storage, out.dtype, out.sizes, out.strides, offset), source, stride, "add");
    return out;
  },
  gradient: (g, c) => [g, g.contiguous().as_strided(c.attrs.size, c.attrs.stride, c.attrs.offset)],
});

/** @internal A contiguous copy of `self` with `source` added at a geometry whose offset counts from the first element. */
export function _as_strided_add(self: Tensor, source: Tensor, size: Shape, stride: Shape, offset: number): Tensor {
  return addOp([self, source], { size, stride, offset });
}

const setOp = primitive<GeometryAttrs>({
  name: "as_strided_scatter",
  batch: batchedGeometry,
  compute: ([x, source], { size, stride, offset }) => {
    const out = x.detach().clone({ memory_format: "contiguous_format" });
    copyInto(new Tensor(out.storage, out.dtype, size, stride, offset), source);
    return out;
  },
  gradient: (g, c) => [
    g.as_strided_scatter(g.new_zeros(c.attrs.size), c.attrs.size, c.attrs.stride, c.attrs.offset),
    g.contiguous().as_strided(c.attrs.size, c.attrs.stride, c.attrs.offset),
  ],
});

/** A copy of `self` with `src` written at a geometry: the out-of-place form of writing through `as_strided`. */
export function as_strided_scatter(self: Tensor, src: Tensor, size: Shape, stride: Shape, storage_offset = 0): Tensor {
  return setOp([self, src], { size, stride, offset: storage_offset });
}
