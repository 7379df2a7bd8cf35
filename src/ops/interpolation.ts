/** Resampling of images and signals: nearest, linear, cubic, and antialiased filters. */

import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { inFormatOf } from "./copy.ts";
import { inFront } from "./define/batch.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { resampleTaps, resampleWindows } from "./interpolation-kernels.ts";
import {
  antialiasWindows,
  cubicTaps,
  filters,
  fixedPoint,
  linearTaps,
  nearestTaps,
  plainWindows,
  type Resampling,
  type Rounding,
  type Taps,
  transposed,
  type Windows,
} from "./interpolation-weights.ts";

export type InterpolationMode =
  | "nearest"
  | "nearest-exact"
  | "linear"
  | "bilinear"
  | "bicubic"
  | "trilinear"
  | "lanczos";

interface UpsampleAttrs {
  readonly mode: InterpolationMode;
  readonly antialias: boolean;
  /** The whole input shape. */
  readonly input: Shape;
  readonly resamplings: readonly Resampling[];
}

/** The type that PyTorch computes positions and weights in. */
const roundingOf = (dtype: dt.DType): Rounding => (dtype === dt.float64 ? Number : Math.fround);

function tapsOf({ mode, resamplings }: UpsampleAttrs, resampling: Resampling, round: Rounding): Taps {
  if (mode === "nearest-exact") return nearestTaps(resampling, true, round);
  if (mode === "nearest") {
    // Measured: for small images PyTorch takes a kernel that goes by the sizes alone where they are equal or doubled.
    const { input, output } = resampling;
    const small = resamplings.length === 2 && resamplings[0].output + resamplings[1].output <= 128;
    const whole = small && (output === input || output === 2 * input);
    return nearestTaps(whole ? { ...resampling, scale: null } : resampling, false, round);
  }
  return mode === "bicubic" ? cubicTaps(resampling, round) : linearTaps(resampling, round);
}

function windowsOf(a: UpsampleAttrs, resampling: Resampling, round: Rounding): Windows {
  return antialiasWindows(resampling, filters[a.mode], round);
}

function forwardOf(x: Tensor, a: UpsampleAttrs): Tensor {
  const { mode, antialias, resamplings } = a;
  const round = roundingOf(x.dtype);
  const lead = x.sizes.length - resamplings.length;
  const nearest = mode === "nearest" || mode === "nearest-exact";
  if (x.dtype === dt.uint8 && !nearest) {
    // The last dimension first, with bytes in between, as PyTorch does; for up to four channels its kernel leaves a
    // dimension whose size stays as it is alone, even where a scale was given.
    const few = x.sizes[1] <= 4;
    let out = x;
    for (let d = resamplings.length - 1; d >= 0; d--) {
      const r = resamplings[d];
      if (r.input === r.output && (few || r.scale === null)) continue;
      const { windows, precision } = fixedPoint(antialias ? windowsOf(a, r, Number) : plainWindows(r, mode));
      out = resampleWindows(out, lead + d, windows, dt.uint8, precision);
    }
    return out === x
      ? resampleTaps(
          x,
          resamplings.map((r) => nearestTaps(r, false, round)),
        )
      : out;
  }
  if (!antialias)
    return resampleTaps(
      x,
      resamplings.map((r) => tapsOf(a, r, round)),
    );
  let out = x;
  for (let d = resamplings.length - 1; d >= 0; d--) {
    out = resampleWindows(out, lead + d, windowsOf(a, resamplings[d], round), x.dtype, null);
  }
  return out;
}

/** The gradient of the input: the same sums, transposed, a dimension at a time. Half types are summed in float32. */
function backwardOf(g: Tensor, a: UpsampleAttrs): Tensor {
  const round = roundingOf(g.dtype);
  const between = g.dtype === dt.float64 ? dt.float64 : dt.float32;
  const lead = g.sizes.length - a.resamplings.length;
  let out = g;
  a.resamplings.forEach((r, d) => {
    const table = a.antialias ? windowsOf(a, r, round) : tapsOf(a, r, round);
    const last = d === a.resamplings.length - 1;
    out = resampleWindows(out, lead + d, transposed(table, r.input), last ? g.dtype : between, null);
  });
  return out;
}

const NODE_NAMES: Record<InterpolationMode, (dims: number) => string> = {
  nearest: (dims) => `UpsampleNearest${dims}D`,
  "nearest-exact": (dims) => `UpsampleNearestExact${dims}D`,
  linear: () => "UpsampleLinear1D",
  bilinear: () => "UpsampleBilinear2D",
  bicubic: () => "UpsampleBicubic2D",
  trilinear: () => "UpsampleTrilinear3D",
  lanczos: () => "UpsampleLanczos2D",
};

const ops = new Map<string, PrimitiveCall<UpsampleAttrs>>();

function upsampleOp(mode: InterpolationMode, dims: number, antialias: boolean): PrimitiveCall<UpsampleAttrs> {
  const key = `${NODE_NAMES[mode](dims)}${antialias ? "Aa" : ""}`;
  const known = ops.get(key);
  if (known !== undefined) return known;
  const name = opName(mode, dims, antialias);
  const forward: PrimitiveCall<UpsampleAttrs> = primitive<UpsampleAttrs>({
    name,
    nodeName: `${key}Backward`,
    batch: inFront("input"),
    compute: ([x], a) => (dims === 2 ? inFormatOf(forwardOf(x, a), x) : forwardOf(x, a)),
    gradient: (g, c) => [backward([g], c.attrs)],
  });
  const backward: PrimitiveCall<UpsampleAttrs> = primitive<UpsampleAttrs>({
    name: `${name}_backward`,
    batch: inFront("input"),
    nodeName: `${key}BackwardBackward`,
    compute: ([g], a) => backwardOf(g, a),
    gradient: (gg, c) => [forward([gg], c.attrs)],
  });
  ops.set(key, forward);
  return forward;
}

function opName(mode: InterpolationMode, dims: number, antialias: boolean): string {
  if (mode === "nearest-exact") return `_upsample_nearest_exact${dims}d`;
  return antialias ? `_upsample_${mode}${dims}d_aa` : `upsample_${mode}${dims}d`;
}

const AXES = ["D", "H", "W"];

function sizesText(sizes: Shape): string {
  const names = AXES.slice(3 - sizes.length);
  return `(${sizes.map((s, d) => `${names[d]}: ${s}`).join(", ")})`;
}

/** What PyTorch's kernel for the mode is called in its messages. */
function refuseDType(mode: InterpolationMode, antialias: boolean, dtype: dt.DType): void {
  const nearest = mode === "nearest" || mode === "nearest-exact";
  if (antialias) {
    if (dtype === dt.uint8 || dtype === dt.float32 || dtype === dt.float64) return;
    dt.notImplementedFor("compute_index_ranges_weights", dtype);
  }
  if (dtype.is_floating_point || (dtype === dt.uint8 && (nearest || mode === "bilinear" || mode === "bicubic"))) return;
  const kind = nearest ? "nearest" : mode === "bicubic" ? "cubic" : "linear";
  dt.notImplementedFor(`compute_indices_weights_${kind}`, dtype);
}

/** How `upsample` resamples. */
export interface UpsampleOptions {
  readonly mode: InterpolationMode;
  /** Sizes of the result's last dimensions. */
  readonly sizes: Shape;
  /** Results per input element, for each dimension; null: the ratio of the sizes. */
  readonly scales: readonly (number | null)[] | null;
  readonly alignCorners: boolean;
  readonly antialias: boolean;
}

/** @internal `x` (N, C, …) with its last dimensions resampled: what `nn.functional.interpolate` does after its checks. */
export function upsample(x: Tensor, options: UpsampleOptions): Tensor {
  const { mode, sizes, scales, alignCorners, antialias } = options;
  const dims = sizes.length;
  const inputs = x.sizes.slice(2);
  if (inputs.some((s) => s <= 0) || sizes.some((s) => s <= 0)) {
    const and = dims === 1 ? " and" : "";
    throw new RuntimeError(
      `Input and output sizes should be greater than 0, but got input ${sizesText(inputs)}${and} output ${sizesText(sizes)}`,
    );
  }
  if (x.sizes.slice(1).includes(0)) {
    throw new RuntimeError(
      `Non-empty ${dims + 2}D data tensor expected but got a tensor with sizes ${shapeText(x.sizes)}`,
    );
  }
  refuseDType(mode, antialias, x.dtype);
  const resamplings = sizes.map((output, d): Resampling => {
    return { input: inputs[d], output, alignCorners, scale: scales === null ? null : scales[d] };
  });
  return upsampleOp(mode, dims, antialias)([x], { mode, antialias, input: x.sizes, resamplings });
}
