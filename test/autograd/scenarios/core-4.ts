/** Hooks on tensors and nodes. */
import * as torch from "../../../src/index.ts";
import { attempt, define, f32, type Log, leaf, type Node, type Scenarios, type Tensor } from "./common.ts";

const { grad } = torch.autograd;
const { register_multi_grad_hook } = torch.autograd.graph;
const keep = { retain_graph: true } as const;
const create = { create_graph: true } as const;
const { ones } = torch;

type Hook = (g: Tensor) => Tensor | undefined;
type Loose = (...args: unknown[]) => never;
type Gradients = readonly (Tensor | null)[];

const nodeOf = (t: Tensor): Node => t.grad_fn as Node;
const loose = (f: (...args: never[]) => unknown): Loose => f as Loose;

/** Makes hooks that log, and return the gradient times `value`. */
const hooksOf =
  (log: Log) =>
  (name: string, value?: number): Hook =>
  (g) => {
    log(name, g);
    return value === undefined ? undefined : g.mul(value);
  };

export const scenarios: Scenarios = {
  hooks_that_change_gradients(log) {
    const fresh = hooksOf(log);
    const x = leaf(1, 2);
    const y = x.mul(2);
    y.register_hook((g: Tensor) => g.mul(10));
    y.register_hook(fresh("second"));
    y.register_hook((g: Tensor) => g.add(1));
    y.sum().backward();
    log(x.grad);
    x.register_hook((g: Tensor) => g.mul(0));
    x.mul(5).sum().backward();
    log(x.grad);
    const z = leaf(3);
    z.register_hook(() => null);
    z.mul(z).backward();
    log(z.grad);
    const w = leaf(3);
    w.register_hook((g: Tensor) => g.mul_(4));
    w.mul(1).backward(ones(1));
    log(w.grad);
    const v = leaf(1, 1);
    v.register_hook(fresh("sum of all paths"));
    v.mul(2).add(v.mul(3)).sum().backward();
    log(v.grad);
  },

  hooks_that_return_something_wrong(log) {
    const x = leaf(1, 2);
    const returning = (value: unknown): unknown => {
      const y = x.mul(2);
      y.register_hook(() => value);
      return attempt(() => y.sum().backward());
    };
    log(returning(3), returning("a"), returning([f32([1, 2])]), returning(ones(3)), returning(f32([1, 2]).view(1, 2)));
    log(returning(ones(2, { dtype: torch.float64 })), returning(ones(2, { dtype: torch.int64 })));
    log(x.grad);
    log(returning(f32([5, 6])), x.grad);
    const y = x.mul(2);
    log(
      attempt(() => ones(2).register_hook((g: Tensor) => g)),
      attempt(() => y.detach().register_hook((g: Tensor) => g)),
    );
    x.requires_grad_(false);
    log(attempt(() => x.register_hook((g: Tensor) => g)));
  },

  handles(log) {
    const fresh = hooksOf(log);
    const x = leaf(1, 2);
    const y = x.mul(2);
    const a = y.register_hook(fresh("a"));
    const b = y.register_hook(fresh("b", 2));
    const c = y.register_hook(fresh("c"));
    log(a.id < b.id && b.id < c.id);
    const s = y.sum();
    s.backward(keep);
    b.remove();
    b.remove();
    s.backward(keep);
    a.remove();
    c.remove();
    s.backward(keep);
    log(x.grad);
    {
      using _ = y.register_hook(fresh("within"));
      s.backward(keep);
    }
    s.backward(keep);
    const h = y.register_hook(() => {
      log("once");
      h.remove();
    });
    y.register_hook(fresh("after once"));
    s.backward(keep);
    s.backward(keep);
    const first = y.register_hook(() => {
      log("adds");
      y.register_hook(fresh("added"));
    });
    s.backward(keep);
    first.remove();
    s.backward();
    const same = fresh("same");
    const z = x.mul(1);
    const [one] = [z.register_hook(same), z.register_hook(same)];
    z.sum().backward(keep);
    one.remove();
    z.sum().backward();
  },

  order_of_hooks(log) {
    const fresh = hooksOf(log);
    let x = leaf(1, 2);
    let y = x.mul(2);
    nodeOf(y).register_hook((gi, go) => {
      log("post", gi, go);
      return null;
    });
    nodeOf(y).register_prehook((go) => {
      log("pre", go);
      return null;
    });
    y.register_hook(fresh("tensor 1", 2));
    y.retain_grad();
    y.register_hook(fresh("tensor 2", 3));
    x.register_hook(fresh("leaf 1"));
    x.register_post_accumulate_grad_hook((t: Tensor) => log("accumulated", t.grad));
    x.register_hook(fresh("leaf 2", 5));
    y.sum().backward();
    log(y.grad, x.grad);
    x = leaf(1);
    y = x.mul(2);
    y.retain_grad();
    y.register_hook(fresh("h", 7));
    log(grad(y, [y, x]), y.grad);
    y = x.mul(2);
    y.register_hook(fresh("captured", 7));
    log(grad(y, y));
  },

  hooks_of_nodes(log) {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    const y = x.mul(w);
    const fn = nodeOf(y);
    const run = (): unknown => attempt(() => y.sum().backward(keep));
    fn.register_hook((gi, go) => {
      log(gi, go);
      return null;
    });
    run();
    let h = fn.register_hook((gi) => [(gi[0] as Tensor).mul(10), gi[1]]);
    x.grad = w.grad = null;
    run();
    log(x.grad, w.grad);
    h.remove();
    x.grad = w.grad = null;
    const p = fn.register_prehook((go) => [(go[0] as Tensor).mul(100)]);
    run();
    log(x.grad, w.grad);
    p.remove();
    let bad = fn.register_hook((gi) => [gi[0]]);
    log(run());
    bad.remove();
    bad = fn.register_hook(loose((gi: Gradients) => [gi[0], 3]));
    log(run());
    bad.remove();
    bad = fn.register_prehook((go) => [go[0], go[0]]);
    log(run());
    bad.remove();
    bad = fn.register_hook((gi) => [ones(5), gi[1]]);
    log(run());
    bad.remove();
    h = fn.register_hook((gi) => [null, gi[1]]);
    x.grad = null;
    run();
    log(x.grad);
    h.remove();
  },

  hooks_of_nodes_with_missing_gradients(log) {
    const x = leaf(1, 2, 3);
    const [a, b] = x.split([1, 2]);
    nodeOf(a).register_prehook((go) => {
      log("pre", go);
      return null;
    });
    nodeOf(a).register_hook((gi, go) => {
      log("post", gi, go);
      return null;
    });
    b.mul(2).sum().backward();
    log(x.grad);
    const y = x.mul(f32([1, 2, 3]));
    nodeOf(y).register_hook((gi, go) => {
      log(gi, go);
      return null;
    });
    y.sum().backward();
    const [values] = x.view(1, 3).max(1);
    nodeOf(values).register_prehook((go) => {
      log("pre", go[0]);
      return null;
    });
    values.backward(ones(1));
  },

  hooks_of_accumulators(log) {
    const x = leaf(1, 2);
    const accumulator = nodeOf(x.view(2)).next_functions[0][0] as Node;
    accumulator.register_hook((gi, go) => {
      log("post", gi, go);
      return null;
    });
    accumulator.register_prehook((go) => {
      log("pre", go, x.grad);
      return null;
    });
    x.mul(3).sum().backward();
    log(x.grad);
    accumulator.register_prehook((go) => [(go[0] as Tensor).mul(2)]);
    x.mul(3).sum().backward();
    log(x.grad);
    x.mul(3)
      .sum()
      .backward({ inputs: [x] });
    log(x.grad, grad(x.mul(3).sum(), x)[0]);
  },

  hooks_after_accumulation(log) {
    const x = leaf(1, 2);
    const h = x.register_post_accumulate_grad_hook((t: Tensor) => log("one", t === x, t.grad));
    x.register_post_accumulate_grad_hook((t: Tensor) => log("two", t.grad));
    const run = (): void => x.mul(2).sum().backward();
    run();
    run();
    h.remove();
    run();
    log(grad(x.mul(2).sum(), x)[0]);
    const y = x.mul(2);
    log(
      attempt(() => y.register_post_accumulate_grad_hook(() => {})),
      attempt(() => ones(1).register_post_accumulate_grad_hook(() => {})),
    );
    const w = leaf(5);
    w.register_post_accumulate_grad_hook((t: Tensor) => {
      torch.no_grad(() => t.sub_((t.grad as Tensor).mul(0.1)));
      t.grad = null;
    });
    for (let i = 0; i < 2; i++) {
      w.mul(w).backward();
      log(w, w.grad);
    }
    const v = leaf(1);
    v.register_post_accumulate_grad_hook(() => {
      throw new torch.ValueError("after");
    });
    log(
      attempt(() => v.mul(2).backward()),
      v.grad,
    );
  },

  several_gradients_at_once(log) {
    const [a, b, c] = [leaf(1), leaf(2), leaf(3)];
    let h = register_multi_grad_hook([a, b, c], (gs) => log("all", [...gs]));
    a.mul(b).mul(c).backward();
    a.mul(b).backward();
    a.mul(2).backward();
    a.mul(5)
      .add(a.mul(c))
      .backward({ inputs: [a] });
    h.remove();
    a.mul(b).mul(c).backward();
    let calls = 0;
    h = register_multi_grad_hook(
      [a, b],
      (g: Tensor) => {
        calls++;
        log("any", g);
      },
      { mode: "any" },
    );
    a.mul(b).backward();
    b.mul(2).backward();
    c.mul(2).backward();
    log(calls);
    h.remove();
    const x = a.mul(2);
    const y = x.mul(b);
    register_multi_grad_hook([x, y], (gs) => log("inner", [...gs]));
    y.backward(keep);
    x.backward();
    log(
      attempt(() => register_multi_grad_hook([a], () => {}, { mode: "some" as "all" })),
      attempt(() => register_multi_grad_hook([ones(1)], () => {})),
    );
  },

  hooks_and_partial_runs(log) {
    const fresh = hooksOf(log);
    const [x, w] = [leaf(1), leaf(2)];
    const y = x.mul(3);
    const z = y.mul(w);
    x.register_hook(fresh("x"));
    w.register_hook(fresh("w"));
    y.register_hook(fresh("y"));
    z.register_hook(fresh("z"));
    log("grad x", grad(z, x, keep)[0]);
    log("grad w", grad(z, w, keep)[0]);
    log("grad y", grad(z, y, keep)[0]);
    log("grad x, y", grad(z, [x, y], keep));
    log("to w");
    z.backward({ inputs: [w], retain_graph: true });
    log("to y");
    z.backward({ inputs: [y], retain_graph: true });
    log(y.grad, x.grad, w.grad);
    log("all");
    z.backward();
  },

  hooks_on_captured_gradients(log) {
    const x = leaf(1, 2);
    const y = x.mul(2);
    y.register_hook((g: Tensor) => g.mul(10));
    const z = y.mul(y).sum();
    log(grad(z, y, keep)[0], grad(z, [y, x], keep), grad(z, x, keep)[0]);
    x.register_hook((g: Tensor) => g.mul(3));
    log(grad(z, x, keep)[0], grad(z, [x, y], keep));
    y.retain_grad();
    log(grad(z, y, keep)[0], y.grad);
    z.backward({ inputs: [y], retain_graph: true });
    log(y.grad);
    z.backward();
    log(y.grad, x.grad);
    const [a, b] = x.mul(1).unbind();
    a.register_hook((g: Tensor) => g.mul(2));
    b.register_hook((g: Tensor) => g.mul(5));
    log(grad(a.add(b), [a, b]), grad(x.mul(1).sum(), x)[0]);
  },

  retaining_gradients(log) {
    const x = leaf(1, 2);
    let y = x.mul(2);
    log(y.retains_grad, y.grad);
    y.retain_grad();
    log(y.retains_grad);
    const z = y.mul(y).sum();
    z.retain_grad();
    z.backward(keep);
    log(y.grad, z.grad, x.grad);
    z.backward();
    log(y.grad, z.grad);
    y = x.mul(2);
    y.retain_grad();
    y.register_hook((g: Tensor) => g.mul(100));
    y.sum().backward();
    log(y.grad);
    y = x.mul(2);
    y.retain_grad();
    const h = y.grad;
    y.sum().backward(create);
    log(h, y.grad, y.grad?.requires_grad);
    const [a, b] = x.unbind();
    a.retain_grad();
    a.mul(b).backward();
    log(a.grad, b.grad);
    log(
      attempt(() => ones(2).retain_grad()),
      x.retains_grad,
    );
    y = x.mul(2);
    y.retain_grad();
    y.sum().backward();
    y.grad?.zero_();
    log(y.grad);
    y = x.mul(3);
    y.retain_grad();
    log(grad(y.sum(), x)[0], y.grad);
  },

  hooks_and_second_derivatives(log) {
    const fresh = hooksOf(log);
    const x = leaf(2, 3);
    const y = x.mul(x);
    y.register_hook(fresh("y"));
    x.register_hook(fresh("x"));
    let [g] = grad(y.mul(y).sum(), x, create);
    log(g);
    g.register_hook(fresh("g", 2));
    g.sum().backward();
    log(x.grad);
    const w = leaf(2);
    const v = w.mul(w);
    v.register_hook((t: Tensor) => t.mul(w));
    [g] = grad(v, w, create);
    log(g, grad(g, w)[0]);
  },

  hooks_that_run_backward(log) {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    const y = x.mul(2);
    const other = w.mul(w).sum();
    y.register_hook(() => other.backward());
    y.sum().backward();
    log(x.grad, w.grad);
    const seen: number[] = [];
    const nested = (level: number) => (): void => {
      seen.push(level);
      if (level === 0) return;
      const t = torch.enable_grad(() => leaf(1).mul(1));
      t.register_hook(nested(level - 1));
      t.backward();
    };
    const t = leaf(1).mul(1);
    t.register_hook(nested(5));
    t.backward();
    log([...seen]);
    let z = x.mul(5);
    const square = x.mul(x).sum();
    z.register_hook((g: Tensor) => g.mul(grad(square, x)[0]));
    x.grad = null;
    z.sum().backward();
    log(x.grad);
    z = x.mul(x);
    const s = z.sum();
    z.register_hook(() => {
      if (seen.length >= 8) return;
      seen.push(9);
      s.backward(keep);
    });
    x.grad = null;
    s.backward();
    log(x.grad, seen.length);
  },

  failing_hooks(log) {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    const fail = (): never => {
      throw new torch.ValueError("refused");
    };
    const y = x.mul(w);
    const s = y.sum();
    for (const register of [
      () => y.register_hook(fail),
      () => nodeOf(y).register_hook(fail),
      () => nodeOf(y).register_prehook(fail),
      () => w.register_hook(fail),
    ]) {
      const h = register();
      log(
        attempt(() => s.backward(keep)),
        torch.is_grad_enabled(),
      );
      h.remove();
      x.grad = w.grad = null;
    }
    s.backward();
    log(x.grad, w.grad);
    torch.no_grad(() => {
      const h = x.register_hook(fail);
      log(
        attempt(() => x.mul(2).sum().backward()),
        torch.is_grad_enabled(),
      );
      h.remove();
    });
    log(torch.is_grad_enabled());
  },

  modes_inside_hooks(log) {
    const x = leaf(1, 2);
    const y = x.mul(x);
    y.register_hook((g: Tensor) => log(torch.is_grad_enabled(), g.requires_grad));
    const s = y.sum();
    s.backward(keep);
    s.backward({ ...create, ...keep });
    torch.no_grad(() => s.backward(keep));
    y.register_hook((g: Tensor) =>
      torch.enable_grad(() => {
        const t = g.detach().requires_grad_();
        return grad(t.mul(t).sum(), t)[0];
      }),
    );
    x.grad = null;
    s.backward();
    log(x.grad);
  },

  hooks_of_outputs_of_one_node(log) {
    const fresh = hooksOf(log);
    const x = leaf(1, 2, 3);
    const [a, b, c] = x.unbind();
    a.register_hook(fresh("a", 2));
    c.register_hook(fresh("c", 3));
    a.add(c.mul(10)).backward(keep);
    log(x.grad);
    x.grad = null;
    a.mul(b).mul(c).backward();
    log(x.grad);
    const [values] = x.sort();
    values.register_hook(fresh("values"));
    values.select(0, 0).backward();
    const two = define({
      forward: (_: unknown, t: Tensor) => [t.mul(2), t.mul(3)],
      backward: (_: unknown, g: Tensor, h: Tensor) => g.mul(2).add(h.mul(3)),
    });
    const [p] = two.apply(x) as unknown as Tensor[];
    p.register_hook(fresh("p"));
    x.grad = null;
    p.sum().backward();
    log(x.grad);
  },

  hooks_on_leaves_and_replacement(log) {
    const fresh = hooksOf(log);
    const x = leaf(1, 2);
    x.register_hook((g: Tensor) => g.mul(2));
    x.mul(3).sum().backward();
    log(x.grad);
    x.data = f32([5, 6]);
    x.grad = null;
    x.mul(3).sum().backward();
    log(x.grad);
    x.requires_grad_(false);
    x.requires_grad_(true);
    x.grad = null;
    x.mul(3).sum().backward();
    log(x.grad);
    const y = x.detach().requires_grad_();
    y.mul(3).sum().backward();
    log(y.grad);
    const z = x.clone().detach_().requires_grad_();
    z.register_hook((g: Tensor) => g.clamp({ max: 1 }));
    z.mul(3).sum().backward();
    log(z.grad);
    const v = leaf(1, 2);
    const w = v.view(2);
    w.register_hook(fresh("view"));
    v.register_hook(fresh("base"));
    w.mul(2).add(v).sum().backward();
  },

  counting_with_hooks(log) {
    const x = leaf(1, 2);
    const counts = [0, 0];
    const count = (i: number) => (): void => {
      counts[i]++;
    };
    x.register_hook(count(0));
    const h = x.mul(2);
    h.register_hook(count(1));
    let total = h.mul(0).sum();
    for (let i = 1; i < 5; i++) total = total.add(h.mul(i).sum());
    total.backward(keep);
    log([...counts]);
    total.backward();
    log([...counts], x.grad);
    const k = torch.no_grad(() => x.mul(2));
    log(
      k.requires_grad,
      attempt(() => k.register_hook(() => null)),
    );
    const d = x.mul(1).detach();
    x.mul(2).mul(d).sum().backward();
    log([...counts]);
  },

  clipping_and_reversing(log) {
    const x = leaf(3, -4);
    const y = x.mul(10);
    y.register_hook((g: Tensor) => g.div(g.norm().clamp({ min: 1 })));
    y.mul(y).sum().backward();
    log(x.grad);
    x.grad = null;
    const features = x.tanh();
    const head = features.view_as(features);
    head.register_hook((g: Tensor) => g.neg());
    head.sum().add(features.sum().mul(2)).backward();
    log(x.grad);
    x.grad = null;
    const mask = f32([1, 0]);
    x.register_hook((g: Tensor) => g.mul(mask));
    x.pow(2).sum().backward();
    log(x.grad);
  },
};
