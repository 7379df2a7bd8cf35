/** Getting files of datasets: from a folder, from a web server, from mirrors. */
import { NotImplementedError, RuntimeError } from "../../errors.ts";
import { hasFiles } from "../../serialization/source.ts";
import { gunzip } from "./idx.ts";

/** Called as a download proceeds; `total` is null where the server does not say it. */
export type Progress = (file: string, received: number, total: number | null) => void;

/** A file of a dataset: its name on the mirrors, and its MD5 digest. */
export type Resource = readonly [file: string, md5: string];

function isAddress(root: string): boolean {
  return /^https?:\/\//.test(root);
}

/** `root/name` for folders and for web addresses. */
export function joinPath(...parts: readonly string[]): string {
  return parts.map((p, i) => (i < parts.length - 1 ? p.replace(/[/\\]+$/, "") : p)).join("/");
}

/** The decompressed contents of `folder/name` or `folder/name.gz`, from disk or by HTTP; null if there is neither. */
export async function readDataFile(folder: string, name: string): Promise<Uint8Array | null> {
  for (const file of [name, `${name}.gz`]) {
    const path = joinPath(folder, file);
    const bytes = await readFrom(path);
    if (bytes !== null) return gunzip(bytes, path);
  }
  return null;
}

async function readFrom(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
  // In a browser a folder is an address relative to the page.
  if (isAddress(path) || !hasFiles()) {
    const response = await fetch(path);
    if (response.status === 404 || response.status === 403) return null;
    if (!response.ok) throw new RuntimeError(`${path}: HTTP ${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  }
  return (await import("./node/files.ts")).readIfExists(path);
}

/** Downloads a file from the first mirror that has it unharmed, and stores it decompressed in `folder`. */
export async function downloadResource(
  folder: string,
  resource: Resource,
  mirrors: readonly string[],
  progress: Progress | null,
): Promise<void> {
  const [file] = resource;
  const addresses = mirrors.map((mirror) => `${mirror}${file}`);
  const bytes = await downloadVerified(folder, resource, addresses, progress);
  await storeFile(joinPath(folder, file.replace(/\.gz$/, "")), await gunzip(bytes, file));
}

/** Writes a file and the folders above it. */
export async function storeFile(path: string, bytes: Uint8Array): Promise<void> {
  await (await import("./node/files.ts")).writeWhole(path, bytes);
}

/** The bytes of a file from the first address that has it unharmed; `folder` is where they are going to be stored. */
export async function downloadVerified(
  folder: string,
  [file, digest]: Resource,
  addresses: readonly string[],
  progress: Progress | null,
): Promise<Uint8Array<ArrayBuffer>> {
  if (isAddress(folder)) throw new RuntimeError(`cannot store a download under ${folder}: give a folder as root`);
  if (!hasFiles()) {
    throw new NotImplementedError(
      `a browser has no folder for ${file}: put it on your server and give its address as root`,
    );
  }
  const files = await import("./node/files.ts");
  const problems: string[] = [];
  for (const address of addresses) {
    try {
      const bytes = await fetchAll(address, file, progress ?? files.showProgress);
      const actual = files.md5(bytes);
      if (actual !== digest) throw new Error(`the file is damaged (MD5 ${actual} instead of ${digest})`);
      return bytes;
    } catch (error) {
      problems.push(`  ${address}: ${reason(error)}`);
    }
  }
  throw new RuntimeError(
    `Error downloading ${file}:\n${problems.join("\n")}\n` +
      `To do it by hand, download ${file} and put it (as it is, or decompressed) into ${files.fullPath(folder)}`,
  );
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

async function fetchAll(address: string, file: string, progress: Progress): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address);
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status} ${response.statusText}`);
  const length = response.headers.get("content-encoding") === null ? response.headers.get("content-length") : null;
  const total = length === null ? null : Number(length);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array<ArrayBuffer>>) {
    chunks.push(chunk);
    received += chunk.length;
    progress(file, received, total);
  }
  if (total === null) progress(file, received, received);
  else if (received !== total) throw new Error(`the connection ended after ${received} of ${total} bytes`);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
