/** Indexing as in Python's brackets, masks, and flat positions. */

import * as dt from "../dtype.ts";
import { IndexError, RuntimeError, ValueError } from "../errors.ts";
import { broadcastShapes, broadcastStrides, describe, type Shape, sameShape, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";
import { alias } from "./as-strided.ts";
import { scalarTensor } from "./copy.ts";
import { intoOut } from "./define/out.ts";
import type { Operand } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import { fromValues } from "./from-values.ts";
import { viewOf } from "./geometry.ts";
import { checkIndices } from "./index-check.ts";
import {
  indexedShape,
  indexOp,
  indexPutOp,
  maskedScatterOp,
  maskedSelectOp,
  nonzeroOp,
  putOp,
  takeOp,
} from "./index-kernels.ts";
import { Slice } from "./slice.ts";

/** Nested lists of numbers or booleans, which stand for index tensors. */
export type IndexList = readonly (number | bigint | boolean | IndexList)[];
/** One index: a number, a slice, "...", null for a new dimension, a boolean, a tensor of indices or a mask, a list. */
export type TensorIndex = number | bigint | Slice | "..." | null | boolean | Tensor | IndexList;

/** Index tensors, broadcast together, and the dimensions they index. */
interface Advanced {
  readonly tensors: readonly Tensor[];
  readonly dims: readonly number[];
}

/** Applies what gives views (numbers, slices, new dimensions) and collects the rest. */
function applyViews(self: Tensor, given: readonly TensorIndex[]): { view: Tensor; advanced: Advanced | null } {
  const items = given.map((item): Exclude<TensorIndex, IndexList> => {
    if (Array.isArray(item)) return fromList(item);
    if (item instanceof Tensor && item.ndim === 0 && item.dtype.category === dt.INTEGRAL && item.dtype !== dt.uint8) {
      // One number for each sample of torch.vmap is a tensor of them.
      if (isBatched(item)) return item;
      return Number(item.item());
    }
    return item as Exclude<TensorIndex, IndexList>;
  });
  let wanted = 0;
  for (const item of items) {
    if (item instanceof Tensor) wanted += isMask(item) ? item.ndim : 1;
    else if (typeof item === "number" || typeof item === "bigint" || item instanceof Slice) wanted++;
  }
  if (wanted > self.ndim) throw new IndexError(`too many indices for tensor of dimension ${self.ndim}`);
  let view = self;
  let dim = 0;
  const found: { tensor: Tensor; dim: number }[] = [];
  for (const item of items) {
    if (item === null) view = view.unsqueeze(dim++);
    else if (item === "...") dim += Math.max(0, self.ndim - wanted);
    else if (typeof item === "boolean") {
      view = view.unsqueeze(dim);
      found.push({ tensor: fromValues(item ? [0] : new BigInt64Array(0), dt.int64, false), dim });
      dim++;
    } else if (item instanceof Slice) {
      const step = item.step ?? 1;
      if (step === 0) throw new ValueError("slice step cannot be zero");
      // As in PyTorch, a slice of everything is no view of its own.
      const all =
        (item.start === null || item.start === 0) && (item.end === null || item.end === view.sizes[dim]) && step === 1;
      if (!all) view = view.slice(dim, item.start, item.end, step);
      dim++;
    } else if (item instanceof Tensor) {
      if (!isMask(item)) {
        if (item.dtype.category !== 1) {
          throw new IndexError("tensors used as indices must be long, int, byte or bool tensors");
        }
        found.push({ tensor: item, dim });
        dim++;
      } else {
        if (isBatched(item)) {
          throw new RuntimeError(
            "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over indexing with a boolean mask.",
          );
        }
        item.sizes.forEach((size, k) => {
          if (size !== view.sizes[dim + k]) {
            throw new IndexError(
              `The shape of the mask ${shapeText(item.sizes)} at index ${k} does not match the shape of the indexed tensor ${shapeText(view.sizes)} at index ${dim + k}`,
            );
          }
        });
        if (item.ndim === 0) {
          view = view.unsqueeze(dim);
          found.push({ tensor: nonzeroOp([item.reshape([1])], null).select(1, 0), dim });
          dim++;
        } else {
          for (const tensor of nonzeroOp([item], null).unbind(1)) found.push({ tensor, dim: dim++ });
        }
      }
    } else if (typeof item === "number" || typeof item === "bigint") {
      const at = Number(item);
      if (!Number.isInteger(at)) throw badIndex(item);
      const size = view.sizes[dim];
      if (at < -size || at >= size) {
        throw new IndexError(`index ${at} is out of bounds for dimension ${dim} with size ${size}`);
      }
      view = view.select(dim, at);
    } else throw badIndex(item);
  }
  if (found.length === 0) return { view, advanced: null };
  return { view, advanced: broadcastIndices(view, found) };
}

function badIndex(item: unknown): IndexError {
  return new IndexError(
    `only integers, slices (\`:\`), ellipsis (\`...\`), None and long or byte Variables are valid indices (got ${describe(item)})`,
  );
}

function isMask(x: Tensor): boolean {
  return x.dtype === dt.bool || x.dtype === dt.uint8;
}

function fromList(list: IndexList): Tensor {
  const tensor = fromValues(list, null, false);
  return tensor.numel() === 0 ? tensor.to(dt.int64) : tensor;
}

function broadcastIndices(view: Tensor, found: readonly { tensor: Tensor; dim: number }[]): Advanced {
  let shape: Shape = found[0].tensor.sizes;
  try {
    for (const { tensor } of found) shape = broadcastShapes(shape, tensor.sizes);
  } catch {
    throw new IndexError(
      `shape mismatch: indexing tensors could not be broadcast together with shapes ${found.map((f) => shapeText(f.tensor.sizes)).join(", ")}`,
    );
  }
  for (const { tensor, dim } of found) {
    const size = view.sizes[dim];
    checkIndices(tensor, size, true, (value) => {
      if (size === 0) throw new IndexError("index is out of bounds for dimension with size 0");
      throw new IndexError(`index ${value} is out of bounds for dimension ${dim} with size ${size}`);
    });
  }
  return {
    tensors: found.map(({ tensor }) =>
      tensor.wrapping === null
        ? viewOf(tensor, shape, broadcastStrides(tensor.sizes, tensor.strides, shape))
        : tensor.expand(shape),
    ),
    dims: found.map((f) => f.dim),
  };
}

function asList(indices: TensorIndex | readonly TensorIndex[]): readonly TensorIndex[] {
  return Array.isArray(indices) ? (indices as readonly TensorIndex[]) : [indices as TensorIndex];
}

/**
 * `x[i, 1:3, ..., None, mask]` of Python as `x.index([i, new torch.Slice(1, 3), "...", null, mask])`. Numbers, slices,
 * "..." and null give a view; index tensors, lists and masks a copy.
 * Source: https://pytorch.org/cppdocs/notes/tensor_indexing.html
 */
export function index(self: Tensor, indices: TensorIndex | readonly TensorIndex[]): Tensor {
  const { view, advanced } = applyViews(self, asList(indices));
  if (advanced !== null) return indexOp([view, ...advanced.tensors], { dims: advanced.dims });
  // PyTorch gives a new tensor even where nothing is selected.
  return view === self ? alias(self) : view;
}

/** `x[i]`: a view of the slice `i` of the first dimension; further numbers select in the next dimensions. */
export function at(self: Tensor, ...indices: number[]): Tensor {
  return index(self, indices);
}

function checkValue(view: Tensor, advanced: Advanced, value: Tensor): void {
  if (value.dtype !== view.dtype) {
    throw new RuntimeError(
      `Index put requires the source and destination dtypes match, got ${dt.scalarTypeName(view.dtype)} for the destination and ${dt.scalarTypeName(value.dtype)} for the source.`,
    );
  }
  const shape = indexedShape(view.sizes, advanced.dims, advanced.tensors[0].sizes);
  const lead = shape.length - value.sizes.length;
  if (lead < 0 || value.sizes.some((s, i) => s !== 1 && s !== shape[lead + i])) {
    throw new RuntimeError(
      `shape mismatch: value tensor of shape ${shapeText(value.sizes)} cannot be broadcast to indexing result of shape ${shapeText(shape)}`,
    );
  }
}

type PutOptions = { accumulate?: boolean };

function bindPut(args: readonly unknown[]) {
  const [x, indices, value, accumulate] = bind(
    "index_put(Tensor self, any indices, Operand values, bool accumulate=False)",
    args,
  ) as [Tensor, TensorIndex | readonly TensorIndex[], Operand, boolean];
  return {
    x,
    items: asList(indices),
    value: value instanceof Tensor ? value : scalarTensor(value, x.dtype),
    accumulate,
  };
}

/** Writes `values`, broadcast, where `indices` says (as in `index`); with `accumulate` adds them, also repeatedly. */
export function index_put_(
  self: Tensor,
  indices: TensorIndex | readonly TensorIndex[],
  values: Operand,
  accumulate?: boolean | PutOptions,
): Tensor {
  const { x, items, value, accumulate: add } = bindPut([self, indices, values, accumulate]);
  const { view, advanced } = applyViews(x, items);
  if (advanced === null) {
    if (add) view.add_(value);
    else if (value.sizes.length === 0 && view.sizes.length > 0) view.fill_(value);
    else view.copy_(value);
    return x;
  }
  checkValue(view, advanced, value);
  indexPutOp.inplace([view, value, ...advanced.tensors], { dims: advanced.dims, accumulate: add });
  return x;
}

/** A copy of `self` with `values` written where `indices` says. */
export function index_put(
  self: Tensor,
  indices: TensorIndex | readonly TensorIndex[],
  values: Operand,
  accumulate?: boolean | PutOptions,
): Tensor {
  const { x, items, value, accumulate: add } = bindPut([self, indices, values, accumulate]);
  const { view, advanced } = applyViews(x, items);
  if (view !== x || advanced === null) return index_put_(x.clone(), items, value, add);
  checkValue(view, advanced, value);
  return indexPutOp.call([view, value, ...advanced.tensors], { dims: advanced.dims, accumulate: add });
}

/** The elements where `mask` is true, as a vector; both are broadcast. */
export function masked_select(self: Tensor, mask: Tensor, options?: { out?: Tensor }): Tensor {
  const [x, where, out] = bind("masked_select(Tensor self, Tensor mask, *, Tensor? out=None)", [
    self,
    mask,
    options,
  ]) as [Tensor, Tensor, Tensor | null];
  if (where.dtype !== dt.bool) throw new RuntimeError("masked_select: expected BoolTensor for mask");
  const shape = broadcastShapes(x.sizes, where.sizes);
  const result = maskedSelectOp([x, where], { shape });
  return intoOut(out, result);
}

function checkMaskedScatter(x: Tensor, mask: Tensor, source: Tensor): void {
  if (x.dtype !== source.dtype) {
    throw new RuntimeError(
      `masked_scatter: expected self and source to have same dtypes but got${dt.scalarTypeName(x.dtype)} and ${dt.scalarTypeName(source.dtype)}`,
    );
  }
  if (mask.dtype !== dt.bool) {
    throw new RuntimeError(
      `masked_scatter_ only supports boolean masks, but got mask with dtype ${dt.scalarTypeName(mask.dtype)}`,
    );
  }
}

/** A copy of `self` whose elements where `mask` is true are the first ones of `source`, in row-major order. */
export function masked_scatter(self: Tensor, mask: Tensor, source: Tensor): Tensor {
  const [x, where, src] = bind("masked_scatter(Tensor self, Tensor mask, Tensor source)", [self, mask, source]) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  checkMaskedScatter(x, where, src);
  const shape = broadcastShapes(x.sizes, where.sizes);
  const wide = sameShape(shape, x.sizes) ? x : x.expand(shape).contiguous();
  return maskedScatterOp.call([wide, where, src], { count: 0 });
}

/** `masked_scatter` in place. */
export function masked_scatter_(self: Tensor, mask: Tensor, source: Tensor): Tensor {
  const [x, where, src] = bind("masked_scatter_(Tensor self, Tensor mask, Tensor source)", [self, mask, source]) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  checkMaskedScatter(x, where, src);
  if (!sameShape(broadcastShapes(x.sizes, where.sizes), x.sizes)) {
    throw new RuntimeError(
      `output with shape ${shapeText(x.sizes)} doesn't match the broadcast shape ${shapeText(broadcastShapes(x.sizes, where.sizes))}`,
    );
  }
  return maskedScatterOp.inplace([x, where, src], { count: 0 });
}

function checkFlat(x: Tensor, positions: Tensor): void {
  checkIndices(positions, x.count, true, (value) => {
    throw new IndexError(`out of range: tried to access index ${value} on a tensor of ${x.count} elements.`);
  });
}

/** The elements at row-major positions; the result has the shape of `index`. */
export function take(self: Tensor, index: Tensor, options?: { out?: Tensor }): Tensor {
  const [x, positions, out] = bind("take(Tensor self, Tensor index, *, Tensor? out=None)", [self, index, options]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  if (positions.dtype !== dt.int64) {
    throw new RuntimeError(`take(): Expected a long tensor for index, but got ${dt.scalarTypeName(positions.dtype)}`);
  }
  if (x.count === 0 && positions.count > 0) throw new IndexError("take(): tried to take from an empty tensor");
  checkFlat(x, positions);
  const result = takeOp([x, positions], null);
  return intoOut(out, result);
}

function bindPutFlat(args: readonly unknown[]): { inputs: Tensor[]; accumulate: boolean } {
  const [x, index, source, accumulate] = bind(
    "put_(Tensor self, Tensor index, Tensor source, bool accumulate=False)",
    args,
  ) as [Tensor, Tensor, Tensor, boolean];
  if (index.dtype !== dt.int64) {
    throw new RuntimeError(`put_(): Expected a long tensor for index, but got ${dt.scalarTypeName(index.dtype)}`);
  }
  if (source.dtype !== x.dtype) {
    throw new RuntimeError(
      `put_(): self and source expected to have the same dtype, but got self.dtype = ${dt.scalarTypeName(x.dtype)} and source.dtype = ${dt.scalarTypeName(source.dtype)}`,
    );
  }
  if (index.count !== source.count) {
    throw new IndexError(
      `put_(): Expected source and index to have the same number of elements, but got source.numel() = ${source.count}, index.numel() = ${index.count}`,
    );
  }
  if (x.count === 0 && index.count > 0) throw new IndexError("put_(): tried to put elements into an empty tensor");
  checkFlat(x, index);
  return { inputs: [x, index, source], accumulate };
}

/** A copy of `self` with the elements of `source` at row-major positions; with `accumulate` added to what is there. */
export function put(self: Tensor, index: Tensor, source: Tensor, accumulate?: boolean | PutOptions): Tensor {
  const { inputs, accumulate: add } = bindPutFlat([self, index, source, accumulate]);
  return putOp.call(inputs, { accumulate: add });
}

/** `put` in place. */
export function put_(self: Tensor, index: Tensor, source: Tensor, accumulate?: boolean | PutOptions): Tensor {
  const { inputs, accumulate: add } = bindPutFlat([self, index, source, accumulate]);
  return putOp.inplace(inputs, { accumulate: add });
}

interface Nonzero {
  (self: Tensor, options: { as_tuple: true }): Tensor[];
  (self: Tensor, options?: { as_tuple?: false; out?: Tensor }): Tensor;
  readonly method: {
    (options: { as_tuple: true }): Tensor[];
    (options?: { as_tuple?: false; out?: Tensor }): Tensor;
  };
}

/** Indices of the elements that are not 0: a row each, or with `as_tuple` a vector for each dimension. */
export const nonzero: Nonzero = ((self: Tensor, options?: { as_tuple?: boolean; out?: Tensor }): Tensor | Tensor[] => {
  const [x, tuple, out] = bind("nonzero(Tensor self, *, bool as_tuple=False, Tensor? out=None)", [self, options]) as [
    Tensor,
    boolean,
    Tensor | null,
  ];
  if (tuple) return nonzeroOp([x.ndim === 0 ? x.reshape([1]) : x], null).unbind(1);
  const result = nonzeroOp([x], null);
  return intoOut(out, result);
}) as Nonzero;

/** Indices of the elements that are not 0, a row each. */
export function argwhere(self: Tensor): Tensor {
  const [x] = bind("argwhere(Tensor self)", [self]) as [Tensor];
  return nonzeroOp([x], null);
}
