/**
 * Packing: copies a block of A or B to where the micro-kernel reads it with unit stride. A goes to one run for each
 * tile of rows (for each k, the tile's rows), B to panels of two groups of columns (for each k, the columns).
 * Addresses come from tables (contraction-affine.ts), which tell at run time how the elements lie.
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { emitTileRows, type Lanes, storeOrder, TILE_GROUPS, TILE_ROWS } from "./contraction-lanes.ts";

/** Pushes 1 where the `lanes.count` offsets at table address `table` are those of adjacent elements, else 0. */
export function emitAdjacent(f: FunctionBuilder, lanes: Lanes, table: Local, ramp?: Local): void {
  if (lanes.count === 2) {
    f.get(table).memory("i32.load", 4).get(table).memory("i32.load").op("i32.sub").i32(lanes.size).op("i32.eq");
    return;
  }
  f.get(table).memory("v128.load32_splat");
  if (ramp) f.get(ramp);
  else pushRamp(f, lanes.size);
  f.op("i32x4.add").get(table).memory("v128.load", 0, 2).op("i32x4.eq").op("i32x4.all_true");
}

/** Pushes 1 where the offsets of a whole group of columns at table address `table` are those of adjacent elements. */
export function emitGroupAdjacent(f: FunctionBuilder, lanes: Lanes, table: Local): void {
  emitAdjacent(f, lanes, table);
  if (lanes.groupVectors === 1) return;
  const second = f.local("i32");
  f.get(table)
    .i32(4 * lanes.count)
    .op("i32.add")
    .set(second);
  emitAdjacent(f, lanes, second);
  f.op("i32.and");
  f.get(second).memory("i32.load").get(table).memory("i32.load").op("i32.sub").i32(16).op("i32.eq").op("i32.and");
  f.release(second);
}

/** Pushes the byte offsets of four elements that lie `step` bytes apart. */
function pushRamp(f: FunctionBuilder, step: number): void {
  f.v128(new Uint8Array(new Int32Array([0, 1, 2, 3].map((i) => i * step)).buffer));
}

/** Byte positions of i8x16.shuffle for lanes of `size` bytes of two vectors. */
export function shuffleLanes(size: number, lanes: readonly number[]): number[] {
  return lanes.flatMap((lane) => Array.from({ length: size }, (_, byte) => size * lane + byte));
}

/** Transposes the square of `rows` in place; `spare` are as many other vectors. */
function emitTranspose(f: FunctionBuilder, lanes: Lanes, rows: readonly Local[], spare: readonly Local[]): void {
  const combine = (a: Local, b: Local, order: readonly number[], to: Local) =>
    f.get(a).get(b).shuffle(shuffleLanes(lanes.size, order)).set(to);
  if (lanes.count === 2) {
    const [a, b] = rows as [Local, Local];
    const [s] = spare as [Local];
    combine(a, b, [0, 2], s);
    combine(a, b, [1, 3], b);
    f.get(s).set(a);
    return;
  }
  const [a, b, c, d] = rows as [Local, Local, Local, Local];
  const [p, q, r, s] = spare as [Local, Local, Local, Local];
  combine(a, b, [0, 4, 1, 5], p);
  combine(a, b, [2, 6, 3, 7], q);
  combine(c, d, [0, 4, 1, 5], r);
  combine(c, d, [2, 6, 3, 7], s);
  combine(p, r, [0, 1, 4, 5], a);
  combine(p, r, [2, 3, 6, 7], b);
  combine(q, s, [0, 1, 4, 5], c);
  combine(q, s, [2, 3, 6, 7], d);
}

/** Pushes the entry number `i` of a table of addresses, or entry `last` if that comes before it. */
function pushSource(f: FunctionBuilder, table: Local, i: number, last: Local): void {
  f.get(table);
  f.i32(i).get(last).i32(i).get(last).op("i32.lt_s").select();
  f.i32(2).op("i32.shl").op("i32.add").memory("i32.load");
}

/**
 * A function (table, depth, k, dest, step, valid): for each k, one vector of the elements at table[i] + depth[k], to
 * dest, dest + step, … Where only `valid` of the vector's elements exist, the last of them is repeated.
 */
export function emitPackGroup(module: ModuleBuilder, lanes: Lanes): FunctionBuilder {
  const f = module.function(new Array(6).fill("i32"), []);
  const [table, depth, k, dest, step, valid] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const sources = Array.from({ length: lanes.count }, () => f.local("i32"));
  const vectors = sources.map(() => f.local("v128"));
  const spare = sources.map(() => f.local("v128"));
  const ramp = f.local("v128");
  const end = f.local("i32");
  const offset = f.local("i32");
  const lastLane = f.local("i32");
  const advance = () => f.get(dest).get(step).op("i32.add").set(dest);

  f.get(k)
    .op("i32.eqz")
    .if(() => f.return());
  f.get(depth).get(k).i32(2).op("i32.shl").op("i32.add").set(end);
  f.get(valid).i32(1).op("i32.sub").set(lastLane);
  for (const [i, source] of sources.entries()) {
    pushSource(f, table, i, lastLane);
    f.set(source);
  }
  /** One loop over k for a vector that `load` pushes, given the address of its first element. */
  const whole = (load: () => void) => {
    f.loop((again) => {
      f.get(sources[0]).get(depth).memory("i32.load").op("i32.add").set(offset);
      f.get(dest);
      load();
      f.memory("v128.store");
      advance();
      f.get(depth).i32(4).op("i32.add").tee(depth).get(end).op("i32.ne").br_if(again);
    });
    f.return();
  };
  f.get(valid).i32(lanes.count).op("i32.ge_s");
  f.if(() => {
    emitAdjacent(f, lanes, table);
    f.if(() => whole(() => f.get(offset).memory("v128.load")));
    if (lanes.count === 4) {
      // Every second element, as convolutions of stride 2 read them: elements 0 to 3 and 3 to 6, so that nothing is read
      // beyond what is asked for.
      pushRamp(f, 2 * lanes.size);
      f.set(ramp);
      emitAdjacent(f, lanes, table, ramp);
      f.if(() =>
        whole(() => {
          f.get(offset).memory("v128.load");
          f.get(offset)
            .memory("v128.load", 3 * lanes.size)
            .shuffle(shuffleLanes(lanes.size, [0, 2, 5, 7]));
        }),
      );
    }
  });

  const [vector] = vectors as [Local];
  const gather = () => {
    f.get(depth).memory("i32.load").set(offset);
    for (const [i, source] of sources.entries()) {
      f.get(source).get(offset).op("i32.add");
      if (i === 0) f.memory(lanes.loadZero);
      else f.get(vector).memoryLane(lanes.loadLane, i);
      f.set(vector);
    }
    f.get(dest).get(vector).memory("v128.store");
    advance();
    f.get(depth).i32(4).op("i32.add").set(depth);
  };
  pushRamp(f, lanes.size);
  f.set(ramp);
  f.block((done) => {
    f.loop((again) => {
      f.get(end)
        .get(depth)
        .op("i32.sub")
        .i32(4 * lanes.count)
        .op("i32.lt_s")
        .br_if(done);
      emitAdjacent(f, lanes, depth, ramp);
      f.if(
        () => {
          f.get(depth).memory("i32.load").set(offset);
          for (const [i, source] of sources.entries())
            f.get(source).get(offset).op("i32.add").memory("v128.load").set(vectors[i]);
          emitTranspose(f, lanes, vectors, spare);
          for (const row of vectors) {
            f.get(dest).get(row).memory("v128.store");
            advance();
          }
          f.get(depth)
            .i32(4 * lanes.count)
            .op("i32.add")
            .set(depth);
        },
        () => {
          for (let i = 0; i < lanes.count; i++) gather();
        },
      );
      f.br(again);
    });
  });
  f.block((done) => {
    f.loop((again) => {
      f.get(depth).get(end).op("i32.eq").br_if(done);
      gather();
      f.br(again);
    });
  });
  return f;
}

/**
 * A function (table, depth, run, k, dest, count): packs a panel of B of which `count` columns exist, whose addresses are in
 * `table`. `run` says that the offsets in `depth` are those of adjacent elements.
 */
export function emitPackPanel(module: ModuleBuilder, lanes: Lanes, packGroup: FunctionBuilder): FunctionBuilder {
  const f = module.function(new Array(6).fill("i32"), []);
  const [table, depth, run, k, dest, count] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const vectors = TILE_GROUPS * lanes.groupVectors;
  const panelColumns = TILE_GROUPS * lanes.groupColumns;
  const i32 = () => f.local("i32");
  const [second, first, end, vector] = [i32(), i32(), i32(), i32()];
  f.get(k)
    .op("i32.eqz")
    .if(() => f.return());
  f.get(count).i32(panelColumns).op("i32.eq");
  f.if(() => {
    f.get(table)
      .i32(4 * lanes.groupColumns)
      .op("i32.add")
      .set(second);
    emitGroupAdjacent(f, lanes, table);
    emitGroupAdjacent(f, lanes, second);
    f.op("i32.and");
    f.get(second).memory("i32.load").get(table).memory("i32.load").op("i32.sub");
    f.i32(16 * lanes.groupVectors)
      .op("i32.eq")
      .op("i32.and");
    f.if(() => {
      const x = Array.from({ length: 2 }, () => Array.from({ length: vectors }, () => f.local("v128")));
      const addresses = [i32(), i32()] as const;
      f.get(table).memory("i32.load").set(first);
      /** Copies the next `steps` rows of the panel, all loads before the stores. */
      const copy = (steps: number) => {
        for (let u = 0; u < steps; u++) {
          f.get(first)
            .get(depth)
            .memory("i32.load", 4 * u)
            .op("i32.add")
            .set(addresses[u] as Local);
          for (let v = 0; v < vectors; v++)
            f.get(addresses[u] as Local)
              .memory("v128.load", 16 * v)
              .set(x[u][v]);
        }
        for (let u = 0; u < steps; u++)
          for (const v of storeOrder(lanes))
            f.get(dest)
              .get(x[u][v])
              .memory("v128.store", lanes.rowBytes * u + 16 * v);
        f.get(dest)
          .i32(lanes.rowBytes * steps)
          .op("i32.add")
          .set(dest);
        f.get(depth)
          .i32(4 * steps)
          .op("i32.add")
          .set(depth);
      };
      f.get(k)
        .i32(1)
        .op("i32.and")
        .if(() => copy(1));
      f.get(k).i32(1).op("i32.shr_u").tee(k);
      f.if(() => {
        f.loop((again) => {
          copy(2);
          f.get(k).i32(1).op("i32.sub").tee(k).br_if(again);
        });
      });
      f.return();
    });
  });
  // Vector by vector; one without columns is left as it is: nobody reads its sums.
  const [rowEnd, at, from, last] = [i32(), i32(), i32(), i32()];
  const sources = Array.from({ length: lanes.count }, i32);
  const rows = sources.map(() => f.local("v128"));
  const spare = sources.map(() => f.local("v128"));
  f.get(depth).memory("i32.load").set(from);
  f.get(count)
    .i32(lanes.count - 1)
    .op("i32.add")
    .i32(lanes.count)
    .op("i32.div_u")
    .set(vector);
  f.get(k).i32(-lanes.count).op("i32.and").i32(lanes.rowBytes).op("i32.mul").set(end);
  f.loop((nextVector) => {
    f.get(run);
    f.if(
      () => {
        f.get(count).i32(1).op("i32.sub").set(last);
        for (const [i, source] of sources.entries()) {
          pushSource(f, table, i, last);
          f.get(from).op("i32.add").set(source);
        }
        f.get(dest).tee(at).get(end).op("i32.add").set(rowEnd);
        f.get(end).if(() => {
          f.loop((again) => {
            for (const [i, source] of sources.entries()) {
              f.get(source).memory("v128.load").set(rows[i]);
              f.get(source).i32(16).op("i32.add").set(source);
            }
            emitTranspose(f, lanes, rows, spare);
            for (const [i, row] of rows.entries())
              f.get(at)
                .get(row)
                .memory("v128.store", lanes.rowBytes * i);
            f.get(at)
              .i32(lanes.rowBytes * lanes.count)
              .op("i32.add")
              .tee(at)
              .get(rowEnd)
              .op("i32.ne")
              .br_if(again);
          });
        });
        f.get(dest).get(k).i32(lanes.rowBytes).op("i32.mul").op("i32.add").set(rowEnd);
        f.block((done) => {
          f.loop((again) => {
            f.get(at).get(rowEnd).op("i32.eq").br_if(done);
            for (const [i, source] of sources.entries()) {
              f.get(source);
              if (i === 0) f.memory(lanes.loadZero);
              else f.get(rows[0]).memoryLane(lanes.loadLane, i);
              f.set(rows[0]);
              f.get(source).i32(lanes.size).op("i32.add").set(source);
            }
            f.get(at).get(rows[0]).memory("v128.store");
            f.get(at).i32(lanes.rowBytes).op("i32.add").set(at);
            f.br(again);
          });
        });
      },
      () => f.get(table).get(depth).get(k).get(dest).i32(lanes.rowBytes).get(count).call(packGroup),
    );
    f.get(table)
      .i32(4 * lanes.count)
      .op("i32.add")
      .set(table);
    f.get(dest).i32(16).op("i32.add").set(dest);
    f.get(count).i32(lanes.count).op("i32.sub").set(count);
    f.get(vector).i32(1).op("i32.sub").tee(vector).br_if(nextVector);
  });
  return f;
}

/**
 * A function (rowTable, depth, run, k, dest) → whether it has packed a tile of 6 rows of 4-byte elements: it does where the
 * offsets in `depth` are those of adjacent elements, as `run` says, or the rows lie side by side.
 */
function emitPackTile(module: ModuleBuilder, lanes: Lanes): FunctionBuilder {
  const f = module.function(new Array(5).fill("i32"), ["i32"]);
  const [rowTable, depth, run, k, dest] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
  const i32 = () => f.local("i32");
  const sources = Array.from({ length: TILE_ROWS }, i32);
  const x = sources.map(() => f.local("v128"));
  const spare = Array.from({ length: 4 }, () => f.local("v128"));
  const [left, address] = [i32(), i32()];
  const step = TILE_ROWS * lanes.size;
  f.get(run).if(() => {
    for (const [r, source] of sources.entries())
      f.get(rowTable)
        .memory("i32.load", 4 * r)
        .get(depth)
        .memory("i32.load")
        .op("i32.add")
        .set(source);
    f.get(k).i32(2).op("i32.shr_u").tee(left);
    f.if(() => {
      f.loop((again) => {
        for (const [r, source] of sources.entries()) {
          f.get(source).memory("v128.load").set(x[r]);
          f.get(source).i32(16).op("i32.add").set(source);
        }
        emitTranspose(f, lanes, x.slice(0, 4), spare);
        for (let i = 0; i < 4; i++)
          f.get(dest)
            .get(x[i])
            .memory("v128.store", step * i);
        for (const [half, order] of [
          [0, 4, 1, 5],
          [2, 6, 3, 7],
        ].entries()) {
          f.get(x[4])
            .get(x[5])
            .shuffle(shuffleLanes(4, order))
            .set(spare[0] as Local);
          for (const lane of [0, 1])
            f.get(dest)
              .get(spare[0] as Local)
              .memoryLane("v128.store64_lane", lane, step * (2 * half + lane) + 16);
        }
        f.get(dest)
          .i32(4 * step)
          .op("i32.add")
          .set(dest);
        f.get(left).i32(1).op("i32.sub").tee(left).br_if(again);
      });
    });
    f.get(k).i32(3).op("i32.and").tee(left);
    f.if(() => {
      f.loop((again) => {
        for (const [r, source] of sources.entries()) {
          f.get(dest)
            .get(source)
            .memory("i32.load")
            .memory("i32.store", 4 * r);
          f.get(source).i32(4).op("i32.add").set(source);
        }
        f.get(dest).i32(step).op("i32.add").set(dest);
        f.get(left).i32(1).op("i32.sub").tee(left).br_if(again);
      });
    });
    f.i32(1).return();
  });
  emitAdjacent(f, lanes, rowTable);
  for (const r of [4, 5])
    f.get(rowTable)
      .memory("i32.load", 4 * r)
      .get(rowTable)
      .memory("i32.load")
      .op("i32.sub")
      .i32(4 * r)
      .op("i32.eq")
      .op("i32.and");
  f.if(() => {
    f.get(rowTable)
      .memory("i32.load")
      .set(sources[0] as Local);
    f.loop((again) => {
      f.get(sources[0] as Local)
        .get(depth)
        .memory("i32.load")
        .op("i32.add")
        .set(address);
      f.get(dest).get(address).memory("v128.load").memory("v128.store");
      f.get(dest).get(address).memory("i64.load", 16).memory("i64.store", 16);
      f.get(dest).i32(step).op("i32.add").set(dest);
      f.get(depth).i32(4).op("i32.add").set(depth);
      f.get(k).i32(1).op("i32.sub").tee(k).br_if(again);
    });
    f.i32(1).return();
  });
  f.i32(0);
  return f;
}

/**
 * A function (rowTable, depth, run, rows, k, dest, ...mask): packs `rows` rows of A, in groups of one vector of rows; the
 * last group of a tile overlaps the one before, or writes past a tile that is narrower, where the next k then goes. `run`
 * says that the offsets in `depth` are those of adjacent elements.
 */
export function emitPackA(module: ModuleBuilder, lanes: Lanes, packGroup: FunctionBuilder): FunctionBuilder {
  // What a masked pack function takes beyond the six common parameters; the first is a table of the rows.
  const extra = packGroup.params.length - 6;
  const packTile = extra === 0 && lanes.count === 4 ? emitPackTile(module, lanes) : null;
  const f = module.function(new Array(6 + extra).fill("i32"), []);
  const [rowTable, depth, run, left, k, dest] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const rows = f.local("i32");
  const row = f.local("i32");
  const step = f.local("i32");
  const lastGroup = f.local("i32");
  f.get(k)
    .op("i32.eqz")
    .if(() => f.return());
  const groups = () => {
    // The last group starts at rows - lanes.count, or at 0.
    f.get(rows).i32(lanes.count).op("i32.sub").i32(0);
    f.get(rows).i32(lanes.count).op("i32.gt_s").select().set(lastGroup);
    f.i32(0).set(row);
    f.block((done) => {
      f.loop((next) => {
        f.get(rowTable).get(row).i32(2).op("i32.shl").op("i32.add").get(depth).get(k);
        f.get(dest).get(row).i32(lanes.size).op("i32.mul").op("i32.add").get(step).get(rows);
        for (let i = 0; i < extra; i++) {
          f.get(f.parameter(6 + i));
          if (i === 0) f.get(row).i32(2).op("i32.shl").op("i32.add");
        }
        f.call(packGroup);
        f.get(row).get(lastGroup).op("i32.eq").br_if(done);
        f.get(row).i32(lanes.count).op("i32.add").get(lastGroup);
        f.get(row).i32(lanes.count).op("i32.add").get(lastGroup).op("i32.lt_s").select().set(row);
        f.br(next);
      });
    });
  };
  f.loop((again) => {
    emitTileRows(f, left);
    f.tee(rows).i32(lanes.size).op("i32.mul").set(step);
    if (packTile === null) groups();
    else {
      f.get(rows).i32(TILE_ROWS).op("i32.eq");
      f.if(
        () => f.get(rowTable).get(depth).get(run).get(k).get(dest).call(packTile),
        () => f.i32(0),
        "i32",
      );
      f.op("i32.eqz").if(groups);
    }
    for (const table of extra > 0 ? [rowTable, f.parameter(6)] : [rowTable])
      f.get(table).get(rows).i32(2).op("i32.shl").op("i32.add").set(table);
    f.get(dest).get(step).get(k).op("i32.mul").op("i32.add").set(dest);
    f.get(left).get(rows).op("i32.sub").tee(left).br_if(again);
  });
  return f;
}
