/** Texts as PyTorch and Python write them: tensors, sizes, numbers. */
export * from "./options.ts";
export * from "./python-format.ts";
export * from "./tensor-string.ts";
