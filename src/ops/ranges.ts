/** New tensors with regular sequences of numbers. */
import { requireCpu } from "../device.ts";
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { fma32, fma64 } from "../random/fma.ts";
import { shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { intoOut } from "./define/out.ts";
import type { Scalar } from "./define/promote.ts";
import { bind, isOptions } from "./define/schema.ts";
import { checkOverflow, elementsOf, elementWriter } from "./memory.ts";
import { allocate } from "./row.ts";
import { type BoundOptions, finish, inferred, OPTIONS, type TensorOptions } from "./tensor-options.ts";

export interface RangeOptions extends TensorOptions {
  readonly out?: Tensor;
}

function deliver(result: Tensor, out: Tensor | null, requiresGrad: boolean): Tensor {
  return out === null ? finish(result, requiresGrad) : intoOut(out, result);
}

/**
 * The numbers from `start` (0 by default) to `end`, which is left out, by `step` (1 by default): `arange(end)`,
 * `arange(start, end)`, `arange(start, end, step)`. Whole arguments give int64, others the default float type.
 */
export function arange(...args: (Scalar | RangeOptions | undefined)[]): Tensor {
  const given = args.filter((a) => a !== undefined);
  const positional = given.filter((a) => !isOptions(a)).length;
  const keywords = given.find((a) => isOptions(a)) as Record<string, unknown> | undefined;
  const onlyEnd = positional === 1 && !(keywords && "end" in keywords);
  const values = bind(
    onlyEnd || (positional === 0 && !(keywords && "start" in keywords))
      ? `arange(Scalar end, Scalar start=0, Scalar step=1, *, Tensor? out=None, ${OPTIONS})`
      : `arange(Scalar start, Scalar end, Scalar step=1, *, Tensor? out=None, ${OPTIONS})`,
    given,
  ) as [Scalar, Scalar, Scalar, Tensor | null, ...BoundOptions];
  const [first, second, step, out, dtype, device, requiresGrad] = values;
  const reversed = onlyEnd || (positional === 0 && !(keywords && "start" in keywords));
  const start = reversed ? second : first;
  const end = reversed ? first : second;
  requireCpu(device);
  const type = dtype ?? out?.dtype ?? inferred([start, end, step].map(wholeNumber), requiresGrad);
  return deliver(rangeOf(start, end, step, type), out, requiresGrad);
}

/** Booleans count as ints here. */
function wholeNumber(x: Scalar): Scalar {
  return typeof x === "boolean" ? Number(x) : x;
}

function rangeOf(start: Scalar, end: Scalar, step: Scalar, type: DType): Tensor {
  const [a, b, s] = [Number(start), Number(end), Number(step)];
  if (s === 0) throw new RuntimeError("step must be nonzero");
  if (!Number.isFinite(a) || !Number.isFinite(b)) throw new RuntimeError(`unsupported range: ${a} -> ${b}`);
  if (!Number.isFinite(s)) throw new RuntimeError(`unsupported step: ${s}`);
  if (!(s > 0 ? b >= a : b <= a)) throw new RuntimeError("upper bound and lower bound inconsistent with step sign");
  if (type === dt.bool) dt.notImplementedFor("arange_cpu", type);
  if (type === dt.int64) {
    const whole = [start, end, step].map((x) => (typeof x === "bigint" ? x : BigInt(Math.trunc(Number(x)))));
    if (whole[2] === 0n) throw new RuntimeError("step must be nonzero");
    // The number of elements comes from the arguments as given, the elements from whole numbers.
    const whole64 = [start, end, step].every((x) => typeof x === "bigint" || Number.isInteger(Number(x)));
    const one = whole[2] > 0n ? 1n : -1n;
    const count = whole64 ? Number((whole[1] - whole[0] + whole[2] - one) / whole[2]) : Math.ceil((b - a) / s);
    const out = allocate(type, [Math.max(0, count)]);
    const array = elementsOf(out) as BigInt64Array;
    if (whole.every((x) => x > -(2n ** 31n) && x < 2n ** 31n)) {
      // Halves of small integers are written as 32-bit numbers: bigints are slow.
      const words = new Int32Array(array.buffer, array.byteOffset, 2 * array.length);
      const [from, , by] = whole.map(Number);
      for (let i = 0; i < array.length; i++) {
        const v = from + by * i;
        words[2 * i] = v;
        words[2 * i + 1] = v < 0 ? -1 : 0;
      }
    } else for (let i = 0; i < array.length; i++) array[i] = whole[0] + BigInt(i) * whole[2];
    return out;
  }
  for (const x of [start, end, step]) checkOverflow(x, type);
  const count = Math.ceil((b - a) / s);
  const out = allocate(type, [count]);
  const array = elementsOf(out);
  if (type === dt.float64) {
    // PyTorch's kernel computes groups of a vector's width from their first element; the last, partial group singly.
    for (let i = 0; i < count; i++) {
      const group = i & ~3;
      array[i] = group + 4 > count ? fma64(s, i, a) : fma64(s, i - group, fma64(s, group, a));
    }
  } else if (type === dt.float32) {
    for (let i = 0; i < count; i++) {
      const group = i & ~7;
      array[i] = group + 8 > count ? a + s * i : Math.fround(a + s * group) + s * (i - group);
    }
  } else {
    const write = elementWriter(array, type);
    const whole = !type.is_floating_point;
    const [from, by] = whole ? [Math.trunc(a), Math.trunc(s)] : [a, s];
    for (let i = 0; i < count; i++) write(i, from + by * i);
  }
  return out;
}

type BoundLinspace = [number | Tensor, number | Tensor, number, Tensor | null, ...BoundOptions];

function endpoint(x: unknown, name: string): number {
  if (x instanceof Tensor) {
    if (x.ndim !== 0) {
      throw new RuntimeError(
        `${name} only supports 0-dimensional start and end tensors, but got a tensor of shape ${shapeText(x.shape)}`,
      );
    }
    return Number(x.item());
  }
  return Number(x);
}

/** Points of a line from both ends: PyTorch goes up from `start` to the middle and then down from `end`. */
function points(start: number, end: number, steps: number, type: DType, fused: boolean): (i: number) => number {
  const half = Math.floor(steps / 2);
  if (type === dt.float64 || !type.is_floating_point) {
    const [a, b] = type.is_floating_point ? [start, end] : [Math.trunc(start), Math.trunc(end)];
    const step = (b - a) / (steps - 1);
    if (fused && type.is_floating_point) {
      return (i) => (i < half ? fma64(step, i, a) : fma64(-step, steps - i - 1, b));
    }
    return (i) => (i < half ? a + step * i : b - step * (steps - i - 1));
  }
  const [a, b] = [Math.fround(start), Math.fround(end)];
  const step = Math.fround(Math.fround(b - a) / (steps - 1));
  if (fused) return (i) => (i < half ? fma32(step, i, a) : fma32(-step, steps - i - 1, b));
  const { fround } = Math;
  return (i) => (i < half ? fround(a + fround(step * i)) : fround(b - fround(step * (steps - i - 1))));
}

function spaced(
  name: string,
  bound: BoundLinspace,
  elements: (start: number, end: number, steps: number, type: DType) => (i: number) => number,
): Tensor {
  const [start, end, steps, out, dtype, device, requiresGrad] = bound;
  requireCpu(device);
  if (steps < 0) throw new RuntimeError("number of steps must be non-negative");
  const type = dtype ?? out?.dtype ?? dt.get_default_dtype();
  if (type === dt.bool) throw new NotImplementedError(`"${name}_cpu" not implemented for 'Bool'`);
  const [a, b] = [endpoint(start, name), endpoint(end, name)];
  checkOverflow(a, type);
  checkOverflow(b, type);
  const result = allocate(type, [steps]);
  const write = elementWriter(elementsOf(result), type);
  const at = steps === 1 ? elements(a, a, 2, type) : elements(a, b, steps, type);
  for (let i = 0; i < steps; i++) write(i, at(i));
  return deliver(result, out, requiresGrad);
}

const SPACE = `int steps, *, Tensor? out=None, ${OPTIONS}`;

/** `steps` numbers from `start` to `end`, both included, at equal distances. */
export function linspace(
  start: Scalar | Tensor,
  end: Scalar | Tensor,
  steps: number | { steps: number },
  options?: RangeOptions,
): Tensor {
  const bound = bind(`linspace(Operand start, Operand end, ${SPACE})`, [start, end, steps, options]) as BoundLinspace;
  return spaced("linspace", bound, (a, b, n, type) => points(a, b, n, type, true));
}

/** `base` (10 by default) to the power of `steps` numbers from `start` to `end` at equal distances. */
export function logspace(
  start: Scalar | Tensor,
  end: Scalar | Tensor,
  steps: number | { steps: number },
  base?: number | RangeOptions,
  options?: RangeOptions,
): Tensor {
  const [a, b, n, power, ...rest] = bind(
    `logspace(Operand start, Operand end, int steps, float base=10, *, Tensor? out=None, ${OPTIONS})`,
    [start, end, steps, base, options],
  ) as [number, number, number, number, Tensor | null, ...BoundOptions];
  return spaced("logspace", [a, b, n, ...rest], (from, to, count, type) => {
    const at = points(from, to, count, type, false);
    return (i) => power ** at(i);
  });
}

function triangleIndices(name: string, upper: boolean, args: readonly unknown[]): Tensor {
  const [rows, columns, offset, dtype, device, requiresGrad] = bind(
    `${name}(int row, int col, int offset=0, *, ${OPTIONS})`,
    args,
  ) as [number, number, number, ...BoundOptions];
  requireCpu(device);
  if (rows < 0) throw new RuntimeError(`row must be non-negative, got${rows}`);
  if (columns < 0) throw new RuntimeError(`col must be non-negative, got${columns}`);
  const type = dtype ?? dt.int64;
  if (type !== dt.int64 && type !== dt.int32) {
    if (type.is_floating_point || type === dt.bool) dt.notImplementedFor(name, type);
  }
  const at: [number, number][] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = upper ? Math.max(0, i + offset) : 0; j < (upper ? columns : Math.min(columns, i + offset + 1)); j++) {
      at.push([i, j]);
    }
  }
  const out = allocate(type, [2, at.length]);
  const write = elementWriter(elementsOf(out), type);
  at.forEach(([i, j], k) => {
    write(k, i);
    write(at.length + k, j);
  });
  return finish(out, requiresGrad);
}

/** Row and column numbers, a 2 × n tensor, of the lower triangle of a `row` × `col` matrix, row by row. */
export function tril_indices(
  row: number,
  col: number,
  offset?: number | TensorOptions,
  options?: TensorOptions,
): Tensor {
  return triangleIndices("tril_indices", false, [row, col, offset, options]);
}

/** Row and column numbers of the upper triangle. */
export function triu_indices(
  row: number,
  col: number,
  offset?: number | TensorOptions,
  options?: TensorOptions,
): Tensor {
  return triangleIndices("triu_indices", true, [row, col, offset, options]);
}
