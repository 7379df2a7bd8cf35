"""Accumulation, grad, roots, leaves, hooks, the names in the graph: twins of test/autograd/scenarios/basics.ts. Run with a Python that has PyTorch."""
import torch
from torch.autograd import grad

from common import attempt, edges, leaf, main, node, scenario


@scenario
def accumulation(log):
    x = leaf(1, 2)
    (x * 3).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    log(x.grad, first is x.grad, x.grad.requires_grad)
    x.grad = None
    (x * x).sum().backward(create_graph=True)
    first = x.grad
    (x * x).sum().backward(create_graph=True)
    log(x.grad, first is x.grad, x.grad.requires_grad, first)


@scenario
def second_backward(log):
    def twice(f):
        x = leaf(1, 2)
        y = f(x)

        def run():
            y.backward(torch.ones_like(y))
            y.backward(torch.ones_like(y))
            return x.grad

        return attempt(run)

    log(twice(lambda x: x + 1), twice(lambda x: x.sum()), twice(lambda x: x.exp()), twice(lambda x: x.view(2, 1)))
    log(twice(lambda x: x * x), twice(lambda x: -x), twice(lambda x: x.mean()), twice(lambda x: (x * 1)[0:1].mul_(x[1])))
    x = leaf(1, 2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    log(x.grad, attempt(lambda: y.backward()))
    y = (x * x).sum()
    grad(y, x, create_graph=True)
    log(grad(y, x), attempt(lambda: grad(y, x)))


@scenario
def grad_function(log):
    x, u = leaf(1, 2), leaf(3, 4)
    log(grad((x * u).sum(), [x, u]), grad(x.sum() * 2, x), grad(x * u, x, torch.tensor([1.0, 10.0])))
    log(grad([(x * 2).sum(), x * u], [x, u], [None, torch.ones(2)]), grad([x.sum(), (x * x).sum()], [x, x]))
    log(attempt(lambda: grad(x.sum(), u)), attempt(lambda: grad(x.sum(), [x, u], allow_unused=True)))
    log(attempt(lambda: grad(x.sum(), [u], materialize_grads=True)))
    log(attempt(lambda: grad(x.sum(), u, allow_unused=False, materialize_grads=True)))
    log(attempt(lambda: grad(x.sum(), torch.ones(2))), attempt(lambda: grad(x.sum(), [])), attempt(lambda: grad(x * 2, x)))
    log(attempt(lambda: grad(x.sum(), x, torch.ones(2))), attempt(lambda: grad(torch.ones(1), x)))
    log(attempt(lambda: grad([x.sum(), x.sum()], [x], [torch.tensor(1.0)])), x.grad)
    y = x * 3
    z = (y * y).sum()
    g, = grad(z, y, create_graph=True)
    log(g, g.requires_grad, grad(g.sum(), x), x.grad)
    h = torch.tensor([2.0, 0.5], requires_grad=True)
    g, = grad(x * x, x, h, create_graph=True)
    log(grad(g.sum(), [x, h]))


@scenario
def roots(log):
    x = leaf(1, 2)
    log(attempt(lambda: (x * 2).backward()), attempt(lambda: torch.ones(1).backward()))
    log(attempt(lambda: (x * 2).backward(torch.ones(3))), attempt(lambda: x.sum().backward(inputs=[])))
    seen = []
    y = x * 2
    y.register_hook(lambda g: seen.append(str(g.dtype)))
    y.backward(torch.ones(2, dtype=torch.float64))
    log(seen, x.grad, str(x.grad.dtype))
    x.backward(torch.ones(2))
    log(x.grad)
    s = torch.tensor(3.0, requires_grad=True)
    s.backward()
    log(s.grad)
    torch.autograd.backward([x.sum(), (x * x).sum()])
    log(x.grad, attempt(lambda: torch.autograd.backward([x.sum(), x.sum()], [torch.tensor(1.0)])))
    log(attempt(lambda: torch.autograd.backward([])), attempt(lambda: x.argmax().backward()))


@scenario
def backward_inputs(log):
    x, u = leaf(1, 2), leaf(5, 6)
    seen = []
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
    (x * u).sum().backward(inputs=[x])
    log(x.grad, u.grad, seen)
    y = x * 2
    (y * 3).sum().backward(inputs=[y, u], retain_graph=True)
    log(y.grad, x.grad, u.grad, y.retains_grad)
    (x * u).sum().backward(inputs=u)
    log(x.grad, u.grad)


@scenario
def leaf_rules(log):
    w = leaf(1, 2, 3)
    log(attempt(lambda: w.add_(1)), attempt(lambda: w.view(3).add_(1)), attempt(lambda: w[0].add_(1)))
    log(attempt(lambda: w.zero_()), attempt(lambda: w.unbind()[0].add_(1)), w, w._version)
    with torch.no_grad():
        w.add_(1)
        w[0] = 7
        w.view(3, 1).mul_(2)
    log(w, w.is_leaf, w._version, w.requires_grad)
    log(attempt(lambda: (w * 2).requires_grad_(False)), (w * 2).requires_grad_(True).is_leaf)
    log(attempt(lambda: torch.tensor([1]).requires_grad_()))
    v = torch.zeros(4).view(2, 2).requires_grad_()
    log(v.is_leaf, attempt(lambda: v.add_(1)), v)
    i = torch.tensor([1, 2])
    log(attempt(lambda: i.add_(1.5)), i, attempt(lambda: torch.zeros(2, dtype=torch.int64).add_(w[:2])))
    b = torch.zeros(3)
    b.copy_(w)
    log(node(b), b.is_leaf, b.requires_grad)
    b.sum().backward()
    log(w.grad)


@scenario
def detaching(log):
    w = leaf(1, 2)
    y = w * 2
    d = y.detach()
    log(d.requires_grad, d.is_leaf, d._is_view(), d._version)
    d.add_(1)
    log(y, y._version, d._version)
    y = w * 2
    y.detach_()
    log(y.requires_grad, y.is_leaf, node(y))
    log(attempt(lambda: (w * 2).view(2).detach_()), attempt(lambda: torch.zeros(2).view(2).detach_()))
    y = w.exp()
    z = y * 3
    y.detach_()
    g, = grad(z.sum(), w, create_graph=True)
    log(g, grad(g.sum(), w))


@scenario
def data(log):
    f = leaf(1, 2, 3)
    (f * 2).sum().backward()
    f.data.sub_(f.grad.data.mul(0.5))
    log(f, f._version, f.data.requires_grad)
    y = f * f
    f.data.mul_(10)
    y.sum().backward()
    log(f.grad)
    f.data = torch.tensor([4.0, 5.0])
    log(f, f.requires_grad, f.is_leaf)
    def set_data(v):
        f.data = v
    log(attempt(lambda: set_data(3)), attempt(lambda: set_data(torch.tensor([1]))), f)


@scenario
def assigning_grad(log):
    w = leaf(1, 2)
    def set_grad(v):
        w.grad = v
    log(attempt(lambda: set_grad(w)), attempt(lambda: set_grad(torch.ones(3))), w.grad)
    g = torch.ones(2)
    w.grad = g
    (w * 3).sum().backward()
    log(w.grad, g, w.grad is g)
    w.grad = torch.ones(1).expand(2)
    log(attempt(lambda: (w * 3).sum().backward()))


@scenario
def modes(log):
    w = leaf(1, 2)
    with torch.no_grad():
        y = w * 2
        log(torch.is_grad_enabled(), y.requires_grad, y.is_leaf, torch.ones(1, requires_grad=True).requires_grad)
        with torch.enable_grad():
            log(torch.is_grad_enabled(), (w * 2).requires_grad)
            with torch.set_grad_enabled(False):
                log((w * 2).requires_grad)
        y.requires_grad_()
        log(y.is_leaf, torch.is_grad_enabled())
    with torch.inference_mode():
        log((w * 2).requires_grad, torch.is_inference_mode_enabled())
    def failing():
        with torch.no_grad():
            raise ValueError("stop")
    log(attempt(failing), torch.is_grad_enabled(), torch.is_inference_mode_enabled())
    v = w.view(2)
    with torch.no_grad():
        v2 = w.view(2)
    log(v.requires_grad, node(v), v2.requires_grad, v2.is_leaf, v2._is_view())


@scenario
def graph_names(log):
    w = leaf(1, 2, 3)
    u = leaf(4, 5, 6)
    for t in [w + 1, w - u, w * 2, w / u, -w, w.exp(), w.log(), w.sum(), w.sum(0, keepdim=True), w.mean(), w.view(3, 1), w.reshape(1, 3),
              w.unsqueeze(0), w[0], w[0:2], w.t(), w.view(1, 3).permute(1, 0), w.expand(2, 3), w.clone(), w.double(), w ** 2, torch.cat([w, u]),
              torch.stack([w, u]), w @ u, w.max(), w.view(1, 3) @ u.view(3, 1), w.unbind()[1], w.split(1)[2], w.sqrt(), w.relu(), w.tanh(),
              w.sigmoid(), w.abs(), w.clamp(0, 1), w.softmax(0), w.log_softmax(0), w.view(3, 1).squeeze(1), w.flip(0), w.cumsum(0), w.prod()]:
        log(node(t), t.output_nr)
    h = (w * u + 1).sum()
    log(edges(h), edges(w * u), edges(torch.cat([w, torch.ones(1), u])), w.grad_fn, w.is_leaf, w.output_nr)
    m = torch.addmm(u, w.view(1, 3).expand(2, 3), torch.ones(3, 3))
    log(node(m), edges(m))


@scenario
def retained(log):
    x = leaf(1, 1)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    (y * 3).sum().backward(retain_graph=True)
    (y * 3).sum().backward()
    log(y.grad, x.grad, y.retains_grad, x.retains_grad)
    x = leaf(1, 1)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.mul_(5)
    (y * 3).sum().backward()
    log(y.grad, x.grad)
    x = leaf(1, 1)
    y = x * 2
    y.retain_grad()
    y[0:1].mul_(5)
    (y * 3).sum().backward()
    log(y.grad, x.grad)
    log(attempt(lambda: torch.ones(2).retain_grad()))


@scenario
def hooks(log):
    seen = []
    x = leaf(1, 1)
    y = x * torch.tensor([2.0, 2.0])
    n = y.grad_fn

    def pre(g):
        seen.append(["pre", len(g)])
        return (g[0] * 2,)

    def post(gi, go):
        seen.append(["post", len(gi), len(go), gi[1] is None, go[0].tolist()])
        return (gi[0] * 3, None)

    def tensor_hook(g):
        seen.append("tensor")
        return g * 5

    n.register_prehook(pre)
    n.register_hook(post)
    y.register_hook(tensor_hook)
    y.retain_grad()
    x.register_hook(lambda g: seen.append("leaf"))
    x.register_post_accumulate_grad_hook(lambda p: seen.append(["after", p.grad.tolist()]))
    y.sum().backward()
    log(x.grad, y.grad, seen)
    seen = []
    x = leaf(1, 1)
    first = x.register_hook(lambda g: seen.append("first"))
    x.register_hook(lambda g: seen.append("second"))
    x.register_hook(lambda g: g * 2)
    (x * 1).sum().backward()
    first.remove()
    (x * 1).sum().backward()
    log(seen, x.grad)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    log(grad((y * 3).sum(), [x, y]))
    y = x * 2
    y.register_hook(lambda g: g * 10)
    log(grad((y * 3).sum(), y))
    def bad(result):
        y = x * 2
        y.register_hook(lambda g: result)
        return attempt(lambda: y.sum().backward())[:40]
    log(bad(torch.ones(3))[:13], bad(torch.ones(2, dtype=torch.float64))[:13], bad(3)[:9])
    log(attempt(lambda: torch.ones(2).register_hook(lambda g: g)), attempt(lambda: y.register_post_accumulate_grad_hook(lambda g: g)))


@scenario
def layouts(log):
    def strides(t, f):
        f(t).sum().backward()
        return t.grad.stride()
    log(strides(torch.zeros(2, 3).t().requires_grad_(), lambda t: t * 2), strides(torch.zeros(2, 3).t().requires_grad_(), lambda t: t))
    log(strides(torch.zeros(3, 2, requires_grad=True), lambda t: t.t() * torch.ones(2, 3)))
    log(strides(torch.zeros(4, 4)[:, ::2].requires_grad_(), lambda t: t * 2), strides(torch.zeros(2, 3, 4).permute(2, 0, 1).requires_grad_(), lambda t: t * t))
    x = leaf(1, 2)
    g = torch.ones(2)
    x.backward(g)
    g.mul_(5)
    log(x.grad)
    x = torch.ones(2, 1, requires_grad=True)
    (x.expand(2, 3) * torch.arange(3.0)).sum().backward()
    log(x.grad, x.grad.stride())


@scenario
def small_and_mixed(log):
    e = torch.ones(0, 3, requires_grad=True)
    (e * 2).sum().backward()
    log(list(e.grad.shape))
    s = torch.tensor(2.0, requires_grad=True)
    (s * torch.arange(3.0)).sum().backward()
    log(s.grad)
    x = leaf(1, 2)
    y = x.double()
    (y * y * torch.tensor([1.0, 2.0], dtype=torch.float64)).sum().backward()
    log(x.grad, str(x.grad.dtype))
    x = leaf(1, 2)
    h = x.half() * x
    log(str(h.dtype), grad(h.sum(), x))
    u = x * 1
    shared = u * u
    z = shared + shared * shared + u
    log(grad(z.sum(), x))
    total = x * 0
    for i in range(50):
        total = total + x * i
    log(grad(total.sum(), x))


main()
