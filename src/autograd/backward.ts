/** `torch.autograd.backward` and `torch.autograd.grad`. */
import { NotImplementedError, RuntimeError, ValueError } from "../errors.ts";
import { namedArguments } from "../keywords.ts";
import { describe, sameShape, shapeText } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { isTransforming } from "../wrapping.ts";
import { runBackward } from "./engine.ts";
import { gradientEdge } from "./record.ts";

export interface BackwardCallOptions {
  /** Keep what was saved, so that backward can run again. Default: `create_graph`. */
  readonly retain_graph?: boolean | null;
  /** Record the backward pass too, for higher derivatives. */
  readonly create_graph?: boolean;
}

/** A tensor or a list of them. */
export type OneOrMore = Tensor | readonly Tensor[];
/** Gradients of outputs; null stands for 1, and only for a scalar. */
export type OutputGradients = Tensor | readonly (Tensor | null)[] | null;

function list(x: unknown, what: string): readonly Tensor[] {
  const out = is_tensor(x) ? [x] : x;
  if (!Array.isArray(out)) throw new TypeError(`${what} must be a Tensor or a list of Tensors, not ${describe(x)}`);
  const wrong = out.findIndex((t) => !is_tensor(t));
  if (wrong >= 0) {
    throw new TypeError(`${what} must be Tensors, but element ${wrong} is of type ${describe(out[wrong])}`);
  }
  return out as Tensor[];
}

function flag(values: Record<string, unknown>, name: string): boolean | null {
  const value = values[name] ?? null;
  if (value !== null && typeof value !== "boolean") {
    throw new TypeError(`argument '${name}' must be bool, not ${describe(value)}`);
  }
  return value;
}

function rootGradients(roots: readonly Tensor[], given: unknown): (Tensor | null)[] {
  const grads = is_tensor(given) ? [given] : (given ?? roots.map(() => null));
  if (!Array.isArray(grads)) {
    throw new TypeError(`gradients can be either Tensors or None, but got ${describe(given)}`);
  }
  if (grads.length !== roots.length) {
    throw new RuntimeError(`got ${roots.length} tensors and ${grads.length} gradients`);
  }
  return roots.map((root, i) => {
    const g: unknown = grads[i] ?? null;
    if (g === null) {
      if (!root.requires_grad) return null;
      if (root.numel() !== 1) throw new RuntimeError("grad can be implicitly created only for scalar outputs");
      return root.detach().new_ones(root.sizes);
    }
    if (!is_tensor(g)) throw new TypeError(`gradients can be either Tensors or None, but got ${describe(g)}`);
    if (!sameShape(g.sizes, root.sizes)) {
      throw new RuntimeError(
        `Mismatch in shape: grad_output[${i}] has a shape of torch.Size(${shapeText(g.sizes)}) and output[${i}] has a shape of torch.Size(${shapeText(root.sizes)}).`,
      );
    }
    return g.dtype === root.dtype ? g : g.to(root.dtype);
  });
}

/**
 * Adds the gradients of `tensors` with respect to the leaves (or to `inputs` alone) to their `.grad`.
 * Arguments: `grad_tensors`, `retain_graph`, `create_graph`, `grad_variables` (unsupported), `inputs`.
 */
export function backward(
  tensors: OneOrMore,
  grad_tensors?:
    | OutputGradients
    | (BackwardCallOptions & { readonly inputs?: OneOrMore | null; readonly grad_tensors?: OutputGradients }),
  ...rest: (BackwardCallOptions["retain_graph"] | (BackwardCallOptions & { readonly inputs?: OneOrMore | null }))[]
): void {
  const values = namedArguments(
    "backward",
    ["grad_tensors", "retain_graph", "create_graph", "grad_variables", "inputs"],
    [grad_tensors, ...rest],
  );
  if (values.grad_variables !== undefined && values.grad_variables !== null) {
    throw new NotImplementedError("`grad_variables` is deprecated. Use `grad_tensors` instead.");
  }
  if (isTransforming()) {
    throw new RuntimeError(
      "backward() called inside a functorch transform. This is not supported, please use functorch.grad or functorch.vjp instead or call backward() outside of functorch transforms.",
    );
  }
  const roots = list(tensors, "tensors");
  const createGraph = flag(values, "create_graph") ?? false;
  const retainGraph = flag(values, "retain_graph") ?? createGraph;
  const inputs = values.inputs === undefined || values.inputs === null ? undefined : list(values.inputs, "inputs");
  if (inputs !== undefined && inputs.length === 0)
    throw new RuntimeError("`inputs` argument to `backward()` cannot be empty.");
  runBackward(roots, rootGradients(roots, values.grad_tensors), {
    createGraph,
    retainGraph,
    inputs,
    accumulate: true,
  });
}

export interface GradOptions extends BackwardCallOptions {
  readonly grad_outputs?: OutputGradients;
  /** Return null for inputs that the outputs do not depend on, rather than throw. Default: `materialize_grads`. */
  readonly allow_unused?: boolean | null;
  /** Return zeros for them. */
  readonly materialize_grads?: boolean;
  /** The first dimension of each of `grad_outputs` counts vectors: one backward pass for all. */
  readonly is_grads_batched?: boolean;
}

const GRAD_NAMES = [
  "grad_outputs",
  "retain_graph",
  "create_graph",
  "is_grads_batched",
  "allow_unused",
  "materialize_grads",
];

/**
 * Gradients of the sum of `outputs` (weighted by `grad_outputs`) with respect to `inputs`, one for each; nothing is
 * accumulated. With `allow_unused` the gradient of an input that the outputs do not depend on is null.
 */
export function grad(
  outputs: OneOrMore,
  inputs: OneOrMore,
  options: GradOptions & { readonly allow_unused: true },
): (Tensor | null)[];
export function grad(
  outputs: OneOrMore,
  inputs: OneOrMore,
  grad_outputs?: OutputGradients | GradOptions,
  ...rest: (boolean | null | GradOptions)[]
): Tensor[];
export function grad(outputs: OneOrMore, inputs: OneOrMore, ...rest: unknown[]): (Tensor | null)[] {
  const values = namedArguments("grad", GRAD_NAMES, rest);
  if (flag(values, "is_grads_batched")) {
    throw new NotImplementedError("is_grads_batched is an option of torch.autograd.grad, which has vmap");
  }
  const roots = list(outputs, "outputs");
  const wanted = list(inputs, "inputs");
  const materialize = flag(values, "materialize_grads") ?? false;
  const allowUnused = flag(values, "allow_unused");
  const createGraph = flag(values, "create_graph") ?? false;
  const retainGraph = flag(values, "retain_graph") ?? createGraph;
  if (allowUnused === false && materialize) {
    throw new ValueError(
      "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.",
    );
  }
  if (wanted.length === 0) throw new RuntimeError("`inputs` argument to `grad()` cannot be empty.");
  for (const input of wanted) {
    if (gradientEdge(input) === null) throw new RuntimeError("One of the differentiated Tensors does not require grad");
  }
  const results = runBackward(roots, rootGradients(roots, values.grad_outputs), {
    createGraph,
    retainGraph,
    inputs: wanted,
    accumulate: false,
  });
  return results.map((g, i) => {
    if (g !== null) return g;
    if (materialize) return wanted[i].detach().new_zeros(wanted[i].sizes);
    if (allowUnused) return null;
    throw new RuntimeError(
      `The differentiated Tensor at index ${i} appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior.`,
    );
  });
}
