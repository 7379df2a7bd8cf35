/** The operations of the IR on scalars. */
import type { ComputeType, Expr, FunctionName } from "../../ir/expr.ts";
import type { Callable, FunctionBuilder, Local, ValueType } from "./assembler.ts";
import type { Features } from "./features.ts";
import type { PlainOp } from "./opcodes.ts";

/** Functions called out of the module; in float64. */
export type HostName = FunctionName | "fmod";

/** The operands of an operation. */
export interface Operands {
  /** Puts operand i on the stack. */
  push(i: number): void;
  /** Operand i in a local, for use more than once. */
  local(i: number): Local;
}

export interface ScalarContext {
  readonly f: FunctionBuilder;
  readonly features: Features;
  host(name: HostName): Callable;
  /** A local for a short while. Only temporaries share locals: hoisted values live longer than the text shows. */
  temporary(type: ValueType): Local;
  free(...temporaries: Local[]): void;
}

/** Booleans are i32 0 and 1. */
export function valueType(type: ComputeType): ValueType {
  return type === "bool" ? "i32" : type;
}

/** Appends a scalar constant. */
export function pushConstant(f: FunctionBuilder, type: ComputeType, value: number | bigint): void {
  if (type === "i64") f.i64(value);
  else if (type === "f32") f.f32(value as number);
  else if (type === "f64") f.f64(value as number);
  else f.i32(value as number);
}

const compareSuffix = { eq: "eq", ne: "ne", lt: "lt_s", le: "le_s", gt: "gt_s", ge: "ge_s" } as const;
const integerSuffix = { shl: "shl", shr: "shr_s", shru: "shr_u" } as const;

/** Appends the operation of `e`, which is neither a leaf nor a load, on the given operands. */
export function scalarOperation(context: ScalarContext, e: Expr, operands: Operands): void {
  const { f } = context;
  const type = valueType(e.args[0].type);
  switch (e.op) {
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge": {
      operands.push(0);
      operands.push(1);
      const suffix = type === "f32" || type === "f64" ? e.op : compareSuffix[e.op];
      f.op(`${type}.${suffix}` as PlainOp);
      return;
    }
    case "select": {
      // V8 makes a branch of a select between floats, but a conditional move of one between integers.
      const integer = e.type === "f32" ? "i32" : e.type === "f64" ? "i64" : null;
      for (const i of [1, 2]) {
        operands.push(i);
        if (integer !== null) f.op(`${integer}.reinterpret_${e.type}` as PlainOp);
      }
      operands.push(0);
      f.select();
      if (integer !== null) f.op(`${e.type}.reinterpret_${integer}` as PlainOp);
      return;
    }
    case "cast":
      operands.push(0);
      cast(f, e.args[0].type, e.type);
      return;
    case "bitcast":
      operands.push(0);
      if (e.type !== e.args[0].type) f.op(`${e.type}.reinterpret_${e.args[0].type}` as PlainOp);
      return;
    case "host":
      for (let i = 0; i < e.args.length; i++) operands.push(i);
      f.call(context.host(e.name as FunctionName));
      return;
    case "fma":
      fma(context, e, operands);
      return;
    case "min":
    case "max":
      minMax(f, e, operands);
      return;
    case "div":
      if (type === "i32" || type === "i64") divide(context, e, operands);
      else binary(f, operands, `${type}.div` as PlainOp);
      return;
    case "rem":
      remainder(context, e, operands);
      return;
    case "shl":
    case "shr":
    case "shru":
      binary(f, operands, `${type}.${integerSuffix[e.op]}` as PlainOp);
      return;
    case "not":
      operands.push(0);
      if (e.type === "bool") f.op("i32.eqz");
      else if (e.type === "i32") f.i32(-1).op("i32.xor");
      else f.i64(-1).op("i64.xor");
      return;
    case "neg":
      if (type === "f32" || type === "f64") {
        operands.push(0);
        f.op(`${type}.neg`);
      } else {
        pushConstant(f, e.type, 0);
        operands.push(0);
        f.op(`${type as "i32"}.sub`);
      }
      return;
    case "abs":
      if (type === "f32" || type === "f64") {
        operands.push(0);
        f.op(`${type}.abs`);
      } else {
        // x ^ sign - sign, where sign is 0 or -1.
        const x = operands.local(0);
        const width = type === "i32" ? 31 : 63;
        const t = type as "i32";
        f.get(x).get(x);
        pushConstant(f, e.type, width);
        f.op(`${t}.shr_s`).op(`${t}.xor`).get(x);
        pushConstant(f, e.type, width);
        f.op(`${t}.shr_s`).op(`${t}.sub`);
      }
      return;
    case "sqrt":
      operands.push(0);
      // Measured on Zen 3: in a function with 256-bit instructions, V8's f32.sqrt takes 120 to 250 ns, the vector's 2 ns.
      if (context.features.simd && e.isFloat) {
        const shape = type === "f32" ? "f32x4" : "f64x2";
        f.op(`${shape}.splat`).op(`${shape}.sqrt`).lane(`${shape}.extract_lane`, 0);
      } else f.op(`${type as "f32"}.sqrt`);
      return;
    case "floor":
    case "ceil":
    case "trunc":
    case "nearest":
      operands.push(0);
      f.op(`${type as "f32"}.${e.op}`);
      return;
    case "add":
    case "sub":
    case "mul":
    case "and":
    case "or":
    case "xor":
      binary(f, operands, `${type}.${e.op}` as PlainOp);
      return;
    default:
      throw new Error(`IR: ${e.op} of ${e.type} in WebAssembly`);
  }
}

function binary(f: FunctionBuilder, operands: Operands, op: PlainOp): void {
  operands.push(0);
  operands.push(1);
  f.op(op);
}

/** Where relaxed SIMD fuses, the scalar form must round as the vector form does, so it is the vector form. */
function fma({ f, features }: ScalarContext, e: Expr, operands: Operands): void {
  const type = e.type as "f32" | "f64";
  const shape = type === "f32" ? "f32x4" : "f64x2";
  if (features.relaxed && (type === "f32" || type === "f64")) {
    for (let i = 0; i < 3; i++) {
      operands.push(i);
      f.op(`${shape}.splat`);
    }
    f.op(`${shape}.relaxed_madd`).lane(`${shape}.extract_lane`, 0);
    return;
  }
  binary(f, operands, `${type}.mul`);
  operands.push(2);
  f.op(`${type}.add`);
}

/** The operand that is a constant other than NaN, if the other is to be compared with it. */
export function constantOperand(e: Expr): 0 | 1 | undefined {
  for (const i of [1, 0] as const) {
    if (e.args[i].isConst && !Number.isNaN(Number(e.args[i].value))) return i;
  }
  return undefined;
}

function minMax(f: FunctionBuilder, e: Expr, operands: Operands): void {
  const type = valueType(e.type);
  const less = e.op === "min" ? "gt" : "lt";
  if (type === "f32" || type === "f64") {
    const fixed = constantOperand(e);
    if (fixed === undefined) {
      binary(f, operands, `${type}.${e.op as "min" | "max"}`);
      return;
    }
    // max(x, c) as `x < c ? c : x`: keeps NaN, and is what the vector form computes.
    const x = operands.local(1 - fixed);
    operands.push(fixed);
    f.get(x).get(x);
    operands.push(fixed);
    f.op(`${type}.${less}`).select();
    return;
  }
  const a = operands.local(0);
  const b = operands.local(1);
  f.get(b)
    .get(a)
    .get(a)
    .get(b)
    .op(`${type as "i32"}.${less}_s`)
    .select();
}

/** Truncating division; by zero gives 0, and the least number divided by -1 wraps instead of trapping. */
function divide(context: ScalarContext, e: Expr, operands: Operands): void {
  const { f } = context;
  const type = e.type as "i32" | "i64";
  const divisor = e.args[1];
  if (divisor.isConst && !divisor.is(0) && !divisor.is(-1)) {
    binary(f, operands, `${type}.div_s`);
    return;
  }
  const a = operands.local(0);
  const b = operands.local(1);
  const number = (value: number): void => pushConstant(f, type, value);
  const result = context.temporary(type);
  // (a * b) stands for both special cases: -a for b = -1 and 0 for b = 0.
  f.get(a).get(b).op(`${type}.mul`).set(result);
  f.get(b);
  number(1);
  f.op(`${type}.add`);
  number(1);
  f.op(`${type}.gt_u`);
  f.if(() => f.get(a).get(b).op(`${type}.div_s`).set(result));
  f.get(result);
  context.free(result);
}

function remainder(context: ScalarContext, e: Expr, operands: Operands): void {
  const { f } = context;
  const { type } = e;
  if (type === "f32" || type === "f64") {
    // The remainder of two float32 is exact in float64 and fits float32.
    for (let i = 0; i < 2; i++) {
      operands.push(i);
      if (type === "f32") f.op("f64.promote_f32");
    }
    f.call(context.host("fmod"));
    if (type === "f32") f.op("f32.demote_f64");
    return;
  }
  const integer = type as "i32" | "i64";
  if (e.args[1].isConst && !e.args[1].is(0)) {
    binary(f, operands, `${integer}.rem_s`);
    return;
  }
  const b = operands.local(1);
  operands.push(0);
  pushConstant(f, type, 1);
  f.get(b).get(b).op(`${integer}.eqz`).select().op(`${integer}.rem_s`);
}

function cast(f: FunctionBuilder, from: ComputeType, to: ComputeType): void {
  if (from === to || (from === "bool" && to === "i32")) return;
  const source = valueType(from);
  if (to === "bool") {
    pushConstant(f, from, 0);
    f.op(`${source}.ne` as PlainOp);
  } else if (to === "i32") f.op(from === "i64" ? "i32.wrap_i64" : (`i32.trunc_sat_${source}_s` as PlainOp));
  else if (to === "i64") f.op((source === "i32" ? "i64.extend_i32_s" : `i64.trunc_sat_${source}_s`) as PlainOp);
  else if (to === "f32") f.op((from === "f64" ? "f32.demote_f64" : `f32.convert_${source}_s`) as PlainOp);
  else f.op((from === "f32" ? "f64.promote_f32" : `f64.convert_${source}_s`) as PlainOp);
}
