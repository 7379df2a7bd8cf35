/** Convolutions and transposed convolutions in one to three dimensions, and their gradients. */

import type { BatchedCall } from "../dispatch.ts";
import { scalarTypeName } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { convolve, convolveTransposed, convolveWeight, type Geometry } from "./convolution-kernels.ts";
import { allBatched, fold, unfold } from "./define/batch.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { bindAs } from "./define/schema.ts";
import { wholeNumbersHint } from "./kernels/guards.ts";
import { constant_pad_nd } from "./padding.ts";

/** A number for all spatial dimensions, or one for each. */
export type SpatialSizes = number | readonly number[];

/** Keyword arguments of convolutions. */
export interface ConvOptions {
  readonly bias?: Tensor | null;
  readonly stride?: SpatialSizes;
  /** Zeros on both sides; "valid" is none, "same" as many as keep the size (with stride 1). */
  readonly padding?: SpatialSizes | "valid" | "same";
  readonly dilation?: SpatialSizes;
  readonly groups?: number;
}

/** Keyword arguments of transposed convolutions. */
export interface ConvTransposeOptions {
  readonly bias?: Tensor | null;
  readonly stride?: SpatialSizes;
  readonly padding?: SpatialSizes;
  /** Added to the size on one side: it chooses among the sizes that a strided convolution would map to the input's. */
  readonly output_padding?: SpatialSizes;
  readonly groups?: number;
  readonly dilation?: SpatialSizes;
}

interface ConvAttrs extends Geometry {
  readonly transposed: boolean;
  readonly outputPadding: Shape;
}

/** (samples, N, C, …) as (N, samples · C, …): what samples do with weights of their own is a convolution in groups. */
function asGroups(x: Tensor): Tensor {
  const [size, n, channels, ...rest] = x.sizes;
  return x.transpose(0, 1).reshape([n, size * channels, ...rest]);
}

/** The inverse of `asGroups`. */
function fromGroups(x: Tensor, size: number): Tensor {
  const [n, channels, ...rest] = x.sizes;
  return x.reshape([n, size, channels / size, ...rest]).transpose(0, 1);
}

/** Convolutions of samples, of which some have a weight of their own. */
function batchedConvolution(call: BatchedCall<ConvAttrs>): Tensor {
  const { attrs, batched, size, values } = call;
  const [x, w, bias] = values;
  if (bias !== undefined && (batched[1] || batched[2])) {
    const plain = batchedConvolution({ ...call, values: [x, w], batched: batched.slice(0, 2) });
    const whole = batched[0] || batched[1] ? plain : plain.unsqueeze(0);
    const channel = attrs.stride.map(() => 1);
    return whole.add(bias.reshape([...(batched[2] ? [size, 1] : [1, 1]), call.inputs[2].sizes[0], ...channel]));
  }
  if (!batched[1])
    return batched[0]
      ? unfold(convolutionOp([fold(x), ...values.slice(1)], attrs), size)
      : convolutionOp([x, w], attrs);
  if (!batched[0] && attrs.groups === 1) {
    return fromGroups(convolutionOp([x, attrs.transposed ? asGroups(w) : fold(w)], attrs), size);
  }
  const own = batched[0] ? x : x.unsqueeze(0).expand(size, ...x.sizes);
  return fromGroups(convolutionOp([asGroups(own), fold(w)], { ...attrs, groups: size * attrs.groups }), size);
}

const convolutionOp: PrimitiveCall<ConvAttrs> = primitive<ConvAttrs>({
  name: "convolution",
  inputNames: ["input", "weight", "bias"],
  batch: batchedConvolution,
  compute: ([x, w, bias], attrs) => {
    if (!attrs.transposed) return convolve(x, w, bias ?? null, attrs);
    const sizes = x.sizes.slice(2).map((s, d) => transposedSize(s, w.sizes[d + 2], attrs, d));
    return convolveTransposed(x, w, bias ?? null, sizes, attrs);
  },
  gradient: (g, c) => {
    const { attrs } = c;
    return [
      c.needs(0) ? inputGradientOp([g, c.input(1)], { ...attrs, sizes: c.shape(0) }) : null,
      c.needs(1) ? weightGradientOp([g, c.input(0)], { ...attrs, sizes: c.shape(1) }) : null,
      c.inputCount > 2 && c.needs(2) ? g.sum([0, ...attrs.stride.map((_, d) => d + 2)]) : null,
    ];
  },
  saves: [[1], [0], []],
});

interface GradientAttrs extends ConvAttrs {
  /** Of the tensor whose gradient this is. */
  readonly sizes: Shape;
}

/** The gradient of a convolution's input is a transposed convolution, and the other way round. */
const inputGradientOp: PrimitiveCall<GradientAttrs> = primitive<GradientAttrs>({
  name: "convolution_backward_input",
  nodeName: "ConvolutionBackwardBackward",
  batch: (call) => {
    const { attrs, batched, size, values } = call;
    const [n, channels, ...rest] = attrs.sizes;
    if (!batched[1]) {
      return unfold(
        inputGradientOp([fold(values[0]), values[1]], { ...attrs, sizes: [size * n, channels, ...rest] }),
        size,
      );
    }
    const [g, w] = allBatched(call);
    const grouped = { ...attrs, groups: size * attrs.groups, sizes: [n, size * channels, ...rest] };
    return fromGroups(inputGradientOp([asGroups(g), fold(w)], grouped), size);
  },
  compute: ([g, w], attrs) =>
    attrs.transposed
      ? convolve(g, w, null, attrs, attrs.sizes.slice(2))
      : convolveTransposed(g, w, null, attrs.sizes.slice(2), attrs),
  // It is bilinear in both operands: the op's own pieces again.
  gradient: (gg, c) => [
    c.needs(0) ? convolutionOp([gg, c.input(1)], c.attrs) : null,
    c.needs(1) ? weightGradientOp([c.input(0), gg], { ...c.attrs, sizes: c.shape(1) }) : null,
  ],
  saves: [[1], [0]],
});

const weightGradientOp: PrimitiveCall<GradientAttrs> = primitive<GradientAttrs>({
  name: "convolution_backward_weight",
  nodeName: "ConvolutionBackwardBackward",
  batch: (call) => {
    const { attrs, batched, size, values } = call;
    const [outer, inner, ...kernel] = attrs.sizes;
    if (!batched[1] && attrs.groups === 1) {
      const sizes = attrs.transposed ? [outer, size * inner, ...kernel] : [size * outer, inner, ...kernel];
      const all = weightGradientOp([asGroups(values[0]), values[1]], { ...attrs, sizes });
      return attrs.transposed ? fromGroups(all, size) : unfold(all, size);
    }
    const [g, x] = allBatched(call);
    const grouped = { ...attrs, groups: size * attrs.groups, sizes: [size * outer, inner, ...kernel] };
    return unfold(weightGradientOp([asGroups(g), asGroups(x)], grouped), size);
  },
  compute: ([g, x], attrs) =>
    attrs.transposed ? convolveWeight(x, g, attrs.sizes, attrs) : convolveWeight(g, x, attrs.sizes, attrs),
  gradient: (gg, c) => [
    c.needs(0) ? convolutionOp([c.input(1), gg], c.attrs) : null,
    c.needs(1) ? inputGradientOp([c.input(0), gg], { ...c.attrs, sizes: c.shape(1) }) : null,
  ],
  saves: [[1], [0]],
});

function transposedSize(size: number, kernel: number, attrs: ConvAttrs, d: number): number {
  return (
    (size - 1) * attrs.stride[d] - 2 * attrs.padding[d] + attrs.dilation[d] * (kernel - 1) + attrs.outputPadding[d] + 1
  );
}

/** One number for each of `dims` dimensions. */
function perDimension(name: string, list: readonly number[], dims: number): number[] {
  if (list.length === 1) return new Array<number>(dims).fill(list[0]);
  if (list.length !== dims) {
    throw new RuntimeError(
      `expected ${name} to be a single integer value or a list of ${dims} values to match the convolution dimensions, but got ${name}=${shapeText(list)}`,
    );
  }
  return list.slice();
}

function checkOperands(x: Tensor, w: Tensor, bias: Tensor | null, attrs: ConvAttrs): void {
  const { groups, transposed } = attrs;
  if (groups <= 0) throw new RuntimeError("non-positive groups is not supported");
  if (attrs.padding.some((p) => p < 0)) throw new RuntimeError("negative padding is not supported");
  if (attrs.outputPadding.some((p) => p < 0)) throw new RuntimeError("negative output_padding is not supported");
  if (attrs.stride.some((s) => s <= 0)) throw new RuntimeError("non-positive stride is not supported");
  if (attrs.dilation.some((s) => s <= 0)) {
    throw new RuntimeError(`dilation should be greater than zero, but got ${shapeText(attrs.dilation)}`);
  }
  if (w.sizes.length !== x.sizes.length) {
    throw new RuntimeError(
      `Expected ${x.sizes.length}-dimensional input for ${x.sizes.length}-dimensional weight ${shapeText(w.sizes)}, but got ${x.sizes.length}-dimensional input of size ${shapeText(x.sizes)} instead`,
    );
  }
  if (w.sizes[0] < groups) {
    throw new RuntimeError(
      `Given groups=${groups}, expected weight to be at least ${groups} at dimension 0, but got weight of size ${shapeText(w.sizes)} instead`,
    );
  }
  if (w.sizes[0] % groups !== 0) {
    throw new RuntimeError(
      `Given groups=${groups}, expected weight to be divisible by ${groups} at dimension 0, but got weight of size [${shapeText(w.sizes)}] instead`,
    );
  }
  const channels = transposed ? w.sizes[0] : w.sizes[1] * groups;
  if (x.sizes[1] !== channels) {
    throw new RuntimeError(
      `Given ${transposed ? `transposed=1` : `groups=${groups}`}, weight of size ${shapeText(w.sizes)}, expected input${shapeText(x.sizes)} to have ${channels} channels, but got ${x.sizes[1]} channels instead`,
    );
  }
  const outputs = transposed ? w.sizes[1] * groups : w.sizes[0];
  if (bias !== null && (bias.sizes.length !== 1 || bias.sizes[0] !== outputs)) {
    throw new RuntimeError(
      `Given ${transposed ? "transposed=1, " : ""}weight of size ${shapeText(w.sizes)}, expected bias to be 1-dimensional with ${outputs} elements, but got bias of size ${shapeText(bias.sizes)} instead`,
    );
  }
  for (const other of bias === null ? [w] : [w, bias]) {
    if (other.dtype !== x.dtype) {
      throw new RuntimeError(
        `expected scalar type ${scalarTypeName(x.dtype)} but found ${scalarTypeName(other.dtype)}${wholeNumbersHint(x, other)}`,
      );
    }
  }
}

function checkSizes(x: Tensor, w: Tensor, attrs: ConvAttrs): void {
  const input = x.sizes.slice(2);
  const kernel = w.sizes.slice(2);
  if (kernel.some((k) => k <= 0)) throw new RuntimeError("non-positive kernel size is not supported");
  if (attrs.transposed) {
    const sizes = input.map((s, d) => transposedSize(s, kernel[d], attrs, d));
    if (sizes.some((s) => s <= 0)) {
      throw new RuntimeError(
        `Given input size per channel: (${input.join(" x ")}). Calculated output size per channel: (${sizes.join(" x ")}). Output size is too small`,
      );
    }
    return;
  }
  const whole = input.map((s, d) => s + 2 * attrs.padding[d]);
  const reach = kernel.map((k, d) => attrs.dilation[d] * (k - 1) + 1);
  if (whole.some((s, d) => s < reach[d])) {
    throw new RuntimeError(
      `Calculated padded input size per channel: (${whole.join(" x ")}). Kernel size: (${reach.join(" x ")}). Kernel size can't be greater than actual input size`,
    );
  }
}

/** Runs a convolution, with a batch dimension added to an input that lacks it. */
function run(name: string, x: Tensor, w: Tensor, bias: Tensor | null, attrs: ConvAttrs): Tensor {
  const dims = attrs.stride.length;
  if (x.sizes.length !== dims + 1 && x.sizes.length !== dims + 2) {
    throw new RuntimeError(
      `Expected ${dims + 1}D (unbatched) or ${dims + 2}D (batched) input to ${name}, but got input of size: ${shapeText(x.sizes)}`,
    );
  }
  const batched = x.sizes.length === dims + 2;
  const input = batched ? x : x.unsqueeze(0);
  checkOperands(input, w, bias, attrs);
  checkSizes(input, w, attrs);
  const y = convolutionOp(bias === null ? [input, w] : [input, w, bias], attrs);
  return batched ? y : y.squeeze(0);
}

function convolution(dims: number, args: readonly unknown[]): Tensor {
  const name = `conv${dims}d`;
  const [x, w, bias, strides, padding, dilations, groups] = bindAs(
    name,
    "(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, any padding=0, int[] dilation=1, int groups=1)",
    args,
  ) as [Tensor, Tensor, Tensor | null, number[] | number, unknown, number[] | number, number];
  const list = (v: number[] | number): number[] => (typeof v === "number" ? [v] : v);
  const stride = perDimension("stride", list(strides), dims);
  const dilation = perDimension("dilation", list(dilations), dims);
  const zeros = new Array<number>(dims).fill(0);
  const attrs = { stride, dilation, groups, transposed: false, outputPadding: zeros };
  if (typeof padding === "string") {
    if (padding === "valid") return run(name, x, w, bias, { ...attrs, padding: zeros });
    if (padding !== "same") throw new RuntimeError(`Invalid padding string: '${padding}'`);
    if (stride.some((s) => s !== 1)) throw new RuntimeError("padding='same' is not supported for strided convolutions");
    const total = dilation.map((d, i) => d * ((w.sizes[i + 2] ?? 1) - 1));
    const half = total.map((t) => Math.floor(t / 2));
    // An odd number of zeros has one more at the end, which is padded beforehand.
    const odd = total.some((t) => t % 2 !== 0);
    const sides = total.flatMap((t) => [0, t % 2]).reverse();
    for (let i = 0; i < sides.length; i += 2) [sides[i], sides[i + 1]] = [sides[i + 1], sides[i]];
    return run(name, odd ? constant_pad_nd(x, sides) : x, w, bias, { ...attrs, padding: half });
  }
  const [given] = bindAs(name, "(int[] padding)", [padding]) as [number[]];
  return run(name, x, w, bias, { ...attrs, padding: perDimension("padding", given, dims) });
}

/**
 * Convolution (cross-correlation) in one dimension: input [N, C, L] or [C, L], weight [O, C / groups, K]; gives [N, O, L′]
 * with L′ = ⌊(L + 2·padding − dilation·(K − 1) − 1) / stride⌋ + 1.
 */
export function conv1d(input: Tensor, weight: Tensor, ...rest: ConvArguments): Tensor {
  return convolution(1, [input, weight, ...rest]);
}

/** Convolution in two dimensions: input [N, C, H, W] or [C, H, W], weight [O, C / groups, KH, KW]. See `conv1d`. */
export function conv2d(input: Tensor, weight: Tensor, ...rest: ConvArguments): Tensor {
  return convolution(2, [input, weight, ...rest]);
}

/** Convolution in three dimensions: input [N, C, D, H, W] or [C, D, H, W]. See `conv1d`. */
export function conv3d(input: Tensor, weight: Tensor, ...rest: ConvArguments): Tensor {
  return convolution(3, [input, weight, ...rest]);
}

/** bias, stride, padding, dilation, groups: by position, or by name in a last object. */
export type ConvArguments = [
  bias?: Tensor | null | ConvOptions,
  stride?: SpatialSizes | ConvOptions,
  padding?: SpatialSizes | "valid" | "same" | ConvOptions,
  dilation?: SpatialSizes | ConvOptions,
  groups?: number | ConvOptions,
];

/** bias, stride, padding, output_padding, groups, dilation: by position, or by name in a last object. */
export type ConvTransposeArguments = [
  bias?: Tensor | null | ConvTransposeOptions,
  stride?: SpatialSizes | ConvTransposeOptions,
  padding?: SpatialSizes | ConvTransposeOptions,
  output_padding?: SpatialSizes | ConvTransposeOptions,
  groups?: number | ConvTransposeOptions,
  dilation?: SpatialSizes | ConvTransposeOptions,
];

function transposedConvolution(dims: number, args: readonly unknown[]): Tensor {
  const name = `conv_transpose${dims}d`;
  const [x, w, bias, ...rest] = bindAs(
    name,
    "(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] output_padding=0, int groups=1, int[] dilation=1)",
    args,
  ) as [Tensor, Tensor, Tensor | null, number[], number[], number[], number, number[]];
  const [strides, paddings, outputPaddings, groups, dilations] = rest;
  const list = (label: string, v: number[] | number): number[] =>
    perDimension(label, typeof v === "number" ? [v] : v, dims);
  const attrs: ConvAttrs = {
    stride: list("stride", strides),
    padding: list("padding", paddings),
    outputPadding: list("output_padding", outputPaddings),
    dilation: list("dilation", dilations),
    groups,
    transposed: true,
  };
  attrs.outputPadding.forEach((p, d) => {
    if (p >= attrs.stride[d] && p >= attrs.dilation[d]) throw new RuntimeError(outputPaddingText(attrs, dims));
  });
  return run(name, x, w, bias, attrs);
}

function outputPaddingText(attrs: ConvAttrs, dims: number): string {
  const names = ["depth", "height", "width"].slice(3 - dims);
  const part = (label: string, list: Shape): string => names.map((n, d) => `${label}_${n}: ${list[d]}`).join(" ");
  return `output padding must be smaller than either stride or dilation, but got ${part("output_padding", attrs.outputPadding)} ${part("stride", attrs.stride)} ${part("dilation", attrs.dilation)}`;
}

/**
 * Transposed convolution in one dimension, the gradient of `conv1d` as an op: input [N, C, L] or [C, L], weight
 * [C, O / groups, K]; gives [N, O, L′] with L′ = (L − 1)·stride − 2·padding + dilation·(K − 1) + output_padding + 1.
 */
export function conv_transpose1d(input: Tensor, weight: Tensor, ...rest: ConvTransposeArguments): Tensor {
  return transposedConvolution(1, [input, weight, ...rest]);
}

/** Transposed convolution in two dimensions. See `conv_transpose1d`. */
export function conv_transpose2d(input: Tensor, weight: Tensor, ...rest: ConvTransposeArguments): Tensor {
  return transposedConvolution(2, [input, weight, ...rest]);
}

/** Transposed convolution in three dimensions. See `conv_transpose1d`. */
export function conv_transpose3d(input: Tensor, weight: Tensor, ...rest: ConvTransposeArguments): Tensor {
  return transposedConvolution(3, [input, weight, ...rest]);
}
