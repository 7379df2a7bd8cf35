/**
 * Contractions as dot products, for operands that are both contiguous along k: vectors run along k, a tile is 6 rows by 2
 * columns of vector sums, and B is read where it lies. With few rows this beats the transposing copy that vectors along
 * n would need; a convolution's gradient to its weight has no other contiguous direction.
 *
 * k is cut into chunks of one vector. A run along the innermost axis of k whose length is no multiple of four ends with a
 * chunk that overlaps the one before, with a mask that hides what is already counted (in both operands, since 0 · ∞ is
 * not 0).
 */
import type { Axis } from "../../ir/expr.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { type AffineAccess, emitDecode, Parameters } from "./contraction-affine.ts";
import { emitTileRows, type Lanes, multiplyAdd, TILE_ROWS } from "./contraction-lanes.ts";
import { shuffleLanes } from "./contraction-pack.ts";

/** With more rows than this, B is transposed into panels instead. */
const DOT_ROWS = 96;
/** The same where panels are computed with 256-bit instructions, which dot products are not. */
const WIDE_DOT_ROWS = 8;
const LANES = 4;
const COLUMNS = 2;

/** Pushes 1 if this launch is better computed as dot products. */
export function emitUseDot(
  f: FunctionBuilder,
  lanes: Lanes,
  parameters: Parameters,
  m: Local,
  [a, b]: readonly [AffineAccess, AffineAccess],
  kAxes: readonly Axis[],
  nAxes: readonly Axis[],
): void {
  const axis = kAxes[kAxes.length - 1];
  const strides = axis && ([a.strides.get(axis), b.strides.get(axis)] as const);
  if (!axis || !strides?.[0] || !strides[1]) {
    f.i32(0);
    return;
  }
  const length = parameters.local(axis.size);
  f.get(m)
    .i32(lanes.groupVectors === 2 ? WIDE_DOT_ROWS : DOT_ROWS)
    .op("i32.le_s");
  for (const stride of strides) {
    parameters.push(stride as NonNullable<typeof stride>);
    f.i32(1).op("i32.eq").op("i32.and");
  }
  // Five would waste three lanes of eight.
  f.get(length).i32(LANES).op("i32.ge_s").op("i32.and");
  f.get(length).i32(5).op("i32.ne").op("i32.and");
  const along = nAxes[nAxes.length - 1];
  const alongStride = along && b.strides.get(along);
  if (along && alongStride) {
    // Vectors along n serve as well if B is contiguous there, and better if the runs are longer.
    parameters.push(alongStride);
    f.i32(1).op("i32.ne");
    parameters.push(along.size);
    f.get(length).op("i32.lt_s").op("i32.or").op("i32.and");
  }
}

/** Pushes whether chunks need masks. */
export function emitNeedsMask(f: FunctionBuilder, parameters: Parameters, kAxes: readonly Axis[]): void {
  parameters.push((kAxes[kAxes.length - 1] as Axis).size);
  f.i32(LANES - 1).op("i32.and");
}

/**
 * A function (block, k0, count, aTable, bTable, masks) → number of chunks. It writes for each chunk the byte offset of
 * its first element in A and in B, and its mask of 16 bytes.
 */
export function emitChunks(
  module: ModuleBuilder,
  bufferCount: number,
  accesses: readonly [AffineAccess, AffineAccess],
  kAxes: readonly Axis[],
): FunctionBuilder {
  const f = module.function(new Array(6).fill("i32"), ["i32"]);
  const [block, k0, left, aTable, bTable, masks] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const parameters = new Parameters(f, block, bufferCount);
  const i32 = () => f.local("i32");
  const sizes = kAxes.map((axis) => parameters.local(axis.size));
  const outer = kAxes.slice(0, -1);
  const strides = accesses.map((access) =>
    outer.map((axis) => {
      const local = i32();
      const stride = access.strides.get(axis);
      if (stride) {
        parameters.push(stride);
        f.i32(access.bytes).op("i32.mul").set(local);
      } else f.i32(0).set(local);
      return local;
    }),
  );
  const indices = kAxes.map(i32);
  const index = indices[indices.length - 1];
  const length = sizes[sizes.length - 1];
  // The offsets where the innermost index is 0.
  const runs = accesses.map(i32);
  const [count, start, here, low] = [i32(), i32(), i32(), i32()];
  const ramp = f.local("v128");
  f.get(left)
    .op("i32.eqz")
    .if(() => f.i32(0).return());
  emitDecode(f, k0, sizes, indices);
  for (const [o, run] of runs.entries()) {
    f.i32(0).set(run);
    for (const i of outer.keys()) f.get(run).get(indices[i]).get(strides[o][i]).op("i32.mul").op("i32.add").set(run);
  }
  f.v128(new Uint8Array(new Int32Array([0, 1, 2, 3]).buffer)).set(ramp);
  const minimum = (a: () => void, b: () => void) => {
    a();
    b();
    a();
    b();
    f.op("i32.lt_s").select();
  };
  f.loop((again) => {
    // `here` new elements from `index`; the chunk starts there or as much before as the run's end demands.
    minimum(
      () => f.get(length).get(index).op("i32.sub"),
      () => f.get(left),
    );
    f.set(here);
    minimum(
      () => f.get(here),
      () => f.i32(LANES),
    );
    f.set(here);
    minimum(
      () => f.get(index),
      () => f.get(length).i32(LANES).op("i32.sub"),
    );
    f.set(start);
    for (const [o, table] of [aTable, bTable].entries()) {
      f.get(table).get(runs[o]).get(start).i32(2).op("i32.shl").op("i32.add").memory("i32.store");
      f.get(table).i32(4).op("i32.add").set(table);
    }
    f.get(index).get(start).op("i32.sub").set(low);
    f.get(masks);
    f.get(ramp).get(low).op("i32x4.splat").op("i32x4.ge_s");
    f.get(ramp).get(low).get(here).op("i32.add").op("i32x4.splat").op("i32x4.lt_s");
    f.op("v128.and").memory("v128.store");
    f.get(masks).i32(16).op("i32.add").set(masks);
    f.get(count).i32(1).op("i32.add").set(count);
    f.get(index).get(here).op("i32.add").tee(index).get(length).op("i32.ge_s");
    f.if(() => {
      f.i32(0).set(index);
      f.block((done) => {
        for (let i = outer.length - 1; i >= 0; i--) {
          for (const [o, run] of runs.entries()) f.get(run).get(strides[o][i]).op("i32.add").set(run);
          f.get(indices[i]).i32(1).op("i32.add").tee(indices[i]).get(sizes[i]).op("i32.lt_u").br_if(done);
          f.i32(0).set(indices[i]);
          for (const [o, run] of runs.entries())
            f.get(run).get(sizes[i]).get(strides[o][i]).op("i32.mul").op("i32.sub").set(run);
        }
      });
    });
    f.get(left).get(here).op("i32.sub").tee(left).br_if(again);
  });
  f.get(count);
  return f;
}

/** A function (rowTable, table, masks, chunks, rows, dest): packs A as, for each chunk, one vector for each row of a tile. */
export function emitPackDot(module: ModuleBuilder): FunctionBuilder {
  const f = module.function(new Array(6).fill("i32"), []);
  const [rowTable, table, masks, chunks, left, dest] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const i32 = () => f.local("i32");
  const [rows, row, source, to, at, maskAt, end, step] = [i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32()];
  f.get(chunks)
    .op("i32.eqz")
    .if(() => f.return());
  f.get(table).get(chunks).i32(2).op("i32.shl").op("i32.add").set(end);
  f.loop((again) => {
    emitTileRows(f, left);
    f.tee(rows).i32(4).op("i32.shl").set(step);
    f.i32(0).set(row);
    f.loop((nextRow) => {
      f.get(rowTable).memory("i32.load").set(source);
      f.get(rowTable).i32(4).op("i32.add").set(rowTable);
      f.get(dest).get(row).i32(4).op("i32.shl").op("i32.add").set(to);
      f.get(table).set(at);
      f.get(masks).set(maskAt);
      f.loop((nextChunk) => {
        f.get(to).get(source).get(at).memory("i32.load").op("i32.add").memory("v128.load");
        f.get(maskAt).memory("v128.load").op("v128.and").memory("v128.store");
        f.get(to).get(step).op("i32.add").set(to);
        f.get(maskAt).i32(16).op("i32.add").set(maskAt);
        f.get(at).i32(4).op("i32.add").tee(at).get(end).op("i32.ne").br_if(nextChunk);
      });
      f.get(row).i32(1).op("i32.add").tee(row).get(rows).op("i32.lt_u").br_if(nextRow);
    });
    f.get(dest).get(step).get(chunks).op("i32.mul").op("i32.add").set(dest);
    f.get(left).get(rows).op("i32.sub").tee(left).br_if(again);
  });
  return f;
}

/** A function (a, b0, b1, table, masks, chunks, tile, accumulate) for `rows` rows and two columns; masks may be 0. */
function emitDotTile(module: ModuleBuilder, lanes: Lanes, rows: number): FunctionBuilder {
  const f = module.function(new Array(8).fill("i32"), []);
  const [a, b0, b1, table, masks, chunks, tile, accumulate] = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => f.parameter(i));
  const sums = Array.from({ length: rows }, () => [f.local("v128"), f.local("v128")] as const);
  const x = [f.local("v128"), f.local("v128")] as const;
  const vector = f.local("v128");
  const end = f.local("i32");
  const offset = f.local("i32");
  const chunkLoop = (masked: boolean) => {
    f.loop((again) => {
      f.get(table).memory("i32.load").set(offset);
      for (const [c, b] of [b0, b1].entries()) {
        f.get(b).get(offset).op("i32.add").memory("v128.load");
        if (masked) f.get(masks).memory("v128.load").op("v128.and");
        f.set(x[c] as Local);
      }
      for (const [r, [sum0, sum1]] of sums.entries()) {
        f.get(a)
          .memory("v128.load", 16 * r)
          .set(vector);
        multiplyAdd(f, lanes, sum0, vector, x[0]);
        multiplyAdd(f, lanes, sum1, vector, x[1]);
      }
      f.get(a)
        .i32(16 * rows)
        .op("i32.add")
        .set(a);
      if (masked) f.get(masks).i32(16).op("i32.add").set(masks);
      f.get(table).i32(4).op("i32.add").tee(table).get(end).op("i32.ne").br_if(again);
    });
  };
  f.get(chunks).if(() => {
    f.get(table).get(chunks).i32(2).op("i32.shl").op("i32.add").set(end);
    f.get(masks).if(
      () => chunkLoop(true),
      () => chunkLoop(false),
    );
  });

  // [a0 + a2, a1 + a3, b0 + b2, b1 + b3] of each row, then the same of pairs of rows.
  const halves = sums.map(([p, q]) => {
    f.get(p)
      .get(q)
      .shuffle(shuffleLanes(4, [0, 1, 4, 5]));
    f.get(p)
      .get(q)
      .shuffle(shuffleLanes(4, [2, 3, 6, 7]));
    f.op("f32x4.add").set(p);
    return p;
  });
  for (let r = 0; r < rows; r += 2) {
    const p = halves[r] as Local;
    const two = r + 1 < rows;
    const q = two ? (halves[r + 1] as Local) : p;
    f.get(p)
      .get(q)
      .shuffle(shuffleLanes(4, [0, 2, 4, 6]));
    f.get(p)
      .get(q)
      .shuffle(shuffleLanes(4, [1, 3, 5, 7]));
    f.op("f32x4.add").set(vector);
    f.get(accumulate).if(() => {
      f.get(tile)
        .memory("v128.load64_zero", lanes.rowBytes * r)
        .set(x[0]);
      if (two)
        f.get(tile)
          .get(x[0])
          .memoryLane("v128.load64_lane", 1, lanes.rowBytes * (r + 1))
          .set(x[0]);
      f.get(vector).get(x[0]).op("f32x4.add").set(vector);
    });
    f.get(tile)
      .get(vector)
      .memoryLane("v128.store64_lane", 0, lanes.rowBytes * r);
    if (two)
      f.get(tile)
        .get(vector)
        .memoryLane("v128.store64_lane", 1, lanes.rowBytes * (r + 1));
  }
  return f;
}

/**
 * Emits the loop over the tiles of one pair of columns: `a` and `left` (rows) are advanced, `tiles[r - 1]` is called for r
 * rows after `pushArguments`, and `advance` is called with the local that holds r.
 */
function emitTileLoop(
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

/**
 * A function (a, columnTable, table, masks, chunks, rows, tile, accumulate, count): `count` columns of a panel against
 * `rows` packed rows of A.
 */
export function emitDotPanel(module: ModuleBuilder, lanes: Lanes): FunctionBuilder {
  const tiles = Array.from({ length: TILE_ROWS }, (_, i) => emitDotTile(module, lanes, i + 1));
  const f = module.function(new Array(9).fill("i32"), []);
  const [a, columnTable, table, masks, chunks, rows, tile, accumulate, count] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) =>
    f.parameter(i),
  );
  const i32 = () => f.local("i32");
  const [aAt, b0, b1, left, tileAt, depth] = [i32(), i32(), i32(), i32(), i32(), i32()];
  f.get(chunks).i32(LANES).op("i32.mul").set(depth);
  f.loop((nextPair) => {
    f.get(columnTable).memory("i32.load").set(b0);
    // Where there is no second column, the first is computed twice.
    f.get(columnTable).memory("i32.load", 4).get(b0).get(count).i32(1).op("i32.gt_s").select().set(b1);
    f.get(a).set(aAt);
    f.get(rows).set(left);
    f.get(tile).set(tileAt);
    const pushArguments = () => {
      f.get(aAt).get(b0).get(b1).get(table).get(masks).get(chunks).get(tileAt).get(accumulate);
    };
    emitTileLoop(f, lanes, tiles, aAt, depth, left, pushArguments, (r) => {
      f.get(tileAt).get(r).i32(lanes.rowBytes).op("i32.mul").op("i32.add").set(tileAt);
    });
    f.get(columnTable)
      .i32(4 * COLUMNS)
      .op("i32.add")
      .set(columnTable);
    f.get(tile)
      .i32(4 * COLUMNS)
      .op("i32.add")
      .set(tile);
    f.get(count).i32(COLUMNS).op("i32.sub").tee(count).i32(0).op("i32.gt_s").br_if(nextPair);
  });
  return f;
}
