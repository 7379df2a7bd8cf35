/** What gradcheck and gradgradcheck accept, refuse, and say: twins of tools/golden-autograd/gradcheck.py. */
import type { FunctionCtx } from "../../../src/autograd/function.ts";
import * as torch from "../../../src/index.ts";
import { attempt, custom, type Scenarios, type Tensor } from "./common.ts";

const { gradcheck, gradgradcheck } = torch.autograd;
const float64 = { dtype: torch.float64 };
const x = (...values: number[]): Tensor => torch.tensor(values, { ...float64, requires_grad: true });
type Fn = (...inputs: Tensor[]) => Tensor;

/** The whole text of an error. */
function text(f: () => unknown): string {
  try {
    return f() === true ? "True" : "False";
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

const triple = custom(
  (_: FunctionCtx, a: Tensor) => a.mul(2),
  (_: FunctionCtx, g: Tensor) => g.mul(3),
) as Fn;
const first = (a: Tensor): number => Number(a.select(0, 0).item());

/** Runs `body` without the warnings about single precision and old names. */
function quietly(body: () => void): void {
  const { warn } = console;
  console.warn = () => {};
  try {
    body();
  } finally {
    console.warn = warn;
  }
}

export const scenarios: Scenarios = {
  passes_for_right_gradients: (log) => {
    const f = (a: Tensor, b: Tensor): Tensor[] => [a.mul(b.sin()), a.exp()];
    log(gradcheck(f, [x(0.5, -1.5), x(2, 0.25)]));
    log(
      gradcheck((a: Tensor) => a.mul(2), x(1, 2)),
      gradcheck((a: Tensor) => [a.mul(2), a.cos()], [x(1)]),
    );
    log(gradgradcheck(f, [x(0.5, -1.5), x(2, 0.25)]));
  },
  jacobians_of_a_wrong_backward_are_shown: (log) => {
    log(text(() => gradcheck(triple, x(0.5, -4))));
    log(text(() => gradcheck((a: Tensor, b: Tensor) => [b.mul(2), triple(a.mul(b))], [x(1.5), x(-2)])));
  },
  false_instead_of_an_exception: (log) => {
    log(gradcheck(triple, x(0.5, -4), { raise_exception: false }));
    log(gradgradcheck(triple, x(0.5), null, { raise_exception: false }));
    log(attempt(() => gradcheck((a: Tensor) => a.mul(2), torch.ones(2), { raise_exception: false })));
  },
  fast_mode_compares_one_number: (log) => {
    log(gradcheck((a: Tensor) => [a.exp(), a.sum()], x(0.5, -4), { fast_mode: true }));
    log(text(() => gradcheck(triple, x(0.5, -4, 2), { fast_mode: true })));
    log(gradcheck(triple, x(0.5), { fast_mode: true, raise_exception: false }));
  },
  fast_mode_of_several_inputs: (log) => {
    const f = (a: Tensor, b: Tensor): Tensor[] => [a.mul(3), triple(b)];
    log(text(() => gradcheck(f, [x(1, 2), x(-1)], { fast_mode: true })));
    torch.manual_seed(5);
    const state = torch.get_rng_state();
    gradcheck((a: Tensor) => a.mul(2), x(1), { fast_mode: true });
    log(String(state) === String(torch.get_rng_state()));
  },
  nothing_requires_a_gradient: (log) => {
    log(attempt(() => gradcheck((a: Tensor) => a, torch.ones(2))));
    log(attempt(() => gradcheck(() => torch.ones(1), [])));
    log(attempt(() => gradcheck((a: Tensor) => a, [3, "text"])));
  },
  overlapping_inputs_are_refused: (log) => {
    log(text(() => gradcheck((a: Tensor, b: Tensor) => a.mul(b), [x(1, 2), x(3).expand(2)])));
    log(text(() => gradcheck((n: number, a: Tensor) => a.mul(n), [2, x(3).expand(4)])));
    log(gradcheck((a: Tensor) => a.mul(2), x(3).reshape(1, 1).expand(1, 1)));
  },
  inputs_in_single_precision: (log) => {
    const single = torch.tensor([1, 2], { dtype: torch.float32, requires_grad: true });
    const f = (a: Tensor): Tensor => a.mul(4);
    quietly(() => {
      log(text(() => gradcheck(f, single)));
      log(gradcheck(f, single, { eps: 1e-2, atol: 1e-2 }));
      log(attempt(() => gradcheck(f, single, { fast_mode: true })));
    });
  },
  inputs_with_gaps: (log) => {
    const base = torch.arange(12, float64).reshape(3, 4).div(5);
    const stepped = base.index(["...", new torch.Slice(1, null, 2)]).requires_grad_();
    const turned = base.clone().t().requires_grad_();
    const shared = base.t().requires_grad_();
    log(text(() => gradcheck((a: Tensor, b: Tensor) => [a.sin(), b.mul(2)], [stepped, shared])));
    log(gradcheck((a: Tensor, b: Tensor) => [a.sin().t(), b.mul(2)], [stepped, turned]));
    log(gradgradcheck((a: Tensor) => a.sin().t(), stepped));
    log(base.flatten());
  },
  inputs_without_elements_and_scalars: (log) => {
    const empty = torch.zeros(0, 3, { ...float64, requires_grad: true });
    const scalar = torch.tensor(1.5, { ...float64, requires_grad: true });
    for (const fast_mode of [false, true]) {
      log(gradcheck((a: Tensor) => a.mul(2), empty, { fast_mode }));
      log(gradcheck((a: Tensor) => a.exp(), scalar, { fast_mode }));
      log(gradcheck((a: Tensor, b: Tensor) => a.sum().mul(b), [empty, scalar], { fast_mode }));
    }
  },
  outputs_that_do_not_require_a_gradient: (log) => {
    log(gradcheck((a: Tensor) => [a.detach().mul(5), a.mul(2)], x(1, 2)));
    log(gradcheck((a: Tensor) => [a.mul(2), a.long()], x(1.5)));
    for (const fast_mode of [false, true]) {
      log(gradcheck(() => torch.ones(3), x(1), { fast_mode }));
      log(attempt(() => gradcheck((a: Tensor) => (fast_mode ? a.detach() : a.detach().mul(2)), x(1), { fast_mode })));
    }
    log(gradcheck(() => [], x(1)));
    log(attempt(() => gradcheck((a: Tensor) => [a.mul(2), a.gt(1)], x(1.5))));
  },
  functions_that_return_inputs_and_views: (log) => {
    log(gradcheck((a: Tensor) => a, x(1, 2)));
    log(gradcheck((a: Tensor) => [a.view(2, 1), a.select(0, 0), a], x(1, 2)));
    log(gradgradcheck((a: Tensor) => [a, a.narrow(0, 1, 1)], x(1, 2)));
    const same = x(1, 2);
    log(
      gradcheck((a: Tensor, b: Tensor) => a.mul(b), [same, same]),
      same.grad,
      same._version,
    );
  },
  inputs_that_are_not_leaves: (log) => {
    const inner = x(0.5, 2);
    log(
      gradcheck((a: Tensor) => a.mul(a), inner.mul(3)),
      gradgradcheck((a: Tensor) => a.mul(a), inner.exp()),
    );
    log(inner.grad, inner.tolist());
  },
  backward_that_ignores_what_comes_in: (log) => {
    const constant = custom(
      (_: FunctionCtx, a: Tensor) => a.mul(2),
      (_: FunctionCtx, g: Tensor) => torch.ones_like(g).mul(2),
    ) as Fn;
    log(text(() => gradcheck(constant, x(1))));
  },
  backward_that_does_not_repeat: (log) => {
    let calls = 0;
    const unstable = custom(
      (_: FunctionCtx, a: Tensor) => a.mul(2),
      (_: FunctionCtx, g: Tensor) => g.mul(2 + (++calls % 2) * 1e-8),
    ) as Fn;
    log(text(() => gradcheck(unstable, x(1))));
    log(text(() => gradcheck(unstable, x(1), { nondet_tol: 1e-9 })));
    log(gradcheck(unstable, x(1), { nondet_tol: 1e-6 }));
  },
  gradients_that_are_not_there: (log) => {
    const one = custom(
      (ctx: FunctionCtx, a: Tensor) => {
        ctx.set_materialize_grads(false);
        return a.mul(2);
      },
      (_: FunctionCtx, g: Tensor | null) => (g === null ? torch.ones(1, float64) : g.mul(2)),
    ) as Fn;
    quietly(() => log(text(() => gradcheck(one, x(1)))));
    log(gradcheck(one, x(1), { check_undefined_grad: false }));
  },
  gradients_of_two_outputs_one_by_one: (log) => {
    const forward = (ctx: FunctionCtx, a: Tensor, b: Tensor): Tensor[] => {
      ctx.set_materialize_grads(false);
      return [a.mul(2), b.mul(3)];
    };
    const python = (value: boolean): string => (value ? "True" : "False");
    const seen = new Set<string>();
    const both = custom(forward, (_: FunctionCtx, g: Tensor | null, h: Tensor | null) => {
      seen.add(`(${python(g === null)}, ${python(h === null)})`);
      return [g?.mul(2) ?? null, h?.mul(3) ?? null];
    }) as Fn;
    log(gradcheck(both, [x(1), x(2)]), [...seen].sort());
    const strict = custom(forward, (_: FunctionCtx, g: Tensor | null, h: Tensor | null) => {
      if (h === null) throw new torch.RuntimeError("no second gradient");
      return [g?.mul(2) ?? null, h.mul(3)];
    }) as unknown as (a: Tensor, b: Tensor) => Tensor[];
    quietly(() => log(text(() => gradcheck((a: Tensor, b: Tensor) => strict(a, b)[1], [x(1), x(2)]))));
  },
  results_that_change_their_kind: (log) => {
    log(text(() => gradcheck((a: Tensor) => (first(a) <= 1 ? a : a.narrow(0, 0, 1)), x(1, 2))));
    log(text(() => gradcheck((a: Tensor) => (first(a) <= 1 ? a : a.float()), x(1, 2))));
    const f = (a: Tensor): Tensor => (Number(a.sum().item()) >= 3 ? a : a.narrow(0, 0, 1));
    log(text(() => gradcheck(f, x(1, 2), { fast_mode: true, eps: 1e-4 })));
  },
  options_that_exclude_each_other: (log) => {
    const square = (a: Tensor): Tensor => a.mul(a);
    const forward = { check_backward_ad: false, check_forward_ad: true, check_batched_grad: true };
    log(attempt(() => gradcheck(square, x(1), { check_backward_ad: false })));
    log(attempt(() => gradcheck(square, x(1), forward)));
    log(attempt(() => gradcheck(square, x(1), { check_batched_forward_grad: true })));
    log(attempt(() => gradgradcheck(square, x(1), null, { check_rev_over_rev: false })));
    log(attempt(() => gradgradcheck(square, x(1), { check_rev_over_rev: false, check_fwd_over_rev: true })));
  },
  forward_mode_is_checked: (log) => {
    const f = (a: Tensor, b: Tensor): Tensor[] => [a.mul(b), a.exp()];
    log(gradcheck(f, [x(1, -0.5), x(2, 3)], { check_forward_ad: true }));
    const only = { check_forward_ad: true, check_backward_ad: false, fast_mode: true };
    log(gradcheck((a: Tensor) => a.sin(), x(1, -0.5), only));
    log(gradgradcheck((a: Tensor) => a.sin().mul(a), x(1, -0.5), null, { check_fwd_over_rev: true }));
  },
  a_wrong_jvp_is_shown: (log) => {
    class Wrong extends torch.autograd.Function {
      static forward(_: FunctionCtx, a: Tensor): Tensor {
        return a.mul(2);
      }
      static backward(_: FunctionCtx, g: Tensor): Tensor {
        return g.mul(2);
      }
      static jvp(_: FunctionCtx, t: Tensor): Tensor {
        return t.mul(5);
      }
    }
    const wrong = (a: Tensor): Tensor => Wrong.apply(a);
    log(
      gradcheck(wrong, x(1, 2)),
      text(() => gradcheck(wrong, x(1, 2), { check_forward_ad: true })),
    );
    log(attempt(() => gradcheck(wrong, x(1, 2), { check_forward_ad: true, fast_mode: true })));
  },
  batches_of_gradients_are_checked: (log) => {
    const f = (a: Tensor, b: Tensor): Tensor[] => [a.mul(b), a.exp()];
    log(gradcheck(f, [x(1, -0.5), x(2, 3)], { check_batched_grad: true }));
    const forward = { check_forward_ad: true, check_batched_forward_grad: true };
    log(gradcheck((a: Tensor) => a.sin(), x(1, -0.5), forward));
    log(gradgradcheck((a: Tensor) => a.sin().mul(a), x(1, -0.5), { check_batched_grad: true }));
  },
  a_first_derivative_that_cannot_be_differentiated: (log) => {
    const cube = custom(
      (ctx: FunctionCtx, a: Tensor) => {
        ctx.save_for_backward(a);
        return a.pow(3);
      },
      (ctx: FunctionCtx, g: Tensor) => g.mul(3).mul((ctx.saved_tensors[0] as Tensor).detach().square()),
    ) as Fn;
    log(gradcheck(cube, x(1, 2)));
    torch.manual_seed(4);
    log(text(() => gradgradcheck(cube, x(1, 2))));
    torch.manual_seed(4);
    log(attempt(() => gradgradcheck(cube, x(1, 2), { fast_mode: true })));
  },
  weights_of_second_derivatives: (log) => {
    const both = (a: Tensor): Tensor[] => [a.exp(), a.sin()];
    log(
      gradgradcheck((a: Tensor) => a.exp(), x(1, 2), x(0.5, 0.25)),
      gradgradcheck(both, x(1), [x(0.5), x(2)]),
    );
    log(attempt(() => gradgradcheck(both, x(1), [x(0.5)])));
    const wide = torch.linspace(0, 1, 6, float64).reshape(2, 3).requires_grad_();
    log(gradgradcheck((a: Tensor) => a.exp(), wide, { gen_non_contig_grad_outputs: true }));
    torch.manual_seed(6);
    gradgradcheck((a: Tensor) => a.exp(), wide, { gen_non_contig_grad_outputs: true });
    log(torch.rand(2));
  },
  jacobians_by_differences: (log) => {
    const [a, b] = [x(1, -2), x(3, 4.5)];
    const product = (v: readonly Tensor[]): Tensor => v[0].mul(v[1]);
    quietly(() => {
      log(gradcheck.get_numerical_jacobian(product, [a, b]));
      log(gradcheck.get_numerical_jacobian(product, [a, b], { target: b, eps: 1e-5 }));
      log(attempt(() => gradcheck.get_numerical_jacobian((v: readonly Tensor[]) => v[0], [a, b], { grad_out: 2 })));
    });
    const specific = gradcheck.get_numerical_jacobian_wrt_specific_input;
    log(specific((p: Tensor, q: Tensor) => [p.mul(q), q], 1, [a, b], [a.mul(b), b], 1e-6));
    log(attempt(() => specific((p: Tensor) => [p], 0, [torch.ones(1)], [torch.ones(1)], 1e-6)));
  },
  jacobians_by_backward: (log) => {
    const [a, b] = [x(1, -2), x(3, 4.5)];
    quietly(() => {
      log(gradcheck.get_analytical_jacobian([a, b], a.mul(b)), gradcheck.get_analytical_jacobian([a, b], b.exp()));
    });
  },
};
