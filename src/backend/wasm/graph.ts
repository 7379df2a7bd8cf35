/**
 * The expressions of one kernel as a graph in which equal nodes are the same object, with what a code generator asks
 * about each: on which loops it depends, how often it is used, how an index varies with each axis.
 */
import { type Axis, constant, Expr } from "../../ir/expr.ts";

/** Dependency bits: bit i is axis i; ROW marks what is known only after a reduction stage or a store of the row. */
export const ROW = 1 << 30;

interface Facts {
  readonly id: number;
  readonly deps: number;
  refs: number;
}

/** An index as `rest + Σ coefficients[i] · axis i`, where the coefficients depend on no axis. */
interface Linear {
  readonly rest: Expr;
  readonly coefficients: readonly Expr[];
}
/** The same with interned parts, and a small constant taken out of `rest`: the index is that much higher. */
export interface LinearIndex extends Linear {
  readonly offset: number;
  /** Equal for indices that differ by the offset only. */
  readonly key: string;
}

/** Offsets are below this: what an index without its offset refers to is then never below the memory's start. */
const OFFSET_LIMIT = 256;

const zero = constant("i32", 0);
const one = constant("i32", 1);

export class Graph {
  readonly axes: readonly Axis[];
  /** Dependency bits of a stage's result. */
  private readonly stageDeps: number;
  private readonly nodes = new Map<string, Expr>();
  private readonly facts = new Map<Expr, Facts>();
  private readonly known = new Map<string, Map<Expr, Expr>>();
  private readonly linears = new Map<Expr, LinearIndex>();
  private readonly none: readonly Expr[];

  constructor(axes: readonly Axis[], stageDeps = 0) {
    if (axes.length > 29) throw new Error("IR: more than 29 axes");
    this.axes = axes;
    this.stageDeps = stageDeps | ROW;
    this.none = axes.map(() => zero);
  }

  /**
   * The one node equal to `e`. `versions` counts, for each buffer, the stores before this place: loads before and
   * after a store differ.
   */
  intern(e: Expr, versions: readonly number[] = []): Expr {
    const key = versions.join();
    let done = this.known.get(key);
    if (!done) this.known.set(key, (done = new Map()));
    return this.internNode(e, versions, done);
  }

  private internNode(e: Expr, versions: readonly number[], done: Map<Expr, Expr>): Expr {
    if (this.facts.has(e)) return e;
    const known = done.get(e);
    if (known) return known;
    const args = e.args.map((a) => this.internNode(a, versions, done));
    const version = e.op === "load" ? (versions[e.slot] ?? 0) : 0;
    const axis = e.axis ? this.axisNumber(e.axis) : -1;
    let key = `${e.op} ${e.type}`;
    for (let i = 0; i < args.length; i++) key += ` ${this.fact(args[i]).id}`;
    if (e.op === "const") key += Object.is(e.value, -0) ? " -0" : ` ${e.value}`;
    else if (e.axis) key += ` ${axis}`;
    else if (e.name) key += ` ${e.name}`;
    else if (e.slot !== -1) key += ` ${e.slot} ${e.component} ${version}`;
    let node = this.nodes.get(key);
    if (!node) {
      // A new object: the same expression object may stand for loads of several versions.
      node = new Expr(e.op, e.type, args, e);
      let deps = axis >= 0 ? 1 << axis : 0;
      for (const a of args) {
        const facts = this.fact(a);
        facts.refs++;
        deps |= facts.deps;
      }
      if (e.op === "stage") deps = this.stageDeps;
      if (version > 0) deps |= ROW;
      this.nodes.set(key, node);
      this.facts.set(node, { id: this.facts.size, deps, refs: 0 });
    }
    done.set(e, node);
    return node;
  }

  private fact(e: Expr): Facts {
    const facts = this.facts.get(e);
    if (!facts) throw new Error("IR: node is not interned");
    return facts;
  }
  axisNumber(axis: Axis): number {
    const i = this.axes.indexOf(axis);
    if (i < 0) throw new Error(`IR: index of the unknown axis ${axis.name}`);
    return i;
  }
  deps(e: Expr): number {
    return this.fact(e).deps;
  }
  refs(e: Expr): number {
    return this.fact(e).refs;
  }
  id(e: Expr): number {
    return this.fact(e).id;
  }
  /** Counts one more use of `e`, by a stage or by an operation that needs it twice. */
  use(e: Expr): void {
    this.fact(e).refs++;
  }

  /** How an interned index expression varies with each axis. */
  linear(e: Expr): LinearIndex {
    let linear = this.linears.get(e);
    if (!linear) {
      const parts = this.split(e);
      const [base, offset] = constantPart(parts.rest);
      const rest = this.intern(base);
      const coefficients = parts.coefficients.map((c) => this.intern(c));
      linear = { rest, coefficients, offset, key: [rest, ...coefficients].map((x) => this.id(x)).join() };
      this.linears.set(e, linear);
    }
    return linear;
  }

  private split(e: Expr): Linear {
    if (e.op === "index") {
      const axis = this.axisNumber(e.axis as Axis);
      return { rest: zero, coefficients: this.none.map((z, i) => (i === axis ? one : z)) };
    }
    if (e.op === "add" || e.op === "sub") {
      const a = this.split(e.args[0]);
      const b = this.split(e.args[1]);
      const combine = (x: Expr, y: Expr): Expr => (e.op === "add" ? x.add(y) : x.sub(y));
      return {
        rest: combine(a.rest, b.rest),
        coefficients: a.coefficients.map((x, i) => combine(x, b.coefficients[i])),
      };
    }
    if (e.op === "mul") {
      const [x, y] = e.args;
      const [factor, other] = this.deps(x) === 0 ? [x, y] : [y, x];
      if (this.deps(factor) === 0 && this.deps(other) !== 0) {
        const a = this.split(other);
        return { rest: a.rest.mul(factor), coefficients: a.coefficients.map((c) => c.mul(factor)) };
      }
    }
    return { rest: e, coefficients: this.none };
  }
}

/** `e` as an expression and a constant that is added to it, 0 where there is none that an instruction can add. */
function constantPart(e: Expr): [base: Expr, offset: number] {
  if (e.op !== "add") return [e, 0];
  const [a, b] = e.args;
  const [base, last] = a.isConst ? [b, a] : [a, b];
  const offset = last.isConst ? Number(last.value) : 0;
  return offset > 0 && offset < OFFSET_LIMIT ? [base, offset] : [e, 0];
}
