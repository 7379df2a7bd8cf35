/**
 * Writes JavaScript's values as Python's objects, in pickle protocol 2, which is the one that PyTorch writes and its
 * restricted unpickler reads. Format: CPython's Lib/pickletools.py.
 *
 * - A whole number that is exact is an int, any other number a float; a bigint is an int.
 * - An object is a dict with texts as keys; if all its keys are indices (0, 1, …), they are ints. A Map is a dict whose
 *   keys are as they are. What was loaded keeps its Python type: a tuple stays a tuple.
 */
import { RuntimeError } from "../../errors.ts";
import { describe } from "../../shape.ts";
import { encodeLong } from "./integers.ts";
import { isIndexKey, markOf } from "./marks.ts";
import * as op from "./opcodes.ts";
import { Output } from "./output.ts";
import { decodeLatin1, encodeUtf8 } from "./text.ts";

/** As deep as Python's own pickler goes before it reports its recursion. */
const MAX_DEPTH = 1000;
/** How many items one instruction adds, as in CPython. */
const BATCH = 1000;

export class Pickler {
  readonly out: Output = new Output();
  private readonly memo = new Map<unknown, number>();
  private readonly saveOpaque: (value: object, pickler: Pickler) => boolean;
  private readonly path: string[] = [];

  /** `saveOpaque` writes an object of the domain, such as a tensor; it answers false for anything else. */
  constructor(saveOpaque: (value: object, pickler: Pickler) => boolean) {
    this.saveOpaque = saveOpaque;
  }

  /** The pickle of `value`. */
  dump(value: unknown): Uint8Array {
    this.out.byte(op.PROTO);
    this.out.byte(2);
    this.save(value);
    this.out.byte(op.STOP);
    return this.out.result();
  }

  /** Writes any value. */
  save(value: unknown): void {
    if (value === null) this.out.byte(op.NONE);
    else if (typeof value === "boolean") this.out.byte(value ? op.NEWTRUE : op.NEWFALSE);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "bigint") this.long(value);
    else if (typeof value === "string") this.text(value);
    // Modules are functions.
    else if (typeof value === "object" || typeof value === "function") this.object(value);
    else this.refuse(value === undefined ? "undefined" : describe(value));
  }

  /** Writes a reference to `key` if it was written before. */
  recall(key: unknown): boolean {
    const index = this.memo.get(key);
    if (index === undefined) return false;
    if (index < 256) {
      this.out.byte(op.BINGET);
      this.out.byte(index);
    } else {
      this.out.byte(op.LONG_BINGET);
      this.out.uint32(index);
    }
    return true;
  }

  /** Remembers what was written last as `key`. */
  remember(key: unknown): void {
    const index = this.memo.size;
    this.memo.set(key, index);
    if (index < 256) {
      this.out.byte(op.BINPUT);
      this.out.byte(index);
    } else {
      this.out.byte(op.LONG_BINPUT);
      this.out.uint32(index);
    }
  }

  global(module: string, name: string): void {
    const line = `${module}\n${name}\n`;
    // A symbol is no text: names of classes are remembered apart from texts.
    const key = Symbol.for(line);
    if (this.recall(key)) return;
    this.out.byte(op.GLOBAL);
    this.out.text(line);
    this.remember(key);
  }

  text(value: string): void {
    if (this.recall(value)) return;
    const bytes = encodeUtf8(value);
    this.out.byte(op.BINUNICODE);
    this.out.uint32(bytes.length);
    this.out.append(bytes);
    this.remember(value);
  }

  private number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.out.byte(op.BINFLOAT);
      this.out.float64(value);
    } else if (value >= 0 && value < 256) {
      this.out.byte(op.BININT1);
      this.out.byte(value);
    } else if (value >= 0 && value < 65536) {
      this.out.byte(op.BININT2);
      this.out.uint16(value);
    } else if (value >= -(2 ** 31) && value < 2 ** 31) {
      this.out.byte(op.BININT);
      this.out.int32(value);
    } else this.long(BigInt(value));
  }

  private long(value: bigint): void {
    const bytes = encodeLong(value);
    if (bytes.length < 256) {
      this.out.byte(op.LONG1);
      this.out.byte(bytes.length);
    } else this.refuse("a bigint of more than 255 bytes, which PyTorch does not load");
    this.out.append(bytes);
  }

  private object(value: object): void {
    if (this.recall(value)) return;
    if (this.path.length > MAX_DEPTH) {
      throw new RuntimeError(`torch.save: maximum recursion depth exceeded at ${this.place()}`);
    }
    if (value instanceof Tuple) this.tuple(value.items);
    else if (this.saveOpaque(value, this)) return;
    else if (typeof value === "function") this.refuse(describe(value));
    else if (Array.isArray(value)) this.array(value);
    else if (value instanceof Map) this.dict(value, [...value], markOf(value)?.name);
    else if (value instanceof Set) this.set(value);
    else if (value instanceof Uint8Array) this.bytes(value);
    else if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      this.refuse(`${value.constructor.name}: use torch.tensor(…), or a Uint8Array for bytes`);
    } else {
      const prototype = Object.getPrototypeOf(value);
      if (prototype !== null && prototype !== Object.prototype) this.refuse(`'${value.constructor?.name}' object`);
      this.plainObject(value as Record<string, unknown>);
    }
  }

  /** Tuples: written by their items, remembered as `key`. */
  tuple(items: readonly unknown[], key?: unknown): void {
    if (items.length === 0) {
      this.out.byte(op.EMPTY_TUPLE);
      return;
    }
    if (items.length > 3) this.out.byte(op.MARK);
    items.forEach((item, i) => {
      this.inside(i, item);
    });
    this.out.byte([op.TUPLE1, op.TUPLE2, op.TUPLE3][items.length - 1] ?? op.TUPLE);
    if (key !== undefined) this.remember(key);
  }

  private array(value: readonly unknown[]): void {
    const type = markOf(value)?.name;
    if (type === "tuple") {
      this.tuple(value, value.length === 0 ? undefined : value);
      return;
    }
    if (type === "torch.Size") {
      this.global("torch", "Size");
      this.tuple(value);
      this.call(1);
      this.remember(value);
      return;
    }
    this.list(value);
  }

  private list(value: readonly unknown[]): void {
    this.out.byte(op.EMPTY_LIST);
    this.remember(value);
    this.batches(value, op.APPEND, op.APPENDS, (item, i) => {
      this.inside(i, item);
    });
  }

  /** Calls the global that was written before with the last `count` (one to three) values as arguments. */
  call(count: number): void {
    this.out.byte([op.TUPLE1, op.TUPLE2, op.TUPLE3][count - 1]);
    this.out.byte(op.REDUCE);
  }

  private plainObject(value: Record<string, unknown>): void {
    const { _metadata: metadata } = value;
    const hidden = Object.hasOwn(value, "_metadata") && !Object.prototype.propertyIsEnumerable.call(value, "_metadata");
    const mark = markOf(value);
    const entries = Object.entries(value);
    // A state dict names tensors: its keys are texts even where they look like numbers.
    const asInts =
      !hidden && mark?.textKeys !== true && entries.length > 0 && entries.every(([key]) => isIndexKey(key));
    const texts = Array.isArray(value.params) ? withTuples(entries) : entries;
    const items: readonly (readonly [unknown, unknown])[] = asInts
      ? entries.map(([key, item]): [unknown, unknown] => [Number(key), item])
      : texts;
    this.dict(value, items, hidden ? "OrderedDict" : mark?.name);
    if (hidden) {
      // What state_dict() has beside its items, as Python writes the attributes of an OrderedDict.
      this.out.byte(op.EMPTY_DICT);
      this.text("_metadata");
      this.orderedDict(Object.entries(metadata as object));
      this.out.byte(op.SETITEM);
      this.out.byte(op.BUILD);
    }
  }

  private dict(value: object, items: readonly (readonly [unknown, unknown])[], type: string | undefined): void {
    if (type === "OrderedDict" || type === "Counter") {
      this.global("collections", type);
      this.out.byte(op.EMPTY_TUPLE);
      this.out.byte(op.REDUCE);
    } else this.out.byte(op.EMPTY_DICT);
    this.remember(value);
    this.setItems(items);
  }

  /** An OrderedDict that is no value of its own. */
  orderedDict(items: readonly (readonly [unknown, unknown])[]): void {
    this.global("collections", "OrderedDict");
    this.out.byte(op.EMPTY_TUPLE);
    this.out.byte(op.REDUCE);
    this.setItems(items);
  }

  private setItems(items: readonly (readonly [unknown, unknown])[]): void {
    this.batches(items, op.SETITEM, op.SETITEMS, ([key, item]) => {
      if (Array.isArray(key) && markOf(key)?.name !== "tuple") this.tuple(key);
      else if (key !== null && typeof key === "object" && !Array.isArray(key)) this.refuse(`an object as a key`);
      else this.save(key);
      this.inside(String(key), item);
    });
  }

  private batches<T>(items: readonly T[], one: number, many: number, write: (item: T, i: number) => void): void {
    for (let start = 0; start < items.length; start += BATCH) {
      const end = Math.min(start + BATCH, items.length);
      const single = end - start === 1;
      if (!single) this.out.byte(op.MARK);
      for (let i = start; i < end; i++) write(items[i], i);
      this.out.byte(single ? one : many);
    }
  }

  private set(value: ReadonlySet<unknown>): void {
    this.global("__builtin__", "set");
    this.list([...value]);
    this.call(1);
    this.remember(value);
  }

  /** Protocol 2 has no bytes: Python writes them as text in which each character is a byte. */
  private bytes(value: Uint8Array): void {
    const mutable = markOf(value)?.name === "bytearray";
    if (mutable) this.global("__builtin__", "bytearray");
    this.global("_codecs", "encode");
    this.text(decodeLatin1(value));
    this.text("latin1");
    this.call(2);
    if (mutable) this.call(1);
    this.remember(value);
  }

  private inside(key: string | number, value: unknown): void {
    this.path.push(typeof key === "number" ? `[${key}]` : `.${key}`);
    this.save(value);
    this.path.pop();
  }

  private place(): string {
    const text = this.path.join("");
    return text === "" ? "the top" : text.length > 200 ? `${text.slice(0, 200)}…` : text;
  }

  /** Throws for a value that cannot be saved. */
  refuse(what: string): never {
    throw new TypeError(`torch.save: cannot pickle ${what} (at ${this.place()})`);
  }
}

/** A tuple that is written where it stands and not remembered. */
class Tuple {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/**
 * Groups of an optimizer's parameters, which have `params`, keep options that are several numbers (Adam's `betas`) as
 * tuples in Python.
 */
function withTuples(entries: readonly (readonly [string, unknown])[]): (readonly [string, unknown])[] {
  return entries.map(([key, value]) =>
    key !== "params" && Array.isArray(value) && markOf(value) === undefined ? [key, new Tuple(value)] : [key, value],
  );
}
