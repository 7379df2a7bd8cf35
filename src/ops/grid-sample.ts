/** Images at given positions, and the positions of affine maps. */

import type { GradientContext } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { fold, intoFirstDim, unfold } from "./define/batch.ts";
import { contract } from "./define/contraction.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { fromValues } from "./from-values.ts";
import { gridSampleGridDoubleBackward } from "./grid-sample-derivatives.ts";
import {
  gridSample,
  gridSampleGridBackward,
  gridSampleInputBackward,
  type SamplingOptions,
} from "./grid-sample-kernels.ts";
import { allocate } from "./row.ts";

function samplerOp(dims: number): PrimitiveCall<SamplingOptions> {
  const name = `grid_sampler_${dims}d`;
  const backward = (
    compute: typeof gridSampleInputBackward,
    gradient: (gg: Tensor, c: GradientContext<SamplingOptions>) => readonly (Tensor | null)[],
    saves: readonly (readonly number[])[],
  ): PrimitiveCall<SamplingOptions> =>
    primitive<SamplingOptions>({
      name: `${name}_backward`,
      batch: intoFirstDim(),
      nodeName: `GridSampler${dims}DBackwardBackward`,
      compute: ([g, x, grid], options) => compute(g, x, grid, options),
      gradient,
      saves,
    });
  // The gradient of the input is linear in g: what is to be differentiated is the product of g and gg sampled.
  const toInput: PrimitiveCall<SamplingOptions> = backward(
    gridSampleInputBackward,
    (gg, c) => [
      c.needs(0) ? sampler([gg, c.input(2)], c.attrs) : null,
      null,
      c.needs(2) ? toGrid([c.input(0), gg, c.input(2)], c.attrs) : null,
    ],
    [[2], [], [0, 2]],
  );
  const toGrid: PrimitiveCall<SamplingOptions> = backward(
    gridSampleGridBackward,
    (gg, c) =>
      gridSampleGridDoubleBackward(gg, [c.input(0), c.input(1), c.input(2)], c.attrs, [
        c.needs(0),
        c.needs(1),
        c.needs(2),
      ]),
    [[0, 1, 2]],
  );
  const sampler: PrimitiveCall<SamplingOptions> = primitive<SamplingOptions>({
    name,
    nodeName: `GridSampler${dims}DBackward`,
    batch: intoFirstDim(),
    compute: ([x, grid], options) => gridSample(x, grid, options),
    saves: [[0, 1]],
    gradient: (g, c) => {
      const inputs = [g, c.input(0), c.input(1)];
      return [c.needs(0) ? toInput(inputs, c.attrs) : null, c.needs(1) ? toGrid(inputs, c.attrs) : null];
    },
  });
  return sampler;
}

const samplers: Readonly<Record<number, PrimitiveCall<SamplingOptions>>> = { 2: samplerOp(2), 3: samplerOp(3) };

const MODES = ["bilinear", "nearest", "bicubic"] as const;
const PADDINGS = ["zeros", "border", "reflection"] as const;

/**
 * `input` (N, C, …) at the positions `grid` (N, …, dims), with two or three spatial dimensions. Modes are numbers: 0
 * bilinear, 1 nearest, 2 bicubic; padding 0 zeros, 1 border, 2 reflection. `nn.functional.grid_sample` takes names.
 */
export function grid_sampler(
  input: Tensor,
  grid: Tensor,
  interpolation_mode: number,
  padding_mode: number,
  align_corners: boolean,
): Tensor {
  return sample("grid_sampler", [input, grid, interpolation_mode, padding_mode, align_corners]);
}

/** `grid_sampler` of images (N, C, H, W). */
export function grid_sampler_2d(
  input: Tensor,
  grid: Tensor,
  interpolation_mode: number,
  padding_mode: number,
  align_corners: boolean,
): Tensor {
  return sample("grid_sampler_2d", [input, grid, interpolation_mode, padding_mode, align_corners]);
}

/** `grid_sampler` of volumes (N, C, D, H, W). */
export function grid_sampler_3d(
  input: Tensor,
  grid: Tensor,
  interpolation_mode: number,
  padding_mode: number,
  align_corners: boolean,
): Tensor {
  return sample("grid_sampler_3d", [input, grid, interpolation_mode, padding_mode, align_corners]);
}

function sample(name: string, args: readonly unknown[]): Tensor {
  const [x, grid, mode, padding, alignCorners] = bind(
    `${name}(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)`,
    args,
  ) as [Tensor, Tensor, number, number, boolean];
  check(x, grid, mode);
  return samplers[x.sizes.length - 2]([x, grid], { mode: MODES[mode], padding: PADDINGS[padding], alignCorners });
}

function check(x: Tensor, grid: Tensor, mode: number): void {
  const rank = x.sizes.length;
  const sizes = shapeText(x.sizes);
  const cells = shapeText(grid.sizes);
  if (x.sizes[0] !== grid.sizes[0]) {
    throw new RuntimeError(
      `grid_sampler(): expected grid and input to have same batch size, but got input with sizes ${sizes} and grid with sizes ${cells}`,
    );
  }
  if (grid.sizes.at(-1) !== rank - 2) {
    throw new RuntimeError(
      `grid_sampler(): expected grid to have size ${rank - 2} in last dimension, but got grid with sizes ${cells}`,
    );
  }
  if ((rank !== 4 && rank !== 5) || grid.sizes.length !== rank) {
    throw new RuntimeError(
      `grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes ${sizes} and grid with sizes ${cells}`,
    );
  }
  x.sizes.forEach((size, d) => {
    if (d >= 2 && size === 0) {
      throw new RuntimeError(
        `grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ${sizes} with dimension ${d} being empty`,
      );
    }
  });
  if (rank === 5 && mode === 2) throw new RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input");
  if (!x.dtype.is_floating_point) dt.notImplementedFor(`grid_sampler_${rank - 2}d_cpu_kernel_impl`, x.dtype);
  if (x.dtype !== grid.dtype) {
    throw new RuntimeError(
      `expected scalar type ${dt.scalarTypeName(x.dtype)} but found ${dt.scalarTypeName(grid.dtype)}`,
    );
  }
}

interface AffineAttrs {
  readonly size: Shape;
  readonly alignCorners: boolean;
}

/** Positions of all cells in [-1, 1], a row (x, y[, z], 1) each. */
function cellRows(spatial: Shape, dtype: dt.DType, alignCorners: boolean): Tensor {
  const dims = spatial.length;
  const count = spatial.reduce((n, s) => n * s, 1);
  const along = spatial.map((steps) =>
    Float64Array.from({ length: steps }, (_, i) => {
      if (alignCorners) return steps === 1 ? -1 : (2 * i) / (steps - 1) - 1;
      return (2 * i + 1) / steps - 1;
    }),
  );
  const rows = new Float64Array(count * (dims + 1)).fill(1);
  for (let i = 0; i < count; i++) {
    let rest = i;
    for (let d = dims - 1; d >= 0; d--) {
      rows[i * (dims + 1) + dims - 1 - d] = along[d][rest % spatial[d]];
      rest = Math.floor(rest / spatial[d]);
    }
  }
  return fromValues(rows, dtype, false).reshape([count, dims + 1]);
}

const affineOp: PrimitiveCall<AffineAttrs> = primitive<AffineAttrs>({
  name: "affine_grid_generator",
  batch: (call) => {
    const [n, ...rest] = call.attrs.size;
    return unfold(affineOp([fold(call.values[0])], { ...call.attrs, size: [call.size * n, ...rest] }), call.size);
  },
  compute: ([theta], { size, alignCorners }) => {
    const spatial = size.slice(2);
    const dims = spatial.length;
    const rows = cellRows(spatial, theta.dtype, alignCorners);
    const out = allocate(theta.dtype, [size[0], ...spatial, dims]);
    const [count, width] = rows.sizes;
    const [sample, row, column] = theta.strides;
    contract({
      name: "affine_grid",
      sizes: { batch: [size[0]], m: [count], n: [dims], k: [width] },
      a: { tensor: rows, batch: [0], m: [width], k: [1] },
      b: { tensor: theta, batch: [sample], k: [column], n: [row] },
      out: { tensor: out, batch: [count * dims], m: [dims], n: [1] },
    });
    return out;
  },
  gradient: (g, c) => {
    const { size, alignCorners } = c.attrs;
    const rows = cellRows(size.slice(2), g.dtype, alignCorners);
    const flat = g.reshape([size[0], rows.sizes[0], size.length - 2]);
    return [flat.transpose(1, 2).matmul(rows)];
  },
});

/** The grid for `grid_sampler` that maps results of shape `size` (N, C, …) by matrices `theta` (N, dims, dims + 1). */
export function affine_grid_generator(theta: Tensor, size: readonly number[], align_corners: boolean): Tensor {
  const [matrices, sizes, alignCorners] = bind("affine_grid_generator(Tensor theta, int[] size, bool align_corners)", [
    theta,
    size,
    align_corners,
  ]) as [Tensor, number[], boolean];
  if (matrices.sizes[0] !== sizes[0]) {
    const width = sizes.length - 1;
    throw new RuntimeError(
      `Expected size for first two dimensions of batch2 tensor to be: [${sizes[0]}, ${width}] but got: [${matrices.sizes[0]}, ${width}].`,
    );
  }
  return affineOp([matrices], { size: sizes, alignCorners });
}
