/**
 * Layers that take the number of their input features from the first input: https://pytorch.org/docs/stable/generated/torch.nn.modules.lazy.LazyModuleMixin.html
 * With the first call, or with a loaded state, a lazy layer becomes an ordinary one.
 */
import { is_tensor } from "../tensor.ts";
import type { Module } from "./module.ts";
import { type Parameter, UninitializedBuffer, UninitializedParameter } from "./parameter.ts";

type State = Readonly<Record<string, unknown>>;

/** @internal Whether a module has parameters or buffers without a shape. */
export function has_uninitialized_params(module: Module): boolean {
  return module.ownState().some(([, t]) => t instanceof UninitializedParameter || t instanceof UninitializedBuffer);
}

/** @internal Gives parameters and buffers the shapes of a state that is about to be loaded. */
export function shapesFrom(module: Module, state: State, prefix: string): void {
  for (const [name, own] of module.ownState()) {
    const given = state[prefix + name];
    if (!is_tensor(given) || given instanceof UninitializedParameter) continue;
    if (own instanceof UninitializedParameter || own instanceof UninitializedBuffer) own.materialize(given.shape);
  }
}

/** @internal Makes a lazy layer the ordinary one that it has become. */
export function become(module: Module, ordinary: { readonly prototype: Module }): void {
  Object.setPrototypeOf(module, ordinary.prototype);
}

/** @internal Gives a parameter its shape, if it has none. */
export function materialize(parameter: Parameter | null, shape: readonly number[]): void {
  if (parameter instanceof UninitializedParameter) parameter.materialize(shape);
}
