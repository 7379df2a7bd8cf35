/** Saving checkpoints to files, in Node. */
import { basename } from "node:path";
import * as zlib from "node:zlib";
import { encode, writeArchive } from "../torch-file/encode.ts";
import { crc32 } from "../zip/crc32.ts";
import type { Checksum } from "../zip/writer.ts";
import { replaceFile, writeAll } from "./files.ts";
import { pathOf } from "./source.ts";

/** Node 20.15 and later have one that uses the processor's instructions. */
const checksum: Checksum = (zlib as { crc32?: Checksum }).crc32 ?? crc32;

/** Small pieces are collected up to this size, larger ones go from the memory of tensors straight to the file. */
const BUFFER = 65536;

/** Saves `value` at `path`; the file appears when it is complete. */
export async function saveFile(value: unknown, path: string | URL): Promise<void> {
  const file = pathOf(path);
  const encoded = encode(value);
  await replaceFile(file, (descriptor) => {
    const buffer = new Uint8Array(BUFFER);
    let used = 0;
    const flush = (): void => {
      writeAll(descriptor, buffer.subarray(0, used));
      used = 0;
    };
    writeArchive(
      folderFor(file),
      encoded,
      (chunk) => {
        if (used + chunk.length > BUFFER) flush();
        if (chunk.length > BUFFER) writeAll(descriptor, chunk);
        else {
          buffer.set(chunk, used);
          used += chunk.length;
        }
      },
      checksum,
    );
    flush();
  });
}

/** The folder in the archive: as in PyTorch the file's name without its ending, if it is ASCII. */
function folderFor(file: string): string {
  const name = basename(file).replace(/\.[^.]*$/, "");
  return /^[\x20-\x7e]+$/.test(name) ? name : "archive";
}
