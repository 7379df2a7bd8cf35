/** `torch.autograd`. */
export { type BackwardCallOptions, backward, type GradOptions, grad } from "./backward.ts";
export { Node } from "./node.ts";
