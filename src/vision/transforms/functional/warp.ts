/** Turned, sheared and bent images. */
import { float32 } from "../../../dtype.ts";
import { ValueError } from "../../../errors.ts";
import { bindNamed } from "../../../ops/define/schema.ts";
import { rot90 } from "../../../ops/rearranging.ts";
import { pythonRepr } from "../../../print/index.ts";
import { is_tensor, type Tensor } from "../../../tensor.ts";
import { checkInterpolation, type InterpolationMode } from "../interpolation.ts";
import { affineImage, perspectiveImage, rotateImage, type WarpFilter } from "../pil/warp.ts";
import { affineGrid, fillGrid, linspaceOf, perspectiveGrid, precisionOf, rowTimes, sampleGrid } from "./grid.ts";
import { dispatchImage, type Fill, get_size, type ImageLike, pictureFill, withChannels } from "./shared.ts";
import { pil_to_tensor, to_pil_image } from "./values.ts";

export interface WarpOptions {
  /** "nearest" (the default of `affine` and `rotate`), "bilinear" (of `perspective` and `elastic`); pictures also "bicubic". */
  readonly interpolation?: InterpolationMode;
  /** What is outside of the image, one number or one for each channel. null, the default, is 0. */
  readonly fill?: Fill;
}

export interface CenteredWarpOptions extends WarpOptions {
  /** x and y of the centre. Default: the middle. */
  readonly center?: readonly number[] | null;
}

export interface RotateOptions extends CenteredWarpOptions {
  /** Make the result so large that nothing is cut off. Default false. */
  readonly expand?: boolean;
}

/** A filter that Pillow's transforms have. */
function warpFilter(mode: InterpolationMode): WarpFilter {
  if (mode === "nearest-exact") return "nearest";
  if (mode === "nearest" || mode === "bilinear" || mode === "bicubic") return mode;
  throw new ValueError(
    `Image.Resampling.${mode.toUpperCase()} cannot be used. Use Image.Resampling.NEAREST (0), Image.Resampling.BILINEAR (2) or Image.Resampling.BICUBIC (3)`,
  );
}

const radians = (degrees: number): number => degrees * (Math.PI / 180);

/** From a pixel of the result to its place: translate · center · (rotate · scale · shear)⁻¹ · center⁻¹. */
function inverseAffineMatrix(
  [cx, cy]: readonly number[],
  angle: number,
  [tx, ty]: readonly number[],
  scale: number,
  shear: readonly number[],
): number[] {
  const [rotation, sx, sy] = [radians(angle), radians(shear[0]), radians(shear[1])];
  const a = Math.cos(rotation - sy) / Math.cos(sy);
  const b = -(a * Math.tan(sx) + Math.sin(rotation));
  const c = Math.sin(rotation - sy) / Math.cos(sy);
  const d = Math.cos(rotation) - c * Math.tan(sx);
  const matrix = [d / scale, -b / scale, 0, -c / scale, a / scale, 0];
  matrix[2] += cx - matrix[0] * (cx + tx) - matrix[1] * (cy + ty);
  matrix[5] += cy - matrix[3] * (cx + tx) - matrix[4] * (cy + ty);
  return matrix;
}

/** What torchvision has for tensors. */
function tensorMode(mode: InterpolationMode): InterpolationMode {
  if (mode === "nearest" || mode === "bilinear") return mode;
  throw new ValueError(`Interpolation mode '${mode}' is unsupported with Tensor input`);
}

/** The centre as an offset from the middle of the image. */
function offsetOf(center: readonly number[] | null, image: Tensor): number[] {
  if (center === null) return [0, 0];
  return [center[0] - image.size(-1) * 0.5, center[1] - image.size(-2) * 0.5];
}

/**
 * Turned clockwise by `angle` degrees, moved by `translate` pixels, scaled, and sheared by degrees along x and y, about
 * the centre.
 */
export function affine<T extends ImageLike>(
  image: T,
  angle: number,
  translate: readonly number[],
  scale: number,
  shear: number | readonly number[],
  ...rest: [
    interpolation?: InterpolationMode | CenteredWarpOptions,
    fill?: Fill | CenteredWarpOptions,
    center?: readonly number[] | null | CenteredWarpOptions,
  ]
): T {
  const o = bindNamed(
    'affine(float angle, any translate, float scale, any shear, any? interpolation="nearest", any? fill=None, any? center=None)',
    [angle, translate, scale, shear, ...rest],
  ) as { interpolation: unknown; fill: Fill; center: readonly number[] | null };
  if (!Array.isArray(translate)) throw new TypeError("Argument translate should be a sequence");
  if (translate.length !== 2) throw new ValueError("Argument translate should be a sequence of length 2");
  if (scale <= 0) throw new ValueError("Argument scale should be positive");
  const given = typeof shear === "number" ? [shear, 0] : shear;
  const shears = given.length === 1 ? [given[0], given[0]] : given;
  if (shears.length !== 2) {
    throw new ValueError(`Shear should be a sequence containing two values. Got ${pythonRepr(shear)}`);
  }
  const mode = checkInterpolation(o.interpolation);
  return dispatchImage(
    "affine",
    image,
    (x) => {
      const center = o.center ?? [x.width * 0.5, x.height * 0.5];
      const matrix = inverseAffineMatrix(center, angle, translate, scale, shears);
      return affineImage(x, matrix, warpFilter(mode), pictureFill(o.fill, x));
    },
    (x) =>
      withChannels(x, (y) => {
        const matrix = inverseAffineMatrix(offsetOf(o.center, y), angle, translate, scale, shears);
        return sampleGrid(y, affineGrid(y, matrix, get_size(y)), tensorMode(mode), o.fill);
      }),
  );
}

/** Turned counter-clockwise by `angle` degrees about the centre. */
export function rotate<T extends ImageLike>(
  image: T,
  angle: number,
  ...rest: [
    interpolation?: InterpolationMode | RotateOptions,
    expand?: boolean | RotateOptions,
    center?: readonly number[] | null | RotateOptions,
    fill?: Fill | RotateOptions,
  ]
): T {
  const o = bindNamed(
    'rotate(float angle, any? interpolation="nearest", bool expand=False, any? center=None, any? fill=None)',
    [angle, ...rest],
  ) as { interpolation: unknown; expand: boolean; center: readonly number[] | null; fill: Fill };
  const mode = checkInterpolation(o.interpolation);
  return dispatchImage(
    "rotate",
    image,
    (x) => {
      const center = o.center === null ? null : ([o.center[0], o.center[1]] as const);
      return rotateImage(x, angle, warpFilter(mode), o.expand, center, pictureFill(o.fill, x));
    },
    (x) => withChannels(x, (y) => rotateTensor(y, angle, mode, o.expand, o.center, o.fill)),
  );
}

function rotateTensor(
  image: Tensor,
  angle: number,
  mode: InterpolationMode,
  expand: boolean,
  center: readonly number[] | null,
  fill: Fill,
): Tensor {
  const degrees = ((angle % 360) + 360) % 360;
  const [height, width] = get_size(image);
  if (center === null) {
    if (degrees === 0) return image.clone();
    if (degrees === 180) return rot90(image, 2, [-2, -1]);
    if ((degrees === 90 || degrees === 270) && (expand || width === height)) {
      return rot90(image, degrees === 90 ? 1 : 3, [-2, -1]);
    }
  }
  const matrix = inverseAffineMatrix(offsetOf(center, image), -degrees, [0, 0], 1, [0, 0]);
  const size = expand ? expandedSize(matrix, height, width) : ([height, width] as const);
  return sampleGrid(image, affineGrid(image, matrix, size), tensorMode(mode), fill);
}

/** The size that holds all corners, in single precision with a tolerance of 1e-4 as torchvision finds it. */
function expandedSize(matrix: readonly number[], height: number, width: number): [number, number] {
  const f = Math.fround;
  const half = [0.5 * width, 0.5 * height];
  const extent = (row: number): number => {
    const m = [0, 1, 2].map((i) => f(matrix[row * 3 + i]));
    const at = [-1, 1].flatMap((sx) => [-1, 1].map((sy) => rowTimes(m, sx * half[0], sy * half[1], f)));
    const rough = (x: number): number => f(Math.trunc(f(f(x + half[row]) * 10000)) * f(1e-4));
    return Math.ceil(rough(Math.max(...at))) - Math.floor(rough(Math.min(...at)));
  };
  return [extent(1), extent(0)];
}

/** @internal The coefficients that take `endpoints` to `startpoints`, four [x, y] each; solved in double, kept in single precision. */
export function perspectiveCoefficients(
  startpoints: readonly (readonly number[])[],
  endpoints: readonly (readonly number[])[],
): number[] {
  if (startpoints.length !== 4 || endpoints.length !== 4) {
    throw new ValueError(
      `Please provide exactly four corners, got ${startpoints.length} startpoints and ${endpoints.length} endpoints.`,
    );
  }
  const rows = endpoints.flatMap(([x, y], i) => {
    const [u, v] = startpoints[i];
    return [
      [x, y, 1, 0, 0, 0, -u * x, -u * y, u],
      [0, 0, 0, x, y, 1, -v * x, -v * y, v],
    ];
  });
  return solve(rows).map(Math.fround);
}

/** Gaussian elimination with pivoting; each row ends with the right-hand side. */
function solve(rows: number[][]): number[] {
  const n = rows.length;
  for (let i = 0; i < n; i++) {
    let pivot = i;
    for (let k = i + 1; k < n; k++) if (Math.abs(rows[k][i]) > Math.abs(rows[pivot][i])) pivot = k;
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    for (let k = i + 1; k < n; k++) {
      const factor = rows[k][i] / rows[i][i];
      for (let j = i; j <= n; j++) rows[k][j] -= factor * rows[i][j];
    }
  }
  const x = new Array<number>(n);
  for (let i = n - 1; i >= 0; i--) {
    let sum = rows[i][n];
    for (let j = i + 1; j < n; j++) sum -= rows[i][j] * x[j];
    x[i] = sum / rows[i][i];
  }
  return x;
}

export interface PerspectiveOptions extends WarpOptions {
  /** The eight coefficients, instead of the points. */
  readonly coefficients?: readonly number[] | null;
}

/** Bent so that the corners `startpoints` come to lie on `endpoints`, each four [x, y]: top left, top right, bottom right, bottom left. */
export function perspective<T extends ImageLike>(
  image: T,
  startpoints: readonly (readonly number[])[] | null,
  endpoints: readonly (readonly number[])[] | null,
  ...rest: [
    interpolation?: InterpolationMode | PerspectiveOptions,
    fill?: Fill | PerspectiveOptions,
    coefficients?: readonly number[] | null | PerspectiveOptions,
  ]
): T {
  const o = bindNamed(
    'perspective(any? startpoints, any? endpoints, any? interpolation="bilinear", any? fill=None, any? coefficients=None)',
    [startpoints, endpoints, ...rest],
  ) as { interpolation: unknown; fill: Fill; coefficients: readonly number[] | null };
  const mode = checkInterpolation(o.interpolation);
  const coefficients = coefficientsOf(startpoints, endpoints, o.coefficients);
  return dispatchImage(
    "perspective",
    image,
    (x) => perspectiveImage(x, coefficients, warpFilter(mode), pictureFill(o.fill, x)),
    (x) => withChannels(x, (y) => sampleGrid(y, perspectiveGrid(y, coefficients), tensorMode(mode), o.fill)),
  );
}

function coefficientsOf(
  startpoints: readonly (readonly number[])[] | null,
  endpoints: readonly (readonly number[])[] | null,
  coefficients: readonly number[] | null,
): readonly number[] {
  if (coefficients !== null) {
    if (startpoints !== null && endpoints !== null) {
      throw new ValueError("The startpoints/endpoints and the coefficients shouldn't be defined concurrently.");
    }
    if (coefficients.length !== 8) throw new ValueError("Argument coefficients should have 8 float values");
    return coefficients;
  }
  if (startpoints === null || endpoints === null) {
    throw new ValueError("Either the startpoints/endpoints or the coefficients must have non `None` values.");
  }
  return perspectiveCoefficients(startpoints, endpoints);
}

/** Each pixel taken from a place moved by `displacement` (1, H, W, 2), in units of half the width and height. */
export function elastic<T extends ImageLike>(
  image: T,
  displacement: Tensor,
  ...rest: [interpolation?: InterpolationMode | WarpOptions, fill?: Fill | WarpOptions]
): T {
  if (!is_tensor(displacement)) throw new TypeError("Argument displacement should be a Tensor");
  const o = bindNamed('elastic(Tensor displacement, any? interpolation="bilinear", any? fill=None)', [
    displacement,
    ...rest,
  ]) as { interpolation: unknown; fill: Fill };
  const mode = checkInterpolation(o.interpolation);
  const forTensor = (x: Tensor): Tensor => withChannels(x, (y) => elasticTensor(y, displacement, mode, o.fill));
  return dispatchImage(
    "elastic",
    image,
    (x) => to_pil_image(forTensor(pil_to_tensor(x)), x.channels === 1 ? null : x.mode),
    forTensor,
  );
}
export { elastic as elastic_transform };

function elasticTensor(image: Tensor, displacement: Tensor, mode: InterpolationMode, fill: Fill): Tensor {
  const [height, width] = get_size(image);
  const wanted = [1, height, width, 2];
  if (String(wanted) !== String(displacement.shape)) {
    throw new ValueError(
      `Argument displacement shape should be ${pythonRepr(wanted)}, but given ${pythonRepr([...displacement.shape])}`,
    );
  }
  const { round, make } = precisionOf(image);
  const moves = displacement
    .detach()
    .to(image.is_floating_point() ? image.dtype : float32)
    .contiguous()
    .typed_array();
  const xs = linspaceOf((-width + 1) / width, (width - 1) / width, width, round);
  const ys = linspaceOf((-height + 1) / height, (height - 1) / height, height, round);
  const grid = fillGrid(make, width, height, (column, row) => {
    const at = (row * width + column) * 2;
    return [round(xs[column] + Number(moves[at])), round(ys[row] + Number(moves[at + 1]))];
  });
  return sampleGrid(image, grid, mode, fill);
}
