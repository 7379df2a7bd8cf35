/**
 * PNG files, read and written here rather than by a library, so that the pixels are exact everywhere: a browser's canvas
 * multiplies by alpha and has 8 bits. Source: https://www.w3.org/TR/png-3/
 */
import { RuntimeError } from "../../errors.ts";
import { crc32 } from "../../serialization/zip/crc32.ts";
import type { Raster } from "./raster.ts";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const [GREY, RGB, PALETTE, GREY_ALPHA, RGBA] = [0, 2, 3, 4, 6];
const CHANNELS: ReadonlyMap<number, number> = new Map([
  [GREY, 1],
  [RGB, 3],
  [PALETTE, 1],
  [GREY_ALPHA, 2],
  [RGBA, 4],
]);
/** Deflate makes at most this many bytes from one. */
const MOST_FROM_A_BYTE = 1032;
/** libpng's limit for width and height. */
const LONGEST_SIDE = 1_000_000;

/** What a PNG file holds. Samples of pictures with a palette are places in it; grey ones fill 8 bits. */
export interface PngPicture extends Raster {
  /** Red, green, blue and alpha of each colour; null without a palette. */
  readonly palette: Uint8Array | null;
  /** EXIF data; null if there is none. */
  readonly exif: Uint8Array | null;
}

function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((b, i) => bytes[i] === b);
}

function fail(problem: string): never {
  throw new RuntimeError(`decode_png: ${problem}. Probably, the input image is corrupted`);
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly interlaced: boolean;
}

export async function decodePng(bytes: Uint8Array): Promise<PngPicture> {
  if (!isPng(bytes)) throw new RuntimeError("decode_png: Content is not png!");
  const { header, palette, exif, data } = readChunks(bytes);
  const passes = passesOf(header);
  const expected = passes.reduce((n, p) => n + p.height * (1 + p.rowBytes), 0);
  const packed = data.reduce((n, part) => n + part.length, 0);
  if (expected > packed * MOST_FROM_A_BYTE) fail(`${packed} bytes cannot hold ${header.width}x${header.height} pixels`);
  const raw = await inflate(data, expected);
  const channels = CHANNELS.get(header.colour) as number;
  const { width, height, depth } = header;
  const out = new (depth === 16 ? Uint16Array : Uint8Array)(width * height * channels);
  let start = 0;
  for (const pass of passes) {
    const rows = raw.subarray(start, start + pass.height * (1 + pass.rowBytes));
    unfilter(rows, pass.rowBytes, Math.max(1, (channels * depth) >> 3));
    spread(rows, pass, header, channels, out);
    start += rows.length;
  }
  return { width, height, channels, data: out, palette, exif };
}

/** The picture in colours, where it had a palette; alpha only if the palette has some. */
export function withoutPalette({ width, height, channels, data, palette }: PngPicture): Raster {
  if (palette === null) return { width, height, channels, data };
  const hasAlpha = palette.some((v, i) => i % 4 === 3 && v !== 255);
  const step = hasAlpha ? 4 : 3;
  const out = new Uint8Array(data.length * step);
  // libpng shows places behind the end of the palette in black.
  for (let i = 0; i < data.length; i++) {
    for (let c = 0; c < step; c++) out[step * i + c] = palette[4 * data[i] + c] ?? (c === 3 ? 255 : 0);
  }
  return { width, height, channels: step, data: out };
}

function readChunks(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Header | null = null;
  let palette: Uint8Array | null = null;
  let exif: Uint8Array | null = null;
  const data: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (length > bytes.length - at - 12) fail(`Out of bound read in decode_png: chunk ${JSON.stringify(kind)}`);
    const body = bytes.subarray(at + 8, at + 8 + length) as Uint8Array<ArrayBuffer>;
    // A capital letter marks what cannot be shown without: only there is damage fatal.
    const critical = /^[A-Z]/.test(kind);
    if (critical && crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      fail(`Internal error: the checksum of chunk ${JSON.stringify(kind)} is wrong`);
    }
    if (header === null && kind !== "IHDR") fail("Internal error: it does not begin with IHDR");
    if (kind === "IHDR") header = readHeader(body);
    else if (kind === "PLTE") palette = readPalette(body);
    else if (kind === "tRNS" && palette !== null) {
      for (let i = 0; i < body.length; i++) palette[4 * i + 3] = body[i];
    } else if (kind === "eXIf") exif = body;
    else if (kind === "IDAT") data.push(body);
    else if (kind === "IEND") break;
    else if (critical) fail(`Internal error: unknown chunk ${JSON.stringify(kind)}`);
    at += 12 + length;
  }
  if (header === null) return fail("Out of bound read in decode_png: it ends before the picture");
  if (header.colour !== PALETTE) palette = null;
  else if (palette === null) return fail("Internal error: the palette is missing");
  return { header, palette, exif, data };
}

function readHeader(body: Uint8Array): Header {
  if (body.length !== 13) fail("Internal error: invalid IHDR");
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colour, compression, filter, interlace] = body.subarray(8);
  if (width < 1 || height < 1 || width > LONGEST_SIDE || height > LONGEST_SIDE) {
    fail(`Internal error: invalid size ${width}x${height}`);
  }
  const depths = colour === GREY ? [1, 2, 4, 8, 16] : colour === PALETTE ? [1, 2, 4, 8] : [8, 16];
  if (!CHANNELS.has(colour) || !depths.includes(depth) || compression !== 0 || filter !== 0 || interlace > 1) {
    fail("Internal error: invalid IHDR data");
  }
  return { width, height, depth, colour, interlaced: interlace === 1 };
}

function readPalette(body: Uint8Array): Uint8Array {
  if (body.length % 3 !== 0 || body.length === 0 || body.length > 768) fail("Internal error: invalid palette");
  const palette = new Uint8Array((body.length / 3) * 4).fill(255);
  for (let i = 0; i < body.length; i++) palette[4 * Math.floor(i / 3) + (i % 3)] = body[i];
  return palette;
}

/** Every `stepX`-th pixel of every `stepY`-th row, as rows of their own. */
interface Pass {
  readonly left: number;
  readonly top: number;
  readonly stepX: number;
  readonly stepY: number;
  readonly width: number;
  readonly height: number;
  readonly rowBytes: number;
}

function passesOf({ width, height, depth, colour, interlaced }: Header): Pass[] {
  const channels = CHANNELS.get(colour) as number;
  const adam7 = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
  ];
  return (interlaced ? adam7 : [[0, 0, 1, 1]])
    .map(([left, top, stepX, stepY]) => {
      const columns = Math.ceil((width - left) / stepX);
      const rows = Math.ceil((height - top) / stepY);
      const rowBytes = Math.ceil((columns * channels * depth) / 8);
      return { left, top, stepX, stepY, width: columns, height: rows, rowBytes };
    })
    .filter((pass) => pass.width > 0 && pass.height > 0);
}

/** The first `size` bytes that come out; what follows is checked and dropped. */
async function inflate(parts: Uint8Array<ArrayBuffer>[], size: number): Promise<Uint8Array> {
  const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const out = new Uint8Array(size);
  let filled = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const part = next.value.subarray(0, size - filled);
      out.set(part, filled);
      filled += part.length;
      if (filled === size && part.length < next.value.length) break;
    }
  } catch {
    fail("Internal error: the compressed data is damaged or incomplete");
  } finally {
    reader.cancel().catch(() => {});
  }
  if (filled < size) fail(`Internal error: ${filled} bytes of pixels instead of ${size}`);
  return out;
}

/** Undoes the filters: each row says how its bytes were predicted from those on the left (a), above (b) and between (c). */
function unfilter(rows: Uint8Array, rowBytes: number, step: number): void {
  const stride = rowBytes + 1;
  for (let start = 0; start < rows.length; start += stride) {
    const kind = rows[start];
    const first = start + 1;
    const end = start + stride;
    const above = start === 0 ? -1 : first - stride;
    if (kind === 0 || (kind === 2 && above < 0)) continue;
    if (kind > 4) fail(`Internal error: unknown filter ${kind}`);
    for (let i = first; i < end; i++) {
      const a = i - step >= first ? rows[i - step] : 0;
      const b = above < 0 ? 0 : rows[i - stride];
      if (kind === 1) rows[i] += a;
      else if (kind === 2) rows[i] += b;
      else if (kind === 3) rows[i] += (a + b) >> 1;
      else rows[i] += paeth(a, b, above < 0 || i - step < first ? 0 : rows[i - step - stride]);
    }
  }
}

function paeth(a: number, b: number, c: number): number {
  const toA = Math.abs(b - c);
  const toB = Math.abs(a - c);
  const toC = Math.abs(a + b - 2 * c);
  if (toA <= toB && toA <= toC) return a;
  return toB <= toC ? b : c;
}

/** Samples of a pass to their places. */
function spread(rows: Uint8Array, pass: Pass, header: Header, channels: number, out: Uint8Array | Uint16Array): void {
  const { depth, colour, width } = header;
  const top = 2 ** depth - 1;
  // Grey of few bits fills the range of 8.
  const scale = colour === GREY && depth < 8 ? 255 / top : 1;
  for (let y = 0; y < pass.height; y++) {
    const row = y * (pass.rowBytes + 1) + 1;
    const line = (pass.top + y * pass.stepY) * width + pass.left;
    for (let x = 0; x < pass.width; x++) {
      const to = (line + x * pass.stepX) * channels;
      for (let c = 0; c < channels; c++) {
        const i = x * channels + c;
        if (depth === 8) out[to + c] = rows[row + i];
        else if (depth === 16) out[to + c] = (rows[row + 2 * i] << 8) | rows[row + 2 * i + 1];
        else {
          const bit = i * depth;
          out[to + c] = ((rows[row + (bit >> 3)] >> (8 - depth - (bit & 7))) & top) * scale;
        }
      }
    }
  }
}

/** A PNG file of an 8-bit picture; `deflate` compresses in zlib's format. */
export async function encodePng(
  { width, height, channels, data }: Raster,
  deflate: (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const rowBytes = width * channels;
  const rows = new Uint8Array(height * (rowBytes + 1));
  const candidates = Array.from({ length: 5 }, () => new Uint8Array(rowBytes));
  for (let y = 0; y < height; y++) {
    const kind = filterRow(data as Uint8Array, y * rowBytes, rowBytes, channels, candidates);
    rows[y * (rowBytes + 1)] = kind;
    rows.set(candidates[kind], y * (rowBytes + 1) + 1);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, [GREY, GREY_ALPHA, RGB, RGBA][channels - 1]], 8);
  const parts = [
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("IDAT", await deflate(rows)),
    chunk("IEND", new Uint8Array()),
  ];
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Fills in what each filter makes of a row, and says which is best: that with the least sum of absolute differences. */
function filterRow(data: Uint8Array, start: number, length: number, step: number, out: Uint8Array[]): number {
  const sums = [0, 0, 0, 0, 0];
  for (let i = 0; i < length; i++) {
    const value = data[start + i];
    const a = i >= step ? data[start + i - step] : 0;
    const b = start > 0 ? data[start + i - length] : 0;
    const c = i >= step && start > 0 ? data[start + i - step - length] : 0;
    const differences = [value, value - a, value - b, value - ((a + b) >> 1), value - paeth(a, b, c)];
    for (let kind = 0; kind < 5; kind++) {
      const byte = differences[kind] & 255;
      out[kind][i] = byte;
      sums[kind] += Math.min(byte, 256 - byte);
    }
  }
  return sums.indexOf(Math.min(...sums));
}

function chunk(kind: string, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(body.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  out.set(
    [...kind].map((c) => c.charCodeAt(0)),
    4,
  );
  out.set(body, 8);
  view.setUint32(body.length + 8, crc32(out.subarray(4, body.length + 8)));
  return out;
}
