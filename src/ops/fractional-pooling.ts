/** Fractional max pooling (Graham, 2014): windows whose distances vary at random, so that any size can come out. */

import type { BatchedCall } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param, stageValue } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { numelOf, type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied } from "./copy.ts";
import { again, allBatched, fold, intoFirstDim } from "./define/batch.ts";
import { primitiveMany, RESULT } from "./define/primitive.ts";
import { fromValues } from "./from-values.ts";
import { KernelCache, launch } from "./launch.ts";
import { floatsOf } from "./memory.ts";
import { allocate } from "./row.ts";

const cache = new KernelCache<string>();

/** Where the windows of one dimension begin, from a number u in [0, 1). */
function starts(u: number, input: number, output: number, pool: number, round: (x: number) => number): number[] {
  const step = round(round(input - pool) / round(output - 1));
  const first = Math.trunc(round(u * step));
  const list = Array.from({ length: output }, (_, i) => Math.trunc(round(round(i + u) * step)) - first);
  list[output - 1] = input - pool;
  return list;
}

interface FractionalAttrs {
  readonly kernel: Shape;
  readonly output: Shape;
}

/** One call for all: as one batch. Inputs without a batch are their own. */
function fractionalTogether(call: BatchedCall<FractionalAttrs>): Tensor | Tensor[] {
  const own = call.inputs[0].sizes.length === call.attrs.output.length + 1;
  return own
    ? again(call, call.attrs, [allBatched(call)[0], fold(allBatched(call)[1])])
    : (intoFirstDim<FractionalAttrs>()(call) as Tensor[]);
}

function compute(x: Tensor, samples: Tensor, { kernel, output }: FractionalAttrs): Tensor[] {
  const dims = kernel.length;
  const lead = x.sizes.slice(0, x.sizes.length - dims);
  const inputs = x.sizes.slice(x.sizes.length - dims);
  const values = allocate(x.dtype, [...lead, ...output]);
  const indices = allocate(dt.int64, values.sizes);
  if (values.count === 0) return [values, indices];
  const planes = numelOf(lead);
  const round = x.dtype === dt.float64 ? Number : Math.fround;
  const numbers = floatsOf(samples);
  const tables = output.map((size, d) => {
    const table = new Int32Array(planes * size);
    for (let p = 0; p < planes; p++) {
      // In two dimensions the first number is for the width, in three for the depth.
      const u = numbers[p * dims + (dims === 2 ? 1 - d : d)];
      table.set(starts(u, inputs[d], size, kernel[d], round), p * size);
    }
    return fromValues(table, dt.int32, false);
  });
  const source = x.contiguousLayout ? x : copied(x, { dtype: x.dtype, format: "contiguous_format" });
  const compiled = cache.get(`${dims}:${x.dtype.id}`, () => windowKernel(dims, x.dtype));
  launch(compiled, [source, ...tables, values, indices], [planes, ...output, ...kernel, ...inputs]);
  return [values, indices];
}

/** The largest element of each window; the first of equal ones, the last NaN. */
function windowKernel(dims: number, dtype: dt.DType): Kernel {
  const types: ComputeType[] = [];
  const next = (): Expr => {
    types.push("i32");
    return param("i32", types.length - 1);
  };
  const axes = (name: string): Axis[] => Array.from({ length: dims }, (_, d) => new Axis(`${name}${d}`, next()));
  const planes = new Axis("plane", next());
  const outer = axes("o");
  const inner = axes("t");
  let inPlane = constant("i32", 0);
  let size = constant("i32", 1);
  let result: Expr = planes.index;
  outer.forEach((axis, d) => {
    const input = next();
    const start = load("i32", 1 + d, planes.index.mul(axis.size).add(axis.index));
    inPlane = inPlane.mul(input).add(start.add(inner[d].index));
    size = size.mul(input);
    result = result.mul(axis.size).add(axis.index);
  });
  const type = computeType(dtype.name);
  const value = load(type, 0, planes.index.mul(size).add(inPlane));
  const max = stageValue(type, 0);
  const none = constant("i32", 2 ** 31 - 1);
  const key = max.isnan().select(value.isnan().select(inPlane.neg(), none), value.eq(max).select(inPlane, none));
  const found = stageValue("i32", 1);
  const tables = outer.map(() => ({ dtype: "int32", access: "read" }) as const);
  return {
    form: "row",
    name: "fractional_max_pool",
    buffers: [
      { dtype: dtype.name, access: "read" },
      ...tables,
      { dtype: dtype.name, access: "write" },
      { dtype: "int64", access: "write" },
    ],
    params: types,
    outer: [planes, ...outer],
    inner,
    stages: [
      { kind: "reduce", op: "max", value },
      { kind: "reduce", op: "min", value: key },
      { kind: "store", over: "outer", buffer: dims + 1, index: result, value: max },
      {
        kind: "store",
        over: "outer",
        buffer: dims + 2,
        index: result,
        value: max.isnan().select(found.neg(), found).cast("i64"),
      },
    ],
  };
}

function poolOp(dims: number): (inputs: readonly Tensor[], attrs: FractionalAttrs) => Tensor[] {
  return primitiveMany<FractionalAttrs>({
    name: `fractional_max_pool${dims}d`,
    batch: fractionalTogether,
    nodeName: `FractionalMaxPool${dims}DBackward`,
    differentiableOutputs: [true, false],
    compute: ([x, samples], attrs) => compute(x, samples, attrs),
    saves: [[RESULT + 1], []],
    gradient: (g, c) => {
      const indices = c.output(1);
      const sizes = c.shape(0);
      const lead = sizes.slice(0, sizes.length - dims);
      const flat = [...lead, numelOf(c.attrs.output)];
      const zeros = g.new_zeros([...lead, numelOf(sizes.slice(sizes.length - dims))]);
      return [zeros.scatter_add(-1, indices.reshape(flat), g.reshape(flat)).reshape(sizes), null];
    },
  });
}

const ops: Readonly<Record<number, ReturnType<typeof poolOp>>> = { 2: poolOp(2), 3: poolOp(3) };
const NAMES = ["time", "height", "width"];

/** @internal Maxima of random windows of (N, C, …) or (C, …) and their places in the plane; `samples` (N, C, dims) in [0, 1). */
export function fractionalMaxPool(x: Tensor, kernel: Shape, output: Shape, samples: Tensor): Tensor[] {
  const dims = kernel.length;
  const name = `fractional_max_pool${dims}d`;
  const rank = x.sizes.length;
  if (rank !== dims + 1 && rank !== dims + 2) {
    throw new RuntimeError(`${name}(): Expected ${dims + 1}D or ${dims + 2}D tensor, but got: ${shapeText(x.sizes)}`);
  }
  x.sizes.slice(rank - dims - 1).forEach((size, i) => {
    if (size === 0) {
      throw new RuntimeError(
        `${name}(): Expected input to have non-zero  size for non-batch dimensions, but got ${shapeText(x.sizes)} with dimension ${rank - dims - 1 + i} being empty.`,
      );
    }
  });
  x.sizes.slice(rank - dims).forEach((size, d) => {
    if (output[d] + kernel[d] - 1 > size) {
      throw new RuntimeError(
        `${name}(): pool ${NAMES[3 - dims + d]} ${kernel[d]} too large relative to input ${NAMES[3 - dims + d]} ${size}`,
      );
    }
  });
  if (samples.sizes.length !== 3) {
    throw new RuntimeError(`Expect _random_samples to have 3 dimensions, got ${samples.sizes.length}`);
  }
  const batch = rank === dims + 1 ? 1 : x.sizes[0];
  const channels = x.sizes[rank - dims - 1];
  if (samples.sizes[0] < batch) {
    throw new RuntimeError("Expect _random_samples.size(0) no less then input batch size.");
  }
  if (samples.sizes[1] !== channels) {
    throw new RuntimeError("Expect _random_samples.size(1) equals to input channel size.");
  }
  if (samples.sizes[2] !== dims) {
    throw new RuntimeError(`Expect _random_samples.size(2) equals to ${dims}; got ${samples.sizes[2]}.`);
  }
  if (samples.dtype !== x.dtype) {
    throw new RuntimeError("Expect _random_samples to have the same dtype as input");
  }
  if (!x.dtype.is_floating_point) dt.notImplementedFor(`${name}_out_frame`, x.dtype);
  return ops[dims]([x, samples], { kernel, output });
}
