/** What tensors know of autograd. */
import { type AccumulateGrad, dropGradient, gradientAccumulator } from "../autograd/accumulate.ts";
import { type BackwardCallOptions, type OneOrMore, backward as runBackward } from "../autograd/backward.ts";
import { retainGradient } from "../autograd/engine.ts";
import { gradientEdge } from "../autograd/record.ts";
import { pushRemovable, RemovableHandle } from "../autograd/removable-handle.ts";
import { is_inference_mode_enabled } from "../context/grad-mode.ts";
import { cppTypeName, type DType, scalarTypeName } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { describe, sameShape, shapeText } from "../shape.ts";
import { is_tensor, Tensor, type VersionCounter } from "../tensor.ts";
import { isBatched, isTransforming, refuseInTransformation } from "../wrapping.ts";
import { sameForAll } from "./define/batch.ts";
import { primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";

type BackwardArguments = BackwardCallOptions & { gradient?: Tensor | null; inputs?: OneOrMore | null };

/**
 * Adds the gradients of this tensor with respect to the leaves (or to `inputs` alone) to their `.grad`. A scalar needs no
 * `gradient`. Arguments: `gradient`, `retain_graph`, `create_graph`, `inputs`.
 */
export function backward(
  self: Tensor,
  gradient?: Tensor | null | BackwardArguments,
  ...rest: (boolean | null | BackwardArguments)[]
): void {
  const [x, g, retain, create, inputs] = bind(
    "backward(Tensor self, Tensor? gradient=None, bool? retain_graph=None, bool create_graph=False, any? inputs=None)",
    [self, gradient, ...rest],
  ) as [Tensor, Tensor | null, boolean | null, boolean, OneOrMore | null];
  runBackward(x, g, { retain_graph: retain, create_graph: create, inputs });
}

/** Says whether operations on this leaf are to be recorded. */
export function requires_grad_(self: Tensor, requires_grad: boolean | { requires_grad?: boolean } = true): Tensor {
  const [, value] = bind("requires_grad_(Tensor self, bool requires_grad=True)", [self, requires_grad]) as [
    Tensor,
    boolean,
  ];
  refuseInTransformation("requires_grad_");
  // What was computed from something that requires a gradient does so anyway.
  if (!value || self.gradFn === null) self.requires_grad = value;
  return self;
}

const detachOp = primitive<null>({
  name: "detach",
  compute: ([x]) => alias(x),
  // A detached tensor shares the version counter, but it is no differentiable view.
  view: "alias",
  batch: sameForAll,
});

/** A tensor that reads the same memory. */
function alias(x: Tensor): Tensor {
  return new Tensor(x.storage, x.dtype, x.sizes, x.strides, x.offset, x.contiguousLayout);
}

/** A counter that is not shared. What is detached from an inference tensor outside of inference mode can be changed. */
function detachedVersion(self: Tensor): VersionCounter {
  if (!self.version.inference) return { value: 0 };
  return is_inference_mode_enabled() ? self.version : { value: 0, inference: true };
}

/** The same values in the same memory, without history. */
export function detach(self: Tensor): Tensor {
  const out = detachOp([self], null);
  if (self.version.inference) out.version = detachedVersion(self);
  return out;
}

/** Forgets how this tensor was made. */
export function detach_(self: Tensor): Tensor {
  if (self.viewInfo !== null) {
    throw new RuntimeError(
      "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution.",
    );
  }
  for (let t: Tensor | undefined = self; t !== undefined; t = t.wrapping?.value) {
    t.gradFn = null;
    t.outputNumber = 0;
    t.leafRequiresGrad = false;
    t.tangent = null;
  }
  return self;
}

/** Makes backward keep the gradient of this tensor, which is not a leaf, in `.grad`. */
export function retain_grad(self: Tensor): void {
  refuseInTransformation("retain_grad");
  if (!self.requires_grad) throw new RuntimeError("can't retain_grad on Tensor that has requires_grad=False");
  if (self.gradFn === null) return;
  const edge = gradientEdge(self);
  if (edge !== null) retainGradient(self, edge);
}

/** Calls `hook` with the gradient of this tensor whenever it is computed; the hook may return another gradient. */
export function register_hook(self: Tensor, hook: (grad: Tensor) => unknown): RemovableHandle {
  checkHook(hook);
  const edge = gradientEdge(self);
  if (edge === null) {
    if (self.requires_grad) return new RemovableHandle(() => {});
    throw new RuntimeError("cannot register a hook on a tensor that doesn't require gradient");
  }
  const hooks = (edge.node.tensorHooks ??= []);
  const entry = { output: edge.output, hook: hook as (grad: Tensor) => Tensor | null | undefined };
  return pushRemovable(hooks, entry);
}

/** Calls `hook` with this leaf after its `.grad` was updated. */
export function register_post_accumulate_grad_hook(self: Tensor, hook: (leaf: Tensor) => void): RemovableHandle {
  checkHook(hook);
  if (!self.requires_grad) throw new RuntimeError("cannot register a hook on a tensor that doesn't require gradient");
  if (!self.is_leaf) {
    throw new RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors");
  }
  const node = gradientAccumulator(self) as AccumulateGrad;
  const hooks = (node.accumulateHooks ??= []);
  return pushRemovable(hooks, hook);
}

function checkHook(hook: unknown): void {
  if (typeof hook !== "function") throw new TypeError(`a hook must be a function, not ${describe(hook)}`);
}

Object.defineProperty(Tensor.prototype, "grad", {
  get(this: Tensor): Tensor | null {
    // Whoever has it may keep it.
    this.gradientHidden = false;
    return this.gradient;
  },
  set(this: Tensor, value: Tensor | null | undefined) {
    if (value === null || value === undefined) {
      dropGradient(this);
      return;
    }
    if (!is_tensor(value)) {
      throw new TypeError(`assigned grad expected to be a Tensor or None but got grad of type ${describe(value)}`);
    }
    if (value === this) throw new RuntimeError("can't assign Variable as its own grad");
    if (value.dtype !== this.dtype) {
      throw new RuntimeError(
        `attempting to assign a gradient with dtype '${cppTypeName(value.dtype)}' to a tensor with grad_dtype '${scalarTypeName(this.dtype)}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype).`,
      );
    }
    if (!sameShape(value.sizes, this.sizes)) {
      throw new RuntimeError(
        `attempting to assign a gradient of size '${shapeText(value.sizes)}' to a tensor of size '${shapeText(this.sizes)}'. Please ensure that the gradient and the tensor are the same size`,
      );
    }
    this.gradient = value;
    this.gradientHidden = false;
    value.storage.kept = true;
  },
  configurable: true,
});

Object.defineProperty(Tensor.prototype, "data", {
  get(this: Tensor): Tensor {
    if (this.wrapping !== null) {
      if (isBatched(this)) throw new RuntimeError("accessing `data` under vmap transform is not allowed");
      return detach(this);
    }
    // Unlike detach(), `.data` has a version counter of its own: changes through it are not noticed.
    const out = alias(this);
    out.version = detachedVersion(this);
    return out;
  },
  set(this: Tensor, value: Tensor) {
    if (isTransforming()) {
      throw new RuntimeError("mutating directly with `.data` inside functorch transform is not allowed.");
    }
    if (!is_tensor(value)) throw new TypeError(`Variable data has to be a tensor, but got ${describe(value)}`);
    if (value.dtype !== this.dtype) {
      if (this.requires_grad && !value.dtype.is_floating_point) {
        throw new RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype");
      }
      // Only here does a tensor change its dtype: a converted parameter stays the object that optimizers hold.
      (this as { dtype: DType }).dtype = value.dtype;
      // Graphs recorded before accumulate into what this tensor was.
      this.accumulator = null;
    }
    this.storage = value.storage;
    value.storage.kept = true;
    this.sizes = value.sizes;
    this.strides = value.strides;
    this.offset = value.offset;
    this.count = value.count;
    this.contiguousLayout = value.contiguousLayout;
  },
  configurable: true,
});
