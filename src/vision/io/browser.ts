/** Pictures by the decoders of a browser. */
import { NotImplementedError } from "../../errors.ts";
import type { Codec } from "./codec.ts";
import { uprightJpeg } from "./exif.ts";
import { type Raster, withChannels } from "./raster.ts";

interface Canvas2D {
  drawImage(image: unknown, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): { data: Uint8ClampedArray };
  putImageData(image: unknown, x: number, y: number): void;
}
interface Canvas {
  getContext(kind: "2d", options: { willReadFrequently: boolean }): Canvas2D;
  convertToBlob(options: { type: string; quality: number }): Promise<Blob>;
}
interface Frame {
  readonly displayWidth: number;
  readonly displayHeight: number;
  close(): void;
}
interface Decoder {
  readonly tracks: { ready: Promise<void>; selectedTrack: { frameCount: number } };
  decode(options: { frameIndex: number }): Promise<{ image: Frame }>;
  close(): void;
}
/** What is used of the browser, whose types are not those of Node. */
interface Browser {
  createImageBitmap?(blob: Blob, options: object): Promise<{ width: number; height: number; close(): void }>;
  OffscreenCanvas?: new (width: number, height: number) => Canvas;
  ImageData?: new (data: Uint8ClampedArray, width: number, height: number) => unknown;
  ImageDecoder?: new (options: { data: Uint8Array; type: string }) => Decoder;
}
const browser = globalThis as unknown as Browser;

function needed<K extends keyof Browser>(name: K): NonNullable<Browser[K]> {
  const value = browser[name];
  if (value === undefined) throw new NotImplementedError(`this browser has no ${name}, which reading pictures needs`);
  return value;
}

/** Draws a picture and reads its pixels back, RGBA. */
function pixelsOf(image: unknown, width: number, height: number): Raster {
  const canvas = new (needed("OffscreenCanvas"))(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, channels: 4, data: new Uint8Array(data.buffer) };
}

export const codec: Codec = {
  async decode(bytes, format) {
    if (format === "gif") return (await framesOf(bytes)).map((frame) => withChannels(frame, 3));
    // `imageOrientation` does not keep Chromium from turning pictures.
    const file = format === "jpeg" ? uprightJpeg(bytes) : bytes;
    const bitmap = await needed("createImageBitmap")(new Blob([file as Uint8Array<ArrayBuffer>]), {
      premultiplyAlpha: "none",
      colorSpaceConversion: "none",
    });
    const picture = pixelsOf(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
    if (format === "jpeg") return [withChannels(picture, isGreyJpeg(bytes) ? 1 : 3)];
    const isOpaque = picture.data.every((v, i) => i % 4 !== 3 || v === 255);
    return [isOpaque ? withChannels(picture, 3) : picture];
  },

  async encodeJpeg(picture, quality) {
    const { width, height, data } = withChannels(picture, 4);
    const canvas = new (needed("OffscreenCanvas"))(width, height);
    const image = new (needed("ImageData"))(new Uint8ClampedArray(data.buffer as ArrayBuffer), width, height);
    canvas.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: quality / 100 });
    return new Uint8Array(await blob.arrayBuffer());
  },

  /** The browser chooses the level. */
  async deflate(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  },
};

async function framesOf(bytes: Uint8Array): Promise<Raster[]> {
  const decoder = new (needed("ImageDecoder"))({ data: bytes, type: "image/gif" });
  await decoder.tracks.ready;
  const frames: Raster[] = [];
  for (let i = 0; i < decoder.tracks.selectedTrack.frameCount; i++) {
    const { image } = await decoder.decode({ frameIndex: i });
    frames.push(pixelsOf(image, image.displayWidth, image.displayHeight));
    image.close();
  }
  decoder.close();
  return frames;
}

/** Whether the frame header of a JPEG file says that there is one component. */
function isGreyJpeg(bytes: Uint8Array): boolean {
  for (let at = 2; at + 10 <= bytes.length && bytes[at] === 0xff; at += 2 + ((bytes[at + 2] << 8) | bytes[at + 3])) {
    const marker = bytes[at + 1];
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return bytes[at + 9] === 1;
  }
  return false;
}
