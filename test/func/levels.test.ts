/** Levels of transformations: what nests, what is constant to whom, and what is left when one ends or throws. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentInterceptor } from "../../src/dispatch.ts";
import * as torch from "../../src/index.ts";
import type { Tensor } from "../../src/tensor.ts";

const { grad } = torch.func;
const f32 = (...values: number[]): Tensor => torch.tensor(values, { dtype: torch.float32 });

test("grad and vmap nest in either order", () => {
  const x = f32(1, 2, 3);
  const cube = (t: Tensor): Tensor => t.pow(3);
  assert.deepEqual(
    torch
      .vmap(grad(grad(cube)))(x)
      .tolist(),
    [6, 12, 18],
  );
  assert.deepEqual(grad((u: Tensor) => torch.vmap(cube)(u).sum())(x).tolist(), [3, 12, 27]);
  const outer = torch.vmap((a: Tensor) => torch.vmap((b: Tensor) => a.mul(b))(x));
  assert.deepEqual(outer(f32(1, 10)).tolist(), [
    [1, 2, 3],
    [10, 20, 30],
  ]);
});

test("views and in-place writes inside", () => {
  const x = f32(1, 2, 3);
  const f = (t: Tensor): Tensor => {
    const z = torch.zeros(2, 3);
    z.select(0, 1).copy_(t.mul(t));
    return z.view(3, 2).t().sum();
  };
  assert.deepEqual(grad(f)(x).tolist(), [2, 4, 6]);
  // One tensor of zeros cannot take what differs from sample to sample.
  assert.throws(() => torch.vmap(grad(f))(torch.stack([x, x])), /vmap: inplace arithmetic/);
  const g = (t: Tensor): Tensor => t.new_zeros(2, 3).add_(t.mul(t)).view(3, 2).t().sum();
  assert.deepEqual(
    torch
      .vmap(grad(g))(torch.stack([x, x]))
      .tolist(),
    [
      [4, 8, 12],
      [4, 8, 12],
    ],
  );
});

test("tensors from outside are constants, and keep their own history", () => {
  const w = f32(1, 2).requires_grad_();
  const g = grad((t: Tensor) => t.pow(2).mul(w).sum())(f32(3, 4));
  assert.deepEqual(torch.autograd.grad(g.sum(), [w])[0]?.tolist(), [6, 8]);
  assert.equal(torch.no_grad(() => grad((t: Tensor) => t.mul(w).sum())(f32(1, 1))).requires_grad, false);
  assert.throws(() => grad((t: Tensor) => w.detach().copy_(t).sum())(f32(1, 1)), /would mutate a captured Tensor/);
});

test("what escapes from grad is its value, what escapes from vmap an error", () => {
  let escaped: Tensor | null = null;
  const keep = (t: Tensor): Tensor => {
    escaped = t.mul(2);
    return escaped.sum();
  };
  grad(keep)(f32(1, 2));
  const dead = escaped as unknown as Tensor;
  assert.deepEqual(dead.add(1).tolist(), [3, 5]);
  assert.equal(dead.add(1).requires_grad, false);
  assert.equal(dead.view(2, 1).requires_grad, false);
  torch.vmap(keep)(f32(1, 2));
  assert.throws(() => (escaped as unknown as Tensor).add(1), /may have escaped from inside a function being vmapped/);
});

test("an error leaves no level behind", () => {
  const fail = (t: Tensor): Tensor => grad((u: Tensor) => u.matmul(torch.ones(7)))(t);
  assert.throws(() => torch.vmap(fail)(torch.ones(2, 3)));
  assert.equal(currentInterceptor(), null);
  assert.throws(() => grad((async (t: Tensor) => t.sum()) as unknown as (t: Tensor) => Tensor)(f32(1)), TypeError);
  assert.equal(currentInterceptor(), null);
  assert.ok(torch.is_grad_enabled());
});

test("a pullback outlives its level and is differentiable", () => {
  const { jacfwd, jacrev, hessian, jvp, linearize, vjp } = torch.func;
  const x = f32(1, 2, 3);
  const ones = torch.ones(3);
  const cube = (t: Tensor): Tensor => t.pow(3);
  assert.deepEqual(grad((t: Tensor) => vjp(cube, t)[1](ones)[0].sum())(x).tolist(), [6, 12, 18]);
  const sum = (t: Tensor): Tensor => cube(t).sum();
  const expected = torch.diag(f32(6, 12, 18)).tolist();
  for (const second of [hessian(sum), jacrev(jacrev(sum)), jacrev(jacfwd(sum)), jacfwd(jacfwd(sum))]) {
    assert.deepEqual(second(x).tolist(), expected);
  }
  assert.deepEqual(jvp(grad(sum), [x], [ones])[1].tolist(), [6, 12, 18]);
  assert.deepEqual(grad((t: Tensor) => jvp(sum, [t], [ones])[1])(x).tolist(), [6, 12, 18]);
  // Tangents of an outer level pass through an inner one that knows nothing of them.
  const inner = (t: Tensor): Tensor => jvp((u: Tensor) => u.mul(t), [ones], [ones])[1];
  assert.deepEqual(jvp(inner, [x], [ones])[1].tolist(), [1, 1, 1]);
  // Gradients that an outer level follows are made of differentiable ops, not of their faster forms.
  const loss = (t: Tensor): Tensor => torch.nn.functional.layer_norm(t, [3]).mul(x).tanh().sum();
  const along = jvp(grad(loss), [x], [ones.mul(x)])[1];
  assert.ok(torch.allclose(along, hessian(loss)(x).matmul(x), { atol: 1e-4 }));
  assert.ok(Number(along.abs().max().item()) > 1e-4);
  const [, push] = linearize(cube, x);
  assert.deepEqual(push(ones).tolist(), [3, 12, 27]);
});

test("value_and_grad is grad_and_value in the other order", () => {
  const x = torch.tensor([1, 2.5]);
  const [value, gradient] = torch.func.value_and_grad((t: torch.Tensor) => t.square().sum())(x);
  assert.deepEqual([value.item(), gradient.tolist()], [7.25, [2, 5]]);
  const withAux = torch.func.value_and_grad((t: torch.Tensor): [torch.Tensor, string] => [t.sum(), "aux"], {
    has_aux: true,
  });
  const [[sum, aux], ones] = withAux(x);
  assert.deepEqual([sum.item(), aux, ones.tolist()], [3.5, "aux", [1, 1]]);
});
