/** `torchvision.transforms`, version 2: https://pytorch.org/vision/stable/transforms.html */
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
  RandomResize,
  RandomResizedCrop,
  type RandomResizedCropOptions,
  RandomShortestSize,
  RandomVerticalFlip,
  RandomZoomOut,
  type RandomZoomOutOptions,
  Resize,
  ScaleJitter,
  TenCrop,
} from "./geometry.ts";
export { InterpolationMode } from "./interpolation.ts";
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

// Tensors have their methods whichever entry point is loaded.
import "../../ops/methods.ts";
