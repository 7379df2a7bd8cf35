/**
 * Depthwise convolutions over images: each channel has a filter of its own, so that there is no product of matrices.
 *
 * Operands are first laid out as planes in which the neighbours of every position are at fixed distances: rows are
 * continued by zeros, and a strided operand is divided by residues of its positions modulo the stride. Each plane is then
 * one run of elements, and out[q] = Σ_t w[t] · x[q + offset of t] is computed for all of it, with whole vectors however
 * short the rows are. What is computed at the zeros between the rows is left out when the result is copied.
 */
import type { DTypeName } from "../dtype.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param, stageValue } from "../ir/expr.ts";
import type { BufferDecl, RowKernel, Stage } from "../ir/kernel.ts";
import type { Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import type { Geometry } from "./convolution-kernels.ts";
import { combinations, phasesOf } from "./convolution-phases.ts";
import { copyInto, fillWith } from "./copy.ts";
import { KernelCache, launch } from "./launch.ts";
import { allocate } from "./row.ts";

/** Filters with more taps than this are left to the contraction: the kernels have code for every tap. */
const MOST_TAPS = 81;

/** Whether the functions below serve: 1 or 2 spatial dimensions, one input and one output channel in each group. */
export function isDepthwise(w: Tensor, groups: number): boolean {
  const dims = w.sizes.length - 2;
  if (groups === 1 || w.sizes[0] !== groups || w.sizes[1] !== 1 || dims < 1 || dims > 2) return false;
  if (w.dtype.name !== "float32" && w.dtype.name !== "float64") return false;
  return w.sizes.slice(2).reduce((a, b) => a * b, 1) <= MOST_TAPS;
}

/** Two dimensions always: a sequence is an image of one row. */
function image(t: Tensor): Tensor {
  if (t.sizes.length === 4) return t;
  const [n, c, length] = t.sizes;
  const [sn, sc, s] = t.strides;
  return new Tensor(t.storage, t.dtype, [n, c, 1, length], [sn, sc, 0, s], t.offset);
}

interface PlaneGeometry {
  readonly stride: Shape;
  readonly padding: Shape;
  readonly dilation: Shape;
}

function planeGeometry({ stride, padding, dilation }: Geometry): PlaneGeometry {
  if (stride.length === 2) return { stride, padding, dilation };
  return { stride: [1, ...stride], padding: [0, ...padding], dilation: [1, ...dilation] };
}

/** One dimension of a residue class of positions: zeros, then elements from `first` on, then zeros again. */
interface Residue {
  readonly zeros: number;
  readonly first: number;
  readonly count: number;
  /** How far the class is read. */
  readonly extent: number;
}

/** The residues modulo `stride` of positions that begin `padding` before the first of `size` elements. */
function residuesOf(size: number, stride: number, padding: number, extents: readonly number[]): Residue[] {
  return extents.map((extent, r) => {
    const zeros = Math.min(extent, Math.max(0, Math.ceil((padding - r) / stride)));
    const first = zeros * stride + r - padding;
    const count = Math.max(0, Math.min(extent - zeros, Math.floor((size - 1 - first) / stride) + 1));
    return { zeros, first, count, extent };
  });
}

/**
 * The distance between lines, at least `least`. Zeros after one line may be the zeros before the next.
 */
function pitchOf(residues: readonly Residue[], least: number): number {
  let pitch = least;
  for (const { zeros, count, extent } of residues) {
    const after = extent - zeros - count;
    pitch = Math.max(pitch, after <= zeros ? zeros + count : extent);
  }
  return pitch;
}

/** An operand laid out for the kernels. */
interface Planes {
  readonly tensor: Tensor;
  /** Distances between rows, planes of one residue class, and classes. */
  readonly pitch: number;
  readonly plane: number;
  readonly residue: number;
  /** How many residue classes of columns there are. */
  readonly columns: number;
}

/**
 * Lays `x` out, for kernels that go over `rows` × `pitch` positions. Reads of the class (i, j) stay within
 * `rowExtents[i]` rows and `columnExtents[j]` columns.
 */
function layOut(
  x: Tensor,
  stride: Shape,
  padding: Shape,
  extents: readonly (readonly number[])[],
  least: readonly [rows: number, columns: number],
  reused?: Planes,
): Planes {
  const [samples, channels, height, width] = x.sizes;
  const rows = residuesOf(height, stride[0], padding[0], extents[0]);
  const columns = residuesOf(width, stride[1], padding[1], extents[1]);
  const pitch = pitchOf(columns, least[1]);
  const plane = pitch * pitchOf(rows, least[0]);
  // After the last plane of a class: zeros that it shares with no next one.
  const most = (list: readonly Residue[]): number => Math.max(...list.map((r) => r.zeros));
  const residue = samples * channels * plane + most(rows) * pitch + most(columns);
  // What is read after the last class: the ends of rows that nobody needs.
  const slack = Math.max(...extents[0]) * pitch + Math.max(...extents[1]);
  const tensor = reused?.tensor ?? allocate(x.dtype, [rows.length * columns.length * residue + slack]);
  // Zeros stay where they are as long as the sizes do.
  if (reused === undefined) fillWith(tensor, 0);
  rows.forEach((r, i) => {
    columns.forEach((c, j) => {
      if (r.count === 0 || c.count === 0) return;
      const at = (i * columns.length + j) * residue + r.zeros * pitch + c.zeros;
      const inside = [samples, channels, r.count, c.count];
      const [sn, sc, sh, sw] = x.strides;
      copyInto(
        new Tensor(tensor.storage, x.dtype, inside, [channels * plane, plane, pitch, 1], at),
        new Tensor(
          x.storage,
          x.dtype,
          inside,
          [sn, sc, sh * stride[0], sw * stride[1]],
          x.offset + r.first * sh + c.first * sw,
        ),
      );
    });
  });
  return { tensor, pitch, plane, residue, columns: columns.length };
}

/** How far the taps of each residue class reach, where `count` positions are computed. */
function extentsOf(kernel: number, stride: number, dilation: number, count: number): number[] {
  const extents = new Array<number>(Math.min(stride, dilation * (kernel - 1) + 1)).fill(0);
  for (let t = 0; t < kernel; t++) {
    const at = t * dilation;
    extents[at % stride] = Math.max(extents[at % stride], Math.floor(at / stride) + count);
  }
  return extents;
}

/**
 * Taps that read one line of their operand: where the first one reads, relative to the position that is computed, and
 * each one's distance from there with the element of the filter that it multiplies.
 */
interface TapLine {
  readonly offset: number;
  readonly taps: readonly { readonly distance: number; readonly weight: number }[];
}

/** The lines of a convolution: one for each row of the filter and residue of columns. */
function tapLines(planes: Planes, w: Tensor, g: PlaneGeometry): TapLine[] {
  const [, , rows, columns] = w.sizes;
  const [, , rowStride, columnStride] = w.strides;
  const lines: TapLine[] = [];
  for (let i = 0; i < rows; i++) {
    const row = i * g.dilation[0];
    for (let residue = 0; residue < planes.columns; residue++) {
      const taps: { distance: number; weight: number }[] = [];
      for (let j = 0; j < columns; j++) {
        const column = j * g.dilation[1];
        if (column % g.stride[1] !== residue) continue;
        const weight = i * rowStride + j * columnStride;
        taps.push({ distance: Math.floor(column / g.stride[1]), weight });
      }
      if (taps.length === 0) continue;
      const block = (row % g.stride[0]) * planes.columns + residue;
      lines.push({ offset: block * planes.residue + Math.floor(row / g.stride[0]) * planes.pitch, taps });
    }
  }
  return lines;
}

function layOutInput(x: Tensor, kernel: Shape, positions: Shape, g: PlaneGeometry, reused?: Planes): Planes {
  const extents = kernel.map((k, d) => extentsOf(k, g.stride[d], g.dilation[d], positions[d]));
  return layOut(x, g.stride, g.padding, extents, [positions[0], positions[1]], reused);
}

/** Elements of samples that are laid out at a time: planes that stay in the cache save half of the time. */
const PART_ELEMENTS = 2 ** 18;

/** A part of a tensor along a dimension: `count` elements, or what is left, from `from` on. */
function partOf(t: Tensor, dim: number, from: number, count: number): Tensor {
  const sizes = t.sizes.slice();
  sizes[dim] = Math.min(count, sizes[dim] - from);
  return new Tensor(t.storage, t.dtype, sizes, t.strides, t.offset + from * t.strides[dim]);
}

/**
 * Calls `body` for equal parts, and maybe a smaller one at the end, of `size` samples or channels of tensors of `count` elements.
 * It returns the planes that it used; the next part gets them if it is as large.
 */
function eachPart(
  size: number,
  count: number,
  body: (from: number, step: number, reused: Planes | undefined) => Planes,
): void {
  const step = Math.ceil(size / Math.min(size, Math.ceil(count / PART_ELEMENTS)));
  let planes: Planes | undefined;
  for (let from = 0; from < size; from += step) {
    if (planes !== undefined && from + step > size) {
      planes.tensor.storage.free();
      planes = undefined;
    }
    planes = body(from, step, planes);
  }
  planes?.tensor.storage.free();
}

/** y = x * w + bias, one filter for each channel. `y` is allocated and contiguous. */
export function depthwise(x: Tensor, w: Tensor, bias: Tensor | null, y: Tensor, geometry: Geometry): void {
  const g = planeGeometry(geometry);
  const [input, weight, output] = [image(x), image(w), image(y)];
  eachPart(input.sizes[0], Math.max(input.count, output.count), (start, step, reused) => {
    const [from, to] = [input, output].map((t) => partOf(t, 0, start, step)) as [Tensor, Tensor];
    const source = layOutInput(from, weight.sizes.slice(2), to.sizes.slice(2), g, reused);
    sumTaps(source, tapLines(source, weight, g), weight, bias, to);
    return source;
  });
}

/**
 * x = y *ᵀ w + bias, one filter for each channel: for each class of outputs a sum of the taps that reach it. `x` is
 * allocated and contiguous.
 */
export function depthwiseTransposed(y: Tensor, w: Tensor, bias: Tensor | null, x: Tensor, geometry: Geometry): void {
  const { stride, padding, dilation } = planeGeometry(geometry);
  const [input, weight, output] = [image(y), image(w), image(x)];
  const phases = [0, 1].map((d) =>
    phasesOf(output.sizes[d + 2], weight.sizes[d + 2], stride[d], padding[d], dilation[d]),
  );
  const reached = phases.map((own) => own.filter((p) => p.taps > 0));
  const before = reached.map((own) => Math.max(0, ...own.map((p) => (p.taps - 1) * p.positionStep - p.position)));
  const extents = reached.map((own, d) => Math.max(0, ...own.map((p) => p.position + before[d] + p.count)));
  const least = phases.map((own) => Math.max(...own.map((p) => p.count)));
  eachPart(input.sizes[0], Math.max(input.count, output.count), (start, step, reused) => {
    const [from, to] = [input, output].map((t) => partOf(t, 0, start, step)) as [Tensor, Tensor];
    const source = layOut(from, [1, 1], before, [[extents[0]], [extents[1]]], [least[0], least[1]], reused);
    for (const [rows, columns] of combinations(phases)) {
      const part = new Tensor(
        to.storage,
        to.dtype,
        [to.sizes[0], to.sizes[1], rows.count, columns.count],
        [to.strides[0], to.strides[1], to.strides[2] * stride[0], to.strides[3] * stride[1]],
        to.offset + rows.start * to.strides[2] + columns.start * to.strides[3],
      );
      if (rows.taps === 0 || columns.taps === 0) {
        if (bias === null) fillWith(part, 0);
        else copyInto(part, new Tensor(bias.storage, bias.dtype, part.sizes, [0, bias.strides[0], 0, 0], bias.offset));
        continue;
      }
      const lines: TapLine[] = [];
      for (let i = 0; i < rows.taps; i++) {
        const row = rows.position + before[0] - i * rows.positionStep;
        const column = columns.position + before[1] - (columns.taps - 1) * columns.positionStep;
        const taps = Array.from({ length: columns.taps }, (_, j) => ({
          distance: j * columns.positionStep,
          weight:
            (rows.tap + i * rows.tapStep) * weight.strides[2] +
            (columns.tap + (columns.taps - 1 - j) * columns.tapStep) * weight.strides[3],
        }));
        lines.push({ offset: row * source.pitch + column, taps });
      }
      sumTaps(source, lines, weight, bias, part);
    }
    return source;
  });
}

/** The gradient of w: for each tap, Σ over samples and positions of y's gradient times what the tap reads of x. */
export function depthwiseWeight(gradient: Tensor, x: Tensor, out: Tensor, geometry: Geometry): void {
  const g = planeGeometry(geometry);
  const [left, input, weight] = [image(gradient), image(x), image(out)];
  eachPart(input.sizes[1], Math.max(input.count, left.count), (start, step, reused) =>
    weightOfChannels(
      partOf(left, 1, start, step),
      partOf(input, 1, start, step),
      partOf(weight, 0, start, step),
      g,
      reused,
    ),
  );
}

/** `depthwiseWeight` for some channels. Returns the planes of the input. */
function weightOfChannels(
  left: Tensor,
  input: Tensor,
  weight: Tensor,
  g: PlaneGeometry,
  reused: Planes | undefined,
): Planes {
  const [samples, channels, rows, columns] = left.sizes;
  const source = layOutInput(input, weight.sizes.slice(2), [rows, columns], g, reused);
  // Zeros at the ends of rows, so that whole planes can be summed.
  const whole = left.strides[3] === 1 && left.strides[2] === columns;
  const flat = source.pitch === columns ? whole : columns < LONG_ROW;
  const factor = flat && source.pitch > columns ? layOutRows(left, source.pitch) : left;
  const [sn, sc, sh] = factor.strides;
  const lines = tapLines(source, weight, g);
  for (let i = 0; i < lines.length; ) {
    let end = i + 1;
    let taps = lines[i].taps.length;
    while (end < lines.length && taps + lines[end].taps.length <= MOST_SUMS) taps += lines[end++].taps.length;
    const some = lines.slice(i, end);
    const distances = some.map((line) => line.taps.map((tap) => tap.distance));
    const key = `${weight.dtype.id}:${distances.map((d) => d.join()).join(";")}`;
    const kernel = weightKernels.get(key, () => weightKernel(weight.dtype.name, distances));
    launch(
      kernel,
      [factor, source.tensor, weight],
      [
        ...[channels, samples, flat ? 1 : rows, flat ? rows * source.pitch : columns],
        ...[sc, sn, sh],
        ...[source.plane, channels * source.plane, source.pitch],
        weight.strides[0],
        ...some.map((line) => line.offset),
        ...some.flatMap((line) => line.taps.map((tap) => tap.weight)),
      ],
    );
    i = end;
  }
  if (factor !== left) factor.storage.free();
  return source;
}

/** How many sums one kernel keeps in registers. */
const MOST_SUMS = 7;

const weightKernels = new KernelCache<string>();

function layOutRows(t: Tensor, pitch: number): Tensor {
  const [samples, channels, rows, columns] = t.sizes;
  const all = allocate(t.dtype, [samples, channels, rows, pitch]);
  const part = (from: number, count: number): Tensor =>
    new Tensor(all.storage, t.dtype, [samples, channels, rows, count], all.strides, from);
  fillWith(part(columns, pitch - columns), 0);
  copyInto(part(0, columns), t);
  return all;
}

/** out[c, t] = Σ over n, h, w of factor[n, c, h, w] · source[n, c, h, w + offset of t]. */
function weightKernel(dtype: DTypeName, lines: readonly (readonly number[])[]): RowKernel {
  const type = computeType(dtype);
  const [c, n, h, w] = ["c", "n", "h", "w"].map((axis, i) => new Axis(axis, param("i32", i)));
  const scalar = (slot: number): Expr => param("i32", slot);
  const at = (first: number): Expr =>
    c.index
      .mul(scalar(first))
      .add(n.index.mul(scalar(first + 1)))
      .add(h.index.mul(scalar(first + 2)))
      .add(w.index);
  const LINES = 11;
  const stages: Stage[] = [];
  const factor = load(type, 0, at(4));
  lines.forEach((distances, i) => {
    const line = at(7).add(scalar(LINES + i));
    for (const distance of distances) {
      const value = load(type, 1, distance === 0 ? line : line.add(constant("i32", distance)));
      stages.push({ kind: "reduce", op: "sum", value: factor.mul(value) });
    }
  });
  const sums = stages.length;
  for (let t = 0; t < sums; t++) {
    const index = c.index.mul(scalar(10)).add(scalar(LINES + lines.length + t));
    stages.push({ kind: "store", over: "outer", buffer: 2, index, value: stageValue(type, t) });
  }
  return {
    form: "row",
    name: "convolution_depthwise_weight",
    buffers: [
      { dtype, access: "read" },
      { dtype, access: "read" },
      { dtype, access: "write" },
    ],
    params: new Array<ComputeType>(LINES + lines.length + sums).fill("i32"),
    outer: [c],
    inner: [n, h, w],
    stages,
  };
}

/** From this length on, rows are computed one by one: a row's start costs less than copying its result. */
const LONG_ROW = 40;

const tapKernels = new KernelCache<string>();

/** out[n, c](row, column) = Σ_t w[c, t] · source[n, c]((row, column) + offset of t) + bias[c]. */
function sumTaps(source: Planes, lines: readonly TapLine[], w: Tensor, bias: Tensor | null, out: Tensor): void {
  const [samples, channels, rows, columns] = out.sizes;
  const { dtype } = out;
  const whole = source.pitch === columns;
  const direct = out.strides[3] === 1 && (columns >= LONG_ROW || whole);
  const flat = !direct || (whole && out.strides[2] === columns);
  const planeSize = rows * source.pitch;
  const target = direct
    ? out
    : new Tensor(
        allocate(dtype, [samples * channels * planeSize]).storage,
        dtype,
        [samples, channels, rows, source.pitch],
        [channels * planeSize, planeSize, source.pitch, 1],
        0,
      );
  const distances = lines.map((line) => line.taps.map((tap) => tap.distance));
  const key = `${dtype.id}:${bias !== null}:${distances.map((d) => d.join()).join(";")}`;
  const kernel = tapKernels.get(key, () => tapKernel(dtype.name, distances, bias !== null));
  const [sn, sc, sh] = target.strides;
  launch(kernel, bias === null ? [source.tensor, w, target] : [source.tensor, w, bias, target], [
    ...[samples, channels, flat ? 1 : rows, flat ? planeSize : columns],
    ...[channels * source.plane, source.plane, source.pitch],
    ...[sn, sc, sh],
    w.strides[0],
    bias === null ? 0 : bias.strides[0],
    ...lines.map((line) => line.offset),
    ...lines.flatMap((line) => line.taps.map((tap) => tap.weight)),
  ]);
  if (direct) return;
  copyInto(out, new Tensor(target.storage, dtype, out.sizes, target.strides, 0));
  target.storage.free();
}

function tapKernel(dtype: DTypeName, lines: readonly (readonly number[])[], biased: boolean): RowKernel {
  const type = computeType(dtype);
  const outer = ["n", "c", "h", "w"].map((axis, i) => new Axis(axis, param("i32", i)));
  const [n, c, h, w] = outer.map((axis) => axis.index);
  const scalar = (slot: number): Expr => param("i32", slot);
  const at = (first: number): Expr =>
    n
      .mul(scalar(first))
      .add(c.mul(scalar(first + 1)))
      .add(h.mul(scalar(first + 2)))
      .add(w);
  const LINES = 12;
  let weightSlot = LINES + lines.length;
  let sum: Expr | null = biased ? load(type, 2, c.mul(scalar(11))) : null;
  lines.forEach((distances, i) => {
    const line = at(4).add(scalar(LINES + i));
    let part: Expr | null = null;
    for (const distance of distances) {
      const factor = load(type, 1, c.mul(scalar(10)).add(scalar(weightSlot++)));
      const value = load(type, 0, distance === 0 ? line : line.add(constant("i32", distance)));
      part = part === null ? value.mul(factor) : value.fma(factor, part);
    }
    sum = sum === null ? part : sum.add(part as Expr);
  });
  const output = biased ? 3 : 2;
  return {
    form: "row",
    name: "convolution_depthwise",
    buffers: [...new Array<BufferDecl>(output).fill({ dtype, access: "read" }), { dtype, access: "write" }],
    params: new Array<ComputeType>(weightSlot).fill("i32"),
    outer,
    inner: [],
    stages: [{ kind: "store", over: "outer", buffer: output, index: at(7), value: sum as unknown as Expr }],
  };
}
