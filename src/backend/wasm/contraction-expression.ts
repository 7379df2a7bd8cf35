/** Expressions as scalar code, for the parts of a contraction that are not worth vectors or cannot have them. */
import { NotImplementedError } from "../../errors.ts";
import { type Axis, type ComputeType, type Expr, walk } from "../../ir/expr.ts";
import type { BufferDecl } from "../../ir/kernel.ts";
import type { FunctionBuilder, Local, ValueType } from "./assembler.ts";
import { decodeLoads, rawElements } from "./elements.ts";
import type { PlainOp } from "./opcodes.ts";

type Scalar = "i32" | "i64" | "f32" | "f64";

/** The stack type of a compute type: a bool is an i32 of 0 or 1. */
function stackType(type: ComputeType): ValueType & Scalar {
  return type === "bool" ? "i32" : type;
}

/** Writes scalar code for expressions into one function. */
export class ScalarExpressions {
  private readonly f: FunctionBuilder;
  private readonly buffers: readonly BufferDecl[];
  private readonly block: Local;
  private readonly indices: ReadonlyMap<Axis, Local>;
  private readonly accumulator: Local | undefined;

  constructor(
    f: FunctionBuilder,
    block: Local,
    buffers: readonly BufferDecl[],
    indices: ReadonlyMap<Axis, Local>,
    accumulator?: Local,
  ) {
    this.f = f;
    this.block = block;
    this.buffers = buffers;
    this.indices = indices;
    this.accumulator = accumulator;
  }

  /** Pushes the values of the expressions, in order. A node that they share is computed once. */
  push(...expressions: readonly Expr[]): void {
    const { f } = this;
    const decoded = expressions.map((e) => decodeLoads(e, this.buffers));
    const seen = new Set<Expr>();
    // Children first, all in straight-line code, so that every value is there wherever it is needed.
    const values = new Map<Expr, Local>();
    for (const e of decoded)
      walk(
        e,
        (node) => {
          if (node.args.length === 0) return;
          const local = f.local(stackType(node.type));
          this.compute(node, (arg) => this.operand(arg, values));
          f.set(local);
          values.set(node, local);
        },
        seen,
      );
    for (const e of decoded) this.operand(e, values);
    f.release(...values.values());
  }

  private operand(e: Expr, values: ReadonlyMap<Expr, Local>): void {
    const { f } = this;
    const local = values.get(e);
    if (local) f.get(local);
    else if (e.op === "const") this.constant(e);
    else if (e.op === "index") f.get(this.indices.get(e.axis as Axis) as Local);
    else if (e.op === "param")
      f.get(this.block).memory(`${stackType(e.type)}.load`, 8 * (this.buffers.length + e.slot));
    else if (e.op === "accumulator" && this.accumulator) f.get(this.accumulator);
    else throw new Error(`contraction: ${e.op} in an expression`);
  }

  private constant(e: Expr): void {
    const { f } = this;
    if (e.type === "i64") f.i64(e.value as bigint);
    else if (e.type === "f32") f.f32(e.value as number);
    else if (e.type === "f64") f.f64(e.value as number);
    else f.i32(e.value as number);
  }

  private compute(e: Expr, push: (arg: Expr) => void): void {
    const { f } = this;
    const type = stackType(e.type);
    const [a, b, c] = e.args as [Expr, Expr, Expr];
    const from = stackType(a.type);
    const float = from === "f32" || from === "f64";
    switch (e.op) {
      case "load":
        this.load(e, push);
        return;
      case "neg":
        if (float) push(a);
        else {
          this.zero(type);
          push(a);
        }
        f.op(float ? `${type as "f32"}.neg` : `${type}.sub`);
        return;
      case "abs":
        if (float) {
          push(a);
          f.op(`${type as "f32"}.abs`);
        } else {
          push(a);
          this.zero(type);
          push(a);
          f.op(`${type}.sub`);
          push(a);
          this.zero(type);
          f.op(`${type as "i32"}.ge_s`).select();
        }
        return;
      case "sqrt":
      case "floor":
      case "ceil":
      case "trunc":
      case "nearest":
        push(a);
        f.op(`${type as "f32"}.${e.op}`);
        return;
      case "not":
        push(a);
        if (e.type === "bool") f.op("i32.eqz");
        else if (type === "i64") f.i64(-1).op("i64.xor");
        else f.i32(-1).op("i32.xor");
        return;
      case "fma":
        push(a);
        push(b);
        f.op(`${type}.mul`);
        push(c);
        f.op(`${type}.add`);
        return;
      case "select":
        push(b);
        push(c);
        push(a);
        f.select();
        return;
      case "cast":
        push(a);
        this.cast(from, type);
        return;
      case "bitcast":
        push(a);
        if (from !== type) f.op(`${type}.reinterpret_${from}` as PlainOp);
        return;
      case "eq":
      case "ne":
      case "lt":
      case "le":
      case "gt":
      case "ge": {
        push(a);
        push(b);
        const signed = !float && e.op !== "eq" && e.op !== "ne";
        f.op(`${from}.${e.op}${signed ? "_s" : ""}` as PlainOp);
        return;
      }
      case "div":
      case "rem":
        if (!float) this.integerDivision(e.op, type as "i32" | "i64", a, b, push);
        else if (e.op === "div") {
          push(a);
          push(b);
          f.op(`${type as "f32"}.div`);
        } else throw new NotImplementedError("contraction: the remainder of floats");
        return;
      case "min":
      case "max":
        push(a);
        push(b);
        if (float) f.op(`${type as "f32"}.${e.op}`);
        else {
          push(a);
          push(b);
          f.op(`${type as "i32"}.${e.op === "min" ? "lt_s" : "gt_s"}`).select();
        }
        return;
      case "add":
      case "sub":
      case "mul":
      case "and":
      case "or":
      case "xor":
      case "shl":
        push(a);
        push(b);
        f.op(`${type as "i32"}.${e.op}`);
        return;
      case "shr":
      case "shru":
        push(a);
        push(b);
        f.op(`${type as "i32"}.${e.op === "shr" ? "shr_s" : "shr_u"}`);
        return;
      default:
        throw new Error(`contraction: ${e.op}${e.name ? ` ${e.name}` : ""} in an expression`);
    }
  }

  private zero(type: Scalar): void {
    if (type === "i64") this.f.i64(0);
    else if (type === "i32") this.f.i32(0);
    else this.f[type](0);
  }

  private load(e: Expr, push: (arg: Expr) => void): void {
    const { f } = this;
    const [index, mask] = e.args;
    const { size, load, type } = rawElements[this.buffers[e.slot].dtype];
    const read = () => {
      f.get(this.block).memory("i32.load", 8 * e.slot);
      push(index);
      f.i32(size).op("i32.mul").op("i32.add").memory(load);
    };
    if (mask === undefined) read();
    else {
      push(mask);
      f.if(read, () => this.zero(stackType(type)), stackType(type));
    }
  }

  /** Division by 0 gives 0; the lowest integer by -1 must not trap. */
  private integerDivision(op: "div" | "rem", type: "i32" | "i64", a: Expr, b: Expr, push: (arg: Expr) => void): void {
    const { f } = this;
    push(b);
    f.op(`${type}.eqz`).if(
      () => this.zero(type),
      () => {
        const divide = () => {
          push(a);
          push(b);
          f.op(`${type}.${op}_s`);
        };
        if (op === "rem") {
          divide();
          return;
        }
        push(b);
        if (type === "i64") f.i64(-1);
        else f.i32(-1);
        f.op(`${type}.eq`).if(
          () => {
            this.zero(type);
            push(a);
            f.op(`${type}.sub`);
          },
          divide,
          type,
        );
      },
      type,
    );
  }

  private cast(from: Scalar, to: Scalar): void {
    const { f } = this;
    if (from === to) return;
    const key = `${from} ${to}`;
    if (key === "i32 i64") f.op("i64.extend_i32_s");
    else if (key === "i64 i32") f.op("i32.wrap_i64");
    else if (key === "f32 f64") f.op("f64.promote_f32");
    else if (key === "f64 f32") f.op("f32.demote_f64");
    else if (to === "f32" || to === "f64") f.op(`${to}.convert_${from as "i32" | "i64"}_s`);
    else f.op(`${to}.trunc_sat_${from as "f32" | "f64"}_s`);
  }
}
