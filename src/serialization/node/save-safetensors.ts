/** Writes safetensors to files, in Node: straight from the memory of the tensors. */
import { writeSync } from "node:fs";
import type { Tensor } from "../../tensor.ts";
import { withBytes } from "../tensor-data.ts";
import { replaceFile } from "./files.ts";
import { pathOf } from "./source.ts";

/** The file appears at `path` when it is complete. */
export async function saveTensors(path: string | URL, header: Uint8Array, tensors: readonly Tensor[]): Promise<void> {
  await replaceFile(pathOf(path), (descriptor) => {
    const write = (bytes: Uint8Array): void => {
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at);
    };
    write(header);
    for (const x of tensors) withBytes(x, write);
  });
}
