/** `torch.nn.modules.module`: the base class, and hooks of all modules. */
export {
  register_module_backward_hook,
  register_module_buffer_registration_hook,
  register_module_forward_hook,
  register_module_forward_pre_hook,
  register_module_full_backward_hook,
  register_module_full_backward_pre_hook,
  register_module_module_registration_hook,
  register_module_parameter_registration_hook,
} from "../global-hooks.ts";
export { Module } from "../module.ts";
