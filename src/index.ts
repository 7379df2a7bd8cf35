/**
 * The torch namespace: `import * as torch from "kindling"`.
 */

export { is_anomaly_check_nan_enabled, is_anomaly_enabled } from "./autograd/anomaly.ts";
export {
  enable_grad,
  inference_mode,
  no_grad,
  set_grad_enabled,
} from "./autograd/grad-mode.ts";
export { is_grad_enabled, is_inference_mode_enabled } from "./context/grad-mode.ts";
export { type Device, device } from "./device.ts";
export {
  bfloat16,
  bool,
  can_cast,
  DType as dtype,
  double,
  float,
  float16,
  float32,
  float64,
  get_default_dtype,
  half,
  int,
  int8,
  int16,
  int32,
  int64,
  long,
  promote_types,
  set_default_dtype,
  short,
  uint8,
} from "./dtype.ts";
export * from "./errors.ts";
export * as autograd from "./func/autograd.ts";
export * as func from "./func/index.ts";
export { vmap } from "./func/vmap.ts";
export * as hub from "./hub/index.ts";
export * as nn from "./nn/index.ts";
export * from "./ops/activation-methods.ts";
export { celu, celu_, relu_, selu, selu_, threshold, threshold_ } from "./ops/activations.ts";
export { _addmm_activation, addbmm, addmm, addmv, addr, baddbmm } from "./ops/addmm.ts";
export * from "./ops/arithmetic.ts";
export * from "./ops/blending.ts";
export * from "./ops/comparison.ts";
export { conj, imag, real } from "./ops/complex.ts";
export { clone } from "./ops/conversion.ts";
export {
  conv_transpose1d,
  conv_transpose2d,
  conv_transpose3d,
  conv1d,
  conv2d,
  conv3d,
} from "./ops/convolution.ts";
export * from "./ops/counting.ts";
export * from "./ops/creation.ts";
export { diag, diag_embed, diagflat, diagonal, diagonal_scatter, tril, triu } from "./ops/diagonals.ts";
export {
  adjoint,
  as_strided_,
  flatten,
  moveaxis,
  movedim,
  ravel,
  squeeze,
  swapaxes,
  swapdims,
  t,
  transpose,
  unflatten,
  unsqueeze,
} from "./ops/dimensions.ts";
export { cdist, pdist } from "./ops/distances.ts";
export * from "./ops/dropout.ts";
export { chain_matmul, einsum, tensordot } from "./ops/einsum.ts";
export { embedding, embedding_renorm_ } from "./ops/embedding.ts";
export { embedding_bag } from "./ops/embedding-bag.ts";
export * from "./ops/exponential.ts";
export * from "./ops/extrema.ts";
export { frexp } from "./ops/frexp.ts";
export { affine_grid_generator, grid_sampler, grid_sampler_2d, grid_sampler_3d } from "./ops/grid-sample.ts";
export { index_add, index_copy, index_fill, index_select } from "./ops/index-slices.ts";
export {
  argwhere,
  index_put,
  index_put_,
  masked_scatter,
  masked_select,
  nonzero,
  put,
  type TensorIndex,
  take,
} from "./ops/indexing.ts";
export { _int_mm } from "./ops/integer-products.ts";
export * from "./ops/integers.ts";
export * from "./ops/joining.ts";
export * as linalg from "./ops/linalg.ts";
export * from "./ops/logical.ts";
export * from "./ops/matmul.ts";
export * from "./ops/moments.ts";
export * from "./ops/normalization.ts";
export * from "./ops/order-statistics.ts";
export { constant_pad_nd } from "./ops/padding.ts";
export { adaptive_avg_pool1d, avg_pool1d, max_pool1d, max_pool2d, max_pool3d } from "./ops/pooling.ts";
export * from "./ops/power.ts";
export * from "./ops/random.ts";
export { bernoulli, multinomial } from "./ops/random-methods.ts";
export * from "./ops/ranges.ts";
export { flip, fliplr, flipud, repeat_interleave, roll, rot90, tile } from "./ops/rearranging.ts";
export {
  all,
  any,
  count_nonzero,
  type Dims,
  type DimsOptions,
  logsumexp,
  mean,
  nanmean,
  nansum,
  type ProdOptions,
  prod,
  type SumOptions,
  sum,
} from "./ops/reductions.ts";
export { result_type } from "./ops/result-type.ts";
export { cummax, cummin, cumprod, cumsum, type DiffOptions, diff, logcumsumexp, type ScanOptions } from "./ops/scan.ts";
export { gather, scatter, scatter_add, take_along_dim } from "./ops/scatter.ts";
export { index_reduce, type ScatterReduction, scatter_reduce } from "./ops/scatter-reduce.ts";
export { scope } from "./ops/scope.ts";
export * from "./ops/searching.ts";
export * from "./ops/selection.ts";
export { channel_shuffle, native_channel_shuffle, pixel_shuffle, pixel_unshuffle } from "./ops/shuffling.ts";
export { Slice } from "./ops/slice.ts";
export * from "./ops/slice-scatter.ts";
export * from "./ops/softmax.ts";
export * from "./ops/sorting.ts";
export * from "./ops/special.ts";
export * from "./ops/splitting.ts";
export * from "./ops/statistics.ts";
export * from "./ops/trigonometric.ts";
export * from "./ops/unary.ts";
export * from "./ops/unique.ts";
export { as_strided, broadcast_to, narrow, permute, reshape, select } from "./ops/views.ts";
export * as optim from "./optim/index.ts";
export { get_printoptions, type PrintOptions, printoptions, set_printoptions } from "./print/options.ts";
export {
  default_generator,
  Generator,
  get_rng_state,
  initial_seed,
  manual_seed,
  seed,
  set_rng_state,
} from "./random/generator.ts";
export * as serialization from "./serialization/index.ts";
export { load } from "./serialization/load.ts";
export { save } from "./serialization/save.ts";
export {
  empty_cache,
  max_memory_allocated,
  max_memory_reserved,
  memory_allocated,
  memory_reserved,
  memory_stats,
  memory_summary,
  reset_accumulated_memory_stats,
  reset_peak_memory_stats,
  set_memory_limit,
} from "./storage/memory.ts";
export { is_tensor, Tensor } from "./tensor.ts";
export { type Backends, backends, type KindlingBackend } from "./torch/backends.ts";
export { type FloatInfo, finfo, type IntInfo, iinfo } from "./torch/limits.ts";
export {
  channels_last,
  channels_last_3d,
  contiguous_format,
  type MemoryFormat,
  preserve_format,
} from "./torch/memory-format.ts";
export { is_complex, is_floating_point, is_inference, numel } from "./torch/queries.ts";
export {
  get_num_interop_threads,
  get_num_threads,
  set_num_interop_threads,
  set_num_threads,
} from "./torch/threads.ts";
export * as utils from "./utils/index.ts";

import "./ops/methods.ts";
