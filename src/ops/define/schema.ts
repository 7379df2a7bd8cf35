/**
 * Arguments by PyTorch's own signatures: `"sum(Tensor self, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)"`.
 * A signature is parsed once; its binder takes what the user passed, positional values in order and keyword arguments in
 * one trailing plain object, checks types, names misspelled keywords, and returns the values in the signature's order.
 *
 * Types: Tensor, Tensor[], Scalar (number, bigint, boolean), Operand (Tensor or Scalar), int, int[], ints (an int list that may
 * also be given as separate arguments), float, bool, str, dtype, any. A `?` after a type also allows null.
 */
import { DType } from "../../dtype.ts";
import { describe } from "../../shape.ts";
import { Tensor } from "../../tensor.ts";

interface Parameter {
  readonly name: string;
  readonly type: string;
  readonly optional: boolean;
  readonly required: boolean;
  readonly fallback: unknown;
  readonly keywordOnly: boolean;
}

export interface Schema {
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

/** Whether `x` can only be a set of keyword arguments. */
export function isOptions(x: unknown): x is Record<string, unknown> {
  if (typeof x !== "object" || x === null) return false;
  const prototype = Object.getPrototypeOf(x);
  return prototype === Object.prototype || prototype === null;
}

const parsed = new Map<string, Schema>();

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
    parameters.push({
      name: p[3],
      type: p[1],
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

function schemaOf(signature: string): Schema {
  let schema = parsed.get(signature);
  if (schema === undefined) parsed.set(signature, (schema = parse(signature)));
  return schema;
}

/** As `bind`, but gives the values by name. */
export function bindNamed(signature: string, args: readonly unknown[]): Record<string, unknown> {
  const values = bind(signature, args);
  return Object.fromEntries(schemaOf(signature).parameters.map((p, i) => [p.name, values[i]]));
}

/** Binds the arguments of one call. Throws TypeError in PyTorch's words. */
export function bind(signature: string, args: readonly unknown[]): unknown[] {
  const { name, parameters } = schemaOf(signature);
  let count = args.length;
  let keywords: Record<string, unknown> | null = null;
  while (count > 0 && args[count - 1] === undefined) count--;
  if (count > 0 && isOptions(args[count - 1])) keywords = args[--count] as Record<string, unknown>;
  const values = new Array<unknown>(parameters.length);
  let next = 0;
  for (let i = 0; i < parameters.length; i++) {
    const p = parameters[i];
    let value: unknown;
    let given = false;
    if (!p.keywordOnly && next < count) {
      if (p.type === "ints" && isInt(args[next])) {
        const list: number[] = [];
        while (next < count && isInt(args[next])) list.push(Number(args[next++]));
        value = list;
      } else value = args[next++];
      given = value !== undefined;
      if (given && keywords !== null && Object.hasOwn(keywords, p.name)) {
        throw new TypeError(`${name}() got multiple values for argument '${p.name}'`);
      }
    }
    if (!given && keywords !== null && Object.hasOwn(keywords, p.name)) {
      value = keywords[p.name];
      given = value !== undefined;
    }
    if (!given) {
      if (p.required) {
        const missing = parameters.slice(i).filter((q) => q.required && keywords?.[q.name] === undefined);
        throw missingArguments(name, missing);
      }
      values[i] = p.fallback;
      continue;
    }
    values[i] = check(name, p, i, value);
  }
  if (next < count) {
    const limit = parameters.filter((p) => !p.keywordOnly).length;
    throw new TypeError(
      `${name}() takes ${limit} positional argument${limit === 1 ? "" : "s"} but ${count} were given`,
    );
  }
  if (keywords !== null)
    checkKeywords(
      name,
      keywords,
      parameters.map((p) => p.name),
    );
  return values;
}

function missingArguments(name: string, missing: readonly Parameter[]): TypeError {
  const quoted = missing.map((p) => `'${p.name}'`);
  const list = quoted.length < 3 ? quoted.join(" and ") : `${quoted.slice(0, -1).join(", ")}, and ${quoted.at(-1)}`;
  const kind = missing.every((p) => p.keywordOnly) ? "keyword-only" : "positional";
  const noun = missing.length === 1 ? "argument" : "arguments";
  return new TypeError(`${name}() missing ${missing.length} required ${kind} ${noun}: ${list}`);
}

function isInt(x: unknown): boolean {
  return typeof x === "bigint" || (typeof x === "number" && Number.isInteger(x));
}

function check(op: string, p: Parameter, position: number, value: unknown): unknown {
  if (value === null && p.optional) return null;
  const fail = (wanted: string): never => {
    throw new TypeError(
      `${op}(): argument '${p.name}' (position ${position + 1}) must be ${wanted}, not ${describe(value)}`,
    );
  };
  switch (p.type) {
    case "Tensor":
      return value instanceof Tensor ? value : fail("Tensor");
    case "Tensor[]": {
      if (!Array.isArray(value)) return fail("tuple of Tensors");
      value.forEach((v, i) => {
        if (!(v instanceof Tensor)) {
          throw new TypeError(`expected Tensor as element ${i} in argument ${position}, but got ${describe(v)}`);
        }
      });
      return value;
    }
    case "Operand":
      return value instanceof Tensor || isNumber(value) ? value : fail("Tensor or Number");
    case "Scalar":
      if (value instanceof Tensor && value.count === 1) return value.item();
      return isNumber(value) ? value : fail("Number");
    case "int":
      if (value instanceof Tensor && value.count === 1 && !value.dtype.is_floating_point) return Number(value.item());
      return isInt(value) ? Number(value) : fail("int");
    case "int[]":
    case "ints":
      if (isInt(value)) return [Number(value)];
      if (!Array.isArray(value)) return fail("tuple of ints");
      return value.map((v, i) => {
        if (isInt(v)) return Number(v);
        if (v instanceof Tensor && v.count === 1 && !v.dtype.is_floating_point) return Number(v.item());
        throw new TypeError(
          `${op}(): argument '${p.name}' (position ${position + 1}) must be tuple of ints, but found element of type ${describe(v)} at pos ${i}`,
        );
      });
    case "float":
      if (value instanceof Tensor && value.count === 1) return Number(value.item());
      return typeof value === "number" || typeof value === "bigint" ? Number(value) : fail("float");
    case "bool":
      return typeof value === "boolean" ? value : fail("bool");
    case "str":
      return typeof value === "string" ? value : fail("str");
    case "dtype":
      return value instanceof DType ? value : fail("torch.dtype");
    case "any":
      return value;
    default:
      throw new Error(`Kindling: unknown parameter type ${p.type}`);
  }
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
}

/** Refuses keyword arguments that are not among `allowed`, and names the near ones. */
export function checkKeywords(name: string, keywords: object, allowed: readonly string[]): void {
  for (const key of Object.keys(keywords)) {
    if (allowed.includes(key)) continue;
    const near = allowed.filter(
      (a) => distance(a.toLowerCase(), key.toLowerCase()) <= Math.max(1, Math.floor(a.length / 3)),
    );
    const hint =
      near.length > 0
        ? `; did you mean '${near.join("' or '")}'?`
        : allowed.length > 0
          ? ` (it takes ${allowed.join(", ")})`
          : "";
    throw new TypeError(`${name}() got an unexpected keyword argument '${key}'${hint}`);
  }
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}
