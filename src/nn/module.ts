/** The base class of layers and networks: https://pytorch.org/docs/stable/generated/torch.nn.Module.html */

import { no_grad } from "../autograd/mode.ts";
import type { DType } from "../dtype.ts";
import { bfloat16, float16, float32, float64 } from "../dtype.ts";
import { KeyError, RuntimeError } from "../errors.ts";
import type { ToOptions } from "../ops/conversion.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { type ForwardHook, type ForwardPreHook, HookList, type ModuleHooks, type RemovableHandle } from "./hooks.ts";
import { Buffer, Parameter } from "./parameter.ts";
import { collectState, type IncompatibleKeys, loadState, type StateDict } from "./state-dict.ts";

/** What a module keeps about itself beside its fields. */
interface Registry {
  hooks: ModuleHooks | null;
  /** Names of buffers and whether they are part of the state. */
  readonly buffers: Map<string, boolean>;
}

const registries = Symbol("Kindling module registry");

// A module is called like a function; the type of the call is that of its `forward`.
export interface Module {
  (...args: Parameters<this["forward"]>): ReturnType<this["forward"]>;
}

/**
 * A layer, or a network of layers. Assigning a `Parameter` or another module to a field registers it; `forward` says
 * what is computed, and the module is called like a function: `net(x)`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor returns a function, which the interface types.
export class Module {
  /** Whether the module is in training mode: matters to dropout and batch norm. */
  declare training: boolean;
  /** @internal */ declare readonly [registries]: Registry;

  constructor() {
    // Measured in V8: a closure with the class's prototype costs 10–17 ns a call; a Proxy is five times slower.
    const self = ((...args: unknown[]) => callModule(self, args)) as unknown as Module;
    Object.setPrototypeOf(self, new.target.prototype);
    const fields = self as unknown as Record<string, unknown>;
    // These belong to functions and would hide fields of these names.
    delete fields.name;
    delete fields.length;
    Object.defineProperty(self, registries, { value: { hooks: null, buffers: new Map() } satisfies Registry });
    // Not enumerable, so that walking the fields of a module meets only what its author put there.
    Object.defineProperty(self, "training", { value: true, writable: true, configurable: true });
    // biome-ignore lint/correctness/noConstructorReturn: the module is this function.
    return self;
  }

  /** What the module computes. Every module defines its own. */
  forward(..._input: never[]): unknown {
    throw new RuntimeError(`Module [${this.className()}] is missing the required "forward" function`);
  }

  /** @internal The name shown in texts. */
  className(): string {
    return this.constructor.name;
  }

  private *entries<T>(accept: (value: unknown, name: string) => value is T): Generator<[string, T]> {
    for (const name of Object.keys(this)) {
      const value = (this as unknown as Record<string, unknown>)[name];
      if (accept(value, name)) yield [name, value];
    }
  }

  private *ownParameters(): Generator<[string, Parameter]> {
    yield* this.entries((value): value is Parameter => value instanceof Parameter);
  }

  private *ownBuffers(): Generator<[string, Tensor]> {
    const { buffers } = this[registries];
    yield* this.entries(
      (value, name): value is Tensor => value instanceof Buffer || (is_tensor(value) && buffers.has(name)),
    );
  }

  /** @internal Parameters and persistent buffers of this module itself. */
  *ownState(): Generator<[string, Tensor]> {
    yield* this.ownParameters();
    for (const [name, buffer] of this.ownBuffers()) {
      const persistent = buffer instanceof Buffer ? buffer.persistent : this[registries].buffers.get(name);
      if (persistent) yield [name, buffer];
    }
  }

  /** @internal */
  setField(name: string, value: unknown): void {
    (this as unknown as Record<string, unknown>)[name] = value;
  }

  /** The direct children with their names. */
  *named_children(): Generator<[string, Module]> {
    const seen = new Set<Module>();
    for (const [name, child] of this.entries((value): value is Module => value instanceof Module)) {
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
  *named_modules(memo: Set<Module> = new Set(), prefix = ""): Generator<[string, Module]> {
    if (memo.has(this)) return;
    memo.add(this);
    yield [prefix, this];
    for (const [name, child] of this.entries((value): value is Module => value instanceof Module)) {
      yield* child.named_modules(memo, prefix === "" ? name : `${prefix}.${name}`);
    }
  }

  /** This module and all below it, each once. */
  *modules(): Generator<Module> {
    for (const [, module] of this.named_modules()) yield module;
  }

  private *namedMembers<T extends Tensor>(
    own: (module: Module) => Iterable<[string, T]>,
    prefix: string,
    recurse: boolean,
  ): Generator<[string, T]> {
    const seen = new Set<Tensor>();
    const modules: Iterable<[string, Module]> = recurse ? this.named_modules(new Set(), prefix) : [[prefix, this]];
    for (const [path, module] of modules) {
      for (const [name, member] of own(module)) {
        if (seen.has(member)) continue;
        seen.add(member);
        yield [path === "" ? name : `${path}.${name}`, member];
      }
    }
  }

  /** All parameters with their names, each once. */
  named_parameters(prefix = "", recurse = true): Generator<[string, Parameter]> {
    return this.namedMembers((module) => module.ownParameters(), prefix, recurse);
  }

  /** All parameters, each once. */
  *parameters(recurse = true): Generator<Parameter> {
    for (const [, parameter] of this.named_parameters("", recurse)) yield parameter;
  }

  /** All buffers with their names, each once. */
  named_buffers(prefix = "", recurse = true): Generator<[string, Tensor]> {
    return this.namedMembers((module) => module.ownBuffers(), prefix, recurse);
  }

  /** All buffers, each once. */
  *buffers(recurse = true): Generator<Tensor> {
    for (const [, buffer] of this.named_buffers("", recurse)) yield buffer;
  }

  private checkName(name: string, kind: string): void {
    if (typeof name !== "string") throw new TypeError(`${kind} name should be a string`);
    if (name.includes(".")) throw new KeyError(`${kind} name can't contain "."`);
    if (name === "") throw new KeyError(`${kind} name can't be empty string ""`);
  }

  /** Adds a tensor that belongs to the state but is not trained, as field `name`. */
  register_buffer(name: string, tensor: Tensor | null, options: boolean | { persistent?: boolean } = {}): void {
    this.checkName(name, "buffer");
    const taken = Object.hasOwn(this, name) && !this[registries].buffers.has(name);
    // A field declared in the class exists already, without a value.
    if (taken && (this as unknown as Record<string, unknown>)[name] !== undefined) {
      throw new KeyError(`attribute '${name}' already exists`);
    }
    const persistent = typeof options === "boolean" ? options : (options.persistent ?? true);
    this[registries].buffers.set(name, persistent);
    this.setField(name, tensor);
  }

  /** Adds a parameter (or null) as field `name`. */
  register_parameter(name: string, parameter: Parameter | null): void {
    this.checkName(name, "parameter");
    if (parameter !== null && !(parameter instanceof Parameter)) {
      throw new TypeError(
        `cannot assign '${typeof parameter}' object to parameter '${name}' (torch.nn.Parameter or None required)`,
      );
    }
    this.setField(name, parameter);
  }

  /** Adds a child as field `name`. */
  add_module(name: string, module: Module | null): void {
    this.checkName(name, "module");
    if (module !== null && !(module instanceof Module))
      throw new TypeError(`${typeof module} is not a Module subclass`);
    this.setField(name, module);
  }
  register_module(name: string, module: Module | null): void {
    this.add_module(name, module);
  }

  /** The module at a path such as `layer1.0`. */
  get_submodule(target: string): Module {
    let module: Module = this;
    if (target === "") return module;
    for (const name of target.split(".")) {
      const next = (module as unknown as Record<string, unknown>)[name];
      if (!(next instanceof Module)) throw new KeyError(`${module.className()} has no attribute \`${name}\``);
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
    if (!(value instanceof Parameter)) throw new KeyError(`\`${target}\` is not an nn.Parameter`);
    return value;
  }

  /** The buffer at a path. */
  get_buffer(target: string): Tensor {
    const value = this.member(target);
    if (!is_tensor(value) || value instanceof Parameter) throw new KeyError(`\`${target}\` is not a buffer`);
    return value;
  }

  /** Tensors by full name, in PyTorch's order; they share memory with the module. */
  state_dict(options: { destination?: StateDict; prefix?: string; keep_vars?: boolean } = {}): StateDict {
    const into = options.destination ?? (Object.create(null) as StateDict);
    return collectState(this, options.prefix ?? "", options.keep_vars ?? false, into);
  }

  /** Copies tensors in by name. With `strict` (the default) missing or unexpected names are an error. */
  load_state_dict(
    state_dict: Readonly<Record<string, unknown>>,
    strict: boolean | { strict?: boolean; assign?: boolean } = true,
    assign = false,
  ): IncompatibleKeys {
    const options =
      typeof strict === "boolean"
        ? { strict, assign }
        : { strict: strict.strict ?? true, assign: strict.assign ?? assign };
    return loadState(this, state_dict, options);
  }

  /** Sets training mode here and below. */
  train(mode = true): this {
    if (typeof mode !== "boolean") throw new TypeError("training mode is expected to be boolean");
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Sets evaluation mode here and below. */
  eval(): this {
    return this.train(false);
  }

  /** Forgets gradients: `.grad` becomes null, or zero with `set_to_none: false`. */
  zero_grad(set_to_none: boolean | { set_to_none?: boolean } = true): void {
    const forget = typeof set_to_none === "boolean" ? set_to_none : (set_to_none.set_to_none ?? true);
    for (const parameter of this.parameters()) {
      if (parameter.grad === null) continue;
      if (forget) parameter.grad = null;
      else parameter.grad = parameter.grad.detach().zero_();
    }
  }

  /** Turns recording on or off for all parameters. */
  requires_grad_(requires_grad = true): this {
    for (const parameter of this.parameters()) parameter.requires_grad_(requires_grad);
    return this;
  }

  /** Calls `fn` with every module below, then with this one. */
  apply(fn: (module: Module) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  private mapTensors(fn: (tensor: Tensor) => Tensor): this {
    no_grad(() => {
      for (const module of this.modules()) {
        for (const [name, parameter] of [...module.ownParameters()]) {
          const mapped = fn(parameter);
          if (mapped.dtype === parameter.dtype) parameter.data = mapped;
          else {
            // Tensors never change their dtype, so the parameter is another one afterwards: make optimizers later.
            const fresh = new Parameter(mapped.detach(), parameter.requires_grad);
            if (parameter.grad !== null) fresh.grad = fn(parameter.grad);
            module.setField(name, fresh);
          }
        }
        for (const [name, buffer] of [...module.ownBuffers()]) {
          module.setField(
            name,
            buffer instanceof Buffer ? new Buffer(fn(buffer), { persistent: buffer.persistent }) : fn(buffer),
          );
        }
      }
    });
    return this;
  }

  /** Converts floating-point parameters and buffers to a dtype. */
  to(target: DType | string | ToOptions, options?: ToOptions): this {
    return this.mapTensors((t) => {
      const moved = t.to(target, options);
      return t.is_floating_point() ? moved : t;
    });
  }
  float(): this {
    return this.to(float32);
  }
  double(): this {
    return this.to(float64);
  }
  half(): this {
    return this.to(float16);
  }
  bfloat16(): this {
    return this.to(bfloat16);
  }
  cpu(): this {
    return this;
  }

  private get hooks(): ModuleHooks {
    const registry = this[registries];
    registry.hooks ??= { forward: new HookList(), forwardPre: new HookList() };
    return registry.hooks;
  }

  /** Calls `hook(module, args, output)` after every call; it may return another output. */
  register_forward_hook(hook: ForwardHook, options: { prepend?: boolean } = {}): RemovableHandle {
    return this.hooks.forward.add(hook, options);
  }

  /** Calls `hook(module, args)` before every call; it may return other arguments. */
  register_forward_pre_hook(hook: ForwardPreHook, options: { prepend?: boolean } = {}): RemovableHandle {
    return this.hooks.forwardPre.add(hook, options);
  }

  /** What a module's text says in its parentheses. */
  extra_repr(): string {
    return "";
  }

  /** PyTorch's text of the module. */
  toString(): string {
    const extra = this.extra_repr();
    const extraLines = extra === "" ? [] : extra.split("\n");
    const childLines: string[] = [];
    for (const [name, child] of this.entries((value): value is Module => value instanceof Module)) {
      childLines.push(`(${name}): ${indent(child.toString())}`);
    }
    const lines = [...extraLines, ...childLines];
    if (lines.length === 0) return `${this.className()}()`;
    if (extraLines.length === 1 && childLines.length === 0) return `${this.className()}(${extraLines[0]})`;
    return `${this.className()}(\n  ${lines.join("\n  ")}\n)`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** Indents all lines but the first. */
export function indent(text: string): string {
  return text.replaceAll("\n", "\n  ");
}

function callModule(module: Module, args: unknown[]): unknown {
  const forward = module.forward as (...args: unknown[]) => unknown;
  const { hooks } = module[registries];
  if (hooks === null) return args.length === 1 ? forward.call(module, args[0]) : forward.apply(module, args);
  let given = args;
  for (const hook of hooks.forwardPre) {
    const replaced = hook(module, given);
    if (replaced !== null && replaced !== undefined) given = Array.isArray(replaced) ? replaced : [replaced];
  }
  let output = forward.apply(module, given);
  for (const hook of hooks.forward) output = hook(module, given, output) ?? output;
  return output;
}
