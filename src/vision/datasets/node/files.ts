/** Files of datasets, in Node. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/** The bytes of a file; null if there is none. */
export async function readIfExists(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
}

/** Writes a file and the folders above it. The file appears under its name only when it is complete. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(6).toString("hex")}.part`;
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

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
