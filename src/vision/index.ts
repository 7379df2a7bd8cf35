/** `torchvision`: pictures as data. */
export * as datasets from "./datasets/index.ts";
export * as transforms from "./transforms/index.ts";
export * as utils from "./utils.ts";
