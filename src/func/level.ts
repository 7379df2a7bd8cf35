/**
 * The stack of transformations. Each running transformation is a level; the top one sees every dispatched call, rewrites
 * it as calls on the tensors of the level below, and wraps the results, as functorch's dynamic layers do
 * (https://pytorch.org/functorch/stable/notebooks/whirlwind_tour.html). When no transformation runs, nothing is in the way.
 */
import { is_grad_enabled, withoutEarlyFrees } from "../autograd/mode.ts";
import { savedTensorHooks, savedTensorHooksForbidden } from "../autograd/saved-tensor.ts";
import { GRAD, gradMode, INFERENCE } from "../context/grad-mode.ts";
import {
  currentInterceptor,
  forSamples,
  type Interceptor,
  type Primitive,
  setInterceptor,
  type UpdateOp,
} from "../dispatch.ts";
import { RuntimeError } from "../errors.ts";
import type { Tensor, TransformLevel } from "../tensor.ts";
import { whileTransforming } from "../wrapping.ts";

export abstract class Level implements Interceptor, TransformLevel {
  abstract readonly kind: TransformLevel["kind"];
  alive = true;
  readonly number: number;
  /** What sees calls when this level is out of the way. */
  readonly below: Interceptor | null;
  /** Whether operations were recorded where the transformation was called. */
  readonly outerGradMode: boolean;

  constructor() {
    this.below = currentInterceptor();
    this.number = this.below instanceof Level ? this.below.number + 1 : 1;
    this.outerGradMode = is_grad_enabled();
  }

  abstract call<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor;
  abstract callMany<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor[];
  abstract callInplace<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor;
  abstract callUpdate<A>(op: UpdateOp<A>, inputs: readonly Tensor[], attrs: A): void;

  forSamples(sizes: readonly number[], make: (sizes: readonly number[]) => Tensor): Tensor {
    return this.lower(() => forSamples(sizes, make));
  }

  /** Runs `body` with this level out of the way, so that the one below sees its calls. */
  lower<R>(body: () => R): R {
    setInterceptor(this.below);
    try {
      return body();
    } finally {
      setInterceptor(this);
    }
  }

  /** Runs `body` at this level, which is the top one; afterwards the level is dead. */
  run<R>(body: () => R): R {
    setInterceptor(this);
    try {
      // A tensor of this level shares its memory with what the levels below have saved.
      return whileTransforming(() => withoutEarlyFrees(body));
    } finally {
      this.alive = false;
      setInterceptor(this.below);
    }
  }
}

const NO_HOOKS =
  "torch.func.{grad, vjp, jacrev, hessian} don't yet support saved tensor hooks. Please open an issue with your use case.";

/** Runs `body` with operations recorded, whatever holds outside: what a transformation gives depends on its function only. */
export function recording<R>(body: () => R): R {
  if (savedTensorHooks.get() !== null) throw new RuntimeError(NO_HOOKS);
  return savedTensorHooksForbidden.runSync(NO_HOOKS, () =>
    gradMode.runSync((gradMode.get() | GRAD) & ~INFERENCE, body),
  );
}

/** The level whose transformation runs innermost; null outside of transformations. */
export function topLevel(): Level | null {
  const top = currentInterceptor();
  return top instanceof Level ? top : null;
}

/** The result of a transformed function; it must have run to its end, so that the levels below are what they were. */
export function synchronous<R>(name: string, result: R): R {
  if (result instanceof Promise) {
    // The error below is the one to see, not the rejection that may follow from it.
    result.catch(() => {});
    throw new TypeError(
      `${name}: the function to transform must not be async: a transformation holds only until its function returns, so await outside of it`,
    );
  }
  return result;
}
