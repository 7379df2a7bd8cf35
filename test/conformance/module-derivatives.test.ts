/**
 * First, second and forward-mode derivatives of layers and losses by their inputs and parameters against finite differences, in
 * float64: some by default, all with LONG_TESTS=1.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import type { Module } from "../../src/nn/module.ts";
import type { Tensor } from "../../src/tensor.ts";

const { nn } = torch;
const { gradcheck, gradgradcheck } = torch.autograd;
const f64 = { dtype: torch.float64 };
torch.manual_seed(0);
const random = (...sizes: number[]): Tensor => torch.randn(sizes, { ...f64, requires_grad: true });
const whole = (...values: number[]): Tensor => torch.tensor(values);
const chances = (...sizes: number[]): Tensor => torch.rand(sizes, f64);
const signs = (...values: number[][]): Tensor => torch.tensor(values, f64);

type Case = [make: () => Module, ...inputs: Tensor[]];
const elementwise = [
  nn.ReLU,
  nn.ReLU6,
  nn.ELU,
  nn.CELU,
  nn.SELU,
  nn.GELU,
  nn.SiLU,
  nn.Mish,
  nn.Softplus,
  nn.Softsign,
  nn.Softshrink,
  nn.Hardshrink,
  nn.Hardtanh,
  nn.Hardsigmoid,
  nn.Hardswish,
  nn.LogSigmoid,
  nn.Tanhshrink,
  nn.PReLU,
  nn.LeakyReLU,
  nn.Sigmoid,
  nn.Tanh,
  nn.GLU,
  nn.Flatten,
  nn.Identity,
] as unknown as (new () => Module)[];

const cases: Record<string, Case> = {
  Linear: [() => new nn.Linear(3, 2), random(2, 3)],
  Bilinear: [() => new nn.Bilinear(2, 3, 2), random(2, 2), random(2, 3)],
  Conv1d: [() => new nn.Conv1d(2, 2, 2, { padding: 1 }), random(1, 2, 4)],
  Conv2d: [() => new nn.Conv2d(2, 2, 2, { stride: 2, groups: 2 }), random(1, 2, 4, 4)],
  "Conv2d, reflecting": [() => new nn.Conv2d(1, 2, 3, { padding: 1, padding_mode: "reflect" }), random(1, 1, 3, 3)],
  Conv3d: [() => new nn.Conv3d(1, 2, 2), random(1, 1, 2, 3, 2)],
  ConvTranspose1d: [() => new nn.ConvTranspose1d(2, 1, 2, { stride: 2 }), random(1, 2, 3)],
  ConvTranspose2d: [() => new nn.ConvTranspose2d(2, 1, 2, { dilation: 2 }), random(1, 2, 2, 2)],
  ConvTranspose3d: [() => new nn.ConvTranspose3d(1, 1, 2), random(1, 1, 2, 1, 2)],
  BatchNorm1d: [() => new nn.BatchNorm1d(2), random(3, 2)],
  "BatchNorm1d, evaluating": [() => new nn.BatchNorm1d(2).eval(), random(3, 2)],
  BatchNorm2d: [() => new nn.BatchNorm2d(2), random(2, 2, 2, 2)],
  BatchNorm3d: [() => new nn.BatchNorm3d(1), random(2, 1, 2, 1, 2)],
  InstanceNorm2d: [() => new nn.InstanceNorm2d(2, { affine: true }), random(1, 2, 2, 3)],
  LayerNorm: [() => new nn.LayerNorm(3), random(2, 3)],
  RMSNorm: [() => new nn.RMSNorm(3), random(2, 3)],
  GroupNorm: [() => new nn.GroupNorm(2, 4), random(2, 4, 2)],
  LocalResponseNorm: [() => new nn.LocalResponseNorm(2), random(1, 3, 2)],
  CrossMapLRN2d: [() => new nn.CrossMapLRN2d(2), random(1, 3, 2, 2)],
  Embedding: [() => new nn.Embedding(4, 2), whole(0, 2, 2)],
  EmbeddingBag: [() => new nn.EmbeddingBag(4, 2), whole(0, 2, 2, 1), whole(0, 2)],
  RNN: [() => new nn.RNN(2, 2, { num_layers: 2 }), random(3, 1, 2)],
  "RNN, both ways": [() => new nn.RNN(2, 2, { bidirectional: true, nonlinearity: "relu" }), random(2, 1, 2)],
  LSTM: [() => new nn.LSTM(2, 2), random(2, 1, 2)],
  "LSTM with projections": [() => new nn.LSTM(2, 3, { proj_size: 2 }), random(2, 1, 2)],
  GRU: [() => new nn.GRU(2, 2, { bidirectional: true }), random(2, 1, 2)],
  RNNCell: [() => new nn.RNNCell(2, 2), random(1, 2)],
  LSTMCell: [() => new nn.LSTMCell(2, 2), random(1, 2)],
  GRUCell: [() => new nn.GRUCell(2, 2), random(1, 2)],
  MultiheadAttention: [() => new nn.MultiheadAttention(4, 2), random(2, 1, 4), random(3, 1, 4), random(3, 1, 4)],
  TransformerEncoderLayer: [() => new nn.TransformerEncoderLayer(4, 2, 3, { dropout: 0 }), random(2, 1, 4)],
  TransformerDecoderLayer: [
    () => new nn.TransformerDecoderLayer(4, 2, 3, { dropout: 0, activation: "gelu" }),
    random(2, 1, 4),
    random(2, 1, 4),
  ],
  Transformer: [() => new nn.Transformer(4, 2, 1, 1, 3, { dropout: 0 }), random(2, 1, 4), random(2, 1, 4)],
  Softmax: [() => new nn.Softmax(1), random(2, 3)],
  LogSoftmax: [() => new nn.LogSoftmax(0), random(2, 3)],
  Softmin: [() => new nn.Softmin(1), random(2, 3)],
  Softmax2d: [() => new nn.Softmax2d(), random(1, 3, 2, 1)],
  AdaptiveLogSoftmaxWithLoss: [() => new nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2, 4]), random(3, 4), whole(0, 3, 5)],
  MaxPool2d: [() => new nn.MaxPool2d(2), random(1, 1, 4, 4)],
  AvgPool2d: [() => new nn.AvgPool2d(2), random(1, 1, 4, 4)],
  LPPool2d: [() => new nn.LPPool2d(2, 2), random(1, 1, 4, 4)],
  AdaptiveAvgPool2d: [() => new nn.AdaptiveAvgPool2d(2), random(1, 1, 3, 4)],
  AdaptiveMaxPool2d: [() => new nn.AdaptiveMaxPool2d(2), random(1, 1, 3, 4)],
  Upsample: [() => new nn.Upsample({ scale_factor: 2, mode: "bicubic" }), random(1, 1, 2, 3)],
  PixelShuffle: [() => new nn.PixelShuffle(2), random(1, 4, 2, 1)],
  ReflectionPad2d: [() => new nn.ReflectionPad2d(1), random(1, 1, 2, 3)],
  ReplicationPad1d: [() => new nn.ReplicationPad1d(2), random(1, 1, 3)],
  CircularPad2d: [() => new nn.CircularPad2d(1), random(1, 1, 2, 2)],
  ZeroPad2d: [() => new nn.ZeroPad2d(1), random(1, 1, 2, 2)],
  Unfold: [() => new nn.Unfold(2), random(1, 1, 3, 3)],
  Fold: [() => new nn.Fold([3, 3], 2), random(1, 4, 4)],
  CosineSimilarity: [() => new nn.CosineSimilarity(), random(2, 3), random(2, 3)],
  PairwiseDistance: [() => new nn.PairwiseDistance(), random(2, 3), random(2, 3)],
  MSELoss: [() => new nn.MSELoss(), random(2, 3), random(2, 3)],
  L1Loss: [() => new nn.L1Loss(), random(2, 3), random(2, 3)],
  SmoothL1Loss: [() => new nn.SmoothL1Loss(), random(2, 3), random(2, 3)],
  HuberLoss: [() => new nn.HuberLoss(), random(2, 3), random(2, 3)],
  CrossEntropyLoss: [() => new nn.CrossEntropyLoss({ label_smoothing: 0.1 }), random(2, 3), whole(0, 2)],
  NLLLoss: [() => new nn.NLLLoss(), random(2, 3), whole(0, 2)],
  KLDivLoss: [() => new nn.KLDivLoss({ log_target: true, reduction: "batchmean" }), random(2, 3), random(2, 3)],
  BCEWithLogitsLoss: [() => new nn.BCEWithLogitsLoss(), random(2, 3), chances(2, 3)],
  SoftMarginLoss: [() => new nn.SoftMarginLoss(), random(2, 2), signs([1, -1], [-1, 1])],
  MultiMarginLoss: [() => new nn.MultiMarginLoss(), random(2, 3), whole(0, 2)],
  MultiLabelSoftMarginLoss: [() => new nn.MultiLabelSoftMarginLoss(), random(2, 3), chances(2, 3).round()],
  TripletMarginLoss: [() => new nn.TripletMarginLoss(), random(2, 3), random(2, 3), random(2, 3)],
  CosineEmbeddingLoss: [() => new nn.CosineEmbeddingLoss(), random(2, 3), random(2, 3), whole(1, -1)],
  HingeEmbeddingLoss: [() => new nn.HingeEmbeddingLoss(), random(2, 2), signs([1, -1], [-1, 1])],
  PoissonNLLLoss: [() => new nn.PoissonNLLLoss(), random(2, 3), chances(2, 3)],
  GaussianNLLLoss: [
    () => new nn.GaussianNLLLoss(),
    random(2, 3),
    random(2, 3),
    chances(2, 3).add(0.5).requires_grad_(),
  ],
  MarginRankingLoss: [() => new nn.MarginRankingLoss(), random(3), random(3), whole(1, -1, 1)],
};
for (const layer of elementwise) cases[layer.name] = [() => new layer(), random(2, 4)];

/** Tensors in a result of any kind. */
function tensorsOf(result: unknown): Tensor[] {
  if (torch.is_tensor(result)) return result.is_floating_point() ? [result] : [];
  return Array.isArray(result) ? result.flatMap(tensorsOf) : [];
}

function problem(make: () => Module, inputs: readonly Tensor[]): [(...all: Tensor[]) => Tensor[], Tensor[]] {
  torch.manual_seed(1);
  const layer = make().double();
  const named = [...layer.named_parameters()];
  const leaves = [...inputs, ...named.map(([, p]) => p)].map((t) => t.detach().clone().requires_grad_(t.requires_grad));
  const call = (...all: Tensor[]): Tensor[] => {
    const parameters = Object.fromEntries(named.map(([name], i) => [name, all[inputs.length + i]]));
    return tensorsOf(torch.func.functional_call(layer, parameters, all.slice(0, inputs.length)));
  };
  return [call, leaves];
}

const long = process.env.LONG_TESTS === "1";
// By default in fast mode, and second derivatives of every third case.
for (const [number, [name, [make, ...inputs]]] of Object.entries(cases).entries()) {
  test(`derivatives of ${name}`, () => {
    const fast_mode = !long;
    const [call, leaves] = problem(make, inputs);
    assert.ok(gradcheck(call, leaves, { fast_mode, check_forward_ad: long || number % 3 === 0 }));
    if (long || number % 3 === 1) assert.ok(gradgradcheck(call, leaves, null, { fast_mode, atol: 1e-4 }));
  });
}
