/** Evaluates float32 functions through their decompositions and measures errors, for the accuracy tests. */
import { Evaluator, type Frame } from "../../src/backend/interpreter/evaluate.ts";
import { Expr, type FunctionName, param } from "../../src/ir/expr.ts";
import type { RowKernel } from "../../src/ir/kernel.ts";
import { lower } from "../../src/ir/math.ts";

const kernel: RowKernel = {
  name: "accuracy",
  form: "row",
  buffers: [],
  params: ["f32", "f32"],
  outer: [],
  inner: [],
  stages: [],
};

/** The lowered float32 function as a JavaScript function, with fused or twice rounded multiply-adds. */
export function lowered(name: FunctionName, fused: boolean): (x: number, y?: number) => number {
  const binary = ["pow", "atan2", "hypot", "nextafter"].includes(name);
  const args = binary ? [param("f32", 0), param("f32", 1)] : [param("f32", 0)];
  const run = new Evaluator(lower(new Expr("function", "f32", args, { name })), kernel, { fusedMultiplyAdd: fused });
  const params: number[] = [0, 0];
  const frame: Frame = {
    view: new DataView(new ArrayBuffer(0)),
    addresses: [],
    params,
    indices: new Map(),
    stages: [],
    accumulator: { value: 0, error: 0 },
    journal: undefined,
  };
  return (x, y = 0) => {
    params[0] = x;
    params[1] = y;
    return run.evaluate(frame) as number;
  };
}

const bits = new DataView(new ArrayBuffer(4));

/** The float32 with these bits. */
export function fromBits(value: number): number {
  bits.setInt32(0, value);
  return bits.getFloat32(0);
}

/** Floats in order as consecutive integers. */
function ordinal(x: number): number {
  bits.setFloat32(0, x);
  const i = bits.getInt32(0);
  return i < 0 ? -(i & 0x7fffffff) : i;
}

/** How many float32 steps lie between `got` and the float64 `want` rounded; ∞ where one of them is NaN. */
export function ulps(got: number, want: number): number {
  const rounded = Math.fround(want);
  if (Number.isNaN(got) || Number.isNaN(rounded))
    return Number.isNaN(got) && Number.isNaN(rounded) ? 0 : Number.POSITIVE_INFINITY;
  return Math.abs(ordinal(got) - ordinal(rounded));
}

/** `count` float32 numbers spread evenly over all bit patterns of magnitude between `low` and `high`, both signs. */
export function sweep(count: number, low = 0, high = Number.POSITIVE_INFINITY): Float32Array {
  const from = ordinal(low);
  const to = ordinal(high);
  const out = new Float32Array(count * 2);
  // A fixed low-discrepancy sequence, so that all low bits occur.
  for (let i = 0; i < count; i++) {
    const at = (i * 0.6180339887498949) % 1;
    const x = fromBits(from + Math.floor(at * (to - from)));
    out[2 * i] = x;
    out[2 * i + 1] = -x;
  }
  return out;
}
