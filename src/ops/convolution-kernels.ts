/**
 * Convolutions as contractions. A window's elements are addressed by strides (position · stride + tap · dilation), so no
 * matrix of windows is built; padding is a copy with zeros around it, which costs less than masking every load.
 *
 * Names: x is the input [N, C, …], w the weight [O, C / groups, …], y the output [N, O, …].
 */
import { Axis, type ComputeType, computeType, constant, type Expr, load, param } from "../ir/expr.ts";
import { channelsLastStrides, prefersChannelsLast, type Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { combinations, phasesOf } from "./convolution-phases.ts";
import { copyInto, fillWith, inFormatOf } from "./copy.ts";
import { contract } from "./define/contraction.ts";
import { depthwise, depthwiseTransposed, depthwiseWeight, isDepthwise } from "./depthwise-kernels.ts";
import { KernelCache, launch } from "./launch.ts";
import { allocate } from "./row.ts";
import { filtersOf, transposedFiltersOf, winograd, winogradTile } from "./winograd.ts";

/** Geometry of a convolution; the lists have one entry for each spatial dimension. */
export interface Geometry {
  readonly stride: Shape;
  readonly padding: Shape;
  readonly dilation: Shape;
  readonly groups: number;
}

/** `x` with `before` and `after` zeros in its spatial dimensions (negative: cut off). The tensor itself where all are 0. */
function padded(x: Tensor, before: Shape, after: Shape): Tensor {
  if (before.every((p) => p === 0) && after.every((p) => p === 0)) return x;
  const sizes = x.sizes.slice();
  before.forEach((p, d) => {
    sizes[d + 2] += p + after[d];
  });
  const out = allocate(x.dtype, sizes);
  if (out.count === 0) return out;
  fillWith(out, 0);
  // What of x is inside.
  const inside = x.sizes.slice();
  let from = x.offset;
  let to = 0;
  before.forEach((p, d) => {
    const cutBefore = Math.max(0, -p);
    const cutAfter = Math.max(0, -after[d]);
    inside[d + 2] = Math.max(0, x.sizes[d + 2] - cutBefore - cutAfter);
    from += cutBefore * x.strides[d + 2];
    to += Math.max(0, p) * out.strides[d + 2];
  });
  if (inside.includes(0)) return out;
  copyInto(
    new Tensor(out.storage, out.dtype, inside, out.strides, to),
    new Tensor(x.storage, x.dtype, inside, x.strides, from),
  );
  return out;
}

/** Gives the memory of a padded copy back. */
function freeCopy(copy: Tensor, original: Tensor): void {
  if (copy !== original) copy.storage.free();
}

/** The size of a convolution's output. */
export function outputSize(input: number, kernel: number, stride: number, padding: number, dilation: number): number {
  return Math.floor((input + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
}

/** Memory for a result, with its channels last where an operand's are. */
function allocateResult(shape: Shape, x: Tensor, w: Tensor): Tensor {
  const last = [x, w].some((t) => prefersChannelsLast(t.sizes, t.strides));
  return allocate(x.dtype, shape, last ? channelsLastStrides(shape) : undefined);
}

/** Sizes and strides of the spatial dimensions: all after the first two. */
const spatial = (list: Shape): number[] => list.slice(2);

/** y = x * w + bias. Rows of the product are output channels; columns are (sample, position), which lie one after another. */
export function convolve(x: Tensor, w: Tensor, bias: Tensor | null, g: Geometry, sizes?: Shape): Tensor {
  const kernel = spatial(w.sizes);
  // A given size may be smaller than what fits: as the gradient of a transposed convolution with output padding.
  const positions =
    sizes ?? kernel.map((k, d) => outputSize(x.sizes[d + 2], k, g.stride[d], g.padding[d], g.dilation[d]));
  const shape = [x.sizes[0], w.sizes[0], ...positions];
  if (isDepthwise(w, g.groups)) {
    const y = allocate(x.dtype, shape);
    if (y.count > 0) depthwise(x, w, bias, y, g);
    return inFormatOf(y, x, w);
  }
  const y = allocateResult(shape, x, w);
  if (y.count === 0) return y;
  const tile = winogradTile(w, g, g.padding, x.sizes[0], positions);
  if (tile !== null) {
    winograd(x, filtersOf(w), bias, y, g.padding, tile);
    return y;
  }
  const source = padded(x, g.padding, g.padding);
  const channels = w.sizes[1];
  const outputs = w.sizes[0] / g.groups;
  contract({
    name: "convolution",
    key: bias === null ? "" : ":bias",
    sizes: {
      batch: [g.groups],
      m: [outputs],
      n: [x.sizes[0], ...positions],
      k: [channels, ...kernel],
    },
    a: { tensor: w, batch: [outputs * w.strides[0]], m: [w.strides[0]], k: w.strides.slice(1) },
    b: {
      tensor: source,
      batch: [channels * source.strides[1]],
      k: [source.strides[1], ...spatial(source.strides).map((s, d) => s * g.dilation[d])],
      n: [source.strides[0], ...spatial(source.strides).map((s, d) => s * g.stride[d])],
    },
    extra: bias === null ? [] : [biasOperand(bias, outputs, positions.length)],
    out: {
      tensor: y,
      batch: [outputs * y.strides[1]],
      m: [y.strides[1]],
      n: [y.strides[0], ...spatial(y.strides)],
    },
    epilogue: (sum, [b]) => (b === undefined ? sum : sum.add(b)),
  });
  freeCopy(source, x);
  return y;
}

function biasOperand(bias: Tensor, outputs: number, dims: number) {
  const [s] = bias.strides;
  return { tensor: bias, batch: [outputs * s], m: [s], n: new Array<number>(dims + 1).fill(0) };
}

/** The gradient of w: Σ over samples and positions of y's gradient times x's elements under each tap. */
export function convolveWeight(gradient: Tensor, x: Tensor, weightSizes: Shape, g: Geometry): Tensor {
  const out = allocate(x.dtype, weightSizes);
  if (out.count === 0) return out;
  if (isDepthwise(out, g.groups)) {
    depthwiseWeight(gradient, x, out, g);
    return out;
  }
  const source = padded(x, g.padding, g.padding);
  const [outs, channels, ...kernel] = weightSizes;
  const outputs = outs / g.groups;
  contract({
    name: "convolution_weight",
    sizes: {
      batch: [g.groups],
      m: [outputs],
      n: [channels, ...kernel],
      k: [x.sizes[0], ...spatial(gradient.sizes)],
    },
    a: {
      tensor: gradient,
      batch: [outputs * gradient.strides[1]],
      m: [gradient.strides[1]],
      k: [gradient.strides[0], ...spatial(gradient.strides)],
    },
    b: {
      tensor: source,
      batch: [channels * source.strides[1]],
      k: [source.strides[0], ...spatial(source.strides).map((s, d) => s * g.stride[d])],
      n: [source.strides[1], ...spatial(source.strides).map((s, d) => s * g.dilation[d])],
    },
    out: { tensor: out, batch: [outputs * out.strides[0]], m: [out.strides[0]], n: out.strides.slice(1) },
  });
  freeCopy(source, x);
  return out;
}

/**
 * x = y *ᵀ w + bias: the transposed convolution, which is also the gradient of a convolution's input. `sizes` are those of
 * the spatial dimensions of x.
 */
export function convolveTransposed(y: Tensor, w: Tensor, bias: Tensor | null, sizes: Shape, g: Geometry): Tensor {
  const channels = w.sizes[1];
  const shape = [y.sizes[0], channels * g.groups, ...sizes];
  if (isDepthwise(w, g.groups)) {
    const x = allocate(y.dtype, shape);
    if (x.count > 0) depthwiseTransposed(y, w, bias, x, g);
    return inFormatOf(x, y, w);
  }
  const x = allocateResult(shape, y, w);
  if (x.count === 0) return x;
  const zeros = g.padding.map((p) => 2 - p);
  const tile = zeros.some((z) => z < 0) ? null : winogradTile(w, g, zeros, y.sizes[0], sizes);
  if (tile !== null) {
    winograd(y, transposedFiltersOf(w), bias, x, zeros, tile);
    return x;
  }
  if (x.contiguousLayout && summedRowsPay(y, w, bias, sizes, g)) {
    transposedBySummedRows(y, w, x, g);
    return x;
  }
  const phases = sizes.map((size, d) => phasesOf(size, w.sizes[d + 2], g.stride[d], g.padding[d], g.dilation[d]));
  // Zeros around y, so that every tap of every phase finds something.
  const before = phases.map((own) => Math.max(0, ...own.map((p) => -(p.position - (p.taps - 1) * p.positionStep))));
  const after = phases.map((own, d) =>
    Math.max(0, ...own.map((p) => (p.taps === 0 ? 0 : p.position + p.count - y.sizes[d + 2]))),
  );
  const source = padded(y, before, after);
  const outputs = w.sizes[0] / g.groups;
  for (const phase of combinations(phases)) {
    let fromX = 0;
    let fromY = source.offset;
    let fromW = w.offset;
    phase.forEach((p, d) => {
      fromX += p.start * x.strides[d + 2];
      fromY += (p.position + before[d]) * source.strides[d + 2];
      fromW += p.tap * w.strides[d + 2];
    });
    const n = [y.sizes[0], ...phase.map((p) => p.count)];
    contract({
      name: "convolution_transposed",
      key: bias === null ? "" : ":bias",
      sizes: { batch: [g.groups], m: [channels], n, k: [outputs, ...phase.map((p) => p.taps)] },
      a: {
        tensor: new Tensor(w.storage, w.dtype, w.sizes, w.strides, fromW),
        batch: [outputs * w.strides[0]],
        m: [w.strides[1]],
        k: [w.strides[0], ...phase.map((p, d) => p.tapStep * w.strides[d + 2])],
      },
      b: {
        tensor: new Tensor(source.storage, source.dtype, source.sizes, source.strides, fromY),
        batch: [outputs * source.strides[1]],
        k: [source.strides[1], ...phase.map((p, d) => -p.positionStep * source.strides[d + 2])],
        n: [source.strides[0], ...spatial(source.strides)],
      },
      extra: bias === null ? [] : [biasOperand(bias, channels, sizes.length)],
      out: {
        tensor: new Tensor(x.storage, x.dtype, x.sizes, x.strides, fromX),
        batch: [channels * x.strides[1]],
        m: [x.strides[1]],
        n: [x.strides[0], ...phase.map((_, d) => x.strides[d + 2] * g.stride[d])],
      },
      epilogue: (sum, [b]) => (b === undefined ? sum : sum.add(b)),
    });
  }
  freeCopy(source, y);
  return x;
}

/**
 * Whether `transposedBySummedRows` applies (two spatial dimensions, all steps whole, nothing cut off) and is faster: it
 * multiplies by no rows of zeros, and pays for that with one more pass over a result for each row of the weight.
 */
function summedRowsPay(y: Tensor, w: Tensor, bias: Tensor | null, sizes: Shape, g: Geometry): boolean {
  if (sizes.length !== 2 || bias !== null || g.groups !== 1 || y.count === 0) return false;
  if (y.dtype.name !== "float32" && y.dtype.name !== "float64") return false;
  for (let d = 0; d < 2; d++) {
    const full = y.sizes[d + 2] + g.dilation[d] * (w.sizes[d + 2] - 1);
    if (g.stride[d] !== 1 || g.padding[d] !== 0 || sizes[d] !== full) return false;
  }
  // A vector multiplication per 8 elements and cycle against some 6 cycles per 8 elements of a pass.
  return w.sizes[0] * w.sizes[3] * (sizes[0] - y.sizes[2]) > 6 * sizes[0] && w.sizes[2] <= MOST_SUMMED_ROWS;
}

const MOST_SUMMED_ROWS = 16;

/**
 * x = y *ᵀ w in two steps. First one product for each row i of the weight, over output channels and columns only:
 * t[c, i](n, row, column) = Σ_{o, j} w[o, c, i, j] · y[n, o](row, column − j). Then x[n, c](row, …) = Σ_i t[c, i](n, row − i, …).
 *
 * Rows of y, and samples of t, share their padding with the next one: with as many zeros before each as the taps
 * reach back, what reaches past the end finds the zeros of the next. So rows of y have the length of rows of x, and all
 * positions of a sample are one contiguous run in y, t and x.
 */
function transposedBySummedRows(y: Tensor, w: Tensor, x: Tensor, g: Geometry): void {
  const [samples, outputs, rows] = y.sizes;
  const [, channels, kernelRows, kernelColumns] = w.sizes;
  const [, , rowsX, columnsX] = x.sizes;
  const zerosInRow = columnsX - y.sizes[3];
  const view = (t: Tensor, sizes: Shape, strides: Shape, offset: number) =>
    new Tensor(t.storage, t.dtype, sizes, strides, offset);

  const planeY = rows * columnsX;
  const source = allocate(y.dtype, [samples * outputs * planeY + zerosInRow]);
  fillWith(source, 0);
  copyInto(view(source, y.sizes, [outputs * planeY, planeY, columnsX, 1], zerosInRow), y);

  const planeX = rowsX * columnsX;
  const zerosInSample = planeX - planeY;
  const run = samples * planeX + zerosInSample;
  const t = allocate(y.dtype, [channels * kernelRows, run]);
  fillWith(view(t, [channels * kernelRows, samples + 1, zerosInSample], [run, planeX, 1], 0), 0);
  contract({
    name: "convolution_transposed",
    key: ":rows",
    sizes: {
      batch: [],
      m: [channels, kernelRows],
      n: [samples, planeY],
      k: [outputs, kernelColumns],
    },
    a: { tensor: w, m: [w.strides[1], w.strides[2]], k: [w.strides[0], w.strides[3]] },
    b: {
      tensor: view(source, source.sizes, source.strides, zerosInRow),
      k: [planeY, -g.dilation[1]],
      n: [outputs * planeY, 1],
    },
    out: {
      tensor: view(t, t.sizes, t.strides, zerosInSample),
      m: [kernelRows * run, run],
      n: [planeX, 1],
    },
  });
  source.storage.free();
  sumRows(t, x, run, zerosInSample, g.dilation[0] * columnsX, kernelRows);
  t.storage.free();
}

const rowSums = new KernelCache<string>();

/** x[n, c, q] = Σ_i t[c, i](n · plane + q + first − i · step), where t[c, i] has `run` elements. */
function sumRows(t: Tensor, x: Tensor, run: number, first: number, step: number, count: number): void {
  const kernel = rowSums.get(`${x.dtype.id}:${count}`, () => {
    const type = computeType(x.dtype.name);
    const [sample, channel, position] = ["n", "c", "q"].map((name, i) => new Axis(name, param("i32", i)));
    const [runLength, firstOffset, stepBack] = [3, 4, 5].map((slot) => param("i32", slot));
    const start = sample.index.mul(position.size).add(position.index).add(firstOffset);
    let sum: Expr | null = null;
    for (let i = 0; i < count; i++) {
      const row = channel.index.mul(constant("i32", count)).add(constant("i32", i)).mul(runLength);
      const value = load(type, 0, start.add(row).sub(stepBack.mul(constant("i32", i))));
      sum = sum === null ? value : sum.add(value);
    }
    return {
      form: "row",
      name: "convolution_transposed_sum",
      buffers: [
        { dtype: x.dtype.name, access: "read" },
        { dtype: x.dtype.name, access: "write" },
      ],
      params: new Array<ComputeType>(6).fill("i32"),
      outer: [sample, channel, position],
      inner: [],
      stages: [
        {
          kind: "store",
          over: "outer",
          buffer: 1,
          index: sample.index.mul(channel.size).add(channel.index).mul(position.size).add(position.index),
          value: sum as Expr,
        },
      ],
    };
  });
  launch(kernel, [t, x], [x.sizes[0], x.sizes[1], x.sizes[2] * x.sizes[3], run, first, step]);
}
