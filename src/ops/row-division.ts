/**
 * Division of long rows. A row kernel works on whole rows, so one with few long rows gives few threads something to do,
 * and one whose rows are the columns of a narrow matrix wastes most of each vector. Such a kernel becomes several: for
 * each of its passes, one that reduces parts of the rows, and one that reduces the parts' results. How a row is divided
 * depends on the shape only, so that the sums do not depend on the threads.
 */
import * as dt from "../dtype.ts";
import { type ComputeType, computeType, constant, type Expr, load, stageValue, walk } from "../ir/expr.ts";
import type { ReduceOp, ReduceStage, Stage } from "../ir/kernel.ts";
import { contiguousStrides, numelOf } from "../shape.ts";
import { heap, Storage } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { backendGeneration, type PreparedLaunch, runPrepared } from "./launch.ts";
import { type Loops, RowBuilder, type RowOperand, type RowSpec } from "./row-spec.ts";

/** Elements of a part: long enough to hide what a launch costs, short enough for many threads. */
const PART = 2 ** 16;
/** Rows are divided where there are fewer than this many, and together they have at least so many elements. */
const FEW_ROWS = 32;
const LEAST = 2 ** 19;
/** Rows side by side in memory, fewer than this many, are narrow; then much less work pays for the division. */
const NARROW = 16;
const LEAST_NARROW = 2 ** 13;
/** As many columns as narrow rows are joined to. */
const WIDTH = 64;

/** Columns at least so many elements apart are divided into chunks of so many steps, from so many elements on. */
const COLUMN_STRIDE = 1024;
const COLUMN_STEPS = 16;
const LEAST_COLUMNS = 2 ** 21;

/**
 * One of the inner loops of size `chunks · length · interleave + rest` is divided into parts: part (c, j) has the
 * indices (c · length + i) · interleave + j, and the last part is the rest.
 */
export interface Division {
  readonly loop: number;
  readonly chunks: number;
  readonly length: number;
  readonly interleave: number;
  readonly rest: number;
}

/** How the rows of a kernel are to be divided, if at all. `rows` is their number. */
export function divide(spec: RowSpec, rows: number, outer: Loops, inner: Loops): Division | null {
  if (inner.sizes.length === 0) return null;
  if (rows >= FEW_ROWS) return divideColumns(spec, rows, outer, inner);
  const elements = rows * numelOf(inner.sizes);
  if (elements < LEAST_NARROW) return null;
  const narrow =
    !spec.keepInnerOrder &&
    rows < NARROW &&
    inner.sizes.length === 1 &&
    outer.sizes.length === 1 &&
    outer.strides[0][0] === 1 &&
    inner.strides[0][0] === rows;
  if (elements < (narrow ? LEAST_NARROW : LEAST)) return null;
  let loop = 0;
  if (!spec.keepInnerOrder)
    for (let j = 1; j < inner.sizes.length; j++) if (inner.sizes[j] > inner.sizes[loop]) loop = j;
  const size = inner.sizes[loop];
  const interleave = narrow ? Math.ceil(WIDTH / rows) : 1;
  const steps = Math.floor(size / interleave);
  const chunks = chunkCount(steps, Math.ceil(elements / PART / rows));
  if (chunks * interleave === 1) return null;
  const length = Math.floor(steps / chunks);
  return { loop, chunks, length, interleave, rest: size - chunks * length * interleave };
}

/**
 * Rows that are the columns of a large matrix: walking down a few of them at a time meets a new page at each step. In
 * chunks of few steps, memory is read in long stretches.
 */
function divideColumns(spec: RowSpec, rows: number, outer: Loops, inner: Loops): Division | null {
  const [size] = inner.sizes;
  if (size < 4 * COLUMN_STEPS || size * rows < LEAST_COLUMNS || inner.sizes.length > 1 || spec.keepInnerOrder)
    return null;
  const last = outer.sizes.length - 1;
  if (outer.strides[0][last] !== 1 || inner.strides[0][0] < COLUMN_STRIDE) return null;
  const chunks = chunkCount(size, Math.floor(size / COLUMN_STEPS));
  const length = Math.floor(size / chunks);
  return { loop: 0, chunks, length, interleave: 1, rest: size - chunks * length };
}

/** About `wanted` chunks of `steps`; if possible a number that leaves no rest. */
function chunkCount(steps: number, wanted: number): number {
  if (wanted >= steps) return steps;
  for (let n = wanted; n < 2 * wanted; n++) if (steps % n === 0) return n;
  return wanted;
}

/** The stages of a kernel, in which values to keep stand as reductions of themselves. */
interface Recorded {
  readonly stages: readonly Stage[];
  readonly keeps: ReadonlySet<number>;
}

class Recorder extends RowBuilder implements Recorded {
  readonly keeps = new Set<number>();
  override keep(value: Expr): Expr {
    this.keeps.add(this.stages.length);
    return this.reduce("max", value);
  }
}

/** Stages that one kernel can do, or two where they reduce. */
interface Phase {
  readonly kind: "reduce" | "inner" | "outer";
  readonly stages: readonly number[];
}

/** The stages by phases: reductions that do not need each other's results, and stores, in order. */
function phasesOf({ stages, keeps }: Recorded): Phase[] {
  const phases: { kind: Phase["kind"]; stages: number[] }[] = [];
  stages.forEach((stage, i) => {
    const kind = stage.kind === "reduce" ? "reduce" : stage.over;
    const last = phases[phases.length - 1];
    const joins = last?.kind === kind && (kind !== "reduce" || keeps.has(i) || !refersTo(stage.value, last.stages));
    if (joins) last.stages.push(i);
    else phases.push({ kind, stages: [i] });
  });
  return phases;
}

function refersTo(e: Expr, stages: readonly number[]): boolean {
  let found = false;
  walk(e, (node) => {
    if (node.op === "stage" && stages.includes(node.slot)) found = true;
  });
  return found;
}

const storedAs: Readonly<Record<ComputeType, dt.DType>> = {
  bool: dt.bool,
  i32: dt.int32,
  i64: dt.int64,
  f32: dt.float32,
  f64: dt.float64,
};

/** What one kernel of a divided row does with the stages of the original. */
interface Role {
  /** The stages that are its own. */
  readonly own: readonly number[];
  /** Reduces a stage of its own. `value` is what is reduced, or null for the position. */
  reduce(stage: number, op: ReduceOp, value: Expr): { value: Expr; index: Expr };
  /** A stage of its own that keeps a value. */
  keep?(value: Expr): void;
  /** The number here of the original's operand, or -1 where it is not there. */
  operand(original: number): number;
  /** The results of reductions before this kernel. */
  readonly known: ReadonlyMap<number, { value: Expr; index: Expr }>;
}

/** Shows the builder of the original kernel all of its stages, and makes those of one role. */
class RoleBuilder extends RowBuilder {
  private readonly role: Role;
  private readonly target: RowBuilder;
  private stage = 0;
  constructor(role: Role, target: RowBuilder, innerCount: Expr) {
    super([], [], innerCount);
    this.role = role;
    this.target = target;
  }
  override reduce(op: ReduceOp, value: Expr): Expr {
    return this.reduction(op, value).value;
  }
  override argReduce(op: "argmin" | "argmax", value: Expr): { index: Expr; value: Expr } {
    return this.reduction(op, value);
  }
  private reduction(op: ReduceOp, value: Expr): { index: Expr; value: Expr } {
    const { role } = this;
    const stage = this.stage++;
    if (role.own.includes(stage)) return role.reduce(stage, op, value);
    // What comes later is not made here: any expression of the right type will do.
    return role.known.get(stage) ?? { value: stageValue(value.type, stage), index: stageValue("i32", stage, 1) };
  }
  override keep(value: Expr): Expr {
    const { role } = this;
    const stage = this.stage++;
    if (!role.own.includes(stage)) return role.known.get(stage)?.value ?? stageValue(value.type, stage);
    role.keep?.(value);
    return value;
  }
  override store(operand: number, value: Expr): void {
    if (this.role.own.includes(this.stage++)) this.target.store(this.role.operand(operand), value);
  }
}

/** Where the results of a reduction are kept: for each row, or for each part of it. */
interface Kept {
  readonly value: Tensor;
  readonly index: Tensor | null;
}

/** The launches that a divided row kernel consists of, for one layout and shape. */
interface Plan {
  readonly launches: readonly PlannedLaunch[];
  /** Bytes of temporary memory, and where in it the starts of the parts are to be written. */
  readonly bytes: number;
  readonly starts: { readonly offset: number; readonly values: readonly number[] } | null;
}

interface PlannedLaunch {
  readonly prepared: PreparedLaunch;
  /** For each buffer the operand of the original, or -1 for the temporary memory, and the bytes after its start. */
  readonly operands: readonly number[];
  readonly offsets: readonly number[];
}

/** Makes the kernel of a part ready, undivided. */
type Prepare = (spec: RowSpec) => PreparedLaunch;

const MOST_PLANS = 1000;
const plans = new Map<string, Plan>();
let plansGeneration = -1;

function planKey(spec: RowSpec, outer: Loops, inner: Loops): string {
  let key = `${spec.key}|${outer.sizes}|${inner.sizes}`;
  for (let k = 0; k < spec.operands.length; k++) {
    key += `|${spec.operands[k].tensor.dtype.id},${outer.strides[k]},${inner.strides[k]}`;
  }
  return key;
}

/** Runs a row kernel in parts. `outer` and `inner` are its loops as planned. */
export function runDivided(spec: RowSpec, division: Division, outer: Loops, inner: Loops, prepare: Prepare): void {
  if (plansGeneration !== backendGeneration() || plans.size > MOST_PLANS) {
    plans.clear();
    plansGeneration = backendGeneration();
  }
  const key = planKey(spec, outer, inner);
  let plan = plans.get(key);
  if (plan === undefined) plans.set(key, (plan = new Planner(spec, division, outer, inner, prepare).plan()));
  const storage = new Storage(plan.bytes);
  if (plan.starts !== null) {
    const at = (storage.address + plan.starts.offset) / 4;
    const { values } = plan.starts;
    for (let p = 0; p < values.length; p++) heap.i32[at + p] = values[p];
  }
  const scalars = [...(spec.scalars ?? []), numelOf(spec.inner)];
  for (const { prepared, operands, offsets } of plan.launches) {
    runPrepared(prepared, scalars, (buffer) => {
      const k = operands[buffer];
      if (k < 0) return storage.address + offsets[buffer];
      const { tensor } = spec.operands[k];
      return tensor.storage.address + tensor.offset * tensor.dtype.itemsize + offsets[buffer];
    });
  }
  storage.free();
}

/** No memory: stands for that of tensors which a plan's launches are given later. */
const NOWHERE = new Storage(0);

class Planner {
  private readonly spec: RowSpec;
  private readonly division: Division;
  private readonly outer: Loops;
  private readonly inner: Loops;
  private readonly prepare: Prepare;
  private readonly inputs: number;
  private readonly stages: readonly Stage[];
  private readonly recorded: Recorded;
  private readonly parts: number;
  private readonly rows: number;
  private readonly launches: PlannedLaunch[] = [];
  /** Stand-ins for the operands' tensors and for temporary ones: which operand (-1: temporary). */
  private readonly origins = new Map<Tensor, number>();
  private readonly operands: readonly RowOperand[];
  /** Results of the reductions so far, by stage. */
  private readonly results = new Map<number, Kept>();
  private bytes = 0;
  private starts: Plan["starts"] = null;

  constructor(spec: RowSpec, division: Division, outer: Loops, inner: Loops, prepare: Prepare) {
    this.spec = spec;
    this.division = division;
    this.outer = outer;
    this.inner = inner;
    this.prepare = prepare;
    this.inputs = spec.operands.length - spec.outputs;
    this.parts = division.chunks * division.interleave + (division.rest > 0 ? 1 : 0);
    this.rows = numelOf(outer.sizes);
    this.operands = spec.operands.map(({ tensor, ...strides }, k) => ({
      ...strides,
      tensor: this.standIn(k, tensor.dtype, [1], 0),
    }));
    this.recorded = this.recordStages();
    this.stages = this.recorded.stages;
  }

  private standIn(operand: number, dtype: dt.DType, sizes: readonly number[], offset: number): Tensor {
    const tensor = new Tensor(NOWHERE, dtype, sizes, contiguousStrides(sizes), offset);
    this.origins.set(tensor, operand);
    return tensor;
  }

  /** The stages of the original kernel; their expressions are only looked at. */
  private recordStages(): Recorded {
    const { spec } = this;
    const index = constant("i32", 0);
    const varies = this.inner.strides.map((s) => s.some((x) => x !== 0));
    const recorder = new Recorder(
      spec.operands.map(() => index),
      varies,
      constant("i32", numelOf(spec.inner)),
    );
    const values = spec.operands.slice(0, this.inputs).map((o, k) => load(computeType(o.tensor.dtype.name), k, index));
    const scalars = (spec.scalarTypes ?? []).map((type) => constant(type, 1));
    spec.build(values, recorder, scalars);
    return recorder;
  }

  plan(): Plan {
    const phases = phasesOf(this.recorded);
    phases.forEach((phase, i) => {
      if (phase.kind === "reduce") {
        const partial = this.reduceParts(phase, i);
        // Stores of the rows' results that follow can be done at once.
        const next = phases[i + 1];
        const storing = next?.kind === "outer" ? next.stages : [];
        this.combine(phase, i, partial, storing, i + (storing.length > 0 ? 2 : 1) < phases.length);
      } else if (phase.kind === "inner" || phases[i - 1]?.kind !== "reduce") this.store(phase, i);
    });
    return { launches: this.launches, bytes: this.bytes, starts: this.starts };
  }

  /** A temporary tensor. */
  private temporary(dtype: dt.DType, sizes: readonly number[]): Tensor {
    const tensor = this.standIn(-1, dtype, sizes, this.bytes / dtype.itemsize);
    this.bytes += Math.ceil((tensor.count * dtype.itemsize) / 64) * 64;
    return tensor;
  }

  /** A tensor that begins `by` elements later. Only its address counts. */
  private shifted(t: Tensor, by: number): Tensor {
    return by === 0 ? t : this.standIn(this.origins.get(t) as number, t.dtype, [1], t.offset + by);
  }

  private kept(stage: number, sizes: readonly number[]): Kept {
    const { op, value } = this.stages[stage] as ReduceStage;
    return {
      value: this.temporary(storedAs[value.type], sizes),
      index: op.startsWith("arg") ? this.temporary(dt.int32, sizes) : null,
    };
  }

  /** The results of earlier reductions as operands, which vary with the rows: their strides end with `outer`'s. */
  private earlier(lead: number, innerLoops: number): { operands: RowOperand[]; stages: number[] } {
    const operands: RowOperand[] = [];
    const stages: number[] = [];
    const strides = [...new Array<number>(lead).fill(0), ...contiguousStrides(this.outer.sizes)];
    const still = new Array<number>(innerLoops).fill(0);
    for (const [stage, { value, index }] of this.results) {
      for (const tensor of index === null ? [value] : [value, index]) {
        operands.push({ tensor, outer: strides, inner: still });
        stages.push(stage);
      }
    }
    return { operands, stages };
  }

  /** The loaded values of those operands, by stage. */
  private known(stages: readonly number[], values: readonly Expr[]): Map<number, { value: Expr; index: Expr }> {
    const known = new Map<number, { value: Expr; index: Expr }>();
    stages.forEach((stage, k) => {
      const before = known.get(stage);
      known.set(stage, before === undefined ? { value: values[k], index: values[k] } : { ...before, index: values[k] });
    });
    return known;
  }

  /** Runs one kernel: the original's operands in `originals`, more inputs, more outputs, and the role. */
  private runRole(
    key: string,
    loops: { readonly outer: readonly number[]; readonly inner: readonly number[] },
    originals: readonly { readonly number: number; readonly operand: RowOperand }[],
    inputs: readonly RowOperand[],
    outputs: readonly RowOperand[],
    role: (inputs: readonly Expr[], row: RowBuilder, operand: (original: number) => number) => Role,
    finish: (row: RowBuilder, firstOutput: number) => void,
  ): void {
    const { spec } = this;
    const read = originals.filter((o) => o.number < this.inputs);
    const written = originals.filter((o) => o.number >= this.inputs);
    const place = new Map<number, number>();
    read.forEach((o, k) => void place.set(o.number, k));
    written.forEach((o, k) => void place.set(o.number, read.length + inputs.length + k));
    const operandOf = (original: number): number => place.get(original) ?? -1;
    const unread = (k: number): Expr => constant(computeType(spec.operands[k].tensor.dtype.name), 0);
    const scalars = spec.scalars ?? [];
    const operands = [...read.map((o) => o.operand), ...inputs, ...written.map((o) => o.operand), ...outputs];
    const prepared = this.prepare({
      name: spec.name,
      key: `${spec.key}/${key}`,
      ...loops,
      operands,
      outputs: written.length + outputs.length,
      scalars: [...scalars, numelOf(spec.inner)],
      scalarTypes: [...(spec.scalarTypes ?? []), "i32"],
      keepInnerOrder: spec.keepInnerOrder,
      build: (values, row, given) => {
        const own: Expr[] = [];
        for (let k = 0; k < this.inputs; k++) {
          const at = operandOf(k);
          own.push(at < 0 ? unread(k) : values[at]);
        }
        const made = role(values.slice(read.length), row, operandOf);
        spec.build(own, new RoleBuilder(made, row, given[scalars.length]), given.slice(0, scalars.length));
        finish(row, read.length + inputs.length + written.length);
      },
    });
    this.launches.push({
      prepared,
      operands: operands.map((o) => this.origins.get(o.tensor) as number),
      offsets: operands.map((o) => o.tensor.offset * o.tensor.dtype.itemsize),
    });
  }

  /** First step of a reduction: each part by itself. */
  private reduceParts(phase: Phase, number: number): Map<number, Kept> {
    const { division, outer, inner, rows } = this;
    const { loop, chunks, length, interleave, rest } = division;
    const partial = new Map<number, Kept>();
    const own = phase.stages.filter((stage) => !this.recorded.keeps.has(stage));
    for (const stage of own) partial.set(stage, this.kept(stage, [this.parts, ...outer.sizes]));
    const positions = [...partial.values()].some((kept) => kept.index !== null) ? this.partStarts() : null;
    const launch = (firstPart: number, start: number, sizes: readonly number[], size: number, step: number): void => {
      // Loops over the chunks, then those interleaved, then the rows; loops of size 1 are left out.
      const lead = sizes.filter((n) => n > 1);
      const outerSizes = [...lead, ...outer.sizes];
      const leadStrides = (chunk: number, lane: number): number[] => [chunk, lane].filter((_, d) => sizes[d] > 1);
      const innerSizes = inner.sizes.map((n, j) => (j === loop ? size : n));
      const originals = this.operands.slice(0, this.inputs).map((o, k) => {
        const along = inner.strides[k][loop];
        return {
          number: k,
          operand: {
            tensor: this.shifted(o.tensor, start * along),
            outer: [...leadStrides(length * interleave * along, along), ...outer.strides[k]],
            inner: inner.strides[k].map((s, j) => (j === loop ? s * step : s)),
          },
        };
      });
      const { operands: inputs, stages } = this.earlier(lead.length, innerSizes.length);
      const still = innerSizes.map(() => 0);
      const partStrides = [...leadStrides(interleave * rows, rows), ...contiguousStrides(outer.sizes)];
      const outputs: RowOperand[] = [];
      for (const { value, index } of partial.values()) {
        for (const tensor of index === null ? [value] : [value, index]) {
          outputs.push({ tensor: this.shifted(tensor, firstPart * rows), outer: partStrides, inner: still });
        }
      }
      if (positions !== null) {
        const outerStrides = [...leadStrides(interleave, 1), ...outer.sizes.map(() => 0)];
        inputs.push({ tensor: this.shifted(positions, firstPart), outer: outerStrides, inner: still });
      }
      const stores: Expr[] = [];
      this.runRole(
        `${number}parts${division.loop}`,
        { outer: outerSizes, inner: innerSizes },
        originals,
        inputs,
        outputs,
        (values, row, operand) => ({
          own,
          known: this.known(stages, values),
          operand,
          reduce: (_, op, value) => {
            if (op !== "argmin" && op !== "argmax") {
              const result = row.reduce(op, value);
              stores.push(result);
              return { value: result, index: result };
            }
            const result = row.argReduce(op, value);
            stores.push(result.value, result.index.add(values[stages.length]));
            return result;
          },
        }),
        (row, first) => {
          stores.forEach((value, k) => {
            row.store(first + k, value);
          });
        },
      );
    };
    launch(0, 0, [chunks, interleave], length, interleave);
    if (rest > 0) launch(this.parts - 1, chunks * length * interleave, [1, 1], rest, 1);
    return partial;
  }

  /** The flattened inner index at which each part starts, for arg-reductions: they divide the first loop. */
  private partStarts(): Tensor {
    const { division, inner } = this;
    const starts = this.temporary(dt.int32, [this.parts]);
    const step = division.length * numelOf(inner.sizes.slice(1));
    this.starts = { offset: starts.offset * 4, values: Array.from({ length: this.parts }, (_, p) => p * step) };
    return starts;
  }

  /** Second step: the parts of each row together, and stores that need nothing else. */
  private combine(
    phase: Phase,
    number: number,
    partial: ReadonlyMap<number, Kept>,
    storing: readonly number[],
    neededLater: boolean,
  ): void {
    const { outer, rows } = this;
    const { operands: inputs, stages } = this.earlier(0, 1);
    const rowStrides = contiguousStrides(outer.sizes);
    const place = new Map<number, number>();
    for (const [stage, { value, index }] of partial) {
      place.set(stage, inputs.length);
      for (const tensor of index === null ? [value] : [value, index]) {
        inputs.push({ tensor, outer: rowStrides, inner: [rows] });
      }
    }
    const outputs: RowOperand[] = [];
    if (neededLater) {
      for (const stage of phase.stages) {
        const kept = this.kept(stage, outer.sizes);
        this.results.set(stage, kept);
        for (const tensor of kept.index === null ? [kept.value] : [kept.value, kept.index]) {
          outputs.push({ tensor, outer: rowStrides, inner: [0] });
        }
      }
    }
    const stores: Expr[] = [];
    this.runRole(
      `${number}combine${neededLater}`,
      { outer: outer.sizes, inner: [this.parts] },
      storing.length === 0 ? [] : this.perRow(),
      inputs,
      outputs,
      (values, row, operand) => ({
        own: [...phase.stages, ...storing],
        known: this.known(stages, values),
        operand,
        keep: (value) => {
          stores.push(value);
        },
        reduce: (stage, op) => {
          const at = place.get(stage) as number;
          const value = values[at];
          if (op !== "argmin" && op !== "argmax") {
            const result = row.reduce(op, value);
            stores.push(result);
            return { value: result, index: result };
          }
          // Of the parts that have the extreme value, or NaN where there is one, the first one's position.
          const best = row.argReduce(op, value).value;
          const ties = value.eq(best);
          const found = value.isFloat ? ties.or(value.isnan().and(best.isnan())) : ties;
          const index = row.reduce("min", found.select(values[at + 1], 2 ** 31 - 1));
          stores.push(best, index);
          return { value: best, index };
        },
      }),
      (row, first) => {
        if (!neededLater) return;
        stores.forEach((value, k) => {
          row.store(first + k, value);
        });
      },
    );
  }

  /** The original's operands that do not vary inside of a row, for kernels over whole rows. */
  private perRow(): { number: number; operand: RowOperand }[] {
    const list: { number: number; operand: RowOperand }[] = [];
    this.operands.forEach(({ tensor }, k) => {
      if (this.inner.strides[k].some((s) => s !== 0)) return;
      list.push({ number: k, operand: { tensor, outer: this.outer.strides[k], inner: [0] } });
    });
    return list;
  }

  /** Stores, of each element or of each row. */
  private store(phase: Phase, number: number): void {
    const { outer, inner } = this;
    const over = phase.kind === "inner" ? inner.sizes : [];
    const { operands: inputs, stages } = this.earlier(0, 0);
    const originals =
      phase.kind === "inner"
        ? this.operands.map(({ tensor }, k) => ({
            number: k,
            operand: { tensor, outer: [...outer.strides[k], ...inner.strides[k]], inner: [] },
          }))
        : this.perRow().map(({ number: k, operand }) => ({ number: k, operand: { ...operand, inner: [] } }));
    const stores = new Set(phase.stages.map((i) => this.stages[i]).map((s) => (s.kind === "store" ? s.buffer : -1)));
    this.runRole(
      `${number}store`,
      { outer: [...outer.sizes, ...over], inner: [] },
      originals.filter((o) => o.number < this.inputs || stores.has(o.number)),
      inputs.map((o) => ({ ...o, outer: [...o.outer, ...over.map(() => 0)] })),
      [],
      (values, _, operand) => ({
        own: phase.stages,
        known: this.known(stages, values),
        operand,
        reduce: () => {
          throw new Error("a reduction among stores");
        },
      }),
      () => {},
    );
  }
}
