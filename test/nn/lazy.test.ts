/** Lazy layers become the ordinary ones, with the values that those would have had. Texts are PyTorch's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import type { Tensor } from "../../src/tensor.ts";

const { nn } = torch;

type Layer = torch.nn.Module & ((x: Tensor) => Tensor) & { has_uninitialized_params?: () => boolean };

const ramp = (...shape: number[]): Tensor =>
  torch
    .arange(shape.reduce((n, s) => n * s, 1))
    .float()
    .reshape(shape);

/** Lazy layer, ordinary layer, an input, and the text before. */
const pairs: [() => unknown, () => unknown, Tensor, string][] = [
  [
    () => new nn.LazyLinear(4),
    () => new nn.Linear(5, 4),
    ramp(3, 5),
    "LazyLinear(in_features=0, out_features=4, bias=True)",
  ],
  [
    () => new nn.LazyLinear(4, false),
    () => new nn.Linear(5, 4, false),
    ramp(3, 5),
    "LazyLinear(in_features=0, out_features=4, bias=False)",
  ],
  [
    () => new nn.LazyConv1d(4, 3),
    () => new nn.Conv1d(2, 4, 3),
    ramp(2, 8),
    "LazyConv1d(0, 4, kernel_size=(3,), stride=(1,))",
  ],
  [
    () => new nn.LazyConv2d(4, 3, { groups: 2 }),
    () => new nn.Conv2d(6, 4, 3, { groups: 2 }),
    ramp(2, 6, 4, 4),
    "LazyConv2d(0, 4, kernel_size=(3, 3), stride=(1, 1), groups=2)",
  ],
  [
    () => new nn.LazyConv3d(2, 2),
    () => new nn.Conv3d(3, 2, 2),
    ramp(1, 3, 3, 3, 3),
    "LazyConv3d(0, 2, kernel_size=(2, 2, 2), stride=(1, 1, 1))",
  ],
  [
    () => new nn.LazyConvTranspose1d(4, 3),
    () => new nn.ConvTranspose1d(3, 4, 3),
    ramp(3, 6),
    "LazyConvTranspose1d(0, 4, kernel_size=(3,), stride=(1,))",
  ],
  [
    () => new nn.LazyConvTranspose2d(4, 3, { bias: false }),
    () => new nn.ConvTranspose2d(3, 4, 3, { bias: false }),
    ramp(1, 3, 4, 4),
    "LazyConvTranspose2d(0, 4, kernel_size=(3, 3), stride=(1, 1), bias=False)",
  ],
  [
    () => new nn.LazyBatchNorm2d(),
    () => new nn.BatchNorm2d(3),
    ramp(2, 3, 4, 4),
    "LazyBatchNorm2d(0, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
  ],
  [
    () => new nn.LazyInstanceNorm1d(1e-5, 0.1, true, true),
    () => new nn.InstanceNorm1d(3, 1e-5, 0.1, true, true),
    ramp(2, 3, 4),
    "LazyInstanceNorm1d(0, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
  ],
];

for (const [lazy, ordinary, x, text] of pairs) {
  test(text, () => {
    torch.manual_seed(5);
    const a = lazy() as Layer;
    assert.equal(String(a), text);
    assert.equal(a.has_uninitialized_params?.(), true);
    const parameters = [...a.parameters()];
    const y = a(x);
    torch.manual_seed(5);
    const b = ordinary() as Layer;
    assert.ok(torch.equal(y, b(x)));
    assert.equal(String(a), String(b));
    assert.equal(a.constructor, b.constructor);
    // An optimizer that has the parameters keeps them.
    assert.deepEqual([...a.parameters()], parameters);
    for (const p of a.parameters()) assert.equal(p.constructor, nn.Parameter);
    const state = Object.entries(b.state_dict());
    assert.deepEqual(
      Object.keys(a.state_dict()),
      state.map(([key]) => key),
    );
    for (const [key, value] of state) assert.ok(torch.equal(a.state_dict()[key] as Tensor, value as Tensor), key);
  });
}

test("a loaded state gives the shapes", () => {
  const source = new nn.Linear(7, 4);
  const layer = new nn.LazyLinear(4);
  layer.load_state_dict(source.state_dict());
  assert.equal(layer.has_uninitialized_params(), false);
  const x = torch.ones(2, 7);
  assert.ok(torch.equal(layer(x), source(x)));
  assert.equal(String(layer), "Linear(in_features=7, out_features=4, bias=True)");
});

test("what is not known yet", () => {
  const layer = new nn.LazyLinear(4);
  assert.throws(() => layer.weight.shape, /Can't access the shape of an uninitialized parameter or buffer/);
  assert.throws(
    () => new nn.LazyConv2d(4, 3)(torch.ones(2, 3)),
    /Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d, but got input of size: torch.Size\(\[2, 3\]\)/,
  );
});

test("a dtype set before the first call", () => {
  const norm = new nn.LazyBatchNorm1d().double();
  norm(torch.ones([3, 2], { dtype: torch.float64 }));
  assert.equal(norm.running_mean?.dtype, torch.float64);
  assert.equal(norm.weight?.dtype, torch.float64);
});

test("SyncBatchNorm takes the place of batch norms", () => {
  const net = new nn.Sequential(
    new nn.Conv2d(1, 2, 1),
    new nn.BatchNorm2d(2),
    new nn.Sequential(new nn.BatchNorm2d(2)),
  );
  const x = ramp(2, 1, 3, 3);
  net(x);
  const expected = net.eval()(x);
  const converted = nn.SyncBatchNorm.convert_sync_batchnorm(net) as typeof net;
  assert.match(String(converted), /\(1\): SyncBatchNorm\(2, .*\(0\): SyncBatchNorm\(2, /s);
  assert.ok(torch.equal(converted(x), expected));
});
