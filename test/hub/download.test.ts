import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { RuntimeError } from "../../src/errors.ts";
import { download_url_to_file } from "../../src/hub/index.ts";
import { download } from "../../src/hub/node/download.ts";
import { client, type Handler, sendFile, serve, sha256, someBytes } from "./server.ts";

const folder = await mkdtemp(join(tmpdir(), "kindling-hub-"));
after(() => rm(folder, { recursive: true }));

const bytes = someBytes(300_000);
const digest = sha256(bytes);
const fast = {
  progress: (received: number): void => {
    client.received = received;
  },
  pause: 1,
  timeout: 5000,
};
let files = 0;
const newPath = (): string => join(folder, `${files++}`, "model.pth");

/** Everything that a download left in the folder of its destination. */
const left = (path: string): Promise<string[]> => readdir(join(path, ".."));

async function rejects(promise: Promise<unknown>, ...parts: (string | RegExp)[]): Promise<void> {
  await assert.rejects(promise, (error: Error) => {
    assert.ok(error instanceof RuntimeError, String(error));
    for (const part of parts)
      assert.match(
        error.message,
        typeof part === "string" ? new RegExp(part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")) : part,
      );
    return true;
  });
}

test("a file arrives whole, under its name only when it is complete", async () => {
  await using server = await serve((q, r) => sendFile(q, r, bytes));
  const path = newPath();
  const seen: [number, number | null][] = [];
  const progress = (received: number, total: number | null): void => {
    seen.push([received, total]);
  };
  await download_url_to_file(`${server.url}/model.pth`, path, digest.slice(0, 8), progress);
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
  assert.deepEqual(await left(path), ["model.pth"]);
  assert.deepEqual(seen[0], [0, bytes.length]);
  assert.deepEqual(seen.at(-1), [bytes.length, bytes.length]);
  assert.ok(seen.every(([n], i) => i === 0 || n >= seen[i - 1][0]));
});

test("a wrong hash removes the file", async () => {
  await using server = await serve((q, r) => sendFile(q, r, bytes));
  const path = newPath();
  await rejects(
    download_url_to_file(`${server.url}/model.pth`, path, { hash_prefix: "00000000", progress: false }),
    `invalid hash value (expected "00000000", got "${digest}")`,
  );
  assert.deepEqual(await left(path), []);
  assert.equal(server.requests.length, 1);
});

test("what is there stays if the download fails", async () => {
  await using server = await serve((q, r) => sendFile(q, r, bytes));
  const path = newPath();
  await download(`${server.url}/a`, path, fast);
  await rejects(download(`${server.url}/b`, path, { ...fast, hash_prefix: "12345678" }), "invalid hash value");
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
});

test("a cut connection is continued where it stopped", async () => {
  await using server = await serve((q, r, i) => sendFile(q, r, bytes, i < 3 ? { cutAfter: 70_000 } : {}));
  const path = newPath();
  await download(`${server.url}/model.pth`, path, { ...fast, hash_prefix: digest.slice(0, 8) });
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
  assert.deepEqual(server.requests, [
    "GET /model.pth",
    'GET /model.pth bytes=70000- if "v1"',
    'GET /model.pth bytes=140000- if "v1"',
    'GET /model.pth bytes=210000- if "v1"',
  ]);
});

test("a server that ignores Range sends all again", async () => {
  await using server = await serve((q, r, i) =>
    sendFile(q, r, bytes, { ignoreRange: true, ...(i < 2 ? { cutAfter: 70_000 } : {}) }),
  );
  const path = newPath();
  await download(`${server.url}/model.pth`, path, fast);
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
  assert.equal(server.requests.length, 3);
});

test("a file that changed on the server is not mixed with its older version", async () => {
  const newer = someBytes(250_000).reverse();
  await using server = await serve((q, r, i) =>
    i === 0 ? sendFile(q, r, bytes, { cutAfter: 70_000 }) : sendFile(q, r, newer, { etag: '"v2"' }),
  );
  const path = newPath();
  await download(`${server.url}/model.pth`, path, fast);
  assert.deepEqual(new Uint8Array(await readFile(path)), newer);
});

test("without a version or a hash nothing is continued", async () => {
  const cutOnce: Handler = (q, r, i) => sendFile(q, r, bytes, { etag: null, ...(i === 0 ? { cutAfter: 70_000 } : {}) });
  await using server = await serve(cutOnce);
  const path = newPath();
  await download(`${server.url}/model.pth`, path, fast);
  assert.deepEqual(server.requests, ["GET /model.pth", "GET /model.pth"]);
  await using second = await serve(cutOnce);
  await download(`${second.url}/model.pth`, path, { ...fast, hash_prefix: digest });
  assert.deepEqual(second.requests, ["GET /model.pth", "GET /model.pth bytes=70000-"]);
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
});

test("a server that sends another range than was asked for is not believed", async () => {
  await using server = await serve((q, r, i) => {
    if (i === 0) sendFile(q, r, bytes, { cutAfter: 70_000 });
    else if (i === 1) {
      r.writeHead(206, { "content-range": `bytes 5-${bytes.length - 1}/${bytes.length}`, etag: '"v1"' });
      r.end(bytes.subarray(5));
    } else sendFile(q, r, bytes);
  });
  const path = newPath();
  await download(`${server.url}/model.pth`, path, fast);
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
});

test("a server that cuts always is given up, and the next download goes on from there", async () => {
  let cut = true;
  await using server = await serve((q, r) => {
    if (!cut) sendFile(q, r, bytes);
    else if (q.headers.range !== undefined) r.destroy();
    else sendFile(q, r, bytes, { cutAfter: 100_000 });
  });
  const path = newPath();
  await rejects(
    download(`${server.url}/model.pth`, path, fast),
    `cannot download ${server.url}/model.pth: `,
    `at ${path}`,
  );
  const [partial, ...others] = await left(path);
  assert.match(partial, /^model\.pth\.free\.[0-9a-f]{12}\.partial$/);
  assert.deepEqual(others, []);
  cut = false;
  await download(`${server.url}/model.pth`, path, { ...fast, hash_prefix: digest });
  assert.equal(server.requests.at(-1), 'GET /model.pth bytes=100000- if "v1"');
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
  assert.deepEqual(await left(path), ["model.pth"]);
});

test("a damaged part of an earlier download costs a second one, not an error", async () => {
  let cut = true;
  await using server = await serve((q, r) =>
    cut && q.headers.range !== undefined ? r.destroy() : sendFile(q, r, bytes, cut ? { cutAfter: 100_000 } : {}),
  );
  const path = newPath();
  await rejects(download(`${server.url}/model.pth`, path, fast), "cannot download");
  const [partial] = await left(path);
  await writeFile(join(path, "..", partial, "data"), new Uint8Array(100_000));
  cut = false;
  await download(`${server.url}/model.pth`, path, { ...fast, hash_prefix: digest });
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
});

test("a complete part needs no more bytes", async () => {
  // The first answer declares more than the file has, so that the download fails with all bytes received.
  await using server = await serve((q, r, i) =>
    i === 0 ? sendFile(q, r, bytes, { length: bytes.length + 1, cutAfter: bytes.length }) : sendFile(q, r, bytes),
  );
  const path = newPath();
  await download(`${server.url}/model.pth`, path, fast);
  assert.deepEqual(server.requests, ["GET /model.pth", `GET /model.pth bytes=${bytes.length}- if "v1"`]);
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
});

test("errors of the server", async () => {
  await using missing = await serve((_, r) => r.writeHead(404).end("no such file"));
  const path = newPath();
  await rejects(
    download(`${missing.url}/model.pth`, path, fast),
    `cannot download ${missing.url}/model.pth: HTTP Error 404: Not Found`,
    `To do it by hand, download ${missing.url}/model.pth and put the file, as it is, at ${path}`,
  );
  assert.equal(missing.requests.length, 1);
  assert.deepEqual(await left(path), []);

  await using broken = await serve((_, r) => r.writeHead(500).end());
  await rejects(
    download(`${broken.url}/model.pth`, path, { ...fast, attempts: 3 }),
    "HTTP Error 500: Internal Server Error",
  );
  assert.equal(broken.requests.length, 3);

  await using busy = await serve((q, r, i) => (i < 2 ? r.writeHead(503).end() : sendFile(q, r, bytes)));
  await download(`${busy.url}/model.pth`, path, fast);
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
});

test("a length that is not true is an error", async () => {
  await using server = await serve((_, r) => {
    r.writeHead(200, { "content-length": 1000 });
    r.write("abc");
    setTimeout(() => r.destroy(), 5);
  });
  await rejects(download(`${server.url}/model.pth`, newPath(), { ...fast, attempts: 2 }), "cannot download");
});

test("a server that falls silent is not waited for", async () => {
  await using server = await serve((_, r) => {
    r.writeHead(200, { "content-length": 1000 });
    r.write("abc");
  });
  const options = { ...fast, attempts: 2, timeout: 60 };
  await rejects(download(`${server.url}/model.pth`, newPath(), options), "nothing arrived for 0.06 s");
  await using mute = await serve(() => {});
  await rejects(download(`${mute.url}/model.pth`, newPath(), options), "nothing arrived for 0.06 s");
});

test("redirects are followed", async () => {
  await using server = await serve((q, r) =>
    q.url === "/old" ? r.writeHead(302, { location: "/new" }).end() : sendFile(q, r, bytes),
  );
  const path = newPath();
  await download(`${server.url}/old`, path, fast);
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
});

test("without a network the error says what to do, at once", async () => {
  const server = await serve(() => {});
  await server[Symbol.asyncDispose]();
  const path = newPath();
  const start = performance.now();
  await rejects(
    download(`${server.url}/model.pth`, path, { progress: false }),
    `cannot download ${server.url}/model.pth: fetch failed (`,
    "ECONNREFUSED",
    `put the file, as it is, at ${path}`,
  );
  assert.ok(performance.now() - start < 400);
});

test("a folder instead of a web server: file addresses", async () => {
  const path = newPath();
  const from = join(folder, "original.bin");
  await writeFile(from, bytes);
  await download(pathToFileURL(from).href, path, { ...fast, hash_prefix: digest });
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
  await rejects(download(pathToFileURL(join(folder, "none")).href, path, fast), "cannot download", "ENOENT");
});

test("two downloads of one file in one process are one", async () => {
  await using server = await serve((q, r) => sendFile(q, r, bytes));
  const path = newPath();
  await Promise.all([1, 2, 3].map(() => download(`${server.url}/model.pth`, path, fast)));
  assert.equal(server.requests.length, 1);
});

const child = (url: string, path: string): ReturnType<typeof spawn> =>
  spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      "--input-type=module",
      "--eval",
      `const { download } = await import(${JSON.stringify(new URL("../../src/hub/node/download.ts", import.meta.url).href)});
       await download(${JSON.stringify(url)}, ${JSON.stringify(path)}, { progress: false, hash_prefix: "${digest}" });`,
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );

test("processes that download the same file at once do not disturb each other", async () => {
  // Both are under way at the same time: nobody gets the second half before both have the first.
  const waiting: (() => void)[] = [];
  await using server = await serve((_, r) => {
    r.writeHead(200, { "content-length": bytes.length, etag: '"v1"' });
    r.write(bytes.subarray(0, 100_000));
    waiting.push(() => r.end(bytes.subarray(100_000)));
    if (waiting.length === 2) for (const go of waiting) go();
  });
  const path = newPath();
  const children = [child(`${server.url}/model.pth`, path), child(`${server.url}/model.pth`, path)];
  for (const [code] of await Promise.all(children.map((c) => once(c, "exit")))) assert.equal(code, 0);
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
  assert.deepEqual(await left(path), ["model.pth"]);
});

test("a download goes on after its process was killed", async () => {
  let slow = true;
  await using server = await serve((q, r) => {
    if (!slow) return sendFile(q, r, bytes);
    r.writeHead(200, { "content-length": bytes.length, etag: '"v1"' });
    r.write(bytes.subarray(0, 100_000));
  });
  const path = newPath();
  const killed = child(`${server.url}/model.pth`, path);
  for (let size = 0; size < 100_000; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const partial = (await left(path).catch(() => [])).find((name) => name.endsWith(".partial"));
    size = partial === undefined ? 0 : ((await stat(join(path, "..", partial, "data")).catch(() => null))?.size ?? 0);
  }
  killed.kill("SIGKILL");
  await once(killed, "exit");
  slow = false;
  await download(`${server.url}/model.pth`, path, { ...fast, hash_prefix: digest });
  assert.deepEqual(server.requests, ["GET /model.pth", 'GET /model.pth bytes=100000- if "v1"']);
  assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
  assert.deepEqual(await left(path), ["model.pth"]);
});
