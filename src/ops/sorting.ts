/** Sorting along a dimension. NaN counts as the largest value; sorting is always stable. */

import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { normalizeDim } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { type Elements, resultRows, rowsOf, selectedGradient, withElements } from "./define/axis.ts";
import { alongDims } from "./define/batch.ts";
import { intoAll, type ValuesIndices, valuesAndIndices } from "./define/named.ts";
import { intoOut } from "./define/out.ts";
import { primitive, primitiveMany, RESULT } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { RowSorter, TopSelector } from "./routines/order.ts";

/** Keyword arguments of `sort` and `argsort`. */
export interface SortOptions {
  readonly dim?: number;
  readonly descending?: boolean;
  /** Whether equal elements keep their order. They always do. */
  readonly stable?: boolean | null;
  readonly out?: readonly Tensor[];
}

/** The low words of int64 indices, whose high words are 0. */
function indexWords(indices: Elements): Int32Array {
  const words = new Int32Array(indices.buffer, indices.byteOffset, 2 * indices.length);
  words.fill(0);
  return words;
}

interface SortAttrs {
  readonly dim: number;
  readonly descending: boolean;
}

/** Sorted values, or null, and the positions they came from. */
function sortRows(x: Tensor, { dim, descending }: SortAttrs, wantValues: boolean): [Tensor | null, Tensor] {
  const { tensor, rows, length } = rowsOf(x, dim);
  const values = wantValues ? resultRows(x.dtype, x.sizes, dim) : null;
  const indices = resultRows(dt.int64, x.sizes, dim);
  withElements([tensor, indices.tensor, values?.tensor ?? tensor], ([from, places, to]) => {
    const words = indexWords(places);
    const sorter = new RowSorter(from, length, descending);
    for (let r = 0; r < rows; r++) {
      const start = r * length;
      sorter.sort(from, start, length);
      const { order } = sorter;
      for (let i = 0; i < length; i++) words[2 * (start + i)] = order[i];
      if (wantValues) for (let i = 0; i < length; i++) to[start + i] = from[start + order[i]];
    }
  });
  return [values?.finish() ?? null, indices.finish()];
}

const sortOp = primitiveMany<SortAttrs>({
  name: "sort",
  batch: alongDims("dim"),
  compute: ([x], attrs) => sortRows(x, attrs, true) as Tensor[],
  gradient: (g, c) => [selectedGradient(g, c.shape(0), c.output(1), c.attrs.dim, true)],
  saves: [[RESULT + 1]],
});
const namedSort = valuesAndIndices("sort");

/** The elements along `dim` (the last by default) in order, and the positions they came from. */
export function sort(
  self: Tensor,
  dim?: number | SortOptions,
  descending?: boolean | SortOptions,
  options?: SortOptions,
): ValuesIndices {
  const [x, d, down, , out] = bind(
    "sort(Tensor self, int dim=-1, bool descending=False, *, bool? stable=False, Tensor[]? out=None)",
    [self, dim, descending, options],
  ) as [Tensor, number, boolean, boolean | null, Tensor[] | null];
  return namedSort(intoAll(out, sortOp([x], { dim: normalizeDim(d, x.sizes.length), descending: down })));
}

const argsortOp = primitive<SortAttrs>({
  name: "argsort",
  batch: alongDims("dim"),
  compute: ([x], attrs) => sortRows(x, attrs, false)[1],
});

/** The positions that would sort the elements along `dim`. */
export function argsort(
  self: Tensor,
  dim?: number | Omit<SortOptions, "out">,
  descending?: boolean | Omit<SortOptions, "out">,
  options?: Omit<SortOptions, "out">,
): Tensor {
  const [x, d, down] = bind("argsort(Tensor self, int dim=-1, bool descending=False, *, bool? stable=False)", [
    self,
    dim,
    descending,
    options,
  ]) as [Tensor, number, boolean];
  return argsortOp([x], { dim: normalizeDim(d, x.sizes.length), descending: down });
}

/** The elements in order along the first dimension. */
export function msort(self: Tensor, options?: { readonly out?: Tensor }): Tensor {
  const [x, out] = bind("msort(Tensor self, *, Tensor? out=None)", [self, options]) as [Tensor, Tensor | null];
  const result = sort(x, 0).values;
  return intoOut(out, result);
}

interface TopAttrs {
  readonly k: number;
  readonly dim: number;
  readonly largest: boolean;
}

const topkOp = primitiveMany<TopAttrs>({
  name: "topk",
  batch: alongDims("dim"),
  compute: ([x], { k, dim, largest }) => {
    const { tensor, rows, length } = rowsOf(x, dim);
    const shape = x.sizes.length === 0 ? [] : x.sizes.map((s, d) => (d === dim ? k : s));
    const values = resultRows(x.dtype, shape, dim);
    const indices = resultRows(dt.int64, shape, dim);
    withElements([tensor, values.tensor, indices.tensor], ([from, to, places]) => {
      const words = indexWords(places);
      // A heap of k pays where k is a small part of the row.
      const heap = from.BYTES_PER_ELEMENT <= 4 && length > 64 && 8 * k < length && k > 0;
      const selector = heap ? new TopSelector(k, length, largest) : null;
      const sorter = heap ? null : new RowSorter(from, length, largest);
      for (let r = 0; r < rows; r++) {
        const start = r * length;
        sorter?.sort(from, start, length);
        const order = selector?.select(from, start, length) ?? (sorter as RowSorter).order;
        for (let i = 0; i < k; i++) {
          to[r * k + i] = from[start + order[i]];
          words[2 * (r * k + i)] = order[i];
        }
      }
    });
    return [values.finish(), indices.finish()];
  },
  gradient: (g, c) => [selectedGradient(g, c.shape(0), c.output(1), c.attrs.dim, true)],
  saves: [[RESULT + 1]],
});
const namedTopk = valuesAndIndices("topk");

/** Keyword arguments of `topk`. */
export interface TopkOptions {
  readonly k?: number;
  readonly dim?: number;
  readonly largest?: boolean;
  /** Whether the results come in order. They always do. */
  readonly sorted?: boolean;
  readonly out?: readonly Tensor[];
}

/** The `k` largest (or smallest) elements along `dim`, in order, and where they are. */
export function topk(
  self: Tensor,
  k: number | TopkOptions,
  dim?: number | TopkOptions,
  largest?: boolean | TopkOptions,
  sorted?: boolean | TopkOptions,
  options?: TopkOptions,
): ValuesIndices {
  const [x, count, d, top, , out] = bind(
    "topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True, *, Tensor[]? out=None)",
    [self, k, dim, largest, sorted, options],
  ) as [Tensor, number, number, boolean, boolean, Tensor[] | null];
  if (x.dtype === dt.bool) throw new RuntimeError("topk does not support bool dtypes on CPU");
  const at = normalizeDim(d, x.sizes.length);
  const available = x.sizes.length === 0 ? 1 : x.sizes[at];
  if (count < 0 || count > available) throw new RuntimeError("selected index k out of range");
  return namedTopk(intoAll(out, topkOp([x], { k: count, dim: at, largest: top })));
}
