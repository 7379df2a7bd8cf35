/**
 * Small scenarios of autograd: each logs what it sees, and golden.json has what PyTorch logs in the function of the same
 * name in tools/golden-autograd.py.
 */
import type { FunctionContext } from "../../src/autograd/function.ts";
import * as torch from "../../src/index.ts";

type Tensor = torch.Tensor;
type Log = (...values: unknown[]) => void;
type Node = NonNullable<Tensor["grad_fn"]>;
const { grad, once_differentiable } = torch.autograd;

export function plain(x: unknown): unknown {
  if (torch.is_tensor(x)) return x.tolist();
  if (Array.isArray(x)) return x.map(plain);
  return x === undefined ? null : x;
}

/** The value of `f()`, or its error: class and first sentence. */
export function attempt(f: () => unknown): unknown {
  try {
    return plain(f());
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `${error.name}: ${error.message.split(/(?<=[a-z\])])\. | Hint:/)[0].replace(/\.+$/, "")}`;
  }
}

const short = (n: Node | null): string | null => n?.name().replace("torch::autograd::", "") ?? null;
const node = (t: Tensor): string | null => short(t.grad_fn);
const edges = (t: Tensor): unknown[] =>
  (t.grad_fn as Node).next_functions.filter(([n]) => n !== null).map(([n, i]) => [short(n), i]);
const leaf = (...values: number[]): Tensor => torch.tensor(values, { dtype: torch.float32, requires_grad: true });
const f32 = (values: number[]): Tensor => torch.tensor(values, { dtype: torch.float32 });
const range = (n: number): Tensor => torch.arange(n).to(torch.float32);

type Forward = (ctx: FunctionContext, ...args: never[]) => unknown;
type Backward = (ctx: FunctionContext, ...grads: never[]) => unknown;

/** `apply` of a custom function. */
function custom(forward: Forward, backward?: Backward): (...args: unknown[]) => Tensor {
  class Fn extends torch.autograd.Function {
    static forward = forward;
    static backward = backward;
  }
  const apply = Fn.apply as unknown as (this: unknown, ...args: unknown[]) => Tensor;
  return (...args) => apply.call(Fn, ...args);
}

const pairOf = (x: unknown): Tensor[] => x as Tensor[];

export const scenarios: Record<string, (log: Log) => void> = {
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

  custom_function(log) {
    const f = custom(
      (ctx, a: Tensor, k: number, b: Tensor) => {
        ctx.save_for_backward(a, b);
        ctx.k = k;
        return a.mul(b).mul(k);
      },
      (ctx, g: Tensor) => {
        log(ctx.needs_input_grad);
        const [a, b] = ctx.saved_tensors;
        return [g.mul(b).mul(ctx.k as number), null, g.mul(a).mul(ctx.k as number)];
      },
    );
    const x = leaf(1, 2);
    const u = leaf(3, 4);
    let y = f(x, 5, u);
    log(y, node(y), edges(y));
    y.sum().backward();
    log(
      x.grad,
      u.grad,
      attempt(() => y.sum().backward()),
    );
    y = f(x, 5, torch.ones(2));
    y.sum().backward();
    log(x.grad, f(torch.ones(2), 1, torch.ones(2)).requires_grad);
    const v = u.mul(1);
    y = f(x, 5, v);
    v.add_(1);
    log(attempt(() => y.sum().backward()));
    torch.no_grad(() => log(f(x, 5, u).requires_grad));
  },

  custom_function_outputs(log) {
    const backward: Backward = (_, g: Tensor, h: Tensor) => {
      log(g, h);
      return g;
    };
    const x = leaf(1, 2);
    let y = pairOf(custom((_, a: Tensor) => [a.mul(2), a.mul(3)], backward)(x));
    log(y[0].output_nr, y[1].output_nr);
    y[0].sum().backward();
    const unmaterialized: Forward = (ctx, a: Tensor) => {
      ctx.set_materialize_grads(false);
      return [a.mul(2), a.mul(3)];
    };
    pairOf(custom(unmaterialized, backward)(x))[1].sum().backward();
    const flagged: Forward = (ctx, a: Tensor) => {
      const m = a.mul(3);
      ctx.mark_non_differentiable(m);
      return [a.mul(2), m];
    };
    y = pairOf(custom(flagged, backward)(x));
    log(y[0].requires_grad, y[1].requires_grad);
    y[0].sum().backward();
    y = pairOf(custom((_, a: Tensor) => [a.mul(2), "s"], backward)(x));
    y[0].sum().backward();
    log(y[1], x.grad, custom((_, a: Tensor) => a.long(), backward)(x).requires_grad);
  },

  custom_function_inplace(log) {
    const x = leaf(1, 2, 3);
    let f = custom(
      (ctx, a: Tensor) => {
        ctx.mark_dirty(a);
        return a.mul_(2);
      },
      (_, g: Tensor) => g.mul(20),
    );
    let u = x.mul(1);
    let y = f(u);
    log(y === u, node(u), u._version, u.output_nr, grad(u.sum(), x));
    u = x.mul(1);
    f(u.slice(0, 0, 2));
    log(
      grad(u.sum(), x),
      attempt(() => f(leaf(1))),
    );
    const forgotten: Forward = (ctx, a: Tensor) => {
      ctx.mark_dirty(a);
      return a.mul_(2).mul(1);
    };
    log(attempt(() => custom(forgotten, (_, g: Tensor) => g)(x.mul(1))));
    f = custom(
      (ctx, a: Tensor) => {
        ctx.mark_dirty(a);
        a.mul_(2);
        return [a.sum(), a];
      },
      (_, g: Tensor, h: Tensor) => h.mul(20).add(g.mul(30)),
    );
    u = x.mul(1);
    const [s, second] = pairOf(f(u));
    log(
      second === u,
      u.output_nr,
      grad(u.sum().add(s), x),
      attempt(() => f(x.mul(1).slice(0, 0, 2))),
    );
    f = custom(
      (_, a: Tensor) => a,
      (_, g: Tensor) => g.mul(5),
    );
    y = f(x);
    log(
      y === x,
      node(y),
      y._is_view(),
      attempt(() => y.add_(1)),
      grad(y.sum(), x),
    );
    f = custom(
      (_, a: Tensor) => a.view(3, 1),
      (_, g: Tensor) => g.view(3).mul(5),
    );
    u = x.mul(1);
    y = f(u);
    log(
      y._is_view(),
      node(y),
      attempt(() => y.add_(1)),
      grad(y.sum(), x),
    );
    u.add_(1);
    log(attempt(() => y.grad_fn));
  },

  custom_function_errors(log) {
    const x = leaf(1, 2, 3);
    const run = (forward: Forward, backward: Backward, ...args: unknown[]): unknown =>
      attempt(() =>
        custom(
          forward,
          backward,
        )(...args)
          .sum()
          .backward(),
      );
    const double: Forward = (_, a: Tensor) => a.mul(2);
    const product: Forward = (_, a: Tensor, b: Tensor) => a.mul(b);
    log(run(product, (_, g: Tensor) => g, x, x.mul(2)));
    log(
      run(double, (_, g: Tensor) => [g, g], x),
      run(double, (_, g: Tensor) => [g, null], x),
    );
    log(
      run(double, () => torch.ones(2), x),
      run(double, () => torch.ones(2, 3), x),
      run(double, (_, g: Tensor) => g.double(), x),
    );
    log(
      run(double, () => null, x),
      x.grad,
      x.grad?.dtype === torch.float32,
    );
    const saves: Forward = (ctx, a: Tensor) => {
      ctx.save_for_backward(3 as unknown as Tensor);
      return a.mul(2);
    };
    log((attempt(() => custom(saves)(x)) as string).slice(0, 50));
  },

  custom_function_double(log) {
    const cube: Forward = (ctx, a: Tensor) => {
      ctx.save_for_backward(a);
      return a.pow(3);
    };
    const cubeBackward = (ctx: FunctionContext, g: Tensor): Tensor => ctx.saved_tensors[0].pow(2).mul(3).mul(g);
    let f = custom(cube, cubeBackward);
    let x = leaf(2);
    let [g] = grad(f(x), x, { create_graph: true });
    log(g, grad(g, x));
    f = custom(
      (ctx, a: Tensor) => {
        const r = a.exp();
        ctx.save_for_backward(r);
        return r;
      },
      (ctx, g: Tensor) => {
        const [r] = ctx.saved_tensors;
        log(node(r));
        return r.mul(g);
      },
    );
    x = leaf(0);
    [g] = grad(f(x), x, { create_graph: true });
    const [h] = grad(g, x, { create_graph: true });
    log(g, h, grad(h, x));
    f = custom(cube, once_differentiable(cubeBackward));
    x = leaf(2);
    [g] = grad(f(x), x, { create_graph: true });
    log(g, g.requires_grad);
    const w = leaf(1);
    [g] = grad(f(x), x, w, { create_graph: true });
    log(
      g.requires_grad,
      attempt(() => grad(g, w)),
    );
    class Scale extends torch.autograd.Function {
      static forward(a: Tensor, k: number): Tensor {
        return a.mul(k);
      }
      static setup_context(ctx: FunctionContext, inputs: [Tensor, number], output: Tensor): void {
        ctx.k = inputs[1];
        ctx.save_for_backward(inputs[0], output);
      }
      static backward(ctx: FunctionContext, g: Tensor): (Tensor | null)[] {
        return [g.mul(ctx.k as number), null];
      }
    }
    const y = Scale.apply(x, 4);
    log(y, grad(y, x));
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
