/** Writing pictures: https://docs.pytorch.org/vision/stable/io.html */
import { uint8 } from "../../dtype.ts";
import { RuntimeError, ValueError } from "../../errors.ts";
import { checkKeywords } from "../../keywords.ts";
import { frombuffer } from "../../ops/from-values.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { platformCodec } from "./codec.ts";
import { write_file } from "./files.ts";
import { encodePng } from "./png.ts";
import { tensorToRaster } from "./raster.ts";

export interface PngOptions {
  /** From 0 (none) to 9. Default 6. A browser chooses by itself. */
  readonly compression_level?: number;
}

export interface JpegOptions {
  /** From 1 to 100. Default 75. */
  readonly quality?: number;
}

/** The one number that an encoder takes, by itself or by its name. */
function numberOf(name: string, options: number | object, key: string, standard: number): number {
  if (typeof options === "number") return options;
  checkKeywords(name, options, [key]);
  return (options as Record<string, number | undefined>)[key] ?? standard;
}

function checkPicture(name: string, input: Tensor): void {
  if (!is_tensor(input)) throw new TypeError(`${name}: expected a uint8 tensor of shape (C, H, W)`);
  if (input.dtype !== uint8) throw new RuntimeError(`${name}: Input tensor dtype should be uint8`);
  if (input.ndim !== 3) throw new RuntimeError(`${name}: Input data should be a 3-dimensional tensor`);
  const [channels, height, width] = input.shape;
  if (channels !== 1 && channels !== 3) {
    throw new RuntimeError(`${name}: The number of channels should be 1 or 3, got: ${channels}`);
  }
  if (height === 0 || width === 0) throw new RuntimeError(`${name}: the picture is empty (${width}x${height})`);
}

/** A uint8 tensor (C, H, W) with 1 or 3 channels as a PNG file, in a one-dimensional uint8 tensor. */
export async function encode_png(input: Tensor, options: number | PngOptions = {}): Promise<Tensor> {
  const level = numberOf("encode_png", options, "compression_level", 6);
  if (!(Number.isInteger(level) && level >= 0 && level <= 9)) {
    throw new RuntimeError("encode_png: Compression level should be between 0 and 9");
  }
  checkPicture("encode_png", input);
  return encodeAnyPng(input, level);
}

async function encodeAnyPng(input: Tensor, level: number): Promise<Tensor> {
  const codec = await platformCodec();
  const bytes = await encodePng(tensorToRaster(input), (rows) => codec.deflate(rows, level));
  return frombuffer(bytes, { dtype: uint8 });
}

/** @internal Writes a uint8 tensor (C, H, W) with 1 to 4 channels to a PNG file, as Pillow does. */
export async function writeAnyPng(input: Tensor, filename: string): Promise<void> {
  await write_file(filename, await encodeAnyPng(input, 6));
}

/** A uint8 tensor (C, H, W) with 1 or 3 channels as a JPEG file, in a one-dimensional uint8 tensor. */
export async function encode_jpeg(input: Tensor, options: number | JpegOptions = {}): Promise<Tensor> {
  const quality = numberOf("encode_jpeg", options, "quality", 75);
  if (!(quality >= 1 && quality <= 100)) {
    throw new ValueError("Image quality should be a positive number between 1 and 100");
  }
  checkPicture("encode_jpeg", input);
  const bytes = await (await platformCodec()).encodeJpeg(tensorToRaster(input), quality);
  return frombuffer(bytes, { dtype: uint8 });
}

/** Writes a uint8 tensor (C, H, W) with 1 or 3 channels to a PNG file. */
export async function write_png(input: Tensor, filename: string, options: number | PngOptions = {}): Promise<void> {
  await write_file(filename, await encode_png(input, options));
}

/** Writes a uint8 tensor (C, H, W) with 1 or 3 channels to a JPEG file. */
export async function write_jpeg(input: Tensor, filename: string, options: number | JpegOptions = {}): Promise<void> {
  await write_file(filename, await encode_jpeg(input, options));
}
