"""Scenarios of torch.func: the programs of its tutorials, with other networks and numbers, each also against plain autograd."""
from common import *
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, stack_module_state, vjp, vmap


def state(net):
    return {k: p.detach() for k, p in net.named_parameters()}


def digest(tree):
    """Sums and first entries: short, and different for different values."""
    return [[k, t.sum(), t.flatten()[0]] for k, t in tree.items()]


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3)
        self.conv2 = nn.Conv2d(3, 4, 3)
        self.fc1 = nn.Linear(4 * 2 * 2, 6)
        self.fc2 = nn.Linear(6, 4)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def digits(n):
    torch.manual_seed(11)
    return torch.randn(n, 1, 8, 8), torch.arange(n) % 4


@scenario
def per_sample_gradients(log):
    torch.manual_seed(0)
    net = SmallCNN()
    data, targets = digits(5)
    params = state(net)

    def loss(params, sample, target):
        return F.cross_entropy(functional_call(net, params, (sample.unsqueeze(0),)), target.unsqueeze(0))

    grads = vmap(grad(loss), in_dims=(None, 0, 0))(params, data, targets)
    log([list(g.shape) for g in grads.values()], digest(grads))
    for i in range(5):
        net.zero_grad()
        F.cross_entropy(net(data[i:i + 1]), targets[i:i + 1]).backward()
        log(all(torch.allclose(grads[k][i], p.grad, atol=1e-6) for k, p in net.named_parameters()))
    norms = sum(g.flatten(1).pow(2).sum(1) for g in grads.values()).sqrt()
    clipped = {k: (g * (1 / norms).clamp(max=1).view(-1, *[1] * (g.dim() - 1))).mean(0) for k, g in grads.items()}
    log(norms, digest(clipped))


@scenario
def ensembles(log):
    torch.manual_seed(1)
    models = [nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)) for _ in range(3)]
    params, buffers = stack_module_state(models)
    data = torch.randn(3, 6, 4)
    call = lambda p, b, d: functional_call(models[0], (p, b), (d,))
    each = vmap(call)(params, buffers, data)
    log(list(each.shape), each.sum(), torch.allclose(each, torch.stack([m(d) for m, d in zip(models, data)]), atol=1e-6))
    same = vmap(call, in_dims=(0, 0, None))(params, buffers, data[0])
    log(same[:, 0], torch.allclose(same, torch.stack([m(data[0]) for m in models]), atol=1e-6))
    g = vmap(grad(lambda p, d: call(p, {}, d).pow(2).sum()))({k: p.detach() for k, p in params.items()}, data)
    log(digest(g))
    same.pow(2).sum().backward()
    log(digest({k: p.grad for k, p in params.items()}))


@scenario
def ensembles_with_batch_norm(log):
    torch.manual_seed(2)
    models = [nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh()).eval() for _ in range(2)]
    for m in models:
        m[1].running_mean.normal_()
        m[1].running_var.uniform_(0.5, 2)
    params, buffers = stack_module_state(models)
    data = torch.randn(5, 3)
    out = vmap(lambda p, b: functional_call(models[0], (p, b), (data,)))(params, buffers)
    log(out[:, 0], torch.allclose(out, torch.stack([m(data) for m in models]), atol=1e-6), sorted(buffers))


@scenario
def neural_tangent_kernels(log):
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    params = state(net)
    a, b = torch.randn(4, 3), torch.randn(2, 3)
    f = lambda p, s: functional_call(net, p, (s.unsqueeze(0),)).squeeze(0)

    def contraction(full):
        ja = vmap(jacrev(f), (None, 0))(params, a)
        jb = vmap(jacrev(f), (None, 0))(params, b)
        pairs = [(ja[k].flatten(2), jb[k].flatten(2)) for k in params]
        return sum(torch.einsum("Naf,Mbf->NMab" if full else "Naf,Maf->NM", p, q) for p, q in pairs)

    def products():
        def pair(s, t):
            pullback = vjp(lambda p: f(p, s), params)[1]

            def column(v):
                (along,) = pullback(v)
                return jvp(lambda p: f(p, t), (params,), (along,))[1]

            return vmap(column, out_dims=1)(torch.eye(2))

        return vmap(lambda s: vmap(lambda t: pair(s, t))(b))(a)

    full = contraction(True)
    log(list(full.shape), full[0], contraction(False), products().transpose(2, 3).allclose(full, atol=1e-5))


@scenario
def jacobians_of_a_layer(log):
    torch.manual_seed(4)
    w, bias, x = torch.randn(3, 4), torch.randn(3), torch.randn(4)
    f = lambda w, b, x: F.linear(x, w, b).tanh()
    rows = torch.stack([torch.autograd.grad(f(w, bias, s)[i], s)[0] for i in range(3) for s in [x.clone().requires_grad_()]])
    log(rows, jacrev(f, argnums=2)(w, bias, x), jacfwd(f, argnums=2)(w, bias, x))
    y, pullback = vjp(lambda s: f(w, bias, s), x)
    log(vmap(pullback)(torch.eye(3))[0])
    jw, jb, jx = jacfwd(f, argnums=(0, 1, 2))(w, bias, x)
    log(list(jw.shape), jw.sum((0, 1)), jb, torch.allclose(jacrev(f, argnums=0)(w, bias, x), jw))
    batch = torch.randn(2, 4)
    log(vmap(jacrev(f, argnums=2), in_dims=(None, None, 0))(w, bias, batch))
    summed = jacrev(lambda s: f(w, bias, s).sum(0))(batch)
    log(list(summed.shape), summed.movedim(1, 0)[0])
    h = hessian(f, argnums=2)(w, bias, x)
    log(list(h.shape), h[1], torch.allclose(jacfwd(jacfwd(f, argnums=2), argnums=2)(w, bias, x), h, atol=1e-5))


@scenario
def hessian_vector_products(log):
    f = lambda t: (t.sin() * t.roll(1)).sum() + t.prod()
    x, v = torch.tensor([0.3, -1.2, 2.0, 0.7]), torch.tensor([1.0, 0.5, -0.5, 2.0])
    log(jvp(grad(f), (x,), (v,))[1], vjp(grad(f), x)[1](v)[0], grad(lambda t: (grad(f)(t) * v).sum())(x))
    log(hessian(f)(x) @ v, linearize(grad(f), x)[1](v))
    log(grad(lambda t: jvp(f, (t,), (v,))[1])(x), jvp(lambda t: jvp(f, (t,), (v,))[1], (x,), (v,))[1], v @ hessian(f)(x) @ v)
    y = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(f(y), y, create_graph=True)
    log(torch.autograd.grad(g, y, v))


@scenario
def model_agnostic_meta_learning(log):
    torch.manual_seed(5)
    net = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1))
    params = state(net)
    phases = torch.tensor([0.1, 1.0, 2.0])
    points = torch.linspace(-2, 2, 5).unsqueeze(1)

    def loss(p, x, y):
        return F.mse_loss(functional_call(net, p, (x,)), y)

    def adapted(p, phase):
        y = (points + phase).sin()
        for _ in range(2):
            g = grad(loss)(p, points, y)
            p = {k: p[k] - 0.1 * g[k] for k in p}
        return loss(p, points + 0.3, (points + 0.3 + phase).sin())

    meta = lambda p: vmap(lambda phase: adapted(p, phase))(phases).mean()
    for _ in range(3):
        g, value = grad_and_value(meta)(params)
        log(value, digest(g))
        params = {k: params[k] - 0.2 * g[k] for k in params}
    leaves = {k: p.clone().requires_grad_() for k, p in params.items()}
    total = 0
    for phase in phases:
        p = leaves
        for _ in range(2):
            gs = torch.autograd.grad(loss(p, points, (points + phase).sin()), list(p.values()), create_graph=True)
            p = {k: t - 0.1 * g for (k, t), g in zip(p.items(), gs)}
        total = total + loss(p, points + 0.3, (points + 0.3 + phase).sin()) / 3
    expected = torch.autograd.grad(total, list(leaves.values()))
    g = grad(meta)(params)
    log(all(torch.allclose(a, b, atol=1e-5) for a, b in zip(g.values(), expected)))


@scenario
def training_without_tape(log):
    torch.manual_seed(6)
    net = nn.Sequential(nn.Linear(2, 4), nn.GELU(), nn.Linear(4, 1))
    params = state(net)
    x = torch.randn(8, 2)
    y = x.prod(1, keepdim=True)
    step = grad_and_value(lambda p: F.smooth_l1_loss(functional_call(net, p, x), y))
    for _ in range(4):
        g, value = step(params)
        log(value)
        params = {k: params[k] - 0.5 * g[k] for k in params}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(4):
        optimizer.zero_grad()
        F.smooth_l1_loss(net(x), y).backward()
        optimizer.step()
    log([torch.allclose(params[k], p, atol=1e-6) for k, p in net.named_parameters()])


@scenario
def newtons_method(log):
    torch.manual_seed(7)
    x = torch.randn(12, 3)
    y = (x.sum(1) > 0).float()
    loss = lambda w: F.binary_cross_entropy_with_logits(x @ w, y) + 0.05 * w.dot(w)
    w = torch.zeros(3)
    for _ in range(4):
        h, g = hessian(loss)(w), grad(loss)(w)
        # The inverse of a 3 by 3 matrix by Cramer's rule: cross products of its rows.
        rows = torch.stack([torch.linalg.cross(h[1], h[2]), torch.linalg.cross(h[2], h[0]), torch.linalg.cross(h[0], h[1])])
        w = w - (rows.t() @ g) / h[0].dot(rows[0])
        log(w, loss(w), g.norm() < 1)


@scenario
def gradient_penalty(log):
    torch.manual_seed(8)
    critic = nn.Sequential(nn.Linear(3, 5), nn.LeakyReLU(0.2), nn.Linear(5, 1))
    real = torch.randn(4, 3)

    def penalty(p):
        slopes = vmap(grad(lambda s: functional_call(critic, p, (s,)).squeeze()))(real)
        return (slopes.norm(dim=1) - 1).pow(2).mean()

    g = grad(penalty)(state(critic))
    log(penalty(state(critic)), digest(g))
    points = real.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    (slopes.norm(dim=1) - 1).pow(2).mean().backward()
    for k, p in critic.named_parameters():
        log(k, torch.allclose(g[k], torch.zeros_like(p) if p.grad is None else p.grad, atol=1e-6))


@scenario
def forces_of_particles(log):
    torch.manual_seed(9)
    places = torch.rand(5, 3) * 3

    def energy(p):
        shift = p.unsqueeze(0) - p.unsqueeze(1)
        square = (shift * shift).sum(-1) + torch.eye(5)
        sixth = square.pow(-3)
        return (4 * (sixth * sixth - sixth) * (1 - torch.eye(5))).sum() / 2

    force = lambda p: -grad(energy)(p)
    log(energy(places), force(places), force(places).sum(0).abs().max() < 1e-2)
    h = hessian(energy)(places).view(15, 15)
    log((h - h.t()).abs().max() / h.abs().max() < 1e-5, list(vmap(energy)(torch.stack([places, places * 1.5])))[1])


@scenario
def recurrent_networks(log):
    for kind in (nn.RNN, nn.LSTM, nn.GRU):
        torch.manual_seed(10)
        net = kind(2, 3, batch_first=True)
        x = torch.randn(2, 4, 2)
        loss = lambda p, s: functional_call(net, p, (s,))[0].pow(2).sum()
        g = grad(loss)(state(net), x)
        log(digest(g))
        net(x)[0].pow(2).sum().backward()
        log([torch.allclose(g[k], p.grad, atol=1e-6) for k, p in net.named_parameters()])
        log(grad(lambda s: grad(loss, argnums=1)(state(net), s).pow(2).sum())(x)[0])


@scenario
def attention_and_norms(log):
    torch.manual_seed(12)
    net = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    x = torch.randn(2, 3, 4)
    f = lambda p, s: functional_call(net, p, (s,)).pow(2).mean()
    g = grad(f)(state(net), x)
    f(dict(net.named_parameters()), x).backward()
    for k, p in net.named_parameters():
        log(k, g[k].sum(), torch.allclose(g[k], p.grad, atol=1e-6))
    log(vmap(grad(lambda s: f(state(net), s.unsqueeze(0))))(x)[1])


@scenario
def dropout_from_a_seed(log):
    net = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.Linear(6, 1))
    torch.manual_seed(13)
    x, p = torch.randn(3, 4), {k: torch.randn_like(t) for k, t in net.named_parameters()}
    torch.manual_seed(14)
    g = grad(lambda q: functional_call(net, q, x).sum())(p)
    log(digest(g))
    torch.manual_seed(14)
    leaves = {k: t.clone().requires_grad_() for k, t in p.items()}
    functional_call(net, leaves, x).sum().backward()
    log([torch.allclose(g[k], t.grad) for k, t in leaves.items()])


@scenario
def losses_and_their_second_derivatives(log):
    torch.manual_seed(15)
    a, b, c = torch.randn(3, 4), torch.rand(3, 4), torch.tensor([0, 3, 1])
    for f in (lambda t: F.cross_entropy(t, c), lambda t: F.mse_loss(t, b), lambda t: F.binary_cross_entropy_with_logits(t, b),
              lambda t: F.kl_div(t.log_softmax(1), b, reduction="batchmean"), lambda t: F.l1_loss(t, b),
              lambda t: F.nll_loss(t.log_softmax(1), c), lambda t: F.huber_loss(t, b), lambda t: F.softplus(t).mean()):
        log(grad(f)(a), vjp(grad(f), a)[1](b)[0] + torch.zeros(()), grad(lambda t: (grad(f)(t) * b).sum())(a) + torch.zeros(()))


@scenario
def embeddings_and_indices(log):
    table = torch.arange(8.0).view(4, 2) / 10
    words = torch.tensor([[1, 2, 1], [3, 0, 3]])
    f = lambda t, w: F.embedding(w, t).sin().sum(0).prod()
    log(grad(f)(table, words[0]), vmap(grad(f), in_dims=(None, 0))(table, words), hessian(f)(table, words[0])[1, 0])
    log(vmap(lambda w: table[w])(words), grad(lambda t: vmap(lambda w: t[w].prod())(words).sum())(table))
    log(vmap(lambda r, i: r.gather(0, i))(table.t(), words), vmap(lambda i: F.one_hot(i, 4))(words))


@scenario
def convolutions(log):
    torch.manual_seed(16)
    w, x = torch.randn(2, 3, 3, 3), torch.randn(4, 3, 5, 5)
    f = lambda w, x: F.conv2d(x, w, padding=1, stride=2).pow(2).sum()
    g = vmap(grad(f), in_dims=(None, 0))(w, x)
    log(list(g.shape), g.sum((2, 3, 4)), torch.allclose(g.sum(0), grad(f)(w, x), atol=1e-3))
    log(vmap(grad(f, argnums=1), in_dims=(None, 0))(w, x)[1].sum((1, 2)))
    log(vmap(f, in_dims=(0, None))(torch.stack([w, w * 2]), x), jvp(f, (w, x), (torch.ones_like(w), x))[1])
    log(vmap(lambda a: F.max_pool2d(a, 2))(x).sum((1, 2, 3)), vmap(grad(lambda a: F.avg_pool2d(a, 2).pow(2).sum()))(x)[0, 0, :2])


@scenario
def batch_norm_in_evaluation(log):
    torch.manual_seed(17)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).eval()
    x = torch.randn(3, 1, 5, 5)
    f = lambda p, s: functional_call(net, p, (s,)).pow(2).sum()
    g = vmap(grad(lambda p, s: f(p, s.unsqueeze(0))), in_dims=(None, 0))(state(net), x)
    total = grad(f)(state(net), x)
    log(digest(g), [torch.allclose(g[k].sum(0), total[k], atol=1e-3) for k in g])
    net[1] = nn.BatchNorm2d(2, track_running_stats=False)
    h = grad(lambda p: functional_call(net, p, (x,)).pow(3).sum())(state(net))
    log(digest({k: h[k] for k in ("1.weight", "1.bias")}))


if __name__ == "__main__":
    main()
