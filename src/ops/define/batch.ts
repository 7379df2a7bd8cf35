/** Batching rules that many ops share: what they do under torch.vmap, with all samples along a first dimension. */

import { type BatchedCall, type BatchRule, dispatch, dispatchInplace, dispatchMany } from "../../dispatch.ts";
import { RuntimeError } from "../../errors.ts";
import type { Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

/** Calls the op in the same way on tensors of the level below. */
export function again<A>(
  call: BatchedCall<A>,
  attrs: A = call.attrs,
  inputs: readonly Tensor[] = call.values,
): Tensor | Tensor[] {
  const { op, form } = call;
  if (form === "one") return dispatch(op, inputs, attrs);
  return form === "many" ? dispatchMany(op, inputs, attrs) : dispatchInplace(op, inputs, attrs);
}

/** The rule of ops that do not mind one more dimension in front. All inputs must be batched or have no dimensions. */
export const sameForAll = <A>(call: BatchedCall<A>): Tensor | Tensor[] => again(call, call.attrs, allBatched(call));

/**
 * The rule of ops whose attributes `names` are dimensions, counted from the front: they move by one. Inputs that are the
 * same for all samples are expanded.
 */
export function alongDims<A>(...names: (keyof A)[]): BatchRule<A> {
  return (call) => {
    const attrs = movedDims(call.attrs, names);
    if (call.inputs[0].sizes.length > 0) return again(call, attrs, allBatched(call));
    // A sample without dimensions is taken as a single element along dimension 0.
    const rows = allBatched(call).map((t) => (t.sizes.length === 1 ? t.unsqueeze(1) : t));
    return eachResult(again(call, attrs, rows), (t) => t.reshape([call.size]));
  };
}

/** The same for attributes that also have the sizes of a result: the samples come in front of them. */
export function alongDimsWithSizes<A extends { readonly sizes: Shape }>(...names: (keyof A)[]): BatchRule<A> {
  return (call) =>
    again(call, { ...movedDims(call.attrs, names), sizes: [call.size, ...call.attrs.sizes] }, allBatched(call));
}

/** A result, or each of several, changed by `f`. */
export function eachResult(results: Tensor | Tensor[], f: (t: Tensor) => Tensor): Tensor | Tensor[] {
  return Array.isArray(results) ? results.map(f) : f(results);
}

/** Dimensions 0 and 1 as one: all rows of all samples. */
export function fold(x: Tensor): Tensor {
  return x.reshape([x.sizes[0] * x.sizes[1], ...x.sizes.slice(2)]);
}

/** The inverse of `fold`. */
export function unfold(x: Tensor, size: number): Tensor {
  return x.reshape([size, size === 0 ? 0 : x.sizes[0] / size, ...x.sizes.slice(1)]);
}

/**
 * The rule of ops that treat the parts along dimension 0 of their inputs (all, or those that `folded` lists) independently:
 * all parts of all samples together. Where another input is batched, `other` answers, or the op
 * runs once for each sample.
 */
export function intoFirstDim<A>(folded?: readonly number[], other?: BatchRule<A>): BatchRule<A> {
  return (call) => {
    if (folded !== undefined && call.batched.some((b, i) => b && !folded.includes(i))) {
      return other?.(call) ?? null;
    }
    const together = allBatched(call).map((t, i) =>
      folded === undefined || folded.includes(i) ? fold(t) : call.values[i],
    );
    return eachResult(again(call, call.attrs, together), (t) => unfold(t, call.size));
  };
}

/** Attributes whose dimensions `names` are counted with one more dimension in front. */
export function movedDims<A>(attrs: A, names: readonly (keyof A)[]): A {
  const moved = { ...attrs };
  for (const name of names) {
    const value = attrs[name] as unknown;
    if (typeof value === "number") moved[name] = (value + 1) as A[keyof A];
    else if (Array.isArray(value)) moved[name] = value.map((d: number) => d + 1) as A[keyof A];
  }
  return moved;
}

/** The rule of ops that treat all dimensions in front alike; the attribute `shape` is the shape of a tensor. */
export function inFront<A>(shape: keyof A): BatchRule<A> {
  return (call) =>
    again(call, { ...call.attrs, [shape]: [call.size, ...(call.attrs[shape] as Shape)] }, allBatched(call));
}

/** The inputs, all with samples along the first dimension: those that are the same for all samples are expanded. */
export function allBatched<A>({ values, batched, size }: BatchedCall<A>): Tensor[] {
  return values.map((t, i) => (batched[i] ? t : t.unsqueeze(0).expand(size, ...t.sizes)));
}

/** A batched tensor with dimensions of size 1 after that of the samples, so that it has `rank` of them. */
export function withRank(value: Tensor, rank: number): Tensor {
  const { sizes } = value;
  if (sizes.length >= rank) return value;
  return value.view([sizes[0], ...new Array<number>(rank - sizes.length).fill(1), ...sizes.slice(1)]);
}

/** The tensor in whose memory the values of all samples of `t` are. For checks of values that hold for all samples. */
export function allValues(t: Tensor): Tensor {
  let whole = t;
  while (whole.wrapping !== null) whole = whole.wrapping.value;
  return whole;
}

/** The rule of ops whose result has a shape that depends on values. */
export function refuseDynamicShape(name: string): never {
  throw new RuntimeError(
    `vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over aten::${name}. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this feature.`,
  );
}

/**
 * The rule of ops along `dim` whose tensors all have the same number of dimensions; one without dimensions counts as a
 * single element. `result` says which input has the shape of the result.
 */
export function sameRanks<A extends { readonly dim: number }>(result = 0): BatchRule<A> {
  return (call) => {
    const { inputs, size } = call;
    const attrs = { ...call.attrs, dim: call.attrs.dim + 1 };
    const scalar = inputs[0].sizes.length === 0;
    const aligned = allBatched(call).map((t) => (t.sizes.length === 1 ? t.unsqueeze(1) : t));
    const results = again(call, attrs, aligned);
    return scalar || inputs[result].sizes.length === 0
      ? eachResult(results, (t) => t.reshape([size, ...inputs[result].sizes]))
      : results;
  };
}
