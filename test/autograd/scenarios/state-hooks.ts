/** Hooks of states and optimizers, and tutorials that use hooks. */
import * as torch from "../../../src/index.ts";
import { attempt, f32, leaf, type Scenarios, type Tensor } from "./common.ts";

const { nn } = torch;
const { checkpoint } = torch.utils.checkpoint;
const { register_optimizer_step_post_hook, register_optimizer_step_pre_hook } = torch.optim.optimizer;

type Module = torch.nn.Module;
type State = Record<string, Tensor>;

function layer(...values: number[]): torch.nn.Linear {
  const m = new nn.Linear(values.length, 1, { bias: false });
  torch.no_grad(() => m.weight.copy_(f32(values).view(1, -1)));
  return m;
}

const matrix = (value: number): Tensor => f32([value]).view(1, 1);
const vector = (value: number): Tensor => f32([value]);
const parametersOf = (m: Module): torch.nn.Parameter[] => [...m.parameters()];

class Counter extends nn.Module {
  weight = new nn.Parameter(torch.ones(2));
  steps = 3;
  override get_extra_state(): Tensor {
    return torch.tensor(this.steps);
  }
  override set_extra_state(state: unknown): void {
    this.steps = (state as Tensor).item() as number;
  }
}

class Versioned extends nn.Module {
  static override readonly stateVersion = 3;
  scale = new nn.Parameter(f32([2]));
  cached: unknown[] = [];
  override _save_to_state_dict(destination: State, prefix: string, keep_vars: boolean): void {
    super._save_to_state_dict(destination, prefix, keep_vars);
    destination[`${prefix}squared`] = this.scale.detach().square();
  }
  override _load_from_state_dict(...args: Parameters<Module["_load_from_state_dict"]>): void {
    const [state, prefix, metadata] = args;
    const key = `${prefix}squared`;
    const squared = state[key] as Tensor | undefined;
    delete state[key];
    super._load_from_state_dict(...args);
    this.cached = [metadata.version ?? null, this.scale.item(), squared?.item() ?? null];
  }
}

export const scenarios: Scenarios = {
  hooks_of_state_dict(log) {
    const net = new nn.Sequential(layer(1, 2), new nn.Sequential(layer(3)));
    const second = (m: Module): Module => [...m.children()][1];
    const calls: unknown[] = [];
    net.register_state_dict_pre_hook((_m, prefix, keep) => {
      calls.push(["pre", prefix, keep]);
    });
    second(net).register_state_dict_pre_hook((_m, prefix, keep) => {
      calls.push(["pre 1", prefix, keep]);
    });
    const post = (_m: Module, state: State, prefix: string, metadata: { version?: number }): void => {
      calls.push(["post", prefix, Object.keys(state), metadata.version]);
      state[`${prefix}note`] = torch.tensor(Object.keys(state).length);
    };
    second(net).register_state_dict_post_hook(post);
    net.register_state_dict_post_hook((_m, state) => {
      const removed = state["0.weight"];
      delete state["0.weight"];
      return removed;
    });
    log(attempt(() => net.state_dict()));
    const net2 = new nn.Sequential(layer(1), new nn.Sequential(layer(3)));
    second(net2).register_state_dict_post_hook(post);
    const state = net2.state_dict({ prefix: "p.", keep_vars: true });
    log(Object.keys(state), state["p.1.note"], calls);
    log(attempt(() => net._register_state_dict_hook(post)));
    const all = (): State => ({ all: torch.ones(1) });
    const old = new nn.Sequential(layer(1), new nn.Sequential(layer(2)));
    old._register_state_dict_hook(all);
    log(Object.keys(old.state_dict()));
    const below = new nn.Sequential(layer(1), new nn.Sequential(layer(2)));
    second(below)._register_state_dict_hook(all);
    log(Object.keys(below.state_dict()));
  },

  destinations_and_prefixes(log) {
    const first = layer(1);
    const net = new nn.Sequential(first, new nn.BatchNorm1d(2));
    const state: State = { there: torch.zeros(1) };
    const out = net.state_dict({ destination: state, prefix: "a." });
    log(out === state, Object.keys(state));
    const kept = net.state_dict({ keep_vars: true });
    log(kept["0.weight"] === first.weight, kept["0.weight"].requires_grad);
    const plain = net.state_dict();
    log(plain["0.weight"].requires_grad);
    plain["0.weight"].fill_(7);
    log(first.weight);
    log((plain as unknown as { _metadata: Record<string, { version: number }> })._metadata["1"].version);
  },

  hooks_before_loading(log) {
    const [a, b] = [layer(1), layer(2)];
    const net = new nn.Sequential(a, b);
    const seen: unknown[] = [];
    const rename: torch.nn.LoadStateDictPreHook = (
      m,
      state,
      prefix,
      _metadata,
      strict,
      missing,
      unexpected,
      errors,
    ) => {
      const counts = [missing.length, unexpected.length, errors.length];
      seen.push([m.constructor.name, prefix, Object.keys(state).sort(), strict, ...counts]);
      if (!(`${prefix}old` in state)) return;
      state[`${prefix}weight`] = state[`${prefix}old`];
      delete state[`${prefix}old`];
    };
    a.register_load_state_dict_pre_hook(rename);
    const h = b.register_load_state_dict_pre_hook(rename);
    const result = net.load_state_dict({ "0.old": matrix(5), "1.weight": matrix(6) });
    log(String(result), a.weight.clone(), b.weight, [...seen]);
    h.remove();
    log(attempt(() => net.load_state_dict({ "0.old": matrix(5), "1.old": matrix(6) })));
    const inner = layer(1);
    const top = new nn.Sequential(inner);
    top.register_load_state_dict_pre_hook((_m, state, prefix) => {
      state[`${prefix}0.weight`] = matrix(9);
    });
    const state = { extra: torch.zeros(1) };
    const found = top.load_state_dict(state, false);
    log(found.missing_keys, found.unexpected_keys, inner.weight, Object.keys(state));
    const bad = new nn.Sequential(layer(1));
    bad._register_load_state_dict_pre_hook((...args: unknown[]) => {
      (args[6] as string[]).push("not today");
    });
    log(attempt(() => bad.load_state_dict(bad.state_dict())));
  },

  hooks_after_loading(log) {
    const first = layer(1);
    const net = new nn.Sequential(first, layer(2));
    const seen: unknown[] = [];
    net.register_load_state_dict_post_hook((m, keys) => {
      seen.push([m.constructor.name, [...keys.missing_keys], [...keys.unexpected_keys]]);
    });
    first.register_load_state_dict_post_hook((m) => {
      seen.push((m as torch.nn.Linear).weight.tolist());
    });
    log(attempt(() => net.load_state_dict({ "0.weight": matrix(4), what: torch.ones(1) })));
    log([...seen]);
    const h = net.register_load_state_dict_post_hook((_m, keys) => {
      keys.missing_keys.length = 0;
      keys.unexpected_keys.length = 0;
    });
    const result = net.load_state_dict({ "0.weight": matrix(5), what: torch.ones(1) });
    log(String(result), first.weight);
    h.remove();
    net.register_load_state_dict_post_hook((_m, keys) => keys);
    log(attempt(() => net.load_state_dict(net.state_dict())));
  },

  extra_state(log) {
    const counter = new Counter();
    const net = new nn.Sequential(counter, new nn.Linear(1, 1));
    const state = net.state_dict();
    log(Object.keys(state), state["0._extra_state"]);
    state["0._extra_state"] = torch.tensor(8);
    net.load_state_dict(state);
    log(counter.steps);
    delete state["0._extra_state"];
    log(attempt(() => net.load_state_dict(state)));
    log(String(net.load_state_dict(state, false)));
    const other = { weight: torch.ones(1, 1), bias: torch.ones(1), _extra_state: torch.ones(1) };
    log(attempt(() => new nn.Linear(1, 1).load_state_dict(other)));
  },

  modules_that_save_and_load_themselves(log) {
    const own = new Versioned();
    const net = new nn.Sequential(own);
    const state = net.state_dict();
    log(Object.keys(state), state["0.squared"]);
    state["0.scale"] = f32([5]);
    net.load_state_dict(state);
    log(own.cached);
    net.load_state_dict({ "0.scale": f32([6]) });
    log(own.cached);
    log(attempt(() => net.load_state_dict({ "0.other": f32([6]) })));
  },

  loading_by_assignment(log) {
    const net = new nn.Linear(1, 1);
    net.bias?.requires_grad_(false);
    const before = net.weight;
    const double = { dtype: torch.float64 };
    const state = { weight: torch.full([1, 1], 3, double), bias: new nn.Parameter(f32([4])) };
    net.load_state_dict(state, { assign: true });
    log(net.weight === before, String(net.weight.dtype), net.weight.requires_grad);
    log(net.bias === state.bias, net.bias?.requires_grad, net.weight.constructor.name);
    const other = new nn.Linear(1, 1);
    const { weight } = other;
    other.load_state_dict({ weight: torch.full([1, 1], 3, double), bias: f32([1]) });
    log(other.weight === weight, String(other.weight.dtype), other.weight);
    log(attempt(() => other.load_state_dict({ weight: torch.ones(2, 2), bias: torch.ones(3) })));
    log((attempt(() => other.load_state_dict({ weight: 3, bias: torch.ones(1) })) as string).split("received")[0]);
  },

  hooks_around_steps(log) {
    const p = leaf(1);
    const opt = new torch.optim.SGD([p], { lr: 0.1 });
    const calls: unknown[] = [];
    const note = (name: string) => (o: object, args: unknown[], kwargs: object) => {
      const counts = [args.length, args[0] === o, Object.keys(kwargs).length];
      calls.push([name, o.constructor.name, ...counts, p.tolist()]);
    };
    const handles = [
      opt.register_step_pre_hook(note("pre")),
      opt.register_step_post_hook(note("post")),
      register_optimizer_step_pre_hook(note("global pre")),
      register_optimizer_step_post_hook(note("global post")),
    ];
    p.grad = torch.ones(1);
    opt.step();
    log(calls.splice(0));
    const closure = (): number => {
      calls.push("closure");
      p.grad = vector(2);
      return 7;
    };
    log(opt.step(closure), p.clone(), calls.splice(0));
    for (const h of handles) h.remove();
    opt.step();
    log([...calls], p.clone());
    const replaced = (): number => {
      p.grad = vector(10);
      return 8;
    };
    const h = opt.register_step_pre_hook((o) => [[o, replaced], {}]);
    log(opt.step(closure), p.clone(), [...calls]);
    h.remove();
    opt.register_step_pre_hook(() => 3);
    log((attempt(() => opt.step()) as string).split(" must")[1]);
  },

  hooks_of_optimizer_states(log) {
    const p = leaf(1, 2);
    const opt = new torch.optim.SGD([p], { lr: 0.1, momentum: 0.9 });
    p.square().sum().backward();
    opt.step();
    const calls: unknown[] = [];
    const momentumOf = (values: Record<string, unknown> | undefined): unknown => values?.momentum_buffer;
    opt.register_state_dict_pre_hook(() => {
      calls.push("pre");
    });
    opt.register_state_dict_pre_hook(() => calls.push("first"), { prepend: true });
    opt.register_state_dict_post_hook((_o, state) => {
      calls.push(Object.keys(state).sort());
    });
    opt.register_state_dict_post_hook((_o, state) => {
      (state as unknown as { note: number }).note = 5;
    });
    const state = opt.state_dict();
    log([...calls], Object.keys(state).sort(), momentumOf(state.state[0]));
    let h = opt.register_state_dict_post_hook(() => ({ replaced: true }));
    log((opt.state_dict() as unknown as { replaced: boolean }).replaced);
    h.remove();
    calls.length = 0;
    const other = new torch.optim.SGD([p], { lr: 1, momentum: 0.1 });
    other.register_load_state_dict_pre_hook((_o, given) => {
      calls.push(["load", given === state, Object.keys(given).sort()]);
      given.param_groups = given.param_groups.map((g) => ({ ...g, lr: (g.lr as number) / 2 }));
    });
    other.register_load_state_dict_post_hook(() => {
      calls.push(["done", other.param_groups[0].lr, other.param_groups[0].momentum]);
    });
    other.load_state_dict(state);
    log([...calls], state.param_groups[0].lr, momentumOf(other.state.get(p)));
    h = other.register_load_state_dict_pre_hook(() => opt.state_dict(), { prepend: true });
    log(attempt(() => other.load_state_dict({} as never)));
    log(other.param_groups[0].lr);
  },

  step_in_backward(log) {
    torch.manual_seed(3);
    const [x, y] = [torch.randn(8, 4), torch.randn(8, 2)];
    const make = (): torch.nn.Sequential => {
      torch.manual_seed(1);
      return new nn.Sequential(new nn.Linear(4, 6), new nn.Tanh(), new nn.Linear(6, 2));
    };
    const lossOf = (m: Module): Tensor => nn.functional.mse_loss((m as torch.nn.Sequential)(x) as Tensor, y);
    const usual = make();
    const opt = new torch.optim.Adam(usual.parameters(), { lr: 0.05 });
    for (let i = 0; i < 3; i++) {
      opt.zero_grad();
      lossOf(usual).backward();
      opt.step();
    }
    const fused = make();
    const parameters = parametersOf(fused);
    const optimizers = new Map(parameters.map((p) => [p as Tensor, new torch.optim.Adam([p], { lr: 0.05 })]));
    const names = new Map<Tensor, string>([...fused.named_parameters()].map(([name, p]) => [p, name]));
    const order: [string, number][] = [];
    const step = (p: Tensor): void => {
      order.push([names.get(p) as string, parameters.filter((q) => q.grad !== null).length]);
      optimizers.get(p)?.step();
      optimizers.get(p)?.zero_grad();
    };
    const handles = parameters.map((p) => p.register_post_accumulate_grad_hook(step));
    const losses: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      const loss = lossOf(fused);
      loss.backward();
      losses.push(loss.item());
    }
    log(
      losses,
      parameters.map((p) => p.grad),
    );
    log(parametersOf(usual).every((p, i) => torch.allclose(p, parameters[i])));
    log(
      order
        .slice(0, 4)
        .map(([name]) => name)
        .sort(),
      order.map(([, count]) => count),
    );
    for (const h of handles) h.remove();
    lossOf(fused).backward();
    log(parameters.map((p) => p.grad !== null));
  },

  visualizing_gradients(log) {
    class Block extends nn.Module {
      linear: torch.nn.Linear;
      norm: torch.nn.BatchNorm1d | torch.nn.Identity;
      constructor(size: number, norm: boolean) {
        super();
        this.linear = new nn.Linear(size, size);
        this.norm = norm ? new nn.BatchNorm1d(size) : new nn.Identity();
      }
      override forward(x: Tensor): Tensor {
        return torch.sigmoid((this.norm as (x: Tensor) => Tensor)(this.linear(x)));
      }
    }
    for (const norm of [false, true]) {
      torch.manual_seed(0);
      const net = new nn.Sequential(...Array.from({ length: 4 }, () => new Block(4, norm)));
      const x = torch.randn(6, 4);
      const grads: [string, Tensor][] = [];
      const outputs: Tensor[] = [];
      const handles = [...net.named_modules()]
        .filter(([, m]) => m instanceof nn.Linear)
        .map(([name, m]) =>
          m.register_forward_hook((_m, _args, output) => {
            (output as Tensor).register_hook((g) => {
              grads.push([name, g]);
            });
          }),
        );
      for (const child of net.children()) {
        const keep = (_m: Module, _args: unknown, out: unknown): void => {
          (out as Tensor).retain_grad();
          outputs.push(out as Tensor);
        };
        handles.push(child.register_forward_hook(keep));
      }
      (net(x) as Tensor).square().mean().backward();
      log(grads.map(([name, g]) => [name, g.abs().mean()]));
      log(
        outputs.map((out) => out.grad?.abs().max()),
        outputs.map((out) => out.is_leaf),
      );
      for (const h of handles) h.remove();
      grads.length = 0;
      (net(x) as Tensor).sum().backward();
      log(grads.length);
    }
  },

  activations_and_class_maps(log) {
    torch.manual_seed(7);
    const relu = new nn.ReLU();
    const net = new nn.Sequential(
      new nn.Conv2d(1, 3, 3, { padding: 1 }),
      relu,
      new nn.AdaptiveAvgPool2d(1),
      new nn.Flatten(),
      new nn.Linear(3, 2),
    );
    const kept: Record<string, Tensor> = {};
    relu.register_forward_hook((_m, _args, out) => {
      kept.activation = (out as Tensor).detach();
    });
    relu.register_full_backward_hook((_m, _gi, go) => {
      kept.gradient = go[0] as Tensor;
    });
    const x = torch.randn(1, 1, 5, 5);
    const score = (): Tensor => (net(x) as Tensor).select(0, 0).select(0, 1);
    score().backward();
    const weights = kept.gradient.mean([2, 3], true);
    log(torch.relu(weights.mul(kept.activation).sum(1)), kept.gradient.numel() === kept.activation.numel());
    relu.register_full_backward_hook((_m, gi) => [torch.clamp(gi[0] as Tensor, { min: 0 })]);
    x.requires_grad_();
    score().backward();
    log(x.grad);
  },

  weights_from_other_weights(log) {
    const m = new nn.Linear(2, 2, { bias: false }) as torch.nn.Linear & { g: Tensor; v: Tensor };
    torch.no_grad(() => m.weight.copy_(f32([3, 4, 0, 2]).view(2, 2)));
    const weight = m.weight;
    delete (m as unknown as { weight?: Tensor }).weight;
    m.g = new nn.Parameter(weight.detach().norm({ dim: 1, keepdim: true }));
    m.v = new nn.Parameter(weight.detach().clone());
    const h = m.register_forward_pre_hook(() => {
      (m as { weight: Tensor }).weight = m.v.mul(m.g.div(m.v.norm({ dim: 1, keepdim: true })));
    });
    const x = f32([1, 1]);
    log(m(x));
    m(x).square().sum().backward();
    log(m.g.grad, m.v.grad, Object.keys(m.state_dict()).sort());
    torch.no_grad(() => m.g.mul_(2));
    log(m(x));
    h.remove();
    torch.no_grad(() => m.g.mul_(2));
    log(m(x));
  },

  hooks_of_checkpointed_modules(log) {
    const first = layer(2);
    const m = new nn.Sequential(first, new nn.Tanh());
    const calls: unknown[] = [];
    first.register_forward_pre_hook(() => {
      calls.push("pre");
    });
    first.register_forward_hook(() => {
      calls.push("forward");
    });
    first.register_full_backward_hook((_m, gi, go) => {
      calls.push(["backward", gi[0]?.tolist(), go[0]?.tolist()]);
    });
    const x = matrix(0.3).requires_grad_();
    for (const use_reentrant of [true, false]) {
      const y = checkpoint((t: Tensor) => m(t) as Tensor, x, { use_reentrant });
      log([...calls]);
      y.sum().backward();
      log(calls.splice(0), x.grad);
      x.grad = null;
    }
  },

  clipping_in_hooks(log) {
    const first = layer(2, -3);
    const tanh = new nn.Tanh();
    const m = new nn.Sequential(first, tanh);
    for (const p of m.parameters()) p.register_hook((g) => torch.clamp(g, -0.1, 0.1));
    const h = tanh.register_full_backward_pre_hook((_m, go) => [go[0]?.div(go[0].norm())]);
    const x = f32([0.1, 0.2, 0.3, -0.1]).view(2, 2);
    (m(x) as Tensor).mul(50).sum().backward();
    log(first.weight.grad);
    h.remove();
    m.zero_grad();
    (m(x) as Tensor).mul(50).sum().backward();
    log(first.weight.grad);
  },
};
