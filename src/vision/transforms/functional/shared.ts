/** What all transforms share: pictures and tensors as one, sizes, fills. */
import { type DType, uint8 } from "../../../dtype.ts";
import { ValueError } from "../../../errors.ts";
import { describe } from "../../../shape.ts";
import { is_tensor, type Tensor } from "../../../tensor.ts";
import { Image } from "../../image.ts";

/** A picture, or a tensor of shape (…, C, H, W), where (H, W) stands for one channel. */
export type ImageLike = Image | Tensor;

/** A number for all channels, or one for each. */
export type Fill = number | readonly number[] | null;

/** @internal Calls `forImage` or `forTensor`; anything else is refused. */
export function dispatchImage<T extends ImageLike>(
  name: string,
  input: T,
  forImage: (image: Image) => Image,
  forTensor: (tensor: Tensor) => Tensor,
): T {
  if (input instanceof Image) return forImage(input) as T;
  if (is_tensor(input)) {
    if (input.ndim < 2) throw new TypeError(`Input tensor should have at least two dimensions, but got ${input.ndim}`);
    return forTensor(input) as T;
  }
  throw new TypeError(
    `Functional F.${name} supports inputs of type Tensor and Image, but got ${describe(input)} instead.`,
  );
}

/** @internal Calls `f` on (…, C, H, W); an image (H, W) goes and comes as one channel. */
export function withChannels(image: Tensor, f: (image: Tensor) => Tensor): Tensor {
  return image.ndim === 2 ? f(image.unsqueeze(0)).squeeze(0) : f(image);
}

/** @internal Calls `f` on (N, C, H, W). */
export function withBatch(image: Tensor, f: (image: Tensor) => Tensor): Tensor {
  const out = f(image.reshape([-1, image.ndim < 3 ? 1 : image.size(-3), image.size(-2), image.size(-1)]));
  const lead = image.shape.slice(0, -3);
  if (image.ndim < 3) return out.reshape([out.size(-2), out.size(-1)]);
  return out.reshape([...lead, out.size(-3), out.size(-2), out.size(-1)]);
}

/** Channels, height and width. */
export function get_dimensions(image: ImageLike): [channels: number, height: number, width: number] {
  if (image instanceof Image) return [image.channels, image.height, image.width];
  if (!is_tensor(image)) throw new TypeError(`Unexpected type ${describe(image)}`);
  if (image.ndim < 2) throw new TypeError(`Input tensor should have at least two dimensions, but got ${image.ndim}`);
  return [image.ndim === 2 ? 1 : image.size(-3), image.size(-2), image.size(-1)];
}

/** How many channels an image has. */
export function get_num_channels(image: ImageLike): number {
  return get_dimensions(image)[0];
}

/** Height and width. */
export function get_size(image: ImageLike): [height: number, width: number] {
  const [, height, width] = get_dimensions(image);
  return [height, width];
}

/** Width and height, as torchvision's first version gave them. */
export function get_image_size(image: ImageLike): [width: number, height: number] {
  const [, height, width] = get_dimensions(image);
  return [width, height];
}

/** @internal The largest value of a colour channel. */
export function maximumOf(dtype: DType): number {
  if (dtype.is_floating_point || dtype.name === "bool") return 1;
  return 2 ** (8 * dtype.itemsize - (dtype === uint8 ? 0 : 1)) - 1;
}

/** @internal The bits of a value in a dtype of whole numbers. */
export function valueBits(dtype: DType): number {
  if (dtype.is_floating_point || dtype.is_complex || dtype.name === "bool") {
    throw new TypeError(`Number of value bits is only defined for integer dtypes, but got ${dtype}.`);
  }
  return 8 * dtype.itemsize - (dtype === uint8 ? 0 : 1);
}

/** @internal A number for each channel of a picture, whole except in mode F. */
export function pictureFill(fill: Fill, image: Image): number[] {
  const channels = image.channels;
  const list = typeof fill === "number" || fill === null ? [fill ?? 0] : [...fill];
  if (list.length !== 1 && list.length !== channels) {
    throw new ValueError(
      `The number of elements in 'fill' does not match the number of channels of the image (${list.length} != ${channels})`,
    );
  }
  const all = list.length === 1 ? Array<number>(channels).fill(list[0]) : list;
  return image.mode === "F" ? all : all.map(Math.trunc);
}

/** @internal A height and a width from one number or two. */
export function imageSizes(size: number | readonly number[]): [height: number, width: number] {
  const list = typeof size === "number" ? [size] : size;
  if (!Array.isArray(list) || list.length < 1 || list.length > 2 || !list.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ValueError("Please provide only two dimensions (h, w) for size.");
  }
  return [list[0], list[list.length - 1]];
}

/** @internal Python's `round`: half to even. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
