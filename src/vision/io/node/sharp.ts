/** Pictures by sharp, which is loaded when it is first needed: https://sharp.pixelplumbing.com */
import { promisify } from "node:util";
import { deflate } from "node:zlib";
import { RuntimeError } from "../../../errors.ts";
import type { Codec } from "../codec.ts";
import type { Raster } from "../raster.ts";

/** What is used of sharp. */
interface Pipeline {
  metadata(): Promise<{ channels?: number; space?: string; hasAlpha?: boolean; pages?: number; pageHeight?: number }>;
  toColourspace(space: string): Pipeline;
  removeAlpha(): Pipeline;
  raw(): Pipeline;
  jpeg(options: { quality: number; chromaSubsampling: string }): Pipeline;
  toBuffer(options: { resolveWithObject: true }): Promise<{
    data: Buffer;
    info: { width: number; height: number; channels: number };
  }>;
}
type Sharp = (input: Uint8Array, options: Record<string, unknown>) => Pipeline;

let loading: Promise<Sharp> | null = null;

async function sharp(): Promise<Sharp> {
  // The name is a variable so that neither the compiler nor a bundler wants a package that is optional.
  const name: string = "sharp";
  loading ??= import(name).then(
    (module: { default: Sharp }) => module.default,
    (cause) => {
      loading = null;
      throw new RuntimeError(
        "Reading and writing JPEG, WebP and GIF pictures in Node needs the package sharp, which is optional: run npm install sharp",
        { cause },
      );
    },
  );
  return loading;
}

export const codec: Codec = {
  async decode(bytes, format) {
    const load = await sharp();
    const animated = format === "gif";
    const open = (): Pipeline => load(bytes, { failOn: "truncated", ignoreIcc: true, animated });
    const { channels, space, hasAlpha, pages = 1, pageHeight } = await open().metadata();
    const grey = channels === 1 || space === "b-w";
    let pipeline = open().toColourspace(grey ? "b-w" : "srgb");
    // torchvision shows the frames of a GIF without alpha.
    if (animated || (grey && hasAlpha)) pipeline = pipeline.removeAlpha();
    const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
    const height = pageHeight ?? info.height;
    const size = info.width * height * info.channels;
    return Array.from({ length: pages > 1 && animated ? pages : 1 }, (_, page): Raster => {
      const part = new Uint8Array(data.buffer, data.byteOffset + page * size, size);
      return { width: info.width, height, channels: info.channels, data: part };
    });
  },

  async encodeJpeg({ width, height, channels, data }, quality) {
    const load = await sharp();
    let pipeline = load(data as Uint8Array, { raw: { width, height, channels } });
    if (channels === 1) pipeline = pipeline.toColourspace("b-w");
    const out = await pipeline.jpeg({ quality, chromaSubsampling: "4:2:0" }).toBuffer({ resolveWithObject: true });
    return new Uint8Array(out.data);
  },

  async deflate(bytes, level) {
    return promisify<Uint8Array, { level: number }, Buffer>(deflate)(bytes, { level });
  },
};
