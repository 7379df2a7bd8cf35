/** New tensors with the dtype of another: `x.new_zeros(2, 3)`. */
import type { Tensor } from "../tensor.ts";
import { freshLike } from "../wrapping.ts";
import { empty, full, ones, type SizesAndOptions, type TensorOptions, zeros } from "./creation.ts";
import type { Scalar } from "./define/promote.ts";
import { bind, isOptions } from "./define/schema.ts";
import { type TensorData, tensor } from "./from-values.ts";

/** What `make` makes of sizes and options; inside transformations a tensor that can be overwritten wherever `self` can. */
function made(self: Tensor, args: SizesAndOptions, make: (...args: SizesAndOptions) => Tensor): Tensor {
  if (self.wrapping === null) return make(...withDType(self, args));
  const last = args[args.length - 1];
  const options = isOptions(last) ? (last as TensorOptions) : undefined;
  const sizes = (isOptions(last) ? args.slice(0, -1) : args).flat() as number[];
  return freshLike(self, sizes, (whole) => make(whole, { ...options, dtype: options?.dtype ?? self.dtype }));
}

function withDType(self: Tensor, args: SizesAndOptions): SizesAndOptions {
  const last = args[args.length - 1];
  if (isOptions(last)) return [...args.slice(0, -1), { ...last, dtype: last.dtype ?? self.dtype } as TensorOptions];
  return [...args, { dtype: self.dtype }];
}

/** Zeros with this tensor's dtype. */
export function new_zeros(self: Tensor, ...size: SizesAndOptions): Tensor {
  return made(self, size, zeros);
}

/** Ones with this tensor's dtype. */
export function new_ones(self: Tensor, ...size: SizesAndOptions): Tensor {
  return made(self, size, ones);
}

/** A tensor with this tensor's dtype whose elements are whatever was in memory. */
export function new_empty(self: Tensor, ...size: SizesAndOptions): Tensor {
  return made(self, size, empty);
}

/** A tensor of `fill_value` with this tensor's dtype. */
export function new_full(
  self: Tensor,
  size: number | readonly number[],
  fill_value: Scalar,
  options?: TensorOptions,
): Tensor {
  return freshLike(self, typeof size === "number" ? [size] : size, (sizes) =>
    full(sizes, fill_value, { ...options, dtype: options?.dtype ?? self.dtype }),
  );
}

/** A tensor of `data`, a copy, with this tensor's dtype. */
export function new_tensor(self: Tensor, data: TensorData, options?: TensorOptions): Tensor {
  bind("new_tensor(any data, *, dtype? dtype=None, any? device=None, bool requires_grad=False)", [data, options]);
  return tensor(data, { ...options, dtype: options?.dtype ?? self.dtype });
}
