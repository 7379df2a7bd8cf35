/** Distributions that come from one float64 uniform (or, for `bernoulli` with float32 probabilities, one float32 uniform). */
import { bool, cppTypeName, type DType, notImplementedFor, scalarTypeName } from "../dtype.ts";
import { check, dtypeOf, formatDouble, type RandomArray, storeDoubles } from "./arrays.ts";
import { fma64 } from "./fma.ts";
import type { Generator } from "./generator.ts";
import { fillKernels } from "./kernels.ts";
import { fillFromUniform53, fillUniform24, fillUniform53 } from "./uniform.ts";

/**
 * `Tensor.bernoulli_(p)`: 1, or `value`, with probability `p`, else 0. Two words a sample whatever the dtype, and also where p is 0
 * or 1. (PyTorch builds with Intel MKL draw otherwise on Intel CPUs: one word seeds a stream of MKL's own.)
 */
export function bernoulli_(
  out: RandomArray,
  generator: Generator,
  p = 0.5,
  dtype: DType = dtypeOf(out),
  value = 1,
): void {
  check(p >= 0 && p <= 1, () => `bernoulli_ expects p to be in [0, 1], but got p=${formatDouble(p)}`);
  const kernels = out instanceof Float32Array ? fillKernels(out, out.length) : null;
  if (kernels !== null) {
    kernels.bernoulli(generator.engine, out as Float32Array, 0, out.length, p, value);
    return;
  }
  fillFromUniform53(out, generator, dtype, (values, count) => {
    for (let i = 0; i < count; i++) values[i] = values[i] < p ? value : 0;
  });
}

/** Throws where probabilities are not `valid`. */
export function checkProbabilities(valid: boolean): void {
  check(
    valid,
    () =>
      "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, " +
      "please report an enhancement request to PyTorch.)",
  );
}

/**
 * `torch.bernoulli(p)` and `Tensor.bernoulli_(p)` with a tensor of probabilities, element by element. float64
 * probabilities are compared with float64 uniforms, two words a sample; those of the other types, given here as their
 * float32 values, with float32 uniforms, one word a sample.
 */
export function bernoulli_tensor_(
  out: RandomArray,
  generator: Generator,
  p: Float32Array | Float64Array,
  dtype: DType = dtypeOf(out),
): void {
  let valid = true;
  for (let i = 0; i < out.length; i++) if (!(p[i] >= 0 && p[i] <= 1)) valid = false;
  checkProbabilities(valid);
  const wide = p instanceof Float64Array;
  const values = new Float64Array(Math.min(1024, out.length));
  for (let start = 0; start < out.length; start += 1024) {
    const count = Math.min(1024, out.length - start);
    if (wide) fillUniform53(values, 0, count, generator);
    else fillUniform24(values, 0, count, generator);
    for (let i = 0; i < count; i++) values[i] = values[i] < p[start + i] ? 1 : 0;
    storeDoubles(out, start, values, count, dtype);
  }
}

/**
 * The mask of dropout in training: 1 where an element is kept, with probability `1 - p`.
 *
 * `F.dropout`, `nn.Dropout` and `torch.dropout` on a CPU fill an array like the input (same dtype, same strides, so in
 * memory order) with `bernoulli_(1 - p)`, divide it by `1 - p` and multiply the input by it; the gradient multiplies by
 * the same array. They draw nothing in evaluation, for an empty input, for p = 0 (the input itself) and for p = 1 (the
 * input times zero). `alpha_dropout` draws the same mask. The `dropout1d/2d/3d` and `feature_alpha_dropout` draw one
 * element per sample and channel, a contiguous (N, C, 1, ...) array. `torch.native_dropout(x, p, true)` draws a bool
 * mask with the same stream, for p = 0 and p = 1 too, and computes `x * mask * (1 / (1 - p))`.
 */
export function dropout_mask_(out: RandomArray, generator: Generator, p = 0.5, dtype: DType = dtypeOf(out)): void {
  check(p >= 0 && p <= 1, () => `dropout probability has to be between 0 and 1, but got ${formatDouble(p)}`);
  bernoulli_(out, generator, 1 - p, dtype);
}

/** `Tensor.exponential_`: -log(1 - u) / lambd. */
export function exponential_(out: RandomArray, generator: Generator, lambd = 1, dtype: DType = dtypeOf(out)): void {
  check(lambd > 0, () => `exponential_ expects lambda > 0.0, but found lambda=${formatDouble(lambd)}`);
  if (out.length === 0) return;
  check(dtype.is_floating_point, () => continuousOnly("Exponential", scalarTypeName(dtype)));
  const scale = -1 / lambd;
  fillFromUniform53(out, generator, dtype, (values, count) => {
    for (let i = 0; i < count; i++) values[i] = scale * Math.log1p(-values[i]);
  });
}

function continuousOnly(distribution: string, dtypeName: string): string {
  return (
    `${distribution} distribution is a continuous probability distribution. ` +
    `dtype must be a floating point but you specified ${dtypeName}`
  );
}

/** `Tensor.cauchy_`: median + sigma * tan(pi * (u - 1/2)). */
export function cauchy_(
  out: RandomArray,
  generator: Generator,
  median = 0,
  sigma = 1,
  dtype: DType = dtypeOf(out),
): void {
  check(sigma > 0, () => `cauchy_ expects sigma > 0.0, but found sigma=${formatDouble(sigma)}`);
  check(dtype.is_floating_point, () => continuousOnly("Cauchy", cppTypeName(dtype)));
  fillFromUniform53(out, generator, dtype, (values, count) => {
    for (let i = 0; i < count; i++) values[i] = fma64(sigma, Math.tan(Math.PI * (values[i] - 0.5)), median);
  });
}

/** `Tensor.geometric_`: the number of trials up to the first success, 1 or more, for every dtype but bool. */
export function geometric_(out: RandomArray, generator: Generator, p: number, dtype: DType = dtypeOf(out)): void {
  check(p > 0 && p < 1, () => `geometric_ expects p to be in (0, 1), but got p=${formatDouble(p)}`);
  if (out.length === 0) return;
  if (dtype === bool) notImplementedFor("geometric_cpu", dtype);
  const logFailure = Math.log1p(-p);
  // What the conversion instruction of x86 gives for a number beyond the integer type.
  const limit = dtype.is_floating_point ? Number.POSITIVE_INFINITY : out instanceof BigInt64Array ? 2 ** 63 : 2 ** 31;
  fillFromUniform53(out, generator, dtype, (values, count) => {
    for (let i = 0; i < count; i++) {
      const trials = Math.ceil(Math.log(values[i]) / logFailure);
      values[i] = trials < limit || limit === Number.POSITIVE_INFINITY ? trials : -limit;
    }
  });
}
