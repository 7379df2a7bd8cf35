/** `torch.autograd`. */
export { type BackwardCallOptions, backward, type GradOptions, grad } from "./backward.ts";
export * as forward_ad from "./forward-ad.ts";
export { Function, FunctionCtx, InplaceFunction, once_differentiable } from "./function.ts";
export * as function from "./function-names.ts";
export {
  GradcheckError,
  type GradcheckOptions,
  type GradgradcheckOptions,
  gradcheck,
  gradgradcheck,
} from "./gradcheck/index.ts";
export * as graph from "./graph.ts";
export { Node } from "./node.ts";
