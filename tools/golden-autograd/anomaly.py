"""What real PyTorch logs in the scenarios of anomaly mode: see common.py."""
import re
import warnings

import torch

from common import attempt, f32, leaf, main, node, scenario


def switches():
    return [torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()]


def reported(f):
    """The result of f() and the first lines of the warnings that it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = attempt(f)
    texts = [str(w.message).strip().split("\n")[0] for w in caught]
    texts = [re.sub(r" \(Triggered internally.*", "", t) for t in texts if "has been enabled" not in t]
    return [result, texts]


def detecting(f, **options):
    def run():
        with torch.autograd.detect_anomaly(**options):
            return f()

    return run


@scenario
def switches_and_scopes(log):
    log(switches())
    with torch.autograd.detect_anomaly():
        log(switches())
        with torch.autograd.set_detect_anomaly(False):
            log(switches())
        with torch.autograd.detect_anomaly(check_nan=False):
            log(switches())
        log(switches())
    log(switches())
    with torch.autograd.set_detect_anomaly(True, False):
        log(switches())
        with torch.autograd.set_detect_anomaly(True, check_nan=True):
            log(switches())
    log(switches())
    torch.autograd.set_detect_anomaly(True)
    log(switches())
    torch.autograd.set_detect_anomaly(False)
    log(switches())
    with torch.autograd.anomaly_mode.detect_anomaly():
        with torch.no_grad():
            log(switches(), torch.is_grad_enabled())


@scenario
def wrong_switches(log):
    log(attempt(lambda: torch.autograd.set_detect_anomaly(1)).split(":")[0], switches())


@scenario
def nan_from_an_operation(log):
    x = leaf(4, -1)
    log(reported(detecting(lambda: x.sqrt().sum().backward())), x.grad)
    log(reported(detecting(lambda: torch.autograd.grad(x.log().mul(2).pow(2).sum(), x))))
    log(reported(detecting(lambda: (x.exp() * 0 / 0).sum().backward())), x.grad)


@scenario
def nan_in_the_second_output(log):
    a, b = leaf(1, 0), leaf(0, 0)
    log(reported(detecting(lambda: (a / b).sum().backward())))
    log(reported(detecting(lambda: (b * torch.atan2(a, b)).sum().backward())))
    log(a.grad, b.grad)


@scenario
def where_hides_a_nan(log):
    # The classic: a branch that was not taken gives 0 · ∞.
    x = leaf(0, 1)
    y = torch.where(x > 0, x.sqrt(), torch.zeros(2))
    y.sum().backward()
    log(x.grad)

    def safe():
        z = torch.where(x > 0, x, torch.ones(2)).sqrt()
        torch.where(x > 0, z, torch.zeros(2)).sum().backward()

    def unsafe():
        torch.where(x > 0, (x / x.detach()).log(), torch.zeros(2)).sum().backward()

    x.grad = None
    log(reported(detecting(safe)), x.grad)
    log(reported(detecting(unsafe)))


@scenario
def without_looking_for_nan(log):
    x = leaf(4, -1)
    log(reported(detecting(lambda: x.sqrt().sum().backward(), check_nan=False)), x.grad)


@scenario
def forward_outside_of_the_mode(log):
    x = leaf(-1)
    y = x.sqrt().sum()
    log(reported(detecting(lambda: y.backward())))
    with torch.autograd.set_detect_anomaly(True):
        y = x.sqrt().sum()
    log(reported(lambda: y.backward()))


@scenario
def changed_in_place(log):
    def run():
        x = leaf(1, 2)
        y = x.exp()
        z = (y * y).sum()
        y.add_(1)
        z.backward()

    log(reported(run))
    log(reported(detecting(run)))
    torch.autograd.set_detect_anomaly(True)
    log(reported(run))
    torch.autograd.set_detect_anomaly(False)

    def hint(f):
        try:
            f()
        except RuntimeError as e:
            return str(e).split("Hint: ")[1]

    log(hint(run))
    with torch.autograd.set_detect_anomaly(True):
        log(hint(run))


@scenario
def errors_in_a_custom_function(log):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise RuntimeError("no gradient today")

    class Spoils(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g, g * float("nan")

    x, y = leaf(1, 2), leaf(3, 4)
    log(reported(detecting(lambda: Fails.apply(x).sum().backward())))
    log(reported(detecting(lambda: Spoils.apply(x, y).sum().backward())))
    log(x.grad, y.grad)


@scenario
def hooks_and_nan(log):
    x = leaf(1, 2)

    def by_hook(where):
        def run():
            x.grad = None
            y = x * 3
            where(y)
            (y * 2).sum().backward()

        return run

    nan = float("nan")
    log(reported(detecting(by_hook(lambda y: y.register_hook(lambda g: g * nan)))))
    log(reported(detecting(by_hook(lambda y: x.register_hook(lambda g: g * nan).remove()))), x.grad)
    log(reported(detecting(by_hook(lambda y: y.grad_fn.register_hook(lambda gi, go: (gi[0] * nan, None))))))

    def raising(g):
        raise ValueError("from a hook")

    log(reported(detecting(by_hook(lambda y: y.register_hook(raising)))))
    handle = x.register_hook(lambda g: g * nan)
    log(reported(detecting(by_hook(lambda y: None))), x.grad)
    handle.remove()


@scenario
def a_nan_that_comes_in(log):
    x = leaf(1, 2)
    log(reported(detecting(lambda: (x * 1).sum().backward(torch.tensor(float("nan"))))))
    log(reported(detecting(lambda: x.sum().backward(torch.tensor(float("inf"))))), x.grad)
    log(reported(detecting(lambda: x.backward(f32([1, float("nan")])))), x.grad)


@scenario
def double_backward(log):
    x = leaf(0)

    def run():
        y = (x ** 1.5).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        (g * 0 + g.sqrt() * 0).sum().backward()

    log(reported(detecting(run)))

    def fails_twice():
        w = leaf(1, 2)
        (g,) = torch.autograd.grad((w.exp() * w).sum(), w, create_graph=True)
        h = g * g
        with torch.no_grad():
            g.grad_fn.next_functions  # noqa: B018
        g.add_(1)
        h.sum().backward()

    log(reported(detecting(fails_twice)))


@scenario
def third_order(log):
    def run():
        x = leaf(0)
        y = x ** 2.5
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        (h,) = torch.autograd.grad(g, x, create_graph=True)
        (k,) = torch.autograd.grad(h, x, create_graph=True)
        log(g, h, k)
        (k * 0).backward()

    log(reported(detecting(run)))


@scenario
def metadata_of_nodes(log):
    x = leaf(1, 2)
    log(sorted((x * 2).grad_fn.metadata))
    with torch.autograd.set_detect_anomaly(True):
        y = x.exp()
        log(sorted(y.grad_fn.metadata), isinstance(y.grad_fn.metadata["traceback_"], list))
        y.grad_fn.metadata["mine"] = 5
        log(sorted(y.grad_fn.metadata))
        (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
        log(node(g), sorted(g.grad_fn.metadata), g.grad_fn.metadata["parent_"].name())


@scenario
def modes_of_hooks_in_anomaly(log):
    seen = []
    x = leaf(1, 2)

    def hook(g):
        seen.append([torch.is_anomaly_enabled(), torch.is_grad_enabled()])

    with torch.autograd.set_detect_anomaly(True):
        y = x * 2
        y.register_hook(hook)
        y.sum().backward()
    y = x * 2
    y.register_hook(hook)
    y.sum().backward()
    log(seen, x.grad)


@scenario
def backward_within_backward(log):
    x = leaf(-1)

    def run():
        y = x * 1

        def hook(g):
            with torch.enable_grad():
                torch.autograd.grad(x.detach().requires_grad_().sqrt().sum(), x, allow_unused=True)
                z = x.detach().requires_grad_()
                z.sqrt().sum().backward()

        y.register_hook(hook)
        y.sum().backward()

    log(reported(detecting(run)))


if __name__ == "__main__":
    main()
