/** Damaged safetensors, npy, npz and IDX files load or are refused with a clean error. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formats } from "./array-formats.ts";
import { fuzz } from "./fuzz.ts";

for (const format of formats) {
  test(`damaged files: ${format.name}`, async () => {
    const { failures, loaded, refused } = await fuzz(format, { count: 400, seed: 1 });
    assert.deepEqual(failures, []);
    assert.ok(loaded > 0 && Object.keys(refused).length > 0, "some load, some are refused");
  });
}
