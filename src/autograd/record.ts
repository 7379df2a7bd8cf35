/** Recording: how tensors get their history, also when they are changed in place or are views. */
import { RuntimeError } from "../errors.ts";
import { Tensor, type ViewInfo } from "../tensor.ts";
import { gradientAccumulator } from "./accumulate.ts";
import { is_grad_enabled } from "./mode.ts";
import { type Gradients, Node, SavedTensor } from "./node.ts";
import { type DifferentiableOp, OpNode, OUTPUT_BIT } from "./op-node.ts";

/** Where the gradient of a tensor goes; null if it needs none. */
export function gradientEdge(tensor: Tensor): { node: Node; output: number } | null {
  const node = currentGradFn(tensor);
  if (node !== null) return { node, output: tensor.outputNumber };
  return tensor.leafRequiresGrad ? { node: gradientAccumulator(tensor), output: 0 } : null;
}

/** Whether recording `inputs` is asked for. */
export function anyRequiresGrad(inputs: readonly Tensor[]): boolean {
  for (let i = 0; i < inputs.length; i++) {
    const t = inputs[i];
    if (t.leafRequiresGrad || t.gradFn !== null || (t.viewInfo !== null && t.requires_grad)) return true;
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
  const base = view.base;
  if (tensor.gradFn === null && !base.leafRequiresGrad && base.gradFn === null) return null;
  tensor.gradFn = new ViewOfBase(base, tensor);
  tensor.outputNumber = 0;
  tensor.gradFnVersion = tensor.version.value;
  return tensor.gradFn;
}

interface Geometry {
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

function geometryOf(tensor: Tensor): Geometry {
  return { sizes: tensor.sizes, strides: tensor.strides, offset: tensor.offset };
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
  override apply(grads: Gradients): Gradients {
    const g = grads[0];
    if (g === null) return [null];
    return [
      g
        .new_zeros(this.base.sizes)
        ._as_strided_add(
          g,
          this.view.sizes,
          relativeStrides(this.base, this.view),
          this.view.offset - this.base.offset,
        ),
    ];
  }
}

/**
 * The view's strides in a contiguous tensor of the base's shape. A base is made by an op, so its elements fill its
 * storage; where it is not contiguous, its gradient is laid out as it is.
 */
function relativeStrides(base: Geometry, view: Geometry): readonly number[] {
  let step = 1;
  let contiguous = true;
  for (let i = base.sizes.length - 1; i >= 0; i--) {
    if (base.sizes[i] !== 1 && base.strides[i] !== step) contiguous = false;
    step *= base.sizes[i];
  }
  if (!contiguous && base.sizes.every((s) => s > 0)) {
    throw new RuntimeError(
      "Kindling: the history of a view after an in-place change needs a base with contiguous memory; call .contiguous() on the base first",
    );
  }
  return view.strides;
}

/** The history of a base whose part `view` was overwritten by an op with node `inner`. */
class CopySlices extends Node {
  readonly outputCount = 1;
  private readonly base: Geometry;
  private readonly view: Geometry;
  private readonly inner: Node;
  constructor(base: Tensor, view: Tensor, inner: Node) {
    const edge = gradientEdge(base);
    // Input 0 is the base; the others are those of the op, whose own input 0 was the view.
    super([edge?.node ?? null, ...inner.nextNodes.slice(1)], [edge?.output ?? 0, ...inner.nextOutputs.slice(1)]);
    this.base = geometryOf(base);
    this.view = geometryOf(view);
    this.inner = inner;
  }
  override name(): string {
    return "CopySlices";
  }
  override apply(grads: Gradients): Gradients {
    const g = grads[0];
    if (g === null) return this.nextNodes.map(() => null);
    const { sizes, offset } = this.view;
    const strides = relativeStrides(this.base, this.view);
    const at = offset - this.base.offset;
    const whole = g.contiguous();
    const results = this.inner.apply([whole.as_strided(sizes, strides, whole.offset + at).clone()]);
    const first = results[0] ?? whole.new_zeros(sizes);
    const rest = whole.as_strided_scatter(first, sizes, strides, at);
    return [this.nextNodes[0] === null ? null : rest, ...results.slice(1)];
  }
  override release(): void {
    this.inner.release();
  }
}

/** Makes the node of a call. `masks[i]` says what the gradient of input i needs saved. */
export function makeNode<A>(
  op: DifferentiableOp<A> & { readonly masks: readonly number[] },
  attrs: A,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  savedSelf: Tensor | null,
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
    if (node !== null) mask |= masks[i < masks.length ? i : masks.length - 1];
  }
  const saved = new Array<SavedTensor | null>(n);
  for (let i = 0; i < n; i++) {
    saved[i] =
      i < OUTPUT_BIT && mask & (1 << i) ? new SavedTensor(i === 0 && savedSelf !== null ? savedSelf : inputs[i]) : null;
  }
  return new OpNode(op, attrs, inputs, outputs, nextNodes, nextOutputs, saved, mask & ~((1 << OUTPUT_BIT) - 1));
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
  view.viewInfo = {
    base: source.viewInfo === null ? source : source.viewInfo.base,
    creation: creation === "ordinary" && !is_grad_enabled() ? "no_grad" : creation,
  };
  view.gradFnVersion = view.version.value;
}

/** Refuses in-place changes that would break histories. Call before the change. */
export function checkInplace(self: Tensor, recorded: boolean): void {
  if (!is_grad_enabled()) return;
  const view = self.viewInfo;
  if (view === null) {
    if (self.leafRequiresGrad && self.gradFn === null) {
      throw new RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.");
    }
    return;
  }
  const base = view.base;
  if (base.leafRequiresGrad && base.gradFn === null) {
    throw new RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.");
  }
  if (view.creation === "ordinary" || (!recorded && !self.requires_grad)) return;
  const maker = self.gradFn === null ? "a function" : self.gradFn.name();
  if (view.creation === "no_grad") {
    throw new RuntimeError(
      `Output ${self.outputNumber} of ${maker} is a view and is being modified inplace. This view was created in no_grad mode, so its history would be lost: create it outside of no_grad, or modify it inside.`,
    );
  }
  throw new RuntimeError(
    `Output ${self.outputNumber} of ${maker} is a view and is being modified inplace. This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one.`,
  );
}

/** Gives `self`, which an op with node `node` has just overwritten, its new history. The version is already raised. */
export function rebaseHistory(self: Tensor, node: Node): void {
  const view = self.viewInfo;
  if (view === null) {
    setHistory(self, node, 0);
    return;
  }
  const base = view.base;
  const slices = new CopySlices(base, self, node);
  base.gradFn = slices;
  base.outputNumber = 0;
  // Any view of the base, this one too, finds its version changed and derives its history from the base's.
  self.gradFn = new ViewOfBase(base, self);
  self.outputNumber = 0;
  self.gradFnVersion = self.version.value;
}

Object.defineProperty(Tensor.prototype, "grad_fn", {
  get(this: Tensor) {
    return currentGradFn(this);
  },
  configurable: true,
});
