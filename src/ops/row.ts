/**
 * Row kernels over strided tensors: the common ground of pointwise ops, reductions, softmax, and norms. It plans the
 * loops (order and merging of dimensions), makes the kernel once per layout class, and launches it.
 */
import type { DType } from "../dtype.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param, stageValue } from "../ir/expr.ts";
import type { Kernel, ReduceOp, Stage } from "../ir/kernel.ts";
import { contiguousStrides, numelOf, type Shape } from "../shape.ts";
import { Storage } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { KernelCache, launch } from "./launch.ts";

/** A tensor with its strides along the outer and the inner loops (0 where it does not vary). */
export interface RowOperand {
  readonly tensor: Tensor;
  readonly outer: readonly number[];
  readonly inner: readonly number[];
}

/** Builds the stages of a row kernel. Positions of loads and stores are those of the current outer and inner index. */
export class RowBuilder {
  readonly stages: Stage[] = [];
  /** The number of inner elements, as i32. */
  readonly innerCount: Expr;
  private readonly indices: readonly Expr[];
  private readonly innerVaries: readonly boolean[];

  constructor(indices: readonly Expr[], innerVaries: readonly boolean[], innerCount: Expr) {
    this.indices = indices;
    this.innerVaries = innerVaries;
    this.innerCount = innerCount;
  }
  /** Reduces over the inner loops. */
  reduce(op: ReduceOp, value: Expr): Expr {
    this.stages.push({ kind: "reduce", op, value });
    return stageValue(value.type, this.stages.length - 1);
  }
  /** The position of the first extreme value, in flattened inner indices. */
  argReduce(op: "argmin" | "argmax", value: Expr): { index: Expr; value: Expr } {
    this.stages.push({ kind: "reduce", op, value });
    const at = this.stages.length - 1;
    return { index: stageValue("i32", at, 1), value: stageValue(value.type, at) };
  }
  /** Writes to operand number `operand`. */
  store(operand: number, value: Expr): void {
    this.stages.push({
      kind: "store",
      over: this.innerVaries[operand] ? "inner" : "outer",
      buffer: operand,
      index: this.indices[operand],
      value,
    });
  }
}

export interface RowSpec {
  readonly name: string;
  /** Everything that `build` depends on besides dtypes and layout. */
  readonly key: string;
  /** Sizes of the outer and the inner loops. */
  readonly outer: Shape;
  readonly inner: Shape;
  /** Inputs first, then `outputs` tensors that are written. */
  readonly operands: readonly RowOperand[];
  readonly outputs: number;
  /** Scalars, with their compute types. */
  readonly scalars?: readonly (number | bigint)[];
  readonly scalarTypes?: readonly ComputeType[];
  /** Inner dimensions keep their order, because flattened inner indices are results. */
  readonly keepInnerOrder?: boolean;
  readonly build: (values: readonly Expr[], row: RowBuilder, scalars: readonly Expr[]) => void;
}

interface Loops {
  sizes: number[];
  strides: number[][];
}

/** Orders loops so that the innermost has the smallest strides, and merges those that are one loop in every operand. */
function planLoops(sizes: Shape, operandStrides: readonly (readonly number[])[], keepOrder: boolean): Loops {
  const order: number[] = [];
  for (let i = 0; i < sizes.length; i++) if (sizes[i] !== 1) order.push(i);
  if (!keepOrder && order.length > 1) sortLoops(order, sizes, operandStrides);
  const outSizes: number[] = [];
  const strides: number[][] = operandStrides.map(() => []);
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

/** Sorts dimensions by decreasing stride. The last operand (an output) is asked first, then the others. */
function sortLoops(order: number[], sizes: Shape, operandStrides: readonly (readonly number[])[]): void {
  const before = (a: number, b: number): number => {
    for (let k = operandStrides.length - 1; k >= 0; k--) {
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

const cache = new KernelCache<string>();

/** Runs a row kernel. Operands that are written must not overlap others except at the very same elements. */
export function runRow(spec: RowSpec): void {
  const { operands } = spec;
  if (numelOf(spec.outer) === 0) return;
  const outer = planLoops(
    spec.outer,
    operands.map((o) => o.outer),
    false,
  );
  const emptyInner = spec.inner.length > 0 && numelOf(spec.inner) === 0;
  const inner = emptyInner
    ? { sizes: [0], strides: operands.map((o) => [o.inner.some((s) => s !== 0) ? 1 : 0]) }
    : planLoops(
        spec.inner,
        operands.map((o) => o.inner),
        spec.keepInnerOrder === true,
      );
  // A kernel without inner loops differs from one whose single inner loop has size 1, which is kept.
  if (spec.inner.length > 0 && inner.sizes.length === 0) {
    inner.sizes.push(1);
    inner.strides.forEach((s, k) => s.push(operands[k].inner.some((x) => x !== 0) ? 1 : 0));
  }
  let key = `${spec.key}|${outer.sizes.length},${inner.sizes.length}`;
  for (let k = 0; k < operands.length; k++) {
    key += `|${operands[k].tensor.dtype.id}${strideClass(outer.strides[k])}${strideClass(inner.strides[k])}`;
  }
  const kernel = cache.get(key, () => makeKernel(spec, outer, inner));
  const params: (number | bigint)[] = [...outer.sizes, ...inner.sizes];
  for (let k = 0; k < operands.length; k++) {
    for (const s of outer.strides[k]) if (s !== 0 && s !== 1) params.push(s);
    for (const s of inner.strides[k]) if (s !== 0 && s !== 1) params.push(s);
  }
  if (spec.scalars) params.push(...spec.scalars);
  launch(
    kernel,
    operands.map((o) => o.tensor),
    params,
    numelOf(outer.sizes),
  );
}

/** Strides 0 and 1 are compiled in: they decide how a kernel is vectorized. Others are parameters. */
function strideClass(strides: readonly number[]): string {
  let text = ".";
  for (const s of strides) text += s === 0 ? "0" : s === 1 ? "1" : "s";
  return text;
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

/** Strides of `tensor` split into kept and reduced dimensions. */
export function splitStrides(tensor: Tensor, reduced: readonly number[]): { outer: number[]; inner: number[] } {
  const outer: number[] = [];
  const inner: number[] = [];
  tensor.strides.forEach((s, d) => {
    if (reduced.includes(d)) inner.push(s);
    else outer.push(s);
  });
  return { outer, inner };
}
