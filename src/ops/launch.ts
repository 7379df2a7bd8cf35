/** From kernels to running code: the backend in use, the parameter block, and the launch. */
import type { Backend, CompiledKernel } from "../backend/backend.ts";
import type { MemoryLimits } from "../backend/wasm/assembler.ts";
import { FRAME_BYTES } from "../backend/wasm/frame.ts";
import { WasmBackend } from "../backend/wasm/index.ts";
import { instantiate, memoryLimits } from "../backend/wasm/instantiate.ts";
import { ThreadPool } from "../backend/wasm/threads/pool.ts";
import type { Run } from "../backend/wasm/threads/protocol.ts";
import type { ComputeType } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { heap } from "../storage/storage.ts";
import type { Tensor } from "../tensor.ts";

/** Byte address of the parameter block: in the part of the heap that no tensor uses. */
const BLOCK = 1024;
const SLOT32 = BLOCK / 4;
const SLOT64 = BLOCK / 8;

/** The threads that share the work of large launches. */
export const pool: ThreadPool = new ThreadPool(heap.memory, (bytes) => heap.reserve(bytes));

let backend: Backend = new WasmBackend(heap.memory, {
  scratch: growingScratch,
  frame: heap.reserve(FRAME_BYTES),
  pool,
});
let generation = 0;

/** Unused bytes before and after the scratch memory. */
const GUARD = 128;

let scratchAddress = 0;
let scratchSize = 0;

/** Memory for packed operands of contractions: one block, replaced when a launch needs more. */
function growingScratch(bytes: number): number {
  if (bytes > scratchSize) {
    if (scratchSize > 0) heap.unreserve(scratchAddress - GUARD, scratchSize + 2 * GUARD);
    scratchSize = Math.max(bytes, 2 * scratchSize, 2 ** 20);
    // Kept apart from its neighbours: a checking backend takes writes right beside a tensor for stray ones.
    scratchAddress = heap.reserve(scratchSize + 2 * GUARD) + GUARD;
  }
  return scratchAddress;
}

/** Replaces the backend, for tests: the interpreter, or one that checks another. Compiled kernels are made anew. */
export function setBackend(make: (memory: WebAssembly.Memory, current: Backend) => Backend): void {
  backend = make(heap.memory, backend);
  generation++;
}

/** Changes whenever compiled kernels are out of date. */
export function backendGeneration(): number {
  return generation;
}

/** Compiled kernels by key. One cache belongs to one maker of kernels, which makes the keys. */
export class KernelCache<K> {
  private kernels = new Map<K, CompiledKernel>();
  private generation = 0;
  get(key: K, make: () => Kernel): CompiledKernel {
    return this.find(key) ?? this.add(key, make());
  }
  find(key: K): CompiledKernel | undefined {
    if (this.generation !== generation) {
      this.kernels.clear();
      this.generation = generation;
    }
    return this.kernels.get(key);
  }
  add(key: K, kernel: Kernel): CompiledKernel {
    const compiled = backend.compile(kernel);
    this.kernels.set(key, compiled);
    return compiled;
  }
}

/**
 * Runs a kernel over all of its work. `tensors` are its buffers (the address is that of their first element), `params`
 * its scalars.
 */
export function launch(
  compiled: CompiledKernel,
  tensors: readonly Tensor[],
  params: readonly (number | bigint)[],
  units = -1,
): void {
  let slot = writeAddresses(tensors);
  const types = compiled.kernel.params;
  for (let i = 0; i < params.length; i++) writeParam(slot++, types[i], params[i]);
  compiled.run(BLOCK, 0, units < 0 ? compiled.units(BLOCK) : units);
}

/**
 * Runs a prepared launch on tensors, with more `scalars` if the kernel has any. Where the number of units is not known yet
 * (-1), the kernel is asked for it; it is returned.
 */
export function launchPrepared(
  { compiled, params, units }: PreparedLaunch,
  tensors: readonly Tensor[],
  scalars: readonly (number | bigint)[] | undefined,
): number {
  let slot = writeAddresses(tensors);
  const { i32 } = heap;
  for (let i = 0; i < params.length; i++) i32[SLOT32 + 2 * slot++] = params[i];
  if (scalars !== undefined) {
    const types = compiled.kernel.params;
    for (let i = 0; i < scalars.length; i++) writeParam(slot++, types[params.length + i], scalars[i]);
  }
  const all = units < 0 ? compiled.units(BLOCK) : units;
  compiled.run(BLOCK, 0, all);
  return all;
}

/** Code that is no kernel of the IR but is launched like one: a module that exports `run(block, begin, end)`. */
export class Routine {
  private readonly bytes: Uint8Array<ArrayBuffer>;
  private readonly run: Run;

  constructor(make: (limits: MemoryLimits) => Uint8Array<ArrayBuffer>) {
    this.bytes = make(memoryLimits(heap.memory));
    this.run = instantiate(this.bytes, { env: { memory: heap.memory } });
  }
  /** Launches on `units` units of work of about `cost` nanoseconds each. The slots are the tensors' addresses, then `sizes`. */
  launch(tensors: readonly (Tensor | null)[], sizes: readonly number[], units: number, cost: number): void {
    heap.epoch++;
    let slot = 0;
    for (const t of tensors) {
      const address = t === null ? 0 : t.storage.address + t.offset * t.dtype.itemsize;
      heap.i32[SLOT32 + 2 * slot++] = address;
    }
    for (const size of sizes) heap.i32[SLOT32 + 2 * slot++] = size;
    const chunk = Math.ceil(ROUTINE_CHUNK / cost);
    if (pool.size > 1 && chunk < units && pool.pays(units * cost)) {
      pool.run(this.bytes, this.run, 0, BLOCK, 0, units, chunk);
    } else this.run(BLOCK, 0, units);
  }
}

/** Nanoseconds of work that a thread takes at a time. */
const ROUTINE_CHUNK = 20_000;

/** Begins a launch: the first slots are the addresses of the tensors' first elements. Returns the next slot. */
function writeAddresses(tensors: readonly Tensor[]): number {
  // A new epoch lets the heap move whatever this launch does not use; reading the addresses pins what it does.
  heap.epoch++;
  let slot = 0;
  for (let i = 0; i < tensors.length; i++) {
    const t = tensors[i];
    const address = t.storage.address + t.offset * t.dtype.itemsize;
    heap.i32[SLOT32 + 2 * slot++] = address;
  }
  return slot;
}

function writeParam(slot: number, type: ComputeType, value: number | bigint): void {
  if (type === "i32") heap.i32[SLOT32 + 2 * slot] = Number(value);
  else if (type === "f32") heap.f32[SLOT32 + 2 * slot] = Number(value);
  else if (type === "f64") heap.f64[SLOT64 + slot] = Number(value);
  else if (type === "i64") heap.i64[SLOT64 + slot] = typeof value === "bigint" ? value : BigInt(Math.trunc(value));
  else heap.i32[SLOT32 + 2 * slot] = value ? 1 : 0;
}

/** A launch whose tensors and last scalars come later. */
export interface PreparedLaunch {
  readonly compiled: CompiledKernel;
  /** The first parameters of the kernel: sizes and strides, all i32. */
  readonly params: readonly number[];
  readonly units: number;
}

/** Runs a prepared launch with more `scalars`. `address` is asked for each buffer's and must read that of a storage. */
export function runPrepared(
  { compiled, params, units }: PreparedLaunch,
  scalars: readonly (number | bigint)[],
  address: (buffer: number) => number,
): void {
  heap.epoch++;
  const count = compiled.kernel.buffers.length;
  let slot = 0;
  while (slot < count) {
    const at = address(slot);
    heap.i32[SLOT32 + 2 * slot++] = at;
  }
  const types = compiled.kernel.params;
  for (let i = 0; i < params.length; i++) writeParam(slot++, types[i], params[i]);
  for (let i = 0; i < scalars.length; i++) writeParam(slot++, types[params.length + i], scalars[i]);
  compiled.run(BLOCK, 0, units);
}

/**
 * The shortest launch: a map of `count` elements over contiguous buffers, whose parameters are the count and then
 * `scalars`.
 */
export function launchFlat(
  compiled: CompiledKernel,
  inputs: readonly Tensor[],
  out: Tensor,
  count: number,
  scalars: readonly (number | bigint)[] | null,
): void {
  let slot = writeAddresses(inputs);
  const address = out.storage.address + out.offset * out.dtype.itemsize;
  const i32 = heap.i32;
  i32[SLOT32 + 2 * slot++] = address;
  i32[SLOT32 + 2 * slot++] = count;
  if (scalars !== null) {
    const types = compiled.kernel.params;
    for (let i = 0; i < scalars.length; i++) writeParam(slot++, types[i + 1], scalars[i]);
  }
  compiled.run(BLOCK, 0, count);
}
