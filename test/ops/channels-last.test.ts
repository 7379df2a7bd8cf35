/** Memory formats: the strides that PyTorch 2.14 gives, and the same values as in row-major order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RuntimeError } from "../../src/errors.ts";
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";
import * as nn from "../../src/nn/index.ts";

type T = torch.Tensor;
const memory_format = torch.channels_last;
const values = (...sizes: number[]): T => {
  const count = sizes.reduce((a, b) => a * b, 1);
  return torch.arange(count).mul(0.37).sin().view(sizes);
};
const x = values(2, 3, 6, 5);
const last = x.to({ memory_format });
const strides = (t: T): readonly number[] => t.stride() as readonly number[];

test("to, contiguous, is_contiguous, clone, empty, like", () => {
  assert.deepEqual(strides(last), [90, 1, 15, 3]);
  assert.ok(torch.equal(last, x));
  assert.equal(last.to({ memory_format }), last);
  assert.equal(last.contiguous({ memory_format }), last);
  assert.deepEqual(
    [last.is_contiguous(), last.is_contiguous({ memory_format }), x.is_contiguous({ memory_format })],
    [false, true, false],
  );
  assert.deepEqual(strides(last.contiguous()), [90, 30, 5, 1]);
  assert.deepEqual(strides(last.to({ memory_format: torch.contiguous_format })), [90, 30, 5, 1]);
  // sizes; strides by to, contiguous, empty and clone; is_contiguous in both formats.
  const table: [number[], number[], number[], boolean, boolean][] = [
    [[1, 3, 6, 5], [90, 1, 15, 3], [90, 1, 15, 3], false, false],
    [[2, 1, 6, 5], [30, 1, 5, 1], [30, 30, 5, 1], true, true],
    [[2, 3, 1, 1], [3, 1, 3, 3], [3, 1, 1, 1], true, true],
    [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], true, true],
    [[2, 3, 1, 5], [15, 1, 15, 3], [15, 1, 15, 3], false, false],
    [[0, 3, 4, 4], [48, 1, 12, 3], [48, 1, 12, 3], false, true],
  ];
  for (const [sizes, moved, contiguous, isLast, stays] of table) {
    const a = torch.empty(sizes);
    assert.deepEqual(strides(a.to({ memory_format })), moved, `to ${sizes}`);
    assert.deepEqual(strides(a.contiguous({ memory_format })), contiguous, `contiguous ${sizes}`);
    assert.deepEqual(strides(torch.empty(sizes, { memory_format })), moved, `empty ${sizes}`);
    assert.deepEqual(strides(a.clone({ memory_format })), moved, `clone ${sizes}`);
    assert.equal(a.is_contiguous({ memory_format }), isLast, `is_contiguous ${sizes}`);
    assert.equal(a.to({ memory_format }).is_contiguous(), stays, `to ${sizes}`);
  }
  for (const t of [torch.empty_like(last), torch.zeros_like(last), last.clone(), last.double()])
    assert.deepEqual(strides(t), [90, 1, 15, 3]);
  assert.deepEqual(strides(torch.empty_like(last, { memory_format: torch.contiguous_format })), [90, 30, 5, 1]);
  assert.deepEqual(strides(torch.empty_like(x, { memory_format })), [90, 1, 15, 3]);
  assert.deepEqual(strides(torch.ones_like(x, { memory_format })), [90, 1, 15, 3]);
  const volume = values(2, 3, 4, 5, 6).to({ memory_format: torch.channels_last_3d });
  assert.deepEqual(strides(volume), [360, 1, 90, 18, 3]);
  assert.ok(volume.is_contiguous({ memory_format: torch.channels_last_3d }));
});

test("errors", () => {
  const refuses = (body: () => unknown, message: RegExp): void =>
    assert.throws(body, (e) => e instanceof RuntimeError && message.test(e.message));
  refuses(() => torch.randn(2, 3).to({ memory_format }), /required rank 4 tensor to use channels_last format/);
  refuses(() => torch.randn(2, 3, 4).contiguous({ memory_format }), /required rank 4 tensor/);
  refuses(
    () => x.to({ memory_format: torch.channels_last_3d }),
    /required rank 5 tensor to use channels_last_3d format/,
  );
  refuses(() => torch.empty(2, 3, { memory_format }), /required rank 4 tensor/);
  refuses(() => torch.empty(2, { memory_format: torch.preserve_format }), /unsupported memory format Preserve/);
  assert.equal(torch.randn(2, 3, 4).is_contiguous({ memory_format }), false);
  assert.equal(x.contiguous({ memory_format: torch.preserve_format }), x);
});

/** What an op gives for the images with their channels last: PyTorch's strides, and the values of the others. */
const ops: [string, (t: T) => T, number[]][] = [
  ["relu", (t) => t.relu(), [90, 1, 15, 3]],
  ["add", (t) => t.add(t), [90, 1, 15, 3]],
  ["add row-major", (t) => t.add(x), [90, 1, 15, 3]],
  ["add to row-major", (t) => x.add(t), [90, 30, 5, 1]],
  ["add a column", (t) => t.add(values(3, 1, 1)), [90, 1, 15, 3]],
  ["where", (t) => torch.where(t.gt(0), t, t), [90, 1, 15, 3]],
  ["prelu", (t) => F.prelu(t, torch.ones(3)), [90, 1, 15, 3]],
  ["gelu", (t) => F.gelu(t), [90, 1, 15, 3]],
  ["max_pool2d", (t) => F.max_pool2d(t, 2), [18, 1, 6, 3]],
  ["avg_pool2d", (t) => F.avg_pool2d(t, 2), [18, 1, 6, 3]],
  ["adaptive_avg_pool2d", (t) => F.adaptive_avg_pool2d(t, 2), [12, 1, 6, 3]],
  ["adaptive_max_pool2d", (t) => F.adaptive_max_pool2d(t, 2), [12, 1, 6, 3]],
  ["adaptive_avg_pool2d to 1", (t) => F.adaptive_avg_pool2d(t, 1), [3, 1, 3, 3]],
  ["batch_norm", (t) => new nn.BatchNorm2d(3)(t), [90, 1, 15, 3]],
  ["batch_norm, eval", (t) => new nn.BatchNorm2d(3).eval()(t), [90, 1, 15, 3]],
  ["group_norm", (t) => F.group_norm(t, 3), [90, 1, 15, 3]],
  ["instance_norm", (t) => F.instance_norm(t), [90, 30, 5, 1]],
  ["layer_norm", (t) => F.layer_norm(t, [5]), [90, 30, 5, 1]],
  ["softmax", (t) => t.softmax(1), [90, 30, 5, 1]],
  ["cumsum", (t) => t.cumsum(1), [90, 30, 5, 1]],
  ["flip", (t) => t.flip(2), [90, 1, 15, 3]],
  ["interpolate", (t) => F.interpolate(t, { scale_factor: 2 }), [360, 1, 30, 3]],
  ["interpolate, bilinear", (t) => F.interpolate(t, { scale_factor: 2, mode: "bilinear" }), [360, 1, 30, 3]],
  ["cat", (t) => torch.cat([t, t], 1), [180, 1, 30, 6]],
  ["pad", (t) => F.pad(t, [1, 1]), [126, 1, 21, 3]],
  ["mean", (t) => t.mean([2, 3], { keepdim: true }), [3, 1, 1, 1]],
  ["sum", (t) => t.sum(3), [18, 6, 1]],
];
for (const [name, op, expected] of ops) {
  test(name, () => {
    const y = op(last);
    assert.deepEqual(strides(y), expected);
    assert.ok(torch.allclose(y, op(x), { rtol: 1e-5, atol: 1e-6 }));
  });
}

test("dropout and max_pool2d's indices", () => {
  assert.deepEqual(strides(F.dropout(last, 0.5)), [90, 1, 15, 3]);
  const [, indices] = F.max_pool2d(last, 2, { return_indices: true }) as unknown as [T, T];
  assert.deepEqual(strides(indices), [18, 1, 6, 3]);
});

/** Strides of dimensions of size 1 do not count. */
const sameLayout = (a: T, b: T): boolean =>
  a.shape.every((size, d) => size === b.shape[d] && (size === 1 || a.stride(d) === b.stride(d)));

const convolutions: [string, (t: T, w: T) => T, number[], number[]][] = [
  ["3 × 3", (t, w) => F.conv2d(t, w, null, { padding: 1 }), [4, 3, 3, 3], [120, 1, 20, 4]],
  ["3 × 3, stride 2", (t, w) => F.conv2d(t, w, null, { padding: 1, stride: 2 }), [4, 3, 3, 3], [36, 1, 12, 4]],
  ["1 × 1", (t, w) => F.conv2d(t, w), [4, 3, 1, 1], [120, 1, 20, 4]],
  ["dilated", (t, w) => F.conv2d(t, w, null, { dilation: 2 }), [4, 3, 3, 3], [8, 1, 4, 4]],
  ["depthwise", (t, w) => F.conv2d(t, w, null, { groups: 3 }), [6, 1, 3, 3], [72, 1, 18, 6]],
  ["transposed", (t, w) => F.conv_transpose2d(t, w), [3, 4, 3, 3], [224, 1, 28, 4]],
];
for (const [name, convolve, sizes, expected] of convolutions) {
  test(`convolution, ${name}`, () => {
    const run = (input: T, weight: T): T[] => {
      const [a, b] = [input.detach().requires_grad_(), weight.detach().requires_grad_()];
      const y = convolve(a, b);
      y.mul(y).sum().backward();
      return [y, a.grad as T, b.grad as T];
    };
    const w = values(...sizes);
    const plain = run(x, w);
    for (const [input, weight] of [
      [last, w],
      [x, w.to({ memory_format })],
      [last, w.to({ memory_format })],
    ] as [T, T][]) {
      const results = run(input, weight);
      assert.deepEqual(strides(results[0]), expected);
      assert.ok(sameLayout(results[1], input) && sameLayout(results[2], weight));
      for (const [i, t] of results.entries())
        assert.ok(torch.allclose(t, plain[i], { rtol: 1e-4, atol: 1e-4 }), `${i}`);
    }
  });
}

test("Winograd, channels last", () => {
  const [a, w] = [torch.randn(2, 32, 12, 11), torch.randn(40, 32, 3, 3)];
  const y = F.conv2d(a.to({ memory_format }), w, null, { padding: 1 });
  assert.ok(y.is_contiguous({ memory_format }));
  assert.ok(torch.allclose(y, F.conv2d(a, w, null, { padding: 1 }), { rtol: 1e-5, atol: 1e-5 }));
});

test("volumes", () => {
  const volume = values(2, 3, 4, 5, 6).to({ memory_format: torch.channels_last_3d });
  assert.deepEqual(strides(F.conv3d(volume, values(4, 3, 3, 3, 3))), [96, 1, 48, 16, 4]);
  assert.deepEqual(strides(F.max_pool3d(volume, 2)), [36, 1, 18, 9, 3]);
  assert.deepEqual(strides(F.avg_pool3d(volume, 2)), [36, 12, 6, 3, 1]);
  assert.deepEqual(strides(F.adaptive_avg_pool3d(volume, 2)), [24, 8, 4, 2, 1]);
  assert.deepEqual(strides(new nn.BatchNorm3d(3)(volume)), [360, 1, 90, 18, 3]);
});

test("modules", () => {
  const net = new nn.Conv2d(3, 4, 3).to({ memory_format });
  assert.deepEqual([strides(net.weight), strides(net.bias as T)], [[27, 1, 9, 3], [1]]);
  assert.deepEqual(strides(net(x)), [48, 1, 12, 4]);
  const linear = new nn.Linear(2, 2).to({ memory_format });
  assert.deepEqual(strides(linear.weight), [2, 1]);
});
