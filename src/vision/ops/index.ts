/** Layers for vision models: https://pytorch.org/vision/stable/ops.html */
export {
  type ActivationMaker,
  Conv2dNormActivation,
  Conv3dNormActivation,
  type ConvNormActivationOptions,
  FrozenBatchNorm2d,
  MLP,
  type MLPOptions,
  Permute,
  SqueezeExcitation,
  type SqueezeExcitationOptions,
} from "./misc.ts";
export { StochasticDepth, type StochasticDepthMode, stochastic_depth } from "./stochastic-depth.ts";
