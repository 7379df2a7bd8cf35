/** Fractional max pooling. */
import { ValueError } from "../../errors.ts";
import { bindAs } from "../../ops/define/schema.ts";
import { fractionalMaxPool } from "../../ops/fractional-pooling.ts";
import { rand } from "../../ops/random.ts";
import type { Tensor } from "../../tensor.ts";

type Sizes = number | readonly number[];

/** Keyword arguments of fractional max pooling. */
export interface FractionalMaxPoolOptions {
  readonly kernel_size?: Sizes;
  /** Either this, */
  readonly output_size?: Sizes | null;
  /** or this: the share of the input's size, between 0 and 1. */
  readonly output_ratio?: Sizes | null;
  readonly return_indices?: boolean;
  /** Numbers in [0, 1) of shape (N, C, dims), one for each window grid; random by default. */
  readonly _random_samples?: Tensor | null;
}

type FractionalArguments = [
  kernel_size: Sizes | FractionalMaxPoolOptions,
  output_size?: Sizes | null | FractionalMaxPoolOptions,
  output_ratio?: Sizes | null | FractionalMaxPoolOptions,
  return_indices?: boolean | FractionalMaxPoolOptions,
  _random_samples?: Tensor | null | FractionalMaxPoolOptions,
];

const each = (value: Sizes, dims: number): readonly number[] =>
  typeof value === "number" ? new Array<number>(dims).fill(value) : value.length === 1 ? each(value[0], dims) : value;

function pooled(dims: number, args: readonly unknown[]): { results: Tensor[]; indices: boolean } {
  const name = `fractional_max_pool${dims}d`;
  const [x, kernel, size, ratio, indices, samples] = bindAs(
    name,
    "(Tensor input, int[] kernel_size, int[]? output_size=None, any? output_ratio=None, bool return_indices=False, Tensor? _random_samples=None)",
    args,
  ) as [Tensor, number[], number[] | null, Sizes | null, boolean, Tensor | null];
  if (size === null && ratio === null) {
    throw new ValueError(`${name} requires specifying either an output_size or an output_ratio`);
  }
  const rank = x.sizes.length;
  const output =
    size !== null
      ? each(size, dims)
      : each(ratio as Sizes, dims).map((r, d) => Math.trunc(x.sizes[rank - dims + d] * r));
  const drawn = samples ?? rand([rank === dims + 1 ? 1 : x.size(0), x.size(-dims - 1), dims], { dtype: x.dtype });
  return { results: fractionalMaxPool(x, each(kernel, dims), output, drawn), indices };
}

function result(dims: number, args: readonly unknown[]): Tensor {
  const { results, indices } = pooled(dims, args);
  return (indices ? results : results[0]) as Tensor;
}

/** Maxima of random windows: (N, C, H, W) or (C, H, W). With `return_indices` the result is [output, indices]. */
export function fractional_max_pool2d(input: Tensor, ...rest: FractionalArguments): Tensor {
  return result(2, [input, ...rest]);
}
/** Maxima of random windows: (N, C, D, H, W) or (C, D, H, W). */
export function fractional_max_pool3d(input: Tensor, ...rest: FractionalArguments): Tensor {
  return result(3, [input, ...rest]);
}
/** `fractional_max_pool2d` with the places of the maxima, flattened within each plane. */
export function fractional_max_pool2d_with_indices(
  input: Tensor,
  ...rest: FractionalArguments
): [values: Tensor, indices: Tensor] {
  return pooled(2, [input, ...rest]).results as [Tensor, Tensor];
}
/** `fractional_max_pool3d` with the places of the maxima. */
export function fractional_max_pool3d_with_indices(
  input: Tensor,
  ...rest: FractionalArguments
): [values: Tensor, indices: Tensor] {
  return pooled(3, [input, ...rest]).results as [Tensor, Tensor];
}
