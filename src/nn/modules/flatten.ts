/** Layers that change shapes: https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html */
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import { Module } from "../module.ts";
import { type Arguments, layerArguments } from "../options.ts";

export interface FlattenOptions {
  /** Default 1. */
  readonly start_dim?: number;
  /** Default -1. */
  readonly end_dim?: number;
}

/** Makes dimensions `start_dim` to `end_dim` one: (N, C, H, W) becomes (N, C·H·W). */
export class Flatten extends Module {
  start_dim: number;
  end_dim: number;

  constructor(...args: Arguments<FlattenOptions, [], [start_dim?: number, end_dim?: number]>) {
    super();
    const options = layerArguments<FlattenOptions>("Flatten.__init__(int start_dim=1, int end_dim=-1)", args);
    this.start_dim = options.start_dim;
    this.end_dim = options.end_dim;
  }

  override forward(input: Tensor): Tensor {
    return input.flatten(this.start_dim, this.end_dim);
  }

  override extra_repr(): string {
    return `start_dim=${this.start_dim}, end_dim=${this.end_dim}`;
  }
}

export interface UnflattenOptions {
  readonly dim: number;
  /** One of the sizes may be -1. */
  readonly unflattened_size: readonly number[];
}

/** Makes one dimension several. */
export class Unflatten extends Module {
  dim: number;
  unflattened_size: readonly number[];

  constructor(...args: Arguments<UnflattenOptions, [dim: number, unflattened_size: readonly number[]]>) {
    super();
    const signature = "Unflatten.__init__(int dim, any unflattened_size)";
    const { dim, unflattened_size } = layerArguments<UnflattenOptions>(signature, args);
    if (!Array.isArray(unflattened_size)) {
      throw new TypeError(`unflattened_size must be a tuple of ints, but found type ${typeof unflattened_size}`);
    }
    unflattened_size.forEach((size, i) => {
      if (!Number.isInteger(size)) {
        throw new TypeError(
          `unflattened_size must be tuple of ints, but found element of type ${typeof size} at pos ${i}`,
        );
      }
    });
    this.dim = dim;
    this.unflattened_size = unflattened_size;
  }

  override forward(input: Tensor): Tensor {
    return input.unflatten(this.dim, this.unflattened_size);
  }

  override extra_repr(): string {
    return `dim=${this.dim}, unflattened_size=${pythonRepr(this.unflattened_size)}`;
  }
}
