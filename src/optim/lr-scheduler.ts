/** `torch.optim.lr_scheduler`. */
export { type AnyOptimizer, LRScheduler } from "./schedulers/base.ts";
export { ChainedScheduler, SequentialLR } from "./schedulers/combined.ts";
export { CosineAnnealingLR, CosineAnnealingWarmRestarts } from "./schedulers/cosine.ts";
export { CyclicLR, type CyclicOptions, OneCycleLR, type OneCycleOptions } from "./schedulers/cyclic.ts";
export { type PlateauOptions, ReduceLROnPlateau } from "./schedulers/plateau.ts";
export {
  ConstantLR,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  MultiplicativeLR,
  MultiStepLR,
  PolynomialLR,
  StepLR,
} from "./schedulers/simple.ts";
