/**
 * Forward mode: the tangents of an op's outputs from those of its inputs. No op declares a formula for this. What kind of
 * op it is says how its one gradient formula, or the op itself, gives the tangents.
 */
import type { DType } from "../dtype.ts";
import type { Shape } from "../shape.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import type { DualLevel } from "./dual-level.ts";
import { runBackward } from "./engine.ts";
import { is_grad_enabled, withGradMode } from "./mode.ts";
import type { DifferentiableOp, GradientContext } from "./op-node.ts";
import { levelOf, overwriteTangent, primalOf, setTangent, tangentOf } from "./tangents.ts";

/**
 * How an op acts on tangents:
 * - "pointwise": each output element depends on one element of each input, so the Jacobian is diagonal and the gradient
 *   formula multiplies with it from either side;
 * - "linear" in all of its inputs together: the op itself, applied to tangents;
 * - "multilinear": linear in each input while the others are fixed: the sum of the op with one input replaced;
 * - a function of its own.
 * Without any of these, views count as linear, and all others are differentiated twice: see `byDoubleBackward`.
 */
export type ForwardRule<A> = "pointwise" | "linear" | "multilinear" | ((call: ForwardCall<A>) => Tensor | null);

/** What a rule sees of a call. */
export interface ForwardCall<A> {
  readonly attrs: A;
  /** The inputs without their tangents. */
  readonly primals: readonly Tensor[];
  /** Null for inputs without one. */
  readonly tangents: readonly (Tensor | null)[];
  readonly outputs: readonly Tensor[];
}

/** The part of an op that forward mode needs. */
export interface ForwardOp<A> extends DifferentiableOp<A> {
  readonly differentiable: boolean;
  readonly masks: readonly number[];
  readonly view: string;
  readonly forward?: ForwardRule<A>;
}

/** Calls the same op with other inputs. */
type Recall = (inputs: readonly Tensor[]) => Tensor | readonly Tensor[];

function isDifferentiable<A>(op: ForwardOp<A>, outputs: readonly Tensor[], j: number): boolean {
  return outputs[j].dtype.is_floating_point && (op.differentiableOutputs?.[j] ?? true);
}

/** After a call: gives its outputs their tangents, if any input has one. */
export function propagateTangents<A>(
  op: ForwardOp<A>,
  inputs: readonly Tensor[],
  attrs: A,
  outputs: readonly Tensor[],
  recall: Recall,
): void {
  if (!op.differentiable) return;
  const level = levelOf(inputs);
  if (level === null) return;
  const call = { attrs, primals: inputs.map(primalOf), tangents: inputs.map(tangentOf), outputs };
  const results = outputTangents(op, call, recall);
  outputs.forEach((output, j) => {
    const tangent = results[j];
    if (isDifferentiable(op, outputs, j) && tangent) setTangent(output, tangent, level);
  });
}

/** What has to be known of a call before its first input is overwritten. */
export interface PendingTangents {
  readonly level: DualLevel;
  readonly primals: readonly Tensor[];
  readonly tangents: readonly (Tensor | null)[];
}

/** Before an in-place call; null if no input has a tangent. */
export function pendingTangents<A>(op: ForwardOp<A>, inputs: readonly Tensor[]): PendingTangents | null {
  const level = levelOf(inputs);
  if (level === null || !inputs[0].dtype.is_floating_point) return null;
  const primals = inputs.map(primalOf);
  // What the formulas need of the old value is copied before it is overwritten.
  if (op.masks.some((mask) => mask & 1)) primals[0] = primals[0].clone();
  return { level, primals, tangents: inputs.map(tangentOf) };
}

/** After it. */
export function overwriteTangents<A>(
  op: ForwardOp<A>,
  pending: PendingTangents,
  attrs: A,
  self: Tensor,
  recall: Recall,
): void {
  const { level, primals, tangents } = pending;
  const outputs = [primalOf(self)];
  const [tangent] = op.differentiable ? outputTangents(op, { attrs, primals, tangents, outputs }, recall) : [null];
  overwriteTangent(self, tangent ?? null, level);
}

function outputTangents<A>(op: ForwardOp<A>, call: ForwardCall<A>, recall: Recall): readonly (Tensor | null)[] {
  const rule = op.forward ?? (op.view === "none" ? undefined : "linear");
  if (typeof rule === "function") return [rule(call)];
  switch (rule) {
    case "linear":
      return listOf(recall(call.primals.map((x, i) => call.tangents[i] ?? zerosLike(x))));
    case "multilinear":
      return [multilinear(call, recall)];
    case "pointwise":
      return pointwise(op, call) ?? byDoubleBackward(op, call);
    default:
      return byDoubleBackward(op, call);
  }
}

function listOf(x: Tensor | readonly Tensor[]): readonly Tensor[] {
  return Array.isArray(x) ? (x as readonly Tensor[]) : [x as Tensor];
}

function zerosLike(x: Tensor): Tensor {
  return x.detach().clone().zero_();
}

function sumOf(a: Tensor | null, b: Tensor): Tensor {
  return a === null ? b : a.add(b);
}

function multilinear<A>({ primals, tangents }: ForwardCall<A>, recall: Recall): Tensor | null {
  let sum: Tensor | null = null;
  tangents.forEach((tangent, i) => {
    if (tangent !== null) sum = sumOf(sum, recall(primals.map((x, k) => (k === i ? tangent : x))) as Tensor);
  });
  return sum;
}

/** The gradient formula of each input, applied to its tangent. Null where a formula does more than multiply. */
function pointwise<A>(op: ForwardOp<A>, call: ForwardCall<A>): readonly Tensor[] | null {
  const output = call.outputs[0];
  let sum: Tensor | null = null;
  for (let i = 0; i < call.tangents.length; i++) {
    const tangent = call.tangents[i];
    if (tangent === null) continue;
    const g = tangent.to(output.dtype).expand(output.sizes);
    const part = op.gradient([g], new CallContext(call, (k) => k === i))[i] ?? null;
    if (part === null) continue;
    if (!sameShape(part.sizes, output.sizes)) return null;
    sum = sumOf(sum, part.to(output.dtype));
  }
  return [sum ?? zerosLike(output)];
}

/**
 * The gradient formula is linear in the gradients v that it is given: it multiplies them with the transposed Jacobian. So
 * differentiating it with respect to v, weighted by the tangents, multiplies those with the Jacobian itself. The values
 * of v do not matter (J. Townsend, A new trick for calculating Jacobian vector products, 2017).
 */
function byDoubleBackward<A>(op: ForwardOp<A>, call: ForwardCall<A>): readonly (Tensor | null)[] {
  const { primals, tangents, outputs } = call;
  const seeds = outputs.map((output, j) => {
    if (!isDifferentiable(op, outputs, j)) return null;
    // Formulas that are linear in exact arithmetic may take logarithms of v.
    const seed = output.detach().clone().fill_(1);
    seed.leafRequiresGrad = true;
    return seed;
  });
  const roots: Tensor[] = [];
  const weights: Tensor[] = [];
  withGradMode(true, () => {
    const gradients = op.gradient(seeds, new CallContext(call, (i) => tangents[i] !== null));
    tangents.forEach((tangent, i) => {
      let g = gradients[i];
      if (tangent === null || !g?.requires_grad) return;
      if (!sameShape(g.sizes, primals[i].sizes)) g = g.sum_to_size(primals[i].sizes);
      roots.push(g.to(tangent.dtype));
      weights.push(tangent);
    });
  });
  const wanted = seeds.filter((seed) => seed !== null);
  const found =
    roots.length === 0
      ? []
      : runBackward(roots, weights, {
          createGraph: is_grad_enabled(),
          retainGraph: is_grad_enabled(),
          inputs: wanted,
          accumulate: false,
        });
  let next = 0;
  return seeds.map((seed, j) => (seed === null ? null : (found[next++] ?? zerosLike(outputs[j]))));
}

/** The context of a gradient formula that runs beside the call itself. */
class CallContext<A> implements GradientContext<A> {
  readonly attrs: A;
  private readonly call: ForwardCall<A>;
  private readonly wanted: (i: number) => boolean;

  constructor(call: ForwardCall<A>, wanted: (i: number) => boolean) {
    this.attrs = call.attrs;
    this.call = call;
    this.wanted = wanted;
  }
  get inputCount(): number {
    return this.call.primals.length;
  }
  input(i: number): Tensor {
    return this.call.primals[i];
  }
  output(j = 0): Tensor {
    return this.call.outputs[j];
  }
  needs(i: number): boolean {
    return this.wanted(i);
  }
  shape(i: number): Shape {
    return this.call.primals[i].sizes;
  }
  dtype(i: number): DType {
    return this.call.primals[i].dtype;
  }
  outputShape(j = 0): Shape {
    return this.call.outputs[j].sizes;
  }
  outputDType(j = 0): DType {
    return this.call.outputs[j].dtype;
  }
}
