/** What GoogLeNet, Inception v3 and DenseNet do with their published weights. The files are our own, under the published names. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, mock, test } from "node:test";
import * as torch from "../../../src/index.ts";
import type { Module } from "../../../src/nn/module.ts";
import { densenet121, GoogLeNet, googlenet, Inception3, inception_v3 } from "../../../src/vision/models/index.ts";

const folder = await mkdtemp(join(tmpdir(), "kindling-pretrained-"));
await mkdir(join(folder, "checkpoints"));
torch.hub.set_dir(folder);
after(() => rm(folder, { recursive: true }));

/** Puts a state where a download of `url` would be. */
async function publish(url: string, state: object): Promise<void> {
  await torch.save(state, join(folder, "checkpoints", url.slice(url.lastIndexOf("/") + 1)));
}

function sameState(model: Module, state: Readonly<Record<string, torch.Tensor>>): void {
  for (const [key, value] of Object.entries(model.state_dict())) assert.ok(torch.equal(value, state[key]), key);
}

test("GoogLeNet: no auxiliary classifiers unless asked for, and pictures normalized as the weights want", async () => {
  const state = new GoogLeNet({ init_weights: false }).state_dict();
  await publish(googlenet.weights.DEFAULT.url, state);
  const model = await googlenet({ weights: "DEFAULT" });
  assert.equal(model.aux1, null);
  assert.equal(model.aux2, null);
  assert.equal(model.transform_input, true);
  sameState(model, state);
  const x = torch.rand(2, 3, 32, 32);

  const warn = mock.method(console, "warn", () => {});
  const whole = await googlenet({ weights: "DEFAULT", aux_logits: true, transform_input: false });
  warn.mock.restore();
  assert.match(String(warn.mock.calls[0].arguments[0]), /auxiliary heads .* are NOT pretrained/);
  assert.equal(Object.keys(whole.state_dict()).length, Object.keys(state).length);
  // What `transform_input` does to pictures normalized with ImageNet's statistics, undone by hand.
  const scale = torch.tensor([0.229, 0.224, 0.225]).reshape([3, 1, 1]).div(0.5);
  const shift = torch.tensor([0.485, 0.456, 0.406]).sub(0.5).reshape([3, 1, 1]).div(0.5);
  const inputs = x.mul(scale).add(shift);
  model.eval();
  whole.eval();
  torch.no_grad(() => {
    const a = model(x) as torch.Tensor;
    const b = whole(inputs) as torch.Tensor;
    assert.ok(torch.allclose(a, b, 1e-4, 1e-5));
  });
  const outputs = whole.train()(x);
  assert.ok(!(outputs instanceof torch.Tensor));
  assert.deepEqual(outputs.aux_logits1.shape, [2, 1000]);
  assert.ok(whole.eval()(x) instanceof torch.Tensor);
  assert.ok(model.train()(x) instanceof torch.Tensor);

  await assert.rejects(googlenet({ weights: "DEFAULT", num_classes: 10 }), /expected value 1000 but got 10/);
});

test("Inception v3: the auxiliary classifier stays unless refused", async () => {
  const state = new Inception3({ init_weights: false }).state_dict();
  await publish(inception_v3.weights.DEFAULT.url, state);
  const model = await inception_v3({ weights: "DEFAULT" });
  assert.equal(model.transform_input, true);
  sameState(model, state);
  assert.notEqual(model.AuxLogits, null);
  const small = await inception_v3({ weights: "DEFAULT", aux_logits: false });
  assert.equal(small.AuxLogits, null);
  assert.ok(small.train()(torch.rand(2, 3, 75, 75)) instanceof torch.Tensor);
});

test("DenseNet: files with the old names of layers", async () => {
  const state = densenet121().state_dict();
  // They call layers norm.1, conv.1 and so on, and do not count batches.
  const old = Object.fromEntries(
    Object.entries(state)
      .filter(([key]) => !key.endsWith("num_batches_tracked"))
      .map(([key, value]) => [key.replace(/(denselayer\d+\.(?:norm|relu|conv))(\d)/, "$1.$2"), value]),
  );
  assert.ok("features.denseblock1.denselayer1.norm.1.weight" in old);
  await publish(densenet121.weights.DEFAULT.url, old);
  sameState(await densenet121({ weights: "DEFAULT" }), state);
});
