/**
 * Masked operands, as padding gives them. A mask that is a conjunction of comparisons of affine expressions becomes
 * conditions `depth[k] + columns[n] ≥ 0`, with tables like those of the addresses (contraction-affine.ts).
 */
import type { Axis, Expr } from "../../ir/expr.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { type AffineAccess, affineAccess } from "./contraction-affine.ts";
import type { Lanes } from "./contraction-lanes.ts";
import { emitAdjacent } from "./contraction-pack.ts";

/** More conditions than this are left to the scalar path: two for each side of three spatial dimensions, and some. */
const MOST_CONDITIONS = 8;
const PAGE_BITS = 16;

/** The conditions e ≥ 0 whose conjunction is the mask, or null where it is not made of affine comparisons. */
export function maskConditions(mask: Expr | undefined, axes: readonly Axis[]): readonly AffineAccess[] | null {
  if (mask === undefined) return [];
  const conditions: AffineAccess[] = [];
  const add = (e: Expr): boolean => {
    const access = affineAccess(e, axes, -1, 1);
    if (access) conditions.push(access);
    return access !== null;
  };
  const visit = (e: Expr): boolean => {
    const [a, b] = e.args as [Expr, Expr];
    if (e.is(1)) return true;
    if (e.op === "and") return visit(a) && visit(b);
    if (a?.type !== "i32") return false;
    switch (e.op) {
      case "lt":
        return add(b.sub(a).sub(1));
      case "le":
        return add(b.sub(a));
      case "gt":
        return add(a.sub(b).sub(1));
      case "ge":
        return add(a.sub(b));
      case "eq":
        return add(a.sub(b)) && add(b.sub(a));
      default:
        return false;
    }
  };
  return visit(mask) && conditions.length <= MOST_CONDITIONS ? conditions : null;
}

/** The innermost axes of k that the conditions depend on, with those between: masks repeat with their product. */
export function maskPeriodAxes(conditions: readonly AffineAccess[], kAxes: readonly Axis[]): readonly Axis[] {
  const first = kAxes.findIndex((axis) => conditions.some(({ strides }) => strides.has(axis)));
  return first < 0 ? [] : kAxes.slice(first);
}

/** Parameters that the masked form of a pack function has in addition. */
export const MASK_PARAMETERS = 4;

/**
 * A function (table, depth, k, dest, step, valid, conditions, conditionDepth, masks, period): as emitPackGroup, with zero
 * where a condition fails, whatever lies there, be it outside the memory. Condition c has its tables at
 * `conditions + c * conditionStride` (for the group's elements) and `conditionDepth + c * depthStride`; `masks` has
 * room for the vectors of one period.
 */
export function emitMaskedPackGroup(
  module: ModuleBuilder,
  lanes: Lanes,
  count: number,
  conditionStride: number,
  depthStride: number,
): FunctionBuilder {
  const f = module.function(new Array(6 + MASK_PARAMETERS).fill("i32"), []);
  const [table, depth, k, dest, step, valid, conditions, conditionDepth, masks, period] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
  ].map((i) => f.parameter(i));
  const i32 = () => f.local("i32");
  const sources = Array.from({ length: lanes.count }, i32);
  const terms = Array.from({ length: count }, () => f.local("v128"));
  const [end, lastLane, clamped, at, maskAt, maskEnd, address, limit, offset, periodEnd] = Array.from(
    { length: 10 },
    i32,
  ) as [Local, Local, Local, Local, Local, Local, Local, Local, Local, Local];
  const zero = f.local("v128");
  const sum = f.local("v128");
  const vector = f.local("v128");

  f.get(k)
    .op("i32.eqz")
    .if(() => f.return());
  f.get(valid).i32(1).op("i32.sub").set(lastLane);
  for (const [i, source] of sources.entries()) {
    f.i32(i).get(lastLane).i32(i).get(lastLane).op("i32.lt_s").select();
    f.i32(2).op("i32.shl").tee(clamped).get(table).op("i32.add").memory("i32.load").set(source);
    f.get(clamped).get(conditions).op("i32.add").set(at);
    for (const [c, term] of terms.entries())
      f.get(at)
        .get(term)
        .memoryLane("v128.load32_lane", i, c * conditionStride)
        .set(term);
  }

  // The masks of one period.
  f.get(period).get(k).get(period).get(k).op("i32.lt_s").select();
  f.i32(4).op("i32.shl").get(masks).op("i32.add").set(maskEnd);
  f.get(masks).set(maskAt);
  f.get(conditionDepth).set(at);
  f.loop((again) => {
    for (const [c, term] of terms.entries()) {
      f.get(at)
        .memory("v128.load32_splat", c * depthStride)
        .get(term)
        .op("i32x4.add");
      if (c > 0) f.get(sum).op("v128.or");
      f.set(sum);
    }
    // The sign bit of `sum` is set where any condition is negative.
    f.get(maskAt).get(sum).get(zero).op("i32x4.ge_s").memory("v128.store");
    f.get(at).i32(4).op("i32.add").set(at);
    f.get(maskAt).i32(16).op("i32.add").tee(maskAt).get(maskEnd).op("i32.ne").br_if(again);
  });

  // Reading where the mask is 0 is harmless as long as it is memory: `limit` is the last address of a vector.
  f.memory_size().i32(PAGE_BITS).op("i32.shl").i32(16).op("i32.sub").set(limit);
  const gather = () => {
    for (const [i, source] of sources.entries()) {
      f.get(source).get(offset).op("i32.add").tee(address).get(masks);
      f.get(address).get(limit).op("i32.le_u").select();
      if (i === 0) f.memory(lanes.loadZero);
      else f.get(vector).memoryLane(lanes.loadLane, i);
      f.set(vector);
    }
  };
  const elements = (load: () => void) => {
    f.loop((nextPeriod) => {
      f.get(masks).set(maskAt);
      // To the end of the period or of k.
      f.get(depth).get(maskEnd).get(masks).op("i32.sub").i32(2).op("i32.shr_u").op("i32.add").tee(periodEnd).get(end);
      f.get(periodEnd).get(end).op("i32.lt_u").select().set(periodEnd);
      f.loop((again) => {
        f.get(depth).memory("i32.load").set(offset);
        load();
        f.get(dest).get(vector).get(maskAt).memory("v128.load").op("v128.and").memory("v128.store");
        f.get(dest).get(step).op("i32.add").set(dest);
        f.get(maskAt).i32(16).op("i32.add").set(maskAt);
        f.get(depth).i32(4).op("i32.add").tee(depth).get(periodEnd).op("i32.ne").br_if(again);
      });
      f.get(depth).get(end).op("i32.ne").br_if(nextPeriod);
    });
  };
  f.get(depth).get(k).i32(2).op("i32.shl").op("i32.add").set(end);
  f.get(valid).i32(lanes.count).op("i32.ge_s");
  f.if(
    () => emitAdjacent(f, lanes, table),
    () => f.i32(0),
    "i32",
  );
  f.if(
    () =>
      elements(() => {
        f.get(sources[0] as Local)
          .get(offset)
          .op("i32.add")
          .tee(address)
          .get(limit)
          .op("i32.le_u");
        f.if(() => f.get(address).memory("v128.load").set(vector), gather);
      }),
    () => elements(gather),
  );
  return f;
}
