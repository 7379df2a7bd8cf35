"""torch.autograd.functional: twins of test/autograd/scenarios/functional.ts. Run with a Python that has PyTorch."""
import torch
from torch.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp

from common import attempt, leaf, main, scenario


def weights(*values):
    return torch.tensor([float(v) for v in values])


def cube(x):
    return x ** 3


def mixed(x, y):
    return (x * y).sum() * x + y.exp(), x.sum() * y.sum()


@scenario
def vjp_of_one_tensor(log):
    x = weights(1, 2, 3)
    out, g = vjp(cube, x, weights(1, 0.5, -1))
    log(out, g, out.requires_grad, g.requires_grad, x.requires_grad)
    out, g = vjp(lambda t: (t * t).sum(), x)
    log(out, g)
    log(attempt(lambda: vjp(cube, x)))
    log(attempt(lambda: vjp(cube, x, weights(1, 2))))
    log(attempt(lambda: vjp(cube, x, (weights(1, 2, 3), weights(1)))))


@scenario
def vjp_of_tuples(log):
    x, y = weights(1, 2), weights(-1, 0.5)
    out, g = vjp(mixed, (x, y), (weights(1, 2), torch.tensor(3.0)))
    log(list(out), list(g), type(out) is tuple, type(g) is tuple)
    log(attempt(lambda: vjp(mixed, (x, y), weights(1, 2))))
    log(attempt(lambda: vjp(mixed, (x, y), (weights(1, 2), weights(1, 2)))))
    out, g = vjp(lambda a: (a * 2,), x, (weights(1, 1),))
    log(type(out) is tuple, type(g) is tuple, list(out), g)


@scenario
def vjp_argument_types(log):
    x = weights(1, 2)
    log(attempt(lambda: vjp(cube, 3)))
    log(attempt(lambda: vjp(cube, (x, 3))))
    log(attempt(lambda: vjp(lambda t: 2, x)))
    log(attempt(lambda: vjp(lambda t: (t, "a"), x)))
    log(attempt(lambda: vjp(cube, x, 1.5)))
    log(attempt(lambda: vjp(cube, x, (x, None))))


@scenario
def vjp_strict(log):
    x = weights(1, 2)
    log(attempt(lambda: vjp(lambda t: t.detach().sum(), x, strict=True)))
    log(attempt(lambda: vjp(lambda a, b: a.sum(), (x, x), strict=True)))
    log(attempt(lambda: list(vjp(lambda a, b: a.sum(), (x, x))[1])))
    log(attempt(lambda: vjp(lambda t: t.detach().sum(), x)[1]))
    log(attempt(lambda: vjp(lambda t: t.sum(), leaf(1, 2), create_graph=True, strict=True)))
    log(attempt(lambda: vjp(lambda t: t.pow(2).sum(), leaf(1, 2), create_graph=True, strict=True)[1]))


@scenario
def vjp_create_graph(log):
    x, v = leaf(1, 2), leaf(3, -1)
    out, g = vjp(cube, x, v, create_graph=True)
    log(out.requires_grad, g.requires_grad, g)
    log(list(torch.autograd.grad(g.sum(), (x, v))))
    out, g = vjp(cube, x.detach(), v.detach(), create_graph=True)
    log(out.requires_grad, g.requires_grad)


@scenario
def jvp_of_one_tensor(log):
    x = weights(1, 2, 3)
    out, t = jvp(cube, x, weights(1, 0.5, -1))
    log(out, t, out.requires_grad, t.requires_grad)
    log(list(jvp(lambda s: s.exp().reshape(1, 1), torch.tensor(0.5))))
    log(attempt(lambda: jvp(cube, x)))
    log(attempt(lambda: jvp(cube, x, weights(1, 2))))
    log(attempt(lambda: jvp(cube, x, (weights(1, 2, 3), weights(1)))))


@scenario
def jvp_of_tuples(log):
    x, y = weights(1, 2), weights(-1, 0.5)
    out, t = jvp(mixed, (x, y), (weights(1, 0), weights(0, 2)))
    log(list(out), list(t))
    log(attempt(lambda: jvp(mixed, (x, y), (weights(1, 0),))))
    log(attempt(lambda: jvp(mixed, (x, y), (weights(1, 0), weights(1)))))
    log(attempt(lambda: jvp(lambda a, b: a.sum(), (x, y))))


@scenario
def jvp_strict(log):
    x = weights(1, 2)
    log(attempt(lambda: jvp(lambda t: t.detach(), x, x, strict=True)))
    log(attempt(lambda: jvp(lambda a, b: a * 2, (x, x), (x, x), strict=True)))
    log(attempt(lambda: list(jvp(lambda a, b: a * 2, (x, x), (x, x)))))
    log(attempt(lambda: list(jvp(lambda t: t * 2, x, x, strict=True))))
    log(attempt(lambda: list(jvp(lambda t: t.detach(), x, x))))
    log(attempt(lambda: jvp(lambda t: t * 2, leaf(1, 2), x, create_graph=True, strict=True)))


@scenario
def jvp_create_graph(log):
    x, v = leaf(1, 2), leaf(3, -1)
    out, t = jvp(cube, x, v, create_graph=True)
    log(t, t.requires_grad, out.requires_grad)
    log(list(torch.autograd.grad(t.sum(), (x, v))))


@scenario
def jacobian_shapes(log):
    x = torch.arange(6.0).reshape(2, 3)
    j = jacobian(lambda t: t.exp().sum(1), x)
    log(list(j.shape), j)
    j = jacobian(lambda t: t.sum(), x)
    log(list(j.shape), j)
    j = jacobian(lambda t: t * 3, torch.tensor(2.0))
    log(list(j.shape), j)
    j = jacobian(lambda t: (t[0], t[1] * 2), x)
    log(type(j) is tuple, [list(p.shape) for p in j])
    log(attempt(lambda: jacobian(lambda t: t[:0], x[0])))


@scenario
def jacobian_of_tuples(log):
    x, y = weights(1, 2), weights(-1, 0.5, 2)

    def f(a, b):
        return a.sum() * b, a * a

    j = jacobian(f, (x, y))
    log([[list(p.shape) for p in row] for row in j], [list(row) for row in j])
    j = jacobian(lambda a, b: a.sum() * b, (x, y))
    log(type(j) is tuple, list(j))
    log(jacobian(lambda a: (a * 2, a.sum()), x)[1])
    log(attempt(lambda: jacobian(lambda a: (a, 3), x)))
    log(attempt(lambda: jacobian(cube, (x, "no"))))


@scenario
def jacobian_strict(log):
    x, y = weights(1, 2), weights(3)
    log(attempt(lambda: jacobian(lambda a: a.detach(), x, strict=True)))
    log(attempt(lambda: jacobian(lambda a, b: a * 2, (x, y), strict=True)))
    log(attempt(lambda: list(jacobian(lambda a, b: a * 2, (x, y)))))
    log(attempt(lambda: jacobian(lambda a: a * 2, leaf(1, 2), create_graph=True, strict=True)))
    log(attempt(lambda: jacobian(lambda a: a.clone(), x, strict=True)))
    log(attempt(lambda: jacobian(lambda a: a.detach(), x)))


@scenario
def jacobian_create_graph(log):
    x = leaf(1, 2)
    j = jacobian(cube, x, create_graph=True)
    log(j, j.requires_grad, torch.autograd.grad(j.sum(), x)[0])
    j = jacobian(cube, x)
    log(j.requires_grad)
    j = jacobian(cube, x.detach(), create_graph=True)
    log(j.requires_grad)


@scenario
def jacobian_of_captured_input(log):
    x = leaf(1, 2)
    j = jacobian(lambda t: t * x, x, create_graph=True)
    log(j, torch.autograd.grad(j.sum(), x)[0])
    log(jacobian(lambda t: x * 2 + t * 0, x), x.grad)


@scenario
def jacobian_vectorized(log):
    x, y = weights(1, 2), weights(-1, 0.5, 2)

    def f(a, b):
        return a.sum() * b.exp(), a * a, a.detach()

    slow, fast = jacobian(f, (x, y)), jacobian(f, (x, y), vectorize=True)
    log([[list(p.shape) for p in row] for row in fast], [list(row) for row in fast])
    log(all(torch.equal(p, q) for r, s in zip(slow, fast) for p, q in zip(r, s)))
    log(jacobian(lambda a: a.sin().reshape(1, 2), x, vectorize=True))
    log(jacobian(lambda a: torch.stack([a, a.flip(0)]).matmul(a), x, vectorize=True))
    log(attempt(lambda: jacobian(cube, x, strict=True, vectorize=True)))
    log(attempt(lambda: jacobian(lambda a: a.detach(), x, vectorize=True)))


@scenario
def jacobian_vectorized_create_graph(log):
    x = leaf(1, 2, -1)
    j = jacobian(lambda t: t.pow(3) * t.sum(), x, create_graph=True, vectorize=True)
    log(j, j.requires_grad, torch.autograd.grad((j * j).sum(), x)[0])


@scenario
def jacobian_strategies(log):
    x = weights(1, 2)
    log(attempt(lambda: jacobian(cube, x, strategy="sideways")))
    log(attempt(lambda: jacobian(cube, x, strategy="forward-mode")))
    log(attempt(lambda: jacobian(cube, x, strategy="forward-mode", create_graph=True)))
    log(attempt(lambda: jacobian(cube, x, strategy="forward-mode", strict=True)))
    log(attempt(lambda: hessian(lambda t: t.pow(3).sum(), x, outer_jacobian_strategy="sideways")))
    log(attempt(lambda: hessian(lambda t: t.pow(3).sum(), x, outer_jacobian_strategy="forward-mode")))


@scenario
def jacobian_of_a_layer(log):
    x = torch.arange(6.0).reshape(2, 3) / 10
    w = torch.arange(12.0).reshape(4, 3) / 7 - 0.5
    b = weights(0.1, -0.2, 0.3, 0.4)

    def net(inp):
        return torch.nn.functional.linear(inp, w, b).tanh()

    j = jacobian(net, x)
    log(list(j.shape), j[0, :, 0], j[1, :, 0])
    jw = jacobian(lambda m: torch.nn.functional.linear(x, m, b).relu().sum(0), w, vectorize=True)
    log(list(jw.shape), jw[1])


@scenario
def hessian_shapes(log):
    x = weights(1, 2)
    log(hessian(lambda t: t.pow(3).sum(), x))
    h = hessian(lambda t: t.exp().sum().reshape(1, 1), torch.ones(2, 2))
    log(list(h.shape), h)
    log(attempt(lambda: hessian(cube, x)))
    log(attempt(lambda: hessian(lambda t: (t.sum(), t.sum()), x)))
    log(attempt(lambda: hessian(lambda t: 1, x)))
    log(attempt(lambda: hessian(lambda t: t.sum(), 5)))


@scenario
def hessian_of_tuples(log):
    x, y = weights(1, 2), torch.tensor(3.0)
    h = hessian(lambda a, b: a.pow(2).sum() * b + b ** 3, (x, y))
    log([[list(p.shape) for p in row] for row in h], [list(row) for row in h])
    h = hessian(lambda a, b: a.pow(2).sum() * b + b ** 3, (x, y), vectorize=True)
    log([list(row) for row in h])


@scenario
def hessian_strict(log):
    x = weights(1, 2)
    log(attempt(lambda: hessian(lambda t: t.detach().sum(), x, strict=True)))
    log(attempt(lambda: hessian(lambda t: (t * 2).sum(), x, strict=True)))
    log(attempt(lambda: hessian(lambda a, b: (a * a).sum(), (x, x), strict=True)))
    log(attempt(lambda: [list(r) for r in hessian(lambda a, b: (a * a).sum(), (x, x))]))
    log(attempt(lambda: hessian(lambda t: t.pow(3).sum(), x, strict=True)))
    log(attempt(lambda: hessian(lambda t: (t * 2).sum(), x)))


@scenario
def hessian_create_graph(log):
    x = leaf(1, 2)
    h = hessian(lambda t: t.pow(4).sum(), x, create_graph=True)
    log(h, h.requires_grad, torch.autograd.grad(h.sum(), x)[0])
    h = hessian(lambda t: t.pow(4).sum() * t[0], x, create_graph=True, vectorize=True)
    log(h, torch.autograd.grad(h.sum(), x)[0])


@scenario
def vhp_of_one_tensor(log):
    x = weights(1, 2)
    out, p = vhp(lambda t: t.pow(3).sum() * t[0], x, weights(1, -1))
    log(out, p, p.requires_grad)
    log(list(vhp(lambda t: t ** 4, torch.tensor(2.0))))
    log(attempt(lambda: vhp(lambda t: t.sum(), x)))
    log(attempt(lambda: vhp(cube, x, x)))
    log(attempt(lambda: vhp(lambda t: (t.sum(), t.sum()), x, x)))
    log(attempt(lambda: vhp(lambda t: t.sum(), x, weights(1))))


@scenario
def vhp_strict(log):
    x = weights(1, 2)
    log(attempt(lambda: vhp(lambda t: t.detach().sum(), x, x, strict=True)))
    log(attempt(lambda: vhp(lambda t: (t * 2).sum(), x, x, strict=True)))
    log(attempt(lambda: list(vhp(lambda t: (t * 2).sum(), x, x))))
    log(attempt(lambda: vhp(lambda a, b: a.pow(3).sum(), (x, x), (x, x), strict=True)))
    log(attempt(lambda: vhp(lambda t: t.pow(2).sum(), leaf(1, 2), x, create_graph=True, strict=True)))


@scenario
def vhp_of_tuples(log):
    x, y = weights(1, 2), torch.tensor(3.0)
    out, p = vhp(lambda a, b: a.pow(2).sum() * b, (x, y), (weights(1, 0), torch.tensor(-1.0)))
    log(out, list(p), type(out) is tuple)
    v, w = leaf(1, 2), leaf(0.5, -1)
    _, p = vhp(lambda t: t.pow(3).sum(), v, w, create_graph=True)
    log(list(torch.autograd.grad(p.sum(), (v, w))))


@scenario
def hvp_of_one_tensor(log):
    x = weights(1, 2)
    out, p = hvp(lambda t: t.pow(3).sum() * t[0], x, weights(1, -1))
    log(out, p, p.requires_grad)
    log(list(hvp(lambda t: t ** 4, torch.tensor(2.0))))
    log(attempt(lambda: hvp(lambda t: t.sum(), x)))
    log(attempt(lambda: hvp(cube, x, x)))
    log(attempt(lambda: hvp(lambda t: "text", x, x)))
    h = hessian(lambda t: t.pow(3).sum() * t[0], x)
    log(torch.allclose(h @ weights(1, -1), p), torch.allclose(p, vhp(lambda t: t.pow(3).sum() * t[0], x, weights(1, -1))[1]))


@scenario
def hvp_strict(log):
    x = weights(1, 2)
    log(attempt(lambda: hvp(lambda t: t.detach().sum(), x, x, strict=True)))
    log(attempt(lambda: hvp(lambda t: (t * 2).sum(), x, x, strict=True)))
    log(attempt(lambda: list(hvp(lambda t: t.pow(2).sum(), x, x, strict=True))))
    log(attempt(lambda: list(hvp(lambda t: (t * 2).sum(), x, x))))
    log(attempt(lambda: hvp(lambda a, b: a.pow(3).sum(), (x, x), (x, x), strict=True)))
    log(attempt(lambda: hvp(lambda t: t.pow(2).sum(), leaf(1, 2), x, create_graph=True, strict=True)))


@scenario
def hvp_of_tuples(log):
    x, y = weights(1, 2), torch.tensor(3.0)
    out, p = hvp(lambda a, b: a.pow(2).sum() * b, (x, y), (weights(1, 0), torch.tensor(-1.0)))
    log(out, list(p))
    v, w = leaf(1, 2), leaf(0.5, -1)
    _, p = hvp(lambda t: t.pow(3).sum(), v, w, create_graph=True)
    log(list(torch.autograd.grad(p.sum(), (v, w))))


@scenario
def products_without_grad_mode(log):
    x = weights(1, 2)
    with torch.no_grad():
        log(list(vjp(cube, x, x)), list(jvp(cube, x, x)))
        log(jacobian(cube, x), hessian(lambda t: t.pow(3).sum(), x))
        out, g = vjp(cube, leaf(1, 2), x, create_graph=True)
        log(out.requires_grad, g.requires_grad)


@scenario
def batched_grad_outputs(log):
    x = leaf(1, 2, 3)
    y = x.pow(2) * x.sum()
    (g,) = torch.autograd.grad(y, x, torch.eye(3), is_grads_batched=True, retain_graph=True)
    log(g, [torch.autograd.grad(y, x, row, retain_graph=True)[0] for row in torch.eye(3)])
    (g,) = torch.autograd.grad(y, x, torch.eye(3)[:2], is_grads_batched=True, create_graph=True)
    log(list(g.shape), g.requires_grad, torch.autograd.grad(g.pow(2).sum(), x)[0])
    log(attempt(lambda: torch.autograd.grad(x * 2, x, torch.ones(3), is_grads_batched=True)))
    log(attempt(lambda: torch.autograd.grad(x * 2, x, torch.ones(2, 4), is_grads_batched=True)))
    unused = leaf(1)
    grads = torch.autograd.grad(x * 2, (x, unused), torch.eye(3), is_grads_batched=True, allow_unused=True)
    log(grads[0], grads[1])


main()
