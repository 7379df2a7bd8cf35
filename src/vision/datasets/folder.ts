/** Pictures in folders that are named after their classes: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html */
import { FileNotFoundError, NotImplementedError, ValueError } from "../../errors.ts";
import { checkKeywords } from "../../ops/define/schema.ts";
import type { Image } from "../image.ts";
import { decodePicture } from "../io/decode.ts";
import { joinPath } from "./download.ts";
import { checkedIndex, VisionDataset } from "./vision.ts";

/** A file, and the number of its class. */
export type FolderSample = readonly [path: string, target: number];

export interface DatasetFolderOptions<S = unknown, I = S, T = number> {
  /** Reads a file. */
  readonly loader?: (path: string) => S | Promise<S>;
  /** Endings of the files that count, in small letters. Either these or `is_valid_file`. */
  readonly extensions?: string | readonly string[] | null;
  readonly transform?: ((sample: S) => I) | null;
  readonly target_transform?: ((target: number) => T) | null;
  /** Which files count. */
  readonly is_valid_file?: ((path: string) => boolean) | null;
  /** Let folders without any file that counts be classes. Default false: they are an error. */
  readonly allow_empty?: boolean;
}

const KEYWORDS = ["loader", "extensions", "transform", "target_transform", "is_valid_file", "allow_empty"];

/** Python's order of texts: by code points. */
function compareText(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = (x[i].codePointAt(0) as number) - (y[i].codePointAt(0) as number);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}

async function folders(): Promise<typeof import("./node/folders.ts")> {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  if (process?.versions?.node === undefined)
    throw new NotImplementedError("a browser cannot list the files of a folder");
  return import("./node/folders.ts");
}

function hasExtension(path: string, extensions: string | readonly string[]): boolean {
  const name = path.toLowerCase();
  return (typeof extensions === "string" ? [extensions] : extensions).some((ending) => name.endsWith(ending));
}

/** The folders in `directory`, sorted, and their numbers. */
export async function find_classes(
  directory: string,
): Promise<[classes: string[], class_to_idx: Record<string, number>]> {
  const classes = (await (await folders()).subfolders(directory)).sort(compareText);
  if (classes.length === 0) throw new FileNotFoundError(`Couldn't find any class folder in ${directory}.`);
  // Names of folders become keys: one of them may be __proto__.
  const numbers: Record<string, number> = Object.create(null);
  classes.forEach((name, i) => {
    numbers[name] = i;
  });
  return [classes, numbers];
}

/** The files of each class that count, sorted, also those in folders further down. */
export async function make_dataset(
  directory: string,
  class_to_idx: Readonly<Record<string, number>> | null = null,
  options: Pick<DatasetFolderOptions, "extensions" | "is_valid_file" | "allow_empty"> = {},
): Promise<FolderSample[]> {
  const { extensions = null, is_valid_file = null, allow_empty = false } = options;
  const numbers = class_to_idx ?? (await find_classes(directory))[1];
  const classes = Object.keys(numbers).sort(compareText);
  if (classes.length === 0) {
    throw new ValueError("'class_to_index' must have at least one entry to collect any samples.");
  }
  if ((extensions === null) === (is_valid_file === null)) {
    throw new ValueError("Both extensions and is_valid_file cannot be None or not None at the same time");
  }
  const counts = is_valid_file ?? ((path: string) => hasExtension(path, extensions as string | readonly string[]));
  const { filesBelow } = await folders();
  const samples: FolderSample[] = [];
  const empty: string[] = [];
  for (const name of classes) {
    const before = samples.length;
    const found = await filesBelow(joinPath(directory, name));
    found.sort((a, b) => compareText(a.folder, b.folder));
    for (const { folder, files } of found) {
      for (const file of files.sort(compareText)) {
        const path = joinPath(folder, file);
        if (counts(path)) samples.push([path, numbers[name]]);
      }
    }
    if (samples.length === before) empty.push(name);
  }
  if (empty.length > 0 && !allow_empty) {
    const supported = typeof extensions === "string" ? extensions : extensions?.join(", ");
    throw new FileNotFoundError(
      `Found no valid file for the classes ${empty.join(", ")}. ` +
        (supported === undefined ? "" : `Supported extensions are: ${supported}`),
    );
  }
  return samples;
}

/**
 * Samples in files, `root/CLASS/….ext`. They are read when they are asked for, so `get` gives a promise:
 *
 *     const notes = await DatasetFolder.load("notes", { loader: (path) => readFile(path, "utf8"), extensions: [".txt"] });
 *     const [text, target] = await notes.get(0);
 */
export class DatasetFolder<S = unknown, I = S, T = number> extends VisionDataset<Promise<[sample: I, target: T]>> {
  /** Names of the folders, sorted. */
  readonly classes: readonly string[];
  readonly class_to_idx: Readonly<Record<string, number>>;
  /** Files and the numbers of their classes. */
  readonly samples: readonly FolderSample[];
  /** The number of the class of each sample. */
  readonly targets: readonly number[];
  readonly loader: (path: string) => S | Promise<S>;
  readonly extensions: string | readonly string[] | null;

  /** From a list of files. To look through a folder, use `load`. */
  constructor(
    root: string,
    classes: readonly string[],
    samples: readonly FolderSample[],
    options: DatasetFolderOptions<S, I, T> = {},
  ) {
    if (!Array.isArray(classes) || !Array.isArray(samples)) {
      throw new TypeError(
        `${new.target.name}: folders are read asynchronously: await ${new.target.name}.load(root, options)`,
      );
    }
    checkKeywords(new.target.name, options, KEYWORDS);
    const { loader, extensions = null, transform, target_transform } = options;
    super(root, { transform, target_transform });
    if (typeof loader !== "function") throw new TypeError(`${new.target.name}: missing the argument 'loader'`);
    this.classes = classes;
    this.class_to_idx = Object.fromEntries(classes.map((name, i) => [name, i]));
    this.samples = samples;
    this.targets = samples.map(([, target]) => target);
    this.loader = loader;
    this.extensions = extensions;
  }

  /** Looks through the folder `root`. */
  static async load<S = unknown, I = S, T = number>(
    root: string,
    options: DatasetFolderOptions<S, I, T> = {},
  ): Promise<DatasetFolder<S, I, T>> {
    const [classes, samples] = await lookThrough(this.name, root, options);
    return new this<S, I, T>(root, classes, samples, options);
  }

  override get length(): number {
    return this.samples.length;
  }

  override async get(index: number): Promise<[sample: I, target: T]> {
    const [path, target] = this.samples[checkedIndex(index, this.length)];
    return this.transformed(await this.loader(path), target) as [I, T];
  }
}

async function lookThrough(
  name: string,
  root: string,
  options: Pick<DatasetFolderOptions, "extensions" | "is_valid_file" | "allow_empty">,
): Promise<[classes: string[], samples: FolderSample[]]> {
  checkKeywords(`${name}.load`, options, KEYWORDS);
  if (typeof root !== "string") throw new TypeError(`${name}.load: root must be a string`);
  const directory = (await folders()).expandUser(root);
  const [classes, numbers] = await find_classes(directory);
  return [classes, await make_dataset(directory, numbers, options)];
}

/** Endings of the files that an ImageFolder takes. BMP and the like need a `loader` of one's own. */
export const IMG_EXTENSIONS: readonly string[] = [
  ".jpg",
  ".jpeg",
  ".png",
  ".ppm",
  ".bmp",
  ".pgm",
  ".tif",
  ".tiff",
  ".webp",
];

/** Reads a picture in RGB. PNG needs nothing; JPEG, WebP and TIFF need the package sharp. */
export async function default_loader(path: string): Promise<Image> {
  const bytes = await (await folders()).readFile(path);
  try {
    return await decodePicture(bytes, "RGB");
  } catch (cause) {
    throw new (cause as Error & { constructor: ErrorConstructor }).constructor(`${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/**
 * Pictures in folders that are named after their classes, `root/dog/1.png`, `root/cat/2.jpg`: items are `[image, class]`.
 *
 *     const pictures = await ImageFolder.load("pictures/train", { transform });
 *     for await (const [images, targets] of new DataLoader(pictures, { batch_size: 16, shuffle: true })) …
 */
export class ImageFolder<S = Image, I = S, T = number> extends DatasetFolder<S, I, T> {
  constructor(
    root: string,
    classes: readonly string[],
    samples: readonly FolderSample[],
    options: DatasetFolderOptions<S, I, T> = {},
  ) {
    super(root, classes, samples, { loader: default_loader as never, ...options });
  }

  /** The same as `samples`. */
  get imgs(): readonly FolderSample[] {
    return this.samples;
  }

  static override async load<S = Image, I = S, T = number>(
    root: string,
    options: Omit<DatasetFolderOptions<S, I, T>, "extensions"> = {},
  ): Promise<ImageFolder<S, I, T>> {
    const { is_valid_file = null } = options;
    const all = { ...options, is_valid_file, extensions: is_valid_file === null ? IMG_EXTENSIONS : null };
    const [classes, samples] = await lookThrough(this.name, root, all);
    return new this<S, I, T>(root, classes, samples, all);
  }
}
