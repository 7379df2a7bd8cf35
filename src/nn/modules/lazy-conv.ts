/** Convolutions that take their input channels from the first input: https://pytorch.org/docs/stable/generated/torch.nn.LazyConv2d.html */
import { RuntimeError, ValueError } from "../../errors.ts";
import { sizeToString } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import { become, has_uninitialized_params, materialize, shapesFrom } from "../lazy.ts";
import type { Module } from "../module.ts";
import {
  type Arguments,
  FACTORY,
  type FactoryOptions,
  layerArguments,
  type Pair,
  type Single,
  type Size,
  type Triple,
} from "../options.ts";
import { type Parameter, UninitializedParameter } from "../parameter.ts";
import {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvOptions,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeOptions,
} from "./conv.ts";

/** The fields of convolutions that lazy ones fill in. */
interface Convolution extends Module {
  in_channels: number;
  out_channels: number;
  readonly kernel_size: readonly number[];
  readonly groups: number;
  weight: Parameter;
  bias: Parameter | null;
  reset_parameters(): void;
}

function leaveOpen(layer: Convolution, out_channels: number, bias: boolean, factory: FactoryOptions): void {
  layer.weight = new UninitializedParameter(factory);
  layer.out_channels = out_channels;
  if (bias) layer.bias = new UninitializedParameter(factory);
}

function initializeConvolution(layer: Convolution, input: Tensor, transposed: boolean): void {
  const fresh = has_uninitialized_params(layer);
  const rank = layer.kernel_size.length;
  if (input.dim() !== rank + 1 && input.dim() !== rank + 2) {
    throw new RuntimeError(
      `Expected ${rank + 1}D (unbatched) or ${rank + 2}D (batched) input to ${layer.className()}, but got input of size: ${sizeToString(input.shape)}`,
    );
  }
  const channels = input.size(input.dim() - rank - 1);
  if (fresh && channels % layer.groups !== 0) throw new ValueError("in_channels must be divisible by groups");
  layer.in_channels = channels;
  if (!fresh) return;
  const { out_channels, groups, kernel_size } = layer;
  const pair = transposed ? [channels, out_channels / groups] : [out_channels, channels / groups];
  materialize(layer.weight, [...pair, ...kernel_size]);
  materialize(layer.bias, [out_channels]);
  layer.reset_parameters();
}

export type LazyConvOptions<N extends readonly number[]> = Omit<ConvOptions<N>, "in_channels">;
export type LazyConvTransposeOptions<N extends readonly number[]> = Omit<ConvTransposeOptions<N>, "in_channels">;

type LazyConvArguments<N extends readonly number[]> = Arguments<
  LazyConvOptions<N>,
  [out_channels: number, kernel_size: Size<N>],
  [
    stride?: Size<N>,
    padding?: Size<N> | "same" | "valid",
    dilation?: Size<N>,
    groups?: number,
    bias?: boolean,
    padding_mode?: ConvOptions<N>["padding_mode"],
  ]
>;

type LazyConvTransposeArguments<N extends readonly number[]> = Arguments<
  LazyConvTransposeOptions<N>,
  [out_channels: number, kernel_size: Size<N>],
  [
    stride?: Size<N>,
    padding?: Size<N>,
    output_padding?: Size<N>,
    groups?: number,
    bias?: boolean,
    dilation?: Size<N>,
    padding_mode?: ConvOptions<N>["padding_mode"],
  ]
>;

const CONV = `int out_channels, int[] kernel_size, int[] stride=1, any padding=0, int[] dilation=1, int groups=1, bool bias=True, str padding_mode="zeros", ${FACTORY}`;
const TRANSPOSE = `int out_channels, int[] kernel_size, int[] stride=1, int[] padding=0, int[] output_padding=0, int groups=1, bool bias=True, int[] dilation=1, str padding_mode="zeros", ${FACTORY}`;

function convOptions<N extends readonly number[]>(
  name: string,
  args: readonly unknown[],
): Required<LazyConvOptions<N>> {
  return layerArguments<LazyConvOptions<N>>(`${name}.__init__(${CONV})`, args);
}

function transposeOptions<N extends readonly number[]>(
  name: string,
  args: readonly unknown[],
): Required<LazyConvTransposeOptions<N>> {
  return layerArguments<LazyConvTransposeOptions<N>>(`${name}.__init__(${TRANSPOSE})`, args);
}

/** What the constructor of the ordinary layer gets: nothing to allocate. */
const none = { in_channels: 0, out_channels: 0, bias: false } as const;

/** A `Conv1d` whose `in_channels` is that of the first input. */
export class LazyConv1d extends Conv1d {
  constructor(...args: LazyConvArguments<Single>) {
    const options = convOptions<Single>("LazyConv1d", args);
    super({ ...options, ...none });
    leaveOpen(this, options.out_channels, options.bias, { dtype: options.dtype, device: options.device });
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.in_channels !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeConvolution(this, input, false);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string): void {
    shapesFrom(this, state, prefix);
  }
  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, Conv1d);
    return this.forward(input);
  }
}

/** A `Conv2d` whose `in_channels` is that of the first input. */
export class LazyConv2d extends Conv2d {
  constructor(...args: LazyConvArguments<Pair>) {
    const options = convOptions<Pair>("LazyConv2d", args);
    super({ ...options, ...none });
    leaveOpen(this, options.out_channels, options.bias, { dtype: options.dtype, device: options.device });
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.in_channels !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeConvolution(this, input, false);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string): void {
    shapesFrom(this, state, prefix);
  }
  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, Conv2d);
    return this.forward(input);
  }
}

/** A `Conv3d` whose `in_channels` is that of the first input. */
export class LazyConv3d extends Conv3d {
  constructor(...args: LazyConvArguments<Triple>) {
    const options = convOptions<Triple>("LazyConv3d", args);
    super({ ...options, ...none });
    leaveOpen(this, options.out_channels, options.bias, { dtype: options.dtype, device: options.device });
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.in_channels !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeConvolution(this, input, false);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string): void {
    shapesFrom(this, state, prefix);
  }
  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, Conv3d);
    return this.forward(input);
  }
}

/** A `ConvTranspose1d` whose `in_channels` is that of the first input. */
export class LazyConvTranspose1d extends ConvTranspose1d {
  constructor(...args: LazyConvTransposeArguments<Single>) {
    const options = transposeOptions<Single>("LazyConvTranspose1d", args);
    super({ ...options, ...none });
    leaveOpen(this, options.out_channels, options.bias, { dtype: options.dtype, device: options.device });
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.in_channels !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeConvolution(this, input, true);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string): void {
    shapesFrom(this, state, prefix);
  }
  override forward(input: Tensor, output_size: readonly number[] | null = null): Tensor {
    this.initialize_parameters(input);
    become(this, ConvTranspose1d);
    return this.forward(input, output_size);
  }
}

/** A `ConvTranspose2d` whose `in_channels` is that of the first input. */
export class LazyConvTranspose2d extends ConvTranspose2d {
  constructor(...args: LazyConvTransposeArguments<Pair>) {
    const options = transposeOptions<Pair>("LazyConvTranspose2d", args);
    super({ ...options, ...none });
    leaveOpen(this, options.out_channels, options.bias, { dtype: options.dtype, device: options.device });
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.in_channels !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeConvolution(this, input, true);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string): void {
    shapesFrom(this, state, prefix);
  }
  override forward(input: Tensor, output_size: readonly number[] | null = null): Tensor {
    this.initialize_parameters(input);
    become(this, ConvTranspose2d);
    return this.forward(input, output_size);
  }
}

/** A `ConvTranspose3d` whose `in_channels` is that of the first input. */
export class LazyConvTranspose3d extends ConvTranspose3d {
  constructor(...args: LazyConvTransposeArguments<Triple>) {
    const options = transposeOptions<Triple>("LazyConvTranspose3d", args);
    super({ ...options, ...none });
    leaveOpen(this, options.out_channels, options.bias, { dtype: options.dtype, device: options.device });
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.in_channels !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeConvolution(this, input, true);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string): void {
    shapesFrom(this, state, prefix);
  }
  override forward(input: Tensor, output_size: readonly number[] | null = null): Tensor {
    this.initialize_parameters(input);
    become(this, ConvTranspose3d);
    return this.forward(input, output_size);
  }
}
