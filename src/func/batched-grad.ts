/** `torch.autograd.grad`, with `is_grads_batched`: many vectors at once, in one backward pass under vmap. */
import {
  GRAD_NAMES,
  type GradOptions,
  type OneOrMore,
  type OutputGradients,
  grad as plainGrad,
} from "../autograd/backward.ts";
import type { GradientTarget } from "../autograd/engine.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { namedArguments } from "../keywords.ts";
import { sameShape, shapeText } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { wrapBatched } from "../wrapping.ts";
import { BatchLevel } from "./batch-level.ts";

/**
 * Gradients of the sum of `outputs` (weighted by `grad_outputs`) with respect to `inputs`, one for each; nothing is
 * accumulated. With `allow_unused` the gradient of an input that the outputs do not depend on is null. With
 * `is_grads_batched` the first dimension of each of `grad_outputs` counts vectors, and that of the results too.
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
  if (values.is_grads_batched !== true) return plainGrad(outputs, inputs, ...(rest as GradOptions[]));
  const roots = (Array.isArray(outputs) ? outputs : [outputs]) as readonly GradientTarget[];
  const given = values.grad_outputs ?? null;
  const weights = (is_tensor(given) ? [given] : (given ?? roots.map(() => null))) as readonly (Tensor | null)[];
  weights.forEach((g, i) => {
    const root = roots[i];
    if (is_tensor(root) && is_tensor(g)) checkBatched(g, root, i);
  });
  const { is_grads_batched: _, grad_outputs: __, ...options } = values;
  return batched(weights, (vectors) => plainGrad(roots, inputs, { ...options, grad_outputs: vectors } as GradOptions));
}

function checkBatched(g: Tensor, output: Tensor, i: number): void {
  if (g.sizes.length > 0 && sameShape(g.sizes.slice(1), output.sizes)) return;
  throw new RuntimeError(
    `If \`is_grads_batched=True\`, we interpret the first dimension of each grad_output as the batch dimension. The sizes of the remaining dimensions are expected to match the shape of corresponding output, but a mismatch was detected: grad_output[${i}] has a shape of torch.Size(${shapeText(g.sizes)}) and output[${i}] has a shape of torch.Size(${shapeText(output.sizes)}). If you only want some tensors in \`grad_output\` to be considered batched, consider using vmap.`,
  );
}

/** Runs a backward pass on all samples of the first dimension of `vectors` at once. */
function batched(
  vectors: readonly (Tensor | null)[],
  pass: (vectors: (Tensor | null)[]) => (Tensor | null)[],
): (Tensor | null)[] {
  const first = vectors[0];
  if (!first || vectors.includes(null)) {
    throw new ValueError(
      "vmap(vjp, in_dims=0, ...)(<inputs>): Got in_dim=0 for some input, but that input is a Tensor of dimensionality 0 so expected in_dim to satisfy 0 <= in_dim < 0.",
    );
  }
  if (vectors.some((g) => g?.sizes[0] !== first.sizes[0])) {
    throw new ValueError(
      `vmap: Expected all tensors to have the same size in the mapped dimension, got sizes ${shapeText(vectors.map((g) => g?.sizes[0] ?? 0))} for the mapped dimension`,
    );
  }
  const level = new BatchLevel(first.sizes[0], "error");
  return level.run(() => {
    const results = pass(vectors.map((g) => g && wrapBatched(g, 0, level)));
    return level.lower(() => results.map((g) => g && level.whole(g)));
  });
}

/** The rows of products with a Jacobian: null for inputs that the outputs do not depend on. */
export function batchedGrad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  vectors: readonly Tensor[],
  options: { readonly createGraph: boolean; readonly retainGraph: boolean },
): (Tensor | null)[] {
  return batched(vectors, (grad_outputs) =>
    plainGrad(outputs, inputs, {
      grad_outputs,
      allow_unused: true,
      create_graph: options.createGraph,
      retain_graph: options.retainGraph,
    }),
  );
}
