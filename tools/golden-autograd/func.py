"""Scenarios of torch.func: what its transformations give, nested in all ways, and what they refuse."""
from common import *
from torch.func import (debug_unwrap, functional_call, functionalize, grad, grad_and_value, hessian, jacfwd, jacrev, jvp,
                        linearize, stack_module_state, vjp, vmap)

x = torch.tensor([1.0, 2.0, 3.0])
v = torch.tensor([0.5, -1.0, 2.0])


@scenario
def grad_of_simple_functions(log):
    log(grad(torch.sin)(torch.tensor(0.3)), grad(lambda t: t.pow(3).sum())(x))
    log(grad(grad(torch.cos))(torch.tensor(0.3)), grad(grad(grad(lambda t: t ** 4)))(torch.tensor(1.5)))
    log(grad(lambda t: torch.ones(()))(x), grad(lambda t: t[1] * t.sum())(x))


@scenario
def grad_argnums(log):
    f = lambda a, b, c: (a * b * b * c.exp()).sum()
    for n in (0, 1, -1, (0, 2), (2, 0), (-2,)):
        log(grad(f, argnums=n)(x, v, x))
    for n in (3, -4, (), (0, 0), (0, 5)):
        log(attempt(lambda: grad(f, argnums=n)(x, v, x)))
    log(attempt(lambda: grad(f, argnums="a")(x, v, x)))


@scenario
def grad_has_aux(log):
    f = lambda t: ((t * t).sum(), {"twice": t * 2, "list": [t.sum()]})
    g, aux = grad(f, has_aux=True)(x)
    log(g, aux["twice"], aux["list"], aux["twice"].requires_grad)
    g, (value, aux) = grad_and_value(f, has_aux=True)(x)
    log(g, value, aux["list"])
    log(attempt(lambda: grad(lambda t: t.sum(), has_aux=True)(x)))
    log(attempt(lambda: grad(lambda t: (t.sum(), 1, 2), has_aux=True)(x)))


@scenario
def grad_of_structures(log):
    f = lambda p, q: (p["w"] * q[0] + p["deep"][0]["b"]).sum() * q[1]
    g, (first, second) = grad(f, argnums=(0, 1))({"w": x, "deep": [{"b": v}], "unused": v}, (v, torch.tensor(2.0)))
    log(g["w"], g["deep"][0]["b"], g["unused"], first, second, sorted(g.keys()))


@scenario
def grad_refuses(log):
    log(attempt(lambda: grad(lambda t: t * 2)(x)))
    log(attempt(lambda: grad(lambda t: 3)(x)))
    log(attempt(lambda: grad(lambda t: None)(x)))
    log(attempt(lambda: grad(lambda t: (t.sum(), t.sum()))(x)))
    log(attempt(lambda: grad(lambda t: t.sum())(torch.tensor([1, 2]))))
    log(attempt(lambda: grad(lambda t: t["a"].sum())({"a": x, "b": 3})))
    log(attempt(lambda: grad(lambda t: torch.ones(()))(3)))


@scenario
def value_with_gradient(log):
    g, value = grad_and_value(lambda a, b: (a.sin() * b).sum(), argnums=1)(x, v)
    log(g, value, g.requires_grad, value.requires_grad)


@scenario
def outer_history_passes_through(log):
    w = leaf(1, 2, 3)
    g = grad(lambda t: (t.pow(3) * w).sum())(x)
    log(g.requires_grad, node(g), torch.autograd.grad(g.sum(), w))
    y = leaf(1, -1, 2)
    g = grad(lambda t: t.pow(3).sum())(y)
    g.sum().backward()
    log(y.grad)
    value = grad_and_value(lambda t: (t * w).sum())(y)[1]
    log(value.requires_grad, torch.autograd.grad(value, (y, w)))


@scenario
def no_grad_inside_and_outside(log):
    def inside(t):
        with torch.no_grad():
            shift = t * t
        return (t ** 3 - shift * t).sum()

    log(grad(inside)(x), grad(lambda u: grad(inside)(u).sum())(x))
    w = leaf(1, 2, 3)
    with torch.no_grad():
        g = grad(lambda t: (t * t * w).sum())(x)
        gg = grad(lambda u: grad(lambda t: t.pow(3).sum())(u).sum())(x)
        enabled = grad(lambda t: t.sum() * float(torch.is_grad_enabled()))(x)
    log(g, g.requires_grad, gg, enabled, torch.is_grad_enabled())


@scenario
def inplace_inside_grad(log):
    def f(t):
        y = t * 1
        y.mul_(t)
        y[0] = y.sum()
        y[1:].exp_()
        return (y * t).sum()

    log(grad(f)(x), grad(lambda u: grad(f)(u).sum())(x))
    log(attempt(lambda: grad(lambda t: t.mul_(2).sum())(x.clone())))
    log(attempt(lambda: grad(lambda t: t.view(3, 1).mul_(2).sum())(x.clone())))
    keep = x.clone()
    log(attempt(lambda: grad(lambda t: keep.copy_(t).sum())(x)))
    log(attempt(lambda: grad(lambda t: keep[0].copy_(t[0]).sum())(x)))
    log(attempt(lambda: grad(lambda t: (keep.copy_(v), t.sum())[1])(x)), keep)

    def stale(t):
        y = t.exp()
        z = y * 2
        y.add_(1)
        return z.sum() + y.sum()

    log(attempt(lambda: grad(stale)(x)))


@scenario
def factories_inside_grad(log):
    def fill(t):
        z = torch.zeros(2, 3)
        row = z[1]
        row.copy_(t * t)
        z[0, 2] = t[0]
        return z.t().pow(2).sum()

    log(grad(fill)(x), grad(lambda u: grad(fill)(u).sum())(x))
    log(grad(lambda t: t.new_ones(3).mul_(t).prod())(x))
    log(grad(lambda t: torch.empty_like(t).copy_(t).pow(2).sum())(x))
    log(grad(lambda t: (torch.eye(3) @ t).sum() + torch.full_like(t, 2.0).mul(t).sum())(x))


@scenario
def forbidden_inside_transforms(log):
    for transform in (grad, vmap):
        log(attempt(lambda: transform(lambda t: (torch.zeros(3).requires_grad_(), t.sum())[1])(x)))
        log(attempt(lambda: transform(lambda t: ((t * 2).sum().backward(), t.sum())[1])(x)))
    log(attempt(lambda: grad(lambda t: ((t * 2).retain_grad(), t.sum())[1])(x)))

    def data(t):
        z = t * 2
        z.data = torch.ones(3)
        return z.sum()

    log(attempt(lambda: grad(data)(x)))
    log(attempt(lambda: vmap(lambda t: t.data * t)(x)), grad(lambda t: (t.data * t).sum())(x))
    z = []
    log(grad(lambda t: (z.append(torch.zeros(2, requires_grad=True)), t.sum())[1])(x), z[0].requires_grad)


@scenario
def autograd_grad_inside(log):
    def f(t):
        (first,) = torch.autograd.grad((t ** 3).sum(), t, create_graph=True)
        return (first * t).sum()

    log(grad(f)(x), vmap(grad(lambda t: torch.autograd.grad(t ** 3, t, create_graph=True)[0]))(x))
    log(attempt(lambda: grad(lambda t: torch.autograd.grad(torch.ones(()), t)[0].sum())(x)))


@scenario
def saved_tensor_hooks_are_refused(log):
    def f(t):
        with torch.autograd.graph.saved_tensors_hooks(lambda s: s, lambda s: s):
            return (t * t).sum()

    def outside():
        with torch.autograd.graph.saved_tensors_hooks(lambda s: s, lambda s: s):
            return grad(lambda t: (t * t).sum())(x)

    log(attempt(lambda: grad(f)(x)), attempt(outside), attempt(lambda: vjp(f, x)), jvp(f, (x,), (v,)), vmap(f)(x))


@scenario
def detaching(log):
    log(grad(lambda t: (t.detach() * t).sum())(x), grad(lambda t: ((t * 2).detach_() * t).sum())(x))
    log(grad(lambda u: grad(lambda t: (t.detach() * t * t).sum())(u).sum())(x))
    log(jvp(lambda t: t.detach() * t, (x,), (v,)))


@scenario
def what_escapes(log):
    kept = []

    def f(t):
        kept.append(t * 2)
        return kept[-1].sum()

    grad(f)(x)
    dead = kept[0]
    log(dead + 1, (dead + 1).requires_grad, (dead * leaf(1, 1, 1)).requires_grad, dead.view(3, 1) * 2, dead.tolist())
    log(grad(lambda t: (t * dead).sum())(x))
    vmap(f)(x)
    log(attempt(lambda: kept[1] + 1), attempt(lambda: kept[1].item()))


@scenario
def flags_and_texts(log):
    def f(t):
        y = t * 2
        log(t.requires_grad, t.is_leaf, node(t), y.requires_grad, y.is_leaf, node(y), list(y.shape), str(y.dtype))
        log(str(y), debug_unwrap(y))
        return y.sum()

    def g(t):
        log(str(t), list(t.shape), t.dim(), t.requires_grad, list(debug_unwrap(t, recurse=False).shape))
        return t * 2

    grad(f)(x)
    vmap(g)(torch.ones(2, 2))
    vmap(g, in_dims=1)(torch.ones(2, 2))
    vmap(grad(lambda t: g(t).sum()))(torch.ones(2, 2))
    grad(lambda t: vmap(g)(t).sum())(torch.ones(2, 2))


@scenario
def vjp_structures(log):
    out, f = vjp(lambda a, b: {"p": a * b, "q": [a.sum()]}, x, v)
    log(out["p"], out["q"], f({"p": x, "q": [torch.tensor(2.0)]}))
    out, f, aux = vjp(lambda t: (t ** 2, {"z": t.sum()}), x, has_aux=True)
    log(out, f(v), f(x), aux["z"])
    log(vjp(lambda a, b: a * 2, x, v)[1](x))
    log(vjp(lambda t: t * 2, x)[1](x.double()))


@scenario
def vjp_refuses(log):
    log(attempt(lambda: vjp(lambda t: 3, x)), attempt(lambda: vjp(lambda t: None, x)), attempt(lambda: vjp(lambda t: (), x)))
    log(attempt(lambda: vjp(lambda t: t.long(), x)), attempt(lambda: vjp(lambda t: t, 3)))
    log(attempt(lambda: vjp(lambda t: (t, t * 2), x)[1](x)), attempt(lambda: vjp(lambda t: {"a": t}, x)[1]((x,))))
    log(attempt(lambda: vjp(lambda t: t * 2, x)[1](torch.ones(2))))
    log(attempt(lambda: vjp(lambda t: t, x, has_aux=True)))


@scenario
def pullbacks_are_differentiable(log):
    cube = lambda t: t ** 3
    log(grad(lambda t: vjp(cube, t)[1](v)[0].sum())(x), grad(lambda c: (vjp(cube, x)[1](c)[0] * x).sum())(v))
    log(vmap(vjp(cube, x)[1])(torch.eye(3)))
    log(vjp(lambda t: vjp(cube, t)[1](v)[0], x)[1](x))
    w = leaf(1, 2, 3)
    (g,) = vjp(lambda t: t ** 2 * w, x)[1](v)
    log(g, torch.autograd.grad(g.sum(), w))
    with torch.no_grad():
        log(vjp(lambda t: t ** 2 * w, x)[1](v)[0].requires_grad)


@scenario
def jvp_structures(log):
    log(jvp(lambda a, b: {"p": a * b, "q": [a.sum()]}, (x, v), (v, x))[1]["p"])
    out, tangent = jvp(lambda d: d["a"] * d["b"][0], ({"a": x, "b": [v]},), ({"a": v, "b": [x]},))
    log(out, tangent)
    log(jvp(lambda t: (t ** 2, t * 3), (x,), (v,), has_aux=True))
    log(jvp(lambda t: torch.ones(2), (x,), (v,)))
    w = leaf(1, 2, 3)
    out, tangent = jvp(lambda t: t ** 2 * w, (x,), (v,))
    log(out.requires_grad, torch.autograd.grad(tangent.sum(), w))


@scenario
def jvp_refuses(log):
    log(attempt(lambda: jvp(lambda t: t, x, x)), attempt(lambda: jvp(lambda: x, (), ())))
    log(attempt(lambda: jvp(lambda t: t, (3,), (x,))), attempt(lambda: jvp(lambda t: 3, (x,), (x,))))
    log(attempt(lambda: jvp(lambda t: None, (x,), (x,))), attempt(lambda: jvp(lambda t: t, (x,), (torch.ones(2),))))
    log(attempt(lambda: jvp(lambda t: torch.ones(2), (x,), (x,), strict=True)))
    log(attempt(lambda: jvp(lambda t: t, (x,), (x,), has_aux=True)))


@scenario
def jvp_nested(log):
    f = lambda t: (t.sin() * t).sum()
    log(jvp(lambda t: jvp(torch.sin, (t,), (v,))[1], (x,), (v,)))
    log(jvp(grad(f), (x,), (v,)), grad(lambda t: jvp(f, (t,), (v,))[1])(x))
    log(vjp(lambda t: jvp(torch.exp, (t,), (v,))[1], x)[1](v))
    log(jvp(lambda a: jvp(lambda b: a * b * b, (v,), (x,))[1], (x,), (v,)))
    log(jvp(lambda a: jvp(lambda b: b * 2, (v,), (a,))[1], (x,), (v,)))


@scenario
def jvp_inplace(log):
    p, q = x.clone(), v.clone()
    log(jvp(lambda t: t.mul_(2), (p,), (q,)), p, q)

    def f(t):
        z = torch.zeros(3)
        z.copy_(t)
        z[0] = t.sum()
        z[1:].mul_(t[1:])
        return z

    log(jvp(f, (x,), (v,)), jvp(lambda t: grad(lambda u: f(u).sum())(t), (x,), (v,)))


@scenario
def linearized(log):
    out, f = linearize(lambda a, b: {"y": a.sin() * b}, x, v)
    log(out["y"], f(v, x)["y"], f(x, v)["y"])
    g = linearize(torch.sin, x)[1]
    log(attempt(lambda: g(torch.ones(2))), attempt(lambda: g(x.double())))
    log(vmap(g)(torch.eye(3)))


@scenario
def jacobians_in_reverse(log):
    f = lambda a, b: (a * b.sum(), {"s": (a * a).sum()})
    out = jacrev(f)(x, v)
    log(out[0], out[1]["s"])
    out = jacrev(f, argnums=(0, 1))(x, v)
    log(out[0][0], out[0][1], out[1]["s"])
    for n in (1, 2, 3, 7):
        log(jacrev(torch.tanh, chunk_size=n)(x))
    log(attempt(lambda: jacrev(torch.tanh, chunk_size=0)), jacrev(lambda t: (t ** 2, t), has_aux=True)(x))
    m = torch.arange(6.0).view(2, 3)
    log(list(jacrev(lambda t: t.t() @ t)(m).shape), jacrev(lambda t: (t.t() @ t)[0])(m))
    log(attempt(lambda: jacrev(lambda t: 3)(x)), attempt(lambda: jacrev(torch.sin, argnums=1)(x)))


@scenario
def jacobians_forward(log):
    f = lambda a, b: (a * b.sum(), {"s": (a * a).sum()})
    out = jacfwd(f)(x, v)
    log(out[0], out[1]["s"])
    out = jacfwd(f, argnums=(1, 0))(x, v)
    log(out[0][0], out[0][1], out[1]["s"])
    log(jacfwd(lambda t: (t ** 2, {"a": t}), has_aux=True)(x)[1]["a"])
    m = torch.arange(6.0).view(2, 3)
    log(list(jacfwd(lambda t: t.t() @ t)(m).shape), jacfwd(lambda t: (t.t() @ t)[0])(m))


@scenario
def second_derivatives_in_four_ways(log):
    f = lambda t: (t.softmax(0).log() * v).sum() + t.prod()
    for a in (jacfwd, jacrev):
        for b in (jacfwd, jacrev):
            log(a(b(f))(x))
    log(hessian(f)(x), hessian(lambda a, b: (a ** 3 * b).sum(), argnums=(0, 1))(x, v))
    log(jacrev(hessian(lambda t: t.pow(4).sum()))(x[:2]))


@scenario
def vmap_of_gradients(log):
    m = torch.arange(6.0).view(2, 3)
    f = lambda t: (t.view(3, 1) * t[None]).expand(3, 3).transpose(0, 1).select(0, 1).pow(2).sum()
    log(vmap(grad(f))(m), torch.stack([grad(f)(r) for r in m]))
    log(vmap(jacrev(torch.sin))(m), vmap(hessian(lambda t: t.pow(3).sum()))(m))
    log(vmap(grad(lambda a, b: (a * b).sum().exp()), in_dims=(0, None))(m / 5, v))
    log(vmap(vmap(grad(lambda a: a ** 3)))(m), vmap(lambda t, s: jvp(torch.sin, (t,), (s,))[1])(m, m + 1))


@scenario
def gradient_of_vmap(log):
    m = torch.arange(6.0).view(2, 3)
    log(grad(lambda t: vmap(lambda r: r.sin() * r[0])(t).sum())(m))
    log(grad(lambda t: vmap(lambda r: (r * t).sum(), in_dims=0)(m).pow(2).sum())(x))
    log(grad(lambda t: vmap(lambda r: r.view(3, 1).expand(3, 2).t()[1, 1:].sum(), in_dims=1)(t).prod())(m.t() + 1))
    log(jacfwd(lambda t: vmap(lambda r: r.cumsum(0))(t)[1])(m), hessian(lambda t: vmap(torch.dot)(t, t).prod())(m)[0, 0])


@scenario
def vmap_inplace(log):
    m = torch.arange(6.0).view(2, 3)

    def f(r):
        z = r.new_zeros(2, 3)
        z[1] = r
        z[0].add_(r * 2)
        z.t()[0].mul_(10)
        return z

    log(vmap(f)(m), grad(lambda t: vmap(f)(t).pow(2).sum())(m))
    log(attempt(lambda: vmap(lambda r: torch.zeros(3).copy_(r))(m)))
    keep = m.clone()
    vmap(lambda r: r.mul_(2), in_dims=1)(keep)
    log(keep)


@scenario
def vmap_reads_no_values(log):
    m = torch.arange(6.0).view(2, 3)
    log(attempt(lambda: vmap(lambda r: r.sum().item())(m)), attempt(lambda: vmap(lambda r: r.tolist())(m)))
    log(attempt(lambda: vmap(lambda r: r * float(r[0]))(m)))
    log(attempt(lambda: vmap(lambda r: r if r[0].is_nonzero() else -r)(m)))
    log(grad(lambda t: t.sum() * t[1].item())(x))


@scenario
def promotion_of_samples(log):
    ints = torch.arange(3)
    for f in (lambda t: t + 1.5, lambda t: t * torch.tensor(2), lambda t: t + torch.ones(2), lambda t: t / 2):
        y = vmap(f)(ints)
        log(y, str(y.dtype))
    y = vmap(lambda t: t * torch.ones(2, dtype=torch.float64))(x)
    z = vmap(lambda t: torch.ones(2, dtype=torch.float16) * t)(x)
    log(y, str(y.dtype), z, str(z.dtype))


@scenario
def custom_functions(log):
    class Square(Function):
        @staticmethod
        def forward(t):
            return t * t

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return g * 3 * ctx.saved_tensors[0]

    class Generated(Square):
        generate_vmap_rule = True

        @staticmethod
        def jvp(ctx, t):
            return t * 5

    class ByHand(Square):
        @staticmethod
        def vmap(info, in_dims, t):
            log(info.batch_size, info.randomness, in_dims[0], list(t.shape))
            return ByHand.apply(t) + 100, in_dims[0]

    class Both(ByHand):
        generate_vmap_rule = True

    class Old(Function):
        @staticmethod
        def forward(ctx, t):
            return t * 1

    square = Square.apply
    log(grad(lambda t: square(t).sum())(x), grad(lambda u: grad(lambda t: square(t).sum())(u).sum())(x))
    log(attempt(lambda: vmap(square)(x)), attempt(lambda: jvp(square, (x,), (x,))))
    g = Generated.apply
    log(vmap(g)(x), vmap(grad(g))(x), vmap(grad(grad(g)))(x), grad(lambda t: vmap(g)(t).sum())(x), jacfwd(g)(x), jacrev(g)(x))
    h = ByHand.apply
    log(vmap(h)(x), vmap(grad(h))(x), vmap(h, in_dims=1, out_dims=1)(torch.ones(2, 3)))
    log(attempt(lambda: vmap(Both.apply)(x)), attempt(lambda: grad(lambda t: Old.apply(t).sum())(x)))
    log(attempt(lambda: vmap(Old.apply)(x)))


@scenario
def custom_function_of_several(log):
    class Two(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(a, b, k):
            return a * b * k, a + b

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0], inputs[1])
            ctx.k = inputs[2]

        @staticmethod
        def backward(ctx, g, h):
            a, b = ctx.saved_tensors
            log(list(ctx.needs_input_grad))
            return g * b * ctx.k + h, g * a * ctx.k + h, None

    two = Two.apply
    f = lambda a, b: (lambda o: (o[0] * o[1]).sum())(two(a, b, 3.0))
    log(grad(f, argnums=(0, 1))(x, v), grad(f)(x, v))
    log(vmap(lambda a: two(a, v, 2.0))(x), grad(lambda b: vmap(lambda a: two(a, b, 2.0)[0].sum())(x).sum())(v))
    log(vmap(grad(lambda a, b: two(a, b, 2.0)[0].sum()), in_dims=(0, None))(x, v))


@scenario
def functional_calls(log):
    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    one = torch.ones(1, 2)
    w = torch.ones(3, 2) / 2
    log(functional_call(net, {"0.weight": w}, one), functional_call(net, [{"0.weight": w}, {"0.bias": w[:, 0]}], (one,)))
    log(attempt(lambda: functional_call(net, 3, one)), attempt(lambda: functional_call(net, [{"0.weight": w}, 3], one)))
    log(attempt(lambda: functional_call(net, [{"0.weight": w}, {"0.weight": w}], one)))
    log(attempt(lambda: functional_call(net, {"0.weight": w}, one, strict=True)))
    params = dict(net.named_parameters())
    g = grad(lambda p: functional_call(net, p, one).sum())({k: p.detach() for k, p in params.items()})
    net(one).sum().backward()
    for k, p in params.items():
        log(k, g[k], torch.allclose(g[k], p.grad))


@scenario
def stacked_states(log):
    torch.manual_seed(5)
    models = [torch.nn.Linear(2, 1) for _ in range(3)]
    params, buffers = stack_module_state(models)
    log(list(params), [list(p.shape) for p in params.values()], [p.requires_grad for p in params.values()], list(buffers))
    one = torch.ones(4, 2)
    y = vmap(lambda p: functional_call(models[0], p, one))(params)
    log(y, torch.stack([m(one) for m in models]))
    y.sum().backward()
    log(params["weight"].grad, params["bias"].grad)
    log(attempt(lambda: stack_module_state([])), attempt(lambda: stack_module_state([models[0], torch.nn.ReLU()])))
    log(attempt(lambda: stack_module_state([models[0], torch.nn.Linear(2, 1).eval()])))


@scenario
def functionalized(log):
    def f(t):
        y = t.clone()
        y[0] = 5
        part = y.view(3, 1)
        part.mul_(2)
        y.t().add_(t)
        return y, part, part[1:].detach()

    log(functionalize(f)(x), functionalize(f, remove="mutations_and_views")(x), f(x))
    a = x.clone()
    log(functionalize(lambda t: (t.add_(1), t[1:].mul_(3))[0])(a), a)

    def fill(t):
        z = torch.zeros(2, 3)
        z[1].copy_(t)
        z.t()[0].add_(t[:2].sum())
        log(list(z.shape), z.stride())
        return z.unsqueeze_(0) * 2

    log(functionalize(fill)(x), vmap(functionalize(fill))(torch.stack([x, v])))

    def squares(t):
        z = (t * 2).view(3, 1)
        z.t()[0].add_(t.sum())
        return z.mul_(t.view(3, 1)).pow(2).sum()

    log(grad(functionalize(squares))(x), functionalize(grad(squares))(x), vmap(grad(functionalize(squares)))(torch.stack([x, v])))
    log(functionalize(lambda t: {"a": [t.mul_(2)], "b": 3})(x.clone())["a"])
    functionalize(lambda t: log(str(t * 2), t.sum().item()))(x)
    log(attempt(lambda: functionalize(lambda t: t, remove="nothing")(x)))


if __name__ == "__main__":
    main()
