"""Custom functions inside transformations: twins of test/autograd/scenarios/function-func.ts."""
import torch
from torch.autograd import Function
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from common import attempt, define, leaf, main, scenario


def f32(*values):
    return torch.tensor([float(v) for v in values])


def matrix(rows, columns):
    return torch.arange(float(rows * columns)).view(rows, columns)


def cube(**more):
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
    slope = lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g
    return define("Cube", forward=lambda x: x ** 3, setup_context=setup_context, backward=slope, jvp=slope, **more)


@scenario
def without_setup_context(log):
    x = f32(1, 2, 3)
    f = define("Old", forward=lambda ctx, t: t * 2, backward=lambda ctx, g: g * 2)
    log(attempt(lambda: grad(lambda t: f.apply(t).sum())(x)), attempt(lambda: vmap(f.apply)(x)))
    log(attempt(lambda: jvp(f.apply, (x,), (x,))), attempt(lambda: vmap(lambda t: f.apply(x) * t)(x)))


@scenario
def every_transformation(log):
    x, one = f32(1, 2, 3), f32(1, 1, 1)
    for f in (cube(), cube(generate_vmap_rule=True)):
        total = lambda t: f.apply(t).sum()
        log(grad(total)(x), grad(lambda s: grad(total)(s).sum())(x), jvp(f.apply, (x,), (one,)))
        log(jvp(grad(total), (x,), (one,)), grad(lambda s: jvp(f.apply, (s,), (one,))[1].sum())(x))
        y, pull = vjp(f.apply, x)
        log(y, pull(f32(1, 0, 2)))
        for transformed in (vmap(f.apply), vmap(grad(f.apply)), grad(lambda t: vmap(f.apply)(t).sum())):
            log(attempt(lambda: transformed(x)))
        for transformed in (jacrev(f.apply), jacfwd(f.apply), hessian(total)):
            log(attempt(lambda: transformed(x)))
    f = cube(generate_vmap_rule=True)
    log(vmap(vmap(f.apply))(matrix(2, 2)), vmap(vmap(grad(f.apply)))(matrix(2, 2)), vmap(jacrev(f.apply))(matrix(2, 2)))


@scenario
def vmap_not_supported(log):
    x = f32(1, 2)
    log(attempt(lambda: vmap(cube().apply)(x)), attempt(lambda: vmap(lambda t: cube().apply(x) + t)(x)))
    both = cube(generate_vmap_rule=True, vmap=lambda info, dims, x: (x, 0))
    log(attempt(lambda: vmap(both.apply)(x)))
    for result in (5, (x,), (x, 0, 0), (x, (0, 0))):
        f = cube(vmap=lambda info, dims, x: result)
        log(attempt(lambda: vmap(f.apply)(x)))


@scenario
def own_vmap(log):
    def rule(info, in_dims, x, y, k):
        log(info.batch_size, info.randomness, in_dims, list(x.shape), list(y.shape), k)
        x = x.movedim(in_dims[0], -1) if in_dims[0] is not None else x.unsqueeze(-1)
        y = y.movedim(in_dims[1], -1) if in_dims[1] is not None else y.unsqueeze(-1)
        z, w = f.apply(x, y, k)
        return (z, w), (-1, z.ndim - 1)
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], inputs[1])
        ctx.k = inputs[2]
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return g * y * ctx.k + h, (g * x * ctx.k + h).sum_to_size(y.shape), None
    f = define("Pair", forward=lambda x, y, k: (x * y * k, x + y), setup_context=setup_context, backward=backward, vmap=rule)
    x, y = matrix(2, 3), f32(1, 2, 3)
    log(vmap(lambda a, b: f.apply(a, b, 2))(x, x + 1))
    log(vmap(lambda a, b: f.apply(a, b, 2), in_dims=(1, None), randomness="same")(x, f32(1, 2)))
    log(vmap(lambda b: f.apply(x, y, 3)[0] + b)(f32(1, 2)))
    log(vmap(grad(lambda a, b: f.apply(a, b, 2)[0].sum()), in_dims=(0, None))(x, y))


@scenario
def generated_rule(log):
    """Several inputs and outputs, some the same for all samples."""
    def setup_context(ctx, inputs, output):
        a, b, k = inputs
        log(list(a.shape), list(b.shape), list(output[0].shape), ctx.needs_input_grad)
        ctx.save_for_backward(a, b, output[0])
        ctx.k = k
    def backward(ctx, g, h):
        a, b, out = ctx.saved_tensors
        log(list(g.shape), list(a.shape), list(b.shape), list(out.shape))
        return g * b * ctx.k, g * a * ctx.k + h * 2 * b, None
    f = define("Two", forward=lambda a, b, k: (a * b * k, b * b), setup_context=setup_context, backward=backward, generate_vmap_rule=True)
    x, w = matrix(2, 3), f32(1, 2, 3)
    log(vmap(lambda a: f.apply(a, w, 2))(x))
    log(vmap(grad(lambda a, b: sum(t.sum() for t in f.apply(a, b, 2)), argnums=(0, 1)), in_dims=(0, None))(x, w))
    log(grad(lambda a, b: sum(t.sum() for t in vmap(lambda r: f.apply(r, b, 2))(a)), argnums=(0, 1))(x, w))
    log(grad(lambda a, b: vmap(lambda c: f.apply(c, b, 2)[0], in_dims=1, out_dims=1)(a).sum(), argnums=(0, 1))(x, f32(1, 2)))


@scenario
def generated_rule_broadcast(log):
    """Gradients that have the shape of the output rather than of the input are summed, for each sample."""
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b, g * a
    f = define("Mul", forward=lambda a, b: a * b, setup_context=setup_context, backward=backward, generate_vmap_rule=True)
    x, w = matrix(2, 3), f32(1, 2)
    log(grad(lambda a, b: vmap(f.apply)(a, b).sum(), argnums=(0, 1))(x, w))
    log(grad(lambda a, b: vmap(f.apply, in_dims=(0, None))(a, b).sum(), argnums=(0, 1))(x, torch.ones(4, 3)))
    log(grad(lambda a, b: vmap(f.apply, in_dims=(1, 0))(a, b).sum(), argnums=(0, 1))(x, matrix(3, 1)))
    fixed = define("Fixed", forward=lambda a, b: a * b, setup_context=lambda ctx, inputs, output: None, backward=lambda ctx, g: (torch.ones(3), torch.ones(3)), generate_vmap_rule=True)
    log(grad(lambda a, b: vmap(fixed.apply, in_dims=(0, None))(a, b).sum(), argnums=(0, 1))(x, f32(1, 2, 3)))


@scenario
def once_in_transformations(log):
    """A function that leaves tensors for plain numbers."""
    def numbers(x):
        return torch.tensor([v ** 3 for v in x.tolist()])
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
    class Numbers(Function):
        @staticmethod
        def forward(x):
            return numbers(x)
        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])
        @staticmethod
        def backward(ctx, g):
            x, = ctx.saved_tensors
            return g * 3 * x * x
        @staticmethod
        def vmap(info, in_dims, x):
            x = x.movedim(in_dims[0], 0)
            return Numbers.apply(x.reshape(-1)).view(x.shape), 0
    x = f32(1, 2, 3)
    log(grad(lambda t: Numbers.apply(t).sum())(x), vmap(Numbers.apply)(matrix(2, 2)), vmap(Numbers.apply, in_dims=1)(matrix(2, 3)))
    log(vmap(grad(lambda t: Numbers.apply(t).sum()))(matrix(2, 2)))
    log(attempt(lambda: hessian(lambda t: Numbers.apply(t).sum())(x)), jacrev(jacrev(lambda t: Numbers.apply(t).sum()))(x))
    log(attempt(lambda: jvp(Numbers.apply, (x,), (x,))))


@scenario
def captured_and_outside(log):
    """Transformations within ordinary recording."""
    f = cube(generate_vmap_rule=True)
    w = leaf(1, 2)
    y = vmap(lambda t: f.apply(w) * t)(f32(1, 2, 3)).sum()
    log(torch.autograd.grad(y, w))
    g = grad(lambda t: (f.apply(t) * w).sum())(w)
    log(g.requires_grad, torch.autograd.grad(g.sum(), w))
    h = vmap(grad(f.apply))(w)
    log(h, torch.autograd.grad(h.sum(), w))
    log(grad(lambda t: (f.apply(w) * t).sum())(f32(1, 2)))


main()
