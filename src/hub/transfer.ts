/** One download over HTTP that survives cuts: it goes on where it stopped as long as the server has the same file. */
import { RuntimeError } from "../errors.ts";

/** Where downloaded bytes go. What an earlier attempt received may be in it already. */
export interface Destination {
  /** How many bytes are there. */
  readonly received: number;
  /** What identifies the version of the file that they are of: a strong ETag or a date; null where there is none. */
  readonly validator: string | null;
  /** Forgets what is there: a file of this version begins. */
  restart(validator: string | null): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
}

export interface TransferOptions {
  /** Whether the contents will be checked in the end, so that a file without a version may be continued, too. */
  readonly checked?: boolean;
  readonly progress?: ((received: number, total: number | null) => void) | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Attempts without a single new byte before giving up. Default 4. */
  readonly attempts?: number;
  /** Pause before the second attempt, in milliseconds; it doubles each time. Default 500. */
  readonly pause?: number;
  /** How long nothing may arrive, in milliseconds. Default 30,000. */
  readonly timeout?: number;
}

/** Status codes that may be different a moment later. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

class HttpError extends RuntimeError {
  readonly passing: boolean;
  constructor(response: Response) {
    super(`HTTP Error ${response.status}: ${response.statusText}`);
    this.passing = PASSING.has(response.status);
  }
}

/** A failure to store what arrived: trying again would not help. */
class StorageError extends Error {}

/** Downloads `url` into `destination`. Throws what stopped the last attempt. */
export async function transfer(url: string, destination: Destination, options: TransferOptions = {}): Promise<void> {
  const { attempts = 4, pause = 500 } = options;
  const contact: Contact = { made: false };
  let farthest = destination.received;
  for (let failures = 0; ; ) {
    try {
      return await attempt(url, destination, options, contact);
    } catch (error) {
      if (error instanceof StorageError) throw error.cause;
      if (error instanceof HttpError ? !error.passing : !contact.made) throw error;
      failures = destination.received > farthest ? 1 : failures + 1;
      farthest = Math.max(farthest, destination.received);
      if (failures >= attempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause * 2 ** (failures - 1)));
    }
  }
}

/** Whether the server has ever answered. If not, there is no network or no such server: nobody should wait for it. */
interface Contact {
  made: boolean;
}

async function attempt(
  url: string,
  destination: Destination,
  options: TransferOptions,
  contact: Contact,
): Promise<void> {
  const { checked = false, progress, timeout = 30_000 } = options;
  const headers: Record<string, string> = { ...options.headers };
  const { validator } = destination;
  const resumes = destination.received > 0 && (validator !== null || checked);
  if (resumes) {
    headers.Range = `bytes=${destination.received}-`;
    // A server that has another version by now answers with the whole file.
    if (validator !== null) headers["If-Range"] = validator;
  }
  const abort = new AbortController();
  const watch = new Stopwatch(timeout, () => abort.abort(new RuntimeError(`nothing arrived for ${timeout / 1000} s`)));
  try {
    const response = await fetch(url, { headers, signal: abort.signal });
    contact.made = true;
    watch.reset();
    const range = readRange(response);
    if (response.status === 416 && resumes) {
      if (range?.total === destination.received) return;
      await store(() => destination.restart(null));
      throw new RuntimeError("the server's file is shorter than what was received of it");
    }
    if (!response.ok) throw new HttpError(response);
    let total = lengthOf(response);
    if (response.status === 206) {
      if (range === null || range.start !== destination.received) {
        await store(() => destination.restart(null));
        throw new RuntimeError("the server sent another part of the file than was asked for");
      }
      total = range.total;
    } else {
      await store(() => destination.restart(versionOf(response)));
    }
    progress?.(destination.received, total);
    await receive(response, destination, watch, (received) => progress?.(received, total));
    if (total !== null && destination.received !== total) {
      const got = destination.received;
      if (got > total) await store(() => destination.restart(null));
      throw new RuntimeError(`the connection ended after ${got} of ${total} bytes`);
    }
  } catch (error) {
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    watch.stop();
    // Lets go of a body that nobody read.
    abort.abort();
  }
}

async function receive(
  response: Response,
  destination: Destination,
  watch: Stopwatch,
  arrived: (received: number) => void,
): Promise<void> {
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { value, done } = await reader.read();
    if (done) return;
    watch.reset();
    await store(() => destination.write(value));
    arrived(destination.received);
  }
}

async function store(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (cause) {
    throw new StorageError("cannot store", { cause });
  }
}

/** Calls `late` unless it is reset in time. */
class Stopwatch {
  private readonly late: () => void;
  private readonly time: number;
  private timer: ReturnType<typeof setTimeout> | undefined;
  constructor(time: number, late: () => void) {
    this.time = time;
    this.late = late;
    this.reset();
  }
  reset(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.late, this.time);
  }
  stop(): void {
    clearTimeout(this.timer);
  }
}

/** `Content-Range: bytes 10-99/100`, or of a refusal `bytes *\/100`. */
function readRange(response: Response): { start: number | null; total: number | null } | null {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  if (match === null) return null;
  return { start: match[1] === undefined ? null : Number(match[1]), total: match[2] === "*" ? null : Number(match[2]) };
}

/** The number of bytes that the body will have. With a content encoding the header counts the encoded ones. */
function lengthOf(response: Response): number | null {
  const length = response.headers.get("content-length");
  return length === null || isEncoded(response) ? null : Number(length);
}

function isEncoded(response: Response): boolean {
  return (response.headers.get("content-encoding") ?? "identity") !== "identity";
}

/** What may stand in If-Range: no weak ETag, and nothing for a body whose bytes are not the file's. */
function versionOf(response: Response): string | null {
  if (isEncoded(response)) return null;
  const etag = response.headers.get("etag");
  return etag?.startsWith('"') ? etag : response.headers.get("last-modified");
}

/** What went wrong, with the cause that `fetch` hides. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { message?: string; code?: string } | undefined;
  const detail = cause?.message || cause?.code;
  return detail ? `${error.message} (${detail})` : error.message;
}
