/** Files of datasets, in Node. */
import { createHash } from "node:crypto";
import { resolve } from "node:path";

export { readIfExists, writeWhole } from "../../../serialization/node/files.ts";

/** The MD5 digest, as hexadecimal digits: only to find damaged downloads. */
export function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** The full path, for messages. */
export function fullPath(path: string): string {
  return resolve(path);
}

/** Shows the progress of a download on a terminal, or a line at its end. */
export function showProgress(file: string, received: number, total: number | null): void {
  const done = received === total;
  if (process.stderr.isTTY) {
    const percent = total === null ? "" : ` ${Math.floor((100 * received) / total)} %`;
    process.stderr.write(`\r${file}: ${(received / 1e6).toFixed(1)} MB${percent}${done ? "\n" : ""}`);
  } else if (done) process.stderr.write(`${file}: ${(received / 1e6).toFixed(1)} MB\n`);
}
