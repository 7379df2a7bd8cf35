/** Transforms of position: padding, cropping, flipping. Random ones draw as torchvision's do. */
import { ValueError } from "../../errors.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { rand, randint } from "../../ops/random.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "./functional.ts";
import { declareBatchForm, Transform } from "./transform.ts";
import { tuple } from "./values.ts";

export interface PadOptions {
  /** The value around the image. Default 0. */
  readonly fill?: number;
  /** Default "constant". */
  readonly padding_mode?: F.ImagePaddingMode;
}

function checkMode(mode: string): void {
  if (!["constant", "edge", "reflect", "symmetric"].includes(mode)) {
    throw new ValueError("Padding mode should be either constant, edge, reflect or symmetric");
  }
}

function paddingText(padding: F.ImagePadding | null): string {
  if (padding === null) return "None";
  return typeof padding === "number" ? String(padding) : tuple(padding);
}

/** Adds a border: of one width, or `[left and right, top and bottom]`, or `[left, top, right, bottom]`. */
export class Pad extends Transform {
  readonly padding: F.ImagePadding;
  readonly fill: number;
  readonly padding_mode: F.ImagePaddingMode;

  constructor(
    padding: F.ImagePadding,
    fill?: number | PadOptions,
    padding_mode?: F.ImagePaddingMode | Omit<PadOptions, "fill">,
  ) {
    super();
    const options = bindNamed('Pad.__init__(float fill=0, str padding_mode="constant")', [fill, padding_mode]);
    F.parsePadding(padding);
    this.padding = padding;
    this.fill = options.fill as number;
    this.padding_mode = options.padding_mode as F.ImagePaddingMode;
    checkMode(this.padding_mode);
  }

  override forward(image: Tensor): Tensor {
    return F.pad(image, this.padding, this.fill, this.padding_mode);
  }

  override extra_repr(): string {
    return `padding=${paddingText(this.padding)}, fill=${this.fill}, padding_mode=${this.padding_mode}`;
  }
}
declareBatchForm(Pad, (t, images) => F.pad(images, t.padding, t.fill, t.padding_mode));

/** The middle of the image. */
export class CenterCrop extends Transform {
  readonly size: readonly [height: number, width: number];

  constructor(size: number | readonly number[]) {
    super();
    this.size = F.imageSizes(size);
  }

  override forward(image: Tensor): Tensor {
    return F.center_crop(image, this.size);
  }

  override extra_repr(): string {
    return `size=${tuple(this.size)}`;
  }
}
declareBatchForm(CenterCrop, (t, images) => F.center_crop(images, t.size));

export interface RandomCropOptions extends PadOptions {
  /** A border that is added first. */
  readonly padding?: F.ImagePadding | null;
  /** Add a border where the image is smaller than the crop. Default false. */
  readonly pad_if_needed?: boolean;
}

/** A part of the image, of the given size, at a random place. */
export class RandomCrop extends Transform {
  readonly size: readonly [height: number, width: number];
  readonly padding: F.ImagePadding | null;
  readonly pad_if_needed: boolean;
  readonly fill: number;
  readonly padding_mode: F.ImagePaddingMode;

  constructor(
    size: number | readonly number[],
    ...rest: [options?: RandomCropOptions] | [padding: F.ImagePadding | null, options?: RandomCropOptions]
  ) {
    super();
    const options = bindNamed(
      'RandomCrop.__init__(any? padding=None, bool pad_if_needed=False, float fill=0, str padding_mode="constant")',
      rest,
    ) as unknown as Required<RandomCropOptions>;
    this.size = F.imageSizes(size);
    if (options.padding !== null) F.parsePadding(options.padding);
    checkMode(options.padding_mode);
    this.padding = options.padding;
    this.pad_if_needed = options.pad_if_needed;
    this.fill = options.fill;
    this.padding_mode = options.padding_mode;
  }

  override forward(image: Tensor): Tensor {
    const [height, width] = this.size;
    const pad = (x: Tensor, padding: F.ImagePadding): Tensor => F.pad(x, padding, this.fill, this.padding_mode);
    let x = this.padding === null ? image : pad(image, this.padding);
    const [h, w] = F.imageSize(x);
    if (this.pad_if_needed && w < width) x = pad(x, [width - w, 0]);
    if (this.pad_if_needed && h < height) x = pad(x, [0, height - h]);
    const [fullHeight, fullWidth] = F.imageSize(x);
    if (fullHeight < height || fullWidth < width) {
      throw new ValueError(
        `Required crop size (${height}, ${width}) is larger than input image size (${fullHeight}, ${fullWidth})`,
      );
    }
    if (fullHeight === height && fullWidth === width) return x;
    const top = draw(fullHeight - height + 1);
    const left = draw(fullWidth - width + 1);
    return F.crop(x, top, left, height, width);
  }

  override extra_repr(): string {
    return `size=${tuple(this.size)}, padding=${paddingText(this.padding)}`;
  }
}

function draw(high: number): number {
  return randint(0, high, [1]).item() as number;
}

class RandomFlip extends Transform {
  /** The probability of a flip. */
  readonly p: number;

  constructor(p: number | { p?: number } = 0.5) {
    super();
    this.p = typeof p === "number" ? p : (p.p ?? 0.5);
  }

  protected chosen(): boolean {
    return (rand(1).item() as number) < this.p;
  }

  override extra_repr(): string {
    return `p=${this.p}`;
  }
}

/** Mirrors the image left to right with probability `p`. */
export class RandomHorizontalFlip extends RandomFlip {
  override forward(image: Tensor): Tensor {
    return this.chosen() ? F.hflip(image) : image;
  }
}

/** Mirrors the image top to bottom with probability `p`. */
export class RandomVerticalFlip extends RandomFlip {
  override forward(image: Tensor): Tensor {
    return this.chosen() ? F.vflip(image) : image;
  }
}
