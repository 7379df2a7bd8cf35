/** Formats other than PNG, decoded and encoded by what the platform has: sharp in Node, the browser's own decoders there. */
import type { Raster } from "./raster.ts";

export interface Codec {
  /** The pictures of a file: one, or the frames of an animation. 1 channel for grey, 3, or 4 with alpha. */
  decode(bytes: Uint8Array, format: Format): Promise<Raster[]>;
  /** A JPEG file; `quality` from 1 to 100. */
  encodeJpeg(picture: Raster, quality: number): Promise<Uint8Array>;
  /** zlib's format; `level` from 0 to 9. */
  deflate(bytes: Uint8Array<ArrayBuffer>, level: number): Promise<Uint8Array>;
}

export type Format = "png" | "jpeg" | "webp" | "gif" | "other";

export function formatOf(bytes: Uint8Array): Format {
  const starts = (text: string, at = 0): boolean => [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0));
  if (starts("\x89PNG\r\n\x1a\n")) return "png";
  if (starts("\xff\xd8\xff")) return "jpeg";
  if (starts("GIF89a") || starts("GIF87a")) return "gif";
  return starts("RIFF") && starts("WEBP", 8) ? "webp" : "other";
}

export async function platformCodec(): Promise<Codec> {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  if (process?.versions?.node !== undefined) return (await import("./node/sharp.ts")).codec;
  return (await import("./browser.ts")).codec;
}
