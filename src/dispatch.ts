/**
 * The only way from a call to a kernel. Every op that computes something is a `Primitive`; composites call other ops.
 * Transformations of programs (recording for a compiler, vectorizing maps) put an interceptor in place and see every
 * primitive call: its inputs, which are tensors, and its attributes, which are everything else.
 */

import { is_grad_enabled } from "./autograd/mode.ts";
import type { Gradients } from "./autograd/node.ts";
import type { DifferentiableOp, GradientContext } from "./autograd/op-node.ts";
import { anyRequiresGrad, checkInplace, linkView, makeNode, rebaseHistory, setHistory } from "./autograd/record.ts";
import { RuntimeError } from "./errors.ts";
import type { Tensor } from "./tensor.ts";

/** An op as dispatch sees it. `ops/define` makes these from declarations. */
export interface Primitive<A = unknown> extends DifferentiableOp<A> {
  /** PyTorch's name. */
  readonly name: string;
  /**
   * Computes the outputs from inputs that need no recording. `out`, where given, is a tensor of the right shape and
   * dtype to write the (single) output into; it may be `inputs[0]`.
   */
  readonly compute: (inputs: readonly Tensor[], attrs: A, out: Tensor | null) => Tensor | Tensor[];
  /** Whether outputs have gradients. False for comparisons, arg-reductions, and the like. */
  readonly differentiable: boolean;
  /**
   * For each input (the last entry also for all further ones): what its gradient needs saved, bit i for input i and
   * bit `OUTPUT_BIT + j` for output j.
   */
  readonly masks: readonly number[];
  /** Outputs alias input 0. */
  readonly view: "none" | "view" | "multi_view";
  /** In place, elements that share memory may be written. */
  readonly allowsOverlap?: boolean;
}

/** What stands between calls and kernels, if anything does. */
export interface Interceptor {
  call<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A, target: Tensor | null): Tensor | Tensor[];
}

let interceptor: Interceptor | null = null;

/** Runs `body` with every dispatched call going to `handler` (null: none, as inside a handler). */
export function withInterceptor<R>(handler: Interceptor | null, body: () => R): R {
  const before = interceptor;
  interceptor = handler;
  try {
    return body();
  } finally {
    interceptor = before;
  }
}

/** Calls an op with one output. */
export function dispatch<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  if (interceptor !== null) return interceptor.call(op, inputs, attrs, null) as Tensor;
  const output = op.compute(inputs, attrs, null) as Tensor;
  if (op.view !== "none") linkView(output, inputs[0], "ordinary");
  if (op.differentiable && is_grad_enabled() && anyRequiresGrad(inputs) && output.dtype.is_floating_point) {
    setHistory(output, makeNode(op, attrs, inputs, [output], null), 0);
  }
  return output;
}

/** Calls an op with several outputs. */
export function dispatchMany<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
  if (interceptor !== null) return interceptor.call(op, inputs, attrs, null) as Tensor[];
  const outputs = op.compute(inputs, attrs, null) as Tensor[];
  if (op.view !== "none") for (const output of outputs) linkView(output, inputs[0], "multi_output");
  if (op.differentiable && is_grad_enabled() && anyRequiresGrad(inputs)) {
    const node = makeNode(op, attrs, inputs, outputs, null);
    outputs.forEach((output, i) => {
      if (output.dtype.is_floating_point && (op.differentiableOutputs?.[i] ?? true)) setHistory(output, node, i);
    });
  }
  return outputs;
}

/**
 * Calls an op whose result overwrites `self`, which is `inputs[0]`. The caller has checked that the result has the shape
 * of `self` and can be cast to its dtype.
 */
export function dispatchInplace<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  const self = inputs[0];
  if (interceptor !== null) return interceptor.call(op, inputs, attrs, self) as Tensor;
  // Also where the op has no gradient: the history of what is overwritten ends here.
  const recorded = is_grad_enabled() && self.dtype.is_floating_point && anyRequiresGrad(inputs);
  checkInplace(self, recorded);
  if (op.allowsOverlap !== true) checkWritable(self);
  // What the gradient needs of the old value is copied before it is overwritten.
  let before: Tensor | null = null;
  if (recorded && savesSelf(op, inputs)) before = self.clone();
  // Other inputs are saved as they are now: one that shares memory with `self` must be noticed as changed.
  const node = recorded ? makeNode(op, attrs, inputs, [self], before) : null;
  op.compute(inputs, attrs, self);
  self.version.value++;
  if (node !== null) {
    rebaseHistory(self, node);
    node.saveOutputs([self]);
  }
  return self;
}

/**
 * Calls an op whose result goes straight into `out`, a tensor of the result's shape and dtype. Neither it nor an input
 * requires a gradient. False, and nothing done, where an interceptor has to see the op: then the result is copied.
 */
export function dispatchOut<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A, out: Tensor): boolean {
  if (interceptor !== null) return false;
  checkWritable(out);
  op.compute(inputs, attrs, out);
  out.version.value++;
  return true;
}

function savesSelf<A>(op: Primitive<A>, inputs: readonly Tensor[]): boolean {
  for (let i = 0; i < inputs.length; i++) {
    const mask = op.masks[Math.min(i, op.masks.length - 1)];
    if (mask & 1 && inputs[i].requires_grad) return true;
  }
  return false;
}

/** Refuses to write through a tensor several of whose elements are the same memory. */
export function checkWritable(self: Tensor): void {
  if (self.contiguousLayout) return;
  for (let i = 0; i < self.sizes.length; i++) {
    if (self.sizes[i] > 1 && self.strides[i] === 0) {
      throw new RuntimeError(
        `unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation.`,
      );
    }
  }
}

export type { GradientContext, Gradients };

/** An op that overwrites several of its inputs, such as an optimizer's update. It is never recorded. */
export interface UpdateOp<A> extends Primitive<A> {
  /** The numbers of the inputs that are written. */
  readonly writes: readonly number[];
}

/** Calls an op that overwrites several inputs. */
export function dispatchUpdate<A>(op: UpdateOp<A>, inputs: readonly Tensor[], attrs: A): void {
  if (interceptor !== null) {
    interceptor.call(op, inputs, attrs, inputs[op.writes[0]]);
    return;
  }
  for (const i of op.writes) checkWritable(inputs[i]);
  op.compute(inputs, attrs, null);
  for (const i of op.writes) inputs[i].version.value++;
}
