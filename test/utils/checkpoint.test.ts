/** Checkpoints save memory: counted in the heap itself. What they compute is in test/autograd/scenarios/checkpoint.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { DenseNet } from "../../src/vision/models/densenet.ts";

type Tensor = torch.Tensor;
const { checkpoint } = torch.utils.checkpoint;

/** Elements of the tensors in this test. */
const N = 1 << 16;

/** How many tensors of N elements can be reached, beside `before` bytes. */
function living(before: number): number {
  torch.empty_cache();
  return (torch.memory_allocated() - before) / (4 * N);
}

/** Eight blocks of eight layers: how many tensors live after forward, and at most at the borders of blocks in backward. */
function measure(use_reentrant: boolean | null): { forward: number; backward: number; gradient: number } {
  const x = torch.full([N], 0.5).requires_grad_();
  torch.empty_cache();
  const before = torch.memory_allocated();
  let most = 0;
  const block = (input: Tensor, number: number): Tensor => {
    let y = input;
    for (let i = 0; i < 8; i++) y = y.sin();
    // Called when backward has come to the end of this block, so all that the block needs is there.
    if (y.requires_grad && number % 3 === 0) {
      y.register_hook(() => {
        most = Math.max(most, living(before));
      });
    }
    return y;
  };
  let y: Tensor = x;
  for (let i = 0; i < 8; i++) y = use_reentrant === null ? block(y, i) : checkpoint(block, y, i, { use_reentrant });
  const loss = y.sum();
  const forward = living(before);
  loss.backward();
  return { forward, backward: most, gradient: x.grad?.select(0, 0).item() as number };
}

test("backward needs the tensors of one block at a time", () => {
  const plain = measure(null);
  assert.ok(plain.forward >= 63, `plain forward: ${plain.forward}`);
  for (const use_reentrant of [true, false]) {
    const saved = measure(use_reentrant);
    assert.equal(saved.gradient, plain.gradient);
    assert.ok(saved.forward <= 10, `forward: ${saved.forward} of ${plain.forward}`);
    assert.ok(saved.backward <= 22, `backward: ${saved.backward} of ${plain.backward}`);
  }
});

test("DenseNet with memory_efficient computes the same from less", () => {
  const run = (memory_efficient: boolean): { live: number; loss: number; grads: Tensor[] } => {
    torch.manual_seed(0);
    const options = { growth_rate: 8, block_config: [3, 4], num_init_features: 16, bn_size: 2, num_classes: 5 };
    const net = new DenseNet({ ...options, memory_efficient });
    const x = torch.randn(2, 3, 64, 64);
    torch.empty_cache();
    const before = torch.memory_allocated();
    const loss = torch.nn.functional.cross_entropy(net(x), torch.tensor([1, 3]));
    const live = living(before);
    loss.backward();
    return { live, loss: loss.item() as number, grads: [...net.parameters()].map((p) => p.grad as Tensor) };
  };
  const plain = run(false);
  const efficient = run(true);
  assert.equal(efficient.loss, plain.loss);
  assert.ok(efficient.live < 0.8 * plain.live, `${efficient.live} of ${plain.live}`);
  for (const [i, g] of plain.grads.entries()) {
    assert.ok(torch.allclose(efficient.grads[i], g, { rtol: 1e-5, atol: 1e-7 }), `parameter ${i}`);
  }
});

test("an async function is refused", () => {
  const x = torch.ones(2, { requires_grad: true });
  for (const use_reentrant of [true, false]) {
    assert.throws(() => checkpoint(async (t: Tensor) => t.sin(), x, { use_reentrant }), /must not be async/);
  }
});

test("debug: the error lists the operations of both runs and where they were called", () => {
  const x = torch.ones(2, { requires_grad: true });
  let runs = 0;
  const f = (t: Tensor): Tensor => (++runs === 1 ? t.sin().exp().exp() : t.sin().exp());
  const failing = (use: () => Tensor): string => {
    runs = 0;
    try {
      use().sum().backward();
    } catch (error) {
      assert.ok(error instanceof torch.utils.checkpoint.CheckpointError);
      assert.ok(error.cause instanceof torch.utils.checkpoint.CheckpointError);
      return error.message;
    }
    assert.fail("no error");
  };
  for (const use of [
    () => checkpoint(f, x, { use_reentrant: false, debug: true }),
    () => torch.utils.checkpoint.set_checkpoint_debug_enabled(true, () => checkpoint(f, x, { use_reentrant: false })),
  ]) {
    const message = failing(use);
    assert.match(message, /^An error happened while unpacking tensors; dumping logs of latest computation/);
    const [, original, again] =
      /original forward:\n\n(.*?)\n\nOperations.*recomputation:\n\n(.*?)\n\n/s.exec(message) ?? [];
    assert.equal(original, "$1: f32[2] = sin($0)\n$2: f32[2] = exp($1)\n$3: f32[2] = exp($2)");
    assert.equal(again, "$1: f32[2] = sin($0)\n$2: f32[2] = exp($1)");
    assert.match(message, /saved during forward: 3\nNumber of tensors saved during recomputation: 2/);
    assert.match(message, /checkpoint\.test\.ts:\d+/);
  }
  checkpoint((t: Tensor) => t.sin().exp(), x, { use_reentrant: false, debug: true })
    .sum()
    .backward();
  assert.ok(torch.allclose(x.grad as Tensor, x.detach().sin().exp().mul(x.detach().cos())));
});
