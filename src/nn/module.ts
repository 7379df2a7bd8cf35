/** The base class of layers and networks: https://pytorch.org/docs/stable/generated/torch.nn.Module.html */

import { dropGradient } from "../autograd/accumulate.ts";
import { withGradMode } from "../autograd/mode.ts";
import type { Device } from "../device.ts";
import { bfloat16, DType, float16, float32, float64 } from "../dtype.ts";
import { NotImplementedError, RuntimeError, ValueError } from "../errors.ts";
import { checkKeywords } from "../keywords.ts";
import type { ToOptions } from "../ops/conversion.ts";
import { empty } from "../ops/creation.ts";
import type { MemoryFormat } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { withoutRegistrationHooks } from "./global-hooks.ts";
import type { LocalMetadata } from "./hooks.ts";
import { HookedModule } from "./module-hooks.ts";
import { isModule, type MemberOptions, registries } from "./module-members.ts";
import { Buffer, Parameter } from "./parameter.ts";
import {
  collectState,
  type IncompatibleKeys,
  loadOwnState,
  loadState,
  type StateDict,
  saveOwnState,
} from "./state-dict.ts";

export type { MemberOptions };

// A module is called like a function; the type of the call is that of its `forward`.
export interface Module {
  (...args: Parameters<this["forward"]>): ReturnType<this["forward"]>;
}

/**
 * A layer, or a network of layers. Assigning a `Parameter` or another module to a field registers it; `forward` says
 * what is computed, and the module is called like a function: `net(x)`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor returns a function, which the interface types.
export class Module extends HookedModule {
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

  /** Tensors by full name, in PyTorch's order; they share memory with the module. */
  state_dict(options: { destination?: StateDict; prefix?: string; keep_vars?: boolean } = {}): StateDict {
    return collectState(this, options);
  }

  /** Adds the state of this module itself to `destination`, with `prefix` before the names. For modules to override. */
  _save_to_state_dict(destination: StateDict, prefix: string, keep_vars: boolean): void {
    saveOwnState(this, destination, prefix, keep_vars);
  }

  /**
   * Takes the state of this module itself out of `state_dict`, whose keys all start with `prefix`, and adds to the lists
   * what is wrong. For modules to override. Overrides that call this find the tensors loaded when it returns.
   */
  _load_from_state_dict(
    state_dict: Record<string, unknown>,
    prefix: string,
    local_metadata: LocalMetadata,
    strict: boolean,
    missing_keys: string[],
    unexpected_keys: string[],
    error_msgs: string[],
  ): void {
    loadOwnState(this, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs);
  }

  /** Something else that belongs to the state: a module that has it overrides this and `set_extra_state`. */
  get_extra_state(): unknown {
    throw new RuntimeError("Module.get_extra_state() is for modules that define it");
  }

  /** Takes back what `get_extra_state` gave. */
  set_extra_state(_state: unknown): void {
    throw new RuntimeError("Module.set_extra_state() is for modules that define it");
  }

  /** @internal Whether the class has its own definition of a method of `Module`. */
  overrides(method: "get_extra_state" | "set_extra_state" | "_load_from_state_dict"): boolean {
    return this[method] !== Module.prototype[method];
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
        if (grad.historyNode === null) grad.requires_grad_(false);
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
    copy[registries].hooks = hooks?.copy() ?? null;
    return copy;
  }

  /** What a module's text says in its parentheses. */
  extra_repr(): string {
    return "";
  }

  /** PyTorch's text of the module. */
  override toString(): string {
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
  if (isModule(value)) return value.copyDeep(copies);
  if (Array.isArray(value)) return value.map((item) => copyValue(item, copies));
  if (!is_tensor(value)) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (value.historyNode !== null) {
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
  return withoutRegistrationHooks(() => module.copyDeep(new Map()));
}

function requestedDType(x: DType | string | Device | Tensor | ToOptions | undefined): DType | null {
  if (x instanceof DType) return x;
  return typeof x === "object" && x !== null && "dtype" in x ? (x.dtype ?? null) : null;
}

function requestedFormat(x: unknown): MemoryFormat | null {
  return typeof x === "object" && x !== null && "memory_format" in x ? ((x as ToOptions).memory_format ?? null) : null;
}

/** Indents all lines but the first. */
export function indent(text: string): string {
  return text.replaceAll("\n", "\n  ");
}
