/**
 * The only way from a call to a kernel. Every op that computes something is a `Primitive`; composites call other ops.
 * Transformations of programs (recording for a compiler, vectorizing maps) put an interceptor in place and see every
 * primitive call: its inputs, which are tensors, and its attributes, which are everything else.
 */

import { tangentsMayExist } from "./autograd/dual-level.ts";
import {
  type ForwardRule,
  overwriteTangents,
  type PendingTangents,
  pendingTangents,
  propagateTangents,
} from "./autograd/jvp.ts";
import { denseOrder } from "./autograd/layout.ts";
import type { Gradients } from "./autograd/node.ts";
import type { DifferentiableOp, GradientContext, OpNode } from "./autograd/op-node.ts";
import {
  anyRequiresGrad,
  checkInferenceWrite,
  checkInplace,
  linkView,
  makeNode,
  rebaseHistory,
  setHistory,
  sharedElementsError,
} from "./autograd/record.ts";
import { isRecording } from "./context/grad-mode.ts";
import { RuntimeError } from "./errors.ts";
import { sameShape } from "./shape.ts";
import { INFERENCE_VERSION, type Tensor } from "./tensor.ts";
import { living } from "./wrapping.ts";

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
  /** Outputs alias input 0; "alias": as memory that shares its version, without being a differentiable view of it. */
  readonly view: "none" | "view" | "multi_view" | "alias";
  /** How the op acts on tangents, where its kind does not say it. */
  readonly forward?: ForwardRule<A>;
  /** In place, elements that share memory may be written. */
  readonly allowsOverlap?: boolean;
  /** Elements of the result are computed from those at the same place: what is overwritten may not be read elsewhere. */
  readonly elementwise?: boolean;
  /** Draws random numbers: torch.vmap asks whether these are the same for all samples. */
  readonly random?: boolean;
  /** What the op does under torch.vmap. Without it, a view follows its strides and other ops run for each sample. */
  readonly batch?: BatchRule<A>;
}

/** How an op is called: with one output, with several, or with its result written over its first input. */
export type CallForm = "one" | "many" | "inplace";

/** A call under torch.vmap, as a batching rule sees it. */
export interface BatchedCall<A> {
  readonly op: Primitive<A>;
  /** The inputs as the caller sees them: one sample. For shapes and dtypes only. */
  readonly inputs: readonly Tensor[];
  /** The inputs with all samples along the first dimension where `batched[i]`; else the same for all samples. */
  readonly values: readonly Tensor[];
  readonly batched: readonly boolean[];
  readonly attrs: A;
  /** How many samples there are. */
  readonly size: number;
  readonly form: CallForm;
}

/**
 * What an op does to a batch: calls ops on `values` and gives the result with the samples along its first dimension. With
 * the form "inplace", `values[0]` is batched, is to be overwritten, and the result is not used. Null: the op runs once for each
 * sample.
 */
export type BatchRule<A> = (call: BatchedCall<A>) => Tensor | Tensor[] | null;

/**
 * What stands between calls and kernels, if anything does: one method for each way of calling an op. While one runs, the
 * handler below it (or none) has to be in place: see `setInterceptor`.
 */
export interface Interceptor {
  call<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor;
  callMany<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor[];
  /** The result overwrites `inputs[0]`. */
  callInplace<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor;
  callUpdate<A>(op: UpdateOp<A>, inputs: readonly Tensor[], attrs: A): void;
  /** Makes a tensor that is to be filled with random numbers, for each sample of torch.vmap where it shall have its own. */
  forSamples?(sizes: readonly number[], make: (sizes: readonly number[]) => Tensor): Tensor;
}

/** A tensor made by `make` from its sizes, to be filled with random numbers. */
export function forSamples(sizes: readonly number[], make: (sizes: readonly number[]) => Tensor): Tensor {
  return interceptor?.forSamples === undefined ? make(sizes) : interceptor.forSamples(sizes, make);
}

let interceptor: Interceptor | null = null;

/** The handler that sees dispatched calls. */
export function currentInterceptor(): Interceptor | null {
  return interceptor;
}

/** Puts a handler in place, or none. Whoever calls this puts back what was there before, also after an error. */
export function setInterceptor(handler: Interceptor | null): void {
  interceptor = handler;
}

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
  if (interceptor !== null) return interceptor.call(op, inputs, attrs);
  const output = op.compute(inputs, attrs, null) as Tensor;
  record(op, inputs, attrs, output);
  return output;
}

/** Gives the output of a call its history, and links a view to its base. */
export function record<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A, output: Tensor): void {
  if (op.view !== "none") link(op, output, living(inputs)[0]);
  if (op.differentiable && isRecording() && anyRequiresGrad(inputs) && output.dtype.is_floating_point) {
    const sources = living(inputs);
    if (sources === inputs || anyRequiresGrad(sources)) {
      setHistory(output, makeNode(op, attrs, sources, [output], null), 0);
    }
  }
  if (tangentsMayExist()) {
    propagateTangents(op, living(inputs), attrs, [output], (others) => dispatch(op, others, attrs));
  }
}

function link<A>(op: Primitive<A>, output: Tensor, source: Tensor): void {
  if (op.view === "alias") output.version = source.version;
  else linkView(output, source, "ordinary");
}

/** Calls an op with several outputs. */
export function dispatchMany<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
  if (interceptor !== null) return interceptor.callMany(op, inputs, attrs);
  const outputs = op.compute(inputs, attrs, null) as Tensor[];
  recordMany(op, inputs, attrs, outputs);
  return outputs;
}

/** `record` for several outputs. */
export function recordMany<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A, outputs: readonly Tensor[]): void {
  const sources = living(inputs);
  if (op.view !== "none") for (const output of outputs) linkView(output, sources[0], "multi_output");
  if (op.differentiable && isRecording() && anyRequiresGrad(sources)) {
    const node = makeNode(op, attrs, sources, outputs, null);
    outputs.forEach((output, i) => {
      if (output.dtype.is_floating_point && (op.differentiableOutputs?.[i] ?? true)) setHistory(output, node, i);
    });
  }
  if (tangentsMayExist()) propagateTangents(op, sources, attrs, outputs, (others) => dispatchMany(op, others, attrs));
}

/**
 * Calls an op whose result overwrites `self`, which is `inputs[0]`. The caller has checked that the result has the shape
 * of `self` and can be cast to its dtype.
 */
export function dispatchInplace<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  const self = inputs[0];
  if (interceptor !== null) return interceptor.callInplace(op, inputs, attrs);
  if (self.wrapping !== null) {
    const sources = living(inputs);
    if (sources !== inputs) {
      dispatchInplace(op, sources, attrs);
      return self;
    }
  }
  const node = beforeInplace(op, inputs, attrs);
  const tangents = beforeInplaceTangents(op, inputs);
  if (op.allowsOverlap !== true) checkWritable(self);
  if (op.elementwise === true) checkPartialOverlap(inputs);
  op.compute(inputs, attrs, self);
  self.version.value++;
  if (node !== null) afterInplace(self, node);
  if (tangents !== null) afterInplaceTangents(op, tangents, attrs, self);
  return self;
}

/** The node of a call that is about to overwrite its first input, null where nothing is recorded. */
export function beforeInplace<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): OpNode<A> | null {
  const self = inputs[0];
  // Also where the op has no gradient: the history of what is overwritten ends here.
  const recorded = isRecording() && self.dtype.is_floating_point && anyRequiresGrad(inputs);
  checkInplace(self, recorded);
  if (!recorded) return null;
  // What the gradient needs of the old value is copied before it is overwritten.
  const before = savesSelf(op, inputs) ? self.clone() : null;
  // Other inputs are saved as they are now: one that shares memory with `self` must be noticed as changed.
  return makeNode(op, attrs, living(inputs), [self], before, false);
}

/** Gives what was overwritten its new history. */
export function afterInplace<A>(self: Tensor, node: OpNode<A>): void {
  rebaseHistory(self, node);
  node.saveOutputs([self]);
}

/** What the tangents of a call that is about to overwrite its first input need; null where there are none. */
export function beforeInplaceTangents<A>(op: Primitive<A>, inputs: readonly Tensor[]): PendingTangents | null {
  return tangentsMayExist() ? pendingTangents(op, inputs) : null;
}

/** Gives what was overwritten its new tangent. */
export function afterInplaceTangents<A>(op: Primitive<A>, pending: PendingTangents, attrs: A, self: Tensor): void {
  overwriteTangents(op, pending, attrs, self, (others) => dispatch(op, others, attrs));
}

/**
 * Calls an op whose result goes straight into `out`, a tensor of the result's shape and dtype. Neither it nor an input
 * requires a gradient. False, and nothing done, where an interceptor has to see the op: then the result is copied.
 */
export function dispatchOut<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A, out: Tensor): boolean {
  if (interceptor !== null || tangentsMayExist()) return false;
  if (out.version === INFERENCE_VERSION) checkInferenceWrite();
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
      throw sharedElementsError();
    }
  }
}

/** Refuses to overwrite the first of `inputs` where another one is shifted or permuted elements of it. */
function checkPartialOverlap(inputs: readonly Tensor[]): void {
  const self = inputs[0];
  for (let i = 1; i < inputs.length; i++) {
    const other = inputs[i];
    if (other.storage !== self.storage || other === self || other.count === 0 || self.count === 0) continue;
    // As in PyTorch, tensors with gaps are not looked at.
    if (denseOrder(self) === null || denseOrder(other) === null) continue;
    const [from, to] = [self.offset * self.itemsize, other.offset * other.itemsize];
    const same = from === to && self.nbytes === other.nbytes;
    if (same ? sameShape(self.strides, other.strides) : from >= to + other.nbytes || to >= from + self.nbytes) continue;
    throw new RuntimeError(
      "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation.",
    );
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
    interceptor.callUpdate(op, inputs, attrs);
    return;
  }
  for (const i of op.writes) {
    if (inputs[i].version === INFERENCE_VERSION) checkInferenceWrite();
    checkWritable(inputs[i]);
  }
  op.compute(inputs, attrs, null);
  for (const i of op.writes) inputs[i].version.value++;
}
