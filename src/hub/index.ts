/**
 * `torch.hub`: files of weights from the web. https://pytorch.org/docs/stable/hub.html
 *
 * Through a proxy: Node follows HTTPS_PROXY and NO_PROXY only if NODE_USE_ENV_PROXY=1 is set as well (Node 22.21, 24).
 */
import { NotImplementedError, ValueError } from "../errors.ts";
import { bind, bindNamed } from "../ops/define/schema.ts";
import { type LoadOptions, load as loadFile } from "../serialization/load.ts";
import { type FileSource, hasFiles, openSource } from "../serialization/source.ts";
import { looksLikeZip, ZipReader } from "../serialization/zip/reader.ts";
import { cached } from "./browser-cache.ts";
import { expandUser, get_dir, joinPath } from "./directory.ts";

export { get_dir, set_dir } from "./directory.ts";

/** Show how a download proceeds on stderr; or a function that is told the bytes received and, if known, their number. */
export type ProgressOption = boolean | ((received: number, total: number | null) => void);

export interface DownloadOptions {
  /** The SHA-256 digest of the file must start with these hexadecimal digits. */
  readonly hash_prefix?: string | null;
  /** Default true. */
  readonly progress?: ProgressOption;
}

export interface StateDictOptions {
  /** Where the file is kept. Default: the folder `checkpoints` in `get_dir()`. */
  readonly model_dir?: string | null;
  readonly map_location?: LoadOptions["map_location"];
  /** Default true. */
  readonly progress?: ProgressOption;
  /** Check a download against the first digits of its SHA-256 digest in its name: `name-<digits>.ext`. Default false. */
  readonly check_hash?: boolean;
  /** The name of the stored file. Default: the last part of the address. */
  readonly file_name?: string | null;
  /** Always true: see `torch.load`. */
  readonly weights_only?: boolean;
}

/**
 * Downloads the file at `url` to the path `dst`. It appears there when it is complete. A download that was cut goes on
 * where it stopped, also in a later process, if the server has the same file still.
 * Throws RuntimeError if the file cannot be had or its hash is not the expected one.
 */
export async function download_url_to_file(
  url: string | URL,
  dst: string,
  ...options: [options?: DownloadOptions] | [hash_prefix: string | null, progress?: ProgressOption]
): Promise<void> {
  const [address, path, hash_prefix, progress] = bind(
    "download_url_to_file(any url, str dst, str? hash_prefix=None, any progress=True)",
    [url, dst, ...options],
  ) as [string | URL, string, string | null, ProgressOption];
  if (!hasFiles()) throw new NotImplementedError("download_url_to_file needs a file system; use fetch in a browser");
  const { download } = await import("./node/download.ts");
  await download(String(address), expandUser(path), { hash_prefix, progress });
}

/**
 * What `torch.load` reads from the file at `url`. The file is kept in `model_dir`, in a browser in the Cache API, and is
 * downloaded only if it is not there.
 */
export async function load_state_dict_from_url(
  url: string | URL,
  ...options: [options?: StateDictOptions] | [model_dir: string | null, options?: StateDictOptions]
): Promise<unknown> {
  const given = bindNamed(
    "load_state_dict_from_url(any url, str? model_dir=None, *, any map_location=None, any progress=True, bool check_hash=False, str? file_name=None, bool weights_only=True)",
    [url, ...options],
  ) as unknown as Required<StateDictOptions>;
  const { model_dir, map_location, progress, check_hash, weights_only } = given;
  const address = String(url);
  const name = given.file_name ?? baseName(address);
  const folder = model_dir ?? joinPath(get_dir(), "checkpoints");
  const hash_prefix = check_hash ? (/-([a-f0-9]*)\./.exec(name)?.[1] ?? null) : null;
  if (!hasFiles()) {
    const show = typeof progress === "function" ? progress : null;
    return loadStored(await cached(address, folder, { hash_prefix, progress: show }), { map_location, weights_only });
  }
  const path = joinPath(folder, name);
  const { download, exists } = await import("./node/download.ts");
  if (!exists(path)) {
    if (progress === true) process.stderr.write(`Downloading: "${address}" to ${path}\n`);
    await download(address, path, { hash_prefix, progress });
  }
  return loadStored(path, { map_location, weights_only });
}

/** The last part of the path of an address. */
function baseName(address: string): string {
  const name = /^[^?#]*/.exec(address)?.[0].replace(/^.*\//s, "") ?? "";
  if (name === "" || name === "." || name === "..") {
    throw new ValueError(`${address} does not end with the name of a file: give it as file_name`);
  }
  return name;
}

/** Reads a checkpoint, or one that is alone in a zip archive, as PyTorch's first model zoo had them. */
async function loadStored(stored: FileSource, options: LoadOptions): Promise<unknown> {
  const source = await openSource(stored);
  try {
    if (looksLikeZip(await source.read(0, Math.min(4, source.size)))) {
      const archive = await ZipReader.open(source);
      const [entry] = archive.entries.values();
      if (archive.entries.size === 1 && !entry.name.endsWith("/")) return loadFile(await archive.read(entry), options);
    }
  } finally {
    source.close();
  }
  return loadFile(stored, options);
}

/** `torch.hub.load` runs Python code from a repository. Models of torchvision come from `vision.models.get_model`. */
export async function load(repo_or_dir: string, model: string): Promise<never> {
  throw new NotImplementedError(
    `torch.hub.load('${repo_or_dir}', '${model}') would run Python code. For torchvision's models use vision.models.get_model('${model}', { weights: "DEFAULT" }); for files of tensors, torch.hub.load_state_dict_from_url`,
  );
}
