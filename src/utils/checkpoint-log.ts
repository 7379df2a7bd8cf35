/** For debugging checkpoints: what operations ran at first and when the function ran again, and where they were called. */
import { callsOutside, stackNow } from "../autograd/anomaly.ts";
import {
  currentInterceptor,
  dispatch,
  dispatchInplace,
  dispatchMany,
  dispatchUpdate,
  type Interceptor,
  type Primitive,
  setInterceptor,
  type UpdateOp,
} from "../dispatch.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { CheckpointError } from "./checkpoint-error.ts";

/** Short names of dtypes: `f32`, `i64`. */
function shortDType(t: Tensor): string {
  return t.dtype.name
    .replace("bfloat", "bf")
    .replace("float", "f")
    .replace("uint", "u")
    .replace("int", "i")
    .replace("bool", "b8");
}

/** The operations of one run, as they are dispatched. */
export class OperationLog implements Interceptor {
  readonly lines: string[] = [];
  private readonly stacks: Error[] = [];
  private readonly numbers = new WeakMap<object, number>();
  private count = 0;
  private below: Interceptor | null = null;

  /** Runs `body` and notes what it does. */
  run<R>(body: () => R): R {
    const outer = currentInterceptor();
    this.below = outer;
    setInterceptor(this);
    try {
      return body();
    } finally {
      setInterceptor(outer);
    }
  }

  call<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor {
    return this.noted(op.name, inputs, attrs, () => dispatch(op, inputs, attrs));
  }
  callMany<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
    return this.noted(op.name, inputs, attrs, () => dispatchMany(op, inputs, attrs));
  }
  callInplace<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor {
    return this.noted(`${op.name}_`, inputs, attrs, () => dispatchInplace(op, inputs, attrs));
  }
  callUpdate<A>(op: UpdateOp<A>, inputs: readonly Tensor[], attrs: A): void {
    this.noted(`${op.name}_`, inputs, attrs, () => dispatchUpdate(op, inputs, attrs));
  }

  private noted<R>(name: string, inputs: readonly Tensor[], attrs: unknown, run: () => R): R {
    const args = inputs.map((t) => `$${this.numberOf(t)}`);
    const rest = attributesText(attrs);
    if (rest !== "") args.push(rest);
    const position = this.lines.push(`${name}(${args.join(", ")})`) - 1;
    this.stacks.push(stackNow());
    setInterceptor(this.below);
    let result: R;
    try {
      result = run();
    } finally {
      setInterceptor(this);
    }
    const outputs: unknown[] = Array.isArray(result) ? result : [result];
    const made = outputs.filter(is_tensor).map((t) => `$${this.numberOf(t)}: ${shortDType(t)}[${t.sizes.join(", ")}]`);
    if (made.length > 0) this.lines[position] = `${made.join(", ")} = ${this.lines[position]}`;
    return result;
  }

  private numberOf(t: Tensor): number {
    let number = this.numbers.get(t);
    if (number === undefined) this.numbers.set(t, (number = this.count++));
    return number;
  }

  /** The operations with the calls of the user's that led to them. */
  traces(label: string): string {
    const total = this.lines.length;
    return this.lines
      .map(
        (line, i) =>
          `${line}   (${i + 1} of ${total} in ${label})\n\n${callsOutside(this.stacks[i].stack ?? "").join("\n")}\n\n`,
      )
      .join("\n");
  }
}

/** What a call is given beside tensors; empty values and functions are left out. */
function attributesText(attrs: unknown): string {
  if (attrs === null || attrs === undefined || typeof attrs === "function") return "";
  if (is_tensor(attrs)) return "tensor";
  if (Array.isArray(attrs)) {
    const values = attrs.map(attributesText);
    return values.every((value) => value === "") ? "" : `[${values.map((value) => value || "null").join(", ")}]`;
  }
  if (typeof attrs !== "object") return String(attrs);
  return Object.entries(attrs)
    .map(([key, value]) => [key, attributesText(value)])
    .filter(([, text]) => text !== "")
    .map(([key, text]) => `${key}=${text}`)
    .join(", ");
}

const RULE = `+${"-".repeat(78)}+`;
const heading = (text: string): string => `${RULE}\n| ${text.padEnd(76)} |\n${RULE}\n\n`;

/** The error of a checkpoint that is debugged. */
export function explained(error: CheckpointError, forward: OperationLog, recompute: OperationLog): CheckpointError {
  return new CheckpointError(
    `An error happened while unpacking tensors; dumping logs of latest computation because you passed \`debug=True\` to \`torch.utils.checkpoint.checkpoint()\`. The error itself is at the end.\n\n${heading(
      "1. Calls that led to the operations of the original forward",
    )}${forward.traces("original")}${heading(
      "2. Calls that led to the operations of the recomputation",
    )}${recompute.traces("recompute")}${heading(
      "3. Operations of both",
    )}Operations executed during the original forward:\n\n${forward.lines.join("\n")}\n\nOperations executed during recomputation:\n\n${recompute.lines.join("\n")}\n\n${heading(
      "ERROR: Detected non-determinism while running activation checkpointing",
    )}${error.message.split("\nTip:")[0].trim()}\n\nWhere the two lists of operations differ first, the function did something else when it ran again.`,
    { cause: error },
  );
}
