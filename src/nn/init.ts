/** Initial values of parameters: https://pytorch.org/docs/stable/nn.init.html. All functions change their tensor and return it. */
import { withGradMode } from "../autograd/mode.ts";
import { float64 } from "../dtype.ts";
import { ValueError } from "../errors.ts";
import { hostFunctions } from "../ir/special.ts";
import { empty_like, tensor as tensorOf, zeros } from "../ops/creation.ts";
import { bind } from "../ops/define/schema.ts";
import { randperm } from "../ops/random.ts";
import { where } from "../ops/selection.ts";
import type { Generator } from "../random/generator.ts";
import type { Tensor } from "../tensor.ts";

/** A generator of one's own; by default the global one. */
export interface InitOptions {
  readonly generator?: Generator | null;
}

export type Nonlinearity =
  | "linear"
  | "conv1d"
  | "conv2d"
  | "conv3d"
  | "conv_transpose1d"
  | "conv_transpose2d"
  | "conv_transpose3d"
  | "sigmoid"
  | "tanh"
  | "relu"
  | "leaky_relu"
  | "selu";

/** The gain recommended for a nonlinearity; `param` is the negative slope of leaky_relu (default 0.01). */
export function calculate_gain(nonlinearity: Nonlinearity, param?: number | null): number {
  switch (nonlinearity) {
    case "linear":
    case "conv1d":
    case "conv2d":
    case "conv3d":
    case "conv_transpose1d":
    case "conv_transpose2d":
    case "conv_transpose3d":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leaky_relu": {
      const slope = param ?? 0.01;
      if (typeof slope !== "number") throw new ValueError(`negative_slope ${String(slope)} not a valid number`);
      return Math.sqrt(2 / (1 + slope ** 2));
    }
    case "selu":
      return 3 / 4;
    default:
      throw new ValueError(`Unsupported nonlinearity ${String(nonlinearity)}`);
  }
}

/** The numbers of inputs and outputs of one unit: of a matrix (out, in), or of a convolution's weight. */
export function _calculate_fan_in_and_fan_out(tensor: Tensor): [fan_in: number, fan_out: number] {
  if (tensor.dim() < 2) {
    throw new ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
  }
  const receptive = tensor.shape.slice(2).reduce((a, b) => a * b, 1);
  return [tensor.shape[1] * receptive, tensor.shape[0] * receptive];
}

/** Uniform in [a, b), by default [0, 1). */
export function uniform_(
  tensor: Tensor,
  a?: number | (InitOptions & { a?: number; b?: number }),
  b?: number | InitOptions,
  options?: InitOptions,
): Tensor {
  const [t, from, to, generator] = bind("uniform_(Tensor tensor, float a=0, float b=1, any? generator=None)", [
    tensor,
    a,
    b,
    options,
  ]) as [Tensor, number, number, Generator | null];
  return withGradMode(false, () => t.uniform_(from, to, { generator }));
}

/** Normal with the given mean and standard deviation, by default 0 and 1. */
export function normal_(
  tensor: Tensor,
  mean?: number | (InitOptions & { mean?: number; std?: number }),
  std?: number | InitOptions,
  options?: InitOptions,
): Tensor {
  const [t, center, spread, generator] = bind(
    "normal_(Tensor tensor, float mean=0, float std=1, any? generator=None)",
    [tensor, mean, std, options],
  ) as [Tensor, number, number, Generator | null];
  return withGradMode(false, () => t.normal_(center, spread, { generator }));
}

/** Keyword arguments of `trunc_normal_`. */
export interface TruncatedNormalOptions extends InitOptions {
  readonly mean?: number;
  readonly std?: number;
  readonly a?: number;
  readonly b?: number;
}

/** Normal with mean 0 and deviation 1, cut off at [a, b], by default [-2, 2], by rejection as PyTorch does it. */
export function trunc_normal_(
  tensor: Tensor,
  ...rest: [
    mean?: number | TruncatedNormalOptions,
    std?: number | TruncatedNormalOptions,
    a?: number | TruncatedNormalOptions,
    b?: number | TruncatedNormalOptions,
    options?: InitOptions,
  ]
): Tensor {
  const [t, mean, std, a, b, generator] = bind(
    "trunc_normal_(Tensor tensor, float mean=0, float std=1, float a=-2, float b=2, any? generator=None)",
    [tensor, ...rest],
  ) as [Tensor, number, number, number, number, Generator | null];
  const cdf = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;
  const inside = cdf((b - mean) / std) - cdf((a - mean) / std);
  return withGradMode(false, () => {
    if (inside > 0.3) rejectNormal(t, mean, std, a, b, generator);
    else rejectUniform(t, mean, std, a, b, generator);
    return t;
  });
}

/** Draws from the normal distribution until all elements lie in [a, b]. */
function rejectNormal(t: Tensor, mean: number, std: number, a: number, b: number, generator: Generator | null): void {
  const { dtype } = t;
  const [low, high] = tensorOf([a, b], { dtype }).tolist() as number[];
  t.normal_(mean, std, { generator });
  for (;;) {
    const outside = t.lt(low).logical_or(t.gt(high));
    if (outside.any().item() === false) return;
    t.copy_(where(outside, empty_like(t).normal_(mean, std, { generator }), t));
  }
}

/** Draws uniformly from [a, b], where normal numbers are rare, and accepts by the density relative to its maximum there. */
function rejectUniform(t: Tensor, mean: number, std: number, a: number, b: number, generator: Generator | null): void {
  const mode = Math.max(a, Math.min(mean, b));
  const logPeak = -0.5 * ((mode - mean) / std) ** 2;
  const candidates = empty_like(t);
  const draw = (): Tensor => {
    candidates.uniform_(a, b, { generator });
    const logDensity = candidates.sub(mean).div_(std).pow_(2).mul_(-0.5).sub_(logPeak);
    return empty_like(t).uniform_({ generator }).log_().gt(logDensity);
  };
  let pending = draw();
  t.copy_(candidates);
  while (pending.any().item() === true) {
    const rejected = draw();
    t.copy_(where(pending, candidates, t));
    pending = pending.logical_and(rejected);
  }
}

function erf(x: number): number {
  return hostFunctions.erf(x, 0);
}

/** Every element `val`. */
export function constant_(tensor: Tensor, val: number | { readonly val: number }): Tensor {
  const [t, value] = bind("constant_(Tensor tensor, float val)", [tensor, val]) as [Tensor, number];
  return withGradMode(false, () => t.fill_(value));
}

/** Every element 1. */
export function ones_(tensor: Tensor): Tensor {
  return constant_(tensor, 1);
}

/** Every element 0. */
export function zeros_(tensor: Tensor): Tensor {
  return constant_(tensor, 0);
}

/** The identity, for a matrix. */
export function eye_(tensor: Tensor): Tensor {
  if (tensor.dim() !== 2) throw new ValueError("Only tensors with 2 dimensions are supported");
  return withGradMode(false, () => {
    tensor.zero_();
    tensor.diagonal().fill_(1);
    return tensor;
  });
}

/** Convolution weights that pass as many channels through as they can, in each group. */
export function dirac_(...args: [tensor: Tensor, groups?: number | { readonly groups?: number }]): Tensor {
  const [tensor, groups] = bind("dirac_(Tensor tensor, int groups=1)", args) as [Tensor, number];
  const rank = tensor.dim();
  if (rank < 3 || rank > 5) throw new ValueError("Only tensors with 3, 4, or 5 dimensions are supported");
  const sizes = tensor.shape;
  if (sizes[0] % groups !== 0) throw new ValueError("dim 0 must be divisible by groups");
  const perGroup = sizes[0] / groups;
  const middle = sizes.slice(2).map((s) => Math.floor(s / 2));
  return withGradMode(false, () => {
    tensor.zero_();
    for (let g = 0; g < groups; g++) {
      for (let d = 0; d < Math.min(perGroup, sizes[1]); d++) {
        let element = tensor.select(0, g * perGroup + d).select(0, d);
        for (const m of middle) element = element.select(0, m);
        element.fill_(1);
      }
    }
    return tensor;
  });
}

type GainArguments = [
  tensor: Tensor,
  gain?: number | (InitOptions & { readonly gain?: number }),
  options?: InitOptions,
];

function bindGain(name: string, args: readonly unknown[]): [Tensor, number, InitOptions] {
  const [tensor, gain, generator] = bind(`${name}(Tensor tensor, float gain=1, any? generator=None)`, args);
  return [tensor as Tensor, gain as number, { generator: generator as Generator | null }];
}

/** Glorot and Bengio (2010): uniform with bound `gain · sqrt(6 / (fan_in + fan_out))`. */
export function xavier_uniform_(...args: GainArguments): Tensor {
  const [tensor, gain, options] = bindGain("xavier_uniform_", args);
  const [fanIn, fanOut] = _calculate_fan_in_and_fan_out(tensor);
  const bound = Math.sqrt(3) * gain * Math.sqrt(2 / (fanIn + fanOut));
  return uniform_(tensor, -bound, bound, options);
}

/** Glorot and Bengio (2010): normal with std `gain · sqrt(2 / (fan_in + fan_out))`. */
export function xavier_normal_(...args: GainArguments): Tensor {
  const [tensor, gain, options] = bindGain("xavier_normal_", args);
  const [fanIn, fanOut] = _calculate_fan_in_and_fan_out(tensor);
  return normal_(tensor, 0, gain * Math.sqrt(2 / (fanIn + fanOut)), options);
}

/** Options of He's initializations. */
export interface KaimingOptions extends InitOptions {
  /** The negative slope of the leaky_relu that follows. Default 0. */
  readonly a?: number;
  readonly mode?: "fan_in" | "fan_out";
  readonly nonlinearity?: Nonlinearity;
}

type KaimingArguments = [
  tensor: Tensor,
  a?: number | KaimingOptions,
  mode?: "fan_in" | "fan_out" | KaimingOptions,
  nonlinearity?: Nonlinearity | KaimingOptions,
  options?: InitOptions,
];

function bindKaiming(name: string, args: KaimingArguments): [Tensor, number, string, Nonlinearity, InitOptions] {
  const [tensor, a, mode, nonlinearity, generator] = bind(
    `${name}(Tensor tensor, float a=0, str mode="fan_in", str nonlinearity="leaky_relu", any? generator=None)`,
    args,
  ) as [Tensor, number, string, Nonlinearity, Generator | null];
  return [tensor, a, mode, nonlinearity, { generator }];
}

function kaimingStd(tensor: Tensor, a: number, mode: string, nonlinearity: Nonlinearity): number {
  if (mode !== "fan_in" && mode !== "fan_out") {
    throw new ValueError(`Mode ${mode} not supported, please use one of ['fan_in', 'fan_out']`);
  }
  const [fanIn, fanOut] = _calculate_fan_in_and_fan_out(tensor);
  return calculate_gain(nonlinearity, a) / Math.sqrt(mode === "fan_in" ? fanIn : fanOut);
}

/** He et al. (2015): uniform with bound `gain · sqrt(3 / fan)`. */
export function kaiming_uniform_(...args: KaimingArguments): Tensor {
  const [tensor, a, mode, nonlinearity, options] = bindKaiming("kaiming_uniform_", args);
  if (tensor.shape.includes(0)) return tensor;
  const bound = Math.sqrt(3) * kaimingStd(tensor, a, mode, nonlinearity);
  return uniform_(tensor, -bound, bound, options);
}

/** He et al. (2015): normal with std `gain / sqrt(fan)`. */
export function kaiming_normal_(...args: KaimingArguments): Tensor {
  const [tensor, a, mode, nonlinearity, options] = bindKaiming("kaiming_normal_", args);
  if (tensor.shape.includes(0)) return tensor;
  return normal_(tensor, 0, kaimingStd(tensor, a, mode, nonlinearity), options);
}

/** Saxe et al. (2014): a (semi-)orthogonal matrix; dimensions after the first count as one. */
export function orthogonal_(...args: GainArguments): Tensor {
  const [tensor, gain, options] = bindGain("orthogonal_", args);
  if (tensor.dim() < 2) throw new ValueError("Only tensors with 2 or more dimensions are supported");
  if (tensor.numel() === 0) return tensor;
  const rows = tensor.shape[0];
  const columns = tensor.numel() / rows;
  return withGradMode(false, () => {
    const random = zeros([rows, columns], { dtype: tensor.dtype }).normal_(0, 1, {
      generator: options.generator ?? null,
    });
    const tall = rows < columns ? random.t() : random;
    const q = orthonormalColumns(tall.to(float64).tolist() as number[][]);
    const result = fromRows(q, tensor);
    tensor.view([rows, columns]).copy_(rows < columns ? result.t() : result);
    return tensor.mul_(gain);
  });
}

/** The Q of a QR decomposition whose R has a positive diagonal: modified Gram–Schmidt, twice for accuracy. */
function orthonormalColumns(a: number[][]): number[][] {
  const n = a[0].length;
  const q = a.map((row) => row.slice());
  for (let j = 0; j < n; j++) {
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < j; k++) {
        let dot = 0;
        for (const row of q) dot += row[k] * row[j];
        for (const row of q) row[j] -= dot * row[k];
      }
    }
    let norm = 0;
    for (const row of q) norm += row[j] * row[j];
    norm = Math.sqrt(norm);
    for (const row of q) row[j] /= norm;
  }
  return q;
}

function fromRows(rows: number[][], like: Tensor): Tensor {
  return tensorOf(rows, { dtype: like.dtype });
}

/** Martens (2010): normal, with a fraction `sparsity` of every column set to zero. */
export function sparse_(
  ...args: [
    tensor: Tensor,
    sparsity: number | (InitOptions & { readonly sparsity: number; readonly std?: number }),
    std?: number | (InitOptions & { readonly std?: number }),
    options?: InitOptions,
  ]
): Tensor {
  const [tensor, sparsity, std, generator] = bind(
    "sparse_(Tensor tensor, float sparsity, float std=0.01, any? generator=None)",
    args,
  ) as [Tensor, number, number, Generator | null];
  if (tensor.dim() !== 2) throw new ValueError("Only tensors with 2 dimensions are supported");
  const [rows, columns] = tensor.shape;
  const zerosPerColumn = Math.ceil(sparsity * rows);
  return withGradMode(false, () => {
    tensor.normal_(0, std, { generator });
    for (let c = 0; c < columns; c++) {
      // PyTorch draws these permutations from the global generator.
      const order = randperm(rows).tolist() as number[];
      for (const r of order.slice(0, zerosPerColumn)) tensor.select(0, r).select(0, c).fill_(0);
    }
    return tensor;
  });
}
