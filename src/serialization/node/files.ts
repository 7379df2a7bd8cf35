/** Whole files, in Node. */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The bytes of a file. */
export async function readWhole(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return readFile(path);
}

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

/**
 * Writes a file and the folders above it. The file appears under its name only when it is complete and on disk; what was
 * there before stays until then.
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await replace(path, (file) => file.writeFile(bytes));
}

/** As `writeWhole`, for contents that `write` puts into the file with this descriptor, synchronously. */
export async function replaceFile(path: string, write: (descriptor: number) => void): Promise<void> {
  await replace(path, async (file) => write(file.fd));
}

async function replace(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(6).toString("hex")}.part`;
  try {
    const file = await open(temporary, "wx");
    try {
      await write(file);
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

/** Removes the files of a folder whose names `which` takes. */
export async function removeFiles(folder: string, which: (name: string) => boolean): Promise<void> {
  for (const name of await readdir(folder)) if (which(name)) await rm(join(folder, name));
}
