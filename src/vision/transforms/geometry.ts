/** Transforms of position and size. Random ones draw as torchvision's do. */
import { ValueError } from "../../errors.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { randint } from "../../ops/random.ts";
import { pythonRepr } from "../../print/index.ts";
import {
  center_crop,
  checkPaddingMode,
  crop,
  five_crop,
  horizontal_flip,
  type ImagePadding,
  type ImagePaddingMode,
  type PadOptions,
  pad,
  parsePadding,
  ten_crop,
  vertical_flip,
} from "./functional/geometry.ts";
import { type ResizeOptions, resize } from "./functional/resize.ts";
import { type Fill, type ImageLike, imageSizes } from "./functional/shared.ts";
import { checkInterpolation, type InterpolationMode } from "./interpolation.ts";
import { declareBatchForm, query_size, RandomApplyTransform, Transform } from "./transform.ts";

type Sizes = number | readonly number[];

/** @internal A fill as torchvision keeps it. */
export function checkFill(fill: unknown): Fill {
  if (fill !== null && typeof fill !== "number" && !Array.isArray(fill)) {
    throw new TypeError("Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed.");
  }
  return fill;
}

/** Another size: `[height, width]`, or the length of the shorter edge; see `functional.resize`. */
export class Resize extends Transform {
  static override readonly shown = {
    size: "[any]",
    interpolation: "interpolation",
    max_size: "any",
    antialias: "any",
  } as const;
  readonly size: readonly number[] | null;
  readonly interpolation: InterpolationMode;
  readonly max_size: number | null;
  readonly antialias: boolean | null;

  constructor(
    size: Sizes | null,
    ...rest: Arguments<
      ResizeOptions,
      [],
      [interpolation?: InterpolationMode, max_size?: number | null, antialias?: boolean | null]
    >
  ) {
    super();
    const o = layerArguments<ResizeOptions>(
      'Resize.__init__(any? interpolation="bilinear", int? max_size=None, bool? antialias=True)',
      rest,
    );
    if (size === null && o.max_size === null) {
      throw new ValueError("max_size must be an integer when size is None, but got None instead.");
    }
    const list = typeof size === "number" ? [size] : size;
    if (list !== null && !(Array.isArray(list) && (list.length === 1 || list.length === 2))) {
      throw new ValueError(
        `size can be an integer, a sequence of one or two integers, or None, but got ${pythonRepr(size)} instead.`,
      );
    }
    this.size = list;
    this.interpolation = checkInterpolation(o.interpolation);
    this.max_size = o.max_size;
    this.antialias = o.antialias;
  }

  override transform(image: ImageLike): ImageLike {
    const { interpolation, max_size, antialias } = this;
    return resize(image, this.size, { interpolation, max_size, antialias });
  }
}

/** Adds a border: of one width, or `[left and right, top and bottom]`, or `[left, top, right, bottom]`. */
export class Pad extends Transform {
  static override readonly shown = { padding: "[any]", fill: "(any)", padding_mode: "text" } as const;
  readonly padding: ImagePadding;
  readonly fill: Fill;
  readonly padding_mode: ImagePaddingMode;

  constructor(
    padding: ImagePadding,
    ...rest: Arguments<PadOptions, [], [fill?: Fill, padding_mode?: ImagePaddingMode]>
  ) {
    super();
    const o = layerArguments<PadOptions>('Pad.__init__(any? fill=0, str padding_mode="constant")', rest);
    parsePadding(padding);
    checkPaddingMode(o.padding_mode);
    this.padding = padding;
    this.fill = checkFill(o.fill);
    this.padding_mode = o.padding_mode;
  }

  override transform(image: ImageLike): ImageLike {
    return pad(image, this.padding, this.fill, this.padding_mode);
  }
}
declareBatchForm(Pad, "both", "same", (t, images) => pad(images, t.padding, t.fill, t.padding_mode));

/** The middle of the image. */
export class CenterCrop extends Transform {
  static override readonly shown = { size: "(any)" } as const;
  readonly size: readonly [height: number, width: number];

  constructor(size: Sizes) {
    super();
    this.size = imageSizes(size);
  }

  override transform(image: ImageLike): ImageLike {
    return center_crop(image, this.size);
  }
}
declareBatchForm(CenterCrop, "both", "same", (t, images) => center_crop(images, t.size));

/** The four corners (top left, top right, bottom left, bottom right) and the middle, as a list. */
export interface FiveCrop {
  <T extends ImageLike>(image: T): [T, T, T, T, T];
}
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: modules are functions, which the interface types.
export class FiveCrop extends Transform {
  static override readonly shown = { size: "(any)" } as const;
  readonly size: readonly [height: number, width: number];

  constructor(size: Sizes) {
    super();
    this.size = imageSizes(size);
  }

  override transform(image: ImageLike): ImageLike[] {
    return five_crop(image, this.size);
  }
}

/** The five crops of the image and those of its mirror image, as a list. */
export interface TenCrop {
  <T extends ImageLike>(image: T): T[];
}
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: modules are functions, which the interface types.
export class TenCrop extends Transform {
  static override readonly shown = { size: "(any)", vertical_flip: "any" } as const;
  readonly size: readonly [height: number, width: number];
  readonly vertical_flip: boolean;

  constructor(size: Sizes, ...rest: Arguments<{ vertical_flip: boolean }, [], [vertical_flip?: boolean]>) {
    super();
    this.size = imageSizes(size);
    this.vertical_flip = layerArguments<{ vertical_flip: boolean }>(
      "TenCrop.__init__(bool vertical_flip=False)",
      rest,
    ).vertical_flip;
  }

  override transform(image: ImageLike): ImageLike[] {
    return ten_crop(image, this.size, this.vertical_flip);
  }
}

export interface RandomCropOptions extends PadOptions {
  /** A border that is added first. */
  readonly padding?: ImagePadding | null;
  /** Add a border where the image is smaller than the crop. Default false. */
  readonly pad_if_needed?: boolean;
}

interface RandomCropParams {
  readonly top: number;
  readonly left: number;
  readonly crops: boolean;
  readonly padding: readonly number[];
}

/** A part of the image, of the given size, at a random place. */
export class RandomCrop extends Transform<RandomCropParams> {
  static override readonly shown = {
    size: "(any)",
    padding: "[any]",
    pad_if_needed: "any",
    fill: "(any)",
    padding_mode: "text",
  } as const;
  readonly size: readonly [height: number, width: number];
  /** Left, right, top, bottom. */
  readonly padding: readonly number[] | null;
  readonly pad_if_needed: boolean;
  readonly fill: Fill;
  readonly padding_mode: ImagePaddingMode;

  constructor(
    size: Sizes,
    ...rest: Arguments<
      RandomCropOptions,
      [],
      [padding?: ImagePadding | null, pad_if_needed?: boolean, fill?: Fill, padding_mode?: ImagePaddingMode]
    >
  ) {
    super();
    const o = layerArguments<RandomCropOptions>(
      'RandomCrop.__init__(any? padding=None, bool pad_if_needed=False, any? fill=0, str padding_mode="constant")',
      rest,
    );
    this.size = imageSizes(size);
    checkPaddingMode(o.padding_mode);
    // Python's truth: a padding of 0 is none.
    this.padding = o.padding === null || o.padding === 0 ? null : parsePadding(o.padding);
    this.pad_if_needed = o.pad_if_needed;
    this.fill = checkFill(o.fill);
    this.padding_mode = o.padding_mode;
  }

  override make_params(flat: readonly unknown[]): RandomCropParams {
    const [h, w] = query_size(flat);
    const [height, width] = this.size;
    let [left, right, top, bottom] = this.padding ?? [0, 0, 0, 0];
    let fullHeight = h + top + bottom;
    let fullWidth = w + left + right;
    if (this.pad_if_needed && fullHeight < height) {
      const missing = height - fullHeight;
      [top, bottom, fullHeight] = [top + missing, bottom + missing, fullHeight + 2 * missing];
    }
    if (this.pad_if_needed && fullWidth < width) {
      const missing = width - fullWidth;
      [left, right, fullWidth] = [left + missing, right + missing, fullWidth + 2 * missing];
    }
    if (fullHeight < height || fullWidth < width) {
      throw new ValueError(
        `Required crop size (${height}, ${width}) is larger than ${this.padding === null ? "" : "padded "}input image size (${fullHeight}, ${fullWidth}).`,
      );
    }
    const place = (full: number, size: number): number =>
      full > size ? (randint(0, full - size + 1, []).item() as number) : 0;
    return {
      top: place(fullHeight, height),
      left: place(fullWidth, width),
      crops: fullHeight > height || fullWidth > width,
      padding: [left, top, right, bottom],
    };
  }

  override transform(image: ImageLike, { top, left, crops, padding }: RandomCropParams): ImageLike {
    const padded = padding.some((n) => n !== 0) ? pad(image, padding, this.fill, this.padding_mode) : image;
    return crops ? crop(padded, top, left, this.size[0], this.size[1]) : padded;
  }
}

class RandomFlip extends RandomApplyTransform {
  constructor(p?: number | { p?: number }) {
    super(layerArguments<{ p: number }>(`${new.target.name}.__init__(float p=0.5)`, [p]).p);
  }
}

/** Mirrors the image left to right with probability `p`. */
export class RandomHorizontalFlip extends RandomFlip {
  override transform(image: ImageLike): ImageLike {
    return horizontal_flip(image);
  }
}

/** Mirrors the image top to bottom with probability `p`. */
export class RandomVerticalFlip extends RandomFlip {
  override transform(image: ImageLike): ImageLike {
    return vertical_flip(image);
  }
}
