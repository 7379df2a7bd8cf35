/** Files, for read_file and write_file. */
import { readFile, writeFile } from "node:fs/promises";

export const read: (path: string) => Promise<Uint8Array<ArrayBuffer>> = readFile;
export const write: (path: string, bytes: Uint8Array) => Promise<void> = writeFile;
