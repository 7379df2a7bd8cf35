/** Random changes that others have found to help. They draw as torchvision's do. */
import { ValueError } from "../../errors.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { tensor } from "../../ops/from-values.ts";
import { rand, randint } from "../../ops/random.ts";
import { linspace } from "../../ops/ranges.ts";
import { pythonRepr } from "../../print/index.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { Image } from "../image.ts";
import { AutoAugmentPolicy, POLICIES, type PolicyStep } from "./auto-augment-policies.ts";
import { sampleDirichlet } from "./dirichlet.ts";
import * as color from "./functional/color.ts";
import { type Fill, get_size, type ImageLike, maximumOf, roundHalfEven } from "./functional/shared.ts";
import { pil_to_tensor, to_pil_image } from "./functional/values.ts";
import { affine, rotate } from "./functional/warp.ts";
import { checkFill } from "./geometry.ts";
import { checkInterpolation, type InterpolationMode } from "./interpolation.ts";
import { flatten, isImage, Transform, unflatten } from "./transform.ts";

export { AutoAugmentPolicy };

/** The strengths of a change, from nothing to most; null for a change without. */
type Magnitudes = (bins: number, height: number, width: number) => readonly number[] | null;
/** The changes, with whether half of the strengths are negative. */
type Space = Readonly<Record<string, readonly [magnitudes: Magnitudes, signed: boolean]>>;

const even = (start: number, end: number, bins: number): number[] => linspace(start, end, bins).tolist() as number[];
const upTo =
  (end: number): Magnitudes =>
  (bins) =>
    even(0, end, bins);
const none: Magnitudes = () => null;

/** Bits to keep: from `most` down, by `range` in all. */
function bitsFrom(most: number, range: number): Magnitudes {
  const f = Math.fround;
  return (bins) => Array.from({ length: bins }, (_, i) => roundHalfEven(f(most - f(i / f((bins - 1) / range)))));
}

const solarize: Magnitudes = (bins) => even(1, 0, bins);
/** Parts of the image of 331 pixels that AutoAugment was found with. */
const across: Magnitudes = (bins, _, width) => even(0, (150 / 331) * width, bins);
const down: Magnitudes = (bins, height) => even(0, (150 / 331) * height, bins);

function enhancements(most: number): Space {
  return {
    Brightness: [upTo(most), true],
    Color: [upTo(most), true],
    Contrast: [upTo(most), true],
    Sharpness: [upTo(most), true],
  };
}

const AUTO_AUGMENT: Space = {
  ShearX: [upTo(0.3), true],
  ShearY: [upTo(0.3), true],
  TranslateX: [across, true],
  TranslateY: [down, true],
  Rotate: [upTo(30), true],
  ...enhancements(0.9),
  Posterize: [bitsFrom(8, 4), false],
  Solarize: [solarize, false],
  AutoContrast: [none, false],
  Equalize: [none, false],
};
const RAND_AUGMENT: Space = { Identity: [none, false], ...AUTO_AUGMENT };
const TRIVIAL_AUGMENT: Space = {
  Identity: [none, false],
  ShearX: [upTo(0.99), true],
  ShearY: [upTo(0.99), true],
  TranslateX: [upTo(32), true],
  TranslateY: [upTo(32), true],
  Rotate: [upTo(135), true],
  ...enhancements(0.99),
  Posterize: [bitsFrom(8, 6), false],
  Solarize: [solarize, false],
  AutoContrast: [none, false],
  Equalize: [none, false],
};
const PARTIAL_AUG_MIX: Space = {
  ShearX: [upTo(0.3), true],
  ShearY: [upTo(0.3), true],
  TranslateX: [(bins, _, width) => even(0, width / 3, bins), true],
  TranslateY: [(bins, height) => even(0, height / 3, bins), true],
  Rotate: [upTo(30), true],
  Posterize: [bitsFrom(4, 4), false],
  Solarize: [solarize, false],
  AutoContrast: [none, false],
  Equalize: [none, false],
};
const AUG_MIX: Space = { ...PARTIAL_AUG_MIX, ...enhancements(0.9) };

const degrees = (slope: number): number => Math.atan(slope) * (180 / Math.PI);

/** One change of the given strength. */
function change(
  image: ImageLike,
  name: string,
  magnitude: number,
  interpolation: InterpolationMode,
  fill: Fill,
): ImageLike {
  const warp = { interpolation, fill };
  switch (name) {
    case "Identity":
      return image;
    case "ShearX":
      return affine(image, 0, [0, 0], 1, [degrees(magnitude), 0], { ...warp, center: [0, 0] });
    case "ShearY":
      return affine(image, 0, [0, 0], 1, [0, degrees(magnitude)], { ...warp, center: [0, 0] });
    case "TranslateX":
      return affine(image, 0, [Math.trunc(magnitude), 0], 1, [0, 0], warp);
    case "TranslateY":
      return affine(image, 0, [0, Math.trunc(magnitude)], 1, [0, 0], warp);
    case "Rotate":
      return rotate(image, magnitude, warp);
    case "Brightness":
      return color.adjust_brightness(image, 1 + magnitude);
    case "Color":
      return color.adjust_saturation(image, 1 + magnitude);
    case "Contrast":
      return color.adjust_contrast(image, 1 + magnitude);
    case "Sharpness":
      return color.adjust_sharpness(image, 1 + magnitude);
    case "Posterize":
      return color.posterize(image, Math.trunc(magnitude));
    case "Solarize":
      return color.solarize(image, (is_tensor(image) ? maximumOf(image.dtype) : 255) * magnitude);
    case "AutoContrast":
      return color.autocontrast(image);
    case "Equalize":
      return color.equalize(image);
    case "Invert":
      return color.invert(image);
    default:
      throw new ValueError(`No transform available for ${name}`);
  }
}

/** `torch.rand(()) <= p`. */
function happens(p: number): boolean {
  return (rand([]).item() as number) <= Math.fround(p);
}

/** `torch.randint(n, ())`. */
function pick(n: number): number {
  return randint(0, n, []).item() as number;
}

interface BaseOptions {
  /** How places between pixels are read. */
  readonly interpolation?: InterpolationMode;
  /** What is outside of the image. Default null, which is 0. */
  readonly fill?: Fill;
}

/** A transform of the one image of a sample. */
abstract class AutoAugmentBase extends Transform {
  readonly interpolation: InterpolationMode;
  readonly fill: Fill;

  constructor(o: Required<BaseOptions>) {
    super();
    this.interpolation = checkInterpolation(o.interpolation);
    this.fill = checkFill(o.fill);
  }

  override forward(...inputs: unknown[]): unknown {
    const sample = inputs.length > 1 ? inputs : inputs[0];
    const flat = flatten(sample);
    const chosen = this.chooseLeaves(flat);
    const images = flat.filter((leaf, i) => chosen[i] && isImage(leaf)) as ImageLike[];
    if (images.length === 0) throw new TypeError("Found no image in the sample.");
    if (images.length > 1) {
      throw new TypeError(
        `Auto augment transformations are only properly defined for a single image or video, but found ${images.length}.`,
      );
    }
    const out = this.augment(images[0]);
    return unflatten(
      sample,
      flat.map((leaf, i) => (chosen[i] ? out : leaf)),
    );
  }

  protected abstract augment(image: ImageLike): ImageLike;

  /** A change whose strength is number `index()` of its strengths; half of the time the other way where that makes sense. */
  protected strengthened(
    image: ImageLike,
    name: string,
    [magnitudes, signed]: Space[string],
    bins: number,
    index: () => number,
    [height, width]: readonly [number, number],
  ): ImageLike {
    const all = magnitudes(bins, height, width);
    let magnitude = 0;
    if (all !== null) {
      magnitude = all[index()];
      if (signed && happens(0.5)) magnitude *= -1;
    }
    return change(image, name, magnitude, this.interpolation, this.fill);
  }
}

function pickFrom(space: Space): [name: string, entry: Space[string]] {
  const entries = Object.entries(space);
  return entries[pick(entries.length)];
}

export interface AutoAugmentOptions extends BaseOptions {
  /** Default "imagenet". */
  readonly policy?: AutoAugmentPolicy;
}

/** Two changes of a policy that was learned on a data set. Cubuk et al., 2018. */
export class AutoAugment extends AutoAugmentBase {
  static override readonly shown = { interpolation: "interpolation", fill: "(any)", policy: "policy" } as const;
  readonly policy: AutoAugmentPolicy;

  constructor(
    ...args: Arguments<
      AutoAugmentOptions,
      [],
      [policy?: AutoAugmentPolicy, interpolation?: InterpolationMode, fill?: Fill]
    >
  ) {
    const o = layerArguments<AutoAugmentOptions>(
      'AutoAugment.__init__(str policy="imagenet", any? interpolation="nearest", any? fill=None)',
      args,
    );
    super(o);
    if (POLICIES[o.policy] === undefined) throw new ValueError(`The provided policy ${o.policy} is not recognized.`);
    this.policy = o.policy;
  }

  protected override augment(image: ImageLike): ImageLike {
    const size = get_size(image);
    const policies = POLICIES[this.policy];
    let out = image;
    for (const [name, probability, index] of policies[pick(policies.length)] as readonly PolicyStep[]) {
      if (!happens(probability)) continue;
      const entry = name === "Invert" ? ([none, false] as const) : AUTO_AUGMENT[name];
      out = this.strengthened(out, name, entry, 10, () => index ?? 0, size);
    }
    return out;
  }
}

export interface RandAugmentOptions extends BaseOptions {
  /** How many changes. Default 2. */
  readonly num_ops?: number;
  /** Their strength. Default 9. */
  readonly magnitude?: number;
  /** How many strengths there are. Default 31. */
  readonly num_magnitude_bins?: number;
}

/** A few random changes of the same strength. Cubuk et al., 2019. */
export class RandAugment extends AutoAugmentBase {
  static override readonly shown = {
    interpolation: "interpolation",
    fill: "(any)",
    num_ops: "any",
    magnitude: "any",
    num_magnitude_bins: "any",
  } as const;
  readonly num_ops: number;
  readonly magnitude: number;
  readonly num_magnitude_bins: number;

  constructor(
    ...args: Arguments<
      RandAugmentOptions,
      [],
      [
        num_ops?: number,
        magnitude?: number,
        num_magnitude_bins?: number,
        interpolation?: InterpolationMode,
        fill?: Fill,
      ]
    >
  ) {
    const o = layerArguments<RandAugmentOptions>(
      'RandAugment.__init__(int num_ops=2, int magnitude=9, int num_magnitude_bins=31, any? interpolation="nearest", any? fill=None)',
      args,
    );
    super(o);
    if (o.num_ops < 0) {
      throw new ValueError(`num_ops should be a non-negative integer, but got ${pythonRepr(o.num_ops)} instead.`);
    }
    this.num_ops = o.num_ops;
    this.magnitude = o.magnitude;
    this.num_magnitude_bins = o.num_magnitude_bins;
  }

  protected override augment(image: ImageLike): ImageLike {
    const size = get_size(image);
    let out = image;
    for (let i = 0; i < this.num_ops; i++) {
      const [name, entry] = pickFrom(RAND_AUGMENT);
      out = this.strengthened(out, name, entry, this.num_magnitude_bins, () => this.magnitude, size);
    }
    return out;
  }
}

export interface TrivialAugmentOptions extends BaseOptions {
  /** How many strengths there are. Default 31. */
  readonly num_magnitude_bins?: number;
}

/** One random change of random strength. Müller and Hutter, 2021. */
export class TrivialAugmentWide extends AutoAugmentBase {
  static override readonly shown = {
    interpolation: "interpolation",
    fill: "(any)",
    num_magnitude_bins: "any",
  } as const;
  readonly num_magnitude_bins: number;

  constructor(
    ...args: Arguments<
      TrivialAugmentOptions,
      [],
      [num_magnitude_bins?: number, interpolation?: InterpolationMode, fill?: Fill]
    >
  ) {
    const o = layerArguments<TrivialAugmentOptions>(
      'TrivialAugmentWide.__init__(int num_magnitude_bins=31, any? interpolation="nearest", any? fill=None)',
      args,
    );
    super(o);
    this.num_magnitude_bins = o.num_magnitude_bins;
  }

  protected override augment(image: ImageLike): ImageLike {
    const [name, entry] = pickFrom(TRIVIAL_AUGMENT);
    const bins = this.num_magnitude_bins;
    return this.strengthened(image, name, entry, bins, () => pick(bins), get_size(image));
  }
}

export interface AugMixOptions extends BaseOptions {
  /** The greatest strength, from 1 to 10. Default 3. */
  readonly severity?: number;
  /** How many chains of changes are mixed. Default 3. */
  readonly mixture_width?: number;
  /** How many changes are in a chain; 1 to 3 at random if not positive. Default -1. */
  readonly chain_depth?: number;
  /** The parameter of the distributions of weights. Default 1. */
  readonly alpha?: number;
  /** Change brightness, contrast, colour and sharpness too. Default true. */
  readonly all_ops?: boolean;
}

/** The greatest strength. */
const STRENGTHS = 10;

/** A mixture of the image and of chains of random changes of it. Hendrycks et al., 2019. */
export class AugMix extends AutoAugmentBase {
  static override readonly shown = {
    interpolation: "interpolation",
    fill: "(any)",
    severity: "any",
    mixture_width: "any",
    chain_depth: "any",
    alpha: "float",
    all_ops: "any",
  } as const;
  readonly severity: number;
  readonly mixture_width: number;
  readonly chain_depth: number;
  readonly alpha: number;
  readonly all_ops: boolean;

  constructor(
    ...args: Arguments<
      AugMixOptions,
      [],
      [
        severity?: number,
        mixture_width?: number,
        chain_depth?: number,
        alpha?: number,
        all_ops?: boolean,
        interpolation?: InterpolationMode,
        fill?: Fill,
      ]
    >
  ) {
    const o = layerArguments<AugMixOptions>(
      'AugMix.__init__(int severity=3, int mixture_width=3, int chain_depth=-1, float alpha=1.0, bool all_ops=True, any? interpolation="bilinear", any? fill=None)',
      args,
    );
    super(o);
    if (!(o.severity >= 1 && o.severity <= STRENGTHS)) {
      throw new ValueError(`The severity must be between [1, ${STRENGTHS}]. Got ${o.severity} instead.`);
    }
    this.severity = o.severity;
    this.mixture_width = o.mixture_width;
    this.chain_depth = o.chain_depth;
    this.alpha = o.alpha;
    this.all_ops = o.all_ops;
  }

  protected override augment(image: ImageLike): ImageLike {
    const x = image instanceof Image ? pil_to_tensor(image) : image;
    const mixed = this.mix(x.ndim < 4 ? x.reshape([...Array<number>(4 - x.ndim).fill(1), ...x.shape]) : x, get_size(x));
    const out = mixed.reshape([...x.shape]).to(x.dtype);
    return image instanceof Image ? to_pil_image(out) : out;
  }

  private mix(batch: Tensor, size: readonly [number, number]): Tensor {
    const f = Math.fround;
    const space = this.all_ops ? AUG_MIX : PARTIAL_AUG_MIX;
    const count = batch.size(0);
    const draws = (n: number): number[][] =>
      Array.from({ length: count }, () => sampleDirichlet(Array<number>(n).fill(this.alpha)));
    const shares = draws(2);
    const weights = draws(this.mixture_width).map((row, i) => row.map((w) => f(w * shares[i][1])));
    const weighted = (values: readonly number[], x: Tensor): Tensor =>
      tensor(Float32Array.from(values)).view(-1, 1, 1, 1).mul(x);
    const mix = weighted(
      shares.map((s) => s[0]),
      batch,
    );
    for (let i = 0; i < this.mixture_width; i++) {
      let chain: ImageLike = batch;
      const depth = this.chain_depth > 0 ? this.chain_depth : (randint(1, 4, [1]).item() as number);
      for (let k = 0; k < depth; k++) {
        const [name, entry] = pickFrom(space);
        chain = this.strengthened(chain, name, entry, STRENGTHS, () => pick(this.severity), size);
      }
      mix.add_(
        weighted(
          weights.map((w) => w[i]),
          chain as Tensor,
        ),
      );
    }
    return mix;
  }
}
