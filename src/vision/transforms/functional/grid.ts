/**
 * Images read at the places of a grid, as `grid_sample` with zeros outside and `align_corners=False` does.
 *
 * A grid has for each pixel of the result the place that it comes from, from -1 (left, top) to 1, computed in the
 * precision of PyTorch's, float32 or float64.
 */
import { float32, float64 } from "../../../dtype.ts";
import { ValueError } from "../../../errors.ts";
import { grid_sample } from "../../../nn/functional/grid-sample.ts";
import { ones } from "../../../ops/creation.ts";
import { tensor } from "../../../ops/from-values.ts";
import { cat } from "../../../ops/joining.ts";
import { where } from "../../../ops/selection.ts";
import type { Tensor } from "../../../tensor.ts";
import type { InterpolationMode } from "../interpolation.ts";
import type { Fill } from "./shared.ts";

export type FloatArray = Float32Array | Float64Array;

/** A place for each pixel of the result, row by row. */
export interface Grid {
  /** x and y in turn. */
  readonly places: FloatArray;
  readonly width: number;
  readonly height: number;
}

/** Rounds to the precision of a grid. */
type Round = (x: number) => number;

/** @internal How a grid for `image` is computed. */
export function precisionOf(image: Tensor): { round: Round; make: (length: number) => FloatArray } {
  if (image.dtype === float64) return { round: (x) => x, make: (length) => new Float64Array(length) };
  return { round: Math.fround, make: (length) => new Float32Array(length) };
}

/** @internal As `torch.linspace`: from both ends to the middle. */
export function linspaceOf(start: number, end: number, steps: number, round: Round): number[] {
  const [a, b] = [round(start), round(end)];
  if (steps === 1) return [a];
  const step = round(round(b - a) / (steps - 1));
  const half = Math.floor(steps / 2);
  // The product and the sum are rounded once, as a fused operation does.
  return Array.from({ length: steps }, (_, i) => (i < half ? round(a + step * i) : round(b - step * (steps - 1 - i))));
}

/** @internal `row · (x, y, 1)` with fused products, in the order of a matrix product. */
export function rowTimes(row: readonly number[], x: number, y: number, round: Round): number {
  return round(row[2] + round(y * row[1] + round(x * row[0])));
}

/** @internal The grid of the inverse affine `matrix`, for a result of the given size; all centred at 0. */
export function affineGrid(image: Tensor, matrix: readonly number[], [height, width]: readonly [number, number]): Grid {
  const { round, make } = precisionOf(image);
  const half = [round(0.5 * image.size(-1)), round(0.5 * image.size(-2))];
  const scaled = (row: number): number[] => [0, 1, 2].map((i) => round(round(matrix[row * 3 + i]) / half[row]));
  const rows = [scaled(0), scaled(1)];
  // PyTorch makes these in single precision whatever the image is.
  const xs = linspaceOf((1 - width) * 0.5, (width - 1) * 0.5, width, Math.fround);
  const ys = linspaceOf((1 - height) * 0.5, (height - 1) * 0.5, height, Math.fround);
  return fillGrid(make, width, height, (column, row) => [
    rowTimes(rows[0], xs[column], ys[row], round),
    rowTimes(rows[1], xs[column], ys[row], round),
  ]);
}

/** @internal The grid of eight perspective coefficients. */
export function perspectiveGrid(image: Tensor, c: readonly number[]): Grid {
  const { round, make } = precisionOf(image);
  const [height, width] = image.shape.slice(-2);
  const half = [round(0.5 * width), round(0.5 * height)];
  const scaled = (row: number): number[] => [0, 1, 2].map((i) => round(round(c[row * 3 + i]) / half[row]));
  const rows = [scaled(0), scaled(1)];
  const depth = [round(c[6]), round(c[7]), 1];
  const xs = linspaceOf(0.5, width - 0.5, width, round);
  const ys = linspaceOf(0.5, height - 0.5, height, round);
  return fillGrid(make, width, height, (column, row) => {
    const [x, y] = [xs[column], ys[row]];
    const d = rowTimes(depth, x, y, round);
    return [round(round(rowTimes(rows[0], x, y, round) / d) - 1), round(round(rowTimes(rows[1], x, y, round) / d) - 1)];
  });
}

/** @internal A grid from a function of column and row. */
export function fillGrid(
  make: (length: number) => FloatArray,
  width: number,
  height: number,
  at: (column: number, row: number) => [x: number, y: number],
): Grid {
  const places = make(width * height * 2);
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++, i += 2) [places[i], places[i + 1]] = at(column, row);
  }
  return { places, width, height };
}

/** @internal (…, C, H, W) at the places of the grid; outside is `fill`, or 0 for null. Whole numbers are rounded. */
export function sampleGrid(image: Tensor, grid: Grid, mode: InterpolationMode, fill: Fill): Tensor {
  if (mode !== "nearest" && mode !== "bilinear" && mode !== "bicubic") {
    throw new ValueError(`Interpolation mode '${mode}' is unsupported with Tensor input`);
  }
  const channels = image.size(-3);
  if (Array.isArray(fill) && fill.length > 1 && fill.length !== channels) {
    throw new ValueError(
      `The number of elements in 'fill' cannot broadcast to match the number of channels of the image (${fill.length} != ${channels})`,
    );
  }
  const [height, width] = image.shape.slice(-2);
  const shape = [...image.shape.slice(0, -2), grid.height, grid.width];
  if (image.numel() === 0) return image.reshape(shape);
  const isFloat = image.is_floating_point();
  const dtype = isFloat ? image.dtype : float32;
  const floats = (isFloat ? image : image.to(float32)).reshape([-1, channels, height, width]);
  const count = floats.size(0);
  const places = tensor(grid.places).to(dtype).view(1, grid.height, grid.width, 2).expand([count, -1, -1, -1]);
  const read = (x: Tensor): Tensor => grid_sample(x, places, { mode, padding_mode: "zeros", align_corners: false });
  let out: Tensor;
  if (fill === null) out = read(floats);
  else {
    // A channel of ones shows how much of each pixel comes from inside.
    const all = read(cat([floats, ones([count, 1, height, width], { dtype })], 1));
    const inside = all.narrow(1, channels, 1);
    const value = tensor(typeof fill === "number" ? [fill] : [...fill], { dtype }).view(1, -1, 1, 1);
    const colors = all.narrow(1, 0, channels);
    out = mode === "nearest" ? where(inside.lt(0.5), value, colors) : colors.sub(value).mul(inside).add(value);
  }
  return (isFloat ? out : out.round().to(image.dtype)).reshape(shape);
}
