/**
 * `torch.nn.functional`: the functions behind the layers. Options go by position in PyTorch's order, or by name in one
 * trailing object.
 */
import "../ops/methods.ts";

export {
  celu,
  celu_,
  elu,
  elu_,
  gelu,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  hardtanh_,
  leaky_relu,
  leaky_relu_,
  logsigmoid,
  mish,
  prelu,
  relu,
  relu_,
  relu6,
  selu,
  selu_,
  silu,
  softplus,
  softshrink,
  softsign,
  tanhshrink,
  threshold,
  threshold_,
} from "../ops/activations.ts";
export { conv_transpose1d, conv_transpose2d, conv_transpose3d, conv1d, conv2d, conv3d } from "../ops/convolution.ts";
export { pdist } from "../ops/distances.ts";
export {
  adaptive_avg_pool1d,
  adaptive_avg_pool2d,
  adaptive_avg_pool3d,
  adaptive_max_pool1d,
  adaptive_max_pool1d_with_indices,
  adaptive_max_pool2d,
  adaptive_max_pool2d_with_indices,
  adaptive_max_pool3d,
  adaptive_max_pool3d_with_indices,
  avg_pool1d,
  avg_pool2d,
  avg_pool3d,
  max_pool1d,
  max_pool1d_with_indices,
  max_pool2d,
  max_pool2d_with_indices,
  max_pool3d,
  max_pool3d_with_indices,
} from "../ops/pooling.ts";
export { channel_shuffle, native_channel_shuffle, pixel_shuffle, pixel_unshuffle } from "../ops/shuffling.ts";
export { sigmoid } from "../ops/special.ts";
export { tanh } from "../ops/trigonometric.ts";
export { scaled_dot_product_attention } from "./functional/attention.ts";
export { bilinear } from "./functional/bilinear.ts";
export {
  binary_cross_entropy,
  binary_cross_entropy_with_logits,
  cross_entropy,
  nll_loss,
} from "./functional/classification.ts";
export { ctc_loss } from "./functional/ctc.ts";
export { cosine_similarity, normalize, pairwise_distance } from "./functional/distance.ts";
export {
  alpha_dropout,
  dropout,
  dropout1d,
  dropout2d,
  dropout3d,
  feature_alpha_dropout,
} from "./functional/dropout.ts";
export { fold, unfold } from "./functional/fold.ts";
export {
  fractional_max_pool2d,
  fractional_max_pool2d_with_indices,
  fractional_max_pool3d,
  fractional_max_pool3d_with_indices,
} from "./functional/fractional-pool.ts";
export { affine_grid, grid_sample } from "./functional/grid-sample.ts";
export { interpolate, upsample, upsample_bilinear, upsample_nearest } from "./functional/interpolate.ts";
export { linear } from "./functional/linear.ts";
export { linear_cross_entropy } from "./functional/linear-cross-entropy.ts";
export {
  cosine_embedding_loss,
  hinge_embedding_loss,
  margin_ranking_loss,
  multi_margin_loss,
  multilabel_margin_loss,
  multilabel_soft_margin_loss,
  soft_margin_loss,
  triplet_margin_loss,
  triplet_margin_with_distance_loss,
} from "./functional/margin.ts";
export { multi_head_attention_forward } from "./functional/multi-head-attention.ts";
export {
  batch_norm,
  group_norm,
  instance_norm,
  layer_norm,
  local_response_norm,
  rms_norm,
} from "./functional/normalization.ts";
export { pad } from "./functional/pad.ts";
export {
  gaussian_nll_loss,
  huber_loss,
  kl_div,
  l1_loss,
  mse_loss,
  poisson_nll_loss,
  smooth_l1_loss,
} from "./functional/regression.ts";
export { rrelu, rrelu_ } from "./functional/rrelu.ts";
export { gumbel_softmax, log_softmax, softmax, softmin } from "./functional/softmax.ts";
export { embedding, embedding_bag, one_hot } from "./functional/sparse.ts";
export { lp_pool1d, lp_pool2d, lp_pool3d, max_unpool1d, max_unpool2d, max_unpool3d } from "./functional/unpool.ts";
