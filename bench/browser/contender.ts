/** Kindling in headless Chromium as a contender, on a page with or without cross-origin isolation (which threads need). */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { Chromium, findChromium } from "../../test/browser/chromium.ts";
import { answers } from "../channel.ts";
import type { Contender } from "../contender.ts";
import { inBrowser } from "../table.ts";

const root = join(import.meta.dirname, "..", "..");

const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const PAGE = `<!doctype html><script type="module" src="/bench/browser/page.ts"></script>`;

interface Reply {
  readonly answer?: unknown;
  readonly error?: string;
}

/** Requests and answers, in turn: the page asks for the next request when it brings the answer to the last. */
class Exchange {
  private waiting: ((reply: Reply) => void) | null = null;
  private send: ((request: object | null) => void) | null = null;

  /** The page's next reply. */
  private reply(): Promise<Reply> {
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  async greeting(): Promise<unknown> {
    return answerOf(await this.reply());
  }

  async ask(request: object): Promise<unknown> {
    const reply = this.reply();
    this.send?.(request);
    return answerOf(await reply);
  }

  /** Takes a reply of the page; gives what to answer it. */
  next(reply: Reply): Promise<object | null> {
    return new Promise((resolve) => {
      this.send = resolve;
      this.waiting?.(reply);
    });
  }

  end(): void {
    this.send?.(null);
  }
}

function answerOf({ answer, error }: Reply): unknown {
  if (error !== undefined) throw new Error(error);
  return answer;
}

/** The sources as a browser can load them: TypeScript without its types. */
async function source(path: string): Promise<string> {
  const file = join(root, normalize(path));
  // The worker of the pool asks for its built name.
  const text = await readFile(file.replace(/\.js$/, ".ts"), "utf8");
  return stripTypeScriptTypes(text);
}

async function body(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

async function respond(request: IncomingMessage, response: ServerResponse, exchange: Exchange, isolated: boolean) {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const headers = isolated ? ISOLATION : {};
  if (pathname === "/requests") {
    const next = await exchange.next(JSON.parse(await body(request)) as Reply);
    response.writeHead(200, { ...headers, "Content-Type": "application/json" }).end(JSON.stringify(next));
  } else if (pathname === "/") {
    response.writeHead(200, { ...headers, "Content-Type": "text/html" }).end(PAGE);
  } else {
    const text = await source(pathname).catch(() => null);
    if (text === null) response.writeHead(404, headers).end();
    else response.writeHead(200, { ...headers, "Content-Type": "text/javascript" }).end(text);
  }
}

/** Null where there is no Chromium: CHROMIUM_PATH says where one is. */
export async function browser(threads: number, isolated: boolean): Promise<Contender | null> {
  const program = findChromium();
  if (program === null) return null;
  const exchange = new Exchange();
  const server = createServer((request, response) => {
    respond(request, response, exchange, isolated).catch((error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/?threads=${threads}`;
  const greeting = exchange.greeting();
  const chromium = await Chromium.open(program, address);
  const failed = chromium.ended.then((why) => {
    throw new Error(`${program} ${why}: ${chromium.log}`);
  });
  failed.catch(() => {});
  const { agent, remark } = (await Promise.race([greeting, failed])) as { agent: string; remark: string };
  const version = agent.match(/Chrom\w*\/(\d+)/)?.[1] ?? "";
  const name = inBrowser(isolated);
  return {
    name,
    description: `${name.replace("Chromium", `Chromium ${version}`)}${remark && ` (${remark})`}`,
    async prepare(row) {
      await Promise.race([exchange.ask({ do: "prepare", row: row.name }), failed]);
      return answers({ ask: (request) => Promise.race([exchange.ask(request), failed]) });
    },
    async close() {
      exchange.end();
      await chromium[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    },
  };
}
