import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, mock, test } from "node:test";
import { inspect } from "node:util";
import { KeyError, ValueError } from "../../../src/errors.ts";
import * as torch from "../../../src/index.ts";
import { Linear, Module } from "../../../src/nn/index.ts";
import type { Tensor } from "../../../src/tensor.ts";
import { IMAGENET_CATEGORIES } from "../../../src/vision/models/imagenet-categories.ts";
import {
  get_model,
  get_model_builder,
  get_model_weights,
  get_weight,
  list_models,
  modelBuilder,
  overwriteNamedParam,
  register_model,
} from "../../../src/vision/models/registry.ts";
import { imageClassification, WeightsEnum } from "../../../src/vision/models/weights.ts";
import { ImageClassification } from "../../../src/vision/transforms/presets.ts";
import { sendFile, serve, sha256, type TestServer } from "../../hub/server.ts";

interface NetOptions {
  readonly num_classes?: number;
  readonly width?: number;
}

class Net extends Module {
  fc: Linear;
  constructor({ num_classes = 1000, width = 4 }: NetOptions = {}) {
    super();
    this.fc = new Linear(width, num_classes);
  }
  override forward(x: Tensor): Tensor {
    return this.fc(x);
  }
}

const folder = await mkdtemp(join(tmpdir(), "kindling-weights-"));
torch.hub.set_dir(folder);
const state = { "fc.weight": torch.randn(2, 4), "fc.bias": torch.randn(2) };
await torch.save(state, join(folder, "net.pth"));
const { readFile } = await import("node:fs/promises");
const bytes = new Uint8Array(await readFile(join(folder, "net.pth")));
const server: TestServer = await serve((q, r) => sendFile(q, r, bytes));
after(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const meta = { num_params: 10, categories: ["cat", "dog"], min_size: [1, 1] } as const;

class Net_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Net_Weights({
    url: `${server.url}/net-${sha256(bytes).slice(0, 8)}.pth`,
    transforms: imageClassification({ crop_size: 224 }),
    meta,
  });
  static readonly IMAGENET1K_V2 = new Net_Weights({
    url: `${server.url}/net-00000000.pth`,
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta,
  });
  static readonly DEFAULT = Net_Weights.IMAGENET1K_V2;
}

class Other_Weights extends WeightsEnum {
  static readonly SPECIAL_V1 = new Other_Weights({
    url: `${server.url}/other.pth`,
    transforms: imageClassification({ crop_size: 8 }),
    meta: { num_params: 10, categories: null },
  });
  static readonly DEFAULT = Other_Weights.SPECIAL_V1;
}

const net = modelBuilder("test_net", Net_Weights, (config: NetOptions) => new Net(config));
const calls: unknown[] = [];
const other = modelBuilder(
  "test_other",
  Other_Weights,
  (config: NetOptions, weights) => {
    calls.push(["build", config, weights]);
    return new Net(weights === null ? config : overwriteNamedParam(config, "width", 4));
  },
  {
    convert: (old) => ({ "fc.weight": old["fc.weight"], "fc.bias": old["fc.bias"].neg() }),
    loaded: (model, config) => calls.push(["loaded", model instanceof Net, config]),
  },
);

/** Runs `action` and returns what it warned of. */
async function warnings(action: () => unknown): Promise<string[]> {
  const warn = mock.method(console, "warn", () => {});
  try {
    await action();
    return warn.mock.calls.map((call) => String(call.arguments[0]));
  } finally {
    warn.mock.restore();
  }
}

test("without weights the model is there at once", async () => {
  const model: Net = net();
  assert.ok(model instanceof Net);
  assert.equal(model.fc.out_features, 1000);
  const small: Net = net({ num_classes: 3, weights: null, progress: false });
  assert.equal(small.fc.out_features, 3);
  assert.equal(net.name, "test_net");
  assert.ok((await net()) instanceof Net);
  // @ts-expect-error: no such option
  net({ num_clases: 3 });
  assert.throws(() => net(true as never), /test_net\(\) takes its arguments by keyword/);
});

test("with weights it is a promise; they decide the number of classes", async () => {
  const promise: Promise<Net> = net({ weights: Net_Weights.IMAGENET1K_V1, progress: false });
  const model = await promise;
  assert.deepEqual(model.fc.weight.tolist(), state["fc.weight"].tolist());
  assert.equal(model.fc.out_features, 2);
  for (const weights of ["IMAGENET1K_V1", "Net_Weights.IMAGENET1K_V1"]) {
    assert.equal((await net({ weights, progress: false, num_classes: 2 })).fc.out_features, 2);
  }
  assert.deepEqual(server.requests.length, 1, "later ones come from the cache");
  await assert.rejects(
    net({ weights: "IMAGENET1K_V1", num_classes: 4 }),
    new ValueError("The parameter 'num_classes' expected value 2 but got 4 instead."),
  );
});

test("downloads are checked against the hash in their name", async () => {
  await assert.rejects(net({ weights: "DEFAULT", progress: false }), /invalid hash value \(expected "00000000"/);
});

test("a family converts old states and finishes the model", async () => {
  calls.length = 0;
  const model = await other({ weights: "DEFAULT", num_classes: 2, progress: false });
  assert.deepEqual(model.fc.bias?.tolist(), state["fc.bias"].neg().tolist());
  assert.deepEqual(calls, [
    ["build", { num_classes: 2 }, Other_Weights.SPECIAL_V1],
    ["loaded", true, { num_classes: 2 }],
  ]);
  await assert.rejects(
    other({ weights: "DEFAULT", width: 5, progress: false }),
    new ValueError("The parameter 'width' expected value 4 but got 5 instead."),
  );
});

test("pretrained: the first weights, and torchvision's warnings", async () => {
  const texts = await warnings(async () => {
    assert.ok(net({ pretrained: false }) instanceof Net);
    const model: Net = await net({ pretrained: true, progress: false });
    assert.deepEqual(model.fc.weight.tolist(), state["fc.weight"].tolist());
  });
  const values =
    "UserWarning: Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and may be removed in the future. The current behavior is equivalent to passing";
  assert.deepEqual(texts, [
    "UserWarning: The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, please use 'weights' instead.",
    `${values} \`weights=None\`.`,
    `${values} \`weights=Net_Weights.IMAGENET1K_V1\`. You can also use \`weights=Net_Weights.DEFAULT\` to get the most up-to-date weights.`,
  ]);
  assert.throws(() => other({ pretrained: true }), new ValueError("No weights available for model test_other"));
});

test("members of a weights class", () => {
  assert.equal(String(Net_Weights.DEFAULT), "Net_Weights.IMAGENET1K_V2");
  assert.equal(inspect(Net_Weights.DEFAULT), "Net_Weights.IMAGENET1K_V2");
  assert.deepEqual([...Net_Weights.members().keys()], ["IMAGENET1K_V1", "IMAGENET1K_V2", "DEFAULT"]);
  assert.equal(Net_Weights.verify("DEFAULT"), Net_Weights.IMAGENET1K_V2);
  assert.equal(Net_Weights.verify("Net_Weights.IMAGENET1K_V1"), Net_Weights.IMAGENET1K_V1);
  assert.equal(Net_Weights.verify(null), null);
  assert.throws(() => Net_Weights.verify("NOPE"), KeyError);
  assert.throws(() => Net_Weights.verify("constructor"), KeyError);
  assert.throws(
    () => Net_Weights.verify(Other_Weights.DEFAULT),
    new TypeError("Invalid Weight class provided; expected Net_Weights but received Other_Weights."),
  );
  assert.deepEqual(Net_Weights.DEFAULT.meta.categories, ["cat", "dog"]);
});

test("transforms of weights", () => {
  const preset = Net_Weights.DEFAULT.transforms();
  assert.ok(preset instanceof ImageClassification);
  assert.deepEqual([preset.crop_size, preset.resize_size], [[224], [232]]);
  assert.deepEqual(Net_Weights.DEFAULT.transforms({ crop_size: 100 }).crop_size, [100]);
  assert.deepEqual(preset(torch.rand(3, 300, 400)).shape, [3, 224, 224]);
});

test("the table of models", async () => {
  assert.ok(get_model("Test_Net", { num_classes: 3 }) instanceof Net);
  assert.ok((await get_model("test_net", { weights: "IMAGENET1K_V1", progress: false })) instanceof Net);
  assert.equal(get_model_weights("test_net"), Net_Weights);
  assert.equal(get_model_weights(net), Net_Weights);
  assert.equal(get_weight("Net_Weights.DEFAULT"), Net_Weights.IMAGENET1K_V2);
  assert.throws(() => get_model("nope"), new ValueError("Unknown model nope"));
  assert.throws(() => get_weight("DEFAULT"), new ValueError("Invalid weight name provided: 'DEFAULT'."));
  assert.throws(() => get_weight("No_Weights.DEFAULT"), /^ValueError: The weight enum 'No_Weights' .* couldn't be/);
  assert.throws(() => get_weight("Net_Weights.X"), KeyError);
  assert.throws(
    () => register_model("test_net")(() => new Net()),
    new ValueError("An entry is already registered under the name 'test_net'."),
  );
});

test("list_models takes the patterns of Python's fnmatch", () => {
  const names = ["resnet18", "resnet50", "vgg11", "vgg11_bn", "wide_resnet50_2", "a.b", "a[b"].map((n) => `x_${n}`);
  for (const name of names) register_model(name)(() => new Net());
  const list = (include: string | string[], exclude: string | string[] = []): string[] =>
    list_models({ include, exclude }).map((name) => name.slice(2));
  assert.deepEqual(list("x_*"), ["a.b", "a[b", "resnet18", "resnet50", "vgg11", "vgg11_bn", "wide_resnet50_2"]);
  assert.deepEqual(list("x_resnet?8"), ["resnet18"]);
  assert.deepEqual(list("x_vgg1[0-2]*"), ["vgg11", "vgg11_bn"]);
  assert.deepEqual(list("x_[!r]*", ["*vgg*", "*wide*"]), ["a.b", "a[b"]);
  assert.deepEqual(list("x_a.b"), ["a.b"]);
  assert.deepEqual(list("x_a?b"), ["a.b", "a[b"]);
  assert.deepEqual(list("x_a[[]b"), ["a[b"]);
  assert.deepEqual(list("x_[x"), []);
  assert.deepEqual(list("x_RES*"), []);
  assert.deepEqual(list(["x_vgg11", "x_res*"], "*50"), ["resnet18", "vgg11"]);
  assert.deepEqual(list_models({ module: { test_net: net, other: 3 } }), ["test_net"]);
  assert.equal(get_model_builder("test_net"), net);
});

test("the classes of ImageNet are torchvision's", () => {
  assert.equal(IMAGENET_CATEGORIES.length, 1000);
  const digest = createHash("sha256").update(IMAGENET_CATEGORIES.join("\n")).digest("hex");
  assert.equal(digest, "0b0f9fee7c952f257418d62aa701f023a9da13b443a14f5c4291e5724d92967c");
});

test("weights that are only a file put there by hand", async () => {
  await writeFile(join(folder, "checkpoints", "other.pth"), bytes);
  assert.ok((await Other_Weights.DEFAULT.get_state_dict({ progress: false }))["fc.weight"].shape[0] === 2);
});
