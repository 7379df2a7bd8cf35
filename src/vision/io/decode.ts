/** Reading pictures: https://docs.pytorch.org/vision/stable/io.html */
import { uint8 } from "../../dtype.ts";
import { NotImplementedError, RuntimeError } from "../../errors.ts";
import { checkKeywords } from "../../ops/define/schema.ts";
import { stack } from "../../ops/joining.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { Image, type ImageMode } from "../image.ts";
import { type Format, formatOf, platformCodec } from "./codec.ts";
import { exifOrientation, jpegOrientation } from "./exif.ts";
import { read_file } from "./files.ts";
import { decodePng, withoutPalette } from "./png.ts";
import {
  channelsOf,
  ImageReadMode,
  jpegGray,
  oriented,
  type Raster,
  type ReadMode,
  rasterToTensor,
  readMode,
  withChannels,
} from "./raster.ts";

/** A picture file: its bytes as a one-dimensional uint8 tensor, or as they are. */
export type EncodedImage = Tensor | Uint8Array | ArrayBuffer;

export interface DecodeOptions {
  /** Default UNCHANGED: as in the file. */
  readonly mode?: ReadMode;
  /** Turn JPEG and PNG pictures upright as the camera says. Default false. */
  readonly apply_exif_orientation?: boolean;
}

/** Mode and keywords, as torchvision takes them: positional or by keyword. */
type DecodeArguments = [options?: DecodeOptions] | [mode: ReadMode, options?: DecodeOptions];

function bindOptions(name: string, args: DecodeArguments): { mode: ImageReadMode; upright: boolean } {
  const [first, second] = args;
  const options = { ...(typeof first === "string" ? { ...second, mode: first } : first) };
  checkKeywords(name, options, ["mode", "apply_exif_orientation"]);
  return { mode: readMode(options.mode ?? ImageReadMode.UNCHANGED), upright: options.apply_exif_orientation ?? false };
}

function bytesOf(name: string, input: EncodedImage): Uint8Array {
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  if (input instanceof Uint8Array) return input;
  if (!is_tensor(input)) throw new TypeError(`${name}: expected a uint8 tensor, a Uint8Array or an ArrayBuffer`);
  if (input.dtype !== uint8) throw new RuntimeError(`${name}: Expected a torch.uint8 tensor`);
  if (input.ndim !== 1 || input.numel() === 0) {
    throw new RuntimeError(`${name}: Expected a non empty 1-dimensional tensor`);
  }
  return input.typed_array() as Uint8Array;
}

async function decodeWith(name: string, bytes: Uint8Array, format: Format): Promise<Raster[]> {
  const actual = formatOf(bytes);
  if (format !== "other" && actual !== format) {
    const start = [...bytes.subarray(0, 2)].map((b) => `0x${b.toString(16).padStart(2, "0")}`).join(" ");
    throw new RuntimeError(`${name}: Not a ${format.toUpperCase()} file: starts with ${start}`);
  }
  const codec = await platformCodec();
  try {
    return await codec.decode(bytes, format);
  } catch (cause) {
    if (cause instanceof RuntimeError || cause instanceof NotImplementedError) throw cause;
    throw new RuntimeError(`${name}: Image is incomplete or truncated (${(cause as Error).message})`, { cause });
  }
}

/**
 * A PNG picture as a uint8 tensor (C, H, W), exactly; with 16 bits as int32 in 0…65535, where PyTorch has uint16. As in
 * torchvision, UNCHANGED gives the places of a palette, not its colours, and only a palette can be transparent by tRNS.
 */
export async function decode_png(input: EncodedImage, ...args: DecodeArguments): Promise<Tensor> {
  const { mode, upright } = bindOptions("decode_png", args);
  const picture = await decodePng(bytesOf("decode_png", input));
  const raster = mode === "UNCHANGED" ? picture : withChannels(withoutPalette(picture), channelsOf(mode));
  const orientation = upright && picture.exif !== null ? exifOrientation(picture.exif) : 1;
  return rasterToTensor(oriented(raster, orientation));
}

/** A JPEG picture as a uint8 tensor (C, H, W), in grey or RGB. */
export async function decode_jpeg(input: EncodedImage, ...args: DecodeArguments): Promise<Tensor> {
  const { mode, upright } = bindOptions("decode_jpeg", args);
  const bytes = bytesOf("decode_jpeg", input);
  const [picture] = await decodeWith("decode_jpeg", bytes, "jpeg");
  if (mode === "GRAY_ALPHA" || mode === "RGB_ALPHA") {
    throw new RuntimeError("decode_jpeg: The provided mode is not supported for JPEG files");
  }
  const raster = withChannels(picture, channelsOf(mode), jpegGray);
  return rasterToTensor(oriented(raster, upright ? jpegOrientation(bytes) : 1));
}

/** A WebP picture as a uint8 tensor (3, H, W), or (4, H, W) with alpha. There are no grey ones. */
export async function decode_webp(input: EncodedImage, ...args: DecodeArguments): Promise<Tensor> {
  const { mode } = bindOptions("decode_webp", args);
  const [picture] = await decodeWith("decode_webp", bytesOf("decode_webp", input), "webp");
  const channels = mode === "RGB" || mode === "RGB_ALPHA" ? channelsOf(mode) : Math.max(3, picture.channels);
  return rasterToTensor(withChannels(picture, channels));
}

/** A GIF picture as a uint8 tensor (3, H, W); an animation as (frames, 3, H, W). */
export async function decode_gif(input: EncodedImage): Promise<Tensor> {
  const frames = await decodeWith("decode_gif", bytesOf("decode_gif", input), "gif");
  const tensors = frames.map((frame) => rasterToTensor(withChannels(frame, 3)));
  return tensors.length === 1 ? tensors[0] : stack(tensors);
}

/** A PNG, JPEG, WebP or GIF picture as a uint8 tensor (C, H, W): from its bytes, or from a file. */
export async function decode_image(input: EncodedImage | string, ...args: DecodeArguments): Promise<Tensor> {
  const bytes = bytesOf("decode_image", typeof input === "string" ? await read_file(input) : input);
  const { mode, upright } = bindOptions("decode_image", args);
  switch (formatOf(bytes)) {
    case "png":
      return decode_png(bytes, mode, { apply_exif_orientation: upright });
    case "jpeg":
      return decode_jpeg(bytes, mode, { apply_exif_orientation: upright });
    case "webp":
      return decode_webp(bytes, mode);
    case "gif":
      return decode_gif(bytes);
    default:
      throw new RuntimeError(
        "decode_image: Unsupported image file. Only jpeg, png, webp and gif are currently supported.",
      );
  }
}

/** Reads a PNG, JPEG, WebP or GIF file (a path; an address in browsers) as a uint8 tensor (C, H, W). */
export async function read_image(path: string, ...args: DecodeArguments): Promise<Tensor> {
  return decode_image(await read_file(path), ...args);
}

/** A picture as Pillow opens it, then converted to `mode`. */
export async function decodePicture(bytes: Uint8Array, mode: ImageMode): Promise<Image> {
  const format = formatOf(bytes);
  const stored =
    format === "png" ? withoutPalette(await decodePng(bytes)) : (await decodeWith("open", bytes, format))[0];
  const { width, height, channels, data } = eightBits(stored);
  return new Image((["L", "LA", "RGB", "RGBA"] as const)[channels - 1], [width, height], data).convert(mode);
}

function eightBits(picture: Raster): Raster & { data: Uint8Array } {
  const { data } = picture;
  return { ...picture, data: data instanceof Uint16Array ? Uint8Array.from(data, (v) => v >> 8) : data };
}
