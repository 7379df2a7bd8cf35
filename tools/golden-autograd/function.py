"""Custom functions, their contexts and their errors: twins of test/autograd/scenarios/function.ts."""
import torch
from torch.autograd import Function, grad
from torch.autograd.function import FunctionCtx, InplaceFunction

from common import attempt, define, edges, leaf, main, node, scenario, short


@scenario
def context_is_node(log):
    def forward(ctx, x, scale):
        ctx.scale = scale
        ctx.save_for_backward(x)
        return x * scale
    def backward(ctx, g):
        ctx.seen = True
        log(ctx.scale, ctx.metadata["note"])
        return g * ctx.scale, None
    x = leaf(1, 2)
    y = define("Scale", forward=forward, backward=backward).apply(x, 3)
    ctx = y.grad_fn
    log(ctx is y.grad_fn, ctx.name(), ctx.scale, ctx.saved_tensors, ctx.saved_tensors[0] is x, ctx.needs_input_grad)
    log(isinstance(ctx, FunctionCtx), isinstance(ctx, torch.autograd.graph.Node), len(ctx._raw_saved_tensors))
    log([[short(f), i] for f, i in ctx.next_functions])
    ctx.metadata["note"] = "n"
    y.sum().backward()
    log(ctx.seen, ctx.scale, attempt(lambda: ctx.saved_tensors), attempt(lambda: ctx._raw_saved_tensors))


@scenario
def context_marks(log):
    """What the methods of the context leave on it."""
    def forward(ctx, x):
        y, z = x * 2, x * 3
        ctx.save_for_backward(x, y)
        ctx.mark_non_differentiable(z)
        log(len(ctx.to_save), len(ctx.non_differentiable), ctx.dirty_tensors, ctx.saved_for_forward, ctx.saved_tensors)
        return y, z
    x = leaf(1, 2)
    y, z = define(forward=forward, backward=lambda ctx, g, h: g).apply(x)
    ctx = y.grad_fn
    log(ctx.to_save, ctx.non_differentiable, ctx.saved_tensors[1].grad_fn is ctx, z.grad_fn)


@scenario
def saved_kinds(log):
    """Inputs, outputs, others and None are saved; those that are none of the graph have no history."""
    def forward(ctx, x, w):
        mid = x.exp()
        out = mid * w
        ctx.save_for_backward(x, None, mid, out, w)
        return out
    def backward(ctx, g):
        x, nothing, mid, out, w = ctx.saved_tensors
        log(nothing, mid, mid.requires_grad, node(out), x.is_leaf, node(w))
        return g * mid * w, g * mid
    x, w = leaf(0, 1), leaf(2, 3)
    y = define(forward=forward, backward=backward).apply(x, w * 1)
    log(grad(y.sum(), [x, w]))
    log(attempt(lambda: y.sum().backward()))


@scenario
def saved_again(log):
    """The last call of save_for_backward counts; the same tensor may be saved twice."""
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.save_for_backward(x * 2, x, x)
        return x * x
    def backward(ctx, g):
        a, b, c = ctx.saved_tensors
        log(a, b is c)
        return g * a
    x = leaf(3, 4)
    f = define(forward=forward, backward=backward)
    y = f.apply(x)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    log(x.grad, attempt(lambda: y.sum().backward()))


@scenario
def saved_nothing(log):
    """What saved nothing runs again; its saved_tensors are gone."""
    x = leaf(1, 2)
    y = define(forward=lambda ctx, a: a * 2, backward=lambda ctx, g: g * 2).apply(x)
    log(y.grad_fn.saved_tensors)
    s = y.sum()
    s.backward()
    log(attempt(lambda: y.grad_fn.saved_tensors))
    s.backward()
    log(x.grad)


@scenario
def saved_and_changed(log):
    def forward(ctx, a):
        out = a.exp()
        ctx.save_for_backward(a, out)
        return out
    f = define(forward=forward, backward=lambda ctx, g: g * ctx.saved_tensors[1])
    x = leaf(1, 2)
    y = f.apply(x)
    y.mul_(2)
    log(attempt(lambda: grad(y.sum(), x)))
    b = x * 1
    y = f.apply(b)
    b.zero_()
    log(attempt(lambda: grad(y.sum(), x)))
    def constant(ctx, a):
        c = a.exp()
        ctx.mark_non_differentiable(c)
        ctx.save_for_backward(c)
        return a * 2, c
    y, c = define(forward=constant, backward=lambda ctx, g, h: g * ctx.saved_tensors[0]).apply(x)
    c.add_(1)
    log(attempt(lambda: grad(y.sum(), x)))
    y, c = define(forward=constant, backward=lambda ctx, g, h: g * ctx.saved_tensors[0]).apply(x)
    c.data.add_(1)
    log(grad(y.sum(), x))


@scenario
def needs_input_grad(log):
    """It says what requires gradients, not what this pass asks for."""
    def forward(ctx, a, k, b, c):
        log(ctx.needs_input_grad)
        return a * b * k + c[0]
    def backward(ctx, g):
        log(ctx.needs_input_grad, torch.is_grad_enabled())
        return g, None, g * 2, None
    f = define(forward=forward, backward=backward)
    x, u = leaf(1, 2), leaf(3, 4)
    log(grad(f.apply(x, 2, u, [u]).sum(), x))
    log(grad(f.apply(x, 2, u, [u]).sum(), u, create_graph=True))
    f.apply(x, 2, u.detach(), [u]).sum().backward()
    f.apply(x, 2, u, [u]).sum().backward(inputs=[u])
    log(x.grad, u.grad)
    with torch.no_grad():
        f.apply(x, 2, u, [u])


@scenario
def nested_arguments(log):
    """Tensors in lists are no inputs."""
    f = define(forward=lambda ctx, l, t: l[0] * t, backward=lambda ctx, g: (None, g))
    x = leaf(1, 2)
    y = f.apply([x], x.detach())
    log(y.requires_grad)
    y = f.apply([x], x)
    log([[short(n), i] for n, i in y.grad_fn.next_functions], y.grad_fn.needs_input_grad)
    y.sum().backward()
    log(x.grad)


@scenario
def constant_inputs(log):
    """next_functions has an entry for each tensor; hooks see the gradients of all of them."""
    f = define(forward=lambda ctx, a, k, b, i: a * b + i, backward=lambda ctx, g: (g * 2, None, g * 3, None))
    x = leaf(1, 2)
    y = f.apply(x.detach(), "text", x, torch.tensor([1, 1]))
    log([[short(n), i] for n, i in y.grad_fn.next_functions])
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    y.grad_fn.register_hook(lambda gi, go: log(gi[1], gi[2], go))
    y.sum().backward()
    log(x.grad)


@scenario
def same_argument_twice(log):
    f = define(forward=lambda ctx, a, b: a * 2 + b, backward=lambda ctx, g: (g * 2, g))
    x = leaf(1, 2)
    y = f.apply(x, x)
    log(edges(y), grad(y.sum(), x))


@scenario
def outputs_of_all_kinds(log):
    def backward(ctx, *grads):
        log(grads)
        return grads[1]
    x = leaf(1, 2)
    f = define(forward=lambda ctx, a: ("s", a * 2, None, 4, a > 1, a.long()), backward=backward)
    y = f.apply(x)
    log(y, y[1].output_nr, y[4].requires_grad, y[5].grad_fn)
    y[1].sum().backward()
    y = define(forward=lambda ctx, a: (a * 2,), backward=lambda ctx, g: g).apply(x)
    log(len(y), y[0].requires_grad)
    log(define(forward=lambda ctx, a: None, backward=backward).apply(x))
    log(define(forward=lambda ctx, a: "s", backward=backward).apply(x))
    log(define(forward=lambda ctx, a: (), backward=backward).apply(x))
    y = define(forward=lambda ctx, a: (a * 2, [a * 2]), backward=lambda ctx, g, h: g).apply(x)
    log(y[0].requires_grad, y[1][0].requires_grad)


@scenario
def materialized_gradients(log):
    def backward(ctx, *grads):
        log(grads)
        return grads[0]
    x = leaf(1, 2)
    def forward(ctx, a, materialize):
        ctx.set_materialize_grads(materialize)
        c = a * 5
        ctx.mark_non_differentiable(c)
        return a * 2, c, a.long(), a * 3
    f = define(forward=forward, backward=lambda ctx, *grads: (backward(ctx, *grads), None))
    for materialize in (True, False):
        f.apply(x, materialize)[0].sum().backward()
        x.grad = None
    log(attempt(lambda: f.apply(x, "no")))
    nothing = define(forward=lambda ctx, a: (a * 2, a * 3), backward=lambda ctx, g, h: (log(g, h), g + h)[1])
    p, q = nothing.apply(x)
    y = define(forward=lambda ctx, a: a * 2, backward=lambda ctx, g: None).apply(q)
    log(grad(y.sum(), x, allow_unused=True))


@scenario
def output_returned_twice(log):
    def forward(ctx, a):
        b = a * 2
        return b, b
    x = leaf(1, 2)
    p, q = define(forward=forward, backward=lambda ctx, g, h: g + 10 * h).apply(x)
    log(p is q, p.output_nr, grad(p.sum() + 2 * q.sum(), x))
    p, q = define(forward=lambda ctx, a: (a, a), backward=lambda ctx, g, h: g + 10 * h).apply(x)
    log(p is q, p is x, p.output_nr, q.output_nr, p._is_view(), q._base is x, grad(p.sum() + 2 * q.sum(), x))


@scenario
def outputs_from_elsewhere(log):
    """A tensor that is neither input nor made in forward gets the history too."""
    x = leaf(1, 2)
    other = torch.ones(2)
    f = define(forward=lambda ctx, a: other, backward=lambda ctx, g: g * 3)
    y = f.apply(x)
    log(y is other, node(other), grad(other.sum(), x))
    other = x * 7
    y = f.apply(x)
    log(y is other, node(other), grad(other.sum(), x))
    def own_graph(ctx, a):
        with torch.enable_grad():
            inner = a.detach().requires_grad_()
            out = (inner ** 3).sum()
        ctx.inner, ctx.out = inner, out
        return out.detach()
    f = define(forward=own_graph, backward=lambda ctx, g: grad(ctx.out, ctx.inner, g)[0])
    log(grad(f.apply(x), x))
    with torch.no_grad():
        y = f.apply(x)
    log(y.requires_grad)


@scenario
def marked_non_differentiable(log):
    x = leaf(1, 2)
    def input_as_is(ctx, a):
        ctx.mark_non_differentiable(a)
        return a
    y = define(forward=input_as_is, backward=lambda ctx, g: g).apply(x)
    log(y is x, y.requires_grad, y._is_view(), x.requires_grad)
    def with_graph(ctx, a):
        with torch.enable_grad():
            y = a * 2
        ctx.mark_non_differentiable(y)
        return y
    y = define(forward=with_graph, backward=lambda ctx, g: g).apply(x)
    log(y.requires_grad, node(y))
    def view(ctx, a):
        y = a.view(2, 1)
        ctx.mark_non_differentiable(y)
        return y
    y = define(forward=view, backward=lambda ctx, g: g).apply(x)
    log(y._is_view(), y.requires_grad, node(y), attempt(lambda: y.add_(1)))
    def no_output(ctx, a):
        ctx.mark_non_differentiable(a)
        return a * 2
    log(define(forward=no_output, backward=lambda ctx, g: g).apply(x).requires_grad)


@scenario
def vjp_for_backward(log):
    x = leaf(1, 2)
    f = define(forward=lambda ctx, a: a * 2, vjp=lambda ctx, g: g * 2)
    log(grad(f.apply(x).sum(), x))
    both = define(forward=lambda ctx, a: a * 2, vjp=lambda ctx, g: g, backward=lambda ctx, g: g)
    log(attempt(lambda: both.apply(x).sum().backward()))
    neither = define(forward=lambda ctx, a: a * 2)
    y = neither.apply(x)
    log(node(y), attempt(lambda: y.sum().backward()))


@scenario
def misuse(log):
    x = leaf(1, 2)
    log(attempt(lambda: define().apply(x)))
    log(attempt(lambda: define(backward=lambda ctx, g: g).apply(x)))
    class Legacy(Function):
        def forward(self, a):
            return a * 2
    log(attempt(lambda: Legacy()(x)))
    def saves(method, value):
        def forward(ctx, a):
            getattr(ctx, method)(a, value)
            return a * 2
        return attempt(lambda: define(forward=forward, backward=lambda ctx, g: g).apply(x * 1))
    for value in (3, "s", [x]):
        for method in ("save_for_backward", "save_for_forward", "mark_non_differentiable"):
            log(saves(method, value))
    def dirty(ctx, a):
        ctx.mark_dirty(4)
        return a * 2
    log(attempt(lambda: define(forward=dirty, backward=lambda ctx, g: g).apply(x)))


@scenario
def gradients_of_the_wrong_kind(log):
    x = leaf(1, 2, 3)
    def run(result, *args):
        x.grad = None
        f = define(forward=lambda ctx, a, k, b: a * k * b, backward=lambda ctx, g: result(g))
        log(attempt(lambda: f.apply(*args).sum().backward()), x.grad)
    run(lambda g: (g, g, g), x, 2, x)
    run(lambda g: (g, None, g, None, None), x, 2, x)
    run(lambda g: (g, None, g, None, g), x, 2, x)
    run(lambda g: (g, None), x, 2, x)
    run(lambda g: g, x, 2, x)
    run(lambda g: (g, None, 3), x, 2, x)
    run(lambda g: (g, None, "s"), x, 2, x.detach())
    run(lambda g: (g, None, g[:2]), x, 2, x)
    run(lambda g: (g, None, g[:2]), x, 2, x.detach())
    run(lambda g: (g, None, g.expand(2, 3)), x, 2, x)
    run(lambda g: (g, None, g.long()), x, 2, x)
    run(lambda g: (g, None, g > 0), x, 2, x)
    run(lambda g: (g.double(), None, None), x, 2, x)
    run(lambda g: (None, None, None), x, 2, x)
    run(lambda g: (g, None, g), x, 2, torch.tensor([1, 2, 3]))
    s = torch.tensor(2.0, requires_grad=True)
    f = define(forward=lambda ctx, a, b: a * b, backward=lambda ctx, g: (g, g))
    log(grad(f.apply(x, s).sum(), [x, s]))


@scenario
def errors_in_methods(log):
    x = leaf(1, 2)
    def fails(*_):
        raise ValueError("mine")
    log(attempt(lambda: define(forward=fails, backward=fails).apply(x)), torch.is_grad_enabled())
    y = define(forward=lambda ctx, a: a * 2, backward=fails).apply(x)
    log(attempt(lambda: y.sum().backward()), torch.is_grad_enabled())
    log(attempt(lambda: y.sum().backward()))


@scenario
def separate_context(log):
    """setup_context sees the arguments and what forward returned, without recording."""
    class Power(Function):
        @staticmethod
        def forward(a, exponent):
            return a ** exponent, "s"
        @staticmethod
        def setup_context(ctx, inputs, output):
            a, ctx.exponent = inputs
            log(len(inputs), output[1], output[0].requires_grad, torch.is_grad_enabled(), ctx.needs_input_grad)
            ctx.save_for_backward(a)
        @staticmethod
        def backward(ctx, g, _):
            a, = ctx.saved_tensors
            return g * ctx.exponent * a ** (ctx.exponent - 1), None
    x = leaf(1, 2)
    y, s = Power.apply(x, 3)
    log(y, s, y.grad_fn.exponent, grad(y.sum(), x))
    class Same(Function):
        @staticmethod
        def forward(a):
            return a
        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output)
        @staticmethod
        def backward(ctx, g):
            return g
    log(attempt(lambda: Same.apply(x)), attempt(lambda: Same.apply(torch.ones(2))))
    class View(Same):
        @staticmethod
        def forward(a):
            return a.view_as(a)
    y = View.apply(x)
    log(node(y.grad_fn.saved_tensors[0]), grad(y.sum(), x), y.grad_fn.name())


@scenario
def gradient_dtypes(log):
    x = leaf(1, 2)
    def run(*dtypes, outputs=1):
        def forward(ctx, a):
            ctx.set_output_grad_dtype(*dtypes)
            return a * 2 if outputs == 1 else (a * 2, "s", a.long())
        def backward(ctx, g, *_):
            log(str(g.dtype))
            return g
        y = define(forward=forward, backward=backward).apply(x)
        return grad((y if outputs == 1 else y[0]).sum(), x)
    log(attempt(lambda: run(torch.float64)), attempt(lambda: run(None)), attempt(lambda: run()))
    log(attempt(lambda: run(torch.float64, None)), attempt(lambda: run(torch.float64, None, None, outputs=3)))
    log(attempt(lambda: run(torch.float64, torch.float64, None, outputs=3)))
    log(attempt(lambda: run(None, None, torch.float64, outputs=3)), attempt(lambda: run(3)))
    def twice(ctx, a):
        ctx.set_output_grad_dtype(None)
        ctx.set_output_grad_dtype(None)
        return a * 2
    log(attempt(lambda: define(forward=twice, backward=lambda ctx, g: g).apply(x)))


@scenario
def class_attributes(log):
    x = leaf(1, 2)
    def boxed(ctx, grads):
        log(grads)
        first = grads.pop(0)
        return first + grads.pop()
    f = define(forward=lambda ctx, a: (a * 2, a * 3), backward=boxed, boxed_grads_call=True)
    log(grad(f.apply(x)[1].sum(), x))
    def backward(ctx, g):
        log(ctx.saved_tensors, attempt(lambda: ctx.saved_tensors))
        return g
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a * 2
    f = define(forward=forward, backward=backward, clear_saved_tensors_on_access=True)
    y = f.apply(x)
    y.sum().backward(retain_graph=True)
    log(attempt(lambda: y.sum().backward()))
    log(InplaceFunction(True).inplace, InplaceFunction().inplace, issubclass(InplaceFunction, Function))


@scenario
def subclasses(log):
    """A subclass has its own name and may call what it overrides."""
    class Square(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * a
        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]
    class Sub(Square):
        @staticmethod
        def backward(ctx, g):
            return Square.backward(ctx, g) * 3
    x = leaf(1, 2)
    log(Square.apply(x).grad_fn.name(), Sub.apply(x).grad_fn.name(), grad(Sub.apply(x).sum(), x))
    square = Square.apply
    log(grad(square(square(x)).sum(), x))


@scenario
def within_others(log):
    """apply within forward and within backward."""
    class Inner(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a.exp()
        @staticmethod
        def backward(ctx, g):
            return Inner.apply(ctx.saved_tensors[0]) * g
    class Outer(Function):
        @staticmethod
        def forward(ctx, a):
            inner = Inner.apply(a)
            log(inner.requires_grad)
            ctx.save_for_backward(a)
            return inner * 2
        @staticmethod
        def backward(ctx, g):
            return Inner.apply(ctx.saved_tensors[0]) * 2 * g
    x = leaf(0, 1)
    y = Outer.apply(x)
    g, = grad(y.sum(), x, create_graph=True)
    h, = grad(g.sum(), x, create_graph=True)
    log(node(y), g, node(g), h, grad(h.sum(), x))


main()
