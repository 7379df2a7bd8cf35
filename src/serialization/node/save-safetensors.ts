/** Writes safetensors to files, in Node: straight from the memory of the tensors. */
import type { Tensor } from "../../tensor.ts";
import { withBytes } from "../tensor-data.ts";
import { replaceFile, writeAll } from "./files.ts";
import { pathOf } from "./source.ts";

/** The file appears at `path` when it is complete. */
export async function saveTensors(path: string | URL, header: Uint8Array, tensors: readonly Tensor[]): Promise<void> {
  await replaceFile(pathOf(path), (descriptor) => {
    writeAll(descriptor, header);
    for (const x of tensors) withBytes(x, (bytes) => writeAll(descriptor, bytes));
  });
}
