/**
 * Arguments by PyTorch's own signatures: `"sum(Tensor self, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)"`.
 * A signature is parsed once; its binder takes what the user passed, positional values in order and keyword arguments in
 * one trailing plain object, checks types, names misspelled keywords, and returns the values in the signature's order.
 *
 * Types: Tensor, Tensor[], Scalar (number, bigint, boolean), Operand (Tensor or Scalar), int, int[], ints (an int list that may
 * also be given as separate arguments), float, bool, str, dtype, any. A `?` after a type also allows null.
 */
import { DType } from "../../dtype.ts";
import { checkKeywords, isOptions } from "../../keywords.ts";
import { describe } from "../../shape.ts";
import { Tensor } from "../../tensor.ts";

/** Types as small numbers: comparing strings would cost more than the checks themselves. */
const TYPES = [
  "Tensor",
  "Tensor[]",
  "Operand",
  "Scalar",
  "int",
  "int[]",
  "ints",
  "float",
  "bool",
  "str",
  "dtype",
  "any",
] as const;
const [TENSOR, TENSORS, OPERAND, SCALAR, INT, INT_LIST, INTS, FLOAT, BOOL, STR, DTYPE] = TYPES.keys();

interface Parameter {
  readonly name: string;
  /** Position in `TYPES`. */
  readonly type: number;
  readonly optional: boolean;
  readonly required: boolean;
  readonly fallback: unknown;
  readonly keywordOnly: boolean;
}

export interface Schema {
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

export { checkKeywords, isOptions };

function parse(text: string): Schema {
  const match = /^([\w.]+)\((.*)\)$/.exec(text);
  if (match === null) throw new Error(`Kindling: bad signature ${text}`);
  const parameters: Parameter[] = [];
  let keywordOnly = false;
  for (const part of splitTop(match[2])) {
    if (part === "*") {
      keywordOnly = true;
      continue;
    }
    const p = /^([\w[\]]+)(\?)? (\w+)(?:=(.*))?$/.exec(part);
    if (p === null) throw new Error(`Kindling: bad parameter "${part}" in ${text}`);
    const type = (TYPES as readonly string[]).indexOf(p[1]);
    if (type < 0) throw new Error(`Kindling: unknown parameter type ${p[1]} in ${text}`);
    parameters.push({
      name: p[3],
      type,
      optional: p[2] === "?",
      required: p[4] === undefined,
      fallback: p[4] === undefined ? undefined : literal(p[4]),
      keywordOnly,
    });
  }
  return { name: match[1], parameters };
}

function splitTop(text: string): string[] {
  return text.trim() === "" ? [] : text.split(/,\s*(?![^[\]]*\](?!\s|\?))/).map((s) => s.trim());
}

function literal(text: string): unknown {
  if (text === "None") return null;
  if (text === "True") return true;
  if (text === "False") return false;
  if (text.startsWith("["))
    return Object.freeze(
      text
        .slice(1, -1)
        .split(",")
        .filter((s) => s.trim() !== "")
        .map(Number),
    );
  if (text.startsWith('"')) return text.slice(1, -1);
  const value = Number(text);
  if (Number.isNaN(value)) throw new Error(`Kindling: bad default ${text}`);
  return value;
}

const parsed = new Map<string, Schema>();

function schemaOf(signature: string): Schema {
  let schema = parsed.get(signature);
  if (schema === undefined) parsed.set(signature, (schema = parse(signature)));
  return schema;
}

/** Schemas of signatures without a name, then by name. */
const parsedByName = new Map<string, Map<string, Schema>>();

function schemaNamed(name: string, parameters: string): Schema {
  let byName = parsedByName.get(parameters);
  if (byName === undefined) parsedByName.set(parameters, (byName = new Map()));
  let schema = byName.get(name);
  if (schema === undefined) byName.set(name, (schema = parse(name + parameters)));
  return schema;
}

/** As `bind`, but gives the values by name. */
export function bindNamed(signature: string, args: readonly unknown[]): Record<string, unknown> {
  const schema = schemaOf(signature);
  const values = bindSchema(schema, args);
  return Object.fromEntries(schema.parameters.map((p, i) => [p.name, values[i]]));
}

/** Binds the arguments of one call. Throws TypeError in PyTorch's words. */
export function bind(signature: string, args: readonly unknown[]): unknown[] {
  return bindSchema(schemaOf(signature), args);
}

/**
 * As `bind`, for functions that share a signature: `bindAs("amax", "(Tensor self, int[] dim=[])", args)`. Composing the
 * text in each call would cost more than the rest of binding.
 */
export function bindAs(name: string, parameters: string, args: readonly unknown[]): unknown[] {
  return bindSchema(schemaNamed(name, parameters), args);
}

function bindSchema(schema: Schema, args: readonly unknown[]): unknown[] {
  const { parameters } = schema;
  let count = args.length;
  while (count > 0 && args[count - 1] === undefined) count--;
  if (count > 0 && isOptions(args[count - 1])) {
    return bindKeywords(schema, args, count - 1, args[count - 1] as Record<string, unknown>);
  }
  const values = new Array<unknown>(parameters.length);
  let next = 0;
  for (let i = 0; i < parameters.length; i++) {
    const p = parameters[i];
    let value: unknown;
    if (next < count && !p.keywordOnly) {
      if (p.type === INTS && isInt(args[next])) {
        values[i] = takeInts(args, next, count);
        while (next < count && isInt(args[next])) next++;
        continue;
      }
      value = args[next++];
    }
    if (value !== undefined) values[i] = check(schema.name, p, i, value);
    else if (p.required) throw missingArguments(schema, i, null);
    else values[i] = p.fallback;
  }
  if (next < count) throw tooMany(schema, count);
  return values;
}

/** The whole numbers from `args[next]` on, as one list. */
function takeInts(args: readonly unknown[], next: number, count: number): number[] {
  const list: number[] = [];
  for (let i = next; i < count && isInt(args[i]); i++) list.push(Number(args[i]));
  return list;
}

/** The same with keyword arguments. */
function bindKeywords(
  schema: Schema,
  args: readonly unknown[],
  count: number,
  keywords: Record<string, unknown>,
): unknown[] {
  const { name, parameters } = schema;
  const values = new Array<unknown>(parameters.length);
  let next = 0;
  let used = 0;
  for (let i = 0; i < parameters.length; i++) {
    const p = parameters[i];
    let value: unknown;
    if (next < count && !p.keywordOnly) {
      if (p.type === INTS && isInt(args[next])) {
        value = takeInts(args, next, count);
        while (next < count && isInt(args[next])) next++;
      } else value = args[next++];
    }
    if (Object.hasOwn(keywords, p.name)) {
      if (value !== undefined) throw new TypeError(`${name}() got multiple values for argument '${p.name}'`);
      value = keywords[p.name];
      used++;
      if (value !== undefined) {
        values[i] = check(name, p, -1, value);
        continue;
      }
    }
    if (value !== undefined) values[i] = check(name, p, i, value);
    else if (p.required) throw missingArguments(schema, i, keywords);
    else values[i] = p.fallback;
  }
  if (next < count) throw tooMany(schema, count);
  let given = 0;
  for (const _ in keywords) given++;
  if (given > used) {
    checkKeywords(
      name,
      keywords,
      parameters.map((p) => p.name),
    );
  }
  return values;
}

function tooMany({ name, parameters }: Schema, count: number): TypeError {
  const limit = parameters.filter((p) => !p.keywordOnly).length;
  return new TypeError(`${name}() takes ${limit} positional argument${limit === 1 ? "" : "s"} but ${count} were given`);
}

/** The error for required parameters, from number `first` on, that were not given. */
function missingArguments(schema: Schema, first: number, keywords: Record<string, unknown> | null): TypeError {
  const { name, parameters } = schema;
  const missing = parameters.slice(first).filter((p) => p.required && keywords?.[p.name] === undefined);
  const quoted = missing.map((p) => `'${shownName(p)}'`);
  const list = quoted.length < 3 ? quoted.join(" and ") : `${quoted.slice(0, -1).join(", ")}, and ${quoted.at(-1)}`;
  const kind = missing.every((p) => p.keywordOnly) ? "keyword-only" : "positional";
  const noun = missing.length === 1 ? "argument" : "arguments";
  return new TypeError(`${name}() missing ${missing.length} required ${kind} ${noun}: ${list}`);
}

function isInt(x: unknown): boolean {
  return typeof x === "bigint" || (typeof x === "number" && Number.isInteger(x));
}

function wrongType(op: string, p: Parameter, position: number, wanted: string, value: unknown): TypeError {
  return new TypeError(`${op}(): ${argumentText(p, position)} must be ${wanted}, not ${describe(value)}`);
}

/** What names an argument in PyTorch's messages; `position` is -1 for one given by name. */
function argumentText(p: Parameter, position: number): string {
  return `argument '${shownName(p)}'${position < 0 ? "" : ` (position ${position + 1})`}`;
}

/** Methods always have their tensor, so it can only be wrong or missing in a function, where PyTorch calls it `input`. */
function shownName(p: Parameter): string {
  return p.name === "self" ? "input" : p.name;
}

/** The value as the parameter takes it. */
function check(op: string, p: Parameter, position: number, value: unknown): unknown {
  if (value === null && p.optional) return null;
  let wanted: string;
  switch (p.type) {
    case TENSOR:
      if (value instanceof Tensor) return value;
      wanted = "Tensor";
      break;
    case TENSORS:
      if (Array.isArray(value)) return checkTensors(value, position);
      wanted = "tuple of Tensors";
      break;
    case OPERAND:
      if (value instanceof Tensor || isNumber(value)) return value;
      wanted = "Tensor or Number";
      break;
    case SCALAR:
      if (isNumber(value)) return value;
      if (value instanceof Tensor && value.count === 1) return value.item();
      wanted = "Number";
      break;
    case INT:
      if (isInt(value)) return Number(value);
      if (isWholeTensor(value)) return Number(value.item());
      wanted = "int";
      break;
    case INT_LIST:
    case INTS:
      if (isInt(value)) return [Number(value)];
      if (Array.isArray(value)) return checkInts(op, p, position, value);
      wanted = "tuple of ints";
      break;
    case FLOAT:
      if (typeof value === "number" || typeof value === "bigint") return Number(value);
      if (value instanceof Tensor && value.count === 1) return Number(value.item());
      wanted = "float";
      break;
    case BOOL:
      if (typeof value === "boolean") return value;
      wanted = "bool";
      break;
    case STR:
      if (typeof value === "string") return value;
      wanted = "str";
      break;
    case DTYPE:
      if (value instanceof DType) return value;
      wanted = "torch.dtype";
      break;
    default:
      return value;
  }
  throw wrongType(op, p, position, wanted, value);
}

function checkTensors(list: readonly unknown[], position: number): readonly unknown[] {
  list.forEach((v, i) => {
    if (!(v instanceof Tensor)) {
      throw new TypeError(`expected Tensor as element ${i} in argument ${position}, but got ${describe(v)}`);
    }
  });
  return list;
}

function checkInts(op: string, p: Parameter, position: number, list: readonly unknown[]): number[] {
  const values: number[] = [];
  for (let i = 0; i < list.length; i++) {
    const v = list[i];
    if (isInt(v)) values.push(Number(v));
    else if (isWholeTensor(v)) values.push(Number(v.item()));
    else {
      throw new TypeError(
        `${op}(): ${argumentText(p, position)} must be tuple of ints, but found element of type ${describe(v)} at pos ${i}`,
      );
    }
  }
  return values;
}

/** A tensor of one whole number. */
function isWholeTensor(value: unknown): value is Tensor {
  return value instanceof Tensor && value.count === 1 && !value.dtype.is_floating_point;
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
}
