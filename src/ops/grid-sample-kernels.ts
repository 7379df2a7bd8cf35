/**
 * Sampling an image at the positions of a grid. A grid has for each result the position (x, y[, z]) in [-1, 1]; positions
 * become element coordinates, then padding decides what lies outside.
 */
import * as dt from "../dtype.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param, stageValue } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { Tensor } from "../tensor.ts";
import { copied, fillWith } from "./copy.ts";
import { KernelCache, launch } from "./launch.ts";
import { allocate } from "./row.ts";

export interface SamplingOptions {
  readonly mode: "bilinear" | "nearest" | "bicubic";
  readonly padding: "zeros" | "border" | "reflection";
  readonly alignCorners: boolean;
}

const cache = new KernelCache<string>();

const compact = (x: Tensor): Tensor =>
  x.contiguousLayout ? x : copied(x, { dtype: x.dtype, format: "contiguous_format" });

/** A coordinate and its derivative. */
interface Located {
  readonly at: Expr;
  readonly slope: Expr;
}

/** Element coordinates of a position in [-1, 1]. */
function unnormalized(position: Expr, size: Expr, align: boolean): Located {
  const slope = (align ? size.sub(1) : size).cast(position.type).mul(0.5);
  const scaled = position.add(1).mul(slope);
  return { at: align ? scaled : scaled.sub(0.5), slope };
}

/** Between the first and the last element; NaN goes to the first. */
function clipped({ at, slope }: Located, size: Expr): Located {
  const last = size.sub(1).cast(at.type);
  const inside = at.gt(0).and(at.lt(last));
  return { at: at.gt(0).select(at.min(last), 0), slope: inside.select(slope, 0) };
}

/** Folded back at the centres (`align`) or the outer edges of the outermost elements, as often as it takes. */
function reflected({ at, slope }: Located, size: Expr, align: boolean): Located {
  const low = align ? 0 : -0.5;
  const span = (align ? size.sub(1) : size).cast(at.type).mul(2);
  const shifted = at.sub(low);
  const distance = shifted.abs();
  // A single element has no span.
  const flips = distance.div(span).trunc();
  const extra = distance.sub(flips.mul(span));
  const rest = span.sub(extra);
  const back = rest.lt(extra);
  const folded = back.select(rest, extra).add(low);
  const negative = shifted.lt(0);
  const sign = negative.select(slope.neg(), slope);
  const located = { at: folded, slope: back.select(sign.neg(), sign) };
  const single = span.eq(0);
  return {
    at: single.select(constant(at.type, 0), located.at),
    slope: single.select(constant(at.type, 0), located.slope),
  };
}

function padded(located: Located, size: Expr, { padding, alignCorners }: SamplingOptions): Located {
  if (padding === "zeros") return located;
  return clipped(padding === "border" ? located : reflected(located, size, alignCorners), size);
}

/** One element that a result reads along one dimension. */
interface Tap {
  readonly index: Expr;
  /** Whether the element exists; null where it always does. */
  readonly valid: Expr | null;
  readonly weight: Expr;
  /** The derivative of the weight by the position in the grid. */
  readonly slope: Expr;
}

const A = -0.75;
/** Keys' cubic convolution at distances |x| ≤ 1 and 1 < |x| < 2, and the derivatives. */
const near = (x: Expr): Expr =>
  x
    .mul(A + 2)
    .sub(A + 3)
    .mul(x)
    .mul(x)
    .add(1);
const far = (x: Expr): Expr =>
  x
    .mul(A)
    .sub(5 * A)
    .mul(x)
    .add(8 * A)
    .mul(x)
    .sub(4 * A);
const nearSlope = (x: Expr): Expr =>
  x
    .mul(3 * (A + 2))
    .sub(2 * (A + 3))
    .mul(x);
const farSlope = (x: Expr): Expr =>
  x
    .mul(3 * A)
    .sub(10 * A)
    .mul(x)
    .add(8 * A);

function tapsAlong(position: Expr, size: Expr, options: SamplingOptions): Tap[] {
  const { mode, padding } = options;
  const type = position.type;
  const raw = unnormalized(position, size, options.alignCorners);
  const one = constant(type, 1);
  const zero = constant(type, 0);
  const tap = (coordinate: Expr, weight: Expr, slope: Expr, check: boolean): Tap => ({
    index: coordinate.cast("i32"),
    valid: check ? coordinate.gt(-1).and(coordinate.lt(size.cast(type))) : null,
    weight,
    slope,
  });
  if (mode === "bicubic") {
    // Here each element read is padded, not the position.
    const floor = raw.at.floor();
    const t = raw.at.sub(floor);
    const u = one.sub(t);
    const weights = [far(t.add(1)), near(t), near(u), far(u.add(1))];
    const slopes = [farSlope(t.add(1)), nearSlope(t), nearSlope(u).neg(), farSlope(u.add(1)).neg()];
    return weights.map((weight, k) => {
      const { at } = padded({ at: floor.add(k - 1), slope: zero }, size, options);
      return tap(at, weight, slopes[k].mul(raw.slope), padding === "zeros");
    });
  }
  const { at, slope } = padded(raw, size, options);
  // The nearest of two equally near elements is the even one.
  if (mode === "nearest") return [tap(at.nearest(), one, zero, padding === "zeros")];
  const floor = at.floor();
  const after = at.sub(floor);
  // Where the position is at the last element, the one after it has weight 0 but does not exist.
  return [tap(floor, one.sub(after), slope.neg(), padding === "zeros"), tap(floor.add(1), after, slope, true)];
}

/** Parameters and axes that all three kernels begin with: samples, channels, sizes of the result and of the input. */
class Sampling {
  readonly types: ComputeType[] = [];
  readonly samples: Axis;
  readonly channels: Axis;
  readonly outputs: Axis[];
  readonly inputs: Expr[];
  readonly taps: Tap[][];
  /** Position of the current result in a channel, and in the grid. */
  readonly inPlane: Expr;

  constructor(dims: number, dtype: dt.DType, gridBuffer: number, options: SamplingOptions) {
    const next = (): Expr => {
      this.types.push("i32");
      return param("i32", this.types.length - 1);
    };
    this.samples = new Axis("n", next());
    this.channels = new Axis("c", next());
    this.outputs = Array.from({ length: dims }, (_, d) => new Axis(`o${d}`, next()));
    this.inputs = this.outputs.map(() => next());
    let inPlane = constant("i32", 0);
    let cell = this.samples.index;
    for (const axis of this.outputs) {
      inPlane = inPlane.mul(axis.size).add(axis.index);
      cell = cell.mul(axis.size).add(axis.index);
    }
    this.inPlane = inPlane;
    const first = cell.mul(constant("i32", dims));
    // The grid has x, the last dimension, first.
    this.taps = this.inputs.map((size, d) =>
      tapsAlong(load(computeType(dtype.name), gridBuffer, first.add(constant("i32", dims - 1 - d))), size, options),
    );
    this.cell = first;
  }
  /** Where the current result's position begins in the grid. */
  readonly cell: Expr;

  get plane(): Expr {
    return this.samples.index.mul(this.channels.size).add(this.channels.index);
  }
  product(sizes: readonly Expr[]): Expr {
    return sizes.reduce((p, s) => p.mul(s), constant("i32", 1));
  }
  /** Position of the current result. */
  get result(): Expr {
    return this.plane.mul(this.product(this.outputs.map((a) => a.size))).add(this.inPlane);
  }
  /** Position of an element of the input, by its index along each dimension. */
  source(indices: readonly Expr[]): Expr {
    let at = this.plane;
    indices.forEach((index, d) => {
      at = at.mul(this.inputs[d]).add(index);
    });
    return at;
  }
  /** The sum over the combinations of taps; `factor` is what a dimension contributes. */
  sum(factor: (tap: Tap, d: number) => Expr, type: ComputeType, buffer: number): Expr {
    let total: Expr | null = null;
    const visit = (d: number, chosen: readonly Tap[]): void => {
      if (d < this.taps.length) {
        for (const tap of this.taps[d]) visit(d + 1, [...chosen, tap]);
        return;
      }
      let weight: Expr | null = null;
      let valid: Expr | null = null;
      chosen.forEach((tap, k) => {
        const own = factor(tap, k);
        weight = weight === null ? own : (weight as Expr).mul(own);
        if (tap.valid !== null) valid = valid === null ? tap.valid : (valid as Expr).and(tap.valid);
      });
      const value = load(type, buffer, this.source(chosen.map((tap) => tap.index)), valid ?? undefined);
      const product = value.mul(weight as unknown as Expr);
      // A position that is NaN gives NaN in images, but in volumes PyTorch leaves such elements out.
      const skips = this.taps.length === 3 && valid !== null;
      const term = skips ? (valid as unknown as Expr).select(product, 0) : product;
      total = total === null ? term : (total as Expr).add(term);
    };
    visit(0, []);
    return total as unknown as Expr;
  }
}

const keyOf = (o: SamplingOptions, dims: number, x: Tensor): string =>
  `${o.mode}:${o.padding}:${o.alignCorners}:${dims}:${x.dtype.id}`;

const sizesOf = (x: Tensor, grid: Tensor): number[] => [
  x.sizes[0],
  x.sizes[1],
  ...grid.sizes.slice(1, -1),
  ...x.sizes.slice(2),
];

/** `x` (N, C, …input) at the positions `grid` (N, …output, dims): (N, C, …output). */
export function gridSample(x: Tensor, grid: Tensor, options: SamplingOptions): Tensor {
  const dims = x.sizes.length - 2;
  const out = allocate(x.dtype, [x.sizes[0], x.sizes[1], ...grid.sizes.slice(1, -1)]);
  if (out.count === 0) return out;
  const dtype = x.dtype.name;
  const kernel = cache.get(`forward:${keyOf(options, dims, x)}`, (): Kernel => {
    const s = new Sampling(dims, x.dtype, 1, options);
    const value = s.sum((tap) => tap.weight, computeType(dtype), 0);
    return {
      form: "row",
      name: "grid_sampler",
      buffers: [
        { dtype, access: "read" },
        { dtype, access: "read" },
        { dtype, access: "write" },
      ],
      params: s.types,
      outer: [s.samples, s.channels, ...s.outputs],
      inner: [],
      stages: [{ kind: "store", over: "outer", buffer: 2, index: s.result, value }],
    };
  });
  launch(kernel, [compact(x), compact(grid), out], sizesOf(x, grid));
  return out;
}

/** The gradient of the input: each gradient is added to the elements that were read, by their weights. */
export function gridSampleInputBackward(g: Tensor, x: Tensor, grid: Tensor, options: SamplingOptions): Tensor {
  const dims = x.sizes.length - 2;
  // Half types are summed in float32.
  const sums = allocate(x.dtype === dt.float64 ? dt.float64 : dt.float32, x.sizes);
  fillWith(sums, 0);
  const count = (options.mode === "bicubic" ? 4 : options.mode === "bilinear" ? 2 : 1) ** dims;
  if (g.count > 0) {
    const kernel = cache.get(`input:${keyOf(options, dims, x)}`, (): Kernel => {
      const s = new Sampling(dims, x.dtype, 1, options);
      const axis = new Axis("tap", constant("i32", count));
      const type = computeType(x.dtype.name);
      let valid: Expr = constant("bool", 1);
      let weight: Expr = constant(type, 1);
      let rest = axis.index;
      const indices: Expr[] = [];
      for (let d = dims - 1; d >= 0; d--) {
        const taps = s.taps[d];
        const number = rest.rem(constant("i32", taps.length));
        rest = rest.div(constant("i32", taps.length));
        /** The value that belongs to the current tap. */
        const chosen = (of: (tap: Tap) => Expr): Expr =>
          taps.slice(1).reduce((value, tap, k) => number.eq(k + 1).select(of(tap), value), of(taps[0]));
        indices.unshift(chosen((tap) => tap.index));
        weight = weight.mul(chosen((tap) => tap.weight));
        valid = valid.and(chosen((tap) => tap.valid ?? constant("bool", 1)));
      }
      const none = constant("i32", 0);
      return {
        form: "scatter",
        name: "grid_sampler_backward",
        buffers: [
          { dtype: x.dtype.name, access: "read" },
          { dtype: x.dtype.name, access: "read" },
          { dtype: sums.dtype.name, access: "readwrite" },
        ],
        params: s.types,
        axes: [s.samples, s.channels, ...s.outputs, axis],
        mode: "add",
        buffer: 2,
        index: valid.select(s.source(indices), none),
        value: valid.select(load(type, 0, s.result).mul(weight), 0),
      };
    });
    launch(kernel, [compact(g), compact(grid), sums], sizesOf(x, grid));
  }
  return sums.dtype === x.dtype ? sums : copied(sums, { dtype: x.dtype, format: "contiguous_format" });
}

/** The gradient of the grid: sums over the channels. */
export function gridSampleGridBackward(g: Tensor, x: Tensor, grid: Tensor, options: SamplingOptions): Tensor {
  const dims = x.sizes.length - 2;
  const out = allocate(grid.dtype, grid.sizes);
  if (out.count === 0) return out;
  if (options.mode === "nearest" || x.sizes[1] === 0) {
    fillWith(out, 0);
    return out;
  }
  const dtype = x.dtype.name;
  const kernel = cache.get(`grid:${keyOf(options, dims, x)}`, (): Kernel => {
    const s = new Sampling(dims, x.dtype, 2, options);
    const type = computeType(dtype);
    const incoming = load(type, 0, s.result);
    const slopes = s.taps.map((_, d) => s.sum((tap, k) => (k === d ? tap.slope : tap.weight), type, 1));
    return {
      form: "row",
      name: "grid_sampler_backward",
      buffers: [
        { dtype, access: "read" },
        { dtype, access: "read" },
        { dtype, access: "read" },
        { dtype, access: "write" },
      ],
      params: s.types,
      outer: [s.samples, ...s.outputs],
      inner: [s.channels],
      stages: [
        ...slopes.map((slope) => ({ kind: "reduce", op: "sum", value: incoming.mul(slope) }) as const),
        ...slopes.map(
          (_, d) =>
            ({
              kind: "store",
              over: "outer",
              buffer: 3,
              index: s.cell.add(constant("i32", dims - 1 - d)),
              value: stageValue(type, d),
            }) as const,
        ),
      ],
    };
  });
  launch(kernel, [compact(g), compact(x), compact(grid), out], sizesOf(x, grid));
  return out;
}
