/** `torch.optim.optimizer`. */
export { register_optimizer_step_post_hook, register_optimizer_step_pre_hook } from "./hooks.ts";
export { Optimizer } from "./optimizer.ts";
