/**
 * The general paths of a contraction, one element at a time: packing for operands that are more than one plain load
 * (masks, conversions, arithmetic, indices that are not affine), and stores that need conversions or masks.
 */
import type { Axis, Expr } from "../../ir/expr.ts";
import type { ContractionKernel } from "../../ir/kernel.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { emitDecode, Parameters } from "./contraction-affine.ts";
import { type ScalarEnvironment, ScalarExpressions } from "./contraction-expression.ts";
import { emitTileRows, type Lanes, TILE_GROUPS } from "./contraction-lanes.ts";
import { encodeStore, rawElements } from "./elements.ts";

/** Loop indices of the axis groups of one function, set from flattened indices and stepped. */
class Indices {
  readonly locals = new Map<Axis, Local>();
  private readonly f: FunctionBuilder;
  private readonly sizes = new Map<Axis, Local>();
  private readonly flat: Local;

  constructor(f: FunctionBuilder, parameters: Parameters, axes: readonly Axis[]) {
    this.f = f;
    this.flat = f.local("i32");
    for (const axis of axes) {
      this.sizes.set(axis, parameters.local(axis.size));
      this.locals.set(axis, f.local("i32"));
    }
  }
  /** Sets a group's indices from the flattened index on the stack. */
  set(group: readonly Axis[]): void {
    this.f.set(this.flat);
    emitDecode(
      this.f,
      this.flat,
      group.map((axis) => this.sizes.get(axis) as Local),
      group.map((axis) => this.locals.get(axis) as Local),
    );
  }
  /** One step of the flattened index of a group. */
  next(group: readonly Axis[]): void {
    const { f } = this;
    f.block((done) => {
      for (let i = group.length - 1; i >= 0; i--) {
        const index = this.locals.get(group[i]) as Local;
        f.get(index).i32(1).op("i32.add").tee(index);
        f.get(this.sizes.get(group[i]) as Local)
          .op("i32.lt_s")
          .br_if(done);
        f.i32(0).set(index);
      }
    });
  }
}

/** Packs, for flattened indices of `group` from `from` on the stack, the values for all k. */
function emitRun(
  f: FunctionBuilder,
  kernel: ContractionKernel,
  lanes: Lanes,
  value: Expr,
  indices: Indices,
  expressions: ScalarExpressions,
  k0: Local,
  k: Local,
  dest: Local,
  step: Local | number,
): void {
  const left = f.local("i32");
  f.get(k).tee(left);
  f.if(() => {
    f.get(k0);
    indices.set(kernel.k);
    f.loop((again) => {
      f.get(dest);
      expressions.push(value);
      f.memory(lanes.store).get(dest);
      if (typeof step === "number") f.i32(step);
      else f.get(step);
      f.op("i32.add").set(dest);
      indices.next(kernel.k);
      f.get(left).i32(1).op("i32.sub").tee(left).br_if(again);
    });
  });
  f.release(left);
}

/** A function (block, batch, m0, rows, k0, k, dest): packs `rows` rows of A. */
export function emitScalarPackA(
  module: ModuleBuilder,
  kernel: ContractionKernel,
  lanes: Lanes,
  environment: ScalarEnvironment,
): FunctionBuilder {
  const f = module.function(new Array(7).fill("i32"), []);
  const [block, batch, row, left, k0, k, dest] = [0, 1, 2, 3, 4, 5, 6].map((i) => f.parameter(i));
  const parameters = new Parameters(f, block, kernel.buffers.length);
  const indices = new Indices(f, parameters, [...kernel.batch, ...kernel.m, ...kernel.k]);
  const expressions = new ScalarExpressions(f, block, kernel.buffers, indices.locals, environment);
  const rows = f.local("i32");
  const inTile = f.local("i32");
  const to = f.local("i32");
  const step = f.local("i32");
  f.get(batch);
  indices.set(kernel.batch);
  f.loop((again) => {
    emitTileRows(f, left);
    f.tee(rows).i32(lanes.size).op("i32.mul").set(step);
    f.i32(0).set(inTile);
    f.loop((next) => {
      f.get(row);
      indices.set(kernel.m);
      f.get(dest).get(inTile).i32(lanes.size).op("i32.mul").op("i32.add").set(to);
      emitRun(f, kernel, lanes, kernel.a, indices, expressions, k0, k, to, step);
      f.get(row).i32(1).op("i32.add").set(row);
      f.get(inTile).i32(1).op("i32.add").tee(inTile).get(rows).op("i32.lt_u").br_if(next);
    });
    f.get(dest).get(step).get(k).op("i32.mul").op("i32.add").set(dest);
    f.get(left).get(rows).op("i32.sub").tee(left).br_if(again);
  });
  return f;
}

/** A function (block, batch, n0, count, k0, k, dest): packs a panel of B of which `count` columns exist. */
export function emitScalarPackB(
  module: ModuleBuilder,
  kernel: ContractionKernel,
  lanes: Lanes,
  environment: ScalarEnvironment,
): FunctionBuilder {
  const f = module.function(new Array(7).fill("i32"), []);
  const [block, batch, n0, count, k0, k, dest] = [0, 1, 2, 3, 4, 5, 6].map((i) => f.parameter(i));
  const parameters = new Parameters(f, block, kernel.buffers.length);
  const indices = new Indices(f, parameters, [...kernel.batch, ...kernel.n, ...kernel.k]);
  const expressions = new ScalarExpressions(f, block, kernel.buffers, indices.locals, environment);
  const column = f.local("i32");
  const to = f.local("i32");
  f.get(batch);
  indices.set(kernel.batch);
  f.get(count)
    .i32(TILE_GROUPS * lanes.groupColumns)
    .op("i32.lt_s");
  f.if(() => {
    f.get(dest).i32(0).get(k).i32(lanes.rowBytes).op("i32.mul").memory_fill();
  });
  f.loop((again) => {
    f.get(n0).get(column).op("i32.add");
    indices.set(kernel.n);
    f.get(dest).get(column).i32(lanes.size).op("i32.mul").op("i32.add").set(to);
    emitRun(f, kernel, lanes, kernel.b, indices, expressions, k0, k, to, lanes.rowBytes);
    f.get(column).i32(1).op("i32.add").tee(column).get(count).op("i32.lt_s").br_if(again);
  });
  return f;
}

/** A function (block, batch, m0, rows, n0, count, tile): the stores for `count` columns of a panel. */
export function emitScalarEpilogue(
  module: ModuleBuilder,
  kernel: ContractionKernel,
  lanes: Lanes,
  environment: ScalarEnvironment,
): FunctionBuilder {
  const f = module.function(new Array(7).fill("i32"), []);
  const [block, batch, m0, rows, n0, count, tile] = [0, 1, 2, 3, 4, 5, 6].map((i) => f.parameter(i));
  const parameters = new Parameters(f, block, kernel.buffers.length);
  const indices = new Indices(f, parameters, [...kernel.batch, ...kernel.m, ...kernel.n]);
  const sum = f.local(lanes.type);
  const expressions = new ScalarExpressions(f, block, kernel.buffers, indices.locals, environment, sum);
  const row = f.local("i32");
  const column = f.local("i32");
  const address = f.local("i32");
  f.get(batch);
  indices.set(kernel.batch);
  f.get(m0);
  indices.set(kernel.m);
  f.loop((nextRow) => {
    f.get(n0);
    indices.set(kernel.n);
    f.i32(0).set(column);
    f.loop((nextColumn) => {
      f.get(tile).get(column).i32(lanes.size).op("i32.mul").op("i32.add").memory(lanes.load).set(sum);
      for (const { buffer, index, value } of kernel.stores) {
        const { size, store } = rawElements[kernel.buffers[buffer].dtype];
        f.get(block).memory("i32.load", 8 * buffer);
        expressions.push(index);
        f.i32(size).op("i32.mul").op("i32.add").set(address);
        f.get(address);
        expressions.push(encodeStore(value, kernel.buffers[buffer].dtype));
        f.memory(store);
      }
      indices.next(kernel.n);
      f.get(column).i32(1).op("i32.add").tee(column).get(count).op("i32.lt_s").br_if(nextColumn);
    });
    indices.next(kernel.m);
    f.get(tile).i32(lanes.rowBytes).op("i32.add").set(tile);
    f.get(row).i32(1).op("i32.add").tee(row).get(rows).op("i32.lt_s").br_if(nextRow);
  });
  return f;
}
