/** Advanced indexing and masks as primitives: what `index`, `index_put_`, `masked_select` and their kin are made of. */
import type { BatchedCall } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { broadcastStrides, contiguousStrides, numelOf, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied, copyInto } from "./copy.ts";
import { again, refuseDynamicShape, withRank } from "./define/batch.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { type Access, gatherInto, scatterInto } from "./define/scatter.ts";
import { writing } from "./define/writing.ts";
import { viewOf } from "./geometry.ts";
import { elementsOf, elementsOfAll } from "./memory.ts";
import { allocate } from "./row.ts";
import { sampleNumbers } from "./sample-numbers.ts";

/** Which dimension each index tensor indexes. */
export interface IndexAttrs {
  readonly dims: readonly number[];
}

/** Where the dimensions of the broadcast indices stand in the result: at the indexed ones if those are neighbours, else first. */
function placement(rank: number, dims: readonly number[]): { position: number; rest: number[] } {
  const rest = Array.from({ length: rank }, (_, d) => d).filter((d) => !dims.includes(d));
  return { position: isAdjacent(dims) ? dims[0] : 0, rest };
}

function isAdjacent(dims: readonly number[]): boolean {
  return dims.every((d, i) => i === 0 || d === dims[i - 1] + 1);
}

/** The shape of the result of indexing. */
export function indexedShape(shape: Shape, dims: readonly number[], indexShape: Shape): number[] {
  const { position, rest } = placement(shape.length, dims);
  const kept = rest.map((d) => shape[d]);
  return [...kept.slice(0, position), ...indexShape, ...kept.slice(position)];
}

/** Indices have been broadcast to one shape. */
function advanced(x: Tensor, indices: readonly Tensor[], dims: readonly number[]): Access {
  const { position, rest } = placement(x.sizes.length, dims);
  const shape = indices[0].sizes;
  const none = shape.map(() => 0);
  const before = rest.slice(0, position);
  const after = rest.slice(position);
  const strides = (list: readonly number[]): number[] => [...before.map(() => 0), ...list, ...after.map(() => 0)];
  return {
    shape: [...before.map((d) => x.sizes[d]), ...shape, ...after.map((d) => x.sizes[d])],
    strides: [...before.map((d) => x.strides[d]), ...none, ...after.map((d) => x.strides[d])],
    indices: indices.map((tensor, k) => ({
      tensor,
      strides: strides(tensor.strides),
      size: x.sizes[dims[k]],
      stride: x.strides[dims[k]],
    })),
  };
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

/** The index tensors, which are the inputs from `first` on, each for all samples. */
function eachWithSamples<A>({ batched, size, values }: BatchedCall<A>, first: number): Tensor[] {
  return values.slice(first).map((t, i) => (batched[first + i] ? t : t.unsqueeze(0).expand(size, ...t.sizes)));
}

const INDEX_INPUTS = Array.from({ length: 16 }, (_, i) => i + 1);

/** `x[…, i, j, …]`: inputs are x and the broadcast index tensors. */
export const indexOp: PrimitiveCall<IndexAttrs> = primitive<IndexAttrs>({
  name: "index",
  batch: (call) => {
    const { attrs, batched, inputs, size, values } = call;
    const { dims } = attrs;
    const [x, ...indices] = values;
    const rank = inputs[1].sizes.length;
    const { position } = placement(inputs[0].sizes.length, dims);
    if (!batched.includes(true, 1)) {
      const result = indexOp([x, ...indices], { dims: dims.map((d) => d + 1) });
      return isAdjacent(dims) ? result : result.movedim(rank, 0);
    }
    const places = eachWithSamples(call, 1);
    if (!batched[0]) return indexOp([x, ...places], attrs).movedim(position, 0);
    const numbers = sampleNumbers(size, rank + 1).expand(places[0].sizes);
    const result = indexOp([x, numbers, ...places], { dims: [0, ...dims.map((d) => d + 1)] });
    // The indexed dimensions come first among those of a sample.
    return result.movedim(range(1, rank), range(1 + position, rank));
  },
  compute: ([x, ...indices], { dims }) => {
    const access = advanced(x, indices, dims);
    const out = allocate(x.dtype, access.shape);
    gatherInto(out, x, access);
    return out;
  },
  saves: [INDEX_INPUTS],
  gradient: (g, c) => {
    const indices = INDEX_INPUTS.slice(0, c.inputCount - 1).map((i) => c.input(i));
    const x = g.new_zeros(c.shape(0));
    return [indexPutOp.call([x, g, ...indices], { dims: c.attrs.dims, accumulate: true }), ...indices.map(() => null)];
  },
});

export interface IndexPutAttrs extends IndexAttrs {
  readonly accumulate: boolean;
}

/** Writes a value, broadcast: inputs are self, the value, and the broadcast index tensors. */
export const indexPutOp: ReturnType<typeof writing<IndexPutAttrs>> = writing<IndexPutAttrs>(
  {
    name: "index_put",
    batch: (call) => {
      const { attrs, batched, form, inputs, size, values } = call;
      const { dims } = attrs;
      const put = form === "inplace" ? indexPutOp.inplace : indexPutOp.call;
      const x = batched[0] ? values[0] : values[0].unsqueeze(0).expand(size, ...values[0].sizes);
      const shape = indexedShape(inputs[0].sizes, dims, inputs[2].sizes);
      const value = batched[1] ? withRank(values[1], shape.length + 1) : values[1];
      const moved = dims.map((d) => d + 1);
      if (!batched.includes(true, 2) && isAdjacent(dims)) {
        return put([x, value, ...values.slice(2)], { ...attrs, dims: moved });
      }
      const places = eachWithSamples(call, 2);
      const rank = inputs[2].sizes.length;
      const { position } = placement(inputs[0].sizes.length, dims);
      // As the result of indexing has them: the indexed dimensions right after the samples.
      let whole = value;
      if (position > 0) {
        const full = batched[1] ? value : value.expand(shape).unsqueeze(0);
        whole = full.movedim(range(1 + position, rank), range(1, rank));
      }
      const numbers = sampleNumbers(size, rank + 1).expand(places[0].sizes);
      return put([x, whole, numbers, ...places], { ...attrs, dims: [0, ...moved] });
    },
    saves: [INDEX_INPUTS.map((i) => i + 1), INDEX_INPUTS.map((i) => i + 1)],
    gradient: (g, c) => {
      const indices = INDEX_INPUTS.slice(0, c.inputCount - 2).map((i) => c.input(i + 1));
      const { dims, accumulate } = c.attrs;
      const self = (): Tensor =>
        accumulate ? g : indexPutOp.call([g, g.new_zeros([]), ...indices], { dims, accumulate: false });
      return [
        c.needs(0) ? self() : null,
        c.needs(1) ? indexOp([g, ...indices], { dims }) : null,
        ...indices.map(() => null),
      ];
    },
  },
  (target, [, value, ...indices], { dims, accumulate }) => {
    const access = advanced(target, indices, dims);
    const strides = broadcastStrides(value.sizes, value.strides, access.shape);
    scatterInto(target, value, strides, access, accumulate ? "add" : "set");
  },
);

/** The mask as bytes of 0 and 1 in row-major order of `shape`, which it broadcasts to. The array is a copy. */
function maskBytes(mask: Tensor, shape: Shape): Uint8Array {
  const wide = viewOf(mask, shape, broadcastStrides(mask.sizes, mask.strides, shape));
  const plain = copied(wide, { dtype: dt.bool, format: "contiguous_format" });
  return elementsOf(plain).slice() as Uint8Array;
}

/** Row-major positions of the true elements, as an int32 tensor. */
function positionsOf(mask: Tensor, shape: Shape): Tensor {
  const bytes = maskBytes(mask, shape);
  let count = 0;
  for (let i = 0; i < bytes.length; i++) count += bytes[i];
  const out = allocate(dt.int32, [count]);
  const array = elementsOf(out) as Int32Array;
  let at = 0;
  for (let i = 0; i < bytes.length; i++) if (bytes[i]) array[at++] = i;
  return out;
}

function flatAccess(positions: Tensor, size: number): Access {
  return {
    shape: positions.sizes,
    strides: positions.sizes.map(() => 0),
    indices: [{ tensor: positions, strides: positions.strides, size, stride: 1 }],
  };
}

function flattened(x: Tensor, shape: Shape): Tensor {
  const wide = viewOf(x, shape, broadcastStrides(x.sizes, x.strides, shape));
  const plain = wide.contiguousLayout ? wide : copied(wide, { dtype: x.dtype, format: "contiguous_format" });
  return viewOf(plain, [plain.count], [1]);
}

/** The elements where the mask (input 1) is true, in row-major order; both broadcast to `shape`. */
export const maskedSelectOp = primitive<{ shape: Shape }>({
  name: "masked_select",
  batch: ({ batched, attrs, size, values }) => {
    if (batched[1]) {
      throw new RuntimeError(
        "vmap: Attempted to vmap over `mask` in torch.masked_select(self, mask) We cannot support this because for each batch this would return a differently shaped Tensor. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this feature.",
      );
    }
    // One mask for all samples: the same places of each.
    const flat = withRank(values[0], attrs.shape.length + 1).expand([size, ...attrs.shape]);
    const places = values[1].expand(attrs.shape).reshape(-1).nonzero().view(-1);
    return flat.reshape([size, numelOf(attrs.shape)]).index_select(1, places);
  },
  compute: ([x, mask], { shape }) => {
    const positions = positionsOf(mask, shape);
    const out = allocate(x.dtype, positions.sizes);
    const flat = flattened(x, shape);
    gatherInto(out, flat, flatAccess(positions, flat.count));
    return out;
  },
  // The input too, though only for its shape: PyTorch notices when it was changed. So it is with the ops below.
  saves: [[0, 1]],
  gradient: (g, c) => {
    c.input(0);
    return [g.new_zeros(c.attrs.shape).masked_scatter(c.input(1), g), null];
  },
});

/** Writes the first elements of the source (input 2) where the mask (input 1) is true. */
export const maskedScatterOp = writing<{ count: number }>(
  {
    name: "masked_scatter",
    saves: [[1], [], [1]],
    gradient: (g, c) => [
      c.needs(0) ? g.masked_fill(c.input(1), 0) : null,
      null,
      c.needs(2) ? scatteredSourceGradient(g, c.input(1), c.shape(2)) : null,
    ],
  },
  (target, [, mask, source]) => {
    const positions = positionsOf(mask, target.sizes);
    if (positions.count > source.count) {
      throw new RuntimeError("Number of elements of source < number of ones in mask");
    }
    const plain = source.contiguousLayout
      ? source
      : copied(source, { dtype: source.dtype, format: "contiguous_format" });
    writeFlat(target, positions, viewOf(plain, positions.sizes, [1]), "set");
  },
);

function scatteredSourceGradient(g: Tensor, mask: Tensor, shape: Shape): Tensor {
  const read = g.masked_select(mask);
  const rest = numelOf(shape) - read.numel();
  const all = rest === 0 ? read : g.new_zeros([numelOf(shape)]).slice_scatter(read, 0, 0, read.numel());
  return all.reshape(shape);
}

/** Writes `source` at row-major positions of `target`, whose layout may be any. */
function writeFlat(target: Tensor, positions: Tensor, source: Tensor, mode: "set" | "add"): void {
  const whole = target.contiguousLayout ? target : copied(target, { dtype: target.dtype, format: "contiguous_format" });
  const flat = viewOf(whole, [whole.count], [1]);
  scatterInto(flat, source, source.strides, flatAccess(positions, flat.count), mode);
  if (whole !== target) copyInto(target, whole);
}

/** Elements at row-major positions (input 1). */
export const takeOp = primitive<null>({
  name: "take",
  batch: (call) => {
    const { batched, inputs, size, values } = call;
    if (!batched[0]) return again(call);
    const flat = values[0].reshape([size, inputs[0].count]);
    const places = (batched[1] ? values[1] : values[1].expand([size, ...values[1].sizes])).reshape([
      size,
      inputs[1].count,
    ]);
    const taken = indexOp([flat, sampleNumbers(size, 2).expand(places.sizes), places], { dims: [0, 1] });
    return taken.view([size, ...inputs[1].sizes]);
  },
  compute: ([x, index]) => {
    const out = allocate(x.dtype, index.sizes);
    const flat = flattened(x, x.sizes);
    gatherInto(out, flat, { ...flatAccess(index, flat.count) });
    return out;
  },
  saves: [[0, 1]],
  gradient: (g, c) => [g.new_zeros(c.input(0).sizes).put(c.input(1), g, true), null],
});

/** Writes the source (input 2) at row-major positions (input 1). */
export const putOp = writing<{ accumulate: boolean }>(
  {
    name: "put",
    batch: (call) => {
      const { attrs, batched, form, inputs, size, values } = call;
      if (form === "inplace" && !values[0].contiguousLayout) return null;
      const rows = (i: number): Tensor =>
        (batched[i] ? values[i] : values[i].expand([size, ...values[i].sizes])).reshape([size, inputs[i].count]);
      const places = rows(1);
      const parts = [rows(0), rows(2), sampleNumbers(size, 2).expand(places.sizes), places];
      const result = (form === "inplace" ? indexPutOp.inplace : indexPutOp.call)(parts, {
        dims: [0, 1],
        accumulate: attrs.accumulate,
      });
      return result.view([size, ...inputs[0].sizes]);
    },
    saves: [[1], [], [1, 2]],
    gradient: (g, c) => [
      c.needs(0) ? (c.attrs.accumulate ? g : g.put(c.input(1), g.new_zeros(c.input(1).shape), false)) : null,
      null,
      c.needs(2) ? g.take(c.input(1)).reshape(c.input(2).sizes) : null,
    ],
  },
  (target, [, index, source], { accumulate }) => {
    const positions = viewOf(flattened(index, index.sizes), [index.count], [1]);
    writeFlat(target, positions, flattened(source, source.sizes), accumulate ? "add" : "set");
  },
);

/** Positions of the elements that are not 0, a row each. */
export const nonzeroOp = primitive<null>({
  name: "nonzero",
  batch: () => refuseDynamicShape("nonzero"),
  compute: ([x]) => {
    const positions = positionsOf(x, x.sizes);
    const rank = x.sizes.length;
    const out = allocate(dt.int64, [positions.count, rank]);
    const steps = contiguousStrides(x.sizes);
    const [rows, flat] = elementsOfAll(out, positions);
    const words = new Int32Array(rows.buffer, rows.byteOffset, 2 * rows.length);
    for (let i = 0, at = 0; i < flat.length; i++) {
      let position = flat[i] as number;
      for (let d = 0; d < rank; d++, at += 2) {
        const step = steps[d];
        const k = Math.floor(position / step);
        position -= k * step;
        words[at] = k;
        words[at + 1] = 0;
      }
    }
    return out;
  },
});
