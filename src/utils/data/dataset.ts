/** Datasets: https://pytorch.org/docs/stable/data.html#dataset-types */
import { IndexError, NotImplementedError, ValueError } from "../../errors.ts";
import { default_generator, type Generator } from "../../random/generator.ts";
import { permutation } from "../../random/sampling.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { gatherRows } from "./gather.ts";

/** What has samples by number: a `Dataset`, an array, a typed array, a tensor, or any object with `get` and `length`. */
export type Indexable<T> =
  | { readonly length: number; get(index: number): T }
  | ArrayLike<T>
  | (T extends Tensor ? Tensor : never);

/**
 * A dataset with samples by number: PyTorch's `__getitem__` is `get`, its `__len__` is `length`. A subclass defines both.
 * `get` may return a promise where the loader is read with `for await`.
 */
export abstract class Dataset<T = unknown> {
  get(_index: number): T {
    throw new NotImplementedError("Subclasses of Dataset should implement get.");
  }

  abstract readonly length: number;

  /** Several samples at once: PyTorch's `__getitems__`. The DataLoader calls it where a dataset has it. */
  getitems?(indices: readonly number[]): T[];

  /**
   * What `default_collate` makes of these samples, made at once; null where the dataset cannot say. The DataLoader asks
   * before it collects samples one by one, if it has no `collate_fn`.
   */
  get_collated?(indices: readonly number[]): unknown;

  /** The two datasets after each other. */
  add<U>(other: Indexable<U>): ConcatDataset<T | U> {
    return new ConcatDataset<T | U>([this, other as Indexable<T | U>]);
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let i = 0; i < this.length; i++) yield this.get(i);
  }
}

/** A dataset that is read from front to end: a subclass defines `[Symbol.iterator]`, or `[Symbol.asyncIterator]`. */
export abstract class IterableDataset<T = unknown> {
  [Symbol.iterator](): Iterator<T> {
    throw new NotImplementedError("Subclasses of IterableDataset should implement [Symbol.iterator].");
  }

  [Symbol.asyncIterator]?(): AsyncIterator<T>;

  /** The number of samples, if the dataset knows it. */
  declare readonly length?: number;

  /** The two datasets after each other. */
  add<U>(other: IterableDataset<U>): ChainDataset<T | U> {
    return new ChainDataset<T | U>([this, other]);
  }
}

/** The sample at `index`. */
export function sampleAt<T>(dataset: Indexable<T>, index: number): T {
  if (is_tensor(dataset)) return dataset.select(0, index) as T;
  if (typeof (dataset as { get?: unknown }).get === "function") {
    return (dataset as { get(index: number): T }).get(index);
  }
  const list = dataset as ArrayLike<T>;
  const at = index < 0 ? index + list.length : index;
  if (!(at >= 0 && at < list.length)) throw new IndexError("list index out of range");
  return list[at];
}

/** Samples that are rows of tensors: sample i is `tensors.map((t) => t[i])`. All have the same first size. */
export class TensorDataset<T extends readonly Tensor[] = Tensor[]> extends Dataset<{ [K in keyof T]: Tensor }> {
  readonly tensors: T;

  constructor(...tensors: T) {
    super();
    tensors.forEach((t, i) => {
      if (!is_tensor(t)) throw new TypeError(`TensorDataset: expected Tensor as argument ${i}`);
      if (t.length !== tensors[0].length) throw new ValueError("Size mismatch between tensors");
    });
    this.tensors = tensors;
  }

  override get length(): number {
    return this.tensors.length === 0 ? 0 : this.tensors[0].length;
  }

  override get(index: number): { [K in keyof T]: Tensor } {
    const size = this.length;
    if (!(index >= -size && index < size)) {
      throw new IndexError(`index ${index} is out of bounds for dimension 0 with size ${size}`);
    }
    return this.tensors.map((t) => t.select(0, index)) as { [K in keyof T]: Tensor };
  }

  override get_collated(indices: readonly number[]): Tensor[] | null {
    if (this.get !== TensorDataset.prototype.get) return null;
    return this.tensors.map((t) => gatherRows(t, indices));
  }
}

/** Datasets after each other. */
export class ConcatDataset<T = unknown> extends Dataset<T> {
  readonly datasets: readonly Indexable<T>[];
  /** How many samples there are up to the end of each dataset. */
  readonly cumulative_sizes: readonly number[];

  constructor(datasets: Iterable<Indexable<T>>) {
    super();
    this.datasets = [...datasets];
    if (this.datasets.length === 0) throw new ValueError("datasets should not be an empty iterable");
    const sizes: number[] = [];
    for (const d of this.datasets) {
      if (d instanceof IterableDataset) throw new TypeError("ConcatDataset does not support IterableDataset");
      sizes.push((sizes.at(-1) ?? 0) + d.length);
    }
    this.cumulative_sizes = sizes;
  }

  override get length(): number {
    return this.cumulative_sizes.at(-1) as number;
  }

  override get(index: number): T {
    if (-index > this.length) throw new ValueError("absolute value of index should not exceed dataset length");
    const at = index < 0 ? index + this.length : index;
    if (!(at < this.length)) throw new IndexError("list index out of range");
    const which = this.cumulative_sizes.findIndex((end) => at < end);
    return sampleAt(this.datasets[which], which === 0 ? at : at - this.cumulative_sizes[which - 1]);
  }
}

/** Iterable datasets after each other. */
export class ChainDataset<T = unknown> extends IterableDataset<T> {
  readonly datasets: readonly IterableDataset<T>[];

  constructor(datasets: Iterable<IterableDataset<T>>) {
    super();
    this.datasets = [...datasets];
    for (const d of this.datasets) {
      if (!(d instanceof IterableDataset)) throw new TypeError("ChainDataset only supports IterableDataset");
    }
    const lengths = this.datasets.map((d) => d.length);
    const length = lengths.every((n) => n !== undefined) ? lengths.reduce((a, n) => a + n, 0) : undefined;
    Object.defineProperty(this, "length", { value: length });
    if (this.datasets.some((d) => typeof d[Symbol.asyncIterator] === "function")) {
      const parts = this.datasets;
      this[Symbol.asyncIterator] = async function* () {
        for (const d of parts) yield* d as AsyncIterable<T>;
      };
    }
  }

  override *[Symbol.iterator](): Iterator<T> {
    for (const d of this.datasets) yield* d;
  }
}

/** The samples of a dataset at `indices`. */
export class Subset<T = unknown> extends Dataset<T> {
  readonly dataset: Indexable<T>;
  readonly indices: ArrayLike<number>;

  constructor(dataset: Indexable<T>, indices: ArrayLike<number>) {
    super();
    this.dataset = dataset;
    this.indices = indices;
  }

  override get length(): number {
    return this.indices.length;
  }

  override get(index: number): T {
    return sampleAt(this.dataset, sampleAt(this.indices, index));
  }

  override getitems(indices: readonly number[]): T[] {
    if (this.get !== Subset.prototype.get) return indices.map((i) => this.get(i));
    const { dataset } = this;
    const inner = indices.map((i) => sampleAt(this.indices, i));
    if (dataset instanceof Dataset && dataset.getitems) return dataset.getitems(inner) as T[];
    return inner.map((i) => sampleAt(dataset, i));
  }

  override get_collated(indices: readonly number[]): unknown {
    const { dataset } = this;
    if (this.get !== Subset.prototype.get || !(dataset instanceof Dataset) || !dataset.get_collated) return null;
    return dataset.get_collated(indices.map((i) => sampleAt(this.indices, i)));
  }
}

/**
 * Splits a dataset at random into subsets of the given lengths, or of the given fractions if they sum to 1. With the same
 * generator the subsets are PyTorch's.
 */
export function random_split<T>(
  dataset: Indexable<T>,
  lengths: readonly number[],
  options: Generator | { generator?: Generator | null } = {},
): Subset<T>[] {
  const generator = "manual_seed" in options ? options : (options.generator ?? default_generator);
  let sizes = [...lengths];
  const sum = sizes.reduce((a, n) => a + n, 0);
  if (Math.abs(sum - 1) <= 1e-9 * Math.max(sum, 1) && sum <= 1) {
    sizes.forEach((fraction, i) => {
      if (fraction < 0 || fraction > 1) throw new ValueError(`Fraction at index ${i} is not between 0 and 1`);
    });
    sizes = sizes.map((fraction) => Math.floor(dataset.length * fraction));
    const rest = dataset.length - sizes.reduce((a, n) => a + n, 0);
    for (let i = 0; i < rest; i++) sizes[i % sizes.length]++;
  }
  if (!sizes.every((n) => Number.isInteger(n) && n >= 0) || sizes.reduce((a, n) => a + n, 0) !== dataset.length) {
    throw new ValueError("Sum of input lengths does not equal the length of the input dataset!");
  }
  const order = permutation(dataset.length, generator);
  let start = 0;
  return sizes.map((size) => new Subset(dataset, Array.from(order.subarray(start, (start += size)))));
}
