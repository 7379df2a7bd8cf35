/**
 * Pooling as row kernels: each output reduces a window of inputs. A spatial dimension is described by how many taps a
 * window has, which position tap t of window o takes, and whether that position exists; the gradients of averages are
 * windows of the same kind, over outputs.
 */
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param, stageValue } from "../ir/expr.ts";
import type { Kernel, Stage } from "../ir/kernel.ts";
import { type Shape, sameShape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copied, fillWith } from "./copy.ts";
import { KernelCache, launch } from "./launch.ts";
import { canSeparate, separableAverage } from "./pooling-separable.ts";
import {
  canUnrollAverage,
  canUnrollMax,
  simpleAvgPoolBackward,
  unrolledAvgPool,
  unrolledMaxPool,
} from "./pooling-unrolled.ts";
import {
  type AverageOptions,
  Parameters,
  planesOf,
  reachesOutside,
  spatial,
  type Windows,
  windowSize,
} from "./pooling-windows.ts";
import { allocate } from "./row.ts";

const cache = new KernelCache<string>();

/** As many as stay in a third-level cache beside others; fewer would cost more in launches than they save. */
const CACHED_ELEMENTS = 2 ** 20;

interface WindowLoops {
  readonly outer: Axis[];
  readonly inner: Axis[];
  /** The element that a tap sees: its flattened position in the plane, and in the tensor. */
  readonly inPlane: Expr;
  readonly position: Expr;
  /** Whether it exists; null where all taps do. */
  readonly valid: Expr | null;
  /** Flattened position of the window's result. */
  readonly result: Expr;
}

type Tap = (d: number, o: Expr, t: Expr) => { at: Expr; valid: Expr | null };

function windowLoops(p: Parameters, dims: number, tap: Tap, inputs: readonly Expr[]): WindowLoops {
  const planes = new Axis("plane", p.next());
  const outer = Array.from({ length: dims }, (_, d) => new Axis(`o${d}`, p.next()));
  const inner = Array.from({ length: dims }, (_, d) => new Axis(`t${d}`, p.next()));
  let inPlane = constant("i32", 0);
  let valid: Expr | null = null;
  let result: Expr = planes.index;
  let planeSize = constant("i32", 1);
  for (let d = 0; d < dims; d++) {
    const { at, valid: own } = tap(d, outer[d].index, inner[d].index);
    inPlane = inPlane.mul(inputs[d]).add(at);
    if (own !== null) valid = valid === null ? own : valid.and(own);
    result = result.mul(outer[d].size).add(outer[d].index);
    planeSize = planeSize.mul(inputs[d]);
  }
  const position = planes.index.mul(planeSize).add(inPlane);
  return { outer: [planes, ...outer], inner, inPlane, position, valid, result };
}

const both = (a: Expr, b: Expr): Expr => a.and(b);

function lowest(type: ComputeType): Expr {
  if (type === "f32" || type === "f64") return constant(type, Number.NEGATIVE_INFINITY);
  return type === "i64" ? constant("i64", -(2n ** 63n)) : constant("i32", -(2 ** 31));
}

const compact = (x: Tensor): Tensor =>
  x.contiguousLayout ? x : copied(x, { dtype: x.dtype, format: "contiguous_format" });

/** ⌈a · b / c⌉ and ⌊a · b / c⌋ for indices. */
const scaledFloor = (a: Expr, b: Expr, c: Expr): Expr => a.mul(b).div(c);
const scaledCeil = (a: Expr, b: Expr, c: Expr): Expr => a.mul(b).add(c).sub(1).div(c);

/** The most taps of a window that is a share of `from` elements for each of `to` results. */
const mostTaps = (from: number, to: number): number =>
  to === 0 ? 0 : from % to === 0 ? from / to : Math.floor(from / to) + 2;

/**
 * The largest element of each window, and its position in the plane. Equal ones: the first; NaN counts as the largest,
 * the last of several. Without windows: adaptive pooling.
 */
export function maxPool(x: Tensor, windows: Windows | null, outputs: Shape): { values: Tensor; indices: Tensor } {
  const dims = outputs.length;
  const inputs = spatial(x, dims);
  const lead = x.sizes.slice(0, x.sizes.length - dims);
  const values = allocate(x.dtype, [...lead, ...outputs]);
  const indices = allocate(dt.int64, [...lead, ...outputs]);
  if (values.count === 0) return { values, indices };
  const source = compact(x);
  if (windows !== null && canUnrollMax(windows, inputs, outputs)) {
    unrolledMaxPool(source, values, indices, windows);
    return { values, indices };
  }
  const outside = windows !== null && reachesOutside(windows, inputs, outputs);
  const mode = windows === null ? "adaptive" : outside ? "masked" : "plain";
  const taps = windows === null ? inputs.map((s, d) => mostTaps(s, outputs[d])) : windows.kernel;
  const kernel = cache.get(`max:${mode}:${dims}:${x.dtype.id}`, () => maxPoolKernel(mode, dims, x.dtype));
  const geometry = windows === null ? [] : [...windows.stride, ...windows.padding, ...windows.dilation];
  launch(kernel, [source, values, indices], [...inputs, ...geometry, planesOf(x, dims), ...outputs, ...taps]);
  return { values, indices };
}

type PoolMode = "adaptive" | "masked" | "plain";

function windowTap(
  p: Parameters,
  mode: PoolMode,
  dims: number,
  inputs: readonly Expr[],
  outputs: () => readonly Expr[],
): Tap {
  if (mode === "adaptive") {
    return (d, o, t) => {
      const at = scaledFloor(o, inputs[d], outputs()[d]).add(t);
      return { at, valid: at.lt(scaledCeil(o.add(1), inputs[d], outputs()[d])) };
    };
  }
  const stride = p.list(dims);
  const padding = p.list(dims);
  const dilation = p.list(dims);
  return (d, o, t) => {
    const at = o.mul(stride[d]).add(t.mul(dilation[d])).sub(padding[d]);
    return { at, valid: mode === "masked" ? both(at.ge(0), at.lt(inputs[d])) : null };
  };
}

/** Loops whose taps may need the numbers of outputs, which are parameters made together with the loops. */
function poolLoops(p: Parameters, mode: PoolMode, dims: number): WindowLoops & { readonly inputs: Expr[] } {
  const inputs = p.list(dims);
  // The output sizes are the parameters after the number of planes.
  const first = inputs.length + (mode === "adaptive" ? 0 : 3 * dims) + 1;
  const outputs = Array.from({ length: dims }, (_, d) => param("i32", first + d));
  return {
    ...windowLoops(
      p,
      dims,
      windowTap(p, mode, dims, inputs, () => outputs),
      inputs,
    ),
    inputs,
  };
}

function maxPoolKernel(mode: PoolMode, dims: number, dtype: DType): Kernel {
  const p = new Parameters();
  const { outer, inner, inPlane, position, valid, result } = poolLoops(p, mode, dims);
  const type = computeType(dtype.name);
  const loaded = load(type, 0, position, valid ?? undefined);
  const value = valid === null ? loaded : valid.select(loaded, lowest(type));
  const max = stageValue(type, 0);
  const far = constant("i32", 2 ** 31 - 1);
  const exists = valid ?? constant("bool", 1);
  const floating = type === "f32" || type === "f64";
  // The first position that holds the maximum; for NaN the last, found as the smallest negated position.
  const key = floating
    ? max.isnan().select(value.isnan().select(inPlane.neg(), far), both(value.eq(max), exists).select(inPlane, far))
    : both(value.eq(max), exists).select(inPlane, far);
  const found = stageValue("i32", 1);
  const index = floating ? max.isnan().select(found.neg(), found) : found;
  const stages: Stage[] = [
    { kind: "reduce", op: "max", value },
    { kind: "reduce", op: "min", value: key },
    { kind: "store", over: "outer", buffer: 1, index: result, value: max },
    { kind: "store", over: "outer", buffer: 2, index: result, value: index.cast("i64") },
  ];
  return {
    form: "row",
    name: "max_pool",
    buffers: [
      { dtype: dtype.name, access: "read" },
      { dtype: dtype.name, access: "write" },
      { dtype: "int64", access: "write" },
    ],
    params: p.types,
    outer,
    inner,
    stages,
  };
}

/** Adds each element of `g` to the element of a plane that its index names. */
export function scatterToPlanes(g: Tensor, indices: Tensor, sizes: Shape, dims: number): Tensor {
  const out = allocate(g.dtype, sizes);
  if (g.count === 0) {
    fillWith(out, 0);
    return out;
  }
  const kernel = cache.get(`scatter:${g.dtype.id}`, () => {
    const p = new Parameters();
    const planes = new Axis("plane", p.next());
    const elements = new Axis("element", p.next());
    const size = p.next();
    const at = planes.index.mul(elements.size).add(elements.index);
    return {
      form: "scatter",
      name: "max_pool_backward",
      buffers: [
        { dtype: g.dtype.name, access: "read" },
        { dtype: "int64", access: "read" },
        { dtype: g.dtype.name, access: "readwrite" },
      ],
      params: p.types,
      axes: [planes, elements],
      disjoint: true,
      mode: "add",
      buffer: 2,
      index: planes.index.mul(size).add(load("i64", 1, at).cast("i32")),
      value: load(computeType(g.dtype.name), 0, at),
    };
  });
  const planes = planesOf(out, dims);
  const size = out.count / planes;
  const step = Math.max(1, Math.floor(CACHED_ELEMENTS / size));
  const tensors = [
    [compact(g), g.count / planes],
    [compact(indices), g.count / planes],
    [out, size],
  ] as const;
  // Planes that have just been filled are still in the cache when they are written to.
  for (let first = 0; first < planes; first += step) {
    const count = Math.min(step, planes - first);
    const parts = tensors.map(([t, own]) => new Tensor(t.storage, t.dtype, [count * own], [1], t.offset + first * own));
    fillWith(parts[2], 0);
    launch(kernel, parts, [count, g.count / planes, size]);
  }
  return out;
}

/** The elements of planes that indices name: the transpose of `scatterToPlanes`. */
export function gatherFromPlanes(x: Tensor, indices: Tensor, dims: number): Tensor {
  const out = allocate(x.dtype, indices.sizes);
  if (out.count === 0) return out;
  const kernel = cache.get(`gather:${x.dtype.id}`, () => {
    const p = new Parameters();
    const planes = new Axis("plane", p.next());
    const elements = new Axis("element", p.next());
    const size = p.next();
    const at = planes.index.mul(elements.size).add(elements.index);
    const from = planes.index.mul(size).add(load("i64", 1, at).cast("i32"));
    return {
      form: "row",
      name: "max_pool_gather",
      buffers: [
        { dtype: x.dtype.name, access: "read" },
        { dtype: "int64", access: "read" },
        { dtype: x.dtype.name, access: "write" },
      ],
      params: p.types,
      outer: [planes, elements],
      inner: [],
      stages: [{ kind: "store", over: "outer", buffer: 2, index: at, value: load(computeType(x.dtype.name), 0, from) }],
    };
  });
  const planes = planesOf(x, dims);
  launch(kernel, [compact(x), compact(indices), out], [planes, out.count / planes, x.count / planes]);
  return out;
}

function averageKey(w: Windows, inputs: Shape, outputs: Shape, options: AverageOptions): string {
  const mode = reachesOutside(w, inputs, outputs) ? "masked" : "plain";
  return `${mode}:${options.divisor !== null ? "d" : options.countPadding ? "p" : "v"}`;
}

/** Averages over windows. */
export function avgPool(x: Tensor, w: Windows, outputs: Shape, options: AverageOptions): Tensor {
  const dims = outputs.length;
  const inputs = spatial(x, dims);
  const out = allocate(x.dtype, [...x.sizes.slice(0, x.sizes.length - dims), ...outputs]);
  if (out.count === 0) return out;
  if (canUnrollAverage(w)) {
    unrolledAvgPool(compact(x), out, w, options);
    return out;
  }
  const key = averageKey(w, inputs, outputs, options);
  const kernel = cache.get(`avg:${key}:${dims}:${x.dtype.id}`, () => {
    const p = new Parameters();
    const mode = key.startsWith("masked") ? "masked" : "plain";
    const loops = poolLoops(p, mode, dims);
    const stride = loops.inputs.map((_, d) => param("i32", dims + d));
    const padding = loops.inputs.map((_, d) => param("i32", 2 * dims + d));
    const kernelSizes = loops.inner.map((axis) => axis.size);
    const type = computeType(x.dtype.name);
    const given = p.next();
    const sum = stageValue(type, 0);
    const size =
      options.divisor !== null
        ? given
        : windowSize(
            dims,
            (d) => loops.outer[d + 1].index,
            { kernel: kernelSizes, stride, padding, inputs: loops.inputs },
            options.countPadding,
          );
    return {
      form: "row",
      name: "avg_pool",
      buffers: [
        { dtype: x.dtype.name, access: "read" },
        { dtype: x.dtype.name, access: "write" },
      ],
      params: p.types,
      outer: loops.outer,
      inner: loops.inner,
      stages: [
        { kind: "reduce", op: "sum", value: load(type, 0, loops.position, loops.valid ?? undefined) },
        { kind: "store", over: "outer", buffer: 1, index: loops.result, value: sum.div(size.cast(type)) },
      ],
    };
  });
  launch(
    kernel,
    [compact(x), out],
    [
      ...inputs,
      ...w.stride,
      ...w.padding,
      ...w.dilation,
      planesOf(x, dims),
      ...outputs,
      ...w.kernel,
      options.divisor ?? 0,
    ],
  );
  return out;
}

/** The gradient of an average's input: each element collects from the windows that contain it. */
export function avgPoolBackward(g: Tensor, sizes: Shape, w: Windows, options: AverageOptions): Tensor {
  const dims = w.kernel.length;
  const out = allocate(g.dtype, sizes);
  if (out.count === 0) return out;
  const dense = compact(g);
  if (simpleAvgPoolBackward(dense, out, w, options)) return out;
  const inputs = spatial(out, dims);
  const outputs = spatial(g, dims);
  const key = options.divisor !== null ? "d" : options.countPadding ? "p" : "v";
  const kernel = cache.get(`avgb:${key}:${dims}:${g.dtype.id}`, () => {
    const p = new Parameters();
    const counts = p.list(dims);
    const stride = p.list(dims);
    const padding = p.list(dims);
    const kernelSizes = p.list(dims);
    const given = p.next();
    const windows: Expr[] = [];
    const loops = windowLoops(
      p,
      dims,
      (d, i, t) => {
        // The last window that begins at or before i, and those before it while they reach i.
        const at = i.add(padding[d]).div(stride[d]).sub(t);
        windows.push(at);
        const reaches = at.mul(stride[d]).add(kernelSizes[d]).gt(i.add(padding[d]));
        return { at, valid: both(both(at.ge(0), at.lt(counts[d])), reaches) };
      },
      counts,
    );
    const type = computeType(g.dtype.name);
    const size =
      options.divisor !== null
        ? given
        : windowSize(
            dims,
            (d) => windows[d],
            { kernel: kernelSizes, stride, padding, inputs: loops.outer.slice(1).map((axis) => axis.size) },
            options.countPadding,
          );
    const value = load(type, 0, loops.position, loops.valid as Expr).div(size.cast(type));
    return {
      form: "row",
      name: "avg_pool_backward",
      buffers: [
        { dtype: g.dtype.name, access: "read" },
        { dtype: g.dtype.name, access: "write" },
      ],
      params: p.types,
      outer: loops.outer,
      inner: loops.inner,
      stages: [
        { kind: "reduce", op: "sum", value },
        { kind: "store", over: "outer", buffer: 1, index: loops.result, value: stageValue(type, 0) },
      ],
    };
  });
  const taps = w.kernel.map((k, d) => Math.ceil(k / w.stride[d]));
  launch(
    kernel,
    [dense, out],
    [...outputs, ...w.stride, ...w.padding, ...w.kernel, options.divisor ?? 0, planesOf(out, dims), ...inputs, ...taps],
  );
  return out;
}

/**
 * Averages over shares of the input (`backward` false), or the gradient of their input: element i belongs to the windows
 * from ⌊i·O/I⌋ to ⌈(i+1)·O/I⌉, which is the same form with the sizes exchanged.
 */
export function adaptiveAverage(x: Tensor, outputs: Shape, backward: boolean): Tensor {
  const dims = outputs.length;
  const inputs = spatial(x, dims);
  if (x.count > 0 && sameShape(inputs, outputs)) return copied(x, { dtype: x.dtype, format: "contiguous_format" });
  const half = x.dtype.itemsize === 2;
  if (x.count > 0 && !half && canSeparate(inputs, outputs)) return separableAverage(compact(x), outputs, backward);
  const out = allocate(x.dtype, [...x.sizes.slice(0, x.sizes.length - dims), ...outputs]);
  if (out.count === 0) return out;
  const kernel = cache.get(`adaptive:${backward}:${dims}:${x.dtype.id}`, () => {
    const p = new Parameters();
    const loops = poolLoops(p, "adaptive", dims);
    const type = computeType(x.dtype.name);
    const results = loops.outer.slice(1);
    /** Elements of window `o` of `from` elements shared among `to`. */
    const share = (o: Expr, from: Expr, to: Expr): Expr => scaledCeil(o.add(1), from, to).sub(scaledFloor(o, from, to));
    let size = constant("i32", 1);
    loops.inputs.forEach((input, d) => {
      const own = results[d];
      if (!backward) size = size.mul(share(own.index, input, own.size));
      else {
        const window = scaledFloor(own.index, input, own.size).add(loops.inner[d].index);
        size = size.mul(share(window, own.size, input));
      }
    });
    const loaded = load(type, 0, loops.position, loops.valid as Expr);
    const divisor = size.max(1).cast(type);
    const sum = stageValue(type, 0);
    return {
      form: "row",
      name: "adaptive_avg_pool",
      buffers: [
        { dtype: x.dtype.name, access: "read" },
        { dtype: x.dtype.name, access: "write" },
      ],
      params: p.types,
      outer: loops.outer,
      inner: loops.inner,
      stages: [
        { kind: "reduce", op: "sum", value: backward ? loaded.div(divisor) : loaded },
        { kind: "store", over: "outer", buffer: 1, index: loops.result, value: backward ? sum : sum.div(divisor) },
      ],
    };
  });
  const taps = inputs.map((s, d) => mostTaps(s, outputs[d]));
  launch(kernel, [compact(x), out], [...inputs, planesOf(x, dims), ...outputs, ...taps]);
  return out;
}
