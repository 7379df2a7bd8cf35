/** Views: other shapes and strides over the same memory. */
import { IndexError, RuntimeError, ValueError } from "../errors.ts";
import { broadcastStrides, inferSize, normalizeDim, type Shape, sameShape, shapeText, viewStrides } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copyInto, zerosLike } from "./copy.ts";
import { type PrimitiveCall, primitive, primitiveMany } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { stack } from "./joining.ts";

function viewOf(x: Tensor, sizes: Shape, strides: Shape, offset = x.offset): Tensor {
  return new Tensor(x.storage, x.dtype, sizes, strides, offset);
}

interface Geometry {
  readonly sizes: Shape;
  readonly strides: Shape;
  /** Absolute, in elements of the storage. */
  readonly offset: number;
}

const asStridedOp = primitive<Geometry & { base: Geometry }>({
  name: "as_strided",
  view: "view",
  compute: ([x], { sizes, strides, offset }) => viewOf(x, sizes, strides, offset),
  gradient: (g, c) => [
    g.new_zeros(c.shape(0))._as_strided_add(g, c.attrs.sizes, c.attrs.strides, c.attrs.offset - c.attrs.base.offset),
  ],
});

/** A view with any sizes and strides (in elements) from `storage_offset` of the storage. */
export function as_strided(self: Tensor, size: Shape, stride: Shape, storage_offset?: number | null): Tensor {
  const [x, sizes, strides, at] = bind("as_strided(Tensor self, int[] size, int[] stride, int? storage_offset=None)", [
    self,
    size,
    stride,
    storage_offset,
  ]) as [Tensor, number[], number[], number | null];
  if (sizes.length !== strides.length) {
    throw new RuntimeError(`mismatch in length of strides and shape`);
  }
  const offset = at ?? x.offset;
  let last = offset;
  for (let i = 0; i < sizes.length; i++) {
    if (sizes[i] < 0 || strides[i] < 0) {
      throw new RuntimeError(
        `as_strided: sizes and strides must not be negative, got ${shapeText(sizes)} and ${shapeText(strides)}`,
      );
    }
    last += (sizes[i] - 1) * strides[i];
  }
  if (!sizes.includes(0) && (last + 1) * x.dtype.itemsize > x.storage.nbytes) {
    throw new RuntimeError(
      `setStorage: sizes ${shapeText(sizes)}, strides ${shapeText(strides)}, storage offset ${offset}, and itemsize ${x.dtype.itemsize} requiring a storage size of ${(last + 1) * x.dtype.itemsize} are out of bounds for storage of size ${x.storage.nbytes}`,
    );
  }
  const base = { sizes: x.sizes, strides: x.strides, offset: x.offset };
  return asStridedOp([x], { sizes, strides, offset, base });
}

const viewOp = primitive<{ sizes: Shape; strides: Shape }>({
  name: "view",
  view: "view",
  compute: ([x], { sizes, strides }) => viewOf(x, sizes, strides),
  gradient: (g, c) => [g.reshape(c.shape(0))],
});

/** A view with another shape; one size may be -1. Fails where only a copy can have it. */
export function view(self: Tensor, ...shape: (number | Shape)[]): Tensor {
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

/** The elements in another shape: a view where possible, else a copy. */
export function reshape(self: Tensor, ...shape: (number | Shape)[]): Tensor {
  const [x, wanted] = bind("reshape(Tensor self, ints shape)", [self, ...shape]) as [Tensor, number[]];
  const sizes = inferSize(wanted, x.count);
  if (sameShape(sizes, x.sizes)) return viewOp([x], { sizes, strides: x.strides });
  const strides = viewStrides(x.sizes, x.strides, sizes);
  if (strides !== null) return viewOp([x], { sizes, strides });
  return x.clone({ memory_format: "contiguous_format" }).view(sizes);
}

const expandOp = primitive<{ sizes: Shape }>({
  name: "expand",
  view: "view",
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
      `expand(torch.Tensor{${shapeText(x.sizes)}}, size=${shapeText(wanted)}): the number of sizes provided (${wanted.length}) must be greater or equal to the number of dimensions in the tensor (${x.sizes.length})`,
    );
  }
  const sizes = wanted.map((s, i) => {
    const own = i < lead ? 1 : x.sizes[i - lead];
    if (s === -1) {
      if (i < lead) {
        throw new RuntimeError(
          `The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${i}`,
        );
      }
      return own;
    }
    if (s < 0 || (s !== own && own !== 1)) {
      throw new RuntimeError(
        `The expanded size of the tensor (${s}) must match the existing size (${own}) at non-singleton dimension ${i}.  Target sizes: ${shapeText(wanted)}.  Tensor sizes: ${shapeText(x.sizes)}`,
      );
    }
    return s;
  });
  return expandOp([x], { sizes });
}

/** A view with the shape of `other`. */
export function expand_as(self: Tensor, other: Tensor): Tensor {
  return expand(self, other.sizes);
}

const permuteOp = primitive<{ dims: readonly number[] }>({
  name: "permute",
  view: "view",
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

const transposeOp = primitive<{ dim0: number; dim1: number }>({
  name: "transpose",
  view: "view",
  compute: ([x], { dim0, dim1 }) => {
    const swap = (list: Shape): number[] => {
      const out = list.slice();
      if (out.length > 0) {
        out[dim0] = list[dim1];
        out[dim1] = list[dim0];
      }
      return out;
    };
    return viewOf(x, swap(x.sizes), swap(x.strides));
  },
  gradient: (g, c) => [g.transpose(c.attrs.dim0, c.attrs.dim1)],
});

/** A view with two dimensions swapped. */
export function transpose(self: Tensor, dim0: number, dim1: number): Tensor {
  const [x, a, b] = bind("transpose(Tensor self, int dim0, int dim1)", [self, dim0, dim1]) as [Tensor, number, number];
  return transposeOp([x], { dim0: normalizeDim(a, x.sizes.length), dim1: normalizeDim(b, x.sizes.length) });
}

const tOp = primitive<null>({
  name: "t",
  view: "view",
  compute: ([x]) => viewOf(x, x.sizes.slice().reverse(), x.strides.slice().reverse()),
  gradient: (g) => [g.t()],
  nodeName: "TBackward",
});

/** The transpose of a matrix. */
export function t(self: Tensor): Tensor {
  const [x] = bind("t(Tensor self)", [self]) as [Tensor];
  if (x.sizes.length > 2) {
    throw new RuntimeError(`t() expects a tensor with <= 2 dimensions, but self is ${x.sizes.length}D`);
  }
  return tOp([x], null);
}

const selectOp = primitive<{ dim: number; index: number }>({
  name: "select",
  view: "view",
  compute: ([x], { dim, index }) =>
    viewOf(x, without(x.sizes, dim), without(x.strides, dim), x.offset + index * x.strides[dim]),
  gradient: (g, c) => [selectBackwardOp([g], { sizes: c.shape(0), ...c.attrs })],
});

const selectBackwardOp = primitive<{ sizes: Shape; dim: number; index: number }>({
  name: "select_backward",
  compute: ([g], { sizes, dim, index }) => {
    const out = zerosOf(g, sizes);
    copyInto(viewOf(out, without(sizes, dim), without(out.strides, dim), index * out.strides[dim]), g);
    return out;
  },
  gradient: (g, c) => [g.select(c.attrs.dim, c.attrs.index)],
});

function without(list: Shape, position: number): number[] {
  return list.filter((_, i) => i !== position);
}

function zerosOf(like: Tensor, sizes: Shape): Tensor {
  return zerosLike(
    viewOf(
      like,
      sizes,
      sizes.map(() => 0),
    ),
  );
}

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
  compute: ([x], attrs) => sliceView(x, attrs),
  gradient: (g, c) => [sliceBackwardOp([g], { ...c.attrs, sizes: c.shape(0) })],
});

const sliceBackwardOp: PrimitiveCall<SliceAttrs & { sizes: Shape }> = primitive<SliceAttrs & { sizes: Shape }>({
  name: "slice_backward",
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

const unbindOp = primitiveMany<{ dim: number }>({
  name: "unbind",
  view: "multi_view",
  compute: ([x], { dim }) =>
    Array.from({ length: x.sizes[dim] }, (_, i) =>
      viewOf(x, without(x.sizes, dim), without(x.strides, dim), x.offset + i * x.strides[dim]),
    ),
  gradient: (_, c, grads) => {
    const size = without(c.shape(0), c.attrs.dim);
    const some = grads.find((g) => g !== null) as Tensor;
    return [
      stack(
        grads.map((g) => g ?? some.new_zeros(size)),
        c.attrs.dim,
      ),
    ];
  },
});

/** The slices of dimension `dim`, as views. */
export function unbind(self: Tensor, dim = 0): Tensor[] {
  const [x, d] = bind("unbind(Tensor self, int dim=0)", [self, dim]) as [Tensor, number];
  if (x.sizes.length === 0) throw new IndexError("Dimension specified as 0 but tensor has no dimensions");
  return unbindOp([x], { dim: normalizeDim(d, x.sizes.length) });
}

const squeezeOp = primitive<{ dims: readonly number[] }>({
  name: "squeeze",
  view: "view",
  compute: ([x], { dims }) => {
    const keep = (_: number, i: number): boolean => !(dims.includes(i) && x.sizes[i] === 1);
    return viewOf(x, x.sizes.filter(keep), x.strides.filter(keep));
  },
  gradient: (g, c) => [g.reshape(c.shape(0))],
});

/** A view without the dimensions of size 1, or without those of `dim` that have size 1. */
export function squeeze(self: Tensor, dim?: number | Shape): Tensor {
  const [x, given] = bind("squeeze(Tensor self, int[]? dim=None)", [self, dim]) as [Tensor, number[] | null];
  const dims = given === null ? x.sizes.map((_, i) => i) : given.map((d) => normalizeDim(d, x.sizes.length));
  return squeezeOp([x], { dims });
}

const unsqueezeOp = primitive<{ dim: number }>({
  name: "unsqueeze",
  view: "view",
  compute: ([x], { dim }) => {
    const stride = dim < x.sizes.length ? x.sizes[dim] * x.strides[dim] : 1;
    const insert = (list: Shape, value: number): number[] => [...list.slice(0, dim), value, ...list.slice(dim)];
    return viewOf(x, insert(x.sizes, 1), insert(x.strides, stride));
  },
  gradient: (g, c) => [g.squeeze(c.attrs.dim)],
});

/** A view with a new dimension of size 1 at `dim`. */
export function unsqueeze(self: Tensor, dim: number): Tensor {
  const [x, d] = bind("unsqueeze(Tensor self, int dim)", [self, dim]) as [Tensor, number];
  const rank = x.sizes.length + 1;
  if (d < -rank || d >= rank) {
    throw new IndexError(`Dimension out of range (expected to be in range of [${-rank}, ${rank - 1}], but got ${d})`);
  }
  return unsqueezeOp([x], { dim: d < 0 ? d + rank : d });
}

/** A view with the dimensions from `start_dim` to `end_dim` merged, or a copy where that is not possible. */
export function flatten(self: Tensor, start_dim?: number, end_dim?: number): Tensor {
  const [x, s, e] = bind("flatten(Tensor self, int start_dim=0, int end_dim=-1)", [self, start_dim, end_dim]) as [
    Tensor,
    number,
    number,
  ];
  const rank = x.sizes.length;
  const start = normalizeDim(s, rank);
  const end = normalizeDim(e, rank);
  if (start > end) throw new RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim");
  if (rank === 0) return x.reshape([1]);
  if (start === end) return x;
  const merged = x.sizes.slice(start, end + 1).reduce((a, b) => a * b, 1);
  return x.reshape([...x.sizes.slice(0, start), merged, ...x.sizes.slice(end + 1)]);
}

Object.defineProperty(Tensor.prototype, "T", {
  get(this: Tensor): Tensor {
    return this.permute(this.sizes.map((_, i) => this.sizes.length - 1 - i));
  },
});
Object.defineProperty(Tensor.prototype, "mT", {
  get(this: Tensor): Tensor {
    if (this.sizes.length < 2) {
      throw new RuntimeError(
        `tensor.mT is only supported on matrices or batches of matrices. Got ${this.sizes.length}-D tensor.`,
      );
    }
    return this.transpose(-2, -1);
  },
});
