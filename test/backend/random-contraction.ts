/** Random contractions: products of matrices in all layouts, windows with masks, operands and epilogues that are expressions. */
import type { DTypeName } from "../../src/dtype.ts";
import { type Axis, accumulator, type ComputeType, computeType, type Expr, load } from "../../src/ir/expr.ts";
import type { ContractionKernel } from "../../src/ir/kernel.ts";
import type { Random } from "./random.ts";
import { KernelBuilder, print, type Sample, types } from "./random-kernel.ts";

/** Sizes of m, n and k in turn; around the micro-kernel's rows and columns, and beyond one block of each. */
const few = [1, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const some = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 18, 19, 24, 31, 32, 33];
const many = [64, 65, 127, 130, 192, 193, 200, 256, 257];
const deep = [100, 255, 256, 257, 383, 384, 385, 500, 769, 800];
const wide = [500, 511, 512, 513, 520, 530];
const shapes: readonly (readonly [readonly number[], readonly number[], readonly number[]])[] = [
  [few, few, few],
  [some, some, few],
  [some, few, some],
  [few, some, some],
  [few, some, few],
  [few, few, deep],
  [few, few, deep],
  [few, many, few],
  [many, few, few],
  [[1, 2], wide, few],
];
const operandTypes: Readonly<Record<Exclude<ComputeType, "bool">, readonly DTypeName[]>> = {
  f32: ["float32", "float32", "float32", "float32", "float16", "bfloat16"],
  f64: ["float64", "float64", "float32"],
  i32: ["int8", "uint8", "int16", "int32"],
  i64: ["int64", "int32", "bool", "uint8"],
};

/** The kernel of a seed. */
export function randomContraction(seed: number): Sample {
  const builder = new ContractionBuilder(seed);
  const { random } = builder;
  const accumulate = random.pick(["f32", "f32", "f32", "f32", "f64", "i32", "i64"] as const);
  builder.extremes = random.chance(0.25) ? 0.03 : 0;
  const [bs, ms, ns, ks] = randomSizes(random);
  const batch = builder.group("b", bs);
  const m = builder.group("m", ms);
  const n = builder.group("n", ns);
  const k = builder.group("k", ks);
  const a = builder.operand(accumulate, batch, m, k);
  const b = builder.operand(accumulate, batch, n, k);
  const outer = [...batch, ...m, ...n];
  const stores = Array.from({ length: random.chance(0.12) ? 2 : 1 }, () => {
    const value = builder.epilogue(accumulate, batch, m, n);
    const dtype = random.chance(0.5) ? exact[value.type] : builder.dtypeOf(value.type);
    const order = random.chance(0.7) ? outer.toReversed() : [...batch, ...n, ...m].toReversed();
    const [buffer, index] = builder.place(dtype, outer, "write", 0, random.chance(0.1) ? random.shuffle(order) : order);
    return { buffer, index, value };
  });
  const kernel: ContractionKernel = {
    form: "contraction",
    name: `random${seed}`,
    buffers: builder.buffers,
    params: builder.paramTypes,
    ...{ batch, m, n, k, a, b, accumulate, stores },
  };
  const written = stores.map((s) => `b${s.buffer}[${print(s.index)}] = ${print(s.value)}`).join("; ");
  return builder.sample(kernel, `contraction ${seed}: ${accumulate} a ${print(a)}; b ${print(b)}; ${written}`);
}

/** The sizes of batch, m, n and k, with few enough products for the interpreter. */
function randomSizes(random: Random): [b: number, m: number, n: number, k: number] {
  const most = random.chance(0.06) ? 40_000 : 4000;
  for (;;) {
    const size = (list: readonly number[]): number => (random.chance(0.01) ? 0 : random.pick(list));
    const [m, n, k] = random.pick(shapes).map(size);
    const batch = random.chance(0.7) ? 1 : 1 + random.below(3);
    if (batch * m * n * k <= most) return [batch, m, n, k];
  }
}

const exact = { bool: "bool", i32: "int32", i64: "int64", f32: "float32", f64: "float64" } as const;

class ContractionBuilder extends KernelBuilder {
  /** No axis, one, or several whose sizes multiply to about `size`. */
  group(name: string, size: number): Axis[] {
    const { random } = this;
    if (size === 1 && random.chance(0.5)) return [];
    const axes: Axis[] = [];
    let rest = size;
    for (let i = 0; i < 2 && rest > 3 && random.chance(0.35); i++) {
      const factor = random.chance(0.5) ? 3 : 2 + random.below(Math.min(6, rest - 1));
      axes.push(this.axis(`${name}${i}`, factor));
      rest = Math.ceil(rest / factor);
    }
    axes.push(this.axis(name, rest));
    return random.chance(0.8) ? axes : random.shuffle(axes);
  }

  /** An operand over `rows` (m or n) and k. */
  operand(type: Exclude<ComputeType, "bool">, batch: readonly Axis[], rows: readonly Axis[], k: readonly Axis[]): Expr {
    const { random } = this;
    const what = random.below(20);
    if (what === 0) {
      const [x, y] = [this.matrix(type, batch, rows, k), this.matrix(type, batch, rows, k)];
      return random.chance(0.5) ? x.mul(y) : x.add(y);
    }
    if (what === 1) return this.matrix(type, batch, rows, k).max(0);
    if (what === 2) return this.expression(type, 2, [...batch, ...rows, ...k]);
    if (what < 8 && rows.length > 0 && k.length > 0) return this.windows(type, batch, rows, k);
    return this.matrix(type, batch, rows, k);
  }

  private matrix(type: ComputeType, batch: readonly Axis[], rows: readonly Axis[], k: readonly Axis[]): Expr {
    const { random } = this;
    const dtype = random.pick(operandTypes[type as keyof typeof operandTypes]);
    const axes = random.chance(0.5) ? [...batch, ...rows, ...k] : [...batch, ...k, ...rows];
    const used = random.chance(0.15) ? axes.filter((axis) => !batch.includes(axis)) : axes;
    const order = random.chance(0.1) ? random.shuffle(used) : used.toReversed();
    const [slot, index] = this.place(dtype, axes, "read", random.chance(0.05) ? 0.3 : 0, order);
    return load(computeType(dtype), slot, index).cast(type);
  }

  /** As in a convolution: a place is row · stride + k · dilation − padding, and what lies outside counts as 0. */
  private windows(type: ComputeType, batch: readonly Axis[], rows: readonly Axis[], k: readonly Axis[]): Expr {
    const { random } = this;
    const dtype = random.pick(operandTypes[type as keyof typeof operandTypes]);
    const pairs = Math.min(1 + random.below(2), rows.length, k.length);
    const [windowRows, windowK] = [rows.slice(rows.length - pairs), k.slice(k.length - pairs)];
    const others = [...batch, ...rows, ...k].filter((axis) => !windowRows.includes(axis) && !windowK.includes(axis));
    let stride = 1;
    let mask: Expr | undefined;
    let index: Expr | undefined;
    for (let i = pairs - 1; i >= 0; i--) {
      const [row, step] = [windowRows[i], windowK[i]];
      const scale = 1 + (random.chance(0.7) ? 0 : 1);
      const dilation = 1 + (random.chance(0.7) ? 0 : 1);
      const padding = random.below(3);
      const reach = (this.size(row) - 1) * scale + (this.size(step) - 1) * dilation + 1;
      const limit = Math.max(1, reach - padding - random.below(3));
      const position = row.index
        .mul(this.param("i32", scale))
        .add(step.index.mul(this.param("i32", dilation)))
        .sub(this.param("i32", padding));
      const inside = position.ge(0).and(position.lt(this.param("i32", limit)));
      mask = mask?.and(inside) ?? inside;
      const place = position.mul(this.param("i32", stride));
      index = index?.add(place) ?? place;
      stride *= limit;
    }
    for (const axis of others.toReversed()) {
      index = (index as Expr).add(axis.index.mul(this.param("i32", stride)));
      stride *= Math.max(1, this.size(axis));
    }
    this.buffers.push({ dtype, access: "read" });
    this.data.push({ dtype, values: Array.from({ length: stride }, () => this.value(dtype)) });
    return load(computeType(dtype), this.buffers.length - 1, index as Expr, mask).cast(type);
  }

  private size(axis: Axis): number {
    return this.dims.get(axis) as number;
  }

  epilogue(type: Exclude<ComputeType, "bool">, batch: readonly Axis[], m: readonly Axis[], n: readonly Axis[]): Expr {
    const { random } = this;
    const sum = accumulator(type);
    const all = [...batch, ...m, ...n];
    switch (random.below(10)) {
      case 0:
        return sum.add(this.load(type, m, 0));
      case 1:
        return sum.add(this.load(type, n, 0)).max(0);
      case 2:
        return sum.mul(this.param(type, type === "i64" ? 2n : 2)).add(this.load(type, all, 0.1));
      case 3:
        return sum.gt(0).select(sum, this.load(type, n));
      case 4:
        return type === "f32" || type === "f64" ? sum.mul(0.25).fn(random.pick(["tanh", "sigmoid", "erf"])) : sum.abs();
      case 5:
        return sum.sub(this.expression(type, 2, all, [sum]));
      case 6:
        return sum.cast(random.pick(types));
      default:
        return sum;
    }
  }
}
