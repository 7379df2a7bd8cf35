/** Distinct elements, or distinct slices along a dimension. A NaN equals nothing, not even itself. */

import * as dt from "../dtype.ts";
import { IndexError, NotImplementedError, RuntimeError } from "../errors.ts";
import { contiguousStrides, normalizeDim } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { type Elements, resultRows, rowsOf, withElements } from "./define/axis.ts";
import { refuseDynamicShape } from "./define/batch.ts";
import { primitiveMany } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { positions, RowSorter } from "./routines/order.ts";

interface UniqueAttrs {
  /** null: elements of the flattened tensor. */
  readonly dim: number | null;
  readonly consecutive: boolean;
}

/** Runs of equal items: where each run's first item is, the run of each item, and how long each run is. */
interface Runs {
  readonly first: Int32Array;
  readonly runOf: Int32Array;
  readonly lengths: Int32Array;
  readonly count: number;
}

/**
 * Items are numbers 0 to n - 1; item i is the elements at `i`, `i + n`, `i + 2n`, … (`parts` of them). Sorts the items by their first
 * part, then the second, and so on, unless only neighbours count.
 */
function findRuns(elements: Elements, n: number, parts: number, consecutive: boolean): Runs {
  const first = new Int32Array(n);
  const runOf = new Int32Array(n);
  const lengths = new Int32Array(n);
  let order = positions(n);
  if (!consecutive && n > 0) {
    const sorter = new RowSorter(elements, n, false);
    for (let p = parts - 1; p >= 0; p--) sorter.resort(elements, p * n, n, 1);
    order = sorter.order;
  }
  let count = 0;
  for (let i = 0; i < n; i++) {
    let same = i > 0;
    for (let at = 0; same && at < parts * n; at += n) same = elements[at + order[i]] === elements[at + order[i - 1]];
    if (!same) first[count++] = order[i];
    runOf[order[i]] = count - 1;
    lengths[count - 1]++;
  }
  return { first, runOf, lengths, count };
}

function uniqueOf(x: Tensor, { dim, consecutive }: UniqueAttrs): Tensor[] {
  const { tensor } = rowsOf(x, dim ?? Math.max(x.sizes.length - 1, 0));
  const n = dim === null ? x.count : x.sizes[dim];
  const parts = dim === null ? 1 : n === 0 ? 0 : x.count / n;
  let runs: Runs | null = null;
  withElements([tensor], ([from]) => {
    runs = findRuns(from, n, parts, consecutive);
  });
  const { first, runOf, lengths, count } = runs as unknown as Runs;
  const shape = dim === null ? [count] : x.sizes.map((s, d) => (d === dim ? count : s));
  const values = resultRows(x.dtype, shape, dim ?? 0);
  const inverse = resultRows(dt.int64, dim === null ? [x.count] : [n], 0);
  const counts = resultRows(dt.int64, [count], 0);
  withElements([tensor, values.tensor, inverse.tensor, counts.tensor], ([from, to, places, sizes]) => {
    for (let p = 0; p < parts; p++) {
      for (let k = 0; k < count; k++) to[p * count + k] = from[p * n + first[k]];
    }
    writeInt64(places, runOf, n);
    writeInt64(sizes, lengths, count);
  });
  const whole = inverse.finish();
  const shaped =
    dim === null ? new Tensor(whole.storage, dt.int64, x.sizes, contiguousStrides(x.sizes), whole.offset, true) : whole;
  return [values.finish(), shaped, counts.finish()];
}

function writeInt64(target: Elements, values: Int32Array, n: number): void {
  const words = new Int32Array(target.buffer, target.byteOffset, 2 * target.length);
  for (let i = 0; i < n; i++) {
    words[2 * i] = values[i];
    words[2 * i + 1] = 0;
  }
}

function uniquePrimitive(name: string, nodeName: string) {
  return primitiveMany<UniqueAttrs>({
    name,
    nodeName,
    batch: () => refuseDynamicShape(name),
    compute: ([x], attrs) => uniqueOf(x, attrs),
    gradient: () => {
      throw new NotImplementedError(`the derivative for '${name}' is not implemented.`);
    },
  });
}
const unique2Op = uniquePrimitive("_unique2", "Unique2Backward");
const uniqueDimOp = uniquePrimitive("unique_dim", "UniqueDimBackward");
const consecutiveOp = uniquePrimitive("unique_consecutive", "UniqueConsecutiveBackward");

function checkedDim(x: Tensor, dim: number | null): number | null {
  if (dim === null) return null;
  if (x.sizes.length === 0) throw new IndexError(`Dimension specified as ${dim} but tensor has no dimensions`);
  const d = normalizeDim(dim, x.sizes.length);
  if (x.sizes.some((s, k) => s === 0 && k !== d)) {
    throw new RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
  }
  return d;
}

function arranged(results: readonly Tensor[], inverse: boolean, counts: boolean): Tensor | Tensor[] {
  if (!inverse && !counts) return results[0];
  return [results[0], ...(inverse ? [results[1]] : []), ...(counts ? [results[2]] : [])];
}

/** Keyword arguments of `unique_consecutive`. */
export interface UniqueConsecutiveOptions {
  /** Also give, for each element, where its value is among the results. */
  readonly return_inverse?: boolean;
  /** Also give how often each result occurs. */
  readonly return_counts?: boolean;
  /** Compare slices along this dimension instead of elements. */
  readonly dim?: number | null;
}
/** Keyword arguments of `unique`. */
export interface UniqueOptions extends UniqueConsecutiveOptions {
  /** The results are always sorted. */
  readonly sorted?: boolean;
}

type Plain<O> = O & { readonly return_inverse?: false; readonly return_counts?: false };
type Several<O> = O & ({ readonly return_inverse: true } | { readonly return_counts: true });

/** `unique` gives one tensor, or a list if inverse indices or counts are asked for. */
export interface Unique {
  (self: Tensor, options?: Plain<UniqueOptions>): Tensor;
  (self: Tensor, options: Several<UniqueOptions>): Tensor[];
  (
    self: Tensor,
    sorted?: boolean | UniqueOptions,
    return_inverse?: boolean | UniqueOptions,
    return_counts?: boolean | UniqueOptions,
    dim?: number | null | UniqueOptions,
  ): Tensor | Tensor[];
  readonly method: {
    (options?: Plain<UniqueOptions>): Tensor;
    (options: Several<UniqueOptions>): Tensor[];
    (
      sorted?: boolean | UniqueOptions,
      return_inverse?: boolean | UniqueOptions,
      return_counts?: boolean | UniqueOptions,
      dim?: number | null | UniqueOptions,
    ): Tensor | Tensor[];
  };
}
/** `unique_consecutive` gives one tensor, or a list if inverse indices or counts are asked for. */
export interface UniqueConsecutive {
  (self: Tensor, options?: Plain<UniqueConsecutiveOptions>): Tensor;
  (self: Tensor, options: Several<UniqueConsecutiveOptions>): Tensor[];
  (
    self: Tensor,
    return_inverse?: boolean | UniqueConsecutiveOptions,
    return_counts?: boolean | UniqueConsecutiveOptions,
    dim?: number | null | UniqueConsecutiveOptions,
  ): Tensor | Tensor[];
  readonly method: {
    (options?: Plain<UniqueConsecutiveOptions>): Tensor;
    (options: Several<UniqueConsecutiveOptions>): Tensor[];
    (
      return_inverse?: boolean | UniqueConsecutiveOptions,
      return_counts?: boolean | UniqueConsecutiveOptions,
      dim?: number | null | UniqueConsecutiveOptions,
    ): Tensor | Tensor[];
  };
}

/** The distinct elements in order, or the distinct slices along `dim`; with where each went and how many there were. */
export const unique = ((...args: unknown[]): Tensor | Tensor[] => {
  const [x, , inverse, counts, d] = bind(
    "unique(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None)",
    args,
  ) as [Tensor, boolean, boolean, boolean, number | null];
  const dim = checkedDim(x, d);
  const op = dim === null ? unique2Op : uniqueDimOp;
  return arranged(op([x], { dim, consecutive: false }), inverse, counts);
}) as Unique;

/** The elements (or slices along `dim`) without those that equal the one before. */
export const unique_consecutive = ((...args: unknown[]): Tensor | Tensor[] => {
  const [x, inverse, counts, d] = bind(
    "unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None)",
    args,
  ) as [Tensor, boolean, boolean, number | null];
  return arranged(consecutiveOp([x], { dim: checkedDim(x, d), consecutive: true }), inverse, counts);
}) as UniqueConsecutive;
