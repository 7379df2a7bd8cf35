/**
 * A pickle machine that makes data and nothing else. Classes and functions come from an allow-list; all others are
 * refused by name. The stack is explicit, so depth costs no recursion; work is accounted for, so that a small file
 * cannot ask for much. Protocols 0 to 5, without the opcodes that only make instances of arbitrary classes.
 * Format: CPython's Lib/pickletools.py. What is allowed: PyTorch's torch/_weights_only_unpickler.py.
 */
import { NotImplementedError, UnpicklingError } from "../../errors.ts";
import { PickleInput } from "./input.ts";
import { decodeLong } from "./integers.ts";
import {
  legacyText,
  parseIndex,
  parsePythonFloat,
  parsePythonInt,
  parsePythonLong,
  quotedString,
  rawUnicodeEscape,
} from "./literals.ts";
import * as op from "./opcodes.ts";
import { decodeLatin1 } from "./text.ts";
import { PyBytes, PyDict, PyGlobal, PyList, PyOpaque, PySet, PyTuple, type PyValue, typeName } from "./values.ts";

export interface UnpicklerOptions {
  /** The allowed class or function of this name; throws UnpicklingError for others. */
  readonly findGlobal: (module: string, name: string) => PyValue;
  /** The object that is stored outside the pickle. */
  readonly persistentLoad: (id: PyValue) => PyValue;
}

/** Calls may copy what they are given: this many units for each byte of the pickle, and some for all. */
const CHARGE_PER_BYTE = 8;
const CHARGE_FOR_ALL = 100_000;
/** No int in a checkpoint has more bytes. */
const MAX_LONG = 4096;

/** Reads the pickles in `bytes`, one after the other. */
export class Unpickler {
  private readonly input: PickleInput;
  private readonly options: UnpicklerOptions;
  private memo = new Map<number, PyValue>();
  private stack: PyValue[] = [];
  private metastack: PyValue[][] = [];
  private budget = 0;

  constructor(bytes: Uint8Array, options: UnpicklerOptions, start = 0) {
    this.input = new PickleInput(bytes, start);
    this.options = options;
  }

  /** Where the next pickle begins. */
  get position(): number {
    return this.input.position;
  }

  /** Reads one pickle. */
  load(): PyValue {
    this.memo = new Map();
    this.stack = [];
    this.metastack = [];
    this.budget = CHARGE_FOR_ALL + CHARGE_PER_BYTE * this.input.remaining;
    for (;;) {
      const code = this.input.byte();
      if (code === op.STOP) break;
      this.step(code);
    }
    const value = this.pop();
    if (this.stack.length > 0 || this.metastack.length > 0) throw new UnpicklingError("the pickled data is damaged");
    return value;
  }

  private readonly charge = (units: number): void => {
    this.budget -= units;
    if (this.budget < 0) throw new UnpicklingError("the pickled data copies its contents without end: refused");
  };

  private step(code: number): void {
    const { stack } = this;
    switch (code) {
      case op.PROTO: {
        const protocol = this.input.byte();
        if (protocol > 5) throw new UnpicklingError(`unsupported pickle protocol: ${protocol}`);
        return;
      }
      case op.FRAME:
        this.input.uint64();
        return;
      case op.MARK:
        this.metastack.push(stack);
        this.stack = [];
        return;
      case op.POP:
        if (stack.length > 0) stack.pop();
        else this.popMark();
        return;
      case op.POP_MARK:
        this.popMark();
        return;
      case op.DUP:
        this.push(this.top());
        return;

      case op.NONE:
        this.push(null);
        return;
      case op.NEWTRUE:
        this.push(true);
        return;
      case op.NEWFALSE:
        this.push(false);
        return;
      case op.BININT1:
        this.push(this.input.byte());
        return;
      case op.BININT2:
        this.push(this.input.uint16());
        return;
      case op.BININT:
        this.push(this.input.int32());
        return;
      case op.LONG1:
        this.push(decodeLong(this.input.take(this.input.byte())));
        return;
      case op.LONG4:
        this.push(decodeLong(this.input.take(this.longLength())));
        return;
      case op.INT:
        this.push(parsePythonInt(this.input.line()));
        return;
      case op.LONG:
        this.push(parsePythonLong(this.input.line()));
        return;
      case op.BINFLOAT:
        this.push(this.input.float64());
        return;
      case op.FLOAT:
        this.push(parsePythonFloat(this.input.line()));
        return;

      case op.BINUNICODE:
        this.push(this.input.text(this.input.uint32()));
        return;
      case op.SHORT_BINUNICODE:
        this.push(this.input.text(this.input.byte()));
        return;
      case op.BINUNICODE8:
        this.push(this.input.text(this.input.uint64()));
        return;
      case op.UNICODE:
        this.push(rawUnicodeEscape(decodeLatin1(this.input.lineBytes())));
        return;
      case op.SHORT_BINSTRING:
        this.push(legacyText(this.input.take(this.input.byte())));
        return;
      case op.BINSTRING:
        this.push(legacyText(this.input.take(this.input.uint32())));
        return;
      case op.STRING:
        this.push(quotedString(this.input.line()));
        return;
      case op.SHORT_BINBYTES:
        this.push(new PyBytes(this.input.take(this.input.byte()), false));
        return;
      case op.BINBYTES:
        this.push(new PyBytes(this.input.take(this.input.uint32()), false));
        return;
      case op.BINBYTES8:
        this.push(new PyBytes(this.input.take(this.input.uint64()), false));
        return;
      case op.BYTEARRAY8:
        this.push(new PyBytes(this.input.take(this.input.uint64()), true));
        return;

      case op.EMPTY_TUPLE:
        this.push(new PyTuple([]));
        return;
      case op.TUPLE1:
        this.push(new PyTuple([this.pop()]));
        return;
      case op.TUPLE2:
        this.push(new PyTuple(this.popMany(2)));
        return;
      case op.TUPLE3:
        this.push(new PyTuple(this.popMany(3)));
        return;
      case op.TUPLE: {
        const items = this.popMark();
        this.push(new PyTuple(items));
        return;
      }
      case op.EMPTY_LIST:
        this.push(new PyList());
        return;
      case op.LIST: {
        const list = new PyList();
        for (const item of this.popMark()) list.items.push(item);
        this.push(list);
        return;
      }
      case op.APPEND: {
        const item = this.pop();
        this.targetList("APPEND").items.push(item);
        return;
      }
      case op.APPENDS: {
        const items = this.popMark();
        const { items: list } = this.targetList("APPENDS");
        for (const item of items) list.push(item);
        return;
      }
      case op.EMPTY_DICT:
        this.push(new PyDict("dict"));
        return;
      case op.DICT: {
        const items = this.popMark();
        const dict = new PyDict("dict");
        setAll(dict, items);
        this.push(dict);
        return;
      }
      case op.SETITEM: {
        const [key, value] = this.popMany(2);
        this.targetDict("SETITEM").set(key, value);
        return;
      }
      case op.SETITEMS: {
        const items = this.popMark();
        setAll(this.targetDict("SETITEMS"), items);
        return;
      }
      case op.EMPTY_SET:
        this.push(new PySet([]));
        return;
      case op.ADDITEMS: {
        const items = this.popMark();
        const set = this.top();
        if (!(set instanceof PySet)) throw new UnpicklingError(`Can only ADDITEMS to sets, but got ${typeName(set)}`);
        for (const item of items) set.items.push(item);
        return;
      }

      case op.BINGET:
        this.get(this.input.byte());
        return;
      case op.LONG_BINGET:
        this.get(this.input.uint32());
        return;
      case op.GET:
        this.get(parseIndex(this.input.line()));
        return;
      case op.BINPUT:
        this.memo.set(this.input.byte(), this.top());
        return;
      case op.LONG_BINPUT:
        this.memo.set(this.input.uint32(), this.top());
        return;
      case op.PUT:
        this.memo.set(parseIndex(this.input.line()), this.top());
        return;
      case op.MEMOIZE:
        this.memo.set(this.memo.size, this.top());
        return;

      case op.GLOBAL: {
        const module = this.input.line();
        this.push(this.options.findGlobal(module, this.input.line()));
        return;
      }
      case op.STACK_GLOBAL: {
        const [module, name] = this.popMany(2);
        if (typeof module !== "string" || typeof name !== "string")
          throw new UnpicklingError("STACK_GLOBAL requires str");
        this.push(this.options.findGlobal(module, name));
        return;
      }
      case op.REDUCE: {
        const [callable, args] = this.popMany(2);
        if (!(callable instanceof PyGlobal) || callable.call === null) {
          throw new UnpicklingError(`Trying to call reduce for unrecognized function ${typeName(callable)}`);
        }
        if (!(args instanceof PyTuple)) throw new UnpicklingError(`the arguments of ${callable.name} are no tuple`);
        this.push(callable.call(args.items, this.charge));
        return;
      }
      case op.NEWOBJ: {
        const [type, args] = this.popMany(2);
        if (!(type instanceof PyGlobal) || type.call === null || !(args instanceof PyTuple)) {
          throw new UnpicklingError(
            `Can only create new object for nn.Parameter or other allowed classes, but got ${typeName(type)}`,
          );
        }
        this.push(type.call(args.items, this.charge));
        return;
      }
      case op.BUILD: {
        const state = this.pop();
        build(this.top(), state);
        return;
      }
      case op.BINPERSID:
        this.push(this.options.persistentLoad(this.pop()));
        return;
      case op.PERSID:
        this.push(this.options.persistentLoad(this.input.line()));
        return;
      case op.FROZENSET:
        throw new NotImplementedError("frozensets cannot be loaded, by PyTorch with weights_only=True neither");
      default:
        throw new UnpicklingError(
          `Unsupported operand ${code}${code === op.INST || code === op.OBJ || code === op.NEWOBJ_EX ? ": it makes an instance of a class" : ""}`,
        );
    }
  }

  // ---- the stack

  private push(value: PyValue): void {
    this.stack.push(value);
  }

  private top(): PyValue {
    const { stack } = this;
    if (stack.length === 0) throw underflow();
    return stack[stack.length - 1];
  }

  private pop(): PyValue {
    if (this.stack.length === 0) throw underflow();
    return this.stack.pop() as PyValue;
  }

  private popMany(count: number): PyValue[] {
    if (this.stack.length < count) throw underflow();
    return this.stack.splice(this.stack.length - count, count);
  }

  private popMark(): PyValue[] {
    const items = this.stack;
    const below = this.metastack.pop();
    if (below === undefined) throw underflow();
    this.stack = below;
    return items;
  }

  private targetList(what: string): PyList {
    const list = this.top();
    if (!(list instanceof PyList)) throw new UnpicklingError(`Can only ${what} to lists, but got ${typeName(list)}`);
    return list;
  }

  private targetDict(what: string): PyDict {
    const dict = this.top();
    if (!(dict instanceof PyDict)) {
      throw new UnpicklingError(
        `Can only ${what} for dict, collections.OrderedDict, collections.Counter, but got ${typeName(dict)}`,
      );
    }
    return dict;
  }

  private longLength(): number {
    const length = this.input.uint32();
    if (length > MAX_LONG) throw new UnpicklingError(`an int of ${length} bytes is too long`);
    return length;
  }

  private get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw new UnpicklingError(`Memo value not found at index ${index}`);
    this.push(value);
  }
}

function underflow(): UnpicklingError {
  return new UnpicklingError("the pickled data is damaged: an instruction lacks its operands");
}

function setAll(dict: PyDict, items: readonly PyValue[]): void {
  if (items.length % 2 !== 0) throw new UnpicklingError("odd number of items for a dict");
  for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
}

function build(target: PyValue, state: PyValue): void {
  if (target instanceof PyDict && target.kind === "OrderedDict" && state instanceof PyDict) {
    if (target.attributes !== null) throw new UnpicklingError("an OrderedDict has two states");
    target.attributes = state;
    return;
  }
  if (target instanceof PyOpaque && target.build(state)) return;
  throw new UnpicklingError(
    `Can only build Tensor, Parameter, OrderedDict or other allowed types, but got ${typeName(target)}`,
  );
}
