/** Copies with the elements in another order, or repeated. */

import * as dt from "../dtype.ts";
import { IndexError, RuntimeError } from "../errors.ts";
import { contiguousStrides, normalizeDim, normalizeDims, type Shape, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";
import { copied, copyInto, isDense } from "./copy.ts";
import { again, alongDims, withRank } from "./define/batch.ts";
import { primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { viewOf } from "./geometry.ts";
import { elementsOf } from "./memory.ts";
import { allocate } from "./row.ts";
import { searchsorted } from "./searching.ts";

/** `x` read backwards along `dims`: only for kernels, since strides of tensors are never negative elsewhere. */
function backwards(x: Tensor, dims: readonly number[]): Tensor {
  let { offset } = x;
  for (const d of dims) offset += Math.max(0, x.sizes[d] - 1) * x.strides[d];
  const strides = x.strides.map((s, d) => (dims.includes(d) ? -s : s));
  return new Tensor(x.storage, x.dtype, x.sizes, strides, offset, false);
}

function flipped(x: Tensor, dims: readonly number[]): Tensor {
  const out = allocate(x.dtype, x.sizes, isDense(x) && x.count > 0 ? x.strides : undefined);
  if (x.count > 0) copyInto(out, backwards(x, dims));
  return out;
}

const flipOp = primitive<{ dims: readonly number[] }>({
  name: "flip",
  batch: alongDims("dims"),
  compute: ([x], { dims }) => flipped(x, dims),
  gradient: (g, c) => [g.flip(c.attrs.dims)],
});

/** The elements in reverse order along `dims`. */
export function flip(self: Tensor, ...dims: (number | Shape)[]): Tensor {
  const [x, given] = bind("flip(Tensor self, ints dims)", [self, ...dims]) as [Tensor, number[]];
  return flipOp([x], { dims: given.length === 0 ? [] : normalizeDims(given, x.sizes.length) });
}

/** The columns in reverse order: along dimension 1. */
export function fliplr(self: Tensor): Tensor {
  if (self.ndim < 2) throw new RuntimeError("Input must be >= 2-d.");
  return flip(self, 1);
}

/** The rows in reverse order: along dimension 0. */
export function flipud(self: Tensor): Tensor {
  if (self.ndim < 1) throw new RuntimeError("Input must be >= 1-d.");
  return flip(self, 0);
}

interface RollAttrs {
  readonly shifts: readonly number[];
  readonly dims: readonly number[];
}

/** Each rolled dimension is two blocks that change places; so `n` of them are 2^n copies. */
function rolled(x: Tensor, { shifts, dims }: RollAttrs): Tensor {
  const out = allocate(x.dtype, x.sizes);
  const total = new Map<number, number>();
  dims.forEach((d, i) => {
    total.set(d, (total.get(d) ?? 0) + shifts[i]);
  });
  const copyBlocks = (list: readonly [number, number][], from: Tensor, to: Tensor): void => {
    if (list.length === 0) {
      copyInto(to, from);
      return;
    }
    const [[d, shift], ...rest] = list;
    const n = x.sizes[d];
    const k = ((shift % n) + n) % n;
    const part = (t: Tensor, start: number, length: number): Tensor =>
      viewOf(
        t,
        t.sizes.map((s, i) => (i === d ? length : s)),
        t.strides,
        t.offset + start * t.strides[d],
      );
    copyBlocks(rest, part(from, 0, n - k), part(to, k, n - k));
    if (k > 0) copyBlocks(rest, part(from, n - k, k), part(to, 0, k));
  };
  if (x.count > 0) copyBlocks([...total], x, out);
  return out;
}

const rollOp = primitive<RollAttrs>({
  name: "roll",
  batch: (call) => {
    const { attrs, inputs, size, values } = call;
    if (attrs.dims.length > 0 && inputs[0].sizes.length > 0) return alongDims<RollAttrs>("dims")(call);
    const flat = again(call, { ...attrs, dims: [1] }, [values[0].reshape([size, inputs[0].count])]) as Tensor;
    return flat.reshape([size, ...inputs[0].sizes]);
  },
  compute: ([x], attrs) => {
    if (attrs.dims.length > 0) return rolled(x, attrs);
    const flat = copied(x, { dtype: x.dtype, format: "contiguous_format" });
    const out = rolled(viewOf(flat, [x.count], [1]), { shifts: attrs.shifts, dims: [0] });
    return viewOf(out, x.sizes, contiguousStrides(x.sizes));
  },
  gradient: (g, c) => [
    g.roll(
      c.attrs.shifts.map((s) => -s),
      c.attrs.dims,
    ),
  ],
});

/** The elements moved by `shifts` along `dims`; those that leave come in at the other end. Without `dims`: flattened. */
export function roll(
  self: Tensor,
  shifts: number | Shape | { shifts: number | Shape; dims?: number | Shape },
  dims?: number | Shape | { dims?: number | Shape },
): Tensor {
  const [x, by, given] = bind("roll(Tensor self, int[] shifts, int[] dims=[])", [self, shifts, dims]) as [
    Tensor,
    number[],
    number[],
  ];
  if (by.length === 0) throw new RuntimeError("`shifts` required");
  if (!(given.length === 0 && by.length === 1) && given.length !== by.length) {
    throw new RuntimeError(`shifts and dimensions must align. shifts: ${by.length}, dims:${given.length}`);
  }
  if (x.sizes.length === 0 && given.length > 0) {
    throw new IndexError(`Dimension specified as ${given[0]} but tensor has no dimensions`);
  }
  const at = given.map((d) => normalizeDim(d, x.sizes.length));
  if (x.sizes.length === 0) return rollOp([x], { shifts: [0], dims: [] });
  return rollOp([x], { shifts: by, dims: at });
}

const rot90Op = primitive<{ k: number; dims: readonly [number, number] }>({
  name: "rot90",
  nodeName: "Rot90Backward",
  batch: alongDims("dims"),
  compute: ([x], { k, dims: [a, b] }) => {
    const turns = ((k % 4) + 4) % 4;
    if (turns === 0) return copied(x, { dtype: x.dtype, format: "contiguous_format" });
    if (turns === 2) return flipped(x, [a, b]);
    const out = flipped(x, [turns === 1 ? b : a]);
    const swap = (list: Shape): number[] => list.map((s, d) => (d === a ? list[b] : d === b ? list[a] : s));
    return viewOf(out, swap(out.sizes), swap(out.strides));
  },
  gradient: (g, c) => [g.rot90(-c.attrs.k, c.attrs.dims)],
});

/** Turns the plane of two dimensions by `k` (1) times 90 degrees, from `dims[0]` towards `dims[1]`. */
export function rot90(
  self: Tensor,
  k?: number | { k?: number; dims?: Shape },
  dims?: Shape | { dims?: Shape },
): Tensor {
  const [x, turns, plane] = bind("rot90(Tensor self, int k=1, int[] dims=[0,1])", [self, k, dims]) as [
    Tensor,
    number,
    number[],
  ];
  const rank = x.sizes.length;
  if (plane.length !== 2) throw new RuntimeError(`expected total rotation dims == 2, but got dims = ${plane.length}`);
  if (rank < 2) throw new RuntimeError(`expected total dims >= 2, but got total dims = ${rank}`);
  if (plane[0] === plane[1] || Math.abs(plane[0] - plane[1]) === rank) {
    throw new RuntimeError(`expected rotation dims to be different, but got dim0 = ${plane[0]} and dim1 = ${plane[1]}`);
  }
  return rot90Op([x], { k: turns, dims: [normalizeDim(plane[0], rank), normalizeDim(plane[1], rank)] });
}

/** `[r0, s0, r1, s1, …]` of the sizes `s` that are repeated `r` times. */
function interleave(repeats: Shape, sizes: Shape): number[] {
  return repeats.flatMap((r, i) => [r, sizes[i]]);
}

const repeatOp = primitive<{ repeats: readonly number[] }>({
  name: "repeat",
  batch: (call) => {
    const { repeats } = call.attrs;
    return again(call, { repeats: [1, ...repeats] }, [withRank(call.values[0], repeats.length + 1)]);
  },
  compute: ([x], { repeats }) => {
    const lead = repeats.length - x.sizes.length;
    const sizes = [...new Array<number>(lead).fill(1), ...x.sizes];
    const strides = [...new Array<number>(lead).fill(0), ...x.strides];
    const out = allocate(
      x.dtype,
      sizes.map((s, i) => s * repeats[i]),
    );
    if (out.count === 0) return out;
    const blocks = interleave(repeats, sizes);
    copyInto(
      viewOf(out, blocks, contiguousStrides(blocks)),
      viewOf(
        x,
        blocks,
        interleave(
          repeats.map(() => 0),
          strides,
        ),
      ),
    );
    return out;
  },
  gradient: (g, c) => {
    const { repeats } = c.attrs;
    const shape = c.shape(0);
    if (repeats.includes(0)) return [g.new_zeros(shape)];
    const lead = repeats.length - shape.length;
    const sizes = [...new Array<number>(lead).fill(1), ...shape];
    const blocks = g.reshape(interleave(repeats, sizes));
    const dims = repeats.map((_, i) => 2 * i).filter((_, i) => i < lead || repeats[i] !== 1);
    const summed = dims.length === 0 ? blocks : blocks.sum(dims);
    return [summed.reshape(shape)];
  },
});

/** The tensor laid out `repeats` times along each dimension; more numbers than dimensions add dimensions in front. */
export function repeat(self: Tensor, ...repeats: (number | Shape)[]): Tensor {
  const [x, times] = bind("repeat(Tensor self, ints repeats)", [self, ...repeats]) as [Tensor, number[]];
  const lead = times.length - x.sizes.length;
  if (lead < 0) {
    throw new RuntimeError(
      "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
    );
  }
  if (times.some((r) => r < 0)) {
    const sizes = times.map((r, i) => r * (i < lead ? 1 : x.sizes[i - lead]));
    throw new RuntimeError(
      `Trying to create tensor with negative dimension ${sizes.find((s) => s < 0)}: ${shapeText(sizes)}`,
    );
  }
  return repeatOp([x], { repeats: times });
}

/** As `repeat`, but fewer numbers than dimensions stand for the last dimensions. */
export function tile(self: Tensor, ...dims: (number | Shape)[]): Tensor {
  const [x, times] = bind("tile(Tensor self, ints dims)", [self, ...dims]) as [Tensor, number[]];
  const missing = Math.max(0, x.sizes.length - times.length);
  return repeat(x, [...new Array<number>(missing).fill(1), ...times]);
}

/** Each index as often as `repeats` says, in order. */
function repeatedIndices(repeats: Tensor, outputSize: number | null): Tensor {
  if (repeats.ndim > 1) throw new RuntimeError("repeats must be 0-dim or 1-dim tensor");
  if (repeats.dtype !== dt.int64 && repeats.dtype !== dt.int32) {
    throw new RuntimeError("repeats has to be Long or Int tensor");
  }
  if (isBatched(repeats)) {
    if (outputSize === null) {
      throw new RuntimeError(
        "repeat_interleave: vmapping over the `repeats` tensor requires the `output_size` argument to be specified, because the size of the output equals the sum of `repeats`, which is data-dependent and may differ between batch elements. Please pass output_size, e.g. output_size=int(repeats.sum(-1).max()).",
      );
    }
    const numbers = repeats.new_ones([outputSize]).cumsum(0).sub(1);
    return searchsorted(repeats.cumsum(0), numbers, { right: true });
  }
  const counts = (repeats.tolist() as number[]).map(Number);
  if (counts.some((n) => n < 0)) throw new RuntimeError("repeats can not be negative");
  const total = counts.reduce((a, b) => a + b, 0);
  if (outputSize !== null && counts.length > 0 && outputSize !== total)
    throw new RuntimeError("allocated size does not match required size");
  const out = allocate(repeats.dtype, [total]);
  const array = elementsOf(out);
  let at = 0;
  counts.forEach((n, i) => {
    for (let k = 0; k < n; k++) array[at++] = array instanceof BigInt64Array ? BigInt(i) : i;
  });
  return out;
}

/**
 * Each element (slice of `dim`) several times in a row: `repeats` times, or as often as a tensor says for each. Without
 * `dim` of the flattened tensor. With one tensor alone: the numbers 0, 1, … as often as it says.
 */
export function repeat_interleave(
  self: Tensor,
  repeats?: number | Tensor | { repeats?: number | Tensor; dim?: number | null; output_size?: number | null },
  dim?: number | null | { dim?: number | null; output_size?: number | null },
  options?: { output_size?: number | null },
): Tensor {
  const [x, times, d, outputSize] = bind(
    "repeat_interleave(Tensor self, any repeats=None, int? dim=None, *, int? output_size=None)",
    [self, repeats, dim, options],
  ) as [Tensor, number | Tensor | null, number | null, number | null];
  if (times === null) return repeatedIndices(x, outputSize);
  const source = d === null ? x.flatten() : x.sizes.length === 0 ? x.flatten() : x;
  const at = d === null ? 0 : normalizeDim(d, x.sizes.length);
  const size = source.sizes[at];
  if (typeof times === "number") {
    if (times < 0) throw new RuntimeError("Repeats must be non-negative");
    if (outputSize !== null && outputSize !== size * times) {
      throw new RuntimeError(`repeat_interleave: Invalid output_size, expected ${size * times} but got ${outputSize}`);
    }
    const sizes = [...source.sizes.slice(0, at + 1), times, ...source.sizes.slice(at + 1)];
    return source
      .unsqueeze(at + 1)
      .expand(sizes)
      .clone({ memory_format: "contiguous_format" })
      .flatten(at, at + 1);
  }
  if (!(times instanceof Tensor)) throw new TypeError("repeat_interleave(): argument 'repeats' must be Tensor or int");
  if (times.ndim > 1) throw new RuntimeError("repeats must be 0-dim or 1-dim tensor");
  const each = times.ndim === 0 || (times.sizes[0] === 1 && size !== 1) ? times.reshape(1).expand(size) : times;
  if (each.sizes[0] !== size) {
    throw new RuntimeError(
      `repeats must have the same size as input along dim, but got repeats.size(0) = ${each.sizes[0]} and input.size(0) = ${size}`,
    );
  }
  return source.index_select(at, repeatedIndices(each, outputSize));
}
