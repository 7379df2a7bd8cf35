/** Operations with a backward of the user's own: https://pytorch.org/docs/stable/autograd.html#function */

import { isRecording } from "../context/grad-mode.ts";
import type { DType } from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { describe, type Shape, sameShape, shapeText } from "../shape.ts";
import { Storage } from "../storage/storage.ts";
import { is_tensor, Tensor } from "../tensor.ts";
import { withGradMode } from "./mode.ts";
import { type Gradients, Node, releasedError } from "./node.ts";
import {
  anyRequiresGrad,
  checkInplace,
  type Edge,
  gradientEdge,
  linkView,
  rebaseHistory,
  setHistory,
} from "./record.ts";
import { SavedTensor } from "./saved-tensor.ts";

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
    tensors.forEach((t, i) => {
      if (t !== null && !is_tensor(t)) {
        throw new TypeError(
          `save_for_backward can only save variables, but argument ${i} is of type ${describe(t)}: keep other values as fields of ctx`,
        );
      }
    });
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

/** What zeros in place of a tensor must look like. */
interface Kind {
  readonly sizes: Shape;
  readonly dtype: DType;
}

function kindOf({ sizes, dtype }: Tensor): Kind {
  return { sizes, dtype };
}

function zeros({ sizes, dtype }: Kind): Tensor {
  return new Tensor(new Storage(0), dtype, [0], [1], 0, true).new_zeros(sizes);
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
  private readonly inputs: readonly Kind[];
  /** Null for outputs that are not tensors. */
  private readonly outputs: readonly (Kind | null)[];
  private saved: (SavedTensor | null)[] | null;

  constructor(spec: {
    title: string;
    context: FunctionContext;
    backward: (context: FunctionContext, grads: (Tensor | null)[]) => unknown;
    argumentCount: number;
    positions: readonly number[];
    inputs: readonly Tensor[];
    edges: readonly (Edge | null)[];
    outputs: readonly unknown[];
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
    this.inputs = spec.inputs.map(kindOf);
    this.outputs = spec.outputs.map((t) => (is_tensor(t) ? kindOf(t) : null));
    this.outputCount = spec.outputs.length;
    const internals = FunctionContext.internals(spec.context);
    this.saved = internals.saved.map((t) =>
      t === null
        ? null
        : new SavedTensor(t, internals.nonDifferentiable.includes(t) ? -1 : spec.outputs.indexOf(t), this),
    );
    internals.setUnpack(() => {
      if (this.saved === null) throw releasedError();
      return this.saved.map((s) => (s === null ? null : s.unpack(this)));
    });
  }

  override name(): string {
    return `${this.title}Backward`;
  }

  override apply(grads: Gradients): Gradients {
    const { materialize } = FunctionContext.internals(this.context);
    const given = grads.map((g, i) => {
      const kind = this.outputs[i];
      return g ?? (materialize && kind !== null ? zeros(kind) : null);
    });
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
        throw new RuntimeError(
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
    if (this.saved !== null) for (const saved of this.saved) saved?.release();
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
    throw new NotImplementedError(
      `${statics.name}: You must implement the forward function for custom autograd.Function.`,
    );
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
  const recorded = isRecording() && anyRequiresGrad(inputs);
  context.needs_input_grad = args.map((a) => is_tensor(a) && a.requires_grad);
  // Taken before forward, which may change inputs in place.
  const edges = inputs.map(gradientEdge);
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
  const raw = several ? (output as unknown[]) : [output];
  const { dirty } = FunctionContext.internals(context);
  checkDirty(dirty, raw, inputs, edges, recorded);
  const outputs = raw.map((t) => (is_tensor(t) ? adopt(t, inputs, dirty, several) : t));
  if (recorded) record(statics, context, args.length, positions, inputs, edges, outputs);
  return several ? outputs : outputs[0];
}

function checkDirty(
  dirty: readonly Tensor[],
  outputs: readonly unknown[],
  inputs: readonly Tensor[],
  edges: readonly (Edge | null)[],
  recorded: boolean,
): void {
  for (const t of dirty) {
    if (!outputs.includes(t)) {
      throw new RuntimeError(
        "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified inplace must all be outputs of the Function.",
      );
    }
    const i = inputs.indexOf(t);
    // A change that no op has counted, such as one through `.data`, counts too.
    t.version.value++;
    if (!recorded) continue;
    if (t.viewInfo === null && i >= 0 && edges[i] !== null && t.is_leaf) {
      throw new RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.");
    }
    checkInplace(t, true);
    if (t.viewInfo !== null && outputs.length > 1) {
      throw new RuntimeError(
        "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more than one Tensor. This is not supported by the current autograd engine. You should either make sure the input is not a view (using .clone() for example) or make your Function only return one Tensor (potentially splitting it into two Functions: one doing the inplace that returns a single Tensor and a second one that does the other operations).",
      );
    }
  }
}

/** An input that is returned unchanged becomes a view of itself, so that it can have another history. */
function adopt(output: Tensor, inputs: readonly Tensor[], dirty: readonly Tensor[], several: boolean): Tensor {
  if (dirty.includes(output)) return output;
  let result = output;
  if (inputs.includes(output)) {
    result = output.detach();
    linkView(result, output, "custom_function");
  }
  const view = result.viewInfo;
  if (view !== null) result.viewInfo = { base: view.base, creation: several ? "multi_output" : "custom_function" };
  return result;
}

function record(
  statics: FunctionStatics,
  context: FunctionContext,
  argumentCount: number,
  positions: readonly number[],
  inputs: readonly Tensor[],
  edges: readonly (Edge | null)[],
  outputs: readonly unknown[],
): void {
  const { dirty, nonDifferentiable } = FunctionContext.internals(context);
  const node = new CustomNode({
    title: statics.name,
    context,
    backward: (ctx, grads) => {
      if (typeof statics.backward !== "function") {
        throw new NotImplementedError(
          `${statics.name}: You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD.`,
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
    if (!is_tensor(output) || nonDifferentiable.includes(output) || !output.dtype.is_floating_point) return;
    if (dirty.includes(output)) rebaseHistory(output, node, i, Math.max(0, inputs.indexOf(output)));
    else setHistory(output, node, i);
  });
}

/** Wraps a backward that is not itself differentiable: differentiating it again is an error. */
export function once_differentiable<A extends unknown[], R>(backward: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    const twice = isRecording() && args.some((a) => is_tensor(a) && a.requires_grad);
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
