"""torch.vmap: twins of test/autograd/scenarios/vmap.ts. Run with a Python that has PyTorch."""
import torch
import torch.nn.functional as F
from torch import vmap
from torch.func import grad, jacrev

from common import attempt, leaf, main, scenario


def grid(*shape):
    n = 1
    for s in shape:
        n *= s
    return (torch.arange(n, dtype=torch.float32) / 4 - 1).reshape(shape)


def shape(t):
    return list(t.shape)


@scenario
def dot_product_of_rows(log):
    a, b = grid(3, 4), grid(3, 4).flip(0)
    log(vmap(torch.dot)(a, b), vmap(torch.dot, (1, 1))(a, b), vmap(torch.dot, (0, None))(a, b[0]))


@scenario
def dimensions_of_inputs(log):
    a, b = grid(2, 3), grid(3, 2)
    log(vmap(torch.mul, in_dims=(0, 1))(a, b), vmap(torch.mul, in_dims=(1, 0))(a, b), vmap(torch.mul, in_dims=(-1, -2))(a, b))
    log(vmap(lambda x, y: x.sum() * y, in_dims=(None, 0))(a, b))


@scenario
def dimensions_of_outputs(log):
    x = grid(2, 3)
    log(vmap(lambda t: t * 2, out_dims=1)(x), vmap(lambda t: t * 2, out_dims=-1)(x))
    log(list(vmap(lambda t: (t, t.sum()), out_dims=(1, 0))(x)))
    log(attempt(lambda: vmap(lambda t: t, out_dims=2)(x)))
    log(vmap(lambda t: torch.ones(2), out_dims=None)(x), vmap(lambda t: torch.ones(2))(x))


@scenario
def structures(log):
    x, y = grid(2, 3), grid(2, 3) + 1
    log(vmap(lambda d: {"a": d["x"] + d["y"], "b": (d["x"],)})({"x": x, "y": y})["a"])
    log(vmap(lambda d: d["x"] * d["y"], in_dims=({"x": 0, "y": None},))({"x": x, "y": y[0]}))
    log(vmap(lambda p, q: p[0] + p[1] + q, in_dims=((0, None), 0))((x, y[0]), y))
    log(list(vmap(lambda t: {"u": t, "v": t.sum()}, out_dims={"u": 1, "v": 0})(x).values()))


@scenario
def nested_maps(log):
    a, b = grid(2), grid(3)
    log(vmap(lambda x: vmap(lambda y: x * y)(b))(a))
    m = grid(2, 3, 2)
    log(vmap(vmap(torch.sum))(m), vmap(vmap(torch.sum, in_dims=1), in_dims=1)(m))
    log(vmap(vmap(lambda x, y: x + y, in_dims=(None, 0)), in_dims=(0, None))(a, b))


@scenario
def wrong_inputs(log):
    x = grid(2, 3)
    log(attempt(lambda: vmap(lambda: torch.ones(2))()))
    log(attempt(lambda: vmap(lambda t: t, in_dims=None)(x)))
    log(attempt(lambda: vmap(lambda t: t, in_dims=(None,))(x)))
    log(attempt(lambda: vmap(lambda t, u: t)(x, torch.zeros(3))))
    log(attempt(lambda: vmap(lambda t, u: t, in_dims=(0, 1))(x, x)))
    log(attempt(lambda: vmap(lambda t, u: t)(x, 3)))
    log(attempt(lambda: vmap(lambda t: t, in_dims=2)(x)))
    log(attempt(lambda: vmap(lambda t: t, in_dims=-3)(x)))
    log(attempt(lambda: vmap(lambda t: t)(torch.tensor(1.0))))


@scenario
def wrong_dimensions(log):
    x = grid(2, 3)
    log(attempt(lambda: vmap(lambda t: t, in_dims="a")(x)))
    log(attempt(lambda: vmap(lambda t: t, in_dims=1.5)(x)))
    log(attempt(lambda: vmap(lambda t: t, in_dims=(0, 0))(x)))
    log(attempt(lambda: vmap(lambda t: t, in_dims=("x",))(x)))
    log(attempt(lambda: vmap(lambda t: (t, t), out_dims=(0,))(x)))
    log(attempt(lambda: vmap(lambda t: t, out_dims="a")(x)))
    log(attempt(lambda: vmap(lambda t: t, out_dims=None)(x)))
    log(attempt(lambda: vmap(lambda t: t, randomness="some")(x)))


@scenario
def wrong_outputs(log):
    x = grid(2, 3)
    log(attempt(lambda: vmap(lambda t: None)(x)))
    log(attempt(lambda: vmap(lambda t: 3)(x)))
    log(attempt(lambda: vmap(lambda t: (t, "text"))(x)))


@scenario
def values_cannot_be_read(log):
    x = grid(2, 3)
    log(attempt(lambda: vmap(lambda t: t.sum().item())(x)))
    log(attempt(lambda: vmap(lambda t: t.tolist())(x)))
    log(attempt(lambda: vmap(torch.nonzero)(x)))
    log(attempt(lambda: vmap(torch.masked_select)(x, x > 0)))
    log(attempt(lambda: vmap(torch.unique)(x)))
    log(attempt(lambda: vmap(lambda t, m: t[m])(x, x > 0)))
    log(vmap(lambda t: t[torch.tensor([True, False, True])])(x))


@scenario
def writing_in_place(log):
    x = grid(2, 3)
    y = x.clone()
    log(vmap(lambda t: t.add_(1).mul_(2))(y), y)
    log(vmap(lambda t, u: t.add_(u))(x.clone(), grid(2, 3)))
    log(attempt(lambda: vmap(lambda t, u: t.copy_(u), in_dims=(None, 0))(torch.zeros(3), x)))
    z = torch.zeros(3)
    vmap(lambda t, u: u + t.add_(1), in_dims=(None, 0))(z, x)
    log(z)
    log(vmap(lambda t: torch.zeros_like(t).copy_(t))(x))


@scenario
def views_inside(log):
    x = grid(2, 3, 4)
    log(vmap(lambda t: t.t()[1:, ::2].reshape(-1))(x))
    log(vmap(lambda t: t.unsqueeze(0).expand(2, 3, 4).sum((0, 1)), in_dims=0)(x), vmap(lambda t: t.diagonal(), in_dims=1)(x))
    log(vmap(lambda t: t.view(-1).unfold(0, 3, 4))(x))


@scenario
def chunks(log):
    x = grid(5, 2)
    sizes = []

    def f(t):
        sizes.append(1)
        return t * 2, t.sum()

    out = vmap(f, chunk_size=2, out_dims=(1, 0))(x)
    log(list(out), len(sizes))
    log(attempt(lambda: vmap(f, chunk_size=0)(x)))
    log(vmap(lambda t: t + 1, chunk_size=10)(x))


@scenario
def random_numbers_refused(log):
    x = grid(2, 3)
    log(attempt(lambda: vmap(lambda t: t + torch.rand(3))(x)))
    log(attempt(lambda: vmap(lambda t: torch.bernoulli(t.sigmoid()))(x)))
    log(attempt(lambda: vmap(lambda t: F.dropout(t))(x)))
    log(attempt(lambda: vmap(lambda t: t.normal_())(x.clone())))
    log(attempt(lambda: vmap(lambda t: t + torch.randperm(3))(x)))
    log(attempt(lambda: vmap(lambda t: torch.zeros(3).normal_(), randomness="different")(x)))
    log(attempt(lambda: vmap(lambda t: torch.bernoulli(t.sigmoid()), randomness="same")(x)))


@scenario
def random_numbers_same(log):
    x = torch.zeros(3, 4)
    torch.manual_seed(5)
    log(vmap(lambda t: t + torch.rand(4), randomness="same")(x))
    log(vmap(lambda t: t + torch.randn(4), randomness="same")(x), vmap(lambda t: t + torch.randint(10, (4,)), randomness="same")(x))
    log(vmap(lambda t: torch.randperm(4), randomness="same")(x), vmap(lambda t: t.normal_(), randomness="same")(x.clone()))


@scenario
def random_numbers_different(log):
    x = torch.zeros(3, 4)
    torch.manual_seed(6)
    log(vmap(lambda t: t + torch.rand(4), randomness="different")(x))
    log(vmap(lambda t: t + torch.randn(4), randomness="different")(x), vmap(lambda t: torch.rand_like(t), randomness="different")(x))
    log(vmap(lambda t: t.uniform_(), randomness="different")(x.clone()))
    log(vmap(lambda t: torch.bernoulli(t + 0.5), randomness="different")(x))
    log(vmap(lambda t: torch.multinomial(t + 1, 2), randomness="different")(x))


@scenario
def gradient_of_each_sample(log):
    w, b = grid(2, 3), grid(2)
    x, y = grid(4, 3), torch.tensor([0, 1, 1, 0])

    def loss(weight, bias, sample, label):
        return F.cross_entropy(F.linear(sample, weight, bias).unsqueeze(0), label.unsqueeze(0))

    gw, gb = vmap(grad(loss, argnums=(0, 1)), in_dims=(None, None, 0, 0))(w, b, x, y)
    log(shape(gw), shape(gb), gw[2], gb)


@scenario
def gradient_through_a_map(log):
    x = leaf(1, 2, 3)
    y = vmap(lambda t: t.sin() * t)(x)
    y.sum().backward()
    log(x.grad, y.requires_grad)
    w = leaf(2, -1)
    out = vmap(lambda t: (w * t).sum().exp())(grid(3, 2))
    log(torch.autograd.grad(out.sum(), w)[0])
    log(grad(lambda t: vmap(lambda u: u * u * t.sum())(t).sum())(torch.tensor([1.0, 2.0])))


@scenario
def ensemble_of_layers(log):
    ws, bs, x = grid(3, 2, 4), grid(3, 2), grid(5, 4)
    out = vmap(F.linear, in_dims=(None, 0, 0))(x, ws, bs)
    log(shape(out), out[1])
    out = vmap(lambda t, w, b: F.linear(t, w, b).relu().sum(1), in_dims=(0, 0, 0))(grid(3, 5, 4), ws, bs)
    log(out)


@scenario
def convolutions(log):
    x, w = grid(2, 3, 2, 4, 4), grid(2, 2, 2, 3, 3)
    log(vmap(lambda t, k: F.conv2d(t, k).sum((1, 2, 3)))(x, w))
    log(vmap(lambda t: F.conv2d(t, w[0], padding=1).sum((2, 3)))(x))
    log(vmap(lambda k: F.conv2d(x[0], k, stride=2).sum((1, 2, 3)))(w))
    g = vmap(grad(lambda t, k: F.conv2d(t, k).pow(2).sum(), argnums=1), in_dims=(0, None))(x, w[0])
    log(shape(g), g[1, 0, 0])


@scenario
def normalizations(log):
    x = grid(2, 3, 4)
    w = grid(2, 4)
    log(vmap(lambda t: F.layer_norm(t, (4,)))(x)[1], vmap(lambda t, v: F.layer_norm(t, (4,), v))(x, w)[1])
    log(vmap(lambda t: F.softmax(t, -1).log())(x)[0], vmap(lambda t: F.batch_norm(t, None, None, training=True))(x)[1])
    rm, rv = torch.zeros(4), torch.ones(4)
    log(attempt(lambda: vmap(lambda t: F.batch_norm(t, rm, rv, training=True))(x)))
    log(vmap(lambda t: F.batch_norm(t, rm, rv))(x)[0])


@scenario
def indices_of_each_sample(log):
    x, i = grid(2, 4), torch.tensor([[3, 0], [1, 1]])
    log(vmap(lambda t, k: t[k])(x, i), vmap(lambda t, k: t.gather(0, k))(x, i), vmap(torch.take)(x, i))
    log(vmap(lambda t, k: t.index_select(0, k))(x, i), vmap(lambda t, k: t.scatter_add(0, k, torch.ones(2)))(x, i))
    log(vmap(lambda t, k: t.index_add(0, k, torch.ones(2)))(x, i))
    log(vmap(lambda k: F.embedding(k, grid(4, 2)))(i), vmap(lambda k: F.one_hot(k, 4))(i))
    log(attempt(lambda: vmap(F.one_hot)(i)))


@scenario
def sorts_and_scans(log):
    x = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
    log(list(vmap(torch.sort)(x)), vmap(lambda t: t.topk(2)[1])(x), vmap(lambda t: t.cumsum(0))(x))
    log(vmap(torch.argmax)(x), vmap(torch.median)(x), vmap(lambda t: t.max(0)[0])(x), vmap(torch.prod)(x), vmap(lambda t: t.std())(x))


@scenario
def joining(log):
    x, y = grid(2, 3), torch.ones(3)
    log(vmap(lambda t: torch.cat([t, y]))(x), vmap(lambda t: torch.stack([y, t], 1))(x))
    log(vmap(lambda t: torch.stack(t.split(2)[:1]))(x), vmap(lambda t: t.repeat(2))(x), vmap(lambda t: t.roll(1))(x))


@scenario
def types_of_samples(log):
    x = torch.tensor([1, 2, 3])
    out = vmap(lambda t: t * 1.5)(x)
    log(out, str(out.dtype))
    half = vmap(lambda t: t + torch.ones(2, dtype=torch.float16))(torch.tensor([1.0, 2.0]))
    log(str(half.dtype), half)
    log(str(vmap(lambda t: t + 1)(torch.tensor([True, False])).dtype))


@scenario
def empty_batches(log):
    log(shape(vmap(lambda t: t * 2)(torch.zeros(0, 3))), shape(vmap(torch.sum)(torch.zeros(0, 3))))
    log(shape(vmap(torch.mm, in_dims=(0, None))(torch.zeros(0, 2, 3), torch.zeros(3, 4))))


@scenario
def attention_for_each_sample(log):
    q, k, v = grid(2, 3, 4), grid(2, 3, 4).flip(1), grid(2, 3, 4) * 0.5
    log(vmap(lambda a, b, c: F.scaled_dot_product_attention(a[None], b[None], c[None])[0])(q, k, v))
    log(vmap(lambda a: (a @ k[0].t()).softmax(-1) @ v[0])(q))


@scenario
def jacobians_and_hessians(log):
    x = torch.tensor([0.5, -1.0])
    log(jacrev(lambda t: t.sin() * t.sum())(x))
    log(vmap(jacrev(lambda t: t ** 3))(grid(2, 2)))
    log(torch.autograd.functional.jacobian(lambda t: t.exp() * t.sum(), x, strategy="forward-mode", vectorize=True))
    h = torch.autograd.functional.hessian(lambda t: (t ** 3).sum() * t[0], x, outer_jacobian_strategy="forward-mode", vectorize=True)
    log(h)
    j = torch.autograd.functional.jacobian(lambda a, b: (a.sum() * b, a * 2), (x, torch.ones(3)), strategy="forward-mode", vectorize=True)
    log([list(row) for row in j])


main()
