/** Changes of colour. Pictures change as Pillow changes them, tensors (…, 1 or 3, H, W) by torchvision's formulas. */
import { float32, float64, int32, int64, uint8 } from "../../../dtype.ts";
import { ValueError } from "../../../errors.ts";
import { conv2d } from "../../../ops/convolution.ts";
import { new_zeros } from "../../../ops/creation-methods.ts";
import { aminmax } from "../../../ops/extrema.ts";
import { tensor } from "../../../ops/from-values.ts";
import { cat, stack } from "../../../ops/joining.ts";
import { where } from "../../../ops/selection.ts";
import { pythonFloat, pythonRepr } from "../../../print/index.ts";
import { is_tensor, type Tensor } from "../../../tensor.ts";
import type { Image } from "../../image.ts";
import * as pil from "../pil/enhance.ts";
import { dispatchImage, type ImageLike, maximumOf, valueBits } from "./shared.ts";
import { pil_to_tensor, to_dtype, to_pil_image } from "./values.ts";

function requireChannels(image: Tensor): number {
  const channels = image.ndim < 3 ? 1 : image.size(-3);
  if (channels !== 1 && channels !== 3) {
    throw new TypeError(`Input image tensor permitted channel values are 1 or 3, but found ${channels}`);
  }
  return channels;
}

function requireFactor(name: string, factor: number): void {
  if (!(factor >= 0)) throw new ValueError(`${name} (${pythonRepr(pythonFloat(factor))}) is not non-negative.`);
}

/** Back to the dtype of `like`, where that holds whole numbers. */
function as(like: Tensor, result: Tensor): Tensor {
  return like.is_floating_point() ? result : result.to(like.dtype);
}

/**
 * `x + factor · y` in floats. PyTorch rounds it once. Where the result is to be a whole number a second rounding could be
 * seen, so there it is computed in double precision, which holds the product of two floats exactly.
 */
function addScaled(x: Tensor, y: Tensor, factor: number, isWhole: boolean): Tensor {
  if (!isWhole) return x.add(y, { alpha: factor });
  return x
    .to(float64)
    .add(y.to(float64).mul(tensor(Math.fround(factor), { dtype: float64 })))
    .to(float32);
}

/** Luma of (…, 3, H, W) in floats. */
function lumaOf(image: Tensor): Tensor {
  const [red, green, blue] = image.unbind(-3);
  const isWhole = !image.is_floating_point();
  const first = addScaled(red.mul(0.2989), green, 0.587, isWhole);
  return addScaled(first, blue, 0.114, isWhole).unsqueeze(-3);
}

/** Luma, rounded down where the image holds whole numbers. */
function flooredLuma(image: Tensor): Tensor {
  return image.is_floating_point() ? lumaOf(image) : lumaOf(image).floor_();
}

/** Grey, in 1 or 3 channels. */
export function rgb_to_grayscale<T extends ImageLike>(
  image: T,
  channels: 1 | 3 | { num_output_channels?: 1 | 3 } = 1,
): T {
  const count = typeof channels === "number" ? channels : (channels.num_output_channels ?? 1);
  if (count !== 1 && count !== 3) throw new ValueError(`num_output_channels must be 1 or 3, got ${pythonRepr(count)}.`);
  return dispatchImage(
    "rgb_to_grayscale",
    image,
    (x) => pil.grayscale(x, count),
    (x) => grayTensor(x, count),
  );
}
export { rgb_to_grayscale as to_grayscale };

function grayTensor(image: Tensor, channels: 1 | 3): Tensor {
  if (image.size(-3) === 1) return channels === 1 ? image.clone() : cat([image, image, image], -3);
  const grey = lumaOf(image).to(image.dtype);
  return channels === 3 ? grey.expand(image.shape) : grey;
}

/** One channel as three equal ones; colours stay as they are. */
export function grayscale_to_rgb<T extends ImageLike>(image: T): T {
  return dispatchImage(
    "grayscale_to_rgb",
    image,
    (x) => x.convert("RGB"),
    (x) => (x.size(-3) >= 3 ? x : grayTensor(x, 3)),
  );
}

/** `ratio · image + (1 − ratio) · other`, cut off at the range of the dtype. */
function blend(image: Tensor, other: Tensor, ratio: number): Tensor {
  const sum = addScaled(image.mul(asFloat(image, ratio)), other, 1 - ratio, !image.is_floating_point());
  return as(image, sum.clamp_(0, maximumOf(image.dtype)));
}

/** A factor that makes whole numbers floats, also where it is itself a whole number. */
function asFloat(image: Tensor, factor: number): Tensor {
  return tensor(factor, { dtype: image.is_floating_point() ? image.dtype : float32 });
}

/** Brightness times `brightness_factor`: 0 is black, 1 the image. */
export function adjust_brightness<T extends ImageLike>(image: T, brightness_factor: number): T {
  return dispatchImage(
    "adjust_brightness",
    image,
    (x) => pil.brightness(x, brightness_factor),
    (x) => {
      requireFactor("brightness_factor", brightness_factor);
      requireChannels(x);
      return as(x, x.mul(asFloat(x, brightness_factor)).clamp_(0, maximumOf(x.dtype)));
    },
  );
}

/** Between the grey image (0) and the image (1), and beyond. */
export function adjust_saturation<T extends ImageLike>(image: T, saturation_factor: number): T {
  return dispatchImage(
    "adjust_saturation",
    image,
    (x) => pil.color(x, saturation_factor),
    (x) => {
      requireFactor("saturation_factor", saturation_factor);
      return requireChannels(x) === 1 ? x : blend(x, flooredLuma(x), saturation_factor);
    },
  );
}

/** Between the mean grey (0) and the image (1), and beyond. */
export function adjust_contrast<T extends ImageLike>(image: T, contrast_factor: number): T {
  return dispatchImage(
    "adjust_contrast",
    image,
    (x) => pil.contrast(x, contrast_factor),
    (x) => {
      requireFactor("contrast_factor", contrast_factor);
      const grey = requireChannels(x) === 3 ? flooredLuma(x) : x.is_floating_point() ? x : x.to(float32);
      return blend(x, grey.mean(x.ndim < 3 ? [-2, -1] : [-3, -2, -1], true), contrast_factor);
    },
  );
}

/** Between a smoothed image (0) and the image (1), and beyond. */
export function adjust_sharpness<T extends ImageLike>(image: T, sharpness_factor: number): T {
  return dispatchImage(
    "adjust_sharpness",
    image,
    (x) => pil.sharpness(x, sharpness_factor),
    (x) => sharpenTensor(x, sharpness_factor),
  );
}

function sharpenTensor(image: Tensor, factor: number): Tensor {
  requireChannels(image);
  requireFactor("sharpness_factor", factor);
  const [height, width] = image.shape.slice(-2);
  if (image.numel() === 0 || height <= 2 || width <= 2) return image;
  const isFloat = image.is_floating_point();
  const out = isFloat ? image.clone() : image.to(float32);
  const [a, b] = [1 / 13, 5 / 13];
  const kernel = tensor([a, a, a, a, b, a, a, a, a], { dtype: out.dtype }).view(1, 1, 3, 3);
  // Every channel by itself: all planes are images of one channel.
  const smooth = conv2d(out.reshape([-1, 1, height, width]), kernel);
  const middle = out.narrow(-2, 1, height - 2).narrow(-1, 1, width - 2);
  const blurred = (isFloat ? smooth : smooth.round_()).reshape(middle.shape);
  middle.copy_(addScaled(middle, blurred.sub(middle), 1 - factor, !isFloat));
  return as(image, out.clamp_(0, maximumOf(image.dtype)));
}

/** Turns hues by `hue_factor` of the circle, from -1/2 to 1/2. */
export function adjust_hue<T extends ImageLike>(image: T, hue_factor: number): T {
  if (!(hue_factor >= -0.5 && hue_factor <= 0.5)) {
    throw new ValueError(`hue_factor (${pythonRepr(hue_factor)}) is not in [-0.5, 0.5].`);
  }
  return dispatchImage(
    "adjust_hue",
    image,
    (x) => pil.hue(x, hue_factor),
    (x) => {
      if (requireChannels(x) === 1 || x.numel() === 0) return x;
      const [h, s, v] = rgbToHsv(to_dtype(x, float32, true));
      return to_dtype(hsvToRgb(h.add_(hue_factor).remainder(1), s, v), x.dtype, true);
    },
  );
}

/** Hue, saturation and value in [0, 1]. */
function rgbToHsv(image: Tensor): [Tensor, Tensor, Tensor] {
  const [red, green] = image.unbind(-3);
  const [min, max] = aminmax(image, { dim: -3 });
  const isGrey = max.eq(min);
  const range = max.sub(min);
  const one = tensor(1, { dtype: image.dtype });
  const saturation = range.div(where(isGrey, one, max));
  const divisor = where(isGrey, one, range).unsqueeze(-3);
  const [rc, gc, bc] = max.unsqueeze(-3).sub(image).div(divisor).unbind(-3);
  const isRed = max.eq(red);
  const isGreen = max.eq(green).logical_and(isRed.logical_not());
  const isBlue = isRed.logical_or(isGreen).logical_not();
  const hue = bc.sub(gc).mul(isRed).add(rc.add(2).sub(bc).mul(isGreen)).add(gc.add(4).sub(rc).mul(isBlue));
  return [
    hue
      .mul(1 / 6)
      .add(1)
      .fmod(1),
    saturation,
    max,
  ];
}

/** Which of value, p, q and t is red, green and blue in each sixth of the circle. */
const SECTORS = [
  [0, 2, 1, 1, 3, 0],
  [3, 0, 0, 2, 1, 1],
  [1, 1, 3, 0, 0, 2],
];

function hsvToRgb(h: Tensor, s: Tensor, v: Tensor): Tensor {
  const h6 = h.mul(6);
  const floor = h6.floor();
  const f = h6.sub(floor);
  const sf = s.mul(f);
  const rest = s.neg().add(1);
  const q = sf.neg().add(1).mul(v).clamp(0, 1);
  const t = sf.add(rest).mul(v).clamp(0, 1);
  const p = rest.mul(v).clamp(0, 1);
  const sector = floor.to(int32).remainder(6).to(int64);
  const choice = tensor(SECTORS)
    .index_select(1, sector.flatten())
    .view([3, ...sector.shape]);
  const places = choice.movedim(0, -3).contiguous();
  return stack([v, p, q, t], -3).gather(-3, places);
}

/** `gain · image^gamma`, of values in [0, 1]. */
export function adjust_gamma<T extends ImageLike>(image: T, gamma: number, gain: number | { gain?: number } = 1): T {
  if (!(gamma >= 0)) throw new ValueError("Gamma should be a non-negative real number");
  const factor = typeof gain === "number" ? gain : (gain.gain ?? 1);
  return dispatchImage(
    "adjust_gamma",
    image,
    (x) => pil.gamma(x, gamma, factor),
    (x) => {
      const floats = x.is_floating_point() ? x : to_dtype(x, float32, true);
      const out = floats.pow(gamma);
      return to_dtype(factor === 1 ? out : out.mul_(factor).clamp_(0, 1), x.dtype, true);
    },
  );
}

/** Keeps the first `bits` bits of each value. */
export function posterize<T extends ImageLike>(image: T, bits: number): T {
  return dispatchImage(
    "posterize",
    image,
    (x) => pil.posterize(x, bits),
    (x) => {
      if (!Number.isInteger(bits) || bits < 0 || bits > 8) {
        throw new TypeError(`bits must be a positive integer in the range [0, 8], got ${pythonRepr(bits)} instead.`);
      }
      if (x.is_floating_point()) {
        const levels = 2 ** bits;
        return x
          .mul(levels)
          .floor_()
          .clamp_(0, levels - 1)
          .mul_(1 / levels);
      }
      const all = valueBits(x.dtype);
      return bits >= all ? x : x.bitwise_and((2 ** bits - 1) * 2 ** (all - bits));
    },
  );
}

/** Inverts values from `threshold` on. */
export function solarize<T extends ImageLike>(image: T, threshold: number): T {
  return dispatchImage(
    "solarize",
    image,
    (x) => pil.solarize(x, threshold),
    (x) => {
      if (threshold > maximumOf(x.dtype)) {
        throw new TypeError(
          `Threshold should be less or equal the maximum value of the dtype, but got ${pythonRepr(threshold)}`,
        );
      }
      return where(x.ge(threshold), invertTensor(x), x);
    },
  );
}

/** Bright for dark, each channel. */
export function invert<T extends ImageLike>(image: T): T {
  return dispatchImage("invert", image, pil.invert, invertTensor);
}

function invertTensor(image: Tensor): Tensor {
  if (image.is_floating_point()) return image.neg().add_(1);
  if (image.dtype === uint8) return image.bitwise_not();
  return image.bitwise_xor(2 ** valueBits(image.dtype) - 1);
}

/** Stretches each channel to the whole range. */
export function autocontrast<T extends ImageLike>(image: T): T {
  return dispatchImage("autocontrast", image, pil.autocontrast, (x) => {
    requireChannels(x);
    if (x.numel() === 0) return x;
    const bound = maximumOf(x.dtype);
    const floats = x.is_floating_point() ? x : x.to(float32);
    const min = floats.amin([-2, -1], true);
    const max = floats.amax([-2, -1], true);
    const isFlat = max.eq(min);
    const scale = where(isFlat, tensor(1, { dtype: floats.dtype }), max.sub(min).mul(1 / bound));
    const low = where(isFlat, tensor(0, { dtype: floats.dtype }), min);
    return floats.sub(low).div_(scale).clamp_(0, bound).to(x.dtype);
  });
}

/** Makes the histogram of each channel as flat as may be. */
export function equalize<T extends ImageLike>(image: T): T {
  return dispatchImage("equalize", image, pil.equalize, (x) => {
    if (x.numel() === 0) return x;
    return to_dtype(equalizeBytes(to_dtype(x, uint8, true)), x.dtype, true);
  });
}

function equalizeBytes(image: Tensor): Tensor {
  const lead = image.shape.slice(0, -2);
  const flat = image.flatten(-2).to(int64);
  const counts = new_zeros(flat, [...lead, 256], { dtype: int32 });
  const histogram = counts.scatter_add(-1, flat, counts.new_ones([1]).expand(flat.shape));
  const sums = histogram.cumsum(-1, { dtype: int32 });
  const last = sums.argmax(-1, true);
  const step = histogram.gather(-1, last).neg().add(flat.size(-1)).div(255, { rounding_mode: "floor" });
  const table = sums
    .narrow(-1, 0, 255)
    .add(step.div(2, { rounding_mode: "floor" }))
    .div(step.clamp({ min: 1 }), { rounding_mode: "floor" })
    .clamp(0, 255)
    .to(uint8);
  const full = cat([new_zeros(table, [...lead, 1]), table], -1);
  return where(step.ne(0).unsqueeze(-1), full.gather(-1, flat).view(image.shape), image);
}

/** The channels in another order. */
export function permute_channels<T extends ImageLike>(image: T, permutation: readonly number[] | Tensor): T {
  const order = is_tensor(permutation) ? (permutation.tolist() as number[]) : [...permutation];
  const permute = (x: Tensor): Tensor => {
    if (order.length !== x.size(-3)) {
      throw new ValueError(`Length of permutation does not match number of channels: ${order.length} != ${x.size(-3)}`);
    }
    return x.index_select(-3, tensor(order));
  };
  return dispatchImage("permute_channels", image, (x: Image) => to_pil_image(permute(pil_to_tensor(x))), permute);
}
