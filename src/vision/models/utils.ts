/** What the families share: rounding of channel numbers, making layers, and the metrics of weights. */
import { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor.ts";

/** A layer that makes one tensor of another. */
export interface Layer extends Module {
  forward(x: Tensor): Tensor;
}

/** A class of layers, or a function that makes a layer. */
export type LayerMaker<A extends unknown[], M extends Module = Layer> = (new (...args: A) => M) | ((...args: A) => M);

/** The norm layer of a model, made from the number of its channels: `nn.BatchNorm2d`, `(c) => new nn.GroupNorm(8, c)`. */
export type NormMaker = LayerMaker<[num_features: number]>;

/** The layer that `maker` makes. */
export function makeLayer<A extends unknown[], M extends Module>(maker: LayerMaker<A, M>, ...args: A): M {
  if (isClass<A, M>(maker)) return new maker(...args);
  return maker(...args);
}

function isClass<A extends unknown[], M extends Module>(maker: LayerMaker<A, M>): maker is new (...args: A) => M {
  return maker.prototype instanceof Module;
}

/**
 * The multiple of `divisor` that is nearest to `value` and at least `min_value` (by default `divisor`); the next one where
 * that would be less than 90 % of `value`.
 */
export function _make_divisible(value: number, divisor: number, min_value: number | null = null): number {
  const nearest = Math.max(min_value ?? divisor, Math.floor(Math.trunc(value + divisor / 2) / divisor) * divisor);
  return nearest < 0.9 * value ? nearest + divisor : nearest;
}

/** Python's `round`: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Accuracies on ImageNet-1K in percent, as `_metrics` of weights has them. */
export function imageNetMetrics(
  top1: number,
  top5: number,
): Readonly<Record<string, Readonly<Record<string, number>>>> {
  return { "ImageNet-1K": { "acc@1": top1, "acc@5": top5 } };
}
