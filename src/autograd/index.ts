/** `torch.autograd`. */
export * as anomaly_mode from "./anomaly-mode.ts";
export { detect_anomaly, set_detect_anomaly } from "./anomaly-mode.ts";
export { type BackwardCallOptions, backward, type GradOptions, grad } from "./backward.ts";
export * as forward_ad from "./forward-ad.ts";
export { Function, FunctionCtx, InplaceFunction, once_differentiable } from "./function.ts";
export * as function from "./function-names.ts";
export * as grad_mode from "./grad-mode.ts";
export { enable_grad, inference_mode, no_grad, set_grad_enabled } from "./grad-mode.ts";
export * as graph from "./graph.ts";
export { is_multithreading_enabled, set_multithreading_enabled } from "./multithreading.ts";
export { Node } from "./node.ts";
