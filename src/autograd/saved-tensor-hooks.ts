/** Hooks on what operations save for backward: https://pytorch.org/docs/stable/autograd.html#saved-tensors-default-hooks */
import { type Scope, scope } from "../context/scope.ts";
import type { Device } from "../device.ts";
import { RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import {
  allowedHooks,
  checkHooks,
  type SavedTensorHooks,
  savedTensorHooks,
  savedTensorHooksForbidden,
} from "./saved-tensor.ts";

/**
 * While `body` runs (or, without it, in the scope that is returned: `using _ = saved_tensors_hooks(…)`), what operations save
 * for backward is kept as `pack_hook(tensor)`, which may be anything, and comes back as `unpack_hook(packed)`, a tensor with
 * the same shape and dtype. Of several pairs the innermost counts. `pack_hook` runs without recording and must not change
 * its argument; whether a saved tensor was changed in place is not checked where there are hooks.
 */
export function saved_tensors_hooks<P>(pack_hook: (tensor: Tensor) => P, unpack_hook: (packed: P) => unknown): Scope;
export function saved_tensors_hooks<P, R>(
  pack_hook: (tensor: Tensor) => P,
  unpack_hook: (packed: P) => unknown,
  body: () => R,
): R;
export function saved_tensors_hooks<P, R>(
  pack_hook: (tensor: Tensor) => P,
  unpack_hook: (packed: P) => unknown,
  body?: () => R,
): unknown {
  checkHooks("saved_tensors_hooks", pack_hook, unpack_hook);
  const hooks: SavedTensorHooks = { pack: pack_hook, unpack: unpack_hook as SavedTensorHooks["unpack"] };
  return scope("saved_tensors_hooks(…)", savedTensorHooks, () => allowedHooks(hooks), body);
}

/** Makes hooks on saved tensors an error with this message, while `body` runs or in the scope that is returned. */
export function disable_saved_tensors_hooks(error_message: string): Scope;
export function disable_saved_tensors_hooks<R>(error_message: string, body: () => R): R;
export function disable_saved_tensors_hooks<R>(error_message: string, body?: () => R): unknown {
  const next = (): string => {
    if (savedTensorHooks.get() !== null) throw new RuntimeError(error_message);
    return error_message;
  };
  return scope("disable_saved_tensors_hooks(…)", savedTensorHooksForbidden, next, body);
}

export interface SaveOnCpuOptions {
  /** Copies every saved tensor. Default false: what is in this memory already is kept as it is. */
  readonly pin_memory?: boolean;
}

function packToCpu(tensor: Tensor): [Device, Tensor] {
  return [tensor.device, tensor.cpu()];
}

function packPinned(tensor: Tensor): [Device, Tensor] {
  return [tensor.device, tensor.new_empty([...tensor.shape]).copy_(tensor)];
}

/** Keeps what operations save in the memory of the CPU, and brings it back for backward. */
export function save_on_cpu(options?: boolean | SaveOnCpuOptions): Scope;
export function save_on_cpu<R>(options: boolean | SaveOnCpuOptions, body: () => R): R;
export function save_on_cpu<R>(body: () => R): R;
export function save_on_cpu<R>(options: boolean | SaveOnCpuOptions | (() => R) = {}, body?: () => R): unknown {
  const run = typeof options === "function" ? options : body;
  const pinned = typeof options === "boolean" ? options : typeof options === "object" && options.pin_memory === true;
  const hooks: SavedTensorHooks = {
    pack: pinned ? packPinned : packToCpu,
    unpack: ([device, tensor]: [Device, Tensor]) => tensor.to(device),
  };
  return scope("save_on_cpu()", savedTensorHooks, () => allowedHooks(hooks), run);
}
