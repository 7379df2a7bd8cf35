/**
 * Convolutions with filters of 3 × 3 and stride 1 by Winograd's algorithm (ir/winograd.ts). The filters are transformed once
 * a call, the rest is one kernel. With tiles of 2 × 2 an infinity reaches the outputs whose windows contain it, as in the plain
 * sum, but mostly as NaN; with tiles of 4 × 4 it may reach all outputs of the tiles that contain it.
 */
import {
  filterBlocks,
  type WinogradParam,
  type WinogradTile,
  winogradFilterParams,
  winogradParams,
  winogradParamTypes,
} from "../ir/winograd.ts";
import type { Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copyInto } from "./copy.ts";
import { KernelCache, launch } from "./launch.ts";
import { allocate } from "./row.ts";

/** Channels from which the transforms save more than they cost. */
const LEAST_CHANNELS = 24;
/** The most zeros before a row that the kernel has room for. */
const MOST_PADDING = 8;
/** Outputs of a channel from which the filters' transform pays, and the least ratio of multiplications that are saved. */
const LEAST_OUTPUTS = 192;
const LEAST_SAVING = 1.35;
/** Columns of tiles in a strip of an image. */
const STRIP = 32;
/** Tiles that are multiplied together; how many a work unit has, and its least blocks of filters. */
const PANEL = 16;
const LEAST_UNIT_TILES = 32;
const MOST_UNIT_TILES = 96;
const LEAST_UNIT_BLOCKS = 10;
/** So many units are wanted where the shape allows it, so that several threads have something to do. */
const WANTED_UNITS = 8;

/** The filters of a convolution or, with other strides, of its transpose. */
export interface Filters {
  readonly tensor: Tensor;
  readonly outputs: number;
  readonly channels: number;
  /** Along [output, input, row, column]. */
  readonly strides: Shape;
}

/** "f2" and "f4" are the tiles of 2 × 2 and 4 × 4 outputs. */
export type WinogradMode = "f2" | "f4" | "off";

let mode: WinogradMode = "f2";

/** The algorithm that is used where it pays, or, with an argument, the setting of it. */
export function winogradMode(next?: WinogradMode): WinogradMode {
  if (next !== undefined) mode = next;
  return mode;
}

/**
 * The tile with which Winograd's algorithm serves a weight and is faster than the plain sum for `samples` results of the given rows
 * and columns; null where it does not or is not.
 */
export function winogradTile(
  w: Tensor,
  g: { stride: Shape; dilation: Shape; groups: number },
  padding: Shape,
  samples: number,
  sizes: Shape,
): WinogradTile | null {
  if (mode === "off" || !isWinograd(w, g) || padding.some((p) => p > MOST_PADDING)) return null;
  if (mode === "f4" && saves(samples, sizes, 4) > 1.2 * saves(samples, sizes, 2)) return 4;
  return saves(samples, sizes, 2) > 0 ? 2 : null;
}

/** Whether a weight and its geometry are of the one kind that the transforms are made for. */
function isWinograd(w: Tensor, g: { stride: Shape; dilation: Shape; groups: number }): boolean {
  const { sizes } = w;
  if (w.dtype.name !== "float32" || sizes.length !== 4 || sizes[2] !== 3 || sizes[3] !== 3) return false;
  if (g.groups !== 1 || Math.min(sizes[0], sizes[1]) < LEAST_CHANNELS) return false;
  return g.stride.every((s) => s === 1) && g.dilation.every((d) => d === 1);
}

/** How many times fewer multiplications there are; 0 where that does not make up for the transforms. */
function saves(samples: number, [rows, columns]: Shape, tile: WinogradTile): number {
  const tiles = Math.ceil(rows / tile) * Math.ceil(columns / tile);
  const saving = (9 * rows * columns) / ((tile + 2) ** 2 * tiles);
  return samples * tiles * tile * tile >= LEAST_OUTPUTS && saving >= LEAST_SAVING ? saving : 0;
}

/** The filters of a convolution. */
export function filtersOf(w: Tensor): Filters {
  return { tensor: w, outputs: w.sizes[0], channels: w.sizes[1], strides: w.strides };
}

/** The filters of the transposed convolution: inputs and outputs exchanged, rows and columns backwards. */
export function transposedFiltersOf(w: Tensor): Filters {
  const [so, sc, sr, s] = w.strides;
  const last = new Tensor(w.storage, w.dtype, w.sizes, w.strides, w.offset + 2 * (sr + s));
  return { tensor: last, outputs: w.sizes[1], channels: w.sizes[0], strides: [sc, so, -sr, -s] };
}

const kernels = new KernelCache<string>();

/** y = x * w + bias with `padding` zeros at the top and the left of x, and as many at the other sides as y asks for. */
export function winograd(
  x: Tensor,
  filters: Filters,
  bias: Tensor | null,
  y: Tensor,
  padding: Shape,
  tile: WinogradTile,
): void {
  const { outputs, channels } = filters;
  const [samples, , rows, columns] = y.sizes;
  const [source, target] = [contiguousRows(x), y.strides[3] === 1 ? y : allocate(y.dtype, y.sizes)];
  const tileRows = Math.ceil(rows / tile);
  const wholeColumns = Math.ceil(columns / tile);
  const strips = Math.ceil(wholeColumns / STRIP);
  const tileColumns = Math.ceil(wholeColumns / strips);
  const { tensor: u, stride: filterStride } = transformFilters(filters, tile);
  const [inSample, inChannel, inRow] = source.strides;
  const [outSample, outChannel, outRow] = target.strides;
  const values: Record<WinogradParam, number> = {
    samples,
    channels,
    outputs,
    rows: x.sizes[2],
    columns: x.sizes[3],
    outRows: rows,
    outColumns: columns,
    inSample,
    inChannel,
    inRow,
    outSample,
    outChannel,
    outRow,
    biasStride: bias === null ? 0 : bias.strides[0],
    top: padding[0],
    left: padding[1],
    strips,
    tileRows,
    tileColumns,
    ...unitSizes(samples * strips * tileRows * tileColumns, outputs),
    filterStride,
  };
  const biased = bias !== null;
  const buffer = { dtype: "float32", access: "read" } as const;
  const kernel = kernels.get(`${tile}${biased}`, () => ({
    form: "winograd",
    name: "winograd",
    buffers: [buffer, buffer, ...(biased ? [buffer] : []), { dtype: "float32", access: "write" }],
    params: winogradParamTypes,
    tile,
    biased,
  }));
  launch(
    kernel,
    bias === null ? [source, u, target] : [source, u, bias, target],
    winogradParams.map((name) => values[name]),
  );
  u.storage.free();
  if (source !== x) source.storage.free();
  if (target !== y) {
    copyInto(y, target);
    target.storage.free();
  }
}

/**
 * Tiles and blocks of filters of a work unit: as many tiles as share the filters best, but so that there are some units for
 * threads.
 */
function unitSizes(tiles: number, outputs: number): { unitTiles: number; unitBlocks: number } {
  const wanted = Math.ceil(tiles / WANTED_UNITS / PANEL) * PANEL;
  const unitTiles = Math.max(LEAST_UNIT_TILES, Math.min(MOST_UNIT_TILES, wanted));
  const blocks = Math.max(1, filterBlocks(outputs).full);
  const parts = Math.max(
    1,
    Math.min(Math.floor(WANTED_UNITS / Math.ceil(tiles / unitTiles)), Math.floor(blocks / LEAST_UNIT_BLOCKS)),
  );
  return { unitTiles, unitBlocks: Math.ceil(blocks / parts) };
}

function contiguousRows(x: Tensor): Tensor {
  if (x.strides[3] === 1) return x;
  const copy = allocate(x.dtype, x.sizes);
  copyInto(copy, x);
  return copy;
}

const filterKernels = new KernelCache<WinogradTile>();

/** G g Gᵀ of all filters, packed, and the distance between the points' matrices, which keeps them out of the same cache sets. */
function transformFilters(filters: Filters, tile: WinogradTile): { tensor: Tensor; stride: number } {
  const { tensor, outputs, channels, strides } = filters;
  const stride = outputs * channels + 80;
  const u = allocate(tensor.dtype, [(tile + 2) ** 2 * stride]);
  const kernel = filterKernels.get(tile, () => ({
    form: "winograd_filters",
    name: "winograd_filters",
    buffers: [
      { dtype: "float32", access: "read" },
      { dtype: "float32", access: "write" },
    ],
    params: winogradFilterParams.map(() => "i32"),
    tile,
  }));
  launch(kernel, [tensor, u], [outputs, channels, stride, ...strides]);
  return { tensor: u, stride };
}
