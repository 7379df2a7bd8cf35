/** vision.ops; the numbers and texts are torchvision's. What is not here is tested as a part of models. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ValueError } from "../../src/errors.ts";
import * as torch from "../../src/index.ts";
import * as nn from "../../src/nn/index.ts";
import * as ops from "../../src/vision/ops/index.ts";

test("stochastic depth draws as torchvision does", () => {
  torch.manual_seed(0);
  const whole = ops.stochastic_depth(torch.ones(6, 2), 0.3, "batch");
  assert.ok(whole.eq(0).all().item());
  const rows = ops.stochastic_depth(torch.ones(6, 2), 0.3, "row");
  const kept = 1.4285714626312256;
  assert.deepEqual(
    rows.tolist(),
    [0, kept, 0, kept, 0, kept].map((v) => [v, v]),
  );
  assert.deepEqual(torch.rand(2).tolist(), [0.2938884496688843, 0.518521785736084]);

  const x = torch.ones(2);
  assert.equal(ops.stochastic_depth(x, 0.5, "row", false), x);
  assert.equal(String(new ops.StochasticDepth(0.2, "row")), "StochasticDepth(p=0.2, mode=row)");
  assert.throws(
    () => ops.stochastic_depth(x, 1.5, "row"),
    new ValueError("drop probability has to be between 0 and 1, but got 1.5"),
  );
  assert.throws(
    () => ops.stochastic_depth(x, 0.5, "x" as "row"),
    new ValueError("mode has to be either 'batch' or 'row', but got x"),
  );
});

test("FrozenBatchNorm2d is a trained batch norm whose tensors are constants", () => {
  torch.manual_seed(0);
  const trained = new nn.BatchNorm2d(3);
  trained(torch.randn(4, 3, 5, 5).mul(2).add(1));
  torch.no_grad(() => {
    trained.weight?.uniform_(0.5, 2);
    trained.bias?.normal_();
  });
  const frozen = new ops.FrozenBatchNorm2d(3);
  assert.equal(String(frozen), "FrozenBatchNorm2d(3, eps=1e-05)");
  assert.deepEqual([...frozen.parameters()], []);
  assert.deepEqual(Object.keys(frozen.state_dict()), ["weight", "bias", "running_mean", "running_var"]);
  // The state of the batch norm has num_batches_tracked too.
  frozen.load_state_dict(trained.state_dict());
  const x = torch.randn(2, 3, 4, 4).requires_grad_(true);
  const y = frozen(x);
  const expected = trained.eval()(x);
  assert.ok(torch.allclose(y, expected, 1e-5, 1e-6));
  assert.equal(frozen.train()(x).sub(y).abs().max().item(), 0);
  y.sum().backward();
  assert.ok(x.grad !== null);
});

test("texts of blocks", () => {
  const mlp = new ops.MLP(4, [5, 3], { norm_layer: nn.LayerNorm, dropout: 0.1, inplace: true });
  assert.equal(
    String(mlp),
    `MLP(
  (0): Linear(in_features=4, out_features=5, bias=True)
  (1): LayerNorm((5,), eps=1e-05, elementwise_affine=True, bias=True)
  (2): ReLU(inplace=True)
  (3): Dropout(p=0.1, inplace=True)
  (4): Linear(in_features=5, out_features=3, bias=True)
  (5): Dropout(p=0.1, inplace=True)
)`,
  );
  const dilated = new ops.Conv2dNormActivation(3, 8, { kernel_size: [3, 5], stride: 2, dilation: 2, norm_layer: null });
  assert.equal(
    String(dilated),
    `Conv2dNormActivation(
  (0): Conv2d(3, 8, kernel_size=(3, 5), stride=(2, 2), padding=(2, 4), dilation=(2, 2))
  (1): ReLU(inplace=True)
)`,
  );
  assert.equal(
    String(new ops.Conv3dNormActivation(3, 8)),
    `Conv3dNormActivation(
  (0): Conv3d(3, 8, kernel_size=(3, 3, 3), stride=(1, 1, 1), padding=(1, 1, 1), bias=False)
  (1): BatchNorm3d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
  (2): ReLU(inplace=True)
)`,
  );
  assert.equal(String(new ops.Permute([0, 2, 1])), "Permute()");
  assert.deepEqual(new ops.Permute([0, 2, 1])(torch.ones(2, 3, 4)).shape, [2, 4, 3]);
});

test("squeeze and excitation from a seed", () => {
  torch.manual_seed(1);
  const block = new ops.SqueezeExcitation(4, 2);
  const y = block(torch.rand(1, 4, 2, 2)).detach();
  const expected = [
    0.2718141973018646, 0.18569506704807281, 0.22190679609775543, 0.3421846032142639, 0.4465319514274597,
    0.4318190813064575, 0.00628035981208086, 0.4531881809234619, 0.2773694396018982, 0.422451913356781,
    0.35990530252456665, 0.01926557905972004, 0.009755829349160194, 0.1026654988527298, 0.37247294187545776,
    0.16528862714767456,
  ];
  assert.ok(torch.allclose(y.flatten(), torch.tensor(expected), 1e-6, 1e-7));
});
