"""Hooks of modules: twins of test/autograd/scenarios/module-hooks.ts. Run with a Python that has PyTorch."""
import copy
import warnings

import torch
from torch import nn
from torch.nn.modules import module as modules

from common import attempt, leaf, main, node, scenario


def warned(f):
    """Warnings of f(), their first sentence."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f()
    return [f"{w.category.__name__}: {str(w.message).split('. ')[0].rstrip('.')}" for w in caught]


class Scale(nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(factor))

    def forward(self, x, *, offset=0.0):
        return x * self.weight + offset


class Two(nn.Module):
    def forward(self, a, b):
        return a * b, a + b


@scenario
def order_of_forward_hooks(log):
    m = Scale()
    calls = []

    def note(name, result=None):
        def hook(module, args, output=None):
            calls.append([name, type(module).__name__, [a.tolist() for a in args], None if output is None else output.tolist()])
            return result

        return hook

    m.register_forward_hook(note("f1"))
    m.register_forward_hook(note("f2"))
    m.register_forward_hook(note("f0"), prepend=True)
    m.register_forward_pre_hook(note("p1"))
    m.register_forward_pre_hook(note("p0"), prepend=True)
    log(m(torch.ones(2)), calls)
    calls.clear()
    h = m.register_forward_hook(note("f3", torch.zeros(1)))
    m.register_forward_hook(note("f4"))
    log(m(torch.ones(1)), [c[0] for c in calls])
    h.remove()
    h.remove()
    calls.clear()
    log(m(torch.ones(1)), [c[0] for c in calls])


@scenario
def pre_hooks_replace_arguments(log):
    m = Scale()
    a = m.register_forward_pre_hook(lambda module, args: args[0] * 10)
    log(m(torch.ones(2)))
    b = m.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    log(m(torch.ones(2)))
    a.remove()
    log(m(torch.ones(2)))
    b.remove()
    t = Two()
    t.register_forward_pre_hook(lambda module, args: (args[1], args[0] * 2))
    log(t(torch.ones(1), torch.full((1,), 3.0)))
    t.register_forward_hook(lambda module, args, out: out[0] + args[0])
    log(t(torch.ones(1), torch.full((1,), 3.0)))


@scenario
def keyword_arguments(log):
    m = Scale()
    seen = []

    def pre(module, args, kwargs):
        seen.append(["pre", len(args), dict(kwargs)])
        return (args[0] * 2,), {**kwargs, "offset": kwargs.get("offset", 0) + 100}

    def post(module, args, kwargs, output):
        seen.append(["post", args[0].tolist(), dict(kwargs), output.tolist()])
        return output - 1

    def plain(module, args):
        seen.append(["plain", len(args)])

    m.register_forward_pre_hook(plain)
    m.register_forward_pre_hook(pre, with_kwargs=True)
    m.register_forward_hook(post, with_kwargs=True)
    m.register_forward_hook(lambda module, args, output: seen.append(["last", len(args), output.tolist()]))
    log(m(torch.ones(1), offset=5))
    log([[str(v) if isinstance(v, dict) else v for v in entry] for entry in seen])
    seen.clear()
    log(m(torch.ones(1)))
    log([[str(v) if isinstance(v, dict) else v for v in entry] for entry in seen])
    n = Scale()
    n.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    log(n(torch.ones(1), offset=7))
    n.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    log(attempt(lambda: n(torch.ones(1))))


@scenario
def hooks_that_are_always_called(log):
    class Fails(nn.Module):
        def forward(self, x):
            if x.item() < 0:
                raise ValueError("negative")
            return x * 2

    m = Fails()
    seen = []

    def note(name):
        def hook(module, args, output):
            seen.append([name, None if output is None else output.tolist()])

        return hook

    m.register_forward_hook(note("usual"))
    m.register_forward_hook(note("always"), always_call=True)
    m(torch.tensor(1.0))
    log(list(seen))
    seen.clear()
    log(attempt(lambda: m(torch.tensor(-1.0))), list(seen))
    seen.clear()

    def fail(module, args, output):
        seen.append("fail")
        raise RuntimeError("hook")

    m.register_forward_hook(fail, prepend=True)
    log(attempt(lambda: m(torch.tensor(1.0))), list(seen))
    seen.clear()
    m.register_forward_hook(fail, always_call=True)
    log(attempt(lambda: m(torch.tensor(-1.0))), list(seen))
    log(warned(lambda: attempt(lambda: m(torch.tensor(-1.0)))))
    seen.clear()
    p = Fails()
    p.register_forward_hook(lambda module, args, kwargs, output: seen.append([len(args), len(kwargs), output]), always_call=True, with_kwargs=True)
    p.register_forward_pre_hook(lambda module, args: (_ for _ in ()).throw(IndexError("pre")))
    log(attempt(lambda: p(torch.tensor(1.0))), seen)


@scenario
def gradients_at_a_module(log):
    m = nn.Linear(2, 1)
    with torch.no_grad():
        m.weight.copy_(torch.tensor([[1.0, -2.0]]))
        m.bias.zero_()
    seen = []
    m.register_full_backward_hook(lambda module, gi, go: seen.append([type(module).__name__, list(gi), list(go)]))
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = m(x)
    log(node(y))
    (y * torch.tensor([[1.0], [10.0]])).sum().backward()
    log(seen, x.grad, m.weight.grad)
    t = Two()
    seen.clear()
    t.register_full_backward_hook(lambda module, gi, go: seen.append([list(gi), list(go)]))
    a, b = leaf(1, 2), torch.tensor([3.0, 4.0])
    out = t(a, b)
    (out[0].sum() * 2 + out[1].sum()).backward()
    log(seen, a.grad)
    seen.clear()
    out = t(a, b)
    out[1].sum().backward()
    log(seen)
    seen.clear()

    class Mixed(nn.Module):
        def forward(self, number, x, text, y):
            return x * number + y, text, y.detach()

    mixed = Mixed()
    mixed.register_full_backward_hook(lambda module, gi, go: seen.append([list(gi), list(go)]))
    out = mixed(3, a, "text", a * 2)
    log([type(o).__name__ == "Tensor" for o in out], out[0].requires_grad, out[2].requires_grad)
    out[0].sum().backward()
    log(seen)


@scenario
def backward_hooks_replace_gradients(log):
    m = Scale(3.0)
    handle = m.register_full_backward_hook(lambda module, gi, go: (gi[0] * 100,))
    x = leaf(1, 2)
    m(x).sum().backward()
    log(x.grad, m.weight.grad)
    seen = []
    m.register_full_backward_hook(lambda module, gi, go: seen.append([gi[0].tolist(), go[0].tolist()]))
    m.register_full_backward_hook(lambda module, gi, go: (gi[0] + 1,), prepend=True)
    x.grad = None
    m(x).sum().backward()
    log(x.grad, seen)
    handle.remove()
    x.grad = None
    m(x).sum().backward()
    log(x.grad)
    t = Two()
    t.register_full_backward_hook(lambda module, gi, go: (gi[0], None))
    a, b = leaf(1), leaf(2)
    t(a, b)[0].sum().backward()
    log(a.grad, b.grad)
    w = Two()
    w.register_full_backward_hook(lambda module, gi, go: (gi[0],))
    log(attempt(lambda: w(a, b)[0].sum().backward()))
    w = Scale()
    w.register_full_backward_hook(lambda module, gi, go: (gi[0], gi[0]))
    log(attempt(lambda: w(a).sum().backward()))


@scenario
def before_gradients_go_back(log):
    m = Scale(3.0)
    order = []

    def pre(name, factor=None):
        def hook(module, go):
            order.append([name, go[0].tolist()])
            return None if factor is None else (go[0] * factor,)

        return hook

    m.register_full_backward_pre_hook(pre("second", 10))
    m.register_full_backward_pre_hook(pre("first", 2), prepend=True)
    h = m.register_full_backward_pre_hook(pre("third"))
    m.register_full_backward_hook(lambda module, gi, go: order.append(["full", gi[0].tolist(), go[0].tolist()]))
    x = leaf(1, 2)
    m(x).sum().backward()
    log(order, x.grad, m.weight.grad)
    h.remove()
    order.clear()
    m.register_full_backward_pre_hook(lambda module, go: (go[0], go[0]))
    log(attempt(lambda: m(x).sum().backward()))
    n = Scale(3.0)
    n.register_full_backward_pre_hook(lambda module, go: (go[0] * 5,))
    y = torch.ones(2)
    n(y).sum().backward()
    log(n.weight.grad)


@scenario
def no_input_requires_a_gradient(log):
    m = nn.Sequential(Scale(3.0), Scale(0.5))
    seen = []
    m[0].register_full_backward_hook(lambda module, gi, go: seen.append([list(gi), list(go)]))
    log(warned(lambda: m(torch.ones(2)).sum().backward()))
    log(seen, m[0].weight.grad)
    m[0].register_full_backward_hook(lambda module, gi, go: (None,))
    m(torch.ones(2)).sum().backward()
    m[0].register_full_backward_hook(lambda module, gi, go: (torch.ones(2),))
    log(attempt(lambda: m(torch.ones(2)).sum().backward()))
    n = Scale()
    n.register_full_backward_hook(lambda module, gi, go: seen.append("never"))
    with torch.no_grad():
        log(n(leaf(1)).requires_grad)
    n.weight.requires_grad_(False)
    log(n(torch.ones(1)).requires_grad, len(seen))


@scenario
def changes_in_place_at_hooks(log):
    class InPlace(nn.Module):
        def forward(self, x):
            return x.mul_(2)

    m = InPlace()
    m.register_full_backward_hook(lambda module, gi, go: None)
    x = leaf(1, 2)
    log(attempt(lambda: m(x * 1).sum().backward()))
    n = Scale()
    n.register_full_backward_hook(lambda module, gi, go: None)
    y = n(x)
    log(attempt(lambda: y.mul_(3)), attempt(lambda: n(x)[0].zero_()))
    log(y._is_view(), node(y))
    z = n(x).clone().mul_(3)
    z.sum().backward()
    log(x.grad)
    p = Scale()
    p.register_full_backward_pre_hook(lambda module, go: None)
    log(attempt(lambda: p(x).add_(1)))
    q = nn.Sequential(Scale(), nn.ReLU(inplace=True))
    q[1].register_full_backward_hook(lambda module, gi, go: None)
    log(attempt(lambda: q(x).sum().backward()))


@scenario
def gradients_of_gradients_through_hooks(log):
    m = nn.Sequential(Scale(2.0), nn.Tanh())
    counts = [0, 0]

    def hook(i):
        def count(module, gi, go):
            counts[i] += 1

        return count

    m[0].register_full_backward_hook(hook(0))
    m[1].register_full_backward_hook(hook(1))
    x = leaf(0.1, 0.2)
    (g,) = torch.autograd.grad(m(x).sum(), x, create_graph=True)
    log(g, list(counts))
    (gg,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    log(gg, list(counts))
    gg.sum().backward()
    log(x.grad, m[0].weight.grad, list(counts))
    n = Scale(3.0)
    n.register_full_backward_hook(lambda module, gi, go: (gi[0] * x,))
    (g,) = torch.autograd.grad(n(x).square().sum(), x, create_graph=True)
    log(g)
    log(torch.autograd.grad(g.sum(), x)[0])


@scenario
def hooks_of_the_old_kind(log):
    m = nn.Linear(2, 2)
    with torch.no_grad():
        m.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        m.bias.zero_()
    seen = []
    handle = m.register_backward_hook(lambda module, gi, go: seen.append([[None if g is None else list(g.shape) for g in gi], list(go)]))
    x = torch.ones(1, 2, requires_grad=True)
    m(x).sum().backward()
    log(seen)
    log(attempt(lambda: m.register_full_backward_hook(lambda *a: None)))
    handle.remove()
    log(attempt(lambda: m.register_full_backward_hook(lambda *a: None)))
    n = nn.Linear(2, 2)
    n.register_full_backward_hook(lambda *a: None)
    log(attempt(lambda: n.register_backward_hook(lambda *a: None)))
    e = nn.Tanh()
    e.register_backward_hook(lambda module, gi, go: (gi[0] * 7,))
    x = leaf(1, 2)
    e(x).sum().backward()
    log(x.grad)

    class Both(nn.Module):
        def forward(self, a, flag=True):
            u = a.exp()
            return {"one": u} if flag is None else (u, u * 2) if flag else u * 3

    b = Both()
    b.register_backward_hook(lambda *a: None)
    log(warned(lambda: b(x)), warned(lambda: b(x, False)), warned(lambda: b(x, None)))
    c = nn.Tanh()
    c.register_backward_hook(lambda *a: None)
    log(warned(lambda: c(x * 2)), warned(lambda: c(torch.ones(2))))


@scenario
def layers_in_order(log):
    net = nn.Sequential(nn.Sequential(Scale(2.0), Scale(3.0)), Scale(5.0))
    order = []
    for name, m in net.named_modules():
        m.register_forward_pre_hook(lambda module, args, name=name: order.append(f"pre {name}"))
        m.register_forward_hook(lambda module, args, out, name=name: order.append(f"forward {name}"))
        m.register_full_backward_pre_hook(lambda module, go, name=name: order.append(f"backward pre {name}"))
        m.register_full_backward_hook(lambda module, gi, go, name=name: order.append(f"backward {name} {gi[0].tolist()} {go[0].tolist()}"))
    x = leaf(1)
    y = net(x)
    log(list(order))
    order.clear()
    y.backward()
    log(order)


@scenario
def hooks_of_all_modules(log):
    net = nn.Sequential(Scale(2.0), Scale(3.0))
    order = []
    handles = [
        modules.register_module_forward_pre_hook(lambda m, args: order.append(f"pre {type(m).__name__}")),
        modules.register_module_forward_hook(lambda m, args, out: order.append(f"forward {type(m).__name__}")),
        modules.register_module_forward_hook(lambda m, args, kwargs, out: order.append(f"kwargs {len(kwargs)}"), with_kwargs=True),
        modules.register_module_full_backward_pre_hook(lambda m, go: order.append(f"backward pre {type(m).__name__}")),
        modules.register_module_full_backward_hook(lambda m, gi, go: order.append(f"backward {type(m).__name__}")),
    ]
    net[0].register_forward_pre_hook(lambda m, args: order.append("own pre"))
    net[0].register_forward_hook(lambda m, args, out: order.append("own forward"))
    net[0].register_full_backward_hook(lambda m, gi, go: order.append("own backward"))
    x = leaf(1)
    net(x).sum().backward()
    log(order)
    order.clear()
    net[0](x, offset=3)
    log(list(order))
    for h in handles:
        h.remove()
    order.clear()
    net(x).sum().backward()
    log(order)
    h = modules.register_module_forward_pre_hook(lambda m, args: (args[0] + 1,))
    log(net(x))
    h.remove()
    h = modules.register_module_forward_hook(lambda m, args, out: out * 10)
    log(net(x))
    h.remove()
    seen = []
    h = modules.register_module_forward_hook(lambda m, args, out: seen.append(out), always_call=True)

    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    log(attempt(lambda: Fails()(x)), seen)
    h.remove()
    log(attempt(lambda: modules.register_module_backward_hook(lambda *a: None)))


@scenario
def members_are_announced(log):
    names = []
    handles = [
        modules.register_module_parameter_registration_hook(lambda m, name, p: names.append(["parameter", name, list(p.shape)])),
        modules.register_module_buffer_registration_hook(lambda m, name, b: names.append(["buffer", name, None if b is None else list(b.shape)])),
        modules.register_module_module_registration_hook(lambda m, name, c: names.append(["module", name, type(c).__name__])),
    ]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 3)
            self.register_buffer("count", torch.zeros(1))
            self.register_buffer("none", None)
            self.scale = nn.Parameter(torch.ones(4))
            self.register_parameter("absent", None)
            self.add_module("second", nn.ReLU())

    net = Net()
    log(names)
    names.clear()
    net.scale = nn.Parameter(torch.ones(5))
    net.count = torch.ones(2)
    net.first = nn.Tanh()
    log(list(names))
    names.clear()
    copy.deepcopy(net)
    log(list(names))
    for h in handles:
        h.remove()
    net.scale = nn.Parameter(torch.ones(6))
    log(list(names))
    h = modules.register_module_parameter_registration_hook(lambda m, name, p: nn.Parameter(torch.full_like(p, 9)))
    torch.manual_seed(0)
    other = nn.Linear(1, 2)
    log(other.weight, other.bias)
    h.remove()


@scenario
def handles(log):
    m = Scale()
    seen = []
    a = m.register_forward_hook(lambda *x: seen.append("a"))
    b = m.register_forward_hook(lambda *x: seen.append("b"))
    log(b.id - a.id)
    with m.register_forward_hook(lambda *x: seen.append("c")):
        m(torch.ones(1))
    m(torch.ones(1))
    log(list(seen))
    a.remove()
    a.remove()
    seen.clear()
    m(torch.ones(1))
    log(list(seen))
    seen.clear()
    # Hooks that change the hooks: for the next call.
    handle = []

    def once(*x):
        seen.append("once")
        handle[0].remove()
        m.register_forward_hook(lambda *x: seen.append("late"))

    handle.append(m.register_forward_hook(once, prepend=True))
    m(torch.ones(1))
    log(list(seen))
    seen.clear()
    m(torch.ones(1))
    log(seen)


@scenario
def modules_that_call_themselves(log):
    depth = []

    class Recursive(nn.Module):
        def forward(self, x, n):
            return x if n == 0 else self(x * 2, n - 1) + 1

    m = Recursive()
    m.register_forward_pre_hook(lambda module, args: depth.append(args[1]))
    m.register_forward_hook(lambda module, args, out: depth.append([args[1], out.tolist()]))
    grads = []
    m.register_full_backward_hook(lambda module, gi, go: grads.append([None if g is None else g.tolist() for g in gi] + [go[0].tolist()]))
    x = leaf(1)
    m(x, 3).sum().backward()
    log(depth, grads, x.grad)
    shared = Scale(2.0)
    calls = []
    shared.register_full_backward_hook(lambda module, gi, go: calls.append([gi[0].tolist(), go[0].tolist()]))
    x.grad = None
    (shared(shared(x)) + shared(x)).sum().backward()
    log(calls, x.grad, shared.weight.grad)


@scenario
def copies_have_the_hooks(log):
    m = Scale()
    seen = []
    handle = m.register_forward_hook(lambda module, args, out: seen.append(module is m))
    m.register_full_backward_hook(lambda module, gi, go: seen.append("backward"))
    m.register_state_dict_pre_hook(lambda module, prefix, keep: seen.append("state"))
    c = copy.deepcopy(m)
    handle.remove()
    x = leaf(1)
    c(x).sum().backward()
    log(list(seen))
    seen.clear()
    m(x)
    c.state_dict()
    log(list(seen))
    log(attempt(lambda: c.register_backward_hook(lambda *a: None)))


@scenario
def outputs_that_are_no_tensors(log):
    class Dict(nn.Module):
        def forward(self, x):
            return {"y": x * 2}

    m = Dict()
    seen = []
    m.register_full_backward_hook(lambda module, gi, go: seen.append("called"))
    x = leaf(1)
    out = []
    log([w.split(" but ")[0] for w in warned(lambda: out.append(m(x)))])
    out[0]["y"].backward()
    log(seen, x.grad)

    class Nested(nn.Module):
        def forward(self, x):
            return x * 2, (x * 3, x * 4)

    n = Nested()
    n.register_full_backward_hook(lambda module, gi, go: seen.append([len(go), None if go[0] is None else go[0].tolist(), go[1]]))
    a, (b, c) = n(x)
    (a + b + c).sum().backward()
    log(seen)
    log(x.grad)
    x.grad = None
    lstm = nn.LSTM(1, 1)
    shapes = []
    lstm.register_full_backward_hook(lambda module, gi, go: shapes.append([[None if g is None else list(g.shape) for g in gi], [None if g is None else list(g.shape) for g in go]]))
    out, (h, c) = lstm(torch.ones(3, 1, 1, requires_grad=True))
    (out.sum() + h.sum()).backward()
    log(shapes)


main()
