/** Tensors from JavaScript values: numbers, nested arrays, typed arrays, buffers. */
import { type Device, requireCpu } from "../device.ts";
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { describe } from "../shape.ts";
import { heap } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { type Scalar, scalarDType } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import { elementsOf, elementWriter, overflows } from "./memory.ts";
import { allocate } from "./row.ts";
import { type BoundOptions, checkSizes, finish, inferred, OPTIONS, type TensorOptions } from "./tensor-options.ts";

/** What tensors can be made of. */
export type TensorData = Scalar | Tensor | ArrayBufferView | readonly TensorData[];

/** The element type of a typed array; null for what is no array of numbers. */
function typedArrayDType(x: unknown): DType | null {
  if (x instanceof Float32Array) return dt.float32;
  if (x instanceof Float64Array) return dt.float64;
  if (x instanceof Int32Array) return dt.int32;
  if (x instanceof BigInt64Array) return dt.int64;
  if (x instanceof Uint8Array || x instanceof Uint8ClampedArray) return dt.uint8;
  if (x instanceof Int8Array) return dt.int8;
  if (x instanceof Int16Array) return dt.int16;
  if (typeof Float16Array !== "undefined" && x instanceof Float16Array) return dt.float16;
  return null;
}

interface NumberList extends ArrayLike<number | bigint> {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** Float16Array is in Node 24 and in new browsers; older ones have no such arrays to pass. */
declare const Float16Array: { new (length: number): NumberList; prototype: NumberList } | undefined;

function fromTypedArray(data: NumberList, own: DType, dtype: DType | null): Tensor {
  const out = allocate(own, [data.length]);
  heap.u8.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), out.storage.address);
  return dtype === null || dtype === own ? out : out.to(dtype);
}

/** The shape of nested values, by the first element of each level, as PyTorch reads it. */
function shapeOf(data: unknown): number[] {
  const shape: number[] = [];
  let x = data;
  for (;;) {
    if (x instanceof Tensor) return shape; // a tensor of one element, of any shape, stands for its number
    const length = lengthOf(x);
    if (length === null) return shape;
    shape.push(length);
    if (shape.length > 128) throw new ValueError("excessive nesting of lists: is there a list that contains itself?");
    if (length === 0) return shape;
    x = (x as ArrayLike<unknown>)[0];
  }
}

function lengthOf(x: unknown): number | null {
  if (Array.isArray(x)) return x.length;
  return typedArrayDType(x) === null ? null : (x as ArrayLike<unknown>).length;
}

/** Collects the scalars in row-major order. */
function flatten(x: unknown, shape: readonly number[], dim: number, into: Scalar[], types: Set<DType>): void {
  if (x instanceof Tensor) {
    if (x.count !== 1) throw new ValueError("only one element tensors can be converted to Python scalars");
    types.add(x.dtype);
    into.push(x.item());
    return;
  }
  const length = lengthOf(x);
  if (dim === shape.length) {
    if (length !== null) {
      throw new TypeError("'list' object cannot be interpreted as an integer: the nested lists have different depths");
    }
    if (typeof x !== "number" && typeof x !== "bigint" && typeof x !== "boolean") {
      if (typeof x === "string") throw new ValueError("too many dimensions 'str'");
      throw new RuntimeError(`Could not infer dtype of ${describe(x)}`);
    }
    into.push(x);
    return;
  }
  if (length === null) {
    if (x === null || x === undefined) throw new RuntimeError("Could not infer dtype of NoneType");
    throw new TypeError("not a sequence: the nested lists have different depths");
  }
  if (length !== shape[dim]) {
    throw new ValueError(`expected sequence of length ${shape[dim]} at dim ${dim} (got ${length})`);
  }
  const own = typedArrayDType(x);
  if (own !== null) types.add(own);
  for (let i = 0; i < length; i++) flatten((x as ArrayLike<unknown>)[i], shape, dim + 1, into, types);
}

/** @internal A tensor of values, always a copy. */
export function fromValues(data: unknown, dtype: DType | null, requiresGrad: boolean): Tensor {
  if (data instanceof Tensor)
    return data
      .detach()
      .clone()
      .to(dtype ?? data.dtype);
  const own = typedArrayDType(data);
  if (own !== null) return fromTypedArray(data as NumberList, own, dtype);
  if (typeof data === "string") throw new TypeError("new(): invalid data type 'str'");
  if (data === null || data === undefined) throw new RuntimeError("Could not infer dtype of NoneType");
  const scalar = typeof data === "number" || typeof data === "bigint" || typeof data === "boolean";
  if (!scalar && !Array.isArray(data)) throw new RuntimeError(`Could not infer dtype of ${describe(data)}`);
  const shape = shapeOf(data);
  const values: Scalar[] = [];
  const types = new Set<DType>();
  flatten(data, shape, 0, values, types);
  const type = dtype ?? commonType(values, types, requiresGrad);
  for (const v of values) {
    if (typeof v === "bigint" && type === dt.int64 && overflows(v, type)) {
      throw new ValueError("Overflow when unpacking long long");
    }
    if (overflows(v, type)) {
      throw new RuntimeError(`value cannot be converted to type ${type.name} without overflow`);
    }
  }
  const out = allocate(type, shape);
  const write = elementWriter(elementsOf(out), type);
  for (let i = 0; i < values.length; i++) write(i, values[i]);
  return out;
}

function commonType(values: readonly Scalar[], types: ReadonlySet<DType>, requiresGrad: boolean): DType {
  if (values.length === 0 && types.size === 0) return dt.get_default_dtype();
  if (types.size === 0) return inferred(values, requiresGrad);
  let type: DType | null = null;
  for (const t of types) type = type === null ? t : dt.promote_types(type, t);
  return type ?? scalarDType(0);
}

const TENSOR = `tensor(any data, *, ${OPTIONS})`;

/**
 * A tensor of `data`: a number, nested arrays, a typed array (which keeps its type) or a tensor; always a copy. Without
 * `dtype`, booleans give bool, whole numbers and bigints int64, and anything else the default float type. Whole numbers
 * with `requires_grad` give the default float type too.
 * Source: https://pytorch.org/docs/stable/generated/torch.tensor.html
 */
export function tensor(data: TensorData, options?: TensorOptions): Tensor {
  const [, dtype, device, requiresGrad] = bind(TENSOR, [data, options]) as [unknown, ...BoundOptions];
  requireCpu(device);
  return finish(fromValues(data, dtype, requiresGrad), requiresGrad);
}

/** `data` itself if it is a tensor of this dtype, else as `torch.tensor`, with autograd history kept. */
export function as_tensor(
  data: TensorData,
  options?: { dtype?: DType | null; device?: string | Device | null },
): Tensor {
  const [, dtype, device] = bind("as_tensor(any data, dtype? dtype=None, any? device=None)", [data, options]) as [
    unknown,
    DType | null,
    string | null,
  ];
  requireCpu(device);
  if (data instanceof Tensor) return dtype === null ? data : data.to(dtype);
  return fromValues(data, dtype, false);
}

/** As `as_tensor`. */
export function asarray(data: TensorData, options?: TensorOptions & { copy?: boolean | null }): Tensor {
  const [, dtype, device, copy, requiresGrad] = bind(
    "asarray(any obj, *, dtype? dtype=None, any? device=None, bool? copy=None, bool requires_grad=False)",
    [data, options],
  ) as [unknown, DType | null, string | null, boolean | null, boolean];
  requireCpu(device);
  if (data instanceof Tensor && copy !== true) {
    const out = dtype === null ? data : data.to(dtype);
    return requiresGrad ? out.requires_grad_() : out.requires_grad ? out.detach() : out;
  }
  if (copy === false)
    throw new ValueError("can't alias or copy from this object into WebAssembly memory without a copy");
  return finish(fromValues(data, dtype, requiresGrad), requiresGrad);
}

/** Options of `frombuffer`. */
export interface FromBufferOptions {
  /** Needed, except for typed arrays. */
  readonly dtype?: DType;
  /** How many elements; -1 (default) for all from `offset`. */
  readonly count?: number;
  /** Bytes to skip. */
  readonly offset?: number;
  readonly requires_grad?: boolean;
}

/**
 * A one-dimensional tensor of the bytes of a buffer, little-endian. Unlike PyTorch's it is a copy: tensors live in
 * WebAssembly memory.
 */
export function frombuffer(buffer: ArrayBufferLike | ArrayBufferView, options: FromBufferOptions = {}): Tensor {
  const [, given, countGiven, offset, requiresGrad] = bind(
    "frombuffer(any buffer, *, dtype? dtype=None, int count=-1, int offset=0, bool requires_grad=False)",
    [buffer, options],
  ) as [unknown, DType | null, number, number, boolean];
  let bytes: Uint8Array;
  if (ArrayBuffer.isView(buffer)) bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  else if (
    buffer instanceof ArrayBuffer ||
    (typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer)
  )
    bytes = new Uint8Array(buffer);
  else
    throw new ValueError(
      "object does not implement Python buffer protocol: it must be an ArrayBuffer or a view of one",
    );
  const dtype = given ?? typedArrayDType(buffer);
  if (dtype === null) throw new TypeError("frombuffer() missing 1 required keyword argument: 'dtype'");
  const size = dtype.itemsize;
  const length = bytes.length;
  if (length === 0 || countGiven === 0) {
    throw new ValueError(`both buffer length (${length}) and count (${countGiven}) must not be 0`);
  }
  if (offset < 0 || offset >= length) {
    throw new ValueError(
      `offset (${offset} bytes) must be non-negative and no greater than buffer length (${length} bytes) minus 1`,
    );
  }
  if (countGiven <= 0 && (length - offset) % size !== 0) {
    throw new ValueError(
      `buffer length (${length - offset} bytes) after offset (${offset} bytes) must be a multiple of element size (${size})`,
    );
  }
  const count = countGiven < 0 ? (length - offset) / size : countGiven;
  if (offset + count * size > length) {
    throw new ValueError(
      `requested buffer length (${count} * ${size} bytes) after offset (${offset} bytes) must not be greater than actual buffer length (${length} bytes)`,
    );
  }
  const out = allocate(dtype, [count]);
  heap.u8.set(bytes.subarray(offset, offset + count * size), out.storage.address);
  return finish(out, requiresGrad);
}

/** The constructors with a dtype in their name: of values, `FloatTensor([1, 2])`, or of sizes, `FloatTensor(2, 3)`. */
function legacyConstructor(dtype: DType): (...args: (TensorData | undefined)[]) => Tensor {
  return (...args) => {
    const first = args[0];
    if (first instanceof Tensor) return first.to(dtype);
    if (typeof first === "object") return fromValues(first, dtype, false);
    const sizes = args.map((s) => {
      if (typeof s !== "number" || !Number.isInteger(s)) {
        throw new TypeError(`new(): data must be a sequence (got ${describe(s)})`);
      }
      return s;
    });
    if (sizes.length === 0) return allocate(dtype, [0]);
    checkSizes(sizes);
    return allocate(dtype, sizes);
  };
}

type LegacyConstructor = (...args: (TensorData | undefined)[]) => Tensor;
/** A float32 tensor of values or of sizes. */
export const FloatTensor: LegacyConstructor = legacyConstructor(dt.float32);
/** A float64 tensor of values or of sizes. */
export const DoubleTensor: LegacyConstructor = legacyConstructor(dt.float64);
/** A float16 tensor of values or of sizes. */
export const HalfTensor: LegacyConstructor = legacyConstructor(dt.float16);
/** A bfloat16 tensor of values or of sizes. */
export const BFloat16Tensor: LegacyConstructor = legacyConstructor(dt.bfloat16);
/** A uint8 tensor of values or of sizes. */
export const ByteTensor: LegacyConstructor = legacyConstructor(dt.uint8);
/** An int8 tensor of values or of sizes. */
export const CharTensor: LegacyConstructor = legacyConstructor(dt.int8);
/** An int16 tensor of values or of sizes. */
export const ShortTensor: LegacyConstructor = legacyConstructor(dt.int16);
/** An int32 tensor of values or of sizes. */
export const IntTensor: LegacyConstructor = legacyConstructor(dt.int32);
/** An int64 tensor of values or of sizes. */
export const LongTensor: LegacyConstructor = legacyConstructor(dt.int64);
/** A bool tensor of values or of sizes. */
export const BoolTensor: LegacyConstructor = legacyConstructor(dt.bool);
