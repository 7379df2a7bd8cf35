/** Pooling: maxima and averages of windows, and of equal shares. */

import * as dt from "../dtype.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { channelsLastStrides, prefersChannelsLast, type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { inFormatOf } from "./copy.ts";
import { inFront, sameForAll } from "./define/batch.ts";
import { type PrimitiveCall, primitive, primitiveMany, RESULT } from "./define/primitive.ts";
import { bind, bindAs } from "./define/schema.ts";
import {
  adaptiveAverage,
  avgPool,
  avgPoolBackward,
  gatherFromPlanes,
  maxPool,
  scatterToPlanes,
} from "./pooling-kernels.ts";
import type { AverageOptions, Windows } from "./pooling-windows.ts";

/** A number for all spatial dimensions, or one for each. */
export type WindowSizes = number | readonly number[];

/** Keyword arguments of max pooling. */
export interface MaxPoolOptions {
  readonly kernel_size?: WindowSizes;
  /** Default: the kernel size. */
  readonly stride?: WindowSizes | null;
  /** Elements on both sides that lose against all others. */
  readonly padding?: WindowSizes;
  readonly dilation?: WindowSizes;
  /** Round the number of windows up. */
  readonly ceil_mode?: boolean;
  readonly return_indices?: boolean;
}

/** Keyword arguments of average pooling. */
export interface AvgPoolOptions {
  readonly kernel_size?: WindowSizes;
  /** Default: the kernel size. */
  readonly stride?: WindowSizes | null;
  readonly padding?: WindowSizes;
  readonly ceil_mode?: boolean;
  /** Whether padding counts in the divisor. */
  readonly count_include_pad?: boolean;
  /** The divisor, instead of the number of elements. Not in one dimension. */
  readonly divisor_override?: number | null;
}

/** PyTorch's result of functions with `return_indices`. */
export type PoolWithIndices = [values: Tensor, indices: Tensor];

interface MaxAttrs {
  readonly windows: Windows | null;
  readonly outputs: Shape;
}

type ManyOp<A> = (inputs: readonly Tensor[], attrs: A) => Tensor[];

function maxPoolOp(name: string, nodeName: string): ManyOp<MaxAttrs> {
  return primitiveMany<MaxAttrs>({
    name,
    nodeName,
    batch: sameForAll,
    differentiableOutputs: [true, false],
    compute: ([x], { windows, outputs }) => {
      const { values, indices } = maxPool(x, windows, outputs);
      return [inFormatOf(values, x), inFormatOf(indices, x)];
    },
    gradient: (g, c) => [
      scatterOp([g, c.output(1)], { sizes: c.shape(0), dims: c.attrs.outputs.length, node: nodeName }),
    ],
    saves: [[RESULT + 1]],
  });
}

interface PlaneAttrs {
  readonly sizes: Shape;
  readonly dims: number;
  readonly node: string;
}

const scatterOp: PrimitiveCall<PlaneAttrs> = primitive<PlaneAttrs>({
  name: "max_pool_backward",
  batch: inFront("sizes"),
  nodeName: "MaxPoolBackwardBackward",
  compute: ([g, indices], { sizes, dims }) => scatterToPlanes(g, indices, sizes, dims),
  gradient: (gg, c) => [gatherOp([gg, c.input(1)], { ...c.attrs, sizes: c.shape(0) }), null],
  saves: [[1], []],
});

const gatherOp: PrimitiveCall<PlaneAttrs> = primitive<PlaneAttrs>({
  name: "max_pool_double_backward",
  batch: inFront("sizes"),
  compute: ([x, indices], { dims }) => gatherFromPlanes(x, indices, dims),
  gradient: (g, c) => [scatterOp([g, c.input(1)], { ...c.attrs, sizes: c.shape(0) }), null],
  saves: [[1], []],
});

const maxPoolOps: Record<number, ManyOp<MaxAttrs>> = {
  2: maxPoolOp("max_pool2d_with_indices", "MaxPool2DWithIndicesBackward"),
  3: maxPoolOp("max_pool3d_with_indices", "MaxPool3DWithIndicesBackward"),
};
const adaptiveMaxOps: Record<number, ManyOp<MaxAttrs>> = {
  2: maxPoolOp("adaptive_max_pool2d", "AdaptiveMaxPool2DBackward"),
  3: maxPoolOp("adaptive_max_pool3d", "AdaptiveMaxPool3DBackward"),
};

interface AverageAttrs extends AverageOptions {
  readonly windows: Windows;
  readonly outputs: Shape;
  readonly input: Shape;
}

function averageOp(dims: number): PrimitiveCall<AverageAttrs> {
  const nodeName = `AvgPool${dims}DBackward`;
  const forward: PrimitiveCall<AverageAttrs> = primitive<AverageAttrs>({
    name: `avg_pool${dims}d`,
    batch: inFront("input"),
    nodeName,
    // In three dimensions PyTorch does not keep the format.
    compute: ([x], a) => {
      const y = avgPool(x, a.windows, a.outputs, a);
      return dims === 2 ? inFormatOf(y, x) : y;
    },
    gradient: (g, c) => [backward([g], c.attrs)],
  });
  const backward: PrimitiveCall<AverageAttrs> = primitive<AverageAttrs>({
    name: `avg_pool${dims}d_backward`,
    batch: inFront("input"),
    nodeName: `${nodeName}Backward`,
    compute: ([g], a) => avgPoolBackward(g, a.input, a.windows, a),
    gradient: (gg, c) => [forward([gg], c.attrs)],
  });
  return forward;
}

const averageOps: Record<number, PrimitiveCall<AverageAttrs>> = { 2: averageOp(2), 3: averageOp(3) };

function adaptiveAverageOp(dims: number): PrimitiveCall<{ input: Shape; outputs: Shape }> {
  const nodeName = `AdaptiveAvgPool${dims}DBackward`;
  const forward: PrimitiveCall<{ input: Shape; outputs: Shape }> = primitive({
    name: `adaptive_avg_pool${dims}d`,
    batch: inFront("input"),
    nodeName,
    compute: ([x], { outputs }) => {
      const y = adaptiveAverage(x, outputs, false);
      return dims === 2 ? inFormatOf(y, x) : y;
    },
    gradient: (g, c) => [backward([g], c.attrs)],
  });
  const backward: PrimitiveCall<{ input: Shape; outputs: Shape }> = primitive({
    name: `adaptive_avg_pool${dims}d_backward`,
    batch: inFront("input"),
    nodeName: `${nodeName}Backward`,
    compute: ([g], { input, outputs }) => adaptiveAverage(g, input.slice(input.length - outputs.length), true),
    gradient: (gg, c) => [forward([gg], c.attrs)],
  });
  return forward;
}

const adaptiveAverageOps: Record<number, PrimitiveCall<{ input: Shape; outputs: Shape }>> = {
  2: adaptiveAverageOp(2),
  3: adaptiveAverageOp(3),
};

const COUNT_NAMES = ["", "one int", "two ints", "three ints"];

function perDimension(op: string, label: string, list: readonly number[], dims: number): number[] {
  if (list.length === 1) return new Array<number>(dims).fill(list[0]);
  if (list.length !== dims) {
    const omitted = label === "stride" ? "be omitted, a single int" : "be either a single int";
    throw new RuntimeError(
      `${op}: ${label} must ${label === "stride" ? "either " : ""}${omitted}, or a tuple of ${COUNT_NAMES[dims]}`,
    );
  }
  return list.slice();
}

/** The number of windows, as PyTorch's `pooling_output_shape`. */
function windowCount(input: number, k: number, s: number, p: number, d: number, ceil: boolean): number {
  const count = Math.floor((input + 2 * p - d * (k - 1) - 1 + (ceil ? s - 1 : 0)) / s) + 1;
  // A window that would begin in the padding at the end is dropped.
  return ceil && (count - 1) * s >= input + p ? count - 1 : count;
}

/** Checks a pooling's geometry and gives the sizes of its output. */
function planWindows(op: string, x: Tensor, w: Windows, ceil: boolean): number[] {
  const dims = w.kernel.length;
  const names = ["dilationT", "dilationH", "dilationW"].slice(3 - dims);
  if (w.stride.some((s) => s === 0)) throw new RuntimeError("stride should not be zero");
  if (w.kernel.some((k) => k <= 0) || w.stride.some((s) => s < 0)) {
    throw new RuntimeError(
      `kernel size should be greater than zero, but got kernel size ${shapeText(w.kernel)} and stride ${shapeText(w.stride)}`,
    );
  }
  if (w.dilation.some((d) => d <= 0)) {
    throw new RuntimeError(
      `dilation should be greater than zero, but got ${names.map((n, i) => `${n}: ${w.dilation[i]}`).join(" ")}`,
    );
  }
  const rank = x.sizes.length;
  const own = x.sizes.slice(rank - dims - 1);
  if ((rank !== dims + 1 && rank !== dims + 2) || own.some((s) => s === 0)) {
    throw new RuntimeError(
      dims === 2 && op.startsWith("max")
        ? "non-empty 3D or 4D (batch mode) tensor expected for input"
        : `${op}: Expected ${dims + 1}D or ${dims + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got: ${shapeText(x.sizes)}`,
    );
  }
  w.padding.forEach((p, i) => {
    if (p < 0) throw new RuntimeError(`pad must be non-negative, but got pad: ${p}`);
    if (p > Math.floor((w.dilation[i] * (w.kernel[i] - 1) + 1) / 2)) {
      throw new RuntimeError(
        `pad should be at most half of effective kernel size, but got pad=${p}, kernel_size=${w.kernel[i]} and dilation=${w.dilation[i]}`,
      );
    }
  });
  const inputs = x.sizes.slice(rank - dims);
  const outputs = inputs.map((s, i) => windowCount(s, w.kernel[i], w.stride[i], w.padding[i], w.dilation[i], ceil));
  if (outputs.some((s) => s < 1)) {
    const channels = x.sizes[rank - dims - 1];
    throw new RuntimeError(
      `Given input size: (${[channels, ...inputs].join("x")}). Calculated output size: (${[channels, ...outputs].join("x")}). Output size is too small`,
    );
  }
  return outputs;
}

function refuse(x: Tensor, op: string, integers: boolean): void {
  if (x.dtype === dt.bool || (!integers && !x.dtype.is_floating_point)) {
    dt.notImplementedFor(op, x.dtype);
  }
}

interface BoundMaxPool {
  readonly x: Tensor;
  readonly windows: Windows;
  readonly ceil: boolean;
  readonly indices: boolean;
}

function bindMaxPool(name: string, dims: number, args: readonly unknown[]): BoundMaxPool {
  const [x, kernels, strides, paddings, dilations, ceil, indices] = bindAs(
    name,
    "(Tensor input, int[] kernel_size, int[]? stride=None, int[] padding=[0], int[] dilation=[1], bool ceil_mode=False, bool return_indices=False)",
    args,
  ) as [Tensor, number[], number[] | null, number[], number[], boolean, boolean];
  const kernel = perDimension(name, "kernel_size", kernels, dims);
  return {
    x,
    windows: {
      kernel,
      stride: strides === null || strides.length === 0 ? kernel : perDimension(name, "stride", strides, dims),
      padding: perDimension(name, "padding", paddings, dims),
      dilation: perDimension(name, "dilation", dilations, dims),
    },
    ceil,
    indices,
  };
}

function maxPoolOf(name: string, dims: number, args: readonly unknown[]): Tensor | PoolWithIndices {
  const { x, windows, ceil, indices } = bindMaxPool(name, dims, args);
  const outputs = planWindows(name, x, windows, ceil);
  refuse(x, name, true);
  const results = maxPoolOps[dims]([x], { windows, outputs });
  return indices ? (results as PoolWithIndices) : results[0];
}

/** Arguments of max pooling after the input, by position or by name in a last object. */
export type MaxPoolArguments = [
  kernel_size: WindowSizes | MaxPoolOptions,
  stride?: WindowSizes | null | MaxPoolOptions,
  padding?: WindowSizes | MaxPoolOptions,
  dilation?: WindowSizes | MaxPoolOptions,
  ceil_mode?: boolean | MaxPoolOptions,
  return_indices?: boolean | MaxPoolOptions,
];

function maxPool1dOf(args: readonly unknown[]): Tensor | PoolWithIndices {
  const { x, windows, ceil, indices } = bindMaxPool("max_pool1d", 1, args);
  if (x.sizes.length !== 2 && x.sizes.length !== 3) {
    throw new RuntimeError(
      `max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:${shapeText(x.sizes)}`,
    );
  }
  const [k, s, p, d] = [windows.kernel[0], windows.stride[0], windows.padding[0], windows.dilation[0]];
  if (k <= 0) throw new RuntimeError(`max_pool1d() kernel_size must be greater than zero, but got ${k}`);
  if (s <= 0) throw new RuntimeError(`max_pool1d() stride must be greater than zero, but got ${s}`);
  if (p < 0) throw new RuntimeError(`max_pool1d() padding must be non-negative, but got ${p}`);
  if (p > k / 2) {
    throw new RuntimeError(
      `max_pool1d() padding should be at most half of kernel size, but got padding=${p} and kernel_size=${k}`,
    );
  }
  if (d <= 0) throw new RuntimeError(`max_pool1d() dilation must be greater than zero, but got ${d}`);
  const size = windowCount(x.sizes[x.sizes.length - 1], k, s, p, d, ceil);
  if (size <= 0) throw new RuntimeError(`max_pool1d() Invalid computed output size: ${size}`);
  refuse(x, "max_pool1d_impl", indices);
  const plane = x.unsqueeze(-2);
  const two: Windows = { kernel: [1, k], stride: [1, s], padding: [0, p], dilation: [1, d] };
  const [values, where] = maxPoolOps[2]([plane], {
    windows: two,
    outputs: planWindows("max_pool2d", plane, two, ceil),
  });
  return indices ? [values.squeeze(-2), where.squeeze(-2)] : values.squeeze(-2);
}

/** Maxima of windows: [N, C, L] or [C, L] gives [N, C, L′]; with `return_indices` also their positions. */
export function max_pool1d(input: Tensor, ...rest: MaxPoolArguments): Tensor {
  return maxPool1dOf([input, ...rest]) as Tensor;
}
/** Maxima of windows: [N, C, H, W] or [C, H, W]. NaN counts as the largest; of equal elements the first gets the gradient. */
export function max_pool2d(input: Tensor, ...rest: MaxPoolArguments): Tensor {
  return maxPoolOf("max_pool2d", 2, [input, ...rest]) as Tensor;
}
/** Maxima of windows: [N, C, D, H, W] or [C, D, H, W]. */
export function max_pool3d(input: Tensor, ...rest: MaxPoolArguments): Tensor {
  return maxPoolOf("max_pool3d", 3, [input, ...rest]) as Tensor;
}

/** `max_pool1d` with the positions of the maxima. */
export function max_pool1d_with_indices(input: Tensor, ...rest: MaxPoolArguments): PoolWithIndices {
  return maxPool1dOf(withIndices(input, rest)) as PoolWithIndices;
}
/** `max_pool2d` with the positions of the maxima, flattened within each plane. */
export function max_pool2d_with_indices(input: Tensor, ...rest: MaxPoolArguments): PoolWithIndices {
  return maxPoolOf("max_pool2d", 2, withIndices(input, rest)) as PoolWithIndices;
}
/** `max_pool3d` with the positions of the maxima. */
export function max_pool3d_with_indices(input: Tensor, ...rest: MaxPoolArguments): PoolWithIndices {
  return maxPoolOf("max_pool3d", 3, withIndices(input, rest)) as PoolWithIndices;
}

/** Arguments with `return_indices` set. */
function withIndices(input: Tensor, rest: readonly unknown[]): unknown[] {
  const given = rest.filter((v) => v !== undefined);
  const last = given[given.length - 1];
  const options = typeof last === "object" && last !== null && !Array.isArray(last) ? last : null;
  const positional = (options === null ? given : given.slice(0, -1)).slice(0, 5);
  return [input, ...positional, { ...options, return_indices: true }];
}

/** Arguments of average pooling after the input, by position or by name in a last object. */
export type AvgPoolArguments = [
  kernel_size: WindowSizes | AvgPoolOptions,
  stride?: WindowSizes | null | AvgPoolOptions,
  padding?: WindowSizes | AvgPoolOptions,
  ceil_mode?: boolean | AvgPoolOptions,
  count_include_pad?: boolean | AvgPoolOptions,
  divisor_override?: number | null | AvgPoolOptions,
];

function avgPoolOf(name: string, dims: number, args: readonly unknown[]): Tensor {
  const [x, kernels, strides, paddings, ceil, countPadding, divisor] = bind(
    `${name}(Tensor input, int[] kernel_size, int[]? stride=None, int[] padding=[0], bool ceil_mode=False, bool count_include_pad=True${dims === 1 ? "" : ", int? divisor_override=None"})`,
    args,
  ) as [Tensor, number[], number[] | null, number[], boolean, boolean, number | null | undefined];
  const kernel = perDimension(name, "kernel_size", kernels, dims);
  const stride = strides === null || strides.length === 0 ? kernel : perDimension(name, "stride", strides, dims);
  const padding = perDimension(name, "padding", paddings, dims);
  if (dims === 1) {
    if (x.sizes.length !== 2 && x.sizes.length !== 3) {
      throw new RuntimeError(`Expected 2D or 3D (batch mode) tensor for input, but got ${shapeText(x.sizes)}`);
    }
    const options = { ceil, countPadding, divisor: null };
    return averaged("avg_pool1d", x.unsqueeze(-2), [1, ...kernel], [1, ...stride], [0, ...padding], options).squeeze(
      -2,
    );
  }
  if (divisor === 0) throw new RuntimeError("divisor must be not zero");
  return averaged(name, x, kernel, stride, padding, { ceil, countPadding, divisor: divisor ?? null });
}

function averaged(
  name: string,
  x: Tensor,
  kernel: Shape,
  stride: Shape,
  padding: Shape,
  options: AverageOptions & { readonly ceil: boolean },
): Tensor {
  const windows = { kernel, stride, padding, dilation: kernel.map(() => 1) };
  const outputs = planWindows(name, x, windows, options.ceil);
  if (x.dtype !== dt.int64) refuse(x, name, false);
  const { countPadding, divisor } = options;
  return averageOps[kernel.length]([x], { windows, outputs, input: x.sizes, countPadding, divisor });
}

/** Averages of windows: [N, C, L] or [C, L] gives [N, C, L′]. */
export function avg_pool1d(input: Tensor, ...rest: AvgPoolArguments): Tensor {
  return avgPoolOf("avg_pool1d", 1, [input, ...rest]);
}
/** Averages of windows: [N, C, H, W] or [C, H, W]. */
export function avg_pool2d(input: Tensor, ...rest: AvgPoolArguments): Tensor {
  return avgPoolOf("avg_pool2d", 2, [input, ...rest]);
}
/** Averages of windows: [N, C, D, H, W] or [C, D, H, W]. */
export function avg_pool3d(input: Tensor, ...rest: AvgPoolArguments): Tensor {
  return avgPoolOf("avg_pool3d", 3, [input, ...rest]);
}

/** The size of an adaptive pooling's output: a number for all dimensions; null keeps a dimension's size. */
export type AdaptiveSize = number | readonly (number | null)[];

function adaptiveSizes(name: string, x: Tensor, size: unknown, dims: number): number[] {
  const list = Array.isArray(size) ? size : new Array<unknown>(dims).fill(size);
  const lead = x.sizes.length - dims;
  const filled = list.map((s, i) => (s === null ? x.sizes[lead + i] : s));
  const [sizes] = bindAs(name, "(int[] output_size)", [filled]) as [number[]];
  if (sizes.length !== dims) throw new RuntimeError(`${name}: output_size must be ${dims}`);
  if (dims > 1 && x.sizes.length < sizes.length + 1) {
    throw new ValueError(`Input dimension should be at least ${sizes.length + 1}`);
  }
  if (x.sizes.length !== dims + 1 && x.sizes.length !== dims + 2) {
    throw new RuntimeError(`${name}(): Expected ${dims + 1}D or ${dims + 2}D tensor, but got ${shapeText(x.sizes)}`);
  }
  x.sizes.slice(lead).forEach((s, i) => {
    if (s === 0) {
      throw new RuntimeError(
        `${name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes ${shapeText(x.sizes)} with dimension ${lead + i} being empty`,
      );
    }
  });
  if (sizes.some((s) => s < 0)) {
    throw new RuntimeError(
      `${name}: elements of output_size must be greater than or equal to 0 but received {${sizes.join(", ")}}`,
    );
  }
  return sizes;
}

function bindAdaptive(name: string, args: readonly unknown[], indices: boolean): [Tensor, unknown, boolean] {
  return bind(`${name}(Tensor input, any output_size${indices ? ", bool return_indices=False" : ""})`, args) as [
    Tensor,
    unknown,
    boolean,
  ];
}

function adaptiveAverageOf(name: string, dims: number, args: readonly unknown[]): Tensor {
  const [x, size] = bindAdaptive(name, args, false);
  const sizes = adaptiveSizes(name, x, size, dims);
  refuse(x, name, false);
  if (dims === 1) {
    const plane = x.unsqueeze(-2);
    return adaptiveAverageOps[2]([plane], { input: plane.sizes, outputs: [1, ...sizes] }).squeeze(-2);
  }
  // One window is a mean, which is what PyTorch records too.
  if (sizes.every((s) => s === 1)) {
    const y = x.mean(
      sizes.map((_, d) => d - dims),
      true,
    );
    // The same elements: only the strides of dimensions of size 1 change.
    if (dims === 2 && prefersChannelsLast(x.sizes, x.strides)) y.strides = channelsLastStrides(y.sizes);
    return y;
  }
  return adaptiveAverageOps[dims]([x], { input: x.sizes, outputs: sizes });
}

/** Averages of equal shares of the input: `output_size` of them in each dimension. [N, C, L] or [C, L]. */
export function adaptive_avg_pool1d(input: Tensor, output_size: AdaptiveSize | { output_size: AdaptiveSize }): Tensor {
  return adaptiveAverageOf("adaptive_avg_pool1d", 1, [input, output_size]);
}
/** Averages of equal shares: [N, C, H, W] or [C, H, W]. */
export function adaptive_avg_pool2d(input: Tensor, output_size: AdaptiveSize | { output_size: AdaptiveSize }): Tensor {
  return adaptiveAverageOf("adaptive_avg_pool2d", 2, [input, output_size]);
}
/** Averages of equal shares: [N, C, D, H, W] or [C, D, H, W]. */
export function adaptive_avg_pool3d(input: Tensor, output_size: AdaptiveSize | { output_size: AdaptiveSize }): Tensor {
  return adaptiveAverageOf("adaptive_avg_pool3d", 3, [input, output_size]);
}

/** `return_indices` by position or by name. */
export type ReturnIndices = boolean | { readonly return_indices?: boolean };

function adaptiveMaxOf(name: string, dims: number, args: readonly unknown[]): [Tensor | PoolWithIndices, Tensor[]] {
  const [x, size, indices] = bindAdaptive(name, args, true);
  const sizes = adaptiveSizes(name, x, size, dims);
  refuse(x, name, false);
  let results: Tensor[];
  if (dims === 1) {
    results = adaptiveMaxOps[2]([x.unsqueeze(-2)], { windows: null, outputs: [1, ...sizes] }).map((r) => r.squeeze(-2));
  } else results = adaptiveMaxOps[dims]([x], { windows: null, outputs: sizes });
  return [indices ? (results as PoolWithIndices) : results[0], results];
}

/** Maxima of equal shares of the input, and their positions. */
export function adaptive_max_pool1d_with_indices(input: Tensor, output_size: AdaptiveSize): PoolWithIndices {
  return adaptiveMaxOf("adaptive_max_pool1d", 1, [input, output_size])[1] as PoolWithIndices;
}
export function adaptive_max_pool2d_with_indices(input: Tensor, output_size: AdaptiveSize): PoolWithIndices {
  return adaptiveMaxOf("adaptive_max_pool2d", 2, [input, output_size])[1] as PoolWithIndices;
}
export function adaptive_max_pool3d_with_indices(input: Tensor, output_size: AdaptiveSize): PoolWithIndices {
  return adaptiveMaxOf("adaptive_max_pool3d", 3, [input, output_size])[1] as PoolWithIndices;
}
/** Maxima of equal shares of the input: `output_size` of them. */
export function adaptive_max_pool1d(input: Tensor, output_size: AdaptiveSize, return_indices?: ReturnIndices): Tensor {
  return adaptiveMaxOf("adaptive_max_pool1d", 1, [input, output_size, return_indices])[0] as Tensor;
}
export function adaptive_max_pool2d(input: Tensor, output_size: AdaptiveSize, return_indices?: ReturnIndices): Tensor {
  return adaptiveMaxOf("adaptive_max_pool2d", 2, [input, output_size, return_indices])[0] as Tensor;
}
export function adaptive_max_pool3d(input: Tensor, output_size: AdaptiveSize, return_indices?: ReturnIndices): Tensor {
  return adaptiveMaxOf("adaptive_max_pool3d", 3, [input, output_size, return_indices])[0] as Tensor;
}
