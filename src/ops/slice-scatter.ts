/** Copies with one slice replaced: the out-of-place forms of writing into views. */

import { IndexError, RuntimeError, ValueError } from "../errors.ts";
import { normalizeDim, sameShape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied, copyInto } from "./copy.ts";
import { alongDims } from "./define/batch.ts";
import { primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { viewOf, without } from "./geometry.ts";

function checkSource(src: Tensor, wanted: readonly number[]): void {
  if (!sameShape(src.sizes, wanted)) {
    throw new RuntimeError(
      `expected src to have a size equal to the slice of self. src size = ${shapeText(src.sizes)}, slice size = ${shapeText(wanted)}`,
    );
  }
}

const selectScatterOp = primitive<{ dim: number; index: number }>({
  name: "select_scatter",
  batch: alongDims("dim"),
  compute: ([x, src], { dim, index }) => {
    const out = copied(x, { dtype: x.dtype, format: "preserve_format" });
    const at = out.offset + index * out.strides[dim];
    copyInto(viewOf(out, without(out.sizes, dim), without(out.strides, dim), at), src);
    return out;
  },
  gradient: (g, c) => {
    const { dim, index } = c.attrs;
    return [
      c.needs(0) ? g.select_scatter(g.new_zeros(c.shape(1)), dim, index) : null,
      c.needs(1) ? g.select(dim, index) : null,
    ];
  },
});

/** A copy of `self` with slice `index` of `dim` replaced by `src`. */
export function select_scatter(self: Tensor, src: Tensor, dim: number, index: number): Tensor {
  const [x, source, d, i] = bind("select_scatter(Tensor self, Tensor src, int dim, int index)", [
    self,
    src,
    dim,
    index,
  ]) as [Tensor, Tensor, number, number];
  const at = normalizeDim(d, x.sizes.length);
  const size = x.sizes[at];
  if (i < -size || i >= size) {
    throw new IndexError(
      `select(): index ${i} out of range for tensor of size ${shapeText(x.sizes)} at dimension ${at}`,
    );
  }
  checkSource(source, without(x.sizes, at));
  return selectScatterOp([x, source], { dim: at, index: i < 0 ? i + size : i });
}

interface SliceAttrs {
  readonly dim: number;
  readonly start: number;
  readonly count: number;
  readonly step: number;
}

const sliceScatterOp = primitive<SliceAttrs>({
  name: "slice_scatter",
  batch: alongDims("dim"),
  compute: ([x, src], { dim, start, step }) => {
    const out = copied(x, { dtype: x.dtype, format: "preserve_format" });
    const strides = out.strides.map((s, d) => (d === dim ? s * step : s));
    copyInto(viewOf(out, src.sizes, strides, out.offset + start * out.strides[dim]), src);
    return out;
  },
  gradient: (g, c) => {
    const { dim, start, count, step } = c.attrs;
    const end = start + count * step;
    return [
      c.needs(0) ? g.slice_scatter(g.new_zeros(c.shape(1)), dim, start, end, step) : null,
      c.needs(1) ? g.slice(dim, start, end, step) : null,
    ];
  },
});

/** A copy of `self` with `start:end:step` of `dim` replaced by `src`. */
export function slice_scatter(
  self: Tensor,
  src: Tensor,
  dim?: number | { dim?: number; start?: number | null; end?: number | null; step?: number },
  start?: number | null,
  end?: number | null,
  step?: number,
): Tensor {
  const [x, source, d, from, until, by] = bind(
    "slice_scatter(Tensor self, Tensor src, int dim=0, int? start=None, int? end=None, int step=1)",
    [self, src, dim, start, end, step],
  ) as [Tensor, Tensor, number, number | null, number | null, number];
  if (by <= 0) throw new ValueError("step must be greater than zero");
  const at = normalizeDim(d, x.sizes.length);
  const size = x.sizes[at];
  const clamp = (n: number): number => Math.max(0, Math.min(size, n < 0 ? n + size : n));
  const first = clamp(from ?? 0);
  const count = Math.ceil((Math.max(first, clamp(until ?? size)) - first) / by);
  checkSource(
    source,
    x.sizes.map((s, k) => (k === at ? count : s)),
  );
  return sliceScatterOp([x, source], { dim: at, start: first, count, step: by });
}
