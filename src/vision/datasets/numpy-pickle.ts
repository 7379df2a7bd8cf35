/** Pickles with numpy arrays of bytes in them, as CIFAR has them. No class but numpy's array and dtype is allowed. */
import { UnpicklingError } from "../../errors.ts";
import { encodeLatin1, encodeUtf8 } from "../../serialization/pickle/text.ts";
import { Unpickler } from "../../serialization/pickle/unpickler.ts";
import {
  PyBytes,
  PyDict,
  PyGlobal,
  PyList,
  PyOpaque,
  PyTuple,
  type PyValue,
  typeName,
} from "../../serialization/pickle/values.ts";

/** An array of unsigned bytes. */
export class ByteArray extends PyOpaque {
  shape: readonly number[] = [0];
  data: Uint8Array = new Uint8Array();

  override get typeName(): string {
    return "numpy.ndarray";
  }

  /** numpy's state: version, shape, dtype, whether columns come first, data. */
  override build(state: PyValue): boolean {
    const [, shape, dtype, byColumns, data] = state instanceof PyTuple ? state.items : [];
    if (!(shape instanceof PyTuple) || !(dtype instanceof ByteType) || byColumns !== false) return false;
    const sizes = shape.items;
    // A Python 2 str that happens to be text has become one.
    const bytes = typeof data === "string" ? encodeUtf8(data) : data instanceof PyBytes ? data.bytes : null;
    const isSize = (n: PyValue): n is number => typeof n === "number" && Number.isInteger(n) && n >= 0;
    if (bytes === null || !sizes.every(isSize) || sizes.reduce((a, n) => a * n, 1) !== bytes.length) return false;
    this.shape = sizes;
    this.data = bytes;
    return true;
  }
}

/** `numpy.dtype("uint8")`. */
class ByteType extends PyOpaque {
  override get typeName(): string {
    return "numpy.dtype";
  }

  override build(): boolean {
    return true;
  }
}

const reconstruct = new PyGlobal("_reconstruct", () => new ByteArray());
const allowed: ReadonlyMap<string, PyGlobal> = new Map([
  ["numpy.core.multiarray._reconstruct", reconstruct],
  ["numpy._core.multiarray._reconstruct", reconstruct],
  ["numpy.ndarray", new PyGlobal("numpy.ndarray", null)],
  [
    "numpy.dtype",
    new PyGlobal("numpy.dtype", ([name]) => {
      if (name !== "u1" && name !== "|u1") throw new UnpicklingError(`arrays of ${String(name)} are not expected`);
      return new ByteType();
    }),
  ],
  [
    "_codecs.encode",
    new PyGlobal("_codecs.encode", ([text, encoding], charge) => {
      if (typeof text !== "string" || encoding !== "latin1") throw new UnpicklingError("unexpected _codecs.encode");
      charge(text.length);
      const bytes = encodeLatin1(text);
      if (bytes === null) throw new UnpicklingError("text that is not Latin-1");
      return new PyBytes(bytes, false);
    }),
  ],
]);

/** The dictionary in a pickle; texts, numbers, lists of them, and arrays of bytes. */
export function readDictionary(bytes: Uint8Array, name: string): Record<string, unknown> {
  const unpickler = new Unpickler(bytes, {
    findGlobal: (module, member) => {
      const found = allowed.get(`${module}.${member}`);
      if (found === undefined) throw new UnpicklingError(`${name}: Unsupported global: ${module}.${member}`);
      return found;
    },
    persistentLoad: () => {
      throw new UnpicklingError(`${name}: persistent ids are not expected`);
    },
  });
  const value = unpickler.load();
  if (!(value instanceof PyDict)) throw new UnpicklingError(`${name}: expected a dict, found ${typeName(value)}`);
  const out: Record<string, unknown> = Object.create(null);
  value.keys.forEach((key, i) => {
    const item = value.values[i];
    out[String(key)] = item instanceof PyList ? item.items : item;
  });
  return out;
}
