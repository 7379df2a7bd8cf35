/** Downloads to files, in Node. */
import { createReadStream, existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { RuntimeError } from "../../errors.ts";
import type { ProgressOption } from "../index.ts";
import { ProgressBar } from "../progress-bar.ts";
import { reason, type TransferOptions, transfer } from "../transfer.ts";
import { PartialFile } from "./partial-file.ts";

/** Downloads that are under way in this process, by address and destination: who asks for the same one waits for it. */
const running = new Map<string, Promise<void>>();

export interface DownloadOptions extends Pick<TransferOptions, "attempts" | "pause" | "timeout"> {
  /** The first digits of the SHA-256 digest that the file must have. */
  readonly hash_prefix?: string | null;
  readonly progress?: ProgressOption;
}

export function exists(path: string): boolean {
  return existsSync(path);
}

/** Downloads `url` to the file `path`, which appears when it is complete and right. */
export function download(url: string, path: string, options: DownloadOptions): Promise<void> {
  const full = resolve(path);
  const key = JSON.stringify([url, full, options.hash_prefix ?? null]);
  const before = running.get(key);
  if (before !== undefined) return before;
  const promise = downloadAlone(url, full, options).finally(() => running.delete(key));
  running.set(key, promise);
  return promise;
}

async function downloadAlone(url: string, path: string, options: DownloadOptions): Promise<void> {
  const { hash_prefix: prefix = null, progress = true, ...times } = options;
  const bar = progress === true ? new ProgressBar() : null;
  const show = typeof progress === "function" ? progress : (bar?.update.bind(bar) ?? null);
  let resume = true;
  for (;;) {
    const file = await PartialFile.open(path, url, resume);
    try {
      const headers = { "User-Agent": "kindling", "Accept-Encoding": "identity" };
      if (/^file:/i.test(url)) await copy(url, file, show);
      else await transfer(url, file, { ...times, checked: prefix !== null, progress: show, headers });
    } catch (error) {
      bar?.stop();
      await file.release();
      throw failure(url, path, error);
    }
    bar?.stop();
    const digest = file.digest();
    if (prefix === null || digest.startsWith(prefix)) return file.finish();
    await file.discard();
    // What an earlier process left may have been damaged: one try with all of it new.
    if (!file.continued) throw new RuntimeError(`invalid hash value (expected "${prefix}", got "${digest}")`);
    resume = false;
  }
}

async function copy(url: string, file: PartialFile, progress: TransferOptions["progress"]): Promise<void> {
  const from = fileURLToPath(url);
  const { size } = await stat(from);
  await file.restart(null);
  for await (const chunk of createReadStream(from) as AsyncIterable<Uint8Array>) {
    await file.write(chunk);
    progress?.(file.received, size);
  }
}

function failure(url: string, path: string, error: unknown): RuntimeError {
  const proxy = process.env.HTTPS_PROXY ?? process.env.https_proxy ?? process.env.HTTP_PROXY ?? process.env.http_proxy;
  const hint =
    proxy !== undefined && process.env.NODE_USE_ENV_PROXY !== "1"
      ? "\nA proxy is set in the environment. Node uses it only if NODE_USE_ENV_PROXY=1 is set, too (from Node 22.21 and 24 on)."
      : "";
  return new RuntimeError(
    `cannot download ${url}: ${reason(error)}${hint}\n` +
      `To do it by hand, download ${url} and put the file, as it is, at ${path}`,
    { cause: error },
  );
}
