/** Layers as arguments: blocks and models take classes of layers, or functions that make them. */
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
