/**
 * A picture, as `PIL.Image.Image` is in Python: what data sets give and what transforms take beside tensors.
 * Modes and conversions are Pillow's: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes
 */
import { bool, float32, int16, int32, uint8 } from "../dtype.ts";
import { NotImplementedError, ValueError } from "../errors.ts";
import { is_tensor, type Tensor } from "../tensor.ts";

/** Pixels of a picture: bytes, or one number per pixel in the modes I;16, I and F. */
export type PixelArray = Uint8Array | Uint16Array | Int32Array | Float32Array;

/**
 * "1" black and white (0 or 255), "L" grey, "LA" with alpha, "RGB", "RGBA", "CMYK", "HSV"; one channel of wider numbers:
 * "I;16" unsigned 16 bits, "I" signed 32 bits, "F" float32.
 */
export type ImageMode = "1" | "L" | "LA" | "RGB" | "RGBA" | "CMYK" | "HSV" | "I;16" | "I" | "F";

/** How many numbers a pixel has. */
const BANDS: Readonly<Record<ImageMode, number>> = {
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

/** `PIL.Image.Transpose`. Rotations are counter-clockwise. */
export const Transpose = {
  FLIP_LEFT_RIGHT: 0,
  FLIP_TOP_BOTTOM: 1,
  ROTATE_90: 2,
  ROTATE_180: 3,
  ROTATE_270: 4,
  TRANSPOSE: 5,
  TRANSVERSE: 6,
} as const;
export type Transpose = (typeof Transpose)[keyof typeof Transpose];

/** A picture. Treat it as immutable: every method gives a new one. */
export class Image {
  readonly mode: ImageMode;
  /** Width and height. */
  readonly size: readonly [width: number, height: number];
  /** The numbers of all pixels, row by row, the channels of a pixel side by side. */
  readonly data: PixelArray;

  /** From pixels row by row; `data` is kept, not copied. */
  constructor(mode: ImageMode, size: readonly [width: number, height: number], data: PixelArray) {
    if (!Object.hasOwn(BANDS, mode)) throw new ValueError(`unrecognized image mode: ${mode}`);
    const [width, height] = size;
    if (!(Number.isInteger(width) && Number.isInteger(height) && width >= 0 && height >= 0)) {
      throw new ValueError("Width and height must be >= 0");
    }
    if (!(data instanceof arrayType(mode))) {
      throw new TypeError(`pixels of mode ${mode} must be a ${arrayType(mode).name}`);
    }
    const length = width * height * BANDS[mode];
    if (data.length !== length) {
      throw new ValueError(
        data.length < length
          ? `not enough image data: ${data.length} values for ${width}x${height} in mode ${mode}`
          : "cannot decode image data: too much of it",
      );
    }
    this.mode = mode;
    this.size = [width, height];
    this.data = data;
  }

  /** A picture of one colour: a number for all channels of grey pictures, else one per channel. Default black. */
  static new(
    mode: ImageMode,
    size: readonly [width: number, height: number],
    color: number | readonly number[] = 0,
  ): Image {
    const bands = BANDS[mode];
    const data = new (arrayType(mode))(size[0] * size[1] * bands);
    // As Pillow does: a single number for a picture with several channels is the first one's.
    const list = typeof color === "number" ? [color, ...Array<number>(bands - 1).fill(0)] : color;
    if (list.length !== bands) throw new TypeError(`color must have ${bands} elements for mode ${mode}`);
    if (list.some((v) => v !== 0)) for (let i = 0; i < data.length; i++) data[i] = list[i % bands];
    return new Image(mode, size, data);
  }

  /**
   * From a tensor of shape (H, W) or (H, W, C): uint8 with 1 to 4 channels (L, LA, RGB, RGBA), or one channel of bool (1),
   * int16 (I;16), int32 (I) or float32 (F). `mode` says what four bytes mean when it is not RGBA.
   */
  static fromarray(array: Tensor, mode: ImageMode | null = null): Image {
    if (!is_tensor(array)) throw new TypeError("Image.fromarray: expected a tensor of shape (H, W) or (H, W, C)");
    if (array.ndim !== 2 && array.ndim !== 3) {
      throw new ValueError(`array should be 2/3 dimensional. Got ${array.ndim} dimensions.`);
    }
    const [height, width, bands = 1] = array.shape;
    const guess = guessMode(array, bands);
    if (guess === null || (mode !== null && (BANDS[mode] !== bands || arrayType(mode) !== arrayType(guess)))) {
      const shape = bands === 1 ? "(1, 1)" : `(1, 1, ${bands})`;
      throw new TypeError(`Cannot handle this data type: ${shape}, ${array.dtype}${mode ? ` as mode ${mode}` : ""}`);
    }
    const values = array.typed_array() as PixelArray;
    if (guess === "1")
      return new Image(
        "1",
        [width, height],
        Uint8Array.from(values, (v) => (v ? 255 : 0)),
      );
    const data =
      array.dtype === int16 ? new Uint16Array(values.buffer as ArrayBuffer, values.byteOffset, values.length) : values;
    return new Image(mode ?? guess, [width, height], data);
  }

  /** From pixels row by row, as bytes. */
  static frombytes(mode: ImageMode, size: readonly [width: number, height: number], data: Uint8Array): Image {
    const type = arrayType(mode);
    if (type === Uint8Array) return new Image(mode, size, data);
    return new Image(mode, size, new type(data.slice().buffer));
  }

  get width(): number {
    return this.size[0];
  }

  get height(): number {
    return this.size[1];
  }

  /** How many numbers a pixel has. */
  get channels(): number {
    return BANDS[this.mode];
  }

  /** Names of the channels. */
  getbands(): string[] {
    return BANDS[this.mode] === 1 ? [this.mode.slice(0, 1)] : [...this.mode];
  }

  /** A pixel: a number, or a list where it has several channels. */
  getpixel([x, y]: readonly [x: number, y: number]): number | number[] {
    const [width, height] = this.size;
    const column = x < 0 ? x + width : x;
    const row = y < 0 ? y + height : y;
    if (!(column >= 0 && column < width && row >= 0 && row < height)) throw new RangeError("image index out of range");
    const bands = this.channels;
    const at = (row * width + column) * bands;
    return bands === 1 ? this.data[at] : Array.from(this.data.subarray(at, at + bands));
  }

  /** A copy of all pixels as bytes, row by row; wide numbers in the machine's order. */
  tobytes(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.data;
    return new Uint8Array(buffer, byteOffset, byteLength).slice();
  }

  copy(): Image {
    return new Image(this.mode, this.size, this.data.slice());
  }

  /** The same picture in another mode, by Pillow's formulas; "1" is dithered. */
  convert(mode: ImageMode): Image {
    if (!Object.hasOwn(BANDS, mode)) throw new ValueError(`unrecognized image mode: ${mode}`);
    if (mode === this.mode) return this;
    return new Image(mode, this.size, convertPixels(this, mode));
  }

  /** One picture in mode L for each channel. */
  split(): Image[] {
    const bands = this.channels;
    if (bands === 1) return [this];
    const count = this.width * this.height;
    return Array.from({ length: bands }, (_, band) => {
      const out = new Uint8Array(count);
      for (let i = 0, at = band; i < count; i++, at += bands) out[i] = this.data[at];
      return new Image("L", this.size, out);
    });
  }

  /** One picture from channels in mode L. */
  static merge(mode: ImageMode, bands: readonly Image[]): Image {
    if (bands.length !== BANDS[mode]) throw new ValueError("wrong number of bands");
    const { size } = bands[0];
    const step = bands.length;
    const data = new Uint8Array(size[0] * size[1] * step);
    bands.forEach(({ mode: m, size: s, data: from }, band) => {
      if (m !== "L") throw new ValueError("mode mismatch");
      if (s[0] !== size[0] || s[1] !== size[1]) throw new ValueError("size mismatch");
      for (let i = 0, at = band; i < from.length; i++, at += step) data[at] = from[i];
    });
    return new Image(mode, size, data);
  }

  /** The part between `left`, `top` and `right`, `bottom`; what lies outside is black and transparent. */
  crop([left, top, right, bottom]: readonly [left: number, top: number, right: number, bottom: number]): Image {
    if (right < left) throw new ValueError("Coordinate 'right' is less than 'left'");
    if (bottom < top) throw new ValueError("Coordinate 'lower' is less than 'upper'");
    const [width, height] = [right - left, bottom - top];
    const bands = this.channels;
    const out = new (arrayType(this.mode))(width * height * bands);
    const [x0, x1] = [Math.max(left, 0), Math.min(right, this.width)];
    for (let y = Math.max(top, 0); y < Math.min(bottom, this.height) && x0 < x1; y++) {
      const row = this.data.subarray((y * this.width + x0) * bands, (y * this.width + x1) * bands);
      out.set(row, ((y - top) * width + x0 - left) * bands);
    }
    return new Image(this.mode, [width, height], out);
  }

  /** Mirrored or turned. */
  transpose(method: Transpose): Image {
    const [width, height] = this.size;
    const bands = this.channels;
    const turned = method === 2 || method >= 4;
    const [outWidth, outHeight] = turned ? [height, width] : [width, height];
    // The source of pixel (x, y) is start + x · alongX + y · alongY.
    const [lastX, lastY] = [width - 1, (height - 1) * width];
    const [start, alongX, alongY] = (
      [
        [lastX, -1, width],
        [lastY, 1, -width],
        [lastX, width, -1],
        [lastX + lastY, -1, -width],
        [lastY, -width, 1],
        [0, width, 1],
        [lastX + lastY, -width, -1],
      ] as const
    )[method];
    const out = new (arrayType(this.mode))(this.data.length);
    let to = 0;
    for (let y = 0; y < outHeight; y++) {
      let from = (start + y * alongY) * bands;
      for (let x = 0; x < outWidth; x++, from += alongX * bands) {
        for (let band = 0; band < bands; band++) out[to++] = this.data[from + band];
      }
    }
    return new Image(this.mode, [outWidth, outHeight], out);
  }

  /** Each byte replaced by its entry in `table`: 256 for all channels, or 256 for each. */
  point(table: ArrayLike<number>): Image {
    const bands = this.channels;
    if (!(this.data instanceof Uint8Array)) {
      throw new NotImplementedError(`Image.point is not implemented for mode ${this.mode}`);
    }
    if (table.length !== 256 && table.length !== 256 * bands) throw new ValueError("wrong number of lut entries");
    const out = new Uint8Array(this.data.length);
    if (table.length === 256) for (let i = 0; i < out.length; i++) out[i] = table[this.data[i]];
    else {
      for (let i = 0; i < out.length; ) {
        for (let band = 0; band < bands; band++, i++) out[i] = table[band * 256 + this.data[i]];
      }
    }
    return new Image(this.mode, this.size, out);
  }

  /** How often each value occurs: 256 counts for each channel. */
  histogram(): number[] {
    if (!(this.data instanceof Uint8Array)) {
      throw new NotImplementedError(`Image.histogram is not implemented for mode ${this.mode}`);
    }
    const bands = this.channels;
    const counts = Array<number>(256 * bands).fill(0);
    for (let i = 0; i < this.data.length; ) {
      for (let band = 0; band < bands; band++) counts[band * 256 + this.data[i++]]++;
    }
    return counts;
  }

  toString(): string {
    return `<PIL.Image.Image image mode=${this.mode} size=${this.width}x${this.height}>`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** Whether a value is a picture. */
export function is_image(value: unknown): value is Image {
  return value instanceof Image;
}

function arrayType(mode: ImageMode): { new (size: number): PixelArray; new (buffer: ArrayBuffer): PixelArray } {
  if (mode === "I;16") return Uint16Array;
  if (mode === "I") return Int32Array;
  return mode === "F" ? Float32Array : Uint8Array;
}

function guessMode({ dtype }: Tensor, bands: number): ImageMode | null {
  if (dtype === uint8) return (["L", "LA", "RGB", "RGBA"] as const)[bands - 1] ?? null;
  if (bands !== 1) return null;
  if (dtype === bool) return "1";
  if (dtype === int16) return "I;16";
  if (dtype === int32) return "I";
  return dtype === float32 ? "F" : null;
}

/** Luma of ITU-R 601-2 in 16-bit fixed point, rounded: 0.299 R + 0.587 G + 0.114 B. */
export function luma(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

function convertPixels(image: Image, mode: ImageMode): PixelArray {
  const from = image.mode;
  // A picture in black and white has the pixels of a grey one.
  if (from === "1" && mode !== "L") return convertPixels(new Image("L", image.size, image.data), mode);
  if (from === "1") return image.data.slice();
  if (mode === "1") return dither(greysOf(image), image.size);
  const converter = converters[from]?.[mode];
  if (converter !== undefined) return converter(image.data);
  // Pillow's detour: by way of the plainest mode of the same kind.
  const base = image.channels <= 2 ? "L" : "RGB";
  if (from === base || converters[base]?.[mode] === undefined) {
    throw new ValueError(`conversion from ${from} to ${mode} not supported`);
  }
  return image.convert(base).convert(mode).data;
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
function greysOf(image: Image): PixelArray {
  const { mode, channels, data } = image;
  if (mode === "CMYK" || mode === "HSV") return greysOf(image.convert("RGB"));
  if (mode !== "RGB" && mode !== "RGBA") return image.convert("L").data;
  return perPixel(channels, 1, (p, i, out, o) => {
    out[o] = Math.trunc((p[i] * 299 + p[i + 1] * 587 + p[i + 2] * 114) / 1000);
  })(data);
}

/** Black and white by Floyd–Steinberg error diffusion, in Pillow's whole numbers (errors in sixteenths). */
function dither(data: PixelArray, [width, height]: readonly [number, number]): Uint8Array {
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
