/** Operations with a backward of the user's own: https://pytorch.org/docs/stable/autograd.html#function */
import { RuntimeError } from "../errors.ts";
import { describe, sameShape, shapeText } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { gradientAccumulator } from "./accumulate.ts";
import { is_grad_enabled, withGradMode } from "./mode.ts";
import { type Gradients, Node, releasedError, SavedTensor } from "./node.ts";
import { anyRequiresGrad, checkInplace, rebaseHistory, setHistory } from "./record.ts";

/** What `forward` and `backward` share. */
export class FunctionContext {
  /** For each argument of `apply`, whether its gradient is wanted. */
  needs_input_grad: readonly boolean[] = [];
  /** Anything else that backward needs may be kept as a field. */
  [key: string]: unknown;

  #saved: readonly (Tensor | null)[] = [];
  #unpack: (() => (Tensor | null)[]) | null = null;
  #dirty: readonly Tensor[] = [];
  #nonDifferentiable: readonly Tensor[] = [];
  #materialize = true;

  /** Keeps tensors for backward. They are checked there for in-place changes. */
  save_for_backward(...tensors: (Tensor | null)[]): void {
    for (const t of tensors) {
      if (t !== null && !is_tensor(t)) {
        throw new TypeError(
          `save_for_backward can only save variables, but got ${describe(t)}: keep other values as fields of ctx`,
        );
      }
    }
    this.#saved = tensors;
  }

  /** What `save_for_backward` kept. */
  get saved_tensors(): Tensor[] {
    return (this.#unpack === null ? this.#saved : this.#unpack()) as Tensor[];
  }

  /** Says which inputs `forward` changed in place; they must be among its outputs. */
  mark_dirty(...tensors: Tensor[]): void {
    this.#dirty = tensors;
  }

  /** Says which outputs have no gradient. */
  mark_non_differentiable(...tensors: Tensor[]): void {
    this.#nonDifferentiable = tensors;
  }

  /** With false, gradients of unused outputs come to backward as null rather than as zeros. */
  set_materialize_grads(value: boolean): void {
    this.#materialize = value;
  }

  /** @internal */
  static internals(context: FunctionContext): {
    saved: readonly (Tensor | null)[];
    dirty: readonly Tensor[];
    nonDifferentiable: readonly Tensor[];
    materialize: boolean;
    setUnpack: (unpack: () => (Tensor | null)[]) => void;
  } {
    return {
      saved: context.#saved,
      dirty: context.#dirty,
      nonDifferentiable: context.#nonDifferentiable,
      materialize: context.#materialize,
      setUnpack: (unpack) => {
        context.#unpack = unpack;
        context.#saved = [];
      },
    };
  }
}

/** The node of a custom function. */
class CustomNode extends Node {
  readonly outputCount: number;
  private readonly title: string;
  private readonly context: FunctionContext;
  private readonly backward: (context: FunctionContext, grads: (Tensor | null)[]) => unknown;
  private readonly argumentCount: number;
  /** Argument number of each edge. */
  private readonly positions: readonly number[];
  private readonly inputs: readonly Tensor[];
  private readonly outputs: readonly { sizes: readonly number[]; like: Tensor }[];
  private saved: (SavedTensor | null)[] | null;

  constructor(spec: {
    title: string;
    context: FunctionContext;
    backward: (context: FunctionContext, grads: (Tensor | null)[]) => unknown;
    argumentCount: number;
    positions: readonly number[];
    inputs: readonly Tensor[];
    edges: readonly ({ node: Node; output: number } | null)[];
    outputs: readonly Tensor[];
  }) {
    super(
      spec.edges.map((e) => e?.node ?? null),
      spec.edges.map((e) => e?.output ?? 0),
    );
    this.title = spec.title;
    this.context = spec.context;
    this.backward = spec.backward;
    this.argumentCount = spec.argumentCount;
    this.positions = spec.positions;
    this.inputs = spec.inputs.map((t) => t.detach());
    this.outputs = spec.outputs.map((t) => ({ sizes: t.sizes, like: t.detach() }));
    this.outputCount = spec.outputs.length;
    const internals = FunctionContext.internals(spec.context);
    this.saved = internals.saved.map((t) => (t === null ? null : new SavedTensor(t)));
    internals.setUnpack(() => {
      if (this.saved === null) throw releasedError();
      return this.saved.map((s) => (s === null ? null : s.unpack(this)));
    });
  }

  override name(): string {
    return `${this.title}Backward`;
  }

  override apply(grads: Gradients): Gradients {
    if (this.saved === null) throw releasedError();
    const { materialize } = FunctionContext.internals(this.context);
    const given = grads.map(
      (g, i) => g ?? (materialize ? this.outputs[i].like.new_zeros(this.outputs[i].sizes) : null),
    );
    const returned = this.backward(this.context, given);
    const list: unknown[] = Array.isArray(returned) ? [...returned] : [returned];
    while (list.length > this.argumentCount && (list[list.length - 1] === null || list[list.length - 1] === undefined))
      list.pop();
    if (list.length !== this.argumentCount) {
      throw new RuntimeError(
        `function ${this.name()} returned an incorrect number of gradients (expected ${this.argumentCount}, got ${list.length})`,
      );
    }
    return this.positions.map((position, i) => {
      const g = list[position];
      if (g === null || g === undefined) return null;
      if (!is_tensor(g)) {
        throw new TypeError(
          `expected Variable or None (got ${describe(g)}) from ${this.name()} for argument ${position}`,
        );
      }
      const input = this.inputs[i];
      let grad = g;
      if (!sameShape(grad.sizes, input.sizes)) {
        try {
          grad = grad.sum_to_size([...input.sizes]);
        } catch {
          throw new RuntimeError(
            `Function ${this.name()} returned an invalid gradient at index ${position} - got ${shapeText(g.sizes)} but expected shape compatible with ${shapeText(input.sizes)}`,
          );
        }
      }
      return grad.dtype === input.dtype ? grad : grad.to(input.dtype);
    });
  }

  override release(): void {
    this.saved = null;
  }
}

type Argument = unknown;

interface FunctionStatics {
  readonly name: string;
  forward(...args: never[]): unknown;
  backward(context: FunctionContext, ...grads: never[]): unknown;
  setup_context?(context: FunctionContext, inputs: never, output: never): void;
}

/** What `apply` takes: the parameters of `forward`, without the context unless there is a `setup_context`. */
type ApplyArguments<F> = F extends { setup_context: (...args: never[]) => void; forward: (...args: infer A) => unknown }
  ? A
  : F extends { forward: (context: FunctionContext, ...args: infer A) => unknown }
    ? A
    : never;
type ApplyResult<F> = F extends { forward: (...args: never[]) => infer R } ? R : never;

/**
 * Extend this with static `forward(ctx, …args)` and `backward(ctx, …grads)`, and call `MyFunction.apply(…args)`.
 * With a static `setup_context(ctx, inputs, output)`, `forward` takes no context. Backward returns one gradient for each
 * argument, null for those without.
 */
class CustomFunction {
  /** Runs `forward` and records the call. */
  static apply<F extends FunctionStatics>(this: F, ...args: ApplyArguments<F>): ApplyResult<F> {
    return applyFunction(this, args as readonly Argument[]) as ApplyResult<F>;
  }
}

function applyFunction(statics: FunctionStatics, args: readonly Argument[]): unknown {
  if (typeof statics.forward !== "function") {
    throw new RuntimeError(`${statics.name}: You must implement the forward function for custom autograd.Function.`);
  }
  const context = new FunctionContext();
  const positions: number[] = [];
  const inputs: Tensor[] = [];
  args.forEach((a, i) => {
    if (is_tensor(a)) {
      positions.push(i);
      inputs.push(a);
    }
  });
  const recorded = is_grad_enabled() && anyRequiresGrad(inputs);
  context.needs_input_grad = args.map((a) => is_tensor(a) && a.requires_grad);
  // Taken before forward, which may change inputs in place.
  const edges = inputs.map((t) => edgeOf(t));
  const forward = statics.forward as (...all: unknown[]) => unknown;
  const separate = statics.setup_context as
    | ((context: FunctionContext, inputs: unknown, output: unknown) => void)
    | undefined;
  const output = withGradMode(false, () => {
    if (separate === undefined) return forward.call(statics, context, ...args);
    const result = forward.call(statics, ...args);
    separate.call(statics, context, args, result);
    return result;
  });
  const several = Array.isArray(output);
  const outputs = (several ? (output as unknown[]) : [output]).map((t) => adopt(t, inputs, context));
  const tensors = outputs.filter(is_tensor);
  if (recorded) record(statics, context, args.length, positions, inputs, edges, tensors);
  return several ? outputs : outputs[0];
}

function edgeOf(tensor: Tensor): { node: Node; output: number } | null {
  const node = tensor.grad_fn;
  if (node !== null) return { node, output: tensor.output_nr };
  return tensor.requires_grad ? { node: gradientAccumulator(tensor), output: 0 } : null;
}

/** An input that is returned unchanged becomes a new tensor, so that it can have another history. */
function adopt(output: unknown, inputs: readonly Tensor[], context: FunctionContext): unknown {
  if (!is_tensor(output)) return output;
  const { dirty } = FunctionContext.internals(context);
  return inputs.includes(output) && !dirty.includes(output) ? output.detach() : output;
}

function record(
  statics: FunctionStatics,
  context: FunctionContext,
  argumentCount: number,
  positions: readonly number[],
  inputs: readonly Tensor[],
  edges: readonly ({ node: Node; output: number } | null)[],
  outputs: readonly Tensor[],
): void {
  const { dirty, nonDifferentiable } = FunctionContext.internals(context);
  const node = new CustomNode({
    title: statics.name,
    context,
    backward: (ctx, grads) => {
      if (typeof statics.backward !== "function") {
        throw new RuntimeError(
          `Implementing either the 'backward' or 'vjp' method for ${statics.name} is required to use it with backward mode AD.`,
        );
      }
      return (statics.backward as (...all: unknown[]) => unknown).call(statics, ctx, ...grads);
    },
    argumentCount,
    positions,
    inputs,
    edges,
    outputs,
  });
  outputs.forEach((output, i) => {
    if (nonDifferentiable.includes(output) || !output.dtype.is_floating_point) return;
    if (dirty.includes(output)) {
      checkInplace(output, true);
      rebaseHistory(output, node);
    } else setHistory(output, node, i);
  });
  for (const t of dirty) {
    if (!outputs.includes(t)) {
      throw new RuntimeError(
        "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified inplace must all be outputs of the Function.",
      );
    }
  }
}

/** Wraps a backward that is not itself differentiable: differentiating it again is an error. */
export function once_differentiable<A extends unknown[], R>(backward: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    const twice = is_grad_enabled() && args.some((a) => is_tensor(a) && a.requires_grad);
    const results = withGradMode(false, () => backward(...args));
    if (twice) {
      for (const r of Array.isArray(results) ? results : [results]) {
        if (is_tensor(r)) setHistory(r, new NotDifferentiable(), 0);
      }
    }
    return results;
  };
}

class NotDifferentiable extends Node {
  readonly outputCount = 1;
  constructor() {
    super([], []);
  }
  override name(): string {
    return "ErrorBackward";
  }
  override apply(): Gradients {
    throw new RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable");
  }
}

export { CustomFunction as Function };
