/** The programs of the tutorials of torch.func, each also against plain autograd. Twin of tools/golden-autograd/func-2.py. */
import * as torch from "../../../src/index.ts";
import { f32, type Scenarios, type Tensor } from "./common.ts";

// biome-ignore lint/suspicious/noExplicitAny: programs as they are written in PyTorch, on structures of many kinds.
type Loose = any;
type F = (...args: Loose[]) => Loose;
type Named = Record<string, Tensor>;
const { functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, stack_module_state, vjp } =
  torch.func as unknown as Record<string, F>;
const vmap = torch.vmap as unknown as F;
const { nn } = torch;
const { functional: fn } = nn;
type Module = InstanceType<typeof nn.Module>;

const all = (t: Tensor): number[] => [...t.shape];
const sumOf = (list: Tensor[]): Tensor => list.reduce((a, b) => a.add(b));
const mapNamed = (named: Named, f: (t: Tensor, name: string) => Tensor): Named =>
  Object.fromEntries(Object.entries(named).map(([name, t]) => [name, f(t, name)]));
const state = (net: Module): Named =>
  Object.fromEntries([...net.named_parameters()].map(([name, p]) => [name, p.detach()]));
const digest = (named: Named): unknown[] => Object.entries(named).map(([k, t]) => [k, t.sum(), t.flatten().at(0)]);
const close = (a: Tensor, b: Tensor, atol = 1e-6): boolean => torch.allclose(a, b, { atol });
/** Whether gradients by name are those that backward left in the parameters. */
const sameAs = (g: Named, net: Module): boolean[] =>
  [...net.named_parameters()].map(([name, p]) => close(g[name], p.grad as Tensor));

class SmallCNN extends nn.Module {
  conv1 = new nn.Conv2d(1, 3, 3);
  conv2 = new nn.Conv2d(3, 4, 3);
  fc1 = new nn.Linear(4 * 2 * 2, 6);
  fc2 = new nn.Linear(6, 4);
  override forward(x: Tensor): Tensor {
    const a = fn.relu(this.conv1(x));
    const b = fn.max_pool2d(fn.relu(this.conv2(a)), 2) as Tensor;
    return this.fc2(fn.relu(this.fc1(b.flatten(1))));
  }
}

export const scenarios: Scenarios = {
  per_sample_gradients(log) {
    torch.manual_seed(0);
    const net = new SmallCNN();
    torch.manual_seed(11);
    const data = torch.randn(5, 1, 8, 8);
    const targets = torch.arange(5).remainder(4);
    const loss = (params: Named, sample: Tensor, target: Tensor): Tensor =>
      fn.cross_entropy(functional_call(net, params, [sample.unsqueeze(0)]), target.unsqueeze(0));
    const grads = vmap(grad(loss), { in_dims: [null, 0, 0] })(state(net), data, targets) as Named;
    log(Object.values(grads).map(all), digest(grads));
    for (let i = 0; i < 5; i++) {
      net.zero_grad();
      fn.cross_entropy(net(data.narrow(0, i, 1)), targets.narrow(0, i, 1)).backward();
      log(
        sameAs(
          mapNamed(grads, (g) => g.at(i)),
          net,
        ).every(Boolean),
      );
    }
    const norms = sumOf(Object.values(grads).map((g) => g.flatten(1).pow(2).sum(1))).sqrt();
    const factor = norms.reciprocal().clamp({ max: 1 });
    const clipped = mapNamed(grads, (g) => g.mul(factor.view(-1, ...new Array<number>(g.ndim - 1).fill(1))).mean(0));
    log(norms, digest(clipped));
  },

  ensembles(log) {
    torch.manual_seed(1);
    const models = [0, 1, 2].map(() => new nn.Sequential(new nn.Linear(4, 5), new nn.ReLU(), new nn.Linear(5, 3)));
    const [params, buffers] = stack_module_state(models);
    const data = torch.randn(3, 6, 4);
    const call = (p: Named, b: Named, d: Tensor): Tensor => functional_call(models[0], [p, b], [d]);
    const each = vmap(call)(params, buffers, data);
    log(all(each), each.sum(), close(each, torch.stack(models.map((m, i) => m(data.at(i))))));
    const same = vmap(call, { in_dims: [0, 0, null] })(params, buffers, data.at(0));
    log(same.select(1, 0), close(same, torch.stack(models.map((m) => m(data.at(0))))));
    const detached = mapNamed(params, (p) => p.detach());
    log(digest(vmap(grad((p: Named, d: Tensor) => call(p, {}, d).pow(2).sum()))(detached, data)));
    same.pow(2).sum().backward();
    log(digest(mapNamed(params, (p) => p.grad as Tensor)));
  },

  ensembles_with_batch_norm(log) {
    torch.manual_seed(2);
    const models = [0, 1].map(() =>
      new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.Tanh()).eval(),
    );
    for (const m of models) {
      const norm = m.at(1) as InstanceType<typeof nn.BatchNorm1d>;
      norm.running_mean?.normal_();
      norm.running_var?.uniform_(0.5, 2);
    }
    const [params, buffers] = stack_module_state(models);
    const data = torch.randn(5, 3);
    const out = vmap((p: Named, b: Named) => functional_call(models[0], [p, b], [data]))(params, buffers);
    log(out.select(1, 0), close(out, torch.stack(models.map((m) => m(data)))), Object.keys(buffers).sort());
  },

  neural_tangent_kernels(log) {
    torch.manual_seed(3);
    const net = new nn.Sequential(new nn.Linear(3, 8), new nn.Tanh(), new nn.Linear(8, 2));
    const params = state(net);
    const [a, b] = [torch.randn(4, 3), torch.randn(2, 3)];
    const f = (p: Named, s: Tensor): Tensor => functional_call(net, p, [s.unsqueeze(0)]).squeeze(0);
    const contraction = (full: boolean): Tensor => {
      const [ja, jb] = [a, b].map((points) => vmap(jacrev(f), { in_dims: [null, 0] })(params, points) as Named);
      const rule = full ? "Naf,Mbf->NMab" : "Naf,Maf->NM";
      return sumOf(Object.keys(params).map((k) => torch.einsum(rule, ja[k].flatten(2), jb[k].flatten(2))));
    };
    const pair = (s: Tensor, t: Tensor): Tensor => {
      const pullback = vjp((p: Named) => f(p, s), params)[1];
      const column = (v: Tensor): Tensor => jvp((p: Named) => f(p, t), [params], pullback(v))[1];
      return vmap(column, { out_dims: 1 })(torch.eye(2));
    };
    const products = vmap((s: Tensor) => vmap((t: Tensor) => pair(s, t))(b))(a);
    const full = contraction(true);
    log(all(full), full.at(0), contraction(false), close(products.transpose(2, 3), full, 1e-5));
  },

  jacobians_of_a_layer(log) {
    torch.manual_seed(4);
    const [w, bias, x] = [torch.randn(3, 4), torch.randn(3), torch.randn(4)];
    const f = (m: Tensor, c: Tensor, s: Tensor): Tensor => fn.linear(s, m, c).tanh();
    const rows = [0, 1, 2].map((i) => {
      const s = x.clone().requires_grad_();
      return torch.autograd.grad(f(w, bias, s).at(i), [s])[0] as Tensor;
    });
    log(torch.stack(rows), jacrev(f, { argnums: 2 })(w, bias, x), jacfwd(f, { argnums: 2 })(w, bias, x));
    log(vmap(vjp((s: Tensor) => f(w, bias, s), x)[1])(torch.eye(3))[0]);
    const [jw, jb] = jacfwd(f, { argnums: [0, 1, 2] })(w, bias, x);
    log(all(jw), jw.sum([0, 1]), jb, close(jacrev(f, { argnums: 0 })(w, bias, x), jw));
    const batch = torch.randn(2, 4);
    log(vmap(jacrev(f, { argnums: 2 }), { in_dims: [null, null, 0] })(w, bias, batch));
    const summed = jacrev((s: Tensor) => f(w, bias, s).sum(0))(batch);
    log(all(summed), summed.movedim(1, 0).at(0));
    const h = hessian(f, { argnums: 2 })(w, bias, x);
    log(all(h), h.at(1), close(jacfwd(jacfwd(f, { argnums: 2 }), { argnums: 2 })(w, bias, x), h, 1e-5));
  },

  hessian_vector_products(log) {
    const f = (t: Tensor): Tensor => t.sin().mul(t.roll(1)).sum().add(t.prod());
    const [x, v] = [f32([0.3, -1.2, 2, 0.7]), f32([1, 0.5, -0.5, 2])];
    log(jvp(grad(f), [x], [v])[1], vjp(grad(f), x)[1](v)[0], grad((t: Tensor) => grad(f)(t).mul(v).sum())(x));
    log(hessian(f)(x).matmul(v), linearize(grad(f), x)[1](v));
    const twice = jvp((t: Tensor) => jvp(f, [t], [v])[1], [x], [v])[1];
    log(grad((t: Tensor) => jvp(f, [t], [v])[1])(x), twice, v.matmul(hessian(f)(x)).matmul(v));
    const y = x.clone().requires_grad_();
    const [g] = torch.autograd.grad(f(y), [y], { create_graph: true }) as Tensor[];
    log(torch.autograd.grad(g, [y], v));
  },

  model_agnostic_meta_learning(log) {
    torch.manual_seed(5);
    const net = new nn.Sequential(new nn.Linear(1, 6), new nn.Tanh(), new nn.Linear(6, 1));
    let params = state(net);
    const phases = f32([0.1, 1, 2]);
    const points = torch.linspace(-2, 2, 5).unsqueeze(1);
    const later = points.add(0.3);
    const loss = (p: Named, x: Tensor, y: Tensor): Tensor => fn.mse_loss(functional_call(net, p, [x]), y);
    const adapted = (start: Named, phase: Tensor): Tensor => {
      let p = start;
      for (let i = 0; i < 2; i++) {
        const g = grad(loss)(p, points, points.add(phase).sin());
        p = mapNamed(p, (t, k) => t.sub(g[k].mul(0.1)));
      }
      return loss(p, later, later.add(phase).sin());
    };
    const meta = (p: Named): Tensor => vmap((phase: Tensor) => adapted(p, phase))(phases).mean();
    for (let i = 0; i < 3; i++) {
      const [g, value] = grad_and_value(meta)(params);
      log(value, digest(g));
      params = mapNamed(params, (t, k) => t.sub(g[k].mul(0.2)));
    }
    const leaves = mapNamed(params, (t) => t.clone().requires_grad_());
    const losses = [...phases].map((phase) => {
      let p = leaves;
      for (let i = 0; i < 2; i++) {
        const inner = loss(p, points, points.add(phase).sin());
        const gs = torch.autograd.grad(inner, Object.values(p), { create_graph: true }) as Tensor[];
        p = Object.fromEntries(Object.entries(p).map(([k, t], j) => [k, t.sub(gs[j].mul(0.1))]));
      }
      return loss(p, later, later.add(phase).sin());
    });
    const expected = torch.autograd.grad(sumOf(losses).div(3), Object.values(leaves)) as Tensor[];
    const g = Object.values(grad(meta)(params) as Named);
    log(g.every((t, i) => close(t, expected[i], 1e-5)));
  },

  training_without_tape(log) {
    torch.manual_seed(6);
    const net = new nn.Sequential(new nn.Linear(2, 4), new nn.GELU(), new nn.Linear(4, 1));
    let params = state(net);
    const x = torch.randn(8, 2);
    const y = x.prod(1, { keepdim: true });
    const step = grad_and_value((p: Named) => fn.smooth_l1_loss(functional_call(net, p, x), y));
    for (let i = 0; i < 4; i++) {
      const [g, value] = step(params);
      log(value);
      params = mapNamed(params, (t, k) => t.sub(g[k].mul(0.5)));
    }
    const optimizer = new torch.optim.SGD(net.parameters(), { lr: 0.5 });
    for (let i = 0; i < 4; i++) {
      optimizer.zero_grad();
      fn.smooth_l1_loss(net(x), y).backward();
      optimizer.step();
    }
    log([...net.named_parameters()].map(([k, p]) => close(params[k], p)));
  },

  newtons_method(log) {
    torch.manual_seed(7);
    const x = torch.randn(12, 3);
    const y = x.sum(1).gt(0).float();
    const loss = (w: Tensor): Tensor => fn.binary_cross_entropy_with_logits(x.matmul(w), y).add(w.dot(w).mul(0.05));
    const cross = (a: Tensor, b: Tensor): Tensor => {
      const turned = (t: Tensor, by: number): Tensor => t.roll(by);
      return turned(a, -1)
        .mul(turned(b, -2))
        .sub(turned(a, -2).mul(turned(b, -1)));
    };
    let w = torch.zeros(3);
    for (let i = 0; i < 4; i++) {
      const [h, g] = [hessian(loss)(w) as Tensor, grad(loss)(w) as Tensor];
      const rows = torch.stack([cross(h.at(1), h.at(2)), cross(h.at(2), h.at(0)), cross(h.at(0), h.at(1))]);
      w = w.sub(
        rows
          .t()
          .matmul(g)
          .div(h.at(0).dot(rows.at(0))),
      );
      log(w, loss(w), g.norm().lt(1));
    }
  },

  gradient_penalty(log) {
    torch.manual_seed(8);
    const critic = new nn.Sequential(new nn.Linear(3, 5), new nn.LeakyReLU(0.2), new nn.Linear(5, 1));
    const real = torch.randn(4, 3);
    const distance = (slopes: Tensor): Tensor => slopes.norm({ dim: 1 }).sub(1).pow(2).mean();
    const penalty = (p: Named): Tensor =>
      distance(vmap(grad((s: Tensor) => functional_call(critic, p, [s]).squeeze()))(real));
    const g = grad(penalty)(state(critic));
    log(penalty(state(critic)), digest(g));
    const points = real.clone().requires_grad_();
    const [slopes] = torch.autograd.grad(critic(points).sum(), [points], { create_graph: true }) as Tensor[];
    distance(slopes).backward();
    for (const [k, p] of critic.named_parameters()) log(k, close(g[k], p.grad ?? torch.zeros_like(p)));
  },

  forces_of_particles(log) {
    torch.manual_seed(9);
    const places = torch.rand(5, 3).mul(3);
    const others = torch.eye(5).neg().add(1);
    const energy = (p: Tensor): Tensor => {
      const shift = p.unsqueeze(0).sub(p.unsqueeze(1));
      const sixth = shift.mul(shift).sum(-1).add(torch.eye(5)).pow(-3);
      return sixth.mul(sixth).sub(sixth).mul(4).mul(others).sum().div(2);
    };
    const force = grad(energy)(places).neg() as Tensor;
    log(energy(places), force, force.sum(0).abs().max().lt(1e-2));
    const h = hessian(energy)(places).view(15, 15) as Tensor;
    log(h.sub(h.t()).abs().max().div(h.abs().max()).lt(1e-5));
    log(vmap(energy)(torch.stack([places, places.mul(1.5)])).at(1));
  },

  recurrent_networks(log) {
    for (const Kind of [nn.RNN, nn.LSTM, nn.GRU]) {
      torch.manual_seed(10);
      const net = new (Kind as Loose)(2, 3, { batch_first: true }) as InstanceType<typeof nn.RNN>;
      const x = torch.randn(2, 4, 2);
      const loss = (p: Named, s: Tensor): Tensor => functional_call(net, p, [s])[0].pow(2).sum();
      const g = grad(loss)(state(net), x);
      log(digest(g));
      (net(x)[0] as Tensor).pow(2).sum().backward();
      log(sameAs(g, net));
      log(grad((s: Tensor) => grad(loss, { argnums: 1 })(state(net), s).pow(2).sum())(x).at(0));
    }
  },

  attention_and_norms(log) {
    torch.manual_seed(12);
    const net = new nn.TransformerEncoderLayer(4, 2, 8, { dropout: 0, batch_first: true });
    const x = torch.randn(2, 3, 4);
    const f = (p: Named, s: Tensor): Tensor => functional_call(net, p, [s]).pow(2).mean();
    const g = grad(f)(state(net), x);
    f(Object.fromEntries(net.named_parameters()), x).backward();
    for (const [k, p] of net.named_parameters()) log(k, g[k].sum(), close(g[k], p.grad as Tensor));
    log(vmap(grad((s: Tensor) => f(state(net), s.unsqueeze(0))))(x).at(1));
  },

  dropout_from_a_seed(log) {
    const net = new nn.Sequential(new nn.Linear(4, 6), new nn.Dropout(0.5), new nn.Linear(6, 1));
    torch.manual_seed(13);
    const x = torch.randn(3, 4);
    const p = mapNamed(state(net), (t) => torch.randn_like(t));
    torch.manual_seed(14);
    const g = grad((q: Named) => functional_call(net, q, x).sum())(p);
    log(digest(g));
    torch.manual_seed(14);
    const leaves = mapNamed(p, (t) => t.clone().requires_grad_());
    functional_call(net, leaves, x).sum().backward();
    log(Object.entries(leaves).map(([k, t]) => close(g[k], t.grad as Tensor)));
  },

  losses_and_their_second_derivatives(log) {
    torch.manual_seed(15);
    const [a, b, c] = [torch.randn(3, 4), torch.rand(3, 4), torch.tensor([0, 3, 1])];
    const losses: ((t: Tensor) => Tensor)[] = [
      (t) => fn.cross_entropy(t, c),
      (t) => fn.mse_loss(t, b),
      (t) => fn.binary_cross_entropy_with_logits(t, b),
      (t) => fn.kl_div(t.log_softmax(1), b, { reduction: "batchmean" }),
      (t) => fn.l1_loss(t, b),
      (t) => fn.nll_loss(t.log_softmax(1), c),
      (t) => fn.huber_loss(t, b),
      (t) => fn.softplus(t).mean(),
    ];
    for (const f of losses) {
      log(grad(f)(a), vjp(grad(f), a)[1](b)[0], grad((t: Tensor) => grad(f)(t).mul(b).sum())(a));
    }
  },

  embeddings_and_indices(log) {
    const table = torch.arange(8).float().view(4, 2).div(10);
    const words = torch.tensor([
      [1, 2, 1],
      [3, 0, 3],
    ]);
    const f = (t: Tensor, w: Tensor): Tensor => fn.embedding(w, t).sin().sum(0).prod();
    const second = hessian(f)(table, words.at(0)) as Tensor;
    log(grad(f)(table, words.at(0)), vmap(grad(f), { in_dims: [null, 0] })(table, words), second.at(1).at(0));
    log(
      vmap((w: Tensor) => table.index([w]))(words),
      grad((t: Tensor) => vmap((w: Tensor) => t.index([w]).prod())(words).sum())(table),
    );
    log(vmap((r: Tensor, i: Tensor) => r.gather(0, i))(table.t(), words), vmap((i: Tensor) => fn.one_hot(i, 4))(words));
  },

  convolutions(log) {
    torch.manual_seed(16);
    const [w, x] = [torch.randn(2, 3, 3, 3), torch.randn(4, 3, 5, 5)];
    const f = (m: Tensor, s: Tensor): Tensor => fn.conv2d(s, m, { padding: 1, stride: 2 }).pow(2).sum();
    const each = { in_dims: [null, 0] };
    const g = vmap(grad(f), each)(w, x);
    log(all(g), g.sum([2, 3, 4]), close(g.sum(0), grad(f)(w, x), 1e-3));
    log(
      vmap(grad(f, { argnums: 1 }), each)(w, x)
        .at(1)
        .sum([1, 2]),
    );
    log(vmap(f, { in_dims: [0, null] })(torch.stack([w, w.mul(2)]), x), jvp(f, [w, x], [torch.ones_like(w), x])[1]);
    const pooled = vmap(grad((s: Tensor) => fn.avg_pool2d(s, 2).pow(2).sum()))(x) as Tensor;
    log(vmap((s: Tensor) => fn.max_pool2d(s, 2))(x).sum([1, 2, 3]), pooled.at(0).at(0).narrow(0, 0, 2));
  },

  batch_norm_in_evaluation(log) {
    torch.manual_seed(17);
    const net = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.BatchNorm2d(2), new nn.ReLU()).eval();
    const x = torch.randn(3, 1, 5, 5);
    const f = (p: Named, s: Tensor): Tensor => functional_call(net, p, [s]).pow(2).sum();
    const g = vmap(
      grad((p: Named, s: Tensor) => f(p, s.unsqueeze(0))),
      { in_dims: [null, 0] },
    )(state(net), x) as Named;
    const total = grad(f)(state(net), x);
    log(
      digest(g),
      Object.keys(g).map((k) => close(g[k].sum(0), total[k], 1e-3)),
    );
    const other = new nn.Sequential(net.at(0), new nn.BatchNorm2d(2, { track_running_stats: false }), new nn.ReLU());
    const h = grad((p: Named) => functional_call(other, p, [x]).pow(3).sum())(state(other));
    log(digest({ "1.weight": h["1.weight"], "1.bias": h["1.bias"] }));
  },
};
