/** Resampling to another size. */
import { NotImplementedError, ValueError } from "../../errors.ts";
import { bind } from "../../ops/define/schema.ts";
import { type InterpolationMode, upsample as upsampleTensor } from "../../ops/interpolation.ts";
import { adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d } from "../../ops/pooling.ts";
import { pythonRepr } from "../../print/index.ts";
import { shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

/** Keyword arguments of `interpolate`. */
export interface InterpolateOptions {
  /** The new size, one number for all dimensions or one for each. Either this or `scale_factor`. */
  readonly size?: number | readonly number[] | null;
  /** How many times larger; the size is rounded down. */
  readonly scale_factor?: number | readonly number[] | null;
  /** "nearest" (the default), "nearest-exact", "linear" (3-D), "bilinear", "bicubic", "lanczos" (4-D), "trilinear" (5-D), "area". */
  readonly mode?: InterpolationMode | "area";
  /** Whether the corner elements keep their values; else the edges of the images coincide. Default false. */
  readonly align_corners?: boolean | null;
  /** Compute with the ratio of the sizes instead of with `scale_factor`. */
  readonly recompute_scale_factor?: boolean | null;
  /** Average over what one result stands for: "bilinear", "bicubic" and "lanczos" when making an image smaller. */
  readonly antialias?: boolean;
}

const SIGNATURE =
  'interpolate(Tensor input, any? size=None, any? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False)';
const RANKS: Readonly<Record<string, number>> = { linear: 3, bilinear: 4, bicubic: 4, lanczos: 4, trilinear: 5 };
const AREA = [adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d];

/**
 * The input (N, C, …), of one to three spatial dimensions, resampled to `size` or by `scale_factor`. bytes (uint8) go
 * with the nearest modes and with "bilinear", "bicubic" and "lanczos", in PyTorch's fixed-point arithmetic.
 */
export function interpolate(
  input: Tensor,
  size?: number | readonly number[] | null | InterpolateOptions,
  scale_factor?: number | readonly number[] | null | InterpolateOptions,
  mode?: InterpolationMode | "area" | InterpolateOptions,
  align_corners?: boolean | null | InterpolateOptions,
  recompute_scale_factor?: boolean | null | InterpolateOptions,
  antialias?: boolean | InterpolateOptions,
): Tensor {
  const [x, wanted, factor, how, given, recompute, smooth] = bind(SIGNATURE, [
    input,
    size,
    scale_factor,
    mode,
    align_corners,
    recompute_scale_factor,
    antialias,
  ]) as [
    Tensor,
    number | readonly number[] | null,
    number | readonly number[] | null,
    InterpolationMode | "area",
    boolean | null,
    boolean | null,
    boolean,
  ];
  const copies = how === "nearest" || how === "area" || how === "nearest-exact";
  if (copies && given !== null) {
    throw new ValueError(
      "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear",
    );
  }
  const dims = x.sizes.length - 2;
  let sizes = perDimension(x, wanted, "size", dims);
  let scales = perDimension(x, factor, "scale_factor", dims);
  if (sizes !== null && scales !== null) throw new ValueError("only one of size or scale_factor should be defined");
  if (sizes === null && scales === null) throw new ValueError("either size or scale_factor should be defined");
  if (recompute === true && sizes !== null) {
    throw new ValueError("recompute_scale_factor is not meaningful with an explicit size.");
  }
  if (sizes === null) {
    sizes = (scales as readonly number[]).map((s, d) => Math.trunc(x.sizes[d + 2] * s));
    // Averages have no scale of their own.
    if (recompute === true || how === "area") scales = null;
  }
  if (smooth && !((how === "bilinear" || how === "bicubic" || how === "lanczos") && x.sizes.length === 4)) {
    throw new ValueError(
      "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input",
    );
  }
  checkMode(x, how);
  if (how === "area") return (AREA[dims - 1] as (x: Tensor, sizes: readonly number[]) => Tensor)(x, sizes);
  if (how === "lanczos" && given === true) throw new ValueError("Lanczos mode does not support align_corners=True");
  if (how === "lanczos" && !smooth) throw new ValueError("Lanczos mode requires antialias=True");
  return upsampleTensor(x, { mode: how, sizes, scales, alignCorners: given ?? false, antialias: smooth });
}

function checkMode(x: Tensor, mode: string): void {
  const rank = x.sizes.length;
  const wanted = RANKS[mode];
  const known = wanted !== undefined || mode === "nearest" || mode === "nearest-exact" || mode === "area";
  if (known && rank >= 3 && rank <= 5 && (wanted === undefined || wanted === rank)) return;
  if (wanted !== undefined && mode.endsWith("linear") && rank >= 3 && rank <= 5) {
    throw new NotImplementedError(`Got ${rank}D input, but ${mode} mode needs ${wanted}D input`);
  }
  throw new NotImplementedError(
    `Input Error: Only 3D, 4D and 5D input Tensors supported (got ${rank}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got ${mode})`,
  );
}

/** A number for each spatial dimension. */
function perDimension(
  x: Tensor,
  value: number | readonly number[] | null,
  name: "size" | "scale_factor",
  dims: number,
): readonly number[] | null {
  if (value === null) return null;
  const list = typeof value === "number" ? new Array<number>(Math.max(dims, 0)).fill(value) : [...value];
  if (list.length !== dims) {
    const spatial = shapeText(x.sizes.slice(2));
    throw new ValueError(
      name === "size"
        ? `Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of ${spatial} and output size of ${pythonRepr(list)}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format.`
        : `Input and scale_factor must have the same number of spatial dimensions, but got input with spatial dimensions of ${spatial} and scale_factor of shape ${pythonRepr(list)}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format.`,
    );
  }
  if (name === "size" && !list.every((s) => Number.isInteger(s))) {
    throw new TypeError(
      `expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size ${pythonRepr(value)}`,
    );
  }
  return list;
}

/** As `interpolate`, its old name. */
export function upsample(
  input: Tensor,
  size?: number | readonly number[] | null | InterpolateOptions,
  scale_factor?: number | readonly number[] | null | InterpolateOptions,
  mode?: InterpolationMode | "area" | InterpolateOptions,
  align_corners?: boolean | null | InterpolateOptions,
): Tensor {
  return interpolate(input, size, scale_factor, mode, align_corners);
}

type SizeOptions = Pick<InterpolateOptions, "size" | "scale_factor">;

function boundSize(name: string, args: readonly unknown[]): [Tensor, SizeOptions] {
  const [x, size, scale_factor] = bind(`${name}(Tensor input, any? size=None, any? scale_factor=None)`, args);
  return [x as Tensor, { size, scale_factor } as SizeOptions];
}

/** `interpolate` with mode "nearest". */
export function upsample_nearest(
  input: Tensor,
  size?: number | readonly number[] | null | SizeOptions,
  scale_factor?: number | readonly number[] | null | SizeOptions,
): Tensor {
  const [x, options] = boundSize("upsample_nearest", [input, size, scale_factor]);
  return interpolate(x, { ...options, mode: "nearest" });
}

/** `interpolate` with mode "bilinear" and `align_corners`. */
export function upsample_bilinear(
  input: Tensor,
  size?: number | readonly number[] | null | SizeOptions,
  scale_factor?: number | readonly number[] | null | SizeOptions,
): Tensor {
  const [x, options] = boundSize("upsample_bilinear", [input, size, scale_factor]);
  return interpolate(x, { ...options, mode: "bilinear", align_corners: true });
}
