/** Transforms that turn and bend. They draw as torchvision's do. */
import { ValueError } from "../../errors.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { cat } from "../../ops/joining.ts";
import { rand } from "../../ops/random.ts";
import type { Tensor } from "../../tensor.ts";
import { pairOf } from "./color.ts";
import { gaussian_blur } from "./functional/filters.ts";
import { type Fill, type ImageLike, roundHalfEven } from "./functional/shared.ts";
import { affine, elastic, perspective, perspectiveCoefficients, rotate } from "./functional/warp.ts";
import { checkFill } from "./geometry.ts";
import { checkInterpolation, type InterpolationMode } from "./interpolation.ts";
import { query_size, RandomApplyTransform, randomInt, Transform, uniform } from "./transform.ts";

type Range = readonly number[];

function checkLength(value: unknown, name: string, lengths: readonly number[]): void {
  const message = `${name} should be a sequence of length ${lengths.join(" or ")}.`;
  if (!Array.isArray(value)) throw new TypeError(message);
  if (!lengths.includes(value.length)) throw new ValueError(message);
}

/** Degrees: [−d, d] for a number. */
function angles(value: number | Range, name: string, lengths: readonly number[] = [2]): Range {
  if (typeof value !== "number") {
    checkLength(value, name, lengths);
    return [...value];
  }
  if (value < 0) throw new ValueError(`If ${name} is a single number, it must be positive.`);
  return [-value, value];
}

export interface RandomRotationOptions {
  /** "nearest" (default) or "bilinear"; for pictures also "bicubic". */
  readonly interpolation?: InterpolationMode;
  /** Make the result so large that nothing is cut off. Default false. */
  readonly expand?: boolean;
  /** x and y. Default: the middle. */
  readonly center?: Range | null;
  /** Default 0. */
  readonly fill?: Fill;
}

/** Turned by a random angle of [−degrees, degrees], or of the given [least, greatest]. */
export class RandomRotation extends Transform<number> {
  static override readonly shown = {
    degrees: "[float]",
    interpolation: "interpolation",
    expand: "any",
    fill: "(any)",
    center: "(any)",
  } as const;
  readonly degrees: Range;
  readonly interpolation: InterpolationMode;
  readonly expand: boolean;
  readonly fill: Fill;
  readonly center: Range | null;

  constructor(
    degrees: number | Range,
    ...rest: Arguments<
      RandomRotationOptions,
      [],
      [interpolation?: InterpolationMode, expand?: boolean, center?: Range | null, fill?: Fill]
    >
  ) {
    super();
    const o = layerArguments<RandomRotationOptions>(
      'RandomRotation.__init__(any? interpolation="nearest", bool expand=False, any? center=None, any? fill=0)',
      rest,
    );
    this.degrees = angles(degrees, "degrees");
    this.interpolation = checkInterpolation(o.interpolation);
    this.expand = o.expand;
    this.fill = checkFill(o.fill);
    if (o.center !== null) checkLength(o.center, "center", [2]);
    this.center = o.center;
  }

  override make_params(_flat?: readonly unknown[]): number {
    return uniform(this.degrees[0], this.degrees[1]);
  }

  override transform(image: ImageLike, angle: number): ImageLike {
    const { interpolation, expand, center, fill } = this;
    return rotate(image, angle, { interpolation, expand, center, fill });
  }
}

export interface RandomAffineOptions {
  /** The greatest moves along x and y, as parts of the width and height. */
  readonly translate?: Range | null;
  /** Least and greatest scale. */
  readonly scale?: Range | null;
  /** Degrees along x: [−s, s] for a number, [least, greatest], or both for x and y. */
  readonly shear?: number | Range | null;
  /** "nearest" (default) or "bilinear"; for pictures also "bicubic". */
  readonly interpolation?: InterpolationMode;
  /** Default 0. */
  readonly fill?: Fill;
  /** x and y. Default: the middle. */
  readonly center?: Range | null;
}

interface AffineParams {
  readonly angle: number;
  readonly translate: Range;
  readonly scale: number;
  readonly shear: Range;
}

/** Turned, moved, scaled and sheared at random about the centre. */
export class RandomAffine extends Transform<AffineParams> {
  static override readonly shown = {
    degrees: "[float]",
    translate: "(float)",
    scale: "(float)",
    shear: "[float]",
    interpolation: "interpolation",
    fill: "(any)",
    center: "(any)",
  } as const;
  readonly degrees: Range;
  readonly translate: Range | null;
  readonly scale: Range | null;
  readonly shear: Range | null;
  readonly interpolation: InterpolationMode;
  readonly fill: Fill;
  readonly center: Range | null;

  constructor(
    degrees: number | Range,
    ...rest: Arguments<
      RandomAffineOptions,
      [],
      [
        translate?: Range | null,
        scale?: Range | null,
        shear?: number | Range | null,
        interpolation?: InterpolationMode,
        fill?: Fill,
        center?: Range | null,
      ]
    >
  ) {
    super();
    const o = layerArguments<RandomAffineOptions>(
      'RandomAffine.__init__(any? translate=None, any? scale=None, any? shear=None, any? interpolation="nearest", any? fill=0, any? center=None)',
      rest,
    );
    this.degrees = angles(degrees, "degrees");
    if (o.translate !== null) {
      checkLength(o.translate, "translate", [2]);
      if (o.translate.some((t) => !(t >= 0 && t <= 1))) {
        throw new ValueError("translation values should be between 0 and 1");
      }
    }
    this.translate = o.translate;
    if (o.scale !== null) {
      checkLength(o.scale, "scale", [2]);
      if (o.scale.some((s) => s <= 0)) throw new ValueError("scale values should be positive");
    }
    this.scale = o.scale;
    this.shear = o.shear === null ? null : angles(o.shear, "shear", [2, 4]);
    this.interpolation = checkInterpolation(o.interpolation);
    this.fill = checkFill(o.fill);
    if (o.center !== null) checkLength(o.center, "center", [2]);
    this.center = o.center;
  }

  override make_params(flat: readonly unknown[]): AffineParams {
    const [height, width] = query_size(flat);
    const angle = uniform(this.degrees[0], this.degrees[1]);
    const move = (part: number, size: number): number => roundHalfEven(uniform(-part * size, part * size));
    const translate = this.translate ? [move(this.translate[0], width), move(this.translate[1], height)] : [0, 0];
    const scale = this.scale === null ? 1 : uniform(this.scale[0], this.scale[1]);
    const shear = [0, 0];
    if (this.shear !== null) {
      shear[0] = uniform(this.shear[0], this.shear[1]);
      if (this.shear.length === 4) shear[1] = uniform(this.shear[2], this.shear[3]);
    }
    return { angle, translate, scale, shear };
  }

  override transform(image: ImageLike, { angle, translate, scale, shear }: AffineParams): ImageLike {
    const { interpolation, fill, center } = this;
    return affine(image, angle, translate, scale, shear, { interpolation, fill, center });
  }
}

export interface RandomPerspectiveOptions {
  /** How far the corners move at most, from 0 to 1 (the middle). Default 0.5. */
  readonly distortion_scale?: number;
  /** Default 0.5. */
  readonly p?: number;
  /** Default "bilinear". */
  readonly interpolation?: InterpolationMode;
  /** Default 0. */
  readonly fill?: Fill;
}

/** Seen from a random place, with probability `p`. */
export class RandomPerspective extends RandomApplyTransform<readonly number[]> {
  static override readonly shown = {
    p: "float",
    distortion_scale: "float",
    interpolation: "interpolation",
    fill: "(any)",
  } as const;
  readonly distortion_scale: number;
  readonly interpolation: InterpolationMode;
  readonly fill: Fill;

  constructor(
    ...args: Arguments<
      RandomPerspectiveOptions,
      [],
      [distortion_scale?: number, p?: number, interpolation?: InterpolationMode, fill?: Fill]
    >
  ) {
    const o = layerArguments<RandomPerspectiveOptions>(
      'RandomPerspective.__init__(float distortion_scale=0.5, float p=0.5, any? interpolation="bilinear", any? fill=0)',
      args,
    );
    super(o.p);
    if (!(o.distortion_scale >= 0 && o.distortion_scale <= 1)) {
      throw new ValueError("Argument distortion_scale value should be between 0 and 1");
    }
    this.distortion_scale = o.distortion_scale;
    this.interpolation = checkInterpolation(o.interpolation);
    this.fill = checkFill(o.fill);
  }

  override make_params(flat: readonly unknown[]): readonly number[] {
    const [height, width] = query_size(flat);
    const bound = (size: number): number => Math.trunc(this.distortion_scale * Math.floor(size / 2)) + 1;
    const [down, across] = [bound(height), bound(width)];
    const left = (): number => randomInt(0, across);
    const right = (): number => randomInt(width - across, width);
    const top = (): number => randomInt(0, down);
    const bottom = (): number => randomInt(height - down, height);
    const ends = [
      [left(), top()],
      [right(), top()],
      [right(), bottom()],
      [left(), bottom()],
    ];
    const starts = [
      [0, 0],
      [width - 1, 0],
      [width - 1, height - 1],
      [0, height - 1],
    ];
    return perspectiveCoefficients(starts, ends);
  }

  override transform(image: ImageLike, coefficients: readonly number[]): ImageLike {
    const { interpolation, fill } = this;
    return perspective(image, null, null, { interpolation, fill, coefficients });
  }
}

export interface ElasticTransformOptions {
  /** How far pixels move; one number or [along x, along y]. Default 50. */
  readonly alpha?: number | Range;
  /** How smooth the moves are. Default 5. */
  readonly sigma?: number | Range;
  /** Default "bilinear". */
  readonly interpolation?: InterpolationMode;
  /** Default 0. */
  readonly fill?: Fill;
}

/** Every pixel moved at random, neighbours alike. Simard et al., 2003. */
export class ElasticTransform extends Transform<Tensor> {
  static override readonly shown = {
    alpha: "[float]",
    sigma: "[float]",
    interpolation: "interpolation",
    fill: "(any)",
  } as const;
  readonly alpha: Range;
  readonly sigma: Range;
  readonly interpolation: InterpolationMode;
  readonly fill: Fill;

  constructor(
    ...args: Arguments<
      ElasticTransformOptions,
      [],
      [alpha?: number | Range, sigma?: number | Range, interpolation?: InterpolationMode, fill?: Fill]
    >
  ) {
    super();
    const o = layerArguments<ElasticTransformOptions>(
      'ElasticTransform.__init__(any? alpha=50, any? sigma=5, any? interpolation="bilinear", any? fill=0)',
      args,
    );
    this.alpha = pairOf(o.alpha, "alpha");
    this.sigma = pairOf(o.sigma, "sigma");
    this.interpolation = checkInterpolation(o.interpolation);
    this.fill = checkFill(o.fill);
  }

  override make_params(flat: readonly unknown[]): Tensor {
    const [height, width] = query_size(flat);
    const moves = (axis: 0 | 1, size: number): Tensor => {
      let d = rand([1, 1, height, width]).mul(2).sub(1);
      if (this.sigma[axis] > 0) {
        const taps = Math.trunc(8 * this.sigma[axis] + 1);
        const odd = taps % 2 === 0 ? taps + 1 : taps;
        d = gaussian_blur(d, [odd, odd], this.sigma);
      }
      return d.mul(this.alpha[axis]).div(size);
    };
    const dx = moves(0, width);
    return cat([dx, moves(1, height)], 1).permute(0, 2, 3, 1);
  }

  override transform(image: ImageLike, displacement: Tensor): ImageLike {
    const { interpolation, fill } = this;
    return elastic(image, displacement, { interpolation, fill });
  }
}
