/** Every distribution against the bytes and generator states that PyTorch gave (tools/golden-random.py). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type DType, dtypes } from "../../src/dtype.ts";
import * as random from "../../src/random/distributions.ts";
import * as defaults from "../../src/random/generator.ts";
import { Generator } from "../../src/random/generator.ts";
import { drawSeed, permutation, randomSamplerIndices } from "../../src/random/sampling.ts";

type Args = (number | null | boolean | { int: string })[];
interface State {
  /** Of the state with the kept normal sample zeroed. */
  state: string;
  kept: number | null;
}
interface Case extends State {
  op: string;
  dtype: string;
  n: number;
  args: Args;
  seed: number;
  tolerance?: number;
  bytes?: string;
  sha256?: string;
  head?: string;
  contiguous?: boolean;
  zeros?: boolean;
  scale?: number;
  shift?: number;
}
interface Loader {
  n: number;
  batch: number;
  drop_last: boolean;
  own: boolean;
  epochs: number;
  stop: number | null;
  batches: number[][];
  default: string;
  generator: string | null;
}
interface Sampler {
  n: number;
  options: { replacement?: boolean; num_samples?: number };
  own: boolean;
  indices: number[];
  default: string;
  generator: string | null;
}
interface Golden {
  cases: Case[];
  streams: ({ seed: string; initial_seed: string; steps: string[] } & State)[];
  saved: { state: string; after: string; fresh: string };
  data: {
    loaders: Loader[];
    samplers: Sampler[];
    sequence: { subset: number[]; split: number[][]; weighted: number[]; state: string };
  };
}
const golden: Golden = JSON.parse(readFileSync(new URL("golden.json", import.meta.url), "utf8"));

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
const bytesOf = (a: ArrayBufferView) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
const base64 = (a: ArrayBufferView) => Buffer.from(bytesOf(a)).toString("base64");

function stateHash(generator: Generator): string {
  const state = generator.get_state();
  state.fill(0, 5024, 5032);
  return sha256(state).slice(0, 32);
}

const arrays: Record<string, new (n: number) => random.RandomArray> = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** The bit patterns as integers in the order of the values they stand for, so that their differences count ulps. */
function ordinals(bytes: Uint8Array, dtype: DType): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = dtype.itemsize;
  const half = 1n << BigInt(8 * size - 1);
  return Array.from({ length: bytes.length / size }, (_, i) => {
    const bits =
      size === 8
        ? view.getBigUint64(8 * i, true)
        : BigInt(size === 4 ? view.getUint32(4 * i, true) : view.getUint16(2 * i, true));
    return bits >= half ? half - bits : bits;
  });
}

function assertWithinUlps(
  actual: Uint8Array,
  expected: Uint8Array,
  dtype: DType,
  tolerance: number,
  mean: number,
): void {
  assert.equal(actual.length, expected.length);
  const a = ordinals(actual, dtype);
  const b = ordinals(expected, dtype);
  a.forEach((value, i) => {
    const distance = Number(value > b[i] ? value - b[i] : b[i] - value);
    if (distance <= tolerance) return;
    // Near zero, a sample of another mean carries the rounding error of the sum: ulps are then those of the mean.
    if (dtype.itemsize === 8 && mean !== 0) {
      const difference = new Float64Array(actual.slice().buffer)[i] - new Float64Array(expected.slice().buffer)[i];
      if (Math.abs(difference) <= tolerance * 2 ** -52 * Math.max(1, Math.abs(mean))) return;
    }
    assert.fail(`element ${i} is ${distance} ulps off`);
  });
}

/** The weights of the multinomial cases, as the script makes them. */
function multinomialWeights(n: number, dtype: DType, zeros: boolean): Float32Array | Float64Array {
  const doubles = new Float64Array(n);
  random.uniform_(doubles, new Generator().manual_seed(100));
  const values = dtype.name === "float64" ? doubles : Float32Array.from(doubles, (x) => roundTo(dtype, x));
  return zeros ? values.map((x, i) => (i % 3 !== 0 ? x : 0)) : values;
}

/** Rounds by search among all 16-bit floats: slow, and independent of the code under test. */
function roundTo(dtype: DType, value: number): number {
  const single = Math.fround(value);
  if (dtype.itemsize !== 2) return single;
  const [mantissa, smallest] = dtype.name === "float16" ? [10, -14] : [7, -126];
  const exponent = Math.max(Math.floor(Math.log2(single)), smallest);
  const scaled = single / 2 ** (exponent - mantissa);
  const down = Math.floor(scaled);
  const up = scaled - down > 0.5 || (scaled - down === 0.5 && down % 2 === 1) ? 1 : 0;
  return (down + up) * 2 ** (exponent - mantissa);
}

function run(c: Case, generator: Generator): ArrayBufferView {
  const dtype = dtypes.find((d) => d.name === c.dtype) as DType;
  const args = c.args.map((a) => (a !== null && typeof a === "object" ? BigInt(a.int) : a));
  const numbers = args as number[];
  const out = new arrays[c.dtype](c.n);
  const floats = out as Float32Array | Float64Array;
  const ramp = (scale: number, shift: number) =>
    new (arrays[c.dtype] as new (n: number) => Float32Array | Float64Array)(c.n).map((_, i) => i * scale + shift);
  switch (c.op) {
    case "uniform_":
      random.uniform_(out, generator, numbers[0], numbers[1], dtype);
      return out;
    case "normal_":
      random.normal_(out, generator, numbers[0], numbers[1], dtype, c.contiguous ?? true);
      return out;
    case "log_normal_":
      random.log_normal_(out, generator, numbers[0], numbers[1], dtype);
      return out;
    case "random_":
      random.random_(out, generator, args[0] as number | bigint | undefined, args[1] as number | bigint | null, dtype);
      return out;
    case "randperm":
      random.randperm(out, generator, dtype);
      return out;
    case "bernoulli_":
      random.bernoulli_(out, generator, numbers[0], dtype);
      return out;
    case "bernoulli_tensor_": {
      const p = new (arrays[c.dtype] as new (n: number) => Float32Array | Float64Array)(c.n);
      linspace01(p);
      random.bernoulli_tensor_(out, generator, p, dtype);
      return out;
    }
    case "dropout_mask_":
      random.dropout_mask_(out, generator, numbers[0], dtype);
      return out;
    case "exponential_":
      random.exponential_(out, generator, numbers[0], dtype);
      return out;
    case "cauchy_":
      random.cauchy_(out, generator, numbers[0], numbers[1], dtype);
      return out;
    case "geometric_":
      random.geometric_(out, generator, numbers[0], dtype);
      return out;
    case "multinomial": {
      const [rows, categories, samples, replacement] = args as [number, number, number, boolean];
      const weights = multinomialWeights(rows * categories, dtype, c.zeros ?? false);
      return random.multinomial(weights, rows, samples, replacement, generator, dtype);
    }
    case "poisson":
      random.poisson(floats, ramp(c.scale ?? 1, c.shift ?? 0), generator);
      return out;
    case "binomial":
      random.binomial(floats, ramp(c.scale ?? 3, c.shift ?? 0), ramp(0, numbers[0]), generator);
      return out;
    case "standard_gamma":
      random.standard_gamma(floats, ramp(c.scale ?? 1, c.shift ?? 0), generator);
      return out;
    default:
      throw new Error(`no such op: ${c.op}`);
  }
}

/** torch.linspace(0, 1, n): from both ends, the step rounded to the dtype. */
function linspace01(p: Float32Array | Float64Array): void {
  const round = p instanceof Float64Array ? (x: number) => x : Math.fround;
  const step = round(1 / (p.length - 1));
  for (let i = 0; i < p.length; i++) {
    p[i] = i < p.length / 2 ? step * i : 1 - step * (p.length - 1 - i);
  }
}

for (const c of golden.cases) {
  test(`${c.op}(${JSON.stringify(c.args).slice(1, -1)}) ${c.dtype} x ${c.n}, seed ${c.seed}`, () => {
    const generator = new Generator().manual_seed(c.seed);
    const out = run(c, generator);
    if (c.tolerance) {
      const dtype = dtypes.find((d) => d.name === c.dtype) as DType;
      const expected = Uint8Array.from(Buffer.from(c.bytes as string, "base64"));
      assertWithinUlps(bytesOf(out), expected, dtype, c.tolerance, Number(c.args[0] ?? 0));
    } else if (c.bytes !== undefined) {
      assert.equal(base64(out), c.bytes);
    } else {
      assert.equal(base64(bytesOf(out).subarray(0, 64)), c.head);
      assert.equal(sha256(bytesOf(out)), c.sha256);
    }
    assertState(generator, c);
  });
}

function assertState(generator: Generator, expected: State): void {
  assert.equal(stateHash(generator), expected.state);
  const kept = generator.nextNormal;
  if (expected.kept === null) assert.equal(kept, null);
  else assert.ok(Math.abs((kept as number) - expected.kept) <= 2 * 2 ** -52 * Math.abs(expected.kept));
}

for (const stream of golden.streams) {
  test(`calls in turn on the stream of seed ${stream.seed}`, () => {
    const generator = new Generator().manual_seed(BigInt(stream.seed));
    assert.equal(String(generator.initial_seed()), stream.initial_seed);
    const fill = <A extends random.RandomArray>(out: A, f: (out: A, g: Generator) => void): Uint8Array => {
      f(out, generator);
      return bytesOf(out);
    };
    const steps = [
      fill(new Float32Array(3), random.uniform_),
      fill(new Float32Array(3), random.normal_),
      fill(new Float32Array(20), random.normal_),
      fill(new Float64Array(4), random.normal_),
      fill(new BigInt64Array(700), (out, g) => random.random_(out, g, 0, 1000)),
      fill(new Float64Array(3), random.uniform_),
    ];
    steps.forEach((step, i) => {
      if (i === 3) {
        const expected = Uint8Array.from(Buffer.from(stream.steps[i], "base64"));
        assertWithinUlps(step, expected, dtypes[9], 2, 0);
      } else {
        assert.equal(step.length < 700 ? base64(step) : sha256(step), stream.steps[i], `step ${i}`);
      }
    });
    assertState(generator, stream);
  });
}

test("a state saved by PyTorch continues, and is saved as it was", () => {
  const saved = Uint8Array.from(Buffer.from(golden.saved.state, "base64"));
  const generator = new Generator().set_state(saved);
  assert.deepEqual(generator.get_state(), saved);
  assert.equal(generator.initial_seed(), 42);
  const copy = generator.clone_state();
  for (const g of [generator, copy]) {
    const normals = new Float32Array(3);
    const uniforms = new Float32Array(3);
    random.normal_(normals, g);
    random.uniform_(uniforms, g);
    assert.equal(Buffer.concat([bytesOf(normals), bytesOf(uniforms)]).toString("base64"), golden.saved.after);
  }
  assert.equal(sha256(new Generator().get_state()), golden.saved.fresh);
});

/** A loader's epoch in terms of what sampling.ts says about it. */
function* epoch(c: Loader, generator: Generator | null): IterableIterator<number[]> {
  drawSeed(generator ?? undefined);
  const indices = randomSamplerIndices(c.n, { generator });
  for (;;) {
    const batch: number[] = [];
    while (batch.length < c.batch) {
      const next = indices.next();
      if (next.done) break;
      batch.push(next.value);
    }
    if (batch.length === 0 || (c.drop_last && batch.length < c.batch)) return;
    yield batch;
  }
}

for (const c of golden.data.loaders) {
  const { batches, default: _, generator: __, ...what } = c;
  test(`DataLoader ${JSON.stringify(what)}`, () => {
    defaults.manual_seed(23);
    const generator = c.own ? new Generator().manual_seed(24) : null;
    const seen: number[][] = [];
    for (let e = 0; e < c.epochs; e++) {
      let count = 0;
      for (const batch of epoch(c, generator)) {
        seen.push(batch);
        if (++count === c.stop) break;
      }
    }
    assert.deepEqual(seen, batches);
    assert.equal(stateHash(defaults.default_generator), c.default);
    if (generator) assert.equal(stateHash(generator), c.generator);
  });
}

for (const c of golden.data.samplers) {
  test(`RandomSampler ${JSON.stringify(c.options)}${c.own ? " with a generator" : ""}`, () => {
    defaults.manual_seed(25);
    const generator = c.own ? new Generator().manual_seed(26) : null;
    assert.deepEqual([...randomSamplerIndices(c.n, { ...c.options, generator })], c.indices);
    assert.equal(stateHash(defaults.default_generator), c.default);
    if (generator) assert.equal(stateHash(generator), c.generator);
  });
}

test("SubsetRandomSampler, random_split and WeightedRandomSampler, one after the other", () => {
  const { subset, split, weighted, state } = golden.data.sequence;
  defaults.manual_seed(27);
  assert.deepEqual([...permutation(20)], subset);
  const order = [...permutation(20)];
  assert.deepEqual([order.slice(0, 5), order.slice(5)], split);
  const weights = Float64Array.of(0.1, 0.9, 0.4, 0.7, 3.0, 0.6);
  assert.deepEqual([...random.multinomial(weights, 1, 5, true, defaults.default_generator)], weighted);
  assert.equal(stateHash(defaults.default_generator), state);
});
