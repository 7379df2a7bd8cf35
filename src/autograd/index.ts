/** `torch.autograd`. */
export { type BackwardCallOptions, backward, type GradOptions, grad } from "./backward.ts";
export { Function, FunctionContext, once_differentiable } from "./function.ts";
export { GradcheckError, type GradcheckOptions, gradcheck, gradgradcheck } from "./gradcheck.ts";
export * as graph from "./graph.ts";
export { Node } from "./node.ts";
