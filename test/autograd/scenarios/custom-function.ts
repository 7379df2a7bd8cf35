/** Custom functions. */
import type { FunctionCtx } from "../../../src/autograd/function.ts";
import * as torch from "../../../src/index.ts";
import {
  attempt,
  type Backward,
  custom,
  edges,
  type Forward,
  leaf,
  node,
  pairOf,
  type Scenarios,
  type Tensor,
} from "./common.ts";

const { grad, once_differentiable } = torch.autograd;

export const scenarios: Scenarios = {
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
    const cubeBackward = (ctx: FunctionCtx, g: Tensor): Tensor => ctx.saved_tensors[0].pow(2).mul(3).mul(g);
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
      static setup_context(ctx: FunctionCtx, inputs: [Tensor, number], output: Tensor): void {
        ctx.k = inputs[1];
        ctx.save_for_backward(inputs[0], output);
      }
      static backward(ctx: FunctionCtx, g: Tensor): (Tensor | null)[] {
        return [g.mul(ctx.k as number), null];
      }
    }
    const y = Scale.apply(x, 4);
    log(y, grad(y, x));
  },
};
