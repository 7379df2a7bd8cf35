/** torch.autograd.functional and batched vectors of torch.autograd.grad. */
import * as torch from "../../../src/index.ts";
import { attempt, f32, leaf, type Scenarios, type Tensor } from "./common.ts";

const { hessian, hvp, jacobian, jvp, vhp, vjp } = torch.autograd.functional;
const { grad } = torch.autograd;
const weights = (...values: number[]): Tensor => f32(values);
const scalar = (value: number): Tensor => torch.tensor(value, { dtype: torch.float32 });
const cube = (x: Tensor): Tensor => x.pow(3);
const mixed = (x: Tensor, y: Tensor): Tensor[] => [x.mul(y).sum().mul(x).add(y.exp()), x.sum().mul(y.sum())];
/** What TypeScript would refuse. */
const wrong = (x: unknown): Tensor => x as Tensor;
const eye = (n: number): Tensor => torch.eye(n);

export const scenarios: Scenarios = {
  vjp_of_one_tensor(log) {
    const x = weights(1, 2, 3);
    let [out, g] = vjp(cube, x, weights(1, 0.5, -1));
    log(out, g, out.requires_grad, g.requires_grad, x.requires_grad);
    [out, g] = vjp((t) => t.mul(t).sum(), x);
    log(out, g);
    log(attempt(() => vjp(cube, x)));
    log(attempt(() => vjp(cube, x, weights(1, 2))));
    log(attempt(() => vjp(cube, x, [weights(1, 2, 3), weights(1)])));
  },

  vjp_of_tuples(log) {
    const x = weights(1, 2);
    const y = weights(-1, 0.5);
    const [out, g] = vjp(mixed, [x, y], [weights(1, 2), scalar(3)]);
    log(out, g, Array.isArray(out), Array.isArray(g));
    log(attempt(() => vjp(mixed, [x, y], weights(1, 2))));
    log(attempt(() => vjp(mixed, [x, y], [weights(1, 2), weights(1, 2)])));
    const [outs, one] = vjp((a) => [a.mul(2)], x, [weights(1, 1)]);
    log(Array.isArray(outs), Array.isArray(one), outs, one);
  },

  vjp_argument_types(log) {
    const x = weights(1, 2);
    log(attempt(() => vjp(cube, wrong(3))));
    log(attempt(() => vjp(cube, [x, wrong(3)])));
    log(attempt(() => vjp(() => wrong(2), x)));
    log(attempt(() => vjp((t) => [t, wrong("a")], x)));
    log(attempt(() => vjp(cube, x, wrong(1.5))));
    log(attempt(() => vjp(cube, x, [x, wrong(null)])));
  },

  vjp_strict(log) {
    const x = weights(1, 2);
    const strict = true;
    log(attempt(() => vjp((t) => t.detach().sum(), x, { strict })));
    log(attempt(() => vjp((a) => a.sum(), [x, x], { strict })));
    log(attempt(() => vjp((a) => a.sum(), [x, x])[1]));
    log(attempt(() => vjp((t) => t.detach().sum(), x)[1]));
    log(attempt(() => vjp((t) => t.sum(), leaf(1, 2), { create_graph: true, strict })));
    log(attempt(() => vjp((t) => t.pow(2).sum(), leaf(1, 2), { create_graph: true, strict })[1]));
  },

  vjp_create_graph(log) {
    const x = leaf(1, 2);
    const v = leaf(3, -1);
    let [out, g] = vjp(cube, x, v, { create_graph: true });
    log(out.requires_grad, g.requires_grad, g);
    log(grad(g.sum(), [x, v]));
    [out, g] = vjp(cube, x.detach(), v.detach(), { create_graph: true });
    log(out.requires_grad, g.requires_grad);
  },

  jvp_of_one_tensor(log) {
    const x = weights(1, 2, 3);
    const [out, t] = jvp(cube, x, weights(1, 0.5, -1));
    log(out, t, out.requires_grad, t.requires_grad);
    log(jvp((s) => s.exp().reshape(1, 1), scalar(0.5)));
    log(attempt(() => jvp(cube, x)));
    log(attempt(() => jvp(cube, x, weights(1, 2))));
    log(attempt(() => jvp(cube, x, [weights(1, 2, 3), weights(1)])));
  },

  jvp_of_tuples(log) {
    const x = weights(1, 2);
    const y = weights(-1, 0.5);
    const [out, t] = jvp(mixed, [x, y], [weights(1, 0), weights(0, 2)]);
    log(out, t);
    log(attempt(() => jvp(mixed, [x, y], [weights(1, 0)])));
    log(attempt(() => jvp(mixed, [x, y], [weights(1, 0), weights(1)])));
    log(attempt(() => jvp((a) => a.sum(), [x, y])));
  },

  jvp_strict(log) {
    const x = weights(1, 2);
    log(attempt(() => jvp((t) => t.detach(), x, x, { strict: true })));
    log(attempt(() => jvp((a) => a.mul(2), [x, x], [x, x], { strict: true })));
    log(attempt(() => jvp((a) => a.mul(2), [x, x], [x, x])));
    log(attempt(() => jvp((t) => t.mul(2), x, x, { strict: true })));
    log(attempt(() => jvp((t) => t.detach(), x, x)));
    log(attempt(() => jvp((t) => t.mul(2), leaf(1, 2), x, true, true)));
  },

  jvp_create_graph(log) {
    const x = leaf(1, 2);
    const v = leaf(3, -1);
    const [out, t] = jvp(cube, x, v, { create_graph: true });
    log(t, t.requires_grad, out.requires_grad);
    log(grad(t.sum(), [x, v]));
  },

  jacobian_shapes(log) {
    const x = torch.arange(6).to(torch.float32).reshape(2, 3);
    let j = jacobian((t) => t.exp().sum(1), x);
    log([...j.shape], j);
    j = jacobian((t) => t.sum(), x);
    log([...j.shape], j);
    j = jacobian((t) => t.mul(3), scalar(2));
    log([...j.shape], j);
    const list = jacobian((t) => [t.select(0, 0), t.select(0, 1).mul(2)], x);
    log(
      Array.isArray(list),
      list.map((p) => [...p.shape]),
    );
    log(attempt(() => jacobian((t) => t.slice(0, 0, 0), x.select(0, 0))));
  },

  jacobian_of_tuples(log) {
    const x = weights(1, 2);
    const y = weights(-1, 0.5, 2);
    const j = jacobian((a, b) => [a.sum().mul(b), a.mul(a)], [x, y]);
    log(
      j.map((row) => row.map((p) => [...p.shape])),
      j,
    );
    const one = jacobian((a, b) => a.sum().mul(b), [x, y]);
    log(Array.isArray(one), one);
    log(jacobian((a) => [a.mul(2), a.sum()], x)[1]);
    log(attempt(() => jacobian((a) => [a, wrong(3)], x)));
    log(attempt(() => jacobian(cube, [x, wrong("no")])));
  },

  jacobian_strict(log) {
    const x = weights(1, 2);
    const y = weights(3);
    const strict = true;
    log(attempt(() => jacobian((a) => a.detach(), x, { strict })));
    log(attempt(() => jacobian((a) => a.mul(2), [x, y], { strict })));
    log(attempt(() => jacobian((a) => a.mul(2), [x, y])));
    log(attempt(() => jacobian((a) => a.mul(2), leaf(1, 2), { create_graph: true, strict })));
    log(attempt(() => jacobian((a) => a.clone(), x, { strict })));
    log(attempt(() => jacobian((a) => a.detach(), x)));
  },

  jacobian_create_graph(log) {
    const x = leaf(1, 2);
    let j = jacobian(cube, x, { create_graph: true });
    log(j, j.requires_grad, grad(j.sum(), x)[0]);
    j = jacobian(cube, x);
    log(j.requires_grad);
    j = jacobian(cube, x.detach(), { create_graph: true });
    log(j.requires_grad);
  },

  jacobian_of_captured_input(log) {
    const x = leaf(1, 2);
    const j = jacobian((t) => t.mul(x), x, { create_graph: true });
    log(j, grad(j.sum(), x)[0]);
    log(
      jacobian((t) => x.mul(2).add(t.mul(0)), x),
      x.grad,
    );
  },

  jacobian_vectorized(log) {
    const x = weights(1, 2);
    const y = weights(-1, 0.5, 2);
    const f = (a: Tensor, b: Tensor): Tensor[] => [a.sum().mul(b.exp()), a.mul(a), a.detach()];
    const slow = jacobian(f, [x, y]);
    const fast = jacobian(f, [x, y], { vectorize: true });
    log(
      fast.map((row) => row.map((p) => [...p.shape])),
      fast,
    );
    log(slow.every((row, i) => row.every((p, k) => torch.equal(p, fast[i][k]))));
    log(jacobian((a) => a.sin().reshape(1, 2), x, { vectorize: true }));
    log(jacobian((a) => torch.stack([a, a.flip(0)]).matmul(a), x, { vectorize: true }));
    log(attempt(() => jacobian(cube, x, { strict: true, vectorize: true })));
    log(attempt(() => jacobian((a) => a.detach(), x, { vectorize: true })));
  },

  jacobian_vectorized_create_graph(log) {
    const x = leaf(1, 2, -1);
    const j = jacobian((t) => t.pow(3).mul(t.sum()), x, { create_graph: true, vectorize: true });
    log(j, j.requires_grad, grad(j.mul(j).sum(), x)[0]);
  },

  jacobian_strategies(log) {
    const x = weights(1, 2);
    const f = (t: Tensor): Tensor => t.pow(3).sum();
    const strategy = "forward-mode";
    log(attempt(() => jacobian(cube, x, { strategy: "sideways" as "forward-mode" })));
    log(attempt(() => jacobian(cube, x, { strategy })));
    log(attempt(() => jacobian(cube, x, { strategy, create_graph: true })));
    log(attempt(() => jacobian(cube, x, { strategy, strict: true })));
    log(attempt(() => hessian(f, x, { outer_jacobian_strategy: "sideways" as "forward-mode" })));
    log(attempt(() => hessian(f, x, { outer_jacobian_strategy: "forward-mode" })));
  },

  jacobian_of_a_layer(log) {
    const range = (n: number): Tensor => torch.arange(n).to(torch.float32);
    const x = range(6).reshape(2, 3).div(10);
    const w = range(12).reshape(4, 3).div(7).sub(0.5);
    const b = weights(0.1, -0.2, 0.3, 0.4);
    const { linear } = torch.nn.functional;
    const j = jacobian((inp) => linear(inp, w, b).tanh(), x);
    log([...j.shape], j.select(0, 0).select(1, 0), j.select(0, 1).select(1, 0));
    const jw = jacobian((m) => linear(x, m, b).relu().sum(0), w, { vectorize: true });
    log([...jw.shape], jw.select(0, 1));
  },

  hessian_shapes(log) {
    const x = weights(1, 2);
    log(hessian((t) => t.pow(3).sum(), x));
    const h = hessian((t) => t.exp().sum().reshape(1, 1), torch.ones(2, 2));
    log([...h.shape], h);
    log(attempt(() => hessian(cube, x)));
    log(attempt(() => hessian((t) => [t.sum(), t.sum()] as unknown as Tensor, x)));
    log(attempt(() => hessian(() => wrong(1), x)));
    log(attempt(() => hessian((t) => t.sum(), wrong(5))));
  },

  hessian_of_tuples(log) {
    const x = weights(1, 2);
    const y = scalar(3);
    const f = (a: Tensor, b: Tensor): Tensor => a.pow(2).sum().mul(b).add(b.pow(3));
    const h = hessian(f, [x, y]);
    log(
      h.map((row) => row.map((p) => [...p.shape])),
      h,
    );
    log(hessian(f, [x, y], { vectorize: true }));
  },

  hessian_strict(log) {
    const x = weights(1, 2);
    const strict = true;
    log(attempt(() => hessian((t) => t.detach().sum(), x, { strict })));
    log(attempt(() => hessian((t) => t.mul(2).sum(), x, { strict })));
    log(attempt(() => hessian((a) => a.mul(a).sum(), [x, x], { strict })));
    log(attempt(() => hessian((a) => a.mul(a).sum(), [x, x])));
    log(attempt(() => hessian((t) => t.pow(3).sum(), x, { strict })));
    log(attempt(() => hessian((t) => t.mul(2).sum(), x)));
  },

  hessian_create_graph(log) {
    const x = leaf(1, 2);
    let h = hessian((t) => t.pow(4).sum(), x, { create_graph: true });
    log(h, h.requires_grad, grad(h.sum(), x)[0]);
    h = hessian((t) => t.pow(4).sum().mul(t.select(0, 0)), x, { create_graph: true, vectorize: true });
    log(h, grad(h.sum(), x)[0]);
  },

  vhp_of_one_tensor(log) {
    const x = weights(1, 2);
    const [out, p] = vhp((t) => t.pow(3).sum().mul(t.select(0, 0)), x, weights(1, -1));
    log(out, p, p.requires_grad);
    log(vhp((t) => t.pow(4), scalar(2)));
    log(attempt(() => vhp((t) => t.sum(), x)));
    log(attempt(() => vhp(cube, x, x)));
    log(attempt(() => vhp((t) => [t.sum(), t.sum()] as unknown as Tensor, x, x)));
    log(attempt(() => vhp((t) => t.sum(), x, weights(1))));
  },

  vhp_strict(log) {
    const x = weights(1, 2);
    const strict = true;
    log(attempt(() => vhp((t) => t.detach().sum(), x, x, { strict })));
    log(attempt(() => vhp((t) => t.mul(2).sum(), x, x, { strict })));
    log(attempt(() => vhp((t) => t.mul(2).sum(), x, x)));
    log(attempt(() => vhp((a) => a.pow(3).sum(), [x, x], [x, x], { strict })));
    log(attempt(() => vhp((t) => t.pow(2).sum(), leaf(1, 2), x, { create_graph: true, strict })));
  },

  vhp_of_tuples(log) {
    const x = weights(1, 2);
    const y = scalar(3);
    const [out, p] = vhp((a, b) => a.pow(2).sum().mul(b), [x, y], [weights(1, 0), scalar(-1)]);
    log(out, p, Array.isArray(out));
    const v = leaf(1, 2);
    const w = leaf(0.5, -1);
    const [, q] = vhp((t) => t.pow(3).sum(), v, w, { create_graph: true });
    log(grad(q.sum(), [v, w]));
  },

  hvp_of_one_tensor(log) {
    const x = weights(1, 2);
    const f = (t: Tensor): Tensor => t.pow(3).sum().mul(t.select(0, 0));
    const [out, p] = hvp(f, x, weights(1, -1));
    log(out, p, p.requires_grad);
    log(hvp((t) => t.pow(4), scalar(2)));
    log(attempt(() => hvp((t) => t.sum(), x)));
    log(attempt(() => hvp(cube, x, x)));
    log(attempt(() => hvp(() => wrong("text"), x, x)));
    log(torch.allclose(hessian(f, x).matmul(weights(1, -1)), p), torch.allclose(p, vhp(f, x, weights(1, -1))[1]));
  },

  hvp_strict(log) {
    const x = weights(1, 2);
    const strict = true;
    log(attempt(() => hvp((t) => t.detach().sum(), x, x, { strict })));
    log(attempt(() => hvp((t) => t.mul(2).sum(), x, x, { strict })));
    log(attempt(() => hvp((t) => t.pow(2).sum(), x, x, { strict })));
    log(attempt(() => hvp((t) => t.mul(2).sum(), x, x)));
    log(attempt(() => hvp((a) => a.pow(3).sum(), [x, x], [x, x], { strict })));
    log(attempt(() => hvp((t) => t.pow(2).sum(), leaf(1, 2), x, { create_graph: true, strict })));
  },

  hvp_of_tuples(log) {
    const x = weights(1, 2);
    const y = scalar(3);
    const [out, p] = hvp((a, b) => a.pow(2).sum().mul(b), [x, y], [weights(1, 0), scalar(-1)]);
    log(out, p);
    const v = leaf(1, 2);
    const w = leaf(0.5, -1);
    const [, q] = hvp((t) => t.pow(3).sum(), v, w, { create_graph: true });
    log(grad(q.sum(), [v, w]));
  },

  products_without_grad_mode(log) {
    const x = weights(1, 2);
    torch.no_grad(() => {
      log(vjp(cube, x, x), jvp(cube, x, x));
      log(
        jacobian(cube, x),
        hessian((t) => t.pow(3).sum(), x),
      );
      const [out, g] = vjp(cube, leaf(1, 2), x, { create_graph: true });
      log(out.requires_grad, g.requires_grad);
    });
  },

  batched_grad_outputs(log) {
    const x = leaf(1, 2, 3);
    const y = x.pow(2).mul(x.sum());
    let [g] = grad(y, x, { grad_outputs: eye(3), is_grads_batched: true, retain_graph: true });
    log(
      g,
      [0, 1, 2].map((i) => grad(y, x, { grad_outputs: eye(3).select(0, i), retain_graph: true })[0]),
    );
    [g] = grad(y, x, { grad_outputs: eye(3).slice(0, 0, 2), is_grads_batched: true, create_graph: true });
    log([...g.shape], g.requires_grad, grad(g.pow(2).sum(), x)[0]);
    log(attempt(() => grad(x.mul(2), x, { grad_outputs: torch.ones(3), is_grads_batched: true })));
    log(attempt(() => grad(x.mul(2), x, { grad_outputs: torch.ones(2, 4), is_grads_batched: true })));
    const unused = leaf(1);
    const grads = grad(x.mul(2), [x, unused], { grad_outputs: eye(3), is_grads_batched: true, allow_unused: true });
    log(grads[0], grads[1]);
  },
};
