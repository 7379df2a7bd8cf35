/** The data loader: https://pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader */
import { NotImplementedError, RuntimeError, ValueError } from "../../errors.ts";
import { bindNamed, isOptions } from "../../ops/define/schema.ts";
import { pythonRepr } from "../../print/index.ts";
import { default_generator, Generator } from "../../random/generator.ts";
import { drawSeed } from "../../random/sampling.ts";
import { type Collated, default_collate, default_convert } from "./collate.ts";
import { Dataset, type Indexable, IterableDataset, sampleAt } from "./dataset.ts";
import { nextMacrotask } from "./macrotask.ts";
import { BatchSampler, RandomSampler, SequentialSampler } from "./sampler.ts";

export interface DataLoaderOptions<T, B> {
  /** Samples in a batch. Default 1; null gives the samples themselves. */
  readonly batch_size?: number | null;
  /** Read in a new random order each time. */
  readonly shuffle?: boolean | null;
  /** Which samples, in which order; not with `shuffle`. */
  readonly sampler?: Iterable<number> | null;
  /** Which samples make up each batch; not with `batch_size`, `shuffle`, `sampler`, `drop_last`. */
  readonly batch_sampler?: Iterable<readonly number[]> | null;
  /** Must be 0: batches are made when they are asked for. */
  readonly num_workers?: number;
  /** Makes a batch of samples. Default: `default_collate`. */
  readonly collate_fn?: ((samples: Awaited<T>[]) => B) | null;
  /** Accepted; tensors are on the CPU. */
  readonly pin_memory?: boolean;
  /** Leave out a last batch that is not full. */
  readonly drop_last?: boolean;
  readonly timeout?: number;
  readonly worker_init_fn?: unknown;
  readonly multiprocessing_context?: unknown;
  /** What `shuffle` draws from. Default: one seeded from the default generator each time. */
  readonly generator?: Generator | null;
  readonly prefetch_factor?: number | null;
  readonly persistent_workers?: boolean;
  readonly pin_memory_device?: string;
  readonly in_order?: boolean;
}

const SIGNATURE =
  "DataLoader.__init__(any? batch_size=1, any? shuffle=None, any? sampler=None, any? batch_sampler=None, " +
  "int num_workers=0, any? collate_fn=None, bool pin_memory=False, bool drop_last=False, float timeout=0, " +
  "any? worker_init_fn=None, any? multiprocessing_context=None, any? generator=None, *, int? prefetch_factor=None, " +
  'bool persistent_workers=False, str pin_memory_device="", bool in_order=True)';

/** Indices of a batch, or of a single sample where there are no batches. */
type Indices = number | readonly number[];

/**
 * Batches of a dataset. `for await (const batch of loader)` lets the engine reclaim the memory of tensors that are no
 * longer used between batches; `for (const batch of loader)` works too. Each loop reads the data anew, shuffled anew.
 * With the same seed the order is PyTorch's.
 */
export class DataLoader<T = unknown, B = Collated<Awaited<T>>> {
  readonly dataset: Indexable<T> | IterableDataset<T>;
  readonly batch_size: number | null;
  readonly drop_last: boolean;
  readonly sampler: Iterable<number> | null;
  readonly batch_sampler: Iterable<readonly number[]> | null;
  readonly collate_fn: (samples: Awaited<T>[]) => B;
  readonly generator: Generator | null;
  readonly num_workers = 0;
  readonly pin_memory: boolean;
  readonly timeout: number;
  /** Whether the dataset may make whole batches itself: there is no `collate_fn` that could do something else. */
  private readonly plain: boolean;

  constructor(dataset: Indexable<T> | IterableDataset<T>, options?: DataLoaderOptions<T, B>);
  constructor(dataset: Indexable<T> | IterableDataset<T>, batch_size: number | null, options?: DataLoaderOptions<T, B>);
  constructor(
    dataset: Indexable<T> | IterableDataset<T>,
    batch_size: number | null,
    shuffle: boolean | null,
    options?: DataLoaderOptions<T, B>,
  );
  constructor(options: DataLoaderOptions<T, B> & { dataset: Indexable<T> | IterableDataset<T> });
  constructor(...args: unknown[]) {
    const rest = [...args];
    let dataset = rest.shift();
    if (isOptions(dataset) && "dataset" in dataset) {
      const { dataset: given, ...keywords } = dataset;
      rest.push(keywords);
      dataset = given;
    }
    if (dataset === null || dataset === undefined) {
      throw new TypeError("DataLoader.__init__() missing 1 required positional argument: 'dataset'");
    }
    const o = bindNamed(SIGNATURE, rest) as unknown as Required<DataLoaderOptions<T, B>>;
    checkWorkers(o);
    if (o.generator !== null && !(o.generator instanceof Generator)) {
      throw new TypeError("DataLoader: 'generator' must be a torch.Generator");
    }
    if (o.collate_fn !== null && typeof o.collate_fn !== "function") {
      throw new TypeError("DataLoader: 'collate_fn' must be a function");
    }
    this.dataset = dataset as Indexable<T> | IterableDataset<T>;
    this.generator = o.generator;
    this.pin_memory = o.pin_memory;
    this.timeout = o.timeout;
    let { batch_size, drop_last, sampler, batch_sampler } = o;
    if (this.dataset instanceof IterableDataset) checkIterable(o);
    if (sampler !== null && o.shuffle) throw new ValueError("sampler option is mutually exclusive with shuffle");
    if (batch_sampler !== null) {
      if (batch_size !== 1 || o.shuffle || sampler !== null || drop_last) {
        throw new ValueError(
          "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last",
        );
      }
      batch_size = null;
    } else if (batch_size === null && drop_last) {
      throw new ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last");
    }
    if (this.dataset instanceof IterableDataset) {
      // The order is the dataset's own.
      if (batch_size !== null) void new BatchSampler([], batch_size, drop_last);
    } else {
      if (sampler === null && batch_sampler === null) {
        sampler = o.shuffle
          ? new RandomSampler(this.dataset, { generator: o.generator })
          : new SequentialSampler(this.dataset);
      }
      if (batch_size !== null) batch_sampler = new BatchSampler(sampler as Iterable<number>, batch_size, drop_last);
    }
    this.batch_size = batch_size;
    this.drop_last = drop_last;
    this.sampler = sampler;
    this.batch_sampler = batch_sampler;
    const collates = batch_size !== null || batch_sampler !== null;
    this.plain = o.collate_fn === null || (o.collate_fn as unknown) === default_collate;
    this.collate_fn = (o.collate_fn ?? (collates ? default_collate : default_convert)) as (s: Awaited<T>[]) => B;
  }

  /** The number of batches. */
  get length(): number {
    if (this.dataset instanceof IterableDataset) {
      const { length } = this.dataset;
      if (typeof length !== "number") {
        throw new TypeError(`object of type '${this.dataset.constructor.name}' has no length`);
      }
      if (this.batch_size === null) return length;
      return this.drop_last ? Math.floor(length / this.batch_size) : Math.ceil(length / this.batch_size);
    }
    const order = (this.batch_sampler ?? this.sampler) as { readonly length?: number };
    if (typeof order.length !== "number") throw new TypeError("the sampler of this DataLoader has no length");
    return order.length;
  }

  [Symbol.iterator](): Iterator<B> {
    this.drawBaseSeed();
    return this.batches();
  }

  [Symbol.asyncIterator](): AsyncIterator<B> {
    this.drawBaseSeed();
    return this.batchesAsync();
  }

  /** PyTorch draws a seed for workers at the start of every loop, even without workers; later draws depend on it. */
  private drawBaseSeed(): void {
    drawSeed(this.generator ?? default_generator);
  }

  private *batches(): Iteration<B> {
    if (this.dataset instanceof IterableDataset) {
      if (typeof this.dataset[Symbol.asyncIterator] === "function") throw asynchronous();
      for (const group of this.groups(this.dataset[Symbol.iterator]())) yield this.collateNow(group);
      return;
    }
    for (const indices of this.order()) {
      const whole = this.wholeBatch(indices);
      yield whole !== null ? whole : this.collateNow(this.fetch(indices));
    }
  }

  private async *batchesAsync(): AsyncGenerator<B> {
    if (this.dataset instanceof IterableDataset) {
      yield* this.iterableAsync(this.dataset);
      return;
    }
    for (const indices of this.order()) {
      let batch = this.wholeBatch(indices);
      if (batch === null) {
        const fetched = this.fetch(indices);
        const samples = Array.isArray(indices) ? await settled(fetched as T[]) : await fetched;
        batch = await this.collate_fn(samples as Awaited<T>[]);
      }
      await nextMacrotask();
      yield batch;
    }
  }

  private async *iterableAsync(dataset: IterableDataset<T>): AsyncGenerator<B> {
    if (typeof dataset[Symbol.asyncIterator] !== "function") {
      for (const group of this.groups(dataset[Symbol.iterator]())) {
        await nextMacrotask();
        yield this.collate_fn((Array.isArray(group) ? await settled(group as T[]) : await group) as Awaited<T>[]);
      }
      return;
    }
    let group: Awaited<T>[] = [];
    for await (const sample of dataset as unknown as AsyncIterable<Awaited<T>>) {
      if (this.batch_size === null) yield this.collate_fn(sample as unknown as Awaited<T>[]);
      else if (group.push(sample) === this.batch_size) {
        await nextMacrotask();
        yield this.collate_fn(group);
        group = [];
      }
    }
    if (group.length > 0 && !this.drop_last) yield this.collate_fn(group);
  }

  private order(): Iterable<Indices> {
    return (this.batch_sampler ?? this.sampler) as Iterable<Indices>;
  }

  /** The samples of an iterable dataset, `batch_size` at a time, or one by one. */
  private *groups(samples: Iterator<T>): Iteration<T[] | T> {
    const iterable = { [Symbol.iterator]: () => samples };
    if (this.batch_size === null) yield* iterable;
    else yield* new BatchSampler<T>(iterable, this.batch_size, this.drop_last);
  }

  private wholeBatch(indices: Indices): B | null {
    const { dataset } = this;
    if (!this.plain || typeof indices === "number" || !(dataset instanceof Dataset)) return null;
    return (dataset.get_collated?.(indices) ?? null) as B | null;
  }

  private fetch(indices: Indices): T[] | T {
    const dataset = this.dataset as Indexable<T>;
    if (typeof indices === "number") return sampleAt(dataset, indices);
    if (dataset instanceof Dataset && dataset.getitems) return dataset.getitems(indices) as T[];
    return Array.from(indices, (i) => sampleAt(dataset, i));
  }

  private collateNow(samples: T[] | T): B {
    if (isPromise(samples) || (Array.isArray(samples) && samples.some(isPromise))) throw asynchronous();
    return this.collate_fn(samples as Awaited<T>[]);
  }
}

type Iteration<T> = globalThis.Generator<T, void, undefined>;

function isPromise(x: unknown): boolean {
  return typeof (x as { then?: unknown } | null)?.then === "function";
}

function settled<T>(samples: T[]): Promise<Awaited<T>[]> | Awaited<T>[] {
  return samples.some(isPromise) ? Promise.all(samples) : (samples as Awaited<T>[]);
}

function asynchronous(): RuntimeError {
  return new RuntimeError("this dataset gives its samples asynchronously: read it with `for await (… of loader)`");
}

function checkWorkers<T, B>(o: Required<DataLoaderOptions<T, B>>): void {
  if (o.num_workers < 0) {
    throw new ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.");
  }
  if (o.timeout < 0) throw new ValueError("timeout option should be non-negative");
  if (o.num_workers > 0) {
    throw new NotImplementedError(
      "DataLoader: num_workers > 0 is not supported, because a dataset and its transforms are JavaScript objects, which other threads cannot share; use num_workers: 0",
    );
  }
  if (o.prefetch_factor !== null) {
    throw new ValueError(
      "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None.",
    );
  }
  if (o.persistent_workers) throw new ValueError("persistent_workers option needs num_workers > 0");
  if (o.multiprocessing_context !== null) {
    throw new ValueError(
      "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got num_workers=0",
    );
  }
}

function checkIterable<T, B>(o: Required<DataLoaderOptions<T, B>>): void {
  const refuse = (name: string, value: unknown): never => {
    const text = typeof value === "boolean" ? pythonRepr(value) : String(value);
    throw new ValueError(
      `DataLoader with IterableDataset: expected unspecified ${name} option, but got ${name}=${text}`,
    );
  };
  if (o.shuffle) refuse("shuffle", o.shuffle);
  if (o.sampler !== null) refuse("sampler", o.sampler);
  if (o.batch_sampler !== null) refuse("batch_sampler", o.batch_sampler);
}
