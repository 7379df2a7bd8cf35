/** `torch.func`: transformations of functions of tensors. https://pytorch.org/docs/stable/func.html */
import "./custom-function.ts";

export { debug_unwrap } from "./debug.ts";
export { functional_call, stack_module_state } from "./functional-call.ts";
export { functionalize } from "./functionalize.ts";
export { grad, grad_and_value, value_and_grad } from "./grad.ts";
export { hessian, jacfwd, jacrev } from "./jacobians.ts";
export { jvp } from "./jvp.ts";
export { linearize, vjp } from "./vjp.ts";
export { vmap } from "./vmap.ts";
