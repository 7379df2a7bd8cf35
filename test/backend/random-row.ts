/** Random row kernels: maps, reductions, rows of several stages, windows. */
import { type Axis, type ComputeType, type Expr, load, stageValue } from "../../src/ir/expr.ts";
import type { ReduceOp, RowKernel, Stage, StoreStage } from "../../src/ir/kernel.ts";
import { KernelBuilder, print, type Sample, sizes, types } from "./random-kernel.ts";

export type RowKind = "map" | "reduce" | "row" | "window";
export const rowKinds: readonly RowKind[] = ["map", "reduce", "row", "window"];

/** The kernel of a seed; `length` is that of the axis that is usually vectorized. */
export function randomRow(seed: number, kind: RowKind, length?: number): Sample {
  const builder = new RowBuilder(seed);
  const { random } = builder;
  const outer: Axis[] = [];
  const inner: Axis[] = [];
  const rank = 1 + random.below(3);
  const pick = (last: boolean): number => (last ? random.pick(sizes) : 1 + random.below(7));
  if (kind === "map") {
    for (let i = 0; i < rank; i++)
      outer.push(builder.axis(`i${i}`, i < rank - 1 ? pick(false) : (length ?? pick(true))));
  } else {
    const outerRank = random.below(3);
    for (let i = 0; i < outerRank; i++)
      outer.push(
        builder.axis(`i${i}`, outerRank === 1 && random.chance(0.5) ? random.pick(sizes) : 1 + random.below(6)),
      );
    if (random.chance(0.35)) inner.push(builder.axis("j", 1 + random.below(kind === "window" ? 3 : 4)));
    inner.push(builder.axis("k", length ?? (kind === "window" ? 1 + random.below(4) : random.pick(sizes))));
  }
  const stages = kind === "map" ? builder.map(outer) : builder.stages(kind, outer, inner);
  const kernel: RowKernel = {
    form: "row",
    name: `random${seed}`,
    buffers: builder.buffers,
    params: builder.paramTypes,
    outer,
    inner,
    stages,
  };
  const describe = (s: Stage): string =>
    s.kind === "reduce" ? `${s.op} ${print(s.value)}` : `${s.over} b${s.buffer}[${print(s.index)}] = ${print(s.value)}`;
  return builder.sample(kernel, `${kind} ${seed}: ${stages.map(describe).join("; ")}`);
}

class RowBuilder extends KernelBuilder {
  private store(over: "outer" | "inner", axes: readonly Axis[], value: Expr): StoreStage {
    const [buffer, index] = this.place(this.dtypeOf(value.type), axes, "write", 0);
    return { kind: "store", over, buffer, index, value };
  }

  /** Overwrites what it loads, as optimizers do. */
  private inPlace(over: "outer" | "inner", axes: readonly Axis[], type: ComputeType, known: readonly Expr[]): Stage {
    const [buffer, index] = this.place(this.dtypeOf(type), axes, "readwrite", 0);
    const old = load(type, buffer, index);
    const value = this.expression(type, 1 + this.random.below(2), axes, [...known, old]);
    return { kind: "store", over, buffer, index, value };
  }

  map(outer: readonly Axis[]): Stage[] {
    const { random } = this;
    return Array.from({ length: 1 + random.below(3) }, () =>
      random.chance(0.2)
        ? this.inPlace("outer", outer, random.pick(types), [])
        : this.store("outer", outer, this.expression(random.pick(types), 1 + random.below(3), outer)),
    );
  }

  stages(kind: RowKind, outer: readonly Axis[], inner: readonly Axis[]): Stage[] {
    const { random } = this;
    const list: Stage[] = [];
    const results: Expr[] = [];
    const all = [...outer, ...inner];
    const count = kind === "row" ? 1 + random.below(3) : 1;
    for (let i = 0; i < count; i++) {
      const type = random.pick(types);
      const ops: readonly ReduceOp[] =
        type === "bool" ? ["min", "max"] : ["sum", "sum", "prod", "min", "max", "argmin", "argmax"];
      // The extreme one of no values has no place.
      const empty = inner.some((axis) => this.dims.get(axis) === 0);
      const op = random.pick(empty ? ops.filter((o) => !o.startsWith("arg")) : ops);
      const isFloat = type === "f32" || type === "f64";
      const value =
        isFloat && op === "prod"
          ? this.load(type, all).min(1).max(-1) // Partial products must not overflow in one order only.
          : this.expression(type, random.below(3), all, results);
      list.push({ kind: "reduce", op, value });
      results.push(stageValue(type, list.length - 1));
      if (op === "argmin" || op === "argmax") results.push(stageValue("i32", list.length - 1, 1));
      if (random.chance(0.2)) list.push(this.store("inner", all, this.expression(type, 1, all, results)));
    }
    if (kind === "row") {
      const value = this.expression(random.pick(types), 2, all, results);
      list.push(random.chance(0.2) ? this.inPlace("inner", all, value.type, results) : this.store("inner", all, value));
    }
    for (const result of results) list.push(this.store("outer", outer, result));
    return list;
  }
}
