/** Expressions as scalar code, for the parts of a contraction that are not worth vectors or cannot have them. */
import { type Axis, type Expr, walk } from "../../ir/expr.ts";
import type { BufferDecl } from "../../ir/kernel.ts";
import type { Callable, FunctionBuilder, Local, ValueType } from "./assembler.ts";
import { rawElements } from "./elements.ts";
import type { Features } from "./features.ts";
import { type HostName, pushConstant, type ScalarContext, scalarOperation, valueType } from "./scalar.ts";
import { prepareExpression } from "./stages.ts";

/** What the code of a module may use. */
export interface ScalarEnvironment {
  readonly features: Features;
  readonly host: (name: HostName) => Callable;
}

/** Writes scalar code for expressions into one function. */
export class ScalarExpressions implements ScalarContext {
  readonly f: FunctionBuilder;
  readonly features: Features;
  readonly host: (name: HostName) => Callable;
  private readonly buffers: readonly BufferDecl[];
  private readonly block: Local;
  private readonly indices: ReadonlyMap<Axis, Local>;
  private readonly accumulator: Local | undefined;

  constructor(
    f: FunctionBuilder,
    block: Local,
    buffers: readonly BufferDecl[],
    indices: ReadonlyMap<Axis, Local>,
    { features, host }: ScalarEnvironment,
    accumulator?: Local,
  ) {
    this.f = f;
    this.block = block;
    this.buffers = buffers;
    this.indices = indices;
    this.features = features;
    this.host = host;
    this.accumulator = accumulator;
  }

  temporary(type: ValueType): Local {
    return this.f.local(type);
  }
  free(...temporaries: Local[]): void {
    this.f.release(...temporaries);
  }

  /** Pushes the value of an expression. */
  push(expression: Expr): void {
    const { f } = this;
    const e = prepareExpression(expression, this.buffers);
    // Children first and each node once, all in straight-line code, so that every value is there wherever it is needed.
    const values = new Map<Expr, Local>();
    walk(e, (node) => {
      if (node.args.length === 0) return;
      if (node.op === "load") this.load(node, values);
      else
        scalarOperation(this, node, {
          push: (i) => this.operand(node.args[i], values),
          local: (i) => this.operandLocal(node.args[i], values),
        });
      const local = f.local(valueType(node.type));
      f.set(local);
      values.set(node, local);
    });
    this.operand(e, values);
    f.release(...values.values());
  }

  private operand(e: Expr, values: ReadonlyMap<Expr, Local>): void {
    const { f } = this;
    const local = values.get(e);
    if (local) f.get(local);
    else if (e.op === "const") pushConstant(f, e.type, e.value as number | bigint);
    else if (e.op === "index") f.get(this.indices.get(e.axis as Axis) as Local);
    else if (e.op === "param") {
      const type = valueType(e.type) as "i32" | "i64" | "f32" | "f64";
      f.get(this.block).memory(`${type}.load`, 8 * (this.buffers.length + e.slot));
    } else if (e.op === "accumulator" && this.accumulator) f.get(this.accumulator);
    else throw new Error(`contraction: ${e.op} in an expression`);
  }

  private operandLocal(e: Expr, values: Map<Expr, Local>): Local {
    const known = values.get(e);
    if (known) return known;
    const local = this.f.local(valueType(e.type));
    this.operand(e, values);
    this.f.set(local);
    values.set(e, local);
    return local;
  }

  private load(e: Expr, values: ReadonlyMap<Expr, Local>): void {
    const { f } = this;
    const [index, mask] = e.args;
    const { size, load, type } = rawElements[this.buffers[e.slot].dtype];
    const read = () => {
      f.get(this.block).memory("i32.load", 8 * e.slot);
      this.operand(index, values);
      f.i32(size).op("i32.mul").op("i32.add").memory(load);
    };
    if (mask === undefined) read();
    else {
      this.operand(mask, values);
      f.if(read, () => pushConstant(f, type, type === "i64" ? 0n : 0), valueType(type));
    }
  }
}
