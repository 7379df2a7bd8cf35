/** Diagonals and triangles of matrices. */

import { dispatchInplace } from "../dispatch.ts";
import { int32 as INT32 } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { computeType } from "../ir/expr.ts";
import { normalizeDim, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied, copyInto } from "./copy.ts";
import { alongDims, alongDimsWithSizes, sameForAll } from "./define/batch.ts";
import { allocateLike } from "./define/layout.ts";
import { intoOut } from "./define/out.ts";
import { type PrimitiveCall, type PrimitiveSpec, primitive, toPrimitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { viewOf, zerosOf } from "./geometry.ts";
import { arange } from "./ranges.ts";
import { allocate, runRow } from "./row.ts";

interface DiagonalAttrs {
  readonly offset: number;
  readonly dim1: number;
  readonly dim2: number;
}

function diagonalView(x: Tensor, { offset, dim1, dim2 }: DiagonalAttrs): Tensor {
  const length = Math.max(
    0,
    offset >= 0 ? Math.min(x.sizes[dim1], x.sizes[dim2] - offset) : Math.min(x.sizes[dim1] + offset, x.sizes[dim2]),
  );
  const rest = (list: Shape): number[] => list.filter((_, d) => d !== dim1 && d !== dim2);
  const at = length === 0 ? 0 : offset >= 0 ? offset * x.strides[dim2] : -offset * x.strides[dim1];
  return viewOf(x, [...rest(x.sizes), length], [...rest(x.strides), x.strides[dim1] + x.strides[dim2]], x.offset + at);
}

const diagonalBackwardOp: PrimitiveCall<DiagonalAttrs & { sizes: Shape }> = primitive<DiagonalAttrs & { sizes: Shape }>(
  {
    name: "diagonal_backward",
    batch: alongDimsWithSizes("dim1", "dim2"),
    compute: ([g], attrs) => {
      const out = zerosOf(g, attrs.sizes);
      copyInto(diagonalView(out, attrs), g);
      return out;
    },
    gradient: (g, c) => [diagonalOp([g], c.attrs)],
  },
);

const diagonalSpec: PrimitiveSpec<DiagonalAttrs> = {
  name: "diagonal",
  batch: alongDims("dim1", "dim2"),
  view: "view",
  compute: ([x], attrs) => diagonalView(x, attrs),
  gradient: (g, c) => [diagonalBackwardOp([g], { ...c.attrs, sizes: c.shape(0) })],
};
const diagonalOp: PrimitiveCall<DiagonalAttrs> = primitive(diagonalSpec);
const diagonalCopyOp = primitive<DiagonalAttrs>({
  ...diagonalSpec,
  name: "diagonal_copy",
  view: undefined,
  compute: ([x], attrs) => {
    const view = diagonalView(x, attrs);
    return copied(view, { dtype: x.dtype, format: "contiguous_format" });
  },
});

function twoDims(dim1: number, dim2: number, rank: number): [number, number] {
  const a = normalizeDim(dim1, rank);
  const b = normalizeDim(dim2, rank);
  if (a === b) throw new RuntimeError(`diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
  return [a, b];
}

interface DiagonalOptions {
  readonly offset?: number;
  readonly dim1?: number;
  readonly dim2?: number;
}

/** A view of the diagonal `offset` places right of the main one, of dimensions `dim1` and `dim2`, as the last dimension. */
export function diagonal(self: Tensor, offset?: number | DiagonalOptions, dim1?: number, dim2?: number): Tensor {
  const [x, k, a, b] = bind("diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1)", [
    self,
    offset,
    dim1,
    dim2,
  ]) as [Tensor, number, number, number];
  const [d1, d2] = twoDims(a, b, x.sizes.length);
  return diagonalOp([x], { offset: k, dim1: d1, dim2: d2 });
}

const diagEmbedOp = primitive<DiagonalAttrs>({
  name: "diag_embed",
  batch: alongDims("dim1", "dim2"),
  compute: ([x], attrs) => {
    const { offset, dim1, dim2 } = attrs;
    const n = x.sizes[x.sizes.length - 1] + Math.abs(offset);
    const rest = x.sizes.slice(0, -1);
    const sizes = Array.from({ length: x.sizes.length + 1 }, (_, d) =>
      d === dim1 || d === dim2 ? n : (rest.shift() as number),
    );
    const out = zerosOf(x, sizes);
    copyInto(diagonalView(out, attrs), x);
    return out;
  },
  gradient: (g, c) => [g.diagonal(c.attrs.offset, c.attrs.dim1, c.attrs.dim2)],
});

/** Matrices of zeros, in dimensions `dim1` and `dim2`, with the last dimension of `self` as their diagonal. */
export function diag_embed(self: Tensor, offset?: number | DiagonalOptions, dim1?: number, dim2?: number): Tensor {
  const [x, k, a, b] = bind("diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1)", [
    self,
    offset,
    dim1,
    dim2,
  ]) as [Tensor, number, number, number];
  const [d1, d2] = twoDims(a, b, x.sizes.length + 1);
  const vectors = x.sizes.length === 0 ? x.unsqueeze(0) : x;
  return diagEmbedOp([vectors], { offset: k, dim1: d1, dim2: d2 });
}

/** The diagonal of a matrix, as a copy, or the matrix with this vector as its diagonal. */
export function diag(
  self: Tensor,
  diagonal?: number | { diagonal?: number; out?: Tensor },
  options?: { out?: Tensor },
): Tensor {
  const [x, k, out] = bind("diag(Tensor self, int diagonal=0, *, Tensor? out=None)", [self, diagonal, options]) as [
    Tensor,
    number,
    Tensor | null,
  ];
  if (x.sizes.length !== 1 && x.sizes.length !== 2) {
    throw new RuntimeError(`diag(): Supports 1D or 2D tensors. Got ${x.sizes.length}D`);
  }
  const result = x.sizes.length === 1 ? diag_embed(x, k) : diagonalCopyOp([x], { offset: k, dim1: 0, dim2: 1 });
  return intoOut(out, result);
}

/** The matrix with the elements of `self`, in row-major order, as its diagonal. */
export function diagflat(self: Tensor, offset?: number | { offset?: number }): Tensor {
  const [x, k] = bind("diagflat(Tensor self, int offset=0)", [self, offset]) as [Tensor, number];
  return diag_embed(x.contiguous().view(-1), k);
}

const diagonalScatterOp = primitive<DiagonalAttrs>({
  name: "diagonal_scatter",
  batch: alongDims("dim1", "dim2"),
  compute: ([x, src], attrs) => {
    const out = copied(x, { dtype: x.dtype, format: "preserve_format" });
    copyInto(diagonalView(out, attrs), src);
    return out;
  },
  gradient: (g, c) => {
    const { offset, dim1, dim2 } = c.attrs;
    return [
      c.needs(0) ? g.diagonal_scatter(g.new_zeros(c.shape(1)), offset, dim1, dim2) : null,
      c.needs(1) ? g.diagonal(offset, dim1, dim2) : null,
    ];
  },
});

/** A copy of `self` with `src` as its diagonal. */
export function diagonal_scatter(
  self: Tensor,
  src: Tensor,
  offset?: number | DiagonalOptions,
  dim1?: number,
  dim2?: number,
): Tensor {
  const [x, source, k, a, b] = bind("diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1)", [
    self,
    src,
    offset,
    dim1,
    dim2,
  ]) as [Tensor, Tensor, number, number, number];
  const [d1, d2] = twoDims(a, b, x.sizes.length);
  const attrs = { offset: k, dim1: d1, dim2: d2 };
  const wanted = diagonalView(x, attrs).sizes;
  if (wanted.length !== source.sizes.length || wanted.some((s, i) => s !== source.sizes[i])) {
    throw new RuntimeError(
      `expected src to have a size equal to the slice of self. src size = [${source.sizes.join(", ")}], slice size = [${wanted.join(", ")}]`,
    );
  }
  return diagonalScatterOp([x, source], attrs);
}

/** Copies the triangle of each matrix and sets the rest to 0. */
function triangle(x: Tensor, k: number, upper: boolean, out: Tensor | null): Tensor {
  const target = out ?? (x.contiguousLayout ? allocate(x.dtype, x.sizes) : allocateLike(x.dtype, x.sizes, [x]));
  const rank = x.sizes.length;
  const positions = arange(0, Math.max(x.sizes[rank - 2], x.sizes[rank - 1]), { dtype: INT32 });
  const along = (d: number): number[] => x.sizes.map((_, i) => (i === d ? 1 : 0));
  const type = computeType(x.dtype.name);
  runRow({
    name: upper ? "triu" : "tril",
    key: `triangle:${upper}`,
    outer: x.sizes,
    inner: [],
    operands: [
      { tensor: x, outer: x.strides, inner: [] },
      { tensor: positions, outer: along(rank - 2), inner: [] },
      { tensor: positions, outer: along(rank - 1), inner: [] },
      { tensor: target, outer: target.strides, inner: [] },
    ],
    outputs: 1,
    scalars: [Math.max(-(2 ** 30), Math.min(2 ** 30, k))],
    scalarTypes: ["i32"],
    build: ([value, row, column], builder, [shift]) => {
      const distance = column.sub(row);
      const inside = upper ? distance.ge(shift) : distance.le(shift);
      builder.store(3, type === "bool" ? value.and(inside) : inside.select(value, 0));
    },
  });
  return target;
}

function triangleOp(name: string, upper: boolean) {
  const spec: PrimitiveSpec<{ k: number }> = {
    name,
    batch: sameForAll,
    compute: ([x], { k }, out) => triangle(x, k, upper, out ?? null),
    gradient: (g, c) => [upper ? g.triu(c.attrs.k) : g.tril(c.attrs.k)],
  };
  const op = toPrimitive(spec);
  return { call: primitive(spec), inplace: (x: Tensor, k: number) => dispatchInplace(op, [x], { k }) };
}
const trilOp = triangleOp("tril", false);
const triuOp = triangleOp("triu", true);

type TriangleOptions = { diagonal?: number; out?: Tensor };

function bindTriangle(name: string, args: readonly unknown[]): [Tensor, number, Tensor | null] {
  const bound = bind(`${name}(Tensor self, int diagonal=0, *, Tensor? out=None)`, args) as [
    Tensor,
    number,
    Tensor | null,
  ];
  if (bound[0].sizes.length < 2) throw new RuntimeError(`${name}: input tensor must have at least 2 dimensions`);
  return bound;
}

/** The lower triangle of each matrix, up to the diagonal `diagonal` places right of the main one; zeros elsewhere. */
export function tril(self: Tensor, diagonal?: number | TriangleOptions, options?: TriangleOptions): Tensor {
  const [x, k, out] = bindTriangle("tril", [self, diagonal, options]);
  const result = trilOp.call([x], { k });
  return intoOut(out, result);
}

/** The upper triangle of each matrix, from the diagonal `diagonal` places right of the main one; zeros elsewhere. */
export function triu(self: Tensor, diagonal?: number | TriangleOptions, options?: TriangleOptions): Tensor {
  const [x, k, out] = bindTriangle("triu", [self, diagonal, options]);
  const result = triuOp.call([x], { k });
  return intoOut(out, result);
}

/** `tril` in place. */
export function tril_(self: Tensor, diagonal?: number | { diagonal?: number }): Tensor {
  const [x, k] = bindTriangle("tril", [self, diagonal]);
  return trilOp.inplace(x, k);
}

/** `triu` in place. */
export function triu_(self: Tensor, diagonal?: number | { diagonal?: number }): Tensor {
  const [x, k] = bindTriangle("triu", [self, diagonal]);
  return triuOp.inplace(x, k);
}
