/** Accumulation, `grad`, roots, leaves, hooks, the names in the graph. */
import * as torch from "../../../src/index.ts";
import { attempt, edges, f32, leaf, type Node, node, plain, range, type Scenarios, type Tensor } from "./common.ts";

const { grad } = torch.autograd;

export const scenarios: Scenarios = {
  accumulation(log) {
    const x = leaf(1, 2);
    x.mul(3).sum().backward();
    let first = x.grad as Tensor;
    x.mul(x).sum().backward();
    log(x.grad, first === x.grad, x.grad?.requires_grad);
    x.grad = null;
    x.mul(x).sum().backward({ create_graph: true });
    first = x.grad as unknown as Tensor;
    x.mul(x).sum().backward({ create_graph: true });
    log(x.grad, first === x.grad, (x.grad as unknown as Tensor).requires_grad, first);
  },

  second_backward(log) {
    const twice = (f: (x: Tensor) => Tensor): unknown => {
      const x = leaf(1, 2);
      const y = f(x);
      return attempt(() => {
        y.backward(torch.ones_like(y));
        y.backward(torch.ones_like(y));
        return x.grad;
      });
    };
    log(
      twice((x) => x.add(1)),
      twice((x) => x.sum()),
      twice((x) => x.exp()),
      twice((x) => x.view(2, 1)),
    );
    log(
      twice((x) => x.mul(x)),
      twice((x) => x.neg()),
      twice((x) => x.mean()),
      twice((x) => x.mul(1).slice(0, 0, 1).mul_(x.select(0, 1))),
    );
    const x = leaf(1, 2);
    let y = x.mul(x).sum();
    y.backward({ retain_graph: true });
    y.backward();
    log(
      x.grad,
      attempt(() => y.backward()),
    );
    y = x.mul(x).sum();
    grad(y, x, { create_graph: true });
    log(
      grad(y, x),
      attempt(() => grad(y, x)),
    );
  },

  grad_function(log) {
    const x = leaf(1, 2);
    const u = leaf(3, 4);
    log(grad(x.mul(u).sum(), [x, u]), grad(x.sum().mul(2), x), grad(x.mul(u), x, f32([1, 10])));
    log(grad([x.mul(2).sum(), x.mul(u)], [x, u], [null, torch.ones(2)]), grad([x.sum(), x.mul(x).sum()], [x, x]));
    log(
      attempt(() => grad(x.sum(), u)),
      attempt(() => grad(x.sum(), [x, u], { allow_unused: true })),
    );
    log(attempt(() => grad(x.sum(), [u], { materialize_grads: true })));
    log(attempt(() => grad(x.sum(), u, { allow_unused: false, materialize_grads: true })));
    log(
      attempt(() => grad(x.sum(), torch.ones(2))),
      attempt(() => grad(x.sum(), [])),
      attempt(() => grad(x.mul(2), x)),
    );
    log(
      attempt(() => grad(x.sum(), x, torch.ones(2))),
      attempt(() => grad(torch.ones(1), x)),
    );
    log(
      attempt(() => grad([x.sum(), x.sum()], [x], [torch.tensor(1.5)])),
      x.grad,
    );
    const y = x.mul(3);
    let [g] = grad(y.mul(y).sum(), y, { create_graph: true });
    log(g, g.requires_grad, grad(g.sum(), x), x.grad);
    const h = torch.tensor([2, 0.5], { requires_grad: true });
    [g] = grad(x.mul(x), x, h, { create_graph: true });
    log(grad(g.sum(), [x, h]));
  },

  roots(log) {
    const x = leaf(1, 2);
    log(
      attempt(() => x.mul(2).backward()),
      attempt(() => torch.ones(1).backward()),
    );
    log(
      attempt(() => x.mul(2).backward(torch.ones(3))),
      attempt(() => x.sum().backward({ inputs: [] })),
    );
    const seen: string[] = [];
    const y = x.mul(2);
    y.register_hook((g) => void seen.push(String(g.dtype)));
    y.backward(torch.ones(2, { dtype: torch.float64 }));
    log(seen, x.grad, String(x.grad?.dtype));
    x.backward(torch.ones(2));
    log(x.grad);
    const s = torch.tensor(3, { requires_grad: true });
    s.backward();
    log(s.grad);
    torch.autograd.backward([x.sum(), x.mul(x).sum()]);
    log(
      x.grad,
      attempt(() => torch.autograd.backward([x.sum(), x.sum()], [torch.tensor(1.5)])),
    );
    log(
      attempt(() => torch.autograd.backward([])),
      attempt(() => x.argmax().backward()),
    );
  },

  backward_inputs(log) {
    const x = leaf(1, 2);
    const u = leaf(5, 6);
    const seen: unknown[] = [];
    x.register_post_accumulate_grad_hook((p) => seen.push(plain(p.grad)));
    x.mul(u)
      .sum()
      .backward({ inputs: [x] });
    log(x.grad, u.grad, seen);
    const y = x.mul(2);
    y.mul(3)
      .sum()
      .backward({ inputs: [y, u], retain_graph: true });
    log(y.grad, x.grad, u.grad, y.retains_grad);
    x.mul(u).sum().backward({ inputs: u });
    log(x.grad, u.grad);
  },

  leaf_rules(log) {
    const w = leaf(1, 2, 3);
    log(
      attempt(() => w.add_(1)),
      attempt(() => w.view(3).add_(1)),
      attempt(() => w.select(0, 0).add_(1)),
    );
    log(
      attempt(() => w.zero_()),
      attempt(() => w.unbind()[0].add_(1)),
      w,
      w._version,
    );
    torch.no_grad(() => {
      w.add_(1);
      w.select(0, 0).fill_(7);
      w.view(3, 1).mul_(2);
    });
    log(w, w.is_leaf, w._version, w.requires_grad);
    log(
      attempt(() => w.mul(2).requires_grad_(false)),
      w.mul(2).requires_grad_(true).is_leaf,
    );
    log(attempt(() => torch.tensor([1]).requires_grad_()));
    const v = torch.zeros(4).view(2, 2).requires_grad_();
    log(
      v.is_leaf,
      attempt(() => v.add_(1)),
      v,
    );
    const i = torch.tensor([1, 2]);
    log(
      attempt(() => i.add_(1.5)),
      i,
      attempt(() => torch.zeros(2, { dtype: torch.int64 }).add_(w.slice(0, 0, 2))),
    );
    const b = torch.zeros(3);
    b.copy_(w);
    log(node(b), b.is_leaf, b.requires_grad);
    b.sum().backward();
    log(w.grad);
  },

  detaching(log) {
    const w = leaf(1, 2);
    let y = w.mul(2);
    const d = y.detach();
    log(d.requires_grad, d.is_leaf, d._is_view(), d._version);
    d.add_(1);
    log(y, y._version, d._version);
    y = w.mul(2);
    y.detach_();
    log(y.requires_grad, y.is_leaf, node(y));
    log(
      attempt(() => w.mul(2).view(2).detach_()),
      attempt(() => torch.zeros(2).view(2).detach_()),
    );
    y = w.exp();
    const z = y.mul(3);
    y.detach_();
    const [g] = grad(z.sum(), w, { create_graph: true });
    log(g, grad(g.sum(), w));
  },

  data(log) {
    const f = leaf(1, 2, 3);
    f.mul(2).sum().backward();
    f.data.sub_((f.grad as Tensor).data.mul(0.5));
    log(f, f._version, f.data.requires_grad);
    const y = f.mul(f);
    f.data.mul_(10);
    y.sum().backward();
    log(f.grad);
    f.data = f32([4, 5]);
    log(f, f.requires_grad, f.is_leaf);
    const set = (v: unknown) => {
      f.data = v as Tensor;
    };
    log(
      attempt(() => set(3)),
      attempt(() => set(torch.tensor([1]))),
      f,
    );
  },

  assigning_grad(log) {
    const w = leaf(1, 2);
    const set = (v: Tensor) => {
      w.grad = v;
    };
    log(
      attempt(() => set(w)),
      attempt(() => set(torch.ones(3))),
      w.grad,
    );
    const g = torch.ones(2);
    w.grad = g;
    w.mul(3).sum().backward();
    log(w.grad, g, w.grad === g);
    w.grad = torch.ones(1).expand(2);
    log(attempt(() => w.mul(3).sum().backward()));
  },

  modes(log) {
    const w = leaf(1, 2);
    {
      using _ = torch.no_grad();
      const y = w.mul(2);
      log(torch.is_grad_enabled(), y.requires_grad, y.is_leaf, torch.ones(1, { requires_grad: true }).requires_grad);
      torch.enable_grad(() => {
        log(torch.is_grad_enabled(), w.mul(2).requires_grad);
        using _ = torch.set_grad_enabled(false);
        log(w.mul(2).requires_grad);
      });
      y.requires_grad_();
      log(y.is_leaf, torch.is_grad_enabled());
    }
    torch.inference_mode(() => log(w.mul(2).requires_grad, torch.is_inference_mode_enabled()));
    const failing = () =>
      torch.no_grad(() => {
        throw new torch.ValueError("stop");
      });
    log(attempt(failing), torch.is_grad_enabled(), torch.is_inference_mode_enabled());
    const v = w.view(2);
    const v2 = torch.no_grad(() => w.view(2));
    log(v.requires_grad, node(v), v2.requires_grad, v2.is_leaf, v2._is_view());
  },

  graph_names(log) {
    const w = leaf(1, 2, 3);
    const u = leaf(4, 5, 6);
    const column = w.view(3, 1);
    const tensors = [
      [w.add(1), w.sub(u), w.mul(2), w.div(u), w.neg(), w.exp(), w.log(), w.sum(), w.sum(0, { keepdim: true })],
      [w.mean(), column, w.reshape(1, 3), w.unsqueeze(0), w.select(0, 0), w.slice(0, 0, 2), w.t()],
      [w.view(1, 3).permute(1, 0), w.expand(2, 3), w.clone(), w.double(), w.pow(2), torch.cat([w, u])],
      [torch.stack([w, u]), w.matmul(u), w.max(), w.view(1, 3).matmul(u.view(3, 1)), w.unbind()[1], w.split(1)[2]],
      [w.sqrt(), w.relu(), w.tanh(), w.sigmoid(), w.abs(), w.clamp(0, 1), w.softmax(0), w.log_softmax(0)],
      [column.squeeze(1), w.flip(0), w.cumsum(0), w.prod()],
    ].flat();
    for (const t of tensors) log(node(t), t.output_nr);
    const h = w.mul(u).add(1).sum();
    log(edges(h), edges(w.mul(u)), edges(torch.cat([w, torch.ones(1), u])), w.grad_fn, w.is_leaf, w.output_nr);
    const m = torch.addmm(u, w.view(1, 3).expand(2, 3), torch.ones(3, 3));
    log(node(m), edges(m));
  },

  retained(log) {
    let x = leaf(1, 1);
    let y = x.mul(2);
    y.retain_grad();
    y.register_hook((g) => g.mul(10));
    y.mul(3).sum().backward({ retain_graph: true });
    y.mul(3).sum().backward();
    log(y.grad, x.grad, y.retains_grad, x.retains_grad);
    x = leaf(1, 1);
    y = x.mul(2);
    y.retain_grad();
    y.register_hook((g) => g.mul(10));
    y.mul_(5);
    y.mul(3).sum().backward();
    log(y.grad, x.grad);
    x = leaf(1, 1);
    y = x.mul(2);
    y.retain_grad();
    y.slice(0, 0, 1).mul_(5);
    y.mul(3).sum().backward();
    log(y.grad, x.grad);
    log(attempt(() => torch.ones(2).retain_grad()));
  },

  hooks(log) {
    let seen: unknown[] = [];
    let x = leaf(1, 1);
    let y = x.mul(f32([2, 2]));
    const n = y.grad_fn as Node;
    n.register_prehook((g) => {
      seen.push(["pre", g.length]);
      return [(g[0] as Tensor).mul(2)];
    });
    n.register_hook((gi, go) => {
      seen.push(["post", gi.length, go.length, gi[1] === null, plain(go[0])]);
      return [(gi[0] as Tensor).mul(3), null];
    });
    y.register_hook((g) => {
      seen.push("tensor");
      return g.mul(5);
    });
    y.retain_grad();
    x.register_hook(() => void seen.push("leaf"));
    x.register_post_accumulate_grad_hook((p) => void seen.push(["after", plain(p.grad)]));
    y.sum().backward();
    log(x.grad, y.grad, seen);
    seen = [];
    x = leaf(1, 1);
    const first = x.register_hook(() => void seen.push("first"));
    x.register_hook(() => void seen.push("second"));
    x.register_hook((g) => g.mul(2));
    x.mul(1).sum().backward();
    first.remove();
    x.mul(1).sum().backward();
    log(seen, x.grad);
    y = x.mul(2);
    y.register_hook((g) => g.mul(10));
    log(grad(y.mul(3).sum(), [x, y]));
    y = x.mul(2);
    y.register_hook((g) => g.mul(10));
    log(grad(y.mul(3).sum(), y));
    const bad = (result: unknown): string => {
      const y = x.mul(2);
      y.register_hook(() => result as Tensor);
      return attempt(() => y.sum().backward()) as string;
    };
    log(bad(torch.ones(3)).slice(0, 13), bad(torch.ones(2, { dtype: torch.float64 })).slice(0, 13), bad(3).slice(0, 9));
    log(
      attempt(() => torch.ones(2).register_hook((g) => g)),
      attempt(() => y.register_post_accumulate_grad_hook((g) => g)),
    );
  },

  layouts(log) {
    const strides = (t: Tensor, f: (t: Tensor) => Tensor): readonly number[] => {
      f(t).sum().backward();
      return (t.grad as Tensor).stride();
    };
    const transposed = () => torch.zeros(2, 3).t().requires_grad_();
    log(
      strides(transposed(), (t) => t.mul(2)),
      strides(transposed(), (t) => t),
    );
    log(strides(torch.zeros(3, 2, { requires_grad: true }), (t) => t.t().mul(torch.ones(2, 3))));
    const gaps = torch.zeros(4, 4).slice(1, 0, null, 2).requires_grad_();
    const permuted = torch.zeros(2, 3, 4).permute(2, 0, 1).requires_grad_();
    log(
      strides(gaps, (t) => t.mul(2)),
      strides(permuted, (t) => t.mul(t)),
    );
    let x = leaf(1, 2);
    const g = torch.ones(2);
    x.backward(g);
    g.mul_(5);
    log(x.grad);
    x = torch.ones(2, 1, { requires_grad: true });
    x.expand(2, 3).mul(range(3)).sum().backward();
    log(x.grad, x.grad?.stride());
  },

  small_and_mixed(log) {
    const e = torch.ones(0, 3, { requires_grad: true });
    e.mul(2).sum().backward();
    log(e.grad?.shape);
    const s = torch.tensor(2, { requires_grad: true });
    s.mul(range(3)).sum().backward();
    log(s.grad);
    let x = leaf(1, 2);
    const y = x.double();
    y.mul(y)
      .mul(torch.tensor([1, 2], { dtype: torch.float64 }))
      .sum()
      .backward();
    log(x.grad, String(x.grad?.dtype));
    x = leaf(1, 2);
    const h = x.half().mul(x);
    log(String(h.dtype), grad(h.sum(), x));
    const u = x.mul(1);
    const shared = u.mul(u);
    log(grad(shared.add(shared.mul(shared)).add(u).sum(), x));
    let total = x.mul(0);
    for (let i = 0; i < 50; i++) total = total.add(x.mul(i));
    log(grad(total.sum(), x));
  },
};
