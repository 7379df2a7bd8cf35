/** Attention and the transformer layers, beside what test/conformance/modules.test.ts compares (tools/golden-attention.py). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { DType } from "../../src/dtype.ts";
import * as torch from "../../src/index.ts";

const { nn } = torch;
const F = nn.functional;
type Value = number | "nan" | "inf" | "-inf";

interface Inputs {
  query: number[];
  key: number[];
  value: number[];
  mask?: [kind: string, shape: number[]];
  options: Record<string, number | boolean>;
}

interface Golden {
  cases: (Inputs & {
    dtype: "float32" | "float64" | "float16" | "bfloat16";
    seed: number;
    out: [shape: number[], values: Value[]];
    grads: (Value[] | null)[];
  })[];
  errors: (Inputs & { dtypes: string[]; mask_dtype?: string; class: string; message: string })[];
}

const golden = JSON.parse(readFileSync(new URL("golden-attention.json", import.meta.url), "utf8")) as Golden;

const dtypes = torch as unknown as Record<string, DType>;

/** The numbers that the script makes. */
function numbers(shape: readonly number[], index: number, dtype: DType = torch.float32): torch.Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Float64Array.from(
    { length: count },
    (_, i) => (((37 * i + 11 * index + Math.floor(i / 23) + 5) % 29) - 14) / 8,
  );
  return torch
    .tensor(values)
    .to(dtype)
    .view([...shape]);
}

function makeMask([kind, shape]: [string, number[]], dtype: DType): torch.Tensor {
  const keep = numbers(shape, 3).gt(-0.8);
  if (kind === "row") keep.select(-2, 1).fill_(false);
  if (kind === "bool" || kind === "row") return keep;
  const added = numbers(shape, 4, dtype).masked_fill(keep.logical_not(), Number.NEGATIVE_INFINITY);
  if (kind === "infinite") added.select(-2, 1).fill_(Number.NEGATIVE_INFINITY);
  return added;
}

const TOLERANCE = { float32: 2e-6, float64: 1e-12, float16: 3e-3, bfloat16: 2e-2 };

function assertValues(t: torch.Tensor, expected: Value[], tolerance: number, where: string): void {
  const got = Array.from(t.detach().double().contiguous().flatten().typed_array() as Float64Array);
  assert.equal(got.length, expected.length, where);
  expected.forEach((e, i) => {
    const wanted = e === "nan" ? Number.NaN : e === "inf" ? Number.POSITIVE_INFINITY : e === "-inf" ? -1 / 0 : e;
    const near = Math.abs(got[i] - wanted) <= tolerance * (1 + Math.abs(wanted));
    assert.ok(Object.is(got[i], wanted) || near, `${where}: element ${i} is ${got[i]}, not ${wanted}`);
  });
}

for (const c of golden.cases) {
  test(`scaled_dot_product_attention ${c.dtype} ${JSON.stringify([c.query, c.key, c.value, c.mask, c.options])}`, () => {
    const dtype = dtypes[c.dtype];
    const inputs = [c.query, c.key, c.value].map((shape, i) => numbers(shape, i, dtype).requires_grad_());
    const mask = c.mask === undefined ? null : makeMask(c.mask, dtype);
    const all = mask?.is_floating_point() ? [...inputs, mask.requires_grad_()] : inputs;
    torch.manual_seed(c.seed);
    const [q, k, v] = inputs;
    const out = F.scaled_dot_product_attention(q, k, v, mask, c.options);
    assert.deepEqual(out.shape, c.out[0]);
    assert.equal(out.dtype, dtype);
    assertValues(out, c.out[1], TOLERANCE[c.dtype], "result");
    const grads = torch.autograd.grad(out.mul(numbers(out.shape, 7, dtype)).sum(), all, { allow_unused: true });
    c.grads.forEach((expected, i) => {
      if (expected === null) assert.equal(grads[i], null);
      else assertValues(grads[i] as torch.Tensor, expected, 4 * TOLERANCE[c.dtype], `gradient ${i}`);
    });
  });
}

test("scaled_dot_product_attention refuses what PyTorch refuses", () => {
  for (const e of golden.errors) {
    const [q, k, v] = [e.query, e.key, e.value].map((shape, i) => numbers(shape, i, dtypes[e.dtypes[i]]));
    let mask = e.mask === undefined ? null : makeMask(e.mask, torch.float32);
    if (mask !== null && e.mask_dtype !== undefined) mask = torch.zeros_like(mask, { dtype: dtypes[e.mask_dtype] });
    assert.throws(
      () => F.scaled_dot_product_attention(q, k, v, mask, e.options),
      (error: Error) => {
        assert.equal(`${error.name}: ${error.message}`, `${e.class}: ${e.message}`);
        return true;
      },
    );
  }
});

test("second derivatives of attention", () => {
  const input = (...shape: number[]): torch.Tensor => torch.randn(shape, { dtype: torch.float64, requires_grad: true });
  torch.manual_seed(1);
  const [q, k, v] = [input(2, 4, 3, 4), input(2, 2, 5, 4), input(2, 2, 5, 3)];
  const causal = (a: torch.Tensor, b: torch.Tensor, c: torch.Tensor): torch.Tensor =>
    F.scaled_dot_product_attention(a, b, c, { is_causal: true, enable_gqa: true, scale: 0.4 });
  assert.ok(torch.autograd.gradgradcheck(causal, [q, k, v]));
  const mask = input(3, 5);
  const masked = (a: torch.Tensor, b: torch.Tensor, m: torch.Tensor): torch.Tensor =>
    F.scaled_dot_product_attention(a, b, b, m);
  assert.ok(torch.autograd.gradgradcheck(masked, [input(2, 3, 4), input(5, 4).unsqueeze(0), mask]));
});

test("heads that are slices of a projection stay where they are, and so do their gradients", () => {
  const heads = (x: torch.Tensor): torch.Tensor => x.view(2, 5, 3, 4).transpose(1, 2);
  const projected = torch.randn([2, 5, 36], { requires_grad: true });
  const [q, k, v] = projected.split(12, -1).map(heads);
  const out = F.scaled_dot_product_attention(q, k, v);
  assert.deepEqual(out.stride(), [60, 4, 12, 1]);
  assert.ok(out.transpose(1, 2).is_contiguous());
  const [g] = torch.autograd.grad(out.sum(), [q]);
  assert.deepEqual(g.stride(), [60, 4, 12, 1]);
  assert.equal(out.grad_fn?.name(), "ScaledDotProductFlashAttentionForCpuBackward0");
});

test("deepcopy copies parameters, buffers, modules and hooks, and shares functions", () => {
  const net = new nn.Sequential(new nn.Linear(2, 3), new nn.BatchNorm1d(3));
  const shared = new nn.Linear(3, 3);
  net.append(shared);
  net.append(shared);
  net.eval();
  let calls = 0;
  net.register_forward_hook(() => {
    calls++;
  });
  const copy = nn.deepcopy(net);
  assert.ok(copy instanceof nn.Sequential && copy !== net);
  assert.equal(String(copy), String(net));
  assert.equal(copy.training, false);
  assert.equal(copy.at(2), copy.at(3));
  assert.notEqual(copy.at(2), shared);
  assert.deepEqual(Object.keys(copy.state_dict()), Object.keys(net.state_dict()));
  torch.no_grad(() => shared.weight.fill_(7));
  assert.notEqual((copy.at(2) as torch.nn.Linear).weight.at(0, 0).item(), 7);
  const x = torch.ones(1, 2);
  assert.ok(!torch.equal(copy(x), net(x)));
  assert.equal(calls, 2);
  const frozen = new nn.Linear(1, 1);
  frozen.weight.requires_grad_(false);
  assert.deepEqual(
    [...nn.deepcopy(frozen).parameters()].map((p) => p.requires_grad),
    [false, true],
  );
  assert.throws(() => nn.deepcopy(torch.ones(1) as unknown as torch.nn.Module), TypeError);
});

test("MultiheadAttention refuses what PyTorch refuses", () => {
  const x = torch.ones(3, 2, 6);
  const net = new nn.MultiheadAttention(6, 2);
  const call = (...args: unknown[]): unknown => (net as unknown as (...a: unknown[]) => unknown)(...args);
  assert.throws(() => new nn.MultiheadAttention(6, 4), {
    name: "AssertionError",
    message: "embed_dim must be divisible by num_heads",
  });
  assert.throws(() => new nn.MultiheadAttention(0, 4), {
    name: "ValueError",
    message: "embed_dim and num_heads must be greater than 0, got embed_dim=0 and num_heads=4 instead",
  });
  assert.throws(() => call(x, x, x, { is_causal: true }), {
    name: "RuntimeError",
    message: /Need attn_mask if specifying the is_causal hint/,
  });
  assert.throws(() => call(x, x, x, { attn_mask: torch.zeros(2, 3) }), {
    name: "RuntimeError",
    message: "The shape of the 2D attn_mask is torch.Size([2, 3]), but should be (3, 3).",
  });
  assert.throws(() => call(x, x, x, { attn_mask: torch.zeros([3, 3], { dtype: torch.int64 }) }), {
    name: "AssertionError",
    message: "only bool and floating types of attn_mask are supported",
  });
  assert.throws(() => call(x.unsqueeze(0), x, x), {
    name: "AssertionError",
    message: "query should be unbatched 2D or batched 3D tensor but received 4-D query tensor",
  });
  assert.throws(() => call(x, x, x, { key_padding_mask: torch.zeros(3) }), {
    name: "AssertionError",
    message: "For batched (3-D) `query`, expected `key_padding_mask` to be `None` or 2-D but found 1-D tensor instead",
  });
  assert.throws(() => call(x, torch.ones(4, 2, 6), x), {
    name: "AssertionError",
    message: "key shape torch.Size([4, 2, 6]) does not match value shape torch.Size([3, 2, 6])",
  });
  assert.throws(() => call(x, x, x, { key_padding_mask: torch.zeros(2, 4) }), {
    name: "AssertionError",
    message: "Expected key_padded_mask.shape[1] to be 3, but got 4",
  });
});

test("Transformer: masks, errors and custom parts", () => {
  const mask = nn.Transformer.generate_square_subsequent_mask(3);
  assert.deepEqual(mask.tolist(), [
    [0, -1 / 0, -1 / 0],
    [0, 0, -1 / 0],
    [0, 0, 0],
  ]);
  assert.equal(nn.Transformer.generate_square_subsequent_mask(2, { dtype: torch.float64 }).dtype, torch.float64);
  const options = {
    d_model: 4,
    nhead: 2,
    num_encoder_layers: 1,
    num_decoder_layers: 1,
    dim_feedforward: 4,
    dropout: 0,
  };
  const net = new nn.Transformer(options);
  assert.throws(() => net(torch.ones(2, 1, 4), torch.ones(2, 3, 4)), /the batch number of src and tgt must be equal/);
  assert.throws(
    () => net(torch.ones(2, 1, 5), torch.ones(2, 1, 5)),
    /the feature number of src and tgt must be equal to d_model/,
  );
  assert.throws(
    () => new nn.TransformerEncoderLayer(4, 2, { activation: "tanh" as "relu" }),
    /activation should be relu\/gelu, not tanh/,
  );
  // A bool mask means the same as the float one.
  const x = torch.randn(3, 2, 4);
  net.eval();
  const triangle = torch.ones([3, 3], { dtype: torch.bool }).triu(1);
  assert.ok(torch.allclose(net(x, x, { tgt_mask: triangle }), net(x, x, { tgt_mask: mask })));
  const custom = new nn.Transformer({ ...options, custom_encoder: net.encoder as torch.nn.Module });
  assert.equal(custom.encoder, net.encoder);
});

// Behind a causal mask rows are taken in blocks; a given mask of the same meaning is not looked into.
for (const length of [64, 71, 128, 300]) {
  test(`causal attention over ${length} places is attention with a causal mask`, () => {
    torch.manual_seed(length);
    const mask = torch.ones(length, length, { dtype: torch.bool }).tril();
    const together = torch.randn(2, length, 3, 8, { dtype: torch.float64 });
    const inputs = [together, torch.randn(2, 3, length, 8, { dtype: torch.float64 }).transpose(1, 2), together.neg()];
    const weight = torch.randn(2, 3, length, 8, { dtype: torch.float64 });
    const results = [{ is_causal: true }, { attn_mask: mask }].map((options) => {
      const [q, k, v] = inputs.map((x) => x.clone().requires_grad_());
      const heads = [q, k, v].map((x) => x.transpose(1, 2));
      const out = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], options);
      const first = torch.autograd.grad(out.mul(weight).sum(), [q, k, v], { create_graph: true });
      const norm = first.map((g) => g.square().sum()).reduce((a, b) => a.add(b));
      return [out, ...first, ...torch.autograd.grad(norm, [q, k, v])];
    });
    results[0].forEach((value, i) => {
      assert.ok(torch.allclose(value, results[1][i], 1e-9, 1e-11), `result ${i}`);
    });
  });
}

test("what comes after a place does not reach it, whatever it is", () => {
  const q = torch.randn(1, 2, 80, 16);
  const k = torch.randn(1, 2, 80, 16);
  const v = torch.randn(1, 2, 80, 16);
  const before = F.scaled_dot_product_attention(q, k, v, { is_causal: true });
  // The last block: PyTorch, too, multiplies what is masked within a block by 0.
  k.narrow(2, 64, 16).fill_(Number.POSITIVE_INFINITY);
  v.narrow(2, 64, 16).fill_(Number.NaN);
  const after = F.scaled_dot_product_attention(q, k, v, { is_causal: true });
  assert.ok(torch.equal(before.narrow(2, 0, 64), after.narrow(2, 0, 64)));
});

test("causal attention in float32 stays right when its kernels are optimized", () => {
  const [q, k, v] = [0, 1, 2].map(() => torch.randn(4, 2, 128, 16));
  const exact = F.scaled_dot_product_attention(q.double(), k.double(), v.double(), { is_causal: true });
  for (let i = 0; i < 100; i++) {
    const out = F.scaled_dot_product_attention(q, k, v, { is_causal: true });
    assert.ok(torch.allclose(out.double(), exact, 1e-4, 1e-5), `call ${i}`);
  }
});
