/** Splitting a tensor into views of its parts. */
import { IndexError, RuntimeError } from "../errors.ts";
import { normalizeDim, type Shape, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { alongDims } from "./define/batch.ts";
import { type PrimitiveSpec, primitiveMany } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { viewOf, without } from "./geometry.ts";
import { cat, stack } from "./joining.ts";

const unbindOp = primitiveMany<{ dim: number }>({
  name: "unbind",
  view: "multi_view",
  batch: alongDims("dim"),
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

const splitSpec: PrimitiveSpec<{ dim: number; sizes: readonly number[] }> = {
  name: "split",
  view: "multi_view",
  batch: alongDims("dim"),
  compute: ([x], { dim, sizes }) => {
    let at = 0;
    return sizes.map((size) => {
      const part = viewOf(
        x,
        x.sizes.map((s, d) => (d === dim ? size : s)),
        x.strides,
        x.offset + at * x.strides[dim],
      );
      at += size;
      return part;
    });
  },
  gradient: (_, c, grads) => {
    const { dim, sizes } = c.attrs;
    const shape = c.shape(0);
    const some = grads.find((g) => g !== null) as Tensor;
    return [
      cat(
        grads.map((g, i) => g ?? some.new_zeros(shape.map((s, d) => (d === dim ? sizes[i] : s)))),
        dim,
      ),
    ];
  },
};
const splitOp = primitiveMany(splitSpec);
const splitWithSizesOp = primitiveMany({ ...splitSpec, name: "split_with_sizes" });

/** Views of parts of `split_size` slices along `dim` (the last may be smaller), or of as many slices as a list says. */
export function split(self: Tensor, split_size: number | Shape, dim?: number | { dim?: number }): Tensor[] {
  if (Array.isArray(split_size)) return split_with_sizes(self, split_size, dim);
  const [x, size, d] = bind("split(Tensor self, int split_size, int dim=0)", [self, split_size, dim]) as [
    Tensor,
    number,
    number,
  ];
  if (x.sizes.length === 0) throw new RuntimeError("split expects at least a 1-dimensional tensor");
  const at = normalizeDim(d, x.sizes.length);
  const length = x.sizes[at];
  if (size < 0) throw new RuntimeError(`split expects split_size be non-negative, but got split_size=${size}`);
  if (size === 0 && length !== 0) {
    throw new RuntimeError(`split_size can only be 0 if dimension size is 0, but got dimension size of ${length}`);
  }
  const count = size === 0 ? 1 : Math.max(Math.ceil(length / size), 1);
  const sizes = Array.from({ length: count }, (_, i) => (i < count - 1 ? size : length - size * (count - 1)));
  return splitOp([x], { dim: at, sizes });
}

/** Views of parts of the given sizes along `dim`. */
export function split_with_sizes(self: Tensor, split_sizes: Shape, dim?: number | { dim?: number }): Tensor[] {
  const [x, sizes, d] = bind("split_with_sizes(Tensor self, int[] split_sizes, int dim=0)", [
    self,
    split_sizes,
    dim,
  ]) as [Tensor, number[], number];
  if (x.sizes.length === 0) throw new RuntimeError("split_with_sizes expects at least a 1-dimensional tensor");
  const at = normalizeDim(d, x.sizes.length);
  if (sizes.some((s) => s < 0)) {
    throw new RuntimeError(
      `split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=${shapeText(sizes)}`,
    );
  }
  if (sizes.reduce((a, b) => a + b, 0) !== x.sizes[at]) {
    throw new RuntimeError(
      `split_with_sizes expects split_sizes to sum exactly to ${x.sizes[at]} (input tensor's size at dimension ${at}), but got split_sizes=${shapeText(sizes)}`,
    );
  }
  return splitWithSizesOp([x], { dim: at, sizes });
}

/** At most `chunks` views of parts of equal size along `dim`; the last may be smaller. */
export function chunk(self: Tensor, chunks: number, dim?: number | { dim?: number }): Tensor[] {
  const [x, count, d] = bind("chunk(Tensor self, int chunks, int dim=0)", [self, chunks, dim]) as [
    Tensor,
    number,
    number,
  ];
  if (x.sizes.length === 0) throw new RuntimeError("chunk expects at least a 1-dimensional tensor");
  if (count <= 0) throw new RuntimeError(`chunk expects \`chunks\` to be greater than 0, got: ${count}`);
  const at = normalizeDim(d, x.sizes.length);
  const size = Math.ceil(x.sizes[at] / count);
  if (size === 0) return split_with_sizes(x, new Array<number>(count).fill(0), at);
  return split(x, size, at);
}

/** Views of `indices_or_sections` parts whose sizes differ by at most 1, or of the parts between the given indices. */
export function tensor_split(
  self: Tensor,
  indices_or_sections: number | Shape | Tensor,
  dim?: number | { dim?: number },
): Tensor[] {
  const [x, wanted, d] = bind("tensor_split(Tensor self, any indices_or_sections, int dim=0)", [
    self,
    indices_or_sections,
    dim,
  ]) as [Tensor, number | Shape | Tensor, number];
  if (x.sizes.length === 0) {
    throw new RuntimeError(`tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims`);
  }
  const at = normalizeDim(d, x.sizes.length);
  const given = wanted instanceof Tensor ? splitPoints(wanted) : wanted;
  const size = x.sizes[at];
  if (typeof given === "number") {
    if (given <= 0) throw new RuntimeError(`number of sections must be larger than 0, got ${given}`);
    const small = Math.floor(size / given);
    const large = size % given;
    let start = 0;
    return Array.from({ length: given }, (_, i) => {
      const end = start + small + (i < large ? 1 : 0);
      const part = x.slice(at, start, end);
      start = end;
      return part;
    });
  }
  const [, points] = bind("tensor_split(Tensor self, int[] indices)", [x, given]) as [Tensor, number[]];
  let start = 0;
  const parts = points.map((end) => {
    const part = x.slice(at, start, end);
    start = end;
    return part;
  });
  return [...parts, x.slice(at, start, null)];
}

function splitPoints(t: Tensor): number | number[] {
  if (t.dtype.name !== "int64") {
    throw new RuntimeError(
      `tensor_split expected tensor_indices_or_sections to have dtype of long, but got ${t.dtype}`,
    );
  }
  if (t.ndim > 1) {
    throw new RuntimeError(
      `tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a tensor with ${t.ndim} dims`,
    );
  }
  return t.tolist() as number | number[];
}

function splitAlong(name: string, self: Tensor, rank: number, dim: number, sections: number | Shape): Tensor[] {
  const [x] = bind(`${name}(Tensor self, any indices_or_sections)`, [self, sections]) as [Tensor];
  if (x.ndim < rank) {
    throw new RuntimeError(
      `torch.${name} requires a tensor with at least ${rank} dimension, but got a tensor with ${x.ndim} dimensions!`,
    );
  }
  if (typeof sections === "number") {
    if (sections <= 0) throw new RuntimeError(`number of sections must be larger than 0, got ${sections}`);
    if (x.sizes[dim] % sections !== 0) {
      throw new RuntimeError(
        `torch.${name} attempted to split along dimension ${dim}, but the size of the dimension ${x.sizes[dim]} is not divisible by the split_size ${sections}!`,
      );
    }
  }
  return tensor_split(x, sections, dim);
}

/** Splits columns: along dimension 1, or 0 of a one-dimensional tensor. */
export function hsplit(self: Tensor, indices_or_sections: number | Shape): Tensor[] {
  return splitAlong("hsplit", self, 1, self.sizes?.length === 1 ? 0 : 1, indices_or_sections);
}

/** Splits rows: along dimension 0. */
export function vsplit(self: Tensor, indices_or_sections: number | Shape): Tensor[] {
  return splitAlong("vsplit", self, 2, 0, indices_or_sections);
}

/** Splits along dimension 2. */
export function dsplit(self: Tensor, indices_or_sections: number | Shape): Tensor[] {
  return splitAlong("dsplit", self, 3, 2, indices_or_sections);
}
