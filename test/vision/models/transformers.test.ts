/** Vision transformers from a seed against torchvision's (tools/golden-transformers.py). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "../../../src/index.ts";
import { get_model, get_model_weights, get_weight } from "../../../src/vision/models/registry.ts";
import * as swin from "../../../src/vision/models/swin_transformer.ts";
import * as vit from "../../../src/vision/models/vision_transformer.ts";

const { nn } = torch;
type Sums = [sum: number, weighted: number, size?: number];

interface SmallCase {
  class: "VisionTransformer" | "SwinTransformer";
  args: Record<string, unknown>;
  stem?: [number, number, number][];
  v2?: true;
  seed: number;
  repr: string;
  state: Record<string, [dtype: string, shape: number[], sums: Sums]>;
  input: number[];
  logits: number[][];
  loss: number;
  grads: Record<string, Sums>;
  eval: number[][];
  inference: number[][];
  losses: number[];
}

interface Golden {
  small: SmallCase[];
  named: Record<string, { parameters: number; state: string; repr: string }>;
  interpolated: { keys: string[]; positions: Sums; shape: number[] };
  weights: Record<string, Record<string, [url: string, parameters: number, size: number[], name: string]>>;
}

const golden = JSON.parse(readFileSync(new URL("transformers.json", import.meta.url), "utf8")) as Golden;

const sha = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

function checksum(t: torch.Tensor): [sum: number, weighted: number, size: number] {
  const values = Array.from(t.detach().double().flatten().typed_array() as Float64Array);
  const sum = values.reduce((a, v) => a + v, 0);
  const weighted = values.reduce((a, v, i) => a + (v * (((i * 5) % 17) - 8)) / 8, 0);
  return [sum, weighted, values.reduce((a, v) => a + Math.abs(v), 0)];
}

function assertSums(t: torch.Tensor, [sum, weighted]: Sums, tolerance: number, where: string, size?: number): void {
  const got = checksum(t);
  const bound = tolerance * (size ?? got[2]) + 1e-30;
  assert.ok(
    Math.abs(got[0] - sum) <= bound && Math.abs(got[1] - weighted) <= bound,
    `${where}: ${got} not ${sum}, ${weighted}`,
  );
}

function assertClose(t: torch.Tensor, expected: number[][], where: string): void {
  const wanted = torch.tensor(expected, { dtype: torch.float64 });
  const error = t.detach().double().sub(wanted).abs().max().item() as number;
  const scale = wanted.abs().max().item() as number;
  assert.ok(error <= 1e-4 * scale, `${where}: differs by ${error} of ${scale}`);
}

/** The numbers that the script makes. */
function picture(shape: readonly number[]): torch.Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: count }, (_, i) => (((37 * i + Math.floor(i / 23) + 5) % 29) - 14) / 8);
  return torch.tensor(values).view([...shape]);
}

type Model = vit.VisionTransformer | swin.SwinTransformer;

function build(c: SmallCase): Model {
  if (c.class === "SwinTransformer") {
    const version = c.v2 ? { block: swin.SwinTransformerBlockV2, downsample_layer: swin.PatchMergingV2 } : {};
    return new swin.SwinTransformer({ ...(c.args as unknown as swin.SwinTransformerOptions), ...version });
  }
  const stem = c.stem?.map(([out_channels, kernel_size, stride]) => ({ out_channels, kernel_size, stride })) ?? null;
  return new vit.VisionTransformer({
    ...(c.args as unknown as vit.VisionTransformerOptions),
    conv_stem_configs: stem,
  });
}

for (const [i, c] of golden.small.entries()) {
  test(`${c.class} ${i} ${c.v2 ? "version 2 " : ""}from a seed`, () => {
    torch.manual_seed(c.seed);
    const net = build(c);
    const state = Object.entries(net.state_dict());
    assert.deepEqual(
      state.map(([key, t]) => [key, t.dtype.name, t.shape]),
      Object.entries(c.state).map(([key, [dtype, shape]]) => [key, dtype, shape]),
    );
    assert.equal(sha(String(net)), c.repr, String(net));
    for (const [key, t] of state) assertSums(t, c.state[key][2], 1e-6, key);
    torch.no_grad(() => {
      for (const m of net.modules()) {
        if (m instanceof nn.Linear) m.weight.mul_(8).add_(picture(m.weight.shape), { alpha: 0.02 });
      }
    });
    const x = picture(c.input);
    const target = torch.tensor([1, 3]);
    torch.manual_seed(c.seed);
    const logits = net(x);
    assertClose(logits, c.logits, "logits");
    const loss = nn.functional.cross_entropy(logits, target);
    loss.backward();
    for (const [key, p] of net.named_parameters()) {
      // Sums cancel: they are compared with the size of what is summed.
      const expected = c.grads[key];
      const scale = Math.max(expected[2] as number, 1e-6);
      assertSums(p.grad as torch.Tensor, expected, 1e-3, `gradient of ${key}`, scale);
    }
    net.eval();
    assertClose(net(x), c.eval, "in evaluation");
    torch.no_grad(() => assertClose(net(x), c.inference, "in evaluation, without gradients"));
    net.train();
    const optimizer = new torch.optim.SGD(net.parameters(), { lr: 0.003, momentum: 0.9 });
    for (const expected of c.losses) {
      optimizer.zero_grad();
      const step = nn.functional.cross_entropy(net(x), target);
      step.backward();
      optimizer.step();
      assert.ok(Math.abs((step.item() as number) - expected) <= 1e-3 * expected, `loss ${step.item()} not ${expected}`);
    }
  });
}

// The larger ones have the same code and more of everything.
for (const name of ["swin_t", "swin_v2_t"]) {
  test(`${name} has torchvision's names, shapes and text`, () => {
    const net = get_model(name);
    const expected = golden.named[name];
    const lines = Object.entries(net.state_dict()).map(([key, t]) => `${key} ${t.dtype.name} [${t.shape.join(", ")}]`);
    assert.equal(sha(lines.join("\n")), expected.state);
    assert.equal(sha(String(net)), expected.repr);
    assert.equal(
      [...net.parameters()].reduce((sum, p) => sum + p.numel(), 0),
      expected.parameters,
    );
  });
}

test("weights are torchvision's", () => {
  for (const name of Object.keys(golden.named)) {
    const weights = get_model_weights(name);
    const expected = golden.weights[weights.name];
    assert.deepEqual([...weights.members().keys()], Object.keys(expected));
    for (const [key, [url, parameters, size, own]] of Object.entries(expected)) {
      const member = get_weight(`${weights.name}.${key}`);
      assert.deepEqual(
        [member.url, member.meta.num_params, member.meta.min_size, member.name],
        [url, parameters, size, own],
      );
    }
  }
});

test("interpolate_embeddings", () => {
  torch.manual_seed(0);
  const net = new vit.VisionTransformer(golden.small[0].args as unknown as vit.VisionTransformerOptions);
  const changed = vit.interpolate_embeddings(24, 4, net.state_dict(), { reset_heads: true });
  const { keys, positions, shape } = golden.interpolated;
  assert.deepEqual(Object.keys(changed), keys);
  assert.deepEqual(changed["encoder.pos_embedding"].shape, shape);
  assertSums(changed["encoder.pos_embedding"], positions, 1e-5, "positions");
  assert.throws(
    () => vit.interpolate_embeddings(24, 4, { "encoder.pos_embedding": torch.zeros(2, 17, 12) }),
    /Unexpected position embedding shape: torch\.Size\(\[2, 17, 12\]\)/,
  );
});

test("vit refuses pictures of another size", () => {
  const net = new vit.VisionTransformer(golden.small[0].args as unknown as vit.VisionTransformerOptions);
  assert.throws(() => net(torch.zeros(1, 3, 12, 16)), /Wrong image height! Expected 16 but got 12!/);
  assert.throws(() => new vit.VisionTransformer(15, 4, 1, 1, 4, 4), /Input shape indivisible by patch size!/);
});

test("states from before MLPBlock's version 2 have other names", () => {
  const block = new vit.MLPBlock(3, 4, 0);
  const old: Record<string, torch.Tensor> = {
    "linear_1.weight": torch.ones(4, 3),
    "linear_1.bias": torch.ones(4),
    "linear_2.weight": torch.ones(3, 4),
    "linear_2.bias": torch.ones(3),
  };
  block.load_state_dict(old);
  assert.equal(block.get_parameter("3.weight").sum().item(), 12);
});
