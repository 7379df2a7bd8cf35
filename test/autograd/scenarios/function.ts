/** Custom functions, their contexts and their errors. */
import * as torch from "../../../src/index.ts";
import { attempt, define, edges, leaf, type Node, node, type Scenarios, short, type Tensor } from "./common.ts";

const { grad } = torch.autograd;
const { Function: CustomFunction, FunctionCtx, InplaceFunction } = torch.autograd.function;
type Ctx = torch.autograd.FunctionCtx;

const all = (x: unknown): Tensor[] => x as Tensor[];
const ctxOf = (t: Tensor): Ctx => t.grad_fn as Ctx;
const nextOf = (t: Tensor): unknown => (t.grad_fn as Node).next_functions.map(([f, i]) => [short(f), i]);
const twice = (_: Ctx, a: Tensor): Tensor => a.mul(2);
const same = (_: Ctx, g: Tensor): Tensor => g;

export const scenarios: Scenarios = {
  context_is_node(log) {
    class Scale extends CustomFunction {
      static forward(ctx: torch.autograd.FunctionCtx<{ scale: number }>, x: Tensor, scale: number): Tensor {
        ctx.scale = scale;
        ctx.save_for_backward(x);
        return x.mul(scale);
      }
      static backward(ctx: torch.autograd.FunctionCtx<{ scale: number; seen: boolean }>, g: Tensor): unknown {
        ctx.seen = true;
        log(ctx.scale, ctx.metadata.note);
        return [g.mul(ctx.scale), null];
      }
    }
    const x = leaf(1, 2);
    const y = Scale.apply(x, 3);
    const ctx = ctxOf(y);
    log(ctx === y.grad_fn, ctx.name(), ctx.scale, ctx.saved_tensors, ctx.saved_tensors[0] === x, ctx.needs_input_grad);
    log(ctx instanceof FunctionCtx, ctx instanceof torch.autograd.Node, ctx._raw_saved_tensors.length);
    log(nextOf(y));
    ctx.metadata.note = "n";
    y.sum().backward();
    log(
      ctx.seen,
      ctx.scale,
      attempt(() => ctx.saved_tensors),
      attempt(() => ctx._raw_saved_tensors),
    );
  },

  context_marks(log) {
    const f = define({
      forward(ctx: Ctx, x: Tensor) {
        const [y, z] = [x.mul(2), x.mul(3)];
        ctx.save_for_backward(x, y);
        ctx.mark_non_differentiable(z);
        log(ctx.to_save?.length, ctx.non_differentiable?.length, ctx.dirty_tensors, ctx.saved_for_forward);
        log(ctx.saved_tensors);
        return [y, z];
      },
      backward: same,
    });
    const [y, z] = all(f.apply(leaf(1, 2)));
    const ctx = ctxOf(y);
    log(ctx.to_save, ctx.non_differentiable, ctx.saved_tensors[1].grad_fn === ctx, z.grad_fn);
  },

  saved_kinds(log) {
    const f = define({
      forward(ctx: Ctx, x: Tensor, w: Tensor) {
        const mid = x.exp();
        const out = mid.mul(w);
        ctx.save_for_backward(x, null, mid, out, w);
        return out;
      },
      backward(ctx: Ctx, g: Tensor) {
        const [x, nothing, mid, out, w] = ctx.saved_tensors;
        log(nothing, mid, mid.requires_grad, node(out), x.is_leaf, node(w));
        return [g.mul(mid).mul(w), g.mul(mid)];
      },
    });
    const [x, w] = [leaf(0, 1), leaf(2, 3)];
    const y = f.apply(x, w.mul(1));
    log(grad(y.sum(), [x, w]));
    log(attempt(() => y.sum().backward()));
  },

  saved_again(log) {
    const f = define({
      forward(ctx: Ctx, x: Tensor) {
        ctx.save_for_backward(x);
        ctx.save_for_backward(x.mul(2), x, x);
        return x.mul(x);
      },
      backward(ctx: Ctx, g: Tensor) {
        const [a, b, c] = ctx.saved_tensors;
        log(a, b === c);
        return g.mul(a);
      },
    });
    const x = leaf(3, 4);
    const y = f.apply(x);
    y.sum().backward({ retain_graph: true });
    y.sum().backward();
    log(
      x.grad,
      attempt(() => y.sum().backward()),
    );
  },

  saved_nothing(log) {
    const x = leaf(1, 2);
    const y = define({ forward: twice, backward: (_: Ctx, g: Tensor) => g.mul(2) }).apply(x);
    log(ctxOf(y).saved_tensors);
    const s = y.sum();
    s.backward();
    log(attempt(() => ctxOf(y).saved_tensors));
    s.backward();
    log(x.grad);
  },

  saved_and_changed(log) {
    const f = define({
      forward(ctx: Ctx, a: Tensor) {
        const out = a.exp();
        ctx.save_for_backward(a, out);
        return out;
      },
      backward: (ctx: Ctx, g: Tensor) => g.mul(ctx.saved_tensors[1]),
    });
    const x = leaf(1, 2);
    let y = f.apply(x);
    y.mul_(2);
    log(attempt(() => grad(y.sum(), x)));
    const b = x.mul(1);
    y = f.apply(b);
    b.zero_();
    log(attempt(() => grad(y.sum(), x)));
    const constant = define({
      forward(ctx: Ctx, a: Tensor) {
        const c = a.exp();
        ctx.mark_non_differentiable(c);
        ctx.save_for_backward(c);
        return [a.mul(2), c];
      },
      backward: (ctx: Ctx, g: Tensor) => g.mul(ctx.saved_tensors[0]),
    });
    let c: Tensor;
    [y, c] = all(constant.apply(x));
    c.add_(1);
    log(attempt(() => grad(y.sum(), x)));
    [y, c] = all(constant.apply(x));
    c.data.add_(1);
    log(grad(y.sum(), x));
  },

  needs_input_grad(log) {
    const f = define({
      forward(ctx: Ctx, a: Tensor, k: number, b: Tensor, c: Tensor[]) {
        log(ctx.needs_input_grad);
        return a.mul(b).mul(k).add(c[0]);
      },
      backward(ctx: Ctx, g: Tensor) {
        log(ctx.needs_input_grad, torch.is_grad_enabled());
        return [g, null, g.mul(2), null];
      },
    });
    const [x, u] = [leaf(1, 2), leaf(3, 4)];
    log(grad(f.apply(x, 2, u, [u]).sum(), x));
    log(grad(f.apply(x, 2, u, [u]).sum(), u, { create_graph: true }));
    f.apply(x, 2, u.detach(), [u]).sum().backward();
    f.apply(x, 2, u, [u])
      .sum()
      .backward({ inputs: [u] });
    log(x.grad, u.grad);
    torch.no_grad(() => f.apply(x, 2, u, [u]));
  },

  nested_arguments(log) {
    const f = define({
      forward: (_: Ctx, l: Tensor[], t: Tensor) => l[0].mul(t),
      backward: (_: Ctx, g: Tensor) => [null, g],
    });
    const x = leaf(1, 2);
    let y = f.apply([x], x.detach());
    log(y.requires_grad);
    y = f.apply([x], x);
    log(nextOf(y), ctxOf(y).needs_input_grad);
    y.sum().backward();
    log(x.grad);
  },

  constant_inputs(log) {
    const f = define({
      forward: (_: Ctx, a: Tensor, __: string, b: Tensor, i: Tensor) => a.mul(b).add(i),
      backward: (_: Ctx, g: Tensor) => [g.mul(2), null, g.mul(3), null],
    });
    const x = leaf(1, 2);
    const y = f.apply(x.detach(), "text", x, torch.tensor([1, 1]));
    log(nextOf(y));
    y.grad_fn?.register_prehook((go) => [(go[0] as Tensor).mul(10)]);
    y.grad_fn?.register_hook((gi, go) => {
      log(gi[1], gi[2], go);
      return null;
    });
    y.sum().backward();
    log(x.grad);
  },

  same_argument_twice(log) {
    const f = define({
      forward: (_: Ctx, a: Tensor, b: Tensor) => a.mul(2).add(b),
      backward: (_: Ctx, g: Tensor) => [g.mul(2), g],
    });
    const x = leaf(1, 2);
    const y = f.apply(x, x);
    log(edges(y), grad(y.sum(), x));
  },

  outputs_of_all_kinds(log) {
    const backward = (_: Ctx, ...grads: Tensor[]): Tensor => {
      log(grads);
      return grads[1];
    };
    const x = leaf(1, 2);
    const f = define({ forward: (_: Ctx, a: Tensor) => ["s", a.mul(2), null, 4, a.gt(1), a.long()], backward });
    let y = all(f.apply(x));
    log(y, y[1].output_nr, y[4].requires_grad, y[5].grad_fn);
    y[1].sum().backward();
    y = all(define({ forward: (_: Ctx, a: Tensor) => [a.mul(2)], backward: same }).apply(x));
    log(y.length, y[0].requires_grad);
    log(define({ forward: () => null, backward }).apply(x));
    log(define({ forward: () => "s", backward }).apply(x));
    log(define({ forward: () => [], backward }).apply(x));
    const nested = define({ forward: (_: Ctx, a: Tensor) => [a.mul(2), [a.mul(2)]], backward: same }).apply(x);
    const [first, list] = nested as unknown as [Tensor, [Tensor]];
    log(first.requires_grad, list[0].requires_grad);
  },

  materialized_gradients(log) {
    const x = leaf(1, 2);
    const f = define({
      forward(ctx: Ctx, a: Tensor, materialize: boolean) {
        ctx.set_materialize_grads(materialize);
        const c = a.mul(5);
        ctx.mark_non_differentiable(c);
        return [a.mul(2), c, a.long(), a.mul(3)];
      },
      backward(_: Ctx, ...grads: Tensor[]) {
        log(grads);
        return [grads[0], null];
      },
    });
    for (const materialize of [true, false]) {
      all(f.apply(x, materialize))[0].sum().backward();
      x.grad = null;
    }
    log(attempt(() => f.apply(x, "no")));
    const two = define({
      forward: (_: Ctx, a: Tensor) => [a.mul(2), a.mul(3)],
      backward(_: Ctx, g: Tensor, h: Tensor) {
        log(g, h);
        return g.add(h);
      },
    });
    const [, q] = all(two.apply(x));
    const y = define({ forward: twice, backward: () => null }).apply(q);
    log(grad(y.sum(), x, { allow_unused: true }));
  },

  output_returned_twice(log) {
    const backward = (_: Ctx, g: Tensor, h: Tensor): Tensor => g.add(h.mul(10));
    const forward = (_: Ctx, a: Tensor): Tensor[] => {
      const b = a.mul(2);
      return [b, b];
    };
    const x = leaf(1, 2);
    let [p, q] = all(define({ forward, backward }).apply(x));
    log(p === q, p.output_nr, grad(p.sum().add(q.sum().mul(2)), x));
    [p, q] = all(define({ forward: (_: Ctx, a: Tensor) => [a, a], backward }).apply(x));
    log(p === q, p === x, p.output_nr, q.output_nr, p._is_view(), q._base === x, grad(p.sum().add(q.sum().mul(2)), x));
  },

  outputs_from_elsewhere(log) {
    const x = leaf(1, 2);
    let other = torch.ones(2);
    const f = define({ forward: () => other, backward: (_: Ctx, g: Tensor) => g.mul(3) });
    let y = f.apply(x);
    log(y === other, node(other), grad(other.sum(), x));
    other = x.mul(7);
    y = f.apply(x);
    log(y === other, node(other), grad(other.sum(), x));
    type Own = torch.autograd.FunctionCtx<{ inner: Tensor; out: Tensor }>;
    const own = define({
      forward(ctx: Own, a: Tensor) {
        torch.enable_grad(() => {
          ctx.inner = a.detach().requires_grad_();
          ctx.out = ctx.inner.pow(3).sum();
        });
        return ctx.out.detach();
      },
      backward: (ctx: Own, g: Tensor) => grad(ctx.out, ctx.inner, g)[0],
    });
    log(grad(own.apply(x), x));
    y = torch.no_grad(() => own.apply(x));
    log(y.requires_grad);
  },

  marked_non_differentiable(log) {
    const x = leaf(1, 2);
    const run = (forward: (ctx: Ctx, a: Tensor) => Tensor): Tensor => define({ forward, backward: same }).apply(x);
    let y = run((ctx, a) => {
      ctx.mark_non_differentiable(a);
      return a;
    });
    log(y === x, y.requires_grad, y._is_view(), x.requires_grad);
    y = run((ctx, a) => {
      const b = torch.enable_grad(() => a.mul(2));
      ctx.mark_non_differentiable(b);
      return b;
    });
    log(y.requires_grad, node(y));
    y = run((ctx, a) => {
      const b = a.view(2, 1);
      ctx.mark_non_differentiable(b);
      return b;
    });
    log(
      y._is_view(),
      y.requires_grad,
      node(y),
      attempt(() => y.add_(1)),
    );
    y = run((ctx, a) => {
      ctx.mark_non_differentiable(a);
      return a.mul(2);
    });
    log(y.requires_grad);
  },

  vjp_for_backward(log) {
    const x = leaf(1, 2);
    log(
      grad(
        define({ forward: twice, vjp: (_: Ctx, g: Tensor) => g.mul(2) })
          .apply(x)
          .sum(),
        x,
      ),
    );
    log(attempt(() => define({ forward: twice, vjp: same, backward: same }).apply(x).sum().backward()));
    const y = define({ forward: twice }).apply(x);
    log(
      node(y),
      attempt(() => y.sum().backward()),
    );
  },

  misuse(log) {
    const x = leaf(1, 2);
    log(attempt(() => define({}).apply(x)));
    log(attempt(() => define({ backward: same }).apply(x)));
    class Legacy extends CustomFunction {
      forward(a: Tensor): Tensor {
        return a.mul(2);
      }
    }
    // @ts-expect-error: forward must be static
    log(attempt(() => Legacy.apply(x)));
    const saves = (method: "save_for_backward" | "save_for_forward" | "mark_non_differentiable", value: unknown) =>
      attempt(() =>
        define({
          forward(ctx: Ctx, a: Tensor) {
            ctx[method](a, value as Tensor);
            return a.mul(2);
          },
          backward: same,
        }).apply(x.mul(1)),
      );
    for (const value of [3, "s", [x]]) {
      for (const method of ["save_for_backward", "save_for_forward", "mark_non_differentiable"] as const) {
        log(saves(method, value));
      }
    }
    const dirty = define({
      forward(ctx: Ctx, a: Tensor) {
        ctx.mark_dirty(4 as unknown as Tensor);
        return a.mul(2);
      },
      backward: same,
    });
    log(attempt(() => dirty.apply(x)));
  },

  gradients_of_the_wrong_kind(log) {
    const x = leaf(1, 2, 3);
    const run = (result: (g: Tensor) => unknown, ...args: unknown[]): void => {
      x.grad = null;
      const f = define({
        forward: (_: Ctx, a: Tensor, k: number, b: Tensor) => a.mul(k).mul(b),
        backward: (_: Ctx, g: Tensor) => result(g),
      });
      log(
        attempt(() =>
          f
            .apply(...args)
            .sum()
            .backward(),
        ),
        x.grad,
      );
    };
    run((g) => [g, g, g], x, 2, x);
    run((g) => [g, null, g, null, null], x, 2, x);
    run((g) => [g, null, g, null, g], x, 2, x);
    run((g) => [g, null], x, 2, x);
    run((g) => g, x, 2, x);
    run((g) => [g, null, 3], x, 2, x);
    run((g) => [g, null, "s"], x, 2, x.detach());
    run((g) => [g, null, g.slice(0, 0, 2)], x, 2, x);
    run((g) => [g, null, g.slice(0, 0, 2)], x, 2, x.detach());
    run((g) => [g, null, g.expand(2, 3)], x, 2, x);
    run((g) => [g, null, g.long()], x, 2, x);
    run((g) => [g, null, g.gt(0)], x, 2, x);
    run((g) => [g.double(), null, null], x, 2, x);
    run(() => [null, null, null], x, 2, x);
    run((g) => [g, null, g], x, 2, torch.tensor([1, 2, 3]));
    const s = torch.tensor(2, { dtype: torch.float32, requires_grad: true });
    const f = define({
      forward: (_: Ctx, a: Tensor, b: Tensor) => a.mul(b),
      backward: (_: Ctx, g: Tensor) => [g, g],
    });
    log(grad(f.apply(x, s).sum(), [x, s]));
  },

  errors_in_methods(log) {
    const x = leaf(1, 2);
    const fails = (): never => {
      throw Object.assign(new Error("mine"), { name: "ValueError" });
    };
    log(
      attempt(() => define({ forward: fails, backward: fails }).apply(x)),
      torch.is_grad_enabled(),
    );
    const y = define({ forward: twice, backward: fails }).apply(x);
    log(
      attempt(() => y.sum().backward()),
      torch.is_grad_enabled(),
    );
    log(attempt(() => y.sum().backward()));
  },

  separate_context(log) {
    type PowerCtx = torch.autograd.FunctionCtx<{ exponent: number }>;
    class Power extends CustomFunction {
      static forward(a: Tensor, exponent: number): [Tensor, string] {
        return [a.pow(exponent), "s"];
      }
      static setup_context(ctx: PowerCtx, inputs: [Tensor, number], output: [Tensor, string]): void {
        const [a, exponent] = inputs;
        ctx.exponent = exponent;
        log(inputs.length, output[1], output[0].requires_grad, torch.is_grad_enabled(), ctx.needs_input_grad);
        ctx.save_for_backward(a);
      }
      static backward(ctx: PowerCtx, g: Tensor): (Tensor | null)[] {
        const [a] = ctx.saved_tensors;
        return [g.mul(ctx.exponent).mul(a.pow(ctx.exponent - 1)), null];
      }
    }
    const x = leaf(1, 2);
    const [y, s] = Power.apply(x, 3);
    log(y, s, ctxOf(y).exponent, grad(y.sum(), x));
    class Same extends CustomFunction {
      static forward(a: Tensor): Tensor {
        return a;
      }
      static setup_context(ctx: Ctx, _: [Tensor], output: Tensor): void {
        ctx.save_for_backward(output);
      }
      static backward(_: Ctx, g: Tensor): Tensor {
        return g;
      }
    }
    log(
      attempt(() => Same.apply(x)),
      attempt(() => Same.apply(torch.ones(2))),
    );
    class View extends Same {
      static override forward(a: Tensor): Tensor {
        return a.view_as(a);
      }
    }
    const v = View.apply(x);
    log(node(ctxOf(v).saved_tensors[0]), grad(v.sum(), x), v.grad_fn?.name());
  },

  gradient_dtypes(log) {
    const x = leaf(1, 2);
    const run = (several: boolean, ...dtypes: unknown[]): unknown =>
      attempt(() => {
        const f = define({
          forward(ctx: Ctx, a: Tensor) {
            ctx.set_output_grad_dtype(...(dtypes as (typeof torch.float64)[]));
            return several ? [a.mul(2), "s", a.long()] : a.mul(2);
          },
          backward(_: Ctx, g: Tensor) {
            log(String(g.dtype));
            return g;
          },
        });
        const y = f.apply(x) as unknown;
        return grad((several ? (y as Tensor[])[0] : (y as Tensor)).sum(), x);
      });
    log(run(false, torch.float64), run(false, null), run(false));
    log(run(false, torch.float64, null), run(true, torch.float64, null, null));
    log(run(true, torch.float64, torch.float64, null));
    log(run(true, null, null, torch.float64), run(false, 3));
    const again = define({
      forward(ctx: Ctx, a: Tensor) {
        ctx.set_output_grad_dtype(null);
        ctx.set_output_grad_dtype(null);
        return a.mul(2);
      },
      backward: same,
    });
    log(attempt(() => again.apply(x)));
  },

  class_attributes(log) {
    const x = leaf(1, 2);
    const boxed = define({
      forward: (_: Ctx, a: Tensor) => [a.mul(2), a.mul(3)],
      backward(_: Ctx, grads: Tensor[]) {
        log(grads);
        const first = grads.shift() as Tensor;
        return first.add(grads.pop() as Tensor);
      },
      boxed_grads_call: true,
    });
    log(grad(all(boxed.apply(x))[1].sum(), x));
    const cleared = define({
      forward(ctx: Ctx, a: Tensor) {
        ctx.save_for_backward(a);
        return a.mul(2);
      },
      backward(ctx: Ctx, g: Tensor) {
        log(
          ctx.saved_tensors,
          attempt(() => ctx.saved_tensors),
        );
        return g;
      },
      clear_saved_tensors_on_access: true,
    });
    const y = cleared.apply(x);
    y.sum().backward({ retain_graph: true });
    log(attempt(() => y.sum().backward()));
    const { warn } = console;
    console.warn = () => {};
    try {
      log(
        new InplaceFunction(true).inplace,
        new InplaceFunction().inplace,
        new InplaceFunction() instanceof CustomFunction,
      );
    } finally {
      console.warn = warn;
    }
  },

  subclasses(log) {
    class Square extends CustomFunction {
      static forward(ctx: Ctx, a: Tensor): Tensor {
        ctx.save_for_backward(a);
        return a.mul(a);
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        return g.mul(2).mul(ctx.saved_tensors[0]);
      }
    }
    class Sub extends Square {
      static override backward(ctx: Ctx, g: Tensor): Tensor {
        return Square.backward(ctx, g).mul(3);
      }
    }
    const x = leaf(1, 2);
    log(Square.apply(x).grad_fn?.name(), Sub.apply(x).grad_fn?.name(), grad(Sub.apply(x).sum(), x));
    // Reading `apply` binds it, as in Python.
    const square = Square.apply as unknown as (a: Tensor) => Tensor;
    log(grad(square(square(x)).sum(), x));
  },

  within_others(log) {
    class Inner extends CustomFunction {
      static forward(ctx: Ctx, a: Tensor): Tensor {
        ctx.save_for_backward(a);
        return a.exp();
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        return Inner.apply(ctx.saved_tensors[0]).mul(g);
      }
    }
    class Outer extends CustomFunction {
      static forward(ctx: Ctx, a: Tensor): Tensor {
        const inner = Inner.apply(a);
        log(inner.requires_grad);
        ctx.save_for_backward(a);
        return inner.mul(2);
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        return Inner.apply(ctx.saved_tensors[0]).mul(2).mul(g);
      }
    }
    const x = leaf(0, 1);
    const y = Outer.apply(x);
    const [g] = grad(y.sum(), x, { create_graph: true });
    const [h] = grad(g.sum(), x, { create_graph: true });
    log(node(y), g, node(g), h, grad(h.sum(), x));
  },
};
