import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RuntimeError, ValueError } from "../../src/errors.ts";
import { cached } from "../../src/hub/browser-cache.ts";
import { ProgressBar, progressText } from "../../src/hub/progress-bar.ts";
import * as torch from "../../src/index.ts";
import { to_bytes } from "../../src/serialization/save.ts";
import { crc32 } from "../../src/serialization/zip/crc32.ts";
import { ZipWriter } from "../../src/serialization/zip/writer.ts";
import { client, sendFile, serve, sha256, someBytes } from "./server.ts";

const folder = await mkdtemp(join(tmpdir(), "kindling-hub-"));
after(() => rm(folder, { recursive: true }));
torch.hub.set_dir(folder);

const state = { weight: torch.arange(6).view(2, 3), bias: torch.tensor([0.5, -1]) };
const bytes = to_bytes(state);
const name = `net-${sha256(bytes).slice(0, 8)}.pth`;

function assertState(loaded: unknown): void {
  const { weight, bias } = loaded as typeof state;
  assert.deepEqual(weight.tolist(), state.weight.tolist());
  assert.equal(weight.dtype, torch.int64);
  assert.deepEqual(bias.tolist(), state.bias.tolist());
}

test("a checkpoint is downloaded once", async () => {
  await using server = await serve((q, r) => sendFile(q, r, bytes));
  const url = `${server.url}/models/${name}?token=1#top`;
  const seen: number[] = [];
  const progress = (received: number): void => {
    seen.push(received);
  };
  assertState(await torch.hub.load_state_dict_from_url(url, { progress, check_hash: true }));
  assert.equal(seen.at(-1), bytes.length);
  assert.deepEqual(await readdir(join(folder, "checkpoints")), [name]);
  assertState(await torch.hub.load_state_dict_from_url(url, { progress: false, map_location: "cpu" }));
  assert.equal(server.requests.length, 1);
  const model_dir = join(folder, "deep", "er");
  assertState(await torch.hub.load_state_dict_from_url(url, { progress: false, model_dir, file_name: "mine.pt" }));
  assertState(await torch.hub.load_state_dict_from_url(url, model_dir, { progress: false }));
  assert.deepEqual((await readdir(model_dir)).sort(), ["mine.pt", name]);
});

test("a file put there by hand is used without a network", async () => {
  await writeFile(join(folder, "checkpoints", "by-hand.pth"), bytes);
  assertState(await torch.hub.load_state_dict_from_url("https://nowhere.invalid/by-hand.pth"));
});

test("a wrong hash", async () => {
  await using server = await serve((q, r) => sendFile(q, r, someBytes(1000)));
  const url = `${server.url}/${name}`;
  const model_dir = join(folder, "wrong");
  const load = torch.hub.load_state_dict_from_url(url, { progress: false, check_hash: true, model_dir });
  await assert.rejects(
    load,
    (e: Error) =>
      e instanceof RuntimeError &&
      e.message.startsWith(`invalid hash value (expected "${sha256(bytes).slice(0, 8)}", got "`),
  );
  assert.deepEqual(await readdir(model_dir), []);
});

test("wrong calls", async () => {
  await assert.rejects(torch.hub.load_state_dict_from_url("https://nowhere.invalid/"), ValueError);
  await assert.rejects(
    torch.hub.load_state_dict_from_url("https://nowhere.invalid/x.pth", { check_hsh: true } as object),
    /unexpected keyword argument 'check_hsh'/,
  );
  await assert.rejects(torch.hub.load("pytorch/vision", "resnet18"), /would run Python code/);
});

test("a checkpoint that is alone in a zip archive", async () => {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const archive = new ZipWriter((chunk) => chunks.push(chunk.slice()), crc32);
  archive.add("inner.pth", bytes);
  archive.finish();
  await writeFile(join(folder, "checkpoints", "old.zip"), Buffer.concat(chunks));
  assertState(await torch.hub.load_state_dict_from_url("https://nowhere.invalid/old.zip"));
});

test("in a browser the Cache API keeps the file", async () => {
  const stored = new Map<string, Response>();
  const names: string[] = [];
  const fake = {
    match: async (url: string) => stored.get(url)?.clone(),
    put: async (url: string, response: Response) => void stored.set(url, response),
  };
  Object.defineProperty(globalThis, "caches", {
    configurable: true,
    value: {
      open: async (cacheName: string) => {
        names.push(cacheName);
        return fake;
      },
    },
  });
  try {
    await using server = await serve((q, r, i) => sendFile(q, r, bytes, i === 0 ? { cutAfter: 500 } : {}));
    const url = `${server.url}/${name}`;
    const options = {
      hash_prefix: sha256(bytes),
      pause: 1,
      progress: (received: number) => {
        client.received = received;
      },
    };
    assertState(await torch.load(await cached(url, "torch/hub/checkpoints", options)));
    assertState(await torch.load(await cached(url, "torch/hub/checkpoints", options)));
    assert.deepEqual(server.requests, [`GET /${name}`, `GET /${name} bytes=500-`]);
    assert.deepEqual([...stored.keys()], [url]);
    assert.deepEqual(names, ["torch/hub/checkpoints", "torch/hub/checkpoints"]);
    await assert.rejects(cached(`${url}2`, "c", { ...options, hash_prefix: "0" }), /invalid hash value/);
    assert.equal(stored.size, 1, "a file with a wrong hash is not kept");
  } finally {
    Reflect.deleteProperty(globalThis, "caches");
  }
});

test("the progress bar", () => {
  assert.equal(
    progressText(18_900_000, 44_700_000, 12_340_000),
    " 42% █████████████░░░░░░░░░░░░░░░░░  18.9 MB of 44.7 MB  12.3 MB/s  0:02 left",
  );
  assert.equal(progressText(1000, 1000, 5), `100% ${"█".repeat(30)}  1.0 kB of 1.0 kB  5 B/s`);
  assert.equal(progressText(999, null, 0), "999 B  0 B/s");
  const written: string[] = [];
  const terminal = new ProgressBar({ isTTY: true, write: (text) => written.push(text) });
  terminal.update(0, 100);
  terminal.update(50, 100);
  assert.equal(written.length, 1, "not drawn again within the same moment");
  terminal.stop();
  terminal.stop();
  const drawn = written.map((text) => text.replace("\r\x1b[K", "<clear>"));
  assert.match(drawn.join("|"), /^<clear> {2}0% .*\|<clear> 50% .*\n$/);
  const log: string[] = [];
  const file = new ProgressBar({ write: (text) => log.push(text) });
  file.update(10, 10);
  assert.deepEqual(log, []);
  file.stop();
  assert.match(log.join(), /^100% [^\r]*\n$/);
});

test("a downloaded file is what the server has", async () => {
  await using server = await serve((q, r) => sendFile(q, r, bytes));
  const path = join(folder, "copy.pth");
  await torch.hub.download_url_to_file(`${server.url}/x`, path, { progress: false });
  assert.deepEqual(new Uint8Array(await readFile(path)), new Uint8Array(bytes));
});
