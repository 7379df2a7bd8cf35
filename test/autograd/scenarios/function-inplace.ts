/** Custom functions that return views or change their inputs. */
import * as torch from "../../../src/index.ts";
import { attempt, define, leaf, node, type Scenarios, type Tensor } from "./common.ts";

const { grad } = torch.autograd;
type Ctx = torch.autograd.FunctionCtx;

const all = (x: unknown): Tensor[] => x as Tensor[];
const state = (t: Tensor): unknown[] => [node(t), t._is_view(), t.requires_grad, t.output_nr, t._version, t.is_leaf];
const weights = (n: number): Tensor => torch.arange(1, n + 1, { dtype: torch.float32 });
const weighted = (t: Tensor): Tensor => t.mul(weights(t.numel())).sum();

const dirty = {
  forward(ctx: Ctx, a: Tensor) {
    ctx.mark_dirty(a);
    return a.mul_(2);
  },
  backward: (_: Ctx, g: Tensor) => g.mul(20),
};
const column = {
  forward: (_: Ctx, a: Tensor) => a.view(-1, 1),
  backward: (_: Ctx, g: Tensor) => g.view(-1).mul(5),
};

export const scenarios: Scenarios = {
  views_returned(log) {
    const x = leaf(1, 2, 3);
    const f = define(column);
    for (const given of [x, x.mul(1), torch.ones(3)]) {
      const y = f.apply(given);
      log(
        state(y),
        y._base === given,
        attempt(() => state(y.add_(1))),
      );
    }
    const y = f.apply(torch.ones(3));
    log(attempt(() => y.add_(x.view(3, 1))));
    log(grad(f.apply(x.mul(1)).mul(weights(3).view(3, 1)).sum(), x));
  },

  several_views_returned(log) {
    const x = leaf(1, 2, 3);
    let f = define({
      forward: (_: Ctx, a: Tensor) => [a.view(3, 1), a.view(1, 3)],
      backward: (_: Ctx, g: Tensor, h: Tensor) => g.view(3).add(h.view(3).mul(10)),
    });
    const b = x.mul(1);
    let [p, q] = all(f.apply(b));
    log(
      state(p),
      state(q),
      attempt(() => p.add_(1)),
      grad(p.sum(), x),
    );
    [p, q] = all(f.apply(b));
    b.add_(1);
    log(
      attempt(() => p.grad_fn),
      attempt(() => grad(p.sum(), x)),
      attempt(() => q.requires_grad),
    );
    f = define({
      forward: (_: Ctx, a: Tensor) => [a.view(3, 1), a.mul(2)],
      backward: (_: Ctx, g: Tensor, h: Tensor) => g.view(3).add(h.mul(10)),
    });
    [p, q] = all(f.apply(x.mul(1)));
    log(
      state(p),
      state(q),
      attempt(() => p.add_(1)),
      attempt(() => state(q.add_(1))),
    );
    f = define({
      forward: (_: Ctx, a: Tensor) => [a.view(3, 1), a.long()],
      backward: (_: Ctx, g: Tensor) => g.view(3),
    });
    [p, q] = all(f.apply(x.mul(1)));
    log(attempt(() => p.add_(1)));
  },

  views_of_intermediates(log) {
    const x = leaf(1, 2, 3);
    let f = define({
      forward: (_: Ctx, a: Tensor) => a.mul(2).view(3, 1),
      backward: (_: Ctx, g: Tensor) => g.view(3),
    });
    const y = f.apply(x);
    log(
      state(y),
      y._base === null,
      attempt(() => y.add_(1)),
      attempt(() => y.detach_()),
    );
    f = define({
      forward: (_: Ctx, a: Tensor) => a.mul(2).unbind(0),
      backward: (_: Ctx, ...g: Tensor[]) => torch.stack(g),
    });
    const parts = all(f.apply(x));
    log(
      parts.map(state),
      parts[0]._base === parts[2]._base,
      attempt(() => parts[1].add_(1)),
    );
  },

  base_changed_after_view(log) {
    const x = leaf(1, 2, 3);
    let b = x.mul(1);
    let y = define(column).apply(b);
    const z = y.mul(2);
    b.add_(1);
    log(
      attempt(() => y.grad_fn),
      attempt(() => y.mul(2)),
      grad(z.sum(), x),
    );
    b = x.mul(1);
    const v = b.view(3);
    y = define(column).apply(v);
    b.add_(1);
    log(attempt(() => y.grad_fn));
  },

  input_as_is(log) {
    const x = leaf(1, 2, 3);
    let f = define({ forward: (_: Ctx, a: Tensor) => a, backward: (_: Ctx, g: Tensor) => g.mul(5) });
    for (const given of [x, x.mul(1), torch.ones(3)]) {
      const y = f.apply(given);
      log(
        y === given,
        y._base === given,
        state(y),
        attempt(() => state(y.mul_(2))),
      );
    }
    let y = f.apply(x);
    log(grad(y.sum(), x));
    torch.no_grad(() => {
      y = f.apply(x);
      log(y === x, state(y), x.requires_grad);
      log(state(f.apply(torch.ones(3))));
    });
    const b = x.mul(1);
    y = f.apply(b);
    b.add_(1);
    log(attempt(() => y.grad_fn));
    f = define({
      forward(ctx: Ctx, a: Tensor) {
        ctx.save_for_backward(a);
        return a;
      },
      backward(ctx: Ctx, g: Tensor) {
        const [a] = ctx.saved_tensors;
        log(node(a));
        return g.mul(a);
      },
    });
    y = f.apply(x.mul(1));
    log(grad(y.sum(), x));
  },

  input_changed(log) {
    let x = leaf(1, 2, 3);
    const f = define(dirty);
    const b = x.mul(1);
    let y = f.apply(b);
    log(y === b, state(b), grad(weighted(b), x));
    const t = torch.ones(3);
    y = f.apply(t);
    log(y === t, state(t));
    log(attempt(() => f.apply(leaf(1, 2))));
    torch.no_grad(() => {
      x = leaf(1, 2, 3);
      y = f.apply(x);
      log(y === x, state(y), x);
      const v = x.view(3);
      y = f.apply(v);
      log(y === v, y.requires_grad, x);
    });
  },

  view_changed(log) {
    const x = leaf(1, 2, 3);
    const f = define(dirty);
    let b = x.mul(1);
    let v = b.slice(0, 0, 2);
    const y = f.apply(v);
    log(y === v, state(v), state(b), grad(weighted(b), x));
    b = x.mul(1);
    v = b.slice(0, 0, 2);
    f.apply(v);
    log(grad(weighted(v), x));
    log(attempt(() => f.apply(leaf(1, 2).slice(0, 0, 1))));
    log(attempt(() => f.apply(x.mul(1).unbind(0)[0])));
    b = torch.ones(3);
    v = b.slice(0, 1);
    f.apply(v);
    log(state(v), state(b), b);
  },

  constant_becomes_differentiable(log) {
    const f = define({
      forward(ctx: Ctx, a: Tensor, b: Tensor) {
        a.mul_(b);
        ctx.mark_dirty(a);
        ctx.save_for_backward(b);
        return a;
      },
      backward(ctx: Ctx, g: Tensor) {
        log(ctx.needs_input_grad);
        return [g.mul(20), g.mul(30)];
      },
    });
    const x = leaf(1, 2, 3);
    const t = torch.ones(3);
    f.apply(t, x);
    log(state(t), grad(weighted(t), x));
    const b = torch.ones(3);
    const v = b.slice(0, 0, 2);
    f.apply(v, x.slice(0, 0, 2));
    log(state(v), state(b), grad(weighted(b), x));
  },

  second_input_changed(log) {
    let f = define({
      forward(ctx: Ctx, a: Tensor, b: Tensor) {
        b.mul_(2);
        ctx.mark_dirty(b);
        return [a.mul(2), b];
      },
      backward(_: Ctx, g: Tensor, h: Tensor) {
        log(g, h);
        return [g.mul(20), h.mul(30)];
      },
    });
    const x = leaf(1, 2, 3);
    let b = x.mul(1);
    let [, q] = all(f.apply(x, b));
    log(q === b, state(b), grad(b.sum(), x));
    const t = torch.ones(3);
    [, q] = all(f.apply(x, t));
    log(q === t, state(t), grad(t.sum(), x));
    log(attempt(() => f.apply(x, x.mul(1).slice(0, 0, 2))));
    f = define({
      forward(ctx: Ctx, _: Tensor, b: Tensor) {
        b.mul_(2);
        ctx.mark_dirty(b);
        return b;
      },
      backward: (_: Ctx, h: Tensor) => [h.mul(20), h.mul(30)],
    });
    b = x.mul(1);
    const v = b.slice(0, 0, 2);
    f.apply(x.slice(0, 0, 2), v);
    log(state(v), grad(weighted(b), x));
  },

  marks_that_do_not_fit(log) {
    const x = leaf(1, 2, 3);
    const run = (forward: (ctx: Ctx, a: Tensor) => Tensor): unknown =>
      attempt(() => state(define({ forward, backward: (_: Ctx, g: Tensor) => g }).apply(x.mul(1))));
    log(
      run((ctx, a) => {
        ctx.mark_dirty(a);
        return a.mul_(2).mul(1);
      }),
      run((ctx, a) => {
        ctx.mark_dirty(a.clone());
        return a.mul(2);
      }),
    );
    const { warn } = console;
    console.warn = () => {};
    log(
      run((ctx, a) => {
        const b = a.mul(2);
        ctx.mark_dirty(b);
        return b;
      }),
    );
    console.warn = warn;
    log(
      run((_, a) => a.mul_(2)),
      run((ctx, a) => {
        ctx.mark_dirty(a);
        ctx.mark_non_differentiable(a);
        return a.mul_(2);
      }),
    );
    const f = define({
      forward(ctx: Ctx, a: Tensor, b: Tensor) {
        ctx.mark_dirty(a, b);
        a.mul_(2);
        return [a, b];
      },
      backward: (_: Ctx, g: Tensor, h: Tensor) => [g.mul(2), h.mul(3)],
    });
    const b = x.mul(1);
    const [p, q] = all(f.apply(b, b));
    log(p === q, state(b), grad(b.sum(), x));
  },

  change_is_counted(log) {
    const backward = (_: Ctx, g: Tensor): Tensor => g;
    const x = leaf(1, 2, 3);
    let b = x.mul(1);
    let c = b.mul(b);
    define({
      forward(ctx: Ctx, a: Tensor) {
        ctx.mark_dirty(a);
        a.data.mul_(2);
        return a;
      },
      backward,
    }).apply(b);
    log(
      b._version,
      attempt(() => grad(c.sum(), x)),
    );
    b = x.mul(1);
    c = b.mul(b);
    let y = define({ forward: (_: Ctx, a: Tensor) => a.mul_(2), backward }).apply(b);
    log(
      y === b,
      b._version,
      attempt(() => grad(c.sum(), x)),
    );
    b = x.mul(1);
    c = b.mul(b);
    y = define({ forward: (_: Ctx, a: Tensor) => a.detach(), backward }).apply(b);
    log(
      state(y),
      state(y.mul_(2)),
      b,
      attempt(() => grad(c.sum(), x)),
    );
  },

  hooks_stay_and_gradient_goes(log) {
    const x = leaf(1, 2);
    let b = x.mul(1);
    b.retain_grad();
    b.register_hook((g) => log("hook", g) as undefined);
    const f = define(dirty);
    f.apply(b);
    b.sum().backward();
    log(b.grad, x.grad);
    b = x.mul(1);
    b.retain_grad();
    b.sum().backward();
    f.apply(b);
    log(b.grad);
  },
};
