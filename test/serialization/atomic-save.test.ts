/** Saving is atomic: the file under the name is always a whole one. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as torch from "../../src/index.ts";
import { Random } from "./fuzz.ts";
import { killWhileSaving } from "./kill.ts";

const folder = mkdtempSync(join(tmpdir(), "kindling-atomic-"));
after(() => rmSync(folder, { recursive: true }));

test("a process that is killed while it saves leaves a whole file", async () => {
  // Two at a time: most of the time goes into starting the processes.
  const lane = async (seed: number): Promise<void> => {
    const random = new Random(seed);
    for (let round = 0; round < 3; round++) {
      assert.ok((await killWhileSaving(join(folder, `killed${seed}.pt`), random)) >= 1);
    }
  };
  await Promise.all([lane(5), lane(6)]);
});

test("a save that fails keeps the old file and leaves no other", async () => {
  mkdirSync(join(folder, "own"));
  const path = join(folder, "own", "x.pt");
  await torch.save({ x: torch.ones(2) }, path);
  const before = readFileSync(path);
  await assert.rejects(torch.save({ x: torch.ones(2), f: () => 1 }, path), TypeError);
  assert.deepEqual(readFileSync(path), before);
  assert.deepEqual(readdirSync(join(folder, "own")), ["x.pt"]);
});

test("saves to one name at once leave one of them", async () => {
  mkdirSync(join(folder, "many"));
  const path = join(folder, "many", "x.pt");
  await Promise.all(Array.from({ length: 8 }, (_, i) => torch.save({ x: torch.full([1000], i), i }, path)));
  const { x, i } = await torch.load<{ x: torch.Tensor; i: number }>(path);
  assert.ok(x.eq(i).all().item());
  assert.deepEqual(readdirSync(join(folder, "many")), ["x.pt"]);
});

test("a name that cannot be written to", async () => {
  writeFileSync(join(folder, "file"), "");
  const missing = (path: string) => ({ name: "RuntimeError", message: `Parent directory ${path} does not exist.` });
  await assert.rejects(torch.save({}, join(folder, "file", "x.pt")), missing(join(folder, "file")));
  assert.equal(readFileSync(join(folder, "file"), "utf8"), "");
  await assert.rejects(torch.save({}, join(folder, "a", "b", "x.pt")), missing(join(folder, "a", "b")));
  assert.ok(!existsSync(join(folder, "a")));
  const before = readdirSync(folder);
  await assert.rejects(torch.save({}, folder), { name: "RuntimeError", message: `${folder} is a directory` });
  assert.deepEqual(readdirSync(folder), before);
});

test("a link stays one, and permissions stay", { skip: process.platform === "win32" }, async () => {
  const place = join(folder, "links");
  mkdirSync(place);
  writeFileSync(join(place, "real.pt"), "", { mode: 0o600 });
  symlinkSync("real.pt", join(place, "latest.pt"));
  await torch.save({ epoch: 3 }, join(place, "latest.pt"));
  assert.ok(lstatSync(join(place, "latest.pt")).isSymbolicLink());
  assert.deepEqual({ ...(await torch.load<object>(join(place, "real.pt"))) }, { epoch: 3 });
  assert.equal(statSync(join(place, "real.pt")).mode & 0o777, 0o600);
});

test("a pipe stays one, and gets the file", { skip: process.platform === "win32" }, async () => {
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  const [bytes] = await Promise.all([readFile(pipe), torch.save({ epoch: 3 }, pipe)]);
  assert.deepEqual({ ...(await torch.load<object>(bytes)) }, { epoch: 3 });
  assert.ok(statSync(pipe).isFIFO());
});
