/** In-place changes and views. */
import * as torch from "../../../src/index.ts";
import { attempt, edges, f32, leaf, node, range, type Scenarios, type Tensor } from "./common.ts";

const { grad } = torch.autograd;

export const scenarios: Scenarios = {
  saved_versions(log) {
    const x = leaf(1, 2);
    let y = x.exp();
    y.add_(1);
    log(attempt(() => y.sum().backward()));
    let u = x.mul(2);
    y = u.mul(u);
    u.add_(1);
    log(attempt(() => y.sum().backward()));
    u = torch.ones(2);
    y = x.mul(u);
    u.add_(1);
    log(attempt(() => y.sum().backward()));
    u = x.mul(2);
    y = u.add(5);
    u.mul_(3);
    y.add(u).sum().backward();
    log(x.grad);
    u = x.mul(2);
    y = u.mul(u);
    u.slice(0, 0, 1).add_(1);
    log(attempt(() => y.sum().backward()));
    u = x.mul(2);
    y = u.mul(u);
    u.detach().add_(1);
    log(attempt(() => y.sum().backward()));
    u = x.mul(2);
    y = u.select(0, 0).mul(u.select(0, 1));
    u.view(2, 1).select(0, 1).zero_();
    log(attempt(() => y.backward()));
    u = x.mul(2);
    log(u._version, u.add_(1)._version, u.select(0, 0)._version, u.detach()._version, u.data._version);
  },

  inplace_on_views(log) {
    const x = leaf(1, 2, 3, 4);
    const weights = f32([1, 10, 100, 1000]);
    const check = (f: (y: Tensor) => void): void => {
      const y = x.mul(2);
      f(y);
      log(y, grad(y.mul(weights).sum(), x)[0], node(y));
    };
    check((y) => y.slice(0, 1, 3).mul_(3));
    check((y) => y.view(2, 2).select(0, 0).mul_(3));
    check((y) =>
      y
        .view(2, 2)
        .t()
        .select(0, 0)
        .mul_(x.slice(0, 0, 2)),
    );
    check((y) => y.slice(0, 0, null, 2).exp_());
    check((y) => y.slice(0, 1).slice(0, 1).fill_(5));
    check((y) => y.view(2, 2).diagonal().copy_(x.slice(0, 2)));
    check((y) => y.slice(0, 2).zero_());
    check((y) => {
      y.slice(0, 0, 2).mul_(3);
      y.mul_(5);
      y.slice(0, 1, 4).mul_(7);
    });
    const y = x.mul(2);
    let v = y.slice(0, 0, 2);
    const w = v.slice(0, 1, 2);
    y.mul_(3);
    log(node(v), node(w), grad(v.mul(5).sum().add(w.sum()), x, { retain_graph: true }));
    w.mul_(x.select(0, 3));
    log(node(v), node(w), node(y), edges(y), edges(v));
    const keep = { retain_graph: true };
    log(v, grad(v.mul(5).sum(), x, keep), grad(y.sum(), x, keep), grad(w.sum(), x));
    let b = torch.zeros(4);
    b.slice(0, 1, 3).copy_(x.slice(0, 0, 2).mul(3));
    b.select(0, 3).copy_(x.select(0, 0));
    log(b.requires_grad, grad(b.mul(weights).sum(), x));
    b = torch.zeros(2, 2);
    v = b.view(4);
    b.select(0, 0).add_(x.slice(0, 0, 2));
    log(v.requires_grad, node(v), grad(v.mul(v).sum(), x));
  },

  inplace_on_strided_bases(log) {
    const t = range(6).view(2, 3).detach().requires_grad_();
    const weights = range(6).view(3, 2).add(1);
    const row = (n: number): Tensor => t.select(0, n);
    let y = t.mul(1).t().clone();
    log(y.stride());
    y.select(0, 0).mul_(3);
    y.select(1, 1).mul_(row(0));
    log(y, grad(y.mul(weights).sum(), t));
    y = t.mul(1).t().clone();
    const v = y.slice(0, 1).t();
    y.mul_(2);
    log(node(v), grad(v.mul(weights.slice(0, 1).t()).sum(), t));
    const base = torch.zeros(4, 4).slice(1, 0, null, 2).detach();
    base.select(0, 1).copy_(row(0).slice(0, 0, 2));
    base.select(1, 1).add_(row(1).select(0, 0).mul(row(0).select(0, 0)));
    log(base, grad(base.mul(base).sum().add(base.sum()), t));
    y = t.mul(1).t().clone();
    y.select(0, 0).mul_(row(0).slice(0, 0, 2));
    const [g] = grad(y.mul(y).mul(weights).sum(), t, { create_graph: true });
    log(g, grad(g.mul(g).sum(), t));
  },

  refused_views(log) {
    const w = leaf(1, 2, 3);
    let y = w.mul(2);
    log(
      attempt(() => y.unbind()[0].add_(1)),
      attempt(() => y.split(1)[1].add_(1)),
      attempt(() => y.chunk(3)[2].slice(0, 0, 1).add_(1)),
    );
    const a = y.unbind()[1];
    y.add_(1);
    log(
      attempt(() => a.grad_fn),
      attempt(() => a.mul(2)),
      y,
    );
    y = w.mul(2);
    let v = torch.no_grad(() => y.view(3));
    log(
      attempt(() => v.add_(1)),
      v.requires_grad,
    );
    y.add_(1);
    log(attempt(() => v.grad_fn));
    y = w.mul(2);
    torch.no_grad(() => {
      v = y.view(3);
      v.add_(1);
    });
    log(
      y,
      y._version,
      node(y),
      attempt(() => v.grad_fn),
    );
    const b = torch.zeros(3);
    log(
      attempt(() => b.unbind()[0].add_(w.select(0, 0))),
      attempt(() => b.unbind()[0].add_(5)),
      b,
    );
    log(
      attempt(() => torch.ones(1).expand(3).add_(1)),
      attempt(() => w.slice(0, 0, 1).mul(1).expand(3).mul_(2)),
    );
  },

  inplace_gradients(log) {
    const x = leaf(2, 3);
    const check = (f: (y: Tensor) => void): void => {
      const y = x.clone();
      f(y);
      const [g] = grad(y.sum(), x, { create_graph: true });
      log(g, grad(g.sum(), x));
    };
    check((y) => y.pow_(3));
    check((y) => y.mul_(x));
    check((y) => y.sigmoid_());
    const zeros = { allow_unused: true, materialize_grads: true } as const;
    let y = x.mul(2);
    y.ge_(0);
    log(y, y.requires_grad, grad(y.sum(), x, zeros));
    y = x.mul(2);
    y.fill_(3);
    log(y.requires_grad, grad(y.sum(), x, zeros));
    y = x.clone();
    y.mul_(y);
    log(
      y,
      attempt(() => y.sum().backward()),
    );
    y = x.clone();
    y.mul_(y.view(2));
    log(attempt(() => y.sum().backward()));
  },
};
