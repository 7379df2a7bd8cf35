/** Recording: how tensors get their history, also when they are changed in place or are views. */

import { is_inference_mode_enabled, isRecording } from "../context/grad-mode.ts";
import type { DType } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { isContiguous } from "../shape.ts";
import { INFERENCE_VERSION, Tensor, type ViewInfo } from "../tensor.ts";
import { gradientAccumulator } from "./accumulate.ts";
import { type Gradients, type InputMetadata, Node, operationName, releasedError } from "./node.ts";
import { type DifferentiableOp, OpNode, OUTPUT_BIT } from "./op-node.ts";
import { SavedTensor } from "./saved-tensor.ts";

/** Where the gradient of a tensor goes; null if it needs none. */
export function gradientEdge(tensor: Tensor): Edge | null {
  const node = currentGradFn(tensor);
  if (node !== null) return { node, output: tensor.outputNumber };
  // A view of a leaf that was made before the leaf required a gradient has nowhere to send one.
  return tensor.leafRequiresGrad ? { node: gradientAccumulator(tensor), output: 0 } : null;
}

export interface Edge {
  readonly node: Node;
  readonly output: number;
}

/** Whether recording `inputs` is asked for. What has inference tensors alone is not recorded, though leaves be among them. */
export function anyRequiresGrad(inputs: readonly Tensor[]): boolean {
  for (let i = 0; i < inputs.length; i++) {
    const t = inputs[i];
    if (t.leafRequiresGrad || t.gradFn !== null || (t.viewInfo !== null && t.requires_grad)) {
      return !t.version.inference || inputs.some((other) => !other.version.inference);
    }
  }
  return false;
}

/**
 * The history of a tensor. After an in-place change of its base (or of another view of it), a view's history is made
 * anew from the base's: PyTorch's `as_strided` of the base.
 */
function currentGradFn(tensor: Tensor): Node | null {
  const view = tensor.viewInfo;
  if (view === null || tensor.gradFnVersion === tensor.version.value) return tensor.gradFn;
  if (tensor.gradFn === null && !view.base.requires_grad) return null;
  if (view.creation !== "ordinary") throw viewChangedError(tensor, view.creation, true);
  remakeHistory(tensor, view.base);
  return tensor.gradFn;
}

function remakeHistory(view: Tensor, base: Tensor): void {
  const before = view.gradFn;
  view.gradFn = new ViewOfBase(base, view);
  view.outputNumber = 0;
  view.gradFnVersion = view.version.value;
  moveRetained(view, before, view.gradFn, 0);
}

interface Geometry {
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly dtype: DType;
}

function geometryOf({ sizes, strides, offset, dtype }: Tensor): Geometry {
  return { sizes, strides, offset, dtype };
}

/** The number of elements from a base's first to its last one in memory. */
function spanOf({ sizes, strides }: Geometry): number {
  let last = 0;
  for (let i = 0; i < sizes.length; i++) {
    if (sizes[i] === 0) return 0;
    last += (sizes[i] - 1) * strides[i];
  }
  return last + 1;
}

/** A gradient of the base, laid out in memory as the base is, so that views of it have the strides of the base's views. */
function layOut(grad: Tensor, base: Geometry): Tensor {
  if (isContiguous(base.sizes, base.strides)) return grad.contiguous();
  for (let i = 0; i < base.sizes.length; i++) {
    // The gradient of the base is to lie in memory as the base does, which PyTorch refuses here too.
    if (base.sizes[i] > 1 && base.strides[i] === 0) throw sharedElementsError();
  }
  return grad.new_zeros([spanOf(base)])._as_strided_add(grad, base.sizes, base.strides, 0);
}

/** The inverse of `layOut`. */
function readBack(memory: Tensor, base: Geometry): Tensor {
  if (isContiguous(base.sizes, base.strides)) return memory;
  return memory.as_strided(base.sizes, base.strides, memory.offset);
}

/** Gradient of a view with respect to its base, by geometry. */
class ViewOfBase extends Node {
  readonly outputCount = 1;
  private readonly base: Geometry;
  private readonly view: Geometry;
  constructor(base: Tensor, view: Tensor) {
    const edge = gradientEdge(base);
    super([edge?.node ?? null], [edge?.output ?? 0]);
    this.base = geometryOf(base);
    this.view = geometryOf(view);
  }
  override name(): string {
    return "AsStridedBackward0";
  }
  override inputMetadata(): InputMetadata {
    return { shape: this.view.sizes, dtype: this.view.dtype };
  }
  override apply(grads: Gradients): Gradients {
    const g = grads[0];
    if (g === null) return [null];
    const { base, view } = this;
    const contiguous = isContiguous(base.sizes, base.strides);
    const memory = g
      .new_zeros(contiguous ? base.sizes : [spanOf(base)])
      ._as_strided_add(g, view.sizes, view.strides, view.offset - base.offset);
    return [readBack(memory, base)];
  }
}

/** The history of a base whose part `view` was overwritten by an op with node `inner`. */
class CopySlices extends Node {
  readonly outputCount = 1;
  private readonly base: Geometry;
  private readonly view: Geometry;
  private inner: Node | null;
  private readonly position: number;
  /** The view is input `position` of `inner`: in its place this node has the base. */
  constructor(base: Tensor, view: Tensor, inner: Node, position: number) {
    const edge = gradientEdge(base);
    super([...inner.nextNodes], [...inner.nextOutputs]);
    this.nextNodes[position] = edge?.node ?? null;
    // The formula is asked for the gradient of the view where that of the base is wanted.
    if (inner.nextNodes[position] !== null) inner.nextNodes[position] = this.nextNodes[position];
    this.nextOutputs[position] = edge?.output ?? 0;
    this.base = geometryOf(base);
    this.view = geometryOf(view);
    this.inner = inner;
    this.position = position;
  }
  override name(): string {
    return "torch::autograd::CopySlices";
  }
  override inputMetadata(): InputMetadata {
    return { shape: this.base.sizes, dtype: this.base.dtype };
  }
  override apply(grads: Gradients): Gradients {
    if (this.inner === null) throw releasedError();
    const g = grads[0];
    if (g === null) return this.nextNodes.map(() => null);
    const { base, view, position } = this;
    const at = view.offset - base.offset;
    const memory = layOut(g, base);
    const part = memory.as_strided(view.sizes, view.strides, memory.offset + at).clone();
    const results = [...this.inner.apply([part])];
    if (this.nextNodes[position] === null) results[position] = null;
    else {
      const changed = results[position] ?? memory.new_zeros(view.sizes);
      results[position] = readBack(memory.as_strided_scatter(changed, view.sizes, view.strides, at), base);
    }
    return results;
  }
  override release(): void {
    this.inner?.release();
    this.inner = null;
  }
}

/**
 * Makes the node of a call. `masks[i]` says what the gradient of input i needs saved. `computed`: the outputs are there, so
 * that they can be saved; otherwise that is left to the caller.
 */
export function makeNode<A>(
  op: DifferentiableOp<A> & { readonly masks: readonly number[] },
  attrs: A,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  savedSelf: Tensor | null,
  computed = true,
): OpNode<A> {
  const n = inputs.length;
  const nextNodes = new Array<Node | null>(n);
  const nextOutputs = new Array<number>(n);
  const masks = op.masks;
  let mask = 0;
  for (let i = 0; i < n; i++) {
    const t = inputs[i];
    let node = currentGradFn(t);
    if (node === null && t.leafRequiresGrad) node = gradientAccumulator(t);
    nextNodes[i] = node;
    nextOutputs[i] = t.gradFn === null ? 0 : t.outputNumber;
    if (node !== null || (t.viewInfo !== null && t.requires_grad))
      mask |= masks[i < masks.length ? i : masks.length - 1];
  }
  for (let i = op.numberEdges ?? 0; i > 0; i--) {
    nextNodes.push(null);
    nextOutputs.push(0);
  }
  const saved = new Array<SavedTensor | null>(n);
  for (let i = 0; i < n; i++) {
    saved[i] =
      i < OUTPUT_BIT && mask & (1 << i) ? new SavedTensor(i === 0 && savedSelf !== null ? savedSelf : inputs[i]) : null;
  }
  const outputMask = mask & ~((1 << OUTPUT_BIT) - 1);
  const node = new OpNode(op, attrs, inputs, outputs, nextNodes, nextOutputs, saved, outputMask);
  if (computed && outputMask !== 0) node.saveOutputs(outputs);
  return node;
}

/** Gives `output` its history. */
export function setHistory(output: Tensor, node: Node, position: number): void {
  output.gradFn = node;
  output.outputNumber = position;
  output.gradFnVersion = output.version.value;
}

/** Makes `view` a view of `source`: they share version and base. */
export function linkView(view: Tensor, source: Tensor, creation: ViewInfo["creation"]): void {
  view.version = source.version;
  if (source.version.inference) {
    // Nothing will ever ask an inference tensor for its history.
    view.version = INFERENCE_VERSION;
    return;
  }
  const from = source.viewInfo;
  let kind = creation;
  if (!isRecording() && creation !== "custom_function") {
    kind = is_inference_mode_enabled() ? "inference_mode" : "no_grad";
  }
  // What may not be changed in place may not be changed through a view of it either.
  if (kind === "ordinary" && from !== null) kind = from.creation;
  view.viewInfo = { base: from === null ? source : from.base, creation: kind };
  view.gradFnVersion = view.version.value;
}

/**
 * Refuses in-place changes that would break histories. Call before the change; `recorded` says whether any tensor that
 * takes part requires a gradient.
 */
export function checkInplace(self: Tensor, recorded: boolean): void {
  if (recorded && isRecording()) checkHistory(self);
  if (self.version === INFERENCE_VERSION) checkInferenceWrite();
}

/** Refuses to change an inference tensor outside of inference mode. */
export function checkInferenceWrite(): void {
  if (is_inference_mode_enabled()) return;
  throw new RuntimeError(
    "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details.",
  );
}

function checkHistory(self: Tensor): void {
  const view = self.viewInfo;
  if (view !== null) {
    if (view.creation !== "ordinary") throw viewChangedError(self, view.creation, false);
    if (self.requires_grad && view.base.gradFn === null) {
      throw new RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.");
    }
  }
  // Also a view of what was no leaf's view when the view was made, whose history has not been asked for since.
  if (self.requires_grad && self.gradFn === null) {
    throw new RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.");
  }
}

/** Several elements of what is to be written are the same memory. */
export function sharedElementsError(): RuntimeError {
  return new RuntimeError(
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation.",
  );
}

/** PyTorch's words for a changed view whose history cannot follow; `indirect`: its base or another view was changed. */
function viewChangedError(view: Tensor, creation: ViewInfo["creation"], indirect: boolean): RuntimeError {
  const what = indirect ? "its base or another view of its base has been" : "is being";
  const node = view.gradFn;
  const inference = creation === "inference_mode";
  const output = node === null ? "" : `Output ${view.outputNumber} of ${operationName(node)} is a view`;
  let subject = `${output} and ${what} modified inplace.`;
  if (node === null || inference || creation === "no_grad") {
    subject = `${node === null ? "A view was" : `${output} of a view which was`} created in ${
      inference
        ? `inference mode and ${what} modified inplace in normal mode`
        : `no_grad mode and ${what} modified inplace with grad mode enabled`
    }.`;
  }
  switch (creation) {
    case "multi_output":
      return new RuntimeError(
        `${subject} This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one.`,
      );
    case "custom_function":
      return new RuntimeError(
        `${subject} This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function.`,
      );
    default:
      return new RuntimeError(
        `${subject} Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the ${inference ? "inference_mode" : "no_grad"} block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).`,
      );
  }
}

/**
 * Gives `self`, which an op with node `node` has just overwritten, its new history. The version is already raised.
 * `output` is the number of `self` among the op's outputs, `input` among its inputs.
 */
export function rebaseHistory(self: Tensor, node: Node, output = 0, input = 0): void {
  const view = self.viewInfo;
  if (view === null) {
    const before = self.gradFn;
    setHistory(self, node, output);
    moveRetained(self, before, node, output);
    return;
  }
  const base = view.base;
  const before = base.gradFn;
  base.gradFn = new CopySlices(base, self, node, input);
  base.outputNumber = 0;
  moveRetained(base, before, base.gradFn, 0);
  // Any view of the base, this one too, finds its version changed and derives its history from the base's.
  remakeHistory(self, base);
}

/** `retain_grad` keeps the gradient of the tensor as it now is; other hooks stay with the value that they were put on. */
function moveRetained(self: Tensor, before: Node | null, after: Node, output: number): void {
  const list = before?.retained;
  if (!list) return;
  const at = list.findIndex((entry) => entry.tensor === self);
  if (at < 0) return;
  list.splice(at, 1);
  after.retained ??= [];
  after.retained.push({ output, tensor: self });
}

Object.defineProperty(Tensor.prototype, "historyNode", {
  get(this: Tensor) {
    return currentGradFn(this);
  },
  configurable: true,
});

Object.defineProperty(Tensor.prototype, "grad_fn", {
  get(this: Tensor) {
    return currentGradFn(this)?.shown() ?? null;
  },
  configurable: true,
});
