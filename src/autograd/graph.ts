/** `torch.autograd.graph`: https://pytorch.org/docs/stable/autograd.html#autograd-graph */
import { type Scope, scope } from "../context/scope.ts";
import { AssertionError, RuntimeError, ValueError } from "../errors.ts";
import { describe } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { currentGraphTask } from "./graph-task.ts";
import { GradientEdge, type Node } from "./node.ts";
import { gradientEdge } from "./record.ts";
import { RemovableHandle } from "./removable-handle.ts";
import { allowedHooks, type SavedTensorHooks, savedTensorHooks } from "./saved-tensor.ts";

export { GradientEdge, Node } from "./node.ts";
export { SavedTensor } from "./saved-tensor.ts";
export {
  disable_saved_tensors_hooks,
  type SaveOnCpuOptions,
  save_on_cpu,
  saved_tensors_hooks,
} from "./saved-tensor-hooks.ts";

/**
 * The place in the graph that gradients of `tensor` go to. It can stand for the tensor in `grad` and `backward`, as output
 * and as input, without keeping the tensor's memory.
 */
export function get_gradient_edge(tensor: Tensor): GradientEdge {
  const edge = is_tensor(tensor) ? gradientEdge(tensor) : null;
  if (edge === null) {
    throw new RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients");
  }
  return new GradientEdge(edge.node, edge.output);
}

/** Counts an in-place change of each tensor that no operation has counted. */
export function increment_version(tensor: Tensor | Iterable<Tensor>): void {
  if (is_tensor(tensor)) {
    tensor.version.value++;
    return;
  }
  if (typeof tensor !== "object" || tensor === null || !(Symbol.iterator in tensor)) {
    throw new RuntimeError("increment_version expect a Iterable[Tensor] as input");
  }
  for (const t of tensor) increment_version(t);
}

/** Called with the gradients of all tensors, null for those that the run did not reach. */
export type AllGradientsHook = (grads: readonly (Tensor | null)[]) => void;

/**
 * Calls `fn` once in every backward pass that reaches some of `tensors`: with mode "all" when the gradients of all those
 * that it reaches are there, with mode "any" with the first one. The hook must not change the gradients.
 */
export function register_multi_grad_hook(
  tensors: readonly Tensor[],
  fn: AllGradientsHook,
  options?: { readonly mode?: "all" },
): RemovableHandle;
export function register_multi_grad_hook(
  tensors: readonly Tensor[],
  fn: (grad: Tensor) => void,
  options: { readonly mode: "any" },
): RemovableHandle;
export function register_multi_grad_hook(
  tensors: readonly Tensor[],
  fn: AllGradientsHook | ((grad: Tensor) => void),
  options: { readonly mode?: "all" | "any" } = {},
): RemovableHandle {
  const mode = options.mode ?? "all";
  if (mode !== "all" && mode !== "any")
    throw new ValueError(`Expects mode to be one of ('all', 'any') but got ${mode}`);
  if (typeof fn !== "function") throw new TypeError(`a hook must be a function, not ${describe(fn)}`);
  const handles =
    mode === "any"
      ? firstGradientHooks(tensors, fn as (grad: Tensor) => void)
      : allGradientHooks(tensors, fn as AllGradientsHook);
  return new RemovableHandle(() => {
    for (const handle of handles) handle.remove();
  });
}

function runId(): number {
  const task = currentGraphTask();
  if (task === null) throw new AssertionError("expected this hook to be called inside a backward call");
  return task.id;
}

function firstGradientHooks(tensors: readonly Tensor[], fn: (grad: Tensor) => void): RemovableHandle[] {
  let last = -1;
  const hook = (grad: Tensor): undefined => {
    const id = runId();
    if (id === last) return;
    last = id;
    fn(grad);
  };
  return tensors.filter((t) => t.requires_grad).map((t) => t.register_hook(hook));
}

function allGradientHooks(tensors: readonly Tensor[], fn: AllGradientsHook): RemovableHandle[] {
  const nodes: Node[] = tensors.map((t) => {
    const edge = gradientEdge(t);
    if (edge === null) throw new AssertionError("Expected gradient function to be set");
    return edge.node;
  });
  const runs = new Map<number, { missing: number; readonly grads: (Tensor | null)[] }>();
  return tensors.map((t, i) =>
    t.register_hook((grad) => {
      const id = runId();
      let run = runs.get(id);
      if (run === undefined) {
        const task = currentGraphTask();
        const executed = nodes.filter((node) => task?.executes(node)).length;
        runs.set(id, (run = { missing: executed, grads: nodes.map(() => null) }));
        // A run that ends in an error leaves nothing behind.
        task?.atEnd.push(() => runs.delete(id));
      }
      run.grads[i] = grad;
      if (--run.missing === 0) {
        fn(run.grads);
        runs.delete(id);
      }
      return undefined;
    }),
  );
}

/**
 * While `body` runs (or in the scope that is returned), tensors that operations save for backward may be changed in place
 * afterwards: each is kept as a copy. PyTorch copies a tensor when it is about to be changed and not before; gradients are
 * the same.
 */
export function allow_mutation_on_saved_tensors(): Scope;
export function allow_mutation_on_saved_tensors<R>(body: () => R): R;
export function allow_mutation_on_saved_tensors(body?: () => unknown): unknown {
  const hooks: SavedTensorHooks = {
    pack: (tensor) => tensor.clone(),
    unpack: (copy: Tensor) => copy,
    allowsMutation: true,
  };
  const next = (): SavedTensorHooks => {
    if (savedTensorHooks.get()?.allowsMutation) {
      throw new RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested");
    }
    return allowedHooks(hooks);
  };
  return scope("allow_mutation_on_saved_tensors()", savedTensorHooks, next, body);
}
