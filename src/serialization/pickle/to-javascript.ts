/**
 * Python's objects as JavaScript's:
 *
 * - a dict with text keys, or with ints as keys that can be indices (0, 1, …), is an object without a prototype, so that
 *   `__proto__` is a key like any other; any other dict is a Map;
 * - a list, a tuple and a `torch.Size` are arrays, a set is a Set, bytes are a Uint8Array;
 * - None is null; an int is a number while that is exact, else a bigint; a float is a number.
 *
 * Objects that occur twice in Python occur twice here, and may contain themselves. No recursion.
 */
import { UnpicklingError } from "../../errors.ts";
import { isIndexKey, mark } from "./marks.ts";
import { PyBytes, PyDict, PyGlobal, PyList, PyOpaque, PySet, PySize, type PyTuple, type PyValue } from "./values.ts";

/** Deeper than anything that Python's own pickler writes, which recurses. */
const MAX_DEPTH = 1000;

type Container = PyDict | PyList | PyTuple | PySet | PySize;

interface Pending {
  readonly from: Container;
  readonly to: unknown;
  readonly depth: number;
}

/** Converts `root`; `convertOpaque` does it for storages, tensors and whatever else the machine does not know. */
export function toJavaScript(root: PyValue, convertOpaque: (value: PyOpaque | PyGlobal) => unknown): unknown {
  const known = new Map<object, unknown>();
  const pending: Pending[] = [];
  const convert = (value: PyValue, depth: number): unknown => {
    if (value === null || typeof value !== "object") return value;
    const found = known.get(value);
    if (found !== undefined) return found;
    let to: unknown;
    if (value instanceof PyBytes) {
      to = value.bytes.slice();
      if (value.mutable) mark(to as object, "bytearray");
    } else if (value instanceof PyOpaque || value instanceof PyGlobal) to = convertOpaque(value);
    else {
      if (depth > MAX_DEPTH) throw new UnpicklingError(`containers are nested more than ${MAX_DEPTH} deep: refused`);
      to = emptyLike(value);
      pending.push({ from: value, to, depth });
    }
    known.set(value, to);
    return to;
  };
  const result = convert(root, 0);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) fill(next, convert);
  return result;
}

function emptyLike(value: Container): unknown {
  if (value instanceof PyDict) return emptyDict(value);
  if (value instanceof PySet) return new Set();
  if (value instanceof PyList) return [];
  return mark([], value instanceof PySize ? "torch.Size" : "tuple");
}

function emptyDict({ kind, keys }: PyDict): object {
  const texts = keys.every((key) => typeof key === "string");
  const indices = !texts && keys.every((key) => typeof key === "number" && isIndexKey(String(key)));
  const to: object = texts || indices ? Object.create(null) : new Map();
  const textKeys = texts && keys.some((key) => isIndexKey(key as string));
  return kind === "dict" && !textKeys ? to : mark(to, kind, textKeys);
}

function fill({ from, to, depth }: Pending, convert: (value: PyValue, depth: number) => unknown): void {
  if (from instanceof PyDict) {
    from.keys.forEach((key, i) => {
      const value = convert(from.values[i], depth + 1);
      if (to instanceof Map) to.set(convert(key, depth + 1), value);
      else (to as Record<string, unknown>)[key as string] = value;
    });
    const metadata = from.attributes?.get("_metadata");
    if (metadata instanceof PyDict && !Object.hasOwn(to as object, "_metadata")) {
      Object.defineProperty(to, "_metadata", { value: convert(metadata, depth + 1) });
    }
  } else if (from instanceof PySet) {
    for (const item of from.items) (to as Set<unknown>).add(convert(item, depth + 1));
  } else {
    for (const item of from.items) (to as unknown[]).push(convert(item, depth + 1));
  }
}
