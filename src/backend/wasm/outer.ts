/** The walk over the flattened indices [begin, end) of a kernel's outer axes. */
import type { Expr } from "../../ir/expr.ts";
import type { Local } from "./assembler.ts";
import type { Emitter } from "./emitter.ts";

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
