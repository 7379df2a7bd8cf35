/** Files as sources of bytes, in Node. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FileNotFoundError, RuntimeError } from "../../errors.ts";
import type { ByteSource } from "../source.ts";

/** How much is read in one synchronous stretch: some milliseconds from the page cache. */
const PART = 16 * 2 ** 20;

/** The path that a path or a `file:` address means. */
export function pathOf(path: string | URL): string {
  return path instanceof URL || path.startsWith("file:") ? fileURLToPath(path) : path;
}

function openFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code !== "ENOENT") throw cause;
    const error = new FileNotFoundError(`[Errno 2] No such file or directory: '${path}'`, { cause });
    throw Object.assign(error, { code });
  }
}

/**
 * An open file. It is read synchronously, part by part, because the memory of tensors, which `readInto` fills directly,
 * may move whenever other code runs.
 */
export class NodeFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  private readonly descriptor: number;
  private sincePause = 0;

  constructor(path: string | URL) {
    this.name = pathOf(path);
    this.descriptor = openFile(this.name);
    const stat = fstatSync(this.descriptor);
    if (!stat.isFile()) {
      closeSync(this.descriptor);
      throw new RuntimeError(`${this.name} is ${stat.isDirectory() ? "a directory" : "not a file"}`);
    }
    this.size = stat.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.readInto(offset, length, (done) => bytes.subarray(done));
    return bytes;
  }

  async readInto(offset: number, length: number, target: (done: number) => Uint8Array): Promise<void> {
    for (let done = 0; done < length; ) {
      if (this.sincePause >= PART) {
        this.sincePause = 0;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      const want = Math.min(length - done, PART);
      const got = readSync(this.descriptor, target(done), 0, want, offset + done);
      if (got === 0) throw new RuntimeError(`${this.name}: the file became shorter while it was read`);
      done += got;
      this.sincePause += got;
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
