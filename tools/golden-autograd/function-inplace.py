"""Custom functions that return views or change their inputs: twins of test/autograd/scenarios/function-inplace.ts."""
import torch
from torch.autograd import grad

from common import attempt, define, leaf, main, node, scenario


def state(t):
    return [node(t), t._is_view(), t.requires_grad, t.output_nr, t._version, t.is_leaf]


def weights(n):
    return torch.arange(1.0, n + 1)


dirty = {
    "forward": lambda ctx, a: (ctx.mark_dirty(a), a.mul_(2))[1],
    "backward": lambda ctx, g: g * 20,
}
column = {"forward": lambda ctx, a: a.view(-1, 1), "backward": lambda ctx, g: g.view(-1) * 5}


@scenario
def views_returned(log):
    x = leaf(1, 2, 3)
    f = define(**column)
    for given in (x, x * 1, torch.ones(3)):
        y = f.apply(given)
        log(state(y), y._base is given, attempt(lambda: state(y.add_(1))))
    y = f.apply(torch.ones(3))
    log(attempt(lambda: y.add_(x.view(3, 1))))
    log(grad((f.apply(x * 1) * weights(3).view(3, 1)).sum(), x))


@scenario
def several_views_returned(log):
    x = leaf(1, 2, 3)
    f = define(forward=lambda ctx, a: (a.view(3, 1), a.view(1, 3)), backward=lambda ctx, g, h: g.view(3) + 10 * h.view(3))
    b = x * 1
    p, q = f.apply(b)
    log(state(p), state(q), attempt(lambda: p.add_(1)), grad(p.sum(), x))
    p, q = f.apply(b)
    b.add_(1)
    log(attempt(lambda: p.grad_fn), attempt(lambda: grad(p.sum(), x)), attempt(lambda: q.requires_grad))
    f = define(forward=lambda ctx, a: (a.view(3, 1), a * 2), backward=lambda ctx, g, h: g.view(3) + 10 * h)
    p, q = f.apply(x * 1)
    log(state(p), state(q), attempt(lambda: p.add_(1)), attempt(lambda: state(q.add_(1))))
    f = define(forward=lambda ctx, a: (a.view(3, 1), a.long()), backward=lambda ctx, g, h: g.view(3))
    p, q = f.apply(x * 1)
    log(attempt(lambda: p.add_(1)))


@scenario
def views_of_intermediates(log):
    """Also a view of what nobody else has may not be changed in place."""
    x = leaf(1, 2, 3)
    f = define(forward=lambda ctx, a: (a * 2).view(3, 1), backward=lambda ctx, g: g.view(3))
    y = f.apply(x)
    log(state(y), y._base is None, attempt(lambda: y.add_(1)), attempt(lambda: y.detach_()))
    f = define(forward=lambda ctx, a: (a * 2).unbind(0), backward=lambda ctx, *g: torch.stack(g))
    y = f.apply(x)
    log([state(t) for t in y], y[0]._base is y[2]._base, attempt(lambda: y[1].add_(1)))


@scenario
def base_changed_after_view(log):
    x = leaf(1, 2, 3)
    b = x * 1
    y = define(**column).apply(b)
    z = y * 2
    b.add_(1)
    log(attempt(lambda: y.grad_fn), attempt(lambda: y * 2), grad(z.sum(), x))
    b = x * 1
    v = b.view(3)
    y = define(**column).apply(v)
    b.add_(1)
    log(attempt(lambda: y.grad_fn))


@scenario
def input_as_is(log):
    x = leaf(1, 2, 3)
    f = define(forward=lambda ctx, a: a, backward=lambda ctx, g: g * 5)
    for given in (x, x * 1, torch.ones(3)):
        y = f.apply(given)
        log(y is given, y._base is given, state(y), attempt(lambda: state(y.mul_(2))))
    y = f.apply(x)
    log(grad(y.sum(), x))
    with torch.no_grad():
        y = f.apply(x)
        log(y is x, state(y), x.requires_grad)
        y = f.apply(torch.ones(3))
        log(state(y))
    b = x * 1
    y = f.apply(b)
    b.add_(1)
    log(attempt(lambda: y.grad_fn))
    def saves(ctx, a):
        ctx.save_for_backward(a)
        return a
    y = define(forward=saves, backward=lambda ctx, g: (log(node(ctx.saved_tensors[0])), g * ctx.saved_tensors[0])[1]).apply(x * 1)
    log(grad(y.sum(), x))


@scenario
def input_changed(log):
    x = leaf(1, 2, 3)
    f = define(**dirty)
    b = x * 1
    y = f.apply(b)
    log(y is b, state(b), grad((b * weights(3)).sum(), x))
    t = torch.ones(3)
    y = f.apply(t)
    log(y is t, state(t))
    log(attempt(lambda: f.apply(leaf(1, 2))))
    with torch.no_grad():
        x = leaf(1, 2, 3)
        y = f.apply(x)
        log(y is x, state(y), x)
        v = x.view(3)
        y = f.apply(v)
        log(y is v, y.requires_grad, x)


@scenario
def view_changed(log):
    x = leaf(1, 2, 3)
    f = define(**dirty)
    b = x * 1
    v = b[:2]
    y = f.apply(v)
    log(y is v, state(v), state(b), grad((b * weights(3)).sum(), x))
    b = x * 1
    v = b[:2]
    f.apply(v)
    log(grad((v * weights(2)).sum(), x))
    log(attempt(lambda: f.apply(leaf(1, 2)[:1])))
    v = (x * 1).unbind(0)[0]
    log(attempt(lambda: f.apply(v)))
    b = torch.ones(3)
    v = b[1:]
    f.apply(v)
    log(state(v), state(b), b)


@scenario
def constant_becomes_differentiable(log):
    """An input without history that is changed by one with history."""
    def forward(ctx, a, b):
        a.mul_(b)
        ctx.mark_dirty(a)
        ctx.save_for_backward(b)
        return a
    f = define(forward=forward, backward=lambda ctx, g: (log(ctx.needs_input_grad), (g * 20, g * 30))[1])
    x = leaf(1, 2, 3)
    t = torch.ones(3)
    f.apply(t, x)
    log(state(t), grad((t * weights(3)).sum(), x))
    b = torch.ones(3)
    v = b[:2]
    f.apply(v, x[:2])
    log(state(v), state(b), grad((b * weights(3)).sum(), x))


@scenario
def second_input_changed(log):
    def pair(ctx, a, b):
        b.mul_(2)
        ctx.mark_dirty(b)
        return a * 2, b
    f = define(forward=pair, backward=lambda ctx, g, h: (log(g, h), (g * 20, h * 30))[1])
    x = leaf(1, 2, 3)
    b = x * 1
    p, q = f.apply(x, b)
    log(q is b, state(b), grad(b.sum(), x))
    t = torch.ones(3)
    p, q = f.apply(x, t)
    log(q is t, state(t), grad(t.sum(), x))
    log(attempt(lambda: f.apply(x, (x * 1)[:2])))
    def single(ctx, a, b):
        b.mul_(2)
        ctx.mark_dirty(b)
        return b
    f = define(forward=single, backward=lambda ctx, h: (h * 20, h * 30))
    b = x * 1
    v = b[:2]
    f.apply(x[:2], v)
    log(state(v), grad((b * weights(3)).sum(), x))


@scenario
def marks_that_do_not_fit(log):
    x = leaf(1, 2, 3)
    def run(forward):
        return attempt(lambda: state(define(forward=forward, backward=lambda ctx, g: g).apply(x * 1)))
    log(run(lambda ctx, a: (ctx.mark_dirty(a), a.mul_(2) * 1)[1]))
    log(run(lambda ctx, a: (ctx.mark_dirty(a.clone()), a * 2)[1]))
    def output_marked(ctx, a):
        b = a * 2
        ctx.mark_dirty(b)
        return b
    log(run(output_marked))
    log(run(lambda ctx, a: a.mul_(2)))
    def no_gradient(ctx, a):
        ctx.mark_dirty(a)
        ctx.mark_non_differentiable(a)
        return a.mul_(2)
    log(run(no_gradient))
    f = define(forward=lambda ctx, a, b: (ctx.mark_dirty(a, b), a.mul_(2), (a, b))[2], backward=lambda ctx, g, h: (g * 2, h * 3))
    b = x * 1
    p, q = f.apply(b, b)
    log(p is q, state(b), grad(b.sum(), x))


@scenario
def change_is_counted(log):
    """mark_dirty counts a change that no operation has counted; one that is not marked may still be noticed."""
    x = leaf(1, 2, 3)
    b = x * 1
    c = b * b
    define(forward=lambda ctx, a: (ctx.mark_dirty(a), a.data.mul_(2), a)[2], backward=lambda ctx, g: g).apply(b)
    log(b._version, attempt(lambda: grad(c.sum(), x)))
    b = x * 1
    c = b * b
    y = define(forward=lambda ctx, a: a.mul_(2), backward=lambda ctx, g: g).apply(b)
    log(y is b, b._version, attempt(lambda: grad(c.sum(), x)))
    b = x * 1
    c = b * b
    y = define(forward=lambda ctx, a: a.detach(), backward=lambda ctx, g: g).apply(b)
    log(state(y), state(y.mul_(2)), b, attempt(lambda: grad(c.sum(), x)))


@scenario
def hooks_stay_and_gradient_goes(log):
    x = leaf(1, 2)
    b = x * 1
    b.retain_grad()
    b.register_hook(lambda g: log("hook", g))
    f = define(**dirty)
    f.apply(b)
    b.sum().backward()
    log(b.grad, x.grad)
    b = x * 1
    b.retain_grad()
    b.sum().backward()
    f.apply(b)
    log(b.grad)


main()
