/**
 * The contraction kind over strided tensors: `out[b, m, n] = epilogue(Σ_k a[b, m, k] · b[b, k, n])`, where each of the
 * four index groups may have several dimensions, which need not be adjacent in memory. A transposed matrix, a window
 * of a convolution or a diagonal is only another set of strides, so no operand is copied.
 */
import { Axis, accumulator, type ComputeType, computeType, constant, type Expr, load, param } from "../../ir/expr.ts";
import type { ContractionKernel } from "../../ir/kernel.ts";
import type { Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { KernelCache, launch } from "../launch.ts";
import { contractInParts, partsOf } from "./contraction-parts.ts";

/** A tensor and its strides along the groups. Strides may be negative: the tensor's offset is where all indices are 0. */
export interface ContractionOperand {
  readonly tensor: Tensor;
  readonly batch?: Shape;
  readonly m?: Shape;
  readonly n?: Shape;
  readonly k?: Shape;
}

export interface ContractionSpec {
  readonly name: string;
  /** What `epilogue` depends on besides dtypes and layout. */
  readonly key?: string;
  readonly sizes: { readonly batch: Shape; readonly m: Shape; readonly n: Shape; readonly k: Shape };
  /** Strides along batch, m and k. */
  readonly a: ContractionOperand;
  /** Strides along batch, k and n. */
  readonly b: ContractionOperand;
  /** Strides along batch, m and n. */
  readonly out: ContractionOperand;
  /** Tensors that the epilogue reads, with strides along batch, m and n. */
  readonly extra?: readonly ContractionOperand[];
  readonly scalars?: readonly (number | bigint)[];
  /** The value to store, from the sum; the sum itself by default. All have the type that is accumulated in. */
  readonly epilogue?: (sum: Expr, extra: readonly Expr[], scalars: readonly Expr[]) => Expr;
}

const GROUPS = ["batch", "m", "n", "k"];

interface Group {
  readonly sizes: Shape;
  /** For each operand. */
  readonly strides: readonly Shape[];
}

const NO_STRIDES: Shape = Object.freeze([]);

/** A group without dimensions, for each number of operands. */
const emptyGroups: Group[] = [];

function emptyGroup(operands: number): Group {
  return (emptyGroups[operands] ??= { sizes: NO_STRIDES, strides: new Array<Shape>(operands).fill(NO_STRIDES) });
}

/**
 * The dimensions of a group without those of size 1, adjacent ones merged where they are one in every operand that has
 * strides there. `given` is not kept unless it has one dimension.
 */
function planGroup(sizes: Shape, given: readonly (Shape | undefined)[]): Group {
  const operands = given.length;
  if (sizes.length === 0 || (sizes.length === 1 && sizes[0] === 1)) return emptyGroup(operands);
  const strides: Shape[] = [];
  if (sizes.length === 1) {
    for (let i = 0; i < operands; i++) strides.push(given[i] ?? NO_STRIDES);
    return { sizes, strides };
  }
  const out: number[] = [];
  const kept: number[][] = [];
  for (let i = 0; i < operands; i++) kept.push([]);
  for (let d = 0; d < sizes.length; d++) {
    const size = sizes[d];
    if (size === 1) continue;
    const last = out.length - 1;
    let merge = last >= 0;
    for (let i = 0; merge && i < operands; i++) {
      const s = given[i];
      if (s !== undefined && kept[i][last] !== s[d] * size) merge = false;
    }
    if (merge) out[last] *= size;
    else out.push(size);
    const at = out.length - 1;
    for (let i = 0; i < operands; i++) {
      const s = given[i];
      if (s !== undefined) kept[i][at] = s[d];
    }
  }
  return { sizes: out, strides: kept };
}

/** Kernels by the spec's name and key, then by dtypes and dimensions, then by strides. */
const kernels = new Map<string, Map<number | string, KernelCache<number | string>>>();

/** Computes a contraction into `out`, whose elements must not overlap those of the operands. */
export function contract(spec: ContractionSpec): void {
  const parts = partsOf(spec);
  if (parts > 1) contractInParts(spec, parts, contractWhole);
  else contractWhole(spec);
}

function contractWhole(spec: ContractionSpec): void {
  const { sizes, a, b, out, extra, scalars } = spec;
  const operands: ContractionOperand[] = [a, b];
  if (extra !== undefined) for (const operand of extra) operands.push(operand);
  operands.push(out);
  const tensors: Tensor[] = [];
  const batch: (Shape | undefined)[] = [];
  const m: (Shape | undefined)[] = [];
  const n: (Shape | undefined)[] = [];
  const k: (Shape | undefined)[] = [];
  for (const operand of operands) {
    tensors.push(operand.tensor);
    batch.push(operand.batch);
    m.push(operand.m);
    n.push(operand.n);
    k.push(operand.k);
  }
  const groups = [planGroup(sizes.batch, batch), planGroup(sizes.m, m), planGroup(sizes.n, n), planGroup(sizes.k, k)];
  const name = spec.key === undefined ? spec.name : `${spec.name}${spec.key}`;
  let byForm = kernels.get(name);
  if (byForm === undefined) kernels.set(name, (byForm = new Map()));
  const form = formKey(tensors, groups);
  let cache = byForm.get(form);
  if (cache === undefined) byForm.set(form, (cache = new KernelCache()));
  const key = strideKey(groups);
  const kernel = cache.find(key) ?? cache.add(key, makeKernel(spec, operands, groups));
  const params: (number | bigint)[] = [];
  for (const group of groups) for (const s of group.sizes) params.push(s);
  for (let i = 0; i < tensors.length; i++) {
    for (const group of groups) for (const s of group.strides[i]) if (s !== 0 && s !== 1) params.push(s);
  }
  if (scalars !== undefined) for (const s of scalars) params.push(s);
  launch(kernel, tensors, params);
}

/**
 * Dtypes, numbers of dimensions, and which operands have strides in which groups, as the digits of one number; as a text
 * where the number would not be exact.
 */
function formKey(tensors: readonly Tensor[], groups: readonly Group[]): number | string {
  let key = tensors.length;
  let small = true;
  for (const { sizes, strides } of groups) {
    if (sizes.length > 7) small = false;
    key = key * 8 + sizes.length;
    for (const list of strides) key = key * 2 + (list.length === 0 ? 0 : 1);
  }
  for (const { dtype } of tensors) key = key * 16 + dtype.id;
  if (small && key <= Number.MAX_SAFE_INTEGER) return key;
  const forms = groups.map(
    (g) => `${g.sizes.length}${g.strides.map((list) => (list.length === 0 ? "-" : "+")).join("")}`,
  );
  return `${forms.join()},${tensors.map((t) => t.dtype.id).join()}`;
}

/** Which strides are 0, 1 or other, as the digits of one number; as a text where the number would not be exact. */
function strideKey(groups: readonly Group[]): number | string {
  let key = 1;
  for (const { strides } of groups) {
    for (const list of strides) for (const s of list) key = key * 3 + strideDigit(s);
  }
  if (key <= Number.MAX_SAFE_INTEGER) return key;
  return groups.map((group) => group.strides.map((list) => list.map(strideDigit).join("")).join(".")).join("|");
}

function strideDigit(stride: number): number {
  return stride === 0 ? 0 : stride === 1 ? 1 : 2;
}

function makeKernel(
  spec: ContractionSpec,
  operands: readonly ContractionOperand[],
  groups: readonly Group[],
): ContractionKernel {
  const types: ComputeType[] = [];
  const next = (type: ComputeType): Expr => {
    types.push(type);
    return param(type, types.length - 1);
  };
  const axes = groups.map((group, g) => group.sizes.map((_, d) => new Axis(`${GROUPS[g]}${d}`, next("i32"))));
  const indices = operands.map((_, i) => {
    let index = constant("i32", 0);
    groups.forEach((group, g) => {
      group.strides[i].forEach((s, d) => {
        if (s === 1) index = index.add(axes[g][d].index);
        else if (s !== 0) index = index.add(axes[g][d].index.mul(next("i32")));
      });
    });
    return index;
  });
  const outDType = spec.out.tensor.dtype.name;
  // Half floats are summed in float32, narrow integers in int32.
  const type = computeType(outDType);
  const scalars = (spec.scalars ?? []).map(() => next(type));
  const last = operands.length - 1;
  const values = operands
    .slice(0, last)
    .map((o, i) => load(computeType(o.tensor.dtype.name), i, indices[i]).cast(type));
  const sum = accumulator(type);
  const value = spec.epilogue === undefined ? sum : spec.epilogue(sum, values.slice(2), scalars);
  return {
    form: "contraction",
    name: spec.name,
    buffers: operands.map((o, i) => ({ dtype: o.tensor.dtype.name, access: i < last ? "read" : "write" })),
    params: types,
    batch: axes[0],
    m: axes[1],
    n: axes[2],
    k: axes[3],
    a: values[0],
    b: values[1],
    accumulate: type,
    stores: [{ buffer: last, index: indices[last], value }],
  };
}
