/**
 * Row kernels over strided tensors: the common ground of pointwise ops, reductions, softmax, and norms. It plans the
 * loops (order and merging of dimensions), makes the kernel once per layout class, and launches it.
 */
import type { DType } from "../dtype.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { contiguousStrides, numelOf, type Shape } from "../shape.ts";
import { Storage } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { KernelCache, launchPrepared, type PreparedLaunch } from "./launch.ts";
import { PlanCache, Signature } from "./plan.ts";
import { divide, runDivided } from "./row-division.ts";
import { type Loops, RowBuilder, type RowOperand, type RowSpec } from "./row-spec.ts";

export type { RowOperand, RowSpec };
export { RowBuilder };

/** Orders loops so that the innermost has the smallest strides, and merges those that are one loop in every operand. */
function planLoops(
  sizes: Shape,
  operandStrides: readonly (readonly number[])[],
  keepOrder: boolean,
  first = operandStrides.length - 1,
): Loops {
  // The usual case: the operands are contiguous and the caller has made one loop of them.
  if (sizes.length === 0 || (sizes.length === 1 && sizes[0] !== 1)) return { sizes, strides: operandStrides };
  const order: number[] = [];
  for (let i = 0; i < sizes.length; i++) if (sizes[i] !== 1) order.push(i);
  if (!keepOrder && order.length > 1) sortLoops(order, sizes, operandStrides, first);
  const outSizes: number[] = [];
  const strides: number[][] = [];
  for (let k = 0; k < operandStrides.length; k++) strides.push([]);
  for (const d of order) {
    const last = outSizes.length - 1;
    let merge = last >= 0;
    for (let k = 0; merge && k < strides.length; k++) {
      if (strides[k][last] !== operandStrides[k][d] * sizes[d]) merge = false;
    }
    if (merge) {
      outSizes[last] *= sizes[d];
      for (let k = 0; k < strides.length; k++) strides[k][last] = operandStrides[k][d];
    } else {
      outSizes.push(sizes[d]);
      for (let k = 0; k < strides.length; k++) strides[k].push(operandStrides[k][d]);
    }
  }
  return { sizes: outSizes, strides };
}

/** Plans the inner loops. Where a row has inner dimensions, one loop stays even if it is of size 1 or 0. */
function planInner(spec: Pick<RowSpec, "inner" | "keepInnerOrder">, strides: readonly (readonly number[])[]): Loops {
  const sizes = spec.inner;
  const empty = sizes.length > 0 && numelOf(sizes) === 0;
  if (!empty) {
    const loops = planLoops(sizes, strides, spec.keepInnerOrder === true);
    if (sizes.length === 0 || loops.sizes.length > 0) return loops;
  }
  return { sizes: [empty ? 0 : 1], strides: strides.map((list) => [list.some((s) => s !== 0) ? 1 : 0]) };
}

/** Sorts dimensions by decreasing stride. Operand `first` is asked first, then the others, outputs before inputs. */
function sortLoops(order: number[], sizes: Shape, operandStrides: readonly (readonly number[])[], first: number): void {
  const before = (a: number, b: number): number => {
    for (let i = operandStrides.length; i >= 0; i--) {
      const k = i === operandStrides.length ? first : i;
      const x = operandStrides[k][a];
      const y = operandStrides[k][b];
      if (x === 0 || y === 0) continue;
      if (x !== y) return y - x;
      if (sizes[a] !== sizes[b]) return sizes[a] > sizes[b] ? -1 : 1;
    }
    return 0;
  };
  for (let i = 1; i < order.length; i++) {
    for (let j = i; j > 0 && before(order[j - 1], order[j]) > 0; j--) {
      const t = order[j];
      order[j] = order[j - 1];
      order[j - 1] = t;
    }
  }
}

/** What was made for one `RowSpec.key`. */
class RowMaker {
  readonly plans = new PlanCache();
  /** Kernels by layout. */
  readonly kernels = new KernelCache<number | string>();
}

const makers = new Map<string, RowMaker>();

function makerOf(key: string): RowMaker {
  let maker = makers.get(key);
  if (maker === undefined) makers.set(key, (maker = new RowMaker()));
  return maker;
}

const signature = new Signature();

/** Writes what the plan of `spec` follows from. */
function sign({ outer, inner, operands, keepInnerOrder }: RowSpec): void {
  signature.start();
  signature.push(((operands.length * 64 + outer.length) * 64 + inner.length) * 2 + (keepInnerOrder === true ? 1 : 0));
  signature.pushAll(outer);
  signature.pushAll(inner);
  for (let k = 0; k < operands.length; k++) {
    const operand = operands[k];
    signature.push(operand.tensor.dtype.id);
    signature.pushAll(operand.outer);
    signature.pushAll(operand.inner);
  }
}

/** Runs a row kernel. Operands that are written must not overlap others except at the very same elements. */
export function runRow(spec: RowSpec): void {
  const { operands } = spec;
  const units = numelOf(spec.outer);
  if (units === 0) return;
  const tensors: Tensor[] = [];
  for (let k = 0; k < operands.length; k++) tensors.push(operands[k].tensor);
  const { plans } = makerOf(spec.key);
  sign(spec);
  const found = plans.find(signature);
  if (found !== null) {
    launchPrepared(found, tensors, spec.scalars);
    return;
  }
  const { outer, inner } = planRow(spec);
  const division = divide(spec, units, outer, inner);
  if (division !== null) {
    runDivided(spec, division, outer, inner, prepareRow);
    return;
  }
  const prepared = prepare(spec, outer, inner);
  plans.add(signature, prepared);
  launchPrepared(prepared, tensors, spec.scalars);
}

function planRow(spec: RowSpec): { outer: Loops; inner: Loops } {
  const outerStrides = spec.operands.map((operand) => operand.outer);
  const innerStrides = spec.operands.map((operand) => operand.inner);
  // Where rows become single numbers, most of the work is reading them.
  const last = spec.operands.length - 1;
  const reduces = spec.inner.length > 0 && innerStrides[last].every((s) => s === 0);
  const outer = planLoops(spec.outer, outerStrides, false, reduces ? 0 : last);
  return { outer, inner: planInner(spec, innerStrides) };
}

/** A row kernel ready to be launched on other tensors of the same layout; its scalars are given then. */
function prepareRow(spec: RowSpec): PreparedLaunch {
  const { outer, inner } = planRow(spec);
  return prepare(spec, outer, inner);
}

function prepare(spec: RowSpec, outer: Loops, inner: Loops): PreparedLaunch {
  const { kernels } = makerOf(spec.key);
  const key = layoutKey(spec.operands, outer, inner);
  const compiled = kernels.find(key) ?? kernels.add(key, makeKernel(spec, outer, inner));
  // Sizes of the loops, and strides.
  const params = [...outer.sizes, ...inner.sizes];
  for (let k = 0; k < spec.operands.length; k++) {
    pushStrides(params, outer.strides[k]);
    pushStrides(params, inner.strides[k]);
  }
  return { compiled, params, units: numelOf(spec.outer) };
}

/** Strides 0 and 1 are compiled in: they decide how a kernel is vectorized. Others are parameters. */
function pushStrides(params: number[], strides: readonly number[]): void {
  for (let i = 0; i < strides.length; i++) if (strides[i] !== 0 && strides[i] !== 1) params.push(strides[i]);
}

/**
 * Dtypes, numbers of loops, and which strides are 0, 1 or other: the digits of one number, which is quicker to make and
 * to find than a text; a text where the number would not be exact.
 */
function layoutKey(operands: readonly RowOperand[], outer: Loops, inner: Loops): number | string {
  let key = 64 + outer.sizes.length * 8 + inner.sizes.length;
  for (let k = 0; k < operands.length; k++) {
    key = key * 16 + operands[k].tensor.dtype.id;
    const a = outer.strides[k];
    for (let i = 0; i < a.length; i++) key = key * 3 + (a[i] === 0 ? 0 : a[i] === 1 ? 1 : 2);
    const b = inner.strides[k];
    for (let i = 0; i < b.length; i++) key = key * 3 + (b[i] === 0 ? 0 : b[i] === 1 ? 1 : 2);
  }
  if (key <= Number.MAX_SAFE_INTEGER && outer.sizes.length < 8 && inner.sizes.length < 8) return key;
  return operands
    .map(({ tensor }, k) => `${tensor.dtype.id}${strideText(outer.strides[k])}${strideText(inner.strides[k])}`)
    .join("|");
}

function strideText(strides: readonly number[]): string {
  return `.${strides.map((s) => (s === 0 ? "0" : s === 1 ? "1" : "s")).join("")}`;
}

function makeKernel(spec: RowSpec, outer: Loops, inner: Loops): Kernel {
  const types: ComputeType[] = [];
  const next = (type: ComputeType): Expr => {
    types.push(type);
    return param(type, types.length - 1);
  };
  const outerAxes = outer.sizes.map((_, i) => new Axis(`o${i}`, next("i32")));
  const innerAxes = inner.sizes.map((_, i) => new Axis(`i${i}`, next("i32")));
  const indices: Expr[] = [];
  for (let k = 0; k < spec.operands.length; k++) {
    let index = constant("i32", 0);
    const add = (axes: Axis[], strides: readonly number[]): void => {
      axes.forEach((axis, i) => {
        const s = strides[i];
        if (s === 1) index = index.add(axis.index);
        else if (s !== 0) index = index.add(axis.index.mul(next("i32")));
      });
    };
    add(outerAxes, outer.strides[k]);
    add(innerAxes, inner.strides[k]);
    indices.push(index);
  }
  const scalars = (spec.scalarTypes ?? []).map((type) => next(type));
  const inputCount = spec.operands.length - spec.outputs;
  const values = indices
    .slice(0, inputCount)
    .map((index, k) => load(computeType(spec.operands[k].tensor.dtype.name), k, index));
  const innerCount = innerAxes.reduce((n, axis) => n.mul(axis.size), constant("i32", 1));
  // An output varies with the inner loops if any of its inner strides is not 0.
  const innerVaries = inner.strides.map((s) => s.some((x) => x !== 0));
  const builder = new RowBuilder(indices, innerVaries, innerCount);
  spec.build(values, builder, scalars);
  return {
    form: "row",
    name: spec.name,
    buffers: spec.operands.map((o, k) => ({
      dtype: o.tensor.dtype.name,
      access: k < inputCount ? "read" : "write",
    })),
    params: types,
    outer: outerAxes,
    inner: innerAxes,
    stages: builder.stages,
  };
}

/** A new tensor, its memory not cleared. */
export function allocate(dtype: DType, shape: Shape, strides?: readonly number[]): Tensor {
  const storage = new Storage(numelOf(shape) * dtype.itemsize);
  if (strides === undefined) return new Tensor(storage, dtype, shape, contiguousStrides(shape), 0, true);
  return new Tensor(storage, dtype, shape, strides, 0);
}
