/**
 * Code for contractions, `C[b, m, n] = Σ_k A·B`, after Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication" (ACM TOMS 34(3), 2008): blocks of A are packed for the second-level cache, panels of B for the first,
 * and a micro-kernel keeps a tile of C in registers. Since operands are expressions of the indices, the packing is
 * generated from them, and convolutions need no intermediate matrix.
 *
 * What would cost more to pack than it saves is read where it lies (contraction-operand.ts decides when a launch starts):
 * small matrices, few rows, few columns. With up to 4 rows B is read in long runs, with up to 8, and both operands contiguous
 * along k, sums are dot products (contraction-thin.ts). Units are divided by the shape alone (contraction-units.ts); those of
 * one run share what is packed.
 */
import type { Axis, Expr } from "../../ir/expr.ts";
import type { ContractionKernel } from "../../ir/kernel.ts";
import type { MemoryLimits } from "./assembler.ts";
import { affineAccess } from "./contraction-affine.ts";
import type { Lanes } from "./contraction-lanes.ts";
import { ContractionLaunch } from "./contraction-launch.ts";
import { type UnitGrid, unitGrid } from "./contraction-units.ts";
import type { Features } from "./features.ts";

export interface EmittedContraction {
  /**
   * A module that exports `run(block, begin, end)` and imports `env.memory`, `env.scratch(bytes)`, a function that gives
   * the address of that many bytes (a multiple of 16) for the duration of the run, and what host.ts lists. Threads need a
   * scratch area each.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The number of work units of a launch; `read(slot)` is the i32 in the 8-byte slot of its parameter block. */
  readonly units: (read: (slot: number) => number) => number;
  /** An estimate of the work of a launch, in nanoseconds of one thread. */
  readonly work: (read: (slot: number) => number) => number;
  /** How many bytes a launch asks of `env.scratch`. */
  readonly scratchBytes: (read: (slot: number) => number) => number;
}

/** Makes the code of a contraction kernel. */
export function emitContraction(
  kernel: ContractionKernel,
  features: Features,
  memory: MemoryLimits = {},
): EmittedContraction {
  const oriented = orient(kernel);
  const launch = new ContractionLaunch(oriented, features, memory);
  const { grid, work } = counters(oriented, launch.lanes);
  return {
    bytes: launch.emit(),
    units: (read) => grid(read).units,
    work,
    scratchBytes: (read) => launch.scratchBytes + grid(read).bytes,
  };
}

/**
 * Exchanges the roles of A and B where C is contiguous along m and not along n, since vectors run along n, and where there
 * is no n, since B is read in place by dot products and A is not.
 */
function orient(kernel: ContractionKernel): ContractionKernel {
  const contiguous = (axes: readonly Axis[]): boolean => {
    const axis = axes[axes.length - 1];
    const index = kernel.stores[0]?.index;
    return (
      axis !== undefined && index !== undefined && affineAccess(index, [axis], 0, 1)?.strides.get(axis)?.is(1) === true
    );
  };
  const exchange = kernel.n.length === 0 || (contiguous(kernel.m) && !contiguous(kernel.n));
  return exchange ? { ...kernel, m: kernel.n, n: kernel.m, a: kernel.b, b: kernel.a } : kernel;
}

type ReadSlot = (slot: number) => number;

/** Multiplications and additions that a thread does in a nanosecond, roughly: half of what it does at best. */
const RATE = 16;

interface Counters {
  readonly grid: (read: ReadSlot) => UnitGrid;
  readonly work: (read: ReadSlot) => number;
}

const NO_UNITS: UnitGrid = { units: 0, bytes: 0 };

function counters(kernel: ContractionKernel, lanes: Lanes): Counters {
  const product = (axes: readonly Axis[]) => {
    const sizes = axes.map((axis) => sizeReader(axis.size, kernel.buffers.length));
    return (read: ReadSlot) => sizes.reduce((total, size) => total * size(read), 1);
  };
  const [batch, m, n, k] = [product(kernel.batch), product(kernel.m), product(kernel.n), product(kernel.k)];
  return {
    grid: (read) => {
      const [b, rows, columns] = [batch(read), m(read), n(read)];
      return b * rows * columns === 0 ? NO_UNITS : unitGrid(b, rows, columns, k(read), lanes);
    },
    work: (read) => (batch(read) * m(read) * n(read) * k(read)) / RATE,
  };
}

function sizeReader(size: Expr, bufferCount: number): (read: ReadSlot) => number {
  if (size.op === "const") return () => size.value as number;
  if (size.op === "param") return (read) => read(bufferCount + size.slot);
  throw new Error(`contraction: an axis size must be a constant or a parameter, not ${size.op}`);
}
