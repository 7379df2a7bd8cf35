/** Saving is atomic: the file under the name is always a whole one. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  const path = join(folder, "own", "x.pt");
  await torch.save({ x: torch.ones(2) }, path);
  const before = readFileSync(path);
  await assert.rejects(torch.save({ x: torch.ones(2), f: () => 1 }, path), TypeError);
  assert.deepEqual(readFileSync(path), before);
  assert.deepEqual(readdirSync(join(folder, "own")), ["x.pt"]);
});

test("saves to one name at once leave one of them", async () => {
  const path = join(folder, "many", "x.pt");
  await Promise.all(Array.from({ length: 8 }, (_, i) => torch.save({ x: torch.full([1000], i), i }, path)));
  const { x, i } = await torch.load<{ x: torch.Tensor; i: number }>(path);
  assert.ok(x.eq(i).all().item());
  assert.deepEqual(readdirSync(join(folder, "many")), ["x.pt"]);
});

test("a name that cannot be written to", async () => {
  writeFileSync(join(folder, "file"), "");
  await assert.rejects(torch.save({}, join(folder, "file", "x.pt")));
  assert.equal(readFileSync(join(folder, "file"), "utf8"), "");
});
