/**
 * Plans of launches. What a launch needs beside its tensors' addresses (the kernel, the sizes and strides among its
 * parameters, the number of work units) follows from shapes and strides, which are the same in every step of a training
 * loop: it is worked out once and found again by them. Finding it takes 0.1 µs, making it several.
 */
import { backendGeneration, type PreparedLaunch } from "./launch.ts";

/** The whole numbers that a plan follows from. One at a time is written: `start`, `push…`, then asked for. */
export class Signature {
  private numbers = new Int32Array(64);
  private length = 0;

  start(): void {
    this.length = 0;
  }
  push(x: number): void {
    if (this.length === this.numbers.length) {
      const longer = new Int32Array(2 * this.length);
      longer.set(this.numbers);
      this.numbers = longer;
    }
    this.numbers[this.length++] = x;
  }
  pushAll(list: readonly number[]): void {
    for (let i = 0; i < list.length; i++) this.push(list[i]);
  }

  /** A number that equal signatures share and others seldom do. */
  hash(): number {
    const { numbers, length } = this;
    let hash = length;
    for (let i = 0; i < length; i++) {
      hash = Math.imul(hash ^ numbers[i], 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash;
  }
  equals(other: Int32Array): boolean {
    const { numbers, length } = this;
    if (other.length !== length) return false;
    for (let i = 0; i < length; i++) if (numbers[i] !== other[i]) return false;
    return true;
  }
  copy(): Int32Array {
    return this.numbers.slice(0, this.length);
  }
}

interface Entry {
  readonly signature: Int32Array;
  readonly plan: PreparedLaunch;
  /** Another plan whose signature has the same hash. */
  readonly next: Entry | undefined;
}

/** A program whose shapes never repeat must not fill the memory with plans. */
const MOST_PLANS = 4096;

/** The plans of one maker of kernels. */
export class PlanCache {
  private readonly entries = new Map<number, Entry>();
  private count = 0;
  private generation = 0;

  find(signature: Signature): PreparedLaunch | null {
    if (this.generation !== backendGeneration()) {
      this.clear();
      this.generation = backendGeneration();
    }
    let entry = this.entries.get(signature.hash());
    while (entry !== undefined && !signature.equals(entry.signature)) entry = entry.next;
    return entry === undefined ? null : entry.plan;
  }

  add(signature: Signature, plan: PreparedLaunch): void {
    if (this.count === MOST_PLANS) this.clear();
    this.count++;
    const hash = signature.hash();
    this.entries.set(hash, { signature: signature.copy(), plan, next: this.entries.get(hash) });
  }

  private clear(): void {
    this.entries.clear();
    this.count = 0;
  }
}
