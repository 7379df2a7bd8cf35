/** `torch.autograd.graph`. */
export { Node } from "./node.ts";
export { SavedTensor } from "./saved-tensor.ts";
export {
  disable_saved_tensors_hooks,
  type SaveOnCpuOptions,
  save_on_cpu,
  saved_tensors_hooks,
} from "./saved-tensor-hooks.ts";
