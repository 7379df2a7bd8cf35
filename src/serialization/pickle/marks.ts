/**
 * What JavaScript's values were in Python, where they do not tell themselves: both a list and a tuple are arrays here.
 * The marks are beside the values, so that values look like any others; a copy of a value has no mark.
 */

export interface PythonType {
  readonly name: "tuple" | "torch.Size" | "dict" | "OrderedDict" | "Counter" | "bytearray";
  /** Keys that look like integers are texts. */
  readonly textKeys: boolean;
}

const marks = new WeakMap<object, PythonType>();

/** Notes what `value` is in Python; returns it. */
export function mark<T extends object>(value: T, name: PythonType["name"], textKeys = false): T {
  marks.set(value, { name, textKeys });
  return value;
}

export function markOf(value: object): PythonType | undefined {
  return marks.get(value);
}

/** Whether an object's key is one that JavaScript cannot tell from an index: "0", "1", and so on. */
export function isIndexKey(key: string): boolean {
  return /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) < 2 ** 32 - 1;
}
