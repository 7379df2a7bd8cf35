/** The node at a leaf: adds what arrives to the tensor's `.grad`. */
import type { Tensor } from "../tensor.ts";
import { is_grad_enabled } from "./mode.ts";
import { type Gradients, Node } from "./node.ts";

export class AccumulateGrad extends Node {
  readonly variable: Tensor;
  readonly outputCount = 1;
  /** Called with the variable after its `.grad` was updated. */
  accumulateHooks: ((variable: Tensor) => void)[] | null = null;

  constructor(variable: Tensor) {
    super([], []);
    this.variable = variable;
  }

  override name(): string {
    return "AccumulateGrad";
  }

  override apply(grads: Gradients): Gradients {
    this.accumulate(grads[0], false);
    return [];
  }

  /** `owned`: no other tensor shares the gradient's storage, so it may become `.grad` itself. */
  accumulate(grad: Tensor | null, owned: boolean): void {
    if (grad === null) return;
    const variable = this.variable;
    const before = variable.gradient;
    if (before === null) {
      if (is_grad_enabled()) variable.gradient = grad.clone();
      else if (owned && grad.contiguousLayout && variable.contiguousLayout) variable.gradient = grad.detach();
      else variable.gradient = cloneLike(grad, variable);
    } else if (is_grad_enabled()) variable.gradient = before.add(grad);
    else before.add_(grad);
    if (this.accumulateHooks !== null) for (const hook of [...this.accumulateHooks]) hook(variable);
  }
}

/** A copy with the memory layout of `variable`, as PyTorch's layout contract for gradients says. */
function cloneLike(grad: Tensor, variable: Tensor): Tensor {
  if (variable.contiguousLayout) return grad.detach().clone({ memory_format: "contiguous_format" });
  return grad.detach().clone();
}

/** The accumulator of a leaf, made on first use. */
export function gradientAccumulator(leaf: Tensor): Node {
  leaf.accumulator ??= new AccumulateGrad(leaf);
  return leaf.accumulator;
}
