"""What real PyTorch logs in the scenarios of gradient modes: see common.py."""
import torch

from common import attempt, f32, leaf, main, node, scenario


def modes():
    return [torch.is_grad_enabled(), torch.is_inference_mode_enabled()]


@scenario
def nesting_and_what_is_recorded(log):
    x = leaf(1, 2)
    with torch.no_grad():
        a = x * 3
        with torch.enable_grad():
            b = x * 3
            with torch.no_grad():
                c = b * 2
            d = b * 2
        e = b * 2
        log(modes())
    log(modes())
    for t in (a, b, c, d, e):
        log(t.requires_grad, t.is_leaf, node(t))


@scenario
def an_error_puts_the_mode_back(log):
    def fails():
        with torch.no_grad():
            with torch.enable_grad():
                torch.ones(2).view(3)

    log(attempt(fails).split(":")[0], modes())


@scenario
def set_grad_enabled_as_statement(log):
    x = leaf(1)
    torch.set_grad_enabled(False)
    log(modes(), (x * 2).requires_grad)
    torch.set_grad_enabled(True)
    log(modes(), (x * 2).requires_grad)
    with torch.no_grad():
        torch.set_grad_enabled(True)
        log(modes(), (x * 2).requires_grad)
        with torch.no_grad():
            log(modes())
        log(modes())
        torch.set_grad_enabled(False)
        log(modes())
    log(modes())


@scenario
def set_grad_enabled_as_block(log):
    x = leaf(1)
    for flag in (False, True):
        with torch.set_grad_enabled(flag):
            log(modes(), (x * 2).requires_grad)
            with torch.set_grad_enabled(not flag):
                log(modes(), (x * 2).requires_grad)
            log(modes())
        log(modes())
    guard = torch.set_grad_enabled(False)
    log(modes())
    guard.__exit__(None, None, None)
    log(modes())


@scenario
def set_grad_enabled_as_wrapper(log):
    x = leaf(1)
    off = torch.set_grad_enabled(False)(lambda t: (t * 2).requires_grad)
    log(modes(), off(x), modes())
    with torch.no_grad():
        on = torch.set_grad_enabled(True)(lambda t: (t * 2).requires_grad)
        log(modes(), on(x), off(x), modes())


@scenario
def wrapped_functions(log):
    x = leaf(1, 2)
    f = torch.no_grad()(lambda t: t * 2)
    g = torch.enable_grad()(lambda t: t * 2)
    log(f(x).requires_grad, g(x).requires_grad)
    with torch.no_grad():
        log(f(x).requires_grad, g(x).requires_grad, modes())
    with torch.enable_grad():
        h = torch.no_grad()(lambda t: [f(t).requires_grad, g(t).requires_grad, (t * 2).requires_grad])
        log(h(x))
    log(modes())


@scenario
def wrapped_recursion(log):
    seen = []

    @torch.no_grad()
    def down(n):
        seen.append(torch.is_grad_enabled())
        with torch.enable_grad():
            if n > 0:
                down(n - 1)
            seen.append(torch.is_grad_enabled())

    down(2)
    log(seen, modes())


@scenario
def a_wrapped_method(log):
    class Model:
        def __init__(self):
            self.w = leaf(2, 3)

        def run(self, x):
            return self.w * x

        @torch.no_grad()
        def evaluate(self, x):
            return self.run(x)

    m = Model()
    log(m.run(f32([1, 1])).requires_grad, m.evaluate(f32([1, 1])).requires_grad, m.evaluate(f32([1, 1])))


@scenario
def a_wrapped_generator(log):
    seen = []

    @torch.no_grad()
    def steps(n):
        try:
            for i in range(n):
                reply = yield [i, torch.is_grad_enabled()]
                seen.append([reply, torch.is_grad_enabled()])
        finally:
            seen.append(torch.is_grad_enabled())
        return "done"

    it = steps(2)
    log(next(it), torch.is_grad_enabled())
    log(it.send("a"), torch.is_grad_enabled())
    try:
        next(it)
    except StopIteration as e:
        log(e.value)
    other = steps(5)
    log(next(other))
    other.close()
    log(seen, torch.is_grad_enabled())


@scenario
def a_generator_that_is_thrown_into(log):
    @torch.enable_grad()
    def steps():
        for i in range(3):
            try:
                yield [i, torch.is_grad_enabled()]
            except ValueError:
                yield ["caught", torch.is_grad_enabled()]

    with torch.no_grad():
        it = steps()
        log(next(it), torch.is_grad_enabled())
        log(it.throw(ValueError()), torch.is_grad_enabled())
        log(next(it), torch.is_grad_enabled())


@scenario
def leaves_made_without_recording(log):
    with torch.no_grad():
        a = torch.ones(2, requires_grad=True)
        b = a * 2
        c = torch.zeros(2)
        c.requires_grad_()
    log(a.requires_grad, b.requires_grad, c.requires_grad, c.is_leaf)
    ((a * c) + a).sum().backward()
    log(a.grad, c.grad)


@scenario
def updates_of_leaves(log):
    w = leaf(1, 2)
    log(attempt(lambda: w.add_(1)))
    log(attempt(lambda: w[0].mul_(2)))
    with torch.no_grad():
        w -= 0.5
        w[0].mul_(4)
    log(w, w.requires_grad, w.is_leaf, w._version)
    (w * w).sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad.zero_()
    log(w, w.grad)


@scenario
def views_made_without_recording(log):
    x = leaf(1, 2, 3) * 1
    with torch.no_grad():
        v = x.view(3, 1)
        v.mul_(2)
    log(x, x.requires_grad, v.requires_grad, v._is_view())
    log(attempt(lambda: v.add_(1)))
    with torch.no_grad():
        u = x[:2]
    log(attempt(lambda: u.mul_(x[1:])))
    y = x * 1
    with torch.no_grad():
        t = y[:2]
    y.mul_(3)
    log(attempt(lambda: t.grad_fn))
    p = f32([1, 2])
    with torch.no_grad():
        q = p[:1]
    q.mul_(5)
    log(p, attempt(lambda: q.mul_(leaf(2))))


@scenario
def backward_within_no_grad(log):
    x = leaf(2, 3)
    y = (x ** 3).sum()
    with torch.no_grad():
        y.backward()
        log(x.grad, torch.is_grad_enabled())
    seen = []
    x.register_hook(lambda g: seen.append([torch.is_grad_enabled(), g.requires_grad]))
    (x * x).sum().backward()
    with torch.no_grad():
        z = torch.ones(1)
        with torch.enable_grad():
            z = (x ** 3).sum()
        (g,) = torch.autograd.grad(z, x, create_graph=True)
        log(g, g.requires_grad, torch.is_grad_enabled())
    log(seen)


@scenario
def modes_within_hooks(log):
    x = leaf(2, 3)
    y = x * x
    kept = []

    def hook(g):
        with torch.enable_grad():
            kept.append((x * g).sum())
        kept.append((x * g).sum())
        return None

    y.register_hook(hook)
    y.sum().backward()
    log([k.requires_grad for k in kept], torch.is_grad_enabled(), x.grad)
    torch.autograd.grad(kept[0], x)
    log(attempt(lambda: kept[1].backward()))


@scenario
def modes_within_custom_functions(log):
    seen = []

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            seen.append(["forward", torch.is_grad_enabled()])
            with torch.enable_grad():
                seen.append(["inside", torch.is_grad_enabled()])
            torch.set_grad_enabled(True)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(["backward", torch.is_grad_enabled()])
            return g * 2

    x = leaf(1)
    y = F.apply(x)
    log(torch.is_grad_enabled(), y.requires_grad, node(y))
    y.backward(retain_graph=True)
    torch.autograd.grad(F.apply(x), x, create_graph=True)
    log(seen)


@scenario
def re_entrant_backward_keeps_modes(log):
    x = leaf(1, 2)
    seen = []

    def hook(g):
        with torch.enable_grad():
            y = (x * 3).exp().sum()
            seen.append(torch.is_grad_enabled())
            (h,) = torch.autograd.grad(y, x)
            seen.append([torch.is_grad_enabled(), h.requires_grad])
        seen.append(torch.is_grad_enabled())

    z = x * 1
    z.register_hook(hook)
    z.sum().backward()
    log(seen, x.grad, modes())


@scenario
def what_modes_take(log):
    log(attempt(lambda: torch.set_grad_enabled()).split(":")[0], modes())


@scenario
def gradient_penalty_in_no_grad(log):
    # A region that needs gradients within an evaluation that does not.
    w = leaf(0.5, -1)
    with torch.no_grad():
        x = f32([1, 2])
        with torch.enable_grad():
            x.requires_grad_()
            out = (w * x).tanh().sum()
            (g,) = torch.autograd.grad(out, x, create_graph=True)
        penalty = (g * g).sum()
        log(penalty, penalty.requires_grad, g.requires_grad)
    with torch.set_grad_enabled(True):
        ((g * g).sum()).backward()
    log(w.grad, x.grad)


@scenario
def only_part_of_a_model_trains(log):
    a, b = leaf(1, 2), leaf(3, 4)
    for flag in (True, False):
        with torch.set_grad_enabled(flag):
            features = a * 2
        out = (features * b).sum()
        a.grad = b.grad = None
        out.backward()
        log(a.grad, b.grad)


if __name__ == "__main__":
    main()
