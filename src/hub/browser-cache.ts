/** Downloads in a browser: kept by the Cache API, under their addresses. */
import { RuntimeError } from "../errors.ts";
import { type Destination, reason, type TransferOptions, transfer } from "./transfer.ts";

/** Bytes in memory. */
class Memory implements Destination {
  private parts: Uint8Array<ArrayBuffer>[] = [];
  received = 0;
  // A page of another origin may neither read ETag nor send If-Range.
  readonly validator = null;
  async restart(): Promise<void> {
    this.parts = [];
    this.received = 0;
  }
  async write(bytes: Uint8Array): Promise<void> {
    this.parts.push(bytes as Uint8Array<ArrayBuffer>);
    this.received += bytes.length;
  }
  contents(): Blob {
    return new Blob(this.parts);
  }
}

export interface CacheOptions extends Pick<TransferOptions, "attempts" | "pause" | "timeout" | "progress"> {
  readonly hash_prefix?: string | null;
}

/** The file at `url`, from the cache `name` or downloaded and put there. */
export async function cached(url: string, name: string, options: CacheOptions = {}): Promise<Blob> {
  const { hash_prefix: prefix = null, ...times } = options;
  // Pages without a secure origin have no caches.
  const cache = typeof caches === "undefined" ? null : await caches.open(name);
  const found = await cache?.match(url);
  if (found !== undefined) return found.blob();
  const memory = new Memory();
  try {
    await transfer(url, memory, { ...times, checked: prefix !== null });
  } catch (error) {
    throw new RuntimeError(
      `cannot download ${url}: ${reason(error)}\n` +
        "If that server does not let pages of other origins read its files, put the file on a server of your own.",
      { cause: error },
    );
  }
  const blob = memory.contents();
  if (prefix !== null) {
    const digest = await sha256(blob);
    if (!digest.startsWith(prefix)) {
      throw new RuntimeError(`invalid hash value (expected "${prefix}", got "${digest}")`);
    }
  }
  try {
    await cache?.put(url, new Response(blob));
  } catch (error) {
    console.warn(`cannot keep ${url} in the cache '${name}': ${reason(error)}`);
  }
  return blob;
}

async function sha256(blob: Blob): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new RuntimeError(
      "checking a hash needs crypto.subtle, which browsers have on https pages and localhost only",
    );
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
