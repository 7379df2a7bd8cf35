/** A linear layer and cross entropy in one. */
import { RuntimeError } from "../../errors.ts";
import { bind } from "../../ops/define/schema.ts";
import { pythonRepr } from "../../print/index.ts";
import { sameShape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { cross_entropy } from "./classification.ts";
import { linear } from "./linear.ts";
import type { Reduction } from "./reduction.ts";

/** Keyword arguments of `linear_cross_entropy`. */
export interface LinearCrossEntropyCallOptions {
  /** (num_classes, …out_features). */
  readonly linear_bias?: Tensor | null;
  /** Factors of the classes. */
  readonly weight?: Tensor | null;
  readonly reduction?: Reduction;
  /** Targets with this number do not count; -100 by default. */
  readonly ignore_index?: number | null;
  readonly label_smoothing?: number;
  /** How PyTorch splits the work; has no effect on the result, nor here. */
  readonly options?: unknown;
}

/**
 * `cross_entropy(linear(input, linear_weight, linear_bias), target)`: input (N, in_features) or (in_features), weight
 * (num_classes, …out_features, in_features), target (N, …out_features) of classes, or of the logits' shape with
 * probabilities.
 */
export function linear_cross_entropy(
  input: Tensor,
  linear_weight: Tensor,
  target: Tensor,
  options: LinearCrossEntropyCallOptions = {},
): Tensor {
  const [x, w, y, bias, weight, reduction, ignore, smoothing] = bind(
    'linear_cross_entropy(Tensor input, Tensor linear_weight, Tensor target, *, Tensor? linear_bias=None, Tensor? weight=None, str reduction="mean", int? ignore_index=None, float label_smoothing=0, any? options=None)',
    [input, linear_weight, target, options],
  ) as [Tensor, Tensor, Tensor, Tensor | null, Tensor | null, Reduction, number | null, number];
  if (x.dim() < 1 || x.dim() > 2) {
    throw new RuntimeError(`expected input with dimensionality 1 or 2, got ${x.dim()}`);
  }
  if (w.dim() < 2) throw new RuntimeError(`expected linear_weight with dimensionality at least 2, got ${w.dim()}`);
  const features = x.size(-1);
  if (features !== w.size(-1)) {
    throw new RuntimeError(
      `expected equal input and linear_weight last dimensions (in_features), got ${features} and ${w.size(-1)}, respectively`,
    );
  }
  const outputs = w.shape.slice(0, -1);
  if (bias !== null && !sameShape(bias.shape, outputs)) {
    throw new RuntimeError(`expected linear_bias shape ${tuple(outputs)}, got ${tuple(bias.shape)}`);
  }
  if (outputs.length > 1 && x.dim() === 1) {
    throw new RuntimeError(
      `K-dimensional loss defined by linear_weight shape ${tuple(w.shape)} requires batched input, (N, ${features}), got unbatched input with shape ${tuple(x.shape)}`,
    );
  }
  const shape = [...x.shape.slice(0, -1), ...outputs];
  if (sameShape(y.shape, shape) && ignore !== null) {
    throw new RuntimeError("ignore_index cannot be specified when target contains probabilities");
  }
  const count = outputs.reduce((n, s) => n * s, 1);
  const logits = linear(x, w.reshape([count, features]), bias === null ? null : bias.reshape([count]));
  return cross_entropy(logits.reshape(shape), y, {
    weight,
    reduction,
    ignore_index: ignore ?? -100,
    label_smoothing: smoothing,
  });
}

const tuple = (shape: readonly number[]): string => pythonRepr(shape);
