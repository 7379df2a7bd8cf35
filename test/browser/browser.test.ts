/**
 * The built package in a real browser: page.ts runs in Chromium, served as plain modules with an import map, and its
 * results are compared with Node's. Skipped where there is no Chromium; CHROMIUM_PATH says where one is.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { gzipSync, inflateSync } from "node:zlib";
import * as torch from "../../src/index.ts";
import * as safetensors from "../../src/serialization/safetensors.ts";
import * as vision from "../../src/vision/index.ts";
import { Chromium, findChromium } from "./chromium.ts";
import { describeValue, resnetLogits, trainLeNet, transformedPicture } from "./computations.ts";
import type { Result } from "./page.ts";
import type { ThreadReport } from "./threads.ts";

const root = join(import.meta.dirname, "..", "..");
const checkpoints = join(root, "test", "golden", "checkpoints");
/** In milliseconds; a fifth of it is usual. */
const TIME_LIMIT = 60_000;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".ts": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
};

/** Compiles src/ as `npm run build` does, into a folder of the test. Types are checked elsewhere. */
async function build(folder: string): Promise<void> {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const flags = ["-p", "tsconfig.build.json", "--outDir", folder, "--noCheck", "--declaration", "false"];
  await promisify(execFile)(process.execPath, [compiler, ...flags], { cwd: root });
}

/** The page, which runs the checks of a script: names of the package are the files that package.json's `exports` says. */
async function pageSource(script: string): Promise<string> {
  const { name, exports } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const imports: Record<string, string> = {};
  for (const [entry, target] of Object.entries<string | { default: string }>(exports)) {
    if (typeof target !== "string") imports[name + entry.slice(1)] = target.default.slice(1);
  }
  return `<!doctype html>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
  const post = (body) => fetch("/results", { method: "POST", body: JSON.stringify(body) });
  try {
    const { runChecks } = await import("${script}");
    await post(await runChecks());
  } catch (error) {
    await post([{ name: "the page", milliseconds: 0, error: String(error.stack ?? error) }]);
  }
</script>`;
}

const state = { "layer.weight": torch.arange(6).view(2, 3), "layer.bias": torch.tensor([0.5, -1]) };

/** A file of MNIST's format, with bytes. */
function idx(shape: readonly number[], value: (place: number) => number): Uint8Array {
  const length = shape.reduce((a, b) => a * b);
  return Uint8Array.from([
    0,
    0,
    8,
    shape.length,
    ...shape.flatMap((n) => [0, 0, n >> 8, n & 255]),
    ...Array.from({ length }, (_, i) => value(i)),
  ]);
}

/** The files that are made for the page, by path. */
async function madeFiles(): Promise<Map<string, string | Uint8Array>> {
  const bytes = torch.serialization.to_bytes(state);
  const hashed = `net-${createHash("sha256").update(bytes).digest("hex").slice(0, 8)}.pt`;
  const golden = JSON.parse(await readFile(join(root, "test", "vision", "images.json"), "utf8"));
  const images: Record<string, unknown> = {};
  for (const name of Object.keys(golden)) {
    const pixels = golden[name].RGB;
    if (pixels?.dtype !== "uint8") continue;
    const { file } = golden[name];
    const data = inflateSync(Buffer.from(pixels.data, "base64")).toString("base64");
    images[name] = { file, shape: pixels.shape, pixels: data };
  }
  const { "layer.weight": weight, "layer.bias": bias } = state;
  const index = {
    metadata: {},
    weight_map: { "layer.weight": "part-1.safetensors", "layer.bias": "part-2.safetensors" },
  };
  return new Map<string, string | Uint8Array>([
    ["/", await pageSource("/page.ts")],
    ["/threads", await pageSource("/threads.ts")],
    ["/favicon.ico", ""],
    ["/hashed.json", JSON.stringify({ name: hashed })],
    [`/hashed/${hashed}`, bytes],
    ["/hashed/net-00000000.pt", bytes],
    ["/cut-once.pt", bytes],
    ["/shared.pt", bytes],
    ["/model.safetensors", safetensors.save(state, { format: "pt" })],
    ["/part-1.safetensors", safetensors.save({ "layer.weight": weight })],
    ["/part-2.safetensors", safetensors.save({ "layer.bias": bias })],
    ["/model.safetensors.index.json", JSON.stringify(index)],
    ["/images.json", JSON.stringify(images)],
    ["/data/FashionMNIST/raw/t10k-images-idx3-ubyte.gz", gzipSync(idx([3, 28, 28], (i) => 1 + Math.floor(i / 784)))],
    ["/data/FashionMNIST/raw/t10k-labels-idx1-ubyte", idx([3], (i) => [7, 0, 9][i])],
    ["/rgb8.png", Buffer.from(golden["rgb8.png"].file, "base64")],
  ]);
}

/** What makes a page cross-origin isolated, and lets it start workers. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** Serves the pages, the built package and the files; `done` gets what the page posts. */
async function startServer(dist: string, isolated: boolean, done: (results: Result[]) => void) {
  const files = await madeFiles();
  const requests = new Map<string, number>();
  const read = async (path: string): Promise<string | Uint8Array> => {
    const made = files.get(path);
    if (made !== undefined) return made;
    if (path.startsWith("/dist/")) return readFile(join(dist, normalize(path.slice("/dist".length))));
    if (path.startsWith("/checkpoints/"))
      return readFile(join(checkpoints, normalize(path.slice("/checkpoints".length))));
    const folder = path.startsWith("/threads/") ? join(import.meta.dirname, "..") : import.meta.dirname;
    return stripTypeScriptTypes(await readFile(join(folder, normalize(path)), "utf8"));
  };
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = new URL(request.url ?? "/", "http://page").pathname;
    if (request.method === "POST") {
      let text = "";
      for await (const chunk of request.setEncoding("utf8")) text += chunk;
      response.end();
      done(JSON.parse(text));
      return;
    }
    if (path.startsWith("/requests/")) {
      response.end(String(requests.get(path.slice("/requests".length)) ?? 0));
      return;
    }
    const count = (requests.get(path) ?? 0) + 1;
    requests.set(path, count);
    let body: string | Uint8Array;
    try {
      body = await read(path);
    } catch {
      response.writeHead(404).end();
      return;
    }
    const bytes = Buffer.from(body as string);
    response.writeHead(200, {
      "content-type": TYPES[extname(path) || ".html"] ?? "application/octet-stream",
      "content-length": bytes.length,
      // The cache of HTTP must not hide a request.
      "cache-control": "no-store",
      ...(path === "/shared.pt" ? { "access-control-allow-origin": "*" } : {}),
      ...(isolated ? ISOLATED : {}),
    });
    if (path === "/cut-once.pt" && count === 1) {
      response.write(bytes.subarray(0, 100), () => setTimeout(() => response.destroy(), 100));
      return;
    }
    response.end(bytes);
  };
  const server = createServer((request, response) => {
    respond(request, response).catch((error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function resultsOfPage(program: string, dist: string, path = "", isolated = false): Promise<Result[]> {
  let done: (results: Result[]) => void = () => {};
  const posted = new Promise<Result[]>((resolve) => {
    done = resolve;
  });
  await using server = await startServer(dist, isolated, done);
  await using chromium = await Chromium.open(program, server.address + path);
  const failed = async (why: string): Promise<never> => {
    throw new Error(`no results from ${program}, which ${why}:\n${chromium.log}`);
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`was given ${TIME_LIMIT / 1000} s`), TIME_LIMIT);
  });
  try {
    return await Promise.race([posted, chromium.ended.then(failed), late.then(failed)]);
  } finally {
    clearTimeout(timer);
  }
}

function assertNear(actual: unknown, expected: readonly number[], tolerance: number): void {
  assert.ok(Array.isArray(actual) && actual.length === expected.length, `${actual} instead of ${expected}`);
  const size = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...expected.map((v, i) => Math.abs(v - actual[i])));
  assert.ok(worst <= tolerance * size, `off by ${worst} of ${size}`);
}

const loadHere = async (file: string): Promise<unknown> =>
  describeValue(torch, await torch.load(join(checkpoints, file)));

/** What Node says to a check that gives a value. */
const sameInNode: Readonly<Record<string, (value: unknown) => void | Promise<void>>> = {
  training: async (value) => assertNear(value, await trainLeNet(torch), 1e-4),
  resnet18: (value) => assertNear(value, resnetLogits(torch, vision), 1e-4),
  transforms: (value) => assertNear(value, transformedPicture(torch, vision), 1e-6),
  "torch.load of an address, a relative one, a Blob and a Response": async (value) =>
    assert.deepEqual(value, await loadHere("state-dict.pt")),
  safetensors: (value) => assert.deepEqual(value, describeValue(torch, state)),
  "torch.hub.load_state_dict_from_url": (value) => assert.deepEqual(value, describeValue(torch, state)),
  "a download that is cut goes on": (value) => assert.deepEqual(value, describeValue(torch, state)),
  "a download from another origin": (value) => assert.deepEqual(value, describeValue(torch, state)),
};

const program = findChromium();

test("the built package in Chromium", { skip: program === null && "no Chromium: set CHROMIUM_PATH" }, async (t) => {
  const dist = await mkdtemp(join(tmpdir(), "kindling-dist-"));
  let results: Result[];
  try {
    await build(dist);
    await t.test("threads, with and without cross-origin isolation", () => checkThreads(program as string, dist));
    results = await resultsOfPage(program as string, dist);
  } finally {
    await rm(dist, { recursive: true });
  }
  const compared = new Set<string>();
  for (const result of results) await checkResult(t, result, compared);
  assert.deepEqual(
    Object.keys(sameInNode).filter((name) => !compared.has(name)),
    [],
    "checks that did not run",
  );
});

/** The pool works where the page is isolated; without, there is one thread; results are the same to the bit. */
async function checkThreads(program: string, dist: string): Promise<void> {
  const reports: ThreadReport[] = [];
  for (const isolated of [true, false]) {
    const [{ error, value }] = await resultsOfPage(program, dist, "threads", isolated);
    assert.equal(error, null);
    reports.push(value as ThreadReport);
  }
  const [isolated, plain] = reports;
  assert.deepEqual(isolated.shared, isolated.alone);
  assert.deepEqual(plain.shared, plain.alone);
  assert.deepEqual(plain.alone, isolated.alone);
  const { chunks, own } = isolated;
  assert.deepEqual([isolated.isolated, isolated.threads, isolated.workers], [true, 3, 2]);
  assert.ok(chunks > 100 && own < 0.9 * chunks, `the page itself did ${own} of ${chunks} chunks`);
  assert.deepEqual([plain.isolated, plain.threads, plain.workers, plain.chunks], [false, 1, 0, 0]);
}

async function checkResult(t: TestContext, result: Result, compared: Set<string>): Promise<void> {
  const { name, milliseconds, error, value } = result;
  compared.add(name);
  await t.test(`${name} (${Math.round(milliseconds)} ms in the browser)`, async () => {
    assert.equal(error, null);
    const file = /^torch\.load of (\S+\.pt)$/.exec(name)?.[1];
    if (file !== undefined) assert.deepEqual(value, await loadHere(file));
    await sameInNode[name]?.(value);
  });
}
