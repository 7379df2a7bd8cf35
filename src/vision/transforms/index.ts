/** `torchvision.transforms`, version 2: https://pytorch.org/vision/stable/transforms.html */
export {
  CutMix,
  type LabelsGetter,
  type MixOptions,
  MixUp,
  RandomErasing,
  type RandomErasingOptions,
} from "./augment.ts";
export {
  AugMix,
  type AugMixOptions,
  AutoAugment,
  type AutoAugmentOptions,
  AutoAugmentPolicy,
  RandAugment,
  type RandAugmentOptions,
  type TrivialAugmentOptions,
  TrivialAugmentWide,
} from "./auto-augment.ts";
export {
  ColorJitter,
  type ColorJitterOptions,
  GaussianBlur,
  GaussianNoise,
  Grayscale,
  type PhotometricDistortOptions,
  RandomAdjustSharpness,
  RandomAutocontrast,
  RandomChannelPermutation,
  RandomEqualize,
  RandomGrayscale,
  RandomInvert,
  RandomPhotometricDistort,
  RandomPosterize,
  RandomSolarize,
  RGB,
} from "./color.ts";
export {
  Compose,
  Identity,
  Lambda,
  RandomApply,
  RandomChoice,
  RandomOrder,
  type TransformFunction,
} from "./container.ts";
export type { PadOptions } from "./functional/geometry.ts";
export type { ResizeOptions } from "./functional/resize.ts";
export type { ImageLike } from "./functional/shared.ts";
export * as functional from "./functional.ts";
export {
  CenterCrop,
  FiveCrop,
  Pad,
  RandomCrop,
  type RandomCropOptions,
  RandomHorizontalFlip,
  RandomVerticalFlip,
  Resize,
  TenCrop,
} from "./geometry.ts";
export { InterpolationMode } from "./interpolation.ts";
export * as presets from "./presets.ts";
export {
  RandomResize,
  RandomResizedCrop,
  type RandomResizedCropOptions,
  RandomShortestSize,
  RandomZoomOut,
  type RandomZoomOutOptions,
  ScaleJitter,
} from "./random-size.ts";
export { RandomApplyTransform, Transform } from "./transform.ts";
export {
  ConvertImageDtype,
  LinearTransformation,
  Normalize,
  PILToTensor,
  ToDtype,
  ToImage,
  ToPILImage,
  ToTensor,
} from "./values.ts";
export {
  ElasticTransform,
  type ElasticTransformOptions,
  RandomAffine,
  type RandomAffineOptions,
  RandomPerspective,
  type RandomPerspectiveOptions,
  RandomRotation,
  type RandomRotationOptions,
} from "./warp.ts";

// Tensors have their methods whichever entry point is loaded.
import "../../ops/methods.ts";
