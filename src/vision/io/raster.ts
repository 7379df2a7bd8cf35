/** Decoded pictures, what reading modes do to them, and their tensors. */
import { int32, uint8 } from "../../dtype.ts";
import { KeyError } from "../../errors.ts";
import { frombuffer } from "../../ops/from-values.ts";
import type { Tensor } from "../../tensor.ts";

/** Pixels row by row, the channels of a pixel side by side: grey, grey and alpha, RGB, or RGBA. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array | Uint16Array;
}

/** What `mode` may say; a name will do as well, in small letters too. RGBA is another name of RGB_ALPHA. */
export const ImageReadMode = {
  UNCHANGED: "UNCHANGED",
  GRAY: "GRAY",
  GRAY_ALPHA: "GRAY_ALPHA",
  RGB: "RGB",
  RGB_ALPHA: "RGB_ALPHA",
  RGBA: "RGB_ALPHA",
} as const;
export type ImageReadMode = (typeof ImageReadMode)[keyof typeof ImageReadMode];

export type ReadMode = ImageReadMode | "RGBA" | Lowercase<ImageReadMode> | "rgba";

export function readMode(mode: ReadMode): ImageReadMode {
  const name = String(mode).toUpperCase();
  if (!Object.hasOwn(ImageReadMode, name)) throw new KeyError(`'${name}'`);
  return ImageReadMode[name as keyof typeof ImageReadMode];
}

/** How many channels a mode gives; null where it keeps those of the file. */
export function channelsOf(mode: ImageReadMode): number | null {
  return { UNCHANGED: null, GRAY: 1, GRAY_ALPHA: 2, RGB: 3, RGB_ALPHA: 4 }[mode];
}

/** The picture with 1 to 4 channels. Missing alpha is opaque, alpha that is not asked for is dropped. */
export function withChannels(picture: Raster, channels: number | null, gray: GrayFormula = pngGray): Raster {
  const { width, height, channels: from, data } = picture;
  if (channels === null || channels === from) return picture;
  const count = width * height;
  const opaque = data instanceof Uint16Array ? 0xffff : 0xff;
  const out = data instanceof Uint16Array ? new Uint16Array(count * channels) : new Uint8Array(count * channels);
  const colours = channels - ((channels + 1) % 2);
  const colourful = from >= 3;
  for (let i = 0, at = 0, to = 0; i < count; i++, at += from, to += channels) {
    if (colours === 1) out[to] = colourful ? gray(data[at], data[at + 1], data[at + 2], opaque) : data[at];
    else {
      out[to] = data[at];
      out[to + 1] = data[colourful ? at + 1 : at];
      out[to + 2] = data[colourful ? at + 2 : at];
    }
    if (colours < channels) out[to + colours] = from % 2 === 0 ? data[at + from - 1] : opaque;
  }
  return { width, height, channels, data: out };
}

type GrayFormula = (red: number, green: number, blue: number, top: number) => number;

/** libpng's weights of 0.2989, 0.587 and the rest, in 15 bits; it rounds 16-bit samples and truncates 8-bit ones. */
const pngGray: GrayFormula = (red, green, blue, top) =>
  red === green && red === blue
    ? red
    : Math.floor((9794 * red + 19234 * green + 3740 * blue + (top === 0xffff ? 16384 : 0)) / 32768);

/** The luma of JPEG files. */
export const jpegGray: GrayFormula = (red, green, blue) =>
  Math.floor((19595 * red + 38470 * green + 7471 * blue + 32768) / 65536);

/** The eight orientations of EXIF as flips of rows, of columns, and of both with each other. */
export function oriented(picture: Raster, orientation: number): Raster {
  if (!(orientation >= 2 && orientation <= 8)) return picture;
  const { width, height, channels, data } = picture;
  const turned = orientation >= 5;
  const mirrored = [2, 3, 7, 8].includes(orientation);
  const upsideDown = [3, 4, 6, 7].includes(orientation);
  const [outWidth, outHeight] = turned ? [height, width] : [width, height];
  const out = new (data.constructor as Uint8ArrayConstructor)(data.length);
  let to = 0;
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      const [column, row] = turned ? [y, x] : [x, y];
      const at = (upsideDown ? height - 1 - row : row) * width + (mirrored ? width - 1 - column : column);
      for (let c = 0; c < channels; c++) out[to++] = data[at * channels + c];
    }
  }
  return { width: outWidth, height: outHeight, channels, data: out };
}

/** (C, H, W), uint8; 16-bit samples become int32, since there is no uint16. */
export function rasterToTensor({ width, height, channels, data }: Raster): Tensor {
  const count = width * height;
  const planes = data instanceof Uint16Array ? new Int32Array(data.length) : new Uint8Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0, at = c, to = c * count; i < count; i++, at += channels) planes[to++] = data[at];
  }
  const bytes = new Uint8Array(planes.buffer);
  return frombuffer(bytes, { dtype: data instanceof Uint16Array ? int32 : uint8 }).view([channels, height, width]);
}

/** From a uint8 tensor (C, H, W). */
export function tensorToRaster(image: Tensor): Raster {
  const [channels, height, width] = image.shape;
  const planes = image.contiguous().typed_array() as Uint8Array;
  const count = width * height;
  const data = new Uint8Array(planes.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0, from = c * count, to = c; i < count; i++, to += channels) data[to] = planes[from++];
  }
  return { width, height, channels, data };
}
