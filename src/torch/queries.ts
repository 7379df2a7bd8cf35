/** Questions about tensors that PyTorch also answers as functions. */
import { is_tensor, type Tensor } from "../tensor.ts";

function requireTensor(name: string, x: unknown): Tensor {
  if (!is_tensor(x)) throw new TypeError(`${name}(): argument 'input' (position 1) must be Tensor`);
  return x;
}

/** The number of elements. */
export function numel(input: Tensor): number {
  return requireTensor("numel", input).numel();
}

/** Whether the dtype is a floating-point type. */
export function is_floating_point(input: Tensor): boolean {
  return requireTensor("is_floating_point", input).is_floating_point();
}

/** Whether the tensor was made in `torch.inference_mode`. */
export function is_inference(input: Tensor): boolean {
  return requireTensor("is_inference", input).is_inference();
}

/** Whether the dtype is complex: never, since complex dtypes are not implemented. */
export function is_complex(input: Tensor): boolean {
  return requireTensor("is_complex", input).is_complex();
}
