/**
 * The element types, under PyTorch's names, and the rules by which they combine.
 * Source: https://pytorch.org/docs/stable/tensor_attributes.html#torch.dtype
 */
import { NotImplementedError, RuntimeError } from "./errors.ts";

/** Names of the element types, as PyTorch prints them after `torch.`. */
export type DTypeName =
  | "bool"
  | "uint8"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "float16"
  | "bfloat16"
  | "float32"
  | "float64";

/** The categories of type promotion, lowest first. */
export type DTypeCategory = 0 | 1 | 2;
export const BOOL = 0;
export const INTEGRAL = 1;
export const FLOATING = 2;

/** An element type. Compare with `===`: there is one object of each. */
export class DType {
  readonly name: DTypeName;
  /** Bytes of one element. */
  readonly itemsize: number;
  readonly category: DTypeCategory;
  /** A small number for tables and cache keys. */
  readonly id: number;
  readonly is_signed: boolean;

  constructor(name: DTypeName, id: number, itemsize: number, category: DTypeCategory, signed: boolean) {
    this.name = name;
    this.id = id;
    this.itemsize = itemsize;
    this.category = category;
    this.is_signed = signed;
  }

  get is_floating_point(): boolean {
    return this.category === FLOATING;
  }

  /** Complex types are not implemented, so this is always false. */
  get is_complex(): boolean {
    return false;
  }

  toString(): string {
    return `torch.${this.name}`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

export const bool = new DType("bool", 0, 1, BOOL, false);
export const uint8 = new DType("uint8", 1, 1, INTEGRAL, false);
export const int8 = new DType("int8", 2, 1, INTEGRAL, true);
export const int16 = new DType("int16", 3, 2, INTEGRAL, true);
export const int32 = new DType("int32", 4, 4, INTEGRAL, true);
export const int64 = new DType("int64", 5, 8, INTEGRAL, true);
export const float16 = new DType("float16", 6, 2, FLOATING, true);
export const bfloat16 = new DType("bfloat16", 7, 2, FLOATING, true);
export const float32 = new DType("float32", 8, 4, FLOATING, true);
export const float64 = new DType("float64", 9, 8, FLOATING, true);

/** PyTorch's other names for the same types. */
export const half = float16;
export const float = float32;
export const double = float64;
export const short = int16;
export const int = int32;
export const long = int64;

/** All element types, by `id`. */
export const dtypes: readonly DType[] = [bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64];

const scalarTypeNames: Readonly<Record<DTypeName, string>> = {
  bool: "Bool",
  uint8: "Byte",
  int8: "Char",
  int16: "Short",
  int32: "Int",
  int64: "Long",
  float16: "Half",
  bfloat16: "BFloat16",
  float32: "Float",
  float64: "Double",
};

const cppTypeNames: Readonly<Record<DTypeName, string>> = {
  bool: "bool",
  uint8: "unsigned char",
  int8: "signed char",
  int16: "short int",
  int32: "int",
  int64: "long int",
  float16: "c10::Half",
  bfloat16: "c10::BFloat16",
  float32: "float",
  float64: "double",
};

/** The name of libtorch's ScalarType, which most of PyTorch's messages use: `Float` for float32. */
export function scalarTypeName(dtype: DType): string {
  return scalarTypeNames[dtype.name];
}

/** The type's name in C++, which other messages of PyTorch use: `long int` for int64. */
export function cppTypeName(dtype: DType): string {
  return cppTypeNames[dtype.name];
}

/** Throws what PyTorch throws where a kernel has no code for an element type. */
export function notImplementedFor(kernel: string, dtype: DType): never {
  throw new NotImplementedError(`"${kernel}" not implemented for '${scalarTypeName(dtype)}'`);
}

const promotions: DType[] = dtypes.flatMap((a) => dtypes.map((b) => promotePair(a, b)));

function promotePair(a: DType, b: DType): DType {
  if (a === b) return a;
  if (a.category !== b.category) return a.category > b.category ? a : b;
  if (a.category === FLOATING && a.itemsize === 2 && b.itemsize === 2) return float32; // float16 with bfloat16
  if (a.category === INTEGRAL && a.is_signed !== b.is_signed) {
    // uint8 with a signed type: the smallest signed type that holds both.
    const signed = a.is_signed ? a : b;
    return signed === int8 ? int16 : signed;
  }
  return a.id > b.id ? a : b;
}

/** The type that holds values of both: `torch.promote_types`. */
export function promote_types(a: DType, b: DType): DType {
  return promotions[a.id * dtypes.length + b.id] as DType;
}

/** Whether `from` may be written into `to` without an explicit cast: `torch.can_cast`. */
export function can_cast(from: DType, to: DType): boolean {
  if (from.category > to.category) return false;
  // A signed integer does not go into an unsigned one.
  return !(from.category === INTEGRAL && from.is_signed && to.category === INTEGRAL && !to.is_signed);
}

let defaultDType: DType = float32;

/** The type of new floating-point tensors: `torch.get_default_dtype`. */
export function get_default_dtype(): DType {
  return defaultDType;
}

/** Sets the type of new floating-point tensors: `torch.set_default_dtype`. */
export function set_default_dtype(dtype: DType): void {
  if (!dtype.is_floating_point) {
    throw new RuntimeError(`only floating-point types are supported as the default type, got ${dtype}`);
  }
  defaultDType = dtype;
}
