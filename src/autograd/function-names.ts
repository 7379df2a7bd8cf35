/** `torch.autograd.function`. */
export { Function, FunctionCtx, InplaceFunction, once_differentiable } from "./function.ts";
