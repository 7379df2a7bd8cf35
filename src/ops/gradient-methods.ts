/** What tensors know of autograd. */
import { type AccumulateGrad, gradientAccumulator } from "../autograd/accumulate.ts";
import { type BackwardCallOptions, backward as runBackward } from "../autograd/backward.ts";
import { gradientEdge } from "../autograd/record.ts";
import type { DType } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { sameShape, shapeText } from "../shape.ts";
import { is_tensor, Tensor } from "../tensor.ts";
import { primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";

/** Adds the gradients of this tensor with respect to the leaves to their `.grad`. A scalar needs no `gradient`. */
export function backward(
  self: Tensor,
  gradient?: Tensor | null | (BackwardCallOptions & { gradient?: Tensor | null; inputs?: readonly Tensor[] }),
  options?: BackwardCallOptions & { inputs?: readonly Tensor[] },
): void {
  const [x, g, retain, create, inputs] = bind(
    "backward(Tensor self, Tensor? gradient=None, bool? retain_graph=None, bool create_graph=False, any inputs=None)",
    [self, gradient, options],
  ) as [Tensor, Tensor | null, boolean | null, boolean, readonly Tensor[] | null];
  runBackward(x, g, { retain_graph: retain, create_graph: create, inputs });
}

/** Says whether operations on this leaf are to be recorded. */
export function requires_grad_(self: Tensor, requires_grad = true): Tensor {
  if (typeof requires_grad !== "boolean") throw new TypeError("requires_grad must be a bool");
  if (!requires_grad && self.grad_fn !== null) {
    throw new RuntimeError(
      "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach().",
    );
  }
  if (requires_grad && !self.dtype.is_floating_point) {
    throw new RuntimeError(
      `only Tensors of floating point dtype can require gradients, but this one is ${self.dtype}: make it with { dtype: torch.float32 }, or from numbers that are not all whole`,
    );
  }
  if (self.grad_fn === null) self.leafRequiresGrad = requires_grad;
  return self;
}

const detachOp = primitive<null>({
  name: "detach",
  compute: ([x]) => alias(x),
  view: "view",
});

/** A tensor that reads the same memory. */
function alias(x: Tensor): Tensor {
  return new Tensor(x.storage, x.dtype, x.sizes, x.strides, x.offset, x.contiguousLayout);
}

/** The same values in the same memory, without history. */
export function detach(self: Tensor): Tensor {
  const out = detachOp([self], null);
  // A detached tensor shares the version counter, but it is no differentiable view.
  out.viewInfo = null;
  return out;
}

/** Forgets how this tensor was made. */
export function detach_(self: Tensor): Tensor {
  if (self.viewInfo !== null && self.requires_grad) {
    throw new RuntimeError("Can't detach views in-place. Use detach() instead.");
  }
  self.gradFn = null;
  self.outputNumber = 0;
  self.leafRequiresGrad = false;
  return self;
}

/** Makes backward keep the gradient of this tensor, which is not a leaf, in `.grad`. */
export function retain_grad(self: Tensor): void {
  if (!self.requires_grad) throw new RuntimeError("can't retain_grad on Tensor that has requires_grad=False");
  if (self.is_leaf || self.retainsGrad) return;
  self.retainsGrad = true;
  register_hook(self, (g) => {
    self.gradient = self.gradient === null ? g.clone() : self.gradient.add(g);
    return null;
  });
}

/** Calls `hook` with the gradient of this tensor whenever it is computed; the hook may return another gradient. */
export function register_hook(
  self: Tensor,
  hook: (grad: Tensor) => Tensor | null | undefined | void,
): { remove(): void } {
  const edge = gradientEdge(self);
  if (edge === null) throw new RuntimeError("cannot register a hook on a tensor that doesn't require gradient");
  const hooks = (edge.node.tensorHooks ??= []);
  const entry = { output: edge.output, hook: hook as (grad: Tensor) => Tensor | null | undefined };
  hooks.push(entry);
  return {
    remove: () => {
      const at = hooks.indexOf(entry);
      if (at >= 0) hooks.splice(at, 1);
    },
  };
}

/** Calls `hook` with this leaf after its `.grad` was updated. */
export function register_post_accumulate_grad_hook(self: Tensor, hook: (leaf: Tensor) => void): { remove(): void } {
  if (!self.requires_grad || !self.is_leaf) {
    throw new RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors");
  }
  const node = gradientAccumulator(self) as AccumulateGrad;
  const hooks = (node.accumulateHooks ??= []);
  hooks.push(hook);
  return {
    remove: () => {
      const at = hooks.indexOf(hook);
      if (at >= 0) hooks.splice(at, 1);
    },
  };
}

Object.defineProperty(Tensor.prototype, "grad", {
  get(this: Tensor): Tensor | null {
    return this.gradient;
  },
  set(this: Tensor, value: Tensor | null | undefined) {
    if (value === null || value === undefined) {
      this.gradient = null;
      return;
    }
    if (!is_tensor(value)) throw new TypeError("assigned grad expected to be a Tensor or None");
    if (!sameShape(value.sizes, this.sizes)) {
      throw new RuntimeError(
        `assigned grad has data of a different size: expected ${shapeText(this.sizes)}, got ${shapeText(value.sizes)}`,
      );
    }
    if (value.dtype !== this.dtype) {
      throw new RuntimeError(`assigned grad has data of a different type: expected ${this.dtype}, got ${value.dtype}`);
    }
    this.gradient = value;
  },
  configurable: true,
});

Object.defineProperty(Tensor.prototype, "data", {
  get(this: Tensor): Tensor {
    // Unlike detach(), `.data` has a version counter of its own: changes through it are not noticed.
    return alias(this);
  },
  set(this: Tensor, value: Tensor) {
    if (!is_tensor(value)) throw new TypeError("Variable data has to be a tensor");
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
    this.sizes = value.sizes;
    this.strides = value.strides;
    this.offset = value.offset;
    this.count = value.count;
    this.contiguousLayout = value.contiguousLayout;
  },
  configurable: true,
});
