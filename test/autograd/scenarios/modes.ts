/** Gradient modes: twins of tools/golden-autograd/modes.py. */
import * as torch from "../../../src/index.ts";
import { attempt, custom, f32, type Log, leaf, node, pairOf, type Scenarios, type Tensor } from "./common.ts";

const modes = (): unknown[] => [torch.is_grad_enabled(), torch.is_inference_mode_enabled()];
const doubled = (x: Tensor): boolean => x.mul(2).requires_grad;

export const scenarios: Scenarios = {
  nesting_and_what_is_recorded(log: Log) {
    const x = leaf(1, 2);
    const made: Tensor[] = [];
    {
      using _ = torch.no_grad();
      made.push(x.mul(3));
      {
        using _inner = torch.enable_grad();
        made.push(x.mul(3));
        made.push(torch.no_grad(() => made[1].mul(2)));
        made.push(made[1].mul(2));
      }
      made.push(made[1].mul(2));
      log(modes());
    }
    log(modes());
    for (const t of made) log(t.requires_grad, t.is_leaf, node(t));
  },
  an_error_puts_the_mode_back(log: Log) {
    const fails = () => torch.no_grad(() => torch.enable_grad(() => torch.ones(2).view(3)));
    log((attempt(fails) as string).split(":")[0], modes());
  },
  set_grad_enabled_as_statement(log: Log) {
    const x = leaf(1);
    torch.set_grad_enabled(false);
    log(modes(), doubled(x));
    torch.set_grad_enabled(true);
    log(modes(), doubled(x));
    {
      using _ = torch.no_grad();
      torch.set_grad_enabled(true);
      log(modes(), doubled(x));
      torch.no_grad(() => log(modes()));
      log(modes());
      torch.set_grad_enabled(false);
      log(modes());
    }
    log(modes());
  },
  set_grad_enabled_as_block(log: Log) {
    const x = leaf(1);
    for (const flag of [false, true]) {
      {
        using _ = torch.set_grad_enabled(flag);
        log(modes(), doubled(x));
        torch.set_grad_enabled(!flag, () => log(modes(), doubled(x)));
        log(modes());
      }
      log(modes());
    }
    const guard = torch.set_grad_enabled(false);
    log(modes());
    guard[Symbol.dispose]();
    log(modes());
  },
  set_grad_enabled_as_wrapper(log: Log) {
    const x = leaf(1);
    const off = torch.set_grad_enabled(false)(doubled);
    log(modes(), off(x), modes());
    torch.no_grad(() => {
      const on = torch.set_grad_enabled(true)(doubled);
      log(modes(), on(x), off(x), modes());
    });
  },
  wrapped_functions(log: Log) {
    const x = leaf(1, 2);
    const f = torch.no_grad()((t: Tensor) => t.mul(2));
    const g = torch.enable_grad()((t: Tensor) => t.mul(2));
    log(f(x).requires_grad, g(x).requires_grad);
    torch.no_grad(() => log(f(x).requires_grad, g(x).requires_grad, modes()));
    torch.enable_grad(() => {
      const h = torch.no_grad()((t: Tensor) => [f(t).requires_grad, g(t).requires_grad, doubled(t)]);
      log(h(x));
    });
    log(modes());
  },
  wrapped_recursion(log: Log) {
    const seen: boolean[] = [];
    const down = torch.no_grad()((n: number): void => {
      seen.push(torch.is_grad_enabled());
      torch.enable_grad(() => {
        if (n > 0) down(n - 1);
        seen.push(torch.is_grad_enabled());
      });
    });
    down(2);
    log(seen, modes());
  },
  a_wrapped_method(log: Log) {
    class Model {
      w = leaf(2, 3);
      run(x: Tensor): Tensor {
        return this.w.mul(x);
      }
      // What `@torch.no_grad() evaluate(x) { … }` means where decorators are compiled.
      evaluate = torch.no_grad()((x: Tensor) => this.run(x));
    }
    const m = new Model();
    log(m.run(f32([1, 1])).requires_grad, m.evaluate(f32([1, 1])).requires_grad, m.evaluate(f32([1, 1])));
  },
  a_wrapped_generator(log: Log) {
    const seen: unknown[] = [];
    const steps = torch.no_grad()(function* (n: number): Generator<unknown, string, unknown> {
      try {
        for (let i = 0; i < n; i++) {
          const reply = yield [i, torch.is_grad_enabled()];
          seen.push([reply, torch.is_grad_enabled()]);
        }
      } finally {
        seen.push(torch.is_grad_enabled());
      }
      return "done";
    });
    const it = steps(2);
    log(it.next().value, torch.is_grad_enabled());
    log(it.next("a").value, torch.is_grad_enabled());
    log(it.next(null).value);
    const other = steps(5);
    log(other.next().value);
    other.return("");
    log(seen, torch.is_grad_enabled());
  },
  a_generator_that_is_thrown_into(log: Log) {
    const steps = torch.enable_grad()(function* (): Generator<unknown> {
      for (let i = 0; i < 3; i++) {
        try {
          yield [i, torch.is_grad_enabled()];
        } catch {
          yield ["caught", torch.is_grad_enabled()];
        }
      }
    });
    torch.no_grad(() => {
      const it = steps();
      log(it.next().value, torch.is_grad_enabled());
      log(it.throw(new RangeError()).value, torch.is_grad_enabled());
      log(it.next().value, torch.is_grad_enabled());
    });
  },
  leaves_made_without_recording(log: Log) {
    const [a, b, c] = torch.no_grad(() => {
      const one = torch.ones(2, { requires_grad: true });
      return [one, one.mul(2), torch.zeros(2).requires_grad_()];
    });
    log(a.requires_grad, b.requires_grad, c.requires_grad, c.is_leaf);
    a.mul(c).add(a).sum().backward();
    log(a.grad, c.grad);
  },
  updates_of_leaves(log: Log) {
    const w = leaf(1, 2);
    log(attempt(() => w.add_(1)));
    log(attempt(() => w.select(0, 0).mul_(2)));
    torch.no_grad(() => {
      w.sub_(0.5);
      w.select(0, 0).mul_(4);
    });
    log(w, w.requires_grad, w.is_leaf, w._version);
    w.mul(w).sum().backward();
    torch.no_grad(() => {
      w.sub_((w.grad as Tensor).mul(0.1));
      w.grad?.zero_();
    });
    log(w, w.grad);
  },
  views_made_without_recording(log: Log) {
    const x = leaf(1, 2, 3).mul(1);
    const v = torch.no_grad(() => {
      const view = x.view(3, 1);
      view.mul_(2);
      return view;
    });
    log(x, x.requires_grad, v.requires_grad, v._is_view());
    log(attempt(() => v.add_(1)));
    const u = torch.no_grad(() => x.narrow(0, 0, 2));
    log(attempt(() => u.mul_(x.narrow(0, 1, 2))));
    const y = x.mul(1);
    const t = torch.no_grad(() => y.narrow(0, 0, 2));
    y.mul_(3);
    log(attempt(() => t.grad_fn));
    const p = f32([1, 2]);
    const q = torch.no_grad(() => p.narrow(0, 0, 1));
    q.mul_(5);
    log(
      p,
      attempt(() => q.mul_(leaf(2))),
    );
  },
  backward_within_no_grad(log: Log) {
    const x = leaf(2, 3);
    const y = x.pow(3).sum();
    torch.no_grad(() => {
      y.backward();
      log(x.grad, torch.is_grad_enabled());
    });
    const seen: unknown[] = [];
    x.register_hook((g) => {
      seen.push([torch.is_grad_enabled(), g.requires_grad]);
    });
    x.mul(x).sum().backward();
    torch.no_grad(() => {
      const z = torch.enable_grad(() => x.pow(3).sum());
      const [g] = torch.autograd.grad(z, x, { create_graph: true });
      log(g, g.requires_grad, torch.is_grad_enabled());
    });
    log(seen);
  },
  modes_within_hooks(log: Log) {
    const x = leaf(2, 3);
    const y = x.mul(x);
    const kept: Tensor[] = [];
    y.register_hook((g) => {
      kept.push(torch.enable_grad(() => x.mul(g).sum()));
      kept.push(x.mul(g).sum());
      return null;
    });
    y.sum().backward();
    log(
      kept.map((k) => k.requires_grad),
      torch.is_grad_enabled(),
      x.grad,
    );
    torch.autograd.grad(kept[0], x);
    log(attempt(() => kept[1].backward()));
  },
  modes_within_custom_functions(log: Log) {
    const seen: unknown[] = [];
    const apply = custom(
      (_ctx, x: Tensor) => {
        seen.push(["forward", torch.is_grad_enabled()]);
        torch.enable_grad(() => seen.push(["inside", torch.is_grad_enabled()]));
        torch.set_grad_enabled(true);
        return x.mul(2);
      },
      (_ctx, g: Tensor) => {
        seen.push(["backward", torch.is_grad_enabled()]);
        return g.mul(2);
      },
    );
    const x = leaf(1);
    const y = apply(x);
    log(torch.is_grad_enabled(), y.requires_grad, node(y)?.replace("Fn", "F"));
    y.backward({ retain_graph: true });
    torch.autograd.grad(apply(x), x, { create_graph: true });
    log(seen);
  },
  re_entrant_backward_keeps_modes(log: Log) {
    const x = leaf(1, 2);
    const seen: unknown[] = [];
    const z = x.mul(1);
    z.register_hook(() => {
      torch.enable_grad(() => {
        const y = x.mul(3).exp().sum();
        seen.push(torch.is_grad_enabled());
        const [h] = torch.autograd.grad(y, x);
        seen.push([torch.is_grad_enabled(), h.requires_grad]);
      });
      seen.push(torch.is_grad_enabled());
    });
    z.sum().backward();
    log(seen, x.grad, modes());
  },
  what_modes_take(log: Log) {
    const wrong = torch.set_grad_enabled as unknown as () => void;
    log((attempt(() => wrong()) as string).split(":")[0], modes());
  },
  gradient_penalty_in_no_grad(log: Log) {
    const w = leaf(0.5, -1);
    const [g, x] = torch.no_grad(() => {
      const input = f32([1, 2]);
      const gradient = torch.enable_grad(() => {
        input.requires_grad_();
        const out = w.mul(input).tanh().sum();
        return torch.autograd.grad(out, input, { create_graph: true })[0];
      });
      const penalty = gradient.mul(gradient).sum();
      log(penalty, penalty.requires_grad, gradient.requires_grad);
      return pairOf([gradient, input]);
    });
    torch.set_grad_enabled(true, () => g.mul(g).sum().backward());
    log(w.grad, x.grad);
  },
  only_part_of_a_model_trains(log: Log) {
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    for (const flag of [true, false]) {
      const features = torch.set_grad_enabled(flag, () => a.mul(2));
      const out = features.mul(b).sum();
      a.grad = b.grad = null;
      out.backward();
      log(a.grad, b.grad);
    }
  },
};
