/** Batching rules that many ops share: what they do under torch.vmap, with all samples along a first dimension. */
import { type BatchedCall, type BatchRule, dispatch, dispatchInplace, dispatchMany } from "../../dispatch.ts";
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

/** The rule of ops of one tensor whose attributes `names` are dimensions, counted from the front: they move by one. */
export function alongDims<A>(...names: (keyof A)[]): BatchRule<A> {
  return (call) => again(call, movedDims(call.attrs, names), allBatched(call));
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
