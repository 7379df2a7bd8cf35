/**
 * The header of safetensors files: its length as a 64-bit integer, then JSON, then the bytes of the tensors, without gaps.
 * Source: https://huggingface.co/docs/safetensors
 */
import * as dt from "../dtype.ts";
import { NotImplementedError, ValueError } from "../errors.ts";
import { isOptions } from "../keywords.ts";
import { numelOf } from "../shape.ts";

/** Texts by name. */
export type Metadata = Readonly<Record<string, string>>;

export const METADATA = "__metadata__";
/** The reference refuses larger headers. */
export const MAX_HEADER = 100_000_000;
const MAX_DIMENSIONS = 64;

/** Names of types, in the order in which the reference writes tensors: so each one lies at a multiple of its size. */
const typeNames: ReadonlyMap<dt.DType, string> = new Map([
  [dt.int64, "I64"],
  [dt.float64, "F64"],
  [dt.float32, "F32"],
  [dt.int32, "I32"],
  [dt.bfloat16, "BF16"],
  [dt.float16, "F16"],
  [dt.int16, "I16"],
  [dt.int8, "I8"],
  [dt.uint8, "U8"],
  [dt.bool, "BOOL"],
]);
const typesByName: ReadonlyMap<string, dt.DType> = new Map([...typeNames].map(([type, name]) => [name, type]));
const ranks: ReadonlyMap<dt.DType, number> = new Map([...typeNames.keys()].map((type, i) => [type, i]));

export interface Entry {
  readonly dtype: dt.DType;
  readonly shape: readonly number[];
  /** Where the bytes are, from the beginning of the file. */
  readonly start: number;
  readonly end: number;
}

export interface Header {
  /** By name, in the file's order. */
  readonly entries: ReadonlyMap<string, Entry>;
  readonly metadata: Metadata;
}

/** What is to be written under a name. */
interface Described {
  readonly dtype: dt.DType;
  readonly shape: readonly number[];
  readonly nbytes: number;
}

/** The beginning of a file for these tensors, and the order in which their bytes follow. */
export function formatHeader<T extends Described>(
  tensors: readonly (readonly [string, T])[],
  metadata: Metadata | null,
): { bytes: Uint8Array; order: T[]; size: number } {
  const rank = ({ dtype }: T): number => ranks.get(dtype) as number;
  const sorted = [...tensors].sort(([a, x], [b, y]) => rank(x) - rank(y) || compareUtf8(a, b));
  const fields: [string, unknown][] = metadata === null ? [] : [[METADATA, metadata]];
  let end = 0;
  for (const [name, { dtype, shape, nbytes }] of sorted) {
    const start = end;
    end += nbytes;
    fields.push([name, { dtype: typeNames.get(dtype), shape, data_offsets: [start, end] }]);
  }
  // Not JSON.stringify of an object, which would move names that are whole numbers to the front.
  const json = `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()}}`;
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER) throw new ValueError(`the header would have ${length} bytes, more than ${MAX_HEADER}`);
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return { bytes, order: sorted.map(([, x]) => x), size: 8 + length + end };
}

/** The order of texts in UTF-8, which is that of their code points. */
function compareUtf8(a: string, b: string): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    // Surrogates, of which longer code points are made, come after everything else.
    if (x !== y) return (x >= 0xd800 && x <= 0xdfff ? x + 0x10000 : x) - (y >= 0xd800 && y <= 0xdfff ? y + 0x10000 : y);
  }
  return a.length - b.length;
}

type Fail = (problem: string) => never;

/** How what is wrong with the file `name` is thrown. */
export function failure(name: string): Fail {
  return (problem) => {
    throw new ValueError(`${name} is not a valid safetensors file: ${problem}`);
  };
}

/** Where the header ends, by the first 8 bytes of a file of `size` bytes. */
export function headerEnd(start: Uint8Array, size: number, fail: Fail): number {
  if (size < 8) return fail(`it has only ${size} bytes`);
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > MAX_HEADER) return fail(`its header would have ${length} bytes`);
  const end = 8 + Number(length);
  if (end > size) return fail(`its header should end at byte ${end}, but the file has ${size}`);
  return end;
}

/** Reads the text of a header and checks that it describes a file of `size` bytes whose data begin at `dataStart`. */
export function parseHeader(text: Uint8Array, dataStart: number, size: number, fail: Fail): Header {
  const fields = parseFields(text, fail);
  const entries = new Map<string, Entry>();
  for (const key of Object.keys(fields)) {
    if (key !== METADATA) entries.set(key, readEntry(key, fields[key], dataStart, fail));
  }
  let end = dataStart;
  for (const [name, entry] of [...entries].sort(([, a], [, b]) => a.start - b.start || a.end - b.end)) {
    if (entry.start !== end) {
      fail(
        `tensor '${name.slice(0, 100)}' should start at byte ${end - dataStart} of the data, not at ${entry.start - dataStart}`,
      );
    }
    end = entry.end;
  }
  if (end !== size) {
    fail(`the header describes ${end - dataStart} bytes of data, but there are ${size - dataStart}`);
  }
  return { entries, metadata: metadataOf(fields[METADATA], fail) };
}

function parseFields(text: Uint8Array, fail: Fail): Record<string, unknown> {
  let json: string;
  let fields: unknown;
  try {
    json = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
    fields = JSON.parse(json);
  } catch (error) {
    return fail(`its header is not JSON (${(error as Error).message})`);
  }
  if (!isOptions(fields)) return fail("its header is not a JSON object");
  const twice = repeatedKey(json);
  if (twice !== null) return fail(`its header has ${twice} twice`);
  return fields;
}

/**
 * A key that an object of valid JSON has twice; looks at the outermost object and those in it. Readers differ in what
 * they make of such files, so that one could pass a check and then load as something else.
 */
function repeatedKey(json: string): string | null {
  const keys: Set<string>[] = [];
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (c === "{" || c === "[") {
      depth++;
      if (depth <= 2) keys[depth] = new Set();
    } else if (c === "}" || c === "]") depth--;
    else if (c === '"') {
      const start = i++;
      while (json[i] !== '"') i += json[i] === "\\" ? 2 : 1;
      let next = i + 1;
      while (" \t\r\n".includes(json[next])) next++;
      if (depth > 2 || json[next] !== ":") continue;
      const key = JSON.parse(json.slice(start, i + 1)) as string;
      if (keys[depth].has(key)) return JSON.stringify(key.slice(0, 100));
      keys[depth].add(key);
    }
  }
  return null;
}

function metadataOf(value: unknown, fail: Fail): Metadata {
  if (value === undefined || value === null) return {};
  if (!isOptions(value) || !Object.values(value).every((v) => typeof v === "string")) {
    return fail("its metadata is not text by name");
  }
  return value as Metadata;
}

const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;

function readEntry(name: string, value: unknown, dataStart: number, fail: Fail): Entry {
  const key = name.slice(0, 100);
  const { dtype: typeName, shape, data_offsets: offsets } = isOptions(value) ? value : {};
  if (!Array.isArray(shape) || !shape.every(isCount)) return fail(`tensor '${key}' has no valid shape`);
  if (shape.length > MAX_DIMENSIONS) return fail(`tensor '${key}' has ${shape.length} dimensions`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    return fail(`tensor '${key}' has no valid data_offsets`);
  }
  const dtype = typesByName.get(typeName as string);
  if (dtype === undefined) {
    if (typeof typeName !== "string") return fail(`tensor '${key}' has no dtype`);
    throw new NotImplementedError(`tensor '${key}' has dtype ${typeName.slice(0, 100)}, which Kindling does not have`);
  }
  const [start, end] = offsets as [number, number];
  const size = numelOf(shape) * dtype.itemsize;
  if (size !== end - start) {
    return fail(`tensor '${key}' of ${typeName} [${shape.join(", ")}] needs ${size} bytes, but has ${end - start}`);
  }
  return { dtype, shape, start: dataStart + start, end: dataStart + end };
}
