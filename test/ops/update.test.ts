/** Updates of many parameters in one launch, and gradients that are given back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as nn from "../../src/nn/index.ts";
import { Adagrad, Adam, AdamW, RMSprop, SGD } from "../../src/optim/index.ts";
import { heap } from "../../src/storage/storage.ts";

type Parameters = readonly torch.Tensor[];

const makers = {
  SGD: (p: Parameters) => new SGD(p, { lr: 0.1 }),
  "SGD with momentum": (p: Parameters) => new SGD(p, { lr: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov: true }),
  Adam: (p: Parameters) => new Adam(p, { lr: 0.01, amsgrad: true }),
  AdamW: (p: Parameters) => new AdamW(p, { lr: 0.01 }),
  RMSprop: (p: Parameters) => new RMSprop(p, { centered: true, momentum: 0.5 }),
  Adagrad: (p: Parameters) => new Adagrad(p),
};

/** Shapes with vectors that are not full, with more than one piece, a transposed one and one without elements. */
function someParameters(dtype: torch.dtype): torch.Tensor[] {
  torch.manual_seed(3);
  const shapes = [[5], [3, 7], [], [120, 150], [64], [1], [0]];
  const parameters = shapes.map((shape) => torch.randn(shape, { dtype }).requires_grad_());
  parameters.push(torch.randn(6, 4, { dtype }).t().requires_grad_());
  return parameters;
}

for (const [name, make] of Object.entries(makers)) {
  for (const dtype of [torch.float32, torch.float64, torch.bfloat16]) {
    test(`${name} in ${dtype}: all parameters together are as each alone`, () => {
      const together = someParameters(dtype);
      const alone = someParameters(dtype);
      const all = make(together);
      const each = alone.map((p) => make([p]));
      for (let step = 0; step < 3; step++) {
        torch.manual_seed(step);
        together.forEach((p, i) => {
          // One parameter has no gradient at first, so that the counts of steps differ.
          if (step === 0 && i === 1) return;
          const g = torch.randn(p.shape, { dtype });
          p.grad = g;
          alone[i].grad = g.clone();
        });
        all.step();
        for (const optimizer of each) optimizer.step();
      }
      together.forEach((p, i) => {
        assert.ok(torch.equal(p, alone[i]), `parameter ${i}`);
        assert.equal(p._version, alone[i]._version);
      });
    });
  }
}

function step(net: nn.Linear): void {
  net(torch.ones(2, 1000)).sum().backward();
}

test("zero_grad gives memory back at once where nobody has read a gradient", () => {
  const net = new nn.Linear(1000, 1000);
  const optimizer = new SGD(net.parameters(), { lr: 1e-3 });
  for (const zero of [() => optimizer.zero_grad(), () => net.zero_grad(), () => (net.weight.grad = null)]) {
    step(net);
    optimizer.step();
    const before = heap.stats.blockBytes.current;
    zero();
    assert.ok(before - heap.stats.blockBytes.current >= 4e6);
    assert.equal(net.weight.grad, null);
  }
});

test("a gradient that was read stays", () => {
  const net = new nn.Linear(1000, 1000);
  const optimizer = new SGD(net.parameters(), { lr: 1e-3 });
  step(net);
  const kept = net.weight.grad as torch.Tensor;
  optimizer.zero_grad();
  step(net);
  assert.equal(kept.sum().item(), 2e6);
  assert.notEqual(net.weight.grad, kept);
});

test("a gradient with a history, or given by the user, stays", () => {
  const x = torch.ones(1000, { requires_grad: true });
  x.pow(3).sum().backward({ create_graph: true });
  const g = x.grad as torch.Tensor;
  x.grad = null;
  assert.equal(g.sum().item(), 3000);
  const mine = torch.ones(1000);
  x.grad = mine;
  x.mul(2).sum().backward();
  x.grad = null;
  assert.equal(mine.sum().item(), 3000);
});
