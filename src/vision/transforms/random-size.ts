/** Transforms to random sizes. They draw as torchvision's do. */
import { ValueError } from "../../errors.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { rand, randint } from "../../ops/random.ts";
import { pythonRepr } from "../../print/index.ts";
import { pad } from "./functional/geometry.ts";
import { resize, resized_crop } from "./functional/resize.ts";
import { type Fill, type ImageLike, imageSizes, roundHalfEven } from "./functional/shared.ts";
import { checkFill } from "./geometry.ts";
import { checkInterpolation, type InterpolationMode } from "./interpolation.ts";
import { query_size, RandomApplyTransform, randomInt, Transform, uniform, uniform01 } from "./transform.ts";

type Sizes = number | readonly number[];

export interface RandomResizedCropOptions {
  /** Least and greatest part of the area. Default [0.08, 1]. */
  readonly scale?: readonly number[];
  /** Least and greatest ratio of width to height. Default [3/4, 4/3]. */
  readonly ratio?: readonly number[];
  /** Default "bilinear". */
  readonly interpolation?: InterpolationMode;
  /** Default true. */
  readonly antialias?: boolean | null;
}

interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** A part of random area, shape and place, resized. Szegedy et al., 2014. */
export class RandomResizedCrop extends Transform<Box> {
  static override readonly shown = {
    size: "(any)",
    scale: "(float)",
    ratio: "(float)",
    interpolation: "interpolation",
    antialias: "any",
  } as const;
  readonly size: readonly [height: number, width: number];
  readonly scale: readonly number[];
  readonly ratio: readonly number[];
  readonly interpolation: InterpolationMode;
  readonly antialias: boolean | null;

  constructor(
    size: Sizes,
    ...rest: Arguments<
      RandomResizedCropOptions,
      [],
      [
        scale?: readonly number[],
        ratio?: readonly number[],
        interpolation?: InterpolationMode,
        antialias?: boolean | null,
      ]
    >
  ) {
    super();
    const o = layerArguments<RandomResizedCropOptions>(
      'RandomResizedCrop.__init__(any? scale=None, any? ratio=None, any? interpolation="bilinear", bool? antialias=True)',
      rest,
    );
    this.size = imageSizes(size);
    this.scale = o.scale ?? [0.08, 1];
    this.ratio = o.ratio ?? [3 / 4, 4 / 3];
    if (!Array.isArray(this.scale) || this.scale.length !== 2) {
      throw new TypeError("Scale should be a sequence of two floats.");
    }
    if (!Array.isArray(this.ratio) || this.ratio.length !== 2) {
      throw new TypeError("Ratio should be a sequence of two floats.");
    }
    this.interpolation = checkInterpolation(o.interpolation);
    this.antialias = o.antialias;
  }

  override make_params(flat: readonly unknown[]): Box {
    const [fullHeight, fullWidth] = query_size(flat);
    const area = fullHeight * fullWidth;
    const [low, high] = this.ratio.map(logOf);
    for (let i = 0; i < 10; i++) {
      const target = area * uniform(this.scale[0], this.scale[1]);
      const aspect = expOf(uniform(low, high));
      const width = roundHalfEven(Math.sqrt(target * aspect));
      const height = roundHalfEven(Math.sqrt(target / aspect));
      if (!(width > 0 && width <= fullWidth && height > 0 && height <= fullHeight)) continue;
      const top = randomInt(0, fullHeight - height + 1);
      return { top, left: randomInt(0, fullWidth - width + 1), height, width };
    }
    // The middle, as far as the shapes allow.
    const shape = fullWidth / fullHeight;
    const [least, greatest] = [Math.min(...this.ratio), Math.max(...this.ratio)];
    const width = shape > greatest ? roundHalfEven(fullHeight * greatest) : fullWidth;
    const height = shape < least ? roundHalfEven(fullWidth / least) : fullHeight;
    return { top: (fullHeight - height) >> 1, left: (fullWidth - width) >> 1, height, width };
  }

  override transform(image: ImageLike, { top, left, height, width }: Box): ImageLike {
    const { size, interpolation, antialias } = this;
    return resized_crop(image, top, left, height, width, size, { interpolation, antialias });
  }
}

/** @internal Logarithm and exponential of one number in single precision, as torchvision draws aspect ratios. */
export function logOf(x: number): number {
  return Math.fround(Math.log(Math.fround(x)));
}

/** @internal */
export function expOf(x: number): number {
  return Math.fround(Math.exp(x));
}

export interface RandomZoomOutOptions {
  /** What is around. Default 0. */
  readonly fill?: Fill;
  /** Least and greatest size of the canvas, in sizes of the image. Default [1, 4]. */
  readonly side_range?: readonly number[];
  /** Default 0.5. */
  readonly p?: number;
}

/** The image at a random place of a larger canvas. Liu et al., "SSD", 2016. */
export class RandomZoomOut extends RandomApplyTransform<readonly number[]> {
  static override readonly shown = { p: "float", fill: "(any)", side_range: "(float)" } as const;
  readonly fill: Fill;
  readonly side_range: readonly number[];

  constructor(...args: Arguments<RandomZoomOutOptions, [], [fill?: Fill, side_range?: readonly number[], p?: number]>) {
    const o = layerArguments<RandomZoomOutOptions>(
      "RandomZoomOut.__init__(any? fill=0, any? side_range=None, float p=0.5)",
      args,
    );
    super(o.p);
    this.fill = checkFill(o.fill);
    this.side_range = o.side_range ?? [1, 4];
    const [low, high] = this.side_range;
    if (!(low >= 1 && low <= high)) {
      throw new ValueError(`Invalid side range provided ${pythonRepr([...this.side_range])}.`);
    }
  }

  override make_params(flat: readonly unknown[]): readonly number[] {
    const f = Math.fround;
    const [height, width] = query_size(flat);
    const [low, high] = this.side_range;
    const r = f(low + f(uniform01() * f(high - low)));
    const [fullWidth, fullHeight] = [Math.trunc(f(width * r)), Math.trunc(f(height * r))];
    const [x, y] = rand(2).tolist() as number[];
    const left = Math.trunc(f((fullWidth - width) * x));
    const top = Math.trunc(f((fullHeight - height) * y));
    return [left, top, fullWidth - (left + width), fullHeight - (top + height)];
  }

  override transform(image: ImageLike, padding: readonly number[]): ImageLike {
    return pad(image, padding, this.fill);
  }
}

interface ScaleOptions {
  /** Default "bilinear". */
  readonly interpolation?: InterpolationMode;
  /** Default true. */
  readonly antialias?: boolean | null;
}

/** A transform whose parameter is the size to resize to. */
abstract class RandomSize extends Transform<readonly number[]> {
  abstract readonly interpolation: InterpolationMode;
  abstract readonly antialias: boolean | null;

  override transform(image: ImageLike, size: readonly number[]): ImageLike {
    const { interpolation, antialias } = this;
    return resize(image, size, { interpolation, antialias });
  }
}

/** Resized so that it fits into `target_size`, times a random factor. Ghiasi et al., 2021. */
export class ScaleJitter extends RandomSize {
  static override readonly shown = {
    target_size: "(any)",
    scale_range: "(float)",
    interpolation: "interpolation",
    antialias: "any",
  } as const;
  readonly target_size: readonly number[];
  readonly scale_range: readonly number[];
  readonly interpolation: InterpolationMode;
  readonly antialias: boolean | null;

  constructor(
    target_size: readonly number[],
    ...rest: Arguments<
      ScaleOptions & { readonly scale_range?: readonly number[] },
      [],
      [scale_range?: readonly number[], interpolation?: InterpolationMode, antialias?: boolean | null]
    >
  ) {
    super();
    const o = layerArguments<ScaleOptions & { scale_range?: readonly number[] }>(
      'ScaleJitter.__init__(any? scale_range=None, any? interpolation="bilinear", bool? antialias=True)',
      rest,
    );
    this.target_size = target_size;
    this.scale_range = o.scale_range ?? [0.1, 2];
    this.interpolation = checkInterpolation(o.interpolation);
    this.antialias = o.antialias;
  }

  override make_params(flat: readonly unknown[]): readonly number[] {
    const f = Math.fround;
    const [height, width] = query_size(flat);
    const [low, high] = this.scale_range;
    const scale = f(f(uniform01() * f(high - low)) + f(low));
    const r = f(f(Math.min(this.target_size[1] / height, this.target_size[0] / width)) * scale);
    return [Math.trunc(f(height * r)), Math.trunc(f(width * r))];
  }
}

/** The shorter edge resized to one of the lengths `min_size`, the longer one to at most `max_size`. */
export class RandomShortestSize extends RandomSize {
  static override readonly shown = {
    min_size: "[any]",
    max_size: "any",
    interpolation: "interpolation",
    antialias: "any",
  } as const;
  readonly min_size: readonly number[];
  readonly max_size: number | null;
  readonly interpolation: InterpolationMode;
  readonly antialias: boolean | null;

  constructor(
    min_size: Sizes,
    ...rest: Arguments<
      ScaleOptions & { readonly max_size?: number | null },
      [],
      [max_size?: number | null, interpolation?: InterpolationMode, antialias?: boolean | null]
    >
  ) {
    super();
    const o = layerArguments<ScaleOptions & { max_size?: number | null }>(
      'RandomShortestSize.__init__(int? max_size=None, any? interpolation="bilinear", bool? antialias=True)',
      rest,
    );
    this.min_size = typeof min_size === "number" ? [min_size] : [...min_size];
    this.max_size = o.max_size;
    this.interpolation = checkInterpolation(o.interpolation);
    this.antialias = o.antialias;
  }

  override make_params(flat: readonly unknown[]): readonly number[] {
    const [height, width] = query_size(flat);
    const size = this.min_size[randint(0, this.min_size.length, []).item() as number];
    let r = size / Math.min(height, width);
    if (this.max_size !== null) r = Math.min(r, this.max_size / Math.max(height, width));
    return [Math.trunc(height * r), Math.trunc(width * r)];
  }
}

/** The shorter edge resized to a random length from `min_size` to `max_size`, which is excluded. */
export class RandomResize extends RandomSize {
  static override readonly shown = {
    min_size: "any",
    max_size: "any",
    interpolation: "interpolation",
    antialias: "any",
  } as const;
  readonly min_size: number;
  readonly max_size: number;
  readonly interpolation: InterpolationMode;
  readonly antialias: boolean | null;

  constructor(
    min_size: number,
    max_size: number,
    ...rest: Arguments<ScaleOptions, [], [interpolation?: InterpolationMode, antialias?: boolean | null]>
  ) {
    super();
    const o = layerArguments<ScaleOptions>(
      'RandomResize.__init__(any? interpolation="bilinear", bool? antialias=True)',
      rest,
    );
    this.min_size = min_size;
    this.max_size = max_size;
    this.interpolation = checkInterpolation(o.interpolation);
    this.antialias = o.antialias;
  }

  override make_params(): readonly number[] {
    return [randint(this.min_size, this.max_size, []).item() as number];
  }
}
