/**
 * Accumulators of the reduction stages. A stage is reduced in one of three ways: `across` the vectors of the innermost
 * axis, whose lanes are put together at the end; in `lanes`, one outer index in each lane; or with `scalar` code.
 *
 * Sums of floats add a block of some hundred values in their own type and then the block's sum in float64, so that the
 * error does not grow with the number of values; the interpreter, which sums in float64, is the yardstick.
 */
import type { ComputeType, Expr } from "../../ir/expr.ts";
import type { ReduceOp } from "../../ir/kernel.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { PlainOp } from "./opcodes.ts";
import { pushConstant, valueType } from "./scalar.ts";
import type { PreparedReduce } from "./stages.ts";
import { LANES, parts, shapes, type VectorEmitter } from "./vector.ts";

export type ReduceStyle = "across" | "lanes" | "scalar";

export interface ReduceContext {
  readonly emitter: VectorEmitter;
  readonly style: ReduceStyle;
  /** Copies in the main loop (`across`) or in the whole row (`lanes`). */
  readonly copies: number;
  /** Whether `scalar` code has to add in the same order as `lanes` code. */
  readonly blocked: boolean;
  readonly innerIndex: Expr;
  /** Whether pairs of accumulators are to become 256-bit ones. */
  readonly paired: boolean;
}

/** Emits the parts of one reduction. */
export interface Accumulator {
  /** Before the inner loops. */
  init(): void;
  /** In the innermost loop body, for `copies` copies, or for one index where it is 0. */
  step(copies: number): void;
  /** Ends a block; absent where blocks do not matter. */
  readonly fold?: () => void;
  /** `across`: after the main loop, brings all copies into the first. */
  settle?(): void;
  /** After the inner loops: makes the result known to later stages. */
  finish(): void;
}

export function accumulator(context: ReduceContext, stage: PreparedReduce): Accumulator {
  const { op, value } = stage;
  if (op === "argmin" || op === "argmax") return new ArgAccumulator(context, stage);
  if (op === "sum" && value.isFloat) {
    if (context.style === "scalar" && !context.blocked) return new DirectSum(context, stage);
    return new BlockedSum(context, stage);
  }
  return new PlainAccumulator(context, stage);
}

const HIGH_HALF = [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31];
const LOW_HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const EVEN_32 = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];

/** What all accumulators share: locals by copy and part. */
abstract class Base {
  protected readonly emitter: VectorEmitter;
  protected readonly f: FunctionBuilder;
  protected readonly context: ReduceContext;
  protected readonly stage: PreparedReduce;
  protected readonly type: ComputeType;
  protected readonly value: Expr;
  /** Parts of the stage's result; a mask is put into the form with one part. */
  protected readonly parts: 1 | 2;

  constructor(context: ReduceContext, stage: PreparedReduce) {
    this.emitter = context.emitter;
    this.f = context.emitter.f;
    this.context = context;
    this.stage = stage;
    this.value = stage.value;
    this.type = stage.value.type;
    this.parts = parts(stage.result);
  }
  protected get vectors(): boolean {
    return this.context.style !== "scalar";
  }
  /** A local for each copy and part, at [2 * u + part]. */
  protected locals(copies: number, count: 1 | 2): Local[] {
    const result: Local[] = [];
    for (let u = 0; u < copies; u++) for (let p = 0; p < count; p++) result[2 * u + p] = this.f.local("v128");
    return result;
  }
  /**
   * Through memory: V8 makes 256-bit code of pairs of vectors only where they, or what is computed of them, are stored
   * side by side.
   */
  protected spill(vectors: readonly Local[]): void {
    const { f, emitter } = this;
    const all = vectors.filter((local) => local !== undefined);
    if (!this.context.paired || all.length % 2 !== 0) return;
    const frame = emitter.frame();
    for (let i = 0; i < all.length; i += 2) {
      for (const j of [i + 1, i]) {
        f.get(frame)
          .get(all[j])
          .memory("v128.store", 16 * j);
      }
    }
    all.forEach((local, i) => {
      f.get(frame)
        .memory("v128.load", 16 * i)
        .set(local);
    });
  }
  protected pushValue(u: number, part: number): void {
    if (this.type === "bool") this.emitter.mask(this.value, u, part, 1);
    else this.emitter.vector(this.value, u, part);
  }
}

/** `total += x` in float64, for scalar code that need not agree with vectors. */
class DirectSum extends Base implements Accumulator {
  private readonly total = this.f.local("f64");
  init(): void {
    this.f.f64(0).set(this.total);
  }
  step(): void {
    this.emitter.scalar(this.value);
    if (this.type === "f32") this.f.op("f64.promote_f32");
    this.f.get(this.total).op("f64.add").set(this.total);
  }
  finish(): void {
    let result = this.total;
    if (this.type === "f32") {
      result = this.f.local("f32");
      this.f.get(this.total).op("f32.demote_f64").set(result);
    }
    this.emitter.bindScalar(this.stage.result, result);
  }
}

class BlockedSum extends Base implements Accumulator {
  private readonly sums: Local[];
  /** Sums of blocks, f64x2 at [2 * u + half] (`across`: at u = 0 only), or one f64. */
  private readonly totals: Local[];
  /** `across`: what is left over for scalar code, in float64. */
  private readonly tail: Local | undefined;

  constructor(context: ReduceContext, stage: PreparedReduce) {
    super(context, stage);
    const { style, copies } = context;
    if (style === "scalar") {
      this.sums = [this.f.local(valueType(this.type))];
      this.totals = [this.f.local("f64")];
    } else {
      this.sums = this.locals(copies, this.parts);
      this.totals = this.locals(style === "across" ? 1 : copies, 2);
      if (style === "across") this.tail = this.f.local("f64");
    }
  }
  init(): void {
    const { f } = this;
    if (this.tail) f.f64(0).set(this.tail);
    this.clear();
    if (this.context.style === "scalar") f.f64(0).set(this.totals[0]);
    else for (const total of this.totals) f.get(this.emitter.zero()).set(total);
  }
  private clear(): void {
    if (this.context.style === "scalar") {
      pushConstant(this.f, this.type, 0);
      this.f.set(this.sums[0]);
      return;
    }
    this.sums.forEach((sum) => void this.f.get(this.emitter.zero()).set(sum));
  }
  step(copies: number): void {
    const { f } = this;
    if (copies === 0) {
      if (this.tail) {
        f.get(this.tail);
        this.emitter.scalar(this.value);
        if (this.type === "f32") f.op("f64.promote_f32");
        f.op("f64.add").set(this.tail);
      } else {
        f.get(this.sums[0]);
        this.emitter.scalar(this.value);
        f.op(`${this.type as "f32"}.add`).set(this.sums[0]);
      }
      return;
    }
    for (let u = 0; u < copies; u++) {
      for (let p = 0; p < this.parts; p++) {
        const sum = this.sums[2 * u + p];
        f.get(sum);
        this.pushValue(u, p);
        f.op(`${shapes[this.type] as "f32x4"}.add`).set(sum);
      }
    }
  }
  readonly fold = (): void => {
    const { f, sums, totals } = this;
    const { style, copies } = this.context;
    if (style === "scalar") {
      f.get(totals[0]).get(sums[0]);
      if (this.type === "f32") f.op("f64.promote_f32");
      f.op("f64.add").set(totals[0]);
    } else if (style === "across") {
      for (let p = 0; p < this.parts; p++) {
        for (let u = 1; u < copies; u++) {
          f.get(sums[p])
            .get(sums[2 * u + p])
            .op(`${shapes[this.type] as "f32x4"}.add`)
            .set(sums[p]);
        }
      }
      this.foldCopy(0);
    } else for (let u = 0; u < copies; u++) this.foldCopy(u);
    this.clear();
  };
  settle(): void {
    this.fold();
  }
  private foldCopy(u: number): void {
    const { f, sums, totals } = this;
    for (let half = 0; half < 2; half++) {
      const total = totals[2 * u + half];
      f.get(total);
      if (this.type === "f64") f.get(sums[2 * u + half]);
      else {
        f.get(sums[2 * u]);
        if (half === 1) f.get(this.emitter.zero()).shuffle(HIGH_HALF);
        f.op("f64x2.promote_low_f32x4");
      }
      f.op("f64x2.add").set(total);
    }
  }
  finish(): void {
    const { f, totals } = this;
    const { style, copies } = this.context;
    if (style === "across") this.foldCopy(0);
    else this.fold();
    if (style === "lanes") {
      const results = this.locals(copies, this.parts);
      for (let u = 0; u < copies; u++) {
        if (this.type === "f64") {
          for (let p = 0; p < 2; p++) f.get(totals[2 * u + p]).set(results[2 * u + p]);
          continue;
        }
        for (let p = 0; p < 2; p++) f.get(totals[2 * u + p]).op("f32x4.demote_f64x2_zero");
        f.shuffle(LOW_HALVES).set(results[2 * u]);
      }
      this.emitter.bindVectors(this.stage.result, results);
      return;
    }
    const result = f.local(valueType(this.type));
    if (style === "scalar") f.get(totals[0]);
    else {
      f.get(totals[0]).get(totals[1]).op("f64x2.add").set(totals[0]);
      f.get(totals[0]).lane("f64x2.extract_lane", 0).get(totals[0]).lane("f64x2.extract_lane", 1).op("f64.add");
      f.get(this.tail as Local).op("f64.add");
    }
    if (this.type === "f32") f.op("f32.demote_f64");
    f.set(result);
    this.emitter.bindScalar(this.stage.result, result);
  }
}

/** The value that leaves others as they are. */
function identity(op: ReduceOp, type: ComputeType): number | bigint {
  if (op === "sum") return 0;
  if (op === "prod") return 1;
  const least = op === "max" || op === "argmax";
  if (type === "bool") return least ? 0 : 1;
  if (type === "i32") return least ? -(2 ** 31) : 2 ** 31 - 1;
  if (type === "i64") return least ? -(2n ** 63n) : 2n ** 63n - 1n;
  return least ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** Integer sums, products, minima and maxima. */
class PlainAccumulator extends Base implements Accumulator {
  private readonly sums: Local[] = [];
  private readonly scalar: Local | undefined;
  /** Float min and max: comparing loses a NaN, but not one that has become the result so far. */
  private readonly findsNaN: boolean;

  constructor(context: ReduceContext, stage: PreparedReduce) {
    super(context, stage);
    this.findsNaN = this.value.isFloat && (stage.op === "min" || stage.op === "max");
    if (this.vectors) this.sums = this.locals(context.copies, this.parts);
    if (context.style !== "lanes") this.scalar = this.f.local(valueType(this.type));
  }
  init(): void {
    const { f } = this;
    if (this.scalar) {
      pushConstant(f, this.type, identity(this.stage.op, this.type));
      f.set(this.scalar);
    }
    this.sums.forEach((sum) => void this.clear(sum));
  }
  private clear(sum: Local): void {
    this.f.get(this.emitter.splatConstant(this.type, identity(this.stage.op, this.type))).set(sum);
  }
  step(copies: number): void {
    if (copies === 0) {
      this.combineScalar(this.scalar as Local, this.emitter.scalarLocal(this.value));
      return;
    }
    for (let u = 0; u < copies; u++) {
      for (let p = 0; p < this.parts; p++) {
        const x = this.emitter.temporary("v128");
        this.pushValue(u, p);
        this.f.set(x);
        this.combineVector(this.sums[2 * u + p], x);
        this.emitter.free(x);
      }
    }
  }
  settle(): void {
    const { sums } = this;
    this.spill(sums);
    for (let p = 0; p < this.parts; p++) {
      for (let u = 1; u < this.context.copies; u++) {
        this.combineVector(sums[p], sums[2 * u + p]);
        this.clear(sums[2 * u + p]);
      }
    }
  }
  /** `sum = sum op x`. */
  private combineScalar(sum: Local, x: Local): void {
    const { f, type } = this;
    const { op } = this.stage;
    if (type === "bool" || op === "sum" || op === "prod") {
      f.get(sum).get(x);
      if (type === "bool") f.op(op === "min" ? "i32.and" : "i32.or");
      else f.op(`${type}.${op === "sum" ? "add" : "mul"}` as PlainOp);
    } else {
      // x < sum ? x : sum
      const less = `${op === "min" ? "gt" : "lt"}${this.value.isFloat ? "" : "_s"}` as "lt_s";
      f.get(x).get(sum).get(sum).get(x);
      f.op(`${type as "i32"}.${less}`);
      if (this.findsNaN)
        f.get(x)
          .get(x)
          .op(`${type as "f32"}.ne`)
          .op("i32.or");
      f.select();
    }
    f.set(sum);
  }
  /** The same on vectors. */
  private combineVector(sum: Local, x: Local): void {
    const { f, type } = this;
    const { op } = this.stage;
    const shape = shapes[type];
    f.get(sum).get(x);
    if (type === "bool") f.op(op === "min" ? "v128.and" : "v128.or");
    else if (op === "sum" || op === "prod") f.op(`${shape}.${op === "sum" ? "add" : "mul"}` as PlainOp);
    else if (this.value.isFloat) {
      // sum < x ? x : sum, with all bits set where x is NaN.
      f.op(`${shape as "f32x4"}.p${op as "min"}`);
      f.get(x)
        .get(x)
        .op(`${shape as "f32x4"}.ne`)
        .op("v128.or");
    } else if (type === "i32") f.op(`i32x4.${op as "min"}_s`);
    else
      f.get(sum)
        .get(x)
        .op(`i64x2.${op === "min" ? "lt_s" : "gt_s"}`)
        .op("v128.bitselect");
    f.set(sum);
  }
  finish(): void {
    const { f, type, emitter } = this;
    const shape = shapes[type];
    if (this.context.style === "lanes") {
      // Every NaN becomes the same one, here and in scalar code, whatever it was.
      if (this.findsNaN) {
        for (const sum of this.sums.filter((local) => local !== undefined)) {
          f.get(emitter.splatConstant(type, Number.NaN)).get(sum);
          f.get(sum)
            .get(sum)
            .op(`${shape as "f32x4"}.ne`)
            .op("v128.bitselect")
            .set(sum);
        }
      }
      emitter.bindVectors(this.stage.result, this.sums);
      return;
    }
    const result = this.scalar as Local;
    if (this.context.style === "across") {
      const x = emitter.temporary(valueType(type));
      for (let p = 0; p < this.parts; p++) {
        for (let lane = 0; lane < LANES / this.parts; lane++) {
          f.get(this.sums[p]).lane(`${shape}.extract_lane`, lane);
          if (type === "bool") f.i32(1).op("i32.and");
          f.set(x);
          this.combineScalar(result, x);
        }
      }
      this.emitter.free(x);
    }
    if (this.findsNaN) {
      pushConstant(f, type, Number.NaN);
      f.get(result)
        .get(result)
        .get(result)
        .op(`${type as "f32"}.ne`)
        .select()
        .set(result);
    }
    emitter.bindScalar(this.stage.result, result);
  }
}

/** The first index of the extreme value, where a NaN is the most extreme. */
class ArgAccumulator extends Base implements Accumulator {
  private readonly best: Local[] = [];
  private readonly positions: Local[] = [];
  private readonly scalarBest: Local | undefined;
  private readonly scalarPosition: Local | undefined;
  private readonly beats: "lt" | "gt";

  constructor(context: ReduceContext, stage: PreparedReduce) {
    super(context, stage);
    this.beats = stage.op === "argmin" ? "lt" : "gt";
    if (this.vectors) {
      this.best = this.locals(context.copies, this.parts);
      this.positions = this.locals(context.copies, 1);
    }
    if (context.style !== "lanes") {
      this.scalarBest = this.f.local(valueType(this.type));
      this.scalarPosition = this.f.local("i32");
    }
  }
  init(): void {
    const { f, emitter } = this;
    const { style, copies } = this.context;
    const start = identity(this.stage.op, this.type);
    if (this.scalarBest && this.scalarPosition) {
      pushConstant(f, this.type, start);
      f.set(this.scalarBest).i32(0).set(this.scalarPosition);
    }
    if (!this.vectors) return;
    // Where no value beats the identity, all equal it: then position 0, in the first lane, is the first.
    this.best.forEach((best) => void f.get(emitter.splatConstant(this.type, start)).set(best));
    for (let u = 0; u < copies; u++) {
      f.get(style === "across" ? emitter.iota(LANES * u) : emitter.zero()).set(this.positions[2 * u]);
    }
  }
  private compareOp(name: "lt" | "gt", prefix: string): PlainOp {
    return `${prefix}.${name}${this.value.isFloat ? "" : "_s"}` as PlainOp;
  }
  step(copies: number): void {
    const { f, emitter, value, beats } = this;
    const { innerIndex } = this.context;
    if (copies === 0) {
      const best = this.scalarBest as Local;
      const position = this.scalarPosition as Local;
      const x = emitter.scalarLocal(value);
      const index = emitter.scalarLocal(innerIndex);
      f.get(x)
        .get(best)
        .op(this.compareOp(beats, valueType(this.type)));
      if (value.isFloat) {
        const t = this.type as "f32";
        f.get(x).get(x).op(`${t}.ne`).get(best).get(best).op(`${t}.eq`).op("i32.and").op("i32.or");
      }
      f.if(() => {
        f.get(x).set(best).get(index).set(position);
      });
      return;
    }
    const shape = shapes[this.type];
    for (let u = 0; u < copies; u++) {
      const better: Local[] = [];
      for (let p = 0; p < this.parts; p++) {
        const x = emitter.vectorLocal(value, u, p);
        const best = this.best[2 * u + p];
        better[p] = emitter.temporary("v128");
        f.get(x).get(best).op(this.compareOp(beats, shape));
        if (value.isFloat) {
          const s = shape as "f32x4";
          f.get(x).get(x).op(`${s}.ne`).get(best).get(best).op(`${s}.eq`).op("v128.and").op("v128.or");
        }
        f.set(better[p]);
        f.get(x).get(best).get(better[p]).op("v128.bitselect").set(best);
      }
      const position = this.positions[2 * u];
      emitter.vector(innerIndex, u, 0);
      f.get(position).get(better[0]);
      if (this.parts === 2) f.get(better[1]).shuffle(EVEN_32);
      f.op("v128.bitselect").set(position);
      this.emitter.free(...better);
    }
  }
  finish(): void {
    const { f, emitter, stage, type, value } = this;
    const { style, copies } = this.context;
    if (style === "lanes") {
      emitter.bindVectors(stage.result, this.best);
      emitter.bindVectors(stage.position, this.positions);
      return;
    }
    const best = this.scalarBest as Local;
    const position = this.scalarPosition as Local;
    if (style === "across") {
      const t = valueType(type) as "f32";
      const x = emitter.temporary(t);
      const i = emitter.temporary("i32");
      for (let u = 0; u < copies; u++) {
        for (let lane = 0; lane < LANES; lane++) {
          const [p, l] = this.parts === 2 ? [lane >> 1, lane & 1] : [0, lane];
          f.get(this.best[2 * u + p])
            .lane(`${shapes[type]}.extract_lane`, l)
            .set(x);
          f.get(this.positions[2 * u])
            .lane("i32x4.extract_lane", lane)
            .set(i);
          // Better: beats, or equal (two NaN are) and earlier, or a NaN where there was none.
          f.get(x).get(best).op(this.compareOp(this.beats, t));
          f.get(x).get(best).op(`${t}.eq`);
          if (value.isFloat) {
            f.get(x).get(x).op(`${t}.ne`).get(best).get(best).op(`${t}.ne`).op("i32.and").op("i32.or");
          }
          f.get(i).get(position).op("i32.lt_s").op("i32.and").op("i32.or");
          if (value.isFloat) {
            f.get(x).get(x).op(`${t}.ne`).get(best).get(best).op(`${t}.eq`).op("i32.and").op("i32.or");
          }
          f.if(() => f.get(x).set(best).get(i).set(position));
        }
      }
      this.emitter.free(x, i);
    }
    emitter.bindScalar(stage.result, best);
    emitter.bindScalar(stage.position, position);
  }
}
