/** torch.vmap: dimensions, structures, refusals, randomness, and maps of gradients. */
import * as torch from "../../../src/index.ts";
import { attempt, f32, leaf, type Scenarios, type Tensor } from "./common.ts";

const { vmap } = torch;
const { grad, jacrev } = torch.func;
const F = torch.nn.functional;

const grid = (...shape: number[]): Tensor =>
  torch
    .arange(shape.reduce((a, b) => a * b, 1))
    .to(torch.float32)
    .div(4)
    .sub(1)
    .reshape(shape);
const shape = (t: Tensor): number[] => [...t.shape];
/** What TypeScript would refuse. */
const wrong = (x: unknown): never => x as never;
const refusing = (f: () => unknown): unknown => attempt(f);
const name = (t: Tensor): string => `torch.${t.dtype.name}`;

export const scenarios: Scenarios = {
  dot_product_of_rows(log) {
    const [a, b] = [grid(3, 4), grid(3, 4).flip(0)];
    const dot = (x: Tensor, y: Tensor): Tensor => torch.dot(x, y);
    log(vmap(dot)(a, b), vmap(dot, [1, 1])(a, b), vmap(dot, [0, null])(a, b.select(0, 0)));
  },

  dimensions_of_inputs(log) {
    const [a, b] = [grid(2, 3), grid(3, 2)];
    const mul = (x: Tensor, y: Tensor): Tensor => x.mul(y);
    log(
      vmap(mul, { in_dims: [0, 1] })(a, b),
      vmap(mul, { in_dims: [1, 0] })(a, b),
      vmap(mul, { in_dims: [-1, -2] })(a, b),
    );
    log(vmap((x: Tensor, y: Tensor) => x.sum().mul(y), { in_dims: [null, 0] })(a, b));
  },

  dimensions_of_outputs(log) {
    const x = grid(2, 3);
    log(vmap((t: Tensor) => t.mul(2), { out_dims: 1 })(x), vmap((t: Tensor) => t.mul(2), { out_dims: -1 })(x));
    log(vmap((t: Tensor) => [t, t.sum()], { out_dims: [1, 0] })(x));
    log(attempt(() => vmap((t: Tensor) => t, { out_dims: 2 })(x)));
    log(vmap((_: Tensor) => torch.ones(2), { out_dims: null })(x), vmap((_: Tensor) => torch.ones(2))(x));
  },

  structures(log) {
    const [x, y] = [grid(2, 3), grid(2, 3).add(1)];
    type Pair = { x: Tensor; y: Tensor };
    log(vmap((d: Pair) => ({ a: d.x.add(d.y), b: [d.x] }))({ x, y }).a);
    log(vmap((d: Pair) => d.x.mul(d.y), { in_dims: [{ x: 0, y: null }] })({ x, y: y.select(0, 0) }));
    const f = (p: Tensor[], q: Tensor): Tensor => p[0].add(p[1]).add(q);
    log(vmap(f, { in_dims: [[0, null], 0] })([x, y.select(0, 0)], y));
    log(Object.values(vmap((t: Tensor) => ({ u: t, v: t.sum() }), { out_dims: { u: 1, v: 0 } })(x)));
  },

  nested_maps(log) {
    const [a, b] = [grid(2), grid(3)];
    log(vmap((x: Tensor) => vmap((y: Tensor) => x.mul(y))(b))(a));
    const m = grid(2, 3, 2);
    const sum = (t: Tensor): Tensor => t.sum();
    log(vmap(vmap(sum))(m), vmap(vmap(sum, { in_dims: 1 }), { in_dims: 1 })(m));
    const add = (x: Tensor, y: Tensor): Tensor => x.add(y);
    log(vmap(vmap(add, { in_dims: [null, 0] }), { in_dims: [0, null] })(a, b));
  },

  wrong_inputs(log) {
    const x = grid(2, 3);
    log(refusing(() => vmap(() => torch.ones(2))()));
    log(refusing(() => vmap((t: Tensor) => t, { in_dims: null })(x)));
    log(refusing(() => vmap((t: Tensor) => t, { in_dims: [null] })(x)));
    log(refusing(() => vmap((t: Tensor, _: Tensor) => t)(x, torch.zeros(3))));
    log(refusing(() => vmap((t: Tensor, _: Tensor) => t, { in_dims: [0, 1] })(x, x)));
    log(refusing(() => vmap((t: Tensor, _: number) => t)(x, 3)));
    log(refusing(() => vmap((t: Tensor) => t, { in_dims: 2 })(x)));
    log(refusing(() => vmap((t: Tensor) => t, { in_dims: -3 })(x)));
    log(refusing(() => vmap((t: Tensor) => t)(torch.tensor(1.5))));
  },

  wrong_dimensions(log) {
    const x = grid(2, 3);
    log(refusing(() => vmap((t: Tensor) => t, { in_dims: wrong("a") })(x)));
    log(refusing(() => vmap((t: Tensor) => t, { in_dims: 1.5 })(x)));
    log(refusing(() => vmap((t: Tensor) => t, { in_dims: [0, 0] })(x)));
    log(refusing(() => vmap((t: Tensor) => t, { in_dims: [wrong("x")] })(x)));
    log(refusing(() => vmap((t: Tensor) => [t, t], { out_dims: [0] })(x)));
    log(refusing(() => vmap((t: Tensor) => t, { out_dims: wrong("a") })(x)));
    log(refusing(() => vmap((t: Tensor) => t, { out_dims: null })(x)));
    log(refusing(() => vmap((t: Tensor) => t, { randomness: wrong("some") })(x)));
  },

  wrong_outputs(log) {
    const x = grid(2, 3);
    log(refusing(() => vmap((_: Tensor) => null)(x)));
    log(refusing(() => vmap((_: Tensor) => 3)(x)));
    log(refusing(() => vmap((t: Tensor) => [t, "text"])(x)));
  },

  values_cannot_be_read(log) {
    const x = grid(2, 3);
    log(refusing(() => vmap((t: Tensor) => t.sum().item())(x)));
    log(refusing(() => vmap((t: Tensor) => t.tolist())(x)));
    log(refusing(() => vmap((t: Tensor) => torch.nonzero(t))(x)));
    log(refusing(() => vmap((t: Tensor, m: Tensor) => torch.masked_select(t, m))(x, x.gt(0))));
    log(refusing(() => vmap((t: Tensor) => torch.unique(t))(x)));
    log(refusing(() => vmap((t: Tensor, m: Tensor) => t.index([m]))(x, x.gt(0))));
    log(vmap((t: Tensor) => t.index([torch.tensor([true, false, true])]))(x));
  },

  writing_in_place(log) {
    const x = grid(2, 3);
    const y = x.clone();
    log(vmap((t: Tensor) => t.add_(1).mul_(2))(y), y);
    log(vmap((t: Tensor, u: Tensor) => t.add_(u))(x.clone(), grid(2, 3)));
    log(attempt(() => vmap((t: Tensor, u: Tensor) => t.copy_(u), { in_dims: [null, 0] })(torch.zeros(3), x)));
    const z = torch.zeros(3);
    vmap((t: Tensor, u: Tensor) => u.add(t.add_(1)), { in_dims: [null, 0] })(z, x);
    log(z);
    log(vmap((t: Tensor) => torch.zeros_like(t).copy_(t))(x));
  },

  views_inside(log) {
    const x = grid(2, 3, 4);
    log(vmap((t: Tensor) => t.t().slice(0, 1).slice(1, 0, null, 2).reshape(-1))(x));
    log(
      vmap((t: Tensor) => t.unsqueeze(0).expand(2, 3, 4).sum([0, 1]), { in_dims: 0 })(x),
      vmap((t: Tensor) => t.diagonal(), { in_dims: 1 })(x),
    );
    log(vmap((t: Tensor) => t.view(-1).unfold(0, 3, 4))(x));
  },

  chunks(log) {
    const x = grid(5, 2);
    let runs = 0;
    const f = (t: Tensor): Tensor[] => {
      runs++;
      return [t.mul(2), t.sum()];
    };
    log(vmap(f, { chunk_size: 2, out_dims: [1, 0] })(x), runs);
    log(attempt(() => vmap(f, { chunk_size: 0 })(x)));
    log(vmap((t: Tensor) => t.add(1), { chunk_size: 10 })(x));
  },

  random_numbers_refused(log) {
    const x = grid(2, 3);
    log(refusing(() => vmap((t: Tensor) => t.add(torch.rand(3)))(x)));
    log(refusing(() => vmap((t: Tensor) => torch.bernoulli(t.sigmoid()))(x)));
    log(refusing(() => vmap((t: Tensor) => F.dropout(t))(x)));
    log(refusing(() => vmap((t: Tensor) => t.normal_())(x.clone())));
    log(refusing(() => vmap((t: Tensor) => t.add(torch.randperm(3)))(x)));
    log(refusing(() => vmap((_: Tensor) => torch.zeros(3).normal_(), { randomness: "different" })(x)));
    log(refusing(() => vmap((t: Tensor) => torch.bernoulli(t.sigmoid()), { randomness: "same" })(x)));
  },

  random_numbers_same(log) {
    const x = torch.zeros(3, 4);
    const randomness = "same";
    torch.manual_seed(5);
    log(vmap((t: Tensor) => t.add(torch.rand(4)), { randomness })(x));
    log(
      vmap((t: Tensor) => t.add(torch.randn(4)), { randomness })(x),
      vmap((t: Tensor) => t.add(torch.randint(10, [4])), { randomness })(x),
    );
    log(
      vmap((_: Tensor) => torch.randperm(4), { randomness })(x),
      vmap((t: Tensor) => t.normal_(), { randomness })(x.clone()),
    );
  },

  random_numbers_different(log) {
    const x = torch.zeros(3, 4);
    const randomness = "different";
    torch.manual_seed(6);
    log(vmap((t: Tensor) => t.add(torch.rand(4)), { randomness })(x));
    log(
      vmap((t: Tensor) => t.add(torch.randn(4)), { randomness })(x),
      vmap((t: Tensor) => torch.rand_like(t), { randomness })(x),
    );
    log(vmap((t: Tensor) => t.uniform_(), { randomness })(x.clone()));
    log(vmap((t: Tensor) => torch.bernoulli(t.add(0.5)), { randomness })(x));
    log(vmap((t: Tensor) => torch.multinomial(t.add(1), 2), { randomness })(x));
  },

  gradient_of_each_sample(log) {
    const [w, b] = [grid(2, 3), grid(2)];
    const [x, y] = [grid(4, 3), torch.tensor([0, 1, 1, 0])];
    const loss = (weight: Tensor, bias: Tensor, sample: Tensor, label: Tensor): Tensor =>
      F.cross_entropy(F.linear(sample, weight, bias).unsqueeze(0), label.unsqueeze(0));
    const [gw, gb] = vmap(grad(loss, { argnums: [0, 1] }), { in_dims: [null, null, 0, 0] })(w, b, x, y);
    log(shape(gw), shape(gb), gw.select(0, 2), gb);
  },

  gradient_through_a_map(log) {
    const x = leaf(1, 2, 3);
    const y = vmap((t: Tensor) => t.sin().mul(t))(x);
    y.sum().backward();
    log(x.grad, y.requires_grad);
    const w = leaf(2, -1);
    const out = vmap((t: Tensor) => w.mul(t).sum().exp())(grid(3, 2));
    log(torch.autograd.grad(out.sum(), w)[0]);
    log(grad((t: Tensor) => vmap((u: Tensor) => u.mul(u).mul(t.sum()))(t).sum())(f32([1, 2])));
  },

  ensemble_of_layers(log) {
    const [ws, bs, x] = [grid(3, 2, 4), grid(3, 2), grid(5, 4)];
    const linear = (t: Tensor, w: Tensor, b: Tensor): Tensor => F.linear(t, w, b);
    const out = vmap(linear, { in_dims: [null, 0, 0] })(x, ws, bs);
    log(shape(out), out.select(0, 1));
    log(vmap((t: Tensor, w: Tensor, b: Tensor) => F.linear(t, w, b).relu().sum(1))(grid(3, 5, 4), ws, bs));
  },

  convolutions(log) {
    const [x, w] = [grid(2, 3, 2, 4, 4), grid(2, 2, 2, 3, 3)];
    const w0 = w.select(0, 0);
    log(vmap((t: Tensor, k: Tensor) => F.conv2d(t, k).sum([1, 2, 3]))(x, w));
    log(vmap((t: Tensor) => F.conv2d(t, w0, { padding: 1 }).sum([2, 3]))(x));
    log(vmap((k: Tensor) => F.conv2d(x.select(0, 0), k, { stride: 2 }).sum([1, 2, 3]))(w));
    const f = (t: Tensor, k: Tensor): Tensor => F.conv2d(t, k).pow(2).sum();
    const g = vmap(grad(f, { argnums: 1 }), { in_dims: [0, null] })(x, w0);
    log(shape(g), g.select(0, 1).select(0, 0).select(0, 0));
  },

  normalizations(log) {
    const x = grid(2, 3, 4);
    const w = grid(2, 4);
    log(
      vmap((t: Tensor) => F.layer_norm(t, [4]))(x).select(0, 1),
      vmap((t: Tensor, v: Tensor) => F.layer_norm(t, [4], v))(x, w).select(0, 1),
    );
    log(
      vmap((t: Tensor) => F.softmax(t, -1).log())(x).select(0, 0),
      vmap((t: Tensor) => F.batch_norm(t, null, null, { training: true }))(x).select(0, 1),
    );
    const [rm, rv] = [torch.zeros(4), torch.ones(4)];
    log(attempt(() => vmap((t: Tensor) => F.batch_norm(t, rm, rv, { training: true }))(x)));
    log(vmap((t: Tensor) => F.batch_norm(t, rm, rv))(x).select(0, 0));
  },

  indices_of_each_sample(log) {
    const x = grid(2, 4);
    const i = torch.tensor([
      [3, 0],
      [1, 1],
    ]);
    log(
      vmap((t: Tensor, k: Tensor) => t.index([k]))(x, i),
      vmap((t: Tensor, k: Tensor) => t.gather(0, k))(x, i),
      vmap((t: Tensor, k: Tensor) => torch.take(t, k))(x, i),
    );
    log(
      vmap((t: Tensor, k: Tensor) => t.index_select(0, k))(x, i),
      vmap((t: Tensor, k: Tensor) => t.scatter_add(0, k, torch.ones(2)))(x, i),
    );
    log(vmap((t: Tensor, k: Tensor) => t.index_add(0, k, torch.ones(2)))(x, i));
    log(vmap((k: Tensor) => F.embedding(k, grid(4, 2)))(i), vmap((k: Tensor) => F.one_hot(k, 4))(i));
    log(attempt(() => vmap((k: Tensor) => F.one_hot(k))(i)));
  },

  sorts_and_scans(log) {
    const x = torch
      .tensor([
        [3, 1, 2],
        [0, 5, 4],
      ])
      .to(torch.float32);
    log(
      vmap((t: Tensor) => [...torch.sort(t)])(x),
      vmap((t: Tensor) => t.topk(2).indices)(x),
      vmap((t: Tensor) => t.cumsum(0))(x),
    );
    log(
      vmap((t: Tensor) => t.argmax())(x),
      vmap((t: Tensor) => torch.median(t))(x),
      vmap((t: Tensor) => t.max(0).values)(x),
      vmap((t: Tensor) => t.prod())(x),
      vmap((t: Tensor) => t.std())(x),
    );
  },

  joining(log) {
    const [x, y] = [grid(2, 3), torch.ones(3)];
    log(vmap((t: Tensor) => torch.cat([t, y]))(x), vmap((t: Tensor) => torch.stack([y, t], 1))(x));
    log(
      vmap((t: Tensor) => torch.stack(t.split(2).slice(0, 1)))(x),
      vmap((t: Tensor) => t.repeat(2))(x),
      vmap((t: Tensor) => t.roll(1))(x),
    );
  },

  types_of_samples(log) {
    const out = vmap((t: Tensor) => t.mul(1.5))(torch.tensor([1, 2, 3]));
    log(out, name(out));
    const half = vmap((t: Tensor) => t.add(torch.ones(2, { dtype: torch.float16 })))(f32([1, 2]));
    log(name(half), half);
    log(name(vmap((t: Tensor) => t.add(1))(torch.tensor([true, false]))));
  },

  empty_batches(log) {
    const x = torch.zeros(0, 3);
    log(shape(vmap((t: Tensor) => t.mul(2))(x)), shape(vmap((t: Tensor) => t.sum())(x)));
    const mm = (a: Tensor, b: Tensor): Tensor => torch.mm(a, b);
    log(shape(vmap(mm, { in_dims: [0, null] })(torch.zeros(0, 2, 3), torch.zeros(3, 4))));
  },

  attention_for_each_sample(log) {
    const [q, k, v] = [grid(2, 3, 4), grid(2, 3, 4).flip(1), grid(2, 3, 4).mul(0.5)];
    const one = (t: Tensor): Tensor => t.unsqueeze(0);
    const f = (a: Tensor, b: Tensor, c: Tensor): Tensor =>
      F.scaled_dot_product_attention(one(a), one(b), one(c)).select(0, 0);
    log(vmap(f)(q, k, v));
    log(vmap((a: Tensor) => a.matmul(k.select(0, 0).t()).softmax(-1).matmul(v.select(0, 0)))(q));
  },

  jacobians_and_hessians(log) {
    const x = f32([0.5, -1]);
    log(jacrev((t: Tensor) => t.sin().mul(t.sum()))(x));
    log(vmap(jacrev((t: Tensor) => t.pow(3)))(grid(2, 2)));
    const { hessian, jacobian } = torch.autograd.functional;
    const options = { strategy: "forward-mode", vectorize: true } as const;
    log(jacobian((t) => t.exp().mul(t.sum()), x, options));
    const outer = { outer_jacobian_strategy: "forward-mode", vectorize: true } as const;
    log(hessian((t) => t.pow(3).sum().mul(t.select(0, 0)), x, outer));
    log(jacobian((a, b) => [a.sum().mul(b), a.mul(2)], [x, torch.ones(3)], options));
  },
};
