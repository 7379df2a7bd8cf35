/** The randomized leaky ReLU. */
import { withGradMode } from "../../autograd/mode.ts";
import { float64 } from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import { leaky_relu } from "../../ops/activations.ts";
import { bind } from "../../ops/define/schema.ts";
import type { Tensor } from "../../tensor.ts";

/** Keyword arguments of `rrelu`. */
export interface RReLUOptions {
  readonly lower?: number;
  readonly upper?: number;
  readonly training?: boolean;
  readonly inplace?: boolean;
}

/**
 * x above 0, else x times a slope: in training a random one between `lower` (1/8) and `upper` (1/3) for each element, otherwise
 * their mean. https://arxiv.org/abs/1505.00853
 */
export function rrelu(
  input: Tensor,
  lower?: number | RReLUOptions,
  upper?: number | RReLUOptions,
  training?: boolean | RReLUOptions,
  inplace?: boolean | RReLUOptions,
): Tensor {
  const [x, low, high, train, over] = bind(
    `rrelu(Tensor input, float lower=${1 / 8}, float upper=${1 / 3}, bool training=False, bool inplace=False)`,
    [input, lower, upper, training, inplace],
  ) as [Tensor, number, number, boolean, boolean];
  if (!(low <= high)) {
    throw new RuntimeError(`Lower bound should be less than or equal to the upper bound`);
  }
  if (!train) return leaky_relu(x, (low + high) / 2, over);
  // PyTorch draws a double for each element that is not positive, in order.
  const slopes = withGradMode(false, () => {
    const negative = x.detach().le(0);
    const count = Number(negative.sum().item());
    const drawn = x.new_empty([count], { dtype: float64 }).uniform_(low, high);
    return x.detach().new_ones(x.sizes).masked_scatter(negative, drawn.to(x.dtype));
  });
  return over ? x.mul_(slopes) : x.mul(slopes);
}

/** `rrelu` in place. */
export function rrelu_(input: Tensor, lower = 1 / 8, upper = 1 / 3, training = false): Tensor {
  return rrelu(input, lower, upper, training, true);
}
