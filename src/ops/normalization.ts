/** Normalization layers as functions: layer, batch, group, instance and root-mean-square norm. */

import { isRecording } from "../context/grad-mode.ts";
import { type BatchedCall, checkWritable, type GradientContext } from "../dispatch.ts";
import { type DType, notImplementedFor } from "../dtype.ts";
import { IndexError, RuntimeError, ValueError } from "../errors.ts";
import { type Shape, sameShape, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { inFormatOf } from "./copy.ts";
import { again, allBatched } from "./define/batch.ts";
import {
  type NormLayout,
  type NormMask,
  normalizeBackward,
  normalizeBackwardByOps,
  normalizeForward,
  normalizeWith,
} from "./define/normalize.ts";
import { primitiveMany, RESULT } from "./define/primitive.ts";
import { refuseGradient } from "./define/refuse-gradient.ts";
import { bind } from "./define/schema.ts";
import { allocate } from "./row.ts";

/** Attributes of the recorded ops, whose inputs are the input, then weight and bias as far as they are there. */
interface NormAttrs {
  readonly layout: NormLayout;
  readonly eps: number;
  readonly weight: boolean;
  readonly bias: boolean;
  readonly running: boolean;
  readonly momentum: number;
}

const inputsOf = (x: Tensor, ...rest: (Tensor | null)[]): Tensor[] => [x, ...rest.filter((t) => t !== null)];

function parametersOf(inputs: readonly Tensor[], { weight, bias }: NormAttrs): [Tensor | null, Tensor | null] {
  return [weight ? inputs[1] : null, bias ? inputs[weight ? 2 : 1] : null];
}

/** Gradients in the order of the inputs. */
function arrange(results: readonly (Tensor | null)[], { weight, bias, running }: NormAttrs): (Tensor | null)[] {
  const list = [results[0]];
  if (weight) list.push(results[1]);
  if (bias) list.push(results[2]);
  if (running) list.push(null, null);
  return list;
}

function wanted(c: GradientContext<NormAttrs>): NormMask {
  const { weight, bias } = c.attrs;
  return [c.needs(0), weight && c.needs(1), bias && c.needs(weight ? 2 : 1)];
}

/** The gradient where mean and rstd come from the input itself. */
function gradientFromStatistics(g: Tensor, c: GradientContext<NormAttrs>): (Tensor | null)[] {
  const x = c.input(0);
  const { layout, eps } = c.attrs;
  const w = c.attrs.weight ? c.input(1) : null;
  if (isRecording()) return arrange(normalizeBackwardByOps(g, x, w, layout, eps, null), c.attrs);
  const inputs = inputsOf(g, x, c.output(1), c.output(2), w);
  return arrange(backwardOp(inputs, { layout, mask: wanted(c), spread: true }), c.attrs);
}

interface BackwardAttrs {
  readonly layout: NormLayout;
  readonly mask: NormMask;
  readonly spread: boolean;
}

/** `native_layer_norm_backward` and its like. Inputs: gradient, input, mean, rstd, weight. Only for first derivatives. */
const backwardOp = (inputs: readonly Tensor[], attrs: BackwardAttrs): (Tensor | null)[] => {
  const results = backwardPrimitive(inputs, attrs);
  let next = 0;
  return attrs.mask.map((m) => (m ? results[next++] : null));
};
const backwardPrimitive = primitiveMany<BackwardAttrs>({
  name: "native_norm_backward",
  batch: (call) =>
    again(call, { ...call.attrs, layout: withSamples(call.attrs.layout, call.size, true) }, allBatched(call)),
  compute: ([g, x, mean, rstd, w], { layout, mask, spread }) =>
    normalizeBackward(g, x, mean, rstd, w ?? null, layout, mask, spread).filter((t) => t !== null),
});

/** The layout with one more dimension in front, along which parameters vary too if `own`. */
function withSamples({ sizes, reduced, parameters, statistics }: NormLayout, size: number, own: boolean): NormLayout {
  const moved = parameters.map((d) => d + 1);
  return {
    sizes: [size, ...sizes],
    reduced: reduced.map((d) => d + 1),
    parameters: own ? [0, ...moved] : moved,
    statistics: [size, ...statistics],
  };
}

/** Samples with parameters and running statistics of their own, or without. */
function batchedNorm(call: BatchedCall<NormAttrs>): Tensor[] | null {
  const { attrs, batched, size, values } = call;
  const all = allBatched(call);
  const running = attrs.running ? values.length - 2 : values.length;
  const own = batched.slice(1, running).includes(true);
  const inputs = all.map((t, i) => (own || i === 0 || i >= running ? t : values[i]));
  if (attrs.running && !inputs[running].contiguousLayout) return null;
  return again(call, { ...attrs, layout: withSamples(attrs.layout, size, own) }, inputs) as Tensor[];
}

/** Running statistics are overwritten, so they must be each sample's own. */
function batchedTraining(call: BatchedCall<NormAttrs>): Tensor[] | null {
  if (call.attrs.running && call.batched.slice(-2).includes(false)) {
    throw new RuntimeError(
      "Batch norm got a batched tensor as input while the running_mean or running_var, which will be updated in place, were not batched.\nIf you are using a module and do not need eval mode, please set `track_running_stats` to be False.If you are using a prebuilt module and do not need eval mode, please see the functorch website for resources on how to patch your module to work with vmap",
    );
  }
  return batchedNorm(call);
}

/** `saved`: the inputs that are kept, of layer norm also the bias, as in PyTorch. `keepsFormat`: whether results have their channels last where the input's are. */
function normPrimitive(name: string, keepsFormat: boolean, saved: readonly number[] = [0, 1]) {
  return primitiveMany<NormAttrs>({
    name,
    // Which inputs follow depends on the call.
    inputNames: ["input"],
    savedAttributes: ({ eps }) => ({ eps }),
    batch: batchedTraining,
    compute: (inputs, attrs) => {
      const [weight, bias] = parametersOf(inputs, attrs);
      const [mean, variance] = attrs.running ? inputs.slice(-2) : [];
      const running = attrs.running ? { mean, variance, momentum: attrs.momentum } : null;
      const results = normalizeForward(inputs[0], weight, bias, attrs.layout, attrs.eps, running);
      if (running !== null) {
        mean.version.value++;
        variance.version.value++;
      }
      const [y, ...statistics] = results;
      return keepsFormat ? [inFormatOf(y, inputs[0]), ...statistics] : results;
    },
    gradient: gradientFromStatistics,
    // For all gradients together, whichever of them are wanted.
    saves: [[...saved, RESULT + 1, RESULT + 2]],
    differentiableOutputs: [true, false, false],
  });
}

function checkFloat(kernel: string, x: Tensor): void {
  if (!x.dtype.is_floating_point) {
    notImplementedFor(kernel, x.dtype);
  }
}

/** Parameters have the input's dtype, or float32 beside half-precision inputs. */
function checkParameterType(x: Tensor, t: Tensor | null): void {
  if (t === null || t.dtype === x.dtype) return;
  if (x.dtype.itemsize === 2 && t.dtype.name === "float32") return;
  throw new RuntimeError(`mixed dtype (CPU): expect parameter to have scalar type of Float`);
}

const layerNormOp = normPrimitive("native_layer_norm", false, [0, 1, 2]);
const batchNormOp = normPrimitive("native_batch_norm", true);
const groupNormOp = normPrimitive("native_group_norm", true);

function checkNormalizedShape(
  x: Tensor,
  shape: readonly number[],
  weight: Tensor | null,
  bias: Tensor | null,
  star: string,
): void {
  if (shape.length === 0) {
    throw new RuntimeError(
      `Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = ${shapeText(shape)}`,
    );
  }
  for (const [name, t] of [
    ["weight", weight],
    ["bias", bias],
  ] as const) {
    if (t !== null && !sameShape(t.sizes, shape)) {
      throw new RuntimeError(
        `Expected ${name} to be of same shape as normalized_shape, but got ${name} of shape ${shapeText(t.sizes)} and normalized_shape = ${shapeText(shape)}`,
      );
    }
  }
  const lead = x.sizes.length - shape.length;
  if (lead < 0 || !sameShape(x.sizes.slice(lead), shape)) {
    throw new RuntimeError(
      `Given normalized_shape=${shapeText(shape)}, expected input with shape [*${star}${shape.join(", ")}], but got input of size${shapeText(x.sizes)}`,
    );
  }
}

/** Keyword arguments of `layer_norm`. */
export interface LayerNormOptions {
  readonly weight?: Tensor | null;
  readonly bias?: Tensor | null;
  readonly eps?: number;
}

/** `layer_norm` with the mean and 1/√(var + eps) of each row: `torch.native_layer_norm`. */
export function native_layer_norm(
  input: Tensor,
  normalized_shape: number | readonly number[],
  weight: Tensor | null,
  bias: Tensor | null,
  eps: number,
): [Tensor, Tensor, Tensor] {
  const [x, shape, w, b, e] = bind(
    "native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps)",
    [input, normalized_shape, weight, bias, eps],
  ) as [Tensor, number[], Tensor | null, Tensor | null, number];
  checkNormalizedShape(x, shape, w, b, ", ");
  checkFloat("LayerNormKernelImpl", x);
  checkParameterType(x, w);
  checkParameterType(x, b);
  const lead = x.sizes.length - shape.length;
  const own = shape.map((_, i) => lead + i);
  return layerNormOp(inputsOf(x, w, b), {
    layout: {
      sizes: x.sizes,
      reduced: own,
      parameters: own,
      statistics: x.sizes.map((s, d) => (d < lead ? s : 1)),
    },
    eps: e,
    weight: w !== null,
    bias: b !== null,
    running: false,
    momentum: 0,
  }) as [Tensor, Tensor, Tensor];
}

/**
 * Layer normalization over the last dimensions, which are `normalized_shape`: https://arxiv.org/abs/1607.06450.
 * `weight` and `bias`, where given, have that shape. `eps` is 1e-5 by default.
 */
export function layer_norm(
  input: Tensor,
  normalized_shape: number | readonly number[],
  weight?: Tensor | null | LayerNormOptions,
  bias?: Tensor | null | LayerNormOptions,
  eps?: number | LayerNormOptions,
  cudnn_enable?: boolean,
): Tensor {
  const [x, shape, w, b, e] = bind(
    "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True)",
    [input, normalized_shape, weight, bias, eps, cudnn_enable],
  ) as [Tensor, number[], Tensor | null, Tensor | null, number];
  return native_layer_norm(x, shape, w, b, e)[0];
}

const batchNormEvalOp = primitiveMany<NormAttrs>({
  name: "native_batch_norm",
  inputNames: ["input"],
  savedAttributes: ({ eps }) => ({ eps }),
  batch: (call) => {
    // The statistics are read, not written.
    const plain = call.values.map((t, i) => (i < call.values.length - 2 ? t : t.contiguous()));
    const results = batchedNorm({ ...call, values: plain });
    return results && [results[0], ...results.slice(1).map((t) => t.new_empty([call.size, 0]))];
  },
  compute: (inputs, attrs) => {
    const [weight, bias] = parametersOf(inputs, attrs);
    const [mean, variance] = inputs.slice(-2);
    const y = normalizeWith(inputs[0], weight, bias, mean, variance, attrs.layout, attrs.eps);
    return [inFormatOf(y, inputs[0]), allocate(y.dtype, [0]), allocate(y.dtype, [0])];
  },
  gradient: (g, c) => {
    const x = c.input(0);
    const { layout, eps, weight } = c.attrs;
    const w = weight ? c.input(1) : null;
    const mean = c.input(c.inputCount - 2);
    const variance = c.input(c.inputCount - 1);
    if (isRecording()) return arrange(normalizeBackwardByOps(g, x, w, layout, eps, { mean, variance }), c.attrs);
    const inputs = inputsOf(g, x, mean.contiguous(), variance.add(eps).rsqrt(), w);
    return arrange(backwardOp(inputs, { layout, mask: wanted(c), spread: false }), c.attrs);
  },
  // Whatever is there of the five inputs.
  saves: [[0, 1, 2, 3, 4]],
  differentiableOutputs: [true, false, false],
});

function checkCount(name: string, t: Tensor | null, channels: number): void {
  if (t !== null && t.count !== channels) {
    throw new RuntimeError(`${name} should contain ${channels} elements not ${t.count}`);
  }
}

function checkBatchNorm(x: Tensor, w: Tensor | null, b: Tensor | null, rm: Tensor | null, rv: Tensor | null): void {
  if (x.sizes.length === 0 || (x.sizes.length < 2 && x.count > 0)) {
    throw new IndexError(
      `Dimension out of range (expected to be in range of [-${Math.max(x.sizes.length, 1)}, ${Math.max(x.sizes.length, 1) - 1}], but got 1)`,
    );
  }
  const channels = x.sizes[1] ?? 0;
  checkCount("running_mean", rm, channels);
  checkCount("running_var", rv, channels);
  checkCount("weight", w, channels);
  checkCount("bias", b, channels);
  checkFloat("batch_norm", x);
  for (const t of [w, b, rm, rv]) {
    if (t === null || t.dtype === x.dtype) continue;
    if (x.dtype.itemsize === 4 || x.dtype.itemsize === 8) {
      throw new RuntimeError("mixed dtype (CPU): all inputs must share same datatype.");
    }
    checkParameterType(x, t);
  }
}

/** `batch_norm` with what it saves for the gradient: `torch.native_batch_norm`. */
export function native_batch_norm(
  input: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  running_mean: Tensor | null,
  running_var: Tensor | null,
  training: boolean,
  momentum: number,
  eps: number,
): [Tensor, Tensor, Tensor] {
  const [x, w, b, rm, rv, train, m, e] = bind(
    "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps)",
    [input, weight, bias, running_mean, running_var, training, momentum, eps],
  ) as [Tensor, Tensor | null, Tensor | null, Tensor | null, Tensor | null, boolean, number, number];
  if ((rm === null) !== (rv === null)) {
    throw new ValueError("running_mean and running_var must either both be None or neither be None");
  }
  if (!train && rm === null) throw new RuntimeError("running_mean must be defined in evaluation mode");
  checkBatchNorm(x, w, b, rm, rv);
  refuseGradient("native_batch_norm", "running_mean", rm);
  refuseGradient("native_batch_norm", "running_var", rv);
  const attrs: NormAttrs = {
    layout: {
      sizes: x.sizes,
      reduced: x.sizes.map((_, d) => d).filter((d) => d !== 1),
      parameters: [1],
      statistics: [x.sizes[1]],
    },
    eps: e,
    weight: w !== null,
    bias: b !== null,
    running: rm !== null,
    momentum: m,
  };
  if (train) for (const t of [rm, rv]) if (t !== null) checkWritable(t);
  const op = train ? batchNormOp : batchNormEvalOp;
  return op(inputsOf(x, w, b, rm, rv), attrs) as [Tensor, Tensor, Tensor];
}

/**
 * Batch normalization over all dimensions but the second (channels): https://arxiv.org/abs/1502.03167. In training it uses the
 * batch's mean and variance and moves the running ones, in place, towards them by `momentum` (the variance with the divisor
 * n - 1); else it uses the running ones. Unlike `nn.functional.batch_norm` it takes a batch of one value per channel.
 */
export function batch_norm(
  input: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  running_mean: Tensor | null,
  running_var: Tensor | null,
  training: boolean,
  momentum: number,
  eps: number,
  _cudnn_enabled = true,
): Tensor {
  if (input instanceof Tensor && input.count === 0) {
    // An empty batch has no statistics, and leaves the running ones alone.
    checkBatchNorm(input, weight, bias, running_mean, running_var);
    let out = input.clone();
    if (weight !== null) out = out.mul(weight.select(0, 0));
    if (bias !== null) out = out.add(bias.select(0, 0));
    return out;
  }
  return native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0];
}

/** Groups of channels as dimensions of their own: [N, groups, channels of a group, positions]. */
function groupLayout(sizes: Shape, groups: number): NormLayout {
  const [n, channels] = sizes;
  const positions = sizes.slice(2).reduce((a, b) => a * b, 1);
  return {
    sizes: [n, groups, channels / groups, positions],
    reduced: [2, 3],
    parameters: [1, 2],
    statistics: [n, groups],
  };
}

/** Keyword arguments of `group_norm`. */
export interface GroupNormOptions extends LayerNormOptions {}

/** Normalization over groups of channels: https://arxiv.org/abs/1803.08494. `weight` and `bias` have one entry a channel. */
export function group_norm(
  input: Tensor,
  num_groups: number,
  weight?: Tensor | null | GroupNormOptions,
  bias?: Tensor | null | GroupNormOptions,
  eps?: number | GroupNormOptions,
  cudnn_enabled?: boolean,
): Tensor {
  const [x, groups, w, b, e] = bind(
    "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True)",
    [input, num_groups, weight, bias, eps, cudnn_enabled],
  ) as [Tensor, number, Tensor | null, Tensor | null, number];
  if (x.sizes.length < 2) {
    throw new RuntimeError(`Expected at least 2 dimensions for input tensor but received ${x.sizes.length}`);
  }
  if (groups <= 0) throw new RuntimeError(`Expected num groups to be greater than 0, got ${groups}`);
  const channels = x.sizes[1];
  const positions = x.sizes.slice(2).reduce((p, q) => p * q, 1);
  if (channels === 0) throw new RuntimeError("Expected number of channels to be greater than 0, got 0");
  if (positions === 0) throw new RuntimeError("Expected HxW to be greater than 0, got 0");
  if (channels % groups !== 0) {
    throw new RuntimeError(
      `Expected number of channels in input to be divisible by num_groups, but got input of shape ${shapeText(x.sizes)} and num_groups=${groups}`,
    );
  }
  for (const [name, t] of [
    ["weight", w],
    ["bias", b],
  ] as const) {
    if (t !== null && (t.sizes.length !== 1 || t.count !== channels)) {
      throw new RuntimeError(
        `Expected ${name} to be a vector of size equal to the number of channels in input, but got ${name} of shape ${shapeText(t.sizes)} and input of shape ${shapeText(x.sizes)}`,
      );
    }
  }
  checkFloat("GroupNormKernelImpl", x);
  checkParameterType(x, w);
  checkParameterType(x, b);
  return groupNormOp(inputsOf(x, w, b), {
    layout: groupLayout(x.sizes, groups),
    eps: e,
    weight: w !== null,
    bias: b !== null,
    running: false,
    momentum: 0,
  })[0];
}

/**
 * Normalization of each channel of each sample: https://arxiv.org/abs/1607.08022. Running statistics, where given, are the means
 * over the batch.
 */
export function instance_norm(
  input: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  running_mean: Tensor | null,
  running_var: Tensor | null,
  use_input_stats: boolean,
  momentum: number,
  eps: number,
  _cudnn_enabled = true,
): Tensor {
  if (!(input instanceof Tensor)) throw new TypeError("instance_norm(): argument 'input' must be Tensor");
  if (!use_input_stats && (running_mean === null || running_var === null)) {
    throw new RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false");
  }
  if (use_input_stats) for (const t of [running_mean, running_var]) if (t !== null) checkWritable(t);
  const [n, channels, ...rest] = input.sizes;
  const repeat = (t: Tensor | null): Tensor | null =>
    t === null ? null : t.unsqueeze(0).expand([n, channels]).clone({ memory_format: "contiguous_format" }).view([-1]);
  const rm = repeat(running_mean);
  const rv = repeat(running_var);
  const flat = input.reshape([1, n * channels, ...rest]);
  const out = batch_norm(flat, repeat(weight), repeat(bias), rm, rv, use_input_stats, momentum, eps);
  if (use_input_stats) {
    const back = (t: Tensor | null, from: Tensor | null): void => {
      if (t !== null && from !== null) t.detach().copy_(from.reshape([n, channels]).mean(0));
    };
    back(running_mean, rm);
    back(running_var, rv);
  }
  return out.view(input.sizes);
}

/** The smallest number that changes 1 when added, of the type computed in. */
function epsilonOf(dtype: DType): number {
  return dtype.itemsize === 8 ? 2 ** -52 : 2 ** -23;
}

/** Keyword arguments of `rms_norm`. */
export interface RmsNormOptions {
  readonly weight?: Tensor | null;
  readonly eps?: number | null;
}

/** Division by the root of the mean square over the last dimensions: https://arxiv.org/abs/1910.07467. */
export function rms_norm(
  input: Tensor,
  normalized_shape: number | readonly number[],
  weight?: Tensor | null | RmsNormOptions,
  eps?: number | null | RmsNormOptions,
): Tensor {
  const [x, shape, w, e] = bind(
    "rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None)",
    [input, normalized_shape, weight, eps],
  ) as [Tensor, number[], Tensor | null, number | null];
  checkNormalizedShape(x, shape, w, null, "");
  const lead = x.sizes.length - shape.length;
  const dims = shape.map((_, i) => lead + i);
  const wide = x.dtype.itemsize === 2 ? x.float() : x;
  const scale = wide
    .mul(wide)
    .mean(dims, true)
    .add(e ?? epsilonOf(wide.dtype))
    .rsqrt();
  const result = wide.mul(scale).to(x.dtype);
  return w === null ? result : result.mul(w);
}
