/** Hooks on what operations save for backward: https://pytorch.org/docs/stable/autograd.html#saved-tensors-default-hooks */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { checkHooks, forbidSavedTensorHooks, pushSavedTensorHooks, type SavedTensorHooks } from "./saved-tensor.ts";

/** Ends what a call has put in force, when the block of a `using` declaration ends. */
class Scope implements Disposable {
  #end: (() => void) | null;
  constructor(end: () => void) {
    this.#end = end;
  }
  [Symbol.dispose](): void {
    this.#end?.();
    this.#end = null;
  }
}

function within<R>(begin: () => () => void, body: (() => R) | undefined): R | Disposable {
  if (body === undefined) return new Scope(begin());
  if (typeof body !== "function") throw new TypeError("the body must be a function, or left out with `using`");
  const end = begin();
  try {
    const result = body();
    if (result instanceof Promise) {
      // The error below is the one to see, not the rejection that may follow from it.
      result.catch(() => {});
      throw new TypeError("hooks of saved tensors hold only until their callback returns, so it must not be async");
    }
    return result;
  } finally {
    end();
  }
}

/**
 * While `body` runs (or, without it, until the end of the block: `using _ = saved_tensors_hooks(…)`), what operations save
 * for backward is kept as `pack_hook(tensor)`, which may be anything, and comes back as `unpack_hook(packed)`, a tensor with
 * the same shape and dtype. Of several pairs the innermost counts. `pack_hook` runs without recording and must not change
 * its argument; whether a saved tensor was changed in place is not checked where there are hooks.
 */
export function saved_tensors_hooks<P>(
  pack_hook: (tensor: Tensor) => P,
  unpack_hook: (packed: P) => unknown,
): Disposable;
export function saved_tensors_hooks<P, R>(
  pack_hook: (tensor: Tensor) => P,
  unpack_hook: (packed: P) => unknown,
  body: () => R,
): R;
export function saved_tensors_hooks<P, R>(
  pack_hook: (tensor: Tensor) => P,
  unpack_hook: (packed: P) => unknown,
  body?: () => R,
): R | Disposable {
  checkHooks("saved_tensors_hooks", pack_hook, unpack_hook);
  const hooks: SavedTensorHooks = { pack: pack_hook, unpack: unpack_hook as SavedTensorHooks["unpack"] };
  return within(() => pushSavedTensorHooks(hooks), body);
}

/** Makes hooks on saved tensors an error with this message, while `body` runs or until the end of the block. */
export function disable_saved_tensors_hooks(error_message: string): Disposable;
export function disable_saved_tensors_hooks<R>(error_message: string, body: () => R): R;
export function disable_saved_tensors_hooks<R>(error_message: string, body?: () => R): R | Disposable {
  return within(() => forbidSavedTensorHooks(error_message), body);
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
export function save_on_cpu(options?: boolean | SaveOnCpuOptions): Disposable;
export function save_on_cpu<R>(options: boolean | SaveOnCpuOptions, body: () => R): R;
export function save_on_cpu<R>(body: () => R): R;
export function save_on_cpu<R>(options: boolean | SaveOnCpuOptions | (() => R) = {}, body?: () => R): R | Disposable {
  const run = typeof options === "function" ? options : body;
  const pinned = typeof options === "boolean" ? options : typeof options === "object" && options.pin_memory === true;
  const hooks: SavedTensorHooks = {
    pack: pinned ? packPinned : packToCpu,
    unpack: ([device, tensor]: [Device, Tensor]) => tensor.to(device),
  };
  return within(() => pushSavedTensorHooks(hooks), run);
}
