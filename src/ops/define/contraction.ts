/**
 * The contraction kind over strided tensors: `out[b, m, n] = epilogue(Σ_k a[b, m, k] · b[b, k, n])`, where each of the
 * four index groups may have several dimensions, which need not be adjacent in memory. A transposed matrix, a window
 * of a convolution or a diagonal is only another set of strides, so no operand is copied.
 */

import type { CompiledKernel } from "../../backend/backend.ts";
import { Axis, accumulator, type ComputeType, computeType, constant, type Expr, load, param } from "../../ir/expr.ts";
import type { ContractionKernel } from "../../ir/kernel.ts";
import type { Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { KernelCache, launchPrepared } from "../launch.ts";
import { PlanCache, Signature } from "../plan.ts";
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

const GROUPS = ["batch", "m", "n", "k"] as const;

interface Group {
  readonly sizes: Shape;
  /** For each operand. */
  readonly strides: readonly Shape[];
}

/**
 * The dimensions of a group without those of size 1, adjacent ones merged where they are one in every operand that has
 * strides there.
 */
function planGroup(sizes: Shape, given: readonly (Shape | undefined)[]): Group {
  const out: number[] = [];
  const strides: number[][] = given.map(() => []);
  sizes.forEach((size, d) => {
    if (size === 1) return;
    const last = out.length - 1;
    const merge = last >= 0 && given.every((s, i) => s === undefined || strides[i][last] === s[d] * size);
    if (merge) out[last] *= size;
    else out.push(size);
    given.forEach((s, i) => {
      if (s !== undefined) strides[i][out.length - 1] = s[d];
    });
  });
  return { sizes: out, strides };
}

/** What was made for one name and key of a spec. */
class Maker {
  readonly plans = new PlanCache();
  /** Kernels by dtypes and dimensions, then by strides. */
  readonly kernels = new Map<number | string, KernelCache<number | string>>();
}

/** By the spec's name, then by its key. */
const makers = new Map<string, Map<string, Maker>>();

function makerOf(name: string, key: string): Maker {
  let byKey = makers.get(name);
  if (byKey === undefined) makers.set(name, (byKey = new Map()));
  let maker = byKey.get(key);
  if (maker === undefined) byKey.set(key, (maker = new Maker()));
  return maker;
}

const signature = new Signature();

/** Writes what the plan of `spec` follows from. */
function sign({ sizes, a, b, out, extra }: ContractionSpec): void {
  const { batch, m, n, k } = sizes;
  signature.start();
  signature.push(extra === undefined ? 0 : extra.length);
  signature.push(((batch.length * 64 + m.length) * 64 + n.length) * 64 + k.length);
  signature.pushAll(batch);
  signature.pushAll(m);
  signature.pushAll(n);
  signature.pushAll(k);
  signOperand(a);
  signOperand(b);
  if (extra !== undefined) for (let i = 0; i < extra.length; i++) signOperand(extra[i]);
  signOperand(out);
}

function signOperand({ tensor, batch, m, n, k }: ContractionOperand): void {
  const given =
    (batch === undefined ? 0 : 1) + (m === undefined ? 0 : 2) + (n === undefined ? 0 : 4) + (k === undefined ? 0 : 8);
  signature.push(tensor.dtype.id * 16 + given);
  if (batch !== undefined) signature.pushAll(batch);
  if (m !== undefined) signature.pushAll(m);
  if (n !== undefined) signature.pushAll(n);
  if (k !== undefined) signature.pushAll(k);
}

/** Computes a contraction into `out`, whose elements must not overlap those of the operands. */
export function contract(spec: ContractionSpec): void {
  const parts = partsOf(spec);
  if (parts > 1) contractInParts(spec, parts, contractWhole);
  else contractWhole(spec);
}

function contractWhole(spec: ContractionSpec): void {
  const { a, b, out, extra } = spec;
  const tensors: Tensor[] = [a.tensor, b.tensor];
  if (extra !== undefined) for (let i = 0; i < extra.length; i++) tensors.push(extra[i].tensor);
  tensors.push(out.tensor);
  const maker = makerOf(spec.name, spec.key ?? "");
  sign(spec);
  const found = maker.plans.find(signature);
  if (found !== null) {
    launchPrepared(found, tensors, spec.scalars);
    return;
  }
  const { compiled, params } = plan(spec, maker);
  const units = launchPrepared({ compiled, params, units: -1 }, tensors, spec.scalars);
  maker.plans.add(signature, { compiled, params, units });
}

/** The kernel of a contraction, and the sizes and strides among its parameters. */
function plan(spec: ContractionSpec, maker: Maker): { compiled: CompiledKernel; params: number[] } {
  const { sizes, a, b, out, extra } = spec;
  const operands: ContractionOperand[] = [a, b, ...(extra ?? []), out];
  const tensors = operands.map((operand) => operand.tensor);
  const groups = GROUPS.map((name) =>
    planGroup(
      sizes[name],
      operands.map((operand) => operand[name]),
    ),
  );
  const form = formKey(tensors, groups);
  let cache = maker.kernels.get(form);
  if (cache === undefined) maker.kernels.set(form, (cache = new KernelCache()));
  const key = strideKey(groups);
  const compiled = cache.find(key) ?? cache.add(key, makeKernel(spec, operands, groups));
  const params = groups.flatMap((group) => group.sizes);
  tensors.forEach((_, i) => {
    for (const group of groups) params.push(...group.strides[i].filter((s) => s !== 0 && s !== 1));
  });
  return { compiled, params };
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
