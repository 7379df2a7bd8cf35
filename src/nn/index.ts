/** Layers, losses and containers: `torch.nn`. */
export * as functional from "./functional.ts";
export type {
  BackwardHook,
  BackwardPreHook,
  ForwardHook,
  ForwardHookWithKwargs,
  ForwardPreHook,
  ForwardPreHookWithKwargs,
  LoadStateDictPostHook,
  LoadStateDictPreHook,
  LocalMetadata,
  ModuleGradients,
  RemovableHandle,
  StateDictHook,
  StateDictPreHook,
} from "./hooks.ts";
export * as init from "./init.ts";
export { deepcopy, type MemberOptions, Module } from "./module.ts";
export * from "./modules/activation.ts";
export {
  MultiheadAttention,
  type MultiheadAttentionCall,
  type MultiheadAttentionOptions,
} from "./modules/attention.ts";
export * from "./modules/batchnorm.ts";
export * from "./modules/container.ts";
export * from "./modules/conv.ts";
export * from "./modules/cross-map-lrn.ts";
export * from "./modules/distance.ts";
export * from "./modules/dropout.ts";
export * from "./modules/embedding-bag.ts";
export * from "./modules/flatten.ts";
export * from "./modules/fold.ts";
export * as modules from "./modules/index.ts";
export * from "./modules/lazy-conv.ts";
export * from "./modules/lazy-linear.ts";
export * from "./modules/lazy-norm.ts";
export * from "./modules/linear.ts";
export * from "./modules/loss.ts";
export * from "./modules/margin-loss.ts";
export * from "./modules/normalization.ts";
export * from "./modules/padding.ts";
export * from "./modules/pooling.ts";
export * from "./modules/rnn.ts";
export * from "./modules/rnn-cell.ts";
export * from "./modules/sequence-loss.ts";
export * from "./modules/softmax.ts";
export * from "./modules/sparse.ts";
export * from "./modules/transformer.ts";
export * from "./modules/transformer-layers.ts";
export * from "./modules/unpooling.ts";
export * from "./modules/upsampling.ts";
export { Buffer, Parameter, UninitializedBuffer, UninitializedParameter } from "./parameter.ts";
export type { IncompatibleKeys, StateDict } from "./state-dict.ts";
export * as utils from "./utils.ts";
