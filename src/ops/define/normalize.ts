/**
 * The kernels of layer, batch and group normalization, which are one: elements are normalized over some dimensions of a view of
 * the input, and scaled and shifted by parameters that vary along some dimensions of that view.
 *
 *   x̂ = (x - mean) · rstd,   rstd = 1/√(var + eps),   y = x̂ · weight + bias
 *   dx = rstd · (g·w - mean(g·w) - x̂ · mean(g·w·x̂)),   dweight = Σ g·x̂,   dbias = Σ g
 */
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { computeType, constant, type Expr } from "../../ir/expr.ts";
import { contiguousStrides, type Shape, sameShape, viewStrides } from "../../shape.ts";
import { Tensor } from "../../tensor.ts";
import { copied } from "../copy.ts";
import { allocate, type RowOperand, runRow } from "../row.ts";

/** How a normalization sees its input. */
export interface NormLayout {
  /** The view of the input. */
  readonly sizes: Shape;
  /** Dimensions of the view over which mean and variance are taken. */
  readonly reduced: readonly number[];
  /** Dimensions of the view along which weight and bias vary, in order. */
  readonly parameters: readonly number[];
  /** The shape of mean and rstd. */
  readonly statistics: Shape;
}

/** Running statistics, which a training step moves by `momentum`. */
export interface RunningStatistics {
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly momentum: number;
}

/** Statistics of half-precision inputs are kept in float32. */
const statisticsType = (dtype: DType): DType => (dtype.itemsize === 2 ? dt.float32 : dtype);

/** `x` read under the sizes of the view; a copy where strides cannot say it. */
function viewed(x: Tensor, sizes: Shape): Tensor {
  if (sameShape(x.sizes, sizes)) return x;
  const strides = viewStrides(x.sizes, x.strides, sizes);
  if (strides !== null) return new Tensor(x.storage, x.dtype, sizes, strides, x.offset);
  return viewed(copied(x, { dtype: x.dtype, format: "contiguous_format" }), sizes);
}

/** Strides of a contiguous tensor that varies along `dims` of the view only. */
function stridesAlong(sizes: Shape, dims: readonly number[]): number[] {
  const own = contiguousStrides(dims.map((d) => sizes[d]));
  const strides = sizes.map(() => 0);
  dims.forEach((d, i) => {
    strides[d] = own[i];
  });
  return strides;
}

const contiguous = (x: Tensor): Tensor =>
  x.contiguousLayout ? x : copied(x, { dtype: x.dtype, format: "contiguous_format" });

/** Splits strides over the view into those of the outer and the inner loops. */
function operand(tensor: Tensor, strides: Shape, inner: readonly number[]): RowOperand {
  return {
    tensor,
    outer: strides.filter((_, d) => !inner.includes(d)),
    inner: inner.length === 0 ? [0] : strides.filter((_, d) => inner.includes(d)),
  };
}

function loops(sizes: Shape, inner: readonly number[]): { outer: number[]; inner: number[] } {
  return {
    outer: sizes.filter((_, d) => !inner.includes(d)),
    inner: inner.length === 0 ? [1] : sizes.filter((_, d) => inner.includes(d)),
  };
}

const keptDims = ({ sizes, reduced }: NormLayout): number[] =>
  sizes.map((_, d) => d).filter((d) => !reduced.includes(d));

/** The normalized input, the mean and 1/√(var + eps); `running` is brought up to date. */
export function normalizeForward(
  input: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  layout: NormLayout,
  eps: number,
  running: RunningStatistics | null,
): [Tensor, Tensor, Tensor] {
  const { sizes, reduced } = layout;
  const x = viewed(input, sizes);
  const y = allocate(input.dtype, input.sizes);
  const ownType = statisticsType(input.dtype);
  const mean = allocate(ownType, layout.statistics);
  const rstd = allocate(ownType, layout.statistics);
  const along = stridesAlong(sizes, layout.parameters);
  const perRow = stridesAlong(sizes, keptDims(layout));
  const operands = [operand(x, x.strides, reduced)];
  const place = { weight: -1, bias: -1, running: -1 };
  const add = (tensor: Tensor, strides: Shape): number => operands.push(operand(tensor, strides, reduced)) - 1;
  if (weight !== null) place.weight = add(contiguous(weight), along);
  if (bias !== null) place.bias = add(contiguous(bias), along);
  const runningOf = (t: Tensor): Shape => perRow.map((s) => s * (t.strides[t.strides.length - 1] ?? 0));
  if (running !== null) {
    place.running = add(running.mean, runningOf(running.mean));
    add(running.variance, runningOf(running.variance));
  }
  const first = add(y, contiguousStrides(sizes));
  add(mean, perRow);
  add(rstd, perRow);
  if (running !== null) {
    add(running.mean, runningOf(running.mean));
    add(running.variance, runningOf(running.variance));
  }
  const type = computeType(ownType.name);
  runRow({
    name: "normalize",
    key: `normalize:${place.weight}:${place.bias}:${place.running}`,
    ...loops(sizes, reduced),
    operands,
    outputs: operands.length - first,
    scalars: [eps, running?.momentum ?? 0],
    scalarTypes: [type, type],
    build: (loaded, row, [e, momentum]) => {
      const values = loaded.map((v) => v.cast(type));
      const n = row.innerCount.cast(type);
      const mu = row.reduce("sum", values[0]).div(n);
      const d = values[0].sub(mu);
      const squares = row.reduce("sum", d.mul(d));
      const scale = row.keep(constant(type, 1).div(squares.div(n).add(e).sqrt()));
      let result: Expr = d.mul(scale);
      if (place.weight > 0) result = result.mul(values[place.weight]);
      if (place.bias > 0) result = result.add(values[place.bias]);
      row.store(first, result);
      row.store(first + 1, mu);
      row.store(first + 2, scale);
      if (place.running > 0) {
        const keep = constant(type, 1).sub(momentum);
        row.store(first + 3, values[place.running].mul(keep).add(mu.mul(momentum)));
        row.store(first + 4, values[place.running + 1].mul(keep).add(squares.div(n.sub(1)).mul(momentum)));
      }
    },
  });
  return [y, mean, rstd];
}

/** The same with given statistics. */
export function normalizeWith(
  input: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  mean: Tensor,
  variance: Tensor,
  layout: NormLayout,
  eps: number,
): Tensor {
  const { sizes, reduced } = layout;
  const x = viewed(input, sizes);
  const y = allocate(input.dtype, input.sizes);
  const along = stridesAlong(sizes, layout.parameters);
  const perRow = stridesAlong(sizes, keptDims(layout));
  const operands = [
    operand(x, x.strides, reduced),
    operand(contiguous(mean), perRow, reduced),
    operand(contiguous(variance), perRow, reduced),
  ];
  const place = { weight: -1, bias: -1 };
  if (weight !== null) place.weight = operands.push(operand(contiguous(weight), along, reduced)) - 1;
  if (bias !== null) place.bias = operands.push(operand(contiguous(bias), along, reduced)) - 1;
  operands.push(operand(y, contiguousStrides(sizes), reduced));
  const type = computeType(statisticsType(input.dtype).name);
  runRow({
    name: "normalize_with",
    key: `normalize_with:${place.weight}:${place.bias}`,
    ...loops(sizes, reduced),
    operands,
    outputs: 1,
    scalars: [eps],
    scalarTypes: [type],
    build: (loaded, row, [e]) => {
      const values = loaded.map((v) => v.cast(type));
      let scale: Expr = constant(type, 1).div(values[2].add(e).sqrt());
      if (place.weight > 0) scale = scale.mul(values[place.weight]);
      let result: Expr = values[0].sub(values[1]).mul(scale);
      if (place.bias > 0) result = result.add(values[place.bias]);
      row.store(operands.length - 1, result);
    },
  });
  return y;
}

/** Which gradients of input, weight and bias are wanted. */
export type NormMask = readonly [boolean, boolean, boolean];

/**
 * Gradients of input, weight and bias. `spread` is false where mean and rstd are constants (a batch norm in evaluation mode),
 * whose input then has no other influence.
 */
export function normalizeBackward(
  gradient: Tensor,
  input: Tensor,
  mean: Tensor,
  rstd: Tensor,
  weight: Tensor | null,
  layout: NormLayout,
  mask: NormMask,
  spread: boolean,
): [Tensor | null, Tensor | null, Tensor | null] {
  const { sizes, reduced, parameters } = layout;
  const g = viewed(gradient, sizes);
  const x = viewed(input, sizes);
  const along = stridesAlong(sizes, parameters);
  const perRow = stridesAlong(sizes, keptDims(layout));
  const type = computeType(statisticsType(input.dtype).name);
  const w = weight === null ? null : contiguous(weight);
  const [average, scaling] = [contiguous(mean), contiguous(rstd)];
  const others = sizes.map((_, d) => d).filter((d) => !parameters.includes(d));
  // Batch norm: the sums that the gradient of the input needs are those of the parameters.
  const together = sameShape(others, reduced);
  const wants = mask[1] || mask[2];
  const parameterType = w?.dtype ?? input.dtype;
  const parameterShape = w?.sizes ?? parameters.map((d) => sizes[d]);
  const dw = wants ? allocate(parameterType, parameterShape) : null;
  const db = wants ? allocate(parameterType, parameterShape) : null;
  const dx = mask[0] ? allocate(input.dtype, input.sizes) : null;

  const run = (inner: readonly number[], storeX: boolean, storeParameters: boolean): void => {
    const operands = [
      operand(g, g.strides, inner),
      operand(x, x.strides, inner),
      operand(average, perRow, inner),
      operand(scaling, perRow, inner),
    ];
    if (w !== null) operands.push(operand(w, along, inner));
    const first = operands.length;
    if (storeX) operands.push(operand(dx as Tensor, contiguousStrides(sizes), inner));
    if (storeParameters) {
      operands.push(operand(dw as Tensor, along, inner), operand(db as Tensor, along, inner));
    }
    runRow({
      name: "normalize_backward",
      key: `normalize_backward:${w !== null}:${storeX}:${storeParameters}:${spread}:${together}`,
      ...loops(sizes, inner),
      operands,
      outputs: operands.length - first,
      build: (loaded, row) => {
        const [dy, v, mu, scale, factor] = loaded.map((e) => e.cast(type));
        const normalized = v.sub(mu).mul(scale);
        let at = first;
        if (!storeX) {
          row.store(at++, row.reduce("sum", dy.mul(normalized)));
          row.store(at, row.reduce("sum", dy));
          return;
        }
        // Where the weight is the same in a whole row it stays outside of the sums, which are then the parameters' gradients.
        const inside = factor !== undefined && !together ? dy.mul(factor) : dy;
        const outside = factor !== undefined && together ? scale.mul(factor) : scale;
        if (!spread && !storeParameters) {
          row.store(at, inside.mul(outside));
          return;
        }
        const sum = row.reduce("sum", inside);
        const product = row.reduce("sum", inside.mul(normalized));
        const n = row.innerCount.cast(type);
        const rest = spread ? inside.sub(sum.div(n)).sub(normalized.mul(product.div(n))) : inside;
        row.store(at++, rest.mul(outside));
        if (storeParameters) {
          row.store(at++, product);
          row.store(at, sum);
        }
      },
    });
  };
  if (mask[0]) run(reduced, true, together && wants);
  if (wants && !(together && mask[0])) run(others, false, true);
  return [dx, mask[1] ? dw : null, mask[2] ? db : null];
}

/** The same gradients made of differentiable ops, for second derivatives. */
export function normalizeBackwardByOps(
  gradient: Tensor,
  input: Tensor,
  weight: Tensor | null,
  layout: NormLayout,
  eps: number,
  fixed: { readonly mean: Tensor; readonly variance: Tensor } | null,
): [Tensor, Tensor, Tensor] {
  const { sizes, reduced, parameters } = layout;
  const g = gradient.reshape(sizes);
  const x = input.reshape(sizes);
  const dims = reduced.slice();
  const perRow = sizes.map((s, d) => (reduced.includes(d) ? 1 : s));
  const mean = fixed === null ? meanOver(x, dims) : fixed.mean.reshape(perRow);
  const deviation = x.sub(mean);
  const variance = fixed === null ? meanOver(deviation.mul(deviation), dims) : fixed.variance.reshape(perRow);
  const scale = variance.add(eps).rsqrt();
  const normalized = deviation.mul(scale);
  const w = weight === null ? null : weight.reshape(sizes.map((s, d) => (parameters.includes(d) ? s : 1)));
  const inside = w === null ? g : g.mul(w);
  const rest =
    fixed === null
      ? inside.sub(meanOver(inside, dims)).sub(normalized.mul(meanOver(inside.mul(normalized), dims)))
      : inside;
  const shape = weight?.sizes ?? parameters.map((d) => sizes[d]);
  const others = sizes.map((_, d) => d).filter((d) => !parameters.includes(d));
  const sumOver = (t: Tensor): Tensor => (others.length === 0 ? t : t.sum(others)).reshape(shape);
  return [rest.mul(scale).reshape(input.sizes), sumOver(g.mul(normalized)), sumOver(g)];
}

const meanOver = (t: Tensor, dims: number[]): Tensor => (dims.length === 0 ? t : t.mean(dims, true));
