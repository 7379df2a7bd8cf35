/** The stages of a row kernel, lowered and made a graph; and along which axis to vectorize them. */
import { Axis, constant, type Expr, stageValue, walk } from "../../ir/expr.ts";
import type { BufferDecl, ReduceOp, RowKernel, Stage, StoreStage } from "../../ir/kernel.ts";
import { lower } from "../../ir/math.ts";
import { decodeLoads, encodeStore, rawElements } from "./elements.ts";
import type { Features } from "./features.ts";
import { Graph } from "./graph.ts";
import { isLanewise, parts } from "./vector.ts";

export interface PreparedReduce {
  readonly kind: "reduce";
  readonly op: ReduceOp;
  readonly value: Expr;
  /** The nodes by which later stages refer to the result. */
  readonly result: Expr;
  readonly position: Expr;
}
export interface PreparedStore {
  readonly kind: "store";
  readonly over: "outer" | "inner";
  readonly buffer: number;
  readonly index: Expr;
  /** As stored: raw integers for half floats and booleans. */
  readonly value: Expr;
}
export type PreparedStage = PreparedReduce | PreparedStore;

/** Stages that share one pass over the inner axes. */
export type StageGroup =
  | { readonly kind: "reduce"; readonly stages: readonly PreparedReduce[] }
  | { readonly kind: "store"; readonly over: "outer" | "inner"; readonly stages: readonly PreparedStore[] };

export interface Prepared {
  readonly graph: Graph;
  /** Number of outer axes, at least one. The graph's axes are these and then the inner ones. */
  readonly outer: number;
  readonly inner: number;
  readonly sizes: readonly Expr[];
  readonly groups: readonly StageGroup[];
  /** The axis to vectorize along, -1 for none. */
  readonly vectorAxis: number;
  /** Copies (of four indices) in the main loop. */
  readonly copies: number;
  /** Each operation of a store is done for all copies before the next one. */
  readonly lockstep: boolean;
  /** A map that loads along the axis before the last: whole rows are done several at a time. */
  readonly transposed: boolean;
  /** The flattened inner index, for arg-reductions. */
  readonly innerIndex: Expr;
  /**
   * Whether a reduction comes after stores of elements, which it may read. With pairs of accumulators V8 13.6 makes wrong
   * 256-bit code of such a softmax.
   */
  readonly rereads: boolean;
}

/** An expression as the emitters take it. */
export function prepareExpression(e: Expr, buffers: readonly BufferDecl[]): Expr {
  return decodeLoads(lower(e), buffers);
}

export function prepare(kernel: RowKernel, features: Features): Prepared {
  const outer = kernel.outer.length > 0 ? kernel.outer : [new Axis("one", constant("i32", 1))];
  const axes = [...outer, ...kernel.inner];
  const graph = new Graph(axes, 2 ** outer.length - 1);
  const versions = kernel.buffers.map(() => 0);
  const intern = (e: Expr): Expr => graph.intern(e, versions.slice());
  const stages = kernel.stages.map((stage, i): PreparedStage => {
    let value = prepareExpression(stage.value, kernel.buffers);
    const previous = kernel.stages[i - 1];
    if (previous?.kind === "store" && !sharesPass(kernel, previous, stage)) {
      for (let j = i - 1; j >= 0; j--) {
        const before = kernel.stages[j];
        if (before.kind !== "store" || !sharesPass(kernel, before, previous)) break;
        versions[before.buffer]++;
      }
    }
    if (stage.kind === "store") {
      const { buffer } = stage;
      value = intern(encodeStore(value, kernel.buffers[buffer].dtype));
      const index = intern(prepareExpression(stage.index, kernel.buffers));
      return { kind: "store", over: passOf(kernel, stage), buffer, index, value };
    }
    if (value.type === "bool" && stage.op !== "min" && stage.op !== "max") {
      throw new Error(`IR: ${stage.op} of bool in ${kernel.name}`);
    }
    const result = graph.intern(stageValue(value.type, i));
    const position = graph.intern(stageValue("i32", i, 1));
    return { kind: "reduce", op: stage.op, value: intern(value), result, position };
  });
  const stored = kernel.stages.findIndex((stage) => stage.kind === "store" && stage.over === "inner");
  const rereads = stored >= 0 && kernel.stages.some((stage, i) => i > stored && stage.kind === "reduce");
  const sizes = axes.map((axis) => graph.intern(axis.size));
  const flattened = kernel.inner.reduce((index, axis) => index.mul(axis.size).add(axis.index), constant("i32", 0));
  const base = { graph, outer: outer.length, inner: kernel.inner.length, sizes };
  countUses(graph, stages);
  const plan = features.simd ? planVectors(kernel, base, stages) : { vectorAxis: -1, copies: 0, lockstep: false };
  const transposed = features.simd && kernel.inner.length === 0 && isTransposed(graph, outer.length - 1, stages);
  return { ...base, ...plan, transposed, groups: group(stages), innerIndex: graph.intern(flattened), rereads };
}

/** Whether more operands are contiguous along the axis before the last than along the last one. */
function isTransposed(graph: Graph, last: number, stages: readonly PreparedStage[]): boolean {
  if (last === 0) return false;
  const indices = new Set<Expr>();
  for (const stage of stages) {
    walk(stage.value, (e) => {
      if (e.op === "load") indices.add(e.args[0]);
    });
  }
  let balance = 0;
  for (const index of indices) {
    const { coefficients } = graph.linear(index);
    if (coefficients[last].is(1)) balance--;
    else if (coefficients[last - 1].is(1) && !coefficients[last].is(0)) balance++;
  }
  return balance > 0;
}

/** Counts the uses by stages, and the double uses by operations that take one part for two. */
function countUses(graph: Graph, stages: readonly PreparedStage[]): void {
  const seen = new Set<Expr>();
  for (const stage of stages) {
    graph.use(stage.value);
    walk(
      stage.value,
      (e) => {
        for (const a of e.args) if (parts(a) === 1 && parts(e) === 2) graph.use(a);
      },
      seen,
    );
  }
}

function reads(e: Expr, test: (node: Expr) => boolean): boolean {
  let found = false;
  walk(e, (node) => {
    if (test(node)) found = true;
  });
  return found;
}

/** Without inner axes there is one pass. */
function passOf(kernel: RowKernel, stage: StoreStage): "outer" | "inner" {
  return kernel.inner.length === 0 ? "outer" : stage.over;
}
/**
 * Neighbouring stores over the same indices are one step: all values are computed from what was there before, so that
 * an optimizer's moments and parameters are updated together.
 */
function sharesPass(kernel: RowKernel, a: StoreStage, b: Stage): boolean {
  return b.kind === "store" && passOf(kernel, a) === passOf(kernel, b);
}

/** Joins neighbouring stores, and neighbouring reductions that do not see each other's results. */
function group(stages: readonly PreparedStage[]): StageGroup[] {
  const groups: (StageGroup & { stages: PreparedStage[] })[] = [];
  for (const stage of stages) {
    const last = groups[groups.length - 1];
    if (stage.kind === "store") {
      if (last?.kind === "store" && last.over === stage.over) last.stages.push(stage);
      else groups.push({ kind: "store", over: stage.over, stages: [stage] });
    } else {
      const before = last?.stages.map((s) => stages.indexOf(s)) ?? [];
      const sees = (n: Expr): boolean => n.op === "stage" && before.includes(n.slot);
      if (last?.kind === "reduce" && !reads(stage.value, sees)) last.stages.push(stage);
      else groups.push({ kind: "reduce", stages: [stage] });
    }
  }
  return groups;
}

/**
 * Chooses the axis by counting instructions for four indices. Loads along the axis cost one instruction where it has
 * stride 1, nothing where it has stride 0, and several otherwise.
 */
function planVectors(
  kernel: RowKernel,
  { graph, outer, inner, sizes }: Pick<Prepared, "graph" | "outer" | "inner" | "sizes">,
  stages: readonly PreparedStage[],
): Pick<Prepared, "vectorAxis" | "copies" | "lockstep"> {
  const candidates: number[] = [];
  const last = sizes[sizes.length - 1];
  const short = last.isConst && (last.value as number) < 8;
  if (inner > 0 && !short) candidates.push(outer + inner - 1);
  if (kernel.outer.length > 0) candidates.push(outer - 1);
  const innerBits = (2 ** inner - 1) << outer;
  const LANE_BY_LANE = 9;
  /** What a row is taken to have of elements, at least. */
  const ROW_LENGTH = 16;

  const nodes = new Set<Expr>();
  for (const stage of stages) walk(stage.value, () => {}, nodes);
  // V8 makes 256-bit code of vectors, and beside that a call of JavaScript takes 400 ns instead of 50, measured on Zen 3.
  for (const e of nodes) if (e.op === "host") return { vectorAxis: -1, copies: 0, lockstep: false };
  const access = (index: Expr, axis: number, width: number): number => {
    const { rest, coefficients } = graph.linear(index);
    if (graph.deps(rest) & (1 << axis)) return LANE_BY_LANE;
    return coefficients[axis].is(1) ? width : coefficients[axis].is(0) ? 1 : LANE_BY_LANE;
  };
  const scalarCost = (e: Expr): number => (e.args.length === 0 ? 0 : e.op === "host" ? 60 : 4);
  const cost = (axis: number): number => {
    const bit = 1 << axis;
    const uniform = (e: Expr): boolean => (graph.deps(e) & bit) === 0;
    let sum = 0;
    for (const e of nodes) {
      if (uniform(e)) {
        if (axis < outer && graph.deps(e) & innerBits) sum += e.args.length > 0 ? 2 : 0;
      } else if (inner > 0 && (graph.deps(e) & innerBits) === 0) {
        // Once for each row, not for each element.
        sum += parts(e) / ROW_LENGTH;
      } else if (e.op === "load") {
        const masked = e.args[1] && !uniform(e.args[1]);
        if (!masked && loadsEverySecond(e, kernel.buffers, graph, axis)) sum += 3;
        else sum += masked ? LANE_BY_LANE : access(e.args[0], axis, parts(e));
      } else if (isLanewise(e, uniform)) sum += scalarCost(e) + 5;
      else sum += e.args.length === 0 ? 0 : parts(e);
    }
    for (const stage of stages) {
      if (stage.kind === "reduce") sum += parts(stage.value);
      else if (stage.over === "inner" || axis < outer) {
        const once = inner > 0 && stage.over === "outer";
        sum += access(stage.index, axis, parts(stage.value)) / (once ? ROW_LENGTH : 1);
      }
    }
    return sum;
  };
  let best = stages.length * 4;
  for (const e of nodes) if (graph.deps(e) !== 0) best += scalarCost(e);
  let vectorAxis = -1;
  for (const axis of candidates) {
    const c = cost(axis);
    if (c < best) {
      best = c;
      vectorAxis = axis;
    }
  }
  if (vectorAxis < 0) return { vectorAxis, copies: 0, lockstep: false };
  if (isStencil(kernel, graph, nodes, vectorAxis)) return { vectorAxis, copies: 4, lockstep: true };
  return { vectorAxis, copies: chooseCopies(kernel, graph, nodes, stages, vectorAxis, outer), lockstep: false };
}

/**
 * Whether a map does little more than add up many vectors, with factors that stay the same: each factor, which may have to
 * be fetched anew, then serves several vectors.
 */
function isStencil(kernel: RowKernel, graph: Graph, nodes: Set<Expr>, axis: number): boolean {
  if (kernel.inner.length > 0 || kernel.stages.some((s) => s.kind === "reduce")) return false;
  let loads = 0;
  let operations = 0;
  for (const e of nodes) {
    if ((graph.deps(e) & (1 << axis)) === 0 || e.type === "i32") continue;
    if (e.op === "load") {
      const { rest, coefficients } = graph.linear(e.args[0]);
      if (e.args.length > 1 || !coefficients[axis].is(1) || graph.deps(rest) & (1 << axis)) return false;
      loads++;
    } else if (e.op === "add" || e.op === "mul" || e.op === "fma") operations++;
    else return false;
  }
  return loads > 6 && operations <= 2 * loads;
}

/** Whether a load takes every second element of four bytes along an axis, which is two vector loads and a shuffle. */
function loadsEverySecond(e: Expr, buffers: readonly BufferDecl[], graph: Graph, axis: number): boolean {
  const { rest, coefficients } = graph.linear(e.args[0]);
  return (
    e.args.length === 1 &&
    rawElements[buffers[e.slot].dtype].size === 4 &&
    coefficients[axis].is(2) &&
    (graph.deps(rest) & (1 << axis)) === 0
  );
}

/** More copies hide latency; too many spill registers, and lane-by-lane work gains nothing from them. */
function chooseCopies(
  kernel: RowKernel,
  graph: Graph,
  nodes: Set<Expr>,
  stages: readonly PreparedStage[],
  axis: number,
  outer: number,
): number {
  const bit = 1 << axis;
  let loads = 0;
  let operations = 0;
  let laneByLane = false;
  for (const e of nodes) {
    if ((graph.deps(e) & bit) === 0) continue;
    if (e.op === "load") {
      const { rest, coefficients } = graph.linear(e.args[0]);
      loads += parts(e);
      const contiguous = coefficients[axis].is(1) && (graph.deps(rest) & bit) === 0;
      const vectors = contiguous || loadsEverySecond(e, kernel.buffers, graph, axis);
      if (!vectors || (e.args[1] && graph.deps(e.args[1]) & bit)) laneByLane = true;
    } else if (e.args.length > 0) {
      operations += parts(e);
      if (isLanewise(e, (x) => (graph.deps(x) & bit) === 0)) laneByLane = true;
    }
  }
  if (laneByLane) return 1;
  if (axis < outer && kernel.inner.length > 0 && stages.some((s) => s.kind === "reduce")) {
    // Rows far apart: several columns at a time, so that each cache line is used whole, and more of each page.
    if (operations <= 16 && loads <= 2) return 8;
    return 4;
  }
  if (operations > 150) return 1;
  if (stages.some((s) => s.kind === "reduce" && s.op.startsWith("arg"))) return 2;
  // A reduction of little more than loads waits for nothing but its own results.
  if (axis >= outer && loads === 1 && operations <= 2 && stages.every((s) => s.kind === "reduce" || s.over === "outer"))
    return 8;
  return loads <= 3 && operations <= 16 ? 4 : loads <= 6 ? 2 : 1;
}
