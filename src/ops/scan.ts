/** Running sums, products and extreme values along a dimension. */

import { detectFeatures } from "../backend/wasm/features.ts";
import { leaveWideVectors } from "../backend/wasm/instantiate.ts";
import { COLUMNS, type ScanOp, type ScanType, scanModule } from "../backend/wasm/scan.ts";
import { isRecording } from "../context/grad-mode.ts";
import { dispatch, dispatchInplace, type GradientContext } from "../dispatch.ts";
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { normalizeDim, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";
import { copied, copyInto } from "./copy.ts";
import { type Elements, routineType, withElements } from "./define/axis.ts";
import { alongDims } from "./define/batch.ts";
import { intoAll, type ValuesIndices, valuesAndIndices } from "./define/named.ts";
import { intoOut } from "./define/out.ts";
import {
  type PrimitiveCall,
  type PrimitiveSpec,
  primitive,
  primitiveMany,
  RESULT,
  toPrimitive,
} from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { cat } from "./joining.ts";
import { Routine } from "./launch.ts";
import { allocate } from "./row.ts";

interface ScanAttrs {
  readonly dim: number;
  readonly dtype: DType;
  /** From the last element to the first. */
  readonly reverse?: boolean;
}

/** The elements of a contiguous tensor as lines along `dim`: their starts, their step, and their length. */
interface Lines {
  readonly outer: number;
  readonly length: number;
  readonly step: number;
}

function linesOf(x: Tensor, dim: number): Lines {
  if (x.sizes.length === 0) return { outer: 1, length: 1, step: 1 };
  let outer = 1;
  let step = 1;
  for (let d = 0; d < dim; d++) outer *= x.sizes[d];
  for (let d = dim + 1; d < x.sizes.length; d++) step *= x.sizes[d];
  return { outer, length: x.sizes[dim], step };
}

/** Calls `line` with the position of the first element of each line. */
function eachLine({ outer, length, step }: Lines, line: (start: number) => void): void {
  if (length === 0) return;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < step; i++) line(o * length * step + i);
  }
}

type NumberElements = Exclude<Elements, BigInt64Array>;

/** Scans float64 accumulators, rounding each result to its type; int64 is scanned in bigints, which wrap at the store. */
interface Recurrence {
  readonly numbers: (a: number, x: number) => number;
  readonly bigints: (a: bigint, x: bigint) => bigint;
}

const scanTypes = new Map<DType, ScanType>([
  [dt.float32, "f32"],
  [dt.float64, "f64"],
  [dt.int64, "i64"],
]);

const routines = new Map<string, Routine>();
/** Nanoseconds for an element. */
const SCAN_COST = 0.8;

/** Scans in WebAssembly, if there is a kernel for the type. All tensors are contiguous. */
function scanFast(op: ScanOp, reverse: boolean, lines: Lines, tensors: readonly Tensor[]): boolean {
  const type = scanTypes.get(tensors[0].dtype);
  if (type === undefined || !detectFeatures().simd) return false;
  const { outer, length, step } = lines;
  const rows = step === 1;
  const key = `${op} ${type} ${reverse} ${rows}`;
  let routine = routines.get(key);
  if (routine === undefined) {
    routine = new Routine((limits) => scanModule({ op, type, reverse, rows }, limits));
    routines.set(key, routine);
  }
  const [source, result, places = null] = tensors;
  const groups = Math.ceil(step / COLUMNS);
  const cost = length * Math.min(step, COLUMNS) * SCAN_COST;
  routine.launch([source, result, places], [length, step], outer * groups, Math.max(1, cost));
  return true;
}

function scanned(x: Tensor, { dim, dtype, reverse = false }: ScanAttrs, op: ScanOp, recurrence: Recurrence): Tensor {
  const type = routineType(dtype);
  const source = x.contiguousLayout && x.dtype === type ? x : copied(x, { dtype: type, format: "contiguous_format" });
  const result = allocate(type, x.sizes);
  const lines = linesOf(x, dim);
  if (!scanFast(op, reverse, lines, [source, result])) scanSlowly(source, result, lines, reverse, recurrence);
  return type === dtype ? result : copied(result, { dtype, format: "contiguous_format" });
}

function scanSlowly(source: Tensor, result: Tensor, lines: Lines, reverse: boolean, recurrence: Recurrence): void {
  const { length } = lines;
  const step = reverse ? -lines.step : lines.step;
  const first = reverse ? (length - 1) * lines.step : 0;
  withElements([source, result], ([from, to]) => {
    if (from instanceof BigInt64Array) {
      const target = to as BigInt64Array;
      const { bigints } = recurrence;
      eachLine(lines, (lineStart) => {
        const start = lineStart + first;
        let a = from[start];
        target[start] = a;
        for (let k = 1, at = start + step; k < length; k++, at += step) {
          a = BigInt.asIntN(64, bigints(a, from[at]));
          target[at] = a;
        }
      });
      return;
    }
    const target = to as NumberElements;
    const { numbers } = recurrence;
    eachLine(lines, (lineStart) => {
      const start = lineStart + first;
      let a = from[start];
      target[start] = a;
      for (let k = 1, at = start + step; k < length; k++, at += step) {
        a = numbers(a, from[at]);
        target[at] = a;
      }
    });
  });
}

const flipped = (x: Tensor, dim: number): Tensor => (x.sizes.length === 0 ? x : x.flip(dim));
/** The sum of each element and all behind it. */
const reverseCumsum = (x: Tensor, dim: number): Tensor => cumsumOp.call(x, { dim, dtype: x.dtype, reverse: true });

/** Integers and bool are scanned in int64. */
const scanType = (x: Tensor, dtype: DType | null): DType => dtype ?? (x.dtype.is_floating_point ? x.dtype : dt.int64);

/** Keyword arguments of `cumsum` and `cumprod`. */
export interface ScanOptions {
  readonly dim?: number;
  /** The input is converted to this type first. */
  readonly dtype?: DType | null;
  readonly out?: Tensor;
}

function bindScan(name: string, args: readonly unknown[]): { x: Tensor; attrs: ScanAttrs; out: Tensor | null } {
  const [x, d, dtype, out] = bind(`${name}(Tensor self, int dim, *, dtype? dtype=None, Tensor? out=None)`, args) as [
    Tensor,
    number,
    DType | null,
    Tensor | null,
  ];
  return { x, attrs: { dim: normalizeDim(d, x.sizes.length), dtype: scanType(x, dtype) }, out };
}

/** A scan with an in-place form. */
function scanOp(
  name: string,
  kind: ScanOp,
  recurrence: Recurrence,
  rest: Omit<PrimitiveSpec<ScanAttrs>, "name" | "compute">,
): ScanOps {
  const op = toPrimitive<ScanAttrs>({
    name,
    batch: alongDims("dim"),
    compute: ([x], attrs, out) => {
      const result = scanned(x, attrs, kind, recurrence);
      if (!out) return result;
      copyInto(out, result);
      return out;
    },
    ...rest,
  });
  return {
    call: (x, attrs) => dispatch(op, [x], attrs),
    inplace: (x, attrs) => {
      if (x.dtype === dt.bool) throw new NotImplementedError(`"${name}_out_cpu" not implemented for 'Bool'`);
      if (attrs.dtype !== x.dtype) {
        throw new RuntimeError(
          `Bad in-place call: input tensor dtype ${x.dtype.name} and output tensor dtype ${attrs.dtype.name} should match`,
        );
      }
      return dispatchInplace(op, [x], attrs);
    },
  };
}

interface ScanOps {
  readonly call: (x: Tensor, attrs: ScanAttrs) => Tensor;
  readonly inplace: (x: Tensor, attrs: ScanAttrs) => Tensor;
}

const cumsumOp: ScanOps = scanOp(
  "cumsum",
  "sum",
  { numbers: (a, v) => a + v, bigints: (a, v) => a + v },
  {
    gradient: (g, c) => {
      const { dim, reverse = false } = c.attrs;
      return [cumsumOp.call(g, { dim, dtype: g.dtype, reverse: !reverse })];
    },
  },
);

/** Running sum along `dim`. Integers and bool give int64. */
export function cumsum(self: Tensor, dim: number | ScanOptions, options?: ScanOptions): Tensor {
  const { x, attrs, out } = bindScan("cumsum", [self, dim, options]);
  const result = cumsumOp.call(x, attrs);
  return intoOut(out, result);
}

/** `cumsum` in place. */
export function cumsum_(self: Tensor, dim: number | ScanOptions, options?: ScanOptions): Tensor {
  const { x, attrs } = bindScan("cumsum_", [self, dim, { dtype: self.dtype, ...options }]);
  return cumsumOp.inplace(x, attrs);
}

/**
 * Gradient of a running product. Without zeros: Σ_{j≥k} g_j y_j / x_k. With zeros, division fails from the first zero on: before
 * it the formula holds, at it the factor is left out, and behind it all products are 0.
 */
function cumprodGradient(g: Tensor, x: Tensor, y: Tensor, dim: number): Tensor {
  if (x.sizes.length === 0 || x.sizes[dim] === 1) return g;
  const zero = x.detach().eq(0);
  if (!isBatched(zero) && !zero.any().item()) return reverseCumsum(y.mul(g), dim).div(x);
  if (isRecording()) return cumprodGradientByTerms(g, x, dim);
  const count = zero.cumsum(dim);
  const before = count.eq(0);
  const head = reverseCumsum(y.mul(g).masked_fill(before.logical_not(), 0), dim).div(x);
  // The first zero of each line, and the elements from it up to the next zero.
  const span = count.eq(1);
  const first = zero.logical_and(span);
  const products = x.masked_fill(first, 1).masked_fill(span.logical_not(), 1).cumprod(dim);
  const prefix = x.masked_fill(before.logical_not(), 1).prod(dim, true);
  const atZero = products.mul(g.masked_fill(span.logical_not(), 0)).sum(dim, true).mul(prefix);
  return head.masked_fill(before.logical_not(), 0).add(atZero.expand(x.sizes).masked_fill(first.logical_not(), 0));
}

/** The same in quadratic time, made of products only, which can be differentiated again. */
function cumprodGradientByTerms(g: Tensor, x: Tensor, dim: number): Tensor {
  const n = x.sizes[dim];
  const one = x.new_ones(x.sizes.map((s, d) => (d === dim ? 1 : s)));
  const parts: Tensor[] = [];
  for (let k = 0; k < n; k++) {
    const prefix = k === 0 ? one : x.narrow(dim, 0, k).prod(dim, true);
    const suffix = k === n - 1 ? one : cat([one, x.narrow(dim, k + 1, n - k - 1).cumprod(dim)], dim);
    parts.push(
      suffix
        .mul(prefix)
        .mul(g.narrow(dim, k, n - k))
        .sum(dim, true),
    );
  }
  return cat(parts, dim);
}

const cumprodOp = scanOp(
  "cumprod",
  "prod",
  { numbers: (a, v) => a * v, bigints: (a, v) => a * v },
  {
    gradient: (g, c) => [cumprodGradient(g, c.input(0).to(g.dtype), c.output(), c.attrs.dim)],
    saves: [[0, RESULT]],
  },
);

/** Running product along `dim`. Integers and bool give int64. */
export function cumprod(self: Tensor, dim: number | ScanOptions, options?: ScanOptions): Tensor {
  const { x, attrs, out } = bindScan("cumprod", [self, dim, options]);
  const result = cumprodOp.call(x, attrs);
  return intoOut(out, result);
}

/** `cumprod` in place. */
export function cumprod_(self: Tensor, dim: number | ScanOptions, options?: ScanOptions): Tensor {
  const { x, attrs } = bindScan("cumprod_", [self, dim, { dtype: self.dtype, ...options }]);
  return cumprodOp.inplace(x, attrs);
}

/** log(exp(a) + exp(v)). Equal infinities would give inf - inf; NaN passes through. */
function addLogs(a: number, v: number): number {
  const low = Math.min(a, v);
  const high = Math.max(a, v);
  const d = low - high;
  // A difference of 2^-54 and less changes no float64; it also spares two calls.
  if (d < -38) return high;
  if (d === 0 || d < 0) return high + Math.log1p(Math.exp(d));
  return low === high ? low : Number.NaN;
}

const logcumsumexpOp: PrimitiveCall<ScanAttrs> = primitive<ScanAttrs>({
  name: "logcumsumexp",
  batch: alongDims("dim"),
  compute: ([x], { dim, dtype }) => {
    const type = routineType(dtype);
    const source = x.contiguousLayout && x.dtype === type ? x : copied(x, { dtype: type, format: "contiguous_format" });
    const result = allocate(type, x.sizes);
    const lines = linesOf(x, dim);
    withElements([source, result], ([from, to]) => {
      leaveWideVectors();
      // A loop for each type, each with one kind of array.
      if (from instanceof Float64Array) logSums(from, to as Float64Array, lines);
      else logSums32(from as Float32Array, to as Float32Array, lines);
    });
    return type === dtype ? result : copied(result, { dtype, format: "contiguous_format" });
  },
  gradient: (g, c) => {
    // Σ_{j≥k} g_j exp(x_k - y_j), by logarithms of the positive and the negative part of g apart.
    const { dim } = c.attrs;
    if (g.sizes.length === 0) return [g];
    const x = c.input(0);
    const y = c.output();
    // By logarithms it is not differentiable where g is 0.
    if (isRecording()) return [laterSums([g, x, y], c.attrs)];
    const logs = g.abs().log();
    // Not -inf, whose differences would be NaN.
    const lowest = c.attrs.dtype === dt.float64 ? -Number.MAX_VALUE : c.attrs.dtype === dt.float16 ? -65504 : -3.38e38;
    const part = (sign: Tensor): Tensor => {
      const log = logs.masked_fill(sign.logical_not(), lowest).sub(y);
      return flipped(logcumsumexpOp([flipped(log, dim)], c.attrs), dim)
        .add(x)
        .exp();
    };
    return [part(g.detach().gt(0)).sub(part(g.detach().lt(0)))];
  },
  saves: [[0, RESULT]],
  // Σ_{k≤j} t_k exp(x_k) / Σ_{k≤j} exp(x_k); 0 where both are.
  forward: ({ primals, tangents, attrs: { dim } }) => {
    const [x] = primals;
    const t = tangents[0] as Tensor;
    if (x.sizes.length === 0 || x.count === 0) return t;
    const weights = x.sub(x.detach().amax(dim, true)).exp();
    const sums = weights.cumsum(dim);
    return weights
      .mul(t)
      .cumsum(dim)
      .div(sums.masked_fill(sums.eq(0), 1));
  },
});

/** Σ_{j≥k} g_j exp(x_k - y_j) for each k, where y is the logcumsumexp of x. */
const laterSums: PrimitiveCall<ScanAttrs> = primitive<ScanAttrs>({
  name: "logcumsumexp_backward",
  compute: ([g, x, y], { dim }) => weightedSums(g, x, y, dim, true),
  gradient: (h, c) => transposedSums(h, c, earlierSums),
  saves: [[1, 2], [RESULT], [0, 1, 2]],
});

/** Its transpose: Σ_{k≤j} h_k exp(x_k - y_j) for each j. */
const earlierSums: PrimitiveCall<ScanAttrs> = primitive<ScanAttrs>({
  name: "logcumsumexp_backward",
  compute: ([h, x, y], { dim }) => weightedSums(h, x, y, dim, false),
  gradient: (g, c) => transposedSums(g, c, laterSums),
  saves: [[1, 2], [0, 1, 2], [RESULT]],
});

/**
 * The gradients of one of these by its three inputs. With u = Σ v_i exp(x_k - y_j) the derivative by the exponent at the side
 * of the result is u itself, at the other side v_i times the transpose.
 */
function transposedSums(
  w: Tensor,
  c: GradientContext<ScanAttrs>,
  transpose: PrimitiveCall<ScanAttrs>,
): (Tensor | null)[] {
  const later = transpose === earlierSums;
  const back = c.needs(0) || c.needs(later ? 2 : 1) ? transpose([w, c.input(1), c.input(2)], c.attrs) : null;
  const own = c.needs(later ? 1 : 2) ? w.mul(c.output()) : null;
  const other = c.needs(later ? 2 : 1) && back !== null ? c.input(0).mul(back) : null;
  return later ? [back, own, other?.neg() ?? null] : [back, other, own?.neg() ?? null];
}

/** Both by recursion along a line. As y never falls and is at least x, no exponent is above 0. */
function weightedSums(v: Tensor, x: Tensor, y: Tensor, dim: number, later: boolean): Tensor {
  const type = routineType(y.dtype);
  const sources = [v, x, y].map((t) =>
    t.contiguousLayout && t.dtype === type ? t : copied(t, { dtype: type, format: "contiguous_format" }),
  );
  const result = allocate(type, y.sizes);
  const { outer, length, step } = linesOf(y, dim);
  const power = (difference: number): number => (Number.isNaN(difference) ? 0 : Math.exp(difference));
  withElements([...sources, result], (elements) => {
    const [weights, low, high, to] = elements as Float64Array[];
    for (let line = 0; line < outer * step; line++) {
      const start = Math.floor(line / step) * length * step + (line % step);
      let sum = 0;
      for (let i = 0; i < length; i++) {
        const at = start + (later ? length - 1 - i : i) * step;
        const before = later ? at + step : at - step;
        const decay = i === 0 ? 0 : power(later ? high[at] - high[before] : high[before] - high[at]);
        const own = power(low[at] - high[at]);
        sum = decay * sum + weights[at] * (later ? 1 : own);
        to[at] = later ? sum * own : sum;
      }
    }
  });
  return type === y.dtype ? result : copied(result, { dtype: y.dtype, format: "contiguous_format" });
}

function logSums(from: Float64Array, to: Float64Array, { outer, length, step }: Lines): void {
  for (let line = 0; line < outer * step; line++) {
    const start = Math.floor(line / step) * length * step + (line % step);
    let a = Number.NEGATIVE_INFINITY;
    for (let k = 0, at = start; k < length; k++, at += step) to[at] = a = addLogs(a, from[at]);
  }
}

function logSums32(from: Float32Array, to: Float32Array, { outer, length, step }: Lines): void {
  for (let line = 0; line < outer * step; line++) {
    const start = Math.floor(line / step) * length * step + (line % step);
    let a = Number.NEGATIVE_INFINITY;
    for (let k = 0, at = start; k < length; k++, at += step) to[at] = a = addLogs(a, from[at]);
  }
}

/** Running log(Σ exp) along `dim`. */
export function logcumsumexp(
  self: Tensor,
  dim: number | { readonly dim: number; readonly out?: Tensor },
  options?: { readonly out?: Tensor },
): Tensor {
  const [x, d, out] = bind("logcumsumexp(Tensor self, int dim, *, Tensor? out=None)", [self, dim, options]) as [
    Tensor,
    number,
    Tensor | null,
  ];
  const at = normalizeDim(d, x.sizes.length);
  if (!x.dtype.is_floating_point) {
    dt.notImplementedFor("logcumsumexp_out_cpu", x.dtype);
  }
  const result = logcumsumexpOp([x], { dim: at, dtype: x.dtype });
  return intoOut(out, result);
}

/** Running extreme values and their positions; of equal values the last counts, and a NaN stays. */
function extremes(x: Tensor, dim: number, sign: 1 | -1): Tensor[] {
  const type = routineType(x.dtype);
  const source = x.contiguousLayout && x.dtype === type ? x : copied(x, { dtype: type, format: "contiguous_format" });
  const values = allocate(type, x.sizes);
  const indices = allocate(dt.int64, x.sizes);
  const lines = linesOf(x, dim);
  const { length, step } = lines;
  if (!scanFast(sign > 0 ? "max" : "min", false, lines, [source, values, indices])) slowly();
  return [type === x.dtype ? values : copied(values, { dtype: x.dtype, format: "contiguous_format" }), indices];

  function slowly(): void {
    withElements([source, values, indices], ([from, to, places]) => {
      // Positions are below 2^31: their low words suffice.
      const words = new Int32Array(places.buffer, places.byteOffset, 2 * places.length);
      words.fill(0);
      const better = (v: number | bigint, best: number | bigint): boolean => (sign > 0 ? v >= best : v <= best);
      eachLine(lines, (start) => {
        let best: number | bigint = from[start];
        let place = 0;
        for (let k = 0, at = start; k < length; k++, at += step) {
          const v = from[at];
          // biome-ignore lint/suspicious/noSelfCompare: only NaN is not itself.
          if (v !== v || (best === best && better(v, best))) {
            best = v;
            place = k;
          }
          (to as { [i: number]: number | bigint })[at] = best;
          words[2 * at] = place;
        }
      });
    });
  }
}

/** `cummax` and `cummin` with what they take. */
export type RunningExtreme = (
  self: Tensor,
  dim: number | { readonly dim: number; readonly out?: readonly Tensor[] },
  options?: { readonly out?: readonly Tensor[] },
) => ValuesIndices;

function runningExtreme(name: "cummax" | "cummin", sign: 1 | -1): RunningExtreme {
  const op = primitiveMany<{ dim: number }>({
    name,
    batch: alongDims("dim"),
    compute: ([x], { dim }) => extremes(x, dim, sign),
    gradient: (g, c) => {
      const shape = c.input(0).sizes;
      if (shape.length === 0) return [g];
      return [g.new_zeros(shape).scatter_add(c.attrs.dim, c.output(1), g)];
    },
    // The input only for its shape: PyTorch notices when it was changed.
    saves: [[0, RESULT + 1]],
  });
  const named = valuesAndIndices(name);
  return (self, dim, options) => {
    const [x, d, out] = bind(`${name}(Tensor self, int dim, *, Tensor[]? out=None)`, [self, dim, options]) as [
      Tensor,
      number,
      Tensor[] | null,
    ];
    return named(intoAll(out, op([x], { dim: normalizeDim(d, x.sizes.length) })));
  };
}

/** Running maximum along `dim`, and where it was last seen. */
export const cummax: RunningExtreme = runningExtreme("cummax", 1);
/** Running minimum along `dim`, and where it was last seen. */
export const cummin: RunningExtreme = runningExtreme("cummin", -1);

/** Keyword arguments of `diff`. */
export interface DiffOptions {
  /** How many times to take differences; 1 by default. */
  readonly n?: number;
  readonly dim?: number;
  /** Put before and behind the input along `dim` first. */
  readonly prepend?: Tensor | null;
  readonly append?: Tensor | null;
  readonly out?: Tensor;
}

/** Differences of neighbours along `dim`, `n` times. */
export function diff(
  self: Tensor,
  n?: number | DiffOptions,
  dim?: number | DiffOptions,
  prepend?: Tensor | null | DiffOptions,
  append?: Tensor | null | DiffOptions,
  options?: DiffOptions,
): Tensor {
  const [input, times, d, before, behind, out] = bind(
    "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None, *, Tensor? out=None)",
    [self, n, dim, prepend, append, options],
  ) as [Tensor, number, number, Tensor | null, Tensor | null, Tensor | null];
  if (input.sizes.length === 0) throw new RuntimeError("diff expects input to be at least one-dimensional");
  const at = normalizeDim(d, input.sizes.length);
  if (times < 0) throw new RuntimeError(`order must be non-negative but got ${times}`);
  for (const t of [before, behind]) {
    if (t === null) continue;
    if (t.sizes.length !== input.sizes.length) {
      throw new RuntimeError("diff expects prepend or append to be the same dimension as input");
    }
    t.sizes.forEach((s, k) => {
      if (k !== at && s !== input.sizes[k]) {
        throw new RuntimeError(
          `diff expects the shape of tensor to prepend or append to match that of input except along the differencing dimension; input.size(${k}) = ${input.sizes[k]}, but got tensor.size(${k}) = ${s} (${shapeText(t.sizes)})`,
        );
      }
    });
  }
  const parts = [before, input, behind].filter((t) => t !== null);
  let x = times === 0 ? input.clone() : parts.length === 1 ? input : cat(parts, at);
  const rounds = Math.min(times, x.sizes[at]);
  for (let i = 0; i < rounds; i++) {
    const length = x.sizes[at];
    const later = x.narrow(at, 1, length - 1);
    const earlier = x.narrow(at, 0, length - 1);
    x = x.dtype === dt.bool ? later.logical_xor(earlier) : later.sub(earlier);
  }
  return intoOut(out, x);
}
