/** Values as tools/golden-checkpoints.py describes them. */

import * as torch from "../../src/index.ts";
import { markOf } from "../../src/serialization/pickle/marks.ts";
import { heap, type Storage } from "../../src/storage/storage.ts";

export type Description = unknown;

/** The bytes of a storage in hexadecimal. */
export function bits(storage: Storage): string {
  const { address } = storage;
  return Buffer.from(heap.u8.subarray(address, address + storage.nbytes)).toString("hex");
}

/** A value as JSON; `storages` collects the storages of tensors. */
export function describeValue(value: unknown, storages: Storage[]): Description {
  const all = (items: Iterable<unknown>): Description[] => Array.from(items, (item) => describeValue(item, storages));
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "bigint") return { int: String(value) };
  if (typeof value === "number") return describeNumber(value);
  if (torch.is_tensor(value)) {
    let number = storages.indexOf(value.storage);
    if (number < 0) number = storages.push(value.storage) - 1;
    return {
      tensor: String(value.dtype),
      shape: [...value.shape],
      strides: [...value.stride()],
      offset: value.storage_offset(),
      storage: number,
      requires_grad: value.requires_grad,
      parameter: value instanceof torch.nn.Parameter,
    };
  }
  if (value instanceof torch.dtype) return { dtype: String(value) };
  if (Array.isArray(value)) return { [markOf(value)?.name ?? "list"]: all(value) };
  if (value instanceof Set) {
    return { set: all(value).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) };
  }
  if (value instanceof Uint8Array) return { [markOf(value)?.name ?? "bytes"]: Buffer.from(value).toString("hex") };
  if (typeof value !== "object") throw new TypeError(`unexpected ${typeof value}`);
  if (value instanceof torch.device("cpu").constructor) return { device: String(value) };
  return describeDict(value as object, storages);
}

function describeNumber(value: number): Description {
  if (Number.isNaN(value)) return { number: "nan" };
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return value;
  return { number: Buffer.from(new Float64Array([value]).buffer).toString("hex") };
}

function describeDict(value: object, storages: Storage[]): Description {
  const mark = markOf(value);
  let items: [unknown, unknown][];
  if (value instanceof Map) items = [...value];
  else {
    if (Object.getPrototypeOf(value) !== null) throw new TypeError("a dict with a prototype");
    const entries = Object.entries(value);
    const ints = mark?.textKeys !== true && entries.every(([key]) => /^(0|[1-9]\d*)$/.test(key));
    items = ints ? entries.map(([key, item]) => [Number(key), item]) : entries;
  }
  const out: Record<string, Description> = {
    [mark?.name ?? "dict"]: items.map(([key, item]) => [describeValue(key, storages), describeValue(item, storages)]),
  };
  if (Object.hasOwn(value, "_metadata") && !Object.prototype.propertyIsEnumerable.call(value, "_metadata")) {
    out._metadata = describeValue((value as { _metadata: unknown })._metadata, storages);
  }
  return out;
}
