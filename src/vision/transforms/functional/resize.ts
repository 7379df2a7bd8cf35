/** Other sizes. */
import { float32, float64, int8, int16, int32, int64, uint8 } from "../../../dtype.ts";
import { ValueError } from "../../../errors.ts";
import { interpolate } from "../../../nn/functional/interpolate.ts";
import { bindNamed } from "../../../ops/define/schema.ts";
import { pythonRepr } from "../../../print/index.ts";
import { is_tensor, type Tensor } from "../../../tensor.ts";
import { checkInterpolation, type InterpolationMode } from "../interpolation.ts";
import { resizeImage } from "../pil/resample.ts";
import { crop } from "./geometry.ts";
import { dispatchImage, get_size, type ImageLike, withBatch } from "./shared.ts";

export interface ResizeOptions {
  /** Default "bilinear". */
  readonly interpolation?: InterpolationMode;
  /** The greatest length of the longer edge; only where `size` says that of the shorter one, or nothing. */
  readonly max_size?: number | null;
  /** Average over what one pixel of the result stands for. Default true; pictures always do. */
  readonly antialias?: boolean | null;
}

/** @internal Height and width of a resized image. */
export function resizedSize(
  [height, width]: readonly [number, number],
  size: number | readonly number[] | null,
  max_size: number | null,
): [height: number, width: number] {
  const list = typeof size === "number" ? [size] : size;
  if (max_size !== null && list !== null && list.length !== 1) {
    throw new ValueError(
      "max_size should only be passed if size is None or specifies the length of the smaller edge, i.e. size should be an int or a sequence of length 1 in torchscript mode.",
    );
  }
  if (list !== null && list.length > 1) return [list[0], list[1]];
  const [short, long] = width <= height ? [width, height] : [height, width];
  let newShort: number;
  let newLong: number;
  if (list === null) {
    if (max_size === null) throw new ValueError("max_size must be an integer when size is None, but got None instead.");
    newShort = Math.trunc((max_size * short) / long);
    newLong = max_size;
  } else {
    newShort = list[0];
    newLong = Math.trunc((newShort * long) / short);
    if (max_size !== null && max_size <= newShort) {
      throw new ValueError(
        `max_size = ${max_size} must be strictly greater than the requested size for the smaller edge size = ${pythonRepr(newShort)}`,
      );
    }
    if (max_size !== null && newLong > max_size) {
      newShort = Math.trunc((max_size * newShort) / newLong);
      newLong = max_size;
    }
  }
  return width <= height ? [newLong, newShort] : [newShort, newLong];
}

const SIGNATURE = 'resize(any inpt, any size, any? interpolation="bilinear", int? max_size=None, bool? antialias=True)';

/**
 * Another size: `[height, width]`, or the length of the shorter edge. Pictures are resampled as Pillow does, byte for
 * byte; tensors by `interpolate`.
 */
export function resize<T extends ImageLike>(
  image: T,
  size: number | readonly number[] | null,
  ...rest: [
    interpolation?: InterpolationMode | ResizeOptions,
    max_size?: number | null | ResizeOptions,
    antialias?: boolean | null | ResizeOptions,
  ]
): T {
  const o = bindNamed(SIGNATURE, [image, size, ...rest]) as {
    interpolation: unknown;
    max_size: number | null;
    antialias: boolean | null;
  };
  const mode = checkInterpolation(o.interpolation);
  const old = get_size(image);
  const wanted = resizedSize(old, size, o.max_size);
  return dispatchImage(
    "resize",
    image,
    (x) => {
      if (wanted[0] === old[0] && wanted[1] === old[1]) return x;
      return resizeImage(x, [wanted[1], wanted[0]], mode === "nearest-exact" ? "nearest" : mode);
    },
    (x) => resizeTensor(x, old, wanted, mode, o.antialias ?? false),
  );
}

function resizeTensor(
  image: Tensor,
  old: readonly [number, number],
  size: readonly [number, number],
  mode: InterpolationMode,
  antialias: boolean,
): Tensor {
  if (mode === "lanczos" && !antialias) throw new ValueError("InterpolationMode.LANCZOS requires antialias=True");
  if (size[0] === old[0] && size[1] === old[1]) return image;
  if (mode === "box" || mode === "hamming")
    throw new ValueError(`Interpolation mode '${mode}' is unsupported with Tensor input`);
  const isNearest = mode === "nearest" || mode === "nearest-exact";
  const { dtype } = image;
  return withBatch(image, (x) => {
    const resample = (input: Tensor): Tensor =>
      interpolate(input, {
        size,
        mode,
        align_corners: isNearest ? null : false,
        antialias: antialias && !isNearest,
      });
    if (dtype === float32 || dtype === float64 || dtype === uint8) return resample(x);
    const out = resample(x.to(float32));
    return ([int8, int16, int32, int64].includes(dtype) ? out.round() : out).to(dtype);
  });
}

/** @internal As torchvision's first version resizes, which `transforms.presets` uses: tensors of bytes by way of floats. */
export function resizeByFloats<T extends ImageLike>(image: T, size: readonly number[], options: ResizeOptions): T {
  if (!is_tensor(image) || image.dtype !== uint8) return resize(image, size, options);
  const out = resize(image.to(float32), size, options);
  return (options.interpolation === "bicubic" ? out.clamp(0, 255) : out).round().to(uint8) as T;
}

/** `crop`, then `resize` to `size`. */
export function resized_crop<T extends ImageLike>(
  image: T,
  top: number,
  left: number,
  height: number,
  width: number,
  size: number | readonly number[],
  ...rest: [interpolation?: InterpolationMode | ResizeOptions, antialias?: boolean | null | ResizeOptions]
): T {
  const o = bindNamed('resized_crop(any size, any? interpolation="bilinear", bool? antialias=True)', [
    size,
    ...rest,
  ]) as {
    interpolation: InterpolationMode;
    antialias: boolean | null;
  };
  const { interpolation, antialias } = o;
  return resize(crop(image, top, left, height, width), size, { interpolation, antialias });
}
