"""Hooks on tensors and nodes: see common.py."""
import torch
from torch.autograd.graph import register_multi_grad_hook

from common import attempt, define, f32, leaf, main, node, scenario

grad = torch.autograd.grad


def fresh(log, name, value=None):
    """A hook that logs, and returns the gradient times `value`."""
    def hook(g):
        log(name, g)
        return None if value is None else g * value

    return hook


@scenario
def hooks_that_change_gradients(log):
    x = leaf(1, 2)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.register_hook(fresh(log, "second"))
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    log(x.grad)
    x.register_hook(lambda g: g * 0)
    (x * 5).sum().backward()
    log(x.grad)
    z = leaf(3)
    z.register_hook(lambda g: None)
    (z * z).backward()
    log(z.grad)
    w = leaf(3)
    w.register_hook(lambda g: g.mul_(4))
    (w * 1).backward(torch.ones(1))
    log(w.grad)
    v = leaf(1, 1)
    v.register_hook(fresh(log, "sum of all paths"))
    (v * 2 + v * 3).sum().backward()
    log(v.grad)


@scenario
def hooks_that_return_something_wrong(log):
    x = leaf(1, 2)

    def returning(value):
        y = x * 2
        y.register_hook(lambda g: value)
        return attempt(lambda: y.sum().backward())

    log(returning(3), returning("a"), returning([f32([1, 2])]), returning(torch.ones(3)), returning(f32([[1, 2]])))
    log(returning(torch.ones(2, dtype=torch.float64)), returning(torch.ones(2, dtype=torch.int64)))
    log(x.grad)
    log(returning(f32([5, 6])), x.grad)
    y = x * 2
    log(attempt(lambda: torch.ones(2).register_hook(lambda g: g)), attempt(lambda: y.detach().register_hook(lambda g: g)))
    x.requires_grad_(False)
    log(attempt(lambda: x.register_hook(lambda g: g)))


@scenario
def handles(log):
    x = leaf(1, 2)
    y = x * 2
    a = y.register_hook(fresh(log, "a"))
    b = y.register_hook(fresh(log, "b", 2))
    c = y.register_hook(fresh(log, "c"))
    log(a.id < b.id < c.id)
    s = y.sum()
    s.backward(retain_graph=True)
    b.remove()
    b.remove()
    s.backward(retain_graph=True)
    a.remove()
    c.remove()
    s.backward(retain_graph=True)
    log(x.grad)
    with y.register_hook(fresh(log, "within")):
        s.backward(retain_graph=True)
    s.backward(retain_graph=True)

    def once(g):
        log("once")
        h.remove()

    h = y.register_hook(once)
    y.register_hook(fresh(log, "after once"))
    s.backward(retain_graph=True)
    s.backward(retain_graph=True)

    def adds(g):
        log("adds")
        y.register_hook(fresh(log, "added"))

    first = y.register_hook(adds)
    s.backward(retain_graph=True)
    first.remove()
    s.backward()
    same = fresh(log, "same")
    z = x * 1
    one, two = z.register_hook(same), z.register_hook(same)
    z.sum().backward(retain_graph=True)
    one.remove()
    z.sum().backward()


@scenario
def order_of_hooks(log):
    x = leaf(1, 2)
    y = x * 2
    fn = y.grad_fn
    fn.register_hook(lambda gi, go: log("post", gi, go))
    fn.register_prehook(lambda go: log("pre", go))
    y.register_hook(fresh(log, "tensor 1", 2))
    y.retain_grad()
    y.register_hook(fresh(log, "tensor 2", 3))
    x.register_hook(fresh(log, "leaf 1"))
    x.register_post_accumulate_grad_hook(lambda t: log("accumulated", t.grad))
    x.register_hook(fresh(log, "leaf 2", 5))
    y.sum().backward()
    log(y.grad, x.grad)
    x = leaf(1)
    y = x * 2
    y.retain_grad()
    y.register_hook(fresh(log, "h", 7))
    g = grad(y, [y, x])
    log(g, y.grad)
    y = x * 2
    y.register_hook(fresh(log, "captured", 7))
    log(grad(y, y))


@scenario
def hooks_of_nodes(log):
    x, w = leaf(1, 2), leaf(3, 4)
    y = x * w
    y.grad_fn.register_hook(lambda gi, go: log(gi, go))
    y.sum().backward(retain_graph=True)
    h = y.grad_fn.register_hook(lambda gi, go: (gi[0] * 10, gi[1]))
    x.grad = w.grad = None
    y.sum().backward(retain_graph=True)
    log(x.grad, w.grad)
    h.remove()
    x.grad = w.grad = None
    p = y.grad_fn.register_prehook(lambda go: (go[0] * 100,))
    y.sum().backward(retain_graph=True)
    log(x.grad, w.grad)
    p.remove()
    bad = y.grad_fn.register_hook(lambda gi, go: (gi[0],))
    log(attempt(lambda: y.sum().backward(retain_graph=True)))
    bad.remove()
    bad = y.grad_fn.register_hook(lambda gi, go: (gi[0], 3))
    log(attempt(lambda: y.sum().backward(retain_graph=True)))
    bad.remove()
    bad = y.grad_fn.register_prehook(lambda go: (go[0], go[0]))
    log(attempt(lambda: y.sum().backward(retain_graph=True)))
    bad.remove()
    bad = y.grad_fn.register_hook(lambda gi, go: (torch.ones(5), gi[1]))
    log(attempt(lambda: y.sum().backward(retain_graph=True)))
    bad.remove()
    h = y.grad_fn.register_hook(lambda gi, go: (None, gi[1]))
    x.grad = None
    y.sum().backward(retain_graph=True)
    log(x.grad)
    h.remove()


@scenario
def hooks_of_nodes_with_missing_gradients(log):
    x = leaf(1, 2, 3)
    a, b = x.split([1, 2])
    a.grad_fn.register_prehook(lambda go: log("pre", go))
    a.grad_fn.register_hook(lambda gi, go: log("post", gi, go))
    (b * 2).sum().backward()
    log(x.grad)
    y = x * f32([1, 2, 3])
    y.grad_fn.register_hook(lambda gi, go: log(gi, go))
    y.sum().backward()
    m = x.view(1, 3).max(1)
    m[0].grad_fn.register_prehook(lambda go: log("pre", go[0]))
    m[0].backward(torch.ones(1))


@scenario
def hooks_of_accumulators(log):
    x = leaf(1, 2)
    acc = x.view(2).grad_fn.next_functions[0][0]
    acc.register_hook(lambda gi, go: log("post", gi, go))
    acc.register_prehook(lambda go: log("pre", go, x.grad))
    (x * 3).sum().backward()
    log(x.grad)
    acc.register_prehook(lambda go: (go[0] * 2,))
    (x * 3).sum().backward()
    log(x.grad)
    (x * 3).sum().backward(inputs=[x])
    log(x.grad, grad((x * 3).sum(), x)[0])


@scenario
def hooks_after_accumulation(log):
    x = leaf(1, 2)
    h = x.register_post_accumulate_grad_hook(lambda t: log("one", t is x, t.grad))
    x.register_post_accumulate_grad_hook(lambda t: log("two", t.grad))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    h.remove()
    (x * 2).sum().backward()
    log(grad((x * 2).sum(), x)[0])
    y = x * 2
    log(attempt(lambda: y.register_post_accumulate_grad_hook(lambda t: None)))
    log(attempt(lambda: torch.ones(1).register_post_accumulate_grad_hook(lambda t: None)))
    w = leaf(5)

    def step(t):
        with torch.no_grad():
            t -= 0.1 * t.grad
        t.grad = None

    w.register_post_accumulate_grad_hook(step)
    for _ in range(2):
        (w * w).backward()
        log(w, w.grad)
    v = leaf(1)

    def fails(t):
        raise ValueError("after")

    v.register_post_accumulate_grad_hook(fails)
    log(attempt(lambda: (v * 2).backward()), v.grad)


@scenario
def several_gradients_at_once(log):
    a, b, c = leaf(1), leaf(2), leaf(3)
    h = register_multi_grad_hook([a, b, c], lambda gs: log("all", list(gs)))
    (a * b * c).backward()
    (a * b).backward()
    (a * 2).backward()
    (a * 5 + a * c).backward(inputs=[a])
    h.remove()
    (a * b * c).backward()
    calls = []
    h = register_multi_grad_hook([a, b], lambda g: calls.append(1) or log("any", g), mode="any")
    (a * b).backward()
    (b * 2).backward()
    (c * 2).backward()
    log(len(calls))
    h.remove()
    x = a * 2
    y = x * b
    h = register_multi_grad_hook((x, y), lambda gs: log("inner", list(gs)))
    y.backward(retain_graph=True)
    x.backward()
    log(attempt(lambda: register_multi_grad_hook([a], lambda g: None, mode="some")))
    log(attempt(lambda: register_multi_grad_hook([torch.ones(1)], lambda g: None)))


@scenario
def hooks_and_partial_runs(log):
    x, w = leaf(1), leaf(2)
    y = x * 3
    z = y * w
    for t, name in ((x, "x"), (w, "w"), (y, "y"), (z, "z")):
        t.register_hook(fresh(log, name))
    log("grad x", grad(z, x, retain_graph=True)[0])
    log("grad w", grad(z, w, retain_graph=True)[0])
    log("grad y", grad(z, y, retain_graph=True)[0])
    log("grad x, y", grad(z, [x, y], retain_graph=True))
    log("to w")
    z.backward(inputs=[w], retain_graph=True)
    log("to y")
    z.backward(inputs=[y], retain_graph=True)
    log(y.grad, x.grad, w.grad)
    log("all")
    z.backward()


@scenario
def hooks_on_captured_gradients(log):
    x = leaf(1, 2)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    z = (y * y).sum()
    log(grad(z, y, retain_graph=True)[0], grad(z, [y, x], retain_graph=True), grad(z, x, retain_graph=True)[0])
    x.register_hook(lambda g: g * 3)
    log(grad(z, x, retain_graph=True)[0], grad(z, [x, y], retain_graph=True))
    y.retain_grad()
    log(grad(z, y, retain_graph=True)[0], y.grad)
    z.backward(inputs=[y], retain_graph=True)
    log(y.grad)
    z.backward()
    log(y.grad, x.grad)
    a, b = (x * 1).unbind()
    a.register_hook(lambda g: g * 2)
    b.register_hook(lambda g: g * 5)
    log(grad(a + b, [a, b]), grad((x * 1).sum(), x)[0])


@scenario
def retaining_gradients(log):
    x = leaf(1, 2)
    y = x * 2
    log(y.retains_grad, y.grad)
    y.retain_grad()
    log(y.retains_grad)
    z = (y * y).sum()
    z.retain_grad()
    z.backward(retain_graph=True)
    log(y.grad, z.grad, x.grad)
    z.backward()
    log(y.grad, z.grad)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 100)
    y.sum().backward()
    log(y.grad)
    y = x * 2
    y.retain_grad()
    h = y.grad
    y.sum().backward(create_graph=True)
    log(h, y.grad, y.grad.requires_grad)
    a, b = x.unbind()
    a.retain_grad()
    (a * b).backward()
    log(a.grad, b.grad)
    log(attempt(lambda: torch.ones(2).retain_grad()), x.retains_grad)
    y = x * 2
    y.retain_grad()
    y.sum().backward()
    y.grad.zero_()
    log(y.grad)
    y = x * 3
    y.retain_grad()
    log(grad(y.sum(), x)[0], y.grad)


@scenario
def hooks_and_second_derivatives(log):
    x = leaf(2, 3)
    y = x * x
    y.register_hook(fresh(log, "y"))
    x.register_hook(fresh(log, "x"))
    (g,) = grad((y * y).sum(), x, create_graph=True)
    log(g)
    g.register_hook(fresh(log, "g", 2))
    g.sum().backward()
    log(x.grad)
    w = leaf(2)
    v = w * w
    v.register_hook(lambda t: t * w)
    (g,) = grad(v, w, create_graph=True)
    log(g, grad(g, w)[0])


@scenario
def hooks_that_run_backward(log):
    x, w = leaf(1, 2), leaf(3, 4)
    y = x * 2
    other = (w * w).sum()
    y.register_hook(lambda g: other.backward())
    y.sum().backward()
    log(x.grad, w.grad)
    seen = []

    def nested(level):
        def hook(g):
            seen.append(level)
            if level > 0:
                with torch.enable_grad():
                    t = leaf(1) * 1
                t.register_hook(nested(level - 1))
                t.backward()

        return hook

    t = leaf(1) * 1
    t.register_hook(nested(5))
    t.backward()
    log(seen)
    z = x * 5
    square = (x * x).sum()
    z.register_hook(lambda g: g * grad(square, x)[0])
    x.grad = None
    z.sum().backward()
    log(x.grad)
    z = x * x
    s = z.sum()
    z.register_hook(lambda g: s.backward(retain_graph=True) if len(seen) < 8 and not seen.append(9) else None)
    x.grad = None
    s.backward()
    log(x.grad, len(seen))


@scenario
def failing_hooks(log):
    x, w = leaf(1, 2), leaf(3, 4)

    def fail(*_):
        raise ValueError("refused")

    y = x * w
    s = y.sum()
    for register in (
        lambda: y.register_hook(fail),
        lambda: y.grad_fn.register_hook(fail),
        lambda: y.grad_fn.register_prehook(fail),
        lambda: w.register_hook(fail),
    ):
        h = register()
        log(attempt(lambda: s.backward(retain_graph=True)), torch.is_grad_enabled())
        h.remove()
        x.grad = w.grad = None
    s.backward()
    log(x.grad, w.grad)
    with torch.no_grad():
        h = x.register_hook(fail)
        log(attempt(lambda: (x * 2).sum().backward()), torch.is_grad_enabled())
        h.remove()
    log(torch.is_grad_enabled())


@scenario
def modes_inside_hooks(log):
    x = leaf(1, 2)
    y = x * x
    y.register_hook(lambda g: log(torch.is_grad_enabled(), g.requires_grad))
    s = y.sum()
    s.backward(retain_graph=True)
    s.backward(create_graph=True, retain_graph=True)
    with torch.no_grad():
        s.backward(retain_graph=True)

    def enabled(g):
        with torch.enable_grad():
            t = g.detach().requires_grad_()
            return grad((t * t).sum(), t)[0]

    y.register_hook(enabled)
    x.grad = None
    s.backward()
    log(x.grad)


@scenario
def hooks_of_outputs_of_one_node(log):
    x = leaf(1, 2, 3)
    a, b, c = x.unbind()
    a.register_hook(fresh(log, "a", 2))
    c.register_hook(fresh(log, "c", 3))
    (a + c * 10).backward(retain_graph=True)
    log(x.grad)
    x.grad = None
    (a * b * c).backward()
    log(x.grad)
    values, _ = x.sort()
    values.register_hook(fresh(log, "values"))
    values.select(0, 0).backward()
    two = define("Two", forward=lambda ctx, x: (x * 2, x * 3), backward=lambda ctx, g, h: g * 2 + h * 3)
    p, q = two.apply(x)
    p.register_hook(fresh(log, "p"))
    x.grad = None
    p.sum().backward()
    log(x.grad)


@scenario
def hooks_on_leaves_and_replacement(log):
    x = leaf(1, 2)
    x.register_hook(lambda g: g * 2)
    (x * 3).sum().backward()
    log(x.grad)
    x.data = f32([5, 6])
    x.grad = None
    (x * 3).sum().backward()
    log(x.grad)
    x.requires_grad_(False)
    x.requires_grad_(True)
    x.grad = None
    (x * 3).sum().backward()
    log(x.grad)
    y = x.detach().requires_grad_()
    (y * 3).sum().backward()
    log(y.grad)
    z = x.clone().detach_().requires_grad_()
    z.register_hook(lambda g: g.clamp(max=1))
    (z * 3).sum().backward()
    log(z.grad)
    v = leaf(1, 2)
    w = v.view(2)
    w.register_hook(fresh(log, "view"))
    v.register_hook(fresh(log, "base"))
    (w * 2 + v).sum().backward()


@scenario
def counting_with_hooks(log):
    x = leaf(1, 2)
    counts = {"x": 0, "h": 0}

    def count(name):
        def hook(g):
            counts[name] += 1

        return hook

    x.register_hook(count("x"))
    h = x * 2
    h.register_hook(count("h"))
    total = sum((h * i).sum() for i in range(5))
    total.backward(retain_graph=True)
    log(list(counts.values()))
    total.backward()
    log(list(counts.values()), x.grad)
    with torch.no_grad():
        k = x * 2
    log(k.requires_grad, attempt(lambda: k.register_hook(lambda g: None)))
    d = (x * 1).detach()
    ((x * 2) * d).sum().backward()
    log(list(counts.values()))


@scenario
def clipping_and_reversing(log):
    x = leaf(3, -4)
    y = x * 10
    y.register_hook(lambda g: g / g.norm().clamp(min=1))
    (y * y).sum().backward()
    log(x.grad)
    x.grad = None
    features = x.tanh()
    head = features.view_as(features)
    head.register_hook(lambda g: -g)
    (head.sum() + features.sum() * 2).backward()
    log(x.grad)
    x.grad = None
    mask = f32([1, 0])
    x.register_hook(lambda g: g * mask)
    (x ** 2).sum().backward()
    log(x.grad)


main()
