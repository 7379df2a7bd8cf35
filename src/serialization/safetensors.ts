/**
 * Safetensors files, which PyTorch programs read and write with the package `safetensors`, whose function names these are.
 * Models of several files, with an index beside them, are in sharded.ts. Source: https://huggingface.co/docs/safetensors
 */
import "../ops/methods.ts";
import { KeyError, NotImplementedError, ValueError } from "../errors.ts";
import { checkKeywords, isOptions } from "../keywords.ts";
import { describe } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import {
  failure,
  formatHeader,
  type Header,
  headerEnd,
  METADATA,
  type Metadata,
  parseHeader,
} from "./safetensors-header.ts";
import { isIndexFile, loadSharded } from "./sharded.ts";
import { type ByteSource, type FileSource, hasFiles, openSource, type Progress } from "./source.ts";
import { readTensor, tensorOfBytes, withBytes } from "./tensor-data.ts";

export type { Metadata } from "./safetensors-header.ts";
export { type SaveShardedOptions, save_torch_state_dict } from "./sharded.ts";

/** Tensors by name. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

export interface LoadFileOptions {
  /** Called with the bytes that have arrived from the network and, if known, their number in the end. */
  readonly progress?: Progress | null;
}

/**
 * The contents of a safetensors file for these tensors. `metadata` is text by name. Tensors that share memory are written
 * one by one, so they share none when they are loaded.
 */
export function save(tensors: NamedTensors, metadata: Metadata | null = null): Uint8Array<ArrayBuffer> {
  const { bytes, order, size } = formatHeader(checkedTensors(tensors), checkedMetadata(metadata));
  const out = new Uint8Array(size);
  out.set(bytes);
  let at = bytes.length;
  for (const x of order) {
    withBytes(x, (values) => out.set(values, at));
    at += x.nbytes;
  }
  return out;
}

/** Writes tensors, such as a `state_dict()`, to a file. The file appears when it is complete. In a browser use `save`. */
export async function save_file(
  tensors: NamedTensors,
  filename: string | URL,
  metadata: Metadata | null = null,
): Promise<void> {
  if (!hasFiles()) throw new NotImplementedError("save_file: a browser has no files: use save");
  const { bytes, order } = formatHeader(checkedTensors(tensors), checkedMetadata(metadata));
  await (await import("./node/save-safetensors.ts")).saveTensors(filename, bytes, order);
}

/** Surrogates without their partner, which UTF-8 cannot express. */
const LONE_SURROGATE = /\p{Surrogate}/u;

function checkedTensors(tensors: NamedTensors): [string, Tensor][] {
  if (!isOptions(tensors))
    throw new ValueError(`Expected a dict of [str, torch.Tensor] but received ${describe(tensors)}`);
  const entries = Object.entries(tensors);
  for (const [name, x] of entries) {
    if (!is_tensor(x)) {
      throw new ValueError(`Key \`${name}\` is invalid, expected torch.Tensor but received ${describe(x)}`);
    }
    if (name === METADATA || LONE_SURROGATE.test(name)) throw new ValueError(`a tensor cannot be named ${name}`);
  }
  return entries;
}

function checkedMetadata(metadata: Metadata | null): Metadata | null {
  for (const [key, value] of Object.entries(metadata ?? {})) {
    if (typeof value !== "string") throw new TypeError(`metadata '${key}' must be a string, not ${describe(value)}`);
    if (LONE_SURROGATE.test(key + value)) throw new ValueError(`metadata '${key}' is not valid Unicode`);
  }
  return metadata;
}

/** The tensors in the contents of a safetensors file. Throws ValueError for anything that is not a valid one. */
export function load(data: Uint8Array | ArrayBuffer): Record<string, Tensor> {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const fail = failure("safetensors data");
  const end = headerEnd(bytes, bytes.length, fail);
  const { entries } = parseHeader(bytes.subarray(8, end), end, bytes.length, fail);
  const out = Object.create(null) as Record<string, Tensor>;
  for (const [name, { dtype, shape, start, end }] of entries) {
    out[name] = tensorOfBytes(bytes.subarray(start, end), dtype, shape);
  }
  return out;
}

/** An open safetensors file: its header is checked whole, its tensors are read when they are asked for. */
export class SafeTensors {
  private readonly source: ByteSource;
  private readonly header: Header;

  /** @internal */
  constructor(source: ByteSource, header: Header) {
    this.source = source;
    this.header = header;
  }

  keys(): string[] {
    return [...this.header.entries.keys()];
  }

  /** The texts that were saved along. */
  metadata(): Metadata {
    return this.header.metadata;
  }

  /** Reads the tensor named `name`. */
  async get_tensor(name: string): Promise<Tensor> {
    const entry = this.header.entries.get(name);
    if (entry === undefined) throw new KeyError(`File does not contain tensor ${name}`);
    return readTensor(this.source, entry.start, entry.dtype, entry.shape);
  }

  /** Reads all tensors. */
  async tensors(): Promise<Record<string, Tensor>> {
    const out = Object.create(null) as Record<string, Tensor>;
    for (const key of this.header.entries.keys()) out[key] = await this.get_tensor(key);
    return out;
  }

  /** Closes the file. */
  close(): void {
    this.source.close();
  }
}

/**
 * Opens a file (a path, an address, bytes, a Blob or a Response, as in `torch.load`) to read its metadata or some of its
 * tensors. Throws ValueError for anything that is not a valid file. Close it when it is no longer needed.
 */
export async function safe_open(file: FileSource, options: LoadFileOptions = {}): Promise<SafeTensors> {
  checkKeywords("safe_open", options, ["progress"]);
  const source = await openSource(file, options.progress);
  try {
    const fail = failure(source.name);
    const end = headerEnd(await source.read(0, Math.min(8, source.size)), source.size, fail);
    return new SafeTensors(source, parseHeader(await source.read(8, end - 8), end, source.size, fail));
  } catch (error) {
    source.close();
    throw error;
  }
}

/** The tensors in a file, or in all files that an index (`model.safetensors.index.json`) names. */
export async function load_file(file: FileSource, options: LoadFileOptions = {}): Promise<Record<string, Tensor>> {
  checkKeywords("load_file", options, ["progress"]);
  if (isIndexFile(file)) return loadSharded(file, (part) => safe_open(part, options));
  const opened = await safe_open(file, options);
  try {
    return await opened.tensors();
  } finally {
    opened.close();
  }
}
