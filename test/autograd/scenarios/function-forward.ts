/** Custom functions in forward mode. */
import * as torch from "../../../src/index.ts";
import { attempt, define, leaf, type Scenarios, type Tensor, f32 as tensorOf } from "./common.ts";

const { grad } = torch.autograd;
const { _is_fwd_grad_enabled, dual_level, make_dual, unpack_dual } = torch.autograd.forward_ad;
type Ctx<Fields extends object = Record<string, unknown>> = torch.autograd.FunctionCtx<Fields>;

const f32 = (...values: number[]): Tensor => tensorOf(values);
const tangent = (t: Tensor): Tensor | null => unpack_dual(t).tangent;
const same = (_: Ctx, g: Tensor): Tensor => g;
const twice = (_: Ctx, a: Tensor): Tensor => a.mul(2);

export const scenarios: Scenarios = {
  tutorial_jvp(log) {
    class Fn extends torch.autograd.Function {
      static forward(ctx: Ctx<{ result?: Tensor }>, foo: Tensor): Tensor {
        ctx.result = torch.exp(foo);
        return ctx.result;
      }
      static jvp(ctx: Ctx<{ result?: Tensor }>, gI: Tensor): Tensor {
        const gO = gI.mul(ctx.result as Tensor);
        delete ctx.result;
        return gO;
      }
    }
    const [primal, direction] = [f32(1, 2), f32(3, 0.5)];
    dual_level(() => {
      const out = Fn.apply(make_dual(primal, direction));
      log(out, tangent(out), out.requires_grad);
    });
    const vjp = (ctx: Ctx, g: Tensor): Tensor => g.mul(ctx.saved_tensors[0]);
    dual_level(() => {
      log(tangent(define({ forward: twice, vjp }).apply(primal)));
      log(attempt(() => define({ forward: twice, vjp }).apply(make_dual(primal, direction))));
    });
  },

  saved_for_forward(log) {
    type Scaled = Ctx<{ z: number }>;
    const f = define({
      forward(ctx: Scaled, x: Tensor, y: Tensor, z: number) {
        ctx.save_for_backward(x, y);
        ctx.save_for_forward(x, y, null);
        ctx.z = z;
        log(ctx.saved_tensors);
        return x.mul(y).mul(z);
      },
      jvp(ctx: Scaled, x_t: Tensor, y_t: Tensor, z_t: null) {
        const [x, y, nothing] = ctx.saved_tensors;
        log(nothing, z_t, x_t, y_t, tangent(x), torch.is_grad_enabled());
        return y.mul(x_t).add(x.mul(y_t)).mul(ctx.z);
      },
      vjp(ctx: Scaled, g: Tensor) {
        const [x, y] = ctx.saved_tensors;
        return [g.mul(y).mul(ctx.z), g.mul(x).mul(ctx.z), null];
      },
    });
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    dual_level(() => {
      const y = f.apply(make_dual(a, f32(1, 1)), b, 4);
      const t = tangent(y) as Tensor;
      log(y, t, y.requires_grad, t.requires_grad);
      log(grad(y.sum(), [a, b], { retain_graph: true }), (y.grad_fn as Ctx).saved_for_forward);
      log(grad(t.sum(), [b]));
    });
    log(grad(f.apply(a, b, 4).sum(), [a, b]));
  },

  materialized_tangents(log) {
    const f = define({
      forward(ctx: Ctx, x: Tensor, y: Tensor, i: Tensor, materialize: boolean) {
        ctx.set_materialize_grads(materialize);
        return x.mul(y).add(i);
      },
      jvp(_: Ctx, ...tangents: Tensor[]) {
        log(tangents);
        return tangents[0];
      },
    });
    dual_level(() => {
      const d = make_dual(f32(1, 2), f32(1, 0));
      for (const materialize of [true, false]) f.apply(d, f32(3, 4), torch.tensor([1, 2]), materialize);
    });
  },

  several_outputs(log) {
    const run = (...results: unknown[]): unknown =>
      attempt(() => {
        const f = define({
          forward(ctx: Ctx, x: Tensor) {
            const y = x.mul(2);
            ctx.mark_non_differentiable(y);
            return [x.mul(x), y, x.long(), "s", x.mul(3)];
          },
          jvp: () => results,
        });
        return dual_level(() => {
          const out = f.apply(make_dual(f32(1, 2), f32(1, 0))) as unknown as unknown[];
          return out.filter(torch.is_tensor).map(tangent);
        });
      });
    const t = f32(5, 6);
    log(run(t, null, null, null, t.mul(2)));
    log(run(t, t, null, null, t), run(t, null, t, null, t));
    log(run(t), run(t, null, null, null, t, null), run(t, null, null, null, 3));
    log(run(t.slice(0, 0, 1), null, null, null, t), run(t, null, null, t, t));
  },

  views_and_inputs_as_they_are(log) {
    const [x, t] = [f32(1, 2, 3), f32(1, 0, 2)];
    const run = (forward: (ctx: Ctx, a: Tensor) => Tensor, jvp: (g: Tensor) => Tensor): unknown =>
      attempt(() => {
        const f = define({ forward, jvp: (_: Ctx, g: Tensor) => jvp(g), backward: same });
        return dual_level(() => {
          const d = make_dual(x, t);
          const y = f.apply(d);
          return [y === d, y._is_view(), tangent(y), tangent(y)?._is_view()];
        });
      });
    const view = (_: Ctx, a: Tensor): Tensor => a.view(3, 1);
    log(run(view, (g) => g.view(3, 1)));
    log(run(view, (g) => g.view(3, 1).clone()));
    log(run(view, (g) => g.clone().view(3, 1)));
    log(run(same, (g) => g.view_as(g)));
    log(run(same, (g) => g));
    log(run(same, (g) => g.mul(2)));
  },

  inputs_changed(log) {
    const t = f32(1, 0, 2);
    const run = (jvp: (g: Tensor) => Tensor): unknown =>
      attempt(() => {
        const f = define({
          forward(ctx: Ctx, a: Tensor) {
            ctx.mark_dirty(a);
            return a.mul_(2);
          },
          jvp: (_: Ctx, g: Tensor) => jvp(g),
          backward: same,
        });
        return dual_level(() => {
          const d = make_dual(f32(1, 2, 3), t.clone());
          const before = tangent(d);
          const y = f.apply(d);
          return [y === d, y.detach(), tangent(y), tangent(y) === before];
        });
      });
    log(run((g) => g.mul_(2)));
    log(run((g) => g.mul(2)));
    log(run((g) => g.mul_(2).clone()));
    const becomes = define({
      forward(ctx: Ctx, a: Tensor, b: Tensor) {
        ctx.mark_dirty(a);
        return a.mul_(b);
      },
      jvp: (_: Ctx, __: Tensor, b_t: Tensor) => b_t.mul(5),
      backward: same,
    });
    dual_level(() => {
      let base = torch.ones(3);
      becomes.apply(base, make_dual(f32(1, 2, 3), t));
      log(base, tangent(base));
      base = torch.ones(4);
      becomes.apply(base.slice(0, 1), make_dual(f32(1, 2, 3), t));
      log(base, tangent(base));
    });
  },

  forward_mode_is_off_inside(log) {
    const f = define({
      forward(_: Ctx, a: Tensor) {
        log(tangent(a), tangent(a.mul(2)), _is_fwd_grad_enabled());
        return a.mul(2);
      },
      jvp(_: Ctx, t: Tensor) {
        log(_is_fwd_grad_enabled(), torch.is_grad_enabled());
        return t.mul(2);
      },
    });
    dual_level(() => {
      const d = make_dual(f32(1, 2), f32(1, 0));
      log(tangent(f.apply(d)), _is_fwd_grad_enabled());
    });
  },

  tangents_with_history(log) {
    class Cube extends torch.autograd.Function {
      static forward(x: Tensor): Tensor {
        return x.pow(3);
      }
      static setup_context(ctx: Ctx, inputs: [Tensor], _: Tensor): void {
        ctx.save_for_backward(inputs[0]);
        ctx.save_for_forward(inputs[0]);
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        return ctx.saved_tensors[0].pow(2).mul(3).mul(g);
      }
      static jvp = Cube.backward;
    }
    const x = leaf(1, 2);
    dual_level(() => {
      const t = tangent(Cube.apply(make_dual(x, f32(1, 3)))) as Tensor;
      log(t, grad(t.sum(), x));
      const d = make_dual(x, f32(1, 3));
      const [g] = grad(Cube.apply(d).sum(), d, { create_graph: true });
      log(g, tangent(g));
    });
  },
};
