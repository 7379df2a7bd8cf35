/**
 * The innermost loops of a contraction. One call computes a tile of up to 6 rows by one panel (two vectors of columns):
 * 12 sums, two vectors of B and one splat of A are the 15 vector registers that V8 hands out on x86-64.
 *
 * A is packed: for each k, the tile's rows side by side. B is either packed the same way (for each k, the panel's
 * columns side by side), or read where it lies, each of the two column groups at its own address plus an offset
 * that a table gives for each k.
 */
import type { ContractionKernel } from "../../ir/kernel.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import {
  emitAllAdjacent,
  pushFinishParameters,
  type StreamPlan,
  type StreamTables,
  streamFinish,
  type TileFinish,
} from "./contraction-epilogue.ts";
import { emitTileRows, type Lanes, multiplyAdd, storeOrder, TILE_GROUPS, TILE_ROWS } from "./contraction-lanes.ts";

const UNROLL = 2;

/** Where a micro-kernel reads B: in a packed panel, or through a table of offsets. */
export type BSource = "panel" | "table";

/** The locals that say where B is; for "panel" [address], for "table" [address, table] for each of the groups. */
export function bParameterCount(source: BSource): number {
  return source === "panel" ? 1 : 4;
}

/**
 * A function (a, ...b, k, tile, accumulate) that writes Σ_k to `tile`, whose rows are lanes.rowBytes apart, or adds
 * it to what is there. With `finish`, it takes its parameters too, and unless the row tables are 0 the sums (with what the
 * tile holds) are finished instead of written to the tile.
 */
function emitTile(
  module: ModuleBuilder,
  lanes: Lanes,
  rows: number,
  source: BSource,
  finish: TileFinish | null,
): FunctionBuilder {
  const bCount = bParameterCount(source);
  const finishCount = finish?.parameterCount ?? 0;
  const f = module.function(new Array(bCount + 4 + finishCount).fill("i32"), []);
  const a = f.parameter(0);
  const b = Array.from({ length: bCount }, (_, i) => f.parameter(1 + i));
  const k = f.parameter(bCount + 1);
  const tile = f.parameter(bCount + 2);
  const accumulate = f.parameter(bCount + 3);
  const vectors = TILE_GROUPS * lanes.groupVectors;
  const groups = Array.from({ length: TILE_GROUPS }, (_, g) => g);
  const sums = Array.from({ length: rows }, () => Array.from({ length: vectors }, () => f.local("v128")));
  const x = Array.from({ length: vectors }, () => f.local("v128"));
  const address = f.local("i32");
  const splat = f.local("v128");
  const end = f.local("i32");
  const stepBytes = rows * lanes.size;

  const step = (u: number) => {
    for (const g of groups) {
      if (source === "table") {
        f.get(b[2 * g])
          .get(b[2 * g + 1])
          .memory("i32.load", 4 * u)
          .op("i32.add")
          .set(address);
      }
      for (let v = 0; v < lanes.groupVectors; v++) {
        const vector = g * lanes.groupVectors + v;
        if (source === "panel") f.get(b[0]).memory("v128.load", lanes.rowBytes * u + 16 * vector);
        else f.get(address).memory("v128.load", 16 * v);
        f.set(x[vector]);
      }
    }
    for (let r = 0; r < rows; r++) {
      f.get(a)
        .memory(lanes.loadSplat, stepBytes * u + lanes.size * r)
        .set(splat);
      for (const [v, sum] of sums[r].entries()) multiplyAdd(f, lanes, sum, splat, x[v]);
    }
  };
  const advance = (u: number) => {
    f.get(a)
      .i32(stepBytes * u)
      .op("i32.add")
      .set(a);
    if (source === "panel")
      f.get(b[0])
        .i32(lanes.rowBytes * u)
        .op("i32.add")
        .set(b[0]);
    else
      for (const table of [b[1], b[3]])
        f.get(table)
          .i32(4 * u)
          .op("i32.add")
          .set(table);
  };
  /** Steps of `u` while at least `u` are left. */
  const steps = (u: number) => {
    f.get(a).get(k).i32(-u).op("i32.and").i32(stepBytes).op("i32.mul").op("i32.add").set(end);
    f.get(a).get(end).op("i32.ne");
    f.if(() => {
      f.loop((again) => {
        for (let i = 0; i < u; i++) step(i);
        advance(u);
        f.get(a).get(end).op("i32.ne").br_if(again);
      });
    });
  };
  steps(UNROLL);
  f.get(k)
    .i32(UNROLL - 1)
    .op("i32.and")
    .set(k);
  steps(1);

  const each = (visit: (sum: Local, offset: number) => void) => {
    for (const [r, row] of sums.entries())
      for (const v of storeOrder(lanes)) visit(row[v], lanes.rowBytes * r + 16 * v);
  };
  f.get(accumulate).if(() => {
    each((sum, offset) => f.get(tile).memory("v128.load", offset).get(sum).op(lanes.add).set(sum));
  });
  const store = () => each((sum, offset) => f.get(tile).get(sum).memory("v128.store", offset));
  if (finish) {
    const parameters = Array.from({ length: finishCount }, (_, i) => f.parameter(bCount + 4 + i));
    const [, rowTables] = parameters as [Local, Local];
    f.get(rowTables).if(() => finish.emit(f, parameters, sums), store);
  } else store();
  return f;
}

/**
 * Emits the loop over the tiles of one panel: `a` and `left` (rows) are advanced, `tiles[r - 1]` is called for r rows
 * after `pushArguments`, and `advance` is called with the local that holds r.
 */
export function emitTileLoop(
  f: FunctionBuilder,
  lanes: Lanes,
  tiles: readonly FunctionBuilder[],
  a: Local,
  k: Local,
  left: Local,
  pushArguments: () => void,
  advance: (rows: Local) => void,
): void {
  const rows = f.local("i32");
  f.loop((again) => {
    emitTileRows(f, left);
    f.set(rows);
    f.block((done) => {
      for (let r = TILE_ROWS; r >= 1; r--) {
        f.get(rows).i32(r).op("i32.eq");
        f.if(() => {
          pushArguments();
          f.call(tiles[r - 1] as FunctionBuilder).br(done);
        });
      }
    });
    f.get(a).get(rows).get(k).op("i32.mul").i32(lanes.size).op("i32.mul").op("i32.add").set(a);
    advance(rows);
    f.get(left).get(rows).op("i32.sub").tee(left).br_if(again);
  });
  f.release(rows);
}

/** `local += rows * bytes` */
function addRows(f: FunctionBuilder, local: Local, rows: Local, bytes: number): void {
  f.get(local).get(rows).i32(bytes).op("i32.mul").op("i32.add").set(local);
}

/** The stores of the panels' sums. */
export interface PanelStores {
  readonly kernel: ContractionKernel;
  readonly plan: StreamPlan;
  readonly tables: StreamTables;
  /** emitStreamEpilogue's function, for panels whose addresses do not allow stores from the registers. */
  readonly epilogue: FunctionBuilder;
}

/**
 * A function (a, ...b, k, rows, tile, accumulate): one panel of columns against `rows` packed rows of A; the tile is
 * `rows` rows long. With `stores`, it has the parameters (last, block, count, rowTables, columnTables) in addition and
 * stores the sums where `last` is 1.
 */
export function emitPanel(
  module: ModuleBuilder,
  lanes: Lanes,
  source: BSource,
  stores: PanelStores | null,
): FunctionBuilder {
  const finish = stores && streamFinish(stores.kernel, lanes, stores.plan, stores.tables);
  const tiles = Array.from({ length: TILE_ROWS }, (_, i) => emitTile(module, lanes, i + 1, source, finish));
  const bCount = bParameterCount(source);
  const f = module.function(new Array(bCount + (stores ? 10 : 5)).fill("i32"), []);
  const a = f.parameter(0);
  const [k, rows, tile, accumulate] = [1, 2, 3, 4].map((i) => f.parameter(bCount + i));
  const left = f.local("i32");
  const tileAt = f.local("i32");
  const pushCommon = () => {
    for (let i = 0; i <= bCount; i++) f.get(f.parameter(i));
    f.get(k).get(tileAt).get(accumulate);
  };
  f.get(rows).set(left);
  f.get(tile).set(tileAt);
  if (stores === null) {
    emitTileLoop(f, lanes, tiles, a, k, left, pushCommon, (r) => addRows(f, tileAt, r, lanes.rowBytes));
    return f;
  }
  const { plan, tables, epilogue } = stores;
  const [last, block, count, rowTables, columnTables] = [5, 6, 7, 8, 9].map((i) => f.parameter(bCount + i));
  const direct = f.local("i32");
  const rowAt = f.local("i32");
  f.get(last).if(() => {
    emitAllAdjacent(f, lanes, plan, tables, count, columnTables);
    f.set(direct);
  });
  f.get(rowTables).i32(0).get(direct).select().set(rowAt);
  const pushArguments = () => {
    pushCommon();
    f.get(block).get(rowAt);
    pushFinishParameters(f, lanes, plan, tables, columnTables);
  };
  emitTileLoop(f, lanes, tiles, a, k, left, pushArguments, (r) => {
    addRows(f, tileAt, r, lanes.rowBytes);
    f.get(rowAt).get(r).get(direct).i32(2).op("i32.shl").op("i32.mul").op("i32.add").set(rowAt);
  });
  f.get(last).get(direct).op("i32.gt_u");
  f.if(() => f.get(block).get(rows).get(count).get(tile).get(rowTables).get(columnTables).call(epilogue));
  return f;
}
