/** The engine, and the graph as programs see it. */
import * as torch from "../../../src/index.ts";
import {
  attempt,
  type CustomClass,
  define,
  edges,
  f32,
  type Log,
  leaf,
  type Node,
  node,
  range,
  type Scenarios,
  short,
  type Tensor,
} from "./common.ts";

const { grad, backward } = torch.autograd;
const { get_gradient_edge } = torch.autograd.graph;
const keep = { retain_graph: true } as const;
const create = { create_graph: true } as const;
const unused = { allow_unused: true } as const;
const f64 = { dtype: torch.float64 } as const;
const { ones } = torch;

interface Context {
  readonly needs_input_grad: readonly boolean[];
  readonly saved_tensors: Tensor[];
  save_for_backward(...tensors: Tensor[]): void;
  level: number;
}

const allEdges = (t: Tensor): unknown[] => (t.grad_fn as Node).next_functions.map(([n, i]) => [short(n), i]);

/** x * w, which tells what of its gradient was asked for. */
function multiplyLogged(name: string, log: Log): (x: Tensor, w: Tensor) => Tensor {
  const fn = define(
    {
      forward(ctx: Context, x: Tensor, w: Tensor) {
        ctx.save_for_backward(x, w);
        return x.mul(w);
      },
      backward(ctx: Context, g: Tensor) {
        const [x, w] = ctx.saved_tensors;
        log(name, [...ctx.needs_input_grad], g);
        return [g.mul(w), g.mul(x)];
      },
    },
    "Logged",
  );
  return (x, w) => fn.apply(x, w);
}

export const scenarios: Scenarios = {
  what_is_not_asked_for(log) {
    const [f, g] = [multiplyLogged("f", log), multiplyLogged("g", log)];
    const [x, w, v] = [leaf(2), leaf(3), leaf(5)];
    log(grad(g(f(x, w), v), v)[0]);
    log(grad(g(f(x, w), v), x)[0]);
    log(grad(g(f(x, w), v), [w, v]));
    let y = f(x, w);
    let z = g(y, v);
    log(grad(z, y)[0]);
    z = g(f(x, w), v);
    z.backward({ inputs: [w] });
    log(x.grad, w.grad, v.grad);
    y = f(x, w);
    z = g(y, v);
    z.backward({ inputs: [y, x] });
    log(x.grad, w.grad, v.grad, y.grad, y.retains_grad);
  },

  running_twice(log) {
    const x = leaf(2, 3);
    const cases: (() => Tensor)[] = [
      () => x.mul(2).sum(),
      () => x.add(2).sum(),
      () => x.mul(x).sum(),
      () => x.exp().sum(),
      () => x.view(2, 1).t().sum(),
      () => x.div(2).sum(),
      () => x.sub(x).mean(),
      () => x.select(0, 0).add(x.select(0, 1)),
      () => x.mul(ones(2)).sum(),
      () => x.relu().sum(),
      () => x.pow(2).sum(),
      () => x.clone().sum(),
      () => torch.cat([x, x]).sum(),
      () => x.norm(),
      () => x.neg().sum(),
    ];
    for (const make of cases) {
      x.grad = null;
      const y = make();
      y.backward();
      const first = (x.grad as Tensor | null)?.clone();
      log(
        first,
        attempt(() => y.backward()),
        x.grad,
      );
    }
    x.grad = null;
    let y = x.mul(x).sum();
    y.backward(keep);
    y.backward(keep);
    y.backward();
    log(
      x.grad,
      attempt(() => y.backward()),
    );
    y = x.mul(x).sum();
    log(
      grad(y, x, create)[0],
      grad(y, x)[0],
      attempt(() => grad(y, x)),
    );
    const a = x.mul(x);
    const [b, c] = [a.sum(), a.prod()];
    b.backward();
    log(attempt(() => c.backward()));
  },

  several_roots(log) {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    let y = x.mul(w);
    let z = x.add(w);
    backward([y, z], [ones(2), f32([10, 20])]);
    log(x.grad, w.grad);
    x.grad = w.grad = null;
    y = x.mul(w).sum();
    backward([y, y]);
    log(x.grad);
    x.grad = null;
    y = x.mul(w);
    z = y.sum();
    backward([z, y], [null, f32([1, 100])]);
    log(x.grad, w.grad);
    y = x.mul(w).sum();
    log(
      attempt(() => backward([y, x], [null, ones(2)])),
      x.grad,
    );
    y = x.mul(w);
    log(grad([y, y.sum()], [y, x], [ones(2), null]));
    y = x.mul(w).sum();
    log(
      attempt(() => backward([y, y], [null])),
      attempt(() => backward([])),
      attempt(() => backward([y, ones(1).sum()])),
      attempt(() => backward([y, ones(1).sum()], [null, torch.tensor(1.5).mul(2)])),
      attempt(() => backward(y.mul(ones(2)))),
      attempt(() => backward(y, [1.5 as unknown as Tensor])),
    );
  },

  roots_that_are_inputs(log) {
    const x = leaf(1, 2);
    log(grad(x.sum(), x)[0], grad(x, x, ones(2))[0]);
    let y = x.mul(3);
    log(grad(y, y, f32([5, 6]))[0], grad([y, y], [x, y], [ones(2), f32([2, 2])]));
    x.backward(f32([7, 8]));
    log(x.grad);
    x.backward(f32([1, 1]), { inputs: [x] });
    log(x.grad);
    y = x.mul(3);
    y.backward(ones(2), { inputs: [y] });
    log(y.grad, x.grad, y.retains_grad);
    y = x.mul(3);
    y.backward(ones(2), { inputs: [y, x, x, y] });
    log(y.grad, x.grad);
    log(
      attempt(() => x.backward()),
      attempt(() => x.sum().backward({ inputs: [] })),
      attempt(() => x.sum().backward({ inputs: [ones(2)] })),
    );
    const z = x.mul(2).sum();
    log(grad(z, [x, x]));
  },

  shapes_of_given_gradients(log) {
    const x = leaf(1, 2, 3);
    const y = x.mul(2);
    log(
      attempt(() => y.backward()),
      attempt(() => y.backward(ones(2))),
      attempt(() => y.backward(ones(1, 3))),
      attempt(() => y.backward(torch.tensor(1.5))),
    );
    y.backward(ones(3, f64), keep);
    log(x.grad, String((x.grad as Tensor | null)?.dtype));
    log(
      attempt(() => y.backward(ones(3, { dtype: torch.int64 }), keep)),
      x.grad,
    );
    const s = y.sum();
    log(
      attempt(() => s.backward(ones(1))),
      attempt(() => s.backward(torch.tensor(5.5).sub(0.5), keep)),
      x.grad,
    );
    const one = leaf(4);
    one.mul(3).backward();
    log(one.grad);
    one.view(1, 1).mul(3).backward();
    log(one.grad);
    const n = torch.tensor([[2]], { dtype: torch.float32, requires_grad: true });
    log(grad(n.mul(2), n)[0]);
    const e = torch.zeros(0, { requires_grad: true });
    log(attempt(() => e.mul(2).backward()));
    e.sum().backward();
    log(e.grad?.shape);
    log(
      attempt(() => torch.arange(3).sum().backward()),
      attempt(() => ones(2).sum().backward()),
    );
  },

  inputs_that_are_not_used(log) {
    const [x, w] = [leaf(1, 2), leaf(3)];
    const y = x.mul(2);
    let s = y.sum();
    log(
      attempt(() => grad(s, w)),
      grad(s, w, unused)[0],
      grad(s, [w, x], { materialize_grads: true }),
      attempt(() => grad(s, w, { allow_unused: false, materialize_grads: true })),
      attempt(() => grad(s, ones(2))),
      attempt(() => grad(s, [])),
      attempt(() => grad(s, ones(2), unused)),
    );
    const z = y.mul(3);
    log(
      attempt(() => grad(s, z)),
      grad(s, [z, y], unused),
    );
    s = y.sum();
    s.backward({ inputs: [w] });
    log(w.grad, x.grad);
    const d = y.detach();
    d.requires_grad_();
    log(attempt(() => grad(y.mul(2).sum(), d)));
    const m = grad(x.mul(1).sum(), [x, w], { materialize_grads: true, create_graph: true });
    log(m, m[1].requires_grad, m[0].requires_grad);
    const i = torch.arange(3);
    log(
      attempt(() => grad(s, i)),
      attempt(() => grad(i.sum(), x)),
    );
  },

  gradients_of_gradients(log) {
    const x = leaf(1, 2, 3);
    const cube = (): Tensor => x.mul(x).mul(x).sum();
    const gradient = (t: Tensor): Tensor => grad(t, x, create)[0];
    let g = gradient(cube());
    const h = gradient(g.sum());
    const k = gradient(h.sum());
    log(
      g,
      h,
      k,
      node(g),
      k.requires_grad,
      attempt(() => grad(k.sum(), x)),
    );
    const y = x.mul(x).sum();
    y.backward(create);
    const first = x.grad as unknown as Tensor;
    log(first, first.requires_grad, node(first));
    first.sum().backward();
    log(x.grad, (x.grad as unknown as Tensor).requires_grad);
    x.grad = null;
    x.mul(x).sum().backward();
    const second = x.grad as unknown as Tensor;
    log(second.requires_grad, second.is_leaf);
    g = gradient(x.mul(2).sum());
    log(
      g,
      g.requires_grad,
      attempt(() => grad(g.sum(), x)),
    );
    const s = cube();
    g = torch.no_grad(() => gradient(s));
    log(g.requires_grad, node(g));
    const v = leaf(1, 1, 1);
    const [vjp] = grad(x.exp(), x, v, create);
    log(grad(vjp, v, f32([1, 2, 3]))[0]);
  },

  order_of_nodes(log) {
    const order: string[] = [];
    const noted = (name: string): ((...xs: Tensor[]) => Tensor) => {
      const fn = define(
        {
          forward: (_: Context, ...xs: Tensor[]) => xs.reduce((p, q) => p.add(q)).mul(1),
          backward: (ctx: Context, g: Tensor) => {
            order.push(name);
            return ctx.needs_input_grad.map(() => g);
          },
        },
        name,
      );
      return (...xs) => fn.apply(...xs);
    };
    const x = leaf(1);
    const [a, b, c, d] = ["a", "b", "c", "d"].map(noted);
    const first = a(x);
    const second = b(x);
    const total = d(second, c(first));
    total.backward();
    log([...order], x.grad);
    order.length = 0;
    const y = a(x);
    c(b(y, y), y).backward();
    log([...order], x.grad);
    order.length = 0;
    let longWay = x;
    for (let i = 0; i < 3; i++) longWay = noted(`l${i}`)(longWay);
    const shortWay = noted("s")(x);
    longWay.mul(shortWay).backward();
    log([...order], x.grad);
    const last = total.grad_fn as Node;
    log((last.next_functions[0][0] as Node)._sequence_nr() < last._sequence_nr());
  },

  the_graph_to_walk(log) {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    const y = x.mul(w).add(x).exp().sum();
    const root = y.grad_fn as Node;
    const seen: unknown[] = [];
    const queue: Node[] = [root];
    for (let fn = queue.shift(); fn !== undefined; fn = queue.shift()) {
      seen.push([short(fn), fn.next_functions.map(([n, i]) => [short(n), i])]);
      for (const [n] of fn.next_functions) if (n !== null) queue.push(n);
    }
    log(seen);
    const accumulator = (x.view(2, 1).grad_fn as Node).next_functions[0][0] as Node & { variable: Tensor };
    log(x.grad_fn, accumulator.variable === x);
    log(y.grad_fn === root, root.next_functions[0][0] === (y.grad_fn as Node).next_functions[0][0]);
    const [a, b] = x.mul(2).split(1);
    log(a.grad_fn === b.grad_fn, a.output_nr, b.output_nr, allEdges(b.mul(3)));
    const [values, indices] = x.view(1, 2).max(1);
    log(node(values), indices.grad_fn, indices.requires_grad, values.output_nr);
    log(root instanceof torch.autograd.graph.Node, Object.keys(root.metadata).length);
    root.metadata.note = 3;
    log((y.grad_fn as Node).metadata.note);
    log(edges(x.mul(2)), edges(x.add(w)), allEdges(x.mul(2)), allEdges(x.add(2)));
    log(
      edges(torch.addmm(x, w.view(1, 2), torch.eye(2))),
      edges(torch.where(x.gt(1), x, w)),
      edges(torch.stack([x, w, x])),
    );
    log(allEdges(x.sub(1)), allEdges(torch.rsub(x, 1)), allEdges(x.div(2)));
  },

  gradient_edges(log) {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    let y = x.mul(w);
    let e = get_gradient_edge(y);
    log(short(e.node), e.output_nr, e.node === y.grad_fn, short(get_gradient_edge(x).node));
    const z = y.mul(y).sum();
    log(grad(z, e, keep)[0], grad(z, [e, get_gradient_edge(x), w], keep));
    log(grad(get_gradient_edge(z), x, keep)[0]);
    log(grad(e, [x], { grad_outputs: [f32([1, 10])], ...keep })[0]);
    backward(get_gradient_edge(z), { inputs: [get_gradient_edge(x)] });
    log(x.grad, w.grad);
    log(
      attempt(() => get_gradient_edge(ones(2))),
      attempt(() => grad(get_gradient_edge(x.mul(w)), x)),
    );
    const [a, b] = x.mul(2).unbind();
    e = get_gradient_edge(b);
    log(e.output_nr, grad(a.mul(b), e)[0]);
    y = x.mul(w);
    e = get_gradient_edge(y);
    y.mul_(2);
    log(short(e.node), short(get_gradient_edge(y).node), grad(y.sum(), e)[0]);
    e = get_gradient_edge(x.mul(1));
    log(grad(e, x, ones(2))[0]);
    y = x.mul(w);
    log(attempt(() => grad(get_gradient_edge(y), x, [ones(3)])));
  },

  dead_ends(log) {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    let y = x.mul(w.detach());
    y.sum().backward();
    log(x.grad, w.grad);
    x.grad = null;
    const c = torch.no_grad(() => x.mul(w));
    const z = c.mul(x).sum();
    log(c.requires_grad, c.is_leaf, edges(c.mul(x)), grad(z, x)[0]);
    y = x.gt(1).to(torch.float32).mul(x);
    log(node(y), edges(y), grad(y.sum(), x)[0]);
    y = x.argmax();
    log(
      y.requires_grad,
      y.grad_fn,
      attempt(() => y.backward()),
    );
    y = x.mul(2).round();
    y.sum().backward();
    log(x.grad);
    const k = torch.tensor([1, 0]);
    log(grad(x.index_select(0, k).select(0, 0), x)[0], x.sort()[1].requires_grad);
    const n = leaf(NaN, 1);
    log(grad(torch.where(f32([0, 1]).gt(0), n, ones(2)).sum(), n)[0]);
    y = x.new_zeros(2);
    log(
      y.requires_grad,
      torch.zeros_like(x).requires_grad,
      x.clone().requires_grad,
      torch.tensor(x.tolist() as number[]).requires_grad,
    );
  },

  accumulating(log) {
    const x = leaf(1, 2);
    for (let i = 0; i < 3; i++)
      x.mul(i + 1)
        .sum()
        .backward();
    log(x.grad);
    const kept = x.grad as unknown as Tensor;
    x.mul(10).sum().backward();
    log(kept, kept === x.grad, kept._version);
    x.grad = null;
    x.mul(1).sum().backward();
    log(kept, x.grad);
    const before = x.grad as unknown as Tensor;
    x.mul(x).sum().backward(create);
    const after = x.grad as unknown as Tensor;
    log(before, after, before === after, after.requires_grad);
    const a = leaf(1, 2);
    const g = ones(2);
    a.backward(g);
    log(a.grad === g);
    a.grad?.add_(1);
    log(g);
    const b = torch.zeros(2, 3, { requires_grad: true });
    b.t().mul(range(6).view(3, 2)).sum().backward();
    log(b.grad, b.grad?.stride());
    const c = range(6).view(2, 3).t().requires_grad_();
    c.mul(2).sum().backward();
    log(c.grad?.stride(), c.stride());
    const d = torch.zeros(3, { requires_grad: true });
    d.expand(2, 3).sum().backward();
    log(d.grad, d.grad?.stride());
  },

  backward_within_backward(log) {
    const inner = define(
      {
        forward(ctx: Context, x: Tensor) {
          ctx.save_for_backward(x);
          return x.mul(2);
        },
        backward(ctx: Context, g: Tensor) {
          const [x] = ctx.saved_tensors;
          const y = x.detach().requires_grad_();
          torch.enable_grad(() => y.mul(y).mul(y).sum().backward());
          return g.mul(y.grad as unknown as Tensor);
        },
      },
      "Inner",
    );
    const x = leaf(1, 2);
    inner.apply(x.mul(1)).sum().backward();
    log(x.grad);
    x.grad = null;
    const depth: number[] = [];
    const deep: CustomClass = define(
      {
        forward(ctx: Context, t: Tensor, level: number) {
          ctx.save_for_backward(t);
          ctx.level = level;
          return t.mul(1);
        },
        backward(ctx: Context, g: Tensor) {
          const [t] = ctx.saved_tensors;
          depth.push(ctx.level);
          if (ctx.level === 0) return [g, null];
          const y = t.detach().requires_grad_();
          torch.enable_grad(() =>
            deep
              .apply(y, ctx.level - 1)
              .sum()
              .backward(),
          );
          return [g.add(y.grad as unknown as Tensor), null];
        },
      },
      "Deep",
    );
    deep.apply(x, 6).sum().backward();
    log(x.grad, depth);
    x.grad = null;
    let y = x.mul(3);
    const z = x.mul(5).sum();
    y.register_hook(() => z.backward());
    y.sum().backward();
    log(x.grad);
    x.grad = null;
    y = x.mul(x).sum();
    log(torch.is_grad_enabled());
    x.register_hook(() => log(torch.is_grad_enabled()));
    y.backward(create);
    x.mul(1).sum().backward();
  },

  errors_leave_the_engine_usable(log) {
    const x = leaf(1, 2);
    const y = x.mul(2);
    const handle = y.register_hook(() => {
      throw new torch.ValueError("this hook fails");
    });
    const s = y.mul(y).sum();
    log(
      attempt(() => s.backward(keep)),
      x.grad,
      torch.is_grad_enabled(),
    );
    handle.remove();
    log(
      attempt(() => s.backward(keep)),
      x.grad,
    );
    const times = (_: Context, t: Tensor): Tensor => t.mul(1);
    const f = define({
      forward: times,
      backward: () => {
        throw new torch.RuntimeError("no gradient here");
      },
    });
    const w = leaf(3);
    const z = f.apply(x).mul(w).sum();
    log(
      attempt(() => z.backward()),
      w.grad,
      x.grad,
      attempt(() => z.backward()),
    );
    x.mul(1).sum().backward();
    log(x.grad);
    const wrong = define({ forward: times, backward: () => ones(5) }, "Wrong");
    log(attempt(() => wrong.apply(x).sum().backward()));
    const many = define({ forward: times, backward: (_: Context, g: Tensor) => [g, g] }, "Many");
    log(
      attempt(() => many.apply(x).sum().backward()),
      torch.is_grad_enabled(),
      x.mul(1).requires_grad,
    );
  },

  metadata_of_gradients(log) {
    const x = ones(2, 3, { requires_grad: true });
    const metadata = (t: Tensor) => (t.grad_fn as Node)._input_metadata.map((m) => [[...(m?.shape ?? [])], m?.dtype]);
    const [[shape, dtype], ...rest] = metadata(x.mul(2).sum(1));
    log(rest.length + 1, shape, String(dtype));
    log(metadata(x.split([1, 2], 1)[0]).map(([s]) => s));
    const e = get_gradient_edge(x);
    log(short(e.node), e.node._input_metadata[0]?.shape, (e.node as Node & { variable: Tensor }).variable === x);
    log(String(metadata(x.double())[0][1]));
  },

  multithreading_is_a_switch(log) {
    const { is_multithreading_enabled, set_multithreading_enabled } = torch.autograd;
    log(is_multithreading_enabled());
    set_multithreading_enabled(false, () => {
      log(is_multithreading_enabled());
      const x = leaf(1, 2);
      x.mul(3).sum().backward();
      log(x.grad);
    });
    log(is_multithreading_enabled());
  },

  broadcasting_and_dtypes(log) {
    const [x, s] = [leaf(1, 2, 3), leaf(2)];
    log(grad(x.view(3, 1).mul(s).mul(range(4)).sum(), [x, s]));
    const t = torch.tensor(2, { dtype: torch.float32, requires_grad: true });
    log(grad(x.mul(t).sum(), t)[0], grad(t.mul(3).add(t), t)[0]);
    const d = torch.tensor([1, 2, 3], { ...f64, requires_grad: true });
    const g = grad(x.mul(d).sum(), [x, d]);
    log(
      g.map((v) => String(v.dtype)),
      g,
    );
    const h = leaf(1, 1, 1);
    const i = torch.arange(3);
    log(grad(h.mul(i).sum(), h)[0], node(h.mul(i)));
    const m = torch.tensor([true, false, true]);
    log(grad(x.mul(m).sum(), x)[0], grad(x.masked_select(m).sum(), x)[0]);
    log(grad(x.sum().expand(2, 2).mul(range(4).view(2, 2)).sum(), x)[0]);
  },

  a_linear_layer_by_hand(log) {
    const w = torch.tensor(
      [
        [0.5, -1],
        [2, 0.25],
      ],
      { requires_grad: true },
    );
    const b = leaf(0.1, -0.2);
    const data = range(6).add(1).view(3, 2);
    const target = f32([1, 0, 0, 1, 1, 1]).view(3, 2);
    for (let step = 0; step < 3; step++) {
      const loss = torch.addmm(b, data, w.t()).sub(target).pow(2).mean();
      loss.backward();
      const [gw, gb] = [w.grad, b.grad] as unknown as [Tensor, Tensor];
      log(loss.item(), gw, gb);
      torch.no_grad(() => {
        w.sub_(gw.mul(0.01));
        b.sub_(gb.mul(0.01));
      });
      w.grad = b.grad = null;
    }
    log(w, b, w._version);
  },

  pieces_of_one_graph(log) {
    const x = leaf(1, 2);
    let h = x.mul(x);
    const stop = h.detach().requires_grad_();
    stop.mul(3).sum().backward();
    log(stop.grad, x.grad);
    h.backward(stop.grad);
    log(x.grad);
    x.grad = null;
    h = x.mul(x);
    const [a, b] = [h.mul(2).sum(), h.mul(5).sum()];
    a.backward(keep);
    b.backward();
    log(x.grad);
    x.grad = null;
    h = x.exp();
    h.unbind()
      .map((p, i) => p.mul(i))
      .reduce((p, q) => p.add(q))
      .backward();
    log(x.grad);
    x.grad = null;
    let y = x;
    for (let i = 0; i < 20; i++) y = y.add(x.mul(0.5));
    y.sum().backward();
    log(x.grad);
  },

  one_output_many_times(log) {
    const x = leaf(2);
    let y = x.mul(1);
    y.mul(y).add(y.mul(3)).add(y).backward();
    log(x.grad);
    x.grad = null;
    y = x;
    for (let i = 0; i < 10; i++) y = y.add(y);
    y.backward();
    log(x.grad);
    x.grad = null;
    const m = x.mul(1).expand(3);
    m.select(0, 0).mul(m.select(0, 1)).mul(m.select(0, 2)).backward();
    log(x.grad);
    const [a, b] = [leaf(1), leaf(2)];
    const c = a.mul(b);
    const d = torch.stack([c, c, a]);
    log(grad(d.mul(f32([1, 2, 3]).view(3, 1)).sum(), [a, b]));
  },
};
