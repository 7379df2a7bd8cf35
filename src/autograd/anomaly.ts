/**
 * Anomaly mode: which line of the forward pass made the node whose backward failed. While it is on, nodes remember the
 * calls that made them, and an error in the backward pass is preceded by a warning that shows these; results of nodes are
 * searched for NaN. Sources of programs may be TypeScript: the lines are those that the platform's stack traces have.
 */
import { type Scope, scopeOrStatement } from "../context/scope.ts";
import { ScopedValue } from "../context/scoped-value.ts";
import { RuntimeError } from "../errors.ts";
import { describe } from "../shape.ts";
import { warn } from "../warnings.ts";
import { withGradMode } from "./mode.ts";
import type { Gradients, Node } from "./node.ts";

const ENABLED = 1;
const CHECK_NAN = 2;
const mode = new ScopedValue<number>(CHECK_NAN);

/** Whether anomaly mode is on. */
export function is_anomaly_enabled(): boolean {
  return (mode.get() & ENABLED) !== 0;
}

/** Whether anomaly mode looks for NaN, where it is on. */
export function is_anomaly_check_nan_enabled(): boolean {
  return (mode.get() & CHECK_NAN) !== 0;
}

type CheckNan = boolean | { readonly check_nan?: boolean };

/**
 * Runs `body` with anomaly mode on or, without `body`, gives a scope: `using _ = torch.autograd.detect_anomaly()`. An
 * error in a backward pass within it is preceded by a warning that shows the line of the forward call that recorded the
 * failing operation, if that was in anomaly mode too. With `check_nan` (default true) a gradient that is NaN is an error.
 * It slows programs down: for debugging.
 */
export function detect_anomaly(check_nan?: CheckNan): Scope;
export function detect_anomaly<R>(body: () => R): R;
export function detect_anomaly<R>(check_nan: CheckNan, body: () => R): R;
export function detect_anomaly(first: unknown = true, second?: unknown): unknown {
  const [check, body] = typeof first === "function" ? [true, first] : [first, second];
  const checkNan = flag("detect_anomaly", "check_nan", check, true);
  warn(
    "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.",
  );
  return scopeOrStatement({
    name: "torch.autograd.detect_anomaly()",
    variable: mode,
    next: () => (checkNan ? ENABLED | CHECK_NAN : ENABLED),
    body: body as (() => unknown) | undefined,
    statement: false,
  });
}

/**
 * Turns anomaly mode on or off: for `body`, or at once until the end of the innermost scope of anomaly mode or of the
 * program, or with `using` until the end of the block.
 */
export function set_detect_anomaly(mode: boolean, check_nan?: CheckNan): Scope;
export function set_detect_anomaly<R>(mode: boolean, body: () => R): R;
export function set_detect_anomaly<R>(mode: boolean, check_nan: CheckNan, body: () => R): R;
export function set_detect_anomaly(enabled: boolean, second?: unknown, third?: unknown): unknown {
  const [check, body] = typeof second === "function" ? [true, second] : [second ?? true, third];
  const on = flag("set_detect_anomaly", "mode", enabled);
  const checkNan = flag("set_detect_anomaly", "check_nan", check, true);
  return scopeOrStatement({
    name: `torch.autograd.set_detect_anomaly(${on})`,
    variable: mode,
    next: () => (on ? ENABLED : 0) | (checkNan ? CHECK_NAN : 0),
    body: body as (() => unknown) | undefined,
    statement: true,
  });
}

function flag(name: string, argument: string, given: unknown, fallback?: boolean): boolean {
  const keyword = typeof given === "object" && given !== null && Object.getPrototypeOf(given) === Object.prototype;
  const value = keyword ? ((given as Record<string, unknown>)[argument] ?? fallback) : given;
  if (typeof value !== "boolean") {
    throw new TypeError(`${name}(): argument '${argument}' must be bool, not ${describe(value)}`);
  }
  return value;
}

/** The node whose backward runs now, within anomaly mode. */
let evaluating: Node | null = null;

/** For the constructor of nodes: remembers the calls that make `node`, if anomaly mode is on. */
export function rememberOrigin(node: { readonly metadata: Record<string, unknown> }): void {
  if ((mode.get() & ENABLED) === 0) return;
  const calls = stackNow();
  let lines: readonly string[] | null = null;
  // The text of a stack costs more than the stack, and few are ever read.
  Object.defineProperty(node.metadata, "traceback_", {
    get: () => (lines ??= callsOutside(calls.stack ?? "")),
    enumerable: true,
    configurable: true,
  });
  if (evaluating !== null) node.metadata.parent_ = evaluating;
}

/** The folder of the library's own files, with `/` at the end; null if all of it is one file with other code. */
const ownFolder = /^(.*\/)autograd\/anomaly\.[jt]s$/.exec(import.meta.url)?.[1] ?? null;

/** What has a stack, with room for the library's own calls. */
export function stackNow(): Error {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 64;
  const error = new Error();
  Error.stackTraceLimit = before;
  return error;
}

/** The lines of a stack that are in nobody's files but the user's, the innermost call first. */
export function callsOutside(stack: string): string[] {
  const path = ownFolder?.startsWith("file://") ? decodeURIComponent(ownFolder.slice("file://".length)) : ownFolder;
  return stack
    .split("\n")
    .filter((line) => /^\s*at |@/.test(line) && !/[( ]node:/.test(line))
    .filter((line) => ownFolder === null || !(line.includes(ownFolder) || line.includes(path as string)))
    .map((line) => line.trim());
}

/** For the engine: runs one node's backward and, if that fails, says where the node was recorded. */
export function explainingErrors(node: Node, body: () => void): void {
  const before = evaluating;
  evaluating = node;
  try {
    body();
  } catch (error) {
    report(node);
    throw error;
  } finally {
    evaluating = before;
  }
}

function report(node: Node): void {
  const seen = new Set<Node>();
  let at = node;
  while (!seen.has(at)) {
    seen.add(at);
    const calls = at.metadata.traceback_ as readonly string[] | undefined;
    const what = seen.size === 1 ? "Error detected in" : "\n\nPrevious calculation was induced by";
    const effect = seen.size === 1 ? "caused the error" : "induced the previous calculation";
    const where =
      calls === undefined
        ? "No forward pass information available. Enable detect anomaly during forward pass for more information."
        : `Traceback of forward call that ${effect}:\n${calls.map((line) => `  ${line}`).join("\n")}`;
    // Not warn(), which shows the same text once only: here each belongs to an error.
    console.warn(`UserWarning: ${what} ${at.name()}. ${where}`);
    const parent = at.metadata.parent_ as Node | undefined;
    if (parent === undefined) return;
    at = parent;
  }
}

/** For the engine: throws if a result of `node` has a NaN. */
export function checkResults(node: Node, results: Gradients): void {
  if (!is_anomaly_check_nan_enabled()) return;
  withGradMode(false, () => {
    results.forEach((grad, i) => {
      if (!grad?.dtype.is_floating_point) return;
      if (grad.detach().isnan().any().item()) {
        throw new RuntimeError(`Function '${node.name()}' returned nan values in its ${i}th output.`);
      }
    });
  });
}
