/** Damaged and hostile checkpoints load or are refused with a clean error, fast and without taking memory. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as torch from "../../src/index.ts";
import { max_memory_allocated } from "../../src/storage/memory.ts";
import { fuzz, isCleanError } from "./fuzz.ts";
import { goldenBytes } from "./golden.ts";
import { archive, bombs, checkpoint, formats } from "./pt-formats.ts";

for (const format of formats) {
  test(`damaged files: ${format.name}`, async () => {
    const { failures, loaded, refused } = await fuzz(format, { count: 250, seed: 1 });
    assert.deepEqual(failures, []);
    assert.ok(loaded > 0 && Object.keys(refused).length > 0, "some load, some are refused");
  });
}

describe("files that ask for much with little", () => {
  /** Harmless for any size: what is in memory is no more than what is in the file. */
  const harmless = ["a list in itself", "nested marks", "one state for many dicts"];
  for (const [name, make] of Object.entries(bombs)) {
    test(name, async () => {
      const file = make(20_000);
      const before = max_memory_allocated();
      const start = performance.now();
      const result = torch.load(file);
      if (harmless.includes(name)) await result.catch((error) => assert.ok(isCleanError(error), error));
      else await assert.rejects(result, (error) => isCleanError(error) || assert.fail(error as Error));
      assert.ok(performance.now() - start < 1000, `took ${performance.now() - start} ms`);
      assert.ok(max_memory_allocated() - before < 2 * 2 ** 20);
    });
  }
});

test("__proto__ is a key like any other", async () => {
  const evil = await torch.load<Record<string, unknown>>(
    checkpoint(
      "\x80\x02}(X\x09\x00\x00\x00__proto__}X\x08\x00\x00\x00pollutedK\x01sX\x0b\x00\x00\x00constructorK\x02u.",
    ),
  );
  assert.deepEqual(Object.keys(evil), ["__proto__", "constructor"]);
  assert.equal(Object.getPrototypeOf(evil), null);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
  const model = new torch.nn.Linear(1, 1);
  assert.throws(() => model.load_state_dict(evil as never), {
    name: "RuntimeError",
    message: /Unexpected key.*__proto__/,
  });
});

describe("messages", () => {
  const cases: [string, () => Uint8Array, string, RegExp][] = [
    [
      "a global",
      () => checkpoint("\x80\x02cposix\nsystem\nU\x02ls\x85R."),
      "UnpicklingError",
      /posix\.system was not an/,
    ],
    ["eval", () => checkpoint("\x80\x02c__builtin__\neval\nU\x011\x85R."), "UnpicklingError", /GLOBAL eval was not/],
    ["numpy", () => checkpoint("\x80\x02cnumpy\ndtype\n."), "UnpicklingError", /numpy\.dtype.*x\.item\(\)/],
    ["an empty file", () => new Uint8Array(0), "UnpicklingError", /file is empty/],
    ["text", () => new TextEncoder().encode("<!DOCTYPE html>".repeat(50)), "RuntimeError", /Invalid magic number/],
    ["gzip", () => new Uint8Array([0x1f, 0x8b, 8, 0, 0]), "RuntimeError", /gzip/],
    ["half a file", () => goldenBytes("adam.pt").subarray(0, 6000), "RuntimeError", /incomplete or damaged/],
    ["half a legacy file", () => goldenBytes("dtypes.legacy.pt").subarray(0, 1800), "RuntimeError", /unexpected EOF/],
    ["a cut pickle", () => goldenBytes("dtypes.legacy.pt").subarray(0, 300), "UnpicklingError", /ends early/],
    ["an unknown protocol", () => checkpoint("\x80\x09N."), "UnpicklingError", /unsupported pickle protocol: 9/],
    ["another archive", () => archive([["a/x.txt", new Uint8Array(3)]]), "RuntimeError", /no data\.pkl/],
  ];
  for (const [name, make, error, message] of cases) {
    test(name, async () => {
      await assert.rejects(torch.load(make()), { name: error, message });
    });
  }
});
