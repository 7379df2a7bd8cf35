/** Modules as functions of their state: errors, and that the module is as before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { nn } from "../../src/index.ts";
import type { Tensor } from "../../src/tensor.ts";

const { functional_call, stack_module_state } = torch.func;

test("functional_call puts the module back, also after an error", () => {
  const net = new nn.Sequential(new nn.Linear(2, 2), new nn.Linear(2, 1));
  const before = [...net.named_parameters()];
  const x = torch.ones(1, 2);
  functional_call(net, { "0.weight": torch.ones(2, 2) }, x);
  assert.throws(() => functional_call(net, { "0.weight": torch.ones(3, 3) }, x));
  assert.throws(() => functional_call(net, { "0.weight": 3 as unknown as Tensor }, x), /is not an instance of/);
  assert.throws(() => functional_call(net, { "nope.x": x }, x), /Sequential has no attribute `nope`/);
  functional_call(net, { extra: x }, x);
  assert.ok(!("extra" in net));
  assert.deepEqual([...net.named_parameters()], before);
  assert.throws(
    () => functional_call(net, { "0.weight": x, zz: x }, x, { strict: true }),
    /Unexpected key\(s\): 'zz'\.\n\tMissing key\(s\): '0\.bias', '1\.bias', '1\.weight'\./,
  );
});

test("buffers that forward replaces or changes come back in the dictionary", () => {
  const bn = new nn.BatchNorm1d(2);
  const mine = Object.fromEntries([...bn.named_buffers()].map(([name, t]) => [name, t.clone()]));
  functional_call(
    bn,
    [Object.fromEntries(bn.named_parameters()), mine],
    torch.tensor([
      [1.5, 2],
      [3, 5],
    ]),
  );
  assert.deepEqual(mine.num_batches_tracked.item(), 1);
  assert.deepEqual(
    [...bn.named_buffers()].map(([, t]) => t.tolist()),
    [[0, 0], [1, 1], 0],
  );
});

test("tied weights and keyword arguments", () => {
  class Tied extends nn.Module {
    a = new nn.Linear(2, 2);
    b = new nn.Linear(2, 2);
    constructor() {
      super();
      this.b.weight = this.a.weight;
    }
    override forward(x: Tensor, { k = null }: { k?: number | null } = {}): Tensor {
      return k === null ? this.b(this.a(x)) : this.a(x).mul(k);
    }
  }
  const net = new Tied();
  const w = torch.ones(2, 2);
  const zero = torch.zeros(2);
  const state = { "a.weight": w, "a.bias": zero, "b.bias": zero };
  const x = torch.ones(1, 2);
  assert.deepEqual(functional_call(net, state, x).tolist(), [[4, 4]]);
  assert.notDeepEqual(functional_call(net, state, x, { tie_weights: false }).tolist(), [[4, 4]]);
  assert.deepEqual(functional_call(net, state, [x], { k: 3 }).tolist(), [[6, 6]]);
  assert.throws(() => functional_call(net, { ...state, "b.weight": w.mul(2) }, x), /\['a\.weight', 'b\.weight'\]/);
  assert.throws(() => stack_module_state([]), /Expected at least one model, got 0/);
  assert.throws(() => stack_module_state([net, new nn.ReLU()]), /of the same class/);
});
