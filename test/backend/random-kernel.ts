/** Random row kernels with data, for comparing backends. */
import type { DTypeName } from "../../src/dtype.ts";
import {
  Axis,
  type ComputeType,
  computeType,
  constant,
  type Expr,
  load,
  param,
  stageValue,
} from "../../src/ir/expr.ts";
import type { BufferDecl, ReduceOp, RowKernel, Stage } from "../../src/ir/kernel.ts";

type Value = number | bigint;

export interface Sample {
  readonly kernel: RowKernel;
  readonly data: { readonly dtype: DTypeName; readonly values: Value[] }[];
  readonly params: Value[];
  /** Absolute error allowed: 0 where the result is exact. */
  readonly tolerance: number;
  /** Borders that divide a launch. */
  readonly splits: (units: number) => number[];
  readonly text: string;
}

const dtypes: DTypeName[] = [
  "bool",
  "uint8",
  "int8",
  "int16",
  "int32",
  "int64",
  "float16",
  "bfloat16",
  "float32",
  "float32",
  "float64",
];
const types: ComputeType[] = ["bool", "i32", "i64", "f32", "f64"];
const compares = ["eq", "ne", "lt", "le", "gt", "ge"] as const;
const specials = [
  0,
  -0,
  1,
  -1,
  0.5,
  2.5,
  3.5,
  -1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e-8,
  65519,
  65520,
  3e38,
  1e-40,
  2 ** 31,
  -(2 ** 31),
  2 ** 63,
  6e-8,
  3e-8,
];
const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 19, 31, 33];

export class RandomKernel {
  readonly sample: Sample;
  private state: number;
  private readonly buffers: BufferDecl[] = [];
  private readonly data: { dtype: DTypeName; values: Value[] }[] = [];
  private readonly params: Value[] = [];
  private readonly paramTypes: ComputeType[] = [];
  private readonly dims = new Map<Axis, number>();
  /** Whether values must stay small, so that sums of them have a known error. */
  private mild = false;

  constructor(seed: number, kind: "map" | "reduce" | "row" | "window", lengths: number[] = []) {
    this.state = seed * 2654435761;
    const outer: Axis[] = [];
    const inner: Axis[] = [];
    const rank = 1 + this.below(3);
    const axis = (name: string, size: number): Axis => {
      const a = new Axis(name, this.chance(0.3) ? constant("i32", size) : this.newParam("i32", size));
      this.dims.set(a, size);
      return a;
    };
    const pick = (): number => (rank > 2 ? 1 + this.below(9) : this.pick(sizes));
    if (kind === "map") {
      for (let i = 0; i < rank; i++) outer.push(axis(`i${i}`, pick()));
      if (lengths.length > 0) outer[outer.length - 1] = axis("n", lengths[0]);
    } else {
      const outerRank = this.below(3);
      for (let i = 0; i < outerRank; i++) outer.push(axis(`i${i}`, 1 + this.below(20)));
      inner.push(axis("k", lengths[0] ?? (kind === "window" ? 1 + this.below(4) : this.pick(sizes))));
      if (this.chance(0.35)) inner.unshift(axis("j", 1 + this.below(kind === "window" ? 3 : 9)));
    }
    const stages = kind === "map" ? this.map(outer) : this.reduction(kind, outer, inner);
    const kernel: RowKernel = {
      form: "row",
      name: `random${seed}`,
      buffers: this.buffers,
      params: this.paramTypes,
      outer,
      inner,
      stages: stages.list,
    };
    const shape = (axes: Axis[]): string => axes.map((a) => this.dims.get(a)).join("x");
    this.sample = {
      kernel,
      data: this.data,
      params: this.params,
      tolerance: stages.tolerance,
      splits: (units) => [1, 2].map(() => this.below(units + 1)).sort((a, b) => a - b),
      text: `${kind} ${seed} [${shape(outer)}; ${shape(inner)}] ${this.buffers.map((b) => b.dtype)} ${stages.list.map((s) => `${s.kind === "reduce" ? s.op : s.over}: ${print(s.value)}`).join("; ")}`,
    };
  }

  private below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  }
  private chance(p: number): boolean {
    return this.below(1000) < 1000 * p;
  }
  private pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  private newParam(type: ComputeType, value: Value): Expr {
    this.params.push(value);
    return param(type, this.paramTypes.push(type) - 1);
  }
  private value(dtype: DTypeName): Value {
    const type = computeType(dtype);
    if (type === "bool") return this.below(2);
    if (type === "i64")
      return this.chance(0.1) && !this.mild
        ? this.pick([2n ** 63n - 1n, -(2n ** 63n), 2n ** 40n])
        : BigInt(this.below(21) - 10);
    if (type === "i32") {
      const small = this.below(21) - (dtype === "uint8" ? 0 : 10);
      return !this.mild && this.chance(0.1) && dtype === "int32" ? this.pick([2 ** 31 - 1, -(2 ** 31)]) : small;
    }
    if (!this.mild && this.chance(0.15)) return this.pick(specials);
    return this.chance(0.3) ? this.below(9) - 4 : (this.below(4001) - 2000) / 500;
  }

  /** A new buffer read (or written) at an affine index of the axes. */
  private place(dtype: DTypeName, axes: readonly Axis[], access: "read" | "write", broadcast: number): [number, Expr] {
    let stride = 1;
    let index = constant("i32", 0);
    let length = 1;
    const order = [...axes].reverse();
    if (this.chance(0.25)) order.reverse();
    for (const axis of order) {
      const size = this.dims.get(axis) as number;
      if (this.chance(broadcast)) continue;
      if (this.chance(0.15)) stride *= 1 + this.below(2);
      const factor = this.chance(stride === 1 ? 0.8 : 0.3) ? constant("i32", stride) : this.newParam("i32", stride);
      index = this.chance(0.5) ? index.add(axis.index.mul(factor)) : factor.mul(axis.index).add(index);
      length += Math.max(0, size - 1) * stride;
      stride *= Math.max(1, size);
    }
    if (this.chance(0.2)) {
      index = index.add(3);
      length += 3;
    }
    this.buffers.push({ dtype, access });
    // Written elements start as a mark, so that stray stores are seen.
    const values = Array.from({ length }, () => (access === "read" ? this.value(dtype) : dtype === "int64" ? 1n : 1));
    this.data.push({ dtype, values });
    return [this.buffers.length - 1, index];
  }

  private loadOf(type: ComputeType, axes: readonly Axis[]): Expr {
    const dtype = this.pick(dtypes.filter((d) => computeType(d) === type));
    const [slot, index] = this.place(dtype, axes, "read", 0.2);
    if (axes.length > 0 && this.chance(0.12)) {
      // Shifted and masked: what would lie outside is not read and counts as 0.
      const axis = this.pick(axes);
      const shift = this.below(4);
      const shifted = axis.index.sub(shift);
      const size = this.dims.get(axis) as number;
      const { values } = this.data[slot];
      values.length = Math.max(1, Math.min(values.length, Math.max(0, size - shift)));
      return load(type, slot, shifted.max(0), shifted.ge(0).and(shifted.lt(values.length)));
    }
    if (axes.length > 0 && this.chance(0.1)) {
      // Gathered through an index buffer.
      const [positions, at] = this.place(this.pick(["int32", "int64"] as const), axes, "read", 0.1);
      const length = this.data[slot].values.length;
      const wide = this.buffers[positions].dtype === "int64";
      this.data[positions].values = this.data[positions].values.map(() => {
        const v = this.below(length);
        return wide ? BigInt(v) : v;
      });
      return load(type, slot, load(wide ? "i64" : "i32", positions, at).cast("i32"));
    }
    return load(type, slot, index);
  }

  private leaf(type: ComputeType, axes: readonly Axis[], stages: readonly Expr[]): Expr {
    const usable = stages.filter((s) => s.type === type);
    if (usable.length > 0 && this.chance(0.5)) return this.pick(usable);
    if (this.chance(0.7)) return this.loadOf(type, axes);
    const dtype = ({ bool: "bool", i32: "int32", i64: "int64", f32: "float32", f64: "float64" } as const)[type];
    if (this.chance(0.3)) return this.newParam(type, this.value(dtype));
    if (type !== "bool" && axes.length > 0 && this.chance(0.3)) return this.pick(axes).index.cast(type);
    return constant(type, this.value(dtype));
  }

  expression(type: ComputeType, depth: number, axes: readonly Axis[], stages: readonly Expr[] = []): Expr {
    if (depth === 0 || this.chance(0.1)) return this.leaf(type, axes, stages);
    const sub = (t: ComputeType = type): Expr => this.expression(t, depth - 1, axes, stages);
    const what = this.below(10);
    if (what === 0) return sub("bool").select(sub(), sub());
    if (what === 1) {
      const from = this.pick(types.filter((t) => t !== type));
      return sub(from).cast(type);
    }
    if (type === "bool") {
      if (what < 6) {
        const t = this.pick(types.filter((x) => x !== "bool"));
        return sub(t)[this.pick(compares)](sub(t));
      }
      if (what === 6) return sub().not();
      if (what === 7) return sub()[this.pick(["eq", "ne"] as const)](sub());
      return sub()[this.pick(["and", "or", "xor"] as const)](sub());
    }
    if (this.mild) return sub()[this.pick(["add", "sub", "min", "max"] as const)](sub());
    if (type === "f32" || type === "f64") {
      if (what === 2) return sub().fma(constant(type, this.pick([1, 2, 0.5, -1])), sub());
      if (what < 5) return sub()[this.pick(["neg", "abs", "sqrt", "floor", "ceil", "trunc", "nearest"] as const)]();
      if (what === 5) return sub()[this.pick(["min", "max"] as const)](this.pick([0, 1, -2]));
      return sub()[this.pick(["add", "sub", "mul", "div", "min", "max", "rem"] as const)](sub());
    }
    if (what < 4) return sub()[this.pick(["neg", "abs", "not"] as const)]();
    if (what === 4)
      return sub()[this.pick(["shl", "shr", "shru"] as const)](this.chance(0.5) ? sub().and(7) : this.below(7));
    return sub()[this.pick(["add", "sub", "mul", "div", "rem", "min", "max", "and", "or", "xor"] as const)](sub());
  }

  private store(over: "outer" | "inner", axes: readonly Axis[], value: Expr): Stage {
    const dtype = this.pick(dtypes.filter((d) => computeType(d) === value.type));
    const [buffer, index] = this.place(dtype, axes, "write", 0);
    return { kind: "store", over, buffer, index, value };
  }

  private map(outer: Axis[]): { list: Stage[]; tolerance: number } {
    const list = Array.from({ length: 1 + this.below(2) }, () =>
      this.store("outer", outer, this.expression(this.pick(types), 1 + this.below(3), outer)),
    );
    return { list, tolerance: 0 };
  }

  private reduction(kind: string, outer: Axis[], inner: Axis[]): { list: Stage[]; tolerance: number } {
    const list: Stage[] = [];
    const results: Expr[] = [];
    const all = [...outer, ...inner];
    let tolerance = 0;
    const count = kind === "row" ? 1 + this.below(2) : 1;
    for (let i = 0; i < count; i++) {
      const type = this.pick(types);
      const op = this.pick(
        type === "bool" ? (["min", "max"] as const) : (["sum", "prod", "min", "max", "argmin", "argmax"] as ReduceOp[]),
      );
      const inexact = (op === "sum" || op === "prod") && (type === "f32" || type === "f64");
      this.mild = inexact;
      let value: Expr;
      if (inexact && op === "prod") value = this.loadOf(type, all).min(1).max(-1);
      else value = this.expression(type, this.below(3), all, tolerance > 0 ? [] : results);
      if (inexact) tolerance = Math.max(tolerance, 0.02);
      const position = list.length;
      list.push({ kind: "reduce", op, value });
      if (op === "argmin" || op === "argmax") results.push(stageValue("i32", position, 1));
      if (!inexact || tolerance === 0 || kind !== "row") results.push(stageValue(type, position));
      else results.push(stageValue(type, position));
    }
    this.mild = tolerance > 0;
    if (kind === "row") {
      const last = results[results.length - 1];
      const value =
        tolerance > 0
          ? last.type === "bool" || !last.isFloat
            ? last
            : this.loadOf(last.type, all).sub(last)
          : this.expression(this.pick(types), 2, all, results);
      // Half floats and integers would round the error up.
      list.push(tolerance > 0 ? this.exactStore("inner", all, value) : this.store("inner", all, value));
    }
    for (const result of results) {
      list.push(tolerance > 0 ? this.exactStore("outer", outer, result) : this.store("outer", outer, result));
    }
    return { list, tolerance };
  }
  private exactStore(over: "outer" | "inner", axes: readonly Axis[], value: Expr): Stage {
    const dtype = ({ bool: "bool", i32: "int32", i64: "int64", f32: "float32", f64: "float64" } as const)[value.type];
    const [buffer, index] = this.place(dtype, axes, "write", 0);
    return { kind: "store", over, buffer, index, value };
  }
}

/** An expression in short, for messages. */
export function print(e: Expr): string {
  if (e.op === "const") return `${e.value}`;
  if (e.op === "param") return `p${e.slot}`;
  if (e.op === "index") return (e.axis as Axis).name;
  if (e.op === "stage") return `s${e.slot}.${e.component}`;
  const args = e.args.map(print).join(", ");
  return e.op === "load" ? `b${e.slot}[${args}]` : `${e.op}${e.op === "cast" ? `:${e.type}` : ""}(${args})`;
}
