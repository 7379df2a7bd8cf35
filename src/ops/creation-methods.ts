/** New tensors with the dtype of another: `x.new_zeros(2, 3)`. */
import type { Tensor } from "../tensor.ts";
import { ones, type SizesAndOptions, zeros } from "./creation.ts";
import { isOptions } from "./define/schema.ts";

function withDType(self: Tensor, args: SizesAndOptions): SizesAndOptions {
  const last = args[args.length - 1];
  if (isOptions(last)) return [...args.slice(0, -1), { dtype: self.dtype, ...last }];
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
