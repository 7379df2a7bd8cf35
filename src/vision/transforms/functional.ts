/**
 * Transforms as functions: https://pytorch.org/vision/stable/transforms.html
 *
 * An image is a tensor of shape (..., H, W). What is a PIL image in torchvision is here a uint8 tensor of shape (H, W), or
 * (H, W, C) until `to_tensor` or `pil_to_tensor` has made it (C, H, W).
 */
import { type DType, float32, float64, get_default_dtype, int32, int64, uint8 } from "../../dtype.ts";
import { RuntimeError, ValueError } from "../../errors.ts";
import { tensor } from "../../ops/from-values.ts";
import { cat } from "../../ops/joining.ts";
import { padTensor } from "../../ops/padding.ts";
import { describe, shapeText } from "../../shape.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";

export type ImagePaddingMode = "constant" | "edge" | "reflect" | "symmetric";
/** All sides; or left and right, top and bottom; or left, top, right, bottom. */
export type ImagePadding = number | readonly number[];

function requireImage(image: unknown): asserts image is Tensor {
  if (!is_tensor(image)) throw new TypeError(`img should be Tensor Image. Got ${describe(image)}`);
  if (image.ndim < 2) throw new TypeError("Tensor is not a torch image.");
}

/** Height and width. */
export function imageSize(image: Tensor): [height: number, width: number] {
  requireImage(image);
  return [image.size(-2), image.size(-1)];
}

/** (H, W) or (H, W, C) to (C, H, W), without conversion. */
export function pil_to_tensor(pic: Tensor): Tensor {
  if (!is_tensor(pic)) throw new TypeError(`pic should be a tensor of shape (H, W) or (H, W, C). Got ${describe(pic)}`);
  if (pic.ndim === 2) return pic.unsqueeze(0);
  if (pic.ndim === 3) return pic.permute(2, 0, 1).contiguous();
  throw new ValueError(`pic should be 2/3 dimensional. Got ${pic.ndim} dimensions.`);
}

/** (H, W) or (H, W, C) to (C, H, W); uint8 becomes float in [0, 1], other types keep their values. */
export function to_tensor(pic: Tensor): Tensor {
  return toUnitRange(pil_to_tensor(pic));
}

/** @internal uint8 values as floats in [0, 1]. */
export function toUnitRange(image: Tensor): Tensor {
  return image.dtype === uint8 ? image.to(get_default_dtype()).div(255) : image;
}

/** The largest value of a colour channel. */
function maximumOf(dtype: DType): number {
  if (dtype.is_floating_point || dtype.name === "bool") return 1;
  return 2 ** (8 * dtype.itemsize - (dtype.is_signed ? 1 : 0)) - 1;
}

/** Converts the dtype and scales the values: floats are in [0, 1], integers go up to the greatest one. */
export function convert_image_dtype(image: Tensor, dtype: DType = float32): Tensor {
  if (!is_tensor(image)) throw new TypeError("Input img should be Tensor Image");
  if (image.dtype === dtype) return image;
  if (image.is_floating_point()) {
    if (dtype.is_floating_point) return image.to(dtype);
    const unsafe =
      (image.dtype === float32 && (dtype === int32 || dtype === int64)) || (image.dtype === float64 && dtype === int64);
    if (unsafe) throw new RuntimeError(`The cast from ${image.dtype} to ${dtype} cannot be performed safely.`);
    // A little less than one step above the maximum spreads the values evenly.
    return image.mul(maximumOf(dtype) + 1 - 1e-3).to(dtype);
  }
  const [from, to] = [maximumOf(image.dtype), maximumOf(dtype)];
  if (dtype.is_floating_point) return image.to(dtype).div(from);
  if (from > to) return image.div(Math.floor((from + 1) / (to + 1)), { rounding_mode: "floor" }).to(dtype);
  return image.to(dtype).mul(Math.floor((to + 1) / (from + 1)));
}

/** `(image - mean) / std` for each channel of (..., C, H, W). */
export function normalize(image: Tensor, mean: readonly number[], std: readonly number[], inplace = false): Tensor {
  requireImage(image);
  if (!image.is_floating_point()) throw new TypeError(`Input tensor should be a float tensor. Got ${image.dtype}.`);
  if (image.ndim < 3) {
    throw new ValueError(
      `Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = torch.Size(${shapeText(image.shape)})`,
    );
  }
  const { dtype } = image;
  const channels = (values: readonly number[]): Tensor => tensor([...values], { dtype }).view(-1, 1, 1);
  const [m, s] = [channels(mean), channels(std)];
  if ((s.tolist() as number[][][]).some(([[value]]) => value === 0)) {
    throw new ValueError(`std evaluated to zero after conversion to ${dtype}, leading to division by zero.`);
  }
  return (inplace ? image.sub_(m) : image.sub(m)).div_(s);
}

/** @internal Left, right, top, bottom. */
export function parsePadding(padding: ImagePadding): [number, number, number, number] {
  const all = typeof padding === "number" ? [padding] : padding;
  if (!Array.isArray(all) || !all.every((n) => Number.isInteger(n)))
    throw new TypeError("Got inappropriate padding arg");
  if (all.length === 1) return [all[0], all[0], all[0], all[0]];
  if (all.length === 2) return [all[0], all[0], all[1], all[1]];
  if (all.length === 4) return [all[0], all[2], all[1], all[3]];
  throw new ValueError(`Padding must be an int or a 1, 2, or 4 element tuple, not a ${all.length} element tuple`);
}

/** Pads the last two dimensions. */
export function pad(
  image: Tensor,
  padding: ImagePadding,
  fill = 0,
  padding_mode: ImagePaddingMode = "constant",
): Tensor {
  requireImage(image);
  const [left, right, top, bottom] = parsePadding(padding);
  if (typeof fill !== "number") throw new TypeError("Got inappropriate fill arg");
  switch (padding_mode) {
    case "constant":
      return padTensor(image, [left, right, top, bottom], "constant", fill);
    case "symmetric":
      return mirror(mirror(image, -2, top, bottom), -1, left, right);
    case "edge":
    case "reflect": {
      const { dtype } = image;
      const floats = dtype.is_floating_point ? image : image.to(float32);
      const batch = image.ndim < 3 ? floats.unsqueeze(0) : floats;
      const mode = padding_mode === "edge" ? "replicate" : "reflect";
      const out = padTensor(batch, [left, right, top, bottom], mode, null).to(dtype);
      return image.ndim < 3 ? out.squeeze(0) : out;
    }
    default:
      throw new ValueError("Padding mode should be either constant, edge, reflect or symmetric");
  }
}

/** Continues dimension `dim` by its mirror image, the outermost element repeated. Negative numbers cut off. */
function mirror(image: Tensor, dim: number, before: number, after: number): Tensor {
  const size = image.size(dim);
  if (before > size || after > size) {
    throw new ValueError(`symmetric padding (${before}, ${after}) is larger than the image, whose size is ${size}`);
  }
  const cut = image.narrow(dim, Math.max(-before, 0), size + Math.min(before, 0) + Math.min(after, 0));
  const parts = [cut];
  if (before > 0) parts.unshift(image.narrow(dim, 0, before).flip(dim));
  if (after > 0) parts.push(image.narrow(dim, size - after, after).flip(dim));
  return cat(parts, dim);
}

/** The part of the image from row `top` and column `left`; what lies outside is 0. */
export function crop(image: Tensor, top: number, left: number, height: number, width: number): Tensor {
  const [h, w] = imageSize(image);
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
export function center_crop(image: Tensor, output_size: number | readonly number[]): Tensor {
  const [height, width] = imageSizes(output_size);
  const [h, w] = imageSize(image);
  const [down, across] = [Math.max(height - h, 0), Math.max(width - w, 0)];
  const padded =
    down > 0 || across > 0 ? pad(image, [across >> 1, down >> 1, (across + 1) >> 1, (down + 1) >> 1]) : image;
  return crop(padded, halfToEven(h + down - height), halfToEven(w + across - width), height, width);
}

/** Python's `round(n / 2)`. */
function halfToEven(n: number): number {
  const half = n / 2;
  return Number.isInteger(half) ? half : 2 * Math.round(half / 2);
}

/** @internal A height and a width from one number or two. */
export function imageSizes(size: number | readonly number[]): [number, number] {
  const list = typeof size === "number" ? [size] : size;
  if (!Array.isArray(list) || list.length < 1 || list.length > 2 || !list.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ValueError("Please provide only two dimensions (h, w) for size.");
  }
  return [list[0], list[list.length - 1]];
}

/** Mirrored left to right. */
export function hflip(image: Tensor): Tensor {
  requireImage(image);
  return image.flip(-1);
}

/** Mirrored top to bottom. */
export function vflip(image: Tensor): Tensor {
  requireImage(image);
  return image.flip(-2);
}
