/** Views with dimensions added, removed, merged, or in another order, and their in-place forms, which change only metadata. */

import { NotImplementedNode } from "../autograd/not-implemented.ts";
import { checkInplace, gradientEdge, rebaseHistory, setHistory } from "../autograd/record.ts";
import { isRecording } from "../context/grad-mode.ts";
import { cppTypeName } from "../dtype.ts";
import { IndexError, NotImplementedError, RuntimeError } from "../errors.ts";
import { contiguousStrides, normalizeDim, normalizeDims, numelOf, type Shape, shapeText } from "../shape.ts";
import { heap, Storage } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { alias, stridedView } from "./as-strided.ts";
import { again, alongDims, movedDims } from "./define/batch.ts";
import { type PrimitiveSpec, primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { viewOf } from "./geometry.ts";
import { checkSizes } from "./tensor-options.ts";

/** Gives `self` the geometry and the history of `make()`, a view of it. */
function become(self: Tensor, make: () => Tensor): Tensor {
  checkInplace(self, isRecording() && self.requires_grad);
  const view = make();
  const node = view.gradFn;
  self.sizes = view.sizes;
  self.strides = view.strides;
  self.offset = view.offset;
  self.count = view.count;
  self.contiguousLayout = view.contiguousLayout;
  self.wrapping = view.wrapping;
  self.version.value++;
  self.tangent = view.tangent;
  if (node !== null) setHistory(self, node, 0);
  else self.gradFnVersion = self.version.value;
  return self;
}

const squeezeSpec: PrimitiveSpec<{ dims: readonly number[] }> = {
  name: "squeeze",
  view: "view",
  batch: alongDims("dims"),
  compute: ([x], { dims }) => {
    const keep = (_: number, i: number): boolean => !(dims.includes(i) && x.sizes[i] === 1);
    return viewOf(x, x.sizes.filter(keep), x.strides.filter(keep));
  },
  gradient: (g, c) => [g.reshape(c.shape(0))],
};
// PyTorch numbers the overloads: all dimensions, one, a list; then the same in place.
const squeezeOps = [0, 1, 2, 3, 4, 5].map((n) => primitive({ ...squeezeSpec, nodeName: `SqueezeBackward${n}` }));

function squeezed(self: Tensor, dim: unknown, first: number): Tensor {
  const [x, given] = bind("squeeze(Tensor self, int[]? dim=None)", [self, dim]) as [Tensor, number[] | null];
  const dims = given === null ? x.sizes.map((_, i) => i) : normalizeDimList(given, x.sizes.length);
  const which = given === null ? 0 : Array.isArray(dim) ? 2 : 1;
  return squeezeOps[first + which]([x], { dims });
}

function normalizeDimList(dims: readonly number[], rank: number): number[] {
  return dims.length === 0 ? [] : normalizeDims(rank === 0 ? dims.map((d) => normalizeDim(d, 0)) : dims, rank);
}

/** A view without the dimensions of size 1, or without those of `dim` that have size 1. */
export function squeeze(self: Tensor, dim?: number | Shape): Tensor {
  return squeezed(self, dim, 0);
}

/** `as_strided` of this very tensor. */
export function as_strided_(self: Tensor, size: Shape, stride: Shape, storage_offset?: number | null): Tensor {
  return become(self, () => stridedView(self, size, stride, storage_offset, true));
}

/** `squeeze` of this very tensor. */
export function squeeze_(self: Tensor, dim?: number | Shape): Tensor {
  return become(self, () => squeezed(self, dim, 3));
}

const unsqueezeSpec: PrimitiveSpec<{ dim: number }> = {
  name: "unsqueeze",
  view: "view",
  batch: (call) => again(call, movedDims(call.attrs, ["dim"])),
  compute: ([x], { dim }) => {
    const stride = dim < x.sizes.length ? x.sizes[dim] * x.strides[dim] : 1;
    const insert = (list: Shape, value: number): number[] => [...list.slice(0, dim), value, ...list.slice(dim)];
    return viewOf(x, insert(x.sizes, 1), insert(x.strides, stride));
  },
  gradient: (g, c) => [g.squeeze(c.attrs.dim)],
};
const unsqueezeOp = primitive(unsqueezeSpec);
const unsqueezeInplaceOp = primitive({ ...unsqueezeSpec, nodeName: "UnsqueezeBackward1" });

function newDim(d: number, rank: number): number {
  if (d < -rank || d >= rank) {
    throw new IndexError(`Dimension out of range (expected to be in range of [${-rank}, ${rank - 1}], but got ${d})`);
  }
  return d < 0 ? d + rank : d;
}

/** A view with a new dimension of size 1 at `dim`. */
export function unsqueeze(self: Tensor, dim: number): Tensor {
  const [x, d] = bind("unsqueeze(Tensor self, int dim)", [self, dim]) as [Tensor, number];
  return unsqueezeOp([x], { dim: newDim(d, x.sizes.length + 1) });
}

/** `unsqueeze` of this very tensor. */
export function unsqueeze_(self: Tensor, dim: number): Tensor {
  const [x, d] = bind("unsqueeze_(Tensor self, int dim)", [self, dim]) as [Tensor, number];
  const at = newDim(d, x.sizes.length + 1);
  return become(x, () => unsqueezeInplaceOp([x], { dim: at }));
}

const transposeSpec: PrimitiveSpec<{ dim0: number; dim1: number }> = {
  name: "transpose",
  view: "view",
  batch: (call) =>
    call.inputs[0].sizes.length === 0 ? again(call) : alongDims<typeof call.attrs>("dim0", "dim1")(call),
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
};
const transposeOp = primitive(transposeSpec);
const transposeInplaceOp = primitive({ ...transposeSpec, nodeName: "TransposeBackward1" });

/** A view with two dimensions swapped. */
export function transpose(self: Tensor, dim0: number, dim1: number): Tensor {
  const [x, a, b] = bind("transpose(Tensor self, int dim0, int dim1)", [self, dim0, dim1]) as [Tensor, number, number];
  return transposeOp([x], { dim0: normalizeDim(a, x.sizes.length), dim1: normalizeDim(b, x.sizes.length) });
}

/** `transpose` of this very tensor. */
export function transpose_(self: Tensor, dim0: number, dim1: number): Tensor {
  const [x, a, b] = bind("transpose_(Tensor self, int dim0, int dim1)", [self, dim0, dim1]) as [Tensor, number, number];
  const attrs = { dim0: normalizeDim(a, x.sizes.length), dim1: normalizeDim(b, x.sizes.length) };
  return become(x, () => transposeInplaceOp([x], attrs));
}

/** Another name of `transpose`. */
export const swapaxes: typeof transpose = transpose;
/** Another name of `transpose`. */
export const swapdims: typeof transpose = transpose;
/** Another name of `transpose_`. */
export const swapaxes_: typeof transpose_ = transpose_;
/** Another name of `transpose_`. */
export const swapdims_: typeof transpose_ = transpose_;

const tSpec: PrimitiveSpec<null> = {
  name: "t",
  view: "view",
  batch: ({ values: [x] }) => (x.sizes.length < 3 ? x.view(x.sizes) : x.transpose(1, 2)),
  compute: ([x]) => viewOf(x, x.sizes.slice().reverse(), x.strides.slice().reverse()),
  gradient: (g) => [g.t()],
};
const tOp = primitive(tSpec);
const tInplaceOp = primitive({ ...tSpec, nodeName: "TBackward1" });

function checkMatrix(name: string, x: Tensor): void {
  if (x.sizes.length > 2) {
    throw new RuntimeError(`${name}() expects a tensor with <= 2 dimensions, but self is ${x.sizes.length}D`);
  }
}

/** The transpose of a matrix. */
export function t(self: Tensor): Tensor {
  const [x] = bind("t(Tensor self)", [self]) as [Tensor];
  checkMatrix("t", x);
  return tOp([x], null);
}

/** Transposes this very matrix. */
export function t_(self: Tensor): Tensor {
  const [x] = bind("t_(Tensor self)", [self]) as [Tensor];
  checkMatrix("t_", x);
  return become(x, () => tInplaceOp([x], null));
}

/** A view with the dimensions `source` at the positions `destination`; the others keep their order. */
export function movedim(self: Tensor, source: number | Shape, destination: number | Shape): Tensor {
  const [x, from, to] = bind("movedim(Tensor self, int[] source, int[] destination)", [self, source, destination]) as [
    Tensor,
    number[],
    number[],
  ];
  if (from.length !== to.length) {
    throw new RuntimeError(
      `movedim: Invalid source or destination dims: source (${shapeText(from)} dims) should contain the same number of dims as destination (${shapeText(to)} dims)`,
    );
  }
  const rank = x.sizes.length;
  const sources = from.map((d) => normalizeDim(d, rank));
  const targets = to.map((d) => normalizeDim(d, rank));
  if (new Set(sources).size !== sources.length) {
    throw new RuntimeError(`movedim: repeated dim in \`source\` (${shapeText(from)})`);
  }
  if (new Set(targets).size !== targets.length) {
    throw new RuntimeError(`movedim: repeated dim in \`destination\` (${shapeText(to)})`);
  }
  if (rank === 0) return alias(x);
  const order = new Array<number>(rank).fill(-1);
  targets.forEach((d, i) => {
    order[d] = sources[i];
  });
  const rest = x.sizes.map((_, d) => d).filter((d) => !sources.includes(d));
  return x.permute(order.map((d) => (d >= 0 ? d : (rest.shift() as number))));
}

/** Another name of `movedim`. */
export const moveaxis: typeof movedim = movedim;

/** A view with dimension `dim` split into `sizes`, of which one may be -1. */
export function unflatten(self: Tensor, dim: number, sizes: number | Shape): Tensor {
  const [x, d, parts] = bind("unflatten(Tensor self, int dim, int[] sizes)", [self, dim, sizes]) as [
    Tensor,
    number,
    number[],
  ];
  const at = normalizeDim(d, x.sizes.length);
  if (parts.length === 0) throw new RuntimeError("unflatten: sizes must be non-empty");
  const unknown = parts.filter((s) => s === -1).length;
  if (unknown > 1) throw new RuntimeError("only one dimension can be inferred");
  const known = parts.reduce((n, s) => (s === -1 ? n : n * s), 1);
  const size = x.sizes.length === 0 ? 1 : x.sizes[at];
  const fits = unknown === 0 ? known === size : known !== 0 && size % known === 0;
  if (!fits || parts.some((s) => s < -1)) {
    throw new RuntimeError(
      `unflatten: Provided sizes ${shapeText(parts)} don't multiply up to the size of dim ${at} (${size}) in the input tensor`,
    );
  }
  const filled = parts.map((s) => (s === -1 ? size / known : s));
  return x.view([...x.sizes.slice(0, at), ...filled, ...x.sizes.slice(at + 1)]);
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

/** The elements in one dimension: a view where possible. */
export function ravel(self: Tensor): Tensor {
  const [x] = bind("ravel(Tensor self)", [self]) as [Tensor];
  return x.contiguous().view(-1);
}

/** The transpose of the last two dimensions: complex numbers, which would be conjugated, are not implemented. */
export function adjoint(self: Tensor): Tensor {
  if (self.sizes.length < 2) {
    throw new RuntimeError(
      `tensor.adjoint() is only supported on matrices or batches of matrices. Got ${self.sizes.length}-D tensor.`,
    );
  }
  return transpose(self, -2, -1);
}

/**
 * Gives a tensor without history another shape. Memory is kept where it is large enough; else the tensor gets a longer
 * copy of its own.
 */
export function resize_(self: Tensor, ...size: (number | Shape)[]): Tensor {
  const [x, sizes] = bind("resize_(Tensor self, ints size, *, any? memory_format=None)", [self, ...size]) as [
    Tensor,
    number[],
  ];
  if (x.requires_grad) throw new RuntimeError("cannot resize variables that require grad");
  if (x.wrapping !== null) {
    throw new NotImplementedError("resize_ inside a transformation: the tensor's memory is shared with other levels");
  }
  checkSizes(sizes);
  const count = numelOf(sizes);
  const bytes = (x.offset + count) * x.dtype.itemsize;
  if (count > 0 && bytes > x.storage.nbytes) {
    const larger = new Storage(bytes);
    const from = x.storage.address;
    const to = larger.address;
    heap.u8.copyWithin(to, from, from + x.storage.nbytes);
    x.storage = larger;
  }
  const whole = viewOf(
    x,
    sizes,
    sizes.map((_, d) => numelOf(sizes.slice(d + 1).map((s) => Math.max(s, 1)))),
  );
  x.sizes = whole.sizes;
  x.strides = whole.strides;
  x.count = count;
  x.contiguousLayout = true;
  x.version.value++;
  return x;
}

/**
 * Makes this tensor read the memory of `source` (none: an empty one), in its shape, or from `storage_offset` with a size and
 * strides of its own. Nothing can be differentiated through this.
 */
export function set_(
  self: Tensor,
  source?: Tensor | null,
  storage_offset?: number,
  size?: Shape,
  stride?: Shape,
): Tensor {
  const [x, from, offset, sizes, strides] = bind(
    "set_(Tensor self, Tensor? source=None, int storage_offset=0, int[]? size=None, int[]? stride=None)",
    [self, source, storage_offset, size, stride],
  ) as [Tensor, Tensor | null, number, Shape | null, Shape | null];
  if (from !== null && from.dtype !== x.dtype) {
    throw new RuntimeError(
      `Could not set tensor of type ${cppTypeName(from.dtype)} to a tensor of type ${cppTypeName(x.dtype)}`,
    );
  }
  const recorded = isRecording() && (x.requires_grad || (from?.requires_grad ?? false));
  checkInplace(x, recorded);
  const edges = recorded ? [x, ...(from === null ? [] : [from])].map(gradientEdge) : [];
  const memory = from ?? x.new_empty([0]);
  const whole =
    sizes === null ? memory : memory.detach().as_strided(sizes, strides ?? contiguousStrides(sizes), offset);
  x.storage = memory.storage;
  x.storage.kept = true;
  x.sizes = whole.sizes;
  x.strides = whole.strides;
  x.offset = whole.offset;
  x.count = whole.count;
  x.contiguousLayout = whole.contiguousLayout;
  x.version.value++;
  if (recorded) rebaseHistory(x, new NotImplementedNode("set_", edges));
  return x;
}

Object.defineProperty(Tensor.prototype, "T", {
  get(this: Tensor): Tensor {
    return this.permute(this.sizes.map((_, i) => this.sizes.length - 1 - i));
  },
});
Object.defineProperty(Tensor.prototype, "mT", {
  get(this: Tensor): Tensor {
    if (this.sizes.length === 0) return this;
    if (this.sizes.length < 2) {
      throw new RuntimeError(
        `tensor.mT is only supported on matrices or batches of matrices. Got ${this.sizes.length}-D tensor.`,
      );
    }
    return this.transpose(-2, -1);
  },
});
Object.defineProperty(Tensor.prototype, "mH", {
  get(this: Tensor): Tensor {
    return adjoint(this);
  },
});
Object.defineProperty(Tensor.prototype, "H", {
  get(this: Tensor): Tensor {
    if (this.sizes.length !== 2 && this.sizes.length !== 0) {
      throw new RuntimeError(
        `tensor.H is only supported on matrices (2-D tensors). Got ${this.sizes.length}-D tensor.${this.sizes.length > 2 ? " For batches of matrices, consider using tensor.mH" : ""}`,
      );
    }
    return this.sizes.length === 0 ? this : transpose(this, 0, 1);
  },
});
