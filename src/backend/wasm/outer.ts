/** The walk over the flattened indices [begin, end) of a kernel's outer axes. */
import type { Expr } from "../../ir/expr.ts";
import type { Local } from "./assembler.ts";
import type { Emitter } from "./emitter.ts";
import { ROW } from "./graph.ts";

/** Emits the code for TILE_ROWS indices of the axis before the last, at one index of the last. */
export type TileBody = () => void;
/** As many stores to different rows as stay in a first-level cache of 8 ways when rows are a power of two apart. */
export const TILE_ROWS = 8;

/**
 * Divides [begin, end) into runs along the last of the first `sizes.length` axes. `run` emits the loop over a run: from
 * the axis's index up to `limit`, which it must leave the index at. There is at least one axis.
 */
export function outerRuns(
  emitter: Emitter,
  sizes: readonly Expr[],
  begin: Local,
  end: Local,
  run: (limit: Local) => void,
  tiles?: TileBody,
): void {
  const { f, indices } = emitter;
  const last = sizes.length - 1;
  if (last === 0) {
    f.get(begin).set(indices[0]);
    emitter.beforeLoop();
    run(end);
    return;
  }
  f.get(begin).get(end).op("i32.ge_s");
  f.if(() => f.return());
  const position = f.local("i32");
  f.get(begin).set(position);
  for (let d = last; d > 0; d--) {
    f.get(position);
    emitter.scalar(sizes[d]);
    f.op("i32.rem_u").set(indices[d]);
    f.get(position);
    emitter.scalar(sizes[d]);
    f.op("i32.div_u").set(position);
  }
  f.get(position).set(indices[0]).get(begin).set(position);
  const limit = f.local("i32");
  const size = emitter.scalarLocal(sizes[last]);
  emitter.beforeLoop();
  f.loop((again) => {
    if (tiles) fullTiles(emitter, sizes, position, end, tiles);
    // limit = min(size, index + end - position)
    f.get(indices[last]).get(end).op("i32.add").get(position).op("i32.sub").set(limit);
    f.get(limit).get(size).get(limit).get(size).op("i32.lt_s").select().set(limit);
    f.get(position).get(limit).op("i32.add").get(indices[last]).op("i32.sub").set(position);
    emitter.within(2 ** last - 1, -1, () => run(limit));
    f.get(position).get(end).op("i32.lt_s");
    f.if(() => {
      f.i32(0).set(indices[last]);
      carry(emitter, sizes, last - 1);
      f.br(again);
    });
  });
}

/**
 * At the start of a row, as many groups of TILE_ROWS whole rows as there are: each is walked along the last axis with
 * all rows at once. This is for transposed operands, which are contiguous along the axis before the last.
 */
function fullTiles(emitter: Emitter, sizes: readonly Expr[], position: Local, end: Local, body: TileBody): void {
  const { f, indices } = emitter;
  const last = sizes.length - 1;
  const row = last - 1;
  const width = emitter.scalarLocal(sizes[last]);
  const height = emitter.scalarLocal(sizes[row]);
  f.get(indices[last]).op("i32.eqz");
  f.if(() => {
    const first = f.local("i32");
    const limit = f.local("i32");
    f.get(indices[row]).set(first);
    // limit = min(height, first + (end - position) / width)
    f.get(end).get(position).op("i32.sub").get(width).op("i32.div_u").get(first).op("i32.add").set(limit);
    f.get(limit).get(height).get(limit).get(height).op("i32.lt_s").select().set(limit);
    emitter.within(2 ** row - 1, -1, () => {
      emitter.loop(row, limit, TILE_ROWS, () => {
        f.i32(0).set(indices[last]);
        emitter.beforeLoop();
        emitter.loop(last, width, 1, body, ROW);
      });
    });
    f.i32(0).set(indices[last]);
    f.get(indices[row]).get(first).op("i32.sub").get(width).op("i32.mul").get(position).op("i32.add").set(position);
    f.get(position).get(end).op("i32.ge_s");
    f.if(() => f.return());
    f.get(indices[row]).get(height).op("i32.ge_s");
    f.if(() => {
      f.i32(0).set(indices[row]);
      if (row > 0) carry(emitter, sizes, row - 1);
    });
  });
}

/** Steps axis `d`; at its end, it starts again and the axis before it steps. */
function carry(emitter: Emitter, sizes: readonly Expr[], d: number): void {
  const { f } = emitter;
  const index = emitter.indices[d];
  f.get(index).i32(1).op("i32.add").set(index);
  if (d === 0) return;
  f.get(index);
  emitter.scalar(sizes[d]);
  f.op("i32.ge_s");
  f.if(() => {
    f.i32(0).set(index);
    carry(emitter, sizes, d - 1);
  });
}
