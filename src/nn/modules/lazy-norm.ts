/** Norms that take their channels from the first input: https://pytorch.org/docs/stable/generated/torch.nn.LazyBatchNorm2d.html */
import { int64 } from "../../dtype.ts";
import { zeros } from "../../ops/creation.ts";
import type { Tensor } from "../../tensor.ts";
import { become, has_uninitialized_params, materialize, shapesFrom } from "../lazy.ts";
import type { Module } from "../module.ts";
import { type Arguments, FACTORY, layerArguments } from "../options.ts";
import { type Parameter, UninitializedBuffer, UninitializedParameter } from "../parameter.ts";
import {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  type NormOptions,
} from "./batchnorm.ts";

export type LazyNormOptions = Omit<NormOptions, "num_features">;

type LazyNormArguments = Arguments<
  LazyNormOptions,
  [],
  [eps?: number, momentum?: number | null, affine?: boolean, track_running_stats?: boolean]
>;

/** The fields of norms that lazy ones fill in. */
interface Norm extends Module {
  num_features: number;
  affine: boolean;
  track_running_stats: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  running_mean: Tensor | null;
  running_var: Tensor | null;
  num_batches_tracked: Tensor | null;
  reset_parameters(): void;
}

function normOptions(name: string, defaults: "True" | "False", args: readonly unknown[]): Required<LazyNormOptions> {
  const signature = `${name}.__init__(float eps=1e-5, float? momentum=0.1, bool affine=${defaults}, bool track_running_stats=${defaults}, ${FACTORY}, *, bool bias=True)`;
  return layerArguments<LazyNormOptions>(signature, args);
}

/** What the constructor of the ordinary norm gets: nothing to allocate. */
const bare = { num_features: 0, affine: false, track_running_stats: false, bias: false } as const;

function leaveNormOpen(layer: Norm, options: Required<LazyNormOptions>): void {
  const { affine, track_running_stats, bias, dtype, device } = options;
  const factory = { dtype, device };
  layer.affine = affine;
  layer.track_running_stats = track_running_stats;
  if (affine) {
    layer.weight = new UninitializedParameter(factory);
    if (bias) layer.bias = new UninitializedParameter(factory);
  }
  if (track_running_stats) {
    layer.running_mean = new UninitializedBuffer(factory);
    layer.running_var = new UninitializedBuffer(factory);
    layer.num_batches_tracked = zeros([], { dtype: int64 });
  }
}

function initializeNorm(layer: Norm, input: Tensor, rank: number): void {
  // A conversion to another dtype has made ordinary buffers, still empty, of those without a shape.
  const { running_mean, running_var } = layer;
  const fresh = has_uninitialized_params(layer) || running_mean?.count === 0;
  // Batch norms count the channels in dimension 1; instance norms may come without a batch, which has rank `rank`.
  layer.num_features = input.size(input.dim() === rank ? 0 : 1);
  if (!fresh) return;
  const shape = [layer.num_features];
  materialize(layer.weight, shape);
  materialize(layer.bias, shape);
  if (running_mean !== null) layer.running_mean = zeros(shape, { dtype: running_mean.dtype });
  if (running_var !== null) layer.running_var = zeros(shape, { dtype: running_var.dtype });
  layer.reset_parameters();
}

/** A `BatchNorm1d` whose `num_features` is that of the first input. */
export class LazyBatchNorm1d extends BatchNorm1d {
  constructor(...args: LazyNormArguments) {
    const options = normOptions("LazyBatchNorm1d", "True", args);
    super({ ...options, ...bare });
    leaveNormOpen(this, options);
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.num_features !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeNorm(this, input, -1);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string, version: number | null): void {
    shapesFrom(this, state, prefix);
    super.upgradeState(state, prefix, version);
  }
  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, BatchNorm1d);
    return this.forward(input);
  }
}

/** A `BatchNorm2d` whose `num_features` is that of the first input. */
export class LazyBatchNorm2d extends BatchNorm2d {
  constructor(...args: LazyNormArguments) {
    const options = normOptions("LazyBatchNorm2d", "True", args);
    super({ ...options, ...bare });
    leaveNormOpen(this, options);
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.num_features !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeNorm(this, input, -1);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string, version: number | null): void {
    shapesFrom(this, state, prefix);
    super.upgradeState(state, prefix, version);
  }
  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, BatchNorm2d);
    return this.forward(input);
  }
}

/** A `BatchNorm3d` whose `num_features` is that of the first input. */
export class LazyBatchNorm3d extends BatchNorm3d {
  constructor(...args: LazyNormArguments) {
    const options = normOptions("LazyBatchNorm3d", "True", args);
    super({ ...options, ...bare });
    leaveNormOpen(this, options);
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.num_features !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeNorm(this, input, -1);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string, version: number | null): void {
    shapesFrom(this, state, prefix);
    super.upgradeState(state, prefix, version);
  }
  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, BatchNorm3d);
    return this.forward(input);
  }
}

/** An `InstanceNorm1d` whose `num_features` is that of the first input. */
export class LazyInstanceNorm1d extends InstanceNorm1d {
  constructor(...args: LazyNormArguments) {
    const options = normOptions("LazyInstanceNorm1d", "False", args);
    super({ ...options, ...bare });
    leaveNormOpen(this, options);
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.num_features !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeNorm(this, input, 2);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string, version: number | null): void {
    shapesFrom(this, state, prefix);
    super.upgradeState(state, prefix, version);
  }
  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, InstanceNorm1d);
    return this.forward(input);
  }
}

/** An `InstanceNorm2d` whose `num_features` is that of the first input. */
export class LazyInstanceNorm2d extends InstanceNorm2d {
  constructor(...args: LazyNormArguments) {
    const options = normOptions("LazyInstanceNorm2d", "False", args);
    super({ ...options, ...bare });
    leaveNormOpen(this, options);
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.num_features !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeNorm(this, input, 3);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string, version: number | null): void {
    shapesFrom(this, state, prefix);
    super.upgradeState(state, prefix, version);
  }
  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, InstanceNorm2d);
    return this.forward(input);
  }
}

/** An `InstanceNorm3d` whose `num_features` is that of the first input. */
export class LazyInstanceNorm3d extends InstanceNorm3d {
  constructor(...args: LazyNormArguments) {
    const options = normOptions("LazyInstanceNorm3d", "False", args);
    super({ ...options, ...bare });
    leaveNormOpen(this, options);
  }
  has_uninitialized_params(): boolean {
    return has_uninitialized_params(this);
  }
  override reset_parameters(): void {
    if (this.num_features !== 0 && !has_uninitialized_params(this)) super.reset_parameters();
  }
  /** Gives the parameters their shapes and first values. */
  initialize_parameters(input: Tensor): void {
    initializeNorm(this, input, 4);
  }
  override upgradeState(state: Record<string, unknown>, prefix: string, version: number | null): void {
    shapesFrom(this, state, prefix);
    super.upgradeState(state, prefix, version);
  }
  override forward(input: Tensor): Tensor {
    this.initialize_parameters(input);
    become(this, InstanceNorm3d);
    return this.forward(input);
  }
}
