"""Checkpoints: twins of test/autograd/scenarios/checkpoint.ts. Run with a Python that has PyTorch."""
import warnings

import torch
from torch import nn
from torch.autograd import Function, grad
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import (
    checkpoint,
    checkpoint_sequential,
    noop_context_fn,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)

from common import attempt, leaf, main, node, scenario


def warned(f):
    """Warnings of f(), their first sentence."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f()
    return [f"{w.category.__name__}: {str(w.message).split('. ')[0].rstrip('.')}" for w in caught]


@scenario
def both_flavours(log):
    x = leaf(0.5, 1, 2)
    for reentrant in (True, False):
        y = checkpoint(lambda t: t.sin().exp() * t, x, use_reentrant=reentrant)
        log(y, node(y), y.requires_grad)
        y.sum().backward()
        log(x.grad)
        x.grad = None
        log(attempt(lambda: y.sum().backward()))
        x.grad = None


@scenario
def recomputation_counts(log):
    counts = []

    def f(t):
        counts.append("run")
        u = t.sin()
        counts.append("sin")
        v = u.cos()
        counts.append("cos")
        w = v + 1
        counts.append("add")
        return w

    x = leaf(1, 2)
    for reentrant in (True, False):
        y = checkpoint(f, x, use_reentrant=reentrant)
        log(list(counts))
        counts.clear()
        y.sum().backward(retain_graph=True)
        log(list(counts))
        counts.clear()
        y.sum().backward()
        log(list(counts), x.grad)
        counts.clear()
        x.grad = None
    y = checkpoint(f, x, use_reentrant=False, early_stop=False)
    y.sum().backward()
    log(counts[4:])
    counts.clear()
    with set_checkpoint_early_stop(False):
        y = checkpoint(f, x, use_reentrant=False)
    y.sum().backward()
    log(counts[4:])
    counts.clear()
    with set_checkpoint_early_stop(True):
        y = checkpoint(f, x, use_reentrant=False, early_stop=False)
    y.sum().backward()
    log(counts[4:])
    counts.clear()
    with torch.no_grad():
        log(checkpoint(f, x, use_reentrant=False).requires_grad, list(counts))


@scenario
def arguments_and_results(log):
    x = leaf(1, 2)
    y = leaf(3, 4)

    def f(a, text, b, number=1, *, scale=2):
        return a * b * scale, text, a.detach(), b.sum() * number

    for reentrant in (True, False):
        out = checkpoint(f, x, "text", y, 5, use_reentrant=reentrant)
        log([o for o in out], [node(o) for o in out if isinstance(o, torch.Tensor)])
        (out[0].sum() + out[3]).backward()
        log(x.grad, y.grad)
        x.grad = y.grad = None
    out = checkpoint(f, x, "text", y, scale=7, use_reentrant=False)
    out[0].sum().backward()
    log(x.grad, y.grad)
    log(attempt(lambda: checkpoint(f, x, "t", y, scale=7, use_reentrant=True)))
    log(attempt(lambda: checkpoint(f, x, "t", y, scale=7, other=3, use_reentrant=True)))
    out = checkpoint(lambda t: {"twice": t * 2, "thrice": t * 3}, x, use_reentrant=False)
    x.grad = None
    (out["twice"] * out["thrice"]).sum().backward()
    log(x.grad)


@scenario
def what_is_refused(log):
    x = leaf(1, 2)
    sin = torch.sin
    log(attempt(lambda: grad(checkpoint(sin, x, use_reentrant=True).sum(), x)))
    log(attempt(lambda: checkpoint(sin, x, use_reentrant=True).sum().backward(inputs=[x])))
    log(attempt(lambda: checkpoint(lambda t: t.detach(), x, use_reentrant=True).sum().backward()))
    log(attempt(lambda: checkpoint(sin, x, use_reentrant=True, debug=True)))
    log(attempt(lambda: checkpoint(sin, x, use_reentrant=True, context_fn=lambda: noop_context_fn())))
    log(attempt(lambda: checkpoint(sin, x, use_reentrant=True, determinism_check="none").sum()))
    log(attempt(lambda: checkpoint(sin, x, use_reentrant=False, determinism_check="strict")))
    log(attempt(lambda: checkpoint(sin, x, use_reentrant=False, debug=True, context_fn=lambda: noop_context_fn())))
    log(attempt(lambda: checkpoint(use_reentrant=False, other=1)))
    log(attempt(lambda: checkpoint_sequential([sin], 1, x, use_reentrant=False, other=2)))


@scenario
def warnings_of_checkpoints(log):
    x = leaf(1, 2)
    log(warned(lambda: checkpoint(torch.sin, x)))
    log(warned(lambda: checkpoint(torch.sin, x.detach(), use_reentrant=True)))
    log(warned(lambda: checkpoint(torch.sin, x.detach(), use_reentrant=False)))
    log(warned(lambda: checkpoint_sequential([torch.sin, torch.cos], 1, x)))


@scenario
def parameters_without_inputs(log):
    torch.manual_seed(2)
    layer = nn.Linear(2, 2)
    x = torch.randn(3, 2)
    y = checkpoint(layer, x, use_reentrant=True)
    log(y.requires_grad, node(y))
    y = checkpoint(layer, x, use_reentrant=False)
    log(y.requires_grad, node(y))
    y.square().sum().backward()
    log(layer.weight.grad, layer.bias.grad)
    layer.zero_grad()
    y = checkpoint(layer, x.requires_grad_(), use_reentrant=True)
    y.square().sum().backward()
    log(layer.weight.grad, layer.bias.grad, x.grad)


@scenario
def dropout_masks_are_drawn_again(log):
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3), nn.Dropout(0.2))
    torch.manual_seed(11)
    for p in net.parameters():
        nn.init.normal_(p)
    x = torch.randn(6, 4)
    for how in (None, True, False):
        torch.manual_seed(4)
        net.zero_grad()
        x.grad = None
        x.requires_grad_()
        y = net(x) if how is None else checkpoint(net, x, use_reentrant=how)
        y.square().sum().backward()
        log(y, net[0].weight.grad, x.grad, torch.rand(2))
    torch.manual_seed(4)
    y = checkpoint(net, x, use_reentrant=False, preserve_rng_state=False)
    before = torch.get_rng_state()
    y.sum().backward()
    log(torch.equal(before, torch.get_rng_state()))
    y = checkpoint(net, x, use_reentrant=False)
    before = torch.get_rng_state()
    y.sum().backward()
    log(torch.equal(before, torch.get_rng_state()))


@scenario
def nested_checkpoints(log):
    counts = {"inner": 0, "outer": 0}

    def inner(t):
        counts["inner"] += 1
        return t.sin().exp()

    def outer(t):
        counts["outer"] += 1
        u = checkpoint(inner, t * 2, use_reentrant=False)
        v = checkpoint(inner, u.cos(), use_reentrant=False)
        return (u * v).tanh()

    x = leaf(0.3, 0.7)
    y = checkpoint(outer, x, use_reentrant=False)
    log(counts["inner"], counts["outer"])
    (g,) = grad(y.sum(), x, create_graph=True)
    log(g, counts["inner"], counts["outer"])
    (gg,) = grad(g.sum(), x)
    log(gg, counts["inner"], counts["outer"])
    counts["inner"] = counts["outer"] = 0
    deep = checkpoint(lambda t: checkpoint(lambda u: checkpoint(inner, u, use_reentrant=False) * u, t * t, use_reentrant=False) + t, x, use_reentrant=False)
    deep.sum().backward()
    log(x.grad, counts["inner"])
    x.grad = None
    mixed = checkpoint(lambda t: checkpoint(inner, t.sin(), use_reentrant=True) * t, x, use_reentrant=False)
    mixed.sum().backward()
    log(x.grad)
    x.grad = None
    mixed = checkpoint(lambda t: checkpoint(inner, t.sin(), use_reentrant=False) * t, x, use_reentrant=True)
    mixed.sum().backward()
    log(x.grad)


@scenario
def gradients_of_gradients(log):
    x = leaf(0.5, 1.5)

    def f(t):
        return (t.square() * t.exp()).sin()

    plain = f(x)
    (g,) = grad(plain.sum(), x, create_graph=True)
    (gg,) = grad(g.square().sum(), x)
    log(g, gg)
    y = checkpoint(f, x, use_reentrant=False)
    (g,) = grad(y.sum(), x, create_graph=True)
    (gg,) = grad(g.square().sum(), x)
    log(g, gg)
    # The gradient itself in a checkpoint.
    def penalty(t):
        (d,) = grad(f(t).sum(), t, create_graph=True)
        return d.square()

    (gg,) = grad(checkpoint(penalty, x, use_reentrant=False).sum(), x)
    log(gg)


@scenario
def backward_within_a_checkpoint(log):
    x = leaf(0.5, 2)

    def f(t, retain):
        y = t.sin()
        z = y.cos()
        (g,) = grad(z.sum(), t, retain_graph=retain)
        return t.cos() * g * (z if retain else 1)

    for early in (True, False):
        for retain in (True, False):
            with set_checkpoint_early_stop(early):
                out = checkpoint(f, x, retain, use_reentrant=False)
                (g,) = grad(out.sum(), x)
                log(out, g)
    log(attempt(lambda: grad(f(x, True).sum(), x)))


@scenario
def mismatches(log):
    x = leaf(1, 2)
    runs = [0]

    def changing(first, second):
        runs[0] = 0

        def f(t):
            runs[0] += 1
            return (first if runs[0] == 1 else second)(t.sin())

        return f

    def message(f, **options):
        try:
            checkpoint(f, x, use_reentrant=False, **options).sum().backward()
            return "fine"
        except Exception as e:
            return f"{type(e).__name__}: {str(e).split('Tip:')[0].strip()}"

    longer = lambda t: t.exp().exp()
    shorter = lambda t: t.exp()
    log(message(changing(longer, shorter)))
    log(message(changing(shorter, longer)))
    log(message(changing(shorter, longer), early_stop=False))
    log(message(changing(shorter, lambda t: t[:1].exp() + t)))
    log(message(changing(lambda t: t.exp().sum(), lambda t: t[:1].exp().sum())))
    log(message(changing(lambda t: t.double().exp().sum(), lambda t: t.exp().sum())))
    log(message(changing(lambda t: t.exp().sum(), lambda t: (t * 2).exp().sum())))
    log(message(changing(lambda t: t.exp().sum(), lambda t: t.unsqueeze(0).exp().sum()), determinism_check="none"))
    with set_checkpoint_debug_enabled(False):
        log(message(changing(longer, shorter), debug=True))


@scenario
def saved_tensors_twice(log):
    class Twice(Function):
        @staticmethod
        def forward(ctx, t):
            ctx.save_for_backward(t)
            return t.exp()

        @staticmethod
        def backward(ctx, g):
            (t,) = ctx.saved_tensors
            log(attempt(lambda: ctx.saved_tensors))
            return g * t.exp()

    x = leaf(0.1, 0.2)
    checkpoint(lambda t: Twice.apply(t.sin()), x, use_reentrant=False).sum().backward()
    log(x.grad)


@scenario
def changed_arguments(log):
    x = leaf(1, 2)
    for reentrant in (False, True):
        u = x * 2
        y = checkpoint(lambda t: t.sin().exp(), u, use_reentrant=reentrant)
        u.add_(1)
        log(attempt(lambda: y.sum().backward()))
    # Changed in place inside: done again with what came in.
    x.grad = None

    def f(t):
        u = t * 1
        u.mul_(3)
        return u.sin()

    checkpoint(f, x, use_reentrant=False).sum().backward()
    log(x.grad)


@scenario
def with_hooks_of_saved_tensors(log):
    x = leaf(0.5, 1)
    shapes = []

    def pack(t):
        shapes.append(t.tolist())
        return t

    def f(t):
        return t.sin().exp()

    with saved_tensors_hooks(pack, lambda t: t):
        y = checkpoint(f, x * 2, use_reentrant=False)
        z = y * y
    log(shapes)
    z.sum().backward()
    log(x.grad, len(shapes))
    x.grad = None
    inside = []

    def g(t):
        with saved_tensors_hooks(lambda s: inside.append("p") or s, lambda s: inside.append("u") or s):
            u = t.sin()
        return u.exp()

    checkpoint(g, x, use_reentrant=False).sum().backward()
    log(x.grad, inside)


class Entered:
    def __init__(self, name, entries):
        self.name = name
        self.entries = entries

    def __enter__(self):
        self.entries.append(f"in {self.name}")

    def __exit__(self, *args):
        self.entries.append(f"out {self.name}")


@scenario
def contexts(log):
    x = leaf(1, 2)
    entries = []

    def context_fn():
        entries.append("made")
        return Entered("forward", entries), Entered("recompute", entries)

    def f(t):
        entries.append("run")
        return t.sin().exp()

    y = checkpoint(f, x, use_reentrant=False, context_fn=context_fn)
    log(list(entries))
    y.sum().backward()
    log(entries, x.grad)
    entries.clear()
    with torch.no_grad():
        checkpoint(f, x, use_reentrant=False, context_fn=context_fn)
    log(entries)


@scenario
def exceptions_pass_through(log):
    x = leaf(1, 2)
    runs = [0]

    def f(t):
        runs[0] += 1
        u = t.sin()
        if runs[0] % 2 == 0:
            raise ValueError("second run")
        return u.exp()

    for reentrant in (True, False):
        runs[0] = 0
        y = checkpoint(f, x, use_reentrant=reentrant)
        log(attempt(lambda: y.sum().backward()))
        log(torch.is_grad_enabled(), node(x.sin()))
        log(attempt(lambda: checkpoint(f, x, use_reentrant=reentrant)))
        runs[0] = 1
        log(attempt(lambda: checkpoint(f, x, use_reentrant=reentrant)))
        a = x.square().sum()
        x.grad = None
        a.backward()
        log(x.grad)


@scenario
def sequential_segments(log):
    torch.manual_seed(8)
    layers = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2))
    x = torch.randn(4, 3, requires_grad=True)
    for segments in (1, 2, 3, 5):
        for reentrant in (True, False):
            layers.zero_grad()
            x.grad = None
            out = checkpoint_sequential(layers, segments, x, use_reentrant=reentrant)
            out.square().sum().backward()
            log(out.sum(), x.grad, layers[0].weight.grad.sum())
    functions = [torch.sin, lambda t: t * 2, torch.exp]
    y = checkpoint_sequential(functions, 2, x, use_reentrant=False, preserve_rng_state=False)
    log(y.sum())


@scenario
def batch_norm_counts_twice(log):
    norm = nn.BatchNorm1d(3)
    x = (torch.arange(12.0).reshape(4, 3) * 0.7).square().requires_grad_()
    for reentrant in (True, False):
        norm.reset_running_stats()
        y = checkpoint(lambda t: norm(t).sin(), x, use_reentrant=reentrant)
        log(norm.running_mean, norm.num_batches_tracked)
        y.square().sum().backward()
        log(norm.running_mean, norm.num_batches_tracked, x.grad)
        x.grad = None


@scenario
def a_function_made_checkpointed(log):
    x = leaf(1, 2)
    runs = []

    @checkpoint(use_reentrant=False)
    def f(t, scale=1):
        runs.append(scale)
        return (t * scale).sin().exp()

    f(x).sum().backward()
    log(x.grad, runs)
    x.grad = None
    f(x, scale=3).sum().backward()
    log(x.grad, runs)
    g = checkpoint(None, use_reentrant=True)(lambda t: t.cos())
    log(node(g(x)))


@scenario
def some_outputs_some_inputs(log):
    x, y, z = leaf(1), leaf(2), leaf(3)

    def f(a, b):
        u = (a * b).sin()
        v = (b.exp() * z).cos()
        return u, v, a.sum() > 0

    for reentrant in (True, False):
        u, v, flag = checkpoint(f, x, y, use_reentrant=reentrant)
        log(flag)
        u.sum().backward(retain_graph=True)
        log(x.grad, y.grad, z.grad)
        (v * 2 + u).sum().backward()
        log(x.grad, y.grad, z.grad)
        x.grad = y.grad = z.grad = None
    u, v, _ = checkpoint(f, x, y, use_reentrant=False)
    log(grad(v, z, retain_graph=True)[0], grad(u, x)[0], grad(v, y)[0])
    u, v, _ = checkpoint(f, x, y.detach(), use_reentrant=True)
    u.sum().backward()
    log(x.grad, y.grad)


main()
