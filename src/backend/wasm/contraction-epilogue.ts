/**
 * The stores of a contraction, where they are affine: each stored or loaded element is a stream with one table of row
 * addresses and one of column offsets. Values are computed on vectors of columns; a stream moves whole vectors where
 * its columns are adjacent, else single lanes.
 */
import { computeType, type Expr, walk } from "../../ir/expr.ts";
import type { ContractionKernel } from "../../ir/kernel.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { type AffineAccess, affineAccess, Parameters } from "./contraction-affine.ts";
import { type Lanes, TILE_GROUPS } from "./contraction-lanes.ts";
import { emitAdjacent, emitGroupAdjacent } from "./contraction-pack.ts";
import { rawElements } from "./elements.ts";
import type { PlainOp } from "./opcodes.ts";
import { constantOperand } from "./scalar.ts";

export interface Stream extends AffineAccess {
  /** Whether the address differs between columns. */
  readonly alongN: boolean;
}

/** What the vector epilogue does: `stores[i]` writes `values[i]` to `streams[stores[i]]`. */
export interface StreamPlan {
  readonly streams: readonly Stream[];
  readonly loads: ReadonlyMap<Expr, number>;
  readonly stores: readonly { readonly stream: number; readonly value: Expr }[];
}

const floatOps = new Set(["add", "sub", "mul", "div", "min", "max", "neg", "abs", "sqrt", "fma"]);
const integerOps = new Set(["add", "sub", "mul", "neg"]);

/** The plan for a kernel's stores, or null where they need the scalar path. */
export function planStreams(kernel: ContractionKernel, lanes: Lanes): StreamPlan | null {
  const axes = [...kernel.batch, ...kernel.m, ...kernel.n];
  const streams: Stream[] = [];
  const loads = new Map<Expr, number>();
  let possible = true;
  const stream = (index: Expr, slot: number): number => {
    const { dtype } = kernel.buffers[slot];
    const access = affineAccess(index, axes, slot, rawElements[dtype].size);
    const plain = computeType(dtype) === lanes.type && rawElements[dtype].size === lanes.size;
    if (access === null || !plain) {
      possible = false;
      return -1;
    }
    return streams.push({ ...access, alongN: kernel.n.some((axis) => access.strides.has(axis)) }) - 1;
  };
  const ops = lanes.type === "f32" || lanes.type === "f64" ? floatOps : integerOps;
  // The revectorizer of Node 24 has miscompiled f64x2.neg.
  const allowed = (op: string) => ops.has(op) && !(op === "neg" && lanes.type === "f64");
  const stores = kernel.stores.map(({ buffer, index, value }) => {
    const visit = (node: Expr): void => {
      if (node.type !== lanes.type) possible = false;
      else if (node.op === "load") {
        if (node.args.length > 1) possible = false;
        else if (!loads.has(node)) loads.set(node, stream(node.args[0], node.slot));
      } else if (allowed(node.op)) for (const arg of node.args) visit(arg);
      else if (node.op !== "const" && node.op !== "param" && node.op !== "accumulator") possible = false;
    };
    visit(value);
    return { stream: stream(index, buffer), value };
  });
  return possible ? { streams, loads, stores } : null;
}

/** Bytes between the row tables and between the column tables of neighbouring streams. */
export interface StreamTables {
  readonly rowStride: number;
  readonly columnStride: number;
}

/** Writes vector code for the values that a plan stores. */
class VectorValues {
  private readonly f: FunctionBuilder;
  private readonly lanes: Lanes;
  /** Constants and parameters, as vectors made once. */
  private readonly uniforms = new Map<Expr, Local>();

  constructor(f: FunctionBuilder, lanes: Lanes, parameters: Parameters, plan: StreamPlan) {
    this.f = f;
    this.lanes = lanes;
    const seen = new Set<Expr>();
    for (const { value } of plan.stores)
      walk(
        value,
        (node) => {
          if ((node.op !== "const" && node.op !== "param") || node.type !== lanes.type) return;
          const local = f.local("v128");
          parameters.pushScalar(node);
          f.op(`${lanes.shape}.splat`).set(local);
          this.uniforms.set(node, local);
        },
        seen,
      );
  }

  /** Pushes the value of `e` for one vector of columns. */
  push(e: Expr, sum: Local, pushLoad: (load: Expr) => void): void {
    const { f } = this;
    const { shape } = this.lanes;
    const values = new Map<Expr, Local>(this.uniforms);
    const compute = (node: Expr): void => {
      if (node.op === "accumulator") {
        f.get(sum);
        return;
      }
      const known = values.get(node);
      if (known) {
        f.get(known);
        return;
      }
      if (node.op === "load") pushLoad(node);
      else if ((node.op === "min" || node.op === "max") && constantOperand(node) !== undefined) {
        // As in row kernels: x < c ? c : x.
        const fixed = constantOperand(node) as 0 | 1;
        compute(node.args[1 - fixed]);
        compute(node.args[fixed]);
        f.op(`${shape as "f32x4"}.p${node.op}`);
      } else {
        compute(node.args[0]);
        if (node.args.length > 1) compute(node.args[1]);
        if (node.op === "fma") {
          f.op(`${shape}.mul`);
          compute(node.args[2]);
          f.op(`${shape}.add`);
        } else f.op(`${shape}.${node.op}` as PlainOp);
      }
      const local = f.local("v128");
      f.tee(local);
      values.set(node, local);
    };
    compute(e);
    for (const [node, local] of values) if (!this.uniforms.has(node)) f.release(local);
  }
}

/** Parameters that follow the micro-kernel's own when it stores through streams. */
export interface TileFinish {
  readonly parameterCount: number;
  /** Stores the sums of a tile. */
  emit(f: FunctionBuilder, parameters: readonly Local[], sums: readonly (readonly Local[])[]): void;
}

/**
 * Stores straight from the micro-kernel's registers, for panels where every stream is adjacent within each group of
 * columns. Parameters: block, row tables, and for each stream the column address of each group along n, or the one
 * address of all.
 */
export function streamFinish(
  kernel: ContractionKernel,
  lanes: Lanes,
  plan: StreamPlan,
  tables: StreamTables,
): TileFinish {
  const positions: number[] = [];
  let parameterCount = 2;
  for (const stream of plan.streams) {
    positions.push(parameterCount);
    parameterCount += stream.alongN ? TILE_GROUPS : 1;
  }
  return {
    parameterCount,
    emit(f, parameters, sums) {
      const [block, rowTables] = parameters as [Local, Local];
      const values = new VectorValues(f, lanes, new Parameters(f, block, kernel.buffers.length), plan);
      const row = plan.streams.map(() => f.local("i32"));
      const address = plan.streams.map(() => f.local("i32"));
      // Values of a group wait here until all are there: V8 packs no pair of stores with a load between them.
      const results = Array.from({ length: lanes.groupVectors }, () => f.local("v128"));
      const splats = new Map(
        [...plan.loads].filter(([, s]) => !plan.streams[s].alongN).map(([load]) => [load, f.local("v128")]),
      );
      const setAddress = (s: number, g: number) =>
        f
          .get(row[s])
          .get(parameters[positions[s] + (plan.streams[s].alongN ? g : 0)])
          .op("i32.add")
          .set(address[s]);
      for (const [r, rowSums] of sums.entries()) {
        for (const s of plan.streams.keys())
          f.get(rowTables)
            .memory("i32.load", s * tables.rowStride + 4 * r)
            .set(row[s]);
        for (const [load, splat] of splats) {
          const s = plan.loads.get(load) as number;
          setAddress(s, 0);
          f.get(address[s]).memory(lanes.loadSplat).set(splat);
        }
        for (let g = 0; g < TILE_GROUPS; g++) {
          for (const [s, { alongN }] of plan.streams.entries()) if (alongN) setAddress(s, g);
          for (const { stream, value } of plan.stores) {
            for (const [v, result] of results.entries()) {
              values.push(value, rowSums[g * lanes.groupVectors + v] as Local, (load) => {
                const splat = splats.get(load);
                if (splat) f.get(splat);
                else f.get(address[plan.loads.get(load) as number]).memory("v128.load", 16 * v);
              });
              f.set(result);
            }
            for (let v = lanes.groupVectors - 1; v >= 0; v--)
              f.get(address[stream])
                .get(results[v] as Local)
                .memory("v128.store", 16 * v);
          }
        }
      }
    },
  };
}

/** Pushes whether `streamFinish` may serve a panel with `count` columns and its column tables at `columnTables`. */
export function emitAllAdjacent(
  f: FunctionBuilder,
  lanes: Lanes,
  plan: StreamPlan,
  tables: StreamTables,
  count: Local,
  columnTables: Local,
): void {
  const at = f.local("i32");
  f.get(count)
    .i32(TILE_GROUPS * lanes.groupColumns)
    .op("i32.eq");
  for (const [s, { alongN }] of plan.streams.entries()) {
    if (!alongN) continue;
    for (let g = 0; g < TILE_GROUPS; g++) {
      f.get(columnTables)
        .i32(s * tables.columnStride + 4 * g * lanes.groupColumns)
        .op("i32.add")
        .set(at);
      emitGroupAdjacent(f, lanes, at);
      f.op("i32.and");
    }
  }
  // Whole vectors are stored, so every store must run along n.
  if (plan.stores.some(({ stream }) => !plan.streams[stream].alongN)) f.drop().i32(0);
  f.release(at);
}

/** Pushes the parameters of `streamFinish`, without block and row tables. */
export function pushFinishParameters(
  f: FunctionBuilder,
  lanes: Lanes,
  plan: StreamPlan,
  tables: StreamTables,
  columnTables: Local,
): void {
  for (const [s, { alongN }] of plan.streams.entries())
    for (let g = 0; g < (alongN ? TILE_GROUPS : 1); g++)
      f.get(columnTables).memory("i32.load", s * tables.columnStride + 4 * g * lanes.groupColumns);
}

/** A function (block, rows, count, tile, rowTables, columnTables): the stores for `count` columns of any panel. */
export function emitStreamEpilogue(
  module: ModuleBuilder,
  kernel: ContractionKernel,
  lanes: Lanes,
  plan: StreamPlan,
  tables: StreamTables,
): FunctionBuilder {
  const f = module.function(new Array(6).fill("i32"), []);
  const [block, rows, count, tile, rowTables, columnTables] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const values = new VectorValues(f, lanes, new Parameters(f, block, kernel.buffers.length), plan);

  const sum = f.local("v128");
  const row = f.local("i32");
  const rowAt = f.local("i32");
  const tileAt = f.local("i32");
  const valid = f.local("i32");
  const first = plan.streams.map(() => f.local("i32"));
  const adjacent = plan.streams.map(() => f.local("i32"));
  const columnAt = f.local("i32");
  const address = f.local("i32");
  const temporary = f.local("v128");

  /** Pushes the address of lane `lane` (or of the last existing column before it). */
  const pushLaneAddress = (s: number, g: number, lane: number, clamp: boolean): void => {
    f.get(address);
    f.get(columnAt);
    if (clamp && lane > 0) {
      f.i32(lane).get(valid).i32(1).op("i32.sub").i32(lane).get(valid).op("i32.lt_s").select();
      f.i32(2).op("i32.shl").op("i32.add");
      f.memory("i32.load", s * tables.columnStride + 4 * g * lanes.count);
    } else f.memory("i32.load", s * tables.columnStride + 4 * (g * lanes.count + lane));
    f.op("i32.add");
  };
  /** Sets `address` to the row's part of the address of stream s. */
  const setRowAddress = (s: number): void => {
    f.get(rowAt)
      .memory("i32.load", s * tables.rowStride)
      .set(address);
  };
  const pushLoad = (s: number, g: number): void => {
    if (!plan.streams[s].alongN) {
      f.get(rowAt).memory("i32.load", s * tables.rowStride);
      f.get(columnAt)
        .memory("i32.load", s * tables.columnStride)
        .op("i32.add")
        .memory(lanes.loadSplat);
      return;
    }
    setRowAddress(s);
    f.get(adjacent[s]).if(
      () => f.get(address).get(first[s]).op("i32.add").memory("v128.load"),
      () => {
        pushLaneAddress(s, g, 0, true);
        f.memory(lanes.loadSplat).set(temporary);
        for (let lane = 1; lane < lanes.count; lane++) {
          pushLaneAddress(s, g, lane, true);
          f.get(temporary).memoryLane(lanes.loadLane, lane).set(temporary);
        }
        f.get(temporary);
      },
      "v128",
    );
  };

  for (let g = 0; g < TILE_GROUPS * lanes.groupVectors; g++) {
    f.get(count)
      .i32(g * lanes.count)
      .op("i32.sub")
      .set(valid);
    f.get(valid).i32(0).op("i32.gt_s");
    f.if(() => {
      for (const s of plan.streams.keys()) {
        if (!plan.streams[s].alongN) continue;
        f.get(columnTables)
          .i32(s * tables.columnStride + 4 * g * lanes.count)
          .op("i32.add")
          .set(columnAt);
        f.get(columnAt).memory("i32.load").set(first[s]);
        f.get(valid).i32(lanes.count).op("i32.ge_s");
        f.if(
          () => emitAdjacent(f, lanes, columnAt),
          () => f.i32(0),
          "i32",
        ).set(adjacent[s]);
      }
      f.get(columnTables).set(columnAt);
      f.get(rowTables).set(rowAt);
      f.get(tile).set(tileAt);
      f.get(rows).set(row);
      f.loop((again) => {
        f.get(tileAt)
          .memory("v128.load", 16 * g)
          .set(sum);
        for (const store of plan.stores) {
          const result = f.local("v128");
          values.push(store.value, sum, (load) => pushLoad(plan.loads.get(load) as number, g));
          f.set(result);
          setRowAddress(store.stream);
          f.get(adjacent[store.stream]).if(
            () => f.get(address).get(first[store.stream]).op("i32.add").get(result).memory("v128.store"),
            () => {
              for (let lane = 0; lane < lanes.count; lane++) {
                f.i32(lane).get(valid).op("i32.lt_s");
                f.if(() => {
                  pushLaneAddress(store.stream, g, lane, false);
                  f.get(result).memoryLane(lanes.storeLane, lane);
                });
              }
            },
          );
          f.release(result);
        }
        f.get(tileAt).i32(lanes.rowBytes).op("i32.add").set(tileAt);
        f.get(rowAt).i32(4).op("i32.add").set(rowAt);
        f.get(row).i32(1).op("i32.sub").tee(row).br_if(again);
      });
    });
  }
  return f;
}
