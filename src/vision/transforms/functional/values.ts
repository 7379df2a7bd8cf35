/** Dtypes and ranges of values; pictures to tensors and back. */
import { bool, type DType, float32, float64, get_default_dtype, int16, int32, int64, uint8 } from "../../../dtype.ts";
import { RuntimeError, ValueError } from "../../../errors.ts";
import { empty } from "../../../ops/creation.ts";
import { bindNamed } from "../../../ops/define/schema.ts";
import { tensor } from "../../../ops/from-values.ts";
import { elementsOf } from "../../../ops/memory.ts";
import { sizeToString } from "../../../print/index.ts";
import { describe } from "../../../shape.ts";
import { is_tensor, type Tensor } from "../../../tensor.ts";
import { Image, type ImageMode } from "../../image.ts";
import { type ImageLike, maximumOf, valueBits } from "./shared.ts";

/** The values of a picture as a tensor (C, H, W). */
function channelsFirst(image: Image): Tensor {
  const { data, channels, height, width } = image;
  if (channels === 1) {
    // PyTorch gets 16 bits with a sign.
    const values = data instanceof Uint16Array ? new Int16Array(data.buffer, data.byteOffset, data.length) : data;
    return tensor(values).view(1, height, width);
  }
  const result = empty([channels, height, width], { dtype: uint8 });
  const out = elementsOf(result) as Uint8Array;
  for (let band = 0, to = 0; band < channels; band++) {
    for (let from = band; from < data.length; from += channels) out[to++] = data[from];
  }
  return result;
}

function arrayToTensor(pic: unknown): Tensor {
  if (!is_tensor(pic)) throw new TypeError(`pic should be PIL Image or ndarray. Got ${describe(pic)}`);
  if (pic.ndim === 2) return pic.unsqueeze(0);
  if (pic.ndim === 3) return pic.permute(2, 0, 1).contiguous();
  throw new ValueError(`pic should be 2/3 dimensional. Got ${pic.ndim} dimensions.`);
}

/** A picture as a tensor (C, H, W), without conversion. A tensor counts as an array (H, W) or (H, W, C). */
export function pil_to_tensor(pic: ImageLike): Tensor {
  if (!(pic instanceof Image)) return arrayToTensor(pic);
  const out = channelsFirst(pic);
  return pic.mode === "1" ? out.to(bool) : out;
}

/** A picture as a tensor (C, H, W), without conversion; tensors as they are, (H, W) as one channel. */
export function to_image(pic: ImageLike): Tensor {
  if (pic instanceof Image) return pil_to_tensor(pic);
  if (!is_tensor(pic)) {
    throw new TypeError(
      `Input can either be a pure Tensor, a numpy array, or a PIL image, but got ${describe(pic)} instead.`,
    );
  }
  return pic.ndim === 2 ? pic.unsqueeze(0) : pic;
}

/** Bytes as floats in [0, 1], each rounded once. */
const UNIT_RANGE = Float32Array.from({ length: 256 }, (_, v) => v / 255);

/**
 * A picture as a tensor (C, H, W) of floats in [0, 1]; 16-bit and wider pictures keep their values. A tensor counts as
 * an array (H, W) or (H, W, C), as NumPy's do in torchvision.
 */
export function to_tensor(pic: ImageLike): Tensor {
  if (!(pic instanceof Image)) return toUnitRange(arrayToTensor(pic));
  const { data, channels, height, width } = pic;
  if (!(data instanceof Uint8Array) || get_default_dtype() !== float32) return toUnitRange(channelsFirst(pic));
  const result = empty([channels, height, width], { dtype: float32 });
  const out = elementsOf(result) as Float32Array;
  for (let band = 0, to = 0; band < channels; band++) {
    for (let from = band; from < data.length; from += channels) out[to++] = UNIT_RANGE[data[from]];
  }
  return result;
}

/** @internal uint8 values as floats in [0, 1]. */
export function toUnitRange(image: Tensor): Tensor {
  return image.dtype === uint8 ? image.to(get_default_dtype()).div(255) : image;
}

const MODES: Readonly<Record<number, readonly ImageMode[]>> = {
  2: ["LA"],
  3: ["RGB", "HSV"],
  4: ["RGBA", "CMYK"],
};

/**
 * A tensor (C, H, W) or (H, W) as a picture. Floats are taken from [0, 1] to bytes (except for mode F). Without `mode`:
 * 1 channel is L, or by its dtype I;16 (int16), I (int32) or F; 2 are LA, 3 RGB and 4 RGBA.
 */
export function to_pil_image(pic: ImageLike, mode: ImageMode | null | { mode?: ImageMode | null } = null): Image {
  const wanted = mode !== null && typeof mode === "object" ? (mode.mode ?? null) : mode;
  if (!is_tensor(pic)) throw new TypeError(`pic should be Tensor or ndarray. Got ${describe(pic)}.`);
  if (pic.ndim !== 2 && pic.ndim !== 3) {
    throw new ValueError(`pic should be 2/3 dimensional. Got ${pic.ndim} dimensions.`);
  }
  let x = pic.detach();
  x = x.ndim === 2 ? x.unsqueeze(-1) : x.permute(1, 2, 0);
  const channels = x.size(-1);
  if (channels > 4) throw new ValueError(`pic should not have > 4 channels. Got ${channels} channels.`);
  if (x.is_floating_point() && wanted !== "F") x = x.mul(255).to(uint8);
  if (channels === 1) {
    const own: ImageMode | null =
      x.dtype === uint8 ? "L" : x.dtype === int16 ? "I;16" : x.dtype === int32 ? "I" : x.dtype === float32 ? "F" : null;
    if (wanted !== null && wanted !== own) {
      throw new ValueError(`Incorrect mode (${wanted}) supplied for input type ${x.dtype}. Should be ${own}`);
    }
    if (own === null) throw new TypeError(`Input type ${x.dtype} is not supported`);
    return Image.fromarray(x, own);
  }
  const permitted = MODES[channels] ?? [];
  if (wanted !== null && !permitted.includes(wanted)) {
    throw new ValueError(`Only modes ${permitted.join(", ")} are supported for ${channels}D inputs`);
  }
  if (x.dtype !== uint8) throw new TypeError(`Input type ${x.dtype} is not supported`);
  return Image.fromarray(x, wanted);
}

export interface ToDtypeOptions {
  readonly dtype?: DType;
  /** Scale the values from the range of one dtype to that of the other. Default false. */
  readonly scale?: boolean;
}

/** Converts the dtype; with `scale` also the values: floats are in [0, 1], integers go up to the greatest one. */
export function to_dtype(
  image: Tensor,
  dtype: DType | ToDtypeOptions = float32,
  scale: boolean | ToDtypeOptions = false,
): Tensor {
  const o = bindNamed("to_dtype(Tensor inpt, dtype? dtype=None, bool scale=False)", [image, dtype, scale]);
  const to = (o.dtype as DType | null) ?? float32;
  if (image.dtype === to) return image;
  if (o.scale !== true) return image.to(to);
  if (image.is_floating_point()) return to.is_floating_point ? image.to(to) : floatsToInts(image, to, "conversion");
  if (to.is_floating_point) return image.to(to).mul_(1 / maximumOf(image.dtype));
  const shift = valueBits(image.dtype) - valueBits(to);
  return shift > 0 ? image.bitwise_right_shift(shift).to(to) : image.to(to).bitwise_left_shift(-shift);
}

function floatsToInts(image: Tensor, to: DType, verb: string): Tensor {
  const unsafe =
    (image.dtype === float32 && (to === int32 || to === int64)) || (image.dtype === float64 && to === int64);
  if (unsafe) throw new RuntimeError(`The ${verb} from ${image.dtype} to ${to} cannot be performed safely.`);
  // A little less than one step above the maximum spreads the values evenly.
  return image.mul(maximumOf(to) + 1 - 1e-3).to(to);
}

/** `to_dtype` with `scale: true`. */
export function convert_image_dtype(image: Tensor, dtype: DType = float32): Tensor {
  if (!is_tensor(image)) throw new TypeError("Input img should be Tensor Image");
  return to_dtype(image, dtype, true);
}

/** @internal As torchvision's first version converts, which `transforms.presets` uses: bytes are divided, not multiplied. */
export function convertByDivision(image: Tensor, dtype: DType): Tensor {
  if (image.is_floating_point() || !dtype.is_floating_point) return to_dtype(image, dtype, true);
  return image.to(dtype).div(maximumOf(image.dtype));
}

/** `(image - mean) / std` for each channel of (…, C, H, W). */
export function normalize(
  image: Tensor,
  mean: readonly number[],
  std: readonly number[],
  inplace: boolean | { inplace?: boolean } = false,
): Tensor {
  if (!is_tensor(image)) throw new TypeError(`img should be Tensor Image. Got ${describe(image)}`);
  if (!image.is_floating_point()) throw new TypeError(`Input tensor should be a float tensor. Got ${image.dtype}.`);
  if (image.ndim < 3) {
    throw new ValueError(
      `Expected tensor to be a tensor image of size (..., C, H, W). Got ${sizeToString(image.shape)}.`,
    );
  }
  if (std.includes(0)) throw new ValueError("std evaluated to zero, leading to division by zero.");
  const { dtype } = image;
  const channels = (values: readonly number[]): Tensor => tensor([...values], { dtype }).view(-1, 1, 1);
  const isInPlace = typeof inplace === "boolean" ? inplace : (inplace.inplace ?? false);
  return (isInPlace ? image.sub_(channels(mean)) : image.sub(channels(mean))).div_(channels(std));
}
