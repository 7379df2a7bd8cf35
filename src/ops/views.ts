/** Views: other shapes and strides over the same memory. */

import { DType, scalarTypeName } from "../dtype.ts";
import { IndexError, RuntimeError, ValueError } from "../errors.ts";
import {
  broadcastStrides,
  contiguousStrides,
  inferSize,
  normalizeDim,
  type Shape,
  sameShape,
  shapeText,
  viewStrides,
} from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { stridedView, wholeGeometry } from "./as-strided.ts";
import { copyInto } from "./copy.ts";
import { again, alongDims, withRank } from "./define/batch.ts";
import { type PrimitiveCall, type PrimitiveSpec, primitive } from "./define/primitive.ts";
import { bind, isOptions } from "./define/schema.ts";
import { viewOf, without, zerosOf } from "./geometry.ts";
import { unsafeView } from "./unsafe-view.ts";

/** A view with any sizes and strides (in elements) from `storage_offset` of the storage. */
export function as_strided(self: Tensor, size: Shape, stride: Shape, storage_offset?: number | null): Tensor {
  return stridedView(self, size, stride, storage_offset, false);
}

const viewSpec: PrimitiveSpec<{ sizes: Shape; strides: Shape }> = {
  name: "view",
  view: "view",
  batch: (call) => again(call, wholeGeometry(call)),
  compute: ([x], { sizes, strides }) => viewOf(x, sizes, strides),
  gradient: (g, c) => [g.reshape(c.shape(0))],
  forward: ({ attrs, tangents: [t] }) => t?.reshape(attrs.sizes) ?? null,
};
const viewOp = primitive(viewSpec);
const reshapeAliasOp = primitive({ ...viewSpec, nodeName: "ReshapeAliasBackward" });

/** A view with another shape; one size may be -1. Fails where only a copy can have it. With a dtype: the same bits read as that. */
export function view(self: Tensor, ...shape: (number | Shape | DType | { dtype: DType })[]): Tensor {
  const first = shape[0];
  if (first instanceof DType) return viewAs(self, first);
  if (isOptions(first) && first.dtype instanceof DType) return viewAs(self, first.dtype);
  const [x, wanted] = bind("view(Tensor self, ints size)", [self, ...shape]) as [Tensor, number[]];
  const sizes = inferSize(wanted, x.count);
  const strides = viewStrides(x.sizes, x.strides, sizes);
  if (strides === null) {
    throw new RuntimeError(
      "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
    );
  }
  return viewOp([x], { sizes, strides });
}

const viewDTypeOp = primitive<{ dtype: DType; sizes: Shape; strides: Shape; offset: number }>({
  name: "view_dtype",
  // Shares memory and version with its base, but no gradients pass.
  view: "alias",
  batch: (call) => again(call, { ...call.attrs, ...wholeGeometry(call) }),
  compute: ([x], { dtype, sizes, strides, offset }) => new Tensor(x.storage, dtype, sizes, strides, offset),
});

/** The bits of `x` as elements of `dtype`; the last dimension grows or shrinks with their size. */
function viewAs(x: Tensor, dtype: DType): Tensor {
  const [from, to] = [x.dtype.itemsize, dtype.itemsize];
  if (from === to) return viewDTypeOp([x], { dtype, sizes: x.sizes, strides: x.strides, offset: x.offset });
  const names = `${scalarTypeName(x.dtype)} as ${scalarTypeName(dtype)} (different element sizes)`;
  if (x.sizes.length === 0) throw new RuntimeError(`self.dim() cannot be 0 to view ${names}`);
  const last = x.sizes.length - 1;
  if (x.strides[last] !== 1) {
    throw new RuntimeError(`self.stride(-1) must be 1 to view ${names}, but got ${x.strides[last]}`);
  }
  const ratio = Math.max(from, to) / Math.min(from, to);
  if (to > from) {
    const divisible = (name: string, value: number): void => {
      if (value % ratio !== 0)
        throw new RuntimeError(`self.${name} must be divisible by ${ratio} to view ${names}, but got ${value}`);
    };
    divisible("size(-1)", x.sizes[last]);
    divisible("storage_offset()", x.offset);
    for (let d = 0; d < last; d++) divisible(`stride(${d})`, x.strides[d]);
  }
  const scale = (n: number): number => (to > from ? n / ratio : n * ratio);
  return viewDTypeOp([x], {
    dtype,
    sizes: x.sizes.map((s, d) => (d === last ? scale(s) : s)),
    strides: x.strides.map((s, d) => (d === last ? 1 : scale(s))),
    offset: scale(x.offset),
  });
}

/** The elements in another shape: a view where possible, else a copy. */
export function reshape(self: Tensor, ...shape: (number | Shape)[]): Tensor {
  const [x, wanted] = bind("reshape(Tensor self, ints shape)", [self, ...shape]) as [Tensor, number[]];
  const sizes = inferSize(wanted, x.count);
  const op = x.contiguousLayout ? viewOp : reshapeAliasOp;
  if (sameShape(sizes, x.sizes)) return op([x], { sizes, strides: x.strides });
  const strides = viewStrides(x.sizes, x.strides, sizes);
  if (strides !== null) return op([x], { sizes, strides });
  return unsafeView(x.clone({ memory_format: "contiguous_format" }), sizes);
}

const expandOp = primitive<{ sizes: Shape }>({
  name: "expand",
  view: "view",
  batch: (call) => {
    const { sizes } = call.attrs;
    return again(call, { sizes: [call.size, ...sizes] }, [withRank(call.values[0], sizes.length + 1)]);
  },
  compute: ([x], { sizes }) => viewOf(x, sizes, broadcastStrides(x.sizes, x.strides, sizes)),
  gradient: (g, c) => [g.sum_to_size(c.shape(0))],
});

/** A view with dimensions of size 1 repeated; -1 keeps a size. */
export function expand(self: Tensor, ...size: (number | Shape)[]): Tensor {
  const [x, wanted] = bind("expand(Tensor self, ints size, *, bool implicit=False)", [self, ...size]) as [
    Tensor,
    number[],
  ];
  const lead = wanted.length - x.sizes.length;
  if (lead < 0) {
    throw new RuntimeError(
      `expand(torch.${scalarTypeName(x.dtype)}Tensor{${shapeText(x.sizes)}}, size=${shapeText(wanted)}): the number of sizes provided (${wanted.length}) must be greater or equal to the number of dimensions in the tensor (${x.sizes.length})`,
    );
  }
  const sizes = new Array<number>(wanted.length);
  // From the last dimension, as PyTorch does: that is the one that its error names.
  for (let i = wanted.length - 1; i >= 0; i--) {
    const s = wanted[i];
    const own = i < lead ? 1 : x.sizes[i - lead];
    if (s === -1) {
      if (i < lead) {
        throw new RuntimeError(
          `The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${i}`,
        );
      }
      sizes[i] = own;
      continue;
    }
    if (s < 0 || (s !== own && own !== 1)) {
      throw new RuntimeError(
        `The expanded size of the tensor (${s}) must match the existing size (${own}) at non-singleton dimension ${i}.  Target sizes: ${shapeText(wanted)}.  Tensor sizes: ${shapeText(x.sizes)}`,
      );
    }
    sizes[i] = s;
  }
  return expandOp([x], { sizes });
}

/** A view with the shape of `other`. */
export function expand_as(self: Tensor, other: Tensor): Tensor {
  return expand(self, other.sizes);
}

const permuteOp = primitive<{ dims: readonly number[] }>({
  name: "permute",
  view: "view",
  batch: (call) => again(call, { dims: [0, ...call.attrs.dims.map((d) => d + 1)] }),
  compute: ([x], { dims }) =>
    viewOf(
      x,
      dims.map((d) => x.sizes[d]),
      dims.map((d) => x.strides[d]),
    ),
  gradient: (g, c) => {
    const inverse = new Array<number>(c.attrs.dims.length);
    c.attrs.dims.forEach((d, i) => {
      inverse[d] = i;
    });
    return [g.permute(inverse)];
  },
});

/** A view with the dimensions in another order. */
export function permute(self: Tensor, ...dims: (number | Shape)[]): Tensor {
  const [x, given] = bind("permute(Tensor self, ints dims)", [self, ...dims]) as [Tensor, number[]];
  if (given.length !== x.sizes.length) {
    throw new RuntimeError(
      `permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = ${x.sizes.length} is not equal to len(dims) = ${given.length}`,
    );
  }
  const order = given.map((d) => normalizeDim(d, x.sizes.length));
  if (new Set(order).size !== order.length) throw new RuntimeError("permute(): duplicate dims are not allowed.");
  return permuteOp([x], { dims: order });
}

const selectOp = primitive<{ dim: number; index: number }>({
  name: "select",
  view: "view",
  batch: alongDims("dim"),
  compute: ([x], { dim, index }) =>
    viewOf(x, without(x.sizes, dim), without(x.strides, dim), x.offset + index * x.strides[dim]),
  gradient: (g, c) => [selectBackwardOp([g], { sizes: c.shape(0), ...c.attrs })],
});

const selectBackwardOp = primitive<{ sizes: Shape; dim: number; index: number }>({
  name: "select_backward",
  batch: (call) => again(call, { ...call.attrs, dim: call.attrs.dim + 1, sizes: [call.size, ...call.attrs.sizes] }),
  compute: ([g], { sizes, dim, index }) => {
    const out = zerosOf(g, sizes);
    copyInto(viewOf(out, without(sizes, dim), without(out.strides, dim), index * out.strides[dim]), g);
    return out;
  },
  gradient: (g, c) => [g.select(c.attrs.dim, c.attrs.index)],
});

/** A view of slice `index` of dimension `dim`, which disappears. */
export function select(self: Tensor, dim: number, index: number): Tensor {
  const [x, d, i] = bind("select(Tensor self, int dim, int index)", [self, dim, index]) as [Tensor, number, number];
  if (x.sizes.length === 0) throw new IndexError("select() cannot be applied to a 0-dim tensor.");
  const at = normalizeDim(d, x.sizes.length);
  const size = x.sizes[at];
  if (i < -size || i >= size) {
    throw new IndexError(
      `select(): index ${i} out of range for tensor of size ${shapeText(x.sizes)} at dimension ${at}`,
    );
  }
  return selectOp([x], { dim: at, index: i < 0 ? i + size : i });
}

interface SliceAttrs {
  readonly dim: number;
  readonly start: number;
  readonly count: number;
  readonly step: number;
}

function sliceView(x: Tensor, { dim, start, count, step }: SliceAttrs): Tensor {
  const sizes = x.sizes.slice();
  const strides = x.strides.slice();
  sizes[dim] = count;
  strides[dim] *= step;
  return viewOf(x, sizes, strides, x.offset + start * x.strides[dim]);
}

const sliceOp: PrimitiveCall<SliceAttrs> = primitive<SliceAttrs>({
  name: "slice",
  view: "view",
  batch: alongDims("dim"),
  compute: ([x], attrs) => sliceView(x, attrs),
  gradient: (g, c) => [sliceBackwardOp([g], { ...c.attrs, sizes: c.shape(0) })],
});

const sliceBackwardOp: PrimitiveCall<SliceAttrs & { sizes: Shape }> = primitive<SliceAttrs & { sizes: Shape }>({
  name: "slice_backward",
  batch: (call) => again(call, { ...call.attrs, dim: call.attrs.dim + 1, sizes: [call.size, ...call.attrs.sizes] }),
  compute: ([g], attrs) => {
    const out = zerosOf(g, attrs.sizes);
    copyInto(sliceView(out, attrs), g);
    return out;
  },
  gradient: (g, c) => [sliceOp([g], c.attrs)],
});

/** @internal A view of `dim` from `start` to `end` by `step`, with Python's rules for what is out of range. */
export function slice(self: Tensor, dim = 0, start: number | null = null, end: number | null = null, step = 1): Tensor {
  if (self.sizes.length === 0) throw new RuntimeError("slice() cannot be applied to a 0-dim tensor.");
  const d = normalizeDim(dim, self.sizes.length);
  if (step <= 0) throw new ValueError("step must be greater than zero");
  const size = self.sizes[d];
  const clamp = (x: number): number => Math.max(0, Math.min(size, x < 0 ? x + size : x));
  const from = clamp(start ?? 0);
  const until = Math.max(from, clamp(end ?? size));
  return sliceOp([self], { dim: d, start: from, count: Math.ceil((until - from) / step), step });
}

/** A view of `length` slices of `dim` from `start`. */
export function narrow(self: Tensor, dim: number, start: number | Tensor, length: number): Tensor {
  if (start instanceof Tensor && (start.sizes.length > 0 || start.dtype.category !== 1)) {
    throw new RuntimeError("start must be an 0-dim integral Tensor.");
  }
  const [x, d, s, n] = bind("narrow(Tensor self, int dim, int start, int length)", [self, dim, start, length]) as [
    Tensor,
    number,
    number,
    number,
  ];
  if (x.sizes.length === 0) throw new RuntimeError("narrow() cannot be applied to a 0-dim tensor.");
  if (n < 0) throw new RuntimeError("narrow(): length must be non-negative.");
  const at = normalizeDim(d, x.sizes.length);
  const size = x.sizes[at];
  if (s < -size || s > size) {
    throw new IndexError(`start out of range (expected to be in range of [${-size}, ${size}], but got ${s})`);
  }
  const from = s < 0 ? s + size : s;
  if (from + n > size) throw new RuntimeError(`start (${from}) + length (${n}) exceeds dimension size (${size}).`);
  return sliceOp([x], { dim: at, start: from, count: n, step: 1 });
}

/** A view with the shape of `other`. */
export function view_as(self: Tensor, other: Tensor): Tensor {
  return view(self, other.sizes);
}

/** The elements in the shape of `other`. */
export function reshape_as(self: Tensor, other: Tensor): Tensor {
  return reshape(self, other.sizes);
}

/** A view broadcast to `size`. */
export function broadcast_to(self: Tensor, ...size: (number | Shape)[]): Tensor {
  const [x, sizes] = bind("broadcast_to(Tensor self, ints size)", [self, ...size]) as [Tensor, number[]];
  return expand(x, sizes);
}

const unfoldOp = primitive<{ dim: number; size: number; step: number }>({
  name: "unfold",
  view: "view",
  compute: ([x], { dim, size, step }) => {
    const [sizes, strides] = unfolded(x.sizes, x.strides, dim, size, step);
    return viewOf(x, sizes, strides);
  },
  gradient: (g, c) => {
    const shape = c.shape(0);
    const { dim, size, step } = c.attrs;
    const [sizes, strides] = unfolded(shape, contiguousStrides(shape), dim, size, step);
    return [g.new_zeros(shape)._as_strided_add(g, sizes, strides, 0)];
  },
});

function unfolded(shape: Shape, strides: Shape, dim: number, size: number, step: number): [number[], number[]] {
  if (shape.length === 0) return [[size], [1]];
  const sizes = shape.map((s, d) => (d === dim ? Math.floor((s - size) / step) + 1 : s));
  return [
    [...sizes, size],
    [...strides.map((s, d) => (d === dim ? s * step : s)), strides[dim]],
  ];
}

/** A view of all windows of `size` elements along `dimension`, `step` apart; the window is a new last dimension. */
export function unfold(self: Tensor, dimension: number, size: number, step: number): Tensor {
  const [x, d, n, by] = bind("unfold(Tensor self, int dimension, int size, int step)", [
    self,
    dimension,
    size,
    step,
  ]) as [Tensor, number, number, number];
  const dim = normalizeDim(d, x.sizes.length);
  const most = x.sizes.length === 0 ? 1 : x.sizes[dim];
  if (n < 0) throw new RuntimeError(`size is ${n} but must be >= 0`);
  if (n > most) throw new RuntimeError(`maximum size for tensor at dimension ${dim} is ${most} but size is ${n}`);
  if (by <= 0) throw new RuntimeError(`step is ${by} but must be > 0`);
  return unfoldOp([x], { dim, size: n, step: by });
}
