import assert from "node:assert/strict";
import { test } from "node:test";
import { ValueError } from "../../../src/errors.ts";
import * as torch from "../../../src/index.ts";
import { _utils, resnet18 } from "../../../src/vision/models/index.ts";

test("IntermediateLayerGetter gives the outputs of layers; the numbers are torchvision's", () => {
  torch.manual_seed(0);
  const model = resnet18({ num_classes: 3 }).eval();
  const getter = new _utils.IntermediateLayerGetter(model, { layer1: "feat1", layer3: "feat2" });
  assert.deepEqual(getter.keys(), ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"]);
  assert.match(String(getter), /^IntermediateLayerGetter\(\n {2}\(conv1\): Conv2d\(3, 64/);
  assert.equal(getter.get("layer1"), model.layer1);
  torch.manual_seed(1);
  const out = getter(torch.rand(1, 3, 32, 32));
  assert.deepEqual(Object.keys(out), ["feat1", "feat2"]);
  assert.deepEqual(out.feat1.shape, [1, 64, 8, 8]);
  assert.deepEqual(out.feat2.shape, [1, 256, 2, 2]);
  assert.ok(Math.abs(Number(out.feat1.sum().item()) / 1062.2742919921875 - 1) < 1e-5);
  assert.ok(Math.abs(Number(out.feat2.sum().item()) / 250.1215057373047 - 1) < 1e-5);
  assert.throws(
    () => new _utils.IntermediateLayerGetter(model, { layer9: "x" }),
    new ValueError("return_layers are not present in model"),
  );
});
