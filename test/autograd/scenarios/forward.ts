/** Forward-mode differentiation. */
import * as torch from "../../../src/index.ts";
import * as nn from "../../../src/nn/index.ts";
import { attempt, leaf, node, type Scenarios, type Tensor, f32 as tensorOf } from "./common.ts";

const { grad } = torch.autograd;
const { dual_level, enter_dual_level, exit_dual_level, make_dual, unpack_dual, _set_fwd_grad_enabled } =
  torch.autograd.forward_ad;

const f32 = (...values: number[]): Tensor => tensorOf(values);
const tangent = (t: Tensor): Tensor | null => unpack_dual(t).tangent;
const tangents = (list: readonly Tensor[]): unknown[] => list.map(tangent);
const linspace = (from: number, to: number, ...shape: number[]): Tensor =>
  torch
    .linspace(
      from,
      to,
      shape.reduce((a, b) => a * b, 1),
    )
    .view(shape);
const scalar = (value: number): Tensor => torch.tensor(value, { dtype: torch.float32 });

export const scenarios: Scenarios = {
  tutorial_basics(log) {
    const [primal, direction] = [f32(1, 2, 3), f32(1, 0, 2)];
    const [out, dual] = dual_level(() => {
      const dual = make_dual(primal, direction);
      log(tangent(dual) === direction);
      const out = dual.pow(2).add(torch.sin(dual));
      const [p, t] = unpack_dual(out);
      log(p, t, unpack_dual(out).primal, unpack_dual(out).length, tangent(dual.mul(2).add(primal)));
      return [out, dual];
    });
    log(tangent(out));
    dual_level(() => log(tangent(out), tangent(dual)));
  },

  tutorial_modules(log) {
    const model = new nn.Sequential(new nn.Linear(3, 2), new nn.Tanh(), new nn.Linear(2, 1));
    const params: Record<string, Tensor> = {};
    const directions: Record<string, Tensor> = {};
    [...model.named_parameters()].forEach(([name, p], i) => {
      params[name] = linspace(-1, 1, ...p.shape).mul((i + 1) / 3);
      directions[name] = linspace(1, 0, ...p.shape);
    });
    const x = linspace(-1, 2, 4, 3);
    dual_level(() => {
      for (const [name, p] of Object.entries(params)) {
        const [i, field] = name.split(".");
        Object.assign(Reflect.get(model, i) as object, { [field]: make_dual(p, directions[name]) });
      }
      const out = model(x);
      log(out, tangent(out));
    });
    dual_level(() => {
      const y = nn.functional.linear(make_dual(x, torch.ones(4, 3)), params["0.weight"], params["0.bias"]);
      log(tangent(y), tangent(y.relu().mean()));
    });
  },

  levels(log) {
    const [x, t] = [f32(1, 2), f32(1, 0)];
    log(
      attempt(() => make_dual(x, t)),
      attempt(() => exit_dual_level()),
    );
    const level = enter_dual_level();
    const d = make_dual(x, t);
    log(
      level,
      tangent(d),
      attempt(() => enter_dual_level()),
      attempt(() => dual_level(() => {})),
    );
    log(attempt(() => exit_dual_level({ level: 1 })));
    exit_dual_level({ level });
    log(tangent(d));
    const fails = (): void => {
      using _ = dual_level();
      make_dual(x, t);
      throw Object.assign(new Error("inside"), { name: "ValueError" });
    };
    log(
      attempt(fails),
      attempt(() => make_dual(x, t)),
    );
    dual_level(() => {
      log(tangent(make_dual(x, t).mul(3)));
      log(
        attempt(() => make_dual(x, t, { level: 3 })),
        attempt(() => [...unpack_dual(x, { level: 3 })]),
      );
    });
  },

  wrong_duals(log) {
    const [x, t] = [f32(1, 2), f32(1, 0)];
    const whole = torch.tensor([1, 2]);
    dual_level(() => {
      const d = make_dual(x, t);
      for (const [primal, direction] of [
        [d, t],
        [x, d],
        [whole, t],
        [x, whole],
        [x, t.slice(0, 0, 1)],
        [x, scalar(1)],
        [x, t.view(2, 1)],
      ]) {
        log(attempt(() => make_dual(primal, direction)));
      }
      log(String(tangent(make_dual(x, t.double()))?.dtype));
      log(attempt(() => unpack_dual(3 as unknown as Tensor)));
    });
  },

  duals_are_views(log) {
    const [x, t] = [f32(1, 2, 3), f32(1, 0, 2)];
    dual_level(() => {
      const d = make_dual(x, t);
      log(d._is_view(), d._base === x, tangent(x), unpack_dual(d).primal._base === x);
      d.mul_(2);
      log(x, t, tangent(x), tangent(d) === t);
      x.add_(1);
      log(unpack_dual(d).primal, tangent(d));
      unpack_dual(d).primal.zero_();
      log(d, tangent(d));
    });
  },

  tangents_are_laid_out_alike(log) {
    dual_level(() => {
      const t = torch.arange(6).to(torch.float32).view(3, 2).t();
      let d = make_dual(torch.ones(2, 3), t);
      log(tangent(d)?.stride(), tangent(d) === t, tangent(d));
      d = make_dual(f32(1, 2, 3), scalar(2).expand(3));
      log(tangent(d)?.stride(), tangent(d.mul_(3)));
      d = make_dual(torch.ones(3, 2).t(), torch.ones(2, 3));
      log(tangent(d)?.stride(), tangent(d.t())?.stride());
      d = make_dual(torch.ones(4).slice(0, 0, null, 2), torch.ones(2));
      log(tangent(d)?.stride(), tangent(d.slice(0, 1)));
      d = make_dual(torch.ones(0, 3), torch.ones(0, 3));
      log(tangent(d)?.shape[1], tangent(d.sum()));
    });
  },

  what_drops_tangents(log) {
    const [x, t] = [f32(1, 2, 3), f32(1, 0, 2)];
    dual_level(() => {
      const d = make_dual(x, t);
      log(tangent(d.detach()), tangent(d.data), tangent(d.gt(1)), tangent(d.argmax()), tangent(d.long()));
      log(tangent(torch.zeros_like(d)), tangent(d.new_zeros(3)), tangent(d.sign()), tangent(d.double()));
      log(tangent(d.round()));
      torch.no_grad(() => log(tangent(d.mul(2))));
      torch.inference_mode(() => log(tangent(d.mul(2))));
      _set_fwd_grad_enabled(false, () => log(tangent(d.mul(2)), tangent(d)));
      log(tangent(d.mul(2)));
      const e = d.clone();
      e.detach_();
      log(tangent(e));
      log(d.tolist(), d.at(1).item());
    });
  },

  in_place(log) {
    const [x, t] = [f32(1, 2, 3), f32(1, 0, 2)];
    dual_level(() => {
      const d = make_dual(x, t);
      const run = (f: (w: Tensor) => unknown, w = d.clone()): void => {
        const before = tangent(w);
        f(w);
        log([...unpack_dual(w)], before === null || tangent(w) === before);
      };
      run((w) => w.mul_(2));
      run((w) => w.mul_(d));
      run((w) => w.pow_(3));
      run((w) => w.exp_());
      run((w) => w.add_(f32(1, 1, 1)));
      run((w) => w.zero_());
      run((w) => w.fill_(3));
      run((w) => w.fill_(d.sum()));
      run((w) => w.copy_(f32(7, 8, 9)));
      run((w) => w.clamp_(1.5, 2.5));
      run((w) => w.masked_fill_(w.gt(2), 0));
      run((w) => w.add_(d), torch.zeros(3));
      run((w) => w.copy_(d), torch.zeros(3));
      run((w) => w.mul_(0).add_(d.detach()));
      run((w) => w.sub_(w));
    });
  },

  in_place_on_views(log) {
    const [x, t] = [f32(1, 2, 3), f32(1, 0, 2)];
    dual_level(() => {
      const d = make_dual(x, t);
      let w = d.clone();
      w.slice(0, 1).mul_(2);
      log([...unpack_dual(w)]);
      w = d.clone();
      let v = w.slice(0, 1);
      v.mul_(d.slice(0, 1));
      log([...unpack_dual(w)], [...unpack_dual(v)]);
      w = d.clone();
      v = w.view(3, 1);
      w.mul_(3);
      log(tangent(v), tangent(v.t().slice(1, 0, 2)));
      let z = torch.zeros(2, 2);
      const rows = z.unbind(0);
      const row = z.at(1);
      z.at(0).copy_(d.slice(0, 1));
      log(tangent(z), tangent(rows[0]), tangent(row));
      z = torch.zeros(3);
      v = z.slice(0, 0, 2);
      v.copy_(d.slice(0, 1));
      log(tangent(z), tangent(v), tangent(z.slice(0, 1)));
      const base = torch.ones(3);
      const b = base.slice(0, 0, 2);
      const e = make_dual(b, f32(1, 1));
      e.mul_(2);
      log(base, tangent(base), tangent(b), tangent(e));
      b.mul_(d.slice(0, 0, 2));
      log(base, tangent(base), tangent(b), tangent(e));
    });
  },

  base_of_a_dual(log) {
    dual_level(() => {
      const base = f32(1, 2, 3);
      const v = base.slice(0, 0, 2);
      const d = make_dual(f32(1, 1, 1), f32(5, 6, 7));
      v.add_(d.slice(0, 0, 2));
      log(tangent(base), tangent(v));
      base.mul_(2);
      log(tangent(base), tangent(v));
      base.copy_(f32(1, 2, 3));
      log(tangent(base), tangent(v));
      v.add_(d.slice(0, 1));
      log(tangent(base), tangent(base.view(3, 1).slice(0, 1)));
    });
  },

  reverse_of_forward(log) {
    const [x, v] = [leaf(1, 2, 3), f32(1, 0, 2)];
    const [p, t] = dual_level(() => unpack_dual(make_dual(x, v).pow(3).sum()));
    log(p.requires_grad, t?.requires_grad, t);
    log(grad(t as Tensor, x, { retain_graph: true }), grad(p, x));
    const hessian = [0, 1, 2].map((i) =>
      dual_level(() => {
        const d = make_dual(x, torch.eye(3).at(i));
        const out = d.prod().add(d.at(0).mul(d.at(1)).exp());
        return grad(tangent(out) as Tensor, x)[0];
      }),
    );
    log(hessian);
    const s = leaf(2);
    dual_level(() => {
      const d = make_dual(f32(3), s);
      log(d.requires_grad, d.mul(2).requires_grad, tangent(d.mul(2))?.requires_grad);
      log(grad(tangent(d.mul(d)) as Tensor, s));
    });
  },

  forward_of_reverse(log) {
    const x = leaf(1, 2, 3);
    const hessian = [0, 1, 2].map((i) =>
      dual_level(() => {
        const d = make_dual(x, torch.eye(3).at(i));
        const out = d.prod().add(d.at(0).mul(d.at(1)).exp());
        const [g] = grad(out, d, { create_graph: true });
        return tangent(g);
      }),
    );
    log(hessian);
    dual_level(() => {
      const w = leaf(1, 2, 3);
      const loss = w
        .pow(2)
        .mul(make_dual(f32(3, 4, 5), f32(1, 1, 1)))
        .sum();
      const [g] = grad(loss, w);
      log(g, tangent(g), tangent(loss));
    });
  },

  accumulated_gradient(log) {
    dual_level(() => {
      const w = leaf(1, 2);
      const seen = (): void => {
        log(w.grad, tangent(w.grad as Tensor));
      };
      w.mul(make_dual(f32(3, 4), f32(1, 2)))
        .sum()
        .backward();
      seen();
      w.mul(f32(3, 4)).sum().backward();
      seen();
      const d = make_dual(w, f32(1, 1));
      d.mul(d).sum().backward();
      seen();
    });
  },

  mixed_inputs(log) {
    const [x, t] = [f32(1, 2, 3), f32(1, 0, 2)];
    dual_level(() => {
      const d = make_dual(x, t);
      const col = make_dual(torch.ones(2, 1), f32(1, 2).view(2, 1));
      log(tangent(d.mul(col)), tangent(col.add(x)), tangent(torch.rsub(d, 3)), tangent(d.reciprocal().mul(2)));
      log(tangent(d.add(col, { alpha: 2 })));
      const m = torch.arange(6).to(torch.float32).view(2, 3);
      log(tangent(m.matmul(d)), tangent(torch.addmv(f32(1, 1), m, d)), tangent(d.dot(d)), tangent(torch.outer(d, x)));
      const e = d.double().mul(x);
      log(String(e.dtype), String(tangent(e)?.dtype), tangent(e));
      const i = d.mul(torch.tensor([1, 2, 3]));
      log(tangent(i), tangent(torch.where(x.gt(1), d, 0)), tangent(torch.cat([d, x, d.slice(0, 0, 1)])));
      log(tangent(d.max()), tangent(d.max(0).values), tangent(d.sort({ descending: true })[0]), tangent(d.cumsum(0)));
      log(tangent(d.softmax(0)), tangent(d.var()), tangent(d.norm()), tangent(d.index([torch.tensor([2, 0])])));
      log(tangent(torch.stack([d, d]).mean(0)));
    });
  },

  several_outputs(log) {
    const [x, t] = [torch.arange(6).to(torch.float32).view(3, 2), torch.ones(3, 2)];
    dual_level(() => {
      const d = make_dual(x, t);
      log(tangents(d.split([1, 2])), tangents(d.unbind(1)), tangents(d.t().chunk(2)));
      const { values, indices } = d.max(0);
      log(tangent(values), tangent(indices));
      const [variance, mean] = torch.var_mean(d.mul(d), 0);
      log(tangent(variance), tangent(mean));
      log(tangent(d.mul(d).topk(1, 0).values));
      log(tangents(torch.unbind(x)));
    });
  },

  out_variants(log) {
    const [x, t] = [f32(1, 2), f32(1, 0)];
    dual_level(() => {
      const d = make_dual(x, t);
      const start = (x: unknown): string => (x as string).slice(0, 48);
      log(start(attempt(() => torch.mul(d, 2, { out: torch.empty(2) }))));
      log(start(attempt(() => torch.mul(x, 2, { out: d }))), tangent(d));
    });
  },

  identity_of_zeros(log) {
    const [x, t] = [f32(1, 2), f32(1, 0)];
    dual_level(() => {
      const d = make_dual(x, t);
      log(tangent(x.mul(2)), tangent(d.mul(0)), tangent(d.sub(d)), tangent(d.detach().mul(d)));
      const y = x.clone();
      log(tangent(y));
      y.mul_(d);
      log(tangent(y), tangent(x));
    });
  },

  leaves(log) {
    const x = leaf(1, 2);
    dual_level(() => {
      const d = make_dual(x, f32(1, 0));
      log(node(d), d.requires_grad, d.is_leaf, unpack_dual(d).primal.requires_grad);
      const { primal, tangent: t } = unpack_dual(d.mul(d));
      log(primal.requires_grad, t?.requires_grad, t);
      const e = torch.no_grad(() => d.mul(d));
      log(e.requires_grad, tangent(e)?.requires_grad, tangent(e));
      const c = make_dual(f32(3, 4), f32(1, 1));
      c.requires_grad_();
      log(c.requires_grad, tangent(c), grad(c.mul(c).sum(), c));
    });
  },

  printed(log) {
    const d = dual_level(() => {
      const d = make_dual(f32(1, 2.5), f32(1, 0));
      log(String(d), String(d.sum()), String(d.detach()), String(make_dual(leaf(1), f32(2))));
      return d;
    });
    log(String(d));
  },

  normalization_and_convolution(log) {
    const dtype = torch.float64;
    const x = torch.linspace(-1, 1, 24, { dtype }).view(2, 3, 4);
    const t = torch.linspace(1, 0, 24, { dtype }).view(2, 3, 4).square();
    const w = torch.linspace(-1, 1, 12, { dtype }).view(2, 3, 2);
    const F = nn.functional;
    dual_level(() => {
      const d = make_dual(x, t);
      log(tangent(F.conv1d(d, w)), tangent(F.conv1d(x, make_dual(w, w.mul(2)))));
      log(tangent(F.conv1d(d, make_dual(w, w))));
      log(tangent(F.layer_norm(d, [4])), tangent(F.batch_norm(d, null, null, { training: true })));
      log(tangent(F.max_pool1d(d, 2)), tangent(F.avg_pool1d(d, 2)), tangent(F.gelu(d)), tangent(F.log_softmax(d, -1)));
      const target = torch.tensor([
        [0, 1, 2, 0],
        [1, 1, 0, 2],
      ]);
      log(tangent(F.cross_entropy(d, target)), tangent(F.mse_loss(d, x.add(1))));
    });
  },
};
