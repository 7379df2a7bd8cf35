/** Hooks of optimizers: around their steps, and around reading and loading their states. */
import { RuntimeError } from "../errors.ts";
import { isOptions } from "../keywords.ts";
import { checkedHook, HookTable, type RemovableHandle } from "../nn/hooks.ts";
import type { Optimizer, OptimizerState } from "./optimizer.ts";

/** Any optimizer, whatever its options. */
export type AnyOptimizer = Optimizer<never> | Optimizer<object>;

/**
 * Called before a step with the arguments of `step`, the optimizer first among them as in PyTorch, then the closure if one
 * is given. May return a pair of other arguments.
 */
export type StepPreHook = (optimizer: AnyOptimizer, args: unknown[], kwargs: Record<string, unknown>) => unknown;
/** Called after a step with its arguments. */
export type StepPostHook = (optimizer: AnyOptimizer, args: unknown[], kwargs: Record<string, unknown>) => void;
export type OptimizerHook = (optimizer: AnyOptimizer) => void;
/** May return another state. */
export type OptimizerStateHook = (optimizer: AnyOptimizer, state_dict: OptimizerState) => unknown;

/** Hooks around steps. */
export class StepHooks {
  readonly pre: HookTable<StepPreHook> = new HookTable();
  readonly post: HookTable<StepPostHook> = new HookTable();

  get isEmpty(): boolean {
    return this.pre.isEmpty && this.post.isEmpty;
  }
}

/** All hooks of one optimizer. */
export class OptimizerHooks extends StepHooks {
  readonly stateDictPre: HookTable<OptimizerHook> = new HookTable();
  readonly stateDictPost: HookTable<OptimizerStateHook> = new HookTable();
  readonly loadStateDictPre: HookTable<OptimizerStateHook> = new HookTable();
  readonly loadStateDictPost: HookTable<OptimizerHook> = new HookTable();
}

const globalHooks = new StepHooks();

/** Calls `hook(optimizer, args, kwargs)` before every step of any optimizer; it may return other arguments. */
export function register_optimizer_step_pre_hook(hook: StepPreHook): RemovableHandle {
  return globalHooks.pre.add(checkedHook(hook));
}

/** Calls `hook(optimizer, args, kwargs)` after every step of any optimizer. */
export function register_optimizer_step_post_hook(hook: StepPostHook): RemovableHandle {
  return globalHooks.post.add(checkedHook(hook));
}

/** Runs `step` with a closure that hooks may replace, and the hooks around it. */
export function stepWithHooks<R>(
  optimizer: AnyOptimizer,
  hooks: StepHooks,
  closure: unknown,
  step: (closure: unknown) => R,
): R {
  if (hooks.isEmpty && globalHooks.isEmpty) return step(closure);
  let args: unknown[] = closure === undefined ? [optimizer] : [optimizer, closure];
  let kwargs: Record<string, unknown> = {};
  for (const hook of [...globalHooks.pre.list(), ...hooks.pre.list()]) {
    const returned = hook(optimizer, args, kwargs);
    if (returned === null || returned === undefined) continue;
    if (!Array.isArray(returned) || returned.length !== 2 || !Array.isArray(returned[0]) || !isOptions(returned[1])) {
      throw new RuntimeError(
        `<function ${optimizer.constructor.name}.step> must return None or a tuple of (new_args, new_kwargs), but got ${String(returned)}.`,
      );
    }
    [args, kwargs] = returned as [unknown[], Record<string, unknown>];
  }
  const result = step(args[1] ?? kwargs.closure);
  for (const hook of [...hooks.post.list(), ...globalHooks.post.list()]) hook(optimizer, args, kwargs);
  return result;
}
