/** Wrong calls: PyTorch's error class and words, and every tensor as it was. The table is cases.ts. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { cases, type Loose, makeFixtures } from "./cases.ts";

const golden = JSON.parse(readFileSync(join(import.meta.dirname, "golden.json"), "utf8")) as Record<
  string,
  [string, string]
>;

/** The first sentence, without argument positions: methods and functions count them differently. */
function opening(message: string): string {
  return message.split(/\.\s|\n/)[0].replace(/ \(position \d+\)/g, "");
}

function state(fixtures: Record<string, Loose>): unknown {
  return Object.entries(fixtures as unknown as Record<string, torch.Tensor>).map(([name, t]) => {
    const { buffer, byteOffset, byteLength } = t.detach().contiguous().typed_array();
    const bits = Buffer.from(buffer, byteOffset, byteLength).toString("hex");
    return [name, bits, t.shape, t.stride(), t.dtype.name, t.requires_grad, t.grad, t._version];
  });
}

for (const { python, call, says, name } of cases) {
  test(python, () => {
    const [className, message] = golden[python];
    const fixtures = makeFixtures();
    const before = state(fixtures);
    assert.throws(
      () => call(fixtures),
      (error) => {
        assert.ok(error instanceof Error);
        assert.equal(error.name, name ?? className, error.message);
        assert.doesNotMatch(error.message, /is not a function|Cannot read|undefined|Kindling: bad/);
        if (says !== undefined) assert.match(error.message, says);
        else assert.ok(opening(error.message).startsWith(opening(message)), `${error.message}\nPyTorch: ${message}`);
        return true;
      },
    );
    assert.deepEqual(state(fixtures), before);
    assert.ok(torch.is_grad_enabled());
  });
}

test("the table and the golden file belong together", () => {
  assert.deepEqual(cases.map((c) => c.python).sort(), Object.keys(golden).sort());
  assert.ok(cases.length >= 150);
});
