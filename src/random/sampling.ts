/**
 * What PyTorch's data loading takes from its generators, and in which order.
 *
 * - A `DataLoader` iterator (one per `for` loop over the loader; a loader with `persistent_workers` keeps one) first draws
 *   a base seed for workers, `drawSeed(generator)`, even without workers. `generator` is the loader's, by default the
 *   default generator. It comes before anything that the sampler draws.
 * - `shuffle = True` makes a `RandomSampler` with the loader's generator. Its iteration starts at the first batch. Without
 *   a generator it draws a seed from the default generator, `drawSeed()`, and uses a new generator seeded with it; so an
 *   epoch costs the default generator four words, whatever the size of the data. With a generator it draws from that one.
 * - `RandomSampler` without replacement draws a whole permutation, and once that is used up, another one, of which it
 *   takes `num_samples % n` elements: by default none. So an epoch that is read to its end takes two permutations from
 *   a loader's own generator; one that is left early (also by `break`) takes one. Since the sampler runs to its end to
 *   learn that there is no further batch, this holds with `drop_last` too.
 * - `RandomSampler` with replacement draws `randint(0, n)` in groups of 32, and a last group of `num_samples % 32`.
 * - `SubsetRandomSampler` draws one permutation, `WeightedRandomSampler` one `multinomial` of float64 weights, from their
 *   own generator or the default one, at the start of each iteration.
 * - `random_split` draws one permutation of all elements, from its generator or the default one.
 */
import { ValueError } from "../errors.ts";
import { default_generator, Generator } from "./generator.ts";
import { random_, randperm } from "./integers.ts";

/** `torch.empty((), dtype=torch.int64).random_(generator=generator).item()`: 63 random bits, two words. */
export function drawSeed(generator: Generator = default_generator): bigint {
  const seed = new BigInt64Array(1);
  random_(seed, generator);
  return seed[0];
}

/** `torch.randperm(n, generator=generator)` for up to 2^31 - 1 elements: the shuffle behind `random_split`. */
export function permutation(n: number, generator: Generator = default_generator): Int32Array {
  const order = new Int32Array(n);
  randperm(order, generator);
  return order;
}

/** The choices of `RandomSampler`; `num_samples` is `n` where it is not given. */
export interface RandomSamplerOptions {
  replacement?: boolean;
  num_samples?: number | null;
  generator?: Generator | null;
}

/**
 * The indices that iterating over `RandomSampler(range(n), ...)` gives. As in PyTorch, draws happen when the iteration
 * reaches them: nothing is drawn before the first index is asked for, and see above for the end.
 */
export function* randomSamplerIndices(n: number, options: RandomSamplerOptions = {}): IterableIterator<number> {
  const samples = options.num_samples ?? n;
  if (!Number.isInteger(samples) || samples <= 0) {
    throw new ValueError(`num_samples should be a positive integer value, but got num_samples=${samples}`);
  }
  const generator = options.generator ?? new Generator().manual_seed(drawSeed());
  if (options.replacement) {
    for (let drawn = 0; drawn < samples; drawn += 32) {
      const group = new Int32Array(Math.min(32, samples - drawn));
      random_(group, generator, 0, n);
      yield* group;
    }
    return;
  }
  for (let i = 0; i < Math.floor(samples / n); i++) yield* permutation(n, generator);
  yield* permutation(n, generator).subarray(0, samples % n);
}
