/** Ops with code of their own: views, reductions, contractions, routines. */

import type { ForwardRule } from "../../autograd/jvp.ts";
import { type BatchRule, dispatch, dispatchMany, type GradientContext, type Primitive } from "../../dispatch.ts";
import type { Tensor } from "../../tensor.ts";
import { nodeNameOf } from "./pointwise.ts";

/** In `saves`: the (first) output, or output `j` as `RESULT + j`. */
export const RESULT = 1000;

export interface PrimitiveSpec<A> {
  readonly name: string;
  /** Computes the result from inputs that need no recording. Views return a tensor that shares inputs[0]'s storage. */
  readonly compute: (inputs: readonly Tensor[], attrs: A, out?: Tensor | null) => Tensor | Tensor[];
  /** Gradients of the inputs. `g` is the gradient of the (first) output; `grads` has those of all, null where none came. */
  readonly gradient?: (
    g: Tensor,
    context: GradientContext<A>,
    grads: readonly (Tensor | null)[],
  ) => readonly (Tensor | null)[];
  /** For the gradient of each input (the last entry for all further ones): the inputs it uses, and `RESULT`. */
  readonly saves?: readonly (readonly number[])[];
  readonly view?: "view" | "multi_view" | "alias";
  readonly differentiableOutputs?: readonly boolean[];
  readonly nodeName?: string;
  /** PyTorch's names of the inputs, for `grad_fn._saved_…`. Default: `self`, or `self` and `other`. */
  readonly inputNames?: readonly string[];
  /** What else PyTorch shows of a call there. Default: its attributes. */
  readonly savedAttributes?: (attrs: A) => Readonly<Record<string, unknown>>;
  readonly random?: boolean;
  /** What the op does under torch.vmap: see `BatchRule`. define/batch.ts has the usual rules. */
  readonly batch?: BatchRule<A>;
  /** How the op acts on tangents, where its kind does not say it. */
  readonly forward?: ForwardRule<A>;
}

/** A declared op with one output: called with its tensors and its attributes. */
export type PrimitiveCall<A> = (inputs: readonly Tensor[], attrs: A) => Tensor;

/** A declaration as dispatch takes it: for ops that are called in other ways than the two below. */
export function toPrimitive<A>(spec: PrimitiveSpec<A>): Primitive<A> {
  const { gradient } = spec;
  return {
    name: spec.name,
    nodeName: spec.nodeName ?? nodeNameOf(spec.name),
    compute: spec.compute,
    differentiable: gradient !== undefined,
    gradient: (grads, context) => gradient?.(grads[0] as Tensor, context, grads) ?? [],
    masks: (spec.saves ?? [[]]).map((list) =>
      list.reduce((mask, i) => mask | (1 << (i >= RESULT ? 20 + i - RESULT : i)), 0),
    ),
    view: spec.view ?? "none",
    differentiableOutputs: spec.differentiableOutputs,
    batch: spec.batch,
    random: spec.random,
    forward: spec.forward,
    inputNames: spec.inputNames,
    savedAttributes: spec.savedAttributes,
  };
}

/** Declares an op with one output. */
export function primitive<A>(spec: PrimitiveSpec<A>): PrimitiveCall<A> {
  const op = toPrimitive(spec);
  return (inputs, attrs) => dispatch(op, inputs, attrs);
}

/** Declares an op with several outputs. */
export function primitiveMany<A>(spec: PrimitiveSpec<A>): (inputs: readonly Tensor[], attrs: A) => Tensor[] {
  const op = toPrimitive(spec);
  return (inputs, attrs) => dispatchMany(op, inputs, attrs);
}
