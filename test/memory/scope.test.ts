import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const { nn, optim } = torch;
const N = 1000;

test("scope gives back what is not part of its result", () => {
  const before = torch.memory_allocated();
  let leaked: torch.Tensor | undefined;
  const result = torch.scope(() => {
    const a = torch.ones(N);
    leaked = a.mul(2);
    const b = leaked.add(a);
    return { sum: b.sum(), parts: [b.narrow(0, 0, 10)] };
  });
  assert.equal(result.sum.item(), 3 * N);
  assert.deepEqual(result.parts[0].tolist(), new Array(10).fill(3));
  assert.ok(torch.memory_allocated() - before < 3 * 4 * N, "only one of the three large tensors is left");
  assert.throws(() => leaked?.sum(), /given back: it was made inside torch.scope\(\)/);
});

test("gradients, parameters and optimizer states survive a scope", () => {
  torch.manual_seed(0);
  const train = (scoped: boolean): number[] => {
    torch.manual_seed(1);
    const net = new nn.Sequential(new nn.Linear(40, 50), new nn.ReLU(), new nn.Linear(50, 30));
    const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 });
    const losses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const step = (): number => {
        optimizer.zero_grad();
        const loss = net(torch.rand(20, 40)).square().mean();
        loss.backward();
        optimizer.step();
        return loss.item() as number;
      };
      losses.push(scoped ? torch.scope(step) : step());
    }
    return losses;
  };
  assert.deepEqual(train(true), train(false));
});

test("nested scopes hand results outwards", () => {
  const value = torch.scope(() => torch.scope(() => torch.ones(N).mul(3)).add(1));
  assert.equal(value.mean().item(), 4);
});

test("an exception in a scope gives everything back and is passed on", () => {
  const before = torch.memory_allocated();
  assert.throws(
    () =>
      torch.scope(() => {
        torch.ones(100_000);
        throw new Error("mine");
      }),
    /mine/,
  );
  assert.ok(torch.memory_allocated() - before < 100_000);
});

test("using gives a tensor back at the end of its block", () => {
  let outside: torch.Tensor;
  {
    using x = torch.ones(N);
    outside = x;
    assert.equal(x.sum().item(), N);
  }
  assert.throws(() => outside.sum(), /disposed of/);
});
