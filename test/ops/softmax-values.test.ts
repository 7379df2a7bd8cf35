/** Softmax of rows whose sums are taken over values that the same kernel has just written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

for (const columns of [65, 128, 300]) {
  test(`softmax of ${columns} columns in float32 against float64`, () => {
    const x = torch.randn(200, columns);
    const exact = torch.softmax(x.double(), -1);
    for (let i = 0; i < 8; i++) {
      assert.ok(torch.allclose(torch.softmax(x, -1).double(), exact, 1e-5, 1e-7), `call ${i}`);
    }
  });
}
