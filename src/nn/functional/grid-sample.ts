/** Images at given positions. */
import { NotImplementedError, ValueError } from "../../errors.ts";
import { bind } from "../../ops/define/schema.ts";
import { affine_grid_generator, grid_sampler } from "../../ops/grid-sample.ts";
import { pythonRepr } from "../../print/index.ts";
import { shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

const MODES = ["bilinear", "nearest", "bicubic"];
const PADDINGS = ["zeros", "border", "reflection"];

/** Keyword arguments of `grid_sample`. */
export interface GridSampleOptions {
  /** "bilinear" (the default; trilinear for volumes), "nearest", or "bicubic" (images only). */
  readonly mode?: "bilinear" | "nearest" | "bicubic";
  /** What lies outside: "zeros" (the default), the "border", or a "reflection". */
  readonly padding_mode?: "zeros" | "border" | "reflection";
  /** Whether ±1 are the centres of the outermost elements; else their outer edges. Default false. */
  readonly align_corners?: boolean | null;
}

/**
 * `input` (N, C, H, W) or (N, C, D, H, W) at the positions `grid` (N, …, 2 or 3), whose last dimension has x, y and z in
 * [-1, 1]: (N, C, …).
 */
export function grid_sample(
  input: Tensor,
  grid: Tensor,
  mode?: "bilinear" | "nearest" | "bicubic" | GridSampleOptions,
  padding_mode?: "zeros" | "border" | "reflection" | GridSampleOptions,
  align_corners?: boolean | null | GridSampleOptions,
): Tensor {
  const [x, cells, how, outside, align] = bind(
    'grid_sample(Tensor input, Tensor grid, str mode="bilinear", str padding_mode="zeros", bool? align_corners=None)',
    [input, grid, mode, padding_mode, align_corners],
  ) as [Tensor, Tensor, string, string, boolean | null];
  if (!MODES.includes(how)) {
    throw new ValueError(
      `nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '${how}'`,
    );
  }
  if (!PADDINGS.includes(outside)) {
    throw new ValueError(
      `nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '${outside}'`,
    );
  }
  return grid_sampler(x, cells, MODES.indexOf(how), PADDINGS.indexOf(outside), align ?? false);
}

/** The grid for `grid_sample` that an affine map gives: `theta` (N, 2, 3) for `size` (N, C, H, W), (N, 3, 4) for (N, C, D, H, W). */
export function affine_grid(
  theta: Tensor,
  size: readonly number[],
  align_corners?: boolean | null | { readonly align_corners?: boolean | null },
): Tensor {
  const [matrices, sizes, align] = bind("affine_grid(Tensor theta, int[] size, bool? align_corners=None)", [
    theta,
    size,
    align_corners,
  ]) as [Tensor, number[], boolean | null];
  if (!matrices.dtype.is_floating_point) {
    throw new ValueError(`Expected theta to have floating point type, but got ${matrices.dtype}`);
  }
  const dims = sizes.length - 2;
  if (dims !== 2 && dims !== 3) {
    throw new NotImplementedError(
      `affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size ${pythonRepr(sizes)}.`,
    );
  }
  const { sizes: shape } = matrices;
  if (shape.length !== 3 || shape[1] !== dims || shape[2] !== dims + 1) {
    throw new ValueError(
      `Expected a batch of ${dims}D affine matrices of shape Nx${dims}x${dims + 1} for size ${pythonRepr(sizes)}. Got torch.Size(${shapeText(shape)}).`,
    );
  }
  if (Math.min(...sizes) <= 0) {
    throw new ValueError(`Expected non-zero, positive output size. Got ${pythonRepr(sizes)}`);
  }
  return affine_grid_generator(matrices, sizes, align ?? false);
}
