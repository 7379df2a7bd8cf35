/**
 * Running sums, products and extreme values: WebAssembly where a loop in JavaScript would wait for its own last result.
 * There are some blocks of `step` lines of `length` elements, whose neighbours in a line are `step` elements apart.
 *
 * A module exports `run(block, begin, end)`, as kernels do; its parameters are the SLOTS below, and a unit of work is a
 * group of COLUMNS neighbouring lines of a block, or what is left of the block.
 *
 * float32 is summed and multiplied in float64, as PyTorch does. Sums of four neighbours are made before they are added to
 * what came before, so that the chain of additions is a fourth as long.
 */
import { type FunctionBuilder, type Local, type MemoryLimits, ModuleBuilder } from "./assembler.ts";
import type { MemoryOp, PlainOp } from "./opcodes.ts";

export type ScanOp = "sum" | "prod" | "max" | "min";
export type ScanType = "f32" | "f64" | "i64";

export interface ScanForm {
  readonly op: ScanOp;
  readonly type: ScanType;
  /** From the last element to the first. */
  readonly reverse: boolean;
  /** Whether neighbours in a line are neighbours in memory (step 1). */
  readonly rows: boolean;
}

/** Addresses of the input, of the results, and of int64 positions (of extreme values only); then two sizes. */
const SLOTS = ["from", "to", "places", "length", "step"] as const;

export function scanModule(form: ScanForm, limits: MemoryLimits): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", limits);
  const f = module.function(["i32", "i32", "i32"], [], "run");
  new ScanGenerator(f, form).emit();
  return module.bytes();
}

/** Lines that are scanned together: a cache line of float32. */
export const COLUMNS = 16;

const bytesOf = (...positions: number[]): number[] => positions.flatMap((p) => [0, 1, 2, 3].map((b) => 4 * p + b));
/** Shuffles of 32-bit lanes of two vectors, the second numbered 4 to 7. */
const HIGH_HALF = bytesOf(2, 3, 6, 7);
const JOIN_LOW = bytesOf(0, 1, 4, 5);
const SECOND_LOW_LAST = bytesOf(0, 1, 4, 5);
const FIRST_HIGH_THEN_SECOND = bytesOf(2, 3, 4, 5);
const INTERLEAVE_LOW = bytesOf(0, 4, 1, 5);
const INTERLEAVE_HIGH = bytesOf(2, 6, 3, 7);

class ScanGenerator {
  private readonly f: FunctionBuilder;
  private readonly form: ScanForm;
  private readonly size: number;

  constructor(f: FunctionBuilder, form: ScanForm) {
    this.f = f;
    this.form = form;
    this.size = form.type === "f32" ? 4 : 8;
  }

  private get extreme(): boolean {
    return this.form.op === "max" || this.form.op === "min";
  }
  private vector(): Local {
    return this.f.local("v128");
  }

  emit(): void {
    const { f } = this;
    const { rows, reverse, type } = this.form;
    const [block, unit, end] = [0, 1, 2].map((i) => f.parameter(i));
    const [from, to, places, length, step] = SLOTS.map((_, i) => {
      const local = f.local("i32");
      f.get(block)
        .memory("i32.load", 8 * i)
        .set(local);
      return local;
    });
    const [groups, outer, column, last, stride] = [0, 1, 2, 3, 4].map(() => f.local("i32"));
    const [offset, source, target, place] = [0, 1, 2, 3].map(() => f.local("i32"));
    f.get(unit).get(end).op("i32.ge_s").get(length).op("i32.eqz").op("i32.or");
    f.if(() => f.return());
    f.get(step)
      .i32(COLUMNS - 1)
      .op("i32.add")
      .i32(COLUMNS)
      .op("i32.div_u")
      .set(groups);
    // Elements from one step of a line to the next.
    if (reverse) f.i32(0).get(step).op("i32.sub").set(stride);
    else f.get(step).set(stride);
    const locate = (): void => {
      // Where the line begins, or from where it is walked.
      f.get(outer).get(length).op("i32.mul");
      if (reverse) f.get(length).op("i32.add").i32(1).op("i32.sub");
      f.get(step).op("i32.mul").get(column).op("i32.add").set(offset);
      for (const [base, pointer, bytes] of [
        [from, source, this.size],
        [to, target, this.size],
        ...(this.extreme ? ([[places, place, 8]] as const) : []),
      ] as const) {
        f.get(base).get(offset).i32(bytes).op("i32.mul").op("i32.add").set(pointer);
      }
    };
    const lines = (): void =>
      void f.loop((again) => {
        locate();
        this.line(source, target, place, length, stride);
        f.get(column).i32(1).op("i32.add").tee(column).get(last).op("i32.lt_u").br_if(again);
      });
    f.loop((again) => {
      f.get(unit).get(groups).op("i32.div_u").set(outer);
      f.get(unit).get(groups).op("i32.rem_u").i32(COLUMNS).op("i32.mul").set(column);
      f.get(column).i32(COLUMNS).op("i32.add").set(last);
      if (!rows && type === "f32") {
        f.get(last).get(step).op("i32.le_u");
        f.if(
          () => {
            locate();
            this.columns(source, target, place, length, stride);
          },
          () => {
            f.get(step).set(last);
            lines();
          },
        );
      } else {
        f.get(last).get(step).get(last).get(step).op("i32.lt_u").select().set(last);
        lines();
      }
      f.get(unit).i32(1).op("i32.add").tee(unit).get(end).op("i32.lt_s").br_if(again);
    });
  }

  /** Moves pointers on by `count` elements of a line. */
  private advance(stride: Local, pointers: readonly (readonly [pointer: Local, bytes: number])[]): void {
    for (const [pointer, bytes] of pointers) {
      this.f.get(pointer).get(stride).i32(bytes).op("i32.mul").op("i32.add").set(pointer);
    }
  }

  /** One line, element by element; rows of float32 are summed by fours first. */
  private line(source: Local, target: Local, place: Local, length: Local, stride: Local): void {
    if (this.extreme) this.extremeLine(source, target, place, length, stride);
    else this.accumulatedLine(source, target, length, stride);
  }

  private accumulatedLine(source: Local, target: Local, length: Local, stride: Local): void {
    const { f } = this;
    const { op, type, rows } = this.form;
    const wide = type === "f32" ? "f64" : type;
    const sum = f.local(wide);
    const left = f.local("i32");
    if (wide === "i64") f.i64(op === "sum" ? 0 : 1).set(sum);
    // -0 + x is x for every x.
    else f.f64(op === "sum" ? -0 : 1).set(sum);
    f.get(length).set(left);
    if (rows && type === "f32" && op === "sum") this.fours(source, target, left, sum);
    f.get(left).if(() => {
      f.loop((again) => {
        f.get(target).get(sum).get(source);
        f.memory(`${type}.load` as MemoryOp);
        if (type === "f32") f.op("f64.promote_f32");
        f.op(`${wide}.${op === "sum" ? "add" : "mul"}` as PlainOp).tee(sum);
        if (type === "f32") f.op("f32.demote_f64");
        f.memory(`${type}.store` as MemoryOp);
        this.advance(stride, [
          [source, this.size],
          [target, this.size],
        ]);
        f.get(left).i32(1).op("i32.sub").tee(left).br_if(again);
      });
    });
  }

  /** Sums of four neighbours in float64, and what was before them. */
  private fours(source: Local, target: Local, left: Local, sum: Local): void {
    const { f } = this;
    const { reverse } = this.form;
    const [zero, x, low, high, total] = [0, 1, 2, 3, 4].map(() => this.vector());
    const back = reverse ? -12 : 0;
    // Reversed, the pointers are at the last of the four.
    const move = (delta: number): void => {
      if (delta !== 0) for (const p of [source, target]) f.get(p).i32(delta).op("i32.add").set(p);
    };
    // Minus zero changes no number.
    f.v128(new Uint8Array(Float64Array.of(-0, -0).buffer)).set(zero);
    f.get(sum).op("f64x2.splat").set(total);
    move(back);
    f.block((done) => {
      f.loop((again) => {
        f.get(left).i32(4).op("i32.lt_s").br_if(done);
        f.get(source).memory("v128.load", 0, 2).set(x);
        f.get(x).op("f64x2.promote_low_f32x4").set(low);
        f.get(x).get(zero).shuffle(HIGH_HALF).op("f64x2.promote_low_f32x4").set(high);
        for (const pair of [low, high]) {
          f.get(pair);
          if (reverse) f.get(pair).get(zero).shuffle(FIRST_HIGH_THEN_SECOND);
          else f.get(zero).get(pair).shuffle(SECOND_LOW_LAST);
          f.op("f64x2.add").set(pair);
        }
        const [first, second, lane] = reverse ? [high, low, 0] : [low, high, 1];
        f.get(second).get(first).lane("f64x2.extract_lane", lane).op("f64x2.splat").op("f64x2.add").set(second);
        f.get(target);
        f.get(total).get(low).op("f64x2.add").op("f32x4.demote_f64x2_zero");
        f.get(total).get(high).op("f64x2.add").op("f32x4.demote_f64x2_zero");
        f.shuffle(JOIN_LOW).memory("v128.store", 0, 2);
        f.get(total).get(second).lane("f64x2.extract_lane", lane).op("f64x2.splat").op("f64x2.add").set(total);
        move(reverse ? -16 : 16);
        f.get(left).i32(4).op("i32.sub").set(left);
        f.br(again);
      });
    });
    move(-back);
    f.get(total).lane("f64x2.extract_lane", 0).set(sum);
  }

  /** A NaN stays the extreme value; of equal values the last counts. */
  private extremeLine(source: Local, target: Local, place: Local, length: Local, stride: Local): void {
    const { f } = this;
    const { op, type } = this.form;
    const kind = type === "i64" ? "i64" : type;
    const [best, value] = [f.local(kind), f.local(kind)];
    const [at, where] = [f.local("i32"), f.local("i32")];
    const load = `${type}.load` as MemoryOp;
    const worse = `${type}.${op === "max" ? "lt" : "gt"}${type === "i64" ? "_s" : ""}` as PlainOp;
    f.get(source).memory(load).set(best);
    f.i32(0).set(at);
    f.i32(0).set(where);
    f.loop((again) => {
      f.get(source).memory(load).tee(value).get(best).op(worse).op("i32.eqz");
      f.if(() => {
        if (type !== "i64") {
          f.get(value).get(value).op(`${type}.ne`).get(best).get(best).op(`${type}.eq`).op("i32.or");
        } else f.i32(1);
        f.if(() => f.get(value).set(best).get(at).set(where));
      });
      f.get(target)
        .get(best)
        .memory(`${type}.store` as MemoryOp);
      f.get(place).get(where).op("i64.extend_i32_u").memory("i64.store");
      this.advance(stride, [
        [source, this.size],
        [target, this.size],
        [place, 8],
      ]);
      f.get(at).i32(1).op("i32.add").tee(at).get(length).op("i32.ne").br_if(again);
    });
  }

  /** COLUMNS neighbouring lines of float32 at once. */
  private columns(source: Local, target: Local, place: Local, length: Local, stride: Local): void {
    if (this.extreme) this.extremeColumns(source, target, place, length, stride);
    else this.accumulatedColumns(source, target, length, stride);
  }

  private accumulatedColumns(source: Local, target: Local, length: Local, stride: Local): void {
    const { f } = this;
    const { op } = this.form;
    const vectors = COLUMNS / 4;
    const left = f.local("i32");
    const start = this.vector();
    f.v128(new Uint8Array((op === "sum" ? Float64Array.of(-0, -0) : Float64Array.of(1, 1)).buffer)).set(start);
    const sums = Array.from({ length: 2 * vectors }, () => this.vector());
    for (const sum of sums) f.get(start).set(sum);
    const x = Array.from({ length: vectors }, () => this.vector());
    const combine: PlainOp = op === "sum" ? "f64x2.add" : "f64x2.mul";
    f.get(length).set(left);
    f.loop((again) => {
      for (const [i, v] of x.entries())
        f.get(source)
          .memory("v128.load", 16 * i, 2)
          .set(v);
      for (const [i, v] of x.entries()) {
        const [low, high] = [sums[2 * i], sums[2 * i + 1]];
        f.get(low).get(v).op("f64x2.promote_low_f32x4").op(combine).set(low);
        f.get(high).get(v).get(start).shuffle(HIGH_HALF).op("f64x2.promote_low_f32x4").op(combine).set(high);
        f.get(target);
        f.get(low).op("f32x4.demote_f64x2_zero").get(high).op("f32x4.demote_f64x2_zero");
        f.shuffle(JOIN_LOW).memory("v128.store", 16 * i, 2);
      }
      this.advance(stride, [
        [source, 4],
        [target, 4],
      ]);
      f.get(left).i32(1).op("i32.sub").tee(left).br_if(again);
    });
  }

  private extremeColumns(source: Local, target: Local, place: Local, length: Local, stride: Local): void {
    const { f } = this;
    const vectors = COLUMNS / 4;
    const worse: PlainOp = this.form.op === "max" ? "f32x4.lt" : "f32x4.gt";
    const [zero, at] = [this.vector(), f.local("i32")];
    f.v128(new Uint8Array(16)).set(zero);
    const best = Array.from({ length: vectors }, () => this.vector());
    const where = Array.from({ length: vectors }, () => this.vector());
    for (const [i, b] of best.entries())
      f.get(source)
        .memory("v128.load", 16 * i, 2)
        .set(b);
    for (const w of where) f.get(zero).set(w);
    f.i32(0).set(at);
    const [value, mask, now] = [0, 1, 2].map(() => this.vector());
    f.loop((again) => {
      f.get(at).op("i32x4.splat").set(now);
      for (let i = 0; i < vectors; i++) {
        const [b, w] = [best[i], where[i]];
        f.get(source)
          .memory("v128.load", 16 * i, 2)
          .set(value);
        f.get(value).get(value).op("f32x4.ne").get(b).get(b).op("f32x4.eq").op("v128.or");
        f.get(value).get(b).op(worse).op("v128.andnot").set(mask);
        f.get(value).get(b).get(mask).op("v128.bitselect").set(b);
        f.get(now).get(w).get(mask).op("v128.bitselect").set(w);
        f.get(target)
          .get(b)
          .memory("v128.store", 16 * i, 2);
        f.get(place)
          .get(w)
          .get(zero)
          .shuffle(INTERLEAVE_LOW)
          .memory("v128.store", 32 * i, 3);
        f.get(place)
          .get(w)
          .get(zero)
          .shuffle(INTERLEAVE_HIGH)
          .memory("v128.store", 32 * i + 16, 3);
      }
      this.advance(stride, [
        [source, 4],
        [target, 4],
        [place, 8],
      ]);
      f.get(at).i32(1).op("i32.add").tee(at).get(length).op("i32.ne").br_if(again);
    });
  }
}
