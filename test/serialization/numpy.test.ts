/** Files that numpy wrote (tools/golden-arrays.py), and damaged ones. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Tensor } from "../../src/index.ts";
import * as torch from "../../src/index.ts";
import { load, load_npy, load_npz } from "../../src/serialization/numpy.ts";
import { parseLiteral, Tuple } from "../../src/serialization/python-literal.ts";

interface ArrayCase {
  readonly file: string;
  readonly dtype: string;
  readonly shape: number[];
  readonly values: string;
}

const golden = JSON.parse(readFileSync(new URL("../golden/arrays.json", import.meta.url), "utf8")) as {
  readonly arrays: Record<string, ArrayCase>;
  readonly refused: Record<string, string>;
  readonly archives: Record<string, string>;
  readonly archive: Record<string, ArrayCase>;
  readonly positional: string;
};

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));

function assertArray(x: Tensor, expected: ArrayCase, name: string): void {
  assert.equal(String(x.dtype), `torch.${expected.dtype}`, name);
  assert.deepEqual(x.shape, expected.shape, name);
  assert.equal(Buffer.from(x.typed_array().buffer).toString("base64"), expected.values, name);
}

test("arrays of every type, order and version, to the bit", async () => {
  for (const [name, expected] of Object.entries(golden.arrays)) {
    assertArray(await load_npy(bytesOf(expected.file)), expected, name);
  }
});

test("strides are those of torch.from_numpy", async () => {
  assert.deepEqual((await load_npy(bytesOf(golden.arrays["float32 fortran"].file))).stride(), [1, 2, 6]);
  assert.deepEqual((await load_npy(bytesOf(golden.arrays.float32.file))).stride(), [12, 4, 1]);
});

test("archives, stored and deflated", async () => {
  for (const kind of ["stored", "deflated"]) {
    const arrays = await load_npz(bytesOf(golden.archives[kind]));
    assert.deepEqual(Object.keys(arrays), Object.keys(golden.archive));
    for (const [name, expected] of Object.entries(golden.archive)) assertArray(arrays[name], expected, name);
  }
  const { zeros } = await load_npz(bytesOf(golden.archives["large and regular"]));
  assert.deepEqual([zeros.shape, zeros.sum().item()], [[100_000], 0]);
  const positional = await load_npz(bytesOf(golden.positional));
  assert.deepEqual(
    Object.entries(positional).map(([name, x]) => [name, x.tolist()]),
    [
      ["arr_0", [0, 1, 2]],
      ["arr_1", [0, 1]],
    ],
  );
});

test("from files, Blobs and whatever they are", async () => {
  const one = bytesOf(golden.arrays.one.file);
  assert.deepEqual(((await load(new Blob([one as Uint8Array<ArrayBuffer>]))) as Tensor).tolist(), [7]);
  assert.deepEqual(Object.keys(await load(bytesOf(golden.positional))), ["arr_0", "arr_1"]);
  const folder = await mkdtemp(join(tmpdir(), "kindling-numpy-"));
  try {
    await writeFile(join(folder, "x.npy"), one);
    assert.deepEqual((await load_npy(join(folder, "x.npy"))).tolist(), [7]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what a tensor cannot hold", async () => {
  for (const [name, file] of Object.entries(golden.refused)) {
    await assert.rejects(load_npy(bytesOf(file)), (error: Error) => {
      assert.ok(error instanceof torch.NotImplementedError, `${name}: ${error}`);
      return true;
    });
  }
  await assert.rejects(load_npy(bytesOf(golden.refused.object)), /Python objects, as a pickle that could run code/);
  await assert.rejects(load_npy(bytesOf(golden.refused.structured)), /array of records/);
  await assert.rejects(load_npy(bytesOf(golden.refused.uint16)), /elements of type '<u2'/);
});

function npy(header: string, data: number[] = [], version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length = version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return new Uint8Array([0x93, ...new TextEncoder().encode("NUMPY"), version, 0, ...length, ...text, ...data]);
}

test("damaged files", async () => {
  const header = (shape: string, descr = "'<f4'", order = "False"): string =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;
  assert.deepEqual(
    (await load_npy(npy(header("(1,)"), [0, 0, 128, 63, 9, 9]))).tolist(),
    [1],
    "what follows is not read",
  );
  assert.deepEqual((await load_npy(npy(header("(1L,)"), [0, 0, 128, 63]))).tolist(), [1], "written by Python 2");
  const refuse = async (bytes: Uint8Array, message: RegExp): Promise<void> => {
    await assert.rejects(load_npy(bytes), { name: "ValueError", message });
  };
  await refuse(new Uint8Array(0), /does not begin with numpy's mark/);
  await refuse(npy(header("(2,)"), [0, 0, 128, 63]), /shape \(2\) needs 8 bytes; there are 4/);
  await refuse(npy(header("(4294967296, 4294967296)")), /needs .* bytes/);
  await refuse(npy(header("(0, 9007199254740991, 9007199254740991)")).subarray(0, 30), /ends within its header/);
  await refuse(npy(header("(-1,)")), /not a tuple of sizes/);
  await refuse(npy(header("[1]")), /not a tuple of sizes/);
  await refuse(npy(header("(True,)")), /not a tuple of sizes/);
  await refuse(npy(header("()", "'<f4'", "0")), /neither True nor False/);
  await refuse(npy("{'descr': '<f4'}"), /not a dict of descr/);
  await refuse(npy("__import__('os').system('true')"), /no Python literal at character 0/);
  await refuse(npy(`${"(".repeat(5000)}`), /no Python literal/);
  await refuse(npy(" ".repeat(20_000)), /header would have 20000 bytes/);
  await assert.rejects(load_npy(npy(header("()"), [], 4)), { name: "NotImplementedError" });
  const archive = bytesOf(golden.archives.stored);
  archive[archive.length >> 2] ^= 1;
  await assert.rejects(load_npz(archive), /checksum is wrong|not a valid/);
});

test("Python's literals", () => {
  const value = parseLiteral(
    ` { 'a' : ( 1 , -2L, ) , "b": [ 'x\\'\\x41\\u00e9' , (3), () ], 'c': None, "__proto__": True }\n`,
  );
  assert.deepEqual(
    value,
    new Map<string, unknown>([
      ["a", new Tuple([1, -2])],
      ["b", ["x'Aé", 3, new Tuple([])]],
      ["c", null],
      ["__proto__", true],
    ]),
  );
  for (const text of ["", "{", "(1 2)", "[1,,2]", "{'a' 1}", "{1: 2}", "1 2", "'a", "1.5", "{'a': 1 'b': 2}"]) {
    assert.throws(() => parseLiteral(text), { name: "ValueError" }, text);
  }
});

test("a misspelled keyword", async () => {
  for (const read of [load, load_npy, load_npz]) {
    await assert.rejects(
      read(new Uint8Array(1), { progres: null } as never),
      /^TypeError: .* did you mean 'progress'\?$/,
    );
  }
});
