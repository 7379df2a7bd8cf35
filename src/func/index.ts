/** `torch.func`: transformations of functions of tensors. https://pytorch.org/docs/stable/func.html */
export { grad, grad_and_value } from "./grad.ts";
export { hessian, jacfwd, jacrev } from "./jacobians.ts";
export { jvp } from "./jvp.ts";
export { linearize, vjp } from "./vjp.ts";
export { vmap } from "./vmap.ts";
