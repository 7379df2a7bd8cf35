/** Joining tensors. */

import type { DType } from "../dtype.ts";
import { get_default_dtype, int64, promote_types } from "../dtype.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import {
  broadcastShapes,
  channelsLastStrides,
  normalizeDim,
  prefersChannelsLast,
  type Shape,
  shapeText,
} from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copyInto, zerosLike } from "./copy.ts";
import { again, allBatched, movedDims } from "./define/batch.ts";
import { intoOut } from "./define/out.ts";
import { primitive } from "./define/primitive.ts";
import { resultType } from "./define/promote.ts";
import { bind, isOptions } from "./define/schema.ts";
import { fromValues } from "./from-values.ts";
import { viewOf, without } from "./geometry.ts";
import { allocate } from "./row.ts";

const catOp = primitive<{ dim: number; dtype: DType }>({
  name: "cat",
  batch: (call) => {
    const parts = allBatched(call).filter((_, i) => !isSkipped(call.inputs[i]));
    return parts.length === 0
      ? call.values[0].new_empty([call.size, 0], { dtype: call.attrs.dtype })
      : again(call, movedDims(call.attrs, ["dim"]), parts);
  },
  forward: "linear",
  compute: (inputs, { dim, dtype }) => {
    const parts = inputs.filter((x) => !isSkipped(x));
    if (parts.length === 0) return allocate(dtype, [0]);
    const sizes = parts[0].sizes.slice();
    sizes[dim] = parts.reduce((n, x) => n + x.sizes[dim], 0);
    const last = parts.every((x) => prefersChannelsLast(x.sizes, x.strides));
    const out = allocate(dtype, sizes, last ? channelsLastStrides(sizes) : undefined);
    let at = 0;
    for (const x of parts) {
      if (x.count > 0) {
        copyInto(new Tensor(out.storage, dtype, x.sizes, out.strides, at * out.strides[dim]), x);
      }
      at += x.sizes[dim];
    }
    return out;
  },
  gradient: (g, c) => {
    let at = 0;
    return Array.from({ length: c.inputCount }, (_, i) => {
      const size = c.shape(i);
      if (size.length === 1 && size[0] === 0) return c.needs(i) ? g.new_zeros([0]) : null;
      const from = at;
      at += size[c.attrs.dim];
      return c.needs(i) ? g.narrow(c.attrs.dim, from, size[c.attrs.dim]) : null;
    });
  },
});

/** PyTorch ignores one-dimensional empty tensors in `cat`, for the sake of old programs. */
function isSkipped(x: Tensor): boolean {
  return x.sizes.length === 1 && x.sizes[0] === 0;
}

/** The tensors one after another along `dim`, which exists in all of them. */
export function cat(
  tensors: readonly Tensor[],
  dim?: number | { dim?: number; out?: Tensor },
  options?: { out?: Tensor },
): Tensor {
  const [list, d, out] = bind("cat(Tensor[] tensors, int dim=0, *, Tensor? out=None)", [tensors, dim, options]) as [
    readonly Tensor[],
    number,
    Tensor | null,
  ];
  if (list.length === 0) throw new ValueError("torch.cat(): expected a non-empty list of Tensors");
  list.forEach((x, i) => {
    if (x.sizes.length === 0) {
      throw new RuntimeError(`zero-dimensional tensor (at position ${i}) cannot be concatenated`);
    }
  });
  const first = list.find((x) => !isSkipped(x)) ?? list[0];
  const at = normalizeDim(d, first.sizes.length);
  list.forEach((x, i) => {
    if (isSkipped(x)) return;
    if (x.sizes.length !== first.sizes.length) {
      throw new RuntimeError(
        `Tensors must have same number of dimensions: got ${first.sizes.length} and ${x.sizes.length}`,
      );
    }
    x.sizes.forEach((s, k) => {
      if (k !== at && s !== first.sizes[k]) {
        throw new RuntimeError(
          `Sizes of tensors must match except in dimension ${at}. Expected size ${first.sizes[k]} but got size ${s} for tensor number ${i} in the list.`,
        );
      }
    });
  });
  const result = catOp(list, { dim: at, dtype: resultType(list) });
  return intoOut(out, result);
}

const stackOp = primitive<{ dim: number; dtype: DType }>({
  name: "stack",
  batch: (call) => again(call, movedDims(call.attrs, ["dim"]), allBatched(call)),
  forward: "linear",
  compute: (inputs, { dim, dtype }) => {
    const { sizes } = inputs[0];
    const out = allocate(dtype, [...sizes.slice(0, dim), inputs.length, ...sizes.slice(dim)]);
    const strides = without(out.strides, dim);
    inputs.forEach((x, i) => {
      copyInto(viewOf(out, sizes, strides, i * out.strides[dim]), x);
    });
    return out;
  },
  gradient: (g, c) => Array.from({ length: c.inputCount }, (_, i) => (c.needs(i) ? g.select(c.attrs.dim, i) : null)),
});

/** The tensors, all of one shape, along a new dimension `dim`. */
export function stack(
  tensors: readonly Tensor[],
  dim?: number | { dim?: number; out?: Tensor },
  options?: { out?: Tensor },
): Tensor {
  const [list, d, out] = bind("stack(Tensor[] tensors, int dim=0, *, Tensor? out=None)", [tensors, dim, options]) as [
    readonly Tensor[],
    number,
    Tensor | null,
  ];
  if (list.length === 0) throw new RuntimeError("stack expects a non-empty TensorList");
  const sizes = list[0].sizes;
  const at = normalizeDim(d, sizes.length + 1);
  list.forEach((x, i) => {
    if (x.sizes.length !== sizes.length || x.sizes.some((s, k) => s !== sizes[k])) {
      throw new RuntimeError(
        `stack expects each tensor to be equal size, but got ${shapeText(sizes)} at entry 0 and ${shapeText(x.sizes)} at entry ${i}`,
      );
    }
  });
  const result = stackOp(list, { dim: at, dtype: resultType(list) });
  return intoOut(out, result);
}

/** Another name of `cat`. */
export const concat: typeof cat = cat;
/** Another name of `cat`. */
export const concatenate: typeof cat = cat;

/** A view (or this tensor) with at least one dimension. A list gives a list. */
export function atleast_1d(...tensors: Tensor[]): Tensor;
export function atleast_1d(tensors: readonly Tensor[]): Tensor[];
export function atleast_1d(...args: (Tensor | readonly Tensor[])[]): Tensor | Tensor[] {
  return overEach(args, (x) => (x.ndim === 0 ? x.reshape([1]) : x));
}

/** A view (or this tensor) with at least two dimensions: new ones in front. */
export function atleast_2d(...tensors: Tensor[]): Tensor;
export function atleast_2d(tensors: readonly Tensor[]): Tensor[];
export function atleast_2d(...args: (Tensor | readonly Tensor[])[]): Tensor | Tensor[] {
  return overEach(args, (x) => (x.ndim === 0 ? x.reshape([1, 1]) : x.ndim === 1 ? x.unsqueeze(0) : x));
}

/** A view (or this tensor) with at least three dimensions: a vector becomes 1 × n × 1, a matrix m × n × 1. */
export function atleast_3d(...tensors: Tensor[]): Tensor;
export function atleast_3d(tensors: readonly Tensor[]): Tensor[];
export function atleast_3d(...args: (Tensor | readonly Tensor[])[]): Tensor | Tensor[] {
  return overEach(args, (x) =>
    x.ndim === 0
      ? x.reshape([1, 1, 1])
      : x.ndim === 1
        ? x.unsqueeze(0).unsqueeze(-1)
        : x.ndim === 2
          ? x.unsqueeze(-1)
          : x,
  );
}

function overEach(args: (Tensor | readonly Tensor[])[], body: (x: Tensor) => Tensor): Tensor | Tensor[] {
  const first = args[0];
  if (args.length === 1 && first instanceof Tensor) return body(first);
  const list = (Array.isArray(first) ? first : args) as Tensor[];
  for (const x of list) if (!(x instanceof Tensor)) throw new TypeError("expected Tensor or a list of Tensors");
  return list.map(body);
}

type OutOnly = { out?: Tensor };

function stacked(
  name: string,
  tensors: readonly Tensor[],
  options: OutOnly | undefined,
  join: (list: Tensor[]) => Tensor,
): Tensor {
  const [list, out] = bind(`${name}(Tensor[] tensors, *, Tensor? out=None)`, [tensors, options]) as [
    Tensor[],
    Tensor | null,
  ];
  if (list.length === 0) throw new RuntimeError(`${name} expects a non-empty TensorList`);
  const result = join(list);
  return intoOut(out, result);
}

/** Side by side: along dimension 1, or 0 for vectors. */
export function hstack(tensors: readonly Tensor[], options?: OutOnly): Tensor {
  return stacked("hstack", tensors, options, (list) => {
    const parts = atleast_1d(list);
    return cat(parts, parts[0].ndim === 1 ? 0 : 1);
  });
}

/** One above the other: along dimension 0, vectors as rows. */
export function vstack(tensors: readonly Tensor[], options?: OutOnly): Tensor {
  return stacked("vstack", tensors, options, (list) => cat(atleast_2d(list), 0));
}

/** Another name of `vstack`. */
export const row_stack: typeof vstack = vstack;

/** One behind the other: along dimension 2. */
export function dstack(tensors: readonly Tensor[], options?: OutOnly): Tensor {
  return stacked("dstack", tensors, options, (list) => cat(atleast_3d(list), 2));
}

/** Side by side, vectors as columns. */
export function column_stack(tensors: readonly Tensor[], options?: OutOnly): Tensor {
  return stacked("column_stack", tensors, options, (list) =>
    cat(
      list.map((x) => (x.ndim <= 1 ? x.reshape([x.numel(), 1]) : x)),
      1,
    ),
  );
}

function broadcastAll(shapes: readonly Shape[]): Shape {
  return shapes.reduce((a, b) => broadcastShapes(a, b), []);
}

/** Views of all tensors in their common shape. */
export function broadcast_tensors(...tensors: (Tensor | readonly Tensor[])[]): Tensor[] {
  const list = (Array.isArray(tensors[0]) ? tensors[0] : tensors) as Tensor[];
  for (const x of list) {
    if (!(x instanceof Tensor)) throw new TypeError("broadcast_tensors(): expected Tensors");
  }
  const shape = broadcastAll(list.map((x) => x.shape));
  return list.map((x) => x.expand(shape));
}

/** The shape that all broadcast to. */
export function broadcast_shapes(...shapes: (number | Shape)[]): Shape {
  const lists = shapes.map((s) => (typeof s === "number" ? [s] : s));
  for (const s of lists.flat()) {
    if (typeof s !== "number" || !Number.isInteger(s)) {
      throw new RuntimeError("Input shapes should be of type ints, a tuple of ints, or a list of ints");
    }
    if (s < 0) throw new ValueError("Attempting to broadcast a dimension with negative length!");
  }
  return broadcastAll(lists);
}

/**
 * Grids of coordinates: for vectors of n, m, … elements as many n × m × … tensors, in each of which one vector varies
 * along its dimension. "ij" (default) is that order, "xy" swaps the first two dimensions.
 */
export function meshgrid(...args: (Tensor | readonly Tensor[] | { indexing?: "ij" | "xy" })[]): Tensor[] {
  const last = args[args.length - 1];
  const keywords = isOptions(last) ? last : null;
  const rest = keywords === null ? args : args.slice(0, -1);
  const [, indexing] = bind("meshgrid(any tensors, *, str? indexing=None)", [null, keywords ?? undefined]) as [
    unknown,
    string | null,
  ];
  const list = (Array.isArray(rest[0]) ? rest[0] : rest) as Tensor[];
  if (list.length === 0) throw new RuntimeError("meshgrid expects a non-empty TensorList");
  list.forEach((x) => {
    if (!(x instanceof Tensor)) throw new TypeError("meshgrid(): expected Tensors");
    if (x.ndim > 1) {
      throw new RuntimeError(`torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: ${x.toString()}`);
    }
    if (x.dtype !== list[0].dtype) throw new RuntimeError("torch.meshgrid expects all tensors to have the same dtype");
  });
  if (indexing !== null && indexing !== "ij" && indexing !== "xy") {
    throw new RuntimeError(`torch.meshgrid: indexing must be one of "xy" or "ij", but received: ${indexing}`);
  }
  const swap = indexing === "xy" && list.length >= 2;
  const order = swap ? [list[1], list[0], ...list.slice(2)] : list;
  const shape = order.map((x) => x.numel());
  const grids = order.map((x, d) => x.reshape(shape.map((_, i) => (i === d ? x.numel() : 1))).expand(shape));
  if (!swap) return grids;
  return [grids[1], grids[0], ...grids.slice(2)];
}

/** All combinations of one element of each vector: a row each, the last vector varying fastest. */
export function cartesian_prod(...tensors: (Tensor | readonly Tensor[])[]): Tensor {
  const list = (Array.isArray(tensors[0]) ? tensors[0] : tensors) as Tensor[];
  for (const x of list) {
    if (x.ndim !== 1) throw new RuntimeError(`Expect a 1D vector, but got shape ${shapeText(x.shape)}`);
  }
  if (list.length === 0) throw new RuntimeError("meshgrid expects a non-empty TensorList");
  if (list.length === 1) return list[0];
  return stack(
    meshgrid(list).map((g) => g.flatten()),
    1,
  );
}

/** All selections of `r` (2) elements of a vector in order, a row each; `with_replacement` allows an element again. */
export function combinations(
  input: Tensor,
  r?: number | { r?: number; with_replacement?: boolean },
  with_replacement?: boolean | { with_replacement?: boolean },
): Tensor {
  const [x, count, again] = bind("combinations(Tensor input, int r=2, bool with_replacement=False)", [
    input,
    r,
    with_replacement,
  ]) as [Tensor, number, boolean];
  if (x.ndim !== 1) throw new RuntimeError(`Expect a 1D vector, but got shape ${shapeText(x.shape)}`);
  if (count < 0) throw new RuntimeError(`Expect a non-negative number, but got ${count}`);
  if (count === 0) return x.new_empty([0]);
  const n = x.numel();
  const columns: number[][] = Array.from({ length: count }, () => []);
  const chosen: number[] = [];
  const choose = (from: number): void => {
    if (chosen.length === count) {
      chosen.forEach((v, i) => {
        columns[i].push(v);
      });
      return;
    }
    for (let i = from; i < n; i++) {
      chosen.push(i);
      choose(again ? i : i + 1);
      chosen.pop();
    }
  };
  choose(0);
  return stack(
    columns.map((column) => x.index_select(0, fromValues(column, int64, false))),
    1,
  );
}

const blockDiagOp = primitive<{ dtype: DType }>({
  name: "block_diag",
  compute: (inputs, { dtype }) => {
    const sizes = inputs.map((x) => matrixShape(x.sizes));
    const out = zerosLike(
      new Tensor(
        inputs[0].storage,
        dtype,
        [sizes.reduce((n, s) => n + s[0], 0), sizes.reduce((n, s) => n + s[1], 0)],
        [0, 0],
        0,
      ),
    );
    let [row, column] = [0, 0];
    inputs.forEach((x, i) => {
      const [m, n] = sizes[i];
      const strides = x.ndim === 2 ? x.strides : x.ndim === 1 ? [0, x.strides[0]] : [0, 0];
      copyInto(
        viewOf(out, [m, n], out.strides, row * out.strides[0] + column * out.strides[1]),
        viewOf(x, [m, n], strides),
      );
      row += m;
      column += n;
    });
    return out;
  },
  gradient: (g, c) => {
    let [row, column] = [0, 0];
    return Array.from({ length: c.inputCount }, (_, i) => {
      const [m, n] = matrixShape(c.shape(i));
      const part = c.needs(i) ? g.narrow(0, row, m).narrow(1, column, n).reshape(c.shape(i)) : null;
      row += m;
      column += n;
      return part;
    });
  },
});

function matrixShape(shape: Shape): [number, number] {
  return shape.length === 2 ? [shape[0], shape[1]] : shape.length === 1 ? [1, shape[0]] : [1, 1];
}

/** A matrix with the given ones (numbers and vectors count as rows) along its diagonal, zeros elsewhere. */
export function block_diag(...tensors: (Tensor | readonly Tensor[])[]): Tensor {
  const list = (Array.isArray(tensors[0]) ? tensors[0] : tensors) as Tensor[];
  list.forEach((x, i) => {
    if (!(x instanceof Tensor)) throw new TypeError(`block_diag(): expected Tensor as element ${i}`);
    if (x.ndim > 2) {
      throw new RuntimeError(
        `torch.block_diag: Input tensors must have 2 or fewer dimensions. Input ${i} has ${x.ndim} dimensions`,
      );
    }
  });
  if (list.length === 0) return allocate(get_default_dtype(), [1, 0]);
  return blockDiagOp(list, { dtype: list.reduce((t, x) => promote_types(t, x.dtype), list[0].dtype) });
}
