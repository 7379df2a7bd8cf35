/** Modes of pictures, and the way from one to the other: Pillow's formulas, to the byte (its file Convert.c). */
import { ValueError } from "../errors.ts";

/** Pixels of a picture: bytes, or one number per pixel in the modes I;16, I and F. */
export type PixelArray = Uint8Array | Uint16Array | Int32Array | Float32Array;

/**
 * "1" black and white (0 or 255), "L" grey, "LA" with alpha, "RGB", "RGBA", "CMYK", "HSV"; one channel of wider numbers:
 * "I;16" unsigned 16 bits, "I" signed 32 bits, "F" float32.
 */
export type ImageMode = "1" | "L" | "LA" | "RGB" | "RGBA" | "CMYK" | "HSV" | "I;16" | "I" | "F";

/** How many numbers a pixel has. */
export const BANDS: Readonly<Record<ImageMode, number>> = {
  "1": 1,
  L: 1,
  LA: 2,
  RGB: 3,
  RGBA: 4,
  CMYK: 4,
  HSV: 3,
  "I;16": 1,
  I: 1,
  F: 1,
};

/** The kind of array that holds the pixels of a mode. */
export function arrayType(mode: ImageMode): { new (size: number): PixelArray; new (buffer: ArrayBuffer): PixelArray } {
  if (mode === "I;16") return Uint16Array;
  if (mode === "I") return Int32Array;
  return mode === "F" ? Float32Array : Uint8Array;
}

/** Luma of ITU-R 601-2 in 16-bit fixed point, rounded: 0.299 R + 0.587 G + 0.114 B. */
function luma(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

type Size = readonly [width: number, height: number];

/** The pixels in another mode. */
export function convertPixels(data: PixelArray, size: Size, from: ImageMode, to: ImageMode): PixelArray {
  if (from === to) return data;
  // A picture in black and white has the pixels of a grey one.
  if (from === "1") return to === "L" ? data.slice() : convertPixels(data, size, "L", to);
  if (to === "1") return dither(greysOf(data, size, from), size);
  const converter = converters[from]?.[to];
  if (converter !== undefined) return converter(data);
  // Pillow's detour: by way of the plainest mode of the same kind.
  const base = BANDS[from] <= 2 ? "L" : "RGB";
  if (from === base || converters[base]?.[to] === undefined) {
    throw new ValueError(`conversion from ${from} to ${to} not supported`);
  }
  return convertPixels(convertPixels(data, size, from, base), size, base, to);
}

type Converter = (pixels: PixelArray) => PixelArray;

/** From `bands` bytes a pixel to `outBands`. */
function perPixel(
  bands: number,
  outBands: number,
  write: (pixels: PixelArray, from: number, out: Uint8Array, to: number) => void,
): Converter {
  return (pixels) => {
    const count = pixels.length / bands;
    const out = new Uint8Array(count * outBands);
    for (let i = 0; i < count; i++) write(pixels, i * bands, out, i * outBands);
    return out;
  };
}

/** Channels copied from the given places; -1 stands for opaque. */
function select(bands: number, ...places: readonly number[]): Converter {
  return (pixels) => {
    const count = pixels.length / bands;
    const step = places.length;
    const out = new Uint8Array(count * step);
    places.forEach((place, band) => {
      for (let i = 0, to = band, from = place; i < count; i++, to += step, from += bands) {
        out[to] = place < 0 ? 255 : pixels[from];
      }
    });
    return out;
  };
}

function toGrey(bands: number, outBands: number): Converter {
  return (pixels) => {
    const out = new Uint8Array((pixels.length / bands) * outBands);
    for (let i = 0, o = 0; o < out.length; i += bands, o += outBands) {
      out[o] = luma(pixels[i], pixels[i + 1], pixels[i + 2]);
      if (outBands === 2) out[o + 1] = bands === 4 ? pixels[i + 3] : 255;
    }
    return out;
  };
}

function rounded(value: number): number {
  return Math.min(Math.max(value, 0), 255);
}

/** `a · b / 255`, rounded, as Pillow multiplies bytes. */
export function multiplyBytes(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

const cmykToRgb = perPixel(4, 3, (p, i, out, o) => {
  const light = 255 - p[i + 3];
  for (let band = 0; band < 3; band++) out[o + band] = rounded(light - multiplyBytes(p[i + band], light));
});

const rgbToCmyk = perPixel(3, 4, (p, i, out, o) => {
  for (let band = 0; band < 3; band++) out[o + band] = 255 - p[i + band];
});

/** Hue, saturation and value in 0…255, in Pillow's single precision. */
function rgbToHsv(pixels: PixelArray): Uint8Array {
  const out = new Uint8Array(pixels.length);
  const f = Math.fround;
  for (let i = 0; i < out.length; i += 3) {
    const r = pixels[i];
    const g = pixels[i + 1];
    const b = pixels[i + 2];
    const max = Math.max(r, g, b);
    const range = max - Math.min(r, g, b);
    out[i + 2] = max;
    if (range === 0) continue;
    const rc = f((max - r) / range);
    const gc = f((max - g) / range);
    const bc = f((max - b) / range);
    const sector = r === max ? f(bc - gc) : g === max ? f(2 + rc - bc) : f(4 + gc - rc);
    // One turn is added because the remainder of a negative hue would be negative.
    const turn = sector / 6 + 1;
    out[i] = f(turn >= 1 ? turn - 1 : turn) * 255;
    out[i + 1] = f(range / max) * 255;
  }
  return out;
}

function hsvToRgb(pixels: PixelArray): Uint8Array {
  const out = new Uint8Array(pixels.length);
  for (let i = 0; i < out.length; i += 3) {
    const h = pixels[i];
    const v = pixels[i + 2];
    const sector = Math.floor((h * 6) / 255);
    const f = Math.fround((h * 6) / 255 - sector);
    const fs = Math.fround(pixels[i + 1] / 255);
    // What the three channels are made of, in every sixth of the circle in another order.
    const a = Math.floor(v * (1 - fs) + 0.5);
    const b = Math.floor(v * (1 - fs * f) + 0.5);
    const c = Math.floor(v * (1 - fs * (1 - f)) + 0.5);
    switch (sector % 6) {
      case 0:
        [out[i], out[i + 1], out[i + 2]] = [v, c, a];
        break;
      case 1:
        [out[i], out[i + 1], out[i + 2]] = [b, v, a];
        break;
      case 2:
        [out[i], out[i + 1], out[i + 2]] = [a, v, c];
        break;
      case 3:
        [out[i], out[i + 1], out[i + 2]] = [a, b, v];
        break;
      case 4:
        [out[i], out[i + 1], out[i + 2]] = [c, a, v];
        break;
      default:
        [out[i], out[i + 1], out[i + 2]] = [v, a, b];
    }
  }
  return out;
}

const toNumbers =
  (type: typeof Int32Array | typeof Float32Array | typeof Uint16Array): Converter =>
  (pixels) =>
    type.from(pixels);
const clipped: Converter = (pixels) => Uint8Array.from(pixels, (v) => rounded(Math.trunc(v)));

const converters: Readonly<Record<string, Readonly<Partial<Record<ImageMode, Converter>>>>> = {
  L: {
    LA: select(1, 0, -1),
    RGB: select(1, 0, 0, 0),
    RGBA: select(1, 0, 0, 0, -1),
    CMYK: perPixel(1, 4, (p, i, out, o) => {
      out[o + 3] = 255 - p[i];
    }),
    HSV: perPixel(1, 3, (p, i, out, o) => {
      out[o + 2] = p[i];
    }),
    I: toNumbers(Int32Array),
    F: toNumbers(Float32Array),
    "I;16": toNumbers(Uint16Array),
  },
  LA: { L: select(2, 0), RGB: select(2, 0, 0, 0), RGBA: select(2, 0, 0, 0, 1) },
  RGB: {
    L: toGrey(3, 1),
    LA: toGrey(3, 2),
    RGBA: select(3, 0, 1, 2, -1),
    CMYK: rgbToCmyk,
    HSV: rgbToHsv,
  },
  RGBA: {
    L: toGrey(4, 1),
    LA: toGrey(4, 2),
    RGB: select(4, 0, 1, 2),
    CMYK: (p) => rgbToCmyk(select(4, 0, 1, 2)(p)),
    HSV: (p) => rgbToHsv(select(4, 0, 1, 2)(p)),
  },
  CMYK: { RGB: cmykToRgb },
  HSV: { RGB: hsvToRgb },
  I: {
    L: clipped,
    F: toNumbers(Float32Array),
    "I;16": (p) => Uint16Array.from(p, (v) => Math.min(Math.max(v, 0), 65535)),
  },
  F: { L: clipped, I: toNumbers(Int32Array) },
  "I;16": { L: clipped, I: toNumbers(Int32Array), F: toNumbers(Float32Array) },
};

/** What is dithered: Pillow weighs colours with three decimals here, and does not round. */
function greysOf(data: PixelArray, size: Size, mode: ImageMode): PixelArray {
  if (mode === "CMYK" || mode === "HSV") return greysOf(convertPixels(data, size, mode, "RGB"), size, "RGB");
  if (mode !== "RGB" && mode !== "RGBA") return convertPixels(data, size, mode, "L");
  return perPixel(BANDS[mode], 1, (p, i, out, o) => {
    out[o] = Math.trunc((p[i] * 299 + p[i + 1] * 587 + p[i + 2] * 114) / 1000);
  })(data);
}

/** Black and white by Floyd–Steinberg error diffusion, in Pillow's whole numbers (errors in sixteenths). */
function dither(data: PixelArray, [width, height]: Size): Uint8Array {
  const out = new Uint8Array(data.length);
  const errors = new Int32Array(width + 1);
  for (let y = 0; y < height; y++) {
    let [carried, below, beside] = [0, 0, 0];
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const value = rounded(data[at] + Math.trunc((carried + errors[x + 1]) / 16));
      out[at] = value > 128 ? 255 : 0;
      let error = value - out[at];
      const doubled = error + error;
      const single = error;
      error += doubled;
      errors[x] = error + below;
      error += doubled;
      below = error + beside;
      beside = single;
      carried = error + doubled;
    }
    errors[width] = below;
  }
  return out;
}
