/** `torch.utils`. */
export * as data from "./data/index.ts";
export * as viz from "./viz/index.ts";
