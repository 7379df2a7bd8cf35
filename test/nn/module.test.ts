/** nn.Module: registration, names, state, modes, conversion, hooks, texts, types. What is expected was seen in PyTorch. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import * as torch from "../../src/index.ts";

const { nn } = torch;
type Tensor = torch.Tensor;

const { nested } = JSON.parse(readFileSync(new URL("golden-repr.json", import.meta.url), "utf8")) as {
  nested: {
    Net: string;
    state: string[];
    parameters: string[];
    modules: string[];
    Wide: string;
    empty: string[];
  };
};

function message(run: () => unknown): string {
  try {
    run();
  } catch (e) {
    return `${(e as Error).name}: ${(e as Error).message}`;
  }
  return "nothing thrown";
}

class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5);
  features = new nn.Sequential<torch.nn.Module>(
    new nn.ReLU(),
    new nn.Sequential<torch.nn.Module>(new nn.MaxPool2d(2), new nn.Identity()),
  );
  blocks = new nn.ModuleList([new nn.Linear(2, 2), new nn.Linear(2, 2), new nn.Linear(2, 3), new nn.Linear(2, 2)]);
  heads = new nn.ModuleDict<torch.nn.Module>([
    ["10", new nn.ReLU()],
    ["2", new nn.Linear(2, 3)],
  ]);
  weights = new nn.ParameterList([torch.zeros(2, 3), torch.zeros([])]);
  named = new nn.ParameterDict({ b: torch.zeros(2), a: torch.zeros(2, 1, { dtype: torch.float64 }) });
  same = this.conv1;
  loss = new nn.TripletMarginWithDistanceLoss();

  override forward(x: Tensor): Tensor {
    return this.features(this.conv1(x));
  }
}

/** Linear, buffer, child: small enough to compare. */
class Small extends nn.Module {
  fc: torch.nn.Linear;
  scale: torch.nn.Parameter;
  declare steps: Tensor;
  seen = new nn.Buffer(torch.zeros(2));
  scratch = new nn.Buffer(torch.zeros(2), { persistent: false });
  plain = torch.zeros(2);

  constructor() {
    super();
    this.fc = new nn.Linear(2, 3);
    this.scale = new nn.Parameter(torch.ones(3));
    this.register_buffer("steps", torch.tensor(0));
  }

  override forward(x: Tensor, factor = 1): Tensor {
    return this.fc(x).mul(this.scale).mul(factor);
  }
}

test("text of nested modules", () => {
  const net = new Net();
  assert.equal(net.toString(), nested.Net);
  assert.equal(`${net}`, nested.Net);
  assert.equal(inspect(net), nested.Net);
  class Wide extends nn.Linear {
    override extra_repr(): string {
      return "first\nsecond";
    }
  }
  assert.equal(new nn.Sequential(new Wide(1, 1)).toString(), nested.Wide);
  const empty = [nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict];
  assert.deepEqual(
    empty.map((M) => new M().toString()),
    nested.empty,
  );
});

test("names and their order", () => {
  const net = new Net();
  assert.deepEqual(Object.keys(net.state_dict()), nested.state);
  assert.deepEqual(
    [...net.named_parameters()].map(([name]) => name),
    nested.parameters,
  );
  assert.deepEqual(
    [...net.named_modules()].map(([name]) => name),
    nested.modules,
  );
  assert.deepEqual(
    [...net.named_children()].map(([name]) => name),
    ["conv1", "features", "blocks", "heads", "weights", "named", "loss"],
  );
  assert.equal([...net.children()].length, 7);
  assert.equal([...net.modules()].length, nested.modules.length);
  assert.equal([...net.parameters()].length, nested.parameters.length);
  assert.deepEqual([...net.parameters(false)], []);
  const twice = [...net.named_parameters({ prefix: "net", remove_duplicate: false })].map(([name]) => name);
  assert.deepEqual(twice.slice(-2), ["net.same.weight", "net.same.bias"]);
});

test("assignment registers in order, and replaces in place", () => {
  const small = new Small();
  const names = (): string[] => [...small.named_parameters()].map(([name]) => name);
  assert.deepEqual(names(), ["scale", "fc.weight", "fc.bias"]);
  assert.deepEqual(Object.keys(small.state_dict()), ["scale", "seen", "steps", "fc.weight", "fc.bias"]);
  assert.deepEqual(
    [...small.named_buffers()].map(([name]) => name),
    ["seen", "scratch", "steps"],
  );
  small.fc = new nn.Linear(2, 10, { bias: false });
  small.scale = new nn.Parameter(torch.ones(10));
  assert.deepEqual(names(), ["scale", "fc.weight"]);
  assert.deepEqual(small(torch.ones(4, 2)).shape, [4, 10]);
  (small as { extra?: torch.nn.Module }).extra = new nn.Linear(1, 1);
  assert.deepEqual(names(), ["scale", "fc.weight", "extra.weight", "extra.bias"]);
  delete (small as { extra?: torch.nn.Module }).extra;
  assert.deepEqual(names(), ["scale", "fc.weight"]);
  assert.match(small.toString(), /^Small\(\n {2}\(fc\): Linear\(in_features=2, out_features=10, bias=False\)\n\)$/);
});

test("shared modules and parameters count once", () => {
  const layer = new nn.Linear(2, 2);
  const net = new nn.Sequential(layer, layer, new nn.Linear(2, 2));
  net[2].weight = layer.weight;
  assert.deepEqual(
    [...net.named_parameters()].map(([name]) => name),
    ["0.weight", "0.bias", "2.bias"],
  );
  assert.equal([...net.modules()].length, 3);
  assert.equal(net.length, 3);
  assert.deepEqual(Object.keys(net.state_dict()), ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]);
  net(torch.ones(1, 2)).sum().backward();
  assert.notEqual(layer.weight.grad, null);
});

test("registering by name", () => {
  const module = new nn.Module();
  module.register_parameter("w", new nn.Parameter(torch.ones(2)));
  module.register_parameter("none", null);
  module.add_module("child", new nn.ReLU());
  module.register_buffer("b", torch.ones(3));
  module.register_buffer("hidden", torch.ones(3), { persistent: false });
  module.register_buffer("nothing", null);
  assert.deepEqual(Object.keys(module.state_dict()), ["w", "b"]);
  module.register_buffer("b", torch.zeros(3));
  assert.equal(module.get_buffer("b").sum().item(), 0);
  assert.equal(module.get_submodule("child").toString(), "ReLU()");
  assert.equal(module.get_submodule(""), module);
  assert.deepEqual(module.get_parameter("w").shape, [2]);
  const net = new nn.Sequential(new nn.Linear(2, 3), new nn.BatchNorm1d(3));
  assert.deepEqual(
    [
      () => net.register_buffer("a.b", null),
      () => net.register_buffer("", null),
      () => net.register_buffer("training", torch.zeros(1)),
      () => net.register_buffer("b", 3 as never),
      () => net.register_parameter("p", torch.zeros(1) as never),
      () => net.add_module("x", 3 as never),
      () => net.register_buffer("0", torch.zeros(1)),
      () => net.get_submodule("0.x"),
      () => net.get_submodule("9"),
      () => net.get_submodule("0.weight"),
      () => net.get_parameter("0.x"),
      () => net.get_parameter("1.running_mean"),
      () => net.get_buffer("0.weight"),
    ].map(message),
    [
      'KeyError: buffer name can\'t contain "."',
      'KeyError: buffer name can\'t be empty string ""',
      "KeyError: attribute 'training' already exists",
      "TypeError: cannot assign 'number' object to buffer 'b' (torch Tensor or None required)",
      "TypeError: cannot assign 'Tensor' object to parameter 'p' (torch.nn.Parameter or None required)",
      "TypeError: number is not a Module subclass",
      "KeyError: attribute '0' already exists",
      "KeyError: Linear has no attribute `x`",
      "KeyError: Sequential has no attribute `9`",
      "KeyError: `weight` is not an nn.Module",
      "KeyError: Linear has no attribute `x`",
      "KeyError: `running_mean` is not an nn.Parameter",
      "KeyError: `weight` is not a buffer",
    ],
  );
});

test("state round trip", () => {
  torch.manual_seed(1);
  const a = new nn.Sequential<torch.nn.Module>(new nn.Linear(2, 3), new nn.BatchNorm1d(3), new nn.Linear(3, 1));
  const b = new nn.Sequential<torch.nn.Module>(new nn.Linear(2, 3), new nn.BatchNorm1d(3), new nn.Linear(3, 1));
  a(torch.randn(5, 2));
  const [weight] = b.parameters();
  const result = b.load_state_dict(a.state_dict());
  assert.equal(String(result), "<All keys matched successfully>");
  assert.equal([...b.parameters()][0], weight, "loading copies into the same parameters");
  for (const [name, tensor] of Object.entries(a.state_dict())) {
    assert.ok(tensor.equal(b.state_dict()[name]), name);
    assert.equal(tensor.requires_grad, false);
  }
  assert.equal(b.get_buffer("1.num_batches_tracked").item(), 1);
  // The tensors of a state share memory with the module.
  a.state_dict()["0.bias"].zero_();
  assert.equal(a.get_parameter("0.bias").abs().sum().item(), 0);
  assert.equal(a.state_dict({ keep_vars: true })["0.weight"], a.get_parameter("0.weight"));
  assert.deepEqual(Object.keys(a.state_dict({ prefix: "net." }))[0], "net.0.weight");
  // assign takes the tensors themselves.
  const fresh = { weight: torch.ones(1, 2), bias: torch.zeros(1) };
  const line = new nn.Linear(2, 1);
  line.load_state_dict(fresh, { assign: true });
  fresh.weight.fill_(5);
  assert.equal(line.weight.sum().item(), 10);
  assert.ok(line.weight instanceof nn.Parameter && line.weight.requires_grad);
});

test("loading what does not fit", () => {
  const net = new nn.Sequential<torch.nn.Module>(new nn.Linear(2, 3), new nn.BatchNorm1d(3));
  const before = Object.fromEntries(Object.entries(net.state_dict()).map(([name, t]) => [name, t.clone()]));
  const wrong: Record<string, unknown> = { ...net.state_dict(), "1.weight": torch.full([3], 7.5) };
  Object.assign(wrong, { x: torch.zeros(1), "0.foo": torch.zeros(1), "a.b": torch.zeros(1) });
  delete wrong["0.bias"];
  wrong["0.weight"] = torch.zeros(3, 3);
  wrong["1.bias"] = 3;
  assert.equal(
    message(() => net.load_state_dict(wrong)),
    "RuntimeError: Error(s) in loading state_dict for Sequential:\n" +
      '\tMissing key(s) in state_dict: "0.bias". \n' +
      '\tUnexpected key(s) in state_dict: "x", "a.b", "0.foo". \n' +
      "\tsize mismatch for 0.weight: copying a param with shape torch.Size([3, 3]) from checkpoint, the shape in current model is torch.Size([3, 2]).\n" +
      "\tWhile copying the parameter named \"1.bias\", expected torch.Tensor or Tensor-like object from checkpoint but received <class 'int'>",
  );
  assert.match(
    message(() => net.load_state_dict({ "0.weight": torch.zeros(3) }, false)),
    /^RuntimeError: .*Sequential:\n\tsize mismatch for 0\.weight: .*shape torch\.Size\(\[3\]\) from/,
  );
  for (const [name, tensor] of Object.entries(net.state_dict()))
    assert.ok(tensor.equal(before[name]), `${name} changed`);
  const partial = net.load_state_dict({ "0.bias": torch.ones(3), other: torch.ones(1) }, { strict: false });
  assert.deepEqual(partial.unexpected_keys, ["other"]);
  assert.deepEqual(partial.missing_keys, ["0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var"]);
  assert.equal(
    String(net.load_state_dict({}, false)),
    "_IncompatibleKeys(missing_keys=['0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var'], unexpected_keys=[])",
  );
  assert.equal(net.get_parameter("0.bias").sum().item(), 3);
  // A state with versions says what it should have.
  const state = net.state_dict();
  delete state["1.num_batches_tracked"];
  assert.match(
    message(() => net.load_state_dict(state)),
    /Missing key\(s\) in state_dict: "1\.num_batches_tracked"\./,
  );
  for (const [given, type] of [
    [3, "int"],
    [null, "NoneType"],
    [[torch.ones(1)], "list"],
    [new Map([["0.bias", torch.ones(3)]]), "Map"],
  ] as const) {
    assert.equal(
      message(() => net.load_state_dict(given as never)),
      `TypeError: Expected state_dict to be dict-like, got <class '${type}'>.`,
    );
  }
  assert.equal(
    message(() => net.load_state_dict({}, { stric: false } as never)),
    "TypeError: Module.load_state_dict() got an unexpected keyword argument 'stric'; did you mean 'strict'?",
  );
  assert.match(
    message(() => net.load_state_dict(Promise.resolve({}) as never)),
    /<class 'Promise'>\. .* await it first/,
  );
});

test("train and eval", () => {
  class Frozen extends nn.BatchNorm1d {
    override train(_mode = true): this {
      return super.train(false);
    }
  }
  const net = new nn.Sequential<torch.nn.Module>(new nn.Dropout(), new nn.Sequential(new nn.Dropout()), new Frozen(2));
  const modes = (): boolean[] => [...net.modules()].map((m) => m.training);
  assert.deepEqual(modes(), [true, true, true, true, true]);
  assert.equal(net.eval(), net);
  assert.deepEqual(modes(), [false, false, false, false, false]);
  const x = torch.ones(3, 4);
  assert.ok(new nn.Dropout(1).eval()(x).equal(x));
  assert.equal(new nn.Dropout(1)(x).sum().item(), 0);
  net.train();
  assert.deepEqual(modes(), [true, true, true, true, false]);
  assert.equal(
    message(() => net.train(1 as never)),
    "ValueError: training mode is expected to be boolean",
  );
});

test("apply visits children first", () => {
  const net = new nn.Sequential<torch.nn.Module>(new nn.Linear(2, 2), new nn.Sequential(new nn.ReLU()));
  const seen: string[] = [];
  assert.equal(
    net.apply((m) => {
      seen.push(m.constructor.name);
      if (m instanceof nn.Linear) nn.init.ones_(m.weight);
    }),
    net,
  );
  assert.deepEqual(seen, ["Linear", "ReLU", "Sequential", "Sequential"]);
  assert.equal(net.get_parameter("0.weight").sum().item(), 4);
});

test("hooks on calls", () => {
  const layer = new nn.Linear(2, 2);
  const log: string[] = [];
  const pre = layer.register_forward_pre_hook((module, args) => {
    assert.equal(module, layer);
    log.push("pre");
    return [(args[0] as Tensor).mul(0)];
  });
  const post = layer.register_forward_hook((_module, args, output) => {
    log.push(`post ${(args[0] as Tensor).sum().item()}`);
    return (output as Tensor).sub(layer.bias as Tensor);
  });
  const first = layer.register_forward_hook(
    () => {
      log.push("first");
    },
    { prepend: true },
  );
  assert.equal(layer(torch.ones(1, 2)).abs().sum().item(), 0);
  assert.deepEqual(log, ["pre", "first", "post 0"]);
  pre.remove();
  first.remove();
  post.remove();
  post.remove();
  const plain = layer(torch.ones(1, 2));
  assert.ok(plain.equal(layer.forward(torch.ones(1, 2))));
  assert.equal(log.length, 3);
  {
    using _hook = layer.register_forward_hook(() => torch.zeros(7));
    assert.deepEqual(layer(torch.ones(1, 2)).shape, [7]);
  }
  assert.deepEqual(layer(torch.ones(1, 2)).shape, [1, 2]);
});

test("to(dtype) keeps the parameter objects", () => {
  const net = new nn.Sequential<torch.nn.Module>(new nn.Linear(2, 3), new nn.BatchNorm1d(3));
  const held = [...net.parameters()];
  net(torch.randn(4, 2)).sum().backward();
  const grads = held.map((p) => p.grad);
  assert.equal(net.double(), net);
  assert.deepEqual([...net.parameters()], held);
  held.forEach((p, i) => {
    assert.equal(p.dtype, torch.float64);
    assert.equal(p.grad, grads[i]);
    assert.equal(p.grad?.dtype, torch.float64);
    assert.ok(p.requires_grad && p.is_leaf);
  });
  assert.equal(net.get_buffer("1.running_mean").dtype, torch.float64);
  assert.equal(net.get_buffer("1.num_batches_tracked").dtype, torch.int64);
  net.zero_grad();
  net(torch.randn(4, 2, { dtype: torch.float64 }))
    .sum()
    .backward();
  assert.equal(held[0].grad?.dtype, torch.float64);
  for (const target of [torch.float32, "cpu", { dtype: torch.float32 }, torch.zeros(1)]) {
    net.double().to(target);
    assert.equal(held[0].dtype, target === "cpu" ? torch.float64 : torch.float32);
  }
  net.to("cpu", torch.float64);
  assert.equal(held[0].dtype, torch.float64);
  assert.equal(net.half().get_parameter("0.weight").dtype, torch.float16);
  assert.equal(
    message(() => net.to(torch.int64)),
    "TypeError: nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int64",
  );
  assert.match(
    message(() => net.to("cuda")),
    /cuda/,
  );
});

test("zero_grad and requires_grad_", () => {
  const layer = new nn.Linear(2, 1);
  layer(torch.ones(1, 2)).sum().backward();
  const { grad } = layer.weight;
  layer.zero_grad({ set_to_none: false });
  assert.equal(layer.weight.grad, grad);
  assert.deepEqual(grad?.tolist(), [[0, 0]]);
  layer.zero_grad();
  assert.equal(layer.weight.grad, null);
  layer.requires_grad_(false);
  assert.equal(layer(torch.ones(1, 2)).requires_grad, false);
});

test("containers", () => {
  const seq = new nn.Sequential<torch.nn.Module>({ first: new nn.Linear(2, 3), second: new nn.ReLU() });
  assert.deepEqual(Object.keys(seq.state_dict()), ["first.weight", "first.bias"]);
  assert.equal(seq.length, 2);
  assert.equal(seq.at(-1).toString(), "ReLU()");
  const list = new nn.ModuleList<torch.nn.Module>([new nn.ReLU(), new nn.Tanh()]);
  list.insert(1, new nn.Sigmoid());
  list.append(new nn.ELU());
  assert.deepEqual(
    [...list].map((m) => m.constructor.name),
    ["ReLU", "Sigmoid", "Tanh", "ELU"],
  );
  assert.equal(list.pop(0).toString(), "ReLU()");
  assert.equal(list[0].toString(), "Sigmoid()");
  assert.deepEqual(
    [...list.slice(1)].map((m) => m.constructor.name),
    ["Tanh", "ELU"],
  );
  list[1] = new nn.GELU();
  assert.equal(list.length, 3);
  assert.equal(list.at(1).toString(), "GELU(approximate='none')");
  const dict = new nn.ModuleDict<torch.nn.Module>({ a: new nn.ReLU() });
  dict.set("b", new nn.Tanh());
  assert.deepEqual(dict.keys(), ["a", "b"]);
  assert.deepEqual([...dict], ["a", "b"]);
  assert.equal(dict.pop("a").toString(), "ReLU()");
  assert.equal(dict.length, 1);
  const parameters = new nn.ParameterList([torch.ones(2)]);
  parameters.append(new nn.Parameter(torch.zeros(3)));
  assert.deepEqual(parameters.at(-1).shape, [3]);
  assert.equal(parameters[0].requires_grad, true);
  assert.deepEqual(
    [
      () => list.at(9),
      () => list.insert(9, new nn.ReLU()),
      () => (list as unknown as (x: number) => void)(3),
      () => new nn.Module()(),
      () => dict.get("x"),
      () => new nn.ModuleList([3 as never]),
      () => new nn.Sequential(3 as never),
      () => new nn.ParameterList([3 as never]),
    ].map(message),
    [
      "IndexError: index 9 is out of range",
      "IndexError: Index out of range: 9",
      'NotImplementedError: Module [ModuleList] is missing the required "forward" function',
      'NotImplementedError: Module [Module] is missing the required "forward" function',
      "KeyError: 'x'",
      "TypeError: number is not a Module subclass",
      "TypeError: number is not a Module subclass",
      "TypeError: expected a Tensor or Parameter, got number",
    ],
  );
});

test("arguments for a module that takes none", () => {
  assert.match(
    message(() => new nn.Sigmoid({ inplace: true } as never)),
    /^TypeError: Sigmoid\.__init__\(\) got an unexpected keyword argument 'inplace'/,
  );
  class Bare extends nn.Module {}
  assert.match(
    message(() => new Bare(3 as never)),
    /^TypeError: Bare\.__init__\(\) takes no arguments but 1 were given/,
  );
});

test("convolutions choose their output size", () => {
  const up = new nn.ConvTranspose2d(1, 1, 3, { stride: 2, padding: 1 });
  const x = torch.ones(1, 1, 4, 4);
  assert.deepEqual(up(x).shape, [1, 1, 7, 7]);
  assert.deepEqual(up(x, [8, 7]).shape, [1, 1, 8, 7]);
  assert.deepEqual(up(x, [1, 1, 8, 8]).shape, [1, 1, 8, 8]);
  assert.equal(
    message(() => up(x, [9, 7])),
    "ValueError: requested an output size of [9, 7], but valid sizes range from [7, 7] to [8, 8] (for an input of torch.Size([4, 4]))",
  );
  assert.equal(
    message(() => up(x, [9])),
    "ValueError: ConvTranspose2D: for 4D input, output_size must have 2 or 4 elements (got 1)",
  );
});

test("layers refuse inputs with the wrong number of dimensions", () => {
  assert.deepEqual(
    [
      () => new nn.BatchNorm2d(3)(torch.zeros(2, 3)),
      () => new nn.BatchNorm1d(3)(torch.zeros(3)),
      () => new nn.InstanceNorm1d(3)(torch.zeros(3)),
      () => new nn.InstanceNorm2d(3, { affine: true })(torch.zeros(2, 4, 5, 5)),
      () => new nn.CircularPad1d(1)(torch.zeros(3)),
      () => new nn.Softmax2d()(torch.zeros(3)),
    ].map(message),
    [
      "ValueError: expected 4D input (got 2D input)",
      "ValueError: expected 2D or 3D input (got 1D input)",
      "ValueError: expected 2D or 3D input (got 1D input)",
      "ValueError: expected input's size at dim=1 to match num_features (3), but got: 4.",
      "ValueError: expected 2D or 3D input (got 1D input)",
      "ValueError: Softmax2d: expected input to be 3D or 4D, got 1D instead",
    ],
  );
});

test("weights of losses are buffers", () => {
  const loss = new nn.CrossEntropyLoss(torch.ones(3), { ignore_index: 1 });
  assert.deepEqual(Object.keys(loss.state_dict()), ["weight"]);
  assert.equal(loss.double().weight?.dtype, torch.float64);
  assert.equal(new nn.MSELoss({ size_average: false }).reduction, "sum");
  assert.equal(new nn.MSELoss({ reduce: false }).reduction, "none");
});

test("embeddings", () => {
  const rows = torch.arange(6).float().view(3, 2);
  const frozen = nn.Embedding.from_pretrained(rows, { padding_idx: 0 });
  assert.equal(frozen.weight.requires_grad, false);
  assert.equal(frozen.toString(), "Embedding(3, 2, padding_idx=0)");
  assert.deepEqual(frozen(torch.tensor([2, 0])).tolist(), [
    [4, 5],
    [0, 1],
  ]);
  assert.equal(nn.Embedding.from_pretrained(rows, false).weight.requires_grad, true);
  const padded = new nn.Embedding(4, 3, -1);
  assert.equal(padded.padding_idx, 3);
  assert.deepEqual(padded.weight.select(0, 3).tolist(), [0, 0, 0]);
  assert.match(
    message(() => new nn.Embedding(3, 2, { sparse: true })),
    /^NotImplementedError/,
  );
});

/** Only compiled: the types of calls are those of `forward`. */
export function types(net: Small, x: Tensor): void {
  const y: Tensor = net(x);
  const z: Tensor = net(x, 2);
  const w: Tensor = new nn.Linear(2, 3)(x);
  const v: Tensor = new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU(), new nn.BatchNorm1d(3, { momentum: null }))(x);
  const layers = new nn.ModuleList([new nn.Linear(2, 2), new nn.Linear(2, 3)]);
  for (const layer of layers) layer(x).relu();
  const weight: torch.nn.Parameter = layers[0].weight;
  const loss: Tensor = new nn.CrossEntropyLoss({ label_smoothing: 0.1 })(y, z);
  // @ts-expect-error: forward takes a tensor
  net("x");
  // @ts-expect-error: forward takes at most two arguments
  net(x, 2, 3);
  // @ts-expect-error: the result is a tensor
  const text: string = net(x);
  // @ts-expect-error: no such option
  new nn.Conv2d(1, 2, 3, { paddings: 1 });
  // @ts-expect-error: padding is a number, a pair or a word
  new nn.Conv2d(1, 2, 3, { padding: [1, 2, 3] });
  // @ts-expect-error: out_features is missing
  new nn.Linear(3);
  new nn.Conv2d({ in_channels: 1, out_channels: 2, kernel_size: 3 });
  new nn.Linear(3, 4, false);
  new nn.MaxPool2d(2, 2);
  void [w, v, weight, loss, text];
}
