/** Pillow's changes of values (ImageEnhance, ImageOps), byte for byte. */
import { NotImplementedError, ValueError } from "../../../errors.ts";
import { Image, type ImageMode } from "../../image.ts";

function bytesOf({ data, mode }: Image, operation: string): Uint8Array {
  if (!(data instanceof Uint8Array) || mode === "1") {
    throw new ValueError(`image has wrong mode: ${operation} does not take mode ${mode}`);
  }
  return data;
}

/** `first + alpha · (second − first)` in single precision, cut off to bytes. */
function blend(first: Uint8Array, second: Uint8Array, alpha: number): Uint8Array {
  const f = Math.fround;
  const a = f(alpha);
  if (a === 0) return first.slice();
  if (a === 1) return second.slice();
  const out = new Uint8Array(first.length);
  for (let i = 0; i < out.length; i++) {
    const value = f(first[i] + f(a * (second[i] - first[i])));
    out[i] = value <= 0 ? 0 : value >= 255 ? 255 : value | 0;
  }
  return out;
}

/** Gives `degenerate` the alpha channel of `image`, where that has one. */
function withAlphaOf(image: Image, degenerate: Uint8Array): Uint8Array {
  if (image.mode === "LA" || image.mode === "RGBA") {
    const bands = image.channels;
    for (let i = bands - 1; i < degenerate.length; i += bands) degenerate[i] = image.data[i];
  }
  return degenerate;
}

function enhance(image: Image, degenerate: Uint8Array, factor: number, operation: string): Image {
  return new Image(image.mode, image.size, blend(degenerate, bytesOf(image, operation), factor));
}

/** Between black (0) and the picture (1), and beyond. */
export function brightness(image: Image, factor: number): Image {
  return enhance(image, withAlphaOf(image, new Uint8Array(image.data.length)), factor, "brightness");
}

/** Between the mean grey (0) and the picture (1), and beyond. */
export function contrast(image: Image, factor: number): Image {
  const grey = bytesOf(image.convert("L"), "contrast");
  let sum = 0;
  for (const value of grey) sum += value;
  const mean = Math.trunc((grey.length === 0 ? 0 : sum / grey.length) + 0.5);
  const flat = Image.new("L", image.size, mean).convert(image.mode).data as Uint8Array;
  return enhance(image, withAlphaOf(image, flat.slice()), factor, "contrast");
}

/** Between the grey picture (0) and the picture (1), and beyond. */
export function color(image: Image, factor: number): Image {
  const between: ImageMode = image.mode === "LA" || image.mode === "RGBA" ? "LA" : "L";
  const grey = image.convert(between).convert(image.mode).data as Uint8Array;
  return enhance(image, grey, factor, "saturation");
}

/** Between a smoothed picture (0) and the picture (1), and beyond. */
export function sharpness(image: Image, factor: number): Image {
  return enhance(image, withAlphaOf(image, smooth(image)), factor, "sharpness");
}

/** The 3×3 filter (1 1 1, 1 5 1, 1 1 1) / 13 in single precision; the border stays as it is. */
function smooth(image: Image): Uint8Array {
  const data = bytesOf(image, "sharpness");
  const { width, height, channels } = image;
  const out = data.slice();
  const f = Math.fround;
  const [edge, middle] = [f(1 / 13), f(5 / 13)];
  const atEdge = Float32Array.from({ length: 256 }, (_, v) => v * edge);
  const atMiddle = Float32Array.from({ length: 256 }, (_, v) => v * middle);
  const line = width * channels;
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * line + channels; i < (y + 1) * line - channels; i++) {
      const below = i + line;
      const above = i - line;
      let sum = f(0.5 + f(f(atEdge[data[below - channels]] + atEdge[data[below]]) + atEdge[data[below + channels]]));
      sum = f(sum + f(f(atEdge[data[i - channels]] + atMiddle[data[i]]) + atEdge[data[i + channels]]));
      sum = f(sum + f(f(atEdge[data[above - channels]] + atEdge[data[above]]) + atEdge[data[above + channels]]));
      out[i] = sum >= 255 ? 255 : sum | 0;
    }
  }
  return out;
}

/** Turns hues by `factor` of a circle. Grey pictures stay as they are. */
export function hue(image: Image, factor: number): Image {
  if (image.channels === 1) return image;
  const hsv = image.convert("HSV").data.slice() as Uint8Array;
  const turn = Math.trunc(factor * 255);
  for (let i = 0; i < hsv.length; i += 3) hsv[i] += turn;
  return new Image("HSV", image.size, hsv).convert("RGB").convert(image.mode);
}

/** `gain · value^gamma` of values in [0, 1]. */
export function gamma(image: Image, exponent: number, gain: number): Image {
  const table = Array.from({ length: 256 }, (_, v) => Math.trunc((255 + 1 - 1e-3) * gain * (v / 255) ** exponent));
  return image.convert("RGB").point(table.map(clampByte)).convert(image.mode);
}

function clampByte(value: number): number {
  return value < 0 ? 0 : Math.min(value, 255);
}

function lookUp(image: Image, table: readonly number[]): Image {
  if (image.mode !== "L" && image.mode !== "RGB") {
    throw new NotImplementedError(`not supported for mode ${image.mode}`);
  }
  return image.point(table);
}

const range = (value: (v: number) => number): number[] => Array.from({ length: 256 }, (_, v) => value(v));

export function invert(image: Image): Image {
  const table = range((v) => 255 - v);
  return image.mode === "1" ? image.point(table) : lookUp(image, table);
}

/** Keeps `bits` bits of each value. */
export function posterize(image: Image, bits: number): Image {
  const mask = ~(2 ** (8 - bits) - 1);
  return lookUp(
    image,
    range((v) => v & mask),
  );
}

/** Inverts values from `threshold` on. */
export function solarize(image: Image, threshold: number): Image {
  return lookUp(
    image,
    range((v) => (v < threshold ? v : 255 - v)),
  );
}

/** One table for each channel, from its histogram. */
function byHistogram(image: Image, tableOf: (histogram: readonly number[]) => number[]): Image {
  const counts = image.histogram();
  return lookUp(
    image,
    Array.from({ length: counts.length / 256 }, (_, i) => tableOf(counts.slice(i * 256, i * 256 + 256))).flat(),
  );
}

/** Stretches each channel to 0…255. */
export function autocontrast(image: Image): Image {
  return byHistogram(image, (histogram) => {
    const low = histogram.findIndex((n) => n > 0);
    const high = histogram.findLastIndex((n) => n > 0);
    if (high <= low) return range((v) => v);
    const scale = 255 / (high - low);
    const offset = -low * scale;
    return range((v) => clampByte(Math.trunc(v * scale + offset)));
  });
}

/** Makes the histogram of each channel as flat as may be. */
export function equalize(image: Image): Image {
  return byHistogram(image, (histogram) => {
    const used = histogram.filter((n) => n > 0);
    const total = used.reduce((a, b) => a + b, 0);
    const step = Math.floor((total - (used.at(-1) ?? 0)) / 255);
    if (used.length <= 1 || step === 0) return range((v) => v);
    let n = Math.floor(step / 2);
    return histogram.map((count) => {
      const value = Math.floor(n / step);
      n += count;
      return clampByte(value);
    });
  });
}

/** Grey, in one channel or in three that are equal. */
export function grayscale(image: Image, channels: 1 | 3): Image {
  const grey = image.convert("L");
  return channels === 1 ? grey : grey.convert("RGB");
}

export type PadMode = "constant" | "edge" | "reflect" | "symmetric";

/** Where position `i` of a padded line comes from; -1 for the fill. As NumPy pads: mirrors repeat. */
function paddedPlace(i: number, size: number, mode: PadMode): number {
  if (i >= 0 && i < size) return i;
  if (mode === "constant") return -1;
  if (mode === "edge") return i < 0 ? 0 : size - 1;
  if (size === 1) return 0;
  const period = mode === "reflect" ? 2 * (size - 1) : 2 * size;
  const at = ((i % period) + period) % period;
  if (at < size) return at;
  return mode === "reflect" ? period - at : period - 1 - at;
}

/** Adds borders; negative ones cut off. `fill` has a number for each channel. */
export function padImage(
  image: Image,
  [left, right, top, bottom]: readonly [number, number, number, number],
  fill: readonly number[],
  mode: PadMode,
): Image {
  const cut = (n: number): number => Math.max(-n, 0);
  const source =
    mode !== "constant" && Math.min(left, right, top, bottom) < 0
      ? image.crop([cut(left), cut(top), image.width - cut(right), image.height - cut(bottom)])
      : image;
  // Constant borders of negative width are cut off by the places alone.
  const grow = (n: number): number => (mode === "constant" ? n : Math.max(n, 0));
  const { width, height, channels, data } = source;
  const size = [width + grow(left) + grow(right), height + grow(top) + grow(bottom)] as const;
  const columns = Int32Array.from({ length: size[0] }, (_, x) => paddedPlace(x - grow(left), width, mode));
  const out = Image.new(image.mode, size, channels === 1 ? fill[0] : fill).data;
  for (let y = 0; y < size[1]; y++) {
    const row = paddedPlace(y - grow(top), height, mode);
    if (row < 0) continue;
    let to = y * size[0] * channels;
    for (const column of columns) {
      if (column >= 0) {
        const from = (row * width + column) * channels;
        for (let band = 0; band < channels; band++) out[to + band] = data[from + band];
      }
      to += channels;
    }
  }
  return new Image(image.mode, size, out);
}
