/** Row kernels after V8's optimizing compiler, which makes 256-bit code, has taken them over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const ops: Readonly<Record<string, (x: torch.Tensor) => torch.Tensor>> = {
  softmax: (x) => x.softmax(1),
  "softmax over columns": (x) => x.softmax(0),
  log_softmax: (x) => x.log_softmax(1),
  layer_norm: (x) => torch.nn.functional.layer_norm(x, [x.shape[1]]),
  sum: (x) => x.sum(1),
  amax: (x) => x.amax(1),
  var: (x) => x.var(1),
  logsumexp: (x) => x.logsumexp(1),
};

for (const [name, op] of Object.entries(ops)) {
  test(`${name}, called often`, async () => {
    torch.manual_seed(1);
    for (const n of [10, 33, 64, 1030]) {
      const x = torch.randn(300, n);
      // Float64 has the other compiler's code at its first call.
      const expected = op(x.double());
      for (let i = 0; i < 12; i++) {
        assert.ok(torch.allclose(op(x).double(), expected, 1e-5, 1e-5), `${n} columns, call ${i}`);
        // The optimizing compiler works beside.
        if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  });
}
