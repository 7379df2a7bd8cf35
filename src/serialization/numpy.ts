/**
 * Files of numpy's arrays: npy, one array, and npz, a zip archive of them.
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import "../ops/methods.ts";
import * as dt from "../dtype.ts";
import { NotImplementedError, ValueError } from "../errors.ts";
import { checkKeywords } from "../keywords.ts";
import { numelOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { parseLiteral, Tuple } from "./python-literal.ts";
import { type ByteSource, type FileSource, MemorySource, openSource, type Progress } from "./source.ts";
import { swapBytes, tensorFrom } from "./tensor-data.ts";
import { crc32 } from "./zip/crc32.ts";
import { looksLikeZip, ZipReader } from "./zip/reader.ts";

export interface LoadOptions {
  /** Called with the bytes that have arrived from the network and, if known, their number in the end. */
  readonly progress?: Progress | null;
}

const MAGIC = "\x93NUMPY";
/** numpy refuses longer headers of files that nobody vouches for. */
const MAX_HEADER = 10_000;
const MAX_DIMENSIONS = 64;

const types: ReadonlyMap<string, dt.DType> = new Map([
  ["b1", dt.bool],
  ["u1", dt.uint8],
  ["i1", dt.int8],
  ["i2", dt.int16],
  ["i4", dt.int32],
  ["i8", dt.int64],
  ["f2", dt.float16],
  ["f4", dt.float32],
  ["f8", dt.float64],
]);

/**
 * The array in an npy file, as `torch.from_numpy(numpy.load(file))` gives it, strides included. The file is a path (in
 * Node), an address, bytes, a Blob or a Response. Throws ValueError for damaged files.
 */
export async function load_npy(file: FileSource, options: LoadOptions = {}): Promise<Tensor> {
  return using("load_npy", file, options, readArray);
}

/** The arrays in an npz file by name. */
export async function load_npz(file: FileSource, options: LoadOptions = {}): Promise<Record<string, Tensor>> {
  return using("load_npz", file, options, readArchive);
}

/** What is in a file of either kind: a tensor, or tensors by name. */
export async function load(file: FileSource, options: LoadOptions = {}): Promise<Tensor | Record<string, Tensor>> {
  return using<Tensor | Record<string, Tensor>>("load", file, options, async (source) =>
    looksLikeZip(await source.read(0, Math.min(4, source.size))) ? readArchive(source) : readArray(source),
  );
}

async function using<T>(
  caller: string,
  file: FileSource,
  options: LoadOptions,
  read: (source: ByteSource) => Promise<T>,
): Promise<T> {
  checkKeywords(caller, options, ["progress"]);
  const source = await openSource(file, options.progress);
  try {
    return await read(source);
  } finally {
    source.close();
  }
}

async function readArchive(source: ByteSource): Promise<Record<string, Tensor>> {
  const archive = await ZipReader.open(source);
  const out = Object.create(null) as Record<string, Tensor>;
  for (const [file, entry] of archive.entries) {
    const bytes = await archive.read(entry);
    const name = `${source.name}, entry '${file.slice(0, 100)}'`;
    if (crc32(bytes) !== entry.crc) throw new ValueError(`${name}: its checksum is wrong: the file is damaged`);
    out[file.replace(/\.npy$/, "")] = await readArray(new MemorySource(bytes, name));
  }
  return out;
}

/** What the header of an array says. */
interface Header {
  readonly dtype: dt.DType;
  readonly shape: readonly number[];
  readonly fortran: boolean;
  readonly bigEndian: boolean;
  /** Where the values begin. */
  readonly start: number;
}

async function readArray(source: ByteSource): Promise<Tensor> {
  const { dtype, shape, fortran, bigEndian, start } = await readHeader(source);
  const nbytes = numelOf(shape) * dtype.itemsize;
  if (!(start + nbytes <= source.size)) {
    throw damaged(
      source,
      `an array of shape (${shape.join(", ")}) needs ${nbytes} bytes; there are ${source.size - start}`,
    );
  }
  const fill = async (target: (done: number) => Uint8Array): Promise<void> => {
    await source.readInto(start, nbytes, target);
    if (bigEndian) swapBytes(target(0), dtype.itemsize);
  };
  // In Fortran's order the first dimension varies fastest: the values of the transpose.
  const x = await tensorFrom(fill, dtype, fortran ? [...shape].reverse() : shape);
  return fortran && shape.length > 1 ? x.permute(shape.map((_, d) => shape.length - 1 - d)) : x;
}

function damaged(source: ByteSource, problem: string): ValueError {
  return new ValueError(`${source.name} is not a valid npy file: ${problem}`);
}

async function readHeader(source: ByteSource): Promise<Header> {
  const prefix = await source.read(0, Math.min(12, source.size));
  if (prefix.length < 10 || String.fromCharCode(...prefix.subarray(0, 6)) !== MAGIC) {
    throw damaged(source, "it does not begin with numpy's mark");
  }
  const version = prefix[6];
  if (version < 1 || version > 3 || prefix[7] !== 0) {
    throw new NotImplementedError(`${source.name}: npy version ${version}.${prefix[7]}; known are 1.0, 2.0 and 3.0`);
  }
  const at = version === 1 ? 10 : 12;
  if (prefix.length < at) throw damaged(source, "it ends within its header");
  const view = new DataView(prefix.buffer, prefix.byteOffset);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER) throw damaged(source, `its header would have ${length} bytes; numpy takes ${MAX_HEADER}`);
  const start = at + length;
  if (start > source.size) throw damaged(source, "it ends within its header");
  const text = new TextDecoder(version === 3 ? "utf-8" : "latin1").decode(await source.read(at, length));
  return { ...interpret(source, text), start };
}

function interpret(source: ByteSource, text: string): Omit<Header, "start"> {
  const fields = parseLiteral(text);
  if (!(fields instanceof Map) || [...fields.keys()].sort().join() !== "descr,fortran_order,shape") {
    throw damaged(source, "its header is not a dict of descr, fortran_order and shape");
  }
  const fortran = fields.get("fortran_order");
  if (typeof fortran !== "boolean") throw damaged(source, "fortran_order is neither True nor False");
  const shape = fields.get("shape");
  const sizes = shape instanceof Tuple ? shape.items : null;
  if (sizes === null || !sizes.every((n): n is number => Number.isSafeInteger(n) && (n as number) >= 0)) {
    throw damaged(source, "its shape is not a tuple of sizes");
  }
  if (sizes.length > MAX_DIMENSIONS) throw damaged(source, `it has ${sizes.length} dimensions`);
  const descr = fields.get("descr");
  const match = typeof descr === "string" ? /^([<>|=]?)([a-zA-Z]\d*)$/.exec(descr) : null;
  const dtype = match === null ? undefined : types.get(match[2]);
  if (match === null || dtype === undefined) throw unsupported(source, descr);
  return { dtype, shape: sizes, fortran, bigEndian: match[1] === ">" };
}

function unsupported(source: ByteSource, descr: unknown): Error {
  if (typeof descr !== "string") {
    return new NotImplementedError(
      `${source.name} is an array of records; a tensor has one type: save the fields apart`,
    );
  }
  if (/^\|?O/.test(descr)) {
    return new NotImplementedError(
      `${source.name} has Python objects, as a pickle that could run code: it is not loaded`,
    );
  }
  return new NotImplementedError(
    `${source.name} has elements of type '${descr.slice(0, 100)}', which Kindling does not have`,
  );
}
