/** `torchvision`: pictures as data. */
export * as datasets from "./datasets/index.ts";
export { Image, type ImageMode, is_image, type PixelArray, Transpose } from "./image.ts";
export * as io from "./io/index.ts";
export * as models from "./models/index.ts";
export * as ops from "./ops/index.ts";
export * as transforms from "./transforms/index.ts";
export * as utils from "./utils.ts";
