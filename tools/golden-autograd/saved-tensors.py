"""Hooks of saved tensors: twins of test/autograd/scenarios/saved-tensors.ts. Run with a Python that has PyTorch."""
import torch
from torch.autograd import Function, grad
from torch.autograd.graph import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks

from common import attempt, leaf, main, node, scenario


def hooked(pack, unpack, f):
    with saved_tensors_hooks(pack, unpack):
        return f()


def same(x):
    return x


@scenario
def packing_changes_what_is_saved(log):
    x = leaf(1, 2, -3)
    y = hooked(lambda t: t * 2, lambda t: t, lambda: x.square())
    y.sum().backward()
    log(x.grad)
    x.grad = None
    y = hooked(lambda t: t.detach(), lambda t: t * 10, lambda: (x * x).exp())
    log(y)
    log(attempt(lambda: y.sum().backward()), x.grad)
    x.grad = None
    y = hooked(lambda t: t.tolist(), lambda values: torch.tensor(values), lambda: x.sin().cos())
    y.sum().backward()
    log(x.grad)


@scenario
def what_pack_sees(log):
    seen = []
    x = leaf(2, 5)

    def pack(t):
        seen.append([t.tolist(), t.requires_grad, t.is_leaf, node(t), torch.is_grad_enabled(), t is x])
        return t

    hooked(pack, same, lambda: x.exp())
    hooked(pack, same, lambda: x.sin())
    hooked(pack, same, lambda: (x * 3).log())
    hooked(pack, same, lambda: x.clone().sigmoid_())
    hooked(pack, same, lambda: x.clone()[0].exp_())
    hooked(pack, same, lambda: x + 1)
    hooked(pack, same, lambda: x * 4)
    hooked(pack, same, lambda: x.softmax(0))
    hooked(pack, same, lambda: x.max(0)[0])
    with torch.no_grad():
        hooked(pack, same, lambda: x * x)
    hooked(pack, same, lambda: x.detach() * x.detach())
    log(seen)


@scenario
def innermost_pair_counts(log):
    x = leaf(3)
    with saved_tensors_hooks(lambda t: t * 2, same):
        a = x.square()
        with saved_tensors_hooks(lambda t: t * 5, same):
            b = x.square()
            with saved_tensors_hooks(same, lambda t: t * 7):
                c = x.square()
        d = x.square()
    e = x.square()
    for t in (a, b, c, d, e):
        log(grad(t, x)[0])


@scenario
def errors_of_hooks(log):
    x = leaf(1, 2)

    def fail(t):
        raise ValueError("no")

    log(attempt(lambda: hooked(fail, same, lambda: x.exp())))
    log(node(x.exp()))
    log(attempt(lambda: hooked(same, fail, lambda: x.exp()).sum().backward()))
    log(attempt(lambda: hooked(same, lambda t: "text", lambda: x.exp()).sum().backward())[:90])
    log(attempt(lambda: hooked(lambda t: t.mul_(2), same, lambda: x.exp())))
    log(attempt(lambda: hooked(lambda t: t.detach().zero_(), same, lambda: x.square())))
    log(attempt(lambda: hooked(lambda t: t.add_(1), same, lambda: (x * 2).square())))
    log(attempt(lambda: hooked(lambda t: t.clone().zero_(), same, lambda: x.square()).sum().backward()), x.grad)


@scenario
def disabled_hooks(log):
    x = leaf(1, 2)

    def use():
        return hooked(same, same, lambda: x.exp())

    def first():
        with disable_saved_tensors_hooks("none here"):
            return use()

    def nested():
        with disable_saved_tensors_hooks("outer"):
            with disable_saved_tensors_hooks("inner"):
                log(attempt(use))
            log(attempt(use))
            log(attempt(lambda: save_on_cpu().__enter__()))
        return use()

    def within():
        with saved_tensors_hooks(same, same):
            with disable_saved_tensors_hooks("active"):
                return x.exp()

    log(attempt(first), attempt(nested), attempt(within), attempt(use))


@scenario
def changes_are_not_noticed_behind_hooks(log):
    x = leaf(1, 2)
    u = x.clone()
    y = hooked(lambda t: t.clone(), same, lambda: u * u)
    u.mul_(3)
    y.sum().backward()
    log(x.grad)
    x.grad = None
    y = hooked(lambda t: t.clone(), same, lambda: x.exp())
    y.add_(1)
    y.sum().backward()
    log(x.grad)
    x.grad = None
    u = x.clone()
    y = hooked(same, same, lambda: u * u)
    u.mul_(3)
    y.sum().backward()
    log(x.grad)


@scenario
def calls_are_counted(log):
    counts = {"pack": 0, "unpack": 0}

    def pack(t):
        counts["pack"] += 1
        return t

    def unpack(t):
        counts["unpack"] += 1
        return t

    x = leaf(0.5, 1)
    y = hooked(pack, unpack, lambda: (x.sin() * x).tanh().sum())
    log(counts["pack"], counts["unpack"])
    y.backward(retain_graph=True)
    log(counts["pack"], counts["unpack"])
    y.backward()
    log(counts["pack"], counts["unpack"], x.grad)
    log(attempt(lambda: y.backward()))
    log(counts["unpack"])


@scenario
def twice_through_hooks(log):
    x = leaf(0.5, 1, 2)
    y = hooked(lambda t: t * 2, lambda t: t / 2, lambda: (x * x * x + x.exp() * x.sin()).sum())
    (g,) = grad(y, x, create_graph=True)
    log(g)
    (gg,) = grad(g.sum(), x)
    log(gg)
    y = hooked(lambda t: t.detach().clone(), same, lambda: x.tanh().sum())
    (g,) = grad(y, x, create_graph=True)
    (gg,) = grad(g.sum(), x, create_graph=True)
    (ggg,) = grad(gg.sum(), x)
    log(g, gg, ggg)


@scenario
def hooks_while_backward_is_recorded(log):
    seen = []

    def pack(t):
        seen.append(sorted(t.tolist()))
        return t

    x = leaf(1, 3)
    y = x.square().sum()
    with saved_tensors_hooks(pack, same):
        (g,) = grad(y, x, create_graph=True)
    log(len(seen) > 0, g)
    log(grad(g.sum(), x)[0])


@scenario
def custom_functions_pack_too(log):
    class Scaled(Function):
        @staticmethod
        def forward(ctx, x, factor):
            out = x.square() * factor
            ctx.save_for_backward(x, None, out)
            ctx.factor = factor
            return out

        @staticmethod
        def backward(ctx, g):
            x, none, out = ctx.saved_tensors
            log([t is None for t in (x, none, out)], x, out, node(out), x.requires_grad)
            return g * x * 2 * ctx.factor, None

    seen = []

    def pack(t):
        seen.append([t.tolist(), node(t), t.requires_grad])
        return t * 10

    x = leaf(1, 2)
    y = hooked(pack, lambda t: t / 10, lambda: Scaled.apply(x, 3.0))
    log(seen)
    y.sum().backward()
    log(x.grad)
    y = hooked(pack, lambda t: t / 5, lambda: Scaled.apply(x * 2, 1.0))
    (g,) = grad(y.sum(), x)
    log(g)


@scenario
def leaves_come_back_as_leaves(log):
    x = leaf(2, 3)
    y = hooked(lambda t: t.detach().clone(), same, lambda: x * x)

    class Look(Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            log(a.is_leaf, a.requires_grad, b.is_leaf, b.requires_grad, node(b), a is x)
            with torch.enable_grad():
                (a * 2).sum().backward()
            return g * b, g * a

    z = hooked(lambda t: t.detach().clone(), same, lambda: Look.apply(x, x + 1))
    z.sum().backward()
    log(x.grad)
    x.grad = None
    y.sum().backward()
    log(x.grad)
    c = torch.ones(2)
    z = hooked(same, same, lambda: Look.apply(c.requires_grad_(False), x))
    log(attempt(lambda: z.sum().backward()))


@scenario
def on_the_cpu(log):
    x = leaf(1, 2)
    u = x * 2
    with save_on_cpu():
        y = (u * u).sum()
    y.backward()
    log(x.grad)
    x.grad = None
    u = x * 2
    with save_on_cpu(pin_memory=True):
        y = (u * u).sum()
    with torch.no_grad():
        u.mul_(100)
    y.backward()
    log(x.grad)
    x.grad = None
    u = x * 2
    with save_on_cpu():
        y = (u * u).sum()
    with torch.no_grad():
        u.mul_(100)
    y.backward()
    log(x.grad)


@scenario
def tutorial_numbers_instead_of_tensors(log):
    # Keep only the name of a slot: what the tutorial writes to files.
    storage = {}

    def pack(t):
        name = f"slot{len(storage)}"
        storage[name] = t.detach().clone()
        return name

    def unpack(name):
        return storage[name]

    x = leaf(*range(5))
    with saved_tensors_hooks(pack, unpack):
        y = (x.exp() * x.cos()).sum()
    log(len(storage))
    y.backward()
    log(x.grad)
    big = []

    def pack_large(t):
        if t.numel() < 4:
            return t
        big.append(t.numel())
        return ("large", t.clone())

    def unpack_large(packed):
        return packed[1] if isinstance(packed, tuple) else packed

    x.grad = None
    with saved_tensors_hooks(pack_large, unpack_large):
        y = x[:2].exp().sum() * x.sin().pow(2).sum()
    y.backward()
    log(len(big), x.grad)


@scenario
def layers_under_hooks(log):
    torch.manual_seed(5)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    x = torch.randn(5, 3)
    with saved_tensors_hooks(lambda t: t.half(), lambda t: t.float()):
        loss = model(x).square().mean()
    loss.backward()
    rough = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    log(all(torch.allclose(r, p.grad, atol=2e-3) for r, p in zip(rough, model.parameters())))
    log(any(not torch.equal(r, p.grad) for r, p in zip(rough, model.parameters())))
    with saved_tensors_hooks(lambda t: t.detach().clone(), same):
        loss = torch.nn.functional.cross_entropy(model(x), torch.tensor([0, 1, 1, 0, 1]))
    model.zero_grad()
    loss.backward()
    log(loss, [p.grad for p in model.parameters()])


@scenario
def hooks_in_hooks(log):
    x = leaf(1, 2)
    order = []

    def unpack(t):
        order.append("unpack")
        # Recording in here goes through whatever is in force at that time: nothing.
        with torch.enable_grad():
            u = t.detach().requires_grad_()
            (g,) = grad(u.square().sum(), u)
        return g / 2

    y = hooked(lambda t: t.detach(), unpack, lambda: x.square())
    y.sum().backward()
    log(x.grad, order)

    def pack(t):
        with torch.enable_grad():
            u = t.detach().requires_grad_()
        order.append(["pack", torch.is_grad_enabled(), u.requires_grad])
        return t

    x.grad = None
    y = hooked(pack, same, lambda: x.sin())
    y.sum().backward()
    log(x.grad, order)


@scenario
def hooks_of_one_saved_tensor(log):
    class Product(Function):
        @staticmethod
        def forward(ctx, a, b):
            out = a * b
            ctx.save_for_backward(a, b, None, out)
            return out

        @staticmethod
        def backward(ctx, g):
            a, b, _, out = ctx.saved_tensors
            return g * b + out * 0, g * a

    x, c = leaf(1, 2), torch.tensor([3.0, 4.0])
    y = Product.apply(x, c)
    raw = y.grad_fn._raw_saved_tensors
    seen = []

    def pack(t):
        seen.append([t.tolist(), t.requires_grad, node(t), torch.is_grad_enabled()])
        return t * 2

    raw[1].register_hooks(pack, lambda t: t / 2 * 10)
    raw[0].register_hooks(pack, lambda t: t / 2)
    raw[3].register_hooks(pack, lambda t: t / 2)
    log(len(raw), seen)
    log(attempt(lambda: raw[2].register_hooks(pack, same)))
    log(attempt(lambda: raw[1].register_hooks(pack, same)))
    a, b, none, out = y.grad_fn.saved_tensors
    log(a, a.requires_grad, b, none is None, out, node(out))
    y.sum().backward()
    log(x.grad)
    log(attempt(lambda: raw[1].register_hooks(pack, same)), attempt(lambda: y.grad_fn._raw_saved_tensors))
    y = Product.apply(x, c)
    log(attempt(lambda: y.grad_fn._raw_saved_tensors[0].register_hooks(lambda t: t.mul_(2), same)))
    with saved_tensors_hooks(same, same):
        y = Product.apply(x, c)
    log(attempt(lambda: y.grad_fn._raw_saved_tensors[0].register_hooks(pack, same)))


@scenario
def views_and_changed_bases(log):
    x = leaf(1, 2, 3, 4)
    base = x * 1
    view = base.view(2, 2)[0]
    y = hooked(lambda t: t.clone(), same, lambda: view.square())
    base.mul_(10)
    z = hooked(lambda t: t.clone(), same, lambda: view.square())
    (y.sum() + z.sum()).backward()
    log(x.grad)
    x.grad = None
    base = x * 1
    with saved_tensors_hooks(lambda t: t.clone(), same):
        base[1:3].exp_()
        out = base.square().sum()
    out.backward()
    log(x.grad)


main()
