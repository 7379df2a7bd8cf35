/** The values of tensors as they lie in files, one after the other. */
import * as dt from "../dtype.ts";
import { contiguousStrides, numelOf, type Shape } from "../shape.ts";
import { heap, Storage } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import type { ByteSource } from "./source.ts";

/** Where values come from: copies all that is left to where `target` says (see `ByteSource.readInto`). */
export type Fill = (target: (done: number) => Uint8Array) => Promise<void>;

/** A tensor of `shape` whose values `fill` reads. Check that the file has them before. */
export async function tensorFrom(fill: Fill, dtype: dt.DType, shape: Shape): Promise<Tensor> {
  const memory = newMemory(dtype, shape);
  const target = bytesOf(memory);
  if (memory.nbytes > 0) await fill(target);
  return finish(memory, dtype, shape);
}

/** A tensor of the values in a range of `source`, which must lie inside. */
export function readTensor(source: ByteSource, offset: number, dtype: dt.DType, shape: Shape): Promise<Tensor> {
  const length = numelOf(shape) * dtype.itemsize;
  return tensorFrom((target) => source.readInto(offset, length, target), dtype, shape);
}

/** The same of bytes in memory. */
export function tensorOfBytes(bytes: Uint8Array, dtype: dt.DType, shape: Shape): Tensor {
  const memory = newMemory(dtype, shape);
  if (memory.nbytes > 0) bytesOf(memory)(0).set(bytes);
  return finish(memory, dtype, shape);
}

function newMemory(dtype: dt.DType, shape: Shape): Storage {
  return new Storage(numelOf(shape) * dtype.itemsize);
}

/** Memory may move between two calls. */
function bytesOf(memory: Storage): (done: number) => Uint8Array {
  return (done) => heap.u8.subarray(memory.address + done, memory.address + memory.nbytes);
}

/** Turns the bytes of each element around, in place. */
export function swapBytes(bytes: Uint8Array, size: number): void {
  if (size > 1) for (let at = 0; at + size <= bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/** Kernels take the byte of a bool for 0 or 1. */
export function normalizeBooleans(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] > 1) bytes[i] = 1;
}

function finish(memory: Storage, dtype: dt.DType, shape: Shape): Tensor {
  if (dtype === dt.bool) normalizeBooleans(bytesOf(memory)(0));
  return new Tensor(memory, dtype, [...shape], contiguousStrides(shape), 0);
}

/** Gives `write` the values of `x` in order, as bytes that are valid during the call. */
export function withBytes(x: Tensor, write: (bytes: Uint8Array) => void): void {
  const values = x.detach().contiguous();
  const start = values.storage.address + values.offset * values.itemsize;
  write(heap.u8.subarray(start, start + values.count * values.itemsize));
}
