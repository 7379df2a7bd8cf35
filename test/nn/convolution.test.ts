/** Convolutions against their definition, their gradients against each other, and both against finite differences. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";

const float64 = { dtype: torch.float64 };

interface Case {
  readonly x: number[];
  readonly w: number[];
  readonly stride: [number, number];
  readonly padding: [number, number];
  readonly dilation: [number, number];
  readonly groups: number;
}

const cases: Case[] = [
  { x: [2, 3, 7, 6], w: [4, 3, 3, 2], stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 },
  { x: [1, 4, 9, 8], w: [6, 2, 3, 3], stride: [2, 3], padding: [1, 2], dilation: [1, 1], groups: 2 },
  { x: [2, 2, 11, 10], w: [2, 1, 2, 3], stride: [3, 1], padding: [2, 0], dilation: [2, 3], groups: 2 },
  { x: [2, 2, 5, 5], w: [3, 2, 1, 1], stride: [4, 2], padding: [0, 1], dilation: [1, 1], groups: 1 },
  { x: [1, 1, 13, 9], w: [1, 1, 3, 2], stride: [4, 2], padding: [1, 1], dilation: [3, 2], groups: 1 },
  // Small images and many output channels: the gradient of the input is summed over rows of the weight.
  { x: [2, 3, 14, 13], w: [9, 3, 5, 4], stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 },
  { x: [3, 2, 13, 11], w: [8, 2, 3, 3], stride: [1, 1], padding: [0, 0], dilation: [2, 2], groups: 1 },
];

const numbers = (t: torch.Tensor): number[] => Array.from(t.contiguous().typed_array() as Float64Array);

/** The definition, element by element. */
function definition(x: torch.Tensor, w: torch.Tensor, c: Case): { sizes: number[]; values: number[] } {
  const [n, , h, width] = c.x;
  const [outs, channels, kh, kw] = c.w;
  const oh = Math.floor((h + 2 * c.padding[0] - c.dilation[0] * (kh - 1) - 1) / c.stride[0]) + 1;
  const ow = Math.floor((width + 2 * c.padding[1] - c.dilation[1] * (kw - 1) - 1) / c.stride[1]) + 1;
  const [xs, ws] = [numbers(x), numbers(w)];
  const values: number[] = [];
  for (let b = 0; b < n; b++)
    for (let o = 0; o < outs; o++)
      for (let i = 0; i < oh; i++)
        for (let j = 0; j < ow; j++) {
          let sum = 0;
          const first = Math.floor(o / (outs / c.groups)) * channels;
          for (let k = 0; k < channels; k++)
            for (let p = 0; p < kh; p++)
              for (let q = 0; q < kw; q++) {
                const y = i * c.stride[0] - c.padding[0] + p * c.dilation[0];
                const z = j * c.stride[1] - c.padding[1] + q * c.dilation[1];
                if (y < 0 || z < 0 || y >= h || z >= width) continue;
                sum += xs[((b * c.x[1] + first + k) * h + y) * width + z] * ws[((o * channels + k) * kh + p) * kw + q];
              }
          values.push(sum);
        }
  return { sizes: [n, outs, oh, ow], values };
}

function assertClose(got: readonly number[], wanted: readonly number[]): void {
  assert.equal(got.length, wanted.length);
  got.forEach((v, i) => {
    assert.ok(Math.abs(v - wanted[i]) <= 1e-10 * (1 + Math.abs(wanted[i])), `element ${i}: ${v} and ${wanted[i]}`);
  });
}

test("conv2d follows its definition", () => {
  torch.manual_seed(1);
  for (const c of cases) {
    const x = torch.randn(c.x, float64);
    const w = torch.randn(c.w, float64);
    const bias = torch.randn([c.w[0]], float64);
    const { stride, padding, dilation, groups } = c;
    const y = F.conv2d(x, w, bias, { stride, padding, dilation, groups });
    const wanted = definition(x, w, c);
    assert.deepEqual([...y.shape], wanted.sizes);
    assertClose(numbers(y.sub(bias.view(1, -1, 1, 1))), wanted.values);
    // The same through strides: a transposed copy of the same values.
    const turned = x.transpose(2, 3).contiguous().transpose(2, 3);
    assertClose(numbers(F.conv2d(turned, w, bias, { stride, padding, dilation, groups })), numbers(y));
  }
});

test("gradients of convolutions are the adjoint maps, also the second time", () => {
  torch.manual_seed(2);
  for (const c of cases) {
    const options = { stride: c.stride, padding: c.padding, dilation: c.dilation, groups: c.groups };
    const x = torch.randn(c.x, float64).requires_grad_();
    const w = torch.randn(c.w, float64).requires_grad_();
    const y = F.conv2d(x, w, null, options);
    const g = torch.randn(y.shape, float64).requires_grad_();
    const [dx, dw] = torch.autograd.grad([y], [x, w], { grad_outputs: [g], create_graph: true });
    // Bilinear: ⟨g, conv(x, w)⟩ is the same number from every side.
    const value = Number(y.mul(g).sum().item());
    for (const side of [dx.mul(x).sum(), dw.mul(w).sum()]) {
      assert.ok(Math.abs(Number(side.item()) - value) < 1e-9 * (1 + Math.abs(value)));
    }
    const v = torch.randn(c.x, float64);
    const [gg, gw] = torch.autograd.grad([dx], [g, w], { grad_outputs: [v] });
    const again = Number(dx.mul(v).sum().item());
    for (const side of [gg.mul(g).sum(), gw.mul(w).sum()]) {
      assert.ok(Math.abs(Number(side.item()) - again) < 1e-9 * (1 + Math.abs(again)));
    }
  }
});

test("conv_transpose2d is the gradient of conv2d", () => {
  torch.manual_seed(3);
  for (const c of cases) {
    const { stride, padding, dilation, groups } = c;
    const w = torch.randn(c.w, float64);
    const x = torch.randn(c.x, float64).requires_grad_();
    const y = F.conv2d(x, w, null, { stride, padding, dilation, groups });
    const g = torch.randn(y.shape, float64);
    const [dx] = torch.autograd.grad([y], [x], { grad_outputs: [g] });
    const output_padding = [2, 3].map((d, i) => {
      const least = (y.shape[d] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (c.w[d] - 1) + 1;
      return c.x[d] - least;
    });
    assertClose(
      numbers(F.conv_transpose2d(g, w, null, { stride, padding, output_padding, dilation, groups })),
      numbers(dx),
    );
  }
});

test("max pooling: first of equal elements, NaN, indices and the way back", () => {
  const nan = Number.NaN;
  const x = torch.tensor(
    [
      [
        [1.5, 1.5, 3, nan],
        [1.5, 0.5, 7, 2],
      ],
    ],
    { requires_grad: true },
  );
  const [y, at] = F.max_pool2d_with_indices(x, 2);
  assert.deepEqual(y.tolist(), [[[1.5, nan]]]);
  assert.deepEqual(at.tolist(), [[[0, 3]]]);
  y.sum().backward();
  assert.deepEqual(x.grad?.tolist(), [
    [
      [1, 0, 0, 1],
      [0, 0, 0, 0],
    ],
  ]);
  assert.equal(y.grad_fn?.name(), "MaxPool2DWithIndicesBackward0");
});

test("names of nodes are PyTorch's", () => {
  const x = torch.ones(2, 3, { requires_grad: true });
  const w = torch.ones(5, 3, { requires_grad: true });
  const b = torch.ones(5, { requires_grad: true });
  assert.equal(F.linear(x, w, b).grad_fn?.name(), "AddmmBackward0");
  assert.equal(F.linear(x, w).grad_fn?.name(), "MmBackward0");
  assert.equal(F.linear(x.view(1, 2, 3), w, b).grad_fn?.name(), "ViewBackward0");
  assert.equal(F.linear(x.view(1, 2, 3), w).grad_fn?.name(), "UnsafeViewBackward0");
  assert.equal(F.mse_loss(x, torch.zeros(2, 3)).grad_fn?.name(), "MseLossBackward0");
  assert.equal(F.cross_entropy(x, torch.tensor([0, 2])).grad_fn?.name(), "NllLossBackward0");
});

test("bad input is refused in PyTorch's words, and says why numbers are integers", () => {
  const x = torch.zeros(2, 3);
  assert.throws(() => F.cross_entropy(x, torch.tensor([0, 10])), {
    name: "IndexError",
    message: "Target 10 is out of bounds.",
  });
  assert.throws(() => F.cross_entropy(x, torch.tensor([0, -1])), { name: "IndexError" });
  assert.throws(() => F.nll_loss(x, torch.tensor([0.5, 1])), /expected target dtype to be Long or Byte, but got Float/);
  assert.throws(() => F.linear(torch.tensor([[1, 2, 3]]), torch.zeros(5, 3)), /made of whole numbers are int64/);
  assert.throws(
    () => F.conv2d(torch.zeros(1, 4, 5, 5), torch.zeros(2, 3, 3, 3)),
    /to have 3 channels, but got 4 channels instead/,
  );
  assert.throws(() => torch.mm(torch.zeros(2, 3), torch.zeros(2, 3)), /cannot be multiplied \(2x3 and 2x3\)/);
});
