/** `torch.nn.modules`. */
export * as module from "./module.ts";
