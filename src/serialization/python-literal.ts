/** Python's literals, as in headers of npy files: dicts, lists, tuples, strings, whole numbers, True, False and None. */
import { ValueError } from "../errors.ts";

/** A tuple, to tell it from a list. */
export class Tuple {
  readonly items: readonly PythonValue[];
  constructor(items: readonly PythonValue[]) {
    this.items = items;
  }
}

export type PythonValue = string | number | boolean | null | Tuple | readonly PythonValue[] | Map<string, PythonValue>;

const MAX_DEPTH = 16;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\", "'": "'", '"': '"', n: "\n", r: "\r", t: "\t" };

/** The value that `text` is. Throws ValueError where it is something else. */
export function parseLiteral(text: string): PythonValue {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.skipSpace();
  if (parser.at < text.length) parser.fail();
  return value;
}

class Parser {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  fail(): never {
    const part = JSON.stringify(this.text.slice(this.at, this.at + 20));
    throw new ValueError(`no Python literal at character ${this.at}: ${part}`);
  }

  skipSpace(): void {
    this.match(/[ \t\r\n]*/y);
  }

  private take(token: string): boolean {
    this.skipSpace();
    const found = this.text.startsWith(token, this.at);
    if (found) this.at += token.length;
    return found;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found !== null) this.at += found[0].length;
    return found;
  }

  value(depth: number): PythonValue {
    if (depth > MAX_DEPTH) this.fail();
    if (this.take("{")) return this.dict(depth);
    if (this.take("[")) return this.items("]", depth).items;
    if (this.take("(")) {
      const { items, comma } = this.items(")", depth);
      // One value in parentheses is no tuple.
      return items.length === 1 && !comma ? items[0] : new Tuple(items);
    }
    // Python 2 wrote an L behind long integers.
    const number = this.match(/-?\d+L?/y);
    if (number !== null) return Number(number[0].replace("L", ""));
    const word = this.match(/True|False|None/y);
    if (word !== null) return word[0] === "None" ? null : word[0] === "True";
    return this.string();
  }

  private items(end: string, depth: number): { items: PythonValue[]; comma: boolean } {
    const items: PythonValue[] = [];
    let comma = false;
    while (!this.take(end)) {
      if (items.length > 0 && !comma) this.fail();
      items.push(this.value(depth + 1));
      comma = this.take(",");
    }
    return { items, comma };
  }

  private dict(depth: number): Map<string, PythonValue> {
    const out = new Map<string, PythonValue>();
    let comma = true;
    while (!this.take("}")) {
      if (!comma) this.fail();
      this.skipSpace();
      const key = this.string();
      if (!this.take(":")) this.fail();
      out.set(key, this.value(depth + 1));
      comma = this.take(",");
    }
    return out;
  }

  private string(): string {
    const found = this.match(/[ub]?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/sy);
    if (found === null) return this.fail();
    return (found[1] ?? found[2]).replace(/\\(?:x([\da-f]{2})|u([\da-f]{4})|(.))/gis, (whole, x, u, other) =>
      x || u ? String.fromCharCode(Number.parseInt(x ?? u, 16)) : (ESCAPES[other] ?? whole),
    );
  }
}
