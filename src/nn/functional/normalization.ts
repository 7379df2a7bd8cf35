/** Normalization layers' functions. */
import { ValueError } from "../../errors.ts";
import { bind } from "../../ops/define/schema.ts";
import * as ops from "../../ops/normalization.ts";
import { constant_pad_nd } from "../../ops/padding.ts";
import { avg_pool2d, avg_pool3d } from "../../ops/pooling.ts";
import { type Shape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

export { group_norm, layer_norm, rms_norm } from "../../ops/normalization.ts";

/** Keyword arguments of `batch_norm`. */
export interface BatchNormOptions {
  readonly weight?: Tensor | null;
  readonly bias?: Tensor | null;
  /** Normalize with the batch's statistics and update the running ones. */
  readonly training?: boolean;
  /** The share of the batch in the new running statistics; 0.1 by default. */
  readonly momentum?: number;
  readonly eps?: number;
}

/** Refuses a batch that has one value per channel: its variance says nothing. */
function requireSeveral(sizes: Shape): void {
  const count = sizes.reduce((n, s, d) => (d === 1 ? n : n * s), 1);
  if (count === 1) {
    throw new ValueError(
      `Expected more than 1 value per channel when training, got input size torch.Size(${shapeText(sizes)})`,
    );
  }
}

/** Batch normalization over all dimensions but the second; in training it updates `running_mean` and `running_var` in place. */
export function batch_norm(
  input: Tensor,
  running_mean: Tensor | null,
  running_var: Tensor | null,
  weight?: Tensor | null | BatchNormOptions,
  bias?: Tensor | null | BatchNormOptions,
  training?: boolean | BatchNormOptions,
  momentum?: number | BatchNormOptions,
  eps?: number | BatchNormOptions,
): Tensor {
  const [x, mean, variance, w, b, train, share, epsilon] = bind(
    "batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight=None, Tensor? bias=None, bool training=False, float momentum=0.1, float eps=1e-05)",
    [input, running_mean, running_var, weight, bias, training, momentum, eps],
  ) as [Tensor, Tensor | null, Tensor | null, Tensor | null, Tensor | null, boolean, number, number];
  if (train) requireSeveral(x.sizes);
  if (epsilon <= 0) throw new ValueError(`batch_norm eps must be positive, but got ${epsilon}`);
  return ops.batch_norm(x, w, b, mean, variance, train, share, epsilon);
}

/** Keyword arguments of `instance_norm`. */
export interface InstanceNormOptions {
  readonly running_mean?: Tensor | null;
  readonly running_var?: Tensor | null;
  readonly weight?: Tensor | null;
  readonly bias?: Tensor | null;
  /** Normalize with each sample's own statistics; true by default. */
  readonly use_input_stats?: boolean;
  readonly momentum?: number;
  readonly eps?: number;
}

/** Normalization of each channel of each sample. */
export function instance_norm(
  input: Tensor,
  running_mean?: Tensor | null | InstanceNormOptions,
  running_var?: Tensor | null | InstanceNormOptions,
  weight?: Tensor | null | InstanceNormOptions,
  bias?: Tensor | null | InstanceNormOptions,
  use_input_stats?: boolean | InstanceNormOptions,
  momentum?: number | InstanceNormOptions,
  eps?: number | InstanceNormOptions,
): Tensor {
  const [x, mean, variance, w, b, own, share, epsilon] = bind(
    "instance_norm(Tensor input, Tensor? running_mean=None, Tensor? running_var=None, Tensor? weight=None, Tensor? bias=None, bool use_input_stats=True, float momentum=0.1, float eps=1e-05)",
    [input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps],
  ) as [Tensor, Tensor | null, Tensor | null, Tensor | null, Tensor | null, boolean, number, number];
  if (own && x.sizes.length >= 2) {
    const positions = x.sizes.slice(2).reduce((n, s) => n * s, 1);
    if (positions === 1) {
      throw new ValueError(
        `Expected more than 1 spatial element when training, got input size torch.Size(${shapeText(x.sizes)})`,
      );
    }
  }
  return ops.instance_norm(x, w, b, mean, variance, own, share, epsilon);
}

/** Keyword arguments of `local_response_norm`. */
export interface LocalResponseNormOptions {
  readonly alpha?: number;
  readonly beta?: number;
  readonly k?: number;
}

/** `x / (k + alpha · mean of squares of the neighbouring channels)^beta`: Krizhevsky et al. (2012), section 3.3. */
export function local_response_norm(
  input: Tensor,
  size: number,
  alpha?: number | LocalResponseNormOptions,
  beta?: number | LocalResponseNormOptions,
  k?: number | LocalResponseNormOptions,
): Tensor {
  const [x, width, a, exponent, offset] = bind(
    "local_response_norm(Tensor input, int size, float alpha=0.0001, float beta=0.75, float k=1)",
    [input, size, alpha, beta, k],
  ) as [Tensor, number, number, number, number];
  const rank = x.sizes.length;
  if (rank < 3) {
    throw new ValueError(
      `Expected 3D or higher dimensionality                          input (got ${rank} dimensions)`,
    );
  }
  if (x.count === 0) return x;
  const squares = x.mul(x);
  const before = Math.floor(width / 2);
  const after = Math.floor((width - 1) / 2);
  let mean: Tensor;
  if (rank === 3) {
    mean = avg_pool2d(constant_pad_nd(squares.unsqueeze(1), [0, 0, before, after]), [width, 1], 1).squeeze(1);
  } else {
    const flat = squares.reshape(x.sizes[0], 1, x.sizes[1], x.sizes[2], -1);
    const padded = constant_pad_nd(flat, [0, 0, 0, 0, before, after]);
    mean = avg_pool3d(padded, [width, 1, 1], 1).squeeze(1).reshape(x.sizes);
  }
  const scale = mean.mul(a).add(offset).pow(exponent);
  return x.div(scale);
}
