/**
 * Where the elements of a resampled dimension come from, and with which weights: the arithmetic of PyTorch's CPU kernels,
 * in float32 where those use it, so that the same elements are chosen. Pure functions on arrays of numbers.
 */

/** Result `o` is the sum over t of `weight[t · outputs + o] · x[index[t · outputs + o]]`. Without weights: a copy. */
export interface Taps {
  readonly count: number;
  readonly outputs: number;
  readonly index: Int32Array;
  readonly weight: Float64Array | null;
}

/** Result `o` is the sum over t < `size[o]` of `weight[o · width + t] · x[start[o] + t]`. */
export interface Windows {
  readonly width: number;
  readonly outputs: number;
  readonly start: Int32Array;
  readonly size: Int32Array;
  readonly weight: Float64Array;
}

/** One dimension: its sizes before and after, and how the two are aligned. */
export interface Resampling {
  readonly input: number;
  readonly output: number;
  /** The first and the last elements coincide; otherwise the outer edges of the elements do. */
  readonly alignCorners: boolean;
  /** Results per input element, where the caller gave it; by default the ratio of the sizes. */
  readonly scale: number | null;
}

/** Rounds to the type that PyTorch computes in. */
export type Rounding = (x: number) => number;

/** Input elements per result. */
function stepOf({ input, output, alignCorners, scale }: Resampling, round: Rounding): number {
  if (alignCorners) return output > 1 ? round((input - 1) / (output - 1)) : 0;
  return scale !== null && scale > 0 ? round(1 / scale) : round(input / output);
}

/** The position in the input of result `o`. */
function sourcePosition(step: number, o: number, alignCorners: boolean, cubic: boolean, round: Rounding): number {
  if (alignCorners) return round(step * o);
  const position = round(round(step * round(o + 0.5)) - 0.5);
  return cubic || position >= 0 ? position : 0;
}

const clamp = (x: number, low: number, high: number): number => Math.max(low, Math.min(high, x));

/** The element before a position, and how far the position is from it. */
function split(position: number, size: number, round: Rounding): [index: number, fraction: number] {
  const index = Math.min(Math.floor(position), size - 1);
  return [index, clamp(round(position - index), 0, 1)];
}

/** "nearest" takes the element in which the result's start lies, "nearest-exact" that of its centre. */
export function nearestTaps(resampling: Resampling, exact: boolean, round: Rounding): Taps {
  const { input, output } = resampling;
  const step = stepOf({ ...resampling, alignCorners: false }, round);
  const index = new Int32Array(output);
  for (let o = 0; o < output; o++) {
    const position = exact ? round(sourcePosition(step, o, false, false, round) + 0.5) : round(step * o);
    index[o] = Math.min(Math.floor(position), input - 1);
  }
  return { count: 1, outputs: output, index, weight: null };
}

/** Between the two neighbours of the position. */
export function linearTaps(resampling: Resampling, round: Rounding): Taps {
  const { input, output, alignCorners } = resampling;
  const step = stepOf(resampling, round);
  const index = new Int32Array(2 * output);
  const weight = new Float64Array(2 * output);
  for (let o = 0; o < output; o++) {
    const [first, fraction] =
      input === output ? [o, 0] : split(sourcePosition(step, o, alignCorners, false, round), input, round);
    index[o] = first;
    index[output + o] = input === output ? o : first + (first < input - 1 ? 1 : 0);
    weight[o] = round(1 - fraction);
    weight[output + o] = fraction;
  }
  return { count: 2, outputs: output, index, weight };
}

/** The cubic convolution kernel of Keys (1981) for |x| ≤ 1 and for 1 < |x| < 2. */
const near = (x: number, a: number): number => ((a + 2) * x - (a + 3)) * x * x + 1;
const far = (x: number, a: number): number => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;

/** Between four neighbours, with a = -3/4; positions beyond the edge repeat it. */
export function cubicTaps(resampling: Resampling, round: Rounding): Taps {
  const { input, output, alignCorners } = resampling;
  const step = stepOf(resampling, round);
  const index = new Int32Array(4 * output);
  const weight = new Float64Array(4 * output);
  for (let o = 0; o < output; o++) {
    const [first, t] = split(sourcePosition(step, o, alignCorners, true, round), input, round);
    const factors = [far(t + 1, -0.75), near(t, -0.75), near(1 - t, -0.75), far(2 - t, -0.75)];
    factors.forEach((factor, k) => {
      index[k * output + o] = clamp(first + k - 1, 0, input - 1);
      weight[k * output + o] = factor;
    });
  }
  return { count: 4, outputs: output, index, weight };
}

/** What a filter weighs at a distance, and the distance at which it ends. */
export interface Filter {
  readonly radius: number;
  readonly at: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

function cubicFilter(a: number): Filter {
  return {
    radius: 2,
    at: (distance) => {
      const x = Math.abs(distance);
      return x < 1 ? near(x, a) : x < 2 ? far(x, a) : 0;
    },
  };
}

/** Filters of antialiased resampling, as in Pillow. */
export const filters: Readonly<Record<string, Filter>> = {
  bilinear: { radius: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: cubicFilter(-0.5),
  lanczos: { radius: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** The filter stretched over as many elements as one result stands for, weights adding up to 1. */
export function antialiasWindows(resampling: Resampling, filter: Filter, round: Rounding): Windows {
  const { input, output } = resampling;
  const step = stepOf(resampling, round);
  const stretch = Math.max(step, 1);
  const support = round(filter.radius * stretch);
  const width = Math.ceil(support) * 2 + 1;
  const start = new Int32Array(output);
  const size = new Int32Array(output);
  const weight = new Float64Array(output * width);
  const shrink = step >= 1 ? round(1 / step) : 1;
  for (let o = 0; o < output; o++) {
    const centre = round(step * round(o + 0.5));
    const first = Math.max(Math.trunc(round(round(centre - support) + 0.5)), 0);
    const end = Math.min(Math.trunc(round(round(centre + support) + 0.5)), input);
    const count = clamp(end - first, 0, width);
    let total = 0;
    for (let t = 0; t < count; t++) {
      const w = round(filter.at(round(round(round(t + first - centre) + 0.5) * shrink)));
      weight[o * width + t] = w;
      total = round(total + w);
    }
    if (total !== 0) for (let t = 0; t < count; t++) weight[o * width + t] = round(weight[o * width + t] / total);
    start[o] = first;
    size[o] = count;
  }
  return { width, outputs: output, start, size, weight };
}

/** Windows of "bilinear" and "bicubic" without antialiasing, as the uint8 kernels compute them, in float64. */
export function plainWindows(resampling: Resampling, mode: string): Windows {
  const { input, output, alignCorners } = resampling;
  const cubic = mode === "bicubic";
  const { at } = cubic ? cubicFilter(-0.75) : filters.bilinear;
  const width = cubic ? 4 : 2;
  const step = stepOf(resampling, Number);
  const start = new Int32Array(output);
  const size = new Int32Array(output);
  const weight = new Float64Array(output * width);
  const support = width / 2;
  for (let o = 0; o < output; o++) {
    const [index, fraction] = split(sourcePosition(step, o, alignCorners, cubic, Number), input, Number);
    const unbound = index - support + 1;
    start[o] = Math.max(unbound, 0);
    size[o] = clamp(Math.min(unbound + width, input) - start[o], 0, width);
    // Elements beyond an edge are those at the edge.
    let place = 0;
    for (let t = 0; t < width; t++) {
      if (unbound + t <= 0) place = 0;
      else if (unbound + t >= input - 1) place = size[o] - 1;
      weight[o * width + place] += at(t + 1 - support - fraction);
      place++;
    }
  }
  return { width, outputs: output, start, size, weight };
}

/** Whole-number weights `round(w · 2^precision)`, with the largest precision at which they fit 16 bits. */
export function fixedPoint(windows: Windows): { windows: Windows; precision: number } {
  let largest = 0;
  for (const w of windows.weight) largest = Math.max(largest, w);
  let precision = 0;
  while (precision < 22 && Math.trunc(0.5 + largest * 2 ** (precision + 1)) < 2 ** 15) precision++;
  const weight = windows.weight.map((w) => Math.trunc(w * 2 ** precision + (w < 0 ? -0.5 : 0.5)));
  return { windows: { ...windows, weight }, precision };
}

/** For each input element the results that it contributes to: the windows of the gradient. */
export function transposed(table: Taps | Windows, input: number): Windows {
  const first = new Int32Array(input).fill(-1);
  const last = new Int32Array(input).fill(-1);
  const each = (use: (o: number, i: number, w: number) => void): void => {
    const { outputs } = table;
    for (let o = 0; o < outputs; o++) {
      if ("width" in table) {
        for (let t = 0; t < table.size[o]; t++) use(o, table.start[o] + t, table.weight[o * table.width + t]);
      } else {
        for (let t = 0; t < table.count; t++) {
          use(o, table.index[t * outputs + o], table.weight === null ? 1 : table.weight[t * outputs + o]);
        }
      }
    }
  };
  each((o, i) => {
    if (first[i] < 0) first[i] = o;
    last[i] = o;
  });
  let width = 1;
  const size = new Int32Array(input);
  for (let i = 0; i < input; i++) {
    size[i] = first[i] < 0 ? 0 : last[i] - first[i] + 1;
    width = Math.max(width, size[i]);
  }
  const weight = new Float64Array(input * width);
  each((o, i, w) => {
    weight[i * width + o - first[i]] += w;
  });
  return { width, outputs: input, start: first.map((f) => Math.max(f, 0)), size, weight };
}
