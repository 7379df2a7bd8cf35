/** Tools for parameters and their gradients: https://pytorch.org/docs/stable/nn.html#utilities */
import { withGradMode } from "../autograd/mode.ts";
import { float32 } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { tensor as makeTensor } from "../ops/creation.ts";
import { bind } from "../ops/define/schema.ts";
import { cat, stack } from "../ops/joining.ts";
import { vector_norm } from "../ops/vector-norm.ts";
import { formatFloat } from "../print/index.ts";
import { is_tensor, type Tensor } from "../tensor.ts";

export * as rnn from "./utils/rnn.ts";

function listOf(tensors: unknown): Tensor[] {
  return is_tensor(tensors) ? [tensors] : [...(tensors as Iterable<Tensor>)];
}

function gradientsOf(parameters: unknown): Tensor[] {
  return listOf(parameters).flatMap(({ gradient }) => (gradient === null ? [] : [gradient]));
}

/** Keyword arguments of `clip_grad_norm_` and `get_total_norm`. */
export interface NormOptions {
  /** The order of the norm; Infinity for the largest element. Default 2. */
  readonly norm_type?: number;
  /** Throw where the norm is NaN or infinite. Default false. */
  readonly error_if_nonfinite?: boolean;
  /** Accepted for the sake of PyTorch's programs; has no effect. */
  readonly foreach?: boolean | null;
}

const NORM = "float norm_type=2, bool error_if_nonfinite=False, bool? foreach=None";

function totalNorm(tensors: readonly Tensor[], order: number, errorIfNonfinite: boolean): Tensor {
  return withGradMode(false, () => {
    if (tensors.length === 0) return makeTensor(0, { dtype: float32 });
    const total = vector_norm(stack(tensors.map((t) => vector_norm(t, order))), order);
    if (errorIfNonfinite && !Number.isFinite(Number(total.item()))) {
      throw new RuntimeError(
        `The total norm of order ${formatFloat(order)} for gradients from \`parameters\` is non-finite, so it cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, set \`error_if_nonfinite=False\``,
      );
    }
    return total;
  });
}

/** The norm of all tensors together, as if they were one vector. */
export function get_total_norm(
  tensors: Tensor | Iterable<Tensor>,
  norm_type?: number | NormOptions,
  options?: NormOptions,
): Tensor {
  const [given, order, strict] = bind(`get_total_norm(any tensors, ${NORM})`, [tensors, norm_type, options]);
  return totalNorm(listOf(given), order as number, strict as boolean);
}

/** Scales gradients by `max_norm / (total_norm + 1e-6)` where that is below 1. */
export function clip_grads_with_norm_(
  parameters: Tensor | Iterable<Tensor>,
  max_norm: number,
  total_norm: Tensor,
): void {
  withGradMode(false, () => {
    const gradients = gradientsOf(parameters);
    if (gradients.length === 0) return;
    // As a tensor, so that the loop does not wait for a value.
    const factor = total_norm.add(1e-6).reciprocal().mul(max_norm).clamp({ max: 1 });
    for (const g of gradients) g.mul_(factor);
  });
}

/** Scales the gradients of all parameters together so that their norm is at most `max_norm`; returns what it was. */
export function clip_grad_norm_(
  parameters: Tensor | Iterable<Tensor>,
  max_norm: number,
  norm_type?: number | NormOptions,
  options?: NormOptions,
): Tensor {
  const [given, limit, order, strict] = bind(`clip_grad_norm_(any parameters, float max_norm, ${NORM})`, [
    parameters,
    max_norm,
    norm_type,
    options,
  ]) as [unknown, number, number, boolean];
  const list = listOf(given);
  const total = totalNorm(gradientsOf(list), order, strict);
  clip_grads_with_norm_(list, limit, total);
  return total;
}

/** Clamps every element of the gradients to [-clip_value, clip_value]. */
export function clip_grad_value_(
  parameters: Tensor | Iterable<Tensor>,
  clip_value: number,
  options?: { readonly foreach?: boolean | null },
): void {
  const [given, limit] = bind("clip_grad_value_(any parameters, float clip_value, bool? foreach=None)", [
    parameters,
    clip_value,
    options,
  ]) as [unknown, number];
  withGradMode(false, () => {
    for (const g of gradientsOf(given)) g.clamp_({ min: -limit, max: limit });
  });
}

/** All parameters in one vector, recorded like any operation. */
export function parameters_to_vector(parameters: Iterable<Tensor>): Tensor {
  return cat([...parameters].map((p) => p.view(-1)));
}

/** Makes the parameters parts of a vector, which they share from then on. */
export function vector_to_parameters(vec: Tensor, parameters: Iterable<Tensor>): void {
  if (!is_tensor(vec)) throw new TypeError(`expected torch.Tensor, but got: ${typeof vec}`);
  let start = 0;
  for (const parameter of parameters) {
    const count = parameter.numel();
    parameter.data = vec
      .narrow(0, start, count)
      .view([...parameter.shape])
      .detach();
    start += count;
  }
}
