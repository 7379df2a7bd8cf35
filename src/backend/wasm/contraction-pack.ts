/**
 * Packing: copies a block of A or B to where the micro-kernel reads it with unit stride. A goes to one run for each
 * tile of rows (for each k, the tile's rows), B to panels of two vectors of columns (for each k, the columns, zero where the
 * matrix has ended).
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { emitTileRows, type Lanes, TILE_ROW_BYTES } from "./contraction-lanes.ts";

/** Adds a constant or a local to a local. */
function increase(f: FunctionBuilder, local: Local, by: number | Local): void {
  f.get(local);
  if (typeof by === "number") f.i32(by);
  else f.get(by);
  f.op("i32.add").set(local);
}

/** Pushes 1 where the `lanes.count` offsets at table address `table` are those of adjacent elements, else 0. */
export function emitAdjacent(f: FunctionBuilder, lanes: Lanes, table: Local): void {
  if (lanes.count === 2) {
    f.get(table).memory("i32.load", 4).get(table).memory("i32.load").op("i32.sub").i32(lanes.size).op("i32.eq");
    return;
  }
  const ramp = new Int32Array([0, 1, 2, 3].map((i) => i * lanes.size));
  f.get(table).memory("v128.load32_splat").v128(new Uint8Array(ramp.buffer)).op("i32x4.add");
  f.get(table).memory("v128.load", 0, 2).op("i32x4.eq").op("i32x4.all_true");
}

/** Copies one element for each k: from `source` + depth[k] to `dest`, `dest` + step, … Destroys `dest`. */
function emitCopyDepth(
  f: FunctionBuilder,
  lanes: Lanes,
  source: Local,
  depth: Local,
  k: Local,
  dest: Local,
  step: Local | number,
  vector: boolean,
): void {
  const at = f.local("i32");
  const end = f.local("i32");
  f.get(depth).tee(at).get(k).i32(2).op("i32.shl").op("i32.add").set(end);
  f.get(k).if(() => {
    f.loop((again) => {
      f.get(dest).get(source).get(at).memory("i32.load").op("i32.add");
      if (vector) f.memory("v128.load").memory("v128.store");
      else f.memory(lanes.load).memory(lanes.store);
      increase(f, dest, step);
      f.get(at).i32(4).op("i32.add").tee(at).get(end).op("i32.ne").br_if(again);
    });
  });
  f.release(at, end);
}

/** A function (rowTable, depth, rows, k, dest): packs `rows` rows of A. */
export function emitPackA(module: ModuleBuilder, lanes: Lanes): FunctionBuilder {
  const f = module.function(new Array(5).fill("i32"), []);
  const [rowTable, depth, left, k, dest] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
  const rows = f.local("i32");
  const row = f.local("i32");
  const source = f.local("i32");
  const to = f.local("i32");
  const step = f.local("i32");
  f.loop((again) => {
    emitTileRows(f, left);
    f.tee(rows).i32(lanes.size).op("i32.mul").set(step);
    f.i32(0).set(row);
    f.loop((next) => {
      f.get(rowTable).memory("i32.load").set(source);
      increase(f, rowTable, 4);
      f.get(dest).get(row).i32(lanes.size).op("i32.mul").op("i32.add").set(to);
      emitCopyDepth(f, lanes, source, depth, k, to, step, false);
      f.get(row).i32(1).op("i32.add").tee(row).get(rows).op("i32.lt_u").br_if(next);
    });
    f.get(dest).get(step).get(k).op("i32.mul").op("i32.add").set(dest);
    f.get(left).get(rows).op("i32.sub").tee(left).br_if(again);
  });
  return f;
}

/** A function (columnTable, depth, count, k, dest): packs a panel of B, `count` of whose columns exist. */
export function emitPackB(module: ModuleBuilder, lanes: Lanes): FunctionBuilder {
  const f = module.function(new Array(5).fill("i32"), []);
  const [columnTable, depth, count, k, dest] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
  const column = f.local("i32");
  const source = f.local("i32");
  const table = f.local("i32");
  const to = f.local("i32");
  // Columns that do not exist are zero.
  f.get(count)
    .i32(2 * lanes.count)
    .op("i32.lt_s");
  f.if(() => {
    f.get(dest).i32(0).get(k).i32(TILE_ROW_BYTES).op("i32.mul").memory_fill();
  });
  f.loop((again) => {
    f.get(columnTable).get(column).i32(2).op("i32.shl").op("i32.add").tee(table).memory("i32.load").set(source);
    f.get(dest).get(column).i32(lanes.size).op("i32.mul").op("i32.add").set(to);
    f.get(count).get(column).op("i32.sub").i32(lanes.count).op("i32.ge_s");
    f.get(column)
      .i32(lanes.count - 1)
      .op("i32.and")
      .op("i32.eqz")
      .op("i32.and");
    f.if(
      () => emitAdjacent(f, lanes, table),
      () => f.i32(0),
      "i32",
    );
    f.if(
      () => {
        emitCopyDepth(f, lanes, source, depth, k, to, TILE_ROW_BYTES, true);
        increase(f, column, lanes.count);
      },
      () => {
        emitCopyDepth(f, lanes, source, depth, k, to, TILE_ROW_BYTES, false);
        increase(f, column, 1);
      },
    );
    f.get(column).get(count).op("i32.lt_s").br_if(again);
  });
  return f;
}
