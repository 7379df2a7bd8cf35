/**
 * Contractions with a small result and a long sum, such as the gradient of a convolution's weight: the first dimension of
 * k is divided, the parts are summed beside each other as a batch, and added up at the end. So several threads find work,
 * and long sums lose less to rounding. How many parts there are depends on the shape alone.
 */
import { computeType } from "../../ir/expr.ts";
import { contiguousStrides, numelOf, type Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { allocate, runRow } from "../row.ts";
import type { ContractionOperand, ContractionSpec } from "./contraction.ts";

const MOST_PARTS = 8;
/** Rows and columns of a block that is not worth dividing: see the backend's work units. */
const BLOCK_ROWS = 192;
const BLOCK_COLUMNS = 64;
/** The shortest sum, and the fewest multiplications, of a part. */
const LEAST_DEPTH = 256;
const LEAST_WORK = 2 ** 19;

/** Into how many parts the first dimension of k is divided; 1 for no division. */
export function partsOf(spec: ContractionSpec): number {
  const { sizes, out } = spec;
  const k = numelOf(sizes.k);
  if (k < 2 * LEAST_DEPTH || spec.epilogue !== undefined) return 1;
  const dtype = out.tensor.dtype.name;
  if (dtype !== "float32" && dtype !== "float64") return 1;
  const [batch, m, n] = [numelOf(sizes.batch), numelOf(sizes.m), numelOf(sizes.n)];
  const blocks = batch * Math.ceil(m / BLOCK_ROWS) * Math.ceil(n / BLOCK_COLUMNS);
  if (blocks > MOST_PARTS / 2) return 1;
  const most = Math.min(MOST_PARTS, k / LEAST_DEPTH, (batch * m * n * k) / LEAST_WORK);
  for (let parts = MOST_PARTS; parts > 1; parts--) if (parts <= most && sizes.k[0] % parts === 0) return parts;
  return 1;
}

/** Computes `spec` in `parts` parts with `contract`. */
export function contractInParts(spec: ContractionSpec, parts: number, contract: (spec: ContractionSpec) => void): void {
  const { sizes, a, b, out } = spec;
  const length = sizes.k[0] / parts;
  const divide = (operand: ContractionOperand): ContractionOperand => {
    const k = operand.k as Shape;
    return { ...operand, batch: [length * k[0], ...(operand.batch ?? sizes.batch.map(() => 0))] };
  };
  const result = [...sizes.batch, ...sizes.m, ...sizes.n];
  const sums = allocate(out.tensor.dtype, [parts, ...result]);
  const strides = contiguousStrides(result);
  const [fromM, fromN] = [sizes.batch.length, sizes.batch.length + sizes.m.length];
  contract({
    ...spec,
    sizes: { batch: [parts, ...sizes.batch], m: sizes.m, n: sizes.n, k: [length, ...sizes.k.slice(1)] },
    a: divide(a),
    b: divide(b),
    out: {
      tensor: sums,
      batch: [numelOf(result), ...strides.slice(0, fromM)],
      m: strides.slice(fromM, fromN),
      n: strides.slice(fromN),
    },
  });
  addParts(spec, sums, parts, result, strides);
  sums.storage.free();
}

function addParts(spec: ContractionSpec, sums: Tensor, parts: number, result: Shape, strides: Shape): void {
  const { sizes, out } = spec;
  runRow({
    name: `${spec.name}_parts`,
    key: `parts:${computeType(out.tensor.dtype.name)}`,
    outer: result,
    inner: [parts],
    operands: [
      { tensor: sums, outer: strides, inner: [numelOf(result)] },
      {
        tensor: out.tensor,
        outer: [...(out.batch ?? sizes.batch.map(() => 0)), ...(out.m ?? []), ...(out.n ?? [])],
        inner: [0],
      },
    ],
    outputs: 1,
    build: ([value], row) => row.store(1, row.reduce("sum", value)),
  });
}
