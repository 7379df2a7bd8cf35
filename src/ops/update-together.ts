/**
 * One update of many parameters in one launch, as PyTorch's fused optimizers do it: a table says where pieces of the
 * tensors begin and how long they are, and a unit of work is one piece. Values do not depend on how tensors are divided.
 */
import { Axis, type ComputeType, computeType, constant, load, param } from "../ir/expr.ts";
import type { RowKernel } from "../ir/kernel.ts";
import { heap, Storage } from "../storage/storage.ts";
import type { Tensor } from "../tensor.ts";
import { KernelCache, runPrepared } from "./launch.ts";
import type { UpdateSpec } from "./update.ts";

/** Elements of a piece: few enough to divide one large parameter among threads. */
const PIECE = 8192;
/** The most calls of an update in one launch. */
export const MOST_TOGETHER = 4096;

const kernels = new Map<string, KernelCache<string>>();

/** For each piece the position of its first element in each tensor, counted from address 0, and its length. */
let table = new Storage(0);

/** Runs an update on each of `calls`: contiguous tensors of one shape, whose dtypes are the same in all calls. */
export function runTogether(
  spec: UpdateSpec,
  calls: readonly (readonly Tensor[])[],
  scalars: readonly number[],
  variant: string,
): void {
  const [first] = calls;
  let cache = kernels.get(spec.name);
  if (cache === undefined) kernels.set(spec.name, (cache = new KernelCache()));
  let key = variant;
  for (const t of first) key += `|${t.dtype.id}`;
  const compiled = cache.find(key) ?? cache.add(key, makeKernel(spec, first, scalars.length, variant));
  let pieces = 0;
  for (const [{ count }] of calls) pieces += Math.ceil(count / PIECE);
  const bytes = 4 * pieces * (spec.inputs + 1);
  if (table.nbytes < bytes) {
    table = new Storage(2 * bytes);
    table.kept = true;
  }
  runPrepared({ compiled, params: [pieces], units: pieces }, scalars, (buffer) =>
    buffer === 0 ? fillTable(calls) : 0,
  );
}

/** Writes the table and returns its address. All addresses are read in one epoch of the heap: none of them changes. */
function fillTable(calls: readonly (readonly Tensor[])[]): number {
  const starts: number[] = [];
  for (const tensors of calls) for (const t of tensors) starts.push(t.storage.address / t.dtype.itemsize + t.offset);
  const { address } = table;
  const { i32 } = heap;
  let at = address / 4;
  let next = 0;
  for (const tensors of calls) {
    const { count } = tensors[0];
    for (let begin = 0; begin < count; begin += PIECE) {
      for (let k = 0; k < tensors.length; k++) i32[at++] = starts[next + k] + begin;
      i32[at++] = Math.min(PIECE, count - begin);
    }
    next += tensors.length;
  }
  return address;
}

function makeKernel(spec: UpdateSpec, tensors: readonly Tensor[], scalars: number, variant: string): RowKernel {
  const type: ComputeType = computeType(tensors[0].dtype.name);
  const width = tensors.length + 1;
  const piece = new Axis("piece", param("i32", 0));
  const entry = (k: number) => load("i32", 0, piece.index.mul(constant("i32", width)).add(constant("i32", k)));
  const element = new Axis("element", entry(tensors.length));
  const index = (k: number) => entry(k).add(element.index);
  const values = tensors.map((t, k) => load(computeType(t.dtype.name), 1 + k, index(k)).cast(type));
  const params = Array.from({ length: scalars }, (_, k) => param(type, 1 + k));
  const results = spec.kernel(values, params, variant);
  return {
    form: "row",
    name: spec.name,
    buffers: [
      { dtype: "int32", access: "read" },
      ...tensors.map((t) => ({ dtype: t.dtype.name, access: "read" as const })),
      ...spec.writes.map((k) => ({ dtype: tensors[k].dtype.name, access: "write" as const })),
    ],
    params: ["i32", ...params.map(() => type)],
    outer: [piece],
    inner: [element],
    stages: spec.writes.map((k, i) => ({
      kind: "store",
      over: "inner",
      buffer: 1 + tensors.length + i,
      index: index(k),
      value: results[i],
    })),
  };
}
