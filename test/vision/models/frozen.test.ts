/** Fine-tuning: with a frozen trunk and a new classifier, the trunk's part of a step is its forward pass alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../../src/index.ts";
import * as nn from "../../../src/nn/index.ts";
import * as optim from "../../../src/optim/index.ts";
import { resnet18 } from "../../../src/vision/models/index.ts";

type Node = NonNullable<torch.Tensor["grad_fn"]>;

/** The names of all nodes that a backward pass would run. */
function nodesOf(result: torch.Tensor): string[] {
  const seen = new Set<Node>();
  const visit = (node: Node | null): void => {
    if (node === null || seen.has(node)) return;
    seen.add(node);
    for (const [next] of node.next_functions) visit(next as Node | null);
  };
  visit(result.grad_fn);
  return [...seen].map((node) => node.name()).sort();
}

function network(frozen: boolean) {
  torch.manual_seed(0);
  const model = resnet18({ num_classes: 4 });
  if (frozen) {
    for (const parameter of model.parameters()) parameter.requires_grad = false;
    model.fc = new nn.Linear(512, 4);
  }
  const trained = [...model.parameters()].filter((p) => p.requires_grad);
  const optimizer = new optim.SGD(trained, { lr: 0.01, momentum: 0.9 });
  return { model, optimizer };
}

const x = torch.rand(4, 3, 64, 64);
const labels = torch.tensor([0, 1, 2, 3]);

function step({ model, optimizer }: ReturnType<typeof network>): torch.Tensor {
  optimizer.zero_grad();
  const loss = nn.functional.cross_entropy(model(x), labels);
  loss.backward();
  optimizer.step();
  return loss;
}

test("a frozen trunk has no history, no gradients, and does not change but for its statistics", () => {
  const { model, optimizer } = network(true);
  const before = new Map(Object.entries(model.state_dict()).map(([key, value]) => [key, value.clone()]));
  const loss = nn.functional.cross_entropy(model(x), labels);
  const accumulate = "torch::autograd::AccumulateGrad";
  const classifier = ["AddmmBackward0", "LogSoftmaxBackward0", "NllLossBackward0", "TBackward0"];
  assert.deepEqual(nodesOf(loss), [...classifier, accumulate, accumulate]);
  step({ model, optimizer });
  for (const [key, parameter] of model.named_parameters()) {
    assert.equal(parameter.grad === null, !key.startsWith("fc."), key);
  }
  for (const [key, value] of Object.entries(model.state_dict())) {
    const same = torch.equal(value, before.get(key) as torch.Tensor);
    assert.equal(same, !key.startsWith("fc.") && !/running|tracked/.test(key), key);
  }
});

test("a step with a frozen trunk takes at most half of the time", async () => {
  const networks = [network(true), network(false)];
  const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  // In turn, so that what else the machine does falls on both.
  for (let i = 0; i < 8; i++) {
    for (const [k, net] of networks.entries()) {
      const start = performance.now();
      step(net);
      best[k] = Math.min(best[k], performance.now() - start);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  assert.ok(best[0] * 2 <= best[1], `${best[0].toFixed(1)} ms with a frozen trunk, ${best[1].toFixed(1)} ms without`);
});
