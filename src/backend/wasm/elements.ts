/**
 * Element types in memory. The code generators see only integers and floats that WebAssembly can load and store itself:
 * half floats and booleans are expanded here into expressions over raw 16-bit and 8-bit integers.
 */
import type { DTypeName } from "../../dtype.ts";
import { type ComputeType, computeType, constant, Expr, rewrite } from "../../ir/expr.ts";
import type { BufferDecl } from "../../ir/kernel.ts";
import type { MemoryOp } from "./opcodes.ts";

export interface RawElement {
  /** Bytes. */
  readonly size: 1 | 2 | 4 | 8;
  readonly type: ComputeType;
  readonly signed: boolean;
  readonly load: MemoryOp;
  readonly store: MemoryOp;
}

const unsigned8: RawElement = { size: 1, type: "i32", signed: false, load: "i32.load8_u", store: "i32.store8" };
const unsigned16: RawElement = { size: 2, type: "i32", signed: false, load: "i32.load16_u", store: "i32.store16" };

/** How the bits of each element type are loaded and stored. */
export const rawElements: Readonly<Record<DTypeName, RawElement>> = {
  bool: unsigned8,
  uint8: unsigned8,
  int8: { size: 1, type: "i32", signed: true, load: "i32.load8_s", store: "i32.store8" },
  int16: { size: 2, type: "i32", signed: true, load: "i32.load16_s", store: "i32.store16" },
  float16: unsigned16,
  bfloat16: unsigned16,
  int32: { size: 4, type: "i32", signed: true, load: "i32.load", store: "i32.store" },
  int64: { size: 8, type: "i64", signed: true, load: "i64.load", store: "i64.store" },
  float32: { size: 4, type: "f32", signed: true, load: "f32.load", store: "f32.store" },
  float64: { size: 8, type: "f64", signed: true, load: "f64.load", store: "f64.store" },
};

/** Makes every load in `e` a raw one, with the conversion around it. */
export function decodeLoads(e: Expr, buffers: readonly BufferDecl[]): Expr {
  return rewrite(e, (node) => {
    if (node.op !== "load") return node;
    const { dtype } = buffers[node.slot];
    if (computeType(dtype) !== node.type) throw new Error(`IR: load of ${dtype} as ${node.type}`);
    if (dtype !== "bool" && dtype !== "float16" && dtype !== "bfloat16") return node;
    const raw = new Expr("load", "i32", node.args, { slot: node.slot });
    if (dtype === "bool") return raw.ne(0);
    return dtype === "float16" ? fromFloat16(raw) : fromBFloat16(raw);
  });
}

/** The raw integer or float that a store of `value` writes. */
export function encodeStore(value: Expr, dtype: DTypeName): Expr {
  if (computeType(dtype) !== value.type) throw new Error(`IR: store of ${value.type} to ${dtype}`);
  if (dtype === "bool") return new Expr("cast", "i32", [value]);
  if (dtype === "float16") return toFloat16(value);
  if (dtype === "bfloat16") return toBFloat16(value);
  return value;
}

const SIGN = -(2 ** 31);

/**
 * The half's exponent and fraction, moved into float32's place, are a float32 too small by 2^112, subnormals included.
 * Infinity and NaN need their exponent filled up.
 */
export function fromFloat16(bits: Expr): Expr {
  const magnitude = bits.and(0x7fff);
  const scaled = magnitude
    .shl(13)
    .bitcast("f32")
    .mul(2 ** 112);
  const exponent = magnitude.ge(0x7c00).select(constant("i32", 0x7f800000), 0);
  return scaled.bitcast("i32").or(exponent).or(bits.and(0x8000).shl(16)).bitcast("f32");
}

/** To nearest, ties to even; 65520 and more give infinity. */
export function toFloat16(x: Expr): Expr {
  const bits = x.bitcast("i32");
  const magnitude = bits.and(0x7fffffff);
  // Normal: the exponent's bias goes from 127 to 15, and 0xfff plus the last kept bit rounds the 13 bits cut off.
  const normal = magnitude
    .add(magnitude.shru(13).and(1))
    .add(0xfff - (112 << 23))
    .shru(13);
  // Subnormal: adding 0.5, whose unit in the last place is that of half's subnormals, rounds.
  const subnormal = magnitude.bitcast("f32").add(0.5).bitcast("i32").sub(0x3f000000);
  const finite = magnitude.lt(0x38800000).select(subnormal, normal);
  const special = magnitude.gt(0x7f800000).select(constant("i32", 0x7e00), 0x7c00);
  return magnitude.ge(0x47800000).select(special, finite).or(bits.and(SIGN).shru(16));
}

export function fromBFloat16(bits: Expr): Expr {
  return bits.shl(16).bitcast("f32");
}

/** To nearest, ties to even; every NaN becomes 0x7fc0. */
export function toBFloat16(x: Expr): Expr {
  const bits = x.bitcast("i32");
  const rounded = bits.add(bits.shru(16).and(1)).add(0x7fff).shru(16);
  return x.isnan().select(constant("i32", 0x7fc0), rounded);
}
