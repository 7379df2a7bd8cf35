/** The node at a leaf: adds what arrives to the tensor's `.grad`. */

import { isRecording } from "../context/grad-mode.ts";
import { RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { denseOrder } from "./layout.ts";
import { earlyFrees } from "./mode.ts";
import { type Gradients, type InputMetadata, Node } from "./node.ts";

export class AccumulateGrad extends Node {
  readonly variable: Tensor;
  readonly outputCount = 1;
  // A leaf's gradient is added as soon as it is there.
  override readonly sequenceNumber: number = Number.POSITIVE_INFINITY;
  /** Called with the variable after its `.grad` was updated. */
  accumulateHooks: ((variable: Tensor) => void)[] | null = null;

  constructor(variable: Tensor) {
    super([], []);
    this.variable = variable;
  }

  override name(): string {
    return "torch::autograd::AccumulateGrad";
  }

  override inputMetadata(): InputMetadata {
    return { shape: this.variable.sizes, dtype: this.variable.dtype };
  }

  override apply(grads: Gradients): Gradients {
    this.accumulate(grads[0], false);
    return [];
  }

  /** `owned`: no other tensor shares the gradient's storage, so it may become `.grad` itself. */
  accumulate(grad: Tensor | null, owned: boolean): void {
    const variable = this.variable;
    if (grad === null) return;
    if (variable.historyNode !== null) throw new RuntimeError("leaf variable has been moved into the graph interior");
    // It may have been told since that it needs none.
    if (variable.leafRequiresGrad) this.add(variable, grad, owned);
    if (this.accumulateHooks !== null) for (const hook of [...this.accumulateHooks]) hook(variable);
  }

  private add(variable: Tensor, grad: Tensor, owned: boolean): void {
    const before = variable.gradient;
    if (before === null) {
      if (owned && !isRecording() && obeysLayout(grad, variable)) {
        variable.gradient = grad.viewInfo === null ? grad : grad.detach();
      } else variable.gradient = cloneLike(isRecording() ? grad : grad.detach(), variable);
      variable.gradientHidden = !isRecording();
    } else if (isRecording()) {
      variable.gradient = before.add(grad);
      variable.gradientHidden = false;
    } else {
      before.add_(grad);
      if (owned) grad.storage.free();
    }
    if (variable.gradient !== null) variable.gradient.storage.kept = true;
  }
}

/** Makes `.grad` null. Its memory is given back at once if nobody has read it. */
export function dropGradient(variable: Tensor): void {
  if (variable.gradientHidden && earlyFrees()) variable.gradient?.storage.free();
  variable.gradient = null;
  variable.gradientHidden = false;
}

/** PyTorch's contract: `.grad` has the strides of a tensor without gaps, else it is contiguous. */
function obeysLayout(grad: Tensor, variable: Tensor): boolean {
  if (variable.contiguousLayout) return grad.contiguousLayout;
  const order = denseOrder(variable);
  if (order === null) return grad.contiguousLayout;
  return grad.sizes.every((size, d) => size === 1 || grad.strides[d] === variable.strides[d]);
}

/** A copy of `grad` with the layout that the contract asks for. */
function cloneLike(grad: Tensor, variable: Tensor): Tensor {
  const order = variable.contiguousLayout ? null : denseOrder(variable);
  // Recorded, it is a copy into new memory, as in PyTorch.
  if (isRecording()) {
    if (order === null) return grad.new_empty(grad.sizes).copy_(grad);
    const memory = grad.new_empty(order.map((d) => grad.sizes[d]));
    return memory.permute(inverse(order)).detach().copy_(grad);
  }
  if (order === null && !variable.contiguousLayout) return grad.clone({ memory_format: "contiguous_format" });
  const memory = (order === null ? grad : grad.permute(order)).clone({ memory_format: "contiguous_format" });
  // PyTorch counts this copy as a change too.
  memory.version.value = 1;
  return order === null ? memory : memory.permute(inverse(order));
}

function inverse(order: readonly number[]): number[] {
  return order.map((_, d) => order.indexOf(d));
}

/** The accumulator of a leaf, made on first use. */
export function gradientAccumulator(leaf: Tensor): Node {
  leaf.accumulator ??= new AccumulateGrad(leaf);
  return leaf.accumulator;
}
