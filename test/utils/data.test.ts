/** Datasets, samplers, and the loader; orders are PyTorch's (tools/golden-data.py). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as torch from "../../src/index.ts";
import * as data from "../../src/utils/data/index.ts";

interface Split {
  n: number;
  lengths: number[];
  indices: number[][];
}
const golden = JSON.parse(readFileSync(new URL("./golden.json", import.meta.url), "utf8")) as {
  loaders: Record<string, unknown>;
  samplers: Record<string, number[]>;
  splits: Split[];
};

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const seeded = (seed: number): torch.Generator => new torch.Generator().manual_seed(seed);
const near = (got: unknown, expected: unknown): void => {
  const [a, b] = [got, expected] as [number[], number[]];
  assert.equal(a.length, b.length);
  a.forEach((x, i) => {
    assert.ok(Math.abs(x - b[i]) < 1e-7);
  });
};
const batches = (loader: Iterable<torch.Tensor[]>): number[][] => [...loader].map(([x]) => x.tolist() as number[]);

class Squares extends data.Dataset<[number, string]> {
  readonly length = 5;
  override get(i: number): [number, string] {
    return [i * i, `#${i}`];
  }
}

class Count extends data.IterableDataset<number> {
  override *[Symbol.iterator](): Iterator<number> {
    yield* range(5);
  }
}

describe("the same order as PyTorch", () => {
  const numbers = new data.TensorDataset(torch.arange(23));

  test("shuffled epochs, and what they leave of the default generator", () => {
    torch.manual_seed(3);
    const loader = new data.DataLoader(numbers, { batch_size: 5, shuffle: true });
    assert.deepEqual([batches(loader), batches(loader)], golden.loaders.two_epochs);
    near(torch.rand(2).tolist(), golden.loaders.rand_after);
  });

  test("a generator of its own, with drop_last", () => {
    const generator = seeded(4);
    const loader = new data.DataLoader(numbers, { batch_size: 5, shuffle: true, drop_last: true, generator });
    assert.deepEqual([batches(loader), batches(loader)], golden.loaders.own_generator);
    near(torch.rand(2, { generator }).tolist(), golden.loaders.own_generator_after);
  });

  test("for await gives the same; an epoch left early", async () => {
    torch.manual_seed(5);
    const loader = new data.DataLoader(numbers, 4, true);
    for await (const [x] of loader) {
      assert.deepEqual(x.tolist(), golden.loaders.left_early);
      break;
    }
    const rest: unknown[] = [];
    for await (const [x] of loader) rest.push(x.tolist());
    assert.deepEqual(rest, golden.loaders.after_leaving);
  });

  test("a sequential loader draws its base seed too", () => {
    torch.manual_seed(6);
    batches(new data.DataLoader(numbers, { batch_size: 4 }));
    near(torch.rand(2).tolist(), golden.loaders.rand_after_sequential);
  });

  test("samplers in loaders", () => {
    torch.manual_seed(7);
    const sampler = new data.RandomSampler(numbers, { replacement: true, num_samples: 40 });
    assert.deepEqual(batches(new data.DataLoader(numbers, { batch_size: 16, sampler })), golden.loaders.replacement);
    torch.manual_seed(8);
    const batch_sampler = new data.BatchSampler(new data.SubsetRandomSampler([3, 1, 4, 15, 9]), 2, false);
    assert.deepEqual(batches(new data.DataLoader(numbers, { batch_sampler })), golden.loaders.batch_sampler);
  });

  test("samplers by themselves", () => {
    torch.manual_seed(0);
    assert.deepEqual([...new data.RandomSampler(range(10))], golden.samplers.random);
    assert.deepEqual([...new data.RandomSampler(range(7), false, 17)], golden.samplers.more_than_all);
    assert.deepEqual([...new data.RandomSampler(range(7), true, { num_samples: 70 })], golden.samplers.replacement);
    assert.deepEqual([...new data.SubsetRandomSampler([5, 7, 11, 13])], golden.samplers.subset);
    assert.deepEqual([...new data.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 12)], golden.samplers.weighted);
    const options = { replacement: false, generator: seeded(2) };
    assert.deepEqual(
      [...new data.WeightedRandomSampler([0.9, 0.4, 0.05, 0.2, 0.3, 0.1], 5, options)],
      golden.samplers.weighted_once,
    );
    near(torch.rand(2).tolist(), golden.samplers.rand_after);
  });

  test("random_split", () => {
    for (const { n, lengths, indices } of golden.splits) {
      const parts = data.random_split(range(n), lengths, { generator: seeded(9) });
      assert.deepEqual(
        parts.map((p) => [...(p.indices as number[])]),
        indices,
      );
    }
  });
});

describe("datasets", () => {
  test("rows of tensors, one by one and in one go", () => {
    const x = torch.arange(12).view(4, 3);
    const set = new data.TensorDataset(x, x.select(1, 0));
    assert.deepEqual(
      set.get(-1).map((t) => t.tolist()),
      [[9, 10, 11], 9],
    );
    assert.throws(() => set.get(4), {
      name: "IndexError",
      message: "index 4 is out of bounds for dimension 0 with size 4",
    });
    assert.throws(() => new data.TensorDataset(x, torch.arange(3)), /Size mismatch between tensors/);
    const indices = [2, 0, -1, 2];
    const together = set.get_collated(indices) as torch.Tensor[];
    const single = data.default_collate(indices.map((i) => set.get(i)));
    assert.deepEqual(
      together.map((t) => t.tolist()),
      single.map((t) => t.tolist()),
    );
    const transposed = new data.TensorDataset(x.t());
    assert.deepEqual((transposed.get_collated([1]) as torch.Tensor[])[0].tolist(), [[1, 4, 7, 10]]);
    assert.throws(() => set.get_collated([4]), { name: "IndexError" });
  });

  test("a subclass with a get of its own is asked sample by sample", () => {
    class Doubled extends data.TensorDataset {
      override get(i: number): torch.Tensor[] {
        return super.get(i).map((t) => t.add(t));
      }
    }
    assert.deepEqual(batches(new data.DataLoader(new Doubled(torch.arange(4)), 2)), [
      [0, 2],
      [4, 6],
    ]);
  });

  test("rows of a tensor that requires a gradient keep their history", () => {
    const x = torch.tensor([1.5, 2.5, 3.5], { requires_grad: true });
    const [[batch]] = [...new data.DataLoader(new data.TensorDataset(x), { sampler: [2, 2], batch_size: 2 })];
    batch.sum().backward();
    assert.deepEqual(x.grad?.tolist(), [0, 0, 2]);
  });

  test("concatenation and subsets", () => {
    const both = new data.ConcatDataset([range(3), new data.Subset(range(10), [7, 8])]);
    assert.equal(both.length, 5);
    assert.deepEqual([...both], [0, 1, 2, 7, 8]);
    assert.equal(both.get(-1), 8);
    assert.throws(() => both.get(5), { name: "IndexError" });
    assert.throws(() => both.get(-6), { name: "ValueError" });
    assert.throws(() => new data.ConcatDataset([]), /should not be an empty iterable/);
    assert.equal(new Squares().add(new Squares()).length, 10);
    const inner = new data.Subset(new data.Subset(new data.TensorDataset(torch.arange(10)), [5, 6, 7]), [2, 0]);
    assert.deepEqual(batches(new data.DataLoader(inner, 2)), [[7, 5]]);
  });

  test("iterable datasets", () => {
    assert.deepEqual(
      [...new data.DataLoader(new Count(), 2)].map((x) => x.tolist()),
      [[0, 1], [2, 3], [4]],
    );
    assert.equal([...new data.DataLoader(new Count(), { batch_size: 2, drop_last: true })].length, 2);
    assert.deepEqual([...new data.DataLoader(new Count(), { batch_size: null })], range(5));
    assert.deepEqual([...new Count().add(new Count())], [...range(5), ...range(5)]);
    assert.throws(() => new data.DataLoader(new Count()).length, TypeError);
    assert.throws(() => new data.DataLoader(new Count(), { shuffle: true }), {
      message: "DataLoader with IterableDataset: expected unspecified shuffle option, but got shuffle=True",
    });
  });

  test("random_split refuses lengths that do not add up", () => {
    for (const lengths of [
      [2, 2],
      [0.5, 0.6],
      [0.1, 0.1],
      [2.5, 2.5],
      [-1, 6],
    ]) {
      assert.throws(() => data.random_split(range(5), lengths), /Sum of input lengths does not equal/);
    }
    assert.throws(() => data.random_split(range(5), [1.5, -0.5]), /Fraction at index 0 is not between 0 and 1/);
  });
});

describe("batches", () => {
  test("default_collate", () => {
    const numbers = data.default_collate([1, 2]);
    assert.equal(numbers.dtype, torch.int64);
    assert.equal(data.default_collate([2.5, 1]).dtype, torch.float64);
    assert.equal(data.default_collate([1n, 2n]).dtype, torch.int64);
    assert.equal(data.default_collate([true, false]).dtype, torch.bool);
    assert.deepEqual(data.default_collate(["a", "b"]), ["a", "b"]);
    assert.deepEqual(data.default_collate([new Float32Array(2), new Float32Array(2)]).shape, [2, 2]);
    const objects = data.default_collate([
      { x: [1, "u"] as [number, string], y: torch.ones(2) },
      { x: [2, "v"] as [number, string], y: torch.zeros(2) },
    ]);
    assert.deepEqual(objects.x[0].tolist(), [1, 2]);
    assert.deepEqual(objects.x[1], ["u", "v"]);
    assert.deepEqual(objects.y.shape, [2, 2]);
    assert.equal(data.default_collate([torch.tensor(1), torch.tensor(2.5)]).dtype, torch.float32);
    assert.throws(() => data.default_collate([[1, 2], [3]]), /each element in list of batch should be of equal size/);
    assert.throws(() => data.default_collate([{ a: 1 }, { b: 1 } as never]), { name: "KeyError" });
    assert.throws(() => data.default_collate([null]), /batch must contain tensors/);
    assert.throws(() => data.default_collate([new Date()]), /found Date/);
    assert.throws(() => data.default_collate([]), { name: "IndexError" });
  });

  test("samples of an ordinary dataset", async () => {
    const loader = new data.DataLoader(new Squares(), { batch_size: 2 });
    assert.equal(loader.length, 3);
    const seen: unknown[] = [];
    for await (const [squares, names] of loader) seen.push([squares.tolist(), names]);
    assert.deepEqual(seen, [
      [
        [0, 1],
        ["#0", "#1"],
      ],
      [
        [4, 9],
        ["#2", "#3"],
      ],
      [[16], ["#4"]],
    ]);
    assert.deepEqual([...new data.DataLoader(new Squares(), { batch_size: null })][2], [4, "#2"]);
    const longest = new data.DataLoader(new Squares(), {
      batch_size: 3,
      collate_fn: (samples) => Math.max(...samples.map(([x]) => x)),
    });
    assert.deepEqual([...longest], [4, 16]);
  });

  test("samples that come later", async () => {
    class Slow extends data.Dataset<Promise<number>> {
      readonly length = 3;
      override get(i: number): Promise<number> {
        return new Promise((resolve) => setTimeout(() => resolve(i), 3 - i));
      }
    }
    const loader = new data.DataLoader(new Slow(), 2);
    const seen: unknown[] = [];
    for await (const x of loader) seen.push(x.tolist());
    assert.deepEqual(seen, [[0, 1], [2]]);
    assert.throws(() => [...loader], /for await/);
    class Stream extends data.IterableDataset<number> {
      override async *[Symbol.asyncIterator](): AsyncIterator<number> {
        yield* range(3);
      }
    }
    const streamed: unknown[] = [];
    for await (const x of new data.DataLoader(new Stream(), 2)) streamed.push(x.tolist());
    assert.deepEqual(streamed, [[0, 1], [2]]);
  });

  test("for await leaves the task between batches", async () => {
    let ticks = 0;
    const count = (): void => {
      ticks++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    for await (const _ of new data.DataLoader(range(50))) void _;
    clearImmediate(timer);
    assert.ok(ticks >= 49, `${ticks} macrotasks in 50 batches`);
  });

  test("bad arguments", () => {
    const make = (options: object) => () => new data.DataLoader(range(5), options);
    assert.throws(make({ batch_size: 0 }), {
      name: "ValueError",
      message: "batch_size should be a positive integer value, but got batch_size=0",
    });
    assert.throws(make({ batch_size: 1.5 }), { name: "ValueError" });
    assert.throws(make({ shuffle: true, sampler: [1] }), /sampler option is mutually exclusive with shuffle/);
    assert.throws(make({ batch_size: 2, batch_sampler: [[1]] }), /batch_sampler option is mutually exclusive/);
    assert.throws(make({ batch_size: null, drop_last: true }), /disables auto-batching/);
    assert.throws(make({ num_workers: 2 }), { name: "NotImplementedError" });
    assert.throws(make({ num_workers: -1 }), { name: "ValueError" });
    assert.throws(make({ batchsize: 2 }), /did you mean 'batch_size'/);
    assert.throws(make({ generator: 3 }), TypeError);
    assert.throws(() => new data.DataLoader([], { shuffle: true }), /num_samples should be a positive integer/);
    assert.throws(() => new data.RandomSampler(range(3), { replacement: 1 as never }), /should be a boolean value/);
    assert.throws(() => new data.BatchSampler({ sampler: [1], batch_size: 0, drop_last: false }), /positive integer/);
    assert.throws(() => [...new data.WeightedRandomSampler([1, 2], 3, false)], /without replacement/);
  });
});
