/**
 * Contractions of few rows, which are bound by reading B. Where B is contiguous along n, its rows are read in long runs and
 * added to rows of sums; where both operands are contiguous along k, each sum is a dot product of 256-bit vectors.
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { type Lanes, multiplyAdd, storeOrder, TILE_GROUPS } from "./contraction-lanes.ts";
import { shuffleLanes } from "./contraction-pack.ts";

/** Values of k that are added to the sums at a time. */
const RUN_DEPTH = 8;

/**
 * A function (aRows, aDepth, b, bStep, k, rows, tile, panels, accumulate): the sums over `k` values for `panels` whole panels
 * of columns, to the panels' tiles from `tile` on. `b` is the address of the first column, and columns are adjacent;
 * the tables have the addresses of A's rows and the offsets of k.
 */
export function emitThinPanels(module: ModuleBuilder, lanes: Lanes): FunctionBuilder {
  const f = module.function(new Array(9).fill("i32"), []);
  const [aRows, aDepth, b, bStep, k, rows, tile, panels, accumulate] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) =>
    f.parameter(i),
  );
  const i32 = () => f.local("i32");
  const [row, at, left, source, tileStep] = [i32(), i32(), i32(), i32(), i32()];
  const addresses = Array.from({ length: RUN_DEPTH }, i32);
  const factors = addresses.map(() => f.local("v128"));
  const vectors = TILE_GROUPS * lanes.groupVectors;
  const sums = Array.from({ length: vectors }, () => f.local("v128"));
  const parts = sums.map(() => f.local("v128"));
  const x = sums.map(() => f.local("v128"));
  f.get(panels)
    .op("i32.eqz")
    .if(() => f.return());
  f.get(rows).i32(lanes.rowBytes).op("i32.mul").set(tileStep);
  f.get(accumulate)
    .op("i32.eqz")
    .if(() => f.get(tile).i32(0).get(tileStep).get(panels).op("i32.mul").memory_fill());
  /** `depth` values of k, for all rows and panels. */
  const run = (depth: number) => {
    f.i32(0).set(row);
    f.loop((nextRow) => {
      f.get(aRows).get(row).i32(2).op("i32.shl").op("i32.add").memory("i32.load").set(source);
      for (let i = 0; i < depth; i++) {
        f.get(source)
          .get(aDepth)
          .memory("i32.load", 4 * i)
          .op("i32.add")
          .memory(lanes.loadSplat)
          .set(factors[i]);
        if (i === 0) f.get(b);
        else
          f.get(addresses[i - 1])
            .get(bStep)
            .op("i32.add");
        f.set(addresses[i]);
      }
      f.get(tile).get(row).i32(lanes.rowBytes).op("i32.mul").op("i32.add").set(at);
      f.get(panels).set(left);
      f.loop((nextPanel) => {
        for (const [v, sum] of sums.entries())
          f.get(at)
            .memory("v128.load", 16 * v)
            .set(sum);
        for (let i = 0; i < depth; i++) {
          for (const [v, vector] of x.entries())
            f.get(addresses[i])
              .memory("v128.load", 16 * v)
              .set(vector);
          for (const [v, part] of parts.entries()) {
            if (i === 0 && depth > 1) f.get(factors[0]).get(x[v]).op(lanes.mul).set(part);
            else multiplyAdd(f, lanes, depth > 1 ? part : sums[v], factors[i], x[v]);
          }
          f.get(addresses[i]).i32(lanes.rowBytes).op("i32.add").set(addresses[i]);
        }
        // The long sum takes up parts of 8 products, so its error grows with k / 8.
        if (depth > 1) for (const [v, part] of parts.entries()) f.get(sums[v]).get(part).op(lanes.add).set(sums[v]);
        for (const v of storeOrder(lanes))
          f.get(at)
            .get(sums[v])
            .memory("v128.store", 16 * v);
        f.get(at).get(tileStep).op("i32.add").set(at);
        f.get(left).i32(1).op("i32.sub").tee(left).br_if(nextPanel);
      });
      f.get(row).i32(1).op("i32.add").tee(row).get(rows).op("i32.lt_u").br_if(nextRow);
    });
    f.get(b).get(bStep).i32(depth).op("i32.mul").op("i32.add").set(b);
    f.get(aDepth)
      .i32(4 * depth)
      .op("i32.add")
      .set(aDepth);
    f.get(k).i32(depth).op("i32.sub").set(k);
  };
  f.block((done) => {
    f.loop((again) => {
      f.get(k).i32(RUN_DEPTH).op("i32.lt_u").br_if(done);
      run(RUN_DEPTH);
      f.br(again);
    });
  });
  f.block((done) => {
    f.loop((again) => {
      f.get(k).op("i32.eqz").br_if(done);
      run(1);
      f.br(again);
    });
  });
  return f;
}

const DOT_COLUMNS = 4;

/**
 * A function (rowTable, columnTable, count, k, tile, scratch) for `rows` rows and `count` columns, `columns` at a time:
 * 8 sums of 256 bits keep both multiply-add units busy. The columns that are missing repeat the last.
 */
export function emitDotBlock(module: ModuleBuilder, lanes: Lanes, rows: number, columns: number): FunctionBuilder {
  const f = module.function(new Array(6).fill("i32"), []);
  const [rowTable, columnTable, count, k, tile, scratch] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const i32 = () => f.local("i32");
  const v128 = () => f.local("v128");
  const repeats = 8 / (rows * columns);
  const a = Array.from({ length: rows }, i32);
  const b = Array.from({ length: columns }, i32);
  const wide = Array.from({ length: rows * columns * repeats }, () => [v128(), v128()] as const);
  const sums = Array.from({ length: rows * columns }, v128);
  const x = Array.from({ length: rows }, () => [v128(), v128()] as const);
  const y = [v128(), v128()] as const;
  const [left, last] = [i32(), i32()];
  const [spare, zero] = [v128(), v128()];
  const advance = (bytes: number) => {
    for (const at of [...a, ...b]) f.get(at).i32(bytes).op("i32.add").set(at);
  };
  f.loop((nextColumns) => {
    for (const [r, at] of a.entries())
      f.get(rowTable)
        .memory("i32.load", 4 * r)
        .set(at);
    f.get(count).i32(1).op("i32.sub").set(last);
    for (const [c, at] of b.entries()) {
      f.get(columnTable);
      f.i32(c).get(last).i32(c).get(last).op("i32.lt_s").select();
      f.i32(2).op("i32.shl").op("i32.add").memory("i32.load").set(at);
    }
    for (const pair of wide) for (const half of pair) f.get(zero).set(half);
    f.get(k)
      .i32(8 * repeats)
      .op("i32.div_u")
      .tee(left);
    f.if(() => {
      f.loop((again) => {
        for (let u = 0; u < repeats; u++) {
          for (const [r, at] of a.entries())
            for (const h of [0, 1])
              f.get(at)
                .memory("v128.load", 32 * u + 16 * h)
                .set(x[r][h] as Local);
          for (const [c, at] of b.entries()) {
            for (const h of [0, 1])
              f.get(at)
                .memory("v128.load", 32 * u + 16 * h)
                .set(y[h] as Local);
            for (let r = 0; r < rows; r++)
              for (const h of [0, 1])
                multiplyAdd(f, lanes, wide[(u * rows + r) * columns + c][h] as Local, x[r][h] as Local, y[h] as Local);
          }
        }
        advance(32 * repeats);
        f.get(left).i32(1).op("i32.sub").tee(left).br_if(again);
      });
    });
    // Pairs of stores are what the revectorizer starts from.
    for (const [i, pair] of wide.entries())
      for (const h of [1, 0])
        f.get(scratch)
          .get(pair[h] as Local)
          .memory("v128.store", 32 * i + 16 * h);
    for (const [i, sum] of sums.entries()) {
      for (let h = 0; h < 2 * repeats; h++) {
        f.get(scratch).memory("v128.load", 32 * (i + rows * columns * (h >> 1)) + 16 * (h & 1));
        if (h > 0) f.op("f32x4.add");
      }
      f.set(sum);
    }
    /** Steps of whole vectors, then of single elements, which leave the other lanes as they are. */
    const tail = (load: "v128.load" | "v128.load32_zero", bytes: number) => {
      f.get(left).if(() => {
        f.loop((again) => {
          for (const [r, at] of a.entries()) f.get(at).memory(load).set(x[r][0]);
          for (const [c, at] of b.entries()) {
            f.get(at).memory(load).set(y[0]);
            for (let r = 0; r < rows; r++) multiplyAdd(f, lanes, sums[r * columns + c], x[r][0], y[0]);
          }
          advance(bytes);
          f.get(left).i32(1).op("i32.sub").tee(left).br_if(again);
        });
      });
    };
    f.get(k)
      .i32(8 * repeats)
      .op("i32.rem_u")
      .i32(2)
      .op("i32.shr_u")
      .set(left);
    tail("v128.load", 16);
    f.get(k).i32(3).op("i32.and").set(left);
    tail("v128.load32_zero", 4);
    // Four sums become the lanes of one vector.
    for (let i = 0; i < sums.length; i += 4) {
      const [p, q, r, s] = [0, 1, 2, 3].map((j) => sums[i + j] as Local) as [Local, Local, Local, Local];
      const addHalves = (left_: Local, right: Local, low: number[], high: number[], to: Local) => {
        f.get(left_).get(right).shuffle(shuffleLanes(4, low));
        f.get(left_).get(right).shuffle(shuffleLanes(4, high)).op("f32x4.add").set(to);
      };
      addHalves(p, q, [0, 4, 2, 6], [1, 5, 3, 7], p);
      addHalves(r, s, [0, 4, 2, 6], [1, 5, 3, 7], r);
      addHalves(p, r, [0, 1, 4, 5], [2, 3, 6, 7], spare);
      if (columns === 4)
        f.get(tile)
          .get(spare)
          .memory("v128.store", (lanes.rowBytes * i) / 4);
      else
        for (const half of [0, 1])
          f.get(tile)
            .get(spare)
            .memoryLane("v128.store64_lane", half, lanes.rowBytes * (i / 2 + half));
    }
    f.get(tile)
      .i32(4 * columns)
      .op("i32.add")
      .set(tile);
    f.get(columnTable)
      .i32(4 * columns)
      .op("i32.add")
      .set(columnTable);
    f.get(count).i32(columns).op("i32.sub").tee(count).i32(0).op("i32.gt_s").br_if(nextColumns);
  });
  return f;
}

/**
 * A function (rowTable, columnTable, count, k, rows, tile, scratch): `count` columns of a panel against `rows` rows of A, all
 * of float32 and contiguous along k. `scratch` has room for 256 bytes.
 */
export function emitWideDotPanel(module: ModuleBuilder, lanes: Lanes): FunctionBuilder {
  const blocks = [
    [4, 2],
    [2, 4],
    [1, 4],
  ].map(([rows, columns]) => ({ rows, block: emitDotBlock(module, lanes, rows, columns) }));
  const f = module.function(new Array(7).fill("i32"), []);
  const [rowTable, columnTable, count, k, rows, tile, scratch] = [0, 1, 2, 3, 4, 5, 6].map((i) => f.parameter(i));
  const i32 = () => f.local("i32");
  const [rowAt, tileAt, left, here] = [i32(), i32(), i32(), i32()];
  const advance = (local: Local, by: number) => f.get(local).i32(by).op("i32.add").set(local);
  // All rows for a few columns, which the first-level cache then holds.
  f.loop((nextColumns) => {
    f.get(count).i32(DOT_COLUMNS).get(count).i32(DOT_COLUMNS).op("i32.lt_s").select().set(here);
    f.get(rowTable).set(rowAt);
    f.get(tile).set(tileAt);
    f.get(rows).set(left);
    for (const { rows: height, block } of blocks) {
      f.block((done) => {
        f.loop((again) => {
          f.get(left).i32(height).op("i32.lt_u").br_if(done);
          f.get(rowAt).get(columnTable).get(here).get(k).get(tileAt).get(scratch).call(block);
          advance(rowAt, 4 * height);
          advance(tileAt, lanes.rowBytes * height);
          advance(left, -height);
          f.br(again);
        });
      });
    }
    advance(tile, 4 * DOT_COLUMNS);
    advance(columnTable, 4 * DOT_COLUMNS);
    f.get(count).i32(DOT_COLUMNS).op("i32.sub").tee(count).i32(0).op("i32.gt_s").br_if(nextColumns);
  });
  return f;
}
