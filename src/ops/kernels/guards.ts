/** Checks of operands that several ops share, in PyTorch's words. */

import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import type { Tensor } from "../../tensor.ts";
import type { PointwiseAttrs } from "../define/pointwise.ts";
import type { Scalar } from "../define/promote.ts";
import { reduce } from "../define/reduction.ts";

/** Refuses integer division by zero, which has no result. */
export function refuseZeroDivisor(inputs: readonly Tensor[], attrs: PointwiseAttrs, common: DType): void {
  if (common.is_floating_point) return;
  const number = attrs.numbers[1];
  const zero = number !== null ? Number(number) === 0 : hasZero(inputs[inputs.length - 1]);
  if (zero) throw new RuntimeError("ZeroDivisionError");
}

function hasZero(x: Tensor): boolean {
  if (x.count === 0) return false;
  const found = reduce(x, {
    name: "has_zero",
    dims: x.sizes.map((_, i) => i),
    keepdim: false,
    compute: x.dtype,
    result: dt.bool,
    build: (v, row) => row.reduce("max", v.eq(0)),
  });
  return found.item() === true;
}

type Check = (common: DType) => void;

function refuse(kernel: string, dtype: DType): never {
  dt.notImplementedFor(kernel, dtype);
}

/** For kernels that PyTorch has for numbers only. */
export function notBool(kernel: string): Check {
  return (common) => {
    if (common === dt.bool) refuse(kernel, common);
  };
}

/** For kernels that PyTorch has for floats only. */
export function onlyFloat(kernel: string): Check {
  return (common) => {
    if (!common.is_floating_point) refuse(kernel, common);
  };
}

/** For kernels that PyTorch has for integers and bool only. */
export function notFloat(kernel: string): Check {
  return (common) => {
    if (common.is_floating_point) refuse(kernel, common);
  };
}

/** For kernels that PyTorch has for integers only. */
export function onlyIntegers(kernel: string): Check {
  return (common) => {
    if (common.category !== dt.INTEGRAL) refuse(kernel, common);
  };
}

/** Names in C++, for messages about conversions. */
const nativeNames: Record<string, string> = {
  bool: "bool",
  uint8: "uint8_t",
  int8: "int8_t",
  int16: "int16_t",
  int32: "int",
  int64: "int64_t",
  float16: "at::Half",
  bfloat16: "at::BFloat16",
  float32: "float",
  float64: "double",
};

const largest: Record<string, number> = {
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
  float32: 3.4028234663852886e38,
};

/** Refuses a number that `dtype` cannot hold. */
export function requireFits(value: Scalar, dtype: DType): void {
  if (typeof value === "boolean" || dtype === dt.bool) return;
  const n = Number(value);
  let fits: boolean;
  if (dtype.is_floating_point) {
    fits = !Number.isFinite(n) || Math.abs(n) <= (largest[dtype.name] ?? Number.POSITIVE_INFINITY);
  } else {
    const bits = dtype.itemsize * 8 - (dtype.is_signed ? 1 : 0);
    // PyTorch lets negative numbers into unsigned types as long as their magnitude fits.
    fits = Math.trunc(n) < 2 ** bits && Math.trunc(n) >= (dtype.is_signed ? -(2 ** bits) : 1 - 2 ** bits);
  }
  if (!fits) throw new RuntimeError(`value cannot be converted to type ${nativeNames[dtype.name]} without overflow`);
}

const WHOLE_NUMBERS =
  ". Tensors made of whole numbers are int64: make them with { dtype: torch.float32 } or convert them with .float()";

/** Why a dtype is unexpectedly int64: whole numbers are Python's ints here. Empty for other dtypes. */
export function int64Hint(dtype: DType): string {
  return dtype === dt.int64 ? WHOLE_NUMBERS : "";
}

/** The same where int64 meets floats. Empty where that is not what happened. */
export function wholeNumbersHint(...tensors: readonly Tensor[]): string {
  const long = tensors.some((t) => t.dtype === dt.int64);
  return long && tensors.some((t) => t.dtype.is_floating_point) ? WHOLE_NUMBERS : "";
}
