/** Golden options as plain JavaScript values, for the optimizers and modules. */
import type { Golden, GoldenTensor } from "./golden.ts";
import { isTensor } from "./golden.ts";
import type { Api, TensorLike } from "./target.ts";
import { floatValue, makeTensor } from "./target.ts";

export type Options = Record<string, Golden>;

/** Tensors become Kindling's, floats numbers, dictionaries objects. */
export function decodeValue(api: Api, value: Golden, blob: Uint8Array): unknown {
  if (Array.isArray(value)) return value.map((v) => decodeValue(api, v, blob));
  if (typeof value !== "object" || value === null) return value;
  if (isTensor(value)) return makeTensor(api, value, blob, true);
  if (value.float !== undefined) return floatValue(value.float);
  if (value.dtype !== undefined) return api.torch[value.dtype];
  if (value.int !== undefined) return BigInt(value.int);
  if (value.dict) return decodeOptions(api, value.dict, blob);
  throw new Error(`unknown golden value ${JSON.stringify(value)}`);
}

export function decodeOptions(api: Api, options: Options, blob: Uint8Array): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).map(([k, v]) => [k, decodeValue(api, v, blob)]));
}

/** A fresh tensor for a recorded one, without a gradient. */
export function fresh(api: Api, tensor: GoldenTensor, blob: Uint8Array): TensorLike {
  return makeTensor(api, tensor, blob, false);
}
