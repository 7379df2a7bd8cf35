/** Samplers: in which order a DataLoader reads. https://pytorch.org/docs/stable/data.html#torch.utils.data.Sampler */

import { float64 } from "../../dtype.ts";
import { NotImplementedError, ValueError } from "../../errors.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { as_tensor } from "../../ops/from-values.ts";
import { multinomial } from "../../ops/random-methods.ts";
import { pythonRepr } from "../../print/index.ts";
import { default_generator, type Generator } from "../../random/generator.ts";
import { permutation, randomSamplerIndices } from "../../random/sampling.ts";
import type { Tensor } from "../../tensor.ts";

interface Sized {
  readonly length: number;
}

/** Gives the indices of samples, or lists of them, in the order in which they are to be read. */
export abstract class Sampler<T = number> {
  [Symbol.iterator](): Iterator<T> {
    throw new NotImplementedError("Subclasses of Sampler should implement [Symbol.iterator].");
  }
}

/** 0 to n - 1. */
export class SequentialSampler extends Sampler {
  readonly data_source: Sized;

  constructor(data_source: Sized) {
    super();
    this.data_source = data_source;
  }

  override *[Symbol.iterator](): Iterator<number> {
    for (let i = 0; i < this.data_source.length; i++) yield i;
  }

  get length(): number {
    return this.data_source.length;
  }
}

export interface RandomSamplerArguments {
  /** Draw each sample anew, so that some come more than once. Default false. */
  readonly replacement?: boolean;
  /** How many to draw. Default: as many as there are. */
  readonly num_samples?: number | null;
  /** Default: one seeded from the default generator for each iteration. */
  readonly generator?: Generator | null;
}

/** Samples in random order. With the same seed it is PyTorch's order. */
export class RandomSampler extends Sampler {
  readonly data_source: Sized;
  readonly replacement: boolean;
  readonly generator: Generator | null;
  private readonly samples: number | null;

  constructor(data_source: Sized, options?: RandomSamplerArguments);
  constructor(
    data_source: Sized,
    replacement: boolean,
    num_samples?: number | null | RandomSamplerArguments,
    generator?: Generator | null | RandomSamplerArguments,
  );
  constructor(data_source: Sized, ...rest: unknown[]) {
    super();
    const args = bindNamed(
      "RandomSampler.__init__(any replacement=False, any? num_samples=None, any? generator=None)",
      rest,
    ) as unknown as Required<RandomSamplerArguments>;
    this.data_source = data_source;
    this.replacement = args.replacement;
    this.samples = args.num_samples;
    this.generator = args.generator;
    if (typeof this.replacement !== "boolean") {
      throw new TypeError(
        `replacement should be a boolean value, but got replacement=${pythonRepr(args.replacement as never)}`,
      );
    }
    if (!Number.isInteger(this.num_samples) || this.num_samples <= 0) {
      throw new ValueError(`num_samples should be a positive integer value, but got num_samples=${this.num_samples}`);
    }
  }

  get num_samples(): number {
    return this.samples ?? this.data_source.length;
  }

  override [Symbol.iterator](): Iterator<number> {
    const { replacement, num_samples, generator } = this;
    return randomSamplerIndices(this.data_source.length, { replacement, num_samples, generator });
  }

  get length(): number {
    return this.num_samples;
  }
}

/** The given indices in random order. */
export class SubsetRandomSampler extends Sampler {
  readonly indices: ArrayLike<number>;
  readonly generator: Generator | null;

  constructor(indices: ArrayLike<number>, generator: Generator | { generator?: Generator | null } | null = null) {
    super();
    this.indices = indices;
    this.generator = generatorOf(generator);
  }

  override *[Symbol.iterator](): Iterator<number> {
    for (const i of permutation(this.indices.length, this.generator ?? default_generator)) yield this.indices[i];
  }

  get length(): number {
    return this.indices.length;
  }
}

function generatorOf(value: Generator | { generator?: Generator | null } | null): Generator | null {
  return value === null ? null : "manual_seed" in value ? value : (value.generator ?? null);
}

export interface WeightedRandomSamplerArguments {
  /** Whether a sample may come more than once. Default true. */
  readonly replacement?: boolean;
  readonly generator?: Generator | null;
}

/** Indices drawn with the given weights, which need not sum to 1. */
export class WeightedRandomSampler extends Sampler {
  readonly weights: Tensor;
  readonly num_samples: number;
  readonly replacement: boolean;
  readonly generator: Generator | null;

  constructor(
    weights: Tensor | ArrayLike<number>,
    num_samples: number,
    ...rest: [options?: WeightedRandomSamplerArguments] | [replacement?: boolean, generator?: Generator | null]
  ) {
    super();
    if (!Number.isInteger(num_samples) || num_samples <= 0) {
      throw new ValueError(`num_samples should be a positive integer value, but got num_samples=${num_samples}`);
    }
    const { replacement, generator } = bindNamed(
      "WeightedRandomSampler.__init__(any replacement=True, any? generator=None)",
      rest,
    ) as unknown as Required<WeightedRandomSamplerArguments>;
    if (typeof replacement !== "boolean") {
      throw new ValueError(
        `replacement should be a boolean value, but got replacement=${pythonRepr(replacement as never)}`,
      );
    }
    this.weights = as_tensor(weights as Tensor, { dtype: float64 });
    if (this.weights.ndim !== 1) {
      const shape = this.weights.shape.length === 1 ? `${this.weights.shape},` : this.weights.shape.join(", ");
      throw new ValueError(`weights should be a 1d sequence but given weights have shape (${shape})`);
    }
    this.num_samples = num_samples;
    this.replacement = replacement;
    this.generator = generator;
  }

  override *[Symbol.iterator](): Iterator<number> {
    const { weights, num_samples, replacement, generator } = this;
    yield* multinomial(weights, num_samples, replacement, { generator }).tolist() as number[];
  }

  get length(): number {
    return this.num_samples;
  }
}

export interface BatchSamplerArguments<T = number> {
  readonly sampler: Iterable<T>;
  readonly batch_size: number;
  readonly drop_last: boolean;
}

/** Groups what another sampler gives into lists of `batch_size`; the last may be shorter, or is left out. */
export class BatchSampler<T = number> extends Sampler<T[]> {
  readonly sampler: Iterable<T>;
  readonly batch_size: number;
  readonly drop_last: boolean;

  constructor(
    ...args: [sampler: Iterable<T>, batch_size: number, drop_last: boolean] | [args: BatchSamplerArguments<T>]
  ) {
    super();
    const { sampler, batch_size, drop_last } = bindNamed(
      "BatchSampler.__init__(any sampler, any batch_size, any drop_last)",
      args,
    ) as unknown as BatchSamplerArguments<T>;
    if (!Number.isInteger(batch_size) || batch_size <= 0) {
      throw new ValueError(
        `batch_size should be a positive integer value, but got batch_size=${pythonRepr(batch_size as never)}`,
      );
    }
    if (typeof drop_last !== "boolean") {
      throw new ValueError(`drop_last should be a boolean value, but got drop_last=${pythonRepr(drop_last as never)}`);
    }
    this.sampler = sampler;
    this.batch_size = batch_size;
    this.drop_last = drop_last;
  }

  override *[Symbol.iterator](): Iterator<T[]> {
    let batch: T[] = [];
    for (const index of this.sampler) {
      batch.push(index);
      if (batch.length < this.batch_size) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0 && !this.drop_last) yield batch;
  }

  get length(): number {
    const { length } = this.sampler as unknown as Partial<Sized>;
    if (typeof length !== "number")
      throw new TypeError(`object of type '${this.sampler.constructor.name}' has no length`);
    return this.drop_last ? Math.floor(length / this.batch_size) : Math.ceil(length / this.batch_size);
  }
}
