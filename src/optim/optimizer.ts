/** The base of optimizers: https://pytorch.org/docs/stable/optim.html */
import { dropGradient } from "../autograd/accumulate.ts";
import { enable_grad } from "../autograd/grad-mode.ts";
import { withGradMode } from "../autograd/mode.ts";
import * as dt from "../dtype.ts";
import { KeyError, RuntimeError, ValueError } from "../errors.ts";
import { isOptions } from "../keywords.ts";
import { checkedHook, type RemovableHandle } from "../nn/hooks.ts";
import { checkKeywords } from "../ops/define/schema.ts";
import { increment } from "../ops/memory.ts";
import { updateTogether } from "../ops/update.ts";
import { pythonRepr } from "../print/index.ts";
import { describe } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import {
  type AnyOptimizer,
  type OptimizerHook,
  OptimizerHooks,
  type OptimizerStateHook,
  type StepPostHook,
  type StepPreHook,
  stepWithHooks,
} from "./hooks.ts";
import "../ops/methods.ts";

/** Options of one group of parameters; the parameters are under `params`. */
export type ParamGroup<O extends object> = O & { params: Tensor[]; [extra: string]: unknown };

/** What users pass: parameters, named parameters, or groups with options of their own. */
export type ParamsArgument<O extends object> =
  | Iterable<Tensor>
  | Iterable<readonly [string, Tensor]>
  | Iterable<Partial<O> & { params: Tensor | Iterable<Tensor> }>;

/** What an optimizer remembers of one parameter. */
export type ParameterState = Record<string, unknown>;

/** PyTorch's form of an optimizer's state: parameters are numbers. */
export interface OptimizerState {
  state: Record<string, ParameterState>;
  param_groups: (Record<string, unknown> & { params: number[] })[];
}

/** Options that every optimizer has. They say how PyTorch computes, not what; here all updates are fused. */
export interface CommonOptions {
  /** Go up the gradient rather than down. */
  maximize?: boolean;
  foreach?: boolean | null;
  differentiable?: boolean;
}

/** An optimizer. `step()` changes the parameters by their `.grad`. */
export abstract class Optimizer<O extends object> {
  readonly defaults: O;
  param_groups: ParamGroup<O>[] = [];
  readonly state: Map<Tensor, ParameterState> = new Map();
  private readonly hooks: OptimizerHooks = new OptimizerHooks();

  constructor(params: ParamsArgument<O>, defaults: O) {
    if (is_tensor(params)) {
      throw new TypeError(
        "params argument given to the optimizer should be an iterable of Tensors or dicts, but got torch.Tensor",
      );
    }
    if (params === null || typeof params !== "object" || !(Symbol.iterator in params)) {
      throw new TypeError(
        `params argument given to the optimizer should be an iterable of Tensors or dicts, but got ${describe(params)}`,
      );
    }
    this.defaults = defaults;
    const list = [...params] as unknown[];
    if (list.length === 0) throw new ValueError("optimizer got an empty parameter list");
    if (typeof list[0] === "object" && list[0] !== null && !is_tensor(list[0]) && !Array.isArray(list[0])) {
      for (const group of list) this.add_param_group(group as Partial<O> & { params: Tensor | Iterable<Tensor> });
    } else this.add_param_group({ params: list } as unknown as Partial<O> & { params: Tensor[] });
  }

  /** Adds a group of parameters, with the defaults for options that it does not have. */
  add_param_group(group: Partial<O> & { params: Tensor | Iterable<Tensor> }): void {
    if (typeof group !== "object" || group === null || !("params" in group)) {
      throw new TypeError("param_group must be a dict with a 'params' entry");
    }
    const given = is_tensor(group.params) ? [group.params] : [...group.params];
    const params = given.map((p) => (Array.isArray(p) ? (p[1] as Tensor) : p));
    for (const p of params) {
      if (!is_tensor(p))
        throw new TypeError(`optimizer can only optimize Tensors, but one of the params is ${describe(p)}`);
      if (!p.is_leaf) throw new ValueError("can't optimize a non-leaf Tensor");
    }
    if (new Set(params).size !== params.length) {
      throw new ValueError("some parameters appear more than once in this parameter group");
    }
    for (const other of this.param_groups) {
      if (other.params.some((p) => params.includes(p))) {
        throw new ValueError("some parameters appear in more than one parameter group");
      }
    }
    const full = { ...this.defaults, ...group, params } as unknown as ParamGroup<O>;
    this.validate(full);
    this.param_groups.push(full);
  }

  /** Throws ValueError for unusable options. */
  protected abstract validate(options: O): void;

  /**
   * Updates one parameter by its gradient. Runs without recording. What the last kernel of an `update` writes may be there
   * only after all parameters had their turn.
   */
  protected abstract update(parameter: Tensor, grad: Tensor, group: ParamGroup<O>, state: ParameterState): void;

  /** Changes the parameters. A closure, if given, computes the loss (with gradients) first, and its result is returned. */
  step(): undefined;
  step<R>(closure: () => R): R;
  step<R>(closure?: () => R): R | undefined {
    return stepWithHooks(this as AnyOptimizer, this.hooks, closure, (given) => this.stepOnce(given as typeof closure));
  }

  private stepOnce<R>(closure: (() => R) | undefined): R | undefined {
    const loss = closure === undefined ? undefined : enable_grad(closure);
    withGradMode(false, () => updateTogether(() => this.updateAll()));
    return loss;
  }

  private updateAll(): void {
    for (const group of this.param_groups) {
      for (const parameter of group.params) {
        const grad = parameter.gradient;
        if (grad === null) continue;
        let state = this.state.get(parameter);
        if (state === undefined) this.state.set(parameter, (state = {}));
        this.update(parameter, grad, group, state);
        for (const key in state) {
          const value = state[key];
          if (is_tensor(value)) value.storage.kept = true;
        }
      }
    }
  }

  /** Forgets gradients: `.grad` becomes null, or zero with `set_to_none: false`. */
  zero_grad(set_to_none: boolean | { set_to_none?: boolean } = true): void {
    const forget = typeof set_to_none === "boolean" ? set_to_none : (set_to_none.set_to_none ?? true);
    for (const group of this.param_groups) {
      for (const parameter of group.params) {
        if (parameter.gradient === null) continue;
        if (forget) dropGradient(parameter);
        else withGradMode(false, () => parameter.gradient?.detach_().zero_());
      }
    }
  }

  /** The state in PyTorch's form; tensors are not copied. */
  state_dict(): OptimizerState {
    for (const hook of this.hooks.stateDictPre.list()) hook(this as AnyOptimizer);
    const numbers = new Map<Tensor, number>();
    const param_groups = this.param_groups.map((group) => {
      for (const p of group.params) if (!numbers.has(p)) numbers.set(p, numbers.size);
      const { params, ...options } = group;
      return { ...options, params: params.map((p) => numbers.get(p) as number) };
    });
    const state: Record<string, ParameterState> = {};
    for (const [parameter, values] of this.state) {
      const number = numbers.get(parameter);
      if (number !== undefined && Object.keys(values).length > 0) state[number] = values;
    }
    let state_dict: OptimizerState = { state, param_groups };
    for (const hook of this.hooks.stateDictPost.list()) {
      state_dict = (hook(this as AnyOptimizer, state_dict) as OptimizerState | null | undefined) ?? state_dict;
    }
    return state_dict;
  }

  /** Takes over a state in PyTorch's form: its groups' options, and copies of its tensors. */
  load_state_dict(state_dict: OptimizerState): void {
    if (!isOptions(state_dict)) {
      const hint = (state_dict as unknown) instanceof Promise ? ". Loading is asynchronous: await it first" : "";
      throw new TypeError(`expected the state dict of an optimizer, but got ${describe(state_dict)}${hint}`);
    }
    let given: OptimizerState = { ...(state_dict as OptimizerState) };
    for (const hook of this.hooks.loadStateDictPre.list()) {
      given = (hook(this as AnyOptimizer, given) as OptimizerState | null | undefined) ?? given;
    }
    this.takeState(given);
    for (const hook of this.hooks.loadStateDictPost.list()) hook(this as AnyOptimizer);
  }

  private takeState(state_dict: OptimizerState): void {
    for (const key of ["param_groups", "state"]) if (!Object.hasOwn(state_dict, key)) throw new KeyError(`'${key}'`);
    const saved = state_dict.param_groups;
    if (!Array.isArray(saved) || saved.length !== this.param_groups.length) {
      throw new ValueError("loaded state dict has a different number of parameter groups");
    }
    const target = new Map<number, Tensor>();
    saved.forEach((group, g) => {
      if (group.params.length !== this.param_groups[g].params.length) {
        throw new ValueError(
          "loaded state dict contains a parameter group that doesn't match the size of optimizer's group",
        );
      }
      group.params.forEach((number, i) => {
        target.set(number, this.param_groups[g].params[i]);
      });
    });
    const state = new Map<Tensor, ParameterState>();
    for (const [number, values] of Object.entries(state_dict.state)) {
      const parameter = target.get(Number(number));
      if (parameter === undefined) continue;
      const copy: ParameterState = {};
      for (const [key, value] of Object.entries(values))
        copy[key] = is_tensor(value) ? adopt(key, value, parameter) : value;
      state.set(parameter, copy);
    }
    this.param_groups = saved.map((group, g) => ({
      ...group,
      // Earlier versions of PyTorch had fewer options.
      ...Object.fromEntries(Object.entries(this.defaults).filter(([name]) => !Object.hasOwn(group, name))),
      params: this.param_groups[g].params,
    })) as unknown as ParamGroup<O>[];
    this.state.clear();
    for (const [parameter, values] of state) this.state.set(parameter, values);
  }

  /** Calls `hook(optimizer, args, kwargs)` before each step; it may return a pair of other arguments. */
  register_step_pre_hook(hook: StepPreHook): RemovableHandle {
    return this.hooks.pre.add(checkedHook(hook));
  }
  /** Calls `hook(optimizer, args, kwargs)` after each step. */
  register_step_post_hook(hook: StepPostHook): RemovableHandle {
    return this.hooks.post.add(checkedHook(hook));
  }
  /** Calls `hook(optimizer)` before `state_dict` reads the state. */
  register_state_dict_pre_hook(hook: OptimizerHook, options: boolean | Prepend = {}): RemovableHandle {
    return this.hooks.stateDictPre.add(checkedHook(hook), prepends(options));
  }
  /** Calls `hook(optimizer, state_dict)` with what `state_dict` is about to return; it may return another state. */
  register_state_dict_post_hook(hook: OptimizerStateHook, options: boolean | Prepend = {}): RemovableHandle {
    return this.hooks.stateDictPost.add(checkedHook(hook), prepends(options));
  }
  /** Calls `hook(optimizer, state_dict)` before a state is loaded, with a shallow copy of it; it may return another. */
  register_load_state_dict_pre_hook(hook: OptimizerStateHook, options: boolean | Prepend = {}): RemovableHandle {
    return this.hooks.loadStateDictPre.add(checkedHook(hook), prepends(options));
  }
  /** Calls `hook(optimizer)` when a state is loaded. */
  register_load_state_dict_post_hook(hook: OptimizerHook, options: boolean | Prepend = {}): RemovableHandle {
    return this.hooks.loadStateDictPost.add(checkedHook(hook), prepends(options));
  }

  /** PyTorch's text. */
  toString(): string {
    let text = `${this.constructor.name} (`;
    this.param_groups.forEach((group, i) => {
      text += `\nParameter Group ${i}\n`;
      for (const key of Object.keys(group).sort()) {
        if (key !== "params") text += `    ${key}: ${pythonRepr(group[key] as never)}\n`;
      }
    });
    return `${text})`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

interface Prepend {
  /** Run before the hooks that are there. */
  readonly prepend?: boolean;
}

function prepends(options: boolean | Prepend): boolean {
  return typeof options === "boolean" ? options : (options.prepend ?? false);
}

/** A state tensor for `parameter`: its dtype, except for the count of steps. */
function adopt(key: string, value: Tensor, parameter: Tensor): Tensor {
  const dtype = key !== "step" && parameter.is_floating_point() ? parameter.dtype : value.dtype;
  if (key !== "step" && value.numel() !== parameter.numel()) {
    throw new RuntimeError(
      `loaded state '${key}' has shape [${value.shape.join(", ")}], but its parameter has shape [${parameter.shape.join(", ")}]`,
    );
  }
  return value.detach().to(dtype, { copy: true });
}

/** Adds one to the state's count of steps, a float32 scalar as in PyTorch, and returns it. */
export function countStep(state: ParameterState, parameter: Tensor): number {
  // Before version 1.12 PyTorch kept a number.
  const before = (state.step ?? 0) as Tensor | number;
  const step = is_tensor(before) ? before : parameter.new_full([], before, { dtype: dt.float32 });
  if (step.dtype === dt.float32) {
    state.step = step;
    return increment(step);
  }
  state.step = step.add_(1);
  return step.item() as number;
}

/** The state tensor `key`, made of zeros on first use. */
export function zerosState(state: ParameterState, key: string, parameter: Tensor): Tensor {
  let tensor = state[key] as Tensor | undefined;
  if (tensor === undefined) state[key] = tensor = parameter.detach().mul(0).zero_();
  return tensor;
}

/** Throws in PyTorch's words if a value is not acceptable. */
export function requireValid(ok: boolean, what: string, value: unknown): void {
  if (!ok) throw new ValueError(`Invalid ${what}: ${pythonRepr(value as never)}`);
}

/** Refuses options that an optimizer does not have. */
export function withDefaults<O extends object>(optimizer: string, defaults: O, options: object): O {
  checkKeywords(`${optimizer}.__init__`, options, Object.keys(defaults));
  return { ...defaults, ...options };
}
