/** Folders of samples, in Node. */
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { FileNotFoundError } from "../../../errors.ts";
import { joinPath } from "../download.ts";

export { readFile };

/** `~` as the home of the user. */
export function expandUser(path: string): string {
  return path.replace(/^~(?=$|[/\\])/, homedir());
}

async function entriesOf(folder: string): Promise<{ name: string; isFolder: boolean }[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return Promise.all(
    entries.map(async (entry) => {
      // Links count as what they lead to; one that leads nowhere is a file, which reading will report.
      const target = entry.isSymbolicLink() ? await stat(joinPath(folder, entry.name)).catch(() => entry) : entry;
      return { name: entry.name, isFolder: target.isDirectory() };
    }),
  );
}

/** Names of the folders in a folder. */
export async function subfolders(folder: string): Promise<string[]> {
  try {
    return (await entriesOf(folder)).filter((entry) => entry.isFolder).map((entry) => entry.name);
  } catch (cause) {
    if ((cause as { code?: string }).code !== "ENOENT") throw cause;
    throw new FileNotFoundError(`[Errno 2] No such file or directory: '${folder}'`, { cause });
  }
}

/** A folder and all below it, with the names of their files. A link to a folder above is not followed. */
export async function filesBelow(
  folder: string,
  above: readonly string[] = [],
): Promise<{ folder: string; files: string[] }[]> {
  const real = await realpath(folder);
  if (above.includes(real)) return [];
  const entries = await entriesOf(folder);
  const here = { folder, files: entries.filter((entry) => !entry.isFolder).map((entry) => entry.name) };
  const below = entries
    .filter((entry) => entry.isFolder)
    .map((entry) => filesBelow(joinPath(folder, entry.name), [...above, real]));
  return [here, ...(await Promise.all(below)).flat()];
}
