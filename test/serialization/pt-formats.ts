/** Damaged and hostile checkpoints: what the fuzz driver does to PyTorch's two formats. */
import { deflateRawSync } from "node:zlib";
import * as torch from "../../src/index.ts";
import { MemorySource } from "../../src/serialization/source.ts";
import { crc32 } from "../../src/serialization/zip/crc32.ts";
import { ZipReader } from "../../src/serialization/zip/reader.ts";
import { ZipWriter } from "../../src/serialization/zip/writer.ts";
import { concat, type FuzzFormat, generalMutators, type Mutator } from "./fuzz.ts";
import { goldenBytes } from "./golden.ts";

type Records = [name: string, bytes: Uint8Array][];

const zipSeeds = [
  "dtypes.pt",
  "views.pt",
  "values.pt",
  "protocol2.pt",
  "protocol4.pt",
  "protocol5.pt",
  "state-dict.pt",
  "adam.pt",
  "plain.pt",
  "old.pt",
  "big-endian.pt",
].map(goldenBytes);
const deflatedSeeds = [goldenBytes("deflated.pt")];
const legacySeeds = [
  "dtypes.legacy.pt",
  "views.legacy.pt",
  "values.legacy.pt",
  "protocol2.legacy.pt",
  "protocol5.legacy.pt",
  "state-dict.legacy.pt",
  "storage-views.legacy.pt",
].map(goldenBytes);

const recordsOf = new Map<Uint8Array, Records>();
for (const seed of [...zipSeeds, ...deflatedSeeds]) {
  const zip = await ZipReader.open(new MemorySource(seed));
  const records: Records = [];
  for (const entry of zip.entries.values()) records.push([entry.name, (await zip.read(entry)).slice()]);
  recordsOf.set(seed, records);
}

/** An archive of these records, with sizes and checksums right. */
export function archive(records: Records): Uint8Array {
  const parts: Uint8Array[] = [];
  const zip = new ZipWriter((chunk) => parts.push(chunk.slice()), crc32);
  for (const [name, bytes] of records) zip.add(name, bytes);
  zip.finish();
  return concat(...parts);
}

/** Bytes written as text, with `\xNN` for those that are none. */
function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** An archive whose object is this pickle. */
export function checkpoint(pickle: Uint8Array | string, storage: Uint8Array = new Uint8Array(40)): Uint8Array {
  const data = typeof pickle === "string" ? latin1(pickle) : pickle;
  return archive([
    ["a/data.pkl", data],
    ["a/data/0", storage],
    ["a/version", latin1("3\n")],
  ]);
}

/** Pieces of pickles that mean harm, or something else where they do not belong. */
const SNIPPETS = [
  "cposix\nsystem\n",
  "c__builtin__\neval\n",
  "c__builtin__\ngetattr\n",
  "cbuiltins\nset\n",
  "ccollections\nOrderedDict\n",
  "ccollections\nCounter\n",
  "c_codecs\nencode\n",
  "ctorch\nSize\n",
  "ctorch\nFloatStorage\n",
  "ctorch\nfloat32\n",
  "ctorch\ndevice\n",
  "ctorch._utils\n_rebuild_tensor_v2\n",
  "ctorch._utils\n_rebuild_parameter\n",
  "ctorch._tensor\n_rebuild_from_type_v2\n",
  "cobject\n__proto__\n",
  "X\x09\x00\x00\x00__proto__",
  "X\x0b\x00\x00\x00constructor",
  "X\xff\xff\xff\x7f",
  "\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
  "\x8e\xff\xff\xff\xff\x00\x00\x00\x00",
  "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
  "\x8b\xff\xff\xff\x7f",
  "J\xff\xff\xff\xff",
  "M\xff\xff",
  "K\x00",
  "G\x7f\xf0\x00\x00\x00\x00\x00\x00",
  `I${"9".repeat(50)}\n`,
  "Vtext\\u0041\n",
  "S'a\\x00'\n",
  "I01\n",
  "N",
  "\x88",
  ")",
  "]",
  "}",
  "(",
  "((((",
  "t",
  "\x85",
  "\x86",
  "\x87",
  "e",
  "a",
  "u",
  "s",
  "R",
  "b",
  "Q",
  "P0\n",
  "\x81",
  "\x93",
  "\x94",
  "\x8f",
  "\x90",
  "l",
  "d",
  "0",
  "1",
  "2",
  ".",
  "h\x00",
  "h\x01",
  "h\x05",
  "j\xff\xff\xff\xff",
  "q\x00",
  "r\xff\xff\xff\xff",
].map(latin1);

const insertSnippet: Mutator = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const skip = random.pick([0, 0, 1, 2, 8]);
  return concat(bytes.subarray(0, at), random.pick(SNIPPETS), bytes.subarray(Math.min(bytes.length, at + skip)));
};

const pickleMutators: readonly Mutator[] = [...generalMutators, insertSnippet, insertSnippet, insertSnippet];

/** Damages a record, mostly the pickle, and writes the archive around it anew. */
const damageRecord: Mutator = (bytes, random) => {
  const records = recordsOf.get(bytes);
  if (records === undefined) return insertSnippet(bytes, random);
  const at =
    random.below(4) > 0 ? records.findIndex(([name]) => name.endsWith("data.pkl")) : random.below(records.length);
  return archive(
    records.map(([name, data], i): [string, Uint8Array] => {
      let changed = data;
      if (i === at)
        for (let n = 1 + random.below(3); n > 0; n--) changed = random.pick(pickleMutators)(changed, random);
      return [name, changed];
    }),
  );
};

/** Leaves out, doubles, swaps or renames a record. */
const shuffleRecords: Mutator = (bytes, random) => {
  const records = [...(recordsOf.get(bytes) ?? [])];
  if (records.length === 0) return bytes;
  const at = random.below(records.length);
  const other = random.below(records.length);
  const [name, data] = records[at];
  const kind = random.below(4);
  if (kind === 0) records.splice(at, 1);
  else if (kind === 1) records.push(records[at]);
  else if (kind === 2) records[at] = [name, records[other][1]];
  else records[at] = [random.pick(["__proto__", "/", "", "../x", "a/constants.pkl", "a/data/0"]), data];
  return archive(records);
};

/** A random program of the pickle machine. */
const randomProgram: Mutator = (_bytes, random) => {
  const parts = [latin1("\x80\x02")];
  for (let n = 1 + random.below(200); n > 0; n--) parts.push(random.pick(SNIPPETS));
  parts.push(latin1("."));
  return checkpoint(concat(...parts));
};

/** Files that ask for much with little, by name; `n` is how much. */
export const bombs: Readonly<Record<string, (n: number) => Uint8Array>> = {
  "nested lists": (n) => checkpoint(`\x80\x02${"]".repeat(n)}${"a".repeat(n - 1)}.`),
  "nested marks": (n) => checkpoint(`\x80\x02${"(".repeat(n)}${"t".repeat(n)}.`),
  "tuples of a tuple twice": (n) => checkpoint(`\x80\x02)${"2\x86".repeat(n)}.`),
  "a list in itself": (n) => checkpoint(`\x80\x02]q\x00(${"h\x00".repeat(n)}e.`),
  "sets of a long list": (n) =>
    checkpoint(`\x80\x02]q\x00(${"N".repeat(n)}e0c__builtin__\nset\nq\x010(${"h\x01h\x00\x85R".repeat(n)}t.`),
  "ordered dicts of a long list": (n) =>
    checkpoint(
      `\x80\x02]q\x00(${"NN\x86".repeat(n)}e0ccollections\nOrderedDict\nq\x010(${"h\x01h\x00\x85R".repeat(n)}t.`,
    ),
  "bytes of a long text": (n) =>
    checkpoint(
      `\x80\x02T${le32(n)}${"a".repeat(n)}q\x000c_codecs\nencode\nq\x010(${"h\x01h\x00U\x06latin1\x86R".repeat(n)}t.`,
    ),
  "one state for many dicts": (n) => {
    const keys = Array.from({ length: n }, (_, i) => `U\x06${String(i).padStart(6, "0")}N`).join("");
    return checkpoint(`\x80\x02}q\x00(${keys}u0ccollections\nOrderedDict\nq\x010(${"h\x01)Rh\x00b".repeat(n)}t.`);
  },
  "long names of storages": (n) =>
    checkpoint(`\x80\x02(T${le32(n)}${"a".repeat(n)}q\x00(${"U\x07storageh\x00h\x00h\x00K\x00tQ(".repeat(n)}.`),
  "a tensor of sizes without end": (n) =>
    checkpoint(tensorPickle(`(${`\x8a\x07${"\xff".repeat(6)}\x0f`.repeat(n)}t`, `(${"K\x00".repeat(n)}t`)),
  "a huge tensor": () => checkpoint(tensorPickle("J\xff\xff\xff\x7f\x85", "K\x01\x85")),
  "a tensor before its storage": () => checkpoint(tensorPickle("K\x02\x85", "J\xff\xff\xff\xff\x85")),
  "a storage larger than its record": () =>
    checkpoint(tensorPickle("K\x02\x85", "K\x01\x85", "\x8a\x05\xff\xff\xff\xff\x7f")),
  "a zip bomb": (n) => zipBomb(n * 1000, n * 1000),
  "a zip bomb that lies": (n) => zipBomb(n * 1000, 400),
  "a zip bomb that lies about the pickle": (n) => zipBomb(n * 1000, 400, "a/data.pkl"),
  "entries that overlap": (n) => overlapping(n),
};

function le32(n: number): string {
  return String.fromCharCode(n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24);
}

function tensorPickle(size: string, stride: string, numel = "K\x0a"): string {
  return `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu${numel}tQK\x00${size}${stride}\x89ccollections\nOrderedDict\n)RtR.`;
}

/** An archive with one deflated entry of `size` zeros that is said to have `declared` bytes. */
function zipBomb(size: number, declared: number, name = "a/data/0"): Uint8Array {
  const numel = declared / 4;
  const data = checkpoint(tensorPickle("K\x02\x85", "K\x01\x85", `J${le32(numel)}`));
  const compressed = deflateRawSync(new Uint8Array(size), { level: 9 });
  const entries: [string, Uint8Array, number, number][] = [
    ["a/data.pkl", pickleOf(data), 0, 0],
    ["a/data/0", new Uint8Array(declared < 1e6 ? declared : 0), 0, 0],
  ];
  const bomb: [string, Uint8Array, number, number] = [name, compressed, 8, declared];
  return rawZip(entries.map((entry) => (entry[0] === name ? bomb : entry)));
}

function pickleOf(file: Uint8Array): Uint8Array {
  const start = file.indexOf(0x80);
  const end = Buffer.from(file.buffer, file.byteOffset, file.length).indexOf("RtR.") + 4;
  return file.slice(start, end);
}

/** An archive whose directory says what it is told: name, bytes, method, declared size (0: the true one). */
function rawZip(entries: readonly [string, Uint8Array, number, number][], sameOffset = false): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, bytes, method, declared] of entries) {
    const encoded = latin1(name);
    const size = declared === 0 ? bytes.length : declared;
    const head = new DataView(new ArrayBuffer(30));
    head.setUint32(0, 0x04034b50, true);
    head.setUint16(8, method, true);
    head.setUint32(18, bytes.length, true);
    head.setUint32(22, size, true);
    head.setUint16(26, encoded.length, true);
    const central = new DataView(new ArrayBuffer(46));
    central.setUint32(0, 0x02014b50, true);
    central.setUint16(10, method, true);
    central.setUint32(20, bytes.length, true);
    central.setUint32(24, size, true);
    central.setUint16(28, encoded.length, true);
    central.setUint32(42, sameOffset ? 0 : at, true);
    directory.push(new Uint8Array(central.buffer), encoded);
    if (sameOffset && at > 0) continue;
    parts.push(new Uint8Array(head.buffer), encoded, bytes);
    at += 30 + encoded.length + bytes.length;
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, entries.length, true);
  end.setUint16(10, entries.length, true);
  end.setUint32(
    12,
    directory.reduce((n, part) => n + part.length, 0),
    true,
  );
  end.setUint32(16, at, true);
  return concat(...parts, ...directory, new Uint8Array(end.buffer));
}

/** Many names for the same bytes. */
function overlapping(n: number): Uint8Array {
  const bytes = new Uint8Array(10000);
  const count = Math.min(n, 2000);
  return rawZip(
    Array.from({ length: count }, (_, i): [string, Uint8Array, number, number] => [`a/data/${i}`, bytes, 0, 0]),
    true,
  );
}

const bomb: Mutator = (_bytes, random) => {
  const make = random.pick(Object.values(bombs));
  return make(random.pick([1, 3, 50, 300, 2000]));
};

const load = (bytes: Uint8Array): Promise<unknown> => torch.load(bytes);

export const formats: readonly FuzzFormat[] = [
  {
    name: "pt (zip)",
    seeds: zipSeeds,
    load,
    mutators: [damageRecord, damageRecord, damageRecord, shuffleRecords, randomProgram],
  },
  {
    name: "pt (deflated) and bombs",
    seeds: deflatedSeeds,
    load,
    mutators: [damageRecord, bomb],
    // What the zip reader allows compressed entries (zip/reader.ts).
    justified: (size) => 100 * size + 17 * 2 ** 20,
  },
  { name: "pt (legacy)", seeds: legacySeeds, load, mutators: [insertSnippet] },
];
