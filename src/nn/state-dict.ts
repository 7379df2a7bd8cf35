/** A module's state as PyTorch names it, and loading it back. */
import { withGradMode } from "../autograd/mode.ts";
import { RuntimeError } from "../errors.ts";
import { isOptions } from "../keywords.ts";
import { sizeToString } from "../print/index.ts";
import { describe, sameShape } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import type { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

/**
 * Tensors by their full names, such as `layer1.0.weight`, in PyTorch's order. The object has no prototype. What PyTorch
 * keeps beside the tensors, the version of each module's state, is in `_metadata`, which is not enumerable.
 */
export type StateDict = Record<string, Tensor>;

type Metadata = Record<string, { version?: number }>;

export function emptyState(): StateDict {
  return Object.create(null, { _metadata: { value: Object.create(null) } }) as StateDict;
}

function metadataOf(state: object): Metadata | undefined {
  return (state as { _metadata?: Metadata })._metadata;
}

/** What `load_state_dict` found wrong. Prints as PyTorch's `<All keys matched successfully>`. */
export class IncompatibleKeys {
  readonly missing_keys: readonly string[];
  readonly unexpected_keys: readonly string[];
  constructor(missing: readonly string[], unexpected: readonly string[]) {
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

/** The state of `module`: its parameters, its persistent buffers, then its children's, names with `prefix`. */
export function collectState(module: Module, prefix: string, keepVars: boolean, into: StateDict): StateDict {
  const metadata = metadataOf(into);
  if (metadata !== undefined) metadata[prefix.slice(0, -1)] = { version: module.currentStateVersion() };
  for (const [name, tensor] of module.ownState()) into[prefix + name] = keepVars ? tensor : tensor.detach();
  for (const [name, child] of module.childEntries()) {
    child.state_dict({ prefix: `${prefix}${name}.`, keep_vars: keepVars, destination: into });
  }
  return into;
}

interface LoadPlan {
  readonly copies: { target: Tensor; source: Tensor; module: Module; name: string }[];
  readonly missing: string[];
  readonly unexpected: string[];
  readonly errors: string[];
}

function sizeText(t: Tensor): string {
  return sizeToString(t.shape);
}

/** Notes in `plan` what to copy from `state`, whose keys all start with `prefix`, and what is wrong. */
function planLoad(
  module: Module,
  state: Record<string, unknown>,
  metadata: Metadata | undefined,
  prefix: string,
  plan: LoadPlan,
): void {
  module.upgradeState(state, prefix, metadata?.[prefix.slice(0, -1)]?.version ?? null);
  const own = new Map(module.ownState());
  const children = new Map(module.childEntries());
  for (const [name, target] of own) {
    const key = prefix + name;
    if (!Object.hasOwn(state, key)) {
      plan.missing.push(key);
      continue;
    }
    const given = state[key];
    if (!is_tensor(given)) {
      plan.errors.push(
        `While copying the parameter named "${key}", expected torch.Tensor or Tensor-like object from checkpoint but received <class '${describe(given)}'>`,
      );
      continue;
    }
    // Before version 0.4 PyTorch had no 0-dimensional tensors.
    const source = target.dim() === 0 && sameShape(given.shape, [1]) ? given.select(0, 0) : given;
    if (!sameShape(source.shape, target.shape)) {
      plan.errors.push(
        `size mismatch for ${key}: copying a param with shape ${sizeText(source)} from checkpoint, the shape in current model is ${sizeText(target)}.`,
      );
      continue;
    }
    plan.copies.push({ target, source, module, name });
  }
  for (const key of Object.keys(state)) {
    const [first, ...rest] = key.slice(prefix.length).split(".");
    if (rest.length > 0 ? !children.has(first) : !own.has(first)) plan.unexpected.push(key);
  }
  for (const [name, child] of children) {
    const below = `${prefix}${name}.`;
    const part = Object.entries(state).filter(([key]) => key.startsWith(below));
    planLoad(child, Object.fromEntries(part), metadata, below, plan);
  }
}

/** Copies `state` into `module`. Everything is checked before anything is written. */
export function loadState(
  module: Module,
  state: Readonly<Record<string, unknown>>,
  options: { strict: boolean; assign: boolean },
): IncompatibleKeys {
  if (!isOptions(state)) {
    const hint = (state as unknown) instanceof Promise ? " Loading is asynchronous: await it first." : "";
    throw new TypeError(`Expected state_dict to be dict-like, got <class '${describe(state)}'>.${hint}`);
  }
  const plan: LoadPlan = { copies: [], missing: [], unexpected: [], errors: [] };
  planLoad(module, { ...state }, metadataOf(state), "", plan);
  const errors = [...plan.errors];
  if (options.strict) {
    const quote = (keys: readonly string[]): string => keys.map((key) => `"${key}"`).join(", ");
    if (plan.unexpected.length > 0) errors.unshift(`Unexpected key(s) in state_dict: ${quote(plan.unexpected)}. `);
    if (plan.missing.length > 0) errors.unshift(`Missing key(s) in state_dict: ${quote(plan.missing)}. `);
  }
  if (errors.length > 0) {
    throw new RuntimeError(`Error(s) in loading state_dict for ${module.className()}:\n\t${errors.join("\n\t")}`);
  }
  withGradMode(false, () => {
    for (const { target, source, module: owner, name } of plan.copies) {
      if (!options.assign) target.copy_(source);
      else if (!(target instanceof Parameter)) owner.setField(name, source);
      else if (source instanceof Parameter) owner.setField(name, source.requires_grad_(target.requires_grad));
      else owner.setField(name, new Parameter(source, target.requires_grad));
    }
  });
  return new IncompatibleKeys(plan.missing, plan.unexpected);
}
