/** Results are the same to the bit with one, two and four threads. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ThreadPool } from "../../src/backend/wasm/threads/pool.ts";
import * as torch from "../../src/index.ts";
import { pool } from "../../src/ops/launch.ts";
import * as vision from "../../src/vision/index.ts";
import { bitsOf, operations, trainLeNet, trainResNet } from "./computations.ts";

/** Chunks of all jobs, and those that the calling thread did itself. */
const chunks = { all: 0, own: 0 };
const clock = new Int32Array(new SharedArrayBuffer(4));

// The calling thread lets the workers be first, so that they do their part on a machine with one free processor, too.
pool.run = (bytes, run, scratchBytes, block, begin, end, chunk) => {
  const counting: typeof run = (...args) => {
    Atomics.wait(clock, 0, 0, 0.2);
    chunks.own++;
    run(...args);
  };
  chunks.all += Math.ceil((end - begin) / Math.max(chunk, Math.ceil((end - begin) / 1023)));
  ThreadPool.prototype.run.call(pool, bytes, counting, scratchBytes, block, begin, end, chunk);
};

const threads = torch.get_num_threads();
after(() => torch.set_num_threads(threads));

const computations: Readonly<Record<string, () => readonly torch.Tensor[]>> = {
  ...operations(torch),
  "a training of LeNet": () => trainLeNet(torch),
  "a step of ResNet-18": () => trainResNet(torch, vision),
};

for (const [name, compute] of Object.entries(computations)) {
  test(name, () => {
    torch.set_num_threads(1);
    const before = { ...chunks };
    const alone = compute().map((x) => bitsOf(x));
    assert.deepEqual(chunks, before, "with one thread nothing is divided");
    for (const threads of [2, 4]) {
      torch.set_num_threads(threads);
      assert.equal(torch.get_num_threads(), threads);
      const shared = compute().map((x) => bitsOf(x));
      shared.forEach((bits, i) => {
        assert.equal(bits, alone[i], `result ${i} with ${threads} threads`);
      });
    }
  });
}

test("workers did their part", () => {
  assert.equal(pool.workers, 3);
  assert.ok(chunks.all > 1000, `${chunks.all} chunks`);
  assert.ok(chunks.own < 0.8 * chunks.all, `the calling thread did ${chunks.own} of ${chunks.all} chunks`);
});
