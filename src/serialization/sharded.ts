/**
 * Models of several safetensors files, as the Hugging Face Hub has them: `model-00001-of-00003.safetensors` and so on, and
 * an index, `model.safetensors.index.json`, which says in which file each tensor is.
 * Source: https://huggingface.co/docs/huggingface_hub/package_reference/serialization
 */
import { ValueError } from "../errors.ts";
import { isOptions } from "../keywords.ts";
import { bindNamed } from "../ops/define/schema.ts";
import { describe } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import type { Metadata } from "./safetensors-header.ts";
import { type FileSource, openSource } from "./source.ts";

const INDEX = /\.index\.json$/;
/** A name alone, without a folder. */
const FILE_NAME = /^(?!\.{1,2}$)[^/\\:*?"<>|\p{Cc}]+$/u;
const MAX_INDEX = 100_000_000;

/** Whether this is the path or address of an index. */
export function isIndexFile(file: FileSource): file is string | URL {
  if (file instanceof URL) return INDEX.test(file.pathname);
  return typeof file === "string" && INDEX.test(/^\w+:\/\//.test(file) ? file.replace(/[?#].*$/s, "") : file);
}

interface OpenFile {
  keys(): string[];
  get_tensor(name: string): Promise<Tensor>;
  close(): void;
}

/** The tensors of an index, in its order. */
export async function loadSharded(
  index: string | URL,
  open: (file: string | URL) => Promise<OpenFile>,
): Promise<Record<string, Tensor>> {
  const placed = parseIndex(await readText(index), String(index));
  const byFile = new Map<string, string[]>();
  for (const [name, file] of placed) byFile.set(file, [...(byFile.get(file) ?? []), name]);
  const out = Object.create(null) as Record<string, Tensor>;
  for (const [name] of placed) out[name] = undefined as unknown as Tensor;
  for (const [file, names] of byFile) {
    const opened = await open(beside(index, file));
    try {
      for (const name of names) out[name] = await opened.get_tensor(name);
    } finally {
      opened.close();
    }
  }
  return out;
}

async function readText(index: string | URL): Promise<string> {
  const source = await openSource(index);
  try {
    if (source.size > MAX_INDEX) throw new ValueError(`${source.name} is too large for an index`);
    return new TextDecoder().decode(await source.read(0, source.size));
  } finally {
    source.close();
  }
}

/** Names of tensors and the files that have them. Files must be beside the index. */
function parseIndex(text: string, name: string): [string, string][] {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch (error) {
    throw new ValueError(`${name} is not JSON: ${(error as Error).message}`);
  }
  const map = isOptions(fields) ? fields.weight_map : undefined;
  if (!isOptions(map)) throw new ValueError(`${name} is not an index of safetensors files: it has no weight_map`);
  return Object.entries(map).map(([tensor, file]) => {
    if (typeof file !== "string" || !FILE_NAME.test(file)) {
      throw new ValueError(`${name}: the file of tensor '${tensor.slice(0, 100)}' is not the name of a file beside it`);
    }
    return [tensor, file];
  });
}

function beside(index: string | URL, file: string): string | URL {
  if (index instanceof URL || /^\w+:\/\//.test(index)) return new URL(encodeURIComponent(file), index);
  return index.replace(/[^/\\]*$/, "") + file;
}

/** A part of a state dict. */
interface Shard {
  readonly tensors: Record<string, Tensor>;
  size: number;
}

/** Distributes tensors, in their order, over parts of at most `limit` bytes; a larger tensor is a part of its own. */
function splitIntoShards(tensors: Readonly<Record<string, Tensor>>, limit: number): Shard[] {
  const shards: Shard[] = [];
  let current: Shard = { tensors: Object.create(null), size: 0 };
  for (const [name, x] of Object.entries(tensors)) {
    if (x.nbytes > limit) {
      shards.push({ tensors: Object.assign(Object.create(null), { [name]: x }), size: x.nbytes });
      continue;
    }
    if (current.size + x.nbytes > limit) {
      shards.push(current);
      current = { tensors: Object.create(null), size: 0 };
    }
    current.tensors[name] = x;
    current.size += x.nbytes;
  }
  if (Object.keys(current.tensors).length > 0) shards.push(current);
  return shards;
}

const UNITS: Readonly<Record<string, number>> = { KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

function parseSize(size: number | string): number {
  if (typeof size === "number" && size > 0) return size;
  const match = typeof size === "string" ? /^(\d+)([KMGT]B)$/.exec(size.trim().toUpperCase()) : null;
  if (match === null)
    throw new ValueError(`max_shard_size must be a number of bytes or as "5GB", not ${describe(size)} ${size}`);
  return Number(match[1]) * UNITS[match[2]];
}

export interface SaveShardedOptions {
  /** Default "model{suffix}.safetensors"; the suffix is empty or as `-00001-of-00003`. */
  readonly filename_pattern?: string;
  /** The largest size of a file, in bytes or as "5GB" (of 1000³ bytes). Default "5GB". */
  readonly max_shard_size?: number | string;
  /** Texts to save along; `format: "pt"` is added, which some Python programs ask for. */
  readonly metadata?: Metadata | null;
}

/**
 * Saves a `state_dict()` in a folder as one safetensors file or, if it is larger than `max_shard_size`, as several files
 * and an index. Each file appears when it is complete, the index after them; files of an earlier save are removed.
 */
export async function save_torch_state_dict(
  state_dict: Readonly<Record<string, Tensor>>,
  save_directory: string,
  options: SaveShardedOptions = {},
): Promise<void> {
  const given = bindNamed(
    'save_torch_state_dict(any state_dict, str save_directory, *, str filename_pattern="model{suffix}.safetensors", any max_shard_size="5GB", any metadata=None)',
    [state_dict, save_directory, options],
  ) as unknown as Required<SaveShardedOptions>;
  const { filename_pattern: pattern } = given;
  if (!pattern.includes("{suffix}") || !FILE_NAME.test(pattern.replace("{suffix}", ""))) {
    throw new ValueError(`filename_pattern must be the name of a file with {suffix} in it, not ${pattern}`);
  }
  const shards = splitIntoShards(state_dict, parseSize(given.max_shard_size));
  const metadata = { format: "pt", ...given.metadata };
  const folder = save_directory === "" ? "./" : save_directory.replace(/[/\\]*$/, "/");
  const { save_file } = await import("./safetensors.ts");
  const count = Math.max(1, shards.length);
  const names = Array.from({ length: count }, (_, i) =>
    pattern.replace("{suffix}", count === 1 ? "" : `-${fiveDigits(i + 1)}-of-${fiveDigits(count)}`),
  );
  const files = await import("./node/files.ts");
  await files.makeFolder(folder);
  for (const [i, name] of names.entries()) await save_file(shards[i]?.tensors ?? {}, folder + name, metadata);
  const index = `${pattern.replace("{suffix}", "")}.index.json`;
  if (count > 1) await files.writeWhole(folder + index, new TextEncoder().encode(formatIndex(shards, names)));
  const [start, end] = pattern.split("{suffix}");
  const isOld = (name: string): boolean =>
    name.startsWith(start) &&
    name.endsWith(end) &&
    /^(-\d{5}-of-\d{5})?$/.test(name.slice(start.length, -end.length || undefined));
  const written = new Set(count > 1 ? [...names, index] : names);
  await files.removeFiles(folder, (name) => !written.has(name) && (isOld(name) || name === index));
}

const fiveDigits = (n: number): string => String(n).padStart(5, "0");

function formatIndex(shards: readonly Shard[], files: readonly string[]): string {
  const places = shards.flatMap(({ tensors }, i) => Object.keys(tensors).map((name) => [name, files[i]] as const));
  places.sort(([a], [b]) => (a < b ? -1 : 1));
  const total = shards.reduce((sum, { size }) => sum + size, 0);
  const lines = places.map(([name, file]) => `    ${JSON.stringify(name)}: ${JSON.stringify(file)}`);
  return `{\n  "metadata": {\n    "total_size": ${total}\n  },\n  "weight_map": {\n${lines.join(",\n")}\n  }\n}\n`;
}
