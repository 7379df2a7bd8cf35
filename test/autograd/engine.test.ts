/** The engine's own promises: depth, no needless work, modes, gradcheck, and what the types of `Function` say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FunctionCtx } from "../../src/autograd/function.ts";
import * as torch from "../../src/index.ts";

type Tensor = torch.Tensor;
const { grad, gradcheck, gradgradcheck, GradcheckError } = torch.autograd;

function values(t: Tensor | null): unknown {
  return t === null ? null : t.tolist();
}

test("a graph of 100,000 operations runs backward without recursion", () => {
  const w = torch.ones(1, { requires_grad: true });
  let y = w.mul(1);
  for (let i = 0; i < 50_000; i++) y = y.mul(y).sqrt();
  y.backward();
  assert.deepEqual(values(w.grad), [1]);
});

test("what nobody asked for is not computed", () => {
  const x = torch.ones(100, 100, { requires_grad: true });
  const w = torch.ones(100, 100, { requires_grad: true });
  const bytes = (run: () => void): number => {
    const before = torch.memory_stats()["allocated_bytes.all.allocated"];
    run();
    return torch.memory_stats()["allocated_bytes.all.allocated"] - before;
  };
  const y = x.mm(w);
  const seed = torch.ones(100, 100);
  const one = bytes(() => grad(y, x, { grad_outputs: seed, retain_graph: true }));
  const both = bytes(() => grad(y, [x, w], { grad_outputs: seed, retain_graph: true }));
  assert.ok(both >= one + 40_000, `${one} bytes for one gradient, ${both} for two`);
  // In place on a view: what overwrites it is asked through the node of its base.
  const base = x.mul(1);
  base.select(0, 0).mul_(w.select(0, 0));
  assert.deepEqual(grad(base.sum(), w)[0].select(0, 0).sum().item(), 100);
});

// A million in the long run: node test/long.ts engine
const CHAIN = process.env.LONG_TESTS ? 1_000_000 : 150_000;

test(`a chain of ${CHAIN} operations`, () => {
  const w = torch.ones(1, { requires_grad: true });
  let y = w.mul(1);
  for (let i = 1; i < CHAIN; i++) y = y.mul(1);
  y.backward();
  assert.deepEqual(values(w.grad), [1]);
});

test("a graph in which every value is used twice runs each node once", () => {
  const w = torch.tensor([1.5], { requires_grad: true });
  let y = w.mul(1);
  for (let i = 0; i < 200; i++) y = y.mul(0.5).add(y.mul(0.5));
  y.backward();
  assert.ok(Math.abs((w.grad?.item() as number) - 1) < 1e-5);
});

/** A function that counts the calls of its backward. */
function counter(): { apply: (x: Tensor) => Tensor; calls: () => number } {
  let calls = 0;
  class Counted extends torch.autograd.Function {
    static forward(_: FunctionCtx, x: Tensor): Tensor {
      return x.mul(2);
    }
    static backward(_: FunctionCtx, g: Tensor): Tensor {
      calls++;
      return g.mul(2);
    }
  }
  return { apply: (x) => Counted.apply(x), calls: () => calls };
}

test("branches that lead to no wanted gradient are not run", () => {
  const a = torch.ones(2, { requires_grad: true });
  const b = torch.ones(2, { requires_grad: true });
  const counted = counter();
  const y = counted.apply(a).mul(b);
  const [g] = grad(y.sum(), b, { retain_graph: true });
  assert.deepEqual(values(g), [2, 2]);
  assert.equal(counted.calls(), 0);
  y.sum().backward({ inputs: [b], retain_graph: true });
  assert.equal(counted.calls(), 0);
  y.sum().backward();
  assert.equal(counted.calls(), 1);
  assert.deepEqual(
    [values(a.grad), values(b.grad)],
    [
      [2, 2],
      [4, 4],
    ],
  );
});

test("frozen inputs get no gradient, and their products are not computed", () => {
  const frozen = torch.ones(3, 3);
  const x = torch.ones(2, 3, { requires_grad: true });
  const seen: boolean[][] = [];
  const y = x.matmul(frozen);
  y.grad_fn?.register_hook((gradInputs) => void seen.push(gradInputs.map((g) => g !== null)));
  y.sum().backward();
  assert.deepEqual(seen, [[true, false]]);
  assert.equal(frozen.grad, null);
});

test("modes: callbacks, guards, nesting, errors", async () => {
  const state = () => [torch.is_grad_enabled(), torch.is_inference_mode_enabled()];
  assert.equal(
    torch.no_grad(() => 5),
    5,
  );
  {
    using _outer = torch.no_grad();
    {
      using _inner = torch.enable_grad();
      assert.deepEqual(state(), [true, false]);
    }
    assert.deepEqual(state(), [false, false]);
    torch.inference_mode(() => assert.deepEqual(state(), [false, true]));
    assert.deepEqual(state(), [false, false]);
  }
  assert.deepEqual(state(), [true, false]);
  assert.throws(() => {
    using _ = torch.no_grad();
    throw new Error("inside");
  }, /inside/);
  assert.deepEqual(state(), [true, false]);
  const async = torch.no_grad(async () => {
    await null;
    return state();
  });
  assert.deepEqual(state(), [true, false]);
  assert.deepEqual(await async, [false, false]);
  const guard = torch.set_grad_enabled(false);
  assert.deepEqual(state(), [false, false]);
  guard[Symbol.dispose]();
  assert.deepEqual(state(), [true, false]);
  assert.throws(() => torch.set_grad_enabled(1 as unknown as boolean), { name: "TypeError" });
  assert.throws(() => torch.no_grad({} as unknown as () => void), { name: "TypeError" });
  assert.deepEqual(state(), [true, false]);
});

test("an error inside backward leaves the modes as they were", () => {
  const x = torch.ones(1, { requires_grad: true });
  const y = x.mul(2);
  y.register_hook(() => {
    throw new Error("in a hook");
  });
  assert.throws(() => y.backward(), /in a hook/);
  assert.ok(torch.is_grad_enabled());
});

test("backward inside a hook and inside a function's backward", () => {
  const x = torch.tensor([3], { dtype: torch.float32, requires_grad: true });
  const w = torch.tensor([2], { dtype: torch.float32, requires_grad: true });
  const y = x.mul(w);
  y.register_hook((g) => {
    torch.enable_grad(() => w.mul(w).backward());
    return g.mul(10);
  });
  y.backward();
  assert.deepEqual([values(x.grad), values(w.grad)], [[20], [34]]);
  class Checkpoint extends torch.autograd.Function {
    static forward(ctx: FunctionCtx, a: Tensor): Tensor {
      ctx.save_for_backward(a);
      return a.mul(a).exp();
    }
    static backward(ctx: FunctionCtx, g: Tensor): Tensor {
      const again = ctx.saved_tensors[0].detach().requires_grad_();
      torch.enable_grad(() => again.mul(again).exp().backward(g));
      return again.grad as Tensor;
    }
  }
  const a = torch.tensor([0.5], { requires_grad: true });
  Checkpoint.apply(a).mul(3).backward();
  assert.ok(Math.abs((a.grad?.item() as number) - 3 * Math.exp(0.25)) < 1e-5);
});

test("gradcheck accepts right gradients and refuses wrong ones", () => {
  const x = torch
    .tensor([[0.3, -1.2, 2.1]], { dtype: torch.float64 })
    .t()
    .requires_grad_();
  const w = torch.tensor([0.7, 1.9], { dtype: torch.float64, requires_grad: true });
  const f = (a: Tensor, b: Tensor): Tensor[] => [a.mul(b).sin(), a.exp().sum()];
  assert.ok(gradcheck(f, [x, w]));
  assert.ok(gradgradcheck(f, [x, w]));
  class Wrong extends torch.autograd.Function {
    static forward(_: FunctionCtx, a: Tensor): Tensor {
      return a.mul(2);
    }
    static backward(_: FunctionCtx, g: Tensor): Tensor {
      return g.mul(3);
    }
  }
  const wrong = (a: Tensor): Tensor => Wrong.apply(a);
  assert.throws(
    () => gradcheck(wrong, x),
    (error) => {
      assert.ok(error instanceof GradcheckError && error instanceof torch.RuntimeError);
      assert.match(
        error.message,
        /^Jacobian mismatch for output 0 with respect to input 0,\nnumerical:tensor\(\[\[2\.0000/,
      );
      assert.match(error.message, /analytical:tensor\(\[\[3\., 0\./);
      return true;
    },
  );
  assert.equal(gradcheck(wrong, x, { raise_exception: false }), false);
  const cut = (a: Tensor): Tensor => a.detach().mul(2);
  assert.throws(() => gradcheck(cut, x), { name: "GradcheckError", message: /expected to be zero/ });
  assert.throws(() => gradgradcheck((a: Tensor) => a.detach().mul(a), x), { name: "GradcheckError" });
  assert.throws(() => gradcheck(wrong, x.detach()), { name: "ValueError", message: /at least one input tensor/ });
  assert.throws(() => gradcheck(wrong, x, { esp: 1 } as object), { name: "TypeError", message: /did you mean 'eps'/ });
  assert.throws(() => gradcheck(() => 3 as unknown as Tensor, x), { name: "TypeError" });
  // The inputs are as they were.
  assert.deepEqual(values(x), [[0.3], [-1.2], [2.1]]);
});

test("arguments of grad and backward by position and by name", () => {
  const x = torch.ones(2, { requires_grad: true });
  const y = x.mul(x);
  assert.deepEqual(values(grad(y, x, torch.tensor([1, 0.5]), true)[0]), [2, 1]);
  y.backward(torch.ones(2), true);
  y.backward({ gradient: torch.ones(2) });
  assert.deepEqual(values(x.grad), [4, 4]);
  const wrong = (options: object) => () => grad(y, x, options);
  assert.throws(wrong({ retain: true }), { name: "TypeError", message: /unexpected keyword argument 'retain'/ });
  assert.throws(wrong({ create_grpah: true }), { name: "TypeError", message: /did you mean 'create_graph'/ });
  assert.throws(wrong({ retain_graph: 1 }), { name: "TypeError", message: /must be bool, not int/ });
  assert.throws(wrong({ is_grads_batched: true }), { name: "ValueError", message: /Got in_dim=0/ });
  assert.throws(() => x.sum().backward({ retain_grpah: true } as object), {
    name: "TypeError",
    message: /did you mean 'retain_graph'/,
  });
  assert.throws(() => x.sum().backward(3 as unknown as Tensor), { name: "TypeError" });
  assert.throws(() => grad(3 as unknown as Tensor, x), { name: "TypeError" });
  assert.throws(() => grad([y, 3 as unknown as Tensor], x), {
    name: "RuntimeError",
    message: /all outputs have to be Tensors or GradientEdges, but got int/,
  });
  assert.throws(() => y.register_hook(3 as unknown as () => null), { name: "TypeError" });
});

test("the static types of a function are those of its forward", () => {
  class Power extends torch.autograd.Function {
    static forward(ctx: FunctionCtx, x: Tensor, n: number): Tensor {
      ctx.save_for_backward(x);
      ctx.n = n;
      return x.pow(n);
    }
    static backward(ctx: FunctionCtx, g: Tensor): [Tensor, null] {
      const n = ctx.n as number;
      return [
        ctx.saved_tensors[0]
          .pow(n - 1)
          .mul(n)
          .mul(g),
        null,
      ];
    }
  }
  const x = torch.tensor([2], { dtype: torch.float64, requires_grad: true });
  const y: Tensor = Power.apply(x, 3);
  // @ts-expect-error the exponent is a number
  assert.throws(() => Power.apply(x, "3").backward());
  y.backward();
  assert.deepEqual(values(x.grad), [12]);
  assert.ok(gradgradcheck((a: Tensor) => Power.apply(a, 3), x));
});

test("a printed view whose history was invalidated says so", () => {
  const w = torch.ones(2, { requires_grad: true });
  const y = w.mul(2);
  const [a] = y.unbind();
  y.add_(1);
  assert.equal(String(a), "tensor(3., grad_fn=<Invalid>)");
  assert.equal(String(y.slice(0, 0, 1).mul_(2)), "tensor([6.], grad_fn=<AsStridedBackward0>)");
  assert.equal(String(y), "tensor([6., 3.], grad_fn=<CopySlices>)");
});

test("what a node keeps, by PyTorch's names", () => {
  const a = torch.tensor([1, 2.5], { requires_grad: true });
  const b = torch.ones(2, { requires_grad: true });
  const saved = (t: Tensor): Record<string, unknown> => {
    const node = t.grad_fn as object;
    const names = Object.getOwnPropertyNames(node).filter((name) => name.startsWith("_saved_"));
    return Object.fromEntries(names.map((name) => [name.slice(7), (node as Record<string, unknown>)[name]]));
  };
  assert.deepEqual(saved(a.pow(2)), { self: a, exponent: 2 });
  assert.deepEqual(saved(a.mul(b)), { self: a, other: b });
  assert.deepEqual(saved(a.clamp(0, 1)), { self: a, min: 0, max: 1 });
  assert.deepEqual(saved(a.select(0, 1)), { dim: 0, index: 1 });
  const y = a.exp();
  assert.deepEqual(values(saved(y).result as Tensor), values(y));
  const weight = torch.ones(1, 1, 2, 2, { requires_grad: true });
  const image = torch.ones(1, 1, 3, 3);
  const conv = saved(torch.nn.functional.conv2d(image, weight, { padding: 1 }));
  assert.equal(conv.input, image);
  // The gradient of the image is not wanted, so its factor is not kept.
  assert.deepEqual([conv.weight, conv.stride, conv.padding, conv.groups], [null, [1, 1], [1, 1], 1]);

  // Hooks on one saved tensor of an operation.
  const product = a.mul(b);
  const raw = product.grad_fn?._raw_saved_other as InstanceType<typeof torch.autograd.graph.SavedTensor>;
  raw.register_hooks(
    (t) => t.mul(10),
    (t: Tensor) => t,
  );
  const [inner] = product.sum().grad_fn?.next_functions[0] ?? [];
  assert.equal(inner, product.grad_fn);
  product.sum().backward();
  assert.deepEqual(
    [values(a.grad), values(b.grad)],
    [
      [10, 10],
      [1, 2.5],
    ],
  );
  assert.throws(() => product.grad_fn?._saved_self, { name: "RuntimeError", message: /already been freed/ });
});

test("backward of a step allocates no more than forward did", () => {
  const net = new torch.nn.Sequential(
    new torch.nn.Conv2d(3, 6, 5),
    new torch.nn.ReLU(),
    new torch.nn.MaxPool2d(2),
    new torch.nn.Flatten(),
    new torch.nn.Linear(6 * 14 * 14, 84),
    new torch.nn.Tanh(),
    new torch.nn.Linear(84, 10),
  );
  const x = torch.randn(16, 3, 32, 32);
  const labels = torch.arange(16).remainder(10);
  const peak = (run: () => void): number => {
    torch.reset_peak_memory_stats();
    const before = torch.memory_stats()["allocated_bytes.all.current"];
    run();
    return torch.memory_stats()["allocated_bytes.all.peak"] - before;
  };
  const step = (): [number, number] => {
    for (const p of net.parameters()) p.grad = null;
    let loss!: Tensor;
    const forward = peak(() => {
      loss = torch.nn.functional.cross_entropy(net(x), labels);
    });
    return [forward, peak(() => loss.backward())];
  };
  step();
  const [forward, backward] = step();
  const gradients = [...net.parameters()].reduce((sum, p) => sum + p.nbytes, 0);
  assert.ok(backward <= forward + gradients, `forward ${forward} bytes, backward ${backward}, gradients ${gradients}`);
});

test("saved tensors may change where that is allowed", () => {
  const { allow_mutation_on_saved_tensors } = torch.autograd.graph;
  const x = torch.ones(2, { requires_grad: true });
  allow_mutation_on_saved_tensors(() => {
    const c = x.clone();
    const product = c.mul(c).sum();
    c.mul_(5);
    product.backward();
    assert.throws(() => allow_mutation_on_saved_tensors(() => 0), /cannot be nested/);
  });
  assert.deepEqual(values(x.grad), [2, 2]);
});
