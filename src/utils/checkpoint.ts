/**
 * `torch.utils.checkpoint`: backward computes again what forward did not keep.
 * https://pytorch.org/docs/stable/checkpoint.html
 */
import { backward as runBackward } from "../autograd/backward.ts";
import { Function as AutogradFunction, type FunctionCtx } from "../autograd/function.ts";
import { currentGraphTask } from "../autograd/graph-task.ts";
import { is_grad_enabled, withGradMode } from "../autograd/mode.ts";
import { type Scope, scope } from "../context/scope.ts";
import { ScopedValue } from "../context/scoped-value.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { isOptions } from "../keywords.ts";
import { Sequential } from "../nn/modules/container.ts";
import { get_rng_state, set_rng_state } from "../random/generator.ts";
import { describe } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { warn } from "../warnings.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { CheckpointFrame } from "./checkpoint-frame.ts";
import { explained, OperationLog } from "./checkpoint-log.ts";

export { CheckpointError };

/** Something that a function runs in, such as `(body) => torch.no_grad(body)`. */
export type Context = <R>(body: () => R) => R;

export interface CheckpointOptions {
  /**
   * True runs backward within backward: the graph of the function is made and used there, which excludes `autograd.grad`,
   * `inputs`, gradients of gradients and keyword arguments. False is recommended. It has to be given; without it, true
   * with a warning.
   */
  readonly use_reentrant?: boolean | null;
  /** Draw the same random numbers again. Default true. */
  readonly preserve_rng_state?: boolean;
  /** Makes two contexts: what the function runs in at first, and when it runs again. Not with `use_reentrant`. */
  readonly context_fn?: () => readonly [Context, Context];
  /** Whether shapes and dtypes of recomputed tensors are compared with the saved ones. Default "default": yes. */
  readonly determinism_check?: "default" | "none";
  /** Have errors of a mismatch list the operations of both runs. Default false. */
  readonly debug?: boolean;
  /** Stop running again as soon as all is there that backward needs. Default true. */
  readonly early_stop?: boolean;
}

const OPTION_NAMES = [
  "use_reentrant",
  "preserve_rng_state",
  "context_fn",
  "determinism_check",
  "debug",
  "early_stop",
] as const;

const DEFAULTS: Required<CheckpointOptions> = {
  use_reentrant: null,
  preserve_rng_state: true,
  context_fn: noop_context_fn,
  determinism_check: "default",
  debug: false,
  early_stop: true,
};

/** Two contexts that do nothing. */
export function noop_context_fn(): readonly [Context, Context] {
  return [(body) => body(), (body) => body()];
}

const debugEnabled = new ScopedValue<boolean | null>(null);
const earlyStopEnabled = new ScopedValue<boolean | null>(null);

/** Whether checkpoints made meanwhile are debugged, whatever their `debug` says; null leaves it to that. */
export function set_checkpoint_debug_enabled(enabled: boolean | null): Scope;
export function set_checkpoint_debug_enabled<R>(enabled: boolean | null, body: () => R): R;
export function set_checkpoint_debug_enabled<R>(enabled: boolean | null, body?: () => R): unknown {
  return scope(`set_checkpoint_debug_enabled(${enabled})`, debugEnabled, () => enabled, body);
}

/** Whether checkpoints made meanwhile stop running again early, whatever their `early_stop` says. */
export function set_checkpoint_early_stop(enable: boolean): Scope;
export function set_checkpoint_early_stop<R>(enable: boolean, body: () => R): R;
export function set_checkpoint_early_stop<R>(enable: boolean, body?: () => R): unknown {
  return scope(`set_checkpoint_early_stop(${enable})`, earlyStopEnabled, () => enable, body);
}

/** Arguments with options among their keywords at the end. */
type WithOptions<A extends unknown[]> =
  | A
  | [...A, CheckpointOptions]
  | (A extends [...infer Others, infer Keywords extends object] ? [...Others, Keywords & CheckpointOptions] : never);

/**
 * `fn(...args)`, of which only the arguments are kept: backward runs `fn` again to have what it needs. The options are
 * keywords at the end; others go to `fn`. `fn` must do the same each time.
 */
export function checkpoint<A extends unknown[], R>(fn: (...args: A) => R, ...args: WithOptions<A>): R;
/** Without a function: makes one checkpointed. */
export function checkpoint(
  options: CheckpointOptions,
): <A extends unknown[], R>(fn: (...args: A) => R) => (...args: A) => R;
export function checkpoint(fn: unknown, ...args: unknown[]): unknown {
  if ((fn === null || fn === undefined || isOptions(fn)) && args.length <= 1) {
    const [options, keywords] = splitOptions((fn ?? args[0] ?? {}) as Record<string, unknown>);
    refuseKeywords(keywords);
    return (wrapped: AnyFunction) =>
      (...inputs: unknown[]) => {
        const last = inputs[inputs.length - 1];
        const own = isOptions(last) ? (inputs.pop() as object) : {};
        return run(wrapped, inputs, { ...own }, options);
      };
  }
  if (typeof fn !== "function") throw new TypeError(`checkpoint(): a function is needed, not ${describe(fn)}`);
  const last = args[args.length - 1];
  if (!isOptions(last)) return run(fn as AnyFunction, args, {}, DEFAULTS);
  const [options, keywords] = splitOptions(last);
  return run(fn as AnyFunction, args.slice(0, -1), keywords, options);
}

type AnyFunction = (...args: unknown[]) => unknown;
type Keywords = Record<string, unknown>;

/** Options of the checkpoint, and what is left for the function. */
function splitOptions(given: Keywords): [Required<CheckpointOptions>, Keywords] {
  const options: Record<string, unknown> = { ...DEFAULTS };
  const keywords: Keywords = { ...given };
  for (const name of OPTION_NAMES) {
    if (keywords[name] !== undefined) options[name] = keywords[name];
    delete keywords[name];
  }
  return [options as unknown as Required<CheckpointOptions>, keywords];
}

function refuseKeywords(keywords: Keywords): void {
  const names = Object.keys(keywords);
  if (names.length > 0) throw new ValueError(`Unexpected keyword arguments: ${names.join(",")}`);
}

function run(fn: AnyFunction, args: unknown[], keywords: Keywords, options: Required<CheckpointOptions>): unknown {
  let reentrant = options.use_reentrant;
  if (reentrant === null) {
    warn(
      "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended, but if you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for more details on the differences between the two variants.",
    );
    reentrant = true;
  }
  if (!reentrant) return runSaving(fn, args, keywords, options);
  refuseKeywords(keywords);
  if (options.context_fn !== noop_context_fn || options.debug) {
    throw new ValueError(
      "Passing `context_fn`, `debug`, or `respect_saved_tensors_hooks` is only supported when use_reentrant=False.",
    );
  }
  return CheckpointFunction.apply(fn, options.preserve_rng_state, ...args);
}

/** Refuses functions that go on after they have returned. */
function synchronous<R>(result: R): R {
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new TypeError("checkpoint(): the function must not be async");
  }
  return result;
}

/** Runs `body` with the random state that was kept, and puts the present one back. */
function withRandomState<R>(state: Uint8Array | null, body: () => R): R {
  if (state === null) return body();
  const present = get_rng_state();
  set_rng_state(state);
  try {
    return body();
  } finally {
    set_rng_state(present);
  }
}

function runSaving(
  fn: AnyFunction,
  args: unknown[],
  keywords: Keywords,
  options: Required<CheckpointOptions>,
): unknown {
  const { preserve_rng_state, determinism_check, early_stop } = options;
  let { context_fn } = options;
  let explain: ((error: CheckpointError) => never) | null = null;
  if (debugEnabled.get() ?? options.debug) {
    if (context_fn !== noop_context_fn) throw new ValueError("debug=True is incompatible with non-default context_fn");
    const [forward, recompute] = [new OperationLog(), new OperationLog()];
    context_fn = () => [(body) => forward.run(body), (body) => recompute.run(body)];
    explain = (error) => {
      throw explained(error, forward, recompute);
    };
  }
  if (determinism_check !== "default" && determinism_check !== "none") {
    throw new ValueError(`determinism_check should be one of ['default', 'none'], but got ${determinism_check}`);
  }
  const [forwardContext, recomputeContext] = context_fn();
  const call = (inputs: readonly unknown[]): unknown =>
    synchronous(Object.keys(keywords).length > 0 ? fn(...inputs, keywords) : fn(...inputs));
  if (!is_grad_enabled()) return call(args);
  const state = preserve_rng_state ? get_rng_state() : null;
  // Once there is autocast, its state belongs here, beside that of the generator.
  const frame = new CheckpointFrame(args, {
    recompute: (inputs) => withRandomState(state, () => recomputeContext(() => call(inputs))),
    earlyStop: earlyStopEnabled.get() ?? early_stop,
    checked: determinism_check === "default",
    explain,
  });
  return frame.forward(() => forwardContext(() => call(args)));
}

interface ReentrantContext extends FunctionCtx {
  fn: AnyFunction;
  state: Uint8Array | null;
  /** The arguments; null in place of tensors. */
  inputs: unknown[];
  positions: number[];
}

/** Runs a function without recording, and again with recording in its backward. */
export class CheckpointFunction extends AutogradFunction {
  static forward(ctx: FunctionCtx, fn: AnyFunction, preserve_rng_state: boolean, ...args: unknown[]): unknown {
    check_backward_validity(args);
    const context = ctx as ReentrantContext;
    context.fn = fn;
    // Once there is autocast, its state belongs here, beside that of the generator.
    context.state = preserve_rng_state ? get_rng_state() : null;
    context.inputs = args.map((a) => (is_tensor(a) ? null : a));
    context.positions = args.flatMap((a, i) => (is_tensor(a) ? [i] : []));
    ctx.save_for_backward(...args.filter(is_tensor));
    return withGradMode(false, () => synchronous(fn(...args)));
  }

  static backward(ctx: FunctionCtx, ...grads: Tensor[]): (Tensor | null)[] {
    if (currentGraphTask()?.leadsToInputs) {
      throw new RuntimeError(
        "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without passing the `inputs` argument.",
      );
    }
    const { fn, state, inputs, positions } = ctx as ReentrantContext;
    const args = [...inputs];
    const tensors = ctx.saved_tensors;
    positions.forEach((position, i) => {
      args[position] = tensors[i];
    });
    const detached = detach_variable(args);
    const outputs = withRandomState(state, () => withGradMode(true, () => fn(...detached)));
    const roots: Tensor[] = [];
    const rootGrads: Tensor[] = [];
    (Array.isArray(outputs) ? outputs : [outputs]).forEach((output: unknown, i) => {
      if (!is_tensor(output) || !output.requires_grad) return;
      roots.push(output);
      rootGrads.push(grads[i]);
    });
    if (roots.length === 0) {
      throw new RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary");
    }
    runBackward(roots, rootGrads);
    return [null, null, ...detached.map((a) => (is_tensor(a) ? a.grad : null))];
  }
}

/** Copies of tensors without history that require gradients where these do; other values as they are. */
export function detach_variable(inputs: readonly unknown[]): unknown[] {
  if (!Array.isArray(inputs)) {
    throw new RuntimeError(`Only tuple of tensors is supported. Got Unsupported input type: ${describe(inputs)}`);
  }
  return inputs.map((input: unknown) => {
    if (!is_tensor(input)) return input;
    const copy = input.detach();
    copy.requires_grad = input.requires_grad;
    return copy;
  });
}

/** Warns where no input requires a gradient. */
export function check_backward_validity(inputs: readonly unknown[]): void {
  if (!inputs.some((input) => is_tensor(input) && input.requires_grad)) {
    warn("None of the inputs have requires_grad=True. Gradients will be None");
  }
}

export interface CheckpointSequentialOptions {
  /** As for `checkpoint`. */
  readonly use_reentrant?: boolean | null;
  /** Draw the same random numbers again. Default true. */
  readonly preserve_rng_state?: boolean;
}

/**
 * Runs functions, such as the layers of a `Sequential`, one after the other, in so many segments. All but the last segment
 * are checkpoints.
 */
export function checkpoint_sequential(
  functions: Sequential | readonly ((input: never) => unknown)[],
  segments: number,
  input: unknown,
  options: CheckpointSequentialOptions = {},
): unknown {
  const { use_reentrant: given = null, preserve_rng_state = true, ...rest } = options;
  let use_reentrant = given;
  if (use_reentrant === null) {
    warn(
      "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. In version 2.9 we will raise an exception if use_reentrant is not passed. use_reentrant=False is recommended, but if you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for more details on the differences between the two variants.",
    );
    use_reentrant = true;
  }
  refuseKeywords(rest);
  const list = (functions instanceof Sequential ? [...functions.children()] : [...functions]) as AnyFunction[];
  const size = Math.floor(list.length / segments);
  if (size === 0 && segments > 1) {
    throw new ValueError(`checkpoint_sequential: ${list.length} functions cannot be divided into ${segments} segments`);
  }
  const segment =
    (start: number, end: number) =>
    (x: unknown): unknown =>
      list.slice(start, end).reduce((value, fn) => fn(value), x);
  let value = input;
  let next = 0;
  for (let i = 0; i < segments - 1; i++) {
    value = checkpoint(segment(next, next + size), value, { use_reentrant, preserve_rng_state });
    next += size;
  }
  return segment(next, list.length)(value);
}
