"""Custom functions in forward mode: twins of test/autograd/scenarios/function-forward.ts."""
import torch
import torch.autograd.forward_ad as fwAD
from torch.autograd import Function, grad

from common import attempt, define, leaf, main, scenario

dual_level, make_dual, unpack_dual = fwAD.dual_level, fwAD.make_dual, fwAD.unpack_dual


def f32(*values):
    return torch.tensor([float(v) for v in values])


def tangent(t):
    return unpack_dual(t).tangent


def same(ctx, g):
    return g


@scenario
def tutorial_jvp(log):
    class Fn(Function):
        @staticmethod
        def forward(ctx, foo):
            result = torch.exp(foo)
            ctx.result = result
            return result
        @staticmethod
        def jvp(ctx, gI):
            gO = gI * ctx.result
            del ctx.result
            return gO
    primal, direction = f32(1, 2), f32(3, 0.5)
    with dual_level():
        out = Fn.apply(make_dual(primal, direction))
        log(out, tangent(out), out.requires_grad)
    def vjp(ctx, g):
        return g * ctx.saved_tensors[0]
    with dual_level():
        y = define(forward=lambda ctx, a: a * 2, vjp=vjp).apply(primal)
        log(tangent(y))
        log(attempt(lambda: define(forward=lambda ctx, a: a * 2, vjp=vjp).apply(make_dual(primal, direction))))


@scenario
def saved_for_forward(log):
    def forward(ctx, x, y, z):
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y, None)
        ctx.z = z
        log(ctx.saved_tensors)
        return x * y * z
    def jvp(ctx, x_t, y_t, z_t):
        x, y, nothing = ctx.saved_tensors
        log(nothing, z_t, x_t, y_t, tangent(x), torch.is_grad_enabled())
        return ctx.z * (y * x_t + x * y_t)
    def vjp(ctx, g):
        x, y = ctx.saved_tensors
        return ctx.z * g * y, ctx.z * g * x, None
    f = define(forward=forward, jvp=jvp, vjp=vjp)
    a, b = leaf(1, 2), leaf(3, 4)
    with dual_level():
        y = f.apply(make_dual(a, f32(1, 1)), b, 4)
        log(y, tangent(y), y.requires_grad, tangent(y).requires_grad)
        log(grad(y.sum(), [a, b], retain_graph=True), y.grad_fn.saved_for_forward)
        log(grad(tangent(y).sum(), [b]))
    y = f.apply(a, b, 4)
    log(grad(y.sum(), [a, b]))


@scenario
def materialized_tangents(log):
    def forward(ctx, x, y, i, materialize):
        ctx.set_materialize_grads(materialize)
        return x * y + i
    def jvp(ctx, *tangents):
        log(tangents)
        return tangents[0]
    f = define(forward=forward, jvp=jvp)
    with dual_level():
        d = make_dual(f32(1, 2), f32(1, 0))
        for materialize in (True, False):
            f.apply(d, f32(3, 4), torch.tensor([1, 2]), materialize)


@scenario
def several_outputs(log):
    def forward(ctx, x):
        y = x * 2
        ctx.mark_non_differentiable(y)
        return x * x, y, x.long(), "s", x * 3
    def run(*results):
        f = define(forward=forward, jvp=lambda ctx, t: results)
        with dual_level():
            out = f.apply(make_dual(f32(1, 2), f32(1, 0)))
            return [tangent(t) for t in out if isinstance(t, torch.Tensor)]
    t = f32(5, 6)
    log(attempt(lambda: run(t, None, None, None, t * 2)))
    log(attempt(lambda: run(t, t, None, None, t)), attempt(lambda: run(t, None, t, None, t)))
    log(attempt(lambda: run(t)), attempt(lambda: run(t, None, None, None, t, None)), attempt(lambda: run(t, None, None, None, 3)))
    log(attempt(lambda: run(t[:1], None, None, None, t)), attempt(lambda: run(t, None, None, t, t)))


@scenario
def views_and_inputs_as_they_are(log):
    x, t = f32(1, 2, 3), f32(1, 0, 2)
    def run(forward, jvp):
        f = define(forward=forward, jvp=jvp, backward=same)
        with dual_level():
            d = make_dual(x, t)
            y = f.apply(d)
            return [y is d, y._is_view(), tangent(y), tangent(y)._is_view()]
    view = lambda ctx, a: a.view(3, 1)
    log(attempt(lambda: run(view, lambda ctx, g: g.view(3, 1))))
    log(attempt(lambda: run(view, lambda ctx, g: g.view(3, 1).clone())))
    log(attempt(lambda: run(view, lambda ctx, g: g.clone().view(3, 1))))
    as_is = lambda ctx, a: a
    log(attempt(lambda: run(as_is, lambda ctx, g: g.view_as(g))))
    log(attempt(lambda: run(as_is, lambda ctx, g: g)))
    log(attempt(lambda: run(as_is, lambda ctx, g: g * 2)))


@scenario
def inputs_changed(log):
    t = f32(1, 0, 2)
    def run(jvp, tangents=True):
        def forward(ctx, a):
            ctx.mark_dirty(a)
            return a.mul_(2)
        f = define(forward=forward, jvp=jvp, backward=same)
        with dual_level():
            d = make_dual(f32(1, 2, 3), t.clone())
            before = tangent(d)
            y = f.apply(d)
            return [y is d, y, tangent(y), tangent(y) is before]
    log(attempt(lambda: run(lambda ctx, g: g.mul_(2))))
    log(attempt(lambda: run(lambda ctx, g: g * 2)))
    log(attempt(lambda: run(lambda ctx, g: g.mul_(2).clone())))
    def becomes(ctx, a, b):
        ctx.mark_dirty(a)
        return a.mul_(b)
    f = define(forward=becomes, jvp=lambda ctx, a_t, b_t: b_t * 5, backward=same)
    with dual_level():
        base = torch.ones(3)
        f.apply(base, make_dual(f32(1, 2, 3), t))
        log(base, tangent(base))
        base = torch.ones(4)
        f.apply(base[1:], make_dual(f32(1, 2, 3), t))
        log(base, tangent(base))


@scenario
def forward_mode_is_off_inside(log):
    def forward(ctx, a):
        log(tangent(a), tangent(a * 2), fwAD._is_fwd_grad_enabled())
        return a * 2
    def jvp(ctx, t):
        log(fwAD._is_fwd_grad_enabled(), torch.is_grad_enabled())
        return t * 2
    with dual_level():
        d = make_dual(f32(1, 2), f32(1, 0))
        log(tangent(define(forward=forward, jvp=jvp).apply(d)), fwAD._is_fwd_grad_enabled())


@scenario
def tangents_with_history(log):
    """The tangent that jvp makes has a history: a Hessian-vector product through a custom function."""
    class Cube(Function):
        @staticmethod
        def forward(x):
            return x ** 3
        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])
            ctx.save_for_forward(inputs[0])
        @staticmethod
        def backward(ctx, g):
            return 3 * ctx.saved_tensors[0] ** 2 * g
        @staticmethod
        def jvp(ctx, t):
            return 3 * ctx.saved_tensors[0] ** 2 * t
    x = leaf(1, 2)
    with dual_level():
        y = Cube.apply(make_dual(x, f32(1, 3)))
        log(tangent(y), grad(tangent(y).sum(), x))
        d = make_dual(x, f32(1, 3))
        g, = grad(Cube.apply(d).sum(), d, create_graph=True)
        log(g, tangent(g))


main()
