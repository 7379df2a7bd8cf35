/** What the fuzz driver does to safetensors, npy, npz and IDX files. */
import { readFileSync } from "node:fs";
import * as torch from "../../src/index.ts";
import { load_npy, load_npz } from "../../src/serialization/numpy.ts";
import { load, load_file, save } from "../../src/serialization/safetensors.ts";
import { MemorySource } from "../../src/serialization/source.ts";
import { crc32 } from "../../src/serialization/zip/crc32.ts";
import { ZipReader } from "../../src/serialization/zip/reader.ts";
import { ZipWriter } from "../../src/serialization/zip/writer.ts";
import { read_idx } from "../../src/vision/datasets/idx.ts";
import { concat, type FuzzFormat, generalMutators, type Mutator, type Random } from "./fuzz.ts";

const golden = JSON.parse(readFileSync(new URL("../golden/arrays.json", import.meta.url), "utf8")) as {
  readonly arrays: Record<string, { readonly file: string }>;
  readonly refused: Record<string, string>;
  readonly archives: Record<string, string>;
  readonly positional: string;
  readonly safetensors: string;
};

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));

/** Damages a part of a file, after which `join` makes the rest fit again. */
function damagePart(part: Uint8Array, random: Random): Uint8Array {
  let out = part;
  for (let n = random.pick([1, 1, 2, 4]); n > 0; n--) out = random.pick(generalMutators)(out, random);
  return out;
}

const uint64 = (value: number): Uint8Array => new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);

/** Damages the header and sets its length right. */
const safetensorsHeader: Mutator = (bytes, random) => {
  const end = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = damagePart(bytes.subarray(8, end), random);
  return concat(uint64(header.length), header, bytes.subarray(end));
};

/** Replaces a part of the header's JSON by another value, so that it is JSON still. */
const safetensorsValue: Mutator = (bytes, random) => {
  const end = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const fields = JSON.parse(new TextDecoder().decode(bytes.subarray(8, end))) as Record<
    string,
    Record<string, unknown>
  >;
  const entry = fields[random.pick(Object.keys(fields))];
  const hostile = [
    -1,
    1.5,
    2 ** 53,
    1e300,
    null,
    [],
    {},
    "F32",
    "F8_E5M2",
    [1e9, 1e9],
    [2 ** 31, 2 ** 33],
    [0, 0],
    [0, 2 ** 53],
  ];
  entry[random.pick(["shape", "data_offsets", "dtype", "__proto__"])] = random.pick(hostile);
  const nested = random.below(10) === 0 ? `${"[".repeat(50_000)}${"]".repeat(50_000)}` : '"x"';
  const json = JSON.stringify(fields).replace(/\}$/, random.below(4) === 0 ? `,"more":${nested}}` : "}");
  const header = new TextEncoder().encode(json);
  return concat(uint64(header.length), header, bytes.subarray(end));
};

/** Damages the header of an array and sets its length right. */
const npyHeader: Mutator = (bytes, random) => {
  const wide = bytes[6] > 1;
  const start = wide ? 12 : 10;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = damagePart(bytes.subarray(start, end), random).subarray(0, 0xffff);
  const length = wide ? new Uint32Array([header.length]) : new Uint16Array([header.length]);
  return concat(bytes.subarray(0, 8), new Uint8Array(length.buffer), header, bytes.subarray(end));
};

const entries: [string, Uint8Array][] = [];
const stored = await ZipReader.open(new MemorySource(bytesOf(golden.archives.stored)));
for (const entry of stored.entries.values()) entries.push([entry.name, (await stored.read(entry)).slice()]);

/** An archive in which one array is damaged, with sizes and checksums right. */
const npzEntry: Mutator = (_, random) => {
  const parts: Uint8Array[] = [];
  const zip = new ZipWriter((chunk) => parts.push(chunk.slice()), crc32);
  const damaged = random.below(entries.length);
  for (const [i, [name, bytes]] of entries.entries()) {
    zip.add(name, i === damaged ? random.pick([npyHeader, ...generalMutators])(bytes, random) : bytes);
  }
  zip.finish();
  return concat(...parts);
};

/** IDX files of each type. */
function idx(type: number, shape: number[], size: number): Uint8Array {
  const header = new Uint8Array(4 + 4 * shape.length);
  header.set([0, 0, type, shape.length]);
  for (const [i, n] of shape.entries()) new DataView(header.buffer).setUint32(4 + 4 * i, n);
  const count = shape.reduce((a, b) => a * b, 1) * size;
  return concat(
    header,
    Uint8Array.from({ length: count }, (_, i) => i * 7),
  );
}

const idxShape: Mutator = (bytes, random) => {
  const out = bytes.slice();
  const at = 4 + 4 * random.below(Math.max(1, out[3]));
  const size = random.pick([0, 1, 2, 0x10000, 0x80000000, 0xffffffff]);
  if (at + 4 <= out.length) new DataView(out.buffer).setUint32(at, size);
  return out;
};

const safetensorsSeeds = [
  bytesOf(golden.safetensors),
  save({ weight: torch.randn(4, 3), bias: torch.zeros(4), n: torch.tensor(3) }, { format: "pt" }),
];

export const formats: readonly FuzzFormat[] = [
  {
    name: "safetensors",
    seeds: safetensorsSeeds,
    // Both ways in must agree.
    load: async (bytes) => {
      const whole = await outcome(async () => load(bytes));
      const parts = await outcome(() => load_file(new Blob([bytes as Uint8Array<ArrayBuffer>])));
      if ("error" in whole !== "error" in parts) throw new Error("load and load_file disagree");
      if ("error" in whole) throw whole.error;
    },
    mutators: [safetensorsHeader, safetensorsValue],
    justified: (size) => 4 * size + 65536,
  },
  {
    name: "npy",
    seeds: [
      ...Object.values(golden.arrays).map(({ file }) => bytesOf(file)),
      ...Object.values(golden.refused).map(bytesOf),
    ],
    load: (bytes) => load_npy(bytes),
    mutators: [npyHeader],
  },
  {
    name: "npz",
    seeds: [golden.archives.stored, golden.archives.deflated, golden.positional].map(bytesOf),
    load: (bytes) => load_npz(bytes),
    mutators: [npzEntry],
    // What the zip reader lets compressed entries take.
    justified: (size) => 100 * size + 16 * 2 ** 20,
  },
  {
    name: "IDX",
    seeds: [
      idx(8, [5, 3], 1),
      idx(9, [4], 1),
      idx(11, [2, 3], 2),
      idx(12, [3, 1, 2], 4),
      idx(13, [6], 4),
      idx(14, [2, 2], 8),
    ],
    load: (bytes) => read_idx(bytes),
    mutators: [idxShape],
  },
];

async function outcome<T>(action: () => Promise<T>): Promise<{ value: T } | { error: unknown }> {
  try {
    return { value: await action() };
  } catch (error) {
    return { error };
  }
}
