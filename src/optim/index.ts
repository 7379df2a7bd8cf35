/** `torch.optim`. */
export { Adagrad, type AdagradOptions } from "./adagrad.ts";
export { Adam, type AdamOptions, AdamW } from "./adam.ts";
export * as lr_scheduler from "./lr-scheduler.ts";
export { Optimizer, type OptimizerState, type ParamGroup, type ParamsArgument } from "./optimizer.ts";
export * as optimizer from "./optimizer-module.ts";
export { RMSprop, type RMSpropOptions } from "./rmsprop.ts";
export { SGD, type SGDOptions } from "./sgd.ts";
