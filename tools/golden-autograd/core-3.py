"""The engine, and the graph as programs see it: see common.py."""
import torch
from torch.autograd.graph import get_gradient_edge

from common import attempt, define, edges, f32, leaf, main, node, scenario, short

grad = torch.autograd.grad
backward = torch.autograd.backward
arange = lambda n: torch.arange(float(n))
ones = lambda *shape: torch.ones(*shape)


def mul_logged(name, log):
    """x * w, which tells what of its gradient was asked for."""
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    def back(ctx, g):
        x, w = ctx.saved_tensors
        log(name, list(ctx.needs_input_grad), g)
        return g * w, g * x

    return define("Logged", forward=forward, backward=back).apply


@scenario
def what_is_not_asked_for(log):
    f, g = mul_logged("f", log), mul_logged("g", log)
    x, w, v = leaf(2), leaf(3), leaf(5)
    log(grad(g(f(x, w), v), v)[0])
    log(grad(g(f(x, w), v), x)[0])
    log(grad(g(f(x, w), v), [w, v]))
    y = f(x, w)
    z = g(y, v)
    log(grad(z, y)[0])
    z = g(f(x, w), v)
    z.backward(inputs=[w])
    log(x.grad, w.grad, v.grad)
    y = f(x, w)
    z = g(y, v)
    z.backward(inputs=[y, x])
    log(x.grad, w.grad, v.grad, y.grad, y.retains_grad)


@scenario
def running_twice(log):
    x = leaf(2, 3)
    cases = [
        lambda: (x * 2).sum(),
        lambda: (x + 2).sum(),
        lambda: (x * x).sum(),
        lambda: x.exp().sum(),
        lambda: x.view(2, 1).t().sum(),
        lambda: (x / 2).sum(),
        lambda: (x - x).mean(),
        lambda: x.select(0, 0) + x.select(0, 1),
        lambda: (x * ones(2)).sum(),
        lambda: x.relu().sum(),
        lambda: x.pow(2).sum(),
        lambda: x.clone().sum(),
        lambda: torch.cat([x, x]).sum(),
        lambda: x.norm(),
        lambda: x.neg().sum(),
    ]
    for case in cases:
        x.grad = None
        y = case()
        y.backward()
        first = x.grad.clone()
        log(first, attempt(lambda: y.backward()), x.grad)
    x.grad = None
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    log(x.grad, attempt(lambda: y.backward()))
    y = (x * x).sum()
    log(grad(y, x, create_graph=True)[0], grad(y, x)[0], attempt(lambda: grad(y, x)))
    a = x * x
    b, c = a.sum(), a.prod()
    b.backward()
    log(attempt(lambda: c.backward()))


@scenario
def several_roots(log):
    x, w = leaf(1, 2), leaf(3, 4)
    y, z = x * w, x + w
    backward([y, z], [ones(2), f32([10, 20])])
    log(x.grad, w.grad)
    x.grad = w.grad = None
    y = (x * w).sum()
    backward([y, y])
    log(x.grad)
    x.grad = None
    y = x * w
    z = y.sum()
    backward([z, y], [None, f32([1, 100])])
    log(x.grad, w.grad)
    y = (x * w).sum()
    log(attempt(lambda: backward([y, x], [None, ones(2)])), x.grad)
    y = x * w
    log(grad([y, y.sum()], [y, x], [ones(2), None]))
    y = (x * w).sum()
    log(attempt(lambda: backward([y, y], [None])), attempt(lambda: backward([])), attempt(lambda: backward([y, ones(1).sum()])))
    log(attempt(lambda: backward([y, ones(1).sum()], [None, torch.tensor(1.0)])), attempt(lambda: backward(y * ones(2))))
    log(attempt(lambda: backward(y, [1.0])))


@scenario
def roots_that_are_inputs(log):
    x = leaf(1, 2)
    log(grad(x.sum(), x)[0], grad(x, x, ones(2))[0])
    y = x * 3
    log(grad(y, y, f32([5, 6]))[0], grad([y, y], [x, y], [ones(2), f32([2, 2])]))
    x.backward(f32([7, 8]))
    log(x.grad)
    x.backward(f32([1, 1]), inputs=[x])
    log(x.grad)
    y = x * 3
    y.backward(ones(2), inputs=[y])
    log(y.grad, x.grad, y.retains_grad)
    y = x * 3
    y.backward(ones(2), inputs=[y, x, x, y])
    log(y.grad, x.grad)
    log(attempt(lambda: x.backward()), attempt(lambda: x.sum().backward(inputs=[])), attempt(lambda: x.sum().backward(inputs=[ones(2)])))
    z = (x * 2).sum()
    log(grad(z, [x, x]))


@scenario
def shapes_of_given_gradients(log):
    x = leaf(1, 2, 3)
    y = x * 2
    log(attempt(lambda: y.backward()), attempt(lambda: y.backward(ones(2))), attempt(lambda: y.backward(ones(1, 3))))
    log(attempt(lambda: y.backward(torch.tensor(1.0))))
    y.backward(torch.ones(3, dtype=torch.float64), retain_graph=True)
    log(x.grad, str(x.grad.dtype))
    log(attempt(lambda: y.backward(torch.ones(3, dtype=torch.int64), retain_graph=True)), x.grad)
    s = y.sum()
    log(attempt(lambda: s.backward(ones(1))), attempt(lambda: s.backward(torch.tensor(5.0), retain_graph=True)), x.grad)
    one = leaf(4)
    (one * 3).backward()
    log(one.grad)
    (one.view(1, 1) * 3).backward()
    log(one.grad)
    n = torch.tensor([[2.0]], requires_grad=True)
    log(grad(n * 2, n)[0])
    e = torch.zeros(0, requires_grad=True)
    log(attempt(lambda: (e * 2).backward()))
    e.sum().backward()
    log(e.grad.shape)
    log(attempt(lambda: torch.arange(3).sum().backward()), attempt(lambda: torch.ones(2).sum().backward()))


@scenario
def inputs_that_are_not_used(log):
    x, w = leaf(1, 2), leaf(3)
    y = x * 2
    s = y.sum()
    log(attempt(lambda: grad(s, w)), grad(s, w, allow_unused=True)[0], grad(s, [w, x], materialize_grads=True))
    log(attempt(lambda: grad(s, w, allow_unused=False, materialize_grads=True)))
    log(attempt(lambda: grad(s, ones(2))), attempt(lambda: grad(s, [])), attempt(lambda: grad(s, ones(2), allow_unused=True)))
    z = y * 3
    log(attempt(lambda: grad(s, z)), grad(s, [z, y], allow_unused=True))
    s = y.sum()
    s.backward(inputs=[w])
    log(w.grad, x.grad)
    d = y.detach()
    d.requires_grad_()
    log(attempt(lambda: grad((y * 2).sum(), d)))
    m = grad((x * 1).sum(), [x, w], materialize_grads=True, create_graph=True)
    log(m, m[1].requires_grad, m[0].requires_grad)
    i = torch.arange(3)
    log(attempt(lambda: grad(s, i)), attempt(lambda: grad(i.sum(), x)))


@scenario
def gradients_of_gradients(log):
    x = leaf(1, 2, 3)
    (g,) = grad((x * x * x).sum(), x, create_graph=True)
    (h,) = grad(g.sum(), x, create_graph=True)
    (k,) = grad(h.sum(), x, create_graph=True)
    log(g, h, k, node(g), k.requires_grad, attempt(lambda: grad(k.sum(), x)))
    y = (x * x).sum()
    y.backward(create_graph=True)
    log(x.grad, x.grad.requires_grad, node(x.grad))
    x.grad.sum().backward()
    log(x.grad, x.grad.requires_grad)
    x.grad = None
    (x * x).sum().backward()
    log(x.grad.requires_grad, x.grad.is_leaf)
    (g,) = grad((x * 2).sum(), x, create_graph=True)
    log(g, g.requires_grad, attempt(lambda: grad(g.sum(), x)))
    s = (x * x * x).sum()
    with torch.no_grad():
        (g,) = grad(s, x, create_graph=True)
    log(g.requires_grad, node(g))
    v = leaf(1, 1, 1)
    (vjp,) = grad(x.exp(), x, v, create_graph=True)
    log(grad(vjp, v, f32([1, 2, 3]))[0])


@scenario
def order_of_nodes(log):
    order = []

    def noted(name):
        def forward(ctx, *xs):
            return sum(xs) * 1.0

        def back(ctx, g):
            order.append(name)
            return (g,) * len(ctx.needs_input_grad)

        return define(name, forward=forward, backward=back).apply

    x = leaf(1)
    a, b, c, d = noted("a"), noted("b"), noted("c"), noted("d")
    first = a(x)
    second = b(x)
    third = c(first)
    total = d(second, third)
    total.backward()
    log(order, x.grad)
    order.clear()
    y = a(x)
    z = b(y, y)
    w = c(z, y)
    w.backward()
    log(order, x.grad)
    order.clear()
    long_way = x
    for i in range(3):
        long_way = noted(f"l{i}")(long_way)
    short_way = noted("s")(x)
    (long_way * short_way).backward()
    log(order, x.grad)
    log(total.grad_fn.next_functions[0][0]._sequence_nr() < total.grad_fn._sequence_nr())


@scenario
def the_graph_to_walk(log):
    x, w = leaf(1, 2), leaf(3, 4)
    y = (x * w + x).exp().sum()
    seen, queue = [], [y.grad_fn]
    while queue:
        fn = queue.pop(0)
        seen.append([short(fn), [[short(n), i] for n, i in fn.next_functions]])
        queue.extend(n for n, _ in fn.next_functions if n is not None)
    log(seen)
    log(x.grad_fn, x.view(2, 1).grad_fn.next_functions[0][0].variable is x)
    log(y.grad_fn is y.grad_fn, y.grad_fn.next_functions[0][0] is y.grad_fn.next_functions[0][0])
    a, b = (x * 2).split(1)
    log(a.grad_fn is b.grad_fn, a.output_nr, b.output_nr, [[short(n), i] for n, i in (b * 3).grad_fn.next_functions])
    m = x.view(1, 2).max(1)
    log(node(m[0]), m[1].grad_fn, m[1].requires_grad, m[0].output_nr)
    log(isinstance(y.grad_fn, torch.autograd.graph.Node), len(y.grad_fn.metadata))
    y.grad_fn.metadata["note"] = 3
    log(y.grad_fn.metadata["note"])
    log(edges(x * 2), edges(x + w), [[short(n), i] for n, i in (x * 2).grad_fn.next_functions], [[short(n), i] for n, i in (x + 2).grad_fn.next_functions])
    log(edges(torch.addmm(x, w.view(1, 2), torch.eye(2))), edges(torch.where(x > 1, x, w)), edges(torch.stack([x, w, x])))
    log([[short(n), i] for n, i in (x - 1).grad_fn.next_functions], [[short(n), i] for n, i in (1 - x).grad_fn.next_functions], [[short(n), i] for n, i in (x / 2).grad_fn.next_functions])


@scenario
def gradient_edges(log):
    x, w = leaf(1, 2), leaf(3, 4)
    y = x * w
    e = get_gradient_edge(y)
    log(short(e.node), e.output_nr, e.node is y.grad_fn, short(get_gradient_edge(x).node))
    z = (y * y).sum()
    log(grad(z, e, retain_graph=True)[0], grad(z, [e, get_gradient_edge(x), w], retain_graph=True))
    log(grad(get_gradient_edge(z), x, retain_graph=True)[0])
    log(grad(e, [x], grad_outputs=[f32([1, 10])], retain_graph=True)[0])
    backward(get_gradient_edge(z), inputs=[get_gradient_edge(x)])
    log(x.grad, w.grad)
    log(attempt(lambda: get_gradient_edge(ones(2))), attempt(lambda: grad(get_gradient_edge(x * w), x)))
    a, b = (x * 2).unbind()
    e = get_gradient_edge(b)
    log(e.output_nr, grad(a * b, e)[0])
    y = x * w
    e = get_gradient_edge(y)
    y.mul_(2)
    log(short(e.node), short(get_gradient_edge(y).node), grad(y.sum(), e)[0])
    u = x * 1
    e = get_gradient_edge(u)
    del u
    log(grad(e, x, ones(2))[0])
    y = x * w
    log(attempt(lambda: grad(get_gradient_edge(y), x, [ones(3)])))


@scenario
def dead_ends(log):
    x, w = leaf(1, 2), leaf(3, 4)
    y = x * w.detach()
    y.sum().backward()
    log(x.grad, w.grad)
    x.grad = None
    with torch.no_grad():
        c = x * w
    z = (c * x).sum()
    log(c.requires_grad, c.is_leaf, edges(c * x), grad(z, x)[0])
    y = (x > 1).float() * x
    log(node(y), edges(y), grad(y.sum(), x)[0])
    y = x.argmax()
    log(y.requires_grad, y.grad_fn, attempt(lambda: y.backward()))
    y = (x * 2).round()
    y.sum().backward()
    log(x.grad)
    k = torch.tensor([1, 0])
    log(grad(x.index_select(0, k).select(0, 0), x)[0], x.sort()[1].requires_grad)
    n = leaf(float("nan"), 1)
    log(grad(torch.where(f32([0, 1]) > 0, n, ones(2)).sum(), n)[0])
    y = x.new_zeros(2)
    log(y.requires_grad, torch.zeros_like(x).requires_grad, x.clone().requires_grad, torch.tensor(x.tolist()).requires_grad)


@scenario
def accumulating(log):
    x = leaf(1, 2)
    for i in range(3):
        (x * (i + 1)).sum().backward()
    log(x.grad)
    kept = x.grad
    (x * 10).sum().backward()
    log(kept, kept is x.grad, x.grad._version)
    x.grad = None
    (x * 1).sum().backward()
    log(kept, x.grad)
    before = x.grad
    (x * x).sum().backward(create_graph=True)
    log(before, x.grad, before is x.grad, x.grad.requires_grad)
    a = leaf(1, 2)
    g = ones(2)
    a.backward(g)
    log(a.grad is g)
    a.grad.add_(1)
    log(g)
    b = torch.zeros(2, 3, requires_grad=True)
    (b.t() * arange(6).view(3, 2)).sum().backward()
    log(b.grad, b.grad.stride())
    c = arange(6).view(2, 3).t().requires_grad_()
    (c * 2).sum().backward()
    log(c.grad.stride(), c.stride())
    d = torch.zeros(3, requires_grad=True)
    d.expand(2, 3).sum().backward()
    log(d.grad, d.grad.stride())


@scenario
def backward_within_backward(log):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    def back(ctx, g):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            y = x.detach().requires_grad_()
            (y * y * y).sum().backward()
        return g * y.grad

    inner = define("Inner", forward=forward, backward=back).apply
    x = leaf(1, 2)
    inner(x * 1).sum().backward()
    log(x.grad)
    x.grad = None
    depth = []

    def deep_back(ctx, g):
        (x,) = ctx.saved_tensors
        depth.append(ctx.level)
        if ctx.level > 0:
            with torch.enable_grad():
                y = x.detach().requires_grad_()
                deep(y, ctx.level - 1).sum().backward()
            return g + y.grad, None
        return g, None

    def deep_forward(ctx, x, level):
        ctx.save_for_backward(x)
        ctx.level = level
        return x * 1

    deep = define("Deep", forward=deep_forward, backward=deep_back).apply
    deep(x, 6).sum().backward()
    log(x.grad, depth)
    x.grad = None
    y = x * 3
    z = (x * 5).sum()
    y.register_hook(lambda g: z.backward())
    y.sum().backward()
    log(x.grad)
    x.grad = None
    y = (x * x).sum()
    log(torch.is_grad_enabled())
    x.register_hook(lambda g: log(torch.is_grad_enabled()))
    y.backward(create_graph=True)
    (x * 1).sum().backward()


@scenario
def errors_leave_the_engine_usable(log):
    x = leaf(1, 2)

    def fail(g):
        raise ValueError("this hook fails")

    y = x * 2
    handle = y.register_hook(fail)
    s = (y * y).sum()
    log(attempt(lambda: s.backward(retain_graph=True)), x.grad, torch.is_grad_enabled())
    handle.remove()
    log(attempt(lambda: s.backward(retain_graph=True)), x.grad)

    def bad(ctx, g):
        raise RuntimeError("no gradient here")

    f = define("Bad", forward=lambda ctx, x: x * 1, backward=bad).apply
    w = leaf(3)
    z = (f(x) * w).sum()
    log(attempt(lambda: z.backward()), w.grad, x.grad)
    log(attempt(lambda: z.backward()))
    (x * 1).sum().backward()
    log(x.grad)
    wrong = define("Wrong", forward=lambda ctx, x: x * 1, backward=lambda ctx, g: ones(5)).apply
    log(attempt(lambda: wrong(x).sum().backward()))
    many = define("Many", forward=lambda ctx, x: x * 1, backward=lambda ctx, g: (g, g)).apply
    log(attempt(lambda: many(x).sum().backward()), torch.is_grad_enabled(), (x * 1).requires_grad)


@scenario
def metadata_of_gradients(log):
    x = torch.ones(2, 3, requires_grad=True)
    y = (x * 2).sum(1)
    m = y.grad_fn._input_metadata
    log(len(m), list(m[0].shape), str(m[0].dtype))
    a, b = x.split([1, 2], 1)
    log([list(t.shape) for t in a.grad_fn._input_metadata])
    e = get_gradient_edge(x)
    log(short(e.node), list(e.node._input_metadata[0].shape), e.node.variable is x)
    d = x.double()
    log(str(d.grad_fn._input_metadata[0].dtype))


@scenario
def multithreading_is_a_switch(log):
    graph = torch.autograd
    log(graph.is_multithreading_enabled())
    with graph.set_multithreading_enabled(False):
        log(graph.is_multithreading_enabled())
        x = leaf(1, 2)
        (x * 3).sum().backward()
        log(x.grad)
    log(graph.is_multithreading_enabled())


@scenario
def broadcasting_and_dtypes(log):
    x, s = leaf(1, 2, 3), leaf(2)
    y = x.view(3, 1) * s * arange(4)
    log(grad(y.sum(), [x, s]))
    t = torch.tensor(2.0, requires_grad=True)
    log(grad((x * t).sum(), t)[0], grad((t * 3 + t), t)[0])
    d = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    g = grad((x * d).sum(), [x, d])
    log([str(v.dtype) for v in g], g)
    h = leaf(1, 1, 1)
    i = torch.arange(3)
    log(grad((h * i).sum(), h)[0], node(h * i))
    m = torch.tensor([True, False, True])
    log(grad((x * m).sum(), x)[0], grad(x.masked_select(m).sum(), x)[0])
    log(grad(x.sum().expand(2, 2).mul(arange(4).view(2, 2)).sum(), x)[0])


@scenario
def a_linear_layer_by_hand(log):
    w = torch.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)
    b = leaf(0.1, -0.2)
    data, target = f32([[1, 2], [3, 4], [5, 6]]), f32([[1, 0], [0, 1], [1, 1]])
    for step in range(3):
        out = torch.addmm(b, data, w.t())
        loss = ((out - target) ** 2).mean()
        loss.backward()
        log(loss.item(), w.grad, b.grad)
        with torch.no_grad():
            w -= 0.01 * w.grad
            b -= 0.01 * b.grad
        w.grad = b.grad = None
    log(w, b, w._version)


@scenario
def pieces_of_one_graph(log):
    x = leaf(1, 2)
    h = x * x
    stop = h.detach().requires_grad_()
    loss = (stop * 3).sum()
    loss.backward()
    log(stop.grad, x.grad)
    h.backward(stop.grad)
    log(x.grad)
    x.grad = None
    h = x * x
    a, b = (h * 2).sum(), (h * 5).sum()
    a.backward(retain_graph=True)
    b.backward()
    log(x.grad)
    x.grad = None
    h = x.exp()
    parts = [p * i for i, p in enumerate(h.unbind())]
    sum(parts).backward()
    log(x.grad)
    x.grad = None
    y = x
    for i in range(20):
        y = y + x * 0.5
    y.sum().backward()
    log(x.grad)


@scenario
def one_output_many_times(log):
    x = leaf(2)
    y = x * 1
    z = y * y + y * 3 + y
    z.backward()
    log(x.grad)
    x.grad = None
    y = x
    for i in range(10):
        y = y + y
    y.backward()
    log(x.grad)
    x.grad = None
    m = (x * 1).expand(3)
    (m.select(0, 0) * m.select(0, 1) * m.select(0, 2)).backward()
    log(x.grad)
    a, b = leaf(1), leaf(2)
    c = a * b
    d = torch.stack([c, c, a])
    log(grad((d * f32([[1], [2], [3]])).sum(), [a, b]))


main()
