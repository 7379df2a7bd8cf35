/** Transformations of functions, nested in all ways, and what they refuse. Twin of tools/golden-autograd/func.py. */
import * as torch from "../../../src/index.ts";
import { attempt, f32, type Log, leaf, node, type Scenarios, type Tensor } from "./common.ts";

// biome-ignore lint/suspicious/noExplicitAny: scenarios also make calls that the types refuse.
type Loose = any;
type F = (...args: Loose[]) => Loose;
const func = torch.func as Loose;
const { debug_unwrap, functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp } =
  func as Record<string, F>;
const stack_module_state = func.stack_module_state as F;
const vmap = torch.vmap as unknown as F;
const { nn } = torch;

const x = f32([1, 2, 3]);
const v = f32([0.5, -1, 2]);
const scalar = (n: number): Tensor => torch.tensor(n, { dtype: torch.float32 });
const matrix = (): Tensor => torch.arange(6).to(torch.float32).view(2, 3);
const all = (t: Tensor): number[] => [...t.shape];

export const scenarios: Scenarios = {
  grad_of_simple_functions(log) {
    log(grad(torch.sin)(scalar(0.3)), grad((t: Tensor) => t.pow(3).sum())(x));
    log(grad(grad(torch.cos))(scalar(0.3)), grad(grad(grad((t: Tensor) => t.pow(4))))(scalar(1.5)));
    log(grad(() => torch.ones([]))(x), grad((t: Tensor) => t.at(1).mul(t.sum()))(x));
  },

  grad_argnums(log) {
    const f = (a: Tensor, b: Tensor, c: Tensor): Tensor => a.mul(b).mul(b).mul(c.exp()).sum();
    for (const n of [0, 1, -1, [0, 2], [2, 0], [-2]]) log(grad(f, { argnums: n })(x, v, x));
    for (const n of [3, -4, [], [0, 0], [0, 5]]) log(attempt(() => grad(f, { argnums: n })(x, v, x)));
    log(attempt(() => grad(f, { argnums: "a" })(x, v, x)));
  },

  grad_has_aux(log) {
    const f = (t: Tensor): unknown => [t.mul(t).sum(), { twice: t.mul(2), list: [t.sum()] }];
    const [g, aux] = grad(f, { has_aux: true })(x);
    log(g, aux.twice, aux.list, aux.twice.requires_grad);
    const [h, [value, other]] = grad_and_value(f, { has_aux: true })(x);
    log(h, value, other.list);
    log(attempt(() => grad((t: Tensor) => t.sum(), { has_aux: true })(x)));
    log(attempt(() => grad((t: Tensor) => [t.sum(), 1, 2], { has_aux: true })(x)));
  },

  grad_of_structures(log) {
    const f = (p: Loose, q: Loose): Tensor => p.w.mul(q[0]).add(p.deep[0].b).sum().mul(q[1]);
    const [g, [first, second]] = grad(f, { argnums: [0, 1] })({ w: x, deep: [{ b: v }], unused: v }, [v, scalar(2)]);
    log(g.w, g.deep[0].b, g.unused, first, second, Object.keys(g).sort());
  },

  grad_refuses(log) {
    log(attempt(() => grad((t: Tensor) => t.mul(2))(x)));
    log(attempt(() => grad(() => 3)(x)));
    log(attempt(() => grad(() => null)(x)));
    log(attempt(() => grad((t: Tensor) => [t.sum(), t.sum()])(x)));
    log(attempt(() => grad((t: Tensor) => t.sum())(torch.tensor([1, 2]))));
    log(attempt(() => grad((t: Loose) => t.a.sum())({ a: x, b: 3 })));
    log(attempt(() => grad(() => torch.ones([]))(3)));
  },

  value_with_gradient(log) {
    const [g, value] = grad_and_value((a: Tensor, b: Tensor) => a.sin().mul(b).sum(), { argnums: 1 })(x, v);
    log(g, value, g.requires_grad, value.requires_grad);
  },

  outer_history_passes_through(log) {
    const w = leaf(1, 2, 3);
    const g = grad((t: Tensor) => t.pow(3).mul(w).sum())(x);
    log(g.requires_grad, node(g), torch.autograd.grad(g.sum(), w));
    const y = leaf(1, -1, 2);
    grad((t: Tensor) => t.pow(3).sum())(y)
      .sum()
      .backward();
    log(y.grad);
    const value = grad_and_value((t: Tensor) => t.mul(w).sum())(y)[1];
    log(value.requires_grad, torch.autograd.grad(value, [y, w]));
  },

  no_grad_inside_and_outside(log) {
    const inside = (t: Tensor): Tensor => {
      const shift = torch.no_grad(() => t.mul(t));
      return t.pow(3).sub(shift.mul(t)).sum();
    };
    log(grad(inside)(x), grad((u: Tensor) => grad(inside)(u).sum())(x));
    const w = leaf(1, 2, 3);
    const [g, gg, enabled] = torch.no_grad(() => [
      grad((t: Tensor) => t.mul(t).mul(w).sum())(x),
      grad((u: Tensor) => grad((t: Tensor) => t.pow(3).sum())(u).sum())(x),
      grad((t: Tensor) => t.sum().mul(Number(torch.is_grad_enabled())))(x),
    ]);
    log(g, g.requires_grad, gg, enabled, torch.is_grad_enabled());
  },

  inplace_inside_grad(log) {
    const f = (t: Tensor): Tensor => {
      const y = t.mul(1);
      y.mul_(t);
      y.index_put_([0], y.sum());
      y.narrow(0, 1, 2).exp_();
      return y.mul(t).sum();
    };
    log(grad(f)(x), grad((u: Tensor) => grad(f)(u).sum())(x));
    log(attempt(() => grad((t: Tensor) => t.mul_(2).sum())(x.clone())));
    log(attempt(() => grad((t: Tensor) => t.view(3, 1).mul_(2).sum())(x.clone())));
    const keep = x.clone();
    log(attempt(() => grad((t: Tensor) => keep.copy_(t).sum())(x)));
    log(attempt(() => grad((t: Tensor) => keep.at(0).copy_(t.at(0)).sum())(x)));
    const constant = (t: Tensor): Tensor => {
      keep.copy_(v);
      return t.sum();
    };
    log(
      attempt(() => grad(constant)(x)),
      keep,
    );
    const stale = (t: Tensor): Tensor => {
      const y = t.exp();
      const z = y.mul(2);
      y.add_(1);
      return z.sum().add(y.sum());
    };
    log(attempt(() => grad(stale)(x)));
  },

  factories_inside_grad(log) {
    const fill = (t: Tensor): Tensor => {
      const z = torch.zeros(2, 3);
      const row = z.at(1);
      row.copy_(t.mul(t));
      z.index_put_([0, 2], t.at(0));
      return z.t().pow(2).sum();
    };
    log(grad(fill)(x), grad((u: Tensor) => grad(fill)(u).sum())(x));
    log(grad((t: Tensor) => t.new_ones(3).mul_(t).prod())(x));
    log(grad((t: Tensor) => torch.empty_like(t).copy_(t).pow(2).sum())(x));
    log(grad((t: Tensor) => torch.eye(3).matmul(t).sum().add(torch.full_like(t, 2).mul(t).sum()))(x));
  },

  forbidden_inside_transforms(log) {
    const after = (t: Tensor, first: () => unknown): Tensor => {
      first();
      return t.sum();
    };
    for (const transform of [grad, vmap]) {
      log(attempt(() => transform((t: Tensor) => after(t, () => torch.zeros(3).requires_grad_()))(x)));
      log(attempt(() => transform((t: Tensor) => after(t, () => t.mul(2).sum().backward()))(x)));
    }
    log(attempt(() => grad((t: Tensor) => after(t, () => t.mul(2).retain_grad()))(x)));
    const data = (t: Tensor): Tensor => {
      const z = t.mul(2);
      z.data = torch.ones(3);
      return z.sum();
    };
    log(attempt(() => grad(data)(x)));
    log(
      attempt(() => vmap((t: Tensor) => t.data.mul(t))(x)),
      grad((t: Tensor) => t.data.mul(t).sum())(x),
    );
    const z: Tensor[] = [];
    log(grad((t: Tensor) => after(t, () => z.push(torch.zeros(2, { requires_grad: true }))))(x), z[0].requires_grad);
  },

  autograd_grad_inside(log) {
    const first = (y: Tensor, t: Tensor): Tensor => torch.autograd.grad(y, [t], { create_graph: true })[0] as Tensor;
    log(grad((t: Tensor) => first(t.pow(3).sum(), t).mul(t).sum())(x));
    log(vmap(grad((t: Tensor) => first(t.pow(3), t)))(x));
    log(attempt(() => grad((t: Tensor) => first(torch.ones([]), t).sum())(x)));
  },

  saved_tensor_hooks_are_refused(log) {
    const same = (s: Tensor): Tensor => s;
    const hooked = <R>(body: () => R): R => torch.autograd.graph.saved_tensors_hooks(same, same, body);
    const f = (t: Tensor): Tensor => hooked(() => t.mul(t).sum());
    log(
      attempt(() => grad(f)(x)),
      attempt(() => hooked(() => grad((t: Tensor) => t.mul(t).sum())(x))),
    );
    log(
      attempt(() => vjp(f, x)),
      jvp(f, [x], [v]),
      vmap(f)(x),
    );
  },

  detaching(log) {
    log(grad((t: Tensor) => t.detach().mul(t).sum())(x), grad((t: Tensor) => t.mul(2).detach_().mul(t).sum())(x));
    log(grad((u: Tensor) => grad((t: Tensor) => t.detach().mul(t).mul(t).sum())(u).sum())(x));
    log(jvp((t: Tensor) => t.detach().mul(t), [x], [v]));
  },

  what_escapes(log) {
    const kept: Tensor[] = [];
    const f = (t: Tensor): Tensor => {
      kept.push(t.mul(2));
      return kept[kept.length - 1].sum();
    };
    grad(f)(x);
    const dead = kept[0];
    log(dead.add(1), dead.add(1).requires_grad, dead.mul(leaf(1, 1, 1)).requires_grad);
    log(dead.view(3, 1).mul(2), dead.tolist());
    log(grad((t: Tensor) => t.mul(dead).sum())(x));
    vmap(f)(x);
    log(
      attempt(() => kept[1].add(1)),
      attempt(() => kept[1].item()),
    );
  },

  flags_and_texts(log) {
    const f = (t: Tensor): Tensor => {
      const y = t.mul(2);
      log(t.requires_grad, t.is_leaf, node(t), y.requires_grad, y.is_leaf, node(y), all(y), String(y.dtype));
      log(String(y), debug_unwrap(y));
      return y.sum();
    };
    const g = (t: Tensor): Tensor => {
      log(String(t), all(t), t.dim(), t.requires_grad, all(debug_unwrap(t, { recurse: false })));
      return t.mul(2);
    };
    grad(f)(x);
    vmap(g)(torch.ones(2, 2));
    vmap(g, { in_dims: 1 })(torch.ones(2, 2));
    vmap(grad((t: Tensor) => g(t).sum()))(torch.ones(2, 2));
    grad((t: Tensor) => vmap(g)(t).sum())(torch.ones(2, 2));
  },

  vjp_structures(log) {
    const [out, f] = vjp((a: Tensor, b: Tensor) => ({ p: a.mul(b), q: [a.sum()] }), x, v);
    log(out.p, out.q, f({ p: x, q: [scalar(2)] }));
    const [squared, h, aux] = vjp((t: Tensor) => [t.pow(2), { z: t.sum() }], x, { has_aux: true });
    log(squared, h(v), h(x), aux.z);
    log(vjp((a: Tensor, _b: Tensor) => a.mul(2), x, v)[1](x));
    log(vjp((t: Tensor) => t.mul(2), x)[1](x.double()));
  },

  vjp_refuses(log) {
    log(
      attempt(() => vjp(() => 3, x)),
      attempt(() => vjp(() => null, x)),
      attempt(() => vjp(() => [], x)),
    );
    log(
      attempt(() => vjp((t: Tensor) => t.long(), x)),
      attempt(() => vjp((t: Tensor) => t, 3)),
    );
    log(
      attempt(() => vjp((t: Tensor) => [t, t.mul(2)], x)[1](x)),
      attempt(() => vjp((t: Tensor) => ({ a: t }), x)[1]([x])),
    );
    log(attempt(() => vjp((t: Tensor) => t.mul(2), x)[1](torch.ones(2))));
    log(attempt(() => vjp((t: Tensor) => t, x, { has_aux: true })));
  },

  pullbacks_are_differentiable(log) {
    const cube = (t: Tensor): Tensor => t.pow(3);
    log(
      grad((t: Tensor) => vjp(cube, t)[1](v)[0].sum())(x),
      grad((c: Tensor) => vjp(cube, x)[1](c)[0].mul(x).sum())(v),
    );
    log(vmap(vjp(cube, x)[1])(torch.eye(3)));
    log(vjp((t: Tensor) => vjp(cube, t)[1](v)[0], x)[1](x));
    const w = leaf(1, 2, 3);
    const [g] = vjp((t: Tensor) => t.pow(2).mul(w), x)[1](v);
    log(g, torch.autograd.grad(g.sum(), w));
    torch.no_grad(() => log(vjp((t: Tensor) => t.pow(2).mul(w), x)[1](v)[0].requires_grad));
  },

  jvp_structures(log) {
    log(jvp((a: Tensor, b: Tensor) => ({ p: a.mul(b), q: [a.sum()] }), [x, v], [v, x])[1].p);
    log(...jvp((d: Loose) => d.a.mul(d.b[0]), [{ a: x, b: [v] }], [{ a: v, b: [x] }]));
    log(jvp((t: Tensor) => [t.pow(2), t.mul(3)], [x], [v], { has_aux: true }));
    log(jvp(() => torch.ones(2), [x], [v]));
    const w = leaf(1, 2, 3);
    const [out, tangent] = jvp((t: Tensor) => t.pow(2).mul(w), [x], [v]);
    log(out.requires_grad, torch.autograd.grad(tangent.sum(), w));
  },

  jvp_refuses(log) {
    const same = (t: Tensor): Tensor => t;
    log(
      attempt(() => jvp(same, x, x)),
      attempt(() => jvp(() => x, [], [])),
    );
    log(
      attempt(() => jvp(same, [3], [x])),
      attempt(() => jvp(() => 3, [x], [x])),
    );
    log(
      attempt(() => jvp(() => null, [x], [x])),
      attempt(() => jvp(same, [x], [torch.ones(2)])),
    );
    log(attempt(() => jvp(() => torch.ones(2), [x], [x], { strict: true })));
    log(attempt(() => jvp(same, [x], [x], { has_aux: true })));
  },

  jvp_nested(log) {
    const f = (t: Tensor): Tensor => t.sin().mul(t).sum();
    log(jvp((t: Tensor) => jvp(torch.sin, [t], [v])[1], [x], [v]));
    log(jvp(grad(f), [x], [v]), grad((t: Tensor) => jvp(f, [t], [v])[1])(x));
    log(vjp((t: Tensor) => jvp(torch.exp, [t], [v])[1], x)[1](v));
    log(jvp((a: Tensor) => jvp((b: Tensor) => a.mul(b).mul(b), [v], [x])[1], [x], [v]));
    log(jvp((a: Tensor) => jvp((b: Tensor) => b.mul(2), [v], [a])[1], [x], [v]));
  },

  jvp_inplace(log) {
    const [p, q] = [x.clone(), v.clone()];
    log(
      jvp((t: Tensor) => t.mul_(2), [p], [q]),
      p,
      q,
    );
    const f = (t: Tensor): Tensor => {
      const z = torch.zeros(3);
      z.copy_(t);
      z.index_put_([0], t.sum());
      z.narrow(0, 1, 2).mul_(t.narrow(0, 1, 2));
      return z;
    };
    log(
      jvp(f, [x], [v]),
      jvp((t: Tensor) => grad((u: Tensor) => f(u).sum())(t), [x], [v]),
    );
  },

  linearized(log) {
    const [out, f] = linearize((a: Tensor, b: Tensor) => ({ y: a.sin().mul(b) }), x, v);
    log(out.y, f(v, x).y, f(x, v).y);
    const g = linearize(torch.sin, x)[1];
    log(
      attempt(() => g(torch.ones(2))),
      attempt(() => g(x.double())),
    );
    log(vmap(g)(torch.eye(3)));
  },

  jacobians_in_reverse(log) {
    const f = (a: Tensor, b: Tensor): unknown => [a.mul(b.sum()), { s: a.mul(a).sum() }];
    const one = jacrev(f)(x, v);
    log(one[0], one[1].s);
    const out = jacrev(f, { argnums: [0, 1] })(x, v);
    log(out[0][0], out[0][1], out[1].s);
    for (const n of [1, 2, 3, 7]) log(jacrev(torch.tanh, { chunk_size: n })(x));
    log(
      attempt(() => jacrev(torch.tanh, { chunk_size: 0 })),
      jacrev((t: Tensor) => [t.pow(2), t], { has_aux: true })(x),
    );
    const gram = (t: Tensor): Tensor => t.t().matmul(t);
    log(all(jacrev(gram)(matrix())), jacrev((t: Tensor) => gram(t).at(0))(matrix()));
    log(
      attempt(() => jacrev(() => 3)(x)),
      attempt(() => jacrev(torch.sin, { argnums: 1 })(x)),
    );
  },

  jacobians_forward(log) {
    const f = (a: Tensor, b: Tensor): unknown => [a.mul(b.sum()), { s: a.mul(a).sum() }];
    const one = jacfwd(f)(x, v);
    log(one[0], one[1].s);
    const out = jacfwd(f, { argnums: [1, 0] })(x, v);
    log(out[0][0], out[0][1], out[1].s);
    log(jacfwd((t: Tensor) => [t.pow(2), { a: t }], { has_aux: true })(x)[1].a);
    const gram = (t: Tensor): Tensor => t.t().matmul(t);
    log(all(jacfwd(gram)(matrix())), jacfwd((t: Tensor) => gram(t).at(0))(matrix()));
  },

  second_derivatives_in_four_ways(log) {
    const f = (t: Tensor): Tensor => t.softmax(0).log().mul(v).sum().add(t.prod());
    for (const a of [jacfwd, jacrev]) for (const b of [jacfwd, jacrev]) log(a(b(f))(x));
    log(hessian(f)(x), hessian((a: Tensor, b: Tensor) => a.pow(3).mul(b).sum(), { argnums: [0, 1] })(x, v));
    log(jacrev(hessian((t: Tensor) => t.pow(4).sum()))(x.narrow(0, 0, 2)));
  },

  vmap_of_gradients(log) {
    const m = matrix();
    const f = (t: Tensor): Tensor =>
      t.view(3, 1).mul(t.unsqueeze(0)).expand(3, 3).transpose(0, 1).select(0, 1).pow(2).sum();
    log(vmap(grad(f))(m), torch.stack([...m].map((r) => grad(f)(r))));
    log(vmap(jacrev(torch.sin))(m), vmap(hessian((t: Tensor) => t.pow(3).sum()))(m));
    log(
      vmap(
        grad((a: Tensor, b: Tensor) => a.mul(b).sum().exp()),
        { in_dims: [0, null] },
      )(m.div(5), v),
    );
    log(
      vmap(vmap(grad((a: Tensor) => a.pow(3))))(m),
      vmap((t: Tensor, s: Tensor) => jvp(torch.sin, [t], [s])[1])(m, m.add(1)),
    );
  },

  gradient_of_vmap(log) {
    const m = matrix();
    log(grad((t: Tensor) => vmap((r: Tensor) => r.sin().mul(r.at(0)))(t).sum())(m));
    log(
      grad((t: Tensor) =>
        vmap((r: Tensor) => r.mul(t).sum())(m)
          .pow(2)
          .sum(),
      )(x),
    );
    const part = (r: Tensor): Tensor => r.view(3, 1).expand(3, 2).t().select(0, 1).narrow(0, 1, 2).sum();
    log(grad((t: Tensor) => vmap(part, { in_dims: 1 })(t).prod())(m.t().add(1)));
    log(
      jacfwd((t: Tensor) => vmap((r: Tensor) => r.cumsum(0))(t).at(1))(m),
      hessian((t: Tensor) => vmap(torch.dot)(t, t).prod())(m)
        .at(0)
        .at(0),
    );
  },

  vmap_inplace(log) {
    const m = matrix();
    const f = (r: Tensor): Tensor => {
      const z = r.new_zeros(2, 3);
      z.at(1).copy_(r);
      z.at(0).add_(r.mul(2));
      z.t().at(0).mul_(10);
      return z;
    };
    log(vmap(f)(m), grad((t: Tensor) => vmap(f)(t).pow(2).sum())(m));
    log(attempt(() => vmap((r: Tensor) => torch.zeros(3).copy_(r))(m)));
    const keep = m.clone();
    vmap((r: Tensor) => r.mul_(2), { in_dims: 1 })(keep);
    log(keep);
  },

  vmap_reads_no_values(log) {
    const m = matrix();
    log(
      attempt(() => vmap((r: Tensor) => r.sum().item())(m)),
      attempt(() => vmap((r: Tensor) => r.tolist())(m)),
    );
    log(attempt(() => vmap((r: Tensor) => r.mul(Number(r.at(0).item())))(m)));
    log(attempt(() => vmap((r: Tensor) => (r.at(0).is_nonzero() ? r : r.neg()))(m)));
    log(grad((t: Tensor) => t.sum().mul(t.at(1).item() as number))(x));
  },

  promotion_of_samples(log) {
    const ints = torch.arange(3);
    for (const f of [
      (t: Tensor) => t.add(1.5),
      (t: Tensor) => t.mul(torch.tensor(2)),
      (t: Tensor) => t.add(torch.ones(2)),
      (t: Tensor) => t.div(2),
    ]) {
      const y = vmap(f)(ints);
      log(y, String(y.dtype));
    }
    const y = vmap((t: Tensor) => t.mul(torch.ones(2, { dtype: torch.float64 })))(x);
    const z = vmap((t: Tensor) => torch.ones(2, { dtype: torch.float16 }).mul(t))(x);
    log(y, String(y.dtype), z, String(z.dtype));
  },

  custom_functions(log) {
    const kinds = customKinds(log);
    const { square, generated: g, byHand: h, both, old } = kinds;
    log(grad((t: Tensor) => square(t).sum())(x), grad((u: Tensor) => grad((t: Tensor) => square(t).sum())(u).sum())(x));
    log(
      attempt(() => vmap(square)(x)),
      attempt(() => jvp(square, [x], [x])),
    );
    log(vmap(g)(x), vmap(grad(g))(x), vmap(grad(grad(g)))(x), grad((t: Tensor) => vmap(g)(t).sum())(x));
    log(jacfwd(g)(x), jacrev(g)(x));
    log(vmap(h)(x), vmap(grad(h))(x), vmap(h, { in_dims: 1, out_dims: 1 })(torch.ones(2, 3)));
    log(
      attempt(() => vmap(both)(x)),
      attempt(() => grad((t: Tensor) => old(t).sum())(x)),
    );
    log(attempt(() => vmap(old)(x)));
  },

  custom_function_of_several(log) {
    class Two extends torch.autograd.Function {
      static override generate_vmap_rule = true;
      static forward(a: Tensor, b: Tensor, k: number): Tensor[] {
        return [a.mul(b).mul(k), a.add(b)];
      }
      static setup_context(ctx: Loose, inputs: Loose): void {
        ctx.save_for_backward(inputs[0], inputs[1]);
        ctx.k = inputs[2];
      }
      static backward(ctx: Loose, g: Tensor, h: Tensor): unknown {
        const [a, b] = ctx.saved_tensors;
        log([...ctx.needs_input_grad]);
        return [g.mul(b).mul(ctx.k).add(h), g.mul(a).mul(ctx.k).add(h), null];
      }
    }
    const two = Two.apply as unknown as F;
    const f = (a: Tensor, b: Tensor): Tensor => {
      const [product, sum] = two(a, b, 3);
      return product.mul(sum).sum();
    };
    log(grad(f, { argnums: [0, 1] })(x, v), grad(f)(x, v));
    const pair = vmap((a: Tensor) => two(a, v, 2))(x);
    log(pair, grad((b: Tensor) => vmap((a: Tensor) => two(a, b, 2)[0].sum())(x).sum())(v));
    log(
      vmap(
        grad((a: Tensor, b: Tensor) => two(a, b, 2)[0].sum()),
        { in_dims: [0, null] },
      )(x, v),
    );
  },

  functionalized(log) {
    const f = (t: Tensor): Tensor[] => {
      const y = t.clone();
      y.index_put_([0], scalar(5));
      const part = y.view(3, 1);
      part.mul_(2);
      y.t().add_(t);
      return [y, part, part.narrow(0, 1, 2).detach()];
    };
    const functionalize = func.functionalize as F;
    log(functionalize(f)(x), functionalize(f, { remove: "mutations_and_views" })(x), f(x));
    const a = x.clone();
    const change = (t: Tensor): Tensor => {
      t.add_(1).narrow(0, 1, 2).mul_(3);
      return t;
    };
    log(functionalize(change)(a), a);
    const fill = (t: Tensor): Tensor => {
      const z = torch.zeros(2, 3);
      z.at(1).copy_(t);
      z.t()
        .at(0)
        .add_(t.narrow(0, 0, 2).sum());
      log(all(z), z.stride());
      return z.unsqueeze_(0).mul(2);
    };
    const squares = (t: Tensor): Tensor => {
      const z = t.mul(2).view(3, 1);
      z.t().at(0).add_(t.sum());
      return z.mul_(t.view(3, 1)).pow(2).sum();
    };
    log(functionalize(fill)(x), vmap(functionalize(fill))(torch.stack([x, v])));
    log(grad(functionalize(squares))(x), functionalize(grad(squares))(x));
    log(vmap(grad(functionalize(squares)))(torch.stack([x, v])));
    log(functionalize((t: Tensor) => ({ a: [t.mul_(2)], b: 3 }))(x.clone()).a);
    functionalize((t: Tensor) => log(String(t.mul(2)), t.sum().item()))(x);
    log(attempt(() => functionalize((t: Tensor) => t, { remove: "nothing" })(x)));
  },

  functional_calls(log) {
    torch.manual_seed(3);
    const net = new nn.Sequential(new nn.Linear(2, 3), new nn.Tanh(), new nn.Linear(3, 1));
    const one = torch.ones(1, 2);
    const w = torch.ones(3, 2).div(2);
    log(functional_call(net, { "0.weight": w }, one));
    log(functional_call(net, [{ "0.weight": w }, { "0.bias": w.select(1, 0) }], [one]));
    log(
      attempt(() => functional_call(net, 3, one)),
      attempt(() => functional_call(net, [{ "0.weight": w }, 3], one)),
    );
    log(attempt(() => functional_call(net, [{ "0.weight": w }, { "0.weight": w }], one)));
    log(attempt(() => functional_call(net, { "0.weight": w }, one, { strict: true })));
    const params = [...net.named_parameters()];
    const state = Object.fromEntries(params.map(([name, p]) => [name, p.detach()]));
    const g = grad((p: Loose) => functional_call(net, p, one).sum())(state);
    net(one).sum().backward();
    for (const [name, p] of params) log(name, g[name], torch.allclose(g[name], p.grad as Tensor));
  },

  stacked_states(log) {
    torch.manual_seed(5);
    const models = [0, 1, 2].map(() => new nn.Linear(2, 1));
    const [params, buffers] = stack_module_state(models) as [Record<string, Tensor>, object];
    const list = Object.values(params);
    log(
      Object.keys(params),
      list.map(all),
      list.map((p) => p.requires_grad),
    );
    log(Object.keys(buffers));
    const one = torch.ones(4, 2);
    const y = vmap((p: Loose) => functional_call(models[0], p, one))(params);
    log(y, torch.stack(models.map((m) => m(one))));
    y.sum().backward();
    log(params.weight.grad, params.bias.grad);
    log(
      attempt(() => stack_module_state([])),
      attempt(() => stack_module_state([models[0], new nn.ReLU()])),
    );
    log(attempt(() => stack_module_state([models[0], new nn.Linear(2, 1).eval()])));
  },
};

/** A square whose gradient is half as much again, with all ways to be batched. */
function customKinds(log: Log): Record<"square" | "generated" | "byHand" | "both" | "old", F> {
  class Square extends torch.autograd.Function {
    static forward(t: Tensor): Tensor {
      return t.mul(t);
    }
    static setup_context(ctx: Loose, inputs: Loose): void {
      ctx.save_for_backward(...inputs);
    }
    static backward(ctx: Loose, g: Tensor): Tensor {
      return g.mul(3).mul(ctx.saved_tensors[0]);
    }
  }
  class Generated extends Square {
    static override generate_vmap_rule = true;
    static jvp(_: unknown, t: Tensor): Tensor {
      return t.mul(5);
    }
  }
  class ByHand extends Square {
    static vmap(info: Loose, in_dims: Loose, t: Tensor): unknown {
      log(info.batch_size, info.randomness, in_dims[0], all(t));
      return [(ByHand.apply as unknown as F)(t).add(100), in_dims[0]];
    }
  }
  class Both extends ByHand {
    static override generate_vmap_rule = true;
  }
  class Old extends torch.autograd.Function {
    static forward(_: unknown, t: Tensor): Tensor {
      return t.mul(1);
    }
  }
  const call = (kind: unknown): F => (kind as { apply: F }).apply;
  return { square: call(Square), generated: call(Generated), byHand: call(ByHand), both: call(Both), old: call(Old) };
}
