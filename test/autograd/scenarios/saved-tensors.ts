/** Hooks of saved tensors. */
import type { FunctionCtx } from "../../../src/autograd/function.ts";
import * as torch from "../../../src/index.ts";
import { attempt, f32, leaf, node, type Scenarios, type Tensor } from "./common.ts";

const { grad } = torch.autograd;
const { disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks } = torch.autograd.graph;

const same = <T>(x: T): T => x;

export const scenarios: Scenarios = {
  packing_changes_what_is_saved(log) {
    const x = leaf(1, 2, -3);
    let y = saved_tensors_hooks(
      (t) => t.mul(2),
      same,
      () => x.square(),
    );
    y.sum().backward();
    log(x.grad);
    x.grad = null;
    y = saved_tensors_hooks(
      (t) => t.detach(),
      (t) => t.mul(10),
      () => x.mul(x).exp(),
    );
    log(y);
    log(
      attempt(() => y.sum().backward()),
      x.grad,
    );
    x.grad = null;
    y = saved_tensors_hooks(
      (t) => t.tolist(),
      (values) => torch.tensor(values as number[], { dtype: torch.float32 }),
      () => x.sin().cos(),
    );
    y.sum().backward();
    log(x.grad);
  },

  what_pack_sees(log) {
    const seen: unknown[] = [];
    const x = leaf(2, 5);
    const pack = (t: Tensor): Tensor => {
      seen.push([t.tolist(), t.requires_grad, t.is_leaf, node(t), torch.is_grad_enabled(), t === x]);
      return t;
    };
    saved_tensors_hooks(pack, same, () => x.exp());
    saved_tensors_hooks(pack, same, () => x.sin());
    saved_tensors_hooks(pack, same, () => x.mul(3).log());
    saved_tensors_hooks(pack, same, () => x.clone().sigmoid_());
    saved_tensors_hooks(pack, same, () => x.clone().select(0, 0).exp_());
    saved_tensors_hooks(pack, same, () => x.add(1));
    saved_tensors_hooks(pack, same, () => x.mul(4));
    saved_tensors_hooks(pack, same, () => x.softmax(0));
    saved_tensors_hooks(pack, same, () => x.max(0)[0]);
    torch.no_grad(() => saved_tensors_hooks(pack, same, () => x.mul(x)));
    saved_tensors_hooks(pack, same, () => x.detach().mul(x.detach()));
    log(seen);
  },

  innermost_pair_counts(log) {
    const x = leaf(3);
    const kept: Tensor[] = [];
    saved_tensors_hooks(
      (t) => t.mul(2),
      same,
      () => {
        kept.push(x.square());
        {
          using _five = saved_tensors_hooks((t) => t.mul(5), same);
          kept.push(x.square());
          saved_tensors_hooks(
            same,
            (t: Tensor) => t.mul(7),
            () => kept.push(x.square()),
          );
        }
        kept.push(x.square());
      },
    );
    kept.push(x.square());
    for (const t of kept) log(grad(t, [x])[0]);
  },

  errors_of_hooks(log) {
    const x = leaf(1, 2);
    const fail = (): never => {
      throw new torch.ValueError("no");
    };
    log(attempt(() => saved_tensors_hooks(fail, same, () => x.exp())));
    log(node(x.exp()));
    log(
      attempt(() =>
        saved_tensors_hooks(same, fail, () => x.exp())
          .sum()
          .backward(),
      ),
    );
    log(
      (
        attempt(() =>
          saved_tensors_hooks(
            same,
            () => "text",
            () => x.exp(),
          )
            .sum()
            .backward(),
        ) as string
      ).slice(0, 90),
    );
    log(
      attempt(() =>
        saved_tensors_hooks(
          (t) => t.mul_(2),
          same,
          () => x.exp(),
        ),
      ),
    );
    log(
      attempt(() =>
        saved_tensors_hooks(
          (t) => t.detach().zero_(),
          same,
          () => x.square(),
        ),
      ),
    );
    log(
      attempt(() =>
        saved_tensors_hooks(
          (t) => t.add_(1),
          same,
          () => x.mul(2).square(),
        ),
      ),
    );
    log(
      attempt(() =>
        saved_tensors_hooks(
          (t) => t.clone().zero_(),
          same,
          () => x.square(),
        )
          .sum()
          .backward(),
      ),
      x.grad,
    );
  },

  disabled_hooks(log) {
    const x = leaf(1, 2);
    const use = (): Tensor => saved_tensors_hooks(same, same, () => x.exp());
    log(
      attempt(() => disable_saved_tensors_hooks("none here", use)),
      ...(() => {
        const found: unknown[] = [];
        const last = attempt(() => {
          disable_saved_tensors_hooks("outer", () => {
            disable_saved_tensors_hooks("inner", () => found.push(attempt(use)));
            found.push(attempt(use));
            found.push(attempt(() => save_on_cpu(() => x.exp())));
          });
          return use();
        });
        log(...found);
        return [last];
      })(),
      attempt(() => saved_tensors_hooks(same, same, () => disable_saved_tensors_hooks("active", () => x.exp()))),
      attempt(use),
    );
  },

  changes_are_not_noticed_behind_hooks(log) {
    const x = leaf(1, 2);
    let u = x.clone();
    let y = saved_tensors_hooks(
      (t) => t.clone(),
      same,
      () => u.mul(u),
    );
    u.mul_(3);
    y.sum().backward();
    log(x.grad);
    x.grad = null;
    y = saved_tensors_hooks(
      (t) => t.clone(),
      same,
      () => x.exp(),
    );
    y.add_(1);
    y.sum().backward();
    log(x.grad);
    x.grad = null;
    u = x.clone();
    y = saved_tensors_hooks(same, same, () => u.mul(u));
    u.mul_(3);
    y.sum().backward();
    log(x.grad);
  },

  calls_are_counted(log) {
    const counts = { pack: 0, unpack: 0 };
    const pack = (t: Tensor): Tensor => {
      counts.pack++;
      return t;
    };
    const unpack = (t: Tensor): Tensor => {
      counts.unpack++;
      return t;
    };
    const x = leaf(0.5, 1);
    const y = saved_tensors_hooks(pack, unpack, () => x.sin().mul(x).tanh().sum());
    log(counts.pack, counts.unpack);
    y.backward({ retain_graph: true });
    log(counts.pack, counts.unpack);
    y.backward();
    log(counts.pack, counts.unpack, x.grad);
    log(attempt(() => y.backward()));
    log(counts.unpack);
  },

  twice_through_hooks(log) {
    const x = leaf(0.5, 1, 2);
    let y = saved_tensors_hooks(
      (t) => t.mul(2),
      (t) => t.div(2),
      () => x.mul(x).mul(x).add(x.exp().mul(x.sin())).sum(),
    );
    let [g] = grad(y, [x], { create_graph: true });
    log(g);
    log(grad(g.sum(), [x])[0]);
    y = saved_tensors_hooks(
      (t) => t.detach().clone(),
      same,
      () => x.tanh().sum(),
    );
    [g] = grad(y, [x], { create_graph: true });
    const [gg] = grad(g.sum(), [x], { create_graph: true });
    const [ggg] = grad(gg.sum(), [x]);
    log(g, gg, ggg);
  },

  hooks_while_backward_is_recorded(log) {
    const seen: unknown[] = [];
    const pack = (t: Tensor): Tensor => {
      seen.push(t.tolist());
      return t;
    };
    const x = leaf(1, 3);
    const y = x.square().sum();
    const [g] = saved_tensors_hooks(pack, same, () => grad(y, [x], { create_graph: true }));
    log(seen.length > 0, g);
    log(grad(g.sum(), [x])[0]);
  },

  custom_functions_pack_too(log) {
    class Scaled extends torch.autograd.Function {
      static forward(ctx: FunctionCtx, x: Tensor, factor: number): Tensor {
        const out = x.square().mul(factor);
        ctx.save_for_backward(x, null, out);
        ctx.factor = factor;
        return out;
      }
      static backward(ctx: FunctionCtx, g: Tensor): (Tensor | null)[] {
        const [x, none, out] = ctx.saved_tensors;
        log(
          [x, none, out].map((t) => t === null),
          x,
          out,
          node(out),
          x.requires_grad,
        );
        return [
          g
            .mul(x)
            .mul(2)
            .mul(ctx.factor as number),
          null,
        ];
      }
    }
    const seen: unknown[] = [];
    const pack = (t: Tensor): Tensor => {
      seen.push([t.tolist(), node(t), t.requires_grad]);
      return t.mul(10);
    };
    const x = leaf(1, 2);
    let y = saved_tensors_hooks(
      pack,
      (t) => t.div(10),
      () => Scaled.apply(x, 3),
    );
    log(seen);
    y.sum().backward();
    log(x.grad);
    y = saved_tensors_hooks(
      pack,
      (t) => t.div(5),
      () => Scaled.apply(x.mul(2), 1),
    );
    log(grad(y.sum(), [x])[0]);
  },

  leaves_come_back_as_leaves(log) {
    const x = leaf(2, 3);
    const y = saved_tensors_hooks(
      (t) => t.detach().clone(),
      same,
      () => x.mul(x),
    );
    class Look extends torch.autograd.Function {
      static forward(ctx: FunctionCtx, a: Tensor, b: Tensor): Tensor {
        ctx.save_for_backward(a, b);
        return a.mul(b);
      }
      static backward(ctx: FunctionCtx, g: Tensor): Tensor[] {
        const [a, b] = ctx.saved_tensors;
        log(a.is_leaf, a.requires_grad, b.is_leaf, b.requires_grad, node(b), a === x);
        torch.enable_grad(() => a.mul(2).sum().backward());
        return [g.mul(b), g.mul(a)];
      }
    }
    let z = saved_tensors_hooks(
      (t) => t.detach().clone(),
      same,
      () => Look.apply(x, x.add(1)),
    );
    z.sum().backward();
    log(x.grad);
    x.grad = null;
    y.sum().backward();
    log(x.grad);
    const c = torch.ones(2);
    z = saved_tensors_hooks(same, same, () => Look.apply(c.requires_grad_(false), x));
    log(attempt(() => z.sum().backward()));
  },

  on_the_cpu(log) {
    const x = leaf(1, 2);
    let u = x.mul(2);
    let y = save_on_cpu(() => u.mul(u).sum());
    y.backward();
    log(x.grad);
    x.grad = null;
    u = x.mul(2);
    y = save_on_cpu({ pin_memory: true }, () => u.mul(u).sum());
    torch.no_grad(() => u.mul_(100));
    y.backward();
    log(x.grad);
    x.grad = null;
    u = x.mul(2);
    {
      using _ = save_on_cpu();
      y = u.mul(u).sum();
    }
    torch.no_grad(() => u.mul_(100));
    y.backward();
    log(x.grad);
  },

  tutorial_numbers_instead_of_tensors(log) {
    const storage = new Map<string, Tensor>();
    const pack = (t: Tensor): string => {
      const name = `slot${storage.size}`;
      storage.set(name, t.detach().clone());
      return name;
    };
    const x = leaf(0, 1, 2, 3, 4);
    let y = saved_tensors_hooks(
      pack,
      (name) => storage.get(name),
      () => x.exp().mul(x.cos()).sum(),
    );
    log(storage.size);
    y.backward();
    log(x.grad);
    const big: number[] = [];
    const packLarge = (t: Tensor): Tensor | { large: Tensor } => {
      if (t.numel() < 4) return t;
      big.push(t.numel());
      return { large: t.clone() };
    };
    x.grad = null;
    y = saved_tensors_hooks(
      packLarge,
      (packed) => ("large" in packed ? packed.large : packed),
      () => x.slice(0, 0, 2).exp().sum().mul(x.sin().pow(2).sum()),
    );
    y.backward();
    log(big.length, x.grad);
  },

  layers_under_hooks(log) {
    torch.manual_seed(5);
    const model = new torch.nn.Sequential(new torch.nn.Linear(3, 4), new torch.nn.Tanh(), new torch.nn.Linear(4, 2));
    const x = torch.randn(5, 3);
    const parameters = [...model.parameters()];
    let loss = saved_tensors_hooks(
      (t) => t.half(),
      (t) => t.float(),
      () => (model(x) as Tensor).square().mean(),
    );
    loss.backward();
    const rough = parameters.map((p) => (p.grad as Tensor).clone());
    model.zero_grad();
    loss = (model(x) as Tensor).square().mean();
    loss.backward();
    log(parameters.every((p, i) => torch.allclose(rough[i], p.grad as Tensor, { atol: 2e-3 })));
    log(parameters.some((p, i) => !torch.equal(rough[i], p.grad as Tensor)));
    loss = saved_tensors_hooks(
      (t) => t.detach().clone(),
      same,
      () => torch.nn.functional.cross_entropy(model(x) as Tensor, torch.tensor([0, 1, 1, 0, 1])),
    );
    model.zero_grad();
    loss.backward();
    log(
      loss,
      parameters.map((p) => p.grad),
    );
  },

  hooks_in_hooks(log) {
    const x = leaf(1, 2);
    const order: unknown[] = [];
    const unpack = (t: Tensor): Tensor => {
      order.push("unpack");
      return torch.enable_grad(() => {
        const u = t.detach().requires_grad_();
        return grad(u.square().sum(), [u])[0].div(2);
      });
    };
    let y = saved_tensors_hooks(
      (t) => t.detach(),
      unpack,
      () => x.square(),
    );
    y.sum().backward();
    log(x.grad, order);
    const pack = (t: Tensor): Tensor => {
      const u = torch.enable_grad(() => t.detach().requires_grad_());
      order.push(["pack", torch.is_grad_enabled(), u.requires_grad]);
      return t;
    };
    x.grad = null;
    y = saved_tensors_hooks(pack, same, () => x.sin());
    y.sum().backward();
    log(x.grad, order);
  },

  hooks_of_one_saved_tensor(log) {
    class Product extends torch.autograd.Function {
      static forward(ctx: FunctionCtx, a: Tensor, b: Tensor): Tensor {
        const out = a.mul(b);
        ctx.save_for_backward(a, b, null, out);
        return out;
      }
      static backward(ctx: FunctionCtx, g: Tensor): Tensor[] {
        const [a, b, , out] = ctx.saved_tensors;
        return [g.mul(b).add(out.mul(0)), g.mul(a)];
      }
    }
    type FunctionNode = FunctionCtx & { readonly _raw_saved_tensors: readonly torch.autograd.graph.SavedTensor[] };
    const nodeOf = (t: Tensor): FunctionNode => t.grad_fn as unknown as FunctionNode;
    const [x, c] = [leaf(1, 2), f32([3, 4])];
    let y = Product.apply(x, c);
    const raw = nodeOf(y)._raw_saved_tensors;
    const seen: unknown[] = [];
    const pack = (t: Tensor): Tensor => {
      seen.push([t.tolist(), t.requires_grad, node(t), torch.is_grad_enabled()]);
      return t.mul(2);
    };
    const half = (t: Tensor): Tensor => t.div(2);
    raw[1].register_hooks(pack, (t: Tensor) => t.div(2).mul(10));
    raw[0].register_hooks(pack, half);
    raw[3].register_hooks(pack, half);
    log(raw.length, [...seen]);
    log(attempt(() => raw[2].register_hooks(pack, same)));
    log(attempt(() => raw[1].register_hooks(pack, same)));
    const [a, b, none, out] = nodeOf(y).saved_tensors;
    log(a, a.requires_grad, b, none === null, out, node(out));
    y.sum().backward();
    log(x.grad);
    log(
      attempt(() => raw[1].register_hooks(pack, same)),
      attempt(() => nodeOf(y)._raw_saved_tensors),
    );
    y = Product.apply(x, c);
    log(attempt(() => nodeOf(y)._raw_saved_tensors[0].register_hooks((t) => t.mul_(2), same)));
    y = saved_tensors_hooks(same, same, () => Product.apply(x, c));
    log(attempt(() => nodeOf(y)._raw_saved_tensors[0].register_hooks(pack, same)));
  },

  views_and_changed_bases(log) {
    const x = leaf(1, 2, 3, 4);
    let base = x.mul(1);
    const view = base.view(2, 2).select(0, 0);
    const y = saved_tensors_hooks(
      (t) => t.clone(),
      same,
      () => view.square(),
    );
    base.mul_(10);
    const z = saved_tensors_hooks(
      (t) => t.clone(),
      same,
      () => view.square(),
    );
    y.sum().add(z.sum()).backward();
    log(x.grad);
    x.grad = null;
    base = x.mul(1);
    const out = saved_tensors_hooks(
      (t) => t.clone(),
      same,
      () => {
        base.slice(0, 1, 3).exp_();
        return base.square().sum();
      },
    );
    out.backward();
    log(x.grad);
  },
};
