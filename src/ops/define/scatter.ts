/**
 * Access to elements whose positions other tensors say: the common ground of indexing, gather, scatter and embeddings.
 * An access goes over an iteration shape; its position in the accessed tensor is a linear function of the iteration's
 * indices plus, for each index tensor, the index found there times a stride.
 */
import { Axis, type ComputeType, computeType, constant, type Expr, load, param } from "../../ir/expr.ts";
import type { Kernel, ScatterMode } from "../../ir/kernel.ts";
import { numelOf, type Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { KernelCache, launch } from "../launch.ts";

/** One index tensor of an access (int64 or a smaller integer type). */
export interface IndexOperand {
  readonly tensor: Tensor;
  /** Its strides along the iteration's dimensions. */
  readonly strides: readonly number[];
  /** The size of the dimension that it indexes; a negative index counts from there. */
  readonly size: number;
  /** The stride of that dimension in the accessed tensor. */
  readonly stride: number;
  /** False where no index is negative. */
  readonly negative?: boolean;
}

export interface Access {
  /** The iteration. */
  readonly shape: Shape;
  /** Strides of the accessed tensor along the iteration's dimensions; 0 along those that only indices follow. */
  readonly strides: readonly number[];
  readonly indices: readonly IndexOperand[];
}

interface Plan {
  readonly sizes: number[];
  /** Of the accessed tensor, of the other tensor, then of each index tensor. */
  readonly strides: number[][];
}

/** Drops dimensions of size 1 and merges those that are one loop for every operand. */
function plan(shape: Shape, lists: readonly (readonly number[])[]): Plan {
  const sizes: number[] = [];
  const strides: number[][] = lists.map(() => []);
  shape.forEach((size, d) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    if (last >= 0 && lists.every((list, k) => strides[k][last] === list[d] * size)) {
      sizes[last] *= size;
      for (let k = 0; k < lists.length; k++) strides[k][last] = lists[k][d];
    } else {
      sizes.push(size);
      for (let k = 0; k < lists.length; k++) strides[k].push(lists[k][d]);
    }
  });
  return { sizes, strides };
}

const cache = new KernelCache<string>();

interface Built {
  readonly types: ComputeType[];
  readonly axes: Axis[];
  readonly position: Expr;
  readonly other: Expr;
}

/** Axes and positions; buffers 0 and 1 are the accessed and the other tensor, the index tensors follow. */
function build(loops: Plan, indices: readonly IndexOperand[]): Built {
  const types: ComputeType[] = [];
  const next = (): Expr => {
    types.push("i32");
    return param("i32", types.length - 1);
  };
  const axes = loops.sizes.map((_, i) => new Axis(`i${i}`, next()));
  const linear = (strides: readonly number[]): Expr =>
    axes.reduce(
      (sum, axis, i) => {
        const s = strides[i];
        return s === 0 ? sum : sum.add(s === 1 ? axis.index : axis.index.mul(next()));
      },
      constant("i32", 0),
    );
  let position = linear(loops.strides[0]);
  const other = linear(loops.strides[1]);
  indices.forEach(({ tensor, stride, negative }, k) => {
    const index = load(computeType(tensor.dtype.name), k + 2, linear(loops.strides[k + 2])).cast("i32");
    const fromStart = negative === false ? index : index.lt(0).select(index.add(next()), index);
    position = position.add(stride === 1 ? fromStart : fromStart.mul(next()));
  });
  return { types, axes, position, other };
}

function parameters(loops: Plan, indices: readonly IndexOperand[]): number[] {
  const out = [...loops.sizes];
  const push = (list: readonly number[]): void => {
    for (const s of list) if (s !== 0 && s !== 1) out.push(s);
  };
  push(loops.strides[0]);
  push(loops.strides[1]);
  indices.forEach(({ size, stride, negative }, k) => {
    push(loops.strides[k + 2]);
    if (negative !== false) out.push(size);
    if (stride !== 1) out.push(stride);
  });
  return out;
}

function keyOf(loops: Plan, tensors: readonly Tensor[], indices: readonly IndexOperand[]): string {
  const classes = loops.strides.map((list) => list.map((s) => (s === 0 ? "0" : s === 1 ? "1" : "s")).join(""));
  const forms = indices.map((i) => (i.negative === false ? 0 : 1) + (i.stride === 1 ? 2 : 0));
  return `${tensors.map((t) => t.dtype.id).join(",")}|${loops.sizes.length}|${classes.join(",")}|${forms.join("")}`;
}

function prepare(access: Access, otherStrides: readonly number[]): Plan {
  return plan(access.shape, [access.strides, otherStrides, ...access.indices.map((i) => i.strides)]);
}

/** `out[i] = source[position(i)]`, with `out` of the iteration's shape. Indices have been checked. */
export function gatherInto(out: Tensor, source: Tensor, access: Access): void {
  if (numelOf(access.shape) === 0) return;
  const loops = prepare(access, out.strides);
  const tensors = [source, out, ...access.indices.map((i) => i.tensor)];
  const kernel = cache.get(`gather|${keyOf(loops, tensors, access.indices)}`, (): Kernel => {
    const { types, axes, position, other } = build(loops, access.indices);
    return {
      form: "row",
      name: "gather",
      buffers: tensors.map((t, k) => ({ dtype: t.dtype.name, access: k === 1 ? "write" : "read" })),
      params: types,
      outer: axes,
      inner: [],
      stages: [
        {
          kind: "store",
          over: "outer",
          buffer: 1,
          index: other,
          value: load(computeType(source.dtype.name), 0, position).cast(computeType(out.dtype.name)),
        },
      ],
    };
  });
  launch(kernel, tensors, parameters(loops, access.indices), numelOf(loops.sizes));
}

/** Whether the first loop moves on by more than what the others and all indices together can reach. */
function isDisjoint({ sizes, strides: [target] }: Plan, indices: readonly IndexOperand[]): boolean {
  if (sizes.length === 0) return false;
  let reach = 0;
  for (let d = 1; d < sizes.length; d++) reach += (sizes[d] - 1) * Math.abs(target[d]);
  for (const { size, stride } of indices) reach += (size - 1) * Math.abs(stride);
  return Math.abs(target[0]) > reach;
}

/**
 * `target[position(i)] = mode(…, source[i] · alpha)` in the iteration's order. `sourceStrides` are along the iteration's
 * dimensions. Indices have been checked; `source` shares no memory with `target`.
 */
export function scatterInto(
  target: Tensor,
  source: Tensor,
  sourceStrides: readonly number[],
  access: Access,
  mode: ScatterMode,
  alpha: number | bigint = 1,
): void {
  if (numelOf(access.shape) === 0) return;
  const loops = prepare(access, sourceStrides);
  const tensors = [target, source, ...access.indices.map((i) => i.tensor)];
  const scaled = alpha !== 1;
  const type = computeType(target.dtype.name);
  const disjoint = isDisjoint(loops, access.indices);
  const kernel = cache.get(
    `scatter|${mode}|${scaled}|${disjoint}|${keyOf(loops, tensors, access.indices)}`,
    (): Kernel => {
      const { types, axes, position, other } = build(loops, access.indices);
      let value = load(computeType(source.dtype.name), 1, other).cast(type);
      if (scaled) {
        types.push(type === "bool" ? "i32" : type);
        const factor = param(types[types.length - 1], types.length - 1);
        value = type === "bool" ? value.and(factor.cast("bool")) : value.mul(factor);
      }
      return {
        form: "scatter",
        name: `scatter_${mode}`,
        buffers: tensors.map((t, k) => ({ dtype: t.dtype.name, access: k === 0 ? "readwrite" : "read" })),
        params: types,
        axes,
        disjoint,
        mode,
        buffer: 0,
        index: position,
        value,
      };
    },
  );
  const params: (number | bigint)[] = parameters(loops, access.indices);
  if (scaled) params.push(alpha);
  launch(kernel, tensors, params, numelOf(loops.sizes));
}
