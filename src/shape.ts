/** Shapes and strides: pure functions on arrays of numbers. Strides count elements and are never negative. */
import { IndexError, RuntimeError } from "./errors.ts";

export type Shape = readonly number[];

/** The number of elements; 1 for a scalar. */
export function numelOf(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i];
  return n;
}

/** Row-major strides. Sizes of 0 count as 1, as in PyTorch. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= Math.max(shape[i], 1);
  }
  return strides;
}

/** Whether elements lie in row-major order without gaps; strides of dimensions of size 1 do not matter. */
export function isContiguous(shape: Shape, strides: Shape): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i];
    if (size === 0) return true;
    if (size !== 1) {
      if (strides[i] !== step) return shape.includes(0);
      step *= size;
    }
  }
  return true;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `[2, 3]`, as PyTorch's messages show shapes. */
export function shapeText(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** The shape that both broadcast to. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = i <= a.length ? a[a.length - i] : 1;
    const y = i <= b.length ? b[b.length - i] : 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new RuntimeError(
        `The size of tensor a (${x}) must match the size of tensor b (${y}) at non-singleton dimension ${rank - i}`,
      );
    }
    out[rank - i] = x === 1 ? y : x;
  }
  return out;
}

/** Strides under which a tensor reads as `target`: 0 along the broadcast dimensions. */
export function broadcastStrides(shape: Shape, strides: Shape, target: Shape): number[] {
  const lead = target.length - shape.length;
  const out = new Array<number>(target.length);
  for (let i = 0; i < target.length; i++) {
    const j = i - lead;
    out[i] = j < 0 || (shape[j] === 1 && target[i] !== 1) ? 0 : strides[j];
  }
  return out;
}

/** Whether a tensor of the shape `from` broadcasts to the shape `to`. */
export function expandsTo(from: Shape, to: Shape): boolean {
  const extra = to.length - from.length;
  return extra >= 0 && from.every((size, d) => size === 1 || size === to[d + extra]);
}

/** A dimension number in [0, rank); negative ones count from the end. A scalar has dimensions -1 and 0. */
export function normalizeDim(dim: number, rank: number): number {
  if (typeof dim !== "number" || !Number.isInteger(dim)) {
    throw new TypeError(`dim must be an int, not ${typeof dim === "number" ? "float" : describe(dim)}`);
  }
  const n = rank === 0 ? 1 : rank;
  if (dim < -n || dim >= n) {
    throw new IndexError(`Dimension out of range (expected to be in range of [${-n}, ${n - 1}], but got ${dim})`);
  }
  return dim < 0 ? dim + n : dim;
}

/** Normalized dimensions, in the given order; a repeated one is an error. `null` or an empty list means all. */
export function normalizeDims(dims: number | readonly number[] | null | undefined, rank: number): number[] {
  if (dims === null || dims === undefined || (typeof dims !== "number" && dims.length === 0)) {
    const all: number[] = [];
    for (let d = 0; d < rank; d++) all.push(d);
    return all;
  }
  if (typeof dims === "number") {
    const d = normalizeDim(dims, rank);
    return rank === 0 ? [] : [d];
  }
  const out: number[] = [];
  for (const dim of dims) {
    const d = normalizeDim(dim, rank);
    if (out.includes(d)) throw new RuntimeError(`dim ${d} appears multiple times in the list of dims`);
    out.push(d);
  }
  return rank === 0 ? [] : out;
}

/** Fills in a single -1 of a requested shape. */
export function inferSize(requested: Shape, numel: number): number[] {
  const out = requested.slice();
  let unknown = -1;
  let known = 1;
  for (let i = 0; i < out.length; i++) {
    if (out[i] === -1) {
      if (unknown >= 0) throw new RuntimeError("only one dimension can be inferred");
      unknown = i;
    } else if (out[i] < 0 || !Number.isInteger(out[i])) {
      throw new RuntimeError(`invalid shape dimension ${out[i]}`);
    } else known *= out[i];
  }
  if (unknown >= 0) {
    if (known === 0) {
      throw new RuntimeError(
        `cannot reshape tensor of 0 elements into shape ${shapeText(requested)} because the unspecified dimension size -1 can be any value and is ambiguous`,
      );
    }
    if (numel % known !== 0)
      throw new RuntimeError(`shape '${shapeText(requested)}' is invalid for input of size ${numel}`);
    out[unknown] = numel / known;
  } else if (known !== numel) {
    throw new RuntimeError(`shape '${shapeText(requested)}' is invalid for input of size ${numel}`);
  }
  return out;
}

/**
 * Strides of a view with shape `target` of the elements of `shape` with `strides`, or null where only a copy can have
 * that shape. Each run of dimensions that is contiguous in memory may be split and merged freely.
 */
export function viewStrides(shape: Shape, strides: Shape, target: Shape): number[] | null {
  const numel = numelOf(shape);
  if (numel === 0) return sameShape(shape, target) ? strides.slice() : contiguousStrides(target);
  const out = new Array<number>(target.length).fill(1);
  let view = target.length - 1;
  let runNumel = 1;
  let viewNumel = 1;
  let base = shape.length > 0 ? strides[shape.length - 1] : 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    runNumel *= shape[d];
    const ends = d === 0 || (shape[d - 1] !== 1 && strides[d - 1] !== runNumel * base);
    if (!ends) continue;
    while (view >= 0 && (viewNumel < runNumel || target[view] === 1)) {
      out[view] = viewNumel * base;
      viewNumel *= target[view];
      view--;
    }
    if (viewNumel !== runNumel) return null;
    if (d > 0) {
      base = strides[d - 1];
      runNumel = 1;
      viewNumel = 1;
    }
  }
  while (view >= 0) {
    if (target[view] !== 1) return null;
    out[view] = viewNumel * base;
    view--;
  }
  return out;
}

/** What a value is, in Python's words, for error messages. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "NoneType";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  if (typeof value === "bigint") return "int";
  if (typeof value === "string") return "str";
  if (typeof value === "boolean") return "bool";
  if (Array.isArray(value)) return "list";
  if (typeof value === "function") return "function";
  const name = (value as object).constructor?.name;
  return name && name !== "Object" ? name : "dict";
}

/** The order of dimensions in memory: row by row, as they are, or with the channels innermost, for images and for volumes. */
export type MemoryFormat = "contiguous_format" | "preserve_format" | "channels_last" | "channels_last_3d";

/** The format with the channels innermost for so many dimensions; null where there is none. */
export function channelsLastFormat(rank: number): "channels_last" | "channels_last_3d" | null {
  return rank === 4 ? "channels_last" : rank === 5 ? "channels_last_3d" : null;
}

/** Dimensions in the order of channels_last formats, innermost first. */
function channelsLastOrder(rank: number): number[] {
  return [1, ...Array.from({ length: rank - 2 }, (_, i) => rank - 1 - i), 0];
}

/** The strides of [N, C, …] in memory order [N, …, C]. */
export function channelsLastStrides(sizes: Shape): number[] {
  const strides = new Array<number>(sizes.length);
  let step = 1;
  for (const d of channelsLastOrder(sizes.length)) {
    strides[d] = step;
    step *= sizes[d];
  }
  return strides;
}

/** Whether [N, C, …] lies without gaps in the order [N, …, C]. Strides of dimensions of size 1 do not count. */
export function isChannelsLast(sizes: Shape, strides: Shape): boolean {
  let step = 1;
  for (const d of channelsLastOrder(sizes.length)) {
    if (sizes[d] === 1) continue;
    if (strides[d] !== step) return false;
    step *= sizes[d];
  }
  return true;
}

/**
 * Whether results made of a tensor with these strides have their channels last, as PyTorch decides it: its dimensions are in
 * that order, with or without gaps, and not at the same time in the usual one.
 */
export function prefersChannelsLast(sizes: Shape, strides: Shape): boolean {
  if (channelsLastFormat(sizes.length) === null || strides[1] === 0) return false;
  let least = 0;
  for (const d of channelsLastOrder(sizes.length)) {
    if (sizes[d] === 0 || strides[d] < least) return false;
    if (d === 0 && least === strides[1]) return false;
    least = strides[d] * Math.max(1, sizes[d]);
  }
  return true;
}
