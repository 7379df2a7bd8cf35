/** MNIST and its kin: https://pytorch.org/vision/stable/generated/torchvision.datasets.MNIST.html */
import { int64, uint8 } from "../../dtype.ts";
import { RuntimeError, ValueError } from "../../errors.ts";
import { checkKeywords } from "../../ops/define/schema.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { default_collate } from "../../utils/data/collate.ts";
import { gatherRows } from "../../utils/data/gather.ts";
import { Image } from "../image.ts";
import { batchFormOf } from "../transforms/transform.ts";
import { downloadResource, joinPath, type Progress, type Resource, readDataFile } from "./download.ts";
import { gunzip, read_idx } from "./idx.ts";
import { checkedIndex, VisionDataset } from "./vision.ts";

export interface MNISTOptions<I = Image, T = number> {
  /** The training images (default) or the test images. */
  readonly train?: boolean;
  /** Applied to each image, a grey picture of 28×28. */
  readonly transform?: ((image: Image) => I) | null;
  /** Applied to each label, a number. */
  readonly target_transform?: ((target: number) => T) | null;
}

export interface MNISTLoadOptions<I = Image, T = number> extends MNISTOptions<I, T> {
  /** Download what is not there. Default false. */
  readonly download?: boolean;
  /** Called as a download proceeds. Default: shows it on stderr. */
  readonly progress?: Progress | null;
}

const OPTIONS = ["train", "transform", "target_transform"];

/** The class of a dataset: which files it has, and from where. */
interface Source {
  readonly name: string;
  readonly mirrors: readonly string[];
  readonly resources: readonly Resource[];
}

/**
 * Handwritten digits: 60,000 for training and 10,000 for testing, 28×28. A sample is `[image, label]`.
 *
 *     const digits = await MNIST.load("data", { train: true, download: true, transform: new ToTensor() });
 *
 * reads `data/MNIST/raw/train-images-idx3-ubyte` and so on, as torchvision lays them out, `.gz` or not; the files may
 * also lie in `data` itself. `data` may be a web address.
 */
export class MNIST<I = Image, T = number> extends VisionDataset<[image: I, target: T]> {
  static readonly mirrors: readonly string[] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
  ];
  static readonly resources: readonly Resource[] = [
    ["train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"],
    ["train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"],
    ["t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"],
    ["t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"],
  ];
  static readonly classes: readonly string[] = [
    "0 - zero",
    "1 - one",
    "2 - two",
    "3 - three",
    "4 - four",
    "5 - five",
    "6 - six",
    "7 - seven",
    "8 - eight",
    "9 - nine",
  ];

  /** All images, uint8 of shape (N, 28, 28). */
  readonly data: Tensor;
  /** All labels, int64 of shape (N). */
  readonly targets: Tensor;
  readonly train: boolean;

  /** From tensors: images (N, H, W) of uint8 and labels (N). To read files, use `load`. */
  constructor(data: Tensor, targets: Tensor, options: MNISTOptions<I, T> & { root?: string | null } = {}) {
    if (!is_tensor(data) || !is_tensor(targets)) {
      throw new TypeError(
        `${new.target.name}: expected tensors of images and labels. Files are read asynchronously: await ${new.target.name}.load(root, options)`,
      );
    }
    const { root = null, ...rest } = options;
    checkKeywords(new.target.name, rest, OPTIONS);
    super(root, { transform: rest.transform, target_transform: rest.target_transform });
    if (data.dtype !== uint8) throw new TypeError(`x should be of dtype torch.uint8 instead of ${data.dtype}`);
    if (data.ndim !== 3) throw new ValueError(`x should have 3 dimension instead of ${data.ndim}`);
    if (targets.ndim !== 1) throw new ValueError(`x should have 1 dimension instead of ${targets.ndim}`);
    if (targets.length !== data.length) {
      throw new ValueError(`there are ${data.length} images, but ${targets.length} labels`);
    }
    this.data = data;
    this.targets = targets.to(int64);
    this.train = rest.train ?? true;
  }

  /** Reads the files under `root`, a folder or a web address; see the class. */
  static async load<I = Image, T = number>(root: string, options: MNISTLoadOptions<I, T> = {}): Promise<MNIST<I, T>> {
    const { download = false, progress = null, ...rest } = options;
    checkKeywords(`${this.name}.load`, rest, OPTIONS);
    if (typeof root !== "string") throw new TypeError(`${this.name}.load: root must be a string`);
    const names = filesOf(rest.train ?? true);
    const raw = joinPath(root, this.name, "raw");
    const { folder, contents } = await findFiles(this, [raw, root], names, download, progress);
    const [images, labels] = contents.map((bytes, i) => read_idx(bytes as Uint8Array, joinPath(folder, names[i])));
    return new this<I, T>(images, labels, { ...rest, root });
  }

  /** From the contents of the two IDX files, compressed or not. */
  static async from_buffers<I = Image, T = number>(
    images: Uint8Array<ArrayBuffer> | ArrayBuffer,
    labels: Uint8Array<ArrayBuffer> | ArrayBuffer,
    options: MNISTOptions<I, T> = {},
  ): Promise<MNIST<I, T>> {
    const bytes = (x: Uint8Array<ArrayBuffer> | ArrayBuffer) => (x instanceof Uint8Array ? x : new Uint8Array(x));
    const data = read_idx(await gunzip(bytes(images), "images"), "images");
    return new this<I, T>(data, read_idx(await gunzip(bytes(labels), "labels"), "labels"), options);
  }

  override get length(): number {
    return this.data.length;
  }

  /** Names of the classes. */
  get classes(): readonly string[] {
    return (this.constructor as typeof MNIST).classes;
  }

  get class_to_idx(): Record<string, number> {
    return Object.fromEntries(this.classes.map((name, i) => [name, i]));
  }

  override get(index: number): [image: I, target: T] {
    const at = checkedIndex(index, this.length);
    const target = this.targets.select(0, at).item() as number;
    return this.transformed(Image.fromarray(this.data.select(0, at), "L"), target) as [I, T];
  }

  override get_collated(indices: readonly number[]): unknown {
    const form = this.get === MNIST.prototype.get ? batchFormOf(this.transform) : null;
    if (form === null) return null;
    const images = form(gatherRows(this.data, indices));
    const targets = gatherRows(this.targets, indices);
    const change = this.target_transform as ((target: number) => T) | null;
    return [images, change === null ? targets : default_collate((targets.tolist() as number[]).map(change))];
  }

  override extra_repr(): string {
    return `Split: ${this.train ? "Train" : "Test"}`;
  }
}

function filesOf(train: boolean): readonly [images: string, labels: string] {
  const prefix = train ? "train" : "t10k";
  return [`${prefix}-images-idx3-ubyte`, `${prefix}-labels-idx1-ubyte`];
}

interface DataFiles {
  readonly folder: string;
  /** null where a file is missing. */
  readonly contents: readonly (Uint8Array | null)[];
}

async function readFiles(folder: string, names: readonly string[]): Promise<DataFiles> {
  return { folder, contents: await Promise.all(names.map((name) => readDataFile(folder, name))) };
}

function isComplete({ contents }: DataFiles): boolean {
  return contents.every((bytes) => bytes !== null);
}

/** The files from the first folder that has them; where none does and `download` says so, from the first after a download. */
async function findFiles(
  { name, mirrors, resources }: Source,
  folders: readonly string[],
  names: readonly string[],
  download: boolean,
  progress: Progress | null,
): Promise<DataFiles> {
  for (const folder of folders) {
    const files = await readFiles(folder, names);
    if (isComplete(files)) return files;
  }
  const { folder, contents } = await readFiles(folders[0], names);
  const missing = names.filter((_, i) => contents[i] === null);
  if (!download) {
    const list = missing.map((file) => `${file}[.gz]`).join(" and ");
    throw new RuntimeError(
      `Dataset not found: ${name} needs ${list} in ${folder}. You can use download: true to download it from ${mirrors[0]}`,
    );
  }
  for (const resource of resources) {
    if (missing.includes(resource[0].replace(/\.gz$/, ""))) await downloadResource(folder, resource, mirrors, progress);
  }
  return readFiles(folder, names);
}

/** Zalando's pictures of clothes, in the form of MNIST. */
export class FashionMNIST<I = Image, T = number> extends MNIST<I, T> {
  static override readonly mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"];
  static override readonly resources: readonly Resource[] = [
    ["train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"],
    ["train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"],
    ["t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"],
    ["t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"],
  ];
  static override readonly classes = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
  ];
}

/** Cursive Japanese characters (Kuzushiji), in the form of MNIST. */
export class KMNIST<I = Image, T = number> extends MNIST<I, T> {
  static override readonly mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"];
  static override readonly resources: readonly Resource[] = [
    ["train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"],
    ["train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"],
    ["t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"],
    ["t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"],
  ];
  static override readonly classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"];
}
