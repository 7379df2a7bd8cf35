/** Derivatives of custom functions' gradients. */
import * as torch from "../../../src/index.ts";
import { attempt, type CustomClass, define, edges, leaf, node, type Scenarios, type Tensor } from "./common.ts";

const { grad, once_differentiable } = torch.autograd;
type Ctx = torch.autograd.FunctionCtx;

const all = (x: unknown): Tensor[] => x as Tensor[];
const graph = { create_graph: true } as const;

function cube(backward: (ctx: Ctx, g: Tensor) => unknown): CustomClass {
  const forward = (ctx: Ctx, a: Tensor): Tensor => {
    ctx.save_for_backward(a);
    return a.pow(3);
  };
  return define({ forward, backward }, "Cube");
}
const slope = (ctx: Ctx, g: Tensor): Tensor => ctx.saved_tensors[0].pow(2).mul(3).mul(g);

export const scenarios: Scenarios = {
  third_derivative(log) {
    const x = leaf(2, 3);
    const [g] = grad(cube(slope).apply(x).sum(), x, graph);
    const [h] = grad(g.sum(), x, graph);
    log(g, h, grad(h.sum(), x), node(g));
  },

  through_the_cotangent(log) {
    const f = cube((ctx, g) => slope(ctx, g.exp()));
    const [x, w] = [leaf(2, 3), leaf(0, 1)];
    const [g] = grad(f.apply(x), x, w, graph);
    log(g, grad(g.sum(), [w, x]));
  },

  output_saved(log) {
    const f = define(
      {
        forward(ctx: Ctx, a: Tensor) {
          const out = a.exp();
          ctx.save_for_backward(out);
          return out;
        },
        backward(ctx: Ctx, g: Tensor) {
          const [out] = ctx.saved_tensors;
          log(node(out));
          return out.mul(g);
        },
      },
      "Exp",
    );
    const x = leaf(0, 1);
    const [g] = grad(f.apply(x).sum(), x, graph);
    const [h] = grad(g.sum(), x, graph);
    log(g, h, grad(h.sum(), x));
  },

  intermediate_saved(log) {
    const hidden = define({
      forward(ctx: Ctx, a: Tensor) {
        const mid = a.pow(2);
        ctx.save_for_backward(mid, a);
        return mid.mul(a);
      },
      backward: (ctx: Ctx, g: Tensor) => ctx.saved_tensors[0].mul(3).mul(g),
    });
    const x = leaf(2, 3);
    let [g] = grad(hidden.apply(x).sum(), x, graph);
    log(
      g,
      g.requires_grad,
      attempt(() => grad(g.sum(), x)),
    );
    const returned = define({
      forward(ctx: Ctx, a: Tensor) {
        const mid = a.pow(2);
        ctx.save_for_backward(a, mid);
        return [mid.mul(a), mid];
      },
      backward(ctx: Ctx, g: Tensor, h: Tensor) {
        const [a, mid] = ctx.saved_tensors;
        return mid.mul(3).mul(g).add(a.mul(2).mul(h));
      },
    });
    const [y] = all(returned.apply(x));
    [g] = grad(y.sum(), x, graph);
    log(g, grad(g.sum(), x));
  },

  kept_as_fields(log) {
    type Kept = torch.autograd.FunctionCtx<{ a: Tensor; out: Tensor }>;
    const f = define({
      forward(ctx: Kept, a: Tensor) {
        [ctx.a, ctx.out] = [a, a.exp()];
        return ctx.out;
      },
      backward(ctx: Kept, g: Tensor) {
        log(ctx.out.requires_grad, ctx.a.requires_grad);
        return ctx.a.exp().mul(g);
      },
    });
    const x = leaf(0, 1);
    const [g] = grad(f.apply(x).sum(), x, graph);
    log(g, grad(g.sum(), x));
  },

  once_differentiable_function(log) {
    const [x, w] = [leaf(2), leaf(1)];
    const f = cube(once_differentiable(slope));
    let [g] = grad(f.apply(x), x, graph);
    log(
      g,
      g.requires_grad,
      attempt(() => grad(g, x)),
    );
    [g] = grad(f.apply(x), x, w, graph);
    log(
      g,
      g.requires_grad,
      node(g),
      edges(g),
      attempt(() => grad(g, w)),
      attempt(() => g.sum().backward()),
    );
    const y = f.apply(x);
    [g] = grad(y.mul(y).sum(), x, graph);
    log(
      g,
      attempt(() => g.sum().backward()),
      attempt(() => grad(g.mul(x).sum(), x)),
    );
    [g] = grad(y.mul(y).sum(), x);
    log(g.requires_grad);
  },

  once_differentiable_results(log) {
    const [x, w] = [leaf(2), leaf(1)];
    const run = (result: (g: Tensor) => unknown, create_graph = true): unknown => {
      const f = cube(once_differentiable((_: Ctx, g: Tensor) => result(g)));
      // Python's AttributeError is JavaScript's TypeError.
      const seen = attempt(() => grad(f.apply(x), x, w, { create_graph, allow_unused: true }));
      return typeof seen === "string" ? seen.replace(/TypeError(?=.*attribute)/, "AttributeError") : seen;
    };
    log(
      run((g) => [g.mul(2), null, null]),
      run(() => null),
      run(() => 3),
      run(() => 3, false),
    );
    log(
      run((g) => g.requires_grad),
      once_differentiable(run).name,
    );
    const f = define({
      forward: (_: Ctx, a: Tensor, b: Tensor) => [a.mul(b), a.add(b)],
      backward: once_differentiable((_: Ctx, g: Tensor, h: Tensor) => [g.add(h), g.sub(h)]),
    });
    const [y, z] = all(f.apply(x, w));
    const [p, q] = grad(y.mul(z).sum(), [x, w], graph);
    log(p, q, p.grad_fn === q.grad_fn, p.output_nr, q.output_nr);
    log(attempt(() => p.add(q).sum().backward()));
  },

  once_differentiable_decorator(log) {
    class Square extends torch.autograd.Function {
      static forward(ctx: Ctx, a: Tensor): Tensor {
        ctx.save_for_backward(a);
        return a.mul(a);
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        log(torch.is_grad_enabled());
        return g.mul(2).mul(ctx.saved_tensors[0]);
      }
    }
    // What a compiler makes of `@once_differentiable static backward`.
    const context = { kind: "method", name: "backward", static: true } as const;
    Square.backward = once_differentiable(Square.backward, context);
    const x = leaf(3);
    const y = Square.apply(x);
    const [g] = grad(y.mul(y), x, graph);
    log(
      Square.backward.name,
      g,
      attempt(() => g.sum().backward()),
    );
  },

  backward_within_backward(log) {
    const f = cube((ctx, g) => {
      const [a] = ctx.saved_tensors;
      const b = a.detach().requires_grad_();
      torch.enable_grad(() => b.pow(3).sum().backward());
      log(torch.is_grad_enabled());
      return g.mul(b.grad as Tensor);
    });
    const x = leaf(2, 3);
    f.apply(x).mul(2).sum().backward();
    log(x.grad);
  },

  grad_within_backward(log) {
    const f = cube((ctx, g) => {
      const [a] = ctx.saved_tensors;
      return torch.enable_grad(() => grad(a.pow(3), a, g, graph)[0]);
    });
    const x = leaf(2, 3);
    const [g] = grad(f.apply(x).sum(), x, graph);
    log(g, grad(g.sum(), x));
    f.apply(x.mul(1)).sum().backward();
    log(x.grad);
  },

  gradient_with_nothing(log) {
    const f = define({
      forward: (_: Ctx, a: Tensor, b: Tensor) => [a.mul(b), a.add(b)],
      backward: (_: Ctx, g: Tensor, h: Tensor) => [g.mul(2).add(h), null],
    });
    const [x, w] = [leaf(2), leaf(3)];
    let [y, z] = all(f.apply(x, w));
    log(
      grad(y.sum(), [x, w], { allow_unused: true }),
      grad(z.sum(), [x, w], { allow_unused: true, materialize_grads: true }),
    );
    [y, z] = all(f.apply(x, w));
    const [g] = grad(y.mul(y).sum(), x, graph);
    log(g, grad(g.sum(), x));
  },

  double_backward_of_broadcast(log) {
    const f = define({
      forward(ctx: Ctx, a: Tensor, b: Tensor) {
        ctx.save_for_backward(a, b);
        return a.mul(b);
      },
      backward(ctx: Ctx, g: Tensor) {
        const [a, b] = ctx.saved_tensors;
        return [g.mul(b), g.mul(a)];
      },
    });
    const x = leaf(1, 2, 3);
    const s = torch.tensor(2, { dtype: torch.float32, requires_grad: true });
    const [g, h] = grad(f.apply(x, s).sum(), [x, s], graph);
    log(g, h, grad(g.mul(x).sum().mul(h), [x, s]));
  },
};
