/**
 * Expressions of the kernel IR: what is computed for one element. There are no statements. An expression is an
 * immutable tree (a DAG, since parts may be shared); a kernel (`kernel.ts`) says over which indices it is evaluated.
 *
 * Loads convert from the element type in memory to a compute type, stores convert back:
 * bool → bool; uint8, int8, int16, int32 → i32; int64 → i64; float16, bfloat16, float32 → f32; float64 → f64.
 * Narrow integers therefore wrap at the store, and half floats round there.
 */
import type { DTypeName } from "../dtype.ts";

export type ComputeType = "bool" | "i32" | "i64" | "f32" | "f64";

/** Operations that every backend implements itself. */
export type UnaryOp = "neg" | "abs" | "sqrt" | "floor" | "ceil" | "trunc" | "nearest" | "not";
export type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "div" // integers: truncates towards zero; division by zero gives 0, the op checks beforehand
  | "rem" // C's %, fmod for floats
  | "min" // NaN if either is NaN; beside a constant c, x > c ? c : x, so that -0 stays where c is 0
  | "max"
  | "and" // bool, i32, i64
  | "or"
  | "xor"
  | "shl" // i32, i64; shift counts are taken modulo the width, the op guards larger ones
  | "shr" // arithmetic
  | "shru"; // logical
export type CompareOp = "eq" | "ne" | "lt" | "le" | "gt" | "ge";

/** Transcendental functions. `lower` (math.ts) turns them into the operations above, or into a `host` call. */
export type FunctionName =
  | "exp"
  | "exp2"
  | "expm1"
  | "log"
  | "log2"
  | "log10"
  | "log1p"
  | "sin"
  | "cos"
  | "tan"
  | "asin"
  | "acos"
  | "atan"
  | "sinh"
  | "cosh"
  | "tanh"
  | "asinh"
  | "acosh"
  | "atanh"
  | "erf"
  | "erfc"
  | "erfinv"
  | "lgamma"
  | "digamma"
  | "trigamma"
  | "zeta"
  | "ndtri"
  | "i0"
  | "i0e"
  | "i1"
  | "i1e"
  | "sigmoid"
  | "pow"
  | "atan2"
  | "hypot"
  | "nextafter";

export type ExprOp =
  | "const"
  | "param"
  | "index"
  | "load"
  | "stage"
  | "accumulator"
  | UnaryOp
  | BinaryOp
  | CompareOp
  | "fma"
  | "select"
  | "cast"
  | "bitcast"
  | "function"
  | "host";

/** One loop of a kernel. Its size is a constant or an i32 parameter. */
export class Axis {
  readonly name: string;
  readonly size: Expr;
  constructor(name: string, size: Expr) {
    this.name = name;
    this.size = size;
  }
  /** The loop index as an expression. */
  get index(): Expr {
    return new Expr("index", "i32", [], { axis: this });
  }
}

interface ExprData {
  /** const: the value (bigint for i64, 0 or 1 for bool). */
  readonly value?: number | bigint;
  /** param: its slot in the kernel's parameter list. load: its buffer. stage: its stage. */
  readonly slot?: number;
  /** stage: 0 is the reduced value, 1 the index that arg-reductions give. */
  readonly component?: number;
  readonly axis?: Axis;
  /** function, host: which. */
  readonly name?: FunctionName;
}

export type Operand = Expr | number;

/** One node. Make nodes with the functions below and the methods; they fold constants. */
export class Expr {
  readonly op: ExprOp;
  readonly type: ComputeType;
  readonly args: readonly Expr[];
  readonly value: number | bigint | undefined;
  readonly slot: number;
  readonly component: number;
  readonly axis: Axis | undefined;
  readonly name: FunctionName | undefined;

  constructor(op: ExprOp, type: ComputeType, args: readonly Expr[], data: ExprData = {}) {
    this.op = op;
    this.type = type;
    this.args = args;
    this.value = data.value;
    this.slot = data.slot ?? -1;
    this.component = data.component ?? 0;
    this.axis = data.axis;
    this.name = data.name;
  }

  get isFloat(): boolean {
    return this.type === "f32" || this.type === "f64";
  }
  get isConst(): boolean {
    return this.op === "const";
  }
  /** Whether this is the constant `value`. */
  is(value: number): boolean {
    return this.op === "const" && Number(this.value) === value;
  }
  private operand(x: Operand): Expr {
    return typeof x === "number" ? constant(this.type, x) : x;
  }

  neg(): Expr {
    return unary("neg", this);
  }
  abs(): Expr {
    return unary("abs", this);
  }
  sqrt(): Expr {
    return unary("sqrt", this);
  }
  floor(): Expr {
    return unary("floor", this);
  }
  ceil(): Expr {
    return unary("ceil", this);
  }
  trunc(): Expr {
    return unary("trunc", this);
  }
  /** Rounds to the nearest integer, ties to even. */
  nearest(): Expr {
    return unary("nearest", this);
  }
  /** Logical for bool, bitwise for integers. */
  not(): Expr {
    return unary("not", this);
  }
  add(b: Operand): Expr {
    return binary("add", this, this.operand(b));
  }
  sub(b: Operand): Expr {
    return binary("sub", this, this.operand(b));
  }
  mul(b: Operand): Expr {
    return binary("mul", this, this.operand(b));
  }
  div(b: Operand): Expr {
    return binary("div", this, this.operand(b));
  }
  rem(b: Operand): Expr {
    return binary("rem", this, this.operand(b));
  }
  min(b: Operand): Expr {
    return binary("min", this, this.operand(b));
  }
  max(b: Operand): Expr {
    return binary("max", this, this.operand(b));
  }
  and(b: Operand): Expr {
    return binary("and", this, this.operand(b));
  }
  or(b: Operand): Expr {
    return binary("or", this, this.operand(b));
  }
  xor(b: Operand): Expr {
    return binary("xor", this, this.operand(b));
  }
  shl(b: Operand): Expr {
    return binary("shl", this, this.operand(b));
  }
  shr(b: Operand): Expr {
    return binary("shr", this, this.operand(b));
  }
  shru(b: Operand): Expr {
    return binary("shru", this, this.operand(b));
  }
  eq(b: Operand): Expr {
    return compare("eq", this, this.operand(b));
  }
  ne(b: Operand): Expr {
    return compare("ne", this, this.operand(b));
  }
  lt(b: Operand): Expr {
    return compare("lt", this, this.operand(b));
  }
  le(b: Operand): Expr {
    return compare("le", this, this.operand(b));
  }
  gt(b: Operand): Expr {
    return compare("gt", this, this.operand(b));
  }
  ge(b: Operand): Expr {
    return compare("ge", this, this.operand(b));
  }
  /** `this * b + c`; a backend may round once or twice. */
  fma(b: Operand, c: Operand): Expr {
    return new Expr("fma", this.type, [this, this.operand(b), this.operand(c)]);
  }
  /** `this ? a : b`, for a bool. */
  select(a: Expr, b: Operand): Expr {
    const other = typeof b === "number" ? constant(a.type, b) : b;
    if (this.type !== "bool") throw new Error(`IR: select on ${this.type}`);
    if (a.type !== other.type) throw new Error(`IR: select between ${a.type} and ${other.type}`);
    if (this.isConst) return this.value ? a : other;
    return new Expr("select", a.type, [this, a, other]);
  }
  /** Converts the value. Float to integer truncates and saturates, NaN becomes 0; to bool is `!= 0`. */
  cast(type: ComputeType): Expr {
    if (type === this.type) return this;
    if (this.op === "const") return constant(type, this.value as number | bigint);
    if (type === "bool") return this.ne(0);
    return new Expr("cast", type, [this]);
  }
  /** The same bits as f32 ↔ i32 or f64 ↔ i64. */
  bitcast(type: ComputeType): Expr {
    return new Expr("bitcast", type, [this]);
  }
  /** A transcendental function of this value (and of `b`, for pow, atan2, hypot, nextafter). */
  fn(name: FunctionName, b?: Operand): Expr {
    return new Expr("function", this.type, b === undefined ? [this] : [this, this.operand(b)], { name });
  }
  exp(): Expr {
    return this.fn("exp");
  }
  log(): Expr {
    return this.fn("log");
  }
  tanh(): Expr {
    return this.fn("tanh");
  }
  pow(b: Operand): Expr {
    return this.fn("pow", b);
  }
  /** Whether the value is NaN. */
  isnan(): Expr {
    return this.ne(this);
  }
}

/** A constant. Booleans are 0 and 1. */
export function constant(type: ComputeType, value: number | bigint): Expr {
  let v: number | bigint;
  if (type === "i64") v = typeof value === "bigint" ? BigInt.asIntN(64, value) : toInt64(value);
  else if (type === "i32") v = typeof value === "bigint" ? Number(BigInt.asIntN(32, value)) : saturateInt32(value);
  else if (type === "bool") v = Number(value) !== 0 ? 1 : 0;
  else v = type === "f32" ? Math.fround(Number(value)) : Number(value);
  return new Expr("const", type, [], { value: v });
}

function saturateInt32(value: number): number {
  return Number.isNaN(value) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(value)));
}

function toInt64(value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  if (value >= 2 ** 63) return 2n ** 63n - 1n;
  if (value <= -(2 ** 63)) return -(2n ** 63n);
  return BigInt(Math.trunc(value));
}

/** A scalar given when the kernel runs. */
export function param(type: ComputeType, slot: number): Expr {
  return new Expr("param", type, [], { slot });
}

/**
 * The element at `index` (in elements from the buffer's start) of buffer `slot`. Where `mask` is false nothing is
 * read and the value is 0.
 */
export function load(type: ComputeType, slot: number, index: Expr, mask?: Expr): Expr {
  return new Expr("load", type, mask === undefined ? [index] : [index, mask], { slot });
}

/** The result of an earlier reduction stage of a row kernel. */
export function stageValue(type: ComputeType, stage: number, component = 0): Expr {
  return new Expr("stage", type, [], { slot: stage, component });
}

/** The sum over k in the epilogue of a contraction. */
export function accumulator(type: ComputeType): Expr {
  return new Expr("accumulator", type, []);
}

/** The type in which values of an element type are computed. */
export function computeType(dtype: DTypeName): ComputeType {
  switch (dtype) {
    case "bool":
      return "bool";
    case "int64":
      return "i64";
    case "float64":
      return "f64";
    case "float16":
    case "bfloat16":
    case "float32":
      return "f32";
    default:
      return "i32";
  }
}

function unary(op: UnaryOp, x: Expr): Expr {
  if (op === "not" ? x.isFloat : x.type === "bool") throw new Error(`IR: ${op} of ${x.type}`);
  if (!x.isFloat && (op === "floor" || op === "ceil" || op === "trunc" || op === "nearest")) return x;
  if (op === "sqrt" && !x.isFloat) throw new Error(`IR: sqrt of ${x.type}`);
  if (x.op === "const" && op === "neg" && x.isFloat) return constant(x.type, -(x.value as number));
  return new Expr(op, x.type, [x]);
}

function binary(op: BinaryOp, a: Expr, b: Expr): Expr {
  if (a.type !== b.type) throw new Error(`IR: ${op} of ${a.type} and ${b.type}`);
  const bitwise = op === "and" || op === "or" || op === "xor";
  if (a.type === "bool" && !bitwise) throw new Error(`IR: ${op} of bool`);
  if (a.isFloat && (bitwise || op === "shl" || op === "shr" || op === "shru"))
    throw new Error(`IR: ${op} of ${a.type}`);
  if (a.type === "i32") {
    // Index arithmetic: strides 0 and 1 disappear here, which is how layout classes simplify a kernel.
    if (op === "add") {
      if (a.is(0)) return b;
      if (b.is(0)) return a;
    } else if (op === "mul") {
      if (a.is(1)) return b;
      if (b.is(1)) return a;
      if (a.is(0) || b.is(0)) return constant("i32", 0);
    } else if (op === "sub" && b.is(0)) return a;
    else if (op === "div" && b.is(1)) return a;
    if (a.op === "const" && b.op === "const") {
      const x = a.value as number;
      const y = b.value as number;
      if (op === "add") return constant("i32", (x + y) | 0);
      if (op === "sub") return constant("i32", (x - y) | 0);
      if (op === "mul") return constant("i32", Math.imul(x, y));
      if (op === "div" && y !== 0) return constant("i32", Math.trunc(x / y));
      if (op === "rem" && y !== 0) return constant("i32", x % y);
    }
  } else if (a.type === "bool") {
    if (op === "and") {
      if (a.is(1)) return b;
      if (b.is(1)) return a;
    } else if (op === "or") {
      if (a.is(0)) return b;
      if (b.is(0)) return a;
    }
  }
  return new Expr(op, a.type, [a, b]);
}

function compare(op: CompareOp, a: Expr, b: Expr): Expr {
  if (a.type !== b.type) throw new Error(`IR: ${op} of ${a.type} and ${b.type}`);
  return new Expr(op, "bool", [a, b]);
}

/** Applies `f` to every node below `e`, each once, children first; returns the rebuilt expression. */
export function rewrite(e: Expr, f: (node: Expr) => Expr, done: Map<Expr, Expr> = new Map()): Expr {
  const known = done.get(e);
  if (known) return known;
  let node = e;
  if (e.args.length > 0) {
    const args = e.args.map((a) => rewrite(a, f, done));
    if (args.some((a, i) => a !== e.args[i])) {
      node = new Expr(e.op, e.type, args, e as ExprData);
    }
  }
  const result = f(node);
  done.set(e, result);
  return result;
}

/** Calls `f` on every node of `e`, each once, children first. */
export function walk(e: Expr, f: (node: Expr) => void, seen: Set<Expr> = new Set()): void {
  if (seen.has(e)) return;
  seen.add(e);
  for (const a of e.args) walk(a, f, seen);
  f(e);
}

/** Whether `e` depends on the loop index of `axis`. */
export function dependsOn(e: Expr, axis: Axis): boolean {
  let found = false;
  walk(e, (node) => {
    if (node.op === "index" && node.axis === axis) found = true;
  });
  return found;
}

/**
 * The factor of `axis` in an i32 index expression that is affine in it, or null where it is not affine. Zero where
 * the expression does not depend on the axis. A code generator asks this to find unit-stride loads.
 */
export function coefficient(e: Expr, axis: Axis): Expr | null {
  if (e.op === "index") return constant("i32", e.axis === axis ? 1 : 0);
  if (!dependsOn(e, axis)) return constant("i32", 0);
  const [a, b] = e.args as [Expr, Expr];
  if (e.op === "add" || e.op === "sub") {
    const ca = coefficient(a, axis);
    const cb = coefficient(b, axis);
    return ca && cb ? (e.op === "add" ? ca.add(cb) : ca.sub(cb)) : null;
  }
  if (e.op === "mul") {
    if (!dependsOn(b, axis)) return coefficient(a, axis)?.mul(b) ?? null;
    if (!dependsOn(a, axis)) return coefficient(b, axis)?.mul(a) ?? null;
  }
  return null;
}
