/** Operations with a backward of the user's own: https://pytorch.org/docs/stable/autograd.html#function */
import { isRecording } from "../context/grad-mode.ts";
import type { MemberContext } from "../context/scope.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { describe } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { isTransforming } from "../wrapping.ts";
import { gradientAccumulator } from "./accumulate.ts";
import { withForwardMode } from "./dual-level.ts";
import { type AnyCall, FunctionCtx, FunctionNode, type FunctionStatics } from "./function-node.ts";
import { propagateThroughFunction } from "./function-tangents.ts";
import { withGradMode } from "./mode.ts";
import { type Gradients, Node } from "./node.ts";
import { anyRequiresGrad, checkInplace, gradientEdge, linkView, rebaseHistory, setHistory } from "./record.ts";

export { FunctionCtx };

/** What `apply` takes: the parameters of `forward`, without the context unless there is a `setup_context`. */
type ApplyArguments<F> = F extends {
  setup_context: (...args: never[]) => unknown;
  forward: (...args: infer A) => unknown;
}
  ? A
  : F extends { forward: (context: never, ...args: infer A) => unknown }
    ? A
    : never;
type ApplyResult<F> = F extends { forward: (...args: never[]) => infer R } ? R : never;

/** What one method says must be what the others expect. */
type Consistent<F> = F extends { setup_context: unknown; forward: (...args: infer A) => infer R }
  ? { setup_context(context: never, inputs: A, output: R): unknown }
  : unknown;

/**
 * Extend this with static methods `forward(ctx, …args)` and `backward(ctx, …grads)`, and call `MyFunction.apply(…args)`.
 * With a static `setup_context(ctx, inputs, output)`, `forward` takes no context; transformations of `torch.func` need that.
 * `backward` (or `vjp`, which is the same) returns one gradient for each argument of `apply`, null for those without;
 * `jvp(ctx, …tangents)`, for forward mode, one tangent for each output. Only tensors among the arguments themselves take
 * part, not those in arrays or objects; an array that `forward` returns is several outputs.
 */
class CustomFunction {
  /** Gradients come to `backward` as one array, from which it may remove those that it no longer needs. Default false. */
  static readonly boxed_grads_call: boolean = false;
  /** What was saved is let go of when `ctx.saved_tensors` is read, which works once. Default false. */
  static readonly clear_saved_tensors_on_access: boolean = false;
  /** Under `torch.func.vmap`, `forward`, `setup_context` and `backward` run on batched tensors. Default false. */
  static readonly generate_vmap_rule: boolean = false;

  constructor() {
    console.warn(
      `DeprecationWarning: ${this.constructor.name} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.`,
    );
  }

  /** Runs `forward` and records the call. */
  static apply<F extends FunctionStatics>(this: F & Consistent<F>, ...args: ApplyArguments<F>): ApplyResult<F> {
    return callFunction(this, args) as ApplyResult<F>;
  }
}

export { CustomFunction as Function };

// `const f = MyFunction.apply` is a usual way to name the operation, so reading it binds it.
Object.defineProperty(CustomFunction, "apply", {
  get(this: FunctionStatics): AnyCall {
    return (...args) => callFunction(this, args);
  },
  configurable: true,
});

/** For programs written long ago: use `Function`. */
export class InplaceFunction extends CustomFunction {
  readonly inplace: boolean;
  constructor(inplace = false) {
    super();
    this.inplace = inplace;
  }
}

let transformer: ((statics: FunctionStatics, args: readonly unknown[]) => unknown) | null = null;

/** For `torch.func`: what calls custom functions inside transformations. */
export function setFunctionTransformer(call: typeof transformer): void {
  transformer = call;
}

function callFunction(statics: FunctionStatics, args: readonly unknown[]): unknown {
  if (typeof statics.forward !== "function") throw missingForward(statics);
  if (transformer !== null && isTransforming()) return transformer(statics, args);
  return applyFunction(statics, args);
}

function missingForward(statics: FunctionStatics): Error {
  const { prototype } = statics as unknown as { prototype?: { forward?: unknown } };
  if (typeof prototype?.forward === "function") {
    return new RuntimeError(
      "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)",
    );
  }
  return new NotImplementedError("You must implement the forward function for custom autograd.Function.");
}

/** Runs `forward` and records the call, on tensors of one level. */
export function applyFunction(statics: FunctionStatics, args: readonly unknown[]): unknown {
  const inputs = args.filter(is_tensor);
  const recorded = isRecording() && anyRequiresGrad(inputs);
  // Edges are taken before forward, which may change inputs in place.
  const node = new FunctionNode(statics, args, recorded ? inputs.map(gradientEdge) : []);
  const output = withForwardMode(false, () => withGradMode(false, () => runForward(statics, node, args)));
  if (output instanceof Promise) {
    // The error below is the one to see, not the rejection that may follow from it.
    output.catch(() => {});
    throw new TypeError(`${statics.name}: forward must not be async`);
  }
  const several = Array.isArray(output);
  const raw = several ? (output as unknown[]) : [output];
  const call = new Call(node, inputs, raw, recorded, statics.setup_context !== undefined);
  const outputs = raw.map((value, i) => call.wrap(value, i));
  call.finish(outputs);
  if (recorded) node.finish(inputs, outputs, call.differentiable);
  propagateThroughFunction(node, inputs, raw, outputs, call);
  node.saved_for_forward = null;
  return several ? outputs : outputs[0];
}

function runForward(statics: FunctionStatics, node: FunctionNode, args: readonly unknown[]): unknown {
  const forward = statics.forward as AnyCall;
  if (statics.setup_context === undefined) return forward.call(statics, node, ...args);
  const output = forward.call(statics, ...args);
  (statics.setup_context as AnyCall).call(statics, node, args, output);
  return output;
}

/** What is known of a call when its outputs are given their place in the graph. */
class Call {
  /** Whether backward goes through each output. */
  readonly differentiable: boolean[] = [];
  readonly dirty: ReadonlySet<unknown>;
  readonly nonDifferentiable: ReadonlySet<unknown>;
  private readonly node: FunctionNode;
  private readonly inputs: readonly Tensor[];
  private readonly outputs: readonly unknown[];
  private readonly recorded: boolean;
  /** What a separate `setup_context` saves must not be an input that is returned as it is. */
  private readonly saved: ReadonlySet<unknown>;

  constructor(
    node: FunctionNode,
    inputs: readonly Tensor[],
    outputs: readonly unknown[],
    recorded: boolean,
    separate: boolean,
  ) {
    this.node = node;
    this.inputs = inputs;
    this.outputs = outputs;
    this.recorded = recorded;
    this.saved = new Set(separate ? node.to_save : null);
    this.nonDifferentiable = new Set(node.non_differentiable);
    this.dirty = new Set(node.dirty_tensors);
    this.checkMarks();
    // Changes that no op has counted, such as those through `.data`, count too.
    for (const t of node.dirty_tensors ?? []) t.version.value++;
  }

  private checkMarks(): void {
    const { non_differentiable, dirty_tensors } = this.node;
    const other = (non_differentiable ?? []).find((t) => !is_tensor(t));
    if (other !== undefined) {
      throw new RuntimeError(`mark_non_differentiable only accepts variable arguments, but got ${describe(other)}`);
    }
    const wrong = (dirty_tensors ?? []).findIndex((t) => !is_tensor(t));
    if (wrong >= 0) {
      const type = describe(dirty_tensors?.[wrong]);
      throw new RuntimeError(`mark_dirty can only accept variables, but argument ${wrong} is of type ${type}`);
    }
  }

  /** Output `i` as the caller gets it. */
  wrap(value: unknown, i: number): unknown {
    this.differentiable[i] = false;
    if (!is_tensor(value)) return value;
    const input = this.inputs.includes(value);
    const modified = this.dirty.has(value);
    const differentiable = this.recorded && value.dtype.is_floating_point && !this.nonDifferentiable.has(value);
    this.differentiable[i] = differentiable;
    let result = value;
    if (!differentiable) result = this.constant(value, input, modified);
    else if (modified) this.overwritten(value, input, i);
    else {
      if (input) result = this.asView(value);
      setHistory(result, this.node, i);
    }
    if (!(input && modified)) setCreation(result, "custom_function");
    return result;
  }

  private constant(value: Tensor, input: boolean, modified: boolean): Tensor {
    if (!value.requires_grad) return input && !modified ? this.asView(value) : value;
    if (input) return value.detach();
    // A view of an input requires gradients as one made in no_grad does.
    if (value.viewInfo === null) value.detach_();
    return value;
  }

  /** An input that is returned unchanged becomes a view of itself, so that it can have another history. */
  private asView(value: Tensor): Tensor {
    if (this.saved.has(value)) {
      throw new RuntimeError(
        "An input that has been returned as-is as output is being saved for backward. This is not supported if you override setup_context. You should return and save a view of the input instead, e.g. with x.view_as(x) or setup ctx inside the forward function itself.",
      );
    }
    return withForwardMode(false, () => {
      const view = value.detach();
      linkView(view, value, "custom_function");
      return view;
    });
  }

  private overwritten(value: Tensor, input: boolean, i: number): void {
    if (value.gradFn === null && value.requires_grad) {
      throw new RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.");
    }
    if (!input) {
      console.warn(
        "UserWarning: ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated should be passed to ctx.mark_dirty().",
      );
    }
    if (value.viewInfo !== null && this.outputs.length > 1) {
      throw new RuntimeError(
        "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more than one Tensor. This is not supported by the current autograd engine. You should either make sure the input is not a view (using .clone() for example) or make your Function only return one Tensor (potentially splitting it into two Functions: one doing the inplace that returns a single Tensor and a second one that does the other operations).",
      );
    }
    checkInplace(value, true);
    value.gradient = null;
    rebaseHistory(value, this.node, i, Math.max(0, this.inputs.indexOf(value)));
  }

  /** After all outputs: what is about several of them. */
  finish(outputs: readonly unknown[]): void {
    if (this.differentiable.filter((yes) => yes).length > 1) {
      for (const t of outputs) if (is_tensor(t)) setCreation(t, "multi_output");
    }
    for (const t of this.dirty) {
      if (!this.outputs.includes(t)) {
        throw new RuntimeError(
          "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified inplace must all be outputs of the Function.",
        );
      }
    }
  }
}

function setCreation(tensor: Tensor, creation: "custom_function" | "multi_output"): void {
  const view = tensor.viewInfo;
  if (view !== null) tensor.viewInfo = { base: view.base, creation };
}

/**
 * Wraps a `backward` that is not itself differentiable: differentiating its results is an error. A decorator of the static
 * method, `@once_differentiable static backward(ctx, grad)`, or a function, `static backward = once_differentiable(…)`.
 */
export function once_differentiable<C, A extends unknown[], R>(
  backward: (ctx: C, ...args: A) => R,
  _context?: MemberContext,
): (ctx: C, ...args: A) => R {
  function wrapper(this: unknown, ctx: C, ...args: A): R {
    const results = withGradMode(false, () => backward.call(this as never, ctx, ...args));
    if (!isRecording() || !args.some((a) => is_tensor(a) && a.requires_grad)) return results;
    const node = new NotDifferentiable(Array.isArray(results) ? results.length : 1);
    return (Array.isArray(results) ? results.map((r, i) => node.output(r, i)) : node.output(results, 0)) as R;
  }
  return Object.defineProperty(wrapper, "name", { value: backward.name });
}

/** The history of gradients that have none: PyTorch's `DelayedError`. */
class NotDifferentiable extends Node {
  readonly outputCount: number;
  constructor(outputCount: number) {
    super([], []);
    this.outputCount = outputCount;
  }
  /** `value` as output `i`, made from a leaf that nobody has. */
  output(value: unknown, i: number): unknown {
    if (value === null || value === undefined) return value;
    if (!is_tensor(value)) throw new TypeError(`'${describe(value)}' object has no attribute 'detach'`);
    const leaf = value.detach();
    leaf.leafRequiresGrad = true;
    this.nextNodes.push(gradientAccumulator(leaf));
    this.nextOutputs.push(0);
    const result = value.detach();
    setHistory(result, this, i);
    return result;
  }
  override name(): string {
    return "torch::autograd::Error";
  }
  override apply(): Gradients {
    throw new RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable");
  }
}
