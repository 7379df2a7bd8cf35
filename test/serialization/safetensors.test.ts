/** Safetensors files: bytes as the Python package writes them, and everything damaged refused. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { dtypes } from "../../src/dtype.ts";
import * as torch from "../../src/index.ts";
import {
  load,
  load_file,
  safe_open,
  save,
  save_file,
  save_torch_state_dict,
} from "../../src/serialization/safetensors.ts";

const build = (header: string, data: Uint8Array | number[] = []): Uint8Array => {
  const text = new TextEncoder().encode(header);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return new Uint8Array([...length, ...text, ...data]);
};

// safetensors.torch.save({"b": torch.tensor([True, False]), "a": torch.tensor([[1.5, 2.5]]), "n": torch.tensor(3)}, {"format": "pt"})
const fromPython =
  "yAAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJuIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOltdLCJkYXRhX29m" +
  "ZnNldHMiOlswLDhdfSwiYSI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMSwyXSwiZGF0YV9vZmZzZXRzIjpbOCwxNl19LCJiIjp7ImR0" +
  "eXBlIjoiQk9PTCIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzE2LDE4XX19ICAgIAMAAAAAAAAAAADAPwAAIEABAA==";

test("the Python package's bytes", async () => {
  const tensors = { b: torch.tensor([true, false]), a: torch.tensor([[1.5, 2.5]]), n: torch.tensor(3) };
  assert.equal(Buffer.from(save(tensors, { format: "pt" })).toString("base64"), fromPython);
  const file = await safe_open(Buffer.from(fromPython, "base64"));
  assert.deepEqual(file.metadata(), { format: "pt" });
  assert.deepEqual(file.keys().sort(), ["a", "b", "n"]);
  assert.deepEqual((await file.get_tensor("a")).tolist(), [[1.5, 2.5]]);
  await assert.rejects(file.get_tensor("c"), { name: "KeyError" });
});

test("all types and odd names, byte by byte as the Python package writes them", () => {
  const { safetensors } = JSON.parse(readFileSync(new URL("../golden/arrays.json", import.meta.url), "utf8")) as {
    safetensors: string;
  };
  // As in tools/golden-arrays.py.
  const numbers = torch.arange(4).view(2, 2).mul(37);
  const tensors = {
    ...Object.fromEntries(dtypes.map((dtype) => [dtype.name, numbers.to(dtype)])),
    "\u{1f600}": torch.ones(1),
    "\uffee": torch.zeros(1),
    'é"\\\n\u0001\x7f/': torch.zeros(0, 3),
    scalar: torch.tensor(2.5),
    "10": torch.ones(2),
    "9": torch.ones(3),
  };
  const metadata = { note: 'ü"\n\u0001\x7f/' };
  assert.equal(Buffer.from(save(tensors, metadata)).toString("base64"), safetensors);
  const back = load(Buffer.from(safetensors, "base64"));
  assert.deepEqual(new Set(Object.keys(back)), new Set(Object.keys(tensors)));
  for (const [name, x] of Object.entries(tensors)) {
    assert.equal(back[name].dtype, x.dtype);
    assert.deepEqual(back[name].tolist(), x.tolist());
  }
});

test("every dtype, views, empty and 0-dimensional tensors", () => {
  const numbers = torch.tensor([
    [0, 1, 2],
    [3, 100, 7],
  ]);
  for (const dtype of dtypes) {
    const x = numbers.to(dtype);
    const back = load(
      save({ x, t: x.t(), part: x.select(1, 1), none: x.narrow(0, 0, 0), one: x.select(0, 1).select(0, 1) }),
    );
    for (const [name, shape] of Object.entries({ x: [2, 3], t: [3, 2], part: [2], none: [0, 3], one: [] })) {
      assert.equal(back[name].dtype, dtype);
      assert.deepEqual(back[name].shape, shape);
    }
    assert.deepEqual(back.t.tolist(), x.t().tolist());
    assert.deepEqual(back.part.tolist(), x.select(1, 1).tolist());
    assert.equal(back.one.item(), (x.tolist() as number[][])[1][1]);
  }
  const big = 2n ** 62n + 1n;
  assert.equal(load(save({ big: torch.tensor([big]) })).big.item(), big);
  assert.deepEqual(Object.keys(load(save({}))), []);
});

test("a name like any other", () => {
  const header = '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  const back = load(build(header, [7]));
  assert.deepEqual(Object.keys(back), ["__proto__"]);
  assert.equal(Object.values(back)[0].item(), 7);
  assert.equal(Object.values(load(save(back)))[0].item(), 7);
});

test("damaged files", () => {
  const entry = (fields: string): string => `{"x":{${fields}}}`;
  const good = '"dtype":"F32","shape":[2],"data_offsets":[0,8]';
  const data = new Uint8Array(8);
  assert.equal(load(build(entry(good), data)).x.length, 2);
  const refuse = (bytes: Uint8Array, message: RegExp): void => {
    assert.throws(() => load(bytes), { name: "ValueError", message });
  };
  refuse(new Uint8Array(7), /only 7 bytes/);
  refuse(new Uint8Array(8).fill(255), /header would have 18446744073709551615 bytes/);
  refuse(Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 123), /should end at byte 17, but the file has 9/);
  refuse(build("{"), /not JSON/);
  refuse(build("[]"), /not a JSON object/);
  refuse(build("\ufeff{}"), /not JSON/);
  refuse(build(`{"x":{${good}},"\\u0078" :{${good}}}`, data), /has "x" twice/);
  refuse(build(`{"x":{${good},"shape":[2]}}`, data), /has "shape" twice/);
  refuse(build(`{"__metadata__":{"a":"1","a":"2"}}`), /has "a" twice/);
  refuse(build(entry(good.replace("[2]", `[${Array(65).fill(1)}]`)), data), /65 dimensions/);
  refuse(build('{"__metadata__":{"a":1}}'), /metadata is not text by name/);
  refuse(build(entry(good), new Uint8Array(7)), /describes 8 bytes of data, but there are 7/);
  refuse(build(entry(good), new Uint8Array(9)), /but there are 9/);
  refuse(build(entry(good.replace("[2]", "[3]")), data), /needs 12 bytes, but has 8/);
  refuse(build(entry(good.replace("[2]", "[-2]")), data), /no valid shape/);
  refuse(build(entry(good.replace("[2]", "[4294967296,4294967296]")), data), /needs .* bytes/);
  refuse(build(entry(good.replace("[0,8]", "[8,0]")), data), /no valid data_offsets/);
  refuse(build(entry(good.replace("[0,8]", "[4,12]")), new Uint8Array(12)), /should start at byte 0/);
  refuse(build(entry(good.replace('"dtype":"F32",', "")), data), /no dtype/);
  const overlapping = `{"x":{${good}},"y":{${good}}}`;
  refuse(build(overlapping, data), /should start at byte 8/);
  assert.throws(() => load(build(entry(good.replace("F32", "C64")), data)), { name: "NotImplementedError" });
});

test("bad arguments", () => {
  assert.throws(() => save({ x: [1] as never }), /Key `x` is invalid, expected torch.Tensor/);
  assert.throws(() => save({ __metadata__: torch.ones(1) }), { name: "ValueError" });
  assert.throws(() => save({}, { a: 1 as never }), TypeError);
  assert.throws(() => save({ "\ud800": torch.ones(1) }), { name: "ValueError" });
  assert.throws(() => save([torch.ones(1)] as never), /Expected a dict of \[str, torch.Tensor\] but received list/);
});

test("files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kindling-safetensors-"));
  try {
    const path = join(folder, "new", "model.safetensors");
    await assert.rejects(save_file({ w: torch.arange(3) }, path), {
      message: /^Parent directory .*new does not exist\.$/,
    });
    await mkdir(join(folder, "new"));
    await save_file({ w: torch.arange(3) }, path, { step: "12" });
    await save_file({ w: torch.arange(4) }, path, { step: "13" });
    assert.deepEqual(await readdir(join(folder, "new")), ["model.safetensors"]);
    const state = { w: torch.arange(4), t: torch.rand(3, 5).t(), none: torch.zeros(0) };
    await save_file(state, pathToFileURL(join(folder, "other.safetensors")), { step: "1" });
    assert.deepEqual(new Uint8Array(await readFile(join(folder, "other.safetensors"))), save(state, { step: "1" }));
    await rm(join(folder, "other.safetensors"));
    assert.deepEqual((await load_file(path)).w.tolist(), [0, 1, 2, 3]);
    const file = await safe_open(path);
    assert.equal(file.metadata().step, "13");
    assert.deepEqual((await file.get_tensor("w")).tolist(), [0, 1, 2, 3]);
    file.close();
    for (const address of [path, pathToFileURL(path)]) {
      assert.deepEqual((await torch.load<Record<string, torch.Tensor>>(address)).w.tolist(), [0, 1, 2, 3]);
    }
    assert.deepEqual((await load_file(pathToFileURL(path))).w.tolist(), [0, 1, 2, 3]);
    assert.deepEqual((await load_file(new Blob([await readFile(path)]))).w.tolist(), [0, 1, 2, 3]);
    assert.deepEqual((await load_file(new Response(await readFile(path)))).w.tolist(), [0, 1, 2, 3]);
    await writeFile(path, (await readFile(path)).subarray(0, -1));
    await assert.rejects(load_file(path), /model\.safetensors is not a valid safetensors file/);
    for (const open of [load_file, safe_open]) {
      await assert.rejects(open(path, { progres: null } as never), /^TypeError: .* did you mean 'progress'\?$/);
    }
    await assert.rejects(load_file(join(folder, "absent")), { code: "ENOENT" });
    await assert.rejects(save_file({ w: torch.ones(1) }, join(folder, "new")));
    assert.deepEqual(await readdir(folder), ["new"], "a failed write leaves nothing behind");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("models of several files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kindling-sharded-"));
  try {
    const path = join(folder, "model");
    const state = {
      "b.weight": torch.arange(6, { dtype: torch.float32 }),
      "a.big": torch.ones(20),
      "b.bias": torch.tensor([1.5]),
      none: torch.zeros(0),
      __index: torch.arange(3),
    };
    const index = join(path, "model.safetensors.index.json");
    await save_torch_state_dict(state, path, { max_shard_size: 40, metadata: { step: "3" } });
    assert.deepEqual((await readdir(path)).sort(), [
      "model-00001-of-00003.safetensors",
      "model-00002-of-00003.safetensors",
      "model-00003-of-00003.safetensors",
      "model.safetensors.index.json",
    ]);
    assert.deepEqual(JSON.parse(await readFile(index, "utf8")), {
      metadata: { total_size: 24 + 80 + 4 + 24 },
      weight_map: {
        __index: "model-00003-of-00003.safetensors",
        "a.big": "model-00001-of-00003.safetensors",
        "b.bias": "model-00002-of-00003.safetensors",
        "b.weight": "model-00002-of-00003.safetensors",
        none: "model-00002-of-00003.safetensors",
      },
    });
    for (const from of [index, pathToFileURL(index)]) {
      const back = await load_file(from);
      assert.deepEqual(Object.keys(back), ["__index", "a.big", "b.bias", "b.weight", "none"]);
      for (const [name, x] of Object.entries(state)) assert.deepEqual(back[name].tolist(), x.tolist());
    }
    const part = await safe_open(join(path, "model-00001-of-00003.safetensors"));
    assert.deepEqual(part.metadata(), { format: "pt", step: "3" });
    part.close();

    // Smaller now: the files of before are gone, others stay.
    await writeFile(join(path, "model-card.safetensors"), "");
    await save_torch_state_dict(state, path, { max_shard_size: "1KB" });
    assert.deepEqual((await readdir(path)).sort(), ["model-card.safetensors", "model.safetensors"]);
    assert.deepEqual((await load_file(join(path, "model.safetensors")))["b.bias"].tolist(), [1.5]);

    const refused = async (text: string, message: RegExp): Promise<void> => {
      await writeFile(index, text);
      await assert.rejects(load_file(index), { name: "ValueError", message });
    };
    await refused("{", /index\.json is not JSON/);
    await refused("[]", /no weight_map/);
    for (const file of ["../model.safetensors", "/etc/passwd", "a\\\\b", "..", "", "c:x"]) {
      await refused(`{"weight_map":{"x":"${file}"}}`, /not the name of a file beside it/);
    }
    await writeFile(index, '{"weight_map":{"x":"model.safetensors"}}');
    await assert.rejects(load_file(index), { name: "KeyError" });
    await assert.rejects(save_torch_state_dict(state, path, { max_shard_size: "5 GB" }), { name: "ValueError" });
    await assert.rejects(save_torch_state_dict(state, path, { filename_pattern: "../x{suffix}" }), {
      name: "ValueError",
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
