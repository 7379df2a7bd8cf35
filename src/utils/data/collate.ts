/** From samples to batches: https://pytorch.org/docs/stable/data.html#torch.utils.data.default_collate */
import { bool, float64, int64 } from "../../dtype.ts";
import { IndexError, KeyError, RuntimeError } from "../../errors.ts";
import { isOptions } from "../../ops/define/schema.ts";
import { as_tensor, tensor } from "../../ops/from-values.ts";
import { stack } from "../../ops/joining.ts";
import { describe } from "../../shape.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";

type NumberLike = number | bigint | boolean;

/** The type that `default_collate` gives to a batch of samples of type T. */
export type Collated<T> = T extends Tensor | NumberLike | ArrayBufferView
  ? Tensor
  : T extends string
    ? string[]
    : T extends readonly unknown[]
      ? { -readonly [K in keyof T]: Collated<T[K]> }
      : T extends object
        ? { [K in keyof T]: Collated<T[K]> }
        : unknown;

/**
 * One batch from samples of the same form. Tensors and typed arrays are stacked; numbers become a tensor: int64 if all
 * are whole, else float64 (as Python's floats in PyTorch); booleans a bool tensor; strings stay a list; arrays and
 * plain objects are gone into, so samples `[image, label]` give `[images, labels]`.
 */
export function default_collate<T>(batch: readonly T[]): Collated<T> {
  return collate(batch) as Collated<T>;
}

function collate(batch: readonly unknown[]): unknown {
  if (batch.length === 0) throw new IndexError("list index out of range");
  const first = batch[0];
  if (is_tensor(first)) return stack(batch as Tensor[]);
  if (ArrayBuffer.isView(first)) return stack(batch.map((x) => as_tensor(x as ArrayBufferView)));
  if (typeof first === "boolean") return tensor(batch as boolean[], batch.every(isBoolean) ? { dtype: bool } : {});
  if (typeof first === "number" || typeof first === "bigint") {
    const whole = batch.every((x) => typeof x === "bigint" || typeof x === "boolean" || Number.isInteger(x));
    return tensor(batch as number[], { dtype: whole ? int64 : float64 });
  }
  if (typeof first === "string") return [...batch];
  if (Array.isArray(first)) {
    if (!batch.every((x) => Array.isArray(x) && x.length === first.length)) {
      throw new RuntimeError("each element in list of batch should be of equal size");
    }
    return first.map((_, i) => collate(batch.map((x) => (x as unknown[])[i])));
  }
  if (isOptions(first)) return collateObjects(first, batch as Record<string, unknown>[]);
  throw new TypeError(
    `default_collate: batch must contain tensors, typed arrays, numbers, plain objects or arrays; found ${describe(first)}`,
  );
}

function collateObjects(first: object, batch: readonly Record<string, unknown>[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(first)) {
    const values = batch.map((x) => {
      if (!Object.hasOwn(x, key)) throw new KeyError(`'${key}'`);
      return x[key];
    });
    // Not an assignment: a key may be "__proto__".
    Object.defineProperty(out, key, { value: collate(values), enumerable: true, writable: true, configurable: true });
  }
  return out;
}

function isBoolean(x: unknown): boolean {
  return typeof x === "boolean";
}

/** One sample without a batch: typed arrays become tensors, everything else stays. */
export function default_convert(data: unknown): unknown {
  if (is_tensor(data)) return data;
  if (ArrayBuffer.isView(data)) return as_tensor(data);
  if (Array.isArray(data)) return data.map(default_convert);
  if (isOptions(data)) return Object.fromEntries(Object.entries(data).map(([k, v]) => [k, default_convert(v)]));
  return data;
}
