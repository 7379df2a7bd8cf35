/** Erased parts, and mixtures of the images of a batch. They draw as torchvision's do. */
import { ValueError } from "../../errors.ts";
import { one_hot } from "../../nn/functional/sparse.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { empty } from "../../ops/creation.ts";
import { tensor } from "../../ops/from-values.ts";
import { pythonRepr, sizeToString } from "../../print/index.ts";
import { describe } from "../../shape.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { Image } from "../image.ts";
import { sampleDirichlet } from "./dirichlet.ts";
import { erase } from "./functional/filters.ts";
import { type ImageLike, roundHalfEven } from "./functional/shared.ts";
import { expOf, logOf } from "./random-size.ts";
import {
  flatten,
  query_chw,
  query_size,
  RandomApplyTransform,
  randomInt,
  Transform,
  unflatten,
  uniform,
} from "./transform.ts";

export interface RandomErasingOptions {
  /** Default 0.5. */
  readonly p?: number;
  /** Least and greatest part of the area. Default [0.02, 0.33]. */
  readonly scale?: readonly number[];
  /** Least and greatest ratio of height to width. Default [0.3, 3.3]. */
  readonly ratio?: readonly number[];
  /** A number, one for each channel, or "random" for normal noise. Default 0. */
  readonly value?: number | readonly number[] | "random";
  /** Change the tensor itself. Default false. */
  readonly inplace?: boolean;
}

interface Erased {
  readonly i: number;
  readonly j: number;
  readonly h: number;
  readonly w: number;
  readonly v: Tensor;
}

/** Erases a part of random size, shape and place with probability `p`. Zhong et al., 2017. */
export class RandomErasing extends RandomApplyTransform<Erased | null> {
  static override readonly shown = {
    p: "float",
    scale: "(float)",
    ratio: "(float)",
    value: "[float]",
    inplace: "any",
  } as const;
  readonly scale: readonly number[];
  readonly ratio: readonly number[];
  /** null for noise. */
  readonly value: readonly number[] | null;
  readonly inplace: boolean;

  constructor(
    ...args: Arguments<
      RandomErasingOptions,
      [],
      [
        p?: number,
        scale?: readonly number[],
        ratio?: readonly number[],
        value?: number | readonly number[] | "random",
        inplace?: boolean,
      ]
    >
  ) {
    const o = layerArguments<RandomErasingOptions>(
      "RandomErasing.__init__(float p=0.5, any? scale=None, any? ratio=None, any value=0, bool inplace=False)",
      args,
    );
    super(o.p);
    const { value } = o;
    if (typeof value !== "number" && typeof value !== "string" && !Array.isArray(value)) {
      throw new TypeError("Argument value should be either a number or str or a sequence");
    }
    if (typeof value === "string" && value !== "random") throw new ValueError("If value is str, it should be 'random'");
    this.scale = o.scale ?? [0.02, 0.33];
    this.ratio = o.ratio ?? [0.3, 3.3];
    if (!Array.isArray(this.scale)) throw new TypeError("Scale should be a sequence");
    if (!Array.isArray(this.ratio)) throw new TypeError("Ratio should be a sequence");
    if (this.scale[0] < 0 || this.scale[1] > 1) throw new ValueError("Scale should be between 0 and 1");
    this.value = typeof value === "number" ? [value] : value === "random" ? null : [...value];
    this.inplace = o.inplace;
  }

  override make_params(flat: readonly unknown[]): Erased | null {
    const [channels, height, width] = query_chw(flat);
    if (this.value !== null && this.value.length !== 1 && this.value.length !== channels) {
      throw new ValueError(
        `If value is a sequence, it should have either a single value or ${channels} (number of inpt channels)`,
      );
    }
    const [low, high] = this.ratio.map(logOf);
    for (let attempt = 0; attempt < 10; attempt++) {
      const area = height * width * uniform(this.scale[0], this.scale[1]);
      const aspect = expOf(uniform(low, high));
      const h = roundHalfEven(Math.sqrt(area * aspect));
      const w = roundHalfEven(Math.sqrt(area / aspect));
      if (!(h < height && w < width)) continue;
      const v = this.value === null ? empty([channels, h, w]).normal_() : tensor([...this.value]).view(-1, 1, 1);
      const i = randomInt(0, height - h + 1);
      return { i, j: randomInt(0, width - w + 1), h, w, v };
    }
    return null;
  }

  override transform(image: ImageLike, erased: Erased | null): ImageLike {
    if (erased === null) return image;
    const { i, j, h, w, v } = erased;
    return erase(image, i, j, h, w, v, this.inplace);
  }
}

/** Where the labels of a sample are: a function, or "default": the second of two, or the value named labels in an object. */
export type LabelsGetter = "default" | ((sample: never) => unknown);

function defaultLabels(sample: unknown): unknown {
  const inputs = Array.isArray(sample) ? sample[1] : sample;
  if (is_tensor(inputs)) return inputs;
  if (typeof inputs !== "object" || inputs === null || Array.isArray(inputs)) {
    throw new ValueError(
      `When using the default labels_getter, the input passed to forward must be a dictionary or a two-tuple whose second item is a dictionary or a tensor, but got ${describe(inputs)} instead.`,
    );
  }
  const keys = Object.keys(inputs);
  const key = keys.find((k) => k.toLowerCase() === "labels") ?? keys.find((k) => k.toLowerCase().includes("label"));
  if (key === undefined) {
    throw new ValueError(
      "Could not infer where the labels are in the sample. Try passing a callable as the labels_getter parameter?" +
        "If there are no labels in the sample by design, pass labels_getter=None.",
    );
  }
  return (inputs as Record<string, unknown>)[key];
}

export interface MixOptions {
  /** Both parameters of the Beta distribution of the mixing ratio. Default 1. */
  readonly alpha?: number;
  /** Needed where labels are class numbers. */
  readonly num_classes?: number | null;
  readonly labels_getter?: LabelsGetter;
}

abstract class Mix<P> extends Transform<P> {
  static override readonly shown = { alpha: "float", num_classes: "any" } as const;
  readonly alpha: number;
  readonly num_classes: number | null;
  readonly #labels: (sample: unknown) => unknown;

  constructor(options: MixOptions = {}) {
    super();
    const o = layerArguments<MixOptions>(
      `${new.target.name}.__init__(*, float alpha=1.0, int? num_classes=None, any labels_getter="default")`,
      [options],
    );
    this.alpha = o.alpha;
    this.num_classes = o.num_classes;
    const getter = o.labels_getter;
    if (getter !== "default" && typeof getter !== "function") {
      throw new ValueError(
        `labels_getter should either be 'default', a callable, or None, but got ${pythonRepr(getter)}.`,
      );
    }
    this.#labels = getter === "default" ? defaultLabels : (getter as (sample: unknown) => unknown);
  }

  /** The mixed images. */
  protected abstract mix(images: Tensor, params: P): Tensor;
  /** How much of each image is its own. */
  protected abstract share(params: P): number;

  /** A sample of the Beta distribution. */
  protected ratio(): number {
    return sampleDirichlet([this.alpha, this.alpha])[0];
  }

  override forward(...inputs: unknown[]): unknown {
    const sample = inputs.length > 1 ? inputs : inputs[0];
    const flat = flatten(sample);
    if (flat.some((leaf) => leaf instanceof Image)) {
      throw new ValueError(`${this.className()}() does not support PIL images, bounding boxes, keypoints and masks.`);
    }
    const labels = this.#labels(sample);
    this.checkLabels(labels);
    const chosen = this.chooseLeaves(flat);
    const params = this.make_params(flat.filter((_, i) => chosen[i]));
    const leaves = flat.map((leaf, i) => {
      if (leaf === labels) return this.mixLabels(labels, this.share(params));
      if (!chosen[i]) return leaf;
      checkBatch(leaf as Tensor, labels.size(0));
      return this.mix(leaf as Tensor, params);
    });
    return unflatten(sample, leaves);
  }

  private checkLabels(labels: unknown): asserts labels is Tensor {
    if (!is_tensor(labels)) throw new ValueError(`The labels must be a tensor, but got ${describe(labels)} instead.`);
    if (labels.ndim !== 1 && labels.ndim !== 2) {
      throw new ValueError(
        "labels should be index based with shape (batch_size,) or probability based with shape (batch_size, num_classes), " +
          `but got a tensor of shape ${sizeToString(labels.shape)} instead.`,
      );
    }
    if (labels.ndim === 2 && this.num_classes !== null && labels.size(-1) !== this.num_classes) {
      throw new ValueError(
        `When passing 2D labels, the number of elements in last dimension must match num_classes: ${labels.size(-1)} != ${this.num_classes}. You can Leave num_classes to None.`,
      );
    }
    if (labels.ndim === 1 && this.num_classes === null) {
      throw new ValueError("num_classes must be passed if the labels are index-based (1D)");
    }
  }

  private mixLabels(labels: Tensor, share: number): Tensor {
    const known = labels.ndim === 1 ? one_hot(labels, this.num_classes as number) : labels;
    const floats = known.is_floating_point() ? known : known.float();
    return mixed(floats, share);
  }
}

/** Each mixed with the one before it. */
function mixed(x: Tensor, share: number): Tensor {
  return x
    .roll(1, 0)
    .mul_(1 - share)
    .add_(x.mul(share));
}

function checkBatch(images: Tensor, count: number): void {
  if (images.ndim !== 4) {
    throw new ValueError(`Expected a batched input with 4 dims, but got ${images.ndim} dimensions instead.`);
  }
  if (images.size(0) !== count) {
    throw new ValueError(
      `The batch size of the image or video does not match the batch size of the labels: ${images.size(0)} != ${count}.`,
    );
  }
}

/** Mixes each image of a batch, and its label, with the one before. Call it as `mixup(images, labels)`. Zhang et al., 2017. */
export class MixUp extends Mix<number> {
  override make_params(_flat?: readonly unknown[]): number {
    return this.ratio();
  }

  protected override mix(images: Tensor, share: number): Tensor {
    return mixed(images, share);
  }

  protected override share(share: number): number {
    return share;
  }
}

interface Cut {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly share: number;
}

/** Pastes a part of the image before into each image of a batch, and mixes the labels. Yun et al., 2019. */
export class CutMix extends Mix<Cut> {
  override make_params(flat: readonly unknown[]): Cut {
    const ratio = this.ratio();
    const [height, width] = query_size(flat);
    const [x, y] = [randomInt(0, width), randomInt(0, height)];
    const r = 0.5 * Math.sqrt(1 - ratio);
    const [across, down] = [Math.trunc(r * width), Math.trunc(r * height)];
    const [x1, y1] = [Math.max(x - across, 0), Math.max(y - down, 0)];
    const [x2, y2] = [Math.min(x + across, width), Math.min(y + down, height)];
    return { x1, y1, x2, y2, share: 1 - ((x2 - x1) * (y2 - y1)) / (width * height) };
  }

  protected override mix(images: Tensor, { x1, y1, x2, y2 }: Cut): Tensor {
    const part = (x: Tensor): Tensor => x.narrow(-2, y1, y2 - y1).narrow(-1, x1, x2 - x1);
    const out = images.clone();
    part(out).copy_(part(images.roll(1, 0)));
    return out;
  }

  protected override share({ share }: Cut): number {
    return share;
  }
}
