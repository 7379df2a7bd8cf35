/**
 * The innermost loops of a contraction. A tile is up to 6 rows by one panel (two groups of columns): 12 sums, two vectors
 * of B and one splat of A are the 15 vector registers that V8 hands out on x86-64.
 *
 * Neither operand need be packed. A is read at a fixed step for each k, the tile's rows side by side ("step": packed, or a
 * transposed matrix), or from an address for each row, along which k is contiguous ("rows"). B is read at a fixed step
 * too, the panel's columns side by side, or each of the two column groups at its own address plus an offset that a table
 * gives for each k ("table").
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
import { type Lanes, multiplyAdd, storeOrder, TILE_GROUPS, TILE_ROWS } from "./contraction-lanes.ts";

const UNROLL = 4;

/** How a micro-kernel reads A. */
export type ASource = "step" | "rows";
/** How a micro-kernel reads B. */
export type BSource = "step" | "table";

/**
 * What says where A is: [address, bytes for each k or PACKED_STEP, bytes for each row]; for "rows" [address of the table of row addresses,
 * bytes to add to them, 4].
 */
export const A_PARAMETERS = 3;

/** Stands for the bytes of a tile's rows, which lie side by side where A is packed. No step of elements is odd. */
export const PACKED_STEP = 1;

/** What says where B is: [address, bytes for each k]; for "table" [address, table] for each of the groups. */
export function bParameterCount(source: BSource): number {
  return source === "step" ? 2 : 2 * TILE_GROUPS;
}

/**
 * A function (...a, ...b, k, tiles, tile, accumulate) that writes, for `tiles` tiles of `rows` rows below each other, Σ_k
 * to `tile`, whose rows are lanes.rowBytes apart, or adds it to what is there. With `finish`, it takes its parameters too, and
 * unless the row tables are 0 the sums (with what the tile holds) are finished instead of written to the tile.
 */
export function emitTiles(
  module: ModuleBuilder,
  lanes: Lanes,
  rows: number,
  aSource: ASource,
  bSource: BSource,
  finish: TileFinish | null,
): FunctionBuilder {
  const bCount = bParameterCount(bSource);
  const common = A_PARAMETERS + bCount;
  const finishCount = finish?.parameterCount ?? 0;
  const f = module.function(new Array(common + 4 + finishCount).fill("i32"), []);
  const [a, aStep, aRow] = [0, 1, 2].map((i) => f.parameter(i));
  const b = Array.from({ length: bCount }, (_, i) => f.parameter(A_PARAMETERS + i));
  const [k, tiles, tile, accumulate] = [0, 1, 2, 3].map((i) => f.parameter(common + i));
  const finishParameters = Array.from({ length: finishCount }, (_, i) => f.parameter(common + 4 + i));
  const rowTables = finishParameters[1] as Local | undefined;
  const i32 = () => f.local("i32");
  const vectors = TILE_GROUPS * lanes.groupVectors;
  const sums = Array.from({ length: rows }, () => Array.from({ length: vectors }, () => f.local("v128")));
  const x = Array.from({ length: vectors }, () => f.local("v128"));
  const [splat, zero] = [f.local("v128"), f.local("v128")];
  const [address, left] = [i32(), i32()];
  // Where the current k is.
  const aAt = Array.from({ length: aSource === "rows" ? rows : 1 }, i32);
  const bAt = bSource === "step" ? [i32()] : [i32(), i32()];

  const advance = (local: Local, bytes: number) => f.get(local).i32(bytes).op("i32.add").set(local);
  const step = (u: number) => {
    if (bSource === "step") {
      for (let v = 0; v < vectors; v++)
        f.get(bAt[0])
          .memory("v128.load", 16 * v)
          .set(x[v]);
      f.get(bAt[0]).get(b[1]).op("i32.add").set(bAt[0]);
    } else {
      for (let g = 0; g < TILE_GROUPS; g++) {
        f.get(b[2 * g])
          .get(bAt[g])
          .memory("i32.load", 4 * u)
          .op("i32.add")
          .set(address);
        for (let v = 0; v < lanes.groupVectors; v++)
          f.get(address)
            .memory("v128.load", 16 * v)
            .set(x[g * lanes.groupVectors + v]);
      }
    }
    for (const [r, row] of sums.entries()) {
      if (aSource === "step") f.get(aAt[0]).memory(lanes.loadSplat, lanes.size * r);
      else f.get(aAt[r]).memory(lanes.loadSplat, lanes.size * u);
      f.set(splat);
      for (const [v, sum] of row.entries()) multiplyAdd(f, lanes, sum, splat, x[v]);
    }
    if (aSource === "step") f.get(aAt[0]).get(aStep).op("i32.add").set(aAt[0]);
  };
  /** `count` steps `left` times. */
  const steps = (count: number) => {
    f.get(left).if(() => {
      f.loop((again) => {
        for (let u = 0; u < count; u++) step(u);
        if (aSource === "rows") for (const at of aAt) advance(at, count * lanes.size);
        if (bSource === "table") for (const at of bAt) advance(at, 4 * count);
        f.get(left).i32(1).op("i32.sub").tee(left).br_if(again);
      });
    });
  };
  const each = (visit: (sum: Local, offset: number) => void) => {
    for (const [r, row] of sums.entries())
      for (const v of storeOrder(lanes)) visit(row[v], lanes.rowBytes * r + 16 * v);
  };

  if (aSource === "step") {
    f.i32(rows * lanes.size)
      .get(aStep)
      .get(aStep)
      .i32(PACKED_STEP)
      .op("i32.eq")
      .select()
      .set(aStep);
  }
  f.loop((nextTile) => {
    if (aSource === "step") f.get(a).set(aAt[0]);
    else
      for (const [r, at] of aAt.entries())
        f.get(a)
          .memory("i32.load", 4 * r)
          .get(aStep)
          .op("i32.add")
          .set(at);
    if (bSource === "step") f.get(b[0]).set(bAt[0]);
    else for (const [g, at] of bAt.entries()) f.get(b[2 * g + 1]).set(at);
    for (const row of sums) for (const sum of row) f.get(zero).set(sum);
    f.get(k).i32(Math.log2(UNROLL)).op("i32.shr_u").set(left);
    steps(UNROLL);
    f.get(k)
      .i32(UNROLL - 1)
      .op("i32.and")
      .set(left);
    steps(1);
    f.get(accumulate).if(() => {
      each((sum, offset) => f.get(tile).memory("v128.load", offset).get(sum).op(lanes.add).set(sum));
    });
    const store = () => each((sum, offset) => f.get(tile).get(sum).memory("v128.store", offset));
    if (finish && rowTables) {
      f.get(rowTables).if(() => {
        finish.emit(f, finishParameters, sums);
        advance(rowTables, 4 * rows);
      }, store);
    } else store();
    f.get(a).get(aRow).i32(rows).op("i32.mul").op("i32.add").set(a);
    advance(tile, lanes.rowBytes * rows);
    f.get(tiles).i32(1).op("i32.sub").tee(tiles).br_if(nextTile);
  });
  return f;
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
 * A function (...a, ...b, k, rows, tile, accumulate): one panel of columns against `rows` rows of A; the tile is `rows` rows
 * long. With `stores`, it has the parameters (last, block, count, rowTables, columnTables) in addition and stores the
 * sums where `last` is 1.
 */
export function emitPanel(
  module: ModuleBuilder,
  lanes: Lanes,
  aSource: ASource,
  bSource: BSource,
  stores: PanelStores | null,
): FunctionBuilder {
  const finish = stores && streamFinish(stores.kernel, lanes, stores.plan, stores.tables);
  const functions = Array.from({ length: TILE_ROWS }, (_, i) =>
    emitTiles(module, lanes, i + 1, aSource, bSource, finish),
  );
  const common = A_PARAMETERS + bParameterCount(bSource);
  const f = module.function(new Array(common + (stores ? 9 : 4)).fill("i32"), []);
  const [a, , aRow] = [0, 1, 2].map((i) => f.parameter(i));
  const [k, rows, tile, accumulate] = [0, 1, 2, 3].map((i) => f.parameter(common + i));
  const i32 = () => f.local("i32");
  const [left, tiles, height, tileAt, direct, rowAt] = [i32(), i32(), i32(), i32(), i32(), i32()];
  const extra = stores ? [4, 5, 6, 7, 8].map((i) => f.parameter(common + i)) : [];
  const [last, block, count, rowTables, columnTables] = extra;
  if (stores) {
    f.get(last).if(() => {
      emitAllAdjacent(f, lanes, stores.plan, stores.tables, count, columnTables);
      f.set(direct);
    });
    f.get(rowTables).i32(0).get(direct).select().set(rowAt);
  }
  f.get(rows).set(left);
  f.get(tile).set(tileAt);
  f.loop((again) => {
    // As many whole tiles as leave none or 4 to 9 rows, which are a tile or two of half as many (see emitTileRows).
    f.get(left).i32(TILE_ROWS).op("i32.eq");
    f.get(left).i32(10).op("i32.ge_s").op("i32.or");
    f.if(
      () => {
        f.i32(TILE_ROWS).set(height);
        f.i32(1);
        f.get(left).i32(4).op("i32.sub").i32(TILE_ROWS).op("i32.div_u");
        f.get(left).i32(TILE_ROWS).op("i32.eq").select().set(tiles);
      },
      () => {
        f.i32(1).set(tiles);
        f.get(left);
        f.get(left).i32(1).op("i32.add").i32(1).op("i32.shr_u");
        f.get(left).i32(TILE_ROWS).op("i32.lt_s").select().set(height);
      },
    );
    f.block((done) => {
      for (let r = TILE_ROWS; r >= 1; r--) {
        f.get(height).i32(r).op("i32.eq");
        f.if(() => {
          for (let i = 0; i < common; i++) f.get(f.parameter(i));
          f.get(k).get(tiles).get(tileAt).get(accumulate);
          if (stores) {
            f.get(block).get(rowAt);
            pushFinishParameters(f, lanes, stores.plan, stores.tables, columnTables);
          }
          f.call(functions[r - 1] as FunctionBuilder).br(done);
        });
      }
    });
    f.get(height).get(tiles).op("i32.mul").set(height);
    f.get(a).get(aRow).get(height).op("i32.mul").op("i32.add").set(a);
    f.get(tileAt).get(height).i32(lanes.rowBytes).op("i32.mul").op("i32.add").set(tileAt);
    f.get(rowAt).get(height).get(direct).i32(2).op("i32.shl").op("i32.mul").op("i32.add").set(rowAt);
    f.get(left).get(height).op("i32.sub").tee(left).br_if(again);
  });
  if (stores) {
    f.get(last).get(direct).op("i32.gt_u");
    f.if(() => f.get(block).get(rows).get(count).get(tile).get(rowTables).get(columnTables).call(stores.epilogue));
  }
  return f;
}
