/**
 * Full backward hooks: two identity nodes, around a module's inputs and around its outputs, see the gradients of both.
 * https://pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook
 */
import { Function as AutogradFunction, type FunctionCtx } from "../autograd/function.ts";
import { is_grad_enabled } from "../autograd/mode.ts";
import type { Gradients, Node } from "../autograd/node.ts";
import { RuntimeError } from "../errors.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { warn } from "../warnings.ts";
import type { BackwardHook, BackwardPreHook, ModuleGradients } from "./hooks.ts";
import type { Module } from "./module.ts";

class BackwardHookFunction extends AutogradFunction {
  static forward(ctx: FunctionCtx, ...tensors: Tensor[]): Tensor[] {
    ctx.mark_non_differentiable(...tensors.filter((t) => !t.requires_grad));
    return tensors;
  }
  static backward(_ctx: FunctionCtx, ...grads: (Tensor | null)[]): (Tensor | null)[] {
    return grads;
  }
}

/** The tensors of `values` passed through one node, to which `attach` is given, and their positions; null without history. */
function throughNode(values: unknown[], attach: (node: Node) => void): [unknown[], number[] | null] {
  const positions = values.flatMap((value, i) => (is_tensor(value) ? [i] : []));
  const tensors = positions.map((i) => values[i] as Tensor);
  if (!is_grad_enabled() || !tensors.some((t) => t.requires_grad)) return [values, null];
  const passed = BackwardHookFunction.apply(...tensors);
  const node = passed.find((t) => t.historyNode?.name() === "BackwardHookFunctionBackward")?.historyNode;
  if (!node) throw new RuntimeError("Error while setting up backward hooks: no tensor has a history");
  attach(node);
  const out = values.slice();
  // Results with names keep them.
  if (Object.getPrototypeOf(values) !== Array.prototype) Object.setPrototypeOf(out, Object.getPrototypeOf(values));
  positions.forEach((position, i) => {
    out[position] = passed[i];
  });
  return [out, positions];
}

/** A list of gradients that a hook has returned, or null. */
function listed(returned: unknown): ModuleGradients | null {
  if (returned === null || returned === undefined) return null;
  return is_tensor(returned) ? [returned] : (returned as ModuleGradients);
}

/** The hooks of one call of a module. */
export class CallBackwardHooks {
  private readonly module: Module;
  private readonly hooks: readonly BackwardHook[];
  private readonly preHooks: readonly BackwardPreHook[];
  private gradOutputs: ModuleGradients | null = null;
  private inputCount = 0;
  private inputPositions: number[] | null = null;

  constructor(module: Module, hooks: readonly BackwardHook[], preHooks: readonly BackwardPreHook[]) {
    this.module = module;
    this.hooks = hooks;
    this.preHooks = preHooks;
  }

  /** The arguments for `forward`. */
  inputs(args: unknown[]): unknown[] {
    const [passed, positions] = throughNode(args, (node) => {
      node.register_hook((gradInputs) => this.atInputs(gradInputs));
    });
    this.inputCount = args.length;
    this.inputPositions = positions;
    return passed;
  }

  private atInputs(grads: Gradients): Gradients | null {
    // A gradient may come to the inputs without having passed the outputs: when gradients are differentiated.
    if (this.gradOutputs === null) return null;
    const positions = this.inputPositions as number[];
    let result: ModuleGradients = spread(positions, grads, this.inputCount);
    for (const hook of this.hooks) {
      const returned = listed(hook(this.module, result, this.gradOutputs));
      if (returned === null) continue;
      if (returned.length !== result.length) {
        throw new RuntimeError(
          `Backward hook returned an invalid number of grad_input, got ${returned.length}, but expected ${result.length}`,
        );
      }
      result = returned;
    }
    this.gradOutputs = null;
    return positions.map((i) => result[i]);
  }

  /** The result of the call. */
  outputs(result: unknown): unknown {
    if (!is_tensor(result) && !Array.isArray(result)) {
      warn(
        `For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received ${typeof result}`,
      );
    }
    const values: unknown[] = Array.isArray(result) ? result : [result];
    let node: Node | null = null;
    const [passed, positions] = throughNode(values, (made) => {
      node = made;
    });
    if (positions !== null) {
      (node as Node | null)?.register_hook((_, grads) => this.atOutputs(grads, positions, values.length));
    }
    return Array.isArray(result) ? passed : passed[0];
  }

  private atOutputs(grads: Gradients, positions: number[], count: number): Gradients | null {
    let grad: ModuleGradients = spread(positions, grads, count);
    for (const hook of this.preHooks) {
      const returned = listed(hook(this.module, grad));
      if (returned === null) continue;
      if (returned.length !== count) {
        throw new RuntimeError(
          `Backward pre hook returned an invalid number of grad_output, got ${returned.length}, but expected ${count}`,
        );
      }
      grad = returned;
    }
    if (this.inputPositions === null) this.withoutInputs(grad);
    else this.gradOutputs = grad;
    return positions.map((i) => grad[i]);
  }

  /** No input requires a gradient, so no gradient will come to the inputs. */
  private withoutInputs(grad: ModuleGradients): void {
    if (this.hooks.length === 0) return;
    warn(
      "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook for more details.",
    );
    const none = new Array<null>(this.inputCount).fill(null);
    for (const hook of this.hooks) {
      const returned = listed(hook(this.module, none, grad));
      if (returned?.some((g) => g !== null) || (returned !== null && !Array.isArray(returned))) {
        throw new RuntimeError(
          "Backward hook for Modules where no input requires gradient should always return None or None for all gradients.",
        );
      }
    }
  }
}

function spread(positions: readonly number[], values: Gradients, count: number): (Tensor | null)[] {
  const out = new Array<Tensor | null>(count).fill(null);
  positions.forEach((position, i) => {
    out[position] = values[i];
  });
  return out;
}

/** Puts hooks of the old kind on the node of the first tensor of a result: they see the gradients of that node alone. */
export function attachOldHooks(
  module: Module,
  hooks: readonly BackwardHook[],
  inputs: readonly unknown[],
  result: unknown,
): void {
  const node = firstTensor(result).historyNode;
  if (node === null) return;
  for (const hook of hooks) {
    node.register_hook((gradInputs, gradOutputs) => listed(hook(module, gradInputs, gradOutputs)));
  }
  warnOfOldHooks(inputs, result, node);
}

function firstTensor(result: unknown): Tensor {
  let value = result;
  while (!is_tensor(value)) {
    const next: unknown = Array.isArray(value) ? value[0] : Object.values(value as object).find(is_tensor);
    if (next === undefined) throw new TypeError("a module with backward hooks must return tensors");
    value = next;
  }
  return value;
}

function warnOfOldHooks(inputs: readonly unknown[], result: unknown, node: Node): void {
  const outputs = Array.isArray(result) ? (result as unknown[]) : [result];
  const say = (subject: string, rest: string): void =>
    warn(`Using ${subject} is deprecated and will be removed in future versions. ${rest}`, "FutureWarning");
  const full = "Please use register_full_backward_hook to get the documented behavior.";
  if (!outputs.every(is_tensor)) {
    say(
      "non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors",
      `This hook will be missing some of the grad_output. ${full}`,
    );
    return;
  }
  if (!inputs.every(is_tensor)) {
    say(
      "non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of Tensors",
      `This hook will be missing some of the grad_input. ${full}`,
    );
    return;
  }
  const nodesOf = (tensors: readonly Tensor[]): Set<Node | null> =>
    new Set(tensors.map((t) => t.historyNode).filter((n) => n !== null));
  const made = nodesOf(outputs);
  if (made.size === 0 || (made.size === 1 && !made.has(node))) {
    say(
      "a non-full backward hook when outputs are nested in python data structure",
      "This hook will be missing some grad_output.",
    );
  } else if (made.size > 1) {
    say(
      "a non-full backward hook when outputs are generated by different autograd Nodes",
      `This hook will be missing some grad_output. ${full}`,
    );
  } else {
    const came = nodesOf(inputs);
    const next = new Set(node.next_functions.map(([n]) => n));
    if (came.size !== next.size || [...came].some((n) => !next.has(n))) {
      say(
        "a non-full backward hook when the forward contains multiple autograd Nodes",
        `This hook will be missing some grad_input. ${full}`,
      );
    }
  }
}
