/** Custom functions inside transformations. */
import * as torch from "../../../src/index.ts";
import { attempt, type CustomClass, define, leaf, type Scenarios, type Tensor, f32 as tensorOf } from "./common.ts";

const { grad, hessian, jacfwd, jacrev, jvp, vjp, vmap } = torch.func;
type Ctx<Fields extends object = Record<string, unknown>> = torch.autograd.FunctionCtx<Fields>;
type Unary = (t: Tensor) => Tensor;

const f32 = (...values: number[]): Tensor => tensorOf(values);
const matrix = (rows: number, columns: number): Tensor =>
  torch
    .arange(rows * columns)
    .to(torch.float32)
    .view(rows, columns);
const all = (x: unknown): Tensor[] => x as Tensor[];
const sumAll = (x: unknown): Tensor =>
  all(x)
    .map((t) => t.sum())
    .reduce((a, b) => a.add(b));

function cube(more: Record<string, unknown> = {}): CustomClass {
  const slope = (ctx: Ctx, g: Tensor): Tensor => ctx.saved_tensors[0].square().mul(3).mul(g);
  const statics = {
    forward: (x: Tensor) => x.pow(3),
    setup_context(ctx: Ctx, inputs: [Tensor]) {
      ctx.save_for_backward(inputs[0]);
      ctx.save_for_forward(inputs[0]);
    },
    backward: slope,
    jvp: slope,
  };
  return define({ ...statics, ...more }, "Cube");
}
const batched = { generate_vmap_rule: true };

export const scenarios: Scenarios = {
  without_setup_context(log) {
    const x = f32(1, 2, 3);
    const f = define({ forward: (_: Ctx, t: Tensor) => t.mul(2), backward: (_: Ctx, g: Tensor) => g.mul(2) }, "Old");
    log(
      attempt(() => grad((t: Tensor) => f.apply(t).sum())(x)),
      attempt(() => vmap(f.apply as Unary)(x)),
    );
    log(
      attempt(() => jvp(f.apply as Unary, [x], [x])),
      attempt(() => vmap((t: Tensor) => f.apply(x).mul(t))(x)),
    );
  },

  every_transformation(log) {
    const [x, one] = [f32(1, 2, 3), f32(1, 1, 1)];
    for (const f of [cube(), cube(batched)]) {
      const apply = f.apply as Unary;
      const total: Unary = (t) => apply(t).sum();
      log(grad(total)(x), grad((s: Tensor) => grad(total)(s).sum())(x), jvp(apply, [x], [one]));
      log(jvp(grad(total), [x], [one]), grad((s: Tensor) => jvp(apply, [s], [one])[1].sum())(x));
      const [y, pull] = vjp(apply, x);
      log(y, pull(f32(1, 0, 2)));
      for (const transformed of [vmap(apply), vmap(grad(apply)), grad((t: Tensor) => vmap(apply)(t).sum())]) {
        log(attempt(() => transformed(x)));
      }
      for (const transformed of [jacrev(apply), jacfwd(apply), hessian(total)]) log(attempt(() => transformed(x)));
    }
    const apply = cube(batched).apply as Unary;
    log(vmap(vmap(apply))(matrix(2, 2)), vmap(vmap(grad(apply)))(matrix(2, 2)));
    log(vmap(jacrev(apply) as Unary)(matrix(2, 2)));
  },

  vmap_not_supported(log) {
    const x = f32(1, 2);
    log(
      attempt(() => vmap(cube().apply as Unary)(x)),
      attempt(() => vmap((t: Tensor) => cube().apply(x).add(t))(x)),
    );
    const both = cube({ ...batched, vmap: (_: unknown, __: unknown, t: Tensor) => [t, 0] });
    log(attempt(() => vmap(both.apply as Unary)(x)));
    for (const result of [5, [x], [x, 0, 0], [x, [0, 0]]]) {
      log(attempt(() => vmap(cube({ vmap: () => result }).apply as Unary)(x)));
    }
  },

  own_vmap(log) {
    interface Info {
      batch_size: number;
      randomness: string;
    }
    const f: CustomClass = define(
      {
        forward: (x: Tensor, y: Tensor, k: number) => [x.mul(y).mul(k), x.add(y)],
        setup_context(ctx: Ctx, inputs: [Tensor, Tensor, number]) {
          ctx.save_for_backward(inputs[0], inputs[1]);
          ctx.k = inputs[2];
        },
        backward(ctx: Ctx<{ k: number }>, g: Tensor, h: Tensor) {
          const [x, y] = ctx.saved_tensors;
          return [g.mul(y).mul(ctx.k).add(h), g.mul(x).mul(ctx.k).add(h).sum_to_size(y.shape), null];
        },
        vmap(info: Info, in_dims: (number | null)[], x: Tensor, y: Tensor, k: number) {
          log(info.batch_size, info.randomness, in_dims, x.shape, y.shape, k);
          const last = (t: Tensor, dim: number | null): Tensor => (dim === null ? t.unsqueeze(-1) : t.movedim(dim, -1));
          const [z, w] = all(f.apply(last(x, in_dims[0]), last(y, in_dims[1]), k));
          return [
            [z, w],
            [-1, z.ndim - 1],
          ];
        },
      },
      "Pair",
    );
    type Pair = (a: Tensor, b: Tensor) => [Tensor, Tensor];
    const pair: Pair = (a, b) => f.apply(a, b, 2) as unknown as [Tensor, Tensor];
    const [x, y] = [matrix(2, 3), f32(1, 2, 3)];
    log(vmap(pair)(x, x.add(1)));
    log(vmap(pair, { in_dims: [1, null], randomness: "same" })(x, f32(1, 2)));
    log(vmap((b: Tensor) => all(f.apply(x, y, 3))[0].add(b))(f32(1, 2)));
    log(
      vmap(
        grad((a: Tensor, b: Tensor) => pair(a, b)[0].sum()),
        { in_dims: [0, null] },
      )(x, y),
    );
  },

  generated_rule(log) {
    const f = define(
      {
        forward: (a: Tensor, b: Tensor, k: number) => [a.mul(b).mul(k), b.mul(b)],
        setup_context(ctx: Ctx, inputs: [Tensor, Tensor, number], output: [Tensor, Tensor]) {
          const [a, b, k] = inputs;
          log(a.shape, b.shape, output[0].shape, ctx.needs_input_grad);
          ctx.save_for_backward(a, b, output[0]);
          ctx.k = k;
        },
        backward(ctx: Ctx<{ k: number }>, g: Tensor, h: Tensor) {
          const [a, b, out] = ctx.saved_tensors;
          log(g.shape, a.shape, b.shape, out.shape);
          return [g.mul(b).mul(ctx.k), g.mul(a).mul(ctx.k).add(h.mul(2).mul(b)), null];
        },
        ...batched,
      },
      "Two",
    );
    const [x, w] = [matrix(2, 3), f32(1, 2, 3)];
    const argnums = [0, 1] as const;
    log(vmap((a: Tensor) => all(f.apply(a, w, 2)) as [Tensor, Tensor])(x));
    const both = (a: Tensor, b: Tensor): Tensor => sumAll(f.apply(a, b, 2));
    log(vmap(grad(both, { argnums }), { in_dims: [0, null] })(x, w));
    const rows = (a: Tensor, b: Tensor): Tensor => sumAll(vmap((r: Tensor) => all(f.apply(r, b, 2)))(a));
    log(grad(rows, { argnums })(x, w));
    const columns = (a: Tensor, b: Tensor): Tensor =>
      vmap((c: Tensor) => all(f.apply(c, b, 2))[0], { in_dims: 1, out_dims: 1 })(a).sum();
    log(grad(columns, { argnums })(x, f32(1, 2)));
  },

  generated_rule_broadcast(log) {
    const f = define(
      {
        forward: (a: Tensor, b: Tensor) => a.mul(b),
        setup_context(ctx: Ctx, inputs: [Tensor, Tensor]) {
          ctx.save_for_backward(...inputs);
        },
        backward(ctx: Ctx, g: Tensor) {
          const [a, b] = ctx.saved_tensors;
          return [g.mul(b), g.mul(a)];
        },
        ...batched,
      },
      "Mul",
    );
    const apply = f.apply as (a: Tensor, b: Tensor) => Tensor;
    const x = matrix(2, 3);
    const argnums = [0, 1] as const;
    log(grad((a: Tensor, b: Tensor) => vmap(apply)(a, b).sum(), { argnums })(x, f32(1, 2)));
    const shared = (a: Tensor, b: Tensor): Tensor => vmap(apply, { in_dims: [0, null] })(a, b).sum();
    log(grad(shared, { argnums })(x, torch.ones(4, 3)));
    const columns = (a: Tensor, b: Tensor): Tensor => vmap(apply, { in_dims: [1, 0] })(a, b).sum();
    log(grad(columns, { argnums })(x, matrix(3, 1)));
    const fixed = define({
      forward: (a: Tensor, b: Tensor) => a.mul(b),
      setup_context() {},
      backward: () => [torch.ones(3), torch.ones(3)],
      ...batched,
    }).apply as (a: Tensor, b: Tensor) => Tensor;
    const constant = (a: Tensor, b: Tensor): Tensor => vmap(fixed, { in_dims: [0, null] })(a, b).sum();
    log(grad(constant, { argnums })(x, f32(1, 2, 3)));
  },

  once_in_transformations(log) {
    class Numbers extends torch.autograd.Function {
      static forward(x: Tensor): Tensor {
        return tensorOf((x.tolist() as number[]).map((v) => v ** 3));
      }
      static setup_context(ctx: Ctx, inputs: [Tensor], _: Tensor): void {
        ctx.save_for_backward(inputs[0]);
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        const [x] = ctx.saved_tensors;
        return g.mul(3).mul(x).mul(x);
      }
      static vmap(_: unknown, in_dims: [number], given: Tensor): [Tensor, number] {
        const x = given.movedim(in_dims[0], 0);
        return [Numbers.apply(x.reshape(-1)).view(x.shape), 0];
      }
    }
    const apply: Unary = (t) => Numbers.apply(t);
    const total: Unary = (t) => Numbers.apply(t).sum();
    const x = f32(1, 2, 3);
    log(grad(total)(x), vmap(apply)(matrix(2, 2)), vmap(apply, { in_dims: 1 })(matrix(2, 3)));
    log(vmap(grad(total))(matrix(2, 2)));
    log(
      attempt(() => hessian(total)(x)),
      jacrev(jacrev(total) as Unary)(x),
    );
    log(attempt(() => jvp(apply, [x], [x])));
  },

  captured_and_outside(log) {
    const f = cube(batched);
    const w = leaf(1, 2);
    const y = vmap((t: Tensor) => f.apply(w).mul(t))(f32(1, 2, 3)).sum();
    log(torch.autograd.grad(y, w));
    const g = grad((t: Tensor) => f.apply(t).mul(w).sum())(w);
    log(g.requires_grad, torch.autograd.grad(g.sum(), w));
    const h = vmap(grad(f.apply as Unary))(w);
    log(h, torch.autograd.grad(h.sum(), w));
    log(grad((t: Tensor) => f.apply(w).mul(t).sum())(f32(1, 2)));
  },
};
