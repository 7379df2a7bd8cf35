"""In-place changes and views: twins of test/autograd/scenarios/inplace.ts. Run with a Python that has PyTorch."""
import torch
from torch.autograd import grad

from common import attempt, edges, leaf, main, node, scenario


@scenario
def saved_versions(log):
    x = leaf(1, 2)
    y = x.exp()
    y.add_(1)
    log(attempt(lambda: y.sum().backward()))
    u = x * 2
    y = u * u
    u.add_(1)
    log(attempt(lambda: y.sum().backward()))
    u = torch.ones(2)
    y = x * u
    u.add_(1)
    log(attempt(lambda: y.sum().backward()))
    u = x * 2
    y = u + 5
    u.mul_(3)
    (y + u).sum().backward()
    log(x.grad)
    u = x * 2
    y = u * u
    u[0:1].add_(1)
    log(attempt(lambda: y.sum().backward()))
    u = x * 2
    y = u * u
    u.detach().add_(1)
    log(attempt(lambda: y.sum().backward()))
    u = x * 2
    y = u[0] * u[1]
    u.view(2, 1)[1].zero_()
    log(attempt(lambda: y.backward()))
    u = x * 2
    log(u._version, u.add_(1)._version, u[0]._version, u.detach()._version, u.data._version)


@scenario
def inplace_on_views(log):
    x = leaf(1, 2, 3, 4)
    weights = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    def check(f):
        y = x * 2
        f(y)
        g, = grad((y * weights).sum(), x)
        log(y, g, node(y))
    check(lambda y: y[1:3].mul_(3))
    check(lambda y: y.view(2, 2)[0].mul_(3))
    check(lambda y: y.view(2, 2).t()[0].mul_(x[:2]))
    check(lambda y: y[::2].exp_())
    check(lambda y: y[1:][1:].fill_(5))
    check(lambda y: y.view(2, 2).diagonal().copy_(x[2:]))
    check(lambda y: y[2:].zero_())
    def both(y):
        y[0:2].mul_(3)
        y.mul_(5)
        y[1:4].mul_(7)
    check(both)
    y = x * 2
    v = y[0:2]
    w = v[1:2]
    y.mul_(3)
    log(node(v), node(w), grad((v * 5).sum() + w.sum(), x, retain_graph=True))
    w.mul_(x[3])
    log(node(v), node(w), node(y), edges(y), edges(v))
    log(v, grad((v * 5).sum(), x, retain_graph=True), grad(y.sum(), x, retain_graph=True), grad(w.sum(), x))
    b = torch.zeros(4)
    b[1:3].copy_(x[:2] * 3)
    b[3] = x[0]
    log(b.requires_grad, grad((b * weights).sum(), x))
    b = torch.zeros(2, 2)
    v = b.view(4)
    b[0].add_(x[:2])
    log(v.requires_grad, node(v), grad((v * v).sum(), x))


@scenario
def inplace_on_strided_bases(log):
    t = torch.arange(6.0).view(2, 3).requires_grad_()
    weights = torch.arange(6.0).view(3, 2) + 1
    y = (t * 1).t().clone()
    log(y.stride())
    y[0].mul_(3)
    y[:, 1].mul_(t[0])
    log(y, grad((y * weights).sum(), t))
    y = (t * 1).t().clone()
    v = y[1:].t()
    y.mul_(2)
    log(node(v), grad((v * weights[1:].t()).sum(), t))
    base = torch.zeros(4, 4)[:, ::2].detach()
    base[1].copy_(t[0, :2])
    base[:, 1].add_(t[1, 0] * t[0, 0])
    log(base, grad((base * base).sum() + base.sum(), t))
    y = (t * 1).t().clone()
    y[0].mul_(t[0, :2])
    g, = grad((y * y * weights).sum(), t, create_graph=True)
    log(g, grad((g * g).sum(), t))


@scenario
def refused_views(log):
    w = leaf(1, 2, 3)
    y = w * 2
    log(attempt(lambda: y.unbind()[0].add_(1)), attempt(lambda: y.split(1)[1].add_(1)), attempt(lambda: y.chunk(3)[2][0:1].add_(1)))
    a = y.unbind()[1]
    y.add_(1)
    log(attempt(lambda: a.grad_fn), attempt(lambda: a * 2), y)
    y = w * 2
    with torch.no_grad():
        v = y.view(3)
    log(attempt(lambda: v.add_(1)), v.requires_grad)
    y.add_(1)
    log(attempt(lambda: v.grad_fn))
    y = w * 2
    with torch.no_grad():
        v = y.view(3)
        v.add_(1)
    log(y, y._version, node(y), attempt(lambda: v.grad_fn))
    b = torch.zeros(3)
    log(attempt(lambda: b.unbind()[0].add_(w[0])), attempt(lambda: b.unbind()[0].add_(5)), b)
    log(attempt(lambda: torch.ones(1).expand(3).add_(1)), attempt(lambda: (w[0:1] * 1).expand(3).mul_(2)))


@scenario
def inplace_gradients(log):
    x = leaf(2, 3)
    y = x.clone()
    y.pow_(3)
    g, = grad(y.sum(), x, create_graph=True)
    log(g, grad(g.sum(), x))
    y = x.clone()
    y.mul_(x)
    g, = grad(y.sum(), x, create_graph=True)
    log(g, grad(g.sum(), x))
    y = x.clone()
    y.sigmoid_()
    g, = grad(y.sum(), x, create_graph=True)
    log(g, grad(g.sum(), x))
    y = x * 2
    y.ge_(0)
    log(y, y.requires_grad, grad(y.sum(), x, allow_unused=True, materialize_grads=True))
    y = x * 2
    y.fill_(3)
    log(y.requires_grad, grad(y.sum(), x, allow_unused=True, materialize_grads=True))
    y = x.clone()
    y.mul_(y)
    log(y, attempt(lambda: y.sum().backward()))
    y = x.clone()
    y.mul_(y.view(2))
    log(attempt(lambda: y.sum().backward()))


main()
