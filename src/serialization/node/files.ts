/** Whole files, in Node. */
import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RuntimeError } from "../../errors.ts";

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

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
}

/**
 * Writes a file and the folders above it. The file appears under its name only when it is complete and on disk; what was
 * there before stays until then.
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await makeFolder(dirname(path));
  await replace(path, (file) => file.writeFile(bytes));
}

/** As `writeWhole`, for contents that `write` puts into the file with this descriptor, synchronously; into a folder that exists. */
export async function replaceFile(path: string, write: (descriptor: number) => void): Promise<void> {
  await replace(path, async (file) => write(file.fd));
}

/** Writes all of `bytes`, which one call may not do. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at);
}

/** Where a file is to be written: behind links, and with which permissions. */
async function destination(path: string): Promise<{ target: string; mode: number; isFile: boolean }> {
  try {
    const target = await realpath(path);
    const found = await stat(target);
    if (found.isDirectory()) throw new RuntimeError(`${path} is a directory`);
    return { target, mode: found.mode & 0o777, isFile: found.isFile() };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    const parent = await stat(dirname(path)).catch(() => null);
    if (!parent?.isDirectory()) throw new RuntimeError(`Parent directory ${dirname(path)} does not exist.`);
    return { target: path, mode: 0o666, isFile: true };
  }
}

async function replace(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const { target, mode, isFile } = await destination(path);
  if (!isFile) {
    // A device or a pipe stays what it is.
    const file = await open(target, "w");
    return write(file).finally(() => file.close());
  }
  const temporary = `${target}.${randomBytes(6).toString("hex")}.part`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Removes the files of a folder whose names `which` takes. */
export async function removeFiles(folder: string, which: (name: string) => boolean): Promise<void> {
  for (const name of await readdir(folder)) if (which(name)) await rm(join(folder, name));
}
