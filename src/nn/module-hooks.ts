/** Hooks of one module: what `Module` inherits. See hooks.ts. */
import { RuntimeError } from "../errors.ts";
import {
  type BackwardHook,
  type BackwardPreHook,
  checkedHook,
  type ForwardHook,
  type ForwardHookWithKwargs,
  type ForwardPreHook,
  type ForwardPreHookWithKwargs,
  type LoadStateDictPostHook,
  type LoadStateDictPreHook,
  ModuleHooks,
  type RemovableHandle,
  type StateDictHook,
  type StateDictPreHook,
} from "./hooks.ts";
import { ModuleMembers, registries } from "./module-members.ts";

/** Hooks given to `register_state_dict_post_hook`, which may not be given to its older kin too. */
const publicHooks = new WeakSet<StateDictHook>();

const WHERE = "on a single Module";

export abstract class HookedModule extends ModuleMembers {
  /** @internal */
  get hooks(): ModuleHooks {
    const registry = this[registries];
    registry.hooks ??= new ModuleHooks();
    return registry.hooks;
  }

  /**
   * Calls `hook(module, args, output)` after every call; it may return another output. With `with_kwargs` the hook is called
   * as `hook(module, args, kwargs, output)`; with `always_call` also where the call has thrown; with `prepend` before those
   * that are there.
   */
  register_forward_hook(
    hook: ForwardHookWithKwargs,
    options: { with_kwargs: true; prepend?: boolean; always_call?: boolean },
  ): RemovableHandle;
  register_forward_hook(
    hook: ForwardHook,
    options?: { with_kwargs?: false; prepend?: boolean; always_call?: boolean },
  ): RemovableHandle;
  register_forward_hook(
    hook: ForwardHook | ForwardHookWithKwargs,
    options: { prepend?: boolean; with_kwargs?: boolean; always_call?: boolean } = {},
  ): RemovableHandle {
    const { prepend = false, with_kwargs = false, always_call = false } = options;
    const entry = { hook: checkedHook(hook), withKwargs: with_kwargs, alwaysCall: always_call };
    return this.hooks.forward.add(entry, prepend);
  }

  /**
   * Calls `hook(module, args)` before every call; it may return other arguments: a list, or one value. With `with_kwargs`
   * it is called as `hook(module, args, kwargs)` and may return a pair of both.
   */
  register_forward_pre_hook(
    hook: ForwardPreHookWithKwargs,
    options: { with_kwargs: true; prepend?: boolean },
  ): RemovableHandle;
  register_forward_pre_hook(
    hook: ForwardPreHook,
    options?: { with_kwargs?: false; prepend?: boolean },
  ): RemovableHandle;
  register_forward_pre_hook(
    hook: ForwardPreHook | ForwardPreHookWithKwargs,
    options: { prepend?: boolean; with_kwargs?: boolean } = {},
  ): RemovableHandle {
    const { prepend = false, with_kwargs = false } = options;
    return this.hooks.forwardPre.add({ hook: checkedHook(hook), withKwargs: with_kwargs }, prepend);
  }

  /**
   * Calls `hook(module, grad_input, grad_output)` whenever the gradients of the module's arguments are there, one for each,
   * null for those that are no tensors. It may return other gradients of the arguments. Where no argument requires a
   * gradient, it is called with those of the output. The arguments and outputs of a module with such hooks may not be
   * changed in place.
   */
  register_full_backward_hook(
    hook: BackwardHook,
    options: boolean | { readonly prepend?: boolean } = {},
  ): RemovableHandle {
    return this.hooks.addBackward(hook, true, WHERE, isPrepended(options));
  }

  /** Calls `hook(module, grad_output)` before gradients go back through the module; it may return others. */
  register_full_backward_pre_hook(
    hook: BackwardPreHook,
    options: boolean | { readonly prepend?: boolean } = {},
  ): RemovableHandle {
    return this.hooks.backwardPre.add(checkedHook(hook), isPrepended(options));
  }

  /** The old kind of `register_full_backward_hook`: it sees the gradients of the module's last operation only. */
  register_backward_hook(hook: BackwardHook): RemovableHandle {
    return this.hooks.addBackward(hook, false, WHERE);
  }

  /** Calls `hook(module, prefix, keep_vars)` before `state_dict` looks at this module. */
  register_state_dict_pre_hook(hook: StateDictPreHook): RemovableHandle {
    return this.hooks.stateDictPre.add(checkedHook(hook));
  }

  /**
   * Calls `hook(module, state_dict, prefix, local_metadata)` when the state of this module and those below is in
   * `state_dict`, which it may change. It must return nothing.
   */
  register_state_dict_post_hook(hook: StateDictHook): RemovableHandle {
    publicHooks.add(checkedHook(hook));
    return this.hooks.stateDict.add({ hook, isPublic: true });
  }

  /** The older form of `register_state_dict_post_hook`, which may return another state. */
  _register_state_dict_hook(hook: StateDictHook): RemovableHandle {
    if (publicHooks.has(checkedHook(hook))) {
      throw new RuntimeError(
        "Cannot register the same function as the state dict post hook that was previously registered via register_state_dict_post_hook",
      );
    }
    return this.hooks.stateDict.add({ hook, isPublic: false });
  }

  /**
   * Calls `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)` before
   * `load_state_dict` gives this module its tensors. It may change all of them.
   */
  register_load_state_dict_pre_hook(hook: LoadStateDictPreHook): RemovableHandle {
    return this.hooks.loadStateDictPre.add(checkedHook(hook));
  }

  /** The older form of `register_load_state_dict_pre_hook`, without the module as first argument unless `with_module`. */
  _register_load_state_dict_pre_hook(hook: (...args: never[]) => void, with_module = false): RemovableHandle {
    checkedHook(hook);
    const call = hook as (...args: unknown[]) => void;
    return this.hooks.loadStateDictPre.add(
      with_module ? (hook as LoadStateDictPreHook) : (_module, ...args) => call(...args),
    );
  }

  /**
   * Calls `hook(module, incompatible_keys)` when this module and those below are loaded; it may change the lists of
   * missing and unexpected keys. It must return nothing.
   */
  register_load_state_dict_post_hook(hook: LoadStateDictPostHook): RemovableHandle {
    return this.hooks.loadStateDictPost.add(checkedHook(hook));
  }
}

function isPrepended(options: boolean | { readonly prepend?: boolean }): boolean {
  return typeof options === "boolean" ? options : (options.prepend ?? false);
}
