/** Initial values of parameters: https://pytorch.org/docs/stable/nn.init.html. All functions change their tensor and return it. */
import { no_grad } from "../autograd/mode.ts";
import { float64 } from "../dtype.ts";
import { ValueError } from "../errors.ts";
import { hostFunctions } from "../ir/special.ts";
import { tensor as tensorOf, zeros } from "../ops/creation.ts";
import { randperm } from "../ops/random.ts";
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
export function calculate_fan_in_and_fan_out(tensor: Tensor): [fan_in: number, fan_out: number] {
  if (tensor.dim() < 2) {
    throw new ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
  }
  const receptive = tensor.shape.slice(2).reduce((a, b) => a * b, 1);
  return [tensor.shape[1] * receptive, tensor.shape[0] * receptive];
}

/** Uniform in [a, b). */
export function uniform_(tensor: Tensor, a = 0, b = 1, options: InitOptions = {}): Tensor {
  return no_grad(() => tensor.uniform_(a, b, { generator: options.generator ?? null }));
}

/** Normal with the given mean and standard deviation. */
export function normal_(tensor: Tensor, mean = 0, std = 1, options: InitOptions = {}): Tensor {
  return no_grad(() => tensor.normal_(mean, std, { generator: options.generator ?? null }));
}

/**
 * Normal, cut off at [a, b]: the inverse of the distribution function applied to uniform numbers, as PyTorch does it.
 */
export function trunc_normal_(tensor: Tensor, mean = 0, std = 1, a = -2, b = 2, options: InitOptions = {}): Tensor {
  const cdf = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;
  const low = cdf((a - mean) / std);
  const high = cdf((b - mean) / std);
  return no_grad(() => {
    tensor.uniform_(2 * low - 1, 2 * high - 1, { generator: options.generator ?? null });
    tensor.erfinv_();
    tensor.mul_(std * Math.SQRT2);
    tensor.add_(mean);
    return tensor.clamp_({ min: a, max: b });
  });
}

function erf(x: number): number {
  return hostFunctions.erf(x, 0);
}

/** Every element `val`. */
export function constant_(tensor: Tensor, val: number): Tensor {
  return no_grad(() => tensor.fill_(val));
}

export function ones_(tensor: Tensor): Tensor {
  return constant_(tensor, 1);
}

export function zeros_(tensor: Tensor): Tensor {
  return constant_(tensor, 0);
}

/** The identity, for a matrix. */
export function eye_(tensor: Tensor): Tensor {
  if (tensor.dim() !== 2) throw new ValueError("Only tensors with 2 dimensions are supported");
  return no_grad(() => {
    tensor.zero_();
    tensor.diagonal().fill_(1);
    return tensor;
  });
}

/** Convolution weights that pass as many channels through as they can, in each group. */
export function dirac_(tensor: Tensor, groups = 1): Tensor {
  const rank = tensor.dim();
  if (rank < 3 || rank > 5) throw new ValueError("Only tensors with 3, 4, or 5 dimensions are supported");
  const sizes = tensor.shape;
  if (sizes[0] % groups !== 0) throw new ValueError("dim 0 must be divisible by groups");
  const perGroup = sizes[0] / groups;
  const middle = sizes.slice(2).map((s) => Math.floor(s / 2));
  return no_grad(() => {
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

/** Glorot and Bengio (2010): uniform with bound `gain · sqrt(6 / (fan_in + fan_out))`. */
export function xavier_uniform_(tensor: Tensor, gain = 1, options: InitOptions = {}): Tensor {
  const [fanIn, fanOut] = calculate_fan_in_and_fan_out(tensor);
  const bound = Math.sqrt(3) * gain * Math.sqrt(2 / (fanIn + fanOut));
  return uniform_(tensor, -bound, bound, options);
}

/** Glorot and Bengio (2010): normal with std `gain · sqrt(2 / (fan_in + fan_out))`. */
export function xavier_normal_(tensor: Tensor, gain = 1, options: InitOptions = {}): Tensor {
  const [fanIn, fanOut] = calculate_fan_in_and_fan_out(tensor);
  return normal_(tensor, 0, gain * Math.sqrt(2 / (fanIn + fanOut)), options);
}

/** Options of He's initializations. */
export interface KaimingOptions extends InitOptions {
  /** The negative slope of the leaky_relu that follows. Default 0. */
  readonly a?: number;
  readonly mode?: "fan_in" | "fan_out";
  readonly nonlinearity?: Nonlinearity;
}

function kaimingStd(tensor: Tensor, a: number, mode: string, nonlinearity: Nonlinearity): number {
  if (mode !== "fan_in" && mode !== "fan_out") {
    throw new ValueError(`Mode ${mode} not supported, please use one of ['fan_in', 'fan_out']`);
  }
  const [fanIn, fanOut] = calculate_fan_in_and_fan_out(tensor);
  return calculate_gain(nonlinearity, a) / Math.sqrt(mode === "fan_in" ? fanIn : fanOut);
}

/** He et al. (2015): uniform with bound `gain · sqrt(3 / fan)`. */
export function kaiming_uniform_(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  const { a = 0, mode = "fan_in", nonlinearity = "leaky_relu" } = options;
  if (tensor.shape.includes(0)) return tensor;
  const bound = Math.sqrt(3) * kaimingStd(tensor, a, mode, nonlinearity);
  return uniform_(tensor, -bound, bound, options);
}

/** He et al. (2015): normal with std `gain / sqrt(fan)`. */
export function kaiming_normal_(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  const { a = 0, mode = "fan_in", nonlinearity = "leaky_relu" } = options;
  if (tensor.shape.includes(0)) return tensor;
  return normal_(tensor, 0, kaimingStd(tensor, a, mode, nonlinearity), options);
}

/** Saxe et al. (2014): a (semi-)orthogonal matrix; dimensions after the first count as one. */
export function orthogonal_(tensor: Tensor, gain = 1, options: InitOptions = {}): Tensor {
  if (tensor.dim() < 2) throw new ValueError("Only tensors with 2 or more dimensions are supported");
  if (tensor.numel() === 0) return tensor;
  const rows = tensor.shape[0];
  const columns = tensor.numel() / rows;
  return no_grad(() => {
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
export function sparse_(tensor: Tensor, sparsity: number, std = 0.01, options: InitOptions = {}): Tensor {
  if (tensor.dim() !== 2) throw new ValueError("Only tensors with 2 dimensions are supported");
  const [rows, columns] = tensor.shape;
  const zerosPerColumn = Math.ceil(sparsity * rows);
  return no_grad(() => {
    tensor.normal_(0, std, { generator: options.generator ?? null });
    for (let c = 0; c < columns; c++) {
      // PyTorch draws these permutations from the global generator.
      const order = randperm(rows).tolist() as number[];
      for (const r of order.slice(0, zerosPerColumn)) tensor.select(0, r).select(0, c).fill_(0);
    }
    return tensor;
  });
}
