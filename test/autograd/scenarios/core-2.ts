/** In-place changes and views, second part. */
import * as torch from "../../../src/index.ts";
import { attempt, edges, f32, leaf, node, range, type Scenarios, type Tensor } from "./common.ts";

const { grad } = torch.autograd;
const F = torch.nn.functional;
const keep = { retain_graph: true } as const;
const unused = { allow_unused: true } as const;
const create = { create_graph: true } as const;

type Change = (y: Tensor) => Tensor;
const longs = (...values: number[]): Tensor => torch.tensor(values);
const mask = (...values: boolean[]): Tensor => torch.tensor(values);
const square = (): Tensor => f32([1, 2, 3, 4]).view(2, 2);

export const scenarios: Scenarios = {
  assigning_to_parts(log) {
    const x = leaf(1, 2, 3);
    let y = torch.zeros(2, 3);
    y.select(0, 0).copy_(x);
    y.select(0, 1).fill_(5);
    y.select(1, 2).copy_(x.select(0, 0));
    log(y, node(y), grad(y.mul(range(6).view(2, 3)).sum(), x)[0]);
    y = x.mul(2);
    y.index_put_([longs(0, 2)], x.narrow(0, 1, 2));
    log(y, node(y), grad(y.mul(f32([1, 10, 100])).sum(), x)[0]);
    y = x.mul(2);
    y.index_put_([mask(true, false, true)], f32([9, 8]));
    log(y, node(y), grad(y.mul(f32([1, 10, 100])).sum(), x)[0]);
    y = x.mul(2);
    y.index_put_([longs(1, 1)], x.narrow(0, 0, 2), { accumulate: true });
    log(y, grad(y.mul(y).sum(), x)[0]);
    y = x.mul(2);
    y.masked_fill_(mask(false, true, false), 7);
    log(y, node(y), grad(y.sum(), x)[0]);
    y = x.mul(2);
    const s = leaf(4);
    y.masked_fill_(mask(false, true, true), s.select(0, 0));
    log(y, grad(y.sum(), [x, s]));
    const z = torch.zeros(3);
    z.select(0, 1).add_(s.select(0, 0));
    log(
      z,
      z.requires_grad,
      node(z),
      attempt(() => z.requires_grad_(false)),
    );
  },

  index_ops_in_place(log) {
    const x = leaf(1, 2, 3, 4);
    const w = leaf(10, 20);
    const i = longs(3, 0);
    const weights = f32([1, 10, 100, 1000]);
    const changes: Change[] = [
      (y) => y.index_add_(0, i, w),
      (y) => y.index_copy_(0, i, w),
      (y) => y.index_fill_(0, i, 6),
      (y) => y.scatter_(0, i, w),
      (y) => y.scatter_add_(0, i, w),
      (y) => y.masked_scatter_(mask(true, false, false, true), w),
      (y) => y.view(2, 2).diagonal().zero_(),
      (y) => y.view(2, 2).index_add_(1, longs(1), w.view(2, 1)),
      (y) => y.narrow(0, 1, 2).scatter_(0, longs(1, 0), w),
    ];
    for (const change of changes) {
      const y = x.mul(2);
      change(y);
      log(y, node(y), y._version);
      log(grad(y.mul(y).mul(weights).sum(), [x, w], unused));
    }
  },

  changes_without_a_gradient(log) {
    const x = leaf(1.5, 2.5);
    const changes: Change[] = [
      (y) => y.floor_(),
      (y) => y.round_(),
      (y) => y.sign_(),
      (y) => y.zero_(),
      (y) => y.fill_(3),
      (y) => y.gt_(0),
      (y) => y.trunc_(),
      (y) => y.frac_(),
      (y) => y.narrow(0, 0, 1).zero_(),
    ];
    for (const change of changes) {
      const y = x.mul(2);
      log(
        node(change(y)),
        y,
        y.requires_grad,
        edges(y),
        attempt(() => grad(y.sum(), x, unused)[0]),
      );
    }
    let y = x.mul(2);
    const z = y.mul(y);
    y.zero_();
    log(attempt(() => grad(z.sum(), x)));
    const s = leaf(3);
    y = x.mul(2);
    y.fill_(s.select(0, 0));
    log(y, node(y), grad(y.sum(), [x, s], unused));
  },

  a_result_written_over_its_inputs(log) {
    const x = leaf(2, 3);
    let y = x.clone();
    y.mul_(y);
    log(
      y,
      attempt(() => grad(y.sum(), x)),
    );
    y = x.clone();
    y.add_(y);
    log(y, grad(y.sum(), x)[0]);
    y = x.clone();
    y.mul_(x);
    log(y, grad(y.sum(), x)[0]);
    y = x.clone();
    y.div_(x.add(1));
    log(y, grad(y.sum(), x)[0]);
    y = x.clone();
    const w = y.add(1);
    w.mul_(y);
    y.add_(1);
    log(attempt(() => grad(w.sum(), x)));
    y = x.clone();
    y.pow_(2);
    y.pow_(2);
    log(attempt(() => grad(y.sum(), x)[0]));
    y = x.clone();
    y.exp_().log_().sqrt_();
    log(attempt(() => grad(y.sum(), x)[0]));
    y = x.clone();
    y.tanh_();
    log(grad(y.sum(), x)[0]);
    y = x.clone();
    y.addcmul_(x, x, { value: 2 });
    log(y, grad(y.sum(), x)[0]);
    y = x.clone();
    y.lerp_(x.mul(3), 0.5);
    log(y, grad(y.sum(), x)[0]);
    y = x.view(1, 2).clone();
    y.addmm_(x.view(1, 2), torch.ones(2, 2));
    log(y, node(y), grad(y.sum(), x)[0]);
  },

  activations_in_place(log) {
    const x = leaf(-1, 0, 2);
    const changes: Change[] = [
      (t) => F.relu(t, { inplace: true }),
      (t) => F.leaky_relu(t, 0.1, { inplace: true }),
      (t) => F.elu(t, { inplace: true }),
      (t) => F.hardtanh(t, { inplace: true }),
      (t) => t.sigmoid_(),
      (t) => F.threshold(t, 0.5, 3, { inplace: true }),
    ];
    for (const act of changes) {
      let y = x.mul(1);
      let z = act(y);
      log(z === y, y._version, grad(z.sum(), x)[0]);
      y = x.exp();
      z = act(y);
      log(attempt(() => grad(z.sum(), x)[0]));
    }
    log(
      attempt(() => F.relu(x, { inplace: true })),
      attempt(() => F.relu(x.view(3, 1), { inplace: true })),
    );
    const y = x.mul(1);
    const z = F.relu(y.narrow(0, 1, 2), { inplace: true });
    log(y, node(z), node(y), grad(y.sum(), x)[0]);
  },

  derivatives_of_changed_tensors_twice(log) {
    const x = leaf(1, 2, 3);
    let y = x.mul(x);
    y.narrow(0, 0, 2).mul_(x.narrow(0, 1, 2));
    let [g] = grad(y.sum(), x, create);
    log(g, grad(g.mul(g).sum(), x)[0]);
    y = x.clone();
    y.select(0, 1).pow_(3);
    y.mul_(y.clone());
    [g] = grad(y.sum(), x, create);
    log(g, grad(g.sum(), x)[0]);
    const base = torch.zeros(2, 3);
    base.select(0, 1).copy_(x.mul(x));
    base.t().select(0, 0).add_(x.select(0, 2));
    [g] = grad(base.mul(base).sum(), x, create);
    log(g, grad(g.sum(), x)[0]);
  },

  as_strided_views(log) {
    const x = leaf(1, 2, 3, 4, 5, 6);
    let y = x.as_strided([2, 3], [3, 1]);
    log(y, node(y), grad(y.mul(range(6).view(2, 3)).sum(), x)[0]);
    y = x.as_strided([3, 3], [1, 1]);
    log(y, grad(y.mul(range(9).view(3, 3)).sum(), x)[0]);
    y = x.as_strided([2, 2], [0, 1], 2);
    log(y, grad(y.sum(), x)[0]);
    y = x.mul(1);
    let v = y.as_strided([2, 2], [3, 1], 1);
    v.mul_(10);
    log(y, node(y), grad(y.mul(range(6)).sum(), x)[0]);
    y = x.mul(1);
    v = y.view(2, 3).as_strided([2], [2], 1);
    log(v._base === y, v, grad(v.mul(f32([1, 10])).sum(), x)[0]);
    const e = leaf(1, 2).view(2, 1).expand(2, 3);
    v = e.as_strided([2, 3], [1, 0]);
    log(
      v,
      attempt(() => grad(v.sum(), e)[0]),
    );
    log(
      attempt(() => x.as_strided([4, 4], [3, 1])),
      attempt(() => x.as_strided([2], [1, 1])),
    );
    v = x.view(2, 3).t().as_strided([2, 2], [1, 3]);
    log(grad(v.mul(square()).sum(), x)[0]);
  },

  views_of_other_dtypes_and_casts(log) {
    const x = leaf(1, 2);
    let y = x.double();
    log(node(y), y._is_view(), grad(y.mul(3).sum(), x)[0].dtype === torch.float32);
    const bits = x.view(torch.int32);
    log(x.float() === x, x.to(torch.float32) === x, bits._is_view(), bits.requires_grad);
    y = x.view_as(torch.zeros(2, 1));
    log(node(y), y._is_view());
    log(x.contiguous() === x, x.reshape(2) === x, node(x.reshape(2)), x.reshape(2)._is_view());
    const t = x.mul(1).view(1, 2).expand(2, 2).t();
    log(node(t.contiguous()), t.contiguous()._is_view(), node(t.reshape(4)), t.reshape(4)._is_view());
    log(x.expand(2)._is_view(), x.expand_as(x) === x, node(x.squeeze()), x.flatten() === x, x.detach() === x);
    const h = x.mul(1);
    const d = h.double();
    d.add_(1);
    log(h._version, d._version, h);
    h.float().add_(1);
    log(h._version, h);
  },

  version_counters(log) {
    const x = torch.ones(2, 3);
    const views = [x.view(6), x.t(), x.select(0, 1), x.detach(), x.data, x.clone()];
    log(views.map((v) => v._version));
    x.add_(1);
    log(
      x._version,
      views.map((v) => v._version),
    );
    views[0].mul_(2);
    views[3].mul_(2);
    views[4].mul_(2);
    log(
      x._version,
      views.map((v) => v._version),
    );
    x.data = torch.zeros(2, 3);
    log(x._version, views[0]._version, x, views[1].sum().item());
    x.add_(1);
    log(x._version, views[0]._version, views[0].sum().item());
    const y = torch.zeros(3);
    y.requires_grad_();
    const g = torch.ones(3);
    y.grad = g;
    log(y._version, g._version);
    y.mul(2).sum().backward();
    log(y._version, g._version);
    torch.no_grad(() => {
      y.sub_(g);
      g.zero_();
    });
    log(y._version, g._version);
    torch.autograd.graph.increment_version(y);
    log(y._version);
    torch.autograd.graph.increment_version([y, x]);
    log(y._version, x._version);
    const e = torch.empty(3);
    e.fill_(1);
    e.uniform_();
    e.normal_();
    e.copy_(torch.zeros(3));
    torch.exp(torch.ones(3), { out: e });
    log(e._version);
    e.resize_(2);
    log(e._version);
  },

  retained_gradients_of_changed_tensors(log) {
    const x = leaf(1, 2);
    let y = x.mul(2);
    y.retain_grad();
    y.mul_(3);
    y.mul(y).sum().backward();
    log(y.grad, x.grad);
    x.grad = null;
    y = x.mul(2);
    y.retain_grad();
    const z = y.mul(5);
    y.mul_(3);
    z.sum().backward(keep);
    log(y.grad);
    y.sum().backward();
    log(y.grad, x.grad);
    y = x.mul(2);
    let v = y.view(2, 1);
    y.retain_grad();
    v.retain_grad();
    v.mul_(4);
    y.sum().backward();
    log(y.grad, v.grad, y.retains_grad, v.retains_grad);
    y = x.mul(2);
    v = y.view(2);
    v.retain_grad();
    y.mul_(2);
    v.mul(3).sum().backward();
    log(v.grad);
    y = x.mul(2);
    y.retain_grad();
    y.retain_grad();
    y.sum().backward(keep);
    y.sum().backward();
    log(y.grad);
    log(
      attempt(() => torch.zeros(2).retain_grad()),
      x.retain_grad(),
      x.retains_grad,
    );
    const b = torch.zeros(3);
    b.select(0, 0).copy_(x.select(0, 0));
    b.retain_grad();
    b.select(0, 1).copy_(x.select(0, 1));
    b.mul(range(3)).sum().backward();
    log(b.grad);
  },

  hooks_of_changed_tensors(log) {
    const say = (what: string) => (g: Tensor) => log(what, g);
    const x = leaf(1, 2);
    let y = x.mul(2);
    y.register_hook(say("before"));
    y.mul_(3);
    y.register_hook(say("after"));
    y.mul(f32([1, 10]))
      .sum()
      .backward();
    log(x.grad);
    x.grad = null;
    y = x.mul(2);
    const v = y.select(0, 0);
    v.register_hook(say("view before"));
    y.register_hook(say("base before"));
    v.mul_(5);
    v.register_hook(say("view after"));
    y.register_hook(say("base after"));
    y.sum().add(v.mul(2)).backward();
    log(x.grad);
    const w = leaf(1, 2);
    w.register_hook(say("leaf"));
    torch.no_grad(() => w.mul_(2));
    w.mul(3).sum().backward();
    log(w.grad);
    const t = torch.zeros(2, { requires_grad: true });
    const u = t.clone();
    u.register_hook((g: Tensor) => g.mul(2));
    u.add_(1);
    u.register_hook((g: Tensor) => g.mul(10));
    u.sum().backward();
    log(t.grad);
  },

  two_parts_changed_in_turn(log) {
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    let y = torch.zeros(2, 2);
    const [left, right] = [y.select(1, 0), y.select(1, 1)];
    left.add_(a);
    log(
      attempt(() => right.add_(b)),
      node(right),
    );
    right.add_(b);
    left.mul_(right.clone());
    log(y, [y, left, right].map(node), edges(left));
    log(attempt(() => grad(y.mul(square()).sum(), [a, b], keep)));
    right.mul_(left);
    log(attempt(() => grad(y.mul(square()).sum(), [a, b])));
    y = torch.zeros(4);
    for (let i = 0; i < 4; i++) y.select(0, i).copy_((i ? y.select(0, i - 1) : a.select(0, 0)).mul(2));
    log(y, grad(y.sum(), a)[0]);
    y = torch.ones(4);
    for (let i = 1; i < 4; i++) {
      y.select(0, i).mul_(a.select(0, 1));
      y.narrow(0, 0, i).add_(b.select(0, 0));
    }
    log(
      y,
      attempt(() => grad(y.mul(range(4)).sum(), [a, b])),
    );
  },

  in_place_on_what_is_not_recorded(log) {
    const x = leaf(1, 2);
    const y = x.detach();
    y.requires_grad_();
    const z = y.mul(y);
    torch.no_grad(() => x.add_(1));
    log(
      attempt(() => z.sum().backward()),
      y._version,
      x._version,
    );
    const p = leaf(1, 2);
    p.mul(p).sum().backward();
    torch.no_grad(() => p.sub_((p.grad as Tensor).mul(0.1)));
    log(p, p.is_leaf, p._version);
    p.grad = null;
    p.mul(p).sum().backward();
    log(p.grad);
    const q = p.detach().clone().requires_grad_();
    log(q.is_leaf, q._version, q.grad);
    const r = torch.no_grad(() => {
      const made = p.mul(2);
      log(made.requires_grad, made.is_leaf);
      return made.requires_grad_();
    });
    log(
      attempt(() => r.add_(1)),
      r.mul(2).requires_grad,
    );
    const s = torch.zeros(2);
    torch.no_grad(() => {
      s.copy_(p);
      s.mul_(p);
    });
    log(s.requires_grad, s);
    s.mul_(p);
    log(s.requires_grad, node(s), edges(s));
  },

  out_of_place_after_in_place(log) {
    const x = leaf(1, 2, 3, 4);
    let y = x.mul(2);
    const a = y.view(2, 2);
    y.view(-1).narrow(0, 0, 2).mul_(3);
    const b = a.add(1);
    log(edges(b), edges(a), node(y.view(2, 2)), node(y.t()));
    log(grad(b.sum(), x, keep)[0]);
    const c = a.clone();
    c.add_(1);
    log(node(a), node(c), y._version, c._version, a);
    log(a.contiguous() === a, a.t().contiguous()._version, a.flatten()._base === y);
    log(grad(a.mul(c).sum(), x)[0]);
    y = x.mul(2);
    const [first, rest] = [y.select(0, 0), y.narrow(0, 1, 3)];
    let total = first.add(rest.sum());
    y.mul_(2);
    total = total.add(first).add(rest.sum());
    log(grad(total, x)[0]);
  },

  loops_over_rows(log) {
    const x = leaf(1, 2, 3, 4);
    const rows = x.mul(2).view(2, 2);
    log(
      [...rows].map(node),
      rows.unbind()[1].output_nr,
      attempt(() => [...rows].map((r) => r.add_(1))),
    );
    const out = torch.zeros(2, 2);
    for (let i = 0; i < 2; i++) out.select(0, i).copy_(rows.select(0, i).mul(i + 1));
    log(out, grad(out.mul(out).sum(), x)[0]);
    let state = torch.zeros(2);
    const states: Tensor[] = [];
    for (let i = 0; i < 3; i++) {
      state = torch.tanh(state.add(x.narrow(0, i, 2)));
      states.push(state);
    }
    log(grad(torch.stack(states).sum(), x)[0]);
    const acc = torch.zeros([]);
    for (let i = 0; i < 4; i++) acc.add_(x.select(0, i).mul(i));
    log(acc, node(acc), grad(acc, x)[0]);
    let buf = torch.zeros(4);
    for (let i = 0; i < 4; i++) {
      buf = buf.clone();
      buf.select(0, i).copy_(x.select(0, i).pow(2));
    }
    log(buf, grad(buf.sum(), x)[0]);
  },

  setting_storage(log) {
    const x = leaf(1, 2, 3);
    log(attempt(() => x.set_(torch.zeros(2))));
    let y = x.mul(2);
    y.set_(torch.zeros(2));
    log(
      y,
      y._version,
      y.requires_grad,
      attempt(() => y.sum().backward()),
      x.grad,
    );
    const [z, s] = [torch.zeros(3), torch.ones(2)];
    const r = z.set_(s);
    log(r === z, z, z._version, s._version, z._is_view(), z.shape);
    s.add_(1);
    log(z, z._version);
    z.set_(s, 1, [1]);
    log(z, z.storage_offset(), z.stride());
    z.set_(s, 0, [1, 2], [2, 1]);
    log(z, z.shape, z.stride());
    log(attempt(() => z.set_(torch.zeros(2, { dtype: torch.float64 }))));
    z.set_();
    log(z.shape, z.numel());
    torch.no_grad(() => x.set_(torch.zeros(2)));
    log(x, x._version, x.requires_grad, x.is_leaf);
    y = x.mul(2);
    const w = y.mul(y);
    torch.no_grad(() => y.set_(torch.ones(2)));
    log(attempt(() => w.sum().backward()));
    const b = torch.zeros(4);
    const v = b.narrow(0, 0, 2);
    v.set_(torch.ones(3));
    log(v, v._base === b, b);
  },
};
