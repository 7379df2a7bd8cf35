/**
 * Vector code for the fills that take the most time. It gives the same numbers as the JavaScript beside which it is
 * called, and is set by the layer that has both a code generator and the memory in which tensors lie.
 */
import type { Mt19937 } from "./mt19937.ts";

/** Each fills the elements in [start, end) of an array in the kernels' memory and advances the engine. */
export interface FillKernels {
  /** Whether the kernels can write to an array. */
  reaches(array: ArrayBufferView): boolean;
  /** float32 samples `low + span * u`, `u` in [0, 1) of 24 random bits; `low` in place of `high`. */
  uniform24(
    engine: Mt19937,
    out: Float32Array,
    start: number,
    end: number,
    low: number,
    span: number,
    high: number,
  ): void;
  /** float64 samples in [0, 1) of 53 random bits. */
  uniform53(engine: Mt19937, out: Float64Array, start: number, end: number): void;
  /** `value` where a sample of 53 random bits is less than `p`, else 0. */
  bernoulli(engine: Mt19937, out: Float32Array, start: number, end: number, p: number, value: number): void;
  /** `base + word % span` for a `span` below 2^28 and a `base` of less than 2^50 in magnitude. */
  remainders(engine: Mt19937, out: BigInt64Array, start: number, end: number, span: number, base: number): void;
  /** Groups of 16 uniforms become normals in place: the first eight give the radii, the others the angles. */
  boxMuller(data: Float32Array, start: number, end: number, mean: number, std: number): void;
  /** The steps of `randperm`'s shuffle, on an array of whole numbers. */
  shuffle(engine: Mt19937, order: Int32Array): void;
}

/** Fewer elements than this are not worth the way to the kernels and back. */
export const LEAST_FOR_KERNELS = 1024;

let current: FillKernels | null = null;

export function setFillKernels(kernels: FillKernels | null): void {
  current = kernels;
}

/** The kernels, if there are any that can fill `count` elements of `array`. */
export function fillKernels(array: ArrayBufferView, count: number): FillKernels | null {
  return current !== null && count >= LEAST_FOR_KERNELS && current.reaches(array) ? current : null;
}
