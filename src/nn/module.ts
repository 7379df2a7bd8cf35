/** The base class of layers and networks: https://pytorch.org/docs/stable/generated/torch.nn.Module.html */

import { dropGradient } from "../autograd/accumulate.ts";
import { withGradMode } from "../autograd/mode.ts";
import type { Device } from "../device.ts";
import { bfloat16, DType, float16, float32, float64 } from "../dtype.ts";
import { KeyError, NotImplementedError, RuntimeError, ValueError } from "../errors.ts";
import type { ToOptions } from "../ops/conversion.ts";
import { empty } from "../ops/creation.ts";
import { checkKeywords, isOptions } from "../ops/define/schema.ts";
import type { MemoryFormat } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { type ForwardHook, type ForwardPreHook, HookList, type ModuleHooks, type RemovableHandle } from "./hooks.ts";
import { Buffer, Parameter } from "./parameter.ts";
import { collectState, emptyState, type IncompatibleKeys, loadState, type StateDict } from "./state-dict.ts";

/** What a module keeps about itself beside its fields. */
interface Registry {
  hooks: ModuleHooks | null;
  /** Names of fields in order, where JavaScript's own order is another. */
  order: string[] | null;
  /** Names of buffers and whether they are part of the state. */
  readonly buffers: Map<string, boolean>;
}

const registries = Symbol("Kindling module registry");

/** How `named_parameters` and its kin walk. */
export interface MemberOptions {
  /** Comes before all names. Default "". */
  readonly prefix?: string;
  /** Walk the modules below too. Default true. */
  readonly recurse?: boolean;
  /** Yield each tensor only once. Default true. */
  readonly remove_duplicate?: boolean;
}

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

  constructor(...none: never[]) {
    if (none.length > 0) {
      const [first] = none as readonly unknown[];
      const name = new.target.name;
      if (isOptions(first)) checkKeywords(`${name}.__init__`, first, []);
      throw new TypeError(`${name}.__init__() takes no arguments but ${none.length} were given`);
    }
    // Measured in V8: a closure with the class's prototype costs 10–17 ns a call; a Proxy is five times slower.
    const self = ((...args: unknown[]) => callModule(self, args)) as unknown as Module;
    Object.setPrototypeOf(self, new.target.prototype);
    const fields = self as unknown as Record<string, unknown>;
    // These belong to functions and would hide fields of these names.
    delete fields.name;
    delete fields.length;
    Object.defineProperty(self, registries, {
      value: { hooks: null, order: null, buffers: new Map() } satisfies Registry,
    });
    // Not enumerable, so that walking the fields of a module meets only what its author put there.
    Object.defineProperty(self, "training", { value: true, writable: true, configurable: true });
    // biome-ignore lint/correctness/noConstructorReturn: the module is this function.
    return self;
  }

  /** What the module computes. Every module defines its own. */
  forward(..._input: never[]): unknown {
    throw new NotImplementedError(`Module [${this.className()}] is missing the required "forward" function`);
  }

  /** @internal The version of the layout of the state, as PyTorch counts it. */
  static readonly stateVersion: number = 1;

  /** @internal The version that `state_dict` notes for this module. */
  currentStateVersion(): number {
    return (this.constructor as typeof Module).stateVersion;
  }

  /** @internal Adds to `state` what states of an older version lack. `version` is null where it is not known. */
  upgradeState(_state: Record<string, unknown>, _prefix: string, _version: number | null): void {}

  /** @internal The name shown in texts. */
  className(): string {
    return this.constructor.name;
  }

  /** Names of the fields, in the order in which they were made. */
  private fieldNames(): string[] {
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

  private ownParameters(): [string, Parameter][] {
    return this.entries(isParameter);
  }

  private ownBuffers(): [string, Tensor][] {
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
    if (memo.has(this)) return;
    if (remove_duplicate) memo.add(this);
    yield [prefix, this];
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
      : [[prefix, this]];
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
    this.setField(name, tensor);
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
    this.setField(name, parameter);
  }

  /** Adds a child as field `name`. */
  add_module(name: string, module: Module | null): void {
    this.checkName(name, "module", (value) => value instanceof Module);
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
      if (next === undefined) throw new KeyError(`${module.className()} has no attribute \`${name}\``);
      if (!(next instanceof Module)) throw new KeyError(`\`${name}\` is not an nn.Module`);
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

  /** Tensors by full name, in PyTorch's order; they share memory with the module. */
  state_dict(options: { destination?: StateDict; prefix?: string; keep_vars?: boolean } = {}): StateDict {
    return collectState(this, options.prefix ?? "", options.keep_vars ?? false, options.destination ?? emptyState());
  }

  /** Copies tensors in by name. With `strict` (the default) missing or unexpected names are an error. */
  load_state_dict(
    state_dict: Readonly<Record<string, unknown>>,
    strict: boolean | { strict?: boolean; assign?: boolean } = true,
    assign = false,
  ): IncompatibleKeys {
    if (typeof strict !== "boolean") checkKeywords("Module.load_state_dict", strict, ["strict", "assign"]);
    const options =
      typeof strict === "boolean"
        ? { strict, assign }
        : { strict: strict.strict ?? true, assign: strict.assign ?? assign };
    return loadState(this, state_dict, options);
  }

  /** Sets training mode here and below. */
  train(mode = true): this {
    if (typeof mode !== "boolean") throw new ValueError("training mode is expected to be boolean");
    this.training = mode;
    // Through the children's own method, which they may have overridden.
    for (const child of this.children()) child.train(mode);
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
      const { gradient: grad } = parameter;
      if (grad === null) continue;
      if (forget) dropGradient(parameter);
      else {
        if (grad.grad_fn === null) grad.requires_grad_(false);
        else grad.detach_();
        grad.zero_();
      }
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

  /** Applies `fn` to the contents of all tensors. Parameters stay the objects that they are, so optimizers keep them. */
  private mapTensors(fn: (tensor: Tensor) => Tensor): this {
    withGradMode(false, () => {
      for (const module of this.modules()) {
        for (const [, parameter] of module.ownParameters()) {
          parameter.data = fn(parameter.data);
          const { grad } = parameter;
          if (grad !== null) grad.data = fn(grad.data);
        }
        for (const [name, buffer] of module.ownBuffers()) {
          const { persistent } = buffer as Buffer;
          module.setField(name, buffer instanceof Buffer ? new Buffer(fn(buffer), { persistent }) : fn(buffer));
        }
      }
    });
    return this;
  }

  /**
   * Converts floating-point parameters and buffers to a dtype, in place: `to(dtype)`, `to(device, dtype)`, `to(tensor)`; with
   * `{ memory_format }`, those of four and five dimensions to that format.
   */
  to(target: DType | string | Device | Tensor | ToOptions, options?: DType | ToOptions): this {
    // Refuses what Tensor.to refuses.
    const format = requestedFormat(target) ?? requestedFormat(options);
    const rest = (o: unknown) => (requestedFormat(o) === null ? o : { ...(o as ToOptions), memory_format: undefined });
    empty([0]).to(rest(target) as DType, rest(options) as ToOptions);
    const dtype = requestedDType(target) ?? requestedDType(options);
    if (format !== null) this.mapTensors((t) => (t.dim() === 4 || t.dim() === 5 ? t.to({ memory_format: format }) : t));
    if (dtype === null) return this;
    if (!dtype.is_floating_point) {
      throw new TypeError(`nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=${dtype}`);
    }
    return this.mapTensors((t) => (t.is_floating_point() ? t.to(dtype) : t));
  }
  /** Converts all parameters and buffers to a dtype, in place, those of integers too. */
  type(dst_type: DType): this {
    return this.mapTensors((t) => t.to(dst_type));
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

  /**
   * @internal A copy whose parameters, buffers and modules are its own; what is there twice stays one. Other values, such as
   * functions, are shared.
   */
  copyDeep(copies: Map<object, object>): this {
    const known = copies.get(this);
    if (known !== undefined) return known as this;
    // A fresh callable of this class, without running the class's own constructor.
    const copy = Reflect.construct(Module, [], this.constructor) as this;
    copies.set(this, copy);
    for (const name of Object.keys(this)) {
      (copy as unknown as Record<string, unknown>)[name] = copyValue(
        (this as unknown as Record<string, unknown>)[name],
        copies,
      );
    }
    copy.training = this.training;
    const { order, buffers, hooks } = this[registries];
    copy[registries].order = order?.slice() ?? null;
    for (const [name, persistent] of buffers) copy[registries].buffers.set(name, persistent);
    if (hooks !== null) {
      for (const hook of hooks.forwardPre) copy.register_forward_pre_hook(hook);
      for (const hook of hooks.forward) copy.register_forward_hook(hook);
    }
    return copy;
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
    for (const [name, child] of this.childEntries()) {
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

function copyValue(value: unknown, copies: Map<object, object>): unknown {
  if (value instanceof Module) return value.copyDeep(copies);
  if (Array.isArray(value)) return value.map((item) => copyValue(item, copies));
  if (!is_tensor(value)) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (value.grad_fn !== null) {
    throw new RuntimeError(
      "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.",
    );
  }
  const data = value.detach().clone();
  let copy: Tensor;
  if (value instanceof Parameter) copy = new Parameter(data, value.requires_grad);
  else if (value instanceof Buffer) copy = new Buffer(data, { persistent: value.persistent });
  else copy = data.requires_grad_(value.requires_grad);
  copies.set(value, copy);
  return copy;
}

/** A copy of a module, its parameters, its buffers and the modules below: Python's `copy.deepcopy`. Gradients are not copied. */
export function deepcopy<M extends Module>(module: M): M {
  if (!(module instanceof Module)) throw new TypeError("deepcopy(): the argument must be a Module");
  return module.copyDeep(new Map());
}

function isModule(value: unknown): value is Module {
  return value instanceof Module;
}

function isParameter(value: unknown): value is Parameter {
  return value instanceof Parameter;
}

function requestedDType(x: DType | string | Device | Tensor | ToOptions | undefined): DType | null {
  if (x instanceof DType) return x;
  return typeof x === "object" && x !== null && "dtype" in x ? (x.dtype ?? null) : null;
}

function requestedFormat(x: unknown): MemoryFormat | null {
  return typeof x === "object" && x !== null && "memory_format" in x ? ((x as ToOptions).memory_format ?? null) : null;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
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
