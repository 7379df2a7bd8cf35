/** What random kernels of all forms are made of: buffers with data, layouts, expressions. */
import type { DTypeName } from "../../src/dtype.ts";
import {
  Axis,
  type ComputeType,
  computeType,
  constant,
  type Expr,
  type FunctionName,
  load,
  param,
} from "../../src/ir/expr.ts";
import type { BufferDecl, Kernel } from "../../src/ir/kernel.ts";
import { Random } from "./random.ts";

export type Value = number | bigint;

/** A kernel and what it is run on. */
export interface Sample {
  readonly kernel: Kernel;
  /** The contents of each buffer before the run. */
  readonly data: readonly { readonly dtype: DTypeName; readonly values: readonly Value[] }[];
  readonly params: readonly Value[];
  /** The seed and the kernel, for messages. */
  readonly text: string;
  /** For the division into ranges of units. */
  readonly random: Random;
}

export const dtypes: readonly DTypeName[] = [
  ...(["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16"] as const),
  ...(["float32", "float32", "float32", "float64"] as const),
];
export const types: readonly ComputeType[] = ["bool", "i32", "i64", "f32", "f32", "f64"];
/** Around the widths of vectors and of their groups. */
export const sizes: readonly number[] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 19, 31, 32, 33, 47, 63, 64, 65];

const compares = ["eq", "ne", "lt", "le", "gt", "ge"] as const;
/** Ties, zeros, borders of the number ranges, denormals, borders of conversions. */
const specials: readonly number[] = [
  ...[0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, 3.5, -1.5, 8388609.5, 0.49999997],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ...[1e-40, -1e-40, 2 ** -149, 2 ** -126, 6e-8, 3e-8, 1e-8, 65504, 65519, 65520],
  ...[2 ** 23, 2 ** 31, 2147483520, -(2 ** 31), 2 ** 63, -(2 ** 63), 1e18],
];
const functions: readonly FunctionName[] = [
  ...(["exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan"] as const),
  ...([
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "erfc",
    "sigmoid",
    "lgamma",
    "digamma",
    "i0",
  ] as const),
];
const ofType = { bool: "bool", i32: "int32", i64: "int64", f32: "float32", f64: "float64" } as const;

export class KernelBuilder {
  readonly random: Random;
  readonly buffers: BufferDecl[] = [];
  readonly data: { dtype: DTypeName; values: Value[] }[] = [];
  readonly params: Value[] = [];
  readonly paramTypes: ComputeType[] = [];
  readonly dims = new Map<Axis, number>();
  /** How often a value is an extreme one. */
  extremes = 0.15;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  param(type: ComputeType, value: Value): Expr {
    this.params.push(value);
    return param(type, this.paramTypes.push(type) - 1);
  }

  /** A loop whose size is a constant or, usually, a parameter. */
  axis(name: string, size: number): Axis {
    const axis = new Axis(name, this.random.chance(0.3) ? constant("i32", size) : this.param("i32", size));
    this.dims.set(axis, size);
    return axis;
  }

  value(dtype: DTypeName): Value {
    const { random } = this;
    const extreme = random.chance(this.extremes);
    switch (dtype) {
      case "bool":
        return random.below(2);
      case "int64":
        if (extreme) return random.pick([2n ** 63n - 1n, -(2n ** 63n), 2n ** 40n, -1n, 2n ** 32n, 2n ** 53n + 1n]);
        return BigInt(random.below(21) - 10);
      case "int32":
        return extreme ? random.pick([2 ** 31 - 1, -(2 ** 31), -1, 2 ** 24 + 1]) : random.below(21) - 10;
      case "int16":
        return extreme ? random.pick([32767, -32768]) : random.below(21) - 10;
      case "int8":
        return extreme ? random.pick([127, -128]) : random.below(21) - 10;
      case "uint8":
        return extreme ? random.pick([255, 128]) : random.below(21);
      default:
        if (extreme) return random.pick(specials);
        return random.chance(0.3) ? random.below(9) - 4 : (random.below(4001) - 2000) / 500;
    }
  }

  /** A new buffer at an affine index of the axes, in any order, with gaps; each of them is left out as often as `broadcast`. */
  place(
    dtype: DTypeName,
    axes: readonly Axis[],
    access: BufferDecl["access"],
    broadcast: number,
    order: readonly Axis[] = this.order(axes),
  ): [slot: number, index: Expr] {
    const { random } = this;
    let stride = 1;
    let index = constant("i32", 0);
    let length = 1;
    for (const axis of order) {
      const size = this.dims.get(axis) as number;
      if (random.chance(broadcast)) continue;
      if (random.chance(0.15)) stride *= 1 + random.below(3);
      const factor = random.chance(stride === 1 ? 0.8 : 0.3) ? constant("i32", stride) : this.param("i32", stride);
      index = random.chance(0.5) ? index.add(axis.index.mul(factor)) : factor.mul(axis.index).add(index);
      length += Math.max(0, size - 1) * stride;
      stride *= Math.max(1, size);
      if (random.chance(0.1)) stride += random.below(3);
    }
    if (random.chance(0.2)) {
      index = index.add(3);
      length += 3;
    }
    // What is written starts as a mark, so that stray and missing stores are seen.
    const mark = dtype === "int64" ? 1n : 1;
    const values = Array.from({ length }, () => (access === "write" ? mark : this.value(dtype)));
    this.data.push({ dtype, values });
    return [this.buffers.push({ dtype, access }) - 1, index];
  }

  /** From the axis of stride 1 outwards: usually the last one first, as in contiguous tensors. */
  private order(axes: readonly Axis[]): Axis[] {
    const { random } = this;
    const order = [...axes].reverse();
    if (random.chance(0.2)) return order.reverse();
    return random.chance(0.15) ? random.shuffle(order) : order;
  }

  dtypeOf(type: ComputeType): DTypeName {
    return this.random.pick(dtypes.filter((d) => computeType(d) === type));
  }

  /** A load, of an affine place, shifted and masked, or gathered. */
  load(type: ComputeType, axes: readonly Axis[], broadcast = 0.2): Expr {
    const { random } = this;
    const [slot, index] = this.place(this.dtypeOf(type), axes, "read", broadcast);
    if (axes.length > 0 && random.chance(0.12)) {
      // What would lie outside is not read and counts as 0.
      const axis = random.pick(axes);
      const shift = random.below(4);
      const shifted = axis.index.sub(shift);
      const { values } = this.data[slot];
      const size = this.dims.get(axis) as number;
      values.length = Math.max(1, Math.min(values.length, size - shift));
      return load(type, slot, shifted.max(0), shifted.ge(0).and(shifted.lt(values.length)));
    }
    if (axes.length > 0 && random.chance(0.1)) {
      const [position] = this.positions(axes, this.data[slot].values.length);
      return load(type, slot, position);
    }
    return load(type, slot, index);
  }

  /** An index in [0, length) out of a buffer of indices. */
  positions(axes: readonly Axis[], length: number): [position: Expr, slot: number] {
    const { random } = this;
    const [slot, at] = this.place(random.pick(["int32", "int64"] as const), axes, "read", 0.1);
    const wide = this.buffers[slot].dtype === "int64";
    const { values } = this.data[slot];
    for (let i = 0; i < values.length; i++) {
      const v = random.below(length);
      values[i] = wide ? BigInt(v) : v;
    }
    return [load(wide ? "i64" : "i32", slot, at).cast("i32"), slot];
  }

  private leaf(type: ComputeType, axes: readonly Axis[], known: readonly Expr[]): Expr {
    const { random } = this;
    const usable = known.filter((s) => s.type === type);
    if (usable.length > 0 && random.chance(0.5)) return random.pick(usable);
    if (random.chance(0.7)) return this.load(type, axes);
    if (random.chance(0.3)) return this.param(type, this.value(ofType[type]));
    if (type !== "bool" && axes.length > 0 && random.chance(0.3)) return random.pick(axes).index.cast(type);
    return constant(type, this.value(ofType[type]));
  }

  /** A random expression of the axes and of `known` values. */
  expression(type: ComputeType, depth: number, axes: readonly Axis[], known: readonly Expr[] = []): Expr {
    const { random } = this;
    if (depth === 0 || random.chance(0.1)) return this.leaf(type, axes, known);
    const sub = (t: ComputeType = type): Expr => this.expression(t, depth - 1, axes, known);
    const what = random.below(11);
    if (what === 0) return sub("bool").select(sub(), sub());
    if (what === 1) return sub(random.pick(types.filter((t) => t !== type))).cast(type);
    if (type === "bool") {
      if (what < 6) {
        const t = random.pick(types.filter((x) => x !== "bool"));
        return sub(t)[random.pick(compares)](sub(t));
      }
      if (what === 6) return sub().not();
      if (what === 7) return sub()[random.pick(["eq", "ne"] as const)](sub());
      return sub()[random.pick(["and", "or", "xor"] as const)](sub());
    }
    if (type === "f32" || type === "f64") {
      if (what === 2) return sub().fma(sub(), sub());
      if (what < 5) return sub()[random.pick(["neg", "abs", "sqrt", "floor", "ceil", "trunc", "nearest"] as const)]();
      if (what === 5) return sub()[random.pick(["min", "max"] as const)](random.pick([0, 1, -2]));
      if (what === 6 && random.chance(0.4)) {
        const name = random.pick([...functions, "pow", "atan2", "hypot"] as const);
        return ["pow", "atan2", "hypot"].includes(name) ? sub().fn(name, sub()) : sub().fn(name);
      }
      return sub()[random.pick(["add", "sub", "mul", "div", "min", "max", "rem"] as const)](sub());
    }
    if (what < 4) return sub()[random.pick(["neg", "abs", "not"] as const)]();
    if (what === 4)
      return sub()[random.pick(["shl", "shr", "shru"] as const)](random.chance(0.5) ? sub().and(7) : random.below(7));
    return sub()[random.pick(["add", "sub", "mul", "div", "rem", "min", "max", "and", "or", "xor"] as const)](sub());
  }

  /** The finished sample. */
  sample(kernel: Kernel, text: string): Sample {
    const shape = [...this.dims].map(([axis, size]) => `${axis.name} ${size}`).join(", ");
    const buffers = this.buffers.map((b, i) => `b${i} ${b.dtype}[${this.data[i].values.length}]`).join(" ");
    return {
      kernel,
      data: this.data,
      params: this.params,
      text: `${text} [${shape}] ${buffers} params [${this.params}]`,
      random: this.random,
    };
  }
}

/** An expression in short, for messages. */
export function print(e: Expr): string {
  if (e.op === "const") return `${e.value}`;
  if (e.op === "param") return `p${e.slot}`;
  if (e.op === "index") return (e.axis as Axis).name;
  if (e.op === "stage") return `s${e.slot}.${e.component}`;
  if (e.op === "accumulator") return "sum";
  const args = e.args.map(print).join(", ");
  if (e.op === "load") return `b${e.slot}[${args}]`;
  const name = e.op === "function" ? e.name : e.op === "cast" ? `cast:${e.type}` : e.op;
  return `${name}(${args})`;
}
