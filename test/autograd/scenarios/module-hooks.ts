/** Hooks of modules. */
import * as torch from "../../../src/index.ts";
import { forgetWarnings } from "../../../src/warnings.ts";
import { attempt, f32, leaf, node, type Scenarios, type Tensor } from "./common.ts";

const { nn } = torch;
const { grad } = torch.autograd;
const modules = torch.nn.modules.module;

/** Warnings of `f()`, their first sentence. */
function warned(f: () => unknown): string[] {
  const lines: string[] = [];
  const before = console.warn;
  console.warn = (line: string) => lines.push(line.split(". ")[0].replace(/\.$/, ""));
  forgetWarnings();
  try {
    f();
  } finally {
    console.warn = before;
  }
  return lines;
}

/** Python's text of keyword arguments that are numbers. */
const dict = (kwargs: object): string =>
  `{${Object.entries(kwargs)
    .map(([k, v]) => `'${k}': ${v}`)
    .join(", ")}}`;

const list = (values: readonly unknown[]): unknown[] => values.map((v) => (torch.is_tensor(v) ? v.tolist() : v));
const one = (value: number): Tensor => f32([value]);
const className = (m: torch.nn.Module): string => m.constructor.name;

class Scale extends nn.Module {
  weight: torch.nn.Parameter;
  constructor(factor = 2) {
    super();
    this.weight = new nn.Parameter(torch.tensor(factor, { dtype: torch.float32 }));
  }
  override forward(x: Tensor, { offset = 0 }: { offset?: number } = {}): Tensor {
    return x.mul(this.weight).add(offset);
  }
}

class Two extends nn.Module {
  override forward(a: Tensor, b: Tensor): [Tensor, Tensor] {
    return [a.mul(b), a.add(b)];
  }
}

export const scenarios: Scenarios = {
  order_of_forward_hooks(log) {
    const m = new Scale();
    const calls: unknown[][] = [];
    const note =
      (name: string, result: Tensor | null = null) =>
      (module: torch.nn.Module, args: unknown[], output?: unknown) => {
        calls.push([name, className(module), list(args), output === undefined ? null : (output as Tensor).tolist()]);
        return result;
      };
    m.register_forward_hook(note("f1"));
    m.register_forward_hook(note("f2"));
    m.register_forward_hook(note("f0"), { prepend: true });
    m.register_forward_pre_hook(note("p1"));
    m.register_forward_pre_hook(note("p0"), { prepend: true });
    log(m(torch.ones(2)), [...calls]);
    calls.length = 0;
    const h = m.register_forward_hook(note("f3", torch.zeros(1)));
    m.register_forward_hook(note("f4"));
    log(
      m(torch.ones(1)),
      calls.map((c) => c[0]),
    );
    h.remove();
    h.remove();
    calls.length = 0;
    log(
      m(torch.ones(1)),
      calls.map((c) => c[0]),
    );
  },

  pre_hooks_replace_arguments(log) {
    const m = new Scale();
    const first = (args: unknown[]): Tensor => args[0] as Tensor;
    const a = m.register_forward_pre_hook((_m, args) => first(args).mul(10));
    log(m(torch.ones(2)));
    const b = m.register_forward_pre_hook((_m, args) => [first(args).add(1)]);
    log(m(torch.ones(2)));
    a.remove();
    log(m(torch.ones(2)));
    b.remove();
    const t = new Two();
    t.register_forward_pre_hook((_m, args) => [args[1], first(args).mul(2)]);
    log(t(one(1), one(3)));
    t.register_forward_hook((_m, args, out) => (out as Tensor[])[0].add(first(args)));
    log(t(one(1), one(3)));
  },

  keyword_arguments(log) {
    const m = new Scale();
    const seen: unknown[] = [];
    m.register_forward_pre_hook((_m, args) => {
      seen.push(["plain", args.length]);
    });
    m.register_forward_pre_hook(
      (_m, args, kwargs) => {
        seen.push(["pre", args.length, dict(kwargs)]);
        return [[(args[0] as Tensor).mul(2)], { ...kwargs, offset: ((kwargs.offset as number) ?? 0) + 100 }];
      },
      { with_kwargs: true },
    );
    m.register_forward_hook(
      (_m, args, kwargs, output) => {
        seen.push(["post", (args[0] as Tensor).tolist(), dict(kwargs), (output as Tensor).tolist()]);
        return (output as Tensor).sub(1);
      },
      { with_kwargs: true },
    );
    m.register_forward_hook((_m, args, output) => {
      seen.push(["last", args.length, (output as Tensor).tolist()]);
    });
    log(m(torch.ones(1), { offset: 5 }));
    log(seen.splice(0));
    log(m(torch.ones(1)));
    log(seen);
    const n = new Scale();
    n.register_forward_pre_hook((_m, args) => [(args[0] as Tensor).add(1)]);
    log(n(torch.ones(1), { offset: 7 }));
    n.register_forward_pre_hook(() => 3, { with_kwargs: true });
    log(attempt(() => n(torch.ones(1))));
  },

  hooks_that_are_always_called(log) {
    class Fails extends nn.Module {
      override forward(x: Tensor): Tensor {
        if ((x.item() as number) < 0) throw new torch.ValueError("negative");
        return x.mul(2);
      }
    }
    const m = new Fails();
    const seen: unknown[] = [];
    const scalar = (value: number): Tensor => torch.tensor(value, { dtype: torch.float32 });
    const note = (name: string) => (_m: unknown, _args: unknown, output: unknown) => {
      seen.push([name, output === null ? null : (output as Tensor).tolist()]);
    };
    m.register_forward_hook(note("usual"));
    m.register_forward_hook(note("always"), { always_call: true });
    m(scalar(1));
    log(seen.splice(0));
    log(
      attempt(() => m(scalar(-1))),
      seen.splice(0),
    );
    const fail = (): never => {
      seen.push("fail");
      throw new torch.RuntimeError("hook");
    };
    m.register_forward_hook(fail, { prepend: true });
    log(
      attempt(() => m(scalar(1))),
      seen.splice(0),
    );
    m.register_forward_hook(fail, { always_call: true });
    let result: unknown;
    warned(() => {
      result = attempt(() => m(scalar(-1)));
    });
    log(result, [...seen]);
    log(warned(() => attempt(() => m(scalar(-1)))));
    seen.length = 0;
    const p = new Fails();
    p.register_forward_hook(
      (_m, args, kwargs, output) => {
        seen.push([args.length, Object.keys(kwargs).length, output]);
      },
      { always_call: true, with_kwargs: true },
    );
    p.register_forward_pre_hook(() => {
      throw new torch.IndexError("pre");
    });
    log(
      attempt(() => p(scalar(1))),
      seen,
    );
  },

  gradients_at_a_module(log) {
    const m = new nn.Linear(2, 1);
    torch.no_grad(() => {
      m.weight.copy_(f32([1, -2]).view(1, 2));
      m.bias?.zero_();
    });
    const seen: unknown[] = [];
    m.register_full_backward_hook((module, gi, go) => {
      seen.push([className(module), [...gi], [...go]]);
    });
    const x = f32([1, 2, 3, 4]).view(2, 2).requires_grad_();
    const y = m(x);
    log(node(y));
    y.mul(f32([1, 10]).view(2, 1))
      .sum()
      .backward();
    log(seen.splice(0), x.grad, m.weight.grad);
    const t = new Two();
    t.register_full_backward_hook((_m, gi, go) => {
      seen.push([[...gi], [...go]]);
    });
    const a = leaf(1, 2);
    const b = f32([3, 4]);
    let out = t(a, b);
    out[0].sum().mul(2).add(out[1].sum()).backward();
    log(seen.splice(0), a.grad);
    out = t(a, b);
    out[1].sum().backward();
    log(seen.splice(0));
    class Mixed extends nn.Module {
      override forward(number: number, u: Tensor, text: string, v: Tensor): [Tensor, string, Tensor] {
        return [u.mul(number).add(v), text, v.detach()];
      }
    }
    const mixed = new Mixed();
    mixed.register_full_backward_hook((_m, gi, go) => {
      seen.push([[...gi], [...go]]);
    });
    const several = mixed(3, a, "text", a.mul(2));
    log(several.map(torch.is_tensor), several[0].requires_grad, several[2].requires_grad);
    several[0].sum().backward();
    log(seen);
  },

  backward_hooks_replace_gradients(log) {
    const m = new Scale(3);
    const handle = m.register_full_backward_hook((_m, gi) => [(gi[0] as Tensor).mul(100)]);
    const x = leaf(1, 2);
    m(x).sum().backward();
    log(x.grad, m.weight.grad);
    const seen: unknown[] = [];
    m.register_full_backward_hook((_m, gi, go) => {
      seen.push([gi[0]?.tolist(), go[0]?.tolist()]);
    });
    m.register_full_backward_hook((_m, gi) => [(gi[0] as Tensor).add(1)], { prepend: true });
    x.grad = null;
    m(x).sum().backward();
    log(x.grad, [...seen]);
    handle.remove();
    x.grad = null;
    m(x).sum().backward();
    log(x.grad);
    const t = new Two();
    t.register_full_backward_hook((_m, gi) => [gi[0], null]);
    const [a, b] = [leaf(1), leaf(2)];
    t(a, b)[0].sum().backward();
    log(a.grad, b.grad);
    const w = new Two();
    w.register_full_backward_hook((_m, gi) => [gi[0]]);
    log(attempt(() => w(a, b)[0].sum().backward()));
    const v = new Scale();
    v.register_full_backward_hook((_m, gi) => [gi[0], gi[0]]);
    log(attempt(() => v(a).sum().backward()));
  },

  before_gradients_go_back(log) {
    const m = new Scale(3);
    const order: unknown[] = [];
    const pre =
      (name: string, factor: number | null = null) =>
      (_m: unknown, go: readonly (Tensor | null)[]) => {
        order.push([name, go[0]?.tolist()]);
        return factor === null ? null : [go[0]?.mul(factor)];
      };
    m.register_full_backward_pre_hook(pre("second", 10));
    m.register_full_backward_pre_hook(pre("first", 2), { prepend: true });
    const h = m.register_full_backward_pre_hook(pre("third"));
    m.register_full_backward_hook((_m, gi, go) => {
      order.push(["full", gi[0]?.tolist(), go[0]?.tolist()]);
    });
    const x = leaf(1, 2);
    m(x).sum().backward();
    log([...order], x.grad, m.weight.grad);
    h.remove();
    m.register_full_backward_pre_hook((_m, go) => [go[0], go[0]]);
    log(attempt(() => m(x).sum().backward()));
    const n = new Scale(3);
    n.register_full_backward_pre_hook((_m, go) => [(go[0] as Tensor).mul(5)]);
    n(torch.ones(2)).sum().backward();
    log(n.weight.grad);
  },

  no_input_requires_a_gradient(log) {
    const first = new Scale(3);
    const m = new nn.Sequential(first, new Scale(0.5));
    const run = (): void => (m(torch.ones(2)) as Tensor).sum().backward();
    const seen: unknown[] = [];
    first.register_full_backward_hook((_m, gi, go) => {
      seen.push([[...gi], [...go]]);
    });
    log(warned(run));
    log([...seen], first.weight.grad?.clone());
    first.register_full_backward_hook(() => [null]);
    run();
    first.register_full_backward_hook(() => [torch.ones(2)]);
    log(attempt(run));
    const n = new Scale();
    n.register_full_backward_hook(() => {
      seen.push("never");
    });
    torch.no_grad(() => log(n(leaf(1)).requires_grad));
    n.weight.requires_grad_(false);
    log(n(torch.ones(1)).requires_grad, seen.length);
  },

  changes_in_place_at_hooks(log) {
    class InPlace extends nn.Module {
      override forward(x: Tensor): Tensor {
        return x.mul_(2);
      }
    }
    const nothing = (): null => null;
    const m = new InPlace();
    m.register_full_backward_hook(nothing);
    const x = leaf(1, 2);
    log(attempt(() => m(x.mul(1)).sum().backward()));
    const n = new Scale();
    n.register_full_backward_hook(nothing);
    const y = n(x);
    log(
      attempt(() => y.mul_(3)),
      attempt(() => n(x).select(0, 0).zero_()),
    );
    log(y._is_view(), node(y));
    n(x).clone().mul_(3).sum().backward();
    log(x.grad);
    const p = new Scale();
    p.register_full_backward_pre_hook(nothing);
    log(attempt(() => p(x).add_(1)));
    const relu = new nn.ReLU(true);
    const q = new nn.Sequential(new Scale(), relu);
    relu.register_full_backward_hook(nothing);
    log(attempt(() => (q(x) as Tensor).sum().backward()));
  },

  gradients_of_gradients_through_hooks(log) {
    const scale = new Scale(2);
    const tanh = new nn.Tanh();
    const m = new nn.Sequential(scale, tanh);
    const counts = [0, 0];
    scale.register_full_backward_hook(() => {
      counts[0]++;
    });
    tanh.register_full_backward_hook(() => {
      counts[1]++;
    });
    const x = leaf(0.1, 0.2);
    let [g] = grad((m(x) as Tensor).sum(), [x], { create_graph: true });
    log(g, [...counts]);
    const [gg] = grad(g.sum(), [x], { create_graph: true });
    log(gg, [...counts]);
    gg.sum().backward();
    log(x.grad, scale.weight.grad, [...counts]);
    const n = new Scale(3);
    n.register_full_backward_hook((_m, gi) => [(gi[0] as Tensor).mul(x)]);
    [g] = grad(n(x).square().sum(), [x], { create_graph: true });
    log(g);
    log(grad(g.sum(), [x])[0]);
  },

  hooks_of_the_old_kind(log) {
    const m = new nn.Linear(2, 2);
    torch.no_grad(() => {
      m.weight.copy_(f32([1, 2, 3, 4]).view(2, 2));
      m.bias?.zero_();
    });
    const nothing = (): null => null;
    const seen: unknown[] = [];
    const handle = m.register_backward_hook((_m, gi, go) => {
      seen.push([gi.map((g) => g?.shape), [...go]]);
    });
    let x = torch.ones(1, 2, { requires_grad: true });
    warned(() => m(x).sum().backward());
    log(seen);
    log(attempt(() => m.register_full_backward_hook(nothing)));
    handle.remove();
    log(attempt(() => m.register_full_backward_hook(nothing)));
    const n = new nn.Linear(2, 2);
    n.register_full_backward_hook(nothing);
    log(attempt(() => n.register_backward_hook(nothing)));
    const e = new nn.Tanh();
    e.register_backward_hook((_m, gi) => [gi[0]?.mul(7)]);
    x = leaf(1, 2);
    warned(() => e(x).sum().backward());
    log(x.grad);
    class Both extends nn.Module {
      override forward(a: Tensor, flag: boolean | null = true): unknown {
        const u = a.exp();
        return flag === null ? { one: u } : flag ? [u, u.mul(2)] : u.mul(3);
      }
    }
    const b = new Both();
    b.register_backward_hook(nothing);
    log(
      warned(() => b(x)),
      warned(() => b(x, false)),
      warned(() => b(x, null)),
    );
    const c = new nn.Tanh();
    c.register_backward_hook(nothing);
    log(
      warned(() => c(x.mul(2))),
      warned(() => c(torch.ones(2))),
    );
  },

  layers_in_order(log) {
    const net = new nn.Sequential(new nn.Sequential(new Scale(2), new Scale(3)), new Scale(5));
    const order: string[] = [];
    const text = (g: Tensor | null): string =>
      `[${((g as Tensor).tolist() as number[]).map((v) => v.toFixed(1)).join(", ")}]`;
    for (const [name, m] of net.named_modules()) {
      const note = (what: string) => () => {
        order.push(`${what} ${name}`);
      };
      m.register_forward_pre_hook(note("pre"));
      m.register_forward_hook(note("forward"));
      m.register_full_backward_pre_hook(note("backward pre"));
      m.register_full_backward_hook((_m, gi, go) => {
        order.push(`backward ${name} ${text(gi[0])} ${text(go[0])}`);
      });
    }
    const y = net(leaf(1)) as Tensor;
    log(order.splice(0));
    y.backward();
    log(order);
  },

  hooks_of_all_modules(log) {
    const first = new Scale(2);
    const net = new nn.Sequential(first, new Scale(3));
    const call = (t: Tensor): Tensor => net(t) as Tensor;
    const order: string[] = [];
    const note = (what: string) => (m: torch.nn.Module) => {
      order.push(`${what} ${className(m)}`);
    };
    const own = (what: string) => () => {
      order.push(what);
    };
    const handles = [
      modules.register_module_forward_pre_hook(note("pre")),
      modules.register_module_forward_hook(note("forward")),
      modules.register_module_forward_hook(
        (_m: torch.nn.Module, _args: unknown[], kwargs: unknown) => {
          order.push(`kwargs ${Object.keys(kwargs as object).length}`);
        },
        { with_kwargs: true },
      ),
      modules.register_module_full_backward_pre_hook(note("backward pre")),
      modules.register_module_full_backward_hook(note("backward")),
    ];
    first.register_forward_pre_hook(own("own pre"));
    first.register_forward_hook(own("own forward"));
    first.register_full_backward_hook(own("own backward"));
    const x = leaf(1);
    call(x).sum().backward();
    log(order.splice(0));
    first(x, { offset: 3 });
    log(order.splice(0));
    for (const h of handles) h.remove();
    call(x).sum().backward();
    log(order);
    let h = modules.register_module_forward_pre_hook((_m, args) => [(args[0] as Tensor).add(1)]);
    log(call(x));
    h.remove();
    h = modules.register_module_forward_hook((_m: unknown, _args: unknown, out: unknown) => (out as Tensor).mul(10));
    log(call(x));
    h.remove();
    const seen: unknown[] = [];
    h = modules.register_module_forward_hook(
      (_m: unknown, _args: unknown, out: unknown) => {
        seen.push(out);
      },
      { always_call: true },
    );
    class Fails extends nn.Module {
      override forward(_x: Tensor): Tensor {
        throw new torch.ValueError("no");
      }
    }
    log(
      attempt(() => new Fails()(x)),
      seen,
    );
    h.remove();
    log(attempt(() => modules.register_module_backward_hook(() => null)));
  },

  members_are_announced(log) {
    const names: unknown[] = [];
    const handles = [
      modules.register_module_parameter_registration_hook((_m, name, p) => {
        names.push(["parameter", name, p.shape]);
      }),
      modules.register_module_buffer_registration_hook((_m, name, b) => {
        names.push(["buffer", name, b === null ? null : b.shape]);
      }),
      modules.register_module_module_registration_hook((_m, name, c) => {
        names.push(["module", name, c === null ? null : className(c)]);
      }),
    ];
    class Net extends nn.Module {
      first: torch.nn.Module = new nn.Linear(2, 3);
      declare count: Tensor;
      scale: torch.nn.Parameter;
      constructor() {
        super();
        this.register_buffer("count", torch.zeros(1));
        this.register_buffer("none", null);
        this.scale = new nn.Parameter(torch.ones(4));
        this.register_parameter("absent", null);
        this.add_module("second", new nn.ReLU());
      }
    }
    const net = new Net();
    log(names.splice(0));
    net.scale = new nn.Parameter(torch.ones(5));
    net.count = torch.ones(2);
    net.first = new nn.Tanh();
    log(names.splice(0));
    nn.deepcopy(net);
    log(names.splice(0));
    for (const h of handles) h.remove();
    net.scale = new nn.Parameter(torch.ones(6));
    log(names.splice(0));
    const h = modules.register_module_parameter_registration_hook(
      (_m, _name, p) => new nn.Parameter(torch.full_like(p, 9)),
    );
    torch.manual_seed(0);
    const other = new nn.Linear(1, 2);
    log(other.weight, other.bias);
    h.remove();
  },

  handles(log) {
    const m = new Scale();
    const seen: string[] = [];
    const note = (name: string) => () => {
      seen.push(name);
    };
    const a = m.register_forward_hook(note("a"));
    const b = m.register_forward_hook(note("b"));
    log(b.id - a.id);
    {
      using _c = m.register_forward_hook(note("c"));
      m(torch.ones(1));
    }
    m(torch.ones(1));
    log(seen.splice(0));
    a.remove();
    a.remove();
    m(torch.ones(1));
    log(seen.splice(0));
    const handle = m.register_forward_hook(
      () => {
        seen.push("once");
        handle.remove();
        m.register_forward_hook(note("late"));
      },
      { prepend: true },
    );
    m(torch.ones(1));
    log(seen.splice(0));
    m(torch.ones(1));
    log(seen);
  },

  modules_that_call_themselves(log) {
    const depth: unknown[] = [];
    class Recursive extends nn.Module {
      override forward(x: Tensor, n: number): Tensor {
        return n === 0 ? x : (this as (x: Tensor, n: number) => Tensor)(x.mul(2), n - 1).add(1);
      }
    }
    const m = new Recursive();
    m.register_forward_pre_hook((_m, args) => {
      depth.push(args[1]);
    });
    m.register_forward_hook((_m, args, out) => {
      depth.push([args[1], (out as Tensor).tolist()]);
    });
    const grads: unknown[] = [];
    m.register_full_backward_hook((_m, gi, go) => {
      grads.push([...list(gi), go[0]?.tolist()]);
    });
    const x = leaf(1);
    m(x, 3).sum().backward();
    log(depth, grads, x.grad);
    const shared = new Scale(2);
    const calls: unknown[] = [];
    shared.register_full_backward_hook((_m, gi, go) => {
      calls.push([gi[0]?.tolist(), go[0]?.tolist()]);
    });
    x.grad = null;
    shared(shared(x)).add(shared(x)).sum().backward();
    log(calls, x.grad, shared.weight.grad);
  },

  copies_have_the_hooks(log) {
    const m = new Scale();
    const seen: unknown[] = [];
    const handle = m.register_forward_hook((module) => {
      seen.push(module === m);
    });
    m.register_full_backward_hook(() => {
      seen.push("backward");
    });
    m.register_state_dict_pre_hook(() => {
      seen.push("state");
    });
    const c = nn.deepcopy(m);
    handle.remove();
    const x = leaf(1);
    c(x).sum().backward();
    log(seen.splice(0));
    m(x);
    c.state_dict();
    log(seen.splice(0));
    log(attempt(() => c.register_backward_hook(() => null)));
  },

  outputs_that_are_no_tensors(log) {
    class Dict extends nn.Module {
      override forward(x: Tensor): { y: Tensor } {
        return { y: x.mul(2) };
      }
    }
    const m = new Dict();
    const seen: unknown[] = [];
    m.register_full_backward_hook(() => {
      seen.push("called");
    });
    const x = leaf(1);
    let result: { y: Tensor } | undefined;
    log(
      warned(() => {
        result = m(x);
      }).map((w) => w.split(" but ")[0]),
    );
    result?.y.backward();
    log([...seen], x.grad?.clone());
    class Nested extends nn.Module {
      override forward(u: Tensor): [Tensor, [Tensor, Tensor]] {
        return [u.mul(2), [u.mul(3), u.mul(4)]];
      }
    }
    const n = new Nested();
    n.register_full_backward_hook((_m, _gi, go) => {
      seen.push([go.length, go[0]?.tolist(), go[1]]);
    });
    const [a, [b, c]] = n(x);
    a.add(b).add(c).sum().backward();
    log(seen);
    log(x.grad);
    const lstm = new nn.LSTM(1, 1);
    const shapes: unknown[] = [];
    lstm.register_full_backward_hook((_m, gi, go) => {
      shapes.push([gi.map((g) => g?.shape), go.map((g) => g?.shape)]);
    });
    const [out, [h]] = lstm(torch.ones(3, 1, 1, { requires_grad: true })) as [Tensor, [Tensor, Tensor]];
    out.sum().add(h.sum()).backward();
    log(shapes);
  },
};
