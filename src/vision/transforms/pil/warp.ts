/** Pillow's affine and perspective transforms, byte for byte (its file Geometry.c). */
import { ValueError } from "../../../errors.ts";
import { Image, type PixelArray, Transpose } from "../../image.ts";
import { premultiply, unpremultiply } from "./alpha.ts";

export type WarpFilter = "nearest" | "bilinear" | "bicubic";

/** Where the pixel (x, y) of the result comes from, in the coordinates of the picture: its centre at x + 1/2, y + 1/2. */
type Map = (x: number, y: number, out: Float64Array) => void;

type Warp =
  | { readonly kind: "affine"; readonly matrix: readonly number[] }
  | { readonly kind: "perspective"; readonly matrix: readonly number[] };

const clamp = (v: number, size: number): number => (v < 0 ? 0 : Math.min(v, size - 1));

function mapOf({ kind, matrix: a }: Warp): Map {
  if (kind === "affine") {
    return (x, y, out) => {
      out[0] = a[0] * (x + 0.5) + a[1] * (y + 0.5) + a[2];
      out[1] = a[3] * (x + 0.5) + a[4] * (y + 0.5) + a[5];
    };
  }
  return (x, y, out) => {
    const [px, py] = [x + 0.5, y + 0.5];
    const depth = a[6] * px + a[7] * py + 1;
    out[0] = (a[0] * px + a[1] * py + a[2]) / depth;
    out[1] = (a[3] * px + a[4] * py + a[5]) / depth;
  };
}

/** Cubic through four points, at `d` between the second and the third. */
function cubic(v1: number, v2: number, v3: number, v4: number, d: number): number {
  const p2 = -v1 + v3;
  const p3 = 2 * (v1 - v2) + v3 - v4;
  const p4 = -v1 + v2 - v3 + v4;
  return v2 + d * (p2 + d * (p3 + d * p4));
}

// Beyond the last row and before the first Pillow takes the row before for the next one: it repeats the edge.

/** Writes the pixel at (xin, yin), inside the picture. */
function bilinear(image: Image, xin: number, yin: number, out: PixelArray, to: number): void {
  const { data, width, height, channels } = image;
  const x = Math.floor(xin - 0.5);
  const y = Math.floor(yin - 0.5);
  const dx = xin - 0.5 - x;
  const dy = yin - 0.5 - y;
  const left = clamp(x, width) * channels;
  const right = clamp(x + 1, width) * channels;
  const top = clamp(y, height) * width * channels;
  const bottom = y + 1 < height ? (y + 1) * width * channels : top;
  for (let band = 0; band < channels; band++) {
    const a = data[top + left + band];
    const b = data[bottom + left + band];
    const v1 = a + (data[top + right + band] - a) * dx;
    const v2 = b + (data[bottom + right + band] - b) * dx;
    out[to + band] = finish(v1 + (v2 - v1) * dy, data);
  }
}

/** The same through sixteen pixels. */
function bicubic(image: Image, xin: number, yin: number, out: PixelArray, to: number): void {
  const { data, width, height, channels } = image;
  const x = Math.floor(xin - 0.5);
  const y = Math.floor(yin - 0.5);
  const dx = xin - 0.5 - x;
  const dy = yin - 0.5 - y;
  for (let band = 0; band < channels; band++) {
    const at = (column: number, row: number): number => data[(row * width + clamp(column, width)) * channels + band];
    const line = (row: number): number => cubic(at(x - 1, row), at(x, row), at(x + 1, row), at(x + 2, row), dx);
    const next = (row: number, before: number): number => (row >= 0 && row < height ? line(row) : before);
    const v1 = line(clamp(y - 1, height));
    const v2 = next(y, v1);
    const v3 = next(y + 1, v2);
    out[to + band] = finish(cubic(v1, v2, v3, next(y + 2, v3), dy), data);
  }
}

/** Writes where each pixel of the result comes from; -1 for outside. */
function nearestSources(warp: Warp, image: Image, [width, height]: readonly [number, number]): Int32Array {
  const sources = new Int32Array(width * height).fill(-1);
  const a = warp.matrix;
  const put = (x: number, y: number, column: number, row: number): void => {
    if (column >= 0 && column < image.width && row >= 0 && row < image.height) {
      sources[y * width + x] = row * image.width + column;
    }
  };
  const place = (v: number): number => (v < 0 ? -1 : Math.trunc(v));
  if (warp.kind === "perspective" || image.mode === "I;16") {
    const map = mapOf(warp);
    const point = new Float64Array(2);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        map(x, y, point);
        put(x, y, place(point[0]), place(point[1]));
      }
    }
  } else if (a[1] === 0 && a[3] === 0) {
    let yo = a[5] + a[4] * 0.5;
    for (let y = 0; y < height; y++, yo += a[4]) {
      let xo = a[2] + a[0] * 0.5;
      for (let x = 0; x < width; x++, xo += a[0]) put(x, y, place(xo), place(yo));
    }
  } else {
    // Fixed point of 16 bits, where all corners are within its range: else sums of floating point.
    const fits = (x: number, y: number): boolean =>
      Math.abs(x * a[0] + y * a[1] + a[2]) < 32768 && Math.abs(x * a[3] + y * a[4] + a[5]) < 32768;
    const isFixed = fits(0, 0) && fits(width, height) && fits(0, height) && fits(width, 0);
    const unit = (v: number): number => (isFixed ? Math.floor(v * 65536 + 0.5) : v);
    let startX = unit(a[2] + a[0] * 0.5 + a[1] * 0.5);
    let startY = unit(a[5] + a[3] * 0.5 + a[4] * 0.5);
    const [a0, a1, a3, a4] = [unit(a[0]), unit(a[1]), unit(a[3]), unit(a[4])];
    for (let y = 0; y < height; y++, startX += a1, startY += a4) {
      let [xx, yy] = [startX, startY];
      for (let x = 0; x < width; x++, xx += a0, yy += a3) {
        if (isFixed) put(x, y, xx >> 16, yy >> 16);
        else put(x, y, place(xx), place(yy));
      }
    }
  }
  return sources;
}

/** As the kind of number that the picture has. */
function finish(value: number, data: PixelArray): number {
  if (data instanceof Uint8Array) return value <= 0 ? 0 : value >= 255 ? 255 : value | 0;
  return data instanceof Int32Array ? Math.trunc(value) : value;
}

/** `image.transform(size, method, matrix, resample, fillcolor)`: `fill` has a number for each channel. */
function transformImage(
  image: Image,
  size: readonly [width: number, height: number],
  warp: Warp,
  filter: WarpFilter,
  fill: readonly number[],
): Image {
  const { channels, mode } = image;
  if ((mode === "LA" || mode === "RGBA") && filter !== "nearest") {
    // The fill is taken for weighted colours already, as in Pillow.
    const weighted = new Image(mode, image.size, premultiply(image.data, channels));
    return new Image(mode, size, unpremultiply(warped(weighted, size, warp, filter, fill), channels));
  }
  return new Image(mode, size, warped(image, size, warp, filter, fill));
}

function warped(
  image: Image,
  size: readonly [width: number, height: number],
  warp: Warp,
  filter: WarpFilter,
  fill: readonly number[],
): PixelArray {
  const { channels, mode } = image;
  const [width, height] = size;
  const out = Image.new(mode, size, channels === 1 ? fill[0] : fill).data;
  if (filter === "nearest" || mode === "1") {
    const sources = nearestSources(warp, image, size);
    for (let i = 0; i < sources.length; i++) {
      if (sources[i] < 0) continue;
      for (let band = 0; band < channels; band++) out[i * channels + band] = image.data[sources[i] * channels + band];
    }
    return out;
  }
  if (mode === "I;16") throw new ValueError("bad filter number");
  const map = mapOf(warp);
  const point = new Float64Array(2);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += channels) {
      map(x, y, point);
      const xin = point[0];
      const yin = point[1];
      if (!(xin >= 0 && xin < image.width && yin >= 0 && yin < image.height)) continue;
      if (filter === "bilinear") bilinear(image, xin, yin, out, to);
      else bicubic(image, xin, yin, out, to);
    }
  }
  return out;
}

/** With the inverse matrix of an affine map, six numbers row by row. */
export function affineImage(
  image: Image,
  matrix: readonly number[],
  filter: WarpFilter,
  fill: readonly number[],
): Image {
  return transformImage(image, image.size, { kind: "affine", matrix }, filter, fill);
}

/** With the eight coefficients of a perspective map from the result to the picture. */
export function perspectiveImage(
  image: Image,
  matrix: readonly number[],
  filter: WarpFilter,
  fill: readonly number[],
): Image {
  return transformImage(image, image.size, { kind: "perspective", matrix }, filter, fill);
}

/** Python's `round(x, 15)`. */
function rounded15(x: number): number {
  return Number(x.toFixed(15));
}

/** Counter-clockwise by `angle` degrees about `center` (default: the middle); `expand` makes room for the corners. */
export function rotateImage(
  image: Image,
  angle: number,
  filter: WarpFilter,
  expand: boolean,
  center: readonly [number, number] | null,
  fill: readonly number[],
): Image {
  const degrees = ((angle % 360) + 360) % 360;
  let [w, h] = image.size;
  if (center === null) {
    if (degrees === 0) return image.copy();
    if (degrees === 180) return image.transpose(Transpose.ROTATE_180);
    if ((degrees === 90 || degrees === 270) && (expand || w === h)) {
      return image.transpose(degrees === 90 ? Transpose.ROTATE_90 : Transpose.ROTATE_270);
    }
  }
  const [cx, cy] = center ?? [w / 2, h / 2];
  const radians = -(degrees * (Math.PI / 180));
  const [cos, sin] = [rounded15(Math.cos(radians)), rounded15(Math.sin(radians))];
  const matrix = [cos, sin, 0, rounded15(-Math.sin(radians)), cos, 0];
  const apply = (x: number, y: number): [number, number] => [
    matrix[0] * x + matrix[1] * y + matrix[2],
    matrix[3] * x + matrix[4] * y + matrix[5],
  ];
  [matrix[2], matrix[5]] = apply(-cx, -cy);
  matrix[2] += cx;
  matrix[5] += cy;
  if (expand) {
    const corners = [apply(0, 0), apply(w, 0), apply(w, h), apply(0, h)];
    const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
    const newWidth = Math.ceil(Math.max(...xs)) - Math.floor(Math.min(...xs));
    const newHeight = Math.ceil(Math.max(...ys)) - Math.floor(Math.min(...ys));
    [matrix[2], matrix[5]] = apply(-(newWidth - w) / 2, -(newHeight - h) / 2);
    [w, h] = [newWidth, newHeight];
  }
  return transformImage(image, [w, h], { kind: "affine", matrix }, filter, fill);
}
