/**
 * Convolutions with filters of 3 × 3 and stride 1 by Winograd's minimal filtering F(2 × 2, 3 × 3), after Lavin and Gray, "Fast
 * algorithms for convolutional neural networks" (CVPR 2016): tiles of 4 × 4 inputs and the filters are transformed, 16
 * products of matrices stand for the 36 multiplications of 2 × 2 outputs, and their results are transformed back:
 *
 *   Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A,  summed over input channels in between.
 *
 * The input is first divided into four planes by the parity of rows and columns, with the padding's zeros. Then the
 * 16 elements of tile (i, j) lie at fixed distances from position i · pitch + j of the planes, so that all tiles of an image
 * are one run for vectors, at the price of one tile per row that is computed in vain. An infinity or a NaN reaches all
 * four outputs of the tiles that contain it, where the plain sum would give it to those whose window contains it. Work is done in parts whose
 * transformed tiles stay in the second-level cache.
 */
import { Axis, type ComputeType, constant, type Expr, load, param } from "../ir/expr.ts";
import type { RowKernel, Stage } from "../ir/kernel.ts";
import type { Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copyInto, fillWith } from "./copy.ts";
import { contract } from "./define/contraction.ts";
import { KernelCache, launch } from "./launch.ts";
import { allocate } from "./row.ts";

/** Elements of a transformed tile. */
const POINTS = 16;
/** Channels from which the transforms save more than they cost (measured against the plain sum, which has 256-bit kernels). */
const LEAST_CHANNELS = 96;
/** Tiles from which the filters' transform pays. */
const LEAST_TILES = 96;
/** The least ratio of multiplications that are saved, since small images have many tiles that are computed in vain. */
const LEAST_SAVING = 1.6;
/** Tiles of a part, times its channels: few enough for the cache, but enough tiles to make up for packing the filters again. */
const PART_ELEMENTS = 8192;
const LEAST_PART_TILES = 112;

/** The filters of a convolution or, with other strides, of its transpose. */
export interface Filters {
  readonly tensor: Tensor;
  readonly outputs: number;
  readonly channels: number;
  /** Along [output, input, row, column]. */
  readonly strides: Shape;
}

/** Whether a weight and its geometry are of the one kind that the transforms are made for. */
export function isWinograd(w: Tensor, g: { stride: Shape; dilation: Shape; groups: number }): boolean {
  const { sizes } = w;
  if (w.dtype.name !== "float32" || sizes.length !== 4 || sizes[2] !== 3 || sizes[3] !== 3) return false;
  if (g.groups !== 1 || Math.min(sizes[0], sizes[1]) < LEAST_CHANNELS) return false;
  return g.stride.every((s) => s === 1) && g.dilation.every((d) => d === 1);
}

/** Whether it is faster than the plain sum for `samples` results of the given rows and columns. */
export function winogradPays(samples: number, [rows, columns]: Shape): boolean {
  const tileRows = Math.ceil(rows / 2);
  const tileColumns = Math.ceil(columns / 2);
  const saving = (9 * rows * columns) / (POINTS * tileRows * (tileColumns + 1));
  return samples * tileRows * tileColumns >= LEAST_TILES && saving >= LEAST_SAVING;
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

/** y = x * w + bias with `padding` zeros at the top and the left of x, and as many at the other sides as y asks for. */
export function winograd(x: Tensor, filters: Filters, bias: Tensor | null, y: Tensor, padding: Shape): void {
  const { outputs, channels } = filters;
  const [samples, , rows, columns] = y.sizes;
  const tileRows = Math.ceil(rows / 2);
  const tileColumns = Math.ceil(columns / 2);
  const pitch = tileColumns + 1;
  // Parts of equal size: of an image's rows of tiles, or of samples where these are small.
  const wanted = Math.max(LEAST_PART_TILES, Math.floor(PART_ELEMENTS / Math.max(channels, outputs)));
  const rowParts = Math.max(1, Math.round((tileRows * pitch) / wanted));
  const partRows = Math.ceil(tileRows / rowParts);
  const sampleParts = rowParts > 1 ? samples : Math.max(1, Math.round((samples * tileRows * pitch) / wanted));
  const partSamples = Math.ceil(samples / sampleParts);

  const u = transformFilters(filters);
  const plane = (tileRows + 1) * pitch;
  // The last tile that is computed in vain reads one element more.
  const planes = allocate(x.dtype, [4 * channels * partSamples * plane + 1]);
  fillWith(planes, 0);
  const most = partSamples * partRows * pitch;
  const v = allocate(x.dtype, [POINTS * channels * most]);
  const m = allocate(x.dtype, [POINTS * outputs * most]);
  for (let sample = 0; sample < samples; sample += partSamples) {
    const count = Math.min(partSamples, samples - sample);
    divide(x, planes, { sample, count, partSamples, plane, pitch, tileRows, padding });
    for (let row = 0; row < tileRows; row += partRows) {
      const run = Math.min(partRows, tileRows - row) * pitch;
      const tiles = count * run;
      launch(inputTransform(), [planes, v], [channels, count, run, partSamples, plane, row * pitch, pitch, tiles]);
      contract({
        name: "winograd",
        sizes: { batch: [POINTS], m: [outputs], n: [tiles], k: [channels] },
        a: { tensor: u, batch: [channels * outputs], m: [1], k: [outputs] },
        b: { tensor: v, batch: [channels * tiles], k: [tiles], n: [1] },
        out: { tensor: m, batch: [outputs * tiles], m: [tiles], n: [1] },
      });
      storeOutputs(m, bias, y, { sample, count, row, run, pitch, tiles });
    }
  }
  for (const scratch of [u, planes, v, m]) scratch.storage.free();
}

const f32: ComputeType = "f32";
const at = (...terms: Expr[]): Expr => terms.reduce((sum, term) => sum.add(term));
const whole = (value: number): Expr => constant("i32", value);
const size = (slot: number): Expr => param("i32", slot);

function rowKernel(
  name: string,
  axes: readonly Axis[],
  inputs: number,
  params: number,
  stores: readonly { readonly index: Expr; readonly value: Expr }[],
): RowKernel {
  return {
    form: "row",
    name,
    buffers: Array.from({ length: inputs + 1 }, (_, i) => ({
      dtype: "float32" as const,
      access: i < inputs ? ("read" as const) : ("write" as const),
    })),
    params: new Array<ComputeType>(params).fill("i32"),
    outer: axes,
    inner: [],
    stages: stores.map(({ index, value }): Stage => ({ kind: "store", over: "outer", buffer: inputs, index, value })),
  };
}

/** `left · e · leftᵀ` of a square, given what `left` does to a column. */
function sandwich(left: (column: readonly Expr[]) => Expr[], square: readonly (readonly Expr[])[]): Expr[][] {
  const transposed = (e: readonly (readonly Expr[])[]) =>
    (e[0] as Expr[]).map((_, j) => e.map((row) => row[j] as Expr));
  return transposed(transposed(square).map(left)).map(left);
}

const filterKernel = new KernelCache<number>();

/** G g Gᵀ of all filters, as [16, channels, outputs]. */
function transformFilters({ tensor, outputs, channels, strides }: Filters): Tensor {
  const u = allocate(tensor.dtype, [POINTS * channels * outputs]);
  const kernel = filterKernel.get(0, () => {
    const [channel, output] = [new Axis("c", size(0)), new Axis("o", size(1))];
    const start = at(output.index.mul(size(2)), channel.index.mul(size(3)));
    const g = [0, 1, 2].map((i) =>
      [0, 1, 2].map((j) => load(f32, 0, at(start, size(4).mul(whole(i)), size(5).mul(whole(j))))),
    );
    const half = constant("f32", 0.5);
    const transform = ([a, b, c]: readonly Expr[]): Expr[] => {
      const outer = a.add(c);
      return [a, outer.add(b).mul(half), outer.sub(b).mul(half), c];
    };
    const plane = channel.size.mul(output.size);
    const place = at(channel.index.mul(output.size), output.index);
    const stores = sandwich(transform, g)
      .flat()
      .map((value, point) => ({ index: at(plane.mul(whole(point)), place), value }));
    return rowKernel("winograd_filters", [channel, output], 1, 6, stores);
  });
  launch(kernel, [tensor, u], [channels, outputs, ...strides]);
  return u;
}

interface Part {
  readonly sample: number;
  readonly count: number;
  readonly partSamples: number;
  readonly plane: number;
  readonly pitch: number;
  readonly tileRows: number;
  readonly padding: Shape;
}

/** Copies samples into the planes [row parity, column parity, channel, sample, row, column]. */
function divide(x: Tensor, planes: Tensor, part: Part): void {
  const { sample, count, partSamples, plane, pitch, tileRows, padding } = part;
  const [, channels, ...sizes] = x.sizes;
  for (let parity = 0; parity < 4; parity++) {
    // Positions 2 i + parity of the padded image, without those in the padding.
    const ranges = [parity >> 1, parity & 1].map((odd, d) => {
      const before = Math.max(0, Math.ceil((padding[d] - odd) / 2));
      const first = 2 * before + odd - padding[d];
      const extent = d === 0 ? tileRows + 1 : pitch;
      return { before, first, count: Math.min(extent - before, Math.ceil((sizes[d] - first) / 2)) };
    });
    const [r, c] = ranges as [(typeof ranges)[0], (typeof ranges)[0]];
    if (r.count <= 0 || c.count <= 0) continue;
    const shape = [channels, count, r.count, c.count];
    const [sn, sc, sr, s] = x.strides;
    copyInto(
      new Tensor(
        planes.storage,
        planes.dtype,
        shape,
        [partSamples * plane, plane, pitch, 1],
        parity * channels * partSamples * plane + r.before * pitch + c.before,
      ),
      new Tensor(
        x.storage,
        x.dtype,
        shape,
        [sc, sn, 2 * sr, 2 * s],
        x.offset + sample * sn + r.first * sr + c.first * s,
      ),
    );
  }
}

const inputKernel = new KernelCache<number>();

/** Bᵀ d B of a part's tiles, as [16, channels, tiles]. */
function inputTransform() {
  return inputKernel.get(0, () => {
    const [channel, sample, position] = ["c", "n", "q"].map((name, i) => new Axis(name, size(i))) as [Axis, Axis, Axis];
    const [partSamples, plane, first, pitch, tiles] = [3, 4, 5, 6, 7].map(size) as [Expr, Expr, Expr, Expr, Expr];
    const planeOf = (parity: number) =>
      channel.size.mul(whole(parity)).add(channel.index).mul(partSamples).add(sample.index).mul(plane);
    const d = [0, 1, 2, 3].map((a) =>
      [0, 1, 2, 3].map((b) => {
        const index = [planeOf(2 * (a & 1) + (b & 1)), first, position.index];
        if (a >= 2) index.push(pitch);
        if (b >= 2) index.push(whole(1));
        return load(f32, 0, at(...index));
      }),
    );
    const transform = ([p, q, r, s]: readonly Expr[]): Expr[] => [p.sub(r), q.add(r), r.sub(q), q.sub(s)];
    const place = at(sample.index.mul(position.size), position.index);
    const stores = sandwich(transform, d)
      .flat()
      .map((value, point) => ({
        index: at(channel.size.mul(whole(point)).add(channel.index).mul(tiles), place),
        value,
      }));
    return rowKernel("winograd_input", [channel, sample, position], 1, 8, stores);
  });
}

const outputKernels = new KernelCache<string>();

interface Outputs {
  readonly sample: number;
  readonly count: number;
  readonly row: number;
  readonly run: number;
  readonly pitch: number;
  readonly tiles: number;
}

/** Aᵀ m A + bias of a part's tiles, to y. Where y has an odd size, tiles at its end give one row or column only. */
function storeOutputs(m: Tensor, bias: Tensor | null, y: Tensor, part: Outputs): void {
  const { sample, count, row, run, pitch, tiles } = part;
  const [, outputs, rows, columns] = y.sizes;
  const partRows = Math.min(run / pitch, Math.ceil(rows / 2) - row);
  const fullRows = Math.min(partRows, (rows >> 1) - row);
  const fullColumns = columns >> 1;
  const block = (height: number, width: number, i0: number, j0: number, iCount: number, jCount: number) => {
    if (iCount <= 0 || jCount <= 0) return;
    const [sn, sc, sr, s] = y.strides;
    const offset = y.offset + sample * sn + 2 * (row + i0) * sr + 2 * j0 * s;
    const target = new Tensor(y.storage, y.dtype, y.sizes, y.strides, offset);
    const source = new Tensor(m.storage, m.dtype, m.sizes, m.strides, m.offset + i0 * pitch + j0);
    const kernel = outputTransform(height, width, bias !== null);
    const tensors = bias === null ? [source, target] : [source, bias, target];
    launch(kernel, tensors, [
      outputs,
      count,
      iCount,
      jCount,
      tiles,
      run,
      pitch,
      sn,
      sc,
      sr,
      bias === null ? 0 : bias.strides[0],
    ]);
  };
  block(2, 2, 0, 0, fullRows, fullColumns);
  if (columns % 2 === 1) block(2, 1, 0, fullColumns, fullRows, 1);
  if (fullRows < partRows) {
    block(1, 2, fullRows, 0, 1, fullColumns);
    if (columns % 2 === 1) block(1, 1, fullRows, fullColumns, 1, 1);
  }
}

function outputTransform(height: number, width: number, biased: boolean) {
  return outputKernels.get(`${height}${width}${biased}`, () => {
    const axes = ["o", "n", "i", "j"].map((name, i) => new Axis(name, size(i)));
    const [output, sample, row, column] = axes as [Axis, Axis, Axis, Axis];
    const [tiles, run, pitch, sn, sc, sr, sb] = [4, 5, 6, 7, 8, 9, 10].map(size) as [
      Expr,
      Expr,
      Expr,
      Expr,
      Expr,
      Expr,
      Expr,
    ];
    const place = at(sample.index.mul(run), row.index.mul(pitch), column.index);
    const products = [0, 1, 2, 3].map((a) =>
      [0, 1, 2, 3].map((b) =>
        load(
          f32,
          0,
          at(
            output.size
              .mul(whole(4 * a + b))
              .add(output.index)
              .mul(tiles),
            place,
          ),
        ),
      ),
    );
    const transform = ([p, q, r, s]: readonly Expr[]): Expr[] => [p.add(q).add(r), q.sub(r).sub(s)];
    const values = sandwich(transform, products);
    const start = at(
      sample.index.mul(sn),
      output.index.mul(sc),
      row.index.mul(sr).mul(whole(2)),
      column.index.mul(whole(2)),
    );
    const stores: { index: Expr; value: Expr }[] = [];
    for (let a = 0; a < height; a++) {
      for (let b = 0; b < width; b++) {
        const value = (values[a] as Expr[])[b] as Expr;
        stores.push({
          index: at(start, sr.mul(whole(a)), whole(b)),
          value: biased ? value.add(load(f32, 1, output.index.mul(sb))) : value,
        });
      }
    }
    return rowKernel("winograd_output", axes, biased ? 2 : 1, 11, stores);
  });
}
