/**
 * Safetensors files, which PyTorch programs read and write with the package `safetensors`: the length of a header as a
 * 64-bit integer, the header in JSON, then the bytes of the tensors. Source: https://huggingface.co/docs/safetensors
 */
import "../ops/methods.ts";
import * as dt from "../dtype.ts";
import { KeyError, NotImplementedError, RuntimeError, ValueError } from "../errors.ts";
import { empty } from "../ops/creation.ts";
import { isOptions } from "../ops/define/schema.ts";
import { frombuffer } from "../ops/from-values.ts";
import { describe } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";

/** Tensors by name. */
export type NamedTensors = Readonly<Record<string, Tensor>>;
export type Metadata = Readonly<Record<string, string>>;

const METADATA = "__metadata__";
/** The package refuses larger headers. */
const MAX_HEADER = 100_000_000;

const typeNames: ReadonlyMap<dt.DType, string> = new Map([
  [dt.bool, "BOOL"],
  [dt.uint8, "U8"],
  [dt.int8, "I8"],
  [dt.int16, "I16"],
  [dt.int32, "I32"],
  [dt.int64, "I64"],
  [dt.float16, "F16"],
  [dt.bfloat16, "BF16"],
  [dt.float32, "F32"],
  [dt.float64, "F64"],
]);
const typesByName: ReadonlyMap<string, dt.DType> = new Map([...typeNames].map(([type, name]) => [name, type]));

interface Entry {
  readonly dtype: dt.DType;
  readonly shape: readonly number[];
  /** Where the bytes are, from the end of the header. */
  readonly start: number;
  readonly end: number;
}

/** The contents of a safetensors file for these tensors. `metadata` is text by name. */
export function save(tensors: NamedTensors, metadata: Metadata | null = null): Uint8Array<ArrayBuffer> {
  if (!isOptions(tensors))
    throw new TypeError(`Expected a dict of [str, torch.Tensor] but received ${describe(tensors)}`);
  const entries = Object.entries(tensors);
  for (const [name, x] of entries) {
    if (!is_tensor(x)) {
      throw new ValueError(`Key \`${name}\` is invalid, expected torch.Tensor but received ${describe(x)}`);
    }
    if (name === METADATA) throw new ValueError(`a tensor cannot be named ${METADATA}`);
  }
  // Wide types first keep every tensor aligned; names make the file the same whatever the order of the object.
  entries.sort(([a, x], [b, y]) => y.itemsize - x.itemsize || (a < b ? -1 : 1));
  const header: [string, unknown][] = metadata === null ? [] : [[METADATA, checkedMetadata(metadata)]];
  let end = 0;
  for (const [name, x] of entries) {
    const start = end;
    end += x.nbytes;
    header.push([name, { dtype: typeNames.get(x.dtype), shape: x.shape, data_offsets: [start, end] }]);
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = Math.ceil(text.length / 8) * 8;
  const out = new Uint8Array(8 + length + end);
  new DataView(out.buffer).setBigUint64(0, BigInt(length), true);
  out.fill(0x20, 8, 8 + length);
  out.set(text, 8);
  let at = 8 + length;
  for (const [, x] of entries) {
    const { buffer } = x.detach().typed_array();
    out.set(new Uint8Array(buffer), at);
    at += buffer.byteLength;
  }
  return out;
}

function checkedMetadata(metadata: Metadata): Metadata {
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string") throw new TypeError(`metadata '${key}' must be a string, not ${describe(value)}`);
  }
  return metadata;
}

/** A safetensors file in memory: its header is checked whole, its tensors are made when they are asked for. */
export class SafeTensors {
  private readonly entries: ReadonlyMap<string, Entry>;
  private readonly data: Uint8Array;
  private readonly text: Metadata;

  /** Throws ValueError for anything that is not a valid file; `name` is for the message. */
  constructor(bytes: Uint8Array | ArrayBuffer, name = "safetensors data") {
    const whole = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
    const fail = (problem: string): never => {
      throw new ValueError(`${name} is not a valid safetensors file: ${problem}`);
    };
    const header = readHeader(whole, fail);
    this.data = whole.subarray(header.end);
    this.text = metadataOf(header.fields[METADATA], fail);
    const entries = new Map<string, Entry>();
    for (const key of Object.keys(header.fields)) {
      if (key !== METADATA) entries.set(key, readEntry(key, header.fields[key], fail));
    }
    this.entries = entries;
    let end = 0;
    for (const [key, entry] of [...entries].sort(([, a], [, b]) => a.start - b.start || a.end - b.end)) {
      if (entry.start !== end) fail(`tensor '${key}' should start at byte ${end} of the data, not at ${entry.start}`);
      end = entry.end;
    }
    if (end !== this.data.length) fail(`the header describes ${end} bytes of data, but there are ${this.data.length}`);
  }

  keys(): string[] {
    return [...this.entries.keys()];
  }

  /** The texts that were saved along. */
  metadata(): Metadata {
    return this.text;
  }

  /** A new tensor with the values of the one named `name`. */
  get_tensor(name: string): Tensor {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new KeyError(`File does not contain tensor ${name}`);
    const { dtype, shape, start, end } = entry;
    if (start === end) return empty([...shape], { dtype });
    const bytes = this.data.subarray(start, end);
    // Bytes other than 0 and 1 would be no truth values.
    const flat = dtype === dt.bool ? frombuffer(bytes, { dtype: dt.uint8 }).to(dt.bool) : frombuffer(bytes, { dtype });
    return flat.view([...shape]);
  }

  /** All tensors. */
  tensors(): Record<string, Tensor> {
    const out = Object.create(null) as Record<string, Tensor>;
    for (const key of this.entries.keys()) out[key] = this.get_tensor(key);
    return out;
  }
}

type Fail = (problem: string) => never;

function readHeader(bytes: Uint8Array, fail: Fail): { fields: Record<string, unknown>; end: number } {
  if (bytes.length < 8) return fail(`it has only ${bytes.length} bytes`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER) return fail(`its header would have ${length} bytes`);
  const end = 8 + Number(length);
  if (end > bytes.length) return fail(`its header should end at byte ${end}, but the file has ${bytes.length}`);
  let fields: unknown;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, end)));
  } catch (error) {
    return fail(`its header is not JSON (${(error as Error).message})`);
  }
  if (!isOptions(fields)) return fail("its header is not a JSON object");
  return { fields, end };
}

function metadataOf(value: unknown, fail: Fail): Metadata {
  if (value === undefined) return {};
  if (!isOptions(value) || !Object.values(value).every((v) => typeof v === "string")) {
    return fail("its metadata is not text by name");
  }
  return value as Metadata;
}

const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;

function readEntry(key: string, value: unknown, fail: Fail): Entry {
  const { dtype: typeName, shape, data_offsets: offsets } = isOptions(value) ? value : {};
  if (!Array.isArray(shape) || !shape.every(isCount)) return fail(`tensor '${key}' has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    return fail(`tensor '${key}' has no valid data_offsets`);
  }
  const dtype = typesByName.get(typeName as string);
  if (dtype === undefined) {
    if (typeof typeName !== "string") return fail(`tensor '${key}' has no dtype`);
    throw new NotImplementedError(`tensor '${key}' has dtype ${typeName}, which Kindling does not have`);
  }
  const [start, end] = offsets as [number, number];
  const size = shape.reduce((n, s) => n * s, dtype.itemsize);
  if (size !== end - start) {
    return fail(`tensor '${key}' of ${typeName} [${shape.join(", ")}] needs ${size} bytes, but has ${end - start}`);
  }
  return { dtype, shape, start, end };
}

/** The tensors in the contents of a safetensors file. */
export function load(bytes: Uint8Array | ArrayBuffer): Record<string, Tensor> {
  return new SafeTensors(bytes).tensors();
}

/** Opens a file (or, by fetch, a web address) to read its metadata or some of its tensors. */
export async function safe_open(filename: string): Promise<SafeTensors> {
  if (/^https?:\/\//.test(filename)) {
    const response = await fetch(filename);
    if (!response.ok) throw new RuntimeError(`${filename}: HTTP ${response.status} ${response.statusText}`);
    return new SafeTensors(await response.arrayBuffer(), filename);
  }
  const { readWhole } = await import("./node/files.ts");
  return new SafeTensors(await readWhole(filename), filename);
}

/** The tensors in a file. */
export async function load_file(filename: string): Promise<Record<string, Tensor>> {
  return (await safe_open(filename)).tensors();
}

/** Writes tensors, such as a `state_dict()`, to a file. The file appears when it is complete. In a browser use `save`. */
export async function save_file(
  tensors: NamedTensors,
  filename: string,
  metadata: Metadata | null = null,
): Promise<void> {
  const bytes = save(tensors, metadata);
  await (await import("./node/files.ts")).writeWhole(filename, bytes);
}
