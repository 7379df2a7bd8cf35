/**
 * The innermost loops of a contraction. One call computes a tile of up to 6 rows by one panel (two vectors of columns):
 * 12 sums, two vectors of B and one splat of A are the 15 vector registers that V8 hands out on x86-64.
 *
 * A is packed: for each k, the tile's rows side by side. B is either packed the same way (for each k, the panel's
 * columns side by side), or read where it lies, each of the two column groups at its own address plus an offset
 * that a table gives for each k.
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { type Lanes, multiplyAdd } from "./contraction-lanes.ts";

/** Rows of the largest tile. */
export const TILE_ROWS = 6;
/** Bytes of a row of the tile: two vectors. */
export const TILE_ROW_BYTES = 32;
const UNROLL = 4;

/** Where a micro-kernel reads B: in a packed panel, or through a table of offsets. */
export type BSource = "panel" | "table";

/** The locals that say where B is; for "panel" [address], for "table" [address, table] for each of the groups. */
export function bParameterCount(source: BSource): number {
  return source === "panel" ? 1 : 4;
}

/**
 * A function (a, ...b, k, tile, accumulate) that writes Σ_k to `tile`, whose rows are TILE_ROW_BYTES apart, or adds
 * it to what is there.
 */
function emitTile(module: ModuleBuilder, lanes: Lanes, rows: number, source: BSource): FunctionBuilder {
  const bCount = bParameterCount(source);
  const f = module.function(new Array(bCount + 4).fill("i32"), []);
  const a = f.parameter(0);
  const b = Array.from({ length: bCount }, (_, i) => f.parameter(1 + i));
  const k = f.parameter(bCount + 1);
  const tile = f.parameter(bCount + 2);
  const accumulate = f.parameter(bCount + 3);
  const sums = Array.from({ length: rows }, () => [f.local("v128"), f.local("v128")]);
  const x = [f.local("v128"), f.local("v128")];
  const splat = f.local("v128");
  const end = f.local("i32");
  const stepBytes = rows * lanes.size;

  const step = (u: number) => {
    for (const g of [0, 1]) {
      if (source === "panel") f.get(b[0]).memory("v128.load", TILE_ROW_BYTES * u + 16 * g);
      else {
        f.get(b[2 * g])
          .get(b[2 * g + 1])
          .memory("i32.load", 4 * u)
          .op("i32.add")
          .memory("v128.load");
      }
      f.set(x[g]);
    }
    for (let r = 0; r < rows; r++) {
      f.get(a)
        .memory(lanes.loadSplat, stepBytes * u + lanes.size * r)
        .set(splat);
      multiplyAdd(f, lanes, sums[r][0], splat, x[0]);
      multiplyAdd(f, lanes, sums[r][1], splat, x[1]);
    }
  };
  const advance = (u: number) => {
    f.get(a)
      .i32(stepBytes * u)
      .op("i32.add")
      .set(a);
    if (source === "panel")
      f.get(b[0])
        .i32(TILE_ROW_BYTES * u)
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
    for (const [r, pair] of sums.entries()) for (const g of [0, 1]) visit(pair[g], TILE_ROW_BYTES * r + 16 * g);
  };
  f.get(accumulate).if(() => {
    each((sum, offset) => f.get(tile).memory("v128.load", offset).get(sum).op(lanes.add).set(sum));
  });
  each((sum, offset) => f.get(tile).get(sum).memory("v128.store", offset));
  return f;
}

/** Puts on the stack how many rows the next tile has when `left` rows are left: no tile of 1 to 3 after one of 6. */
export function emitTileRows(f: FunctionBuilder, left: Local): void {
  // 6 when it leaves none or at least 4; else half of the rest (7, 8 and 9 become 4 + 3, 4 + 4 and 5 + 4).
  f.get(left).i32(TILE_ROWS).op("i32.le_s");
  f.if(
    () => f.get(left),
    () => {
      f.get(left).i32(1).op("i32.add").i32(1).op("i32.shr_u").i32(TILE_ROWS);
      f.get(left).i32(10).op("i32.lt_s").select();
    },
    "i32",
  );
}

/**
 * A function (a, ...b, k, rows, tile, accumulate): one panel of columns against `rows` packed rows of A; the tile is
 * `rows` rows long.
 */
export function emitPanel(module: ModuleBuilder, lanes: Lanes, source: BSource): FunctionBuilder {
  const tiles = Array.from({ length: TILE_ROWS }, (_, i) => emitTile(module, lanes, i + 1, source));
  const bCount = bParameterCount(source);
  const f = module.function(new Array(bCount + 5).fill("i32"), []);
  const a = f.parameter(0);
  const k = f.parameter(bCount + 1);
  const left = f.parameter(bCount + 2);
  const tile = f.parameter(bCount + 3);
  const accumulate = f.parameter(bCount + 4);
  const rows = f.local("i32");
  f.loop((again) => {
    emitTileRows(f, left);
    f.set(rows);
    f.block((done) => {
      for (let r = TILE_ROWS; r >= 1; r--) {
        f.get(rows).i32(r).op("i32.eq");
        f.if(() => {
          f.get(a);
          for (let i = 0; i < bCount; i++) f.get(f.parameter(1 + i));
          f.get(k)
            .get(tile)
            .get(accumulate)
            .call(tiles[r - 1]);
          f.br(done);
        });
      }
    });
    f.get(a).get(rows).get(k).op("i32.mul").i32(lanes.size).op("i32.mul").op("i32.add").set(a);
    f.get(tile).get(rows).i32(TILE_ROW_BYTES).op("i32.mul").op("i32.add").set(tile);
    f.get(left).get(rows).op("i32.sub").tee(left).br_if(again);
  });
  return f;
}
