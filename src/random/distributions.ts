/**
 * Samples with PyTorch's numbers: each function fills an array with exactly the stream that PyTorch 2.14 gives on an x86
 * CPU without MKL, and leaves the generator in the same state. Where a logarithm, sine, cosine, tangent or exponential
 * of float64 enters, results may differ in the last bits from those of the C library that PyTorch calls.
 *
 * Arrays are contiguous. For a tensor that is not contiguous, PyTorch draws in the order of its TensorIterator: the
 * dimension with the smallest stride varies fastest, as the elements lie in memory. So fill an array in that order, or
 * the memory itself where the elements are dense (a transposed matrix). Two things depend on it beyond the order:
 * - `normal_` takes its one-at-a-time path: pass `contiguous = false`;
 * - functions that return "a tensor like the input" draw for the input's strides if the result keeps them: dropout's
 *   mask and the race of `multinomial` do, `torch.bernoulli(p)` does not (its result is contiguous).
 *
 * `torch.rand` is `uniform_` and `torch.randn` is `normal_` on a new contiguous tensor, `torch.randint(low, high)` is
 * `random_(low, high)`. `torch.normal` with tensors draws `normal_(0, std)` and adds the mean, or draws `normal_(0, 1)`,
 * multiplies by the tensor of deviations and adds the mean.
 */
export type { RandomArray } from "./arrays.ts";
export { random_, randperm } from "./integers.ts";
export { multinomial } from "./multinomial.ts";
export { log_normal_, normal_ } from "./normal.ts";
export { binomial, poisson, standard_gamma } from "./rejection.ts";
export {
  bernoulli_,
  bernoulli_tensor_,
  cauchy_,
  checkProbabilities,
  dropout_mask_,
  exponential_,
  geometric_,
} from "./transforms.ts";
export { uniform_ } from "./uniform.ts";
