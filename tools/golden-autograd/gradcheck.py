"""What gradcheck and gradgradcheck accept, refuse, and say: see common.py."""
import sys

import torch
from torch.autograd import gradcheck, gradgradcheck

from common import attempt, function, main, scenario

module = sys.modules["torch.autograd.gradcheck"]


def x(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def text(f):
    """The whole text of an error."""
    try:
        return str(f())
    except Exception as e:
        return f"{type(e).__name__}: {e}"


triple = function(lambda ctx, a: a * 2, lambda ctx, g: g * 3)


@scenario
def passes_for_right_gradients(log):
    log(gradcheck(lambda a, b: (a * b.sin(), a.exp()), (x(0.5, -1.5), x(2.0, 0.25))))
    log(gradcheck(lambda a: a * 2, x(1.0, 2.0)), gradcheck(lambda a: [a * 2, a.cos()], [x(1.0)]))
    log(gradgradcheck(lambda a, b: (a * b.sin(), a.exp()), (x(0.5, -1.5), x(2.0, 0.25))))


@scenario
def jacobians_of_a_wrong_backward_are_shown(log):
    log(text(lambda: gradcheck(triple, x(0.5, -4.0))))
    log(text(lambda: gradcheck(lambda a, b: (b * 2, triple(a * b)), (x(1.5), x(-2.0)))))


@scenario
def false_instead_of_an_exception(log):
    log(gradcheck(triple, x(0.5, -4.0), raise_exception=False), gradgradcheck(triple, x(0.5), raise_exception=False))
    log(attempt(lambda: gradcheck(lambda a: a * 2, torch.ones(2), raise_exception=False)))


@scenario
def fast_mode_compares_one_number(log):
    log(gradcheck(lambda a: (a.exp(), a.sum()), x(0.5, -4.0), fast_mode=True))
    log(text(lambda: gradcheck(triple, x(0.5, -4.0, 2.0), fast_mode=True)))
    log(gradcheck(triple, x(0.5), fast_mode=True, raise_exception=False))


@scenario
def fast_mode_of_several_inputs(log):
    log(text(lambda: gradcheck(lambda a, b: (a * 3, triple(b)), (x(1.0, 2.0), x(-1.0)), fast_mode=True)))
    state = torch.manual_seed(5).get_state()
    gradcheck(lambda a: a * 2, x(1.0), fast_mode=True)
    log(bool(torch.equal(state, torch.get_rng_state())))


@scenario
def nothing_requires_a_gradient(log):
    log(attempt(lambda: gradcheck(lambda a: a, torch.ones(2))), attempt(lambda: gradcheck(lambda: torch.ones(1), ())))
    log(attempt(lambda: gradcheck(lambda a, b: a, (3, "text"))))


@scenario
def overlapping_inputs_are_refused(log):
    log(text(lambda: gradcheck(lambda a, b: a * b, (x(1.0, 2.0), x(3.0).expand(2)))))
    log(text(lambda: gradcheck(lambda n, a: a * n, (2, x(3.0).expand(4)))))
    log(gradcheck(lambda a: a * 2, x(3.0).reshape(1, 1).expand(1, 1)))


@scenario
def inputs_in_single_precision(log):
    single = torch.tensor([1.0, 2.0], requires_grad=True)
    log(text(lambda: gradcheck(lambda a: a * 4, single)))
    log(gradcheck(lambda a: a * 4, single, eps=1e-2, atol=1e-2), attempt(lambda: gradcheck(lambda a: a * 4, single, fast_mode=True)))


@scenario
def inputs_with_gaps(log):
    base = torch.arange(12, dtype=torch.float64).reshape(3, 4).div(5)
    stepped = base[:, 1::2].requires_grad_()
    turned = base.clone().t().requires_grad_()
    shared = base.t().requires_grad_()
    log(text(lambda: gradcheck(lambda a, b: (a.sin(), b * 2), (stepped, shared))))
    log(gradcheck(lambda a, b: (a.sin().t(), b * 2), (stepped, turned)), gradgradcheck(lambda a: a.sin().t(), stepped))
    log(base.flatten())


@scenario
def inputs_without_elements_and_scalars(log):
    empty = torch.zeros(0, 3, dtype=torch.float64, requires_grad=True)
    scalar = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    for fast in (False, True):
        log(gradcheck(lambda a: a * 2, empty, fast_mode=fast), gradcheck(lambda a: a.exp(), scalar, fast_mode=fast))
        log(gradcheck(lambda a, b: a.sum() * b, (empty, scalar), fast_mode=fast))


@scenario
def outputs_that_do_not_require_a_gradient(log):
    log(gradcheck(lambda a: (a.detach() * 5, a * 2), x(1.0, 2.0)), gradcheck(lambda a: (a * 2, a.long()), x(1.5)))
    log(gradcheck(lambda a: torch.ones(3), x(1.0)), attempt(lambda: gradcheck(lambda a: a.detach() * 2, x(1.0))))
    log(gradcheck(lambda a: torch.ones(3), x(1.0), fast_mode=True), attempt(lambda: gradcheck(lambda a: a.detach(), x(1.0), fast_mode=True)))
    log(gradcheck(lambda a: (), x(1.0)), attempt(lambda: gradcheck(lambda a: (a * 2, a > 1), x(1.5))))


@scenario
def functions_that_return_inputs_and_views(log):
    log(gradcheck(lambda a: a, x(1.0, 2.0)), gradcheck(lambda a: (a.view(2, 1), a[0], a), x(1.0, 2.0)))
    log(gradgradcheck(lambda a: (a, a[1:]), x(1.0, 2.0)))
    same = x(1.0, 2.0)
    log(gradcheck(lambda a, b: a * b, (same, same)), same.grad, same._version)


@scenario
def inputs_that_are_not_leaves(log):
    inner = x(0.5, 2.0)
    log(gradcheck(lambda a: a * a, inner * 3), gradgradcheck(lambda a: a * a, inner.exp()))
    log(inner.grad, inner.tolist())


@scenario
def backward_that_ignores_what_comes_in(log):
    constant = function(lambda ctx, a: a * 2, lambda ctx, g: torch.ones_like(g) * 2)
    log(text(lambda: gradcheck(constant, x(1.0))))


@scenario
def backward_that_does_not_repeat(log):
    calls = []

    def backward(ctx, g):
        calls.append(1)
        return g * (2 + len(calls) % 2 * 1e-8)

    unstable = function(lambda ctx, a: a * 2, backward)
    log(text(lambda: gradcheck(unstable, x(1.0))))
    log(text(lambda: gradcheck(unstable, x(1.0), nondet_tol=1e-9)))
    log(gradcheck(unstable, x(1.0), nondet_tol=1e-6))


@scenario
def gradients_that_are_not_there(log):
    def forward(ctx, a):
        ctx.set_materialize_grads(False)
        return a * 2

    one = function(forward, lambda ctx, g: torch.ones(1, dtype=torch.float64) if g is None else g * 2)
    log(text(lambda: gradcheck(one, x(1.0))))
    log(gradcheck(one, x(1.0), check_undefined_grad=False))


@scenario
def gradients_of_two_outputs_one_by_one(log):
    def forward(ctx, a, b):
        ctx.set_materialize_grads(False)
        return a * 2, b * 3

    seen = set()

    def backward(ctx, g, h):
        seen.add((g is None, h is None))
        return None if g is None else g * 2, None if h is None else h * 3

    both = function(forward, backward)
    log(gradcheck(both, (x(1.0), x(2.0))), sorted(str(s) for s in seen))

    def strict(ctx, g, h):
        if h is None:
            raise RuntimeError("no second gradient")
        return None if g is None else g * 2, h * 3

    log(text(lambda: gradcheck(lambda a, b: function(forward, strict)(a, b)[1], (x(1.0), x(2.0)))))


@scenario
def results_that_change_their_kind(log):
    log(text(lambda: gradcheck(lambda a: a if a[0] <= 1 else a[:1], x(1.0, 2.0))))
    log(text(lambda: gradcheck(lambda a: a if a[0] <= 1 else a.float(), x(1.0, 2.0))))
    log(text(lambda: gradcheck(lambda a: a if a.sum() >= 3 else a[:1], x(1.0, 2.0), fast_mode=True, eps=1e-4)))


@scenario
def options_that_exclude_each_other(log):
    square = lambda a: a * a  # noqa: E731
    log(attempt(lambda: gradcheck(square, x(1.0), check_backward_ad=False)))
    log(attempt(lambda: gradcheck(square, x(1.0), check_backward_ad=False, check_forward_ad=True, check_batched_grad=True)))
    log(attempt(lambda: gradcheck(square, x(1.0), check_batched_forward_grad=True)))
    log(attempt(lambda: gradgradcheck(square, x(1.0), check_rev_over_rev=False)))
    log(attempt(lambda: gradgradcheck(square, x(1.0), check_rev_over_rev=False, check_fwd_over_rev=True)))


@scenario
def forward_mode_is_checked(log):
    log(gradcheck(lambda a, b: (a * b, a.exp()), (x(1.0, -0.5), x(2.0, 3.0)), check_forward_ad=True))
    log(gradcheck(lambda a: a.sin(), x(1.0, -0.5), check_forward_ad=True, check_backward_ad=False, fast_mode=True))
    log(gradgradcheck(lambda a: a.sin() * a, x(1.0, -0.5), check_fwd_over_rev=True))


@scenario
def a_wrong_jvp_is_shown(log):
    def save(ctx, a):
        return a * 2

    body = torch.autograd.Function
    wrong = type("Wrong", (body,), {
        "forward": staticmethod(save), "backward": staticmethod(lambda ctx, g: g * 2), "jvp": staticmethod(lambda ctx, t: t * 5),
    }).apply
    log(gradcheck(wrong, x(1.0, 2.0)), text(lambda: gradcheck(wrong, x(1.0, 2.0), check_forward_ad=True)))
    log(attempt(lambda: gradcheck(wrong, x(1.0, 2.0), check_forward_ad=True, fast_mode=True)))


@scenario
def batches_of_gradients_are_checked(log):
    log(gradcheck(lambda a, b: (a * b, a.exp()), (x(1.0, -0.5), x(2.0, 3.0)), check_batched_grad=True))
    log(gradcheck(lambda a: a.sin(), x(1.0, -0.5), check_forward_ad=True, check_batched_forward_grad=True))
    log(gradgradcheck(lambda a: a.sin() * a, x(1.0, -0.5), check_batched_grad=True))


@scenario
def a_first_derivative_that_cannot_be_differentiated(log):
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a ** 3

    def backward(ctx, g):
        return 3 * g * ctx.saved_tensors[0].detach() ** 2

    cube = function(forward, backward)
    log(gradcheck(cube, x(1.0, 2.0)))
    torch.manual_seed(4)
    log(text(lambda: gradgradcheck(cube, x(1.0, 2.0))))
    torch.manual_seed(4)
    log(attempt(lambda: gradgradcheck(cube, x(1.0, 2.0), fast_mode=True)))


@scenario
def weights_of_second_derivatives(log):
    log(gradgradcheck(lambda a: a.exp(), x(1.0, 2.0), x(0.5, 0.25)), gradgradcheck(lambda a: (a.exp(), a.sin()), x(1.0), (x(0.5), x(2.0))))
    log(attempt(lambda: gradgradcheck(lambda a: (a.exp(), a.sin()), x(1.0), (x(0.5),))))
    wide = torch.linspace(0, 1, 6, dtype=torch.float64).reshape(2, 3).requires_grad_()
    log(gradgradcheck(lambda a: a.exp(), wide, gen_non_contig_grad_outputs=True))
    torch.manual_seed(6)
    gradgradcheck(lambda a: a.exp(), wide, gen_non_contig_grad_outputs=True)
    log(torch.rand(2))


@scenario
def jacobians_by_differences(log):
    a, b = x(1.0, -2.0), x(3.0, 4.5)
    log(module.get_numerical_jacobian(lambda v: v[0] * v[1], (a, b)))
    log(module.get_numerical_jacobian(lambda v: v[0] * v[1], (a, b), target=b, eps=1e-5))
    log(attempt(lambda: module.get_numerical_jacobian(lambda v: v[0], (a, b), grad_out=2.0)))
    log(module.get_numerical_jacobian_wrt_specific_input(lambda p, q: (p * q, q), 1, (a, b), (a * b, b), 1e-6))
    log(attempt(lambda: module.get_numerical_jacobian_wrt_specific_input(lambda p: (p,), 0, (torch.ones(1),), (torch.ones(1),), 1e-6)))


@scenario
def jacobians_by_backward(log):
    a, b = x(1.0, -2.0), x(3.0, 4.5)
    log(module.get_analytical_jacobian((a, b), a * b), module.get_analytical_jacobian((a, b), b.exp()))


main()
