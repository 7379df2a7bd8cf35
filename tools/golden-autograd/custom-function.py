"""Custom functions: twins of test/autograd/scenarios/custom-function.ts. Run with a Python that has PyTorch."""
import torch
from torch.autograd import grad
from torch.autograd.function import once_differentiable

from common import attempt, edges, function, leaf, main, node, scenario


@scenario
def custom_function(log):
    def forward(ctx, a, k, b):
        ctx.save_for_backward(a, b)
        ctx.k = k
        return a * b * k
    def backward(ctx, g):
        log(ctx.needs_input_grad)
        a, b = ctx.saved_tensors
        return g * b * ctx.k, None, g * a * ctx.k
    f = function(forward, backward)
    x, u = leaf(1, 2), leaf(3, 4)
    y = f(x, 5, u)
    log(y, node(y), edges(y))
    y.sum().backward()
    log(x.grad, u.grad, attempt(lambda: y.sum().backward()))
    y = f(x, 5, torch.ones(2))
    y.sum().backward()
    log(x.grad, f(torch.ones(2), 1, torch.ones(2)).requires_grad)
    v = u * 1
    y = f(x, 5, v)
    v.add_(1)
    log(attempt(lambda: y.sum().backward()))
    with torch.no_grad():
        log(f(x, 5, u).requires_grad)


@scenario
def custom_function_outputs(log):
    def backward(ctx, g, h):
        log(g, h)
        return g
    x = leaf(1, 2)
    def two(ctx, a):
        return a * 2, a * 3
    y = function(two, backward)(x)
    log(y[0].output_nr, y[1].output_nr)
    y[0].sum().backward()
    def unmaterialized(ctx, a):
        ctx.set_materialize_grads(False)
        return a * 2, a * 3
    function(unmaterialized, backward)(x)[1].sum().backward()
    def flagged(ctx, a):
        m = a * 3
        ctx.mark_non_differentiable(m)
        return a * 2, m
    y = function(flagged, backward)(x)
    log(y[0].requires_grad, y[1].requires_grad)
    y[0].sum().backward()
    y = function(lambda ctx, a: (a * 2, "s"), backward)(x)
    y[0].sum().backward()
    log(y[1], x.grad, function(lambda ctx, a: a.long(), backward)(x).requires_grad)


@scenario
def custom_function_inplace(log):
    x = leaf(1, 2, 3)
    def forward(ctx, a):
        ctx.mark_dirty(a)
        a.mul_(2)
        return a
    f = function(forward, lambda ctx, g: g * 20)
    u = x * 1
    y = f(u)
    log(y is u, node(u), u._version, u.output_nr, grad(u.sum(), x))
    u = x * 1
    f(u[0:2])
    log(grad(u.sum(), x), attempt(lambda: f(leaf(1))))
    def forgotten(ctx, a):
        ctx.mark_dirty(a)
        a.mul_(2)
        return a * 1
    log(attempt(lambda: function(forgotten, lambda ctx, g: g)(x * 1)))
    def pair(ctx, a):
        ctx.mark_dirty(a)
        a.mul_(2)
        return a.sum(), a
    f = function(pair, lambda ctx, g, h: h * 20 + g * 30)
    u = x * 1
    s, y = f(u)
    log(y is u, u.output_nr, grad(u.sum() + s, x), attempt(lambda: f((x * 1)[0:2])))
    f = function(lambda ctx, a: a, lambda ctx, g: g * 5)
    y = f(x)
    log(y is x, node(y), y._is_view(), attempt(lambda: y.add_(1)), grad(y.sum(), x))
    f = function(lambda ctx, a: a.view(3, 1), lambda ctx, g: g.view(3) * 5)
    u = x * 1
    y = f(u)
    log(y._is_view(), node(y), attempt(lambda: y.add_(1)), grad(y.sum(), x))
    u.add_(1)
    log(attempt(lambda: y.grad_fn))


@scenario
def custom_function_errors(log):
    x = leaf(1, 2, 3)
    def run(forward, backward, *args):
        return attempt(lambda: function(forward, backward)(*args).sum().backward())
    double = lambda ctx, a: a * 2
    log(run(lambda ctx, a, b: a * b, lambda ctx, g: g, x, x * 2), run(double, lambda ctx, g: (g, g), x), run(double, lambda ctx, g: (g, None), x))
    log(run(double, lambda ctx, g: torch.ones(2), x), run(double, lambda ctx, g: torch.ones(2, 3), x), run(double, lambda ctx, g: g.double(), x))
    log(run(double, lambda ctx, g: None, x), x.grad, x.grad.dtype == torch.float32)
    log(attempt(lambda: function(lambda ctx, a: (ctx.save_for_backward(3), a * 2)[1])(x))[:50])


@scenario
def custom_function_double(log):
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a ** 3
    f = function(forward, lambda ctx, g: ctx.saved_tensors[0] ** 2 * 3 * g)
    x = leaf(2)
    g, = grad(f(x), x, create_graph=True)
    log(g, grad(g, x))
    def saved_output(ctx, a):
        r = a.exp()
        ctx.save_for_backward(r)
        return r
    def of_output(ctx, g):
        r, = ctx.saved_tensors
        log(node(r))
        return r * g
    x = leaf(0)
    g, = grad(function(saved_output, of_output)(x), x, create_graph=True)
    h, = grad(g, x, create_graph=True)
    log(g, h, grad(h, x))
    f = function(forward, once_differentiable(lambda ctx, g: ctx.saved_tensors[0] ** 2 * 3 * g))
    x = leaf(2)
    g, = grad(f(x), x, create_graph=True)
    log(g, g.requires_grad)
    w = leaf(1)
    g, = grad(f(x), x, w, create_graph=True)
    log(g.requires_grad, attempt(lambda: grad(g, w)))
    def setup(ctx, inputs, output):
        ctx.k = inputs[1]
        ctx.save_for_backward(inputs[0], output)
    f = function(lambda a, k: a * k, lambda ctx, g: (g * ctx.k, None), setup)
    y = f(x, 4)
    log(y, grad(y, x))


main()
