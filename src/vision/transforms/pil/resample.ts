/**
 * Pillow's resampling, byte for byte: two passes, horizontal then vertical, each with weights of a filter that is
 * stretched by the scale (antialiasing), bytes with 22-bit fixed-point weights and rounded between the passes.
 * Source: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters and its file Resample.c.
 */
import { NotImplementedError, ValueError } from "../../../errors.ts";
import { Image, type PixelArray } from "../../image.ts";
import { premultiply, unpremultiply } from "./alpha.ts";

/** `PIL.Image.Resampling`. */
export type Resampling = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";

interface Filter {
  readonly support: number;
  /** The weight at distance `x`. */
  readonly weight: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** Keys' cubic with a = -1/2. */
function cubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

function hamming(distance: number): number {
  const x = Math.abs(distance);
  if (x === 0) return 1;
  // Pillow has the two constants in single precision.
  return x >= 1 ? 0 : sinc(x) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(x * Math.PI));
}

const FILTERS: Readonly<Record<Exclude<Resampling, "nearest">, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  hamming: { support: 1, weight: hamming },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

/** For each output position: where its inputs start, how many they are, and their weights (`taps` places for each). */
interface Weights {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly values: Float64Array;
  /** The weights as whole numbers of 2^-22, rounded half away from zero. */
  readonly fixed: Int32Array;
  readonly taps: number;
}

function weightsOf(inSize: number, outSize: number, { support, weight }: Filter): Weights {
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const radius = support * stretch;
  const taps = Math.ceil(radius) * 2 + 1;
  const starts = new Int32Array(outSize);
  const counts = new Int32Array(outSize);
  const values = new Float64Array(outSize * taps);
  for (let i = 0; i < outSize; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - radius + 0.5), 0);
    const count = Math.min(Math.trunc(center + radius + 0.5), inSize) - start;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      const w = weight((k + start - center + 0.5) * (1 / stretch));
      values[i * taps + k] = w;
      sum += w;
    }
    if (sum !== 0) for (let k = 0; k < count; k++) values[i * taps + k] /= sum;
    starts[i] = start;
    counts[i] = count;
  }
  const fixed = Int32Array.from(values, (w) => Math.trunc(w * (1 << PRECISION) + (w < 0 ? -0.5 : 0.5)));
  return { starts, counts, values, fixed, taps };
}

/** Each row on its own: `rows` rows of `width` pixels. */
function horizontalBytes(data: Uint8Array, rows: number, width: number, bands: number, w: Weights): Uint8Array {
  const out = new Uint8Array(rows * w.starts.length * bands);
  const rgb = bands === 3;
  for (let y = 0; y < rows; y++) {
    const row = y * width * bands;
    const to = y * w.starts.length * bands;
    if (rgb) rowOfColors(data, row, out, to, w);
    else for (let band = 0; band < bands; band++) rowOfBand(data, row + band, out, to + band, bands, w);
  }
  return out;
}

// Sums keep to 32 bits: a byte times weights whose sum is 1, or a little more where some are negative, fits in 10 + 22 bits.
function rowOfColors(data: Uint8Array, row: number, out: Uint8Array, to: number, w: Weights): void {
  const { starts, counts, taps, fixed } = w;
  for (let x = 0, at = to; x < starts.length; x++, at += 3) {
    let from = row + starts[x] * 3;
    let s0 = HALF;
    let s1 = HALF;
    let s2 = HALF;
    for (let k = x * taps, last = k + counts[x]; k < last; k++, from += 3) {
      const weight = fixed[k];
      s0 = (s0 + Math.imul(data[from], weight)) | 0;
      s1 = (s1 + Math.imul(data[from + 1], weight)) | 0;
      s2 = (s2 + Math.imul(data[from + 2], weight)) | 0;
    }
    out[at] = clip8(s0);
    out[at + 1] = clip8(s1);
    out[at + 2] = clip8(s2);
  }
}

function rowOfBand(data: Uint8Array, row: number, out: Uint8Array, to: number, bands: number, w: Weights): void {
  const { starts, counts, taps, fixed } = w;
  for (let x = 0, at = to; x < starts.length; x++, at += bands) {
    let from = row + starts[x] * bands;
    let sum = HALF;
    for (let k = x * taps, last = k + counts[x]; k < last; k++, from += bands) {
      sum = (sum + Math.imul(data[from], fixed[k])) | 0;
    }
    out[at] = clip8(sum);
  }
}

/** A sum in fixed point as a byte. */
function clip8(sum: number): number {
  const value = sum >> PRECISION;
  return value < 0 ? 0 : Math.min(value, 255);
}

/** All columns at once: rows of `length` bytes. */
function verticalBytes(data: Uint8Array, length: number, w: Weights): Uint8Array {
  const out = new Uint8Array(w.starts.length * length);
  const sums = new Int32Array(length);
  for (let y = 0; y < w.starts.length; y++) rowOfSums(data, length, out, y, sums, w);
  return out;
}

/** Four rows in each sweep, which saves most of the reading and writing of sums; absent rows have weight 0. */
function rowOfSums(data: Uint8Array, length: number, out: Uint8Array, y: number, sums: Int32Array, w: Weights): void {
  const { taps, fixed } = w;
  const first = y * taps;
  const count = w.counts[y];
  const top = w.starts[y] * length;
  const to = y * length;
  for (let k = 0; k < count; k += 4) {
    const weight = (i: number): number => (k + i < count ? fixed[first + k + i] : 0);
    const row = (i: number): number => top + Math.min(k + i, count - 1) * length;
    const [w0, w1, w2, w3] = [weight(0), weight(1), weight(2), weight(3)];
    let [r0, r1, r2, r3] = [row(0), row(1), row(2), row(3)];
    const isFirst = k === 0;
    const isLast = k + 4 >= count;
    for (let x = 0; x < length; x++) {
      const near = Math.imul(data[r0++], w0) + Math.imul(data[r1++], w1);
      const far = Math.imul(data[r2++], w2) + Math.imul(data[r3++], w3);
      const sum = ((isFirst ? HALF : sums[x]) + near + far) | 0;
      if (isLast) out[to + x] = clip8(sum);
      else sums[x] = sum;
    }
  }
}

/** Half away from zero; 16 bits by Pillow's way to clip them, high and low byte each on its own. */
function rounded(sum: number, data: PixelArray): number {
  const value = Math.trunc(sum + (sum >= 0 ? 0.5 : -0.5));
  if (data instanceof Int32Array) return value;
  return value < 0 ? 0 : (Math.min(value >> 8, 255) << 8) | (value & 255);
}

/** One pass over the wide modes, in doubles: `outer` lines of inputs that lie `stride` apart. */
function wide<T extends PixelArray>(data: T, outer: number, size: number, stride: number, w: Weights): T {
  const { starts, counts, values, taps } = w;
  const type = data.constructor as { new (length: number): T };
  const outSize = starts.length;
  const out = new type(outer * outSize * stride);
  for (let line = 0; line < outer; line++) {
    for (let i = 0; i < outSize; i++) {
      for (let x = 0; x < stride; x++) {
        let sum = 0;
        for (let k = 0; k < counts[i]; k++) {
          sum += data[(line * size + starts[i] + k) * stride + x] * values[i * taps + k];
        }
        out[(line * outSize + i) * stride + x] = data instanceof Float32Array ? sum : rounded(sum, data);
      }
    }
  }
  return out;
}

function resampleAxis(
  data: PixelArray,
  [width, height]: readonly [number, number],
  bands: number,
  size: number,
  axis: 0 | 1,
  filter: Filter,
): PixelArray {
  const weights = weightsOf(axis === 0 ? width : height, size, filter);
  if (data instanceof Uint8Array) {
    return axis === 0
      ? horizontalBytes(data, height, width, bands, weights)
      : verticalBytes(data, width * bands, weights);
  }
  return axis === 0 ? wide(data, height, width, 1, weights) : wide(data, 1, height, width, weights);
}

/** The nearest pixel. Pillow adds the step up from half a step, and multiplies only in mode I;16. */
function nearestPlaces(inSize: number, outSize: number, multiply: boolean): Int32Array {
  const step = inSize / outSize;
  const places = new Int32Array(outSize);
  let at = step * 0.5;
  for (let i = 0; i < outSize; i++, at += step) {
    places[i] = Math.min(Math.trunc(multiply ? step * (i + 0.5) : at), inSize - 1);
  }
  return places;
}

function nearest(image: Image, [outWidth, outHeight]: readonly [number, number]): Image {
  const { data, width, height, channels } = image;
  const columns = nearestPlaces(width, outWidth, image.mode === "I;16");
  const rows = nearestPlaces(height, outHeight, image.mode === "I;16");
  const out = new (data.constructor as { new (length: number): PixelArray })(outWidth * outHeight * channels);
  let to = 0;
  for (const row of rows) {
    for (const column of columns) {
      const from = (row * width + column) * channels;
      for (let band = 0; band < channels; band++) out[to++] = data[from + band];
    }
  }
  return new Image(image.mode, [outWidth, outHeight], out);
}

/** `image.resize(size, resample)`. Pictures in mode 1 take the nearest pixel; others with alpha are weighted by it. */
export function resizeImage(image: Image, size: readonly [width: number, height: number], resample: Resampling): Image {
  const { mode, channels, width, height } = image;
  const [outWidth, outHeight] = size;
  if (outWidth <= 0 || outHeight <= 0) throw new ValueError("height and width must be > 0");
  if (width === 0 || height === 0) throw new NotImplementedError("resize of an empty picture is not implemented");
  if (outWidth === width && outHeight === height) return image.copy();
  if (resample === "nearest" || mode === "1") return nearest(image, size);
  const filter = FILTERS[resample];
  const hasAlpha = mode === "LA" || mode === "RGBA";
  let data: PixelArray = hasAlpha ? premultiply(image.data, channels) : image.data;
  let [w, h] = [width, height];
  const across = (): void => {
    if (outWidth !== w) data = resampleAxis(data, [w, h], channels, outWidth, 0, filter);
    w = outWidth;
  };
  const down = (): void => {
    if (outHeight !== h) data = resampleAxis(data, [w, h], channels, outHeight, 1, filter);
    h = outHeight;
  };
  // Pillow shrinks very tall pictures by their height first, which saves work and rounds otherwise.
  const isTall = height > width * 100 && outHeight < height;
  for (const pass of isTall ? [down, across] : [across, down]) pass();
  return new Image(mode, size, hasAlpha ? unpremultiply(data, channels) : data);
}
