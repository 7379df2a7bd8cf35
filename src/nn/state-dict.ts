/** A module's state as PyTorch names it, and loading it back. */
import { no_grad } from "../autograd/mode.ts";
import { RuntimeError } from "../errors.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import type { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

/** Tensors by their full names, such as `layer1.0.weight`, in PyTorch's order. The object has no prototype. */
export type StateDict = Record<string, Tensor>;

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
  for (const [name, tensor] of module.ownState()) into[prefix + name] = keepVars ? tensor : tensor.detach();
  for (const [name, child] of module.named_children()) {
    child.state_dict({ prefix: `${prefix}${name}.`, keep_vars: keepVars, destination: into });
  }
  return into;
}

interface LoadPlan {
  readonly copies: { target: Tensor; source: Tensor; module: Module; name: string }[];
  readonly missing: string[];
  readonly unexpected: Set<string>;
  readonly errors: string[];
}

function plan(
  module: Module,
  state: Readonly<Record<string, unknown>>,
  prefix: string,
  assign: boolean,
  out: LoadPlan,
): void {
  for (const [name, target] of module.ownState()) {
    const key = prefix + name;
    out.unexpected.delete(key);
    if (!Object.hasOwn(state, key)) {
      out.missing.push(key);
      continue;
    }
    const source = state[key];
    if (!is_tensor(source)) {
      out.errors.push(
        `While copying the parameter named "${key}", expected torch.Tensor or Tensor-like object from checkpoint but received ${typeof source}`,
      );
      continue;
    }
    if (source.sizes.length !== target.sizes.length || source.sizes.some((s, i) => s !== target.sizes[i])) {
      out.errors.push(
        `size mismatch for ${key}: copying a param with shape torch.Size([${source.sizes.join(", ")}]) from checkpoint, the shape in current model is torch.Size([${target.sizes.join(", ")}]).`,
      );
      continue;
    }
    out.copies.push({ target, source, module, name });
  }
  for (const [name, child] of module.named_children()) plan(child, state, `${prefix}${name}.`, assign, out);
}

/** Copies `state` into `module`. Everything is checked before anything is written. */
export function loadState(
  module: Module,
  state: Readonly<Record<string, unknown>>,
  options: { strict: boolean; assign: boolean },
): IncompatibleKeys {
  if (typeof state !== "object" || state === null) {
    throw new TypeError(`Expected state_dict to be dict-like, got ${typeof state}.`);
  }
  const found: LoadPlan = { copies: [], missing: [], unexpected: new Set(Object.keys(state)), errors: [] };
  plan(module, state, "", options.assign, found);
  const unexpected = [...found.unexpected];
  const errors = [...found.errors];
  if (options.strict) {
    const quote = (keys: readonly string[]): string => keys.map((k) => `"${k}"`).join(", ");
    if (found.missing.length > 0) errors.unshift(`Missing key(s) in state_dict: ${quote(found.missing)}. `);
    if (unexpected.length > 0) errors.unshift(`Unexpected key(s) in state_dict: ${quote(unexpected)}. `);
  }
  if (errors.length > 0) {
    throw new RuntimeError(`Error(s) in loading state_dict for ${module.className()}:\n\t${errors.join("\n\t")}`);
  }
  no_grad(() => {
    for (const { target, source, module: owner, name } of found.copies) {
      if (!options.assign) {
        target.copy_(source);
        continue;
      }
      const field =
        target instanceof Parameter
          ? new Parameter(source.detach(), target.requires_grad && source.is_floating_point())
          : source;
      owner.setField(name, field);
    }
  });
  return new IncompatibleKeys(found.missing, unexpected);
}
