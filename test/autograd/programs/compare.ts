/** Compares the logs of programs. */
import type { Instruction, ProgramLog } from "./interpreter.ts";

export interface Difference {
  /** The number of the instruction, or the register whose final state differs. */
  readonly where: number | string;
  /** What differs, without the numbers: the same for the same mistake, mostly. */
  readonly kind: string;
  readonly actual: unknown;
  readonly expected: unknown;
}

/**
 * A program's numbers are as inexact as its coarsest dtype. float64: programs of 40 instructions on values up to 30 with
 * gradients up to 1e5 lose at most some six of sixteen digits; logs have twelve.
 */
export function toleranceOf(program: readonly Instruction[]): number {
  const text = JSON.stringify(program);
  return text.includes("float16") ? 3e-2 : text.includes("float32") ? 5e-4 : 1e-9;
}

/** The first difference, in the order of the program. */
export function firstDifference(
  program: readonly Instruction[],
  actual: ProgramLog,
  expected: ProgramLog,
  tolerance: number = toleranceOf(program),
): Difference | null {
  for (let i = 0; i < expected[0].length; i++) {
    const kind = different(actual[0][i], expected[0][i], tolerance);
    if (kind !== null) {
      return { where: i, kind: `${program[i].f}: ${kind}`, actual: actual[0][i], expected: expected[0][i] };
    }
  }
  for (const name of Object.keys(expected[1])) {
    const kind = different(actual[1][name], expected[1][name], tolerance);
    if (kind !== null) {
      return { where: name, kind: `end: ${kind}`, actual: actual[1][name], expected: expected[1][name] };
    }
  }
  return null;
}

function different(actual: unknown, expected: unknown, tolerance: number): string | null {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return "shape of log";
    if (expected.length > 0 && expected.every((x) => typeof x === "number")) {
      if (actual.length !== expected.length) return "number of elements";
      const scale = expected.reduce((max, x) => Math.max(max, Math.abs(x)), 1);
      return expected.every((x, i) => Math.abs(x - (actual[i] as number)) <= tolerance * scale) ? null : "values";
    }
    for (let i = 0; i < Math.max(expected.length, actual.length); i++) {
      const kind = different(actual[i], expected[i], tolerance);
      if (kind !== null) return kind;
    }
    return null;
  }
  if (actual === expected) return null;
  // Of several saved tensors that were changed or detached, either may be found first.
  if (typeof actual === "string" && typeof expected === "string" && SAVED.test(actual) && SAVED.test(expected))
    return null;
  if (typeof actual === "number" && typeof expected === "number") {
    return Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)) ? null : "values";
  }
  if (typeof actual === "string" && typeof expected === "string") {
    const [a, e] = [parts(actual), parts(expected)];
    if (a !== null && e !== null) {
      return FIELDS.flatMap((field, i) => (a[i] === e[i] ? [] : [`${field} ${simple(a[i])} for ${simple(e[i])}`])).join(
        ", ",
      );
    }
  }
  return `${simple(actual)} for ${simple(expected)}`.slice(0, 600);
}

const SAVED =
  /^RuntimeError: (one of the variables needed for gradient computation has been modified|Trying to use a saved tensor that has been detached|Output \d+ of \w+ is a view and its base or another view of its base has been modified)/;
const FIELDS = ["layout", "flags", "version", "node", "identity"];

/** The fields of a description of one tensor. */
function parts(text: string): string[] | null {
  return (
    /^(\w+\[[\d,]*\]\/\[[\d,]*\]) ([-rlvk]+) (\d+) (\w+)( is \w+| base \S+| is \w+ base \S+)?$/
      .exec(text)
      ?.slice(1)
      .map((x) => x ?? "") ?? null
  );
}

function simple(x: unknown): string {
  return typeof x === "string"
    ? x.replace(/(?<![A-Za-z])[vh]?\d+/g, "#")
    : x === undefined
      ? "nothing"
      : JSON.stringify(x);
}
