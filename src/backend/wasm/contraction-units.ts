/**
 * How a contraction is divided into work units and blocks of k: by its shape alone, so that results do not depend on who
 * runs which units. The same arithmetic is written twice, for JavaScript and into the module.
 */
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Lanes } from "./contraction-lanes.ts";

/** The most rows of a unit, of 4-byte elements: with DEPTH values of k, an A block that fits the second-level cache. */
export const UNIT_ROWS = 192;
/** The most columns of a unit, and with few rows: then B is read in long runs. */
const UNIT_COLUMNS = 512;
const THIN_COLUMNS = 2048;
/** So few rows are few. */
export const THIN_ROWS = 4;
export const MOST_COLUMNS: number = THIN_COLUMNS;
/** The most values of k that are summed before they are added to the rest: a B panel fits the first-level cache. */
export const DEPTH = 384;
/** Rows of a unit are a multiple of the micro-kernel's, columns a multiple of whole panels. */
const ROW_STEP = 6;
const COLUMN_STEP = 64;
/** So many units are wanted where the shape allows it, so that several threads have something to do. */
const WANTED_UNITS = 8;
const THIN_UNITS = 2;
/** Packed operands up to this size stay packed for other units of the same run. */
const PACKED_BYTES = 4 << 20;

const ceilDivide = (x: number, by: number): number => Math.ceil(x / by);

/** The most rows of a unit. */
export function mostRows(elementBytes: number): number {
  return (4 * UNIT_ROWS) / elementBytes;
}

export interface UnitGrid {
  readonly units: number;
  /** Bytes for packed A, packed B and the tiles. */
  readonly bytes: number;
}

const aligned = (bytes: number): number => (bytes + 63) & ~63;

/** The units of a contraction none of whose sizes but `k` is 0, and the scratch memory that depends on the sizes. */
export function unitGrid(batch: number, m: number, n: number, k: number, { size, rowBytes }: Lanes): UnitGrid {
  const mBlocks = ceilDivide(m, mostRows(size));
  const rows = ceilDivide(ceilDivide(m, mBlocks), ROW_STEP) * ROW_STEP;
  const most = Math.floor(PACKED_BYTES / (Math.max(k, 1) * size));
  const thin = m <= THIN_ROWS && n >= THIN_COLUMNS;
  const parts = ceilDivide(thin ? THIN_UNITS : WANTED_UNITS, batch * mBlocks);
  let columns = Math.min(
    thin ? THIN_COLUMNS : UNIT_COLUMNS,
    ceilDivide(ceilDivide(n, parts), COLUMN_STEP) * COLUMN_STEP,
  );
  if (mBlocks > 1) columns = Math.min(columns, Math.max(COLUMN_STEP, Math.floor(most / COLUMN_STEP) * COLUMN_STEP));
  const nBlocks = ceilDivide(n, columns);
  const blocks = ceilDivide(k, DEPTH);
  const depth = blocks <= 1 ? k : (ceilDivide(k, blocks) + 3) & ~3;
  const a = Math.max(nBlocks > 1 && m <= most ? m * k : 0, 2 * rows * depth) * size + 64;
  const b = mBlocks > 1 && columns <= most ? columns * k * size : depth * rowBytes;
  const tile = rows * rowBytes * (blocks <= 1 && m > THIN_ROWS ? 1 : (columns * size) / rowBytes);
  return { units: batch * mBlocks * nBlocks, bytes: aligned(a) + aligned(b) + aligned(tile) };
}

/** What `emitUnitGrid` sets. */
export interface UnitVariables {
  readonly mBlocks: Local;
  readonly nBlocks: Local;
  readonly unitRows: Local;
  readonly unitColumns: Local;
  /** Values of k in a block, and whether there is only one block. */
  readonly depth: Local;
  readonly single: Local;
  /** Whether all of A, and all of the B of a block of columns, stay packed. */
  readonly keepA: Local;
  readonly keepB: Local;
  /** Offsets after the fixed part of the scratch area, and the size of all. */
  readonly aPacked: Local;
  readonly bPacked: Local;
  readonly tiles: Local;
  readonly scratchBytes: Local;
}

/** Writes the arithmetic of `unitGrid`. `fixedBytes` of the scratch area come before what depends on the sizes. */
export function emitUnitGrid(
  f: FunctionBuilder,
  lanes: Lanes,
  fixedBytes: number,
  [batch, m, n, k]: readonly [Local, Local, Local, Local],
  v: UnitVariables,
): void {
  const { size, rowBytes } = lanes;
  const ceilBy = (pushX: () => void, by: Local): FunctionBuilder => {
    pushX();
    return f.get(by).op("i32.add").i32(1).op("i32.sub").get(by).op("i32.div_u");
  };
  const upTo = (step: number): FunctionBuilder =>
    f
      .i32(step - 1)
      .op("i32.add")
      .i32(step)
      .op("i32.div_u")
      .i32(step)
      .op("i32.mul");
  const select = (pushA: () => void, pushB: () => void, compare: "i32.lt_u" | "i32.gt_u"): FunctionBuilder => {
    pushA();
    pushB();
    pushA();
    pushB();
    return f.op(compare).select();
  };
  const most = f.local("i32");
  const parts = f.local("i32");
  const thin = f.local("i32");
  f.get(m)
    .i32(mostRows(size) - 1)
    .op("i32.add")
    .i32(mostRows(size))
    .op("i32.div_u")
    .set(v.mBlocks);
  ceilBy(() => f.get(m), v.mBlocks);
  upTo(ROW_STEP).set(v.unitRows);
  f.i32(PACKED_BYTES);
  select(
    () => f.get(k),
    () => f.i32(1),
    "i32.gt_u",
  );
  f.i32(size).op("i32.mul").op("i32.div_u").set(most);
  f.get(batch).get(v.mBlocks).op("i32.mul").set(parts);
  f.get(m).i32(THIN_ROWS).op("i32.le_u").get(n).i32(THIN_COLUMNS).op("i32.ge_u").op("i32.and").set(thin);
  ceilBy(() => f.i32(THIN_UNITS).i32(WANTED_UNITS).get(thin).select(), parts).set(parts);
  ceilBy(() => f.get(n), parts);
  upTo(COLUMN_STEP).set(v.unitColumns);
  f.i32(THIN_COLUMNS).i32(UNIT_COLUMNS).get(thin).select().set(thin);
  select(
    () => f.get(v.unitColumns),
    () => f.get(thin),
    "i32.lt_u",
  ).set(v.unitColumns);
  f.get(v.mBlocks).i32(1).op("i32.gt_u");
  f.if(() => {
    f.get(most).i32(COLUMN_STEP).op("i32.div_u").i32(COLUMN_STEP).op("i32.mul").set(parts);
    select(
      () => f.get(parts),
      () => f.i32(COLUMN_STEP),
      "i32.gt_u",
    ).set(parts);
    select(
      () => f.get(v.unitColumns),
      () => f.get(parts),
      "i32.lt_u",
    ).set(v.unitColumns);
  });
  ceilBy(() => f.get(n), v.unitColumns).set(v.nBlocks);
  // Equal parts of k, in whole fours.
  f.get(k)
    .i32(DEPTH - 1)
    .op("i32.add")
    .i32(DEPTH)
    .op("i32.div_u")
    .tee(v.depth)
    .i32(1)
    .op("i32.le_u")
    .tee(v.single);
  f.if(
    () => f.get(k).set(v.depth),
    () => {
      ceilBy(() => f.get(k), v.depth)
        .i32(3)
        .op("i32.add")
        .i32(-4)
        .op("i32.and")
        .set(v.depth);
    },
  );
  f.get(v.nBlocks).i32(1).op("i32.gt_u").get(m).get(most).op("i32.le_u").op("i32.and").set(v.keepA);
  f.get(v.mBlocks).i32(1).op("i32.gt_u").get(v.unitColumns).get(most).op("i32.le_u").op("i32.and").set(v.keepB);

  f.i32(fixedBytes).set(v.aPacked);
  const align = () => f.i32(63).op("i32.add").i32(-64).op("i32.and");
  f.get(m).get(k).op("i32.mul").get(v.keepA).op("i32.mul").set(parts);
  select(
    () => f.get(parts),
    () => f.get(v.unitRows).get(v.depth).op("i32.mul").i32(1).op("i32.shl"),
    "i32.gt_u",
  );
  f.i32(size).op("i32.mul").i32(64).op("i32.add");
  align().get(v.aPacked).op("i32.add").set(v.bPacked);
  f.get(v.unitColumns).get(k).op("i32.mul").i32(size).op("i32.mul");
  f.get(v.depth).i32(rowBytes).op("i32.mul").get(v.keepB).select();
  align().get(v.bPacked).op("i32.add").set(v.tiles);
  f.i32(1)
    .get(v.unitColumns)
    .i32(size)
    .op("i32.mul")
    .i32(rowBytes)
    .op("i32.div_u")
    .get(v.single)
    .get(m)
    .i32(THIN_ROWS)
    .op("i32.gt_u")
    .op("i32.and")
    .select();
  f.get(v.unitRows).op("i32.mul").i32(rowBytes).op("i32.mul");
  align().get(v.tiles).op("i32.add").set(v.scratchBytes);
  f.release(most, parts, thin);
}
