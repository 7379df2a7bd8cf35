/** Resampling of the last dimensions of a tensor, from tables of positions and weights (interpolation-weights.ts). */
import * as dt from "../dtype.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param, stageValue } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { numelOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied } from "./copy.ts";
import { fromValues } from "./from-values.ts";
import type { Taps, Windows } from "./interpolation-weights.ts";
import { KernelCache, launch } from "./launch.ts";
import { allocate } from "./row.ts";

const cache = new KernelCache<string>();

const compact = (x: Tensor): Tensor =>
  x.contiguousLayout ? x : copied(x, { dtype: x.dtype, format: "contiguous_format" });

/** The type of weights for elements of `dtype`. */
const weightType = (dtype: dt.DType): dt.DType => (dtype === dt.float64 ? dt.float64 : dt.float32);

/** All last dimensions at once: each result is a sum of products of taps, one from each dimension. */
export function resampleTaps(x: Tensor, tables: readonly Taps[]): Tensor {
  const dims = tables.length;
  const lead = x.sizes.slice(0, x.sizes.length - dims);
  const inputs = x.sizes.slice(x.sizes.length - dims);
  const outputs = tables.map((t) => t.outputs);
  const out = allocate(x.dtype, [...lead, ...outputs]);
  if (out.count === 0) return out;
  const tensors = [compact(x)];
  for (const { index, weight } of tables) {
    tensors.push(fromValues(index, dt.int32, false));
    if (weight !== null) tensors.push(fromValues(weight, weightType(x.dtype), false));
  }
  tensors.push(out);
  const key = `taps:${tables.map((t) => `${t.count}${t.weight === null}`).join()}:${x.dtype.id}`;
  const kernel = cache.get(key, () => tapsKernel(tensors, tables));
  launch(kernel, tensors, [numelOf(lead), ...outputs, ...inputs]);
  return out;
}

function tapsKernel(tensors: readonly Tensor[], tables: readonly Taps[]): Kernel {
  const types: ComputeType[] = [];
  const next = (): Expr => {
    types.push("i32");
    return param("i32", types.length - 1);
  };
  const planes = new Axis("plane", next());
  const axes = tables.map((_, d) => new Axis(`o${d}`, next()));
  const inputs = tables.map(() => next());
  const type = computeType(tensors[0].dtype.name);
  const buffers: number[] = [];
  let buffer = 1;
  for (const { weight } of tables) {
    buffers.push(buffer);
    buffer += weight === null ? 1 : 2;
  }
  /** The sum over the taps of dimension d and of those after it, for an element at `position` in those before it. */
  const sum = (d: number, position: Expr): Expr => {
    if (d === tables.length) return load(type, 0, position);
    const { count, weight } = tables[d];
    let total: Expr | null = null;
    for (let t = 0; t < count; t++) {
      const at = axes[d].index.add(axes[d].size.mul(constant("i32", t)));
      const value = sum(d + 1, position.mul(inputs[d]).add(load("i32", buffers[d], at)));
      const term: Expr = weight === null ? value : value.mul(load(type, buffers[d] + 1, at));
      total = total === null ? term : total.add(term);
    }
    return total as Expr;
  };
  let result: Expr = planes.index;
  for (const axis of axes) result = result.mul(axis.size).add(axis.index);
  return {
    form: "row",
    name: "upsample",
    buffers: tensors.map((t, k) => ({ dtype: t.dtype.name, access: k === tensors.length - 1 ? "write" : "read" })),
    params: types,
    outer: [planes, ...axes],
    inner: [],
    stages: [{ kind: "store", over: "outer", buffer: tensors.length - 1, index: result, value: sum(0, planes.index) }],
  };
}

/**
 * One dimension, by windows. With a `precision` elements are uint8 and weights are whole numbers scaled by 2^precision;
 * otherwise the result has type `dtype`.
 */
export function resampleWindows(
  x: Tensor,
  dim: number,
  windows: Windows,
  dtype: dt.DType,
  precision: number | null,
): Tensor {
  const { width, outputs, start, size, weight } = windows;
  const before = x.sizes.slice(0, dim);
  const after = x.sizes.slice(dim + 1);
  const out = allocate(dtype, [...before, outputs, ...after]);
  if (out.count === 0) return out;
  const fixed = precision !== null;
  const factors = fromValues(weight, fixed ? dt.int32 : weightType(x.dtype), false);
  const tensors = [compact(x), fromValues(start, dt.int32, false), fromValues(size, dt.int32, false), factors, out];
  const inside = numelOf(after);
  const unrolled = width <= UNROLLED ? width : 0;
  const kernel = cache.get(`windows:${fixed}:${inside === 1}:${x.dtype.id}:${dtype.id}:${unrolled}`, () =>
    windowsKernel(tensors, fixed, inside === 1, unrolled),
  );
  launch(kernel, tensors, [numelOf(before), outputs, inside, width, x.sizes[dim], precision ?? 0]);
  return out;
}

/** Windows of up to this many elements are one expression, without a loop: measured, 2 to 3 times as fast. */
const UNROLLED = 12;

/** `unrolled`: the width, or 0 for a loop. */
function windowsKernel(tensors: readonly Tensor[], fixed: boolean, last: boolean, unrolled: number): Kernel {
  const types: ComputeType[] = [];
  const next = (): Expr => {
    types.push("i32");
    return param("i32", types.length - 1);
  };
  const rows = new Axis("row", next());
  const axis = new Axis("o", next());
  const columns = new Axis("column", next());
  const taps = new Axis("t", next());
  const input = next();
  const precision = next();
  const type = fixed ? "i32" : computeType(tensors[3].dtype.name);
  const o = axis.index;
  const first = rows.index.mul(input).add(load("i32", 1, o));
  const size = load("i32", 2, o);
  const product = (t: Expr): Expr => {
    const from = first.add(t);
    const position = last ? from : from.mul(columns.size).add(columns.index);
    const element = load(computeType(tensors[0].dtype.name), 0, position, t.lt(size)).cast(type);
    return element.mul(load(type, 3, o.mul(taps.size).add(t)));
  };
  let sum = unrolled === 0 ? stageValue(type, 0) : product(constant("i32", 0));
  for (let t = 1; t < unrolled; t++) sum = sum.add(product(constant("i32", t)));
  // Half of the last kept bit is added before the others are dropped.
  const half = constant("i32", 1).shl(precision.sub(1));
  const value = fixed ? sum.add(half).shr(precision).max(0).min(255) : sum;
  const result = rows.index.mul(axis.size).add(o);
  return {
    form: "row",
    name: "upsample_windows",
    buffers: tensors.map((t, k) => ({ dtype: t.dtype.name, access: k === tensors.length - 1 ? "write" : "read" })),
    params: types,
    outer: last ? [rows, axis] : [rows, axis, columns],
    inner: unrolled === 0 ? [taps] : [],
    stages: [
      ...(unrolled === 0 ? [{ kind: "reduce", op: "sum", value: product(taps.index) } as const] : []),
      {
        kind: "store",
        over: "outer",
        buffer: 4,
        index: last ? result : result.mul(columns.size).add(columns.index),
        value: value.cast(computeType(tensors[4].dtype.name)),
      },
    ],
  };
}
