"""In-place changes and views, second part: see common.py."""
import torch
import torch.nn.functional as F

from common import attempt, edges, f32, leaf, main, node, scenario

grad = torch.autograd.grad
arange = lambda n: torch.arange(float(n))


@scenario
def assigning_to_parts(log):
    x = leaf(1, 2, 3)
    y = torch.zeros(2, 3)
    y.select(0, 0).copy_(x)
    y.select(0, 1).fill_(5)
    y.select(1, 2).copy_(x.select(0, 0))
    log(y, node(y), grad((y * arange(6).view(2, 3)).sum(), x)[0])
    y = x * 2
    y.index_put_([torch.tensor([0, 2])], x.narrow(0, 1, 2))
    log(y, node(y), grad((y * f32([1, 10, 100])).sum(), x)[0])
    y = x * 2
    y.index_put_([torch.tensor([True, False, True])], f32([9, 8]))
    log(y, node(y), grad((y * f32([1, 10, 100])).sum(), x)[0])
    y = x * 2
    y.index_put_([torch.tensor([1, 1])], x.narrow(0, 0, 2), accumulate=True)
    log(y, grad((y * y).sum(), x)[0])
    y = x * 2
    y.masked_fill_(torch.tensor([False, True, False]), 7)
    log(y, node(y), grad(y.sum(), x)[0])
    y = x * 2
    s = leaf(4)
    y.masked_fill_(torch.tensor([False, True, True]), s.select(0, 0))
    log(y, grad(y.sum(), [x, s]))
    z = torch.zeros(3)
    z.select(0, 1).add_(s.select(0, 0))
    log(z, z.requires_grad, node(z), attempt(lambda: z.requires_grad_(False)))


@scenario
def index_ops_in_place(log):
    x = leaf(1, 2, 3, 4)
    w = leaf(10, 20)
    i = torch.tensor([3, 0])
    weights = f32([1, 10, 100, 1000])
    for change in (
        lambda y: y.index_add_(0, i, w),
        lambda y: y.index_copy_(0, i, w),
        lambda y: y.index_fill_(0, i, 6),
        lambda y: y.scatter_(0, i, w),
        lambda y: y.scatter_add_(0, i, w),
        lambda y: y.masked_scatter_(torch.tensor([True, False, False, True]), w),
        lambda y: y.view(2, 2).diagonal().zero_(),
        lambda y: y.view(2, 2).index_add_(1, torch.tensor([1]), w.view(2, 1)),
        lambda y: y.narrow(0, 1, 2).scatter_(0, torch.tensor([1, 0]), w),
    ):
        y = x * 2
        change(y)
        log(y, node(y), y._version)
        log(grad((y * y * weights).sum(), [x, w], allow_unused=True))


@scenario
def changes_without_a_gradient(log):
    x = leaf(1.5, 2.5)
    for change in (
        lambda y: y.floor_(),
        lambda y: y.round_(),
        lambda y: y.sign_(),
        lambda y: y.zero_(),
        lambda y: y.fill_(3),
        lambda y: y.gt_(0),
        lambda y: y.trunc_(),
        lambda y: y.frac_(),
        lambda y: y.narrow(0, 0, 1).zero_(),
    ):
        y = x * 2
        log(node(change(y)), y, y.requires_grad, edges(y), attempt(lambda: grad(y.sum(), x, allow_unused=True)[0]))
    y = x * 2
    z = y * y
    y.zero_()
    log(attempt(lambda: grad(z.sum(), x)))
    s = leaf(3)
    y = x * 2
    y.fill_(s.select(0, 0))
    log(y, node(y), grad(y.sum(), [x, s], allow_unused=True))


@scenario
def a_result_written_over_its_inputs(log):
    x = leaf(2, 3)
    y = x.clone()
    y.mul_(y)
    log(y, attempt(lambda: grad(y.sum(), x)))
    y = x.clone()
    y.add_(y)
    log(y, grad(y.sum(), x)[0])
    y = x.clone()
    y.mul_(x)
    log(y, grad(y.sum(), x)[0])
    y = x.clone()
    y.div_(x + 1)
    log(y, grad(y.sum(), x)[0])
    y = x.clone()
    w = y + 1
    w.mul_(y)
    y.add_(1)
    log(attempt(lambda: grad(w.sum(), x)))
    y = x.clone()
    y.pow_(2)
    y.pow_(2)
    log(attempt(lambda: grad(y.sum(), x)[0]))
    y = x.clone()
    y.exp_().log_().sqrt_()
    log(attempt(lambda: grad(y.sum(), x)[0]))
    y = x.clone()
    y.tanh_()
    log(grad(y.sum(), x)[0])
    y = x.clone()
    y.addcmul_(x, x, value=2)
    log(y, grad(y.sum(), x)[0])
    y = x.clone()
    y.lerp_(x * 3, 0.5)
    log(y, grad(y.sum(), x)[0])
    y = x.view(1, 2).clone()
    y.addmm_(x.view(1, 2), torch.ones(2, 2))
    log(y, node(y), grad(y.sum(), x)[0])


@scenario
def activations_in_place(log):
    x = leaf(-1, 0, 2)
    for act in (
        lambda t: F.relu(t, inplace=True),
        lambda t: F.leaky_relu(t, 0.1, inplace=True),
        lambda t: F.elu(t, inplace=True),
        lambda t: F.hardtanh(t, inplace=True),
        lambda t: torch.sigmoid_(t),
        lambda t: F.threshold(t, 0.5, 3, inplace=True),
    ):
        y = x * 1
        z = act(y)
        log(z is y, y._version, grad(z.sum(), x)[0])
        y = x.exp()
        z = act(y)
        log(attempt(lambda: grad(z.sum(), x)[0]))
    log(attempt(lambda: F.relu(x, inplace=True)), attempt(lambda: F.relu(x.view(3, 1), inplace=True)))
    y = x * 1
    z = F.relu(y.narrow(0, 1, 2), inplace=True)
    log(y, node(z), node(y), grad(y.sum(), x)[0])


@scenario
def derivatives_of_changed_tensors_twice(log):
    x = leaf(1, 2, 3)
    y = x * x
    y.narrow(0, 0, 2).mul_(x.narrow(0, 1, 2))
    (g,) = grad(y.sum(), x, create_graph=True)
    log(g, grad((g * g).sum(), x)[0])
    y = x.clone()
    y.select(0, 1).pow_(3)
    y.mul_(y.clone())
    (g,) = grad(y.sum(), x, create_graph=True)
    log(g, grad(g.sum(), x)[0])
    base = torch.zeros(2, 3)
    base.select(0, 1).copy_(x * x)
    base.t().select(0, 0).add_(x.select(0, 2))
    (g,) = grad((base * base).sum(), x, create_graph=True)
    log(g, grad(g.sum(), x)[0])


@scenario
def as_strided_views(log):
    x = leaf(1, 2, 3, 4, 5, 6)
    y = x.as_strided((2, 3), (3, 1))
    log(y, node(y), grad((y * arange(6).view(2, 3)).sum(), x)[0])
    y = x.as_strided((3, 3), (1, 1))
    log(y, grad((y * arange(9).view(3, 3)).sum(), x)[0])
    y = x.as_strided((2, 2), (0, 1), 2)
    log(y, grad(y.sum(), x)[0])
    y = x * 1
    v = y.as_strided((2, 2), (3, 1), 1)
    v.mul_(10)
    log(y, node(y), grad((y * arange(6)).sum(), x)[0])
    y = x * 1
    v = y.view(2, 3).as_strided((2,), (2,), 1)
    log(v._base is y, v, grad((v * f32([1, 10])).sum(), x)[0])
    e = leaf(1, 2).view(2, 1).expand(2, 3)
    v = e.as_strided((2, 3), (1, 0))
    log(v, attempt(lambda: grad(v.sum(), e)[0]))
    log(attempt(lambda: x.as_strided((4, 4), (3, 1))), attempt(lambda: x.as_strided((2,), (1, 1))))
    x2 = x.view(2, 3).t()
    v = x2.as_strided((2, 2), (1, 3))
    log(grad((v * f32([[1, 2], [3, 4]])).sum(), x)[0])


@scenario
def views_of_other_dtypes_and_casts(log):
    x = leaf(1, 2)
    y = x.double()
    log(node(y), y._is_view(), grad((y * 3).sum(), x)[0].dtype == torch.float32)
    log(x.float() is x, x.to(torch.float32) is x, x.view(torch.int32)._is_view(), x.view(torch.int32).requires_grad)
    y = x.view_as(torch.zeros(2, 1))
    log(node(y), y._is_view())
    log(x.contiguous() is x, x.reshape(2) is x, node(x.reshape(2)), x.reshape(2)._is_view())
    t = (x * 1).view(1, 2).expand(2, 2).t()
    log(node(t.contiguous()), t.contiguous()._is_view(), node(t.reshape(4)), t.reshape(4)._is_view())
    log(x.expand(2)._is_view(), x.expand_as(x) is x, node(x.squeeze()), x.flatten() is x, x.detach() is x)
    h = x * 1
    d = h.double()
    d.add_(1)
    log(h._version, d._version, h)
    same = h.float()
    same.add_(1)
    log(h._version, h)


@scenario
def version_counters(log):
    x = torch.ones(2, 3)
    views = [x.view(6), x.t(), x.select(0, 1), x.detach(), x.data, x.clone()]
    log([v._version for v in views])
    x.add_(1)
    log(x._version, [v._version for v in views])
    views[0].mul_(2)
    views[3].mul_(2)
    views[4].mul_(2)
    log(x._version, [v._version for v in views])
    x.data = torch.zeros(2, 3)
    log(x._version, views[0]._version, x, views[1].sum().item())
    x.add_(1)
    log(x._version, views[0]._version, views[0].sum().item())
    y = torch.zeros(3)
    y.requires_grad_()
    y.grad = torch.ones(3)
    log(y._version, y.grad._version)
    (y * 2).sum().backward()
    log(y._version, y.grad._version)
    with torch.no_grad():
        y.sub_(y.grad)
        y.grad.zero_()
    log(y._version, y.grad._version)
    torch.autograd.graph.increment_version(y)
    log(y._version)
    torch.autograd.graph.increment_version([y, x])
    log(y._version, x._version)
    e = torch.empty(3)
    e.fill_(1)
    e.uniform_()
    e.normal_()
    e.copy_(torch.zeros(3))
    torch.exp(torch.ones(3), out=e)
    log(e._version)
    e.resize_(2)
    log(e._version)


@scenario
def retained_gradients_of_changed_tensors(log):
    x = leaf(1, 2)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * y).sum().backward()
    log(y.grad, x.grad)
    x.grad = None
    y = x * 2
    y.retain_grad()
    z = y * 5
    y.mul_(3)
    z.sum().backward(retain_graph=True)
    log(y.grad)
    y.sum().backward()
    log(y.grad, x.grad)
    y = x * 2
    v = y.view(2, 1)
    y.retain_grad()
    v.retain_grad()
    v.mul_(4)
    y.sum().backward()
    log(y.grad, v.grad, y.retains_grad, v.retains_grad)
    y = x * 2
    v = y.view(2)
    v.retain_grad()
    y.mul_(2)
    (v * 3).sum().backward()
    log(v.grad)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    log(y.grad)
    log(attempt(lambda: torch.zeros(2).retain_grad()), x.retain_grad(), x.retains_grad)
    b = torch.zeros(3)
    b.select(0, 0).copy_(x.select(0, 0))
    b.retain_grad()
    b.select(0, 1).copy_(x.select(0, 1))
    (b * arange(3)).sum().backward()
    log(b.grad)


@scenario
def hooks_of_changed_tensors(log):
    x = leaf(1, 2)
    y = x * 2
    y.register_hook(lambda g: log("before", g))
    y.mul_(3)
    y.register_hook(lambda g: log("after", g))
    (y * f32([1, 10])).sum().backward()
    log(x.grad)
    x.grad = None
    y = x * 2
    v = y.select(0, 0)
    v.register_hook(lambda g: log("view before", g))
    y.register_hook(lambda g: log("base before", g))
    v.mul_(5)
    v.register_hook(lambda g: log("view after", g))
    y.register_hook(lambda g: log("base after", g))
    (y.sum() + v * 2).backward()
    log(x.grad)
    w = leaf(1, 2)
    w.register_hook(lambda g: log("leaf", g))
    with torch.no_grad():
        w.mul_(2)
    (w * 3).sum().backward()
    log(w.grad)
    t = torch.zeros(2, requires_grad=True)
    u = t.clone()
    u.register_hook(lambda g: g * 2)
    u.add_(1)
    u.register_hook(lambda g: g * 10)
    u.sum().backward()
    log(t.grad)


@scenario
def two_parts_changed_in_turn(log):
    a, b = leaf(1, 2), leaf(3, 4)
    y = torch.zeros(2, 2)
    left, right = y.select(1, 0), y.select(1, 1)
    left.add_(a)
    log(attempt(lambda: right.add_(b)), node(right))
    right.add_(b)
    left.mul_(right.clone())
    log(y, [node(t) for t in (y, left, right)], edges(left))
    log(attempt(lambda: grad((y * f32([[1, 2], [3, 4]])).sum(), [a, b], retain_graph=True)))
    right.mul_(left)
    log(attempt(lambda: grad((y * f32([[1, 2], [3, 4]])).sum(), [a, b])))
    y = torch.zeros(4)
    for i in range(4):
        y.select(0, i).copy_((y.select(0, i - 1) if i else a.select(0, 0)) * 2)
    log(y, grad(y.sum(), a)[0])
    y = torch.ones(4)
    for i in range(1, 4):
        y.select(0, i).mul_(a.select(0, 1))
        y.narrow(0, 0, i).add_(b.select(0, 0))
    log(y, grad((y * arange(4)).sum(), [a, b]))


@scenario
def in_place_on_what_is_not_recorded(log):
    x = leaf(1, 2)
    y = x.detach()
    y.requires_grad_()
    z = y * y
    with torch.no_grad():
        x.add_(1)
    log(attempt(lambda: z.sum().backward()), y._version, x._version)
    p = leaf(1, 2)
    loss = (p * p).sum()
    loss.backward()
    with torch.no_grad():
        p -= 0.1 * p.grad
    log(p, p.is_leaf, p._version)
    p.grad = None
    (p * p).sum().backward()
    log(p.grad)
    q = p.detach().clone().requires_grad_()
    log(q.is_leaf, q._version, q.grad)
    with torch.no_grad():
        r = p * 2
        log(r.requires_grad, r.is_leaf)
        r.requires_grad_()
    log(attempt(lambda: r.add_(1)), (r * 2).requires_grad)
    s = torch.zeros(2)
    with torch.no_grad():
        s.copy_(p)
        s.mul_(p)
    log(s.requires_grad, s)
    s.mul_(p)
    log(s.requires_grad, node(s), edges(s))


@scenario
def out_of_place_after_in_place(log):
    x = leaf(1, 2, 3, 4)
    y = x * 2
    a = y.view(2, 2)
    y.view(-1).narrow(0, 0, 2).mul_(3)
    b = a + 1
    log(edges(b), edges(a), node(y.view(2, 2)), node(y.t()))
    log(grad(b.sum(), x, retain_graph=True)[0])
    c = a.clone()
    c.add_(1)
    log(node(a), node(c), y._version, c._version, a)
    d = a.contiguous()
    log(d is a, a.t().contiguous()._version, a.flatten()._base is y)
    log(grad((a * c).sum(), x)[0])
    y = x * 2
    first, rest = y.select(0, 0), y.narrow(0, 1, 3)
    total = first + rest.sum()
    y.mul_(2)
    total = total + first + rest.sum()
    log(grad(total, x)[0])


@scenario
def loops_over_rows(log):
    x = leaf(1, 2, 3, 4)
    rows = (x * 2).view(2, 2)
    log([node(r) for r in rows], rows.unbind()[1].output_nr, attempt(lambda: [r.add_(1) for r in rows]))
    out = torch.zeros(2, 2)
    for i in range(2):
        out.select(0, i).copy_(rows.select(0, i).mul(i + 1))
    log(out, grad((out * out).sum(), x)[0])
    state = torch.zeros(2)
    states = []
    for i in range(3):
        state = torch.tanh(state + x.narrow(0, i, 2))
        states.append(state)
    log(grad(torch.stack(states).sum(), x)[0])
    acc = torch.zeros(())
    for i in range(4):
        acc += x.select(0, i) * i
    log(acc, node(acc), grad(acc, x)[0])
    buf = torch.zeros(4)
    for i in range(4):
        buf = buf.clone()
        buf.select(0, i).copy_(x.select(0, i) ** 2)
    log(buf, grad(buf.sum(), x)[0])


@scenario
def setting_storage(log):
    x = leaf(1, 2, 3)
    log(attempt(lambda: x.set_(torch.zeros(2))))
    y = x * 2
    y.set_(torch.zeros(2))
    log(y, y._version, y.requires_grad, attempt(lambda: y.sum().backward()), x.grad)
    z, s = torch.zeros(3), torch.ones(2)
    r = z.set_(s)
    log(r is z, z, z._version, s._version, z._is_view(), z.shape)
    s.add_(1)
    log(z, z._version)
    z.set_(s, 1, (1,))
    log(z, z.storage_offset(), z.stride())
    z.set_(s, 0, (1, 2), (2, 1))
    log(z, z.shape, z.stride())
    log(attempt(lambda: z.set_(torch.zeros(2, dtype=torch.float64))))
    z.set_()
    log(z.shape, z.numel())
    with torch.no_grad():
        x.set_(torch.zeros(2))
    log(x, x._version, x.requires_grad, x.is_leaf)
    y = x * 2
    w = y * y
    with torch.no_grad():
        y.set_(torch.ones(2))
    log(attempt(lambda: w.sum().backward()))
    b = torch.zeros(4)
    v = b.narrow(0, 0, 2)
    v.set_(torch.ones(3))
    log(v, v._base is b, b)


main()
