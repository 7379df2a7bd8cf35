/**
 * A picture, as `PIL.Image.Image` is in Python: what data sets give and what transforms take beside tensors.
 * Modes and conversions are Pillow's: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes
 */
import { bool, float32, int16, int32, uint8 } from "../dtype.ts";
import { NotImplementedError, ValueError } from "../errors.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { arrayType, BANDS, convertPixels, type ImageMode, type PixelArray } from "./image-modes.ts";

export type { ImageMode, PixelArray };

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
    return new Image(mode, this.size, convertPixels(this.data, this.size, this.mode, mode));
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

function guessMode({ dtype }: Tensor, bands: number): ImageMode | null {
  if (dtype === uint8) return (["L", "LA", "RGB", "RGBA"] as const)[bands - 1] ?? null;
  if (bands !== 1) return null;
  if (dtype === bool) return "1";
  if (dtype === int16) return "I;16";
  if (dtype === int32) return "I";
  return dtype === float32 ? "F" : null;
}
