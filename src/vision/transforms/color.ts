/** Transforms of colour. Random ones draw as torchvision's do. */
import { ValueError } from "../../errors.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { rand, randperm } from "../../ops/random.ts";
import { pythonFloat, pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "./functional/color.ts";
import { gaussian_blur, gaussian_noise } from "./functional/filters.ts";
import { type ImageLike, imageSizes } from "./functional/shared.ts";
import { chance, query_chw, RandomApplyTransform, Transform, uniform } from "./transform.ts";

/** Grey, in 1 (default) or 3 channels. */
export class Grayscale extends Transform {
  static override readonly shown = { num_output_channels: "any" } as const;
  readonly num_output_channels: 1 | 3;

  constructor(...args: Arguments<{ num_output_channels: 1 | 3 }, [], [num_output_channels?: 1 | 3]>) {
    super();
    this.num_output_channels = layerArguments<{ num_output_channels: 1 | 3 }>(
      "Grayscale.__init__(int num_output_channels=1)",
      args,
    ).num_output_channels;
  }

  override transform(image: ImageLike): ImageLike {
    return F.rgb_to_grayscale(image, this.num_output_channels);
  }
}

/** One channel as three; colours stay. */
export class RGB extends Transform {
  override transform(image: ImageLike): ImageLike {
    return F.grayscale_to_rgb(image);
  }
}

type POptions = Arguments<{ p: number }, [], [p?: number]>;

/** A change with probability `p` that has no other parameter. */
abstract class RandomChange<P = unknown> extends RandomApplyTransform<P> {
  constructor(...args: POptions) {
    super(layerArguments<{ p: number }>(`${new.target.name}.__init__(float p=0.5)`, args).p);
  }
}

/** Grey with probability `p` (default 0.1), in as many channels as before. */
export class RandomGrayscale extends RandomApplyTransform<number> {
  constructor(...args: POptions) {
    super(layerArguments<{ p: number }>("RandomGrayscale.__init__(float p=0.1)", args).p);
  }

  override make_params(flat: readonly unknown[]): number {
    return query_chw(flat)[0];
  }

  override transform(image: ImageLike, channels: number): ImageLike {
    return F.rgb_to_grayscale(image, channels as 1 | 3);
  }
}

/** Inverts the colours with probability `p`. */
export class RandomInvert extends RandomChange {
  override transform(image: ImageLike): ImageLike {
    return F.invert(image);
  }
}

/** Stretches each channel to the whole range with probability `p`. */
export class RandomAutocontrast extends RandomChange {
  override transform(image: ImageLike): ImageLike {
    return F.autocontrast(image);
  }
}

/** Makes the histogram flat with probability `p`. */
export class RandomEqualize extends RandomChange {
  override transform(image: ImageLike): ImageLike {
    return F.equalize(image);
  }
}

/** Keeps `bits` bits of each value with probability `p`. */
export class RandomPosterize extends RandomApplyTransform {
  static override readonly shown = { p: "float", bits: "any" } as const;
  readonly bits: number;

  constructor(bits: number, ...rest: POptions) {
    super(layerArguments<{ p: number }>("RandomPosterize.__init__(float p=0.5)", rest).p);
    this.bits = bits;
  }

  override transform(image: ImageLike): ImageLike {
    return F.posterize(image, this.bits);
  }
}

/** Inverts values from `threshold` on with probability `p`. */
export class RandomSolarize extends RandomApplyTransform {
  static override readonly shown = { p: "float", threshold: "any" } as const;
  readonly threshold: number;

  constructor(threshold: number, ...rest: POptions) {
    super(layerArguments<{ p: number }>("RandomSolarize.__init__(float p=0.5)", rest).p);
    this.threshold = threshold;
  }

  override transform(image: ImageLike): ImageLike {
    return F.solarize(image, this.threshold);
  }
}

/** Changes the sharpness by `sharpness_factor` (0 blurs, 1 is the image) with probability `p`. */
export class RandomAdjustSharpness extends RandomApplyTransform {
  static override readonly shown = { p: "float", sharpness_factor: "any" } as const;
  readonly sharpness_factor: number;

  constructor(sharpness_factor: number, ...rest: POptions) {
    super(layerArguments<{ p: number }>("RandomAdjustSharpness.__init__(float p=0.5)", rest).p);
    this.sharpness_factor = sharpness_factor;
  }

  override transform(image: ImageLike): ImageLike {
    return F.adjust_sharpness(image, this.sharpness_factor);
  }
}

type Range = readonly number[];

export interface ColorJitterOptions {
  /** A factor from [max(0, 1 − b), 1 + b], or from the given [least, greatest]. */
  readonly brightness?: number | Range | null;
  readonly contrast?: number | Range | null;
  readonly saturation?: number | Range | null;
  /** A part of the circle from [−h, h], or from the given [least, greatest]; at most 1/2. */
  readonly hue?: number | Range | null;
}

interface Factors {
  readonly brightness: number | null;
  readonly contrast: number | null;
  readonly saturation: number | null;
  readonly hue: number | null;
}

const ADJUST = {
  brightness: F.adjust_brightness,
  contrast: F.adjust_contrast,
  saturation: F.adjust_saturation,
  hue: F.adjust_hue,
} as const;
const NAMES = ["brightness", "contrast", "saturation", "hue"] as const;

function rangeOf(value: number | Range | null, name: string): Range | null {
  if (value === null) return null;
  const isHue = name === "hue";
  const center = isHue ? 0 : 1;
  const bound = isHue ? [-0.5, 0.5] : [0, Number.POSITIVE_INFINITY];
  let range: Range;
  if (typeof value === "number") {
    if (value < 0) throw new ValueError(`If ${name} is a single number, it must be non negative.`);
    range = [isHue ? -value : Math.max(center - value, 0), center + value];
  } else if (Array.isArray(value) && value.length === 2) range = [...value];
  else throw new TypeError(`${name}=${pythonRepr(value)} should be a single number or a sequence with length 2.`);
  const [low, high] = range;
  if (!(bound[0] <= low && low <= high && high <= bound[1])) {
    const text = isHue ? "(-0.5, 0.5)" : "(0, inf)";
    const list = range.map((v) => pythonRepr(pythonFloat(v))).join(", ");
    throw new ValueError(`${name} values should be between ${text} and increasing, but got [${list}].`);
  }
  return low === center && high === center ? null : range;
}

/** Random brightness, contrast, saturation and hue, in random order. */
export class ColorJitter extends Transform<Factors & { readonly order: readonly number[] }> {
  static override readonly shown = {
    brightness: "(float)",
    contrast: "(float)",
    saturation: "(float)",
    hue: "(float)",
  } as const;
  readonly brightness: Range | null;
  readonly contrast: Range | null;
  readonly saturation: Range | null;
  readonly hue: Range | null;

  constructor(
    ...args: Arguments<
      ColorJitterOptions,
      [],
      [
        brightness?: number | Range | null,
        contrast?: number | Range | null,
        saturation?: number | Range | null,
        hue?: number | Range | null,
      ]
    >
  ) {
    super();
    const o = layerArguments<ColorJitterOptions>(
      "ColorJitter.__init__(any? brightness=None, any? contrast=None, any? saturation=None, any? hue=None)",
      args,
    );
    this.brightness = rangeOf(o.brightness, "brightness");
    this.contrast = rangeOf(o.contrast, "contrast");
    this.saturation = rangeOf(o.saturation, "saturation");
    this.hue = rangeOf(o.hue, "hue");
  }

  override make_params(_flat?: readonly unknown[]): Factors & { readonly order: readonly number[] } {
    const order = randperm(4).tolist() as number[];
    const draw = (range: Range | null): number | null => (range === null ? null : uniform(range[0], range[1]));
    return {
      order,
      brightness: draw(this.brightness),
      contrast: draw(this.contrast),
      saturation: draw(this.saturation),
      hue: draw(this.hue),
    };
  }

  override transform(image: ImageLike, params: Factors & { readonly order: readonly number[] }): ImageLike {
    return params.order.reduce((x, i) => adjusted(x, NAMES[i], params), image);
  }
}

function adjusted(image: ImageLike, name: (typeof NAMES)[number], factors: Factors): ImageLike {
  const factor = factors[name];
  return factor === null ? image : ADJUST[name](image, factor);
}

/** The channels in random order. */
export class RandomChannelPermutation extends Transform<readonly number[]> {
  override make_params(flat: readonly unknown[]): readonly number[] {
    return randperm(query_chw(flat)[0]).tolist() as number[];
  }

  override transform(image: ImageLike, order: readonly number[]): ImageLike {
    return F.permute_channels(image, order);
  }
}

export interface PhotometricDistortOptions {
  /** Default [0.875, 1.125]. */
  readonly brightness?: Range;
  /** Default [0.5, 1.5]. */
  readonly contrast?: Range;
  /** Default [0.5, 1.5]. */
  readonly saturation?: Range;
  /** Default [-0.05, 0.05]. */
  readonly hue?: Range;
  /** The probability of each change. Default 0.5. */
  readonly p?: number;
}

interface Distortion extends Factors {
  readonly contrastFirst: boolean;
  readonly order: readonly number[] | null;
}

/** Each of brightness, contrast, saturation, hue and the order of channels changed with probability `p`. Liu et al., "SSD", 2016. */
export class RandomPhotometricDistort extends Transform<Distortion> {
  static override readonly shown = {
    brightness: "(float)",
    contrast: "(float)",
    hue: "(float)",
    saturation: "(float)",
    p: "float",
  } as const;
  readonly brightness: Range;
  readonly contrast: Range;
  readonly hue: Range;
  readonly saturation: Range;
  readonly p: number;

  constructor(
    ...args: Arguments<
      PhotometricDistortOptions,
      [],
      [brightness?: Range, contrast?: Range, saturation?: Range, hue?: Range, p?: number]
    >
  ) {
    super();
    const o = layerArguments<PhotometricDistortOptions>(
      "RandomPhotometricDistort.__init__(any? brightness=None, any? contrast=None, any? saturation=None, any? hue=None, float p=0.5)",
      args,
    );
    this.brightness = o.brightness ?? [0.875, 1.125];
    this.contrast = o.contrast ?? [0.5, 1.5];
    this.hue = o.hue ?? [-0.05, 0.05];
    this.saturation = o.saturation ?? [0.5, 1.5];
    this.p = o.p;
  }

  override make_params(flat: readonly unknown[]): Distortion {
    const [channels] = query_chw(flat);
    const draw = (range: Range): number | null => (chance(this.p) ? uniform(range[0], range[1]) : null);
    const [brightness, contrast] = [draw(this.brightness), draw(this.contrast)];
    const [saturation, hue] = [draw(this.saturation), draw(this.hue)];
    const contrastFirst = (rand([]).item() as number) < 0.5;
    const order = chance(this.p) ? (randperm(channels).tolist() as number[]) : null;
    return { brightness, contrast, saturation, hue, contrastFirst, order };
  }

  override transform(image: ImageLike, params: Distortion): ImageLike {
    const names: (typeof NAMES)[number][] = params.contrastFirst
      ? ["brightness", "contrast", "saturation", "hue"]
      : ["brightness", "saturation", "hue", "contrast"];
    const out = names.reduce((x, name) => adjusted(x, name, params), image);
    return params.order === null ? out : F.permute_channels(out, params.order);
  }
}

/** Blurred by a Gaussian of random width; `sigma` is [least, greatest], by default [0.1, 2], or one number. */
export class GaussianBlur extends Transform<number> {
  static override readonly shown = { kernel_size: "(any)", sigma: "[float]" } as const;
  readonly kernel_size: readonly number[];
  readonly sigma: Range;

  constructor(
    kernel_size: number | readonly number[],
    ...rest: Arguments<{ sigma: number | Range }, [], [sigma?: number | Range]>
  ) {
    super();
    const o = layerArguments<{ sigma: number | Range | null }>("GaussianBlur.__init__(any? sigma=None)", rest);
    this.kernel_size = imageSizes(kernel_size);
    if (this.kernel_size.some((n) => n % 2 !== 1)) {
      throw new ValueError("Kernel size value should be an odd and positive number.");
    }
    this.sigma = pairOf(o.sigma ?? [0.1, 2], "sigma");
    if (!(this.sigma[0] > 0 && this.sigma[0] <= this.sigma[1])) {
      const list = this.sigma.map((v) => pythonRepr(pythonFloat(v))).join(", ");
      throw new ValueError(`sigma values should be positive and of the form (min, max). Got [${list}]`);
    }
  }

  override make_params(_flat?: readonly unknown[]): number {
    return uniform(this.sigma[0], this.sigma[1]);
  }

  override transform(image: ImageLike, sigma: number): ImageLike {
    return gaussian_blur(image, this.kernel_size, [sigma, sigma]);
  }
}

/** @internal A number twice, or two. */
export function pairOf(value: number | readonly number[], name: string): readonly [number, number] {
  if (typeof value === "number") return [value, value];
  if (!Array.isArray(value)) throw new TypeError(`${name} should be a number or a sequence of numbers.`);
  if (value.length !== 1 && value.length !== 2) {
    throw new ValueError(`If ${name} is a sequence its length should be 1 or 2. Got ${value.length}`);
  }
  return [value[0], value[value.length - 1]];
}

/** Normal noise added to a tensor, of mean 0 and deviation 0.1 in units of the range of values; cut off unless `clip` is false. */
export class GaussianNoise extends Transform {
  static override readonly shown = { mean: "float", sigma: "float", clip: "any" } as const;
  readonly mean: number;
  readonly sigma: number;
  readonly clip: boolean;

  constructor(
    ...args: Arguments<
      { mean: number; sigma: number; clip: boolean },
      [],
      [mean?: number, sigma?: number, clip?: boolean]
    >
  ) {
    super();
    const o = layerArguments<{ mean: number; sigma: number; clip: boolean }>(
      "GaussianNoise.__init__(float mean=0.0, float sigma=0.1, bool clip=True)",
      args,
    );
    this.mean = o.mean;
    this.sigma = o.sigma;
    this.clip = o.clip;
  }

  override transform(image: Tensor): Tensor {
    return gaussian_noise(image, this.mean, this.sigma, this.clip);
  }
}
