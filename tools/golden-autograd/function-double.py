"""Derivatives of custom functions' gradients: twins of test/autograd/scenarios/function-double.ts."""
import torch
from torch.autograd import Function, grad
from torch.autograd.function import once_differentiable

from common import attempt, define, edges, leaf, main, node, scenario


def cube(backward):
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a ** 3
    return define("Cube", forward=forward, backward=backward)


@scenario
def third_derivative(log):
    f = cube(lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g)
    x = leaf(2, 3)
    g, = grad(f.apply(x).sum(), x, create_graph=True)
    h, = grad(g.sum(), x, create_graph=True)
    log(g, h, grad(h.sum(), x), node(g))


@scenario
def through_the_cotangent(log):
    """backward is differentiable in the gradient that it gets, too."""
    f = cube(lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g.exp())
    x, w = leaf(2, 3), leaf(0, 1)
    g, = grad(f.apply(x), x, w, create_graph=True)
    log(g, grad(g.sum(), [w, x]))


@scenario
def output_saved(log):
    def forward(ctx, a):
        out = a.exp()
        ctx.save_for_backward(out)
        return out
    f = define("Exp", forward=forward, backward=lambda ctx, g: (log(node(ctx.saved_tensors[0])), ctx.saved_tensors[0] * g)[1])
    x = leaf(0, 1)
    g, = grad(f.apply(x).sum(), x, create_graph=True)
    h, = grad(g.sum(), x, create_graph=True)
    log(g, h, grad(h.sum(), x))


@scenario
def intermediate_saved(log):
    """What is neither input nor output has no history: the second derivative is silently wrong, as PyTorch documents."""
    def forward(ctx, a):
        mid = a ** 2
        ctx.save_for_backward(mid, a)
        return mid * a
    f = define("Cube", forward=forward, backward=lambda ctx, g: 3 * ctx.saved_tensors[0] * g)
    x = leaf(2, 3)
    g, = grad(f.apply(x).sum(), x, create_graph=True)
    log(g, g.requires_grad, attempt(lambda: grad(g.sum(), x)))
    def returned(ctx, a):
        mid = a ** 2
        ctx.save_for_backward(a, mid)
        return mid * a, mid
    def backward(ctx, g, h):
        a, mid = ctx.saved_tensors
        return 3 * mid * g + 2 * a * h
    f = define("Cube", forward=returned, backward=backward)
    y, _ = f.apply(x)
    g, = grad(y.sum(), x, create_graph=True)
    log(g, grad(g.sum(), x))


@scenario
def kept_as_fields(log):
    """A tensor kept as a field has the history it had in forward: an input has, an output has not."""
    def forward(ctx, a):
        ctx.a, ctx.out = a, a.exp()
        return ctx.out
    f = define(forward=forward, backward=lambda ctx, g: (log(ctx.out.requires_grad, ctx.a.requires_grad), ctx.a.exp() * g)[1])
    x = leaf(0, 1)
    g, = grad(f.apply(x).sum(), x, create_graph=True)
    log(g, grad(g.sum(), x))


@scenario
def once_differentiable_function(log):
    x, w = leaf(2), leaf(1)
    f = cube(once_differentiable(lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g))
    g, = grad(f.apply(x), x, create_graph=True)
    log(g, g.requires_grad, attempt(lambda: grad(g, x)))
    g, = grad(f.apply(x), x, w, create_graph=True)
    log(g, g.requires_grad, node(g), edges(g), attempt(lambda: grad(g, w)), attempt(lambda: g.sum().backward()))
    y = f.apply(x)
    g, = grad((y * y).sum(), x, create_graph=True)
    log(g, attempt(lambda: g.sum().backward()), attempt(lambda: grad((g * x).sum(), x)))
    g, = grad((y * y).sum(), x)
    log(g.requires_grad)


@scenario
def once_differentiable_results(log):
    x, w = leaf(2), leaf(1)
    def run(result, create_graph=True):
        f = cube(once_differentiable(lambda ctx, g: result(g)))
        return attempt(lambda: grad(f.apply(x), x, w, create_graph=create_graph, allow_unused=True))
    log(run(lambda g: (g * 2, None, None)), run(lambda g: None), run(lambda g: 3), run(lambda g: 3, False))
    log(run(lambda g: g.requires_grad), once_differentiable(run).__name__)
    def two(ctx, a, b):
        return a * b, a + b
    f = define(forward=two, backward=once_differentiable(lambda ctx, g, h: (g + h, g - h)))
    y, z = f.apply(x, w)
    p, q = grad((y * z).sum(), [x, w], create_graph=True)
    log(p, q, p.grad_fn is q.grad_fn, p.output_nr, q.output_nr)
    log(attempt(lambda: (p + q).sum().backward()))


@scenario
def once_differentiable_decorator(log):
    class Square(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * a
        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            log(torch.is_grad_enabled())
            return 2 * g * ctx.saved_tensors[0]
    x = leaf(3)
    y = Square.apply(x)
    g, = grad(y * y, x, create_graph=True)
    log(Square.backward.__name__, g, attempt(lambda: g.sum().backward()))


@scenario
def backward_within_backward(log):
    def backward(ctx, g):
        a, = ctx.saved_tensors
        with torch.enable_grad():
            b = a.detach().requires_grad_()
            (b ** 3).sum().backward()
        log(torch.is_grad_enabled())
        return g * b.grad
    x = leaf(2, 3)
    y = cube(backward).apply(x)
    (y * 2).sum().backward()
    log(x.grad)


@scenario
def grad_within_backward(log):
    def backward(ctx, g):
        a, = ctx.saved_tensors
        with torch.enable_grad():
            y = a ** 3
            return grad(y, a, g, create_graph=True)[0]
    x = leaf(2, 3)
    f = cube(backward)
    g, = grad(f.apply(x).sum(), x, create_graph=True)
    log(g, grad(g.sum(), x))
    f.apply(x * 1).sum().backward()
    log(x.grad)


@scenario
def gradient_with_nothing(log):
    """Gradients that do not come stay zeros in the second pass too."""
    f = define(forward=lambda ctx, a, b: (a * b, a + b), backward=lambda ctx, g, h: (g * 2 + h, None))
    x, w = leaf(2), leaf(3)
    y, z = f.apply(x, w)
    log(grad(y.sum(), [x, w], allow_unused=True), grad(z.sum(), [x, w], allow_unused=True, materialize_grads=True))
    y, z = f.apply(x, w)
    g, = grad((y * y).sum(), x, create_graph=True)
    log(g, grad(g.sum(), x))


@scenario
def double_backward_of_broadcast(log):
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b, g * a
    f = define(forward=forward, backward=backward)
    x, s = leaf(1, 2, 3), torch.tensor(2.0, requires_grad=True)
    g, h = grad(f.apply(x, s).sum(), [x, s], create_graph=True)
    log(g, h, grad((g * x).sum() * h, [x, s]))


main()
