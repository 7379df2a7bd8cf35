/** The vector code of random fills gives the numbers of the JavaScript, and leaves the generator where that does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomKernels } from "../../src/backend/wasm/random/index.ts";
import * as draw from "../../src/random/distributions.ts";
import { Generator } from "../../src/random/generator.ts";
import { fillKernels, setFillKernels } from "../../src/random/kernels.ts";

const memory = new WebAssembly.Memory({ initial: 64 });
let top = 64;
const kernels = randomKernels(memory, (bytes) => {
  const address = top;
  top += bytes + 64;
  return address;
});
const OUT = 65536;

type Fill = (out: draw.RandomArray, generator: Generator) => void;
type ArrayType = new (buffer: ArrayBuffer, offset: number, length: number) => draw.RandomArray;

const fills: [string, ArrayType, Fill][] = [
  ["uniform", Float32Array, (out, g) => draw.uniform_(out, g)],
  ["uniform of a range", Float32Array, (out, g) => draw.uniform_(out, g, -1.7, 2.3)],
  ["uniform of a range of few numbers", Float32Array, (out, g) => draw.uniform_(out, g, 1, 1 + 2 ** -21)],
  ["uniform float64", Float64Array, (out, g) => draw.uniform_(out, g, -1, 2)],
  ["normal", Float32Array, (out, g) => draw.normal_(out, g)],
  ["normal of a mean", Float32Array, (out, g) => draw.normal_(out, g, 3, 0.7)],
  ["bernoulli", Float32Array, (out, g) => draw.bernoulli_(out, g, 0.3)],
  ["bernoulli 0", Float32Array, (out, g) => draw.bernoulli_(out, g, 0)],
  ["bernoulli 1", Float32Array, (out, g) => draw.bernoulli_(out, g, 1)],
  ["bernoulli of another value", Float32Array, (out, g) => draw.bernoulli_(out, g, 0.9, undefined, 1 / 0.9)],
  ["randint", BigInt64Array, (out, g) => draw.random_(out, g, 0, 1000)],
  ["randint of one number", BigInt64Array, (out, g) => draw.random_(out, g, 5, 6)],
  ["randint of a power of two", BigInt64Array, (out, g) => draw.random_(out, g, -7, 2 ** 16 - 7)],
  ["randint of a large range", BigInt64Array, (out, g) => draw.random_(out, g, -(10 ** 12), -(10 ** 12) + 2 ** 28 - 1)],
  ["randperm int64", BigInt64Array, (out, g) => draw.randperm(out, g)],
  ["randperm int32", Int32Array, (out, g) => draw.randperm(out, g)],
];

for (const [name, type, fill] of fills) {
  test(name, { skip: kernels === null ? "no relaxed SIMD" : false }, () => {
    for (const count of [1024, 1249, 5000, 40_007]) {
      // Words read before leave the block at an odd or even place, or exhausted.
      for (const before of [0, 1, 30, 623, 624]) {
        const [a, b] = [new Generator().manual_seed(count + before), new Generator().manual_seed(count + before)];
        for (let i = 0; i < before; i++) {
          a.random();
          b.random();
        }
        const plain = new type(new ArrayBuffer(8 * count), 0, count);
        const vector = new type(memory.buffer, OUT, count);
        setFillKernels(null);
        fill(plain, a);
        setFillKernels(kernels);
        assert.ok(fillKernels(vector, count));
        const guard = new Uint8Array(memory.buffer, OUT + vector.byteLength, 64).fill(77);
        fill(vector, b);
        setFillKernels(null);
        const bytes = (x: draw.RandomArray) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
        assert.ok(bytes(plain).equals(bytes(vector)), `${count} samples after ${before} words`);
        assert.deepEqual(a.get_state(), b.get_state());
        assert.equal(a.random(), b.random());
        assert.ok(guard.every((x) => x === 77));
      }
    }
  });
}
