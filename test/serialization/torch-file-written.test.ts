/** What `torch.save` writes is what PyTorch has read and verified (tools/verify-checkpoints.py). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as torch from "../../src/index.ts";
import { MemorySource } from "../../src/serialization/source.ts";
import { ZipReader } from "../../src/serialization/zip/reader.ts";
import { network } from "./golden.ts";
import { written } from "./written.ts";

const verified = JSON.parse(
  readFileSync(join(import.meta.dirname, "..", "golden", "checkpoints-verified.json"), "utf8"),
) as { sha256: Record<string, string> };

describe("PyTorch has verified these bytes", () => {
  for (const [name, make] of Object.entries(written)) {
    test(name, () => {
      const hash = createHash("sha256").update(torch.serialization.to_bytes(make())).digest("hex");
      assert.equal(hash, verified.sha256[name], "the bytes changed: verify them anew with tools/verify-checkpoints.py");
    });
  }
});

describe("targets", () => {
  const value = { x: torch.arange(5), y: [1, "a"] };
  const bytes = torch.serialization.to_bytes(value);
  const check = async (saved: Uint8Array): Promise<void> => {
    const { x, y } = await torch.load<{ x: torch.Tensor; y: unknown }>(saved);
    assert.deepEqual(
      [x.tolist(), y],
      [
        [0, 1, 2, 3, 4],
        [1, "a"],
      ],
    );
  };
  test("a path, with the file's name inside", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kindling-"));
    try {
      const path = join(folder, "my model.v2.pt");
      await torch.save(value, path);
      const saved = new Uint8Array(readFileSync(path));
      await check(saved);
      const zip = await ZipReader.open(new MemorySource(saved));
      assert.ok(zip.entries.has("my model.v2/data.pkl"), [...zip.entries.keys()].join());
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  test("an object with write", async () => {
    const parts: Uint8Array[] = [];
    await torch.save(value, { write: (part) => parts.push(part) });
    assert.deepEqual(Buffer.concat(parts), Buffer.from(bytes));
  });
  test("a stream", async () => {
    const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
    const [saved] = await Promise.all([new Response(readable).arrayBuffer(), torch.save(value, writable)]);
    await check(new Uint8Array(saved));
  });
  test("what is no target", async () => {
    await assert.rejects(torch.save(value, 5 as never), TypeError);
    await assert.rejects(torch.save(value, undefined as never), TypeError);
  });
});

describe("what cannot be saved says where it is", () => {
  class Thing {}
  const cases: [string, unknown, RegExp][] = [
    ["a function", { a: [() => 1] }, /cannot pickle .* \(at \.a\[0\]\)/],
    ["undefined", { a: undefined }, /\(at \.a\)/],
    ["an object of a class", [new Thing()], /'Thing' object \(at \[0\]\)/],
    ["a module", { net: network() }, /Sequential itself.*state_dict\(\) \(at \.net\)/],
    ["an optimizer", new torch.optim.SGD(network().parameters(), { lr: 1 }), /SGD itself.*state_dict\(\)/],
    ["a Float32Array", new Float32Array(2), /Float32Array: use torch\.tensor/],
    ["a symbol", Symbol("a"), /cannot pickle/],
  ];
  for (const [name, value, message] of cases) {
    test(name, () => assert.throws(() => torch.serialization.to_bytes(value), { name: "TypeError", message }));
  }
  test("endless nesting", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 2000; i++) deep = [deep];
    assert.throws(() => torch.serialization.to_bytes(deep), { name: "RuntimeError", message: /recursion/ });
  });
  test("one storage with two dtypes", () => {
    const x = torch.zeros(4);
    const y = new torch.Tensor(x.storage, torch.int32, [4], [1], 0);
    assert.throws(() => torch.serialization.to_bytes([x, y]), {
      name: "RuntimeError",
      message: "Cannot save multiple tensors or storages that view the same data as different types",
    });
  });
});

test("containers that contain themselves", async () => {
  const list: unknown[] = [1];
  list.push(list, { list });
  const back = await torch.load<unknown[]>(torch.serialization.to_bytes(list));
  assert.equal(back[1], back);
  assert.equal((back[2] as { list: unknown }).list, back);
});
