/**
 * Winograd's minimal filtering F(m × m, 3 × 3), after Lavin and Gray, "Fast algorithms for convolutional neural networks"
 * (CVPR 2016): m × m outputs of a 3 × 3 filter g from a tile d of (m + 2) × (m + 2) inputs,
 *
 *   Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A,
 *
 * where sums over input channels are taken between the brackets, as (m + 2)² products of matrices. F(2 × 2) needs 16
 * multiplications instead of 36, F(4 × 4) 36 instead of 144, with larger rounding errors.
 */
import type { ComputeType } from "./expr.ts";

/** Outputs of a tile along each dimension. */
export type WinogradTile = 2 | 4;

/** What the transforms need of numbers, expressions or registers. */
export interface Arithmetic<T> {
  readonly add: (a: T, b: T) => T;
  readonly sub: (a: T, b: T) => T;
  readonly mul: (a: T, factor: number) => T;
}

/** Bᵀ · column, of m + 2 inputs. */
export function inputTransform<T>(tile: WinogradTile, d: readonly T[], { add, sub, mul }: Arithmetic<T>): T[] {
  if (tile === 2) return [sub(d[0], d[2]), add(d[1], d[2]), sub(d[2], d[1]), sub(d[1], d[3])];
  const even = sub(d[4], mul(d[2], 4));
  const odd = sub(d[3], mul(d[1], 4));
  const outer = sub(d[4], d[2]);
  const inner = mul(sub(d[3], d[1]), 2);
  return [
    add(sub(mul(d[0], 4), mul(d[2], 5)), d[4]),
    add(even, odd),
    sub(even, odd),
    add(outer, inner),
    sub(outer, inner),
    add(sub(mul(d[1], 4), mul(d[3], 5)), d[5]),
  ];
}

/** G · column, of 3 elements of a filter. */
export function filterTransform<T>(tile: WinogradTile, g: readonly T[], { add, sub, mul }: Arithmetic<T>): T[] {
  const outer = add(g[0], g[2]);
  if (tile === 2) return [g[0], mul(add(outer, g[1]), 1 / 2), mul(sub(outer, g[1]), 1 / 2), g[2]];
  const weighted = add(mul(g[0], 1 / 24), mul(g[2], 1 / 6));
  const middle = mul(g[1], 1 / 12);
  return [
    mul(g[0], 1 / 4),
    mul(add(outer, g[1]), -1 / 6),
    mul(sub(outer, g[1]), -1 / 6),
    add(weighted, middle),
    sub(weighted, middle),
    g[2],
  ];
}

/** Aᵀ · column, of m + 2 products. */
export function outputTransform<T>(tile: WinogradTile, p: readonly T[], { add, sub, mul }: Arithmetic<T>): T[] {
  if (tile === 2) return [add(add(p[0], p[1]), p[2]), sub(sub(p[1], p[2]), p[3])];
  const [sum, difference] = [add(p[1], p[2]), sub(p[1], p[2])];
  const [outerSum, outerDifference] = [add(p[3], p[4]), sub(p[3], p[4])];
  return [
    add(add(p[0], sum), outerSum),
    add(difference, mul(outerDifference, 2)),
    add(sum, mul(outerSum, 4)),
    add(add(difference, mul(outerDifference, 8)), p[5]),
  ];
}

/** `left · e · leftᵀ` of a square, given what `left` does to a column. */
export function sandwich<T>(left: (column: readonly T[]) => T[], square: readonly (readonly T[])[]): T[][] {
  const transposed = (e: readonly (readonly T[])[]): T[][] =>
    (e[0] as readonly T[]).map((_, j) => e.map((row) => row[j] as T));
  return transposed(transposed(square).map(left)).map(left);
}

/** The scalars of a Winograd kernel, all i32, in the order of its parameters. Strides are in elements. */
const PARAMS = [
  "samples",
  "channels",
  "outputs",
  /** Sizes of the input, and of the output. */
  "rows",
  "columns",
  "outRows",
  "outColumns",
  "inSample",
  "inChannel",
  "inRow",
  "outSample",
  "outChannel",
  "outRow",
  "biasStride",
  /** Zeros before the first row and column. */
  "top",
  "left",
  /** An image is divided into `strips` of columns, each of `tileRows` × `tileColumns` tiles; some of the last one may lie outside. */
  "strips",
  "tileRows",
  "tileColumns",
  /** Tiles of a work unit, and its full blocks of filters; the last unit of the same tiles has the rest too. */
  "unitTiles",
  "unitBlocks",
  /** Distance between the products' filter matrices. */
  "filterStride",
] as const;

/** The scalars of the kernel that transforms filters, all i32. `filterStride` is that of the other kernel; strides are in elements. */
export const winogradFilterParams = [
  "outputs",
  "channels",
  "filterStride",
  "outputStride",
  "channelStride",
  "rowStride",
  "columnStride",
] as const;

export type WinogradParam = (typeof PARAMS)[number];
export const winogradParams: readonly WinogradParam[] = PARAMS;
export const winogradParamTypes: readonly ComputeType[] = PARAMS.map(() => "i32");

/**
 * Transformed filters are matrices [outputs, channels], one for each point of a tile, packed: blocks of six outputs, and
 * one or two blocks of at most five for the rest; in each block for each channel the outputs side by side.
 */
export const FILTER_BLOCK = 6;

/** How many blocks of six outputs there are, and the sizes of the other blocks. */
export function filterBlocks(outputs: number): { readonly full: number; readonly rest: readonly number[] } {
  // At least four remain where six do not divide: blocks of one or two would waste most of a register tile.
  const full =
    outputs % FILTER_BLOCK === 0 ? outputs / FILTER_BLOCK : Math.max(0, Math.floor((outputs - 4) / FILTER_BLOCK));
  const rest = outputs - FILTER_BLOCK * full;
  if (rest === 0) return { full, rest: [] };
  return { full, rest: rest < FILTER_BLOCK ? [rest] : [Math.ceil(rest / 2), Math.floor(rest / 2)] };
}

/** How many units share the same tiles, with `unitBlocks` full blocks of filters each. */
export function filterParts(outputs: number, unitBlocks: number): number {
  return Math.max(1, Math.ceil(filterBlocks(outputs).full / unitBlocks));
}
