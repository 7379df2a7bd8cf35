/** The members of modules: parameters, buffers and the modules below, which are the fields that hold such values. */

import { KeyError } from "../errors.ts";
import { checkKeywords, isOptions } from "../keywords.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { callModule } from "./calling.ts";
import { registered, watchesRegistrations } from "./global-hooks.ts";
import type { ModuleHooks } from "./hooks.ts";
import type { Module } from "./module.ts";
import { Buffer, Parameter } from "./parameter.ts";

/** What a module keeps about itself beside its fields. */
export interface Registry {
  hooks: ModuleHooks | null;
  /** Names of fields in order, where JavaScript's own order is another. */
  order: string[] | null;
  /** Names of buffers and whether they are part of the state. */
  readonly buffers: Map<string, boolean>;
  /** Whether assignments are told to registration hooks. */
  readonly watched: boolean;
}

/** @internal */
export const registries: unique symbol = Symbol("Kindling module registry");

/** How `named_parameters` and its kin walk. */
export interface MemberOptions {
  /** Comes before all names. Default "". */
  readonly prefix?: string;
  /** Walk the modules below too. Default true. */
  readonly recurse?: boolean;
  /** Yield each tensor only once. Default true. */
  readonly remove_duplicate?: boolean;
}

/** What `Module` inherits: it is called, and it has members. */
export abstract class ModuleMembers {
  /** Whether the module is in training mode: matters to dropout and batch norm. */
  declare training: boolean;
  /** @internal */ declare readonly [registries]: Registry;

  constructor(...none: never[]) {
    if (none.length > 0) {
      const [first] = none as readonly unknown[];
      const name = new.target.name;
      if (isOptions(first)) checkKeywords(`${name}.__init__`, first, []);
      throw new TypeError(`${name}.__init__() takes no arguments but ${none.length} were given`);
    }
    // Measured in V8: a closure with the class's prototype costs 10–17 ns a call; a Proxy is five times slower.
    const plain = ((...args: unknown[]) => callModule(self, self[registries].hooks, args)) as unknown as Module;
    Object.setPrototypeOf(plain, new.target.prototype);
    const fields = plain as unknown as Record<string, unknown>;
    // These belong to functions and would hide fields of these names.
    delete fields.name;
    delete fields.length;
    const watched = watchesRegistrations();
    Object.defineProperty(plain, registries, {
      value: { hooks: null, order: null, buffers: new Map(), watched } satisfies Registry,
    });
    // Not enumerable, so that walking the fields of a module meets only what its author put there.
    Object.defineProperty(plain, "training", { value: true, writable: true, configurable: true });
    const self = watched ? watching(plain) : plain;
    // biome-ignore lint/correctness/noConstructorReturn: the module is this function.
    return self;
  }

  /** @internal The name shown in texts. */
  className(): string {
    return this.constructor.name;
  }

  /** Names of the fields, in the order in which they were made. */
  protected fieldNames(): string[] {
    const names = Object.keys(this);
    const { order } = this[registries];
    return order === null ? names : [...new Set([...order.filter((name) => Object.hasOwn(this, name)), ...names])];
  }

  /** @internal The fields whose values `accept` takes, with their names. */
  entries<T>(accept: (value: unknown, name: string) => value is T): [string, T][] {
    const found: [string, T][] = [];
    for (const name of this.fieldNames()) {
      const value = (this as unknown as Record<string, unknown>)[name];
      if (accept(value, name)) found.push([name, value]);
    }
    return found;
  }

  /** @internal */
  ownParameters(): [string, Parameter][] {
    return this.entries(isParameter);
  }

  /** @internal */
  ownBuffers(): [string, Tensor][] {
    const { buffers } = this[registries];
    return this.entries(
      (value, name): value is Tensor => value instanceof Buffer || (is_tensor(value) && buffers.has(name)),
    );
  }

  /** @internal Parameters and persistent buffers of this module itself. */
  ownState(): [string, Tensor][] {
    const persistent = ([name, buffer]: [string, Tensor]): boolean =>
      buffer instanceof Buffer ? buffer.persistent : this[registries].buffers.get(name) === true;
    return [...this.ownParameters(), ...this.ownBuffers().filter(persistent)];
  }

  /** @internal */
  setField(name: string, value: unknown): void {
    // JavaScript walks names that are array indices first, in numerical order: note the real order where that differs.
    if (!Object.hasOwn(this, name) && /^(0|[1-9]\d*)$/.test(name)) {
      const names = this.fieldNames();
      const registry = this[registries];
      if (registry.order !== null || names.some((other) => !(Number(other) < Number(name)))) {
        registry.order = [...names, name];
      }
    }
    (this as unknown as Record<string, unknown>)[name] = value;
  }

  /** @internal The direct children with their names, one that is there twice twice. */
  childEntries(): [string, Module][] {
    return this.entries(isModule);
  }

  /** The direct children with their names, each once. */
  *named_children(): Generator<[string, Module]> {
    const seen = new Set<Module>();
    for (const [name, child] of this.childEntries()) {
      if (seen.has(child)) continue;
      seen.add(child);
      yield [name, child];
    }
  }

  /** The direct children. */
  *children(): Generator<Module> {
    for (const [, child] of this.named_children()) yield child;
  }

  /** This module and all below it, each once, with their names. */
  *named_modules(memo: Set<Module> = new Set(), prefix = "", remove_duplicate = true): Generator<[string, Module]> {
    const self = this as unknown as Module;
    if (memo.has(self)) return;
    if (remove_duplicate) memo.add(self);
    yield [prefix, self];
    for (const [name, child] of this.childEntries()) {
      yield* child.named_modules(memo, prefix === "" ? name : `${prefix}.${name}`, remove_duplicate);
    }
  }

  /** This module and all below it, each once. */
  *modules(): Generator<Module> {
    for (const [, module] of this.named_modules()) yield module;
  }

  private *namedMembers<T extends Tensor>(
    own: (module: Module) => Iterable<[string, T]>,
    { prefix = "", recurse = true, remove_duplicate = true }: MemberOptions,
  ): Generator<[string, T]> {
    const seen = new Set<Tensor>();
    const modules: Iterable<[string, Module]> = recurse
      ? this.named_modules(new Set(), prefix, remove_duplicate)
      : [[prefix, this as unknown as Module]];
    for (const [path, module] of modules) {
      for (const [name, member] of own(module)) {
        if (remove_duplicate && seen.has(member)) continue;
        seen.add(member);
        yield [path === "" ? name : `${path}.${name}`, member];
      }
    }
  }

  /** All parameters with their names, each once. `prefix` comes before the names; `recurse: false` stays in this module. */
  named_parameters(prefix: string | MemberOptions = "", recurse = true): Generator<[string, Parameter]> {
    const options = typeof prefix === "string" ? { prefix, recurse } : prefix;
    return this.namedMembers((module) => module.ownParameters(), options);
  }

  /** All parameters, each once. */
  *parameters(recurse: boolean | MemberOptions = true): Generator<Parameter> {
    const options = typeof recurse === "boolean" ? { recurse } : recurse;
    for (const [, parameter] of this.named_parameters(options)) yield parameter;
  }

  /** All buffers with their names, each once. */
  named_buffers(prefix: string | MemberOptions = "", recurse = true): Generator<[string, Tensor]> {
    const options = typeof prefix === "string" ? { prefix, recurse } : prefix;
    return this.namedMembers((module) => module.ownBuffers(), options);
  }

  /** All buffers, each once. */
  *buffers(recurse: boolean | MemberOptions = true): Generator<Tensor> {
    const options = typeof recurse === "boolean" ? { recurse } : recurse;
    for (const [, buffer] of this.named_buffers(options)) yield buffer;
  }

  private checkName(name: string, kind: string, replaceable: (value: unknown) => boolean): void {
    if (typeof name !== "string") throw new TypeError(`${kind} name should be a string`);
    if (name.includes(".")) throw new KeyError(`${kind} name can't contain "."`);
    if (name === "") throw new KeyError(`${kind} name can't be empty string ""`);
    // A field that is declared in the class exists already, without a value.
    const value = name in this ? (this as unknown as Record<string, unknown>)[name] : undefined;
    if (value !== undefined && value !== null && !replaceable(value)) {
      throw new KeyError(`attribute '${name}' already exists`);
    }
  }

  /** What registration hooks make of a new member, unless they are told by its assignment. */
  private told<T>(kind: "parameter" | "buffer" | "module", name: string, member: T): T {
    return this[registries].watched ? member : registered(kind, this as unknown as Module, name, member);
  }

  /** Adds a tensor that belongs to the state but is not trained, as field `name`. */
  register_buffer(name: string, tensor: Tensor | null, options: boolean | { persistent?: boolean } = {}): void {
    this.checkName(name, "buffer", (value) => this[registries].buffers.has(name) || value instanceof Buffer);
    if (tensor !== null && !is_tensor(tensor)) {
      throw new TypeError(
        `cannot assign '${typeof tensor}' object to buffer '${name}' (torch Tensor or None required)`,
      );
    }
    const persistent = typeof options === "boolean" ? options : (options.persistent ?? true);
    this[registries].buffers.set(name, persistent);
    this.setField(name, this.told("buffer", name, tensor));
  }

  /** Adds a parameter (or null) as field `name`. */
  register_parameter(name: string, parameter: Parameter | null): void {
    this.checkName(name, "parameter", (value) => value instanceof Parameter);
    if (parameter !== null && !(parameter instanceof Parameter)) {
      const what = is_tensor(parameter) ? "Tensor" : typeof parameter;
      throw new TypeError(
        `cannot assign '${what}' object to parameter '${name}' (torch.nn.Parameter or None required)`,
      );
    }
    this.setField(name, parameter === null ? null : this.told("parameter", name, parameter));
  }

  /** Adds a child as field `name`. */
  add_module(name: string, module: Module | null): void {
    this.checkName(name, "module", isModule);
    if (module !== null && !isModule(module)) throw new TypeError(`${typeof module} is not a Module subclass`);
    this.setField(name, this.told("module", name, module));
  }
  register_module(name: string, module: Module | null): void {
    this.add_module(name, module);
  }

  /** The module at a path such as `layer1.0`. */
  get_submodule(target: string): Module {
    let module = this as unknown as Module;
    if (target === "") return module;
    for (const name of target.split(".")) {
      const next = (module as unknown as Record<string, unknown>)[name];
      if (next === undefined) throw new KeyError(`${module.className()} has no attribute \`${name}\``);
      if (!isModule(next)) throw new KeyError(`\`${name}\` is not an nn.Module`);
      module = next;
    }
    return module;
  }

  private member(target: string): unknown {
    const at = target.lastIndexOf(".");
    const owner = this.get_submodule(at < 0 ? "" : target.slice(0, at));
    const name = target.slice(at + 1);
    if (!Object.hasOwn(owner, name)) throw new KeyError(`${owner.className()} has no attribute \`${name}\``);
    return (owner as unknown as Record<string, unknown>)[name];
  }

  /** The parameter at a path such as `layer1.0.weight`. */
  get_parameter(target: string): Parameter {
    const value = this.member(target);
    if (!(value instanceof Parameter)) throw new KeyError(`\`${lastName(target)}\` is not an nn.Parameter`);
    return value;
  }

  /** The buffer at a path. */
  get_buffer(target: string): Tensor {
    const value = this.member(target);
    if (!is_tensor(value) || value instanceof Parameter) throw new KeyError(`\`${lastName(target)}\` is not a buffer`);
    return value;
  }
}

/** A module that tells registration hooks of what is assigned to its fields. */
function watching(module: Module): Module {
  const self: Module = new Proxy(module, {
    defineProperty(target, name, descriptor) {
      if (typeof name !== "string" || !("value" in descriptor)) {
        return Reflect.defineProperty(target, name, descriptor);
      }
      const { value } = descriptor as { value: unknown };
      const before = (target as unknown as Record<string, unknown>)[name];
      let member = value;
      if (value instanceof Parameter) member = registered("parameter", self, name, value);
      else if (isModule(value) || (value === null && isModule(before)))
        member = registered("module", self, name, value);
      else if (isBuffer(target, name, value)) member = registered("buffer", self, name, value);
      return Reflect.defineProperty(target, name, { ...descriptor, value: member });
    },
  });
  return self;
}

function isBuffer(module: Module, name: string, value: unknown): boolean {
  return value instanceof Buffer || ((value === null || is_tensor(value)) && module[registries].buffers.has(name));
}

export function isModule(value: unknown): value is Module {
  return value instanceof ModuleMembers;
}

function isParameter(value: unknown): value is Parameter {
  return value instanceof Parameter;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}
