/** `torch.utils`. */
export * as checkpoint from "./checkpoint.ts";
export * as data from "./data/index.ts";
export * as viz from "./viz/index.ts";
