/** The operands of a contraction: which can be described by tables, and which are read in place instead of packed. */
import type { Axis, Expr } from "../../ir/expr.ts";
import type { ContractionKernel } from "../../ir/kernel.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import { type AffineAccess, affineAccess, type Parameters } from "./contraction-affine.ts";
import type { Lanes } from "./contraction-lanes.ts";
import { maskConditions } from "./contraction-mask.ts";
import { rawElements } from "./elements.ts";

/** An operand that tables can describe. */
export interface TableOperand {
  readonly access: AffineAccess;
  /** What must be ≥ 0 for the element to count; empty where there is no mask. */
  readonly conditions: readonly AffineAccess[];
}

/** An operand that is one load of the accumulated type, affine in all axes, with an affine mask or none; else null. */
export function tableOperand(kernel: ContractionKernel, e: Expr, lanes: Lanes): TableOperand | null {
  if (e.op !== "load" || e.type !== lanes.type) return null;
  const bytes = rawElements[kernel.buffers[e.slot].dtype].size;
  const axes = [...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k];
  const access = bytes === lanes.size ? affineAccess(e.args[0], axes, e.slot, bytes) : null;
  const conditions = maskConditions(e.args[1], axes);
  if (access === null || conditions === null || (conditions.length > 0 && lanes.count !== 4)) return null;
  return { access, conditions };
}

/** How A is read: packed, from an address for each row, or at a fixed step for each k (contraction-microkernel.ts). */
export const A_PACKED = 0;
export const A_ROWS = 1;
export const A_STEP = 2;

/**
 * With at most so many columns, an A of at most so many bytes is not packed. Packing costs some 3 % of the time for
 * 160 columns; a larger A would not stay in the second-level cache as it lies.
 */
const DIRECT_A_COLUMNS = 160;
const DIRECT_A_BYTES = 256 * 1024;
/** With at most so many rows, B is not packed; with more, up to the second number, where it lies well for the cache. */
const FEW_ROWS = 36;
const DIRECT_B_ROWS = 144;
const DIRECT_B_BYTES = 128 * 1024;

/** A new local: whether elements at successive flattened indices of `axes` are adjacent. */
export function emitIsRun(
  f: FunctionBuilder,
  parameters: Parameters,
  access: AffineAccess,
  axes: readonly Axis[],
): Local {
  const run = f.local("i32");
  const expected = f.local("i32");
  f.i32(1).tee(run).set(expected);
  for (const axis of [...axes].reverse()) {
    const stride = access.strides.get(axis);
    if (stride === undefined) f.i32(0);
    else parameters.push(stride);
    f.get(expected).op("i32.eq");
    parameters.push(axis.size);
    f.i32(1).op("i32.eq").op("i32.or").get(run).op("i32.and").set(run);
    f.get(expected);
    parameters.push(axis.size);
    f.op("i32.mul").set(expected);
  }
  f.release(expected);
  return run;
}

/** A new local: the bytes from one k to the next, for an operand with at most one axis of k. */
export function emitStep(
  f: FunctionBuilder,
  parameters: Parameters,
  { strides, bytes }: AffineAccess,
  kAxes: readonly Axis[],
): Local {
  const step = f.local("i32");
  const stride = kAxes[0] && strides.get(kAxes[0]);
  if (stride) {
    parameters.push(stride);
    f.i32(bytes).op("i32.mul").set(step);
  } else f.i32(0).set(step);
  return step;
}

/**
 * Pushes whether `k` cache lines `step` bytes apart stay in the first-level cache (64 sets of 8 lines) together, with
 * room for others.
 */
function pushFitsCache(f: FunctionBuilder, k: Local, step: Local): void {
  f.get(k).i32(5).op("i32.mul").i32(2).op("i32.shr_u");
  f.i32(32768).i32(6);
  f.get(step).op("i32.ctz").i32(6).get(step).op("i32.ctz").op("i32.gt_u").select();
  f.op("i32.shr_u").op("i32.le_u");
}

/** Sets `mode` to how A is read. `run` and `mRun` say whether A is contiguous along k and along m; there is one k axis. */
export function emitChooseA(
  f: FunctionBuilder,
  lanes: Lanes,
  [m, n, k]: readonly [Local, Local, Local],
  { run, mRun, step, mode }: { readonly run: Local; readonly mRun: Local; readonly step: Local; readonly mode: Local },
): void {
  f.i32(A_PACKED).set(mode);
  f.get(n).i32(DIRECT_A_COLUMNS).op("i32.le_u");
  // Smaller than this, the product below cannot overflow.
  f.get(m).i32(65536).op("i32.lt_u").op("i32.and");
  f.get(k)
    .i32(DIRECT_A_BYTES / lanes.size)
    .op("i32.lt_u")
    .op("i32.and");
  f.if(() => {
    f.get(m).get(k).op("i32.mul");
    f.i32(DIRECT_A_BYTES / lanes.size)
      .op("i32.le_u")
      .get(run)
      .op("i32.and");
    f.if(
      () => f.i32(A_ROWS).set(mode),
      () => {
        pushFitsCache(f, k, step);
        f.get(mRun).op("i32.and");
        f.if(() => f.i32(A_STEP).set(mode));
      },
    );
  });
}

/** Pushes whether a B that is contiguous along n is read in place. */
export function emitChooseB(
  f: FunctionBuilder,
  [m, k]: readonly [Local, Local],
  { nRun, step }: { readonly nRun: Local; readonly step: Local },
): void {
  f.get(m).i32(DIRECT_B_ROWS).op("i32.le_u");
  f.get(step)
    .get(k)
    .op("i32.mul")
    .i32(DIRECT_B_BYTES)
    .op("i32.le_u")
    .get(k)
    .i32(DIRECT_B_BYTES)
    .op("i32.lt_u")
    .op("i32.and")
    .op("i32.and");
  pushFitsCache(f, k, step);
  f.op("i32.and");
  f.get(m).i32(FEW_ROWS).op("i32.le_u").op("i32.or");
  f.get(nRun).op("i32.and");
}

/** Where groups of B that are contiguous in memory are read in place, although offsets of k need a table. */
export const DIRECT_TABLE_ROWS: number = FEW_ROWS;
