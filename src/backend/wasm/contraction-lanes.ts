/** The tile of a contraction, and the vector instructions for each type in which it accumulates. */
import { NotImplementedError } from "../../errors.ts";
import type { ComputeType } from "../../ir/expr.ts";
import type { FunctionBuilder, Local, ValueType } from "./assembler.ts";
import type { Features } from "./features.ts";
import type { MemoryLaneOp, MemoryOp, PlainOp } from "./opcodes.ts";

/** Rows of the largest tile. */
export const TILE_ROWS = 6;
/** Groups of columns in a panel. */
export const TILE_GROUPS = 2;

export interface Lanes {
  readonly type: ValueType & ComputeType;
  /** Bytes of an element. */
  readonly size: 4 | 8;
  /** Elements in a vector. */
  readonly count: 4 | 2;
  /** Vectors in a group of columns: two where the engine makes one 256-bit instruction of neighbouring pairs. */
  readonly groupVectors: 1 | 2;
  /** Columns in a group. A panel is two groups. */
  readonly groupColumns: number;
  /** Bytes of a row of a tile. */
  readonly rowBytes: number;
  readonly shape: "f32x4" | "f64x2" | "i32x4" | "i64x2";
  readonly load: MemoryOp;
  readonly store: MemoryOp;
  readonly loadSplat: MemoryOp;
  readonly loadZero: MemoryOp;
  readonly loadLane: MemoryLaneOp;
  readonly storeLane: MemoryLaneOp;
  readonly add: PlainOp;
  readonly mul: PlainOp;
  /** a·b + c in one instruction, where there is one. */
  readonly madd: PlainOp | undefined;
}

export function lanesOf(type: ComputeType, { relaxed, wide }: Features): Lanes {
  const groupVectors = wide && (type === "f32" || type === "f64") ? 2 : 1;
  const rowBytes = 16 * TILE_GROUPS * groupVectors;
  switch (type) {
    case "f32":
    case "i32":
      return {
        type,
        size: 4,
        count: 4,
        groupVectors,
        groupColumns: 4 * groupVectors,
        rowBytes,
        shape: `${type}x4`,
        load: `${type}.load`,
        store: `${type}.store`,
        loadSplat: "v128.load32_splat",
        loadZero: "v128.load32_zero",
        loadLane: "v128.load32_lane",
        storeLane: "v128.store32_lane",
        add: `${type}x4.add`,
        mul: `${type}x4.mul`,
        madd: relaxed && type === "f32" ? "f32x4.relaxed_madd" : undefined,
      };
    case "f64":
    case "i64":
      return {
        type,
        size: 8,
        count: 2,
        groupVectors,
        groupColumns: 2 * groupVectors,
        rowBytes,
        shape: `${type}x2`,
        load: `${type}.load`,
        store: `${type}.store`,
        loadSplat: "v128.load64_splat",
        loadZero: "v128.load64_zero",
        loadLane: "v128.load64_lane",
        storeLane: "v128.store64_lane",
        add: `${type}x2.add`,
        mul: `${type}x2.mul`,
        madd: relaxed && type === "f64" ? "f64x2.relaxed_madd" : undefined,
      };
    default:
      throw new NotImplementedError(`contraction: accumulating in ${type}`);
  }
}

/**
 * The vectors of a row of a tile in the order in which to store them. V8's revectorizer packs a pair of stores
 * only if the second half comes first.
 */
export function storeOrder({ groupVectors }: Lanes): readonly number[] {
  return groupVectors === 2 ? [1, 0, 3, 2] : [0, 1];
}

/** `sum += a · b`, on vectors. */
export function multiplyAdd(f: FunctionBuilder, lanes: Lanes, sum: Local, a: Local, b: Local): void {
  if (lanes.madd) f.get(a).get(b).get(sum).op(lanes.madd).set(sum);
  else f.get(sum).get(a).get(b).op(lanes.mul).op(lanes.add).set(sum);
}

/** Puts on the stack how many rows the next tile has when `left` rows are left: no tile of 1 to 3 after one of 6. */
export function emitTileRows(f: FunctionBuilder, left: Local): void {
  // 6 when it leaves none or at least 4; else half of the rest (7, 8 and 9 become 4 + 3, 4 + 4 and 5 + 4).
  f.get(left).i32(TILE_ROWS).op("i32.le_s");
  f.if(
    () => f.get(left),
    () => {
      f.get(left).i32(1).op("i32.add").i32(1).op("i32.shr_u").i32(TILE_ROWS);
      f.get(left).i32(10).op("i32.lt_s").select();
    },
    "i32",
  );
}
