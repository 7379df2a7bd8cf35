/** Modules that hold modules: https://pytorch.org/docs/stable/nn.html#containers */
import { IndexError, KeyError } from "../../errors.ts";
import type { Tensor } from "../../tensor.ts";
import { indent, Module } from "../module.ts";
import { Parameter } from "../parameter.ts";

type Callable = (...args: unknown[]) => unknown;

/** Children under the names "0", "1", …: what Sequential and ModuleList share. */
abstract class IndexedModules extends Module {
  [index: number]: Module;

  get length(): number {
    return [...this.named_entries()].length;
  }

  private *named_entries(): Generator<[string, Module]> {
    for (const name of Object.keys(this)) {
      const value = (this as unknown as Record<string, unknown>)[name];
      if (value instanceof Module) yield [name, value];
    }
  }

  /** All children in order, repeated ones too. */
  protected items(): Module[] {
    return [...this.named_entries()].map(([, module]) => module);
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.items()[Symbol.iterator]();
  }

  /** The module at `index`; negative ones count from the end. */
  at(index: number): Module {
    const items = this.items();
    if (index < -items.length || index >= items.length) throw new IndexError(`index ${index} is out of range`);
    return items[index < 0 ? index + items.length : index];
  }

  /** @internal Puts `modules` under "0", "1", … in place of what is there. */
  protected replaceAll(modules: readonly Module[]): void {
    for (const [name] of [...this.named_entries()]) delete (this as unknown as Record<string, unknown>)[name];
    modules.forEach((module, i) => this.add_module(String(i), module));
  }

  /** Adds a module at the end. */
  append(module: Module): this {
    this.add_module(String(this.length), module);
    return this;
  }

  /** Adds modules at the end. */
  extend(modules: Iterable<Module>): this {
    for (const module of modules) this.append(module);
    return this;
  }

  /** Puts a module before position `index`. */
  insert(index: number, module: Module): void {
    const items = this.items();
    const at = index < 0 ? Math.max(0, index + items.length) : index;
    if (at > items.length) throw new IndexError(`Index out of range: ${index}`);
    items.splice(at, 0, module);
    this.replaceAll(items);
  }

  /** Takes the module at `index` out. */
  pop(index = -1): Module {
    const module = this.at(index);
    const items = this.items();
    items.splice(index < 0 ? index + items.length : index, 1);
    this.replaceAll(items);
    return module;
  }
}

/** Calls its modules one after another. Takes modules, or one object of named modules in order. */
export class Sequential extends IndexedModules {
  constructor(...modules: Module[] | [Readonly<Record<string, Module>>]) {
    super();
    const [first] = modules;
    if (modules.length === 1 && !(first instanceof Module)) {
      for (const [name, module] of Object.entries(first as Readonly<Record<string, Module>>))
        this.add_module(name, module);
    } else modules.forEach((module, i) => this.add_module(String(i), module as Module));
  }

  override forward(input: Tensor): Tensor {
    let x: unknown = input;
    for (const module of this.items()) x = (module as unknown as Callable)(x);
    return x as Tensor;
  }
}

/** A list of modules. It cannot be called. */
export class ModuleList extends IndexedModules {
  constructor(modules: Iterable<Module> = []) {
    super();
    this.extend(modules);
  }

  /** PyTorch's text: equal neighbours are written once, with how many there are. */
  override toString(): string {
    const texts = this.items().map((module) => module.toString());
    if (texts.length === 0) return "ModuleList()";
    const lines: string[] = [];
    for (let i = 0; i < texts.length; ) {
      let j = i;
      while (j + 1 < texts.length && texts[j + 1] === texts[i]) j++;
      lines.push(`${j > i ? `(${i}-${j}): ${j - i + 1} x ` : `(${i}): `}${indent(texts[i])}`);
      i = j + 1;
    }
    return `ModuleList(\n  ${lines.join("\n  ")}\n)`;
  }
}

/** Modules by name. It cannot be called. */
export class ModuleDict extends Module {
  constructor(modules: Readonly<Record<string, Module>> | Iterable<readonly [string, Module]> = {}) {
    super();
    this.update(modules);
  }

  private get names(): string[] {
    return Object.keys(this).filter((name) => (this as unknown as Record<string, unknown>)[name] instanceof Module);
  }
  get length(): number {
    return this.names.length;
  }
  get(key: string): Module {
    if (!this.has(key)) throw new KeyError(`'${key}'`);
    return (this as unknown as Record<string, Module>)[key];
  }
  set(key: string, module: Module): this {
    this.add_module(key, module);
    return this;
  }
  has(key: string): boolean {
    return this.names.includes(key);
  }
  /** Takes a module out. */
  pop(key: string): Module {
    const module = this.get(key);
    delete (this as unknown as Record<string, unknown>)[key];
    return module;
  }
  clear(): void {
    for (const name of this.names) delete (this as unknown as Record<string, unknown>)[name];
  }
  keys(): string[] {
    return this.names;
  }
  values(): Module[] {
    return this.names.map((name) => this.get(name));
  }
  items(): [string, Module][] {
    return this.names.map((name) => [name, this.get(name)]);
  }
  [Symbol.iterator](): Iterator<string> {
    return this.names[Symbol.iterator]();
  }
  update(modules: Readonly<Record<string, Module>> | Iterable<readonly [string, Module]>): void {
    const entries = Symbol.iterator in modules ? modules : Object.entries(modules);
    for (const [name, module] of entries as Iterable<readonly [string, Module]>) this.add_module(name, module);
  }
}

/** A list of parameters. */
export class ParameterList extends Module {
  constructor(parameters: Iterable<Tensor> = []) {
    super();
    this.extend(parameters);
  }
  [index: number]: Parameter;
  get length(): number {
    return [...this.parameters(false)].length;
  }
  append(parameter: Tensor): this {
    this.register_parameter(String(this.length), parameter instanceof Parameter ? parameter : new Parameter(parameter));
    return this;
  }
  extend(parameters: Iterable<Tensor>): this {
    for (const parameter of parameters) this.append(parameter);
    return this;
  }
  [Symbol.iterator](): Iterator<Parameter> {
    return this.parameters(false);
  }
  override extra_repr(): string {
    return [...this.named_parameters("", false)]
      .map(([name, p]) => `  (${name}): Parameter containing: [torch.${p.dtype.name} of size ${p.shape.join("x")}]`)
      .join("\n");
  }
}

/** Parameters by name. */
export class ParameterDict extends Module {
  constructor(parameters: Readonly<Record<string, Tensor>> = {}) {
    super();
    for (const [name, p] of Object.entries(parameters)) this.set(name, p);
  }
  get length(): number {
    return this.keys().length;
  }
  get(key: string): Parameter {
    return this.get_parameter(key);
  }
  set(key: string, parameter: Tensor): this {
    this.register_parameter(key, parameter instanceof Parameter ? parameter : new Parameter(parameter));
    return this;
  }
  has(key: string): boolean {
    return this.keys().includes(key);
  }
  keys(): string[] {
    return [...this.named_parameters("", false)].map(([name]) => name);
  }
  values(): Parameter[] {
    return [...this.parameters(false)];
  }
  items(): [string, Parameter][] {
    return [...this.named_parameters("", false)];
  }
  override extra_repr(): string {
    return this.items()
      .map(([name, p]) => `  (${name}): Parameter containing: [torch.${p.dtype.name} of size ${p.shape.join("x")}]`)
      .join("\n");
  }
}
