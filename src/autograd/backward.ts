/** `torch.autograd.backward` and `torch.autograd.grad`. */
import { RuntimeError } from "../errors.ts";
import { sameShape, shapeText } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { runBackward } from "./engine.ts";
import { gradientEdge } from "./record.ts";

export interface BackwardCallOptions {
  /** Keep what was saved, so that backward can run again. Default: `create_graph`. */
  readonly retain_graph?: boolean | null;
  /** Record the backward pass too, for higher derivatives. */
  readonly create_graph?: boolean;
}

type OneOrMore = Tensor | readonly Tensor[];

function list(x: OneOrMore, what: string): readonly Tensor[] {
  const out = is_tensor(x) ? [x] : x;
  if (!Array.isArray(out) || !out.every(is_tensor))
    throw new TypeError(`${what} must be a Tensor or a list of Tensors`);
  return out;
}

function rootGradients(
  roots: readonly Tensor[],
  given: OneOrMore | readonly (Tensor | null)[] | null | undefined,
): (Tensor | null)[] {
  const grads: readonly (Tensor | null)[] = is_tensor(given) ? [given] : (given ?? roots.map(() => null));
  if (grads.length !== roots.length) {
    throw new RuntimeError(`got ${roots.length} tensors and ${grads.length} gradients`);
  }
  return roots.map((root, i) => {
    const g = grads[i] ?? null;
    if (g === null) {
      if (!root.requires_grad) return null;
      if (root.numel() !== 1) throw new RuntimeError("grad can be implicitly created only for scalar outputs");
      return root.detach().new_ones(root.sizes);
    }
    if (!sameShape(g.sizes, root.sizes)) {
      throw new RuntimeError(
        `Mismatch in shape: grad_output[${i}] has a shape of torch.Size(${shapeText(g.sizes)}) and output[${i}] has a shape of torch.Size(${shapeText(root.sizes)}).`,
      );
    }
    return g;
  });
}

/** Adds the gradients of `tensors` with respect to the leaves (or to `inputs` alone) to their `.grad`. */
export function backward(
  tensors: OneOrMore,
  grad_tensors?: OneOrMore | readonly (Tensor | null)[] | null,
  options: BackwardCallOptions & { readonly inputs?: OneOrMore | null } = {},
): void {
  const roots = list(tensors, "tensors");
  const createGraph = options.create_graph ?? false;
  const inputs = options.inputs === undefined || options.inputs === null ? undefined : list(options.inputs, "inputs");
  if (inputs !== undefined && inputs.length === 0)
    throw new RuntimeError("`inputs` argument to `backward()` cannot be empty.");
  runBackward(roots, rootGradients(roots, grad_tensors), {
    createGraph,
    retainGraph: options.retain_graph ?? createGraph,
    inputs,
    accumulate: true,
  });
}

export interface GradOptions extends BackwardCallOptions {
  readonly grad_outputs?: OneOrMore | readonly (Tensor | null)[] | null;
  /** Return null for inputs that the outputs do not depend on, rather than throw. */
  readonly allow_unused?: boolean | null;
  /** Return zeros for them. */
  readonly materialize_grads?: boolean;
}

/** Gradients of the sum of `outputs` (weighted by `grad_outputs`) with respect to `inputs`; nothing is accumulated. */
export function grad(outputs: OneOrMore, inputs: OneOrMore, options: GradOptions = {}): (Tensor | null)[] {
  const roots = list(outputs, "outputs");
  const wanted = list(inputs, "inputs");
  const createGraph = options.create_graph ?? false;
  const allowUnused = options.allow_unused ?? options.materialize_grads ?? false;
  if (options.allow_unused === false && options.materialize_grads === true) {
    throw new RuntimeError(
      "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.",
    );
  }
  for (const input of wanted) {
    if (gradientEdge(input) === null) throw new RuntimeError("One of the differentiated Tensors does not require grad");
  }
  const results = runBackward(roots, rootGradients(roots, options.grad_outputs), {
    createGraph,
    retainGraph: options.retain_graph ?? createGraph,
    inputs: wanted,
    accumulate: false,
  });
  return results.map((g, i) => {
    if (g !== null) return g;
    if (options.materialize_grads) return wanted[i].detach().new_zeros(wanted[i].sizes);
    if (allowUnused) return null;
    throw new RuntimeError(
      "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior.",
    );
  });
}
