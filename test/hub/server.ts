/** A web server for tests that does what one tells it. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  /** The requests so far, as `GET /path`, with ` bytes=…` and ` if …` if they say so. */
  readonly requests: string[];
}

/** Serves with `handler`, which gets the number of the request, from 0. */
export async function serve(handler: Handler): Promise<TestServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { range, "if-range": condition } = request.headers;
    const line = `${request.method} ${request.url}${range ? ` ${range}` : ""}${condition ? ` if ${condition}` : ""}`;
    requests.push(line);
    handler(request, response, requests.length - 1);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

export interface FileOptions {
  /** Cut the connection after this many bytes of the body, when the client has them (see `client`). */
  readonly cutAfter?: number;
  readonly etag?: string | null;
  readonly ignoreRange?: boolean;
  /** What Content-Length says; default the truth. */
  readonly length?: number;
}

/** Answers with `bytes` as a web server does, ranges included. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  { cutAfter, etag = '"v1"', ignoreRange = false, length }: FileOptions = {},
): void {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  const condition = request.headers["if-range"];
  const start =
    range !== null && !ignoreRange && (condition === undefined || condition === etag) ? Number(range[1]) : 0;
  if (start >= bytes.length && start > 0) {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    return;
  }
  const body = bytes.subarray(start);
  const headers: Record<string, string | number> = { "content-length": length ?? body.length };
  if (etag !== null) headers.etag = etag;
  if (start > 0) headers["content-range"] = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  response.writeHead(start > 0 ? 206 : 200, headers);
  if (cutAfter === undefined) response.end(body);
  else {
    response.write(body.subarray(0, cutAfter));
    cutWhenReceived(response, start + cutAfter);
  }
}

/** What the client under test tells by its progress. */
export const client = { received: 0 };

/** What is on its way when a connection is cut may be lost, so this waits until it is there. */
async function cutWhenReceived(response: ServerResponse, count: number): Promise<void> {
  client.received = -1;
  for (let i = 0; i < 400 && client.received !== count; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  response.destroy();
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes without a pattern. */
export function someBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 12345;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
