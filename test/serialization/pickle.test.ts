/** The pickle machine and its writer by themselves: opcodes, integers, text, zip with 64-bit sizes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UnpicklingError } from "../../src/errors.ts";
import { UnexpectedEnd } from "../../src/serialization/pickle/input.ts";
import { decodeLong, encodeLong } from "../../src/serialization/pickle/integers.ts";
import { markOf } from "../../src/serialization/pickle/marks.ts";
import { Pickler } from "../../src/serialization/pickle/pickler.ts";
import { decodeUtf8, encodeUtf8 } from "../../src/serialization/pickle/text.ts";
import { toJavaScript } from "../../src/serialization/pickle/to-javascript.ts";
import { Unpickler } from "../../src/serialization/pickle/unpickler.ts";
import { MemorySource } from "../../src/serialization/source.ts";
import { findGlobal } from "../../src/serialization/torch-file/globals.ts";
import { crc32 } from "../../src/serialization/zip/crc32.ts";
import { ZipReader } from "../../src/serialization/zip/reader.ts";
import { archiveSize, ZipWriter } from "../../src/serialization/zip/writer.ts";

function load(pickle: string): unknown {
  const bytes = Uint8Array.from(pickle, (c) => c.charCodeAt(0));
  const persistentLoad = (): never => {
    throw new UnpicklingError("no storages here");
  };
  return toJavaScript(new Unpickler(bytes, { findGlobal, persistentLoad }).load(), (value) => value);
}

function dump(value: unknown): Uint8Array {
  return new Pickler(() => false).dump(value);
}

function roundTrip(value: unknown): unknown {
  return load(String.fromCharCode(...dump(value)));
}

describe("what Python's pickle writes", () => {
  // pickle.dumps(value, protocol) of CPython.
  const value = { a: [1, 2.5, null, true], b: "é" };
  const cases: Record<string, string> = {
    "protocol 0": "(dp0\nVa\np1\n(lp2\nI1\naF2.5\naNaI01\nasVb\np3\nV\xe9\np4\ns.",
    "protocol 1":
      "}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01G@\x04\x00\x00\x00\x00\x00\x00NI01\neX\x01\x00\x00\x00bq\x03X\x02\x00\x00\x00\xc3\xa9q\x04u.",
    "protocol 2":
      "\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88eX\x01\x00\x00\x00bq\x03X\x02\x00\x00\x00\xc3\xa9q\x04u.",
    "protocol 4":
      "\x80\x04\x95\x22\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88e\x8c\x01b\x94\x8c\x02\xc3\xa9\x94u.",
  };
  for (const [name, pickle] of Object.entries(cases)) {
    test(name, () => assert.deepEqual({ ...(load(pickle) as object) }, value));
  }
  test("text with escapes and numbers as text", () => {
    assert.equal(load("V\\u0041\\U0001f600\n."), "A😀");
    assert.equal(load("S'a\\x41\\n'\n."), "aA\n");
    assert.equal(load("L123456789012345678901234L\n."), 123456789012345678901234n);
    assert.deepEqual(load("(F1e3\nF-inf\nFnan\nI-7\nl."), [1000, -Infinity, Number.NaN, -7]);
    assert.deepEqual(load("U\x02\xff\xfe."), new Uint8Array([255, 254]));
  });
  test("the stack's own instructions", () => {
    assert.deepEqual(load("(K\x01K\x020K\x032t."), [1, 3, 3]);
    assert.deepEqual(load("K\x05(K\x01K\x021."), 5);
    assert.deepEqual(load("]q\x000h\x00."), []);
  });
});

describe("what is damaged is refused", () => {
  const cases: [string, string][] = [
    ["nothing", ""],
    ["no end", "K\x01"],
    ["nothing on the stack", "."],
    ["a cut number", "J\x01\x00"],
    ["text longer than the file", "X\xff\xff\xff\xffa."],
    ["no memo", "h\x07."],
    ["a mark without values", "t."],
    ["append to a dict", "}K\x01a."],
    ["items of a list", "](K\x01K\x02u."],
    ["odd items", "}(K\x01u."],
    ["an unknown instruction", "\xee."],
    ["an instance", "(ios\nsystem\n."],
    ["reduce of text", "U\x01a)R."],
    ["no tuple of arguments", "ccollections\nOrderedDict\n]R."],
    ["state of a list", "]}b."],
    ["text that is none", "X\x01\x00\x00\x00\xff."],
    ["an int of many digits", `I${"9".repeat(5000)}\n.`],
    ["two values at the end", "K\x01K\x02."],
  ];
  for (const [name, pickle] of cases) {
    test(name, () => assert.throws(() => load(pickle), UnpicklingError));
  }
  test("a cut pickle can be told from a damaged one", () =>
    assert.throws(() => load("X\x05\x00\x00\x00ab"), UnexpectedEnd));
});

test("ints of any size", () => {
  const values = [0n, 1n, -1n, 127n, 128n, -128n, -129n, 255n, 256n, 32767n, 32768n, -32768n, -32769n];
  for (let bits = 30n; bits < 200n; bits += 7n)
    values.push(2n ** bits, -(2n ** bits), 2n ** bits - 1n, -(2n ** bits) - 1n);
  for (const value of values) {
    const bytes = encodeLong(value);
    assert.equal(BigInt(decodeLong(bytes)), value);
    // The shortest form: the top byte is needed for the magnitude or the sign.
    const [top, next] = [bytes[bytes.length - 1], bytes[bytes.length - 2]];
    if (bytes.length > 1) assert.ok(!((top === 0 && next < 128) || (top === 255 && next >= 128)), String(value));
    const back = roundTrip(value);
    assert.equal(BigInt(back as bigint), value);
    assert.equal(typeof back, Number.isSafeInteger(Number(value)) ? "number" : "bigint");
  }
});

test("text with lone surrogates", () => {
  for (const text of ["", "a", "é", "😀", "\ud800", "\udfff", "a\ud800b", "\udc00\ud800", "x\u0000y", "\ufeffa"]) {
    assert.equal(decodeUtf8(encodeUtf8(text)), text);
    assert.equal(decodeUtf8(encodeUtf8(text + "-".repeat(40))), text + "-".repeat(40));
  }
  for (const bytes of [[0xff], [0xc3], [0xed, 0xa0], [0xc0, 0x80], [0xed, 0xa0, 0x80, 0xff]]) {
    assert.equal(decodeUtf8(new Uint8Array(bytes)), null);
  }
});

test("dicts: objects, Maps, and what stays of Python's types", () => {
  const marked = load("}(X\x01\x00\x00\x000K\x01X\x01\x00\x00\x001K\x02u.") as object;
  assert.deepEqual(Object.keys(marked), ["0", "1"]);
  assert.equal(markOf(marked)?.textKeys, true);
  assert.deepEqual(
    Buffer.from(dump(marked)),
    Buffer.from(
      dump(
        new Map([
          ["0", 1],
          ["1", 2],
        ]),
      ),
    ),
  );
  assert.ok(load("}(J\xff\xff\xff\xffK\x01K\x02K\x03u.") instanceof Map);
  assert.deepEqual(Object.entries(load("}(K\x07K\x01K\x02K\x03u.") as object), [
    ["2", 3],
    ["7", 1],
  ]);
  const again = roundTrip(new Map<unknown, unknown>([[[1, 2], "a"]])) as Map<unknown[], string>;
  assert.deepEqual([...again], [[[1, 2], "a"]]);
  const group = roundTrip([{ params: [0], betas: [0.5, 0.75], names: ["a"] }]) as { params: object; betas: object }[];
  assert.equal(markOf(group[0].betas)?.name, "tuple");
  assert.equal(markOf(group[0].params), undefined);
});

describe("zip", () => {
  test("the checksum", () => {
    assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) & 255);
    assert.equal(crc32(bytes.subarray(333), crc32(bytes.subarray(0, 333))), crc32(bytes));
  });
  test("what is written is read, and its size was known", async () => {
    const entries: [string, Uint8Array][] = [
      ["a/é", new Uint8Array(0)],
      ["a/b", Uint8Array.from({ length: 1000 }, (_, i) => i & 255)],
      ["a/c", new Uint8Array([1])],
    ];
    const parts: Uint8Array[] = [];
    const zip = new ZipWriter((part) => parts.push(part.slice()), crc32);
    for (const [name, bytes] of entries) zip.add(name, bytes);
    zip.finish();
    const file = new Uint8Array(Buffer.concat(parts));
    assert.equal(file.length, archiveSize(entries.map(([name, { length }]) => [name, length])));
    const reader = await ZipReader.open(new MemorySource(file));
    assert.deepEqual(
      [...reader.entries.keys()],
      entries.map(([name]) => name),
    );
    for (const [name, bytes] of entries) {
      const entry = reader.entries.get(name);
      assert.ok(entry !== undefined && entry.crc === crc32(bytes));
      assert.deepEqual(new Uint8Array(await reader.read(entry)), bytes);
    }
  });
  test("sizes beyond 4 GB: a file that is mostly a hole", async () => {
    // The local header and data at the start, the directory behind 5 GB; only what is read exists.
    const name = new TextEncoder().encode("a/data.pkl");
    const far = 5 * 2 ** 30;
    const local = new DataView(new ArrayBuffer(30));
    local.setUint32(0, 0x04034b50, true);
    local.setUint16(26, name.length, true);
    const central = new DataView(new ArrayBuffer(46 + name.length + 28));
    central.setUint32(0, 0x02014b50, true);
    for (const at of [20, 24, 42]) central.setUint32(at, 0xffffffff, true);
    central.setUint16(28, name.length, true);
    central.setUint16(30, 28, true);
    new Uint8Array(central.buffer).set(name, 46);
    const extra = 46 + name.length;
    central.setUint16(extra, 1, true);
    central.setUint16(extra + 2, 24, true);
    central.setBigUint64(extra + 4, 3n, true);
    central.setBigUint64(extra + 12, 3n, true);
    central.setBigUint64(extra + 20, BigInt(far), true);
    const directory = far + 30 + name.length + 3;
    const end = new DataView(new ArrayBuffer(56 + 20 + 22));
    end.setUint32(0, 0x06064b50, true);
    end.setBigUint64(32, 1n, true);
    end.setBigUint64(40, BigInt(central.byteLength), true);
    end.setBigUint64(48, BigInt(directory), true);
    end.setUint32(56, 0x07064b50, true);
    end.setBigUint64(64, BigInt(directory + central.byteLength), true);
    end.setUint32(76, 0x06054b50, true);
    for (const at of [84, 86]) end.setUint16(at, 0xffff, true);
    for (const at of [88, 92]) end.setUint32(at, 0xffffffff, true);
    const tail = Buffer.concat([
      new Uint8Array(local.buffer),
      name,
      new Uint8Array([7, 8, 9]),
      new Uint8Array(central.buffer),
      new Uint8Array(end.buffer),
    ]);
    const size = far + tail.length;
    const reader = await ZipReader.open({
      name: "hole",
      size,
      read: async (offset, length) => new Uint8Array(tail.subarray(offset - far, offset - far + length)),
      readInto: async () => assert.fail(),
      close() {},
    });
    const entry = reader.entries.get("a/data.pkl");
    assert.ok(entry !== undefined);
    assert.equal(entry.headerOffset, far);
    assert.deepEqual(await reader.read(entry), new Uint8Array([7, 8, 9]));
  });
});
