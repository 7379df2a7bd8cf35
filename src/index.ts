/**
 * The torch namespace: `import * as torch from "kindling"`.
 */

export * as autograd from "./autograd/index.ts";
export {
  enable_grad,
  inference_mode,
  is_grad_enabled,
  is_inference_mode_enabled,
  no_grad,
  set_grad_enabled,
} from "./autograd/mode.ts";
export { Device, device } from "./device.ts";
export * from "./dtype.ts";
export * from "./errors.ts";
export * as nn from "./nn/index.ts";
export * from "./ops/activation-methods.ts";
export { celu, celu_, relu_, selu, selu_, threshold, threshold_ } from "./ops/activations.ts";
export { addbmm, addmm, addmv, addr, baddbmm } from "./ops/addmm.ts";
export * from "./ops/arithmetic.ts";
export * from "./ops/blending.ts";
export * from "./ops/comparison.ts";
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
export * from "./ops/diagonals.ts";
export * from "./ops/dimensions.ts";
export * from "./ops/dropout.ts";
export { chain_matmul, einsum, tensordot } from "./ops/einsum.ts";
export * from "./ops/embedding.ts";
export * from "./ops/exponential.ts";
export * from "./ops/extrema.ts";
export { frexp } from "./ops/frexp.ts";
export * from "./ops/index-slices.ts";
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
export * from "./ops/rearranging.ts";
export * from "./ops/reductions.ts";
export { result_type } from "./ops/result-type.ts";
export * from "./ops/scan.ts";
export * from "./ops/scatter.ts";
export * from "./ops/scatter-reduce.ts";
export { scope } from "./ops/scope.ts";
export * from "./ops/searching.ts";
export * from "./ops/selection.ts";
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
export * from "./ops/views.ts";
export * as optim from "./optim/index.ts";
export {
  default_generator,
  Generator,
  get_rng_state,
  initial_seed,
  manual_seed,
  seed,
  set_rng_state,
} from "./random/generator.ts";
export type { MemoryStats } from "./storage/heap.ts";
export { memory_stats, set_memory_limit } from "./storage/storage.ts";
export { is_tensor, Tensor } from "./tensor.ts";
export * as utils from "./utils/index.ts";

import "./ops/methods.ts";
