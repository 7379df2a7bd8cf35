/** Hooks of all modules: PyTorch's `torch.nn.modules.module`. They are meant for debugging and profiling. */
import type { Tensor } from "../tensor.ts";
import {
  type BackwardHook,
  type BackwardPreHook,
  CallHooks,
  checkedHook,
  type ForwardHook,
  type ForwardHookWithKwargs,
  type ForwardPreHook,
  HookTable,
  type RemovableHandle,
} from "./hooks.ts";
import type { Module } from "./module.ts";
import type { Parameter } from "./parameter.ts";

class GlobalHooks extends CallHooks {
  /** Whether there ever were any: what a call looks at first. */
  used = false;
}

/** @internal */
export const globalHooks: GlobalHooks = new GlobalHooks();

function changing(): GlobalHooks {
  globalHooks.used = true;
  return globalHooks;
}

/** Calls `hook(module, args)` before every call of any module; it may return other arguments. */
export function register_module_forward_pre_hook(hook: ForwardPreHook): RemovableHandle {
  return changing().forwardPre.add({ hook: checkedHook(hook), withKwargs: false });
}

/**
 * Calls `hook(module, args, output)` after every call of any module; it may return another output. With `with_kwargs` the
 * hook is called as `hook(module, args, kwargs, output)`, with `always_call` also where the call has thrown.
 */
export function register_module_forward_hook(
  hook: ForwardHook | ForwardHookWithKwargs,
  { with_kwargs = false, always_call = false }: { with_kwargs?: boolean; always_call?: boolean } = {},
): RemovableHandle {
  return changing().forward.add({ hook: checkedHook(hook), withKwargs: with_kwargs, alwaysCall: always_call });
}

/** Calls `hook(module, grad_output)` before gradients go back through any module; it may return others. */
export function register_module_full_backward_pre_hook(hook: BackwardPreHook): RemovableHandle {
  return changing().backwardPre.add(checkedHook(hook));
}

const WHERE = "as a global Module hook";

/** Calls `hook(module, grad_input, grad_output)` whenever gradients of any module's input are there. */
export function register_module_full_backward_hook(hook: BackwardHook): RemovableHandle {
  return changing().addBackward(hook, true, WHERE);
}

/** The old kind of `register_module_full_backward_hook`: what it sees is that of the last operation only. */
export function register_module_backward_hook(hook: BackwardHook): RemovableHandle {
  return changing().addBackward(hook, false, WHERE);
}

/** May return another value for the member. */
type RegistrationHook<T> = (module: Module, name: string, value: T) => unknown;

/** @internal Called when a module gets a member. */
export const registrationHooks: {
  readonly parameter: HookTable<RegistrationHook<Parameter>>;
  readonly buffer: HookTable<RegistrationHook<Tensor | null>>;
  readonly module: HookTable<RegistrationHook<Module | null>>;
} = { parameter: new HookTable(), buffer: new HookTable(), module: new HookTable() };

let copying = false;

/** @internal Runs `body`, whose members are copies of registered ones. */
export function withoutRegistrationHooks<R>(body: () => R): R {
  const outer = copying;
  copying = true;
  try {
    return body();
  } finally {
    copying = outer;
  }
}

/** @internal What the hooks make of a new member. */
export function registered<K extends keyof typeof registrationHooks, T>(
  kind: K,
  module: Module,
  name: string,
  value: T,
): T {
  let member = value;
  if (copying) return member;
  for (const hook of registrationHooks[kind].list()) {
    member = ((hook as (...args: unknown[]) => unknown)(module, name, member) as T | null | undefined) ?? member;
  }
  return member;
}

/**
 * Calls `hook(module, name, parameter)` when a module gets a parameter; it may return another one. Modules that were made
 * before the first such hook was there notice only `register_parameter`, and no assignments.
 */
export function register_module_parameter_registration_hook(hook: RegistrationHook<Parameter>): RemovableHandle {
  return registrationHooks.parameter.add(checkedHook(hook));
}

/** The same for buffers. */
export function register_module_buffer_registration_hook(hook: RegistrationHook<Tensor | null>): RemovableHandle {
  return registrationHooks.buffer.add(checkedHook(hook));
}

/** The same for modules. */
export function register_module_module_registration_hook(hook: RegistrationHook<Module | null>): RemovableHandle {
  return registrationHooks.module.add(checkedHook(hook));
}

/** @internal */
export function watchesRegistrations(): boolean {
  return !(registrationHooks.parameter.isEmpty && registrationHooks.buffer.isEmpty && registrationHooks.module.isEmpty);
}
