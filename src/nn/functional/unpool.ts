/** Pooling's relatives: max unpooling, power averages, and fractional max pooling. */
import { ValueError } from "../../errors.ts";
import { bind, bindAs } from "../../ops/define/schema.ts";
import { avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d } from "../../ops/pooling.ts";
import { maxUnpool } from "../../ops/unpooling.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";

type Sizes = number | readonly number[];

/** Keyword arguments of max unpooling. */
export interface MaxUnpoolOptions {
  readonly kernel_size?: Sizes;
  /** Default: the kernel size. */
  readonly stride?: Sizes | null;
  readonly padding?: Sizes;
  /** The size of what was pooled, where several are possible; with or without batch and channels. */
  readonly output_size?: readonly number[] | null;
}

function each(value: Sizes, dims: number): number[] {
  const list = typeof value === "number" ? [value] : [...value];
  return list.length === 1 ? new Array<number>(dims).fill(list[0]) : list;
}

function boundUnpool(name: string, dims: number, args: readonly unknown[]): [Tensor, Tensor, number[]] {
  const [x, indices, kernels, strides, paddings, wanted] = bindAs(
    name,
    "(Tensor input, Tensor indices, int[] kernel_size, int[]? stride=None, int[] padding=0, int[]? output_size=None)",
    args,
  ) as [Tensor, Tensor, number[], number[] | null, Sizes, number[] | null];
  const kernel = each(kernels, dims);
  const stride = strides === null ? kernel : each(strides, dims);
  const padding = each(paddings, dims);
  const inputs = x.sizes.slice(-dims);
  const natural = inputs.map((s, d) => (s - 1) * stride[d] + kernel[d] - 2 * padding[d]);
  if (wanted === null) return [x, indices, natural];
  const sizes = wanted.length === dims + 2 ? wanted.slice(2) : wanted;
  if (sizes.length !== dims) {
    throw new ValueError(
      `output_size should be a sequence containing ${dims} or ${dims + 2} elements, but it has a length of '${sizes.length}'`,
    );
  }
  sizes.forEach((size, d) => {
    const [low, high] = [natural[d] - stride[d], natural[d] + stride[d]];
    if (size <= low || size >= high) {
      throw new ValueError(`invalid output_size "${pythonRepr(sizes)}" (dim ${d} must be between ${low} and ${high})`);
    }
  });
  return [x, indices, sizes];
}

type UnpoolArguments = [
  kernel_size: Sizes | MaxUnpoolOptions,
  stride?: Sizes | null | MaxUnpoolOptions,
  padding?: Sizes | MaxUnpoolOptions,
  output_size?: readonly number[] | null | MaxUnpoolOptions,
];

/** The partial inverse of `max_pool1d`: the maxima at their places, zeros elsewhere. */
export function max_unpool1d(input: Tensor, indices: Tensor, ...rest: UnpoolArguments): Tensor {
  const [x, places, sizes] = boundUnpool("max_unpool1d", 1, [input, indices, ...rest]);
  return maxUnpool(x.unsqueeze(-1), places.unsqueeze(-1), [...sizes, 1]).squeeze(-1);
}

/** The partial inverse of `max_pool2d`. */
export function max_unpool2d(input: Tensor, indices: Tensor, ...rest: UnpoolArguments): Tensor {
  return maxUnpool(...boundUnpool("max_unpool2d", 2, [input, indices, ...rest]));
}

/** The partial inverse of `max_pool3d`. */
export function max_unpool3d(input: Tensor, indices: Tensor, ...rest: UnpoolArguments): Tensor {
  return maxUnpool(...boundUnpool("max_unpool3d", 3, [input, indices, ...rest]));
}

/** Keyword arguments of power-average pooling. */
export interface LPPoolOptions {
  readonly norm_type?: number;
  readonly kernel_size?: Sizes;
  /** Default: the kernel size. */
  readonly stride?: Sizes | null;
  readonly ceil_mode?: boolean;
}

const MAX_POOLS = [max_pool1d, max_pool2d, max_pool3d];
const AVG_POOLS = [avg_pool1d, avg_pool2d, avg_pool3d];

function powerPool(name: string, dims: number, args: readonly unknown[]): Tensor {
  const [x, p, kernels, stride, ceil] = bind(
    `${name}(Tensor input, float norm_type, int[] kernel_size, int[]? stride=None, bool ceil_mode=False)`,
    args,
  ) as [Tensor, number, number[], number[] | null, boolean];
  if (p === 0) throw new ValueError(`norm_type must be a non-zero value, but got ${p}`);
  const kernel = each(kernels, dims);
  if (p === Number.POSITIVE_INFINITY) return MAX_POOLS[dims - 1](x.abs(), kernel, stride, 0, 1, ceil);
  if (p === Number.NEGATIVE_INFINITY) return MAX_POOLS[dims - 1](x.abs().neg(), kernel, stride, 0, 1, ceil).neg();
  const mean = AVG_POOLS[dims - 1](x.pow(p), kernel, stride, 0, ceil);
  const count = kernel.reduce((n, k) => n * k, 1);
  return mean
    .sign()
    .mul(mean.abs().relu())
    .mul(count)
    .pow(1 / p);
}

type LPPoolArguments = [
  norm_type: number | LPPoolOptions,
  kernel_size?: Sizes | LPPoolOptions,
  stride?: Sizes | null | LPPoolOptions,
  ceil_mode?: boolean | LPPoolOptions,
];

/** (Σ xᵖ)^(1/p) over windows of (N, C, L). */
export function lp_pool1d(input: Tensor, ...rest: LPPoolArguments): Tensor {
  return powerPool("lp_pool1d", 1, [input, ...rest]);
}
/** (Σ xᵖ)^(1/p) over windows of (N, C, H, W). */
export function lp_pool2d(input: Tensor, ...rest: LPPoolArguments): Tensor {
  return powerPool("lp_pool2d", 2, [input, ...rest]);
}
/** (Σ xᵖ)^(1/p) over windows of (N, C, D, H, W). */
export function lp_pool3d(input: Tensor, ...rest: LPPoolArguments): Tensor {
  return powerPool("lp_pool3d", 3, [input, ...rest]);
}
