/** The tangents that forward-mode differentiation keeps with tensors. */
import { RuntimeError } from "../errors.ts";
import { shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { aliasOf } from "../wrapping.ts";
import { gradientAccumulator } from "./accumulate.ts";
import { type DualLevel, tangentsMayExist } from "./dual-level.ts";
import { denseOrder, sameLayout } from "./layout.ts";

/** The derivative of a tensor along the direction that its level follows. */
export interface Tangent {
  readonly value: Tensor;
  readonly level: DualLevel;
}

/** The tangent of a tensor; null if it has none. A view of a tensor that got its tangent later has a view of that. */
export function tangentOf(tensor: Tensor): Tensor | null {
  if (!tangentsMayExist()) return null;
  const own = tensor.tangent;
  if (own !== null) return own.level.open ? own.value : null;
  const base = tensor.viewInfo?.base.tangent;
  if (!base?.level.open || tensor.viewInfo === null) return null;
  const value = viewAs(tensor, tensor.viewInfo.base, base.value);
  if (value !== null) tensor.tangent = { value, level: base.level };
  return value;
}

/** The level of the first tangent among `tensors`; null where none has one. */
export function levelOf(tensors: readonly Tensor[]): DualLevel | null {
  for (let i = 0; i < tensors.length; i++) {
    const own = tensors[i].tangent ?? tensors[i].viewInfo?.base.tangent;
    if (own?.level.open) return own.level;
  }
  return null;
}

/** The part of `baseTangent` that lies as `view` lies in `base`; null where the two are laid out differently. */
function viewAs(view: Tensor, base: Tensor, baseTangent: Tensor): Tensor | null {
  if (!sameLayout(base, baseTangent)) return null;
  const offset = baseTangent.offset + view.offset - base.offset;
  return baseTangent.as_strided(view.sizes, view.strides, offset);
}

/** Gives `tensor` a tangent, laid out in memory as the tensor is, so that views of both correspond. */
export function setTangent(tensor: Tensor, tangent: Tensor, level: DualLevel): void {
  if (tangentOf(tangent) !== null) {
    throw new RuntimeError(
      "Setting a forward grad that itself has a forward gradient at the same level0 is not supported.",
    );
  }
  const { sizes } = tensor;
  if (sizes.length !== tangent.sizes.length || sizes.some((size, d) => size !== tangent.sizes[d])) {
    throw new RuntimeError(
      `Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is of size ${shapeText(sizes)} while the given forward gradient is of size ${shapeText(tangent.sizes)}.`,
    );
  }
  tensor.tangent = { value: sameLayout(tensor, tangent) ? tangent : laidOutAs(tensor, tangent), level };
}

function laidOutAs(tensor: Tensor, tangent: Tensor): Tensor {
  const { sizes, strides } = tensor;
  const order = denseOrder(tensor);
  if (order === null) {
    // Where elements of the tensor share memory, those of its tangent need not.
    if (strides.some((stride, d) => stride === 0 && sizes[d] > 1)) return tangent;
    const span = tensor.count === 0 ? 0 : sizes.reduce((last, size, d) => last + (size - 1) * strides[d], 1);
    return tangent.new_zeros([span]).as_strided(sizes, strides, 0).copy_(tangent);
  }
  const back = order.map((_, d) => order.indexOf(d));
  return tangent.permute(order).clone({ memory_format: "contiguous_format" }).permute(back);
}

/** After an in-place change of `tensor`: its tangent is overwritten too, so that tensors that share its memory see it. */
export function overwriteTangent(tensor: Tensor, tangent: Tensor | null, level: DualLevel): void {
  let before = tangentOf(tensor);
  const base = tensor.viewInfo?.base;
  if (before === null && tangent !== null && base !== undefined) {
    // What the rest of the base has is zero.
    setTangent(base, base.detach().clone().zero_(), level);
    before = tangentOf(tensor);
  }
  if (before === null) {
    if (tangent !== null) setTangent(tensor, tangent, level);
  } else if (tangent === null) before.zero_();
  else if (before !== tangent) before.copy_(tangent);
}

/** The tensor without its tangent: the same memory and the same history. */
export function primalOf(tensor: Tensor): Tensor {
  if (tangentOf(tensor) === null) return tensor;
  const primal = aliasOf(tensor);
  const node = tensor.historyNode;
  if (node !== null) {
    primal.gradFn = node;
    primal.outputNumber = tensor.outputNumber;
  } else if (tensor.requires_grad) {
    primal.leafRequiresGrad = true;
    primal.accumulator = gradientAccumulator(tensor);
  }
  return primal;
}
