/**
 * Python's objects as the unpickler makes them, before they become JavaScript's: a dict may still get keys, a tuple is
 * not a list, and a tensor is a description whose bytes have not been read.
 */

/** What a dict was in Python. */
export type DictKind = "dict" | "OrderedDict" | "Counter";

export class PyDict {
  readonly kind: DictKind;
  readonly keys: PyValue[] = [];
  readonly values: PyValue[] = [];
  /** What an OrderedDict has beside its items: `_metadata` of a state dict. */
  attributes: PyDict | null = null;
  /** Places of text keys, made when one is looked up, for dicts that many objects share. */
  private index: Map<string, number> | null = null;

  constructor(kind: DictKind) {
    this.kind = kind;
  }

  /** A key given twice stays in both places; the last value wins when the dict is converted. */
  set(key: PyValue, value: PyValue): void {
    if (this.index !== null && typeof key === "string") this.index.set(key, this.keys.length);
    this.keys.push(key);
    this.values.push(value);
  }

  /** The value of a text key. */
  get(key: string): PyValue | undefined {
    if (this.index === null) {
      this.index = new Map();
      for (let i = 0; i < this.keys.length; i++) {
        const name = this.keys[i];
        if (typeof name === "string") this.index.set(name, i);
      }
    }
    const at = this.index.get(key);
    return at === undefined ? undefined : this.values[at];
  }
}

export class PyList {
  readonly items: PyValue[] = [];
}

export class PyTuple {
  readonly items: readonly PyValue[];
  constructor(items: readonly PyValue[]) {
    this.items = items;
  }
}

export class PySet {
  readonly items: PyValue[];
  constructor(items: PyValue[]) {
    this.items = items;
  }
}

/** `torch.Size`. */
export class PySize {
  readonly items: readonly PyValue[];
  constructor(items: readonly PyValue[]) {
    this.items = items;
  }
}

/** `bytes`, or `bytearray`. A Python 2 `str` that is not text is bytes as well. */
export class PyBytes {
  readonly bytes: Uint8Array;
  readonly mutable: boolean;
  constructor(bytes: Uint8Array, mutable: boolean) {
    this.bytes = bytes;
    this.mutable = mutable;
  }
}

/** A class or function that the allow-list has. */
export class PyGlobal {
  readonly name: string;
  /** What calling it gives; null for what is only a value. */
  readonly call: ((args: readonly PyValue[], charge: Charge) => PyValue) | null;
  constructor(name: string, call: PyGlobal["call"]) {
    this.name = name;
    this.call = call;
  }
}

/** An object of the domain, such as a storage or a tensor: the machine carries it around and no more. */
export class PyOpaque {
  /** What Python calls its type. */
  get typeName(): string {
    return "object";
  }
  /** Applies the state of BUILD; false if there is no such thing. */
  build(_state: PyValue): boolean {
    return false;
  }
}

/** Accounts for work or memory beyond the size of the instruction; throws when a file asks for too much. */
export type Charge = (units: number) => void;

export type PyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PyDict
  | PyList
  | PyTuple
  | PySet
  | PySize
  | PyBytes
  | PyGlobal
  | PyOpaque;

/** The name of a value's type, for messages. */
export function typeName(value: PyValue): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  if (typeof value === "bigint") return "int";
  if (typeof value === "string") return "str";
  if (value instanceof PyDict) return value.kind;
  if (value instanceof PyList) return "list";
  if (value instanceof PyTuple) return "tuple";
  if (value instanceof PySet) return "set";
  if (value instanceof PySize) return "torch.Size";
  if (value instanceof PyBytes) return value.mutable ? "bytearray" : "bytes";
  if (value instanceof PyGlobal) return value.name;
  return value.typeName;
}
