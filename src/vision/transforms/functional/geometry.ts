/** Parts, borders and mirrors of images. */
import { float32 } from "../../../dtype.ts";
import { RuntimeError, ValueError } from "../../../errors.ts";
import { bindNamed } from "../../../ops/define/schema.ts";
import { tensor } from "../../../ops/from-values.ts";
import { padTensor } from "../../../ops/padding.ts";
import { pythonRepr } from "../../../print/index.ts";
import type { Tensor } from "../../../tensor.ts";
import { Transpose } from "../../image.ts";
import { padImage } from "../pil/enhance.ts";
import {
  dispatchImage,
  type Fill,
  get_size,
  type ImageLike,
  imageSizes,
  pictureFill,
  roundHalfEven,
  withBatch,
} from "./shared.ts";

export type ImagePaddingMode = "constant" | "edge" | "reflect" | "symmetric";
/** All sides; or left and right, top and bottom; or left, top, right, bottom. */
export type ImagePadding = number | readonly number[];

export interface PadOptions {
  /** The value around the image, one for all channels or one for each. Default 0. */
  readonly fill?: Fill;
  /** What is around: the fill, or the edge repeated, or the image mirrored without ("reflect") or with its edge. */
  readonly padding_mode?: ImagePaddingMode;
}

/** Mirrored left to right. */
export function horizontal_flip<T extends ImageLike>(image: T): T {
  return dispatchImage(
    "horizontal_flip",
    image,
    (x) => x.transpose(Transpose.FLIP_LEFT_RIGHT),
    (x) => x.flip(-1),
  );
}

/** Mirrored top to bottom. */
export function vertical_flip<T extends ImageLike>(image: T): T {
  return dispatchImage(
    "vertical_flip",
    image,
    (x) => x.transpose(Transpose.FLIP_TOP_BOTTOM),
    (x) => x.flip(-2),
  );
}

export { horizontal_flip as hflip, vertical_flip as vflip };

/** @internal Left, right, top, bottom. */
export function parsePadding(padding: ImagePadding): [number, number, number, number] {
  const all = typeof padding === "number" ? [padding] : padding;
  if (!Array.isArray(all) || ![1, 2, 4].includes(all.length) || !all.every((n) => Number.isInteger(n))) {
    throw new ValueError(
      `Padding must be an int or a 1, 2, or 4 element of tuple or list, got ${pythonRepr(padding)}.`,
    );
  }
  if (all.length === 1) return [all[0], all[0], all[0], all[0]];
  return all.length === 2 ? [all[0], all[0], all[1], all[1]] : [all[0], all[2], all[1], all[3]];
}

/** @internal */
export function checkPaddingMode(mode: string): asserts mode is ImagePaddingMode {
  if (!["constant", "edge", "reflect", "symmetric"].includes(mode)) {
    throw new ValueError("Padding mode should be either constant, edge, reflect or symmetric");
  }
}

/** Adds borders; negative ones cut off. */
export function pad<T extends ImageLike>(
  image: T,
  padding: ImagePadding,
  ...rest: [fill?: Fill | PadOptions, padding_mode?: ImagePaddingMode | PadOptions]
): T {
  const o = bindNamed('pad(any padding, any? fill=None, str padding_mode="constant")', [padding, ...rest]) as {
    fill: Fill;
    padding_mode: string;
  };
  const sides = parsePadding(padding);
  const { fill: value, padding_mode: mode } = o;
  checkPaddingMode(mode);
  return dispatchImage(
    "pad",
    image,
    (x) => padImage(x, sides, pictureFill(value, x), mode),
    (x) => {
      if (value === null || typeof value === "number") return padWith(x, sides, value ?? 0, mode);
      if (value.length === 1) return padWith(x, sides, value[0], mode);
      if (mode !== "constant") throw new ValueError(`Padding mode '${mode}' is not supported if fill is not scalar`);
      return padWithChannels(x, sides, value);
    },
  );
}

function padWith(image: Tensor, sides: readonly number[], fill: number, mode: ImagePaddingMode): Tensor {
  if (mode === "constant") return padTensor(image, sides, "constant", fill);
  if (mode === "symmetric") return padSymmetric(image, sides);
  return withBatch(image, (x) => {
    const floats = x.is_floating_point() ? x : x.to(float32);
    return padTensor(floats, sides, mode === "edge" ? "replicate" : "reflect", null).to(x.dtype);
  });
}

function padWithChannels(
  image: Tensor,
  [left, right, top, bottom]: readonly number[],
  fill: readonly number[],
): Tensor {
  const out = padTensor(image, [left, right, top, bottom], "constant", 0);
  const value = tensor([...fill])
    .to(image.dtype)
    .view(-1, 1, 1);
  const [height, width] = get_size(out);
  if (top > 0) out.narrow(-2, 0, top).copy_(value);
  if (left > 0) out.narrow(-1, 0, left).copy_(value);
  if (bottom > 0) out.narrow(-2, height - bottom, bottom).copy_(value);
  if (right > 0) out.narrow(-1, width - right, right).copy_(value);
  return out;
}

/** The image continued by its mirror image, the outermost element repeated. */
function padSymmetric(image: Tensor, [left, right, top, bottom]: readonly number[]): Tensor {
  const places = (size: number, before: number, after: number): Tensor => {
    const start = Math.max(-before, 0);
    const length = size - start - Math.max(-after, 0);
    if (before > length || after > length) {
      throw new RuntimeError(
        `symmetric padding (${before}, ${after}) is larger than the image, whose size is ${length}`,
      );
    }
    const list: number[] = [];
    for (let i = Math.max(before, 0) - 1; i >= 0; i--) list.push(start + i);
    for (let i = 0; i < length; i++) list.push(start + i);
    for (let i = 0; i < after; i++) list.push(start + length - 1 - i);
    return tensor(list);
  };
  const [height, width] = get_size(image);
  return image.index_select(-2, places(height, top, bottom)).index_select(-1, places(width, left, right));
}

/** The part of the image from row `top` and column `left`; what lies outside is 0. */
export function crop<T extends ImageLike>(image: T, top: number, left: number, height: number, width: number): T {
  return dispatchImage(
    "crop",
    image,
    (x) => x.crop([left, top, left + width, top + height]),
    (x) => cropTensor(x, top, left, height, width),
  );
}

function cropTensor(image: Tensor, top: number, left: number, height: number, width: number): Tensor {
  const [h, w] = get_size(image);
  const [right, bottom] = [left + width, top + height];
  const inside = (at: number, size: number): number => Math.min(Math.max(at, 0), size);
  const [y0, x0, y1, x1] = [inside(top, h), inside(left, w), inside(bottom, h), inside(right, w)];
  const part = image.narrow(-2, y0, Math.max(y1 - y0, 0)).narrow(-1, x0, Math.max(x1 - x0, 0));
  if (left >= 0 && top >= 0 && right <= w && bottom <= h) return part;
  const before = (start: number, size: number): number => Math.min(Math.max(-start, 0), size);
  const [padLeft, padTop] = [before(left, width), before(top, height)];
  const sides = [padLeft, width - padLeft - part.size(-1), padTop, height - padTop - part.size(-2)];
  return padTensor(part, sides, "constant", 0);
}

/** The middle of the image, with zeros around it where it is too small. */
export function center_crop<T extends ImageLike>(image: T, output_size: number | readonly number[]): T {
  const [height, width] = imageSizes(output_size);
  const [h, w] = get_size(image);
  const [down, across] = [Math.max(height - h, 0), Math.max(width - w, 0)];
  if (down === 0 && across === 0) return cropMiddle(image, h, w, height, width);
  const padded = pad(image, [across >> 1, down >> 1, (across + 1) >> 1, (down + 1) >> 1], 0);
  return cropMiddle(padded, h + down, w + across, height, width);
}

function cropMiddle<T extends ImageLike>(image: T, h: number, w: number, height: number, width: number): T {
  if (h === height && w === width) return image;
  return crop(image, roundHalfEven((h - height) / 2), roundHalfEven((w - width) / 2), height, width);
}

/** The four corners (top left, top right, bottom left, bottom right) and the middle. */
export function five_crop<T extends ImageLike>(image: T, size: number | readonly number[]): [T, T, T, T, T] {
  const [height, width] = imageSizes(size);
  const [h, w] = get_size(image);
  if (width > w || height > h) {
    throw new ValueError(`Requested crop size ${pythonRepr([height, width])} is bigger than input size (${h}, ${w})`);
  }
  return [
    crop(image, 0, 0, height, width),
    crop(image, 0, w - width, height, width),
    crop(image, h - height, 0, height, width),
    crop(image, h - height, w - width, height, width),
    center_crop(image, [height, width]),
  ];
}

/** `five_crop` of the image and of its mirror image: left to right, or with `vertical_flip` top to bottom. */
export function ten_crop<T extends ImageLike>(
  image: T,
  size: number | readonly number[],
  vertical: boolean | { vertical_flip?: boolean } = false,
): T[] {
  const isVertical = typeof vertical === "boolean" ? vertical : (vertical.vertical_flip ?? false);
  const flipped = isVertical ? vertical_flip(image) : horizontal_flip(image);
  return [...five_crop(image, size), ...five_crop(flipped, size)];
}
