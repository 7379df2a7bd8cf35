/** `torch.linalg.vector_norm`. */

import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { constant, type Expr } from "../ir/expr.ts";
import { normalizeDims } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { alongDims } from "./define/batch.ts";
import { intoOut } from "./define/out.ts";
import { primitive, RESULT } from "./define/primitive.ts";
import { type ReducedDims, reduce, restoreDims } from "./define/reduction.ts";
import { bind } from "./define/schema.ts";
import type { RowBuilder } from "./row.ts";

interface NormAttrs extends ReducedDims {
  readonly ord: number;
  readonly dtype: DType;
}

/** Orders with kernels of their own; all others share one. */
function variantOf(ord: number): string {
  return [0, 1, 2, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].includes(ord) ? String(ord) : "p";
}

function buildNorm(v: Expr, row: RowBuilder, p: Expr, variant: string): Expr {
  switch (variant) {
    case "0":
      return row.reduce("sum", v.cast("bool").cast(v.type));
    case "1":
      return row.reduce("sum", v.abs());
    case "2":
      return row.reduce("sum", v.mul(v)).sqrt();
    case "Infinity":
      return row.reduce("max", v.abs());
    case "-Infinity":
      return row.reduce("min", v.abs());
    default:
      return row.reduce("sum", v.abs().pow(p)).pow(constant(v.type, 1).div(p));
  }
}

const vectorNormOp = primitive<NormAttrs>({
  name: "linalg_vector_norm",
  batch: alongDims("dims"),
  compute: ([x], { ord, dims, keepdim, dtype }) => {
    const variant = variantOf(ord);
    return reduce(x, {
      name: "vector_norm",
      variant,
      dims,
      keepdim,
      compute: dtype,
      result: dtype,
      scalars: [ord],
      build: (v, row, [p]) => buildNorm(v, row, p, variant),
    });
  },
  gradient: (g, c) => {
    const x = c.input(0);
    const norm = restoreDims(c.output(), x.sizes, c.attrs);
    return [normGradient(restoreDims(g, x.sizes, c.attrs), x.to(g.dtype), norm, c.attrs)];
  },
  saves: [[0, RESULT]],
});

/** Where the norm is 0 the subgradient is 0. */
function normGradient(g: Tensor, x: Tensor, norm: Tensor, { ord, dims }: NormAttrs): Tensor | null {
  if (ord === 0) return null;
  if (ord === 1) return x.sgn().mul(g);
  if (ord === 2) return g.mul(x.div(norm).masked_fill(norm.eq(0), 0));
  if (Math.abs(ord) === Number.POSITIVE_INFINITY) {
    const plain = x.detach();
    const mask = plain.abs().eq(norm).logical_or(plain.isnan().logical_and(norm.detach().isnan()));
    const share = dims.length === 0 ? g : g.div(mask.sum(dims, true));
    return x.sgn().mul(share.mul(mask));
  }
  if (ord < 1) {
    const scaled = x.sgn().mul(
      x
        .abs()
        .pow(ord - 1)
        .masked_fill(x.eq(0), 0),
    );
    return scaled.mul(g).mul(norm.pow(1 - ord));
  }
  const scaled = ord < 2 ? x.sgn().mul(x.abs().pow(ord - 1)) : x.mul(x.abs().pow(ord - 2));
  // Where the norm is 0 the other factor is.
  return scaled.mul(g.div(norm.pow(ord - 1).masked_fill(norm.eq(0), 1)));
}

/** Keyword arguments of `vector_norm`. */
export interface VectorNormOptions {
  readonly ord?: number;
  readonly dim?: number | readonly number[] | null;
  readonly keepdim?: boolean;
  readonly dtype?: DType | null;
  readonly out?: Tensor;
}

/** The norm of the elements as a vector: (Σ|x|^ord)^(1/ord), over all elements or `dim`. */
export function vector_norm(
  x: Tensor,
  ord?: number | VectorNormOptions,
  dim?: number | readonly number[] | null | VectorNormOptions,
  keepdim?: boolean | VectorNormOptions,
  options?: VectorNormOptions,
): Tensor {
  const [input, order, d, keep, dtype, out] = bind(
    "linalg_vector_norm(Tensor x, Scalar ord=2, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)",
    [x, ord, dim, keepdim, options],
  ) as [Tensor, number, number[] | null, boolean, DType | null, Tensor | null];
  checkDTypes(input, dtype);
  const p = Number(order);
  const dims = normalizeDims(d, input.sizes.length);
  if (p < 0 || p === Number.POSITIVE_INFINITY) requireElements(input, dims, d === null, p);
  const result = vectorNormOp([input], { ord: p, dims, keepdim: keep, dtype: dtype ?? input.dtype });
  return intoOut(out, result);
}

/** Norms without an identity need an element. */
function requireElements(x: Tensor, dims: readonly number[], all: boolean, p: number): void {
  const norm = `linalg.vector_norm cannot compute the ${orderText(p)} norm on`;
  if (all || dims.length === 0 || dims.length === x.sizes.length) {
    if (x.count > 0) return;
    throw new RuntimeError(`${norm} an empty tensor because the operation does not have an identity`);
  }
  for (const d of dims) {
    if (x.sizes[d] === 0) {
      throw new RuntimeError(
        `${norm} the dimension ${d} because this dimension is empty and the operation does not have an identity`,
      );
    }
  }
}

function orderText(p: number): string {
  return p === Number.POSITIVE_INFINITY ? "inf" : p === Number.NEGATIVE_INFINITY ? "-inf" : String(p);
}

function checkDTypes(x: Tensor, dtype: DType | null): void {
  if (!x.dtype.is_floating_point) {
    throw new RuntimeError(
      `linalg.vector_norm: Expected a floating point or complex tensor as input. Got ${dt.scalarTypeName(x.dtype)}`,
    );
  }
  if (dtype === null) return;
  if (!dtype.is_floating_point) {
    throw new RuntimeError(
      `linalg.vector_norm: dtype should be floating point or complex, but got ${dt.scalarTypeName(dtype)}`,
    );
  }
  if (dt.promote_types(x.dtype, dtype) !== dtype) {
    throw new RuntimeError(
      `linalg.vector_norm: the dtype of the input (${dt.scalarTypeName(x.dtype)}) should be convertible without narrowing to the specified dtype (${dt.scalarTypeName(dtype)})`,
    );
  }
}
