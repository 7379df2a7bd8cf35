/**
 * Transforms as functions: https://pytorch.org/vision/stable/transforms.html#functional-transforms (version 2)
 *
 * An image is a picture (`Image`) or a tensor of shape (…, C, H, W), bytes or floats in [0, 1]; what goes in comes out.
 */
export {
  adjust_brightness,
  adjust_contrast,
  adjust_gamma,
  adjust_hue,
  adjust_saturation,
  adjust_sharpness,
  autocontrast,
  equalize,
  grayscale_to_rgb,
  invert,
  permute_channels,
  posterize,
  rgb_to_grayscale,
  solarize,
  to_grayscale,
} from "./functional/color.ts";
export {
  erase,
  type GaussianNoiseOptions,
  gaussian_blur,
  gaussian_noise,
} from "./functional/filters.ts";
export {
  center_crop,
  crop,
  five_crop,
  hflip,
  horizontal_flip,
  type ImagePadding,
  type ImagePaddingMode,
  type PadOptions,
  pad,
  ten_crop,
  vertical_flip,
  vflip,
} from "./functional/geometry.ts";
export { type ResizeOptions, resize, resized_crop } from "./functional/resize.ts";
export {
  type Fill,
  get_dimensions,
  get_image_size,
  get_num_channels,
  get_size,
  type ImageLike,
} from "./functional/shared.ts";
export {
  convert_image_dtype,
  normalize,
  pil_to_tensor,
  type ToDtypeOptions,
  to_dtype,
  to_image,
  to_pil_image,
  to_tensor,
} from "./functional/values.ts";
export {
  affine,
  type CenteredWarpOptions,
  elastic,
  elastic_transform,
  type PerspectiveOptions,
  perspective,
  type RotateOptions,
  rotate,
  type WarpOptions,
} from "./functional/warp.ts";
export { InterpolationMode } from "./interpolation.ts";

// Tensors have their methods whichever entry point is loaded.
import "../../ops/methods.ts";
