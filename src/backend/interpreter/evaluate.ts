/** Turns expressions into closures. */
import type { DTypeName } from "../../dtype.ts";
import type { Axis, BinaryOp, CompareOp, Expr, FunctionName, UnaryOp } from "../../ir/expr.ts";
import { computeType, walk } from "../../ir/expr.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { hostFunctions, nextafterFloat32 } from "../../ir/special.ts";
import {
  binaryFunction,
  bitcastFunction,
  castFunction,
  compareFunction,
  fmaFunction,
  roundedBinary,
  unaryFunction,
} from "./arithmetic.ts";
import { elementAccess, type Value } from "./elements.ts";
import { errorRule } from "./error-bound.ts";

/** What an expression may refer to while a kernel runs. */
export interface Frame {
  readonly view: DataView;
  /** Byte address of each buffer's first element. */
  readonly addresses: readonly number[];
  readonly params: readonly Value[];
  /** The current index of each axis. */
  readonly indices: Map<Axis, number>;
  /** By stage: its value and, for arg-reductions, its index. */
  readonly stages: (readonly Tracked[])[];
  accumulator: Tracked;
  /** Where writes are noted, if they are. */
  readonly journal: Journal | undefined;
}

/** A value and the bound of its error; 0 unless errors are tracked. */
export interface Tracked {
  readonly value: Value;
  readonly error: number;
}

/** An element that a kernel wrote. */
export interface JournalEntry {
  readonly buffer: number;
  readonly dtype: DTypeName;
  readonly before: Value;
  after: Value;
  error: number;
}

/** The elements a run wrote, by byte address. */
export type Journal = Map<number, JournalEntry>;

export interface EvaluateOptions {
  /** Whether a float32 fma rounds once. Default false: a backend may do either. */
  readonly fusedMultiplyAdd?: boolean;
  /** Whether to compute error bounds (error-bound.ts). Default false. */
  readonly trackErrors?: boolean;
}

type Step = (frame: Frame, values: readonly Value[]) => Value;
type ErrorStep = (frame: Frame, values: readonly Value[], errors: readonly number[]) => number;

/**
 * Evaluates one expression. Each distinct node is computed once per call, in an order in which operands come first:
 * expressions share their parts so much that walking them as trees would take exponential time.
 */
export class Evaluator {
  private readonly steps: Step[] = [];
  private readonly errorSteps: ErrorStep[] = [];
  private readonly values: Value[] = [];
  private readonly errors: number[] = [];

  constructor(e: Expr, kernel: Kernel, options: EvaluateOptions = {}) {
    const positions = new Map<Expr, number>();
    walk(e, (node) => {
      const args = node.args.map((a) => positions.get(a) as number);
      const position = this.steps.length;
      positions.set(node, position);
      const compute = step(node, args, kernel, options);
      this.steps.push(compute);
      if (options.trackErrors) this.errorSteps.push(errorStep(node, args, position, kernel, compute));
    });
  }

  evaluate(frame: Frame): Value {
    const { steps, errorSteps, values, errors } = this;
    for (let i = 0; i < steps.length; i++) {
      values[i] = (steps[i] as Step)(frame, values);
      const error = errorSteps[i];
      if (error) errors[i] = error(frame, values, errors);
    }
    return values[steps.length - 1] as Value;
  }

  /** The error bound of the last value; 0 where errors are not tracked. */
  get error(): number {
    return this.errors[this.steps.length - 1] ?? 0;
  }

  tracked(frame: Frame): Tracked {
    return { value: this.evaluate(frame), error: this.error };
  }
}

function errorStep(e: Expr, args: readonly number[], position: number, kernel: Kernel, compute: Step): ErrorStep {
  switch (e.op) {
    case "const":
    case "param":
    case "index":
      return () => 0;
    case "load": {
      // What the kernel wrote itself carries the error it had then.
      const { size } = elementAccess[bufferType(kernel, e.slot, e)];
      return (frame, v) =>
        frame.journal?.get((frame.addresses[e.slot] as number) + (v[args[0] as number] as number) * size)?.error ?? 0;
    }
    case "stage":
      return (frame) => (frame.stages[e.slot] as readonly Tracked[])[e.component]?.error as number;
    case "accumulator":
      return (frame) => frame.accumulator.error;
    default: {
      const rule = errorRule(e, ofOperands(args, compute));
      return (_, v, errors) =>
        rule(
          args.map((a) => v[a] as Value),
          args.map((a) => errors[a] as number),
          v[position] as Value,
        );
    }
  }
}

const NO_FRAME = {} as Frame;

/** The operation as a function of its operands alone. */
function ofOperands(args: readonly number[], compute: Step): (operands: readonly Value[]) => Value {
  const values: Value[] = [];
  return (operands) => {
    args.forEach((position, i) => {
      values[position] = operands[i] as Value;
    });
    return compute(NO_FRAME, values);
  };
}

function step(e: Expr, args: readonly number[], kernel: Kernel, options: EvaluateOptions): Step {
  const [a, b, c] = args as [number, number, number];
  switch (e.op) {
    case "const": {
      const value = e.value as Value;
      return () => value;
    }
    case "param":
      if (kernel.params[e.slot] !== e.type)
        throw new Error(`IR: kernel ${kernel.name} has no ${e.type} param ${e.slot}`);
      return (frame) => frame.params[e.slot] as Value;
    case "index": {
      const axis = e.axis as Axis;
      return (frame) => {
        const index = frame.indices.get(axis);
        if (index === undefined) throw new Error(`IR: kernel ${kernel.name} uses axis ${axis.name} outside its loop`);
        return index;
      };
    }
    case "load": {
      const dtype = bufferType(kernel, e.slot, e);
      const { size, read } = elementAccess[dtype];
      const zero = e.type === "i64" ? 0n : 0;
      const masked = args.length > 1;
      return (frame, v) => {
        if (masked && !v[b]) return zero;
        return read(frame.view, (frame.addresses[e.slot] as number) + (v[a] as number) * size);
      };
    }
    case "stage":
      return (frame) => ((frame.stages[e.slot] as readonly Tracked[])[e.component] as Tracked).value;
    case "accumulator":
      return (frame) => frame.accumulator.value;
    case "fma": {
      const f = fmaFunction(e.type, options.fusedMultiplyAdd ?? false);
      return (_, v) => f(v[a] as Value, v[b] as Value, v[c] as Value);
    }
    case "select":
      return (_, v) => (v[a] ? v[b] : v[c]) as Value;
    case "cast": {
      const f = castFunction((e.args[0] as Expr).type, e.type);
      return (_, v) => f(v[a] as Value);
    }
    case "bitcast": {
      const f = bitcastFunction((e.args[0] as Expr).type, e.type);
      return (_, v) => f(v[a] as Value);
    }
    case "function":
    case "host": {
      // Functions in float32 are evaluated in float64 and rounded: what their decompositions are measured against.
      const f = functionOf(e.name as FunctionName, e);
      return (_, v) => f(v[a] as Value, v[b] ?? 0);
    }
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge": {
      const f = compareFunction(e.op as CompareOp);
      return (_, v) => f(v[a] as Value, v[b] as Value);
    }
    default: {
      if (args.length === 1) {
        const f = unaryFunction(e.op as UnaryOp, e.type);
        return (_, v) => f(v[a] as Value);
      }
      if ((e.op === "min" || e.op === "max") && e.isFloat && e.args.some((x) => x.is(0))) {
        const [x, zero] = (e.args[1] as Expr).is(0) ? [a, b] : [b, a];
        const beyond = compareFunction(e.op === "max" ? "lt" : "gt");
        return (_, v) => (beyond(v[x] as Value, 0) ? v[zero] : v[x]) as Value;
      }
      const f = binaryFunction(e.op as BinaryOp, e.type);
      return (_, v) => f(v[a] as Value, v[b] as Value);
    }
  }
}

function functionOf(name: FunctionName, e: Expr): (x: Value, y: Value) => Value {
  if (e.type === "f32" && name === "nextafter") return nextafterFloat32 as (x: Value, y: Value) => Value;
  if (!e.isFloat) throw new Error(`IR: ${name} of ${e.type}`);
  return roundedBinary(hostFunctions[name], e.type);
}

/** The element type of buffer `slot`, whose values `e` must have the compute type of. */
export function bufferType(kernel: Kernel, slot: number, e: Expr): DTypeName {
  const buffer = kernel.buffers[slot];
  if (buffer === undefined) throw new Error(`IR: kernel ${kernel.name} has no buffer ${slot}`);
  if (computeType(buffer.dtype) !== e.type) {
    throw new Error(`IR: kernel ${kernel.name} uses buffer ${slot} (${buffer.dtype}) as ${e.type}`);
  }
  return buffer.dtype;
}
