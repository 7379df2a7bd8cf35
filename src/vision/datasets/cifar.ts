/** CIFAR-10 and CIFAR-100: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CIFAR10.html */
import { uint8 } from "../../dtype.ts";
import { RuntimeError, ValueError } from "../../errors.ts";
import { checkKeywords } from "../../ops/define/schema.ts";
import { frombuffer, tensor } from "../../ops/from-values.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { default_collate } from "../../utils/data/collate.ts";
import { gatherRows } from "../../utils/data/gather.ts";
import { Image } from "../image.ts";
import { batchFormOf } from "../transforms/transform.ts";
import { downloadVerified, joinPath, type Progress, readDataFile, storeFile } from "./download.ts";
import { gunzip } from "./idx.ts";
import { ByteArray, readDictionary } from "./numpy-pickle.ts";
import { readTar } from "./tar.ts";
import { checkedIndex, VisionDataset } from "./vision.ts";

export interface CIFAROptions<I = Image, T = number> {
  /** The 50,000 training pictures (default) or the 10,000 test pictures. */
  readonly train?: boolean;
  /** Applied to each picture, RGB of 32×32. */
  readonly transform?: ((image: Image) => I) | null;
  /** Applied to each label. */
  readonly target_transform?: ((target: number) => T) | null;
}

export interface CIFARLoadOptions<I = Image, T = number> extends CIFAROptions<I, T> {
  /** Download what is not there. Default false. */
  readonly download?: boolean;
  /** Called as a download proceeds. Default: shows it on stderr. */
  readonly progress?: Progress | null;
}

const OPTIONS = ["train", "transform", "target_transform"];
const PIXELS = 3 * 32 * 32;

/** Where a kind of CIFAR has what. */
interface Layout {
  readonly name: string;
  readonly base_folder: string;
  readonly url: string;
  readonly filename: string;
  readonly tgz_md5: string;
  readonly train_list: readonly string[];
  readonly test_list: readonly string[];
  readonly meta: { readonly filename: string; readonly key: string };
  readonly binary: Binary;
}

/** The binary version: records of labels and pixels, one after the other, and a text with the names of the classes. */
interface Binary {
  readonly folder: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  readonly names: string;
  /** Bytes before the pixels; the last one is the label. */
  readonly labels: number;
}

/**
 * Small photographs, 32×32, of ten kinds of things. A sample is `[image, label]`.
 *
 *     const pictures = await CIFAR10.load("data", { train: true, download: true, transform: new ToTensor() });
 *
 * reads the pickles in `data/cifar-10-batches-py`, as torchvision lays them out, or the binary files in
 * `data/cifar-10-batches-bin`, or whichever lie in `data` itself. Pickles are read by a machine that runs no code.
 */
export class CIFAR10<I = Image, T = number> extends VisionDataset<[image: I, target: T]> {
  static readonly base_folder: string = "cifar-10-batches-py";
  static readonly url: string = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz";
  static readonly filename: string = "cifar-10-python.tar.gz";
  static readonly tgz_md5: string = "c58f30108f718f92721af3b95e74349a";
  static readonly train_list: readonly string[] = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}`);
  static readonly test_list: readonly string[] = ["test_batch"];
  static readonly meta: Layout["meta"] = { filename: "batches.meta", key: "label_names" };
  /** @internal */
  static readonly binary: Binary = {
    folder: "cifar-10-batches-bin",
    train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
    test: ["test_batch.bin"],
    names: "batches.meta.txt",
    labels: 1,
  };

  /** All pictures, uint8 of shape (N, 32, 32, 3). */
  readonly data: Tensor;
  readonly targets: readonly number[];
  /** Names of the classes. */
  readonly classes: readonly string[];
  readonly train: boolean;

  /** From pictures (N, 32, 32, 3) of uint8, labels and names. To read files, use `load`. */
  constructor(
    data: Tensor,
    targets: readonly number[],
    classes: readonly string[],
    options: CIFAROptions<I, T> & { root?: string | null } = {},
  ) {
    if (!is_tensor(data) || !Array.isArray(targets)) {
      throw new TypeError(
        `${new.target.name}: expected a tensor of pictures. Files are read asynchronously: await ${new.target.name}.load(root, options)`,
      );
    }
    const { root = null, ...rest } = options;
    checkKeywords(new.target.name, rest, OPTIONS);
    super(root, { transform: rest.transform, target_transform: rest.target_transform });
    if (data.dtype !== uint8 || data.ndim !== 4 || data.size(3) !== 3 || data.length !== targets.length) {
      throw new ValueError(
        `expected ${targets.length} pictures, uint8 of shape (N, H, W, 3), got ${data.dtype} of (${data.shape})`,
      );
    }
    this.data = data;
    this.targets = targets;
    this.classes = classes;
    this.train = rest.train ?? true;
  }

  /** Reads the files under `root`, a folder or a web address; see the class. */
  static async load<I = Image, T = number>(root: string, options: CIFARLoadOptions<I, T> = {}): Promise<CIFAR10<I, T>> {
    const { download = false, progress = null, ...rest } = options;
    checkKeywords(`${this.name}.load`, rest, OPTIONS);
    if (typeof root !== "string") throw new TypeError(`${this.name}.load: root must be a string`);
    const train = rest.train ?? true;
    let found = await findBatches(this, root, train);
    if (found === null && download) {
      await downloadArchive(this, root, progress);
      found = await findBatches(this, root, train);
    }
    if (found === null) {
      throw new RuntimeError(
        "Dataset not found or corrupted. You can use download: true to download it " +
          `(${this.name} needs ${joinPath(root, this.base_folder)} or ${joinPath(root, this.binary.folder)})`,
      );
    }
    const { pixels, targets, classes } = found;
    // Stored by channel, wanted by pixel.
    const data = frombuffer(pixels, { dtype: uint8 }).view([-1, 3, 32, 32]).permute(0, 2, 3, 1).contiguous();
    return new this<I, T>(data, targets, classes, { ...rest, root });
  }

  override get length(): number {
    return this.targets.length;
  }

  get class_to_idx(): Record<string, number> {
    return Object.fromEntries(this.classes.map((name, i) => [name, i]));
  }

  override get(index: number): [image: I, target: T] {
    const at = checkedIndex(index, this.length);
    return this.transformed(Image.fromarray(this.data.select(0, at)), this.targets[at]) as [I, T];
  }

  override get_collated(indices: readonly number[]): unknown {
    const form = this.get === CIFAR10.prototype.get ? batchFormOf(this.transform) : null;
    if (form === null) return null;
    const targets = indices.map((i) => this.targets[checkedIndex(i, this.length)]);
    const change = this.target_transform as ((target: number) => T) | null;
    const changed = change === null ? tensor(targets) : default_collate(targets.map(change));
    return [form(gatherRows(this.data, indices)), changed];
  }

  override extra_repr(): string {
    return `Split: ${this.train ? "Train" : "Test"}`;
  }
}

/** As CIFAR10, of a hundred kinds of things; the labels are the fine ones. */
export class CIFAR100<I = Image, T = number> extends CIFAR10<I, T> {
  static override readonly base_folder = "cifar-100-python";
  static override readonly url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz";
  static override readonly filename = "cifar-100-python.tar.gz";
  static override readonly tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85";
  static override readonly train_list = ["train"];
  static override readonly test_list = ["test"];
  static override readonly meta = { filename: "meta", key: "fine_label_names" };
  /** @internal */
  static override readonly binary: Binary = {
    folder: "cifar-100-binary",
    train: ["train.bin"],
    test: ["test.bin"],
    names: "fine_label_names.txt",
    labels: 2,
  };
}

interface Batches {
  readonly pixels: Uint8Array;
  readonly targets: number[];
  readonly classes: readonly string[];
}

async function readAll(folder: string, names: readonly string[]): Promise<Uint8Array[] | null> {
  const contents = await Promise.all(names.map((name) => readDataFile(folder, name)));
  return contents.includes(null) ? null : (contents as Uint8Array[]);
}

/** From the first place that has all files: the pickles' folder, that of the binary files, the root. */
async function findBatches(layout: Layout, root: string, train: boolean): Promise<Batches | null> {
  const { binary } = layout;
  const pickles = [...(train ? layout.train_list : layout.test_list), layout.meta.filename];
  const records = [...(train ? binary.train : binary.test), binary.names];
  for (const folder of [joinPath(root, layout.base_folder), root]) {
    const files = await readAll(folder, pickles);
    if (files !== null) return readPickles(layout, files, pickles);
  }
  for (const folder of [joinPath(root, binary.folder), root]) {
    const files = await readAll(folder, records);
    if (files !== null) return readRecords(binary, files, records);
  }
  return null;
}

function readPickles(layout: Layout, files: readonly Uint8Array[], names: readonly string[]): Batches {
  const dictionaries = files.map((bytes, i) => readDictionary(bytes, names[i]));
  const classes = dictionaries.pop()?.[layout.meta.key];
  if (!isListOf(classes, "string")) throw new RuntimeError(`${layout.meta.filename} has no ${layout.meta.key}`);
  const parts: Uint8Array[] = [];
  const targets: number[] = [];
  dictionaries.forEach(({ data, labels, fine_labels }, i) => {
    const list = labels ?? fine_labels;
    const isComplete = data instanceof ByteArray && data.shape.length === 2 && data.shape[1] === PIXELS;
    if (!isComplete || !isListOf(list, "number") || list.length !== data.shape[0]) {
      throw new RuntimeError(`${names[i]} has no pictures of ${PIXELS} bytes, or not as many labels`);
    }
    parts.push(data.data);
    targets.push(...list);
  });
  return { pixels: joined(parts), targets, classes };
}

function isListOf<K extends "string" | "number">(
  value: unknown,
  kind: K,
): value is (K extends "string" ? string : number)[] {
  return Array.isArray(value) && value.every((item) => typeof item === kind);
}

function readRecords(binary: Binary, files: readonly Uint8Array[], names: readonly string[]): Batches {
  const size = binary.labels + PIXELS;
  const classes = new TextDecoder()
    .decode(files[files.length - 1])
    .split(/\r?\n/)
    .filter(Boolean);
  const parts: Uint8Array[] = [];
  const targets: number[] = [];
  files.slice(0, -1).forEach((bytes, i) => {
    if (bytes.length % size !== 0) {
      throw new RuntimeError(`${names[i]}: ${bytes.length} bytes are not a whole number of records of ${size}`);
    }
    for (let at = 0; at < bytes.length; at += size) {
      targets.push(bytes[at + binary.labels - 1]);
      parts.push(bytes.subarray(at + binary.labels, at + size));
    }
  });
  return { pixels: joined(parts), targets, classes };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

async function downloadArchive(layout: Layout, root: string, progress: Progress | null): Promise<void> {
  const { url, filename, tgz_md5 } = layout;
  const bytes = await downloadVerified(root, [filename, tgz_md5], [url], progress);
  const files = readTar(await gunzip(bytes, filename), filename);
  const wanted = [...layout.train_list, ...layout.test_list, layout.meta.filename];
  for (const name of wanted) {
    const contents = files.get(`${layout.base_folder}/${name}`);
    if (contents === undefined) throw new RuntimeError(`${filename} has no ${layout.base_folder}/${name}`);
    await storeFile(joinPath(root, layout.base_folder, name), contents);
  }
}
