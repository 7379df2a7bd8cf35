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
import { TILE_ROW_BYTES } from "./contraction-microkernel.ts";
import { emitAdjacent } from "./contraction-pack.ts";
import { rawElements } from "./elements.ts";
import type { PlainOp } from "./opcodes.ts";

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
  const stores = kernel.stores.map(({ buffer, index, value }) => {
    const visit = (node: Expr): void => {
      if (node.type !== lanes.type) possible = false;
      else if (node.op === "load") {
        if (node.args.length > 1) possible = false;
        else if (!loads.has(node)) loads.set(node, stream(node.args[0], node.slot));
      } else if (ops.has(node.op)) for (const arg of node.args) visit(arg);
      else if (node.op !== "const" && node.op !== "param" && node.op !== "accumulator") possible = false;
    };
    visit(value);
    return { stream: stream(index, buffer), value };
  });
  return possible ? { streams, loads, stores } : null;
}

/** Addresses and strides (in bytes) of the tables of a plan's streams: stream s has its tables at `+ s * stride`. */
export interface StreamTables {
  readonly rowStride: number;
  readonly columnStride: number;
}

/** A function (block, rows, count, tile, rowTables, columnTables): the stores for `count` columns of a panel. */
export function emitStreamEpilogue(
  module: ModuleBuilder,
  kernel: ContractionKernel,
  lanes: Lanes,
  plan: StreamPlan,
  tables: StreamTables,
): FunctionBuilder {
  const f = module.function(new Array(6).fill("i32"), []);
  const [block, rows, count, tile, rowTables, columnTables] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const shape =
    lanes.type === "f32" || lanes.type === "i32" ? (`${lanes.type}x4` as const) : (`${lanes.type}x2` as const);
  const splat = `${shape}.splat` as PlainOp;
  const parameters = new Parameters(f, block, kernel.buffers.length);

  // Constants and parameters are vectors made once.
  const uniforms = new Map<Expr, Local>();
  for (const { value } of plan.stores)
    walk(value, (node) => {
      if ((node.op !== "const" && node.op !== "param") || node.type !== lanes.type || uniforms.has(node)) return;
      const local = f.local("v128");
      parameters.pushScalar(node);
      f.op(splat).set(local);
      uniforms.set(node, local);
    });

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
  const pushValue = (e: Expr, g: number): void => {
    const uniform = uniforms.get(e);
    if (uniform) f.get(uniform);
    else if (e.op === "accumulator") f.get(sum);
    else if (e.op === "load") pushLoad(plan.loads.get(e) as number, g);
    else if (e.op === "fma") {
      pushValue(e.args[0], g);
      pushValue(e.args[1], g);
      f.op(`${shape}.mul` as PlainOp);
      pushValue(e.args[2], g);
      f.op(`${shape}.add` as PlainOp);
    } else {
      for (const arg of e.args) pushValue(arg, g);
      f.op(`${shape}.${e.op}` as PlainOp);
    }
  };

  for (let g = 0; g < TILE_GROUPS; g++) {
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
          pushValue(store.value, g);
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
        f.get(tileAt).i32(TILE_ROW_BYTES).op("i32.add").set(tileAt);
        f.get(rowAt).i32(4).op("i32.add").set(rowAt);
        f.get(row).i32(1).op("i32.sub").tee(row).br_if(again);
      });
    });
  }
  return f;
}
