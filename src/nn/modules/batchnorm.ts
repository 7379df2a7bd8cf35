/** Batch and instance norms: https://pytorch.org/docs/stable/nn.html#normalization-layers */
import { int64 } from "../../dtype.ts";
import { ValueError } from "../../errors.ts";
import { empty, ones, zeros } from "../../ops/creation.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { Parameter } from "../parameter.ts";

export interface NormOptions extends FactoryOptions {
  /** The channels: dimension 1 of the input. */
  readonly num_features: number;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** How fast the running statistics follow; null means a plain mean over all batches. Default 0.1. */
  readonly momentum?: number | null;
  /** Learn a factor and an offset for each channel. Default true; false for instance norms. */
  readonly affine?: boolean;
  /** Keep running statistics, which evaluation mode uses. Default true; false for instance norms. */
  readonly track_running_stats?: boolean;
  /** Learn the offset. Default true. */
  readonly bias?: boolean;
}

type NormArguments = Arguments<
  NormOptions,
  [num_features: number],
  [eps?: number, momentum?: number | null, affine?: boolean, track_running_stats?: boolean]
>;

/** What batch and instance norms have in common: parameters, running statistics, and the text. */
abstract class NormBase extends Module {
  /** Version 2 of the state added `num_batches_tracked`. */
  static override readonly stateVersion: number = 2;
  num_features: number;
  eps: number;
  momentum: number | null;
  affine: boolean;
  track_running_stats: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  // Declared only, because `register_buffer` makes them.
  declare running_mean: Tensor | null;
  declare running_var: Tensor | null;
  declare num_batches_tracked: Tensor | null;

  protected constructor(name: string, defaults: "True" | "False", args: readonly unknown[]) {
    super();
    const signature = `${name}.__init__(int num_features, float eps=1e-5, float? momentum=0.1, bool affine=${defaults}, bool track_running_stats=${defaults}, ${FACTORY}, *, bool bias=True)`;
    const { num_features, eps, momentum, affine, track_running_stats, bias, ...factory } = layerArguments<NormOptions>(
      signature,
      args,
    );
    this.num_features = num_features;
    this.eps = eps;
    this.momentum = momentum;
    this.affine = affine;
    this.track_running_stats = track_running_stats;
    this.weight = affine ? new Parameter(empty([num_features], factory)) : null;
    this.bias = affine && bias ? new Parameter(empty([num_features], factory)) : null;
    this.register_buffer("running_mean", track_running_stats ? zeros([num_features], factory) : null);
    this.register_buffer("running_var", track_running_stats ? ones([num_features], factory) : null);
    this.register_buffer("num_batches_tracked", track_running_stats ? zeros([], { dtype: int64 }) : null);
    this.reset_parameters();
  }

  reset_running_stats(): void {
    if (!this.track_running_stats) return;
    this.running_mean?.zero_();
    this.running_var?.fill_(1);
    this.num_batches_tracked?.zero_();
  }

  reset_parameters(): void {
    this.reset_running_stats();
    if (this.weight !== null) init.ones_(this.weight);
    if (this.bias !== null) init.zeros_(this.bias);
  }

  override upgradeState(state: Record<string, unknown>, prefix: string, version: number | null): void {
    const key = `${prefix}num_batches_tracked`;
    if ((version === null || version < 2) && this.num_batches_tracked !== null && !Object.hasOwn(state, key)) {
      state[key] = this.num_batches_tracked;
    }
  }

  override extra_repr(): string {
    return `${this.num_features}, eps=${pythonRepr(this.eps)}, momentum=${pythonRepr(this.momentum)}, affine=${pythonRepr(this.affine)}, bias=${pythonRepr(this.bias !== null)}, track_running_stats=${pythonRepr(this.track_running_stats)}`;
  }
}

/** Refuses inputs that have none of the numbers of dimensions. */
function checkRank(input: Tensor, ...ranks: readonly number[]): void {
  if (ranks.includes(input.dim())) return;
  throw new ValueError(`expected ${ranks.map((r) => `${r}D`).join(" or ")} input (got ${input.dim()}D input)`);
}

/**
 * `(x − mean) / √(var + eps) · weight + bias` for each channel, over batch and space in training, with the running
 * statistics in evaluation. Ioffe and Szegedy, 2015.
 */
abstract class BatchNorm extends NormBase {
  protected normalize(input: Tensor): Tensor {
    let momentum = this.momentum ?? 0;
    if (this.training && this.track_running_stats && this.num_batches_tracked !== null) {
      this.num_batches_tracked.add_(1);
      if (this.momentum === null) momentum = 1 / Number(this.num_batches_tracked.item());
    }
    // In training the running statistics are only updated, in evaluation only read; without them the batch's own are used.
    const tracked = !this.training || this.track_running_stats;
    return F.batch_norm(
      input,
      tracked ? this.running_mean : null,
      tracked ? this.running_var : null,
      this.weight,
      this.bias,
      this.training || (this.running_mean === null && this.running_var === null),
      momentum,
      this.eps,
    );
  }
}

/** Batch normalization of (N, C) or (N, C, L). */
export class BatchNorm1d extends BatchNorm {
  constructor(...args: NormArguments) {
    super("BatchNorm1d", "True", args);
  }
  override forward(input: Tensor): Tensor {
    checkRank(input, 2, 3);
    return this.normalize(input);
  }
}

/** Batch normalization of (N, C, H, W). */
export class BatchNorm2d extends BatchNorm {
  constructor(...args: NormArguments) {
    super("BatchNorm2d", "True", args);
  }
  override forward(input: Tensor): Tensor {
    checkRank(input, 4);
    return this.normalize(input);
  }
}

/** Batch normalization of (N, C, D, H, W). */
export class BatchNorm3d extends BatchNorm {
  constructor(...args: NormArguments) {
    super("BatchNorm3d", "True", args);
  }
  override forward(input: Tensor): Tensor {
    checkRank(input, 5);
    return this.normalize(input);
  }
}

/**
 * Batch normalization of (N, C, …) with statistics of all processes. With one process, which is what there is without
 * `torch.distributed`, it is an ordinary batch norm.
 */
export class SyncBatchNorm extends BatchNorm {
  process_group: unknown;

  constructor(
    ...args: Arguments<
      NormOptions & { readonly process_group?: unknown },
      [num_features: number],
      [eps?: number, momentum?: number | null, affine?: boolean, track_running_stats?: boolean, process_group?: unknown]
    >
  ) {
    const signature = `SyncBatchNorm.__init__(int num_features, float eps=1e-5, float? momentum=0.1, bool affine=True, bool track_running_stats=True, any? process_group=None, ${FACTORY}, *, bool bias=True)`;
    const { process_group, ...options } = layerArguments<NormOptions & { readonly process_group?: unknown }>(
      signature,
      args,
    );
    super("SyncBatchNorm", "True", [options]);
    this.process_group = process_group;
  }

  override forward(input: Tensor): Tensor {
    if (input.dim() < 2) throw new ValueError(`expected at least 2D input (got ${input.dim()}D input)`);
    if (input.size(1) === 0) throw new ValueError("SyncBatchNorm number of input channels should be non-zero");
    return this.normalize(input);
  }

  /** The same network with its batch norms replaced; they keep their parameters and statistics. */
  static convert_sync_batchnorm(module: Module, process_group: unknown = null): Module {
    let converted = module;
    if (module instanceof BatchNorm) {
      const { num_features, eps, momentum, affine, track_running_stats } = module;
      const sync = new SyncBatchNorm(num_features, {
        eps,
        momentum,
        affine,
        track_running_stats,
        process_group,
        bias: module.bias !== null,
      });
      sync.weight = module.weight;
      sync.bias = module.bias;
      sync.running_mean = module.running_mean;
      sync.running_var = module.running_var;
      sync.num_batches_tracked = module.num_batches_tracked;
      sync.training = module.training;
      converted = sync;
    }
    for (const [name, child] of module.named_children()) {
      converted.add_module(name, SyncBatchNorm.convert_sync_batchnorm(child, process_group));
    }
    return converted;
  }
}

/** Normalizes each channel of each sample by itself. Ulyanov et al., 2016. */
abstract class InstanceNorm extends NormBase {
  /** `rank`: that of one sample. */
  protected normalize(input: Tensor, rank: number): Tensor {
    checkRank(input, rank, rank + 1);
    const channels = input.dim() - rank;
    if (input.size(channels) !== this.num_features && this.affine) {
      throw new ValueError(
        `expected input's size at dim=${channels} to match num_features (${this.num_features}), but got: ${input.size(channels)}.`,
      );
    }
    const batch = input.dim() === rank ? input.unsqueeze(0) : input;
    const out = F.instance_norm(
      batch,
      this.running_mean,
      this.running_var,
      this.weight,
      this.bias,
      this.training || !this.track_running_stats,
      this.momentum ?? 0,
      this.eps,
    );
    return batch === input ? out : out.squeeze(0);
  }
}

/** Instance normalization of (N, C, L) or (C, L). */
export class InstanceNorm1d extends InstanceNorm {
  constructor(...args: NormArguments) {
    super("InstanceNorm1d", "False", args);
  }
  override forward(input: Tensor): Tensor {
    return this.normalize(input, 2);
  }
}

/** Instance normalization of (N, C, H, W) or (C, H, W). */
export class InstanceNorm2d extends InstanceNorm {
  constructor(...args: NormArguments) {
    super("InstanceNorm2d", "False", args);
  }
  override forward(input: Tensor): Tensor {
    return this.normalize(input, 3);
  }
}

/** Instance normalization of (N, C, D, H, W) or (C, D, H, W). */
export class InstanceNorm3d extends InstanceNorm {
  constructor(...args: NormArguments) {
    super("InstanceNorm3d", "False", args);
  }
  override forward(input: Tensor): Tensor {
    return this.normalize(input, 4);
  }
}
