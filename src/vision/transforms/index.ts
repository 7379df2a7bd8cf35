/** `torchvision.transforms`. */
export * as functional from "./functional.ts";
export {
  CenterCrop,
  Pad,
  type PadOptions,
  RandomCrop,
  type RandomCropOptions,
  RandomHorizontalFlip,
  RandomVerticalFlip,
} from "./geometry.ts";
export { Compose, Lambda, Transform, type TransformFunction } from "./transform.ts";
export { ConvertImageDtype, Normalize, PILToTensor, ToTensor } from "./values.ts";

// Tensors have their methods whichever entry point is loaded.
import "../../ops/methods.ts";
