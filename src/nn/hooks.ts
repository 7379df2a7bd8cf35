/**
 * Hooks of modules: what users attach to calls, to gradients, and to states. Hooks of one kind run in the order in which
 * they were registered, global ones before those of the module.
 *
 * JavaScript has no keyword arguments. Here, as everywhere in Kindling, they are a plain object at the end of a call: one
 * that follows other arguments. A hook with `with_kwargs` gets it as `kwargs`; others do not see it. An object that is the
 * only argument is an ordinary argument.
 */
import { RemovableHandle } from "../autograd/removable-handle.ts";
import { RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import type { Module } from "./module.ts";
import type { IncompatibleKeys, StateDict } from "./state-dict.ts";

export type { RemovableHandle };

export type Keywords = Record<string, unknown>;
/** A gradient for each argument or result that is a tensor, null for the others. */
export type ModuleGradients = readonly (Tensor | null)[];

/** May return other arguments for `forward`: a list, or one value. */
export type ForwardPreHook = (module: Module, args: unknown[]) => unknown;
/** May return other arguments: a pair of a list and an object. */
export type ForwardPreHookWithKwargs = (module: Module, args: unknown[], kwargs: Keywords) => unknown;
/** May return another output. */
export type ForwardHook = (module: Module, args: unknown[], output: unknown) => unknown;
/** May return another output. */
export type ForwardHookWithKwargs = (module: Module, args: unknown[], kwargs: Keywords, output: unknown) => unknown;
/** May return other gradients of the arguments. */
export type BackwardHook = (module: Module, grad_input: ModuleGradients, grad_output: ModuleGradients) => unknown;
/** May return other gradients of the output. */
export type BackwardPreHook = (module: Module, grad_output: ModuleGradients) => unknown;

export type StateDictPreHook = (module: Module, prefix: string, keep_vars: boolean) => void;
export type StateDictHook = (
  module: Module,
  state_dict: StateDict,
  prefix: string,
  local_metadata: LocalMetadata,
) => unknown;
/** May change everything that it is given. */
export type LoadStateDictPreHook = (
  module: Module,
  state_dict: Record<string, unknown>,
  prefix: string,
  local_metadata: LocalMetadata,
  strict: boolean,
  missing_keys: string[],
  unexpected_keys: string[],
  error_msgs: string[],
) => void;
/** May change the lists of keys. */
export type LoadStateDictPostHook = (module: Module, incompatible_keys: IncompatibleKeys) => void;

/** What a state notes about a module, beside its tensors. */
export interface LocalMetadata {
  version?: number;
  assign_to_params_buffers?: boolean;
  [extra: string]: unknown;
}

/** Hooks of one kind by their numbers, in the order in which they run. */
export class HookTable<E> {
  private readonly entries = new Map<number, E>();

  add(entry: E, prepend = false): RemovableHandle {
    const { entries } = this;
    const handle: RemovableHandle = new RemovableHandle(() => entries.delete(handle.id));
    const others = prepend ? [...entries] : [];
    if (prepend) entries.clear();
    entries.set(handle.id, entry);
    for (const [id, other] of others) entries.set(id, other);
    return handle;
  }

  get isEmpty(): boolean {
    return this.entries.size === 0;
  }

  /** Those that are there now: hooks may add and remove hooks. */
  list(): E[] {
    return this.entries.size === 0 ? [] : [...this.entries.values()];
  }

  /** The same hooks under the same numbers, in a table of their own. */
  copyTo(other: HookTable<E>): void {
    for (const [id, entry] of this.entries) other.entries.set(id, entry);
  }
}

/** Refuses what is not a function. */
export function checkedHook<H>(hook: H): H {
  if (typeof hook !== "function") throw new TypeError("a hook must be a function");
  return hook;
}

export interface ForwardEntry {
  readonly hook: ForwardHook | ForwardHookWithKwargs;
  readonly withKwargs: boolean;
  readonly alwaysCall: boolean;
}

export interface ForwardPreEntry {
  readonly hook: ForwardPreHook | ForwardPreHookWithKwargs;
  readonly withKwargs: boolean;
}

/** Hooks that run when a module is called, or when gradients come to it. */
export class CallHooks {
  readonly forwardPre: HookTable<ForwardPreEntry> = new HookTable();
  readonly forward: HookTable<ForwardEntry> = new HookTable();
  readonly backwardPre: HookTable<BackwardPreHook> = new HookTable();
  readonly backward: HookTable<BackwardHook> = new HookTable();
  /** Which kind the hooks in `backward` are; the kinds cannot be mixed. Null before the first. */
  backwardIsFull: boolean | null = null;

  get isEmpty(): boolean {
    return this.forwardPre.isEmpty && this.forward.isEmpty && this.backwardPre.isEmpty && this.backward.isEmpty;
  }

  addBackward(hook: BackwardHook, full: boolean, where: string, prepend = false): RemovableHandle {
    checkedHook(hook);
    if (this.backwardIsFull === !full) {
      throw new RuntimeError(
        `Cannot use both regular backward hooks and full backward hooks ${where}. Please use only one of them.`,
      );
    }
    this.backwardIsFull = full;
    return this.backward.add(hook, prepend);
  }

  copyTo(other: CallHooks): void {
    this.forwardPre.copyTo(other.forwardPre);
    this.forward.copyTo(other.forward);
    this.backwardPre.copyTo(other.backwardPre);
    this.backward.copyTo(other.backward);
    other.backwardIsFull = this.backwardIsFull;
  }
}

/** All hooks of one module. */
export class ModuleHooks extends CallHooks {
  readonly stateDictPre: HookTable<StateDictPreHook> = new HookTable();
  readonly stateDict: HookTable<{ hook: StateDictHook; isPublic: boolean }> = new HookTable();
  readonly loadStateDictPre: HookTable<LoadStateDictPreHook> = new HookTable();
  readonly loadStateDictPost: HookTable<LoadStateDictPostHook> = new HookTable();

  copy(): ModuleHooks {
    const copy = new ModuleHooks();
    this.copyTo(copy);
    this.stateDictPre.copyTo(copy.stateDictPre);
    this.stateDict.copyTo(copy.stateDict);
    this.loadStateDictPre.copyTo(copy.loadStateDictPre);
    this.loadStateDictPost.copyTo(copy.loadStateDictPost);
    return copy;
  }
}
