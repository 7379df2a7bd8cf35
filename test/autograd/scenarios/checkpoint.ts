/** Checkpoints: backward computes again what forward did not keep. */
import type { FunctionCtx } from "../../../src/autograd/function.ts";
import * as torch from "../../../src/index.ts";
import { forgetWarnings } from "../../../src/warnings.ts";
import { attempt, leaf, node, type Scenarios, type Tensor } from "./common.ts";

const { grad } = torch.autograd;
const { nn } = torch;
const { saved_tensors_hooks } = torch.autograd.graph;
const { checkpoint, checkpoint_sequential, noop_context_fn, set_checkpoint_debug_enabled, set_checkpoint_early_stop } =
  torch.utils.checkpoint;

const FLAVOURS = [true, false] as const;
const saving = { use_reentrant: false } as const;
const reentering = { use_reentrant: true } as const;
const sin = (t: Tensor): Tensor => t.sin();

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

/** The value of `f()`, without what it warns of. */
function quietly<R>(f: () => R): R {
  let result: R | undefined;
  warned(() => {
    result = f();
  });
  return result as R;
}

export const scenarios: Scenarios = {
  both_flavours(log) {
    const x = leaf(0.5, 1, 2);
    for (const use_reentrant of FLAVOURS) {
      const y = checkpoint((t: Tensor) => t.sin().exp().mul(t), x, { use_reentrant });
      log(y, node(y), y.requires_grad);
      y.sum().backward();
      log(x.grad);
      x.grad = null;
      log(attempt(() => y.sum().backward()));
      x.grad = null;
    }
  },

  recomputation_counts(log) {
    const counts: string[] = [];
    const f = (t: Tensor): Tensor => {
      counts.push("run");
      const u = t.sin();
      counts.push("sin");
      const v = u.cos();
      counts.push("cos");
      const w = v.add(1);
      counts.push("add");
      return w;
    };
    const taken = (from = 0): string[] => counts.splice(0).slice(from);
    const x = leaf(1, 2);
    for (const use_reentrant of FLAVOURS) {
      const y = checkpoint(f, x, { use_reentrant });
      log(taken());
      y.sum().backward({ retain_graph: true });
      log(taken());
      y.sum().backward();
      log(taken(), x.grad);
      x.grad = null;
    }
    checkpoint(f, x, { use_reentrant: false, early_stop: false }).sum().backward();
    log(taken(4));
    let y = set_checkpoint_early_stop(false, () => checkpoint(f, x, saving));
    y.sum().backward();
    log(taken(4));
    {
      using _ = set_checkpoint_early_stop(true);
      y = checkpoint(f, x, { use_reentrant: false, early_stop: false });
    }
    y.sum().backward();
    log(taken(4));
    torch.no_grad(() => log(checkpoint(f, x, saving).requires_grad, taken()));
  },

  arguments_and_results(log) {
    const x = leaf(1, 2);
    const y = leaf(3, 4);
    interface Keywords {
      scale?: number;
    }
    const f = (
      a: Tensor,
      text: string,
      b: Tensor,
      number: number | Keywords = 1,
      keywords: Keywords = {},
    ): [Tensor, string, Tensor, Tensor] => {
      const factor = typeof number === "number" ? number : 1;
      const { scale = 2 } = typeof number === "number" ? keywords : number;
      return [a.mul(b).mul(scale), text, a.detach(), b.sum().mul(factor)];
    };
    for (const use_reentrant of FLAVOURS) {
      const out = checkpoint(f, x, "text", y, 5, { use_reentrant });
      log(out, out.filter(torch.is_tensor).map(node));
      out[0].sum().add(out[3]).backward();
      log(x.grad, y.grad);
      x.grad = null;
      y.grad = null;
    }
    const out = checkpoint(f, x, "text", y, { scale: 7, use_reentrant: false } as never);
    out[0].sum().backward();
    log(x.grad, y.grad);
    log(attempt(() => checkpoint(f, x, "t", y, { scale: 7, use_reentrant: true } as never)));
    log(attempt(() => checkpoint(f, x, "t", y, { scale: 7, other: 3, use_reentrant: true } as never)));
    const pair = checkpoint((t: Tensor) => ({ twice: t.mul(2), thrice: t.mul(3) }), x, saving);
    x.grad = null;
    pair.twice.mul(pair.thrice).sum().backward();
    log(x.grad);
  },

  what_is_refused(log) {
    const x = leaf(1, 2);
    log(attempt(() => grad(checkpoint(sin, x, reentering).sum(), [x])));
    log(
      attempt(() =>
        checkpoint(sin, x, reentering)
          .sum()
          .backward({ inputs: [x] }),
      ),
    );
    log(
      attempt(() =>
        checkpoint((t: Tensor) => t.detach(), x, reentering)
          .sum()
          .backward(),
      ),
    );
    log(attempt(() => checkpoint(sin, x, { use_reentrant: true, debug: true })));
    log(attempt(() => checkpoint(sin, x, { use_reentrant: true, context_fn: () => noop_context_fn() })));
    log(attempt(() => checkpoint(sin, x, { use_reentrant: true, determinism_check: "none" }).sum()));
    log(attempt(() => checkpoint(sin, x, { use_reentrant: false, determinism_check: "strict" as never })));
    log(attempt(() => checkpoint(sin, x, { ...saving, debug: true, context_fn: () => noop_context_fn() })));
    log(attempt(() => checkpoint({ use_reentrant: false, other: 1 } as never)));
    log(attempt(() => checkpoint_sequential([sin], 1, x, { use_reentrant: false, other: 2 } as never)));
  },

  warnings_of_checkpoints(log) {
    const x = leaf(1, 2);
    log(warned(() => checkpoint(sin, x)));
    log(warned(() => checkpoint(sin, x.detach(), reentering)));
    log(warned(() => checkpoint(sin, x.detach(), saving)));
    log(warned(() => checkpoint_sequential([sin, (t: Tensor) => t.cos()], 1, x)));
  },

  parameters_without_inputs(log) {
    torch.manual_seed(2);
    const layer = new nn.Linear(2, 2);
    const x = torch.randn(3, 2);
    let y = quietly(() => checkpoint(layer, x, reentering));
    log(y.requires_grad, node(y));
    y = checkpoint(layer, x, saving);
    log(y.requires_grad, node(y));
    y.square().sum().backward();
    log(layer.weight.grad, layer.bias?.grad);
    layer.zero_grad();
    y = checkpoint(layer, x.requires_grad_(), reentering);
    y.square().sum().backward();
    log(layer.weight.grad, layer.bias?.grad, x.grad);
  },

  dropout_masks_are_drawn_again(log) {
    const first = new nn.Linear(4, 8);
    const net = new nn.Sequential(first, new nn.Dropout(0.5), new nn.ReLU(), new nn.Linear(8, 3), new nn.Dropout(0.2));
    const f = (t: Tensor): Tensor => net(t) as Tensor;
    torch.manual_seed(11);
    for (const p of net.parameters()) nn.init.normal_(p);
    const x = torch.randn(6, 4);
    for (const use_reentrant of [null, true, false]) {
      torch.manual_seed(4);
      net.zero_grad();
      x.grad = null;
      x.requires_grad_();
      const y = use_reentrant === null ? f(x) : checkpoint(f, x, { use_reentrant });
      y.square().sum().backward();
      log(y, first.weight.grad, x.grad, torch.rand(2));
    }
    torch.manual_seed(4);
    for (const preserve_rng_state of [false, true]) {
      const y = checkpoint(f, x, { use_reentrant: false, preserve_rng_state });
      const before = torch.get_rng_state();
      y.sum().backward();
      const after = torch.get_rng_state();
      log(before.every((byte, i) => byte === after[i]));
    }
  },

  nested_checkpoints(log) {
    const counts = { inner: 0, outer: 0 };
    const inner = (t: Tensor): Tensor => {
      counts.inner++;
      return t.sin().exp();
    };
    const outer = (t: Tensor): Tensor => {
      counts.outer++;
      const u = checkpoint(inner, t.mul(2), saving);
      const v = checkpoint(inner, u.cos(), saving);
      return u.mul(v).tanh();
    };
    const x = leaf(0.3, 0.7);
    const y = checkpoint(outer, x, saving);
    log(counts.inner, counts.outer);
    const [g] = grad(y.sum(), [x], { create_graph: true });
    log(g, counts.inner, counts.outer);
    const [gg] = grad(g.sum(), [x]);
    log(gg, counts.inner, counts.outer);
    counts.inner = 0;
    counts.outer = 0;
    const middle = (u: Tensor): Tensor => checkpoint(inner, u, saving).mul(u);
    checkpoint((t: Tensor) => checkpoint(middle, t.mul(t), saving).add(t), x, saving)
      .sum()
      .backward();
    log(x.grad, counts.inner);
    for (const [inside, outside] of [
      [reentering, saving],
      [saving, reentering],
    ]) {
      x.grad = null;
      checkpoint((t: Tensor) => checkpoint(inner, t.sin(), inside).mul(t), x, outside)
        .sum()
        .backward();
      log(x.grad);
    }
  },

  gradients_of_gradients(log) {
    const x = leaf(0.5, 1.5);
    const f = (t: Tensor): Tensor => t.square().mul(t.exp()).sin();
    for (const y of [f(x), checkpoint(f, x, saving)]) {
      const [g] = grad(y.sum(), [x], { create_graph: true });
      const [gg] = grad(g.square().sum(), [x]);
      log(g, gg);
    }
    const penalty = (t: Tensor): Tensor => grad(f(t).sum(), [t], { create_graph: true })[0].square();
    log(grad(checkpoint(penalty, x, saving).sum(), [x])[0]);
  },

  backward_within_a_checkpoint(log) {
    const x = leaf(0.5, 2);
    const f = (t: Tensor, retain_graph: boolean): Tensor => {
      const z = t.sin().cos();
      const [g] = grad(z.sum(), [t], { retain_graph });
      return t
        .cos()
        .mul(g)
        .mul(retain_graph ? z : 1);
    };
    for (const early of [true, false]) {
      for (const retain of [true, false]) {
        set_checkpoint_early_stop(early, () => {
          const out = checkpoint(f, x, retain, saving);
          log(out, grad(out.sum(), [x])[0]);
        });
      }
    }
    log(attempt(() => grad(f(x, true).sum(), [x])));
  },

  mismatches(log) {
    type F = (t: Tensor) => Tensor;
    const x = leaf(1, 2);
    const changing = (first: F, second: F): F => {
      let runs = 0;
      return (t) => (++runs === 1 ? first : second)(t.sin());
    };
    const message = (f: F, options: { early_stop?: boolean; determinism_check?: "none"; debug?: boolean } = {}) => {
      try {
        checkpoint(f, x, { ...saving, ...options })
          .sum()
          .backward();
        return "fine";
      } catch (e) {
        return `${(e as Error).name}: ${(e as Error).message.split("Tip:")[0].trim()}`;
      }
    };
    const longer: F = (t) => t.exp().exp();
    const shorter: F = (t) => t.exp();
    const half = (t: Tensor): Tensor => t.slice(0, 0, 1);
    log(message(changing(longer, shorter)));
    log(message(changing(shorter, longer)));
    log(message(changing(shorter, longer), { early_stop: false }));
    log(message(changing(shorter, (t) => half(t).exp().add(t))));
    log(
      message(
        changing(
          (t) => t.exp().sum(),
          (t) => half(t).exp().sum(),
        ),
      ),
    );
    log(
      message(
        changing(
          (t) => t.double().exp().sum(),
          (t) => t.exp().sum(),
        ),
      ),
    );
    log(
      message(
        changing(
          (t) => t.exp().sum(),
          (t) => t.mul(2).exp().sum(),
        ),
      ),
    );
    log(
      message(
        changing(
          (t) => t.exp().sum(),
          (t) => t.unsqueeze(0).exp().sum(),
        ),
        { determinism_check: "none" },
      ),
    );
    set_checkpoint_debug_enabled(false, () => log(message(changing(longer, shorter), { debug: true })));
  },

  saved_tensors_twice(log) {
    class Twice extends torch.autograd.Function {
      static forward(ctx: FunctionCtx, t: Tensor): Tensor {
        ctx.save_for_backward(t);
        return t.exp();
      }
      static backward(ctx: FunctionCtx, g: Tensor): Tensor {
        const [t] = ctx.saved_tensors;
        log(attempt(() => ctx.saved_tensors));
        return g.mul(t.exp());
      }
    }
    const x = leaf(0.1, 0.2);
    checkpoint((t: Tensor) => Twice.apply(t.sin()), x, saving)
      .sum()
      .backward();
    log(x.grad);
  },

  changed_arguments(log) {
    const x = leaf(1, 2);
    for (const use_reentrant of [false, true]) {
      const u = x.mul(2);
      const y = checkpoint((t: Tensor) => t.sin().exp(), u, { use_reentrant });
      u.add_(1);
      log(attempt(() => y.sum().backward()));
    }
    x.grad = null;
    const f = (t: Tensor): Tensor => {
      const u = t.mul(1);
      u.mul_(3);
      return u.sin();
    };
    checkpoint(f, x, saving).sum().backward();
    log(x.grad);
  },

  with_hooks_of_saved_tensors(log) {
    const x = leaf(0.5, 1);
    const packed: unknown[] = [];
    const pack = (t: Tensor): Tensor => {
      packed.push(t.tolist());
      return t;
    };
    const z = saved_tensors_hooks(
      pack,
      (t) => t,
      () => {
        const y = checkpoint((t: Tensor) => t.sin().exp(), x.mul(2), saving);
        return y.mul(y);
      },
    );
    log(packed);
    z.sum().backward();
    log(x.grad, packed.length);
    x.grad = null;
    const inside: string[] = [];
    const note =
      (what: string) =>
      (t: Tensor): Tensor => {
        inside.push(what);
        return t;
      };
    const g = (t: Tensor): Tensor => saved_tensors_hooks(note("p"), note("u"), () => t.sin()).exp();
    checkpoint(g, x, saving).sum().backward();
    log(x.grad, inside);
  },

  contexts(log) {
    const x = leaf(1, 2);
    const entries: string[] = [];
    const entered =
      (name: string) =>
      <R>(body: () => R): R => {
        entries.push(`in ${name}`);
        try {
          return body();
        } finally {
          entries.push(`out ${name}`);
        }
      };
    const context_fn = () => {
      entries.push("made");
      return [entered("forward"), entered("recompute")] as const;
    };
    const f = (t: Tensor): Tensor => {
      entries.push("run");
      return t.sin().exp();
    };
    const y = checkpoint(f, x, { use_reentrant: false, context_fn });
    log([...entries]);
    y.sum().backward();
    log([...entries], x.grad);
    entries.length = 0;
    torch.no_grad(() => checkpoint(f, x, { use_reentrant: false, context_fn }));
    log(entries);
  },

  exceptions_pass_through(log) {
    const x = leaf(1, 2);
    let runs = 0;
    const f = (t: Tensor): Tensor => {
      runs++;
      const u = t.sin();
      if (runs % 2 === 0) throw new torch.ValueError("second run");
      return u.exp();
    };
    for (const use_reentrant of FLAVOURS) {
      runs = 0;
      const y = checkpoint(f, x, { use_reentrant });
      log(attempt(() => y.sum().backward()));
      log(torch.is_grad_enabled(), node(x.sin()));
      log(attempt(() => checkpoint(f, x, { use_reentrant })));
      runs = 1;
      log(attempt(() => checkpoint(f, x, { use_reentrant })));
      const a = x.square().sum();
      x.grad = null;
      a.backward();
      log(x.grad);
    }
  },

  sequential_segments(log) {
    torch.manual_seed(8);
    const first = new nn.Linear(3, 5);
    const layers = new nn.Sequential(first, new nn.ReLU(), new nn.Linear(5, 5), new nn.Tanh(), new nn.Linear(5, 2));
    const x = torch.randn(4, 3, { requires_grad: true });
    for (const segments of [1, 2, 3, 5]) {
      for (const use_reentrant of FLAVOURS) {
        layers.zero_grad();
        x.grad = null;
        const out = checkpoint_sequential(layers, segments, x, { use_reentrant }) as Tensor;
        out.square().sum().backward();
        log(out.sum(), x.grad, first.weight.grad?.sum());
      }
    }
    const functions = [sin, (t: Tensor) => t.mul(2), (t: Tensor) => t.exp()];
    const y = checkpoint_sequential(functions, 2, x, { use_reentrant: false, preserve_rng_state: false }) as Tensor;
    log(y.sum());
  },

  batch_norm_counts_twice(log) {
    const norm = new nn.BatchNorm1d(3);
    const x = torch.arange(12).to(torch.float32).reshape(4, 3).mul(0.7).square().requires_grad_();
    for (const use_reentrant of FLAVOURS) {
      norm.reset_running_stats();
      const y = checkpoint((t: Tensor) => norm(t).sin(), x, { use_reentrant });
      log(norm.running_mean?.clone(), norm.num_batches_tracked?.clone());
      y.square().sum().backward();
      log(norm.running_mean, norm.num_batches_tracked, x.grad);
      x.grad = null;
    }
  },

  a_function_made_checkpointed(log) {
    const x = leaf(1, 2);
    const runs: number[] = [];
    const f = checkpoint(saving)((t: Tensor, { scale = 1 }: { scale?: number } = {}) => {
      runs.push(scale);
      return t.mul(scale).sin().exp();
    });
    f(x).sum().backward();
    log(x.grad, [...runs]);
    x.grad = null;
    f(x, { scale: 3 }).sum().backward();
    log(x.grad, runs);
    log(node(checkpoint(reentering)((t: Tensor) => t.cos())(x)));
  },

  some_outputs_some_inputs(log) {
    const [x, y, z] = [leaf(1), leaf(2), leaf(3)];
    const f = (a: Tensor, b: Tensor): [Tensor, Tensor, Tensor] => [a.mul(b).sin(), b.exp().mul(z).cos(), a.sum().gt(0)];
    for (const use_reentrant of FLAVOURS) {
      const [u, v, flag] = checkpoint(f, x, y, { use_reentrant });
      log(flag);
      u.sum().backward({ retain_graph: true });
      log(x.grad, y.grad, z.grad);
      v.mul(2).add(u).sum().backward();
      log(x.grad, y.grad, z.grad);
      for (const t of [x, y, z]) t.grad = null;
    }
    let [u, v] = checkpoint(f, x, y, saving);
    log(grad(v, [z], { retain_graph: true })[0], grad(u, [x])[0], grad(v, [y])[0]);
    [u, v] = checkpoint(f, x, y.detach(), reentering);
    u.sum().backward();
    log(x.grad, y.grad);
  },
};
