"""What real PyTorch logs in the scenarios of inference mode: see common.py."""
import torch

from common import attempt, edges, f32, leaf, main, node, scenario


def modes():
    return [torch.is_grad_enabled(), torch.is_inference_mode_enabled()]


def about(t):
    return [t.is_inference(), t.requires_grad, t._is_view(), t.is_leaf]


def inference(values):
    with torch.inference_mode():
        return f32(values)


@scenario
def nesting_with_grad_modes(log):
    with torch.inference_mode():
        log(modes())
        with torch.enable_grad():
            log(modes())
            with torch.no_grad():
                log(modes())
        with torch.inference_mode(False):
            log(modes())
            with torch.no_grad():
                log(modes())
            with torch.inference_mode(mode=True):
                log(modes())
        torch.set_grad_enabled(True)
        log(modes())
    log(modes())
    with torch.no_grad():
        with torch.inference_mode(mode=False):
            log(modes())
        log(modes())


@scenario
def what_is_an_inference_tensor(log):
    p, n = leaf(1, 2, 3), f32([1, 2, 3])
    with torch.inference_mode():
        for t in (f32([1]), p * 2, n + 1, p.clone(), torch.zeros(2, requires_grad=True), torch.empty(2), n.to(torch.float64)):
            log(about(t))
        log("aliases")
        for t in (n.view(3, 1), n[1:], n.detach(), p.detach(), p.view(1, 3), n.reshape(3), n.contiguous(), n.t(), p.data):
            log(about(t))
    log(torch.is_inference(n), torch.is_inference(inference([1.0])))


@scenario
def aliases_of_inference_tensors(log):
    with torch.inference_mode():
        w = f32([1, 2, 3])
        inside = [w.view(3, 1), w[0], w.detach()]
    for t in (*inside, w.view(3, 1), w[1:], w.detach(), w.data, w.clone(), w + 0, w.to(torch.float64), w.contiguous(), w.float()):
        log(about(t))


@scenario
def nothing_is_recorded_inside(log):
    p = leaf(1, 2)
    with torch.inference_mode():
        a = p * 3
        with torch.enable_grad():
            b = p * 3
            c = torch.ones(2, requires_grad=True)
            d = c * 2
        log(attempt(lambda: a.sum().backward()))
    for t in (a, b, c, d):
        log(about(t), node(t))


@scenario
def reading_outside(log):
    w, n, p = inference([1, 2]), f32([3, 4]), leaf(5, 6)
    log(w + n, about(w + n), (w * 2).is_inference(), w.sum().item(), w.tolist())
    s = w + p
    log(s, node(s), edges(s))
    s.sum().backward()
    log(p.grad, p.grad.is_inference())
    c = torch.cat([w, p])
    c.sum().backward()
    log(node(c), p.grad)


@scenario
def saving_for_backward(log):
    w, p = inference([1, 2]), leaf(5, 6)
    log(attempt(lambda: w * p))
    log(attempt(lambda: p * w))
    log(attempt(lambda: torch.where(w > 1, p, p * w)))
    log(attempt(lambda: torch.nn.functional.linear(w, p)))
    log(attempt(lambda: p.exp().mul_(w)))
    log(attempt(lambda: (p ** 2 + w).requires_grad))
    with torch.no_grad():
        log((w * p).requires_grad)
    c = w.clone()
    (c * p).sum().backward()
    log(p.grad, c.is_inference())


@scenario
def saving_in_a_custom_function(log):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y, g * x

    w, p = inference([1, 2]), leaf(5, 6)
    log(attempt(lambda: F.apply(w, p)))
    with torch.inference_mode():
        log(about(F.apply(w, p)))
    log(about(F.apply(w.clone(), p)))


@scenario
def no_version_counter(log):
    w, n = inference([1, 2]), f32([1, 2])
    log(attempt(lambda: w._version))
    with torch.inference_mode():
        log(attempt(lambda: w._version), attempt(lambda: w.view(2, 1)._version))
        v = n.view(2, 1)
        n.add_(1)
        v.mul_(2)
        log(n._version, v._version, n)
    log(n._version, v._version)


@scenario
def changes_outside(log):
    n, p = f32([1, 2]), leaf(1, 2)
    for change in (
        lambda w: w.add_(1),
        lambda w: w.zero_(),
        lambda w: w.copy_(n),
        lambda w: w.view(2, 1).mul_(2),
        lambda w: w[0].fill_(2),
        lambda w: w.add_(p),
        lambda w: w.requires_grad_(),
        lambda w: w.requires_grad_(False),
        lambda w: torch.add(n, n, out=w),
        lambda w: w.uniform_(),
        lambda w: w.unsqueeze_(0),
    ):
        log(attempt(lambda: change(inference([1, 2]))))
    with torch.no_grad():
        log(attempt(lambda: inference([1, 2]).add_(1)))
        log(attempt(lambda: inference([1, 2]).requires_grad_()))


@scenario
def a_detached_inference_tensor(log):
    w = inference([1, 2])
    d = w.detach()
    log(about(d), attempt(lambda: d._version), d.mul_(2).tolist(), w.tolist(), attempt(lambda: d.view(2, 1).add_(1)))
    log(attempt(lambda: d * leaf(1, 2)), attempt(lambda: d.requires_grad_()))
    w = inference([1, 2])
    log(attempt(lambda: w.data.mul_(2)), attempt(lambda: w.data._version), w)
    with torch.inference_mode():
        e = w.detach()
    log(about(e), attempt(lambda: e.mul_(2)))


@scenario
def changes_inside(log):
    w, n, p = inference([1, 2]), f32([1, 2]), leaf(1, 2)
    with torch.inference_mode():
        log(w.add_(1), w.mul_(n), w.copy_(p))
        w.requires_grad_()
        log(about(w), n.add_(w), about(n))
        log(p.add_(1), p._version, about(p))
        w[0] = 7
        log(w, torch.add(n, n, out=n))
    log(attempt(lambda: w.requires_grad), attempt(lambda: w.add_(n)))


@scenario
def changes_of_normal_tensors_by_inference_tensors(log):
    w, n, p = inference([1, 2]), f32([3, 4]), leaf(5, 6)
    n.add_(w)
    log(n, n.is_inference())
    n.copy_(w)
    log(n, torch.add(w, w, out=n), about(n))
    y = p * 1
    y.add_(w)
    log(y, node(y))
    y[0] = w[1]
    log(y, node(y))
    y.sum().backward()
    log(p.grad)


@scenario
def views_made_inside(log):
    p = leaf(1, 2) * 1
    with torch.inference_mode():
        v = p.view(2, 1)
        log(about(v))
        v.add_(1)
    log(attempt(lambda: about(v)), attempt(lambda: v.add_(1)))
    with torch.inference_mode():
        w = p.view(2, 1)
    log(about(w), attempt(lambda: w.add_(1)))
    q = leaf(1, 2) * 1
    with torch.inference_mode():
        u = q[:1]
    q.mul_(2)
    log(attempt(lambda: u.grad_fn))
    with torch.no_grad():
        t = q[:1]
    q.mul_(2)
    log(attempt(lambda: t.grad_fn))
    n = f32([1, 2])
    with torch.inference_mode():
        m = n[:1]
    m.add_(4)
    log(n, about(m), attempt(lambda: m.mul_(leaf(3))))


@scenario
def views_of_views(log):
    p = leaf(1, 2, 3) * 1
    with torch.inference_mode():
        v = p.view(3, 1)
    u = v[:2]
    log(about(u), attempt(lambda: u.add_(1)))
    with torch.inference_mode():
        w = f32([1, 2, 3])
        x = w[1:]
    y = x[1:]
    log(about(x), about(y), attempt(lambda: y.add_(1)))
    with torch.inference_mode():
        log(about(y.add_(10)))


@scenario
def leaves_made_inside(log):
    with torch.inference_mode():
        w = f32([1, 2]).requires_grad_()
        layer = torch.nn.Linear(2, 1, bias=False)
        layer.weight.fill_(0.5)
    log(about(w), about(layer.weight), isinstance(layer.weight, torch.nn.Parameter))
    # Nothing is recorded where all operands are inference tensors.
    log(about(w.exp()), about(w.view(2, 1)), about(w * inference([1, 2])))
    s = w + f32([1, 2])
    log(about(s), node(s), edges(s))
    s.sum().backward()
    log(w.grad, w.grad.is_inference())
    out = layer(f32([[1, 2]]))
    log(out, about(out))
    out = torch.addmm(f32([1]), f32([[1, 2]]), layer.weight.view(2, 1))
    log(about(out))
    log(attempt(lambda: torch.maximum(f32([0, 3]), w)), attempt(lambda: w.sum().backward()))
    log(attempt(lambda: layer(leaf(1, 2).view(1, 2))))
    with torch.no_grad():
        log(attempt(lambda: layer.weight.mul_(2)))


@scenario
def modules_inside(log):
    layer = torch.nn.BatchNorm1d(2)
    x = f32([[1, 2], [3, 6]])
    with torch.inference_mode():
        y = layer(x)
    log(about(y), about(layer.running_mean), layer.running_mean, layer.num_batches_tracked.item())
    log(about(layer.weight), layer.weight._version)
    z = layer(x)
    log(about(z), node(z))
    z.square().sum().backward()
    log(layer.bias.grad)
    log(attempt(lambda: layer(y)))


@scenario
def an_optimizer_step_inside(log):
    p = leaf(1, 2)
    opt = torch.optim.SGD([p], lr=0.5, momentum=0.5)
    (p * p).sum().backward()
    with torch.inference_mode():
        opt.step()
    log(p, about(p), p._version)
    p.grad = None
    (p * p).sum().backward()
    log(attempt(lambda: opt.step()))


@scenario
def backward_inside(log):
    p = leaf(2, 3)
    y = (p ** 3).sum()
    with torch.inference_mode():
        y.backward()
        log(p.grad, p.grad.is_inference(), about(p))
    p.grad = None
    y = (p ** 3).sum()
    with torch.inference_mode():
        (g,) = torch.autograd.grad(y, p, create_graph=True)
    log(g, about(g))
    log(attempt(lambda: (g * p).sum().backward()))


@scenario
def wrapped_in_inference_mode(log):
    p = leaf(2, 3)
    f = torch.inference_mode()(lambda x: x * 2)
    g = torch.inference_mode(mode=False)(lambda x: x * 2)
    log(about(f(p)), about(g(p)), modes())
    with torch.inference_mode():
        log(about(f(p)), about(g(p)), modes())
    log(about(g(f(p))))
    h = torch.inference_mode()(lambda x: [about(g(x)), about(x + 1)])
    log(h(p))


@scenario
def a_cached_inference_result(log):
    # The usual mistake: features made in inference mode, then used to train a head.
    w = leaf(1, -1)
    with torch.inference_mode():
        features = f32([[1, 2], [3, 4]]) * 2
    log(attempt(lambda: (features * w).sum()))
    loss = (features.clone() * w).sum()
    loss.backward()
    log(w.grad)
    with torch.inference_mode(False):
        log(attempt(lambda: (features * w).sum()))
        same = features + 0
    (same * w).sum().backward()
    log(w.grad, same.is_inference())


@scenario
def normal_tensors_made_inside_inference_mode_false(log):
    with torch.inference_mode():
        with torch.inference_mode(False):
            a = f32([1, 2]).requires_grad_()
            b = (a * a).sum()
            log(about(a), about(b), node(b))
            b.backward()
        log(a.grad, a.grad.is_inference(), about(a.view(2, 1)))
        c = a.grad * 2
        log(c.is_inference())
    log(attempt(lambda: a.grad.add_(1)), a._version)


if __name__ == "__main__":
    main()
