/** Modules as functions of their state. https://pytorch.org/docs/stable/generated/torch.func.functional_call.html */
import { KeyError, RuntimeError, ValueError } from "../errors.ts";
import { namedArguments } from "../keywords.ts";
import type { Module } from "../nn/module.ts";
import { stack } from "../ops/joining.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { typeText } from "./grad.ts";
import { isPlainObject } from "./pytree.ts";

/** Tensors by the names that `named_parameters` and `named_buffers` give them. */
export type NamedTensors = Record<string, Tensor>;

export interface FunctionalCallOptions {
  /** Keyword arguments of the module. */
  readonly kwargs?: Readonly<Record<string, unknown>> | null;
  /** A tensor given for one name of a tensor that the module has twice counts for its other names too. Default true. */
  readonly tie_weights?: boolean;
  /** Names must be those of the module, and all of them. Default false. */
  readonly strict?: boolean;
}

/** One dictionary of several whose names differ. */
function merged(dicts: unknown): NamedTensors {
  if (isPlainObject(dicts)) return dicts as NamedTensors;
  if (!Array.isArray(dicts)) {
    throw new ValueError(
      `Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got ${typeText(dicts)}`,
    );
  }
  if (!dicts.every(isPlainObject)) {
    throw new ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries");
  }
  const keys = dicts.flatMap((dict) => Object.keys(dict));
  const repeated = [...new Set(keys.filter((key, i) => keys.indexOf(key) !== i))];
  if (repeated.length > 0) {
    throw new ValueError(
      `[${repeated.map((key) => `'${key}'`).join(", ")}] appeared in multiple dictionaries; behavior of functional call is ambiguous`,
    );
  }
  return Object.assign({}, ...dicts) as NamedTensors;
}

/** For each name in the module all names of the same tensor. */
function tiedNames(module: Module): Map<string, string[]> {
  const byTensor = new Map<Tensor, string[]>();
  for (const [name, tensor] of [
    ...module.named_parameters({ remove_duplicate: false }),
    ...module.named_buffers({ remove_duplicate: false }),
  ]) {
    const names = byTensor.get(tensor);
    if (names) names.push(name);
    else byTensor.set(tensor, [name]);
  }
  const result = new Map<string, string[]>();
  for (const names of byTensor.values()) for (const name of names) result.set(name, names);
  return result;
}

/** Adds the other names of tied tensors. */
function untied(given: NamedTensors, tied: Map<string, string[]>): NamedTensors {
  const all = { ...given };
  for (const name of Object.keys(given)) {
    const names = tied.get(name) ?? [name];
    const values = new Set(names.filter((other) => Object.hasOwn(given, other)).map((other) => given[other]));
    if (values.size > 1) {
      throw new ValueError(
        `functional_call got multiple values for keys [${[...names]
          .sort()
          .map((n) => `'${n}'`)
          .join(", ")}], which are tied. Consider using tie_weights=False`,
      );
    }
    for (const other of names) all[other] = given[name];
  }
  return all;
}

function checkKeys(module: Module, given: NamedTensors, known: Iterable<string>): void {
  const names = new Set(known);
  const quoted = (list: string[]): string => list.map((name) => `'${name}'`).join(", ");
  const unexpected = Object.keys(given).filter((name) => !names.has(name));
  const missing = [...names].filter((name) => !Object.hasOwn(given, name)).sort();
  const messages: string[] = [];
  if (unexpected.length > 0) messages.push(`Unexpected key(s): ${quoted(unexpected)}.`);
  if (missing.length > 0) messages.push(`Missing key(s): ${quoted(missing)}.`);
  if (messages.length > 0) {
    throw new RuntimeError(`Error(s) in reparametrizing for ${module.className()}:\n\t${messages.join("\n\t")}`);
  }
}

/** A field of a module somewhere below another. */
interface Place {
  readonly owner: Record<string, unknown>;
  readonly field: string;
  readonly name: string;
  readonly existed: boolean;
  readonly before: unknown;
}

function placeOf(module: Module, name: string): Place {
  const at = name.lastIndexOf(".");
  let owner: Module = module;
  for (const part of at < 0 ? [] : name.slice(0, at).split(".")) {
    const next = (owner as unknown as Record<string, unknown>)[part];
    if (typeof next !== "function") throw new KeyError(`${owner.className()} has no attribute \`${part}\``);
    owner = next as unknown as Module;
  }
  const field = name.slice(at + 1);
  const fields = owner as unknown as Record<string, unknown>;
  return { owner: fields, field, name, existed: Object.hasOwn(fields, field), before: fields[field] };
}

/**
 * `module(...args)` with the given tensors in place of its parameters and buffers; what is not given stays. The module is
 * as before afterwards, also after an error; buffers that it replaced are then in the dictionary that they came in.
 * `parameter_and_buffer_dicts`: tensors by name, or a list of such objects. `args`: one argument or an array of them.
 * Further arguments, by keyword: `kwargs`, `tie_weights`, `strict`.
 */
export function functional_call<M extends Module>(
  module: M,
  parameter_and_buffer_dicts: NamedTensors | readonly NamedTensors[],
  args?: unknown,
  ...rest: (FunctionalCallOptions | FunctionalCallOptions["kwargs"] | boolean)[]
): ReturnType<M["forward"]> {
  const positionalKwargs = isPlainObject(rest[0]) && !isOptionsOfCall(rest[0]) ? rest[0] : null;
  const values = namedArguments(
    "functional_call",
    ["kwargs", "tie_weights", "strict"],
    positionalKwargs === null ? rest : rest.slice(1),
  );
  const kwargs = positionalKwargs ?? (values.kwargs as Record<string, unknown> | null | undefined);
  const given = merged(parameter_and_buffer_dicts);
  const tied = tiedNames(module);
  const tensors = (values.tie_weights ?? true) ? untied(given, tied) : given;
  if (values.strict === true) checkKeys(module, tensors, tied.keys());
  const places: Place[] = [];
  try {
    for (const [name, tensor] of Object.entries(tensors)) {
      if (!is_tensor(tensor)) throw new TypeError(`${String(tensor)} is not an instance of torch.Tensor`);
      const place = placeOf(module, name);
      places.push(place);
      place.owner[place.field] = tensor;
    }
    const list = args === undefined || args === null ? [] : Array.isArray(args) ? (args as unknown[]) : [args];
    const call = module as unknown as (...all: unknown[]) => ReturnType<M["forward"]>;
    return kwargs ? call(...list, kwargs) : call(...list);
  } finally {
    for (const { owner, field, name, existed, before } of places.reverse()) {
      for (const dict of Array.isArray(parameter_and_buffer_dicts)
        ? (parameter_and_buffer_dicts as NamedTensors[])
        : [parameter_and_buffer_dicts as NamedTensors]) {
        if (Object.hasOwn(dict, name) && is_tensor(owner[field])) dict[name] = owner[field];
      }
      if (existed) owner[field] = before;
      else delete owner[field];
    }
  }
}

/** Whether an object has nothing but options of `functional_call` itself. */
function isOptionsOfCall(x: Record<string, unknown>): boolean {
  const keys = Object.keys(x);
  return keys.length > 0 && keys.every((key) => key === "kwargs" || key === "tie_weights" || key === "strict");
}

/**
 * The parameters and the buffers of several models of one class, by name, each stacked along a new first dimension: what
 * `vmap` over `functional_call` takes to run them all at once.
 */
export function stack_module_state(models: Iterable<Module>): [params: NamedTensors, buffers: NamedTensors] {
  const list = [...models];
  if (list.length === 0) throw new RuntimeError("stack_module_state: Expected at least one model, got 0.");
  if (list.some((m) => m.training !== list[0].training)) {
    throw new RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.");
  }
  if (list.some((m) => m.constructor !== list[0].constructor)) {
    throw new RuntimeError("stack_module_state: Expected all models to be of the same class.");
  }
  const params = list.map((m) => Object.fromEntries(m.named_parameters()) as NamedTensors);
  const buffers = list.map((m) => Object.fromEntries(m.named_buffers()) as NamedTensors);
  return [stackedByName(params), stackedByName(buffers)];
}

function stackedByName(all: readonly NamedTensors[]): NamedTensors {
  return Object.fromEntries(
    Object.keys(all[0]).map((name) => {
      const tensors = all.map((state) => state[name]);
      const required = tensors.filter((t) => t.requires_grad).length;
      if (required !== 0 && required !== tensors.length) {
        throw new RuntimeError(`Expected ${name} from each model to have the same .requires_grad`);
      }
      const stacked = stack(tensors, 0);
      return [name, required === 0 ? stacked : stacked.detach().requires_grad_()];
    }),
  );
}
