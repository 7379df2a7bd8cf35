/** The operations of the IR on single values of each compute type. */
import type { BinaryOp, CompareOp, ComputeType, UnaryOp } from "../../ir/expr.ts";
import { constant } from "../../ir/expr.ts";
import type { Value } from "./elements.ts";

/** Rounds a float to the nearest integer, ties to even; keeps the sign of zero. */
function nearestEven(x: number): number {
  if (!(Math.abs(x) < 2 ** 52)) return x;
  // Above 2^52 a float64 has no fraction, so that the addition rounds to an integer.
  const magic = x < 0 || Object.is(x, -0) ? -(2 ** 52) : 2 ** 52;
  const rounded = x + magic - magic;
  return rounded === 0 ? 0 * x : rounded;
}

type UnaryFunction = (x: Value) => Value;
type BinaryFunction = (x: Value, y: Value) => Value;

const wrap64 = (x: bigint): bigint => BigInt.asIntN(64, x);
const bits = new DataView(new ArrayBuffer(8));

/** Float operations, in float64. Rounding the result to float32 gives float32's own result for each of them. */
const floatUnary: Partial<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  nearest: nearestEven,
};

const floatBinary: Partial<Record<BinaryOp, (x: number, y: number) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  rem: (x, y) => x % y,
  min: Math.min,
  max: Math.max,
};

const int32Unary: Partial<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x | 0,
  abs: (x) => Math.abs(x) | 0,
  not: (x) => ~x,
};

const int32Binary: Record<BinaryOp, (x: number, y: number) => number> = {
  add: (x, y) => (x + y) | 0,
  sub: (x, y) => (x - y) | 0,
  mul: Math.imul,
  div: (x, y) => (y === 0 ? 0 : (x / y) | 0),
  rem: (x, y) => (y === 0 ? 0 : (x % y) | 0),
  min: Math.min,
  max: Math.max,
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y) => x << y,
  shr: (x, y) => x >> y,
  shru: (x, y) => (x >>> y) | 0,
};

const int64Unary: Partial<Record<UnaryOp, (x: bigint) => bigint>> = {
  neg: (x) => wrap64(-x),
  abs: (x) => wrap64(x < 0n ? -x : x),
  not: (x) => ~x,
};

const int64Binary: Record<BinaryOp, (x: bigint, y: bigint) => bigint> = {
  add: (x, y) => wrap64(x + y),
  sub: (x, y) => wrap64(x - y),
  mul: (x, y) => wrap64(x * y),
  div: (x, y) => (y === 0n ? 0n : wrap64(x / y)),
  rem: (x, y) => (y === 0n ? 0n : x % y),
  // biome-ignore lint/complexity/useMathMinMax: Math.min takes no bigint
  min: (x, y) => (x < y ? x : y),
  // biome-ignore lint/complexity/useMathMinMax: Math.max takes no bigint
  max: (x, y) => (x > y ? x : y),
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y) => wrap64(x << (y & 63n)),
  shr: (x, y) => x >> (y & 63n),
  shru: (x, y) => wrap64(BigInt.asUintN(64, x) >> (y & 63n)),
};

const boolBinary: Partial<Record<BinaryOp, (x: number, y: number) => number>> = {
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
};

const comparisons: Record<CompareOp, (x: Value, y: Value) => number> = {
  eq: (x, y) => (x === y ? 1 : 0),
  ne: (x, y) => (x !== y ? 1 : 0),
  lt: (x, y) => (x < y ? 1 : 0),
  le: (x, y) => (x <= y ? 1 : 0),
  gt: (x, y) => (x > y ? 1 : 0),
  ge: (x, y) => (x >= y ? 1 : 0),
};

function missing(op: string, type: ComputeType): never {
  throw new Error(`IR: ${op} of ${type}`);
}

/** The function of `op` on values of `type`. */
export function unaryFunction(op: UnaryOp, type: ComputeType): UnaryFunction {
  if (type === "bool" && op === "not") return (x) => (x ? 0 : 1);
  if (type === "i32") return (int32Unary[op] ?? missing(op, type)) as UnaryFunction;
  if (type === "i64") return (int64Unary[op] ?? missing(op, type)) as UnaryFunction;
  if (type === "bool") missing(op, type);
  return roundedUnary(floatUnary[op] ?? missing(op, type), type);
}

/** The function of `op` on values of `type`. */
export function binaryFunction(op: BinaryOp, type: ComputeType): BinaryFunction {
  if (type === "bool") return (boolBinary[op] ?? missing(op, type)) as BinaryFunction;
  if (type === "i32") return int32Binary[op] as BinaryFunction;
  if (type === "i64") return int64Binary[op] as BinaryFunction;
  return roundedBinary(floatBinary[op] ?? missing(op, type), type);
}

export function compareFunction(op: CompareOp): BinaryFunction {
  return comparisons[op];
}

/** `x * y + z`, rounded after both operations, or once where `fused` (float32 only). */
export function fmaFunction(type: ComputeType, fused: boolean): (x: Value, y: Value, z: Value) => Value {
  if (type === "f32" && fused) return (x, y, z) => Math.fround((x as number) * (y as number) + (z as number));
  const mul = binaryFunction("mul", type);
  const add = binaryFunction("add", type);
  return (x, y, z) => add(mul(x, y), z);
}

export function roundedUnary(f: (x: number) => number, type: ComputeType): UnaryFunction {
  return (type === "f32" ? (x: number) => Math.fround(f(x)) : f) as UnaryFunction;
}

export function roundedBinary(f: (x: number, y: number) => number, type: ComputeType): BinaryFunction {
  return (type === "f32" ? (x: number, y: number) => Math.fround(f(x, y)) : f) as BinaryFunction;
}

/** Value conversion between compute types: float to integer truncates and saturates, NaN becomes 0. */
export function castFunction(from: ComputeType, to: ComputeType): UnaryFunction {
  if (from === to) return (x) => x;
  if (to === "bool") return (x) => (x ? 1 : Number.isNaN(x) ? 1 : 0);
  if (from === "i64") {
    if (to === "i32") return (x) => Number(BigInt.asIntN(32, x as bigint));
    if (to === "f32") return (x) => int64ToFloat32(x as bigint);
    return (x) => Number(x);
  }
  if (to === "f32") return (x) => Math.fround(x as number);
  if (to === "f64") return (x) => x;
  if (to === "i64" && !(from === "f32" || from === "f64")) return (x) => BigInt(x);
  return (x) => constant(to, x).value as Value;
}

/** Rounds once, as the machine does: by way of float64 there would be two roundings. */
function int64ToFloat32(x: bigint): number {
  if (BigInt.asIntN(53, x) === x) return Math.fround(Number(x));
  // Keep the upper bits; a sticky last bit stands for what was cut off.
  const upper = (x >> 11n) | (x & 2047n ? 1n : 0n);
  return Math.fround(Number(upper) * 2048);
}

/** Reinterprets the bits of f32 as i32, f64 as i64, or back. */
export function bitcastFunction(from: ComputeType, to: ComputeType): UnaryFunction {
  if (from === to) return (x) => x;
  const pair = `${from}→${to}`;
  if (pair === "f32→i32") {
    return (x) => {
      bits.setFloat32(0, x as number);
      return bits.getInt32(0);
    };
  }
  if (pair === "i32→f32") {
    return (x) => {
      bits.setInt32(0, x as number);
      return bits.getFloat32(0);
    };
  }
  if (pair === "f64→i64") {
    return (x) => {
      bits.setFloat64(0, x as number);
      return bits.getBigInt64(0);
    };
  }
  if (pair === "i64→f64") {
    return (x) => {
      bits.setBigInt64(0, x as bigint);
      return bits.getFloat64(0);
    };
  }
  throw new Error(`IR: bitcast ${pair}`);
}
