/** A module's state as PyTorch names it, and loading it back. */
import { withGradMode } from "../autograd/mode.ts";
import { AssertionError, RuntimeError } from "../errors.ts";
import { isOptions } from "../keywords.ts";
import { sizeToString } from "../print/index.ts";
import { describe, sameShape } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import type { LocalMetadata } from "./hooks.ts";
import type { Module } from "./module.ts";
import { registries } from "./module-members.ts";
import { Parameter } from "./parameter.ts";

/**
 * Tensors by their full names, such as `layer1.0.weight`, in PyTorch's order. The object has no prototype. What PyTorch
 * keeps beside the tensors, the version of each module's state, is in `_metadata`, which is not enumerable.
 */
export type StateDict = Record<string, Tensor>;

type Metadata = Record<string, LocalMetadata>;

export function emptyState(): StateDict {
  return Object.create(null, { _metadata: { value: Object.create(null) } }) as StateDict;
}

function metadataOf(state: object): Metadata | undefined {
  return (state as { _metadata?: Metadata })._metadata;
}

/** What `load_state_dict` found wrong. Prints as PyTorch's `<All keys matched successfully>`. */
export class IncompatibleKeys {
  readonly missing_keys: string[];
  readonly unexpected_keys: string[];
  constructor(missing: string[], unexpected: string[]) {
    this.missing_keys = missing;
    this.unexpected_keys = unexpected;
  }
  toString(): string {
    if (this.missing_keys.length === 0 && this.unexpected_keys.length === 0) return "<All keys matched successfully>";
    const list = (keys: readonly string[]): string => `[${keys.map((k) => `'${k}'`).join(", ")}]`;
    return `_IncompatibleKeys(missing_keys=${list(this.missing_keys)}, unexpected_keys=${list(this.unexpected_keys)})`;
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** The key of what `get_extra_state` gives. */
const EXTRA_STATE = "_extra_state";

/** The state of `module`: its parameters, its persistent buffers, then its children's, names with `prefix`. */
export function collectState(
  module: Module,
  options: { destination?: StateDict; prefix?: string; keep_vars?: boolean },
): StateDict {
  const { prefix = "", keep_vars = false } = options;
  let destination = options.destination ?? emptyState();
  const local: LocalMetadata = { version: module.currentStateVersion() };
  const metadata = metadataOf(destination);
  if (metadata !== undefined) metadata[prefix.slice(0, -1)] = local;
  const { hooks } = module[registries];
  for (const hook of hooks?.stateDictPre.list() ?? []) hook(module, prefix, keep_vars);
  module._save_to_state_dict(destination, prefix, keep_vars);
  for (const [name, child] of module.childEntries()) {
    child.state_dict({ prefix: `${prefix}${name}.`, keep_vars, destination });
  }
  for (const { hook, isPublic } of hooks?.stateDict.list() ?? []) {
    const returned = hook(module, destination, prefix, local) ?? null;
    if (returned === null) continue;
    if (isPublic) throw new RuntimeError("state_dict post-hook must return None");
    destination = returned as StateDict;
  }
  return destination;
}

/** The part of a state that is of `module` alone. */
export function saveOwnState(module: Module, destination: StateDict, prefix: string, keepVars: boolean): void {
  for (const [name, tensor] of module.ownState()) destination[prefix + name] = keepVars ? tensor : tensor.detach();
  if (module.overrides("get_extra_state")) destination[prefix + EXTRA_STATE] = module.get_extra_state() as Tensor;
}

/**
 * What is to be written, while it waits until everything was checked: a state that does not fit changes nothing. Null
 * while a module has code of its own for loading, which must find the tensors loaded.
 */
let pending: (() => void)[] | null = null;

function perform(write: () => void): void {
  if (pending === null) write();
  else pending.push(write);
}

/** Takes the state of `module` alone. `state` has only keys that start with `prefix`. */
export function loadOwnState(
  module: Module,
  state: Record<string, unknown>,
  prefix: string,
  metadata: LocalMetadata,
  strict: boolean,
  missing: string[],
  unexpected: string[],
  errors: string[],
): void {
  module.upgradeState(state, prefix, metadata.version ?? null);
  for (const hook of module[registries].hooks?.loadStateDictPre.list() ?? []) {
    hook(module, state, prefix, metadata, strict, missing, unexpected, errors);
  }
  const own = new Map(module.ownState());
  for (const [name, target] of own) {
    const key = prefix + name;
    if (!Object.hasOwn(state, key)) {
      if (strict) missing.push(key);
      continue;
    }
    const source = fitting(key, target, state[key], errors);
    if (source === null) continue;
    perform(() => {
      try {
        withGradMode(false, () => write(module, name, target, source, metadata.assign_to_params_buffers === true));
      } catch (error) {
        errors.push(
          `While copying the parameter named "${key}", whose dimensions in the model are ${sizeText(target)} and whose dimensions in the checkpoint are ${sizeText(source)}, an exception occurred : ('${(error as Error).message}',).`,
        );
      }
    });
  }
  const extraKey = prefix + EXTRA_STATE;
  const extra = Object.hasOwn(state, extraKey);
  if (module.overrides("set_extra_state")) {
    if (extra) perform(() => module.set_extra_state(state[extraKey]));
    else if (strict) missing.push(extraKey);
  } else if (strict && extra) unexpected.push(extraKey);
  if (strict) findUnexpected(module, Object.keys(state), prefix, own, unexpected);
}

/** The tensor that `target` is to be loaded from; null, with a note in `errors`, where it does not fit. */
function fitting(key: string, target: Tensor, given: unknown, errors: string[]): Tensor | null {
  if (!is_tensor(given)) {
    errors.push(
      `While copying the parameter named "${key}", expected torch.Tensor or Tensor-like object from checkpoint but received <class '${describe(given)}'>`,
    );
    return null;
  }
  // Before version 0.4 PyTorch had no 0-dimensional tensors.
  const source = target.dim() === 0 && sameShape(given.shape, [1]) ? given.select(0, 0) : given;
  if (sameShape(source.shape, target.shape)) return source;
  errors.push(
    `size mismatch for ${key}: copying a param with shape ${sizeText(source)} from checkpoint, the shape in current model is ${sizeText(target)}.`,
  );
  return null;
}

function write(module: Module, name: string, target: Tensor, source: Tensor, assign: boolean): void {
  if (!assign) target.copy_(source);
  else if (!(target instanceof Parameter)) module.setField(name, source);
  else if (source instanceof Parameter) module.setField(name, source.requires_grad_(target.requires_grad));
  else module.setField(name, new Parameter(source, target.requires_grad));
}

function findUnexpected(
  module: Module,
  keys: readonly string[],
  prefix: string,
  own: ReadonlyMap<string, Tensor>,
  unexpected: string[],
): void {
  const children = new Map(module.childEntries());
  for (const key of keys) {
    if (!key.startsWith(prefix) || key === prefix + EXTRA_STATE) continue;
    const [first, ...rest] = key.slice(prefix.length).split(".");
    if (rest.length > 0 ? !children.has(first) : !own.has(first)) unexpected.push(key);
  }
}

/** Whether a module below has code of its own for loading. */
function hasOwnLoading(module: Module): boolean {
  for (const m of module.modules()) {
    const { hooks } = m[registries];
    if (m.overrides("_load_from_state_dict")) return true;
    if (hooks !== null && !(hooks.loadStateDictPre.isEmpty && hooks.loadStateDictPost.isEmpty)) return true;
  }
  return false;
}

/**
 * Copies `state` into `module`. Everything is checked before anything is written, unless a module has hooks or code of its
 * own for loading.
 */
export function loadState(
  module: Module,
  state: Readonly<Record<string, unknown>>,
  { strict, assign }: { strict: boolean; assign: boolean },
): IncompatibleKeys {
  if (!isOptions(state)) {
    const hint = (state as unknown) instanceof Promise ? " Loading is asynchronous: await it first." : "";
    throw new TypeError(`Expected state_dict to be dict-like, got <class '${describe(state)}'>.${hint}`);
  }
  const keys = new IncompatibleKeys([], []);
  const errors: string[] = [];
  const metadata = metadataOf(state);
  const outer = pending;
  const writes: (() => void)[] | null = hasOwnLoading(module) ? null : [];
  pending = writes;
  try {
    loadTree(module, { ...state }, "", { metadata, assign, keys, errors });
    throwErrors(module, errors, strict ? keys : null);
    pending = null;
    for (const perform of writes ?? []) perform();
    throwErrors(module, errors, null);
  } finally {
    pending = outer;
  }
  return keys;
}

interface Loading {
  readonly metadata: Metadata | undefined;
  readonly assign: boolean;
  readonly keys: IncompatibleKeys;
  readonly errors: string[];
}

/** Loads `module` and those below from a state that they may change. */
function loadTree(module: Module, state: Record<string, unknown>, prefix: string, loading: Loading): void {
  const { metadata, assign, keys, errors } = loading;
  const local: LocalMetadata = { ...metadata?.[prefix.slice(0, -1)] };
  if (assign) local.assign_to_params_buffers = true;
  module._load_from_state_dict(state, prefix, local, true, keys.missing_keys, keys.unexpected_keys, errors);
  for (const [name, child] of module.childEntries()) {
    const below = `${prefix}${name}.`;
    const part = Object.entries(state).filter(([key]) => key.startsWith(below));
    loadTree(child, Object.fromEntries(part), below, loading);
  }
  for (const hook of module[registries].hooks?.loadStateDictPost.list() ?? []) {
    const returned: unknown = hook(module, keys);
    if (returned !== undefined && returned !== null) {
      throw new AssertionError(
        "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, if incompatible_keys need to be modified, it should be done inplace.",
      );
    }
  }
}

/** Throws what was found wrong, with what the `keys` say if they count. */
function throwErrors(module: Module, errors: readonly string[], keys: IncompatibleKeys | null): void {
  const all = [...errors];
  if (keys !== null) {
    const quote = (names: readonly string[]): string => names.map((key) => `"${key}"`).join(", ");
    if (keys.unexpected_keys.length > 0) {
      all.unshift(`Unexpected key(s) in state_dict: ${quote(keys.unexpected_keys)}. `);
    }
    if (keys.missing_keys.length > 0) all.unshift(`Missing key(s) in state_dict: ${quote(keys.missing_keys)}. `);
  }
  if (all.length > 0) {
    throw new RuntimeError(`Error(s) in loading state_dict for ${module.className()}:\n\t${all.join("\n\t")}`);
  }
}

function sizeText(t: Tensor): string {
  return sizeToString(t.shape);
}
