/** New tensors with the dtype of another: `x.new_zeros(2, 3)`. */
import type { Tensor } from "../tensor.ts";
import { empty, full, ones, type SizesAndOptions, type TensorOptions, zeros } from "./creation.ts";
import type { Scalar } from "./define/promote.ts";
import { bind, isOptions } from "./define/schema.ts";
import { type TensorData, tensor } from "./from-values.ts";

function withDType(self: Tensor, args: SizesAndOptions): SizesAndOptions {
  const last = args[args.length - 1];
  if (isOptions(last)) return [...args.slice(0, -1), { ...last, dtype: last.dtype ?? self.dtype } as TensorOptions];
  return [...args, { dtype: self.dtype }];
}

/** Zeros with this tensor's dtype. */
export function new_zeros(self: Tensor, ...size: SizesAndOptions): Tensor {
  return zeros(...withDType(self, size));
}

/** Ones with this tensor's dtype. */
export function new_ones(self: Tensor, ...size: SizesAndOptions): Tensor {
  return ones(...withDType(self, size));
}

/** A tensor with this tensor's dtype whose elements are whatever was in memory. */
export function new_empty(self: Tensor, ...size: SizesAndOptions): Tensor {
  return empty(...withDType(self, size));
}

/** A tensor of `fill_value` with this tensor's dtype. */
export function new_full(
  self: Tensor,
  size: number | readonly number[],
  fill_value: Scalar,
  options?: TensorOptions,
): Tensor {
  return full(size, fill_value, { ...options, dtype: options?.dtype ?? self.dtype });
}

/** A tensor of `data`, a copy, with this tensor's dtype. */
export function new_tensor(self: Tensor, data: TensorData, options?: TensorOptions): Tensor {
  bind("new_tensor(any data, *, dtype? dtype=None, any? device=None, bool requires_grad=False)", [data, options]);
  return tensor(data, { ...options, dtype: options?.dtype ?? self.dtype });
}
