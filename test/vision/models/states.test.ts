/** Every model of torchvision that is here: its state dict, its text and how many parameters it has (tools/golden-models.py). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Interceptor, withInterceptor } from "../../../src/dispatch.ts";
import * as torch from "../../../src/index.ts";
import type { Module } from "../../../src/nn/module.ts";
import * as models from "../../../src/vision/models/index.ts";

interface KeysEntry {
  readonly state: string;
  readonly repr: string;
  readonly parameters: number;
}

const file = new URL("../../golden/models/keys.json", import.meta.url);
const keys = JSON.parse(readFileSync(file, "utf8")) as Record<string, KeysEntry>;
/** Models up to this many parameters are made in the default run: larger ones take gigabytes, though nothing is written there. */
const MOST_PARAMETERS = process.env.LONG_TESTS === "1" ? Number.POSITIVE_INFINITY : 1e8;

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const described = (model: Module): string[] =>
  Object.entries(model.state_dict()).map(
    ([key, value]) => `${key} [${value.shape.join(", ")}] ${String(value.dtype).slice("torch.".length)}`,
  );

/**
 * Runs `body` with every op that overwrites a tensor doing nothing, so that models of any size are made in no time, without
 * values. Truncated normals look for values that are out of range: none is.
 */
function withoutValues<R>(body: () => R): R {
  const no = torch.tensor(false);
  const handler: Interceptor = {
    call: (op, inputs, attrs) =>
      op.name === "lt" || op.name === "gt"
        ? no
        : withInterceptor(null, () => op.compute(inputs, attrs, null) as torch.Tensor),
    callMany: (op, inputs, attrs) => withInterceptor(null, () => op.compute(inputs, attrs, null) as torch.Tensor[]),
    callInplace: (_, inputs) => inputs[0],
    callUpdate: () => {},
  };
  return withInterceptor(handler, body);
}

for (const [name, expected] of Object.entries(keys)) {
  const skip = expected.parameters > MOST_PARAMETERS && "too large";
  test(`${name}: state, text and number of parameters`, { skip }, () => {
    const make = (models as unknown as Record<string, (options?: object) => Module>)[name];
    const hasWarning = name === "googlenet" || name === "inception_v3";
    const model = withoutValues(() => make(hasWarning ? { init_weights: false } : {}));
    assert.equal(sha256(described(model).join("\n")), expected.state);
    assert.equal(sha256(String(model)), expected.repr);
    assert.equal(
      [...model.parameters()].reduce((sum, p) => sum + p.numel(), 0),
      expected.parameters,
    );
  });
}
