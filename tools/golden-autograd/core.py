"""In-place changes and views, first part: see common.py."""
import torch

from common import attempt, edges, f32, leaf, main, node, scenario

grad = torch.autograd.grad
arange = lambda n: torch.arange(float(n))


@scenario
def names_of_changed_views(log):
    x = leaf(*range(1, 13))
    views = [
        lambda y: y.view(3, 4).select(0, 1),
        lambda y: y.narrow(0, 1, 3),
        lambda y: y.view(3, 4).t(),
        lambda y: y.view(3, 4),
        lambda y: y.unsqueeze(0),
        lambda y: y.unsqueeze(0).squeeze(0),
        lambda y: y.view(12, 1).expand(12, 2),
        lambda y: y.view(3, 4).diagonal(),
        lambda y: y.unfold(0, 4, 4),
        lambda y: y.as_strided((2, 2), (1, 3)),
        lambda y: y.view(3, 4).permute(1, 0),
        lambda y: y.view(3, 4).movedim(0, 1),
        lambda y: y.view(3, 4).mT,
        lambda y: y.view(3, 4).flatten(),
        lambda y: y.chunk(3)[1],
        lambda y: y.unbind()[2],
        lambda y: y.split(5)[0],
    ]
    for make in views:
        y = x * 2
        v = make(y)
        log(node(v), v._is_view(), v._base is y)
        y.add_(1)
        log(attempt(lambda: node(v)))
        y = x * 2
        v = make(y)
        log(attempt(lambda: node(v.mul_(2))), attempt(lambda: edges(v)), node(y), attempt(lambda: edges(y)))
        log(attempt(lambda: grad((v * v).sum(), x)[0]))


@scenario
def parts_of_expanded_tensors(log):
    x = leaf(2, 3, 5)
    y = x * 2
    e = y.view(3, 1).expand(3, 4)
    e.select(1, 0).mul_(3)
    log(e, node(e), node(y), y, grad((e * arange(12).view(3, 4)).sum(), x)[0])
    y = x * 2
    e = y.expand(2, 3)
    log(attempt(lambda: e.add_(1)), attempt(lambda: e.narrow(0, 0, 2).add_(1)), attempt(lambda: e.copy_(f32([7, 8, 9]))))
    log(y._version, e, grad(e.sum(), x)[0])
    b = torch.ones(1).expand(3).detach()
    b.select(0, 0).mul_(x.select(0, 0))
    log(b, node(b), attempt(lambda: grad(b.sum(), x)))
    with torch.no_grad():
        b = torch.ones(1).expand(3)
    log(b._is_view(), attempt(lambda: b.select(0, 0).mul_(x.select(0, 0))))
    e = f32([2, 3]).view(2, 1).expand(2, 3).requires_grad_()
    z = e * 1
    z.select(0, 0).mul_(2)
    log(z.stride(), grad(z.sum(), e)[0])


@scenario
def changing_leaves(log):
    x = leaf(1, 2, 3)
    log(attempt(lambda: x.add_(1)), attempt(lambda: x.select(0, 0).add_(1)), attempt(lambda: x.view(3, 1).select(1, 0).mul_(2)))
    log(attempt(lambda: x.fill_(1)), attempt(lambda: x.zero_()), attempt(lambda: x.copy_(f32([1, 2, 3]))))
    log(x._version)
    y = (x * x).sum()
    with torch.no_grad():
        x.mul_(2)
        x.select(0, 1).fill_(7)
    log(x, x._version, x.is_leaf, node(x), attempt(lambda: y.backward()))
    (x * 3).sum().backward()
    log(x.grad)
    w = torch.zeros(3)
    w.add_(x)
    log(w.requires_grad, w.is_leaf, node(w), w._version)
    v = torch.zeros(3)
    v.requires_grad_()
    log(attempt(lambda: torch.relu_(v)))
    n = torch.arange(3)
    log(attempt(lambda: n.add_(x)), attempt(lambda: n.copy_(x)), n, n.requires_grad)


@scenario
def a_base_that_comes_to_require_gradients(log):
    x = leaf(2, 3)
    base = torch.zeros(2, 2)
    row = base.select(0, 0)
    late = base.view(4)
    log(base.requires_grad, row.requires_grad, row.is_leaf)
    row.copy_(x * 3)
    log(base.requires_grad, row.requires_grad, late.requires_grad, node(base), node(row), node(late), late.is_leaf)
    base.select(0, 1).copy_(x.select(0, 1))
    log(base, edges(base), grad((base * base).sum(), x, retain_graph=True)[0], grad(late.sum(), x, retain_graph=True)[0])
    log(grad(row.sum(), x)[0])
    base = torch.ones(4)
    other = base.narrow(0, 0, 2)
    third = base.narrow(0, 2, 2)
    other.mul_(x)
    log(third.requires_grad, attempt(lambda: third.mul_(5)), node(third), third.is_leaf)
    third.mul_(5)
    log(third.requires_grad, node(third), base, grad(third.sum(), x, retain_graph=True)[0], grad(base.sum(), x)[0])


@scenario
def detaching_in_place(log):
    x = leaf(*range(1, 13))
    log(attempt(lambda: (x * 2).view(3, 4).detach_()), attempt(lambda: x.view(3, 4).detach_()))
    w = torch.ones(3)
    log(attempt(lambda: w.view(3).detach_()), attempt(lambda: (x * 2).chunk(2)[0].detach_()))
    y = x * 2
    v = y.select(0, 0)
    y.detach_()
    log(y.requires_grad, y.is_leaf, y._version, v.requires_grad, node(v), attempt(lambda: grad(v, x)[0]))
    y = x * 2
    v = y.select(0, 0)
    y.add_(1)
    y.detach_()
    log(v.requires_grad, node(v))
    y = x * 2
    v = y.select(0, 0)
    y.detach_()
    y.add_(1)
    log(v.requires_grad, node(v), v)
    y = x * 2
    v = y.select(0, 0)
    y.detach_()
    y.requires_grad_()
    log(v.requires_grad, node(v), v.is_leaf)
    z = leaf(1, 2)
    z.detach_()
    log(z.requires_grad, attempt(lambda: z.sum().backward()))
    y = x * 2
    y.retain_grad()
    y.detach_()
    log(y.retains_grad, y.requires_grad)
    y = x.exp()
    y.detach_()
    log(y.is_leaf)
    u = leaf(0.5)
    y = u.exp()
    s = y * 3
    y.detach_()
    log(grad(s, u)[0])


@scenario
def requires_grad_of_views_and_results(log):
    x = leaf(2, 3, 4)
    y = x * 2
    log(attempt(lambda: y.requires_grad_(False)), y.requires_grad_().requires_grad, attempt(lambda: x.select(0, 0).requires_grad_(False)))
    b = torch.zeros(4)
    v = b.narrow(0, 0, 2)
    v.requires_grad_()
    log(b.requires_grad, v.requires_grad, v.is_leaf, v._is_view())
    log(attempt(lambda: v.add_(1)))
    b.add_(1)
    log(v.requires_grad, node(v), v.is_leaf, v)
    (v * 3).sum().backward()
    log(v.grad, b.grad)
    b = torch.zeros(4)
    v = b.narrow(0, 0, 2)
    b.requires_grad_()
    log(v.requires_grad, node(v), v.is_leaf)
    with torch.no_grad():
        b.add_(1)
    log(v.requires_grad, node(v), v.is_leaf, attempt(lambda: v.add_(1)))
    v.sum().backward()
    log(b.grad)
    b = torch.zeros(4)
    v = b.narrow(0, 0, 2)
    v.mul_(x.select(0, 0))
    log(attempt(lambda: v.requires_grad_(False)), attempt(lambda: b.requires_grad_(False)))
    log(attempt(lambda: torch.arange(3).requires_grad_()), attempt(lambda: torch.arange(3).requires_grad_(False).requires_grad))


@scenario
def data_and_detach_share_memory(log):
    x = leaf(1, 2, 3)
    y = x * 2
    z = y * y
    d = y.data
    d.mul_(10)
    log(y, y._version, d._version, d.requires_grad, d._is_view(), d.is_leaf)
    log(grad(z.sum(), x)[0])
    y = x * 2
    z = y * y
    d = y.detach()
    log(d._version, d.requires_grad, d._is_view(), d._base is None)
    d.select(0, 0).add_(1)
    log(y, y._version, d._version, attempt(lambda: grad(z.sum(), x)))
    x.data.fill_(4)
    log(x, x._version)
    x.detach().zero_()
    log(x, x._version)
    a = torch.zeros(2)
    b = a.detach()
    b.requires_grad_()
    log(a.requires_grad, attempt(lambda: b.add_(1)), attempt(lambda: a.add_(1)), b)
    c = a.view(2)
    log(c.data._is_view(), c.detach()._base is None, c.data._version, c.detach()._version)


@scenario
def assigning_data(log):
    x = leaf(1, 2, 3)
    y = x * x
    x.data = f32([5, 6, 7])
    log(x, x._version, x.is_leaf, x.requires_grad, grad(y.sum(), x)[0])
    del y
    x.data = torch.ones(2, 2)
    log(x.shape, x.stride(), (x * 3).sum().item())
    (x * 3).sum().backward()
    log(x.grad)
    source = f32([1, 1])
    t = torch.zeros(2)
    t.data = source
    source.add_(1)
    log(t, t._version, source._version, t._is_view())
    t.add_(5)
    log(source)
    p = leaf(1, 2)
    p.sum().backward()
    p.data = torch.zeros(3)
    log(p.shape, p.grad.shape, attempt(lambda: p.sum().backward()))
    def swap(value):
        p.data = value

    log(attempt(lambda: swap(torch.arange(3))), attempt(lambda: swap([1, 2])))
    q = leaf(1, 2)
    q.data = q.data.double()
    log(str(q.dtype), q.requires_grad)
    q.sum().backward()
    log(str(q.grad.dtype))


@scenario
def copying_in_place(log):
    x = leaf(1, 2, 3)
    s = leaf(10)
    y = torch.zeros(2, 3)
    y.copy_(x)
    log(y, node(y), edges(y), grad((y * arange(6).view(2, 3)).sum(), x)[0])
    y = x * 2
    y.copy_(s)
    log(node(y), y, grad(y.sum(), [x, s], allow_unused=True))
    y = x * 2
    y.copy_(f32([1, 2, 3]))
    log(y.requires_grad, node(y), grad(y.sum(), x, allow_unused=True))
    d = torch.zeros(3, dtype=torch.float64)
    d.copy_(x * x)
    g = grad(d.sum(), x)[0]
    log(str(g.dtype), g, str(d.dtype))
    h = torch.zeros(3)
    w = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    h.copy_(w * 2)
    g = grad((h * h).sum(), w)[0]
    log(str(g.dtype), g, str(h.dtype))
    i = torch.zeros(3, dtype=torch.int64)
    i.copy_(x * 2)
    log(i, i.requires_grad)
    f = torch.zeros(3)
    f.copy_(torch.arange(3))
    log(f, f.requires_grad, attempt(lambda: f.copy_(torch.zeros(2))), attempt(lambda: x.copy_(f)))
    y = x * 2
    log(attempt(lambda: y.narrow(0, 0, 2).copy_(y.narrow(0, 1, 2))), attempt(lambda: y.narrow(0, 0, 2).add_(y.narrow(0, 1, 2))))
    log(attempt(lambda: y.view(3, 1).t().mul_(y)), attempt(lambda: y.narrow(0, 0, 2).copy_(y.narrow(0, 2, 1))))
    log(y, grad(y.sum(), x)[0])
    y = x * 2
    y.copy_(y)
    log(y._version, node(y), grad(y.sum(), x)[0])


@scenario
def assigning_grad(log):
    x = leaf(1, 2)

    def put(t, value):
        t.grad = value

    log(attempt(lambda: put(x, torch.zeros(3))), attempt(lambda: put(x, torch.zeros(2, dtype=torch.float64))))
    log(attempt(lambda: put(x, x)), attempt(lambda: put(x, [1, 2])), attempt(lambda: put(x, 0)))
    log(x.grad)
    g = f32([3, 4])
    x.grad = g
    log(x.grad is g)
    (x * 2).sum().backward()
    log(x.grad, g, x.grad is g)
    x.grad.zero_()
    log(g)
    x.grad = None
    log(x.grad)
    plainly = torch.zeros(2)
    plainly.grad = torch.ones(2)
    log(plainly.grad, plainly.requires_grad)
    y = x * 2
    log(y.grad)
    y.grad = torch.ones(2)
    log(y.grad)
    x.grad = y
    log(x.grad.requires_grad, attempt(lambda: (x * 2).sum().backward()), x.grad, x.grad.requires_grad)
    x.grad = leaf(1, 1)
    log(attempt(lambda: (x * 2).sum().backward()), x.grad, x.grad.requires_grad)


@scenario
def outputs_of_functions_with_several_views(log):
    x = leaf(1, 2, 3, 4)
    makers = [
        lambda y: y.unbind(),
        lambda y: y.split(2),
        lambda y: y.split([1, 3]),
        lambda y: y.chunk(2),
        lambda y: y.tensor_split(2),
        lambda y: y.view(2, 2).hsplit(2),
        lambda y: y.view(2, 2).unbind(1),
    ]
    for make in makers:
        y = x * 2
        parts = make(y)
        log(node(parts[0]), parts[1]._is_view(), parts[1]._base is y, parts[1].output_nr)
        log(attempt(lambda: parts[1].add_(1)), attempt(lambda: parts[0].view(-1).narrow(0, 0, 1).mul_(2)))
        log(attempt(lambda: y.mul_(2)), attempt(lambda: node(parts[0])), attempt(lambda: parts[1] * 1))
        log(attempt(lambda: grad(y.sum(), x)[0]))
    y = x * 2
    parts = y.split(2)
    with torch.no_grad():
        parts[0].zero_()
    log(y, y._version, attempt(lambda: node(parts[0])), attempt(lambda: (parts[1] * 2).sum()), attempt(lambda: grad(y.sum(), x)[0]))
    b = torch.zeros(4)
    parts = b.split(2)
    log(parts[0].add_(1), b, attempt(lambda: parts[1].mul_(x.narrow(0, 0, 2))))
    b.requires_grad_()
    log(attempt(lambda: parts[0].add_(1)))
    with torch.no_grad():
        parts = x.split(2)
        parts[0].mul_(2)
    log(x, attempt(lambda: parts[0].mul_(2)))


@scenario
def views_made_without_recording(log):
    x = leaf(1, 2, 3, 4)
    for inside in (True, False):
        y = x * 2
        with torch.no_grad():
            v = y.view(2, 2)
            if inside:
                v.add_(1)
        log(v.requires_grad, attempt(lambda: node(v)), v._is_view(), v._base is y)
        log(attempt(lambda: v.mul_(2)), attempt(lambda: v.select(0, 0).mul_(2)), attempt(lambda: v * 2))
        with torch.no_grad():
            v.mul_(2)
        log(attempt(lambda: node(v)), attempt(lambda: grad(y.sum(), x, retain_graph=True)[0]))
        y.add_(1)
        log(attempt(lambda: node(v)), attempt(lambda: v.requires_grad), attempt(lambda: v + 1))
    with torch.no_grad():
        leaf_view = x.view(2, 2)
        leaf_view.add_(1)
    log(x, leaf_view.requires_grad, attempt(lambda: leaf_view.is_leaf), attempt(lambda: leaf_view.add_(1)))
    with torch.no_grad():
        y = x.view(4)
        with torch.enable_grad():
            z = y.view(2, 2)
    log(z.requires_grad, attempt(lambda: node(z)), attempt(lambda: z.add_(1)))
    with torch.no_grad():
        plainly = torch.zeros(4).view(2, 2)
    log(plainly.add_(1), attempt(lambda: plainly.mul_(x.view(2, 2))))


@scenario
def views_of_views(log):
    x = leaf(*range(1, 9))
    y = x * 2
    a = y.view(2, 4)
    b = a.select(0, 1)
    c = b.narrow(0, 1, 2)
    log(c._base is y, b._base is y, [t._version for t in (y, a, b, c)])
    c.mul_(10)
    log([t._version for t in (y, a, b, c)], y, [node(t) for t in (y, a, b, c)])
    a.select(0, 0).add_(c.sum())
    b.add_(1)
    log(y, grad((y * arange(8)).sum(), x, retain_graph=True)[0])
    log(grad(c.sum(), x, retain_graph=True)[0], grad(b.sum(), x, retain_graph=True)[0], grad(a.sum(), x)[0])
    y = x * 2
    d = y.view(2, 4).t()
    e = d.select(0, 2)
    d.mul_(arange(8).view(4, 2))
    e.mul_(e.clone())
    log(e, y, grad(y.sum(), x, retain_graph=True)[0], grad(e.sum(), x)[0])
    y = x * 2
    f = y.detach().view(2, 4)
    f.add_(1)
    log(f._base is y, f.requires_grad, y._version, node(y))


@scenario
def saved_tensors_and_changed_views(log):
    x = leaf(1, 2, 3, 4)
    y = x * 1
    a, b = y.narrow(0, 0, 2), y.narrow(0, 2, 2)
    z = a * a
    b.mul_(2)
    log(attempt(lambda: grad(z.sum(), x)))
    y = x * 1
    z = y.narrow(0, 0, 2).exp()
    y.mul_(2)
    log(grad(z.sum(), x, retain_graph=True)[0], grad(y.sum(), x)[0])
    y = x * 1
    z = y.exp()
    z.narrow(0, 0, 1).zero_()
    log(attempt(lambda: grad(z.sum(), x)))
    y = x.exp()
    with torch.no_grad():
        y.mul_(2)
    log(attempt(lambda: grad(y.sum(), x)))
    for op in (torch.sigmoid, torch.tanh, torch.sqrt, torch.exp, torch.softmax):
        y = op(x, 0) if op is torch.softmax else op(x)
        y.add_(1)
        log(attempt(lambda: grad(y.sum(), x)[0]))
    for op in (torch.sin, torch.abs, torch.square, torch.relu, torch.neg):
        y = x * 1
        z = op(y)
        z.add_(1)
        log(attempt(lambda: grad(z.sum(), x, retain_graph=True)[0]))
        y.add_(1)
        log(attempt(lambda: grad(z.sum(), x)[0]))
    y = x * 1
    w = torch.ones(4)
    z = y * w
    w.add_(1)
    log(attempt(lambda: grad(z.sum(), x)[0]))
    y = x * 1
    z = y.matmul(y)
    y.select(0, 0).fill_(1)
    log(attempt(lambda: grad(z, x)))


@scenario
def everything_of_the_error(log):
    """The whole text, not the first sentence."""
    def text(f):
        try:
            return f()
        except RuntimeError as e:
            return str(e)

    x = leaf(1, 2, 3)
    y = x.exp()
    y.add_(1)
    log(text(lambda: y.sum().backward()))
    w = torch.ones(3)
    z = x * w
    w.add_(1)
    log(text(lambda: z.sum().backward()))
    a = x * 2
    z = a * a
    a.mul_(3)
    a.mul_(3)
    log(text(lambda: z.sum().backward()))
    v = torch.ones(2, 3)
    z = v.double().requires_grad_().exp()
    z.select(0, 0).zero_()
    log(text(lambda: z.sum().backward()))
    log(text(lambda: (x * 2).view(3, 1).detach_()), text(lambda: (x * 2).unbind()[0].add_(1)))
    y = x.exp()
    y.sum().backward()
    log(text(lambda: y.sum().backward()), text(lambda: (x * 2).requires_grad_(False)))


main()
