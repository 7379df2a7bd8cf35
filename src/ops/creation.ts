/** New tensors. */
import { type Device, requireCpu } from "../device.ts";
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { fillWith } from "./copy.ts";
import { bind } from "./define/schema.ts";
import { allocate } from "./row.ts";

/** Keyword arguments of functions that make tensors. */
export interface TensorOptions {
  /** Default: the default float type, or what the values call for. */
  readonly dtype?: DType | null;
  readonly device?: string | Device | null;
  /** Record operations on the new tensor. */
  readonly requires_grad?: boolean;
}

const OPTIONS = "dtype? dtype=None, any? device=None, bool requires_grad=False";

function checkSizes(sizes: Shape): void {
  for (const s of sizes) {
    if (s < 0) throw new RuntimeError(`Trying to create tensor with negative dimension ${s}: [${sizes.join(", ")}]`);
  }
}

function finish(x: Tensor, requiresGrad: boolean): Tensor {
  return requiresGrad ? x.requires_grad_() : x;
}

/** Sizes, and the options last. */
export type SizesAndOptions<O = TensorOptions> = (number | Shape | O)[];

function filled(name: string, args: SizesAndOptions, value: number | null): Tensor {
  const [sizes, dtype, device, requiresGrad] = bind(`${name}(ints size, *, ${OPTIONS})`, args) as [
    number[],
    DType | null,
    string | null,
    boolean,
  ];
  requireCpu(device);
  checkSizes(sizes);
  const out = allocate(dtype ?? dt.get_default_dtype(), sizes);
  if (value !== null) fillWith(out, value);
  return finish(out, requiresGrad);
}

/** A tensor of zeros: `zeros(2, 3)`, `zeros([2, 3], { dtype })`. */
export function zeros(...size: SizesAndOptions): Tensor {
  return filled("zeros", size, 0);
}

/** A tensor of ones. */
export function ones(...size: SizesAndOptions): Tensor {
  return filled("ones", size, 1);
}

/** A tensor whose elements are whatever was in memory. */
export function empty(...size: SizesAndOptions): Tensor {
  return filled("empty", size, null);
}
