/**
 * Runs programs of instructions and logs what they do. tools/random-programs/interpreter.py says what a program is, and runs
 * it on PyTorch: it is the twin of this file, to the last log entry.
 */
import * as torch from "../../../src/index.ts";
import * as F from "../../../src/nn/functional.ts";
import { functions, hooks, type Node, running, short, type Tensor } from "./functions.ts";

export interface Instruction {
  readonly f: string;
  readonly a: readonly unknown[];
  readonly k?: Readonly<Record<string, unknown>>;
  /** The registers of the results. */
  readonly r?: string | readonly string[];
  readonly m?: "no_grad" | "enable_grad" | "saved_clones";
  /** Results are not described: looking at a tensor's history may make it anew. */
  readonly q?: number;
}

/** For each instruction a status and events; for each register what it has in the end. */
export type ProgramLog = readonly [readonly (readonly unknown[])[], Readonly<Record<string, readonly unknown[]>>];

const REGISTER = /^[vhg]\d+$/;
const MANY = 40;
const SUMS = 3;

/** An operand is not there. */
class Skip extends Error {}

function firstSentence(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  const [first] = error.message.split(/(?<=[a-z\])])\. | Hint:|\n/);
  // How often PyTorch has changed gradients before it gives them away is its own affair.
  const relative = first
    .replace(/\.+$/, "")
    .replace(/is at version (\d+); expected version (\d+)/, (_, a, b) => `is ${Number(a) - Number(b)} versions ahead`);
  return `${error.name}: ${relative}`;
}

function attempt<R>(f: () => R): R | string {
  try {
    return f();
  } catch (error) {
    return firstSentence(error);
  }
}

type Loose = Record<string, (...args: unknown[]) => unknown>;

export class Machine {
  readonly values = new Map<string, unknown>();
  private events: unknown[] = [];
  /** The versions that gradients had when they were got. */
  private readonly versions = new Map<string, number>();

  run(program: readonly Instruction[]): ProgramLog {
    const log = program.map((instruction) => this.step(instruction));
    const state: Record<string, unknown[]> = {};
    for (const [name, value] of this.values) if (name[0] !== "g") state[name] = this.final(value, name);
    return [log, state];
  }

  private resolve(a: unknown): unknown {
    if (typeof a === "string" && REGISTER.test(a)) {
      const value = this.values.get(a);
      if (value === null || value === undefined) throw new Skip();
      return value;
    }
    return Array.isArray(a) ? a.map((x) => this.resolve(x)) : a;
  }

  private step(instruction: Instruction): unknown[] {
    const { f, a, k, r, m, q } = instruction;
    this.events = [];
    running.events = this.events;
    let result: unknown;
    try {
      const args = a.map((x) => this.resolve(x));
      const options =
        k === undefined ? [] : [Object.fromEntries(Object.entries(k).map(([name, x]) => [name, this.resolve(x)]))];
      result = within(m, () => this.perform(f, args, options));
    } catch (error) {
      if (error instanceof Skip) return ["skip"];
      return [firstSentence(error), ...this.events];
    }
    const names = r === undefined ? [] : typeof r === "string" ? [r] : r;
    const results = typeof r === "string" || !Array.isArray(result) ? [result] : result;
    for (let i = 0; i < Math.min(names.length, results.length); i++) this.values.set(names[i], results[i] ?? null);
    this.noteVersions(f, a[0], names);
    const status = q
      ? "ok"
      : r === undefined
        ? "none"
        : names.map((n) => this.describe(this.values.get(n), n)).join(" | ");
    return [status, ...this.events];
  }

  /** How many versions of a gradient, or of what shares its memory, are not the program's own. */
  private noteVersions(f: string, source: unknown, names: readonly string[]): void {
    for (const name of names) {
      const t = this.values.get(name);
      if (!torch.is_tensor(t) || this.versions.has(name)) continue;
      if (f === "grad" || f === "get_grad") {
        this.versions.set(name, t._version);
        continue;
      }
      if (f === "get_data" || f === "apply") continue;
      const from = typeof source === "string" ? this.versions.get(source) : undefined;
      const shared = from !== undefined && (this.values.get(source as string) as Tensor).storage === t.storage;
      if (shared) this.versions.set(name, from);
    }
  }

  private perform(f: string, args: readonly unknown[], options: readonly unknown[]): unknown {
    const operation = (operations as Record<string, ((machine: Machine, ...args: never[]) => unknown) | undefined>)[f];
    if (operation !== undefined) return operation(this, ...([...args, ...options] as never[]));
    const x = args[0] as Loose;
    if (x[f] === undefined) throw new Error(`no method ${f}`);
    return x[f](...args.slice(1), ...options);
  }

  // Logging

  event(...entries: unknown[]): void {
    this.events.push(...entries);
  }

  describe(t: unknown, name: string | null = null): string {
    if (!torch.is_tensor(t)) return t === null || t === undefined ? "none" : "handle";
    const flag = (letter: string, f: () => boolean): string => (attempt(f) === true ? letter : "-");
    const flags = [
      flag("r", () => t.requires_grad),
      flag("l", () => t.is_leaf),
      flag("v", () => t._is_view()),
      flag("k", () => t.retains_grad),
    ].join("");
    // What ops a gradient formula is made of is PyTorch's own affair.
    const derived = name !== null && this.versions.has(name);
    const node = attempt(() => (derived && t.grad_fn !== null ? "Derivative" : short(t.grad_fn)));
    const version = t._version - (this.versions.get(name ?? "") ?? 0);
    const find = (x: Tensor): string | undefined => [...this.values].find(([n, v]) => v === x && n !== name)?.[0];
    const same = find(t);
    const base = t._base === null ? "" : ` base ${find(t._base) ?? "?"}`;
    // The strides of dimensions that have one element mean nothing, those of masks and indices little.
    const strides = t.stride().map((s, d) => (t.shape[d] > 1 && t.is_floating_point() ? s : 0));
    // So is whether it is a view of something.
    if (derived)
      return `${String(t.dtype).replace("torch.", "")}[${t.shape}]/[${strides}] ${flags.replace("v", "-")} ${version} ${node}`;
    const kind = `${String(t.dtype).replace("torch.", "")}[${t.shape}]/[${strides}]`;
    return `${kind} ${flags} ${version} ${node}${same === undefined ? "" : ` is ${same}`}${base}`;
  }

  describeGradient(g: Tensor | null): string {
    if (g === null) return "none";
    const flags = `${g.requires_grad ? "r" : "-"}${attempt(() => g.is_leaf) === true ? "l" : "-"}`;
    return `${String(g.dtype).replace("torch.", "")}[${g.shape}] ${flags}`;
  }

  contents(t: Tensor): unknown[] {
    const values = torch.no_grad(() => {
      const x = t.detach();
      return (x.is_floating_point() ? x.double() : x).flatten().tolist();
    }) as (number | boolean)[];
    if (values.length <= MANY) return values.map(number);
    return Array.from({ length: SUMS }, (_, j) =>
      number(values.reduce<number>((sum, v, k) => sum + (Number(v) * (((k * 7919 + j * 31) % 97) - 40)) / 97, 0)),
    );
  }

  /** Outputs that have no gradient, such as indices, count here and not there. */
  seen(grads: Grads): void {
    for (const g of grads) if (g !== null && g !== undefined) this.events.push(this.contents(g));
  }

  final(t: unknown, name: string | null): unknown[] {
    if (!torch.is_tensor(t)) return [this.describe(t)];
    const entry: unknown[] = [this.describe(t, name), this.contents(t)];
    if (t.grad !== null) entry.push([this.describeGradient(t.grad), this.contents(t.grad)]);
    return entry;
  }
}

function number(v: number | boolean): unknown {
  const x = Number(v);
  return Number.isFinite(x) ? x : Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

function within<R>(mode: Instruction["m"], body: () => R): R {
  switch (mode) {
    case undefined:
      return body();
    case "saved_clones": {
      using _ = torch.autograd.graph.saved_tensors_hooks(
        (x: Tensor) => x.detach().clone(),
        (x: Tensor) => x,
      );
      return body();
    }
    default:
      // biome-ignore lint/performance/noDynamicNamespaceImportAccess: programs name their ops; nothing here is bundled.
      return torch[mode](body);
  }
}

function indices(index: readonly unknown[]): unknown[] {
  return index.map((i) => (Array.isArray(i) ? new torch.Slice(...(i.slice(1) as (number | null)[])) : i));
}

function nodeOf(x: Tensor): Node {
  if (x.grad_fn === null) throw new Skip();
  return x.grad_fn;
}

type Grads = readonly (Tensor | null)[];
const half = (grads: Grads): Grads => grads.map((g) => (g === null ? null : g.mul(0.5)));
const method = (x: Tensor, f: string, ...args: unknown[]): unknown => (x as unknown as Loose)[f](...args);

/** The operations that are no methods. */
const operations = {
  leaf(_: Machine, shape: number[], dtype: "float64", seed: number, requires_grad: boolean): Tensor {
    const n = shape.reduce((a, b) => a * b, 1);
    const values = Float64Array.from({ length: n }, (_x, k) => (((k * 37 + seed * 11) % 101) - 50) / 40);
    // biome-ignore lint/performance/noDynamicNamespaceImportAccess: programs name their ops; nothing here is bundled.
    return torch.tensor(values).to(torch[dtype]).reshape(shape).clone().requires_grad_(requires_grad);
  },
  ints: (_: Machine, values: number[]) => torch.tensor(values, { dtype: torch.int64 }),
  cat: (_: Machine, tensors: Tensor[], dim: number) => torch.cat(tensors, dim),
  stack: (_: Machine, tensors: Tensor[], dim: number) => torch.stack(tensors, dim),
  where: (_: Machine, c: Tensor, x: Tensor, y: Tensor) => torch.where(c, x, y),
  layer_norm: (_: Machine, x: Tensor, shape: number[], w: Tensor | null = null, b: Tensor | null = null) =>
    F.layer_norm(x, shape, w, b),
  linear: (_: Machine, x: Tensor, w: Tensor, b: Tensor | null = null) => F.linear(x, w, b),
  softplus: (_: Machine, x: Tensor) => F.softplus(x),
  silu: (_: Machine, x: Tensor) => F.silu(x),
  gelu: (_: Machine, x: Tensor) => F.gelu(x),
  T: (_: Machine, x: Tensor) => x.T,
  mT: (_: Machine, x: Tensor) => x.mT,
  index: (_: Machine, x: Tensor, index: unknown[]) => method(x, "index", indices(index)),
  setitem(_: Machine, x: Tensor, index: unknown[], value: unknown): Tensor {
    method(x, "index_put_", indices(index), value);
    return x;
  },
  index_put_: (_: Machine, x: Tensor, index: Tensor[], value: Tensor, accumulate = false) =>
    x.index_put_(index, value, accumulate),
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: programs name their ops; nothing here is bundled.
  to: (_: Machine, x: Tensor, dtype: "float64") => x.to(torch[dtype]),
  total(machine: Machine): Tensor {
    let out = torch.zeros([], { dtype: torch.float64 });
    for (const [name, x] of [...machine.values]) {
      if (name[0] === "g" || !torch.is_tensor(x) || !x.is_floating_point() || !x.requires_grad) continue;
      try {
        out = out.add(
          x
            .double()
            .mul(0.1 + 0.05 * (Number(name.slice(1)) % 10))
            .sum(),
        );
      } catch (error) {
        machine.event(`${name} ${firstSentence(error)}`);
      }
    }
    return out;
  },

  apply: (_: Machine, name: string, ...args: never[]) => functions[name].apply(...args),
  backward(_: Machine, roots: Tensor[], grads: (Tensor | null)[] | null, options: object = {}): void {
    torch.autograd.backward(roots, grads, options);
  },
  grad: (_: Machine, outputs: Tensor[], inputs: Tensor[], grads: (Tensor | null)[] | null, options: object = {}) =>
    torch.autograd.grad(outputs, inputs, grads, options),
  get_grad: (_: Machine, x: Tensor) => x.grad,
  set_grad(_: Machine, x: Tensor, value: Tensor): void {
    x.grad = value;
  },
  clear_grad(_: Machine, x: Tensor): void {
    x.grad = null;
  },
  get_data: (_: Machine, x: Tensor) => x.data,
  set_data(_: Machine, x: Tensor, value: Tensor): void {
    x.data = value;
  },
  requires_grad(_: Machine, x: Tensor, value: boolean): Tensor {
    x.requires_grad = value;
    return x;
  },
  graph(machine: Machine, x: Tensor): void {
    const text = (node: Node | null, depth: number): string => {
      const name = short(node);
      if (node === null || depth === 0 || name === "AccumulateGrad") return name;
      const edges = node.next_functions.filter(([n]) => n !== null);
      return `${name}(${edges.map(([n, i]) => text(n, depth - 1) + (i ? `#${i}` : "")).join(", ")})`;
    };
    machine.event(text(x.grad_fn, 3));
  },
  look(machine: Machine, x: Tensor): void {
    const name = [...machine.values].find(([, v]) => v === x)?.[0] ?? null;
    machine.event(machine.final(x, name));
  },

  hook(machine: Machine, x: Tensor, kind: string): unknown {
    // The name is in PyTorch's messages.
    return x.register_hook(function hook(g: Tensor) {
      machine.event(`hook ${kind} ${g.requires_grad ? "r" : "-"}`, machine.contents(g));
      return hooks[kind](g);
    });
  },
  post_accumulate(machine: Machine, x: Tensor, kind: string): unknown {
    return x.register_post_accumulate_grad_hook((p: Tensor) => {
      machine.event(`accumulated ${kind} ${machine.describeGradient(p.grad)}`);
      if (kind === "clear") p.grad = null;
      else if (kind === "step" && p.grad !== null) torch.no_grad(() => p.sub_(p.grad as Tensor, { alpha: 0.25 }));
    });
  },
  node_hook(machine: Machine, x: Tensor, kind: string): unknown {
    const node = nodeOf(x);
    const name = short(node);
    return node.register_hook(function hook(inputs: Grads, outputs: Grads) {
      machine.event(`node ${name} ${kind}`);
      machine.seen(outputs);
      return kind === "record" ? null : half(inputs);
    });
  },
  node_prehook(machine: Machine, x: Tensor, kind: string): unknown {
    const node = nodeOf(x);
    const name = short(node);
    return node.register_prehook(function hook(outputs: Grads) {
      machine.event(`before ${name} ${kind}`);
      machine.seen(outputs);
      return kind === "record" ? null : half(outputs);
    });
  },
  remove(_: Machine, handle: { remove(): void }): void {
    handle.remove();
  },
};
