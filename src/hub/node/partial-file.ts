/**
 * A file while it is downloaded, in Node. It lies in a folder of its own beside its destination:
 *
 *   resnet18-f37072fd.pth.<owner>.<random>.partial/    data, version.json
 *
 * `owner` is the process that writes it, or `free` after a failure. Another download takes a free or abandoned folder
 * over by renaming it, which the system does as a whole: of two that try, one succeeds. So no locks are needed, and
 * several processes may download the same file at once.
 */
import { createHash, type Hash, randomBytes } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Destination } from "../transfer.ts";

const FREE = "free";
/** After this time without a change, a download of another machine counts as abandoned. */
const ABANDONED = 10 * 60_000;

const thisHost = hostname().replace(/[^\w-]/g, "_");
const me = `${process.pid}@${thisHost}`;

/** What is kept beside the data. */
interface Version {
  readonly url: string;
  readonly validator: string | null;
}

export class PartialFile implements Destination {
  private readonly path: string;
  private readonly url: string;
  private folder: string;
  private file: FileHandle;
  private hash: Hash;
  private size: number;
  private version: string | null;
  /** Whether a part came from an earlier download. */
  readonly continued: boolean;

  private constructor(path: string, url: string, folder: string, file: FileHandle, found: Found) {
    this.path = path;
    this.url = url;
    this.folder = folder;
    this.file = file;
    this.hash = found.hash;
    this.size = found.size;
    this.version = found.validator;
    this.continued = found.size > 0;
  }

  /** Takes over what an earlier download of `url` to `path` left, if there is something; else begins a new file. */
  static async open(path: string, url: string, resume = true): Promise<PartialFile> {
    await mkdir(dirname(path), { recursive: true });
    const folder = folderOf(path, me);
    for (const candidate of resume ? await abandoned(path) : []) {
      const found = await takeOver(candidate, folder, url);
      if (found !== null) return new PartialFile(path, url, folder, await open(join(folder, "data"), "a"), found);
    }
    await mkdir(folder);
    return new PartialFile(path, url, folder, await open(join(folder, "data"), "a"), nothing());
  }

  get received(): number {
    return this.size;
  }

  get validator(): string | null {
    return this.version;
  }

  async restart(validator: string | null): Promise<void> {
    await this.file.truncate(0);
    this.size = 0;
    this.hash = createHash("sha256");
    this.version = validator;
    await writeFile(join(this.folder, "version.json"), JSON.stringify({ url: this.url, validator } satisfies Version));
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) at += (await this.file.write(bytes, at)).bytesWritten;
    this.hash.update(bytes);
    this.size += bytes.length;
  }

  /** The SHA-256 digest of what is there, in hexadecimal digits. */
  digest(): string {
    return this.hash.copy().digest("hex");
  }

  /** The file is complete: it appears under its own name. */
  async finish(): Promise<void> {
    await this.file.sync();
    await this.file.close();
    try {
      await rename(join(this.folder, "data"), this.path);
    } catch (error) {
      // Another process was faster: it took this folder over, or has the file open where open files are locked.
      if (!existsSync(this.path)) throw error;
    }
    await rm(this.folder, { recursive: true, force: true });
    for (const other of await abandoned(this.path)) await rm(other, { recursive: true, force: true });
  }

  /** Leaves what is there for a later download. */
  async release(): Promise<void> {
    await this.file.close();
    if (this.size === 0) await rm(this.folder, { recursive: true, force: true });
    else await rename(this.folder, folderOf(this.path, FREE)).catch(() => {});
  }

  /** Removes what is there. */
  async discard(): Promise<void> {
    await this.file.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

interface Found {
  readonly size: number;
  readonly validator: string | null;
  readonly hash: Hash;
}

function nothing(): Found {
  return { size: 0, validator: null, hash: createHash("sha256") };
}

function folderOf(path: string, owner: string): string {
  return `${path}.${owner}.${randomBytes(6).toString("hex")}.partial`;
}

/** The folders that earlier downloads to `path` left and that nobody writes to. */
async function abandoned(path: string): Promise<string[]> {
  const start = `${basename(path)}.`;
  const found: string[] = [];
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(start)) continue;
    const match = /^(free|(\d+)@([\w-]+))\.[0-9a-f]{12}\.partial$/.exec(name.slice(start.length));
    if (match === null) continue;
    const folder = join(dirname(path), name);
    const [, owner, pid, host] = match;
    const left = owner === FREE || (host === thisHost && !isRunning(Number(pid))) || (await isOld(folder));
    if (left) found.push(folder);
  }
  return found;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

async function isOld(folder: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(join(folder, "data"))).mtimeMs > ABANDONED;
  } catch {
    return false;
  }
}

/** Renames a folder to `folder` and reads what is in it; null where another process was faster or it is no use. */
async function takeOver(candidate: string, folder: string, url: string): Promise<Found | null> {
  try {
    await rename(candidate, folder);
  } catch {
    return null;
  }
  try {
    const version = JSON.parse(await readFile(join(folder, "version.json"), "utf8")) as Partial<Version>;
    if (version.url === url) {
      const hash = createHash("sha256");
      let size = 0;
      for await (const chunk of createReadStream(join(folder, "data")) as AsyncIterable<Uint8Array>) {
        hash.update(chunk);
        size += chunk.length;
      }
      return { size, validator: version.validator ?? null, hash };
    }
  } catch {
    // Damaged, so of no use.
  }
  await rm(folder, { recursive: true, force: true });
  return null;
}
