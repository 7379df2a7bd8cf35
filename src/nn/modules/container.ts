/** Modules that hold modules: https://pytorch.org/docs/stable/nn.html#containers */
import { scalarTypeName } from "../../dtype.ts";
import { IndexError, KeyError } from "../../errors.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { indent, Module } from "../module.ts";
import { Parameter } from "../parameter.ts";

type Callable = (...args: unknown[]) => unknown;

function fieldOf(module: Module, name: string): unknown {
  return (module as unknown as Record<string, unknown>)[name];
}

/** Children under the names "0", "1", …: what Sequential and ModuleList share. */
abstract class IndexedModules<M extends Module> extends Module {
  [index: number]: M;

  /** The number of modules. */
  override get length(): number {
    return this.items().length;
  }

  /** All children in order, repeated ones too. */
  protected items(): M[] {
    return this.childEntries().map(([, module]) => module as M);
  }

  [Symbol.iterator](): Iterator<M> {
    return this.items()[Symbol.iterator]();
  }

  /** The module at `index`; negative ones count from the end. */
  at(index: number): M {
    const items = this.items();
    if (index < -items.length || index >= items.length) throw new IndexError(`index ${index} is out of range`);
    return items[index < 0 ? index + items.length : index];
  }

  private replaceAll(modules: readonly M[]): void {
    for (const [name] of this.childEntries()) delete (this as unknown as Record<string, unknown>)[name];
    for (const [i, module] of modules.entries()) this.add_module(String(i), module);
  }

  /** Adds a module at the end. */
  append(module: M): this {
    this.add_module(String(this.length), module);
    return this;
  }

  /** Adds modules at the end. */
  extend(modules: Iterable<M>): this {
    for (const module of [...modules]) this.append(module);
    return this;
  }

  /** Puts a module before position `index`. */
  insert(index: number, module: M): void {
    const items = this.items();
    if (index > items.length || index < -items.length) throw new IndexError(`Index out of range: ${index}`);
    if (!(module instanceof Module)) throw new TypeError(`${typeof module} is not a Module subclass`);
    items.splice(index < 0 ? index + items.length : index, 0, module);
    this.replaceAll(items);
  }

  /** Takes the module at `index`, by default the last, out. */
  pop(index = -1): M {
    const module = this.at(index);
    const items = this.items();
    items.splice(index < 0 ? index + items.length : index, 1);
    this.replaceAll(items);
    return module;
  }
}

/** Calls its modules one after another. Takes modules, or one object of named modules in order. */
export class Sequential<M extends Module = Module> extends IndexedModules<M> {
  constructor(...modules: M[] | [Readonly<Record<string, M>>]) {
    super();
    const [first] = modules;
    if (modules.length === 1 && typeof first === "object" && first !== null) {
      for (const [name, module] of Object.entries(first as Readonly<Record<string, M>>)) this.add_module(name, module);
    } else for (const [i, module] of modules.entries()) this.add_module(String(i), module as M);
  }

  override forward(input: Tensor): Tensor {
    let x: unknown = input;
    for (const module of this.items()) x = (module as unknown as Callable)(x);
    return x as Tensor;
  }

  /** A Sequential of some of the modules, which both share: `seq[start:end]`. */
  slice(start?: number, end?: number): Sequential<M> {
    return new Sequential<M>(...this.items().slice(start, end));
  }
}

/** A list of modules. It cannot be called. */
export class ModuleList<M extends Module = Module> extends IndexedModules<M> {
  constructor(modules: Iterable<M> | null = null) {
    super();
    if (modules !== null) this.extend(modules);
  }

  /** A ModuleList of some of the modules, which both share. */
  slice(start?: number, end?: number): ModuleList<M> {
    return new ModuleList<M>(this.items().slice(start, end));
  }

  /** PyTorch's text: equal neighbours are written once, with how many there are. */
  override toString(): string {
    const texts = this.items().map((module) => module.toString());
    if (texts.length === 0) return `${this.className()}()`;
    const lines: string[] = [];
    for (let i = 0; i < texts.length; ) {
      let j = i;
      while (j + 1 < texts.length && texts[j + 1] === texts[i]) j++;
      lines.push(`${j > i ? `(${i}-${j}): ${j - i + 1} x ` : `(${i}): `}${indent(texts[i])}`);
      i = j + 1;
    }
    return `${this.className()}(\n  ${lines.join("\n  ")}\n)`;
  }
}

/** Modules by name. It cannot be called. */
export class ModuleDict<M extends Module = Module> extends Module {
  constructor(modules: Readonly<Record<string, M>> | Iterable<readonly [string, M]> | null = null) {
    super();
    if (modules !== null) this.update(modules);
  }

  /** The number of modules. */
  override get length(): number {
    return this.keys().length;
  }
  get(key: string): M {
    const module = fieldOf(this, key);
    if (!this.has(key)) throw new KeyError(`'${key}'`);
    return module as M;
  }
  set(key: string, module: M): this {
    this.add_module(key, module);
    return this;
  }
  has(key: string): boolean {
    return Object.hasOwn(this, key) && fieldOf(this, key) instanceof Module;
  }
  /** Takes a module out. */
  pop(key: string): M {
    const module = this.get(key);
    delete (this as unknown as Record<string, unknown>)[key];
    return module;
  }
  clear(): void {
    for (const name of this.keys()) this.pop(name);
  }
  keys(): string[] {
    return this.items().map(([name]) => name);
  }
  values(): M[] {
    return this.items().map(([, module]) => module);
  }
  items(): [string, M][] {
    return this.childEntries() as [string, M][];
  }
  [Symbol.iterator](): Iterator<string> {
    return this.keys()[Symbol.iterator]();
  }
  update(modules: Readonly<Record<string, M>> | Iterable<readonly [string, M]>): void {
    const entries = Symbol.iterator in modules ? modules : Object.entries(modules);
    for (const [name, module] of entries as Iterable<readonly [string, M]>) this.add_module(name, module);
  }
}

function asParameter(x: Tensor): Parameter {
  if (!is_tensor(x)) throw new TypeError(`expected a Tensor or Parameter, got ${typeof x}`);
  return x instanceof Parameter ? x : new Parameter(x);
}

/** A list of parameters; tensors become parameters. */
export class ParameterList extends Module {
  [index: number]: Parameter;

  constructor(values: Iterable<Tensor> | null = null) {
    super();
    if (values !== null) this.extend(values);
  }

  override get length(): number {
    return this.items().length;
  }
  /** All parameters in order, repeated ones too. */
  private items(): Parameter[] {
    return [...this.named_parameters({ recurse: false, remove_duplicate: false })].map(([, parameter]) => parameter);
  }
  /** The parameter at `index`; negative ones count from the end. */
  at(index: number): Parameter {
    const items = this.items();
    if (index < -items.length || index >= items.length) throw new IndexError(`index ${index} is out of range`);
    return items[index < 0 ? index + items.length : index];
  }
  append(value: Tensor): this {
    this.register_parameter(String(this.length), asParameter(value));
    return this;
  }
  extend(values: Iterable<Tensor>): this {
    for (const value of [...values]) this.append(value);
    return this;
  }
  [Symbol.iterator](): Iterator<Parameter> {
    return this.items()[Symbol.iterator]();
  }

  override extra_repr(): string {
    return this.items()
      .map((p, i) => `  (${i}): Parameter containing: [${p.dtype} of size ${p.shape.join("x")}]`)
      .join("\n");
  }
}

/** Parameters by name; tensors become parameters. Those of a plain object are put in the order of their names. */
export class ParameterDict extends Module {
  constructor(parameters: Readonly<Record<string, Tensor>> | Iterable<readonly [string, Tensor]> | null = null) {
    super();
    if (parameters !== null) this.update(parameters);
  }

  override get length(): number {
    return this.keys().length;
  }
  get(key: string): Parameter {
    if (!this.has(key)) throw new KeyError(`'${key}'`);
    return fieldOf(this, key) as Parameter;
  }
  set(key: string, parameter: Tensor): this {
    this.register_parameter(key, asParameter(parameter));
    return this;
  }
  has(key: string): boolean {
    return Object.hasOwn(this, key) && fieldOf(this, key) instanceof Parameter;
  }
  /** Takes a parameter out. */
  pop(key: string): Parameter {
    const parameter = this.get(key);
    delete (this as unknown as Record<string, unknown>)[key];
    return parameter;
  }
  clear(): void {
    for (const name of this.keys()) this.pop(name);
  }
  keys(): string[] {
    return this.items().map(([name]) => name);
  }
  values(): Parameter[] {
    return this.items().map(([, parameter]) => parameter);
  }
  items(): [string, Parameter][] {
    return [...this.named_parameters({ recurse: false, remove_duplicate: false })];
  }
  [Symbol.iterator](): Iterator<string> {
    return this.keys()[Symbol.iterator]();
  }
  update(parameters: Readonly<Record<string, Tensor>> | Iterable<readonly [string, Tensor]>): void {
    // As PyTorch does with a plain dictionary: by name.
    const byName = ([a]: [string, Tensor], [b]: [string, Tensor]): number => (a < b ? -1 : 1);
    const entries = Symbol.iterator in parameters ? parameters : Object.entries(parameters).sort(byName);
    for (const [name, parameter] of entries as Iterable<readonly [string, Tensor]>) this.set(name, parameter);
  }

  override extra_repr(): string {
    return this.items()
      .map(
        ([name, p]) =>
          `  (${name}): Parameter containing: [torch.${scalarTypeName(p.dtype)}Tensor of size ${p.shape.join("x")}]`,
      )
      .join("\n");
  }
}
