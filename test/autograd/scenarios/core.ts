/** In-place changes and views, first part. */
import * as torch from "../../../src/index.ts";
import { attempt, edges, f32, leaf, node, range, type Scenarios, type Tensor } from "./common.ts";

const { grad } = torch.autograd;
const f64 = { dtype: torch.float64 } as const;
const keep = { retain_graph: true } as const;

export const scenarios: Scenarios = {
  names_of_changed_views(log) {
    const x = leaf(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    const views: ((y: Tensor) => Tensor)[] = [
      (y) => y.view(3, 4).select(0, 1),
      (y) => y.narrow(0, 1, 3),
      (y) => y.view(3, 4).t(),
      (y) => y.view(3, 4),
      (y) => y.unsqueeze(0),
      (y) => y.unsqueeze(0).squeeze(0),
      (y) => y.view(12, 1).expand(12, 2),
      (y) => y.view(3, 4).diagonal(),
      (y) => y.unfold(0, 4, 4),
      (y) => y.as_strided([2, 2], [1, 3]),
      (y) => y.view(3, 4).permute(1, 0),
      (y) => y.view(3, 4).movedim(0, 1),
      (y) => y.view(3, 4).mT,
      (y) => y.view(3, 4).flatten(),
      (y) => y.chunk(3)[1],
      (y) => y.unbind()[2],
      (y) => y.split(5)[0],
    ];
    for (const make of views) {
      let y = x.mul(2);
      let v = make(y);
      log(node(v), v._is_view(), v._base === y);
      y.add_(1);
      log(attempt(() => node(v)));
      y = x.mul(2);
      v = make(y);
      log(
        attempt(() => node(v.mul_(2))),
        attempt(() => edges(v)),
        node(y),
        attempt(() => edges(y)),
      );
      log(attempt(() => grad(v.mul(v).sum(), x)[0]));
    }
  },

  parts_of_expanded_tensors(log) {
    const x = leaf(2, 3, 5);
    let y = x.mul(2);
    let e = y.view(3, 1).expand(3, 4);
    e.select(1, 0).mul_(3);
    log(e, node(e), node(y), y, grad(e.mul(range(12).view(3, 4)).sum(), x)[0]);
    y = x.mul(2);
    e = y.expand(2, 3);
    log(
      attempt(() => e.add_(1)),
      attempt(() => e.narrow(0, 0, 2).add_(1)),
      attempt(() => e.copy_(f32([7, 8, 9]))),
    );
    log(y._version, e, grad(e.sum(), x)[0]);
    let b = torch.ones(1).expand(3).detach();
    b.select(0, 0).mul_(x.select(0, 0));
    log(
      b,
      node(b),
      attempt(() => grad(b.sum(), x)),
    );
    torch.no_grad(() => {
      b = torch.ones(1).expand(3);
    });
    log(
      b._is_view(),
      attempt(() => b.select(0, 0).mul_(x.select(0, 0))),
    );
    e = f32([2, 3]).view(2, 1).expand(2, 3).requires_grad_();
    const z = e.mul(1);
    z.select(0, 0).mul_(2);
    log(z.stride(), grad(z.sum(), e)[0]);
  },

  changing_leaves(log) {
    const x = leaf(1, 2, 3);
    log(
      attempt(() => x.add_(1)),
      attempt(() => x.select(0, 0).add_(1)),
      attempt(() => x.view(3, 1).select(1, 0).mul_(2)),
      attempt(() => x.fill_(1)),
      attempt(() => x.zero_()),
      attempt(() => x.copy_(f32([1, 2, 3]))),
      x._version,
    );
    const y = x.mul(x).sum();
    torch.no_grad(() => {
      x.mul_(2);
      x.select(0, 1).fill_(7);
    });
    log(
      x,
      x._version,
      x.is_leaf,
      node(x),
      attempt(() => y.backward()),
    );
    x.mul(3).sum().backward();
    log(x.grad);
    const w = torch.zeros(3);
    w.add_(x);
    log(w.requires_grad, w.is_leaf, node(w), w._version);
    const v = torch.zeros(3);
    v.requires_grad_();
    log(attempt(() => v.relu_()));
    const n = torch.arange(3);
    log(
      attempt(() => n.add_(x)),
      attempt(() => n.copy_(x)),
      n,
      n.requires_grad,
    );
  },

  a_base_that_comes_to_require_gradients(log) {
    const x = leaf(2, 3);
    let base = torch.zeros(2, 2);
    const row = base.select(0, 0);
    const late = base.view(4);
    log(base.requires_grad, row.requires_grad, row.is_leaf);
    row.copy_(x.mul(3));
    log(base.requires_grad, row.requires_grad, late.requires_grad, node(base), node(row), node(late), late.is_leaf);
    base.select(0, 1).copy_(x.select(0, 1));
    log(base, edges(base), grad(base.mul(base).sum(), x, keep)[0], grad(late.sum(), x, keep)[0], grad(row.sum(), x)[0]);
    base = torch.ones(4);
    const other = base.narrow(0, 0, 2);
    const third = base.narrow(0, 2, 2);
    other.mul_(x);
    log(
      third.requires_grad,
      attempt(() => third.mul_(5)),
      node(third),
      third.is_leaf,
    );
    third.mul_(5);
    log(third.requires_grad, node(third), base, grad(third.sum(), x, keep)[0], grad(base.sum(), x)[0]);
  },

  detaching_in_place(log) {
    const x = leaf(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    const w = torch.ones(3);
    log(
      attempt(() => x.mul(2).view(3, 4).detach_()),
      attempt(() => x.view(3, 4).detach_()),
      attempt(() => w.view(3).detach_()),
      attempt(() => x.mul(2).chunk(2)[0].detach_()),
    );
    let y = x.mul(2);
    let v = y.select(0, 0);
    y.detach_();
    log(
      y.requires_grad,
      y.is_leaf,
      y._version,
      v.requires_grad,
      node(v),
      attempt(() => grad(v, x)[0]),
    );
    y = x.mul(2);
    v = y.select(0, 0);
    y.add_(1);
    y.detach_();
    log(v.requires_grad, node(v));
    y = x.mul(2);
    v = y.select(0, 0);
    y.detach_();
    y.add_(1);
    log(v.requires_grad, node(v), v);
    y = x.mul(2);
    v = y.select(0, 0);
    y.detach_();
    y.requires_grad_();
    log(v.requires_grad, node(v), v.is_leaf);
    const z = leaf(1, 2);
    z.detach_();
    log(
      z.requires_grad,
      attempt(() => z.sum().backward()),
    );
    y = x.mul(2);
    y.retain_grad();
    y.detach_();
    log(y.retains_grad, y.requires_grad);
    y = x.exp();
    y.detach_();
    log(y.is_leaf);
    const u = leaf(0.5);
    y = u.exp();
    const s = y.mul(3);
    y.detach_();
    log(grad(s, u)[0]);
  },

  requires_grad_of_views_and_results(log) {
    const x = leaf(2, 3, 4);
    const y = x.mul(2);
    log(
      attempt(() => y.requires_grad_(false)),
      y.requires_grad_().requires_grad,
      attempt(() => x.select(0, 0).requires_grad_(false)),
    );
    let b = torch.zeros(4);
    let v = b.narrow(0, 0, 2);
    v.requires_grad_();
    log(
      b.requires_grad,
      v.requires_grad,
      v.is_leaf,
      v._is_view(),
      attempt(() => v.add_(1)),
    );
    b.add_(1);
    log(v.requires_grad, node(v), v.is_leaf, v);
    v.mul(3).sum().backward();
    log(v.grad, b.grad);
    b = torch.zeros(4);
    v = b.narrow(0, 0, 2);
    b.requires_grad_();
    log(v.requires_grad, node(v), v.is_leaf);
    torch.no_grad(() => b.add_(1));
    log(
      v.requires_grad,
      node(v),
      v.is_leaf,
      attempt(() => v.add_(1)),
    );
    v.sum().backward();
    log(b.grad);
    b = torch.zeros(4);
    v = b.narrow(0, 0, 2);
    v.mul_(x.select(0, 0));
    log(
      attempt(() => v.requires_grad_(false)),
      attempt(() => b.requires_grad_(false)),
      attempt(() => torch.arange(3).requires_grad_()),
      attempt(() => torch.arange(3).requires_grad_(false).requires_grad),
    );
  },

  data_and_detach_share_memory(log) {
    const x = leaf(1, 2, 3);
    let y = x.mul(2);
    let z = y.mul(y);
    let d = y.data;
    d.mul_(10);
    log(y, y._version, d._version, d.requires_grad, d._is_view(), d.is_leaf, grad(z.sum(), x)[0]);
    y = x.mul(2);
    z = y.mul(y);
    d = y.detach();
    log(d._version, d.requires_grad, d._is_view(), d._base === null);
    d.select(0, 0).add_(1);
    log(
      y,
      y._version,
      d._version,
      attempt(() => grad(z.sum(), x)),
    );
    x.data.fill_(4);
    log(x, x._version);
    x.detach().zero_();
    log(x, x._version);
    const a = torch.zeros(2);
    const b = a.detach();
    b.requires_grad_();
    log(
      a.requires_grad,
      attempt(() => b.add_(1)),
      attempt(() => a.add_(1)),
      b,
    );
    const c = a.view(2);
    log(c.data._is_view(), c.detach()._base === null, c.data._version, c.detach()._version);
  },

  assigning_data(log) {
    const x = leaf(1, 2, 3);
    const y = x.mul(x);
    x.data = f32([5, 6, 7]);
    log(x, x._version, x.is_leaf, x.requires_grad, grad(y.sum(), x)[0]);
    x.data = torch.ones(2, 2);
    log(x.shape, x.stride(), x.mul(3).sum().item());
    x.mul(3).sum().backward();
    log(x.grad);
    const source = f32([1, 1]);
    const t = torch.zeros(2);
    t.data = source;
    source.add_(1);
    log(t, t._version, source._version, t._is_view());
    t.add_(5);
    log(source);
    const p = leaf(1, 2);
    p.sum().backward();
    p.data = torch.zeros(3);
    log(
      p.shape,
      p.grad?.shape,
      attempt(() => p.sum().backward()),
    );
    const swap = (value: unknown): void => {
      p.data = value as Tensor;
    };
    log(
      attempt(() => swap(torch.arange(3))),
      attempt(() => swap([1, 2])),
    );
    const q = leaf(1, 2);
    q.data = q.data.double();
    log(String(q.dtype), q.requires_grad);
    q.sum().backward();
    log(String(q.grad?.dtype));
  },

  copying_in_place(log) {
    const x = leaf(1, 2, 3);
    const s = leaf(10);
    let y = torch.zeros(2, 3);
    y.copy_(x);
    log(y, node(y), edges(y), grad(y.mul(range(6).view(2, 3)).sum(), x)[0]);
    y = x.mul(2);
    y.copy_(s);
    log(node(y), y, grad(y.sum(), [x, s], { allow_unused: true }));
    y = x.mul(2);
    y.copy_(f32([1, 2, 3]));
    log(y.requires_grad, node(y), grad(y.sum(), x, { allow_unused: true }));
    const d = torch.zeros(3, f64);
    d.copy_(x.mul(x));
    let [g] = grad(d.sum(), x);
    log(String(g.dtype), g, String(d.dtype));
    const h = torch.zeros(3);
    const w = torch.tensor([1, 2, 3], { ...f64, requires_grad: true });
    h.copy_(w.mul(2));
    [g] = grad(h.mul(h).sum(), w);
    log(String(g.dtype), g, String(h.dtype));
    const i = torch.zeros(3, { dtype: torch.int64 });
    i.copy_(x.mul(2));
    log(i, i.requires_grad);
    const f = torch.zeros(3);
    f.copy_(torch.arange(3));
    log(
      f,
      f.requires_grad,
      attempt(() => f.copy_(torch.zeros(2))),
      attempt(() => x.copy_(f)),
    );
    y = x.mul(2);
    log(
      attempt(() => y.narrow(0, 0, 2).copy_(y.narrow(0, 1, 2))),
      attempt(() => y.narrow(0, 0, 2).add_(y.narrow(0, 1, 2))),
      attempt(() => y.view(3, 1).t().mul_(y)),
      attempt(() => y.narrow(0, 0, 2).copy_(y.narrow(0, 2, 1))),
    );
    log(y, grad(y.sum(), x)[0]);
    y = x.mul(2);
    y.copy_(y);
    log(y._version, node(y), grad(y.sum(), x)[0]);
  },

  assigning_grad(log) {
    const x = leaf(1, 2);
    const put = (t: Tensor, value: unknown): void => {
      t.grad = value as Tensor;
    };
    log(
      attempt(() => put(x, torch.zeros(3))),
      attempt(() => put(x, torch.zeros(2, f64))),
      attempt(() => put(x, x)),
      attempt(() => put(x, [1, 2])),
      attempt(() => put(x, 0)),
      x.grad,
    );
    const g = f32([3, 4]);
    x.grad = g;
    log(x.grad === g);
    x.mul(2).sum().backward();
    log(x.grad, g, x.grad === g);
    x.grad.zero_();
    log(g);
    x.grad = null;
    log(x.grad);
    const plainly = torch.zeros(2);
    plainly.grad = torch.ones(2);
    log(plainly.grad, plainly.requires_grad);
    const y = x.mul(2);
    log(y.grad);
    y.grad = torch.ones(2);
    log(y.grad);
    x.grad = y;
    log(
      x.grad.requires_grad,
      attempt(() => x.mul(2).sum().backward()),
      x.grad,
      x.grad.requires_grad,
    );
    x.grad = leaf(1, 1);
    log(
      attempt(() => x.mul(2).sum().backward()),
      x.grad,
      x.grad.requires_grad,
    );
  },

  outputs_of_functions_with_several_views(log) {
    const x = leaf(1, 2, 3, 4);
    const makers: ((y: Tensor) => Tensor[])[] = [
      (y) => y.unbind(),
      (y) => y.split(2),
      (y) => y.split([1, 3]),
      (y) => y.chunk(2),
      (y) => y.tensor_split(2),
      (y) => y.view(2, 2).hsplit(2),
      (y) => y.view(2, 2).unbind(1),
    ];
    for (const make of makers) {
      const y = x.mul(2);
      const parts = make(y);
      log(node(parts[0]), parts[1]._is_view(), parts[1]._base === y, parts[1].output_nr);
      log(
        attempt(() => parts[1].add_(1)),
        attempt(() => parts[0].view(-1).narrow(0, 0, 1).mul_(2)),
        attempt(() => y.mul_(2)),
        attempt(() => node(parts[0])),
        attempt(() => parts[1].mul(1)),
        attempt(() => grad(y.sum(), x)[0]),
      );
    }
    const y = x.mul(2);
    let parts = y.split(2);
    torch.no_grad(() => parts[0].zero_());
    log(
      y,
      y._version,
      attempt(() => node(parts[0])),
      attempt(() => parts[1].mul(2).sum()),
      attempt(() => grad(y.sum(), x)[0]),
    );
    const b = torch.zeros(4);
    parts = b.split(2);
    log(
      parts[0].add_(1),
      b,
      attempt(() => parts[1].mul_(x.narrow(0, 0, 2))),
    );
    b.requires_grad_();
    log(attempt(() => parts[0].add_(1)));
    torch.no_grad(() => {
      parts = x.split(2);
      parts[0].mul_(2);
    });
    log(
      x,
      attempt(() => parts[0].mul_(2)),
    );
  },

  views_made_without_recording(log) {
    const x = leaf(1, 2, 3, 4);
    for (const inside of [true, false]) {
      const y = x.mul(2);
      const v = torch.no_grad(() => {
        const made = y.view(2, 2);
        if (inside) made.add_(1);
        return made;
      });
      log(
        v.requires_grad,
        attempt(() => node(v)),
        v._is_view(),
        v._base === y,
      );
      log(
        attempt(() => v.mul_(2)),
        attempt(() => v.select(0, 0).mul_(2)),
        attempt(() => v.mul(2)),
      );
      torch.no_grad(() => v.mul_(2));
      log(
        attempt(() => node(v)),
        attempt(() => grad(y.sum(), x, keep)[0]),
      );
      y.add_(1);
      log(
        attempt(() => node(v)),
        attempt(() => v.requires_grad),
        attempt(() => v.add(1)),
      );
    }
    const leafView = torch.no_grad(() => {
      const made = x.view(2, 2);
      made.add_(1);
      return made;
    });
    log(
      x,
      leafView.requires_grad,
      attempt(() => leafView.is_leaf),
      attempt(() => leafView.add_(1)),
    );
    const z = torch.no_grad(() => {
      const y = x.view(4);
      return torch.enable_grad(() => y.view(2, 2));
    });
    log(
      z.requires_grad,
      attempt(() => node(z)),
      attempt(() => z.add_(1)),
    );
    const plainly = torch.no_grad(() => torch.zeros(4).view(2, 2));
    log(
      plainly.add_(1),
      attempt(() => plainly.mul_(x.view(2, 2))),
    );
  },

  views_of_views(log) {
    const x = leaf(1, 2, 3, 4, 5, 6, 7, 8);
    let y = x.mul(2);
    const a = y.view(2, 4);
    const b = a.select(0, 1);
    const c = b.narrow(0, 1, 2);
    const all = [y, a, b, c];
    log(
      c._base === y,
      b._base === y,
      all.map((t) => t._version),
    );
    c.mul_(10);
    log(
      all.map((t) => t._version),
      y,
      all.map(node),
    );
    a.select(0, 0).add_(c.sum());
    b.add_(1);
    log(y, grad(y.mul(range(8)).sum(), x, keep)[0]);
    log(grad(c.sum(), x, keep)[0], grad(b.sum(), x, keep)[0], grad(a.sum(), x)[0]);
    y = x.mul(2);
    const d = y.view(2, 4).t();
    const e = d.select(0, 2);
    d.mul_(range(8).view(4, 2));
    e.mul_(e.clone());
    log(e, y, grad(y.sum(), x, keep)[0], grad(e.sum(), x)[0]);
    y = x.mul(2);
    const f = y.detach().view(2, 4);
    f.add_(1);
    log(f._base === y, f.requires_grad, y._version, node(y));
  },

  saved_tensors_and_changed_views(log) {
    const x = leaf(1, 2, 3, 4);
    let y = x.mul(1);
    const [a, b] = [y.narrow(0, 0, 2), y.narrow(0, 2, 2)];
    let z = a.mul(a);
    b.mul_(2);
    log(attempt(() => grad(z.sum(), x)));
    y = x.mul(1);
    z = y.narrow(0, 0, 2).exp();
    y.mul_(2);
    log(grad(z.sum(), x, keep)[0], grad(y.sum(), x)[0]);
    y = x.mul(1);
    z = y.exp();
    z.narrow(0, 0, 1).zero_();
    log(attempt(() => grad(z.sum(), x)));
    y = x.exp();
    torch.no_grad(() => y.mul_(2));
    log(attempt(() => grad(y.sum(), x)));
    const savesResult: ((t: Tensor) => Tensor)[] = [
      torch.sigmoid,
      torch.tanh,
      torch.sqrt,
      torch.exp,
      (t) => torch.softmax(t, 0),
    ];
    for (const op of savesResult) {
      y = op(x);
      y.add_(1);
      log(attempt(() => grad(y.sum(), x)[0]));
    }
    for (const op of [torch.sin, torch.abs, torch.square, torch.relu, torch.neg]) {
      y = x.mul(1);
      z = op(y);
      z.add_(1);
      log(attempt(() => grad(z.sum(), x, keep)[0]));
      y.add_(1);
      log(attempt(() => grad(z.sum(), x)[0]));
    }
    y = x.mul(1);
    const w = torch.ones(4);
    z = y.mul(w);
    w.add_(1);
    log(attempt(() => grad(z.sum(), x)[0]));
    y = x.mul(1);
    z = y.matmul(y);
    y.select(0, 0).fill_(1);
    log(attempt(() => grad(z, x)));
  },

  everything_of_the_error(log) {
    const text = (f: () => unknown): unknown => {
      try {
        return f();
      } catch (error) {
        return (error as Error).message;
      }
    };
    const x = leaf(1, 2, 3);
    let y = x.exp();
    y.add_(1);
    log(text(() => y.sum().backward()));
    const w = torch.ones(3);
    let z = x.mul(w);
    w.add_(1);
    log(text(() => z.sum().backward()));
    const a = x.mul(2);
    z = a.mul(a);
    a.mul_(3);
    a.mul_(3);
    log(text(() => z.sum().backward()));
    z = torch.ones(2, 3).double().requires_grad_().exp();
    z.select(0, 0).zero_();
    log(text(() => z.sum().backward()));
    log(
      text(() => x.mul(2).view(3, 1).detach_()),
      text(() => x.mul(2).unbind()[0].add_(1)),
    );
    y = x.exp();
    y.sum().backward();
    log(
      text(() => y.sum().backward()),
      text(() => x.mul(2).requires_grad_(false)),
    );
  },
};
