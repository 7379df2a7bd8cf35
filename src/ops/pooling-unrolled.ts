/**
 * Pooling with small windows: each result is one expression of all elements of its window, without loops. Results whose
 * windows lie inside of the input from left to right are computed by vectors, the columns at both edges one by one.
 */
import type { DType } from "../dtype.ts";
import { Axis, computeType, constant, type Expr, load } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { numelOf, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { KernelCache, launch } from "./launch.ts";
import {
  type AverageOptions,
  outsideIn,
  Parameters,
  planesOf,
  reachesOutside,
  spatial,
  type Windows,
  windowSize,
} from "./pooling-windows.ts";

/** Windows of up to this many elements are unrolled. */
const UNROLLED = 9;

const cache = new KernelCache<string>();

const number = (v: number): Expr => constant("i32", v);

/** The expressions of a kernel whose results are those in `outer`, beginning at a column that is a parameter. */
interface UnrolledWindow {
  readonly parameters: Parameters;
  readonly inputs: readonly Expr[];
  readonly padding: readonly Expr[];
  readonly outer: readonly Axis[];
  /** The window's number in each dimension. */
  readonly window: readonly Expr[];
  /** Where the plane begins. */
  readonly plane: Expr;
  /** For each element of the window, in order: its position in the plane, and whether it is there (null: it is). */
  readonly taps: readonly { readonly at: Expr; readonly valid: Expr | null }[];
  /** Flattened position of the window's result. */
  readonly result: Expr;
}

/** `outside` says in which dimensions elements may be missing: they are moved to the nearest one (clamp), or not there (mask). */
function unroll(w: Windows, outside: readonly boolean[], missing: "clamp" | "mask"): UnrolledWindow {
  const dims = w.kernel.length;
  const p = new Parameters();
  const inputs = p.list(dims);
  const padding = p.list(dims);
  const first = p.next();
  const columns = p.next();
  const planes = new Axis("plane", p.next());
  const axes = Array.from({ length: dims }, (_, d) => new Axis(`o${d}`, p.next()));
  const window = axes.map((axis, d) => (d === dims - 1 ? axis.index.add(first) : axis.index));
  let taps: { at: Expr; valid: Expr | null }[] = [{ at: number(0), valid: null }];
  let planeSize = number(1);
  let result: Expr = planes.index;
  axes.forEach((axis, d) => {
    const start = window[d].mul(number(w.stride[d])).sub(padding[d]);
    const steps = Array.from({ length: w.kernel[d] }, (_, t) => {
      const at = start.add(number(t * w.dilation[d]));
      if (!outside[d]) return { at, valid: null };
      if (missing === "clamp") return { at: at.max(number(0)).min(inputs[d].sub(1)), valid: null };
      return { at, valid: at.ge(0).and(at.lt(inputs[d])) };
    });
    taps = taps.flatMap((before) =>
      steps.map(({ at, valid }) => ({
        at: before.at.mul(inputs[d]).add(at),
        valid: before.valid !== null && valid !== null ? before.valid.and(valid) : (before.valid ?? valid),
      })),
    );
    planeSize = planeSize.mul(inputs[d]);
    result = result.mul(d === dims - 1 ? columns : axis.size).add(window[d]);
  });
  const plane = planes.index.mul(planeSize);
  return { parameters: p, inputs, padding, outer: [planes, ...axes], window, plane, taps, result };
}

/** Launches a kernel for the columns inside, and one for those at the edges. `rest` are further parameters. */
function launchByColumns(
  w: Windows,
  key: string,
  kernel: (outside: readonly boolean[]) => Kernel,
  tensors: readonly [input: Tensor, output: Tensor, ...more: Tensor[]],
  rest: readonly number[] = [],
): void {
  const dims = w.kernel.length;
  const last = dims - 1;
  const [x, out] = tensors;
  const inputs = spatial(x, dims);
  const outputs = spatial(out, dims);
  const outside = inputs.map((_, d) => outsideIn(w, d, inputs, outputs));
  const run = (first: number, end: number, edge: boolean): void => {
    if (end <= first) return;
    const flags = [...outside.slice(0, -1), edge];
    const shape = `${w.kernel.join("x")}:${w.stride.join("x")}:${w.dilation.join("x")}:${flags}:${x.dtype.id}`;
    const sizes = [planesOf(x, dims), ...outputs.slice(0, -1), end - first];
    launch(
      cache.get(`${key}:${shape}`, () => kernel(flags)),
      tensors,
      [...inputs, ...w.padding, first, outputs[last], ...sizes, ...rest],
    );
  };
  const columns = outputs[last];
  let left = 0;
  let right = columns;
  if (outside[last]) {
    const lastStart = inputs[last] + w.padding[last] - (w.kernel[last] - 1) * w.dilation[last] - 1;
    left = Math.min(columns, Math.ceil(w.padding[last] / w.stride[last]));
    right = Math.max(left, Math.min(columns, Math.floor(lastStart / w.stride[last]) + 1));
  }
  run(0, left, true);
  run(left, right, false);
  run(right, columns, true);
}

/**
 * Whether `unrolledMaxPool` can do it. Where a window reaches outside, the nearest element inside takes the place of each
 * missing one, which changes no maximum as long as it is part of the window: unless the window is dilated.
 */
export function canUnrollMax(w: Windows, inputs: Shape, outputs: Shape): boolean {
  if (numelOf(w.kernel) > UNROLLED) return false;
  return inputs.every((_, d) => w.dilation[d] === 1 || !outsideIn(w, d, inputs, outputs));
}

/** The largest elements of windows, and their positions, as `maxPool` gives them. */
export function unrolledMaxPool(x: Tensor, values: Tensor, indices: Tensor, w: Windows): void {
  const make = (outside: readonly boolean[]): Kernel => {
    const { parameters, outer, plane, taps, result } = unroll(w, outside, "clamp");
    const type = computeType(x.dtype.name);
    let { at } = taps[0];
    let max = load(type, 0, plane.add(at));
    for (const tap of taps.slice(1)) {
      const value = load(type, 0, plane.add(tap.at));
      const greater = value.gt(max);
      const taken = value.isFloat ? greater.or(value.isnan()) : greater;
      max = taken.select(value, max);
      at = taken.select(tap.at, at);
    }
    return {
      form: "row",
      name: "max_pool",
      buffers: [
        { dtype: x.dtype.name, access: "read" },
        { dtype: x.dtype.name, access: "write" },
        { dtype: "int64", access: "write" },
      ],
      params: parameters.types,
      outer,
      inner: [],
      stages: [
        { kind: "store", over: "outer", buffer: 1, index: result, value: max },
        { kind: "store", over: "outer", buffer: 2, index: result, value: at.cast("i64") },
      ],
    };
  };
  launchByColumns(w, "max", make, [x, values, indices]);
}

/** Whether `unrolledAvgPool` can do it. */
export const canUnrollAverage = (w: Windows): boolean => numelOf(w.kernel) <= UNROLLED;

/** Averages over windows. */
export function unrolledAvgPool(x: Tensor, out: Tensor, w: Windows, options: AverageOptions): void {
  const divided = options.divisor !== null ? "given" : options.countPadding ? "padded" : "present";
  const make = (outside: readonly boolean[]): Kernel => {
    const { parameters, inputs, padding, outer, window, plane, taps, result } = unroll(w, outside, "mask");
    const type = computeType(x.dtype.name);
    const sum = taps
      .map(({ at, valid }) => load(type, 0, plane.add(at), valid ?? undefined))
      .reduce((total, value) => total.add(value));
    const given = parameters.next();
    const sizes = { kernel: w.kernel.map(number), stride: w.stride.map(number), padding, inputs };
    let size = given;
    // Windows inside of the input in all dimensions have all their elements.
    if (divided !== "given") {
      size = outside.includes(true)
        ? windowSize(w.kernel.length, (d) => window[d], sizes, options.countPadding)
        : number(numelOf(w.kernel));
    }
    return {
      form: "row",
      name: "avg_pool",
      buffers: [
        { dtype: x.dtype.name, access: "read" },
        { dtype: x.dtype.name, access: "write" },
      ],
      params: parameters.types,
      outer,
      inner: [],
      stages: [{ kind: "store", over: "outer", buffer: 1, index: result, value: sum.div(size.cast(type)) }],
    };
  };
  launchByColumns(w, `avg:${divided}`, make, [x, out], [options.divisor ?? 0]);
}

/**
 * The gradient of an average's input in two frequent cases, or false. With stride 1 it is an average again, over the
 * windows that contain an element; windows that do not overlap give each element a share of one gradient.
 */
export function simpleAvgPoolBackward(g: Tensor, out: Tensor, w: Windows, options: AverageOptions): boolean {
  const dims = w.kernel.length;
  if (!canUnrollAverage(w) || w.dilation.some((d) => d !== 1)) return false;
  const inputs = spatial(out, dims);
  const outputs = spatial(g, dims);
  const inside = !reachesOutside(w, inputs, outputs);
  const divisor = options.divisor ?? (inside || options.countPadding ? numelOf(w.kernel) : null);
  if (divisor === null) return false;
  if (w.stride.every((s) => s === 1)) {
    const padding = w.kernel.map((k, d) => k - 1 - w.padding[d]);
    if (padding.some((p) => p < 0)) return false;
    unrolledAvgPool(g, out, { ...w, padding }, { countPadding: true, divisor });
    return true;
  }
  const tiles = w.kernel.every((k, d) => w.stride[d] === k && outputs[d] * k === inputs[d]);
  if (!inside || !tiles) return false;
  const kernel = cache.get(`tiles:${w.kernel.join("x")}:${g.dtype.id}`, () => tiledKernel(w, g.dtype));
  launch(kernel, [g, out], [divisor, planesOf(g, dims), ...outputs]);
  return true;
}

/** Each element of the gradient goes, divided by a parameter, to all elements of its window; windows lie side by side. */
function tiledKernel(w: Windows, dtype: DType): Kernel {
  const p = new Parameters();
  const divisor = p.next();
  const planes = new Axis("plane", p.next());
  const outputs = w.kernel.map((_, d) => new Axis(`o${d}`, p.next()));
  const type = computeType(dtype.name);
  let from: Expr = planes.index;
  for (const axis of outputs) from = from.mul(axis.size).add(axis.index);
  let offsets: Expr[] = [planes.index];
  w.kernel.forEach((k, d) => {
    offsets = offsets.flatMap((before) =>
      Array.from({ length: k }, (_, t) =>
        before.mul(outputs[d].size.mul(number(k))).add(outputs[d].index.mul(number(k)).add(number(t))),
      ),
    );
  });
  const value = load(type, 0, from).div(divisor.cast(type));
  return {
    form: "row",
    name: "avg_pool_backward",
    buffers: [
      { dtype: dtype.name, access: "read" },
      { dtype: dtype.name, access: "write" },
    ],
    params: p.types,
    outer: [planes, ...outputs],
    inner: [],
    stages: offsets.map((index) => ({ kind: "store", over: "outer", buffer: 1, index, value })),
  };
}
