/** Errors as PyTorch words them, and the arithmetic that the golden streams reach only by luck. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as dtype from "../../src/dtype.ts";
import { toBFloat16, toFloat16 } from "../../src/elements.ts";
import { storeInt64 } from "../../src/random/arrays.ts";
import * as random from "../../src/random/distributions.ts";
import { fma64 } from "../../src/random/fma.ts";
import * as defaults from "../../src/random/generator.ts";
import { Generator } from "../../src/random/generator.ts";
import { insideOutShuffle } from "../../src/random/integers.ts";

const golden: {
  errors: Record<string, [name: string, message: string]>;
  overflow: number[];
  casts: [string, number, number, number][];
} = JSON.parse(readFileSync(new URL("golden.json", import.meta.url), "utf8"));

const g = new Generator();
const f32 = () => new Float32Array(2);
const u8 = () => new Uint8Array(2);
const u16 = () => new Uint16Array(2);
const { Infinity: infinity } = globalThis;
const calls: Record<string, () => unknown> = {
  "uniform_ from > to": () => random.uniform_(f32(), g, 3, 1),
  "uniform_ tiny and huge": () => random.uniform_(f32(), g, 1e-7, -1e30),
  "uniform_ wide": () => random.uniform_(f32(), g, -3e38, 3e38),
  "uniform_ nan": () => random.uniform_(f32(), g, Number.NaN, 1),
  "uniform_ half": () => random.uniform_(u16(), g, 0, 1e6, dtype.float16),
  "uniform_ uint8": () => random.uniform_(u8(), g),
  "normal_ std": () => random.normal_(f32(), g, 0, -1234567),
  "normal_ empty": () => random.normal_(new Float32Array(0), g, 0, -0.5),
  "normal_ int32": () => random.normal_(new Int32Array(2), g),
  "log_normal_ std": () => random.log_normal_(f32(), g, 0, 0),
  "random_ empty range": () => random.random_(new BigInt64Array(2), g, 5, 5),
  "random_ uint8": () => random.random_(u8(), g, 0, 300),
  "random_ uint8 below": () => random.random_(u8(), g, -5, 10),
  "random_ bits": () => random.random_(new Int32Array(2), g, -(2n ** 63n)),
  "random_ bits half": () => random.random_(u16(), g, -(2n ** 63n), null, dtype.float16),
  "random_ half": () => random.random_(u16(), g, 0, 70000, dtype.float16),
  "randperm uint8": () => random.randperm(new Uint8Array(300), g),
  "randperm half": () => random.randperm(new Uint16Array(2050), g, dtype.float16),
  "bernoulli_ p": () => random.bernoulli_(f32(), g, 1.5),
  "bernoulli p": () => random.bernoulli_tensor_(f32(), g, Float32Array.of(0.5, 1.5)),
  "exponential_ lambda": () => random.exponential_(f32(), g, -1),
  "exponential_ int64": () => random.exponential_(new BigInt64Array(2), g),
  "cauchy_ sigma": () => random.cauchy_(f32(), g, 0, 0),
  "cauchy_ uint8": () => random.cauchy_(u8(), g),
  "geometric_ p": () => random.geometric_(f32(), g, 1),
  "geometric_ bool": () => random.geometric_(u8(), g, 0.5, dtype.bool),
  "multinomial zeros": () => random.multinomial(new Float32Array(3), 1, 1, false, g),
  "multinomial zeros replaced": () => random.multinomial(new Float32Array(3), 1, 2, true, g),
  "multinomial negative": () => random.multinomial(Float32Array.of(1, -1), 1, 1, false, g),
  "multinomial negative replaced": () => random.multinomial(Float32Array.of(1, -1), 1, 3, true, g),
  "multinomial infinite replaced": () => random.multinomial(Float32Array.of(1, infinity), 1, 3, true, g),
  "multinomial none": () => random.multinomial(Float32Array.of(1, 1, 1), 1, 0, true, g),
  "multinomial too many": () => random.multinomial(Float32Array.of(1, 1, 1), 1, 5, false, g),
  poisson: () => random.poisson(new Float32Array(1), Float32Array.of(-1), g),
  "seed too great": () => g.manual_seed(2n ** 64n),
  "seed too small": () => g.manual_seed(-(2n ** 63n) - 1n),
  "seed float": () => g.manual_seed(3.7),
  "state size": () => g.set_state(new Uint8Array(10)),
  "state zeros": () => g.set_state(new Uint8Array(5056)),
  "state float": () => g.set_state(new Float32Array(5056) as unknown as Uint8Array),
};

test("every error of the golden file has a call", () => {
  assert.deepEqual(Object.keys(calls).sort(), Object.keys(golden.errors).sort());
});

for (const [what, call] of Object.entries(calls)) {
  test(`${what}: PyTorch's error, and the stream stays where it was`, () => {
    const before = g.get_state();
    const [name, message] = golden.errors[what];
    assert.throws(call, { name, message });
    assert.deepEqual(g.get_state(), before);
  });
}

test("a Uint16Array needs its dtype", () => {
  assert.throws(() => random.uniform_(u16(), g), TypeError);
});

test("the default generator is seeded from entropy, by manual_seed, and saved and restored", () => {
  assert.notEqual(defaults.seed(), defaults.seed());
  assert.equal(defaults.manual_seed(3.7), defaults.default_generator);
  assert.equal(defaults.initial_seed(), 3);
  const state = defaults.get_rng_state();
  const first = defaults.default_generator.random();
  defaults.default_generator.random();
  defaults.set_rng_state(state);
  assert.equal(defaults.default_generator.random(), first);
  assert.equal(new Generator().manual_seed(2 ** 63).initial_seed(), 2n ** 63n);
  assert.equal(new Generator().manual_seed(-1).initial_seed(), 2n ** 64n - 1n);
});

test("empty arrays take nothing from the stream", () => {
  const before = g.get_state();
  const none = new Float32Array(0);
  for (const fill of [random.uniform_, random.normal_, random.random_, random.bernoulli_, random.exponential_]) {
    fill(none, g);
  }
  random.randperm(none, g);
  random.random_(none, g, 0, 10);
  assert.deepEqual(g.get_state(), before);
});

test("multinomial with an infinite sum draws as PyTorch does", () => {
  g.manual_seed(28);
  assert.deepEqual([...random.multinomial(Float32Array.of(3e38, 3e38, 1), 1, 5, true, g)], golden.overflow);
});

test("64-bit integers are rounded to floating-point types once, as PyTorch rounds them", () => {
  for (const [text, single, double, brain] of golden.casts) {
    const f = new Float32Array(1);
    const d = new Float64Array(1);
    const b = new Uint16Array(2);
    storeInt64(f, 0, BigInt(text), dtype.float32);
    storeInt64(d, 0, BigInt(text), dtype.float64);
    storeInt64(b, 1, BigInt(text), dtype.bfloat16);
    assert.deepEqual([f[0], d[0], new Float32Array(b.buffer)[0]], [single, double, brain]);
  }
});

test("float16 and bfloat16: every value is kept, and the middle of two goes to the even one", () => {
  const value16 = (bits: number) => {
    const exponent = bits >> 10;
    return exponent ? (1024 + (bits & 1023)) * 2 ** (exponent - 25) : bits * 2 ** -24;
  };
  const box = new Float32Array(1);
  const bits = new Uint32Array(box.buffer);
  const brain = (b: number) => {
    bits[0] = b << 16;
    return box[0];
  };
  const cases = [
    { encode: toFloat16, value: value16, infinity: 0x7c00 },
    { encode: toBFloat16, value: brain, infinity: 0x7f80 },
  ];
  for (const { encode, value, infinity } of cases) {
    for (let b = 0; b < infinity; b++) {
      assert.equal(encode(value(b)), b);
      assert.equal(encode(-value(b)), b | 0x8000);
      if (b === 0) continue;
      const middle = (value(b - 1) + value(b)) / 2;
      assert.equal(encode(middle), b & 1 ? b - 1 : b);
    }
    assert.equal(encode(Number.POSITIVE_INFINITY), infinity);
    assert.equal(encode(3.4028234663852886e38), infinity);
    assert.ok(encode(Number.NaN) > infinity);
  }
});

test("fma64 is the exact a * b + c, rounded once", () => {
  /** A float64 as an integer multiple of 2^-200. */
  const exact = (x: number) => BigInt(x * 2 ** 100) << 100n;
  for (let i = 0; i < 20000; i++) {
    const [a, b, c] = [g.random53() * 2 - 1, g.random53() * 20 - 10, (g.random53() - 0.5) * 2 ** ((i % 40) - 20)];
    const sum = (exact(a) * exact(b) + (exact(c) << 200n)) >> 200n; // the shift drops nothing: products end at 2^-110
    assert.equal(fma64(a, b, c), nearest(sum), `${a} * ${b} + ${c}`);
  }
  assert.equal(fma64(Number.POSITIVE_INFINITY, 1, 1), Number.POSITIVE_INFINITY);
});

/** The float64 nearest to `value` * 2^-200, from the rounding of BigInt to Number. */
function nearest(value: bigint): number {
  return Number(value) * 2 ** -200;
}

test("the shuffle for huge sizes takes 64-bit remainders", () => {
  const n = 3000;
  const expected: number[] = [];
  g.manual_seed(5);
  for (let i = 0; i < n; i++) {
    const word = (BigInt(g.random()) << 32n) | BigInt(g.random());
    const j = Number(word % BigInt(i + 1));
    expected[i] = i;
    expected[i] = expected[j];
    expected[j] = i;
  }
  const order = new Int32Array(n);
  insideOutShuffle(order, g.manual_seed(5));
  assert.deepEqual([...order], expected);
});
