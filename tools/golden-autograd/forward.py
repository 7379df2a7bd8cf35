"""Forward-mode differentiation: twins of test/autograd/scenarios/forward.ts."""
import torch
import torch.autograd.forward_ad as fwAD
from torch import nn
from torch.autograd import grad

from common import attempt, leaf, main, node, scenario

dual_level, make_dual, unpack_dual = fwAD.dual_level, fwAD.make_dual, fwAD.unpack_dual


def f32(*values):
    return torch.tensor([float(v) for v in values])


def tangent(t):
    return unpack_dual(t).tangent


@scenario
def tutorial_basics(log):
    primal, direction = f32(1, 2, 3), f32(1, 0, 2)
    with dual_level():
        dual = make_dual(primal, direction)
        log(tangent(dual) is direction)
        out = dual ** 2 + torch.sin(dual)
        p, t = unpack_dual(out)
        log(p, t, unpack_dual(out).primal, len(unpack_dual(out)), tangent(dual * 2 + primal))
    log(tangent(out))
    with dual_level():
        log(tangent(out), tangent(dual))


@scenario
def tutorial_modules(log):
    """The derivative along a direction in the space of parameters."""
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    params, tangents = {}, {}
    for i, (name, p) in enumerate(model.named_parameters()):
        params[name] = torch.linspace(-1, 1, p.numel()).view(p.shape) * (i + 1) / 3
        tangents[name] = torch.linspace(1, 0, p.numel()).view(p.shape)
    x = torch.linspace(-1, 2, 12).view(4, 3)
    with dual_level():
        for name, p in params.items():
            module, field = name.split(".")
            delattr(model[int(module)], field)
            setattr(model[int(module)], field, make_dual(p, tangents[name]))
        out = model(x)
        log(out, tangent(out))
    with dual_level():
        y = nn.functional.linear(make_dual(x, torch.ones(4, 3)), params["0.weight"], params["0.bias"])
        log(tangent(y), tangent(y.relu().mean()))


@scenario
def levels(log):
    x, t = f32(1, 2), f32(1, 0)
    log(attempt(lambda: make_dual(x, t)), attempt(lambda: fwAD.exit_dual_level()))
    level = fwAD.enter_dual_level()
    d = make_dual(x, t)
    log(level, tangent(d), attempt(lambda: fwAD.enter_dual_level()), attempt(lambda: dual_level().__enter__()))
    log(attempt(lambda: fwAD.exit_dual_level(level=1)))
    fwAD.exit_dual_level(level=level)
    log(tangent(d))
    def fails():
        with dual_level():
            make_dual(x, t)
            raise ValueError("inside")
    log(attempt(fails), attempt(lambda: make_dual(x, t)))
    with dual_level():
        log(tangent(make_dual(x, t) * 3))
        log(attempt(lambda: make_dual(x, t, level=3)), attempt(lambda: unpack_dual(x, level=3)))


@scenario
def wrong_duals(log):
    x, t = f32(1, 2), f32(1, 0)
    with dual_level():
        d = make_dual(x, t)
        log(attempt(lambda: make_dual(d, t)), attempt(lambda: make_dual(x, d)))
        log(attempt(lambda: make_dual(torch.tensor([1, 2]), t)), attempt(lambda: make_dual(x, torch.tensor([1, 2]))))
        log(attempt(lambda: make_dual(x, t[:1])), attempt(lambda: make_dual(x, torch.tensor(1.0))))
        log(attempt(lambda: make_dual(x, t.view(2, 1))))
        log(str(tangent(make_dual(x, t.double())).dtype))
        log(attempt(lambda: unpack_dual(3)))


@scenario
def duals_are_views(log):
    x, t = f32(1, 2, 3), f32(1, 0, 2)
    with dual_level():
        d = make_dual(x, t)
        log(d._is_view(), d._base is x, tangent(x), unpack_dual(d).primal._base is x)
        d.mul_(2)
        log(x, t, tangent(x), tangent(d) is t)
        x.add_(1)
        log(unpack_dual(d).primal, tangent(d))
        u = unpack_dual(d)
        u.primal.zero_()
        log(d, tangent(d))


@scenario
def tangents_are_laid_out_alike(log):
    with dual_level():
        x = torch.ones(2, 3)
        t = torch.arange(6.0).view(3, 2).t()
        d = make_dual(x, t)
        log(tangent(d).stride(), tangent(d) is t, tangent(d))
        d = make_dual(f32(1, 2, 3), torch.tensor(2.0).expand(3))
        log(tangent(d).stride(), tangent(d.mul_(3)))
        d = make_dual(torch.ones(3, 2).t(), torch.ones(2, 3))
        log(tangent(d).stride(), tangent(d.t()).stride())
        d = make_dual(torch.ones(4)[::2], torch.ones(2))
        log(tangent(d).stride(), tangent(d[1:]))
        d = make_dual(torch.ones(0, 3), torch.ones(0, 3))
        log(tangent(d).shape[1], tangent(d.sum()))


@scenario
def what_drops_tangents(log):
    x, t = f32(1, 2, 3), f32(1, 0, 2)
    with dual_level():
        d = make_dual(x, t)
        log(tangent(d.detach()), tangent(d.data), tangent(d > 1), tangent(d.argmax()), tangent(d.long()))
        log(tangent(torch.zeros_like(d)), tangent(d.new_zeros(3)), tangent(d.sign()), tangent(d.double()), tangent(d.round()))
        with torch.no_grad():
            log(tangent(d * 2))
        with torch.inference_mode():
            log(tangent(d * 2))
        with fwAD._set_fwd_grad_enabled(False):
            log(tangent(d * 2), tangent(d))
        log(tangent(d * 2))
        e = d.clone()
        e.detach_()
        log(tangent(e))
        log(d.tolist(), d[1].item())


@scenario
def in_place(log):
    x, t = f32(1, 2, 3), f32(1, 0, 2)
    with dual_level():
        d = make_dual(x, t)
        def run(f, start=None):
            w = d.clone() if start is None else start
            before = tangent(w)
            f(w)
            log(unpack_dual(w), before is None or tangent(w) is before)
        run(lambda w: w.mul_(2))
        run(lambda w: w.mul_(d))
        run(lambda w: w.pow_(3))
        run(lambda w: w.exp_())
        run(lambda w: w.add_(f32(1, 1, 1)))
        run(lambda w: w.zero_())
        run(lambda w: w.fill_(3.0))
        run(lambda w: w.fill_(d.sum()))
        run(lambda w: w.copy_(f32(7, 8, 9)))
        run(lambda w: w.clamp_(1.5, 2.5))
        run(lambda w: w.masked_fill_(w > 2, 0.0))
        run(lambda w: w.add_(d), torch.zeros(3))
        run(lambda w: w.copy_(d), torch.zeros(3))
        run(lambda w: w.mul_(0).add_(d.detach()))
        run(lambda w: w.sub_(w))


@scenario
def in_place_on_views(log):
    x, t = f32(1, 2, 3), f32(1, 0, 2)
    with dual_level():
        d = make_dual(x, t)
        w = d.clone()
        w[1:].mul_(2)
        log(unpack_dual(w))
        w = d.clone()
        v = w[1:]
        v.mul_(d[1:])
        log(unpack_dual(w), unpack_dual(v))
        w = d.clone()
        v = w.view(3, 1)
        w.mul_(3)
        log(tangent(v), tangent(v.t()[:, :2]))
        z = torch.zeros(2, 2)
        rows = z.unbind(0)
        row = z[1]
        z[0] = d[1:]
        log(tangent(z), tangent(rows[0]), tangent(row))
        z = torch.zeros(3)
        v = z[:2]
        v.copy_(d[1:])
        log(tangent(z), tangent(v), tangent(z[1:]))
        base = torch.ones(3)
        b = base[:2]
        e = make_dual(b, f32(1, 1))
        e.mul_(2)
        log(base, tangent(base), tangent(b), tangent(e))
        b.mul_(d[:2])
        log(base, tangent(base), tangent(b), tangent(e))


@scenario
def base_of_a_dual(log):
    """A change of the base with tangents does not reach a dual made of its view, and the other way round."""
    with dual_level():
        base = f32(1, 2, 3)
        v = base[:2]
        d = make_dual(f32(1, 1, 1), f32(5, 6, 7))
        v.add_(d[:2])
        log(tangent(base), tangent(v))
        base.mul_(2)
        log(tangent(base), tangent(v))
        base.copy_(f32(1, 2, 3))
        log(tangent(base), tangent(v))
        v.add_(d[1:])
        log(tangent(base), tangent(base.view(3, 1)[1:]))


@scenario
def reverse_of_forward(log):
    """A tangent that depends on leaves can be differentiated: Hessian-vector products."""
    x, v = leaf(1, 2, 3), f32(1, 0, 2)
    with dual_level():
        y = (make_dual(x, v) ** 3).sum()
        p, t = unpack_dual(y)
        log(p.requires_grad, t.requires_grad, t)
    log(grad(t, x, retain_graph=True), grad(p, x))
    hessian = []
    for i in range(3):
        with dual_level():
            d = make_dual(x, torch.eye(3)[i])
            out = d.prod() + (d[0] * d[1]).exp()
            hessian.append(grad(tangent(out), x)[0])
    log(hessian)
    s = leaf(2)
    with dual_level():
        d = make_dual(f32(3), s)
        log(d.requires_grad, (d * 2).requires_grad, tangent(d * 2).requires_grad, grad(tangent(d * d), s))


@scenario
def forward_of_reverse(log):
    x = leaf(1, 2, 3)
    hessian = []
    for i in range(3):
        with dual_level():
            d = make_dual(x, torch.eye(3)[i])
            out = d.prod() + (d[0] * d[1]).exp()
            g, = grad(out, d, create_graph=True)
            hessian.append(tangent(g))
    log(hessian)
    with dual_level():
        w = leaf(1, 2, 3)
        loss = (w ** 2 * make_dual(f32(3, 4, 5), f32(1, 1, 1))).sum()
        g, = grad(loss, w)
        log(g, tangent(g), tangent(loss))


@scenario
def accumulated_gradient(log):
    with dual_level():
        w = leaf(1, 2)
        (w * make_dual(f32(3, 4), f32(1, 2))).sum().backward()
        log(w.grad, tangent(w.grad))
        (w * f32(3, 4)).sum().backward()
        log(w.grad, tangent(w.grad))
        d = make_dual(w, f32(1, 1))
        (d * d).sum().backward()
        log(w.grad, tangent(w.grad))


@scenario
def mixed_inputs(log):
    """Numbers, constants and tensors without tangents; broadcasting; other dtypes."""
    x, t = f32(1, 2, 3), f32(1, 0, 2)
    with dual_level():
        d = make_dual(x, t)
        col = make_dual(torch.ones(2, 1), f32(1, 2).view(2, 1))
        log(tangent(d * col), tangent(col + x), tangent(3 - d), tangent(2.0 / d), tangent(d.add(col, alpha=2)))
        m = torch.arange(6.0).view(2, 3)
        log(tangent(m @ d), tangent(torch.addmv(f32(1, 1), m, d)), tangent(d.dot(d)), tangent(torch.outer(d, x)))
        e = d.double() * x
        log(str(e.dtype), str(tangent(e).dtype), tangent(e))
        i = d * torch.tensor([1, 2, 3])
        log(tangent(i), tangent(torch.where(x > 1, d, 0.0)), tangent(torch.cat([d, x, d[:1]])))
        log(tangent(d.max()), tangent(d.max(0).values), tangent(d.sort(descending=True)[0]), tangent(d.cumsum(0)))
        log(tangent(d.softmax(0)), tangent(d.var()), tangent(d.norm()), tangent(d[[2, 0]]), tangent(torch.stack([d, d]).mean(0)))


@scenario
def several_outputs(log):
    x, t = torch.arange(6.0).view(3, 2), torch.ones(3, 2)
    with dual_level():
        d = make_dual(x, t)
        log([tangent(p) for p in d.split([1, 2])], [tangent(p) for p in d.unbind(1)], [tangent(p) for p in d.t().chunk(2)])
        values, indices = d.max(0)
        log(tangent(values), tangent(indices))
        var, mean = torch.var_mean(d * d, 0)
        log(tangent(var), tangent(mean))
        values, indices = (d * d).topk(1, 0)
        log(tangent(values))
        log([tangent(p) for p in torch.unbind(x)])


@scenario
def out_variants(log):
    x, t = f32(1, 2), f32(1, 0)
    with dual_level():
        d = make_dual(x, t)
        log(attempt(lambda: torch.mul(d, 2, out=torch.empty(2)))[:48])
        log(attempt(lambda: torch.mul(x, 2, out=d))[:48], tangent(d))


@scenario
def identity_of_zeros(log):
    """An op between tensors without tangents has none, also where a base got one."""
    x, t = f32(1, 2), f32(1, 0)
    with dual_level():
        d = make_dual(x, t)
        log(tangent(x * 2), tangent((d * 0)), tangent(d - d), tangent(d.detach() * d))
        y = x.clone()
        log(tangent(y))
        y.mul_(d)
        log(tangent(y), tangent(x))


@scenario
def leaves(log):
    x = leaf(1, 2)
    with dual_level():
        d = make_dual(x, f32(1, 0))
        log(node(d), d.requires_grad, d.is_leaf, unpack_dual(d).primal.requires_grad)
        p, t = unpack_dual(d * d)
        log(p.requires_grad, t.requires_grad, t)
        with torch.no_grad():
            e = d * d
        log(e.requires_grad, tangent(e).requires_grad, tangent(e))
        c = make_dual(f32(3, 4), f32(1, 1))
        c.requires_grad_()
        log(c.requires_grad, tangent(c), grad((c * c).sum(), c))


@scenario
def printed(log):
    with dual_level():
        d = make_dual(f32(1, 2.5), f32(1, 0))
        log(str(d), str(d.sum()), str(d.detach()), str(make_dual(leaf(1), f32(2))))
    log(str(d))


@scenario
def normalization_and_convolution(log):
    x = torch.linspace(-1, 1, 24, dtype=torch.float64).view(2, 3, 4)
    t = torch.linspace(1, 0, 24, dtype=torch.float64).view(2, 3, 4) ** 2
    w = torch.linspace(-1, 1, 12, dtype=torch.float64).view(2, 3, 2)
    F = nn.functional
    with dual_level():
        d = make_dual(x, t)
        log(tangent(F.conv1d(d, w)), tangent(F.conv1d(x, make_dual(w, w * 2))), tangent(F.conv1d(d, make_dual(w, w))))
        log(tangent(F.layer_norm(d, [4])), tangent(F.batch_norm(d, None, None, training=True)))
        log(tangent(F.max_pool1d(d, 2)), tangent(F.avg_pool1d(d, 2)), tangent(F.gelu(d)), tangent(F.log_softmax(d, -1)))
        target = torch.tensor([[0, 1, 2, 0], [1, 1, 0, 2]])
        log(tangent(F.cross_entropy(d, target)), tangent(F.mse_loss(d, x + 1)))


main()
