/** Where the bytes of a file come from: memory, a Blob, a response of the network, or a file of Node (node/source.ts). */
import { RuntimeError } from "../errors.ts";
import { describe } from "../shape.ts";

/** Called while bytes arrive: how many there are by now, and how many there will be, if that is known. */
export type Progress = (done: number, total: number | null) => void;

/** Bytes that can be read at any place. */
export interface ByteSource {
  /** What to call it in messages. */
  readonly name: string;
  readonly size: number;
  /** The bytes of a range, which must lie inside. They may be shared with the source: do not change them. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /**
   * Copies a range to where `target` says. Memory of tensors may move whenever other code runs: `target` is asked anew
   * after each pause, with how many bytes it has got, and answers with the place for the rest.
   */
  readInto(offset: number, length: number, target: (done: number) => Uint8Array): Promise<void>;
  close(): void;
}

/** Bytes in memory. */
export class MemorySource implements ByteSource {
  readonly name: string;
  private readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array, name = "data") {
    this.bytes = bytes;
    this.name = name;
  }
  get size(): number {
    return this.bytes.length;
  }
  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.bytes.subarray(offset, offset + length);
  }
  async readInto(offset: number, length: number, target: (done: number) => Uint8Array): Promise<void> {
    target(0).set(this.bytes.subarray(offset, offset + length));
  }
  close(): void {}
}

/** How much of a Blob is in memory at a time. */
const BLOB_PART = 16 * 2 ** 20;

/** A Blob or a File: parts are read when they are needed. */
class BlobSource implements ByteSource {
  readonly name: string;
  private readonly blob: Blob;
  constructor(blob: Blob) {
    this.blob = blob;
    this.name = (blob as { name?: string }).name ?? "Blob";
  }
  get size(): number {
    return this.blob.size;
  }
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(await this.blob.slice(offset, offset + length).arrayBuffer());
    if (bytes.length !== length) throw new RuntimeError(`${this.name}: ended early`);
    return bytes;
  }
  async readInto(offset: number, length: number, target: (done: number) => Uint8Array): Promise<void> {
    for (let done = 0; done < length; ) {
      const part = await this.read(offset + done, Math.min(BLOB_PART, length - done));
      target(done).set(part);
      done += part.length;
    }
  }
  close(): void {}
}

/** The whole body of a response. */
export async function readResponse(response: Response, progress?: Progress | null): Promise<Uint8Array> {
  const name = response.url || "response";
  if (!response.ok) throw new RuntimeError(`${name}: HTTP ${response.status} ${response.statusText}`);
  if (response.bodyUsed) throw new RuntimeError(`${name}: the body of this response was already read`);
  // With a content encoding the header counts encoded bytes, the body gives decoded ones.
  const encoded = response.headers.get("content-encoding");
  const header = response.headers.get("content-length");
  const total = header === null || (encoded !== null && encoded !== "identity") ? null : Number(header);
  if (response.body === null) return new Uint8Array(await response.arrayBuffer());
  const parts: Uint8Array[] = [];
  let done = 0;
  const reader = response.body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      done += part.value.length;
      progress?.(done, total);
    }
  } catch (error) {
    throw new RuntimeError(`${name}: the connection broke after ${done} bytes (${(error as Error).message})`);
  }
  if (total !== null && done !== total) throw new RuntimeError(`${name}: got ${done} of ${total} bytes`);
  if (parts.length === 1) return parts[0];
  const out = new Uint8Array(done);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Whether there are files, as in Node. In a browser a path is an address, relative to the page. */
export function hasFiles(): boolean {
  return typeof process !== "undefined" && typeof process.versions?.node === "string";
}

async function readAddress(address: string, progress?: Progress | null): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch (cause) {
    throw new RuntimeError(`cannot fetch ${address}: ${(cause as Error).message}`, { cause });
  }
  return readResponse(response, progress);
}

/**
 * What files can be read from: a path (in a browser relative to the page), an http(s) or file address, bytes, a Blob, or
 * a response of `fetch`.
 */
export type FileSource = string | URL | ArrayBufferLike | ArrayBufferView | Blob | Response;

/** Opens `from`. `progress` is told of bytes that come from the network. */
export async function openSource(from: FileSource, progress?: Progress | null): Promise<ByteSource> {
  if (typeof from === "string" || from instanceof URL) {
    const address = String(from);
    if (/^(data|blob):/i.test(address)) return new MemorySource(await readAddress(address, progress));
    if (/^https?:\/\//i.test(address) || !hasFiles()) {
      return new MemorySource(await readAddress(address, progress), address);
    }
    const { NodeFile } = await import("./node/source.ts");
    return new NodeFile(from);
  }
  if (ArrayBuffer.isView(from)) return new MemorySource(new Uint8Array(from.buffer, from.byteOffset, from.byteLength));
  if (from instanceof ArrayBuffer) return new MemorySource(new Uint8Array(from));
  if (typeof SharedArrayBuffer !== "undefined" && from instanceof SharedArrayBuffer) {
    return new MemorySource(new Uint8Array(from));
  }
  if (typeof Blob !== "undefined" && from instanceof Blob) return new BlobSource(from);
  if (typeof Response !== "undefined" && from instanceof Response) {
    return new MemorySource(await readResponse(from, progress), from.url || "response");
  }
  throw new TypeError(`expected a path, an address, bytes, a Blob or a Response, but got ${describe(from)}`);
}
