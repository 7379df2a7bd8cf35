/** `torch.autograd.backward` and `torch.autograd.grad`. */
import { NotImplementedError, RuntimeError, ValueError } from "../errors.ts";
import { namedArguments } from "../keywords.ts";
import { describe, numelOf, sameShape, shapeText } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { isTransforming } from "../wrapping.ts";
import { type GradientTarget, runBackward } from "./engine.ts";
import { GradientEdge, type InputMetadata, Node } from "./node.ts";
import { zerosFor } from "./zeros.ts";

export interface BackwardCallOptions {
  /** Keep what was saved, so that backward can run again. Default: `create_graph`. */
  readonly retain_graph?: boolean | null;
  /** Record the backward pass too, for higher derivatives. */
  readonly create_graph?: boolean;
}

/** Tensors, or places in the graph that stand for them. */
export type OneOrMore = GradientTarget | readonly GradientTarget[];
/** Gradients of outputs; null stands for 1, and only for a scalar. */
export type OutputGradients = Tensor | readonly (Tensor | null)[] | null;

function isTarget(x: unknown): x is GradientTarget {
  return is_tensor(x) || x instanceof GradientEdge;
}

function list(x: unknown, what: string): readonly GradientTarget[] {
  if (isTarget(x)) return [x];
  if (!Array.isArray(x)) throw new TypeError(`${what} must be a Tensor or a list of Tensors, not ${describe(x)}`);
  for (const t of x) {
    if (isTarget(t)) continue;
    const found = t instanceof Node ? t.name() : describe(t);
    throw new RuntimeError(`all ${what} have to be Tensors or GradientEdges, but got ${found}`);
  }
  return x as GradientTarget[];
}

function flag(values: Record<string, unknown>, name: string): boolean | null {
  const value = values[name] ?? null;
  if (value !== null && typeof value !== "boolean") {
    throw new TypeError(`argument '${name}' must be bool, not ${describe(value)}`);
  }
  return value;
}

/** What a gradient of `target` looks like. */
function metadataOf(target: GradientTarget): InputMetadata | null {
  return is_tensor(target) ? { shape: target.sizes, dtype: target.dtype } : target.node.inputMetadata(target.output_nr);
}

function rootGradients(roots: readonly GradientTarget[], given: unknown): (Tensor | null)[] {
  const grads = is_tensor(given) ? [given] : (given ?? roots.map(() => null));
  if (!Array.isArray(grads)) {
    throw new TypeError(`gradients can be either Tensors or None, but got ${describe(given)}`);
  }
  if (grads.length !== roots.length) {
    throw new RuntimeError(`got ${roots.length} tensors and ${grads.length} gradients`);
  }
  return roots.map((root, i) => {
    const g: unknown = grads[i] ?? null;
    const metadata = metadataOf(root);
    if (g === null) {
      if (is_tensor(root) && !root.requires_grad) return null;
      if (metadata === null || numelOf(metadata.shape) !== 1) {
        throw new RuntimeError("grad can be implicitly created only for scalar outputs");
      }
      return is_tensor(root) ? root.detach().new_ones(root.sizes) : zerosFor(metadata).fill_(1);
    }
    if (!is_tensor(g)) throw new TypeError(`gradients can be either Tensors or None, but got ${describe(g)}`);
    if (metadata === null) return g;
    if (!sameShape(g.sizes, metadata.shape)) {
      throw new RuntimeError(
        `Mismatch in shape: grad_output[${i}] has a shape of torch.Size(${shapeText(g.sizes)}) and output[${i}] has a shape of torch.Size(${shapeText(metadata.shape)}).`,
      );
    }
    return g.dtype === metadata.dtype ? g : g.to(metadata.dtype);
  });
}

/** The gradient of what the outputs do not depend on. */
function unused(target: GradientTarget, createGraph: boolean): Tensor | null {
  if (is_tensor(target)) {
    // Laid out in memory as the tensor is.
    const zeros = target.detach().clone();
    zeros.zero_();
    if (!zeros.version.inference) zeros.version.value = 0;
    return zeros.requires_grad_(createGraph);
  }
  const metadata = metadataOf(target);
  return metadata && zerosFor(metadata);
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

/** The arguments of `grad` after its outputs and inputs. */
export const GRAD_NAMES: readonly string[] = [
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
  const results = runBackward(roots, rootGradients(roots, values.grad_outputs), {
    createGraph,
    retainGraph,
    inputs: wanted,
    accumulate: false,
  });
  return results.map((g, i) => {
    if (g !== null) return g;
    if (materialize) return unused(wanted[i], createGraph);
    if (allowUnused) return null;
    throw new RuntimeError(
      `The differentiated Tensor at index ${i} appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior.`,
    );
  });
}
