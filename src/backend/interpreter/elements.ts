/** Reading and writing single elements: the conversions between element types and compute types. */
import type { DTypeName } from "../../dtype.ts";
import { fromBFloat16, fromFloat16, toBFloat16, toFloat16 } from "../../elements.ts";

/** A value of a compute type: i64 is a bigint, everything else a number, booleans are 0 and 1. */
export type Value = number | bigint;

interface ElementAccess {
  readonly size: number;
  readonly read: (view: DataView, address: number) => Value;
  readonly write: (view: DataView, address: number, value: Value) => void;
}

/** How an element of each type is read and written at a byte address. The setters wrap narrow integers. */
export const elementAccess: Readonly<Record<DTypeName, ElementAccess>> = {
  bool: {
    size: 1,
    read: (v, a) => (v.getUint8(a) === 0 ? 0 : 1),
    write: (v, a, x) => v.setUint8(a, x ? 1 : 0),
  },
  uint8: { size: 1, read: (v, a) => v.getUint8(a), write: (v, a, x) => v.setUint8(a, x as number) },
  int8: { size: 1, read: (v, a) => v.getInt8(a), write: (v, a, x) => v.setInt8(a, x as number) },
  int16: { size: 2, read: (v, a) => v.getInt16(a, true), write: (v, a, x) => v.setInt16(a, x as number, true) },
  int32: { size: 4, read: (v, a) => v.getInt32(a, true), write: (v, a, x) => v.setInt32(a, x as number, true) },
  int64: {
    size: 8,
    read: (v, a) => v.getBigInt64(a, true),
    write: (v, a, x) => v.setBigInt64(a, x as bigint, true),
  },
  float16: {
    size: 2,
    read: (v, a) => fromFloat16(v.getUint16(a, true)),
    write: (v, a, x) => v.setUint16(a, toFloat16(x as number), true),
  },
  bfloat16: {
    size: 2,
    read: (v, a) => fromBFloat16(v.getUint16(a, true)),
    write: (v, a, x) => v.setUint16(a, toBFloat16(x as number), true),
  },
  float32: { size: 4, read: (v, a) => v.getFloat32(a, true), write: (v, a, x) => v.setFloat32(a, x as number, true) },
  float64: { size: 8, read: (v, a) => v.getFloat64(a, true), write: (v, a, x) => v.setFloat64(a, x as number, true) },
};
