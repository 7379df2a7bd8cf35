/** Values as pickle's protocols 0 and 1 write them: ints, floats and strs of Python as text. */
import { UnpicklingError } from "../../errors.ts";
import { normalizeInt } from "./integers.ts";
import { decodeUtf8 } from "./text.ts";
import { PyBytes, type PyValue } from "./values.ts";

/** Converting text of many digits takes quadratic time, and no checkpoint has ints so long. */
const MAX_DIGITS = 4096;

/** The number of a place in the memo. */
export function parseIndex(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new UnpicklingError(`'${text.slice(0, 40)}' is no memo index`);
  return Number(text);
}

/** What INT has: an int, or a bool as 00 or 01. */
export function parsePythonInt(text: string): PyValue {
  return text === "00" || text === "01" ? text === "01" : parsePythonLong(text);
}

/** What LONG has: an int, in Python 2 with an L at its end. */
export function parsePythonLong(text: string): PyValue {
  if (text.length > MAX_DIGITS || !/^[+-]?\d+L?$/.test(text)) {
    throw new UnpicklingError(`'${text.slice(0, 40)}' is no int`);
  }
  return normalizeInt(BigInt(text.replace(/L$/, "").replace(/^\+/, "")));
}

export function parsePythonFloat(text: string): number {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (/^[+-]?inf$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  throw new UnpicklingError(`'${text.slice(0, 40)}' is no float`);
}

/** A Python 2 str: text where it is text, else bytes. */
export function legacyText(bytes: Uint8Array): PyValue {
  return decodeUtf8(bytes) ?? new PyBytes(bytes, false);
}

/** A Python 2 str as its repr. */
export function quotedString(text: string): PyValue {
  const quote = text[0];
  if (text.length < 2 || (quote !== "'" && quote !== '"') || !text.endsWith(quote)) {
    throw new UnpicklingError("the STRING opcode argument must be quoted");
  }
  const escapes: Record<string, number> = { n: 10, r: 13, t: 9, "\\": 92, "'": 39, '"': 34, a: 7, b: 8, f: 12, v: 11 };
  const bytes: number[] = [];
  for (let i = 1; i < text.length - 1; i++) {
    const code = text.charCodeAt(i);
    if (code !== 92) {
      if (code > 127) throw new UnpicklingError("the STRING opcode argument must be ASCII");
      bytes.push(code);
      continue;
    }
    const next = text[++i];
    const hex = /^x([0-9a-f]{2})/i.exec(text.slice(i, i + 3));
    if (hex !== null) {
      bytes.push(Number.parseInt(hex[1], 16));
      i += 2;
    } else if (Object.hasOwn(escapes, next)) bytes.push(escapes[next]);
    else throw new UnpicklingError("unknown escape in the STRING opcode argument");
  }
  return legacyText(new Uint8Array(bytes));
}

/** Protocol 0's text: Latin-1 with \uXXXX and \UXXXXXXXX. */
export function rawUnicodeEscape(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short: string | undefined, long: string) => {
    if (short !== undefined) return String.fromCharCode(Number.parseInt(short, 16));
    const code = Number.parseInt(long, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
